"""What types convolutions have, and their windows once all sizes are numbers: shared by all three ops."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphflow.errors import ShapeError
from graphflow.ops.arguments import typed
from graphflow.ops.window import AxisPadding, output_size, pads_of, span_of
from graphflow.types import DimLike, Shape, TensorType, dims_equal

__all__ = [
    "Each",
    "Paddings",
    "Windows",
    "conv_type",
    "filter_grad_type",
    "parts",
    "transpose_type",
    "window_counts",
    "windows_of",
]

Each: TypeAlias = tuple[int, ...]
"""One number for each spatial axis."""

Paddings: TypeAlias = tuple[AxisPadding, ...]
"""`"SAME"`, `"VALID"` or a pair (before, after) for each spatial axis."""


def window_counts(sizes: Shape, kernel: Shape, strides: Each, dilations: Each, padding: Paddings) -> Shape:
    """How many windows fit along each spatial axis; symbolic where sizes are.

    Raises ShapeError for a window of no elements, and where a window does not fit.
    """
    if len(strides) != len(sizes):
        raise ShapeError(f"strides {list(strides)} are {len(strides)} for {len(sizes)} spatial axes")
    counts = []
    for size, k, step, gap, pads in zip(sizes, kernel, strides, dilations, padding, strict=True):
        if isinstance(k, int) and k == 0:
            raise ShapeError(f"filters of {list(kernel)} have no elements")
        counts.append(_count(size, k, step, gap, pads))
    return tuple(counts)


def _count(size: DimLike, k: Any, step: int, gap: int, pads: AxisPadding) -> DimLike:
    if (
        not isinstance(k, int) and pads != "SAME"
    ):  # symbols may cancel: then a window surely fits, or does not
        before, after = (0, 0) if isinstance(pads, str) else pads
        room = size + (before + after) - span_of(k, gap)
        if isinstance(room, int):
            if room < 0:
                raise ShapeError(f"filters of {k} do not fit an axis of {size}")
            return room // step + 1
    return output_size(size, k, step, gap, pads, "the filter")


class Windows(NamedTuple):
    """Windows over the spatial axes of one array, all numbers known.

    Element t of window o lies at o * stride + t * dilation - low; outside [0, size) there are zeros.
    """

    sizes: tuple[int, ...]
    kernel: tuple[int, ...]
    counts: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    lows: tuple[int, ...]


def windows_of(
    sizes: tuple[int, ...], kernel: tuple[int, ...], strides: Each, dilations: Each, padding: Paddings
) -> Windows:
    """The windows of a convolution whose sizes are known: padding resolved, idle strides and dilations 1."""
    counts: tuple[int, ...] = window_counts(sizes, kernel, strides, dilations, padding)  # type: ignore[assignment]
    lows = [pads_of(*axis)[0] for axis in zip(sizes, kernel, strides, dilations, padding, strict=True)]
    steps = [s if c > 1 else 1 for s, c in zip(strides, counts, strict=True)]
    gaps = [d if k > 1 else 1 for d, k in zip(dilations, kernel, strict=True)]
    return Windows(sizes, kernel, counts, tuple(steps), tuple(gaps), tuple(lows))


# --- types of the three ops -----------------------------------------------------------------------


def parts(dims: tuple[Any, ...], channels_first: bool) -> tuple[Any, tuple[Any, ...], Any]:
    """(batch, spatial sizes, channels) of a shape."""
    return (dims[0], dims[2:], dims[1]) if channels_first else (dims[0], dims[1:-1], dims[-1])


def conv_type(
    x: TensorType,
    filters: TensorType,
    *,
    strides: Each,
    padding: Paddings,
    dilations: Each,
    groups: int | None,
    channels_first: bool,
    out_dtype: np.dtype[Any] | None = None,
) -> TensorType:
    """The type of a convolution: [batch, *sizes, in] by [*kernel, in / groups, out], or channels second.

    groups: None for depthwise filters [*kernel, in, multiplier].
    Raises ShapeError for ranks or channels that do not fit, or a window that does not.
    """
    if x.rank < 3 or filters.rank != x.rank:
        raise ShapeError(
            f"the input needs a batch axis, spatial axes and channels, and the filters as many axes: "
            f"{x} by {filters}"
        )
    batch, sizes, channels = parts(x.dims, channels_first)
    kernel, (taken, made) = filters.dims[:-2], filters.dims[-2:]
    if groups is None:
        made = taken * made
    else:
        if isinstance(made, int) and made % groups:
            raise ShapeError(f"the {made} filters of {filters} are not divisible into {groups} groups")
        taken = taken * groups
    if dims_equal(taken, channels) is False:
        grouped = f" in {groups} groups" if groups not in (1, None) else ""
        raise ShapeError(f"filters {filters} take {taken} channels{grouped}, but {x} has {channels}")
    counts = window_counts(sizes, kernel, strides, dilations, padding)
    dims = (batch, made, *counts) if channels_first else (batch, *counts, made)
    return typed(x.dtype if out_dtype is None else out_dtype, dims)


def _must_equal(found: TensorType, expected: TensorType, what: str) -> None:
    if found.rank != expected.rank or any(
        dims_equal(a, b) is False for a, b in zip(found.dims, expected.dims, strict=True)
    ):
        raise ShapeError(f"{what} would be {list(expected.dims)}, but the input is {found}")


def transpose_type(
    g: TensorType, filters: TensorType, like: TensorType | None = None, *, shape: Shape | None, **attrs: Any
) -> TensorType:
    """The type of a transposed convolution: that of the input whose convolution would have the type of `g`."""
    target = typed(g.dtype, shape if like is None else like.dims)  # type: ignore[arg-type]  # one of them is given
    _must_equal(g, conv_type(target, filters, **attrs), f"the convolution of {target} by {filters}")
    return target


def filter_grad_type(
    x: TensorType, g: TensorType, like: TensorType | None = None, *, shape: Shape | None, **attrs: Any
) -> TensorType:
    """The type of the gradient of filters: theirs."""
    target = typed(x.dtype, shape if like is None else like.dims)  # type: ignore[arg-type]  # one of them is given
    _must_equal(g, conv_type(x, target, **attrs), f"the convolution of {x} by {target}")
    return target
