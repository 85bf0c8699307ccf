"""Spilling: values with long gaps between their uses are put aside, in a file or in the host's memory, and brought back.

The bits that come back are those that went. A value is written once, however often it is brought back.
"""

from __future__ import annotations

from graphflow.planning.cost import Machine
from graphflow.planning.evict import Means, evicted
from graphflow.planning.recompute import (
    Measure,
    Method,
    evicting,
    scheduled_tasks,
    settled,
    smallest_nbytes,
)
from graphflow.planning.rerun import Rewritten, Step, Tasks
from graphflow.subgraph import Subgraph

__all__ = ["least_steps", "spill", "spilling"]


def spill(
    subgraph: Subgraph,
    limit_nbytes: int,
    measure: Measure,
    machine: Machine | None = None,
    *,
    again: bool = False,
    host: str | None = None,
) -> Rewritten | None:
    """Rewrite a bound subgraph so that its peak is at most `limit_nbytes`, by putting values aside.

    again: values may be computed again too; each is given up in the way that takes less time.
    host: the device in whose memory they are put; None for files, for what runs on the host.
    measure: asked a few times; the subgraph itself is known to need more than the limit.
    None where that does not reach the limit. Near-linear.
    """
    tasks = scheduled_tasks(subgraph, machine)
    found = settled(tasks, measure(subgraph), limit_nbytes, spilling(tasks, again=again), measure, host)
    return None if found is None else found[0]


def spilling(tasks: Tasks, *, again: bool) -> list[Method]:
    """The methods that put values aside."""
    return evicting(tasks, Means(again, True, smallest_nbytes(tasks)))


def least_steps(tasks: Tasks) -> tuple[Step, ...] | None:
    """Steps that hold as little as can be: all that is not needed at a moment is put aside."""
    return evicted(tasks, 0, 0, Means(False, True, smallest_nbytes(tasks)))
