"""AdaGrad: each element's rate falls with the sum of its squared gradients."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer
from graphflow.train.parameters import number

__all__ = ["AdagradOptimizer"]


class AdagradOptimizer(Optimizer):
    """AdaGrad, element by element.

        a += g * g
        w -= learning_rate * g / sqrt(a)

    initial_accumulator_value: what `a` begins with; above 0, since there is no epsilon.
    learning_rate, name: see Optimizer. use_locking: taken for TensorFlow 1's sake.
    Slots: "accumulator", made as `w/Adagrad`.
    Source: Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization".
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(learning_rate, name)
        self._initial = number(initial_accumulator_value, f"{name}: initial_accumulator_value", above=True)

    def _create_slots(self, var: Variable) -> None:
        self._slot(var, "accumulator", self._initial)

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        new = self._slot(var, "accumulator").assign_add(grad * grad)
        return [new, var.assign_sub(grad * rate / F.sqrt(new))]
