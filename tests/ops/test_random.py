"""Random draws: known answers, golden bits, distributions, memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest
from scipy import stats

import graphflow as gf
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


GOLDEN_FIRST: list[Any] = [
    [0.9061991572380066, 0.9301308989524841, 0.04412013292312622, 0.500502347946167],
    [0.1571233112992051, 0.15310188935277547],
    [117, 853, 56, 503, 804],
    [3, 0, 5, 6, 4, 7, 2, 1],
    [0.7293125987052917, 0.011596620082855225, 0.8959699869155884],
    [0, 1, 0, 0, 1, 1, 1, 0],
]
GOLDEN_SECOND: list[Any] = [
    [0.528697669506073, 0.13648509979248047, 0.08251756429672241, 0.9697033166885376],
    [0.5848540693130656, 0.4848955569380178],
    [93, 901, 474, 901, 202],
    [2, 0, 1, 4, 6, 7, 5, 3],
    [0.40942496061325073, 0.9725112318992615, 0.14629989862442017],
    [1, 0, 0, 0, 0, 1, 0, 1],
]


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
