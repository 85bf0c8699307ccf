"""A graph as a `networkx.MultiDiGraph`, for everything that networkx can compute about graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphflow.graph import Node
from graphflow.visualize.subject import subject_of

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["to_networkx"]


def to_networkx(obj: Any) -> nx.MultiDiGraph[str]:
    """All nodes of a graph, of what tensors need, or of a plan, with their edges; nothing is left out.

    Nodes are called by their names and carry `op`, `dtype`, `shape` (of the first output), `outputs`,
    `device`, `file` and `line`. An edge's key is the position of the input at its target, or `control:0`,
    `control:1`, ...; it carries `tensor`, `type` and `control`. All attributes are strings, ints and
    bools, so that every format of networkx can write them.
    """
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    nodes = subject_of(obj).nodes
    for node in nodes:
        graph.add_node(node.name, **_facts(node))
    for node in nodes:
        for position, t in enumerate(node.inputs):
            facts = {"tensor": t.name, "type": str(t.type), "control": False}
            graph.add_edge(t.op.name, node.name, key=str(position), **facts)
        for position, source in enumerate(node.control_inputs):
            facts = {"tensor": "", "type": "", "control": True}
            graph.add_edge(source.name, node.name, key=f"control:{position}", **facts)
    return graph


def _facts(node: Node) -> dict[str, str | int]:
    types = [str(t.type) for t in node.outputs]
    dtype, _, shape = types[0].partition("[") if types else ("", "", "")
    return {
        "op": node.type,
        "dtype": dtype,
        "shape": f"[{shape}" if types else "",
        "outputs": ", ".join(types),
        "device": node.device or "",
        "file": node.origin.file,
        "line": node.origin.line,
    }
