"""How passes put whole pieces of a graph in the place of a node: effects, edges of order and sizes with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphflow.graph import Node, Tensor
from graphflow.ops.body import learn
from graphflow.subgraph import Subgraph, _watch, _watched, prune
from graphflow.types import Dim, DimLike, substitute

__all__ = ["Now", "Replace", "Splice", "splice"]


@dataclass(frozen=True, slots=True, eq=False)
class Splice:
    """What takes the place of a node.

    nodes: in an order that respects every edge; all of them run where the node ran. outputs: a tensor for each output
    of the node, None for one that nothing uses. ends: what ran after the node runs after these. rule: for the record.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[Tensor | None, ...]
    ends: tuple[Node, ...]
    rule: str


Now = Callable[[Tensor], Tensor]
"""What a tensor of the subgraph as it was has become so far."""

Replace = Callable[[Node, Node, Now], Splice | None]
"""(node, the node as it is now, `Now`) -> what takes its place, or None to keep it as it is now."""


def splice(subgraph: Subgraph, replace: Replace) -> Subgraph:
    """Walk the nodes in order and put pieces of graph in their places.

    More than `Subgraph.rewrite` can: pieces may hold nodes without outputs, such as prints, and edges of order; and
    an output may turn out to have a more exact size than its node had, which everything after it then has too.
    Returns this very object when nothing changed. O(V + E).
    """
    new: dict[Tensor, Tensor] = {}
    after: dict[Node, tuple[Node, ...]] = {}
    sizes: dict[str, DimLike] = {}
    nodes: list[Node] = []
    watch = _watch.get()

    def now(t: Tensor) -> Tensor:
        return new.get(t, t)

    for node in subgraph.nodes:
        current = _updated(node, new, after, sizes) if after else node
        found = replace(node, current, now)
        if found is not None and watch is not None:
            by = tuple([t for t in found.outputs if t is not None])
            if not _watched(watch, node, current.inputs, by, found.rule):
                found = None
        if found is None:
            nodes.append(current)
            continue
        nodes.extend(found.nodes)
        after[node] = found.ends
        for old, t in zip(node.outputs, found.outputs, strict=True):
            if t is not None and t is not old:
                new[old] = t
                _learn(old, t, sizes)
    if not after:
        return subgraph
    outputs = tuple([new.get(t, t) for t in subgraph.outputs])
    targets = _ends(subgraph.targets, after)
    return prune(Subgraph(tuple(nodes), subgraph.inputs, outputs, targets))


def _updated(
    node: Node,
    new: dict[Tensor, Tensor],
    after: dict[Node, tuple[Node, ...]],
    sizes: dict[str, DimLike],
) -> Node:
    """The node with the inputs, edges of order and sizes that it has now; itself if they are the same."""
    inputs, attrs, control = node.inputs, node.attrs, node.control_inputs
    for t in inputs:
        if t in new:
            inputs = tuple([new.get(t, t) for t in inputs])
            break
    if sizes and attrs:
        changed = {name: substitute(value, sizes) for name, value in attrs.items()}
        if any(changed[name] is not value for name, value in attrs.items()):
            attrs = changed
    for n in control:
        if n in after:
            control = _ends(control, after)
            break
    if inputs is node.inputs and attrs is node.attrs and control is node.control_inputs:
        return node
    fresh = node.rebuilt(inputs, attrs, control)
    after[node] = (fresh,)
    for old, t in zip(node.outputs, fresh.outputs, strict=True):
        new[old] = t
        if sizes:
            _learn(old, t, sizes)
    return fresh


def _learn(old: Tensor, t: Tensor, sizes: dict[str, DimLike]) -> None:
    """Note what the unknown sizes of a tensor have become."""
    if old.type.is_static or old.type.shape == t.type.shape:
        return
    found: dict[str, DimLike] = {}
    learn(old.type.shape, t.type.shape, found)
    for name, size in found.items():
        if size != Dim(name):
            sizes.setdefault(name, size)


def _ends(nodes: tuple[Node, ...], after: Mapping[Node, tuple[Node, ...]]) -> tuple[Node, ...]:
    """What has taken the places of `nodes`."""
    return tuple(dict.fromkeys([n for node in nodes for n in after.get(node, (node,))]))
