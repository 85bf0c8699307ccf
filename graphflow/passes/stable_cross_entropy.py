"""Rules about cross entropies of sigmoids spelled out, logarithms of sigmoids, and their gradients.

`stabilize` has the table. What is built here has the values of `gf.nn.log_sigmoid` and
`gf.nn.sigmoid_cross_entropy_with_logits`, in forms that need no gradient and so less work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Plan, Uses, added, factored, make, scalar
from graphflow.passes.stable_logistic import (
    Plans,
    log1p_exp_of_minus_abs,
    log_sigmoid,
    minus,
    one_minus,
    softplus,
)

__all__ = ["gradient_of_log_sigmoid", "log_of_sigmoid"]

# --- logarithms -----------------------------------------------------------------------------------


def _log_argument(t: Tensor, uses: Uses) -> tuple[Tensor, bool] | None:
    """x where `t` is log(sigmoid(x)), or log(1 - sigmoid(x)): then with True."""
    node = uses.made(t, "log", "log1p")
    if node is None:
        return None
    inner = node.inputs[0]
    if node.op.name == "log":
        left: Tensor | None = one_minus(inner, uses)
    else:
        left = minus(inner, uses)
        if left is None:
            return None
    sigmoid = uses.made(inner if left is None else left, "sigmoid")
    return None if sigmoid is None else (sigmoid.inputs[0], left is not None)


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


# --- cross entropy --------------------------------------------------------------------------------


def _cross_entropy(node: Node, z: Tensor, x: Tensor) -> Tensor:
    """-z log(sigmoid(x)) - (1 - z) log(1 - sigmoid(x)) as max(x, 0) - x z + log(1 + exp(-|x|))."""
    above = make(node, "maximum", x, scalar(node, 0, x.type.dtype))
    linear = make(node, "subtract", above, make(node, "multiply", x, z))
    return make(node, "add", linear, log1p_exp_of_minus_abs(node, x))


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
        positive = minus(weight, uses)  # with other readers: else it is among the factors' signs
        if positive is not None:
            constant, weight = -constant, positive
        found[log[1]] = plus * constant, weight, log[0]
    if len(found) != 2:
        return None
    sign, z, x = found[False]
    if found[True][0] != sign or abs(sign) != 1 or found[True][2] is not x:
        return None
    if one_minus(found[True][1], uses) is not z or not uses.end_with(node, inner):
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
    if len(factors) == 2:  # s * (1 - s) may be read by several such products
        slopes = [k for k, f in enumerate(factors) if uses.made(f, "multiply")]
        if len(slopes) != 1:
            return None
        factors[slopes[0] : slopes[0] + 1] = factors[slopes[0]].op.inputs
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
    if one_minus(t, uses) is sigmoid.outputs[0]:
        return True
    other = uses.made(t, "sigmoid")
    if other is None:
        return False
    a, x = other.inputs[0], sigmoid.inputs[0]
    return minus(a, uses) is x or minus(x, uses) is a


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
