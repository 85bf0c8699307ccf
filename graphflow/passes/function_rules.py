"""Identities of exponentials, logarithms, roots and powers.

They change rounding, as `fast_arithmetic_rules` says. Where a function is not defined everywhere (`exp(log(x))` for
x < 0) a rule fires only if its operand is surely never negative.
"""

from __future__ import annotations

import math

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import CONSTANT_OPERAND, OperandRules, combined
from graphflow.passes.operands import (
    Readers,
    constant,
    in_place_of,
    kind,
    left_constant,
    made,
    maker,
    one_constant,
    one_value,
    respelled,
    right_constant,
    stand_in,
)
from graphflow.passes.rules import Inputs

__all__ = ["FUNCTIONS", "counted_functions", "never_negative"]

# --- signs of values ------------------------------------------------------------------------------

_POSITIVE = ("abs", "square", "exp", "exp2", "sigmoid", "sqrt", "relu", "rsqrt", "cosh")
_KEEPING = ("add", "multiply", "divide", "sum", "max", "min", "prod", "reciprocal", "minimum", "maximum")
_MOVING = ("broadcast_to", "reshape", "permute_dims", "expand_dims", "squeeze", "identity", "concat", "flip")
_MOST_ASKED = 24


def never_negative(t: Tensor) -> bool:
    """Whether no element of a real tensor can be below 0; False where that would take long to see."""
    stack = [t]
    for _ in range(_MOST_ASKED):
        if not stack:
            return True
        t = stack.pop()
        name = t.op.op.name
        if kind(t) != "f":
            return False
        if name in _POSITIVE and (name != "square" or kind(t.op.inputs[0]) == "f"):
            continue
        if name in _KEEPING or name in _MOVING:
            stack.extend(t.op.inputs)
        else:
            value = one_value(t)
            if value is None or not value >= 0:
                return False
    return not stack


# --- powers and roots -----------------------------------------------------------------------------


def power_of_constant(node: Node, inputs: Inputs) -> Inputs | None:
    """x ** c for c = 1, 2, 3, 4, -1, -2, 1/2, -1/2 and 3/2 by products and roots; 2 ** x by exp2."""
    x, c = inputs[0], right_constant(inputs)
    if kind(x) not in "fc":
        return None
    if c is None:
        return in_place_of(node, made(node, "exp2", inputs[1])) if left_constant(inputs) == 2 else None
    if c == 1:
        return stand_in(node, x, inputs)
    if c == 2:
        return in_place_of(node, made(node, "square", x))
    if c == 3:
        return in_place_of(node, made(node, "multiply", x, made(node, "square", x)))
    if c == 4:
        return in_place_of(node, made(node, "square", made(node, "square", x)))
    if c == -1:
        return in_place_of(node, made(node, "reciprocal", x))
    if c == -2:
        return in_place_of(node, made(node, "reciprocal", made(node, "square", x)))
    if c == 0.5:
        return in_place_of(node, made(node, "sqrt", x))
    if c == -0.5:
        return in_place_of(node, made(node, "rsqrt", x))
    if c == 1.5:
        return in_place_of(node, made(node, "multiply", x, made(node, "sqrt", x)))
    return None


def square_of_root(node: Node, inputs: Inputs) -> Inputs | None:
    """square(sqrt(x)) = x, square(rsqrt(x)) = 1 / x."""
    inner = maker(inputs[0], "sqrt", "rsqrt")
    if inner is None or not never_negative(inner.inputs[0]):
        return None
    x = inner.inputs[0]
    return stand_in(node, x) if inner.op.name == "sqrt" else in_place_of(node, made(node, "reciprocal", x))


def root_of_square(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "square")
    if inner is None or kind(inputs[0]) != "f":
        return None
    return in_place_of(node, made(node, "abs", inner.inputs[0]))


def over_own_root(node: Node, inputs: Inputs) -> Inputs | None:
    """x / sqrt(x) = sqrt(x), sqrt(x) / x = rsqrt(x), y / rsqrt(x) = y * sqrt(x)."""
    a, b = inputs
    over, under = maker(a, "sqrt"), maker(b, "sqrt", "rsqrt")
    if over is not None and over.inputs[0] is b:
        return in_place_of(node, made(node, "rsqrt", b))
    if under is None:
        return None
    x = under.inputs[0]
    if under.op.name == "rsqrt":
        return in_place_of(node, made(node, "multiply", a, made(node, "sqrt", x)))
    return in_place_of(node, made(node, "sqrt", x)) if x is a else None


def times_own_root(node: Node, inputs: Inputs) -> Inputs | None:
    """x * rsqrt(x) = sqrt(x)."""
    for x, t in (inputs, inputs[::-1]):
        inner = maker(t, "rsqrt")
        if inner is not None and inner.inputs[0] is x:
            return in_place_of(node, made(node, "sqrt", x))
    return None


def times_own_sign(node: Node, inputs: Inputs) -> Inputs | None:
    """x * sign(x) = abs(x), abs(x) * sign(x) = x."""
    for t, other in (inputs, inputs[::-1]):
        inner = maker(t, "sign")
        if inner is None or kind(t) != "f":
            continue
        x = inner.inputs[0]
        if other is x:
            return in_place_of(node, made(node, "abs", x))
        size = maker(other, "abs")
        if size is not None and size.inputs[0] is x:
            return stand_in(node, x)
    return None


# --- exponentials and logarithms ------------------------------------------------------------------


def log_of_exp(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "exp")
    return None if inner is None or kind(inputs[0]) != "f" else stand_in(node, inner.inputs[0])


def exp_of_log(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "log")
    if inner is None or not never_negative(inner.inputs[0]):
        return None
    return stand_in(node, inner.inputs[0])


