"""Runs programs on symbols instead of numbers, in any order that lanes and waits allow; it knows nothing of the checker.

What `runtime.Executable` does, step by step: a kernel reads as long as it runs, and its results are broken until it is
done. Who reads bytes that nobody wrote, or that others write meanwhile, gets a symbol that no right result has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.analysis.memory import memory_profile
from graphflow.graph import Node, Tensor, symbols_in
from graphflow.program import Instruction, Kind, Program, Slot
from graphflow.subgraph import Subgraph

__all__ = ["Choice", "Outcome", "Symbols", "choices", "meaning", "must_follow", "symbolic_run"]

Event = tuple[int, bool]
"""An instruction, and whether it ends or begins."""

Choice = Callable[[list[Event]], Event]
"""What happens next, of what may."""

_FIXED = (Kind.BUFFER, Kind.COPIED_FEED, Kind.CONSTANT, Kind.VARIABLE, Kind.COUNTER)


class Symbols:
    """Equal computations have equal numbers."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}

    def of(self, *parts: Any) -> int:
        """The number of what is made of some parts."""
        return self._numbers.setdefault(parts, len(self._numbers))

    def broken(self) -> int:
        """A number that nothing else has."""
        return self.of("broken", len(self._numbers))

    def made(self, op: Any, attrs: Any, inputs: Sequence[int], output: int = 0) -> int:
        """What an op gives; of a view, only the first input counts."""
        return self.of(op.name, id(attrs), output, *(inputs[:1] if op.is_view else inputs))


@dataclass(frozen=True)
class Outcome:
    """What a user sees. results: symbols. state: symbols by key. written: keys.

    effects: symbols of what is printed and the like, sorted. faults: in words.
    peak: the most bytes held beside arenas, constants and state.
    """

    results: tuple[int, ...]
    state: Mapping[str, int]
    written: frozenset[str]
    effects: tuple[int, ...]
    faults: tuple[str, ...] = ()
    peak: int = 0

    def same(self, other: Outcome) -> bool:
        """Whether both are right, and alike."""
        mine = (self.results, self.state, self.written, self.effects)
        others = (other.results, other.state, other.written, other.effects)
        return mine == others and not self.faults and not other.faults


def meaning(subgraph: Subgraph, symbols: Symbols) -> Outcome:
    """What a graph says, node by node."""
    value: dict[Tensor, int] = {t: symbols.of("fed", n) for n, t in enumerate(subgraph.inputs)}
    state: dict[str, Tensor] = {}
    written: dict[str, None] = {}
    effects: list[int] = []
    for node in subgraph.nodes:
        inputs, outputs = [value[t] for t in node.inputs], node.outputs
        if node.op.name == "assign":
            value[node.inputs[0]] = value[outputs[0]] = inputs[1]
            written[node.inputs[0].op.name] = None
        elif node.op.name == "read":
            value[outputs[0]] = inputs[0]
        elif not node.op.is_source:
            made = [symbols.made(node.op, node.attrs, inputs, n) for n in range(len(outputs))]
            value.update({t: symbol for t, symbol in zip(outputs, made, strict=True) if t not in value})
            if node.op.has_effect:
                effects.append(symbols.of("effect", node.op.name, id(node.attrs), *inputs))
        elif outputs[0] not in value:
            value[outputs[0]] = symbols.of("there", node)
            if node.op.name not in ("constant", "placeholder"):
                state[node.name] = outputs[0]
    ends = {
        key: value[t] if t.op.op.name == "variable" else symbols.of("next", value[t])
        for key, t in state.items()
    }
    results = tuple([value[t] for t in subgraph.outputs])
    return Outcome(results, ends, frozenset(written), tuple(sorted(effects)))


def must_follow(subgraph: Subgraph) -> dict[Node, list[Node]]:
    """For each node those that have to end before it begins by control edges, also through nodes that do nothing."""
    found: dict[Node, list[Node]] = {}
    for node in subgraph.nodes:
        found[node] = list(node.control_inputs)
        for n in node.control_inputs:
            if n.op.name in ("no_op", "read", "assign"):
                found[node] += [*found.get(n, ()), *[t.op for t in n.inputs]]
    return found


@dataclass(eq=False)
class _Array:
    """Bytes of its own, with what is in them."""

    symbol: int
    nbytes: int = 0


@dataclass(frozen=True)
class _Range:
    """Bytes of an arena, as an array of a type."""

    device: str
    start: int
    end: int
    type: Any


