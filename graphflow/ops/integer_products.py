"""Products of small integers, exact: matrices of 8 bits with sums of 32, and the same with scales.

Matrix libraries are fast for floats alone. Sums of products of 8-bit integers are exact in float32 as long as they stay
below 2^24, so the inner axis is cut into pieces that cannot go beyond, and the pieces are added up as integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.convolution_layout import blocks, tiles
from graphflow.ops.linalg import MATMUL
from graphflow.ops.numpy_settings import buffers_nbytes
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


def _pieces(inner: int, step: int) -> Iterator[slice]:
    return (slice(k, min(k + step, inner)) for k in range(0, max(inner, 1), step))


def _product(xp: Any, a: Any, b: Any, *zero_points: Any, out: Any = None) -> Any:
    zeros = zero_points or (None, None)
    width = _piece(numpy_dtype(a), numpy_dtype(b), len(zero_points))
    if xp is np:
        return _by_tiles(a, b, zeros, width, out)
    x, y = _floats(xp, a, zeros[0]), _floats(xp, b, zeros[1])
    total = None
    for part in _pieces(a.shape[-1], width):
        rows = y[part] if y.ndim == 1 else y[..., part, :]
        piece = converted(xp, xp.matmul(x[..., part], rows), xp.int32)
        total = piece if total is None else total + piece
    if out is None:
        return total
    xp.copyto(out, total)
    return out


def _floats(xp: Any, x: Any, zero: Any) -> Any:
    wide = converted(xp, x, xp.float32)
    return wide if zero is None else wide - converted(xp, zero, xp.float32)


# --- on the CPU: tile by tile ---------------------------------------------------------------------

TILE_NBYTES = 1 << 21
"""Bytes of the floats of a tile: they become integers while they are still in the cache."""

LEAST_ROWS = 64
"""Rows of a tile at least, if there are as many: of fewer, a product spends its time on packing the other matrix."""


class _Tiling(NamedTuple):
    """How products of [*batch, rows, inner] and [*batch, inner, columns] are divided.

    block: matrices of a tile along each axis of the batch, and rows of them. stretch: of the inner axis, how much is
    turned into floats at once. sizes: of the floats of both operands and of their product, in elements.
    """

    block: tuple[int, ...]
    stretch: int
    sizes: tuple[int, int, int]


@lru_cache(maxsize=256)
def _tiling(a: tuple[int, ...], b: tuple[int, ...], batch: tuple[int, ...], width: int) -> _Tiling:
    """The tiles of operands of these shapes. width: of the inner axis, how much may be added up in floats."""
    count, inner, columns = a[-2], a[-1], b[-1]
    rows = max(1, min(count, max(LEAST_ROWS, TILE_NBYTES // (4 * max(min(inner, width), columns, 1)))))
    each = width * max(rows, columns)
    stretch = max(1, min(inner, width * max(1, TILE_NBYTES // (4 * each))))
    matrix = max(rows * max(stretch, columns), stretch * columns, 1)
    block = blocks(batch, TILE_NBYTES // (4 * matrix) if rows == count else 1)
    left, right = [
        math.prod([min(n, d) for n, d in zip(reversed(block), reversed(x[:-2]), strict=False)])
        for x in (a, b)
    ]
    made = math.prod(block) * rows * columns
    return _Tiling((*block, rows), stretch, (left * rows * stretch, right * stretch * columns, made))


def _by_tiles(a: Any, b: Any, zeros: Sequence[Any], width: int, out: Any) -> Any:
    """The product in tiles, and those in pieces along the inner axis, which are added up as integers."""
    (x, x_zero), (y, y_zero) = _matrices(a, zeros[0], 0), _matrices(b, zeros[1], 1)
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2]) if y.ndim > 2 else x.shape[:-2]
    shape = (*batch, x.shape[-2], y.shape[-1])
    result = np.empty(shape, np.int32) if out is None else out.reshape(shape)
    block, stretch, (left, right, made) = _tiling(x.shape, y.shape, batch, width)
    memory = np.empty(left + right + made, np.float32)
    for part in _pieces(x.shape[-1], stretch):
        before: list[slice] | None = None
        columns: Any = None
        for tile in tiles(shape[:-1], block):
            *matrices, rows = [slice(*bounds) for bounds in tile]
            if before != matrices:
                columns = _filled(memory[left : left + right], y, y_zero, (*_places(y, matrices), part))
                before = matrices
            some = _filled(memory[:left], x, x_zero, (*_places(x, matrices), rows, part))
            target = result[(*matrices, rows)]
            product = memory[left + right : left + right + target.size].reshape(target.shape)
            for piece in _pieces(part.stop - part.start, width):
                np.matmul(some[..., piece], columns[..., piece, :], out=product)
                if part.start == piece.start == 0:
                    np.copyto(target, product, casting="unsafe")
                else:
                    np.add(target, product, out=target, dtype=np.int32, casting="unsafe")
    if out is not None:
        return out
    return result.squeeze(tuple([axis for axis, t in ((-2, a), (-1, b)) if t.ndim == 1]))


def _matrices(x: Any, zero: Any, axis: int) -> tuple[Any, Any]:
    """An operand of two axes or more, and its zero points as floats of its shape; a vector gets one more axis."""
    shift = None if zero is None else np.broadcast_to(zero.astype(np.float32), x.shape)
    if x.ndim > 1:
        return x, shift
    return np.expand_dims(x, axis), None if shift is None else np.expand_dims(shift, axis)


def _places(x: Any, matrices: Sequence[slice]) -> list[slice]:
    """Where the matrices of a tile are among those of an operand, of which some stand for several."""
    own = matrices[len(matrices) - (x.ndim - 2) :]
    return [place if d > 1 else slice(None) for place, d in zip(own, x.shape, strict=False)]


def _filled(memory: Any, x: Any, shift: Any, key: tuple[slice, ...]) -> Any:
    """Part of an operand as floats, its zero points taken off."""
    part = x[key]
    floats = memory[: part.size].reshape(part.shape)
    np.copyto(floats, part)
    return floats if shift is None else np.subtract(floats, shift[key], out=floats)


def _nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """The floats of a tile, the zero points as floats, and the buffers of taking them off or of adding a piece."""
    a: Any = inputs[0].dims if inputs[0].rank > 1 else (1, *inputs[0].dims)
    b: Any = inputs[1].dims if inputs[1].rank > 1 else (*inputs[1].dims, 1)
    zeros: list[Any] = [t.size for t in inputs[2:]]
    width = _piece(inputs[0].dtype, inputs[1].dtype, len(zeros))
    batch: Any = outputs[0].dims[: max(len(a), len(b)) - 2]
    sizes = _tiling(a, b, batch, width).sizes
    buffered = max(sizes) if zeros or a[-1] > width else 0
    floats: int = sum(sizes) + sum(zeros)
    return 4 * floats + buffers_nbytes(buffered, FLOAT32, FLOAT32, FLOAT32)


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
