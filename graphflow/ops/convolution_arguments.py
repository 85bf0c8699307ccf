"""What convolutions take as arguments, and how that becomes the attributes of their nodes."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.ops.ufunc import operands2
from graphflow.ops.window import channels_first, padding_argument, window_argument
from graphflow.types import as_index

__all__ = ["attributes", "factors", "group_count", "one_of", "spatial_axes"]


def factors(op: str, x: Any, filters: Any) -> tuple[Tensor, Tensor]:
    """Two operands in one dtype. Raises DTypeError for bools, which have no sums of products."""
    a, b = operands2(op, x, filters)
    if a.type.dtype.kind == "b":
        raise DTypeError(f"{op}: {a!r} is bool; cast it to a number first")
    return a, b


def one_of(op: str, **values: Any) -> Any:
    """The one argument of several names that was given. Raises ArgumentError if none was, or two."""
    given = [value for value in values.values() if value is not None]
    if len(given) != 1:
        raise ArgumentError(f"{op}: give one of {', '.join(values)}")
    return given[0]


def group_count(op: str, groups: Any) -> int:
    """A number of groups. Raises ArgumentError below 1."""
    count = as_index(groups, f"{op}: groups")
    if count < 1:
        raise ArgumentError(f"{op}: groups must be at least 1, got {shorten(groups)}")
    return count


def spatial_axes(op: str, data_format: Any, *tensors: Tensor, spatial: int | None = None) -> tuple[int, bool]:
    """How many axes the windows slide over, and whether channels come first.

    Said by the function itself, by a format such as "NHWC", or by the rank of a tensor.
    Raises ShapeError where none of them does, or a tensor has another rank; ArgumentError for a bad format.
    """
    if spatial is None and isinstance(data_format, str) and data_format not in ("N...C", "NC..."):
        spatial = min(max(len(data_format) - 2, 1), 3)
    for t in tensors:
        if t.type.shape is None:
            continue
        if spatial is None:
            spatial = len(t.type.shape) - 2
        if spatial < 1 or len(t.type.shape) != spatial + 2:
            wanted = f"{spatial + 2} axes" if spatial >= 1 else "a batch axis, channels and axes between"
            raise ShapeError(f"{op}: {t!r} needs {wanted}, but is {t.type}")
    if spatial is None:
        raise ShapeError(f"{op}: the rank of {tensors[0]!r} is unknown here; say which data_format it has")
    return spatial, channels_first(op, data_format, spatial)


def attributes(
    op: str, spatial: int, first: bool, strides: Any, padding: Any, dilations: Any, groups: int | None
) -> dict[str, Any]:
    """The attributes that all convolutions have. Raises ArgumentError for what is no window."""
    return {
        "strides": window_argument(op, "strides", 1 if strides is None else strides, spatial, first=first),
        "padding": padding_argument(op, padding, spatial, first=first),
        "dilations": window_argument(
            op, "dilations", 1 if dilations is None else dilations, spatial, first=first
        ),
        "groups": groups,
        "channels_first": first,
    }
