"""Which way NumPy computes a convolution and its gradients: by the sizes alone, so that the bits depend on nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.ops import convolution_filter_grad, convolution_scatter
from graphflow.ops.convolution_depthwise import (
    conv_by_channels,
    conv_by_channels_nbytes,
    filter_grad_by_channels,
    filter_grad_by_channels_nbytes,
    is_by_channels,
)
from graphflow.ops.convolution_lanes import Run
from graphflow.ops.convolution_layout import Conv, filter_view
from graphflow.ops.convolution_products import conv_by_windows, conv_by_windows_nbytes
from graphflow.ops.convolution_shifts import conv_by_shifts, conv_by_shifts_nbytes, has_few_outputs
from graphflow.ops.convolution_types import Windows

__all__ = ["conv", "conv_nbytes", "filter_grad", "filter_grad_nbytes", "input_grad", "input_grad_nbytes"]


def conv(x: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the convolution."""
    if c.flops:
        _convolve(x, filter_view(np, filters, c), out, c, run)
    else:
        out[...] = 0


def _convolve(x: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    if is_by_channels(c):
        conv_by_channels(x, filters, out, c, run)
    elif has_few_outputs(c):
        conv_by_shifts(x, filters, out, c, run)
    else:
        conv_by_windows(x, filters, out, c, run)


def conv_nbytes(c: Conv, dtype: np.dtype[Any], out_dtype: np.dtype[Any], plain: bool = True) -> int:
    """Bytes that `conv` allocates for contiguous arrays; plain: by filters as they are, not turned around."""
    if not c.flops:
        return 0
    if is_by_channels(c):
        return conv_by_channels_nbytes(c, dtype, out_dtype)
    if has_few_outputs(c):
        return conv_by_shifts_nbytes(c, dtype, out_dtype)
    return conv_by_windows_nbytes(c, dtype, out_dtype, plain)


def input_grad(g: Any, filters: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the transposed convolution."""
    if not c.flops:
        out[...] = 0
    elif _is_conv(c):
        turned = filter_view(np, filters, c)[::-1].transpose(0, 3, 2, 1)
        _convolve(g, turned, out, _turned(c), run)
    else:
        convolution_scatter.input_grad_by_taps(g, filters, out, c, run)


def input_grad_nbytes(c: Conv, dtype: np.dtype[Any]) -> int:
    """Bytes that `input_grad` allocates for contiguous arrays."""
    if not c.flops:
        return 0
    if _is_conv(c):
        return conv_nbytes(_turned(c), dtype, dtype, plain=False)
    return convolution_scatter.input_grad_by_taps_nbytes(c, dtype)


def _is_conv(c: Conv) -> bool:
    """Whether the transposed convolution is best done as a convolution by the filters turned around.

    With strides, or few windows for the size of the image, that would multiply mostly zeros.
    """
    w = c.windows
    return all(s == 1 for s in w.strides) and 4 * math.prod(w.counts) >= 3 * math.prod(w.sizes)


def _turned(c: Conv) -> Conv:
    """The convolution of the gradients that is the transposed one of `c`, whose strides are 1."""
    w = c.windows
    lows = tuple([(k - 1) * d - low for k, d, low in zip(w.kernel, w.dilations, w.lows, strict=True)])
    windows = Windows(w.counts, w.kernel, w.sizes, w.strides, w.dilations, lows)
    return Conv(c.batch, windows, c.groups, c.made, c.taken, c.first)


def filter_grad(x: Any, g: Any, out: Any, c: Conv, run: Run) -> None:
    """Fill `out`, which is contiguous, with the gradient of the filters."""
    if not c.flops:
        out[...] = 0
    elif is_by_channels(c):
        filter_grad_by_channels(x, g, filter_view(np, out, c), c, run)
    elif _is_gathered_from_gradients(c):
        turned = filter_view(np, out, c)[::-1].transpose(0, 3, 2, 1)
        convolution_filter_grad.filter_grad(g, x, turned, False, _turned(c), run)
    else:
        convolution_filter_grad.filter_grad(x, g, filter_view(np, out, c), True, c, run)


def filter_grad_nbytes(c: Conv, dtype: np.dtype[Any]) -> int:
    """Bytes that `filter_grad` allocates for contiguous arrays."""
    if not c.flops:
        return 0
    if is_by_channels(c):
        return filter_grad_by_channels_nbytes(c, dtype)
    if _is_gathered_from_gradients(c):
        return convolution_filter_grad.filter_grad_nbytes(_turned(c), dtype, False)
    return convolution_filter_grad.filter_grad_nbytes(c, dtype, True)


def _is_gathered_from_gradients(c: Conv) -> bool:
    """Whether there are so much fewer channels of gradients that their windows are gathered, not those of the input."""
    return 4 * c.made <= c.taken and not c.is_plain and _is_conv(c)
