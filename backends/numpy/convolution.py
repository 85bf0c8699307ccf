"""Convolutions and their gradients on fixed arrays, with the lanes of one call on several threads.

What computes them is imported when the first is bound: most programs have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.backends.base import Call
from graphflow.backends.numpy.workers import run_pieces

__all__ = ["BINDERS"]

Inputs = tuple[Any, ...]


def _conv(inputs: Inputs, out: Any, *, out_dtype: Any, **attrs: Any) -> Call:
    from graphflow.ops.convolution_layout import conv_of
    from graphflow.ops.convolution_numpy import conv

    x, filters = inputs
    return conv, (x, filters, out, conv_of(x.shape, filters.shape, attrs), run_pieces)


def _transpose(inputs: Inputs, out: Any, *, shape: Any, **attrs: Any) -> Call:
    from graphflow.ops.convolution_layout import conv_of
    from graphflow.ops.convolution_numpy import input_grad

    g, filters = inputs[:2]
    return input_grad, (g, filters, out, conv_of(out.shape, filters.shape, attrs), run_pieces)


def _filter_grad(inputs: Inputs, out: Any, *, shape: Any, **attrs: Any) -> Call:
    from graphflow.ops.convolution_layout import conv_of
    from graphflow.ops.convolution_numpy import filter_grad

    x, g = inputs[:2]
    return filter_grad, (x, g, out, conv_of(x.shape, out.shape, attrs), run_pieces)


BINDERS: dict[str, Callable[..., Call | None]] = {
    "conv": _conv,
    "conv_transpose": _transpose,
    "conv_filter_grad": _filter_grad,
}
"""By op; the bits are those of the ops' own kernels, which do one lane after another."""
