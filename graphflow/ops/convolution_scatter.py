"""Transposed convolutions for NumPy: products of a tile's gradients with the filters, added where its windows lie.

Windows overlap, so a lane has images of its own (or channels, where there are fewer images than lanes) and adds
up tile after tile in a fixed order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphflow.ops.convolution_gather import place_of, sizes_of
from graphflow.ops.convolution_lanes import (
    LANES,
    SPLIT_FLOPS,
    UFUNC_ELEMENTS,
    Run,
    deliver,
    deliver_nbytes,
    lanes,
)
from graphflow.ops.convolution_layout import (
    Conv,
    Tile,
    blocks,
    channels_last,
    filter_view,
    placed_taps,
    tiles,
    working_dtype,
)
from graphflow.ops.convolution_products import matrices_of, single, with_matrices

__all__ = ["input_grad_by_taps", "input_grad_by_taps_nbytes"]

PRODUCT_NBYTES = 1 << 18
"""Bytes of a product that is added at once: half a core's second-level cache."""

LEAST_COLUMNS = 32
"""Channels of a product at least: of fewer, those of several taps are computed together."""

SHORT_CHANNELS = 16
"""With fewer channels, neighbours in space are added at a time instead of neighbouring channels."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Plan:
    """The jobs and the elements of a lane's buffers.

    images, parts: into how many ranges the images and the channels are divided; a job has one of each.
    block: windows of a tile. together: taps of one product. planes: products are [channels, windows], else
    [windows, channels]. total: elements to add up in, where that is not the result itself.
    """

    work: np.dtype[Any]
    images: int
    parts: int
    lanes: int
    block: tuple[int, ...]
    together: int
    planes: bool
    rows: int
    product: int
    total: int

    @property
    def size(self) -> int:
        """Elements of a lane's buffers."""
        return self.rows + self.product + self.total


