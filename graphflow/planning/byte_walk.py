"""Follows every byte of a program through a run: which value is there, who wrote it, who has read it since.

A read must find the value it names, whole, so no buffer is taken while it is needed. What other lanes do must be
ordered by waits: vector clocks, as race detectors have them (Flanagan and Freund 2009, "FastTrack"). Part of the
checker in `certify.py`: it shares no code with what plans programs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import NoReturn

from graphflow.errors import VerifyError
from graphflow.program import Instruction, Kind, Program

__all__ = ["STORED", "ByteWalk", "clocks"]

ALIGNMENT = 64
_ARENA = (Kind.BUFFER, Kind.COPIED_FEED)
STORED = (Kind.CONSTANT, Kind.VARIABLE, Kind.COUNTER)
_FIXED = (*_ARENA, *STORED)  # whose bytes have their place before the run
_NOTHING = -1 << 62  # the value of what has been freed


@dataclass(slots=True)
class _Piece:
    """Bytes with one content: a slot's, with a value, from a writer (-1: there before the run); who read it since.

    shown: for a view, the value of its root. moves: whether the view is made anew in each run.
    """

    start: int
    end: int
    slot: int
    value: int
    writer: int
    readers: list[int] = field(default_factory=list)
    shown: int = -1
    moves: bool = True

    def part(self, start: int, end: int) -> _Piece:
        """What is left when other bytes of it are overwritten."""
        return _Piece(start, end, self.slot, self.value, self.writer, self.readers)


class ByteWalk:
    """The memory of a program while it runs. Arrays outside the arenas, and views, are spaces of their own."""

    def __init__(self, program: Program) -> None:
        self.program, self.slots = program, program.slots
        self.now = -1  # the instruction that runs
        self.known: set[int] = set()
        self.pieces: dict[tuple[str | int, int], _Piece] = {}  # by space and start
        self.starts: dict[str | int, list[int]] = {}
        self.root: list[int] = []
        self.where: list[tuple[str | int, int, int]] = []  # of each slot: space, start, end
        for n, s in enumerate(self.slots):
            in_arena, is_view = s.kind in _ARENA, s.kind is Kind.VIEW
            self.root.append(self.root[s.base] if is_view and 0 <= s.base < n else n)
            if is_view == (self.root[n] == n) or s.nbytes != (0 if is_view else s.type.nbytes):
                self.fail(f"slot ${n} is no view of ${s.base}, or has not the bytes of {s.type}")
            end, size = s.offset + (s.nbytes or 0), program.arena_nbytes.get(s.device, 0)
            if in_arena and (s.nbytes is None or s.offset < 0 or s.offset % ALIGNMENT or end > size):
                self.fail(f"slot ${n} at {s.offset} is not aligned within the {size} bytes of {s.device}")
            self.where.append((s.device, s.offset, end) if in_arena and s.nbytes else (n, 0, 1))
        self.clocks = clocks(program)

    def fail(self, text: str, other: int = -1) -> NoReturn:
        """Blame the instruction that runs, and another one."""
        at = [k for k in (self.now, other) if 0 <= k < len(self.program.instructions)]
        blamed = [self.program.instructions[k] for k in at]
        named = [f"instruction {k}, {i.op.name} '{i.place.name}'" for k, i in zip(at, blamed, strict=True)]
        error = VerifyError("; ".join([f"unsound program: {text}", *named]))
        raise error.at(str(blamed[0].place)) if blamed else error

    def before(self, earlier: int, k: int) -> bool:
        """Whether one instruction has surely finished when another begins."""
        if earlier < 0 or earlier == k or k >= self.program.commit or not self.clocks:
            return earlier <= k
        return self.clocks[k][self.program.instructions[earlier].lane] >= earlier

    def read(self, slot: int, value: int) -> None:
        """The instruction that runs, or the end of the run, needs a value in a slot."""
        root = self.root[slot]
        if root != slot:
            piece = self._find(slot, value)
            value = piece.shown
            if self.clocks:
                self._mark(piece)
        piece = self._find(root, value)
        if self.clocks:
            self._mark(piece)

    def _find(self, slot: int, value: int) -> _Piece:
        space, start, end = self.where[slot]
        piece = self.pieces.get((space, start))
        if piece is None or piece.value != value or piece.slot != slot or piece.end != end:
            self.fail(f"slot ${slot} does not hold value {value}", -1 if piece is None else piece.writer)
        return piece

    def _mark(self, piece: _Piece) -> None:
        if piece.moves and not self.before(piece.writer, self.now):
            self.fail(f"it may run before ${piece.slot} has its value", piece.writer)
        piece.readers.append(self.now)

    def write(self, piece: _Piece, reads: set[int]) -> None:
        """The instruction that runs puts a value into a slot; reads: other roots that it needs until it is done."""
        space, start, end = self.where[piece.slot]
        starts = self.starts.setdefault(space, [])
        low, high = bisect_right(starts, start), bisect_left(starts, end)
        if low and self.pieces[space, starts[low - 1]].end > start:
            low -= 1
        kept = [piece]
        for old in [self.pieces.pop((space, at)) for at in starts[low:high]]:
            if old.slot in reads or (old.writer == self.now >= 0):
                self.fail(f"${piece.slot} is written over ${old.slot}, which it needs")
            self._check_past(old)
            if old.start < start:
                kept.insert(0, old.part(old.start, start))
            if old.end > end:
                kept.append(old.part(end, old.end))
        starts[low:high] = [part.start for part in kept]
        for part in kept:
            self.pieces[space, part.start] = part

    def _check_past(self, piece: _Piece) -> None:
        if self.clocks:
            for earlier in (piece.writer, *piece.readers):
                if not self.before(earlier, self.now):
                    self.fail(f"it may take ${piece.slot} too early", earlier)

    def run(self) -> None:
        """All instructions, the commit, the fetches."""
        program, slots, end = self.program, self.slots, len(self.program.instructions)
        for n, s in enumerate(slots):
            if s.kind in STORED or n in program.feeds:
                self.write(_Piece(*self.where[n][1:], n, -1 - n, -1), set())
        if len(program.fetched) != len(program.fetches) or not 0 <= program.commit <= end:
            self.fail("it does not name the values of its fetches, or where its commit begins")
        for self.now, i in enumerate((*program.instructions, None)):
            if self.now == program.commit:
                self._fetch(early=True)
            if i is not None:
                self._step(i)
        written = {s for i in program.instructions for s in i.outputs if slots[s].kind is Kind.VARIABLE}
        for source, target in program.swaps:
            if slots[target].kind is not Kind.VARIABLE or target in written:
                self.fail(f"${target} is no variable, or is written twice")
            self._find(target, -1 - target).value = self.held(source)
            written.add(target)
        if written != set(program.written):
            self.fail(f"variables {sorted(program.written)} are said to be written, not {sorted(written)}")
        self._fetch(early=False)

    def held(self, slot: int) -> int:
        """The value in a slot, which has to be whole."""
        piece = self.pieces.get(self.where[slot][:2])
        value = -1 - slot if piece is None else piece.value
        self.read(slot, value)
        return value

    def _fetch(self, early: bool) -> None:
        p = self.program
        for slot, value, is_early in zip(p.fetches, p.fetched, p.early_fetches, strict=True):
            if is_early is early:
                self.read(*(self._stood(slot, value) if early else (slot, value)))

    def _stood(self, slot: int, value: int) -> tuple[int, int]:
        """A slot and its value, or for a view that is made in the commit, of bytes that never move, what it shows."""
        made = {i.outputs[0]: i for i in self.program.instructions[self.program.commit :] if i.is_view}
        while slot in made and self.slots[self.root[slot]].kind in _FIXED:
            if (i := made[slot]).makes[0] != value or not i.op.is_silent:
                break
            slot, value = i.inputs[0], i.reads[0]
        return slot, value

    def _step(self, i: Instruction) -> None:
        slots, k, is_copy = self.slots, self.now, i.op.name == "assign"
        if len(i.reads) != len(i.inputs) or len(i.makes) != len(i.outputs):
            self.fail("it does not name a value for each slot")
        if k >= self.program.commit and not _is_sure(i, self.program):
            self.fail("it can fail, and yet the commit has begun")
        for slot, value in zip(i.inputs, i.reads, strict=True):
            self.read(slot, value)
        for n, (slot, value) in enumerate(zip(i.outputs, i.makes, strict=True)):
            kind, (_, start, end) = slots[slot].kind, self.where[slot]
            if value < 0 or value in self.known:
                if not (is_copy and value == i.reads[1]):
                    self.fail(f"value {value} is made twice")
            self.known.add(value)
            if i.used and not i.used[n]:
                continue
            if i.is_view or kind is Kind.VIEW:
                source = i.inputs[0] if i.inputs else slot
                if not (i.is_view and i.op.is_view and kind is Kind.VIEW and slots[slot].base == source):
                    self.fail(f"${slot} is no view of ${source}")
                root = self.root[slot]
                shown = i.reads[0] if root == source else self._find(source, i.reads[0]).shown
                moves = slots[root].kind not in _FIXED
                self.write(_Piece(start, end, slot, value, k, [], shown, moves), set())
                continue
            if kind not in (*_ARENA, Kind.DYNAMIC) and (kind is not Kind.VARIABLE or k < self.program.commit):
                self.fail(f"${slot}, a {kind.value}, is written")
            reads = {self.root[s] for s in i.inputs}
            if slot in reads and _may_reuse(i, n, self.root):
                reads.remove(slot)
            self.write(_Piece(start, end, slot, value, k), reads)
        for slot in sorted(i.frees, reverse=True):  # views before what they show
            piece = self.pieces.get(self.where[slot][:2])
            if piece is None and slot in i.outputs:
                continue  # an output that is not used
            if piece is None or slots[slot].kind not in (Kind.DYNAMIC, Kind.VIEW):
                self.fail(f"it frees ${slot}, which holds nothing of its own")
            self._check_past(piece)
            piece.value = _NOTHING


def clocks(program: Program) -> list[list[int]]:
    """For each instruction on lanes the last of each lane that has finished when it begins; none for one lane."""
    head = program.instructions[: program.commit]
    lanes = 1 + max((i.lane for i in head), default=0)
    begun: list[list[int]] = []
    latest = [-1] * lanes
    for k, i in enumerate(head if lanes > 1 else ()):
        clock = [-1] * lanes
        for earlier in (latest[i.lane], *i.waits):
            if not -1 <= earlier < k:
                raise VerifyError(f"unsound program: instruction {k} waits for {earlier}").at(str(i.place))
            if earlier >= 0:
                clock = [max(a, b) for a, b in zip(clock, begun[earlier], strict=True)]
                clock[head[earlier].lane] = max(clock[head[earlier].lane], earlier)
        begun.append(clock)
        latest[i.lane] = k
    return begun


def _is_sure(i: Instruction, program: Program) -> bool:
    """Whether nothing of an instruction can fail, so that it may follow the first write of a variable."""
    fits = ((i.op.is_view or i.op.is_single_call) and i.op.is_silent) or i.op.name == "assign"
    return fits and all(program.slots[s].type.is_static for s in (*i.inputs, *i.outputs))


def _may_reuse(i: Instruction, output: int, root: list[int]) -> bool:
    """Whether a kernel may put an output into the bytes of those inputs that have the same slot."""
    slot = i.outputs[output]
    same = [n for n, s in enumerate(i.inputs) if root[s] == slot]
    if i.op.name == "fused":
        return all(n in i.attrs["body"].reuses[output] for n in same)
    return (i.op.in_place or i.op.name == "assign") and all(i.inputs[n] == slot for n in same)
