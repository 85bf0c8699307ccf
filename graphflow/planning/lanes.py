"""How many lanes a run is worth, which lane runs each task, and who waits for whom; all in plain numbers.

tasks, seconds, edges --group_tasks--> groups --list_schedule--> lanes --waits--> waits across lanes
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, pairwise

from graphflow.planning.list_schedule import LaneSchedule, list_schedule, list_schedule_on
from graphflow.planning.order import OrderProblem
from graphflow.planning.task_graph import TaskGraph, group_tasks, makespan_bound, topological_order

__all__ = [
    "GRAIN_SECONDS",
    "LaneSchedule",
    "TaskGraph",
    "list_schedule",
    "makespan_bound",
    "one_lane",
    "plan_lanes",
    "timed",
    "waits",
]

GRAIN_SECONDS = 3e-4
"""Tasks shorter than this stay with their neighbours: two threads lose by exchanging them (measured: products of 64
to 256 rows, 0.02 to 0.4 ms each, ran 10 to 40 % slower when they were shared out one by one)."""

HANDOVER_SECONDS = 5e-5
"""From the end of a task to the beginning of one on another lane that waits for it."""

LEAST_GAIN = 0.1
LEAST_GAIN_SECONDS = 5e-4
"""What several lanes must save, as a part of one lane's time and in seconds."""


def one_lane(tasks: TaskGraph, order: Sequence[int] | None = None) -> LaneSchedule:
    """Every task on lane 0, in the order given or by number. O(V + E)."""
    order = tuple(topological_order(tasks, order))
    finish = [0.0] * len(order)
    for t, end in zip(order, accumulate([tasks.seconds[t] for t in order]), strict=True):
        finish[t] = end
    start = [0.0] * len(order)
    for t, u in pairwise(order):
        start[u] = finish[t]
    return LaneSchedule((0,) * len(order), tuple(start), tuple(finish), order)


def plan_lanes(
    tasks: TaskGraph,
    workers: int,
    *,
    memory: OrderProblem | None = None,
    limit: int | None = None,
    pinned: Collection[int] = (),
) -> LaneSchedule:
    """The lanes that a run is worth: several only where they save a tenth of one lane's time and half a millisecond.

    Tasks are numbered in the order of one lane. Those shorter than `GRAIN_SECONDS` stay on their neighbours' lane; a
    task that waits for another lane begins `HANDOVER_SECONDS` later than it could.
    memory, limit, pinned: as in `list_schedule`. O((V + E) log V).
    """
    alone = one_lane(tasks)
    least = max(LEAST_GAIN * alone.makespan, LEAST_GAIN_SECONDS)
    if workers < 2 or alone.makespan <= least or alone.makespan - makespan_bound(tasks, workers) <= least:
        return alone
    groups = group_tasks(tasks, None, GRAIN_SECONDS)
    apart = frozenset(pinned)
    held = [k for k, mine in enumerate(groups.members) if not apart.isdisjoint(mine)]
    coarse = list_schedule(groups.graph, workers, pinned=held)
    lane = [0] * len(tasks.seconds)
    for k, mine in enumerate(groups.members):
        for t in mine:
            lane[t] = coarse.lane[k]
    first = [t for k in coarse.order for t in groups.members[k]]
    if memory is None or limit is None:
        found = timed(tasks, lane, first, HANDOVER_SECONDS)
    else:
        found = list_schedule_on(tasks, lane, first, memory, limit)
    return found if alone.makespan - found.makespan > least else alone


def timed(
    tasks: TaskGraph, lane: Sequence[int], order: Sequence[int], handover_seconds: float = 0.0
) -> LaneSchedule:
    """When each task runs if every lane takes its tasks in the order given, which respects every edge."""
    n = len(lane)
    start, finish = [0.0] * n, [0.0] * n
    free = [0.0] * (max(lane, default=0) + 1)
    for t in order:
        mine = lane[t]
        begin = free[mine]
        for b in tasks.before[t]:
            ready = finish[b] if lane[b] == mine else finish[b] + handover_seconds
            begin = max(begin, ready)
        start[t] = begin
        finish[t] = free[mine] = begin + tasks.seconds[t]
    by_start = sorted(order, key=start.__getitem__)  # stable: what starts together keeps its order
    return LaneSchedule(tuple(lane), tuple(start), tuple(finish), tuple(by_start))


def waits(
    schedule: LaneSchedule,
    tasks: TaskGraph,
    *,
    also: Mapping[int, Sequence[int]] | None = None,
    strict: bool = False,
) -> list[tuple[int, ...]]:
    """Per task, the tasks of other lanes that it must wait for; what other waits and the lanes' own order imply is left out.

    also: further tasks that must have finished before a task begins, such as the last users of bytes it overwrites;
        they stand before it in `schedule.order`.
    strict: wait for all that is planned to have finished by then. Then no two tasks or buffers meet in a run that
        do not meet in the plan, however long tasks really take: what limits of bytes that kernels allocate need.
    O((V + E) lanes), with a logarithm for `strict`. The waits left are the fewest that will do: those of the
    transitive reduction, which is unique (Aho, Garey and Ullman 1972).
    """
    lane, start, finish = schedule.lane, schedule.start, schedule.finish
    lanes = range(schedule.lanes)
    position = [0] * len(lane)
    number = [0] * len(lane)  # within its lane, from 1
    for k, t in enumerate(schedule.order):
        position[t] = k
    known = [
        [0] * schedule.lanes for _ in lanes
    ]  # per lane: how many tasks of each lane have finished for sure
    clock: list[tuple[int, ...]] = [()] * len(lane)  # the same once the task has finished
    done: list[list[int]] = [[] for _ in lanes]
    ends: list[list[float]] = [[] for _ in lanes]
    found: list[tuple[int, ...]] = [()] * len(lane)
    for t in schedule.order:
        mine = lane[t]
        now = known[mine]
        wanted = [b for b in tasks.before[t] if number[b] > now[lane[b]]]
        if also is not None:
            wanted += [b for b in also.get(t, ()) if number[b] > now[lane[b]]]
        if strict:
            for w in lanes:
                count = bisect_right(ends[w], start[t])
                if w != mine and count > now[w]:
                    wanted.append(done[w][count - 1])
        if wanted:
            kept: list[int] = []
            for b in sorted(wanted, key=position.__getitem__, reverse=True):  # the latest implies most
                if number[b] > now[lane[b]]:
                    kept.append(b)
                    for w, count in enumerate(clock[b]):
                        now[w] = max(now[w], count)
            found[t] = tuple(reversed(kept))
        done[mine].append(t)
        ends[mine].append(finish[t])
        number[t] = now[mine] = len(done[mine])
        clock[t] = tuple(now)
    return found
