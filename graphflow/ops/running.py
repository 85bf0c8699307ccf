"""Running extremes and running log-sum-exp along an axis, and differences of neighbours.

Beside `cumulative.py`, which has sums and products. Under NumPy each is one `accumulate`; other array modules
double the distance that is folded with every step, so that a line of n elements takes log2(n) passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, flag, known_shape
from graphflow.ops.constant import operands
from graphflow.ops.cumulative import linear_recurrence
from graphflow.ops.reduction import is_half
from graphflow.ops.scatter_ops import scatter_along_like
from graphflow.ops.slicing import axis_slice, strided_slice
from graphflow.ops.ufunc import operand, reals
from graphflow.ops.views import put
from graphflow.types import SUPPORTED, TensorType, as_index, is_floating, is_integer, normalize_axis

__all__ = ["cumulative_logsumexp", "cumulative_max", "cumulative_min", "diff"]

# --- what they share ------------------------------------------------------------------------------


def _infer(x: TensorType, *, axis: int, reverse: bool) -> TensorType:
    normalize_axis(axis, x.rank)
    return x


def _turned(xp: Any, x: Any, axis: int, reverse: bool) -> Any:
    """`x` seen from the other end of the axis if `reverse`."""
    if not reverse:
        return x
    return x[(*[slice(None)] * (axis % x.ndim), slice(None, None, -1), ...)]


class Accumulated:
    """A kernel that folds along an axis by a function of two operands and keeps every step."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, xp: Any, x: Any, *, axis: int, reverse: bool, out: Any = None) -> Any:
        function = getattr(xp, self.name)
        source = _turned(xp, x, axis, reverse)
        if xp is np:
            result = np.empty(x.shape, x.dtype) if out is None else out
            function.accumulate(source, axis=axis, out=_turned(xp, result, axis, reverse))
            return result
        lead = (slice(None),) * (axis % x.ndim)
        step = 1
        while step < x.shape[axis]:
            joined = function(
                source[(*lead, slice(step, None), ...)], source[(*lead, slice(None, -step), ...)]
            )
            source = xp.concat((source[(*lead, slice(None, step), ...)], joined), axis=axis)
            step *= 2
        return put(xp, _turned(xp, source, axis, reverse), out)

    def __repr__(self) -> str:
        return f"Accumulated({self.name})"


def _declared(name: str, function: str, vjp: Callable[..., Any], doc: str) -> Op:
    return declare(
        Op(
            name,
            _infer,
            Accumulated(function),
            vjp,
            Trait.OUT,
            flops=lambda inputs, outputs, **attrs: int(inputs[0].size),
            doc=doc,
        )
    )


def _moved(y: Tensor, axis: int, reverse: bool, first: Any) -> Tensor:
    """What was there one step before: `y` moved along the axis, `first` coming in."""
    edge = axis_slice(axis, -1, None) if reverse else axis_slice(axis, None, 1)
    rest = axis_slice(axis, 1, None) if reverse else axis_slice(axis, None, -1)
    start = F.full_like(strided_slice(y, **edge), first)
    parts = [strided_slice(y, **rest), start] if reverse else [start, strided_slice(y, **rest)]
    result: Tensor = F.concat(parts, axis)
    return result


def _along(
    op: Op, x: Tensor, axis: Any, exclusive: Any, reverse: Any, first: Any, name: str | None
) -> Tensor:
    axes = axis_attr(op.name, as_index(axis, f"{op.name}: axis"), x)
    place, turned = axes[0] if axes else 0, flag(reverse, op.name, "reverse")
    attrs = {"axis": place, "reverse": turned}
    if not flag(exclusive, op.name, "exclusive"):
        return make_node(op, (x,), attrs, name).outputs[0]
    with composition(op.name if name is None else name):
        return _moved(make_node(op, (x,), attrs).outputs[0], place, turned, first)


# --- extremes -------------------------------------------------------------------------------------


def _extreme_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    """All that shows one element comes back to it: its place runs along as the extreme does."""
    x, y = node.inputs[0], node.outputs[0]
    axis, reverse = node.attrs["axis"], node.attrs["reverse"]
    if not is_floating(x.dtype):
        return (None,)
    least = node.op is CUMULATIVE_MIN
    same = F.equal(y, _moved(y, axis, reverse, math.inf if least else -math.inf))
    first = F.size(x, axis) - 1 if reverse else 0
    new = F.where(same, first, _line(x, axis))
    running = CUMULATIVE_MIN if reverse else CUMULATIVE_MAX
    places = make_node(running, (new,), {"axis": axis, "reverse": reverse}).outputs[0]
    return (scatter_along_like(x, g, places, axis),)


def _line(x: Tensor, axis: int) -> Tensor:
    """0, 1, ... along an axis, in a shape that broadcasts with `x`."""
    shape = known_shape(x)
    if shape is None:  # a size that only the value of x shows must be taken from x
        counted: Tensor = F.cumsum(F.ones_like(x, SUPPORTED["int64"]), axis) - 1
        return counted
    behind = len(shape) - 1 - axis % len(shape)
    line: Tensor = F.reshape(F.arange(shape[axis]), (-1, *[1] * behind))
    return line


