"""Shape changes that move no data where they can be views: reshape, axes divided, merged, added and removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, dims_argument, typed
from graphflow.ops.constant import as_tensor
from graphflow.types import (
    DimLike,
    Shape,
    TensorType,
    as_index,
    dim_product,
    dims_equal,
    exact_quotient,
    normalize_axes,
    normalize_axis,
    unknown_dim,
)

__all__ = [
    "expand_dims",
    "flatten",
    "reshape",
    "squeeze",
    "unflatten",
]


def _reshaped(xp: Any, x: Any, shape: Shape, out: Any) -> Any:
    """`x` in another shape; into `out` without a second copy even if `x` is not contiguous."""
    if out is None:
        return xp.reshape(x, shape)
    xp.copyto(xp.reshape(out, x.shape), x)
    return out


def _is_wild(d: DimLike) -> bool:
    return type(d) is int and d == -1


def _missing_size(total: DimLike, rest: DimLike, x: TensorType, shape: Shape) -> DimLike:
    """The size that -1 stands for. Raises ShapeError where there is none."""
    if type(rest) is int and rest == 0:
        raise ShapeError(f"the size for -1 in {list(shape)} is ambiguous, as another size is 0")
    if type(total) is int and type(rest) is int:
        if total % rest:
            raise ShapeError(
                f"{x} has {total} elements, which {list(shape)} cannot hold for any size in place of -1"
            )
        return total // rest
    quotient = exact_quotient(total, rest)
    return unknown_dim() if quotient is None else quotient


def _filled(x: TensorType, shape: Shape, total: DimLike) -> Shape:
    """`shape` with its -1 replaced. Raises ShapeError if `total` elements do not fill it."""
    rest = dim_product(d for d in shape if not _is_wild(d))
    if any(_is_wild(d) for d in shape):
        missing = _missing_size(total, rest, x, shape)
        return tuple([missing if _is_wild(d) else d for d in shape])
    if dims_equal(total, rest) is False:
        raise ShapeError(f"{x} has {total} elements, but {list(shape)} has {rest}")
    return shape


# --- reshape --------------------------------------------------------------------------------------


def _infer_reshape(x: TensorType, *, shape: Shape) -> TensorType:
    return TensorType(x.dtype, _filled(x, shape, x.size))


RESHAPE = declare(
    Op(
        "reshape",
        _infer_reshape,
        lambda xp, x, *, shape, out=None: _reshaped(xp, x, shape, out),
        lambda node, g: (F.reshape_like(g, node.inputs[0]),),
        Trait.OUT,
        dtype=lambda x, *, shape: TensorType(
            x.dtype, tuple([unknown_dim() if _is_wild(d) else d for d in shape])
        ),
        view=lambda x, y, attrs, contiguous: True if contiguous else None,
        default_name="Reshape",
        takes_strings=True,
        doc="The same elements, in row-major order, in another shape.",
    )
)


@public
def reshape(x: Any, shape: Any, name: str | None = None, *, copy: bool | None = None) -> Tensor:
    """`x` in another shape, its elements in the same row-major order.

    shape: sizes whose product is the number of elements; one may be -1, which stands for what is left
        over. Dimensions of other tensors and `gf.shape(t)[k]` are sizes too: a float32[batch, 28, 28]
        reshaped to (-1, 784) is float32[batch, 784].
    copy: accepted for the Array API; tensors are never written to, so it changes nothing.
    Raises ShapeError for two -1, a -1 beside a size of 0, another number of elements, or negative sizes.
    """
    x = as_tensor(x)
    dims = dims_argument(shape, "reshape: shape", wildcard=True)
    if x.type.is_static and all(type(d) is int for d in dims):
        total, rest = x.type.size, dim_product(d for d in dims if not _is_wild(d))
        if rest and exact_quotient(total, rest) is not None:
            dims = tuple([total // rest if _is_wild(d) else d for d in dims])
    return make_node(RESHAPE, (x,), {"shape": dims}, name).outputs[0]


# --- one axis into several, several into one ------------------------------------------------------


def _infer_unflatten(x: TensorType, *, axis: int, sizes: Shape) -> TensorType:
    axis = normalize_axis(axis, x.rank)
    whole = x.dims[axis]
    try:
        parts = _filled(x, sizes, whole)
    except ShapeError:
        raise ShapeError(f"axis {axis} of {x} cannot be divided into {list(sizes)}") from None
    return typed(x.dtype, (*x.dims[:axis], *parts, *x.dims[axis + 1 :]))


def _unflatten_kernel(xp: Any, x: Any, *, axis: int, sizes: tuple[int, ...], out: Any = None) -> Any:
    axis %= x.ndim
    parts = _filled(x, sizes, x.shape[axis])
    return _reshaped(xp, x, (*x.shape[:axis], *parts, *x.shape[axis + 1 :]), out)


UNFLATTEN = declare(
    Op(
        "unflatten",
        _infer_unflatten,
        _unflatten_kernel,
        lambda node, g: (F.reshape_like(g, node.inputs[0]),),
        Trait.OUT,
        view=lambda x, y, attrs, contiguous: contiguous,
        doc="One axis divided into several.",
    )
)


@public
def unflatten(x: Any, axis: int, sizes: Any, name: str | None = None) -> Tensor:
    """`x` with one axis divided into axes of the given sizes, of which one may be -1: a reshape of that axis.

    The other axes may be of any size, known or not. Raises ShapeError if the sizes do not multiply to
    that of the axis, ArgumentError for an axis out of range.
    """
    x = as_tensor(x)
    attrs = {
        "axis": _axis(x, axis, "unflatten"),
        "sizes": dims_argument(sizes, "unflatten: sizes", wildcard=True),
    }
    return make_node(UNFLATTEN, (x,), attrs, name).outputs[0]


def _infer_flatten(x: TensorType, *, start_axis: int, end_axis: int) -> TensorType:
    first, last = (
        normalize_axis(start_axis, x.rank, "start_axis"),
        normalize_axis(end_axis, x.rank, "end_axis"),
    )
    if first > last:
        raise ArgumentError(f"start_axis {start_axis} lies behind end_axis {end_axis} of {x}")
    return TensorType(x.dtype, (*x.dims[:first], dim_product(x.dims[first : last + 1]), *x.dims[last + 1 :]))


def _flatten_kernel(xp: Any, x: Any, *, start_axis: int, end_axis: int, out: Any = None) -> Any:
    first, last = start_axis % x.ndim, end_axis % x.ndim
    merged = int(dim_product(x.shape[first : last + 1]))  # type: ignore[arg-type]  # ints
    return _reshaped(xp, x, (*x.shape[:first], merged, *x.shape[last + 1 :]), out)


FLATTEN = declare(
    Op(
        "flatten",
        _infer_flatten,
        _flatten_kernel,
        lambda node, g: (F.reshape_like(g, node.inputs[0]),),
        Trait.OUT,
        view=lambda x, y, attrs, contiguous: True if contiguous else None,
        doc="Neighbouring axes merged into one.",
    )
)


@public
def flatten(x: Any, start_axis: int = 0, end_axis: int = -1, name: str | None = None) -> Tensor:
    """`x` with the axes from `start_axis` to `end_axis` (both included) merged into one.

    A 0-d tensor becomes one of shape [1]. Raises ArgumentError for axes out of range or in the wrong order.
    """
    x = as_tensor(x)
    if x.type.shape == ():
        x = expand_dims(x)
    first, last = _axis(x, start_axis, "flatten", "start_axis"), _axis(x, end_axis, "flatten", "end_axis")
    if first == 0 and last == (-1 if x.type.shape is None else len(x.type.shape) - 1):
        return reshape(x, (-1,), name)
    return make_node(FLATTEN, (x,), {"start_axis": first, "end_axis": last}, name).outputs[0]


def _axis(x: Tensor, axis: Any, what: str, argument: str = "axis") -> int:
    """One axis as an attribute, non-negative where the rank allows; out of range is for `infer` to refuse."""
    index = as_index(axis, f"{what}: {argument}")
    ndim = None if x.type.shape is None else len(x.type.shape)
    return index + ndim if ndim is not None and -ndim <= index < 0 else index


# --- axes of size 1 -------------------------------------------------------------------------------


class PlaceError(ArgumentError, IndexError):
    """A new axis at a place that the result does not have: an IndexError too, as the Array API asks."""


def _infer_expand(x: TensorType, *, axis: tuple[int, ...]) -> TensorType:
    ndim = x.rank + len(axis)
    for a in axis:
        if not -ndim <= a < ndim:
            raise PlaceError(f"axis {a} is out of range for rank {ndim}")
    new = normalize_axes(axis, ndim)
    old = iter(x.dims)
    return typed(x.dtype, tuple([1 if k in new else next(old) for k in range(ndim)]))


def _expand_kernel(xp: Any, x: Any, *, axis: tuple[int, ...], out: Any = None) -> Any:
    ndim = x.ndim + len(axis)
    new = [a % ndim for a in axis]
    y = x[tuple([None if k in new else slice(None) for k in range(ndim)])]
    if out is None:
        return y
    xp.copyto(out, y)
    return out


EXPAND_DIMS = declare(
    Op(
        "expand_dims",
        _infer_expand,
        _expand_kernel,
        lambda node, g: (F.squeeze(g, node.attrs["axis"]),),
        Trait.OUT,
        view=lambda x, y, attrs, contiguous: contiguous,
        default_name="ExpandDims",
        takes_strings=True,
        doc="New axes of size 1.",
    )
)


@public
def expand_dims(x: Any, axis: int | Sequence[int] = 0, name: str | None = None) -> Tensor:
    """`x` with a new axis of size 1 at each place in `axis`, counted in the result.

    Raises ArgumentError for a place that is repeated or outside the result's rank (then an IndexError too).
    """
    x = as_tensor(x)
    items = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple([as_index(a, "expand_dims: axis") for a in items])
    if x.type.shape is not None:
        ndim = len(x.type.shape) + len(axes)
        axes = tuple(sorted([a + ndim if -ndim <= a < 0 else a for a in axes]))
    return make_node(EXPAND_DIMS, (x,), {"axis": axes}, name).outputs[0]


def _infer_squeeze(x: TensorType, *, axis: tuple[int, ...] | None) -> TensorType:
    dims = x.dims
    if axis is None:
        if not x.is_static:
            return TensorType(x.dtype, None)
        return TensorType(x.dtype, tuple([d for d in dims if d != 1]))
    gone = normalize_axes(axis, len(dims))
    for a in gone:
        if dims_equal(dims[a], 1) is False:
            raise ShapeError(f"axis {a} of {x} has size {dims[a]}, and only axes of size 1 can go")
    return TensorType(x.dtype, tuple([d for k, d in enumerate(dims) if k not in gone]))


def _squeeze_kernel(xp: Any, x: Any, *, axis: tuple[int, ...] | None, out: Any = None) -> Any:
    gone = tuple([k for k, d in enumerate(x.shape) if d == 1]) if axis is None else axis
    if out is None:
        return xp.squeeze(x, axis=gone)
    xp.copyto(xp.reshape(out, x.shape), x)
    return out


def _squeeze_vjp(node: Any, g: Any) -> tuple[Any]:
    axis = node.attrs["axis"]
    return (F.reshape_like(g, node.inputs[0]) if axis is None else F.expand_dims(g, axis),)


SQUEEZE = declare(
    Op(
        "squeeze",
        _infer_squeeze,
        _squeeze_kernel,
        _squeeze_vjp,
        Trait.OUT,
        view=lambda x, y, attrs, contiguous: contiguous,
        default_name="Squeeze",
        takes_strings=True,
        doc="Axes of size 1 removed.",
    )
)


@public
def squeeze(x: Any, axis: int | Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """`x` without the axes in `axis`, which must be of size 1; without all axes of size 1 where left out.

    Left out while some size is unknown, the rank of the result is unknown too.
    Raises ShapeError for an axis of another size, ArgumentError for one repeated or out of range.
    """
    x = as_tensor(x)
    axes = axis_attr("squeeze", axis, x)
    if axes is None and x.type.is_static:
        axes = tuple([k for k, d in enumerate(x.type.dims) if d == 1])
    return make_node(SQUEEZE, (x,), {"axis": axes}, name).outputs[0]
