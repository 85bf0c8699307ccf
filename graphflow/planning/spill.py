"""Spilling: values with long gaps between their uses are put aside, in a file or in the host's memory, and brought back.

The bits that come back are those that went. A value is written once, however often it is brought back.
"""

from __future__ import annotations

from graphflow.planning.evict import Means, evicted
from graphflow.planning.recompute import Measure, Method, evicting, settled, smallest_nbytes
from graphflow.planning.rerun import Step, Tasks
from graphflow.planning.rewritten import Rewritten

__all__ = ["least_steps", "spill", "spilling"]


def spill(tasks: Tasks, limit_nbytes: int, measure: Measure, *, again: bool = False) -> Rewritten | None:
    """Rewrite a subgraph so that its peak is at most `limit_nbytes`, by putting values aside.

    tasks: of the subgraph, bound and in the order of its schedule.
    measure: asked a few times; the subgraph itself is known to need more than the limit.
    again: values may be computed again too; each is given up in the way that takes less time.
    None where that does not reach the limit. Near-linear.
    """
    found = settled(tasks, measure(tasks.subgraph), limit_nbytes, spilling(tasks, again=again), measure)
    return None if found is None else found[0]


def spilling(tasks: Tasks, *, again: bool) -> list[Method]:
    """The methods that put values aside."""
    return evicting(tasks, Means(again, True, smallest_nbytes(tasks)))


def least_steps(tasks: Tasks) -> tuple[Step, ...] | None:
    """Steps that hold as little as can be: all that is not needed at a moment is put aside."""
    return evicted(tasks, 0, 0, Means(False, True, smallest_nbytes(tasks)))
