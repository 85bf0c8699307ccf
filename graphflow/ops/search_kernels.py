"""Where values belong among sorted ones, and whether they are among others: by halving, or by a table.

NaN counts as greater than everything, as it does when sorting.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import RunError
from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.order_keys import GROUP, PIECE, groups, pieces
from graphflow.ops.philox import converted
from graphflow.ops.views import put
from graphflow.types import TensorType, is_floating

__all__ = [
    "digitize_kernel",
    "digitize_workspace",
    "isin_kernel",
    "isin_workspace",
    "search_kernel",
    "search_workspace",
    "searched",
]


FEW = 8
"""Up to so many test values are compared one by one: three of them with 10^6 float64 take 2 ms, a search 15."""


TABLE = 4
"""Marks for each element, at most, in a table of integers."""


def comparable(xp: Any, x: Any) -> Any:
    """What every module searches: 16-bit floats as float32, bools as uint8; others as they are."""
    dtype = numpy_dtype(x)
    if dtype.kind == "b":
        return x.view(np.uint8) if xp is np else converted(xp, x, xp.uint8)
    return converted(xp, x, xp.float32) if dtype.itemsize == 2 and is_floating(dtype) else x


# --- searchsorted ---------------------------------------------------------------------------------


def searched(xp: Any, line: Any, x: Any, side: str, out: Any = None) -> Any:
    """int64 places of the elements of `x` in a sorted vector."""
    line = comparable(xp, line)
    if xp is not np:
        places = converted(xp, xp.searchsorted(line, comparable(xp, x), side=side), xp.int64)
        return places if out is None else put(xp, places, out)
    if out is None:
        out = np.empty(x.shape, np.int64)
    target = out.reshape(-1)
    if line.shape[0] <= PIECE:
        line = np.ascontiguousarray(line)  # NumPy does so itself where there are more values than elements
    for start, piece in pieces(x):
        target[start : start + piece.size] = np.searchsorted(line, comparable(np, piece), side=side)  # type: ignore[call-overload]
    return out


def search_kernel(xp: Any, x1: Any, x2: Any, *, side: str, out: Any = None) -> Any:
    if x1.ndim == 1:
        return searched(xp, x1, x2, side, out)
    if not x1.shape[-1] or not math.prod(x2.shape):
        if out is None:
            return xp.zeros(x2.shape, dtype=xp.int64)
        out[...] = 0
        return out
    if xp is not np:
        low = _halved(xp, comparable(xp, x1), comparable(xp, x2), side)
        return low if out is None else put(xp, low, out)
    if out is None:
        out = np.empty(x2.shape, np.int64)
    for at in groups((*x2.shape[:-1], max(x1.shape[-1], x2.shape[-1]))):
        line, values, target = x1[at], x2[at], out[at]
        for k in range(0, x2.shape[-1], PIECE):
            part = comparable(np, values[..., k : k + PIECE])
            target[..., k : k + PIECE] = _halved(np, comparable(np, line), part, side)
    return out


def _halved(xp: Any, x1: Any, x2: Any, side: str) -> Any:
    """Places in many sorted lines at once."""
    count = x1.shape[-1]
    low = xp.zeros(x2.shape, dtype=xp.int64)
    high = xp.full(x2.shape, count, dtype=xp.int64)
    for _ in range(count.bit_length()):
        middle = (low + high) // 2
        value = xp.take_along_axis(x1, xp.where(middle < count, middle, count - 1), axis=-1)
        behind = _less(xp, value, x2) if side == "left" else ~_less(xp, x2, value)
        behind = behind & (low < high)
        low, high = xp.where(behind, middle + 1, low), xp.where(behind, high, middle)
    return low


def _less(xp: Any, a: Any, b: Any) -> Any:
    less = a < b
    return less if numpy_dtype(a).kind in "iu" else less | ((b != b) & (a == a))  # noqa: PLR0124 NaN


# --- digitize -------------------------------------------------------------------------------------


def digitize_kernel(xp: Any, x: Any, bins: Any, *, right: bool, increasing: bool, out: Any = None) -> Any:
    known = comparable(xp, bins)
    side = "left" if right else "right"
    if bool(xp.all(known[1:] >= known[:-1])) and not _ends_in_nan(xp, known):
        return searched(xp, known, x, side, out)
    if increasing or not bool(xp.all(known[1:] <= known[:-1])) or _ends_in_nan(xp, known):
        order = "rise" if increasing else "rise or fall"
        raise RunError(f"digitize: the bounds must {order} all the way and not be NaN, got {_shown(bins)}")
    places = searched(xp, xp.flip(known), x, side, out)
    if xp is np:
        return np.subtract(known.shape[0], places, out=places)
    places = known.shape[0] - places
    return places if out is None else put(xp, places, out)


def _ends_in_nan(xp: Any, x: Any) -> bool:
    """Whether a vector that rises or falls has a NaN: of one element that may be so."""
    return bool(x.shape[0] == 1 and numpy_dtype(x).kind == "f" and xp.isnan(x[0]))


def _shown(bins: Any) -> str:
    """The first few bounds."""
    few = [float(bins[k]) for k in range(min(8, bins.shape[0]))]
    return f"{few}" if len(few) == bins.shape[0] else f"{few[:-1]} and {bins.shape[0] - 7} more"


# --- isin -----------------------------------------------------------------------------------------


def isin_kernel(xp: Any, x1: Any, x2: Any, *, invert: bool, out: Any = None) -> Any:
    if xp is not np:
        found = _among(xp, comparable(xp, x1), comparable(xp, xp.reshape(x2, (-1,))))
        found = ~found if invert else found
        return found if out is None else put(xp, found, out)
    if out is None:
        out = np.empty(x1.shape, np.bool_)
    target = out.reshape(-1)
    table = _table(x2, x1.size)
    known = _sorted_line(x2) if table is None else None
    for start, piece in pieces(x1):
        values = comparable(np, piece)
        target[start : start + piece.size] = (
            _sorted_has(known, values) if table is None else _table_has(*table, values)
        )
    return np.logical_not(out, out=out) if invert else out


def _sorted_has(known: Any, values: Any) -> Any:
    if known.size <= FEW:
        found = np.zeros(values.shape, np.bool_)
        for value in known:
            found |= values == value
        return found
    places = np.searchsorted(known, values)
    return known[np.minimum(places, known.size - 1, out=places)] == values


def _sorted_line(x: Any) -> Any:
    line = np.empty(x.size, comparable(np, x[:0] if x.ndim else x).dtype)
    line.reshape(x.shape)[...] = x
    line.sort()
    return line


def _table(known: Any, count: int) -> tuple[int, Any] | None:
    """The least of some integers and a mark for each number from it to the greatest, if that table is small."""
    if known.dtype.kind not in "iub" or not known.size:
        return None
    low, high = int(known.min()), int(known.max())
    if high - low > TABLE * (count + known.size):
        return None
    marks = np.zeros(high - low + 1, np.bool_)
    for _, piece in pieces(known):
        values = comparable(np, piece)
        marks[(values - np.asarray(low, values.dtype)).astype(np.intp, copy=False)] = True
    return low, marks


def _table_has(low: int, marks: Any, values: Any) -> Any:
    inside = (values >= low) & (values <= low + marks.size - 1)
    places = np.where(inside, values - np.asarray(low, values.dtype), 0).astype(np.intp, copy=False)
    return marks[places] & inside


def _among(xp: Any, x: Any, known: Any) -> Any:
    """The same by any array module; complex numbers, which have no order everywhere, are compared one by one."""
    count = known.shape[0]
    if not count:
        return xp.zeros(x.shape, dtype=dtype_of(xp, np.dtype(np.bool_)))
    if numpy_dtype(x).kind == "c":
        return xp.any(xp.reshape(x, (*x.shape, 1)) == known, axis=-1)
    known = xp.sort(known)
    flat = xp.reshape(x, (-1,))
    places = xp.searchsorted(known, flat)
    return xp.reshape(xp.take(known, xp.where(places < count, places, count - 1)) == flat, x.shape)


# --- hidden memory --------------------------------------------------------------------------------


def _wide(x: TensorType) -> int:
    """Bytes for each element of what is converted to be compared."""
    return 4 if x.dtype.itemsize == 2 and is_floating(x.dtype) else 0


def search_workspace(known: TensorType, values: TensorType) -> int:
    """The sorted vector converted; pieces of values and their places. Of lines: one group of them, being halved."""
    size, each = int(values.size), values.dtype.itemsize  # type: ignore[arg-type]  # static here
    if known.rank == 1:
        strided = 0 if values.rank <= 1 else each
        return _wide(known) * int(known.size) + min(size, PIECE) * (8 + max(_wide(values), strided))  # type: ignore[arg-type]
    count, each_line = int(known.dims[-1]), int(values.dims[-1])  # type: ignore[arg-type]
    if not size or not count:
        return 0
    rows = min(size // each_line, max(1, GROUP // max(count, each_line)))
    places = rows * min(each_line, PIECE)
    steps = (
        42 + 2 * each + 3 * _wide(values) + 5 * (known.rank - 2)
    )  # of a halving: places, values, what is less
    return rows * count * _wide(known) + places * steps + 8 * rows


def digitize_workspace(values: TensorType, bins: TensorType) -> int:
    """A comparison of all bounds with the next, and the search."""
    count = int(bins.size)  # type: ignore[arg-type]
    return max(_wide(bins) * count + count, search_workspace(bins, values))


def isin_workspace(values: TensorType, known: TensorType) -> int:
    """The test values sorted, or a table as large as it may be; pieces, their places and what stands there."""
    size, count, each = int(values.size), int(known.size), known.dtype.itemsize  # type: ignore[arg-type]
    kept = max(each, _wide(known)) * count
    strided = each if values.rank > 1 else 0
    if known.dtype.kind in "iub":
        table = 1 if count == 1 else min(TABLE * (size + count) + 1, 1 << 8 * each)
        kept, step = table if each == 1 else max(kept, table), 10 + 2 * each
    else:
        kept, step = (kept, 2 + _wide(known)) if count <= FEW else (kept, 10 + (2 * _wide(known) or each))
    return kept + min(max(size, count), PIECE) * (step + strided)
