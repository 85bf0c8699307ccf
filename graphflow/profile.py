"""What happened in one run, instruction by instruction: who records it and how it is shown."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from graphflow.analysis.memory import memory_profile
from graphflow.errors import ArgumentError, FileError, shorten
from graphflow.program import Instruction, Place, Program
from graphflow.trace import trace_of

__all__ = ["Event", "Recorder"]

_COMMIT = -2
"""Stands for the commit among the numbers of instructions."""


@dataclass(frozen=True, slots=True)
class Event:
    """One kernel call: start and duration in seconds since the run began.

    name: of the node. origin: the user's line, `model.py:41`. number: of the instruction in the program, -1 where the
    recorder was not told. lane: the thread that it ran on, counted from 0. read_nbytes, written_nbytes: of its inputs
    and outputs; 0 for a view. types: `float32[8, 3] = matmul(float32[8, 4], float32[4, 3])`.
    live_nbytes: held in all while it ran; 0 where the recorder was not told the program.
    nodes: the names of all nodes that it computes, where it is a cluster of several.
    """

    name: str
    origin: str
    start: float
    seconds: float
    op: str = ""
    number: int = -1
    lane: int = 0
    read_nbytes: int = 0
    written_nbytes: int = 0
    types: str = ""
    live_nbytes: int = 0
    nodes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes read and written."""
        return self.read_nbytes + self.written_nbytes

    @property
    def bytes_per_second(self) -> float:
        """How fast its bytes went by: near what memory gives where moving them is the work."""
        return self.nbytes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Call:
    """One call as it was noted while the program ran."""

    place: Place
    number: int
    thread: int
    start: float
    end: float
    made: tuple[int, ...] | None  # bytes of each output, where the types do not tell


class Recorder:
    """Times every call of one run, on all of its threads. `str()` gives a table, slowest first.

    libraries: the matrix libraries in use, with their thread counts.
    Nothing is worked out before it is asked for: a call costs two readings of the clock and one record.
    """

    def __init__(self, libraries: tuple[str, ...] = ()) -> None:
        self.libraries = libraries
        self._calls: list[_Call] = []
        self._program: Program | None = None
        self._unsized: dict[int, Callable[[], Sequence[Any]]] = {}
        self._begin = time.perf_counter()
        self._commit: float | None = None
        self._shown: list[Event] = []
        self._seen = 0  # how many calls `_shown` tells of

    # --- told by the runtime ---

    def begin(self, program: Program, values: Callable[[Sequence[int]], Sequence[Any]] | None = None) -> None:
        """The run of `program` begins now: times count from here.

        values: gives what slots hold; asked right after each instruction whose results have sizes that depend on data.
        """
        self._program = program
        self._unsized = {}
        if values is not None:
            for number, i in enumerate(program.instructions):
                if any(program.slots[s].nbytes is None for s in i.outputs):
                    self._unsized[number] = partial(values, i.outputs)
        self._calls = []
        self._commit = None
        self._shown, self._seen = [], 0
        self._begin = time.perf_counter()

    def record(
        self, place: Place, function: Callable[..., Any], arguments: Sequence[Any], number: int = -1
    ) -> None:
        """Run one call and note its time. May be called on several threads at once. number: of the instruction."""
        start = time.perf_counter()
        function(*arguments)
        end = time.perf_counter()
        values = self._unsized.get(number)
        made = None if values is None else tuple([int(getattr(v, "nbytes", 0)) for v in values()])
        self._calls.append(_Call(place, number, threading.get_ident(), start, end, made))

    def begin_commit(self) -> None:
        """The writes of variables come now; they run as one and are timed as one."""
        self._commit = time.perf_counter()

    def end(self) -> None:
        """The run is over. What it was told to ask is let go of, and with it the program's memory."""
        self._unsized = {}
        if self._commit is not None:
            place, thread = Place(None, ("commit", "", "the commit")), threading.get_ident()
            self._calls.append(_Call(place, _COMMIT, thread, self._commit, time.perf_counter(), None))
            self._commit = None

    # --- asked by the user ---

    @property
    def events(self) -> list[Event]:
        """Every call in the order of their starts."""
        if self._seen != len(self._calls):
            self._seen = len(self._calls)
            self._shown = self._worked_out()
        return self._shown

    @property
    def seconds(self) -> float:
        """Time in kernels, in all; with several lanes it may be more than `elapsed`."""
        return sum(e.seconds for e in self.events)

    @property
    def elapsed(self) -> float:
        """Seconds from the beginning of the run to the end of its last call."""
        return max((e.start + e.seconds for e in self.events), default=0.0)

    @property
    def lanes(self) -> int:
        """How many threads ran calls."""
        return len({e.lane for e in self.events})

    def chrome_trace(self) -> dict[str, Any]:
        """The run as an object of the Chrome trace event format, for Perfetto and chrome://tracing.

        Lanes are threads, calls are complete events with their op, line, types and bytes, live memory is a counter.
        """
        return trace_of(self.events, self.libraries)

    def save_trace(self, path: Any) -> None:
        """Write `chrome_trace()` as JSON; open it at https://ui.perfetto.dev or in chrome://tracing.

        Raises ArgumentError for what is no path, FileError where the file cannot be written.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise ArgumentError(f"save_trace: {shorten(path)} is not a path")
        text = json.dumps(self.chrome_trace(), allow_nan=False)
        try:
            Path(path).write_text(text, "utf-8")
        except (OSError, ValueError) as error:
            raise FileError(f"cannot write {shorten(str(path))}: {error}", error) from error

    def table(self, rows: int = 30) -> str:
        """The slowest calls: time, share of all kernels' time, bytes read and written, their rate, node and line."""
        total = self.seconds
        listed = sorted(self.events, key=lambda e: (-e.seconds, e.start))
        moved = _size(sum(e.nbytes for e in listed))
        head = [f"{total * 1e3:.3f} ms in {len(listed)} calls"]
        if self._program is not None:
            head.append(f"{moved} read and written")
        head.append(", ".join(self.libraries) or "no BLAS")
        if self.lanes > 1:
            head.append(f"{self.elapsed * 1e3:.3f} ms on {self.lanes} lanes")
        told = ["; ".join(head)]
        if listed:
            told.append(f"{'time':>13} {'share':>6} {'bytes':>10} {'GB/s':>6}  node")
        for e in listed[:rows]:
            share = f"{e.seconds / total:.1%}" if total else ""
            rate = f"{e.bytes_per_second / 1e9:.1f}" if e.nbytes else ""
            size = _size(e.nbytes) if e.nbytes else ""
            told.append(
                f"{e.seconds * 1e6:10.1f} us {share:>6} {size:>10} {rate:>6}  {_called(e)}  {e.origin}".rstrip()
            )
        if len(listed) > rows:
            rest = sum(e.seconds for e in listed[rows:])
            told.append(
                f"{rest * 1e6:10.1f} us {rest / total if total else 0:6.1%}  {len(listed) - rows} faster calls"
            )
        return "\n".join(told)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<Recorder of {len(self._calls)} calls>"

    # --- working out ---

    def _worked_out(self) -> list[Event]:
        program = self._program
        live = () if program is None else _live(program)
        lanes: dict[int, int] = {}
        sizes: dict[int, int] = {}  # of slots whose type does not tell, as they were last written
        events = []
        for c in _joined(sorted(self._calls, key=lambda c: c.start)):
            name, origin, _ = c.place.texts
            lane = lanes.setdefault(c.thread, len(lanes))
            facts: dict[str, Any] = {}
            if program is not None and c.number >= 0:
                i = program.instructions[c.number]
                lane = i.lane
                if c.made is not None:
                    sizes.update(zip(i.outputs, c.made, strict=True))
                facts = _facts(i, program, sizes)
                facts["live_nbytes"] = live[c.number] if c.number < len(live) else 0
            number = max(c.number, -1)
            op = facts.pop("op", "commit" if c.number == _COMMIT else "")
            events.append(
                Event(name, origin, c.start - self._begin, c.end - c.start, op, number, lane, **facts)
            )
        return events


