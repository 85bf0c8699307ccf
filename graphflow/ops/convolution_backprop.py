"""The gradients of convolutions as functions of their own, under the names that TensorFlow 1 gives them."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import public
from graphflow.ops.arguments import dims_argument
from graphflow.ops.convolution_arguments import attributes, factors, spatial_axes
from graphflow.ops.convolution_ops import CONV_FILTER_GRAD
from graphflow.ops.convolution_output import transpose_node

__all__ = [
    "conv2d_backprop_filter",
    "conv2d_backprop_input",
    "depthwise_conv2d_native_backprop_filter",
    "depthwise_conv2d_native_backprop_input",
]


@public
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: Any = True,
    data_format: Any = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv2d` in its input, of shape `input_sizes`. A primitive: see `conv`.

    out_backprop: the gradient in the result. use_cudnn_on_gpu means nothing here.
    Raises ShapeError if `conv2d` of such an input would have another shape than out_backprop.
    """
    name = "Conv2DBackpropInput" if name is None else name
    return transpose_node(
        "conv2d_backprop_input",
        out_backprop,
        filter,
        input_sizes,
        strides,
        padding,
        data_format,
        dilations,
        name,
        spatial=2,
    )


@public
def depthwise_conv2d_native_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: Any = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """The gradient of `depthwise_conv2d` in its input, of shape `input_sizes`. A primitive: see `conv`."""
    name = "DepthwiseConv2dNativeBackpropInput" if name is None else name
    return transpose_node(
        "depthwise_conv2d_native_backprop_input",
        out_backprop,
        filter,
        input_sizes,
        strides,
        padding,
        data_format,
        dilations,
        name,
        groups=None,
        spatial=2,
    )


def _filter_grad(
    op: str,
    x: Any,
    sizes: Any,
    g: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    name: str,
    groups: int | None,
) -> Tensor:
    a, b = factors(op, x, g)
    n, first = spatial_axes(op, data_format, a, b, spatial=2)
    attrs = attributes(op, n, first, strides, padding, dilations, groups)
    shape = dims_argument(sizes, f"{op}: filter_sizes")
    if len(shape) != n + 2:
        raise ShapeError(f"{op}: filter_sizes needs {n + 2} sizes, got {shorten(sizes)}")
    return make_node(CONV_FILTER_GRAD, (a, b), {"shape": shape, **attrs}, name).outputs[0]


@public
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: Any = True,
    data_format: Any = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv2d` in its filters, of shape `filter_sizes`. A primitive: see `conv`.

    out_backprop: the gradient in the result. use_cudnn_on_gpu means nothing here.
    Raises ShapeError if `conv2d` by such filters would have another shape than out_backprop.
    """
    name = "Conv2DBackpropFilter" if name is None else name
    return _filter_grad(
        "conv2d_backprop_filter",
        input,
        filter_sizes,
        out_backprop,
        strides,
        padding,
        data_format,
        dilations,
        name,
        1,
    )


@public
def depthwise_conv2d_native_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: Any = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """The gradient of `depthwise_conv2d` in its filters, of shape `filter_sizes`. A primitive: see `conv`."""
    name = "DepthwiseConv2dNativeBackpropFilter" if name is None else name
    return _filter_grad(
        "depthwise_conv2d_native_backprop_filter",
        input,
        filter_sizes,
        out_backprop,
        strides,
        padding,
        data_format,
        dilations,
        name,
        None,
    )
