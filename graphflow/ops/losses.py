"""Losses as one number: weighted means of cross entropies and of differences. All are compositions.

Each takes `weights` (a number, or a tensor with as many axes as the losses of the elements, each of their size or 1)
and a `reduction`, one of `gf.losses.Reduction`: by default the weighted sum over the number of weights that are not 0.
The functions of `gf.losses` are the same, but remember what they give.
"""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.cross_entropies import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from graphflow.ops.loss_reduction import BY_NONZERO, pair, reduced
from graphflow.ops.parameters import at_least_zero, fraction, positive_number
from graphflow.ops.ufunc import reals2

__all__ = [
    "absolute_difference",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_with_logits",
    "smoothed",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy",
    "sparse_softmax_cross_entropy_with_logits",
]

# --- cross entropies ------------------------------------------------------------------------------


def smoothed(what: str, labels: Tensor, smoothing: Any, classes: int | None) -> Tensor:
    """Labels moved by a fraction in [0, 1] towards the uniform distribution over so many classes.

    classes: None for the size of the last axis.
    """
    part = fraction(what, "label_smoothing", smoothing)
    if not part:
        return labels
    count: Any = classes
    if classes is None:
        dims = labels.type.shape
        known = dims[-1] if dims else None
        count = max(known, 1) if isinstance(known, int) else F.cast(F.size(labels, -1), labels.type.dtype)
    return labels * (1 - part) + part / count  # type: ignore[no-any-return]


@public
def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`softmax_cross_entropy_with_logits` of each example, weighted and reduced.

    label_smoothing: a fraction that is taken off the labels and spread over all classes.
    Raises ArgumentError for one outside [0, 1] or another reduction, ShapeError for shapes that do not fit.
    """
    what = "softmax_cross_entropy"
    p, x = reals2(what, onehot_labels, logits)
    with composition("softmax_cross_entropy_loss" if name is None else name):
        p = smoothed(what, p, label_smoothing, None)
        losses = softmax_cross_entropy_with_logits(labels=p, logits=x)
        return reduced(what, losses, weights, reduction)


@public
def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`sparse_softmax_cross_entropy_with_logits` of each example, weighted and reduced."""
    with composition("sparse_softmax_cross_entropy_loss" if name is None else name):
        losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        return reduced("sparse_softmax_cross_entropy", losses, weights, reduction)


@public
def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`sigmoid_cross_entropy_with_logits` of each element, weighted and reduced.

    label_smoothing: a fraction by which labels are moved towards 1/2.
    Raises ArgumentError for one outside [0, 1] or another reduction, ShapeError for shapes that do not fit.
    """
    what = "sigmoid_cross_entropy"
    z, x = reals2(what, multi_class_labels, logits)
    with composition("sigmoid_cross_entropy_loss" if name is None else name):
        z = smoothed(what, z, label_smoothing, 2)
        losses = sigmoid_cross_entropy_with_logits(labels=z, logits=x)
        return reduced(what, losses, weights, reduction)


@public
def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`-z log(p + epsilon) - (1 - z) log(1 - p + epsilon)` of each element, weighted and reduced.

    labels, predictions: probabilities of one shape. Raises ArgumentError for a negative epsilon.
    """
    z, p = pair("log_loss", labels, predictions)
    small = at_least_zero("log_loss", "epsilon", epsilon)
    with composition("log_loss" if name is None else name):
        losses = -(z * F.log(p + small)) - (1 - z) * F.log(1 - p + small)
        return reduced("log_loss", losses, weights, reduction)


# --- differences ----------------------------------------------------------------------------------


@public
def mean_squared_error(
    labels: Any, predictions: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`(predictions - labels)²` of each element, weighted and reduced. Both need one shape."""
    a, b = pair("mean_squared_error", labels, predictions)
    with composition("mean_squared_error" if name is None else name):
        return reduced("mean_squared_error", F.square(b - a), weights, reduction)


@public
def absolute_difference(
    labels: Any, predictions: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`|predictions - labels|` of each element, weighted and reduced. Both need one shape."""
    a, b = pair("absolute_difference", labels, predictions)
    with composition("absolute_difference" if name is None else name):
        return reduced("absolute_difference", F.abs(b - a), weights, reduction)


@public
def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """e²/2 where |e| ≤ delta, else `delta * (|e| - delta / 2)`, of each element, weighted and reduced.

    delta: a positive number. Raises ArgumentError for another. Source: Huber 1964.
    """
    a, b = pair("huber_loss", labels, predictions)
    edge = positive_number("huber_loss", "delta", delta)
    with composition("huber_loss" if name is None else name):
        error = b - a
        size = F.abs(error)
        losses = F.where(F.less_equal(size, edge), F.square(error) * 0.5, (size - edge / 2) * edge)
        return reduced("huber_loss", losses, weights, reduction)


@public
def hinge_loss(
    labels: Any, logits: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`relu(1 - (2 labels - 1) logits)` of each element, for labels 0 and 1, weighted and reduced."""
    a, b = pair("hinge_loss", labels, logits)
    with composition("hinge_loss" if name is None else name):
        return reduced("hinge_loss", F.relu(1 - (a * 2 - 1) * b), weights, reduction)
