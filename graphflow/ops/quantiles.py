"""Quantiles, percentiles and the median: compositions over `sort`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.constant import as_array
from graphflow.ops.reduction import Axis, is_half
from graphflow.ops.sorting import sort
from graphflow.ops.ufunc import reals
from graphflow.types import SUPPORTED, normalize_axes

__all__ = ["median", "percentile", "quantile"]

FLOAT32, FLOAT64, INT64 = SUPPORTED["float32"], SUPPORTED["float64"], SUPPORTED["int64"]

_CONTINUOUS: dict[str, tuple[float, float]] = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""alpha and beta of the place n q + alpha + q (1 - alpha - beta) - 1: Hyndman and Fan 1996, definitions 7, 5, 6, 8, 9."""

_ROUNDED: dict[str, Callable[[Any], Any]] = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}
METHODS = (*_CONTINUOUS, *_ROUNDED, "midpoint")


def _fractions(what: str, q: Any, most: float) -> np.ndarray[Any, Any]:
    """q as float64 from 0 to 1. Raises ArgumentError for what is outside, or known only at the run."""
    if hasattr(type(q), "__graphflow_tensor__"):
        tensor = q.__graphflow_tensor__()
        if tensor.op.type != "constant":
            raise ArgumentError(
                f"{what}: q must be known when the graph is built, not computed by {tensor!r}"
            )
        q = tensor.op.attrs["value"].array
    array = as_array(q, weak_floats=False)
    if array.dtype.kind not in "iuf" or array.ndim > 1:
        raise ArgumentError(f"{what}: q must be a number or a list of numbers, not {shorten(q)}")
    fractions = array.astype(np.float64) / most
    if not bool(np.all((fractions >= 0) & (fractions <= 1))):
        raise ArgumentError(f"{what}: q must be from 0 to {most:g}, got {shorten(q)}")
    return fractions


def _lines(what: str, x: Tensor, axis: Axis, single: bool) -> tuple[Tensor, int, tuple[int, ...] | None]:
    """A tensor with what is folded along one axis, that axis, which is the last unless `single`; the folded axes."""
    axes = axis_attr(what, axis, x)
    if axes is None:
        return F.flatten(x), -1, None
    if x.type.shape is None:
        if len(axes) != 1 or not single:
            raise ShapeError(f"{what}: several axes or quantiles need a tensor of known rank, got {x!r}")
        return x, axes[0], axes
    rank = len(x.type.shape)
    gone = normalize_axes(axes, rank)
    if len(gone) == 1 and (single or gone[0] == rank - 1):
        return x, gone[0] - rank, gone
    if not gone:
        return F.expand_dims(x, -1), -1, gone
    rest = [k for k in range(rank) if k not in gone]
    moved = F.permute_dims(x, (*rest, *gone))
    return (F.flatten(moved, len(rest), -1) if len(gone) > 1 else moved), -1, gone


def _places(n: Any, q: Any, method: str) -> Any:
    """The place of each quantile among `n` sorted elements, not yet whole."""
    alpha, beta = _CONTINUOUS.get(method, (1.0, 1.0))
    if method in _ROUNDED or method in ("linear", "midpoint"):
        return (n - 1) * q
    return n * q + (alpha + q * (1 - alpha - beta)) - 1


def _picked(lines: Tensor, along: int, q: np.ndarray[Any, Any], method: str) -> Tensor:
    """The quantiles along an axis, which becomes that of `q`, if `q` has one."""
    size = None if lines.type.shape is None else lines.type.shape[along]
    if isinstance(size, int):
        place = np.clip(_places(size, q, method), 0, size - 1)
        if method in _ROUNDED:
            place = _ROUNDED[method](place)
        low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
        weight: Any = place - low if method != "midpoint" else 0.5 * (low != high)
        last: Any = size - 1
    else:
        n = F.cast(F.size(lines, along), FLOAT64)
        place = F.clip(_places(n, q, method), 0.0, n - 1)
        if method in _ROUNDED:
            place = {"lower": F.floor, "higher": F.ceil, "nearest": F.round}[method](place)
        low, high = F.cast(F.floor(place), INT64), F.cast(F.ceil(place), INT64)
        weight = (
            place - F.floor(place) if method != "midpoint" else F.cast(F.not_equal(low, high), FLOAT64) * 0.5
        )
        last = F.cast(n - 1, INT64)
    ordered = sort(lines, along)
    below, above = F.take(ordered, low, along), F.take(ordered, high, along)
    greatest = F.take(ordered, F.reshape(last, (1,)) if q.ndim else last, along)
    between = _between(below, above, F.cast(weight, lines.dtype))
    result: Tensor = F.where(F.isnan(greatest), greatest, between)
    return result


