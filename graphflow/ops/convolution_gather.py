"""How NumPy gathers windows into matrices, tile by tile: a tile is multiplied while it lies in a core's cache ("im2col").

The part of the array under a tile's windows is copied, zeros around it included, and from there all windows by one
strided copy. Measured on a 2-core EPYC 7003 for 3x3 windows of 64 channels, and 5x5 of one: 25 to 40 GB/s, against
10 to 18 with a copy for each tap of the window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphflow.ops.convolution_lanes import LANES, SPLIT_FLOPS
from graphflow.ops.convolution_layout import (
    Conv,
    Tile,
    blocks,
    channels_last,
    placed_taps,
    rounds,
    taps,
)
from graphflow.ops.convolution_types import Windows

__all__ = ["Gather", "Gatherer", "Slab", "covered", "gather_of", "place_of", "sizes_of"]

TILE_NBYTES = 1 << 19
"""Bytes of a tile's windows. Of 2^17 to 2^20 the last two were fastest, by 5 to 30 %; more would not fit the cache."""

COPY_NBYTES = 1 << 17
"""The same for windows of one element: those are read where they lie, if their array is contiguous."""

LEAST_ROWS = 64
"""Windows in a tile at least, however large they are: a product of fewer spends its time on packing the filters."""

SHORT_RUN = 16
"""Fewer neighbours than that are slow to copy: then windows are laid out so that the longer run is copied."""


@dataclass(frozen=True, slots=True)
class Gather:
    """How the windows of a convolution are gathered; sizes in elements.

    block: windows of a tile along the batch and each spatial axis.
    planes: a tile is [groups, terms, batch, windows], else [groups, batch, windows, terms].
    slab_size: 0 where windows cover more than they hold, as dilated ones do: those are copied tap by tap.
    """

    block: tuple[int, ...]
    lanes: int
    planes: bool
    slab_size: int
    tile_size: int

    @property
    def size(self) -> int:
        """Elements that the buffers of a lane have."""
        return self.slab_size + self.tile_size


