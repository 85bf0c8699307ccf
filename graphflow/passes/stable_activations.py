"""Rules about variances and gelu spelled out. `stabilize` has the table.

What is built here has the values of `gf.var` and `gf.nn.gelu`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Plan, Uses, axes_of, factored, make, number, same_shape, scalar
from graphflow.types import dim_product

__all__ = ["gelu", "mean_of_squares_less_squared_mean"]

Plans = Mapping[Node, Plan] | None


# --- variance -------------------------------------------------------------------------------------


def _mean(t: Tensor, uses: Uses) -> Node | None:
    """The sum that `t` is the mean of: divided by how many elements it folds."""
    node = uses.made(t, "divide", "multiply")
    for total, count in () if node is None else (node.inputs, node.inputs[::-1]):
        folded = uses.made(total, "sum")
        if folded is None or (node is not None and node.op.name == "divide" and total is not node.inputs[0]):
            continue
        axes = axes_of(folded)
        if axes is not None and node is not None and _is_count(count, folded, axes, node.op.name, uses):
            return folded
    return None


def _is_count(t: Tensor, folded: Node, axes: tuple[int, ...], how: str, uses: Uses) -> bool:
    x = folded.inputs[0]
    value = number(t)
    count = dim_product([x.type.dims[k] for k in axes])
    if value is not None and isinstance(count, int):
        return value == count if how == "divide" else math.isclose(value * count, 1, rel_tol=_accuracy(t))
    cast = uses.made(t, "cast")
    size = None if cast is None else uses.made(cast.inputs[0], "size")
    if size is None or how != "divide" or not same_shape(size.inputs[0], x):
        return False
    asked = size.attrs["axis"]
    return set(axes) == set(range(len(x.type.dims)) if asked is None else asked)


def _accuracy(t: Tensor) -> float:
    """Relative error that a constant of its dtype may have, and one that was written down with six digits."""
    return max(1e-5, float(ml_dtypes.finfo(t.type.dtype).eps))  # type: ignore[no-untyped-call]


def _square_of(t: Tensor, uses: Uses) -> Tensor | None:
    node = uses.made(t, "square", "multiply")
    if node is None or node.inputs[0] is not node.inputs[-1]:
        return None
    return node.inputs[0]


def mean_of_squares_less_squared_mean(node: Node, uses: Uses, groups: Any) -> Plans:
    """mean(x²) - mean(x)² is mean((x - mean(x))²): nothing cancels, and a variance is never negative.

    Fires where nothing else needs the squares or their mean. As in layer and batch normalisation spelled out.
    """
    first, second = node.inputs
    squares = _mean(first, uses)
    mean = _square_of(second, uses)
    if squares is None or mean is None:
        return None
    plain = _mean(mean, uses)
    x = None if squares is None else _square_of(squares.inputs[0], uses)
    if plain is None or x is None or plain.inputs[0] is not x or x.type.dtype.kind in "biuc":
        return None
    axes, keep = axes_of(plain), plain.attrs["keepdims"]
    if axes != axes_of(squares) or squares.attrs["keepdims"] != keep or axes is None:
        return None
    if not uses.end_with(node, (first.op, squares, squares.inputs[0].op)):
        return None

    def build(now: Now) -> tuple[Tensor, ...]:
        middle = now(mean)
        if not keep and axes:
            middle = make(node, "expand_dims", middle, axis=axes)
        centred = make(node, "subtract", now(x), middle)
        square = make(node, "square", centred)
        total = squares.rebuilt((square,), squares.attrs, ()).outputs[0]
        others = tuple([total if t is squares.outputs[0] else now(t) for t in first.op.inputs])
        return first.op.rebuilt(others, first.op.attrs, ()).outputs

    return {node: Plan("mean_of_squares_less_squared_mean", build)}


# --- activations ----------------------------------------------------------------------------------


def _lowered(node: Node, x: Tensor) -> Tensor:
    lowest = float(ml_dtypes.finfo(x.type.dtype).min)  # type: ignore[no-untyped-call]
    return make(node, "lowered", x, lowest=lowest)


def gelu(node: Node, uses: Uses, groups: Any) -> Plans:
    """x times the normal distribution function, or its approximation by tanh, spelled out; asked about the curve.

        0.5 * x * (1 + erf(x / sqrt(2)))                                 becomes  0.5 * x * erfc(-x / sqrt(2))
        0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))     becomes  x * sigmoid(twice what tanh is of)

    Far below 0 the sums are of 1 and nearly -1, and no digits are left; at -inf the product is NaN. The second is
    also faster: x ** 3 is a slow way to x * x * x, and sigmoid is faster than tanh on NumPy.
    """
    one: Node | None = None  # the sum of 1 and the curve, or of a half and half the curve
    for product in uses.only_readers(node):
        if product.op.name == "add" and one is None:
            one = product
        elif product.op.name not in ("multiply", "negative"):
            break
        elif one is not None:
            plan = _gelu_plan(node, one, product, uses)
            if plan is not None:
                return {product: plan}
    return None


def _gelu_plan(curve: Node, one: Node, product: Node, uses: Uses) -> Plan | None:
    """The plan for `product` if it is x / 2 * (1 + curve)."""
    constant, factors, inner = factored(uses, product.outputs[0])
    if len(factors) != 2:
        return None
    x = factors[0] if factors[1] is one.outputs[0] else factors[1]
    raw = x if uses.made(x, "lowered") is None else x.op.inputs[0]
    if not same_shape(raw, product.outputs[0]) or raw.type.dtype.kind == "c":
        return None
    for first, second in (one.inputs, one.inputs[::-1]):
        half = number(first)
        scale, curves, nodes = factored(uses, second)
        if half is None or half != scale or constant * half != 0.5:
            continue
        if len(curves) != 1 or curves[0] is not curve.outputs[0]:
            continue
        more = (_erf_argument if curve.op.name == "erf" else _tanh_argument)(curve, raw, uses)
        if more is not None:
            inner = [n for n in (*inner, one, *nodes, curve, *more) if n is not product]
            if uses.end_with(product, inner):
                return Plan("gelu", _gelu(product, raw, curve.op.name), inner)
    return None


def _is_close(value: float, wanted: float, t: Tensor) -> bool:
    return math.isclose(value, wanted, rel_tol=_accuracy(t))


def _erf_argument(curve: Node, x: Tensor, uses: Uses) -> list[Node] | None:
    """The nodes that make x / sqrt(2), which the curve is of."""
    argument = curve.inputs[0]
    node = uses.made(argument, "divide")
    if node is not None and node.inputs[0] is x:
        below = number(node.inputs[1])
        return [node] if below is not None and _is_close(below, math.sqrt(2), x) else None
    constant, factors, nodes = factored(uses, argument, 2)
    fits = len(factors) == 1 and factors[0] is x and _is_close(constant, math.sqrt(0.5), x)
    return nodes if fits else None


def _tanh_argument(curve: Node, x: Tensor, uses: Uses) -> list[Node] | None:
    """The nodes that make sqrt(2 / pi) * (x + 0.044715 x³), or the same with x taken out."""
    constant, factors, nodes = factored(uses, curve.inputs[0], 4)
    outside = sum(f is x for f in factors)
    sums = [f for f in factors if f is not x]
    node = uses.made(sums[0], "add") if len(sums) == 1 else None
    if node is None or outside > 1 or not _is_close(constant, math.sqrt(2 / math.pi), x):
        return None
    for linear, cubic in (node.inputs, node.inputs[::-1]):
        fits = number(linear) == 1 if outside else linear is x
        power = _power(cubic, x, uses)
        if fits and power is not None and power[1] + outside == 3 and _is_close(power[0], 0.044715, x):
            return [*nodes, node, *power[2]]
    return None


def _power(t: Tensor, x: Tensor, uses: Uses) -> tuple[float, int, list[Node]] | None:
    """(c, n, nodes) where `t` is c * x ** n."""
    constant, factors, nodes = factored(uses, t)
    degree = 0
    for factor in factors:
        if factor is x:
            degree += 1
            continue
        power = uses.made(factor, "square", "pow")
        exponent = None if power is None else 2 if power.op.name == "square" else number(power.inputs[1])
        if power is None or power.inputs[0] is not x or exponent not in (1, 2, 3):
            return None
        degree += int(exponent)
    return constant, degree, nodes


def _gelu(node: Node, x: Tensor, curve: str) -> Callable[[Now], tuple[Tensor]]:
    def build(now: Now) -> tuple[Tensor]:
        t = now(x)

        def times(a: Tensor, value: float) -> Tensor:
            return make(node, "multiply", a, scalar(node, value, t.type.dtype))

        if curve == "erf":
            below = make(node, "erfc", times(t, -math.sqrt(0.5)))
            return (make(node, "multiply", times(_lowered(node, t), 0.5), below),)
        cube = make(node, "multiply", t, make(node, "square", t))
        inner = times(make(node, "add", t, times(cube, 0.044715)), 2 * math.sqrt(2 / math.pi))
        return (make(node, "multiply", _lowered(node, t), make(node, "sigmoid", inner)),)

    return build
