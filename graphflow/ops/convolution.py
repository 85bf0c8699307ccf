"""Convolutions over one or more spatial axes: plain, grouped, dilated, depthwise and separable."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import public
from graphflow.ops.convolution_arguments import attributes, factors, group_count, one_of, spatial_axes
from graphflow.ops.convolution_ops import CONV
from graphflow.types import as_dtype, dims_equal, is_integer

__all__ = [
    "atrous_conv2d",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "convolution",
    "depthwise_conv2d",
    "depthwise_conv2d_native",
    "separable_conv2d",
]


def _node(
    op: str,
    x: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    name: str | None,
    *,
    groups: int | None = 1,
    spatial: int | None = None,
    out_dtype: np.dtype[Any] | None = None,
) -> Tensor:
    """A node of the op; `groups` None for depthwise filters."""
    a, b = factors(op, x, filters)
    if out_dtype is not None and not (is_integer(a.type.dtype) and is_integer(out_dtype)):
        raise DTypeError(
            f"{op}: out_dtype is for integers; {a.type.dtype.name} gives {a.type.dtype.name}, not {out_dtype.name}"
        )
    n, first = spatial_axes(op, data_format, a, b, spatial=spatial)
    attrs = attributes(op, n, first, strides, padding, dilations, groups)
    attrs["out_dtype"] = None if out_dtype == a.type.dtype else out_dtype
    return make_node(CONV, (a, b), attrs, name).outputs[0]


@public
def conv(
    x: Any,
    filters: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
    groups: int = 1,
    name: str | None = None,
    out_dtype: Any = None,
) -> Tensor:
    """The convolution of `x` by `filters`, over any number of spatial axes. A primitive: tiled products of matrices.

    out[n, o, m] = sum over taps t and channels c of x[n, o * stride + t * dilation - before, c] * filters[t, c, m],
    with zeros around `x`: the filters are not flipped (signal processing calls this a correlation).

    x: [batch, *sizes, channels], or [batch, channels, *sizes] where channels come first.
    filters: [*kernel, channels / groups, outputs]; each group of channels makes an equal part of the outputs.
    strides, dilations: an int, one for each spatial axis, or one for every axis with 1 for batch and channels.
    padding: "VALID" (none), "SAME" (the output has ceil(size / stride), the odd zero behind), an int, or a pair
        (before, after) for each spatial axis, or for every axis with zeros for batch and channels.
    data_format: None, "NWC", "NHWC", "NDHWC" or "N...C" for channels last, "NCW", "NCHW", "NCDHW" or "NC..." first.
    out_dtype: for integers, the integer type to add up in and to give; they wrap around. 16-bit floats are added up
        in float32.
    Raises ShapeError for ranks or channels that do not fit or a window larger than the padded input, ArgumentError
    for strides, dilations or groups below 1 or a bad padding, DTypeError for bools.
    """
    wanted = None if out_dtype is None else as_dtype(out_dtype)
    count = group_count("conv", groups)
    return _node(
        "conv", x, filters, strides, padding, data_format, dilations, name, groups=count, out_dtype=wanted
    )


@public
def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = 1,
    padding: Any = "VALID",
    use_cudnn_on_gpu: Any = None,
    data_format: Any = "NWC",
    name: str | None = None,
    input: Any = None,
    dilations: Any = 1,
) -> Tensor:
    """`conv` over one axis, by TensorFlow 1's arguments. A primitive: as `conv`.

    value (or input): [batch, width, in], or [batch, in, width] for "NCW"; filters: [width, in, out].
    use_cudnn_on_gpu means nothing here.
    """
    x = one_of("conv1d", value=value, input=input)
    name = "conv1d" if name is None else name
    return _node("conv1d", x, filters, stride, padding, data_format, dilations, name, spatial=1)


@public
def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = 1,
    padding: Any = "VALID",
    use_cudnn_on_gpu: Any = True,
    data_format: Any = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """`conv` over two axes, by TensorFlow 1's arguments. A primitive: as `conv`.

    input: [batch, height, width, in], or [batch, in, height, width] for "NCHW"; filter (or filters): [height,
    width, in, out]. use_cudnn_on_gpu means nothing here.
    """
    w = one_of("conv2d", filter=filter, filters=filters)
    name = "Conv2D" if name is None else name
    return _node("conv2d", input, w, strides, padding, data_format, dilations, name, spatial=2)


@public
def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = "NDHWC",
    dilations: Any = 1,
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """`conv` over three axes, by TensorFlow 1's arguments. A primitive: as `conv`.

    input: [batch, depth, height, width, in], or [batch, in, depth, height, width] for "NCDHW"; filter (or filters):
    [depth, height, width, in, out].
    """
    w = one_of("conv3d", filter=filter, filters=filters)
    name = "Conv3D" if name is None else name
    return _node("conv3d", input, w, strides, padding, data_format, dilations, name, spatial=3)


@public
def convolution(
    input: Any,
    filter: Any = None,
    padding: Any = "VALID",
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """`conv` by the arguments of TensorFlow 1's `tf.nn.convolution`. A primitive: as `conv`.

    filter and filters, dilation_rate and dilations: two names of one argument each.
    """
    w = one_of("convolution", filter=filter, filters=filters)
    rate = _rate("convolution", dilation_rate=dilation_rate, dilations=dilations)
    name = "convolution" if name is None else name
    return _node("convolution", input, w, strides, padding, data_format, rate, name)


def _rate(op: str, **values: Any) -> Any:
    """The dilation, of which there are two names; 1 where neither is given."""
    return 1 if all(value is None for value in values.values()) else one_of(op, **values)


@public
def atrous_conv2d(value: Any, filters: Any, rate: Any, padding: Any, name: str | None = None) -> Tensor:
    """`conv2d` with a dilation of `rate` along both axes. A primitive: as `conv`."""
    name = "convolution" if name is None else name
    return _node("atrous_conv2d", value, filters, 1, padding, "NHWC", rate, name, spatial=2)


# --- depthwise ------------------------------------------------------------------------------------


@public
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Each channel by filters of its own: channel k makes outputs k * multiplier to (k + 1) * multiplier. A primitive: as `conv`.

    input: [batch, height, width, channels], or [batch, channels, height, width] for "NCHW".
    filter: [height, width, channels, multiplier]. rate, dilations: two names for the dilation, 1 where left out;
    strides, padding, data_format: as in `conv`.
    Raises as `conv` does.
    """
    dilation = _rate("depthwise_conv2d", rate=rate, dilations=dilations)
    name = "depthwise" if name is None else name
    return _node(
        "depthwise_conv2d",
        input,
        filter,
        strides,
        padding,
        data_format,
        dilation,
        name,
        groups=None,
        spatial=2,
    )


