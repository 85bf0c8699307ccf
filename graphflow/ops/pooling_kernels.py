"""The kernels of pooling by value: windows folded by maximum or sum.

Under NumPy the input is handled in pieces of the first axis that fit the cache, in whole-array operations on
shifted slices: `window_plans.py` says which. 16-bit floats are summed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.philox import converted
from graphflow.ops.reduction import FLOAT32, is_half
from graphflow.ops.window_plans import (
    AxisWindow,
    Pass,
    Plan,
    counts_along,
    is_inside,
    plan_of,
    starts_along,
    ufunc_nbytes,
)
from graphflow.types import SUPPORTED, TensorType, is_floating

__all__ = [
    "avg_pool_kernel",
    "avg_pool_workspace",
    "buffers_of",
    "counts_nbytes",
    "cut",
    "divisor_of",
    "lowest",
    "max_pool_kernel",
    "max_pool_workspace",
    "pieces",
    "positive_axes",
    "static_plan",
]

FLOAT64 = SUPPORTED["float64"]


def lowest(dtype: np.dtype[Any]) -> float | int:
    """What padding counts as under a maximum: minus infinity, or the smallest integer."""
    return -math.inf if is_floating(dtype) else int(np.iinfo(dtype).min)


def pieces(plan: Plan, *arrays: Any) -> Iterator[tuple[Any, ...]]:
    """The arrays cut along their first axis as the plan says."""
    if plan.step >= plan.count:
        yield arrays
        return
    for k in range(0, plan.count, plan.step):
        yield tuple([a[k : k + plan.step] for a in arrays])


def cut(buffer: Any, n: int, plan: Plan) -> Any:
    """A buffer for a piece of `n` entries."""
    return buffer[:n] if 0 < n < plan.step else buffer


# --- folding --------------------------------------------------------------------------------------


def _fold(xp: Any, name: str, source: Any, target: Any, walk: Pass, initial: Any) -> None:
    """Fill `target` with the windows of `source`, folded by a function of two arrays."""
    function = getattr(xp, name)
    full = [tap for tap in walk.taps if tap.full]
    rest = [tap for tap in walk.taps if not tap.full]
    if xp is not np or not full:
        target[...] = initial
        rest, full = [*full, *rest], []
    elif len(full) > 1:
        function(source[full[0].inputs], source[full[1].inputs], out=target, dtype=target.dtype)
    else:
        target[...] = source[full[0].inputs]
    for tap in (*full[2:], *rest):
        part = target[tap.outputs]
        if xp is np:
            function(part, source[tap.inputs], out=part)
        else:
            target[tap.outputs] = function(part, source[tap.inputs])


def buffers_of(xp: Any, plan: Plan, dtype: Any) -> list[Any]:
    """Arrays for what lies between two passes."""
    return [xp.empty(p.shape, dtype=dtype) for p in plan.passes[:-1]]


def _folded(xp: Any, name: str, x: Any, y: Any, plan: Plan, buffers: Sequence[Any], initial: Any) -> None:
    """All passes, for one piece."""
    source = x
    for walk, buffer in zip(plan.passes[:-1], buffers, strict=True):
        target = cut(buffer, x.shape[0], plan)
        _fold(xp, name, source, target, walk, initial)
        source = target
    _fold(xp, name, source, y, plan.passes[-1], initial)


def _output_shape(
    shape: Sequence[int], axes: Sequence[int], windows: Sequence[AxisWindow]
) -> tuple[int, ...]:
    after = list(shape)
    for axis, window in zip(axes, windows, strict=True):
        after[axis] = starts_along(shape[axis], window)[1]
    return tuple(after)


def positive_axes(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    return tuple([axis % ndim for axis in axes])


def _plan(xp: Any, x: Any, axes: Sequence[int], windows: tuple[AxisWindow, ...]) -> Plan:
    """The plan for an array; nothing is cut up but under NumPy, where calls are cheap and caches small."""
    itemsize = numpy_dtype(x).itemsize if xp is np else 0
    return plan_of(tuple(x.shape), positive_axes(axes, x.ndim), windows, itemsize)


def max_pool_kernel(
    xp: Any,
    x: Any,
    *,
    axes: tuple[int, ...],
    windows: tuple[AxisWindow, ...],
    rank: int | None,
    out: Any = None,
) -> Any:
    """The largest element of each window."""
    if out is None:
        out = xp.empty(_output_shape(x.shape, positive_axes(axes, x.ndim), windows), dtype=x.dtype)
    if math.prod(out.shape):
        plan = _plan(xp, x, axes, windows)
        buffers = buffers_of(xp, plan, x.dtype)
        for source, target in pieces(plan, x, out):
            _folded(xp, "maximum", source, target, plan, buffers, lowest(numpy_dtype(x)))
    return out


def static_plan(x: TensorType, axes: tuple[int, ...], windows: tuple[AxisWindow, ...]) -> Plan:
    sizes: Any = x.dims
    return plan_of(sizes, positive_axes(axes, x.rank), windows, x.dtype.itemsize)


def max_pool_workspace(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axes: Any, windows: Any, rank: int | None
) -> int:
    """Bytes between two passes."""
    x = inputs[0]
    if not outputs[0].size:
        return 0
    return static_plan(x, axes, windows).between_nbytes * x.dtype.itemsize + ufunc_nbytes(x)


# --- average --------------------------------------------------------------------------------------


def divisor_of(
    xp: Any,
    shape: Sequence[int],
    axes: Sequence[int],
    windows: Sequence[AxisWindow],
    divisor: str,
    dtype: Any,
) -> Any:
    """What sums over windows are divided by: None, a number, or an array that broadcasts."""
    if divisor == "one":
        return None
    if divisor == "window":
        return math.prod(k for k, _, _, _ in windows)
    if all(is_inside(shape[axis], window) for axis, window in zip(axes, windows, strict=True)):
        return math.prod(k for k, _, _, _ in windows)
    made = np.dtype(dtype) if xp is np else np.dtype(np.float64)
    counts: Any = None
    for axis, window in zip(axes, windows, strict=True):
        line = counts_along(shape[axis], window, made if len(axes) == 1 else np.float64)
        line = line.reshape((-1,) + (1,) * (len(shape) - axis - 1))
        if axis == axes[-1] and counts is not None:
            room = np.empty(np.broadcast_shapes(counts.shape, line.shape), made)
            counts = np.multiply(counts, line, out=room, casting="same_kind")
        else:
            counts = line if counts is None else counts * line
    return xp.asarray(counts, dtype=dtype)


def avg_pool_kernel(
    xp: Any,
    x: Any,
    *,
    axes: tuple[int, ...],
    windows: tuple[AxisWindow, ...],
    rank: int | None,
    divisor: str,
    out: Any = None,
) -> Any:
    """The sum over each window, divided by the number of its elements."""
    places = positive_axes(axes, x.ndim)
    shape = _output_shape(x.shape, places, windows)
    half = is_half(numpy_dtype(x))
    if out is None:
        out = xp.empty(shape, dtype=x.dtype)
    if not math.prod(shape):
        return out
    plan = _plan(xp, x, axes, windows)
    working = dtype_of(xp, FLOAT32) if half else x.dtype
    counts = divisor_of(xp, x.shape, places, windows, divisor, working)
    buffers = buffers_of(xp, plan, working)
    total = xp.empty(plan.passes[-1].shape, dtype=working) if half else None
    for source, target in pieces(plan, x, out):
        sums = target if total is None else cut(total, target.shape[0], plan)
        _folded(xp, "add", source, sums, plan, buffers, 0)
        if xp is np:
            if counts is not None:
                np.divide(sums, counts, out=target, casting="unsafe")
            elif half:
                target[...] = sums
        else:
            result = sums if counts is None else sums / counts
            target[...] = converted(xp, result, x.dtype)
    return out


def avg_pool_workspace(
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    axes: Any,
    windows: Any,
    rank: int | None,
    divisor: str,
) -> int:
    """Bytes between two passes, of sums in float32, and of the counts where padding makes them differ."""
    x, y = inputs[0], outputs[0]
    if not y.size:
        return 0
    plan = static_plan(x, axes, windows)
    itemsize = 4 if is_half(x.dtype) else x.dtype.itemsize
    total = math.prod(plan.passes[-1].shape) * 4 if is_half(x.dtype) else 0
    nbytes = plan.between_nbytes * itemsize + total + ufunc_nbytes(x)
    return nbytes + counts_nbytes(x, y, axes, windows, divisor, nbytes)


def counts_nbytes(
    x: TensorType, y: TensorType, axes: tuple[int, ...], windows: Any, divisor: str, beside: int
) -> int:
    """Bytes of `divisor_of`, and of how it is made beyond the bytes that are taken beside it afterwards."""
    places: Any = positive_axes(axes, x.rank)
    sizes: Any = x.dims
    inside = all(is_inside(sizes[axis], window) for axis, window in zip(places, windows, strict=True))
    if divisor != "inside" or inside:
        return 0
    counts: list[Any] = [y.dims[axis] for axis in places]
    lines = sum(counts) + (math.prod(counts[:2]) if len(counts) == 3 else 0)
    all_counts = math.prod(counts)
    made = 8 * lines + buffers_nbytes(all_counts, FLOAT64, FLOAT64, FLOAT64) if len(counts) > 1 else 0
    return int(all_counts * (4 if is_half(x.dtype) else x.dtype.itemsize) + max(0, made - beside))