CUMULATIVE_MAX = _declared("cumulative_max", "maximum", _extreme_vjp, "Running maximum along an axis.")
CUMULATIVE_MIN = _declared("cumulative_min", "minimum", _extreme_vjp, "Running minimum along an axis.")


def _limit(dtype: np.dtype[Any], least: bool) -> Any:
    """What every number of the dtype is at least, or at most."""
    if is_integer(dtype):
        return int(np.iinfo(dtype).min if least else np.iinfo(dtype).max)
    return -math.inf if least else math.inf


@public
def cumulative_max(
    x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """The greatest element so far along `axis`; NaN from the first NaN on.

    exclusive: of the elements before each, and the dtype's least number (-inf for floats) for the first. reverse:
    from the end. The gradient goes to the first element that is the greatest. A primitive: one `accumulate`.
    Raises ArgumentError for an axis out of range, DTypeError for complex or bool `x`.
    """
    t = reals("cumulative_max", x, floating=False)
    return _along(CUMULATIVE_MAX, t, axis, exclusive, reverse, _limit(t.type.dtype, True), name)


@public
def cumulative_min(
    x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """The least element so far along `axis`; NaN from the first NaN on. Otherwise as `cumulative_max`."""
    t = reals("cumulative_min", x, floating=False)
    return _along(CUMULATIVE_MIN, t, axis, exclusive, reverse, _limit(t.type.dtype, False), name)


# --- logsumexp ------------------------------------------------------------------------------------


def _share(x: Tensor, y: Tensor) -> Tensor:
    """exp(x - y) for x <= y, 1 where both are the same infinity; 0 where x is -inf."""
    distance = F.where(F.equal(x, y), 0, x - y)
    result: Tensor = F.where(F.equal(x, -math.inf), 0, F.exp(distance))
    return result


def _logsumexp_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """With y[k] = log sum of exp(x[i]), i <= k: dx[i] = exp(x[i] - y[i]) R[i], R[i] = g[i] + exp(y[i] - y[i+1]) R[i+1].

    No exponent is positive, so nothing overflows.
    """
    x, y = node.inputs[0], node.outputs[0]
    axis, reverse = node.attrs["axis"], node.attrs["reverse"]
    following = _moved(y, axis, not reverse, math.inf)
    total = linear_recurrence(_share(y, following), g, axis, reverse=not reverse)
    return (_share(x, y) * total,)


CUMULATIVE_LOGSUMEXP = _declared(
    "cumulative_logsumexp",
    "logaddexp",
    _logsumexp_vjp,
    "Running log of the sum of exponentials along an axis.",
)


@public
def cumulative_logsumexp(
    x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """log(exp(x[0]) + ... + exp(x[k])) along `axis`, without overflow.

    exclusive: of the elements before each, -inf for the first. reverse: from the end. Integers become the default
    float; 16-bit floats are added up in float32. A primitive: one `accumulate`; its gradient takes one step after
    another along the axis. Where all so far are -inf the result is, and its gradient is 0.
    Raises ArgumentError for an axis out of range, DTypeError for complex `x`.
    """
    t = reals("cumulative_logsumexp", x)
    if not is_half(t.type.dtype):
        return _along(CUMULATIVE_LOGSUMEXP, t, axis, exclusive, reverse, -math.inf, name)
    with composition("cumulative_logsumexp" if name is None else name):
        wide = F.cast(t, SUPPORTED["float32"])
        result: Tensor = _along(CUMULATIVE_LOGSUMEXP, wide, axis, exclusive, reverse, -math.inf, None)
        return F.cast(result, t.type.dtype)  # type: ignore[no-any-return]


# --- differences ----------------------------------------------------------------------------------

MOST = 64
"""How often differences may be taken along an axis of unknown size: one node each."""


@public
def diff(
    x: Any, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None, name: str | None = None
) -> Tensor:
    """x[k + 1] - x[k] along `axis`, `n` times over; each time the axis loses one element. A composition.

    prepend, append: put before and behind `x` along the axis first. bools give whether neighbours differ.
    Raises ArgumentError for a negative `n` (or one above 64 for an unknown size) or an axis out of range, which
    for a scalar is every one.
    """
    ends = [[] if end is None else [operand("diff", end)] for end in (prepend, append)]
    tensors = operands(*ends[0], operand("diff", x), *ends[1])
    times, along = as_index(n, "diff: n"), as_index(axis, "diff: axis")
    with composition("diff" if name is None else name) as scope:
        t: Tensor = F.concat(tensors, along) if len(tensors) > 1 else tensors[0]
        if t.type.shape is None:
            size: Any = None
        else:
            along = normalize_axis(along, len(t.type.shape), "diff: axis")
            size = t.type.shape[along]
        if times < 0 or (not isinstance(size, int) and times > MOST):
            raise ArgumentError(
                f"diff: n must be at least 0{'' if isinstance(size, int) else f' and at most {MOST} for an unknown size'}"
                f", got {times}"
            )
        if not times:
            return F.identity(t, name=scope)  # type: ignore[no-any-return]
        for _ in range(min(times, size) if isinstance(size, int) else times):
            left, right = (
                strided_slice(t, **axis_slice(along, None, -1)),
                strided_slice(t, **axis_slice(along, 1, None)),
            )
            t = F.not_equal(right, left) if t.type.dtype.kind == "b" else right - left
        return t
