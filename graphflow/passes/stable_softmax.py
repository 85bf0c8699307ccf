"""Rules about logarithms of softmax: how they are spelled out, and their gradients. `stabilize` has the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphflow.graph import Node, Tensor
from graphflow.passes.exponentials import Exponential
from graphflow.passes.match import Now, Plan, Uses, axes_of, factored, is_kept_sum, make, same_shape, scalar

__all__ = ["gradient_of_log_softmax", "log_of_softmax", "log_softmax"]

Groups = Mapping[Tensor, Exponential]

_MOVES = (
    "identity",
    "stop_gradient",
    "expand_dims",
    "squeeze",
    "reshape",
    "broadcast_to",
    "broadcast_to_like",
)
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

    So is u - (max(u) + log(sum(exp(u - max(u))))). Asked about the logarithm.
    """
    one = groups.get(node.inputs[0])
    if one is None or node.inputs[0] is one.node.outputs[0]:
        return None
    plans: dict[Node, Plan] = {}
    waiting = list(uses.of(node.outputs[0]))
    while waiting:
        reader = waiting.pop()
        name = reader.op.name
        if name == "subtract" and not reader.control_inputs:
            build = _less_log(reader, node, one, uses)
            if build is not None:
                plans[reader] = Plan("log_softmax", build)
        elif name in _MOVES or (name == "add" and one.is_shifted):
            waiting.extend(uses.of(reader.outputs[0]))
    return plans or None


def _less_log(node: Node, log: Node, one: Exponential, uses: Uses) -> Callable[[Now], tuple[Tensor]] | None:
    """What takes the place of `node` if it is x less a logarithm of the sum of its exponentials."""
    u, spread = node.inputs
    moves, moved = _moves(spread, uses)
    total, x = log.inputs[0], one.x
    if one.is_shifted:
        parts = uses.made(moved, "add")
        if parts is None or u is not x.op.inputs[0] or not one.divides(total):
            return None
        pairs = (parts.inputs, parts.inputs[::-1])
        if not any(a is log.outputs[0] and b is x.op.inputs[1] for a, b in pairs):
            return None
    elif u is not x or moved is not log.outputs[0]:
        return None
    if total.type.dtype != u.type.dtype or not _is_kept(spread, _sum_of(total), uses):
        return None

    def build(now: Now) -> tuple[Tensor]:
        made = make(log, "log", now(total))
        for move in reversed(moves):
            others = tuple([now(t) for t in move.inputs[1:]])
            made = move.rebuilt((made, *others), move.attrs, ()).outputs[0]
        return (make(node, "subtract", one.argument(now), made),)

    return build


def _moves(t: Tensor, uses: Uses) -> tuple[list[Node], Tensor]:
    """The nodes, from the last to the first, that only put elements into other shapes; and the tensor before them."""
    moves = []
    while (move := uses.made(t, *_MOVES)) is not None:
        moves.append(move)
        t = move.inputs[0]
    return moves, t


def _is_kept(t: Tensor, total: Node, uses: Uses) -> bool:
    """`is_kept_sum`, before `t` was repeated to the shape of what was folded."""
    while (repeated := uses.made(t, "broadcast_to", "broadcast_to_like")) is not None:
        t = repeated.inputs[0]
    return is_kept_sum(t, total)


def _sum_of(total: Tensor) -> Node:
    """The sum that a total is, behind what only moves its elements."""
    while total.op.op.name != "sum":
        total = total.op.inputs[0]
    return total.op


# --- its gradient ---------------------------------------------------------------------------------


def gradient_of_log_softmax(node: Node, uses: Uses, groups: Groups) -> Mapping[Node, Plan] | None:
    """What reverse mode makes of log(y), y = e / s, for the gradient g of the logarithm, is g - y * sum(g).

        p = g / y / s                          which is NaN where y underflows to 0,
        (p + sum(-p * y)) * e                  and where e overflows

    Where the last line is a sum of two products, as it is where the program says exp(x) twice, each is simplified:
    p * e is g, and p * y is g / s. Asked about the exponential e.
    """
    e = node.outputs[0]
    one = groups.get(e)
    plans: dict[Node, Plan] = {}
    if one is None:
        return None
    for product in uses.of(e):
        if product.op.name == "multiply" and not product.control_inputs:
            other = product.inputs[1 if product.inputs[0] is e else 0]
            plan = _whole_gradient(product, other, one, uses, groups)
            if plan is not None:
                plans[product] = plan
            else:
                plans.update(_cancelled(product, e, one, uses, groups))
    return plans or None


