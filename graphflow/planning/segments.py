"""Recomputation by segments: what lies between two checkpoints is thrown away and computed again when it is needed.

Written for one turning point: what runs up to it (the forward part of a training step) makes values that run late
uses, last made first used. Source: Chen, Xu, Zhang and Guestrin 2016, "Training Deep Nets with Sublinear Memory Cost",
arXiv 1604.06174; for segments inside segments, Griewank and Walther 2000, "Algorithm 799: revolve".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from graphflow.planning.rerun import Step, Tasks
from graphflow.planning.steps import Held, needed

__all__ = ["Turn", "segmented", "turn_of"]

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]

MOST_LEVELS = 12
MOST_TIDY = 3  # levels
SEARCHED = 4  # part of a segment that is searched for a narrow end


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """Where a run turns from making values to using them again, as arrays over positions and buffers.

    at: the last position of the forward part.
    stash: the buffers made there and used later, which may be computed again, in the order of their making.
    made: bytes of stash made before each position. other: bytes live at each position besides the stash.
    first, last: for each position up to `at`: the first and last late use of the stash made there (none: last < first).
    late: for each buffer its last use; -1 for none.
    end: for each buffer the last use by what may have to run again; -1 for none.
    width: bytes that have to be kept at a cut after each position, so that all after it can run again.
    spare: those of them that are no stash.
    """

    tasks: Tasks
    at: int
    stash: dict[int, None]
    made: Ints
    other: Ints
    first: Ints
    last: Ints
    late: tuple[int, ...]
    end: Ints
    width: Ints
    spare: Ints


def turn_of(tasks: Tasks, at: int) -> Turn:
    """The facts about turning at position `at`. O(V + E)."""
    problem, maker = tasks.problem, tasks.maker
    n, buffers = len(tasks.again), len(problem.nbytes)
    nbytes = np.array(problem.nbytes, np.int64)
    early = [-1] * buffers  # first late use
    late = [-1] * buffers  # last use
    for task in range(n):
        for b in problem.uses[task]:
            late[b] = task
            if task > at and early[b] < 0:
                early[b] = task
    may = [_may_go(tasks, b) for b in range(buffers)]
    stash = [b for b in range(buffers) if may[b] and maker[b] <= at < late[b]]
    end = _ends(tasks, at, stash, may)
    made = np.zeros(at + 2, np.int64)
    first = np.full(at + 1, n, np.int64)
    last = np.full(at + 1, -1, np.int64)
    change = np.zeros(n + 1, np.int64)
    for b in stash:
        m = maker[b]
        made[m + 1] += nbytes[b]
        first[m] = min(first[m], early[b])
        last[m] = max(last[m], late[b])
        change[m] += nbytes[b]
        change[late[b] + 1] -= nbytes[b]
    live = np.array(tasks.arena, np.int64) + np.array(tasks.beside, np.int64)
    width, spare = np.zeros(at + 2, np.int64), np.zeros(at + 2, np.int64)
    stashed = dict.fromkeys(stash)
    for b in range(buffers):
        if may[b] and end[b] > maker[b]:
            width[maker[b]] += nbytes[b]
            width[end[b]] -= nbytes[b]
            if b not in stashed:
                spare[maker[b]] += nbytes[b]
                spare[end[b]] -= nbytes[b]
    return Turn(
        tasks,
        at,
        stashed,
        np.cumsum(made),
        np.maximum(live - np.cumsum(change)[:n], 0),
        first,
        last,
        tuple(late),
        np.array(end, np.int64),
        np.cumsum(width)[: at + 1],
        np.cumsum(spare)[: at + 1],
    )


def _may_go(tasks: Tasks, b: int) -> bool:
    """Whether a buffer can be computed again, and is not handed out."""
    maker = tasks.maker[b]
    return maker >= 0 and tasks.again[maker] and b not in tasks.fixed


def _ends(tasks: Tasks, at: int, stash: Sequence[int], may: Sequence[bool]) -> list[int]:
    """For each buffer its last use by a task that has to run again if all of the stash is thrown away."""
    maker, uses = tasks.maker, tasks.problem.uses
    end = [-1] * len(maker)
    again = [False] * (at + 1)
    for b in stash:
        again[maker[b]] = True
    for task in range(at, -1, -1):  # tasks are in order: whoever needs this one has been seen
        if again[task]:
            for b in uses[task]:
                end[b] = max(end[b], task)
                if may[b]:
                    again[maker[b]] = True
    return end


@dataclass(frozen=True, slots=True)
class _Segment:
    """Positions [start, stop). parts: what it is cut into; none for one that is kept whole while it is used."""

    start: int
    stop: int
    parts: tuple[_Segment, ...] = ()


def segmented(turn: Turn, target_nbytes: int) -> tuple[Step, ...] | None:
    """Steps that should stay within `target_nbytes`, by the fewest levels of segments; None if no number helps.

    The peak is not exact: measure it. Near-linear.
    """
    plan = _Plan(turn, target_nbytes)
    for levels in range(MOST_LEVELS + 1):
        whole = plan.cut(0, turn.at + 1, 0, frozenset(), levels)
        if whole is not None and whole.stop == turn.at + 1:
            return _steps(turn, whole)
    return None


@dataclass(slots=True)
class _Plan:
    turn: Turn
    target: int
    crossing: dict[int, frozenset[int]] = field(default_factory=dict)

    def cut(
        self, start: int, stop: int, kept: int, have: frozenset[int], levels: int, tidy: bool = True
    ) -> _Segment | None:
        """The longest segment from `start` up to `stop`, of at most `levels` levels, beside `kept` bytes of checkpoints.

        have: the buffers in `kept`. tidy: whether to care for the work it takes. None if not even one task fits.
        """
        reached = self._whole(start, stop, kept)
        if reached == stop or levels == 0:
            return None if reached <= start else _Segment(start, reached)
        parts: list[_Segment] = []
        before: list[tuple[int, frozenset[int]]] = []
        place = start
        while place < stop:
            part = self.cut(place, stop, kept, have, levels - 1, tidy and levels <= MOST_TIDY)
            if part is None:
                break
            parts.append(part)
            before.append((kept, have))
            place = part.stop
            if place < stop:
                kept, have = self._beside(place, kept, have)
        if len(parts) < 2:
            return parts[0] if parts else None
        if place == stop and tidy:
            parts[-2:] = self._with_long_end(parts[-2], parts[-1], *before[-2], levels)
        return _Segment(start, place, tuple(parts))

    def _with_long_end(
        self, first: _Segment, last: _Segment, kept: int, have: frozenset[int], levels: int
    ) -> list[_Segment]:
        """`first` and `last`, the latter as long as can be: what `first` makes runs once more than what `last` makes."""
        stop = last.stop

        def fits(place: int) -> bool:
            beside, there = self._beside(place, kept, have)
            if not last.parts:
                return self._holds(place, stop) + beside <= self.target
            found = self.cut(place, stop, beside, there, levels - 1, tidy=False)
            return found is not None and found.stop == stop

        low, high = first.start + 1, first.stop
        while low < high:
            middle = (low + high) // 2
            if fits(middle):
                high = middle
            else:
                low = middle + 1
        near = min(first.stop, low + (stop - low) // SEARCHED)
        place = low + int(np.argmin(self._to_keep(low, near)))
        shorter = self.cut(first.start, place, kept, have, levels - 1)
        longer = self.cut(place, stop, *self._beside(place, kept, have), levels - 1)
        if shorter is None or longer is None or shorter.stop != place or longer.stop != stop:
            return [first, last]
        return [shorter, longer]

    def _beside(self, place: int, kept: int, have: frozenset[int]) -> tuple[int, frozenset[int]]:
        """The checkpoints and their bytes with those that a cut before `place` adds."""
        new = self.cross(place) - have
        nbytes = self.turn.tasks.problem.nbytes
        return kept + sum([nbytes[b] for b in new]), have | new

    def _to_keep(self, low: int, high: int) -> Ints:
        """For each place in [low, high] the bytes that a cut there has to keep; what is no stash counts twice."""
        return self.turn.width[low - 1 : high] + self.turn.spare[low - 1 : high]

    def cross(self, place: int) -> frozenset[int]:
        """What must be kept at a cut before `place`, so that all from there on can run again."""
        known = self.crossing.get(place)
        if known is None:
            tasks, end = self.turn.tasks, self.turn.end
            known = frozenset(
                [b for b, m in enumerate(tasks.maker) if m < place <= end[b] and _may_go(tasks, b)]
            )
            self.crossing[place] = known
        return known

    def _whole(self, start: int, stop: int, kept: int) -> int:
        """The end of the longest segment from `start` that can be kept whole, moved back to a narrow place."""
        room = self.target - kept
        low, high = start, stop
        while low < high:
            middle = (low + high + 1) // 2
            if self._holds(start, middle) <= room:
                low = middle
            else:
                high = middle - 1
        if low == stop or low <= start:
            return low
        back = max(start + 1, low - (low - start) // SEARCHED)
        return low - int(np.argmin(self._to_keep(back, low)[::-1]))

    def _holds(self, start: int, stop: int) -> int:
        """Bytes live at most while the stash of positions [start, stop) is used."""
        turn = self.turn
        if stop <= start:
            return 0
        first = int(turn.first[start:stop].min())
        last = int(turn.last[start:stop].max())
        beside = int(turn.other[first : last + 1].max()) if first <= last else 0
        return int(turn.made[stop] - turn.made[start]) + beside


def _steps(turn: Turn, whole: _Segment) -> tuple[Step, ...]:
    """Run everything in order; before a late task, what it needs is computed again from the nearest checkpoints."""
    tasks = turn.tasks
    held = Held(tasks)
    plan = _Plan(turn, 0)
    leaves: list[tuple[_Segment, frozenset[int]]] = []
    stack: list[tuple[_Segment, frozenset[int]]] = [(whole, frozenset())]
    while stack:
        segment, path = stack.pop()
        if not segment.parts:
            leaves.append((segment, path))
            continue
        inner = []
        for part in segment.parts:
            if part is not segment.parts[0]:
                path |= plan.cross(part.start)
            inner.append((part, path))
        stack.extend(reversed(inner))
    leaf_of = [0] * (turn.at + 1)
    for k, (segment, _) in enumerate(leaves):
        leaf_of[segment.start : segment.stop] = [k] * (segment.stop - segment.start)
    maker = tasks.maker
    used_in: list[list[int]] = [[] for _ in leaves]  # the stash that each segment makes
    for b in turn.stash:
        used_in[leaf_of[maker[b]]].append(b)
    steps: list[Step] = []

    def run(task: int) -> None:
        held.ran(task)
        steps.append(("run", task))

    for task in range(len(tasks.again)):
        if task == turn.at + 1:
            segment, path = leaves[-1]
            for b, m in enumerate(maker):
                if m < segment.start and b not in path and _may_go(tasks, b):
                    held.there[b] = False
        if task == tasks.commit:  # nothing that may fail comes after the first write
            for t in held.missing(range(task, len(tasks.again))):
                run(t)
        if held.is_idle(task):
            continue
        if task > turn.at:
            absent = [b for b in tasks.problem.uses[task] if not held.there[b]]
            entered = {leaf_of[maker[b]] for b in absent if maker[b] <= turn.at}
            wanted = {b for k in entered for b in used_in[k] if turn.late[b] >= task and not held.there[b]}
            makers = {maker[b] for b in wanted}
            again = sorted(makers.union(held.missing([task, *makers])))
            for t in again:
                run(t)
            kept = wanted.union(*[leaves[k][1] for k in entered])
            for t in again:
                for b in tasks.problem.makes[t]:
                    held.there[b] = b in kept
        run(task)
    return needed(tasks, steps)
