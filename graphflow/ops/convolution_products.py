"""Convolutions for NumPy that gather windows and multiply them with the filters.

Lanes share the tiles; the result of a tile depends on no other, so that the bits are the same however many lanes
run at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.ops.convolution_gather import Gather, Gatherer, gather_of, place_of
from graphflow.ops.convolution_lanes import Run, deliver, deliver_nbytes, lanes
from graphflow.ops.convolution_layout import Conv, Tile, tiles, working_dtype

__all__ = ["conv_by_windows", "conv_by_windows_nbytes", "matrices_of", "single", "with_matrices"]


def matrices_of(filters: Any, dtype: np.dtype[Any]) -> Any:
    """Filters [taps, taken, groups, made] as [groups, terms, made] in that dtype: a view where they are plain."""
    count, taken, groups, made = filters.shape
    return filters.reshape(count * taken, groups, made).transpose(1, 0, 2).astype(dtype, copy=False)


def single(x: Any, axes: int) -> Any:
    """The array without its first `axes` axes if they have size 1: a product of matrices, not of stacks of them."""
    return x[(0,) * axes] if x.shape[:axes] == (1,) * axes else x


def _converted(c: Conv, how: Gather, work: np.dtype[Any], out_dtype: np.dtype[Any]) -> int:
    """Elements of a tile's result, if that has to be converted."""
    return 0 if work == out_dtype else math.prod(how.block) * c.groups * c.made


def conv_by_windows_nbytes(c: Conv, dtype: np.dtype[Any], out_dtype: np.dtype[Any], plain: bool) -> int:
    """Bytes that `conv_by_windows` allocates for contiguous arrays; plain: the filters are as the user gave them."""
    work = working_dtype(dtype, out_dtype, c.terms)
    how = gather_of(c, work.itemsize)
    result = _converted(c, how, work, out_dtype)
    wide = deliver_nbytes(result, out_dtype, work)
    buffers = how.lanes * ((how.size + result) * work.itemsize + wide)
    as_they_lie = plain or c.taken == 1 or math.prod(c.windows.kernel) == 1
    return with_matrices(c, dtype, work, as_they_lie, buffers)


def with_matrices(c: Conv, dtype: np.dtype[Any], work: np.dtype[Any], plain: bool, buffers: int) -> int:
    """Bytes of `matrices_of`, whose result is there while the buffers are, and what it holds only while it runs.

    plain: the matrices are a view of the filters, but for their dtype.
    """
    size = c.groups * c.terms * c.made
    laid_out = 0 if plain else size * dtype.itemsize
    if work == dtype:
        return laid_out + buffers
    converted = size * work.itemsize
    return converted + max(laid_out, buffers)


def conv_by_windows(x: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the convolution by filters [taps, taken, groups, made]."""
    work = working_dtype(x.dtype, out.dtype, c.terms)
    how = gather_of(c, work.itemsize)
    result = _converted(c, how, work, out.dtype)
    matrices = matrices_of(filters, work)

    def begin(memory: Any) -> Callable[[Tile], None]:
        gatherer = Gatherer(x, c, how, memory, merged=not c.first)
        multiply = _channels_first if c.first else _channels_last
        buffer = memory[how.size :]

        def job(tile: Tile) -> None:
            windows = gatherer.gather(tile)
            left, right, target = multiply(windows, matrices, out, c, how, tile)
            if not result:
                np.matmul(left, right, out=target)
                return
            made = buffer[: target.size].reshape(target.shape)
            np.matmul(left, right, out=made)
            deliver(target, made)

        return job

    lanes(run, how.lanes, begin, tiles((c.batch, *c.windows.counts), how.block), how.size + result, work)


def _channels_last(
    windows: Any, matrices: Any, out: Any, c: Conv, how: Gather, tile: Tile
) -> tuple[Any, Any, Any]:
    """[groups, rows, terms], [groups, terms, made] and where their product belongs."""
    if how.planes:
        left = windows.reshape(c.groups, c.terms, -1).swapaxes(1, 2)
    else:
        left = windows.reshape(c.groups, -1, c.terms)
    place = place_of(tile, (c.batch, *c.windows.counts))
    target = out.reshape(c.rows, c.groups, c.made)[place].swapaxes(0, 1)
    return single(left, 1), single(matrices, 1), single(target, 1)


def _channels_first(
    windows: Any, matrices: Any, out: Any, c: Conv, how: Gather, tile: Tile
) -> tuple[Any, Any, Any]:
    """[groups, made, terms], [batch, groups, terms, windows] and where their product belongs."""
    right = windows.transpose((2, 0, 1, 3) if how.planes else (1, 0, 3, 2))
    batch, place = slice(*tile[0]), place_of(tile[1:], c.windows.counts)
    target = out.reshape(c.batch, c.groups, c.made, -1)[batch, :, :, place]
    return single(matrices.swapaxes(1, 2), 1), single(right, 2), single(target, 2)
