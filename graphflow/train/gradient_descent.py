"""Plain gradient descent."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer

__all__ = ["GradientDescentOptimizer"]


class GradientDescentOptimizer(Optimizer):
    """Gradient descent: `w -= learning_rate * g`.

    learning_rate, name: see Optimizer. use_locking: taken for TensorFlow 1's sake; updates never race here.
    Source: Robbins and Monro 1951, "A stochastic approximation method".
    """

    _allows_complex = True

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(learning_rate, name)

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        return [var.assign_sub(grad * rate)]
