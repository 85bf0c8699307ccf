"""Critical-path list scheduling of tasks on a few equal lanes, within a limit of bytes where one is given."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from graphflow.errors import ArgumentError, VerifyError
from graphflow.planning.order import OrderProblem, peak_nbytes
from graphflow.planning.task_graph import (
    TaskGraph,
    makespan_bound,
    successors,
    topological_order,
    upward_ranks,
)

__all__ = ["LaneSchedule", "list_schedule", "list_schedule_on"]

_CLOSE = 1.001
"""Within this factor of the bound nothing more is tried."""


@dataclass(frozen=True, slots=True)
class LaneSchedule:
    """When each task runs and where.

    lane, start, finish: per task, in seconds from the beginning. order: the tasks by start, along every edge.
    """

    lane: tuple[int, ...]
    start: tuple[float, ...]
    finish: tuple[float, ...]
    order: tuple[int, ...]

    @property
    def makespan(self) -> float:
        """Seconds until the last task has finished."""
        return max(self.finish, default=0.0)

    @property
    def lanes(self) -> int:
        """How many lanes it has, at least 1."""
        return max(self.lane, default=0) + 1

    def until(self) -> list[int]:
        """Per task, the last position of `order` at whose start it still runs. O(n log n).

        A buffer made at position k lives from k to the largest of these of its users.
        """
        starts = [self.start[t] for t in self.order]
        found = [0] * len(starts)
        for k, t in enumerate(self.order):
            found[t] = max(k, bisect_left(starts, self.finish[t], k) - 1)
        return found


def list_schedule(
    tasks: TaskGraph,
    workers: int,
    *,
    order: Sequence[int] | None = None,
    memory: OrderProblem | None = None,
    limit: int | None = None,
    pinned: Collection[int] = (),
) -> LaneSchedule:
    """A schedule on `workers` lanes: whenever a lane is free, the ready task with the longest chain begins.

    The makespan is at most W/p + S(1 - 1/p), W the work and S the span (Graham), without `limit` and `pinned`.
    Where that leaves it above the bound, the graph is scheduled backwards, the task that finished last first,
    and forwards again in the order that gives; the better schedule is kept.

    order: respects every edge; it breaks ties, and with `limit` says whose bytes are booked first. None: by number.
    memory, limit: bytes that are never exceeded; the problem's tasks are these. Bytes are booked for tasks in
        `order`, and a task may begin once its bytes are booked: when all that is booked has finished, the next
        task of the order fits, so nothing locks. A limit below the peak of `order` counts as that peak.
    pinned: tasks that must run on lane 0.
    Raises ArgumentError for less than one worker, VerifyError for an order that breaks an edge.
    Cost: O((V + E) log V), times `workers` with `pinned`.
    Source: Graham 1969, "Bounds on multiprocessing timing anomalies"; Li and Willis 1992, "An iterative
    scheduling technique for resource-constrained project scheduling" (backwards and forwards); Aupy, Brasseur
    and Marchal 2017, "Dynamic memory-aware task-tree scheduling" (booking in an order that fits).
    """
    if workers < 1:
        raise ArgumentError(f"list_schedule: there must be at least one worker, not {workers}")
    order = topological_order(tasks, order)
    after = successors(tasks)
    fixed = [-1] * len(order)
    for t in pinned:
        fixed[t] = 0

    def run(priority: Sequence[int]) -> LaneSchedule:
        booking = None if memory is None or limit is None else _Booking(memory, order, limit)
        return _simulate(tasks, after, workers, priority, fixed, booking)

    ranks = upward_ranks(tasks, order)
    best = run(sorted(order, key=ranks.__getitem__, reverse=True))
    plain = max(tasks.work / workers, max(ranks, default=0.0))
    if best.makespan <= _CLOSE * plain or best.makespan <= _CLOSE * makespan_bound(tasks, workers, order):
        return best
    latest_first = sorted(order, key=best.finish.__getitem__, reverse=True)
    mirrored = _simulate(TaskGraph(tasks.seconds, after), tasks.before, workers, latest_first, fixed, None)
    other = run(sorted(order, key=mirrored.finish.__getitem__, reverse=True))
    return other if other.makespan < best.makespan else best


def list_schedule_on(
    tasks: TaskGraph, lane: Sequence[int], priority: Sequence[int], memory: OrderProblem, limit: int
) -> LaneSchedule:
    """The schedule within `limit` bytes when each task's lane is given. Ready tasks begin in the order of `priority`.

    Bytes are booked in the order of the tasks' numbers; see `list_schedule`.
    """
    booking = _Booking(memory, topological_order(tasks), limit)
    return _simulate(tasks, successors(tasks), max(lane, default=0) + 1, priority, lane, booking)


def _simulate(
    tasks: TaskGraph,
    after: Sequence[Sequence[int]],
    workers: int,
    priority: Sequence[int],
    fixed: Sequence[int],
    booking: _Booking | None,
) -> LaneSchedule:
    """Run tasks as soon as a lane is free, the first of `priority` first.

    fixed: the lane of each task; -1 for any: then that of the task it waited for last, if free, else the first free.
    """
    n = len(tasks.seconds)
    seconds = tasks.seconds
    place = [0] * n
    for k, t in enumerate(priority):
        place[t] = k
    missing = [len(b) for b in tasks.before]
    if booking is not None:
        missing = [m + 1 for m in missing]
    via = [0] * n
    shared: list[int] = []  # places of ready tasks, for any lane
    own: list[list[int]] = [[] for _ in range(workers)]
    ready = [shared if w < 0 else own[w] for w in fixed]
    owned = any(w >= 0 for w in fixed)
    for k, t in enumerate(priority):
        if not missing[t]:
            heappush(ready[t], k)
    lane, start, finish = [0] * n, [0.0] * n, [0.0] * n
    order: list[int] = []
    idle = list(range(workers))
    running: list[tuple[float, int]] = []
    now = 0.0
    while True:
        if booking is not None:
            for t in booking.book():
                missing[t] -= 1
                if not missing[t]:
                    heappush(ready[t], place[t])
        while idle and (shared or owned):
            if owned:
                k, w = min([(own[w][0], w) for w in idle if own[w]], default=(n, -1))
            else:
                k, w = n, -1
            if shared and shared[0] < k:
                t = priority[heappop(shared)]
                w = via[t] if via[t] in idle else idle[0]
            elif w >= 0:
                t = priority[heappop(own[w])]
            else:
                break
            idle.remove(w)
            order.append(t)
            lane[t], start[t] = w, now
            finish[t] = now + seconds[t]
            heappush(running, (finish[t], t))
        if not running:
            break
        now = running[0][0]
        while running and running[0][0] <= now:
            _, t = heappop(running)
            idle.append(lane[t])
            if booking is not None:
                booking.release(t)
            for u in after[t]:
                missing[u] -= 1
                via[u] = lane[t]
                if not missing[u]:
                    heappush(ready[u], place[u])
        idle.sort()
    if len(order) < n:
        raise VerifyError(f"only {len(order)} of {n} tasks could be scheduled")
    return LaneSchedule(tuple(lane), tuple(start), tuple(finish), tuple(order))


@dataclass(slots=True)
class _Booking:
    """Bytes booked for tasks in a fixed order, and given back as tasks finish."""

    problem: OrderProblem
    order: Sequence[int]
    limit: int
    used: int = 0
    position: int = 0  # how many tasks of the order are booked
    # per buffer: how many tasks have yet to use it, and one more if it is kept
    left: list[int] = field(default_factory=list)
    # per booked task: what it gives back besides buffers that nobody needs any more
    taken: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self.problem
        self.limit = max(self.limit, peak_nbytes(problem, self.order))
        self.left = [0] * len(problem.nbytes)
        for b in [b for used in problem.uses for b in used]:
            self.left[b] += 1
        for b in problem.kept:
            self.left[b] += 1
        made = {b for made in problem.makes for b in made}
        self.used = sum([n for b, n in enumerate(problem.nbytes) if b not in made])

    def book(self) -> Iterator[int]:
        """The tasks whose bytes fit now, in order."""
        problem = self.problem
        while self.position < len(self.order):
            t = self.order[self.position]
            sizes = [problem.nbytes[b] for b in problem.makes[t]]
            made, reused = sum(sizes), 0
            for b in problem.reuses[t]:
                if self.left[b] == 1 and problem.nbytes[b] in sizes:  # all its other users have finished
                    sizes.remove(problem.nbytes[b])
                    reused += problem.nbytes[b]
            wanted = made - reused + problem.workspace[t]
            if self.used + wanted > self.limit:
                return
            self.used += wanted
            self.taken[t] = problem.workspace[t] - reused
            self.position += 1
            yield t

    def release(self, t: int) -> None:
        """Give back what the task no longer needs, now that it has finished."""
        problem = self.problem
        self.used -= self.taken.pop(t)
        for b in problem.uses[t]:
            self.left[b] -= 1
            if not self.left[b]:
                self.used -= problem.nbytes[b]
        for b in problem.makes[t]:
            if not self.left[b]:
                self.used -= problem.nbytes[b]
