"""The kernel of the gradient of mean pooling: values spread all over their windows, the adjoint of folding by sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.philox import converted
from graphflow.ops.pooling_kernels import (
    buffers_of,
    counts_nbytes,
    cut,
    divisor_of,
    pieces,
    positive_axes,
    static_plan,
)
from graphflow.ops.reduction import FLOAT32, is_half
from graphflow.ops.window_plans import AxisWindow, Pass, plan_of, ufunc_nbytes
from graphflow.types import TensorType

__all__ = ["spread_kernel", "spread_workspace"]


def _spread(xp: Any, source: Any, target: Any, walk: Pass) -> None:
    """Add each output of a walk to all inputs of its window: the adjoint of folding by sum."""
    if not walk.covering:
        target[...] = 0
    for tap in walk.taps:
        if walk.disjoint:
            target[tap.inputs] = source[tap.outputs]
        elif xp is np:
            part = target[tap.inputs]
            np.add(part, source[tap.outputs], out=part)
        else:
            target[tap.inputs] = target[tap.inputs] + source[tap.outputs]


def spread_kernel(
    xp: Any,
    g: Any,
    like: Any = None,
    *,
    shape: tuple[int, ...] | None,
    axes: tuple[int, ...],
    windows: tuple[AxisWindow, ...],
    rank: int | None,
    divisor: str,
    out: Any = None,
) -> Any:
    """The adjoint of `avg_pool_kernel`: each element divided by the count of its window, and added all over it."""
    full = tuple(like.shape if shape is None else shape)
    places = positive_axes(axes, len(full))
    half = is_half(numpy_dtype(g))
    if out is None:
        out = xp.empty(full, dtype=g.dtype)
    if not math.prod(g.shape):
        out[...] = 0
        return out
    plan = plan_of(full, places, windows, numpy_dtype(g).itemsize if xp is np else 0)
    working = dtype_of(xp, FLOAT32) if half else g.dtype
    counts = divisor_of(xp, full, places, windows, divisor, working)
    shares = xp.empty(plan.passes[-1].shape, dtype=working)
    buffers = buffers_of(xp, plan, working)
    total = xp.empty((plan.step, *full[1:]) if plan.step else full, dtype=working) if half else None
    for source, target in pieces(plan, g, out):
        n = source.shape[0]
        pieced = [cut(b, n, plan) for b in buffers]
        share = cut(shares, n, plan)
        if counts is None and not half:
            share = source
        elif xp is np:
            np.divide(source, 1 if counts is None else counts, out=share, dtype=working)
        elif counts is None:
            share = converted(xp, source, working)
        else:
            share[...] = converted(xp, source, working) / counts
        last = target if total is None else cut(total, n, plan)
        for walk, to in zip(reversed(plan.passes), [*reversed(pieced), last], strict=True):
            _spread(xp, share, to, walk)
            share = to
        if half:
            target[...] = last if xp is np else converted(xp, last, g.dtype)
    return out


def spread_workspace(
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    shape: Any,
    axes: Any,
    windows: Any,
    rank: int | None,
    divisor: str,
) -> int:
    """Bytes of the shares, of what lies between two passes, of sums in float32, and of the counts."""
    g, x = inputs[0], outputs[0]
    if not g.size:
        return 0
    plan = static_plan(x, axes, windows)
    itemsize = 4 if is_half(x.dtype) else x.dtype.itemsize
    nbytes = (plan.between_nbytes + math.prod(plan.passes[-1].shape)) * itemsize
    if is_half(x.dtype):
        sizes: list[Any] = [plan.step, *x.dims[1:]] if plan.step else list(x.dims)
        nbytes += 4 * math.prod(sizes)
    nbytes += ufunc_nbytes(x)
    return nbytes + counts_nbytes(x, g, axes, windows, divisor, nbytes)
