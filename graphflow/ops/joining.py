"""Tensors put together and taken apart along an axis: concat, stack, split, unstack."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, make_node, name_scope
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, items_of, known_shape, static_ints, typed
from graphflow.ops.constant import as_tensor, operands
from graphflow.ops.shape import expand_dims, flatten, squeeze
from graphflow.ops.views import fresh
from graphflow.types import (
    Dim,
    DimLike,
    Shape,
    TensorType,
    as_index,
    dims_equal,
    exact_quotient,
    normalize_axis,
    unknown_dim,
)

__all__ = ["concat", "split", "split_like", "stack", "unstack"]


def tensors_of(values: Any, what: str) -> list[Tensor]:
    """A list of tensors of one dtype from a sequence, or from a tensor taken apart along its first axis."""
    if hasattr(type(values), "__graphflow_tensor__"):
        items = list(unstack(values))
    else:
        items = items_of(values, f"{what}: the tensors")
    if not items:
        raise ArgumentError(f"{what} needs at least one tensor, got none")
    return operands(*items)


def one_axis(what: str, axis: Any, x: Tensor) -> int:
    """One axis as an attribute, non-negative where the rank allows."""
    axes = axis_attr(what, as_index(axis, f"{what}: axis"), x)
    return axes[0] if axes else 0


# --- concat ---------------------------------------------------------------------------------------


def _infer_concat(*types: TensorType, axis: int) -> TensorType:
    first = types[0]
    if first.rank == 0:
        raise ShapeError("tensors must have at least one axis; use gf.stack for 0-d tensors")
    axis = normalize_axis(axis, first.rank)
    total: DimLike = 0
    dims = list(first.dims)
    for k, t in enumerate(types):
        if t.rank != first.rank:
            raise ShapeError(f"tensors must have the same rank: tensor 0 is {first}, tensor {k} is {t}")
        for a, d in enumerate(t.dims):
            if a == axis:
                total = total + d
            elif dims_equal(d, dims[a]) is False:
                raise ShapeError(
                    f"axis {a} differs: tensor 0 is {first}, tensor {k} is {t} ({dims[a]} != {d})"
                )
            elif isinstance(dims[a], Dim) and isinstance(d, int):
                dims[a] = d
    dims[axis] = total
    return typed(first.dtype, tuple(dims))


def _concat_kernel(xp: Any, *arrays: Any, axis: int, out: Any = None) -> Any:
    if out is None:
        return xp.concat(arrays, axis=axis) if hasattr(xp, "concat") else xp.concatenate(arrays, axis=axis)
    xp.concatenate(arrays, axis=axis, out=out)
    return out


def _concat_vjp(node: Any, g: Tensor) -> Sequence[Tensor]:
    axis = node.attrs["axis"]
    return split_like(g, node.inputs, axis)


CONCAT = declare(
    Op(
        "concat",
        _infer_concat,
        _concat_kernel,
        _concat_vjp,
        Trait.OUT,
        default_name="concat",
        takes_strings=True,
        doc="Tensors one after another along an axis.",
    )
)


@public
def concat(values: Sequence[Any], axis: int | None = 0, name: str | None = None) -> Tensor:
    """The tensors in `values` one after another along `axis`; each flattened first where `axis` is None.

    They are cast to their common dtype. Raises ArgumentError for no tensors or an axis out of range,
    ShapeError for 0-d tensors, different ranks, or another axis that differs.
    """
    tensors = tensors_of(values, "concat")
    if axis is None:
        tensors, axis = [flatten(t) for t in tensors], 0
    ranked = next((t for t in tensors if t.type.shape is not None), tensors[0])
    if ranked.type.shape == ():
        raise ShapeError(f"concat: tensors must have at least one axis, got {ranked!r}; use gf.stack")
    return make_node(CONCAT, tuple(tensors), {"axis": one_axis("concat", axis, ranked)}, name).outputs[0]


@public
def stack(values: Sequence[Any], axis: int = 0, name: str | None = None) -> Tensor:
    """The tensors in `values`, all of one shape, along a new axis at place `axis` of the result. A composition.

    Raises ArgumentError for no tensors or a place outside the result, ShapeError for different shapes.
    """
    tensors = tensors_of(values, "stack")
    first = tensors[0].type
    for k, t in enumerate(tensors):
        if _differ(first, t.type):
            raise ShapeError(
                f"stack: tensors must have one shape: tensor 0 is {tensors[0]!r}, tensor {k} is {t!r}"
            )
    place = as_index(axis, "stack: axis")
    if first.shape is not None:
        place = normalize_axis(place, len(first.shape) + 1, "stack: axis")
    with name_scope("stack" if name is None else name):
        return concat([expand_dims(t, place) for t in tensors], place)


def _differ(a: TensorType, b: TensorType) -> bool:
    if a.shape is None or b.shape is None:
        return False
    if len(a.shape) != len(b.shape):
        return True
    return any(dims_equal(m, n) is False for m, n in zip(a.shape, b.shape, strict=True))


# --- split ----------------------------------------------------------------------------------------


def _infer_split(x: TensorType, *, axis: int, sizes: Shape | int) -> tuple[TensorType, ...]:
    axis = normalize_axis(axis, x.rank)
    whole = x.dims[axis]
    if isinstance(sizes, int):
        each = exact_quotient(whole, sizes)
        if each is None:
            if isinstance(whole, int):
                raise ShapeError(
                    f"axis {axis} of {x} has size {whole}, which does not divide into {sizes} equal parts"
                )
            each = unknown_dim()
        parts: tuple[DimLike, ...] = (each,) * sizes
    else:
        parts = _completed(x, axis, sizes)
    return tuple([TensorType(x.dtype, (*x.dims[:axis], d, *x.dims[axis + 1 :])) for d in parts])


def _completed(x: TensorType, axis: int, sizes: Shape) -> Shape:
    """Sizes with a -1 replaced by what is left. Raises ShapeError unless they add up to the axis."""
    whole = x.dims[axis]
    total: DimLike = 0
    for d in sizes:
        if not (isinstance(d, int) and d == -1):
            total = total + d
    wild = any(isinstance(d, int) and d == -1 for d in sizes)
    left = whole - total
    if (isinstance(left, int) and left < 0) or (not wild and dims_equal(total, whole) is False):
        raise ShapeError(
            f"sizes {shorten(list(sizes))} add up to {total}, but axis {axis} of {x} has size {whole}"
        )
    return tuple([left if isinstance(d, int) and d == -1 else d for d in sizes])


def _cut(xp: Any, x: Any, axis: int, sizes: Sequence[int], out: Any = None) -> Any:
    """Copies of the parts: a tuple, or the array itself if there is one part."""
    lead = (slice(None),) * (axis % x.ndim)
    stops = list(itertools.accumulate(sizes))
    parts = [x[(*lead, slice(b - d, b), ...)] for b, d in zip(stops, sizes, strict=True)]
    if out is None:
        copies = tuple([fresh(xp, part) for part in parts])
        return copies if len(copies) != 1 else copies[0]
    for target, part in zip(out if isinstance(out, tuple) else (out,), parts, strict=True):
        xp.copyto(target, part)
    return out


def _split_kernel(xp: Any, x: Any, *, axis: int, sizes: Any, out: Any = None) -> Any:
    whole = x.shape[axis]
    parts = (whole // sizes,) * sizes if isinstance(sizes, int) else sizes
    if any(d == -1 for d in parts):
        left = whole - sum(d for d in parts if d != -1)
        parts = tuple([left if d == -1 else d for d in parts])
    return _cut(xp, x, axis, parts, out)


def _split_vjp(node: Any, *gs: Tensor | None) -> tuple[Tensor]:
    filled = [F.zeros_like(y) if g is None else g for g, y in zip(gs, node.outputs, strict=True)]
    return (concat(filled, node.attrs["axis"]),)


SPLIT = declare(
    Op(
        "split",
        _infer_split,
        _split_kernel,
        _split_vjp,
        Trait.OUT,
        dtype=lambda x, *, axis, sizes: (x.dtype,) * (sizes if isinstance(sizes, int) else len(sizes)),
        flops=lambda inputs, outputs, axis, sizes: 0,
        doc="One tensor taken apart along an axis.",
    )
)

MAX_PARTS = 1_000_000


@public
def split(value: Any, num_or_size_splits: Any, axis: int = 0, name: str | None = None) -> list[Tensor]:
    """`value` taken apart along `axis`: into that many equal parts, or into parts of the sizes listed.

    One size may be -1 and takes what is left over. One node with many outputs, so that its gradient is a
    single `concat`. Raises ArgumentError for fewer than one part or a bad axis, ShapeError for a 0-d
    `value`, an axis that does not divide evenly, or sizes that do not add up to it.
    """
    x = as_tensor(value)
    if x.type.shape == ():
        raise ShapeError(f"split: value must have at least one axis, got {x!r}")
    wanted = static_ints(num_or_size_splits, "split: num_or_size_splits")
    if isinstance(wanted, np.ndarray):
        wanted = wanted.tolist()
    if isinstance(wanted, (list, tuple)):
        sizes: Any = _sizes(wanted)
    else:
        sizes = as_index(wanted, "split: num_or_size_splits")
        if not 1 <= sizes <= MAX_PARTS:
            raise ArgumentError(
                f"split: num_or_size_splits must be at least 1 and at most {MAX_PARTS}, got {sizes}"
            )
    return list(make_node(SPLIT, (x,), {"axis": one_axis("split", axis, x), "sizes": sizes}, name).outputs)


def _sizes(items: Sequence[Any]) -> Shape:
    sizes: list[DimLike] = []
    for item in items:
        d = static_ints(item, "split: each of num_or_size_splits")
        sizes.append(d if isinstance(d, Dim) else as_index(d, "split: each of num_or_size_splits"))
    numbers = [d for d in sizes if isinstance(d, int)]
    if not sizes or any(d < -1 for d in numbers) or sum(d == -1 for d in numbers) > 1:
        raise ArgumentError(
            f"split: num_or_size_splits must list sizes of 0 or more, at most one of them -1, got {shorten(items)}"
        )
    return tuple(sizes)


# --- split_like -----------------------------------------------------------------------------------


def _infer_split_like(g: TensorType, *likes: TensorType, axis: int) -> tuple[TensorType, ...]:
    axis = normalize_axis(axis, g.rank)
    total: DimLike = 0
    for t in likes:
        total = total + t.dims[axis]
    if dims_equal(total, g.dims[axis]) is False:
        raise ShapeError(f"axis {axis} of {g} has size {g.dims[axis]}, but the others add up to {total}")
    return tuple([TensorType(g.dtype, t.dims) for t in likes])


SPLIT_LIKE = declare(
    Op(
        "split_like",
        _infer_split_like,
        lambda xp, g, *likes, axis, out=None: _cut(xp, g, axis, [like.shape[axis] for like in likes], out),
        lambda node, *gs: (_split_vjp(node, *gs)[0], *[None] * (len(node.inputs) - 1)),
        Trait.OUT,
        dtype=lambda g, *likes, axis: tuple([TensorType(g.dtype, t.shape) for t in likes]),
        flops=lambda inputs, outputs, axis: 0,
        doc="One tensor taken apart along an axis into the shapes of others.",
    )
)


@public
def split_like(g: Any, likes: Sequence[Any], axis: int, name: str | None = None) -> list[Tensor]:
    """`g` taken apart along `axis` into the shapes of `likes`, of which nothing else matters: `concat` undone."""
    grad, others = as_tensor(g), [as_tensor(t) for t in likes]
    shapes = [known_shape(t) for t in others]
    if all(s is not None and -len(s) <= axis < len(s) for s in shapes):
        sizes = tuple([s[axis] for s in shapes if s is not None])
        return list(make_node(SPLIT, (grad,), {"axis": axis, "sizes": sizes}, name).outputs)
    return list(make_node(SPLIT_LIKE, (grad, *others), {"axis": axis}, name).outputs)


@public
def unstack(value: Any, num: int | None = None, axis: int = 0, name: str | None = None) -> tuple[Tensor, ...]:
    """The slices of `value` along `axis`, without that axis, as a tuple. A composition.

    num: their number, which must be given only where the size of the axis is not known.
    Raises ShapeError for a 0-d `value`, a size that is not `num`, or one that is not known.
    """
    x = as_tensor(value)
    if x.type.shape == ():
        raise ShapeError(f"unstack: value must have at least one axis, got {x!r}")
    place = one_axis("unstack", axis, x)
    known: Any = None
    if x.type.shape is not None:
        known = x.type.shape[normalize_axis(place, len(x.type.shape), "unstack: axis")]
    count = known if num is None else as_index(num, "unstack: num")
    if not isinstance(count, int):
        raise ShapeError(f"unstack: the size of axis {axis} of {x!r} is not known here; say num")
    if count < 0 or count > MAX_PARTS or (known is not None and dims_equal(count, known) is False):
        raise ShapeError(
            f"unstack: axis {axis} of {x!r} has size {known}, and cannot be taken apart into {count}"
        )
    if count == 0:
        return ()
    with name_scope("unstack" if name is None else name):
        return tuple([squeeze(part, place) for part in split(x, [1] * count, place)])