def _joined(calls: Iterable[_Call]) -> Iterable[_Call]:
    """One call for each instruction: what it frees afterwards is a call of its own."""
    found: dict[int, _Call] = {}
    for place, c in enumerate(calls):
        key = c.number if c.number >= 0 else -1 - place
        first = found.get(key)
        found[key] = c if first is None else replace(first, end=first.end + c.end - c.start)
    return found.values()


def _live(program: Program) -> list[int]:
    """Bytes held while each instruction runs."""
    memory = memory_profile(program)
    return [memory.held + moving for moving in memory.moving]


def _facts(i: Instruction, program: Program, sizes: dict[int, int]) -> dict[str, Any]:
    """What an instruction says of its event. sizes: bytes of slots whose size depends on data."""

    def total(slots: Sequence[int]) -> int:
        known = [program.slots[s].type.nbytes for s in slots]
        return sum(sizes.get(s, 0) if n is None else n for s, n in zip(slots, known, strict=True))

    def types(slots: Sequence[int]) -> str:
        return ", ".join(str(program.slots[s].type) for s in slots)

    return {
        "op": i.op.name,
        "read_nbytes": 0 if i.is_view else total(i.inputs),
        "written_nbytes": 0 if i.is_view else total(i.outputs),
        "nodes": tuple(getattr(i.attrs.get("body"), "names", ())),
        "types": f"{types(i.outputs) or '()'} = {i.op.name}({types(i.inputs)})",
    }


def _called(e: Event) -> str:
    """The node's name, with those of its cluster."""
    others = [name for name in e.nodes if name != e.name]
    if not others:
        return e.name
    return f"{e.name} with {', '.join(others[:4])}{', ...' if len(others) > 4 else ''}"


def _size(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024 or unit == "GiB":
            break
        nbytes /= 1024
    return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
