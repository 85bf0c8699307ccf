"""Nests of values: lists, tuples, named tuples and dicts, flattened in a fixed order and packed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.errors import ArgumentError, shorten

__all__ = ["Nest", "flatten"]

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Nest:
    """The structure of a nest without its leaves.

    kind: the container's type; NoneType for None, which holds nothing; None for a leaf.
    keys: a dict's keys, in its order. children: what the container holds.
    """

    kind: type | None
    keys: tuple[Any, ...] = ()
    children: tuple[Nest, ...] = ()

    def pack(self, leaves: Sequence[Any]) -> Any:
        """A nest of this structure that holds `leaves`."""
        return self._pack(iter(leaves))

    def _pack(self, leaves: Iterator[Any]) -> Any:
        if self.kind is None:
            return next(leaves)
        if self.kind is type(None):
            return None
        items = [child._pack(leaves) for child in self.children]
        if self.keys:
            return dict(zip(self.keys, items, strict=True))
        return self.kind(*items) if hasattr(self.kind, "_fields") else self.kind(items)

    def leaves_of(self, value: Any, what: str) -> list[Any]:
        """The leaves of `value`, which must have this structure; lists and tuples are the same to it.

        Raises ArgumentError, beginning with `what`, where the structures differ.
        """
        leaves: list[Any] = []
        self._match(value, what, leaves)
        return leaves

    def _match(self, value: Any, what: str, leaves: list[Any]) -> None:
        if self.kind is None:
            if value is None or isinstance(value, (list, tuple, dict)):
                raise ArgumentError(f"{what} is {shorten(value)} where one value is needed")
            leaves.append(value)
            return
        items: Sequence[Any] | None
        if self.kind is type(None):
            items = () if value is None else None
        elif issubclass(self.kind, dict):
            same = (
                isinstance(value, dict)
                and len(value) == len(self.keys)
                and all(k in value for k in self.keys)
            )
            items = [value[k] for k in self.keys] if same else None
        else:
            same = isinstance(value, (list, tuple)) and len(value) == len(self.children)
            items = value if same else None
        if items is None:
            raise ArgumentError(f"{what} is {shorten(value)} where {self.describe()} is needed")
        for child, item in zip(self.children, items, strict=True):
            child._match(item, what, leaves)

    def describe(self) -> str:
        """`a list of 2`, for error messages."""
        if self.kind is None:
            return "one value"
        if self.kind is type(None):
            return "None"
        if self.keys:
            return f"a dict with the keys {shorten(list(self.keys))}"
        return f"a {self.kind.__name__} of {len(self.children)}"


_LEAF = Nest(None)
_NOTHING = Nest(type(None))


def flatten(value: Any, what: str) -> tuple[list[Any], Nest]:
    """The leaves of a nest and its structure. None is an empty nest; anything else is a leaf.

    Raises ArgumentError, beginning with `what`, for nests deeper than 64: a list may hold itself.
    """
    leaves: list[Any] = []
    return leaves, _flatten(value, what, leaves, 0)


def _flatten(value: Any, what: str, leaves: list[Any], depth: int) -> Nest:
    if depth > MAX_DEPTH:
        raise ArgumentError(f"{what} is nested more than {MAX_DEPTH} deep")
    if value is None:
        return _NOTHING
    if isinstance(value, dict):
        children = tuple([_flatten(item, what, leaves, depth + 1) for item in value.values()])
        return Nest(dict, tuple(value), children)
    if isinstance(value, (list, tuple)):
        kind = type(value) if hasattr(value, "_fields") else list if isinstance(value, list) else tuple
        return Nest(kind, (), tuple([_flatten(item, what, leaves, depth + 1) for item in value]))
    leaves.append(value)
    return _LEAF
