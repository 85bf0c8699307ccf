"""Neutral operands, quotients by powers of two, and the arithmetic of integers: identities that keep every bit.

Real floats: -0.0, infinities, NaN and subnormal numbers are looked at for each rule here. Complex products and
quotients mix the two parts, so that 0 * inf makes a NaN even of x * 1: for them few of these rules are exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.graph import Node
from graphflow.passes.operand_rules import CONSTANT_OPERAND, SAME, combined
from graphflow.passes.operands import (
    constant,
    filled,
    in_place_of,
    is_minus_zero,
    kind,
    left_constant,
    made,
    maker,
    one_constant,
    right_constant,
    stand_in,
)
from graphflow.passes.rules import Inputs

__all__ = ["ARITHMETIC"]

# --- neutral operands -----------------------------------------------------------------------------


def plus_nothing(node: Node, inputs: Inputs) -> Inputs | None:
    """x + 0 of integers; of floats x + -0.0, as x + 0.0 makes 0.0 of -0.0."""
    found = one_constant(inputs)
    if found is None or found[1] != 0:
        return None
    x, zero = found
    if kind(x) != "i" and not _is_neutral_zero(zero):
        return None
    return stand_in(node, x, inputs)


def _is_neutral_zero(zero: Any) -> bool:
    if zero.dtype.kind == "c":
        return is_minus_zero(zero.real) and is_minus_zero(zero.imag)
    return is_minus_zero(zero)


def minus_nothing(node: Node, inputs: Inputs) -> Inputs | None:
    """x - 0; of floats 0.0, as -0.0 - -0.0 is 0.0."""
    zero = right_constant(inputs)
    if zero is None or zero != 0:
        return None
    if kind(inputs[0]) != "i" and (np.signbit(zero.real) or np.signbit(zero.imag)):
        return None
    return stand_in(node, inputs[0], inputs)


def nothing_minus(node: Node, inputs: Inputs) -> Inputs | None:
    """0 - x; of floats -0.0 - x, as 0.0 - 0.0 is 0.0."""
    zero = left_constant(inputs)
    if zero is None or zero != 0 or (kind(inputs[1]) != "i" and not _is_neutral_zero(zero)):
        return None
    return in_place_of(node, made(node, "negative", inputs[1]))


def times_unit(node: Node, inputs: Inputs) -> Inputs | None:
    """x * 1 = x, x * -1 = -x; x * 0 = 0 of integers alone, as a float may be NaN, infinite or negative."""
    found = one_constant(inputs)
    if found is None:
        return None
    x, c = found
    if c == 1:
        return None if kind(x) == "c" else stand_in(node, x, inputs)
    if c == 0:
        return filled(node, 0, x) if kind(x) == "i" else None
    if c == -1 and kind(x) != "c":
        return in_place_of(node, made(node, "negative", x))
    return None


def minus_itself(node: Node, inputs: Inputs) -> Inputs | None:
    return filled(node, 0, inputs[0]) if kind(inputs[0]) == "i" else None


def twice(node: Node, inputs: Inputs) -> Inputs | None:
    x = inputs[0]
    if kind(x) == "c":
        return None
    return in_place_of(node, made(node, "multiply", x, constant(node, 2, x.type.dtype)))


def over_power_of_two(node: Node, inputs: Inputs) -> Inputs | None:
    """x / c = x * (1 / c): both are the one number nearest to the quotient, as 1 / c is a number of the dtype."""
    x, c = inputs[0], right_constant(inputs)
    if c is None or kind(x) != "f":
        return None
    if c == 1:
        return stand_in(node, x, inputs)
    if c == -1:
        return in_place_of(node, made(node, "negative", x))
    inverse = _exact_inverse(c)
    if inverse is None:
        return None
    return in_place_of(node, made(node, "multiply", x, constant(node, inverse, x.type.dtype)))


_SMALLEST_NORMAL = {"float16": -14, "bfloat16": -126, "float32": -126, "float64": -1022}


def _exact_inverse(c: Any) -> float | None:
    value = float(c)
    if not math.isfinite(value) or value == 0:
        return None
    mantissa, exponent = math.frexp(value)
    if abs(mantissa) != 0.5 or 1 - exponent < _SMALLEST_NORMAL[c.dtype.name]:
        return None
    with np.errstate(over="ignore"):
        return 1 / value if np.isfinite(np.array(1 / value).astype(c.dtype)) else None


# --- integers -------------------------------------------------------------------------------------


def integer_divided(node: Node, inputs: Inputs) -> Inputs | None:
    """x // 1 = x and x // 2^k = x >> k; x % 2^k = x & (2^k - 1). Both round towards minus infinity."""
    x, c = inputs[0], right_constant(inputs)
    if c is None or kind(x) != "i" or c <= 0 or int(c) & (int(c) - 1):
        return None
    dtype = x.type.dtype
    if node.op.name == "remainder":
        return in_place_of(node, made(node, "bitwise_and", x, constant(node, int(c) - 1, dtype)))
    if c == 1:
        return stand_in(node, x, inputs)
    places = int(c).bit_length() - 1
    return in_place_of(node, made(node, "bitwise_right_shift", x, constant(node, places, dtype)))


def integer_power(node: Node, inputs: Inputs) -> Inputs | None:
    """x ** 0 = 1, x ** 1 = x; x ** 2 and x ** 3 by multiplication, which wraps around alike."""
    x, c = inputs[0], right_constant(inputs)
    if c is None or kind(x) != "i" or not 0 <= c <= 3:
        return None
    if c == 0:
        return filled(node, 1, x)
    if c == 1:
        return stand_in(node, x, inputs)
    square = made(node, "square", x)
    return in_place_of(node, square if c == 2 else made(node, "multiply", x, square))


# --- constants that meet, of integers -------------------------------------------------------------


def constants_meet(node: Node, inputs: Inputs) -> Inputs | None:
    """(x + a) + b = x + (a + b), and products likewise: integers wrap around, whatever the order."""
    x, b = inputs[0], right_constant(inputs)
    if b is None or kind(x) != "i":
        return None
    name = node.op.name
    inner = maker(x, name)
    a = None if inner is None else right_constant(inner.inputs)
    if inner is None or a is None:
        return None
    met = int(a) + int(b) if name == "add" else int(a) * int(b)
    return in_place_of(
        node, made(node, name, inner.inputs[0], constant(node, _wrapped(met, a.dtype), a.dtype))
    )


def _wrapped(value: int, dtype: np.dtype[Any]) -> int:
    limits = np.iinfo(dtype)
    return int((value - limits.min) % 2**limits.bits + limits.min)


ARITHMETIC = combined(
    {
        "add": {CONSTANT_OPERAND: (plus_nothing, constants_meet), SAME: (twice,)},
        "subtract": {CONSTANT_OPERAND: (minus_nothing, nothing_minus), SAME: (minus_itself,)},
        "multiply": {CONSTANT_OPERAND: (times_unit, constants_meet)},
        "divide": {CONSTANT_OPERAND: (over_power_of_two,)},
        "floor_divide": {CONSTANT_OPERAND: (integer_divided,)},
        "remainder": {CONSTANT_OPERAND: (integer_divided,)},
        "pow": {CONSTANT_OPERAND: (integer_power,)},
        "integer_pow": {CONSTANT_OPERAND: (integer_power,)},
    }
)
