"""Special functions beyond erf and lgamma: accuracy, identities, gradients that are not known, bad input."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GradientError, ShapeError
from graphflow.op import OPS
from graphflow.ops import special_bessel as bessel
from graphflow.ops import special_curves as curves
from graphflow.ops import special_elementary as elementary
from graphflow.ops import special_gamma as gamma
from graphflow.ops import special_normal as normal
from graphflow.ops.special_gamma_kernels import _temme_table, variate_slope_double
from graphflow.types import TensorType
from tests.ops.refused import Refused, check_bound, check_built, ids

RNG = np.random.default_rng(0)
N = 4000


def _run(t: Any) -> Any:
    return gf.Session().run(t)


def _ulps(got: Any, want: Any) -> float:
    kept = np.isfinite(want) & (np.abs(want) > 1e-290)
    return float(np.max(np.abs(got - want)[kept] / np.spacing(np.abs(want[kept]))))


# --- accuracy -------------------------------------------------------------------------------------

# SciPy's own error is in these: for erfcx below -5, ndtr and log_ndtr in the tails it is larger than ours
ULPS: list[tuple[Any, Any, float, float, float]] = [
    (bessel.bessel_i0, sp.i0, -700, 700, 16),
    (bessel.bessel_i1, sp.i1, -25, 25, 16),
    (bessel.bessel_i0e, sp.i0e, -1e4, 1e4, 16),
    (bessel.bessel_i1e, sp.i1e, -25, 25, 16),
    (normal.erfcx, sp.erfcx, -2, 60, 12),
    (normal.ndtr, sp.ndtr, -3, 8, 24),
    (normal.log_ndtr, sp.log_ndtr, -1e3, -1, 8),
    (normal.ndtri, sp.ndtri, 0.0, 1.0, 10),
    (normal.logit, sp.logit, 0.0, 1.0, 4),
]


@pytest.mark.parametrize(
    ("f", "reference", "low", "high", "ulps"), ULPS, ids=lambda v: getattr(v, "__name__", "")
)
def test_accuracy_of_one_operand(f: Any, reference: Any, low: float, high: float, ulps: float) -> None:
    x = RNG.uniform(low, high, N)
    assert _ulps(_run(f(x)), reference(x)) <= ulps


@pytest.mark.parametrize("decade", [-3, -1, 0, 1, 2])
def test_accuracy_of_the_incomplete_gamma_functions(decade: int) -> None:
    """Around a, where SciPy is exact to some 100 ULP."""
    a = 10 ** RNG.uniform(decade, decade + 1, N)
    x = np.abs(a + np.sqrt(a) * RNG.normal(0, 2, N)) + 1e-3
    np.testing.assert_allclose(_run(gamma.igamma(a, x)), sp.gammainc(a, x), rtol=5e-13)
    np.testing.assert_allclose(_run(gamma.igammac(a, x)), sp.gammaincc(a, x), rtol=5e-13)


def test_accuracy_of_betainc_and_zeta() -> None:
    a, b = 10 ** RNG.uniform(-1, 2, N), 10 ** RNG.uniform(-1, 2, N)
    x = RNG.uniform(0, 1, N)
    np.testing.assert_allclose(_run(gamma.betainc(a, b, x)), sp.betainc(a, b, x), rtol=1e-12, atol=1e-15)
    s, q = 1 + 10 ** RNG.uniform(-6, 2, N), 10 ** RNG.uniform(-2, 4, N)
    assert _ulps(_run(gamma.zeta(s, q)), sp.zeta(s, q)) <= 10


def test_temmes_coefficients_are_those_that_are_known() -> None:
    """From Temme 1979, and from the handbook (8.12.13 onwards)."""
    table = _temme_table()
    np.testing.assert_allclose(table[0][:4], [-1 / 3, 1 / 12, -2 / 135, 1 / 864], rtol=1e-15)
    np.testing.assert_allclose(table[1][:3], [-1 / 540, -1 / 288, 1 / 378], rtol=1e-15)
    np.testing.assert_allclose(table[2][0], 25 / 6048, rtol=1e-15)


def test_variates_move_along_their_quantile() -> None:
    for a in (0.01, 0.7, 5.0, 19.0, 21.0, 500.0, 1e5):
        u = np.linspace(0.01, 0.99, 30)
        h = a * 1e-5
        slope = (sp.gammaincinv(a + h, u) - sp.gammaincinv(a - h, u)) / (2 * h)
        x = sp.gammaincinv(a, u)
        np.testing.assert_allclose(variate_slope_double(np.full(30, a), x), slope, rtol=2e-5, atol=1e-300)


def test_tails_where_the_plain_formula_fails() -> None:
    x = np.array([-37.0, -20.0, -10.0])
    assert np.all(_run(normal.ndtr(x)) > 0)
    np.testing.assert_allclose(np.exp(_run(normal.log_ndtr(x))), _run(normal.ndtr(x)), rtol=1e-13)
    np.testing.assert_allclose(_run(normal.log_ndtr(np.array([-1e10]))), [-5e19], rtol=1e-15)
    g = _run(gf.gradients(normal.log_ndtr(t := gf.constant(np.array([-1e5, 30.0]))), t)[0])
    np.testing.assert_allclose(g, [1e5, sp.ndtr(30) * np.exp(-450) / np.sqrt(2 * np.pi)], rtol=1e-9)
    assert np.isfinite(_run(bessel.bessel_i0(np.array([712.0]))))[0]
    np.testing.assert_allclose(
        _run(gamma.igammac(np.float64(3.0), np.float64(700.0))), sp.gammaincc(3.0, 700.0), rtol=1e-5
    )
    np.testing.assert_allclose(
        _run(gamma.igammac(np.float64(1e-10), np.float64(0.1))), 1e-10 * sp.exp1(0.1), rtol=1e-9
    )


def test_lower_and_upper_make_one() -> None:
    a, x = 10 ** RNG.uniform(-3, 4, N), 10 ** RNG.uniform(-3, 4, N)
    total = _run(gamma.igamma(a, x) + gamma.igammac(a, x))
    np.testing.assert_allclose(total, 1.0, rtol=1e-15 * 4)


def test_bits_do_not_depend_on_neighbours() -> None:
    a, x = 10 ** RNG.uniform(-2, 3, 3000), 10 ** RNG.uniform(-2, 3, 3000)
    u = RNG.uniform(0, 1, 3000)
    whole = [_run(gamma.igamma(a, x)), _run(gamma.betainc(a, x, u)), variate_slope_double(a, x)]
    for k in (0, 17, 2999):
        part = slice(k, k + 1)
        alone = [
            _run(gamma.igamma(a[part], x[part])),
            _run(gamma.betainc(a[part], x[part], u[part])),
            variate_slope_double(a[part], x[part]),
        ]
        for one, all_of_them in zip(alone, whole, strict=True):
            assert one.tobytes() == all_of_them[part].tobytes()


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1])
def test_betainc_says_that_it_has_no_gradient_by_its_shapes(k: int) -> None:
    xs = [gf.placeholder("float64", ()) for _ in range(3)]
    y = gamma.betainc(*xs)
    assert gf.gradients(y, xs[2])
    with pytest.raises(GradientError, match=f"betainc_has_no_gradient_by_{'ab'[k]}"):
        gf.gradients(y, xs[k])


def test_second_derivatives_that_are_not_known_say_so() -> None:
    a, x, s, q = [gf.placeholder("float64", ()) for _ in range(4)]
    (by_a,) = gf.gradients(gamma.igamma(a, x), a)
    assert gf.gradients(by_a, x)
    with pytest.raises(GradientError, match="second_derivative_of_igamma_by_a"):
        gf.gradients(by_a, a)
    assert gf.gradients(gamma.zeta(s, q), q)
    with pytest.raises(GradientError, match="zeta_has_no_gradient_by_x"):
        gf.gradients(gamma.zeta(s, q), s)


def test_mixed_second_derivative_of_igamma() -> None:
    """d²P / da dx is the density's derivative by a, whichever comes first."""
    a, x = gf.placeholder("float64", (4,)), gf.placeholder("float64", (4,))
    p = gamma.igamma(a, x)
    (by_a,), (by_x,) = gf.gradients(p, a), gf.gradients(p, x)
    first, second = gf.gradients(by_a, x)[0], gf.gradients(by_x, a)[0]
    got = gf.Session().run([first, second], {a: [0.4, 2.0, 30.0, 9.0], x: [0.3, 5.0, 28.0, 3.0]})
    np.testing.assert_allclose(got[0], got[1], rtol=1e-10)


