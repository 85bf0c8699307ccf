"""Edges of order that other edges imply, or that order nothing anyone could tell, are dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from graphflow.graph import Node, Tensor
from graphflow.subgraph import Subgraph, prune
from graphflow.types import Dim

__all__ = ["MOST_EDGES", "MOST_STEPS", "prune_dependencies"]

MOST_STEPS = 64
"""How many nodes a search looks at: for edges that imply one, or for what a silent node itself runs after. It keeps the
pass linear; where a search ends there, the edge stays."""

MOST_EDGES = 4
"""An edge to a group of more nodes than this stays one edge."""

_MOST_ROUNDS = 10
"""What takes the place of one edge may make another needless; three rounds are ordinary."""

_GIVEN = ("placeholder", "constant", "variable", "draw_counter")
"""What is there before a run: nothing has to wait for it."""


def prune_dependencies(subgraph: Subgraph) -> Subgraph:
    """Drop control edges, so that nodes are as free as they were meant to be and other passes look at them.

        %1 = assert(%0)
        %2 = exp(%x)                            becomes   %1 = assert(%0)
        %3 = print(%y, after %1, %2)                      %2 = print(%y, after %1)
        %4 = multiply(%z, %z, after %1)                   %3 = multiply(%z, %z)

    - An edge to a silent node (pure and infallible: nobody can tell when it runs), such as %2, a group or a no_op,
      becomes edges to what that node itself runs after.
    - A silent node, such as %4, waits for nothing that runs anyway, unless something that can be told apart
      depends on it and waits by it alone.
    - An edge that others imply goes: by edges of order, and by values handed on directly. Paths through silent nodes
      count for nothing, as passes may still cut them.
    - A no_op to be run for its effect gives way to what it waits for.
    Prints, assertions, callbacks, assignments, reads and what may fail stay, in the order that edges gave them; and a
    node whose attributes speak of a size that is only known at the run keeps its edge to the node that shows it.
    Nodes keep their places. O((V + E) * MOST_STEPS) a round, and almost nothing without control edges.
    Source: transitive reduction, Aho, Garey and Ullman 1972, searched within bounds.
    """
    for _ in range(_MOST_ROUNDS):
        if not any(node.control_inputs for node in subgraph.nodes) and not any(
            n.op.name == "no_op" for n in subgraph.targets
        ):
            break
        pruned = _Dependencies(subgraph).pruned()
        if pruned is subgraph:
            break
        subgraph = pruned
    return subgraph


Edges = tuple[Node, ...]


class _Dependencies:
    """The control edges of one subgraph."""

    def __init__(self, subgraph: Subgraph) -> None:
        self.subgraph = subgraph
        self.fed = set(subgraph.inputs)
        self.position = {node: i for i, node in enumerate(subgraph.nodes)}
        self.behind: dict[Node, Edges | None] = {}
        self.named = {n for node in subgraph.nodes for n in node.control_inputs}
        self.left: dict[Node, Edges] = {}

    @cached_property
    def sure(self) -> set[Node]:
        """What runs even if no silent node waits for anything."""
        return _run_anyway(self.subgraph)

    @cached_property
    def waited(self) -> dict[Node, frozenset[Node]]:
        """What all nodes wait for that depend on a silent one; see `_waited_for`."""
        return _waited_for(self.subgraph, self.named)

    def pruned(self) -> Subgraph:
        """The subgraph with what its targets wait for in their places, or else with the edges that are left."""
        targets = self._targets()
        if targets != self.subgraph.targets:
            return prune(replace(self.subgraph, targets=targets))
        moved: dict[Node, Node] = {}
        new: dict[Tensor, Tensor] = {}
        nodes: list[Node] = []
        for node in self.subgraph.nodes:
            control = node.control_inputs
            if control:
                remaining = self.left[node] = self._remaining(node)
                control = tuple([moved.get(n, n) for n in remaining])
            inputs = node.inputs
            if new and any(t in new for t in inputs):
                inputs = tuple([new.get(t, t) for t in inputs])
            if inputs is not node.inputs or control != node.control_inputs:
                fresh = moved[node] = node.rebuilt(inputs, node.attrs, control)
                new.update(zip(node.outputs, fresh.outputs, strict=True))
                node = fresh
            nodes.append(node)
        if not moved:
            return self.subgraph
        outputs = tuple([new.get(t, t) for t in self.subgraph.outputs])
        targets = tuple([moved.get(n, n) for n in targets])
        return prune(Subgraph(tuple(nodes), self.subgraph.inputs, outputs, targets))

    def _remaining(self, node: Node) -> Edges:
        """The control edges that a node keeps, or gets in the place of others."""
        symbols = set(_symbols(node.attrs.values())) if node.attrs else set()
        silent = _is_silent(node) and node not in self.named  # a group that others wait for waits for them
        wanted: dict[Node, None] = {}
        for n in node.control_inputs:
            if symbols and any(s in symbols for t in n.outputs for s in _symbols((t.type.shape,))):
                wanted[n] = None
                continue
            behind = self._behind(n)
            if silent and behind is not None and self.sure.issuperset(behind):
                waited = self.waited.get(node)
                if waited is None or n in waited:
                    continue
            wanted.update(dict.fromkeys((n,) if behind is None or len(behind) > MOST_EDGES else behind))
        return self._reduced(node, list(wanted))

    def _behind(self, node: Node) -> Edges | None:
        """What can be told to have run when a node has; None where that is more than MOST_STEPS nodes."""
        if not _is_silent(node):
            return () if node.op.name in _GIVEN else (node,)
        stack = [node]
        while stack:
            last = stack[-1]
            if last in self.behind:
                stack.pop()
                continue
            before = [t.op for t in last.inputs if t not in self.fed]
            missing = [
                n
                for n in (*before, *last.control_inputs)
                if n not in self.behind and _is_silent(n) and n.op.name not in _GIVEN
            ]
            if missing:
                stack += missing
            else:
                self.behind[last] = self._found_behind((*before, *last.control_inputs))
        return self.behind[node]

    def _found_behind(self, before: Iterable[Node]) -> Edges | None:
        found: dict[Node, None] = {}
        for n in before:
            behind = () if n.op.name in _GIVEN else self.behind[n] if _is_silent(n) else (n,)
            if behind is None:
                return None
            found.update(dict.fromkeys(behind))
            if len(found) > MOST_STEPS:
                return None
        return tuple(sorted(found, key=self.position.__getitem__))

    def _reduced(self, node: Node, wanted: list[Node]) -> Edges:
        """Without the edges that the others, or values handed on directly, imply as far as a short search shows."""
        if not wanted:
            return ()
        implied = {n for n in self._before(node, ()) if not _is_silent(n)}
        open_ = set(wanted) - implied
        first = min(self.position[n] for n in wanted)
        stack = [m for n in (*wanted, *implied) for m in self._before(n, self.left.get(n, ()))]
        seen: set[Node] = set()
        while stack and open_ and len(seen) < MOST_STEPS:
            n = stack.pop()
            if n not in seen and self.position.get(n, -1) >= first:
                seen.add(n)
                open_.discard(n)
                stack += self._before(n, self.left.get(n, ()))
        return tuple([n for n in wanted if n in open_])

    def _before(self, node: Node, control: Edges) -> list[Node]:
        """What surely stays before a node: what it waits for, and the makers of its inputs that are not silent."""
        return [*control, *[t.op for t in node.inputs if t not in self.fed and not _is_silent(t.op)]]

    def _targets(self) -> Edges:
        """What is to be run, with what groups wait for in their places."""
        found: dict[Node, None] = {}
        for n in self.subgraph.targets:
            behind = self._behind(n) if n.op.name == "no_op" else (n,)
            found.update(dict.fromkeys(n.control_inputs if behind is None else behind))
        return tuple(found)


def _is_silent(node: Node) -> bool:
    """True if nobody can tell when or whether the node runs, but by its value."""
    return node.op.is_pure and node.op.is_silent


def _run_anyway(subgraph: Subgraph) -> set[Node]:
    """What runs even if no silent node waits for anything."""
    fed = set(subgraph.inputs)
    lasting = [n for n in subgraph.nodes if n.op.has_effect or n.op.name in ("assign", "draw_counter")]
    stack = [*[t.op for t in subgraph.outputs if t not in fed], *subgraph.targets, *lasting]
    found: set[Node] = set()
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack += [t.op for t in node.inputs if t not in fed]
            if not _is_silent(node):
                stack += node.control_inputs
    return found


def _waited_for(subgraph: Subgraph, named: set[Node]) -> dict[Node, frozenset[Node]]:
    """For silent nodes: what all nodes wait for that depend on them, through silent nodes only, and can be told apart.

    named: what others wait for; it counts as such a node, silent or not. Silent nodes on which no such node depends
    are left out: they need to wait for nothing.
    """
    found: dict[Node, frozenset[Node]] = {}
    for node in reversed(subgraph.nodes):
        if _is_silent(node) and node not in named:
            mine = found.get(node)
            if mine is None:
                continue
            if node.control_inputs:
                mine = mine.union(node.control_inputs)
        else:
            mine = frozenset(node.control_inputs)
        for t in node.inputs:
            if _is_silent(t.op):
                other = found.get(t.op)
                found[t.op] = mine if other is None or other is mine else mine & other
    return found


def _symbols(values: Iterable[object]) -> Iterable[str]:
    """The names of the sizes that attributes or shapes speak of."""
    stack = list(values)
    while stack:
        value = stack.pop()
        if type(value) is Dim:
            yield from value.symbols
        elif type(value) is tuple:
            stack.extend(value)
