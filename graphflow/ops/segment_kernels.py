"""How the rows of one segment are folded into one, and how rows are handed back to the elements of a segment.

Under NumPy: see `segment_folds.py`. Other array modules sort the indices: see `scatter_kernels.py`.
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
from graphflow.ops.scatter_kernels import COMBINE, scatter_sorted
from graphflow.ops.segment_folds import FEW, flat_elements, fold_rows, is_empty
from graphflow.ops.views import put
from graphflow.types import TensorType, is_integer

__all__ = [
    "counts_nbytes",
    "counts_of_segments",
    "n_segments",
    "segment_kernel",
    "spread_kernel",
]

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
    start, nothing = _start(dtype, mode), _nothing(dtype, mode, in_order)
    if xp is np:
        if out is None:
            out = np.empty((count, *rest), dtype)
        out.fill(start)
        if ids.size and out.size:
            fold_rows(getattr(np, COMBINE[MODES[mode]]), data, ids, out, in_order)
        if start != nothing:
            np.copyto(out, nothing, where=is_empty(ids, count).reshape(-1, *[1] * len(rest)))
        return out
    flat = xp.reshape(ids, (-1,))
    result = _fold_sorted(xp, data, flat, count, math.prod(rest), start, mode)
    if start != nothing:
        empty = xp.reshape(counted(xp, _kept(xp, flat), None, count) == 0, (-1, 1))
        result = xp.where(empty, xp.asarray(nothing, dtype=data.dtype), result)
    result = xp.reshape(result, (count, *rest))
    return result if out is None else put(xp, result, out)


def _kept(xp: Any, ids: Any) -> Any:
    """Ids without the negative ones, int64."""
    return converted(xp, xp.take(ids, xp.nonzero(ids >= 0)[0]), xp.int64)


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
    if xp is np:
        total = _counted(ids, count)
    else:
        total = counted(xp, _kept(xp, xp.reshape(ids, (-1,))), None, count)
    shape = (count, *[1] * (data.ndim - ids.ndim))
    return xp.reshape(converted(xp, total, dtype_of(xp, dtype)), shape)


def _counted(ids: Any, count: int) -> Any:
    """NumPy: how often 0 to count - 1 occur, int64."""
    flat, negative = flat_elements(ids), bool(ids.size) and int(ids.min()) < 0
    if isinstance(flat, np.ndarray) and flat.dtype == np.int64 and not negative:
        return np.bincount(flat, minlength=count)
    total = np.zeros(count + 1, np.int64)  # negative ids are counted behind the last
    for k in range(0, ids.size, FEW):
        piece = flat[k : k + FEW].astype(np.int64)
        if negative:
            np.maximum(piece, -1, out=piece)
        np.add.at(total, piece, 1)
        del piece
    return total[:-1]


def counts_nbytes(ids: TensorType, made: TensorType, in_order: bool) -> int:
    """What `counts_of_segments` takes under NumPy: a piece of ids, the counts as int64, and whether ids fall."""
    n_rows = int(ids.size)  # type: ignore[arg-type]  # static here
    n_segments = int(made.dims[0]) if made.is_static else n_rows  # type: ignore[arg-type]
    piece = 8 * min(n_rows, FEW)
    counts = 8 * n_segments if made.dtype != np.int64 else 0
    return max(n_rows if in_order else 0, piece, counts)


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
