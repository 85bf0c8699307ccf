"""Draws from distributions: golden bits, distributions against SciPy's, gradients, independence, memory, bad input."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import stats

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GradientError, IndexRangeError, ShapeError
from graphflow.graph import Graph
from graphflow.op import OPS, F
from graphflow.ops import philox, random_words
from graphflow.ops.random_choice import multinomial, random_choice, random_crop
from graphflow.ops.random_counts import random_binomial, random_multinomial, random_poisson
from graphflow.ops.random_families import (
    random_beta,
    random_chi2,
    random_dirichlet,
    random_geometric,
    random_lognormal,
    random_student_t,
)
from graphflow.ops.random_gamma import random_gamma
from graphflow.ops.random_quantiles import random_cauchy, random_gumbel, random_laplace, random_logistic
from graphflow.types import TensorType
from tests.ops.refused import Refused, check_built, ids

KEY = (7, 11)
N = 20_000
NAN = float("nan")


def _fresh(build: Any, runs: int = 1, seed: int | None = None, **options: Any) -> list[Any]:
    """What the built tensor is in a number of runs of one session, in a graph of its own."""
    with Graph().as_default():
        if seed is not None:
            gf.random.set_seed(seed)
        t = build()
        with gf.Session(**options) as session:
            return [session.run(t) for _ in range(runs)]


def _one(build: Any, **options: Any) -> Any:
    return _fresh(build, **options)[0]


# --- bits -----------------------------------------------------------------------------------------


def test_words_are_those_of_their_counters() -> None:
    blocks = np.array([0, 5, 2**48 + 3, 2**63 + 1], np.uint64)
    draw = 2**40 + 3
    words = random_words.words_at(np, KEY, np.asarray(draw), blocks)
    for k, b in enumerate(blocks.tolist()):
        counter = (b & 0xFFFFFFFF, b >> 32, draw & 0xFFFFFFFF, draw >> 32)
        assert tuple(int(w[k]) for w in words) == philox.philox(counter, KEY)


def test_open_units_never_reach_their_ends() -> None:
    ends = np.array([0, 2**32 - 1], np.uint32)
    assert random_words.open_unit(np, ends).tolist() == [2.0**-33, 1 - 2.0**-33]
    assert random_words.open_unit(np, ends, ends).tolist() == [2.0**-53, 1 - 2.0**-53]


COUNTS: list[Any] = [
    [
        [6, 5, 3, 2, 1, 0, 2, 1],
        [280, 284, 297, 292, 308],
        [2, 2, 5, 4, 3, 6],
        [378, 411, 390, 387],
        [2, 2, 2, 2, 1, 2],
        [4, 7, 0, 5, 4, 5],
    ],
    [
        [1, 4, 4, 5, 4, 5, 1, 3],
        [304, 290, 274, 318, 294],
        [2, 4, 3, 4, 3, 4],
        [372, 410, 397, 398],
        [8, 1, 2, 1, 3, 1],
        [8, 8, 1, 2, 4, 4],
    ],
]
FLOATS: list[Any] = [
    [2.813462972640991, 2.327350616455078, 0.287979394197464],
    [0.00013990204024594277, 0.008353067561984062, 0.0861436054110527],
    [1.107641339302063, -1.4476908445358276, -3.578782796859741],
    [-5.592044830322266, -2.8273847103118896, -1.106971263885498],
]


def test_golden_draws_of_the_default_seed() -> None:
    """The same for ever: a change here changes every user's results."""
    drawn = _fresh(
        lambda: [
            random_poisson(3.0, [8], "int32"),
            random_poisson(300.0, [5], "int32"),
            random_binomial((6,), 10, 0.4),
            random_binomial((4,), 1000, 0.4),
            random_geometric((6,), 0.3),
            random_choice(10, (6,)),
        ],
        runs=2,
    )
    assert [[v.tolist() for v in run] for run in drawn] == COUNTS
    floats = _one(
        lambda: [random_gamma((3,), 2.5), random_gamma((3,), 0.2), random_laplace((3,)), random_cauchy((3,))]
    )
    for got, want in zip(floats, FLOATS, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda n: random_gamma((n,), 0.7, dtype="float64", seed=5),
        lambda n: random_poisson(50.0, (n,), seed=5),
        lambda n: random_binomial((n,), 90, 0.4, seed=5),
        lambda n: random_gumbel((n,), seed=5),
    ],
)
def test_the_first_elements_do_not_depend_on_how_many_follow(build: Any) -> None:
    assert _one(lambda: build(77)).tobytes() == _one(lambda: build(40_001))[:77].tobytes()


