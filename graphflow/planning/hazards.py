"""What an instruction has to wait for on other lanes: the values it reads, and the bytes that it takes over.

Within a lane the order is given. Across lanes an instruction waits for who made what it reads, and before it writes,
for all who read or wrote those bytes before; waits that others imply are left out.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphflow.program import Instruction, Kind, Program

__all__ = ["Clock", "clocks", "with_waits"]

Clock = tuple[int, ...]
"""For each lane the number of its last instruction that has surely finished, -1 for none."""


def with_waits(program: Program, also: Mapping[int, Sequence[int]]) -> Program:
    """The program with `waits` filled in; instructions of the commit run after all lanes and wait for nothing.

    also: for an instruction others that it must wait for, by control edges.
    O(I log I) in the number of instructions, times the lanes.
    """
    lanes = 1 + max((i.lane for i in program.instructions), default=0)
    if lanes == 1:
        return program
    bytes_of = _Bytes(program)
    lane_of = [i.lane for i in program.instructions]
    known: list[Clock] = []  # of what has finished when an instruction has
    latest = [-1] * lanes  # the last instruction of each lane so far
    made = list(program.instructions)
    for number, i in enumerate(program.instructions[: program.commit]):
        own = i.lane
        clock = list(known[latest[own]]) if latest[own] >= 0 else [-1] * lanes
        needed: dict[int, int] = {}  # by lane, what it has not surely finished
        for earlier in (*bytes_of.accessed(number, i), *also.get(number, ())):
            lane = lane_of[earlier]
            if lane != own and earlier > clock[lane] and earlier > needed.get(lane, -1):
                needed[lane] = earlier
        if needed:
            waits = []
            for earlier in sorted(needed.values(), reverse=True):
                if clock[lane_of[earlier]] < earlier:
                    waits.append(earlier)
                    clock = [max(a, b) for a, b in zip(clock, known[earlier], strict=True)]
            made[number] = i._replace(waits=tuple(waits[::-1]))
        clock[own] = number
        known.append(tuple(clock))
        latest[own] = number
    return replace(program, instructions=tuple(made))


def clocks(program: Program) -> list[Clock]:
    """For each instruction before the commit what has surely finished when it begins, itself not counted."""
    lanes = 1 + max((i.lane for i in program.instructions), default=0)
    done: list[Clock] = []
    begun: list[Clock] = []
    latest = [-1] * lanes
    for number, i in enumerate(program.instructions[: program.commit]):
        clock = list(done[latest[i.lane]]) if latest[i.lane] >= 0 else [-1] * lanes
        for earlier in i.waits:
            clock = [max(a, b) for a, b in zip(clock, done[earlier], strict=True)]
        begun.append(tuple(clock))
        clock[i.lane] = number
        done.append(tuple(clock))
        latest[i.lane] = number
    return begun


_PLACED = (Kind.BUFFER, Kind.COPIED_FEED)


def _root(program: Program, s: int) -> int:
    while program.slots[s].base >= 0:
        s = program.slots[s].base
    return s


@dataclass(slots=True)
class _Range:
    """Bytes with one history: who wrote them last, and of each lane who has read them last since."""

    end: int
    writer: int = -1
    readers: dict[int, int] = field(default_factory=dict)


class _Bytes:
    """The accesses to all bytes of a program so far: ranges of arenas, and slots that are no part of one."""

    def __init__(self, program: Program) -> None:
        slots = self._slots = program.slots
        self._roots = [_root(program, s) for s in range(len(slots))]
        self._is_placed = [s.kind in _PLACED and bool(s.nbytes) for s in slots]
        self._starts: dict[str, list[int]] = {}
        self._ranges: dict[tuple[str, int], _Range] = {}
        self._single: dict[int, _Range] = {}

    def accessed(self, number: int, i: Instruction) -> Iterator[int]:
        """Enter an instruction; gives the earlier ones that must have finished before it begins."""
        roots = self._roots
        # a view shares what it shows; where it is rebuilt at each run, its own slot is written too
        taken = (*i.outputs, *i.frees)
        written = dict.fromkeys(taken if i.is_view else [roots[s] for s in taken])
        read = dict.fromkeys([roots[s] for s in i.inputs])
        read.update(dict.fromkeys([s for s in i.inputs if roots[s] != s]))
        for s in read:
            for part in self._parts(s):
                if part.writer >= 0:
                    yield part.writer
                if s not in written:
                    part.readers[i.lane] = number
        for s in written:
            for part in self._parts(s):
                if part.writer >= 0:
                    yield part.writer
                yield from part.readers.values()
                part.writer, part.readers = number, {}

    def _parts(self, s: int) -> Iterable[_Range]:
        if not self._is_placed[s]:
            return [self._single.setdefault(s, _Range(0))]
        slot = self._slots[s]
        start, end = slot.offset, slot.offset + (slot.nbytes or 0)
        whole = self._ranges.get((slot.device, start))
        if whole is not None and whole.end == end:
            return (whole,)
        return self._split(slot.device, start, end)

    def _split(self, device: str, start: int, end: int) -> Sequence[_Range]:
        """The ranges that make up [start, end), cut and filled where needed."""
        starts = self._starts.setdefault(device, [])
        ranges = self._ranges
        for cut in (start, end):
            at = bisect.bisect_right(starts, cut) - 1
            if at >= 0 and starts[at] != cut and ranges[device, starts[at]].end > cut:
                whole = ranges[device, starts[at]]
                ranges[device, cut] = _Range(whole.end, whole.writer, dict(whole.readers))
                whole.end = cut
                starts.insert(at + 1, cut)
        found: list[_Range] = []
        position = start
        at = bisect.bisect_left(starts, start)
        while position < end:
            if at < len(starts) and starts[at] == position:
                part = ranges[device, position]
            else:
                stop = min(starts[at], end) if at < len(starts) else end
                part = ranges[device, position] = _Range(stop)
                starts.insert(at, position)
            found.append(part)
            position = part.end
            at += 1
        return found
