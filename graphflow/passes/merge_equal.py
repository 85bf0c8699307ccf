"""Common subexpression elimination: equal pure nodes become one."""

from __future__ import annotations

from graphflow.graph import Node, Tensor, _attr_key
from graphflow.subgraph import Subgraph

__all__ = ["merge_equal"]


def merge_equal(subgraph: Subgraph) -> Subgraph:
    """Replace a pure node by an earlier one with the same op, inputs, attributes and device.

        %1 = exp(%0)                       %1 = exp(%0)
        %2 = exp(%0)             becomes   %3 = add(%1, %1)
        %3 = add(%1, %2)

    Never fires for nodes that read or write state, draw random numbers, have effects, or run after
    others by a control edge. O(V + E). Source: value numbering, Cocke and Schwartz 1970.
    """
    seen: dict[tuple[object, ...], Node] = {}

    def replace(node: Node, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not node.op.is_pure or node.control_inputs:
            return None
        attrs = node.attrs
        key: tuple[object, ...] = (node.op.name, node.device, inputs)
        if attrs:
            key += tuple([_attr_key(v) for v in attrs.values()])
        first = seen.get(key)
        if first is not None:
            return first.outputs
        if inputs is not node.inputs:
            node = node.rebuilt(inputs, node.attrs, ())
            seen[key] = node
            return node.outputs
        seen[key] = node
        return None

    return subgraph.rewrite(replace)