def _ranges(size: int, count: int) -> Iterator[Range]:
    return itertools.pairwise(size * k // count for k in range(count + 1))


@lru_cache(maxsize=1024)
def _plan(c: Conv, dtype: np.dtype[Any]) -> _Plan:
    count = math.prod(c.windows.kernel)
    work = working_dtype(dtype, None, count * c.made)
    split = c.flops >= SPLIT_FLOPS
    planes = c.first or (c.taken < SHORT_CHANNELS and not c.is_depthwise)
    together = min(count, -(-LEAST_COLUMNS // c.taken)) if planes else 1
    if work != dtype:
        images, parts = c.batch, 1  # as few as can be, because a job has its sums beside the result
    else:
        images = min(c.batch, LANES) if split else 1
        wanted = -(-4 // images) if split and together == 1 and c.groups == 1 else 1
        parts = max(1, min(wanted, c.taken // LEAST_COLUMNS))
    batch = -(-c.batch // images)
    each = c.groups * max(together * -(-c.taken // parts), c.made)
    block = blocks((batch, *c.windows.counts), max(1, PRODUCT_NBYTES // (each * work.itemsize)))
    rows = math.prod(block) * c.groups
    total = 0 if work == dtype else math.prod(c.windows.sizes) * c.groups * c.taken
    return _Plan(
        work,
        images,
        parts,
        min(LANES, images * parts) if split else 1,
        block,
        together,
        planes,
        rows * c.made,
        rows * together * -(-c.taken // parts),
        total,
    )


def input_grad_by_taps_nbytes(c: Conv, dtype: np.dtype[Any]) -> int:
    """Bytes that `input_grad_by_taps` allocates for contiguous arrays."""
    plan = _plan(c, dtype)
    buffered = max(UFUNC_ELEMENTS * plan.work.itemsize, deliver_nbytes(plan.total, dtype, plan.work))
    each = plan.size * plan.work.itemsize + buffered
    return with_matrices(c, dtype, plan.work, True, plan.lanes * each)


def input_grad_by_taps(g: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the transposed convolution."""
    plan = _plan(c, out.dtype)
    matrices = matrices_of(filter_view(np, filters, c), plan.work)
    result = channels_last(np, out, c, c.taken)

    def begin(memory: Any) -> Callable[[tuple[Range, Range]], None]:
        sums, buffers = memory[: plan.total], memory[plan.total :]

        def do(job: tuple[Range, Range]) -> None:
            images, channels = job
            target = result[(slice(*images), ..., slice(*channels))]
            total = sums[: target.size].reshape(target.shape) if plan.total else target
            total[...] = 0
            for tile in tiles((images[1] - images[0], *c.windows.counts), plan.block):
                _add_tile(g[slice(*images)], matrices, total, c, plan, buffers, tile, channels)
            if total is not target:
                deliver(target, total)

        return do

    jobs = itertools.product(_ranges(c.batch, plan.images), _ranges(c.taken, plan.parts))
    lanes(run, plan.lanes, begin, jobs, plan.size, plan.work)


def _add_tile(
    g: Any, matrices: Any, total: Any, c: Conv, plan: _Plan, buffers: Any, tile: Tile, channels: Range
) -> None:
    """Add to the images of a job, for its channels, what the gradients of a tile give them."""
    rows, room = _rows_of(g, c, tile, buffers[: plan.rows]), buffers[plan.rows :]
    count = math.prod(c.windows.kernel)
    size, batch = sizes_of(tile), slice(*tile[0])
    first, parts = count, None
    for at in placed_taps(c.windows, tile):
        if parts is None or at.number >= first + len(parts):
            first = at.number - at.number % plan.together
            some = min(plan.together, count - first)
            terms = slice(first * c.taken + channels[0], (first + some - 1) * c.taken + channels[1])
            parts = _products(rows, matrices[:, terms], c, plan, size, some, room)
        place = total[(batch, *at.positions)]
        np.add(place, parts[(at.number - first, slice(None), *at.windows)], out=place)


def _rows_of(g: Any, c: Conv, tile: Tile, memory: Any) -> Any:
    """The gradients of a tile: [batch, groups, made, windows] where channels come first, else [windows, groups, made].

    g: those of a job's images. A view of them, or a copy in `memory`.
    """
    batch = slice(*tile[0])
    if g.dtype == memory.dtype and g.flags.c_contiguous:
        if c.first:
            return g.reshape(len(g), c.groups, c.made, -1)[batch, :, :, place_of(tile[1:], c.windows.counts)]
        return g.reshape(-1, c.groups, c.made)[place_of(tile, (len(g), *c.windows.counts))]
    spatial = [slice(*bounds) for bounds in tile[1:]]
    if c.first:
        part = g.reshape(len(g), c.groups, c.made, *c.windows.counts)[(batch, ..., *spatial)]
        shape: tuple[int, ...] = (*part.shape[:3], -1)
    else:
        part = g.reshape(len(g), *c.windows.counts, c.groups, c.made)[(batch, *spatial)]
        shape = (-1, c.groups, c.made)
    copy = memory[: part.size].reshape(part.shape)
    np.copyto(copy, part, casting="unsafe")
    return copy.reshape(shape)


def _products(
    rows: Any, matrices: Any, c: Conv, plan: _Plan, size: tuple[int, ...], count: int, memory: Any
) -> Any:
    """Products of a tile's gradients with the filters of some taps: [taps, batch, *windows, groups, channels]."""
    terms, n = matrices.shape[1], len(size)
    if (
        c.is_depthwise and not c.first
    ):  # rows of channels times those of the filters: see `convolution_depthwise`
        each = memory[: math.prod(size) * c.groups].reshape(-1, c.groups)
        np.multiply(rows[:, :, 0], matrices[:, 0, 0], out=each)
        return each.reshape(1, *size, c.groups, 1)
    if c.first:
        left, right = matrices, rows
        shape: tuple[int, ...] = (size[0], c.groups, terms, math.prod(size[1:]))
        parted: tuple[int, ...] = (size[0], c.groups, count, terms // count, *size[1:])
        order: tuple[int, ...] = (2, 0, *range(4, 3 + n), 1, 3)
    elif plan.planes:
        left, right = matrices, rows.transpose(1, 2, 0)
        shape, parted = (c.groups, terms, len(rows)), (c.groups, count, terms // count, *size)
        order = (1, *range(3, 3 + n), 0, 2)
    else:
        left, right = rows.swapaxes(0, 1), matrices.swapaxes(1, 2)
        shape, parted = (c.groups, len(rows), terms), (1, c.groups, *size, terms)
        order = (0, *range(2, 2 + n), 1, 2 + n)
    made = memory[: math.prod(shape)].reshape(shape)
    lead = len(shape) - 2
    np.matmul(single(left, 1), single(right, lead), out=single(made, lead))
    return made.reshape(parted).transpose(order)