@dataclass(frozen=True)
class _View:
    base: Any
    op: Any
    attrs: Any


@dataclass(eq=False)
class _Call:
    """An instruction that runs: what it reads and writes, and what it read at its beginning."""

    reads: list[Any]
    writes: list[Any]
    seen: list[int] = field(default_factory=list)
    scribble: int = 0
    busy: int = 0


class _Machine:
    def __init__(self, program: Program, symbols: Symbols, is_body: bool) -> None:
        self.program, self.symbols, self.is_body = program, symbols, is_body
        self.faults: list[str] = []
        self.arenas: dict[str, dict[tuple[int, int], tuple[Any, int]]] = {}
        self.env: list[Any] = [None] * len(program.slots)
        self.initial: dict[int, int] = {}
        needed = {s for s, is_needed, _ in program.variables if is_needed}
        for n, s in enumerate(program.slots):
            if s.kind in (Kind.BUFFER, Kind.COPIED_FEED):
                end, size = s.offset + (s.nbytes or 0), program.arena_nbytes.get(s.device, 0)
                self.env[n] = _Range(s.device, s.offset, end, s.type) if s.nbytes else _Array(0)
                if s.offset < 0 or end > size:
                    self.faults.append("a buffer is out of bounds")
            elif s.kind in _FIXED:
                is_there = s.kind is not Kind.VARIABLE or n in needed
                node = s.place._node if s.place is not None else n
                self.initial[n] = symbols.of("there", node) if is_there else symbols.broken()
                self.env[n] = _Array(self.initial[n])
        self.static = [a is not None for a in self.env]
        self.bound: dict[int, _Call | None] = {}  # None: a view that is made when the program is loaded
        for k, i in enumerate(program.instructions):
            fixed = all(self.static[s] for s in i.inputs)
            if i.is_view and fixed and i.op.is_silent and not any(symbols_in(i.attrs.values())):
                self.env[i.outputs[0]] = _View(self.env[i.inputs[0]], i.op, i.attrs)
                self.static[i.outputs[0]] = True
                self.bound[k] = None
            elif fixed and all(self.static[s] for s in i.outputs) and not i.bodies:
                self.bound[k] = self._call(i)
        self.dynamic = [n for n, static in enumerate(self.static) if not static]
        self.running: dict[int, _Call] = {}
        self.copies = self.peak = 0
        self.results: list[int] = [-1] * len(program.fetches)
        self.kept: list[Any] = []  # arrays that something holds besides
        self.changed: set[int] = set()
        self.effects: list[int] = []

    def _call(self, i: Instruction) -> _Call:
        return _Call([self.env[s] for s in i.inputs], [self.env[s] for s in i.outputs])

    def content(self, array: Any) -> int:
        """What is in an array now."""
        if isinstance(array, _Array):
            return array.symbol
        if isinstance(array, _View):
            return self.symbols.made(array.op, array.attrs, [self.content(array.base)])
        if isinstance(array, _Range):
            type_, symbol = self.arenas.get(array.device, {}).get((array.start, array.end), (None, -1))
            return symbol if type_ == array.type else self.symbols.broken()
        return self.symbols.broken()

    def fill(self, array: Any, symbol: int) -> None:
        """Write an array; what else has some of its bytes is lost."""
        if isinstance(array, _Array):
            array.symbol = symbol
        elif isinstance(array, _Range):
            arena = self.arenas.setdefault(array.device, {})
            for start, end in [r for r in arena if r[0] < array.end and array.start < r[1]]:
                del arena[start, end]
            arena[array.start, array.end] = (array.type, symbol)
        else:
            self.faults.append("a view or nothing is written")

    def measure(self) -> None:
        """Note the bytes that are held now."""
        arrays = [*[self.env[s] for s in self.dynamic], *self.kept]
        for call in self.running.values():
            arrays += [*call.reads, *call.writes]
        found: dict[_Array, int] = {}
        for array in arrays:
            while isinstance(array, _View):
                array = array.base
            if isinstance(array, _Array):
                found[array] = array.nbytes
        busy = sum(call.busy for call in self.running.values())
        self.peak = max(self.peak, sum(found.values()) + self.copies + busy)

    def begin(self, k: int, ready: _Call | None = None) -> None:
        """An instruction begins: it may read and write from now on."""
        i, slots = self.program.instructions[k], self.program.slots
        if k in self.bound and self.bound[k] is None:
            return
        call = ready or self.bound.get(k) or self._made(i, self._call(i))
        is_copy = i.op.name == "assign"
        call.seen = [self.content(a) for a in call.reads[is_copy:]]
        call.busy = i.workspace_nbytes + _inside(i, slots)
        call.scribble = self.symbols.broken()
        self.running[k] = call
        if not i.is_view:
            for s, array in zip(i.outputs, call.writes, strict=True):
                if slots[s].kind in (Kind.CONSTANT, Kind.COUNTER, Kind.FEED):
                    self.faults.append("what is not the run's is written")
                if slots[s].kind is Kind.VARIABLE:
                    self.changed.add(s)
                    if k < self.program.commit:
                        self.faults.append("a variable is written before the commit")
                if array is not None:
                    self.fill(array, call.scribble)
        self.measure()

    def _made(self, i: Instruction, call: _Call) -> _Call:
        """With new arrays for results that have none."""
        slots = self.program.slots
        if i.is_view:
            call.writes = [_View(call.reads[0], i.op, i.attrs)]
            if call.reads[0] is None:
                self.faults.append("a view of nothing is made")
            return call
        least = i.attrs.get("n_carry", len(i.outputs)) if i.bodies else 0
        for n, s in enumerate(i.outputs):
            if not self.static[s]:
                is_made = n < least or not i.bodies or i.used[n]
                call.writes[n] = _Array(0, slots[s].nbytes or 0) if is_made else None
        return call

    def end(self, k: int) -> None:
        """An instruction is done: its results are there, unless something came between."""
        i = self.program.instructions[k]
        call = self.running.pop(k, None)
        if call is None:
            return
        is_copy = i.op.name == "assign"
        inputs = []
        for n, (array, seen) in enumerate(zip(call.reads[is_copy:], call.seen, strict=True)):
            reused = [m for m, a in enumerate(call.writes) if a is not None and a == array and not i.is_view]
            may = (
                i.attrs["body"].reuses
                if i.op.name == "fused"
                else [range(i.op.n_donors or len(i.inputs))] * len(i.outputs)
            )
            legal = i.op.in_place or is_copy or i.op.name == "fused"
            if reused and legal and all(n + is_copy in may[m] for m in reused):
                inputs.append(seen)
            else:
                now = self.content(array)
                inputs.append(seen if now == seen else self.symbols.broken())
        if i.op.has_effect:
            self.effects.append(self.symbols.of("effect", i.op.name, id(i.attrs), *inputs))
        if not i.is_view:
            whole = [a is None or self.content(a) == call.scribble for a in call.writes]
            for n, array in enumerate(call.writes):
                symbol = inputs[0] if is_copy else self.symbols.made(i.op, i.attrs, inputs, n)
                if array is not None:
                    self.fill(array, symbol if whole[n] else self.symbols.broken())
        for s, array in zip(i.outputs, call.writes, strict=True):
            if not self.static[s] and array is not None:
                self.env[s] = array
        if k not in self.bound:
            for s in i.frees:
                self.env[s] = None

    def fetch(self, early: bool) -> None:
        """Take results that the caller gets."""
        p = self.program
        for n, (s, when) in enumerate(zip(p.fetches, p.early_fetches, strict=True)):
            if (when and not self.is_body) is early:
                self.results[n] = self.content(self.env[s])
                if p.slots[s].kind is Kind.DYNAMIC and p.fetches.index(s) == n:
                    self.kept.append(self.env[s])
                else:
                    self.copies += p.slots[s].type.nbytes or 0
        self.measure()

    def commit(self) -> None:
        """All that follows the first write of a variable: its calls are made ready before the first."""
        p, slots = self.program, self.program.slots
        ready: dict[int, _Call] = {}
        for k in range(p.commit, len(p.instructions)):
            i = p.instructions[k]
            if k not in self.bound:
                ready[k] = self._made(i, self._call(i))
                for s, array in zip(i.outputs, ready[k].writes, strict=True):
                    self.env[s] = array
        self.kept += [a for call in ready.values() for a in (*call.reads, *call.writes)]
        for k in range(p.commit, len(p.instructions)):
            i = p.instructions[k]
            sure = i.op.name == "assign" or (i.op.is_silent and (i.op.is_view or i.op.is_single_call))
            if self.changed and not (sure and all(slots[s].type.is_static for s in (*i.inputs, *i.outputs))):
                self.faults.append("it may fail when variables are written")
            self.begin(k, ready.get(k))
            self.end(k)
        for source, target in p.swaps:
            alike = slots[source].type == slots[target].type and slots[target].kind is Kind.VARIABLE
            symbol = self.content(self.env[source]) if alike else self.symbols.broken()
            self.fill(self.env[target], symbol)
            self.changed.add(target)
        for s in p.counters:
            self.fill(self.env[s], self.symbols.of("next", self.content(self.env[s])))
        for call in ready.values():
            for a in (*call.reads, *call.writes):
                self.kept.remove(a)