def test_a_seed_gives_the_same_bits_whatever_the_threads_and_the_optimiser() -> None:
    def build() -> Any:
        return random_gamma((500,), 0.5) + random_beta((500,), 2, 3) * random_student_t((500,), 4, seed=1)

    plain = _one(build, seed=3, optimize=False, threads=1)
    assert plain.tobytes() == _one(build, seed=3, threads=2).tobytes()
    assert plain.tobytes() != _one(build, seed=4).tobytes()


def test_draws_of_one_function_do_not_share_words() -> None:
    """With one seed, the two gamma variates of a beta variate are independent."""
    x = _one(lambda: random_beta((N,), 3.0, 3.0, seed=9))
    assert stats.kstest(x, stats.beta(3, 3).cdf).pvalue > 1e-4


# --- distributions --------------------------------------------------------------------------------

CONTINUOUS: list[tuple[str, Any, Any]] = [
    *[(f"gamma-{a}", lambda a=a: random_gamma((N,), a, dtype="float64"), stats.gamma(a)) for a in (0.1, 1, 2.5, 400)],
    ("gamma-f32", lambda: random_gamma((N,), 2.5, 0.5), stats.gamma(2.5, scale=2)),
    ("beta", lambda: random_beta((N,), 0.3, 2, "float64"), stats.beta(0.3, 2)),
    ("beta-small", lambda: random_beta((N,), 0.1, 0.3, "float64"), stats.beta(0.1, 0.3)),
    ("dirichlet", lambda: random_dirichlet((N, 3), [0.5, 1, 2], "float64")[:, 0], stats.beta(0.5, 3)),
    ("chi2", lambda: random_chi2((N,), 3), stats.chi2(3)),
    ("student_t", lambda: random_student_t((N,), 3, "float64"), stats.t(3)),
    ("lognormal", lambda: random_lognormal((N,), 0.5, 0.3), stats.lognorm(0.3, scale=np.exp(0.5))),
    ("laplace", lambda: random_laplace((N,), 1, 2), stats.laplace(1, 2)),
    ("gumbel", lambda: random_gumbel((N,), dtype="float64"), stats.gumbel_r()),
    ("logistic", lambda: random_logistic((N,)), stats.logistic()),
    ("cauchy", lambda: random_cauchy((N,), dtype="float64"), stats.cauchy()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "build", "distribution"), CONTINUOUS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_floats_have_their_distribution(name: str, build: Any, distribution: Any) -> None:
    values = _fresh(build, seed=12)[0].astype(np.float64)
    assert stats.kstest(values, distribution.cdf).pvalue > 1e-4
    above = values > np.median(values)
    assert abs(stats.pearsonr(above[:-1], above[1:])[0]) < 0.04


COUNTED: list[tuple[str, Any, Any]] = [
    *[(f"poisson-{m}", lambda m=m: random_poisson(m, (N,), "int64"), stats.poisson(m)) for m in (0.3, 9.9, 10.0, 200.0)],
    *[
        (f"binomial-{n}-{p}", lambda n=n, p=p: random_binomial((N,), n, p), stats.binom(n, p))
        for n, p in ((5, 0.3), (40, 0.26), (100, 0.9), (2000, 0.5))
    ],
    ("geometric", lambda: random_geometric((N,), 0.2), stats.geom(0.2)),
    ("multinomial", lambda: random_multinomial((N,), 20, [1.0, 2, 1])[:, 1], stats.binom(20, 0.5)),
    ("choice", lambda: random_choice(6, (N,)), stats.randint(0, 6)),
    ("choice-p", lambda: random_choice(2, (N,), p=[3.0, 1.0]), stats.binom(1, 0.25)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "build", "distribution"), COUNTED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_counts_have_their_distribution(name: str, build: Any, distribution: Any) -> None:
    values = _fresh(build, seed=12)[0]
    edges = np.unique(distribution.ppf(np.linspace(0, 1, 25)[1:-1]))
    expected = np.diff(distribution.cdf([-1, *edges, np.inf])) * N
    counts = np.histogram(values, np.array([-np.inf, *(edges + 0.5), np.inf]))[0]
    kept = expected > 5
    total = counts[kept].sum() / expected[kept].sum()
    assert stats.chisquare(counts[kept], expected[kept] * total).pvalue > 1e-4
    assert abs(values.mean() - distribution.mean()) < 5 * distribution.std() / N**0.5


def test_means_that_differ_from_element_to_element() -> None:
    lam = np.linspace(0, 40, N)
    drawn = _one(lambda: random_poisson(lam))
    assert abs(np.mean((drawn - lam)[1:] / np.sqrt(lam[1:]))) < 5 / N**0.5
    assert abs(np.mean((drawn - lam)[1:] ** 2 / lam[1:]) - 1) < 0.1


def test_choices_without_replacement_follow_their_weights() -> None:
    """First place by weight; pairs by the product of what is left."""
    drawn = _fresh(lambda: random_choice(3, 2, replace=False, p=[0.5, 0.3, 0.2]), runs=700)
    counts = np.zeros((3, 3))
    for a, b in drawn:
        counts[a, b] += 1
    p = np.array([0.5, 0.3, 0.2])
    expected = 700 * p[:, None] * p[None, :] / (1 - p[:, None])
    off = ~np.eye(3, dtype=bool)
    assert np.all(counts[~off] == 0)
    assert stats.chisquare(counts[off], expected[off]).pvalue > 1e-4


def test_every_place_of_a_crop_is_as_likely() -> None:
    parts = _fresh(lambda: random_crop(np.arange(12).reshape(4, 3), [2, 2])[0, 0], runs=400)
    counts = np.bincount(np.array(parts), minlength=12).reshape(4, 3)
    assert np.all(counts[3:] == 0)
    assert np.all(counts[:, 2] == 0)
    assert stats.chisquare(counts[:3, :2].reshape(-1)).pvalue > 1e-4


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.05, 0.9, 3.0, 60.0, 2000.0])
def test_gamma_gradients_move_variates_along_their_quantile(a: float) -> None:
    with Graph().as_default():
        shape = gf.constant(np.full(40, a))
        x = random_gamma([], shape, dtype="float64")
        got, values = gf.Session().run([gf.gradients(x, shape)[0], x])
    h = a * 1e-5
    u = stats.gamma(a).cdf(values)
    keep = (u > 1e-6) & (u < 1 - 1e-6)
    slope = (stats.gamma(a + h).ppf(u) - stats.gamma(a - h).ppf(u)) / (2 * h)
    np.testing.assert_allclose(got[keep], slope[keep], rtol=2e-4, atol=1e-12)


