"""Which exponentials may be taken of x less its maximum: those whose common factor cancels wherever it goes.

    e = exp(x); s = sum(e, axis, keepdims)          every e and every s may be divided by exp(c), where c is
    e / s,  (e @ v) / s,  g / s * e                 constant along the axis: these values do not change,
    log(s)                                          and this one changes by c

So one rule does for softmax, log-sum-exp, attention and all their gradients. With c = max(x) no exponential exceeds 1
and no sum is less than 1.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Uses, axes_of, is_kept_sum, make, number, scalar
from graphflow.passes.scale_factors import Factor, Labels, behind, is_plain, moved, without
from graphflow.types import is_floating

__all__ = ["Exponential", "exponentials"]

MOST_NODES = 500
"""Nodes that one factor is followed through; where it has not cancelled by then, the exponential is left alone."""


@dataclass(slots=True, eq=False)
class Exponential:
    """exp(x) with its sums over some axes.

    totals: the sums, and their reshapings, each with its labels. logs: logarithms of totals.
    is_shifted: x is less its maximum already. Else `shift` makes `below` = x - c and `top` = c of the subgraph to be.
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
        if node.op.name == "sum" and axes_of(node) == one.axes and is_plain(node):
            own = _own_labels(one)
            totals[node.outputs[0]] = own if node.attrs["keepdims"] else without(own, one.axes)
    pending = list(totals)
    while pending:
        t = pending.pop()
        for node in uses.of(t):
            labels = moved(node, totals[t]) if node.inputs[0] is t else None
            if labels is not None and node.outputs[0] not in totals and not node.control_inputs:
                totals[node.outputs[0]] = labels
                pending.append(node.outputs[0])
    return totals


# --- where the factor goes ------------------------------------------------------------------------


def _cancels(one: Exponential, uses: Uses) -> bool:
    """Follow the factor through every reader. Enters the logarithms of totals, the one place that must make up for it."""
    e = one.node.outputs[0]
    factors: dict[Tensor, Factor] = {e: Factor(1, _own_labels(one))}
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
        factor = behind(node, factors, one.totals)
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
    return one.totals[total] in (own, without(own, one.axes))
