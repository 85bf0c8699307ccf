"""Outlines of boxes drawn on images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, apply, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.constant import Literal, as_array
from graphflow.ops.numpy_settings import broadcast_nbytes
from graphflow.ops.philox import converted
from graphflow.ops.reduction import FLOAT32
from graphflow.ops.ufunc import reals
from graphflow.types import TensorType, dims_equal

__all__ = ["draw_bounding_boxes"]

COLORS = (
    (1, 1, 0, 1),
    (0, 0, 1, 1),
    (1, 0, 0, 1),
    (0, 1, 0, 1),
    (0.5, 0, 0.5, 1),
    (0.5, 0.5, 0, 1),
    (0.5, 0, 0, 1),
    (0, 0, 0.5, 1),
    (0, 1, 1, 1),
    (1, 0, 1, 1),
)
"""Yellow, blue, red, lime, purple, olive, maroon, navy, aqua, fuchsia, as TensorFlow has them."""


def _infer_drawing(images: TensorType, boxes: TensorType, *, colors: Literal) -> TensorType:
    if images.rank != 4:
        raise ShapeError(f"images must be [batch, height, width, channels], got {images}")
    if boxes.rank != 3 or dims_equal(boxes.dims[2], 4) is False:
        raise ShapeError(f"boxes must be [batch, boxes, 4], got {boxes}")
    if dims_equal(images.dims[0], boxes.dims[0]) is False:
        raise ShapeError(f"{images} and {boxes} must have the same batch")
    depth = images.dims[3]
    if isinstance(depth, int) and depth > colors.array.shape[1]:
        raise ShapeError(f"colors of {colors.array.shape[1]} channels are too few for {images}")
    return images


def _lines(box: Sequence[float], height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of the lines of a box, given in pixels, that are inside the image."""
    if not all(math.isfinite(v) for v in box):
        return
    top, left, bottom, right = [int(v) for v in box]
    if top > bottom or left > right or top >= height or bottom < 0 or left >= width or right < 0:
        return
    rows = slice(max(top, 0), min(bottom, height - 1) + 1)
    columns = slice(max(left, 0), min(right, width - 1) + 1)
    for row in (top, bottom):
        if 0 <= row < height:
            yield slice(row, row + 1), columns
    for column in (left, right):
        if 0 <= column < width:
            yield rows, slice(column, column + 1)


def _drawing_kernel(xp: Any, images: Any, boxes: Any, *, colors: Literal, out: Any = None) -> Any:
    """Box after box: a later one covers an earlier."""
    batch, height, width, depth = images.shape
    if out is None:
        out = xp.empty(images.shape, dtype=images.dtype)
    out[...] = images
    table = xp.asarray(colors.array[:, :depth].astype(numpy_dtype(images)))
    if numpy_dtype(boxes).itemsize == 2:
        boxes = converted(xp, boxes, xp.float32)
    places = boxes * xp.asarray([height - 1, width - 1] * 2, dtype=boxes.dtype)
    for b in range(batch):
        for k in range(boxes.shape[1]):
            corners = [float(places[b, k, i]) for i in range(4)]
            for rows, columns in _lines(corners, height, width):
                out[b, rows, columns, :] = table[k % table.shape[0], :]
    return out


def _drawing_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, colors: Literal) -> int:
    """Of the boxes in pixels, and of the colours."""
    boxes = inputs[1]
    count, half = int(boxes.size), boxes.dtype.itemsize == 2  # type: ignore[arg-type]  # static by then
    working = TensorType(FLOAT32 if half else boxes.dtype, boxes.dims)
    corners = TensorType(working.dtype, (4,))
    buffers = broadcast_nbytes([working, corners], [working])
    return 2 * colors.array.nbytes + (4 * count if half else 0) + int(working.nbytes or 0) + buffers


DRAW_BOUNDING_BOXES: Op = declare(
    Op(
        "draw_bounding_boxes",
        _infer_drawing,
        _drawing_kernel,
        lambda node, g: (
            apply(DRAW_BOUNDING_BOXES, g, node.inputs[1], colors=_black(node.attrs["colors"])),
            F.zeros_like(node.inputs[1]),
        ),
        Trait.OUT,
        flops=lambda inputs, outputs, *, colors: 0,
        workspace=_drawing_nbytes,
        default_name="DrawBoundingBoxes",
        doc="Lines around boxes drawn on images.",
    )
)


def _black(colors: Literal) -> Literal:
    return Literal(np.zeros((1, colors.array.shape[1])))


@public
def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """The images with the outline of each box drawn on them, one pixel wide. A primitive: lines are slices.

    images: [batch, height, width, channels], floats. boxes: [batch, boxes, 4] of (y1, x1, y2, x2), where 0 is the first
    row or column and 1 the last; what is outside the image is not drawn, a box with y2 < y1 or NaN not at all.
    colors: an array [colors, channels], used in turn; ten colours where left out, 1 on images of one channel. No
    gradient flows through what is drawn over.
    Raises ShapeError for other shapes, or colours of fewer channels than the images.
    """
    x, corners = reals("draw_bounding_boxes", images), reals("draw_bounding_boxes", boxes)
    if colors is None:
        gray = x.type.shape is not None and len(x.type.shape) == 4 and dims_equal(x.type.shape[3], 1) is True
        table = np.ones((1, 4)) if gray else np.array(COLORS, np.float64)
    else:
        table = _colors(colors)
    attrs = {"colors": Literal(table)}
    return make_node(DRAW_BOUNDING_BOXES, (x, corners), attrs, name).outputs[0]


def _colors(colors: Any) -> np.ndarray[Any, Any]:
    if hasattr(type(colors), "__graphflow_tensor__"):
        raise ArgumentError(
            "draw_bounding_boxes: colors must be an array that is known when the graph is built"
        )
    table = as_array(colors, weak_floats=False)
    if table.dtype.kind == "c" or table.ndim != 2 or not table.size:
        raise ArgumentError(
            f"draw_bounding_boxes: colors must be numbers [colors, channels], got {shorten(colors)}"
        )
    return table.astype(np.float64)