def symbolic_run(
    program: Program,
    symbols: Symbols,
    choose: Choice,
    follows: Mapping[Node, Sequence[Node]] | None = None,
    *,
    is_body: bool = False,
) -> Outcome:
    """One run. choose: which lane goes on. follows: what has to end before what, see `must_follow`."""
    machine = _Machine(program, symbols, is_body)
    slots, head = program.slots, program.instructions[: program.commit]
    for n, fed in enumerate(program.feeds):
        if machine.env[fed] is None:
            machine.env[fed] = _Array(0)
        machine.fill(machine.env[fed], symbols.of("fed", n))
        if slots[fed].kind not in (Kind.FEED, Kind.COPIED_FEED):
            machine.faults.append("it is fed what is no feed")
    on_lanes = any(i.lane for i in head) and not is_body
    lanes: dict[int, list[Event]] = {}
    for k, i in enumerate(head):
        lanes.setdefault(i.lane if on_lanes else 0, []).extend([(k, False), (k, True)])
    number = {i.place._node: k for k, i in enumerate(program.instructions)}
    done: set[int] = set()
    while any(lanes.values()):
        heads = [line[0] for line in lanes.values() if line]
        open_ = [e for e in heads if e[1] or not on_lanes or _may_begin(head[e[0]], done)]
        if not open_:
            machine.faults.append("the lanes wait for one another")
            break
        k, ends = event = open_[0] if len(open_) == 1 else choose(open_)
        next(line for line in lanes.values() if line and line[0] == event).pop(0)
        if ends:
            machine.end(k)
            done.add(k)
        else:
            machine.begin(k)
            earlier = (follows or {}).get(head[k].place._node, ())
            if any(n in number and number[n] not in done for n in earlier):
                machine.faults.append("a control edge is broken")
    machine.fetch(early=True)
    machine.commit()
    machine.fetch(early=False)
    state = {}
    for n, s in enumerate(slots):
        if s.kind in (Kind.VARIABLE, Kind.COUNTER):
            symbol = machine.content(machine.env[n])
            untouched = symbol == machine.initial[n] and s.place is not None
            state[s.key] = symbols.of("there", s.place._node) if untouched and s.place else symbol
    written = frozenset(slots[s].key for s in machine.changed)
    if sorted(program.written) != sorted(machine.changed):
        machine.faults.append("other variables are said to have a value")
    effects = tuple(sorted(machine.effects))
    return Outcome(tuple(machine.results), state, written, effects, tuple(machine.faults), machine.peak)


