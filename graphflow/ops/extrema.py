"""The largest and the smallest element over axes, and where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, declare, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.cast import cast
from graphflow.ops.constant import as_tensor
from graphflow.ops.reduction import (
    INT64,
    REDUCTION,
    Axes,
    Axis,
    Reduction,
    folded,
    input_size,
    reduce,
    restored,
    sum,
    unranked,
)
from graphflow.types import TensorType, as_index, is_floating, normalize_axes, normalize_axis

__all__ = ["argmax", "argmin", "max", "min"]


# --- max and min -----------------------------------------------------------------------------------


def not_empty(x: TensorType, axis: Axes) -> None:
    """Raise ShapeError if a folded axis has size 0, for which the result has no value."""
    for a in normalize_axes(axis, x.rank):
        if type(x.dims[a]) is int and x.dims[a] == 0:
            raise ShapeError(f"axis {a} of {x} is empty, and nothing at all has no such element")


def _infer_extreme(x: TensorType, *, axis: Axes, keepdims: bool) -> TensorType:
    shape = folded(x, axis, keepdims)
    not_empty(x, axis)
    return TensorType(x.dtype, shape)


def _extreme_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    """The gradient in equal shares to all elements that are the extreme; NaN where that is NaN, which equals none."""
    x, y = node.inputs[0], node.outputs[0]
    axis, keepdims = node.attrs["axis"], node.attrs["keepdims"]
    if not is_floating(x.dtype):
        return (None,)
    chosen = F.equal(x, restored(y, axis, keepdims))
    count = cast(sum(chosen, axis, keepdims), x.dtype)
    share, rest = restored(g / count, axis, keepdims), restored(0 / count, axis, keepdims)
    return (F.where(chosen, share, rest),)


def _extreme(name: str, doc: str) -> Op:
    return declare(
        Op(
            name,
            _infer_extreme,
            Reduction(name),
            _extreme_vjp,
            REDUCTION,
            dtype=lambda x, *, axis, keepdims: TensorType(x.dtype, unranked(axis, keepdims)),
            flops=input_size,
            default_name=name.capitalize(),
            doc=doc,
        )
    )


MAX = _extreme("max", "Largest element over axes.")
MIN = _extreme("min", "Smallest element over axes.")


def ordered(what: str, x: Any) -> Tensor:
    """`x` as a tensor whose elements have an order. Raises DTypeError for complex ones."""
    tensor = as_tensor(x)
    if tensor.type.dtype.kind == "c":
        raise DTypeError(f"{what}: {tensor!r} is complex, and complex numbers have no order; take gf.abs(x)")
    return tensor


@public
def max(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The largest element over `axis`; NaN if one of them is NaN.

    The gradient goes in equal shares to all elements that are the largest.
    Raises ShapeError for an empty axis, DTypeError for complex `x`, ArgumentError for a bad axis.
    """
    return reduce(MAX, ordered("max", x), axis, keepdims, name)


@public
def min(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The smallest element over `axis`; NaN if one of them is NaN.

    The gradient goes in equal shares to all elements that are the smallest.
    Raises ShapeError for an empty axis, DTypeError for complex `x`, ArgumentError for a bad axis.
    """
    return reduce(MIN, ordered("min", x), axis, keepdims, name)


# --- argmax and argmin ----------------------------------------------------------------------------


def _infer_position(x: TensorType, *, axis: int | None, keepdims: bool) -> TensorType:
    axes = None if axis is None else (normalize_axis(axis, x.rank),)
    not_empty(x, axes)
    return TensorType(INT64, folded(x, axes, keepdims))


def _turned_nbytes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: Any, **attrs: Any
) -> int:
    """NumPy copies what it looks through along another axis than the last."""
    x = inputs[0]
    along = x.rank - 1 if axis is None else normalize_axis(axis, x.rank)
    moves = x.rank > 0 and x.dims[along] != 1 and any(d != 1 for d in x.dims[along + 1 :])
    return (x.nbytes or 0) if moves else 0


def _position(name: str, doc: str) -> Op:
    return declare(
        Op(
            name,
            _infer_position,
            Reduction(name),
            None,
            REDUCTION,
            dtype=lambda x, *, axis, keepdims: TensorType(
                INT64, unranked(None if axis is None else (axis,), keepdims)
            ),
            flops=input_size,
            workspace=_turned_nbytes,
            default_name=name.capitalize(),
            doc=doc,
        )
    )


ARGMAX = _position("argmax", "Index of the largest element along an axis.")
ARGMIN = _position("argmin", "Index of the smallest element along an axis.")


def _located(op: Op, x: Any, axis: int | None, keepdims: bool, name: str | None) -> Tensor:
    x = ordered(op.name, x)
    axes = None if axis is None else axis_attr(op.name, as_index(axis, f"{op.name}: axis"), x)
    attrs = {"axis": None if axes is None else axes[0], "keepdims": flag(keepdims, op.name, "keepdims")}
    return make_node(op, (x,), attrs, name).outputs[0]


@public
def argmax(x: Any, axis: int | None = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The index of the first largest element along `axis`, or in the flattened tensor; int64.

    A NaN counts as the largest. Raises ShapeError for an empty axis, ArgumentError for a bad one.
    """
    return _located(ARGMAX, x, axis, keepdims, name)


@public
def argmin(x: Any, axis: int | None = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The index of the first smallest element along `axis`, or in the flattened tensor; int64.

    A NaN counts as the smallest. Raises ShapeError for an empty axis, ArgumentError for a bad one.
    """
    return _located(ARGMIN, x, axis, keepdims, name)
