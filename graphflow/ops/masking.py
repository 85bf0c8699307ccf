"""Picking and writing where a mask is true; how many elements that is may be known only at the run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, RunError, ShapeError
from graphflow.graph import Tensor, apply, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.constant import as_tensor, constant_value
from graphflow.ops.flat_index import copied_into, must_broadcast, tensor_of
from graphflow.ops.philox import converted
from graphflow.ops.ufunc import unbroadcast
from graphflow.ops.views import put
from graphflow.types import (
    SUPPORTED,
    Shape,
    TensorType,
    as_index,
    dims_equal,
    normalize_axis,
    unknown_dim,
)

__all__ = ["MaskError", "as_mask", "boolean_mask", "mask_at", "places", "set_where"]


class MaskError(ShapeError, IndexError):
    """A mask that does not fit what it is to pick from: an IndexError, as in NumPy."""


# --- picking --------------------------------------------------------------------------------------


def _masked_axes(x: TensorType, mask: TensorType, axis: int) -> tuple[Shape, Shape]:
    """The axes before those that the mask covers, and those after. Raises ShapeError where it does not fit."""
    if mask.rank == 0:
        raise ShapeError("a mask needs an axis, got a scalar")
    if x.rank == 0:
        raise ShapeError(f"{x} is a scalar and has no axis to mask")
    first = normalize_axis(axis, x.rank)
    covered = x.dims[first : first + mask.rank]
    if len(covered) != mask.rank or any(
        dims_equal(a, b) is False for a, b in zip(covered, mask.dims, strict=True)
    ):
        raise MaskError(f"mask {mask} does not fit {x} from axis {first} on")
    return x.dims[:first], x.dims[first + mask.rank :]


def _infer_mask(x: TensorType, mask: TensorType, *, axis: int, count: int | None) -> TensorType:
    before, after = _masked_axes(x, mask, axis)
    return typed(x.dtype, (*before, unknown_dim() if count is None else count, *after))


def _mask_kernel(xp: Any, x: Any, mask: Any, *, axis: int, count: int | None) -> Any:
    first = axis % x.ndim
    if first == 0 or xp is np:
        return x[(*[slice(None)] * first, mask)]
    last = first + mask.ndim
    shape = (math.prod(x.shape[:first]), math.prod(mask.shape), math.prod(x.shape[last:]))
    places = xp.nonzero(xp.reshape(mask, (-1,)))[0]
    picked = xp.take(xp.reshape(x, shape), places, axis=1)
    return xp.reshape(picked, (*x.shape[:first], places.shape[0], *x.shape[last:]))


BOOLEAN_MASK = declare(
    Op(
        "boolean_mask",
        _infer_mask,
        _mask_kernel,
        lambda node, g: (
            apply(MASK_SCATTER, F.zeros_like(node.inputs[0]), node.inputs[1], g, axis=node.attrs["axis"]),
            None,
        ),
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=lambda inputs, outputs, **attrs: 8 * int(inputs[1].size),
        takes_strings=True,
        doc="What a mask picks of the axes that it covers, as one axis.",
    )
)


def as_mask(op: str, mask: Any) -> Tensor:
    """A mask as a tensor of bools of known rank. Raises DTypeError or ShapeError."""
    tensor = tensor_of(op, "mask", mask)
    if tensor.type.dtype.kind != "b":
        raise DTypeError(f"{op}: the mask must be bool, got {tensor.type}")
    if tensor.type.shape is None:
        raise ShapeError(f"{op}: the rank of the mask {tensor!r} must be known")
    return tensor


def mask_at(x: Tensor, mask: Tensor, axis: int, name: str | None = None) -> Tensor:
    """A `boolean_mask` node; of a mask that is known now, the count is known."""
    known = constant_value(mask)
    count = None if known is None else int(np.count_nonzero(known))
    if mask.type.size == 0:
        count = 0
    return apply(BOOLEAN_MASK, x, mask, name=name, axis=axis, count=count)  # type: ignore[no-any-return]


@public
def boolean_mask(x: Any, mask: Any, axis: int = 0, name: str | None = None) -> Tensor:
    """The elements of `x` where `mask` is true, in C order: x.shape[:axis] + [count] + x.shape[axis + mask.ndim:].

    mask: bools of known rank, at least 1, that cover so many axes of `x` from `axis` on. The count is known
        only if the mask is a constant.
    Raises ShapeError where the mask does not fit, DTypeError if it is not bool.
    """
    return mask_at(as_tensor(x), as_mask("boolean_mask", mask), as_index(axis, "boolean_mask: axis"), name)


# --- places ---------------------------------------------------------------------------------------


def _infer_places(mask: TensorType) -> tuple[TensorType, ...]:
    count = unknown_dim()
    return tuple([TensorType(SUPPORTED["int64"], (count,)) for _ in mask.dims])


def _places(xp: Any, mask: Any) -> Any:
    found = tuple([converted(xp, i, xp.int64) for i in xp.nonzero(mask)])
    return found if len(found) > 1 else found[0]


MASK_PLACES = declare(
    Op(
        "mask_places",
        _infer_places,
        _places,
        lambda node, *gs: (None,),
        flops=lambda inputs, outputs: 0,
        doc="The coordinates of a mask's true elements, one vector for each axis, in C order.",
    )
)


def places(mask: Tensor) -> tuple[Tensor, ...]:
    """The coordinates of a mask's true elements, int64[count] for each of its axes."""
    return make_node(MASK_PLACES, (mask,), {}).outputs


