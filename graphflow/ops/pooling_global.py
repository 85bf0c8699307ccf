"""Pooling over whole images: one element for each channel."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.pooling_arguments import spatial_axes
from graphflow.ops.ufunc import reals

__all__ = ["global_avg_pool", "global_max_pool", "inner_axes"]


def inner_axes(op: str, x: Tensor, data_format: Any) -> tuple[int, ...]:
    """All axes but batch and channels."""
    if x.type.shape is None:
        raise ShapeError(f"{op}: the rank of {x!r} is unknown here; give the placeholder a shape")
    spatial, first = spatial_axes(op, x, data_format, None)
    if len(x.type.shape) != spatial + 2:
        raise ShapeError(f"{op}: {shorten(data_format)} needs {spatial + 2} axes, got {x!r}")
    return tuple(range(2, spatial + 2) if first else range(1, spatial + 1))


@public
def global_max_pool(
    value: Any, data_format: Any = "N...C", keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The largest element of each channel: [batch, channels]. It is `max`.

    data_format: as for `max_pool`. keepdims: leave the other axes in place with size 1. Equal maxima share the
    gradient. Raises ShapeError for other than 3 to 5 axes or an empty image.
    """
    t = reals("global_max_pool", value, floating=False)
    axes = inner_axes("global_max_pool", t, data_format)
    keep = flag(keepdims, "global_max_pool", "keepdims")
    return F.max(t, axes, keepdims=keep, name="global_max_pool" if name is None else name)  # type: ignore[no-any-return]


@public
def global_avg_pool(
    value: Any, data_format: Any = "N...C", keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The mean of each channel: [batch, channels]. It is `mean`.

    data_format, keepdims: as for `global_max_pool`. Integers become the default float.
    Raises ShapeError for other than 3 to 5 axes.
    """
    t = reals("global_avg_pool", value)
    axes = inner_axes("global_avg_pool", t, data_format)
    keep = flag(keepdims, "global_avg_pool", "keepdims")
    return F.mean(t, axes, keepdims=keep, name="global_avg_pool" if name is None else name)  # type: ignore[no-any-return]
