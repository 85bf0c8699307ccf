"""Chains of matrix products are multiplied in the order that takes the fewest operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Plan, Uses, make, rewrite_planned
from graphflow.subgraph import Subgraph
from graphflow.types import Shape, broadcast_shapes, is_integer

__all__ = ["best_splits", "near_best_splits", "order_products", "order_products_fast"]

MOST_EXACT = 40
"""Factors up to which the best order is searched for: 40 take 10,000 steps. Beyond, one near it is taken."""

WORTH = 0.9
"""Floats are multiplied in another order if it takes at most this part of the operations: rounding changes for it."""

Splits = dict[tuple[int, int], int]
"""Of the factors from i to j (both included): the last of those that are multiplied first, on the left."""


def order_products(subgraph: Subgraph) -> Subgraph:
    """Multiply chains of integer matrices in the order of the fewest operations; every bit stays, as they wrap around.

        %0 = matmul(%a, %b) : int64[100, 100]
        %1 = matmul(%0, %v) : int64[100]         becomes  %0 = matmul(%b, %v); %1 = matmul(%a, %0)

    Runs after bind: it reads sizes. Looks through transposes of products, since (a b)ᵀ is bᵀ aᵀ. Leading axes are
    broadcast, and count. Never fires where a product in between is needed elsewhere, fetched or fed, or where no order
    takes fewer operations. O(V + E), and O(n³) for each chain of n up to MOST_EXACT factors, O(n) beyond.
    Sources: T. H. Cormen et al., "Introduction to Algorithms", 3rd edition, section 15.2; for long chains F. Y. Chin,
    "An O(n) algorithm for determining a near-optimal computation order of matrix chain products", CACM 21, 1978.
    """
    return _ordered(subgraph, integers=True)


def order_products_fast(subgraph: Subgraph) -> Subgraph:
    """`order_products` for floats too, whose rounding changes: where at least a tenth of the operations is saved."""
    return _ordered(subgraph, integers=False)


def _ordered(subgraph: Subgraph, *, integers: bool) -> Subgraph:
    products = [
        node
        for node in subgraph.nodes
        if node.op.name == "matmul" and (not integers or is_integer(node.outputs[0].type.dtype))
    ]
    if not any(_is_made_of_product(node) for node in products):
        return subgraph
    uses = Uses(subgraph)
    plans: dict[Node, Plan] = {}
    taken: set[Node] = set()
    for node in reversed(products):  # the last product of a chain comes first
        if node in taken or node.control_inputs or not _is_chained(node):
            continue
        chain = _chain(node, uses)
        taken.update(chain.products)
        if len(chain.factors) > 2:
            plan = _plan(node, chain)
            if plan is not None:
                plans[node] = plan
    return rewrite_planned(subgraph, plans)


def _is_made_of_product(node: Node) -> bool:
    """Whether a factor is a product, perhaps transposed: seen without counting who else reads it."""
    for t in node.inputs:
        below = t.op
        while below.op.name == "permute_dims":
            below = below.inputs[0].op
        if below.op.name == "matmul":
            return True
    return False


# --- chains ---------------------------------------------------------------------------------------


class _Factor(NamedTuple):
    """A tensor of a chain, and whether it is multiplied transposed."""

    tensor: Tensor
    turned: bool


class _Chain(NamedTuple):
    """Factors from left to right; products[k] is the node that multiplies what ends with factor k by what follows."""

    factors: list[_Factor]
    products: list[Node]


def _chain(root: Node, uses: Uses) -> _Chain:
    """The factors of a product, and of its factors as long as nothing else needs those."""
    factors: list[_Factor] = []
    products: list[Node] = []
    pending: list[tuple[Tensor, bool, bool] | Node] = [(root.outputs[0], False, True)]
    while pending:
        item = pending.pop()
        if isinstance(item, Node):
            products.append(item)
            continue
        t, turned, on_left = item
        product, flips = (root, False) if t is root.outputs[0] else _product_below(t, on_left, root, uses)
        if product is None:
            factors.append(_unturned(t, turned, uses))
            continue
        turned = turned != flips
        left, right = product.inputs[::-1] if turned else product.inputs
        pending.extend([(right, turned, False), product, (left, turned, True)])
    return _Chain(factors, products)


def _product_below(t: Tensor, on_left: bool, root: Node, uses: Uses) -> tuple[Node | None, bool]:
    """The product that `t` is, or is the transpose of, if nothing else needs it; and whether it is the transpose.

    on_left: whether `t` is a left factor: then a vector that it is must end a row, not a column.
    """
    flips = False
    while uses.is_private(t):
        node = uses.made(t, "matmul", "permute_dims")
        if node is None or node.device != root.device:
            break
        if node.op.name == "matmul":
            inside = node.inputs[1 if on_left else 0].type.rank
            return (node if _is_chained(node) and inside > 1 else None), flips
        if not _is_transpose(node):
            break
        flips = not flips
        t = node.inputs[0]
    return None, False


def _unturned(t: Tensor, turned: bool, uses: Uses) -> _Factor:
    """A factor; the transpose of a transpose is what that is of."""
    node = uses.made(t, "permute_dims") if turned else None
    if node is not None and _is_transpose(node):
        return _Factor(node.inputs[0], False)
    return _Factor(t, turned)


def _is_transpose(node: Node) -> bool:
    axes, shape = node.attrs["axes"], node.inputs[0].type.shape
    if shape is None or len(shape) < 2:
        return False
    rank = len(shape)
    order = tuple(reversed(range(rank))) if axes is None else axes
    return order == (*range(rank - 2), rank - 1, rank - 2)


def _is_chained(node: Node) -> bool:
    """Whether a product is one of matrices, or of a matrix and a vector at an end, all of known sizes."""
    a, b = (t.type for t in node.inputs)
    if not a.is_static or not b.is_static:
        return False
    return (a.rank >= 2 and b.rank >= 2) or (a.rank, b.rank) in ((1, 2), (2, 1), (1, 1))


# --- orders ---------------------------------------------------------------------------------------


def best_splits(sizes: Sequence[int], batches: Sequence[Sequence[int]] | None = None) -> Splits:
    """Where to split each part of a chain of matrices, sizes[i] x sizes[i + 1], for the fewest multiplications.

    batches: batches[i][j], how many matrices the product of the factors from i to j is; 1 where left out.
    Among equals the leftmost split. O(n³).
    """
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    splits: Splits = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            row, area = cost[i], sizes[i] * sizes[j + 1] * (1 if batches is None else batches[i][j])
            tried = [row[k] + cost[k + 1][j] + area * sizes[k + 1] for k in range(i, j)]
            row[j] = min(tried)
            splits[i, j] = i + tried.index(row[j])
    return splits


def near_best_splits(sizes: Sequence[int]) -> Splits:
    """Splits of a chain that take at most 1.155 times the fewest multiplications. O(n).

    The chain is a polygon with the sizes at its corners, an order one of its triangulations. A corner is cut off where
    that is cheaper than a triangle with the smallest corner; what is left is a fan from there.
    """
    count = len(sizes)
    least = min(range(count), key=lambda k: (sizes[k], k))
    around = [(least + k) % count for k in range(count)]
    m = sizes[least]
    triangles: list[tuple[int, int, int]] = []
    stack: list[int] = []
    for corner in around:
        while len(stack) > 1:
            a, c, t = sizes[stack[-2]], sizes[stack[-1]], sizes[corner]
            if a * c * t + a * t * m >= a * c * m + c * t * m:
                break
            triangles.append((stack[-2], stack.pop(), corner))
        stack.append(corner)
    triangles += [(least, stack[k], stack[k + 1]) for k in range(1, len(stack) - 1)]
    splits: Splits = {}
    for triangle in triangles:
        low, middle, high = sorted(triangle)
        splits[low, high - 1] = middle - 1
    return splits


def _multiplications(splits: Splits, sizes: Sequence[int], batches: Sequence[Sequence[int]] | None) -> int:
    total, pending = 0, [(0, len(sizes) - 2)]
    while pending:
        i, j = pending.pop()
        if i == j:
            continue
        k = splits[i, j]
        total += (1 if batches is None else batches[i][j]) * sizes[i] * sizes[k + 1] * sizes[j + 1]
        pending.extend([(i, k), (k + 1, j)])
    return total


def _plan(root: Node, chain: _Chain) -> Plan | None:
    """The products in a better order, or None."""
    sizes = [_dims(factor)[0] for factor in chain.factors[:-1]] + [*_dims(chain.factors[-1], last=True)]
    leads: list[Shape] = [f.tensor.type.dims[:-2] for f in chain.factors]
    alike = all(lead == leads[0] for lead in leads)
    batches = None if alike else _batches(leads)
    if len(leads) <= MOST_EXACT:
        splits = best_splits(sizes, batches)
    elif alike:
        splits = near_best_splits(sizes)
    else:
        return None
    before = sum(_operations(node) for node in chain.products)
    after = _multiplications(splits, sizes, batches) * (_product(leads[0]) if alike else 1)
    exact = is_integer(root.outputs[0].type.dtype)
    if after >= before or (not exact and after > WORTH * before):
        return None
    return Plan("order_products", lambda now: (_multiplied(chain, splits, now),))


def _product(dims: Shape) -> int:
    return math.prod(dims)  # type: ignore[arg-type]  # all sizes of a chain are known


def _operations(node: Node) -> int:
    return _product(node.outputs[0].type.dims) * _product(node.inputs[0].type.dims[-1:])


def _batches(leads: Sequence[Shape]) -> list[list[int]]:
    """How many matrices the product of each part of a chain is: its leading axes are broadcast."""
    batches = [[1] * len(leads) for _ in leads]
    for i, shape in enumerate(leads):
        for j in range(i, len(leads)):
            shape = broadcast_shapes(shape, leads[j])
            batches[i][j] = _product(shape)
    return batches


def _dims(factor: _Factor, *, last: bool = False) -> tuple[int, int]:
    """Rows and columns. A vector is a column if it is the last factor, else a row."""
    dims = factor.tensor.type.dims
    if len(dims) == 1:
        dims = (*dims, 1) if last else (1, *dims)
    rows, columns = dims[-2:]
    return (columns, rows) if factor.turned else (rows, columns)  # type: ignore[return-value]  # ints


def _multiplied(chain: _Chain, splits: Splits, now: Now) -> Tensor:
    """The product; each multiplication has the line of the one that stood between the same factors."""
    done = {(k, k): _turned(factor, chain.products[0], now) for k, factor in enumerate(chain.factors)}
    whole = (0, len(chain.factors) - 1)
    pending = [whole]
    while whole not in done:
        i, j = pending[-1]
        k = splits[i, j]
        missing = [part for part in ((k + 1, j), (i, k)) if part not in done]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        done[i, j] = make(chain.products[k], "matmul", done[i, k], done[k + 1, j])
    return done[whole]


def _turned(factor: _Factor, like: Node, now: Now) -> Tensor:
    t = factor.tensor
    if not factor.turned:
        return now(t)
    rank = t.type.rank
    return make(like, "permute_dims", now(t), axes=(*range(rank - 2), rank - 1, rank - 2))
