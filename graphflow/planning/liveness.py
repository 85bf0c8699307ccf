"""A subgraph as an order problem: which nodes must come before which, and which bytes each makes and uses.

Bytes are those that `lowering` allocates. A view shares those of what it shows. Feeds by reference,
constants, variables, and what is written straight into a variable take none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.op import Op
from graphflow.ops.fused import FUSED
from graphflow.planning.order import OrderProblem
from graphflow.planning.workspace import Workspaces
from graphflow.planning.writes import Write, write_last
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, Dim, TensorType

__all__ = ["COPIED_FEED_NBYTES", "DIRECT_RESULT_NBYTES", "REUSED_NBYTES", "order_edges", "order_problem"]

COPIED_FEED_NBYTES = 16_384
"""Feeds up to this size are copied into planned bytes: then every kernel that reads them is bound in advance."""

DIRECT_RESULT_NBYTES = 65_536
"""Fetched values from this size on are allocated by their kernel and handed out without a copy."""

REUSED_NBYTES = 64
"""Results smaller than this get bytes of their own: NumPy leaves its fast path when an output of one element is an
input too (1.9 us against 0.7 for float32 on the machine it was measured on)."""

ALIGNMENT = 64
"""Bytes: a buffer of the arena takes a multiple of this."""


def order_problem(subgraph: Subgraph, writes: Mapping[Node, Write] | None = None) -> OrderProblem:
    """The order problem of a bound and placed subgraph: task i is `subgraph.nodes[i]`.

    writes: how each assignment writes its variable; decided for the program's order where left out.
    Edges: data; control; reads and writes of a variable in the program's order; effects in the program's order, and
    what may fail where it stands among them; where sizes depend on data, what shows sizes and what speaks of them.
    A value of unknown size counts 0 bytes. All devices are counted together. O(V + E).
    """
    builder = _Builder(subgraph, write_last(subgraph).writes if writes is None else writes)
    builder.walk()
    return builder.problem()


def order_edges(subgraph: Subgraph, writes: Mapping[Node, Write]) -> tuple[tuple[int, ...], ...]:
    """For each task of the order problem those that must come before it. O(V + E)."""
    builder = _Builder(subgraph, writes, edges_only=True)
    builder.walk()
    return tuple(builder.before)


_NOTHING, _READ, _ASSIGN, _VIEW, _CALL = range(5)
"""What becomes of a node: no instruction, ..., something that shows its input's bytes or must copy them, a call."""


def _sort(op: Op) -> int:
    if op.is_source or op.name == "no_op":
        return _NOTHING
    if op.name == "read":
        return _READ
    if op.name == "assign":
        return _ASSIGN
    return _VIEW if op.is_view else _CALL


