"""What a caller fetches: any nest of tensors, operations, variables and names, and its results put back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.errors import FetchError, GraphflowError, shorten
from graphflow.graph import Graph, Node, Tensor

__all__ = ["Fetches", "resolve_fetches"]

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Fetches:
    """tensors: what to compute, each once. targets: operations to run.

    rebuild: the results, one a tensor in that order, put into the shape that was asked for; an operation
        gives None there.
    """

    tensors: tuple[Tensor, ...]
    targets: tuple[Node, ...]
    rebuild: Callable[[Sequence[Any]], Any]


def resolve_fetches(graph: Graph, fetches: Any) -> Fetches:
    """Look up every leaf. Raises FetchError for None, numbers and what else is no tensor, operation or name."""
    tensors: dict[Tensor, int] = {}
    targets: dict[Node, None] = {}

    def visit(item: Any, depth: int) -> Callable[[Sequence[Any]], Any]:
        if depth > MAX_DEPTH:
            raise FetchError(f"fetches are nested more than {MAX_DEPTH} deep")
        if isinstance(item, Mapping):
            parts = {key: visit(value, depth + 1) for key, value in item.items()}
            return lambda results: {key: part(results) for key, part in parts.items()}
        if isinstance(item, (list, tuple)):
            made = [visit(value, depth + 1) for value in item]
            if isinstance(item, list):
                return lambda results: [part(results) for part in made]
            if hasattr(item, "_fields"):
                kind = type(item)
                return lambda results: kind(*[part(results) for part in made])
            return lambda results: tuple([part(results) for part in made])
        if hasattr(type(item), "__graphflow_parts__"):  # made of several tensors, as a SparseTensor
            pieces = [visit(value, depth + 1) for value in item.__graphflow_parts__()]
            return lambda results: item.__graphflow_value__(*[piece(results) for piece in pieces])
        element = _element(graph, item)
        if isinstance(element, Node):
            targets[element] = None
            return lambda results: None
        index = tensors.setdefault(element, len(tensors))
        return lambda results: results[index]

    rebuild = visit(fetches, 0)
    return Fetches(tuple(tensors), tuple(targets), rebuild)


def _element(graph: Graph, item: Any) -> Node | Tensor:
    try:
        return graph.as_graph_element(item)
    except GraphflowError as error:
        raise FetchError(f"cannot fetch {shorten(item)}: {error}") from error
