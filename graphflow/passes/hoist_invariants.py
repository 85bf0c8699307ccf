"""Loop-invariant code motion: what every iteration would compute alike is computed once, before the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.graph import Node, Tensor, detached
from graphflow.op import Trait
from graphflow.passes.bodies import (
    body_of,
    body_subgraph,
    kind_of,
    param_like,
    rewired,
    roles_of,
    sizes_in,
    with_bodies,
)
from graphflow.passes.splice import Now, Splice, splice
from graphflow.subgraph import Subgraph, prune

__all__ = ["HELD_NBYTES", "hoist_invariants"]

HELD_NBYTES = 65_536
"""Results up to this size may be held for a whole loop even if they are larger than what they are made of."""


def hoist_invariants(subgraph: Subgraph) -> Subgraph:
    """Move nodes of loop bodies that depend on captures and constants alone before the loop.

        %1 = while_loop(%0, %w, bodies=...)      becomes   %1 = exp(%w)
        with a body that computes exp(%w)                  %2 = while_loop(%0, %1, bodies=...)

    The result is a capture of the body then. Only pure nodes that can neither fail nor print move, as the body may run
    not at all; nothing moves out of a branch, which may well not be taken.
    What does not move: views, which cost nothing; constants; fills, and other results of more than HELD_NBYTES bytes
    that are larger than what they are made of (broadcast sums, outer products, paddings), unless matrix products:
    to hold them for the whole loop costs more memory than making them again costs time. They are made twice where
    something smaller that moves depends on them.
    Kernels, operands and their layout are the same, so every bit stays. Reads sizes: runs after bind.
    O(V + E), bodies of loops included. Source: Allen and Cocke 1972, "A Catalogue of Optimizing Transformations".
    """
    if not any(node.op.is_control for node in subgraph.nodes):
        return subgraph

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        return _hoisted(current) if kind_of(node) in ("while_loop", "scan") else None

    return splice(subgraph, replace)


def _hoisted(node: Node) -> Splice | None:
    consts = roles_of(node).body_consts
    bodies = [body_subgraph(node, number) for number in range(len(node.attrs["bodies"]))]
    found = [_invariants(body, body.inputs[consts:]) for body in bodies]
    if not any(f.crossing for f in found):
        return None
    outside = node.inputs[roles_of(node).consts :]
    nodes: list[Node] = []
    captured: list[Tensor] = []
    params: list[list[Tensor]] = []
    for body, one in zip(bodies, found, strict=True):
        new = dict(zip(body.inputs[consts:], outside, strict=True))
        for n in one.moving:
            fresh = detached(n, n.op, tuple([new[t] for t in n.inputs]), n.attrs)
            fresh.device = n.device or node.device
            new.update(zip(n.outputs, fresh.outputs, strict=True))
            nodes.append(fresh)
        captured += [new[t] for t in one.crossing]
        params.append([param_like(t) for t in one.crossing])
    changed = []
    for number, (body, one) in enumerate(zip(bodies, found, strict=True)):
        extra = [p if k == number else param_like(p) for k, part in enumerate(params) for p in part]
        new = dict(zip(one.crossing, params[number], strict=True))
        changed.append(body_of(prune(rewired(body, (*body.inputs, *extra), new))))
    fresh = with_bodies(node, (*node.inputs, *captured), changed, range(len(node.outputs)))
    return Splice((*nodes, fresh), fresh.outputs, (fresh,), "invariants_hoisted")


@dataclass(frozen=True, slots=True, eq=False)
class _Invariants:
    """moving: nodes to make before the loop, in their order. crossing: what the body captures of them."""

    moving: tuple[Node, ...]
    crossing: tuple[Tensor, ...]


def _invariants(body: Subgraph, captures: Sequence[Tensor]) -> _Invariants:
    known = set(captures)
    found: list[Node] = []
    for n in body.nodes:
        op = n.op
        if op.is_pure and op.is_silent and not n.control_inputs and all(t in known for t in n.inputs):
            if not (op.is_source and op.name != "constant") and not sizes_in(n.attrs):
                known.update(n.outputs)
                found.append(n)
    inside = set(found)
    needed = {t for n in body.nodes if n not in inside for t in n.inputs}
    needed.update(body.outputs)
    held = {c for n in body.nodes for c in n.control_inputs} | set(body.targets)
    crossing: list[Tensor] = []
    moving: set[Node] = set()
    for n in reversed(found):
        if any(t in needed for t in n.outputs) and n not in held and _is_worth(n):
            crossing.extend([t for t in n.outputs if t in needed])
            moving.add(n)
        elif any(t in needed for t in n.outputs) or n in held:
            needed.update(n.inputs)
        if n in moving:
            moving.update([t.op for t in n.inputs if t.op in inside])
    order = {t: k for k, t in enumerate(t for n in found for t in n.outputs)}
    crossing.sort(key=order.__getitem__)
    return _Invariants(tuple([n for n in found if n in moving]), tuple(crossing))


def _is_worth(node: Node) -> bool:
    """True if a result is rather held than made again."""
    op = node.op
    if op.is_view or op.is_source or op.shape_only or not node.inputs:
        return False
    sizes = [t.type.nbytes for t in node.outputs]
    if any(size is None for size in sizes):
        return False
    nbytes = sum(size or 0 for size in sizes)
    if nbytes <= HELD_NBYTES or op.traits & Trait.BLAS:
        return True
    return nbytes <= sum(t.type.nbytes or 0 for t in dict.fromkeys(node.inputs))
