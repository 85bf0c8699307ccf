"""Which nodes run as one, block by block: clusters of elementwise nodes, and of folds along whole rows.

What one node of a cluster hands to another never reaches memory. A cluster is convex (no path leaves it and
returns) and all its values are walked by the same rows: their leading axes are equal.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.graph import Node, Tensor, detached
from graphflow.ops.fused import FUSED, ClusterBody, Step, row_nbytes
from graphflow.planning.placement import Placed
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, normalize_axes

__all__ = ["MIN_NBYTES", "Cluster", "Fusion", "fuse"]

MIN_NBYTES = 1 << 19
"""Values smaller than this stay in the cache by themselves: a block's calls would cost more than they save."""

BLOCK_NBYTES = 1 << 20
"""All arrays of a cluster share this for one block, about what a core's cache holds; each gets at most a quarter.
On 4M float64, blocks of 128, 256 and 512 KiB an array took 1.0, 0.96 and 0.93 of the time on one thread, and 1.0,
0.83 and 0.77 on two."""

MAX_ROW_NBYTES = 1 << 18
MIN_BLOCKS = 4
MAX_MEMBERS = 128
MAX_SEARCH = 48
"""Nodes looked at to prove that a merger is convex; a merger that needs more is refused."""

FOLDS = frozenset(["sum", "prod", "max", "min", "any", "all"])


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """nodes: what runs as one, in order. saved_nbytes: bytes not written and read again. lead: axes that are rows."""

    nodes: tuple[Node, ...]
    lead: int
    saved_nbytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """clusters: what was fused. refused: pairs of nodes that touch and were not, with the reason."""

    clusters: tuple[Cluster, ...] = ()
    refused: tuple[tuple[Node, Node, str], ...] = ()


@dataclass(slots=True, eq=False)
class _Group:
    """A cluster as it grows. dims: sizes of the leading axes that its values share so far."""

    members: list[Node]
    dims: tuple[int, ...]
    first: int
    folds: int = 0


def fuse(placed: Placed, workers_of: Callable[[str], int]) -> tuple[Placed, Fusion]:
    """Replace clusters by nodes of the op `fused`. Reads sizes; near-linear.

    workers_of: how many threads may share a cluster's blocks on a device; 0 where clusters gain nothing.
    """
    if not any(_large(n) for n in placed.subgraph.nodes):
        return placed, Fusion()
    search = _Search(placed, workers_of)
    search.grow()
    return search.result()


def _large(node: Node) -> bool:
    if not node.op.is_elementwise:
        return False
    nbytes = node.outputs[0].type.nbytes
    return nbytes is not None and nbytes >= MIN_NBYTES


