"""Maxima of windows together with where they are, and values put back there."""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition, make_node, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import dims_argument, flag
from graphflow.ops.flat_index import as_indices
from graphflow.ops.pooling_arguments import window_attrs
from graphflow.ops.pooling_ops import MAX_POOL, MAX_POOL_TAPS, TAP_POSITIONS
from graphflow.ops.scatter_ops import scatter_at
from graphflow.ops.ufunc import numbers, reals
from graphflow.types import SUPPORTED, as_dtype, dim_product, dims_equal, is_integer

__all__ = ["max_pool_with_argmax", "max_unpool"]


@public
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NHWC",
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
    name: str | None = None,
    dilations: Any = 1,
) -> tuple[Tensor, Tensor]:
    """`max_pool`, and the position of each maximum in the flattened image: (y * width + x) * channels + c for "NHWC".

    output_dtype: of the positions, int64 where left out. include_batch_in_index: positions in the whole flattened
        input instead. Positions count elements in the order that the input has, so for "NCHW" they are
        (c * height + y) * width + x. Of equal maxima the first counts; NaN counts as the largest.
    Returns (maxima, positions). The gradient flows through the maxima.
    Raises DTypeError for an output_dtype that is no integer, else as `max_pool`.
    """
    t = reals("max_pool_with_argmax", input, floating=False)
    wanted = SUPPORTED["int64"] if output_dtype is None else as_dtype(output_dtype)
    if not is_integer(wanted):
        raise DTypeError(
            f"max_pool_with_argmax: output_dtype must be an integer type, not {shorten(output_dtype)}"
        )
    batched = flag(include_batch_in_index, "max_pool_with_argmax", "include_batch_in_index")
    attrs = window_attrs("max_pool_with_argmax", t, ksize, strides, padding, dilations, data_format)
    with name_scope("MaxPoolWithArgmax" if name is None else name):
        y = make_node(MAX_POOL, (t,), attrs).outputs[0]
        taps = apply(MAX_POOL_TAPS, t, y, **attrs)
        places = make_node(
            TAP_POSITIONS, (taps, t), {**attrs, "batched": batched, "dtype": wanted}, "argmax"
        ).outputs[0]
    return y, places


@public
def max_unpool(
    value: Any,
    indices: Any,
    output_shape: Any,
    include_batch_in_index: bool = False,
    name: str | None = None,
) -> Tensor:
    """Zeros of `output_shape` with `value` at positions as `max_pool_with_argmax` gives them. A composition.

    value: [batch, ...]; indices: integers of the same shape. output_shape: that of the unpooled tensor, ints or sizes
        taken from `gf.shape(x)`, with the same batch. include_batch_in_index: positions in the whole flattened result
        and not in each entry of the batch. Of values at one position the last stays, and takes the gradient.
    Raises ShapeError where shapes do not fit, IndexRangeError for a position outside, when it runs.
    """
    t, index = numbers("max_unpool", value), as_indices("max_unpool", indices)
    dims = dims_argument(output_shape, "max_unpool: output_shape")
    batched = flag(include_batch_in_index, "max_unpool", "include_batch_in_index")
    given, places = t.type.shape, index.type.shape
    if given is not None and places is not None:
        if len(given) != len(places) or any(
            dims_equal(a, b) is False for a, b in zip(given, places, strict=True)
        ):
            raise ShapeError(f"max_unpool: value {t.type} and indices {index.type} must have one shape")
    if not dims or (given is not None and (not given or dims_equal(given[0], dims[0]) is False)):
        raise ShapeError(
            f"max_unpool: output_shape {shorten(output_shape)} must have the batch of value, {t.type}"
        )
    with composition("max_unpool" if name is None else name):
        if batched:
            flat = F.zeros((dim_product(dims),), t.type.dtype)
            lines, updates = [F.reshape(index, (-1,))], F.reshape(t, (-1,))
        else:
            flat = F.zeros((dims[0], dim_product(dims[1:])), t.type.dtype)
            lines = [F.expand_dims(F.arange(dims[0], dtype="int64"), 1), F.flatten(index, 1, -1)]
            updates = F.flatten(t, 1, -1)
        return F.reshape(scatter_at(flat, updates, lines, 0, "update"), dims)  # type: ignore[no-any-return]