def test_gradients_of_means_are_right_on_average() -> None:
    """d E[x] / da = 1 for gamma variates; d E[x] / da = b / (a + b)² for beta variates."""
    with Graph().as_default():
        a = gf.constant(2.0, dtype="float64")
        x, y = random_gamma((N,), a, dtype="float64"), random_beta((N,), a, 3.0, "float64")
        by_x, by_y = gf.Session().run([gf.gradients(F.mean(t), a)[0] for t in (x, y)])
    assert abs(by_x - 1) < 0.03
    assert abs(by_y - 3 / 25) < 0.01


def test_counts_have_no_gradient_and_say_so() -> None:
    lam = gf.placeholder("float32", (3,))
    with pytest.raises(GradientError, match="random_poisson"):
        gf.gradients(F.sum(random_poisson(lam)), lam)


# --- bad input ------------------------------------------------------------------------------------

REFUSED = [
    Refused(lambda: random_gamma((3,), -1.0), ArgumentError, ("random_gamma", "alpha", "-1")),
    Refused(lambda: random_gamma((3,), [1.0, NAN]), ArgumentError, ("random_gamma", "alpha", "nan")),
    Refused(lambda: random_gamma((3,), 1, 0), ArgumentError, ("random_gamma", "beta", "0")),
    Refused(lambda: random_gamma((-3,), 1), ShapeError, ("random_gamma", "shape", "-3")),
    Refused(lambda: random_gamma((3,), 1, dtype="int32"), DTypeError, ("random_gamma", "int32")),
    Refused(lambda: random_gamma((3,), 1, seed=-1), ArgumentError, ("random_gamma", "seed", "-1")),
    Refused(lambda: random_gamma((3,), gf.placeholder("float64", (2,))), DTypeError, ("random_gamma", "alpha")),
    Refused(lambda: random_gamma((3,), gf.placeholder("float32")), ShapeError, ("random_gamma", "rank")),
    Refused(lambda x, y: random_gamma((3,), x, y), ShapeError, ("broadcast",), ((3,), (4,))),
    Refused(lambda: random_beta((3,), 1, True), ArgumentError, ("random_beta", "b", "True")),
    Refused(lambda x: random_beta((2, 3), x, 1), ShapeError, ("random_beta", "a"), ((4,),)),
    Refused(lambda: random_dirichlet((), 2.0), ShapeError, ("random_dirichlet", "alpha")),
    Refused(lambda: random_chi2((3,), 0), ArgumentError, ("random_chi2", "df", "0")),
    Refused(lambda: random_student_t((3,), "a"), DTypeError, ("'a'",)),
    Refused(lambda: random_lognormal((3,), 0, -1), ArgumentError, ("stddev", "-1")),
    Refused(lambda: random_lognormal((3,), dtype=int), DTypeError, ("random_lognormal", "int64")),
    Refused(lambda: random_geometric((3,), 0), ArgumentError, ("random_geometric", "p", "0")),
    Refused(lambda: random_geometric((3,), 0.5, "float32"), DTypeError, ("random_geometric", "float32")),
    Refused(lambda: random_laplace((3,), 0, -1), ArgumentError, ("random_laplace", "scale", "-1")),
    Refused(lambda: random_laplace((3,), NAN), ArgumentError, ("random_laplace", "loc", "nan")),
    Refused(lambda: random_gumbel((3.5,)), ShapeError, ("random_gumbel", "shape", "3.5")),
    Refused(lambda: random_logistic((3,), seed="a"), ArgumentError, ("random_logistic", "seed", "'a'")),
    Refused(lambda: random_cauchy((3,), dtype="complex64"), DTypeError, ("random_cauchy", "complex64")),
    Refused(lambda: random_poisson(-1.0), ArgumentError, ("random_poisson", "lam", "-1")),
    Refused(lambda: random_poisson([1.0, float("inf")]), ArgumentError, ("random_poisson", "lam", "inf")),
    Refused(lambda: random_poisson(1.0, dtype=bool), DTypeError, ("random_poisson", "bool")),
    Refused(lambda: random_binomial((3,), -1, 0.5), ArgumentError, ("random_binomial", "counts", "-1")),
    Refused(lambda: random_binomial((3,), 1, 1.5), ArgumentError, ("random_binomial", "probs", "1.5")),
    Refused(lambda: random_binomial((3,), 1, NAN), ArgumentError, ("random_binomial", "probs", "nan")),
    Refused(lambda: random_multinomial((3,), 1, 0.5), ShapeError, ("random_multinomial", "probs")),
    Refused(lambda: random_multinomial((3,), 1, [0.5, -1]), ArgumentError, ("random_multinomial", "probs")),
    Refused(lambda: multinomial([[1, 2]], 3), DTypeError, ("categorical", "logits")),
    Refused(lambda: random_choice(0, (3,)), ArgumentError, ("random_choice", "3 of 0")),
    Refused(lambda: random_choice(3, (4,), replace=False), ArgumentError, ("random_choice", "4 of 3", "without")),
    Refused(lambda: random_choice(3, (2,), p=[1.0]), ShapeError, ("random_choice", "p", "3 rows")),
    Refused(lambda: random_choice(3, (2,), p=[1.0, -1, 2]), ArgumentError, ("random_choice", "p", "-1")),
    Refused(lambda: random_choice(1.5), ShapeError, ("random_choice", "1.5")),
    Refused(lambda: random_choice(3, replace="no"), ArgumentError, ("random_choice", "replace", "'no'")),
    Refused(lambda: random_choice(gf.placeholder("float32")), ShapeError, ("random_choice", "rank")),
    Refused(lambda x: random_crop(x, [2, 4]), ShapeError, ("random_crop", "4", "axis 1"), ((3, 3),)),
    Refused(lambda x: random_crop(x, [2]), ShapeError, ("random_crop", "size", "[2]"), ((3, 3),)),
    Refused(lambda x: random_crop(x, [-1, 2]), ShapeError, ("random_crop", "-1"), ((3, 3),)),
    Refused(lambda: random_crop(gf.placeholder("float32"), [2]), ShapeError, ("random_crop", "rank")),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


def test_a_crop_that_is_too_large_is_known_at_the_run() -> None:
    x = gf.placeholder("float32", (None, 3))
    part = random_crop(x, [4, 3])
    assert gf.Session().run(part, {x: np.zeros((5, 3))}).shape == (4, 3)
    with pytest.raises(IndexRangeError):
        gf.Session().run(part, {x: np.zeros((2, 3))})


# --- memory ---------------------------------------------------------------------------------------

OBJECTS = 4096
"""Python's own objects, of which a call makes more or fewer depending on what ran before."""


@pytest.mark.parametrize("n", [100, 40_000])
@pytest.mark.parametrize(
    ("name", "parameters", "attrs"),
    [
        ("random_gamma", (0.5,), {"log": True, "dtype": "float32"}),
        ("random_gamma", (30.0,), {"log": False, "dtype": "float64"}),
        ("random_poisson", (3.0,), {"dtype": "float64"}),
        ("random_poisson", (300.0,), {"dtype": "float64"}),
        ("random_binomial", (30.0, 0.2), {"dtype": "float64"}),
        ("random_binomial", (300.0, 0.8), {"dtype": "float64"}),
    ],
)
def test_memory_stays_below_what_is_stated(
    name: str, parameters: tuple[float, ...], attrs: dict[str, Any], n: int
) -> None:
    op = OPS[name]
    assert op.kernel is not None
    assert op.workspace is not None
    dtype = np.dtype(attrs.pop("dtype") if "dtype" in attrs else "float64")
    attrs = {**attrs, "dtype": dtype, "key": KEY}
    arrays = [np.broadcast_to(np.asarray(p, np.float64), (n,)) for p in parameters]
    out, draw = np.empty(n, dtype), np.asarray(3)
    op.kernel(np, draw, *arrays, **attrs, out=out)
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        op.kernel(np, draw, *arrays, **attrs, out=out)
        peak = tracemalloc.get_traced_memory()[1] - start
    finally:
        tracemalloc.stop()
    types = (TensorType(np.dtype("int64"), ()), *[TensorType(a.dtype, a.shape) for a in arrays])
    assert peak - OBJECTS <= op.workspace(types, (TensorType(dtype, (n,)),), **attrs)
