"""Random draws: known answers, golden bits, distributions, seeds, loops, bad parameters."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest
from scipy import stats

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphflowError, RunError, ShapeError
from graphflow.graph import Graph
from graphflow.op import OPS, F
from graphflow.ops import philox
from graphflow.ops.random import _high_product
from graphflow.ops.random_normal import LONG, SHORT, _quantiles
from graphflow.types import TensorType

KEY = (7, 11)


def _kernel(
    name: str, n: Any, dtype: str = "float32", draw: int = 3, key: Any = KEY, xp: Any = np, **attrs: Any
) -> Any:
    kernel = OPS[name].kernel
    assert kernel is not None
    shape = n if isinstance(n, tuple) else (n,)
    return kernel(xp, xp.asarray(draw), key=key, shape=shape, dtype=np.dtype(dtype), **attrs)


def _fresh(build: Any, runs: int = 1, seed: int | None = None) -> list[Any]:
    """What the built tensor is in a number of runs of one session, in a graph of its own."""
    with Graph().as_default():
        if seed is not None:
            gf.random.set_seed(seed)
        t = build()
        with gf.Session() as session:
            return [session.run(t) for _ in range(runs)]


# --- Philox ---------------------------------------------------------------------------------------

ONES = 0xFFFFFFFF
KNOWN = [  # from the known-answer tests of Random123
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter: Any, key: Any, words: Any) -> None:
    assert philox.philox(counter, key) == words


@pytest.mark.parametrize("xp", [np, array_api_strict])
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 1000, 4 * philox.BLOCK, 4 * philox.BLOCK + 1, 9 * philox.BLOCK])
def test_blocks_hold_the_words_of_their_counters(xp: Any, n: int) -> None:
    draw = 2**40 + 3
    pieces = [(at, np.array(np.asarray(w))) for at, w in philox.blocks32(xp, KEY, xp.asarray(draw), n)]
    assert [at for at, _ in pieces] == list(range(0, n, 4 * philox.BLOCK))
    words = np.concatenate([np.zeros(0, np.uint32), *[w for _, w in pieces]])
    assert words.shape == (n,)
    for k in {0, n // 2, n - 1} & set(range(n)):
        assert words[k] == philox.philox((k // 4, 0, draw & ONES, draw >> 32), KEY)[k % 4]


def test_64_bit_words_are_pairs() -> None:
    (at, pair), *_ = philox.blocks64(np, KEY, np.asarray(5), 10)
    (_, single), *_ = philox.blocks32(np, KEY, np.asarray(5), 20)
    assert at == 0
    assert [int(w) for w in pair] == [
        int(a) | int(b) << 32 for a, b in zip(single[::2], single[1::2], strict=True)
    ]


# --- bits -----------------------------------------------------------------------------------------


def _recipe(name: str, dtype: str, low: int = 0, high: int = 1) -> list[Any]:
    """The documented meaning of the first six elements, in Python ints."""
    words = [w for block in range(3) for w in philox.philox((block, 0, 3, 0), KEY)]
    wide = [a | b << 32 for a, b in zip(words[::2], words[1::2], strict=True)]
    if name == "random_int":
        return [low + (w * (high - low) >> 64) for w in wide[:6]]
    if dtype == "float64":
        return [(w >> 11) * 2.0**-53 for w in wide[:6]]
    bits = {"float32": 24, "float16": 11, "bfloat16": 8}[dtype]
    return [(w >> 32 - bits) * 2.0**-bits for w in words[:6]]


@pytest.mark.parametrize("xp", [np, array_api_strict])
@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        ("random_uniform", {"dtype": "float32"}),
        ("random_uniform", {"dtype": "float64"}),
        ("random_int", {"dtype": "int64", "low": -5, "high": 1000}),
        ("random_int", {"dtype": "int8", "low": -128, "high": 128}),
        ("random_int", {"dtype": "uint64", "low": 0, "high": 2**64}),
        ("random_int", {"dtype": "int64", "low": -(2**63), "high": 2**40 + 12345}),
    ],
)
def test_bits_follow_the_documented_recipe_on_every_array_module(xp: Any, name: str, attrs: Any) -> None:
    assert np.asarray(_kernel(name, 6, xp=xp, **attrs)).tolist() == _recipe(name, **attrs)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_never_round_up_to_one(dtype: str) -> None:
    got = np.asarray(_kernel("random_uniform", 200_000, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype))
    assert got[:6].astype(float).tolist() == _recipe("random_uniform", dtype)
    assert float(got.max()) < 1


def test_golden_bits_of_the_default_seed() -> None:
    """The same for ever: a change here changes every user's results."""
    with Graph().as_default():
        tensors = [
            F.random_uniform((4,)),
            F.random_uniform((2,), dtype="float64"),
            F.random_int((5,), 0, 1000),
            F.permutation(8),
            F.random_uniform((3,), seed=42),
            F.bernoulli(0.5, (8,), "int32"),
        ]
        with gf.Session() as session:
            first = session.run(tensors)
            second = session.run(tensors)
    assert [v.tolist() for v in first] == GOLDEN_FIRST
    assert [v.tolist() for v in second] == GOLDEN_SECOND


