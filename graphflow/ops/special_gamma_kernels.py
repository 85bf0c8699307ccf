"""The incomplete gamma functions on blocks of float64, and how gamma variates move with their shape parameter.

    P(a, x) = 1/Γ(a) ∫ from 0 to x of t^(a-1) exp(-t) dt,   Q = 1 - P

Each region of the plane has the method that keeps its digits there, as in DiDonato and Morris 1986, "Computation of
the incomplete gamma function ratios and their inverse": a power series for P where x is small or below a, one for
Q where both are small, Legendre's continued fraction for Q above, and Temme's uniform expansion for large a near x.
Formulas: NIST Digital Library of Mathematical Functions, 5.11 (Γ*), 8.7.3, 8.9.2, 8.11.4, 8.12.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from graphflow.ops.erf_kernels import erfc_double, polynomial
from graphflow.ops.gamma_kernels import _lgamma_at_2 as lgamma_at_2
from graphflow.ops.gamma_kernels import digamma_double, lgamma_double

__all__ = ["gamma_p_double", "gamma_q_double", "log1p_minus", "log_gamma_star", "variate_slope_double"]

Block = np.ndarray[Any, np.dtype[np.float64]]

STEPS = 400
"""Terms of a series at most: where they are used, 150 are the most that were needed."""

LARGE_A, NEAR = 20.0, 0.3
"""Temme's expansion is used from this a on, where |x - a| < NEAR a."""

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_ATANH = tuple(1 / (2 * k + 3) for k in range(17))


def log1p_minus(u: Block) -> Block:
    """log(1 + u) - u without cancellation near 0: with s = u / (2 + u) it is -u s + 2 (s³/3 + s⁵/5 + ...)."""
    small = np.where(np.abs(u) < 0.5, u, 0.0)
    s = small / (2.0 + small)
    t = s * s
    near = -small * s + 2.0 * s * t * polynomial(t, _ATANH)
    return np.where(np.abs(u) < 0.5, near, np.log1p(u) - u)


def log_gamma_star(a: Block) -> Block:
    """log Γ*(a), where Γ(a) = √(2π/a) (a/e)^a Γ*(a)."""
    large = np.maximum(a, 8.0)
    r = 1.0 / large
    series = polynomial(r * r, _STIRLING) * r
    small = np.minimum(a, 8.0)
    rest = lgamma_double(small) - ((small - 0.5) * np.log(small) - small + _LOG_ROOT_2PI)
    return np.where(a < 8.0, rest, series)


def _power(a: Block, x: Block) -> Block:
    """x^a exp(-x) / Γ(a + 1), its exponents put together so that they cancel before they round."""
    u = (x - a) / a
    exponent = np.where(np.abs(u) < 0.5, log1p_minus(u), np.log(x / a) - u)
    return np.exp(a * exponent - log_gamma_star(a)) / np.sqrt(2.0 * math.pi * a)


def _log_gamma_1p(a: Block) -> Block:
    """log Γ(1 + a) without cancellation for small a, by a step down from Γ(2 + a)."""
    small = np.where(a < 0.5, a, 0.0)
    return np.where(a < 0.5, lgamma_at_2(small) - np.log1p(small), lgamma_double(1.0 + a))


# --- the four methods -----------------------------------------------------------------------------


def _lower_series(a: Block, x: Block) -> Block:
    """S = 1 + x/(a+1) + x²/((a+1)(a+2)) + ..., with P = x^a exp(-x) / Γ(a+1) S."""
    term, total, n = np.ones_like(x), np.ones_like(x), a.copy()
    for _ in range(STEPS):
        n += 1.0
        term *= x / n
        total += term
        if not np.any(term > 1e-17 * total):
            break
    return total


def _lower_slope(a: Block, x: Block) -> Block:
    """The derivative of S by a: each term times minus the sum of 1/(a+1), 1/(a+2), ... up to its own."""
    term, total = np.ones_like(x), np.zeros_like(x)
    harmonic, n = np.zeros_like(x), a.copy()
    for _ in range(STEPS):
        n += 1.0
        term *= x / n
        harmonic += 1.0 / n
        part = term * harmonic
        total -= part
        if not np.any(part > 1e-17 * -total):
            break
    return total


def _fraction(a: Block, x: Block) -> Block:
    """F with Q = x^a exp(-x) / Γ(a) F, from behind, which damps rounding errors, in as many steps as x needs."""
    return _by_steps(a, x, lambda s, t, steps: _from_behind(s, t, steps)[0])


def _fraction_slope(a: Block, x: Block) -> Block:
    """The derivative of F by a."""
    return _by_steps(a, x, lambda s, t, steps: _from_behind(s, t, steps)[1])


