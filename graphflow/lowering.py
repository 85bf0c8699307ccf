"""From a bound subgraph to a program: placement, order, bytes for every value, instructions.

`plan_subgraph` is the whole way below the passes; control-flow bodies go the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphflow.bind import bind
from graphflow.graph import Node, Tensor
from graphflow.ops.fused import FUSED
from graphflow.passes.remove_transfers import remove_transfers
from graphflow.planning.arena import Lifetime, plan_arena
from graphflow.planning.cost import Calibration, Machine
from graphflow.planning.fusion import Fusion, FusionSupport, fuse
from graphflow.planning.hazards import with_waits
from graphflow.planning.lane_choice import LanePlan, choose_lanes
from graphflow.planning.liveness import COPIED_FEED_NBYTES, DIRECT_RESULT_NBYTES, REUSED_NBYTES
from graphflow.planning.placement import Placed, place
from graphflow.planning.schedule import SMALL_NBYTES, Schedule, in_program_order, live_peak_nbytes, schedule
from graphflow.planning.workspace import Workspaces
from graphflow.program import Instruction, Kind, Place, Program, Slot
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, DimLike, TensorType, substitute

__all__ = ["Planned", "compile_subgraph", "plan_subgraph"]

Resolve = Callable[[str | None], str]


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A bound subgraph with every decision about its run, each a record, and the program that they lead to.

    slot_of: the slot of each value. lifetimes: of the slots that are buffers, as closed intervals of positions.
    nodes: of each instruction. contiguous: whether the bytes of each slot surely are.
    """

    subgraph: Subgraph
    fusion: Fusion
    schedule: Schedule
    lanes: LanePlan | None
    program: Program
    slot_of: Mapping[Tensor, int]
    lifetimes: Mapping[int, tuple[int, int]]
    nodes: tuple[Node, ...]
    contiguous: Sequence[bool]


def plan_subgraph(
    subgraph: Subgraph,
    sizes: Mapping[str, DimLike],
    resolve: Resolve,
    io_device: str,
    *,
    is_body: bool = False,
    contiguous: bool = True,
    fuse_on: Callable[[str], FusionSupport] | None = None,
    reorder: bool = True,
    workers: int = 1,
    calibration: Calibration | None = None,
) -> Planned:
    """Place, fuse, order and lower a bound subgraph.

    sizes: what symbols were bound to, for the sub-graphs of control flow.
    resolve: the canonical device for what a node asks. io_device: where feeds arrive and fetches leave.
    is_body: feeds are then always by reference and fetches always copied.
    contiguous: whether all feeds are surely C-contiguous.
    fuse_on: which clusters a device takes; None for no clusters. reorder: whether an order is looked for that holds
        fewer bytes than the program's.
    workers: how many lanes there may be. calibration: what profiled runs said of costs.
    """
    placed = place(subgraph, resolve, io_device)
    if any(d != placed.input_device for d in placed.device.values()):
        fewer, device = remove_transfers(placed.subgraph, placed.device, placed.input_device)
        placed = Placed(fewer, device, placed.input_device)
    ordered = schedule if reorder else in_program_order
    fusion = Fusion()
    if fuse_on is not None and not is_body:
        placed, fusion, order = _fused(placed, fuse_on, ordered)
    else:
        order = ordered(placed.subgraph)
    lanes = None
    if workers > 1 and not is_body and all(d == placed.input_device for d in placed.device.values()):
        lanes = choose_lanes(placed.subgraph, order, workers, Machine(), calibration)
    if lanes is not None:
        order = replace(order, order=lanes.order)
    lowering = _Lowering(placed, order, sizes, resolve, is_body, contiguous, lanes, reorder)
    program = lowering.program()
    lifetimes = {b.slot: (b.first, b.last) for b in lowering.buffers.values()}
    return Planned(
        placed.subgraph,
        fusion,
        order,
        lanes,
        program,
        lowering.slot_of,
        lifetimes,
        tuple(lowering.nodes),
        lowering.contiguous,
    )


