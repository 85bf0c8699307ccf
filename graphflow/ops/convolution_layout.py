"""What the kernels of convolutions share: their sizes as numbers, tiles of windows, and where each tap lies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.convolution_types import Windows, parts, windows_of
from graphflow.ops.reduction import is_half
from graphflow.ops.views import permuted
from graphflow.types import SUPPORTED

__all__ = [
    "Conv",
    "Placed",
    "Tile",
    "as_dtype",
    "blocks",
    "channels_last",
    "conv_of",
    "filter_view",
    "narrowed",
    "placed_taps",
    "rounds",
    "taps",
    "tiles",
    "working_dtype",
]

Tile: TypeAlias = tuple[tuple[int, int], ...]
"""A range (start, stop) along the batch and along each spatial axis of windows."""


class Conv(NamedTuple):
    """The sizes of one convolution: [batch, *windows.sizes, groups * taken] to [batch, *windows.counts, groups * made]."""

    batch: int
    windows: Windows
    groups: int
    taken: int
    made: int
    first: bool  # channels come before the spatial axes

    @property
    def is_plain(self) -> bool:
        """Whether each element is a window, and each window an element."""
        w = self.windows
        ones = all(k == 1 and s == 1 for k, s in zip(w.kernel, w.strides, strict=True))
        return ones and not any(w.lows) and w.counts == w.sizes

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel makes one channel of its own."""
        return self.groups > 1 and self.taken == 1 and self.made == 1

    @property
    def terms(self) -> int:
        """Products that are added up for one output."""
        return math.prod(self.windows.kernel) * self.taken

    @property
    def rows(self) -> int:
        """Windows in all."""
        return self.batch * math.prod(self.windows.counts)

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.terms * self.groups * self.made


