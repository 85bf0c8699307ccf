"""Sums of many terms become chains of additions, so that each term can go as soon as it was added."""

from __future__ import annotations

from graphflow.graph import Node
from graphflow.passes.operands import in_place_of, made
from graphflow.passes.rules import Inputs, apply_rules
from graphflow.subgraph import Subgraph

__all__ = ["accumulate_sums"]


def accumulate_sums(subgraph: Subgraph) -> Subgraph:
    """Replace `add_n` by additions from left to right, as its kernel adds.

        %4 = add_n(%1, %2, %3)             becomes   %4 = add(%1, %2)
                                                     %5 = add(%4, %3)

    Every bit stays. A gradient that many uses of a tensor add to then holds one term and a sum, not all terms; and
    additions go into clusters. Comes after the passes that look for sums. Never fires where the terms' types differ,
    nor where fewer than two of them are computed. O(V + E).
    """
    return apply_rules(subgraph, {"add_n": (chain_of_additions,)})


def chain_of_additions(node: Node, inputs: Inputs) -> Inputs | None:
    """a + b + c + ..., in that order."""
    if len(inputs) < 2 or any(t.type != inputs[0].type for t in inputs):
        return None
    if sum([not t.op.op.is_source for t in dict.fromkeys(inputs)]) < 2:
        return None  # what is fed or kept does not go
    total = inputs[0]
    for t in inputs[1:-1]:
        total = made(node, "add", total, t)
    return in_place_of(node, made(node, "add", total, inputs[-1]))
