"""What a run will cost, known before it runs: memory, operations, parallelism, and the lines behind them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from graphflow import hooks
from graphflow.analysis.cost import Cost, Machine, program_costs
from graphflow.analysis.critical_path import critical_path
from graphflow.analysis.memory import MemoryProfile, memory_profile
from graphflow.analysis.parallelism import Parallelism, format_seconds, parallelism
from graphflow.analysis.what_if import WhatIf, what_if
from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Node
from graphflow.passes.pipeline import PassRecord
from graphflow.planning.arena import Lifetime, lower_bound_nbytes
from graphflow.planning.cost import Calibration
from graphflow.planning.fusion import Fusion
from graphflow.program import Kind, Place, Program
from graphflow.subgraph import Subgraph

if TYPE_CHECKING:
    from graphflow.planning.limit import Fitted

__all__ = ["Plan", "format_nbytes", "parse_nbytes"]

_UNITS = {
    "": 1,
    "b": 1,
    **{f"{p}b": 1000**k for k, p in enumerate("kmgtp", 1)},
    **{f"{p}ib": 1024**k for k, p in enumerate("kmgtp", 1)},
}


def parse_nbytes(value: Any, what: str) -> int:
    """Bytes from an int or from text: `"2GB"` is 2 * 10^9, `"2GiB"` is 2 * 2^30.

    Raises ArgumentError for zero, negative, non-finite and unreadable values.
    """
    given = value
    if isinstance(value, str):
        match = None
        if len(value) <= 50:
            match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]{0,3})\s*", value)
        unit = _UNITS.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise ArgumentError(f"{what}: {shorten(value)} is not a size such as '2GB' or '512MiB'")
        value = int(match[1]) * unit if match[1].isdecimal() else float(match[1]) * unit
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < math.inf:
        raise ArgumentError(
            f"{what} must be a positive number of bytes or text such as '2GB', not {shorten(given)}"
        )
    return int(value)


def format_nbytes(nbytes: float) -> str:
    """`1.5 MiB`."""
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


@dataclass(frozen=True, eq=False)
class Plan:
    """The cost of one run, from the very program that would run. Nothing has run.

    passes: what the passes did, in order; `str()` of one names every rewrite with its rule and line.
    calibration: what profiled runs said about the cost of kernels; None for the model's own figures.
    fitted: what keeping the session's memory limit takes; None where nothing had to be done.
    fusion: which nodes run as one, block by block, and which pairs do not, with reasons.
    Sizes that depend on data are not in the sums; `unknown` counts them, and `peak_nbytes` is then a lower bound.
    """

    program: Program
    subgraph: Subgraph | None
    device: str
    machine: Machine = field(default_factory=Machine)
    passes: tuple[PassRecord, ...] = ()
    fusion: Fusion = field(default_factory=Fusion)
    fitted: Fitted | None = None
    calibration: Calibration | None = None

    @cached_property
    def memory(self) -> MemoryProfile:
        """Bytes at each instruction."""
        return memory_profile(self.program)

    @cached_property
    def costs(self) -> list[Cost]:
        """The cost of each instruction."""
        return program_costs(self.program, self.machine, self.calibration)

    @property
    def order(self) -> tuple[Node, ...]:
        """The nodes that run, in program order."""
        return () if self.subgraph is None else self.subgraph.nodes

    @property
    def peak_nbytes(self) -> int:
        """Most bytes held at once: variables, constants, intermediates, workspace, copies of fetches; not feeds."""
        return self.memory.peak

    @property
    def arena_nbytes(self) -> int:
        """Bytes of the planned arenas, sub-graphs included."""
        return self.memory.arena

    @cached_property
    def lower_bound_nbytes(self) -> int:
        """Most bytes of planned buffers live at once: no arena for this order is smaller."""
        lifetimes = _lifetimes(self.program)
        return sum(lower_bound_nbytes(found) for found in lifetimes.values())

    @property
    def unknown(self) -> int:
        """How many values have a size that depends on data."""
        return len(self.memory.unknown)

    @cached_property
    def flops(self) -> int:
        """Arithmetic operations, by the ops' own rules."""
        return sum(c.flops for c in self.costs)

    @cached_property
    def bytes_moved(self) -> int:
        """Bytes that kernels read and write."""
        return sum(c.nbytes for c in self.costs)

    @cached_property
    def work(self) -> float:
        """Seconds on one lane by the cost model."""
        return math.fsum(c.seconds for c in self.costs)

    @property
    def span(self) -> float:
        """Seconds on any number of lanes by the cost model: the length of the critical path."""
        return self.parallelism.span

    @cached_property
    def parallelism(self) -> Parallelism:
        """What can run side by side: width, slack of each node, lanes and their timeline; as a number work / span."""
        return parallelism(self.program, [c.seconds for c in self.costs])

    @cached_property
    def _critical(self) -> tuple[int, ...]:
        return critical_path(self.program, [c.seconds for c in self.costs])[1]

    @property
    def critical_path(self) -> tuple[Place, ...]:
        """The costliest chain of dependent nodes; each prints its name and the user's line."""
        return tuple(self.program.instructions[i].place for i in self._critical)

    def fits(self, limit: int | str) -> bool:
        """Whether a run stays within `limit`: bytes, or text such as "2GB"."""
        return self.peak_nbytes <= parse_nbytes(limit, "limit")

    def what_if(self, *, workers: int | None = None, faster: Mapping[Any, float] | None = None) -> WhatIf:
        """The seconds that a run would take on `workers` lanes, or with some nodes faster, by a simulated schedule.

        faster: factors by node, tensor or name. Raises ArgumentError for what is no count or factor.
        """
        return what_if(self.program, [c.seconds for c in self.costs], workers=workers, faster=faster)

    def live_at_peak(self) -> list[tuple[Place, int]]:
        """(node, bytes) for every value held at the instruction where most bytes are live, largest first."""
        program = self.program
        at = _fullest(program)
        writer: dict[int, Place] = {}
        for i in program.instructions[: at + 1]:
            writer.update(dict.fromkeys(i.outputs, i.place))
        live = []
        for number in _live_slots(program, at):
            slot = program.slots[number]
            given = slot.kind in (Kind.VARIABLE, Kind.CONSTANT)
            place = slot.place if given else writer.get(number, slot.place)
            if slot.nbytes and place is not None:
                live.append((place, slot.nbytes))
        return sorted(live, key=lambda pair: -pair[1])

    def explain(self, rows: int = 8) -> str:
        """The plan in words: memory with what is live at the peak, work and span, the critical path with lines.

        rows: of each list at most. Raises ArgumentError for anything but an int of 0 or more.
        """
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise ArgumentError(f"explain: rows is an int of 0 or more, not {shorten(rows)}")
        return "\n".join(self._explain(rows))

    def _explain(self, rows: int) -> Iterator[str]:
        m = self.memory
        yield f"plan for {self.device}: {self._size}"
        yield from self._what_was_done()
        yield (
            f"memory    {format_nbytes(self.peak_nbytes)} at most: variables {format_nbytes(m.variables)}, "
            f"constants {format_nbytes(m.constants)},"
        )
        yield (
            f"          intermediate values {format_nbytes(m.arena)} in an arena that they share "
            f"(at best {format_nbytes(self.lower_bound_nbytes)}), {format_nbytes(m.peak - m.held)} outside it"
        )
        if self.unknown:
            yield f"          {self.unknown} values have a size that depends on data and are not counted"
        if self.fitted is not None:
            yield (
                f"limit     {format_nbytes(self.fitted.limit_nbytes)}, down from "
                f"{format_nbytes(self.fitted.before_nbytes)}: {self.fitted.price}"
            )
        live = self.live_at_peak()
        if live:
            yield "          live at the peak, with the line that made it:"
        for place, nbytes in live[:rows]:
            yield f"          {format_nbytes(nbytes):>12}  {place.name}  {place.texts[1]}"
        if len(live) > rows:
            yield f"          and {len(live) - rows} smaller values"
        yield (
            f"compute   {self.flops:,} arithmetic operations, {format_nbytes(self.bytes_moved)} read and written"
        )
        yield (
            f"time      by a simple model {format_seconds(self.work)} on one core (work), "
            f"{format_seconds(self.span)} on any number of cores (span)"
        )
        lanes = 1 + max((i.lane for i in self.program.instructions), default=0)
        run = f"runs on {lanes} threads" if lanes > 1 else "runs on one thread"
        yield f"parallel  {self.parallelism:.2f} cores could be kept busy on average; {run}"
        path = [(self.program.instructions[i].place, self.costs[i].seconds) for i in self._critical]
        path = [(p, s) for p, s in path if s > 0]
        yield f"critical path: {len(path)} nodes, each needs the one before; the costliest of them:"
        slowest = sorted(path, key=lambda pair: -pair[1])[:rows]
        for place, seconds in [pair for pair in path if pair in slowest][:rows]:
            yield f"          {format_seconds(seconds):>12}  {place.name}  {place.texts[1]}"

    @property
    def _size(self) -> str:
        """How much runs, in words; the nodes of a plan that was loaded from a file are not known."""
        calls = f"{sum(not i.is_view for i in self.program.instructions)} kernel calls"
        return calls if self.subgraph is None else f"{len(self.order)} nodes, {calls}"

    def _what_was_done(self) -> Iterator[str]:
        """Rewrites and clusters, in words."""
        counts: dict[str, int] = {}
        for record in self.passes:
            done = len(record.replacements) + len(record.dropped)
            if done:
                counts[record.name] = counts.get(record.name, 0) + done
        if counts:
            named = ", ".join(f"{name} {n}" for name, n in counts.items())
            yield f"rewritten {sum(counts.values())} nodes were replaced or dropped by passes: {named}"
        clusters = sorted(self.fusion.clusters, key=lambda c: -c.saved_nbytes)
        if clusters:
            saved = sum(c.saved_nbytes for c in clusters)
            inside = sum(len(c.nodes) for c in clusters)
            yield (
                f"blocks    {inside} nodes run in {len(clusters)} group{'s' if len(clusters) > 1 else ''}, "
                f"block by block in the cache: "
                f"{format_nbytes(saved)} are not written and read again"
            )
        for c in clusters[:3]:
            names = ", ".join(n.name for n in c.nodes[:5]) + (", ..." if len(c.nodes) > 5 else "")
            yield f"          {format_nbytes(c.saved_nbytes):>12}  {names}  {c.nodes[-1].origin}"

    def needs(self) -> str:
        """What a run needs, and the nodes that hold most of it at the peak, with their lines: for errors."""
        lines = [f"this run needs {self.peak_nbytes:,} bytes; live at the peak:"]
        for place, nbytes in self.live_at_peak()[:8]:
            lines.append(f"  {format_nbytes(nbytes):>12}  {place}")
        return "\n".join(lines)

    def save(self, path: Any) -> None:
        """Write the plan to a file, for `gf.load_plan`; see `save.plan_file`. Raises FileError."""
        hooks.save_plan(self, path)

    def render(self, path: Any = None, **options: Any) -> Any:
        """Draw the plan; see `gf.render`."""
        return hooks.render(self, path, **options)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return hooks.render(self)._repr_mimebundle_(**kwargs)

    def __repr__(self) -> str:
        return f"<Plan of {self._size}, peak {format_nbytes(self.peak_nbytes)}>"

    def __str__(self) -> str:
        return self.explain()


