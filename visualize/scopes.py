"""Which name scopes of a graph are drawn open, which closed as cards, so that a picture stays readable.

A small graph is drawn whole. In a large one, scopes are opened from the outside in while the boxes
stay below a limit; before that, runs of scopes of one structure become one stack, and an
endless list of siblings is cut into cards of neighbours. So a graph of any size gives a picture of
bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from graphflow.visualize.diagram import Kind

__all__ = ["Card", "Grouping", "OpenScope", "group"]

MAX_DEPTH = 12
"""Name scopes nested deeper than this are taken for one."""

MIN_RUN = 4
"""So many neighbouring scopes of one structure become a stack."""

_MAX_PIECES = 40  # a list of siblings that is too long becomes at most about so many cards
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Card:
    """A closed scope, or a run of siblings: drawn as one box."""

    kind: Kind
    title: str
    n_nodes: int
    n_scopes: int
    """Scopes stacked in it, for a stack."""
    panel: int


@dataclass(frozen=True, slots=True)
class OpenScope:
    """A scope whose inside is shown; the first one is the whole picture and its own parent.

    path: the start of the full names of all inside, with its slash.
    """

    title: str
    path: str
    parent: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """What is drawn.

    shown: a node, by its number and its panel, or a card. owner: for each node, its place in `shown`.
    """

    shown: tuple[tuple[int, int] | Card, ...]
    owner: tuple[int, ...]
    panels: tuple[OpenScope, ...]


class _Tree:
    """Scopes by number, each after its parent, 0 the root. Children: node `i`, or scope `s` as `~s`."""

    def __init__(self, names: Sequence[str], types: Sequence[str]) -> None:
        self.names = names
        self.title = [""]
        self.path = [""]
        self.parent = [0]
        self.children: list[list[int]] = [[]]
        self.n_nodes = [0]
        self.n_scopes = [1]
        self.kind = [Kind.CARD]
        self.shape = [0]  # a number that is equal for scopes of one structure
        by_path = {"": 0}
        type_numbers: dict[str, int] = {}
        for node, (name, type_) in enumerate(zip(names, types, strict=True)):
            number = type_numbers.setdefault(type_, len(type_numbers) + 1)
            scope = 0
            self._count(0, number)
            path = ""
            for part in name.split("/", MAX_DEPTH)[:-1]:
                path += part + "/"
                inner = by_path.get(path)
                if inner is None:
                    inner = by_path[path] = self.add(part, path, scope)
                    self.children[scope].append(~inner)
                scope = inner
                self._count(scope, number)
            # the last node of a composed function has the scope's own name; a group only waits for other nodes
            result_of = None if type_ == "no_op" else by_path.get(name + "/")
            if result_of is not None:
                scope = result_of
                self._count(scope, number)
            self.children[scope].append(node)

    def _count(self, scope: int, type_number: int) -> None:
        self.n_nodes[scope] += 1
        self.shape[scope] = (self.shape[scope] * 1_000_003 + type_number) % (1 << 61)

    def add(self, title: str, path: str, parent: int, kind: Kind = Kind.CARD) -> int:
        """Number of a new scope without children."""
        self.title.append(title)
        self.path.append(path)
        self.parent.append(parent)
        self.children.append([])
        self.n_nodes.append(0)
        self.n_scopes.append(1)
        self.kind.append(kind)
        self.shape.append(0)
        return len(self.title) - 1

    def dissolve_lonely(self) -> None:
        """Take out every scope that holds but one thing: a frame around one box says nothing."""
        for scope in range(len(self.children) - 1, -1, -1):  # inner scopes first
            kept = []
            for child in self.children[scope]:
                if child < 0 and len(self.children[~child]) == 1:
                    only = self.children[~child][0]
                    if only < 0:
                        self.title[~only] = f"{self.title[~child]}/{self.title[~only]}"
                        self.parent[~only] = scope
                    child = only
                kept.append(child)
            self.children[scope] = kept

    def pack(self, scope: int, limit: int, keep: Collection[int]) -> None:
        """Shorten a scope's list of children: stack repeats, then cut what is still too long into cards.

        keep: scopes that stay as they are.
        """
        packed: list[int] = []
        for (is_scope, _), run in groupby(
            self.children[scope], key=lambda child: self._likeness(child, keep)
        ):
            members = list(run)
            if is_scope and len(members) >= MIN_RUN:
                title = _range_title(self._label(members[0]), self._label(members[-1]))
                members = [~self._gather(scope, title, members, Kind.STACK)]
            packed += members
        if len(packed) > limit:
            packed = self._cut(scope, packed, -(-len(packed) // min(_MAX_PIECES, limit)), keep)
        self.children[scope] = packed

    def _likeness(self, child: int, keep: Collection[int]) -> tuple[bool, int]:
        """Equal for scopes that hold the same ops in the same order, and for nothing else."""
        return (False, child) if child >= 0 or ~child in keep else (True, self.shape[~child])

    def _cut(self, scope: int, children: Sequence[int], size: int, keep: Collection[int]) -> list[int]:
        """Neighbours gathered in cards of at most `size`."""
        pieces: list[list[int]] = [[]]
        for child in children:
            if ~child in keep:
                pieces += [[child], []]
            elif len(pieces[-1]) == size:
                pieces.append([child])
            else:
                pieces[-1].append(child)
        cut = []
        for piece in filter(None, pieces):
            title = _range_title(self._label(piece[0]), self._label(piece[-1]))
            cut.append(piece[0] if len(piece) == 1 else ~self._gather(scope, title, piece, Kind.CARD))
        return cut

    def _label(self, child: int) -> str:
        return self.names[child].rpartition("/")[2] if child >= 0 else self.title[~child]

    def _gather(self, parent: int, title: str, members: list[int], kind: Kind) -> int:
        scope = self.add(title, "", parent, kind)
        self.children[scope] = members
        self.n_scopes[scope] = len(members)
        for member in members:
            if member < 0:
                self.parent[~member] = scope
                self.n_nodes[scope] += self.n_nodes[~member]
            else:
                self.n_nodes[scope] += 1
        return scope


def _range_title(first: str, last: str) -> str:
    """`block_0…34` from `block_0` and `block_34`; both titles where they differ in more than one number."""
    a, b = _NUMBER.split(first), _NUMBER.split(last)
    differing = [i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y]
    if len(a) == len(b) and len(differing) == 1 and differing[0] % 2:
        i = differing[0]
        return "".join([*a[:i], f"{a[i]}…{b[i]}", *a[i + 1 :]])
    return f"{first} … {last}"


def group(
    names: Sequence[str], types: Sequence[str], max_boxes: int | None = None, expand: Iterable[str] = ()
) -> Grouping:
    """Choose what is drawn of nodes with these names and op types, given in the order of the graph.

    max_boxes: about how many boxes the picture may have; None draws every node.
    expand: scopes, by full name, that are opened whatever the limit says.
    Cost: O(V) up to sorting, with a factor for the depth of names.
    """
    tree = _Tree(names, types)
    tree.dissolve_lonely()
    limit = len(names) if max_boxes is None else max(1, max_boxes)
    opened = _choose_open(tree, limit, _to_expand(tree, expand))
    panel_of = {scope: panel for panel, scope in enumerate(opened)}
    panels = tuple(
        OpenScope(tree.title[scope], tree.path[scope], panel_of.get(tree.parent[scope], 0))
        for scope in opened
    )
    return _drawn(tree, panel_of, panels, len(names))


def _to_expand(tree: _Tree, expand: Iterable[str]) -> set[int]:
    """The scopes of those names, and all that they lie in."""
    by_path = {path: scope for scope, path in enumerate(tree.path) if path}
    wanted = {0}
    for name in expand:
        scope = by_path.get(name.strip("/") + "/", 0)
        while scope not in wanted:
            wanted.add(scope)
            scope = tree.parent[scope]
    return wanted


def _choose_open(tree: _Tree, limit: int, wanted: set[int]) -> list[int]:
    """The scopes to open, each after its parent; packs the children of those opened in a large graph."""
    is_large = tree.n_nodes[0] > limit
    opened: list[int] = []
    level = [0]
    n_boxes = 1
    while level:
        if is_large:
            for scope in level:
                tree.pack(scope, limit, wanted)
        level.sort(key=lambda scope: len(tree.children[scope]))  # stable: equals stay in the graph's order
        inner: list[int] = []
        for size, alike in groupby(level, key=lambda scope: len(tree.children[scope])):
            scopes = list(alike)
            fits = not is_large or n_boxes + (size - 1) * len(scopes) <= limit
            for scope in scopes:
                if fits or scope in wanted:
                    n_boxes += size - 1
                    opened.append(scope)
                    inner += [
                        ~child
                        for child in tree.children[scope]
                        if child < 0 and tree.kind[~child] is Kind.CARD and tree.path[~child]
                    ]
        level = inner
    return sorted(opened)


def _drawn(tree: _Tree, panel_of: dict[int, int], panels: tuple[OpenScope, ...], count: int) -> Grouping:
    """The boxes inside the open scopes, in the order of the first node that each stands for."""
    boxes: list[tuple[int, tuple[int, int] | Card, list[int]]] = []
    for scope, panel in panel_of.items():
        for child in tree.children[scope]:
            if child >= 0:
                boxes.append((child, (child, panel), [child]))
            elif ~child not in panel_of:
                inside = _nodes_below(tree, ~child)
                boxes.append((min(inside), _card(tree, ~child, panel), inside))
    boxes.sort(key=lambda entry: entry[0])
    owner = [0] * count
    for place, (_, _, inside) in enumerate(boxes):
        for node in inside:
            owner[node] = place
    return Grouping(tuple(box for _, box, _ in boxes), tuple(owner), panels)


def _card(tree: _Tree, scope: int, panel: int) -> Card:
    return Card(tree.kind[scope], tree.title[scope], tree.n_nodes[scope], tree.n_scopes[scope], panel)


def _nodes_below(tree: _Tree, scope: int) -> list[int]:
    found, stack = [], [scope]
    while stack:
        for child in tree.children[stack.pop()]:
            if child < 0:
                stack.append(~child)
            else:
                found.append(child)
    return found
