"""Exponential moving averages of variables and tensors, kept in shadow variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import (
    BodyGraph,
    Graph,
    GraphKeys,
    Node,
    Tensor,
    check_name,
    get_default_graph,
    name_scope,
    scoped,
)
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.ops.state import Variable
from graphflow.train.parameters import number_or_tensor, valued, wide
from graphflow.types import is_floating

__all__ = ["MOVING_AVERAGE", "ExponentialMovingAverage"]

MOVING_AVERAGE = "moving_average_variables"
"""The collection of variables that have a moving average."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shadow:
    """What one average is kept in; the last two only where it is freed from its bias to zero."""

    average: Variable
    biased: Variable | None = None
    weight: Variable | None = None


class ExponentialMovingAverage:
    """Keeps `shadow += (1 - decay) * (value - shadow)` for variables and tensors.

    decay: in [0, 1], or a scalar tensor. num_updates: a step count (a number, variable or tensor); then the decay is
        `min(decay, (1 + num_updates) / (10 + num_updates))`, which lets early averages move faster.
    zero_debias: averages of tensors begin at 0 and lean towards it; divide that out (variables begin at their
        initial value and need none of it). Source: Kingma and Ba 2015, "Adam", section 3.
    name: of the operation and, below each value's name, of the shadows: `w/ExponentialMovingAverage`.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        check_name(name)
        self._name = name
        self._decay = number_or_tensor(decay, f"{name}: decay", 0.0, 1.0)
        self._num_updates = (
            None if num_updates is None else number_or_tensor(num_updates, f"{name}: num_updates")
        )
        self._zero_debias = flag(zero_debias, name, "zero_debias")
        self._shadows: dict[Any, _Shadow] = {}

    @property
    def name(self) -> str:
        """The name given at the start."""
        return self._name

    def apply(self, var_list: Any = None) -> Node:
        """The operation that moves the averages of `var_list` one step, made with their shadow variables.

        var_list: floating variables and tensors of static shape; the trainable variables for None.
        Built under `control_dependencies([train_op])`, it sees the values that training has just written.
        Raises ArgumentError for an empty list, or a value that has an average already.
        """
        listed = self._checked(var_list)
        here = get_default_graph()
        graph = here if isinstance(here, BodyGraph) else listed[0].graph
        inside = scoped() if graph is here else scoped(graph=graph, prefix="", control=())
        with inside:
            for x in listed:
                self._shadows[x] = self._made(x)
            updates: list[Any] = []
            for x in listed:
                with name_scope(f"{self._name}/update_{x.op.name}"):
                    updates.extend(self._update(x.__graphflow_tensor__(), self._shadows[x]))
            return F.group(*updates, name=self._name)  # type: ignore[no-any-return]

    def _update(self, value: Tensor, shadow: _Shadow) -> list[Tensor]:
        rate = self._rate(value.dtype)
        if shadow.biased is None or shadow.weight is None:
            return [shadow.average.assign_add((value - shadow.average.read()) * rate)]
        biased = shadow.biased.assign_add((value - shadow.biased.read()) * rate)
        weight = shadow.weight.assign_add((1.0 - shadow.weight.read()) * rate)
        return [biased, weight, shadow.average.assign(biased / weight)]

    def _rate(self, dtype: np.dtype[Any]) -> Any:
        """1 - decay, of this step."""
        decay = self._decay
        if self._num_updates is not None:
            count = wide(self._num_updates)
            decay = F.minimum((1.0 + count) / (10.0 + count), wide(decay))
        return valued(1.0 - decay, dtype)

    # --- shadows ---

    def _made(self, x: Any) -> _Shadow:
        root = _root(x.graph)
        with scoped(graph=root, prefix=x.op.name + "/", control=(), device=x.device):
            if isinstance(x, Variable):
                shadow = _Shadow(Variable(x.initialized_value(), name=self._name, trainable=False))
                if not any(v is x for v in root.get_collection(MOVING_AVERAGE)):
                    root.add_to_collection(MOVING_AVERAGE, x)
                return shadow
            dims, dtype = x.type.dims, x.dtype

            def zeros(name: str, shape: Any) -> Variable:
                return Variable(lambda: F.zeros(shape, dtype=dtype), name=name, trainable=False)

            average = zeros(self._name, dims)
            if not self._zero_debias:
                return _Shadow(average)
            return _Shadow(average, zeros(f"{self._name}/biased", dims), zeros(f"{self._name}/weight", ()))

    def _checked(self, var_list: Any) -> list[Any]:
        if var_list is None:
            var_list = _root(get_default_graph()).get_collection(GraphKeys.TRAINABLE_VARIABLES)
        if not isinstance(var_list, (list, tuple)):
            raise ArgumentError(f"{self._name}: var_list must be a list, not {shorten(var_list)}")
        if not var_list:
            raise ArgumentError(f"{self._name}: there is no variable to average")
        seen: dict[Any, None] = {}
        for x in var_list:
            if not isinstance(x, (Variable, Tensor)):
                raise ArgumentError(f"{self._name}: {shorten(x)} is neither a variable nor a tensor")
            if not is_floating(x.dtype):
                raise DTypeError(f"{self._name}: {x!r} is {x.dtype.name}; averages need floats")
            if isinstance(x, Tensor) and not x.type.is_static:
                raise ShapeError(f"{self._name}: the shape of {x!r} must be known when it is built")
            if x in self._shadows or x in seen:
                raise ArgumentError(f"{self._name}: {x!r} has a moving average already")
            seen[x] = None
        return list(var_list)

    def average(self, var: Any) -> Variable | None:
        """The shadow variable that holds the average of `var`, or None if it has none."""
        shadow = self._shadows.get(var) if isinstance(var, (Variable, Tensor)) else None
        return None if shadow is None else shadow.average

    def average_name(self, var: Any) -> str:
        """The name of the shadow variable of `var`, made or not."""
        if not isinstance(var, (Variable, Tensor)):
            raise ArgumentError(f"{self._name}: {shorten(var)} is neither a variable nor a tensor")
        made = self.average(var)
        return f"{var.op.name}/{self._name}" if made is None else made.op.name

    def variables_to_restore(self, moving_avg_variables: Any = None) -> dict[str, Variable]:
        """A `var_list` for Saver that restores averages into the variables they are averages of.

        moving_avg_variables: those to restore so; for None the trainable ones and those that have an average.
        All other variables stand under their own names.
        """
        root = _root(get_default_graph())
        if moving_avg_variables is None:
            moving_avg_variables = [
                *root.get_collection(GraphKeys.TRAINABLE_VARIABLES),
                *root.get_collection(MOVING_AVERAGE),
            ]
        averaged = dict.fromkeys(moving_avg_variables)
        names: dict[str, Variable] = {self.average_name(v): v for v in averaged}
        for v in root.get_collection(GraphKeys.GLOBAL_VARIABLES):
            if v not in averaged:
                names.setdefault(v.op.name, v)
        return names


def _root(graph: Graph) -> Graph:
    while isinstance(graph, BodyGraph) and graph.parent is not None:
        graph = graph.parent
    return graph
