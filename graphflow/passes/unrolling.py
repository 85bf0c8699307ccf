"""Loops whose number of iterations is known and small, as straight lines of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow import config
from graphflow.graph import Node, Tensor
from graphflow.ops.constant import Literal
from graphflow.passes.bodies import body_subgraph, is_row_major, kind_of
from graphflow.passes.inlining import Inlining
from graphflow.passes.splice import Splice
from graphflow.passes.trip_count import known_trips
from graphflow.subgraph import Subgraph
from graphflow.types import STRING

__all__ = ["UNROLLED_NBYTES", "UNROLLED_NODES", "unrolled"]

UNROLLED_NODES = 32
"""Loops of two iterations and more are unrolled if the iterations have no more nodes than this, all together."""

UNROLLED_NBYTES = 16_384
"""And if what they stack is no larger than this: as results of their own, all of it would be held twice."""


def unrolled(node: Node, used: Sequence[bool]) -> Splice | None:
    """The nodes of every iteration in the place of a loop or scan, or None where they are many or not known.

    used: which outputs of the node anything needs.
    """
    if any(t.type.dtype is STRING for t in (*node.inputs, *node.outputs)):
        return None
    trips = _scan_trips(node) if kind_of(node) == "scan" else _while_trips(node)
    if trips is None:
        return None
    loop = _Loop(node, used)
    return loop.spliced(trips) if loop.fits(trips) else None


def _scan_trips(node: Node) -> int | None:
    n, m = node.attrs["n_carry"], node.attrs["n_elems"]
    lengths = {t.type.shape[0] if t.type.shape else None for t in node.inputs[n : n + m]}
    (length,) = lengths if len(lengths) == 1 else (None,)
    return length if type(length) is int and length <= UNROLLED_NODES else None


def _while_trips(node: Node) -> int | None:
    n_nodes = sum(len(body.nodes) for body in node.attrs["bodies"])
    most = max(1, UNROLLED_NODES // max(1, n_nodes))
    return known_trips(node, min(most, config.get().loop_limit))


class _Loop:
    """A loop that is being unrolled."""

    def __init__(self, node: Node, used: Sequence[bool]) -> None:
        self.node = node
        self.n = node.attrs["n_carry"]
        self.is_scan = kind_of(node) == "scan"
        self.step = body_subgraph(node, 0 if self.is_scan else 1)
        self.test: Subgraph | None = None  # run for what it prints: whether it holds is known
        if not self.is_scan and any(n.op.has_effect for n in node.attrs["bodies"][0].nodes):
            self.test = body_subgraph(node, 0)
        self.n_elems = node.attrs["n_elems"] if self.is_scan else 0
        self.n_ys = len(self.step.outputs) - self.n
        self.counter_used = not self.is_scan and used[self.n]
        first = len(used) - self.n_ys - self.n
        self.stack_used = used[first:]  # of the results that are stacked, then of the carried values
        self.carry_used = used[: self.n]

    def fits(self, trips: int) -> bool:
        """True if no iteration can fail by the shapes it makes, and all are small enough together."""
        if not trips:
            return True
        before = self.step.inputs[1 : 1 + self.n]
        results = self.step.outputs
        if any(a.type != b.type for a, b in zip(before, results, strict=False)):
            return False
        if not all(t.type.is_static for t in results):
            return False
        if trips == 1:
            return True
        n_nodes = len(self.step.nodes) + (len(self.test.nodes) if self.test else 0)
        stacked = [t for t, use in zip([*results[self.n :], *before], self.stack_used, strict=True) if use]
        nbytes = sum(t.type.nbytes or 0 for t in stacked)
        return trips * n_nodes <= UNROLLED_NODES and trips * nbytes <= UNROLLED_NBYTES

    def spliced(self, trips: int) -> Splice | None:
        made = Inlining(self.node)
        elems = self.node.inputs[self.n : self.n + self.n_elems]
        consts = self.node.inputs[self.n + self.n_elems :]
        carry: Sequence[Tensor] = self.node.inputs[: self.n]
        rows: list[dict[int, Tensor]] = [{} for _ in self.stack_used]
        backwards = self.is_scan and self.node.attrs["reverse"]
        for t in reversed(range(trips)) if backwards else range(trips):
            for row, value in zip(rows[self.n_ys :], carry, strict=True):
                row[t] = value
            if self.test is not None:
                made.add(self.test, [_number(made, t), *carry, *consts])
            items = [_element(made, e, t) for e in elems]
            results = made.add(self.step, [_number(made, t), *carry, *items, *consts])
            carry = [made.own(value) for value in results[: self.n]]  # as the loop copies what it hands on
            for row, value in zip(rows, results[self.n :], strict=False):
                row[t] = value
        if self.test is not None:
            made.add(self.test, [_number(made, trips), *carry, *consts])
        outputs: list[Tensor | None] = [
            made.result(t) if use else None for t, use in zip(carry, self.carry_used, strict=True)
        ]
        if not self.is_scan:
            outputs.append(_constant(made, np.arange(trips, dtype=np.int64)) if self.counter_used else None)
        stacks = self.node.outputs[len(outputs) :]
        for row, like, use in zip(rows, stacks, self.stack_used, strict=True):
            if use and not trips and not _is_known(like):
                return None
            outputs.append(_stacked(made, [row[t] for t in range(trips)], like) if use else None)
        return Splice(tuple(made.nodes), tuple(outputs), made.ends, f"{trips}_iterations_unrolled")


def _constant(made: Inlining, value: Any) -> Tensor:
    return made.apply("constant", (), {"value": Literal(value)})


def _number(made: Inlining, t: int) -> Tensor:
    """The running index."""
    return _constant(made, np.array(t, np.int64))


def _element(made: Inlining, elems: Tensor, t: int) -> Tensor:
    """Element `t` along the first axis; of rows that another loop stacked, the row itself."""
    rows: tuple[Tensor, ...] = (elems,)
    if elems.op.op.name == "concat" and elems.op.attrs["axis"] == 0:
        rows = elems.op.inputs
    row = rows[t] if t < len(rows) else elems
    alone = row.op.op.name == "expand_dims" and row.op.attrs["axis"] == (0,)
    if alone and len(rows) == elems.type.dims[0] and is_row_major(row):
        return row.op.inputs[0]
    return made.apply("getitem", (elems,), {"picks": ((0, t),)})


def _is_known(stack: Tensor) -> bool:
    """True if every size but the length is a number."""
    return stack.type.shape is not None and all(type(d) is int for d in stack.type.shape[1:])


def _stacked(made: Inlining, rows: Sequence[Tensor], like: Tensor) -> Tensor:
    """The rows along a new first axis; `like` has the type of the whole."""
    if not rows:
        return _constant(made, np.zeros((0, *like.type.dims[1:]), like.type.dtype))
    rows = [made.own(t) for t in rows] if len(rows) == 1 else rows
    parts = tuple([made.apply("expand_dims", (t,), {"axis": (0,)}) for t in rows])
    return parts[0] if len(parts) == 1 else made.apply("concat", parts, {"axis": 0})
