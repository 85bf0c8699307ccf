"""Factoring: a common factor is multiplied once, after the sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import OperandRules, apply_operand_rules, combined
from graphflow.passes.operands import (
    Readers,
    constant,
    in_place_of,
    kind,
    made,
    maker,
    one_constant,
    one_value,
    respelled,
)
from graphflow.passes.rules import Inputs, Rule
from graphflow.subgraph import Subgraph

__all__ = ["factor", "factor_fast"]


def factor(subgraph: Subgraph) -> Subgraph:
    """Of integers, take a common factor out of a sum.

        add(multiply(%a, %b), multiply(%a, %c))         becomes   multiply(%a, add(%b, %c))
        subtract(%x, multiply(%x, 3))                   becomes   multiply(%x, -2)
        sum(multiply(%x, %s)), where %s is a scalar     becomes   multiply(sum(%x), %s)
        add(matmul(%a, %b), matmul(%a, %c))             becomes   matmul(%a, add(%b, %c))

    Every bit stays, as integers wrap around alike. Never fires where a product is fetched or read elsewhere, as it would
    be computed all the same; for a sum in a wider dtype than its products. O(V + E) a round.
    """
    return apply_operand_rules(subgraph, {}, lambda readers: _rules(readers, "i"))


def factor_fast(subgraph: Subgraph) -> Subgraph:
    """`factor` of floats and complex numbers too, and of quotients: `a / c + b / c = (a + b) / c`.

    Results stay within a few units in the last place of the largest product. O(V + E) a round.
    """
    return apply_operand_rules(subgraph, {}, lambda readers: _rules(readers, "ifc"))


def _rules(readers: Readers, kinds: str) -> OperandRules:
    only_one = readers.only_one

    def common_factor(node: Node, inputs: Inputs) -> Inputs | None:
        """a * b + a * c = a * (b + c), and differences; the factor may be on either side."""
        pair = _products(inputs, "multiply", kinds)
        if pair is None:
            return None
        for a, b in (pair[0], pair[0][::-1]):
            for other, c in (pair[1], pair[1][::-1]):
                if other is a and only_one(*inputs):
                    return respelled(node, made(node, "multiply", a, _sum(node, b, c)))
        return None

    def common_divisor(node: Node, inputs: Inputs) -> Inputs | None:
        """a / c + b / c = (a + b) / c."""
        pair = _products(inputs, "divide", kinds)
        if pair is None or pair[0][1] is not pair[1][1] or not only_one(*inputs):
            return None
        return respelled(node, made(node, "divide", _sum(node, pair[0][0], pair[1][0]), pair[0][1]))

    def common_matrix(node: Node, inputs: Inputs) -> Inputs | None:
        """a @ b + a @ c = a @ (b + c), a @ c + b @ c = (a + b) @ c."""
        pair = _products(inputs, "matmul", kinds)
        if pair is None:
            return None
        (a, b), (c, d) = pair
        if (a is not c and b is not d) or not only_one(*inputs):
            return None
        if a is c and b.type == d.type:
            return respelled(node, made(node, "matmul", a, _sum(node, b, d)))
        if b is d and a.type == c.type:
            return respelled(node, made(node, "matmul", _sum(node, a, c), b))
        return None

    def own_multiple(node: Node, inputs: Inputs) -> Inputs | None:
        """x + x * c = x * (1 + c), and differences."""
        if kind(inputs[0]) not in kinds:
            return None
        for k in (0, 1):
            product, x = maker(inputs[k], "multiply"), inputs[1 - k]
            found = None if product is None else one_constant(product.inputs)
            if found is None or found[0] is not x or not only_one(inputs[k]):
                continue
            one = np.ones((), found[1].dtype)[()]
            pair = (found[1], one) if k == 0 else (one, found[1])
            c = _combined(node.op.name, *pair)
            return in_place_of(node, made(node, "multiply", x, constant(node, c, one.dtype)))
        return None

    def sum_of_scaled(node: Node, inputs: Inputs) -> Inputs | None:
        """sum(x * c) = sum(x) * c where c is the same for all that is added; quotients and signs likewise."""
        product = maker(inputs[0], "multiply", "divide", "negative")
        dtype = inputs[0].type.dtype
        if product is None or kind(inputs[0]) not in kinds or node.attrs["dtype"] != dtype:
            return None
        name = product.op.name
        if name == "negative":
            if not only_one(inputs[0]):
                return None
            return in_place_of(node, made(node, name, made(node, "sum", product.inputs[0], **node.attrs)))
        pairs = (product.inputs, product.inputs[::-1]) if name == "multiply" else (product.inputs,)
        for x, c in pairs:
            if x.type != inputs[0].type:
                continue
            scale = _constant_along(node, x, c)
            if scale is not None and only_one(inputs[0]):
                return in_place_of(node, made(node, name, made(node, "sum", x, **node.attrs), scale))
        return None

    sums: dict[str, tuple[Rule, ...]] = {
        "multiply": (common_factor, own_multiple),
        "divide": (common_divisor,),
        "matmul": (common_matrix,),
    }
    folds = dict.fromkeys(("multiply", "divide", "negative"), (sum_of_scaled,))
    return combined({"add": sums, "subtract": sums, "sum": folds})


def _products(inputs: Inputs, name: str, kinds: str) -> tuple[Inputs, Inputs] | None:
    """The operands of two products."""
    first, second = maker(inputs[0], name), maker(inputs[1], name)
    if first is None or second is None or first is second or kind(inputs[0]) not in kinds:
        return None
    return first.inputs, second.inputs


def _sum(node: Node, b: Tensor, c: Tensor) -> Tensor:
    """b + c, or b - c if the node is a difference; the number itself of two that are known."""
    first, second = (one_value(b), one_value(c)) if b.type.shape == c.type.shape == () else (None, None)
    if first is None or second is None:
        return made(node, node.op.name, b, c)
    return constant(node, _combined(node.op.name, first, second), first.dtype)


def _combined(name: str, a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.add(a, b) if name == "add" else np.subtract(a, b)


def _constant_along(node: Node, x: Tensor, c: Tensor) -> Tensor | None:
    """`c` as a factor of the sum that `node` makes of x * c; None where it changes along a folded axis."""
    shape, small, axis = x.type.shape, c.type.shape, node.attrs["axis"]
    if small == ():
        return c
    if shape is None or small is None or len(small) > len(shape):
        return None
    axes = range(len(shape)) if axis is None else [a % len(shape) for a in axis]
    lead = len(shape) - len(small)
    gone = [a - lead for a in axes if a >= lead]
    if any(type(small[k]) is not int or small[k] != 1 for k in gone):
        return None
    if node.attrs["keepdims"] or not gone:
        return c
    return made(node, "squeeze", c, axis=tuple(sorted(gone)))
