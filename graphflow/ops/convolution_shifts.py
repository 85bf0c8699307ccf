"""Convolutions for NumPy with few outputs: products of each position with all taps first, then added up shifted.

Gathering windows copies every input as often as there are taps; with few outputs, that takes longer than all else.
Here each output's products are added up by one strided reduction over a view that is shifted from tap to tap.
Only for strides of 1: else most products would be in vain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphflow.ops.convolution_gather import TILE_NBYTES, Slab, covered, sizes_of
from graphflow.ops.convolution_lanes import (
    LANES,
    SPLIT_FLOPS,
    UFUNC_ELEMENTS,
    Run,
    deliver,
    deliver_nbytes,
    lanes,
)
from graphflow.ops.convolution_layout import Conv, Tile, blocks, channels_last, rounds, tiles, working_dtype
from graphflow.ops.convolution_products import single, with_matrices

__all__ = ["conv_by_shifts", "conv_by_shifts_nbytes", "has_few_outputs"]

FEW = 8
"""Outputs up to which adding up products is faster than gathering windows, if there are 4 times as many inputs."""


def has_few_outputs(c: Conv) -> bool:
    """Whether this is the faster way."""
    w = c.windows
    return c.made <= FEW and c.taken >= 4 * c.made and all(s == 1 for s in w.strides) and not c.is_plain


@dataclass(frozen=True, slots=True)
class _Plan:
    """Windows of a tile along each axis, and the elements of a lane's buffers."""

    block: tuple[int, ...]
    lanes: int
    slab: int
    products: int
    sums: int

    @property
    def size(self) -> int:
        """Elements that the buffers of a lane have."""
        return self.slab + self.products + self.sums


@lru_cache(maxsize=256)
def _plan(c: Conv, itemsize: int) -> _Plan:
    each = c.groups * max(c.taken, math.prod(c.windows.kernel) * c.made)
    rows = max(1, TILE_NBYTES // (each * itemsize))
    split = c.flops >= SPLIT_FLOPS
    if split:
        rows = min(rows, -(-c.rows // LANES))
    dims = (c.batch, *c.windows.counts)
    block = blocks(dims, rows)
    positions = block[0] * math.prod(covered(c.windows, block)) * c.groups
    return _Plan(
        block,
        min(LANES, rounds(dims, block)) if split else 1,
        positions * c.taken,
        positions * math.prod(c.windows.kernel) * c.made,
        math.prod(block) * c.groups * c.made,
    )


def conv_by_shifts_nbytes(c: Conv, dtype: np.dtype[Any], out_dtype: np.dtype[Any]) -> int:
    """Bytes that `conv_by_shifts` allocates for contiguous arrays."""
    work = working_dtype(dtype, out_dtype, c.terms)
    plan = _plan(c, work.itemsize)
    buffered = max(UFUNC_ELEMENTS * work.itemsize, deliver_nbytes(plan.sums, out_dtype, work))
    each = plan.size * work.itemsize + buffered
    as_they_lie = c.made == 1 or math.prod(c.windows.kernel) == 1
    return with_matrices(c, dtype, work, as_they_lie, plan.lanes * each)


def conv_by_shifts(x: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the convolution by filters [taps, taken, groups, made]."""
    work = working_dtype(x.dtype, out.dtype, c.terms)
    plan = _plan(c, work.itemsize)
    terms = filters.shape[0] * c.made
    matrices = filters.transpose(2, 0, 3, 1).reshape(c.groups, terms, c.taken).astype(work, copy=False)
    given, result = channels_last(np, x, c, c.taken), channels_last(np, out, c, c.made)
    n = len(c.windows.kernel)

    def begin(memory: Any) -> Callable[[Tile], None]:
        slab = Slab(given, c.windows, plan.block, c.first, memory[: plan.slab])
        room = memory[plan.slab : plan.slab + plan.products]
        shifted = _shifted(room, c, plan, slab.extents)
        sums = memory[plan.slab + plan.products :]

        def job(tile: Tile) -> None:
            slab.fill(tile)
            size = sizes_of(tile)
            if c.first:
                right = slab.array[: size[0]].reshape(size[0], c.groups, c.taken, -1)
                products = room.reshape(plan.block[0], c.groups, terms, -1)[: size[0]]
                shape: tuple[int, ...] = (size[0], c.groups, c.made, *size[1:])
                order: tuple[int, ...] = (0, *range(3, 3 + n), 1, 2)
            else:
                right = slab.array.reshape(-1, c.groups, c.taken).transpose(1, 2, 0)
                products = room.reshape(c.groups, terms, -1)
                shape, order = (c.groups, c.made, *size), (*range(2, 3 + n), 0, 1)
            lead = products.ndim - 2
            np.matmul(single(matrices, 1), single(right, lead), out=single(products, lead))
            total = sums[: math.prod(shape)].reshape(shape)
            parts = shifted[(..., *[slice(s) for s in shape])]
            np.add.reduce(parts, axis=tuple(range(n)), out=total)
            place = result[tuple([slice(*bounds) for bounds in tile])]
            deliver(place, total.transpose(order))

        return job

    lanes(run, plan.lanes, begin, tiles((c.batch, *c.windows.counts), plan.block), plan.size, work)


def _shifted(products: Any, c: Conv, plan: _Plan, extents: tuple[int, ...]) -> Any:
    """Products as [*kernel, ...]: at each tap, what that tap adds to the outputs of a full tile.

    The rest is [batch, groups, made, *windows] where channels come first, else [groups, made, batch, *windows].
    """
    kernel, n = c.windows.kernel, len(extents)
    count = math.prod(kernel)
    if c.first:
        parted = products.reshape(plan.block[0], c.groups, count, c.made, *extents)
        tap, shape = 2, (plan.block[0], c.groups, c.made, *plan.block[1:])
    else:
        parted = products.reshape(c.groups, count, c.made, plan.block[0], *extents)
        tap, shape = 1, (c.groups, c.made, *plan.block)
    strides = parted.strides
    steps = [strides[tap] * math.prod(kernel[axis + 1 :]) for axis in range(n)]
    moved = [a + d * b for a, d, b in zip(steps, c.windows.dilations, strides[-n:], strict=True)]
    rest = (*strides[:tap], *strides[tap + 1 :])
    return np.ndarray((*kernel, *shape), products.dtype, products, 0, (*moved, *rest))
