"""Integer indices: what may be one, whether it is in range, and several of them as one index into flattened axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, GraphflowError, IndexRangeError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import typed
from graphflow.ops.constant import CONSTANT, as_tensor, constant
from graphflow.ops.philox import converted
from graphflow.ops.views import put
from graphflow.types import Shape, TensorType, broadcast_shapes, dims_equal, is_integer, normalize_axis

__all__ = [
    "as_indices",
    "check_constants",
    "flat_index",
    "picked_type",
    "split_axes",
    "stable_argsort",
    "tensor_of",
]


def stable_argsort(xp: Any, x: Any) -> Any:
    """Positions that sort a 1-d array, equal elements in their order, int64."""
    order = (
        xp.argsort(x) if xp.__name__ == "cupy" else xp.argsort(x, stable=True)
    )  # CuPy's is stable as it is
    return converted(xp, order, xp.int64)


# --- when the graph is built ----------------------------------------------------------------------


def tensor_of(op: str, what: str, value: Any, dtype: Any = None) -> Tensor:
    """`value` as a tensor; an error says which argument of which op it was."""
    try:
        return as_tensor(value, dtype)
    except GraphflowError as error:
        raise type(error)(f"{op}: {what}: {error}") from error.__cause__


def as_indices(op: str, value: Any, what: str = "indices") -> Tensor:
    """Indices as a tensor of integers; an empty list is one of int64. Raises DTypeError for any other dtype."""
    tensor = tensor_of(op, what, value)
    if isinstance(value, (list, tuple)) and tensor.op.op is CONSTANT and tensor.type.size == 0:
        tensor = constant(np.zeros(tensor.op.attrs["value"].array.shape, np.int64))
    if not is_integer(tensor.type.dtype):
        given = (
            tensor.type
            if hasattr(type(value), "__graphflow_tensor__")
            else f"{tensor.type}: {shorten(value)}"
        )
        raise DTypeError(f"{op}: {what} must be integers, got {given}")
    return tensor


def check_constants(op: str, dims: Shape | None, indices: Sequence[Tensor], axis: int) -> None:
    """Raise IndexRangeError for an index known now that is out of range on an axis of known size."""
    if dims is None or not -len(dims) <= axis <= len(dims) - len(indices):
        return
    first = axis % len(dims) if dims else 0
    for k, (size, index) in enumerate(zip(dims[first:], indices, strict=False)):
        if type(size) is int and index.op.op is CONSTANT:
            array = index.op.attrs["value"].array
            if array.size:
                check_bounds(op, int(array.min()), int(array.max()), size, first + k)


def split_points(op: str, indices: Tensor, rank: int | None, least: int = 0) -> list[Tensor]:
    """The columns of integers[..., k] as k tensors; constants stay constants, so that they can be checked at once.

    Raises ShapeError where k is unknown, less than `least`, or more than `rank`.
    """
    shape = indices.type.shape
    if not shape or not isinstance(shape[-1], int):
        raise ShapeError(f"{op}: indices need a last axis of known size, got {indices.type}")
    if shape[-1] < least:
        raise ShapeError(
            f"{op}: indices {indices.type} name {shape[-1]} coordinates; at least {least} is needed"
        )
    if rank is not None and shape[-1] > rank:
        raise ShapeError(
            f"{op}: indices {indices.type} name {shape[-1]} coordinates, more than the {rank} axes"
        )
    if indices.op.op is CONSTANT:
        array = indices.op.attrs["value"].array
        return [constant(array[..., k]) for k in range(shape[-1])]
    return [F.getitem(indices, (..., k)) for k in range(shape[-1])]


def check_bounds(op: str, low: int, high: int, size: int, axis: int) -> None:
    """Raise IndexRangeError unless -size <= low and high < size."""
    if low < -size or high >= size:
        bad = high if high >= size else low
        valid = f"valid: {-size} to {size - 1}" if size else "the axis is empty"
        raise IndexRangeError(f"{op}: index {bad} is out of range for axis {axis} of size {size} ({valid})")


def split_axes(x: TensorType, axis: int | None, count: int) -> tuple[Shape, Shape, Shape]:
    """The axes before the `count` that are indexed, those, and the axes after.

    Raises ShapeError or ArgumentError if they are not there; None for the axis means that there is only one.
    """
    if axis is None:
        if x.rank != 1:
            raise ShapeError(f"{x} has {x.rank} axes: say which, as axis=...")
        axis = 0
    if x.rank == 0:
        raise ShapeError(f"{x} is a scalar and has no axis to index")
    first = normalize_axis(axis, x.rank)
    if first + count > x.rank:
        raise ShapeError(f"{x} has {x.rank} axes, too few for {count} indices from axis {first} on")
    return x.dims[:first], x.dims[first : first + count], x.dims[first + count :]


def picked_type(x: TensorType, indices: Sequence[TensorType], axis: int | None) -> TensorType:
    """The type of `x` with adjacent axes replaced by the shape to which their indices broadcast."""
    before, indexed, after = split_axes(x, axis, len(indices))
    picked = broadcast_shapes(*[i.dims for i in indices])
    some = all(type(d) is int and d > 0 for d in picked)
    for k, size in enumerate(indexed):
        if some and type(size) is int and size == 0:
            raise IndexRangeError(f"axis {len(before) + k} of {x} is empty: nothing in it can be picked")
    return typed(x.dtype, (*before, *picked, *after))


def must_equal(given: TensorType, wanted: Shape, what: str) -> None:
    """Raise ShapeError where a shape certainly is not the wanted one."""
    if len(given.dims) != len(wanted) or any(
        dims_equal(a, b) is False for a, b in zip(given.dims, wanted, strict=True)
    ):
        raise ShapeError(f"{what} must have shape {list(wanted)}, got {given}")


def must_broadcast(given: TensorType, wanted: Shape, what: str) -> None:
    """Raise ShapeError where a shape certainly does not broadcast to the wanted one."""
    extra = len(wanted) - len(given.dims)
    if extra < 0 or any(
        dims_equal(a, b) is False and not (type(a) is int and a == 1)
        for a, b in zip(given.dims, wanted[extra:], strict=True)
    ):
        raise ShapeError(f"{what} of shape {list(wanted)} cannot take {given}")


# --- when it runs ---------------------------------------------------------------------------------

CHUNK = 1 << 14
"""Indices handled at a time under NumPy, so that hidden memory stays below a MiB."""


def flat_index(xp: Any, op: str, indices: Sequence[Any], sizes: Sequence[int], axis: int) -> Any:
    """One int64 index into the flattened axes of `sizes`, in [0, product), of the indices' broadcast shape.

    Raises IndexRangeError with the offending value; negative indices count from the end.
    """
    total = None
    for k, (index, size) in enumerate(zip(indices, sizes, strict=True)):
        if math.prod(index.shape):
            check_bounds(op, int(xp.min(index)), int(xp.max(index)), size, axis + k)
        index = converted(xp, index, xp.int64)
        index = xp.where(index < 0, index + size, index)
        total = index if total is None else total * size + index
    return total


def flat_pieces(
    op: str, indices: Sequence[Any], sizes: Sequence[int], axis: int, most: int = CHUNK
) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """`flat_index` of NumPy arrays in C order, as (position of the first, 1-d array) pieces of up to `most`.

    Everything is checked before the first piece. The pieces share one buffer: use each before asking for the next.
    """
    negative = [
        check_range(op, i, size, axis + k) for k, (i, size) in enumerate(zip(indices, sizes, strict=True))
    ]
    shape = picked_shape(indices)
    flats = []
    for index in indices:
        same = index.shape == shape and (index.flags.c_contiguous or index.ndim == 1)
        flats.append(index.reshape(-1) if same else np.broadcast_to(index, shape).flat)
    count = math.prod(shape)
    buffer = np.empty(min(count, most), np.int64)
    for start in range(0, count, most):
        total = buffer[: min(most, count - start)]
        for k, (flat, size, wrap) in enumerate(zip(flats, sizes, negative, strict=True)):
            piece = flat[start : start + most]
            if k:
                total *= size
                piece = piece.astype(np.int64, copy=False)
                total += piece
            else:
                total[...] = piece
            if wrap:
                np.add(total, size, out=total, where=piece < 0)
            del piece
        yield start, total


def picked_shape(indices: Sequence[Any]) -> tuple[int, ...]:
    """The shape to which index arrays broadcast. Raises ShapeError if they do not."""
    if len(indices) == 1:
        return tuple(indices[0].shape)
    return broadcast_shapes(*[i.shape for i in indices])  # type: ignore[return-value]  # arrays have ints


def check_range(op: str, index: Any, size: int, axis: int) -> bool:
    """Raise IndexRangeError for an index outside [-size, size). True if some are negative."""
    if not index.size:
        return False
    if index.dtype == np.int64 and int(np.maximum.reduce(index.view(np.uint64), axis=None)) < size:
        return False  # negative ones would be huge
    low, high = int(np.minimum.reduce(index, axis=None)), int(np.maximum.reduce(index, axis=None))
    check_bounds(op, low, high, size, axis)
    return low < 0


def copied_into(xp: Any, x: Any, out: Any) -> Any:
    """`x` in `out`, or in a new array, about to be written.

    For kernels with Trait.INPLACE_FIRST: `out` may be the array of `x`, which then costs nothing.
    """
    if out is None or xp is not np:
        return put(xp, x, out)
    if not (x.flags.c_contiguous and np.may_share_memory(out, x)):
        np.copyto(out, x)
    return out


def pieces_workspace(indices: Sequence[TensorType], count: int, most: int = CHUNK) -> int:
    """Bytes that `flat_pieces` holds: a piece of 64 bits, one of an index on its way there, a mask of negative ones."""
    ways = [0]
    for k, index in enumerate(indices):
        own, stretched = index.dtype == np.int64, index.size != count
        ways.append((index.dtype.itemsize if stretched else 0) + (8 if k and not own else 0))
    return min(count, most) * (9 + max(ways))
