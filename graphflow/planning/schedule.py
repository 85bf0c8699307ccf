"""The order of a run: the fewest bytes live at once that are found, and writes of variables last.

What can fail comes before the first write where dependencies allow, so that a run which fails leaves
no trace. What cannot may run between the writes, so that not all that is written is held at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS
from graphflow.planning.liveness import order_problem
from graphflow.planning.order import OrderProblem, best_order, peak_nbytes
from graphflow.planning.writes import Write, Written, is_single_call, write_last, written
from graphflow.subgraph import Subgraph

__all__ = ["SMALL_NBYTES", "Schedule", "Write", "in_program_order", "live_peak_nbytes", "schedule"]

SMALL_NBYTES = 1 << 17
"""A run whose values take fewer bytes, all of them together, keeps the program's order: they stay in the cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """order: every node once. commit: position from which nothing can fail any more. writes: by node.

    numbers: the nodes of `order` as positions in the subgraph's nodes.
    """

    order: tuple[Node, ...]
    commit: int
    writes: dict[Node, Write]
    numbers: tuple[int, ...] = ()


def schedule(subgraph: Subgraph, like: Sequence[int] | None = None) -> Schedule:
    """Order the nodes and decide how each variable is written.

    The peak is at most that of the program's order with the writes last; see `best_order`.
    like: the numbers of a schedule of the same nodes with other sizes: in place of a search, its order is taken if
        its peak is lower here too; where it does not fit, it is left aside. O(V + E) then.
    """
    base = write_last(subgraph)
    is_settled = _is_small(subgraph) or _has_one_order(base.order)
    found = base if is_settled else _reordered(subgraph, base, like)
    number = {n: k for k, n in enumerate(subgraph.nodes)}
    return Schedule(found.order, found.commit, found.writes, tuple([number[n] for n in found.order]))


def in_program_order(subgraph: Subgraph) -> Schedule:
    """The program's own order, with the writes last. O(V + E)."""
    return schedule(subgraph, range(len(subgraph.nodes)))


def live_peak_nbytes(subgraph: Subgraph, found: Schedule) -> int:
    """The most bytes of values live at once in the order of a schedule, hidden workspace included. O(V + E)."""
    problem = order_problem(replace(subgraph, nodes=found.order), found.writes)
    return peak_nbytes(problem, range(len(found.order)))


def _is_small(subgraph: Subgraph) -> bool:
    total = 0
    sizes: dict[object, int] = {}
    for node in subgraph.nodes:
        for t in node.outputs:
            size = sizes.get(t.type)
            if size is None:
                size = sizes[t.type] = t.type.nbytes or 0
            total += size
    return total <= SMALL_NBYTES


def _has_one_order(nodes: Sequence[Node]) -> bool:
    """Whether each node needs the one before it, but for those that give variables and constants, which take no bytes."""
    last = None
    for node in nodes:
        if node.op.is_source or node.op.name == "read":
            continue
        if last is not None and last not in [t.op for t in node.inputs] and last not in node.control_inputs:
            return False
        last = node
    return True


def _reordered(subgraph: Subgraph, base: Written, like: Sequence[int] | None) -> Written:
    """A better order with its writes, or `base` itself."""
    if like is not None and len(like) != len(subgraph.nodes):
        return base
    tasks = _tasks(subgraph, base)
    order = best_order(tasks.problem) if like is None else tasks.alike([subgraph.nodes[k] for k in like])
    if all(k == task for k, task in enumerate(order)):
        return base
    found = written(tasks.nodes_in(order), subgraph.outputs, tasks.producers)
    kept = all(found.writes[n].direct for n, write in base.writes.items() if write.direct)
    return found if kept else base


