"""Placeholders: tensors whose value the caller supplies at each run."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.types import Shape, TensorType, as_dtype, shape_from_user

__all__ = ["placeholder"]


def _infer_placeholder(*, dtype: np.dtype[Any], shape: Shape | None) -> TensorType:
    return TensorType(dtype, shape)


PLACEHOLDER = declare(
    Op(
        "placeholder",
        _infer_placeholder,
        traits=Trait.SOURCE | Trait.STATEFUL,
        vjp=lambda node, g: (),
        flops=lambda inputs, outputs, dtype, shape: 0,
        default_name="Placeholder",
        doc="A value that the caller supplies at each run.",
    )
)


@public
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor that must be fed.

    dtype: the element type; a feed of the same or a narrower kind is converted.
    shape: a sequence of ints, names (`"batch"`: one size wherever the name occurs) and None (any
        size). Left out: any rank.
    Raises DTypeError for what is no dtype, ShapeError for what is no shape.
    """
    dims = None if shape is None else shape_from_user(shape, unknown=True)
    return make_node(PLACEHOLDER, (), {"dtype": as_dtype(dtype), "shape": dims}, name).outputs[0]
