"""Borders around a tensor: of one value, mirrored, or repeating the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import static_ints, typed
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.slicing import axis_slice
from graphflow.types import DimLike, TensorType, as_index

__all__ = ["pad"]

Paddings: TypeAlias = tuple[tuple[int, int], ...]

MODES = ("constant", "reflect", "symmetric", "edge")


def _padded(x: TensorType, paddings: Paddings) -> TensorType:
    if len(paddings) != x.rank:
        raise ShapeError(f"{len(paddings)} pairs of paddings {list(paddings)} for the {x.rank} axes of {x}")
    return typed(x.dtype, tuple([d + (lo + hi) for d, (lo, hi) in zip(x.dims, paddings, strict=True)]))


def _widened(xp: Any, x: Any, paddings: Paddings, out: Any) -> Any:
    """The result, with `x` in its middle and nothing yet around it."""
    if out is None:
        out = xp.empty(
            tuple([d + lo + hi for d, (lo, hi) in zip(x.shape, paddings, strict=True)]), dtype=x.dtype
        )
    out[_middle(x.shape, paddings)] = x
    return out


def _middle(shape: tuple[int, ...], paddings: Paddings) -> tuple[Any, ...]:
    return (*[slice(lo, lo + d) for d, (lo, _) in zip(shape, paddings, strict=True)], ...)


# --- pad: one value -------------------------------------------------------------------------------


def _pad_kernel(xp: Any, x: Any, *, paddings: Paddings, value: Any, out: Any = None) -> Any:
    """Only the borders are filled, axis by axis, so that no byte is written twice."""
    out = _widened(xp, x, paddings, out)
    inner = _middle(x.shape, paddings)
    for k, (d, (lo, hi)) in enumerate(zip(x.shape, paddings, strict=True)):
        for border in (slice(0, lo), slice(lo + d, lo + d + hi)):
            out[(*inner[:k], border, ...)] = value
    return out


def _inside(paddings: Paddings) -> tuple[tuple[int, int | None, None], ...]:
    return tuple([(lo, -hi if hi else None, None) for lo, hi in paddings])


PAD = declare(
    Op(
        "pad",
        lambda x, *, paddings, value: _padded(x, paddings),
        _pad_kernel,
        lambda node, g: (F.strided_slice(g, _inside(node.attrs["paddings"])),),
        Trait.OUT,
        flops=lambda inputs, outputs, paddings, value: 0,
        default_name="Pad",
        doc="A border of one value.",
    )
)

# --- mirror_pad: what is near the edge ------------------------------------------------------------


def _infer_mirror(x: TensorType, *, paddings: Paddings, mode: str) -> TensorType:
    result = _padded(x, paddings)
    for k, (d, (lo, hi)) in enumerate(zip(x.dims, paddings, strict=True)):
        _check_room(x, k, d, max(lo, hi), mode)
    return result


def _check_room(x: TensorType, axis: int, d: DimLike, width: int, mode: str) -> None:
    if not isinstance(d, int) or not width:
        return
    room = d - 1 if mode == "reflect" else d
    if d == 0 or (mode != "edge" and width > room):
        raise ShapeError(
            f"padding {width} is too wide for axis {axis} of {x}: mode {mode!r} has room for {max(room, 0)}"
        )


def _sources(n: int, lo: int, hi: int, mode: str) -> tuple[slice, slice]:
    """Where, along an axis of the result, the elements for its two borders are; the inside begins at `lo`."""
    last = lo + n - 1
    if mode == "edge":
        return slice(lo, lo + 1), slice(last, last + 1)
    skip = 1 if mode == "reflect" else 0
    low_stop, high_stop = lo + skip - 1, last - skip - hi
    low = slice(lo + skip + lo - 1, low_stop if low_stop >= 0 else None, -1)
    return low, slice(last - skip, high_stop if high_stop >= 0 else None, -1)


def _mirror_kernel(xp: Any, x: Any, *, paddings: Paddings, mode: str, out: Any = None) -> Any:
    """Axis after axis, the borders are copied from what is filled already, corners included."""
    out = _widened(xp, x, paddings, out)
    inner = _middle(x.shape, paddings)[:-1]
    for k, (n, (lo, hi)) in enumerate(zip(x.shape, paddings, strict=True)):
        low, high = _sources(n, lo, hi, mode)
        before, behind = (slice(None),) * k, inner[k + 1 :]
        if lo:
            out[(*before, slice(0, lo), *behind)] = out[(*before, low, *behind)]
        if hi:
            out[(*before, slice(lo + n, lo + n + hi), *behind)] = out[(*before, high, *behind)]
    return out


def _border_nbytes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, paddings: Paddings, mode: str
) -> int:
    """Of the largest border that lies among the elements that it is copied from: NumPy copies it first."""
    sizes: Any = list(outputs[0].dims)
    most = 0
    for k, (lo, hi) in enumerate(paddings):
        behind: Any = inputs[0].dims[k + 1 :]
        if any(d != 1 for d in sizes[:k]):
            most = max(most, max(lo, hi) * math.prod(sizes[:k]) * math.prod(behind))
    return int(most) * outputs[0].dtype.itemsize


def _mirror_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """Axis by axis, last first: each border is folded back onto the elements it was copied from."""
    mode = node.attrs["mode"]
    for axis, (lo, hi) in reversed(list(enumerate(node.attrs["paddings"]))):
        if not lo and not hi:
            continue
        middle = F.strided_slice(g, **axis_slice(axis, lo, -hi if hi else None))
        total = middle
        for width, border, at_front in ((lo, (None, lo), True), (hi, (-hi, None), False)):
            if width:
                part = F.strided_slice(g, **axis_slice(axis, *border))
                total = total + _folded(part, middle, axis, width, mode, at_front)
        g = total
    return (g,)


def _folded(part: Tensor, middle: Tensor, axis: int, width: int, mode: str, at_front: bool) -> Tensor:
    """The gradient of a border, in the shape of the inside."""
    if mode == "edge":
        part = F.sum(part, axis, keepdims=True)
        bounds: tuple[int | None, int | None] = (0, 1) if at_front else (-1, None)
    else:
        part = F.flip(part, axis)
        skip = 1 if mode == "reflect" else 0
        bounds = (skip, skip + width) if at_front else (-skip - width, -skip if skip else None)
    result: Tensor = F.strided_slice_grad(part, middle, **axis_slice(axis, *bounds))
    return result


MIRROR_PAD = declare(
    Op(
        "mirror_pad",
        _infer_mirror,
        _mirror_kernel,
        _mirror_vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, paddings, mode: 0,
        workspace=_border_nbytes,
        default_name="MirrorPad",
        doc="A border that mirrors what is near the edge, or repeats the edge.",
    )
)

# --- the public function --------------------------------------------------------------------------


@public
def pad(
    tensor: Any,
    paddings: Any,
    mode: Any = "CONSTANT",
    name: str | None = None,
    constant_values: complex = 0,
) -> Tensor:
    """`tensor` with a border: `paddings` has a pair (before, after) for each axis.

    One pair stands for all axes, one int for both sides of all axes. mode: "constant" fills with
    `constant_values`; "reflect" mirrors without the edge itself, "symmetric" with it; "edge" repeats the edge.
    Upper case is the same.
    Raises ArgumentError for negative or non-integer paddings or an unknown mode, ShapeError for a wrong
    number of pairs, or a mirror wider than the axis.
    """
    x = as_tensor(tensor)
    if mode not in MODES and mode not in [m.upper() for m in MODES]:
        raise ArgumentError(f"pad: mode must be one of {', '.join(MODES)}, not {shorten(mode)}")
    pairs = _pairs(paddings, x)
    if mode.lower() != "constant":
        return make_node(MIRROR_PAD, (x,), {"paddings": pairs, "mode": mode.lower()}, name).outputs[0]
    if x.dtype.kind == "b" and type(constant_values) is int and constant_values in (0, 1):
        constant_values = bool(constant_values)
    value = (
        None if hasattr(type(constant_values), "__graphflow_tensor__") else as_array(constant_values, x.dtype)
    )
    if value is None or value.ndim:
        raise ArgumentError(f"pad: constant_values must be one number, not {shorten(constant_values)}")
    return make_node(PAD, (x,), {"paddings": pairs, "value": value.item()}, name).outputs[0]


def _pairs(paddings: Any, x: Tensor) -> Paddings:
    value = static_ints(paddings, "pad: paddings")
    nested = value.tolist() if isinstance(value, np.ndarray) else value
    ndim = None if x.type.shape is None else len(x.type.shape)
    if not isinstance(nested, (list, tuple)):
        nested = (nested, nested)
    if len(nested) == 2 and not any(isinstance(item, (list, tuple)) for item in nested):
        if ndim is None:
            raise ShapeError(
                f"pad: paddings needs a pair for each axis, as the rank of {x!r} is unknown here"
            )
        nested = [nested] * ndim
    pairs = []
    for item in nested:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ArgumentError(
                f"pad: paddings must have a pair (before, after) for each axis, got {shorten(paddings)}"
            )
        lo, hi = as_index(item[0], "pad: paddings"), as_index(item[1], "pad: paddings")
        if lo < 0 or hi < 0:
            raise ArgumentError(f"pad: paddings must not be negative, got {shorten(paddings)}")
        pairs.append((lo, hi))
    return tuple(pairs)
