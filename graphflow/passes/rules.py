"""How passes that are tables of small rules are written and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphflow.graph import Node, Tensor
from graphflow.subgraph import Subgraph

__all__ = ["Inputs", "Rule", "Rules", "apply_rules"]

Inputs = tuple[Tensor, ...]

Rule = Callable[[Node, Inputs], Inputs | None]
"""(node, its inputs as they are now) -> what takes the place of its outputs, or None. Its name is recorded."""

Rules = Mapping[str, Sequence[Rule]]
"""Rules by the name of the op whose nodes they are asked about, tried in order."""

_MOST_ROUNDS = 20
"""Each rule makes a graph simpler, so that rounds end by themselves; this ends them if one ever does not."""


def apply_rules(subgraph: Subgraph, rules: Rules) -> Subgraph:
    """Walk the nodes with `rules` until none fires any more. O(V + E) a round.

    Nodes with control inputs are never handed to a rule.
    """
    fired = [""]

    def replace(node: Node, inputs: Inputs) -> Inputs | None:
        if node.control_inputs:
            return None
        for rule in rules[node.op.name]:
            made = rule(node, inputs)
            if made is not None:
                fired[0] = rule.__name__.strip("_")
                return made
        return None

    for _ in range(_MOST_ROUNDS):
        changed = subgraph.rewrite(replace, lambda: fired[0], rules)
        if changed is subgraph:
            break
        subgraph = changed
    return subgraph