def _by_steps(a: Block, x: Block, method: Callable[[Block, Block, int], Block]) -> Block:
    """Measured for 0 < a < x: 100 steps at x = 1.1, 60 at 2, 25 from 5 on, fewer for large a, leave no error."""
    result = np.empty_like(x)
    for mask, steps in ((x < 2.0, 140), ((x >= 2.0) & (x < 5.0), 80), (x >= 5.0, 45)):
        places = np.flatnonzero(mask)
        if places.size:
            result[places] = method(a[places], x[places], steps)
    return result


def _from_behind(a: Block, x: Block, steps: int) -> tuple[Block, Block]:
    tail, slope = np.zeros_like(x), np.zeros_like(x)
    for i in range(steps, -1, -1):
        below = x + (2 * i + 1) - a + tail
        numerator = i * (a - i) if i else np.ones_like(x)
        tail = numerator / below
        slope = (i + tail * (1.0 - slope)) / below
    return tail, slope


def _upper_series(a: Block, x: Block) -> Block:
    """Q for x below about 1 and small a: 1 - x^a / Γ(1+a), less the rest of the alternating series."""
    power = a * np.log(x) - _log_gamma_1p(a)
    term, total = np.ones_like(x), np.zeros_like(x)
    for n in range(1, STEPS):
        term *= -x / n
        part = term / (a + n)
        total += part
        if not np.any(np.abs(part) > 1e-17 * np.abs(total)):
            break
    return -np.expm1(power) - np.exp(power) * a * total


@functools.cache
def _temme_table(rows: int = 13, columns: int = 17) -> tuple[tuple[float, ...], ...]:
    """The power series in η of Temme's coefficients c_0, c_1, ...: exact, by 8.12.10 and 8.12.11.

    c_0 = 1/μ - 1/η and c_k = c'_{k-1} / η + (-1)^k γ_k / μ, where η²/2 = μ - log(1 + μ) and γ_k are the coefficients
    of Γ* in powers of 1/a. Takes 10 ms, once.
    """
    order = columns + 2 * rows + 2
    mu = _mu_series(order)
    inverse = _reciprocal(mu)  # of μ/η
    gamma_star = _exponential([Fraction(0), *_stirling_series(rows)])
    current = [inverse[n + 1] for n in range(order - 1)]
    table = [tuple(map(float, current[:columns]))]
    for k in range(1, rows):
        derived = [(n + 2) * current[n + 2] for n in range(len(current) - 2)]
        g = (-1) ** k * gamma_star[k]
        current = [value + g * inverse[n + 1] for n, value in enumerate(derived)]
        table.append(tuple(map(float, current[:columns])))
    return tuple(table)


def _mu_series(order: int) -> list[Fraction]:
    """μ/η in powers of η: from η = μ μ' / (1 + μ), the derivative of η²/2 = μ - log(1 + μ)."""
    m = [Fraction(0), Fraction(1)]  # μ itself
    for n in range(2, order + 1):
        # coefficient of η^n in η (1 + μ) = μ μ': on the left m[n-1], on the right sum of k m[k] m[n+1-k]
        rest = sum((k * m[k] * m[n + 1 - k] for k in range(2, n)), Fraction(0))
        m.append((m[n - 1] - rest) / (n + 1))
    return m[1:]


def _reciprocal(series: list[Fraction]) -> list[Fraction]:
    result = [1 / series[0]]
    for n in range(1, len(series)):
        result.append(-sum((series[k] * result[n - k] for k in range(1, n + 1)), Fraction(0)) / series[0])
    return result


def _stirling_series(count: int) -> list[Fraction]:
    """The coefficients of log Γ* in powers of 1/a, from 1 on: B_{2k} / (2k (2k-1)) for odd powers."""
    bernoulli = [Fraction(1)]
    for m in range(1, count + 2):
        bernoulli.append(
            -sum((math.comb(m + 1, k) * b for k, b in enumerate(bernoulli)), Fraction(0)) / (m + 1)
        )
    return [bernoulli[p + 1] / (p * (p + 1)) if p % 2 else Fraction(0) for p in range(1, count + 1)]


def _exponential(series: list[Fraction]) -> list[Fraction]:
    """exp of a power series without constant term, by y' = s' y."""
    result = [Fraction(1)]
    for n in range(1, len(series)):
        result.append(sum((k * series[k] * result[n - k] for k in range(1, n + 1)), Fraction(0)) / n)
    return result


def _temme(a: Block, x: Block) -> tuple[Block, ...]:
    """μ, η, the sum of c_k(η) / a^k, and its derivatives by a and by η."""
    mu = (x - a) / a
    eta = np.copysign(np.sqrt(-2.0 * log1p_minus(mu)), mu)
    total, by_a, by_eta = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for k, row in reversed(list(enumerate(_temme_table()))):
        value = polynomial(eta, row)
        total = total / a + value
        by_a = by_a / a - k * value / a
        by_eta = by_eta / a + polynomial(eta, tuple(n * c for n, c in enumerate(row) if n))
    return mu, eta, total, by_a, by_eta


