"""Which nodes run as one, block by block: clusters of elementwise nodes, and of folds along whole rows.

What one node of a cluster hands to another never reaches memory. A cluster is convex (no path leaves it and
returns) and all its values are walked by the same rows: their leading axes are equal.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphflow.graph import Node, Tensor, detached
from graphflow.ops.fused import FUSED, row_nbytes
from graphflow.planning.cluster_body import (
    MIN_BLOCKS,
    alignment,
    cluster_body,
    common,
    kind_of,
    product_of,
    reads,
    whole_axes,
)
from graphflow.planning.placement import Placed
from graphflow.subgraph import Subgraph
from graphflow.types import normalize_axes

__all__ = ["MIN_NBYTES", "Cluster", "Fusion", "FusionSupport", "fuse"]

MIN_NBYTES = 1 << 19
"""Values smaller than this stay in the cache by themselves: a block's calls would cost more than they save."""

BLOCK_NBYTES = 1 << 22
"""All arrays of a cluster share this for one block, about a core's share of the last cache; each gets at most a
quarter. Six ops on 4M float64 took 1.0, 0.96, 0.97 and 0.98 of the time on one thread with 1, 2, 4 and 8 MiB, and 1.0,
0.84, 0.75 and 0.77 on two: with fewer calls the threads wait less for each other between them."""

MAX_ROW_NBYTES = 1 << 18
MAX_MEMBERS = 128
MAX_SEARCH = 48
"""Nodes looked at to prove that a merger is convex; a merger that needs more is refused."""


@dataclass(frozen=True, slots=True)
class FusionSupport:
    """What a device takes.

    kinds: of steps, as in `ops.fused.Step.kind`. workers: threads that may share a cluster.
    least_nbytes: of the values worth fusing; MIN_NBYTES where it is 0.
    """

    kinds: frozenset[str] = frozenset()
    workers: int = 1
    least_nbytes: int = 0


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
    """A cluster as it grows.

    dims: sizes of the leading axes that its values share so far. lead: how many of these its products need, 0 where
    it has none.
    """

    members: list[Node]
    dims: tuple[int, ...]
    first: int
    lead: int = 0


def fuse(
    placed: Placed, support: Callable[[str], FusionSupport], *, in_turn: bool = False
) -> tuple[Placed, Fusion]:
    """Replace clusters by nodes of the op `fused`. Reads sizes; near-linear.

    support: what each device takes.
    in_turn: no node joins a cluster of which something is needed elsewhere before that node's turn in the program. The
        members' results then live no longer than in the program's order, and clusters are smaller.
    """
    devices = {d: support(d) for d in dict.fromkeys(placed.device.values())}
    least = min([s.least_nbytes or MIN_NBYTES for s in devices.values()], default=MIN_NBYTES)
    if not any(_is_large(n, least) for n in placed.subgraph.nodes):
        return placed, Fusion()
    search = _Search(placed, devices, least, in_turn)
    search.grow()
    return search.result()


def _is_large(node: Node, least: int) -> bool:
    if not (node.op.is_elementwise or node.op.name == "matmul"):
        return False
    nbytes = node.outputs[0].type.nbytes
    return nbytes is not None and nbytes >= least


