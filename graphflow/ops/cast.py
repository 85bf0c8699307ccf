"""Conversion of elements to another dtype, with one answer on every backend.

Integers to integers wrap around, as in C. Floats to integers are cut towards zero; what the integer
type cannot hold becomes its nearest value and NaN becomes 0, where C leaves the result undefined and
processors differ. Anything but zero, NaN included, becomes True.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import DTypeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_tensor
from graphflow.types import STRING, TensorType, as_dtype, is_floating, is_integer

__all__ = ["astype", "cast", "dtype_of", "numpy_dtype"]

_BLOCK = 8192


def dtype_of(xp: Any, dtype: np.dtype[Any]) -> Any:
    """A dtype as the array module `xp` takes it: NumPy's and CuPy's are the same, the standard's need not be."""
    return dtype if xp is np else getattr(xp, dtype.name, dtype)


def numpy_dtype(x: Any) -> np.dtype[Any]:
    """The NumPy dtype of an array of any array module."""
    return x.dtype if isinstance(x.dtype, np.dtype) else np.dtype(str(x.dtype).rpartition(".")[2])


def _plain(xp: Any, x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if hasattr(x, "astype") else xp.astype(x, dtype)  # CuPy 13 has only the method


def _saturate(source: Any, target: Any) -> None:
    """Write `source` into the integer array `target`, block by block, so that no mask is ever large."""
    limits = np.iinfo(target.dtype)
    beyond = float(limits.max) if limits.max < 2**31 else float(limits.max + 1)
    blocks = np.nditer(
        [source, target],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly"]],
        buffersize=_BLOCK,
    )
    with blocks:
        for x, y in blocks:
            np.copyto(y, x, casting="unsafe")
            y[x >= beyond] = limits.max
            y[x <= float(limits.min)] = limits.min
            y[np.isnan(x)] = 0


def _saturated(xp: Any, x: Any, dtype: np.dtype[Any]) -> Any:
    """`_saturate` for the GPU and for array modules without in-place writes."""
    limits = np.iinfo(dtype)
    beyond = float(limits.max) if limits.max < 2**31 else float(limits.max + 1)
    own = dtype_of(xp, dtype)
    result = _plain(xp, x, own)
    for mask, value in (
        (x >= beyond, int(limits.max)),
        (x <= float(limits.min), int(limits.min)),
        (xp.isnan(x), 0),
    ):
        result = xp.where(mask, xp.asarray(value, dtype=own), result)
    return result


def _fits(x: Any, dtype: np.dtype[Any]) -> bool:
    """True if every element of a NumPy array is well inside an integer type; False with any NaN."""
    limits = np.iinfo(dtype)
    return not x.size or (float(np.min(x)) > limits.min and float(np.max(x)) < limits.max)


def _to_integer(xp: Any, x: Any, dtype: np.dtype[Any], out: Any) -> Any:
    if xp is not np:
        result = _saturated(xp, x, dtype)
        if out is None:
            return result
        xp.copyto(out, result)
        return out
    if out is None:
        out = np.empty(x.shape, dtype)
    if _fits(x, dtype):
        np.copyto(out, x, casting="unsafe")
    else:
        _saturate(x, out)
    return out


def _cast_kernel(xp: Any, x: Any, *, dtype: np.dtype[Any], out: Any = None) -> Any:
    if is_integer(dtype) and is_floating(numpy_dtype(x)):
        return _to_integer(xp, x, dtype, out)
    if out is None:
        return _plain(xp, x, dtype_of(xp, dtype))
    xp.copyto(out, x, casting="unsafe")
    return out


def _cast_vjp(node: Any, g: Any) -> Sequence[Any]:
    x = node.inputs[0]
    if not is_floating(x.dtype):
        return (None,)
    if g.dtype.kind == "c" and x.dtype.kind != "c":
        g = F.real(g)
    return (cast(g, x.dtype),)


def _cast_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, dtype: np.dtype[Any]) -> int:
    """What `_saturate` holds of a block: which elements are beyond a limit, 16-bit floats as float32 for that."""
    own = inputs[0].dtype
    if not is_integer(dtype) or not is_floating(own):
        return 0
    elements: Any = outputs[0].size  # an int by now
    return int(min(elements, _BLOCK)) * (5 if own.kind == "V" else 1)


CAST = declare(
    Op(
        "cast",
        lambda x, *, dtype: TensorType(dtype, x.shape),
        _cast_kernel,
        _cast_vjp,
        Trait.ELEMENTWISE | Trait.OUT,
        dtype=lambda x, *, dtype: dtype,
        workspace=_cast_nbytes,
        doc="Elements converted to another dtype.",
        default_name="Cast",
    )
)


@public
def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Convert the elements to `dtype`; the tensor itself where it has that dtype already.

    Floats to integers are cut towards zero and kept within the type's range, NaN becomes 0; integers to
    narrower integers wrap around; anything but zero becomes True. The gradient is cast back.
    Raises DTypeError for complex to real (take `gf.real`), numbers to text (take `gf.as_string`) and what is no dtype.
    """
    t, wanted = as_tensor(x), as_dtype(dtype)
    if t.type.dtype == wanted:
        return t
    if wanted is STRING:
        raise DTypeError(f"cast: {t!r} cannot become text; take gf.as_string(x)")
    if t.type.dtype.kind == "c" and wanted.kind not in "cb":
        raise DTypeError(f"cast: {t!r} is complex and cannot become {wanted.name}; take gf.real(x)")
    return make_node(CAST, (t,), {"dtype": wanted}, name).outputs[0]


@public
def astype(x: Any, dtype: Any, *, copy: bool = True, device: Any = None, name: str | None = None) -> Tensor:
    """`cast` by its Array API name.

    copy: True gives a tensor of its own, which `y[k] = v` can change without changing `x`, even if nothing has
        to be converted; False gives `x` itself then. device: where it is converted to, as for `gf.device`.
    Raises as `cast`; ArgumentError for a `copy` that is no bool, or what is no device.
    """
    t = as_tensor(x)
    wanted = as_dtype(dtype)
    y = F.asarray(t, dtype=wanted, device=device, name=name)
    if y is t and flag(copy, "astype", "copy"):
        return F.identity(t, name=name)  # type: ignore[no-any-return]
    return y  # type: ignore[no-any-return]
