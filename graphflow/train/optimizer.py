"""The base of all optimizers: gradients of a loss, slots beside variables, one operation that updates all.

An optimizer's own file holds its formula and nothing else: which slots a variable has (`_create_slots`)
and the writes that one step makes (`_update`). Old values are read before they are written. A value that a
step needs after its write is taken from the write, so that the engine computes it in the slot's own bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphflow.errors import ArgumentError, GradientError, GraphError, shorten
from graphflow.gradients import gradients
from graphflow.graph import (
    BodyGraph,
    Graph,
    Node,
    Tensor,
    check_name,
    current_scope,
    get_default_graph,
    name_scope,
    scoped,
)
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.train.inputs import GradVar, checked_loss, checked_pairs, chosen_variables, names
from graphflow.train.parameters import number_or_tensor, valued

__all__ = ["Optimizer"]


class Optimizer:
    """What optimizers share; use one of the subclasses.

    learning_rate: a number of at least 0, a real scalar tensor (a schedule), or a function without arguments that
        gives either, called each time updates are built.
    name: of the operation that updates, and of the slots: `w/Adam`.
    Raises ArgumentError for a learning rate that is negative, not finite or no number.
    """

    _allows_complex: ClassVar[bool] = False
    _lowest_rate_excluded: ClassVar[bool] = False

    def __init__(self, learning_rate: Any, name: str) -> None:
        check_name(name)
        self._name = name
        self._learning_rate = learning_rate if callable(learning_rate) else self._checked_rate(learning_rate)
        self._slots: dict[str, dict[Variable, Variable]] = {}
        self._own: dict[tuple[Graph, str], Variable] = {}
        self._made: list[Variable] = []

    # --- the two halves, and both ---

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Node:
        """The operation of one training step: `compute_gradients`, then `apply_gradients`.

        Raises GradientError, naming the variables, if the loss depends on none of them.
        """
        pairs = self.compute_gradients(loss, var_list, grad_loss)
        if all(g is None for g, _ in pairs):
            raise GradientError(
                f"{self._name}: {loss!r} depends on none of the variables {names(v for _, v in pairs)}; "
                "is the right loss given, and does no stop_gradient or integer op stand between?"
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(self, loss: Any, var_list: Any = None, grad_loss: Any = None) -> list[GradVar]:
        """Pairs (gradient, variable), with the gradient None where the loss does not depend on the variable.

        loss: a real floating scalar; of any shape where `grad_loss`, the gradient that flows into it, is given.
        var_list: the trainable variables of the loss's graph where left out.
        Raises ShapeError for a loss that is no scalar, DTypeError for one that is no real float.
        """
        target = checked_loss(self._name, loss, grad_loss is not None)
        variables = chosen_variables(self._name, target.graph, var_list, self._allows_complex)
        grads = gradients(target, variables, grad_ys=grad_loss, unconnected_gradients="none")
        return list(zip(grads, variables, strict=True))

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Node:
        """One operation that updates each variable by its gradient, and adds 1 to `global_step`.

        grads_and_vars: pairs as `compute_gradients` gives them, the gradients changed at will; pairs whose
            gradient is None are passed over.
        global_step: a variable, or None. name: of the operation; the optimizer's own where left out.
        Raises GradientError if every gradient is None, ArgumentError for a variable that stands there twice,
        DTypeError or ShapeError for a gradient that is not of its variable's type.
        """
        pairs = checked_pairs(self._name, grads_and_vars, self._allows_complex)
        if global_step is not None and not isinstance(global_step, Variable):
            raise ArgumentError(f"{self._name}: global_step must be a variable, not {shorten(global_step)}")
        label = self._name if name is None else name
        check_name(label)
        variables = [v for _, v in pairs]
        graph = variables[0].graph
        with _inside(_home(graph)):
            with name_scope(f"{label}/prepare") as prepare:
                rate = self._current_rate()  # first: a bad one must leave no slots behind
            for v in variables:
                with scoped(graph=graph, prefix=v.op.name + "/", control=(), device=v.device):
                    self._create_slots(v)
            with scoped(graph=graph, prefix="", control=(), device=variables[0].device):
                self._create_own(graph, variables)
            updates: list[Any] = []
            with name_scope(prepare):
                rates = self._prepare(graph, rate)
            for g, v in pairs:
                with (
                    name_scope(f"{label}/update_{v.op.name}"),
                    scoped(device=v.device or current_scope().device),
                ):
                    updates.extend(self._update(v, g, *[valued(r, v.dtype) for r in rates]))
            with name_scope(f"{label}/finish"):
                updates.extend(self._finish(graph))
            if global_step is not None:
                updates.append(global_step.assign_add(1))
            return F.group(*updates, name=label)  # type: ignore[no-any-return]

    # --- slots ---

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The slot called `name` (see `get_slot_names`) beside `var`, or None."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names under which `get_slot` finds slots, sorted."""
        return sorted(self._slots)

    def get_name(self) -> str:
        """The optimizer's name."""
        return self._name

    def variables(self) -> list[Variable]:
        """The variables that this optimizer made, in the order of their making."""
        return list(self._made)

    def _slot(self, var: Variable, name: str, initial: float = 0.0) -> Variable:
        """The slot `name` of `var`, made on first use in the scope of `var`, filled with `initial`."""
        slots = self._slots.setdefault(name, {})
        if var not in slots:
            dims = var.handle.type.dims
            value: Callable[[], Tensor] = (
                (lambda: F.zeros(dims, dtype=var.dtype))
                if initial == 0.0
                else (lambda: F.full(dims, initial, dtype=var.dtype))
            )
            slots[var] = Variable(value, name=self._name, trainable=False)
            self._made.append(slots[var])
        return slots[var]

    def _own_scalar(self, graph: Graph, name: str, initial: float, dtype: np.dtype[Any]) -> None:
        """Make a scalar that belongs to the optimizer and not to one variable, on first use in this graph."""
        if (graph, name) not in self._own:
            made = Variable(np.asarray(initial, dtype), name=name, trainable=False)
            self._own[graph, name] = made
            self._made.append(made)

    # --- what an optimizer says ---

    def _create_slots(self, var: Variable) -> None:
        """Make the slots of one variable."""

    def _create_own(self, graph: Graph, variables: Sequence[Variable]) -> None:
        """Make the variables that belong to the optimizer itself."""

    def _prepare(self, graph: Graph, rate: Any) -> tuple[Any, ...]:
        """The scalars that `_update` is given, from values before this step; `rate` is the learning rate."""
        return (rate,)

    def _update(self, var: Variable, grad: Tensor, *rates: Any) -> list[Any]:
        """The writes that one variable's update consists of; each rate is a float or of the variable's dtype."""
        raise GraphError(f"{type(self).__name__} does not say how a variable is updated")

    def _finish(self, graph: Graph) -> list[Any]:
        """The writes of the optimizer's own variables."""
        return []

    # --- checks ---

    def _current_rate(self) -> Any:
        rate = self._learning_rate
        rate = self._checked_rate(rate()) if callable(rate) else rate
        home = rate.graph if isinstance(rate, Tensor) else None
        if isinstance(home, BodyGraph) and not isinstance(get_default_graph(), BodyGraph):
            raise GraphError(
                f"{self._name}: learning_rate {rate!r} lives inside a loop body, branch or function"
            )
        return rate

    def _checked_rate(self, value: Any) -> Any:
        return number_or_tensor(
            value, f"{self._name}: learning_rate", 0.0, math.inf, above=self._lowest_rate_excluded
        )

    def __repr__(self) -> str:
        rate = self._learning_rate
        return f"<{type(self).__name__} '{self._name}', learning rate {rate if isinstance(rate, float) else 'scheduled'}>"


def _home(graph: Graph) -> Graph:
    """The graph for new nodes that use tensors of `graph`: the body being traced, if one is."""
    here = get_default_graph()
    return here if isinstance(here, BodyGraph) else graph


def _inside(graph: Graph) -> Any:
    """Make new nodes in `graph`; keeps the name scope if that is where they go already."""
    return scoped() if get_default_graph() is graph else scoped(graph=graph, prefix="", control=())
