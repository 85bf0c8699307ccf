"""Positions in a sequence as numbers for a network: sines and cosines, added or used to rotate. Compositions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag, one_dim
from graphflow.ops.constant import python_number
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, Dim, as_dtype, as_index, default_float, is_floating

__all__ = ["kv_cache_update", "rotary_embedding", "sinusoidal_encoding"]

FLOAT32 = SUPPORTED["float32"]
MAX_DEPTH = 2**24


def _frequencies(what: str, depth: int, base: Any) -> Any:
    """base^(-2k/depth) for each pair of numbers: float64[depth / 2]."""
    number = python_number(base, f"{what}: base")
    if not 0 < number < float("inf"):
        raise ArgumentError(f"{what}: base must be positive and finite, got {shorten(base)}")
    return number ** (-np.arange(0, depth, 2) / depth)


def _even(what: str, argument: str, value: Any) -> int:
    number = as_index(value, f"{what}: {argument}")
    if not 0 < number <= MAX_DEPTH or number % 2:
        raise ArgumentError(f"{what}: {argument} must be even and from 2 to {MAX_DEPTH}, got {number}")
    return number


def _angles(positions: Tensor, frequencies: Any, dtype: np.dtype[Any]) -> Tensor:
    """positions.shape + [depth / 2]."""
    return F.multiply(F.expand_dims(F.cast(positions, dtype), -1), F.constant(frequencies, dtype=dtype))  # type: ignore[no-any-return]


@public
def sinusoidal_encoding(
    positions: Any,
    depth: int,
    base: float = 10000.0,
    interleaved: bool = True,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Sines and cosines of positions at `depth / 2` wavelengths from 2π to 2π * base: positions.shape + [depth].

    positions: a size, an int or such as `gf.shape(x)[1]`, for 0, 1, ... up to it; or a tensor of real numbers with an
        axis at least. depth: an even int. interleaved: sin, cos, sin, cos, ... as in the paper; else all sines first.
    dtype: the default float where left out; angles are computed in it, in float32 at least.
    Raises ArgumentError for an odd depth or a base that is not positive, DTypeError for a dtype that is no real float.
    Source: Vaswani et al. 2017.
    """
    what = "sinusoidal_encoding"
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if not is_floating(wanted) or wanted.kind == "c":
        raise DTypeError(f"{what}: dtype must be a real floating type, not {wanted.name}")
    size = _even(what, "depth", depth)
    frequencies = _frequencies(what, size, base)
    mixed = flag(interleaved, what, "interleaved")
    with composition(what if name is None else name):
        angles = _angles(_positions(what, positions), frequencies, _wide(wanted))
        sin, cos = F.sin(angles), F.cos(angles)
        return F.cast(_interleaved(sin, cos) if mixed else F.concat([sin, cos], axis=-1), wanted)  # type: ignore[no-any-return]


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return FLOAT32 if dtype.itemsize == 2 else dtype


def _positions(what: str, positions: Any) -> Tensor:
    """A size as 0, 1, ...; else the tensor that is given."""
    if isinstance(positions, (int, np.integer, Dim)):
        return F.arange(one_dim(positions, f"{what}: positions"))  # type: ignore[no-any-return]
    t = reals(what, positions, floating=False)
    return F.arange(t) if t.type.shape == () else t


def _interleaved(a: Tensor, b: Tensor) -> Tensor:
    return F.flatten(F.stack([a, b], axis=-1), -2, -1)  # type: ignore[no-any-return]


