"""How windows over several axes are walked: as shifted slices, tap by tap, one axis after another or all at once.

A tap is one place in the window. Along an axis the elements that meet a tap of all windows are one strided
slice, so that a kernel over windows is a few whole-array operations, and padding is never stored: windows that
reach outside leave taps out. A plan depends on sizes alone and is made once for each of them.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.window import AxisPadding, output_size, pads_of, span_of
from graphflow.types import TensorType

__all__ = [
    "AxisWindow",
    "Key",
    "Pass",
    "Plan",
    "Tap",
    "counts_along",
    "is_inside",
    "plan_of",
    "starts_along",
    "taps_along",
    "taps_range",
    "ufunc_nbytes",
]

AxisWindow: TypeAlias = tuple[int, int, int, AxisPadding]
"""Window, stride, dilation and padding along one axis."""

Key: TypeAlias = tuple[Any, ...]
"""An index made of slices, for leading axes."""

CHUNK_NBYTES = 1 << 20
"""Bytes of input that are handled at a time, so that what lies between two passes stays in the cache."""

FEW_WINDOWS = 256
"""Windows whose taps are counted at a time, where they reach into the padding: so many take next to no memory."""

SEPARATE_NBYTES = 1 << 23
"""Above so many bytes between two passes, for one entry of the first axis, not too many taps are walked at once."""


@dataclass(frozen=True, slots=True)
class Tap:
    """One tap of all windows: which outputs have it inside the input, and which inputs those are."""

    outputs: Key
    inputs: Key
    full: bool  # every output has it


@dataclass(frozen=True, slots=True)
class Pass:
    """One walk over taps: the shape of the outputs (without the first axis, where that is cut up) and the taps."""

    shape: tuple[int, ...]
    taps: tuple[Tap, ...]
    disjoint: bool  # no input is in two windows
    covering: bool  # every input is in a window


@dataclass(frozen=True, slots=True)
class Plan:
    """Passes from the input to the output, and how many entries of the first axis are handled at a time.

    step: 0 where the first axis itself has windows, and nothing is cut up.
    """

    passes: tuple[Pass, ...]
    step: int
    count: int
    between_nbytes: int  # of all arrays between two passes, at 1 byte an element


def ufunc_nbytes(t: TensorType) -> int:
    """Bytes of the buffers that NumPy allocates for a call on slices of arrays of that type, whether it needs them or not."""
    return 3 * max(buffers_nbytes(t.size, t.dtype), buffers_nbytes(t.size, np.dtype(np.float32)))


# --- one axis -------------------------------------------------------------------------------------


def _bounds(n: int, out: int, start: int, stride: int) -> tuple[int, int]:
    """The outputs from which a tap that begins at `start` falls on one of `n` inputs."""
    first = max(0, -(start // stride))
    last = min(out, (n - 1 - start) // stride + 1)
    return (first, last) if last > first else (0, 0)


def taps_range(n: int, window: AxisWindow) -> range:
    """The taps that fall on one of `n` inputs in some window: no more than sizes allow, however large the window."""
    k, stride, dilation, _ = window
    start, out = starts_along(n, window)
    first = max(0, -((start + (out - 1) * stride) // dilation))
    return range(first, max(first, min(k, (n - 1 - start) // dilation + 1)))


def taps_along(n: int, window: AxisWindow) -> list[tuple[slice, slice, bool]]:
    """For each tap in `taps_range`: the outputs that have it, the inputs, and whether all outputs do."""
    _, stride, dilation, _ = window
    origin, out = starts_along(n, window)
    found = []
    for t in taps_range(n, window):
        start = origin + t * dilation
        first, last = _bounds(n, out, start, stride)
        low = start + first * stride
        inputs = slice(low, start + (last - 1) * stride + 1, stride) if last > first else slice(0, 0)
        found.append((slice(first, last), inputs, last - first == out))
    return found


def counts_along(n: int, window: AxisWindow, dtype: Any = np.int64) -> np.ndarray[Any, Any]:
    """How many taps of each window along one axis of size `n` are inside the input: [windows]."""
    k, stride, dilation, _ = window
    origin, out = starts_along(n, window)
    counts = np.full(out, k, dtype)
    low = min(out, max(0, -(origin // stride)))  # windows before it begin in the padding
    high = max(
        low, min(out, (n - 1 - (k - 1) * dilation - origin) // stride + 1)
    )  # from it on, they end there
    for first in (*range(0, low, FEW_WINDOWS), *range(high, out, FEW_WINDOWS)):
        last = min(first + FEW_WINDOWS, low if first < low else out)
        starts = origin + stride * np.arange(first, last)
        outside = np.where(starts < 0, np.minimum(k, -(starts // dilation)), 0)
        counts[first:last] = np.maximum(np.minimum(k, (n - 1 - starts) // dilation + 1) - outside, 0)
    return counts


def is_inside(n: int, window: AxisWindow) -> bool:
    """Whether all taps of all windows along one axis of size `n` are inside the input."""
    k, stride, dilation, _ = window
    origin, out = starts_along(n, window)
    return out <= 0 or (origin >= 0 and origin + (out - 1) * stride + (k - 1) * dilation < n)


def starts_along(n: int, window: AxisWindow) -> tuple[int, int]:
    """Where the first window begins (in the padding, if negative), and how many windows there are."""
    k, stride, dilation, padding = window
    out = int(output_size(n, k, stride, dilation, padding))  # type: ignore[arg-type]  # an int of ints
    return -pads_of(n, k, stride, dilation, padding)[0], out


# --- all axes -------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=128)
def all_taps(
    shape: tuple[int, ...], axes: tuple[int, ...], windows: tuple[AxisWindow, ...]
) -> tuple[Tap, ...]:
    """The taps of windows along several axes of an array of that shape, in row-major order, but for those that are always outside."""
    lines = [taps_along(shape[axis], window) for axis, window in zip(axes, windows, strict=True)]
    taps = []
    for chosen in itertools.product(*lines):
        outputs, inputs = [slice(None)] * (max(axes) + 1), [slice(None)] * (max(axes) + 1)
        for axis, (o, i, _) in zip(axes, chosen, strict=True):
            outputs[axis], inputs[axis] = o, i
        taps.append(Tap((*outputs, ...), (*inputs, ...), all(full for _, _, full in chosen)))
    return tuple(taps)


def _pass(shape: tuple[int, ...], axes: tuple[int, ...], windows: tuple[AxisWindow, ...]) -> Pass:
    """One walk over windows along several axes of an array of that shape."""
    after = list(shape)
    for axis, window in zip(axes, windows, strict=True):
        after[axis] = starts_along(shape[axis], window)[1]
    taps = all_taps(shape, axes, windows)
    disjoint = all(stride >= span_of(k, dilation) for k, stride, dilation, _ in windows)
    covering = disjoint and all(
        stride == k and dilation == 1 and int(counts_along(shape[axis], window).sum()) == shape[axis]
        for axis, window in zip(axes, windows, strict=True)
        for k, stride, dilation, _ in [window]
    )
    return Pass(tuple(after), taps, disjoint, covering)


@functools.lru_cache(maxsize=512)
def plan_of(
    shape: tuple[int, ...], axes: tuple[int, ...], windows: tuple[AxisWindow, ...], itemsize: int
) -> Plan:
    """How to walk windows over an array of that shape, with the fewest operations on elements.

    One axis after another needs k1 + k2 operations an element instead of k1 * k2, on larger arrays.
    """
    used = [
        (axis, window)
        for axis, window in zip(axes, windows, strict=True)
        if window[:2] != (1, 1) or not isinstance(window[3], str)
    ] or [(axes[0], windows[0])]
    chunked = all(axis != 0 for axis, _ in used)
    each = math.prod(shape[1:]) if chunked else math.prod(shape)
    step = max(1, CHUNK_NBYTES // max(each * itemsize, 1)) if chunked else 0
    step = min(step, max(shape[0], 1))
    part = (step, *shape[1:]) if chunked else shape

    passes = []
    current = part
    for axis, window in used:
        passes.append(_pass(current, (axis,), (window,)))
        current = passes[-1].shape
    separate = sum((len(p.taps) - 1) * math.prod(p.shape) for p in passes)
    between = sum(math.prod(p.shape) for p in passes[:-1])
    together = (math.prod(len(p.taps) for p in passes) - 1) * math.prod(current)
    large = between * itemsize > max(step, 1) * SEPARATE_NBYTES and together < 4 * separate
    if len(used) > 1 and (separate >= together or large):
        passes = [_pass(part, tuple([axis for axis, _ in used]), tuple([window for _, window in used]))]
        between = 0
    return Plan(tuple(passes), step, shape[0] if chunked else 0, between)
