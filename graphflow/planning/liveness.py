"""A subgraph as an order problem: which nodes must come before which, and which bytes each makes and uses.

Bytes are those that `lowering` allocates. Views share the bytes of what they show; feeds by reference,
constants and variables take none of the arena; a value written straight into a variable takes none either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.planning.order import OrderProblem
from graphflow.planning.writes import Write, write_last
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, Dim

__all__ = ["order_problem"]

ALIGNMENT = 64
"""Bytes: a buffer of the arena takes a multiple of this."""

COPIED_FEED_NBYTES = 16_384
"""Feeds up to this size are copied into planned bytes."""

DIRECT_RESULT_NBYTES = 65_536
"""Fetched values from this size on are allocated by their kernel."""

REUSED_NBYTES = 64
"""Results smaller than this take over no other's bytes."""


def order_problem(subgraph: Subgraph, writes: Mapping[Node, Write] | None = None) -> OrderProblem:
    """The order problem of a bound and placed subgraph: task i is `subgraph.nodes[i]`.

    writes: how each assignment writes its variable; found for the program's order where left out.
    Edges: data; control; reads and writes of a variable in the program's order; effects in the program's order, and
    what may fail between two of them; where sizes depend on data, what shows sizes and what speaks of them.
    A value of unknown size counts 0 bytes. All devices are counted together. O(V + E).
    """
    builder = _Builder(subgraph, write_last(subgraph).writes if writes is None else writes)
    for task, node in enumerate(subgraph.nodes):
        builder.add(task, node)
    return builder.problem()


