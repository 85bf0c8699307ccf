"""Choosing among given values: with and without replacement, TensorFlow 1's `multinomial`, random parts of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import dims_argument, flag, listed, one_dim
from graphflow.ops.constant import as_tensor
from graphflow.ops.random_node import finite
from graphflow.ops.random_parameters import Given, checked_seed, shaped
from graphflow.ops.sorting import argsort
from graphflow.types import Dim, DimLike, as_dtype, is_integer

__all__ = ["multinomial", "random_choice", "random_crop"]

DOUBLE = as_dtype("float64")


def _positions(n: DimLike, source: Tensor | None, dims: Any, seed: Any) -> Tensor:
    """Uniform indices below `n`; where that is not known before the run, floor(u n) with u of 53 bits."""
    if isinstance(n, int):
        return F.random_int(dims, 0, n, seed=seed)  # type: ignore[no-any-return]
    u = F.random_uniform(dims, dtype=DOUBLE, seed=seed)
    size = (
        F.cast(F.size(source, (0,)), DOUBLE) if source is not None else F.cast(F.size(F.zeros([n])), DOUBLE)
    )
    return F.cast(F.minimum(F.floor(u * size), size - 1), "int64")  # type: ignore[no-any-return]


def _weighted(weights: Tensor, count: int, dims: Any, replace: bool, seed: Any) -> Tensor:
    """Indices drawn with these weights; without replacement, those of the least waiting times E / weight."""
    if replace:
        return F.reshape(F.categorical(F.log(weights), count, seed=seed), dims)  # type: ignore[no-any-return]
    u = F.random_uniform_like(weights, dtype=DOUBLE, seed=seed)
    waits = -F.log1p(-u) / weights
    waits = F.where(F.equal(weights, 0), math.inf, waits)
    first = F.strided_slice(argsort(waits), [(None, count, None)])
    return F.reshape(first, dims)  # type: ignore[no-any-return]


@public
def random_choice(
    a: Any,
    shape: Any = (),
    replace: bool = True,
    p: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Elements of `a` chosen at random, new ones at every run: shape + a.shape[1:]. A composition.

    a: an int n or a size, for the integers 0, ..., n-1; or an array or tensor, whose rows along the first axis are
        chosen. shape: of known sizes. replace: False chooses no row twice.
    p: weights of the rows, [n], at least 0, divided by their sum; all the same where left out. Without replacement,
        each choice is among the rows that are left, by their weights.
    Raises ArgumentError for more rows than there are without replacement, or known weights that are negative;
    ShapeError for weights that are not one for each row. Source: Efraimidis and Spirakis 2006, for weights without
    replacement.
    """
    label = "random_choice"
    seed, again = checked_seed(label, seed), flag(replace, label, "replace")
    sizes = _known_sizes(label, "shape", shape)
    count = math.prod(sizes)
    source, n = _rows(label, a)
    if isinstance(n, int) and count and (n < 1 or (not again and count > n)):
        raise ArgumentError(
            f"{label}: cannot choose {count} of {n} rows" + ("" if again else " without replacement")
        )
    with composition(label if name is None else name):
        if p is not None:
            given = Given("p", p, lambda v: finite(v) and bool(np.all(v >= 0)), "at least 0 and finite")
            (weights,) = shaped(label, None, DOUBLE, given)
            if weights.type.shape is not None and len(weights.type.shape) != 1:
                raise ShapeError(f"{label}: p must be a vector, got {weights.type}")
            if isinstance(n, int) and weights.type.shape not in (None, (n,)) and not _unknown(weights):
                raise ShapeError(f"{label}: p must have one weight for each of {n} rows, got {weights.type}")
            chosen = _weighted(weights, count, sizes, again, seed)
        elif again:
            chosen = _positions(n, source, sizes, seed)
        else:
            order = F.permutation(n if source is None else F.shape(source)[0], seed=seed)
            chosen = F.reshape(F.strided_slice(order, [(None, count, None)]), sizes)
        return chosen if source is None else F.take(source, chosen, axis=0)


def _known_sizes(label: str, what: str, value: Any) -> tuple[int, ...]:
    sizes = dims_argument(value, f"{label}: {what}")
    known = tuple([d for d in sizes if isinstance(d, int)])
    if len(known) != len(sizes):
        raise ShapeError(f"{label}: {what} {shorten(value)} must be known when the graph is built")
    return known


def _unknown(weights: Tensor) -> bool:
    return not isinstance(weights.type.dims[0], int)


def _rows(label: str, a: Any) -> tuple[Tensor | None, DimLike]:
    """The rows to choose from, None for the integers below a known n, and their number."""
    tensor = a.__graphflow_tensor__() if hasattr(type(a), "__graphflow_tensor__") else None
    if tensor is None:
        if isinstance(a, Dim) or (hasattr(a, "__index__") and not isinstance(a, np.ndarray)):
            return _integers(one_dim(a, f"{label}: a"))
        tensor = as_tensor(a)
    shape = tensor.type.shape
    if shape == ():
        if not is_integer(tensor.type.dtype):
            raise ShapeError(f"{label}: a must be a size, or have an axis of rows, got {shorten(a)}")
        return _integers(one_dim(tensor, f"{label}: a"))
    if shape is None:
        raise ShapeError(f"{label}: the rank of {tensor!r} must be known")
    return tensor, shape[0]


def _integers(n: DimLike) -> tuple[Tensor | None, DimLike]:
    """The integers below n: none are made where n is known."""
    return (None if isinstance(n, int) else F.arange(0, n)), n


@public
def multinomial(
    logits: Any,
    num_samples: int,
    seed: int | None = None,
    name: str | None = None,
    output_dtype: Any = None,
) -> Tensor:
    """`categorical` by TensorFlow 1's name: classes [batch, num_samples] of logits [batch, classes]."""
    dtype = "int64" if output_dtype is None else output_dtype
    return F.categorical(logits, num_samples, dtype, seed, name)  # type: ignore[no-any-return]


@public
def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A part of `value` of the shape `size`, at a place that is drawn anew at every run. A composition.

    size: one int for each axis of value, whose rank must be known. Every place is as likely as any other.
    Raises ShapeError for a part that is larger than value, or another number of sizes; IndexRangeError if that is
    known only at the run.
    """
    label = "random_crop"
    x, seed = as_tensor(value), checked_seed(label, seed)
    if x.type.shape is None:
        raise ShapeError(f"{label}: the rank of {x!r} must be known; give the placeholder a shape")
    sizes = _known_sizes(label, "size", listed(size, f"{label}: size"))
    if len(sizes) != len(x.type.shape):
        raise ShapeError(f"{label}: size {shorten(size)} needs one number for each axis of {x!r}")
    for axis, (n, d) in enumerate(zip(sizes, x.type.shape, strict=True)):
        if isinstance(d, int) and n > d:
            raise ShapeError(f"{label}: size {n} is more than axis {axis} of {x!r} has")
    with composition(label if name is None else name):
        u = F.random_uniform((len(sizes),), dtype=DOUBLE, seed=seed)
        part = x
        for axis, (n, d) in enumerate(zip(sizes, x.type.shape, strict=True)):
            if type(d) is int and n == d:
                continue
            room = F.maximum(F.cast(F.size(x, (axis,)), DOUBLE) - (n - 1), 1.0)
            start = F.cast(F.floor(F.strided_slice(u, [(axis, axis + 1, None)]) * room), "int64")
            part = F.take(part, start + F.arange(n), axis=axis)
        return F.identity(part)  # type: ignore[no-any-return]
