"""Samples of draws from distributions: what every draw must have. Their bits and distributions: `test_distributions.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.op import F
from graphflow.ops import (
    random_choice,
    random_counts,
    random_families,
    random_gamma,
    random_quantiles,
)
from tests.ops.table import Sample, array

FLOATS = ("float16", gf.bfloat16, "float32", "float64")


def _inside(low: float, high: float, shape: tuple[int, ...], whole: bool = False) -> Callable[..., None]:
    def check(drawn: Any, *inputs: Any) -> None:
        assert np.shape(drawn) == shape
        values = np.asarray(drawn).astype(np.float64)
        assert np.all((values >= low) & (values <= high))
        assert not whole or np.array_equal(values, np.rint(values))
        assert values.size < 20 or np.unique(values).size > 1

    return check


def _draw(
    name: str, build: Callable[..., Any], check: Callable[..., None], *inputs: Any, **more: Any
) -> Sample:
    return Sample(f"random/{name}", build, inputs, check=check, strict=False, tags=("random",), **more)


def _sums(total: float, shape: tuple[int, ...]) -> Callable[..., None]:
    def check(drawn: Any, *inputs: Any) -> None:
        assert drawn.shape == shape
        assert np.all(drawn >= 0)
        np.testing.assert_allclose(drawn.sum(axis=-1), np.full(shape[:-1], total), rtol=1e-5)

    return check


def _equals(want: Any) -> Callable[..., None]:
    return lambda drawn, *inputs: np.testing.assert_array_equal(drawn, want)


def _rows_of(drawn: Any, x: Any) -> None:
    assert drawn.dtype == x.dtype
    assert {tuple(r) for r in drawn.reshape(-1, x.shape[-1])} <= {tuple(r) for r in x}


def _gradient(name: str, build: Callable[..., Any], *inputs: Any) -> Sample:
    """A draw beside its gradients, which are finite."""

    def both(*tensors: Any) -> Any:
        y = build(*tensors)
        return (y, *gf.gradients(F.sum(y), list(tensors)))

    def check(drawn: Any, *rest: Any) -> None:
        assert np.all(np.isfinite(drawn))
        for g, x in zip(rest, inputs, strict=False):
            assert np.shape(g) == np.shape(x)
            assert np.all(np.isfinite(g))

    return _draw(name, both, check, *inputs, symbolic=False)


A = array(3, 1, low=0.2, high=4, seed=1)
B = array(4, low=0.5, high=9, seed=2)
P = np.array([0.0, 0.3, 1.0])
ROWS = np.arange(12).reshape(6, 2)
NAN = np.nan

q, g, f, c, h = random_quantiles, random_gamma, random_families, random_counts, random_choice

SAMPLES: list[Sample] = [
    *[
        _draw(f"{kind}_{np.dtype(d).name}", lambda k=kind, d=d: getattr(q, f"random_{k}")((40,), dtype=d), _inside(-1e9, 1e9, (40,)))
        for kind in ("laplace", "gumbel", "logistic", "cauchy")
        for d in FLOATS
        if kind == "laplace" or d in ("float32", "float64")
    ],
    _draw("laplace_parameters", lambda a, b: q.random_laplace((3, 4), a, b, "float64"), _inside(-200, 200, (3, 4)), A, B),
    _draw("gumbel_shifted", lambda: q.random_gumbel((50,), 100.0, 0.1), _inside(99, 105, (50,))),
    _draw("logistic_no_spread", lambda: q.random_logistic((2,), 3, 0), _equals([3, 3])),
    _draw("cauchy_of_shape", lambda x: q.random_cauchy(gf.shape(x)), _inside(-1e9, 1e9, (3, 1)), A),
    _draw("laplace_empty", lambda: q.random_laplace((0, 3)), _inside(0, 0, (0, 3))),
    _gradient("laplace_gradient", lambda a, b: q.random_laplace((3, 4), a, b, "float64"), A, B),
    *[_draw(f"gamma_{np.dtype(d).name}", lambda d=d: g.random_gamma((40,), 2.0, dtype=d), _inside(0, 40, (40,))) for d in FLOATS],
    _draw("gamma_scalar", lambda: g.random_gamma((), 0.5), _inside(0, 30, ())),
    _draw("gamma_per_parameter", lambda a, b: g.random_gamma([2], a, b, "float64"), _inside(0, 99, (2, 3, 4)), A, B, unranked=False),
    _draw("gamma_of_alpha", lambda a: g.random_gamma([], a, dtype="float64"), _inside(0, 50, (3, 1)), A),
    _draw("gamma_array", lambda: g.random_gamma([5], np.array([1.0, 2.0], np.float32), 4), _inside(0, 9, (5, 2))),
    _draw("gamma_ends", lambda a: g.random_gamma([], a, dtype="float64"), _equals([0, NAN, NAN, np.inf]), np.array([0.0, -1, NAN, np.inf])),
    _draw("gamma_empty", lambda a: g.random_gamma([], a, dtype="float64"), _inside(0, 0, (0, 2)), np.zeros((0, 2))),
    _gradient("gamma_gradient", lambda a, b: g.random_gamma([], a, b, "float64"), array(5, low=0.05, high=40), np.float64(2)),
    _draw("beta", lambda: f.random_beta((40,), 0.5, 2), _inside(0, 1, (40,))),
    _draw("beta_parameters", lambda a, b: f.random_beta(None, a, b, "float64"), _inside(0, 1, (3, 4)), A, B),
    _gradient("beta_gradient", lambda a, b: f.random_beta((3, 4), a, b, "float64"), A, B),
    _draw("dirichlet", lambda: f.random_dirichlet((5, 3), [0.1, 1, 3]), _sums(1, (5, 3))),
    _draw("dirichlet_tensor", lambda a: f.random_dirichlet(None, a, "float64"), _sums(1, (3, 1)), A),
    _gradient("dirichlet_gradient", lambda a: f.random_dirichlet(None, a, "float64")[..., 0], array(2, 3, low=0.001, high=3)),
    _draw("chi2", lambda: f.random_chi2((30,), 3), _inside(0, 60, (30,))),
    _gradient("chi2_gradient", lambda a: f.random_chi2(None, a, "float64"), A),
    _draw("student_t", lambda: f.random_student_t((30,), 5, seed=3), _inside(-100, 100, (30,))),
    _gradient("student_t_gradient", lambda a: f.random_student_t(None, a, "float64"), A + 2),
    _draw("lognormal", lambda: f.random_lognormal((30,), 0, 0.5), _inside(0, 20, (30,))),
    _draw("geometric", lambda: f.random_geometric((30,), 0.3, "int32"), _inside(1, 90, (30,), whole=True)),
    _draw("geometric_sure", lambda p: f.random_geometric(None, p, "int8"), _equals([1, 1]), np.array([1.0, 1.0])),
    _draw("poisson", lambda: c.random_poisson(3.0, [40]), _inside(0, 30, (40,), whole=True)),
    _draw("poisson_int", lambda lam: c.random_poisson(lam, [5], "int64"), _inside(0, 99, (5, 4), whole=True), B, unranked=False),
    _draw("poisson_of_lam", lambda lam: c.random_poisson(lam), _inside(0, 99, (4,), whole=True), B),
    _draw("poisson_large", lambda: c.random_poisson(500.0, [50], "int32"), _inside(300, 700, (50,), whole=True)),
    _draw("poisson_ends", lambda lam: c.random_poisson(lam), _equals([0, NAN, NAN]), np.array([0.0, -1, NAN])),
    _draw("poisson_uint8_stops", lambda: c.random_poisson(1e4, [3], "uint8"), _equals([255] * 3)),
    _draw("poisson_f16", lambda: c.random_poisson(40.0, [30], "float16"), _inside(5, 99, (30,), whole=True)),
    _draw("binomial", lambda: c.random_binomial((40,), 9, 0.3), _inside(0, 9, (40,), whole=True)),
    _draw("binomial_sure", lambda p: c.random_binomial(None, 7, p, "int32"), lambda x, p: _equals([0, 7])(x[[0, 2]]), P),
    _draw("binomial_parameters", lambda n, p: c.random_binomial((2, 3), n, p), _inside(0, 900, (2, 3), whole=True), np.array([[4], [900]]), P),
    _draw("multinomial_counts", lambda: c.random_multinomial((4,), 10, [0.2, 0.0, 0.8]), _sums(10, (4, 3))),
    _draw("multinomial_tensor", lambda p: c.random_multinomial(None, 50, p, "float32"), _sums(50, (2, 3)), array(2, 3, low=0, high=1), symbolic=False),
    _draw("multinomial_one", lambda: c.random_multinomial((), 3, [2.0]), _equals([3])),
    _draw("multinomial_classes", lambda x: h.multinomial(x, 5, output_dtype="int32"), _inside(0, 3, (2, 5), whole=True), array(2, 4)),
    _draw("choice_int", lambda: h.random_choice(5, (30,)), _inside(0, 4, (30,), whole=True)),
    _draw("choice_all", lambda: h.random_choice(5, 5, replace=False), lambda x: _equals(np.arange(5))(np.sort(x))),
    _draw("choice_one", lambda: h.random_choice(5), _inside(0, 4, (), whole=True)),
    _draw("choice_rows", lambda x: h.random_choice(x, (2, 4)), _rows_of, ROWS, unranked=False),
    _draw("choice_rows_once", lambda x: h.random_choice(x, 6, replace=False), lambda x, rows: _equals(rows)(x[np.argsort(x[:, 0])]), ROWS, unranked=False),
    _draw("choice_weighted", lambda p: h.random_choice(3, (20,), p=p), _inside(1, 2, (20,), whole=True), P),
    _draw("choice_weighted_once", lambda p: h.random_choice(3, 2, replace=False, p=p), lambda x, p: _equals([1, 2])(np.sort(x)), P),
    _draw("choice_of_size", lambda x: h.random_choice(gf.shape(x)[0], (9,)), _inside(0, 5, (9,), whole=True), ROWS, unranked=False),
    _draw("crop", lambda x: h.random_crop(x, [3, 2]), lambda part, x: _rows_of(part, x), ROWS, unranked=False),
    _draw("crop_whole", lambda x: h.random_crop(x, [6, 2]), lambda part, x: _equals(x)(part), ROWS, unranked=False),
    _draw("gamma_in_a_loop", lambda x: gf.map_fn(lambda t: t + g.random_gamma((), 2.0, dtype="float64"), x), _inside(0, 99, (20,)), np.zeros(20)),
]  # fmt: skip
