"""Signs, magnitudes, rounding and the parts of complex numbers: identities that keep every bit."""

from __future__ import annotations

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, combined
from graphflow.passes.operands import (
    constant,
    in_place_of,
    kind,
    left_constant,
    lies_in_rows,
    made,
    maker,
    respelled,
    right_constant,
    stand_in,
)
from graphflow.passes.rules import Inputs

__all__ = ["SIGNS"]

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
    if node.op.name == "abs" and inputs[0].type.dtype.kind == "u":
        return None  # -1 is the largest number there is
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


SIGNS = combined(
    {
        "add": {"negative": (plus_negative,)},
        "subtract": {"negative": (minus_negative,)},
        "multiply": {"negative": (signs_of_factors,)},
        "divide": {"negative": (signs_of_factors,)},
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
        "real": {"complex": (part_of_whole,), "conj": (part_of_whole,)},
        "imag": {"complex": (part_of_whole,)},
        "complex": {"real": (whole_of_parts,)},
        "conj": {"conj": (twice_conjugate,)},
    },
    {name: dict.fromkeys(_ROUNDINGS, (done_already,)) for name in _ROUNDINGS},
)
