"""Rules about the logistic function: sigmoid, softplus and cross entropies spelled out, and their gradients.

`stabilize` has the table. What is built here has the values of `gf.sigmoid`, `gf.nn.softplus`, `gf.nn.log_sigmoid` and
`gf.nn.sigmoid_cross_entropy_with_logits`, in forms that need no gradient and so less work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Plan, Uses, added, factored, make, number, same_shape, scalar

__all__ = [
    "gradient_of_log_sigmoid",
    "log1p_of_exp",
    "log_of_sigmoid",
    "one_plus_exp",
]

Plans = Mapping[Node, Plan] | None

# --- what is built --------------------------------------------------------------------------------


def _log1p_exp_of_minus_abs(node: Node, x: Tensor) -> Tensor:
    """log(1 + exp(-|x|)), between 0 and log 2."""
    return make(node, "log1p", make(node, "exp", make(node, "negative", make(node, "abs", x))))


def softplus(node: Node, x: Tensor) -> Tensor:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|))."""
    above = make(node, "maximum", x, scalar(node, 0, x.type.dtype))
    return make(node, "add", above, _log1p_exp_of_minus_abs(node, x))


def log_sigmoid(node: Node, x: Tensor) -> Tensor:
    """log(sigmoid(x)) as min(x, 0) - log(1 + exp(-|x|))."""
    below = make(node, "minimum", x, scalar(node, 0, x.type.dtype))
    return make(node, "subtract", below, _log1p_exp_of_minus_abs(node, x))


def _cross_entropy(node: Node, z: Tensor, x: Tensor) -> Tensor:
    """-z log(sigmoid(x)) - (1 - z) log(1 - sigmoid(x)) as max(x, 0) - x z + log(1 + exp(-|x|))."""
    above = make(node, "maximum", x, scalar(node, 0, x.type.dtype))
    linear = make(node, "subtract", above, make(node, "multiply", x, z))
    return make(node, "add", linear, _log1p_exp_of_minus_abs(node, x))


def _negated(node: Node, a: Tensor, uses: Uses, now: Now) -> Tensor:
    """-a, which may be there already."""
    constant, factors, _ = factored(uses, a, 1)
    return now(factors[0]) if constant == -1 and len(factors) == 1 else make(node, "negative", now(a))


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
    minus, plain = (uses.made(t, "negative") for t in node.inputs[1:])
    return (minus is not None and minus.inputs[0] is node.inputs[2]) or (
        plain is not None and plain.inputs[0] is node.inputs[1]
    )


def _one_minus(t: Tensor, uses: Uses) -> Tensor | None:
    """u where `t` is 1 - u."""
    node = uses.made(t, "subtract")
    if node is not None:
        u = node.inputs[1]
        return u if number(node.inputs[0]) == 1 and same_shape(u, t) else None
    node = uses.made(t, "add")
    for one, other in () if node is None else (node.inputs, node.inputs[::-1]):
        minus = uses.made(other, "negative")
        if minus is not None and number(one) == 1 and same_shape(other, t):
            return minus.inputs[0]
    return None


def _log_argument(t: Tensor, uses: Uses) -> tuple[Tensor, bool] | None:
    """x where `t` is log(sigmoid(x)), or log(1 - sigmoid(x)): then with True."""
    node = uses.made(t, "log", "log1p")
    if node is None:
        return None
    inner = node.inputs[0]
    if node.op.name == "log":
        left: Tensor | None = _one_minus(inner, uses)
    else:
        minus = uses.made(inner, "negative")
        if minus is None:
            return None
        left = minus.inputs[0]
    sigmoid = uses.made(inner if left is None else left, "sigmoid")
    return None if sigmoid is None else (sigmoid.inputs[0], left is not None)


# --- rules ----------------------------------------------------------------------------------------


def log_of_sigmoid(node: Node, uses: Uses, groups: Any) -> Plans:
    """log(sigmoid(x)) is min(x, 0) - log(1 + exp(-|x|)), and log(1 - sigmoid(x)) that of -x.

    Where the sigmoid is 0 or 1, that is not -inf. The sigmoid, if anything else needs it, is left as it is.
    Where both make a cross entropy, that is replaced as a whole.
    """
    found = _log_argument(node.outputs[0], uses)
    if found is None:
        return None
    whole: Plans = None
    for reader in uses.only_readers(node):
        if reader.op.name not in ("add", "multiply", "negative", "subtract"):
            break
        if reader.op.name != "multiply":
            whole = _cross_entropy_planned(reader, uses) or whole
    if whole is not None:
        return whole
    x, less = found

    def build(now: Now) -> tuple[Tensor]:
        if less:
            return (make(node, "negative", softplus(node, now(x))),)
        return (log_sigmoid(node, now(x)),)

    return {node: Plan("log_of_sigmoid", build)}


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


# --- cross entropy --------------------------------------------------------------------------------


