"""The ops of pooling. The gradient of a maximum is taken apart, so that it can be differentiated again.

max_pool(x)                 the largest element of each window
max_pool_taps(x, y)         which tap of its window that is: integers
tap_scatter(g, taps)        values put (and added up) at the taps: linear in g
tap_gather(x, taps)         the values at the taps: linear in x, and the adjoint of tap_scatter
avg_pool(x), avg_pool_grad(g)   linear, and each other's adjoint
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError
from graphflow.graph import Tensor, apply
from graphflow.op import Op, Trait, declare
from graphflow.ops.arguments import known_shape, typed
from graphflow.ops.pooling_kernels import (
    avg_pool_kernel,
    avg_pool_workspace,
    max_pool_kernel,
    max_pool_workspace,
)
from graphflow.ops.pooling_spread import spread_kernel, spread_workspace
from graphflow.ops.tap_kernels import (
    gather_kernel,
    move_workspace,
    positions_kernel,
    positions_workspace,
    scatter_kernel,
)
from graphflow.ops.tap_numbers import tap_dtype, taps_kernel, taps_workspace
from graphflow.ops.window import output_size
from graphflow.ops.window_plans import AxisWindow, counts_along
from graphflow.types import DimLike, Shape, TensorType, dims_equal, is_floating, normalize_axes

__all__ = ["AVG_POOL", "MAX_POOL", "MAX_POOL_TAPS", "TAP_GATHER", "TAP_POSITIONS", "TAP_SCATTER", "pooled"]

Windows = tuple[AxisWindow, ...]
Axes = tuple[int, ...]


# --- shapes ---------------------------------------------------------------------------------------


def _pooled_dims(x: TensorType, axes: Axes, windows: Windows, rank: int | None) -> Shape:
    """The shape of the windows' output. Raises ShapeError for another rank or windows that do not fit."""
    if rank is not None and x.rank != rank:
        raise ShapeError(f"the input must have {rank} axes: batch, channels and {rank - 2} more; got {x}")
    dims = list(x.dims)
    for axis, (k, stride, dilation, padding) in zip(normalize_axes(axes, x.rank), windows, strict=True):
        n = dims[axis]
        dims[axis] = output_size(n, k, stride, dilation, padding, f"on axis {axis} of {x} the window")
        if isinstance(n, int) and n == 0 and dims[axis] != 0:
            raise ShapeError(f"axis {axis} of {x} is empty: windows would hold padding alone")
        if isinstance(n, int) and dilation > 1 and padding != "VALID":
            _check_filled(x, axis, n, (k, stride, dilation, padding))
        elif not isinstance(padding, str) and max(padding) > (k - 1) * dilation:
            raise ArgumentError(
                f"padding {list(padding)} on axis {axis} must be less than what the window spans, "
                f"{(k - 1) * dilation + 1}: nothing else is in some windows"
            )
    return tuple(dims)


def _check_filled(x: TensorType, axis: int, n: int, window: AxisWindow) -> None:
    if n and int(counts_along(n, window).min(initial=1)) == 0:
        raise ShapeError(
            f"on axis {axis} of {x} some windows hold padding alone; use less padding or dilation"
        )


def pooled(x: TensorType, *, axes: Axes, windows: Windows, rank: int | None, **attrs: Any) -> TensorType:
    """Inference of pooling: the input's dtype, an element for each window."""
    return typed(x.dtype, _pooled_dims(x, axes, windows, rank))


def _must_match(given: TensorType, wanted: Shape, what: str) -> None:
    if len(given.dims) != len(wanted) or any(
        dims_equal(a, b) is False for a, b in zip(given.dims, wanted, strict=True)
    ):
        raise ShapeError(f"{what} must have shape {list(wanted)}, got {given}")


def _operations(inputs: Any, outputs: Any, *, windows: Windows, **attrs: Any) -> int:
    """One operation for each element of each window."""
    windowed = min(int(t.size) for t in (inputs[0], outputs[0]))
    return windowed * math.prod(k for k, *_ in windows)


def _target(x: Tensor) -> tuple[Shape | None, tuple[Tensor, ...]]:
    """The shape of `x` as an attribute, or `x` itself to lend its shape."""
    shape = known_shape(x)
    return shape, () if shape is not None else (x,)


# --- max ------------------------------------------------------------------------------------------


def _max_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    x, y = node.inputs[0], node.outputs[0]
    if not is_floating(x.type.dtype):
        return (None,)
    shape, like = _target(x)
    taps = apply(MAX_POOL_TAPS, x, y, **node.attrs)
    return (apply(TAP_SCATTER, g, taps, *like, shape=shape, **node.attrs),)


MAX_POOL = declare(
    Op(
        "max_pool",
        pooled,
        max_pool_kernel,
        _max_vjp,
        Trait.OUT,
        flops=_operations,
        workspace=max_pool_workspace,
        default_name="MaxPool",
        doc="Largest element of each window.",
    )
)


