"""How NumPy folds the rows of one segment into one, and what that takes beside the arrays.

Sorted vectors go through `reduceat`, everything else through `ufunc.at` on flat element indices, in
pieces. Measured with NumPy 2.4 on float32, milliseconds: 10^6 numbers into 10^4 segments 0.6 by `reduceat` and 2.0 by
`add.at`; 10^5 rows of 64 numbers 92 by `reduceat` along the rows, 99 with the sorting that unsorted ones would need,
and 19 by `add.at`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.ops.flat_index import CHUNK
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.scatter_kernels import ROW_BY_ROW
from graphflow.types import TensorType, is_integer

__all__ = ["FEW", "flat_elements", "fold_nbytes", "fold_rows", "is_empty"]

INT64 = np.dtype(np.int64)

FEW = 2048
"""Rows of a piece of which, depending on the values, copies may be made."""

ROWS = 4096
"""Rows of a piece, unless they are single numbers."""

FOLDED = 8192
"""Segments of a sorted vector that are folded at a time."""


def flat_elements(x: Any) -> Any:
    """The elements of an array in C order, to be sliced; never a copy of all of them."""
    return x.reshape(-1) if x.ndim == 1 or x.flags.c_contiguous else x.flat


def is_empty(ids: Any, count: int) -> Any:
    """NumPy: which segments have no rows."""
    empty = np.ones(count + 1, np.bool_)  # negative ids go behind the last
    flat, negative = flat_elements(ids), bool(ids.size) and int(ids.min()) < 0
    step = FEW if negative else CHUNK
    for k in range(0, ids.size, step):
        piece = flat[k : k + step]
        empty[np.maximum(piece, -1) if negative else piece] = False
    return empty[:-1]


def fold_rows(ufunc: Any, data: Any, ids: Any, out: Any, in_order: bool) -> None:
    """NumPy: fold the rows of `data` into those of `out`; neither has no elements."""
    width = out.size // len(out)
    if width >= ROW_BY_ROW:
        for place in np.ndindex(*ids.shape):
            row = ids[place]
            if row >= 0:
                ufunc(out[row], data[place], out=out[row])
    elif in_order and width == 1:
        _fold_sorted_vector(ufunc, data.reshape(-1), ids, out.reshape(-1))
    else:
        _fold_elements(
            ufunc, flat_elements(data), flat_elements(ids), out.reshape(-1, width), ids.size, in_order
        )


def _fold_elements(ufunc: Any, flat: Any, ids: Any, target: Any, n_rows: int, in_order: bool) -> None:
    """Element by element, in pieces; where ids are negative, the other rows are copied first."""
    width = target.shape[1]
    most = CHUNK if isinstance(flat, np.ndarray) else FEW  # else pieces are copies
    step = max(1, most if width == 1 else min(ROWS, most // width))
    places = np.empty((min(step, n_rows) if width > 1 else 0, width), np.int64)
    few = min(step, FEW, n_rows)
    picked = np.empty((0 if in_order else few, width), target.dtype)
    for k in range(0, n_rows, step):
        rows = ids[k : k + step].astype(np.int64, copy=False)
        new = flat[k * width : (k + rows.size) * width].reshape(-1, width)
        if in_order or int(rows.min()) >= 0:
            _fold_piece(ufunc, new, rows, target, places)
        else:
            for i in range(0, rows.size, few):
                kept = np.flatnonzero(rows[i : i + few] >= 0)
                kept += i
                some = np.take(new, kept, axis=0, out=picked[: kept.size], mode="clip")
                _fold_piece(ufunc, some, rows[kept], target, places)
        del rows, new  # before others are made


def _fold_piece(ufunc: Any, new: Any, rows: Any, target: Any, places: Any) -> None:
    """Fold rows into those of `target` that are listed, in order. places: to be overwritten."""
    width = target.shape[1]
    if width > 1:
        places = places[: rows.size]
        np.add((rows * width)[:, None], np.arange(width), out=places)
        rows = places.reshape(-1)
    ufunc.at(target.reshape(-1), rows, new.reshape(-1))


def _fold_sorted_vector(ufunc: Any, data: Any, ids: Any, target: Any) -> None:
    """Some segments at a time; none is cut in two, which would give other bits."""
    begins = np.empty(ids.size, np.bool_)
    begins[0] = False
    np.not_equal(ids[1:], ids[:-1], out=begins[1:])
    first, ranges = 0, [(0, ids.size)]
    while ranges:
        start, stop = ranges.pop()
        count = np.count_nonzero(begins[start:stop])
        if count > FOLDED:
            middle = (start + stop) // 2
            ranges += [(middle, stop), (start, middle)]
            continue
        bounds = np.empty(count + 2, np.int64)
        bounds[0], bounds[-1] = first, ids.size
        np.add(np.flatnonzero(begins[start:stop]), start, out=bounds[1:-1])
        first = _fold_whole(ufunc, data, ids, target, bounds if stop == ids.size else bounds[:-1])


def _fold_whole(ufunc: Any, data: Any, ids: Any, target: Any, bounds: Any) -> int:
    """Fold the segments between neighbouring bounds; gives the last bound."""
    first, last, begins = int(bounds[0]), int(bounds[-1]), bounds[:-1]
    if begins.size:
        segments = ids[begins].astype(np.int64, copy=False)
        begins -= first
        target[segments] = ufunc.reduceat(data[first:last], begins, dtype=data.dtype)
    return last


def fold_nbytes(data: TensorType, ids: TensorType, made: TensorType, mode: str, in_order: bool) -> int:
    """What the `segment` op takes: the functions above, one at a time.

    Of sorted vectors, where segments begin, and some segments' bounds, ids and folds. Else element indices of a piece,
    and of few elements, those that are kept.
    """
    n_rows, size = int(ids.size), int(data.size)  # type: ignore[arg-type]  # static here
    width = size // n_rows if n_rows else 0
    n_segments = int(made.dims[0]) if made.is_static else n_rows  # type: ignore[arg-type]
    converted_ids = 0 if ids.dtype == np.int64 else 8
    looked_over = n_rows if in_order else 0
    folded = 0
    if in_order and width == 1:
        each = max(16, 8 + max(8 + data.dtype.itemsize, ids.dtype.itemsize + converted_ids))
        folded = n_rows + min(FOLDED, n_segments) * each
    elif 0 < width < ROW_BY_ROW:
        rows = min(n_rows, CHUNK if width == 1 else min(ROWS, CHUNK // width))
        few = min(rows, FEW)
        folded = converted_ids * rows
        if width > 1:
            folded += 8 * (rows * width + rows) + buffers_nbytes(rows * width, INT64, INT64)
        if not in_order:
            folded += few * (16 + width * data.dtype.itemsize)
    marked = 0
    if mode in ("max", "min") and (in_order or not is_integer(data.dtype)):
        kept = 0 if in_order else FEW * ids.dtype.itemsize
        marked = n_segments + min(n_rows, CHUNK) * converted_ids + kept
    return max(looked_over, folded, marked)