def log_of_power(node: Node, inputs: Inputs) -> Inputs | None:
    """log(sqrt(x)) = log(x) / 2, log(1 / x) = -log(x), log(x ** c) = c log(x)."""
    inner = maker(inputs[0], "sqrt", "rsqrt", "reciprocal", "divide", "pow")
    if inner is None or kind(inputs[0]) != "f":
        return None
    x, dtype = inner.inputs[0], inputs[0].type.dtype
    name = inner.op.name
    if name in ("sqrt", "rsqrt"):
        half = constant(node, 0.5 if name == "sqrt" else -0.5, dtype)
        return in_place_of(node, made(node, "multiply", made(node, "log", x), half))
    if name == "pow":
        c = right_constant(inner.inputs)
        if c is None or not math.isfinite(c) or not never_negative(x):
            return None
        return in_place_of(node, made(node, "multiply", made(node, "log", x), constant(node, c, dtype)))
    if name == "divide" and left_constant(inner.inputs) != 1:
        return None
    return in_place_of(node, made(node, "negative", made(node, "log", inner.inputs[-1])))


def log_near_one(node: Node, inputs: Inputs) -> Inputs | None:
    """log(x + 1) = log1p(x), log(1 - x) = log1p(-x): exact near 0.

    Of float64 alone: there it is no slower; in single precision NumPy's log1p takes six times as long as its log.
    """
    inner = maker(inputs[0], "add", "subtract")
    if inner is None or inputs[0].type.dtype.name != "float64":
        return None
    if inner.op.name == "subtract":
        if left_constant(inner.inputs) != 1:
            return None
        return in_place_of(node, made(node, "log1p", made(node, "negative", inner.inputs[1])))
    found = one_constant(inner.inputs)
    return None if found is None or found[1] != 1 else in_place_of(node, made(node, "log1p", found[0]))


FUNCTIONS = combined(
    {
        "pow": {CONSTANT_OPERAND: (power_of_constant,)},
        "square": {"sqrt": (square_of_root,), "rsqrt": (square_of_root,)},
        "sqrt": {"square": (root_of_square,)},
        "divide": {"sqrt": (over_own_root,), "rsqrt": (over_own_root,)},
        "multiply": {"rsqrt": (times_own_root,), "sign": (times_own_sign,)},
        "exp": {"log": (exp_of_log,)},
        "log": {
            "exp": (log_of_exp,),
            "add": (log_near_one,),
            "subtract": (log_near_one,),
            **dict.fromkeys(("sqrt", "rsqrt", "reciprocal", "divide", "pow"), (log_of_power,)),
        },
    }
)


# --- what asks for readers ------------------------------------------------------------------------


def counted_functions(readers: Readers) -> OperandRules:
    """Rules that need to know whether a value is read elsewhere too."""
    only_one = readers.only_one

    def exps_meet(node: Node, inputs: Inputs) -> Inputs | None:
        """exp(a) * exp(b) = exp(a + b), exp(a) / exp(b) = exp(a - b), 1 / exp(a) = exp(-a)."""
        a, b = maker(inputs[0], "exp"), maker(inputs[-1], "exp")
        if b is None or not only_one(inputs[-1]):
            return None
        if node.op.name == "reciprocal" or left_constant(inputs) == 1:
            return in_place_of(node, made(node, "exp", made(node, "negative", b.inputs[0])))
        if a is None or not only_one(inputs[0]) or inputs[0].type != inputs[1].type:
            return None
        how = "add" if node.op.name == "multiply" else "subtract"
        return in_place_of(node, made(node, "exp", made(node, how, a.inputs[0], b.inputs[0])))

    def log_of_product(node: Node, inputs: Inputs) -> Inputs | None:
        """log(exp(a) * y) = a + log(y), log(exp(a) / y) = a - log(y), log(y / exp(a)) = log(y) - a."""
        product = maker(inputs[0], "multiply", "divide")
        if product is None or kind(inputs[0]) != "f" or not only_one(inputs[0]):
            return None
        a, b = product.inputs
        first, second = maker(a, "exp"), maker(b, "exp")
        if product.op.name == "multiply":
            if first is None and second is not None:
                a, b, first = b, a, second
            if first is None:
                return None
            return respelled(node, made(node, "add", first.inputs[0], made(node, "log", b)))
        if first is not None:
            return respelled(node, made(node, "subtract", first.inputs[0], made(node, "log", b)))
        if second is not None:
            return respelled(node, made(node, "subtract", made(node, "log", a), second.inputs[0]))
        return None

    def exp_less_one(node: Node, inputs: Inputs) -> Inputs | None:
        """exp(x) - 1 = expm1(x), 1 - exp(x) = -expm1(x): exact near 0; of float64 alone, as `log_near_one`."""
        if inputs[0].type.dtype.name != "float64":
            return None
        if node.op.name == "subtract":
            turned, t = left_constant(inputs) == 1, inputs[1]
            if not turned and right_constant(inputs) != 1:
                return None
            t = t if turned else inputs[0]
        else:
            found = one_constant(inputs)
            if found is None or found[1] != -1:
                return None
            turned, t = False, found[0]
        inner = maker(t, "exp")
        if inner is None or not only_one(t):
            return None
        less = made(node, "expm1", inner.inputs[0])
        return in_place_of(node, made(node, "negative", less) if turned else less)

    return {
        "multiply": {"exp": (exps_meet,)},
        "divide": {"exp": (exps_meet,)},
        "reciprocal": {"exp": (exps_meet,)},
        "log": {"multiply": (log_of_product,), "divide": (log_of_product,)},
        "add": {"exp": (exp_less_one,)},
        "subtract": {"exp": (exp_less_one,)},
    }