def _near(a: Block, x: Block, sign: float) -> Block:
    """P for sign -1, Q for sign 1, by Temme's expansion."""
    _, eta, total, _, _ = _temme(a, x)
    rest = np.exp(-0.5 * a * eta * eta) * total / np.sqrt(2.0 * math.pi * a)
    return 0.5 * erfc_double(sign * eta * np.sqrt(0.5 * a)) + sign * rest


# --- the functions --------------------------------------------------------------------------------


def _regions(a: Block, x: Block) -> tuple[Any, Any, Any, Any]:
    """Where each method is used: expansion, lower series, upper series, fraction."""
    inside = (a > 0.0) & (x > 0.0) & (a < np.inf) & (x < np.inf)
    near = inside & (a >= LARGE_A) & (np.abs(x - a) < NEAR * a)
    rest = inside & ~near
    with_log = np.where((x > 0.0) & (x < 1.0), x, 0.5)
    small = rest & (x <= 1.1) & np.where(x <= 0.5, a * -np.log(with_log) < 0.4, x * 1.1 >= a)
    lower = rest & ~small & ((x <= 1.1) | (x <= a))
    return near, lower, small, rest & ~small & ~lower


def _chosen(a: Block, x: Block, upper: bool) -> Block:
    near, lower, small, fraction = _regions(a, x)
    result = np.full_like(x, np.nan)

    def put(mask: Any, values: Any, is_upper: bool) -> None:
        places = np.flatnonzero(mask)
        if places.size:
            found = values(a[places], x[places])
            result[places] = found if is_upper == upper else 1.0 - found

    put(near, lambda s, t: _near(s, t, 1.0 if upper else -1.0), upper)
    put(lower, lambda s, t: _power(s, t) * _lower_series(s, t), False)
    if upper:
        put(small, _upper_series, True)
    else:
        put(small, lambda s, t: _power(s, t) * _lower_series(s, t), False)
    put(fraction, lambda s, t: _power(s, t) * s * _fraction(s, t), True)
    result[((a >= 0.0) & (x == np.inf) & (a < np.inf)) | ((a == 0.0) & (x > 0.0))] = 0.0 if upper else 1.0
    result[((a > 0.0) & (x == 0.0)) | ((a == np.inf) & (x >= 0.0) & (x < np.inf))] = 1.0 if upper else 0.0
    return result


def gamma_p_double(a: Block, x: Block) -> Block:
    """P(a, x), NaN for a < 0 or x < 0 and where both are 0 or both infinite."""
    return _chosen(a, x, False)


def gamma_q_double(a: Block, x: Block) -> Block:
    """Q(a, x) = 1 - P(a, x), with all its digits where it is small."""
    return _chosen(a, x, True)


def variate_slope_double(a: Block, x: Block) -> Block:
    """dx/da = -(dP/da) / (dP/dx) where P(a, x) stays as it is: how a gamma variate moves with its shape.

    Exponentials cancel in this quotient, so it holds far out in the tails too. 0 where x is 0.
    """
    near, lower, small, fraction = _regions(a, x)
    result = np.where((x == 0.0) & (a > 0.0), 0.0, np.full_like(x, np.nan))

    for mask, method in ((near, _slope_near), (lower | small, _slope_below), (fraction, _slope_above)):
        places = np.flatnonzero(mask)
        if places.size:
            result[places] = method(a[places], x[places])
    return result


def _slope_below(a: Block, x: Block) -> Block:
    return -(x / a) * ((np.log(x) - digamma_double(a + 1.0)) * _lower_series(a, x) + _lower_slope(a, x))


def _slope_above(a: Block, x: Block) -> Block:
    return x * ((np.log(x) - digamma_double(a)) * _fraction(a, x) + _fraction_slope(a, x))


def _slope_near(a: Block, x: Block) -> Block:
    """From the derivatives of Temme's expansion, all divided by exp(-a η²/2) and by the density."""
    mu, eta, total, by_a, by_eta = _temme(a, x)
    moved = -np.where(mu == 0.0, 1.0, mu / np.where(eta == 0.0, 1.0, eta)) / a  # dη/da
    density = np.sqrt(a / (2.0 * math.pi)) * np.exp(-log_gamma_star(a)) / x
    gaussian = (moved * np.sqrt(0.5 * a) + eta / np.sqrt(8.0 * a)) / math.sqrt(math.pi)
    log_ratio = np.log1p(mu)
    rest = total * (log_ratio - 0.5 / a) + by_a + by_eta * moved
    return -(gaussian - rest / np.sqrt(2.0 * math.pi * a)) / density
