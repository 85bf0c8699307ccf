"""The frozen cut of a graph that one run needs, and how a pass rewrites it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from graphflow.errors import FeedError, FetchError
from graphflow.graph import Node, Tensor, detached, symbols_in
from graphflow.op import OPS
from graphflow.types import Dim

__all__ = ["MissingFeedError", "Replacement", "Subgraph", "cut", "recorded_replacements"]

Replace = Callable[[Node, tuple[Tensor, ...]], Sequence[Tensor] | None]


class MissingFeedError(FeedError, FetchError):
    """A fetch depends on a placeholder that was not fed."""


@dataclass(frozen=True, slots=True, eq=False)
class Replacement:
    """One rewrite: `by` took the place of the outputs of `node`. rule: its name, empty where a pass has but one."""

    node: Node
    rule: str
    by: tuple[Tensor, ...]

    def __str__(self) -> str:
        made = ", ".join(dict.fromkeys(f"{t.op.type} '{t.op.name}'" for t in self.by)) or "nothing"
        return f"{self.rule or 'replaced'}: {self.node.type} {self.node.place} -> {made}"


Allow = Callable[[Node, str], bool]

_watch: ContextVar[tuple[list[Replacement], Allow | None] | None] = ContextVar(
    "graphflow_replacements", default=None
)


@contextmanager
def recorded_replacements(allow: Allow | None = None) -> Iterator[list[Replacement]]:
    """The list that every `Subgraph.rewrite` inside the block enters its replacements in.

    allow: asked of each node about to be replaced, with the rule's name; where it says no, the node stays.
    """
    made: list[Replacement] = []
    token = _watch.set((made, allow))
    try:
        yield made
    finally:
        _watch.reset(token)


def _watched(
    watch: tuple[list[Replacement], Allow | None],
    node: Node,
    inputs: tuple[Tensor, ...],
    by: Sequence[Tensor],
    rule: str,
) -> bool:
    """Enter a replacement in the record; False if it is not to be made."""
    made, allow = watch
    maker = by[0].op if by else None
    if maker is not None and maker.id == node.id and maker.op is node.op and maker.attrs is node.attrs:
        if all(a is b for a, b in zip(maker.inputs, inputs, strict=True)):
            return True  # the node itself, with the inputs it has now
    if allow is not None and not allow(node, rule):
        return False
    made.append(Replacement(node, rule, tuple(by)))
    return True


_LASTING = ("assign", "draw_counter")
"""Ops that change what later runs meet: a run of them is never dropped, even if nothing needs their value."""


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """What one run computes.

    nodes: in an order that respects every edge, and the program's order of reads and writes.
    inputs: the fed tensors. outputs: the fetched tensors. targets: operations to run for their effect.
    sizes_from: what this was made of, where attributes speak of sizes that only nodes of it show; for `bind`.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    targets: tuple[Node, ...] = ()
    sizes_from: Subgraph | None = None

    def rewrite(
        self,
        replace: Replace,
        rule: Callable[[], str] | None = None,
        ops: Container[str] | None = None,
    ) -> Subgraph:
        """Walk the nodes in order and rebuild what changes.

        replace(node, inputs) is given each node with its new inputs; it gives the tensors that take the
        place of the node's outputs, or None to keep the node (rebuilt only if its inputs changed). For a
        tensor of a node that was rebuilt or replaced, what took its place is meant.
        Nodes that `replace` made itself are found by walking back from what it gave.
        rule: the name of the rule that fired last, for the record.
        ops: the only ops that `replace` speaks of, by name, where it does not speak of all.
        Returns this very object when nothing changed. O(V + E).
        """
        new: dict[Tensor, Tensor] = {}
        moved: dict[Node, Node | None] = {}
        nodes: dict[Node, None] = {}
        watch = _watch.get()
        if ops is not None and not ops:
            return self
        for node in self.nodes:
            inputs = node.inputs
            if new:
                for t in inputs:
                    if t in new:
                        inputs = tuple([new.get(t, t) for t in inputs])
                        break
            replacement = replace(node, inputs) if ops is None or node.op.name in ops else None
            if replacement is not None and new:
                replacement = tuple([new.get(t, t) for t in replacement])
            if replacement is not None and watch is not None:
                if not _watched(watch, node, inputs, replacement, rule() if rule else ""):
                    replacement = None
            if replacement is not None:
                for old, t in zip(node.outputs, replacement, strict=True):
                    if t is not old:
                        new[old] = t
                    _add_made(t.op, nodes, self.inputs)
                if node not in nodes:  # what ran after it runs after what took its place
                    moved[node] = replacement[0].op if replacement and replacement[0].op in nodes else None
                continue
            control = node.control_inputs
            if control and any(c in moved for c in control):
                control = tuple([n for n in (moved.get(c, c) for c in control) if n is not None])
            if inputs is not node.inputs or control is not node.control_inputs:
                fresh = node.rebuilt(inputs, node.attrs, control)
                if len(node.outputs) == 1:
                    new[node.outputs[0]] = fresh.outputs[0]
                else:
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

    def hides_sizes(self) -> bool:
        """Whether an attribute speaks of a size that no fed tensor and no other node's result shows. O(V + E)."""
        speaks = {
            n: frozenset(symbols_in(n.attrs.values())) for n in self.nodes if n.attrs and _is_symbolic(n)
        }
        spoken = {name for names in speaks.values() for name in names}
        shown = _lone_symbols(self.inputs)
        if shown.issuperset(spoken):
            return False
        for node in self.nodes:
            if _is_symbolic(node):
                found = _lone_symbols(node.outputs)
                shown |= found.difference(speaks.get(node, ()), _lone_symbols(node.inputs))
        return not shown.issuperset(spoken)


