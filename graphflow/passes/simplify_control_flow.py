"""Branches that are known and loops of few iterations are taken apart: the nodes of their bodies take their place."""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.graph import Node, Tensor
from graphflow.ops.constant import CONSTANT
from graphflow.passes.bodies import body_subgraph, is_row_major, kind_of
from graphflow.passes.inlining import Inlining
from graphflow.passes.splice import Now, Splice, splice
from graphflow.passes.unrolling import unrolled
from graphflow.subgraph import Subgraph
from graphflow.types import dims_equal

__all__ = ["simplify_control_flow"]

_MOST_ROUNDS = 20
"""A round for each level of nesting that becomes known by what is around it."""


def simplify_control_flow(subgraph: Subgraph) -> Subgraph:
    """Put the nodes of a branch or loop in its place where it is known what will run.

        %0 = constant(True)
        %1 = cond(%0, %x, bodies=(<Body of 1 operations>, ...))     becomes   %1 = exp(%x)

        %1 = scan(%0, %e, bodies=..., n_carry=1), one element       becomes   %1 = getitem(%e, picks=((0, 0),))
                                                                              %2 = add(%0, %1), what the body does

    A branch where its predicate or index is a constant. A scan where its arrays have no element or one, a `while_loop`
    where its condition depends on constants alone and holds not at all or once; and either where the iterations
    are so few and small that unrolling them hardly makes the graph larger, see `unrolling.UNROLLED_NODES`.
    Prints, assertions and callbacks of the body happen where and as often as before, in their order.
    Never fires for an index that is outside the branches (the run says so), or where a value may turn out to have a
    shape that the loop would refuse. Results that are views are copied: control flow gives arrays of their own, and
    what reads strided ones may round otherwise. What no result in use depends on runs no longer, so cannot fail.
    Reads sizes: runs after bind. O(V + E) a round, with the bodies that are taken apart.
    """
    for _ in range(_MOST_ROUNDS):
        simpler = _round(subgraph)
        if simpler is subgraph:
            break
        subgraph = simpler
    return subgraph


def _round(subgraph: Subgraph) -> Subgraph:
    kinds = {node: kind_of(node) for node in subgraph.nodes if node.op.is_control}
    if not kinds:
        return subgraph
    used = set(subgraph.outputs)
    for node in subgraph.nodes:
        used.update(node.inputs)

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        kind = kinds.get(node)
        if not kind:
            return None
        needed = [t in used for t in node.outputs]
        found = _branch(current) if kind == "cond" else unrolled(current, needed)
        if found is None:
            return None
        return found if _stands_for(found, node.outputs) else None

    return splice(subgraph, replace)


def _branch(node: Node) -> Splice | None:
    selector, *inputs = node.inputs
    if selector.op.op is not CONSTANT or selector.type.shape != ():
        return None
    value = selector.op.attrs["value"].array[()]
    chosen = int(value) if node.attrs["form"] != "cond" else 0 if value else 1
    last = len(node.attrs["bodies"]) - 1
    if not 0 <= chosen <= last:
        if node.attrs["form"] != "switch_case" or not node.attrs["default"]:
            return None
        chosen = last
    made = Inlining(node)
    outputs = [made.result(t) for t in made.add(body_subgraph(node, chosen), inputs)]
    return Splice(tuple(made.nodes), tuple(outputs), made.ends, "branch_known")


def _stands_for(found: Splice, outputs: Sequence[Tensor]) -> bool:
    """True if every result surely is, in type and layout, what control flow would have given."""
    return all(t is None or _fits(old, t) for old, t in zip(outputs, found.outputs, strict=True))


def _fits(old: Tensor, new: Tensor) -> bool:
    a, b = old.type.shape, new.type.shape
    if old.type.dtype != new.type.dtype or not is_row_major(new):
        return False
    if a is None or b is None:
        return a is None
    return len(a) == len(b) and all(dims_equal(x, y) is not False for x, y in zip(a, b, strict=True))
