"""From steps, in which nodes run again and values are put aside, to the subgraph that takes them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphflow.graph import Node, Tensor, detached
from graphflow.ops.spill import RESTORE, SPILL
from graphflow.ops.transfer import TRANSFER
from graphflow.planning.rerun import Step, Tasks
from graphflow.planning.steps import extra_seconds
from graphflow.subgraph import Subgraph

__all__ = ["Rewritten", "rewritten"]


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """A subgraph that takes steps, and what it costs beside the plain run.

    again: the nodes that run more than once, with how often each runs again; views are not among them.
    aside: the nodes of which a value is put aside, with how often one is brought back.
    again_seconds, aside_seconds: what both add to a run, and plain_seconds without either, by the cost model on one
        lane. again_flops: operations that are done again.
    stands_for: for each node of `subgraph` that is new, the node that it was made for.
    """

    subgraph: Subgraph
    again: dict[Node, int]
    aside: dict[Node, int]
    again_flops: int
    again_seconds: float
    aside_seconds: float
    plain_seconds: float
    stands_for: dict[Node, Node]


def rewritten(tasks: Tasks, steps: Sequence[Step]) -> Rewritten:
    """The subgraph whose nodes are `steps`: what runs again is a node of its own, named `.../again`.

    Values of the host are put aside in files, those of other devices in the host's memory. New nodes ask for the device
    of what they stand for. What runs again and needs nothing that was just made again has a control input, as has what
    is brought back, so that it does not run before its time. O(V + E) of the result.
    """
    made, stands_for = _Writer(tasks).write(steps)
    nodes, maker = tasks.subgraph.nodes, tasks.maker
    ran = Counter([k for kind, k in steps if kind == "run"])
    again = {nodes[k]: count - 1 for k, count in ran.items() if count > 1 and tasks.problem.makes[k]}
    aside = {nodes[maker[k]]: 0 for kind, k in steps if kind == "spill"}
    for kind, k in steps:
        if kind == "restore":
            aside[nodes[maker[k]]] += 1
    flops = sum([tasks.costs[k].flops * (count - 1) for k, count in ran.items()])
    plain = math.fsum([cost.seconds for cost in tasks.costs])
    return Rewritten(made, again, aside, flops, *extra_seconds(tasks, steps), plain, stands_for)


@dataclass(slots=True)
class _Writer:
    tasks: Tasks
    nodes: list[Node] = field(default_factory=list)
    current: dict[Tensor, Tensor] = field(default_factory=dict)
    aside: dict[Tensor, Tensor] = field(default_factory=dict)  # what leads to what was put aside
    moved: dict[Node, Node] = field(default_factory=dict)
    stands_for: dict[Node, Node] = field(default_factory=dict)
    after: tuple[Node, ...] = ()  # what is next runs after it

    def write(self, steps: Sequence[Step]) -> tuple[Subgraph, dict[Node, Node]]:
        subgraph = self.tasks.subgraph
        ran = [False] * len(subgraph.nodes)
        written = {n.inputs[1].op for n in subgraph.nodes if n.op.name == "assign"}
        group: set[Node] = set()  # what was brought back or run again since the last node of the plain run
        for kind, number in steps:
            if kind == "spill":
                self._spill(self.tasks.tensor(number))
            elif kind == "restore":
                group.add(self._restore(self.tasks.tensor(number)))
            elif ran[number]:
                group.add(self._again(subgraph.nodes[number], group))
            else:
                ran[number] = True
                group.clear()
                node = self._once(subgraph.nodes[number])
                if not (node.op.is_source or node.op.is_view or subgraph.nodes[number] in written):
                    self.after = (node,)
        outputs = tuple([self._now(t) for t in subgraph.outputs])
        targets = tuple([self.moved.get(n, n) for n in subgraph.targets])
        return Subgraph(tuple(self.nodes), subgraph.inputs, outputs, targets), self.stands_for

    def _now(self, t: Tensor) -> Tensor:
        """The tensor that has the value of `t` at this point."""
        t = self.tasks.behind.get(t, t)
        return self.current.get(t, t)

    def _add(self, node: Node, stands_for: Node, device: str | None) -> Node:
        self.nodes.append(node)
        self.stands_for[node] = stands_for
        node.device = device or node.device
        return node

    def _once(self, node: Node) -> Node:
        inputs = tuple([self._now(t) for t in node.inputs])
        control = tuple([self.moved.get(n, n) for n in node.control_inputs])
        if _same(inputs, node.inputs) and _same(control, node.control_inputs):
            self.nodes.append(node)
            return node
        fresh = self._add(node.rebuilt(inputs, node.attrs, control), node, self.tasks.devices.get(node))
        self.moved[node] = fresh
        self.current.update(zip(node.outputs, fresh.outputs, strict=True))
        return fresh

    def _again(self, node: Node, group: set[Node]) -> Node:
        inputs = tuple([self._now(t) for t in node.inputs])
        control = () if any(t.op in group for t in inputs) else self.after
        fresh = detached(node, node.op, inputs, node.attrs, control, f"{node.name}/again")
        self.current.update(zip(node.outputs, fresh.outputs, strict=True))
        return self._add(fresh, node, self.tasks.devices.get(node))

    def _spill(self, t: Tensor) -> None:
        value, name = self.current.get(t, t), f"{t.op.name}/aside"
        host, device = self.tasks.host, self.tasks.devices.get(t.op)
        if device in (None, host):
            made = detached(t.op, SPILL, (value,), {}, (), name)
        else:
            made = detached(t.op, TRANSFER, (value,), {"source": device, "target": host}, (), name)
        self.aside[t] = self._add(made, t.op, host).outputs[0]

    def _restore(self, t: Tensor) -> Node:
        name = f"{t.op.name}/back"
        host, device = self.tasks.host, self.tasks.devices.get(t.op)
        if device in (None, host):
            typed = {"dtype": t.type.dtype, "shape": t.type.shape}
            made = detached(t.op, RESTORE, (self.aside[t],), typed, self.after, name)
        else:
            ends = {"source": host, "target": device}
            made = detached(t.op, TRANSFER, (self.aside[t],), ends, self.after, name)
        self.current[t] = made.outputs[0]
        return self._add(made, t.op, device or host)


def _same(a: Sequence[object], b: Sequence[object]) -> bool:
    return all(x is y for x, y in zip(a, b, strict=True))
