"""Numbers as small integers: a scale and a zero point, for a whole tensor or for each slice along an axis.

    real value = (integer - zero point) * scale

Rounding is half to even and what the integer type cannot hold becomes its nearest value, as ONNX has it; NaN becomes
0. All are compositions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition, name_scope
from graphflow.op import F, public
from graphflow.ops.moments import wide
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, as_dtype, as_index, dims_equal, normalize_axis

__all__ = [
    "dequantize_linear",
    "dynamic_quantize_linear",
    "quantize_linear",
    "quantized_dtype",
    "quantized_operand",
]

FLOAT32, FLOAT64, UINT8 = SUPPORTED["float32"], SUPPORTED["float64"], SUPPORTED["uint8"]
QUANTIZED = ("int8", "uint8", "int16", "uint16", "int32")


def quantized_dtype(what: str, dtype: Any, named: str = "dtype") -> np.dtype[Any]:
    """An integer type of at most 32 bits. Raises DTypeError for another."""
    wanted = as_dtype(dtype)
    if wanted.name not in QUANTIZED:
        raise DTypeError(f"{what}: {named} must be one of {', '.join(QUANTIZED)}, not {wanted.name}")
    return wanted


def quantized_operand(what: str, named: str, value: Any) -> Tensor:
    """A tensor of integers of at most 32 bits. Raises DTypeError for another."""
    t = operand(what, value)
    quantized_dtype(what, t.type.dtype, named)
    return t


def _exact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The float that holds every value of an integer type."""
    return FLOAT32 if dtype.itemsize <= 2 else FLOAT64


def spread_along(what: str, named: str, t: Tensor, x: Tensor, axis: int) -> Tensor:
    """A scalar as it is, a vector along `axis` of `x`. Raises ShapeError where it does not fit."""
    dims = t.type.shape
    if dims is not None and not dims:
        return t
    if dims is None or len(dims) != 1 or x.type.shape is None:
        raise ShapeError(
            f"{what}: {named} must be a scalar, or a vector along an axis of a tensor of known rank, got {t!r} for {x!r}"
        )
    rank = len(x.type.shape)
    place = normalize_axis(axis, rank, f"{what}: axis")
    if dims_equal(dims[0], x.type.shape[place]) is False:
        raise ShapeError(f"{what}: {named} {t.type} does not fit axis {place} of {x.type}")
    behind = rank - 1 - place
    return F.expand_dims(t, tuple(range(1, behind + 1))) if behind else t


def _zero_point(what: str, zero_point: Any, dtype: Any, fallback: np.dtype[Any]) -> tuple[Any, np.dtype[Any]]:
    """The zero point (None for 0) and the integer type, which either of the two says."""
    wanted = None if dtype is None else quantized_dtype(what, dtype)
    if zero_point is None:
        return None, fallback if wanted is None else wanted
    if (
        wanted is not None
        and not hasattr(type(zero_point), "__graphflow_tensor__")
        and not hasattr(zero_point, "dtype")
    ):
        zero_point = F.constant(zero_point, wanted)
    t = quantized_operand(what, "zero_point", zero_point)
    if wanted is not None and t.type.dtype != wanted:
        raise DTypeError(f"{what}: zero_point is {t.type}, but dtype says {wanted.name}")
    return t, t.type.dtype


@public
def quantize_linear(
    x: Any,
    scale: Any,
    zero_point: Any = None,
    axis: int = 1,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """`round(x / scale) + zero_point` in a small integer type, half to even and saturating. A composition.

    x: reals. scale: positive reals, a scalar or a vector along `axis`, in the dtype of `x` or one that meets it there.
    zero_point: integers, of the shape of scale; 0 where left out. dtype: int8, uint8, int16, uint16 or int32; that
        of zero_point where left out, and uint8 without one.
    Raises DTypeError for another type, or for two that differ; ShapeError for a vector that does not fit `x`.
    Source: ONNX's operator QuantizeLinear.
    """
    what = "quantize_linear"
    zero, wanted = _zero_point(what, zero_point, dtype, UINT8)
    axis = as_index(axis, f"{what}: axis")
    t, s = reals(what, x), reals(what, scale)
    with composition("QuantizeLinear" if name is None else name) as scope:
        steps = F.round(_divided(what, t, s, axis, wanted))
        if zero is not None:
            steps = steps + F.cast(spread_along(what, "zero_point", zero, t, axis), steps.type.dtype)
        return F.cast(steps, wanted, name=scope)  # type: ignore[no-any-return]


def _divided(what: str, t: Tensor, s: Tensor, axis: int, dtype: np.dtype[Any]) -> Tensor:
    """`t / s` in float32, or in float64 where that is needed to tell integers apart."""
    t, s = wide(t), wide(spread_along(what, "scale", s, t, axis))
    if dtype.itemsize > 2:
        t, s = F.cast(t, FLOAT64), F.cast(s, FLOAT64)
    return F.divide(t, s)  # type: ignore[no-any-return]


@public
def dequantize_linear(
    x: Any, scale: Any, zero_point: Any = None, axis: int = 1, name: str | None = None
) -> Tensor:
    """`(x - zero_point) * scale`, in the dtype of `scale`. A composition.

    x: int8, uint8, int16, uint16 or int32. scale: reals, a scalar or a vector along `axis`. zero_point: integers of the
    type of `x`, of the shape of scale; 0 where left out.
    Raises DTypeError for other types, ShapeError for a vector that does not fit `x`.
    Source: ONNX's operator DequantizeLinear.
    """
    what = "dequantize_linear"
    t, s = quantized_operand(what, "x", x), reals(what, scale)
    zero, _ = _zero_point(what, zero_point, t.type.dtype, t.type.dtype)
    axis = as_index(axis, f"{what}: axis")
    with composition("DequantizeLinear" if name is None else name):
        exact = _exact(t.type.dtype)
        steps = F.cast(t, exact)
        if zero is not None:
            steps = steps - F.cast(spread_along(what, "zero_point", zero, t, axis), exact)
        factor = spread_along(what, "scale", s, t, axis)
        working = exact if s.type.dtype.itemsize < 8 else FLOAT64
        return F.cast(steps * F.cast(factor, working), s.type.dtype)  # type: ignore[no-any-return]


@public
def dynamic_quantize_linear(x: Any, name: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """(y, scale, zero_point): `x` as uint8, by a scale that its own smallest and largest element give. A composition.

    The range from min(x, 0) to max(x, 0) is cut into 255 steps; the scale is 1 where that is empty.
    y: uint8; scale: a scalar of the dtype of `x`, float32 for 16-bit floats; zero_point: a uint8 scalar.
    Raises ShapeError for an empty `x`. Source: ONNX's operator DynamicQuantizeLinear.
    """
    what = "dynamic_quantize_linear"
    t = wide(reals(what, x))
    with name_scope("DynamicQuantizeLinear" if name is None else name):
        low, high = F.minimum(F.min(t), 0), F.maximum(F.max(t), 0)
        width = (high - low) / 255
        scale = F.where(F.equal(width, 0), 1, width)
        zero_point = F.cast(F.round(-low / scale), UINT8)
        return quantize_linear(t, scale, zero_point), scale, zero_point
