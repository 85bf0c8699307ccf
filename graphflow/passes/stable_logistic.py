"""Rules about the logistic function: sigmoid and softplus spelled out, and their gradients. `stabilize` has the table.

What is built here has the values of `gf.sigmoid`, `gf.nn.softplus` and `gf.nn.log_sigmoid`, in forms that need no
gradient and so less work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Plan, Uses, factored, make, number, same_shape, scalar

__all__ = [
    "Plans",
    "log1p_exp_of_minus_abs",
    "log1p_of_exp",
    "log_sigmoid",
    "minus",
    "one_minus",
    "one_plus_exp",
    "softplus",
]

Plans = Mapping[Node, Plan] | None

# --- what is built --------------------------------------------------------------------------------


def log1p_exp_of_minus_abs(node: Node, x: Tensor) -> Tensor:
    """log(1 + exp(-|x|)), between 0 and log 2."""
    return make(node, "log1p", make(node, "exp", make(node, "negative", make(node, "abs", x))))


def softplus(node: Node, x: Tensor) -> Tensor:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|))."""
    above = make(node, "maximum", x, scalar(node, 0, x.type.dtype))
    return make(node, "add", above, log1p_exp_of_minus_abs(node, x))


def log_sigmoid(node: Node, x: Tensor) -> Tensor:
    """log(sigmoid(x)) as min(x, 0) - log(1 + exp(-|x|))."""
    below = make(node, "minimum", x, scalar(node, 0, x.type.dtype))
    return make(node, "subtract", below, log1p_exp_of_minus_abs(node, x))


def _negated(node: Node, a: Tensor, uses: Uses, now: Now) -> Tensor:
    """-a, which may be there already."""
    plus = minus(a, uses)
    return make(node, "negative", now(a)) if plus is None else now(plus)


# --- what is looked for ---------------------------------------------------------------------------


def _is_real(t: Tensor) -> bool:
    return t.type.dtype.kind not in "biucO"


def _is_bounded(a: Tensor, uses: Uses) -> bool:
    """Whether `a` is -|x|, as it is where somebody has taken care that its exponential does not overflow."""
    node = uses.made(a, "negative")
    if node is not None:
        return uses.made(node.inputs[0], "abs") is not None
    node = uses.made(a, "where")
    if node is None:
        return False
    _, first, second = node.inputs
    return minus(first, uses) is second or minus(second, uses) is first


def minus(t: Tensor, uses: Uses) -> Tensor | None:
    """u where `t` is -u."""
    constant, factors, _ = factored(uses, t, 1)
    return factors[0] if constant == -1 and len(factors) == 1 else None


def one_minus(t: Tensor, uses: Uses) -> Tensor | None:
    """u where `t` is 1 - u."""
    node = uses.made(t, "subtract")
    if node is not None:
        u = node.inputs[1]
        return u if number(node.inputs[0]) == 1 and same_shape(u, t) else None
    node = uses.made(t, "add")
    for one, other in () if node is None else (node.inputs, node.inputs[::-1]):
        less = minus(other, uses)
        if less is not None and number(one) == 1 and same_shape(less, t):
            return less
    return None


# --- rules ----------------------------------------------------------------------------------------


def log1p_of_exp(node: Node, uses: Uses, groups: Any) -> Plans:
    """log1p(exp(x)) is softplus(x), which does not overflow, where nothing else needs the exponential."""
    e = uses.made(node.inputs[0], "exp")
    if e is None or not _is_real(e.inputs[0]) or not uses.is_private(e.outputs[0]):
        return None
    if _is_bounded(e.inputs[0], uses):
        return None
    return {node: Plan("softplus", lambda now: (softplus(node, now(e.inputs[0])),))}


