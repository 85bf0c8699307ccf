"""Proves that a program is sound: shares no code with what plans programs, and believes nothing that it says.

One walk knows of every byte whose it is, with which value, who wrote it and who has read it since. Readers
must find the value that they name, whole; who takes bytes over must come after all their users, in any order
that lanes and waits allow: vector clocks, as in race detectors (Flanagan and Freund 2009, "FastTrack").
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import product

from graphflow.errors import VerifyError
from graphflow.graph import Node, symbols_in
from graphflow.program import Instruction, Kind, Program
from graphflow.subgraph import Subgraph

__all__ = ["certify"]

_ARENA = (Kind.BUFFER, Kind.COPIED_FEED)
_FIXED = (*_ARENA, Kind.CONSTANT, Kind.VARIABLE, Kind.COUNTER)  # whose bytes have one place for all runs


def certify(program: Program, subgraph: Subgraph | None = None, peak_nbytes: int | None = None) -> None:
    """Raise VerifyError, naming the instructions at fault, unless the program is sound, however lanes run.

    subgraph: what it was lowered from, whose edges it must keep. peak_nbytes: as stated, to be found again.
    """
    walk = _Walk(program)
    if subgraph is not None:
        _check_edges(walk, subgraph)
    if peak_nbytes is not None and peak_nbytes != (found := walk.fixed_nbytes + walk.moving_nbytes()):
        walk.fail(f"its peak is {found:,} bytes, not {peak_nbytes:,} as stated")


class _Walk:
    """A walk through a program, done when it is made. What is in no arena is a space of one byte."""

    def __init__(self, program: Program) -> None:
        self.program, self.slots, self.end = program, program.slots, len(program.instructions)
        self.value: list[int | None] = [None] * len(self.slots)  # what each slot holds
        self.users: list[list[int]] = [[]] * len(self.slots)  # its writer, -1 before all, and its readers
        self.arenas = {device: ([0], [-1]) for device in program.arena_nbytes}  # where bytes begin; whose
        self.root: list[int] = []  # of each slot: the one whose bytes it shows
        self.shown: dict[int, dict[int, int]] = {}  # by root, by view: the value of the root
        self.lane_of = [i.lane if k < program.commit else 0 for k, i in enumerate(program.instructions)] + [0]
        self.now, self.made, self.lanes = -1, 0, 1 + max(self.lane_of)  # what runs; how many values, lanes
        self.done: list[tuple[int, ...]] = []  # by instruction: the last of each lane that ran before its end
        self.taken, self.given = [0] * (self.end + 1), [0] * (self.end + 1)  # bytes, by instruction
        self.busy = [*[i.workspace_nbytes for i in program.instructions], 0]  # and while it runs
        kept = {s.key or id(s.value): s.nbytes or 0 for s in self.slots if s.key or s.kind is Kind.CONSTANT}
        self.fixed_nbytes = sum(kept.values()) + sum(program.arena_nbytes.values())
        self._begin()
        self._follow_waits()
        for self.now, i in enumerate((*program.instructions, None)):
            if self.now == program.commit:
                self._fetch(early=True)
            if i is not None:
                self._step(i)
        for source, target in program.swaps:
            if (self.slots[target].kind, self.slots[source].type) != (Kind.VARIABLE, self.slots[target].type):
                self.fail(f"${target} is no variable that can take ${source}")
            self.find(source, self.value[source])
            self.write(target, self.value[source])
        self._fetch(early=False)
        variables = [n for n, s in enumerate(self.slots) if s.kind is Kind.VARIABLE]
        if [n for n in variables if self.users[n][:1] > [-1]] != sorted(program.written):
            self.fail(f"variables {sorted(program.written)} are said to be written, not those that are")

    def fail(self, text: str, other: int = -1) -> None:
        """Blame the instruction that runs, and another one."""
        blamed = {k: self.program.instructions[k] for k in (self.now, other) if 0 <= k < self.end}
        lines = [f"instruction {k}, {i.op.name}: {i.place}" for k, i in blamed.items()]
        error = VerifyError(f"unsound program: {text}")
        raise error.at("\n  ".join(lines)) if lines else error

    def find(self, slot: int, value: int | None) -> tuple[int, ...]:
        """A slot that must hold a value; for a view also its root, which must hold what it shows."""
        root = self.root[slot]
        shown = value if slot == root else self.shown.get(root, {}).get(slot)
        if value is None or self.value[slot] != value or self.value[root] != shown:
            self.fail(f"slot ${slot} does not hold value {value}")
        return (slot,) if slot == root else (slot, root)

    def write(self, slot: int, value: int | None, reuses: bool = False) -> None:
        """Fill a slot, or free it by None. reuses: even if the instruction reads what the very slot held."""
        s, now, over = self.slots[slot], self.now, [slot] if self.users[slot] else []
        if s.kind in _ARENA and s.nbytes:
            starts, owners = self.arenas[s.device]
            for at in (s.offset, s.offset + s.nbytes):
                k = bisect_right(starts, at)
                if starts[k - 1] < at:
                    starts.insert(k, at)
                    owners.insert(k, owners[k - 1])
            low, high = bisect_left(starts, s.offset), bisect_left(starts, s.offset + s.nbytes)
            over = [owner for owner in owners[low:high] if owner >= 0]
            starts[low:high], owners[low:high] = [s.offset], [slot]
        for old in over:
            if self.users[old][-1] == now and not (reuses and old == slot):
                self.fail(f"${slot} is written over ${old}, which it needs")
            for user in self.users[old] if self.lanes > 1 else ():
                if self.done[now][self.lane_of[user]] < user:
                    self.fail(f"it may take ${old} too early", user)
            self.value[old] = None
        self.value[slot], self.users[slot] = value, [now]
        if s.kind is Kind.DYNAMIC and value is not None:
            self.taken[min(now, self.program.commit)] += s.nbytes or 0  # the commit is made ready as a whole
        elif s.kind is Kind.DYNAMIC:
            self.given[now if now < self.program.commit else self.end - 1] += s.nbytes or 0

    def _begin(self) -> None:
        """Check the slots; fill those that need no instruction: feeds, state, views of what never moves."""
        p, slots, root = self.program, self.slots, self.root
        for n, s in enumerate(slots):
            is_view, size = s.kind is Kind.VIEW, p.arena_nbytes.get(s.device, 0)
            root.append(root[s.base] if is_view and 0 <= s.base < n else n)
            if is_view == (root[n] == n) or s.nbytes != (0 if is_view else s.type.nbytes):
                self.fail(f"slot ${n} is no view of ${s.base}, or has not the bytes of {s.type}")
            fits = s.nbytes is not None and 0 <= s.offset <= size - s.nbytes and s.offset % 64 == 0
            if s.kind in _ARENA and not fits:
                self.fail(f"slot ${n} at {s.offset} is not aligned within the {size} bytes of {s.device}")
        kept = [n for n, s in enumerate(slots) if s.kind in (Kind.CONSTANT, Kind.COUNTER)]
        fits = sorted(p.counters) == [n for n in kept if slots[n].kind is Kind.COUNTER]
        fits = fits and all(slots[s].kind in (Kind.FEED, Kind.COPIED_FEED) for s in p.feeds)
        fits = fits and len(p.fetches) == len(p.fetched) and min(self.lane_of) >= 0
        if not fits or not 0 <= p.commit <= self.end:
            self.fail("its feeds, counters, values of its fetches, lanes, or place of its commit are none")
        for n in (*p.feeds, *kept, *[s for s, is_needed, _ in p.variables if is_needed]):
            self.write(n, -1 - n)
        for i in [i for i in p.instructions if i.is_view]:
            slot, source = i.outputs[0], slots[i.outputs[0]].base
            fits = i.op.is_view and slots[slot].kind is Kind.VIEW and source in i.inputs[:1] and i.reads != ()
            shown = self.shown.setdefault(root[source], {})
            if not fits or slot in shown or (source != root[source] and source not in shown):
                self.fail(f"${slot} is no view of ${source}, or is made twice")
            shown[slot] = shown.get(source, i.reads[0])
            stays = all(slots[root[s]].kind in _FIXED and (root[s] == s or self.users[s]) for s in i.inputs)
            if stays and i.op.is_silent and not any(symbols_in(i.attrs.values())):
                self.write(slot, i.makes[0])  # for all runs, when the program is loaded

    def _follow_waits(self) -> None:
        """Find what has run when an instruction has: by its lane and its waits; in the commit, all before."""
        latest = [(-1,) * self.lanes] * self.lanes  # of each lane, what has run when its last instruction has
        for k, lane in enumerate(self.lane_of):
            waits = self.program.instructions[k].waits if k < self.program.commit else ()
            if waits and list(waits) != sorted({w for w in waits if 0 <= w < k}):
                self.fail(f"instruction {k} waits for {', '.join(map(str, waits))}")
            past = [latest[lane], *[self.done[w] for w in waits]] if k < self.program.commit else latest
            clock = tuple(map(max, *past)) if len(past) > 1 else past[0]
            latest[lane] = (*clock[:lane], k, *clock[lane + 1 :])
            self.done.append(latest[lane])

    def _step(self, i: Instruction) -> None:
        """The instruction that runs. A copy reads only its second input, and makes no new value."""
        slots, k, is_copy = self.slots, self.now, i.op.name == "assign"
        makes = i.reads[1:] if is_copy else tuple(range(self.made, self.made + len(i.outputs)))
        self.made += 0 if is_copy else len(makes)
        fits = len(i.reads) == len(i.inputs) and len(i.used) == (len(i.outputs) if i.bodies else 0)
        fits = fits and (not i.bodies or not any(b.swaps or b.commit < len(b.instructions) for b in i.bodies))
        if not fits or i.makes != makes or not len(makes) == len(i.outputs) == len(set(i.outputs)):
            self.fail("it has not one new value for each slot, or its body writes variables")
        if in_commit := k >= self.program.commit:
            fits = is_copy or ((i.op.is_view or i.op.is_single_call) and i.op.is_silent)
            if not fits or not all(slots[s].type.is_static for s in (*i.inputs, *i.outputs)):
                self.fail("it can fail, and yet the commit has begun")
        for slot, value in zip(i.inputs[is_copy:], i.reads[is_copy:], strict=True):
            for s in self.find(slot, value):
                writer = self.users[s][0]
                if self.done[k][self.lane_of[writer]] < writer:
                    self.fail(f"it may run before ${s} has its value", writer)
                self.users[s].append(k)
        for walk in map(_Walk, i.bodies):
            handed_on = sum([slots[s].nbytes or 0 for s in i.outputs if i.op.name.startswith("cond")])
            self.busy[k] = max(self.busy[k], i.workspace_nbytes + walk.moving_nbytes() - handed_on)
            self.fixed_nbytes += walk.fixed_nbytes
        fused = i.attrs["body"].reuses if i.op.name == "fused" else None
        for n, (slot, value) in enumerate(zip(i.outputs, i.makes, strict=True)):
            kind = slots[slot].kind
            fits = kind in _ARENA or kind is Kind.DYNAMIC or (kind is Kind.VARIABLE and in_commit)
            if not fits and not i.is_view:
                self.fail(f"${slot}, a {kind.value}, is written")
            if reuses := slot in i.inputs and (i.op.in_place or is_copy or fused is not None):
                free = range(i.op.n_donors or len(i.inputs)) if fused is None else fused[n]
                reuses = all(s == slot and m in free for m, s in enumerate(i.inputs) if self.root[s] == slot)
            is_made = not i.bodies or i.used[n] or n < i.attrs.get("n_carry", self.made)
            if is_made and not (i.is_view and self.users[slot]):
                self.write(slot, value, reuses)
        for slot in reversed(i.frees):  # views come after what they show
            own = [self.root[s] for s in (*i.inputs, *i.outputs) if slots[self.root[s]].kind not in _FIXED]
            left = [v for v in self.shown.get(slot, ()) if self.value[v] is not None]
            if self.root[slot] not in own or left or (self.value[slot] is None and slot not in i.outputs):
                self.fail(f"it frees ${slot}, which is not its own")
            if self.value[slot] is not None:
                self.write(slot, None, reuses=True)

    def _fetch(self, early: bool) -> None:
        p, slots = self.program, self.slots
        for n, (slot, value) in enumerate(zip(p.fetches, p.fetched, strict=True)):
            if p.early_fetches[n] is early:
                self.find(slot, value)
                if slots[slot].kind is not Kind.DYNAMIC or slot in p.fetches[:n]:  # it is copied
                    self.taken[self.now] += slots[slot].type.nbytes or 0

    def moving_nbytes(self) -> int:
        """The most bytes held at once beside those that have one place for all runs, however lanes run."""
        lines = [[k for k, on in enumerate(self.lane_of) if on == lane] for lane in range(self.lanes)]
        found = [0] * (self.end + 1)
        for lane, other in product(range(self.lanes), repeat=2):
            line, busy = lines[other], [self.busy[o] for o in lines[other]]
            low = high = held = 0
            for k in lines[lane]:  # beside which line[low:high] may run
                while high < len(line) and (line[high] <= k or self.done[line[high]][lane] < k):
                    held += self.taken[line[high]]
                    high += 1
                while low < high and line[low] <= self.done[k][other] and line[low] != k:
                    held -= self.given[line[low]]
                    low += 1
                found[k] += held + max(busy[low:high], default=0)
        return max(found)


def _check_edges(walk: _Walk, subgraph: Subgraph) -> None:
    """Every node runs once, reads the values that its edges say, after those that its control edges name."""
    p = walk.program
    kept = {s.place._node.outputs[0]: n for n, s in enumerate(p.slots) if s.place}
    value = {t: -1 - n for t, n in (*kept.items(), *zip(subgraph.inputs, p.feeds, strict=True))}
    number = {i.place._node: k for k, i in enumerate(p.instructions)}
    ended: dict[Node, tuple[int, ...]] = {}  # by node, the instructions after which it has surely run
    for node in subgraph.nodes:
        k = number.get(node, -1)
        wanted, is_state = [value[t] for t in node.inputs], node.op.name in ("read", "assign")
        past = [e for n in node.control_inputs for e in ended.get(n, ())]
        if is_state:
            value[node.outputs[0]] = value[node.inputs[0]] = wanted[-1]
        if k >= 0:
            i, first = p.instructions[k], int(node.op.name == "assign")
            late = [e for e in past if walk.done[k][walk.lane_of[e]] < e]
            if i.op is not node.op or list(i.reads[first:]) != wanted[first:] or late:
                walk.fail(f"it does not have the inputs or the order of its node; not after {late}", k)
            value.update(zip(node.outputs, i.makes, strict=True))
            ended[node] = (k,)
        elif is_state or node.op.is_source or node.op.name == "no_op":
            ended[node] = tuple(dict.fromkeys(past + [e for t in node.inputs for e in ended.get(t.op, ())]))
        else:
            walk.fail(f"nothing runs {node!r}, {node.place}")
    state = {t: n for t, n in kept.items() if p.slots[n].kind is Kind.VARIABLE}
    gives = [*p.fetched, *[walk.value[n] if walk.users[n] else -1 - n for n in state.values()]]
    fits = len(number) == len(p.instructions) and number.keys() <= ended.keys()
    if not fits or gives != [value[t] for t in (*subgraph.outputs, *state)]:
        walk.fail("it runs what is not in its graph, fetches other values, or leaves others in variables")
