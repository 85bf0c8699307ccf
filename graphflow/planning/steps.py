"""Lists of steps as they are made and judged: what is there at each point, which steps nothing needs, what they take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphflow.planning.rerun import Step, Tasks

__all__ = ["Held", "copy_seconds", "extra_seconds", "needed"]

COPY_SECONDS = 5e-5
SECONDS_PER_BYTE = 1e-9
"""What a copy to or from a file takes: a gigabyte a second, where a disk and the system's cache share the work."""


@dataclass(slots=True)
class Held:
    """Which buffers are there at a point of a run, and which views show what their buffer holds now.

    aside: buffers of which there is a copy that can be brought back.
    """

    tasks: Tasks
    aside: set[int] = field(default_factory=set)
    there: list[bool] = field(init=False)
    made: list[int] = field(init=False)  # per buffer: how often it was made
    seen: list[int] = field(init=False)  # per task that is a view: how often its buffer had been made then

    def __post_init__(self) -> None:
        self.there = [maker < 0 for maker in self.tasks.maker]
        self.made = [0] * len(self.there)
        self.seen = [-1] * len(self.tasks.again)

    def ran(self, task: int) -> None:
        """Note that a task has run."""
        for b in self.tasks.problem.makes[task]:
            self.brought(b)
        shown = self.tasks.shown[task]
        if shown >= 0:
            self.seen[task] = self.made[shown]

    def is_idle(self, task: int) -> bool:
        """True for a view of what is not there, which whoever reads it makes anew, and for one that was made early."""
        b = self.tasks.shown[task]
        if b < 0 or self.tasks.subgraph.nodes[task] in self.tasks.subgraph.targets:
            return False
        return not self.there[b] or self._shows_now(task)

    def _shows_now(self, view: int) -> bool:
        """Whether a view shows its buffer as it was made last, and that is there."""
        b = self.tasks.shown[view]
        return self.there[b] and self.seen[view] == self.made[b]

    def brought(self, buffer: int) -> None:
        """Note that a buffer was made or brought back."""
        self.there[buffer] = True
        self.made[buffer] += 1

    def missing(self, wanted: Iterable[int]) -> list[int]:
        """The tasks that have to run again before all of `wanted` can, in order. O(their number and their inputs).

        What no task has made so far is not missing: it is yet to come.
        """
        views, shown, uses, maker = (
            self.tasks.views,
            self.tasks.shown,
            self.tasks.problem.uses,
            self.tasks.maker,
        )
        found: dict[int, None] = {}
        readers: list[int] = []
        stack = list(wanted)
        while stack:
            task = stack.pop()
            if views[task]:
                readers.append(task)
            absent = [b for b in uses[task] if not self.there[b] and b not in self.aside]
            new = [maker[b] for b in absent if self.made[b]]
            new += [j for j in views[task] if self.made[shown[j]] and not self._shows_now(j)]
            new = [j for j in dict.fromkeys(new) if j not in found]
            found.update(dict.fromkeys(new))
            stack.extend(new)
            if not stack:  # what is made again beside what is missing has to be seen anew
                new = [j for t in readers for j in views[t] if j not in found and maker[shown[j]] in found]
                found.update(dict.fromkeys(new))
                stack.extend(dict.fromkeys(new))
        return sorted(found)


def needed(tasks: Tasks, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Steps without those that make what no later step reads: first runs of what is then made anew. O(steps + uses)."""
    problem, targets = tasks.problem, set(tasks.subgraph.targets)
    wanted = set(problem.kept)  # buffers, as the steps that come later need them
    seen = set(tasks.handed)  # views
    aside: set[int] = set()
    found: list[Step] = []
    for kind, number in reversed(steps):
        if kind == "spill":
            if number not in aside:
                continue
            aside.discard(number)
            wanted.add(number)
        elif kind == "restore":
            if number not in wanted:
                continue
            wanted.discard(number)
            aside.add(number)
        else:
            makes, shows = problem.makes[number], tasks.shown[number] >= 0
            idle = number not in seen if shows else wanted.isdisjoint(makes)
            if idle and (shows or (makes and tasks.again[number])):
                if tasks.subgraph.nodes[number] not in targets:
                    continue
            seen.discard(number)
            wanted.difference_update(makes)
            wanted.update(problem.uses[number])
            seen.update(tasks.views[number])
        found.append((kind, number))
    return tuple(reversed(found))


def extra_seconds(tasks: Tasks, steps: Sequence[Step]) -> tuple[float, float]:
    """What running again and putting aside take beyond the plain run, by the cost model on one lane."""
    nbytes = tasks.problem.nbytes
    ran = math.fsum([tasks.costs[k].seconds for kind, k in steps if kind == "run"])
    copied = math.fsum([copy_seconds(nbytes[k]) for kind, k in steps if kind != "run"])
    return ran - math.fsum([cost.seconds for cost in tasks.costs]), copied


def copy_seconds(nbytes: int) -> float:
    """What putting a value aside takes, or bringing it back, by the cost model."""
    return COPY_SECONDS + nbytes * SECONDS_PER_BYTE
