"""NumPy's functions that sort, search, tell apart and take differences, with NumPy's signatures.

The functions they stand for are imported when one of these is first called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.op import F
from graphflow.ops.constant import as_array, as_tensor, holds_tensor
from graphflow.ops.numpy_functions import refuse, stands_for

__all__: list[str] = []

_LEFT_OUT = np._NoValue  # NumPy's mark of an argument that was not given


def _with_64_bits(values: Any) -> Any:
    """A list of Python floats as NumPy reads it: numbers to look for must not be rounded to the default float."""
    if isinstance(values, (list, tuple)) and not holds_tensor(values):
        return as_array(values, weak_floats=False)
    return values


def _flat(a: Any, axis: Any) -> tuple[Any, Any]:
    return (F.reshape(a, (-1,)), 0) if axis is None else (a, axis)


# --- order ----------------------------------------------------------------------------------------


@stands_for(np.sort)
def _sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """Always stable, so `kind` says nothing new."""
    refuse("sort", order=order)
    x, axis = _flat(a, axis)
    return F.sort(x, axis=axis)


@stands_for(np.argsort)
def _argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    refuse("argsort", order=order)
    x, axis = _flat(a, axis)
    return F.argsort(x, axis=axis)


@stands_for(np.searchsorted)
def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    return F.searchsorted(_with_64_bits(a), _with_64_bits(v), side=side, sorter=sorter)


@stands_for(np.digitize)
def _digitize(x: Any, bins: Any, right: bool = False) -> Any:
    return F.digitize(_with_64_bits(x), _with_64_bits(bins), right=right)


@stands_for(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _LEFT_OUT, append: Any = _LEFT_OUT) -> Any:
    """A number before or behind is repeated to the size of the other axes, as NumPy does it."""
    x = as_tensor(a)
    ends = [None if e is _LEFT_OUT else _end(x, e, axis) for e in (prepend, append)]
    return F.diff(x, n=n, axis=axis, prepend=ends[0], append=ends[1])


def _end(x: Any, value: Any, axis: int) -> Any:
    t = as_tensor(value)
    if t.type.shape != ():
        return t
    return F.broadcast_to(
        F.cast(t, x.dtype), [1 if k == axis % x.ndim else d for k, d in enumerate(x.type.dims)]
    )


# --- places ---------------------------------------------------------------------------------------


@stands_for(np.nonzero)
def _nonzero(a: Any) -> Any:
    return F.nonzero(a)


@stands_for(np.flatnonzero)
def _flatnonzero(a: Any) -> Any:
    return F.nonzero(F.reshape(a, (-1,)))[0]


@stands_for(np.argwhere)
def _argwhere(a: Any) -> Any:
    return F.stack(list(F.nonzero(a)), axis=-1)


# --- sets -----------------------------------------------------------------------------------------


@stands_for(np.isin)
def _isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    return F.isin(_with_64_bits(element), _with_64_bits(test_elements), invert=invert)


def _unique(function: Callable[..., Any], name: str) -> None:
    def build(x: Any) -> Any:
        return getattr(F, name)(x)

    stands_for(function)(build)


_unique(np.unique_values, "unique_values")
_unique(np.unique_counts, "unique_counts")
_unique(np.unique_inverse, "unique_inverse")
_unique(np.unique_all, "unique_all")


# --- running sums ---------------------------------------------------------------------------------


def _cumulative(function: Callable[..., Any], name: str) -> None:
    def build(
        x: Any,
        /,
        *,
        axis: int | None = None,
        dtype: Any = None,
        out: Any = None,
        include_initial: bool = False,
    ) -> Any:
        refuse(name, out=out)
        return getattr(F, name)(x, axis=axis, dtype=dtype, include_initial=include_initial)

    stands_for(function)(build)


_cumulative(np.cumulative_sum, "cumulative_sum")
_cumulative(np.cumulative_prod, "cumulative_prod")
