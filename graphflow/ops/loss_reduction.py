"""How losses of single elements become one number: weights, and the ways of TensorFlow 1 to divide by their sum."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.constant import python_number
from graphflow.ops.moments import wide
from graphflow.ops.ufunc import reals, reals2
from graphflow.types import dims_equal

__all__ = ["BY_NONZERO", "Reduction", "pair", "reduced", "reduction_of", "same_shape"]


class Reduction:
    """What a loss does with the losses of its elements, as TensorFlow 1 spells it.

    NONE: gives them all, weighted. SUM: adds them up. MEAN: divides that by the sum of the weights.
    SUM_OVER_BATCH_SIZE: by the number of elements. SUM_BY_NONZERO_WEIGHTS: by the number of elements whose weight is
    not 0. Wherever a text is taken, "weighted_" may be left out.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Every reduction."""
        return cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def validate(cls, key: Any) -> None:
        """Raise ArgumentError unless `key` is a reduction."""
        reduction_of("Reduction.validate", key)


BY_NONZERO = Reduction.SUM_BY_NONZERO_WEIGHTS


def reduction_of(what: str, value: Any) -> str:
    """A reduction in full. Raises ArgumentError, naming `what`, for what is none."""
    if isinstance(value, str):
        for full in Reduction.all():
            if value in (full, full.removeprefix("weighted_")):
                return full
    listed = ", ".join(map(repr, Reduction.all()))
    raise ArgumentError(f"{what}: reduction must be one of {listed}, not {shorten(value)}")


# --- shapes ---------------------------------------------------------------------------------------


def same_shape(what: str, one: str, a: Tensor, other: str, b: Tensor) -> None:
    """Refuse broadcasting, which in a loss is a mistake: [n] against [n, 1] would give [n, n]."""
    first, second = a.type.shape, b.type.shape
    if first is None or second is None:
        return
    if len(first) != len(second) or any(
        dims_equal(p, q) is False for p, q in zip(first, second, strict=True)
    ):
        raise ShapeError(f"{what}: {one} and {other} need one shape, got {a.type} and {b.type}")


def pair(what: str, labels: Any, predictions: Any, other: str = "predictions") -> tuple[Tensor, Tensor]:
    """Labels and predictions in one real dtype. Raises ShapeError unless both have one shape."""
    a, b = reals2(what, labels, predictions)
    same_shape(what, "labels", a, other, b)
    return a, b


def _check_weights(what: str, weights: Tensor, loss: Tensor) -> None:
    given, dims = weights.type.shape, loss.type.shape
    if given is None or dims is None or not given:
        return
    if len(given) != len(dims) or any(
        dims_equal(p, q) is False and not (type(p) is int and p == 1)
        for p, q in zip(given, dims, strict=True)
    ):
        raise ShapeError(
            f"{what}: weights {weights.type} must be a scalar, or have the axes of the losses {loss.type}, "
            "of the same sizes or 1"
        )


# --- reductions -----------------------------------------------------------------------------------


def _mean(x: Tensor) -> Tensor:
    """The mean of all elements; 0 where there are none."""
    if x.type.is_static and x.type.size != 0:
        return F.mean(x)  # type: ignore[no-any-return]
    return F.sum(x) / F.cast(F.maximum(F.size(x), 1), x.type.dtype)  # type: ignore[no-any-return]


def _over(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, 0 where the count is."""
    none = F.equal(count, 0)
    return F.where(none, 0, total / F.where(none, 1, count))  # type: ignore[no-any-return]


def reduced(what: str, loss: Tensor, weights: Any, reduction: Any) -> Tensor:
    """The losses of single elements weighted and reduced; 16-bit floats are added in float32.

    weights: a number, a scalar, or a tensor with as many axes as the losses, each of their size or 1. Gradients
        flow to them. Raises ShapeError for others, ArgumentError for another reduction.
    """
    kind = reduction_of(what, reduction)
    dtype = loss.type.dtype
    if type(weights) in (int, float):
        number = python_number(weights, f"{what}: weights")
        result = _reduced_evenly(loss, number, kind)
    else:
        w = reals(f"{what}: weights", weights)
        _check_weights(what, w, loss)
        loss = wide(loss)
        result = _reduced(loss, F.cast(w, loss.type.dtype), kind)
    return F.cast(result, dtype)  # type: ignore[no-any-return]


def _reduced_evenly(loss: Tensor, weight: float, kind: str) -> Tensor:
    """One known weight for all."""
    if kind == Reduction.NONE:
        return loss if weight == 1 else loss * weight
    loss = wide(loss)
    total: Tensor = F.sum(loss) if kind == Reduction.SUM else _mean(loss)
    if weight == 1 or (kind == Reduction.MEAN and weight):
        return total
    return total * weight  # type: ignore[no-any-return]


def _reduced(loss: Tensor, weights: Tensor, kind: str) -> Tensor:
    weighted = loss * weights
    if kind == Reduction.NONE:
        return weighted  # type: ignore[no-any-return]
    if kind == Reduction.SUM_OVER_BATCH_SIZE:
        return _mean(weighted)
    total: Tensor = F.sum(weighted)
    if kind == Reduction.SUM:
        return total
    if kind == Reduction.MEAN:
        return _over(total, F.sum(F.broadcast_to_like(weights, loss)))
    used = F.broadcast_to_like(F.cast(F.not_equal(weights, 0), loss.type.dtype), loss)
    return total / F.maximum(F.sum(used), 1)  # type: ignore[no-any-return]
