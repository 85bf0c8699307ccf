"""Products built from products: chains, powers, Kronecker products."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import items_of
from graphflow.ops.constant import operands
from graphflow.ops.linalg import factors, matmul
from graphflow.ops.matrices import matrices
from graphflow.ops.shape import expand_dims, flatten, squeeze
from graphflow.ops.solve import inv
from graphflow.ops.ufunc import numbers
from graphflow.types import as_index, dims_equal

__all__ = ["chain", "kron", "matrix_power", "multi_dot"]

# --- chains ---------------------------------------------------------------------------------------


def _splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each part of a chain of matrices, sizes[i] x sizes[i + 1], for the fewest multiplications.

    Source: T. H. Cormen et al., "Introduction to Algorithms", 3rd edition, section 15.2. Cost: O(n^3).
    """
    count = len(sizes) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            tried = [
                cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)
            ]
            cost[i, j] = min(tried)
            split[i, j] = i + tried.index(cost[i, j])
    return split


def chain(parts: Sequence[Tensor]) -> Tensor:
    """The product of matrices, or stacks of them, in the cheapest order; from the left where sizes are not known."""
    sizes: list[int] = []
    for t in parts:
        dims = t.type.shape
        if dims is None or not all(isinstance(d, int) for d in dims[-2:]):
            sizes = []
            break
        sizes.append(int(dims[-2]))  # type: ignore[arg-type]  # an int, as was just seen
    if not sizes:
        product = parts[0]
        for t in parts[1:]:
            product = matmul(product, t)
        return product
    sizes.append(int(parts[-1].type.dims[-1]))  # type: ignore[arg-type]
    split = _splits(sizes)
    done: dict[tuple[int, int], Tensor] = {(i, i): t for i, t in enumerate(parts)}
    stack = [(0, len(parts) - 1)]
    while stack:
        i, j = stack[-1]
        if (i, j) in done:
            stack.pop()
            continue
        k = split[i, j]
        missing = [part for part in ((i, k), (k + 1, j)) if part not in done]
        if missing:
            stack.extend(missing)
            continue
        done[i, j] = matmul(done[i, k], done[k + 1, j])
    return done[0, len(parts) - 1]


@public
def multi_dot(arrays: Any, name: str | None = None) -> Tensor:
    """The product of two or more matrices, in the order of multiplying that costs least. A composition.

    The first may be a vector, a row; the last one too, a column. Where sizes are not known when the graph is
    built, from left to right.
    Raises ArgumentError for fewer than two, ShapeError for a rank that is not known, not 2, or sizes that do not fit.
    """
    items = items_of(arrays, "multi_dot: arrays")
    if len(items) < 2:
        raise ArgumentError(f"multi_dot: needs at least two arrays, got {len(items)}")
    parts = operands(*items)
    ranks = [None if t.type.shape is None else len(t.type.shape) for t in parts]
    for place, (t, rank) in enumerate(zip(parts, ranks, strict=True)):
        at_end = place in (0, len(parts) - 1)
        if rank != 2 and not (rank == 1 and at_end):
            raise ShapeError(f"multi_dot: array {place} must be {'a vector or ' * at_end}a matrix, got {t!r}")
    parts = [factors("multi_dot", t, t)[0] for t in parts]
    with composition("multi_dot" if name is None else name):
        if ranks[0] == 1:
            parts[0] = expand_dims(parts[0], 0)
        if ranks[-1] == 1:
            parts[-1] = expand_dims(parts[-1], 1)
        for a, b in itertools.pairwise(parts):
            if dims_equal(a.type.dims[-1], b.type.dims[-2]) is False:
                raise ShapeError(f"multi_dot: {a!r} and {b!r} do not fit together")
        product = chain(parts)
        gone = [axis for axis, rank in ((0, ranks[0]), (1, ranks[-1])) if rank == 1]
        return squeeze(product, gone) if gone else product


# --- powers ---------------------------------------------------------------------------------------


@public
def matrix_power(x: Any, n: int, name: str | None = None) -> Tensor:
    """The product of `n` copies of each square matrix; of its inverse for negative n; the identity for 0. A composition.

    Takes about log2(n) products. Integers keep their dtype for n >= 0 and wrap around on overflow.
    Raises ArgumentError for an `n` that is no int, ShapeError for what is not square; for negative n as `inv`.
    """
    power = as_index(n, "matrix_power: n")
    x = matrices("matrix_power", x) if power < 0 else numbers("matrix_power", x)
    dims = x.type.shape
    if dims is not None and (len(dims) < 2 or dims_equal(dims[-2], dims[-1]) is False):
        raise ShapeError(f"matrix_power: x must be square matrices, got {x!r}")
    if abs(power).bit_length() > 64:
        raise ArgumentError(f"matrix_power: n {shorten(power)} is too large")
    with composition("matrix_power" if name is None else name):
        if power == 0:
            return _identity_like(x)
        square = inv(x) if power < 0 else x
        result: Tensor | None = None
        left = abs(power)
        while left:
            if left & 1:
                result = square if result is None else matmul(result, square)
            left >>= 1
            if left:
                square = matmul(square, square)
        return F.identity(x) if result is x or result is None else result


def _identity_like(x: Tensor) -> Tensor:
    made: Tensor = F.tril(F.triu(F.ones_like(x)))
    return made


# --- Kronecker products ---------------------------------------------------------------------------


@public
def kron(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The Kronecker product: blocks of `b`, one for each element of `a` and multiplied by it. A composition.

    Of any ranks, as NumPy's: the shorter shape gets axes of size 1 in front; sizes are multiplied axis by axis.
    Raises ShapeError for a rank that is not known, DTypeError for bools.
    """
    x, y = factors("kron", a, b)
    if x.type.shape is None or y.type.shape is None:
        unknown = x if x.type.shape is None else y
        raise ShapeError(f"kron: the rank of {unknown!r} is not known here; give the placeholder a shape")
    rank = max(len(x.type.shape), len(y.type.shape))
    with composition("kron" if name is None else name):
        for_x = [axis for k in range(rank) for axis in ([2 * k] if k < rank - len(x.type.shape) else [])]
        left = expand_dims(x, [*for_x, *[2 * k + 1 for k in range(rank)]]) if rank else x
        for_y = [2 * k + 1 for k in range(rank - len(y.type.shape))]
        right = expand_dims(y, [*for_y, *[2 * k for k in range(rank)]]) if rank else y
        product: Tensor = left * right
        for k in range(rank):
            product = flatten(product, k, k + 1)
    return product