def _is_symbolic(node: Node) -> bool:
    for t in (*node.outputs, *node.inputs):  # noqa: SIM110 faster than any(): asked for very many nodes
        if not t.type.is_static:
            return True
    return False


def _lone_symbols(tensors: Iterable[Tensor]) -> set[str]:
    """The symbols that are a size of one of the tensors by themselves."""
    return {
        d.symbols[0]
        for t in tensors
        for d in t.type.shape or ()
        if isinstance(d, Dim) and len(d.terms) == 1 and d.terms[0] == ((d.symbols[0],), 1)
    }


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
    """Drop the nodes that neither outputs, nor targets, nor what they run after, nor what is seen later, need."""
    needed = {t.op for t in subgraph.outputs}.union(subgraph.targets)
    kept: list[Node] = []
    for node in reversed(subgraph.nodes):  # what needs a node comes after it
        if node in needed or node.op.has_effect or node.op.name in _LASTING:
            kept.append(node)
            for t in node.inputs:  # twice as fast as `update` with a list: asked many times for every node
                needed.add(t.op)
            if node.control_inputs:
                needed.update(node.control_inputs)
    if len(kept) == len(subgraph.nodes):
        return subgraph
    return Subgraph(tuple(kept[::-1]), subgraph.inputs, subgraph.outputs, subgraph.targets)


def cut(fetches: Iterable[Tensor], feeds: Iterable[Tensor] = (), targets: Iterable[Node] = ()) -> Subgraph:
    """The part of a graph that gives `fetches` and runs `targets` when `feeds` are supplied.

    Nodes come in the order of their making, which respects every edge because a graph only grows.
    Raises MissingFeedError for a placeholder that is needed and not fed. O(V + E), no recursion.
    """
    inputs, outputs = tuple(feeds), tuple(fetches)
    fed = set(inputs)
    ends = tuple([n for n in targets if not (n.op.name == "placeholder" and n.outputs[0] in fed)])
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
    nodes = tuple(sorted(seen, key=_by_id))
    return _with_own_inputs(Subgraph(nodes, inputs, outputs, ends))


def _with_own_inputs(subgraph: Subgraph) -> Subgraph:
    """Put a placeholder for each fed tensor that is none, so that nothing looks past a feed at what made the tensor.

    The node that would have made it may be here all the same: for another output, or as something to run.
    """
    new: dict[Tensor, Tensor] = {}
    for t in subgraph.inputs:
        if t.op.op.name != "placeholder":
            attrs = {"dtype": t.type.dtype, "shape": t.type.shape}
            new[t] = detached(t.op, OPS["placeholder"], (), attrs).outputs[0]
    if not new:
        return subgraph
    fed = frozenset(new)
    moved: dict[Node, Node] = {}
    for node in subgraph.nodes:
        inputs = tuple([new.get(t, t) for t in node.inputs])
        control = tuple([moved.get(n, n) for n in node.control_inputs])
        if (
            any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
            or control != node.control_inputs
        ):
            fresh = moved[node] = node.rebuilt(inputs, node.attrs, control)
            new.update((a, b) for a, b in zip(node.outputs, fresh.outputs, strict=True) if a not in fed)
    return Subgraph(
        tuple([moved.get(n, n) for n in subgraph.nodes]),
        tuple([new.get(t, t) for t in subgraph.inputs]),
        tuple([new.get(t, t) for t in subgraph.outputs]),
        tuple([moved.get(n, n) for n in subgraph.targets]),
    )


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
