"""Modified Bessel functions of the first kind, of orders 0 and 1, on blocks of float64.

    I_n(x) = (x/2)^n sum over k of (x²/4)^k / (k! (k+n)!)                                       |x| < 20
    I_n(x) exp(-x) √(2πx) = sum over k of (-1)^k a_k(n) / x^k                                   |x| >= 20
    with a_k(n) = (4n² - 1) (4n² - 9) ... (4n² - (2k-1)²) / (k! 8^k)

The series has positive terms only, and the least term of the asymptotic one is e^-40 at x = 20.
Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 9.6.10 and 9.7.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.ops.erf_kernels import polynomial

__all__ = ["i0_double", "i0e_double", "i1_double", "i1e_double"]

Block = np.ndarray[Any, np.dtype[np.float64]]

LARGE = 20.0


def _series(n: int) -> tuple[float, ...]:
    return tuple(1 / (math.factorial(k) * math.factorial(k + n)) for k in range(46))


def _asymptotic(n: int) -> tuple[float, ...]:
    terms = [1.0]
    for k in range(1, 26):
        terms.append(terms[-1] * -(4 * n * n - (2 * k - 1) ** 2) / (8 * k))
    return tuple(terms)


_SERIES = (_series(0), _series(1))
_ASYMPTOTIC = (_asymptotic(0), _asymptotic(1))


def _near(x: Block, n: int) -> Block:
    y = polynomial(x * x * 0.25, _SERIES[n])
    return y * (0.5 * x) if n else y


def _far(x: Block, n: int) -> Block:
    """I_n(x) exp(-x) for x >= 20."""
    return polynomial(1.0 / x, _ASYMPTOTIC[n]) / np.sqrt(2.0 * math.pi * x)


def _scaled(x: Block, n: int) -> Block:
    a = np.abs(x)
    large = a >= LARGE
    y = np.empty_like(a)
    small = a[~large]
    y[~large] = _near(small, n) * np.exp(-small)
    y[large] = _far(a[large], n)
    y[np.isnan(x)] = np.nan
    return np.copysign(y, x) if n else y


def _plain(x: Block, n: int) -> Block:
    """exp(x) is taken in two halves, as I_n is finite up to 713, where exp overflows from 710 on."""
    a = np.abs(x)
    large = a >= LARGE
    y = np.empty_like(a)
    y[~large] = _near(a[~large], n)
    half = np.exp(0.5 * a[large])
    y[large] = np.where(a[large] < np.inf, _far(a[large], n) * half * half, np.inf)
    return np.copysign(y, x) if n else y


def i0_double(x: Block) -> Block:
    """I_0(x): even, 1 at 0."""
    return _plain(x, 0)


def i1_double(x: Block) -> Block:
    """I_1(x): odd, 0 at 0."""
    return _plain(x, 1)


def i0e_double(x: Block) -> Block:
    """I_0(x) exp(-|x|)."""
    return _scaled(x, 0)


def i1e_double(x: Block) -> Block:
    """I_1(x) exp(-|x|)."""
    return _scaled(x, 1)
