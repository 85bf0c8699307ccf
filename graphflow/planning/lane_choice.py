"""Which node runs on which lane: a schedule's nodes as tasks with seconds, and what `plan_lanes` makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphflow.graph import Node
from graphflow.op import Trait
from graphflow.ops.fused import FUSED
from graphflow.ops.product_panels import is_split
from graphflow.planning.cost import Calibration, Machine, node_cost
from graphflow.planning.liveness import order_edges
from graphflow.planning.schedule import Schedule
from graphflow.subgraph import Subgraph
from graphflow.types import TensorType

if TYPE_CHECKING:
    from graphflow.planning.lanes import LaneSchedule

__all__ = ["LanePlan", "choose_lanes"]

_IN_PIECES = frozenset(["conv", "conv_transpose", "conv_filter_grad"])

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
    if workers < 2 or not _has_two_large(schedule.order):
        return None
    if any(n.op.has_effect or "callback" in n.attrs for n in schedule.order):
        return None
    from graphflow.planning.lanes import (  # most programs have no work for two lanes
        LEAST_GAIN,
        TaskGraph,
        plan_lanes,
    )

    number = {n: k for k, n in enumerate(schedule.order)}
    head = schedule.commit
    edges = order_edges(subgraph, schedule.writes)
    before: list[tuple[int, ...]] = [()] * len(number)
    for task, node in enumerate(subgraph.nodes):
        before[number[node]] = tuple([number[subgraph.nodes[b]] for b in edges[task]])
    costs = _seconds(schedule.order[:head], machine, calibration)
    shared = [_shares_threads(n) for n in schedule.order[:head]]
    # what keeps all threads busy takes as long beside others as alone: only the rest can gain
    seconds = [0.0 if own else cost for own, cost in zip(shared, costs, strict=True)]
    pinned = [k for k, n in enumerate(schedule.order[:head]) if n.op.is_control or shared[k]]
    tasks = TaskGraph(tuple(seconds), tuple(before[:head]))
    found = plan_lanes(tasks, workers, pinned=pinned)
    together = math.fsum([cost for own, cost in zip(shared, costs, strict=True) if own]) / workers
    alone = tasks.work + together
    if found.lanes == 1 or tasks.work - found.makespan < LEAST_GAIN * alone:
        return None
    return _plan(schedule, found, head)


def _seconds(nodes: Sequence[Node], machine: Machine, calibration: Calibration | None) -> list[float]:
    """What each node takes; asked once for those without attributes that take and make the same types."""
    known: dict[tuple[Any, ...], float] = {}
    found = []
    for node in nodes:
        if node.attrs or calibration is not None:
            found.append(node_cost(node, machine, calibration).seconds)
            continue
        key = (node.op, *[t.type for t in node.inputs], *[t.type for t in node.outputs])
        seconds = known.get(key)
        if seconds is None:
            seconds = known[key] = node_cost(node, machine, None).seconds
        found.append(seconds)
    return found


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


def _shares_threads(node: Node) -> bool:
    """Whether a kernel hands pieces of its work to all threads by itself: beside it others gain nothing."""
    if node.op is FUSED or node.op.name in _IN_PIECES:
        return True
    if node.op.name != "matmul":
        return False
    out = node.outputs[0].type
    flops = node.op.flops([t.type for t in node.inputs], [out]) if node.op.flops and out.is_static else 0
    return is_split(flops, out.nbytes or 0)


def _has_two_large(nodes: Sequence[Node]) -> bool:
    nbytes: dict[TensorType, int] = {}
    found = 0
    for node in nodes:
        if node.op.is_source or node.op.is_view:
            continue
        touched = 0
        for t in (*node.inputs, *node.outputs):
            size = nbytes.get(t.type)
            if size is None:
                size = nbytes[t.type] = t.type.nbytes or 0
            touched += size
        if touched >= LARGE_NBYTES or (touched >= LARGE_NBYTES // 8 and node.op.traits & Trait.BLAS):
            found += 1
            if found == 2:
                return True
    return False
