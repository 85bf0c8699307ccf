"""Parameters of draws whose every element may have its own: checked, cast, and broadcast to the shape of the draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import dims_argument
from graphflow.ops.constant import constant
from graphflow.ops.philox import hash64
from graphflow.ops.random_node import finite, parameter
from graphflow.ops.random_seed import _checked as checked
from graphflow.types import TensorType

__all__ = [
    "Given",
    "checked_seed",
    "derived_seed",
    "positive_finite",
    "shaped",
    "shaped_for_each",
]


class Given(NamedTuple):
    """A parameter as the user gave it: its name, its value, and which values it may have, also in words."""

    what: str
    value: Any
    check: Callable[[Any], bool]
    rule: str


def positive_finite(what: str, value: Any) -> Given:
    """A parameter above 0, such as a shape or a scale."""
    return Given(what, value, lambda v: finite(v) and bool(np.all(v > 0)), "positive and finite")


def shaped(label: str, shape: Any, dtype: np.dtype[Any], *given: Given) -> list[Tensor]:
    """The parameters as tensors of `dtype` and of the shape of the draw; without `shape`, of their common shape.

    Raises ArgumentError for a known value that is not allowed, DTypeError for a dtype that would have to be narrowed,
    ShapeError for shapes that do not broadcast.
    """
    dims = None if shape is None else dims_argument(shape, f"{label}: shape")
    like = TensorType(dtype, dims)
    tensors = []
    for g in given:
        value = parameter(label, g.what, g.value, like, g.check, g.rule)
        tensors.append(value if isinstance(value, Tensor) else constant(value, dtype))
    if dims is not None:
        return [t if t.type.shape == dims else F.broadcast_to(t, dims) for t in tensors]
    if len(tensors) == 1 or all(t.type.shape == tensors[0].type.shape is not None for t in tensors):
        return tensors
    return list(F.broadcast_arrays(*tensors))


def shaped_for_each(label: str, shape: Any, dtype: np.dtype[Any], *given: Given) -> list[Tensor]:
    """As `shaped`, in TensorFlow 1's shape: `shape` draws for each element of the parameters, [shape + their own].

    Raises ShapeError where the parameters' rank is not known and `shape` is not empty.
    """
    lead = () if shape is None else dims_argument(shape, f"{label}: shape")
    tensors = shaped(label, None, dtype, *given)
    if not lead:
        return tensors
    own = tensors[0].type.shape
    if own is None:
        raise ShapeError(
            f"{label}: the rank of the parameters must be known to put shape {shorten(shape)} before it"
        )
    return [F.broadcast_to(t, (*lead, *own)) for t in tensors]


def checked_seed(label: str, seed: Any) -> Any:
    """A seed, None included. Raises ArgumentError, naming `label`, for what is no int in [0, 2^64)."""
    return None if seed is None else checked(seed, label)


def derived_seed(seed: int | None, place: int) -> int | None:
    """A seed for another random node of the same function: with one seed, both would read the same words."""
    return None if seed is None else hash64(seed, place, (place, place))
