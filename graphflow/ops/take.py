"""Picking by integer index: `take`, `gather`, `gather_nd`, `take_along_axis`, `one_hot`.

One op does most of the work: `take` replaces adjacent axes by what their index arrays pick, as NumPy's
advanced indexing does. Its adjoint is `scatter_nd`, which adds into zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import one_dim, typed
from graphflow.ops.constant import as_tensor, constant, operands
from graphflow.ops.flat_index import (
    as_indices,
    check_constants,
    picked_type,
    split_points,
)
from graphflow.ops.scatter_ops import scatter_add_like, scatter_along_like
from graphflow.ops.take_kernels import take_along_kernel, take_along_workspace, take_kernel, take_workspace
from graphflow.types import TensorType, as_dtype, as_index, broadcast_shapes, normalize_axis

__all__ = ["gather", "gather_nd", "one_hot", "take", "take_along_axis"]

# --- take -----------------------------------------------------------------------------------------


def _take_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, *indices = node.inputs
    return (scatter_add_like(x, g, indices, node.attrs["axis"] or 0), *[None] * len(indices))


TAKE = declare(
    Op(
        "take",
        lambda x, *indices, axis: picked_type(x, indices, axis),
        take_kernel,
        _take_vjp,
        Trait.OUT | Trait.FALLIBLE,
        flops=lambda inputs, outputs, axis: 0,
        workspace=take_workspace,
        takes_strings=True,
        doc="Adjacent axes replaced by what their index arrays pick.",
    )
)


def take_at(
    x: Tensor, indices: Sequence[Tensor], axis: int | None, op: str, name: str | None = None
) -> Tensor:
    """A `take` node; indices that are known now are checked now, in the name of `op`."""
    check_constants(op, x.type.shape, indices, axis or 0)
    return apply(TAKE, x, *indices, name=name, axis=axis)  # type: ignore[no-any-return]


@public
def take(x: Any, indices: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """The slices of `x` along `axis` that `indices` name, in their place: x.shape[:axis] + indices.shape + ...

    indices: integers of any shape in [-n, n), counting from the end where negative.
    axis: may be left out only where `x` has one axis.
    Raises DTypeError for indices that are no integers; IndexRangeError for one out of range, when the graph is
    built if it is known then, else at the run. The gradient adds repeated indices up, in their order.
    """
    along = None if axis is None else as_index(axis, "take: axis")
    return take_at(as_tensor(x), [as_indices("take", indices)], along, "take", name)


@public
def gather(params: Any, indices: Any, axis: int = 0, batch_dims: int = 0, name: str | None = None) -> Tensor:
    """`take` with TensorFlow's default axis 0: rows of an embedding matrix, for one.

    batch_dims: so many leading axes of both are matched with each other instead of crossed; the result is
        params.shape[:axis] + indices.shape[batch_dims:] + params.shape[axis + 1:]. Needs known ranks.
    Raises as `take`.
    """
    x, index = as_tensor(params), as_indices("gather", indices)
    along, batch = as_index(axis, "gather: axis"), as_index(batch_dims, "gather: batch_dims")
    if batch == 0:
        return take_at(x, [index], along, "gather", name)
    if not 0 <= batch <= min(index.type.rank, x.type.rank - 1):
        raise ArgumentError(f"gather: batch_dims {batch} is out of range for {x.type} and {index.type}")
    along = normalize_axis(along, x.type.rank, "gather: axis")
    if along < batch:
        raise ArgumentError(f"gather: axis {along} is one of the {batch} batch axes")
    with composition("gather" if name is None else name):
        grids = []
        for k in range(batch):
            count = index.type.dims[k]
            ones = (1,) * (index.type.rank - 1 - k)
            line = constant(np.arange(count)) if isinstance(count, int) else F.arange(F.shape(index)[k])
            grids.append(F.reshape(line, (-1, *ones)))
        moved = F.moveaxis(x, along, batch) if along != batch else x
        picked = take_at(moved, [*grids, index], 0, "gather")
        extra = index.type.rank - batch
        between = along - batch
        order = (
            *range(batch),
            *range(batch + extra, batch + extra + between),
            *range(batch, batch + extra),
            *range(batch + extra + between, picked.type.rank),
        )
        return F.permute_dims(picked, order) if between and extra else picked


@public
def gather_nd(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Slices of `params` at the points that the last axis of `indices` spells. A composition.

    indices: integers[..., k] with a known k; the result is indices.shape[:-1] + params.shape[k:].
    Raises ShapeError where k is unknown or more than the rank of params; else as `take`.
    """
    x, index = as_tensor(params), as_indices("gather_nd", indices)
    with composition("gather_nd" if name is None else name):
        columns = split_points("gather_nd", index, None if x.type.shape is None else x.type.rank)
        if columns:
            return take_at(x, columns, 0, "gather_nd")
        return F.broadcast_to(x, (*index.type.dims[:-1], *x.type.dims))  # type: ignore[no-any-return]


