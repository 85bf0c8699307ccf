"""How often a `while_loop` goes round, where that depends on constants alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graphflow.graph import Node, Tensor, detached
from graphflow.ops.body import Body
from graphflow.ops.constant import CONSTANT, Literal
from graphflow.passes.fold_constants import fold_constants
from graphflow.subgraph import Subgraph

__all__ = ["known_trips"]


def known_trips(node: Node, most: int) -> int | None:
    """The number of iterations of a `while_loop` if it is surely known and at most `most`, else None.

    Follows the condition, and of the carried values only those that it depends on, iteration by iteration, by constant
    folding. Only through integers and bools: those are the same on every device.
    O((most + 1) * nodes that the condition depends on).
    """
    test, step = node.attrs["bodies"]
    n = node.attrs["n_carry"]
    condition = _Slice(test, [0])
    if not condition.is_plain:
        return None
    carried: dict[int, None] = {}
    found = condition.places
    while True:
        missing = [p - 1 for p in found if 1 <= p <= n and p - 1 not in carried]
        if not missing:
            break
        carried.update(dict.fromkeys(missing))
        found = _Slice(step, carried).places
    update = _Slice(step, carried)
    start = [None, *node.inputs]
    for p in {**condition.places, **update.places}:
        t = start[p]
        if t is not None and (t.op.op is not CONSTANT or t.type.dtype.kind not in "biu"):
            return None
    if not update.is_plain:
        return None
    values: dict[int, Tensor] = {p: t for p, t in enumerate(start) if t is not None}
    for trips in range(most + 1):
        values[0] = detached(node, CONSTANT, (), {"value": Literal(np.array(trips, np.int64))}).outputs[0]
        holds = condition.values(values)
        if holds is None:
            return None
        if not bool(holds[0].op.attrs["value"].array):
            return trips
        new = update.values(values)
        if new is None:
            return None
        values.update((1 + k, t) for k, t in zip(carried, new, strict=True))
    return None


class _Slice:
    """What some outputs of a body depend on. places: of the body's inputs, by position, in the order they were met."""

    def __init__(self, body: Body, outputs: Iterable[int]) -> None:
        self._body = body
        self._outputs = [body.outputs[k] for k in outputs]
        position = {t: p for p, t in enumerate(body.inputs)}
        self.places: dict[int, None] = {}
        needed: set[Node] = set()
        stack = list(self._outputs)
        while stack:
            t = stack.pop()
            if t in position:
                self.places[position[t]] = None
            elif t.op not in needed:
                needed.add(t.op)
                stack.extend(t.op.inputs)
        self._nodes: Sequence[Node] = [n for n in body.nodes if n in needed]

    @property
    def is_plain(self) -> bool:
        """True if everything in it can be folded and is of integers or bools."""
        return all(
            n.op.is_pure and n.op.is_silent and all(t.type.dtype.kind in "biu" for t in n.outputs)
            for n in self._nodes
        )

    def values(self, given: Mapping[int, Tensor]) -> list[Tensor] | None:
        """The outputs as constants, or None where something is too large to be folded."""
        new = {t: given[p] for p, t in enumerate(self._body.inputs) if p in self.places}
        nodes = []
        for node in self._nodes:
            fresh = detached(node, node.op, tuple([new[t] for t in node.inputs]), node.attrs)
            new.update(zip(node.outputs, fresh.outputs, strict=True))
            nodes.append(fresh)
        outputs = [new[t] for t in self._outputs]
        folded = fold_constants(Subgraph(tuple(nodes), (), tuple(outputs)))
        return list(folded.outputs) if all(t.op.op is CONSTANT for t in folded.outputs) else None
