"""Greedy eviction: run through the steps with a number of bytes to stay within, and give up what is cheapest to get back.

What gives way is the value with most bytes times seconds until its next use, for each second that bringing it back
takes: by computing it again from what is there, or by reading back what was put aside. Since the uses to come are
known, no value is guessed at. Source: Kirisame et al. 2021, "Dynamic Tensor Rematerialization", arXiv 2006.09616.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphflow.planning.rerun import Step, Tasks
from graphflow.planning.steps import Held, copy_seconds, needed
from graphflow.planning.tasks import taken_over

__all__ = ["Means", "evicted"]

MOST_STEPS = 8  # times those of the plain run
MOST_LOOKED_AT = 64  # tasks, to say what computing a value again would take
MOST_ANCHORS = 8
FAR = float("inf")


@dataclass(frozen=True, slots=True)
class Means:
    """What may be done with a value. again: computed again. aside: put aside. smallest_nbytes: of what is worth it."""

    again: bool = True
    aside: bool = False
    smallest_nbytes: int = 1


def evicted(tasks: Tasks, arena_nbytes: int, beside_nbytes: int, means: Means) -> tuple[Step, ...] | None:
    """Steps that stay within so many bytes in the arena and beside it; None if they become too many.

    Where giving up values cannot do it, they take more.

    The peak is not exact: measure it. Near-linear in the steps.
    """
    return _Eviction(tasks, (beside_nbytes, arena_nbytes), means).steps()


_Heap = list[tuple[float, int, int]]
"""(score with a minus, buffer, its stamp): what may give way, best first."""


@dataclass(slots=True)
class _Eviction:
    tasks: Tasks
    room: tuple[int, int]  # beside the arena, in it
    means: Means
    held: Held = field(init=False)
    done: list[Step] = field(default_factory=list)
    live: list[int] = field(default_factory=lambda: [0, 0])  # beside the arena, in it
    planned: list[bool] = field(
        default_factory=list
    )  # per buffer: whether it is in the arena as it was made last
    now: int = 0
    uses: list[list[int]] = field(
        default_factory=list
    )  # per buffer: its uses to come in the plain run, last first
    clock: list[float] = field(default_factory=list)  # when each task begins in the plain run
    pins: list[int] = field(default_factory=list)  # per buffer: how many steps at hand need it
    holds: list[int] = field(
        default_factory=list
    )  # per buffer: how many values that gave way cannot do without it
    stamp: list[int] = field(default_factory=list)
    heaps: tuple[_Heap, _Heap] = field(default_factory=lambda: ([], []))
    gone: dict[int, tuple[int, ...]] = field(default_factory=dict)  # by value that gave way: what it holds
    anchors: list[tuple[int, ...] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        tasks, problem = self.tasks, self.tasks.problem
        self.held = Held(tasks)
        n, buffers = len(tasks.again), len(problem.nbytes)
        self.uses = [[] for _ in range(buffers)]
        for b in problem.kept:
            self.uses[b].append(n)
        for task in range(n - 1, -1, -1):
            for b in problem.uses[task]:
                self.uses[b].append(task)
        self.pins, self.holds, self.stamp = [0] * buffers, [0] * buffers, [0] * buffers
        at = 0.0
        for cost in tasks.costs:
            self.clock.append(at)
            at += cost.seconds
        self.clock.append(at)
        self.live[True] = sum([problem.nbytes[b] for b, m in enumerate(tasks.maker) if m < 0])
        self.planned = list(tasks.planned)
        self.anchors = _anchors(tasks)

    def steps(self) -> tuple[Step, ...] | None:
        commit, n = self.tasks.commit, len(self.tasks.again)
        for task in range(n):
            self.now = task
            if task == commit:
                self._prepare_commit()
            if self.held.is_idle(task):
                self.uses[self.tasks.shown[task]].pop()
            else:
                self._run_all([*self.held.missing([task]), task], own=task)
            if len(self.done) > MOST_STEPS * n:
                return None
        if commit == n:
            self.now = n
            self._prepare_commit()
        return needed(self.tasks, self.done)

    # --- running ---

    def _prepare_commit(self) -> None:
        """Have all there that is read or handed out from here on: nothing that may fail comes after the first write."""
        tasks, commit = self.tasks, self.tasks.commit
        late = range(commit, len(tasks.again))
        wanted = [b for task in late for b in tasks.problem.uses[task]]
        wanted = [b for b in dict.fromkeys([*wanted, *tasks.problem.kept]) if tasks.maker[b] < commit]
        again = self.held.missing(late)
        for b in wanted:
            self.pins[b] += 1  # for good
        self._run_all(again)
        for b in wanted:
            if not self.held.there[b]:
                self._bring(b)
        for task in tasks.handed:
            if task < commit and self.held.seen[task] != self.held.made[tasks.shown[task]]:
                self._run_all([*self.held.missing([task]), task])

    def _run_all(self, again: Sequence[int], own: int = -1) -> None:
        """Run the tasks. own: the one whose turn it is in the plain run, -1 where none is."""
        uses, makes, pins = self.tasks.problem.uses, self.tasks.problem.makes, self.pins
        for task in again:
            for b in uses[task]:
                pins[b] += 1
        for task in again:
            for b in uses[task]:
                if not self.held.there[b]:
                    self._bring(b)
            self._run(task)
            for b in uses[task]:
                pins[b] -= 1
            if task == own:
                for b in uses[task]:
                    self.uses[b].pop()
            for b in (*uses[task], *makes[task]):
                self._settle(b)

    def _run(self, task: int) -> None:
        problem, planned, there = self.tasks.problem, self.tasks.planned, self.held.there
        makes, nbytes = problem.makes[task], problem.nbytes
        fresh = [b for b in makes if not there[b]]
        dying = [
            b
            for b in problem.reuses[task]
            if self.pins[b] == 1 and not self.holds[b] and len(self.uses[b]) == (task == self.now)
        ]
        inside = sum([nbytes[b] for b in fresh if planned[b]]) - taken_over(makes, dying, nbytes)
        for b in makes:
            self.pins[b] += 1
        self._make_room(True, inside)
        self._make_room(False, sum([nbytes[b] for b in fresh if not planned[b]]) + problem.workspace[task])
        for b in makes:
            self.pins[b] -= 1
            if there[b]:
                self.live[self.planned[b]] -= nbytes[b]
            self._enter(b, planned[b])
        self.done.append(("run", task))
        self.held.ran(task)

    def _bring(self, b: int) -> None:
        self.pins[b] += 1
        planned = self.tasks.comes_back_planned(b)
        self._make_room(planned, self.tasks.problem.nbytes[b])
        self.pins[b] -= 1
        self.done.append(("restore", b))
        self._enter(b, planned)
        self.held.brought(b)
        self._settle(b)

    def _enter(self, b: int, planned: bool) -> None:
        self.planned[b] = planned
        self.live[planned] += self.tasks.problem.nbytes[b]
        for x in self.gone.pop(b, ()):
            self.holds[x] -= 1
            self._settle(x)

    def _settle(self, b: int) -> None:
        """Let a buffer go that nothing needs any more; offer one that is needed later as a victim."""
        if not self.held.there[b] or self.pins[b] or self.tasks.maker[b] < 0:
            return
        if not self.uses[b] and not self.holds[b]:
            self._leave(b)
        elif self.now < self.tasks.commit:
            self._offer(b)

    def _leave(self, b: int) -> None:
        self.held.there[b] = False
        self.live[self.planned[b]] -= self.tasks.problem.nbytes[b]

    # --- giving way ---

    def _offer(self, b: int) -> None:
        """Enter a buffer among those that may give way, with a score that is at least its own."""
        if self.tasks.problem.nbytes[b] < self.means.smallest_nbytes:
            return
        self.stamp[b] += 1
        seconds = self.tasks.costs[self.tasks.maker[b]].seconds if self.means.again else FAR
        score = self._score(b, min(seconds, self._copying(b)))
        heapq.heappush(self.heaps[self.planned[b]], (-score, b, self.stamp[b]))

    def _score(self, b: int, seconds: float) -> float:
        when = self.clock[self.uses[b][-1]] if self.uses[b] else self.clock[-1]
        return self.tasks.problem.nbytes[b] * max(when - self.clock[self.now], 0.0) / max(seconds, 1e-12)

    def _copying(self, b: int) -> float:
        if not self.means.aside or b in self.tasks.texts:
            return FAR
        once = copy_seconds(self.tasks.problem.nbytes[b])
        return once if b in self.held.aside else 2 * once

    def _make_room(self, planned: bool, need: int) -> None:
        heap = self.heaps[planned]
        while heap and self.live[planned] + need > self.room[planned]:
            offered, b, stamp = heapq.heappop(heap)
            if stamp != self.stamp[b] or not self.held.there[b] or self.pins[b]:
                continue  # what is pinned is offered again when it is settled
            again, copying = self._again_seconds(b), self._copying(b)
            if min(again, copying) == FAR:
                continue
            score = self._score(b, min(again, copying))
            if -score > offered * 0.99 and heap and -score > heap[0][0]:
                heapq.heappush(heap, (-score, b, stamp))
                continue
            self._give_way(b, again <= copying)

    def _give_way(self, b: int, again: bool) -> None:
        if again:
            held = self.anchors[b] or ()
            self.gone[b] = held
            for x in held:
                self.holds[x] += 1
        elif b not in self.held.aside:
            self.done.append(("spill", b))
            self.held.aside.add(b)
        self._leave(b)

    def _again_seconds(self, b: int) -> float:
        """What computing a buffer again would take now, at most so many tasks looked at; infinite if it cannot be."""
        tasks, there = self.tasks, self.held.there
        task = tasks.maker[b]
        if not self.means.again or not tasks.again[task] or b in tasks.fixed or self.holds[b]:
            return FAR
        anchors = self.anchors[b]
        if anchors is None or any(not there[x] and x not in self.held.aside for x in anchors):
            return FAR
        total = 0.0
        found = {task}
        stack = [task]
        while stack and len(found) < MOST_LOOKED_AT:
            t = stack.pop()
            total += tasks.costs[t].seconds
            for x in tasks.problem.uses[t]:
                if not there[x]:
                    if x in self.held.aside:
                        total += self._copying(x)
                    elif tasks.maker[x] not in found:
                        found.add(tasks.maker[x])
                        stack.append(tasks.maker[x])
        return total


def _anchors(tasks: Tasks) -> list[tuple[int, ...] | None]:
    """For each buffer those that computing it again starts from and that cannot be computed again; None if many."""
    found: list[tuple[int, ...] | None] = [None] * len(tasks.maker)
    for b, maker in enumerate(tasks.maker):
        if maker < 0:
            found[b] = ()
    for task, again in enumerate(tasks.again):
        below: dict[int, None] | None = {}
        for x in tasks.problem.uses[task]:
            own = found[x]
            if below is None or own is None:
                below = None
            elif not tasks.again[tasks.maker[x]] and tasks.maker[x] >= 0:
                below[x] = None
            else:
                below.update(dict.fromkeys(own))
        whole = None if below is None or len(below) > MOST_ANCHORS else tuple(below)
        for b in tasks.problem.makes[task]:
            found[b] = whole if again else ()
    return found