# --- take_along_axis ------------------------------------------------------------------------------


def _infer_along(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    if x.rank != indices.rank:
        raise ShapeError(f"x {x} and indices {indices} must have as many axes")
    along = normalize_axis(axis, x.rank)
    a, b = list(x.dims), list(indices.dims)
    a[along] = 1
    return typed(x.dtype, broadcast_shapes(tuple(a), tuple(b)))


TAKE_ALONG_AXIS = declare(
    Op(
        "take_along_axis",
        _infer_along,
        take_along_kernel,
        lambda node, g: (scatter_along_like(node.inputs[0], g, node.inputs[1], node.attrs["axis"]), None),
        Trait.FALLIBLE,
        flops=lambda inputs, outputs, axis: 0,
        workspace=take_along_workspace,
        doc="One element for each index, the other coordinates being its own.",
    )
)


@public
def take_along_axis(x: Any, indices: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """Elements of `x` along `axis`, by an index for each: result[i, j] = x[i, indices[i, j]] for axis 1.

    indices: integers in [-n, n) with as many axes as `x`, broadcast with it but for `axis`. What `argsort` gives.
    Raises ShapeError for another number of axes; else as `take`.
    """
    x, index = as_tensor(x), as_indices("take_along_axis", indices)
    along = as_index(axis, "take_along_axis: axis")
    if x.type.shape and -len(x.type.shape) <= along < len(x.type.shape):
        check_constants("take_along_axis", x.type.shape, [index], along)
    return apply(TAKE_ALONG_AXIS, x, index, name=name, axis=along)  # type: ignore[no-any-return]


# --- one_hot --------------------------------------------------------------------------------------


@public
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int = -1,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """`on_value` where the new axis' position is the index, `off_value` elsewhere. A composition.

    indices: integers; one outside [0, depth) gives a row of `off_value`, as in TensorFlow.
    depth: size of the new axis, an int or a size taken from `shape(x)`. axis: where the new axis goes.
    on_value, off_value: scalars, 1 and 0 where left out. dtype: theirs, float32 where all are left out.
    Raises ArgumentError for a negative depth, ShapeError for a non-negative axis where the rank is unknown.
    """
    index = as_indices("one_hot", indices)
    if isinstance(depth, (int, np.integer)) and not isinstance(depth, bool) and depth < 0:
        raise ArgumentError(f"one_hot: depth must be at least 0, not {shorten(depth)}")
    size = one_dim(depth, "one_hot: depth")
    along = as_index(axis, "one_hot: axis")
    if index.type.shape is not None:
        rank = len(index.type.shape) + 1
        along = normalize_axis(along, rank, "one_hot: axis") - rank
        typed(index.type.dtype, (*index.type.shape, size))
    elif along >= 0:
        raise ShapeError(f"one_hot: axis {along} needs indices of known rank; count it from the end: axis=-1")
    with composition("one_hot" if name is None else name):
        on, off = _values(on_value, off_value, dtype)
        places = F.arange(size, dtype="uint64" if index.type.dtype.name == "uint64" else "int64")
        places = F.reshape(places, (-1, *[1] * (-along - 1)))
        return F.where(F.equal(F.expand_dims(index, along), places), on, off)  # type: ignore[no-any-return]


def _values(on: Any, off: Any, dtype: Any) -> tuple[Tensor, Tensor]:
    if dtype is None and on is None and off is None:
        dtype = float
    on, off = 1 if on is None else on, 0 if off is None else off
    if dtype is None:
        first, second = operands(on, off)
    else:
        first, second = [_scalar(v, as_dtype(dtype)) for v in (on, off)]
    for value in (first, second):
        if value.type.shape not in ((), None):
            raise ShapeError(f"one_hot: on_value and off_value must be scalars, got {value.type}")
    return first, second


def _scalar(value: Any, dtype: np.dtype[Any]) -> Tensor:
    if dtype.kind == "b" and isinstance(value, int):
        value = bool(value)
    return as_tensor(value, dtype)
