"""Which exponentials may be taken of x less its maximum: those whose common factor cancels wherever it goes.

    e = exp(x); s = sum(e, axis, keepdims)          every e and every s may be divided by exp(c), where c is
    e / s,  (e @ v) / s,  g / s * e                 constant along the axis: these values do not change,
    log(s)                                          and this one changes by c

So one rule does for softmax, log-sum-exp, attention and all their gradients. With c = max(x) no exponential exceeds 1
and no sum is less than 1.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from graphflow.graph import Node, Tensor
from graphflow.ops.reduction import is_half
from graphflow.passes.match import Now, Uses, axes_of, is_kept_sum, make, number, same_shape, scalar
from graphflow.types import is_floating, normalize_axes

__all__ = ["Exponential", "exponentials"]

MOST_NODES = 500
"""Nodes that one factor is followed through; where it has not cancelled by then, the exponential is left alone."""

Labels: TypeAlias = tuple[int | None, ...]
"""For each axis of a tensor: the axis of x along which the factor varies with it, or None where it is constant."""


class _Factor(NamedTuple):
    """How often exp(c) is in a tensor, and how c lies along its axes."""

    power: int
    labels: Labels


@dataclass(slots=True, eq=False)
class Exponential:
    """exp(x) with its sums over some axes.

    totals: the sums, and their reshapings, each with its labels. logs: logarithms of totals.
    is_shifted: x is less its maximum already. Else `build` makes `below` = x - c and `top` = c of the subgraph to be.
    """

    node: Node
    axes: tuple[int, ...]
    totals: dict[Tensor, Labels]
    logs: list[Node] = field(default_factory=list)
    is_shifted: bool = False
    below: Tensor | None = None
    top: Tensor | None = None

    @property
    def x(self) -> Tensor:
        """What the exponential is taken of."""
        return self.node.inputs[0]

    def divides(self, total: Tensor) -> bool:
        """Whether `total` is a total that is broadcast against the exponential along the axes that it was summed over."""
        labels = self.totals.get(total)
        if labels is None:
            return False
        own = _own_labels(self)
        return len(labels) <= len(own) and (None,) * (len(own) - len(labels)) + labels == own

    def shift(self, now: Now) -> tuple[Tensor]:
        """exp(x - c), where c is the maximum, or 0 where that is infinite: then there is nothing to gain."""
        node, x = self.node, now(self.x)
        largest = make(node, "max", x, axis=self.axes, keepdims=True)
        zero = scalar(node, 0, x.type.dtype)
        self.top = make(node, "where", make(node, "isfinite", largest), largest, zero)
        self.below = make(node, "subtract", x, self.top)
        return (make(node, "exp", self.below),)

    def shift_log(self, log: Node, now: Now) -> tuple[Tensor]:
        """log(s) as log of the total that is left, plus c."""
        total = log.inputs[0]
        top, rank = self.top, len(total.type.dims)
        assert top is not None  # the exponential comes before its logarithms
        if rank < len(top.type.dims):
            top = make(log, "squeeze", top, axis=self.axes)
        if top.type.dtype != total.type.dtype:
            top = make(log, "cast", top, dtype=total.type.dtype)
        return (make(log, "add", make(log, "log", now(total)), top),)

    def argument(self, now: Now) -> Tensor:
        """What is exponentiated in the subgraph to be: x less its maximum."""
        return now(self.x) if self.below is None else self.below


def exponentials(sums: list[Node], uses: Uses) -> dict[Tensor, Exponential]:
    """Those whose factor cancels, or is taken out already, by each of their totals and by the exponential itself.

    sums: the nodes that sum. O(nodes that the factor goes through, at most MOST_NODES for each).
    """
    found: dict[Tensor, Exponential] = {}
    for node in sums:
        e = node.inputs[0]
        if e in found or uses.made(e, "exp") is None or not is_floating(e.type.dtype) or e.dtype.kind == "c":
            continue
        axes = axes_of(node)
        if not axes:
            continue
        one = Exponential(e.op, axes, {})
        one.is_shifted = _is_below_maximum(one, uses)
        one.totals = _totals(one, uses)
        dims = e.type.dims
        if one.is_shifted or (
            all(type(dims[k]) is int and dims[k] > 0 for k in axes) and _cancels(one, uses)  # type: ignore[operator]  # ints
        ):
            found[e] = one
            found.update(dict.fromkeys(one.totals, one))
    return found


def _own_labels(one: Exponential) -> Labels:
    return tuple([None if k in one.axes else k for k in range(len(one.x.type.dims))])


# --- maxima and totals ----------------------------------------------------------------------------


def _is_below_maximum(one: Exponential, uses: Uses) -> bool:
    """Whether x is some tensor less its maximum along the axes."""
    node = uses.made(one.x, "subtract")
    if node is None:
        return False
    u, top = node.inputs
    while True:
        step = uses.made(top, "identity", "stop_gradient", "expand_dims", "broadcast_to", "broadcast_to_like")
        if step is not None:
            top = step.inputs[0]
            continue
        chosen = uses.made(top, "where")  # 0 in place of what is not finite
        if chosen is None or number(chosen.inputs[2]) != 0:
            break
        top = chosen.inputs[1]
    largest = uses.made(top, "max")
    return (
        largest is not None
        and largest.inputs[0] is u
        and axes_of(largest) == one.axes
        and is_kept_sum(node.inputs[1], largest)
    )


def _totals(one: Exponential, uses: Uses) -> dict[Tensor, Labels]:
    """The sums over the axes, and what only has their elements in other shapes or times a constant."""
    totals: dict[Tensor, Labels] = {}
    for node in uses.of(one.node.outputs[0]):
        if node.op.name == "sum" and axes_of(node) == one.axes and _is_plain(node):
            own = _own_labels(one)
            kept = (
                own if node.attrs["keepdims"] else tuple([a for k, a in enumerate(own) if k not in one.axes])
            )
            totals[node.outputs[0]] = kept
    pending = list(totals)
    while pending:
        t = pending.pop()
        for node in uses.of(t):
            labels = _moved(node, totals[t]) if node.inputs[0] is t else None
            if labels is not None and node.outputs[0] not in totals and not node.control_inputs:
                totals[node.outputs[0]] = labels
                pending.append(node.outputs[0])
    return totals


def _is_plain(node: Node) -> bool:
    """Whether a sum is made in floats no coarser than its input."""
    dtype = node.attrs["dtype"]
    return not node.control_inputs and dtype.itemsize >= node.inputs[0].type.dtype.itemsize


def _moved(node: Node, labels: Labels) -> Labels | None:
    """The labels behind an op that only moves elements, or scales them all alike; None for any other."""
    name, x, y = node.op.name, node.inputs[0], node.outputs[0]
    if x.type.shape is None or y.type.shape is None:
        return None
    if name in ("identity", "stop_gradient"):
        return labels
    if name == "cast":
        wide = is_floating(y.type.dtype) and y.dtype.kind != "c" and not is_half(y.type.dtype)
        return labels if wide or y.dtype == x.dtype else None
    if name in ("broadcast_to", "broadcast_to_like"):
        return _padded(labels, len(y.type.shape))
    if name in ("divide", "multiply"):  # by a constant, as in a mean
        by = number(node.inputs[1])
        return _padded(labels, len(y.type.shape)) if by is not None and 0 < by < math.inf else None
    if name == "expand_dims":
        new = normalize_axes(node.attrs["axis"], len(y.type.shape))
        old = iter(labels)
        return tuple([None if k in new else next(old) for k in range(len(y.type.shape))])
    if name == "squeeze" and node.attrs["axis"] is not None:
        gone = normalize_axes(node.attrs["axis"], len(labels))
        return None if any(labels[k] is not None for k in gone) else _without(labels, gone)
    if name == "permute_dims":
        order = node.attrs["axes"] or tuple(reversed(range(len(labels))))
        return tuple([labels[k] for k in order])
    if name == "reshape":
        return _reshaped(x, y, labels)
    return None


def _reshaped(x: Tensor, y: Tensor, labels: Labels) -> Labels | None:
    """Behind a reshape that only adds or removes axes of size 1 along which the factor is constant."""
    if all(label is None for label in labels):
        return (None,) * len(y.type.dims)
    kept = [(d, label) for d, label in zip(x.type.dims, labels, strict=True) if label is not None or d != 1]
    made: list[int | None] = []
    for d in y.type.dims:
        if kept and kept[0][0] == d:
            made.append(kept.pop(0)[1])
        elif d == 1:
            made.append(None)
        else:
            return None
    return None if kept else tuple(made)


def _padded(labels: Labels, rank: int) -> Labels:
    return (None,) * (rank - len(labels)) + labels


def _without(labels: Labels, axes: tuple[int, ...]) -> Labels:
    return tuple([label for k, label in enumerate(labels) if k not in axes])


# --- where the factor goes ------------------------------------------------------------------------


def _cancels(one: Exponential, uses: Uses) -> bool:
    """Follow the factor through every reader. Enters the logarithms of totals, the one place that must make up for it."""
    e = one.node.outputs[0]
    factors: dict[Tensor, _Factor] = {e: _Factor(1, _own_labels(one))}
    waiting: list[tuple[int, int]] = []
    queued: dict[Node, None] = {}
    listed: list[Node] = []

    def follow(t: Tensor) -> bool:
        if t.op in uses.kept:
            return False
        for node in uses.of(t):
            if node not in queued:
                if node.control_inputs or len(node.outputs) != 1 or len(listed) >= MOST_NODES:
                    return False
                queued[node] = None
                listed.append(node)
                heapq.heappush(waiting, (uses.place[node], len(listed) - 1))
        return True

    if not follow(e):
        return False
    while waiting:  # in the program's order, so that all operands are known
        node = listed[heapq.heappop(waiting)[1]]
        if node.op.name == "log":
            total = node.inputs[0]
            if total not in one.totals or not _fits_top(one, total):
                return False
            one.logs.append(node)
            continue
        factor = _behind(node, factors, one.totals)
        if factor is None:
            return False
        if factor.power:
            factors[node.outputs[0]] = factor
            if not follow(node.outputs[0]):
                return False
    return True


def _fits_top(one: Exponential, total: Tensor) -> bool:
    """Whether c, with the folded axes of size 1 or without them, lies as the total does."""
    own = _own_labels(one)
    return one.totals[total] in (own, _without(own, one.axes))


def _behind(node: Node, factors: dict[Tensor, _Factor], totals: dict[Tensor, Labels]) -> _Factor | None:
    """The factor of what a node makes; power 0 where it has cancelled, None where it cannot be followed."""
    name, y = node.op.name, node.outputs[0]
    if y.type.shape is None or any(t.type.shape is None for t in node.inputs):
        return None
    rank = len(y.type.shape)
    known = [factors.get(t) for t in node.inputs]
    first = known[0]
    if len(node.inputs) == 1 or (first is not None and name.endswith("_like")):
        return None if first is None else _behind_one(node, first, totals)
    if name == "matmul":
        return _behind_product(node, known, rank)
    if len(known) != 2:
        return None
    second = known[1]
    if name in ("add", "subtract"):
        if first is None or second is None or first.power != second.power:
            return None
        labels = _padded(first.labels, rank)
        return _Factor(first.power, labels) if labels == _padded(second.labels, rank) else None
    if name not in ("multiply", "divide"):
        return None
    if name == "divide" and second is not None:
        if node.inputs[1] not in totals:  # any other divisor might become 0
            return None
        second = _Factor(-second.power, second.labels)
    if first is None or second is None:
        one = first or second
        return None if one is None else _Factor(one.power, _padded(one.labels, rank))
    labels = _padded(first.labels, rank)
    return _Factor(first.power + second.power, labels) if labels == _padded(second.labels, rank) else None


def _behind_one(node: Node, factor: _Factor, totals: dict[Tensor, Labels]) -> _Factor | None:
    name, x, y = node.op.name, node.inputs[0], node.outputs[0]
    power, labels = factor
    if name == "negative":
        return factor
    if name == "square":
        return _Factor(2 * power, labels)
    if name == "reciprocal":
        return _Factor(-power, labels) if x in totals else None
    if name == "sum":
        axes = axes_of(node)
        if axes is None or not _is_plain(node) or any(labels[k] is not None for k in axes):
            return None
        return _Factor(power, labels if node.attrs["keepdims"] else _without(labels, axes))
    if name == "sum_to_like":
        return factor if same_shape(x, y) else None
    moved = _moved(node, labels)
    return None if moved is None else _Factor(power, moved)


def _behind_product(node: Node, known: list[_Factor | None], rank: int) -> _Factor | None:
    """Through a product of matrices, unless the factor varies along what is summed over."""
    first, second = known
    if any(len(t.type.dims) < 2 for t in node.inputs) or (first is not None and second is not None):
        return None
    if first is not None:
        *lead, row, inner = first.labels
        labels: Labels = (*_padded(tuple(lead), rank - 2), row, None)
        return _Factor(first.power, labels) if inner is None else None
    assert second is not None
    *lead, inner, column = second.labels
    labels = (*_padded(tuple(lead), rank - 2), None, column)
    return _Factor(second.power, labels) if inner is None else None
