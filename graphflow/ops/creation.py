"""Tensors made from nothing but their type: zeros, ones, full and the like, ranges, the identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, GraphflowError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import dims_argument, known_shape, typed
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.interchange import on_device
from graphflow.types import (
    STRING,
    DimLike,
    Shape,
    TensorType,
    as_dtype,
    as_index,
    default_float,
    is_floating,
)

__all__ = [
    "empty",
    "empty_like",
    "eye",
    "fill",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def no_flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """Nothing is computed."""
    return 0


def _filled(xp: Any, shape: tuple[int, ...], value: Any, dtype: np.dtype[Any], out: Any) -> Any:
    if out is None:
        return xp.full(shape, value, dtype=dtype_of(xp, dtype))
    out.fill(value)
    return out


# --- full, zeros, ones ----------------------------------------------------------------------------

FULL = declare(
    Op(
        "full",
        lambda *, shape, value, dtype: typed(dtype, shape),
        lambda xp, *, shape, value, dtype, out=None: _filled(xp, shape, value, dtype, out),
        lambda node: (),
        Trait.OUT,
        flops=no_flops,
        doc="One value everywhere.",
    )
)

FULL_LIKE = declare(
    Op(
        "full_like",
        lambda x, *, value, dtype: TensorType(dtype, x.shape),
        lambda xp, x, *, value, dtype, out=None: _filled(xp, x.shape, value, dtype, out),
        lambda node, g: (None,),
        Trait.OUT | Trait.SHAPE_ONLY,
        dtype=lambda x, *, value, dtype: dtype,
        flops=no_flops,
        doc="One value everywhere, in the shape of another tensor.",
    )
)


def _not_text(dtype: np.dtype[Any], name: str) -> None:
    if dtype is STRING:
        raise DTypeError(f"{name}: text is made by gf.constant, not by filling")


def _full(shape: Shape, value: Any, dtype: np.dtype[Any], name: str) -> Tensor:
    _not_text(dtype, name)
    return make_node(FULL, (), {"shape": shape, "value": value, "dtype": dtype}, name).outputs[0]


def _scalar(what: str, value: Any, dtype: np.dtype[Any] | None) -> tuple[Any, np.dtype[Any]]:
    """A Python scalar and its dtype. Raises ArgumentError for more than one value, DTypeError for what does not fit."""
    try:
        array = as_array(value, dtype)
    except GraphflowError as error:
        raise type(error)(f"{what}: fill_value: {error}") from error.__cause__
    if array.ndim:
        raise ArgumentError(f"{what}: fill_value must be one value, got {shorten(value)}")
    return array.item(), array.dtype


def _plain(value: int, dtype: np.dtype[Any]) -> Any:
    return bool(value) if dtype.kind == "b" else float(value) if is_floating(dtype) else value


@public
def full(
    shape: Any, fill_value: Any, dtype: Any = None, name: str | None = None, *, device: Any = None
) -> Tensor:
    """A tensor of that shape with `fill_value` everywhere.

    shape: ints, dimensions or sizes from `gf.shape`. fill_value: one number or bool, or a 0-d tensor. dtype: that
        of `fill_value` where left out. device: where it is made, as for `gf.device`.
    Raises ShapeError for what is no shape, ArgumentError for more than one value, DTypeError for a value that
    does not fit the dtype.
    """
    dims = dims_argument(shape, "full: shape")
    wanted = None if dtype is None else as_dtype(dtype)
    if hasattr(type(fill_value), "__graphflow_tensor__"):
        tensor = fill_value.__graphflow_tensor__()
        if tensor.type.shape not in (None, ()):
            raise ArgumentError(f"full: fill_value must be one value, got {tensor!r}")
        with on_device(device):
            return F.broadcast_to(tensor if wanted is None else F.cast(tensor, wanted), dims, name=name)  # type: ignore[no-any-return]
    value, own = _scalar("full", fill_value, wanted)
    with on_device(device):
        return _full(dims, value, own, "full" if name is None else name)


@public
def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """`full` by TensorFlow's name."""
    return full(dims, value, None, "Fill" if name is None else name)


@public
def zeros(shape: Any, dtype: Any = None, name: str | None = None, *, device: Any = None) -> Tensor:
    """A tensor of zeros; of the default float where no dtype is given. shape, device: as for `full`."""
    own = default_float() if dtype is None else as_dtype(dtype)
    dims = dims_argument(shape, "zeros: shape")
    with on_device(device):
        return _full(dims, _plain(0, own), own, "zeros" if name is None else name)


@public
def ones(shape: Any, dtype: Any = None, name: str | None = None, *, device: Any = None) -> Tensor:
    """A tensor of ones; of the default float where no dtype is given. shape, device: as for `full`."""
    own = default_float() if dtype is None else as_dtype(dtype)
    dims = dims_argument(shape, "ones: shape")
    with on_device(device):
        return _full(dims, _plain(1, own), own, "ones" if name is None else name)