@public
def rotary_embedding(
    x: Any,
    positions: Any = None,
    base: float = 10000.0,
    dims: int | None = None,
    interleaved: bool = False,
    axis: int = -2,
    name: str | None = None,
) -> Tensor:
    """Queries or keys with their pairs of numbers rotated by their position: inner products then see distances only.

    x: [..., length, depth] with a known even depth. positions: 0, 1, ... where left out; numbers [length], or
        [batch, length] for an `x` whose first axis is the batch.
    base: the longest wavelength is 2π * base. dims: how many of the depth, the first ones, are rotated, an even
        number; all by default.
    interleaved: pairs are neighbours (2k, 2k + 1), as in the paper and GPT-J; else k and k + dims / 2, as in
        GPT-NeoX and Llama: the same up to the order of the depth.
    axis: that of the length; -3 for [batch, length, heads, depth].
    Angles are computed in the dtype of `x`, in float32 at least.
    Raises ShapeError where sizes do not fit, ArgumentError for an odd or too large `dims`.
    Source: Su et al. 2021.
    """
    what = "rotary_embedding"
    t = reals(what, x)
    shape = t.type.shape
    if shape is None or len(shape) < 2 or type(shape[-1]) is not int:
        raise ShapeError(f"{what}: x must have the axes [..., length, depth], the depth known, got {t!r}")
    depth, rank = shape[-1], len(shape)
    rotated = _even(what, "the depth of x" if dims is None else "dims", depth if dims is None else dims)
    if rotated > depth:
        raise ArgumentError(f"{what}: dims {rotated} is more than the depth of {t.type}")
    frequencies = _frequencies(what, rotated, base)
    place = as_index(axis, f"{what}: axis")
    place = place - rank if place >= 0 else place
    if not -rank <= place <= -2:
        raise ArgumentError(f"{what}: axis {axis} is not one of the axes of {t.type} before the last")
    mixed = flag(interleaved, what, "interleaved")
    with composition(what if name is None else name):
        spots = F.arange(F.shape(t)[place]) if positions is None else reals(what, positions, floating=False)
        angles = _beside(what, _angles(spots, frequencies, _wide(t.type.dtype)), rank, place)
        wide = F.cast(t, _wide(t.type.dtype))
        turned = wide[..., :rotated]
        sin, cos = F.sin(angles), F.cos(angles)
        a, b = (turned[..., ::2], turned[..., 1::2]) if mixed else F.split(turned, 2, axis=-1)
        first, second = a * cos - b * sin, b * cos + a * sin
        made = _interleaved(first, second) if mixed else F.concat([first, second], axis=-1)
        if rotated < depth:
            made = F.concat([made, wide[..., rotated:]], axis=-1)
        return F.cast(made, t.type.dtype)  # type: ignore[no-any-return]


def _beside(what: str, angles: Tensor, rank: int, place: int) -> Tensor:
    """[length, n] or [batch, length, n] with axes of size 1, so that it broadcasts with a tensor of that rank."""
    ndim = None if angles.type.shape is None else len(angles.type.shape)
    if ndim not in (2, 3) or (ndim == 3 and rank + place < 1):
        raise ShapeError(
            f"{what}: positions must be [length] or [batch, length], got a rank of {ndim and ndim - 1}"
        )
    between = -2 - place
    if between:
        angles = F.expand_dims(angles, tuple(range(-1 - between, -1)))
    if ndim == 3 and rank + place > 1:
        angles = F.expand_dims(angles, tuple(range(1, rank + place)))
    return angles


@public
def kv_cache_update(cache: Any, new: Any, position: Any, axis: int = -2, name: str | None = None) -> Tensor:
    """Remembered keys or values with new ones written at `position`: a copy of `cache`.

    cache: [..., capacity, depth]. new: [..., n, depth]. position: where the first of the new ones goes: an int or a
        scalar tensor. axis: that of the positions, counted from the end.
    Raises ArgumentError for an axis that is not negative, ShapeError where sizes do not fit, IndexRangeError where the
    cache is full: now if that is known, else at the run. A composition of `setitem`.
    """
    what = "kv_cache_update"
    t, values, start = operand(what, cache), operand(what, new), operand(what, position)
    place = as_index(axis, f"{what}: axis")
    if place >= 0 or (values.type.shape is not None and len(values.type.shape) < -place):
        raise ArgumentError(f"{what}: axis must be negative and one of those of {values.type}, got {place}")
    if start.type.dtype.kind not in "iu" or start.type.shape not in (None, ()):
        raise DTypeError(f"{what}: position must be a scalar integer, got {start!r}")
    with composition(what if name is None else name):
        spots = F.arange(F.shape(values)[place]) + F.cast(start, "int64")
        return F.setitem(t, (..., spots, *[slice(None)] * (-place - 1)), values)  # type: ignore[no-any-return]
