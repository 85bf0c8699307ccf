"""Numbers that a builder takes as plain Python values, each kind with the range that it must lie in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.ops.constant import python_number

__all__ = ["at_least_zero", "choice", "finite_number", "fraction", "positive_number"]


def finite_number(op: str, what: str, value: Any) -> float:
    """A finite Python float. Raises ArgumentError, naming `op` and `what`, for anything else."""
    number = python_number(value, f"{op}: {what}")
    if not math.isfinite(number):
        raise ArgumentError(f"{op}: {what} must be finite, got {number}")
    return number


def positive_number(op: str, what: str, value: Any) -> float:
    """A finite Python float above 0. Raises ArgumentError for anything else."""
    number = finite_number(op, what, value)
    if not number > 0:
        raise ArgumentError(f"{op}: {what} must be positive, got {number}")
    return number


def at_least_zero(op: str, what: str, value: Any) -> float:
    """A finite Python float that is not negative. Raises ArgumentError for anything else."""
    number = finite_number(op, what, value)
    if number < 0:
        raise ArgumentError(f"{op}: {what} must not be negative, got {number}")
    return number


def fraction(op: str, what: str, value: Any) -> float:
    """A Python float from 0 to 1, both allowed. Raises ArgumentError for anything else."""
    number = python_number(value, f"{op}: {what}")
    if not 0 <= number <= 1:
        raise ArgumentError(f"{op}: {what} must be in [0, 1], got {number}")
    return number


def choice(op: str, what: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the texts in `allowed`. Raises ArgumentError, listing them, for anything else."""
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(map(repr, allowed))
        raise ArgumentError(f"{op}: {what} must be one of {listed}, not {shorten(value)}")
    return value