@public
def empty(shape: Any, dtype: Any = None, name: str | None = None, *, device: Any = None) -> Tensor:
    """`zeros`: a tensor whose values do not matter still has the same ones in every run."""
    own = default_float() if dtype is None else as_dtype(dtype)
    dims = dims_argument(shape, "empty: shape")
    with on_device(device):
        return _full(dims, _plain(0, own), own, "empty" if name is None else name)


def _like(x: Tensor, value: Any, dtype: np.dtype[Any], name: str) -> Tensor:
    dims = known_shape(x)
    if dims is not None:
        return _full(dims, value, dtype, name)
    _not_text(dtype, name or "full_like")
    return make_node(FULL_LIKE, (x,), {"value": value, "dtype": dtype}, name).outputs[0]


@public
def full_like(
    x: Any, fill_value: Any, dtype: Any = None, name: str | None = None, *, device: Any = None
) -> Tensor:
    """`full` in the shape of `x`, and in its dtype unless another is given. The value of `x` is not needed."""
    x = as_tensor(x)
    value, own = _scalar("full_like", fill_value, x.dtype if dtype is None else as_dtype(dtype))
    with on_device(device):
        return _like(x, value, own, "full_like" if name is None else name)


@public
def zeros_like(x: Any, dtype: Any = None, name: str | None = None, *, device: Any = None) -> Tensor:
    """Zeros in the shape of `x`, and in its dtype unless another is given. The value of `x` is not needed."""
    x = as_tensor(x)
    own = x.dtype if dtype is None else as_dtype(dtype)
    with on_device(device):
        return _like(x, _plain(0, own), own, "zeros_like" if name is None else name)


@public
def ones_like(x: Any, dtype: Any = None, name: str | None = None, *, device: Any = None) -> Tensor:
    """Ones in the shape of `x`, and in its dtype unless another is given. The value of `x` is not needed."""
    x = as_tensor(x)
    own = x.dtype if dtype is None else as_dtype(dtype)
    with on_device(device):
        return _like(x, _plain(1, own), own, "ones_like" if name is None else name)


@public
def empty_like(x: Any, dtype: Any = None, name: str | None = None, *, device: Any = None) -> Tensor:
    """`zeros_like`; see `empty`."""
    return zeros_like(x, dtype, "empty_like" if name is None else name, device=device)


# --- eye ------------------------------------------------------------------------------------------


def _eye_kernel(xp: Any, *, n_rows: int, n_cols: int, k: int, dtype: np.dtype[Any], out: Any = None) -> Any:
    if out is None:
        return xp.eye(n_rows, n_cols, k=k, dtype=dtype_of(xp, dtype))
    out.fill(0)
    length = min(n_rows - max(-k, 0), n_cols - max(k, 0))
    if length > 0:
        first = k if k >= 0 else -k * n_cols
        xp.reshape(out, (-1,))[first : first + (length - 1) * (n_cols + 1) + 1 : n_cols + 1] = 1
    return out


EYE = declare(
    Op(
        "eye",
        lambda *, n_rows, n_cols, k, dtype: typed(dtype, (n_rows, n_cols)),
        _eye_kernel,
        lambda node: (),
        Trait.OUT,
        flops=no_flops,
        doc="Ones on a diagonal, zeros elsewhere.",
    )
)


@public
def eye(
    n_rows: Any,
    n_cols: Any = None,
    k: int = 0,
    dtype: Any = None,
    name: str | None = None,
    *,
    batch_shape: Any = None,
    device: Any = None,
) -> Tensor:
    """A matrix with ones on its `k`-th diagonal (above the main one for k > 0) and zeros elsewhere.

    n_cols: as `n_rows` where left out. batch_shape: leading axes along which the matrix is repeated.
    device: as for `full`.
    Raises ShapeError for negative or non-integer sizes, ArgumentError for a k that is no integer.
    """
    rows = _one_size("eye: n_rows", n_rows)
    cols = rows if n_cols is None else _one_size("eye: n_cols", n_cols)
    wanted = default_float() if dtype is None else as_dtype(dtype)
    _not_text(wanted, "eye")
    attrs = {
        "n_rows": rows,
        "n_cols": cols,
        "k": max(-(2**62), min(as_index(k, "eye: k"), 2**62)),
        "dtype": wanted,
    }
    lead = None if batch_shape is None else dims_argument(batch_shape, "eye: batch_shape")
    with on_device(device):
        if lead is None:
            return make_node(EYE, (), attrs, name).outputs[0]
        matrix = make_node(EYE, (), attrs).outputs[0]
        return F.broadcast_to(matrix, (*lead, rows, cols), name=name)  # type: ignore[no-any-return]


def _one_size(what: str, value: Any) -> DimLike:
    dims = dims_argument(value, what)
    if len(dims) != 1 or isinstance(value, (list, tuple)):
        raise ShapeError(f"{what} must be one size, not {shorten(value)}")
    return dims[0]