def _infer_taps(
    x: TensorType, y: TensorType, *, axes: Axes, windows: Windows, rank: int | None
) -> TensorType:
    dims = _pooled_dims(x, axes, windows, rank)
    _must_match(y, dims, "the pooled tensor")
    return TensorType(tap_dtype(windows), dims)


MAX_POOL_TAPS = declare(
    Op(
        "max_pool_taps",
        _infer_taps,
        taps_kernel,
        lambda node, g: (None, None),
        Trait.OUT,
        dtype=lambda x, y, *, windows, **attrs: tap_dtype(windows),
        flops=_operations,
        workspace=taps_workspace,
        doc="Which element of each window is its first largest, in row-major order of the window.",
    )
)


def _infer_scatter(
    g: TensorType,
    taps: TensorType,
    *like: TensorType,
    shape: Shape | None,
    axes: Axes,
    windows: Windows,
    rank: int | None,
) -> TensorType:
    full: tuple[DimLike, ...] = like[0].dims if shape is None else shape
    target = typed(g.dtype, full)
    dims = _pooled_dims(target, axes, windows, rank)
    _must_match(g, dims, "the gradient")
    _must_match(taps, dims, "the taps")
    return target


def _scatter_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    attrs = {name: value for name, value in node.attrs.items() if name != "shape"}
    return apply(TAP_GATHER, g, node.inputs[1], **attrs), *[None] * (len(node.inputs) - 1)


TAP_SCATTER = declare(
    Op(
        "tap_scatter",
        _infer_scatter,
        scatter_kernel,
        _scatter_vjp,
        Trait.OUT,
        dtype=lambda g, taps, *like, shape, **attrs: TensorType(g.dtype, shape),
        flops=lambda inputs, outputs, **attrs: int(inputs[0].size),
        workspace=move_workspace,
        default_name="MaxPoolGrad",
        doc="Values added up at an element of their window, in zeros.",
    )
)


def _infer_gather(
    x: TensorType, taps: TensorType, *, axes: Axes, windows: Windows, rank: int | None
) -> TensorType:
    dims = _pooled_dims(x, axes, windows, rank)
    _must_match(taps, dims, "the taps")
    return typed(x.dtype, dims)


def _gather_vjp(node: Any, g: Tensor) -> tuple[Tensor, None]:
    shape, like = _target(node.inputs[0])
    return apply(TAP_SCATTER, g, node.inputs[1], *like, shape=shape, **node.attrs), None


TAP_GATHER = declare(
    Op(
        "tap_gather",
        _infer_gather,
        gather_kernel,
        _gather_vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=move_workspace,
        default_name="MaxPoolGradGrad",
        doc="One element of each window.",
    )
)


def _infer_positions(
    taps: TensorType,
    x: TensorType,
    *,
    axes: Axes,
    windows: Windows,
    rank: int | None,
    batched: bool,
    dtype: np.dtype[Any],
) -> TensorType:
    _must_match(taps, _pooled_dims(x, axes, windows, rank), "the taps")
    return typed(dtype, taps.dims)


TAP_POSITIONS = declare(
    Op(
        "tap_positions",
        _infer_positions,
        positions_kernel,
        lambda node, g: (None, None),
        Trait.OUT,
        dtype=lambda taps, x, *, dtype, **attrs: dtype,
        flops=lambda inputs, outputs, **attrs: 2 * int(outputs[0].size),
        workspace=positions_workspace,
        doc="Where in the flattened input an element of each window is.",
    )
)


# --- average --------------------------------------------------------------------------------------


def _avg_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    shape, like = _target(node.inputs[0])
    return (apply(AVG_POOL_GRAD, g, *like, shape=shape, **node.attrs),)


AVG_POOL = declare(
    Op(
        "avg_pool",
        pooled,
        avg_pool_kernel,
        _avg_vjp,
        Trait.OUT,
        flops=_operations,
        workspace=avg_pool_workspace,
        default_name="AvgPool",
        doc="Mean, or sum, of each window.",
    )
)


def _infer_spread(
    g: TensorType,
    *like: TensorType,
    shape: Shape | None,
    axes: Axes,
    windows: Windows,
    rank: int | None,
    divisor: str,
) -> TensorType:
    full: tuple[DimLike, ...] = like[0].dims if shape is None else shape
    target = typed(g.dtype, full)
    _must_match(g, _pooled_dims(target, axes, windows, rank), "the gradient")
    return target


def _spread_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    attrs = {name: value for name, value in node.attrs.items() if name != "shape"}
    return apply(AVG_POOL, g, **attrs), *[None] * (len(node.inputs) - 1)


AVG_POOL_GRAD = declare(
    Op(
        "avg_pool_grad",
        _infer_spread,
        spread_kernel,
        _spread_vjp,
        Trait.OUT,
        dtype=lambda g, *like, shape, **attrs: TensorType(g.dtype, shape),
        flops=_operations,
        workspace=spread_workspace,
        default_name="AvgPoolGrad",
        doc="Values in equal shares to all elements of their window.",
    )
)
