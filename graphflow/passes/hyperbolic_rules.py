"""Sigmoid and tanh that are spelled out with exponentials."""

from __future__ import annotations

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import OperandRules
from graphflow.passes.operands import (
    Readers,
    constant,
    in_place_of,
    kind,
    left_constant,
    made,
    maker,
    one_constant,
    right_constant,
)
from graphflow.passes.rules import Inputs

__all__ = ["counted_hyperbolics", "spelled_out"]


def spelled_out(readers: Readers) -> OperandRules:
    """The sigmoid that is spelled out, of which nobody reads a part: its kernel takes the same steps."""

    def sigmoid(node: Node, inputs: Inputs) -> Inputs | None:
        """1 / (1 + exp(-x)) = sigmoid(x)."""
        below = inputs[-1]
        if node.op.name == "divide" and left_constant(inputs) != 1:
            return None
        grown = _one_plus_exp(below)
        if grown is None or kind(below) != "f" or not readers.only_one(below, grown.outputs[0]):
            return None
        u = grown.inputs[0]
        inner = maker(u, "negative", "multiply")
        if inner is not None and inner.op.name == "negative":
            return in_place_of(node, made(node, "sigmoid", inner.inputs[0]))
        c = None if inner is None else right_constant(inner.inputs)
        if inner is not None and c is not None:
            turned = made(node, "multiply", inner.inputs[0], constant(node, -c, c.dtype))
        else:
            turned = made(node, "negative", u)
        return in_place_of(node, made(node, "sigmoid", turned))

    return {"divide": {"add": (sigmoid,)}, "reciprocal": {"add": (sigmoid,)}}


def _one_plus_exp(t: Tensor) -> Node | None:
    """The exponential in 1 + exp(u)."""
    total = maker(t, "add")
    found = None if total is None else one_constant(total.inputs)
    return None if found is None or found[1] != 1 else maker(found[0], "exp")


def counted_hyperbolics(readers: Readers) -> OperandRules:
    """Spellings whose rounding differs from the kernels', of which nobody reads numerator and denominator."""

    def quotient(node: Node, inputs: Inputs) -> Inputs | None:
        """exp(x) / (exp(x) + 1) = sigmoid(x); sinh(x) / cosh(x) and quotients of exponentials = tanh(x)."""
        over, under = inputs
        if kind(over) != "f" or not readers.only_one(under):
            return None
        found = _sigmoid(node, over, under)
        if found is None and readers.only_one(over):
            found = _tanh(node, over, under)
        return None if found is None else in_place_of(node, found)

    def scaled_sigmoid(node: Node, inputs: Inputs) -> Inputs | None:
        """2 sigmoid(2 x) - 1 = tanh(x)."""
        shifted = one_constant(inputs)
        if shifted is None or shifted[1] != -1 or kind(inputs[0]) != "f":
            return None
        product = maker(shifted[0], "multiply")
        scaled = None if product is None else one_constant(product.inputs)
        if scaled is None or scaled[1] != 2 or not readers.only_one(shifted[0], scaled[0]):
            return None
        inner = maker(scaled[0], "sigmoid")
        return None if inner is None else in_place_of(node, _tanh_of_half(node, inner.inputs[0], 0.5))

    quotients = dict.fromkeys(("add", "subtract", "exp", "sinh"), (quotient,))
    return {"divide": quotients, "add": {"multiply": (scaled_sigmoid,)}}


def _sigmoid(node: Node, over: Tensor, under: Tensor) -> Tensor | None:
    numerator, total = maker(over, "exp"), maker(under, "add")
    found = None if total is None else one_constant(total.inputs)
    if numerator is None or found is None or found[1] != 1 or found[0] is not over:
        return None
    return made(node, "sigmoid", numerator.inputs[0])


def _tanh(node: Node, over: Tensor, under: Tensor) -> Tensor | None:
    sinh, cosh = maker(over, "sinh"), maker(under, "cosh")
    if sinh is not None and cosh is not None:
        return made(node, "tanh", sinh.inputs[0]) if sinh.inputs[0] is cosh.inputs[0] else None
    difference, total = maker(over, "subtract", "add"), maker(under, "add")
    if difference is None or total is None:
        return None
    found = _from_two_exps(node, difference, total)
    return _from_one_exp(node, difference, total) if found is None else found


def _from_two_exps(node: Node, difference: Node, total: Node) -> Tensor | None:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    a, b = difference.inputs
    if difference.op.name != "subtract" or not _same_pair(difference.inputs, total.inputs):
        return None
    first, second = maker(a, "exp"), maker(b, "exp")
    if first is None or second is None:
        return None
    x, minus = first.inputs[0], second.inputs[0]
    if _is_negative_of(minus, x) or _is_negative_of(x, minus):
        return made(node, "tanh", x)
    return None


def _from_one_exp(node: Node, difference: Node, total: Node) -> Tensor | None:
    """(exp(u) - 1) / (exp(u) + 1) = tanh(u / 2), (1 - exp(u)) / (1 + exp(u)) = tanh(-u / 2)."""
    summed = one_constant(total.inputs)
    if summed is None or summed[1] != 1:
        return None
    e = summed[0]
    inner = maker(e, "exp")
    if inner is None or not any(t is e for t in difference.inputs):
        return None
    turned = difference.op.name == "subtract" and left_constant(difference.inputs) == 1
    less = right_constant(difference.inputs)
    if not turned and (less is None or less != (1 if difference.op.name == "subtract" else -1)):
        return None
    return _tanh_of_half(node, inner.inputs[0], -0.5 if turned else 0.5)


def _tanh_of_half(node: Node, u: Tensor, half: float) -> Tensor:
    return made(node, "tanh", made(node, "multiply", u, constant(node, half, u.type.dtype)))


def _same_pair(first: Inputs, second: Inputs) -> bool:
    a, b = first
    c, d = second
    return (a is c and b is d) or (a is d and b is c)


def _is_negative_of(t: Tensor, x: Tensor) -> bool:
    """Whether t is surely -x: a negative, or both the same tensor by constants that are one another's negative."""
    negated = maker(t, "negative")
    if negated is not None:
        return negated.inputs[0] is x
    first, second = maker(t, "multiply"), maker(x, "multiply")
    if first is None:
        return False
    a, c = first.inputs[0], right_constant(first.inputs)
    if c is None:
        return False
    if a is x:
        return bool(c == -1)
    if second is None or second.inputs[0] is not a:
        return False
    other = right_constant(second.inputs)
    return other is not None and bool(other == -c)
