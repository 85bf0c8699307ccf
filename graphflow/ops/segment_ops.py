"""The ops below the segment functions: folding rows, counting them, and handing rows back to their elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.arguments import known_shape, typed
from graphflow.ops.flat_index import CHUNK
from graphflow.ops.segment_folds import fold_nbytes
from graphflow.ops.segment_kernels import (
    counts_nbytes,
    counts_of_segments,
    segment_kernel,
    spread_kernel,
)
from graphflow.types import DimLike, Shape, TensorType, dims_equal, is_floating, unknown_dim

__all__ = ["SEGMENT", "SEGMENT_COUNTS", "fold", "spread"]


def _segments(
    data: TensorType, ids: TensorType, given: Sequence[TensorType], num: DimLike | None, in_order: bool
) -> tuple[DimLike, Shape]:
    """The number of segments and the shape of a row. Raises ShapeError for ids that do not fit."""
    if in_order and ids.rank != 1:
        raise ShapeError(f"segment_ids must be a vector, got {ids}")
    if ids.rank > data.rank or any(
        dims_equal(a, b) is False for a, b in zip(ids.dims, data.dims, strict=False)
    ):
        where = "first axis" if in_order else "first axes"
        raise ShapeError(f"segment_ids {ids} must have the {where} of data {data}")
    if given and given[0].rank:
        raise ShapeError(f"num_segments must be a scalar, got {given[0]}")
    count = unknown_dim() if given or num is None else num
    return count, data.dims[ids.rank :]


def _infer_segment(
    data: TensorType,
    ids: TensorType,
    *given: TensorType,
    mode: str,
    in_order: bool,
    num: DimLike | None,
) -> TensorType:
    count, rest = _segments(data, ids, given, num, in_order)
    return typed(data.dtype, (count, *rest))


def fold(like: Any, data: Tensor, mode: str) -> Tensor:
    """Other data folded as that of the node `like`: by the same ids into as many segments."""
    attrs = {**like.attrs, "mode": mode}
    return make_node(SEGMENT, (data, *like.inputs[1:]), attrs).outputs[0]


def _segment_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, ids = node.inputs[:2]
    y, mode = node.outputs[0], node.attrs["mode"]
    none = (None,) * (len(node.inputs) - 1)
    if not is_floating(x.dtype):
        return (None, *none)
    if mode == "sum":
        return (spread(g, ids), *none)
    if mode == "prod":
        return (spread(g, ids) * F.conj(_others(node, x, ids, y)), *none)
    chosen = F.equal(x, spread(y, ids))
    count = fold(node, F.cast(chosen, x.dtype), "sum")
    share = g / F.where(F.equal(count, 0), 1, count)
    return (F.where(chosen, spread(share, ids), 0), *none)


def _others(node: Any, x: Tensor, ids: Tensor, y: Tensor) -> Tensor:
    """For each element the product of the others of its segment, by division, but for zeros.

    Exact to any order unless two or more elements of a segment are zero; then to first order.
    """
    zero = F.equal(x, 0)
    nonzero = F.where(zero, 1, x)
    zeros = fold(node, F.cast(zero, x.dtype), "sum")
    rest = spread(fold(node, nonzero, "prod"), ids)
    only = F.equal(spread(zeros, ids), 1)
    others: Tensor = F.where(zero, F.where(only, rest, 0), spread(y, ids) / nonzero)
    return others


SEGMENT = declare(
    Op(
        "segment",
        _infer_segment,
        segment_kernel,
        _segment_vjp,
        Trait.OUT | Trait.FALLIBLE,
        dtype=lambda data, ids, *given, mode, in_order, num: TensorType(data.dtype, None),
        flops=lambda inputs, outputs, **attrs: int(inputs[0].size),
        workspace=lambda inputs, outputs, *, mode, in_order, **attrs: fold_nbytes(
            inputs[0], inputs[1], outputs[0], mode, in_order
        ),
        doc="The rows of each segment folded into one: their sum, product, maximum or minimum.",
    )
)


# --- counts ---------------------------------------------------------------------------------------


def _infer_counts(
    data: TensorType,
    ids: TensorType,
    *given: TensorType,
    in_order: bool,
    num: DimLike | None,
    dtype: np.dtype[Any],
) -> TensorType:
    count, rest = _segments(data, ids, given, num, in_order)
    return TensorType(dtype, (count, *[1] * len(rest)))


SEGMENT_COUNTS = declare(
    Op(
        "segment_counts",
        _infer_counts,
        counts_of_segments,
        None,
        Trait.FALLIBLE,
        dtype=lambda data, ids, *given, in_order, num, dtype: TensorType(dtype, None),
        flops=lambda inputs, outputs, **attrs: int(inputs[1].size),
        workspace=lambda inputs, outputs, *, in_order, **attrs: counts_nbytes(
            inputs[1], outputs[0], in_order
        ),
        no_gradient="a number of rows changes in steps",
        doc="The number of rows in each segment, in a shape that broadcasts with their fold.",
    )
)


# --- handing back ---------------------------------------------------------------------------------


def _spread_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, None]:
    x, ids = node.inputs
    if not is_floating(x.dtype):
        return None, None
    shape = known_shape(x)
    given = () if shape is not None else (F.size(x, 0),)
    attrs = {"mode": "sum", "in_order": False, "num": None if shape is None else shape[0]}
    return make_node(SEGMENT, (g, ids, *given), attrs).outputs[0], None


def _spread_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Ids as 64-bit integers; of a piece of them a copy, if they are a constant, and which are negative; strided rows."""
    x, ids = inputs
    count: Any = ids.size
    wide = 0 if ids.dtype.itemsize == 8 else 8 * count
    return int(wide + 10 * min(count, CHUNK) + (x.nbytes or 0))


SEGMENT_SPREAD = declare(
    Op(
        "segment_spread",
        lambda x, ids: typed(x.dtype, (*ids.dims, *x.dims[1:])),
        spread_kernel,
        _spread_vjp,
        Trait.OUT | Trait.FALLIBLE,
        flops=lambda inputs, outputs: 0,
        workspace=_spread_nbytes,
        doc="The row that each segment id names, zeros for a negative one: the adjoint of a segment sum.",
    )
)


def spread(x: Tensor, ids: Tensor) -> Tensor:
    """The row of `x` that each id names, zeros for a negative one."""
    return make_node(SEGMENT_SPREAD, (x, ids), {}).outputs[0]
