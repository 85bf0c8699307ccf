"""Gradient descent with momentum, Polyak's or Nesterov's."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.ops.arguments import flag
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer
from graphflow.train.parameters import number_or_tensor, valued

__all__ = ["MomentumOptimizer"]


class MomentumOptimizer(Optimizer):
    """Momentum: the gradients of past steps add up, each weaker than the next.

        a  = momentum * a + g
        w -= learning_rate * a                              Polyak
        w -= learning_rate * (g + momentum * a)             Nesterov, with the new a

    momentum: a number of at least 0, or a scalar tensor. use_nesterov: which of the two.
    learning_rate, name: see Optimizer. use_locking: taken for TensorFlow 1's sake.
    Slots: "momentum", made as `w/Momentum`.
    Sources: Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Sutskever et al.
    2013, "On the importance of initialization and momentum in deep learning".
    """

    _allows_complex = True

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(learning_rate, name)
        self._momentum = number_or_tensor(momentum, f"{name}: momentum")
        self._use_nesterov = flag(use_nesterov, name, "use_nesterov")

    def _create_slots(self, var: Variable) -> None:
        self._slot(var, "momentum")

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        slot = self._slot(var, "momentum")
        momentum = valued(self._momentum, var.dtype)
        new = slot.assign(slot.read() * momentum + grad)
        step = grad + new * momentum if self._use_nesterov else new
        return [new, var.assign_sub(step * rate)]
