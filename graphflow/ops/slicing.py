"""Regular slices: the view `strided_slice`, and its transpose, which puts a slice into zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import flag, items_of, known_shape
from graphflow.ops.constant import as_tensor
from graphflow.ops.views import is_row_major, put, row_major
from graphflow.types import (
    Dim,
    DimLike,
    Shape,
    TensorType,
    as_index,
    dims_equal,
    unknown_dim,
)

__all__ = ["axis_slice", "strided_slice", "strided_slice_grad"]

Bound: TypeAlias = DimLike | None
Triple: TypeAlias = tuple[Bound, Bound, Bound]
"""start, stop, step as Python's slices have them."""

FULL: Triple = (None, None, None)


def _exact(d: int, triple: Triple) -> tuple[int, int | None, int, int]:
    """start, stop, step within bounds (stop None: to the very end) and the number of elements."""
    start, stop, step = slice(*triple).indices(d)
    count = len(range(start, stop, step))
    if count == 0:
        return 0, 0, 1, 0
    return start, None if stop < 0 else stop, step, count


def _least(d: DimLike) -> int:
    """A number that the size `d` is not below, as sizes are never negative."""
    if isinstance(d, int):
        return d
    if any(c < 0 for _, c in d.terms):
        return 0
    return dict(d.terms).get((), 0)


def _length(d: DimLike, triple: Triple) -> DimLike:
    """The number of elements that a slice takes of an axis of size `d`; exact where that is certain."""
    start, stop, step = triple
    if isinstance(d, int) and not any(isinstance(v, Dim) for v in triple):
        return _exact(d, triple)[3]
    if step in (None, 1, -1) and start is None and stop is None:
        return d
    if step not in (None, 1) or isinstance(start, Dim) or isinstance(stop, Dim):
        return unknown_dim()
    least = _least(d)
    first = 0 if start is None else start
    if first < 0 or first > least:
        return unknown_dim()
    if stop is None:
        return d - first
    if stop < 0:
        return d + (stop - first) if least + stop >= first else unknown_dim()
    return max(stop - first, 0) if stop <= least else unknown_dim()


def _aligned(ndim: int, slices: tuple[Triple, ...], trailing: bool) -> tuple[Triple, ...]:
    """One triple for each axis."""
    rest = (FULL,) * (ndim - len(slices))
    return (*rest, *slices) if trailing else (*slices, *rest)


def _sliced(x: TensorType, slices: tuple[Triple, ...], trailing: bool) -> Shape:
    if len(slices) > x.rank:
        raise ShapeError(f"{len(slices)} slices are too many for {x}")
    return tuple([_length(d, t) for d, t in zip(x.dims, _aligned(x.rank, slices, trailing), strict=True)])


def _key(shape: Sequence[int], slices: tuple[Triple, ...], trailing: bool) -> tuple[Any, ...]:
    """An index for arrays of that shape, in bounds, that always gives an array and never a scalar."""
    bounds = [_exact(d, t)[:3] for d, t in zip(shape, _aligned(len(shape), slices, trailing), strict=True)]
    return (*[slice(*b) for b in bounds], ...)


# --- strided_slice --------------------------------------------------------------------------------


def _slice_kernel(xp: Any, x: Any, *, slices: tuple[Triple, ...], trailing: bool, out: Any = None) -> Any:
    y = x[_key(x.shape, slices, trailing)]
    return y if out is None else put(xp, y, out)