def _over_softmax(p: Tensor, one: Exponential, uses: Uses, groups: Groups) -> tuple[Tensor, Tensor] | None:
    """g and y where p is g / y / s."""
    over_total = uses.made(p, "divide")
    if over_total is None or not one.divides(over_total.inputs[1]):
        return None
    over_softmax = uses.made(over_total.inputs[0], "divide")
    if over_softmax is None:
        return None
    g, y = over_softmax.inputs
    quotient = _softmax(y, uses, groups)
    return (g, y) if quotient is not None and quotient[0] is one else None


def _spread(node: Node, g: Tensor, like: Tensor) -> Tensor:
    """A gradient in the shape of what it is the gradient of: quotients broadcast it."""
    return g if same_shape(g, like) else make(node, "broadcast_to_like", g, like)


def _whole_gradient(product: Node, both: Tensor, one: Exponential, uses: Uses, groups: Groups) -> Plan | None:
    parts = uses.made(both, "add", "subtract")
    if parts is None:
        return None
    sign = 1 if parts.op.name == "add" else -1
    for p, folded in (parts.inputs, parts.inputs[::-1])[: 2 if sign > 0 else 1]:
        found = _over_softmax(p, one, uses, groups)
        inner = None if found is None else _folded_nodes(folded, p, found[1], sign, one, uses)
        if found is None or inner is None:
            continue
        inner += [parts, p.op, p.op.inputs[0].op]
        if uses.end_with(product, inner):
            return Plan("gradient_of_log_softmax", _gradient(product, one, *found), inner)
    return None


def _folded_nodes(
    folded: Tensor, p: Tensor, y: Tensor, sign: int, one: Exponential, uses: Uses
) -> list[Node] | None:
    """The nodes that make `folded` if it is -sign * sum(p * y)."""
    moves, t = _moves(folded, uses)
    negative = uses.made(t, "negative")
    more, t = ([], t) if negative is None else _moves(negative.inputs[0], uses)
    total = uses.made(t, "sum")
    if total is None or axes_of(total) != one.axes or not _is_kept(folded, total, uses):
        return None
    constant, factors, nodes = factored(uses, total.inputs[0])
    if constant * (1 if negative is None else -1) != -sign or not _are(factors, p, y):
        return None
    return [total, *moves, *more, *nodes, *([] if negative is None else [negative])]


def _are(factors: Sequence[Tensor], a: Tensor, b: Tensor) -> bool:
    """Whether the factors are these two, in either order."""
    if len(factors) != 2:
        return False
    first, second = factors
    return (first is a and second is b) or (first is b and second is a)


def _gradient(node: Node, one: Exponential, g: Tensor, y: Tensor) -> Callable[[Now], tuple[Tensor]]:
    def build(now: Now) -> tuple[Tensor]:
        quotient = now(y)
        given = _spread(node, now(g), quotient)
        total = make(node, "sum", given, axis=one.axes, keepdims=True, dtype=given.type.dtype)
        return (make(node, "subtract", given, make(node, "multiply", quotient, total)),)

    return build


def _cancelled(product: Node, e: Tensor, one: Exponential, uses: Uses, groups: Groups) -> dict[Node, Plan]:
    """The plans of p * e and of p * y, where this product is the former."""
    constant, factors, inner = factored(uses, product.outputs[0])
    for p in factors:
        found = _over_softmax(p, one, uses, groups)
        if found is None or not _are(factors, p, e):
            continue
        g, y = found
        plans = {product: Plan("gradient_of_log_softmax", _times(product, constant, g, None, y), inner[1:])}
        for reader in uses.of(y):
            if reader.op.name != "multiply" or reader.control_inputs:
                continue
            constant, others, inner = factored(uses, reader.outputs[0])
            if _are(others, p, y):
                build = _times(reader, constant, g, p.op.inputs[1], y)
                plans[reader] = Plan("gradient_of_log_softmax", build, inner[1:])
        return plans
    return {}


def _times(
    node: Node, constant: float, g: Tensor, total: Tensor | None, y: Tensor
) -> Callable[[Now], tuple[Tensor]]:
    """constant * g, divided by a total if there is one."""

    def build(now: Now) -> tuple[Tensor]:
        made = _spread(node, now(g), now(y))
        if total is not None:
            made = make(node, "divide", made, now(total))
        if constant == -1:
            made = make(node, "negative", made)
        elif constant != 1:
            made = make(node, "multiply", made, scalar(node, constant, made.type.dtype))
        return (made,)

    return build