def _between(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """a + (b - a) weight, from the nearer end, as NumPy does it; `a` where both are the same infinity."""
    gap = F.where(F.equal(a, b), 0, b - a)
    result: Tensor = F.where(F.less(weight, 0.5), a + gap * weight, b - gap * (1 - weight))
    return result


def _quantile(
    what: str, x: Any, q: np.ndarray[Any, Any], axis: Axis, keepdims: Any, method: Any, name: str | None
) -> Tensor:
    t = reals(what, x)
    keep = flag(keepdims, what, "keepdims")
    if not isinstance(method, str) or method not in METHODS:
        raise ArgumentError(f"{what}: method must be one of {', '.join(METHODS)}, not {shorten(method)}")
    with composition(what if name is None else name):
        lines, along, gone = _lines(what, t, axis, not q.ndim)
        _refuse_empty(what, t, lines, along)
        half = is_half(t.type.dtype)
        found = _picked(F.cast(lines, FLOAT32) if half else lines, along, q, method)
        found = F.cast(found, t.type.dtype) if half else found
        if q.ndim:
            found = F.moveaxis(found, -1, 0)
        if keep:
            found = _kept(what, found, t, gone, q.ndim)
    return found


def _kept(what: str, found: Tensor, x: Tensor, gone: tuple[int, ...] | None, lead: int) -> Tensor:
    """The result with the folded axes in place, of size 1."""
    if x.type.shape is None:
        raise ShapeError(f"{what}: keepdims needs a tensor of known rank, got {x!r}")
    axes = normalize_axes(gone, len(x.type.shape))
    result: Tensor = F.expand_dims(found, tuple([a + lead for a in axes])) if axes else found
    return result


def _refuse_empty(what: str, x: Tensor, lines: Tensor, along: int) -> None:
    size = None if lines.type.shape is None else lines.type.shape[along]
    if isinstance(size, int) and size == 0:
        raise ShapeError(f"{what}: {x!r} has nothing along the axis, and nothing at all has no quantile")


@public
def quantile(
    x: Any,
    q: Any,
    axis: Axis = None,
    keepdims: bool = False,
    method: str = "linear",
    name: str | None = None,
) -> Tensor:
    """The value below which a share `q` of the elements over `axis` lies. A composition over `sort`.

    q: a number from 0 to 1, or a list of them, whose axis comes first in the result; known when the graph is built.
    method: what is between two elements: "linear" (the default), "lower", "higher", "nearest", "midpoint"; or one
    of Hyndman and Fan's definitions "weibull" (6), "hazen" (5), "median_unbiased" (8), "normal_unbiased" (9).
    Integers become the default float; NaN where one of the elements is NaN. Differentiable: the gradient goes to
    the one or two elements that are picked.
    Raises ArgumentError for a `q` out of range or another method or a bad axis, ShapeError for an empty axis,
    DTypeError for complex `x`.
    """
    return _quantile("quantile", x, _fractions("quantile", q, 1.0), axis, keepdims, method, name)


@public
def percentile(
    x: Any,
    q: Any,
    axis: Axis = None,
    keepdims: bool = False,
    method: str = "linear",
    name: str | None = None,
) -> Tensor:
    """`quantile` with `q` from 0 to 100. A composition over `sort`."""
    return _quantile("percentile", x, _fractions("percentile", q, 100.0), axis, keepdims, method, name)


@public
def median(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The middle of the sorted elements over `axis`; of an even number, the mean of the two. A composition over `sort`.

    NaN where one of the elements is NaN. Raises as `quantile`.
    """
    return _quantile("median", x, np.asarray(0.5), axis, keepdims, "linear", name)
