"""The memory of a schedule on lanes, as the planner's own bounds are compared with."""

from __future__ import annotations

from graphflow.planning.lanes import LaneSchedule
from graphflow.planning.order import OrderProblem

__all__ = ["schedule_peak_nbytes"]


def schedule_peak_nbytes(problem: OrderProblem, schedule: LaneSchedule) -> int:
    """The most bytes live at once if every task runs when it is planned to. O(uses + n log n).

    A buffer is live from the start of the task that makes it to the end of the last that uses it. A task takes over
    the bytes of one that it may, where all other users have finished when it begins.
    """
    n = len(schedule.order)
    position = [0] * n
    for k, t in enumerate(schedule.order):
        position[t] = k
    until = schedule.until()
    first = [0] * len(problem.nbytes)
    last = [-1] * len(problem.nbytes)
    users: list[list[int]] = [[] for _ in problem.nbytes]
    for t in schedule.order:
        for b in problem.makes[t]:
            first[b], last[b] = position[t], until[t]
        for b in problem.uses[t]:
            last[b] = max(last[b], until[t])
            users[b].append(t)
    made = {b for mine in problem.makes for b in mine}
    for b in (*problem.kept, *[b for b, used in enumerate(users) if not used and b not in made]):
        last[b] = n - 1
    change = [0] * (n + 1)
    for b, nbytes in enumerate(problem.nbytes):
        if last[b] >= 0:
            change[first[b]] += nbytes
            change[last[b] + 1] -= nbytes
    kept = frozenset(problem.kept)
    for t in schedule.order:
        change[position[t]] += problem.workspace[t]
        change[until[t] + 1] -= problem.workspace[t]
        sizes = [problem.nbytes[b] for b in problem.makes[t]]
        for b in problem.reuses[t]:
            others = [until[u] for u in users[b] if u != t]
            if b not in kept and problem.nbytes[b] in sizes and max(others, default=-1) < position[t]:
                sizes.remove(problem.nbytes[b])
                change[position[t]] -= problem.nbytes[b]
                change[until[t] + 1] += problem.nbytes[b]
    live = peak = 0
    for difference in change:
        live += difference
        peak = max(peak, live)
    return peak
