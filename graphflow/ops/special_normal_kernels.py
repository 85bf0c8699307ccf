"""The normal distribution's functions, the scaled erfc and the logit on blocks of float64.

Sources: Sun's fdlibm `s_erf.c` (1993) for erfc's tail; Abramowitz and Stegun 7.1.23 for its asymptotic series;
Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.ops import erf_kernels as tables
from graphflow.ops.erf_kernels import erfc_double, pieces, polynomial, ratio

__all__ = ["erfcx_double", "log_ndtr_double", "logit_double", "ndtr_double", "ndtri_double"]

Block = np.ndarray[Any, np.dtype[np.float64]]

_ROOT_HALF = math.sqrt(0.5)
_ASYMPTOTIC = tuple(
    math.prod(range(1, 2 * k, 2)) * (-0.5) ** k for k in range(9)
)  # of 1/x² in erfcx(x) x sqrt(pi)


def _exp_square(x: Block, scale: float = 1.0) -> Block:
    """exp(scale x²), the square in two parts: its rounding error would grow in the exponential."""
    head = x * 134217729.0  # 2^27 + 1, Veltkamp's split: the square of `head` is exact
    head -= head - x
    return np.exp(scale * head * head) * np.exp(scale * (x - head) * (x + head))


def _tail(x: Block, top: tuple[float, ...], bottom: tuple[float, ...]) -> Block:
    return np.exp(ratio(1.0 / (x * x), top, bottom) - 0.5625) / x


def erfcx_double(x: Block) -> Block:
    """exp(x²) erfc(x): 1/(x √π) for large x, infinite below -26.6."""
    return pieces(
        x,
        ((x > -1.25) & (x < 1.25), lambda t: np.exp(t * t) * erfc_double(t)),
        ((x >= 1.25) & (x < 1 / 0.35), lambda t: _tail(t, tables._R2, tables._S2)),
        ((x >= 1 / 0.35) & (x < 28.0), lambda t: _tail(t, tables._R3, tables._S3)),
        (x >= 28.0, lambda t: polynomial(1.0 / (t * t), _ASYMPTOTIC) / (t * math.sqrt(math.pi))),
        ((x <= -1.25) & (x > -27.0), lambda t: _exp_square(t) * erfc_double(t)),
        (x <= -27.0, lambda t: np.full_like(t, np.inf)),
    )


def _lower_tail(x: Block) -> Block:
    """The normal distribution function for x <= -1."""
    return 0.5 * erfcx_double(x * -_ROOT_HALF) * _exp_square(x, -0.5)


def ndtr_double(x: Block) -> Block:
    """The normal distribution function."""
    return pieces(
        x,
        ((x > -1.0), lambda t: 0.5 * erfc_double(t * -_ROOT_HALF)),
        ((x <= -1.0) & (x > -39.0), _lower_tail),
        (x <= -39.0, np.zeros_like),
    )


def log_ndtr_double(x: Block) -> Block:
    """The logarithm of the normal distribution function, in the lower tail by the scaled erfc."""
    return pieces(
        x,
        (x < -1.0, lambda t: np.log(0.5 * erfcx_double(t * -_ROOT_HALF)) - 0.5 * t * t),
        ((x >= -1.0) & (x < 1.0), lambda t: np.log1p(-0.5 * erfc_double(t * _ROOT_HALF))),
        ((x >= 1.0) & (x < 39.0), lambda t: np.log1p(-_lower_tail(-t))),
        (x >= 39.0, lambda t: -np.zeros_like(t)),
    )


def _quantile_tail(r: Block) -> Block:
    """The normal quantile's size, by r = sqrt(-log(smaller tail))."""
    return pieces(
        r,
        (r <= 5.0, lambda t: ratio(t - 1.6, tables._C, tables._D)),
        ((r > 5.0) & (r < np.inf), lambda t: ratio(t - 5.0, tables._E, tables._F)),
        (r == np.inf, lambda t: t),
    )


def ndtri_double(p: Block) -> Block:
    """The inverse of the normal distribution function: infinite at 0 and 1, NaN outside."""

    def centre(t: Block) -> Block:
        q = t - 0.5
        return q * ratio(0.180625 - q * q, tables._A, tables._B)

    return pieces(
        p,
        (np.abs(p - 0.5) <= 0.425, centre),
        ((p >= 0.0) & (p < 0.075), lambda t: -_quantile_tail(np.sqrt(-np.log(t)))),
        ((p > 0.925) & (p <= 1.0), lambda t: _quantile_tail(np.sqrt(-np.log1p(-t)))),
    )


def logit_double(p: Block) -> Block:
    """log(p / (1 - p)); 2p - 1 and 2 - 2p are exact from 1/4 on, so nothing cancels around 1/2."""
    return pieces(
        p,
        (p < 0.25, lambda t: np.log(t) - np.log1p(-t)),
        (p >= 0.25, lambda t: 2.0 * np.arctanh(2.0 * t - 1.0)),
    )
