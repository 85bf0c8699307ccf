"""Convolutional layers: kernels that slide over one, two or three axes."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor
from graphflow.layers.weights import (
    Weights,
    channels_of,
    check_activation,
    floating_input,
    layer_scope,
    per_axis,
    units_of,
)
from graphflow.op import F
from graphflow.ops.arguments import flag

__all__ = [
    "conv1d",
    "conv2d",
    "conv2d_transpose",
    "conv3d",
    "conv3d_transpose",
    "data_format_of",
    "depthwise_conv2d",
    "padding_of",
    "separable_conv2d",
]

_FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def data_format_of(what: str, value: Any, rank: int) -> tuple[str, bool]:
    """The layout's name for `gf.nn`, and whether channels come first, from `tf.layers`' words."""
    last, first = _FORMATS[rank]
    if value in ("channels_last", last):
        return last, False
    if value in ("channels_first", first):
        return first, True
    raise ArgumentError(f"{what}: data_format is 'channels_last' or 'channels_first', not {shorten(value)}")


def padding_of(what: str, value: Any) -> str:
    """SAME or VALID, in either case of letters."""
    if isinstance(value, str) and value.upper() in ("SAME", "VALID"):
        return value.upper()
    raise ArgumentError(f"{what}: padding is 'same' or 'valid', not {shorten(value)}")


def _convolve(
    rank: int,
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = 1,
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    groups: int = 1,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    what = f"conv{rank}d"
    x, n_filters = floating_input(what, inputs, rank + 2), units_of(what, filters, "filters")
    layout, first = data_format_of(what, data_format, rank)
    n = channels_of(what, x, 1 if first else -1)
    n_groups = units_of(what, groups, "groups")
    if n % n_groups or n_filters % n_groups:
        raise ArgumentError(f"{what}: groups {n_groups} must divide {n} channels and {n_filters} filters")
    shape = (*per_axis(what, kernel_size, rank, "kernel_size"), n // n_groups, n_filters)
    step = per_axis(what, strides, rank, "strides")
    dilation = per_axis(what, dilation_rate, rank, "dilation_rate")
    how = padding_of(what, padding)
    act, with_bias = check_activation(what, activation), flag(use_bias, what, "use_bias")
    with layer_scope(what, name, reuse):
        weights = Weights(x.type.dtype, trainable)
        kernel = weights.make("kernel", shape, kernel_initializer, kernel_regularizer)
        y = F.conv(x, kernel, step, how, layout, dilation, n_groups)
        y = weights.add_bias(
            y,
            n_filters,
            with_bias,
            bias_initializer,
            bias_regularizer,
            first,
        )
        return act(y)  # type: ignore[no-any-return]


def conv1d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **more: Any
) -> Tensor:
    """A convolution over one axis: [batch, width, channels] -> [batch, width', filters]. Arguments as for `conv2d`."""
    return _convolve(1, inputs, filters, kernel_size, strides, padding, **more)


def conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    groups: int = 1,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A convolution over two axes: [batch, height, width, channels] -> [batch, height', width', filters].

    kernel: [*kernel_size, channels / groups, filters]. kernel_size, strides, dilation_rate: an int, or one for each
    axis. padding: "same" or "valid". data_format: "channels_last" or "channels_first".
    Raises ShapeError where the number of channels is not known.
    """
    return _convolve(
        2,
        inputs,
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
        activation,
        use_bias,
        kernel_initializer,
        bias_initializer,
        kernel_regularizer,
        bias_regularizer,
        groups,
        trainable,
        name,
        reuse,
    )


def conv3d(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid", **more: Any
) -> Tensor:
    """A convolution over three axes: [batch, depth, height, width, channels] -> [..., filters]. As `conv2d`."""
    return _convolve(3, inputs, filters, kernel_size, strides, padding, **more)


def _transposed(
    rank: int,
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = None,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    what = f"conv{rank}d_transpose"
    x, n_filters = floating_input(what, inputs, rank + 2), units_of(what, filters, "filters")
    layout, first = data_format_of(what, data_format, rank)
    n = channels_of(what, x, 1 if first else -1)
    sizes, step = per_axis(what, kernel_size, rank, "kernel_size"), per_axis(what, strides, rank, "strides")
    how = padding_of(what, padding)
    spatial = x.type.dims[2:] if first else x.type.dims[1:-1]
    grown = [
        d * s if how == "SAME" else d * s + max(k - s, 0)
        for d, s, k in zip(spatial, step, sizes, strict=True)
    ]
    batch = x.type.dims[0]
    shape = (batch, n_filters, *grown) if first else (batch, *grown, n_filters)
    act, with_bias = check_activation(what, activation), flag(use_bias, what, "use_bias")
    with layer_scope(what, name, reuse):
        weights = Weights(x.type.dtype, trainable)
        kernel = weights.make("kernel", (*sizes, n_filters, n), kernel_initializer, kernel_regularizer)
        y = F.conv_transpose(x, kernel, shape, step, how, layout)
        y = weights.add_bias(
            y,
            n_filters,
            with_bias,
            bias_initializer,
            bias_regularizer,
            first,
        )
        return act(y)  # type: ignore[no-any-return]


def conv2d_transpose(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", **more: Any
) -> Tensor:
    """The transpose of a convolution over two axes, which undoes its strides: sizes times `strides`.

    kernel: [*kernel_size, filters, channels]. Other arguments as for `conv2d`.
    """
    return _transposed(2, inputs, filters, kernel_size, strides, padding, **more)


def conv3d_transpose(
    inputs: Any, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid", **more: Any
) -> Tensor:
    """The transpose of a convolution over three axes; as `conv2d_transpose`."""
    return _transposed(3, inputs, filters, kernel_size, strides, padding, **more)


def depthwise_conv2d(
    inputs: Any,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    depth_multiplier: int = 1,
    data_format: str = "channels_last",
    activation: Any = None,
    use_bias: bool = True,
    depthwise_initializer: Any = None,
    bias_initializer: Any = None,
    depthwise_regularizer: Any = None,
    bias_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Each channel convolved with kernels of its own: channels -> channels * depth_multiplier."""
    what = "depthwise_conv2d"
    x = floating_input(what, inputs, 4)
    layout, first = data_format_of(what, data_format, 2)
    n, m = channels_of(what, x, 1 if first else -1), units_of(what, depth_multiplier, "depth_multiplier")
    shape = (*per_axis(what, kernel_size, 2, "kernel_size"), n, m)
    step = _whole(per_axis(what, strides, 2, "strides"), first)
    how = padding_of(what, padding)
    act, with_bias = check_activation(what, activation), flag(use_bias, what, "use_bias")
    with layer_scope(what, name, reuse):
        weights = Weights(x.type.dtype, trainable)
        kernel = weights.make("depthwise_kernel", shape, depthwise_initializer, depthwise_regularizer)
        y = F.depthwise_conv2d(x, kernel, step, how, data_format=layout)
        y = weights.add_bias(y, n * m, with_bias, bias_initializer, bias_regularizer, first)
        return act(y)  # type: ignore[no-any-return]


def separable_conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    depth_multiplier: int = 1,
    data_format: str = "channels_last",
    activation: Any = None,
    use_bias: bool = True,
    depthwise_initializer: Any = None,
    pointwise_initializer: Any = None,
    bias_initializer: Any = None,
    depthwise_regularizer: Any = None,
    pointwise_regularizer: Any = None,
    bias_regularizer: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """A depthwise convolution, then one of 1 x 1 pixels that mixes channels: channels -> filters."""
    what = "separable_conv2d"
    x, n_filters = floating_input(what, inputs, 4), units_of(what, filters, "filters")
    layout, first = data_format_of(what, data_format, 2)
    n, m = channels_of(what, x, 1 if first else -1), units_of(what, depth_multiplier, "depth_multiplier")
    shape = (*per_axis(what, kernel_size, 2, "kernel_size"), n, m)
    step = _whole(per_axis(what, strides, 2, "strides"), first)
    how = padding_of(what, padding)
    act, with_bias = check_activation(what, activation), flag(use_bias, what, "use_bias")
    with layer_scope(what, name, reuse):
        weights = Weights(x.type.dtype, trainable)
        deep = weights.make("depthwise_kernel", shape, depthwise_initializer, depthwise_regularizer)
        point = weights.make(
            "pointwise_kernel", (1, 1, n * m, n_filters), pointwise_initializer, pointwise_regularizer
        )
        y = F.separable_conv2d(x, deep, point, step, how, data_format=layout)
        y = weights.add_bias(
            y,
            n_filters,
            with_bias,
            bias_initializer,
            bias_regularizer,
            first,
        )
        return act(y)  # type: ignore[no-any-return]


def _whole(strides: tuple[int, ...], first: bool) -> list[int]:
    """Strides for all four axes, as TensorFlow has them."""
    return [1, 1, *strides] if first else [1, *strides, 1]
