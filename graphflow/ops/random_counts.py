"""Counts: Poisson, binomial and multinomial variates. They are exact, not approximated by normal ones.

Small means by inversion: the distribution function is summed up until it passes a uniform number of 52 bits. Means of
10 and more by Hörmann's transformed rejection, words 0 and 1 of an attempt making its first uniform number, 2 and 3
its second. Formulas are evaluated in float64: above means of 10^12 their rounding begins to show.
Sources: Hörmann 1993, "The transformed rejection method for generating Poisson random variables" and "The generation of
binomial random variates".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.cast import dtype_of
from graphflow.ops.gamma_kernels import lgamma_double
from graphflow.ops.philox import Key
from graphflow.ops.random_node import BITS, finite
from graphflow.ops.random_parameters import Given, checked_seed, derived_seed, shaped, shaped_for_each
from graphflow.ops.random_seed import draw_index
from graphflow.ops.random_words import fill_by_attempts, open_unit, rejection_nbytes
from graphflow.types import TensorType, as_dtype, is_integer

__all__ = ["random_binomial", "random_multinomial", "random_poisson"]

SMALL = 10.0
"""Means below it are inverted: the rejection's constants hold from there on."""


def _lgamma(xp: Any, x: Any) -> Any:
    if xp is np:
        return lgamma_double(x)
    import cupyx.scipy.special

    return cupyx.scipy.special.gammaln(x)


def _by_inversion(xp: Any, u: Any, first: Any, ratio: Any) -> Any:
    """The count at which the sum of probabilities passes u: `first` is that of 0, `ratio(k)` those of k+1 and k.

    A sum that ends below u by rounding counts no further than probabilities of 1e-20.
    """
    count, total, p = xp.zeros_like(u), first, first
    for k in range(200):
        beyond = (u > total) & (p > 1e-20)
        if not bool(xp.any(beyond)):
            break
        count = count + beyond
        p = p * ratio(k)
        total = total + p
    return count


