"""The gradient of filters for NumPy: gathered windows times gradients, added up over tiles.

Sums over tiles have a fixed order, so that the bits are the same however many lanes run at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphflow.ops.convolution_gather import Gather, Gatherer, gather_of, place_of, sizes_of
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
    channels_last,
    rounds,
    taps,
    tiles,
    working_dtype,
)
from graphflow.ops.convolution_products import single

__all__ = ["filter_grad", "filter_grad_nbytes"]

LARGE_NBYTES = 1 << 20
"""Gradients of filters from that size on are not added up in several copies: parts of the filters are jobs."""

LEAST_TERMS = 32
"""Terms of such a job's products at least: with fewer, they are too thin."""

SUM_ROWS = 256
"""Windows of a tile at least: with fewer, adding up takes as long as multiplying."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The jobs and their buffers.

    axes: the jobs are the places along so many leading axes of the filters; if none, they are `lanes` runs of tiles,
        whose sums are added up at last.
    how: how all jobs gather. sums: arrays of the filters' size to add up in, the result itself not counted.
    rows, product: elements of a lane's buffers for gradients of a tile and for their product with its windows.
    """

    work: np.dtype[Any]
    how: Gather
    axes: int
    lanes: int
    sums: int
    rows: int
    product: int


@lru_cache(maxsize=256)
def _plan(c: Conv, dtype: np.dtype[Any], plain: bool) -> _Plan:
    work = working_dtype(dtype, None, c.rows)
    nbytes = c.groups * c.terms * c.made * work.itemsize
    count = math.prod(c.windows.kernel)
    axes = _divided_axes(c) if nbytes >= LARGE_NBYTES and count > 2 else 0
    part = _of_tap(c, (0,) * axes)
    how = gather_of(part, work.itemsize, SUM_ROWS)
    if axes:
        lanes = min(LANES, math.prod(c.windows.kernel[:axes])) if c.flops >= SPLIT_FLOPS else 1
    else:
        lanes = min(how.lanes, 2 if nbytes >= LARGE_NBYTES else 4)
    several = rounds((c.batch, *c.windows.counts), how.block) > (1 if axes else lanes)
    return _Plan(
        work,
        how,
        axes,
        lanes,
        (0 if axes else lanes - 1) + (work != dtype or not plain),
        math.prod(how.block) * c.groups * c.made,
        c.groups * part.terms * c.made if several else 0,
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """Some taps, the run of tiles that are gathered for them, and which of the sums they are added to."""

    c: Conv
    terms: slice
    first: int
    last: int | None
    sum: int


def _jobs(c: Conv, plan: _Plan) -> Iterator[_Job]:
    if plan.axes:
        for k, tap in enumerate(taps(c.windows.kernel[: plan.axes])):
            part = _of_tap(c, tap)
            yield _Job(part, slice(k * part.terms, (k + 1) * part.terms), 0, None, 0)
        return
    count = rounds((c.batch, *c.windows.counts), plan.how.block)
    for k in range(plan.lanes):
        yield _Job(c, slice(None), count * k // plan.lanes, count * (k + 1) // plan.lanes, k)


def _divided_axes(c: Conv) -> int:
    """How many leading axes of the filters can be divided so that products still have enough terms, one at least."""
    kernel = c.windows.kernel
    for axes in range(len(kernel), 1, -1):
        if math.prod(kernel[axes:]) * c.taken >= LEAST_TERMS:
            return axes
    return 1


def _of_tap(c: Conv, tap: tuple[int, ...]) -> Conv:
    """The convolution by one place along the first axes of the filters."""
    w, n = c.windows, len(tap)
    ones = (1,) * n
    lows = tuple([low - t * d for low, t, d in zip(w.lows, tap, w.dilations, strict=False)])
    windows = w._replace(kernel=ones + w.kernel[n:], dilations=ones + w.dilations[n:], lows=lows + w.lows[n:])
    return c._replace(windows=windows)


def filter_grad_nbytes(c: Conv, dtype: np.dtype[Any], plain: bool) -> int:
    """Bytes that `filter_grad` allocates for contiguous arrays."""
    plan = _plan(c, dtype, plain)
    filters = c.groups * c.terms * c.made
    wide = deliver_nbytes(filters, dtype, plan.work)
    ufunc = UFUNC_ELEMENTS if c.groups > 1 or plan.sums else 0
    elements = plan.sums * filters + plan.lanes * (plan.how.size + plan.rows + plan.product + ufunc)
    return elements * plan.work.itemsize + wide


def filter_grad(x: Any, g: Any, target: Any, plain: bool, c: Conv, run: Run) -> None:
    """Fill `target`, [taps, taken, groups, made], with the gradient of the filters.

    plain: the target is contiguous, and can be added up in if its dtype is that to compute in.
    """
    plan = _plan(c, target.dtype, plain)
    shape = (c.groups, c.terms, c.made)
    sums = list(np.empty((plan.sums, *shape), plan.work))
    direct = plain and plan.work == target.dtype
    if direct:
        sums.insert(0, target.reshape(c.terms, c.groups, c.made).transpose(1, 0, 2))
    given = channels_last(np, g, c, c.made)
    flat = g.reshape(c.rows, c.groups, c.made) if _is_plain(g, plan.work) and not c.first else None
    how, dims = plan.how, (c.batch, *c.windows.counts)

    def rows_of(tile: Tile, memory: Any) -> Any:
        """The gradients of a tile: [groups, windows, made]."""
        if flat is not None:
            return flat[place_of(tile, dims)].swapaxes(0, 1)
        size = (*sizes_of(tile), c.groups, c.made)
        buffer = memory[: math.prod(size)].reshape(size)
        np.copyto(buffer, given[tuple([slice(*bounds) for bounds in tile])], casting="unsafe")
        return buffer.reshape(-1, c.groups, c.made).swapaxes(0, 1)

    def begin(memory: Any) -> Callable[[_Job], None]:
        room, product = memory[how.size : how.size + plan.rows], memory[how.size + plan.rows :]

        def do(job: _Job) -> None:
            gatherer = Gatherer(x, job.c, how, memory, merged=True)
            total = single(sums[job.sum][:, job.terms], 1)
            some = itertools.islice(tiles(dims, how.block), job.first, job.last)
            for k, tile in enumerate(some):
                windows = gatherer.gather(tile)
                if how.planes:
                    left = windows.reshape(c.groups, job.c.terms, -1)
                else:
                    left = windows.reshape(c.groups, -1, job.c.terms).swapaxes(1, 2)
                left, right = single(left, 1), single(rows_of(tile, room), 1)
                if k == 0:
                    np.matmul(left, right, out=total)
                else:
                    made = product[: total.size].reshape(total.shape)
                    total += np.matmul(left, right, out=made)

        return do

    lanes(run, plan.lanes, begin, _jobs(c, plan), how.size + plan.rows + plan.product, plan.work)
    for other in sums[1:]:
        sums[0] += other
    if not direct:
        deliver(target, sums[0].reshape(c.groups, -1, c.taken, c.made).transpose(1, 2, 0, 3))


def _is_plain(x: Any, dtype: np.dtype[Any]) -> bool:
    return bool(x.dtype == dtype and x.flags.c_contiguous)