@dataclass(frozen=True, slots=True, eq=False)
class _Tasks:
    """The nodes of a run as tasks, numbered as in the order that has the writes last.

    barrier: the number of a node that is not in the subgraph; it runs after all that must come before the first write
        into a variable's own bytes, and before that write; -1 where there is none.
    producers: for an assignment, who writes for it; it has to run right before it.
    """

    nodes: tuple[Node, ...]
    problem: OrderProblem
    barrier: int
    producers: dict[Node, Node]

    def nodes_in(self, order: Sequence[int]) -> tuple[Node, ...]:
        """The nodes in an order of the tasks, each assignment right after who writes for it."""
        assigns = {p: n for n, p in self.producers.items()}
        found: list[Node] = []
        for task in order:
            node = self.nodes[task]
            if task == self.barrier or node in self.producers:
                continue
            found.append(node)
            if node in assigns:
                found.append(assigns[node])
        return tuple(found)

    def alike(self, nodes: Sequence[Node]) -> Sequence[int]:
        """The tasks in the order of `nodes` if that is one, with a lower peak; else in their own."""
        own = range(len(self.nodes))
        number = {n: k for k, n in enumerate(self.nodes)}
        order = [number[n] for n in nodes]
        before = self.problem.before
        if self.barrier >= 0:
            held = next((k for k, task in enumerate(order) if self.barrier in before[task]), len(order))
            order.insert(held, self.barrier)
        done = [False] * len(before)
        for task in order:
            if done[task] or not all(done[b] for b in before[task]):
                return own
            done[task] = True
        fits = len(order) == len(own) and peak_nbytes(self.problem, order) < peak_nbytes(self.problem, own)
        return order if fits else own


def _tasks(subgraph: Subgraph, base: Written) -> _Tasks:
    """The order problem of a run, with what keeps direct writes direct as edges of its own."""
    producers = {w.node: w.producer for w in base.writes.values() if w.producer is not None}
    nodes, barrier = base.order, -1
    if any(w.direct for w in base.writes.values()):
        barrier = base.commit
        middle = detached(nodes[barrier], OPS["no_op"], (), {}, name="commit")
        nodes = (*nodes[:barrier], middle, *nodes[barrier:])
    problem = order_problem(replace(subgraph, nodes=nodes), base.writes)
    if barrier >= 0:
        before = list(problem.before)
        before[barrier] = _pinned(nodes[:barrier], problem, subgraph)
        _add_writes(nodes, base, barrier, before)
        problem = replace(problem, before=tuple(before))
    return _Tasks(nodes, problem, barrier, producers)


def _pinned(nodes: Sequence[Node], problem: OrderProblem, subgraph: Subgraph) -> tuple[int, ...]:
    """Of the nodes before the first write those that have to stay there: what can fail, allocates, or is fetched."""
    fetched = set(subgraph.outputs)
    free: set[Node] = set()
    found = []
    for k, node in enumerate(nodes):
        op = node.op
        if op.is_source or op.name in ("read", "no_op"):
            continue
        if (op.is_view or op.takes_out) and is_single_call(node) and node.outputs[0] not in fetched:
            shows = op.is_view and not problem.makes[k]
            if node.inputs[0].op in free if shows else op.takes_out:
                free.add(node)
                continue
        found.append(k)
    return tuple(found)


def _add_writes(nodes: Sequence[Node], base: Written, barrier: int, before: list[tuple[int, ...]]) -> None:
    """Put the barrier, and all that reads a variable's old value, before each direct write."""
    number = {w.producer: w.node for w in base.writes.values() if w.direct and w.producer is not None}
    shown: dict[Tensor, Tensor] = {}  # values of variables and views of them, with the variable
    readers: dict[Tensor, list[int]] = {}
    begins: dict[Node, int] = {}  # by assignment
    for k, node in enumerate(nodes):
        if node in number:
            begins[number[node]] = k
        handle = node.inputs[0] if node.op.name in ("read", "assign") else None
        if handle is None or node.op.name == "assign":
            for t in node.inputs:
                if t in shown:
                    readers.setdefault(shown[t], []).append(k)
        if node.op.name == "assign" and base.writes[node].direct and handle is not None:
            begin = begins.get(node, k)
            earlier = [*before[begin], barrier, *readers.pop(handle, ()), *before[k]]
            before[begin] = tuple(dict.fromkeys([b for b in earlier if b not in (begin, k)]))
        if handle is not None:
            shown[node.outputs[0]] = handle
        elif node.op.is_view and node.inputs[0] in shown:
            shown[node.outputs[0]] = shown[node.inputs[0]]
