"""How two values differ, and by how much rounding alone may make them differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from graphflow.interpret import Functions, type_of
from graphflow.op import Op
from graphflow.types import STRING, is_floating

__all__ = ["Difference", "difference", "fold_length", "jittered", "rounding_bounds", "same_bits"]

Array = np.ndarray[Any, Any]

SAMPLES = 4
"""How many computations with jitter a bound is made from."""

SAFETY = 8.0
"""What the spread of the samples is multiplied by: the largest of 4 samples of a normal spread lies below an eighth
of its standard deviation, so that a just difference could be called wrong, for 1 element in 10,000; and such elements
are held against the spread of the whole value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two values of one type differ. index: of the first such element. count: of them, out of `size`.

    expected, got: that element. largest: the largest distance, NaN where one of a pair is NaN.
    """

    index: tuple[int, ...]
    count: int
    size: int
    expected: Any
    got: Any
    largest: float

    def __str__(self) -> str:
        where = f" at {list(self.index)}" if self.index else ""
        return (
            f"{self.count} of {self.size} elements differ, the first{where}: {self.got!s} for {self.expected!s}, "
            f"the largest by {self.largest:.3g}"
        )


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays are of one type and equal bit for bit; every NaN counts as the same."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return not bool(_differs(a, b, None).any())


def difference(expected: Array, got: Array, bound: Array | None = None) -> Difference | None:
    """Where `got` differs from `expected`, of the same type: in any bit, or by more than `bound`; None for nowhere.

    bound: largest distances that are allowed, one for each element in its order, of complex numbers two.
    """
    found = _differs(expected, got, bound)
    if not found.any():
        return None
    first = int(found.argmax())
    flat_expected, flat_got = expected.reshape(-1), got.reshape(-1)
    index = tuple(int(i) for i in np.unravel_index(first, expected.shape)) if expected.ndim else ()
    largest = math.nan
    if expected.dtype is not STRING:
        with np.errstate(all="ignore"):
            a, b = _numbers(expected), _numbers(got)
            largest = float(np.max(np.where(_differing_parts(expected, got, bound), np.abs(a - b), 0)))
    return Difference(index, int(found.sum()), found.size, flat_expected[first], flat_got[first], largest)


def _differs(a: Array, b: Array, bound: Array | None) -> Array:
    """A flat mask of the elements that differ."""
    if a.dtype is STRING:
        return np.asarray(a != b).reshape(-1)
    found = _differing_parts(a, b, bound)
    return np.any(found.reshape(-1, 2), axis=1) if a.dtype.kind == "c" else found


def _differing_parts(a: Array, b: Array, bound: Array | None) -> Array:
    """The mask of `_differs`, real and imaginary parts apart."""
    x, y = _parts(a), _parts(b)
    bits = np.dtype(f"u{x.dtype.itemsize}")
    found: Array = x.view(bits) != y.view(bits)
    if not found.any():
        return found
    if is_floating(x.dtype):
        found &= ~(np.isnan(x) & np.isnan(y))
    if bound is not None:
        with np.errstate(all="ignore"):
            near = np.abs(_numbers(a) - _numbers(b)) <= bound
        found &= ~near
    return found


def _parts(x: Array) -> Array:
    """The elements in one row, complex numbers as two reals each."""
    flat = np.ascontiguousarray(x).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _numbers(x: Array) -> Array:
    """The parts as float64."""
    return _parts(x).astype(np.float64)


def fold_length(op: Op, attrs: Mapping[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> float:
    """How many operations go into an element of the output, at least 1: what rounding errors grow with."""
    size = sum(v.size for v in outputs if v is not None)
    if op.flops is None or op.is_control or not size or any(v is None for v in outputs):
        return 1.0
    flops = op.flops([type_of(v) for v in inputs], [type_of(v) for v in outputs], **attrs)
    return max(1.0, float(flops) / float(size))


def jittered(functions: Functions, seed: int) -> Functions:
    """`functions` whose every function gets its floats one unit in the last place up or down, by chance.

    Zeros, infinities and NaN stay, and views and what is not pure get what they are given. The same seed gives the
    same jitter. Source: Monte Carlo arithmetic, Parker 1997; CESTAC, Vignes 1993.
    """
    rng = np.random.default_rng(seed)

    def find(op: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        function = functions(op, attrs)
        if op.is_view or not op.is_pure or op.name == "transfer":
            return function
        return lambda *inputs: function(*[_jitter(x, rng) for x in inputs])

    return find


def _jitter(x: Array, rng: np.random.Generator) -> Array:
    if not is_floating(x.dtype) or not x.size:
        return x
    parts = _parts(x)
    eps = _eps(parts.dtype)
    up = rng.integers(0, 2, parts.size, dtype=np.uint8).astype(bool)
    with np.errstate(all="ignore"):
        step = np.abs(parts) * eps
        moved = np.where(up, parts + step, parts - step)
        moved = np.where(np.isfinite(moved), moved, parts)
    moved = moved.view(x.dtype).reshape(x.shape)
    return np.asfortranarray(moved) if x.flags.f_contiguous and not x.flags.c_contiguous else moved


def _eps(dtype: np.dtype[Any]) -> Any:
    """The distance from 1 to the next number, in that dtype."""
    return np.asarray(ml_dtypes.finfo(dtype).eps, dtype)  # type: ignore[no-untyped-call]


def rounding_bounds(
    sample: Callable[[int], Sequence[Array] | None], expected: Sequence[Array], fold: float
) -> list[Array]:
    """How far a computation of `expected` with other rounding may be from it, as `difference` takes it.

    sample: the same values, computed with the jitter of a seed; None where that fails. fold: the longest `fold_length` on the way.
    The spread of the samples shows how one unit in the last place of any operand is felt in the end. A sum of n
    terms rounds n times, so that its error grows as the square root of n beside that (Higham, "Accuracy and Stability of
    Numerical Algorithms", 2nd ed., section 2.8).
    """
    drawn = [sample(seed) for seed in range(SAMPLES)]
    bounds = []
    for k, value in enumerate(expected):
        if value.dtype is STRING:
            bounds.append(np.zeros(value.size))
            continue
        exact = _numbers(value)
        spread = np.zeros(exact.shape)
        with np.errstate(all="ignore"):
            for values in drawn:
                if values is None or values[k].shape != value.shape:
                    spread[:] = math.inf  # something hangs on a comparison of nearly equal numbers
                    continue
                away = np.abs(_numbers(values[k]) - exact)
                spread = np.maximum(spread, np.where(np.isnan(away) & np.isfinite(exact), math.inf, away))
            usual = spread[np.isfinite(spread)]
            if is_floating(value.dtype):
                spread = np.maximum(spread, float(_eps(_parts(value).dtype)) * np.abs(exact))
                if usual.size:
                    spread = np.maximum(spread, math.sqrt(float(np.mean(usual**2))))
            bounds.append(SAFETY * math.sqrt(fold) * np.where(np.isnan(spread), 0.0, spread))
    return bounds
