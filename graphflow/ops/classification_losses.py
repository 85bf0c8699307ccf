"""Losses of classes beyond softmax and sigmoid cross entropy: of probabilities, margins and hard examples.

All are compositions. `weights` and `reduction` are those of `losses`.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.cross_entropies import check_classes, sigmoid_cross_entropy_with_logits
from graphflow.ops.loss_reduction import BY_NONZERO, pair, reduced
from graphflow.ops.losses import smoothed
from graphflow.ops.moments import wide
from graphflow.ops.parameters import at_least_zero, fraction
from graphflow.ops.ufunc import operand, reals, reals2
from graphflow.types import as_index

__all__ = [
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "categorical_hinge_loss",
    "focal_loss",
    "nll_loss",
    "sparse_categorical_cross_entropy",
    "squared_hinge_loss",
    "weighted_cross_entropy_with_logits",
]

# --- cross entropies ------------------------------------------------------------------------------


@public
def binary_cross_entropy(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    epsilon: float = 1e-7,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`-z log(p) - (1 - z) log(1 - p)` of each element, weighted and reduced. A composition.

    labels: probabilities z. predictions: probabilities p, kept within [epsilon, 1 - epsilon]; or logits, which need no
        such care, where from_logits is True.
    label_smoothing: a fraction by which labels are moved towards 1/2.
    Raises ArgumentError for a fraction or epsilon outside its range, ShapeError unless both have one shape.
    """
    what = "binary_cross_entropy"
    z, p = pair(what, labels, predictions)
    small, logits = at_least_zero(what, "epsilon", epsilon), flag(from_logits, what, "from_logits")
    with composition(what if name is None else name):
        dtype = p.type.dtype
        z, p = smoothed(what, wide(z), label_smoothing, 2), wide(p)
        if logits:
            losses = sigmoid_cross_entropy_with_logits(labels=z, logits=p)
        else:
            p = F.clip(p, small, 1 - small)
            losses = -(z * F.log(p)) - (1 - z) * F.log1p(-p)
        return F.cast(reduced(what, losses, weights, reduction), dtype)  # type: ignore[no-any-return]


