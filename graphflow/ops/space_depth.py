"""Blocks of space moved into the channels and back. Compositions of views and one copy."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import public
from graphflow.ops.axes import permute_dims
from graphflow.ops.constant import as_tensor
from graphflow.ops.shape import flatten, unflatten
from graphflow.ops.window import channels_first
from graphflow.types import as_index

__all__ = ["depth_to_space", "space_to_depth"]


def _checked(op: str, input: Any, block_size: Any, data_format: Any) -> tuple[Tensor, int, bool]:
    x = as_tensor(input)
    block = as_index(block_size, f"{op}: block_size")
    if not 1 <= block < 2**31:
        raise ArgumentError(f"{op}: block_size must be at least 1, got {shorten(block_size)}")
    first = channels_first(op, data_format, 2)
    if x.type.shape is not None and len(x.type.shape) != 4:
        raise ShapeError(f"{op}: input must have 4 axes, got {x!r}")
    return x, block, first


def _must_divide(op: str, x: Tensor, axes: tuple[int, ...], by: int) -> None:
    if x.type.shape is None:
        return
    for axis in axes:
        size = x.type.shape[axis]
        if isinstance(size, int) and size % by:
            raise ShapeError(f"{op}: axis {axis} of {x.type} is not divisible by {by}")


@public
def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: Any = "NHWC") -> Tensor:
    """Each square of `block_size` by `block_size` positions as the channels of one. A composition.

    [batch, height, width, channels] gives [batch, height / b, width / b, b * b * channels], the channels of a square
    in the order of its rows, columns, channels; "NCHW" has the same with channels second.
    Raises ShapeError where a size is not divisible by the block, ArgumentError for a block below 1.
    """
    x, b, first = _checked("space_to_depth", input, block_size, data_format)
    _must_divide("space_to_depth", x, (2, 3) if first else (1, 2), b)
    with composition("SpaceToDepth" if name is None else name):
        if first:
            split = unflatten(unflatten(x, 2, (-1, b)), 4, (-1, b))
            return flatten(permute_dims(split, (0, 3, 5, 1, 2, 4)), 1, 3)
        split = unflatten(unflatten(x, 1, (-1, b)), 3, (-1, b))
        return flatten(permute_dims(split, (0, 1, 3, 2, 4, 5)), 3, 5)


@public
def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: Any = "NHWC") -> Tensor:
    """The channels of each position as a square of `block_size` by `block_size`: undoes `space_to_depth`. A composition.

    [batch, height, width, channels] gives [batch, height * b, width * b, channels / (b * b)]; "NCHW" likewise.
    Raises ShapeError where the channels are not divisible by b * b, ArgumentError for a block below 1.
    """
    x, b, first = _checked("depth_to_space", input, block_size, data_format)
    _must_divide("depth_to_space", x, (1,) if first else (3,), b * b)
    with composition("DepthToSpace" if name is None else name):
        if first:
            split = permute_dims(unflatten(x, 1, (b, b, -1)), (0, 3, 4, 1, 5, 2))
            return flatten(flatten(split, 2, 3), 3, 4)
        split = permute_dims(unflatten(x, 3, (b, b, -1)), (0, 1, 3, 2, 4, 5))
        return flatten(flatten(split, 1, 2), 2, 3)
