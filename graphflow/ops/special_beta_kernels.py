"""The incomplete beta function and Hurwitz's zeta function on blocks of float64.

    I_x(a, b) = 1/B(a, b) ∫ from 0 to x of t^(a-1) (1-t)^(b-1) dt
    ζ(x, q) = sum over k >= 0 of (k + q)^-x

Sources: NIST Digital Library of Mathematical Functions, 8.17.22 (continued fraction), 5.11 (Γ*), 2.10.1 (Euler and
Maclaurin's formula).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.ops.special_gamma_kernels import log1p_minus, log_gamma_star

__all__ = ["betainc_double", "zeta_double"]

Block = np.ndarray[Any, np.dtype[np.float64]]

STEPS = ((1.0, 16), (10.0, 30), (100.0, 60), (1e3, 80), (1e4, 130), (1e5, 320), (1e6, 900), (math.inf, 3000))
"""Steps of the fraction for the larger of a and b below a bound: measured, a quarter more than the most needed."""

# --- incomplete beta ------------------------------------------------------------------------------


def _log_of_ratio(u: Block, ratio: Block) -> Block:
    """log(ratio), where u = ratio - 1 is known more exactly unless the ratio is small."""
    return np.where(u > -0.5, np.log1p(np.maximum(u, -0.5)), np.log(ratio))


def _front(a: Block, b: Block, x: Block, y: Block) -> Block:
    """x^a y^b / (a B(a, b)) with y = 1 - x, the powers put together around their maximum at x = a / (a + b)."""
    total = a + b
    difference = x * b - y * a
    u, v = difference / a, -difference / b  # x, y relative to their places at the maximum, less 1
    far = (np.abs(u) >= 0.5) | (np.abs(v) >= 0.5)
    plain = a * _log_of_ratio(u, x * (total / a)) + b * _log_of_ratio(v, y * (total / b))
    near = a * log1p_minus(np.where(far, 0.0, u)) + b * log1p_minus(np.where(far, 0.0, v))
    exponent = np.where(far, plain, near)
    scale = log_gamma_star(total) - log_gamma_star(a) - log_gamma_star(b)
    return np.exp(exponent + scale) * np.sqrt(b / (2.0 * math.pi * a * total))


def _fraction(a: Block, b: Block, x: Block) -> Block:
    """The continued fraction of I_x(a, b) / front, from behind, which damps rounding errors; for x < (a+1)/(a+b+2)."""
    result = np.empty_like(x)
    largest = np.maximum(a, b)
    low = 0.0
    for high, steps in STEPS:
        places = np.flatnonzero((largest >= low) & (largest < high))
        if places.size:
            result[places] = _from_behind(a[places], b[places], x[places], steps)
        low = high
    return result


def _from_behind(a: Block, b: Block, x: Block, steps: int) -> Block:
    tail = np.zeros_like(x)
    for m in range(steps, 0, -1):
        n = a + 2 * m
        tail = m * (b - m) * x / ((n - 1.0) * n) / (1.0 + tail)
        tail = -(a + m - 1.0) * (a + b + m - 1.0) * x / ((n - 2.0) * (n - 1.0)) / (1.0 + tail)
    return 1.0 / (1.0 + tail)


def _series(a: Block, b: Block, x: Block) -> Block:
    """I_x(a, b) / front by 8.17.7, (1-x)^-b (1 + a (1-b) x / (a+1) + ...), for b x <= 1 and x <= 0.95."""
    term, total = np.ones_like(x), np.ones_like(x)
    for n in range(1, 800):
        term *= (n - b) * x / n
        part = term * (a / (a + n))
        total += part
        if not np.any(np.abs(part) > 1e-18 * np.abs(total)):
            break
    return (1.0 - x) ** -b * total


def _inside(a: Block, b: Block, x: Block) -> Block:
    """The series where b x is small, so that no digit is lost where b is; else the fraction, of the smaller side."""
    y = 1.0 - x
    simple = (b * x <= 1.0) & (x <= 0.95)
    swapped = ~simple & (x * (a + b + 2.0) > a + 1.0)
    p, q = np.where(swapped, b, a), np.where(swapped, a, b)
    s, t = np.where(swapped, y, x), np.where(swapped, x, y)
    value = np.empty_like(x)
    for mask, method in ((simple, _series), (~simple, _fraction)):
        places = np.flatnonzero(mask)
        if places.size:
            value[places] = method(p[places], q[places], s[places])
    value *= _front(p, q, s, t)
    return np.where(swapped, 1.0 - value, value)


def betainc_double(a: Block, b: Block, x: Block) -> Block:
    """I_x(a, b), NaN for negative a or b or x outside [0, 1]."""
    result = np.full_like(x, np.nan)
    valid = (a > 0.0) & (b > 0.0) & (a < np.inf) & (b < np.inf)
    places = np.flatnonzero(valid & (x > 0.0) & (x < 1.0))
    if places.size:
        result[places] = _inside(a[places], b[places], x[places])
    result[valid & (x == 0.0)] = 0.0
    result[valid & (x == 1.0)] = 1.0
    return result


# --- zeta -----------------------------------------------------------------------------------------

_BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
)
"""B_2, B_4, ..., B_20."""


def _zeta(x: Block, q: Block) -> Block:
    total, n = np.zeros_like(x), q.copy()
    for _ in range(12):
        total += n**-x
        n += 1.0
    power = n**-x
    total += power * n / (x - 1.0) + 0.5 * power
    term = x * power / n
    for k, b in enumerate(_BERNOULLI, 1):
        total += b / math.factorial(2 * k) * term
        term = term * (x + 2 * k - 1) * (x + 2 * k) / (n * n)
    return total


def zeta_double(x: Block, q: Block) -> Block:
    """ζ(x, q) for x > 1 and q > 0; infinite at x = 1 and where q is 0, -1, ...; NaN for other x < 1 or q < 0."""
    result = np.full_like(x, np.nan)
    places = np.flatnonzero((x > 1.0) & (q > 0.0))
    if places.size:
        result[places] = _zeta(x[places], q[places])
    result[(x == 1.0) | ((x > 1.0) & (q <= 0.0) & (q == np.floor(q)))] = np.inf
    return result