@pytest.mark.parametrize("span", [1, 3, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 + 9, 2**64 - 1, 2**64])
def test_the_high_product_is_exact(span: int) -> None:
    words = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 0x123456789ABCDEF0]
    low = np.array([w & ONES for w in words], np.uint64)
    high = np.array([w >> 32 for w in words], np.uint64)
    with np.errstate(over="ignore"):
        got = _high_product(np, low, high, span)
    assert [int(v) for v in got] == [w * span >> 64 for w in words]


@pytest.mark.parametrize("name", ["random_uniform", "random_normal", "truncated_normal", "random_int"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_elements_do_not_depend_on_how_many_follow(name: str, dtype: str) -> None:
    attrs = {"low": 0, "high": 10} if name == "random_int" else {}
    dtype = "int64" if name == "random_int" else dtype
    many = _kernel(name, 150_001, dtype, **attrs)
    assert _kernel(name, 77, dtype, **attrs).tobytes() == many[:77].tobytes()
    assert _kernel(name, (7, 11), dtype, **attrs).shape == (7, 11)


@pytest.mark.parametrize("name", ["random_normal", "truncated_normal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_derived_draws_agree_between_array_modules(name: str, dtype: str) -> None:
    a = _kernel(name, 1001, dtype)
    b = np.asarray(_kernel(name, 1001, dtype, xp=array_api_strict))
    assert np.max(np.abs(a - b) / np.spacing(np.abs(a))) <= 4


# --- distributions --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("random_uniform", stats.uniform()),
        ("random_normal", stats.norm()),
        ("truncated_normal", stats.truncnorm(-2, 2)),
    ],
)
def test_floats_have_their_distribution(name: str, dtype: str, distribution: Any) -> None:
    for draw in range(3):
        values = _kernel(name, 100_000, dtype, draw=draw).astype(np.float64)
        assert stats.kstest(values, distribution.cdf).pvalue > 1e-4
        assert abs(values.mean() - distribution.mean()) < 5 * distribution.std() / 100_000**0.5
        assert abs(values.std() / distribution.std() - 1) < 0.01
        for lag in (1, 2, 4):
            assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 5 / 100_000**0.5


def test_normal_tails_are_reached() -> None:
    values = np.concatenate([_kernel("random_normal", 1 << 20, draw=k) for k in range(4)])
    expected = 2 * stats.norm.sf(4.5) * values.size
    assert abs(np.sum(np.abs(values) > 4.5) - expected) < 5 * expected**0.5


def test_the_quantile_function_is_the_inverse_of_the_normal_distribution() -> None:
    q = np.linspace(-0.4773, 0.4773, 20_001)
    np.testing.assert_allclose(_quantiles(np, q, LONG), stats.norm.ppf(0.5 + q), atol=4e-15)
    short = q.astype(np.float32)
    exact = stats.norm.ppf(0.5 + short.astype(np.float64))
    np.testing.assert_allclose(_quantiles(np, short, SHORT), exact, atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0, 2), (-3, 4), (0, 10), (0, 256)])
def test_integers_are_uniform(low: int, high: int) -> None:
    values = _kernel("random_int", 100_000, "int64", low=low, high=high)
    assert stats.chisquare(np.bincount(values - low, minlength=high - low)).pvalue > 1e-4


def test_bits_are_balanced_and_independent() -> None:
    values = _kernel("random_int", 50_000, "uint64", low=0, high=2**64)
    bits = np.unpackbits(values.view(np.uint8)).reshape(-1, 64).astype(float)
    assert np.max(np.abs(bits.mean(0) - 0.5)) < 5 * 0.5 / 50_000**0.5
    correlation = np.corrcoef(bits.T) - np.eye(64)
    assert np.max(np.abs(correlation)) < 6 / 50_000**0.5


