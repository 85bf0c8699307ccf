"""Depthwise convolutions for NumPy where channels come last: whole rows of channels times those of the filters.

Products of matrices would have one column here. Each tap is a product of elements over a tile that stays in cache,
with the filters repeated along the last spatial axis, so that the rows are long: 0.4 to 0.8 ns for each tap of an
output on a 2-core EPYC 7003, against 0.8 to 1.6 with rows of one position.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphflow.ops.convolution_gather import Slab, covered, sizes_of
from graphflow.ops.convolution_lanes import LANES, UFUNC_ELEMENTS, Run, deliver, deliver_nbytes, lanes
from graphflow.ops.convolution_layout import (
    Conv,
    Tile,
    blocks,
    channels_last,
    rounds,
    taps,
    tiles,
    working_dtype,
)

__all__ = [
    "conv_by_channels",
    "conv_by_channels_nbytes",
    "filter_grad_by_channels",
    "filter_grad_by_channels_nbytes",
    "is_by_channels",
]

TILE_NBYTES = 1 << 18
"""Bytes of a tile's outputs. Of 2^15 to 2^19 the last two were fastest; smaller tiles are too many calls."""

SPLIT_PRODUCTS = 1 << 20
"""Products from which on lanes share the work: 0.5 ms on one core."""

MOST_MADE = 4
"""Outputs of a channel up to which this is the faster way."""

LEAST_CHANNELS = 8
"""With fewer channels, rows are too short."""


def is_by_channels(c: Conv) -> bool:
    """Whether this is the faster way."""
    return not c.first and c.taken == 1 and 0 < c.made <= MOST_MADE and c.groups >= LEAST_CHANNELS


@dataclass(frozen=True, slots=True)
class _Plan:
    """Windows of a tile along each axis, and the elements of a slab and of one output of a tile."""

    block: tuple[int, ...]
    lanes: int
    slab: int
    rows: int

    @property
    def size(self) -> int:
        """Elements of a lane's buffers: a slab and two times the rows."""
        return self.slab + 2 * self.rows


