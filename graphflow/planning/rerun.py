"""A run as a list of steps in which nodes may run again and values may be put aside: what it holds, what it takes.

A node is a task, numbered as in `subgraph.nodes`; what it makes are buffers, as in `OrderProblem`. Each step that
runs a task again makes its buffers anew, and every later step reads those made last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphflow.graph import Node, Tensor
from graphflow.op import Trait
from graphflow.planning.cost import Cost, Machine, node_cost
from graphflow.planning.liveness import DIRECT_RESULT_NBYTES, order_problem
from graphflow.planning.tasks import OrderProblem, live_nbytes
from graphflow.subgraph import Subgraph
from graphflow.types import STRING

__all__ = [
    "Step",
    "Tasks",
    "held_by",
    "peak_of",
    "tasks_of",
]

Step = tuple[str, int]
"""("run", task), ("spill", buffer) or ("restore", buffer)."""

_NOT_AGAIN = Trait.STATEFUL | Trait.EFFECT | Trait.FALLIBLE | Trait.CONTROL | Trait.SOURCE
"""What never runs twice. A random op may: it draws by its key and by a counter that is the same for the whole run."""


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """What may be asked of a subgraph in plain numbers.

    problem: its buffers, by task; a view uses what it shows. planned: for each buffer whether it is in the arena.
    maker: for each buffer the task that makes it, -1 for what is there before the run.
    views: for each task, those it reads that are views: tasks which make no buffer of their own.
    shown: for each task that is such a view, the buffer whose bytes it shows; else -1.
    again: which tasks may run a second time. costs: by the cost model. fixed: buffers that live to the end.
    texts: buffers of text, which cannot be put aside. handed: views that are fetched, by task.
    behind: by value that an effect such as a print hands on, the value that it was given, which is read in its place.
    commit: the first task that writes a variable; nothing is brought back from there on.
    devices: where each node runs; empty where all run on the host. host: the device whose values go to files.
    arena, beside: bytes live while each task of the plain run runs: see `held_by`.
    """

    subgraph: Subgraph
    problem: OrderProblem
    planned: tuple[bool, ...]
    maker: tuple[int, ...]
    views: tuple[tuple[int, ...], ...]
    shown: tuple[int, ...]
    again: tuple[bool, ...]
    costs: tuple[Cost, ...]
    fixed: frozenset[int]
    texts: frozenset[int]
    handed: tuple[int, ...]
    behind: Mapping[Tensor, Tensor]
    commit: int
    devices: Mapping[Node, str]
    host: str
    arena: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()

    @property
    def peak_nbytes(self) -> int:
        """What the plain run takes of the arena and beside it."""
        return max(self.arena, default=0) + max(self.beside, default=0)

    def comes_back_planned(self, buffer: int) -> bool:
        """Whether a buffer that was put aside comes back to the arena.

        All do, but for large ones that are handed out, and for those of other devices than the host.
        """
        if self.devices and self.devices[self.subgraph.nodes[self.maker[buffer]]] != self.host:
            return False
        return not (buffer in self.fixed and self.problem.nbytes[buffer] >= DIRECT_RESULT_NBYTES)

    def tensor(self, buffer: int) -> Tensor:
        """The value whose bytes a buffer holds."""
        makes = self.problem.makes[self.maker[buffer]]
        outputs = self.subgraph.nodes[self.maker[buffer]].outputs
        return outputs[makes.index(buffer)] if len(makes) == len(outputs) else outputs[0]


def tasks_of(
    subgraph: Subgraph,
    machine: Machine | None = None,
    devices: Mapping[Node, str] | None = None,
    host: str = "cpu:0",
) -> Tasks:
    """The subgraph in plain numbers, its nodes being in the order in which they run. O(V + E)."""
    machine = Machine() if machine is None else machine
    problem = order_problem(subgraph)
    nodes = subgraph.nodes
    task_of = {node: i for i, node in enumerate(nodes)}
    fed = set(subgraph.inputs)
    maker = [-1] * len(problem.nbytes)
    held: dict[Tensor, int] = {}  # the buffer that a value is in
    behind: dict[Tensor, Tensor] = {}
    uses = list(problem.uses)
    views: list[tuple[int, ...]] = []
    shown: list[int] = []
    for i, node in enumerate(nodes):
        makes = problem.makes[i]
        for b in makes:
            maker[b] = i
        held.update(zip(node.outputs, makes, strict=False))
        inputs = [behind.get(t, t) for t in node.inputs]
        read = [task_of[t.op] for t in inputs if t in held and t not in fed]
        views.append(tuple(dict.fromkeys([j for j in read if shown[j] >= 0])))
        shown.append(-1)
        if (
            node.op.is_view
            and not makes
            and node.inputs
            and node.inputs[0] in held
            and node.op.name != "read"
        ):
            held[node.outputs[0]] = held[node.inputs[0]]
            if node.op.has_effect:  # it happens once, in its place, however often the value is made
                behind[node.outputs[0]] = inputs[0]
            else:
                shown[i] = held[node.inputs[0]]
                uses[i] = (shown[i],)
    tasks = Tasks(
        subgraph,
        replace(problem, uses=tuple(uses)),
        _planned(subgraph, problem),
        tuple(maker),
        tuple(views),
        tuple(shown),
        tuple([not node.op.traits & _NOT_AGAIN and _is_static(node) for node in nodes]),
        tuple([node_cost(node, machine) for node in nodes]),
        frozenset(problem.kept),
        frozenset([b for t, b in held.items() if t.type.dtype is STRING]),
        tuple(
            [
                task_of[t.op]
                for t in [behind.get(t, t) for t in subgraph.outputs]
                if t in held and t not in fed and shown[task_of[t.op]] >= 0
            ]
        ),
        behind,
        _commit(nodes),
        {} if devices is None else devices,
        host,
    )
    arena, beside = held_by(tasks, [("run", task) for task in range(len(nodes))])
    return replace(tasks, arena=tuple(arena), beside=tuple(beside))


def _planned(subgraph: Subgraph, problem: OrderProblem) -> tuple[bool, ...]:
    """For each buffer whether it is in the arena, as `lowering` decides it."""
    fetched = set(subgraph.outputs)
    planned = [True] * len(problem.nbytes)
    for node, makes in zip(subgraph.nodes, problem.makes, strict=True):
        fills = node.op.takes_out and (len(node.outputs) == 1 or _is_static(node))
        for b, t in zip(makes, node.outputs, strict=False):
            handed_out = problem.nbytes[b] >= DIRECT_RESULT_NBYTES and t in fetched
            planned[b] = node.op.name == "assign" or (fills and not handed_out and t.type.dtype is not STRING)
    return tuple(planned)


def _commit(nodes: tuple[Node, ...]) -> int:
    """The first assignment, or the node before it that makes what it writes."""
    for i, node in enumerate(nodes):
        if node.op.name == "assign":
            return i - 1 if i and any(t.op is nodes[i - 1] for t in node.inputs) else i
    return len(nodes)


def _is_static(node: Node) -> bool:
    return all(t.type.is_static for t in node.inputs) and all(t.type.is_static for t in node.outputs)


def held_by(tasks: Tasks, steps: Sequence[Step]) -> tuple[list[int], list[int]]:
    """The bytes live while each step runs: those of the arena, and those beside it, kernels' hidden ones among them.

    What lowering makes of the steps takes at least the largest of both, added up. O(steps + uses).
    """
    problem = tasks.problem
    latest = {b: k for k, b in enumerate([b for b, maker in enumerate(tasks.maker) if maker < 0])}
    sizes = [problem.nbytes[b] for b in latest]
    planned = [True] * len(sizes)
    makes: list[tuple[int, ...]] = []
    uses: list[tuple[int, ...]] = []
    reuses: list[tuple[int, ...]] = []
    hidden: list[int] = []
    for kind, number in steps:
        inputs: tuple[int, ...] = (number,) if kind == "spill" else ()
        outputs: tuple[int, ...] = (number,) if kind == "restore" else ()
        taken: tuple[int, ...] = ()
        if kind == "run":
            inputs, outputs, taken = problem.uses[number], problem.makes[number], problem.reuses[number]
        uses.append(tuple([latest[b] for b in inputs]))
        reuses.append(tuple([latest[b] for b in taken]))
        makes.append(tuple(range(len(sizes), len(sizes) + len(outputs))))
        for b in outputs:
            latest[b] = len(sizes)
            sizes.append(problem.nbytes[b])
            planned.append(tasks.comes_back_planned(b) if kind == "restore" else tasks.planned[b])
        hidden.append(problem.workspace[number] if kind == "run" else 0)
    arena = OrderProblem(
        ((),) * len(steps),
        tuple(makes),
        tuple(uses),
        tuple(reuses),
        tuple([n if p else 0 for n, p in zip(sizes, planned, strict=True)]),
        tuple([latest[b] for b in problem.kept]),
        (0,) * len(steps),
    )
    other = tuple([0 if p else n for n, p in zip(sizes, planned, strict=True)])
    beside = replace(arena, nbytes=other, workspace=tuple(hidden)) if any(other) else None
    every = range(len(steps))
    return live_nbytes(arena, every), hidden if beside is None else live_nbytes(beside, every)


def peak_of(tasks: Tasks, steps: Sequence[Step]) -> int:
    """The least that lowering can make of the steps: the arena and, beside it, the most that is live. O(steps + uses)."""
    arena, beside = held_by(tasks, steps)
    return max(arena, default=0) + max(beside, default=0)
