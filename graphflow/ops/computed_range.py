"""`arange` between bounds that are computed: how many numbers there are is known only at the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, RunError, ShapeError
from graphflow.graph import Tensor, apply
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.cast import cast, dtype_of
from graphflow.ops.constant import operands
from graphflow.types import (
    MAX_NBYTES,
    SUPPORTED,
    TensorType,
    as_dtype,
    is_floating,
    is_integer,
    unknown_dim,
)

__all__ = ["computed_range", "whole_numbers"]

_INT64 = np.iinfo(np.int64)

_BLOCK = 8192
"""Numbers made at a time under NumPy, so that the double precision they are made in takes no memory to speak of."""


def _infer(start: TensorType, stop: TensorType, step: TensorType, *, dtype: np.dtype[Any]) -> TensorType:
    for what, t in (("start", start), ("stop", stop), ("step", step)):
        if t.dims:
            raise ShapeError(f"{what} must be one number, got {t}")
    return TensorType(dtype, (unknown_dim(),))


def _count(start: Any, stop: Any, step: Any) -> int:
    """ceil((stop - start) / step), at least 0. Raises RunError where that is no number, or more than memory has."""
    if step == 0:
        raise RunError("arange: step must not be 0")
    if isinstance(start, int):
        count: int = -((start - stop) // step)
    else:
        quotient = (stop - start) / step
        if not math.isfinite(quotient):
            raise RunError(
                f"arange: from {start} to {stop} in steps of {step} there is no finite number of elements"
            )
        count = math.ceil(quotient)
    if count > MAX_NBYTES:
        raise RunError(f"arange: from {start} to {stop} in steps of {step} there are {count} elements")
    return max(count, 0)


def whole_numbers(xp: Any, start: int, count: int, step: int, dtype: np.dtype[Any]) -> Any:
    """`start + k * step` for integers, right up to the limits of their type."""
    own, end = dtype_of(xp, dtype), start + count * step
    if _INT64.min <= min(start, end, step) and max(start, end, step) <= _INT64.max:
        return xp.arange(start, end, step, dtype=own)
    # The end, which is not one of the numbers, fits no int64: count modulo 2^64, where the numbers themselves are right.
    values = xp.arange(count, dtype=xp.uint64)
    values *= xp.asarray(step % 2**64, dtype=xp.uint64)
    values += xp.asarray(start % 2**64, dtype=xp.uint64)
    if dtype == SUPPORTED["uint64"]:
        return values
    return values.astype(own) if hasattr(values, "astype") else xp.astype(values, own)


def _kernel(xp: Any, start: Any, stop: Any, step: Any, *, dtype: np.dtype[Any]) -> Any:
    """`start + k * step`, in double precision for floats, so that no error adds up."""
    if is_integer(dtype):
        return whole_numbers(xp, int(start), _count(int(start), int(stop), int(step)), int(step), dtype)
    first, by = float(start), float(step)
    count = _count(first, float(stop), by)
    own = dtype_of(xp, dtype)
    if xp is not np:
        values = xp.arange(count, dtype=xp.float64) * by + first
        return values.astype(own) if hasattr(values, "astype") else xp.astype(values, own)
    result = np.empty(count, dtype)
    for begin in range(0, count, _BLOCK):
        end = min(begin + _BLOCK, count)
        result[begin:end] = np.arange(begin, end, dtype=np.float64) * by + first
    return result


def _vjp(node: Any, g: Tensor) -> Sequence[Tensor | None]:
    """y[k] = start + k * step; the end only says where to stop."""
    start, stop, step = node.inputs
    if not is_floating(start.dtype):
        return (None, None, None)
    k = cast(F.arange(F.size(g)), g.dtype)
    return cast(F.sum(g), start.dtype), F.zeros_like(stop), cast(F.sum(g * k), step.dtype)


COMPUTED_RANGE = declare(
    Op(
        "computed_range",
        _infer,
        _kernel,
        _vjp,
        Trait.FALLIBLE,
        dtype=lambda start, stop, step, *, dtype: TensorType(dtype, (unknown_dim(),)),
        flops=lambda inputs, outputs, dtype: 0,
        default_name="range",
        doc="Numbers from a start in equal steps, whose count depends on the values given.",
    )
)


def computed_range(start: Any, stop: Any, step: Any, dtype: Any, name: str | None = None) -> Tensor:
    """`arange` of numbers and 0-d tensors, of which some are known only at the run. A primitive: its size is.

    dtype: that in which the three meet, unless another is given.
    Raises ShapeError for tensors with axes; DTypeError for bools, complex numbers, and floats where integers are
    asked for; at the run RunError for a step of 0 and for numbers that are not finite. The gradient flows to
    `start` and `step`.
    """
    tensors = operands(start, stop, step)
    for what, t in zip(("start", "stop", "step"), tensors, strict=True):
        if t.type.shape not in (None, ()):
            raise ShapeError(f"arange: {what} must be one number, got {t!r}")
    own = tensors[0].type.dtype
    wanted = own if dtype is None else as_dtype(dtype)
    if own.kind in "bc" or wanted.kind in "bc":
        bad = own if own.kind in "bc" else wanted
        raise DTypeError(f"arange: bounds and result must be integers or real floats, not {bad.name}")
    if is_integer(wanted):
        if not is_integer(own):
            raise DTypeError(f"arange: the bounds are {own.name}, so dtype cannot be {wanted.name}")
        tensors = [cast(t, SUPPORTED["int64"]) if own.name != "uint64" else t for t in tensors]
    return apply(COMPUTED_RANGE, *tensors, name=name, dtype=wanted)  # type: ignore[no-any-return]