def conv_of(x_shape: Sequence[int], filter_shape: Sequence[int], attrs: Mapping[str, Any]) -> Conv:
    """The sizes of the convolution of an `x` by `filters` of these shapes."""
    batch, sizes, channels = parts(tuple(x_shape), attrs["channels_first"])
    kernel, (taken, made) = tuple(filter_shape[:-2]), filter_shape[-2:]
    groups = attrs["groups"]
    if groups is None:  # depthwise
        groups, taken, made = channels, 1, channels * made
    windows = windows_of(sizes, kernel, attrs["strides"], attrs["dilations"], attrs["padding"])
    return Conv(batch, windows, groups, taken, made // groups if groups else 0, attrs["channels_first"])


# --- views ----------------------------------------------------------------------------------------


def channels_last(xp: Any, x: Any, c: Conv, each: int) -> Any:
    """A view [batch, *sizes, groups, each] of an array of the convolution, whichever way its axes lie."""
    if not c.first:
        return xp.reshape(x, (*x.shape[:-1], c.groups, each))
    n = len(x.shape) - 2
    divided = xp.reshape(x, (x.shape[0], c.groups, each, *x.shape[2:]))
    return permuted(xp, divided, (0, *range(3, 3 + n), 1, 2))


def filter_view(xp: Any, filters: Any, c: Conv) -> Any:
    """A view [taps, taken, groups, made] of filters, depthwise ones included."""
    return xp.reshape(filters, (math.prod(c.windows.kernel), c.taken, c.groups, c.made))


# --- tiles ----------------------------------------------------------------------------------------


def blocks(dims: Sequence[int], target: int) -> tuple[int, ...]:
    """Nearly equal blocks along each axis, with at most `target` elements together, whole in the last axes."""
    result: list[int] = []
    left = max(1, target)
    for d in reversed(dims):
        b = max(1, min(d, left))
        left //= b
        result.append(-(-d // -(-d // b)) if d else 1)
    return tuple(reversed(result))


def rounds(dims: Sequence[int], block: Sequence[int]) -> int:
    """How many tiles cover the dimensions."""
    return math.prod(-(-d // b) for d, b in zip(dims, block, strict=True))


def tiles(dims: Sequence[int], block: Sequence[int]) -> Iterator[Tile]:
    """Tiles that cover the dimensions, in C order: each is one run of the elements in C order."""
    for number in range(rounds(dims, block)):
        tile: list[tuple[int, int]] = []
        for d, b in zip(reversed(dims), reversed(block), strict=True):
            number, k = divmod(number, -(-d // b))
            tile.append((k * b, min(k * b + b, d)))
        yield tuple(reversed(tile))


def taps(kernel: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The elements of a window, in C order."""
    return itertools.product(*map(range, kernel))


class Placed(NamedTuple):
    """Where one element of the windows of a tile lies in the array, without the windows that have it in the padding.

    number: of the tap, in C order. windows: which of the tile, counted from its start. positions: of the array.
    whole: no window of the tile is left out.
    """

    number: int
    tap: tuple[int, ...]
    windows: tuple[slice, ...]
    positions: tuple[slice, ...]
    whole: bool


def placed_taps(w: Windows, tile: Tile) -> Iterator[Placed]:
    """Each tap that is in the array for some window of a tile, in C order."""
    axes = [_placed_along(w, axis, *bounds) for axis, bounds in enumerate(tile[1:])]
    steps = [math.prod(w.kernel[axis + 1 :]) for axis in range(len(axes))]
    for chosen in itertools.product(*axes):
        tap = tuple([t for t, _, _, _ in chosen])
        yield Placed(
            sum([t * step for t, step in zip(tap, steps, strict=True)]),
            tap,
            tuple([windows for _, windows, _, _ in chosen]),
            tuple([positions for _, _, positions, _ in chosen]),
            all(whole for _, _, _, whole in chosen),
        )


def _placed_along(w: Windows, axis: int, start: int, stop: int) -> list[tuple[int, slice, slice, bool]]:
    """The same along one axis: (tap, windows, positions, whole)."""
    found = []
    step = w.strides[axis]
    for t in range(w.kernel[axis]):
        shift = t * w.dilations[axis] - w.lows[axis]
        low = max(start, -(shift // step))  # the first window with o * step + shift >= 0
        high = min(stop, (w.sizes[axis] - 1 - shift) // step + 1)
        if low < high:
            positions = slice(low * step + shift, (high - 1) * step + shift + 1, step)
            found.append((t, slice(low - start, high - start), positions, low == start and high == stop))
    return found


# --- dtypes ---------------------------------------------------------------------------------------


def working_dtype(dtype: np.dtype[Any], out_dtype: np.dtype[Any] | None, terms: int) -> np.dtype[Any]:
    """The dtype to multiply and add in: 16-bit floats in float32, small integers in floats that hold every sum exactly.

    Products of integers have no fast routine, those of floats have.
    """
    if is_half(dtype):
        return SUPPORTED["float32"]
    if dtype.kind not in "iu":
        return dtype
    bits = 2 * (8 * dtype.itemsize - (dtype.kind == "i"))
    largest = max(terms, 1) << bits
    if largest <= 1 << 24:
        return SUPPORTED["float32"]
    if largest <= 1 << 53:
        return SUPPORTED["float64"]
    return dtype if out_dtype is None else out_dtype


def narrowed(xp: Any, value: Any, dtype: np.dtype[Any]) -> Any:
    """`value` in the dtype of the result; whole floats become integers that wrap around."""
    made = numpy_dtype(value)
    if made == dtype:
        return value
    if dtype.kind in "iu" and made.kind == "f":
        value = as_dtype(xp, value, dtype_of(xp, SUPPORTED["int64"]))
    return as_dtype(xp, value, dtype_of(xp, dtype))


def as_dtype(xp: Any, x: Any, dtype: Any) -> Any:
    """The array itself, or a copy in another dtype of its array module."""
    if x.dtype == dtype:
        return x
    return x.astype(dtype) if hasattr(x, "astype") else xp.astype(x, dtype)  # CuPy 13 has only the method