@public
def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: Any = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """`depthwise_conv2d` by the order of arguments of TensorFlow 1's op. A primitive: as `conv`."""
    name = "DepthwiseConv2dNative" if name is None else name
    return depthwise_conv2d(input, filter, strides, padding, None, name, data_format, dilations)


@public
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: Any = None,
    dilations: Any = None,
) -> Tensor:
    """`depthwise_conv2d`, then a `conv2d` by filters of one position that mixes the channels. A composition.

    depthwise_filter: [height, width, in, multiplier]. pointwise_filter: [1, 1, in * multiplier, out].
    Raises as `conv` does, and ShapeError for a pointwise filter of more than one position.
    """
    x, narrow = factors("separable_conv2d", input, depthwise_filter)
    x, wide = factors("separable_conv2d", x, pointwise_filter)
    dims = wide.type.shape
    if dims is not None and (len(dims) != 4 or any(dims_equal(d, 1) is False for d in dims[:2])):
        raise ShapeError(f"separable_conv2d: pointwise_filter must be [1, 1, in, out], got {wide.type}")
    with composition("separable_conv2d" if name is None else name):
        middle = depthwise_conv2d(x, narrow, strides, padding, rate, None, data_format, dilations)
        return conv2d(middle, wide, 1, "VALID", data_format="NHWC" if data_format is None else data_format)
