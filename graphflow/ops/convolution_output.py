"""The nodes of transposed convolutions: which shape the result has, given or computed."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.ops.arguments import dims_argument
from graphflow.ops.convolution_arguments import attributes, factors, spatial_axes
from graphflow.ops.convolution_ops import CONV_TRANSPOSE
from graphflow.ops.convolution_types import parts
from graphflow.ops.window import span_of, window_argument
from graphflow.types import DimLike, Shape

__all__ = ["transpose_node"]


def transpose_node(
    op: str,
    x: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilations: Any,
    name: str | None,
    *,
    groups: int | None = 1,
    output_padding: Any = None,
    spatial: int | None = None,
) -> Tensor:
    """A node of the op, with the shape that is given or computed; `groups` None for depthwise filters."""
    a, b = factors(op, x, filters)
    n, first = spatial_axes(op, data_format, a, b, spatial=spatial)
    attrs = attributes(op, n, first, strides, padding, dilations, groups)
    extra = (
        None
        if output_padding is None
        else window_argument(op, "output_padding", output_padding, n, first=first, least=0)
    )
    if output_shape is None:
        shape = _full_shape(op, a, b, _sizes(op, a, b, extra, attrs), attrs)
    else:
        if extra is not None:
            raise ArgumentError(f"{op}: give output_shape or output_padding, not both")
        shape = dims_argument(output_shape, f"{op}: output_shape")
        if len(shape) == n:
            shape = _full_shape(op, a, b, shape, attrs)
        elif len(shape) != n + 2:
            raise ShapeError(f"{op}: output_shape needs {n} or {n + 2} sizes, got {shorten(output_shape)}")
    return make_node(CONV_TRANSPOSE, (a, b), {"shape": shape, **attrs}, name).outputs[0]


def _known(op: str, *tensors: Tensor) -> None:
    for t in tensors:
        if t.type.shape is None:
            raise ShapeError(f"{op}: the rank of {t!r} is unknown here; say the whole output_shape")


def _full_shape(op: str, x: Tensor, filters: Tensor, sizes: Shape, attrs: dict[str, Any]) -> Shape:
    """The shape of a result whose spatial sizes are known."""
    _known(op, x, filters)
    batch = x.type.dims[0]
    channels = filters.type.dims[-2] * (1 if attrs["groups"] is None else attrs["groups"])
    return (batch, channels, *sizes) if attrs["channels_first"] else (batch, *sizes, channels)


def _sizes(
    op: str, x: Tensor, filters: Tensor, extra: tuple[int, ...] | None, attrs: dict[str, Any]
) -> Shape:
    """The spatial sizes of a result, where the user leaves them out."""
    _known(op, x, filters)
    counts, kernel = parts(x.type.dims, attrs["channels_first"])[1], filters.type.dims[:-2]
    result: list[DimLike] = []
    for axis, (count, k, step, gap, pads) in enumerate(
        zip(counts, kernel, attrs["strides"], attrs["dilations"], attrs["padding"], strict=True)
    ):
        if pads == "SAME" and extra is None:
            result.append(count * step)
            continue
        if not isinstance(k, int):
            raise ShapeError(f"{op}: output_shape is needed, as the size of {filters!r} is not known")
        span = span_of(k, gap)
        if extra is None and pads == "VALID":
            result.append(count * step + max(span - step, 0))
            continue
        more = 0 if extra is None else extra[axis]
        if more >= step + (pads == "SAME" and span % 2 == 0):
            raise ArgumentError(f"{op}: output_padding {more} must be less than the stride {step}")
        trimmed = 2 * (span // 2) if pads == "SAME" else 0 if isinstance(pads, str) else sum(pads)
        result.append((count - 1) * step + span - trimmed + more)
    for size in result:
        if isinstance(size, int) and size < 0:
            raise ShapeError(f"{op}: the padding {attrs['padding']} leaves nothing of {x.type}")
    return tuple(result)
