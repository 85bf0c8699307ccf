"""Normalisation of each example by itself: over a layer, groups of channels, an instance, or a vector's length.

All are compositions. 16-bit floats are normalised in float32 and come out as they came in.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.moments import centre, wide
from graphflow.ops.parameters import at_least_zero
from graphflow.ops.ufunc import operand, reals
from graphflow.types import as_index, dims_equal, normalize_axis

__all__ = ["group_norm", "instance_norm", "l2_normalize", "layer_norm", "rms_norm"]


def _scaled(x: Tensor, scale: Any, offset: Any) -> Tensor:
    if scale is not None:
        x = x * scale
    return x if offset is None else x + offset


@public
def layer_norm(
    x: Any,
    scale: Any = None,
    offset: Any = None,
    axis: Any = -1,
    epsilon: float = 1e-5,
    name: str | None = None,
) -> Tensor:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset`, mean and variance over `axis`. A composition.

    scale, offset: None, or tensors that broadcast with `x`. Returns the dtype of `x`; 16-bit floats are
    normalised in float32. Raises ArgumentError for a bad axis or a negative epsilon.
    Source: Ba, Kiros and Hinton 2016.
    """
    t, small = reals("layer_norm", x), at_least_zero("layer_norm", "epsilon", epsilon)
    with composition("layer_norm" if name is None else name):
        centred, _, variance = centre(wide(t), axis)
        return _scaled(F.cast(centred * F.rsqrt(variance + small), t.type.dtype), scale, offset)


@public
def rms_norm(
    x: Any, scale: Any = None, axis: Any = -1, epsilon: float = 1e-6, name: str | None = None
) -> Tensor:
    """`x / sqrt(mean(x²) + epsilon) * scale`, the mean over `axis`. A composition.

    scale: None, or a tensor that broadcasts with `x`. Raises ArgumentError for a bad axis or a negative epsilon.
    Source: Zhang and Sennrich 2019.
    """
    t, small = reals("rms_norm", x), at_least_zero("rms_norm", "epsilon", epsilon)
    with composition("rms_norm" if name is None else name):
        broad = wide(t)
        power = F.mean(F.square(broad), axis=axis, keepdims=True)
        return _scaled(F.cast(broad * F.rsqrt(power + small), t.type.dtype), scale, None)


@public
def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """`x / sqrt(max(sum(x²), epsilon))`, the sum over `axis`, all axes by default. `dim`: old name of `axis`."""
    t, small = reals("l2_normalize", x), at_least_zero("l2_normalize", "epsilon", epsilon)
    with composition("l2_normalize" if name is None else name):
        broad = wide(t)
        total = F.sum(F.square(broad), axis=axis if dim is None else dim, keepdims=True)
        return F.cast(broad * F.rsqrt(F.maximum(total, small)), t.type.dtype)  # type: ignore[no-any-return]


# --- channels -------------------------------------------------------------------------------------


def channel_axis(what: str, x: Tensor, axis: Any, least: int = 2) -> tuple[int, int]:
    """The channel axis, non-negative, and the rank. Raises ShapeError where the rank is unknown or too low."""
    place = as_index(axis, f"{what}: axis")
    if x.type.shape is None:
        raise ShapeError(f"{what}: the rank of {x!r} is not known here; give the placeholder a shape")
    rank = len(x.type.shape)
    if rank < least:
        raise ShapeError(f"{what}: x must have at least {least} axes, got {x!r}")
    return normalize_axis(place, rank, f"{what}: axis"), rank


def along(what: str, x: Tensor, channel: int, named: str, value: Any) -> Any:
    """A vector of one number for each channel, with axes of size 1 behind; None and scalars as they are.

    Raises ShapeError where it does not fit.
    """
    if value is None:
        return None
    t = operand(what, value)
    dims = t.type.shape
    if dims is not None and not dims:
        return t
    channels = x.type.dims[channel]
    if dims is None or len(dims) != 1 or dims_equal(dims[0], channels) is False:
        raise ShapeError(f"{what}: {named} needs one number for each channel of {x!r}, got {t!r}")
    behind = len(x.type.dims) - 1 - channel
    return F.expand_dims(t, tuple(range(1, behind + 1))) if behind else t


@public
def group_norm(
    x: Any,
    groups: int,
    scale: Any = None,
    offset: Any = None,
    axis: int = -1,
    epsilon: float = 1e-5,
    name: str | None = None,
) -> Tensor:
    """Each example's groups of neighbouring channels brought to mean 0 and variance 1. A composition.

    x: examples along the first axis, channels along `axis`, whatever else between; of known rank.
    scale, offset: None, or one number for each channel.
    Raises ArgumentError for fewer than one group, the first axis as `axis` or a negative epsilon, ShapeError where
    the channels do not divide into so many groups. Source: Wu and He 2018.
    """
    return _grouped("group_norm", x, groups, scale, offset, axis, epsilon, name)


@public
def instance_norm(
    x: Any,
    scale: Any = None,
    offset: Any = None,
    axis: int = -1,
    epsilon: float = 1e-5,
    name: str | None = None,
) -> Tensor:
    """Each channel of each example brought to mean 0 and variance 1. A composition: arguments as `group_norm`'s.

    Source: Ulyanov, Vedaldi and Lempitsky 2016.
    """
    return _grouped("instance_norm", x, None, scale, offset, axis, epsilon, name)


def _grouped(
    what: str, x: Any, groups: Any, scale: Any, offset: Any, axis: Any, epsilon: Any, name: str | None
) -> Tensor:
    t, small = reals(what, x), at_least_zero(what, "epsilon", epsilon)
    count = None if groups is None else as_index(groups, f"{what}: groups")
    if count is not None and count < 1:
        raise ArgumentError(f"{what}: groups must be at least 1, not {shorten(groups)}")
    channel, rank = channel_axis(what, t, axis)
    if channel == 0:
        raise ArgumentError(f"{what}: axis {axis} of {t!r} is that of the examples, not of the channels")
    with composition(what if name is None else name):
        factor, shift = (
            along(what, t, channel, "scale", scale),
            along(what, t, channel, "offset", offset),
        )
        broad = wide(t)
        if count is not None:
            broad, rank = F.unflatten(broad, channel, (count, -1)), rank + 1
        folded = tuple([k for k in range(1, rank) if k != channel])
        centred, _, variance = centre(broad, folded)
        result = centred * F.rsqrt(variance + small)
        if count is not None:
            result = F.flatten(result, channel, channel + 1)
        return _scaled(F.cast(result, t.type.dtype), factor, shift)
