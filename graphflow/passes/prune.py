"""What nothing uses of branches and loops is dropped: results, carried values, elements, captures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphflow.graph import Node, Tensor
from graphflow.ops.body import Body
from graphflow.passes.bodies import Roles, body_of, kind_of, roles_of, with_bodies
from graphflow.passes.splice import Now, Splice, splice
from graphflow.subgraph import Subgraph
from graphflow.types import dims_equal

__all__ = ["prune"]

_MOST_ROUNDS = 20
"""A round for each of so many loops in a row that only serve one another; two or three are ordinary."""


def prune(subgraph: Subgraph) -> Subgraph:
    """Drop what nothing uses inside control flow, in rounds, as what one loop drops may have been another's last use.

        %1 = cond(%p, %x, %y, bodies=...) : float32[3], float32[]      where only %1.0 is used
        becomes
        %1 = cond(%p, %x, bodies=...) : float32[3]                     without what %y was captured for

    Of a branch the results that nothing uses; of loops and scans the carried values, stacks and elements that neither
    a result in use nor the condition depends on, through any number of iterations; of all the inputs that are then
    left over. Nodes outside of bodies need no such pass: `cut` takes only what a run needs, and rewrites keep to that.
    What has effects stays, whoever uses it; what may fail goes, as elsewhere, where nothing depends on it. One of the
    elements of a scan stays, as it says how often to go, and all whose lengths the run has to compare.
    O(V + E) a round, bodies included.
    """
    if not any(node.op.is_control for node in subgraph.nodes):
        return subgraph
    for _ in range(_MOST_ROUNDS):
        pruned = _round(subgraph)
        if pruned is subgraph:
            break
        subgraph = pruned
    return subgraph


def _round(subgraph: Subgraph) -> Subgraph:
    used = set(subgraph.outputs)
    for node in subgraph.nodes:
        used.update(node.inputs)

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        if not kind_of(node):
            return None
        found = _kept(node, [t in used for t in node.outputs])
        return found.rebuilt(current) if found.drops(node) else None

    return splice(subgraph, replace)


def _chosen(items: Iterable[Tensor], flags: Sequence[bool]) -> tuple[Tensor, ...]:
    return tuple([t for t, use in zip(items, flags, strict=True) if use])


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What stays of a control-flow node: flags for its inputs and outputs and each body's outputs, and nodes by body."""

    inputs: list[bool]
    outputs: list[bool]
    results: list[list[bool]]
    nodes: list[set[Node]]

    def drops(self, node: Node) -> bool:
        """True if anything goes."""
        return not (
            all(self.inputs)
            and all(map(all, self.results))
            and all(
                len(kept) == len(body.nodes)
                for kept, body in zip(self.nodes, node.attrs["bodies"], strict=True)
            )
        )

    def rebuilt(self, node: Node) -> Splice:
        roles = roles_of(node)
        flags = [True] * roles.first + self.inputs[roles.lead :]
        bodies = []
        for body, results, nodes in zip(node.attrs["bodies"], self.results, self.nodes, strict=True):
            inside = tuple([n for n in body.nodes if n in nodes])
            outputs = _chosen(body.outputs, results)
            bodies.append(body_of(Subgraph(inside, _chosen(body.inputs, flags), outputs, body.effects)))
        changes = {}
        carried = self.inputs[: roles.n_carry]
        if kind_of(node) != "cond":
            changes = {
                "n_carry": sum(carried),
                "varying": tuple([v for v, use in zip(node.attrs["varying"], carried, strict=True) if use]),
            }
        if kind_of(node) == "scan":
            changes["n_elems"] = sum(self.inputs[roles.n_carry : roles.consts])
        numbers = [k for k, use in enumerate(self.outputs) if use]
        fresh = with_bodies(node, _chosen(node.inputs, self.inputs), bodies, numbers, **changes)
        rest = iter(fresh.outputs)
        stay = tuple([next(rest) if use else None for use in self.outputs])
        return Splice((fresh,), stay, (fresh,), "unused_dropped")


