"""What must come before what, and how long each takes: bounds on every schedule, and grouping of what is too short."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.errors import VerifyError

__all__ = [
    "Groups",
    "TaskGraph",
    "downward_ranks",
    "group_tasks",
    "makespan_bound",
    "successors",
    "upward_ranks",
]


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """seconds: how long each task takes. before: for each task, those that must have finished when it starts."""

    seconds: tuple[float, ...]
    before: tuple[tuple[int, ...], ...]

    @property
    def work(self) -> float:
        """Seconds on one lane."""
        return math.fsum(self.seconds)

    @property
    def span(self) -> float:
        """Seconds on any number of lanes: the longest chain. O(V + E)."""
        return max(upward_ranks(self), default=0.0)


def successors(tasks: TaskGraph) -> tuple[tuple[int, ...], ...]:
    """For each task, those that it comes before. O(V + E)."""
    after: list[list[int]] = [[] for _ in tasks.seconds]
    for t, earlier in enumerate(tasks.before):
        for b in earlier:
            after[b].append(t)
    return tuple(map(tuple, after))


def topological_order(tasks: TaskGraph, order: Sequence[int] | None = None) -> Sequence[int]:
    """`order`, or the tasks by number where None is given, once it is checked against every edge. O(V + E).

    Raises VerifyError if it is no order of these tasks, or breaks an edge.
    """
    n = len(tasks.seconds)
    if order is None:
        if all(b < t for t, earlier in enumerate(tasks.before) for b in earlier):
            return range(n)
        raise VerifyError("a task comes before one with a smaller number, and no order was given")
    position = [-1] * n
    for k, t in enumerate(order):
        position[t] = k
    if len(order) != n or -1 in position:
        raise VerifyError(f"an order of {len(order)} tasks for a graph of {n}")
    for t, earlier in enumerate(tasks.before):
        for b in earlier:
            if position[b] >= position[t]:
                raise VerifyError(f"the order runs task {t} before task {b}, which it needs")
    return order


def upward_ranks(tasks: TaskGraph, order: Sequence[int] | None = None) -> list[float]:
    """For each task the seconds of the longest chain that begins with it. O(V + E)."""
    ranks = [0.0] * len(tasks.seconds)  # until a task is met: the longest chain after it
    seconds, before = tasks.seconds, tasks.before
    for t in reversed(topological_order(tasks, order)):
        rank = ranks[t] = ranks[t] + seconds[t]
        for b in before[t]:
            ranks[b] = max(ranks[b], rank)
    return ranks


def downward_ranks(tasks: TaskGraph, order: Sequence[int] | None = None) -> list[float]:
    """For each task the seconds of the longest chain that ends just before it: its earliest start. O(V + E)."""
    ranks = [0.0] * len(tasks.seconds)
    seconds = tasks.seconds
    for t in topological_order(tasks, order):
        ranks[t] = max([ranks[b] + seconds[b] for b in tasks.before[t]], default=0.0)
    return ranks


def makespan_bound(tasks: TaskGraph, workers: int, order: Sequence[int] | None = None) -> float:
    """Seconds that no schedule on that many lanes is under: at least max(span, work / workers).

    Tasks that come before or after every other one cut the graph into sections that cannot overlap; the
    sections' bounds add up. A fork and join with one task in front of each fork is the plain case: no lane
    can share those. O(V + E).
    """
    order = topological_order(tasks, order)
    cuts = [a and b for a, b in zip(_follows_all(tasks, order), _precedes_all(tasks, order), strict=True)]
    total = work = span = 0.0
    finish: dict[int, float] = {}
    for t in order:
        seconds = tasks.seconds[t]
        if cuts[t]:
            total += max(span, work / workers) + seconds
            work = span = 0.0
            finish.clear()
        else:
            end = finish[t] = seconds + max([finish.get(b, 0.0) for b in tasks.before[t]], default=0.0)
            span = max(span, end)
            work += seconds
    return total + max(span, work / workers)


def _follows_all(tasks: TaskGraph, order: Sequence[int]) -> list[bool]:
    """For each task whether all that stand before it in the order must come before it.

    They must if those among them that nothing among them follows are direct predecessors: a chain from one of
    these could go through no other task.
    """
    return _comparable(tasks.before, order)


def _precedes_all(tasks: TaskGraph, order: Sequence[int]) -> list[bool]:
    return _comparable(successors(tasks), list(reversed(order)))


def _comparable(before: Sequence[Sequence[int]], order: Sequence[int]) -> list[bool]:
    last = [False] * len(order)  # nothing that was met so far follows it
    count = 0
    found = [False] * len(order)
    for t in order:
        mine = 0
        for b in set(before[t]):
            if last[b]:
                last[b] = False
                mine += 1
        found[t] = mine == count
        last[t] = True
        count += 1 - mine
    return found


@dataclass(frozen=True, slots=True)
class Groups:
    """Tasks put together, to be run one after another on one lane.

    graph: the groups as tasks, every edge from a smaller number to a larger one.
    members: the tasks of each group, in an order that respects every edge.
    """

    graph: TaskGraph
    members: tuple[tuple[int, ...], ...]


def group_tasks(tasks: TaskGraph, order: Sequence[int] | None, grain_seconds: float) -> Groups:
    """Join tasks shorter than `grain_seconds` with their neighbours, and chains with themselves.

    A group waits for all that any of its tasks waits for, so tasks join only where that costs less than the
    grain: a task follows the one task that it needs, if nothing else needs that one; a short task joins the
    last of the groups that it needs, if that one needs the others anyway; a short group joins the only group
    that needs it; short groups with the same neighbours are joined. A sum of two long branches joins neither:
    then one branch would wait for the other. O(V + E) but for a sort of the groups.
    """
    order = topological_order(tasks, order)
    after = successors(tasks)
    group, size = _join_predecessors(tasks, order, after, grain_seconds)
    into = _join_successors(group, size, tasks, order, grain_seconds)
    into = _join_siblings(group, into, size, tasks, grain_seconds)
    kept = {g: k for k, g in enumerate(sorted(set(into)))}
    members: list[list[int]] = [[] for _ in kept]
    number = [kept[into[g]] for g in group]
    for t in order:
        members[number[t]].append(t)
    before: list[tuple[int, ...]] = []
    for k, mine in enumerate(members):
        found = dict.fromkeys([number[b] for t in mine for b in tasks.before[t]])
        found.pop(k, None)
        before.append(tuple(found))
    seconds = tuple([math.fsum([tasks.seconds[t] for t in mine]) for mine in members])
    return Groups(TaskGraph(seconds, tuple(before)), tuple(map(tuple, members)))


def _join_predecessors(
    tasks: TaskGraph, order: Sequence[int], after: Sequence[Sequence[int]], grain_seconds: float
) -> tuple[list[int], list[float]]:
    """The group of each task, and each group's seconds; groups are numbered in the order of their first tasks.

    A task that joins the last of the groups it needs keeps all edges between groups going upwards.
    """
    group = [-1] * len(order)
    size: list[float] = []
    added: list[float] = []  # seconds of the short tasks in it
    needs: list[set[int]] = []  # the groups that a group needs
    leaving: list[int] = []  # how many edges leave it so far
    for t in order:
        earlier, seconds = tasks.before[t], tasks.seconds[t]
        found = {group[b] for b in earlier}
        g = max(found, default=-1)
        if g >= 0:
            # in a group that others need too, it would delay them
            alone = len(earlier) == 1 and leaving[g] == 1
            short = seconds < grain_seconds and added[g] + seconds < grain_seconds
            if not (alone or (short and all(x == g or x in needs[g] for x in found))):
                g = -1
        if g < 0:
            g = len(size)
            size.append(0.0)
            added.append(0.0)
            needs.append(found)
            leaving.append(0)
        group[t] = g
        size[g] += seconds
        added[g] += seconds if seconds < grain_seconds else 0.0
        leaving[g] += len(after[t]) - sum([group[b] == g for b in earlier])
    return group, size


def _join_successors(
    group: list[int], size: list[float], tasks: TaskGraph, order: Sequence[int], grain_seconds: float
) -> list[int]:
    """For each group the one that it is part of now: short ones join the only group that needs them."""
    needed_by: list[set[int]] = [set() for _ in size]
    for t in order:
        for b in tasks.before[t]:
            needed_by[group[b]].add(group[t])
    into = list(range(len(size)))
    added = [0.0] * len(size)
    for g in range(len(size) - 1, -1, -1):
        found = {into[x] for x in needed_by[g] if x != g}
        if len(found) == 1 and size[g] < grain_seconds:
            target = found.pop()
            if added[target] + size[g] < grain_seconds:
                into[g] = target
                added[target] += size[g]
                size[target] += size[g]
    return into


def _join_siblings(
    group: list[int], into: list[int], size: list[float], tasks: TaskGraph, grain_seconds: float
) -> list[int]:
    """Short groups that need the same groups and are needed by the same, a grain's worth at a time."""
    needs: list[dict[int, None]] = [{} for _ in size]
    needed_by: list[dict[int, None]] = [{} for _ in size]
    for t, earlier in enumerate(tasks.before):
        g = into[group[t]]
        for b in earlier:
            h = into[group[b]]
            if h != g:
                needs[g][h] = None
                needed_by[h][g] = None
    open_group: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    joined = list(range(len(size)))
    for g in range(len(size)):
        if into[g] == g and size[g] < grain_seconds:
            key = (tuple(sorted(needs[g])), tuple(sorted(needed_by[g])))
            first = open_group.get(key)
            if first is not None and size[first] + size[g] < grain_seconds:
                joined[g] = first
                size[first] += size[g]
            else:
                open_group[key] = g
    return [joined[g] for g in into]
