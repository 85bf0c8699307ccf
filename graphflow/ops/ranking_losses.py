"""Losses of which is nearer or larger: triplets, pairs that match or not, and orders.

All are compositions. `weights` and `reduction` are those of `losses`.
"""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.loss_reduction import BY_NONZERO, pair, reduced, same_shape
from graphflow.ops.parameters import finite_number, positive_number
from graphflow.ops.ufunc import reals2
from graphflow.types import as_index

__all__ = ["contrastive_loss", "margin_ranking_loss", "triplet_loss"]


@public
def triplet_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    weights: Any = 1.0,
    axis: int = -1,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`relu(|anchor - positive| - |anchor - negative| + margin)`, Euclidean along `axis`, weighted and reduced.

    A composition. The gradient of a distance of 0 is 0.
    anchor, positive, negative: vectors along `axis`, of one shape. Raises ShapeError for others, ArgumentError for a
    margin that is not finite. Source: Schroff, Kalenichenko and Philbin 2015, with plain distances as in PyTorch.
    """
    what = "triplet_loss"
    a, p = reals2(what, anchor, positive)
    a, n = reals2(what, a, negative)
    p = F.cast(p, a.type.dtype)
    same_shape(what, "anchor", a, "positive", p)
    same_shape(what, "anchor", a, "negative", n)
    gap, along = finite_number(what, "margin", margin), as_index(axis, f"{what}: axis")
    with composition(what if name is None else name):
        near, far = F.vector_norm(a - p, along), F.vector_norm(a - n, along)
        return reduced(what, F.relu(near - far + gap), weights, reduction)


@public
def contrastive_loss(
    labels: Any,
    distances: Any,
    margin: float = 1.0,
    weights: Any = 1.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`z d² + (1 - z) relu(margin - d)²` of each pair, weighted and reduced. A composition.

    labels: 1 for a pair that matches, 0 for one that does not. distances: how far apart its two embeddings are.
    Raises ArgumentError for a margin that is not positive, ShapeError unless both have one shape.
    Source: Hadsell, Chopra and LeCun 2006, without its factor 1/2, as in TensorFlow.
    """
    what = "contrastive_loss"
    z, d = pair(what, labels, distances, "distances")
    gap = positive_number(what, "margin", margin)
    with composition(what if name is None else name):
        losses = z * F.square(d) + (1 - z) * F.square(F.relu(gap - d))
        return reduced(what, losses, weights, reduction)


@public
def margin_ranking_loss(
    labels: Any,
    first: Any,
    second: Any,
    margin: float = 0.0,
    weights: Any = 1.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`relu(margin - labels * (first - second))` of each pair of scores, weighted and reduced. A composition.

    labels: 1 where the first score should be the larger, -1 where the second should.
    Raises ArgumentError for a margin that is not finite, ShapeError unless all have one shape.
    """
    what = "margin_ranking_loss"
    a, b = reals2(what, first, second)
    a, y = reals2(what, a, labels)
    b = F.cast(b, a.type.dtype)
    same_shape(what, "first", a, "second", b)
    same_shape(what, "labels", y, "first", a)
    gap = finite_number(what, "margin", margin)
    with composition(what if name is None else name):
        return reduced(what, F.relu(gap - y * (a - b)), weights, reduction)
