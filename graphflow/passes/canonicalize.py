"""Canonical form: of several spellings of one computation the same one, so that equal values are found equal."""

from __future__ import annotations

import numpy as np

from graphflow.graph import Node
from graphflow.ops.constant import CONSTANT, KEYED_NBYTES, Literal
from graphflow.passes.operand_rules import ALWAYS, SAME, apply_operand_rules, combined
from graphflow.passes.operands import alias, in_place_of, kind, made, respelled
from graphflow.passes.rules import Inputs
from graphflow.subgraph import Subgraph

__all__ = ["COMMUTATIVE", "canonicalize"]


def canonicalize(subgraph: Subgraph) -> Subgraph:
    """Bring each node to the one form in which rules, and the search for equal nodes, expect it.

        add(2.0, %a)             becomes   add(%a, 2.0): constants last
        greater(%a, %b)          becomes   less(%b, %a); likewise greater_equal
        subtract(%x, 2.0)        becomes   add(%x, -2.0)
        multiply(%x, %x)         becomes   square(%x)
        add_n(%a, %b)            becomes   add(%a, %b)
        identity(%x)             becomes   %x; likewise what only gradients see, such as stop_gradient
        swapaxes(%x, -1, -2)     becomes   permute_dims(%x, (1, 0))
        sum(%x, axis=(-1,))      becomes   sum(%x, axis=(1,)), and axis=None names all axes

    Every bit stays, but for the sign and payload of NaNs: where both operands of a sum are NaN, the processor hands on
    the first. Never fires for products of complex numbers, whose imaginary parts are rounded differently when the
    operands change places (processors multiply and add in one step); for an identity that asks for another device
    than its operand; for axes of an unknown rank. O(V + E).
    """
    return apply_operand_rules(subgraph, _RULES)


# --- operands -------------------------------------------------------------------------------------

COMMUTATIVE = (
    *("add", "multiply", "equal", "not_equal", "logical_and", "logical_or", "logical_xor"),
    *("bitwise_and", "bitwise_or", "bitwise_xor"),
)
"""The ops of Trait.COMMUTATIVE."""


def constant_last(node: Node, inputs: Inputs) -> Inputs | None:
    a, b = inputs
    if b.op.op is CONSTANT or (node.op.name == "multiply" and kind(a) == "c"):
        return None
    return respelled(node, made(node, node.op.name, b, a))


_MIRRORED = {"greater": "less", "greater_equal": "less_equal"}


def turn_comparison(node: Node, inputs: Inputs) -> Inputs | None:
    return respelled(node, made(node, _MIRRORED[node.op.name], inputs[1], inputs[0]))


# --- spellings of arithmetic ----------------------------------------------------------------------


def subtract_constant(node: Node, inputs: Inputs) -> Inputs | None:
    x, c = inputs
    if c.op.op is not CONSTANT or x.op.op is CONSTANT or c.type.dtype.kind == "u":
        return None
    array = c.op.attrs["value"].array
    if array.nbytes > KEYED_NBYTES:
        return None
    negated = made(node, "constant", value=Literal(np.asarray(np.negative(array))))
    return respelled(node, made(node, "add", x, negated))


def square_of_itself(node: Node, inputs: Inputs) -> Inputs | None:
    x = inputs[0]
    return None if kind(x) == "c" else in_place_of(node, made(node, "square", x))


def sum_of_two(node: Node, inputs: Inputs) -> Inputs | None:
    if len(inputs) != 2 or inputs[0].type != inputs[1].type:
        return None
    return in_place_of(node, made(node, "add", *inputs))


# --- nodes that stand for their operand -----------------------------------------------------------

_HANDED_ON = ("identity", "stop_gradient", "no_gradient_beyond", "custom_gradient")


def operand_itself(node: Node, inputs: Inputs) -> Inputs | None:
    t = inputs[0]
    if t.type.shape is None and node.device is None and t.type == node.outputs[0].type:
        return None if t.op.op.name == "variable" else (t,)  # one operand: an unknown rank is the same one
    return alias(node, t)


# --- axes -----------------------------------------------------------------------------------------


def permute_swapped(node: Node, inputs: Inputs) -> Inputs | None:
    shape = inputs[0].type.shape
    if shape is None:
        return None
    order = list(range(len(shape)))
    i, j = node.attrs["axis1"], node.attrs["axis2"]
    order[i], order[j] = order[j], order[i]
    return in_place_of(node, made(node, "permute_dims", inputs[0], axes=tuple(order)))


def name_permuted_axes(node: Node, inputs: Inputs) -> Inputs | None:
    axes, shape = node.attrs["axes"], inputs[0].type.shape
    if shape is None or (axes is not None and all(a >= 0 for a in axes)):
        return None
    rank = len(shape)
    named = tuple(range(rank))[::-1] if axes is None else tuple([a % rank for a in axes])
    return in_place_of(node, made(node, "permute_dims", inputs[0], axes=named))


_FOLDS = ("sum", "prod", "max", "min", "any", "all")


def name_folded_axes(node: Node, inputs: Inputs) -> Inputs | None:
    axes, shape = node.attrs["axis"], inputs[0].type.shape
    if not shape:
        return None
    rank = len(shape)
    named = tuple(range(rank)) if axes is None else tuple(sorted([a % rank for a in axes]))
    if axes == named:
        return None
    return in_place_of(node, made(node, node.op.name, inputs[0], **{**node.attrs, "axis": named}))


_RULES = combined(
    {name: {"constant": (constant_last,)} for name in COMMUTATIVE},
    {name: {ALWAYS: (turn_comparison,)} for name in _MIRRORED},
    {
        "subtract": {"constant": (subtract_constant,)},
        "multiply": {SAME: (square_of_itself,)},
        "add_n": {ALWAYS: (sum_of_two,)},
        "swapaxes": {ALWAYS: (permute_swapped,)},
        "permute_dims": {ALWAYS: (name_permuted_axes,)},
    },
    {name: {ALWAYS: (operand_itself,)} for name in _HANDED_ON},
    {name: {ALWAYS: (name_folded_axes,)} for name in _FOLDS},
)
