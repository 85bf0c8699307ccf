"""AdaDelta: steps in the units of the variable, from two moving averages."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer
from graphflow.train.parameters import number

__all__ = ["AdadeltaOptimizer"]


class AdadeltaOptimizer(Optimizer):
    """AdaDelta, element by element.

        a += (1 - rho) * (g * g - a)
        d  = sqrt(u + epsilon) / sqrt(a + epsilon) * g
        u += (1 - rho) * (d * d - u)
        w -= learning_rate * d

    rho: in [0, 1]. epsilon: above 0; it sets the first steps. The paper's learning rate is 1.
    learning_rate, name: see Optimizer. use_locking: taken for TensorFlow 1's sake.
    Slots: "accum" (a) and "accum_update" (u), made as `w/Adadelta` and `w/Adadelta_1`.
    Source: Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(learning_rate, name)
        self._rho = number(rho, f"{name}: rho", 0.0, 1.0)
        self._epsilon = number(epsilon, f"{name}: epsilon", above=True)

    def _create_slots(self, var: Variable) -> None:
        self._slot(var, "accum")
        self._slot(var, "accum_update")

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        accum, moved = self._slot(var, "accum"), self._slot(var, "accum_update")
        before = moved.read()
        square = accum.assign_add((grad * grad - accum.read()) * (1.0 - self._rho))
        step = F.sqrt(before + self._epsilon) / F.sqrt(square + self._epsilon) * grad
        new = moved.assign_add((step * step - before) * (1.0 - self._rho))
        return [square, new, var.assign_sub(step * rate)]
