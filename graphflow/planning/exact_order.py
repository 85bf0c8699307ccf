"""Orders of the lowest peak, by search: of a whole small problem, or of the tasks around the peak of a large one.

The state of a search is the set of tasks that have run. Which bytes are live follows from it, so of
all ways to get there the one with the lowest peak is as good as any (Ahn et al. 2020, "Ordering Chaos:
Memory-Aware Scheduling of Irregularly Wired Neural Networks for Edge Devices"). States are taken up by
their peaks, the lowest first. A task that would raise neither the peak nor the bytes that stay live runs
at once: run later, it would leave no fewer bytes to any task in between.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

from graphflow.planning.tasks import OrderProblem, links, live_nbytes, taken_over

__all__ = ["exact_order", "improved"]

_Trail = tuple["_Trail", int] | None
"""The tasks that have run, the last one outermost."""


def exact_order(
    problem: OrderProblem, below: int, enough: int = 0, looks: int = 0
) -> tuple[list[int] | None, int]:
    """(an order of the lowest peak, looks taken), or None for it if none has a peak below `below`.

    below, enough: bytes; no order has a lower peak than `enough`.
    looks: how often a task may be looked at before the search gives up, which gives None too; 0 for no end.
    O(2^tasks) at worst; far less where orders matter little.
    """
    search = _Search(problem, looks)
    return search.run(below, max(enough, search.linked.given)), search.taken


class _Search:
    """One search. Sets of tasks are bits of an int."""

    def __init__(self, problem: OrderProblem, looks: int) -> None:
        self.linked = linked = links(problem)
        self.problem = problem
        self.looks = looks
        self.taken = 0
        nbytes = problem.nbytes
        bits = [0] * len(nbytes)  # who has yet to use a buffer; the end is one more task
        for b, readers in enumerate(linked.readers):
            for t in readers:
                bits[b] |= 1 << t
            if linked.lasting[b]:
                bits[b] |= 1 << len(problem.before)
        self.used = [[(bits[b], nbytes[b]) for b in used if not linked.lasting[b]] for used in problem.uses]
        self.reused = [[(bits[b], b) for b in reused if not linked.lasting[b]] for reused in problem.reuses]
        self.needs = [sum([1 << t for t in set(earlier)]) for earlier in problem.before]

    def run(self, below: int, peak: int) -> list[int] | None:
        n = len(self.problem.before)
        after, needs = self.linked.after, self.needs
        if peak >= below:
            return None
        ready = [t for t in range(n) if not needs[t]]
        start = self._settle(0, ready, self.linked.given, peak, None)
        heap = [(peak, 0, 0, *start)]
        seen = {start[0]: peak}
        made = 0
        while heap:
            peak, _, _, done, ready, live, trail = heappop(heap)
            if not ready:
                return _listed(trail)
            if seen[done] < peak:
                continue
            for task in ready:
                if self.looks and self.taken >= self.looks:
                    return None
                during, change = self._look(task, done)
                higher = max(peak, live + during)
                if higher >= below:
                    continue
                then = done | 1 << task
                able = [t for t in ready if t != task]
                able += [t for t in after[task] if not needs[t] & ~then]
                state = self._settle(then, able, live + change, higher, (trail, task))
                if seen.get(state[0], below) <= higher:
                    continue
                seen[state[0]] = higher
                made += 1
                heappush(heap, (higher, -state[0].bit_count(), made, *state))
        return None

    def _look(self, task: int, done: int) -> tuple[int, int]:
        """(bytes live while it runs, bytes live after it), both beyond those live before it."""
        self.taken += 1
        rest, me = ~done, 1 << task
        made, change = self.linked.made[task], self.linked.made[task] - self.linked.wasted[task]
        for bits, size in self.used[task]:
            if bits & rest == me:
                change -= size
        during = made + self.problem.workspace[task]
        if self.reused[task]:
            dying = [b for bits, b in self.reused[task] if bits & rest == me]
            if dying:
                during -= taken_over(self.problem.makes[task], dying, self.problem.nbytes)
        return during, change

    def _settle(
        self, done: int, ready: list[int], live: int, peak: int, trail: _Trail
    ) -> tuple[int, list[int], int, _Trail]:
        """The state after all that can run without raising the peak or what is live."""
        after, needs = self.linked.after, self.needs
        waiting = ready
        while True:
            kept = []
            for task in waiting:  # grows while it is walked
                during, change = self._look(task, done)
                if change > 0 or live + during > peak:
                    kept.append(task)
                    continue
                done |= 1 << task
                live += change
                trail = (trail, task)
                waiting += [t for t in after[task] if not needs[t] & ~done]
            if len(kept) == len(waiting):
                return done, kept, live, trail
            waiting = kept


def _listed(trail: _Trail) -> list[int]:
    order: list[int] = []
    while trail is not None:
        trail, task = trail
        order.append(task)
    order.reverse()
    return order


WINDOWS = ((16, 8), (28, 14), (28, 7), (28, 21))
"""What is tried around a peak, one after the other: how many tasks, and how many of them before the peak."""

LOOKS = 400
"""Looks that one window may take: most searches that end well do so within fewer."""

TASKS_A_LOOK = 20
"""Tasks walked over in the time of a look."""


def improved(
    problem: OrderProblem, order: list[int], live: list[int], enough: int, looks: int
) -> tuple[list[int], int]:
    """(an order, its peak in bytes): `order` with the tasks around its peak in a better order, again and again.

    live: the bytes live along `order`. enough: bytes; no order has a lower peak.
    looks: as for `exact_order`, over all searches; each time that it gets better there is a walk over all tasks, which
        counts as some looks too.
    """
    windows = _Windows(problem, order, live)
    better = True
    while better and looks > 0 and windows.peak > enough:
        better, taken = windows.improve(enough, looks)
        looks -= taken + len(order) // TASKS_A_LOOK
    return windows.order, windows.peak


class _Windows:
    """An order that is changed piece by piece, and what is live along it."""

    def __init__(self, problem: OrderProblem, order: list[int], live: list[int]) -> None:
        self.problem = problem
        self.order = list(order)
        self.live = list(live)
        self.peak = max(self.live, default=0)
        self.next = self._below_peak()
        self.last = [-1] * len(problem.nbytes)  # the position of the last task that makes or uses a buffer
        for position, task in enumerate(order):
            for b in (*problem.makes[task], *problem.uses[task]):
                self.last[b] = position
        for b in problem.kept:
            self.last[b] = len(order)

    def _below_peak(self) -> int:
        return max([nbytes for nbytes in self.live if nbytes < self.peak], default=0)

    def improve(self, enough: int, looks: int) -> tuple[bool, int]:
        """(whether the bytes at the first peak were lowered, looks taken)."""
        at, n = self.live.index(self.peak), len(self.order)
        total = 0
        for size, earlier in WINDOWS:
            first = max(0, min(at - earlier, n - size))
            end = min(n, first + size)
            window = self._window(first, end)
            goal = max(enough, self.next)
            found, taken = exact_order(window, self.peak, goal, min(looks - total, LOOKS))
            total += taken
            if found is not None:
                self._put(first, end, window, found)
                return True, total
            if total >= looks:
                break
        return False, total

    def _window(self, first: int, end: int) -> OrderProblem:
        """The problem of the tasks at positions [first, end): they run between what is before and what is after."""
        p = self.problem
        tasks = self.order[first:end]
        number = {t: k for k, t in enumerate(tasks)}
        buffers: dict[int, int] = {}
        for t in tasks:
            for b in (*p.makes[t], *p.uses[t]):
                buffers.setdefault(b, len(buffers))
        window = OrderProblem(
            tuple([tuple([number[q] for q in p.before[t] if q in number]) for t in tasks]),
            tuple([tuple([buffers[b] for b in p.makes[t]]) for t in tasks]),
            tuple([tuple([buffers[b] for b in p.uses[t]]) for t in tasks]),
            tuple([tuple([buffers[b] for b in p.reuses[t]]) for t in tasks]),
            tuple([p.nbytes[b] for b in buffers]),
            tuple([k for b, k in buffers.items() if self.last[b] >= end]),
            tuple([p.workspace[t] for t in tasks]),
        )
        around = self.live[first] - live_nbytes(window, (0,))[0]  # live all through: one more buffer
        return replace(window, nbytes=(*window.nbytes, around), kept=(*window.kept, len(buffers)))

    def _put(self, first: int, end: int, window: OrderProblem, found: list[int]) -> None:
        tasks = self.order[first:end]
        p, last = self.problem, self.last
        self.order[first:end] = [tasks[k] for k in found]
        self.live[first:end] = live_nbytes(window, found)
        for position in range(first, end):
            task = self.order[position]
            for b in (*p.makes[task], *p.uses[task]):
                if last[b] < end:
                    last[b] = position
        peak = max(self.live)
        if peak < self.peak:
            self.peak = peak
            self.next = self._below_peak()
