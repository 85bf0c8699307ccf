"""Sums of products that are matrix products, and many small products that are one large one. They change rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graphflow.graph import Node, Tensor
from graphflow.passes.operands import in_place_of, lies_in_rows, made
from graphflow.passes.rules import Inputs

__all__ = ["contracted", "one_large_product"]

_LIBRARY_DTYPES = ("float32", "float64", "complex64", "complex128")
_LEAST_INNER = 16
"""Dot products of fewer elements are not faster than products and a sum: each costs a call."""
_LEAST_SAVING = 4
"""How many times as large as both operands together the products must be for operands to be put in order first."""


@dataclass(frozen=True, slots=True)
class _Axes:
    """The axes of a broadcast product, by what becomes of them: `inner` are summed, `rows` has the first operand alone."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    inner: tuple[int, ...]


def contracted(node: Node, product: Node) -> Inputs | None:
    """A sum of products as a matrix product; None unless sizes are known and it is worth while."""
    a, b = product.inputs[0], product.inputs[-1]
    whole = product.outputs[0].type
    if not (whole.is_static and a.type.is_static and b.type.is_static) or not whole.nbytes:
        return None
    if whole.dtype.name not in _LIBRARY_DTYPES:
        return None
    shape = tuple([int(d) for d in whole.dims])  # type: ignore[arg-type]  # static, as just seen
    axes = _sorted_axes(shape, _padded(a, len(shape)), _padded(b, len(shape)), node)
    if axes is None:
        return None
    n, m, c, k = [
        math.prod([shape[i] for i in part]) for part in (axes.batch, axes.rows, axes.columns, axes.inner)
    ]
    if not axes.rows and not axes.columns:
        in_order = (*axes.batch, *axes.inner) == tuple(range(len(shape)))
        if k < _LEAST_INNER or not in_order or not (lies_in_rows(a) and lies_in_rows(b)):
            return None
        y = _dots(node, a, b, n, k)
    else:
        if k < 2 or n * m * c * k < _LEAST_SAVING * (n * m * k + n * k * c):
            return None
        first = _matrix(node, a, (*axes.batch, *axes.rows, *axes.inner), axes.columns, len(shape), (n, m, k))
        second = _matrix(node, b, (*axes.batch, *axes.inner, *axes.columns), axes.rows, len(shape), (n, k, c))
        y = made(node, "matmul", first, second)
        kept = (*axes.batch, *axes.rows, *axes.columns)
        if kept != tuple(sorted(kept)):
            y = made(node, "reshape", y, shape=tuple([shape[i] for i in kept]))
            y = made(node, "permute_dims", y, axes=tuple(sorted(range(len(kept)), key=kept.__getitem__)))
    if y.type != node.outputs[0].type:
        y = made(node, "reshape", y, shape=node.outputs[0].type.shape)
    return in_place_of(node, y)


def _padded(t: Tensor, rank: int) -> tuple[int, ...]:
    dims = tuple([int(d) for d in t.type.dims])  # type: ignore[arg-type]  # static
    return (1,) * (rank - len(dims)) + dims


def _sorted_axes(
    shape: tuple[int, ...], first: tuple[int, ...], second: tuple[int, ...], node: Node
) -> _Axes | None:
    """What becomes of each axis; None where an axis is summed along which one operand is constant."""
    axis = node.attrs["axis"]
    folded = range(len(shape)) if axis is None else [a % len(shape) for a in axis]
    batch: list[int] = []
    rows: list[int] = []
    columns: list[int] = []
    inner: list[int] = []
    for i, (d, p, q) in enumerate(zip(shape, first, second, strict=True)):
        if i in folded:
            if not p == q == d:
                return None
            inner.append(i)
        else:
            (batch if p == q == d else rows if p == d else columns).append(i)
    return _Axes(tuple(batch), tuple(rows), tuple(columns), tuple(inner))


def _dots(node: Node, a: Tensor, b: Tensor, n: int, k: int) -> Tensor:
    if n == 1:
        lines = [made(node, "reshape", t, shape=(k,)) for t in (a, b)]
        return made(node, "matmul", *lines)
    row, column = made(node, "reshape", a, shape=(n, 1, k)), made(node, "reshape", b, shape=(n, k, 1))
    return made(node, "matmul", row, column)


def _matrix(
    node: Node,
    t: Tensor,
    order: tuple[int, ...],
    without: tuple[int, ...],
    rank: int,
    sizes: tuple[int, int, int],
) -> Tensor:
    """An operand with its axes in that order, then as (batch,) rows and columns."""
    lead = rank - t.type.rank
    gone = tuple([i - lead for i in without if i >= lead])
    if gone:
        t = made(node, "squeeze", t, axis=gone)
    there = [i for i in order if i >= lead]
    places = {i: k for k, i in enumerate(sorted(there))}
    axes = tuple([places[i] for i in there])
    if axes != tuple(range(len(axes))):
        t = made(node, "permute_dims", t, axes=axes)
    shape = sizes[1:] if sizes[0] == 1 else sizes
    return t if t.type.shape == shape else made(node, "reshape", t, shape=shape)


def one_large_product(node: Node, inputs: Inputs) -> Inputs | None:
    """Products of many matrices with one matrix as one product of all their rows: each costs a call of the library."""
    a, b = inputs
    out = node.outputs[0].type
    if not (a.type.is_static and b.type.is_static and out.is_static) or a.type.rank < 3 or b.type.rank != 2:
        return None
    if not lies_in_rows(a) or out.dtype.kind in "iub" or not out.nbytes:
        return None
    *lead, k = a.type.dims
    rows = math.prod(lead)
    if rows == lead[-1]:
        return None
    product = made(node, "matmul", made(node, "reshape", a, shape=(rows, k)), b)
    return in_place_of(node, made(node, "reshape", product, shape=out.shape))
