"""What a legal subgraph is, as a list of checks."""

from __future__ import annotations

from graphflow.errors import GraphflowError, VerifyError
from graphflow.graph import Node, Tensor
from graphflow.op import OPS
from graphflow.subgraph import Subgraph
from graphflow.types import dims_equal

__all__ = ["verify"]


def verify(subgraph: Subgraph, after: str = "cut") -> None:
    """Raise VerifyError unless every value is defined before use, once, with the type its op infers.

    after: the pass that made the subgraph, for the message. O(V + E).
    """
    defined: set[Tensor] = set(subgraph.inputs)
    ran: set[Node] = set()
    for node in subgraph.nodes:
        _check_node(node, defined, ran, after)
        defined.update(node.outputs)
        ran.add(node)
    for t in subgraph.outputs:
        if t not in defined:
            raise VerifyError(f"after {after!r}: output {t!r} is not defined")
    for n in subgraph.targets:
        if n not in ran:
            raise VerifyError(f"after {after!r}: target {n!r} is not among the nodes")


def _check_node(node: Node, defined: set[Tensor], ran: set[Node], after: str) -> None:
    if OPS.get(node.op.name) is not node.op:
        raise VerifyError(f"after {after!r}: {node!r} has an op that is not in the table")
    if node in ran:
        raise VerifyError(f"after {after!r}: {node!r} occurs twice")
    for t in node.inputs:
        if t not in defined:
            raise VerifyError(f"after {after!r}: {node!r} uses {t!r} before it is defined").at(node.place)
    try:
        types = node.op.infer_types([t.type for t in node.inputs], node.attrs)
    except GraphflowError as error:
        raise VerifyError(f"after {after!r}: {node!r} does not infer: {error}") from error
    for t, inferred in zip(node.outputs, types, strict=True):
        same = t.type.dtype == inferred.dtype and (t.type.shape is None) == (inferred.shape is None)
        if same and t.type.shape is not None and inferred.shape is not None:
            same = len(t.type.shape) == len(inferred.shape) and all(
                dims_equal(a, b) is not False for a, b in zip(t.type.shape, inferred.shape, strict=True)
            )
        if not same:
            raise VerifyError(f"after {after!r}: {t!r} should be {inferred}").at(node.place)
