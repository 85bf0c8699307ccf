"""Orders made in one walk, by always taking the best of the tasks that can run: near-linear, for graphs of any size.

No rule is best on every graph; each of these was the best on some of those that were measured.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from graphflow.planning.tasks import Links, OrderProblem

__all__ = ["LIST_ORDERS", "freest_first", "gentlest_first", "last_made_first", "latest_needed_first"]

_Key = tuple[int, ...]
_Rule = Callable[[int, int, int, int], _Key]
"""(bytes made, bytes freed after it, step at which it became able to run, task) -> what is compared, the least first,
with the task as the last number."""


def last_made_first(problem: OrderProblem, linked: Links) -> list[int]:
    """What frees as much as it makes runs at once; else what goes on from what was made last: depth first."""
    return _forward(problem, linked, _last_made)


def gentlest_first(problem: OrderProblem, linked: Links) -> list[int]:
    """What frees as much as it makes runs at once, the least made first; else what frees most.

    Source: Liu 1987, "An Application of Generalized Tree Pebbling to Sparse Matrix Factorization", each task a segment
    of its own.
    """
    return _forward(problem, linked, _gentlest)


def freest_first(problem: OrderProblem, linked: Links) -> list[int]:
    """What leaves the fewest bytes behind runs first."""
    return _forward(problem, linked, _freest)


def _last_made(made: int, freed: int, step: int, task: int) -> _Key:
    return (0, made - freed, task) if made <= freed else (1, -step, made - freed, task)


def _gentlest(made: int, freed: int, step: int, task: int) -> _Key:
    return (0, made, task) if made <= freed else (1, -freed, task)


def _freest(made: int, freed: int, step: int, task: int) -> _Key:
    return made - freed, task


def _forward(problem: OrderProblem, linked: Links, rule: _Rule) -> list[int]:
    """Tasks from the first to the last. Each buffer tells the last task that has yet to use it that it will free it."""
    nbytes, uses = problem.nbytes, problem.uses
    after, made = linked.after, linked.made
    left = list(linked.left)
    lasting = linked.lasting
    remaining = [sum(r) for r in linked.readers]  # the sum of those yet to use it: of one, its number
    freed = list(linked.wasted)
    for b, n in enumerate(left):
        if n == 1 and not lasting[b]:
            freed[remaining[b]] += nbytes[b]
    waits = [len(earlier) for earlier in problem.before]
    enabled = [-1] * len(waits)
    heap = [rule(made[t], freed[t], -1, t) for t, n in enumerate(waits) if not n]
    heapify(heap)
    done = [False] * len(waits)
    order: list[int] = []
    while heap:
        task = heappop(heap)[-1]
        if done[task]:
            continue
        done[task] = True
        order.append(task)
        for b in uses[task]:
            left[b] -= 1
            remaining[b] -= task
            if left[b] == 1 and not lasting[b]:
                last = remaining[b]
                freed[last] += nbytes[b]
                if not waits[last]:
                    heappush(heap, rule(made[last], freed[last], enabled[last], last))
        step = len(order)
        for t in after[task]:
            waits[t] -= 1
            if not waits[t]:
                enabled[t] = step
                heappush(heap, rule(made[t], freed[t], step, t))
    return order


def latest_needed_first(problem: OrderProblem, linked: Links) -> list[int]:
    """Tasks from the last to the first: the next one back is that which needs the fewest bytes not yet needed."""
    nbytes, uses, before = problem.nbytes, problem.uses, problem.before
    needed = list(linked.lasting)
    waits = [len(later) for later in linked.after]
    change = [-made for made in linked.made]  # bytes live before it, less those live after it
    for task, used in enumerate(uses):
        for b in used:
            if not needed[b]:
                change[task] += nbytes[b]
    heap = [(change[t], -t) for t, n in enumerate(waits) if not n]
    heapify(heap)
    done = [False] * len(waits)
    order: list[int] = []
    while heap:
        task = -heappop(heap)[1]
        if done[task]:
            continue
        done[task] = True
        order.append(task)
        for b in uses[task]:
            if needed[b]:
                continue
            needed[b] = True
            for t in linked.readers[b]:
                if not done[t]:
                    change[t] -= nbytes[b]
                    if not waits[t]:
                        heappush(heap, (change[t], -t))
        for t in before[task]:
            waits[t] -= 1
            if not waits[t]:
                heappush(heap, (change[t], -t))
    order.reverse()
    return order


LIST_ORDERS = (last_made_first, gentlest_first, freest_first, latest_needed_first)
"""In the order of how often each was the best."""
