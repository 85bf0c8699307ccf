"""Arithmetic of windows that slide along axes: output sizes, pads, and how users write windows, strides and pads.

Along one axis of size n, with a window of k taps that are d apart and move by s, a window spans
span = (k - 1) d + 1 elements, and the output has

    "VALID"         floor((n - span) / s) + 1       no padding
    "SAME"          ceil(n / s)                     padded as little as that needs, the odd one behind
    (before, after) floor((n + before + after - span) / s) + 1

elements, as in TensorFlow (`common_shape_fns`), PyTorch and ONNX. Sizes may be symbolic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.ops.arguments import items_of
from graphflow.types import Dim, DimLike, as_index, unknown_dim

__all__ = [
    "AxisPadding",
    "channels_first",
    "floor_quotient",
    "output_size",
    "pads_of",
    "padding_argument",
    "span_of",
    "window_argument",
]

AxisPadding: TypeAlias = str | tuple[int, int]
"""`"SAME"`, `"VALID"`, or the elements (before, after) of one axis."""

NAMES = ("SAME", "VALID")

LARGEST = 2**31 - 1
"""No window, stride, dilation or pad is larger: their products then stay far below what a size can be."""


# --- sizes ----------------------------------------------------------------------------------------


def floor_quotient(a: DimLike, b: int) -> DimLike:
    """`a // b` for a positive int `b`: exact for ints, and where all symbols have coefficients that `b` divides."""
    if isinstance(a, int):
        return a // b
    rest: dict[tuple[str, ...], int] = {}
    constant = 0
    for monomial, c in a.terms:
        if not monomial:
            constant = c // b
        elif c % b:
            return unknown_dim()
        else:
            rest[monomial] = c // b
    return Dim(rest) + constant


def span_of(window: int, dilation: int) -> int:
    """From the first to the last tap of a window, both included."""
    return (window - 1) * dilation + 1


def output_size(
    n: DimLike, window: int, stride: int, dilation: int, padding: AxisPadding, what: str = "the window"
) -> DimLike:
    """The number of windows along an axis of size `n`. Raises ShapeError where not even one fits."""
    if padding == "SAME":
        return floor_quotient(n + (stride - 1), stride)
    before, after = (0, 0) if isinstance(padding, str) else padding
    span = span_of(window, dilation)
    room = n + (before + after - span)
    if isinstance(room, int) and room < 0 and span > 1:
        padded = f"{n} and {before} + {after} of padding" if before or after else f"{n}"
        raise ShapeError(f"{what} spans {span} elements, but an axis has only {padded}")
    return floor_quotient(room, stride) + 1


def pads_of(n: int, window: int, stride: int, dilation: int, padding: AxisPadding) -> tuple[int, int]:
    """The elements of padding (before, after) an axis of size `n`; for "SAME" the odd one is behind."""
    if padding == "VALID":
        return 0, 0
    if not isinstance(padding, str):
        return padding
    total = max((-(-n // stride) - 1) * stride + span_of(window, dilation) - n, 0) if n else 0
    return total // 2, total - total // 2


# --- how users write them -------------------------------------------------------------------------

_FORMATS = {
    "first": ("NCW", "NCHW", "NCDHW"),
    "last": ("NWC", "NHWC", "NDHWC"),
}


def channels_first(op: str, data_format: Any, spatial: int) -> bool:
    """True where channels are the second axis, False where they are the last. Raises ArgumentError.

    data_format: None for channels last; "NHWC" and "NCHW" and their like for one and three spatial axes;
    "N...C" and "NC..." for any number of them.
    """
    last, first = _FORMATS["last"][spatial - 1 : spatial], _FORMATS["first"][spatial - 1 : spatial]
    if data_format is None or (isinstance(data_format, str) and data_format in (*last, "N...C")):
        return False
    if isinstance(data_format, str) and data_format in (*first, "NC..."):
        return True
    choices = " or ".join(map(repr, (*last, *first) if last else ("N...C", "NC...")))
    raise ArgumentError(f"{op}: data_format must be {choices}, not {shorten(data_format)}")


def window_argument(
    op: str, what: str, value: Any, spatial: int, *, first: bool = False, least: int = 1
) -> tuple[int, ...]:
    """One int for each spatial axis from an int, a list of one or of `spatial` ints, or one for every axis.

    first: where the channel axis is, in a list for every axis; batch and channels must then have a 1.
    Raises ArgumentError for anything else, and for what is below `least`.
    """
    name = f"{op}: {what}"
    if hasattr(value, "__index__") and not isinstance(value, (bool, np.ndarray)):
        items: Sequence[Any] = [value]
    else:
        items = items_of(value, name)
    sizes = tuple([as_index(item, name) for item in items])
    for size in sizes:
        if not least <= size <= LARGEST:
            raise ArgumentError(f"{name} must be at least {least}, got {shorten(value)}")
    if len(sizes) == 1:
        return sizes * spatial
    if len(sizes) == spatial + 2:
        inner, others = _without_channels(sizes, first)
        if others != (1, 1):
            raise ArgumentError(f"{name} must be 1 for the batch and channel axes, got {shorten(value)}")
        return inner
    if len(sizes) != spatial:
        raise ArgumentError(
            f"{name} needs 1, {spatial} or {spatial + 2} numbers for {spatial} spatial axes, got {shorten(value)}"
        )
    return sizes


def _without_channels(items: Sequence[Any], first: bool) -> tuple[tuple[Any, ...], tuple[Any, Any]]:
    """The items of the spatial axes, and those of batch and channels."""
    if first:
        return tuple(items[2:]), (items[0], items[1])
    return tuple(items[1:-1]), (items[0], items[-1])


def padding_argument(op: str, padding: Any, spatial: int, *, first: bool = False) -> tuple[AxisPadding, ...]:
    """The padding of each spatial axis from "SAME", "VALID", or numbers of elements.

    Numbers: an int for both sides of all axes; an int or a pair (before, after) for each spatial axis; or, as
    TensorFlow has them, a pair for every axis, with zeros for batch and channels.
    Raises ArgumentError for anything else, negative numbers included.
    """
    name = f"{op}: padding"
    if isinstance(padding, str):
        if padding not in NAMES:
            raise ArgumentError(f"{name} must be 'SAME', 'VALID' or numbers, not {shorten(padding)}")
        return (padding,) * spatial
    if hasattr(padding, "__index__") and not isinstance(padding, (bool, np.ndarray)):
        items: list[Any] = [padding] * spatial
    else:
        items = items_of(padding, name)
    pairs = [_pair(name, item, padding) for item in items]
    if len(pairs) == spatial + 2:
        inner, others = _without_channels(pairs, first)
        if others != ((0, 0), (0, 0)):
            raise ArgumentError(f"{name} must be 0 for the batch and channel axes, got {shorten(padding)}")
        return inner
    if len(pairs) != spatial:
        raise ArgumentError(
            f"{name} needs {spatial} or {spatial + 2} pairs for {spatial} spatial axes, got {shorten(padding)}"
        )
    return tuple(pairs)


def _pair(name: str, item: Any, whole: Any) -> tuple[int, int]:
    if hasattr(item, "__index__") and not isinstance(item, (bool, np.ndarray)):
        before = after = as_index(item, name)
    else:
        sides = items_of(item, name)
        if len(sides) != 2:
            raise ArgumentError(f"{name} must have pairs (before, after), got {shorten(whole)}")
        before, after = [as_index(side, name) for side in sides]
    if not (0 <= before <= LARGEST and 0 <= after <= LARGEST):
        raise ArgumentError(f"{name} must not be negative, got {shorten(whole)}")
    return before, after
