"""The greatest elements of each line: `top_k`, `nth_element`, `in_top_k`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, declare, public
from graphflow.ops.arguments import flag, one_dim, typed
from graphflow.ops.extrema import ordered
from graphflow.ops.flat_index import as_indices
from graphflow.ops.order_keys import group_of, groups
from graphflow.ops.scatter_ops import scatter_along_like
from graphflow.ops.sort_kernels import sort_kernel, sort_workspace
from graphflow.ops.top_kernels import top_k_kernel, top_k_workspace
from graphflow.types import SUPPORTED, DimLike, TensorType, as_index, dims_equal, is_floating

__all__ = ["in_top_k", "nth_element", "top_k"]

INT64 = SUPPORTED["int64"]

# --- top_k ----------------------------------------------------------------------------------------


def _line_length(x: TensorType) -> DimLike:
    if not x.rank:
        raise ShapeError(f"{x} is a scalar and has no last axis")
    return x.dims[-1]


def _infer_top(x: TensorType, *, k: DimLike) -> tuple[TensorType, TensorType]:
    count = _line_length(x)
    if isinstance(k, int) and isinstance(count, int) and k > count:
        raise ArgumentError(f"k = {k} is more than the {count} elements of the last axis of {x}")
    dims = (*x.dims[:-1], k)
    return typed(x.dtype, dims), typed(INT64, dims)


def _top_vjp(node: Any, g: Tensor | None, g_places: Any) -> tuple[Tensor | None]:
    x = node.inputs[0]
    if g is None or not is_floating(x.dtype):
        return (None,)
    return (scatter_along_like(x, g, node.outputs[1], -1),)


TOP_K = declare(
    Op(
        "top_k",
        _infer_top,
        top_k_kernel,
        _top_vjp,
        dtype=lambda x, *, k: (x.dtype, INT64),
        flops=lambda inputs, outputs, k: int(inputs[0].size),
        workspace=top_k_workspace,
        default_name="TopKV2",
        doc="The greatest elements of each line, and their places.",
    )
)


@public
def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The `k` greatest elements along the last axis, the greatest first, and their places, int64.

    Both have the shape input.shape[:-1] + [k]. Of equal elements those in front are taken and come first; NaN
    counts as greater than everything. k: an int or a size taken from `gf.shape`. sorted: False allows any order,
    and gets this one too. The gradient goes to the places. A primitive: found without sorting everything.
    Raises ArgumentError for a negative `k` or one above the size of the axis, ShapeError for a scalar,
    DTypeError for complex numbers.
    """
    x = ordered("top_k", input)
    flag(sorted, "top_k", "sorted")
    values, places = make_node(TOP_K, (x,), {"k": _count("top_k: k", k)}, name).outputs
    return values, places


def _count(what: str, value: Any) -> DimLike:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value < 0:
        raise ArgumentError(f"{what} must not be negative, got {value}")
    return one_dim(value, what)


# --- nth_element ----------------------------------------------------------------------------------


def _infer_nth(x: TensorType, *, n: DimLike, reverse: bool) -> TensorType:
    count = _line_length(x)
    if isinstance(n, int) and isinstance(count, int) and n >= count:
        raise ArgumentError(f"n = {n} is out of range for the {count} elements of the last axis of {x}")
    return TensorType(x.dtype, x.dims[:-1])


def _nth_kernel(xp: Any, x: Any, *, n: int, reverse: bool) -> Any:
    place = x.shape[-1] - 1 - n if reverse else n
    if xp is not np:
        return xp.asarray(sort_kernel(xp, x, axis=-1, descending=False)[..., place], copy=True)
    result = np.empty(x.shape[:-1], x.dtype)
    for at in groups(x.shape):
        lines = x[at]
        if x.dtype.itemsize > 2:
            ordered_lines = np.partition(lines, place, axis=-1)
        else:
            ordered_lines = sort_kernel(np, lines, axis=-1, descending=False)
        result[at] = ordered_lines[..., place]
        del ordered_lines
    return result


def _nth_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """A group of lines, partitioned or sorted."""
    lines = group_of(inputs[0])
    sorting = sort_workspace(lines, 1, False) if lines.dtype.itemsize <= 2 else 0
    return int(lines.nbytes or 0) + sorting


def _nth_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    """In equal shares to all elements that equal it, as for `max`."""
    x, y = node.inputs[0], node.outputs[0]
    if not is_floating(x.dtype):
        return (None,)
    chosen = F.cast(F.equal(x, F.expand_dims(y, -1)), x.dtype)
    return (chosen * F.expand_dims(g / F.sum(chosen, -1), -1),)


NTH_ELEMENT = declare(
    Op(
        "nth_element",
        _infer_nth,
        _nth_kernel,
        _nth_vjp,
        flops=lambda inputs, outputs, n, reverse: int(inputs[0].size),
        workspace=_nth_workspace,
        default_name="NthElement",
        doc="The n-th smallest element of each line.",
    )
)


@public
def nth_element(input: Any, n: Any, reverse: bool = False, name: str | None = None) -> Tensor:
    """The `n`-th smallest element along the last axis, counted from 0; the n-th greatest with `reverse`.

    NaN counts as greater than everything. n: an int or a size taken from `gf.shape`. The gradient goes in equal
    shares to all elements that equal it. A primitive: a partition, where sorting would do too much.
    Raises ArgumentError for an `n` out of range, ShapeError for a scalar, DTypeError for complex numbers.
    """
    x = ordered("nth_element", input)
    attrs = {"n": _count("nth_element: n", n), "reverse": flag(reverse, "nth_element", "reverse")}
    return make_node(NTH_ELEMENT, (x,), attrs, name).outputs[0]


# --- in_top_k -------------------------------------------------------------------------------------


@public
def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether the class of each row is among the `k` best predicted ones, bool[batch]. A composition.

    predictions: floats[batch, classes]. targets: integers[batch]; one that is no class gives False. As in
    TensorFlow, classes level with the k-th are all in, and a row with an infinity or a NaN gives False.
    Raises ShapeError for other shapes, DTypeError for other dtypes.
    """
    scores, target = ordered("in_top_k", predictions), as_indices("in_top_k", targets, "targets")
    if not is_floating(scores.type.dtype):
        raise DTypeError(f"in_top_k: predictions must be floating, got {scores.type}")
    for t, rank, what in ((scores, 2, "predictions"), (target, 1, "targets")):
        if t.type.shape is not None and len(t.type.shape) != rank:
            raise ShapeError(
                f"in_top_k: {what} must have {rank} {'axis' if rank == 1 else 'axes'}, got {t.type}"
            )
    if scores.type.shape and target.type.shape:
        if dims_equal(scores.type.shape[0], target.type.shape[0]) is False:
            raise ShapeError(f"in_top_k: predictions {scores.type} and targets {target.type} differ in rows")
    limit = (
        as_indices("in_top_k", k, "k")
        if hasattr(type(k), "__graphflow_tensor__")
        else as_index(k, "in_top_k: k")
    )
    with composition("in_top_k" if name is None else name):
        wide = F.cast(target, INT64)
        valid = F.logical_and(F.greater_equal(wide, 0), F.less(wide, F.shape(scores)[1]))
        own = F.take_along_axis(scores, F.expand_dims(F.where(valid, wide, 0), 1), 1)
        better = F.sum(F.greater(scores, own), 1)
        sure = F.logical_and(valid, F.all(F.isfinite(scores), 1))
        result: Tensor = F.logical_and(sure, F.less(better, limit))
    return result