@public
def categorical_cross_entropy(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    epsilon: float = 1e-7,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`-sum(labels * log(predictions))` along `axis` for each example, weighted and reduced. A composition.

    labels: a probability for each class. predictions: probabilities, scaled to add up to 1 and kept within
        [epsilon, 1 - epsilon]; or logits where from_logits is True.
    label_smoothing: a fraction that is taken off the labels and spread over all classes.
    Raises ArgumentError for a fraction, epsilon or axis outside its range, ShapeError unless both have one shape.
    """
    what = "categorical_cross_entropy"
    p, q = pair(what, labels, predictions)
    along, logits = as_index(axis, f"{what}: axis"), flag(from_logits, what, "from_logits")
    with composition(what if name is None else name):
        part = fraction(what, "label_smoothing", label_smoothing)
        if part:
            p = p * (1 - part) + part / F.cast(F.size(p, along), p.type.dtype)
        losses = -F.sum(wide(p) * _logarithms(what, wide(q), logits, along, epsilon), along)
        return F.cast(reduced(what, losses, weights, reduction), q.type.dtype)  # type: ignore[no-any-return]


def _logarithms(what: str, q: Tensor, logits: bool, axis: int, epsilon: Any) -> Tensor:
    """Of probabilities along an axis, or of the softmax of logits."""
    small = at_least_zero(what, "epsilon", epsilon)
    if logits:
        return F.log_softmax(q, axis)  # type: ignore[no-any-return]
    scaled = q / F.sum(q, axis, keepdims=True)
    return F.log(F.clip(scaled, small, 1 - small))  # type: ignore[no-any-return]


@public
def sparse_categorical_cross_entropy(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    epsilon: float = 1e-7,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`categorical_cross_entropy` with the number of the true class for each example. A composition.

    labels: integers, of the shape of `predictions` without its last axis, that of the classes.
    Raises IndexRangeError for a class that there is not; else as `categorical_cross_entropy`.
    """
    what = "sparse_categorical_cross_entropy"
    classes, q = operand(what, labels), reals(what, predictions)
    check_classes(what, classes, "predictions", q)
    logits = flag(from_logits, what, "from_logits")
    with composition(what if name is None else name):
        part = fraction(what, "label_smoothing", label_smoothing)
        logarithms = _logarithms(what, wide(q), logits, -1, epsilon)
        losses = -_chosen(logarithms, classes)
        if part:
            losses = losses * (1 - part) - F.mean(logarithms, -1) * part
        return F.cast(reduced(what, losses, weights, reduction), q.type.dtype)  # type: ignore[no-any-return]


def _chosen(x: Tensor, classes: Tensor) -> Tensor:
    """The element of each row that its class names."""
    return F.squeeze(F.take_along_axis(x, F.expand_dims(classes, -1), axis=-1), -1)  # type: ignore[no-any-return]


@public
def nll_loss(
    labels: Any,
    log_probabilities: Any,
    weights: Any = 1.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """Minus the logarithm of the probability of each true class, weighted and reduced. A composition.

    labels: integers, of the shape of `log_probabilities` without its last axis, that of the classes.
    log_probabilities: what `log_softmax` gives. Raises IndexRangeError for a class that there is not.
    """
    classes, x = operand("nll_loss", labels), reals("nll_loss", log_probabilities)
    check_classes("nll_loss", classes, "log_probabilities", x)
    with composition("nll_loss" if name is None else name):
        return reduced("nll_loss", -_chosen(x, classes), weights, reduction)


@public
def weighted_cross_entropy_with_logits(
    labels: Any, logits: Any, pos_weight: Any, name: str | None = None
) -> Tensor:
    """`sigmoid_cross_entropy_with_logits` with what is lost on positive labels times `pos_weight`. A composition.

    pos_weight: numbers that broadcast with `logits`; above 1 they trade precision for recall. Returns a loss for
    each element: (1 - z) x + (1 + (q - 1) z) (log(1 + exp(-|x|)) + max(-x, 0)).
    Raises ShapeError unless labels and logits have one shape. Source: TensorFlow 1's function of that name.
    """
    what = "weighted_cross_entropy_with_logits"
    z, x = pair(what, labels, logits, "logits")
    x, q = reals2(what, x, pos_weight)
    z = F.cast(z, x.type.dtype)
    if x.type.shape is not None and q.type.shape is not None and len(q.type.shape) > len(x.type.shape):
        raise ShapeError(f"{what}: pos_weight {q.type} must broadcast to logits {x.type}")
    with composition("logistic_loss" if name is None else name) as scope:
        return F.add((1 - z) * x, ((q - 1) * z + 1) * F.softplus(-x), name=scope)  # type: ignore[no-any-return]


@public
def focal_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """Sigmoid cross entropy of each element times (1 - p_t)^gamma, weighted and reduced. A composition.

    p_t is the probability given to the truth: easy examples count less, the more so the larger gamma is.
    labels: 0 or 1, or probabilities. alpha: positive labels count `alpha`, negative ones `1 - alpha`; None: all 1.
    Raises ArgumentError for an alpha outside [0, 1] or a negative gamma, ShapeError unless both have one shape.
    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection".
    """
    what = "focal_loss"
    z, x = pair(what, labels, logits, "logits")
    power = at_least_zero(what, "gamma", gamma)
    share = None if alpha is None else fraction(what, "alpha", alpha)
    with composition(what if name is None else name):
        losses = sigmoid_cross_entropy_with_logits(labels=z, logits=x)
        if power:
            missed = F.sigmoid(-x) * z + F.sigmoid(x) * (1 - z)
            losses = losses * F.pow(missed, power)
        if share is not None:
            losses = losses * (z * (2 * share - 1) + (1 - share))
        return reduced(what, losses, weights, reduction)


# --- margins --------------------------------------------------------------------------------------


@public
def squared_hinge_loss(
    labels: Any, logits: Any, weights: Any = 1.0, reduction: str = BY_NONZERO, name: str | None = None
) -> Tensor:
    """`relu(1 - (2 labels - 1) logits)²` of each element, for labels 0 and 1, weighted and reduced. A composition."""
    a, b = pair("squared_hinge_loss", labels, logits, "logits")
    with composition("squared_hinge_loss" if name is None else name):
        losses = F.square(F.relu(1 - (a * 2 - 1) * b))
        return reduced("squared_hinge_loss", losses, weights, reduction)


@public
def categorical_hinge_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    axis: int = -1,
    reduction: str = BY_NONZERO,
    name: str | None = None,
) -> Tensor:
    """`relu(1 + largest wrong score - right score)` along `axis` for each example, weighted and reduced.

    A composition. labels: 1 for the right class, 0 for the others; a wrong score counts as 0 at least, as in Keras.
    """
    what = "categorical_hinge_loss"
    a, b = pair(what, labels, predictions)
    along = as_index(axis, f"{what}: axis")
    with composition(what if name is None else name):
        right = F.sum(a * b, along)
        wrong = F.max((1 - a) * b, along)
        return reduced(what, F.relu(wrong - right + 1), weights, reduction)
