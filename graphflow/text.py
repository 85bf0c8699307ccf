"""A graph as text, one line a node: what tests, errors and `print(graph)` show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphflow.errors import shorten
from graphflow.graph import Node, Tensor

__all__ = ["format_graph", "format_nodes"]


def format_graph(graph: Any, limit: int = 1000) -> str:
    """A Graph or Subgraph as text; at most `limit` lines, the rest counted."""
    nodes: Sequence[Node] = graph.nodes if hasattr(graph, "nodes") else graph.operations
    lines = list(format_nodes(nodes[:limit]))
    if len(nodes) > limit:
        lines.append(f"... and {len(nodes) - limit} more operations")
    outputs = getattr(graph, "outputs", None)
    if outputs is not None:
        names = _numbering(nodes)
        lines.append("return " + ", ".join(names.get(t, f"<{t.name}>") for t in outputs))
    return "\n".join(lines) if lines else "(empty graph)"


def _numbering(nodes: Iterable[Node]) -> dict[Tensor, str]:
    names: dict[Tensor, str] = {}
    for number, node in enumerate(nodes):
        for t in node.outputs:
            names[t] = f"%{number}" if len(node.outputs) == 1 else f"%{number}.{t.index}"
    return names


def format_nodes(nodes: Iterable[Node]) -> Iterable[str]:
    """`%3 = matmul(%1, %2) : float32[?, 10]  # hidden, model.py:41`, for each node."""
    listed = list(nodes)
    names = _numbering(listed)
    for number, node in enumerate(listed):
        arguments = [names.get(t, f"<{t.name}>") for t in node.inputs]
        arguments += [f"{key}={shorten(value, 40)}" for key, value in node.attrs.items()]
        arguments += [f"after {n.name}" for n in node.control_inputs]
        types = ", ".join(str(t.type) for t in node.outputs) or "()"
        place = f" on {node.device}" if node.device else ""
        yield f"%{number} = {node.op.name}({', '.join(arguments)}) : {types}{place}  # {node.name}, {node.origin}"
