"""Transposed convolutions: what the gradient of a convolution is in its input."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.op import public
from graphflow.ops.convolution_arguments import group_count, one_of
from graphflow.ops.convolution_backprop import (
    conv2d_backprop_filter,
    conv2d_backprop_input,
    depthwise_conv2d_native_backprop_filter,
    depthwise_conv2d_native_backprop_input,
)
from graphflow.ops.convolution_output import transpose_node

__all__ = [
    "conv1d_transpose",
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "conv2d_transpose",
    "conv3d_transpose",
    "conv_transpose",
    "depthwise_conv2d_native_backprop_filter",
    "depthwise_conv2d_native_backprop_input",
]


@public
def conv_transpose(
    x: Any,
    filters: Any,
    output_shape: Any = None,
    strides: Any = 1,
    padding: Any = "SAME",
    data_format: Any = None,
    dilations: Any = 1,
    groups: int = 1,
    output_padding: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transposed convolution: what the gradient of `conv` is in its input. A primitive: see `conv`.

    The result has the shape whose convolution by `filters` has the shape of `x`; each element of `x` adds its
    multiple of the filters there.

    x: [batch, *sizes, channels], or [batch, channels, *sizes] where channels come first.
    filters: [*kernel, outputs / groups, channels]: as TensorFlow has them, outputs before inputs.
    output_shape: the whole shape of the result, or its spatial sizes: ints, or a tensor of sizes. Where left out,
        size * stride for "SAME", size * stride + max(extent - stride, 0) for "VALID", and else
        (size - 1) * stride + extent - before - after, with extent = (kernel - 1) * dilation + 1.
    output_padding: how much longer than (size - 1) * stride + extent - before - after the result is (with "SAME":
        than (size - 1) * stride + extent % 2), below the stride; an int or one for each axis.
    strides, padding, data_format, dilations, groups: those of the convolution that this is the transpose of.
    Raises ShapeError for an output_shape that no such convolution has as its input, and as `conv` does.
    """
    count = group_count("conv_transpose", groups)
    return transpose_node(
        "conv_transpose",
        x,
        filters,
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        name,
        groups=count,
        output_padding=output_padding,
    )


@public
def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any = 1,
    padding: Any = "SAME",
    data_format: Any = "NWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """`conv_transpose` over one axis: [batch, width, in] by [width, out, in]. A primitive: see `conv`."""
    return transpose_node(
        "conv1d_transpose",
        input,
        filters,
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        "conv1d_transpose" if name is None else name,
        spatial=1,
    )


@public
def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = 1,
    padding: Any = "SAME",
    data_format: Any = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = 1,
) -> Tensor:
    """`conv_transpose` over two axes, by TensorFlow 1's arguments. A primitive: see `conv`.

    value (or input): [batch, height, width, in], or [batch, in, height, width] for "NCHW"; filter (or filters):
    [height, width, out, in].
    """
    return transpose_node(
        "conv2d_transpose",
        one_of("conv2d_transpose", value=value, input=input),
        one_of("conv2d_transpose", filter=filter, filters=filters),
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        "conv2d_transpose" if name is None else name,
        spatial=2,
    )


@public
def conv3d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = 1,
    padding: Any = "SAME",
    data_format: Any = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = 1,
) -> Tensor:
    """`conv_transpose` over three axes, by TensorFlow 1's arguments. A primitive: see `conv`.

    value (or input): [batch, depth, height, width, in], or channels second for "NCDHW"; filter (or filters):
    [depth, height, width, out, in].
    """
    return transpose_node(
        "conv3d_transpose",
        one_of("conv3d_transpose", value=value, input=input),
        one_of("conv3d_transpose", filter=filter, filters=filters),
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        "conv3d_transpose" if name is None else name,
        spatial=3,
    )