@lru_cache(maxsize=1024)
def gather_of(c: Conv, itemsize: int, least_rows: int = LEAST_ROWS) -> Gather:
    """The way that suits the sizes, and nothing but the sizes."""
    w = c.windows
    row = c.groups * c.terms
    rows = max(least_rows, (COPY_NBYTES if c.is_plain else TILE_NBYTES) // max(1, row * itemsize))
    split = c.flops >= SPLIT_FLOPS
    if split:
        rows = min(rows, max(least_rows, -(-c.rows // LANES)))
    dims = (c.batch, *w.counts)
    block = blocks(dims, rows)
    tile_size = math.prod(block) * row
    slab_size = block[0] * math.prod(covered(w, block)) * c.groups * c.taken
    if slab_size > tile_size or all(k == 1 for k in w.kernel):
        slab_size = 0
    lanes = min(LANES, rounds(dims, block)) if split else 1
    planes = c.first if c.is_plain else _in_planes(c, block)
    return Gather(block, lanes, planes, slab_size, tile_size)


def _in_planes(c: Conv, block: tuple[int, ...]) -> bool:
    """Whether neighbours along the last spatial axis make longer runs than channels do."""
    w = c.windows
    in_window = c.taken * (w.kernel[-1] if c.groups == 1 and w.dilations[-1] == 1 else 1)
    along = block[-1] if w.strides[-1] == 1 else 0
    return along > in_window and (in_window < SHORT_RUN or (c.first and along >= SHORT_RUN))


# --- tiles ----------------------------------------------------------------------------------------


def sizes_of(tile: Tile) -> tuple[int, ...]:
    """Windows of a tile along each axis."""
    return tuple([stop - start for start, stop in tile])


def place_of(tile: Tile, dims: Sequence[int]) -> slice:
    """The run that a tile is of all elements in C order."""
    first = 0
    for (start, _), d in zip(tile, dims, strict=True):
        first = first * d + start
    return slice(first, first + math.prod(sizes_of(tile)))


def covered(w: Windows, block: tuple[int, ...]) -> tuple[int, ...]:
    """How much of each spatial axis the windows of a full tile cover."""
    return tuple(
        [
            (b - 1) * s + (k - 1) * d + 1
            for b, s, k, d in zip(block[1:], w.strides, w.kernel, w.dilations, strict=True)
        ]
    )


class Slab:
    """A buffer for the part of an array under a tile's windows, zeros around the array included.

    x: [batch, *sizes, groups, taken]. memory: as many elements as a full tile needs. It is laid out as
    [batch, groups, taken, *positions] where `planes`, else as [batch, *positions, groups, taken].
    """

    def __init__(self, x: Any, w: Windows, block: tuple[int, ...], planes: bool, memory: Any) -> None:
        self.x, self.w, self.block = x, w, block
        self.extents = covered(w, block)
        n, channels = len(self.extents), x.shape[-2:]
        if planes:
            self.array = memory.reshape(block[0], *channels, *self.extents)
            self.last = self.array.transpose(0, *range(3, 3 + n), 1, 2)
        else:
            self.array = self.last = memory.reshape(block[0], *self.extents, *channels)

    def fill(self, tile: Tile) -> None:
        """Copy what the windows of a tile cover to the front of the buffer."""
        images = slice(tile[0][1] - tile[0][0])
        source, target, used = [slice(*tile[0])], [images], [images]
        whole = True
        for axis, (start, stop) in enumerate(tile[1:]):
            step = self.w.strides[axis]
            first = start * step - self.w.lows[axis]
            last = first + self.extents[axis] - (self.block[axis + 1] - (stop - start)) * step
            low = max(first, 0)
            high = max(low, min(last, self.w.sizes[axis]))
            whole = whole and low == first and high == last
            source.append(slice(low, high))
            target.append(slice(low - first, high - first))
            used.append(slice(last - first))
        if not whole:
            self.last[tuple(used)] = 0
        self.last[tuple(target)] = self.x[tuple(source)]


class Gatherer:
    """The copying of windows into the buffers of one lane.

    x: the array. memory: `how.size` elements of the dtype to compute in.
    merged: the batch and the windows of a tile must lie as one axis.
    """

    def __init__(self, x: Any, c: Conv, how: Gather, memory: Any, merged: bool) -> None:
        self.x = channels_last(np, x, c, c.taken)
        self.c, self.how = c, how
        self.flat = memory[how.slab_size : how.size]
        self.slab = self.direct = None
        if how.slab_size:
            self.slab = Slab(self.x, c.windows, how.block, how.planes, memory[: how.slab_size])
            self.windows = self._windows(self.slab)
        elif c.is_plain and how.planes == c.first and x.dtype == memory.dtype and x.flags.c_contiguous:
            inner = math.prod(c.windows.sizes)
            if not c.first:
                self.direct = x.reshape(c.batch, inner, c.groups, c.taken).transpose(2, 0, 1, 3)
            elif how.block[0] == 1 or not merged:
                self.direct = x.reshape(c.batch, c.groups, c.taken, inner).transpose(1, 2, 0, 3)

    def _windows(self, slab: Slab) -> Any:
        """The windows over a slab, as a view."""
        c, how, w = self.c, self.how, self.c.windows
        batch, *steps, group, each = slab.last.strides
        of_windows = [a * b for a, b in zip(steps, w.strides, strict=True)]
        of_taps = [a * b for a, b in zip(steps, w.dilations, strict=True)]
        outer, inner = (how.block, (batch, *of_windows)), ((*w.kernel, c.taken), (*of_taps, each))
        if how.planes:
            outer, inner = inner, outer
        shape, strides = (c.groups, *outer[0], *inner[0]), (group, *outer[1], *inner[1])
        return np.ndarray(shape, slab.array.dtype, slab.array, 0, strides)

    def gather(self, tile: Tile) -> Any:
        """The windows of a tile: [groups, terms, batch, windows] if `how.planes`, else [groups, batch, windows, terms]."""
        c, how = self.c, self.how
        size = sizes_of(tile)
        if self.direct is not None:
            batch, place = slice(*tile[0]), place_of(tile[1:], c.windows.counts)
            return self.direct[:, :, batch, place] if how.planes else self.direct[:, batch, place, :]
        window = (*c.windows.kernel, c.taken)
        shape = (c.groups, *window, *size) if how.planes else (c.groups, *size, *window)
        flat = self.flat[: math.prod(shape)]
        if self.slab is None:
            self._copy_taps(tile, flat.reshape(shape))
        else:
            self.slab.fill(tile)
            ranges = [slice(s) for s in size]
            key = (..., *ranges) if how.planes else (slice(None), *ranges)
            np.copyto(flat.reshape(shape), self.windows[key])
        count = math.prod(size[1:])
        if how.planes:
            return flat.reshape(c.groups, c.terms, size[0], count)
        return flat.reshape(c.groups, size[0], count, c.terms)

    def _copy_taps(self, tile: Tile, target: Any) -> None:
        """The windows without a slab: a copy for each tap."""
        c, planes = self.c, self.how.planes
        n = len(c.windows.kernel)
        order = (n + 1, n + 2, *range(n + 1)) if planes else (n + 1, *range(n + 1), n + 2)
        outside = dict.fromkeys(taps(c.windows.kernel))
        for at in placed_taps(c.windows, tile):
            part = target[(slice(None), *at.tap)] if planes else target[(..., *at.tap, slice(None))]
            if not at.whole:
                part[...] = 0
            key = (..., *at.windows) if planes else (..., *at.windows, slice(None))
            part[key] = self.x[(slice(*tile[0]), *at.positions)].transpose(order)
            del outside[at.tap]
        for tap in outside:
            target[(slice(None), *tap) if planes else (..., *tap, slice(None))] = 0
