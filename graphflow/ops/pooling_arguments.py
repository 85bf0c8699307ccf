"""How users say where pooling windows are: formats, sizes, strides and padding, as attributes of nodes."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor
from graphflow.ops.window import channels_first, padding_argument, window_argument

__all__ = ["check_format", "spatial_axes", "window_attrs"]

_ANY_RANK = (None, "N...C", "NC...")


def spatial_axes(op: str, x: Tensor, data_format: Any, size: Any) -> tuple[int, bool]:
    """How many axes windows slide over, and whether channels come first.

    The format says it; "N...C", "NC..." and None leave it to the rank of `x`, or to a list of sizes.
    Raises ArgumentError for an unknown format, ShapeError where nothing says it or for more than three axes.
    """
    if data_format not in _ANY_RANK if isinstance(data_format, str) else data_format is not None:
        spatial = len(data_format) - 2 if isinstance(data_format, str) and 3 <= len(data_format) <= 5 else 2
        return spatial, channels_first(op, data_format, spatial)
    if x.type.shape is not None:
        spatial = len(x.type.shape) - 2
    elif isinstance(size, (list, tuple)) and len(size) > 1:
        spatial = len(size) if len(size) <= 2 else len(size) - 2
    else:
        raise ShapeError(f"{op}: the rank of {x!r} is unknown here; say which data_format it has")
    if not 1 <= spatial <= 3:
        raise ShapeError(f"{op}: needs batch, channels and 1 to 3 axes between, got {x!r}")
    return spatial, data_format == "NC..."


def window_attrs(
    op: str, x: Tensor, ksize: Any, strides: Any, padding: Any, dilations: Any, data_format: Any
) -> dict[str, Any]:
    """The attributes that pooling nodes have in common. Raises ArgumentError for what is no window."""
    spatial, first = spatial_axes(op, x, data_format, ksize)
    sizes = window_argument(op, "ksize", ksize, spatial, first=first)
    steps = sizes if strides is None else window_argument(op, "strides", strides, spatial, first=first)
    rates = window_argument(op, "dilations", dilations, spatial, first=first)
    pads = padding_argument(op, padding, spatial, first=first)
    axes = tuple(range(2, spatial + 2) if first else range(1, spatial + 1))
    return {"axes": axes, "windows": tuple(zip(sizes, steps, rates, pads, strict=True)), "rank": spatial + 2}


def check_format(op: str, data_format: Any, spatial: int) -> None:
    """Raise ArgumentError unless a format has so many axes between batch and channels."""
    if data_format in ("N...C", "NC...") if isinstance(data_format, str) else data_format is None:
        data_format = ""
    channels_first(op, data_format, spatial)
