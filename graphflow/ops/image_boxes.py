"""Boxes in images: how far they overlap, which of many to keep, and drawing them.

A box is (y1, x1, y2, x2), two opposite corners in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, declare, public
from graphflow.ops.arguments import flag, static_ints, typed
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.constant import python_number
from graphflow.ops.image_drawing import draw_bounding_boxes
from graphflow.ops.philox import converted
from graphflow.ops.ufunc import operands2, reals
from graphflow.types import MAX_NBYTES, SUPPORTED, TensorType, as_index, dims_equal, unknown_dim

__all__ = ["draw_bounding_boxes", "iou", "non_max_suppression", "non_max_suppression_padded"]

INT32 = SUPPORTED["int32"]


def _must_be_boxes(op: str, x: Tensor, rank: int, what: str) -> Tensor:
    dims = x.type.shape
    if dims is not None and (len(dims) != rank or dims_equal(dims[-1], 4) is False):
        raise ShapeError(f"{op}: {what} must be [{'batch, ' * (rank - 2)}boxes, 4], got {x!r}")
    return x


# --- overlap --------------------------------------------------------------------------------------


@public
def iou(boxes1: Any, boxes2: Any, name: str | None = None) -> Tensor:
    """Intersection over union of each box of one list with each of another: [n, 4], [m, 4] gives [n, m]. A composition.

    In [0, 1]; 0 where both boxes are empty. Integers become the default float. Raises ShapeError for other shapes.
    """
    a, b = operands2("iou", reals("iou", boxes1), reals("iou", boxes2))
    _must_be_boxes("iou", a, 2, "boxes1")
    _must_be_boxes("iou", b, 2, "boxes2")
    with composition("iou" if name is None else name):
        first, second = [[F.getitem(t, (slice(None), slice(k, k + 1))) for k in range(4)] for t in (a, b)]
        second = [F.transpose(t) for t in second]
        overlap: Any = None
        areas: list[Any] = [None, None]
        for low, high in ((0, 2), (1, 3)):
            bounds = [(F.minimum(t[low], t[high]), F.maximum(t[low], t[high])) for t in (first, second)]
            shared = F.minimum(bounds[0][1], bounds[1][1]) - F.maximum(bounds[0][0], bounds[1][0])
            shared = F.maximum(shared, 0)
            overlap = shared if overlap is None else overlap * shared
            areas = [
                end - start if area is None else area * (end - start)
                for area, (start, end) in zip(areas, bounds, strict=True)
            ]
        union = areas[0] + areas[1] - overlap
        empty = F.less_equal(union, 0)
        return F.where(empty, 0, overlap / F.where(empty, 1, union))  # type: ignore[no-any-return]


# --- which to keep --------------------------------------------------------------------------------


def _infer_suppression(
    boxes: TensorType, scores: TensorType, *, limit: int, overlap: float, least: float, pad: bool
) -> tuple[TensorType, TensorType]:
    if boxes.rank != 2 or dims_equal(boxes.dims[1], 4) is False:
        raise ShapeError(f"boxes must be [boxes, 4], got {boxes}")
    if scores.rank != 1 or dims_equal(scores.dims[0], boxes.dims[0]) is False:
        raise ShapeError(f"scores must be [{boxes.dims[0]}], one for each box, got {scores}")
    return typed(INT32, (limit if pad else unknown_dim(),)), TensorType(INT32, ())


def _overlaps(xp: Any, corners: Sequence[Any], areas: Any, k: int) -> Any:
    """Intersection over union of box `k` with every box; 0 for boxes without an area."""
    y1, x1, y2, x2 = corners
    height = xp.minimum(y2, y2[k]) - xp.maximum(y1, y1[k])
    width = xp.minimum(x2, x2[k]) - xp.maximum(x1, x1[k])
    zero = xp.zeros((), dtype=areas.dtype)
    shared = xp.where(xp.logical_and(height > 0, width > 0), height * width, zero)
    union = areas + areas[k] - shared
    solid = xp.logical_and(areas > 0, areas[k] > 0)
    return xp.where(solid, shared / xp.where(solid, union, xp.ones((), dtype=areas.dtype)), zero)


def _suppression_kernel(
    xp: Any, boxes: Any, scores: Any, *, limit: int, overlap: float, least: float, pad: bool
) -> tuple[Any, Any]:
    """The best box, and out with all that overlap it too much; again, until none is left. Of equals the first."""
    if numpy_dtype(boxes).itemsize == 2:
        boxes, scores = converted(xp, boxes, xp.float32), converted(xp, scores, xp.float32)
    rows, columns = (boxes[:, 0], boxes[:, 2]), (boxes[:, 1], boxes[:, 3])
    corners = (xp.minimum(*rows), xp.minimum(*columns), xp.maximum(*rows), xp.maximum(*columns))
    areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
    gone = xp.asarray(-math.inf, dtype=scores.dtype)
    left = xp.where(scores > least, scores, gone)
    places = xp.arange(scores.shape[0], dtype=xp.int64)
    chosen: list[int] = []
    while len(chosen) < min(limit, scores.shape[0]):
        k = int(xp.argmax(left))
        if not float(left[k]) > -math.inf:
            break
        chosen.append(k)
        out = xp.logical_or(_overlaps(xp, corners, areas, k) > overlap, places == k)
        left = xp.where(out, gone, left)
    kept = xp.zeros(limit if pad else len(chosen), dtype=xp.int32)
    if chosen:
        kept[: len(chosen)] = xp.asarray(chosen, dtype=xp.int32)
    return kept, xp.asarray(len(chosen), dtype=xp.int32)


def _suppression_workspace(inputs: Any, outputs: Any, *, limit: int, pad: bool, **attrs: Any) -> int:
    """Bytes of corners, areas, what is left, and overlaps in the making; and of the list of the chosen."""
    n = int(inputs[1].size)
    return 160 * n + 256 * min(limit, n) + 8192


NON_MAX_SUPPRESSION = declare(
    Op(
        "non_max_suppression",
        _infer_suppression,
        _suppression_kernel,
        lambda node, *gs: tuple([F.zeros_like(t) for t in node.inputs]),
        dtype=lambda boxes, scores, *, limit, pad, **attrs: (
            TensorType(INT32, (limit if pad else unknown_dim(),)),
            TensorType(INT32, ()),
        ),
        flops=lambda inputs, outputs, *, limit, **attrs: (
            16 * int(inputs[1].size) * min(limit, int(inputs[1].size))
        ),
        workspace=_suppression_workspace,
        default_name="NonMaxSuppression",
        doc="Boxes of high scores that do not overlap much.",
    )
)


def _suppression(
    op: str,
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    pad: bool,
    name: Any,
) -> tuple[Tensor, ...]:
    a, b = operands2(op, reals(op, boxes), reals(op, scores))
    limit = as_index(static_ints(max_output_size, f"{op}: max_output_size"), f"{op}: max_output_size")
    if not 0 <= limit <= MAX_NBYTES:
        raise ArgumentError(f"{op}: max_output_size must not be negative, got {shorten(max_output_size)}")
    overlap = python_number(iou_threshold, f"{op}: iou_threshold")
    if not 0 <= overlap <= 1:
        raise ArgumentError(f"{op}: iou_threshold must be from 0 to 1, got {shorten(iou_threshold)}")
    least = python_number(score_threshold, f"{op}: score_threshold")
    if math.isnan(least):
        raise ArgumentError(f"{op}: score_threshold must be a number, got nan")
    attrs = {"limit": limit, "overlap": overlap, "least": least, "pad": pad}
    return make_node(NON_MAX_SUPPRESSION, (a, b), attrs, name).outputs


@public
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = -math.inf,
    name: str | None = None,
) -> Tensor:
    """Which boxes to keep so that none overlaps a better one too much: int32[count], from the best on. A primitive: how
    many there are depends on the values.

    boxes: [n, 4]; scores: [n]. Boxes with a score of `score_threshold` or below, or NaN, are left out; then the best
    is kept, and all whose intersection over union with it is more than `iou_threshold` are not, until there are
    `max_output_size`. Of equal scores the first box counts as better.
    Raises ArgumentError for a threshold outside [0, 1] or a negative size, ShapeError for other shapes.
    """
    return _suppression(
        "non_max_suppression", boxes, scores, max_output_size, iou_threshold, score_threshold, False, name
    )[0]


@public
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = -math.inf,
    pad_to_max_output_size: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """(`non_max_suppression`, how many boxes were kept); with zeros behind, up to `max_output_size`, if asked for.

    So padded the result has a size that is known before the run. Raises as `non_max_suppression`.
    """
    op = "non_max_suppression_padded"
    pad = flag(pad_to_max_output_size, op, "pad_to_max_output_size")
    kept, count = _suppression(op, boxes, scores, max_output_size, iou_threshold, score_threshold, pad, name)
    return kept, count
