"""Identities of sums, products, quotients, signs and powers that keep every bit.

Real floats: -0.0, infinities, NaN and subnormal numbers are looked at for each rule here. Complex products and
quotients mix the two parts, so that 0 * inf makes a NaN even of x * 1: for them few of these rules are exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, CONSTANT_OPERAND, SAME, combined
from graphflow.passes.operands import (
    constant,
    filled,
    in_place_of,
    is_minus_zero,
    kind,
    left_constant,
    lies_in_rows,
    made,
    maker,
    one_constant,
    respelled,
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


# --- signs ----------------------------------------------------------------------------------------


def _negated(t: Tensor) -> Tensor | None:
    node = maker(t, "negative")
    return None if node is None else node.inputs[0]


def twice_negated(node: Node, inputs: Inputs) -> Inputs | None:
    x = _negated(inputs[0])
    return None if x is None else stand_in(node, x)


def plus_negative(node: Node, inputs: Inputs) -> Inputs | None:
    """x + -y = x - y, and -x + y = y - x."""
    a, b = inputs
    x, y = _negated(a), _negated(b)
    if y is not None:
        return respelled(node, made(node, "subtract", a, y))
    return None if x is None else respelled(node, made(node, "subtract", b, x))


def minus_negative(node: Node, inputs: Inputs) -> Inputs | None:
    y = _negated(inputs[1])
    return None if y is None else respelled(node, made(node, "add", inputs[0], y))


def signs_of_factors(node: Node, inputs: Inputs) -> Inputs | None:
    """-x * -y = x * y, and -x * c = x * -c, whose negative is known now; quotients likewise."""
    a, b = inputs
    if kind(a) == "c":
        return None
    x, y = _negated(a), _negated(b)
    if x is not None and y is not None:
        return respelled(node, made(node, node.op.name, x, y))
    if x is not None and (c := right_constant(inputs)) is not None:
        return in_place_of(node, made(node, node.op.name, x, constant(node, np.negative(c), c.dtype)))
    if y is not None and (c := left_constant(inputs)) is not None:
        return in_place_of(node, made(node, node.op.name, constant(node, np.negative(c), c.dtype), y))
    return None


def negative_of_scaled(node: Node, inputs: Inputs) -> Inputs | None:
    """-(x * c) = x * -c, and quotients likewise."""
    inner = maker(inputs[0], "multiply", "divide")
    if inner is None or kind(inputs[0]) == "c":
        return None
    a, b = inner.inputs
    c = right_constant(inner.inputs)
    if c is not None:
        return in_place_of(node, made(node, inner.op.name, a, constant(node, np.negative(c), c.dtype)))
    c = left_constant(inner.inputs)
    if c is not None:
        return in_place_of(node, made(node, inner.op.name, constant(node, np.negative(c), c.dtype), b))
    return None


def negative_of_difference(node: Node, inputs: Inputs) -> Inputs | None:
    """-(x - y) = y - x of integers; a float difference of 0.0 stays 0.0 when its operands change places."""
    inner = maker(inputs[0], "subtract")
    if inner is None or kind(inputs[0]) != "i":
        return None
    return respelled(node, made(node, "subtract", *inner.inputs[::-1]))


def even_of_negative(node: Node, inputs: Inputs) -> Inputs | None:
    """square(-x) = square(x), abs(-x) = abs(x); of real numbers square(abs(x)) = square(x)."""
    inner = maker(inputs[0], "negative", "abs")
    if inner is None or (kind(inner.inputs[0]) == "c" and not _may_be_read(inner)):
        return None
    return in_place_of(node, made(node, node.op.name, inner.inputs[0]))


def _may_be_read(inner: Node) -> bool:
    """Whether squares and sizes of complex numbers are the same of the operand of `inner`.

    Their last bits depend on how the operand lies in memory: processors compute in one step what lies side by side.
    """
    return inner.op.name != "abs" and lies_in_rows(inner.inputs[0])


_NOT_NEGATIVE = ("abs", "square", "exp", "exp2", "sigmoid")


def positive_anyway(node: Node, inputs: Inputs) -> Inputs | None:
    """abs(x) and relu(x) of what is no negative number, nor -0.0: integers may have wrapped around to one."""
    x = inputs[0]
    if x.type.dtype.kind == "u" or (maker(x, *_NOT_NEGATIVE) is not None and kind(x) == "f"):
        return stand_in(node, x)
    return None


def done_already(node: Node, inputs: Inputs) -> Inputs | None:
    """f(f(x)) = f(x) of rounding, signs and rectifiers."""
    name = node.op.name
    inner = maker(inputs[0], name, *(_ROUNDINGS if name in _ROUNDINGS else ()))
    return None if inner is None or kind(inputs[0]) == "c" else stand_in(node, inputs[0])


_ROUNDINGS = ("floor", "ceil", "trunc", "round")

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


# --- parts of complex numbers ---------------------------------------------------------------------


def part_of_whole(node: Node, inputs: Inputs) -> Inputs | None:
    """real(complex(a, b)) = a, imag(complex(a, b)) = b; real(conj(z)) = real(z)."""
    name = node.op.name
    inner = maker(inputs[0], "complex", "conj")
    if inner is None:
        return None
    if inner.op.name == "complex":
        return stand_in(node, inner.inputs[0 if name == "real" else 1])
    return in_place_of(node, made(node, name, inner.inputs[0])) if name == "real" else None


def whole_of_parts(node: Node, inputs: Inputs) -> Inputs | None:
    re, im = maker(inputs[0], "real"), maker(inputs[1], "imag")
    if re is None or im is None or re.inputs[0] is not im.inputs[0]:
        return None
    return stand_in(node, re.inputs[0])


def twice_conjugate(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "conj")
    return None if inner is None else stand_in(node, inner.inputs[0])


def size_of_conjugate(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "conj")
    if inner is None or not _may_be_read(inner):
        return None
    return in_place_of(node, made(node, "abs", inner.inputs[0]))


ARITHMETIC = combined(
    {
        "add": {
            CONSTANT_OPERAND: (plus_nothing, constants_meet),
            "negative": (plus_negative,),
            SAME: (twice,),
        },
        "subtract": {
            CONSTANT_OPERAND: (minus_nothing, nothing_minus),
            "negative": (minus_negative,),
            SAME: (minus_itself,),
        },
        "multiply": {
            CONSTANT_OPERAND: (times_unit, constants_meet),
            "negative": (signs_of_factors,),
        },
        "divide": {CONSTANT_OPERAND: (over_power_of_two,), "negative": (signs_of_factors,)},
        "negative": {
            "negative": (twice_negated,),
            "multiply": (negative_of_scaled,),
            "divide": (negative_of_scaled,),
            "subtract": (negative_of_difference,),
        },
        "square": {"negative": (even_of_negative,), "abs": (even_of_negative,)},
        "abs": {
            "negative": (even_of_negative,),
            "abs": (done_already,),
            "conj": (size_of_conjugate,),
            ALWAYS: (positive_anyway,),
        },
        "relu": {"relu": (done_already,), ALWAYS: (positive_anyway,)},
        "sign": {"sign": (done_already,)},
        "floor_divide": {CONSTANT_OPERAND: (integer_divided,)},
        "remainder": {CONSTANT_OPERAND: (integer_divided,)},
        "pow": {CONSTANT_OPERAND: (integer_power,)},
        "integer_pow": {CONSTANT_OPERAND: (integer_power,)},
        "real": {"complex": (part_of_whole,), "conj": (part_of_whole,)},
        "imag": {"complex": (part_of_whole,)},
        "complex": {"real": (whole_of_parts,)},
        "conj": {"conj": (twice_conjugate,)},
    },
    {name: dict.fromkeys(_ROUNDINGS, (done_already,)) for name in _ROUNDINGS},
)