def _may_begin(i: Instruction, done: set[int]) -> bool:
    """Whether all that it waits for is done; who waits twice for one never begins."""
    return done.issuperset(i.waits) and len(set(i.waits)) == len(i.waits)


def _inside(i: Instruction, slots: Sequence[Slot]) -> int:
    """Bytes that bodies hold beside the results of their node."""
    if not i.bodies:
        return 0
    parts = [memory_profile(body) for body in i.bodies]
    handed_on = i.outputs if i.op.name.startswith("cond") else ()
    return max(p.peak - p.held for p in parts) - sum(slots[s].nbytes or 0 for s in handed_on)


def choices(program: Program, rng: random.Random, count: int) -> Iterator[Choice]:
    """Ways to interleave lanes: instructions that are held up for as long as can be, lanes that are; and by chance."""
    head = program.instructions[: program.commit]

    def least(rank: Callable[[Event], int]) -> Choice:
        return lambda events: min(events, key=lambda e: (rank(e), e))

    if not any(i.lane for i in head):
        yield least(lambda e: 0)
        return
    yield least(lambda e: head[e[0]].lane)
    yield least(lambda e: -head[e[0]].lane)
    yield lambda events: rng.choice(events)
    for k in rng.sample(range(len(head)), min(count, len(head))):
        yield least(lambda e, k=k: int(e == (k, False)))  # type: ignore[misc]
        yield least(lambda e, k=k: int(e == (k, True)) - int(e == (k, False)))  # type: ignore[misc]
