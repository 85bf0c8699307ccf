"""Convolutions for any array module: one product for each tap of the filters, added up.

The temporaries stay below a budget in bytes (unless that is less than one window needs), so that what `workspace`
promises holds on every device. NumPy has faster ways: see `convolution_gather` and `convolution_scatter`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.convolution_layout import (
    Conv,
    Tile,
    as_dtype,
    blocks,
    channels_last,
    filter_view,
    narrowed,
    placed_taps,
    tiles,
    working_dtype,
)
from graphflow.ops.views import permuted

__all__ = ["conv", "filter_grad", "input_grad"]


def _tiles(c: Conv, budget_nbytes: int, itemsize: int) -> Iterator[Tile]:
    """Tiles of windows; for each, a tap of the input, a product and their sum are held."""
    dims = (c.batch, *c.windows.counts)
    each = itemsize * c.groups * (2 * c.taken + 3 * c.made)
    return tiles(dims, blocks(dims, budget_nbytes // max(1, each)))


def _of(tile: Tile) -> tuple[Any, ...]:
    return (*[slice(*bounds) for bounds in tile], ...)


def _by_group(xp: Any, x: Any) -> Any:
    """[..., groups, each] as [groups, rows, each]."""
    rows = xp.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))
    return permuted(xp, rows, (1, 0, 2))


def _product(xp: Any, x: Any, filters: Any) -> Any:
    """[..., groups, a] by [groups, a, b]: [..., groups, b]."""
    groups, each = x.shape[-2:]
    if each == 1:
        return x * filters[:, 0, :]
    if groups == 1:
        return xp.matmul(x, filters[0, :, :])
    made = permuted(xp, xp.matmul(_by_group(xp, x), filters), (1, 0, 2))
    return xp.reshape(made, (*x.shape[:-1], made.shape[-1]))


def _is_product(c: Conv, *dtypes: Any) -> bool:
    """Whether all is one product of matrices, in the dtype that the arrays have."""
    return c.is_plain and c.groups == 1 and len({str(dtype) for dtype in dtypes}) == 1


def _matmul(xp: Any, a: Any, b: Any, out: Any) -> None:
    """Fill `out` with the product, without a copy of it where the array module can."""
    if hasattr(xp, "copyto"):
        xp.matmul(a, b, out=out)
    else:
        out[...] = xp.matmul(a, b)


def _pointwise(xp: Any, x: Any, matrix: Any, out: Any, c: Conv) -> None:
    """Fill `out` with each position of `x` times a matrix [channels, outputs]."""
    if not c.first:
        _matmul(xp, x, matrix, out)
        return
    inner = math.prod(c.windows.sizes)
    left, right = permuted(xp, matrix, (1, 0)), xp.reshape(x, (*x.shape[:2], inner))
    _matmul(xp, left, right, xp.reshape(out, (*out.shape[:2], inner)))


def conv(xp: Any, x: Any, filters: Any, out: Any, c: Conv, budget_nbytes: int) -> None:
    """Fill `out` with the convolution."""
    if not c.flops:
        out[...] = 0
        return
    dtype = numpy_dtype(out)
    plain = working_dtype(numpy_dtype(x), dtype, c.terms)
    if _is_product(c, numpy_dtype(x), plain, dtype):
        _pointwise(xp, x, xp.reshape(filters, (c.taken, c.made)), out, c)
        return
    work = dtype_of(xp, plain)
    x, y = channels_last(xp, x, c, c.taken), channels_last(xp, out, c, c.made)
    w = permuted(xp, as_dtype(xp, filter_view(xp, filters, c), work), (0, 2, 1, 3))
    for tile in _tiles(c, budget_nbytes, plain.itemsize):
        size = [stop - start for start, stop in tile]
        total = xp.zeros((*size, c.groups, c.made), dtype=work)
        for at in placed_taps(c.windows, tile):
            part = as_dtype(xp, x[(slice(*tile[0]), *at.positions, ...)], work)
            total[(slice(None), *at.windows, ...)] += _product(xp, part, w[at.number, ...])
        y[_of(tile)] = narrowed(xp, total, dtype)


def input_grad(xp: Any, g: Any, filters: Any, out: Any, c: Conv, budget_nbytes: int) -> None:
    """Fill `out` with the transposed convolution."""
    if not c.flops:
        out[...] = 0
        return
    dtype = numpy_dtype(out)
    plain = working_dtype(dtype, None, math.prod(c.windows.kernel) * c.made)
    if _is_product(c, plain, dtype):
        _pointwise(xp, g, permuted(xp, xp.reshape(filters, (c.taken, c.made)), (1, 0)), out, c)
        return
    work = dtype_of(xp, plain)
    g, x = channels_last(xp, g, c, c.made), channels_last(xp, out, c, c.taken)
    w = permuted(xp, as_dtype(xp, filter_view(xp, filters, c), work), (0, 2, 3, 1))
    each = 2 * plain.itemsize * math.prod(x.shape[1:])
    step = c.batch if plain == dtype else max(1, budget_nbytes // (2 * each))
    for start in range(0, c.batch, step):
        images = slice(start, min(start + step, c.batch))
        total = x[images, ...] if plain == dtype else xp.empty(x[images, ...].shape, dtype=work)
        total[...] = 0
        _add_taps(xp, g[images, ...], w, total, c._replace(batch=total.shape[0]), budget_nbytes // 2)
        if plain != dtype:
            x[images, ...] = narrowed(xp, total, dtype)


def _add_taps(xp: Any, g: Any, w: Any, total: Any, c: Conv, budget_nbytes: int) -> None:
    """Add to some images what the gradients of their windows give them."""
    for tile in _tiles(c, budget_nbytes, numpy_dtype(total).itemsize):
        part = as_dtype(xp, g[_of(tile)], total.dtype)
        for at in placed_taps(c.windows, tile):
            made = _product(xp, part[(slice(None), *at.windows, ...)], w[at.number, ...])
            total[(slice(*tile[0]), *at.positions, ...)] += made


def filter_grad(xp: Any, x: Any, g: Any, out: Any, c: Conv, budget_nbytes: int) -> None:
    """Fill `out` with the gradient of the filters."""
    if not c.flops:
        out[...] = 0
        return
    dtype = numpy_dtype(out)
    plain = working_dtype(dtype, None, c.rows)
    if _is_product(c, plain, dtype) and not c.first:
        left, right = xp.reshape(x, (c.rows, c.taken)), xp.reshape(g, (c.rows, c.made))
        _matmul(xp, permuted(xp, left, (1, 0)), right, xp.reshape(out, (c.taken, c.made)))
        return
    work = dtype_of(xp, plain)
    x, g = channels_last(xp, x, c, c.taken), channels_last(xp, g, c, c.made)
    total = xp.zeros((math.prod(c.windows.kernel), c.groups, c.taken, c.made), dtype=work)
    for tile in _tiles(c, budget_nbytes, plain.itemsize):
        given = as_dtype(xp, g[_of(tile)], work)
        for at in placed_taps(c.windows, tile):
            part = as_dtype(xp, x[(slice(*tile[0]), *at.positions, ...)], work)
            right = _by_group(xp, given[(slice(None), *at.windows, ...)])
            left = permuted(xp, _by_group(xp, part), (0, 2, 1))
            total[at.number, ...] += xp.matmul(left, right)
    filter_view(xp, out, c)[...] = narrowed(xp, permuted(xp, total, (0, 2, 1, 3)), dtype)
