"""Matrix products: transposes that cancel, scales moved to the smallest operand, sums of products as one product."""

from __future__ import annotations

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, OperandRules, apply_operand_rules, combined
from graphflow.passes.operands import Readers, in_place_of, kind, made, maker, respelled
from graphflow.passes.product_rules import contracted, one_large_product
from graphflow.passes.rules import Inputs
from graphflow.subgraph import Subgraph

__all__ = ["fold_products", "fold_products_fast"]


def fold_products(subgraph: Subgraph) -> Subgraph:
    """Of integers, spell matrix products so that less is moved and scaled.

        permute_dims(matmul(permute_dims(%b), %a))                       becomes   matmul(permute_dims(%a), %b)
        multiply(matmul(%a, %b), 3): int64[99, 99], of int64[99, 2]      becomes   matmul(multiply(%a, 3), %b)

    Every bit stays, as integers wrap around alike. A transpose that feeds a product costs nothing: it is a view, and the
    matrix library reads either order; so it is left where it is. Scales move only once sizes are known: to the smallest
    of both operands and the result. Never fires where the product is fetched or read elsewhere. O(V + E) a round.
    """
    return apply_operand_rules(subgraph, {}, lambda readers: _rules(readers, "i"))


def fold_products_fast(subgraph: Subgraph) -> Subgraph:
    """`fold_products` of floats and complex numbers too, and what only matrix libraries make worth while.

        sum(multiply(%x, %y)): float32[n] each                becomes   matmul(%x, %y), the dot product
        sum(multiply(%a: [m, k, 1], %b: [1, k, n]), axis=1)   becomes   matmul(%a: [m, k], %b: [k, n])
        matmul(%a: [b, n, k], %w: [k, m])                     becomes   reshape(matmul(reshape(%a, [b n, k]), %w))

    Measured in float32 on one core: the sum of products of [100, 64, 80] elements takes 30 times as long as the matrix
    product, row-wise dot products of 64 elements 3 times, 64 products of 10 rows 2.7 times as long as one of 640.
    16-bit floats are left alone, as NumPy multiplies their matrices in float32, copied.
    """
    return apply_operand_rules(subgraph, {}, lambda readers: _rules(readers, "ifc", fast=True))


def _rules(readers: Readers, kinds: str, *, fast: bool = False) -> OperandRules:
    only_one = readers.only_one

    def transposed_product(node: Node, inputs: Inputs) -> Inputs | None:
        """transpose(a @ b) = transpose(b) @ transpose(a), where a transpose of an operand cancels."""
        product = maker(inputs[0], "matmul")
        if product is None or kind(inputs[0]) not in kinds:
            return None
        a, b = product.inputs
        if a.type.shape is None or b.type.shape is None or min(len(a.type.shape), len(b.type.shape)) < 2:
            return None
        if not _swaps_last(node) or not (_is_transposed(a) or _is_transposed(b)) or not only_one(inputs[0]):
            return None
        if not fast and not all(
            user is None or _of_integers(user) for user in readers.users(node.outputs[0])
        ):
            return None  # the result lies in rows now, as it did not before
        return respelled(node, made(node, "matmul", _transposed(node, b), _transposed(node, a)))

    def scaled_product(node: Node, inputs: Inputs) -> Inputs | None:
        """(a @ b) * c = (a * c) @ b, where a is smaller than the product."""
        t, c = inputs if inputs[1].type.shape == () else inputs[::-1]
        product = maker(t, "matmul")
        if product is None or c.type.shape != () or kind(t) not in kinds:
            return None
        if node.op.name == "divide" and c is inputs[0]:
            return None
        a, b = product.inputs
        sizes = _sizes(a, b, t)
        if sizes is None or min(sizes) == sizes[2] or not only_one(t):
            return None
        if sizes[0] <= sizes[1]:
            return in_place_of(node, made(node, "matmul", made(node, node.op.name, a, c), b))
        return in_place_of(node, made(node, "matmul", a, made(node, node.op.name, b, c)))

    def product_of_scaled(node: Node, inputs: Inputs) -> Inputs | None:
        """(a * c) @ b = (a @ b) * c, where the product is smaller than a, or a @ (b * c), where b is."""
        sizes = _sizes(*inputs, node.outputs[0])
        if sizes is None or kind(inputs[0]) not in kinds:
            return None
        for k in (0, 1):
            scaled = maker(inputs[k], "multiply", "divide")
            if scaled is None:
                continue
            x, c = scaled.inputs
            if x.type.shape == () and scaled.op.name == "multiply":
                x, c = c, x
            if c.type.shape != () or x.type != inputs[k].type or min(sizes) == sizes[k]:
                continue
            if not only_one(inputs[k]):
                continue
            name = scaled.op.name
            if sizes[2] <= sizes[1 - k]:
                pair = (x, inputs[1]) if k == 0 else (inputs[0], x)
                return in_place_of(node, made(node, name, made(node, "matmul", *pair), c))
            other = made(node, name, inputs[1 - k], c)
            return in_place_of(node, made(node, "matmul", *((x, other) if k == 0 else (other, x))))
        return None

    def sum_of_products(node: Node, inputs: Inputs) -> Inputs | None:
        product = maker(inputs[0], "multiply", "square")
        if product is None or not only_one(inputs[0]) or node.attrs["dtype"] != inputs[0].type.dtype:
            return None
        return contracted(node, product)

    rules: OperandRules = {
        "permute_dims": {"matmul": (transposed_product,)},
        "multiply": {"matmul": (scaled_product,)},
        "divide": {"matmul": (scaled_product,)},
        "matmul": {"multiply": (product_of_scaled,), "divide": (product_of_scaled,)},
    }
    if not fast:
        return rules
    sums = {"multiply": (sum_of_products,), "square": (sum_of_products,)}
    return combined(rules, {"sum": sums, "matmul": {ALWAYS: (one_large_product,)}})


def _of_integers(user: Node) -> bool:
    return all(kind(t) in "ib" for t in user.outputs)


def _swaps_last(node: Node) -> bool:
    """Whether a permutation exchanges the last two axes alone."""
    axes = node.attrs["axes"]
    if axes is None or len(axes) < 2:
        return False
    rank = len(axes)
    return bool(axes == (*range(rank - 2), rank - 1, rank - 2))


def _is_transposed(t: Tensor) -> bool:
    node = maker(t, "permute_dims")
    return node is not None and _swaps_last(node)


def _transposed(node: Node, t: Tensor) -> Tensor:
    if _is_transposed(t):
        return t.op.inputs[0]
    rank = t.type.rank
    return made(node, "permute_dims", t, axes=(*range(rank - 2), rank - 1, rank - 2))


def _sizes(*tensors: Tensor) -> list[int] | None:
    if not all(t.type.is_static for t in tensors):
        return None
    return [int(t.type.size) for t in tensors]  # type: ignore[arg-type]  # static, as just seen