_MOVING = (Kind.BUFFER, Kind.COPIED_FEED, Kind.DYNAMIC)


def _spans(program: Program) -> dict[int, list[int]]:
    """For each slot with bytes of its own: first definition and last use (through views) as positions."""
    end = len(program.instructions)
    base = [s.base for s in program.slots]
    spans: dict[int, list[int]] = {}

    def touch(slot: int, position: int) -> None:
        while base[slot] >= 0:
            slot = base[slot]
        spans.setdefault(slot, [position, position])[1] = position

    for s in program.feeds:
        touch(s, -1)
    for position, i in enumerate(program.instructions):
        for s in (*i.inputs, *i.outputs):
            touch(s, position)
    for s in program.fetches:
        touch(s, end)
    for source, _ in program.swaps:
        touch(source, end)
    return spans


def _lifetimes(program: Program) -> dict[str, list[Lifetime]]:
    found: dict[str, list[Lifetime]] = {}
    for number, (first, last) in _spans(program).items():
        slot = program.slots[number]
        if slot.kind in (Kind.BUFFER, Kind.COPIED_FEED):
            found.setdefault(slot.device, []).append(Lifetime(slot.nbytes or 0, first, last))
    return found


def _fullest(program: Program) -> int:
    """The position at which the values of kernels hold most bytes."""
    changes: dict[int, int] = {}
    for number, (first, last) in _spans(program).items():
        slot = program.slots[number]
        if slot.kind in _MOVING:
            changes[first] = changes.get(first, 0) + (slot.nbytes or 0)
            changes[last + 1] = changes.get(last + 1, 0) - (slot.nbytes or 0)
    live = most = at = 0
    for position in sorted(changes):
        live += changes[position]
        if live > most:
            most, at = live, position
    return at


def _live_slots(program: Program, position: int) -> list[int]:
    spans = _spans(program)
    held = (Kind.VARIABLE, Kind.CONSTANT)
    live = [n for n, s in enumerate(program.slots) if s.kind in held]
    live += [n for n, (a, b) in spans.items() if a <= position <= b and program.slots[n].kind in _MOVING]
    return live
