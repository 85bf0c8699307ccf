"""How the rows of one segment are folded into one, and how rows are handed back to the elements of a segment.

Under NumPy sorted vectors go through `reduceat`, everything else through `ufunc.at` on flat element indices, in
pieces. Measured with NumPy 2.4 on float32, milliseconds: 10^6 numbers into 10^4 segments 0.6 by `reduceat` and 2.0 by
`add.at`; 10^5 rows of 64 numbers 92 by `reduceat` along the rows, 99 with the sorting that unsorted ones would need,
and 19 by `add.at`. Other array modules sort the indices: see `scatter_kernels.py`.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from graphflow.errors import IndexRangeError, RunError
from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.count_kernels import counted
from graphflow.ops.flat_index import CHUNK
from graphflow.ops.philox import converted
from graphflow.ops.scatter_kernels import COMBINE, ROW_BY_ROW, scatter_sorted
from graphflow.ops.views import put
from graphflow.types import is_integer

__all__ = ["counts_of_segments", "n_segments", "segment_kernel", "spread_kernel"]

MODES = {"sum": "add", "prod": "mul", "max": "max", "min": "min"}
"""Modes and those of scattering."""


def n_segments(xp: Any, ids: Any, given: Any, num: int | None, in_order: bool) -> int:
    """The number of segments. Raises RunError or IndexRangeError for ids that are not in order, or out of range.

    given: an integer array of one element, or None. num: the number where it was known before. Without either it
    is one more than the greatest id.
    """
    what = "segment" if in_order else "unsorted_segment"
    size = num if given is None else int(given)
    if size is not None and size < 0:
        raise RunError(f"{what}: num_segments must not be negative, got {size}")
    if not math.prod(ids.shape):
        return 0 if size is None else size
    low, high = int(xp.min(ids)), int(xp.max(ids))
    if in_order:
        if low < 0:
            raise IndexRangeError(f"{what}: segment_ids must not be negative, got {low}")
        falls = ids[1:] < ids[:-1]
        if bool(xp.any(falls)):
            k = int(xp.nonzero(falls)[0][0])
            raise RunError(
                f"{what}: segment_ids must not fall, but {int(ids[k])} is followed by {int(ids[k + 1])} at place "
                f"{k + 1}; use an unsorted_segment function"
            )
    if size is not None and high >= size:
        raise IndexRangeError(f"{what}: segment id {high} is out of range for num_segments = {size}")
    return max(high + 1, 0) if size is None else size


# --- folding --------------------------------------------------------------------------------------


def _start(dtype: np.dtype[Any], mode: str) -> Any:
    """What changes nothing when it is folded in."""
    if mode in ("sum", "prod"):
        return int(mode == "prod")
    if is_integer(dtype):
        limits = np.iinfo(dtype)
        return limits.min if mode == "max" else limits.max
    return -math.inf if mode == "max" else math.inf


def _nothing(dtype: np.dtype[Any], mode: str, in_order: bool) -> Any:
    """What an empty segment is, as TensorFlow has it."""
    if in_order and mode in ("max", "min"):
        return 0
    if mode in ("max", "min") and not is_integer(dtype):
        limits: Any = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
        return float(limits.min if mode == "max" else limits.max)
    return _start(dtype, mode)


def segment_kernel(
    xp: Any, data: Any, ids: Any, *given: Any, mode: str, in_order: bool, num: int | None, out: Any = None
) -> Any:
    count = n_segments(xp, ids, given[0] if given else None, num, in_order)
    rest = data.shape[ids.ndim :]
    dtype = numpy_dtype(data)
    flat = xp.reshape(ids, (-1,))
    start, nothing = _start(dtype, mode), _nothing(dtype, mode, in_order)
    if xp is np:
        if out is None:
            out = np.empty((count, *rest), dtype)
        out.fill(start)
        if flat.size:
            _fold(data, flat, out.reshape(count, -1) if out.size else out, mode, in_order)
        if start != nothing:
            out[_is_empty(flat, count)] = nothing
        return out
    result = _fold_sorted(xp, data, flat, count, math.prod(rest), start, mode)
    if start != nothing:
        empty = xp.reshape(counted(xp, _kept(xp, flat), None, count) == 0, (-1, 1))
        result = xp.where(empty, xp.asarray(nothing, dtype=data.dtype), result)
    result = xp.reshape(result, (count, *rest))
    return result if out is None else put(xp, result, out)


def _is_empty(ids: Any, count: int) -> Any:
    empty = np.ones(count, np.bool_)
    for k in range(0, ids.size, CHUNK):
        piece = ids[k : k + CHUNK]
        empty[piece[piece >= 0]] = False
    return empty


def _kept(xp: Any, ids: Any) -> Any:
    """Ids without the negative ones, int64."""
    return converted(xp, xp.take(ids, xp.nonzero(ids >= 0)[0]), xp.int64)


def _fold(data: Any, ids: Any, target: Any, mode: str, in_order: bool) -> None:
    """NumPy: fold the rows of `data` into those of the matrix `target`."""
    ufunc = getattr(np, COMBINE[MODES[mode]])
    width = target.size // len(target) if len(target) else 0
    if not target.size:
        return
    flat = data.reshape(-1) if data.flags.c_contiguous else data.flat
    if in_order and width == 1:
        _fold_sorted_vector(ufunc, flat[:], ids, target.reshape(-1))
        return
    columns, elements = np.arange(width), target.reshape(-1)
    step = max(1, CHUNK // width)
    for k in range(0, ids.size, step):
        rows = ids[k : k + step].astype(np.int64, copy=False)
        new = flat[k * width : (k + rows.size) * width].reshape(-1, width)
        if not in_order and int(rows.min()) < 0:
            keep = rows >= 0
            rows, new = rows[keep], new[keep]
        if width >= ROW_BY_ROW:
            for row, line in zip(rows.tolist(), new, strict=True):
                ufunc(target[row], line, out=target[row])
        else:
            places = rows if width == 1 else (rows[:, None] * width + columns).reshape(-1)
            ufunc.at(elements, places, new.reshape(-1))


def _fold_sorted_vector(ufunc: Any, data: Any, ids: Any, target: Any) -> None:
    first = np.concatenate([[0], np.flatnonzero(ids[1:] != ids[:-1]) + 1])
    target[ids[first].astype(np.int64, copy=False)] = ufunc.reduceat(data, first, dtype=data.dtype)


def _fold_sorted(xp: Any, data: Any, ids: Any, count: int, width: int, start: Any, mode: str) -> Any:
    """Any array module: rows of negative ids go to a segment behind the last, which is cut off."""
    wide = converted(xp, ids, xp.int64)
    base = xp.full((1, count + 1, width), start, dtype=data.dtype)
    rows = xp.reshape(data, (1, ids.shape[0], width))
    return scatter_sorted(xp, base, xp.where(wide < 0, count, wide), rows, MODES[mode])[0, :count, :]


# --- counting and handing back --------------------------------------------------------------------


def counts_of_segments(
    xp: Any, data: Any, ids: Any, *given: Any, in_order: bool, num: int | None, dtype: np.dtype[Any]
) -> Any:
    count = n_segments(xp, ids, given[0] if given else None, num, in_order)
    total = counted(xp, _kept(xp, xp.reshape(ids, (-1,))), None, count)
    shape = (count, *[1] * (data.ndim - ids.ndim))
    return xp.reshape(converted(xp, total, dtype_of(xp, dtype)), shape)


def spread_kernel(xp: Any, x: Any, ids: Any, *, out: Any = None) -> Any:
    """The row of `x` that each id names, zeros for a negative one."""
    shape = (*ids.shape, *x.shape[1:])
    if math.prod(ids.shape):
        high = int(xp.max(ids))
        if high >= x.shape[0]:
            raise IndexRangeError(
                f"segment_spread: segment id {high} is out of range for {x.shape[0]} segments"
            )
    if not x.shape[0]:
        result = xp.zeros(shape, dtype=x.dtype)
        return result if out is None else put(xp, result, out)
    flat = converted(xp, xp.reshape(ids, (-1,)), xp.int64)
    if xp is not np:
        rows = xp.take(xp.reshape(x, (x.shape[0], -1)), xp.where(flat < 0, 0, flat), axis=0)
        rows = xp.where(xp.reshape(flat < 0, (-1, 1)), xp.zeros((), dtype=x.dtype), rows)
        return xp.reshape(rows, shape) if out is None else put(xp, xp.reshape(rows, shape), out)
    if out is None:
        out = np.empty(shape, x.dtype)
    x, target = np.ascontiguousarray(x), out.reshape(flat.size, *x.shape[1:])
    for k in range(0, flat.size, CHUNK):
        piece = flat[k : k + CHUNK]
        np.take(x, piece, axis=0, out=target[k : k + CHUNK], mode="clip")
        if int(piece.min()) < 0:
            target[k : k + CHUNK][piece < 0] = 0
    return out
