"""Counts of integers and of pairs of them: `bincount` and `confusion_matrix`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError
from graphflow.graph import Tensor, make_node
from graphflow.op import OPS, F, Op, Trait, declare, public
from graphflow.ops.arguments import one_dim, typed
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import CONSTANT
from graphflow.ops.count_kernels import bincount_kernel, bincount_workspace, checked_classes, counted
from graphflow.ops.flat_index import as_indices, must_equal
from graphflow.ops.philox import converted
from graphflow.ops.ufunc import numbers
from graphflow.types import (
    SUPPORTED,
    DimLike,
    TensorType,
    as_dtype,
    dims_equal,
    is_floating,
    is_integer,
    unknown_dim,
)

__all__ = ["bincount", "confusion_matrix"]

INT64 = SUPPORTED["int64"]


def size_argument(what: str, value: Any) -> DimLike:
    """A size of at least 0. Raises ArgumentError for a negative one, ShapeError for what is none."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value < 0:
        raise ArgumentError(f"{what} must not be negative, got {value}")
    return one_dim(value, what)


def _not_negative(what: str, x: Tensor) -> Tensor:
    """Refuse negative integers that are known now."""
    if x.op.op is CONSTANT:
        array = x.op.attrs["value"].array
        if array.size and int(array.min()) < 0:
            raise ArgumentError(f"{what} must not be negative, got {int(array.min())}")
    return x