# --- bad input ------------------------------------------------------------------------------------

C = np.ones(2, complex)
REFUSED = [
    *[
        Refused(lambda f=f: f(C), DTypeError, (f.__name__, "complex"))
        for f in (
            bessel.bessel_i0, bessel.bessel_i1, bessel.bessel_i0e, bessel.bessel_i1e, normal.erfcx, normal.ndtr,
            normal.log_ndtr, normal.ndtri, normal.logit, elementary.entr, elementary.deg2rad, elementary.rad2deg,
            gamma.lbeta,
        )
    ],
    *[
        Refused(lambda f=f: f(C, 1.0), DTypeError, (f.__name__, "complex"))
        for f in (gamma.igamma, gamma.igammac, gamma.betaln, gamma.zeta, elementary.heaviside, elementary.fmod)
    ],
    *[
        Refused(lambda x, y, f=f: f(x, y), ShapeError, ("broadcast",), ((3,), (4,)))
        for f in (gamma.igamma, gamma.zeta, elementary.xlogy, elementary.xlog1py, elementary.xdivy, elementary.fmod)
    ],
    Refused(lambda: gamma.betainc(1.0, C, 0.5), DTypeError, ("betainc", "complex")),
    Refused(lambda: gamma.betainc(1.0, "b", 0.5), DTypeError, ("betainc", "'b'")),
    Refused(lambda: gamma.lbeta(gf.placeholder("float32", ())), ArgumentError, ("axis",)),
    Refused(lambda: elementary.gcd(1.5, 2), DTypeError, ("gcd", "integers")),
    Refused(lambda: elementary.lcm(True, False), DTypeError, ("lcm", "integers")),
    Refused(lambda: elementary.fmod(True, False), DTypeError, ("fmod", "bool")),
    Refused(lambda: elementary.nan_to_num([1.0], nan="a"), ArgumentError, ("nan_to_num", "nan", "'a'")),
    Refused(lambda: elementary.nan_to_num([1.0], posinf=1j), ArgumentError, ("nan_to_num", "posinf")),
    Refused(lambda x: curves.trapezoid(x, dx="a"), ArgumentError, ("trapezoid", "dx", "'a'"), ((3,),)),
    Refused(lambda x: curves.trapezoid(x, axis=1), ArgumentError, ("trapezoid", "axis 1"), ((3,),)),
    Refused(lambda x: curves.trapezoid(x, axis=0.5), ArgumentError, ("trapezoid", "axis", "0.5"), ((3,),)),
    Refused(lambda x, y: curves.trapezoid(x, y), ShapeError, ("broadcast",), ((4,), (3,))),
    Refused(lambda x: curves.cumulative_trapezoid(x), ArgumentError, ("cumulative_trapezoid", "axis"), ((),)),
    Refused(lambda x: curves.interp(x, [[1.0]], [1.0]), ShapeError, ("interp", "xp"), ((3,),)),
    Refused(lambda x: curves.interp(x, [1.0, 2], [1.0]), ShapeError, ("interp", "one length"), ((3,),)),
    Refused(lambda x: curves.interp(x, np.zeros(0), np.zeros(0)), ShapeError, ("interp", "xp"), ((3,),)),
    Refused(lambda x: curves.interp(x, C, [1.0, 2]), DTypeError, ("interp", "complex"), ((3,),)),
    Refused(lambda x: curves.polyval("abc", x), ArgumentError, ("polyval", "coeffs", "'abc'"), ((3,),)),
    Refused(lambda x: curves.polyval(gf.placeholder("float32", (None,)), x), ShapeError, ("polyval",), ((3,),)),
    Refused(lambda x: curves.polyval([1.0, "a"], x), DTypeError, ("polyval", "'a'"), ((3,),)),
]  # fmt: skip
BIND = [
    Refused(gamma.igamma, ShapeError, ("broadcast",), ((3,), (4,))),
    Refused(lambda x, y: curves.trapezoid(x, y), ShapeError, ("broadcast",), ((4,), (3,))),
]


@pytest.mark.parametrize("case", REFUSED, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        *[(name, -30, 30) for name in ("bessel_i0", "bessel_i1e", "erfcx", "ndtr", "log_ndtr")],
        *[(name, 0, 1) for name in ("ndtri", "logit")],
        *[(name, 0.01, 60) for name in ("igamma", "igammac", "gamma_variate_slope", "zeta")],
        ("betainc", 0.01, 0.99),
    ],
)
def test_memory_stays_below_what_is_stated(name: str, low: float, high: float) -> None:
    op = OPS[name]
    assert op.kernel is not None
    assert op.workspace is not None
    count = {"betainc": 3}.get(name, 2 if high == 60 else 1)
    arrays = [RNG.uniform(low, high, 20_000) for _ in range(count)]
    out = np.empty(20_000)
    with np.errstate(all="ignore"):
        op.kernel(np, *arrays, out=out)
        tracemalloc.start()
        try:
            start = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            op.kernel(np, *arrays, out=out)
            peak = tracemalloc.get_traced_memory()[1] - start
        finally:
            tracemalloc.stop()
    types = tuple(TensorType(a.dtype, a.shape) for a in arrays)
    assert peak <= op.workspace(types, types[:1])