@lru_cache(maxsize=256)
def _plan(c: Conv, itemsize: int) -> _Plan:
    dims = (c.batch, *c.windows.counts)
    split = c.flops >= 2 * SPLIT_PRODUCTS
    rows = max(1, TILE_NBYTES // (c.groups * itemsize))
    block = blocks(dims, min(rows, -(-c.rows // LANES)) if split else rows)
    slab = block[0] * math.prod(covered(c.windows, block)) * c.groups
    count = min(LANES, rounds(dims, block)) if split else 1
    return _Plan(block, count, slab, math.prod(block) * c.groups)


class _Windows:
    """The elements of a tile's windows, tap by tap: [batch, *windows, channels]."""

    def __init__(self, x: Any, c: Conv, plan: _Plan, memory: Any) -> None:
        w = c.windows
        self.slab = Slab(channels_last(np, x, c, 1), w, plan.block, False, memory)
        batch, *steps, channel, _ = self.slab.array.strides
        of_windows = [a * b for a, b in zip(steps, w.strides, strict=True)]
        of_taps = [a * b for a, b in zip(steps, w.dilations, strict=True)]
        self.view = np.ndarray(
            (*w.kernel, *plan.block, c.groups),
            memory.dtype,
            self.slab.array,
            0,
            (*of_taps, batch, *of_windows, channel),
        )

    def of(self, tile: Tile) -> Any:
        """[*kernel, batch, *windows, channels] of a tile."""
        self.slab.fill(tile)
        key: tuple[Any, ...] = (..., *[slice(s) for s in sizes_of(tile)], slice(None))
        return self.view[key]


# --- conv -----------------------------------------------------------------------------------------


def conv_by_channels_nbytes(c: Conv, dtype: np.dtype[Any], out_dtype: np.dtype[Any]) -> int:
    """Bytes that `conv_by_channels` allocates for contiguous arrays."""
    work = working_dtype(dtype, out_dtype, c.terms)
    plan = _plan(c, work.itemsize)
    buffered = max(UFUNC_ELEMENTS * work.itemsize, deliver_nbytes(plan.rows, out_dtype, work))
    filters = c.terms * c.groups * c.made * plan.block[-1] * work.itemsize
    return filters + plan.lanes * (plan.size * work.itemsize + buffered)


def conv_by_channels(x: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the convolution by filters [taps, 1, groups, made]."""
    work = working_dtype(x.dtype, out.dtype, c.terms)
    plan = _plan(c, work.itemsize)
    repeated = np.empty((c.made, c.terms, plan.block[-1], c.groups), work)
    repeated[...] = filters[:, 0].transpose(2, 0, 1)[:, :, None]
    result = channels_last(np, out, c, c.made)
    listed = list(taps(c.windows.kernel))

    def begin(memory: Any) -> Callable[[Tile], None]:
        windows = _Windows(x, c, plan, memory[: plan.slab])
        totals, parts = memory[plan.slab : plan.slab + plan.rows], memory[plan.slab + plan.rows :]

        def job(tile: Tile) -> None:
            elements = windows.of(tile)
            size = sizes_of(tile)
            shape = (*size, c.groups)
            total = totals[: math.prod(shape)].reshape(shape)
            part = parts[: total.size].reshape(shape)
            place = result[tuple([slice(*bounds) for bounds in tile])]
            for m in range(c.made):
                for k, tap in enumerate(listed):
                    np.multiply(elements[tap], repeated[m, k, : size[-1]], out=part if k else total)
                    if k:
                        np.add(total, part, out=total)
                deliver(place[..., m], total)

        return job

    lanes(run, plan.lanes, begin, tiles((c.batch, *c.windows.counts), plan.block), plan.size, work)


# --- filter_grad ----------------------------------------------------------------------------------


def filter_grad_by_channels_nbytes(c: Conv, dtype: np.dtype[Any]) -> int:
    """Bytes that `filter_grad_by_channels` allocates for contiguous arrays."""
    work = working_dtype(dtype, None, c.rows)
    plan = _plan(c, work.itemsize)
    filters = c.terms * c.groups * c.made
    wide = deliver_nbytes(filters, dtype, work)
    sums = plan.lanes * filters + c.groups * (1 + plan.lanes)
    return (sums + plan.lanes * (plan.slab + plan.rows)) * work.itemsize + wide


def filter_grad_by_channels(x: Any, g: Any, target: Any, c: Conv, run: Run) -> None:
    """Fill `target`, [taps, 1, groups, made], with the gradient of the filters."""
    work = working_dtype(target.dtype, None, c.rows)
    plan = _plan(c, work.itemsize)
    given = channels_last(np, g, c, c.made)
    listed = list(tiles((c.batch, *c.windows.counts), plan.block))
    ends = [len(listed) * k // plan.lanes for k in range(plan.lanes + 1)]
    sums = np.zeros((plan.lanes, c.terms, c.groups, c.made), work)
    axes = "".join(chr(ord("d") + k) for k in range(given.ndim - 2))
    equation = f"{axes}c,{axes}c->c"

    def begin(memory: Any) -> Callable[[int], None]:
        windows = _Windows(x, c, plan, memory[: plan.slab])

        def job(part: int) -> None:
            for tile in listed[ends[part] : ends[part + 1]]:
                elements = windows.of(tile)
                shape = (*sizes_of(tile), c.groups)
                rows = memory[plan.slab : plan.slab + math.prod(shape)].reshape(shape)
                for m in range(c.made):
                    rows[...] = given[(*[slice(*bounds) for bounds in tile], slice(None), m)]
                    for k, tap in enumerate(taps(c.windows.kernel)):
                        sums[part, k, :, m] += np.einsum(equation, elements[tap], rows)

        return job

    lanes(run, plan.lanes, begin, range(plan.lanes), plan.slab + plan.rows, work)
    total = sums[0]
    for other in sums[1:]:
        total += other
    deliver(target[:, 0], total)