@dataclass(slots=True)
class _Builder:
    subgraph: Subgraph
    writes: Mapping[Node, Write]
    edges_only: bool = False
    before: list[tuple[int, ...]] = field(default_factory=list)
    makes: list[tuple[int, ...]] = field(default_factory=list)
    uses: list[tuple[int, ...]] = field(default_factory=list)
    reuses: list[tuple[int, ...]] = field(default_factory=list)
    nbytes: list[int] = field(default_factory=list)
    kept: dict[int, None] = field(default_factory=dict)
    workspace: dict[int, int] = field(default_factory=dict)
    root: dict[Tensor, int] = field(default_factory=dict)  # the buffer that a value is in, if it is in one
    planned: list[bool] = field(default_factory=list)  # by buffer: whether it is in the arena
    views: dict[Tensor, bool] = field(default_factory=dict)  # with whether they are C-contiguous
    fetched: set[Tensor] = field(default_factory=set)
    wanted: set[Tensor] = field(default_factory=set)  # filled where control flow makes only what is
    size_of: dict[TensorType, int] = field(default_factory=dict)  # bytes; -1: it depends on data
    n_feeds: int = 0  # the first buffers are those of feeds
    current: dict[Tensor, int] = field(
        default_factory=dict
    )  # by variable: the buffer of a value yet to be copied in
    last_write: dict[Tensor, int] = field(default_factory=dict)  # by variable
    reads: dict[Tensor, list[int]] = field(default_factory=dict)  # by variable: since the last write
    last_effect: int = -1
    fallible: list[int] = field(default_factory=list)  # since the last effect
    sizes_vary: bool = False

    def problem(self) -> OrderProblem:
        for t in self.subgraph.outputs:
            if t in self.root:
                self.kept[self.root[t]] = None
        if self.n_feeds:
            needed = {b for used in self.uses for b in used if b < self.n_feeds}.union(self.kept)
            for b in range(self.n_feeds):
                if b not in needed:
                    self.nbytes[b] = 0
        hidden = [0] * len(self.before)
        for task, nbytes in self.workspace.items():
            hidden[task] = nbytes
        return OrderProblem(
            tuple(self.before),
            tuple(self.makes),
            tuple(self.uses),
            tuple(self.reuses),
            tuple(self.nbytes),
            tuple(self.kept),
            tuple(hidden),
        )

    def walk(self) -> None:
        self.fetched.update(self.subgraph.outputs)
        for t in self.subgraph.inputs:
            if t.type.dtype is not STRING and 0 <= self._size(t.type) <= COPIED_FEED_NBYTES:
                self._planned(t)
        self.n_feeds = len(self.nbytes)
        task_of: dict[Node, int] = {}
        sorts: dict[Op, int] = {}
        into_variables = {w.producer for w in self.writes.values() if w.direct}
        before, makes, uses, reuses = self.before, self.makes, self.uses, self.reuses
        root, nbytes, views = self.root, self.nbytes, self.views
        workspaces = Workspaces()
        for task, node in enumerate(self.subgraph.nodes):
            op = node.op
            sort = sorts.get(op)
            if sort is None:
                sort = sorts[op] = _sort(op)
            earlier: dict[int, None] = {}
            used: dict[int, None] = {}
            for t in node.inputs:
                maker = task_of.get(t.op)
                if maker is not None:
                    earlier[maker] = None
                buffer = root.get(t)
                if buffer is not None:
                    used[buffer] = None
            if node.control_inputs:
                earlier.update([(task_of[n], None) for n in node.control_inputs if n in task_of])
            task_of[node] = task
            if op.has_effect or op.fallible:
                self._in_order(task, op, earlier)
            made: tuple[int, ...] = ()
            taken: tuple[int, ...] = ()
            if self.edges_only:
                if sort == _ASSIGN:
                    self._after_reads(task, node, earlier)
                elif sort == _READ:
                    self._after_write(task, node, earlier)
                elif sort != _NOTHING and not self.sizes_vary:
                    self.sizes_vary = any(self._size(t.type) < 0 for t in node.outputs)
                before.append((*earlier,))
                continue
            if sort == _CALL or (sort == _VIEW and not self._shows(node)):
                strided = False
                for t in node.inputs:
                    if not views.get(t, True):
                        strided = True
                hidden = workspaces.nbytes(node, not strided)
                if hidden:
                    self.workspace[task] = hidden
                if node not in into_variables:
                    made = self._made(node)
                    if op.in_place and used:
                        if made and (len(made) > 1 or nbytes[made[0]] in [nbytes[b] for b in used]):
                            taken = self._reusable(node)
            elif sort == _ASSIGN:
                self._after_reads(task, node, earlier)
                made, copies = self._assigned(node)
                if not copies:
                    used = {}
            else:
                if sort == _READ:
                    self._after_write(task, node, earlier)
                if not op.has_effect:  # what prints has to find what it prints, whatever it hands on
                    used = {}
            before.append((*earlier,))
            makes.append(made)
            uses.append((*used,))
            reuses.append(taken)
        if self.sizes_vary:
            self._keep_sizes_in_order()

    # --- edges ---

    def _in_order(self, task: int, op: Op, earlier: dict[int, None]) -> None:
        """Effects as in the program; what may fail before an effect still fails before it."""
        if self.last_effect >= 0:
            earlier[self.last_effect] = None
        if op.has_effect:
            earlier.update(dict.fromkeys(self.fallible))
            self.fallible = []
            self.last_effect = task
        else:
            self.fallible.append(task)

    def _after_write(self, task: int, read: Node, earlier: dict[int, None]) -> None:
        handle = read.inputs[0]
        self.reads.setdefault(handle, []).append(task)
        if handle in self.current:
            self.root[read.outputs[0]] = self.current[handle]
        if handle in self.last_write:
            earlier[self.last_write[handle]] = None

    def _after_reads(self, task: int, assign: Node, earlier: dict[int, None]) -> None:
        handle = assign.inputs[0]
        earlier.update(dict.fromkeys(self.reads.pop(handle, ())))
        if handle in self.last_write:
            earlier[self.last_write[handle]] = None
        self.last_write[handle] = task

    def _keep_sizes_in_order(self) -> None:
        """What shows sizes that depend on data, or speaks of them, runs in the program's order."""
        last = -1
        for task, node in enumerate(self.subgraph.nodes):
            if any(not t.type.is_static for t in node.outputs) or _speaks_of_sizes(node):
                if last >= 0:
                    self.before[task] = tuple(dict.fromkeys((*self.before[task], last)))
                last = task

    # --- bytes ---

    def _size(self, type_: TensorType) -> int:
        size = self.size_of.get(type_)
        if size is None:
            nbytes = type_.nbytes
            size = self.size_of[type_] = -1 if nbytes is None else nbytes
        return size

    def _planned(self, t: Tensor) -> int:
        """A buffer of the arena."""
        number = self.root[t] = len(self.nbytes)
        self.planned.append(True)
        self.nbytes.append(-(-self._size(t.type) // ALIGNMENT) * ALIGNMENT)
        return number

    def _shows(self, node: Node) -> bool:
        """True if the node's value shares the bytes of its input; it is then in the same buffer."""
        if len(node.outputs) != 1:
            return False
        source, made = node.inputs[0], node.outputs[0]
        contiguous = node.op.view(source.type, made.type, node.attrs, self.views.get(source, True))
        if contiguous is None:
            return False
        self.views[made] = contiguous
        if source in self.root:
            self.root[made] = self.root[source]
        if self._size(made.type) < 0:
            self.sizes_vary = True
        return True

    def _made(self, node: Node) -> tuple[int, ...]:
        op, outputs = node.op, node.outputs
        takes_out = op.takes_out and (len(outputs) == 1 or all(self._size(t.type) >= 0 for t in outputs))
        if op.is_control and not self.wanted:
            self.wanted.update(self.fetched, *[n.inputs for n in self.subgraph.nodes])
        first = len(self.nbytes)
        for t in outputs:
            type_ = t.type
            size = self.size_of.get(type_)
            if size is None:
                size = self._size(type_)
            planned = takes_out and not (size >= DIRECT_RESULT_NBYTES and t in self.fetched)
            if size < 0 or (op.is_control and t not in self.wanted):
                self.sizes_vary |= size < 0
                size, planned = 0, False
            elif planned and type_.dtype is STRING:
                planned = False
            self.root[t] = len(self.nbytes)
            self.planned.append(planned)
            self.nbytes.append(-(-size // ALIGNMENT) * ALIGNMENT if planned else size)
        return (first,) if len(outputs) == 1 else tuple(range(first, len(self.nbytes)))

    def _reusable(self, node: Node) -> tuple[int, ...]:
        """Buffers of inputs whose bytes an output may take over: none that is seen through a view too."""
        root, planned = self.root, self.planned
        found: dict[int, None] = {}
        for k, t in enumerate(node.outputs):
            if not planned[root[t]]:
                continue
            if node.op is FUSED:
                donors = tuple([node.inputs[d] for d in node.attrs["body"].reuses[k]])
            elif self.size_of[t.type] >= REUSED_NBYTES:
                donors = node.op.donors(node.inputs)
            else:
                continue
            for x in donors:
                b = root.get(x, -1)
                if b >= 0 and planned[b] and x.type == t.type and x not in self.views:
                    for y in node.inputs:
                        if y is not x and root.get(y, -1) == b:
                            break
                    else:
                        found[b] = None
        return (*found,)

    def _assigned(self, node: Node) -> tuple[tuple[int, ...], bool]:
        """(the buffer that an assignment makes, whether it copies anything).

        The buffer holds the new value until the commit, where neither the variable nor the value's own bytes can.
        """
        write = self.writes[node]
        if write.direct:
            return (), write.producer is None
        (handle, value), t = node.inputs, node.outputs[0]
        held = self.root.get(value, -1)
        size = self._size(t.type)
        whole = held >= 0 and self.planned[held] and value.type == t.type and value not in self.views
        copies = size >= 0 and not whole
        if copies:
            held = self._planned(t)
        if held >= 0:
            self.kept[held] = None
            self.root[t] = self.current[handle] = held
        return ((held,) if copies else ()), copies


def _speaks_of_sizes(node: Node) -> bool:
    """True if an attribute holds a size that is not a number."""
    stack: list[Any] = list(node.attrs.values())
    while stack:
        item = stack.pop()
        if type(item) is tuple:
            stack.extend(item)
        elif isinstance(item, Dim):
            return True
    return False