def _view_slice(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    if not (contiguous and x.is_static and y.is_static):
        return False
    triples = _aligned(x.rank, attrs["slices"], attrs["trailing"])
    steps = [_exact(int(d), t)[2] for d, t in zip(x.dims, triples, strict=True)]  # type: ignore[arg-type]
    return is_row_major(y.dims, [a * b for a, b in zip(row_major(x.dims), steps, strict=True)])


STRIDED_SLICE = declare(
    Op(
        "strided_slice",
        lambda x, *, slices, trailing: TensorType(x.dtype, _sliced(x, slices, trailing)),
        _slice_kernel,
        lambda node, g: (strided_slice_grad(g, node.inputs[0], **node.attrs),),
        Trait.OUT,
        view=_view_slice,
        takes_strings=True,
        doc="Every so-many-th element from a start to a stop, along each axis.",
    )
)


@public
def strided_slice(
    x: Any, slices: Sequence[Sequence[Any]], trailing: bool = False, name: str | None = None
) -> Tensor:
    """`x[start:stop:step, ...]`: one (start, stop, step) for each leading axis, each possibly None.

    The meaning of the numbers is that of Python's slices: negative ones count from the end, those beyond
    the ends are cut. trailing: the slices are for the last axes instead. A view.
    Raises ArgumentError for a step of 0 or what is no integer, ShapeError for more slices than axes.
    """
    x = as_tensor(x)
    trailing = flag(trailing, "strided_slice", "trailing")
    triples = tuple([_triple(s) for s in items_of(slices, "strided_slice: slices")])
    dims = x.type.shape
    if dims is not None and len(triples) <= len(dims):
        aligned = _aligned(len(dims), triples, trailing)
        triples = tuple([_canonical(d, t) for d, t in zip(dims, aligned, strict=True)])
        while triples and triples[-1] == FULL:
            triples = triples[:-1]
        trailing = False
    return make_node(STRIDED_SLICE, (x,), {"slices": triples, "trailing": trailing}, name).outputs[0]


def _triple(value: Sequence[Any]) -> Triple:
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise ArgumentError(f"strided_slice: a slice is (start, stop, step), not {shorten(value)}")
    start, stop, step = [
        v if v is None or isinstance(v, Dim) else as_index(v, f"strided_slice: {what}")
        for v, what in zip(value, ("start", "stop", "step"), strict=True)
    ]
    if isinstance(step, int) and step == 0:
        raise ArgumentError("strided_slice: the step of a slice cannot be 0")
    return start, stop, step


def _canonical(d: DimLike, triple: Triple) -> Triple:
    """One spelling for slices that take the same elements of an axis of known size."""
    if not isinstance(d, int) or any(isinstance(v, Dim) for v in triple):
        return FULL if triple == (None, None, 1) else triple
    start, stop, step, count = _exact(d, triple)
    if count == d and step == 1:
        return FULL
    return start, stop, step


def axis_slice(axis: int, start: Bound, stop: Bound, step: Bound = None) -> dict[str, Any]:
    """Arguments of `strided_slice` for a slice along one axis, counted from the front or from the back."""
    triple = (start, stop, step)
    if axis >= 0:
        return {"slices": (FULL,) * axis + (triple,), "trailing": False}
    return {"slices": (triple,) + (FULL,) * (-axis - 1), "trailing": True}


# --- strided_slice_grad ---------------------------------------------------------------------------


def _infer_grad(
    g: TensorType,
    like: TensorType | None = None,
    *,
    shape: Shape | None,
    slices: tuple[Triple, ...],
    trailing: bool,
) -> TensorType:
    target = TensorType(g.dtype, shape if like is None else like.dims)
    expected = _sliced(target, slices, trailing)
    if len(expected) != g.rank or any(
        dims_equal(a, b) is False for a, b in zip(expected, g.dims, strict=True)
    ):
        raise ShapeError(f"{g} is no such slice of {target}, which would be {list(expected)}")
    return target


def _grad_dtype(
    g: TensorType, like: TensorType | None = None, *, shape: Shape | None, **attrs: Any
) -> TensorType:
    return TensorType(g.dtype, shape if like is None else like.shape)


def _grad_kernel(
    xp: Any,
    g: Any,
    like: Any = None,
    *,
    shape: tuple[int, ...] | None,
    slices: tuple[Triple, ...],
    trailing: bool,
    out: Any = None,
) -> Any:
    target = shape if like is None else like.shape
    if out is None:
        out = xp.zeros(target, dtype=g.dtype)
    else:
        out[...] = 0
    out[_key(out.shape, slices, trailing)] = g
    return out


STRIDED_SLICE_GRAD = declare(
    Op(
        "strided_slice_grad",
        _infer_grad,
        _grad_kernel,
        lambda node, g: (
            strided_slice(g, node.attrs["slices"], node.attrs["trailing"]),
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.OUT,
        dtype=_grad_dtype,
        doc="A slice put back where it was taken from, with zeros around it.",
    )
)


@public
def strided_slice_grad(
    g: Any, like: Any, slices: Sequence[Sequence[Any]], trailing: bool = False, name: str | None = None
) -> Tensor:
    """Zeros in the shape of `like`, but for `g` at the place that `strided_slice(like, slices, trailing)` takes.

    Only the shape of `like` matters. Raises ShapeError if `g` has not the shape of that slice.
    """
    g, like = as_tensor(g), as_tensor(like)
    attrs = {
        "shape": known_shape(like),
        "slices": tuple([_triple(s) for s in items_of(slices, "strided_slice: slices")]),
        "trailing": bool(trailing),
    }
    inputs = (g,) if attrs["shape"] is not None else (g, like)
    return make_node(STRIDED_SLICE_GRAD, inputs, attrs, name).outputs[0]
