"""Formulas spelled out are computed in their stable form: softmax, cross entropies, softplus, variances, activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from graphflow.graph import Node, Tensor
from graphflow.passes.exponentials import Exponential, exponentials
from graphflow.passes.match import Plan, Uses, rewrite_planned
from graphflow.passes.stable_activations import gelu, mean_of_squares_less_squared_mean, silu
from graphflow.passes.stable_cross_entropy import gradient_of_log_sigmoid, log_of_sigmoid
from graphflow.passes.stable_logistic import log1p_of_exp, one_plus_exp
from graphflow.passes.stable_softmax import gradient_of_log_softmax, log_of_softmax, log_softmax
from graphflow.subgraph import Subgraph

__all__ = ["stabilize_fast"]

_MOST_ROUNDS = 5
"""A rule may make what another looks for: a quotient becomes a sigmoid, and its logarithm a softplus."""

Groups = Mapping[Tensor, Exponential]


class _Rule(NamedTuple):
    """A rule, and ops without which there is nothing for it in a graph."""

    plans: Callable[[Node, Uses, Groups], Mapping[Node, Plan] | None]
    needs: frozenset[str]


def _rules(
    *rows: tuple[Callable[[Node, Uses, Groups], Mapping[Node, Plan] | None], str],
) -> tuple[_Rule, ...]:
    return tuple([_Rule(function, frozenset(needs.split())) for function, needs in rows])


RULES: Mapping[str, tuple[_Rule, ...]] = {
    "divide": _rules((gradient_of_log_sigmoid, "sigmoid multiply")),
    "erf": _rules((gelu, "multiply")),
    "exp": _rules((gradient_of_log_softmax, "sum divide multiply"), (one_plus_exp, "add")),
    "log": _rules(
        (log_of_softmax, "exp sum"), (log_softmax, "exp sum subtract"), (log_of_sigmoid, "sigmoid")
    ),
    "log1p": _rules((log1p_of_exp, "exp"), (log_of_sigmoid, "sigmoid")),
    "sigmoid": _rules((silu, "multiply")),
    "subtract": _rules((mean_of_squares_less_squared_mean, "sum")),
    "tanh": _rules((gelu, "multiply")),
}
"""Rules by the op of the node that they are asked about: the rarest in what they look for."""


def stabilize_fast(subgraph: Subgraph) -> Subgraph:
    """Replace formulas that overflow, underflow or cancel by those of `gf.nn` that do not.

        %0 = exp(%x)                                       %0 = max(%x, axis=(1,), keepdims=True)
        %1 = sum(%0, axis=(1,), keepdims=True)   becomes   %3 = where(isfinite(%0), %0, 0)
        %2 = divide(%0, %1)                                %5 = exp(subtract(%x, %3))
                                                           %7 = divide(%5, sum(%5, axis=(1,), keepdims=True))

    What is recognised, in any order of factors and terms:

        exp(x) / sum(exp(x)), log(sum(exp(x))), what else has sums of exponentials below it: see `exponentials`
        log(softmax(x)), x - log(sum(exp(x))) and the gradient of the former: log_softmax; so cross entropies of softmax
        log(1 + exp(x)), log1p(exp(x)), exp(x) / (1 + exp(x)), 1 / (1 + exp(-x)): softplus, sigmoid
        log(sigmoid(x)), log(1 - sigmoid(x)), cross entropies made of both, the gradients of these
        mean(x²) - mean(x)²: var, and with it layer and batch normalisation; gelu by erf and by tanh; x * sigmoid(x): silu

    Rounding changes; where both forms are within range, by as much as the formula's own error. Fires where no part of
    what goes is needed elsewhere, but for a sigmoid or softmax that stays as it is. In a training graph exponentials
    are needed by the gradient: they are shifted where their factor cancels there too, so that gradients are those
    of the stable formula. Works on symbolic sizes; a maximum is only taken along axes that are known not to be
    empty, so that what is left is found after bind. O(V + E), and nothing but a look at the ops where no rule applies.
    """
    for _ in range(_MOST_ROUNDS):
        changed = _round(subgraph)
        if changed is subgraph:
            break
        subgraph = changed
    return subgraph


def _round(subgraph: Subgraph) -> Subgraph:
    names = {node.op.name for node in subgraph.nodes}
    rules = {
        name: found
        for name, listed in RULES.items()
        if name in names and (found := [rule.plans for rule in listed if rule.needs <= names])
    }
    shiftable = "exp" in names and "sum" in names
    if not rules and not shiftable:
        return subgraph
    uses = Uses(subgraph)
    plans: dict[Node, Plan] = {}
    groups: Groups = {}
    if shiftable:
        sums = [n for n in subgraph.nodes if n.op.name == "sum" and n.inputs[0].op.op.name == "exp"]
        groups = exponentials(sums, uses) if sums else {}
        plans.update(_shifts(groups))
    taken: set[Node] = set()
    for node in reversed(subgraph.nodes):  # what is made of more nodes comes later, and first here
        table = rules.get(node.op.name)
        if table is None or node in taken or node.control_inputs:
            continue
        if node not in uses.kept and not uses.of(node.outputs[0]):
            continue  # only asked for its shape
        for function in table:
            made = function(node, uses, groups)
            if made is not None and taken.isdisjoint(made):
                plans.update(made)
                taken.update(made)
                taken.update([n for plan in made.values() for n in plan.ends])
                break
    return rewrite_planned(subgraph, plans)


def _shifts(groups: Groups) -> dict[Node, Plan]:
    """The plans of the exponentials that are not shifted yet."""
    plans = {}
    for t, one in groups.items():
        if one.is_shifted or one.node.outputs[0] is not t:
            continue
        plans[one.node] = Plan("shift", one.shift)
        for log in one.logs:
            plans[log] = Plan("shift_log", partial(one.shift_log, log))
    return plans
