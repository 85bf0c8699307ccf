"""A run as a list of steps in which nodes may run again and values may be put aside: what it holds, what it becomes.

A node is a task, numbered as in `subgraph.nodes`; what it makes are buffers, as in `OrderProblem`. Each step that
runs a task again makes its buffers anew, and every later step reads those made last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphflow.graph import Node, Tensor, detached
from graphflow.op import Trait
from graphflow.planning.cost import Machine, node_cost
from graphflow.planning.liveness import order_problem
from graphflow.planning.order import OrderProblem
from graphflow.subgraph import Subgraph

__all__ = ["Held", "Rewritten", "Step", "Tasks", "rewritten", "tasks_of", "unrolled"]

Step = tuple[str, int]
"""("run", task), ("spill", buffer) or ("restore", buffer)."""

_NOT_AGAIN = Trait.STATEFUL | Trait.EFFECT | Trait.FALLIBLE | Trait.CONTROL | Trait.SOURCE
"""What never runs twice. A random op may: it draws by its key and by a counter that is the same for the whole run."""


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """What may be asked of a subgraph in plain numbers.

    problem: its buffers, by task. views: for each task, those tasks whose views it reads: tasks that make no buffer of
        their own. shown: for each task that is such a view, the buffer whose bytes it shows; else -1.
    maker: for each buffer the task that makes it, -1 for what is there before the run.
    again: which tasks may run a second time. seconds: by the cost model. fixed: buffers that live to the end.
    fetched: those of them that nothing but the caller waits for, with the outputs that show them.
    """

    subgraph: Subgraph
    problem: OrderProblem
    views: tuple[tuple[int, ...], ...]
    shown: tuple[int, ...]
    maker: tuple[int, ...]
    again: tuple[bool, ...]
    seconds: tuple[float, ...]
    fixed: frozenset[int]


def tasks_of(subgraph: Subgraph, machine: Machine) -> Tasks:
    """The subgraph in plain numbers. O(V + E)."""
    problem = order_problem(subgraph)
    task_of = {node: i for i, node in enumerate(subgraph.nodes)}
    fed = set(subgraph.inputs)
    maker = [-1] * len(problem.nbytes)
    views: list[tuple[int, ...]] = []
    shown: list[int] = []
    again: list[bool] = []
    for i, node in enumerate(subgraph.nodes):
        for b in problem.makes[i]:
            maker[b] = i
        seen = [task_of[t.op] for t in node.inputs if t not in fed and t.op in task_of]
        views.append(tuple(dict.fromkeys([j for j in seen if shown[j] >= 0])))
        is_view = not problem.makes[i] and len(node.outputs) == 1 and node.op.is_view and problem.uses[i]
        shown.append(problem.uses[i][0] if is_view else -1)
        again.append(not node.op.traits & _NOT_AGAIN and _is_static(node))
    seconds = tuple([node_cost(node, machine).seconds for node in subgraph.nodes])
    return Tasks(
        subgraph,
        problem,
        tuple(views),
        tuple(shown),
        tuple(maker),
        tuple(again),
        seconds,
        frozenset(problem.kept),
    )


def _is_static(node: Node) -> bool:
    return all([t.type.is_static for t in node.inputs]) and all([t.type.is_static for t in node.outputs])


@dataclass(slots=True)
class Held:
    """Which buffers are there at a point of a run, and which views show what their buffer holds now."""

    tasks: Tasks
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
            self.there[b] = True
            self.made[b] += 1
        shown = self.tasks.shown[task]
        if shown >= 0:
            self.seen[task] = self.made[shown]

    def missing(self, task: int) -> list[int]:
        """The tasks that have to run again before `task` can, in order. O(their number and their inputs)."""
        views, shown, uses, maker = (
            self.tasks.views,
            self.tasks.shown,
            self.tasks.problem.uses,
            self.tasks.maker,
        )
        found: set[int] = set()
        stack = [task]
        while stack:
            t = stack.pop()
            for j in views[t]:
                b = shown[j]
                stale = not self.there[b] or self.seen[j] != self.made[b] or maker[b] in found
                if stale and j not in found:
                    found.add(j)
                    stack.append(j)
            for b in uses[t]:
                if not self.there[b] and maker[b] not in found:
                    found.add(maker[b])
                    stack.append(maker[b])
        return sorted(found)


def unrolled(problem: OrderProblem, steps: Sequence[Step]) -> OrderProblem:
    """The order problem of a list of steps: task k is step k. Its edges are left out. O(steps + uses)."""
    made = {b for makes in problem.makes for b in makes}
    latest = {b: k for k, b in enumerate([b for b in range(len(problem.nbytes)) if b not in made])}
    nbytes = [problem.nbytes[b] for b in latest]
    makes: list[tuple[int, ...]] = []
    uses: list[tuple[int, ...]] = []
    reuses: list[tuple[int, ...]] = []
    workspace: list[int] = []
    for kind, number in steps:
        inputs: tuple[int, ...] = (number,) if kind == "spill" else ()
        outputs: tuple[int, ...] = (number,) if kind == "restore" else ()
        taken: tuple[int, ...] = ()
        hidden = 0
        if kind == "run":
            inputs, outputs = problem.uses[number], problem.makes[number]
            taken, hidden = problem.reuses[number], problem.workspace[number]
        uses.append(tuple([latest[b] for b in inputs]))
        reuses.append(tuple([latest[b] for b in taken]))
        makes.append(tuple(range(len(nbytes), len(nbytes) + len(outputs))))
        for b in outputs:
            latest[b] = len(nbytes)
            nbytes.append(problem.nbytes[b])
        workspace.append(hidden)
    kept = tuple([latest[b] for b in problem.kept])
    empty = ((),) * len(steps)
    return OrderProblem(
        empty, tuple(makes), tuple(uses), tuple(reuses), tuple(nbytes), kept, tuple(workspace)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rewritten:
    """A subgraph that takes steps. stands_for: for each node of it that is new, the node that it was made from."""

    subgraph: Subgraph
    stands_for: dict[Node, Node]


def rewritten(tasks: Tasks, steps: Sequence[Step]) -> Rewritten:
    """The subgraph whose nodes are `steps`. What runs again is a node of its own, named `.../again`.

    The first nodes of each group that runs again have a control input, so that none runs before its time.
    O(V + E) of the result.
    """
    return _Writer(tasks).write(steps)


@dataclass(slots=True)
class _Writer:
    tasks: Tasks
    nodes: list[Node] = field(default_factory=list)
    current: dict[Tensor, Tensor] = field(default_factory=dict)
    moved: dict[Node, Node] = field(default_factory=dict)
    stands_for: dict[Node, Node] = field(default_factory=dict)

    def write(self, steps: Sequence[Step]) -> Rewritten:
        subgraph = self.tasks.subgraph
        ran = [False] * len(subgraph.nodes)
        assigned = {n.inputs[1].op for n in subgraph.nodes if n.op.name == "assign"}
        last: tuple[Node, ...] = ()
        group: set[Node] = set()
        for _, number in steps:
            node = subgraph.nodes[number]
            if ran[number]:
                group.add(self._again(node, last, group))
                continue
            ran[number] = True
            group = set()
            fresh = self._once(node)
            if not node.op.is_source and not node.op.is_view and node not in assigned:
                last = (fresh,)
        outputs = tuple([self.current.get(t, t) for t in subgraph.outputs])
        targets = tuple([self.moved.get(n, n) for n in subgraph.targets])
        made = Subgraph(tuple(self.nodes), subgraph.inputs, outputs, targets)
        return Rewritten(made, self.stands_for)

    def _once(self, node: Node) -> Node:
        inputs = tuple([self.current.get(t, t) for t in node.inputs])
        control = tuple([self.moved.get(n, n) for n in node.control_inputs])
        changed = any([a is not b for a, b in zip(inputs, node.inputs, strict=True)])
        if changed or any([a is not b for a, b in zip(control, node.control_inputs, strict=True)]):
            fresh = self.moved[node] = node.rebuilt(inputs, node.attrs, control)
            self.current.update(zip(node.outputs, fresh.outputs, strict=True))
            self.stands_for[fresh] = node
            node = fresh
        self.nodes.append(node)
        return node

    def _again(self, node: Node, last: tuple[Node, ...], group: set[Node]) -> Node:
        inputs = tuple([self.current.get(t, t) for t in node.inputs])
        control = () if any([t.op in group for t in inputs]) else last
        fresh = detached(node, node.op, inputs, node.attrs, control, f"{node.name}/again")
        self.current.update(zip(node.outputs, fresh.outputs, strict=True))
        self.stands_for[fresh] = node
        self.nodes.append(fresh)
        return fresh
