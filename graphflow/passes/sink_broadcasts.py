"""Broadcasts move behind elementwise ops, or vanish: scalars stay scalars until they must spread."""

from __future__ import annotations

from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS
from graphflow.passes.operands import Readers
from graphflow.subgraph import Subgraph

__all__ = ["sink_broadcasts"]

_MOST_ROUNDS = 20
"""Each round drops a broadcast from before some op, so that rounds end by themselves; see `rules.py`."""


def sink_broadcasts(subgraph: Subgraph, symbolic: bool = False) -> Subgraph:
    """Let an elementwise op read what was broadcast, and broadcast its result if that is still needed.

        %1 = broadcast_to(%0, [1000])
        %2 = multiply(%1, %s)    becomes   %2 = multiply(%0, %s)
                                           %3 = broadcast_to(%2, [1000])

    Every element is computed from the same operands, so every bit stays. Fires only on static shapes, when
    all inputs are broadcasts or need none, and where only elementwise ops read what is broadcast now: a sum adds in
    the order of memory, which is another one for a view. O(V + E) a round.

    symbolic: fire on symbolic sizes too, every symbol taken to be 2 or more.
    """
    for _ in range(_MOST_ROUNDS):  # once a reader of a value is gone, the value itself may move
        changed = _sunk(subgraph, symbolic)
        if changed is subgraph:
            break
        subgraph = changed
    return subgraph


def _sunk(subgraph: Subgraph, symbolic: bool) -> Subgraph:
    broadcast_to = OPS.get("broadcast_to")
    if not any(node.op is broadcast_to for node in subgraph.nodes):
        return subgraph
    readers = Readers(subgraph)

    def known(t: Tensor) -> bool:
        return t.type.is_static or (symbolic and t.type.shape is not None)

    def source(t: Tensor) -> Tensor:
        while t.op.op is broadcast_to:
            t = t.op.inputs[0]
        return t

    def replace(node: Node, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not node.op.is_elementwise or node.control_inputs:
            return None
        for t in inputs:
            if t.op.op is broadcast_to:
                break
        else:
            return None
        sources = tuple([source(t) for t in inputs])
        if not all(map(known, sources)) or not known(node.outputs[0]):
            return None
        small = node.rebuilt(sources, node.attrs, ())
        wanted = node.outputs[0].type
        if small.outputs[0].type == wanted:
            return small.outputs
        for user in readers.users(node.outputs[0]):
            if user is not None and not user.op.is_elementwise and user.op.name != "assign":
                return None
        return detached(node, broadcast_to, small.outputs, {"shape": wanted.shape}).outputs

    return subgraph.rewrite(replace)
