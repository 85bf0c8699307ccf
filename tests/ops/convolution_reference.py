"""Convolutions by their definition: loops over windows and taps, the oracle of samples and tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["convolved", "filter_gradient", "input_gradient", "output_sizes"]


def _each(value: Any, n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)


def _pads(size: int, k: int, s: int, d: int, padding: Any, axis: int) -> tuple[int, int]:
    if padding == "VALID":
        return 0, 0
    if padding == "SAME":
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        return total // 2, total - total // 2
    lo, hi = padding[axis]
    return lo, hi


def output_sizes(
    sizes: Any, kernel: Any, strides: Any, dilations: Any, padding: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many windows there are along each axis, and the zeros before the first element."""
    counts, lows = [], []
    for axis, (size, k, s, d) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        lo, hi = _pads(size, k, s, d, padding, axis)
        counts.append((size + lo + hi - (k - 1) * d - 1) // s + 1)
        lows.append(lo)
    return tuple(counts), tuple(lows)


def _pairs(
    sizes: Any, kernel: Any, strides: Any, padding: Any, dilations: Any
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """(window, tap, position in the array) for all that are not in the padding."""
    n = len(sizes)
    strides, dilations = _each(strides, n), _each(dilations, n)
    counts, lows = output_sizes(sizes, kernel, strides, dilations, padding)
    for window in np.ndindex(*counts):
        for tap in np.ndindex(*kernel):
            position = tuple(
                o * s + t * d - lo
                for o, s, t, d, lo in zip(window, strides, tap, dilations, lows, strict=True)
            )
            if all(0 <= p < size for p, size in zip(position, sizes, strict=True)):
                yield window, tap, position


def _wide(x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype.kind in "iu":
        return x.astype(object)  # Python ints: nothing overflows
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _last(x: Any, first: bool) -> Any:
    return np.moveaxis(_wide(x), 1, -1) if first else _wide(x)


def convolved(
    x: Any,
    w: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    dilations: Any = 1,
    groups: int = 1,
    first: bool = False,
) -> Any:
    """x: [batch, *sizes, channels] (or channels first), w: [*kernel, channels / groups, outputs]."""
    x, w = _last(x, first), _wide(w)
    sizes, kernel, n = x.shape[1:-1], w.shape[:-2], x.ndim - 2
    counts, _ = output_sizes(sizes, kernel, _each(strides, n), _each(dilations, n), padding)
    y = np.zeros((len(x), *counts, w.shape[-1]), np.result_type(x, w))
    each, made = w.shape[-2], w.shape[-1] // groups
    for window, tap, position in _pairs(sizes, kernel, strides, padding, dilations):
        for k in range(groups):
            part = x[(slice(None), *position, slice(k * each, (k + 1) * each))]
            y[(slice(None), *window, slice(k * made, (k + 1) * made))] += np.dot(
                part, w[(*tap, slice(None), slice(k * made, (k + 1) * made))]
            )
    return np.moveaxis(y, -1, 1) if first else y


def input_gradient(
    g: Any,
    w: Any,
    shape: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    dilations: Any = 1,
    groups: int = 1,
    first: bool = False,
) -> Any:
    """What `convolved` adds up for the outputs `g`, given back to an input of that shape."""
    g, w = _last(g, first), _wide(w)
    target = (shape[0], *shape[2:], shape[1]) if first else tuple(shape)
    x = np.zeros(target, np.result_type(g, w))
    each, made = w.shape[-2], w.shape[-1] // groups
    for window, tap, position in _pairs(target[1:-1], w.shape[:-2], strides, padding, dilations):
        for k in range(groups):
            part = g[(slice(None), *window, slice(k * made, (k + 1) * made))]
            x[(slice(None), *position, slice(k * each, (k + 1) * each))] += np.dot(
                part, w[(*tap, slice(None), slice(k * made, (k + 1) * made))].T
            )
    return np.moveaxis(x, -1, 1) if first else x


def filter_gradient(
    x: Any,
    g: Any,
    shape: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    dilations: Any = 1,
    groups: int = 1,
    first: bool = False,
) -> Any:
    """Sums of products of the windows of `x` with `g`, for filters of that shape."""
    x, g = _last(x, first), _last(g, first)
    w = np.zeros(shape, np.result_type(x, g))
    each, made = shape[-2], shape[-1] // groups
    for window, tap, position in _pairs(x.shape[1:-1], shape[:-2], strides, padding, dilations):
        for k in range(groups):
            left = x[(slice(None), *position, slice(k * each, (k + 1) * each))]
            right = g[(slice(None), *window, slice(k * made, (k + 1) * made))]
            w[(*tap, slice(None), slice(k * made, (k + 1) * made))] += np.dot(left.T, right)
    return w
