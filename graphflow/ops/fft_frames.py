"""Signals cut into frames that overlap, and put together from such frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, GraphflowError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag, known_shape, typed
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.fft_sizes import crop_or_pad_like
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.ufunc import numbers
from graphflow.types import DimLike, TensorType, as_index, unknown_dim

__all__ = ["frame", "overlap_and_add", "positive"]

# --- frame ----------------------------------------------------------------------------------------


def _n_frames(n: DimLike, length: DimLike, step: int, pad_end: bool) -> DimLike:
    if isinstance(n, int) and isinstance(length, int):
        return -(-n // step) if pad_end else max(0, 1 + (n - length) // step)
    if pad_end:
        return n if step == 1 else unknown_dim()
    return unknown_dim()


def _infer_frame(
    x: TensorType,
    like: TensorType | None = None,
    *,
    length: DimLike | None,
    step: int,
    pad_end: bool,
    pad_value: Any,
) -> TensorType:
    if x.rank == 0:
        raise ShapeError(f"{x} is a scalar and has no axis of samples")
    size: Any = length if like is None else like.dims[-1]
    return typed(x.dtype, (*x.dims[:-1], _n_frames(x.dims[-1], size, step, pad_end), size))


def _frame_kernel(
    xp: Any, x: Any, *like: Any, length: Any, step: int, pad_end: bool, pad_value: Any, out: Any = None
) -> Any:
    n = x.shape[-1]
    length = like[0].shape[-1] if like else length
    count: Any = _n_frames(n, length, step, pad_end)
    if out is None:
        out = xp.empty((*x.shape[:-1], count, length), dtype=x.dtype)
    whole: Any = min(_n_frames(n, length, step, False), count)
    if xp is np:
        if whole and out.size:
            windows = np.lib.stride_tricks.sliding_window_view(x, length, axis=-1)
            np.copyto(out[..., :whole, :], windows[..., : whole * step : step, :])
    elif whole:
        places = xp.arange(whole)[:, None] * step + xp.arange(length)[None, :]
        picked = xp.take(x, xp.reshape(places, (-1,)), axis=-1)
        out[..., :whole, :] = xp.reshape(picked, (*x.shape[:-1], whole, length))
    for k in range(whole, count):  # those that reach beyond the end: at most length / step
        kept = n - k * step
        out[..., k, :kept] = x[..., k * step :]
        out[..., k, kept:] = pad_value
    return out


FRAME: Op = declare(
    Op(
        "frame",
        _infer_frame,
        _frame_kernel,
        lambda node, g: (
            crop_or_pad_like(overlap_and_add(g, node.attrs["step"]), node.inputs[0], (-1,)),
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 0,
        doc="Pieces of equal length at equal distances along the last axis.",
    )
)


def positive(op: str, what: str, value: Any) -> int:
    """A number of samples, at least 1. Raises ArgumentError for anything else."""
    size = as_index(value, f"{op}: {what}")
    if size < 1:
        raise ArgumentError(f"{op}: {what} must be at least 1, not {shorten(value)}")
    return size


def _pad_value(value: Any, x: Tensor) -> Any:
    if x.dtype.kind == "b" and type(value) is int and value in (0, 1):
        return bool(value)
    try:
        array = None if hasattr(type(value), "__graphflow_tensor__") else as_array(value, x.dtype)
    except GraphflowError as error:
        raise type(error)(f"frame: pad_value: {error}") from None
    if array is None or array.ndim:
        raise ArgumentError(f"frame: pad_value must be one number, not {shorten(value)}")
    return array.item()


@public
def frame(
    signal: Any,
    frame_length: int,
    frame_step: int,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: int = -1,
    name: str | None = None,
) -> Tensor:
    """The frames of `frame_length` samples that begin every `frame_step` samples along `axis`.

    signal: [..., samples, ...]; the result is [..., frames, frame_length, ...], in the place of `axis`.
    pad_end: every frame that begins within the samples is kept, `ceil(samples / frame_step)` of them, filled up
        with `pad_value`; otherwise only whole frames, of which there may be none.
    A primitive: a view would overlap itself.
    Raises ArgumentError for a length or step below 1 or a bad axis, ShapeError for a scalar, and for another axis than
    the last one where the rank is not known.
    """
    x = as_tensor(signal)
    place = as_index(axis, "frame: axis")
    padding, filler = flag(pad_end, "frame", "pad_end"), _pad_value(pad_value, x)
    attrs = {
        "length": positive("frame", "frame_length", frame_length),
        "step": positive("frame", "frame_step", frame_step),
        "pad_end": padding,
        "pad_value": filler if padding else 0,
    }
    if place == -1 or (x.type.shape is not None and place == len(x.type.shape) - 1):
        return make_node(FRAME, (x,), attrs, name).outputs[0]
    if x.type.shape is None:
        raise ShapeError(f"frame: axis {place} of {x!r} needs a known rank; give the placeholder a shape")
    with composition("frame" if name is None else name):
        last = F.moveaxis(x, place, -1)
        cut = make_node(FRAME, (last,), attrs).outputs[0]
        first = place % len(x.type.shape)
        result: Tensor = F.moveaxis(cut, (-2, -1), (first, first + 1))
    return result


# --- overlap_and_add ------------------------------------------------------------------------------


def _infer_overlap(x: TensorType, *, step: int) -> TensorType:
    if x.rank < 2:
        raise ShapeError(f"frames need two axes, [..., frames, frame_length], got {x}")
    count, length = x.dims[-2:]
    if isinstance(length, int) and length == 0:
        raise ShapeError(f"frames need at least one sample, got {x}")
    if isinstance(count, int) and count == 0:
        total: DimLike = 0
    else:
        total = (count - 1) * step + length
    return typed(x.dtype, (*x.dims[:-2], total))


def _overlap_kernel(xp: Any, x: Any, *, step: int, out: Any = None) -> Any:
    """Pieces of one step at a time: the frames' k-th pieces lie side by side and are added at once."""
    count, length = x.shape[-2:]
    total = (count - 1) * step + length if count else 0
    if out is None:
        out = xp.empty((*x.shape[:-2], total), dtype=x.dtype)
    out[...] = 0
    if not out.size:
        return out
    lead = x.shape[:-2]
    body = xp.zeros((*lead, count + -(-length // step) - 1, step), dtype=x.dtype) if length % step else None
    target = body if body is not None else xp.reshape(out, (*lead, -1, step))
    for k, first in enumerate(range(0, length, step)):
        piece = x[..., first : min(first + step, length)]
        place = (..., slice(k, k + count), slice(0, piece.shape[-1]))
        if hasattr(xp, "copyto"):  # in place: `target[place] += piece` would copy the sum once more
            xp.add(target[place], piece, out=target[place])
        else:
            target[place] = target[place] + piece
    if body is not None:
        out[...] = xp.reshape(body, (*lead, -1))[..., :total]
    return out


def _overlap_workspace(inputs: Any, outputs: Any, *, step: int) -> int:
    """Whole steps where the frames do not end with one, and buffers: pieces are not contiguous."""
    x = inputs[0]
    count, length = int(x.dims[-2]), int(x.dims[-1])
    held = buffers_nbytes(x.size, x.dtype, x.dtype, x.dtype)
    if length % step and count:
        held += int(x.nbytes) // (count * length) * (count + -(-length // step) - 1) * step
    return held


OVERLAP_AND_ADD: Op = declare(
    Op(
        "overlap_and_add",
        _infer_overlap,
        _overlap_kernel,
        lambda node, g: (_framed_like(g, node.inputs[0], node.attrs["step"]),),
        Trait.OUT,
        flops=lambda inputs, outputs, step: int(inputs[0].size),
        workspace=_overlap_workspace,
        doc="The sum of frames, each a step further than the one before.",
    )
)


def _framed_like(g: Tensor, x: Tensor, step: int) -> Tensor:
    """The gradient of `overlap_and_add`: the frames of `g`, as long as those of `x`."""
    dims = known_shape(x)
    attrs = {"length": None if dims is None else dims[-1], "step": step, "pad_end": False, "pad_value": 0}
    return make_node(FRAME, (g, x) if dims is None else (g,), attrs).outputs[0]


@public
def overlap_and_add(signal: Any, frame_step: int, name: str | None = None) -> Tensor:
    """The sum of frames laid `frame_step` samples apart: [..., frames, length] gives [..., (frames-1) step + length].

    The transpose of `frame`. A primitive. Raises ArgumentError for a step below 1, ShapeError for fewer than two
    axes, DTypeError for bools.
    """
    x = numbers("overlap_and_add", signal)
    step = positive("overlap_and_add", "frame_step", frame_step)
    return make_node(OVERLAP_AND_ADD, (x,), {"step": step}, name).outputs[0]
