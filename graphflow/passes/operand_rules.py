"""How passes of very many small rules find the few that may fire: by the op of a node and the op of an operand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from graphflow.graph import Node
from graphflow.passes.operands import UNIFORM, Readers
from graphflow.passes.rules import Inputs, Rule
from graphflow.subgraph import Subgraph

__all__ = ["ALWAYS", "CONSTANT_OPERAND", "SAME", "OperandRules", "apply_operand_rules", "combined"]

OperandRules = Mapping[str, Mapping[str, Sequence[Rule]]]
"""op of the node -> op that makes one of its operands, or one of the names below -> rules, tried in order."""

SAME = "same"
"""In place of an operand's op: the node's first two operands are one tensor."""

CONSTANT_OPERAND = "constant operand"
"""In place of an operand's op: one of those whose output may hold one known value everywhere."""

ALWAYS = "always"
"""In place of an operand's op: any."""

_MOST_ROUNDS = 20
"""Each rule makes a graph simpler, so that rounds end by themselves; this ends them if one ever does not."""

_Table = dict[str, dict[str, tuple[Rule, ...]]]


def combined(*tables: OperandRules) -> OperandRules:
    """One table of several, with CONSTANT_OPERAND written out; rules of earlier tables are tried first."""
    result: _Table = {}
    for table in tables:
        for op, by_operand in table.items():
            row = result.setdefault(op, {})
            for operand, rules in by_operand.items():
                for name in UNIFORM if operand == CONSTANT_OPERAND else (operand,):
                    row[name] = (*row.get(name, ()), *[r for r in rules if r not in row.get(name, ())])
    return result


def _extended(rules: OperandRules, more: OperandRules, subgraph: Subgraph) -> OperandRules:
    """`combined` of two tables, as far as the subgraph's ops go: most small graphs have few that `more` speaks of."""
    wanted = {op: more[op] for op in {node.op.name: None for node in subgraph.nodes} if op in more}
    rows = {op: rules[op] for op in wanted if op in rules}
    return {**rules, **combined(rows, wanted)} if wanted else rules


def apply_operand_rules(
    subgraph: Subgraph, rules: OperandRules, counted: Callable[[Readers], OperandRules] | None = None
) -> Subgraph:
    """Walk the nodes with `rules` until none fires any more.

    rules: as `combined` gives them. counted: makes further rules, which ask who reads a tensor; tried after those.
    Nodes with control inputs are never handed to a rule, nor do operands with control inputs make one fire.
    O(V + E) a round; a node of which no rule speaks costs one look into a dict.
    """
    fired = [""]
    table = rules

    def first(candidates: Iterable[Rule], node: Node, inputs: Inputs) -> Inputs | None:
        for rule in candidates:
            made = rule(node, inputs)
            if made is not None:
                fired[0] = rule.__name__.strip("_")
                return made
        return None

    def replace(node: Node, inputs: Inputs) -> Inputs | None:
        if node.control_inputs:
            return None
        by_operand = table[node.op.name]
        seen = None
        for t in inputs:
            source = t.op
            found = by_operand.get(source.op.name)
            if found is None or found is seen or source.control_inputs:
                continue
            seen = found
            made = first(found, node, inputs)
            if made is not None:
                return made
        if SAME in by_operand and len(inputs) > 1 and inputs[0] is inputs[1]:
            made = first(by_operand[SAME], node, inputs)
            if made is not None:
                return made
        return first(by_operand[ALWAYS], node, inputs) if ALWAYS in by_operand else None

    for _ in range(_MOST_ROUNDS):
        if counted is not None:
            table = _extended(rules, counted(Readers(subgraph)), subgraph)
        changed = subgraph.rewrite(replace, lambda: fired[0], table)
        if changed is subgraph:
            break
        subgraph = changed
    return subgraph
