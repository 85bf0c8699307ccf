"""Where the taps of windows are in the flattened input, piece by piece.

The position of a tap is a sum: of where its window begins, one number for each axis, and of how far the tap is from
there, by its number. So nothing larger than a piece is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.ops.numpy_settings import BUFFER
from graphflow.ops.window_plans import AxisWindow, starts_along, taps_range
from graphflow.types import TensorType

__all__ = ["CHUNK", "lines_of", "places_of", "positions", "positions_nbytes", "sums_of", "table_of"]

CHUNK = 1 << 16
"""Elements of a window's output that are handled at a time."""


def places_of(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    return tuple([axis % ndim for axis in axes])


def _strides(shape: Sequence[int]) -> list[int]:
    strides, step = [], 1
    for d in reversed(shape):
        strides.append(step)
        step *= d
    return strides[::-1]


def table_of(full: Sequence[int], axes: Sequence[int], windows: Sequence[AxisWindow]) -> np.ndarray[Any, Any]:
    """How far each tap is from the beginning of its window, in elements of the flattened input."""
    steps = _strides(full)
    table = np.zeros(1, np.int64)
    for axis, window in zip(axes, windows, strict=True):
        taps = taps_range(full[axis], window)
        line = np.arange(taps.start, taps.stop) * (window[2] * steps[axis])
        table = (table[:, None] + line).reshape(-1)
    return table


def lines_of(
    full: Sequence[int], axes: Sequence[int], windows: Sequence[AxisWindow]
) -> list[np.ndarray[Any, Any]]:
    """For each axis of the output where its windows begin, in elements of the flattened input."""
    of_axes = dict(zip(axes, windows, strict=True))
    lines = []
    for axis, (n, step) in enumerate(zip(full, _strides(full), strict=True)):
        window = of_axes.get(axis)
        start, count = (0, n) if window is None else starts_along(n, window)
        line = np.arange(count)
        line *= step if window is None else window[1] * step
        line += start * step
        lines.append(line)
    return lines


def sums_of(lines: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """All sums of one element from each line, flat, in row-major order."""
    total = np.zeros(1, np.int64)
    for line in lines:
        total = (total[:, None] + line).reshape(-1)
    return total


def _split(shape: Sequence[int]) -> int:
    """The axis from which on an output has at most CHUNK elements in a row."""
    size = 1
    for axis in range(len(shape) - 1, -1, -1):
        size *= max(shape[axis], 1)
        if size > CHUNK:
            return axis + 1
    return 0


def positions(
    full: tuple[int, ...], axes: Sequence[int], windows: Sequence[AxisWindow], taps: Any
) -> Iterator[tuple[slice, np.ndarray[Any, Any]]]:
    """Pieces of the flattened output: which elements, and the flat positions in the input that their taps are at."""
    lines, table = lines_of(full, axes, windows), table_of(full, axes, windows)
    shape = [len(line) for line in lines]
    cut = _split(shape)
    outer, inner = sums_of(lines[:cut]), sums_of(lines[cut:])
    rows = max(1, CHUNK // inner.size)
    buffer = np.empty((min(rows, outer.size), inner.size), np.int64)
    flat = taps.reshape(-1) if taps.flags.c_contiguous else taps.flat
    for k in range(0, outer.size, rows):
        lead = outer[k : k + rows, None]
        place = buffer[: lead.shape[0]]
        where = slice(k * inner.size, k * inner.size + place.size)
        numbers = flat[where].reshape(place.shape)
        np.take(table, numbers, out=place, mode="clip")
        np.add(place, inner, out=place)
        np.add(place, lead, out=place)
        yield where, place.reshape(-1)


def positions_nbytes(y: TensorType) -> int:
    """Bytes of the positions of one piece, of its taps as NumPy wants indices, and of the sums that they are made of."""
    sizes: Any = y.dims
    cut = _split(sizes)
    inner, outer = max(math.prod(sizes[cut:]), 1), math.prod(sizes[:cut])
    rows = max(1, min(CHUNK // inner, outer))
    last = max(sizes[-1], 1)
    making = inner // last + 2 * min(inner, BUFFER)
    return int(8 * (max(2 * rows * inner, making) + inner + outer + sum(sizes))) + 4096