@dataclass(slots=True, eq=False)
class _Search:
    placed: Placed
    workers_of: Callable[[str], int]
    group: dict[Node, _Group] = field(default_factory=dict)
    position: dict[Node, int] = field(default_factory=dict)
    contiguous: dict[Tensor, bool] = field(default_factory=dict)
    users: dict[Tensor, list[Node]] = field(default_factory=dict)
    refused: list[tuple[Node, Node, str]] = field(default_factory=list)
    barred: set[Node] = field(default_factory=set)

    def grow(self) -> None:
        subgraph = self.placed.subgraph
        workers = {d: self.workers_of(d) for d in dict.fromkeys(self.placed.device.values())}
        self._bar(subgraph)
        for t in subgraph.inputs:
            self.contiguous[t] = True
        for at, node in enumerate(subgraph.nodes):
            self.position[node] = at
            for t in node.inputs:
                self.users.setdefault(t, []).append(node)
            self._note_contiguity(node)
            if node in self.barred or not workers[self.placed.device[node]]:
                continue
            self._place(node)

    def _bar(self, subgraph: Subgraph) -> None:
        """Nodes that stay alone: what runs after a write, what is written to a variable, what others wait for."""
        late: set[Node] = set()
        written: set[Tensor] = set()
        for node in subgraph.nodes:
            name = node.op.name
            state = name in ("read", "assign")
            if (
                name == "assign"
                or (state and node.inputs[0] in written)
                or any(t.op in late for t in node.inputs)
                or any(n in late for n in node.control_inputs)
            ):
                late.add(node)
            if name == "assign":
                written.add(node.inputs[0])
                self.barred.add(node.inputs[1].op)
            if node.control_inputs:
                self.barred.add(node)
                self.barred.update(node.control_inputs)
        self.barred |= late
        self.barred.update(subgraph.targets)

    def _note_contiguity(self, node: Node) -> None:
        for t in node.outputs:
            self.contiguous[t] = True
        if node.op.is_view and node.inputs:
            source, made = node.inputs[0], node.outputs[0]
            if source.type.is_static and made.type.is_static:
                answer = node.op.view(source.type, made.type, node.attrs, self.contiguous.get(source, False))
                self.contiguous[made] = answer is not False

    # --- growing ---

    def _place(self, node: Node) -> None:
        """Put a node into the clusters of what it reads, or begin one."""
        kind = _kind(node)
        if kind == "":
            return
        dims = self._rows_of(node, kind)
        if dims is None:
            return
        if kind == "view":  # does no work: it only ever joins
            maker = node.inputs[0].op
            if maker in self.group and len(maker.outputs) == 1:
                self._try(node, self.group[maker], dims)
            return
        if not any((t.type.nbytes or 0) >= MIN_NBYTES for t in (*node.inputs, *node.outputs)):
            near = [self.group[t.op] for t in node.inputs if t.op in self.group]
            if not near:
                return
        for t in node.inputs:
            found = self.group.get(t.op)
            if found is not None and found is not self.group.get(node):
                self._try(node, found, dims)
        if node not in self.group and (kind == "fold" or (node.outputs[0].type.nbytes or 0) >= MIN_NBYTES):
            self.group[node] = _Group([node], dims, self.position[node], kind == "fold")

    def _rows_of(self, node: Node, kind: str) -> tuple[int, ...] | None:
        """The leading sizes by which a node's values can be walked, or None."""
        out = node.outputs[0].type
        if kind == "fold":
            source = node.inputs[0]
            axes = normalize_axes(node.attrs["axis"], source.type.rank)
            dims = source.type.dims[: min(axes, default=0)]
            return dims if dims and self._walkable(source) else None  # type: ignore[return-value]  # static
        if kind == "view":
            source = node.inputs[0]
            return _common(source.type.dims, out.dims) or None
        most = len(out.dims)
        for t in node.inputs:
            taken = _alignment(t.type.dims, out.dims)
            if taken < 0 or (taken and t.type.size != 1 and not self._walkable(t)):
                taken_whole = _whole(t.type.dims, out.dims)
                if taken_whole == 0:
                    return None
                taken = taken_whole
            else:
                taken = max(taken, _whole(t.type.dims, out.dims))
            most = min(most, taken)
        return out.dims[:most] or None  # type: ignore[return-value]  # static

    def _walkable(self, t: Tensor) -> bool:
        """True if the tensor's bytes are contiguous when the cluster reads them, or are made inside it."""
        return t.op in self.group or self.contiguous.get(t, False)

    def _try(self, node: Node, target: _Group, dims: tuple[int, ...]) -> None:
        own = self.group.get(node)
        shared = _common(target.dims, dims if own is None else own.dims)
        maker = target.members[-1]
        reason = self._refusal(node, own, target, shared)
        if reason:
            self.refused.append((maker, node, reason))
            return
        if own is None:
            target.members.append(node)
            self.group[node] = target
        else:
            target.members = sorted([*target.members, *own.members], key=self.position.__getitem__)
            target.first = min(target.first, own.first)
            for n in own.members:
                self.group[n] = target
        target.dims = shared
        target.folds += _kind(node) == "fold"

    def _refusal(self, node: Node, own: _Group | None, target: _Group, shared: tuple[int, ...]) -> str:
        device = self.placed.device
        if not shared:
            return "they are not walked by the same rows"
        members = [*target.members, *(own.members if own is not None else [node])]
        if device[members[0]] != device[members[-1]]:
            return "they run on different devices"
        lead, rows = len(shared), _product(shared)
        widest = max(row_nbytes(n.outputs[0].type, lead) for n in (target.members[0], node))
        widest = max(widest, *[row_nbytes(t.type, lead) for t in node.inputs if len(t.type.dims) > lead], 1)
        if widest > MAX_ROW_NBYTES or rows < MIN_BLOCKS:
            return "a row is too long for a block"
        if len(members) > MAX_MEMBERS:
            return "the cluster would be too large"
        inside = set(members)
        for n in (node,) if own is None else members:
            rank = _rank(n)
            if any(t.op in inside and not _is_rowed(t, shared, rank) for t in n.inputs):
                return "one uses the other's result whole"
        if self._leaves_and_returns(members, min(target.first, own.first if own else target.first)):
            return "a path between them leaves the cluster"
        return ""

    def _leaves_and_returns(self, members: list[Node], first: int) -> bool:
        """Whether what the members read from outside depends on a member; True too where that takes long to tell."""
        inside = set(members)
        stack = [t.op for n in members for t in n.inputs]
        seen: set[Node] = set()
        looked = 0
        while stack:
            node = stack.pop()
            if node in inside or node in seen or self._last(node) < first:
                continue
            seen.add(node)
            looked += 1
            if looked > MAX_SEARCH:
                return True
            found = self.group.get(node)
            for n in (node,) if found is None else found.members:
                for m in (*[t.op for t in n.inputs], *n.control_inputs):
                    if m in inside:
                        return True
                    stack.append(m)
        return False

    def _last(self, node: Node) -> int:
        found = self.group.get(node)
        return self.position.get(node, -1) if found is None else self.position[found.members[-1]]

    # --- making nodes ---

    def result(self) -> tuple[Placed, Fusion]:
        subgraph = self.placed.subgraph
        fetched = set(subgraph.outputs)
        made: dict[Node, tuple[Node, tuple[Tensor, ...]]] = {}
        clusters: list[Cluster] = []
        for found in dict.fromkeys(self.group.values()):
            built = self._build(found, fetched)
            if built is not None:
                node, outputs, cluster = built
                clusters.append(cluster)
                made[cluster.nodes[-1]] = (node, outputs)
        if not made:
            return self.placed, Fusion((), tuple(self.refused))
        fused = _rebuilt(self.placed, made, clusters)
        if fused is None:
            return self.placed, Fusion((), tuple(self.refused))
        return fused, Fusion(tuple(clusters), tuple(self.refused))

    def _build(self, found: _Group, fetched: set[Tensor]) -> tuple[Node, tuple[Tensor, ...], Cluster] | None:
        members = found.members
        inside = set(members)
        outputs: dict[Tensor, None] = {}
        kept_views = set()
        for n in reversed(members):
            t = n.outputs[0]
            leaves = t in fetched or any(u not in inside or u in kept_views for u in self.users.get(t, ()))
            if leaves and _kind(n) == "view":
                kept_views.add(n)  # it stays a node of its own, outside
            elif leaves:
                outputs[t] = None
        members = [n for n in members if n not in kept_views]
        if not members or not self._is_movable(members):
            return None
        inside = set(members)
        if any(
            t.op not in inside and _is_rowed(t, found.dims, _rank(n)) and not self.contiguous.get(t, False)
            for n in members
            for t in n.inputs
        ):
            return None
        leaving = [t for n in members for t in n.outputs if t in outputs]
        staying = [n.outputs[0] for n in members if n.outputs[0] not in outputs and _kind(n) != "view"]
        saved = sum(2 * (t.type.nbytes or 0) for t in staying)
        shared = self._reads_saved(members)
        if saved < 2 * MIN_NBYTES and saved + shared < 4 * MIN_NBYTES:
            return None
        body, inputs = _body(members, leaving, found.dims, self.workers_of(self.placed.device[members[0]]))
        node = detached(members[-1], FUSED, inputs, {"body": body})
        return node, tuple(leaving), Cluster(tuple(members), len(found.dims), saved)

    def _reads_saved(self, members: list[Node]) -> int:
        """Bytes of values read by more than one member, which a block reads from memory once."""
        count: dict[Tensor, int] = {}
        for n in members:
            for t in dict.fromkeys(n.inputs):
                count[t] = count.get(t, 0) + 1
        return sum((c - 1) * (t.type.nbytes or 0) for t, c in count.items())

    def _is_movable(self, members: list[Node]) -> bool:
        """True unless something with state or effects, between the members, needs one of them: it may not be moved."""
        inside = set(members)
        moved: set[Node] = set()
        nodes = self.placed.subgraph.nodes
        for at in range(self.position[members[0]], self.position[members[-1]]):
            node = nodes[at]
            if node in inside or not (
                any(t.op in inside or t.op in moved for t in node.inputs)
                or any(n in moved for n in node.control_inputs)
            ):
                continue
            if not node.op.is_pure:
                return False
            moved.add(node)
        return True


