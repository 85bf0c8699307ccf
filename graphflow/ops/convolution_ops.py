"""The three ops of convolution, each the gradient of the others: closed under differentiation.

conv(x, w) is linear in both. Its gradients are a transposed convolution (in `x`) and a sum of products of windows
with gradients (in `w`), and the gradients of those are again among the three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare
from graphflow.ops import convolution_taps
from graphflow.ops.arguments import known_shape
from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.convolution_lanes import one_by_one
from graphflow.ops.convolution_layout import Conv, conv_of
from graphflow.ops.convolution_numpy import (
    conv,
    conv_nbytes,
    filter_grad,
    filter_grad_nbytes,
    input_grad,
    input_grad_nbytes,
)
from graphflow.ops.convolution_types import conv_type, filter_grad_type, transpose_type
from graphflow.types import Shape, TensorType

__all__ = ["CONV", "CONV_FILTER_GRAD", "CONV_TRANSPOSE", "filter_grad_of", "transposed"]

GEOMETRY = ("strides", "padding", "dilations", "groups", "channels_first")


def _geometry(node: Any) -> dict[str, Any]:
    return {name: node.attrs[name] for name in GEOMETRY}


def _sizes(t: TensorType) -> tuple[int, ...]:
    return t.dims  # type: ignore[return-value]  # static by then


def _room(xp: Any, shape: Sequence[int], dtype: np.dtype[Any], out: Any) -> Any:
    return xp.empty(tuple(shape), dtype=dtype_of(xp, dtype)) if out is None else out


# --- conv -----------------------------------------------------------------------------------------


def _conv_kernel(xp: Any, x: Any, filters: Any, *, out_dtype: Any, out: Any = None, **attrs: Any) -> Any:
    c = conv_of(x.shape, filters.shape, attrs)
    dtype = numpy_dtype(x) if out_dtype is None else out_dtype
    channels, counts = c.groups * c.made, c.windows.counts
    out = _room(xp, (c.batch, channels, *counts) if c.first else (c.batch, *counts, channels), dtype, out)
    if xp is np:
        conv(x, filters, out, c, one_by_one)
    else:
        convolution_taps.conv(xp, x, filters, out, c, conv_nbytes(c, numpy_dtype(x), dtype))
    return out


def _conv_sizes(inputs: Sequence[TensorType], attrs: dict[str, Any]) -> Conv:
    return conv_of(_sizes(inputs[0]), _sizes(inputs[1]), attrs)


def _conv_vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    x, filters = node.inputs
    attrs = _geometry(node)
    return transposed(g, F.conj(filters), x, **attrs), filter_grad_of(F.conj(x), g, filters, **attrs)


CONV = declare(
    Op(
        "conv",
        conv_type,
        _conv_kernel,
        _conv_vjp,
        Trait.OUT | Trait.BLAS,
        dtype=lambda x, filters, out_dtype, **attrs: x.dtype if out_dtype is None else out_dtype,
        flops=lambda inputs, outputs, **attrs: _conv_sizes(inputs, attrs).flops,
        workspace=lambda inputs, outputs, **attrs: conv_nbytes(
            _conv_sizes(inputs, attrs), inputs[0].dtype, outputs[0].dtype
        ),
        default_name="Convolution",
        doc="Sums of products of filters with the windows that slide over an array.",
    )
)


# --- conv_transpose -------------------------------------------------------------------------------


def _target(like: Tensor) -> tuple[Shape | None, tuple[Tensor, ...]]:
    """How a node knows the shape of its result: an attribute where it is known, else the tensor that has it."""
    shape = known_shape(like)
    return shape, (like,) if shape is None else ()


def transposed(g: Tensor, filters: Tensor, like: Tensor, name: str | None = None, **attrs: Any) -> Tensor:
    """The transposed convolution in the shape of `like`."""
    shape, more = _target(like)
    return make_node(CONV_TRANSPOSE, (g, filters, *more), {"shape": shape, **attrs}, name).outputs[0]


def _transpose_kernel(
    xp: Any,
    g: Any,
    filters: Any,
    like: Any = None,
    *,
    shape: tuple[int, ...] | None,
    out: Any = None,
    **attrs: Any,
) -> Any:
    shape = like.shape if shape is None else shape
    c = conv_of(shape, filters.shape, attrs)
    out = _room(xp, shape, numpy_dtype(g), out)
    if xp is np:
        input_grad(g, filters, out, c, one_by_one)
    else:
        convolution_taps.input_grad(xp, g, filters, out, c, input_grad_nbytes(c, numpy_dtype(g)))
    return out


def _transpose_sizes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], shape: Shape | None, **attrs: Any
) -> Conv:
    return conv_of(_sizes(outputs[0]), _sizes(inputs[1]), attrs)


def _transpose_vjp(node: Any, h: Tensor) -> tuple[Tensor | None, ...]:
    g, filters, *like = node.inputs
    attrs = _geometry(node)
    dg = make_node(CONV, (h, F.conj(filters)), {**attrs, "out_dtype": None}).outputs[0]
    return dg, filter_grad_of(h, F.conj(g), filters, **attrs), *[None for _ in like]


def _dtype_in(first: TensorType, *others: TensorType, shape: Shape | None, **attrs: Any) -> TensorType:
    """The type of the result where a rank is unknown: the shape asked for, or that of the last input."""
    return TensorType(first.dtype, others[-1].shape if shape is None else shape)


CONV_TRANSPOSE: Op = declare(
    Op(
        "conv_transpose",
        transpose_type,
        _transpose_kernel,
        _transpose_vjp,
        Trait.OUT | Trait.BLAS,
        dtype=_dtype_in,
        flops=lambda inputs, outputs, **attrs: _transpose_sizes(inputs, outputs, **attrs).flops,
        workspace=lambda inputs, outputs, **attrs: input_grad_nbytes(
            _transpose_sizes(inputs, outputs, **attrs), outputs[0].dtype
        ),
        default_name="ConvTranspose",
        doc="What the gradient of a convolution is in its input.",
    )
)


# --- conv_filter_grad -----------------------------------------------------------------------------


def filter_grad_of(x: Tensor, g: Tensor, like: Tensor, name: str | None = None, **attrs: Any) -> Tensor:
    """The gradient of filters in the shape of `like`."""
    shape, more = _target(like)
    return make_node(CONV_FILTER_GRAD, (x, g, *more), {"shape": shape, **attrs}, name).outputs[0]


def _filter_kernel(
    xp: Any, x: Any, g: Any, like: Any = None, *, shape: tuple[int, ...] | None, out: Any = None, **attrs: Any
) -> Any:
    shape = like.shape if shape is None else shape
    c = conv_of(x.shape, shape, attrs)
    out = _room(xp, shape, numpy_dtype(x), out)
    if xp is np:
        filter_grad(x, g, out, c, one_by_one)
    else:
        convolution_taps.filter_grad(xp, x, g, out, c, filter_grad_nbytes(c, numpy_dtype(x)))
    return out


def _filter_sizes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], shape: Shape | None, **attrs: Any
) -> Conv:
    return conv_of(_sizes(inputs[0]), _sizes(outputs[0]), attrs)


def _filter_vjp(node: Any, h: Tensor) -> tuple[Tensor | None, ...]:
    x, g, *like = node.inputs
    attrs = _geometry(node)
    dg = make_node(CONV, (F.conj(x), h), {**attrs, "out_dtype": None}).outputs[0]
    return transposed(F.conj(g), h, x, **attrs), dg, *[None for _ in like]


CONV_FILTER_GRAD: Op = declare(
    Op(
        "conv_filter_grad",
        filter_grad_type,
        _filter_kernel,
        _filter_vjp,
        Trait.OUT | Trait.BLAS,
        dtype=_dtype_in,
        flops=lambda inputs, outputs, **attrs: _filter_sizes(inputs, outputs, **attrs).flops,
        workspace=lambda inputs, outputs, **attrs: filter_grad_nbytes(
            _filter_sizes(inputs, outputs, **attrs), outputs[0].dtype
        ),
        default_name="ConvFilterGrad",
        doc="What the gradient of a convolution is in its filters.",
    )
)
