"""What random nodes share: inference, output, and the parameters of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, apply
from graphflow.op import F, Op
from graphflow.ops.arguments import dims_argument, known_shape, typed
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.random_seed import draw_index
from graphflow.ops.sizes import SHAPE
from graphflow.types import Shape, TensorType, as_dtype, default_float, dims_equal, promote

__all__ = [
    "BITS",
    "Like",
    "draw_dtype",
    "finite",
    "flat_output",
    "float_dtype",
    "infer_draw",
    "new_draw",
    "no_gradient",
    "parameter",
    "words_per_element",
]

BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""Random bits of a uniform float: its significand, so that every value below 1 is exact."""


def words_per_element(dtype: np.dtype[Any]) -> int:
    """32-bit words that one float takes."""
    return 2 if dtype.itemsize == 8 else 1


def infer_draw(
    draw: TensorType, like: TensorType | None = None, *, dtype: Any, shape: Any, **attrs: Any
) -> TensorType:
    """The type of a draw: its shape is an attribute, or that of the second input."""
    return typed(dtype, shape if like is None else like.dims)


def draw_dtype(draw: TensorType, like: TensorType | None = None, *, dtype: Any, **attrs: Any) -> Any:
    """The dtype of a draw whose rank is not known."""
    return dtype


def no_gradient(node: Any, g: Tensor) -> tuple[None, ...]:
    """A draw depends on the shape of its inputs at most."""
    return (None,) * len(node.inputs)


def flat_output(xp: Any, like: tuple[Any, ...], shape: Shape, dtype: Any, out: Any) -> tuple[Any, Any, int]:
    """The output array, itself as one axis to be filled in place, and its length."""
    sizes = tuple([int(d) for d in (like[0].shape if like else shape)])  # type: ignore[arg-type]
    if out is None:
        out = xp.empty(sizes, dtype=dtype_of(xp, dtype))
    return out, xp.reshape(out, (-1,)), math.prod(sizes)


class Like:
    """In the place of a shape: a tensor that lends its own."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def new_draw(op: Op, where: Any, dtype: np.dtype[Any], seed: Any, name: str | None, **attrs: Any) -> Tensor:
    """A random node. `where` is a shape argument, or a `Like`, as which `shape(x)` counts too."""
    like = _lender(where)
    shape = dims_argument(where, f"{op.name}: shape") if like is None else known_shape(like)
    key, draw = draw_index(op.name, seed, like)
    inputs = (draw,) if like is None or shape is not None else (draw, like)
    return apply(op, *inputs, name=name, key=key, shape=shape, dtype=dtype, **attrs)  # type: ignore[no-any-return]


def _lender(where: Any) -> Tensor | None:
    """The tensor whose shape is meant, if `where` is one's shape: it then needs no known size, not even a rank."""
    if isinstance(where, Like):
        return where.tensor
    if isinstance(where, Tensor) and where.op.op is SHAPE:
        return where.op.inputs[0]
    return None


def float_dtype(label: str, dtype: Any) -> np.dtype[Any]:
    """A real floating dtype, the default one for None. Raises DTypeError for others."""
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if wanted.name not in BITS:
        raise DTypeError(f"{label}: dtype must be a real floating type, not {wanted.name}")
    return wanted


def parameter(
    label: str, what: str, value: Any, like: TensorType, check: Callable[[Any], bool], rule: str
) -> Any:
    """A distribution's parameter: a Python float, or a tensor of the draw's dtype that broadcasts to its shape.

    check: tells of an array whether all of it is allowed; only values known now are asked. rule: in words.
    Raises ArgumentError for a value that is not allowed, DTypeError for a dtype that would have to be
    narrowed, ShapeError for a shape that does not broadcast to the draw's.
    """
    if not hasattr(type(value), "__graphflow_tensor__"):
        array = as_array(value)
        if array.dtype.kind in "bc" or not check(array.astype(np.float64)):
            raise ArgumentError(f"{label}: {what} must be {rule}, not {shorten(value)}")
        if isinstance(value, (int, float)):
            return float(value)
    tensor = as_tensor(value)
    dtype = tensor.type.dtype
    if dtype.kind in "bc" or (dtype.kind not in "iu" and promote(dtype, like.dtype) != like.dtype):
        raise DTypeError(
            f"{label}: {what} is {tensor.type}, which does not fit a draw of {like.dtype.name}; cast it"
        )
    dims = tensor.type.shape
    if dims is not None and like.shape is not None:
        extra = len(like.shape) - len(dims)
        if extra < 0 or any(
            dims_equal(a, b) is False and not (type(a) is int and a == 1)
            for a, b in zip(dims, like.shape[extra:], strict=True)
        ):
            raise ShapeError(
                f"{label}: {what} is {tensor.type}, which does not broadcast to the draw's {like}"
            )
    return F.cast(tensor, like.dtype)


def finite(array: Any) -> bool:
    """True if every element is a finite number."""
    return bool(np.all(np.isfinite(array)))
