"""Identities of logic, bits, comparisons, choices, minima and maxima. All of them keep every bit.

A comparison with NaN is false: so `not (x < y)` is `x >= y` of integers and bools alone.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, CONSTANT_OPERAND, SAME, combined
from graphflow.passes.operands import (
    constant,
    filled,
    in_place_of,
    kind,
    made,
    maker,
    one_constant,
    one_value,
    respelled,
    right_constant,
    stand_in,
)
from graphflow.passes.rules import Inputs

__all__ = ["CHOICES"]

# --- logic and bits -------------------------------------------------------------------------------


def with_known_bits(node: Node, inputs: Inputs) -> Inputs | None:
    """x & 0 = 0, x & ~0 = x, x | 0 = x, x | ~0 = ~0, x ^ 0 = x, x ^ ~0 = ~x; False and True of bools likewise."""
    found = one_constant(inputs)
    if found is None:
        return None
    x, c = found
    is_bool = kind(x) == "b"
    none, every = not c, bool(c) if is_bool else bool(~c == 0)
    if not (none or every):
        return None
    name = node.op.name.rpartition("_")[2]
    if (name == "and" and none) or (name == "or" and every):
        return filled(node, bool(c) if is_bool else int(c), x)
    if name == "xor" and every:
        return in_place_of(node, made(node, "logical_not" if is_bool else "bitwise_invert", x))
    return stand_in(node, x, inputs)


def with_itself(node: Node, inputs: Inputs) -> Inputs | None:
    """x & x = x | x = x, x ^ x = 0; the larger and the smaller of x and x are x."""
    x = inputs[0]
    if node.op.name.endswith("xor"):
        return filled(node, False if kind(x) == "b" else 0, x)
    return stand_in(node, x, inputs)


def with_its_opposite(node: Node, inputs: Inputs) -> Inputs | None:
    """x and not x = False, x or not x = True, x xor not x = True; of bits likewise."""
    for x, t in (inputs, inputs[::-1]):
        inner = maker(t, "logical_not", "bitwise_invert")
        if inner is not None and inner.inputs[0] is x:
            is_set = not node.op.name.endswith("and")
            if kind(x) == "b":
                return filled(node, is_set, x)
            if x.type.dtype.kind == "i":
                return filled(node, -1 if is_set else 0, x)
    return None


def shifted_by_nothing(node: Node, inputs: Inputs) -> Inputs | None:
    return stand_in(node, inputs[0], inputs) if right_constant(inputs) == 0 else None


def twice_inverted(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], node.op.name)
    return None if inner is None else stand_in(node, inner.inputs[0])


_OPPOSITES = {"equal": "not_equal", "not_equal": "equal"}
_ORDERED_OPPOSITES = {"less": "less_equal", "less_equal": "less"}  # with the operands exchanged


def not_compared(node: Node, inputs: Inputs) -> Inputs | None:
    """not (a == b) is a != b; not (a < b) is b <= a, of what has no NaN."""
    inner = maker(inputs[0], *_OPPOSITES, *_ORDERED_OPPOSITES)
    if inner is None:
        return None
    a, b = inner.inputs
    name = inner.op.name
    if name in _OPPOSITES:
        return respelled(node, made(node, _OPPOSITES[name], a, b))
    if kind(a) not in "ib":
        return None
    return respelled(node, made(node, _ORDERED_OPPOSITES[name], b, a))


def compared_with_itself(node: Node, inputs: Inputs) -> Inputs | None:
    """x < x is False; x == x and x <= x are True, and x != x is False, of what has no NaN."""
    x = inputs[0]
    if node.op.name not in ("less", "greater") and kind(x) not in "ib":
        return None
    return filled(node, node.op.name in ("equal", "less_equal", "greater_equal"), x)


def compared_with_bool(node: Node, inputs: Inputs) -> Inputs | None:
    """b == True is b, b == False is not b; != the other way round."""
    found = one_constant(inputs)
    if found is None or kind(found[0]) != "b":
        return None
    x, c = found
    if bool(c) == (node.op.name == "equal"):
        return stand_in(node, x, inputs)
    return in_place_of(node, made(node, "logical_not", x))


# --- where ----------------------------------------------------------------------------------------


def known_choice(node: Node, inputs: Inputs) -> Inputs | None:
    """where(True, x, y) = x, where(False, x, y) = y."""
    condition, x, y = inputs
    value = one_value(condition)
    return None if value is None else stand_in(node, x if value else y, inputs)


def choice_of_bools(node: Node, inputs: Inputs) -> Inputs | None:
    """where(b, True, False) = b, where(b, False, True) = not b."""
    condition, x, y = inputs
    if kind(x) != "b":
        return None
    first, second = one_value(x), one_value(y)
    if first is None or second is None or first == second:
        return None
    return (
        stand_in(node, condition, inputs)
        if first
        else in_place_of(node, made(node, "logical_not", condition))
    )


def choice_among_equals(node: Node, inputs: Inputs) -> Inputs | None:
    """where(b, x, x) = x."""
    return stand_in(node, inputs[1], inputs) if inputs[1] is inputs[2] else None


def choice_by_opposite(node: Node, inputs: Inputs) -> Inputs | None:
    """where(not b, x, y) = where(b, y, x)."""
    inner = maker(inputs[0], "logical_not")
    if inner is None:
        return None
    return respelled(node, made(node, "where", inner.inputs[0], inputs[2], inputs[1]))


def choice_made_before(node: Node, inputs: Inputs) -> Inputs | None:
    """where(b, where(b, x, y), z) = where(b, x, z), where(b, x, where(b, y, z)) = where(b, x, z)."""
    condition, x, y = inputs
    first, second = maker(x, "where"), maker(y, "where")
    if first is not None and first.inputs[0] is condition:
        return in_place_of(node, made(node, "where", condition, first.inputs[1], y))
    if second is not None and second.inputs[0] is condition:
        return in_place_of(node, made(node, "where", condition, x, second.inputs[2]))
    return None


# --- minima and maxima ----------------------------------------------------------------------------


def bounds_meet(node: Node, inputs: Inputs) -> Inputs | None:
    """max(max(x, a), b) = max(x, max(a, b)), min likewise; floats of which neither is 0, whose sign would be lost."""
    name = node.op.name
    b, inner = right_constant(inputs), maker(inputs[0], name)
    a = None if inner is None or b is None else right_constant(inner.inputs)
    if inner is None or a is None or not (_is_bound(a) and _is_bound(b)):
        return None
    c = (max if name == "maximum" else min)(a, b)
    return in_place_of(node, made(node, name, inner.inputs[0], constant(node, c, c.dtype)))


def clips_meet(node: Node, inputs: Inputs) -> Inputs | None:
    """clip(clip(x, a, b), c, d) = clip(x, max(a, c), min(b, d)), where the intervals have more than a point in common."""
    if node.op.name != "minimum":
        return None
    outer = _clipped(node.outputs[0], inputs)
    t = None if outer is None else outer[0].op
    inner = (
        None if t is None or t.op.name != "minimum" or t.control_inputs else _clipped(t.outputs[0], t.inputs)
    )
    if outer is None or inner is None:
        return None
    x, a, b = inner
    _, c, d = outer
    low, high = max(a, c), min(b, d)
    if not low < high:
        return None
    raised = made(node, "maximum", x, constant(node, low, low.dtype))
    return in_place_of(node, made(node, "minimum", raised, constant(node, high, high.dtype)))


def _clipped(t: Tensor, inputs: Inputs) -> tuple[Tensor, Any, Any] | None:
    """minimum(maximum(x, low), high) as (x, low, high)."""
    high, raised = right_constant(inputs), maker(inputs[0], "maximum")
    low = None if raised is None or high is None else right_constant(raised.inputs)
    if raised is None or low is None or not (_is_bound(low) and _is_bound(high)):
        return None
    return raised.inputs[0], low, high


def _is_bound(c: Any) -> bool:
    """Whether ties with a bound cannot be told: not with -0.0 and 0.0."""
    return c.dtype.kind in "iu" or (bool(c != 0) and not math.isnan(c))


_LOGIC = ("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")
CHOICES = combined(
    {
        name: {
            CONSTANT_OPERAND: (with_known_bits,),
            SAME: (with_itself,),
            "logical_not": (with_its_opposite,),
            "bitwise_invert": (with_its_opposite,),
        }
        for name in _LOGIC
    },
    {
        "bitwise_left_shift": {CONSTANT_OPERAND: (shifted_by_nothing,)},
        "bitwise_right_shift": {CONSTANT_OPERAND: (shifted_by_nothing,)},
        "bitwise_invert": {"bitwise_invert": (twice_inverted,)},
        "logical_not": {
            "logical_not": (twice_inverted,),
            **dict.fromkeys((*_OPPOSITES, *_ORDERED_OPPOSITES), (not_compared,)),
        },
        "equal": {CONSTANT_OPERAND: (compared_with_bool,)},
        "not_equal": {CONSTANT_OPERAND: (compared_with_bool,)},
        "where": {
            CONSTANT_OPERAND: (known_choice, choice_of_bools),
            "logical_not": (choice_by_opposite,),
            "where": (choice_made_before,),
            ALWAYS: (choice_among_equals,),
        },
        "maximum": {"maximum": (bounds_meet,), SAME: (with_itself,)},
        "minimum": {"minimum": (bounds_meet,), "maximum": (clips_meet,), SAME: (with_itself,)},
    },
    {
        name: {SAME: (compared_with_itself,)}
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    },
)
