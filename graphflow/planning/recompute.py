"""Recomputation: values that are not kept for their late uses but computed again right before them.

Two methods give candidates, segments between checkpoints and greedy eviction, and the cheapest in work that stays
within the limit is taken. Bits stay: what runs again is pure, deterministic and silent, and reads what it read before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphflow.planning.evict import Means, evicted
from graphflow.planning.rerun import Step, Tasks, peak_of
from graphflow.planning.rewritten import Rewritten, rewritten
from graphflow.planning.segments import segmented, turn_of
from graphflow.planning.steps import extra_seconds
from graphflow.planning.tasks import taken_over
from graphflow.subgraph import Subgraph

__all__ = [
    "Measure",
    "Method",
    "evicting",
    "recompute",
    "recomputing",
    "settled",
    "smallest_nbytes",
]

Measure = Callable[[Subgraph], int]
"""The peak in bytes of a subgraph's program that keeps the order of its nodes, variables and all."""

Method = Callable[[int], tuple[Step, ...] | None]
"""Steps that should stay within a number of bytes."""

MEASURES = 3
"""How often a rewritten subgraph is measured at most."""

NEAR = 0.93
"""What stays within the limit is good enough if it takes this part of it: less of it might do with less work."""

TRIES = 6
"""How often the bytes that steps may take are guessed at most."""

ASKED = 4
"""How often a method is asked, for less each time, until its steps stay within what was meant."""

SMALLEST = 2048
"""A value smaller than this part of the peak stays where it is."""


def recompute(tasks: Tasks, limit_nbytes: int, measure: Measure) -> Rewritten | None:
    """Rewrite a subgraph so that its peak is at most `limit_nbytes`, by running some of its nodes again.

    tasks: of the subgraph, bound and in the order of its schedule.
    measure: asked a few times; the subgraph itself is known to need more than the limit.
    What runs again has the user's line and a name like `dense/Relu/again`, and stands right before what needs it.
    None where recomputation alone does not reach the limit.
    Never runs again: what has effects or state, what may fail, control flow, sizes that depend on data.
    Near-linear.
    """
    found = settled(tasks, measure(tasks.subgraph), limit_nbytes, recomputing(tasks), measure)
    return None if found is None else found[0]


def settled(
    tasks: Tasks,
    now_nbytes: int,
    limit_nbytes: int,
    methods: Sequence[Method],
    measure: Measure,
) -> tuple[Rewritten, int] | None:
    """The cheapest rewrite that is found by these methods with a peak within the limit, and that peak; None for none.

    now_nbytes: the measured peak of the plain run. What is measured differs from what the steps say by variables,
    constants, gaps of the arena, and by what is fused later: so the bytes that steps may take are searched for.
    """
    floor = _floor(tasks)
    low, high = floor - 1, tasks.peak_nbytes  # room that is too little or was enough, and that was too much
    room = min(max(limit_nbytes - now_nbytes + tasks.peak_nbytes, floor), high)
    best, measures = None, 0
    for _ in range(TRIES):
        steps = _cheapest_within(room, tasks, methods)
        guess = -1
        if steps is None:
            low = room
        else:
            made = rewritten(tasks, steps)
            measured = measure(made.subgraph)
            measures += 1
            if measured <= limit_nbytes:
                best, low = (made, measured), room
                if measured >= NEAR * limit_nbytes or room == high:
                    break
            else:
                high = room
                guess = limit_nbytes - (measured - peak_of(tasks, steps))
        if high - low <= high // 100 or measures == MEASURES:
            break
        room = guess if best is None and low < guess < high else (low + high) // 2
    return best


def _cheapest_within(room: int, tasks: Tasks, methods: Sequence[Method]) -> tuple[Step, ...] | None:
    """Of the methods' steps that stay within `room` bytes those that take least time; None if none do."""
    found = [steps for steps in (_within(room, tasks, method) for method in methods) if steps is not None]
    return min(found, key=lambda steps: sum(extra_seconds(tasks, steps)), default=None)


def _floor(tasks: Tasks) -> int:
    """Bytes that no steps go below: what one task needs in the arena, and what one makes beside it."""
    problem, planned = tasks.problem, tasks.planned
    inside, beside = [0], [0]
    for task, makes in enumerate(problem.makes):
        needs = sum(
            [problem.nbytes[b] for b in (*problem.uses[task], *makes) if planned[b] and tasks.maker[b] >= 0]
        )
        inside.append(needs - taken_over(makes, problem.reuses[task], problem.nbytes))
        beside.append(sum([problem.nbytes[b] for b in makes if not planned[b]]) + problem.workspace[task])
    return max(inside) + max(beside)


def _within(room: int, tasks: Tasks, method: Method) -> tuple[Step, ...] | None:
    target = room
    for _ in range(ASKED):
        steps = method(target) if target > 0 else None
        if steps is None:
            return None
        peak = peak_of(tasks, steps)
        if peak <= room:
            return steps
        target -= max(peak - room, target // 64, 1)
    return None


def smallest_nbytes(tasks: Tasks) -> int:
    """The size from which on a value is worth the trouble of giving it up."""
    return max(1, tasks.peak_nbytes // SMALLEST)


def recomputing(tasks: Tasks) -> list[Method]:
    """The methods that compute values again: segments at the position where most is live, and greedy eviction."""
    methods: list[Method] = []
    live = [a + b for a, b in zip(tasks.arena, tasks.beside, strict=True)][: tasks.commit]
    if live:
        turn = turn_of(tasks, max(range(len(live)), key=live.__getitem__))
        methods.append(lambda target: segmented(turn, target))
    return [*methods, *evicting(tasks, Means(smallest_nbytes=smallest_nbytes(tasks)))]


def evicting(tasks: Tasks, means: Means) -> list[Method]:
    """Greedy eviction, with as many bytes beside the arena as the plain run takes, and with as few as can be."""
    least = [
        sum([tasks.problem.nbytes[b] for b in (*uses, *makes) if not tasks.planned[b]]) + hidden
        for uses, makes, hidden in zip(
            tasks.problem.uses, tasks.problem.makes, tasks.problem.workspace, strict=True
        )
    ]
    rooms = dict.fromkeys([max(tasks.beside, default=0), max(least, default=0)])

    def method(room: int) -> Method:
        return lambda target: evicted(tasks, target - room, room, means)

    return [method(room) for room in rooms]