def _fused(
    placed: Placed, fuse_on: Callable[[str], FusionSupport], ordered: Callable[[Subgraph], Schedule]
) -> tuple[Placed, Fusion, Schedule]:
    """Clusters and an order. Where they hold more than the program's order does without, smaller clusters, or none."""
    fusion = Fusion()
    enough = -1
    for in_turn in (False, True):
        found, fusion = fuse(placed, fuse_on, in_turn=in_turn)
        if not fusion.clusters:
            break
        order = ordered(found.subgraph)
        if enough < 0:
            enough = live_peak_nbytes(placed.subgraph, in_program_order(placed.subgraph)) + SMALL_NBYTES
        if live_peak_nbytes(found.subgraph, order) <= enough:
            return found, fusion, order
    return placed, Fusion(refused=fusion.refused), ordered(placed.subgraph)


def compile_subgraph(
    subgraph: Subgraph, sizes: Mapping[str, DimLike], resolve: Resolve, io_device: str, **options: Any
) -> Program:
    """The program alone of `plan_subgraph`."""
    return plan_subgraph(subgraph, sizes, resolve, io_device, **options).program


@dataclass(slots=True)
class _Buffer:
    """A root of planned bytes: live in [first, last], on one device."""

    slot: int
    nbytes: int
    device: str
    first: int
    last: int


