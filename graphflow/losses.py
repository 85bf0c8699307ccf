"""`gf.losses`: TensorFlow 1's losses, which join a collection, and the totals of what is in it.

The same losses under `gf.nn` join nothing. Each takes `weights` and a `reduction`, as described there; `scope` is the
name of the result; a `loss_collection` of None collects nothing.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, GraphError, shorten
from graphflow.graph import GraphKeys, Tensor, composition, get_collection
from graphflow.op import F
from graphflow.ops import losses as plain
from graphflow.ops import regression_losses as regression
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_tensor
from graphflow.ops.loss_reduction import BY_NONZERO, Reduction, reduced
from graphflow.ops.ufunc import reals

__all__ = [
    "Reduction",
    "absolute_difference",
    "add_loss",
    "compute_weighted_loss",
    "cosine_distance",
    "get_losses",
    "get_regularization_loss",
    "get_regularization_losses",
    "get_total_loss",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "mean_pairwise_squared_error",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]

LOSSES = GraphKeys.LOSSES

# --- the collection -------------------------------------------------------------------------------


def add_loss(loss: Any, loss_collection: str | None = LOSSES) -> None:
    """Put a loss of one's own into the collection."""
    _collected(as_tensor(loss), loss_collection)


def _collected(loss: Tensor, collection: Any) -> Tensor:
    if collection is not None:
        if not isinstance(collection, str):
            raise ArgumentError(f"losses: loss_collection must be a name or None, not {shorten(collection)}")
        loss.graph.add_to_collection(collection, loss)
    return loss


def get_losses(scope: str | None = None, loss_collection: str = LOSSES) -> list[Tensor]:
    """The losses collected so far in the default graph, those in the name scope `scope` where it is given."""
    return get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Tensor]:
    """The losses that regularizers of variables gave."""
    return get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Tensor:
    """The sum of the losses of regularizers: a scalar, 0 where there are none."""
    losses = get_regularization_losses(scope)
    if not losses:
        return F.constant(0.0, name=name)  # type: ignore[no-any-return]
    with composition(name):
        return F.add_n(losses) + 0  # type: ignore[no-any-return]


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of all collected losses, with those of regularizers unless they are not wanted: a scalar.

    scope: only those in that name scope. Raises GraphError where nothing was collected.
    """
    losses = get_losses(scope)
    if flag(add_regularization_losses, "get_total_loss", "add_regularization_losses"):
        losses = losses + get_regularization_losses(scope)
    if not losses:
        raise GraphError("get_total_loss: no loss was collected; use the functions of gf.losses, or add_loss")
    with composition(name):
        return F.add_n(losses) + 0  # type: ignore[no-any-return]


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """The losses of single elements, weighted and reduced."""
    t = reals("compute_weighted_loss", losses)
    with composition("weighted_loss" if scope is None else scope):
        result = reduced("compute_weighted_loss", t, weights, reduction)
        result = F.identity(result) if result is t else result
    return _collected(result, loss_collection)


# --- cross entropies ------------------------------------------------------------------------------


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.softmax_cross_entropy`, collected."""
    loss = plain.softmax_cross_entropy(onehot_labels, logits, weights, label_smoothing, reduction, scope)
    return _collected(loss, loss_collection)


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.sparse_softmax_cross_entropy`, collected."""
    return _collected(
        plain.sparse_softmax_cross_entropy(labels, logits, weights, reduction, scope), loss_collection
    )


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.sigmoid_cross_entropy`, collected."""
    loss = plain.sigmoid_cross_entropy(multi_class_labels, logits, weights, label_smoothing, reduction, scope)
    return _collected(loss, loss_collection)


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.log_loss`, collected."""
    return _collected(
        plain.log_loss(labels, predictions, weights, epsilon, reduction, scope), loss_collection
    )


# --- differences, margins and directions ----------------------------------------------------------


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.mean_squared_error`, collected."""
    return _collected(
        plain.mean_squared_error(labels, predictions, weights, reduction, scope), loss_collection
    )


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.absolute_difference`, collected."""
    return _collected(
        plain.absolute_difference(labels, predictions, weights, reduction, scope), loss_collection
    )


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.huber_loss`, collected."""
    return _collected(
        plain.huber_loss(labels, predictions, weights, delta, reduction, scope), loss_collection
    )


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
) -> Tensor:
    """`gf.nn.hinge_loss`, collected."""
    return _collected(plain.hinge_loss(labels, logits, weights, reduction, scope), loss_collection)


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: Any = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
    reduction: str = BY_NONZERO,
    dim: Any = None,
) -> Tensor:
    """`gf.nn.cosine_distance`, collected."""
    loss = regression.cosine_distance(labels, predictions, axis, weights, reduction, scope, dim)
    return _collected(loss, loss_collection)


def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = LOSSES,
) -> Tensor:
    """`gf.nn.mean_pairwise_squared_error`, collected."""
    loss = regression.mean_pairwise_squared_error(labels, predictions, weights, scope)
    return _collected(loss, loss_collection)