# --- writing --------------------------------------------------------------------------------------


def _infer_mask_scatter(x: TensorType, mask: TensorType, values: TensorType, *, axis: int) -> TensorType:
    before, after = _masked_axes(x, mask, axis)
    must_broadcast(values, (*before, unknown_dim(), *after), f"what mask {mask} picks of {x},")
    return x


def _mask_scatter(xp: Any, x: Any, mask: Any, values: Any, *, axis: int, out: Any = None) -> Any:
    first = axis % x.ndim
    count = int(xp.count_nonzero(mask))
    place = first - x.ndim + mask.ndim - 1  # the axis of the picked elements, from the end
    given = values.shape[place] if values.ndim >= -place else 1
    if given not in (1, count):
        raise RunError(f"the mask picks {count} elements, but {given} values were given")
    if xp is np:
        out = copied_into(xp, x, out)
        out[(*[slice(None)] * first, mask)] = values
        return out
    last = first + mask.ndim
    before, after = x.shape[:first], x.shape[last:]
    rows = xp.broadcast_to(values, (*before, count, *after))
    flat = xp.reshape(mask, (-1,))
    ranks = xp.cumsum if hasattr(xp, "cumsum") else xp.cumulative_sum
    places = xp.where(flat, ranks(converted(xp, flat, xp.int64)) - 1, 0)
    if count:
        spread = xp.take(xp.reshape(rows, (math.prod(before), count, math.prod(after))), places, axis=1)
        spread = xp.where(xp.reshape(flat, (1, -1, 1)), spread, xp.reshape(x, spread.shape))
        x = xp.reshape(spread, x.shape)
    return put(xp, x, out)


MASK_SCATTER: Op = declare(
    Op(
        "mask_scatter",
        _infer_mask_scatter,
        _mask_scatter,
        lambda node, g: (
            F.where(_spread(node.inputs[1], g, node.attrs["axis"]), F.zeros_like(g), g),
            None,
            unbroadcast(mask_at(g, node.inputs[1], node.attrs["axis"]), node.inputs[2]),
        ),
        Trait.OUT | Trait.INPLACE_FIRST | Trait.FALLIBLE,
        flops=lambda inputs, outputs, axis: 0,
        workspace=lambda inputs, outputs, axis: 8 * int(inputs[1].size),
        doc="A copy with the elements that a mask picks replaced by values, in C order.",
    )
)


def _spread(mask: Tensor, x: Tensor, axis: int) -> Tensor:
    """The mask with axes of size 1 appended, so that it broadcasts with `x`."""
    first = axis % x.type.rank
    extra = x.type.rank - first - mask.type.rank
    return F.expand_dims(mask, tuple(range(-extra, 0))) if extra else mask


def set_where(x: Tensor, mask: Tensor, values: Tensor, axis: int, name: str | None = None) -> Tensor:
    """A copy of `x` with what the mask picks replaced: by a `where`, if one value (or row) serves all places."""
    if x.type.shape is not None and values.type.shape is not None:
        first = axis % x.type.rank
        if values.type.rank <= x.type.rank - first - mask.type.rank:
            _masked_axes(x.type, mask.type, axis)
            return F.where(_spread(mask, x, axis), values, x, name=name)  # type: ignore[no-any-return]
    return apply(MASK_SCATTER, x, mask, values, name=name, axis=axis)  # type: ignore[no-any-return]