_Pending = tuple[Node, tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""An instruction to be: node, input slots, output slots, values read, values made."""

_STANDING = (Kind.BUFFER, Kind.COPIED_FEED, Kind.CONSTANT, Kind.VARIABLE, Kind.COUNTER)
"""Slots whose bytes have their place before the run."""


_OFFSET = Slot._fields.index("offset")


@dataclass(slots=True)
class _Lowering:
    placed: Placed
    order: Schedule
    sizes: Mapping[str, DimLike]
    resolve: Resolve
    is_body: bool
    contiguous_feeds: bool
    lanes: LanePlan | None = None
    reorder: bool = True
    slots: list[Any] = field(default_factory=list)
    slot_of: dict[Tensor, int] = field(default_factory=dict)
    root: list[int] = field(default_factory=list)  # slot -> the slot whose bytes it shares
    contiguous: list[bool] = field(default_factory=list)
    buffers: dict[int, _Buffer] = field(default_factory=dict)  # by root slot
    current: dict[Tensor, int] = field(default_factory=dict)  # variable handle -> slot of its latest value
    variables: dict[Tensor, tuple[int, bool, Place]] = field(default_factory=dict)
    last_use: dict[Tensor, int] = field(default_factory=dict)
    overwritten: dict[Tensor, None] = field(default_factory=dict)  # handles whose own bytes were written
    value: dict[Tensor, int] = field(default_factory=dict)  # numbered as in `Instruction.reads`
    held: dict[Tensor, int] = field(default_factory=dict)  # variable handle -> the value in its own bytes
    made: int = 0
    nodes: list[Node] = field(default_factory=list)  # of the instructions
    workspaces: Workspaces = field(default_factory=Workspaces)

    def program(self) -> Program:
        order = self.order.order
        subgraph = self.placed.subgraph
        self._find_last_uses()
        feeds = [self._feed(t) for t in subgraph.inputs]
        pending: list[_Pending] = []
        swaps: dict[Tensor, tuple[int, int]] = {}
        written: dict[Tensor, None] = {}
        counters: list[int] = []
        commit = len(order)
        commit_at = -1
        for position, node in enumerate(order):
            if position == self.order.commit:
                commit_at = len(pending)
            name = node.op.name
            if node.op.is_source:
                self._source(node, counters)
            elif name == "read":
                self._read(node)
            elif name == "assign":
                self._assign(node, position, pending, swaps)
                written[node.inputs[0]] = None
            elif name != "no_op":
                pending.append(self._operation(node, position))
        commit = len(pending) if commit_at < 0 else commit_at
        fetches = [self._fetch(t) for t in subgraph.outputs]
        instructions = self._with_frees(pending, set(fetches))
        self.nodes = [node for node, *_ in pending]
        fetched = tuple([self.value[t] for t in subgraph.outputs])
        arena = self._place_buffers(instructions, fetches)
        late = self._late_slots(instructions, commit)
        program = Program(
            tuple(self.slots),
            instructions,
            tuple(feeds),
            tuple(fetches),
            tuple(self._is_final(t, s, late) for t, s in zip(subgraph.outputs, fetches, strict=True)),
            commit,
            tuple(swaps.values()),
            tuple(self.variables.values()),
            tuple(self.variables[h][0] for h in written),
            tuple(counters),
            arena,
            self.placed.input_device,
            fetched,
        )
        return program if self.lanes is None else with_waits(program, self._control_waits(pending))

    def _control_waits(self, pending: list[_Pending]) -> dict[int, tuple[int, ...]]:
        """For each instruction those that must have finished by a control edge; through nodes that make none."""
        own = {one[0]: (k,) for k, one in enumerate(pending)}
        stands: dict[Node, tuple[int, ...]] = {}
        found: dict[int, tuple[int, ...]] = {}
        for node in self.order.order:
            before = [k for n in node.control_inputs for k in stands[n]]
            if node in own:
                if before:
                    found[own[node][0]] = tuple(before)
                stands[node] = own[node]
            else:  # what makes no instruction is done when all it needs is
                before += [k for t in node.inputs if t.op in stands for k in stands[t.op]]
                stands[node] = tuple(dict.fromkeys(before))
        return found

    # --- lifetimes ---

    def _find_last_uses(self) -> None:
        for position, node in enumerate(self.order.order):
            for t in node.inputs:
                self.last_use[t] = position
        for t in self.placed.subgraph.outputs:
            self.last_use[t] = len(self.order.order)
        # a view keeps its source alive
        for node in reversed(self.order.order):
            if node.op.is_view:
                end = max(self.last_use.get(t, -1) for t in node.outputs)
                source = node.inputs[0]
                self.last_use[source] = max(self.last_use.get(source, -1), end)

    def _new(self, slot: Slot, *, root: int | None = None, contiguous: bool = True) -> int:
        number = len(self.slots)
        self.slots.append(slot)
        self.root.append(number if root is None else root)
        self.contiguous.append(contiguous)
        return number

    def _buffer(self, t: Tensor, device: str, first: int, last: int, kind: Kind = Kind.BUFFER) -> int:
        nbytes = t.type.nbytes or 0
        place = Place(t.op) if kind is Kind.COPIED_FEED else None
        number = self._new(Slot(kind, t.type, device, nbytes, place=place))
        self.buffers[number] = _Buffer(number, nbytes, device, first, max(first, last))
        return number

    # --- what gives values ---

    def _feed(self, t: Tensor) -> int:
        nbytes = t.type.nbytes
        device = self.placed.input_device
        if (
            not self.is_body
            and nbytes is not None
            and nbytes <= COPIED_FEED_NBYTES
            and t.type.dtype is not STRING
        ):
            number = self._buffer(t, device, -1, self.last_use.get(t, -1), Kind.COPIED_FEED)
        else:
            slot = Slot(Kind.FEED, t.type, device, nbytes, place=Place(t.op))
            number = self._new(slot, contiguous=self.contiguous_feeds)
        self.slot_of[t] = number
        self.value[t] = -1 - number
        return number

    def _source(self, node: Node, counters: list[int]) -> None:
        device = self.placed.device[node]
        t = node.outputs[0]
        if t in self.slot_of:
            return
        if node.op.name == "constant":
            value = node.attrs["value"].array
            number = self._new(
                Slot(Kind.CONSTANT, t.type, device, t.type.nbytes, value=value, place=Place(node))
            )
        elif node.op.name == "variable":
            number = self._new(
                Slot(Kind.VARIABLE, t.type, device, t.type.nbytes, key=node.name, place=Place(node))
            )
            self.variables[t] = (number, False, Place(node))
            self.current[t] = number
        else:
            number = self._new(
                Slot(Kind.COUNTER, t.type, device, t.type.nbytes, key=node.name, place=Place(node))
            )
            counters.append(number)
        self.slot_of[t] = number
        self.value[t] = self.held[t] = -1 - number

    def _read(self, node: Node) -> None:
        handle = node.inputs[0]
        number = self.current.get(handle, self.slot_of[handle])
        self.slot_of[node.outputs[0]] = number
        self.value[node.outputs[0]] = self.value[handle]
        if handle in self.variables and number == self.variables[handle][0]:
            slot, needed, place = self.variables[handle]
            self.variables[handle] = (slot, needed or handle not in self.overwritten, place)

    def _assign(
        self, node: Node, position: int, pending: list[Any], swaps: dict[Tensor, tuple[int, int]]
    ) -> None:
        handle, value = node.inputs
        write = self.order.writes[node]
        storage = self.slot_of[handle]
        given = self.value[value]
        reads = (self.held[handle], given)
        self.value[handle] = self.value[node.outputs[0]] = given
        if write.direct:
            self.held[handle] = given
            self.overwritten[handle] = None
            self.current[handle] = storage
            self.slot_of[node.outputs[0]] = storage
            if write.producer is not None:
                return  # the producer, lowered just before, wrote the storage itself
            pending.append((node, (storage, self.slot_of[value]), (storage,), reads, (given,)))
            return
        source = self.slot_of[value]
        root = self.buffers.get(self.root[source])
        end = len(self.order.order)
        if root is not None and root.slot == source and self.slots[source].type == node.outputs[0].type:
            number = source  # the value's own bytes serve until the commit
            root.last = end
        elif node.outputs[0].type.is_static:
            number = self._buffer(node.outputs[0], self.placed.device[node], position, end)
            pending.append((node, (storage, source), (number,), reads, (given,)))
        else:
            number = source
        self.current[handle] = number
        self.slot_of[node.outputs[0]] = number
        swaps[handle] = (number, storage)

    def _operation(self, node: Node, position: int) -> _Pending:
        slot_of, value = self.slot_of, self.value
        inputs = tuple([slot_of[t] for t in node.inputs])
        reads = tuple([value[t] for t in node.inputs])
        makes = tuple(range(self.made, self.made + len(node.outputs)))
        self.made += len(makes)
        device = self.placed.device[node]
        op = node.op
        if len(node.outputs) != 1 or op is FUSED:
            outputs = self._outputs(node, inputs, position, device)
            value.update(zip(node.outputs, makes, strict=True))
            slot_of.update(zip(node.outputs, outputs, strict=True))
            return node, inputs, outputs, reads, makes
        t = node.outputs[0]
        value[t] = makes[0]
        nbytes = t.type.nbytes
        number = self._target_storage(node, position) if self.order.writes else -1
        if number < 0 and op.is_view:
            number = self._view(node, inputs[0], device)
        if (
            number < 0
            and op.takes_out
            and nbytes is not None
            and not self._hand_out(t, nbytes)
            and t.type.dtype is not STRING
        ):
            if op.in_place and nbytes >= REUSED_NBYTES:
                number = self._reuse(t, op.donors(inputs), inputs, position, device)
            if number < 0:
                number = self._new(Slot(Kind.BUFFER, t.type, device, nbytes))
                last = self.last_use.get(t, position)
                self.buffers[number] = _Buffer(number, nbytes, device, position, max(position, last))
        if number < 0:
            number = self._new(Slot(Kind.DYNAMIC, t.type, device, nbytes))
        self.slot_of[t] = number
        return node, inputs, (number,), reads, makes

    def _outputs(self, node: Node, inputs: tuple[int, ...], position: int, device: str) -> tuple[int, ...]:
        """Slots for a node of several outputs: planned bytes if its kernel fills arrays that it is given."""
        found: list[int] = []
        fills = node.op.takes_out and all(
            t.type.is_static and t.type.dtype is not STRING for t in node.outputs
        )
        for k, t in enumerate(node.outputs):
            nbytes = t.type.nbytes
            number = -1
            if fills and nbytes is not None and not self._hand_out(t, nbytes):
                if node.op is FUSED:
                    donors = tuple(
                        [inputs[d] for d in node.attrs["body"].reuses[k] if inputs[d] not in found]
                    )
                    number = self._reuse(t, donors, inputs, position, device)
                if number < 0:
                    number = self._buffer(t, device, position, self.last_use.get(t, position))
            if number < 0:
                number = self._new(Slot(Kind.DYNAMIC, t.type, device, nbytes))
            found.append(number)
        return tuple(found)

    def _target_storage(self, node: Node, position: int) -> int:
        """The variable's own slot if this node's value is written straight into it."""
        order = self.order.order
        if position + 1 < len(order):
            write = self.order.writes.get(order[position + 1])
            if write is not None and write.producer is node:
                return self.slot_of[write.node.inputs[0]]
        return -1

    def _hand_out(self, t: Tensor, nbytes: int) -> bool:
        """True for large fetched values: their kernel allocates them, so that no copy is needed."""
        return nbytes >= DIRECT_RESULT_NBYTES and self.last_use.get(t) == len(self.order.order)

    def _view(self, node: Node, source: int, device: str) -> int:
        in_type, out_type = node.inputs[0].type, node.outputs[0].type
        if self.slots[source].device != device:
            return -1
        answer = node.op.view(in_type, out_type, node.attrs, self.contiguous[source])
        if answer is None:
            return -1
        slot = Slot(Kind.VIEW, out_type, device, 0, base=source)
        return self._new(slot, root=self.root[source], contiguous=bool(answer))

    def _reuse(
        self, t: Tensor, donors: tuple[int, ...], inputs: tuple[int, ...], position: int, device: str
    ) -> int:
        """A buffer among `donors` that dies here and can be overwritten by the result `t`, or -1."""
        for s in donors:
            buffer = self.buffers.get(s)
            if (
                buffer is None
                or buffer.last != position
                or buffer.device != device
                or self.slots[s].type != t.type
            ):
                continue
            for o in inputs:
                if o != s and self.root[o] == s:  # a view of it is read as well
                    break
            else:
                buffer.last = max(position, self.last_use.get(t, position))
                return s
        return -1

    def _fetch(self, t: Tensor) -> int:
        if t.op.op.name == "variable" and t in self.variables:
            number, needed, place = self.variables[t]
            given = t in self.overwritten or self.current[t] != number
            self.variables[t] = (number, needed or not given, place)
            return number
        return self.slot_of[t]

    # --- finishing ---

    def _with_frees(self, pending: list[_Pending], kept: set[int]) -> tuple[Instruction, ...]:
        """Instructions, each with the dynamic slots that nothing needs after it."""
        last: dict[int, int] = {}
        brought = (Kind.DYNAMIC, Kind.FEED)
        from_kernel = [self.slots[r].kind in brought for r in self.root]
        if True in from_kernel:
            for i, (_, inputs, outputs, _, _) in enumerate(pending):
                for s in (*inputs, *outputs):
                    if from_kernel[s]:
                        last[self.root[s]] = i
                        last[s] = i
        held = {self.root[s] for s in (*kept, *self.current.values())}
        frees: dict[int, list[int]] = {}
        for s, i in last.items():
            if self.root[s] not in held and self.slots[s].kind in (Kind.DYNAMIC, Kind.VIEW):
                frees.setdefault(i, []).append(s)
        used = kept | set(self.current.values())
        if any(one[0].op.is_control for one in pending):
            for _, inputs, *_ in pending:
                used.update(inputs)
        made = []
        for i, one in enumerate(pending):
            freed = tuple(sorted(frees[i])) if i in frees else ()
            made.append(self._instruction(one, freed, used))
        if self.lanes is not None:
            lane = dict(zip(self.lanes.order, self.lanes.lane, strict=True))
            made = [i._replace(lane=lane[node]) for i, (node, *_) in zip(made, pending, strict=True)]
        return tuple(made)

    def _instruction(self, one: _Pending, frees: tuple[int, ...], used: set[int]) -> Instruction:
        node, inputs, outputs, reads, makes = one
        op = node.op
        bodies: tuple[Program, ...] = ()
        flags: tuple[bool, ...] = ()
        contiguous = False not in [self.contiguous[s] for s in inputs]
        if op.is_control:
            flags = tuple(s in used for s in outputs)
            bodies = tuple(self._body(b, node, contiguous) for b in node.attrs["bodies"])
        workspace = self.workspaces.nbytes(node, contiguous)
        is_view = len(outputs) == 1 and self.slots[outputs[0]].kind is Kind.VIEW and op.is_view
        device = self.placed.device[node]
        place = Place(node)
        return Instruction(
            op,
            node.attrs,
            inputs,
            outputs,
            device,
            place,
            frees,
            bodies,
            flags,
            workspace,
            is_view,
            reads,
            makes,
        )

    def _body(self, body: Any, node: Node, contiguous: bool) -> Program:
        types = [TensorType(t.type.dtype, substitute(t.type.shape, self.sizes)) for t in body.inputs]
        whole = Subgraph(body.nodes, body.inputs, body.outputs, body.effects)
        bound, sizes = bind(whole, types, self.sizes)
        device = self.placed.device[node]

        def resolve(asked: str | None) -> str:
            return device if asked is None else self.resolve(asked)

        return compile_subgraph(
            bound, sizes, resolve, device, is_body=True, contiguous=contiguous, reorder=self.reorder
        )

    def _place_buffers(self, instructions: tuple[Instruction, ...], fetches: Sequence[int]) -> dict[str, int]:
        """Offsets for every buffer, device by device; fills them into the slots."""
        self._set_lifetimes(instructions, fetches)
        arena: dict[str, int] = {}
        for device in dict.fromkeys(b.device for b in self.buffers.values()):
            mine = [b for b in self.buffers.values() if b.device == device]
            plan = plan_arena([Lifetime(b.nbytes, b.first, b.last) for b in mine])
            arena[device] = plan.nbytes
            for b, offset in zip(mine, plan.offsets, strict=True):
                slot = self.slots[b.slot]
                self.slots[b.slot] = Slot._make((*slot[:_OFFSET], offset, *slot[_OFFSET + 1 :]))
        return arena

    def _set_lifetimes(self, instructions: tuple[Instruction, ...], fetches: Sequence[int]) -> None:
        """When the bytes of each buffer are needed.

        On one lane from the first to the last instruction that touches them or a view of them. On several, what runs
        beside the last user may still run after it.
        """
        if self.lanes is not None:
            ends = [-1, *itertools.accumulate(self.lanes.until, max), len(self.order.order)]
            for b in self.buffers.values():
                b.last = ends[b.last + 1]
            return
        spans: dict[int, list[int]] = {n: [-1, -1] for n, b in self.buffers.items() if b.first < 0}
        root = self.root
        for number, i in enumerate(instructions):
            for s in (*i.inputs, *i.outputs):
                span = spans.get(root[s])
                if span is None:
                    spans[root[s]] = [number, number]
                else:
                    span[1] = number
        for s in (*fetches, *self.current.values()):
            if root[s] in spans:
                spans[root[s]][1] = len(instructions)
        for b in self.buffers.values():
            b.first, b.last = spans.get(b.slot, (b.first, b.last))

    def _late_slots(self, instructions: tuple[Instruction, ...], commit: int) -> set[int]:
        """Slots that the commit's own instructions write, and views of them.

        A view made during the commit of bytes that were there before is not among them: it stands from the start, and
        what it shows of a variable may be overwritten at the commit's end.
        """
        late = {
            s
            for i in instructions[commit:]
            for s in i.outputs
            if not (i.is_view and self.slots[self.root[s]].kind in _STANDING)
        }
        return late | {n for n, root in enumerate(self.root) if root in late}

    def _is_final(self, t: Tensor, slot: int, late: set[int]) -> bool:
        """True if the fetched value is there before the commit begins, and may be gone after it."""
        if t in self.variables:  # the variable itself: its value after the run's writes
            return t not in self.overwritten and self.current[t] == slot
        return slot not in late
