"""Sizes as data: the ops `shape`, `size` and `rank`, which read the type of a tensor and never its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr
from graphflow.ops.constant import as_tensor
from graphflow.types import SUPPORTED, TensorType, normalize_axes, unknown_dim

__all__ = ["rank", "shape", "size"]

INT64 = SUPPORTED["int64"]


def _vector(xp: Any, values: Any) -> Any:
    return xp.asarray(values, dtype=xp.int64)


SHAPE = declare(
    Op(
        "shape",
        lambda x: TensorType(INT64, (x.rank,)),
        lambda xp, x: _vector(xp, list(x.shape)),
        lambda node, g: (None,),
        Trait.SHAPE_ONLY,
        dtype=lambda x: TensorType(INT64, (unknown_dim(),)),
        flops=lambda inputs, outputs: 0,
        default_name="Shape",
        takes_strings=True,
        doc="The sizes of all axes.",
    )
)


def _infer_size(x: TensorType, *, axis: tuple[int, ...] | None) -> TensorType:
    normalize_axes(axis, x.rank)
    return TensorType(INT64, ())


SIZE = declare(
    Op(
        "size",
        _infer_size,
        lambda xp, x, *, axis: _vector(
            xp, math.prod(x.shape) if axis is None else math.prod(x.shape[a] for a in axis)
        ),
        lambda node, g: (None,),
        Trait.SHAPE_ONLY,
        dtype=lambda x, *, axis: TensorType(INT64, ()),
        flops=lambda inputs, outputs, axis: 0,
        default_name="Size",
        takes_strings=True,
        doc="The number of elements, or the product of the sizes of some axes.",
    )
)

RANK = declare(
    Op(
        "rank",
        lambda x: TensorType(INT64, ()),
        lambda xp, x: _vector(xp, x.ndim),
        lambda node, g: (None,),
        Trait.SHAPE_ONLY,
        dtype=lambda x: TensorType(INT64, ()),
        flops=lambda inputs, outputs: 0,
        default_name="Rank",
        doc="The number of axes.",
    )
)


@public
def shape(x: Any, name: str | None = None) -> Tensor:
    """The sizes of `x` as a tensor, int64[rank]: a constant where they are known now, else found at the run.

    Needs no value of `x`, only its type. Where a shape is asked for, `shape(x)[0]` stands for that
    dimension, so that unknown sizes can be passed on.
    """
    x = as_tensor(x)
    if x.type.is_static:
        return F.constant(np.array(x.type.shape, np.int64), name="Shape" if name is None else name)  # type: ignore[no-any-return]
    return make_node(SHAPE, (x,), {}, name).outputs[0]


@public
def size(x: Any, axis: int | Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """The number of elements of `x` along `axis` (all axes where left out), an int64 scalar.

    Needs only the type of `x`. Raises ArgumentError for an axis that is repeated or out of range.
    """
    x = as_tensor(x)
    axes = axis_attr("size", axis, x)
    if x.type.is_static:
        dims = x.type.dims
        total = math.prod(int(dims[a]) for a in normalize_axes(axes, len(dims)))
        return F.constant(np.int64(total), name="Size" if name is None else name)  # type: ignore[no-any-return]
    return make_node(SIZE, (x,), {"axis": axes}, name).outputs[0]


@public
def rank(x: Any, name: str | None = None) -> Tensor:
    """The number of axes of `x`, an int64 scalar: a constant where the rank is known now."""
    x = as_tensor(x)
    if x.type.shape is not None:
        return F.constant(np.int64(x.type.rank), name="Rank" if name is None else name)  # type: ignore[no-any-return]
    return make_node(RANK, (x,), {}, name).outputs[0]
