"""Convolutions of 8-bit integers with sums of 32 bits, exact, and the same with scales. All are compositions."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.convolution import conv
from graphflow.ops.convolution_arguments import spatial_axes
from graphflow.ops.integer_products import EXACT, FLOAT32, FLOAT64, INT32, eight_bits, requantized
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED

__all__ = ["conv_integer", "qlinear_conv"]

LARGEST = 255 * 255
"""The largest product of two 8-bit integers, their zero points taken off."""


def _terms(filters: Tensor) -> int | None:
    """How many products make one sum; None where that is not known."""
    dims = filters.type.shape
    if not dims:
        return None
    sizes = [d for d in dims[:-1] if isinstance(d, int)]
    return math.prod(sizes) if len(sizes) == len(dims) - 1 else None


def _centred(what: str, named: str, t: Tensor, zero: Any, per_filter: bool, working: Any) -> Tensor:
    """A tensor in a float, its zero point taken off."""
    wide = F.cast(t, working)
    if zero is None:
        return wide  # type: ignore[no-any-return]
    z = operand(what, zero if hasattr(zero, "dtype") else F.constant(zero, t.type.dtype))
    if z.type.dtype != t.type.dtype:
        raise DTypeError(f"{what}: {named} must be {t.type.dtype.name} as what it belongs to, got {z!r}")
    if z.type.shape is None or len(z.type.shape) > per_filter:
        kind = "a scalar or a vector" if per_filter else "a scalar"
        raise ShapeError(f"{what}: {named} must be {kind}, got {z!r}")
    return wide - F.cast(z, working)  # type: ignore[no-any-return]


@public
def conv_integer(
    x: Any,
    filters: Any,
    x_zero_point: Any = None,
    filters_zero_point: Any = None,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
    groups: int = 1,
    name: str | None = None,
) -> Tensor:
    """The `conv` of `x - x_zero_point` by `filters - filters_zero_point`, of int8 and uint8 in int32, exact. A composition.

    The padding stands for the zero point. x_zero_point: a scalar of the type of `x`; filters_zero_point: a scalar, or
    one for each output, of the type of `filters`; 0 where left out. The other arguments are those of `conv`. No gradient.
    Convolved in float32 where every sum is below 2^24, which its number of products tells, else in float64; sums
    beyond 32 bits wrap around.
    Raises DTypeError for other types; else as `conv`. Source: ONNX's operator ConvInteger, with graphflow's layouts.
    """
    what = "conv_integer"
    t, w = eight_bits(what, "x", x), eight_bits(what, "filters", filters)
    terms = _terms(w)
    with composition("ConvInteger" if name is None else name) as scope:
        options = (strides, padding, data_format, dilations, groups)
        if x_zero_point is None and filters_zero_point is None and t.type.dtype == w.type.dtype:
            return conv(t, w, *options, out_dtype=INT32)
        working = FLOAT32 if terms is not None and terms * LARGEST <= EXACT else FLOAT64
        total = conv(
            _centred(what, "x_zero_point", t, x_zero_point, False, working),
            _centred(what, "filters_zero_point", w, filters_zero_point, True, working),
            *options,
        )
        if terms is None or terms * LARGEST >= 2**31:
            total = F.cast(total, SUPPORTED["int64"])  # so that it wraps around, where a float would saturate
        return F.cast(total, INT32, name=scope)  # type: ignore[no-any-return]


@public
def qlinear_conv(
    x: Any,
    x_scale: Any,
    x_zero_point: Any,
    filters: Any,
    filters_scale: Any,
    filters_zero_point: Any,
    y_scale: Any,
    y_zero_point: Any,
    bias: Any = None,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
    groups: int = 1,
    name: str | None = None,
) -> Tensor:
    """The convolution of quantised images by quantised filters, quantised again: int8 or uint8, as y_zero_point is.

    A composition. x, filters and zero points as for `conv_integer`; x_scale, y_scale, y_zero_point: scalars;
    filters_scale: a scalar, or one for each output. bias: int32, one for each output, in steps of x_scale *
    filters_scale. Sums are exact and multiplied in float64; rounding is half to even, saturating.
    Raises as `conv_integer`. Source: ONNX's operator QLinearConv, with graphflow's layouts.
    """
    what = "qlinear_conv"
    w = eight_bits(what, "filters", filters)
    spatial, first = spatial_axes(what, data_format, eight_bits(what, "x", x), w)
    with composition("QLinearConv" if name is None else name) as scope:
        total = conv_integer(
            x, w, x_zero_point, filters_zero_point, strides, padding, data_format, dilations, groups
        )
        if bias is not None:
            b = operand(what, bias)
            if b.type.dtype != INT32:
                raise DTypeError(f"{what}: bias must be int32, got {b!r}")
            total = total + _per_output(what, "bias", b, spatial if first else 0)
        factor = _per_output(what, "x_scale", reals(what, x_scale), 0, scalar=True) * _per_output(
            what, "filters_scale", reals(what, filters_scale), spatial if first else 0
        )
        return requantized(what, total, factor, y_scale, y_zero_point, scope)


def _per_output(what: str, named: str, t: Tensor, behind: int, *, scalar: bool = False) -> Tensor:
    """A scalar, or a vector along the outputs, with so many axes behind it; reals in float64."""
    dims = t.type.shape
    if dims is None or len(dims) > (not scalar):
        kind = "a scalar" if scalar else "a scalar or one number for each output"
        raise ShapeError(f"{what}: {named} must be {kind}, got {t!r}")
    wide = t if t.type.dtype == INT32 else F.cast(t, FLOAT64)
    return F.expand_dims(wide, tuple(range(1, behind + 1))) if dims and behind else wide