# --- what is needed ---------------------------------------------------------------------------------


class _Reach:
    """The nodes and inputs of one body that what was asked for needs."""

    def __init__(self, body: Body) -> None:
        self._position = {t: p for p, t in enumerate(body.inputs)}
        self._given = {t.op for t in body.inputs}
        self._stack: list[Node] = list(body.effects)
        self._new: list[int] = []
        self.nodes: set[Node] = set()
        self.inputs: set[int] = set()
        self._body = body

    def add(self, result: int) -> None:
        """Ask for an output of the body."""
        self._enter(self._body.outputs[result])

    def _enter(self, t: Tensor) -> None:
        place = self._position.get(t)
        if place is not None:
            if place not in self.inputs:
                self.inputs.add(place)
                self._new.append(place)
        else:
            self._stack.append(t.op)

    def walk(self) -> list[int]:
        """Find everything that is needed so far; gives the inputs that were not needed before."""
        while self._stack:
            node = self._stack.pop()
            if node in self.nodes or node in self._given:
                continue
            self.nodes.add(node)
            for t in node.inputs:
                self._enter(t)
            self._stack.extend(node.control_inputs)
        found = list(self._new)
        self._new.clear()
        return found


def _kept(node: Node, used: list[bool]) -> _Kept:
    roles = roles_of(node)
    reached = [_Reach(body) for body in node.attrs["bodies"]]
    if kind_of(node) == "cond":
        for part in reached:
            for k, use in enumerate(used):
                if use:
                    part.add(k)
            part.walk()
        outputs, results = used, [used] * len(reached)
        carried: list[bool] = []
    else:
        carried, results = _carried(node, used, roles, reached)
        n = roles.n_carry
        middle = [True] if kind_of(node) == "while_loop" else results[0][n:]
        outputs = [*carried, *middle, *carried]
    places = set().union(*[part.inputs for part in reached])
    last = len(node.inputs) - roles.lead + roles.first
    flags = [p in places for p in range(roles.first, last)]
    flags[: roles.n_carry] = carried
    elems = slice(roles.n_carry, roles.n_carry + roles.n_elems)
    flags[elems] = _elements(node.inputs[elems], flags[elems])
    inputs = [True] * roles.lead + flags
    return _Kept(inputs, outputs, results, [part.nodes for part in reached])


def _carried(
    node: Node, used: list[bool], roles: Roles, reached: list[_Reach]
) -> tuple[list[bool], list[list[bool]]]:
    """Which carried values are needed, in this iteration or a later one; and which outputs of each body."""
    n = roles.n_carry
    step = reached[-1]
    needed = [used[k] or used[roles.stack(node, k)] for k in range(n)]
    results = [*needed, *([] if len(reached) == 2 else used[n : len(used) - n])]
    places: list[int] = []
    for part in reached[:-1]:
        part.add(0)
        places += part.walk()
    for k, use in enumerate(results):
        if use:
            step.add(k)
    places += step.walk()
    while places:
        k = places.pop() - roles.first
        if 0 <= k < n and not needed[k]:
            needed[k] = results[k] = True
            step.add(k)
            places += step.walk()
    return needed, [*[[True]] * (len(reached) - 1), results]


def _elements(elems: Sequence[Tensor], flags: list[bool]) -> list[bool]:
    """The elements that stay: those in use, and those whose length the run has to compare, but at least one."""
    if not elems or all(flags):
        return flags
    known = [t.type.shape[0] if t.type.shape else None for t in elems]
    if any(a is None or b is None or not dims_equal(a, b) for a, b in itertools.pairwise(known)):
        return [True] * len(elems)
    if not any(flags):
        sizes = [t.type.nbytes for t in elems]
        smallest = min(range(len(elems)), key=lambda k: (sizes[k] is None, sizes[k] or 0, k))
        return [k == smallest for k in range(len(elems))]
    return flags
