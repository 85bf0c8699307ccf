"""Axes in another order or direction: permute_dims and its kin, and flip. All are views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, items_of
from graphflow.ops.constant import as_tensor
from graphflow.ops.views import is_row_major, permuted, put, row_major
from graphflow.types import (
    DimLike,
    TensorType,
    as_index,
    normalize_axes,
    normalize_axis,
    unknown_dim,
)

__all__ = ["flip", "matrix_transpose", "moveaxis", "permute_dims", "reverse", "swapaxes", "transpose"]


# --- permute_dims ---------------------------------------------------------------------------------


def _order(x: TensorType, axes: tuple[int, ...] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(reversed(range(x.rank)))
    order = normalize_axes(axes, x.rank)
    if len(order) != x.rank:
        raise ArgumentError(f"axes {list(axes)} must name each of the {x.rank} axes of {x} once")
    return order


def _infer_permute(x: TensorType, *, axes: tuple[int, ...] | None) -> TensorType:
    return TensorType(x.dtype, tuple([x.dims[a] for a in _order(x, axes)]))


def _permute_unranked(x: TensorType, *, axes: tuple[int, ...] | None) -> TensorType:
    return TensorType(x.dtype, None if axes is None else tuple([unknown_dim() for _ in axes]))


def _permute_kernel(xp: Any, x: Any, *, axes: tuple[int, ...] | None, out: Any = None) -> Any:
    y = permuted(xp, x, tuple(reversed(range(x.ndim))) if axes is None else axes)
    return y if out is None else put(xp, y, out)


def _permute_vjp(node: Any, g: Any) -> tuple[Any]:
    axes = node.attrs["axes"]
    if axes is None:
        return (permute_dims(g, None),)
    back = [0] * len(axes)
    for k, a in enumerate(axes):
        back[a] = k
    return (permute_dims(g, tuple(back)),)


def _view_permute(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    strides = row_major(x.dims)
    return contiguous and is_row_major(y.dims, [strides[a] for a in _order(x, attrs["axes"])])


PERMUTE_DIMS = declare(
    Op(
        "permute_dims",
        _infer_permute,
        _permute_kernel,
        _permute_vjp,
        Trait.OUT,
        dtype=_permute_unranked,
        view=_view_permute,
        default_name="transpose",
        takes_strings=True,
        doc="The axes in another order.",
    )
)


@public
def permute_dims(x: Any, axes: Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """`x` with its axes in the order `axes`: axis k of the result is axis `axes[k]` of `x`; reversed where left out.

    Raises ArgumentError unless `axes` names every axis once.
    """
    x = as_tensor(x)
    order = axis_attr("permute_dims", axes if axes is None else items_of(axes, "permute_dims: axes"), x)
    if order is None and x.type.shape is not None:
        order = tuple(reversed(range(len(x.type.shape))))
    if order is not None and any(a < 0 for a in order):  # of unknown rank, which the order itself tells
        order = tuple([a + len(order) if -len(order) <= a < 0 else a for a in order])
    return make_node(PERMUTE_DIMS, (x,), {"axes": order}, name).outputs[0]


@public
def transpose(a: Any, perm: Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """`permute_dims` by TensorFlow's and NumPy's name: the axes reversed unless `perm` gives their order."""
    return permute_dims(a, perm, name)


# --- two axes, some axes --------------------------------------------------------------------------


def _infer_swap(x: TensorType, *, axis1: int, axis2: int) -> TensorType:
    a, b = normalize_axis(axis1, x.rank, "axis1"), normalize_axis(axis2, x.rank, "axis2")
    dims = list(x.dims)
    dims[a], dims[b] = dims[b], dims[a]
    return TensorType(x.dtype, tuple(dims))


def _swap_kernel(xp: Any, x: Any, *, axis1: int, axis2: int, out: Any = None) -> Any:
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    y = permuted(xp, x, order)
    return y if out is None else put(xp, y, out)


def _view_swap(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    strides: list[DimLike] = row_major(x.dims)
    a, b = attrs["axis1"], attrs["axis2"]
    strides[a], strides[b] = strides[b], strides[a]
    return contiguous and is_row_major(y.dims, strides)


SWAPAXES = declare(
    Op(
        "swapaxes",
        _infer_swap,
        _swap_kernel,
        lambda node, g: (swapaxes(g, node.attrs["axis1"], node.attrs["axis2"]),),
        Trait.OUT,
        view=_view_swap,
        doc="Two axes exchanged, of a tensor whose rank is not known when the graph is built.",
    )
)


@public
def swapaxes(x: Any, axis1: int, axis2: int, name: str | None = None) -> Tensor:
    """`x` with two axes exchanged. Raises ArgumentError for an axis out of range."""
    x = as_tensor(x)
    a, b = as_index(axis1, "swapaxes: axis1"), as_index(axis2, "swapaxes: axis2")
    if x.type.shape is None:
        return make_node(SWAPAXES, (x,), {"axis1": a, "axis2": b}, name).outputs[0]
    ndim = len(x.type.shape)
    a, b = normalize_axis(a, ndim, "swapaxes: axis1"), normalize_axis(b, ndim, "swapaxes: axis2")
    order = list(range(ndim))
    order[a], order[b] = order[b], order[a]
    return permute_dims(x, order, name)


@public
def matrix_transpose(x: Any, name: str | None = None) -> Tensor:
    """`x` with its last two axes exchanged. Raises ShapeError for fewer than two axes."""
    x = as_tensor(x)
    if x.type.shape is not None and len(x.type.shape) < 2:
        raise ShapeError(f"matrix_transpose: x must have at least two axes, got {x!r}")
    return swapaxes(x, -2, -1, name)


@public
def moveaxis(
    x: Any, source: int | Sequence[int], destination: int | Sequence[int], name: str | None = None
) -> Tensor:
    """`x` with the axes `source` moved to the places `destination`; the others keep their order.

    Raises ArgumentError for axes repeated, out of range, or of different number, ShapeError if the rank of
    `x` is not known.
    """
    x = as_tensor(x)
    if x.type.shape is None:
        raise ShapeError(f"moveaxis: the rank of {x!r} is not known here; give the placeholder a shape")
    ndim = len(x.type.shape)
    taken, places = _places(source, ndim, "source"), _places(destination, ndim, "destination")
    if len(taken) != len(places):
        raise ArgumentError(f"moveaxis: source names {len(taken)} axes, but destination {len(places)}")
    order = [a for a in range(ndim) if a not in taken]
    for place, a in sorted(zip(places, taken, strict=True)):
        order.insert(place, a)
    return permute_dims(x, order, name)


def _places(axes: Any, ndim: int, argument: str) -> tuple[int, ...]:
    listed = axes if isinstance(axes, (tuple, list)) else (axes,)
    places = tuple([normalize_axis(a, ndim, f"moveaxis: {argument}") for a in listed])
    if len(set(places)) != len(places):
        raise ArgumentError(f"moveaxis: {argument} {list(listed)} names an axis twice")
    return places


# --- flip -----------------------------------------------------------------------------------------


def _infer_flip(x: TensorType, *, axis: tuple[int, ...] | None) -> TensorType:
    normalize_axes(axis, x.rank)
    return x


def _flip_kernel(xp: Any, x: Any, *, axis: tuple[int, ...] | None, out: Any = None) -> Any:
    y = xp.flip(x, axis=axis)
    return y if out is None else put(xp, y, out)


def _view_flip(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    if any(type(d) is int and d == 0 for d in x.dims):
        return contiguous
    turned = normalize_axes(attrs["axis"], x.rank)
    return contiguous and all(type(x.dims[a]) is int and x.dims[a] == 1 for a in turned)


FLIP = declare(
    Op(
        "flip",
        _infer_flip,
        _flip_kernel,
        lambda node, g: (flip(g, node.attrs["axis"]),),
        Trait.OUT,
        view=_view_flip,
        takes_strings=True,
        doc="The elements in reverse order along some axes.",
    )
)


@public
def flip(x: Any, axis: int | Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """`x` with its elements in reverse order along `axis` (all axes where left out).

    Raises ArgumentError for an axis that is repeated or out of range.
    """
    x = as_tensor(x)
    return make_node(FLIP, (x,), {"axis": axis_attr("flip", axis, x)}, name).outputs[0]


@public
def reverse(x: Any, axis: int | Sequence[int], name: str | None = None) -> Tensor:
    """`flip` by TensorFlow's name, where the axes must be given."""
    return flip(x, axis, name)
