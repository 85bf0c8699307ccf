"""Cross entropies of logits, one loss for each example. All are compositions."""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.activations import axis_of, below_maximum, log_softmax
from graphflow.ops.loss_reduction import same_shape
from graphflow.ops.ufunc import operand, reals, reals2
from graphflow.types import dims_equal, is_integer

__all__ = [
    "check_classes",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
]


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
    same_shape(what, "labels", p, "logits", t)
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
    check_classes(what, classes, "logits", t)
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
    same_shape(what, "labels", z, "logits", x)
    with composition("logistic_loss" if name is None else name) as scope:
        positive = F.greater_equal(x, 0)  # chosen by `where`, so that the gradient at 0 is right
        linear = F.where(positive, x, 0) - x * z
        return F.add(linear, F.log1p(F.exp(F.where(positive, -x, x))), name=scope)  # type: ignore[no-any-return]


def check_classes(what: str, classes: Tensor, other: str, t: Tensor) -> None:
    """Raise DTypeError unless true classes are integers, ShapeError unless they fit all axes of `t` but the last."""
    if not is_integer(classes.type.dtype):
        raise DTypeError(
            f"{what}: labels must be integers, got {classes!r}; for probabilities leave out `sparse_`"
        )
    if classes.type.shape is not None and t.type.shape is not None:
        if len(classes.type.shape) != len(t.type.shape) - 1:
            raise ShapeError(f"{what}: labels {classes.type} need one axis less than {other} {t.type}")
        if any(dims_equal(a, b) is False for a, b in zip(classes.type.shape, t.type.shape, strict=False)):
            raise ShapeError(f"{what}: labels {classes.type} do not fit {other} {t.type}")