def _merged(xp: Any, small: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Values and acceptance of two methods, each computed for its own elements only."""
    values, accepted = xp.zeros(small.shape, dtype=xp.float64), xp.ones(small.shape, dtype=bool)
    for mask, method in ((small, low), (~small, high)):
        places = xp.nonzero(mask)[0]
        if places.shape[0]:
            values[places], accepted[places] = method(places)
    return values, accepted


# --- Poisson --------------------------------------------------------------------------------------


def _poisson_attempt(xp: Any, words: Any, rate: Any) -> tuple[Any, Any]:
    valid = (rate >= 0) & (rate < math.inf)
    lam = xp.where(valid, rate, 0.0)
    u, v = open_unit(xp, words[0], words[1]), open_unit(xp, words[2], words[3])

    def low(at: Any) -> tuple[Any, Any]:
        m = lam[at]
        return _by_inversion(xp, u[at], xp.exp(-m), lambda k: m / (k + 1)), True

    def high(at: Any) -> tuple[Any, Any]:
        m, s, w = lam[at], u[at] - 0.5, v[at]
        b = 0.931 + 2.53 * xp.sqrt(m)
        a = -0.059 + 0.02483 * b
        rest = 0.5 - xp.abs(s)
        k = xp.floor((2 * a / rest + b) * s + m + 0.43)
        quick = (rest >= 0.07) & (w <= 0.9277 - 3.6224 / (b - 2))
        possible = (k >= 0) & ~((rest < 0.013) & (w > rest))
        k = xp.maximum(k, 0.0)
        inverse = 1.1239 + 1.1328 / (b - 3.4)
        left = xp.log(w * inverse / (a / (rest * rest) + b))
        return k, quick | (possible & (left <= k * xp.log(m) - m - _lgamma(xp, k + 1)))

    values, accepted = _merged(xp, lam < SMALL, low, high)
    return xp.where(valid, values, math.nan), accepted


def _count_kernel(attempt: Any) -> Any:
    def kernel(xp: Any, draw: Any, *parameters: Any, key: Key, dtype: np.dtype[Any], out: Any = None) -> Any:
        if out is None:
            out = xp.empty(parameters[0].shape, dtype=dtype_of(xp, dtype))
        fill_by_attempts(xp, key, draw, parameters, attempt, out, dtype)
        return out

    return kernel


def _declared(name: str, attempt: Any, temporaries: float, doc: str) -> Op:
    return declare(
        Op(
            name,
            lambda draw, *parameters, key, dtype: TensorType(dtype, parameters[0].shape),
            _count_kernel(attempt),
            None,
            Trait.RANDOM | Trait.OUT,
            dtype=lambda draw, *parameters, key, dtype: dtype,
            flops=lambda inputs, outputs, **attrs: 400 * int(outputs[0].size),
            workspace=rejection_nbytes(temporaries),
            no_gradient="counts change in steps",
            doc=doc,
        )
    )


RANDOM_POISSON = _declared("random_poisson", _poisson_attempt, 26.7, "Poisson variates.")


def _count_dtype(label: str, dtype: Any) -> np.dtype[Any]:
    wanted = as_dtype(dtype)
    if not is_integer(wanted) and wanted.name not in BITS:
        raise DTypeError(f"{label}: dtype must be an integer or real floating type, not {wanted.name}")
    return wanted


def _drawn(op: Op, label: str, seed: Any, dtype: np.dtype[Any], *parameters: Tensor) -> Tensor:
    """Draws in float64, converted by a cast, which keeps counts within the range of integers."""
    key, draw = draw_index(label, seed, parameters[0])
    double = as_dtype("float64")
    return F.cast(apply(op, draw, *parameters, key=key, dtype=double), dtype)  # type: ignore[no-any-return]


_RATE = "at least 0 and finite"


@public
def random_poisson(
    lam: Any, shape: Any = None, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Poisson variates of mean `lam`, new ones at every run.

    lam: a number, array or tensor, at least 0; no gradient flows to it, and to ask for one is a GradientError. In a
        tensor, NaN and negative means give NaN, 0 for integers.
    shape: of the draws for each element of lam, as in TensorFlow: the result has shape + that of lam.
    dtype: a real floating or integer type, float32 where left out; integers stop at their largest value.
    seed: see `set_seed`. A primitive. Raises ArgumentError for a known lam that is negative or not finite.
    """
    label = "random_poisson"
    wanted = _count_dtype(label, "float32" if dtype is None else dtype)
    rate = Given("lam", lam, lambda v: finite(v) and bool(np.all(v >= 0)), _RATE)
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        (means,) = shaped_for_each(label, shape, as_dtype("float64"), rate)
        return _drawn(RANDOM_POISSON, label, seed, wanted, means)


# --- binomial -------------------------------------------------------------------------------------


def _binomial_attempt(xp: Any, words: Any, trials: Any, chance: Any) -> tuple[Any, Any]:
    valid = (trials >= 0) & (trials < math.inf) & (chance >= 0) & (chance <= 1)
    n = xp.where(valid, xp.floor(trials), 0.0)
    given = xp.where(valid, chance, 0.0)
    mirrored = given > 0.5
    p = xp.where(mirrored, 1 - given, given)
    u, v = open_unit(xp, words[0], words[1]), open_unit(xp, words[2], words[3])

    def low(at: Any) -> tuple[Any, Any]:
        m, q = n[at], p[at]
        odds = q / (1 - q)
        return _by_inversion(xp, u[at], xp.exp(m * xp.log1p(-q)), lambda k: (m - k) / (k + 1) * odds), True

    def high(at: Any) -> tuple[Any, Any]:
        m, q, s, w = n[at], p[at], u[at] - 0.5, v[at]
        spread = xp.sqrt(m * q * (1 - q))
        b = 1.15 + 2.53 * spread
        a = -0.0873 + 0.0248 * b + 0.01 * q
        rest = 0.5 - xp.abs(s)
        k = xp.floor((2 * a / rest + b) * s + m * q + 0.5)
        quick = (rest >= 0.07) & (w <= 0.92 - 4.2 / b)
        possible = (k >= 0) & (k <= m)
        k = xp.clip(k, 0.0, m)
        mode = xp.floor((m + 1) * q)
        left = xp.log(w * (2.83 + 5.1 / b) * spread / (a / (rest * rest) + b))
        right = (
            _lgamma(xp, mode + 1) + _lgamma(xp, m - mode + 1) - _lgamma(xp, k + 1) - _lgamma(xp, m - k + 1)
        )
        return k, quick | (possible & (left <= right + (k - mode) * xp.log(q / (1 - q))))

    values, accepted = _merged(xp, n * p < SMALL, low, high)
    values = xp.where(mirrored, n - values, values)
    return xp.where(valid, values, math.nan), accepted


RANDOM_BINOMIAL = _declared("random_binomial", _binomial_attempt, 32.4, "Binomial variates.")


def _chance(what: str, value: Any) -> Given:
    return Given(what, value, lambda v: bool(np.all((v >= 0) & (v <= 1))), "in [0, 1]")


def _trials(value: Any) -> Given:
    rule = "at least 0 and finite"
    return Given("counts", value, lambda v: finite(v) and bool(np.all(v >= 0)), rule)


@public
def random_binomial(
    shape: Any,
    counts: Any,
    probs: Any,
    dtype: Any = "int64",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """How many of `counts` trials of chance `probs` succeed, new ones at every run.

    shape: of the result, to which counts and probs broadcast; their common shape for None.
    counts: at least 0, rounded down. probs: in [0, 1]. No gradient flows to them, and to ask for one is a GradientError.
    In a tensor, values outside give NaN, 0 for integers.
    dtype: an integer or real floating type. seed: see `set_seed`. A primitive.
    Raises ArgumentError for known values outside their range; ShapeError, DTypeError.
    """
    label = "random_binomial"
    wanted, seed = _count_dtype(label, dtype), checked_seed(label, seed)
    with composition(label if name is None else name):
        n, p = shaped(label, shape, as_dtype("float64"), _trials(counts), _chance("probs", probs))
        return _drawn(RANDOM_BINOMIAL, label, seed, wanted, n, p)


# --- multinomial ----------------------------------------------------------------------------------


@public
def random_multinomial(
    shape: Any,
    counts: Any,
    probs: Any,
    dtype: Any = "int64",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """How often each of k outcomes comes up in `counts` trials: [..., k] that sum to counts. New ones at every run.

    probs: [..., k], at least 0, of known k from 1 to 1000; they are divided by their sum. counts: broadcasts with the
        other axes. shape: that of the other axes of the result; that of probs and counts for None.
    Outcome after outcome, a binomial draw of the trials that are left. A composition.
    Raises ShapeError where k is not known, ArgumentError for known values outside their range. Else as `random_binomial`.
    """
    label = "random_multinomial"
    wanted, seed = _count_dtype(label, dtype), checked_seed(label, seed)
    double = as_dtype("float64")
    with composition(label if name is None else name):
        weight = Given("probs", probs, lambda v: finite(v) and bool(np.all(v >= 0)), "at least 0 and finite")
        (weights,) = shaped(label, None, double, weight)
        dims = weights.type.shape
        if dims is None or not dims or not isinstance(dims[-1], int) or not 1 <= dims[-1] <= 1000:
            raise ShapeError(
                f"{label}: probs must have a known number of outcomes in its last axis, got {probs!r}"
            )
        parts = F.unstack(weights, axis=-1)
        rest = [parts[-1]]
        for part in reversed(parts[:-1]):
            rest.append(rest[-1] + part)
        (left,) = shaped(label, shape, double, _trials(counts))
        left = left + F.zeros_like(rest[-1]) if shape is None else left
        drawn = []
        for k, (part, total) in enumerate(zip(parts[:-1], reversed(rest), strict=False)):
            share = F.clip(F.div_no_nan(part, total), 0.0, 1.0)
            n, p = shaped(label, None, double, _trials(left), _chance("probs", share))
            hits = _drawn(RANDOM_BINOMIAL, label, derived_seed(seed, k) if k else seed, double, n, p)
            drawn.append(hits)
            left = left - hits
        return F.cast(F.stack([*drawn, left], axis=-1), wanted)  # type: ignore[no-any-return]
