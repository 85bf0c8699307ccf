"""Common subexpression elimination: equal pure nodes become one."""

from __future__ import annotations

from graphflow.graph import Node, Tensor, _attr_key
from graphflow.subgraph import Subgraph

__all__ = ["merge_equal"]


def merge_equal(subgraph: Subgraph) -> Subgraph:
    """Replace a pure node by an earlier one with the same op, inputs, attributes and device.

        %1 = add(%a, %b)                   %1 = add(%a, %b)
        %2 = add(%b, %a)         becomes   %3 = multiply(%1, %1)
        %3 = multiply(%1, %2)

    The operands of commutative ops may come in either order, but for products of complex numbers, whose imaginary
    parts are rounded differently when the operands change places (processors multiply and add in one step).
    Never fires for nodes that read or write state, draw random numbers, have effects, or run after
    others by a control edge. O(V + E). Source: value numbering, Cocke and Schwartz 1970.
    """
    seen: dict[tuple[object, ...], Node] = {}

    def replace(node: Node, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        op = node.op
        if not op.is_pure or node.control_inputs:
            return None
        attrs = node.attrs
        operands = inputs
        if op.is_commutative and _place(inputs[1]) < _place(inputs[0]) and inputs[0].type.dtype.kind != "c":
            operands = inputs[::-1]
        key: tuple[object, ...] = (op.name, node.device, operands)
        if attrs:
            key += tuple([_attr_key(v) for v in attrs.values()])
        first = seen.setdefault(key, node)
        return None if first is node else first.outputs

    return subgraph.rewrite(replace)


def _place(t: Tensor) -> tuple[int, int]:
    return t.op.id, t.index