def _cross_entropy_planned(node: Node, uses: Uses) -> Plans:
    """z log(s) + (1 - z) log(1 - s), s = sigmoid(x), of either sign, becomes max(x, 0) - x z + log(1 + exp(-|x|)).

    The sigmoid, 1 - s and 1 - z, if anything else needs them, are left as they are; nothing else may need the rest.
    """
    terms, inner = added(uses, node.outputs[0], 4)
    if len(terms) != 2:
        return None
    found: dict[bool, tuple[float, Tensor, Tensor]] = {}
    for plus, term in terms:
        constant, factors, nodes = factored(uses, term)
        if len(factors) != 2:
            return None
        first, second = (_log_argument(f, uses) for f in factors)
        log, weight = (first, factors[1]) if second is None else (second, factors[0])
        if log is None or (first is not None and second is not None):
            return None
        inner += [*nodes, factors[0].op if weight is factors[1] else factors[1].op]
        minus = uses.made(weight, "negative")  # with other readers: else it is among the factors' signs
        if minus is not None:
            constant, weight = -constant, minus.inputs[0]
        found[log[1]] = plus * constant, weight, log[0]
    if len(found) != 2:
        return None
    sign, z, x = found[False]
    if found[True][0] != sign or abs(sign) != 1 or found[True][2] is not x:
        return None
    if _one_minus(found[True][1], uses) is not z or not uses.end_with(node, inner):
        return None

    def build(now: Now) -> tuple[Tensor]:
        made = _cross_entropy(node, now(z), now(x))
        return (made if sign < 0 else make(node, "negative", made),)

    return {node: Plan("sigmoid_cross_entropy", build, inner)}


def gradient_of_log_sigmoid(node: Node, uses: Uses, groups: Any) -> Plans:
    """What reverse mode makes of logarithms of s = sigmoid(x) and of 1 - s, whose quotients are NaN where s is 0 or 1.

    (a / s - b / (1 - s)) * (s * (1 - s))  becomes  a * (1 - s) - b * s
    """
    for product in uses.only_readers(node):
        if product.op.name not in ("add", "multiply", "negative", "subtract"):
            break
        plan = _slope_planned(product, uses) if product.op.name == "multiply" else None
        if plan is not None:
            return {product: plan}
    return None


def _slope_planned(node: Node, uses: Uses) -> Plan | None:
    """The plan for a product of s, 1 - s and a sum of quotients by them."""
    constant, factors, nodes = factored(uses, node.outputs[0], 6)
    if len(factors) != 3 or abs(constant) != 1:
        return None
    for k, both in enumerate(factors):
        first, second = factors[:k] + factors[k + 1 :]
        for s, rest in ((first, second), (second, first)):
            sigmoid = uses.made(s, "sigmoid")
            if sigmoid is None or not _is_other(rest, sigmoid, uses):
                continue
            found = _quotients(both, sigmoid, rest, int(constant), uses)
            if found is None:
                continue
            inner = [n for n in (*nodes, *found[1]) if n is not node]
            if uses.end_with(node, inner):
                return Plan("gradient_of_log_sigmoid", _sum_of_products(node, found[0]), inner)
    return None


def _is_other(t: Tensor, sigmoid: Node, uses: Uses) -> bool:
    """Whether `t` is 1 - s, or the sigmoid of -x."""
    if _one_minus(t, uses) is sigmoid.outputs[0]:
        return True
    other = uses.made(t, "sigmoid")
    if other is None:
        return False
    a, x = other.inputs[0], sigmoid.inputs[0]
    return _is_minus(a, x, uses) or _is_minus(x, a, uses)


def _is_minus(a: Tensor, x: Tensor, uses: Uses) -> bool:
    constant, factors, _ = factored(uses, a, 1)
    return constant == -1 and len(factors) == 1 and factors[0] is x


def _quotients(
    t: Tensor, sigmoid: Node, rest: Tensor, sign: int, uses: Uses
) -> tuple[list[tuple[int, Tensor, Tensor]], list[Node]] | None:
    """Of a sum of quotients by s or by 1 - s each sign, dividend, and s or 1 - s: the one it is not divided by."""
    parts: list[tuple[int, Tensor, Tensor]] = []
    s = sigmoid.outputs[0]
    terms, inner = added(uses, t)
    for plus, term in terms:
        quotient = uses.made(term, "divide")
        if quotient is None:
            return None
        above, below = quotient.inputs
        if below is not s and not _is_other(below, sigmoid, uses):
            return None
        parts.append((sign * plus, above, rest if below is s else s))
        inner.append(quotient)
    return parts, inner


def _sum_of_products(node: Node, parts: list[tuple[int, Tensor, Tensor]]) -> Callable[[Now], tuple[Tensor]]:
    def build(now: Now) -> tuple[Tensor]:
        total: Tensor | None = None
        for sign, a, b in sorted(parts, key=lambda part: -part[0]):
            made = make(node, "multiply", now(a), now(b))
            if total is not None:
                total = make(node, "add" if sign > 0 else "subtract", total, made)
            else:
                total = made if sign > 0 else make(node, "negative", made)
        assert total is not None
        return (total,)

    return build