@dataclass(slots=True)
class _Builder:
    subgraph: Subgraph
    writes: Mapping[Node, Write]
    task_of: dict[Node, int] = field(default_factory=dict)
    root: dict[Tensor, int] = field(
        default_factory=dict
    )  # the buffer that holds a value; none: not in the arena
    whole: set[int] = field(default_factory=set)  # buffers of the arena
    strided: set[Tensor] = field(default_factory=set)  # views that are not C-contiguous
    nbytes: list[int] = field(default_factory=list)
    kept: dict[int, None] = field(default_factory=dict)
    before: list[tuple[int, ...]] = field(default_factory=list)
    makes: list[tuple[int, ...]] = field(default_factory=list)
    uses: list[tuple[int, ...]] = field(default_factory=list)
    reuses: list[tuple[int, ...]] = field(default_factory=list)
    workspace: list[int] = field(default_factory=list)
    fetched: set[Tensor] = field(default_factory=set)
    used: set[Tensor] = field(default_factory=set)
    direct_producers: set[Node] = field(default_factory=set)
    last_write: dict[Tensor, int] = field(default_factory=dict)  # by variable
    reads: dict[Tensor, list[int]] = field(default_factory=dict)  # by variable: since the last write
    last_effect: int = -1
    fallible: list[int] = field(default_factory=list)  # since the last effect
    last_unknown: int = -1
    sizes_vary: bool = False

    def __post_init__(self) -> None:
        nodes = self.subgraph.nodes
        self.fetched.update(self.subgraph.outputs)
        for node in nodes:
            self.used.update(node.inputs)
        self.used |= self.fetched
        self.direct_producers.update([w.producer for w in self.writes.values() if w.direct and w.producer])
        self.sizes_vary = any(not t.type.is_static for n in nodes for t in n.outputs)
        for t in self.subgraph.inputs:
            nbytes = t.type.nbytes
            if (
                t in self.used
                and nbytes is not None
                and nbytes <= COPIED_FEED_NBYTES
                and t.type.dtype is not STRING
            ):
                self._buffer(t, nbytes)

    def problem(self) -> OrderProblem:
        for t in self.subgraph.outputs:
            if t in self.root:
                self.kept[self.root[t]] = None
        return OrderProblem(
            tuple(self.before),
            tuple(self.makes),
            tuple(self.uses),
            tuple(self.reuses),
            tuple(self.nbytes),
            tuple(self.kept),
            tuple(self.workspace),
        )

    def add(self, task: int, node: Node) -> None:
        self.task_of[node] = task
        self.before.append(self._edges(task, node))
        self.workspace.append(0)
        self.reuses.append(())
        self.makes.append(())
        name = node.op.name
        if node.op.is_source or name in ("read", "no_op"):
            self.uses.append(())
            return
        if self._is_view(node):
            self.uses.append(())
            return
        self.uses.append(tuple(dict.fromkeys([self.root[t] for t in node.inputs if t in self.root])))
        if name == "assign":
            self._assign(task, node)
        elif node in self.direct_producers:
            self.workspace[task] = _workspace(node)
        else:
            self.workspace[task] = _workspace(node)
            self._make(task, node)

    # --- edges ---

    def _edges(self, task: int, node: Node) -> tuple[int, ...]:
        task_of = self.task_of
        found = [task_of[t.op] for t in node.inputs if t.op in task_of]
        found += [task_of[n] for n in node.control_inputs if n in task_of]
        op = node.op
        if op.name == "read":
            self.reads.setdefault(node.inputs[0], []).append(task)
            if node.inputs[0] in self.last_write:
                found.append(self.last_write[node.inputs[0]])
        elif op.name == "assign":
            found += self.reads.pop(node.inputs[0], [])
            if node.inputs[0] in self.last_write:
                found.append(self.last_write[node.inputs[0]])
            self.last_write[node.inputs[0]] = task
        if op.has_effect or op.fallible:
            if self.last_effect >= 0:
                found.append(self.last_effect)
            if op.has_effect:
                found += self.fallible
                self.fallible = []
                self.last_effect = task
            else:
                self.fallible.append(task)
        if self.sizes_vary and _knows_sizes(node):
            if self.last_unknown >= 0:
                found.append(self.last_unknown)
            self.last_unknown = task
        return tuple(dict.fromkeys(found))

    # --- bytes ---

    def _buffer(self, t: Tensor, nbytes: int, *, planned: bool = True) -> int:
        number = len(self.nbytes)
        self.nbytes.append(-(-nbytes // ALIGNMENT) * ALIGNMENT if planned else nbytes)
        self.root[t] = number
        if planned:
            self.whole.add(number)
        return number

    def _assign(self, task: int, node: Node) -> None:
        if self.writes[node].direct:
            return
        value, t = node.inputs[1], node.outputs[0]
        held = self.root.get(value)
        if held is not None and held in self.whole and not value.op.op.is_view and value.type == t.type:
            self.kept[held] = None  # the value's own bytes serve until the commit
        elif t.type.nbytes is not None:
            number = self._buffer(t, t.type.nbytes)
            self.makes[task] = (number,)
            self.kept[number] = None
        elif held is not None:
            self.kept[held] = None

    def _is_view(self, node: Node) -> bool:
        """True if the node's value shares the bytes of its input; it then has their buffer."""
        if not node.op.is_view or len(node.outputs) != 1:
            return False
        source, made = node.inputs[0], node.outputs[0]
        answer = node.op.view(source.type, made.type, node.attrs, source not in self.strided)
        if answer is None:
            return False
        if not answer:
            self.strided.add(made)
        if source in self.root:
            self.root[made] = self.root[source]
        return True

    def _make(self, task: int, node: Node) -> None:
        op = node.op
        made = []
        reused: dict[int, None] = {}
        for t in node.outputs:
            nbytes = t.type.nbytes or 0
            planned = (
                op.takes_out
                and t.type.is_static
                and t.type.dtype is not STRING
                and not (nbytes >= DIRECT_RESULT_NBYTES and t in self.fetched)
            )
            if op.is_control and t not in self.used:
                nbytes = 0
            made.append(self._buffer(t, nbytes, planned=planned))
            if planned and op.in_place and nbytes >= REUSED_NBYTES:
                reused.update(dict.fromkeys(self._reusable(node, t)))
        self.makes[task] = tuple(made)
        self.reuses[task] = tuple(reused)

    def _reusable(self, node: Node, t: Tensor) -> list[int]:
        """Buffers that the kernel may overwrite with `t`, if it reads them last: none that it sees a view of too."""
        found = []
        for x in node.inputs:
            b = self.root.get(x, -1)
            if b not in self.whole or x.type != t.type or _is_view(x):
                continue
            if not any(self.root.get(y, -1) == b and y is not x for y in node.inputs):
                found.append(b)
        return found


def _is_view(t: Tensor) -> bool:
    return t.op.op.is_view


def _workspace(node: Node) -> int:
    rule = node.op.workspace
    if rule is None or any(not t.type.is_static for t in (*node.inputs, *node.outputs)):
        return 0
    return rule([t.type for t in node.inputs], [t.type for t in node.outputs], **node.attrs)


def _knows_sizes(node: Node) -> bool:
    """True if the node shows a size that depends on data, or speaks of one."""
    if any(not t.type.is_static for t in node.outputs):
        return True
    stack: list[Any] = list(node.attrs.values())
    while stack:
        item = stack.pop()
        if type(item) is tuple:
            stack.extend(item)
        elif isinstance(item, Dim):
            return True
    return False
