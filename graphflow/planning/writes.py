"""How each variable is written: which assignments go straight to its own bytes, and from where on nothing can fail.

Everything that can fail comes before the first write where dependencies allow, so that a run which
fails leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.graph import Node, Tensor
from graphflow.subgraph import Subgraph

__all__ = ["Write", "Written", "is_single_call", "write_last", "written"]


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One assignment: `producer` is the node that may write the variable's bytes directly, or None.

    direct: the write goes to the variable's own bytes; else to a buffer that is copied in at the end.
    """

    node: Node
    direct: bool
    producer: Node | None


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """An order with its writes. commit: position from which nothing can fail any more. writes: by node."""

    order: tuple[Node, ...]
    commit: int
    writes: dict[Node, Write]


def write_last(subgraph: Subgraph) -> Written:
    """The program's order, with writes of variables as late as edges allow. O(V + E)."""
    nodes = subgraph.nodes
    numbers = [k for k, n in enumerate(nodes) if n.op.name == "assign"]
    if not numbers:
        return Written(nodes, len(nodes), {})
    tail = _after_writes(nodes[numbers[0] :])
    producers = _producers(subgraph, [nodes[k] for k in numbers])
    sunk = set(producers.values())
    order = [n for n in nodes if n not in tail and n not in sunk]
    for n in nodes[numbers[0] :]:
        if n in tail and n not in sunk:
            if n in producers:
                order.append(producers[n])
            order.append(n)
    return written(tuple(order), subgraph.outputs, producers)


def _after_writes(nodes: Sequence[Node]) -> set[Node]:
    """Assignments and all that must run after one: its users, and later reads of the same variable.

    nodes: from the first assignment on.
    """
    tail: set[Node] = set()
    assigned: set[Tensor] = set()
    for node in nodes:
        name = node.op.name
        if name == "assign":
            assigned.add(node.inputs[0])
            tail.add(node)
        elif name == "read" and node.inputs[0] in assigned:
            tail.add(node)
        else:
            for t in node.inputs:
                if t.op in tail:
                    tail.add(node)
                    break
            else:
                if node.control_inputs and not tail.isdisjoint(node.control_inputs):
                    tail.add(node)
    return tail


def is_single_call(node: Node) -> bool:
    """True for nodes that every backend runs as one call that cannot fail: they may follow a write."""
    op = node.op
    if not (op.is_view or op.is_single_call) or not op.is_silent:
        return False
    for t in node.inputs:
        if not t.type.is_static:
            return False
    return all(t.type.is_static for t in node.outputs)


def _producers(subgraph: Subgraph, assigns: list[Node]) -> dict[Node, Node]:
    """For each assignment the node whose only use it is and that can write the variable's bytes itself."""
    uses = {n.inputs[1]: 0 for n in assigns}
    held = set(subgraph.targets)
    for node in subgraph.nodes:
        for t in node.inputs:
            if t in uses:
                uses[t] += 1
        if node.control_inputs:
            held.update(node.control_inputs)
    kept, fed = set(subgraph.outputs), set(subgraph.inputs)
    found: dict[Node, Node] = {}
    for node in assigns:
        value = node.inputs[1]
        maker = value.op
        if (
            is_single_call(maker)
            and not maker.control_inputs
            and value not in kept
            and value not in fed
            and maker not in held
            and uses[value] == 1
            and value.type == node.outputs[0].type
            and value.type.size != 1  # in place is slower for one element, see `liveness.REUSED_NBYTES`
            and maker.op.takes_out
        ):
            found[node] = maker
    return found


def written(order: tuple[Node, ...], outputs: tuple[Tensor, ...], producers: dict[Node, Node]) -> Written:
    """Decide how the assignments of an order write. O(V + E).

    producers: for an assignment, the node right before it that may write the variable's bytes.
    """
    ends = _ends(order, outputs)
    last_fallible = next((i for i in range(len(order) - 1, -1, -1) if not _is_sure(order[i])), -1)
    values: dict[Tensor, list[Tensor]] = {}  # by variable: its values so far, of reads and writes
    begins: dict[Node, int] = {}
    indirect: set[Tensor] = set()
    for i, node in enumerate(order):
        if node.op.name not in ("read", "assign"):
            continue
        handle = node.inputs[0]
        old = values.setdefault(handle, [])
        if node.op.name == "assign":
            producer = producers.get(node)
            begin = begins[node] = i if producer is None else i - 1
            free = all(_may_overwrite(t, producer, begin, ends) for t in old)
            if not (begin > last_fallible and free and _all_static(node)):
                # for all its writes: a copy at the end would change what an earlier one gave
                indirect.add(handle)
        old.append(node.outputs[0])
    writes: dict[Node, Write] = {}
    commit = len(order)
    for node, begin in begins.items():
        direct = node.inputs[0] not in indirect
        if direct:
            commit = min(commit, begin)
        writes[node] = Write(node, direct, producers.get(node) if direct else None)
    return Written(order, commit, writes)


def _is_sure(node: Node) -> bool:
    """True if nothing of the node can fail once a run has begun."""
    op = node.op
    if op.is_source or op.name in ("read", "no_op"):
        return True
    return _all_static(node) if op.name == "assign" else is_single_call(node)


def _all_static(node: Node) -> bool:
    return all(t.type.is_static for t in node.inputs)


def _ends(order: tuple[Node, ...], outputs: tuple[Tensor, ...]) -> dict[Tensor, int]:
    """The position of the last use of each value, or of any view of it."""
    ends = dict.fromkeys(outputs, len(order))
    for i in range(len(order) - 1, -1, -1):
        node = order[i]
        for t in node.inputs:
            if t not in ends:
                ends[t] = i
        if node.op.is_view:
            source, end = node.inputs[0], ends.get(node.outputs[0], -1)
            ends[source] = max(ends[source], end)
    return ends


def _may_overwrite(old: Tensor, producer: Node | None, begin: int, ends: dict[Tensor, int]) -> bool:
    """True if the old value is dead when the write begins, or its producer reads it only at its own place."""
    end = ends.get(old, -1)
    if end < begin:
        return True
    return (
        end == begin
        and producer is not None
        and producer.op.in_place
        and any(t is old for t in producer.op.donors(producer.inputs))
        and all(t is old or not _is_view_of(t, old) for t in producer.inputs)
    )


def _is_view_of(t: Tensor, source: Tensor) -> bool:
    while t.op.op.is_view:
        t = t.op.inputs[0]
        if t is source:
            return True
    return False
