"""Samples of the special functions beyond erf and lgamma, and of small functions of numbers and curves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import scipy.integrate
import scipy.special

import graphflow as gf
from graphflow.op import F
from graphflow.ops import (
    special_bessel,
    special_curves,
    special_elementary,
    special_gamma,
    special_normal,
)
from tests.ops.table import Sample, array

NAN, INF = np.nan, np.inf
ENDS = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 5e-324, 800.0, -800.0])
S = scipy.special


def _wide(reference: Callable[..., Any]) -> Callable[..., Any]:
    def double(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return reference(*[np.asarray(x).astype(np.float64) for x in arrays])

    return double


# --- one operand ----------------------------------------------------------------------------------

# function, reference, where it is checked, whether the ends agree with the reference's
ONE: list[tuple[str, Callable[..., Any], Callable[..., Any], float, float, bool]] = [
    ("bessel_i0", special_bessel.bessel_i0, S.i0, -30, 30, False),
    ("bessel_i1", special_bessel.bessel_i1, S.i1, -30, 30, False),
    ("bessel_i0e", special_bessel.bessel_i0e, S.i0e, -30, 30, True),
    ("bessel_i1e", special_bessel.bessel_i1e, S.i1e, -30, 30, True),
    ("erfcx", special_normal.erfcx, S.erfcx, -5, 40, True),
    ("ndtr", special_normal.ndtr, S.ndtr, -6, 8, True),
    ("log_ndtr", special_normal.log_ndtr, S.log_ndtr, -30, 6, True),
    ("ndtri", special_normal.ndtri, S.ndtri, 0.001, 0.999, True),
    ("logit", special_normal.logit, S.logit, 0.001, 0.999, True),
    ("expit", special_normal.expit, S.expit, -30, 30, True),
    ("sinc", special_elementary.sinc, np.sinc, -5, 5, True),
    ("entr", special_elementary.entr, S.entr, 0.01, 5, True),
    ("deg2rad", special_elementary.deg2rad, np.deg2rad, -360, 360, True),
    ("rad2deg", special_elementary.rad2deg, np.rad2deg, -7, 7, True),
]


def _of_one() -> list[Sample]:
    found = []
    for name, f, reference, low, high, ends in ONE:
        common: dict[str, Any] = {
            "reference": _wide(reference),
            "strict": False,
            "rtol": 1e-13,
            "atol": 1e-15,
        }
        inside = (
            array(6, low=max(low, -1.5), high=min(high, 2.5))
            if low < 0
            else array(6, low=max(low, 0.15), high=min(high, 0.85))
        )
        found += [
            Sample(f"{name}-f64", f, (inside,), grad=True, **common),
            Sample(f"{name}-f64-many", f, (array(3, 300, low=low, high=high)[:, ::-2],), **common),
            Sample(f"{name}-f32", f, (array(4, 5, dtype=np.float32, low=max(low, -4), high=min(high, 4)),), **common),
        ]  # fmt: skip
        if name in ("bessel_i0", "ndtr", "sinc", "entr"):
            found += [
                Sample(f"{name}-f16", f, (array(dtype=np.float16, low=0.2, high=0.9),), **common),
                Sample(f"{name}-bf16", f, (array(2, 0, 3, dtype=gf.bfloat16),), **common),
                Sample(f"{name}-int", f, (np.array([0, 1]),), **(common | {"rtol": 1e-6})),
            ]
        if ends:
            found.append(Sample(f"{name}-ends", f, (ENDS,), **common))
    zero = np.array([0.0, 1e-9, -0.3])
    found += [
        Sample("bessel_i1-at-0", special_bessel.bessel_i1, (zero,), S.i1, grad=True, strict=False, rtol=1e-13),
        Sample("sinc-at-0", special_elementary.sinc, (zero,), np.sinc, grad=True, strict=False, rtol=1e-13),
        Sample("bessel_i0-far", special_bessel.bessel_i0, (np.array([705.0, -705, NAN]),), S.i0, strict=False, rtol=1e-12),
        Sample("bessel_i1-far", special_bessel.bessel_i1, (np.array([705.0, -705, NAN]),), S.i1, strict=False, rtol=1e-12),
        Sample("sinc-complex", special_elementary.sinc, (np.array([0.1 + 0.05j, 1 + 2j, 0]),), np.sinc, strict=False, rtol=1e-12),
    ]  # fmt: skip
    return found


# --- several operands -----------------------------------------------------------------------------


def _gammas() -> list[Sample]:
    found = []
    a = np.array([0.3, 0.9, 2.5, 7.0, 25.0, 300.0])
    x = np.array([0.2, 1.7, 1.1, 9.0, 24.0, 310.0])
    ends_a = np.array([0.0, 0.0, 1.0, 2.0, 1.0, -1.0, NAN, INF, INF, 3.0, 1e-10])
    ends_x = np.array([0.0, 1.0, 0.0, INF, -1.0, 1.0, 1.0, 1.0, INF, NAN, 0.5])
    for name, f, r in (
        ("igamma", special_gamma.igamma, S.gammainc),
        ("igammac", special_gamma.igammac, S.gammaincc),
    ):
        common: dict[str, Any] = {"reference": _wide(r), "strict": False, "rtol": 1e-12, "atol": 1e-16}
        found += [
            Sample(f"{name}-grad-both", f, (a, x), grad=True, second_order=False, **common),
            Sample(f"{name}-grad-x", lambda x, f=f: f(a, x), (x,), r and (lambda x, r=r: r(a, x)), grad=True, strict=False, rtol=1e-12),
            Sample(f"{name}-many", f, (10 ** array(40, 10, low=-2, high=3, seed=1), 10 ** array(10, low=-2, high=3, seed=2)), **(common | {"rtol": 2e-11})),
            Sample(f"{name}-ends", f, (ends_a, ends_x), **common),
            Sample(f"{name}-broadcast", f, (array(3, 1, low=0.5, high=9)[::-1], array(4, low=0.1, high=9)), **common),
            Sample(f"{name}-f32", f, (a.astype(np.float32), x.astype(np.float32)), **common),
            Sample(f"{name}-f16", f, (a[:4].astype(np.float16), x[:4].astype(np.float16)), **common),
            Sample(f"{name}-scalars", lambda f=f: f(2, 3), (), lambda r=r: r(2.0, 3.0), strict=False),
            Sample(f"{name}-empty", f, (np.zeros((0, 2)), np.zeros((1, 2))), **common),
        ]  # fmt: skip
    return [
        *found,
        Sample("gammainc", special_gamma.gammainc, (a, x), S.gammainc, strict=False, rtol=1e-12),
        Sample("gammaincc", special_gamma.gammaincc, (a, x), S.gammaincc, strict=False, rtol=1e-12),
    ]


def _betas() -> list[Sample]:
    a, b = np.array([0.5, 2.0, 30.0, 0.9]), np.array([3.0, 0.7, 20.0, 1.0])
    x = np.array([0.3, 0.8, 0.55, 0.1])
    spread = [10 ** array(40, 5, low=-1, high=3, seed=3), 10 ** array(40, 1, low=-1, high=3, seed=4)]
    return [
        Sample("betainc-grad-x", lambda x: special_gamma.betainc(a, b, x), (x,), lambda x: S.betainc(a, b, x), grad=True, strict=False, rtol=1e-12),
        Sample("betainc-many", special_gamma.betainc, (*spread, array(5, low=0, high=1, seed=5)), S.betainc, strict=False, rtol=1e-11, atol=1e-15),
        Sample("betainc-ends", special_gamma.betainc, (np.array([1.0, 2, -1, 1, NAN, 2]), np.array([2.0, 1, 1, -1, 1, 3]), np.array([0.0, 1, 0.5, 0.5, 0.5, 1.5])), S.betainc, strict=False),
        Sample("betainc-f32", special_gamma.betainc, (a.astype(np.float32), b.astype(np.float32), x.astype(np.float32)), _wide(S.betainc), strict=False),
        Sample("betainc-numbers", lambda x: special_gamma.betainc(2, 0.5, x), (array(2, 3, low=0, high=1)[:, ::-1],), lambda x: S.betainc(2, 0.5, x), strict=False, rtol=1e-12),
        Sample("betaln", special_gamma.betaln, (a, b), S.betaln, grad=True, strict=False, rtol=1e-12, atol=1e-14),
        Sample("betaln-f32", special_gamma.betaln, (a.astype(np.float32), np.float32(2)), _wide(S.betaln), strict=False, atol=1e-5),
        Sample("lbeta", special_gamma.lbeta, (array(3, 4, low=0.5, high=5),), lambda x: S.gammaln(x).sum(-1) - S.gammaln(x.sum(-1)), grad=True, strict=False, rtol=1e-12, atol=1e-14),
        Sample("lbeta-one", special_gamma.lbeta, (array(3, 1, low=0.5, high=5),), lambda x: np.zeros(3), strict=False, atol=1e-14),
        Sample("zeta-grad-q", lambda q: special_gamma.zeta(2.5, q), (array(5, low=0.3, high=9),), lambda q: S.zeta(2.5, q), grad=True, strict=False, rtol=1e-12),
        Sample("zeta-many", special_gamma.zeta, (1 + 10 ** array(20, 1, low=-3, high=2), 10 ** array(8, low=-2, high=3)[::-1]), S.zeta, strict=False, rtol=1e-13),
        Sample("zeta-ends", special_gamma.zeta, (np.array([1.0, 2, 2, 0.5, NAN, 3]), np.array([2.0, 0, -1, 1, 1, NAN])), S.zeta, strict=False),
        Sample("zeta-f32", special_gamma.zeta, (np.array([2, 3], np.float32), np.float32(1)), _wide(S.zeta), strict=False),
    ]  # fmt: skip


def _pairs() -> list[Sample]:
    x, y = array(4, low=0.3, high=2, seed=1), array(4, low=0.3, high=2, seed=2)
    edge_x, edge_y = np.array([0.0, 0, 0, 0, 1, 1, NAN, -2]), np.array([0.0, INF, NAN, -3, 0, -1, 1, 4])
    sign = array(3, 4, seed=3)
    found = []
    names: list[tuple[str, Callable[..., Any]]] = [
        ("xlogy", S.xlogy),
        ("xlog1py", S.xlog1py),
        ("xdivy", lambda a, b: np.where((a == 0) & ~np.isnan(b), 0, a / b)),
    ]
    for name, r in names:
        f = getattr(special_elementary, name)
        found += [
            Sample(f"{name}-grad", f, (x, y), _wide(r), grad=True, rtol=1e-13),
            Sample(f"{name}-edges", f, (edge_x, edge_y), _wide(r), rtol=1e-13),
            Sample(f"{name}-f32", f, (np.float32(2), y.astype(np.float32)[::-1]), _wide(r)),
            Sample(f"{name}-f16", f, (x.astype(np.float16), np.float16(3)), _wide(r)),
        ]
    ints: Any = np.array([12, -18, 0, 7, 100], np.int32)
    return [
        *found,
        Sample("xlogy-dead-branch", lambda y: F.xlogy(np.zeros(3), y), (np.array([0.0, -1.0, 2.0]),), lambda y: np.zeros(3)),
        Sample("heaviside", special_elementary.heaviside, (np.array([-1.5, 0, -0.0, 2, NAN, INF]), np.array(0.5)), np.heaviside),
        Sample("heaviside-grad", special_elementary.heaviside, (sign, array(4)), np.heaviside, grad=True),
        Sample("heaviside-f16", special_elementary.heaviside, (sign.astype(np.float16), np.float16(1)), np.heaviside),
        Sample("fmod-grad", special_elementary.fmod, (np.array([5.3, -5.3, 0.7, 7.1]), np.array([2.0, 2.0, -1.5, -2.0])), np.fmod, grad=True),
        Sample("fmod-edges", special_elementary.fmod, (np.array([1.0, INF, -0.0, NAN, 5, -1e300]), np.array([0.0, 2, 3, 1, INF, 3])), _wide(np.fmod), strict=False),
        Sample("fmod-ints", special_elementary.fmod, (np.array([7, -7, 7, -7, 5, -128], np.int8), np.array([3, 3, -3, -3, 0, -1], np.int8)), lambda a, b: np.array([1, -1, 1, -1, 0, 0]), strict=False),
        Sample("fmod-uints", special_elementary.fmod, (np.array([7, 9], np.uint16), np.array([4, 0], np.uint16)), lambda a, b: np.array([3, 0]), strict=False),
        Sample("fmod-bf16", special_elementary.fmod, (np.array([7.5, -7.5], gf.bfloat16), gf.bfloat16.type(2)), _wide(np.fmod)),
        Sample("gcd", special_elementary.gcd, (ints, np.array([[8], [0]], np.int32)), np.gcd, strict=False),
        Sample("lcm", special_elementary.lcm, (ints[::-1], np.array([[8], [0]], np.int32)), np.lcm, strict=False),
        Sample("gcd-uint8", special_elementary.gcd, (np.array([200, 3], np.uint8), np.uint8(150)), np.gcd, strict=False),
        Sample("lcm-int64", special_elementary.lcm, (np.array([6, 2**40]), np.array([4, 3])), np.lcm, strict=False),
        Sample("nan_to_num", special_elementary.nan_to_num, (ENDS,), np.nan_to_num),
        Sample("nan_to_num-grad", special_elementary.nan_to_num, (sign,), lambda x: x, grad=True),
        Sample("nan_to_num-values", lambda x: special_elementary.nan_to_num(x, 1, 2.5, -3), (ENDS,), lambda x: np.nan_to_num(x, nan=1, posinf=2.5, neginf=-3)),
        Sample("nan_to_num-f32", special_elementary.nan_to_num, (ENDS.astype(np.float32),), np.nan_to_num),
        Sample("nan_to_num-f16", special_elementary.nan_to_num, (ENDS[:4].astype(np.float16),), np.nan_to_num),
        Sample("nan_to_num-bf16", special_elementary.nan_to_num, (ENDS[1:4].astype(gf.bfloat16),), lambda x: np.array([1, -1, 0]) * float(ml_dtypes.finfo(gf.bfloat16).max)),
        Sample("nan_to_num-complex", special_elementary.nan_to_num, (np.array([NAN + 1j, 2 + INF * 1j, 3j]),), np.nan_to_num, strict=False),
        Sample("nan_to_num-ints", special_elementary.nan_to_num, (ints,), lambda x: x),
    ]  # fmt: skip


# --- curves ---------------------------------------------------------------------------------------


def _curves() -> list[Sample]:
    found = []
    cumulative = scipy.integrate.cumulative_trapezoid
    for label, y, options in (
        ("plain", array(5), {}),
        ("rows", array(2, 4), {"dx": 0.5}),
        ("axis", array(4, 3), {"axis": 0}),
        ("negative-axis", array(4, 3), {"axis": -2, "dx": -1}),
        ("one", array(2, 1), {}),
        ("c64", array(4, dtype=np.complex64), {}),
        ("f32", array(2, 5, dtype=np.float32)[::-1], {}),
    ):
        found += [
            Sample(f"trapezoid-{label}", lambda y, o=options: special_curves.trapezoid(y, **o), (y,), lambda y, o=options: np.trapezoid(y, **o), grad=y.dtype == float),
            Sample(f"cumulative_trapezoid-{label}", lambda y, o=options: special_curves.cumulative_trapezoid(y, **o), (y,), lambda y, o=options: cumulative(y, **o), grad=y.dtype == float, strict=False),
        ]  # fmt: skip
    x, y = np.sort(array(5)), array(5, seed=1)
    px, fp = np.array([-1.0, 0.0, 0.5, 2.0]), array(4, seed=2)
    at = np.array([[-0.7, 0.2, 1.1], [0.4, 1.9, -0.1]])
    out = np.array([-3.0, -1, 0, 0.5, 2, 2.5, NAN, INF, -INF])
    t = special_curves.trapezoid
    interp, polyval = special_curves.interp, special_curves.polyval
    return [
        *found,
        Sample("trapezoid-x", t, (y, x), np.trapezoid, grad=True, unranked=False),
        Sample("trapezoid-x-axis", lambda y, x: t(y, x, axis=0), (array(4, 2), array(4, seed=2)), lambda y, x: np.trapezoid(y, x, axis=0), grad=True, unranked=False),
        Sample("trapezoid-x-whole", t, (array(2, 4), array(2, 4, seed=2)), np.trapezoid, grad=True, unranked=False),
        Sample("trapezoid-x-back", lambda y, x: t(y, x, axis=-2), (array(3, 2), array(3, seed=2)), lambda y, x: np.trapezoid(y, x, axis=-2), unranked=False),
        Sample("trapezoid-ints", t, (np.arange(5),), np.trapezoid),
        Sample("cumulative_trapezoid-x", lambda y, x: special_curves.cumulative_trapezoid(y, x, include_initial=True), (y, x), lambda y, x: cumulative(y, x, initial=0), grad=True, strict=False, unranked=False),
        Sample("interp-grad", interp, (at, px, fp), np.interp, grad=True, strict=False, rtol=1e-13, atol=1e-15),
        Sample("interp-edges", interp, (out, px, fp), np.interp, strict=False, rtol=1e-13),
        Sample("interp-left-right", lambda x: interp(x, px, fp, -7.0, 9), (out,), lambda x: np.interp(x, px, fp, -7, 9), strict=False, rtol=1e-13),
        Sample("interp-one-point", interp, (out, px[:1], fp[:1]), np.interp, strict=False),
        Sample("interp-complex", lambda x: interp(x, px, fp + 1j), (at,), lambda x: np.interp(x, px, fp + 1j), strict=False, rtol=1e-13),
        Sample("interp-f32", interp, (at.astype(np.float32), px.astype(np.float32), fp.astype(np.float32)), np.interp, strict=False, rtol=1e-5, atol=1e-6),
        Sample("interp-f16", interp, (np.float16(0.3), px.astype(np.float16), fp.astype(np.float16)), _wide(np.interp), strict=False, atol=0.01),
        Sample("polyval", lambda x: polyval([2.0, -1, 0.5], x), (array(2, 3),), lambda x: np.polyval([2.0, -1, 0.5], x), grad=True),
        Sample("polyval-tensors", lambda a, b, x: polyval([a, b], x), (array(3, seed=1), array(), array(3)), lambda a, b, x: a * x + b, grad=True),
        Sample("polyval-vector", polyval, (array(4), array(3, 2, seed=1)), np.polyval, grad=True, symbolic=False),
        Sample("polyval-one", lambda x: polyval([3], x), (array(4),), lambda x: np.full(4, 3.0), grad=True),
        Sample("polyval-none", lambda x: polyval([], x), (array(4, dtype=np.float16),), np.zeros_like),
        Sample("polyval-ints", lambda x: polyval([1, 2, 3], x), (np.arange(4, dtype=np.int16),), lambda x: np.polyval([1, 2, 3], x)),
        Sample("polyval-c64", lambda x: polyval([1j, 2], x), (array(3, dtype=np.complex64),), lambda x: np.polyval([1j, 2], x)),
    ]  # fmt: skip


SAMPLES: list[Sample] = [*_of_one(), *_gammas(), *_betas(), *_pairs(), *_curves()]
