"""Losses: cross entropies of logits, and means of differences. All are compositions.

The ones called `..._with_logits` give a loss for each example; the others the mean over all elements, as
TensorFlow 1's `tf.losses` do: weighted, and divided by the number of weights that are not 0.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.activations import axis_of, below_maximum, log_softmax
from graphflow.ops.constant import python_number
from graphflow.ops.ufunc import operand, reals, reals2
from graphflow.types import dims_equal, is_integer

__all__ = [
    "absolute_difference",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy",
    "sparse_softmax_cross_entropy_with_logits",
]

# --- cross entropies, one for each example --------------------------------------------------------


@public
def softmax_cross_entropy_with_logits(
    *, labels: Any, logits: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Tensor:
    """`-sum(labels * log_softmax(logits))` along `axis`, the last one by default.

    labels: a probability for each class, of the shape of `logits`; gradients flow to them too.
    logits: real numbers, one for each class. Returns their shape without `axis`.
    Source: TensorFlow 1's function of that name.
    """
    what = "softmax_cross_entropy_with_logits"
    axis = axis_of(what, axis, dim)
    p, t = reals2(what, labels, logits)
    _same_shape(what, "labels", p, "logits", t)
    with composition(what if name is None else name) as scope:
        return F.negative(F.sum(p * log_softmax(t, axis), axis=axis), name=scope)  # type: ignore[no-any-return]


@public
def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Tensor:
    """The cross entropy of one true class for each example, along the last axis of `logits`.

    labels: integers, the true classes, of the shape of `logits` without its last axis.
    logits: real numbers, one for each class. Returns the shape of `labels`.
    Raises IndexRangeError for a class that there is not. Source: TensorFlow 1's function of that name.
    """
    what = "sparse_softmax_cross_entropy_with_logits"
    classes, t = operand(what, labels), reals(what, logits)
    if not is_integer(classes.type.dtype):
        raise DTypeError(
            f"{what}: labels must be integers, got {classes!r}; for probabilities leave out `sparse_`"
        )
    if classes.type.shape is not None and t.type.shape is not None:
        if len(classes.type.shape) != len(t.type.shape) - 1:
            raise ShapeError(f"{what}: labels {classes.type} need one axis less than logits {t.type}")
        if any(dims_equal(a, b) is False for a, b in zip(classes.type.shape, t.type.shape, strict=False)):
            raise ShapeError(f"{what}: labels {classes.type} do not fit logits {t.type}")
    with composition(what if name is None else name) as scope:
        z = below_maximum(t, -1)
        chosen = F.take_along_axis(z, F.expand_dims(classes, -1), axis=-1)
        total = F.log(F.sum(F.exp(z), axis=-1))
        return F.subtract(total, F.squeeze(chosen, -1), name=scope)  # type: ignore[no-any-return]


@public
def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Tensor:
    """`-labels * log(sigmoid(logits)) - (1 - labels) * log(1 - sigmoid(logits))`, without overflow.

    labels: probabilities, of the shape of `logits`. Returns that shape.
    Computed as max(x, 0) - x z + log(1 + exp(-|x|)). Source: TensorFlow 1's function of that name.
    """
    what = "sigmoid_cross_entropy_with_logits"
    z, x = reals2(what, labels, logits)
    _same_shape(what, "labels", z, "logits", x)
    with composition("logistic_loss" if name is None else name) as scope:
        positive = F.greater_equal(x, 0)  # chosen by `where`, so that the gradient at 0 is right
        linear = F.where(positive, x, 0) - x * z
        return F.add(linear, F.log1p(F.exp(F.where(positive, -x, x))), name=scope)  # type: ignore[no-any-return]


# --- means ----------------------------------------------------------------------------------------


@public
def softmax_cross_entropy(
    onehot_labels: Any, logits: Any, weights: Any = 1.0, name: str | None = None
) -> Tensor:
    """The weighted mean of `softmax_cross_entropy_with_logits`: a scalar."""
    with composition("softmax_cross_entropy_loss" if name is None else name):
        return _mean(softmax_cross_entropy_with_logits(labels=onehot_labels, logits=logits), weights)


@public
def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = 1.0, name: str | None = None
) -> Tensor:
    """The weighted mean of `sparse_softmax_cross_entropy_with_logits`: a scalar."""
    with composition("sparse_softmax_cross_entropy_loss" if name is None else name):
        return _mean(sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), weights)


@public
def sigmoid_cross_entropy(
    multi_class_labels: Any, logits: Any, weights: Any = 1.0, name: str | None = None
) -> Tensor:
    """The weighted mean of `sigmoid_cross_entropy_with_logits`: a scalar."""
    with composition("sigmoid_cross_entropy_loss" if name is None else name):
        return _mean(sigmoid_cross_entropy_with_logits(labels=multi_class_labels, logits=logits), weights)


@public
def mean_squared_error(labels: Any, predictions: Any, weights: Any = 1.0, name: str | None = None) -> Tensor:
    """The weighted mean of `(predictions - labels)²`: a scalar. Both need one shape."""
    a, b = _pair("mean_squared_error", labels, predictions)
    with composition("mean_squared_error" if name is None else name):
        return _mean(F.square(b - a), weights)


@public
def absolute_difference(labels: Any, predictions: Any, weights: Any = 1.0, name: str | None = None) -> Tensor:
    """The weighted mean of `|predictions - labels|`: a scalar. Both need one shape."""
    a, b = _pair("absolute_difference", labels, predictions)
    with composition("absolute_difference" if name is None else name):
        return _mean(F.abs(b - a), weights)


@public
def huber_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, delta: float = 1.0, name: str | None = None
) -> Tensor:
    """The weighted mean of e²/2 where |e| ≤ delta, else `delta * (|e| - delta / 2)`: a scalar.

    delta: a positive number. Raises ArgumentError for another. Source: Huber 1964.
    """
    a, b = _pair("huber_loss", labels, predictions)
    edge = python_number(delta, "huber_loss: delta")
    if not edge > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, not {edge}")
    with composition("huber_loss" if name is None else name):
        error = b - a
        size = F.abs(error)
        return _mean(
            F.where(F.less_equal(size, edge), F.square(error) * 0.5, (size - edge / 2) * edge), weights
        )


@public
def hinge_loss(labels: Any, logits: Any, weights: Any = 1.0, name: str | None = None) -> Tensor:
    """The weighted mean of `relu(1 - (2 labels - 1) logits)` for labels 0 and 1: a scalar."""
    a, b = _pair("hinge_loss", labels, logits)
    with composition("hinge_loss" if name is None else name):
        return _mean(F.relu(1 - (a * 2 - 1) * b), weights)


@public
def log_loss(
    labels: Any, predictions: Any, weights: Any = 1.0, epsilon: float = 1e-7, name: str | None = None
) -> Tensor:
    """The weighted mean of `-z log(p + epsilon) - (1 - z) log(1 - p + epsilon)`: a scalar."""
    z, p = _pair("log_loss", labels, predictions)
    small = python_number(epsilon, "log_loss: epsilon")
    with composition("log_loss" if name is None else name):
        return _mean(-(z * F.log(p + small)) - (1 - z) * F.log(1 - p + small), weights)


def _pair(what: str, labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    a, b = reals2(what, labels, predictions)
    _same_shape(what, "labels", a, "predictions", b)
    return a, b


def _same_shape(what: str, one: str, a: Tensor, other: str, b: Tensor) -> None:
    """Refuse broadcasting, which in a loss is a mistake: [n] against [n, 1] would give [n, n]."""
    first, second = a.type.shape, b.type.shape
    if first is None or second is None:
        return
    if len(first) != len(second) or any(
        dims_equal(p, q) is False for p, q in zip(first, second, strict=True)
    ):
        raise ShapeError(f"{what}: {one} and {other} need one shape, got {a.type} and {b.type}")


def _mean(loss: Tensor, weights: Any) -> Tensor:
    """sum(loss * weights) / (number of weights that are not 0, each counted as often as it is used)."""
    if type(weights) in (int, float):
        mean: Tensor = F.mean(loss)
        return mean if weights == 1 else F.multiply(mean, python_number(weights, "weights"))
    w = reals("weights", weights)
    used = F.broadcast_to_like(F.cast(F.not_equal(w, 0), loss.type.dtype), loss)
    total = F.sum(loss * F.cast(w, loss.type.dtype))
    return F.divide(total, F.maximum(F.sum(used), 1))  # type: ignore[no-any-return]
