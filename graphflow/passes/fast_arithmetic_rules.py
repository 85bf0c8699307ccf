"""Identities of arithmetic that change rounding: constants that meet, and spellings that save an operation.

What is finite, with everything that it is computed from, stays within a few units in the last place of the largest
number on its way; the sign of a zero, and what was infinite or NaN on its way alone, may change.
"""

from __future__ import annotations

import cmath
import functools
from typing import Any

import ml_dtypes
import numpy as np

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
    respelled,
    right_constant,
    stand_in,
)
from graphflow.passes.rules import Inputs, Rule

__all__ = ["FAST_ARITHMETIC", "counted_arithmetic"]

# --- neutral operands -----------------------------------------------------------------------------


def plus_any_zero(node: Node, inputs: Inputs) -> Inputs | None:
    """x + 0.0, which makes 0.0 of -0.0."""
    found = one_constant(inputs)
    return None if found is None or found[1] != 0 else stand_in(node, found[0], inputs)


def minus_any_zero(node: Node, inputs: Inputs) -> Inputs | None:
    zero = right_constant(inputs)
    return None if zero is None or zero != 0 else stand_in(node, inputs[0], inputs)


def any_zero_minus(node: Node, inputs: Inputs) -> Inputs | None:
    zero = left_constant(inputs)
    return None if zero is None or zero != 0 else in_place_of(node, made(node, "negative", inputs[1]))


def complex_times_one(node: Node, inputs: Inputs) -> Inputs | None:
    """z * 1 and z * -1, where 0 * inf would make a NaN."""
    found = one_constant(inputs)
    if found is None or abs(found[1].real) != 1 or found[1].imag != 0:
        return None
    return _signed(node, found[0], found[1].real, inputs)


def complex_over_one(node: Node, inputs: Inputs) -> Inputs | None:
    one = right_constant(inputs)
    if one is None or abs(one.real) != 1 or one.imag != 0:
        return None
    return _signed(node, inputs[0], one.real, inputs)


def _signed(node: Node, x: Tensor, sign: Any, inputs: Inputs) -> Inputs | None:
    return stand_in(node, x, inputs) if sign > 0 else in_place_of(node, made(node, "negative", x))


def turned_difference(node: Node, inputs: Inputs) -> Inputs | None:
    """-(x - y) = y - x, but for the sign of a difference of zero."""
    inner = maker(inputs[0], "subtract")
    return None if inner is None else respelled(node, made(node, "subtract", *inner.inputs[::-1]))


# --- constants that meet --------------------------------------------------------------------------


def scales_meet(node: Node, inputs: Inputs) -> Inputs | None:
    """(x * a) * b = x * (a * b), (a / x) / b = (a / b) / x, a / (b / x) = x * (a / b), and so on."""
    k, t, divides = _constant_of(node, inputs)
    if k is None:
        return None
    inner = maker(t, "multiply", "divide", "reciprocal")
    found = None if inner is None else _scaled(inner)
    if found is None:
        return None
    x, c, below = found
    if c == 0 or k == 0:
        return None
    if node.op.name == "multiply":
        c = c * k
    elif divides:
        c, below = k / c, not below
    else:
        c = c / k
    return _scaled_node(node, x, c, below)


def _constant_of(node: Node, inputs: Inputs) -> tuple[Any, Tensor, bool]:
    """The constant operand as a Python number, the other one, and whether the constant is what is divided."""
    c = right_constant(inputs)
    if c is not None:
        return c.item() if hasattr(c, "item") else c, inputs[0], False
    c = left_constant(inputs)
    return None if c is None else c.item(), inputs[1], node.op.name == "divide"


def _scaled(node: Node) -> tuple[Tensor, Any, bool] | None:
    """A node as (x, c, below): x * c, or c / x where x is below."""
    if node.op.name == "reciprocal":
        return node.inputs[0], 1.0, True
    c, x, below = _constant_of(node, node.inputs)
    if c is None or (c == 0 and node.op.name == "divide"):
        return None
    return x, (1 / c if node.op.name == "divide" and not below else c), below


def _scaled_node(node: Node, x: Tensor, c: Any, below: bool) -> Inputs | None:
    dtype = node.outputs[0].type.dtype
    if not _is_normal(c, dtype):
        return None
    if below:
        return in_place_of(node, made(node, "divide", constant(node, c, dtype), x))
    found = stand_in(node, x) if c == 1 else None
    return found or in_place_of(node, made(node, "multiply", x, constant(node, c, dtype)))


