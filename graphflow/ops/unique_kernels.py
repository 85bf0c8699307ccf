"""Distinct elements by sorting: where a sorted line changes, another one begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.ops.cast import numpy_dtype
from graphflow.ops.flat_index import stable_argsort
from graphflow.ops.order_keys import order_workspace
from graphflow.ops.philox import converted
from graphflow.ops.sort_kernels import argsort_kernel, sort_kernel, sort_workspace
from graphflow.types import TensorType

__all__ = ["all_kernel", "counts_kernel", "unique_workspace", "values_kernel"]


def _is_complex(x: Any) -> bool:
    return numpy_dtype(x).kind == "c"


def _sorted(xp: Any, line: Any) -> Any:
    if not _is_complex(line):
        return sort_kernel(xp, line, axis=0, descending=False)
    return np.sort(line, kind="stable") if xp is np else xp.take(line, _order(xp, line))


def _order(xp: Any, line: Any) -> Any:
    """Complex numbers are in order of their real parts, equal ones of their imaginary parts."""
    if not _is_complex(line):
        return argsort_kernel(xp, line, axis=0, descending=False)
    if xp is np:
        return np.argsort(line, kind="stable")
    order = stable_argsort(xp, xp.imag(line))
    return xp.take(order, stable_argsort(xp, xp.real(xp.take(line, order))))


def _beginnings(xp: Any, ordered: Any) -> Any:
    """The places, int64, where something else begins in a sorted line; NaN is something else each time."""
    count = ordered.shape[0]
    if not count:
        return xp.zeros((0,), dtype=xp.int64)
    first = xp.zeros((1,), dtype=xp.int64)
    later = converted(xp, xp.nonzero(ordered[1:] != ordered[:-1])[0], xp.int64) + 1
    return xp.concat((first, later))


def _lengths(xp: Any, begin: Any, count: int) -> Any:
    """How long each run is."""
    if not count:
        return begin
    return xp.concat((begin[1:], xp.asarray([count], dtype=xp.int64))) - begin


def values_kernel(xp: Any, x: Any) -> Any:
    ordered = _sorted(xp, xp.reshape(x, (-1,)))
    return xp.take(ordered, _beginnings(xp, ordered))


def counts_kernel(xp: Any, x: Any) -> tuple[Any, Any]:
    ordered = _sorted(xp, xp.reshape(x, (-1,)))
    begin = _beginnings(xp, ordered)
    return xp.take(ordered, begin), _lengths(xp, begin, ordered.shape[0])


def all_kernel(xp: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """Values, the place of the first of each, which of the values each element is, and how often each occurs."""
    line = xp.reshape(x, (-1,))
    order = _order(xp, line)
    ordered = xp.take(line, order)
    begin = _beginnings(xp, ordered)
    count = line.shape[0]
    if xp is np:
        inverse = np.empty(count, np.int64)
        inverse[order] = np.repeat(np.arange(begin.size), _lengths(np, begin, count))
    else:
        ranks = xp.searchsorted(begin, xp.arange(count, dtype=xp.int64), side="right") - 1
        inverse = xp.take(converted(xp, ranks, xp.int64), stable_argsort(xp, order))
    values, first = xp.take(ordered, begin), xp.take(order, begin)
    return values, first, xp.reshape(inverse, x.shape), _lengths(xp, begin, count)


def unique_workspace(x: TensorType, orders: bool) -> int:
    """Hidden bytes: the sorted line and where it changes; its order too."""
    size: int = x.size  # type: ignore[assignment]  # static here
    line = TensorType(x.dtype, (size,))
    nbytes = x.nbytes or 0
    if not orders:
        return 2 * nbytes + 33 * size + sort_workspace(line, 0, False)
    return nbytes + 57 * size + (16 * size if x.dtype.kind == "c" else order_workspace(line, 0))
