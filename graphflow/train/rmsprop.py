"""RMSProp: each element's rate falls with a moving average of its squared gradients."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer
from graphflow.train.parameters import number, number_or_tensor, valued

__all__ = ["RMSPropOptimizer"]


class RMSPropOptimizer(Optimizer):
    """RMSProp, element by element.

        r  += (1 - decay) * (g * g - r)
        mg += (1 - decay) * (g - mg)                                 centered only, else mg = 0
        m   = momentum * m + learning_rate * g / sqrt(r - mg * mg + epsilon)
        w  -= m

    r begins at 1, as in TensorFlow 1. decay: in [0, 1]. momentum: at least 0, or a scalar tensor.
    epsilon: at least 0, below the root. centered: divide by the estimated deviation of the gradient.
    learning_rate, name: see Optimizer. use_locking: taken for TensorFlow 1's sake.
    Slots: "rms", "mg" where centered, and "momentum", made as `w/RMSProp`, `w/RMSProp_1`, ...
    Sources: Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning"; centered: Graves
    2013, "Generating sequences with recurrent neural networks", equations 38 to 41.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: float = 0.9,
        momentum: Any = 0.0,
        epsilon: float = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(learning_rate, name)
        self._decay = number(decay, f"{name}: decay", 0.0, 1.0)
        self._momentum = number_or_tensor(momentum, f"{name}: momentum")
        self._epsilon = number(epsilon, f"{name}: epsilon")
        self._centered = flag(centered, name, "centered")

    def _create_slots(self, var: Variable) -> None:
        self._slot(var, "rms", 1.0)
        if self._centered:
            self._slot(var, "mg")
        self._slot(var, "momentum")

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        rms, slot = self._slot(var, "rms"), self._slot(var, "momentum")
        plain = isinstance(self._momentum, float) and self._momentum == 0.0
        carried = None if plain else slot.read() * valued(self._momentum, var.dtype)
        square = rms.assign_add((grad * grad - rms.read()) * (1.0 - self._decay))
        writes = [square]
        if self._centered:
            mean = self._slot(var, "mg")
            centre = mean.assign_add((grad - mean.read()) * (1.0 - self._decay))
            writes.append(centre)
            square = square - centre * centre
        step = grad * rate / F.sqrt(square + self._epsilon)
        new = slot.assign(step if carried is None else carried + step)
        return [*writes, new, var.assign_sub(new)]
