"""Attention spelled out is computed as `gf.nn.scaled_dot_product_attention` does: scaled where there are few numbers."""

from __future__ import annotations

from collections.abc import Callable

from graphflow.graph import Node, Tensor
from graphflow.ops.reduction import is_half
from graphflow.passes.exponentials import exponentials
from graphflow.passes.match import Now, Plan, Uses, make, number, rewrite_planned
from graphflow.subgraph import Subgraph
from graphflow.types import is_floating

__all__ = ["recognize_attention_fast"]

LEAST, MOST = 2.0**-20, 2.0**20
"""Scales between which a factor of a product neither overflows nor loses digits if it is scaled instead of the product."""


def recognize_attention_fast(subgraph: Subgraph) -> Subgraph:
    """Scale queries, not scores, and divide what was looked up, not the weights: both have fewer elements.

        %0 = multiply(matmul(%q, %k), 0.125)             %0 = matmul(multiply(%q, 0.125), %k)
        %1 = exp(subtract(%0, max(%0)))        becomes   %1 = exp(subtract(%0, max(%0)))
        %2 = divide(%1, sum(%1))                         %2 = divide(matmul(%1, %v), sum(%1))
        %3 = matmul(%2, %v)

    There is no op for attention: this is what the function of `gf.nn` is composed of. The two halves are found
    apart, so that masks, biases and casts may stand between. The scale must be a constant that is neither huge nor tiny;
    the division is only moved behind exponentials of scores less their maximum, as `stabilize_fast` leaves them:
    others might overflow in the product.
    Rounding changes. Runs after bind, as it reads sizes. Never fires where weights or unscaled scores are needed
    elsewhere, as the weights are by gradients. O(V + E).
    """
    powers = [node for node in subgraph.nodes if node.op.name == "exp"]
    products = [node for node in subgraph.nodes if node.op.name == "matmul"] if powers else []
    if not products:
        return subgraph
    uses = Uses(subgraph)
    plans: dict[Node, Plan] = {}
    for power in powers:
        for node in _scaled_scores(power, uses):
            build = _early_scale(node, uses)
            if build is not None:
                plans[node] = Plan("early_scale", build)
    weighted = [node for node in products if node.inputs[0].op.op.name == "divide"]
    for node in weighted:
        build = _late_division(node, uses)
        if build is not None:
            plans[node] = Plan("late_division", build)
    return rewrite_planned(subgraph, plans)


# --- the scale of the scores ------------------------------------------------------------------------


def _scaled_scores(power: Node, uses: Uses) -> list[Node]:
    """The products and quotients that what is exponentiated, less its maximum, is made of by biases and masks."""
    below = uses.made(power.inputs[0], "subtract")
    pending = [] if below is None else [below.inputs[0]]
    found: list[Node] = []
    for t in pending:  # which grows
        node = uses.made(t, "add", "divide", "multiply", "subtract", "where")
        if node is None:
            continue
        if node.op.name in ("divide", "multiply"):
            found.append(node)
        elif len(pending) < 16:
            pending.extend(node.inputs)
    return found


def _early_scale(node: Node, uses: Uses) -> Callable[[Now], tuple[Tensor]] | None:
    t, scale = node.inputs
    if t.op.op.name != "matmul" and node.op.name == "multiply":
        t, scale = scale, t
    product, value = uses.made(t, "matmul"), number(scale)
    if product is None or value is None or not LEAST <= abs(value) <= MOST or scale.type.rank:
        return None
    if node.control_inputs or not uses.is_private(t) or not is_floating(t.type.dtype):
        return None
    sizes = [x.type.size for x in (*product.inputs, t)]
    if not all(isinstance(size, int) for size in sizes) or 2 * min(sizes[:2]) > sizes[2]:  # type: ignore[type-var,operator]  # ints
        return None
    smaller = 0 if sizes[0] <= sizes[1] else 1  # type: ignore[operator]

    def build(now: Now) -> tuple[Tensor]:
        factors = [now(x) for x in product.inputs]
        factors[smaller] = make(node, node.op.name, factors[smaller], now(scale))
        return product.rebuilt(tuple(factors), product.attrs, ()).outputs  # type: ignore[return-value]  # one output

    return build


# --- the division of the weights --------------------------------------------------------------------


def _late_division(node: Node, uses: Uses) -> Callable[[Now], tuple[Tensor]] | None:
    weights, values = node.inputs
    quotient = uses.made(weights, "divide")
    if quotient is None or node.control_inputs or not uses.is_private(weights):
        return None
    e, total = quotient.inputs
    if is_half(e.type.dtype):
        return None  # whose sums of undivided values may overflow
    if (
        not (node.outputs[0].type.is_static and values.type.is_static and e.type.is_static)
        or values.type.rank < 2
    ):
        return None
    if e.type.dims[-1] <= node.outputs[0].type.dims[-1]:  # type: ignore[operator]  # ints
        return None  # no fewer elements
    sums = [reader for reader in uses.of(e) if reader.op.name == "sum"]
    one = exponentials(sums, uses).get(e)
    if one is None or not one.is_shifted or not one.divides(total) or one.axes != (e.type.rank - 1,):
        return None
    if total.type.rank != e.type.rank:
        return None

    def build(now: Now) -> tuple[Tensor]:
        return (make(quotient, "divide", make(node, "matmul", now(e), now(values)), now(total)),)

    return build
