"""What view ops share: exact answers about contiguity, and delivery into a given buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.types import DimLike, Shape

__all__ = ["broadcast_strides", "fresh", "is_row_major", "permuted", "put", "row_major"]


def row_major(dims: Shape) -> list[DimLike]:
    """The strides, in elements, of a C-contiguous array of that shape."""
    strides: list[DimLike] = []
    step: DimLike = 1
    for d in reversed(dims):
        strides.append(step)
        step = step * d
    return strides[::-1]


def is_row_major(dims: Shape, strides: Sequence[DimLike]) -> bool:
    """True if an array of that shape and those strides is C-contiguous, as NumPy defines it.

    Axes of size 1 may have any stride and empty arrays are contiguous. Sizes that are not known yet
    count as large: the answer may then be False too often, never True wrongly.
    """
    if any(type(d) is int and d == 0 for d in dims):
        return True
    expected: DimLike = 1
    for d, stride in zip(reversed(dims), reversed(strides), strict=True):
        if type(d) is int and d == 1:
            continue
        if stride != expected:
            return False
        expected = expected * d
    return True


def broadcast_strides(source: Shape, target: Shape) -> list[DimLike]:
    """The strides of a C-contiguous array of shape `source` broadcast to `target`."""
    lead = len(target) - len(source)
    strides: list[DimLike] = [0] * lead
    for d, stride in zip(source, row_major(source), strict=True):
        strides.append(0 if type(d) is int and d == 1 else stride)
    return strides


def permuted(xp: Any, x: Any, order: Sequence[int]) -> Any:
    """`x` with its axes in that order, by the method of NumPy's and CuPy's arrays or the standard's function."""
    method = getattr(x, "transpose", None)
    return xp.permute_dims(x, tuple(order)) if method is None else method(order)


def put(xp: Any, value: Any, out: Any) -> Any:
    """A copy of `value`: in `out` if that is given, else in a new C-contiguous array."""
    if out is None:
        return fresh(xp, value)
    xp.copyto(out, value)
    return out


def fresh(xp: Any, value: Any) -> Any:
    """A new C-contiguous array equal to `value`."""
    result = xp.empty(value.shape, dtype=value.dtype)
    result[...] = value
    return result
