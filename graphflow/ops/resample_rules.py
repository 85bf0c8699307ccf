"""Which elements an axis is resampled from, and with what weights: the rule of each method.

An axis of n elements is made one of m. Output i is at the place

    legacy          i * n / m                       TensorFlow 1's default
    align corners   i * (n - 1) / (m - 1)           the first and last elements of both coincide
    half pixel      (i + 1/2) * n / m - 1/2         PyTorch's and TensorFlow 2's default, ONNX's "half_pixel"

of the input. Weights are computed in double precision, once for each pair of sizes. Sources: the kernels
`resize_*_op.cc` of TensorFlow, whose 1024 steps for cubic weights are not imitated; Keys 1981 for cubic
convolution; ONNX's Resize.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

__all__ = ["Combination", "Part", "Rule", "adjoint_of", "combination_of"]

Array: TypeAlias = np.ndarray[Any, Any]

LARGEST = 1 << 14
"""Up to so many elements, old and new ones together, weights are kept for the next time."""


class Rule(NamedTuple):
    """How an axis is resampled.

    method: "nearest", "linear", "cubic", "area" (overlaps of intervals), "adaptive" (means of whole elements).
    places: "legacy", "corners" or "half".
    coefficient: Keys' a, for "cubic". exclude: places outside get no weight, and the others make up for it;
    else they count as the nearest element. antialias: weights as wide as the output's elements, where there are
    fewer of these.
    """

    method: str
    places: str = "half"
    coefficient: float = -0.75
    exclude: bool = False
    antialias: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One element for each output: outputs (None: all, in order), their inputs, weights (None: all 1)."""

    outputs: Array | slice | None
    inputs: Array
    weights: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Every output as a weighted sum: `parts` one after another; `terms` in all."""

    size: int
    parts: tuple[Part, ...]
    terms: int


# --- the rules ------------------------------------------------------------------------------------


def _places(n: int, m: int, places: str) -> Array:
    i = np.arange(m, dtype=np.float64)
    if places == "corners":
        return i * ((n - 1) / (m - 1)) if m > 1 else i * 0
    return (i + 0.5) * (n / m) - 0.5 if places == "half" else i * (n / m)


def _nearest(n: int, m: int, places: str) -> Array:
    """Whole numbers alone, so that nothing is rounded the wrong way."""
    i = np.arange(m, dtype=np.int64)
    if places == "corners":
        return (2 * i * (n - 1) + (m - 1)) // (2 * (m - 1)) if m > 1 else i * 0
    return np.minimum(((2 * i + 1) * n) // (2 * m) if places == "half" else (i * n) // m, n - 1)


def _keys(distance: Array, a: float) -> Array:
    """Cubic convolution: a piecewise cubic in the distance, 1 at 0 and 0 at 1, 2 and beyond."""
    t = np.abs(distance)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _triangle(distance: Array) -> Array:
    weights: Array = np.maximum(0.0, 1 - np.abs(distance))
    return weights


def _kernel_table(n: int, m: int, rule: Rule) -> tuple[Array, Array, Array]:
    """Inputs, weights, and which of them count, each [taps, m], for weights that depend on the distance."""
    place = _places(n, m, rule.places)
    if rule.method == "linear" and not (rule.exclude or rule.antialias):
        place = np.clip(place, 0, n - 1)
    scale = max(n / m, 1.0) if rule.antialias else 1.0
    radius = (2 if rule.method == "cubic" else 1) * scale
    first = np.floor(place - radius).astype(np.int64) + 1
    taps = first + np.arange(int(np.ceil(2 * radius)))[:, None]
    distance = (taps - place) / scale
    weights = _keys(distance, rule.coefficient) if rule.method == "cubic" else _triangle(distance)
    inside = (taps >= 0) & (taps < n)
    if rule.exclude or rule.antialias:
        weights = np.where(inside, weights, 0.0)
        weights = weights / weights.sum(axis=0)
    else:
        inside = np.ones_like(inside)
    if rule.antialias:
        inside &= weights != 0
    return np.clip(taps, 0, n - 1), weights, inside


def _interval_table(n: int, m: int, rule: Rule) -> tuple[Array, Array, Array]:
    """Inputs, weights, and which of them count, each [taps, m], for outputs that are means of intervals."""
    i = np.arange(m, dtype=np.int64)
    if rule.method == "adaptive":
        first, last = (i * n) // m, -((-(i + 1) * n) // m)
        taps = first + np.arange(int((last - first).max()))[:, None]
        inside = taps < last
        return np.minimum(taps, n - 1), inside / (last - first), inside
    over, under = (n - 1, m - 1) if rule.places == "corners" and m > 1 else (n, m)
    first, last = (i * over) // under, -((-(i + 1) * over) // under)
    taps = first + np.arange(max(int((last - first).max()), 1))[:, None]
    low, high = np.maximum(taps * under, i * over), np.minimum((taps + 1) * under, (i + 1) * over)
    overlap = np.maximum(high - low, 0)
    if over == 0:  # one element, whose corners are aligned
        overlap = np.ones_like(taps)
    return np.minimum(taps, n - 1), overlap / overlap.sum(axis=0), overlap > 0


def combination_of(n: int, m: int, rule: Rule) -> Combination:
    """How `m` outputs are made of `n` inputs; both are at least 1. Remembered for sizes that images have."""
    return _remembered(n, m, rule) if n + m <= LARGEST else _weighted(n, m, rule)


def _weighted(n: int, m: int, rule: Rule) -> Combination:
    if rule.method == "nearest":
        return Combination(m, (Part(None, _nearest(n, m, rule.places), None),), m)
    table = _interval_table if rule.method in ("area", "adaptive") else _kernel_table
    with np.errstate(all="ignore"):  # asked when planning too
        return _combination(m, *table(n, m, rule))


_remembered = functools.lru_cache(maxsize=256)(_weighted)


def _combination(m: int, inputs: Array, weights: Array, inside: Array) -> Combination:
    parts = []
    for taps, factors, counts in zip(inputs, weights, inside, strict=True):
        outputs = np.flatnonzero(counts)
        if outputs.size:
            parts.append(_part(m, outputs, taps[outputs], factors[outputs]))
    return Combination(m, tuple(parts), int(inside.sum()))


def _part(size: int, outputs: Array, inputs: Array, weights: Array | None) -> Part:
    """A part whose outputs, in order, are a slice where they can be."""
    first, last = int(outputs[0]), int(outputs[-1]) + 1
    if outputs.size == size:
        return Part(None, inputs, weights)
    return Part(slice(first, last) if last - first == outputs.size else outputs, inputs, weights)


def adjoint_of(n: int, m: int, rule: Rule) -> Combination:
    """The same weights the other way: how gradients of `n` inputs are made of those of `m` outputs."""
    return _remembered_adjoint(n, m, rule) if n + m <= LARGEST else _transposed(n, m, rule)


def _transposed(n: int, m: int, rule: Rule) -> Combination:
    forward = combination_of(n, m, rule)
    inputs = np.concatenate([part.inputs for part in forward.parts])
    every = np.arange(m)
    outputs = np.concatenate([every if p.outputs is None else every[p.outputs] for p in forward.parts])
    factors = np.concatenate(
        [np.ones(p.inputs.size) if p.weights is None else p.weights for p in forward.parts]
    )
    order = np.lexsort((outputs, inputs))
    inputs, outputs, factors = inputs[order], outputs[order], factors[order]
    counts = np.bincount(inputs, minlength=n)
    rank = np.arange(inputs.size) - np.repeat(np.cumsum(counts) - counts, counts)  # among those of its input
    by_rank = np.argsort(rank, kind="stable")
    ends = np.cumsum(np.bincount(rank))
    plain = all(p.weights is None for p in forward.parts)
    parts = [
        _part(n, inputs[chosen], outputs[chosen], None if plain else factors[chosen])
        for chosen in np.split(by_rank, ends[:-1])
    ]
    return Combination(n, tuple(parts), inputs.size)


_remembered_adjoint = functools.lru_cache(maxsize=256)(_transposed)
