"""What is to be drawn, as one plain record: the only place that knows graphs, tensors and plans apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.errors import RenderError, shorten
from graphflow.graph import Graph, Node, Tensor
from graphflow.ops.body import Body
from graphflow.plan import Plan
from graphflow.subgraph import Subgraph

__all__ = ["Subject", "body_sizes", "constant_array", "nbytes_of", "subject_of"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Nodes in the order in which they are told, and what is known about them.

    is_whole: the nodes are a whole graph, not what some tensors need.
    nbytes: bytes that a node's outputs take, where a plan knows. critical: a plan's critical path, in order.
    """

    title: str
    nodes: tuple[Node, ...]
    fetches: tuple[Tensor, ...] = ()
    is_whole: bool = False
    nbytes: Mapping[Node, int] = field(default_factory=dict)
    critical: tuple[Node, ...] = ()
    peak_nbytes: int | None = None


def subject_of(obj: Any) -> Subject:
    """The subject that `obj` is: a graph or subgraph, a plan, a tensor or operation, or a nest of those.

    Raises RenderError for anything else.
    """
    if isinstance(obj, Graph):
        return Subject("graph", obj.operations, is_whole=True)
    if isinstance(obj, Subgraph):
        return Subject("subgraph", _with_sources(obj.nodes), obj.outputs)
    if isinstance(obj, Plan):
        return _of_plan(obj)
    fetches = tuple(_flatten(obj))
    if not fetches:
        raise RenderError(
            "render: there is nothing to draw in an empty list; give at least one tensor, or the graph"
        )
    tensors = tuple(f for f in fetches if isinstance(f, Tensor))
    nodes = _ancestors([f.op if isinstance(f, Tensor) else f for f in fetches])
    names = dict.fromkeys(f.op.name if isinstance(f, Tensor) else f.name for f in fetches)
    return Subject(", ".join(names), nodes, tensors)


def _of_plan(plan: Plan) -> Subject:
    if plan.subgraph is None:
        raise RenderError(
            "render: this plan was loaded from a file, which holds no graph; draw the plan that was saved"
        )
    nodes = _with_sources(plan.order)
    by_name = {node.name: node for node in nodes}
    own = {
        i.place.name: sum(plan.program.slots[slot].nbytes or 0 for slot in i.outputs)
        for i in plan.program.instructions
    }
    sizes = {node: own.get(node.name, nbytes_of(node, {})) for node in nodes}
    return Subject(
        title=f"plan for {plan.device}",
        nodes=nodes,
        fetches=plan.subgraph.outputs if plan.subgraph is not None else (),
        nbytes={node: size for node, size in sizes.items() if size is not None},
        critical=tuple(by_name[place.name] for place in plan.critical_path if place.name in by_name),
        peak_nbytes=plan.peak_nbytes,
    )


def nbytes_of(node: Node, known: Mapping[Node, int]) -> int | None:
    """Bytes of a node's outputs: as `known`, else by their types; None where a size is not known."""
    if node in known:
        return int(known[node])
    sizes = [t.type.nbytes for t in node.outputs]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _with_sources(order: tuple[Node, ...]) -> tuple[Node, ...]:
    """The nodes of a run, with those whose values it is given in front."""
    inside = set(order)
    sources = dict.fromkeys(t.op for node in order for t in node.inputs if t.op not in inside)
    return (*sources, *order)


def _flatten(obj: Any) -> Iterable[Tensor | Node]:
    """The tensors and operations in a nest of lists, tuples and dictionaries; each list is entered once."""
    stack = [obj]
    entered: set[int] = set()
    while stack:
        item = stack.pop()
        if hasattr(item, "__graphflow_fetch__"):
            item = item.__graphflow_fetch__()
        if isinstance(item, (Tensor, Node)):
            yield item
        elif not isinstance(item, (list, tuple, Mapping)):
            raise RenderError(
                f"render: {shorten(item)} is no graph, plan, tensor, operation or list of these"
            )
        elif id(item) not in entered:
            entered.add(id(item))
            stack.extend(reversed(list(item.values() if isinstance(item, Mapping) else item)))


def _ancestors(roots: Iterable[Node]) -> tuple[Node, ...]:
    """All that the roots need, control inputs included, in the order of making."""
    seen: dict[Node, None] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen[node] = None
            stack.extend(t.op for t in node.inputs)
            stack.extend(node.control_inputs)
    return tuple(sorted(seen, key=lambda node: node.id))


def constant_array(node: Node) -> Any:
    """The array that a constant holds, or None."""
    return getattr(node.attrs.get("value"), "array", None)


def body_sizes(node: Node) -> list[int]:
    """How many operations each branch or loop body inside a node has."""
    values = node.attrs.get("bodies", ())
    return [len(body.nodes) for body in values if isinstance(body, Body)]
