"""Pooling over windows along one to three axes: the largest element of each window, or the mean.

Tensors are batches: [batch, ..., channels] for the formats "NWC", "NHWC", "NDHWC", and [batch, channels, ...]
for "NCW", "NCHW", "NCDHW". Windows slide over the axes between; `graphflow.ops.window` has the sizes.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import public
from graphflow.ops.arguments import flag
from graphflow.ops.pooling_arguments import check_format, window_attrs
from graphflow.ops.pooling_global import global_avg_pool, global_max_pool
from graphflow.ops.pooling_norm import lp_pool
from graphflow.ops.pooling_ops import AVG_POOL, MAX_POOL
from graphflow.ops.ufunc import reals

__all__ = [
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "global_avg_pool",
    "global_max_pool",
    "lp_pool",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "pool",
]

# --- maximum --------------------------------------------------------------------------------------


@public
def max_pool(
    value: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NHWC",
    name: str | None = None,
    dilations: Any = 1,
) -> Tensor:
    """The largest element of each window, channel by channel. A primitive: shifted slices, no copy of windows.

    ksize, strides, dilations: an int, an int for each axis between batch and channels, or, as TensorFlow has them,
        one for every axis, with 1 for batch and channels. strides: as ksize where left out.
    padding: "SAME", "VALID", an int, or a pair (before, after) for each axis. Padding is never the largest.
    data_format: "NHWC", "NCHW", their like for one and three axes ("NWC", "NCDHW", ...), or "N...C", "NC...",
        which go by the rank.
    Integers keep their dtype; NaN in a window gives NaN. The gradient goes to the first maximum of each window,
    in row-major order.
    Raises ArgumentError for sizes below 1, negative padding or an unknown format, ShapeError for another rank
    or a window larger than the padded input, DTypeError for bool and complex.
    """
    return _max("max_pool", value, ksize, strides, padding, dilations, data_format, name)


def _max(
    op: str, x: Any, ksize: Any, strides: Any, padding: Any, dilations: Any, data_format: Any, name: Any
) -> Tensor:
    t = reals(op, x, floating=False)
    attrs = window_attrs(op, t, ksize, strides, padding, dilations, data_format)
    return make_node(MAX_POOL, (t,), attrs, name).outputs[0]


@public
def max_pool1d(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NWC",
    name: str | None = None,
    dilations: Any = 1,
) -> Tensor:
    """`max_pool` over one axis: [batch, width, channels], or [batch, channels, width] for "NCW"."""
    check_format("max_pool1d", data_format, 1)
    return _max("max_pool1d", input, ksize, strides, padding, dilations, data_format, name)


@public
def max_pool2d(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NHWC",
    name: str | None = None,
    dilations: Any = 1,
) -> Tensor:
    """`max_pool` over two axes: [batch, height, width, channels], or "NCHW"."""
    check_format("max_pool2d", data_format, 2)
    return _max("max_pool2d", input, ksize, strides, padding, dilations, data_format, name)


@public
def max_pool3d(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NDHWC",
    name: str | None = None,
    dilations: Any = 1,
) -> Tensor:
    """`max_pool` over three axes: [batch, depth, height, width, channels], or "NCDHW"."""
    check_format("max_pool3d", data_format, 3)
    return _max("max_pool3d", input, ksize, strides, padding, dilations, data_format, name)


# --- mean -----------------------------------------------------------------------------------------


@public
def avg_pool(
    value: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NHWC",
    name: str | None = None,
    dilations: Any = 1,
    count_include_pad: bool = False,
) -> Tensor:
    """The mean of each window, channel by channel. A primitive: sums of shifted slices, one axis after another.

    Arguments as for `max_pool`. Padding takes no part in the mean, as in TensorFlow; with `count_include_pad` it
    counts as zeros. Integers become the default float; 16-bit floats are summed in float32.
    Raises as `max_pool`.
    """
    return _avg("avg_pool", value, ksize, strides, padding, dilations, data_format, count_include_pad, name)


def _avg(
    op: str,
    x: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    dilations: Any,
    data_format: Any,
    count_include_pad: Any,
    name: Any,
) -> Tensor:
    t = reals(op, x)
    attrs = window_attrs(op, t, ksize, strides, padding, dilations, data_format)
    attrs["divisor"] = "window" if flag(count_include_pad, op, "count_include_pad") else "inside"
    return make_node(AVG_POOL, (t,), attrs, name).outputs[0]


@public
def avg_pool1d(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NWC",
    name: str | None = None,
    dilations: Any = 1,
    count_include_pad: bool = False,
) -> Tensor:
    """`avg_pool` over one axis: [batch, width, channels], or [batch, channels, width] for "NCW"."""
    check_format("avg_pool1d", data_format, 1)
    return _avg("avg_pool1d", input, ksize, strides, padding, dilations, data_format, count_include_pad, name)


@public
def avg_pool2d(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NHWC",
    name: str | None = None,
    dilations: Any = 1,
    count_include_pad: bool = False,
) -> Tensor:
    """`avg_pool` over two axes: [batch, height, width, channels], or "NCHW"."""
    check_format("avg_pool2d", data_format, 2)
    return _avg("avg_pool2d", input, ksize, strides, padding, dilations, data_format, count_include_pad, name)


@public
def avg_pool3d(
    input: Any,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NDHWC",
    name: str | None = None,
    dilations: Any = 1,
    count_include_pad: bool = False,
) -> Tensor:
    """`avg_pool` over three axes: [batch, depth, height, width, channels], or "NCDHW"."""
    check_format("avg_pool3d", data_format, 3)
    return _avg("avg_pool3d", input, ksize, strides, padding, dilations, data_format, count_include_pad, name)


# --- either ---------------------------------------------------------------------------------------


@public
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: Any,
    padding: Any,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: Any = None,
) -> Tensor:
    """`max_pool` or `avg_pool` over as many axes as `input` has between batch and channels, as `tf.nn.pool`.

    window_shape, dilation_rate, strides: an int, or one for each of these axes; the last two are 1 where left out.
    pooling_type: "MAX" or "AVG". data_format: as for `max_pool`; channels last where left out.
    Raises ArgumentError for another type, else as `max_pool`.
    """
    if pooling_type not in ("MAX", "AVG"):
        raise ArgumentError(f"pool: pooling_type must be 'MAX' or 'AVG', not {shorten(pooling_type)}")
    steps, rates = 1 if strides is None else strides, 1 if dilation_rate is None else dilation_rate
    if pooling_type == "MAX":
        return _max("pool", input, window_shape, steps, padding, rates, data_format, name)
    return _avg("pool", input, window_shape, steps, padding, rates, data_format, False, name)
