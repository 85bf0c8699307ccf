"""TensorFlow 1's quantisation, by the range of the real numbers instead of a scale and a zero point.

All are compositions. Ranges are widened to hold 0 first, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError
from graphflow.graph import Tensor, composition, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.moments import wide
from graphflow.ops.parameters import choice, finite_number
from graphflow.ops.quantization import FLOAT32, FLOAT64, quantized_dtype, quantized_operand
from graphflow.ops.ufunc import reals
from graphflow.types import as_index, dims_equal

__all__ = [
    "dequantize",
    "fake_quant_with_min_max_args",
    "fake_quant_with_min_max_vars",
    "fake_quant_with_min_max_vars_per_channel",
    "quantize",
]

MODES = ("MIN_COMBINED", "MIN_FIRST", "SCALED")


def _scalar(what: str, named: str, value: Any) -> Tensor:
    t = reals(what, value)
    if t.type.shape is not None and len(t.type.shape):
        raise ShapeError(f"{what}: {named} must be a scalar, got {t!r}")
    return t


def _away_from_zero(x: Tensor) -> Tensor:
    """Rounded to the nearest integer, halves away from 0."""
    return F.sign(x) * F.floor(F.abs(x) + 0.5)  # type: ignore[no-any-return]


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


# --- quantize and dequantize ----------------------------------------------------------------------


@public
def quantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(output, output_min, output_max): reals from min_range to max_range as integers of type T. A composition.

    T: int8, uint8, int16, uint16 or int32. min_range, max_range: scalars; reals outside are taken for the nearer one.
    mode: "MIN_COMBINED": the range is cut into as many steps as T has, min_range being its smallest value;
        "MIN_FIRST": the same, but 0 falls on an integer; "SCALED": 0 stays 0, and the larger bound is the largest
        integer.
    round_mode: "HALF_AWAY_FROM_ZERO", or for "SCALED" also "HALF_TO_EVEN".
    output_min, output_max: the range that the integers really stand for.
    Raises DTypeError for another type, ArgumentError for another mode. Source: TensorFlow 1's function of that name.
    """
    what = "quantize"
    dtype = quantized_dtype(what, T, "T")
    choice(what, "mode", mode, MODES)
    even = choice(what, "round_mode", round_mode, ("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN")) == "HALF_TO_EVEN"
    if even and mode != "SCALED":
        raise ArgumentError(f"{what}: round_mode 'HALF_TO_EVEN' is for mode 'SCALED', not {mode!r}")
    x = wide(reals(what, input))
    working = FLOAT32 if x.type.dtype.itemsize <= 4 and dtype.itemsize <= 2 else FLOAT64
    with name_scope("QuantizeV2" if name is None else name):
        x = F.cast(x, working)
        low = F.minimum(F.cast(_scalar(what, "min_range", min_range), working), 0)
        high = F.maximum(F.cast(_scalar(what, "max_range", max_range), working), 0)
        least, largest = _limits(dtype)
        width = largest - least
        if mode == "SCALED":
            scale = _symmetric_scale(low, high, least, largest)
            low, high = least / scale, largest / scale
            steps = F.clip(x, low, high) * scale
            steps = F.round(steps) if even else _away_from_zero(steps)
        elif mode == "MIN_COMBINED":
            steps = (F.clip(x, low, high) - low) * (width / (high - low))
            steps = _away_from_zero(steps + least)
        else:
            scale = width / (high - low)
            steps = _away_from_zero(F.clip(x, low, high) * scale) - _away_from_zero(low * scale) + least
        return F.cast(steps, dtype), F.cast(low, FLOAT32), F.cast(high, FLOAT32)


def _symmetric_scale(low: Tensor, high: Tensor, least: int, largest: int) -> Tensor:
    """Steps for each real unit, so that neither bound falls outside the integers; a bound of 0 does not count."""
    infinite = float("inf")
    none_below, none_above = F.equal(low, 0), F.equal(high, 0)
    from_low = F.where(none_below, infinite, least / F.where(none_below, -1, low)) if least else infinite
    from_high = F.where(none_above, infinite, largest / F.where(none_above, 1, high))
    scale = F.minimum(from_low, from_high)
    return F.where(F.isinf(scale), 1, scale)  # type: ignore[no-any-return]


@public
def dequantize(
    input: Any, min_range: Any, max_range: Any, mode: str = "MIN_COMBINED", name: str | None = None
) -> Tensor:
    """Integers as the reals from min_range to max_range that they stand for, float32: `quantize` undone. A composition.

    input: int8, uint8, int16, uint16 or int32. min_range, max_range: scalars, what `quantize` gave.
    Raises DTypeError for another type, ArgumentError for another mode. Source: TensorFlow 1's function of that name.
    """
    what = "dequantize"
    t = quantized_operand(what, "input", input)
    choice(what, "mode", mode, MODES)
    least, largest = _limits(t.type.dtype)
    with composition("Dequantize" if name is None else name):
        working = FLOAT32 if t.type.dtype.itemsize <= 2 else FLOAT64
        steps = F.cast(t, working)
        low = F.cast(_scalar(what, "min_range", min_range), working)
        high = F.cast(_scalar(what, "max_range", max_range), working)
        if mode == "SCALED":
            unit = high / largest
            unit = F.maximum(unit, low / least) if least else unit
            return F.cast(steps * unit, FLOAT32)  # type: ignore[no-any-return]
        unit = (high - low) / (largest - least)
        if mode == "MIN_FIRST":  # 0 is an integer: the one that `quantize` added
            return F.cast((steps - least + _away_from_zero(low / unit)) * unit, FLOAT32)  # type: ignore[no-any-return]
        return F.cast((steps - least) * unit + low, FLOAT32)  # type: ignore[no-any-return]


