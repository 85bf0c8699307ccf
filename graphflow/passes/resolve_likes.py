"""Ops that take a shape from another tensor become plain ones once that shape is known."""

from __future__ import annotations

from collections.abc import Callable

from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS
from graphflow.subgraph import Subgraph
from graphflow.types import dims_equal

__all__ = ["resolve_likes"]

Inputs = tuple[Tensor, ...]


def resolve_likes(subgraph: Subgraph, symbolic: bool = False) -> Subgraph:
    """Replace `sum_to_like`, `broadcast_to_like` and `reshape_like` by ops that need no second tensor.

        %2 = sum_to_like(%0, %1)  : float32[3]       becomes  %2 = sum(%0, axis=(0,))
        %3 = broadcast_to_like(%0, %1) : float32[3]  becomes  %0, when it has that shape already

    What only lent its shape is then no longer computed. The kernels sum in the same order, so every bit
    stays. Fires only on static shapes. O(V + E).

    symbolic: fire on symbolic sizes too, where their expressions alone decide, every symbol taken to be 2 or more.
    """
    known = _is_decided if symbolic else _is_static

    def replace(node: Node, inputs: Inputs) -> Inputs | None:
        if node.control_inputs or not known(inputs, node):
            return None
        if inputs[0].type == node.outputs[0].type:
            return (inputs[0],)
        return RULES[node.op.name](node, inputs)

    return subgraph.rewrite(replace, ops=RULES)


def _is_static(inputs: Inputs, node: Node) -> bool:
    return all(t.type.is_static for t in (*inputs, *node.outputs))


def _is_decided(inputs: Inputs, node: Node) -> bool:
    """True if each size of the result is that of the input on the same axis, or one of the two is 1."""
    wanted, given = node.outputs[0].type.shape, inputs[0].type.shape
    if wanted is None or given is None:
        return False
    if node.op.name == "reshape_like":
        return True
    pairs = zip(reversed(given), reversed(wanted), strict=False)
    return all(b == 1 or a == 1 or dims_equal(a, b) is True for a, b in pairs)


def _broadcast(node: Node, inputs: Inputs) -> Inputs:
    return detached(node, OPS["broadcast_to"], inputs[:1], {"shape": node.outputs[0].type.shape}).outputs


def _reshape(node: Node, inputs: Inputs) -> Inputs:
    return detached(node, OPS["reshape"], inputs[:1], {"shape": node.outputs[0].type.shape}).outputs


def _sum(node: Node, inputs: Inputs) -> Inputs:
    g, wanted = inputs[0], node.outputs[0].type
    lead = g.type.rank - wanted.rank
    kept = zip(g.type.dims[lead:], wanted.dims, strict=True)
    axes = (*range(lead), *[lead + k for k, (a, b) in enumerate(kept) if b == 1 and a != 1])
    if not axes:
        return _reshape(node, inputs)
    total = detached(node, OPS["sum"], (g,), {"axis": axes, "keepdims": False, "dtype": g.type.dtype})
    return total.outputs if total.outputs[0].type == wanted else _reshape(node, total.outputs)


RULES: dict[str, Callable[[Node, Inputs], Inputs]] = {
    "broadcast_to_like": _broadcast,
    "reshape_like": _reshape,
    "sum_to_like": _sum,
}
