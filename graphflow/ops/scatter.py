"""Functions that write by integer index and give a new tensor.

Repeated indices are combined in the order of the indices, so the bits are the same in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, public
from graphflow.ops.arguments import dims_argument
from graphflow.ops.constant import as_tensor
from graphflow.ops.flat_index import as_indices, check_constants, split_points, tensor_of
from graphflow.ops.scatter_kernels import COMBINE
from graphflow.ops.scatter_ops import SCATTER_ND, scatter_at
from graphflow.types import is_floating, is_numeric, promote

__all__ = [
    "divided_at",
    "index_scatter",
    "scatter_nd",
    "scattered",
    "tensor_scatter_nd_add",
    "tensor_scatter_nd_div",
    "tensor_scatter_nd_max",
    "tensor_scatter_nd_min",
    "tensor_scatter_nd_mul",
    "tensor_scatter_nd_sub",
    "tensor_scatter_nd_update",
]


@public
def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """Zeros of `shape` with `updates` added at the points that the last axis of `indices` spells, in order.

    indices: integers[..., k] with a known k >= 1. updates: indices.shape[:-1] + shape[k:].
    Raises ShapeError where those do not fit; IndexRangeError for a point outside, now or at the run.
    """
    u, index = as_tensor(updates), as_indices("scatter_nd", indices)
    if not is_numeric(u.type.dtype):
        raise DTypeError(f"scatter_nd: updates must be numbers, got {u.type}")
    dims = dims_argument(shape, "scatter_nd: shape")
    with composition("scatter_nd" if name is None else name):
        columns = split_points("scatter_nd", index, len(dims), least=1)
        check_constants("scatter_nd", dims, columns, 0)
        return apply(SCATTER_ND, u, *columns, axis=0, shape=dims)  # type: ignore[no-any-return]


def scattered(
    op: str, x: Any, indices: Sequence[Tensor], updates: Any, axis: int, mode: str, name: str | None = None
) -> Tensor:
    """A checked `tensor_scatter`: updates are cast where nothing is lost."""
    if mode != "update" and mode not in COMBINE:
        raise ArgumentError(f"{op}: mode is one of update, {', '.join(COMBINE)}, not {shorten(mode)}")
    x = as_tensor(x)
    dtype = x.type.dtype
    if (mode != "update" and not is_numeric(dtype)) or (mode in ("min", "max") and dtype.kind == "c"):
        raise DTypeError(f"{op}: mode {mode!r} is not defined for {dtype.name}")
    u = tensor_of(op, "updates", updates, None if hasattr(updates, "dtype") else dtype)
    if u.type.dtype != dtype:
        if promote(u.type.dtype, dtype) != dtype:
            raise DTypeError(f"{op}: updates {u.type} do not fit {x.type}; cast them first")
        u = F.cast(u, dtype)
    check_constants(op, x.type.shape, indices, axis)
    return scatter_at(x, u, indices, axis, mode, name)


@public
def index_scatter(
    x: Any, indices: Any, updates: Any, mode: str = "update", name: str | None = None
) -> Tensor:
    """A copy of `x` whose rows `indices` are combined with `updates`.

    indices: integers in [-n, n) for axis 0, of any shape. updates: broadcast to indices.shape + x.shape[1:].
    mode: "update" (the last of repeated indices wins), "add", "sub", "mul", "min" or "max" (repeated ones
        are combined in their order).
    Raises ArgumentError for another mode, DTypeError for updates that x's dtype cannot hold, ShapeError for
    misfits, IndexRangeError for an index out of range: now if it is known now, else at the run.
    """
    return scattered("index_scatter", x, [as_indices("index_scatter", indices)], updates, 0, mode, name)


def _nd(mode: str, x: Any, indices: Any, updates: Any, name: str | None) -> Tensor:
    label = f"tensor_scatter_nd_{mode}"
    x, index = as_tensor(x), as_indices(label, indices)
    with composition(label if name is None else name):
        columns = split_points(label, index, None if x.type.shape is None else len(x.type.shape), least=1)
        return scattered(label, x, columns, updates, 0, mode)


@public
def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """A copy of `tensor` with `updates` at the points that the last axis of `indices` spells; the last one wins.

    indices: integers[..., k] with a known k >= 1. updates: indices.shape[:-1] + tensor.shape[k:].
    Raises as `index_scatter`.
    """
    return _nd("update", tensor, indices, updates, name)


@public
def tensor_scatter_nd_add(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_nd_update`, adding, in the order of the indices."""
    return _nd("add", tensor, indices, updates, name)


@public
def tensor_scatter_nd_sub(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_nd_update`, subtracting, in the order of the indices."""
    return _nd("sub", tensor, indices, updates, name)


@public
def tensor_scatter_nd_min(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_nd_update`, keeping the least; ties share the gradient evenly."""
    return _nd("min", tensor, indices, updates, name)


@public
def tensor_scatter_nd_max(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_nd_update`, keeping the greatest; ties share the gradient evenly."""
    return _nd("max", tensor, indices, updates, name)


@public
def tensor_scatter_nd_mul(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_nd_update`, multiplying, in the order of the indices."""
    return _nd("mul", tensor, indices, updates, name)


@public
def tensor_scatter_nd_div(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """As `tensor_scatter_nd_update`, dividing by the product of the updates of a point. A composition.

    Raises DTypeError for integers too, whose quotients are none.
    """
    label = "tensor_scatter_nd_div"
    x, index = as_tensor(tensor), as_indices(label, indices)
    with composition(label if name is None else name):
        rank = None if x.type.shape is None else len(x.type.shape)
        return divided_at(label, x, split_points(label, index, rank, least=1), updates)


def divided_at(op: str, x: Tensor, indices: Sequence[Tensor], updates: Any) -> Tensor:
    """`x` divided by the product of the updates at each place."""
    if not is_floating(x.type.dtype):
        raise DTypeError(f"{op}: {x.type} cannot be divided in place; cast it to a floating type first")
    quotient: Tensor = x / scattered(op, F.ones_like(x), indices, updates, 0, "mul")
    return quotient