def one_plus_exp(node: Node, uses: Uses, groups: Any) -> Plans:
    """What is made of e = exp(a) and w = 1 + e: log(w) is softplus(a), e / w is sigmoid(a), g / w is g * sigmoid(-a).

        w = add(1, exp(a)); 1 / w; log(w); log1p(e); g / w * ... * e

    Where e overflows, e / w is NaN. Fires only if every reader of e and of w is one of these, so that both go.
    Asked about the exponential.
    """
    power = node.outputs[0]
    if not _is_real(power) or node in uses.kept or _is_bounded(node.inputs[0], uses):
        return None
    plans: dict[Node, Plan] = {}
    for reader in uses.of(power):
        if reader.op.name != "add" or reader in uses.kept or reader.control_inputs:
            continue
        one = reader.inputs[1 if reader.inputs[0] is power else 0]
        if number(one) != 1 or not same_shape(power, reader.outputs[0]):
            continue
        found = _readers_planned(reader.outputs[0], power, node.inputs[0], uses)
        if found is not None:
            plans.update(found)
    return plans or None


def _readers_planned(w: Tensor, power: Tensor, a: Tensor, uses: Uses) -> Plans:
    """For each reader of w and of the exponential what takes its place; None unless there is something for all."""
    plans: dict[Node, Plan] = {}
    for reader in uses.of(w):
        name, inputs = reader.op.name, reader.inputs
        if reader.control_inputs or inputs[-1] is not w or name not in ("log", "reciprocal", "divide"):
            return None
        if name == "log":
            plans[reader] = Plan("softplus", _softplus_of(reader, a))
        elif inputs[0] is power:
            plans[reader] = Plan("sigmoid", _times_sigmoid(reader, None, a, False, uses))
        else:
            above = None if name == "reciprocal" else inputs[0]
            plans[reader] = Plan("sigmoid", _times_sigmoid(reader, above, a, True, uses))
    divided: set[Node] = set()
    for reader in uses.of(power):
        name, inputs = reader.op.name, reader.inputs
        if reader in plans or reader.outputs[0] is w:
            continue
        if name == "log1p" and not reader.control_inputs:
            plans[reader] = Plan("softplus", _softplus_of(reader, a))
            continue
        if name != "multiply" or reader.control_inputs or inputs[0] is inputs[1]:
            return None
        rest = inputs[1] if inputs[0] is power else inputs[0]
        division = _division(rest, w, uses)
        if division is None or division in divided:
            return None
        divided.add(division)
        plans[division] = Plan("sigmoid", _times_sigmoid(division, division.inputs[0], a, False, uses))
        plans[reader] = Plan("sigmoid", _only(rest))
    return plans or None


def _division(t: Tensor, w: Tensor, uses: Uses) -> Node | None:
    """The division by w among the factors of a product, if nothing else reads what is on the way."""
    stack, steps = [t], 0
    while stack and steps < 8:
        part = stack.pop()
        node = uses.made(part, "multiply", "negative", "divide")
        if node is None or not uses.is_private(part):
            continue
        if node.op.name == "divide" and node.inputs[1] is w:
            return node
        steps += 1
        stack.extend(node.inputs[:1] if node.op.name == "divide" else node.inputs)
    return None


def _softplus_of(node: Node, a: Tensor) -> Callable[[Now], tuple[Tensor]]:
    return lambda now: (softplus(node, now(a)),)


def _only(t: Tensor) -> Callable[[Now], tuple[Tensor]]:
    return lambda now: (now(t),)


def _times_sigmoid(
    node: Node, factor: Tensor | None, a: Tensor, minus: bool, uses: Uses
) -> Callable[[Now], tuple[Tensor]]:
    """factor * sigmoid(a), or of -a; None and 1 are no factor."""
    single = factor is None or (number(factor) == 1 and same_shape(node.outputs[0], a))

    def build(now: Now) -> tuple[Tensor]:
        made = make(node, "sigmoid", _negated(node, a, uses, now) if minus else now(a))
        return (made if factor is None or single else make(node, "multiply", now(factor), made),)

    return build
