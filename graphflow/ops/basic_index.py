"""Integers known when the graph is built, as indices; and writing a regular part of a tensor.

`x[2, :, -1]` is one view. Ranges are checked by inference: at once where the size is known, else when sizes
are bound, before anything runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from graphflow.errors import ArgumentError, IndexRangeError
from graphflow.graph import Tensor, apply
from graphflow.op import OPS, F, Op, Trait, declare
from graphflow.ops.arguments import known_shape, typed
from graphflow.ops.flat_index import copied_into, must_broadcast, must_equal
from graphflow.ops.slicing import FULL, Triple
from graphflow.ops.ufunc import unbroadcast
from graphflow.ops.views import is_row_major, put, row_major
from graphflow.types import Shape, TensorType

__all__ = ["Picks", "get_part", "pick", "set_part"]

Picks: TypeAlias = tuple[tuple[int, int], ...]
"""(axis, index) pairs; axes may count from the end while the rank is unknown."""

# --- one index on each of some axes ---------------------------------------------------------------


def _placed(shape: Sequence[Any], picks: Picks, op: str = "getitem") -> dict[int, int]:
    """Index by axis from the front. Raises IndexRangeError for one that is certainly out of range."""
    ndim = len(shape)
    placed: dict[int, int] = {}
    for axis, index in picks:
        if not -ndim <= axis < ndim:
            raise IndexRangeError(f"{op}: too many indices for {ndim} axes")
        size = shape[axis]
        if isinstance(size, int) and not -size <= index < size:
            valid = f"valid: {-size} to {size - 1}" if size else "the axis is empty"
            raise IndexRangeError(
                f"{op}: index {index} is out of range for axis {axis % ndim} of size {size} ({valid})"
            )
        if axis % ndim in placed:
            raise ArgumentError(f"{op}: axis {axis % ndim} is indexed twice")
        placed[axis % ndim] = index
    return placed


def _rest(shape: Sequence[Any], picks: Picks) -> tuple[Any, ...]:
    placed = _placed(shape, picks)
    return tuple([d for axis, d in enumerate(shape) if axis not in placed])


def _key(shape: Sequence[int], picks: Picks) -> tuple[Any, ...]:
    """An index that always gives an array and never a scalar."""
    placed = _placed(shape, picks)
    return (*[placed.get(axis, slice(None)) for axis in range(len(shape))], ...)


def _pick_kernel(xp: Any, x: Any, *, picks: Picks, out: Any = None) -> Any:
    y = x[_key(x.shape, picks)]
    return y if out is None else put(xp, y, out)


def _view_pick(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    placed = _placed(x.dims, attrs["picks"])
    strides = [s for axis, s in enumerate(row_major(x.dims)) if axis not in placed]
    return contiguous and is_row_major(y.dims, strides)


def _pick_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    (x,) = node.inputs
    shape = known_shape(x)
    inputs = (g,) if shape is not None else (g, x)
    return (apply(GETITEM_GRAD, *inputs, picks=node.attrs["picks"], shape=shape),)


GETITEM = declare(
    Op(
        "getitem",
        lambda x, *, picks: TensorType(x.dtype, _rest(x.dims, picks)),
        _pick_kernel,
        _pick_vjp,
        Trait.OUT,
        view=_view_pick,
        doc="One index, known when the graph is built, on each of some axes.",
    )
)


def pick(x: Tensor, picks: Picks, name: str | None = None) -> Tensor:
    """`x` at one index of each of some axes, which vanish."""
    return apply(GETITEM, x, name=name, picks=picks)  # type: ignore[no-any-return]


def _infer_grad(
    g: TensorType, like: TensorType | None = None, *, picks: Picks, shape: Shape | None
) -> TensorType:
    target = typed(g.dtype, shape if like is None else like.dims)  # type: ignore[arg-type]  # one of them is there
    must_equal(g, _rest(target.dims, picks), "the gradient")
    return target


def _grad_kernel(xp: Any, g: Any, *like: Any, picks: Picks, shape: Any, out: Any = None) -> Any:
    if out is None:
        out = xp.zeros(like[0].shape if like else shape, dtype=g.dtype)
    else:
        out[...] = 0
    out[_key(out.shape, picks)] = g
    return out


GETITEM_GRAD = declare(
    Op(
        "getitem_grad",
        _infer_grad,
        _grad_kernel,
        lambda node, g: (pick(g, node.attrs["picks"]), *[None] * (len(node.inputs) - 1)),
        Trait.OUT,
        dtype=lambda g, like=None, *, picks, shape: (TensorType(g.dtype, shape),),
        doc="A part put back where it was picked from, with zeros around it.",
    )
)

# --- a regular part: slices, then picks -----------------------------------------------------------


def _part_shape(x: TensorType, slices: Sequence[Triple], trailing: Sequence[Triple], picks: Picks) -> Shape:
    dims = x
    for triples, at_end in ((slices, False), (trailing, True)):
        if triples:
            dims = OPS["strided_slice"].infer(dims, slices=tuple(triples), trailing=at_end)
    _placed(x.dims, picks, "set_part")
    return _rest(dims.dims, picks)


def get_part(
    x: Tensor, slices: tuple[Triple, ...], trailing: tuple[Triple, ...], picks: Picks, name: str | None = None
) -> Tensor:
    """`x` cut by slices of its leading and of its trailing axes, then at the picked indices. Views.

    A picked axis must not be cut as well.
    """
    last = 2 if picks else 1 if trailing else 0
    if slices:
        x = F.strided_slice(x, slices, name=name if last == 0 else None)
    if trailing:
        x = F.strided_slice(x, trailing, trailing=True, name=name if last == 1 else None)
    return pick(x, picks, name) if picks else x


def _infer_set_part(
    x: TensorType,
    value: TensorType,
    *,
    slices: tuple[Triple, ...],
    trailing: tuple[Triple, ...],
    picks: Picks,
) -> TensorType:
    part = _part_shape(x, slices, trailing, picks)
    must_broadcast(value, part, "a part")
    return x


def _bounded(triple: Triple, size: int) -> slice:
    start, stop, step = slice(*triple).indices(size)
    return slice(start, None if stop < 0 else stop, step) if range(start, stop, step) else slice(0, 0)


def _set_kernel(
    xp: Any,
    x: Any,
    value: Any,
    *,
    slices: tuple[Triple, ...],
    trailing: tuple[Triple, ...],
    picks: Picks,
    out: Any = None,
) -> Any:
    out = copied_into(xp, x, out)
    free = out.ndim - len(slices) - len(trailing)
    triples = (*slices, *[FULL] * free, *trailing)
    key: list[Any] = [_bounded(t, d) for t, d in zip(triples, out.shape, strict=True)]
    for axis, index in _placed(out.shape, picks).items():
        key[axis] = index
    out[(*key, ...)] = value
    return out


SET_PART = declare(
    Op(
        "set_part",
        _infer_set_part,
        _set_kernel,
        lambda node, g: (
            set_part(g, F.constant(0, dtype=g.dtype), **node.attrs),
            unbroadcast(get_part(g, **node.attrs), node.inputs[1]),
        ),
        Trait.OUT | Trait.INPLACE_FIRST,
        flops=lambda inputs, outputs, **attrs: 0,
        doc="A copy with a regular part replaced.",
    )
)


def set_part(
    x: Tensor,
    value: Tensor,
    slices: tuple[Triple, ...],
    trailing: tuple[Triple, ...],
    picks: Picks,
    name: str | None = None,
) -> Tensor:
    """A copy of `x` in which what `get_part` gives is `value`, broadcast."""
    attrs = {"slices": slices, "trailing": trailing, "picks": picks}
    return apply(SET_PART, x, value, name=name, **attrs)  # type: ignore[no-any-return]
