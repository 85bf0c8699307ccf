"""Tasks and buffers in plain numbers, and the bytes that are live along an order of the tasks.

A task makes buffers and uses buffers. A buffer is live from the task that makes it (from the start,
if none does) to the last task that uses it, or to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Links", "OrderProblem", "bound_nbytes", "links", "live_nbytes", "peak_nbytes", "taken_over"]


@dataclass(frozen=True, slots=True)
class OrderProblem:
    """Tasks and buffers by number; the program's order is that of the numbers, and respects every edge.

    before: per task, the tasks that must come before it; among them, or before them, the makers of what it uses.
    makes: per task, the buffers it defines; no other task defines them.
    uses: per task, the buffers it reads, each once.
    reuses: per task, the buffers among `uses` whose bytes an output of equal size may take over, if this is
        their last use.
    nbytes: per buffer. kept: buffers that are live to the end. workspace: per task, temporary bytes.
    """

    before: tuple[tuple[int, ...], ...]
    makes: tuple[tuple[int, ...], ...]
    uses: tuple[tuple[int, ...], ...]
    reuses: tuple[tuple[int, ...], ...]
    nbytes: tuple[int, ...]
    kept: tuple[int, ...]
    workspace: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """What is asked of a problem again and again.

    after: per task, the tasks that have it in `before`. readers: per buffer, the tasks that use it.
    left: per buffer, how many tasks use it, and one more if it is kept. lasting: per buffer, whether it is kept.
    made: per task, the bytes it makes. wasted: per task, the bytes of those that nothing uses. given: bytes that no
    task makes.
    """

    after: list[list[int]]
    readers: list[list[int]]
    left: list[int]
    lasting: list[bool]
    made: list[int]
    wasted: list[int]
    given: int


def links(problem: OrderProblem) -> Links:
    """O(tasks + edges + uses)."""
    nbytes = problem.nbytes
    after: list[list[int]] = [[] for _ in problem.before]
    for task, earlier in enumerate(problem.before):
        for b in earlier:
            after[b].append(task)
    readers: list[list[int]] = [[] for _ in nbytes]
    for task, used in enumerate(problem.uses):
        for b in used:
            readers[b].append(task)
    left = [len(r) for r in readers]
    lasting = [False] * len(nbytes)
    for b in problem.kept:
        lasting[b] = True
        left[b] += 1
    made = [0] * len(after)
    wasted = [0] * len(after)
    for task, makes in enumerate(problem.makes):
        for b in makes:
            made[task] += nbytes[b]
            if not left[b]:
                wasted[task] += nbytes[b]
    return Links(after, readers, left, lasting, made, wasted, sum(nbytes) - sum(made))


def _start(problem: OrderProblem) -> tuple[list[int], int]:
    """How many tasks have yet to use each buffer (one more for what is kept), and the bytes that no task makes."""
    nbytes = problem.nbytes
    left = [0] * len(nbytes)
    for used in problem.uses:
        for b in used:
            left[b] += 1
    for b in problem.kept:
        left[b] += 1
    live = sum(nbytes)
    for made in problem.makes:
        for b in made:
            live -= nbytes[b]
    return left, live


def live_nbytes(problem: OrderProblem, order: Iterable[int]) -> list[int]:
    """The bytes live while each task of the order runs: what it needs, what it makes, what later tasks need.

    order: every task once; whether it respects the edges is not asked. O(tasks + uses).
    """
    makes, uses, reuses, nbytes = problem.makes, problem.uses, problem.reuses, problem.nbytes
    workspace = problem.workspace
    left, live = _start(problem)
    found = []
    for task in order:
        made = makes[task]
        for b in made:
            live += nbytes[b]
        during = live + workspace[task]
        if reuses[task]:
            during -= taken_over(made, [b for b in reuses[task] if left[b] == 1], nbytes)
        found.append(during)
        for b in uses[task]:
            if left[b] == 1:
                live -= nbytes[b]
            left[b] -= 1
        for b in made:
            if not left[b]:
                live -= nbytes[b]
    return found


def taken_over(made: Sequence[int], dying: Sequence[int], nbytes: Sequence[int]) -> int:
    """Bytes of the outputs `made` that lie in those of the buffers `dying`, each at most once."""
    if len(made) == 1:
        size = nbytes[made[0]]
        for b in dying:
            if nbytes[b] == size:
                return size
        return 0
    sizes = [nbytes[b] for b in made]
    total = 0
    for b in dying:
        if nbytes[b] in sizes:
            sizes.remove(nbytes[b])
            total += nbytes[b]
    return total


def peak_nbytes(problem: OrderProblem, order: Iterable[int]) -> int:
    """The most bytes live while any task of the order runs: no arena for this order is smaller. O(tasks + uses)."""
    return max(live_nbytes(problem, order), default=0)


def bound_nbytes(problem: OrderProblem, task: int) -> int:
    """Bytes that are live while `task` runs in any order at all: no order has a lower peak.

    They are those that it makes, and those that it or an earlier task makes and it or a later one uses, where
    earlier and later are meant of every order. O(tasks + edges + uses).
    """
    nbytes, makes, uses = problem.nbytes, problem.makes, problem.uses
    earlier, later = _earlier(problem, task), _later(problem, task)
    made = {b for t in earlier for b in makes[t]}
    needed = {b for t in later for b in uses[t]}.union(problem.kept)
    own = makes[task]
    total = sum([nbytes[b] for b in own]) + problem.workspace[task]
    total -= taken_over(own, [b for b in problem.reuses[task] if b not in needed], nbytes)
    somewhere = {b for made_there in makes for b in made_there}
    needed.update(uses[task])
    for b in needed:
        if b in made or b not in somewhere:
            total += nbytes[b]
    return total


def _earlier(problem: OrderProblem, task: int) -> list[int]:
    """The tasks that come before `task` in every order."""
    before = problem.before
    found, seen = list(before[task]), set(before[task])
    for t in found:
        for b in before[t]:
            if b not in seen:
                seen.add(b)
                found.append(b)
    return found


def _later(problem: OrderProblem, task: int) -> list[int]:
    """The tasks that come after `task` in every order: no task has a lower number than one that comes before it."""
    before = problem.before
    found, seen = [], {task}
    for t in range(task + 1, len(before)):
        for b in before[t]:
            if b in seen:
                seen.add(t)
                found.append(t)
                break
    return found
