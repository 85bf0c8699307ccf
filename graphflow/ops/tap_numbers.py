"""Which tap of each window is its maximum: the kernel behind the gradient of max pooling.

A tap is numbered in row-major order of the window, of those taps that are ever inside the input. Of equal maxima the
first counts, as in TensorFlow and PyTorch; NaN counts as the largest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.pooling_kernels import max_pool_kernel, max_pool_workspace
from graphflow.ops.tap_positions import CHUNK, places_of, positions, positions_nbytes
from graphflow.ops.window_plans import AxisWindow, Tap, all_taps, starts_along, taps_range, ufunc_nbytes
from graphflow.types import SUPPORTED, TensorType, is_floating

__all__ = ["tap_dtype", "taps_kernel", "taps_workspace"]

Axes = tuple[int, ...]
Windows = tuple[AxisWindow, ...]

MANY = 36
"""From so many taps on, the last axis is looked at by itself. Measured on float32[8, 56, 56, 64] with stride 1: windows of
5 by 5 take 37 ms at once and 43 apart, 7 by 7 60 and 50, 9 by 9 113 and 53."""


def tap_dtype(windows: Sequence[AxisWindow]) -> np.dtype[Any]:
    """The dtype of tap numbers: the narrower, the faster."""
    return SUPPORTED["uint8" if math.prod(k for k, *_ in windows) < 256 else "int32"]


def _narrow(count: int) -> Any:
    """The dtype of numbers below `count`."""
    return np.uint8 if count < 256 else np.int32


def _step(shape: Sequence[int], axes: Sequence[int]) -> int:
    """How many entries of the first axis are handled at a time; all where it has windows itself."""
    if 0 in axes or not shape[0]:
        return max(shape[0], 1)
    return int(min(max(1, CHUNK // max(math.prod(shape[1:]), 1)), shape[0]))


def _first_matches(x: Any, y: Any, taps: Sequence[Tap], number: Any) -> None:
    """NumPy: fill `number` with the first tap at which `x` is `y`."""
    found, here = np.zeros(y.shape, bool), np.empty(y.shape, bool)
    number[...] = 0
    for tap in taps:
        match = here[tap.outputs]
        np.equal(x[tap.inputs], y[tap.outputs], out=match)
        seen = found[tap.outputs]
        np.logical_or(seen, match, out=seen)
        np.subtract(number, found.view(np.uint8), out=number)  # wraps around, and back below
    np.add(number, number.dtype.type(len(taps)), out=number)
    if not is_floating(x.dtype):
        return
    missing = np.logical_not(found, out=found)
    if missing.any():  # only NaN differs from itself
        for t, tap in reversed(list(enumerate(taps))):
            nan = np.isnan(x[tap.inputs])
            np.logical_and(nan, missing[tap.outputs], out=nan)
            number[tap.outputs][nan] = t


def _are_many(shape: Sequence[int], axes: Axes, windows: Windows) -> bool:
    counts = [len(taps_range(shape[axis], window)) for axis, window in zip(axes, windows, strict=True)]
    return math.prod(counts) >= MANY and sum(count > 1 for count in counts) > 1


def _numbered(x: Any, y: Any, axes: Axes, windows: Windows, number: Any) -> None:
    """NumPy: fill `number`; of many taps first that along the last axis, row by row, and then the row that counts."""
    if not _are_many(x.shape, axes, windows):
        _first_matches(x, y, all_taps(x.shape, axes, windows), number)
        return
    axis, window = axes[-1], windows[-1]
    rows = max_pool_kernel(np, x, axes=(axis,), windows=(window,), rank=None)
    taps = all_taps(x.shape, (axis,), (window,))
    inside = np.empty(rows.shape, _narrow(len(taps)))
    _first_matches(x, rows, taps, inside)
    outer = math.prod(len(taps_range(x.shape[a], w)) for a, w in zip(axes[:-1], windows[:-1], strict=True))
    which = np.empty(y.shape, _narrow(outer))
    _numbered(rows, y, axes[:-1], windows[:-1], which)
    target, source = number.reshape(-1), which.reshape(-1)
    for where, place in positions(rows.shape, axes[:-1], windows[:-1], which):
        picked = np.take(inside.reshape(-1), place, mode="clip")
        first = np.multiply(source[where], len(taps), dtype=number.dtype, casting="unsafe")
        np.add(first, picked, out=target[where], casting="unsafe")


def taps_kernel(
    xp: Any, x: Any, y: Any, *, axes: Axes, windows: Windows, rank: int | None, out: Any = None
) -> Any:
    """For each window of `x`, whose maximum is in `y`, the number of the first tap that is the maximum."""
    places = places_of(axes, x.ndim)
    dtype = tap_dtype(windows)
    if xp is not np:
        return _taps_anywhere(xp, x, y, all_taps(tuple(x.shape), places, windows), dtype, out)
    if out is None:
        out = np.empty(y.shape, dtype)
    step = _step(y.shape, places)
    for k in range(0, y.shape[0] if y.size else 0, step):
        part = slice(None) if 0 in places else slice(k, k + step)
        _numbered(x[part], y[part], places, windows, out[part])
    return out


def _taps_anywhere(xp: Any, x: Any, y: Any, taps: Sequence[Tap], dtype: np.dtype[Any], out: Any) -> Any:
    own = dtype_of(xp, dtype)
    result = xp.zeros(y.shape, dtype=own) if out is None else out
    floating = is_floating(numpy_dtype(x))
    for t, tap in reversed(list(enumerate(taps))):
        values = x[tap.inputs]
        match = values == y[tap.outputs]
        if floating:
            match = xp.logical_or(match, xp.isnan(values))
        result[tap.outputs] = xp.where(match, xp.asarray(t, dtype=own), result[tap.outputs])
    return result


def _matches_nbytes(x: TensorType, axes: Axes, windows: Windows) -> int:
    """What `_first_matches` takes: two masks, where NaN is, and buffers."""
    shape: Any = list(x.dims)
    for axis, window in zip(axes, windows, strict=True):
        shape[axis] = starts_along(shape[axis], window)[1]
    masks = 3 if is_floating(x.dtype) else 2
    return masks * int(math.prod(shape)) + ufunc_nbytes(x)


def _numbered_nbytes(x: TensorType, axes: Axes, windows: Windows, width: int) -> int:
    """What `_numbered` takes for one piece. width: bytes of a number."""
    sizes: Any = list(x.dims)
    if not _are_many(sizes, axes, windows):
        return _matches_nbytes(x, axes, windows)
    own: dict[str, Any] = {"axes": axes[-1:], "windows": windows[-1:]}
    sizes[axes[-1]] = starts_along(sizes[axes[-1]], windows[-1])[1]
    rows = TensorType(x.dtype, tuple(sizes))
    for axis, window in zip(axes[:-1], windows[:-1], strict=True):
        sizes[axis] = starts_along(sizes[axis], window)[1]
    count: int = math.prod(rows.dims)  # type: ignore[arg-type]  # static
    taps = len(taps_range(x.dims[axes[-1]], windows[-1]))  # type: ignore[arg-type]  # static
    which = TensorType(np.dtype(_narrow(taps)), tuple(sizes))
    first = max(max_pool_workspace([x], [rows], rank=None, **own), count + _matches_nbytes(x, **own))
    last = positions_nbytes(which) + (2 + width) * min(CHUNK, math.prod(sizes))
    deeper = _numbered_nbytes(rows, axes[:-1], windows[:-1], which.dtype.itemsize)
    below: int = count + int(which.nbytes or 0) + max(deeper, last)
    return int(rows.nbytes or 0) + max(first, below)


def taps_workspace(
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    axes: Axes,
    windows: Windows,
    rank: int | None,
) -> int:
    """Bytes of the masks of one piece, and of what is found along each axis that is looked at by itself."""
    x, y = inputs[0], outputs[0]
    sizes: Any = list(x.dims)
    if not y.size:
        return 0
    places = places_of(axes, y.rank)
    if 0 not in places:
        sizes[0] = _step(y.dims, places)  # type: ignore[arg-type]  # static
    return _numbered_nbytes(TensorType(x.dtype, tuple(sizes)), places, windows, y.dtype.itemsize)
