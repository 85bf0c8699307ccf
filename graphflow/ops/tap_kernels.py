"""The kernels that move values to the taps of windows and back, once it is known which: see `tap_numbers.py`.

Under NumPy, values move by flat positions: `add.at` and `take` on one-dimensional arrays handle them in their order,
so the bits are always the same; elsewhere tap after tap, on slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of
from graphflow.ops.philox import converted
from graphflow.ops.tap_positions import (
    lines_of,
    places_of,
    positions,
    positions_nbytes,
    sums_of,
    table_of,
)
from graphflow.ops.window_plans import AxisWindow, all_taps, taps_range
from graphflow.types import TensorType

__all__ = [
    "gather_kernel",
    "move_workspace",
    "positions_kernel",
    "positions_workspace",
    "scatter_kernel",
]


# --- moving values --------------------------------------------------------------------------------


def _flat(x: Any) -> Any:
    """A one-dimensional view, or what gives pieces of one."""
    return x.reshape(-1) if x.flags.c_contiguous else x.flat


def scatter_kernel(
    xp: Any,
    g: Any,
    taps: Any,
    like: Any = None,
    *,
    shape: tuple[int, ...] | None,
    axes: tuple[int, ...],
    windows: tuple[AxisWindow, ...],
    rank: int | None,
    out: Any = None,
) -> Any:
    """Zeros with each element of `g` added at the tap of its window."""
    full = tuple(like.shape if shape is None else shape)
    places = places_of(axes, len(full))
    if out is None:
        out = xp.zeros(full, dtype=g.dtype)
    else:
        out[...] = 0
    if not math.prod(g.shape):
        return out
    if xp is not np:
        zero = xp.zeros((), dtype=g.dtype)
        for t, tap in enumerate(all_taps(full, places, windows)):
            chosen = xp.where(taps[tap.outputs] == t, g[tap.outputs], zero)
            out[tap.inputs] = out[tap.inputs] + chosen
        return out
    source, target = _flat(g), out.reshape(-1)
    for where, place in positions(full, places, windows, taps):
        np.add.at(target, place, source[where])
    return out


def gather_kernel(
    xp: Any,
    x: Any,
    taps: Any,
    *,
    axes: tuple[int, ...],
    windows: tuple[AxisWindow, ...],
    rank: int | None,
    out: Any = None,
) -> Any:
    """For each window the element at its tap."""
    places = places_of(axes, x.ndim)
    if out is None:
        out = xp.empty(taps.shape, dtype=x.dtype)
    if not math.prod(taps.shape):
        return out
    if xp is not np:
        out[...] = 0
        for t, tap in enumerate(all_taps(tuple(x.shape), places, windows)):
            out[tap.outputs] = xp.where(taps[tap.outputs] == t, x[tap.inputs], out[tap.outputs])
        return out
    source, target = _flat(x), out.reshape(-1)
    for where, place in positions(tuple(x.shape), places, windows, taps):
        if x.flags.c_contiguous:
            np.take(source, place, out=target[where], mode="clip")
        else:
            target[where] = source[place]
    return out


def _taps_of(inputs: Sequence[TensorType], outputs: Sequence[TensorType], attrs: Any) -> int:
    """The number of taps of each window."""
    x: Any = outputs[0] if "shape" in attrs else inputs[1] if "batched" in attrs else inputs[0]
    axes = places_of(attrs["axes"], x.rank)
    windows = attrs["windows"]
    return math.prod(len(taps_range(x.dims[a], window)) for a, window in zip(axes, windows, strict=True))


def move_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """Bytes of positions and table."""
    taps = inputs[1]
    if not taps.size:
        return 0
    table = 16 * _taps_of(inputs, outputs, attrs)
    return positions_nbytes(taps) + table


# --- positions as numbers -------------------------------------------------------------------------


def positions_kernel(
    xp: Any,
    taps: Any,
    x: Any,
    *,
    axes: tuple[int, ...],
    windows: tuple[AxisWindow, ...],
    rank: int | None,
    batched: bool,
    dtype: np.dtype[Any],
    out: Any = None,
) -> Any:
    """The position of each tap in the flattened input, or in its own entry of the first axis."""
    full = tuple(x.shape)
    places = places_of(axes, len(full))
    own = dtype_of(xp, dtype)
    if out is None:
        out = xp.empty(taps.shape, dtype=own)
    if not math.prod(taps.shape):
        return out
    size = math.prod(full[1:])
    if xp is np:
        target = out.reshape(-1)
        for where, place in positions(full, places, windows, taps):
            np.copyto(target[where], place if batched else place % size, casting="unsafe")
        return out
    lines = lines_of(full, places, windows)
    if not batched:
        lines[0] = lines[0] * 0
    table = xp.asarray(table_of(full, places, windows))
    base = xp.asarray(sums_of(lines).reshape(taps.shape))
    numbers = converted(xp, xp.reshape(taps, (-1,)), xp.int64)
    out[...] = converted(xp, xp.reshape(xp.take(table, numbers), taps.shape) + base, own)
    return out


def positions_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """Bytes of positions and table."""
    taps = inputs[0]
    if not taps.size:
        return 0
    table = 16 * _taps_of(inputs, outputs, attrs)
    return positions_nbytes(taps) + table