# --- fake quantisation ----------------------------------------------------------------------------


def _fake_quant(
    what: str, x: Tensor, low: Any, high: Any, num_bits: Any, narrow_range: Any, scope: str
) -> Tensor:
    """`x` as it would be after `quantize` and back; gradients pass where it is in range, and to the bound it is beyond.

    The range is moved first so that 0 falls on a step. What is rounded is rounded between two `stop_gradient`s.
    """
    bits = as_index(num_bits, f"{what}: num_bits")
    if not 2 <= bits <= 16:
        raise ArgumentError(f"{what}: num_bits must be from 2 to 16, not {bits}")
    least, largest = int(flag(narrow_range, what, "narrow_range")), 2**bits - 1
    fixed_low, fixed_high = F.stop_gradient(low), F.stop_gradient(high)
    empty = F.equal(fixed_low, fixed_high)
    scale = F.where(empty, 1, (fixed_high - fixed_low) / (largest - least))
    zero = F.clip(_away_from_zero(least - fixed_low / scale), least, largest)
    start, stop = (least - zero) * scale, (largest - zero) * scale
    start, stop = F.where(empty, 0, start), F.where(empty, 0, stop)
    bounds = (
        start + (low - fixed_low),
        stop + (high - fixed_high),
    )  # their values, with the gradients of the given ones
    clipped = F.where(F.less(x, start), bounds[0], F.where(F.greater(x, stop), bounds[1], x))
    plain = F.stop_gradient(clipped)
    rounded = F.floor((plain - start) / scale + 0.5) * scale + start
    return F.add(rounded, clipped - plain, name=scope)  # type: ignore[no-any-return]


@public
def fake_quant_with_min_max_args(
    inputs: Any,
    min: float = -6.0,
    max: float = 6.0,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """`inputs` rounded to one of 2^num_bits steps from min to max, to train for integers. A composition.

    min, max: numbers, which are moved a little so that 0 is a step. narrow_range: one step less.
    The gradient is that of clipping: rounding lets it pass, ends do not.
    Raises ArgumentError unless min < max, both finite, and 2 <= num_bits <= 16.
    Source: TensorFlow 1's function of that name; Jacob et al. 2017.
    """
    what = "fake_quant_with_min_max_args"
    x, low, high = reals(what, inputs), finite_number(what, "min", min), finite_number(what, "max", max)
    if not low < high:
        raise ArgumentError(f"{what}: min must be less than max, got {low} and {high}")
    with composition("FakeQuantWithMinMaxArgs" if name is None else name) as scope:
        bounds = [F.constant(v, x.type.dtype) for v in (low, high)]
        return _fake_quant(what, x, bounds[0], bounds[1], num_bits, narrow_range, scope)


@public
def fake_quant_with_min_max_vars(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """`fake_quant_with_min_max_args` with bounds that are learnt. A composition.

    min, max: scalars. The gradient of what lies below the range goes to min, of what lies above to max.
    Where they are equal the result is 0. Raises ArgumentError unless 2 <= num_bits <= 16, ShapeError unless they
    are scalars. Source: TensorFlow 1's function of that name.
    """
    what = "fake_quant_with_min_max_vars"
    x = reals(what, inputs)
    low, high = [F.cast(_scalar(what, n, v), x.type.dtype) for n, v in (("min", min), ("max", max))]
    with composition("FakeQuantWithMinMaxVars" if name is None else name) as scope:
        return _fake_quant(what, x, low, high, num_bits, narrow_range, scope)


@public
def fake_quant_with_min_max_vars_per_channel(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """`fake_quant_with_min_max_vars` with bounds for each channel, those along the last axis. A composition.

    min, max: one number for each channel. Raises as there, and ShapeError where they do not fit.
    """
    what = "fake_quant_with_min_max_vars_per_channel"
    x = reals(what, inputs)
    bounds = [F.cast(_channels(what, n, v, x), x.type.dtype) for n, v in (("min", min), ("max", max))]
    with composition("FakeQuantWithMinMaxVarsPerChannel" if name is None else name) as scope:
        return _fake_quant(what, x, bounds[0], bounds[1], num_bits, narrow_range, scope)


def _channels(what: str, named: str, value: Any, x: Tensor) -> Tensor:
    t = reals(what, value)
    dims, all_dims = t.type.shape, x.type.shape
    fits = dims is None or len(dims) == 1
    if dims and all_dims is not None:
        fits = fits and len(all_dims) > 0 and dims_equal(dims[0], all_dims[-1]) is not False
    if not fits:
        raise ShapeError(f"{what}: {named} needs one number for each channel of {x!r}, got {t!r}")
    return t