def _kind(node: Node) -> str:
    """What a node is in a cluster: "map", "fold" or "view"; empty for what cannot be in one."""
    op = node.op
    if len(node.outputs) != 1 or not op.is_silent or not op.is_pure:
        return ""
    types = [t.type for t in (*node.inputs, *node.outputs)]
    if any(not t.is_static or t.dtype is STRING for t in types):
        return ""
    if op.is_elementwise and op.takes_out and op.kernel is not None:
        return "map"
    if op.name in FOLDS and op.takes_out and _folds_by_rows(node):
        return "fold"
    if op.is_view and len(node.inputs) == 1:
        source, out = types[0], types[-1]
        if op.name == "broadcast_to" and source.rank == out.rank:
            return "view"
        if op.name in ("reshape", "expand_dims", "squeeze") and source.size == out.size:
            return "view"
    return ""


def _folds_by_rows(node: Node) -> bool:
    """True where a row's fold has the same bits among any number of rows.

    Not where the elements are converted first: NumPy does that in buffers, and where these end depends on the rows.
    """
    source, made = node.inputs[0].type.dtype, node.outputs[0].type.dtype
    if node.op.name in ("max", "min", "any", "all"):
        return True
    return source == made and source.kind in "iufc" and source.itemsize >= 4


def _common(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    n = 0
    while n < len(a) and n < len(b) and a[n] == b[n]:
        n += 1
    return a[:n]


def _alignment(dims: tuple[Any, ...], out: tuple[Any, ...]) -> int:
    """How many leading axes an operand shares with the result, -1 if it has fewer axes."""
    return len(_common(dims, out)) if len(dims) == len(out) else -1


def _whole(dims: tuple[Any, ...], out: tuple[Any, ...]) -> int:
    """Over how many leading axes of the result an operand is the same."""
    missing = len(out) - len(dims)
    n = 0
    while n < len(out) and (n < missing or dims[n - missing] == 1):
        n += 1
    return n


def _product(dims: tuple[int, ...]) -> int:
    n = 1
    for d in dims:
        n *= d
    return n


def _rank(node: Node) -> int:
    """The number of axes that an operand walked by rows has."""
    kind = _kind(node)
    return node.outputs[0].type.rank if kind == "map" else node.inputs[0].type.rank


def _is_rowed(t: Tensor, dims: tuple[int, ...], rank: int) -> bool:
    return len(t.type.dims) == rank and t.type.dims[: len(dims)] == dims and _product(dims) > 1


def _body(
    members: list[Node], leaving: list[Tensor], dims: tuple[int, ...], workers: int
) -> tuple[ClusterBody, tuple[Tensor, ...]]:
    """The cluster without links into the graph, and the tensors that it reads."""
    lead = len(dims)
    inside = {n.outputs[0] for n in members}
    given: dict[tuple[Tensor, bool], int] = {}  # what is read both by rows and whole is given twice
    for n in members:
        for t in n.inputs:
            if t not in inside:
                given.setdefault((t, _is_rowed(t, dims, _rank(n))), len(given))
    inputs = tuple([t for t, _ in given])
    rowed = tuple([by_rows for _, by_rows in given])
    number: dict[Tensor, int] = {}
    steps: list[Step] = []
    for n in members:
        kind, rank = _kind(n), _rank(n)
        attrs = n.attrs
        if kind == "fold":
            axes = normalize_axes(n.attrs["axis"], n.inputs[0].type.rank)
            attrs = {**n.attrs, "axis": tuple([a - lead + 1 for a in axes])}
        read = [number[t] if t in inside else given[t, _is_rowed(t, dims, rank)] for t in n.inputs]
        number[n.outputs[0]] = len(inputs) + len(steps)
        steps.append(Step(n.op, attrs, tuple(read), n.outputs[0].type, kind))
    outputs = tuple([number[t] for t in leaving])
    block = _block_rows(inputs, steps, rowed, dims)
    scratch, sizes = _scratch(len(inputs), steps, outputs, block, lead)
    reuses = tuple([tuple(_reusable(o, inputs, steps, rowed)) for o in outputs])
    names = tuple([n.name for n in members])
    body = ClusterBody(
        lead,
        _product(dims),
        tuple([t.type for t in inputs]),
        (*rowed, *[True] * len(steps)),
        tuple(steps),
        outputs,
        block,
        scratch,
        sizes,
        reuses,
        names,
        workers,
    )
    return body, inputs


def _block_rows(
    inputs: tuple[Tensor, ...], steps: list[Step], rowed: tuple[bool, ...], dims: tuple[int, ...]
) -> int:
    lead = len(dims)
    widths = [row_nbytes(t.type, lead) for t, by_rows in zip(inputs, rowed, strict=True) if by_rows]
    widths += [row_nbytes(s.type, lead) for s in steps if s.kind != "view"]
    share = min(BLOCK_NBYTES // 4, BLOCK_NBYTES // max(1, min(len(widths), 8)))
    rows = max(1, share // max(*widths, 1))
    return min(rows, max(1, _product(dims) // (2 * MIN_BLOCKS)))


def _scratch(
    n_inputs: int, steps: list[Step], outputs: tuple[int, ...], block: int, lead: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A scratch array for each value that stays inside; one is used again when its value is dead."""
    last: dict[int, int] = {}
    source = {n_inputs + k: s.inputs[0] for k, s in enumerate(steps) if s.kind == "view"}

    def root(k: int) -> int:
        while k in source:
            k = source[k]
        return k

    for k, s in enumerate(steps):
        for v in s.inputs:
            last[root(v)] = k
    sizes: list[int] = []
    taken: list[int] = [-1] * (n_inputs + len(steps))
    free: list[int] = []
    for k, s in enumerate(steps):
        number = n_inputs + k
        ending = [v for v in dict.fromkeys(map(root, s.inputs)) if last[v] == k and taken[v] >= 0]
        own_place = s.op.in_place and s.kind == "map"
        if own_place:  # the result may take the place of an operand of its size that is needed no more
            free.extend(taken[v] for v in ending if _same_bytes(steps[v - n_inputs], s))
        if s.kind != "view" and number not in outputs:
            nbytes = block * row_nbytes(s.type, lead)
            best = max((f for f in free if sizes[f] >= nbytes), key=lambda f: (-sizes[f], f), default=-1)
            if best < 0:
                sizes.append(nbytes)
                best = len(sizes) - 1
            else:
                free.remove(best)
            taken[number] = best
        free.extend(taken[v] for v in ending if not (own_place and _same_bytes(steps[v - n_inputs], s)))
    return tuple(taken), tuple(sizes)


def _same_bytes(a: Step, b: Step) -> bool:
    return a.type == b.type and a.kind != "view"


def _reusable(
    output: int, inputs: tuple[Tensor, ...], steps: list[Step], rowed: tuple[bool, ...]
) -> Iterator[int]:
    """Inputs whose bytes an output may take over: of its type, walked by rows, and not read once it is written."""
    n = len(inputs)
    at = output - n
    views = {n + k: s.inputs[0] for k, s in enumerate(steps) if s.kind == "view"}

    def root(k: int) -> int:
        while k in views:
            k = views[k]
        return k

    for k, t in enumerate(inputs):
        if not rowed[k] or t.type != steps[at].type or sum(1 for other in inputs if other is t) > 1:
            continue
        readers = [j for j, s in enumerate(steps) if any(root(v) == k for v in s.inputs)]
        direct = all(v == k or root(v) != k for v in steps[at].inputs)
        if max(readers) < at or (max(readers) == at and steps[at].op.in_place and direct):
            yield k


def _rebuilt(
    placed: Placed, made: Mapping[Node, tuple[Node, tuple[Tensor, ...]]], clusters: list[Cluster]
) -> Placed | None:
    """The subgraph with clusters in the place of their members, or None where that cannot be ordered.

    A cluster comes where its last member was; what needs it before that moves behind it. Nodes with state or effects
    keep their order.
    """
    subgraph = placed.subgraph
    unit: dict[Node, Node] = {}  # what a node has become part of
    for cluster in clusters:
        unit.update(dict.fromkeys(cluster.nodes, cluster.nodes[-1]))
    members = {c.nodes[-1]: c.nodes for c in clusters}
    place = {n: at for at, n in enumerate(subgraph.nodes) if unit.get(n, n) is n}
    fed = set(subgraph.inputs)
    waits: dict[Node, int] = {}
    then: dict[Node, list[Node]] = {}
    last_impure: Node | None = None
    for node in place:
        before: dict[Node, None] = {}
        for n in members.get(node, (node,)):
            for maker in (*[t.op for t in n.inputs if t not in fed], *n.control_inputs):
                before[unit.get(maker, maker)] = None
        if not node.op.is_pure:
            if last_impure is not None:
                before[last_impure] = None
            last_impure = node
        before.pop(node, None)
        waits[node] = len(before)
        for n in before:
            then.setdefault(n, []).append(node)
    ready = [(at, n) for n, at in place.items() if waits[n] == 0]
    heapq.heapify(ready)
    order: list[Node] = []
    while ready:
        _, node = heapq.heappop(ready)
        order.append(node)
        for n in then.get(node, ()):
            waits[n] -= 1
            if waits[n] == 0:
                heapq.heappush(ready, (place[n], n))
    if len(order) < len(place):
        return None
    return _renewed(placed, order, made)


def _renewed(
    placed: Placed, order: list[Node], made: Mapping[Node, tuple[Node, tuple[Tensor, ...]]]
) -> Placed:
    """The nodes of `order`, with the inputs that they have now."""
    subgraph = placed.subgraph
    new: dict[Tensor, Tensor] = {}
    moved: dict[Node, Node] = {}
    device = dict(placed.device)
    nodes: list[Node] = []
    for old in order:
        node, outputs = made.get(old, (old, old.outputs))
        inputs = tuple([new.get(t, t) for t in node.inputs])
        control = tuple([moved.get(n, n) for n in node.control_inputs])
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
        if not same or any(a is not b for a, b in zip(control, node.control_inputs, strict=True)):
            types = [t.type for t in node.outputs]
            node = detached(node, node.op, inputs, node.attrs, control)
            for t, type_ in zip(node.outputs, types, strict=True):
                t.type = type_
        if node is not old:
            device[node] = device[old]
            moved[old] = node
            new.update(zip(outputs, node.outputs, strict=True))
        nodes.append(node)
    fetched = tuple([new.get(t, t) for t in subgraph.outputs])
    targets = tuple([moved.get(n, n) for n in subgraph.targets])
    return Placed(Subgraph(tuple(nodes), subgraph.inputs, fetched, targets), device, placed.input_device)
