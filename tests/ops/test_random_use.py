"""Random draws in programs: seeds, runs, loops, shapes, gradients, bad parameters."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import stats

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphflowError, RunError, ShapeError
from graphflow.graph import Graph
from graphflow.op import OPS, F


def _fresh(build: Any, runs: int = 1, seed: int | None = None) -> list[Any]:
    """What the built tensor is in a number of runs of one session, in a graph of its own."""
    with Graph().as_default():
        if seed is not None:
            gf.random.set_seed(seed)
        t = build()
        with gf.Session() as session:
            return [session.run(t) for _ in range(runs)]


# --- seeds and draws ------------------------------------------------------------------------------


def test_every_run_draws_anew_and_every_session_alike() -> None:
    first = _fresh(lambda: F.random_uniform((5,)), runs=3)
    second = _fresh(lambda: F.random_uniform((5,)), runs=3)
    assert np.array_equal(first, second)
    assert np.unique(first).size == 15


def test_a_draw_fetched_twice_in_a_run_is_one_draw() -> None:
    with Graph().as_default():
        t = F.random_uniform((3,))
        a, b, c = gf.Session().run([t, t, t * 2])
    assert a.tolist() == b.tolist()
    np.testing.assert_array_equal(a * 2, c)


def test_seeds_tell_graphs_and_ops_apart() -> None:
    def two() -> Any:
        return F.random_uniform((4,)), F.random_uniform((4,))

    def seeded(seed: Any) -> Any:
        return lambda: F.random_uniform((4,), seed=seed)

    a, b = _fresh(two)[0]
    assert a.tolist() != b.tolist()
    assert _fresh(two, seed=1)[0][0].tolist() != a.tolist()
    assert _fresh(two, seed=1)[0][0].tolist() == _fresh(two, seed=1)[0][0].tolist()
    values = [_fresh(seeded(s))[0].tolist() for s in (0, 1, 2**32, 2**32 + 1, 2**64 - 1, np.int64(2**33))]
    assert len({tuple(v) for v in values}) == len(values)
    assert a.tolist() not in values, "op number 0 is not the op with seed=0"
    assert _fresh(seeded(5), seed=1)[0].tolist() != _fresh(seeded(5), seed=2)[0].tolist()


def test_equal_explicit_seeds_draw_equal_numbers() -> None:
    a, b = _fresh(lambda: (F.random_uniform((4,), seed=3), F.random_uniform((4,), seed=3)))[0]
    assert a.tolist() == b.tolist()


def test_other_nodes_do_not_change_the_numbers() -> None:
    def noisy() -> Any:
        gf.constant(1.0) + 2.0
        return F.random_uniform((4,))

    assert _fresh(noisy)[0].tolist() == _fresh(lambda: F.random_uniform((4,)))[0].tolist()


def test_a_seed_from_the_system_differs() -> None:
    def build() -> Any:
        gf.random.set_seed(None)
        return F.random_uniform((4,))

    assert _fresh(build)[0].tolist() != _fresh(build)[0].tolist()


@pytest.mark.slow
def test_bits_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "import graphflow as gf\n"
        "t = [gf.random.uniform((3,)), gf.random.normal((3,)), gf.random.randint((3,), 0, 99)]\n"
        "print([v.tobytes().hex() for v in gf.Session().run(t)])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(outputs) == 1


def test_every_iteration_of_nested_loops_draws_anew() -> None:
    def build() -> Any:
        inner = gf.constant(np.zeros(3, np.float32))
        outer = gf.constant(np.zeros(4, np.float32))
        return gf.map_fn(
            lambda a: gf.map_fn(lambda b: b + F.random_uniform(()), inner) + a + 0 * F.random_uniform(()),
            outer,
        )

    runs = _fresh(build, runs=2)
    assert runs[0].shape == (4, 3)
    assert np.unique(runs).size == 24
    assert np.array_equal(runs, _fresh(build, runs=2))


def test_branches_and_functions_draw_anew_at_every_call() -> None:
    def build() -> Any:
        return gf.cond(gf.constant(True), lambda: F.random_uniform(()), lambda: F.random_normal(()))

    assert np.unique(_fresh(build, runs=4)).size == 4

    @gf.function
    def noisy(x: Any) -> Any:
        return x + F.random_uniform((2,))

    assert np.unique([noisy(np.zeros(2, np.float32)) for _ in range(3)]).size == 6


def test_counters_are_made_outside_bodies() -> None:
    with Graph().as_default() as graph:
        gf.map_fn(lambda a: a + F.random_uniform(()), gf.constant(np.zeros(3, np.float32)))
        counters = [n for n in graph.operations if n.type == "draw_counter"]
        F.random_uniform((2,))
        counters += [n for n in graph.operations if n.type == "draw_counter"][1:]
    assert [n.attrs["index"] for n in counters] == [0, 1]
    assert len({n.attrs["key"] for n in counters}) == 2


def test_fold_in_spreads_iterations_and_draws() -> None:
    kernel = OPS["fold_in"].kernel
    assert kernel is not None
    values = [int(kernel(np, np.asarray(d), np.asarray(i))) for d in range(40) for i in range(40)]
    assert len(set(values)) == 1600
    assert min(values) >= 0
    assert stats.kstest(np.array(values) / 2**63, "uniform").pvalue > 1e-4


# --- shapes, parameters, gradients ----------------------------------------------------------------


def test_shapes_may_hold_dimensions() -> None:
    x = gf.placeholder("float32", ("batch", 3))
    t = F.random_uniform((x.type.shape[0], 2))
    like = F.random_normal_like(x)
    assert t.type.shape == (x.type.shape[0], 2)
    assert len(like.op.inputs) == 1, "a named size needs no edge to x"
    got = gf.Session().run([t, like], {x: np.zeros((5, 3))})
    assert [v.shape for v in got] == [(5, 2), (5, 3)]
    anonymous = gf.placeholder("float16", (None, 3))
    assert len(F.random_uniform_like(anonymous).op.inputs) == 2
    assert F.random_uniform_like(anonymous).dtype == np.float16


def test_parameters_that_are_tensors_have_gradients() -> None:
    with Graph().as_default():
        mean, scale = gf.placeholder("float64", (3,)), gf.placeholder("float64", ())
        z = F.random_normal((50, 3), mean, scale, dtype="float64", seed=1)
        plain = F.random_normal((50, 3), dtype="float64", seed=1)
        g_mean, g_scale = gf.gradients(gf.sum(z), [mean, scale])
        low, high = gf.placeholder("float32", ()), gf.placeholder("float32", ())
        u = F.random_uniform((40,), low, high, seed=2)
        unit = F.random_uniform((40,), seed=2)
        g_low, g_high = gf.gradients(gf.sum(u), [low, high])
        feeds = {mean: np.arange(3.0), scale: 2.0, low: -1.0, high: 5.0}
        values = gf.Session().run([z, plain, g_mean, g_scale, u, unit, g_low, g_high], feeds)
    np.testing.assert_allclose(values[0], np.arange(3.0) + 2 * values[1], rtol=1e-15)
    np.testing.assert_allclose(values[2], [50, 50, 50])
    np.testing.assert_allclose(values[3], values[1].sum())
    np.testing.assert_allclose(values[4], -1 + 6 * values[5], rtol=1e-6)
    np.testing.assert_allclose(values[6], (1 - values[5]).sum(), rtol=1e-5)
    np.testing.assert_allclose(values[7], values[5].sum(), rtol=1e-5)


def test_no_gradient_flows_through_a_shape() -> None:
    x = gf.placeholder("float32", (None,))
    y = gf.sum(x * F.random_uniform_like(x, seed=1))
    (g,) = gf.gradients(y, x)
    got = gf.Session().run(g, {x: np.ones(4)})
    assert np.all((got > 0) & (got < 1))


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "a", True, np.float64(2), [1], np.int64(-5)])
def test_bad_seeds(seed: Any) -> None:
    for build in (
        lambda: F.random_uniform((2,), seed=seed),
        lambda: F.random_normal((2,), seed=seed),
        lambda: F.truncated_normal((2,), seed=seed),
        lambda: F.random_int((2,), 0, 5, seed=seed),
        lambda: F.bernoulli(0.5, (2,), seed=seed),
        lambda: F.categorical([0.0, 1.0], 2, seed=seed),
        lambda: F.permutation(3, seed=seed),
        lambda: F.random_exponential((2,), seed=seed),
        lambda: gf.random.set_seed(seed),
    ):
        with pytest.raises(ArgumentError, match="seed must be"):
            build()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (
            lambda: F.random_uniform((2,), 1.0, 1.0),
            ArgumentError,
            "random_uniform: minval 1.0 must be less than maxval 1.0",
        ),
        (lambda: F.random_uniform((2,), 3, 2), ArgumentError, "minval 3 must be less"),
        (lambda: F.random_uniform((2,), NAN, 2), ArgumentError, "must be finite"),
        (lambda: F.random_uniform((2,), 0, INF), ArgumentError, "must be finite"),
        (lambda: F.random_uniform((2,), -3e38, 3e38), ArgumentError, "overflows float32"),
        (lambda: F.random_uniform((2,), "a", 1), (ArgumentError, DTypeError), "'a'"),
        (lambda: F.random_uniform((2,), [0.0, 1.0], [1.0, 0.5]), ArgumentError, "must be less"),
        (
            lambda: F.random_uniform((2,), [0.0, 0.0, 0.0], 1.0),
            ShapeError,
            "does not broadcast to the draw's float32[2]",
        ),
        (
            lambda: F.random_uniform((2,), gf.constant(0.0, "float64"), 1.0),
            DTypeError,
            "does not fit a draw of float32",
        ),
        (lambda: F.random_uniform((2,), 2j, 1.0), GraphflowError, "2j"),
        (
            lambda: F.random_uniform((2,), dtype="complex64"),
            DTypeError,
            "must be a real floating type, not complex64",
        ),
        (lambda: F.random_uniform((2,), dtype=bool), DTypeError, "not bool"),
        (lambda: F.random_uniform((-2,)), ShapeError, "random_uniform: shape"),
        (lambda: F.random_uniform((2.0,)), ShapeError, "2.0"),
        (lambda: F.random_uniform("2"), ShapeError, "'2'"),
        (lambda: F.random_uniform(None), ShapeError, "None"),
        (lambda: F.random_uniform((2**40, 2**40)), ShapeError, "2^63"),
        (lambda: F.random_uniform((1,) * 65), ShapeError, "more than 64"),
        (lambda: F.random_uniform((2,), dtype="int32"), ArgumentError, "maxval is needed"),
        (lambda: F.random_int((2,), 5, 5), ArgumentError, "random_int: minval 5 must be less than maxval 5"),
        (lambda: F.random_int((2,), 0, 1.5), ArgumentError, "random_int: maxval must be an integer, not 1.5"),
        (lambda: F.random_int((2,), True, 5), ArgumentError, "minval must be an integer, not True"),
        (lambda: F.random_int((2,), 0, 129, "int8"), ArgumentError, "[0, 129) does not fit int8"),
        (lambda: F.random_int((2,), -1, 5, "uint8"), ArgumentError, "does not fit uint8"),
        (lambda: F.random_int((2,), 0, 2**65, "uint64"), ArgumentError, "does not fit uint64"),
        (lambda: F.random_int((2,), 0, 5, "float32"), DTypeError, "must be an integer type, not float32"),
        (
            lambda: F.random_normal((2,), 0.0, -1.0),
            ArgumentError,
            "random_normal: stddev must be at least 0, not -1.0",
        ),
        (lambda: F.random_normal((2,), 0.0, NAN), ArgumentError, "stddev must be at least 0, not nan"),
        (lambda: F.random_normal((2,), INF, 1.0), ArgumentError, "mean must be finite, not inf"),
        (lambda: F.random_normal((2,), 0.0, True), ArgumentError, "stddev must be"),
        (lambda: F.random_normal((2,), 0.0, "1"), GraphflowError, "'1'"),
        (lambda: F.random_normal((2,), dtype="int32"), DTypeError, "not int32"),
        (lambda: F.truncated_normal((2,), 0.0, -0.5), ArgumentError, "truncated_normal: stddev"),
        (
            lambda: F.random_exponential((2,), -1),
            ArgumentError,
            "random_exponential: scale must be at least 0",
        ),
        (lambda: F.bernoulli(1.5, (2,)), ArgumentError, "bernoulli: p must be in [0, 1], not 1.5"),
        (lambda: F.bernoulli(-0.1, (2,)), ArgumentError, "not -0.1"),
        (lambda: F.bernoulli(NAN, (2,)), ArgumentError, "not nan"),
        (lambda: F.bernoulli([0.5, 2.0]), ArgumentError, "in [0, 1]"),
        (lambda: F.bernoulli([0.5, 0.5], (3,)), ShapeError, "does not broadcast"),
        (lambda: F.categorical([1, 2], 3), DTypeError, "logits must be real floats, got int64[2]"),
        (lambda: F.categorical(1.0, 3), ShapeError, "categorical: logits need an axis"),
        (lambda: F.categorical(np.zeros((2, 0), np.float32), 3), ShapeError, "no classes"),
        (lambda: F.categorical([0.5, 1.0], -1), ArgumentError, "num_samples must be at least 0, not -1"),
        (lambda: F.categorical([0.5, 1.0], 1.5), ArgumentError, "num_samples must be an integer, not 1.5"),
        (lambda: F.categorical(np.zeros(1000, "f4"), 1, "int8"), DTypeError, "1000 classes do not fit int8"),
        (lambda: F.categorical([0.5, 1.0], 1, "float32"), DTypeError, "must be an integer type"),
        (lambda: F.permutation(-1), ShapeError, "-1"),
        (lambda: F.permutation(2.5), ShapeError, "2.5"),
        (lambda: F.permutation(2**63), ShapeError, "2^63"),
        (lambda: F.shuffle(gf.constant(1.0)), ShapeError, "must have an axis"),
        (lambda: F.shuffle([1.0, 2.0], axis=1), ArgumentError, "axis 1 is out of range"),
    ],
)
def test_bad_parameters_are_refused_when_the_graph_is_built(build: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        build()
    assert text in str(caught.value)


@pytest.mark.parametrize("row", [[NAN, 0.0], [INF, 0.0], [-INF, -INF]])
def test_impossible_logits_are_refused_at_the_run(row: list[float]) -> None:
    x = gf.placeholder("float32", (2, 2))
    t = F.categorical(x, 3)
    session = gf.Session()
    with pytest.raises(RunError, match="row 1 of the logits"):
        session.run(t, {x: np.array([[0.0, 0.0], row])})
    assert session.run(t, {x: np.zeros((2, 2))}).shape == (2, 3)