@dataclass(slots=True, eq=False)
class _Search:
    placed: Placed
    support: Mapping[str, FusionSupport]
    least: int
    in_turn: bool
    group: dict[Node, _Group] = field(default_factory=dict)
    position: dict[Node, int] = field(default_factory=dict)
    contiguous: dict[Tensor, bool] = field(default_factory=dict)
    users: dict[Tensor, list[Node]] = field(default_factory=dict)
    needed_at: dict[Node, int] = field(default_factory=dict)
    refused: list[tuple[Node, Node, str]] = field(default_factory=list)
    barred: set[Node] = field(default_factory=set)

    def grow(self) -> None:
        subgraph = self.placed.subgraph
        self._bar(subgraph)
        for t in subgraph.inputs:
            self.contiguous[t] = True
        for at, node in enumerate(subgraph.nodes):
            self.position[node] = at
            for t in node.inputs:
                self.users.setdefault(t, []).append(node)
            self._note_contiguity(node)
            kinds = self.support[self.placed.device[node]].kinds
            if node not in self.barred and kinds:
                kind = kind_of(node)
                if kind in kinds:
                    self._place(node, kind)

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
        self.barred |= _only_for_writes(subgraph)
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

    def _place(self, node: Node, kind: str) -> None:
        """Put a node into the clusters of what it reads, or begin one."""
        dims = self._rows_of(node, kind)
        if dims is None:
            return
        if kind == "view":  # does no work: it only ever joins
            maker = node.inputs[0].op
            if maker in self.group and len(maker.outputs) == 1:
                self._try(node, self.group[maker], dims)
            return
        if not any((t.type.nbytes or 0) >= self.least for t in (*node.inputs, *node.outputs)):
            near = [self.group[t.op] for t in node.inputs if t.op in self.group]
            if not near:
                return
        for t in node.inputs:
            found = self.group.get(t.op)
            if found is not None and found is not self.group.get(node):
                self._try(node, found, dims)
        if node not in self.group and (kind == "fold" or (node.outputs[0].type.nbytes or 0) >= self.least):
            self.group[node] = _Group(
                [node], dims, self.position[node], len(dims) if kind == "product" else 0
            )

    def _rows_of(self, node: Node, kind: str) -> tuple[int, ...] | None:
        """The leading sizes by which a node's values can be walked, or None."""
        out = node.outputs[0].type
        if kind == "fold":
            source = node.inputs[0]
            axes = normalize_axes(node.attrs["axis"], source.type.rank)
            dims = source.type.dims[: min(axes, default=0)]
            return dims if dims and self._walkable(source) else None  # type: ignore[return-value]  # static
        if kind == "product":
            return out.dims[:-1] if self._walkable(node.inputs[0]) else None  # type: ignore[return-value]  # static
        if kind == "view":
            source = node.inputs[0]
            return common(source.type.dims, out.dims) or None
        most = len(out.dims)
        for t in node.inputs:
            taken = alignment(t.type.dims, out.dims)
            if taken < 0 or (taken and t.type.size != 1 and not self._walkable(t)):
                taken_whole = whole_axes(t.type.dims, out.dims)
                if taken_whole == 0:
                    return None
                taken = taken_whole
            else:
                taken = max(taken, whole_axes(t.type.dims, out.dims))
            most = min(most, taken)
        return out.dims[:most] or None  # type: ignore[return-value]  # static

    def _walkable(self, t: Tensor) -> bool:
        """True if the tensor's bytes are contiguous when the cluster reads them, or are made inside it."""
        return t.op in self.group or self.contiguous.get(t, False)

    def _try(self, node: Node, target: _Group, dims: tuple[int, ...]) -> None:
        own = self.group.get(node)
        shared = common(target.dims, dims if own is None else own.dims)
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
        target.lead = max(target.lead, _lead(node, own))

    def _refusal(self, node: Node, own: _Group | None, target: _Group, shared: tuple[int, ...]) -> str:
        device = self.placed.device
        if not shared:
            return "they are not walked by the same rows"
        members = [*target.members, *(own.members if own is not None else [node])]
        if device[members[0]] != device[members[-1]]:
            return "they run on different devices"
        if self.in_turn and self._is_needed_before(node, own, target):
            return "a result of one is needed elsewhere before the other runs"
        leads = {target.lead, _lead(node, own)} - {0}
        if leads and leads != {len(shared)}:
            return "a product's rows are not the rows of the cluster"
        lead, rows = len(shared), product_of(shared)
        widest = max(row_nbytes(n.outputs[0].type, lead) for n in (target.members[0], node))
        widest = max(widest, *[row_nbytes(t.type, lead) for t in node.inputs if len(t.type.dims) > lead], 1)
        if widest > MAX_ROW_NBYTES or rows < MIN_BLOCKS:
            return "a row is too long for a block"
        if len(members) > MAX_MEMBERS:
            return "the cluster would be too large"
        inside = set(members)
        for n in (node,) if own is None else members:
            if any(
                t.op in inside and how != "rows" for t, how in zip(n.inputs, reads(n, shared), strict=True)
            ):
                return "one uses the other's result whole"
        if self._leaves_and_returns(members, min(target.first, own.first if own else target.first)):
            return "a path between them leaves the cluster"
        return ""

    def _is_needed_before(self, node: Node, own: _Group | None, target: _Group) -> bool:
        """Whether a node outside, earlier in the program than this one, uses what a member made."""
        group, inside = self.group, (target,) if own is None else (target, own)
        return any(
            user is not node and group.get(user) not in inside
            for n in (*target.members, *(() if own is None else own.members))
            for user in self.users.get(n.outputs[0], ())
        )

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
        self.needed_at = _needed_at(subgraph.nodes)
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
            if leaves and kind_of(n) == "view":
                kept_views.add(n)  # it stays a node of its own, outside
            elif leaves:
                outputs[t] = None
        members = [n for n in members if n not in kept_views]
        if not members or not self._is_movable(members):
            return None
        inside = set(members)
        if any(
            t.op not in inside and how == "rows" and not self.contiguous.get(t, False)
            for n in members
            for t, how in zip(n.inputs, reads(n, found.dims), strict=True)
        ):
            return None
        leaving = [t for n in members for t in n.outputs if t in outputs]
        staying = [n.outputs[0] for n in members if n.outputs[0] not in outputs and kind_of(n) != "view"]
        saved = sum(2 * (t.type.nbytes or 0) for t in staying)
        shared = self._reads_saved(members)
        products = any(kind_of(n) == "product" for n in members)
        if products and len(members) == 1:
            return None
        if saved < 2 * self.least and saved + shared < 4 * self.least:
            return None
        workers = self.support[self.placed.device[members[0]]].workers
        body, inputs = cluster_body(members, leaving, found.dims, workers, BLOCK_NBYTES)
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
        last = self.position[members[-1]]
        return all(self.needed_at[n] > last for n in members)


