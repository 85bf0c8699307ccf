"""Penalties on weights: functions of a variable's value that give a scalar, for `get_variable` and the layers."""

from __future__ import annotations

from collections.abc import Callable

from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.parameters import at_least_zero

__all__ = ["l1_l2_regularizer", "l1_regularizer", "l2_regularizer"]

Regularizer = Callable[[Tensor], Tensor]


def l1_regularizer(scale: float) -> Regularizer:
    """`scale * sum(|w|)`."""
    weight = at_least_zero("l1_regularizer", "scale", scale)
    return lambda w: F.multiply(F.sum(F.abs(w)), weight)


def l2_regularizer(scale: float) -> Regularizer:
    """`scale * sum(w ** 2) / 2`, TensorFlow 1's `l2_loss` times the scale."""
    weight = at_least_zero("l2_regularizer", "scale", scale)
    return lambda w: F.multiply(F.l2_loss(w), weight)


def l1_l2_regularizer(scale_l1: float = 1.0, scale_l2: float = 1.0) -> Regularizer:
    """The sum of both."""
    first, second = l1_regularizer(scale_l1), l2_regularizer(scale_l2)
    return lambda w: first(w) + second(w)
