"""Formulas spelled out are computed in their stable form: softmax, cross entropies, softplus, variances, activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from graphflow.graph import Node, Tensor
from graphflow.passes.exponentials import Exponential, exponentials
from graphflow.passes.match import Plan, Uses, rewrite_planned
from graphflow.passes.stable_activations import gelu, mean_of_squares_less_squared_mean
from graphflow.passes.stable_cross_entropy import gradient_of_log_sigmoid, log_of_sigmoid
from graphflow.passes.stable_logistic import log1p_of_exp, one_plus_exp
from graphflow.passes.stable_softmax import gradient_of_log_softmax, log_of_softmax, log_softmax
from graphflow.subgraph import Subgraph

__all__ = ["stabilize_fast"]

_MOST_ROUNDS = 5
"""A rule may make what another looks for: a quotient becomes a sigmoid, and its logarithm a softplus."""

Groups = Mapping[Tensor, Exponential]


Plans = Mapping[Node, Plan] | None


class _Rule(NamedTuple):
    """A rule, the ops without which there is nothing for it in a graph, and those that make its node's last operand."""

    plans: Callable[[Node, Uses, Groups], Plans]
    needs: frozenset[str]
    last: frozenset[str]


def _rules(*rows: tuple[Callable[[Node, Uses, Groups], Plans], str, str]) -> tuple[_Rule, ...]:
    return tuple(
        [_Rule(plans, frozenset(needs.split()), frozenset(last.split())) for plans, needs, last in rows]
    )


RULES: Mapping[str, tuple[_Rule, ...]] = {
    "divide": _rules((gradient_of_log_sigmoid, "sigmoid multiply", "sigmoid subtract add")),
    "erf": _rules((gelu, "multiply", "multiply divide")),
    "exp": _rules((gradient_of_log_softmax, "sum divide multiply", ""), (one_plus_exp, "add", "")),
    "log": _rules(
        (log_of_softmax, "exp sum", "divide multiply"),
        (log_softmax, "exp sum subtract", ""),
        (log_of_sigmoid, "sigmoid", "sigmoid subtract add"),
    ),
    "log1p": _rules((log1p_of_exp, "exp", "exp"), (log_of_sigmoid, "sigmoid", "negative multiply")),
    "subtract": _rules((mean_of_squares_less_squared_mean, "sum", "square multiply")),
    "tanh": _rules((gelu, "multiply", "multiply")),
}
"""Rules by the op of the node that they are asked about: the rarest in what they look for. Larger patterns first."""


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
        mean(x²) - mean(x)²: var, and with it layer and batch normalisation; gelu by erf and by tanh

    What only differs at infinities is left: x * sigmoid(x), which `gf.nn.silu` makes 0 at -inf at the price of one more
    step, and layer normalisation with a variance of centred values.

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
        if name in names and (found := [rule for rule in listed if rule.needs <= names])
    }
    asked = [node for node in subgraph.nodes if node.op.name in rules and _rules_for(node, rules)]
    sums = [n for n in subgraph.nodes if n.op.name == "sum" and n.inputs[0].op.op.name == "exp"]
    if not asked and not sums:
        return subgraph
    uses = Uses(subgraph)
    groups = exponentials(sums, uses)
    plans = _shifts(groups)
    taken: set[Node] = set()
    for node in reversed(asked):  # what is made of more nodes comes later, and first here
        if node in taken or (node not in uses.kept and not uses.of(node.outputs[0])):
            continue  # the latter: only asked for its shape
        for rule in _rules_for(node, rules):
            made = rule.plans(node, uses, groups)
            if made is not None and taken.isdisjoint(made):
                plans.update(made)
                taken.update(made)
                taken.update([n for plan in made.values() for n in plan.ends])
                break
    return rewrite_planned(subgraph, plans)


def _rules_for(node: Node, rules: Mapping[str, list[_Rule]]) -> list[_Rule]:
    if node.control_inputs:
        return []
    last = node.inputs[-1].op.op.name
    return [rule for rule in rules[node.op.name] if not rule.last or last in rule.last]


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
