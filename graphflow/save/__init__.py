"""`gf.save_graph` and `gf.load_graph`: a graph in a file that holds data only, never code.

    encode.py     graph -> header (plain values) and constants; rows.py its small tables
    container.py  header and constants <-> bytes, with a checksum
    decode.py     header and constants -> graph, every node made anew; tables.py the small tables, state.py variables,
                  collections and names, signature.py the attributes that an op takes

The header is described in `encode.py`, the bytes around it in `container.py`.
"""

from __future__ import annotations

from typing import Any

from graphflow.collector import paused_collector
from graphflow.errors import ArgumentError, FormatError, GraphError, MemoryLimitError, shorten
from graphflow.files import as_path, atomic_write
from graphflow.graph import BodyGraph, Graph, get_default_graph
from graphflow.plan import parse_nbytes
from graphflow.save.container import VERSION, pack, unpack
from graphflow.save.decode import decode, names_in
from graphflow.save.encode import encode

__all__ = ["load_graph", "save_graph"]

WRITER = f"graphflow, format {VERSION}"


def save_graph(path: Any, graph: Graph | None = None) -> None:
    """Write a graph to a file: nodes, constants, variables (not their values), collections, names, lines, seed.

    path: of the file, by custom `*.gfg`. It appears whole or not at all; one that is there is replaced.
    graph: the default graph if None.
    The same graph always gives the same bytes. Values of variables are saved by `gf.train.Saver`.
    Raises GraphError, naming node and line, if the graph holds what is no data, such as the function of a
    `py_func`; FileError if the file cannot be written.
    """
    if graph is None:
        graph = get_default_graph()
    if not isinstance(graph, Graph):
        raise ArgumentError(f"save_graph: graph must be a Graph, not {shorten(graph)}")
    if isinstance(graph, BodyGraph):
        raise GraphError("save_graph: a loop body, branch or traced function cannot be saved on its own")
    as_path(path)
    with graph._lock:
        header, constants = encode(graph, WRITER)
    atomic_write(path, pack(header, constants))


def load_graph(path: Any, into: Graph | None = None, memory_limit: int | str = "8GiB") -> Graph:
    """The graph in a file that `save_graph` wrote. Nothing in the file is executed, imported or evaluated.

    into: a graph to add it to, in which none of its names may be taken; a new graph if None.
    memory_limit: bytes or text such as "2GB": a file that may need more, by a forecast from the sizes in its
        first 52 bytes, is refused unread.
    Everything is checked first and every type is inferred anew, so that a graph that is loaded is as good as
    one that is built; after an error `into` is as before. Nodes keep names, devices and the lines where they
    were first made; random ops draw the same numbers. Variables need initializing, or a `Saver`.
    Raises FormatError for a file that is damaged, of another kind or version, or that is not true; FileError for
    one that cannot be read; MemoryLimitError; GraphError for names that `into` has already.
    """
    limit = parse_nbytes(memory_limit, "load_graph: memory_limit")
    _check_into(into)
    try:
        with paused_collector():
            header, stored = unpack(path, limit)
            graph = Graph()
            try:
                decode(header, stored, graph)
            except FormatError as error:
                raise FormatError(f"{shorten(str(path))}: {error}") from error.__cause__
            if into is None:
                return graph
            with into._lock:
                _check_names(header, into)
                decode(header, stored, into)
            return into
    except MemoryError as error:
        if isinstance(error, MemoryLimitError):
            raise
        raise MemoryLimitError(f"load_graph: {shorten(str(path))} does not fit into memory") from error


def _check_into(into: Any) -> None:
    if into is None:
        return
    if not isinstance(into, Graph) or isinstance(into, BodyGraph):
        raise ArgumentError(f"load_graph: into must be a Graph, not {shorten(into)}")
    if into.finalized:
        raise GraphError("load_graph: the graph is finalized: no node can be added")


def _check_names(header: dict[str, Any], into: Graph) -> None:
    taken = [name for name in names_in(header) if name in into._taken]
    if taken:
        listing = ", ".join(taken[:5]) + (", ..." if len(taken) > 5 else "")
        raise GraphError(f"load_graph: the graph has {len(taken)} of the file's names already: {listing}")
