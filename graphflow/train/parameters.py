"""Hyperparameters: numbers in a range, or scalar tensors where a schedule makes sense."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.types import SUPPORTED, is_floating, is_integer

__all__ = ["integer", "number", "number_or_tensor", "valued", "wide"]


def number(
    value: Any,
    label: str,
    low: float = 0.0,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """A finite Python float in [low, high]. above, below: leave out that end of the interval.

    label: `"Adam: beta1"`, how the error names it. Raises ArgumentError for anything else.
    """
    real = isinstance(value, (numbers.Real, np.number)) and not isinstance(value, (bool, np.complexfloating))
    try:
        result = float(value) if real else math.nan
    except OverflowError:
        result = math.inf
    fits = math.isfinite(result) and low <= result <= high
    if not fits or (above and result == low) or (below and result == high):
        raise ArgumentError(f"{label} must be {_interval(low, high, above, below)}, not {shorten(value)}")
    return result


def _interval(low: float, high: float, above: bool, below: bool) -> str:
    if high == math.inf:
        return f"a finite number {'above' if above else 'of at least'} {low:g}"
    return f"a number in {'(' if above else '['}{low:g}, {high:g}{')' if below else ']'}"


def integer(value: Any, label: str, low: int = 0) -> int:
    """A Python int of at least `low`. Raises ArgumentError for anything else, bools included."""
    is_int = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_int or not low <= int(value) < 2**63:
        raise ArgumentError(f"{label} must be an int of at least {low} and below 2^63, not {shorten(value)}")
    return int(value)


def number_or_tensor(value: Any, label: str, low: float = 0.0, high: float = math.inf, **ends: bool) -> Any:
    """`number`, or a real scalar tensor, of which only the type is checked.

    Raises ArgumentError for a bad number, DTypeError for a bool or complex tensor, ShapeError for one that has
    axes.
    """
    if not hasattr(type(value), "__graphflow_tensor__"):
        return number(value, label, low, high, **ends)
    tensor: Tensor = value.__graphflow_tensor__()
    dtype = tensor.type.dtype
    if dtype.kind == "c" or not (is_floating(dtype) or is_integer(dtype)):
        raise DTypeError(f"{label} must be a real number, not {tensor!r}")
    if tensor.type.shape:
        raise ShapeError(f"{label} must be a scalar, not {tensor!r}")
    return value


def valued(value: Any, dtype: np.dtype[Any]) -> Any:
    """A hyperparameter for use with tensors of `dtype`: a Python float as it is (it is weak), a tensor cast."""
    if isinstance(value, float):
        return value
    return F.cast(F.convert_to_tensor(value), dtype)


def wide(value: Any) -> Tensor:
    """A number or scalar tensor in float64, in which steps are counted."""
    if isinstance(value, float):
        return F.constant(value, dtype=SUPPORTED["float64"])  # type: ignore[no-any-return]
    return F.cast(F.convert_to_tensor(value), SUPPORTED["float64"])  # type: ignore[no-any-return]
