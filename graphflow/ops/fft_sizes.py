"""What gradients of Fourier transforms do to sizes: crop or pad axes at their end, and weigh mirrored frequencies."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare
from graphflow.ops.arguments import known_shape, typed
from graphflow.types import DimLike, Shape, TensorType, dims_equal, normalize_axes, normalize_axis

__all__ = ["crop_or_pad", "crop_or_pad_like", "weigh_mirrored"]

# --- crop or pad ----------------------------------------------------------------------------------


def _infer_crop_or_pad(
    x: TensorType, like: TensorType | None = None, *, axes: tuple[int, ...], sizes: Shape | None
) -> TensorType:
    dims = list(x.dims)
    for k, axis in enumerate(normalize_axes(axes, x.rank)):
        dims[axis] = sizes[k] if like is None else like.dims[axis]  # type: ignore[index]  # one of the two is given
    return typed(x.dtype, tuple(dims))


def _crop_or_pad(
    xp: Any, x: Any, *like: Any, axes: tuple[int, ...], sizes: tuple[int, ...] | None, out: Any = None
) -> Any:
    shape = list(x.shape)
    for k, axis in enumerate(axes):
        shape[axis] = like[0].shape[axis] if like else sizes[k]  # type: ignore[index]
    key = (*[slice(0, min(m, n)) for m, n in zip(x.shape, shape, strict=True)], ...)
    if out is None:
        out = xp.empty(tuple(shape), dtype=x.dtype)
    if any(m < n for m, n in zip(x.shape, shape, strict=True)):
        out[...] = 0
    out[key] = x[key]
    return out


CROP_OR_PAD = declare(
    Op(
        "crop_or_pad",
        _infer_crop_or_pad,
        _crop_or_pad,
        lambda node, g: (
            crop_or_pad_like(g, node.inputs[0], node.attrs["axes"]),
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.OUT,
        flops=lambda inputs, outputs, axes, sizes: 0,
        doc="Axes cropped, or padded with zeros, at their end.",
    )
)


def crop_or_pad(x: Tensor, axes: tuple[int, ...], sizes: Shape, name: str | None = None) -> Tensor:
    """`x` with its axes cropped, or padded with zeros, at their end to `sizes`. A primitive: which of the two may
    be known only at the run."""
    return make_node(CROP_OR_PAD, (x,), {"axes": axes, "sizes": sizes}, name).outputs[0]


def crop_or_pad_like(x: Tensor, like: Tensor, axes: tuple[int, ...]) -> Tensor:
    """`crop_or_pad` to the sizes that `like` has; `x` itself where it surely has them."""
    dims = x.type.shape
    target = known_shape(like)
    if dims is not None and like.type.shape is not None:
        if all(dims_equal(dims[a], like.type.shape[a]) for a in axes):
            return x
    if target is None:
        return make_node(CROP_OR_PAD, (x, like), {"axes": axes, "sizes": None}).outputs[0]
    return crop_or_pad(x, axes, tuple([target[a] for a in axes]))


# --- mirrored frequencies -------------------------------------------------------------------------


def _infer_weigh(
    x: TensorType, like: TensorType | None = None, *, axis: int, n: DimLike | None, factor: float
) -> TensorType:
    place = normalize_axis(axis, x.rank)
    points = n if like is None else like.dims[normalize_axis(axis, like.rank)]
    if isinstance(points, int) and dims_equal(x.dims[place], points // 2 + 1) is False:
        raise ShapeError(f"{x} is no half spectrum of {points} points along axis {axis}")
    return x


def _weigh(xp: Any, x: Any, *like: Any, axis: int, n: int | None, factor: float, out: Any = None) -> Any:
    points: Any = like[0].shape[axis] if like else n
    if out is None:
        out = xp.empty(x.shape, dtype=x.dtype)
    if out is not x:
        out[...] = x
    key: list[Any] = [slice(None)] * x.ndim
    key[axis] = slice(1, (points + 1) // 2)
    part = out[tuple(key)]
    if hasattr(xp, "copyto"):
        xp.multiply(part, factor, out=part)
    else:
        out[tuple(key)] = part * factor
    return out


WEIGH_MIRRORED: Op = declare(
    Op(
        "weigh_mirrored",
        _infer_weigh,
        _weigh,
        lambda node, g: (
            make_node(WEIGH_MIRRORED, (g, *node.inputs[1:]), node.attrs).outputs[0],
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.OUT | Trait.INPLACE,
        doc="A half spectrum with the frequencies that stand for two multiplied by a factor.",
    )
)


def weigh_mirrored(x: Tensor, axis: int, like: Tensor, factor: float, n: DimLike | None = None) -> Tensor:
    """The half spectrum `x` of `n` points (along `axis` of `like`, where left out) with all frequencies but the
    first, and for even n the last, multiplied by `factor`: in the whole spectrum they stand twice."""
    dims = known_shape(like)
    if n is None and dims is not None:
        n = dims[axis]
    inputs = (x,) if n is not None else (x, like)
    return make_node(WEIGH_MIRRORED, inputs, {"axis": axis, "n": n, "factor": factor}).outputs[0]
