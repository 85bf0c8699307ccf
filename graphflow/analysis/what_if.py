"""What a run would take with more lanes, or with some of its nodes faster."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from graphflow.analysis.critical_path import dependencies
from graphflow.analysis.parallelism import format_seconds
from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Node, Tensor
from graphflow.ops.fused import ClusterBody
from graphflow.planning.cost import Machine, kernel_cost
from graphflow.planning.lanes import list_schedule, makespan_bound
from graphflow.planning.task_graph import TaskGraph
from graphflow.program import Place, Program

__all__ = ["WhatIf", "what_if"]


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf(float):
    """What a run would take under other circumstances: a number, in seconds, with what is behind it.

    seconds: of a simulated schedule on `workers` lanes. work, span: on one lane, and on any number.
    at_least: no schedule is under this. at_most: no list schedule is over this (Graham's bound).
    changed: (node, seconds as planned, seconds now) for every node that was made faster or slower.
    """

    seconds: float
    workers: int
    work: float
    span: float
    at_least: float
    at_most: float
    changed: tuple[tuple[Place, float, float], ...]

    def __new__(cls, seconds: float, *_: object) -> Self:
        return super().__new__(cls, seconds)

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec) if spec else str(self)

    def __repr__(self) -> str:
        return f"<WhatIf {format_seconds(self.seconds)} on {self.workers} lanes>"

    def __str__(self) -> str:
        lanes = f"{self.workers} lane{'s' * (self.workers > 1)}"
        bounds = f"span {format_seconds(self.span)}, no schedule under {format_seconds(self.at_least)}"
        lines = [f"{format_seconds(self.seconds)} on {lanes}: work {format_seconds(self.work)}, {bounds}"]
        lines += [
            f"  {p.name}: {format_seconds(old)} -> {format_seconds(new)}  {p.texts[1]}".rstrip()
            for p, old, new in self.changed
        ]
        return "\n".join(lines)


def what_if(
    program: Program,
    seconds: Sequence[float],
    *,
    workers: int | None = None,
    faster: Mapping[Any, float] | None = None,
) -> WhatIf:
    """What a run would take on `workers` lanes, with some nodes faster by a factor.

    seconds: of each instruction as things are. workers: as many lanes as the plan has for None.
    faster: for nodes (by name, or the node, its tensor or its `Place`) by how much; 2 halves the seconds, 0.5 doubles.
    Handing work from lane to lane costs nothing here, and no lane is left out because it gains little.
    Raises ArgumentError for what is no positive number, and for names that nothing in the plan runs under.
    O((V + E) log V).
    """
    if workers is None:
        workers = max([i.lane for i in program.instructions], default=0) + 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ArgumentError(f"what_if: workers must be a positive int, not {shorten(workers)}")
    times = list(seconds)
    if faster is not None:
        _speed_up(program, times, faster)
    tasks = TaskGraph(tuple(times), dependencies(program))
    count = min(workers, max(1, len(times)))  # more lanes than instructions change nothing
    work, span = tasks.work, tasks.span
    changed = tuple(
        [
            (i.place, old, new)
            for i, old, new in zip(program.instructions, seconds, times, strict=True)
            if old != new
        ]
    )
    return WhatIf(
        list_schedule(tasks, count).makespan,
        workers,
        work,
        span,
        makespan_bound(tasks, count),
        work / count + span * (1 - 1 / count),
        changed,
    )


def _speed_up(program: Program, times: list[float], faster: Mapping[Any, float]) -> None:
    if not isinstance(faster, Mapping):
        raise ArgumentError(
            f"what_if: faster must map nodes or their names to factors, not {shorten(faster)}"
        )
    shares = _shares(program)
    original = list(times)
    named: dict[str, Any] = {}
    for key, factor in faster.items():
        name = _name_of(key)
        if name not in shares and name.endswith(":0"):
            name = name[:-2]
        if name not in shares:
            near = difflib.get_close_matches(name, shares, 3)
            hint = f"; near to it: {', '.join(map(repr, near))}" if near else ""
            raise ArgumentError(
                f"what_if: faster: nothing in this plan runs as {shorten(name)}: it may be no node, or not needed, "
                f"or computed in advance, or one with an equal node{hint}"
            )
        if name in named:
            raise ArgumentError(
                f"what_if: faster: {shorten(name)} is there twice, as {shorten(named[name])} and {shorten(key)}: "
                f"give one factor"
            )
        named[name] = key
        if (
            isinstance(factor, bool)
            or not isinstance(factor, (int, float))
            or not 0 < factor < math.inf
            or 1 / factor == math.inf
        ):
            raise ArgumentError(
                f"what_if: faster: the factor for {shorten(name)} must be a positive number, not {shorten(factor)}"
            )
        for number, share in shares[name]:
            times[number] += original[number] * share * (1 / factor - 1)


def _name_of(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, Tensor):
        return key.op.name
    if isinstance(key, (Node, Place)):
        return key.name
    raise ArgumentError(f"what_if: faster: {shorten(key)} is no node, nor the name of one")


def _shares(program: Program) -> dict[str, list[tuple[int, float]]]:
    """By name of a node: the instructions that compute it, and what part of their time it takes."""
    found: dict[str, list[tuple[int, float]]] = {}
    for number, i in enumerate(program.instructions):
        body = i.attrs.get("body")
        if isinstance(body, ClusterBody) and len(body.names) == len(body.steps):
            for name, share in zip(body.names, _step_shares(body), strict=True):
                found.setdefault(name, []).append((number, share))
        else:
            found.setdefault(i.place.name, []).append((number, 1.0))
    return found


def _step_shares(body: ClusterBody) -> list[float]:
    machine = Machine()
    types = [*body.inputs, *[s.type for s in body.steps]]
    costs = [
        0.0
        if s.kind == "view"
        else kernel_cost(s.op, s.attrs, [types[k] for k in s.inputs], [s.type], machine).seconds
        for s in body.steps
    ]
    whole = math.fsum(costs)
    return [c / whole if whole else 0.0 for c in costs]