def _is_normal(c: Any, dtype: np.dtype[Any]) -> bool:
    limits = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    return bool(cmath.isfinite(c)) and float(limits.tiny) <= abs(c) <= float(limits.max)


def over_constant(node: Node, inputs: Inputs) -> Inputs | None:
    """x / c = x * (1 / c): a product is faster than a quotient."""
    c = right_constant(inputs)
    if c is None or c == 0 or not cmath.isfinite(c.item()):
        return None
    return _scaled_node(node, inputs[0], 1 / c.item(), False)


def shifts_meet(node: Node, inputs: Inputs) -> Inputs | None:
    """(x + a) + b = x + (a + b), (a - x) + b = (a + b) - x, a - (x + b) = (a - b) - x, and so on."""
    b, a = right_constant(inputs), left_constant(inputs)
    if (b is None) == (a is None):
        return None
    inner = maker(inputs[1] if b is None else inputs[0], "add", "subtract")
    found = None if inner is None else _shifted(inner)
    if found is None:
        return None
    x, c, sign = found
    if b is None and node.op.name == "subtract":
        c, sign = a.item() - c, -sign
    elif node.op.name == "subtract":
        c = c - b.item()
    else:
        c = c + (a if b is None else b).item()
    dtype = node.outputs[0].type.dtype
    if c != 0 and not _is_normal(c, dtype):
        return None
    if sign < 0:
        return in_place_of(node, made(node, "subtract", constant(node, c, dtype), x))
    found_there = stand_in(node, x) if c == 0 else None
    return found_there or in_place_of(node, made(node, "add", x, constant(node, c, dtype)))


def _shifted(node: Node) -> tuple[Tensor, Any, int] | None:
    """A node as (x, c, sign): c + sign * x."""
    c = right_constant(node.inputs)
    if c is not None:
        return node.inputs[0], c.item() if node.op.name == "add" else -c.item(), 1
    c = left_constant(node.inputs)
    return None if c is None else (node.inputs[1], c.item(), 1 if node.op.name == "add" else -1)


# --- quotients ------------------------------------------------------------------------------------


def counted_arithmetic(readers: Readers) -> OperandRules:
    """Rules that need to know whether a value is read elsewhere too."""

    def times_reciprocal(node: Node, inputs: Inputs) -> Inputs | None:
        """x * (1 / y) = x / y, where the reciprocal is as large as x and nobody else reads it."""
        for x, t in (inputs, inputs[::-1]):
            inner = maker(t, "reciprocal", "divide")
            if inner is None or t.type != node.outputs[0].type or not readers.only_one(t):
                continue
            if inner.op.name == "reciprocal" or _is_one(inner.inputs[0]):
                return in_place_of(node, made(node, "divide", x, inner.inputs[-1]))
        return None

    return {"multiply": {"reciprocal": (times_reciprocal,), "divide": (times_reciprocal,)}}


def _is_one(t: Tensor) -> bool:
    return bool(left_constant((t, t)) == 1)


# --- tables ---------------------------------------------------------------------------------------


def _for(kinds: str, *rules: Rule) -> tuple[Rule, ...]:
    """Rules that fire only where the first operand is of one of these kinds."""

    def limited(rule: Rule) -> Rule:
        @functools.wraps(rule)
        def only(node: Node, inputs: Inputs) -> Inputs | None:
            return rule(node, inputs) if kind(inputs[0]) in kinds else None

        return only

    return tuple([limited(rule) for rule in rules])


_SCALES = dict.fromkeys(("multiply", "divide", "reciprocal"), _for("fc", scales_meet))
_SHIFTS = dict.fromkeys(("add", "subtract"), _for("fc", shifts_meet))
FAST_ARITHMETIC = combined(
    {
        "add": {CONSTANT_OPERAND: _for("fc", plus_any_zero), **_SHIFTS},
        "subtract": {CONSTANT_OPERAND: _for("fc", minus_any_zero, any_zero_minus), **_SHIFTS},
        "negative": {"subtract": _for("fc", turned_difference)},
        "multiply": {CONSTANT_OPERAND: _for("c", complex_times_one), **_SCALES},
        "divide": {CONSTANT_OPERAND: (*_for("c", complex_over_one), *_for("fc", over_constant)), **_SCALES},
    }
)
