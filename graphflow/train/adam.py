"""Adam, and AdamW with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.graph import Graph, Tensor
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer
from graphflow.train.parameters import number, valued
from graphflow.types import SUPPORTED, promote

__all__ = ["AdamOptimizer", "AdamWOptimizer"]


class AdamOptimizer(Optimizer):
    """Adam, element by element; at step t = 1, 2, ...

        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        w -= learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

    beta1, beta2: in [0, 1). epsilon: at least 0; it is added to the root before the correction by t ("epsilon
        hat" of the paper), as TensorFlow does; PyTorch adds it after. In float16, 1e-8 is 0.
    learning_rate, name: see Optimizer. use_locking: taken for TensorFlow 1's sake.
    Slots: "m" and "v", made as `w/Adam` and `w/Adam_1`; the powers are `beta1_power` and `beta2_power`, in
    float32 or in the widest dtype of the variables.
    Source: Kingma and Ba 2015, "Adam: a method for stochastic optimization", end of section 2.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(learning_rate, name)
        self._beta1 = number(beta1, f"{name}: beta1", 0.0, 1.0, below=True)
        self._beta2 = number(beta2, f"{name}: beta2", 0.0, 1.0, below=True)
        self._epsilon = number(epsilon, f"{name}: epsilon")

    def _create_slots(self, var: Variable) -> None:
        self._slot(var, "m")
        self._slot(var, "v")

    def _create_own(self, graph: Graph, variables: Sequence[Variable]) -> None:
        dtype = SUPPORTED["float32"]
        for v in variables:
            dtype = promote(dtype, v.dtype)
        self._own_scalar(graph, "beta1_power", self._beta1, dtype)
        self._own_scalar(graph, "beta2_power", self._beta2, dtype)

    def _powers(self, graph: Graph) -> tuple[tuple[Variable, float], tuple[Variable, float]]:
        return (self._own[graph, "beta1_power"], self._beta1), (self._own[graph, "beta2_power"], self._beta2)

    def _prepare(self, graph: Graph, rate: Any) -> tuple[Any, ...]:
        (power1, _), (power2, _) = self._powers(graph)
        return (valued(rate, power1.dtype) * F.sqrt(1.0 - power2.read()) / (1.0 - power1.read()),)

    def _moments(self, var: Variable, grad: Tensor) -> tuple[Tensor, Tensor]:
        """The new averages of the gradient and of its square."""
        m, v = self._slot(var, "m"), self._slot(var, "v")
        mean = m.assign_add((grad - m.read()) * (1.0 - self._beta1))
        square = v.assign_add((grad * grad - v.read()) * (1.0 - self._beta2))
        return mean, square

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        mean, square = self._moments(var, grad)
        return [mean, square, var.assign_sub(mean * rate / (F.sqrt(square) + self._epsilon))]

    def _finish(self, graph: Graph) -> list[Any]:
        return [power.assign(power.read() * beta) for power, beta in self._powers(graph)]


class AdamWOptimizer(AdamOptimizer):
    """Adam with decoupled weight decay: Adam's step, and

        w -= learning_rate * weight_decay * w               with w from before the step

    weight_decay: at least 0. It is not part of the gradient, so the averages m and v know nothing of it.
    The other arguments and the slots are those of AdamOptimizer.
    Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2, with the learning
    rate as schedule multiplier, as PyTorch and Optax have it.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        use_locking: bool = False,
        name: str = "AdamW",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)
        self._weight_decay = number(weight_decay, f"{name}: weight_decay")

    def _prepare(self, graph: Graph, rate: Any) -> tuple[Any, ...]:
        return (*super()._prepare(graph, rate), rate * self._weight_decay)

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        rate, decay = rates
        mean, square = self._moments(var, grad)
        step = mean * rate / (F.sqrt(square) + self._epsilon)
        return [mean, square, var.assign_sub(step + var.read() * decay)]
