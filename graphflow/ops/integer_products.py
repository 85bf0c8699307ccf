"""Products of small integers, exact: matrices of 8 bits with sums of 32, and the same with scales.

Matrix libraries are fast for floats alone. Sums of products of 8-bit integers are exact in float32 as long as they stay
below 2^24, so the inner axis is cut into pieces that cannot go beyond, and the pieces are added up as integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.linalg import MATMUL
from graphflow.ops.philox import converted
from graphflow.ops.quantization import quantize_linear
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, TensorType, broadcast_shapes

__all__ = ["eight_bits", "matmul_integer", "qlinear_matmul", "requantized", "scale_of"]

INT32, FLOAT32, FLOAT64 = SUPPORTED["int32"], SUPPORTED["float32"], SUPPORTED["float64"]
EXACT = 1 << 24
"""Integers up to it are exact in float32."""

# --- the product ----------------------------------------------------------------------------------


def _infer(a: TensorType, b: TensorType, *zero_points: TensorType) -> TensorType:
    product: TensorType = MATMUL.infer(TensorType(FLOAT32, a.dims), TensorType(FLOAT32, b.dims))
    for x, zero in zip((a, b), zero_points, strict=False):
        if broadcast_shapes(x.dims, zero.dims) != x.dims and x.is_static and zero.is_static:
            raise ShapeError(f"zero point {zero} does not fit {x}")
    return typed(INT32, product.dims)


def _largest(dtype: np.dtype[Any], shifted: bool) -> int:
    """The largest magnitude of an element, its zero point taken off."""
    return 255 if shifted or dtype.kind == "u" else 128


def _piece(a: np.dtype[Any], b: np.dtype[Any], zero_points: int) -> int:
    """How long an inner axis may be for every sum to be exact in float32."""
    return EXACT // (_largest(a, zero_points > 0) * _largest(b, zero_points > 0))


def _floats(xp: Any, x: Any, zero: Any) -> Any:
    wide = converted(xp, x, xp.float32)
    if zero is None:
        return wide
    if xp is np and wide.shape:
        return np.subtract(wide, zero.astype(np.float32), out=wide)
    return wide - converted(xp, zero, xp.float32)


def _pieces(inner: int, step: int) -> list[slice]:
    return [slice(k, min(k + step, inner)) for k in range(0, max(inner, 1), step)]


def _product(xp: Any, a: Any, b: Any, *zero_points: Any, out: Any = None) -> Any:
    zeros = zero_points or (None, None)
    pieces = _pieces(a.shape[-1], _piece(numpy_dtype(a), numpy_dtype(b), len(zero_points)))
    if xp is np and a.ndim == 2 and b.ndim == 2:
        return _by_rows(a, b, zeros, pieces, out)
    x, y = _floats(xp, a, zeros[0]), _floats(xp, b, zeros[1])
    total = None
    for part in pieces:
        rows = y[part] if y.ndim == 1 else y[..., part, :]
        piece = converted(xp, xp.matmul(x[..., part], rows), xp.int32)
        total = piece if total is None else total + piece
    if out is None:
        return total
    xp.copyto(out, total)
    return out


ROWS_NBYTES = 1 << 21
"""Bytes of the floats of some rows of the product: they become integers while they are still in the cache."""


def _rows(columns: int) -> int:
    return max(64, ROWS_NBYTES // (4 * max(columns, 1)))


def _by_rows(a: Any, b: Any, zeros: Sequence[Any], pieces: Sequence[slice], out: Any) -> Any:
    """Two matrices on the CPU, some rows at a time."""
    y = _floats(np, b, zeros[1])
    count, columns = a.shape[0], b.shape[1]
    if out is None:
        out = np.empty((count, columns), np.int32)
    step = min(_rows(columns), count)
    floats, integers = np.empty((step, columns), np.float32), np.empty((step, columns), np.int32)
    for first in range(0, count, max(step, 1)):
        rows = slice(first, min(first + step, count))
        shift = zeros[0] if zeros[0] is None or zeros[0].shape in ((), (1, 1)) else zeros[0][rows]
        x = _floats(np, a[rows], shift)
        f, i = floats[: x.shape[0]], integers[: x.shape[0]]
        for k, part in enumerate(pieces):
            np.matmul(x[:, part], y[part], out=f)
            if k == 0:
                np.copyto(out[rows], f, casting="unsafe")
            else:
                np.copyto(i, f, casting="unsafe")
                np.add(out[rows], i, out=out[rows])
    return out


def _nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    a, b, y = [int(t.size) for t in (*inputs[:2], *outputs)]  # type: ignore[arg-type]  # static by then
    small: list[Any] = [t.size for t in inputs[2:]]
    if inputs[0].rank == 2 and inputs[1].rank == 2:
        (count, inner), columns = inputs[0].dims, int(outputs[0].dims[1])  # type: ignore[arg-type]
        rows = min(_rows(columns), int(count))  # type: ignore[arg-type]
        return 4 * (b + rows * 2 * (columns + int(inner)) + int(sum(small))) + 4096  # type: ignore[arg-type]
    step = _piece(inputs[0].dtype, inputs[1].dtype, len(inputs) - 2)
    held = y if int(inputs[0].dims[-1]) <= step else 3 * y  # type: ignore[arg-type]
    return 4 * (a + b + held + int(sum(small))) + 4096


MATMUL_INTEGER = declare(
    Op(
        "matmul_integer",
        _infer,
        _product,
        lambda node, g: (None,) * len(node.inputs),
        Trait.BLAS | Trait.OUT,
        dtype=lambda *inputs: INT32,
        flops=lambda inputs, outputs: 2 * int(outputs[0].size) * int(inputs[0].dims[-1]),
        workspace=_nbytes,
        default_name="MatMulInteger",
        doc="Matrix product of 8-bit integers, in 32 bits.",
    )
)


def eight_bits(what: str, named: str, value: Any) -> Tensor:
    """A tensor of int8 or uint8. Raises DTypeError for another."""
    t = operand(what, value)
    if t.type.dtype.name not in ("int8", "uint8"):
        raise DTypeError(f"{what}: {named} must be int8 or uint8, got {t!r}")
    return t


def _zero(what: str, named: str, value: Any, x: Tensor, by_row: bool) -> Tensor:
    """A zero point: a scalar, or one for each row (a column of them) or each column."""
    if value is None:
        return F.constant(0, x.type.dtype)  # type: ignore[no-any-return]
    if not hasattr(value, "dtype"):
        value = F.constant(value, x.type.dtype)
    t = operand(what, value)
    if t.type.dtype != x.type.dtype:
        raise DTypeError(f"{what}: {named} must be {x.type.dtype.name} as what it belongs to, got {t!r}")
    return _vector(what, named, t, by_row)


def _vector(what: str, named: str, t: Tensor, by_row: bool) -> Tensor:
    dims = t.type.shape
    if dims is None or len(dims) > 1:
        raise ShapeError(f"{what}: {named} must be a scalar or a vector, got {t!r}")
    return F.expand_dims(t, 1) if by_row and len(dims) else t


@public
def matmul_integer(
    a: Any, b: Any, a_zero_point: Any = None, b_zero_point: Any = None, name: str | None = None
) -> Tensor:
    """`(a - a_zero_point) @ (b - b_zero_point)` of int8 and uint8 in int32, exact (beyond 32 bits it wraps around).

    A primitive: products of floats, cut so that they are exact. No gradient.
    a, b: as for `matmul`, each int8 or uint8. Zero points: of the type of what they belong to, a scalar, or for
    `a` one for each row and for `b` one for each column.
    Raises DTypeError for other types, ShapeError for sizes that do not fit. Source: ONNX's operator MatMulInteger.
    """
    what = "matmul_integer"
    x, y = eight_bits(what, "a", a), eight_bits(what, "b", b)
    if a_zero_point is None and b_zero_point is None:
        return apply(MATMUL_INTEGER, x, y, name=name)  # type: ignore[no-any-return]
    with composition("MatMulInteger" if name is None else name):
        zeros = (
            _zero(what, "a_zero_point", a_zero_point, x, True),
            _zero(what, "b_zero_point", b_zero_point, y, False),
        )
        return apply(MATMUL_INTEGER, x, y, *zeros)  # type: ignore[no-any-return]


# --- with scales ----------------------------------------------------------------------------------


def scale_of(what: str, named: str, value: Any, by_row: bool) -> Tensor:
    """A scale in float64: a scalar, or one for each row (a column of them) or each column."""
    return F.cast(_vector(what, named, reals(what, value), by_row), FLOAT64)  # type: ignore[no-any-return]


def requantized(
    what: str, total: Tensor, factor: Tensor, y_scale: Any, y_zero_point: Any, name: str
) -> Tensor:
    """`total * factor / y_scale` as 8-bit integers; in float64, which holds the sums exactly."""
    total = F.cast(total, FLOAT64) * factor
    scale = scale_of(what, "y_scale", y_scale, False)
    zero = eight_bits(what, "y_zero_point", y_zero_point)
    for named, t in (("y_scale", scale), ("y_zero_point", zero)):
        if t.type.shape != ():
            raise ShapeError(f"{what}: {named} must be a scalar, got {t!r}")
    return quantize_linear(total, scale, zero, name=name)


@public
def qlinear_matmul(
    a: Any,
    a_scale: Any,
    a_zero_point: Any,
    b: Any,
    b_scale: Any,
    b_zero_point: Any,
    y_scale: Any,
    y_zero_point: Any,
    name: str | None = None,
) -> Tensor:
    """The matrix product of two quantised matrices, quantised again: int8 or uint8, as y_zero_point is. A composition.

    a, b and their zero points as for `matmul_integer`; scales: positive reals, of the shape of the zero points.
    y_scale, y_zero_point: scalars. Sums are exact and multiplied in float64; rounding is half to even, saturating.
    Raises as `matmul_integer`. Source: ONNX's operator QLinearMatMul.
    """
    what = "qlinear_matmul"
    with composition("QLinearMatMul" if name is None else name) as scope:
        total = matmul_integer(a, b, a_zero_point, b_zero_point)
        factor = scale_of(what, "a_scale", a_scale, True) * scale_of(what, "b_scale", b_scale, False)
        return requantized(what, total, factor, y_scale, y_zero_point, scope)
