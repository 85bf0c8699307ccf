"""Means and variances together: of all elements alike, weighted, and gathered piece by piece.

All are compositions. The mean is taken off before anything is squared, so that variances neither cancel nor come out
negative; 16-bit floats are summed in float32.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.reduction import is_half
from graphflow.ops.ufunc import reals, reals2
from graphflow.types import SUPPORTED

__all__ = ["moments", "normalize_moments", "sufficient_statistics", "weighted_moments"]


def wide(x: Tensor) -> Tensor:
    """16-bit floats as float32: their squares overflow, and their sums lose digits."""
    return F.cast(x, SUPPORTED["float32"]) if is_half(x.type.dtype) else x


def _kept(what: str, keepdims: Any, keep_dims: Any) -> bool:
    """Whether axes stay, by the argument's new name or by TensorFlow 1's old one."""
    return flag(keepdims if keep_dims is None else keep_dims, what, "keepdims")


def _without(x: Tensor, axes: Any) -> Tensor:
    """A reduced tensor without the axes that were kept with size 1; None is all of them."""
    if axes is None:
        return F.reshape(x, ())  # type: ignore[no-any-return]
    return F.squeeze(x, axes)  # type: ignore[no-any-return]


@public
def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: Any = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mean and variance of `x` over `axes` (all for None), in the dtype of `x`. A composition.

    `shift` changes nothing: the mean is taken off first, which it was meant to approximate. `keep_dims` is
    TensorFlow 1's old name of `keepdims`. Raises ArgumentError for a bad axis.
    """
    t, keep = reals("moments", x), _kept("moments", keepdims, keep_dims)
    with name_scope("moments" if name is None else name):
        axes = axis_attr("moments", axes, t)
        mean, variance = centre(wide(t), axes)[1:]
        if not keep:
            mean, variance = _without(mean, axes), _without(variance, axes)
        return F.cast(mean, t.type.dtype), F.cast(variance, t.type.dtype)


def centre(x: Tensor, axes: Any) -> tuple[Tensor, Tensor, Tensor]:
    """`x` less its mean, the mean, and the mean of the squares of what is left; the folded axes stay with size 1."""
    mean = F.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    return centred, mean, F.mean(F.square(centred), axis=axes, keepdims=True)


@public
def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: Any = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mean and variance of `x` over `axes`, each element counted as often as its weight says. A composition.

    frequency_weights: numbers that broadcast with `x`; gradients flow to them. NaN where they add up to 0.
    `keep_dims` is TensorFlow 1's old name of `keepdims`. Raises ArgumentError for a bad axis.
    """
    what = "weighted_moments"
    t, w = reals2(what, x, frequency_weights)
    keep = _kept(what, keepdims, keep_dims)
    with name_scope(what if name is None else name):
        dtype = t.type.dtype
        t = wide(t)
        w = _spread(what, wide(w), t)
        axes = axis_attr(what, axes, w)
        total = F.sum(w, axis=axes, keepdims=True)
        mean = F.sum(t * w, axis=axes, keepdims=True) / total
        variance = F.sum(F.square(t - mean) * w, axis=axes, keepdims=True) / total
        if not keep:
            mean, variance = _without(mean, axes), _without(variance, axes)
        return F.cast(mean, dtype), F.cast(variance, dtype)


def _spread(what: str, weights: Tensor, t: Tensor) -> Tensor:
    """Weights in the shape that they and the data broadcast to."""
    try:
        return F.broadcast_to_like(weights, t)  # type: ignore[no-any-return]
    except ShapeError:
        raise ShapeError(
            f"{what}: frequency_weights {weights.type} do not broadcast with x {t.type}"
        ) from None


@public
def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: Any = None,
    name: str | None = None,
    keepdims: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Count, sum, sum of squares and shift of `x` over `axes`: what `normalize_moments` makes moments of.

    A composition. Statistics of parts of the data can be added up before.
    shift: a number near the mean, or a tensor that broadcasts with `x`, which is taken off first, so that fewer
        digits cancel later; it is handed on. None: nothing is.
    Returns count (a scalar of the dtype of `x`), sums of `x - shift` and of their squares, and the shift.
    Raises ArgumentError for a bad axis.
    """
    what = "sufficient_statistics"
    t, keep = reals(what, x), _kept(what, keepdims, keep_dims)
    with name_scope(what if name is None else name):
        axes = axis_attr(what, axes, t)
        count = F.cast(F.size(t, axes), t.type.dtype)
        given = None
        if shift is not None:
            t, given = reals2(what, t, shift)
            t = t - given
        return count, F.sum(t, axes, keep), F.sum(F.square(t), axes, keep), given


@public
def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and variance from a count, a sum and a sum of squares, as `sufficient_statistics` gives them.

    A composition. shift: what was taken off before the sums were made, or None.
    The variance is sum of squares / count - (sum / count)², which loses digits where the mean of what was
    summed is large beside its deviation.
    """
    what = "normalize_moments"
    first, second = reals2(what, mean_ss, variance_ss)
    first, number = reals2(what, first, counts)
    with name_scope("normalize" if name is None else name):
        distance = first / number
        variance = second / number - F.square(distance)
        mean = distance if shift is None else distance + shift
        return mean, variance
