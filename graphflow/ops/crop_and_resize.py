"""Boxes cut out of images and brought to one size: sampled by interpolation, differentiable by image and boxes."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import dims_argument, items_of, static_ints
from graphflow.ops.constant import python_number
from graphflow.ops.flat_index import as_indices
from graphflow.ops.take import take_at
from graphflow.ops.ufunc import reals
from graphflow.types import as_index, dims_equal

__all__ = ["crop_and_resize"]


@public
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any,
    crop_size: Any,
    method: Any = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
) -> Tensor:
    """Each box cut out of an image and sampled to `crop_size`: [boxes, crop_height, crop_width, channels]. A composition.

    image: [batch, height, width, channels]; integers become the default float.
    boxes: [boxes, 4] of (y1, x1, y2, x2), where 0 is the first row or column and 1 the last; y2 < y1 flips.
    box_ind: integers [boxes], which image each box is cut from. crop_size: (height, width).
    method: "bilinear" or "nearest". extrapolation_value: what lies outside the image is.
    Corners of box and crop coincide; a crop of size 1 has the middle of the box. Gradients flow to the image, and
    with "bilinear" to the boxes.
    Raises ArgumentError for another method or sizes below 1, ShapeError for other shapes, IndexRangeError for an image
    that there is not.
    Source: TensorFlow's `crop_and_resize_op.cc`.
    """
    op = "crop_and_resize"
    x, corners, owner = reals(op, image), reals(op, boxes), as_indices(op, box_ind, "box_ind")
    for t, rank, what in ((x, 4, "image"), (corners, 2, "boxes"), (owner, 1, "box_ind")):
        if t.type.shape is None or len(t.type.shape) != rank:
            raise ShapeError(f"{op}: {what} must have {rank} axes, got {t!r}")
    if dims_equal(corners.type.dims[1], 4) is False:
        raise ShapeError(f"{op}: boxes must be [boxes, 4], got {corners.type}")
    if dims_equal(corners.type.dims[0], owner.type.dims[0]) is False:
        raise ShapeError(f"{op}: there are {corners.type} boxes but {owner.type} box_ind")
    if method not in ("bilinear", "nearest"):
        raise ArgumentError(f"{op}: method must be 'bilinear' or 'nearest', not {shorten(method)}")
    outside = python_number(extrapolation_value, f"{op}: extrapolation_value")
    size = _crop_size(op, crop_size)
    with composition("CropAndResize" if name is None else name):
        y1, x1, y2, x2 = F.unstack(corners, num=4, axis=1)
        rows = _places(x, 1, y1, y2, size[0])
        columns = _places(x, 2, x1, x2, size[1])
        inside = F.logical_and(
            F.expand_dims(_within(x, 1, rows), 2), F.expand_dims(_within(x, 2, columns), 1)
        )
        picked = _sampled(x, owner, rows, columns, method)
        return F.where(F.expand_dims(inside, 3), picked, outside)  # type: ignore[no-any-return]


def _crop_size(op: str, crop_size: Any) -> tuple[int, int]:
    sizes = items_of(static_ints(crop_size, f"{op}: crop_size"), f"{op}: crop_size")
    numbers = [as_index(d, f"{op}: crop_size") for d in sizes]
    if len(numbers) != 2 or min(numbers) < 1:
        raise ArgumentError(
            f"{op}: crop_size must be a height and a width of at least 1, not {shorten(crop_size)}"
        )
    dims_argument(numbers, f"{op}: crop_size")
    return numbers[0], numbers[1]


def _last(x: Tensor, axis: int) -> Any:
    """The last index along an axis, a number or a tensor."""
    n = x.type.dims[axis]
    return n - 1 if isinstance(n, int) else F.shape(x)[axis] - 1


def _places(x: Tensor, axis: int, low: Tensor, high: Tensor, count: int) -> Tensor:
    """Where each crop is sampled along an axis, in pixels: [boxes, count]."""
    last = F.cast(_last(x, axis), low.type.dtype)
    if count == 1:
        return F.expand_dims((low + high) * 0.5 * last, 1)  # type: ignore[no-any-return]
    steps = F.arange(count, dtype=low.type.dtype)
    return F.expand_dims(low * last, 1) + steps * F.expand_dims((high - low) * last / (count - 1), 1)  # type: ignore[no-any-return]


def _within(x: Tensor, axis: int, places: Tensor) -> Tensor:
    last = F.cast(_last(x, axis), places.type.dtype)
    return F.logical_and(F.greater_equal(places, 0), F.less_equal(places, last))  # type: ignore[no-any-return]


def _index(x: Tensor, axis: int, places: Tensor) -> Tensor:
    """Whole places as indices; those outside, whose pixels do not show, are moved to the edge."""
    return F.clip(F.cast(places, "int64"), 0, _last(x, axis))  # type: ignore[no-any-return]


def _sampled(x: Tensor, owner: Tensor, rows: Tensor, columns: Tensor, method: str) -> Tensor:
    owners = F.expand_dims(owner, (1, 2))

    def pixels(row: Tensor, column: Tensor) -> Tensor:
        return take_at(x, [owners, F.expand_dims(row, 2), F.expand_dims(column, 1)], 0, "crop_and_resize")

    if method == "nearest":
        return pixels(_index(x, 1, F.floor(rows + 0.5)), _index(x, 2, F.floor(columns + 0.5)))
    top, left = F.floor(rows), F.floor(columns)
    down = F.expand_dims(F.cast(rows - top, x.type.dtype), (2, 3))
    right = F.expand_dims(F.cast(columns - left, x.type.dtype), (1, 3))
    first, second = _index(x, 2, left), _index(x, 2, F.ceil(columns))

    def line(row: Tensor) -> Tensor:
        start, end = pixels(row, first), pixels(row, second)
        return start + (end - start) * right  # type: ignore[no-any-return]

    above, below = line(_index(x, 1, top)), line(_index(x, 1, F.ceil(rows)))
    return above + (below - above) * down  # type: ignore[no-any-return]