@pytest.mark.parametrize("neighbours", [((1, 5), (1, 6)), ((1, 5), (2, 5)), ((0, 0), (0, 1))])
def test_adjacent_keys_and_draws_are_independent(neighbours: Any) -> None:
    n = 100_000
    a = _kernel("random_uniform", n, key=neighbours[0])
    b = _kernel("random_uniform", n, key=neighbours[1])
    c = _kernel("random_uniform", n, key=neighbours[0], draw=4)
    for other in (b, c):
        assert abs(np.corrcoef(a, other)[0, 1]) < 5 / n**0.5
        counts = np.histogram2d(a, other, bins=8)[0].reshape(-1)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_coin_flips_exponentials_and_classes() -> None:
    logits = np.log(np.array([0.1, 0.0, 0.6, 0.3], np.float32) + 1e-38)
    flips, waits, classes, each = _fresh(
        lambda: (
            gf.stack_values
            if False
            else (
                F.bernoulli(0.3, (100_000,)),
                F.random_exponential((100_000,), 2.0),
                F.categorical(gf.constant(logits), 100_000),
                F.categorical(gf.constant(np.tile(logits, (50_000, 1)))),
            )
        )
    )[0]
    assert stats.binomtest(int(flips.sum()), 100_000, 0.3).pvalue > 1e-4
    assert stats.kstest(waits, stats.expon(scale=2.0).cdf).pvalue > 1e-4
    for drawn in (classes, each):
        counts = np.bincount(drawn, minlength=4)
        assert counts[1] == 0
        assert stats.chisquare(counts[[0, 2, 3]], drawn.size * np.array([0.1, 0.6, 0.3])).pvalue > 1e-4


def test_searching_and_comparing_give_the_same_classes() -> None:
    """A row with few comparisons is compared, one with many is searched."""
    logits = np.random.default_rng(0).standard_normal((1, 50))
    kernel = OPS["categorical"].kernel
    assert kernel is not None
    few = kernel(np, np.asarray(1), logits, key=KEY, num_samples=80, dtype=np.dtype("int64"))
    many = kernel(np, np.asarray(1), logits, key=KEY, num_samples=8000, dtype=np.dtype("int64"))
    assert few.tolist() == many[:, :80].tolist()
    xp = array_api_strict
    other = kernel(xp, xp.asarray(1), xp.asarray(logits), key=KEY, num_samples=80, dtype=np.dtype("int64"))
    assert np.asarray(other).tolist() == few.tolist()


def test_permutations_are_uniform() -> None:
    kernel = OPS["permutation"].kernel
    assert kernel is not None
    drawn = [tuple(kernel(np, np.asarray(k), key=KEY, n=4, axis=0)) for k in range(6000)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert counts.size == 24
    assert stats.chisquare(counts).pvalue > 1e-4
    xp = array_api_strict
    other = kernel(xp, xp.asarray(1), key=KEY, n=1000, axis=0)
    assert np.asarray(other).tolist() == kernel(np, np.asarray(1), key=KEY, n=1000, axis=0).tolist()


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


# --- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [100, 3000, 70_000, 300_000])
@pytest.mark.parametrize(
    ("name", "dtype", "attrs"),
    [
        ("random_uniform", "float32", {}),
        ("random_uniform", "float64", {}),
        ("random_normal", "float32", {}),
        ("random_normal", "float64", {}),
        ("truncated_normal", "float32", {}),
        ("truncated_normal", "float64", {}),
        ("random_int", "int64", {"low": 0, "high": 10}),
        ("random_int", "int32", {"low": -(2**31), "high": 2**31}),
    ],
)
def test_memory_stays_below_what_is_stated(name: str, dtype: str, attrs: Any, n: int) -> None:
    op = OPS[name]
    assert op.workspace is not None
    out = np.empty(n, dtype)
    allowed = op.workspace(
        (TensorType(np.dtype("int64"), ()),),
        (TensorType(np.dtype(dtype), (n,)),),
        key=KEY,
        shape=(n,),
        dtype=np.dtype(dtype),
        **attrs,
    )
    _kernel(name, n, dtype, out=out, **attrs)
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    _kernel(name, n, dtype, out=out, **attrs)
    peak = tracemalloc.get_traced_memory()[1] - start
    tracemalloc.stop()
    assert peak <= allowed + 8192
