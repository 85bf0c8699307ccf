"""Which node runs on which lane: a schedule's nodes as tasks with seconds, and what `plan_lanes` makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphflow.graph import Node
from graphflow.op import Trait
from graphflow.planning.cost import Calibration, Machine, node_cost
from graphflow.planning.liveness import order_problem
from graphflow.planning.schedule import Schedule
from graphflow.subgraph import Subgraph

if TYPE_CHECKING:
    from graphflow.planning.lanes import LaneSchedule

__all__ = ["LanePlan", "choose_lanes"]

LARGE_NBYTES = 1 << 18
"""Nodes that touch fewer bytes take microseconds: a run without two larger ones stays on one lane, unasked."""


@dataclass(frozen=True, slots=True, eq=False)
class LanePlan:
    """The nodes in the order of their planned starts, with lanes. until: per position, the last position at whose
    start that node still runs. Nodes of the commit come last, on lane 0.
    """

    order: tuple[Node, ...]
    lane: tuple[int, ...]
    until: tuple[int, ...]
    lanes: int
    predicted_seconds: float


def choose_lanes(
    subgraph: Subgraph,
    schedule: Schedule,
    workers: int,
    machine: Machine,
    calibration: Calibration | None = None,
) -> LanePlan | None:
    """Lanes for a run, or None where one lane does as well.

    workers: how many threads there are. calibration: what profiled runs said about the model.
    Runs with effects stay on one lane, and so does the commit. O((V + E) log V).
    """
    if workers < 2 or sum(map(_is_large, schedule.order)) < 2:
        return None
    if any(n.op.has_effect or "callback" in n.attrs for n in schedule.order):
        return None
    from graphflow.planning.lanes import TaskGraph, plan_lanes  # most programs have no work for two lanes

    number = {n: k for k, n in enumerate(schedule.order)}
    head = schedule.commit
    problem = order_problem(subgraph, schedule.writes)
    before: list[tuple[int, ...]] = [()] * len(number)
    for task, node in enumerate(subgraph.nodes):
        before[number[node]] = tuple([number[subgraph.nodes[b]] for b in problem.before[task]])
    seconds = [node_cost(n, machine, calibration).seconds for n in schedule.order[:head]]
    pinned = [k for k, n in enumerate(schedule.order[:head]) if n.op.is_control]
    tasks = TaskGraph(tuple(seconds), tuple(before[:head]))
    found = plan_lanes(tasks, workers, pinned=pinned)
    if found.lanes == 1:
        return None
    return _plan(schedule, found, head)


def _plan(schedule: Schedule, found: LaneSchedule, head: int) -> LanePlan:
    tail = range(head, len(schedule.order))
    numbers = [*found.order, *tail]
    until = found.until()
    return LanePlan(
        tuple([schedule.order[k] for k in numbers]),
        tuple([found.lane[k] if k < head else 0 for k in numbers]),
        tuple([until[k] if k < head else k for k in numbers]),
        found.lanes,
        found.makespan,
    )


def _is_large(node: Node) -> bool:
    if node.op.is_source or node.op.is_view:
        return False
    touched = sum([t.type.nbytes or 0 for t in (*node.inputs, *node.outputs)])
    return touched >= LARGE_NBYTES or bool(touched >= LARGE_NBYTES // 8 and node.op.traits & Trait.BLAS)