def _element_count(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    return int(inputs[0].size)  # type: ignore[arg-type]  # static by then


# --- bincount -------------------------------------------------------------------------------------


def _infer_bincount(
    x: TensorType, *weights: TensorType, minlength: DimLike, maxlength: DimLike | None
) -> TensorType:
    for w in weights:
        if x.shape is not None and w.shape is not None:
            must_equal(w, x.dims, "weights")
    fixed = maxlength is not None and dims_equal(minlength, maxlength)
    return typed(weights[0].dtype if weights else INT64, (minlength if fixed else unknown_dim(),))


def _bincount_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    if len(node.inputs) == 1 or not is_floating(g.dtype):
        return (None,) * len(node.inputs)
    x = node.inputs[0]
    if node.attrs["maxlength"] is None:
        return None, F.take(g, x, 0)
    counted_all = F.concat([g, F.zeros((1,), g.dtype)], 0)  # what is not counted picks the 0 behind
    return None, F.take(counted_all, F.minimum(F.cast(x, INT64), F.size(g)), 0)


BINCOUNT = declare(
    Op(
        "bincount",
        _infer_bincount,
        bincount_kernel,
        _bincount_vjp,
        Trait.FALLIBLE,
        dtype=_infer_bincount,
        flops=_element_count,
        workspace=bincount_workspace,
        default_name="Bincount",
        doc="How often each integer occurs, or the sum of the weights of its places.",
    )
)


@public
def bincount(
    x: Any, weights: Any = None, minlength: Any = 0, maxlength: Any = None, name: str | None = None
) -> Tensor:
    """How often each of 0, 1, ... occurs in the integers `x` of any shape, int64[max(x) + 1].

    weights: numbers in the shape of `x`; the result then has their sums, in their dtype (16- and 32-bit floats are
    added in double precision under NumPy), and gradients flow to them. minlength: the least length of the result,
    padded with zeros. maxlength: its greatest; what is beyond is not counted. Where both are the same the length
    is known before the run. A primitive: NumPy and CuPy have it; weights are added in an order that never changes.
    Raises ArgumentError for negative lengths, or a negative element that is known now, RunError for one at the
    run, DTypeError for an `x` of no integers, ShapeError for weights of another shape.
    """
    line = _not_negative("bincount: x", as_indices("bincount", x, "x"))
    inputs = (line,) if weights is None else (line, numbers("bincount", weights))
    least = size_argument("bincount: minlength", 0 if minlength is None else minlength)
    most = None if maxlength is None else size_argument("bincount: maxlength", maxlength)
    if isinstance(least, int) and isinstance(most, int) and least > most:
        raise ArgumentError(f"bincount: minlength {least} is more than maxlength {most}")
    return make_node(BINCOUNT, inputs, {"minlength": least, "maxlength": most}, name).outputs[0]


# --- confusion_matrix -----------------------------------------------------------------------------


def _infer_confusion(
    labels: TensorType,
    predictions: TensorType,
    *weights: TensorType,
    num_classes: DimLike | None,
    dtype: np.dtype[Any],
) -> TensorType:
    for t, what in ((predictions, "predictions"), *[(w, "weights") for w in weights]):
        if t.shape is not None and labels.shape is not None:
            must_equal(t, labels.dims, what)
    size = unknown_dim() if num_classes is None else num_classes
    return typed(dtype, (size, size))


def _confusion_kernel(
    xp: Any, labels: Any, predictions: Any, *weights: Any, num_classes: int | None, dtype: np.dtype[Any]
) -> Any:
    rows, columns = [converted(xp, xp.reshape(t, (-1,)), xp.int64) for t in (labels, predictions)]
    shares = xp.reshape(weights[0], (-1,)) if weights else None
    lines = {"labels": rows, "predictions": columns}
    size = checked_classes(xp, "confusion_matrix", lines, num_classes)
    pairs = rows * size
    pairs += columns
    matrix = xp.reshape(counted(xp, pairs, shares, size * size), (size, size))
    return converted(xp, matrix, dtype_of(xp, dtype))


def _confusion_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    labels, predictions, *weights = node.inputs
    if not weights or not is_floating(g.dtype):
        return (None,) * len(node.inputs)
    share: Tensor = make_node(OPS["take"], (g, labels, predictions), {"axis": 0}).outputs[0]
    return None, None, share


def _confusion_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """Classes as 64 bits, the places of pairs, wide weights; the counts before they have their dtype."""
    size, cells = int(inputs[0].size), int(outputs[0].size)  # type: ignore[arg-type]  # static here
    converted_classes = sum([8 for t in inputs[:2] if t.dtype.itemsize < 8])
    wide = sum([8 for t in inputs[2:] if is_floating(t.dtype) and t.dtype.itemsize < 8])
    return size * (8 + converted_classes + wide) + 16 * cells


CONFUSION_MATRIX = declare(
    Op(
        "confusion_matrix",
        _infer_confusion,
        _confusion_kernel,
        _confusion_vjp,
        Trait.FALLIBLE,
        dtype=_infer_confusion,
        flops=_element_count,
        workspace=_confusion_workspace,
        doc="How often each pair of a label and a prediction occurs.",
    )
)


@public
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = None,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """How often class i was predicted as class j, at [i, j]: [num_classes, num_classes].

    labels, predictions: integers from 0 on, of one shape. num_classes: one more than the greatest of them, found at
    the run, where left out. weights: numbers in that shape, added up instead of ones. dtype: int64, or that of the
    weights, where left out. A primitive: a `bincount` of pairs, with a check of both.
    Raises ShapeError for shapes that differ, DTypeError for classes that are no integers; RunError at the run for a
    class that is negative or not below `num_classes`.
    """
    what = "confusion_matrix"
    rows, columns = as_indices(what, labels, "labels"), as_indices(what, predictions, "predictions")
    size = None if num_classes is None else size_argument(f"{what}: num_classes", num_classes)
    inputs, own = (rows, columns), INT64 if dtype is None else as_dtype(dtype)
    if not (is_integer(own) or is_floating(own)):
        raise DTypeError(f"{what}: dtype must be a numeric type, not {own.name}")
    if weights is not None:
        shares = numbers(what, weights)
        own = shares.type.dtype if dtype is None else own
        inputs = (rows, columns, F.cast(shares, own))  # type: ignore[assignment]
    return make_node(CONFUSION_MATRIX, inputs, {"num_classes": size, "dtype": own}, name).outputs[0]
