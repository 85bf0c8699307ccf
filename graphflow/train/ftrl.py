"""FTRL-Proximal: follow the regularized leader, with exact zeros from its L1 term."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.train.optimizer import Optimizer
from graphflow.train.parameters import number

__all__ = ["FtrlOptimizer"]


class FtrlOptimizer(Optimizer):
    """FTRL-Proximal, element by element, with p = -learning_rate_power and a' the new a.

        a'     = a + g * g
        z     += g + 2 * l2_shrinkage * w - (a'^p - a^p) / learning_rate * w
        a      = a'
        w      = (sign(z) * l1 - z) / (a^p / learning_rate + 2 * l2)  where |z| > l1, else 0

    learning_rate: above 0. learning_rate_power: at most 0; -0.5 is the paper's.
    initial_accumulator_value: what `a` begins with, at least 0. l1, l2: regularization strengths, at least 0.
    l2_shrinkage_regularization_strength: a penalty on the size of w, at least 0, which leaves `a` alone.
    use_locking: taken for TensorFlow 1's sake. name: see Optimizer.
    Slots: "accum" (a) and "linear" (z), made as `w/Ftrl` and `w/Ftrl_1`.
    Source: McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1.
    """

    _lowest_rate_excluded = True

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        l2_shrinkage_regularization_strength: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, name)
        self._power = -number(learning_rate_power, f"{name}: learning_rate_power", -math.inf, 0.0)
        self._initial = number(initial_accumulator_value, f"{name}: initial_accumulator_value")
        self._l1 = number(l1_regularization_strength, f"{name}: l1_regularization_strength")
        self._l2 = number(l2_regularization_strength, f"{name}: l2_regularization_strength")
        self._shrinkage = number(
            l2_shrinkage_regularization_strength, f"{name}: l2_shrinkage_regularization_strength"
        )

    def _create_slots(self, var: Variable) -> None:
        self._slot(var, "accum", self._initial)
        self._slot(var, "linear")

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        (rate,) = rates
        accum, linear = self._slot(var, "accum"), self._slot(var, "linear")
        w = var.read()
        before = self._root(accum.read())
        new = accum.assign_add(grad * grad)
        after = self._root(new)
        pull = grad + w * (2.0 * self._shrinkage) if self._shrinkage else grad
        z = linear.assign_add(pull - (after - before) / rate * w)
        kept = F.maximum(F.minimum(z, self._l1), -self._l1) - z  # sign(z) * l1 - z beyond l1, else exactly 0
        curvature = after / rate + 2.0 * self._l2
        tiny = (
            float(np.finfo(var.dtype).tiny) if var.dtype.kind == "f" else 2.0**-126
        )  # 0 / tiny is 0, 0 / 0 is not
        return [new, z, var.assign(kept / F.maximum(curvature, tiny))]

    def _root(self, accumulated: Tensor) -> Tensor:
        if self._power == 0.5:
            return F.sqrt(accumulated)  # type: ignore[no-any-return]
        return F.pow(accumulated, self._power)  # type: ignore[no-any-return]
