"""Which nodes get a place of their own: initialisers, first reads and small constants do not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from graphflow.graph import Node
from graphflow.visualize.diagram import Kind
from graphflow.visualize.subject import Subject
from graphflow.visualize.wording import is_chip_value, kind_of

__all__ = ["Cast", "cast_of"]


@dataclass(frozen=True, slots=True)
class Cast:
    """Which part each node of a subject plays in the picture.

    kept: nodes that a box or card stands for. chips: constants written at their users.
    merged: reads, each with the variable whose box stands for it too.
    """

    kept: tuple[Node, ...]
    chips: Collection[Node]
    merged: Mapping[Node, Node]
    n_left_out: int


def cast_of(subject: Subject, all: bool = False) -> Cast:
    """Who plays what. all: leave nothing out and merge nothing."""
    nodes = subject.nodes
    left_out = set() if all or not subject.is_whole else _initialisers(nodes)
    merged = {} if all else _merged_reads(nodes)
    used = {t.op for node in nodes if node not in left_out for t in node.inputs}
    used -= {t.op for t in subject.fetches}
    chips = {node for node in nodes if node in used and is_chip_value(node)}
    kept = [node for node in nodes if node not in left_out and node not in merged and node not in chips]
    return Cast(tuple(kept), chips, merged, len(left_out))


def _initialisers(nodes: Sequence[Node]) -> set[Node]:
    """Assignments of first values, what only computes those, and what only waits for them."""
    names = {node.name for node in nodes if kind_of(node) is Kind.VARIABLE}
    first_values = {f"{name}/Assign" for name in names}
    out = {node for node in nodes if node.type == "assign" and node.name in first_values}
    for node in nodes:
        needs = [*(t.op for t in node.inputs), *node.control_inputs]
        if needs and not node.outputs and _all_in(needs, out):
            out.add(node)
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for source in [*(t.op for t in node.inputs), *node.control_inputs]:
            users.setdefault(source, []).append(node)
    for node in reversed(nodes):
        if node in users and _all_in(users[node], out) and kind_of(node) not in (Kind.VARIABLE, Kind.INPUT):
            out.add(node)
    return out


def _all_in(nodes: Iterable[Node], group: Collection[Node]) -> bool:
    """True if every one of `nodes` is in `group`."""
    return all(node in group for node in nodes)


def _merged_reads(nodes: Sequence[Node]) -> dict[Node, Node]:
    """`w/read` to `w`, where nothing has been written in between."""
    return {
        node: node.inputs[0].op
        for node in nodes
        if node.type == "read"
        and not node.control_inputs
        and len(node.inputs) == 1
        and kind_of(node.inputs[0].op) is Kind.VARIABLE
        and node.name == f"{node.inputs[0].op.name}/read"
    }
