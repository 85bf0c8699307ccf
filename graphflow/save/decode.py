"""From a header and stored arrays to a graph: every node is made anew by the same way as any other node.

So shapes, dtypes and value numbers are computed, not believed; what the file says of them must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from graphflow import config
from graphflow.errors import FormatError, GraphflowError, shorten
from graphflow.graph import BodyGraph, Graph, Node, Scope, Tensor, canonical_device
from graphflow.op import OPS, Op, lookup
from graphflow.ops.body import Body, needed
from graphflow.save.rows import symbol_key
from graphflow.save.signature import attribute_types
from graphflow.save.state import MAX_COUNT, collections_of, names_of, output_of, variables_of
from graphflow.save.tables import Tables, integer, listed, record, row_of, text
from graphflow.types import BY_NAME, Dim, TensorType, dtype_name, substitute

__all__ = ["decode", "names_in"]

_TABLES = ["symbols", "dims", "types", "constants", "places"]
_HEADER = ["writer", "seed", *_TABLES, "graphs", "bodies", "variables", "collections", "names"]
_NODE = (["op", "name", "types"], ["inputs", "attrs", "control", "device", "place", "cause"])
_BODY = ["graph", "inputs", "outputs", "effects", "captures"]
_NONE: list[Any] = []
_NO_ATTRS: Mapping[str, Any] = MappingProxyType({})


def decode(header: Mapping[str, Any], stored: Mapping[str, np.ndarray[Any, Any]], graph: Graph) -> None:
    """Add to `graph` what a file holds. Raises FormatError, naming the node; `graph` is then half full: give a new one."""
    record(header, "the header", _HEADER)
    _Decoder(header, stored).fill(graph)


def names_in(header: Mapping[str, Any]) -> list[str]:
    """The names of the nodes that a decoded header brings along."""
    return [row["name"] for row in header["graphs"][0]]


class _Decoder:
    """The nodes and bodies made so far."""

    def __init__(self, header: Mapping[str, Any], stored: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._header = header
        self._tables = Tables(header, stored)
        self._rows = [listed(rows, "a graph") for rows in listed(header["graphs"], "graphs")]
        if not self._rows:
            raise FormatError("the file holds no graph")
        self._body_rows = [record(row, "a body", _BODY) for row in listed(header["bodies"], "bodies")]
        used = [integer(row["graph"], "a body's graph", 1, len(self._rows)) for row in self._body_rows]
        if sorted(used) != list(range(1, len(self._rows))):
            raise FormatError("each graph but the first must belong to one body")
        self._nodes: list[list[Node]] = [[] for _ in self._rows]
        self._bodies: dict[int, Body] = {}
        self._open: set[int] = set()
        self._elsewhere: dict[
            tuple[str, Any], Node
        ] = {}  # stand-ins for forward nodes that are not in the file
        self._known: set[str] = set()

    def fill(self, graph: Graph) -> None:
        """Make everything."""
        seed = self._header["seed"]
        if seed is not None:
            seed = integer(seed, "seed", 0, 2**64)
        text(self._header["writer"], "writer")
        # one line makes all nodes here, which is no sign of a graph that grows in a loop
        with config.override(repeat_limit=MAX_COUNT):
            self._make(graph)
        if len(self._bodies) != len(self._body_rows):
            raise FormatError("the file holds bodies that belong to no node")
        variables = variables_of(self._header["variables"], self._nodes[0])
        collections = collections_of(self._header["collections"], self._nodes[0], variables, self._tables)
        names = names_of(self._header["names"])
        for name, items in collections.items():
            for item in items:
                graph.add_to_collection(name, item)
        for name, count in names.items():
            graph._taken[name] = max(count, graph._taken.get(name, 0))
        if graph.seed is None:
            graph.seed = seed

    # --- nodes and bodies ---

    def _make(self, graph: Graph) -> None:
        """Make the nodes of the graph and, before each node that holds bodies, those; without recursion."""
        stack = [self._walk(0, graph)]
        while stack:
            wanted = next(stack[-1], None)
            if wanted is None:
                stack.pop()
                continue
            number, parent, users_inputs = wanted
            if number in self._open:
                raise FormatError(f"body {number} contains itself")
            self._open.add(number)
            stack.append(self._walk_body(number, parent, users_inputs))

    def _walk(self, number: int, graph: Graph) -> Iterator[tuple[int, Graph, tuple[Tensor, ...]]]:
        nodes = self._nodes[number]
        for k, row in enumerate(self._rows[number]):
            try:
                record(row, "it", *_NODE)
                inputs = tuple([output_of(nodes, ref) for ref in listed(row.get("inputs", _NONE), "inputs")])
                attrs = row.get("attrs")
                if attrs is not None:
                    for body in self._bodies_of(attrs):
                        if body not in self._bodies:
                            yield body, graph, inputs
                nodes.append(self._node(graph, nodes, row, inputs))
            except FormatError as error:
                raise FormatError(f"{self._describe(number, k, row)}: {error}") from error.__cause__

    def _describe(self, number: int, k: int, row: Any) -> str:
        """`node 'hidden' (matmul), made at model.py:41`, of what the file says."""
        if type(row) is not dict or type(row.get("name")) is not str:
            return f"node {k} of graph {number}"
        place, places = row.get("place"), self._tables.places
        made = f", made at {places[place]}" if type(place) is int and 0 <= place < len(places) else ""
        return f"node {shorten(row['name'])} ({shorten(row.get('op')).strip(chr(39))}){made}"

    def _walk_body(
        self, number: int, parent: Graph, users_inputs: tuple[Tensor, ...]
    ) -> Iterator[tuple[int, Graph, tuple[Tensor, ...]]]:
        row = self._body_rows[number]
        where = f"body {number}"
        own = row["graph"]
        graph = BodyGraph(parent)
        yield from self._walk(own, graph)
        made = self._nodes[own]
        inputs = tuple([output_of(made, ref) for ref in listed(row["inputs"], where)])
        outputs = tuple([output_of(made, ref) for ref in listed(row["outputs"], where)])
        effects = tuple([row_of(made, k, f"{where}: node") for k in listed(row["effects"], where)])
        n_captures = integer(
            row["captures"], f"{where}: captures", 0, min(len(inputs), len(users_inputs)) + 1
        )
        nodes = needed([t.op for t in outputs] + list(effects), inputs)
        if len(set(inputs)) != len(inputs) or any(t.op.op.name != "placeholder" for t in inputs):
            raise FormatError(f"{where}: its inputs must be placeholders, each once")
        for node in nodes:
            if node.op.name == "placeholder":
                raise FormatError(f"{where}: placeholder '{node.name}' is none of its inputs")
        graph.finalize()
        captures = users_inputs[len(users_inputs) - n_captures :]
        self._bodies[number] = Body(graph, inputs, captures, outputs, effects, nodes)
        self._open.discard(number)

    def _bodies_of(self, attrs: Any) -> Iterator[int]:
        stack = list(reversed(attrs.values())) if type(attrs) is dict else []
        while stack:
            value = stack.pop()
            if type(value) is list:
                stack.extend(reversed(value))
            elif type(value) is dict and "body" in value:
                yield integer(value["body"], "body", 0, len(self._body_rows))

    def _node(self, graph: Graph, nodes: list[Node], row: dict[str, Any], inputs: tuple[Tensor, ...]) -> Node:
        try:
            op = lookup(text(row["op"], "op"))
        except KeyError:
            raise FormatError(
                "the op is not known here; if it is one of your own, declare it before loading"
            ) from None
        name = text(row["name"], "name")
        if not name or name[-1] == "/":
            raise FormatError("the name is malformed")
        control = tuple(
            [row_of(nodes, k, "earlier node") for k in listed(row.get("control", _NONE), "control")]
        )
        attrs = self._attrs(row["attrs"]) if "attrs" in row else _NO_ATTRS
        device = row.get("device")
        scope = Scope(graph=graph, device=device, control=control, cause=self._cause(row.get("cause")))
        try:
            if device is not None and canonical_device(device) != device:
                raise FormatError(f"{shorten(device)} is not a device as this format writes it")
            self._check_attrs(op, len(inputs), attrs)
            node = graph.add(op, inputs, attrs, name, scope)
        except (MemoryError, FormatError):
            raise
        except GraphflowError as error:
            raise FormatError(str(error).partition("\n")[0]) from error
        except Exception as error:  # an inference rule met attributes that no builder would make
            reason = f"{type(error).__name__}: {shorten(str(error))}"
            raise FormatError(f"the op does not take these inputs and attributes ({reason})") from error
        if node.name != name:
            raise FormatError("the name is there twice")
        node._code, node._lasti = self._origin(row.get("place")), 0
        self._check_types(node, listed(row["types"], "types"))
        return node

    def _origin(self, place: Any) -> Any:
        """What a node keeps of the user's line; see `origin.decode`."""
        return None if place is None else row_of(self._tables.places, place, "line")

    def _cause(self, cause: Any) -> Node | None:
        if cause is None:
            return None
        if type(cause) is dict and "node" in cause:
            graph, k = listed(record(cause, "cause", ["node"])["node"], "cause", 2)
            return row_of(row_of(self._nodes, graph, "graph"), k, "earlier node")
        record(cause, "cause", ["name", "place"])
        name, origin = text(cause["name"], "cause"), self._origin(cause["place"])
        node = self._elsewhere.get((name, origin))
        if node is None:
            graph = Graph()
            node = self._elsewhere[name, origin] = graph.add(OPS["no_op"], (), {}, None, Scope(graph=graph))
            node.name, node._code, node._lasti = name, origin, 0
        return node

    # --- attributes and types ---

    def _attrs(self, value: Any) -> Mapping[str, Any]:
        if type(value) is not dict:
            raise FormatError(f"attrs must be an object, not {shorten(value)}")
        attrs = {name: self._tables.attribute(item, self._bodies.__getitem__) for name, item in value.items()}
        self._known.update(_symbols_in(attrs.values()))
        return attrs

    def _check_attrs(self, op: Op, n_inputs: int, attrs: Mapping[str, Any]) -> None:
        """Raise FormatError for an attribute that the op lacks, is missing, or is of another type than it takes."""
        for name, types in attribute_types(op, n_inputs, tuple(attrs)).items():
            if type(attrs[name]) not in types:
                wanted = " or ".join(t.__name__ for t in types)
                raise FormatError(f"attribute {name!r} must be {wanted}, not {shorten(attrs[name])}")

    def _check_types(self, node: Node, declared: Sequence[Any]) -> None:
        """Give the outputs the types of the file, after checking that they are those that were inferred.

        Sizes that nothing is known about got new symbols; they are the file's new ones, in the order of making.
        """
        tables, known = self._tables, self._known
        types = [row_of(tables.types, k, "type") for k in declared]
        inferred = [t.type for t in node.outputs]
        if not all(map(_is_type, inferred)):  # some ops take their type from an attribute
            raise FormatError(f"the attributes are no type: {shorten(dict(node.attrs))}")
        if inferred != types:
            named = {name for k in declared for name in tables.type_symbols[k] if name not in known}
            fresh = {name for name in _symbols_in(inferred) if name not in known and name.startswith("?")}
            if len(named) == len(fresh):
                pairs = zip(sorted(fresh, key=symbol_key), sorted(named, key=symbol_key), strict=True)
                sizes = {new: Dim(name) for new, name in pairs}
                inferred = [TensorType(t.dtype, substitute(t.shape, sizes)) for t in inferred]
            if inferred != types:
                told, found = (", ".join(map(str, ts)) or "nothing" for ts in (types, inferred))
                raise FormatError(f"the file says that it gives {told}, but it gives {found}")
            for t, type in zip(node.outputs, types, strict=True):
                t.type = type
                node.graph.rename_sizes(t)
        for k in declared:
            if tables.type_symbols[k]:
                known.update(tables.type_symbols[k])


def _is_type(type_: TensorType) -> bool:
    """Whether both parts of a type are what they should be; True, which equals 1, is no size."""
    dtype, shape = type_
    if not isinstance(dtype, np.dtype) or dtype_name(dtype) not in BY_NAME:
        return False
    return shape is None or (type(shape) is tuple and all(type(d) is int or type(d) is Dim for d in shape))


def _symbols_in(values: Any) -> set[str]:
    """The symbols of all dimensions in values, types and tuples of them."""
    found: set[str] = set()
    stack = list(values)
    while stack:
        value = stack.pop()
        if type(value) is Dim:
            found.update(value.symbols)
        elif isinstance(value, tuple):
            stack.extend(value)
    return found
