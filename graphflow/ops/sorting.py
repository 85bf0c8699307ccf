"""Sorting along an axis, the order that sorts, and the inverse of an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, IndexRangeError, RunError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.extrema import ordered
from graphflow.ops.flat_index import as_indices, stable_argsort
from graphflow.ops.order_keys import order_workspace
from graphflow.ops.philox import converted
from graphflow.ops.sort_kernels import argsort_kernel, sort_kernel, sort_workspace
from graphflow.ops.views import put
from graphflow.types import SUPPORTED, TensorType, as_index, is_floating, normalize_axis

__all__ = ["argsort", "invert_permutation", "sort"]

INT64 = SUPPORTED["int64"]

# --- sort and argsort -----------------------------------------------------------------------------


def _comparisons(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, **attrs: Any
) -> int:
    """n log2(n) comparisons a line."""
    x = inputs[0]
    count = int(x.dims[axis])  # type: ignore[arg-type]  # static by then
    return int(x.size) * max(count - 1, 0).bit_length()  # type: ignore[arg-type]


def _infer_sort(x: TensorType, *, axis: int, descending: bool) -> TensorType:
    normalize_axis(axis, x.rank)
    return x


def _sort_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    x, axis, descending = node.inputs[0], node.attrs["axis"], node.attrs["descending"]
    if not is_floating(x.dtype):
        return (None,)
    order = apply(ARGSORT, x, axis=axis, descending=descending)
    places = apply(ARGSORT, order, axis=axis, descending=False)
    return (F.take_along_axis(g, places, axis),)


SORT = declare(
    Op(
        "sort",
        _infer_sort,
        sort_kernel,
        _sort_vjp,
        Trait.OUT,
        flops=_comparisons,
        workspace=lambda inputs, outputs, axis, descending: sort_workspace(inputs[0], axis, descending),
        doc="Elements in order along an axis.",
    )
)

ARGSORT = declare(
    Op(
        "argsort",
        lambda x, *, axis, descending: TensorType(
            INT64, _infer_sort(x, axis=axis, descending=descending).shape
        ),
        argsort_kernel,
        None,
        Trait.OUT,
        dtype=lambda x, *, axis, descending: INT64,
        flops=_comparisons,
        workspace=lambda inputs, outputs, axis, descending: order_workspace(inputs[0], axis),
        doc="Places that sort the elements along an axis.",
    )
)

_DIRECTIONS = {"ASCENDING": False, "DESCENDING": True}


def is_descending(what: str, descending: Any, direction: Any) -> bool:
    """The flag, or what TensorFlow 1's word for it says. Raises ArgumentError for another word."""
    if direction is None:
        return flag(descending, what, "descending")
    if not isinstance(direction, str) or direction.upper() not in _DIRECTIONS:
        raise ArgumentError(
            f"{what}: direction must be 'ASCENDING' or 'DESCENDING', not {shorten(direction)}"
        )
    return _DIRECTIONS[direction.upper()]


def _along(
    op: Op, x: Any, axis: Any, descending: Any, stable: Any, direction: Any, name: str | None
) -> Tensor:
    x = ordered(op.name, x)
    flag(stable, op.name, "stable")
    attrs = {"axis": 0, "descending": is_descending(op.name, descending, direction)}
    if axis is None:
        with composition(op.name if name is None else name):
            return make_node(op, (F.flatten(x),), attrs).outputs[0]
    axes = axis_attr(op.name, as_index(axis, f"{op.name}: axis"), x)
    attrs["axis"] = axes[0] if axes else 0
    return make_node(op, (x,), attrs, name).outputs[0]


@public
def sort(
    x: Any,
    axis: int | None = -1,
    descending: bool = False,
    stable: bool = True,
    direction: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The elements of `x` in order along `axis`, the least first; of the flattened tensor for an axis of None.

    NaN counts as greater than everything, so it comes last, or first if `descending`. Equal elements (that is,
    zeros of two signs) keep their order, whatever `stable` says. direction: TensorFlow 1's "ASCENDING" or
    "DESCENDING". The gradient goes back to where each element came from. A primitive: NumPy and CuPy have it.
    Raises ArgumentError for an axis out of range, which for a scalar is every one, DTypeError for complex `x`.
    """
    return _along(SORT, x, axis, descending, stable, direction, name)


@public
def argsort(
    x: Any,
    axis: int | None = -1,
    descending: bool = False,
    stable: bool = True,
    direction: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The places, int64, that sort `x` along `axis`: `take_along_axis(x, argsort(x, axis), axis)` is `sort(x, axis)`.

    Equal elements keep their order, also if `descending`, and so do NaNs; `stable=False` changes nothing.
    Otherwise as `sort`. A primitive: NumPy and CuPy have it.
    """
    return _along(ARGSORT, x, axis, descending, stable, direction, name)


# --- invert_permutation ---------------------------------------------------------------------------


def _infer_inverse(x: TensorType) -> TensorType:
    if x.rank != 1:
        raise ShapeError(f"x must be a vector, got {x}")
    return x


def _inverse_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    count = x.shape[0]
    if count:
        low, high = int(xp.min(x)), int(xp.max(x))
        if low < 0 or high >= count:
            raise IndexRangeError(
                f"invert_permutation: {low if low < 0 else high} is not among 0 to {count - 1}, "
                f"of which a permutation of {count} elements is made"
            )
    if xp is np:
        met = np.zeros(count, np.bool_)
        met[x] = True
        _refuse_missing(xp, met)
        result = np.empty(x.shape, x.dtype) if out is None else out
        result[x] = np.arange(count, dtype=x.dtype)
        return result
    order = stable_argsort(xp, x)
    _refuse_missing(xp, xp.take(x, order) == xp.arange(count, dtype=x.dtype))
    order = converted(xp, order, x.dtype)
    return order if out is None else put(xp, order, out)


def _refuse_missing(xp: Any, met: Any) -> None:
    """With as many values as places, one that never occurs means another that occurs twice."""
    if not bool(xp.all(met)):
        first = int(xp.argmin(converted(xp, met, xp.int8)))
        raise RunError(
            f"invert_permutation: values occur more than once, and so {first} does not occur at all"
        )


INVERT_PERMUTATION = declare(
    Op(
        "invert_permutation",
        _infer_inverse,
        _inverse_kernel,
        lambda node, g: (None,),
        Trait.OUT | Trait.FALLIBLE,
        workspace=lambda inputs, outputs: 9 * int(inputs[0].size),
        doc="Where each value of a permutation stands.",
    )
)


@public
def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The vector y with y[x[i]] = i, of the integer dtype of `x`, which holds each of 0 to n - 1 once.

    A primitive: one scattered write. Raises DTypeError for what is no integer, ShapeError for what is no vector;
    at the run IndexRangeError for a value out of range, RunError for one that occurs twice.
    """
    return make_node(INVERT_PERMUTATION, (as_indices("invert_permutation", x, "x"),), {}, name).outputs[0]
