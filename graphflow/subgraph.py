"""The frozen cut of a graph that one run needs, and how a pass rewrites it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.errors import FeedError, FetchError
from graphflow.graph import Node, Tensor

__all__ = ["MissingFeedError", "Subgraph", "cut"]

Replace = Callable[[Node, tuple[Tensor, ...]], Sequence[Tensor] | None]


class MissingFeedError(FeedError, FetchError):
    """A fetch depends on a placeholder that was not fed."""


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """What one run computes.

    nodes: in an order that respects every edge, and the program's order of reads and writes.
    inputs: the fed tensors. outputs: the fetched tensors. targets: operations to run for their effect.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    targets: tuple[Node, ...] = ()

    def rewrite(self, replace: Replace) -> Subgraph:
        """Walk the nodes in order and rebuild what changes.

        replace(node, inputs) is given each node with its new inputs; it gives the tensors that take the
        place of the node's outputs, or None to keep the node (rebuilt only if its inputs changed).
        Nodes that `replace` made itself are found by walking back from what it gave.
        Returns this very object when nothing changed. O(V + E).
        """
        new: dict[Tensor, Tensor] = {}
        moved: dict[Node, Node | None] = {}
        nodes: dict[Node, None] = {}
        for node in self.nodes:
            inputs = node.inputs
            if new:
                for t in inputs:
                    if t in new:
                        inputs = tuple([new.get(t, t) for t in inputs])
                        break
            replacement = replace(node, inputs)
            if replacement is not None:
                for old, t in zip(node.outputs, replacement, strict=True):
                    if t is not old:
                        new[old] = t
                    _add_made(t.op, nodes, self.inputs)
                if node not in nodes:
                    moved[node] = None
                continue
            control = node.control_inputs
            if control and any(c in moved for c in control):
                control = tuple([n for n in (moved.get(c, c) for c in control) if n is not None])
            if inputs is not node.inputs or control is not node.control_inputs:
                fresh = node.rebuilt(inputs, node.attrs, control)
                new.update(zip(node.outputs, fresh.outputs, strict=True))
                moved[node] = fresh
                nodes[fresh] = None
            else:
                nodes[node] = None
        if not new and not moved and len(nodes) == len(self.nodes):
            return self
        outputs = tuple([new.get(t, t) for t in self.outputs])
        targets = tuple([n for n in (moved.get(t, t) for t in self.targets) if n is not None])
        return prune(Subgraph(tuple(nodes), self.inputs, outputs, targets))


def _add_made(node: Node, nodes: dict[Node, None], inputs: tuple[Tensor, ...]) -> None:
    """Enter a node that a pass made, after those it needs that are not entered yet."""
    if node in nodes or any(t.op is node for t in inputs):
        return
    stack = [(node, False)]
    while stack:
        current, ready = stack.pop()
        if current in nodes:
            continue
        missing = [t.op for t in current.inputs if t.op not in nodes and not any(t is i for i in inputs)]
        if ready or not missing:
            nodes[current] = None
        else:
            stack.append((current, True))
            stack.extend([(n, False) for n in reversed(missing)])


def prune(subgraph: Subgraph) -> Subgraph:
    """Drop the nodes that neither outputs, nor targets, nor what they run after, need."""
    fed = set(subgraph.inputs)
    needed: set[Node] = set()
    stack = [t.op for t in subgraph.outputs if t not in fed] + list(subgraph.targets)
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack.extend([t.op for t in node.inputs if t not in fed])
            stack.extend(node.control_inputs)
    if len(needed) == len(subgraph.nodes):
        return subgraph
    kept = tuple([n for n in subgraph.nodes if n in needed])
    return Subgraph(kept, subgraph.inputs, subgraph.outputs, subgraph.targets)


def cut(fetches: Iterable[Tensor], feeds: Iterable[Tensor] = (), targets: Iterable[Node] = ()) -> Subgraph:
    """The part of a graph that gives `fetches` and runs `targets` when `feeds` are supplied.

    Nodes come in the order of their making, which respects every edge because a graph only grows.
    Raises MissingFeedError for a placeholder that is needed and not fed. O(V + E), no recursion.
    """
    inputs, outputs, ends = tuple(feeds), tuple(fetches), tuple(targets)
    fed = set(inputs)
    seen: set[Node] = set()
    stack: list[Node] = [t.op for t in outputs if t not in fed]
    stack.extend(ends)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op.name == "placeholder":
            raise _missing(node, outputs, ends, fed)
        stack.extend([t.op for t in node.inputs if t.op not in seen and t not in fed])
        if node.control_inputs:
            stack.extend([n for n in node.control_inputs if n.op.name != "placeholder"])
    return Subgraph(tuple(sorted(seen, key=_by_id)), inputs, outputs, ends)


def _by_id(node: Node) -> int:
    return node.id


def _missing(
    placeholder: Node, outputs: Sequence[Tensor], targets: Sequence[Node], fed: set[Tensor]
) -> MissingFeedError:
    users: dict[Node, Node] = {}
    roots: list[Any] = [t.op for t in outputs] + list(targets)
    stack = list(roots)
    while stack:
        node = stack.pop()
        for n in [t.op for t in node.inputs if t not in fed] + list(node.control_inputs):
            if n not in users:
                users[n] = node
                stack.append(n)
    step = placeholder
    for _ in range(1_000_000):
        if step in users and step not in roots:
            step = users[step]
        else:
            break
    wanted = "it is fetched itself" if step is placeholder else f"'{step.name}' depends on it"
    error = MissingFeedError(
        f"placeholder '{placeholder.name}' ({placeholder.outputs[0].type}) was not fed, and {wanted}"
    )
    error.at(placeholder.place)
    return error
