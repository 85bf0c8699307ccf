"""How much of a run can go on at once, and on which lanes it is planned to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from graphflow.analysis.critical_path import dependencies
from graphflow.planning.lanes import timed
from graphflow.planning.task_graph import TaskGraph, downward_ranks, upward_ranks
from graphflow.program import Place, Program

__all__ = ["Parallelism", "format_seconds", "parallelism"]


def format_seconds(value: float) -> str:
    """`1.5 ms`."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


@dataclass(frozen=True, eq=False, repr=False)
class Parallelism(float):
    """How many lanes a run could keep busy: a number, the average, with all that is behind it. `str()` is a report.

    average: work / span. maximum: the most instructions at once if each begins as early as it can. Both 1 for an empty
        run. work, span: seconds on one lane, and on any number of them. seconds: predicted, on the lanes of the plan.
    places, costs: of each instruction, node and seconds. lane, start, finish: of each, by the plan, in seconds.
    spare: how much later each could end without the span being longer.
    """

    average: float
    maximum: int
    work: float
    span: float
    seconds: float
    places: tuple[Place, ...]
    costs: tuple[float, ...]
    lane: tuple[int, ...]
    start: tuple[float, ...]
    finish: tuple[float, ...]
    spare: tuple[float, ...]

    def __new__(cls, average: float, *_: object) -> Self:
        return super().__new__(cls, average)

    @property
    def lanes(self) -> int:
        """How many lanes the plan uses."""
        return max(self.lane, default=0) + 1

    @property
    def slack(self) -> list[tuple[Place, float]]:
        """(node, seconds that it could end later without the span being longer) for every call, in program order."""
        return [(p, s) for p, s, c in zip(self.places, self.spare, self.costs, strict=True) if c > 0]

    @property
    def timeline(self) -> list[list[tuple[Place, float, float]]]:
        """For each lane its calls in order: (node, start, finish) in seconds, as predicted."""
        found: list[list[tuple[Place, float, float]]] = [[] for _ in range(self.lanes)]
        rows = zip(self.places, self.start, self.finish, strict=True)
        for lane, cost, row in zip(self.lane, self.costs, rows, strict=True):
            if cost > 0:
                found[lane].append(row)
        return found

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec) if spec else str(self)

    def __repr__(self) -> str:
        times = f"work {format_seconds(self.work)}, span {format_seconds(self.span)}"
        return f"<Parallelism {self.average:.2f}: {times}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self, rows: int = 5) -> Iterator[str]:
        yield (
            f"parallelism {self.average:.2f} on average, {self.maximum} at most: "
            f"work {format_seconds(self.work)}, span {format_seconds(self.span)} by a simple model"
        )
        yield f"planned on {self.lanes} lane{'s' * (self.lanes > 1)}: {format_seconds(self.seconds)}"
        for number, calls in enumerate(self.timeline):
            busy = math.fsum([end - begin for _, begin, end in calls])
            share = busy / self.seconds if self.seconds else 0.0
            yield f"  lane {number}  {len(calls)} calls, {share:.0%} busy; the longest:"
            longest = sorted(calls, key=lambda call: call[1] - call[2])[:rows]
            for place, begin, end in sorted(longest, key=lambda call: call[1]):
                when = f"{format_seconds(begin)} to {format_seconds(end)}"
                yield f"    {when:>22}  {place.name}  {place.texts[1]}".rstrip()
        slack = sorted([pair for pair in self.slack if pair[1] > 0.01 * self.span], key=lambda pair: -pair[1])
        if slack:
            yield "could end later without delaying the rest:"
        for place, seconds in slack[:rows]:
            yield f"    {format_seconds(seconds):>22}  {place.name}  {place.texts[1]}".rstrip()
        if len(slack) > rows:
            yield f"    and {len(slack) - rows} others"


def parallelism(program: Program, seconds: Sequence[float]) -> Parallelism:
    """The report for a program whose instructions take `seconds`. O((V + E) log V)."""
    tasks = TaskGraph(tuple(seconds), dependencies(program))
    up, down = upward_ranks(tasks), downward_ranks(tasks)
    span = max(up, default=0.0)
    planned = timed(tasks, [i.lane for i in program.instructions], range(len(seconds)))
    return Parallelism(
        tasks.work / span if span else 1.0,
        _most_at_once(tasks, down),
        tasks.work,
        span,
        planned.makespan,
        tuple([i.place for i in program.instructions]),
        tasks.seconds,
        planned.lane,
        planned.start,
        planned.finish,
        tuple([max(0.0, span - a - b) for a, b in zip(up, down, strict=True)]),
    )


def _most_at_once(tasks: TaskGraph, start: Sequence[float]) -> int:
    """How many tasks overlap where most do, each from `start`; 1 for none."""
    changes: list[tuple[float, int]] = []
    for begin, seconds in zip(start, tasks.seconds, strict=True):
        if seconds > 0:
            changes += [(begin, 1), (begin + seconds, -1)]
    now = most = 0
    for _, change in sorted(changes):  # at one time, ends come before beginnings
        now += change
        most = max(most, now)
    return max(1, most)
