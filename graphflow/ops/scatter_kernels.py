"""How writing by integer index is done, and which of equal indices comes last.

Repeated indices are combined in the order of the indices, so the bits are the same in every run. Under
NumPy `ufunc.at` does that on flat element indices, in pieces; other array modules sort the indices and
combine equal neighbours by doubling, which needs no scattered write at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of
from graphflow.ops.flat_index import (
    CHUNK,
    check_range,
    copied_into,
    flat_index,
    flat_pieces,
    picked_shape,
    pieces_workspace,
    stable_argsort,
)
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.types import TensorType, broadcast_shapes

__all__ = ["COMBINE", "count_of", "scatter_any", "scatter_workspace", "take_last"]

COMBINE = {"add": "add", "sub": "subtract", "mul": "multiply", "min": "minimum", "max": "maximum"}
"""Modes and the function that combines the old value with each update; "update" keeps the last."""

ROW_BY_ROW = 1024
"""From this row length on, one call a row; below, element indices. Measured: 8192 rows of 64 float32 take 3.0 ms
by element indices, 10.5 by `np.add.at` on rows, 9.9 by sorting and `reduceat`, 16 by one call a row."""


SMALL = 1024
"""Up to so many elements one call does it; an index array that is C-contiguous is walked in its order."""


def scatter_into(
    op: str, out: Any, updates: Any, indices: Sequence[Any], sizes: Sequence[int], first: int, mode: str
) -> None:
    """NumPy: combine `updates` into the C-contiguous `out`, whose axes `first`, ... have `sizes` and are indexed."""
    if updates.size <= SMALL and len(indices) == 1 and indices[0].flags.c_contiguous:
        check_range(op, indices[0], sizes[0], first)
        where = (*[slice(None)] * first, indices[0])
        if mode == "update":
            out[where] = updates
        else:
            getattr(np, COMBINE[mode]).at(out, where, updates)
        return
    last = first + len(sizes)
    before, indexed, after = math.prod(out.shape[:first]), math.prod(sizes), math.prod(out.shape[last:])
    count = math.prod(updates.shape[first : updates.ndim - out.ndim + last])
    pieces = flat_pieces(op, indices, sizes, first)
    if not updates.size:
        next(pieces, None)  # the indices are checked all the same
        return
    target = out.reshape(-1, after)
    source = updates.reshape(-1) if updates.flags.c_contiguous else updates.flat
    ufunc = getattr(np, COMBINE[mode]) if mode != "update" else None
    for start, flat in pieces:
        step = max(1, CHUNK // count) if flat.size == count else 1
        for k in range(0, before, step):
            rows = flat
            if before > 1:
                lead = np.arange(k * indexed, min(k + step, before) * indexed, indexed)
                rows = (lead[:, None] + flat).reshape(-1)
                del lead
            _combine_rows(target, rows, source, k * count + start, ufunc)
            del rows


def _combine_rows(target: Any, rows: Any, source: Any, first: int, ufunc: Any) -> None:
    """Combine the rows of the flat `source` from number `first` on with the listed rows of `target`, in order."""
    width = target.shape[1]
    if width >= ROW_BY_ROW:
        for k in range(rows.size):
            row, new = rows[k], source[(first + k) * width : (first + k + 1) * width]
            target[row] = new if ufunc is None else ufunc(target[row], new, out=target[row])
        return
    columns = np.arange(width)
    most = (
        CHUNK if isinstance(source, np.ndarray) else CHUNK // 8
    )  # of what is not contiguous pieces are copied
    step = max(1, most // max(1, width))
    for k in range(0, rows.size, step):
        part = rows[k : k + step]
        new = source[(first + k) * width : (first + k + part.size) * width]
        if ufunc is None and width == 1:
            target.reshape(-1)[part] = new  # one index array, walked in order: the last of equals stays
        elif ufunc is None:
            target[part] = new.reshape(-1, width)
        else:
            where = part
            if width > 1:
                where = np.empty((part.size, width), np.int64)
                np.multiply(part[:, None], width, out=where)
                where += columns
            ufunc.at(target.reshape(-1), where.reshape(-1), new)
            del where


def _concat(xp: Any, arrays: Sequence[Any], axis: int) -> Any:
    return xp.concat(arrays, axis=axis) if hasattr(xp, "concat") else xp.concatenate(arrays, axis=axis)


def scatter_sorted(xp: Any, x: Any, flat: Any, updates: Any, mode: str) -> Any:
    """Any array module: a new array[before, n, after] with updates[before, m, after] combined at `flat`[m]."""
    if flat.shape[0] == 0:
        return xp.asarray(x, copy=True)
    order = stable_argsort(xp, flat)
    keys, values = xp.take(flat, order), xp.take(updates, order, axis=1)
    if mode != "update":
        combine = getattr(xp, COMBINE["add" if mode == "sub" else mode])
        step = 1
        while step < keys.shape[0]:
            same = keys[step:] == keys[:-step]
            if not bool(xp.any(same)):
                break
            joined = combine(values[:, :-step, :], values[:, step:, :])
            joined = xp.where(same[None, :, None], joined, values[:, step:, :])
            values = _concat(xp, [values[:, :step, :], joined], 1)
            step *= 2
    places = xp.arange(x.shape[1], dtype=xp.int64)
    last = xp.searchsorted(keys, places, side="right") - 1
    found = xp.where(last < 0, 0, last)
    hit = (last >= 0) & (xp.take(keys, found) == places)
    new = xp.take(values, found, axis=1)
    if mode != "update":
        new = getattr(xp, COMBINE[mode])(x, new)
    return xp.where(hit[None, :, None], new, x)


def scatter_any(
    xp: Any,
    op: str,
    x: Any,
    updates: Any,
    indices: Sequence[Any],
    sizes: Sequence[int],
    first: int,
    mode: str,
    out: Any,
) -> Any:
    """Scatter into a copy of `x`, or into zeros where `x` is a shape; in `out` if that is given."""
    shape = x if isinstance(x, tuple) else x.shape
    last = first + len(sizes)
    full = (*shape[:first], *picked_shape(indices), *shape[last:])
    if updates.shape != full:
        updates = xp.broadcast_to(updates, full)
    if xp is np:
        if isinstance(x, tuple):
            if out is None:
                out = np.empty(shape, updates.dtype)
            out[...] = 0
        else:
            out = copied_into(xp, x, out)
        scatter_into(op, out, updates, indices, sizes, first, mode)
        return out
    merged = (math.prod(shape[:first]), math.prod(sizes), math.prod(shape[last:]))
    flat = xp.reshape(flat_index(xp, op, indices, sizes, first), (-1,))
    base = xp.zeros(merged, dtype=updates.dtype) if isinstance(x, tuple) else xp.reshape(x, merged)
    rows = xp.reshape(updates, (merged[0], flat.shape[0], merged[2]))
    result = xp.reshape(scatter_sorted(xp, base, flat, rows, mode), shape)
    if out is None:
        return result
    xp.copyto(out, result)
    return out


def scatter_workspace(
    indices: Sequence[TensorType], updates: TensorType, shape: Sequence[Any], first: int, mode: str
) -> int:
    """Pieces of row indices, of element indices, and of updates that are repeated.

    shape: of what is written into, from axis `first` on at `indices`.
    """
    last, count = first + len(indices), count_of(indices)
    before, width = math.prod(shape[:first]), math.prod(shape[last:])
    rows = min(before, max(1, CHUNK // max(count, 1))) * count if count <= CHUNK else CHUNK
    made, nbytes = pieces_workspace(indices, count), 8 * min(count, CHUNK)
    if before > 1:
        nbytes += 8 * rows
        lead = 8 * rows // max(1, min(count, CHUNK))
        made = max(made, nbytes + lead + buffers_nbytes(rows, *[np.dtype(np.int64)] * 3))
    part = min(rows * width, max(CHUNK, width))
    if updates.size != before * count * width:
        part = min(rows * width, max(CHUNK // 8, width))
        nbytes += part * updates.dtype.itemsize
    if mode != "update" and 1 < width < ROW_BY_ROW:
        nbytes += 8 * part + buffers_nbytes(part, *[np.dtype(np.int64)] * 3)
    return int(max(made, nbytes))


def count_of(indices: Sequence[TensorType]) -> int:
    """How many places indices of static types name together."""
    return math.prod(broadcast_shapes(*[i.dims for i in indices])) if indices else 0  # type: ignore[arg-type]  # static here


def take_last(xp: Any, x: Any, *indices: Any, axis: int) -> Any:
    """`take`, with zeros where a later index picks the same."""
    first = axis % x.ndim
    last = first + len(indices)
    sizes = x.shape[first:last]
    flat = flat_index(xp, "take_last", indices, sizes, first)
    keys = xp.reshape(flat, (-1,))
    merged = (math.prod(x.shape[:first]), math.prod(sizes), math.prod(x.shape[last:]))
    picked = xp.take(xp.reshape(x, merged), keys, axis=1)
    order = stable_argsort(xp, keys)
    ranked = xp.take(keys, order)
    final = xp.ones((min(1, keys.shape[0]),), dtype=dtype_of(xp, np.dtype(bool)))
    ends = _concat(xp, [ranked[1:] != ranked[:-1], final], 0)
    keep = xp.take(ends, stable_argsort(xp, order))
    result = xp.where(keep[None, :, None], picked, xp.zeros((), dtype=x.dtype))
    return xp.reshape(result, (*x.shape[:first], *flat.shape, *x.shape[last:]))
