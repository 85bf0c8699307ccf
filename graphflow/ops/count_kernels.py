"""How often small integers occur, or what their weights add up to: always with the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import RunError
from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.philox import converted
from graphflow.ops.scatter_kernels import scatter_sorted
from graphflow.types import TensorType, is_floating

__all__ = ["bincount_kernel", "bincount_workspace", "checked_classes", "counted"]


def counted(xp: Any, line: Any, weights: Any, size: int) -> Any:
    """How often 0 to size - 1 occur in a vector of integers in that range, int64; or the sums of their weights."""
    if weights is None:
        if hasattr(xp, "bincount"):
            return xp.bincount(converted(xp, line, xp.int64), minlength=size)[:size]
        ends = xp.searchsorted(xp.sort(line), xp.arange(-1, size, dtype=line.dtype), side="right")
        return ends[1:] - ends[:-1]
    dtype = weights.dtype
    if xp is np and is_floating(dtype) and dtype.kind != "c":  # it adds in double precision
        return np.bincount(line, weights.astype(np.float64, copy=False), size)[:size].astype(dtype)
    if xp is np:
        result = np.zeros(size, dtype)
        np.add.at(result, line, weights)
        return result
    half = numpy_dtype(weights).itemsize == 2 and is_floating(numpy_dtype(weights))
    wide = converted(xp, weights, dtype_of(xp, np.dtype(np.float32))) if half else weights
    zeros = xp.zeros((1, size, 1), dtype=wide.dtype)
    total = scatter_sorted(xp, zeros, line, xp.reshape(wide, (1, -1, 1)), "add")
    return converted(xp, xp.reshape(total, (-1,)), dtype)


def _greatest(xp: Any, line: Any, what: str) -> int:
    """The greatest of some integers, -1 if there are none. Raises RunError for a negative one."""
    if not line.shape[0]:
        return -1
    low, high = int(xp.min(line)), int(xp.max(line))
    if low < 0:
        raise RunError(f"{what}: {low} is negative, and only integers from 0 on are counted")
    return high


def _within(xp: Any, line: Any, weights: Any, size: int) -> tuple[Any, Any]:
    """Without what is `size` or more."""
    places = xp.nonzero(line < size)[0]
    return xp.take(line, places), None if weights is None else xp.take(weights, places)


def bincount_kernel(xp: Any, x: Any, *weights: Any, minlength: int, maxlength: int | None) -> Any:
    line = xp.reshape(x, (-1,))
    shares = xp.reshape(weights[0], (-1,)) if weights else None
    high = _greatest(xp, line, "bincount")
    size = max(minlength, high + 1)
    if maxlength is not None:
        size = min(size, maxlength)
    if high >= size:
        line, shares = _within(xp, line, shares, size)
    return counted(xp, converted(xp, line, xp.int64), shares, size)


def bincount_workspace(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, minlength: int, maxlength: int | None
) -> int:
    """Integers as 64 bits, weights in double precision; where there is a greatest length, what is below it, too."""
    size, made = int(inputs[0].size), int(outputs[0].nbytes or 0)  # type: ignore[arg-type]  # static here
    wide = 0 if inputs[0].dtype.itemsize == 8 else 8 * size
    weights = inputs[1:]
    if weights and is_floating(weights[0].dtype) and weights[0].dtype.itemsize < 8:
        wide += 8 * size
    within = 0
    if maxlength is not None:
        within = size * (9 + sum([t.dtype.itemsize for t in inputs]))
    return wide + within + (2 * made if weights else 0)


def checked_classes(xp: Any, what: str, arrays: dict[str, Any], size: int | None) -> int:
    """The number of classes: `size`, or one more than the greatest. Raises RunError for what is no class."""
    high = -1
    for name, line in arrays.items():
        top = _greatest(xp, line, f"{what}: {name}")
        if size is not None and top >= size:
            raise RunError(f"{what}: {name}: {top} is none of the classes 0 to {size - 1}")
        high = max(high, top)
    return high + 1 if size is None else size