def _needed_at(nodes: Sequence[Node]) -> dict[Node, int]:
    """For each node the position of the first with state or effects that is it or needs it."""
    found: dict[Node, int] = {}
    for at in range(len(nodes) - 1, -1, -1):
        node = nodes[at]
        first = found[node] = found.get(node, len(nodes)) if node.op.is_pure else at
        for n in (*[t.op for t in node.inputs], *node.control_inputs):
            if first < found.get(n, len(nodes)):
                found[n] = first
    return found


def _only_for_writes(subgraph: Subgraph) -> set[Node]:
    """Nodes as large as a variable that nothing but writes of variables needs.

    As single calls they can run between the writes, one variable after another, which a cluster cannot.
    """
    shapes = {n.inputs[0].type.shape for n in subgraph.nodes if n.op.name == "assign"}
    if not shapes:
        return set()
    needed: set[Node] = {t.op for t in subgraph.outputs}
    found: set[Node] = set()
    for node in reversed(subgraph.nodes):
        if node.op.name == "assign":
            continue
        if (
            node not in needed
            and not node.op.has_effect
            and node.outputs
            and node.outputs[0].type.shape in shapes
        ):
            found.add(node)
        else:
            needed.update([t.op for t in node.inputs])
        needed.update(node.control_inputs)
    return found


def _lead(node: Node, own: _Group | None) -> int:
    if own is not None:
        return own.lead
    return node.outputs[0].type.rank - 1 if kind_of(node) == "product" else 0


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
