"""Relatives of softmax: softmin, and sparsemax, whose small probabilities are exactly 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, declare, public
from graphflow.ops.activations import axis_of, softmax
from graphflow.ops.philox import converted
from graphflow.ops.reduction import is_half
from graphflow.ops.ufunc import reals
from graphflow.types import TensorType, as_index, normalize_axis

__all__ = ["softmin", "sparsemax"]


@public
def softmin(x: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """`softmax(-x)` along `axis`, the last one by default. A composition; raises as `softmax`."""
    t = reals("softmin", x)
    with composition("Softmin" if name is None else name) as scope:
        return softmax(-t, axis_of("softmin", axis, None), scope)


# --- sparsemax ------------------------------------------------------------------------------------


def _infer_sparsemax(x: TensorType, *, axis: int) -> TensorType:
    if not x.rank:
        raise ShapeError("x needs an axis, got a scalar")
    size = x.dims[normalize_axis(axis, x.rank)]
    if type(size) is int and size == 0:
        raise ShapeError(f"axis {axis} of {x} is empty")
    return x


def _sparsemax_kernel(xp: Any, x: Any, *, axis: int) -> Any:
    """Sorted downwards, the k largest carry all probability for the last k with 1 + k z_k > z_1 + ... + z_k."""
    wide = converted(xp, x, xp.float32) if xp is np and is_half(x.dtype) else x
    z = wide - xp.max(wide, axis=axis, keepdims=True)
    ordered = xp.flip(xp.sort(z, axis=axis), axis=axis)
    sums = (xp.cumsum if hasattr(xp, "cumsum") else xp.cumulative_sum)(ordered, axis=axis)
    counts = xp.arange(1, x.shape[axis] + 1, dtype=z.dtype)
    counts = xp.reshape(counts, (-1, *[1] * (x.ndim - 1 - axis % x.ndim)))
    kept = 1 + ordered * counts > sums
    number = xp.sum(converted(xp, kept, counts.dtype), axis=axis, keepdims=True)
    total = xp.sum(xp.where(kept, ordered, xp.zeros_like(ordered)), axis=axis, keepdims=True)
    y = z - (total - 1) / number
    y = xp.where(y < 0, xp.zeros_like(y), y)  # not `maximum`: NaN stays
    return converted(xp, y, x.dtype)


def _sparsemax_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """On the support, `g` less its mean there; 0 elsewhere."""
    axis = node.attrs["axis"]
    support = F.cast(F.greater(node.outputs[0], 0), g.type.dtype)
    mean = F.sum(g * support, axis, keepdims=True) / F.sum(support, axis, keepdims=True)
    return ((g - mean) * support,)


def _sparsemax_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int) -> int:
    """Beside `y` while its negative numbers go: five arrays, two masks, two numbers a line, and the counts.

    Of 16-bit floats the input and the result are there in 32 bits too, but not yet the output.
    """
    x = inputs[0]
    size: Any = x.size
    length: Any = x.dims[normalize_axis(axis, x.rank)]
    each = max(x.dtype.itemsize, 4)
    whole = 5 * each + 2 + (2 * each - x.dtype.itemsize if is_half(x.dtype) else 0)
    return whole * size + each * (2 * (size // max(length, 1)) + length) + 4096  # type: ignore[no-any-return]


SPARSEMAX = declare(
    Op(
        "sparsemax",
        _infer_sparsemax,
        _sparsemax_kernel,
        _sparsemax_vjp,
        flops=lambda inputs, outputs, *, axis: 20 * int(outputs[0].size),
        workspace=_sparsemax_nbytes,
        default_name="Sparsemax",
        doc="The nearest probabilities to numbers along an axis.",
    )
)


@public
def sparsemax(x: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """The probabilities along `axis` (the last by default) that are nearest to `x`, many of them exactly 0.

    A primitive: one sort gives the threshold, and the gradient needs the result alone.
    NaN where a maximum is infinite or NaN. Raises ShapeError for an empty axis, ArgumentError for a bad one.
    Source: Martins and Astudillo 2016, algorithm 1.
    """
    t = reals("sparsemax", x)
    along = as_index(axis_of("sparsemax", axis, None), "sparsemax: axis")
    return apply(SPARSEMAX, t, name=name, axis=along)  # type: ignore[no-any-return]
