"""From a graph to a header of plain JSON values and a list of constants.

The header is a set of tables, so that what occurs often is written once:

    writer       version of the graphflow that wrote the file; for people, never read
    seed         the graph's random seed, or null
    symbols      named dimensions as text; unnamed unknowns as their rank in the order of making
    dims         polynomials over symbols: [[[symbol, ...], coefficient], ...]
    types        [dtype, shape]: sizes, {"dim": k}, or null for an unknown rank
    constants    types of the arrays that the safetensors part holds
    places       [file, line, function] of the user's code
    graphs       the graph, and one for each branch or loop body: lists of nodes
    bodies       graph, inputs, outputs, effects, and how many captured tensors the last inputs stand for
    variables    handle, initializer, reads, the current read, trainable
    collections  name -> items
    names        scopes and counters: what names are taken beside those of nodes

A node's inputs are [node, output] of its own graph and stand before it. Attributes are JSON values and tagged ones:
{"float": "0x1.8p+1"}, {"complex": [...]}, {"dtype": ...}, {"dim": k}, {"symbol": k}, {"type": k}, {"constant": k},
{"body": k}; a list is a tuple.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.errors import GraphError, shorten
from graphflow.graph import Graph, Node, Tensor
from graphflow.ops.body import Body
from graphflow.ops.state import Variable
from graphflow.save.rows import Rows, numbered

__all__ = ["encode"]


def encode(graph: Graph, writer: str) -> tuple[dict[str, Any], list[np.ndarray[Any, Any]]]:
    """Header and constants of a graph. The same graph always gives the same.

    Raises GraphError, naming node and line, for what is no plain data, such as a Python function.
    """
    encoder = _Encoder()
    encoder.run(graph.operations)
    return {"writer": writer, "seed": graph.seed, **encoder.tables(graph)}, encoder.rows.arrays


class _Encoder:
    """Graphs, bodies, variables and collections while they are written down."""

    def __init__(self) -> None:
        self.rows = Rows()
        self._bodies: dict[Body, int] = {}
        self._body_rows: list[dict[str, Any]] = []
        self._graphs: list[list[dict[str, Any]]] = []
        self._position: dict[Node, tuple[int, int]] = {}

    def tables(self, graph: Graph) -> dict[str, Any]:
        """The whole header but seed and writer."""
        variables = self._variables(graph)
        collections = {
            name: [self._item(name, item, variables) for item in graph.get_collection(name)]
            for name in graph.get_all_collection_keys()
        }
        return {
            **self.rows.tables(),
            "graphs": self._graphs,
            "bodies": self._body_rows,
            "variables": [self._variable(v) for v in variables],
            "collections": collections,
            "names": {
                name: count
                for name, count in sorted(graph._taken.items())
                if count != 1 or name not in graph._by_name
            },
        }

    # --- nodes ---

    def run(self, nodes: Sequence[Node]) -> None:
        """Encode nodes and, before each node that holds bodies, those; without recursion, however deep they nest."""
        stack: list[Iterator[Body]] = [self._walk(nodes)]
        while stack:
            body = next(stack[-1], None)
            if body is None:
                stack.pop()
            elif body not in self._bodies:
                stack.append(self._walk_body(body))

    def _walk(self, nodes: Sequence[Node]) -> Iterator[Body]:
        rows: list[dict[str, Any]] = []
        number = len(self._graphs)
        self._graphs.append(rows)
        for node in nodes:
            yield from _bodies_in(node)
            rows.append(self._node(node, number))
            self._position[node] = (number, len(rows) - 1)

    def _walk_body(self, body: Body) -> Iterator[Body]:
        number = len(self._graphs)
        inside = {*body.nodes, *(t.op for t in body.inputs)}
        yield from self._walk(sorted(inside, key=lambda n: n.id))
        self._bodies[body] = len(self._body_rows)
        self._body_rows.append(
            {
                "graph": number,
                "inputs": [self._output(t, number) for t in body.inputs],
                "outputs": [self._output(t, number) for t in body.outputs],
                "effects": [self._own(n, number) for n in body.effects],
                "captures": len(body.captures),
            }
        )

    def _node(self, node: Node, number: int) -> dict[str, Any]:
        row: dict[str, Any] = {"op": node.op.name, "name": node.name}
        if node.inputs:
            row["inputs"] = [self._output(t, number) for t in node.inputs]
        if node.attrs:
            row["attrs"] = {name: self._attribute(node, name, value) for name, value in node.attrs.items()}
        row["types"] = [self.rows.type(t.type) for t in node.outputs]
        if node.control_inputs:
            row["control"] = [self._own(n, number) for n in node.control_inputs]
        if node.device is not None:
            row["device"] = node.device
        place = self.rows.place(node)
        if place is not None:
            row["place"] = place
        if node.cause is not None:
            row["cause"] = self._cause(node.cause)
        return row

    def _own(self, node: Node, number: int) -> int:
        graph, position = self._position.get(node, (None, 0))
        if graph != number:
            raise GraphError(f"save_graph: {node!r} is used in a graph that it does not belong to").at(
                node.place
            )
        return position

    def _output(self, t: Tensor, number: int) -> list[int]:
        return [self._own(t.op, number), t.index]

    def _cause(self, cause: Node) -> dict[str, Any]:
        """The forward node that a gradient belongs to; where it is not in the file, what messages say of it."""
        known = self._position.get(cause)
        return {"node": list(known)} if known else {"name": cause.name, "place": self.rows.place(cause)}

    def _attribute(self, node: Node, name: str, value: Any) -> Any:
        try:
            return self.rows.value(value, self._bodies)
        except TypeError as error:
            raise GraphError(
                f"save_graph: {node.op.name}: attribute {name!r} holds {error}, which no file can hold"
            ).at(node.place) from None

    # --- variables and collections ---

    def _variables(self, graph: Graph) -> dict[Variable, int]:
        found: dict[Variable, int] = {}
        for name in graph.get_all_collection_keys():
            for item in graph.get_collection(name):
                if isinstance(item, Variable) and item.graph is graph:
                    numbered(found, item)
        return found

    def _variable(self, v: Variable) -> dict[str, Any]:
        return {
            "handle": self._own(v.handle.op, 0),
            "initializer": self._own(v.initializer, 0),
            "reads": [self._own(t.op, 0) for t in v._reads],
            "current": None if v._read is None else self._own(v._read.op, 0),
            "trainable": v.trainable,
        }

    def _item(self, collection: str, item: Any, variables: dict[Variable, int]) -> dict[str, Any]:
        if isinstance(item, Variable) and item in variables:
            return {"variable": variables[item]}
        if isinstance(item, Node) and item in self._position:
            return {"node": self._own(item, 0)}
        if isinstance(item, Tensor) and item.op in self._position:
            return {"tensor": self._output(item, 0)}
        try:
            return {"value": self.rows.value(item, {})}
        except (TypeError, KeyError):
            raise GraphError(
                f"save_graph: collection {shorten(collection)} holds {shorten(item)}, which no file can hold"
            ) from None


def _bodies_in(node: Node) -> Iterator[Body]:
    stack = [*node.attrs.values()][::-1]
    while stack:
        value = stack.pop()
        if type(value) is Body:
            yield value
        elif type(value) is tuple:
            stack.extend(reversed(value))
