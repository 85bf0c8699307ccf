"""Losses of numbers against numbers beyond the squared and absolute error, and of directions and distributions.

All are compositions. `weights` and `reduction` are those of `losses`.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.loss_reduction import BY_NONZERO, pair, reduced
from graphflow.ops.losses import absolute_difference
from graphflow.ops.moments import wide
from graphflow.ops.parameters import at_least_zero
from graphflow.ops.ufunc import reals, reals2
from graphflow.types import as_index, dims_equal

__all__ = [
    "cosine_distance",
    "cosine_similarity",
    "kl_divergence",
    "log_cosh_loss",
    "log_poisson_loss",
    "mean_absolute_error",
    "mean_pairwise_squared_error",
    "poisson_loss",
]


@public
def mean_absolute_error(
    labels: Any, predictions: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`absolute_difference` by its other name."""
    label = "mean_absolute_error" if name is None else name
    return absolute_difference(labels, predictions, weights, reduction, label)


@public
def log_cosh_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`log(cosh(predictions - labels))` of each element, weighted and reduced. A composition.

    By log(1 + 2 sinh²(e/2)) near 0, where the sum of large parts would cancel, and |e| + log(1 + exp(-2|e|)) - log 2
    elsewhere, where cosh would overflow.
    """
    a, b = pair("log_cosh_loss", labels, predictions)
    with composition("log_cosh_loss" if name is None else name):
        error = b - a
        size = F.abs(error)
        near = F.less(size, 1)
        close = F.log1p(F.square(F.sinh(F.where(near, error, 0) * 0.5)) * 2)
        far = size + F.log1p(F.exp(size * -2)) - math.log(2)
        return reduced("log_cosh_loss", F.where(near, close, far), weights, reduction)


@public
def poisson_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`predictions - labels * log(predictions + epsilon)` of each element, weighted and reduced. A composition.

    labels: counts. predictions: their means, not negative. Raises ArgumentError for a negative epsilon.
    """
    a, b = pair("poisson_loss", labels, predictions)
    small = at_least_zero("poisson_loss", "epsilon", epsilon)
    with composition("poisson_loss" if name is None else name):
        return reduced("poisson_loss", b - a * F.log(b + small), weights, reduction)


@public
def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Tensor:
    """`exp(log_input) - targets * log_input`, for each element. A composition.

    compute_full_loss: add Stirling's approximation of log(targets!) where targets > 1.
    Raises ShapeError unless both have one shape. Source: TensorFlow 1's function of that name.
    """
    z, c = pair("log_poisson_loss", targets, log_input, "log_input")
    full = flag(compute_full_loss, "log_poisson_loss", "compute_full_loss")
    with composition("log_poisson_loss" if name is None else name) as scope:
        losses = F.exp(c) - z * c
        if not full:
            return F.identity(losses, name=scope)  # type: ignore[no-any-return]
        large = F.greater(z, 1)
        n = F.where(large, z, 1)
        stirling = n * F.log(n) - n + F.log(n * (2 * math.pi)) * 0.5
        return F.add(losses, F.where(large, stirling, 0), name=scope)  # type: ignore[no-any-return]


@public
def kl_divergence(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    axis: Any = -1,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`sum(p log(p / q))` along `axis` for probabilities p = labels and q = predictions, weighted and reduced.

    A composition. Where p is 0 so is the summand, whatever q; where q alone is 0 it is infinite.
    """
    p, q = pair("kl_divergence", labels, predictions)
    with composition("kl_divergence" if name is None else name):
        none = F.equal(p, 0)
        ratio = F.log(F.where(none, 1, p)) - F.log(F.where(none, 1, q))
        losses = F.sum(p * ratio, axis)
        return reduced("kl_divergence", losses, weights, reduction)


# --- directions -----------------------------------------------------------------------------------


@public
def cosine_similarity(
    x: Any, y: Any, axis: Any = -1, epsilon: float = 1e-12, name: str | None = None
) -> Tensor:
    """The cosine of the angle between `x` and `y` along `axis`: from -1 to 1. A composition.

    The two broadcast. epsilon: the least sum of squares that is divided by the root of, so that a vector of
    zeros gives 0. Raises ArgumentError for a bad axis or a negative epsilon.
    """
    a, b = reals2("cosine_similarity", x, y)
    small = at_least_zero("cosine_similarity", "epsilon", epsilon)
    with composition("cosine_similarity" if name is None else name):
        dtype = a.type.dtype
        units = [F.l2_normalize(wide(t), axis, small) for t in (a, b)]
        return F.cast(F.sum(units[0] * units[1], axis), dtype)  # type: ignore[no-any-return]


@public
def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: Any = None,
    weights: Any = 1.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
    dim: Any = None,
) -> Tensor:
    """`1 - sum(labels * predictions)` along `axis` for vectors of length 1, weighted and reduced. A composition.

    The lengths are not looked at: `l2_normalize` makes them 1. axis: needed; `dim` is TensorFlow 1's old name of it.
    The losses that are weighted keep the axis with size 1.
    """
    a, b = pair("cosine_distance", labels, predictions)
    if axis is not None and dim is not None:
        raise ArgumentError(
            f"cosine_distance: axis={shorten(axis)} and dim={shorten(dim)} are two names of one argument; give one"
        )
    along = as_index(dim if axis is None else axis, "cosine_distance: axis")
    with composition("cosine_distance_loss" if name is None else name):
        losses = 1 - F.sum(a * b, along, keepdims=True)
        return reduced("cosine_distance", losses, weights, reduction)


# --- pairs ----------------------------------------------------------------------------------------


@public
def mean_pairwise_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, name: str | None = None
) -> Tensor:
    """How far the differences within each example are from what they should be: a scalar. A composition.

    With d = predictions - labels, an example of n elements adds the mean of (d_i - d_j)² over all its pairs: that is
    2 / (n - 1) times the sum of the squared distances of d from its mean. 0 where n < 2.
    labels, predictions: examples along the first axis, of known rank. weights: a number, a scalar, or one for each
        example: [batch] or [batch, 1, ...].
    Returns the sum over the examples. Raises ShapeError for other weights or an unknown rank.
    Source: TensorFlow 1's function of that name.
    """
    what = "mean_pairwise_squared_error"
    a, b = pair(what, labels, predictions)
    if a.type.shape is None or b.type.shape is None or not a.type.shape:
        raise ShapeError(f"{what}: labels and predictions need an axis of examples, got {a!r} and {b!r}")
    inner = tuple(range(1, len(a.type.shape)))
    with composition(what if name is None else name):
        d = wide(b - a)
        count = F.cast(F.size(d, inner), d.type.dtype)
        centred = d - F.mean(d, inner, keepdims=True)
        each = F.sum(F.square(centred), inner) * (2 / F.maximum(count - 1, 1))
        if type(weights) not in (int, float):
            weights = _one_each(what, weights, len(a.type.shape))
        return F.cast(reduced(what, each, weights, "sum"), a.type.dtype)  # type: ignore[no-any-return]


def _one_each(what: str, weights: Any, rank: int) -> Tensor:
    w = reals(what, weights)
    dims = w.type.shape
    if dims is None or len(dims) <= 1:
        return w
    if len(dims) != rank or any(dims_equal(d, 1) is False for d in dims[1:]):
        raise ShapeError(f"{what}: weights must be a scalar or one number for each example, got {w!r}")
    return F.squeeze(w, tuple(range(1, rank)))  # type: ignore[no-any-return]
