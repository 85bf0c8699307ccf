"""Means, variances and their kin: compositions of sums, so that a backend needs nothing new for them."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.cast import cast
from graphflow.ops.constant import as_tensor
from graphflow.ops.reduction import INT64, Axis, is_half, sum
from graphflow.types import SUPPORTED, default_float, is_floating, normalize_axes

__all__ = ["count_nonzero", "logsumexp", "mean", "std", "var"]

FLOAT32 = SUPPORTED["float32"]


def floating(x: Any) -> Tensor:
    """`x` as a tensor of a floating dtype; integers and bools become the default float."""
    tensor = as_tensor(x)
    return tensor if is_floating(tensor.type.dtype) else cast(tensor, default_float())


def safe_sqrt(x: Tensor) -> Tensor:
    """The square root of what is not negative, with gradient 0 where it is 0, not infinity."""
    zero = F.equal(x, 0)
    result: Tensor = F.where(zero, x, F.sqrt(F.where(zero, 1, x)))
    return result


def _count(x: Tensor, axis: tuple[int, ...] | None) -> int | Tensor:
    """How many elements are folded: a number if it is known now, else an int64 scalar."""
    dims = x.type.shape
    if dims is not None:
        count = 1
        for a in normalize_axes(axis, len(dims)):
            if not isinstance(dims[a], int):
                break
            count *= int(dims[a])  # type: ignore[arg-type]  # an int, as was just seen
        else:
            return count
    result: Tensor = F.size(x, axis)
    return result


def _divided(total: Tensor, count: int | Tensor) -> Tensor:
    number: Any = float(count) if isinstance(count, int) else cast(count, total.dtype)
    result: Tensor = total / number
    return result


def _mean(x: Tensor, axis: tuple[int, ...] | None, keepdims: bool) -> Tensor:
    half = is_half(x.dtype)
    total = sum(x, axis, keepdims, dtype=FLOAT32 if half else None)
    return cast(_divided(total, _count(x, axis)), x.dtype)


@public
def mean(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The arithmetic mean over `axis`; NaN where it is empty. A composition: a sum and one division.

    Integers and bools become the default float first; 16-bit floats are summed in float32.
    Raises ArgumentError for an axis that is repeated or out of range.
    """
    x = floating(x)
    with composition("Mean" if name is None else name):
        return _mean(x, axis_attr("mean", axis, x), flag(keepdims, "mean", "keepdims"))


@public
def var(
    x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None, *, correction: float = 0.0
) -> Tensor:
    """The variance over `axis`: the mean of squared distances from the mean. A composition.

    correction: taken off the number of elements that is divided by; 1 gives the unbiased variance. NaN or
        infinity where nothing is left to divide by.
    The variance of complex numbers is real. Raises ArgumentError for a bad axis or correction.
    """
    x = floating(x)
    with composition("Var" if name is None else name):
        return _var(x, axis_attr("var", axis, x), flag(keepdims, "var", "keepdims"), correction)


def _var(x: Tensor, axis: tuple[int, ...] | None, keepdims: bool, correction: float) -> Tensor:
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise ArgumentError(f"var: correction must be a number, not {shorten(correction)}")
    dtype = x.dtype
    wide = cast(x, FLOAT32) if is_half(dtype) else x
    distance = wide - _mean(wide, axis, True)
    squares = F.real(distance * F.conj(distance)) if dtype.kind == "c" else distance * distance
    total = sum(squares, axis, keepdims)
    count = _count(x, axis)
    if isinstance(count, int):
        left: Any = max(count - correction, 0.0)
    else:
        left = cast(count, total.dtype)
        left = F.maximum(left - correction, 0.0) if correction else left
    result: Tensor = total / left
    return cast(result, dtype) if is_half(dtype) else result


@public
def std(
    x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None, *, correction: float = 0.0
) -> Tensor:
    """The standard deviation over `axis`: the root of `var`. A composition.

    Its gradient is 0 where all elements are equal. Raises ArgumentError for a bad axis or correction.
    """
    x = floating(x)
    with composition("Std" if name is None else name):
        return safe_sqrt(_var(x, axis_attr("std", axis, x), flag(keepdims, "std", "keepdims"), correction))


@public
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow. A composition.

    The largest element is taken out first, unless it is infinite or NaN. Where all elements are -inf the
    result is -inf and its gradient 0. Raises ShapeError for an empty axis, DTypeError for complex `x`.
    """
    x = floating(x)
    with composition("LogSumExp" if name is None else name):
        axes = axis_attr("logsumexp", axis, x)
        largest = F.stop_gradient(F.max(x, axes, True))
        offset = F.where(F.isfinite(largest), largest, 0)
        total = sum(F.exp(x - offset), axes, True)
        none = F.equal(total, 0)
        result: Tensor = F.where(none, -float("inf"), F.log(F.where(none, 1, total)) + offset)
        if not flag(keepdims, "logsumexp", "keepdims"):
            result = F.reshape(result, ()) if axes is None else F.squeeze(result, axes)
    return result


@public
def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """How many elements over `axis` are not zero, int64; NaN is not zero. A composition."""
    x = as_tensor(x)
    with composition("CountNonzero" if name is None else name):
        found = x if x.type.dtype.kind == "b" else F.not_equal(x, 0)
        return sum(found, axis_attr("count_nonzero", axis, x), keepdims, dtype=INT64)
