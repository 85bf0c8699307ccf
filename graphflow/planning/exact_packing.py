"""A search for low packings that is exact where its budget lasts, for up to some hundred buffers.

The packing grows from the ground. What is placed has a skyline; a stretch of it with higher neighbours (or the ends
of time) is a valley. Whatever lies next above a valley's outermost section either lies on the valley's ground, and
then it begins (or ends) at just that section and fits between the walls, or the space there is wasted, and each
section can waste no more than the height allows. So there are few choices, and where a valley has none, or what fits
into it cannot fill it, the search turns back at once. It always goes on in the valley with the fewest choices.

The choices are those of canonical packings (every buffer rests on another or on the ground; equal intervals on each
other stand in one order), so a search that runs out of choices has proved that no packing of that height exists.
Searches are cut short and begun anew with other preferences, as their times have heavy tails.

Sources: Moffitt 2023, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine Learning"
(canonical packings, bounds by section); Gomes, Selman and Kautz 1998, "Boosting Combinatorial Search Through
Randomization" (restarts).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from graphflow.planning.packing import Packing

__all__ = ["SEARCHED_BUFFERS", "Search", "search_packing"]

Search = Callable[[Packing, int, int, int], Sequence[int] | None]
"""`search(packing, target, below, effort)`: offsets of a packing lower than `below`, as low as it finds one and no lower
than `target` needs it; None if it finds none. effort: steps, a few microseconds each in Python. The same arguments
always give the same offsets."""

SEARCHED_BUFFERS = 600
"""Above as many buffers, a search rarely finds what best fit does not."""

RESTART_STEPS = 3000
_INFINITE = 1 << 200  # higher than any packing: the height of a section in which nothing is left to place


class _Choices(NamedTuple):
    """What can lie next at an end of a valley.

    ways: how many, waste included. section: the outermost one. has_inside: whether anything that is not
    placed lies in the valley over it. buffers: those that can lie on the ground there, the preferred ones first.
    """

    ways: int
    section: int
    has_inside: bool
    buffers: tuple[int, ...]


_NO_VALLEY = _Choices(1 << 60, -1, False, ())
_DEAD = _Choices(0, -1, False, ())


class _Skyline(NamedTuple):
    """Stretches of equal height from left to right, never changed.

    lefts: first sections. heights: above the ground. tops: the buffer that a stretch is the whole top of, or -1.
    choices: for each stretch.
    """

    lefts: list[int]
    heights: list[int]
    tops: list[int]
    choices: list[_Choices]


class _Frame:
    """One decision: where, what was tried last, and how to take it back."""

    __slots__ = ("at", "placed", "sky", "tried", "wasted")

    def __init__(self, sky: _Skyline, at: int) -> None:
        self.sky = sky
        self.at = at
        self.tried = 0
        self.placed = -1
        self.wasted = 0


class _Outcome(NamedTuple):
    """offsets: if found. steps: taken. is_proof: whether, if none are given, there are none."""

    offsets: list[int] | None
    steps: int
    is_proof: bool


def search_packing(packing: Packing, target: int, below: int, effort: int) -> list[int] | None:
    """A packing lower than `below`, or None; see `Search`.

    Every fourth search allows no more than the lower bound: where the buffers fill that height, nearly all choices
    are forced. The others allow the target, then heights ever closer to the best one found.
    """
    count = len(packing.sizes)
    chance = random.Random(count)
    found: list[int] | None = None
    restart = max(2 * count, min(RESTART_STEPS, effort // 16))
    least = packing.bound  # no packing is lower
    target = max(target, least)
    used = turn = failed = 0  # failed: a height that was tried in vain
    while used < effort and below > max(target, least):
        if turn % 4 == 1:
            allowed = min(least, below - 1)
        elif turn < 4:
            allowed = min(target, below - 1)
        else:
            allowed = min(below - 1, (max(target, least, failed) + below) // 2)
        budget = min(effort - used, restart * (4 if turn % 8 == 7 else 1))
        outcome = _Decision(packing, allowed, _preferences(packing, turn, chance)).run(budget)
        used += outcome.steps
        turn += 1
        if outcome.offsets is not None:
            found = outcome.offsets
            below = max(o + s for o, s in zip(found, packing.sizes, strict=True))
            failed = 0
        elif outcome.is_proof:
            least = max(least, allowed + 1)
        elif allowed > target:
            failed = allowed if (below - allowed) * 200 > below else 0
    return found


def _preferences(packing: Packing, turn: int, chance: random.Random) -> list[float]:
    """What to try first, the larger the earlier: long, large, or both; by the fifth turn with some chance in it."""
    spread = 0.0 if turn < 5 else (0.5, 2.0, 8.0)[turn % 3]
    keys = []
    for size, a, b in zip(packing.sizes, packing.firsts, packing.lasts, strict=True):
        span = b - a + 1
        both = span * size
        weight = (span + size / (1 << 60), size + span / (1 << 20), both, both * size, both * span)[turn % 5]
        keys.append(float(weight) * (1.0 + spread * chance.random()))
    return keys


class _Decision:
    """Whether a packing of at most a given height exists, by depth-first search."""

    def __init__(self, packing: Packing, height: int, preferences: Sequence[float]) -> None:
        self.sizes, self.firsts, self.lasts = packing.sizes, packing.firsts, packing.lasts
        self.slack = [height - load for load in packing.loads]  # what each section can still waste
        order = sorted(range(len(self.sizes)), key=lambda i: -preferences[i])
        self.rank = [0] * len(order)
        self.beginning: list[list[int]] = [[] for _ in packing.loads]
        self.ending: list[list[int]] = [[] for _ in packing.loads]
        for k, i in enumerate(order):
            self.rank[i] = k
            self.beginning[self.firsts[i]].append(i)
            self.ending[self.lasts[i]].append(i)
        self.is_placed = [False] * len(order)
        self.offsets = [0] * len(order)

    def run(self, budget: int) -> _Outcome:
        """Search for at most `budget` steps."""
        if not self.sizes or min(self.slack) < 0:
            return _Outcome(None if self.sizes else [], 0, True)
        left = len(self.sizes)
        sky = _Skyline([0], [0], [-1], [])
        sky.choices.append(self._choices(sky, 0))
        stack = [_Frame(sky, 0)]
        for step in range(1, budget + 1):
            if not stack:
                return _Outcome(None, step, True)
            frame = stack[-1]
            sky, at = frame.sky, frame.at
            choice = sky.choices[at]
            if frame.placed >= 0:
                self.is_placed[frame.placed] = False
                left += 1
                frame.placed = -1
            self.slack[choice.section] += frame.wasted
            frame.wasted = 0
            k = frame.tried
            if k == choice.ways:
                stack.pop()
                continue
            frame.tried = k + 1
            height = sky.heights[at]
            if k < len(choice.buffers):
                i = choice.buffers[k]
                self.is_placed[i] = True
                self.offsets[i] = height
                frame.placed = i
                left -= 1
                if left == 0:
                    return _Outcome(self.offsets, step, False)
                raised = self._raise(sky, at, self.firsts[i], self.lasts[i], height + self.sizes[i], i)
            else:
                level = self._next_level(sky, at, choice)
                waste = 0 if level == _INFINITE else level - height
                if level < 0 or waste > self.slack[choice.section]:
                    continue
                self.slack[choice.section] -= waste
                frame.wasted = waste
                raised = self._raise(sky, at, choice.section, choice.section, level, -1)
            if raised is not None:
                stack.append(raised)
        return _Outcome(None, budget, False)

    def _next_level(self, sky: _Skyline, at: int, choice: _Choices) -> int:
        """The lowest height at which something can lie over a section, if nothing lies on the ground; -1 for none."""
        heights, section, left = sky.heights, choice.section, sky.lefts[at]
        has_next = at + 1 < len(heights)
        wall = min(heights[at - 1] if at else _INFINITE, heights[at + 1] if has_next else _INFINITE)
        if choice.has_inside:  # it can lie on what is inside but not over this section
            right = (sky.lefts[at + 1] if has_next else len(self.slack)) - 1
            a, b = (left + 1, right) if section == left else (left, right - 1)
            inside = [i for s in range(a, b + 1) for i in self.beginning[s] if self.lasts[i] <= b]
            least = min([self.sizes[i] for i in inside if not self.is_placed[i]], default=_INFINITE)
            wall = min(wall, heights[at] + least)
        elif self._is_finished(section):
            return _INFINITE
        return -1 if wall >= _INFINITE else wall

    def _is_finished(self, section: int) -> bool:
        spans = zip(self.is_placed, self.firsts, self.lasts, strict=True)
        return all(placed or not a <= section <= b for placed, a, b in spans)

    def _raise(self, sky: _Skyline, at: int, a: int, b: int, level: int, top: int) -> _Frame | None:
        """The decision after sections a to b of stretch `at` have risen to `level`; None if there is no way on."""
        lefts, heights, tops, choices = sky
        after = at + 1
        right = (lefts[after] if after < len(lefts) else len(self.slack)) - 1
        new_lefts, new_heights, new_tops = lefts[:at], heights[:at], tops[:at]
        changed = at - 1
        if a > lefts[at]:
            new_lefts.append(lefts[at])
            new_heights.append(heights[at])
            new_tops.append(-1)
        if new_heights and new_heights[-1] == level:
            new_tops[-1] = -1
            changed -= len(new_heights) == at
        else:
            new_lefts.append(a)
            new_heights.append(level)
            new_tops.append(top)
        if b < right:
            new_lefts.append(b + 1)
            new_heights.append(heights[at])
            new_tops.append(-1)
        elif after < len(heights) and heights[after] == level:
            new_tops[-1] = -1
            after += 1
        end = len(new_lefts) + 1
        new_lefts += lefts[after:]
        new_heights += heights[after:]
        new_tops += tops[after:]
        new_choices = choices[: max(changed, 0)]
        new = _Skyline(new_lefts, new_heights, new_tops, new_choices)
        for k in range(max(changed, 0), min(end, len(new_lefts))):
            found = self._choices(new, k)
            if found.ways == 0:
                return None
            new_choices.append(found)
        if end < len(new_lefts):
            new_choices += choices[end - len(new_lefts) :]
        counts = [c.ways for c in new_choices]
        fewest = min(counts)
        best = counts.index(fewest)
        if fewest > 1:  # the lowest of those with the fewest choices
            for k in range(best + 1, len(counts)):
                if counts[k] == fewest and new_heights[k] < new_heights[best]:
                    best = k
        return _Frame(new, best)

    def _choices(self, sky: _Skyline, at: int) -> _Choices:
        """The choices at that end of a valley which has fewer; _DEAD if what is left cannot fill the valley."""
        lefts, heights = sky.lefts, sky.heights
        height = heights[at]
        left_wall = heights[at - 1] if at else _INFINITE
        if left_wall < height or height == _INFINITE:
            return _NO_VALLEY
        if at + 1 < len(heights):
            right_wall = heights[at + 1]
            if right_wall < height:
                return _NO_VALLEY
            right = lefts[at + 1] - 1
        else:
            right_wall = _INFINITE
            right = len(self.slack) - 1
        left = lefts[at]
        wall = min(left_wall, right_wall)
        needed = 0 if wall == _INFINITE else wall - height
        sizes, firsts, lasts = self.sizes, self.firsts, self.lasts
        is_placed, rank = self.is_placed, self.rank
        under = sky.tops[at]
        under_first, under_last, under_rank = (
            (firsts[under], lasts[under], rank[under]) if under >= 0 else (-1, -1, 0)
        )
        from_left: list[int] = []
        filled = 0
        for i in self.beginning[left]:
            if lasts[i] <= right and not is_placed[i]:
                filled += sizes[i]
                if lasts[i] == under_last and left == under_first and rank[i] < under_rank:
                    continue
                if from_left and sizes[from_left[-1]] == sizes[i] and lasts[from_left[-1]] == lasts[i]:
                    continue
                from_left.append(i)
        slack = self.slack[left]
        if filled + slack < needed:
            return _DEAD
        has_left = filled > 0
        n_left = len(from_left) + (slack > 0 or not has_left)
        from_right: list[int] = []
        filled = 0
        for i in self.ending[right]:
            if firsts[i] >= left and not is_placed[i]:
                filled += sizes[i]
                if firsts[i] == under_first and right == under_last and rank[i] < under_rank:
                    continue
                if from_right and sizes[from_right[-1]] == sizes[i] and firsts[from_right[-1]] == firsts[i]:
                    continue
                from_right.append(i)
        slack = self.slack[right]
        if filled + slack < needed:
            return _DEAD
        n_right = len(from_right) + (slack > 0 or filled == 0)
        if n_left <= n_right:
            return _Choices(n_left, left, has_left, tuple(from_left))
        return _Choices(n_right, right, filled > 0, tuple(from_right))
