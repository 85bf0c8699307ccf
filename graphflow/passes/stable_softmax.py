"""Rules about logarithms of softmax: how they are spelled out, and their gradients. `stabilize` has the table."""

from __future__ import annotations

from collections.abc import Mapping

from graphflow.graph import Node, Tensor
from graphflow.passes.exponentials import Exponential
from graphflow.passes.match import Now, Plan, Uses, axes_of, is_kept_sum, make, same_shape

__all__ = ["gradient_of_log_softmax", "log_of_softmax", "log_softmax"]

Groups = Mapping[Tensor, Exponential]

_MOVES = ("identity", "stop_gradient", "expand_dims", "squeeze", "reshape", "broadcast_to", "broadcast_to_like")
"""Ops that only put the elements into another shape."""


def _softmax(t: Tensor, uses: Uses, groups: Groups) -> tuple[Exponential, Tensor] | None:
    """The exponential and the total that `t` is the quotient of."""
    node = uses.made(t, "divide", "multiply")
    if node is None:
        return None
    pairs = [node.inputs] if node.op.name == "divide" else [node.inputs, node.inputs[::-1]]
    for e, total in pairs:
        one = groups.get(e)
        if one is None or one.node.outputs[0] is not e:
            continue
        if node.op.name == "multiply":
            inverse = uses.made(total, "reciprocal")
            if inverse is None:
                continue
            total = inverse.inputs[0]
        total = _narrow(total, one, uses)
        if one.divides(total) and total.type.dtype == e.type.dtype:
            return one, total
    return None


def _narrow(total: Tensor, one: Exponential, uses: Uses) -> Tensor:
    """A total before it was repeated along the axes that it was summed over."""
    while True:
        node = uses.made(total, "broadcast_to", "broadcast_to_like")
        if node is None or not one.divides(node.inputs[0]):
            return total
        total = node.inputs[0]


# --- log softmax ----------------------------------------------------------------------------------


def log_of_softmax(node: Node, uses: Uses, groups: Groups) -> Mapping[Node, Plan] | None:
    """log(e / sum(e)) is x - max(x) - log(sum(e)): where the quotient is 0, its logarithm is not -inf.

    The quotient, if anything else needs it, is left as it is: a logarithm of each sum and a subtraction are less
    work than a logarithm of each element.
    """
    found = _softmax(node.inputs[0], uses, groups)
    if found is None:
        return None
    one, total = found

    def build(now: Now) -> tuple[Tensor]:
        return (make(node, "subtract", one.argument(now), make(node, "log", now(total))),)

    return {node: Plan("log_of_softmax", build)}


def log_softmax(node: Node, uses: Uses, groups: Groups) -> Mapping[Node, Plan] | None:
    """x - log(sum(exp(x))) is (x - max(x)) - log(sum(exp(x - max(x)))): large numbers do not cancel.

    So is u - (max(u) + log(sum(exp(u - max(u))))).
    """
    u, spread = node.inputs
    moves: list[Node] = []
    log = spread
    while True:
        move = uses.made(log, *_MOVES)
        if move is None:
            break
        moves.append(move)
        log = move.inputs[0]
    parts = uses.made(log, "add")
    for candidate, top in [(log, None)] if parts is None else [parts.inputs, parts.inputs[::-1]]:
        logarithm = uses.made(candidate, "log")
        one = None if logarithm is None else groups.get(logarithm.inputs[0])
        if one is None or logarithm is None or logarithm.inputs[0] not in one.totals:
            continue
        total, x = logarithm.inputs[0], one.x
        if total.type.dtype != x.type.dtype or one.is_shifted == (top is None):
            continue
        if u is not (x if top is None else x.op.inputs[0]):
            continue
        if top is not None and (top is not x.op.inputs[1] or not one.divides(total)):
            continue
        if not is_kept_sum(spread, _sum_of(total, uses)):
            continue

        def build(
            now: Now, one: Exponential = one, total: Tensor = total, log: Node = logarithm
        ) -> tuple[Tensor]:
            made = make(log, "log", now(total))
            for move in reversed(moves):
                others = tuple([now(t) for t in move.inputs[1:]])
                made = move.rebuilt((made, *others), move.attrs, ()).outputs[0]
            return (make(node, "subtract", one.argument(now), made),)

        return {node: Plan("log_softmax", build)}
    return None


def _sum_of(total: Tensor, uses: Uses) -> Node:
    """The sum that a total is, behind what only moves its elements."""
    while total.op.op.name != "sum":
        total = total.op.inputs[0]
    return total.op


# --- its gradient ---------------------------------------------------------------------------------


def gradient_of_log_softmax(node: Node, uses: Uses, groups: Groups) -> Mapping[Node, Plan] | None:
    """What reverse mode makes of log(y), y = e / s, for the gradient g of the logarithm, is g - y * sum(g).

        p = g / y / s                          which is NaN where y underflows to 0,
        (p + sum(-p * y)) * e                  and where e overflows
    """
    for total_gradient, e in (node.inputs, node.inputs[::-1]):
        one = groups.get(e)
        if one is None or one.node.outputs[0] is not e:
            continue
        parts = uses.made(total_gradient, "add", "subtract")
        if parts is None:
            continue
        p, folded = parts.inputs
        for p, folded in (
            (p, folded),
            (folded, p),
        ):
            found = _gradient_parts(p, folded, parts, one, uses, groups)
            if found is None or not uses.end_with(node, found.inner):
                continue
            g, y = found.g, found.y

            def build(now: Now, g: Tensor = g, y: Tensor = y, one: Exponential = one) -> tuple[Tensor]:
                given, quotient = now(g), now(y)
                if not same_shape(given, quotient):
                    given = make(node, "broadcast_to_like", given, quotient)
                total = make(node, "sum", given, axis=one.axes, keepdims=True, dtype=given.type.dtype)
                return (make(node, "subtract", given, make(node, "multiply", quotient, total)),)

            return {node: Plan("gradient_of_log_softmax", build)}
    return None
