"""Formulas spelled out: found in every spelling, stable where the naive form is not, equal where that is fine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import graphflow as gf
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.stabilize import stabilize_fast
from graphflow.subgraph import cut
from tests.passes.patterns import Rewritten, bound, lines, rewritten, values

Build = Callable[[gf.Tensor], gf.Tensor]


def _stable(build: Callable[..., Any], *shapes: tuple[Any, ...], dtype: str = "float32") -> Rewritten:
    """Before bind, with the placeholders of these shapes."""
    xs = [gf.placeholder(dtype, shape, name=f"x{k}") for k, shape in enumerate(shapes)]
    made = build(*xs)
    return rewritten(stabilize_fast, merge_equal(cut(made if isinstance(made, list) else [made], xs)))


def _softmax(x: gf.Tensor, axis: int = -1) -> gf.Tensor:
    e = gf.exp(x)
    return e / gf.sum(e, axis, keepdims=True)


def test_what_softmax_becomes() -> None:
    assert lines(_stable(_softmax, (None, 10)).after) == [
        "%0 = max(<x0:0>, axis=(1,), keepdims=True) : float32[?, 1]",
        "%1 = isfinite(%0) : bool[?, 1]",
        "%2 = constant(value=0.) : float32[]",
        "%3 = where(%1, %0, %2) : float32[?, 1]",
        "%4 = subtract(<x0:0>, %3) : float32[?, 10]",
        "%5 = exp(%4) : float32[?, 10]",
        "%6 = sum(%5, axis=(1,), keepdims=True, dtype=dtype('float32')) : float32[?, 1]",
        "%7 = divide(%5, %6) : float32[?, 10]",
        "return %7",
    ]


# --- each formula in its spellings ----------------------------------------------------------------

_TANH = math.sqrt(2 / math.pi)


def _log_sum(x: gf.Tensor) -> gf.Tensor:
    return gf.log(gf.sum(gf.exp(x), -1, keepdims=True))


def _cube(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x * special.expit(2 * _TANH * (x + 0.044715 * x**3))


SPELLINGS: list[tuple[str, Build, Callable[[Any], Any], Any]] = [
    # rule, as the user writes it, what it means, where what is written is not what is meant
    ("shift", _softmax, lambda x: special.softmax(x, -1), 300.0),
    ("shift", _softmax, lambda x: special.softmax(x, -1), -300.0),
    (
        "shift",
        lambda x: gf.exp(x) * gf.reciprocal(gf.sum(gf.exp(x), 1, True)),
        lambda x: special.softmax(x, 1),
        300.0,
    ),
    ("shift", lambda x: gf.exp(x) / gf.sum(gf.exp(x)), special.softmax, 300.0),
    ("shift", lambda x: gf.exp(x) / gf.sum(gf.exp(x), 0), lambda x: special.softmax(x, 0), 300.0),
    (
        "shift",
        lambda x: _softmax(x) @ np.eye(6, 2, dtype="f4"),
        lambda x: special.softmax(x, -1)[..., :2],
        300.0,
    ),
    ("shift_log", _log_sum, lambda x: special.logsumexp(x, -1, keepdims=True), 300.0),
    ("shift_log", lambda x: gf.log(gf.sum(gf.exp(x), 0)), lambda x: special.logsumexp(x, 0), -300.0),
    ("shift_log", lambda x: gf.log(gf.sum(gf.exp(x))), special.logsumexp, 300.0),
    (
        "shift_log",
        lambda x: gf.log(gf.mean(gf.exp(x), 1)),
        lambda x: special.logsumexp(x, 1) - np.log(6),
        300.0,
    ),
    ("log_of_softmax", lambda x: gf.log(_softmax(x)), lambda x: special.log_softmax(x, -1), 300.0),
    (
        "log_of_softmax",
        lambda x: gf.log(gf.nn.softmax(x)),
        lambda x: special.log_softmax(x, -1),
        np.arange(6) * 60.0,
    ),
    ("log_softmax", lambda x: x - _log_sum(x), lambda x: special.log_softmax(x, -1), 300.0),
    (
        "log_softmax",
        lambda x: x - gf.expand_dims(gf.log(gf.sum(gf.exp(x), axis=-1)), -1),
        lambda x: special.log_softmax(x, -1),
        300.0,
    ),
    (
        "log_softmax",
        lambda x: x - (gf.max(x, 1, True) + _log_sum(x - gf.max(x, 1, True))),
        lambda x: special.log_softmax(x, -1),
        1e7,
    ),
    ("softplus", lambda x: gf.log(1 + gf.exp(x)), lambda x: np.logaddexp(x, 0), 300.0),
    ("softplus", lambda x: gf.log(gf.exp(-x) + 1), lambda x: np.logaddexp(-x, 0), -300.0),
    ("softplus", lambda x: gf.log1p(gf.exp(x)), lambda x: np.logaddexp(x, 0), 300.0),
    ("sigmoid", lambda x: gf.exp(x) / (1 + gf.exp(x)), special.expit, 300.0),
    ("log_of_sigmoid", lambda x: gf.log(gf.sigmoid(x)), special.log_expit, -300.0),
    ("log_of_sigmoid", lambda x: gf.log(1 - gf.sigmoid(x)), lambda x: special.log_expit(-x), 300.0),
    ("log_of_sigmoid", lambda x: gf.log1p(-gf.sigmoid(x)), lambda x: special.log_expit(-x), 300.0),
    ("log_of_sigmoid", lambda x: gf.log(1 / (1 + gf.exp(-x))), special.log_expit, -300.0),
    ("gelu", lambda x: 0.5 * x * (1 + gf.erf(x / math.sqrt(2))), lambda x: x * special.ndtr(x), -9.0),
    ("gelu", lambda x: x * (0.5 + 0.5 * gf.erf(x * math.sqrt(0.5))), lambda x: x * special.ndtr(x), -9.0),
    ("gelu", lambda x: 0.5 * x * (1 + gf.tanh(_TANH * (x + 0.044715 * x**3))), _cube, -6.0),
    ("gelu", lambda x: (gf.tanh(_TANH * x * (1 + 0.044715 * x * x)) + 1) * (x * 0.5), _cube, -6.0),
    (
        "mean_of_squares_less_squared_mean",
        lambda x: gf.mean(x * x, -1) - gf.mean(x, -1) ** 2,
        lambda x: np.var(x, -1),
        1e5,
    ),
    (
        "mean_of_squares_less_squared_mean",
        lambda x: (
            (x - gf.mean(x, 1, True))
            / gf.sqrt(gf.mean(gf.square(x), 1, True) - gf.square(gf.mean(x, 1, True)) + 1e-5)
        ),
        lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
        1e4,
    ),
]


@pytest.mark.parametrize("row", range(len(SPELLINGS)), ids=lambda k: f"{k}-{SPELLINGS[k][0]}")
def test_a_formula_spelled_out(row: int) -> None:
    rule, build, meant, extreme = SPELLINGS[row]
    assert rule in _stable(build, (4, 6)).rules
    folds_batch = row in (3, 4, 7, 8)  # an axis that might be empty: these wait for bind
    assert (rule in _stable(build, (None, 6)).rules) != folds_batch
    result = _stable(build, (4, 6))
    usual = np.random.default_rng(0).uniform(-3, 3, (4, 6)).astype("f4")
    exact = meant(usual.astype("f8"))
    for subgraph in (result.before, result.after):
        np.testing.assert_allclose(values(subgraph, [usual])[0], exact, rtol=2e-5, atol=1e-6)
    with np.errstate(all="ignore"):
        far = (usual + np.float32(extreme)).astype("f4")
        exact = meant(far.astype("f8"))
    naive, stable = (values(subgraph, [far])[0] for subgraph in (result.before, result.after))
    np.testing.assert_allclose(stable, exact, rtol=1e-4, atol=2e-3 if "mean" in rule else 0)
    assert not np.allclose(naive, exact, rtol=2e-2, atol=0)


def test_infinities_and_nan_give_what_the_naive_form_gives() -> None:
    inf, nan = math.inf, math.nan
    x = np.array([[0, -inf, 1], [-inf, -inf, -inf], [inf, 0, 1], [nan, 0, 1]], "f4")
    for build in (_softmax, _log_sum, lambda x: x - _log_sum(x), lambda x: gf.log(1 + gf.exp(x))):
        result = _stable(build, (4, 3))
        naive, stable = (values(s, [x])[0] for s in (result.before, result.after))
        assert result.fired
        np.testing.assert_allclose(stable, naive, rtol=1e-5)


NOT_FOUND: list[Callable[..., Any]] = [
    lambda x: gf.exp(x) / gf.sum(gf.exp(x), axis=-1),  # divides each column by the sum of a row
    lambda x: gf.exp(x) / (gf.sum(gf.exp(x), 1, True) + 1e-6),
    lambda x: [_softmax(x), gf.exp(x)],  # the exponential itself is wanted
    lambda x: [_softmax(x), gf.sum(gf.exp(x), 1)],
    lambda x: gf.exp(x) / gf.sum(gf.exp(x * 2.0), 1, True),
    lambda x: gf.exp(x) * [1.0, 0, 0, 0, 0, 0] / gf.sum(gf.exp(x) * [1.0, 0, 0, 0, 0, 0], 1, True),  # a mask
    lambda x: gf.exp(x) / gf.square(gf.sum(gf.exp(x), 1, True)),
    lambda x: gf.nn.softmax(x),
    lambda x: gf.nn.log_softmax(x),
    lambda x: gf.logsumexp(x, 1),
    lambda x: gf.log(gf.nn.softmax(x) + 1e-9),
    lambda x: gf.exp(x - gf.mean(x, 1, True)) / (1 + gf.sum(gf.exp(x - gf.mean(x, 1, True)), 1, True)),
    lambda x: gf.log(2 + gf.exp(x)),
    lambda x: [gf.log(1 + gf.exp(x)), gf.exp(x)],
    lambda x: [1 / (1 + gf.exp(x)), 1 + gf.exp(x)],
    lambda x: gf.log1p(gf.exp(-gf.abs(x))),
    lambda x: gf.nn.sigmoid_cross_entropy_with_logits(labels=x * 0.0, logits=x),
    lambda x: [*gf.gradients(gf.nn.sigmoid_cross_entropy_with_logits(labels=x * 0.0, logits=x), x)],
    lambda x: gf.log(2 - gf.sigmoid(x)),
    lambda x: x * gf.sigmoid(x),  # fine but at -inf
    lambda x: 0.5 * x * (1 + gf.erf(x / 1.4)),
    lambda x: x * (1 + gf.erf(x / math.sqrt(2))),
    lambda x: 0.5 * x * (1 + gf.erf(gf.square(x) / math.sqrt(2))),
    lambda x: 0.5 * x * (1 + gf.tanh(_TANH * (x + 0.0447 * x**3))),
    lambda x: 0.5 * x * (1 + gf.tanh(_TANH * (x + 0.044715 * x**2))),
    lambda x: gf.nn.gelu(x),
    lambda x: gf.mean(x * x, 1) - gf.mean(x, 0)[0] ** 2,
    lambda x: gf.mean(x * x, 1) - gf.mean(x + 1, 1) ** 2,
    lambda x: gf.sum(x * x, 1) / 5.0 - gf.mean(x, 1) ** 2,
    lambda x: [gf.mean(x * x, 1) - gf.mean(x, 1) ** 2, gf.mean(x * x, 1)],
]


@pytest.mark.parametrize("row", range(len(NOT_FOUND)))
def test_what_only_looks_alike_is_left(row: int) -> None:
    assert _stable(NOT_FOUND[row], (6, 6)).rules == []


def test_fed_values_are_not_looked_behind() -> None:
    x = gf.placeholder("float32", (2, 3))
    e = gf.exp(x)
    total = gf.sum(e, 1, keepdims=True)
    for fed in (e, total):
        assert not rewritten(stabilize_fast, cut([e / total], [x, fed])).fired


def test_control_edges_keep_a_formula() -> None:
    x = gf.placeholder("float32", (2, 3))
    done = gf.no_op()
    with gf.control_dependencies([done]):
        e = gf.exp(x)
    assert not rewritten(stabilize_fast, cut([e / gf.sum(e, 1, True)], [x])).fired
    e = gf.exp(x)
    with gf.control_dependencies([e]):
        other = gf.identity(x)
    assert not rewritten(stabilize_fast, cut([e / gf.sum(e, 1, True), other], [x])).fired


# --- training -------------------------------------------------------------------------------------

TRAINED: list[tuple[Callable[..., Any], Callable[..., Any], list[str]]] = [
    # the loss as the user writes it, the stable one, and the rules that make the gradient stable
    (
        lambda z, x: -gf.sum(z * gf.log(_softmax(x)), 1),
        lambda z, x: gf.nn.softmax_cross_entropy_with_logits(labels=z, logits=x),
        ["shift", "log_of_softmax", "gradient_of_log_softmax"],
    ),
    (
        lambda z, x: -gf.sum(z * gf.log(gf.exp(x) / gf.sum(gf.exp(x), 1, True)), 1),
        lambda z, x: gf.nn.softmax_cross_entropy_with_logits(labels=z, logits=x),
        ["shift", "log_of_softmax", "gradient_of_log_softmax"],
    ),
    (
        lambda z, x: -gf.sum(z * gf.log(gf.nn.softmax(x)), 1),
        lambda z, x: gf.nn.softmax_cross_entropy_with_logits(labels=z, logits=x),
        ["log_of_softmax", "gradient_of_log_softmax"],
    ),
    (
        lambda z, x: _log_sum(x) - gf.sum(z * x, 1, True),
        lambda z, x: gf.logsumexp(x, 1, True) - gf.sum(z * x, 1, True),
        ["shift", "shift_log"],
    ),
    (lambda z, x: gf.sum(z * _softmax(x), 1), lambda z, x: gf.sum(z * gf.nn.softmax(x), 1), ["shift"]),
    (
        lambda z, x: -(z * gf.log(gf.sigmoid(x)) + (1 - z) * gf.log(1 - gf.sigmoid(x))),
        lambda z, x: gf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x),
        ["sigmoid_cross_entropy", "gradient_of_log_sigmoid"],
    ),
    (
        lambda z, x: -z * gf.log(1 / (1 + gf.exp(-x))) - (1 - z) * gf.log1p(-(1 / (1 + gf.exp(-x)))),
        lambda z, x: gf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x),
        ["sigmoid", "sigmoid_cross_entropy", "gradient_of_log_sigmoid"],
    ),
    (
        lambda z, x: -gf.log(gf.sigmoid(x)),
        lambda z, x: gf.nn.softplus(-x),
        ["log_of_sigmoid", "gradient_of_log_sigmoid"],
    ),
    (lambda z, x: z * gf.log(1 + gf.exp(x)), lambda z, x: z * gf.nn.softplus(x), ["softplus", "sigmoid"]),
    (lambda z, x: z * gf.log1p(gf.exp(x)), lambda z, x: z * gf.nn.softplus(x), ["softplus", "sigmoid"]),
    (lambda z, x: z / (1 + gf.exp(-x)), lambda z, x: z * gf.sigmoid(x), ["sigmoid"]),
]


@pytest.mark.parametrize("row", range(len(TRAINED)))
def test_gradients_are_those_of_the_stable_formula(row: int) -> None:
    naive, stable, rules = TRAINED[row]
    rng = np.random.default_rng(1)
    z = np.eye(6, dtype="f4")[rng.integers(0, 6, 5)]

    def fetches(
        function: Callable[..., Any], dtype: str, size: Any = 5
    ) -> tuple[list[gf.Tensor], list[gf.Tensor]]:
        labels, x = gf.placeholder(dtype, (size, 6)), gf.placeholder(dtype, (size, 6))
        loss = gf.mean(function(labels, x))
        return [loss, *gf.gradients(loss, x)], [labels, x]

    made, feeds = fetches(naive, "float32", None)
    symbolic = rewritten(stabilize_fast, merge_equal(cut(made, feeds)))
    result = rewritten(stabilize_fast, bound(made, dict.fromkeys(feeds, z)))
    assert symbolic.fired or row == 10
    assert list(dict.fromkeys(result.rules)) == rules
    exact, exact_feeds = fetches(stable, "float64")
    for scale in (1.0, 200.0):
        x = (rng.uniform(-1, 1, (5, 6)) * scale).astype("f4")
        wanted = values(cut(exact, exact_feeds), [z, x])
        for value, right in zip(values(result.after, [z, x]), wanted, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(values(symbolic.after, [z, x])[0], wanted[0], rtol=1e-4, atol=1e-7)
    assert not all(np.isfinite(v).all() for v in values(result.before, [z, x]))


def test_a_batch_of_unknown_size_waits_for_bind() -> None:
    x = gf.placeholder("float32", [None])
    before = cut([_softmax(x, 0)], [x])
    assert not rewritten(stabilize_fast, before).fired  # of no elements the sum is 0, but there is no maximum
    assert rewritten(stabilize_fast, bound([_softmax(x, 0)], {x: np.ones(3)})).fired
    assert not rewritten(stabilize_fast, bound([_softmax(x, 0)], {x: np.ones(0)})).fired


def test_attention_spelled_out_is_stable_with_its_gradients() -> None:
    rng = np.random.default_rng(2)
    feeds = {
        gf.placeholder("float32", s): (rng.standard_normal(s) * 40).astype("f4")
        for s in [(2, 5, 8), (2, 6, 8), (2, 6, 3)]
    }
    q, k, v = feeds
    e = gf.exp(gf.matmul(q, k, transpose_b=True) * 0.3)
    exact = gf.nn.scaled_dot_product_attention(*[gf.cast(t, "float64") for t in feeds], scale=0.3)
    for spelled in (e / gf.sum(e, -1, True) @ v, e @ v / gf.sum(e, -1, True)):
        result = rewritten(stabilize_fast, bound([spelled, *gf.gradients(spelled, [q, k, v])], feeds))
        assert result.rules == ["shift"]
        wanted = values(bound([exact, *gf.gradients(exact, [q, k, v])], feeds), feeds)
        assert not np.isfinite(values(result.before, feeds)[0]).all()
        for value, right in zip(values(result.after, feeds), wanted, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-3, atol=1e-3)


# --- factors that cancel ----------------------------------------------------------------------------

_OPS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: -a,
    lambda a, b: gf.square(a),
    lambda a, b: gf.log(gf.abs(a) if a.op.type == "subtract" else a),
    lambda a, b: gf.sum(a, 0),
    lambda a, b: gf.sum(a, -1, keepdims=True),
    lambda a, b: gf.sum(a, (0, 1), keepdims=True),
    lambda a, b: gf.expand_dims(a, 0),
    lambda a, b: gf.expand_dims(a, -1),
    lambda a, b: gf.squeeze(a, 0),
    lambda a, b: gf.transpose(a),
    lambda a, b: gf.reshape(a, (3, 1)),
    lambda a, b: gf.broadcast_to(a, (3, 3)),
    lambda a, b: a @ b,
    lambda a, b: gf.reciprocal(a),
    lambda a, b: a * 0.5,
]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12),
    st.sampled_from([(0, False), (0, True), (1, True), (1, False), ((0, 1), True), ((0, 1), False)]),
    st.integers(0, 99),
)
def test_a_factor_is_taken_out_only_where_it_cancels(steps: Any, fold: Any, seed: int) -> None:
    """Square shapes, so that what lies along the wrong axis fits all the same."""
    with gf.Graph().as_default():
        x, u = gf.placeholder("float64", (3, 3)), gf.placeholder("float64", (3, 3))
        e = gf.exp(x)
        made = [u, e, gf.sum(e, fold[0], fold[1])]
        made.append(e / made[2])
        for number, i, j in steps:
            a, b = made[-1 - i % len(made)], made[-1 - j % len(made)]
            try:
                made.append(_OPS[number % len(_OPS)](a, b))
            except gf.errors.GraphflowError:
                continue
        result = rewritten(stabilize_fast, cut([made[-1], made[-2]], [x, u]))
        feeds = np.random.default_rng(seed).uniform(0.5, 2, (2, 3, 3))
        for naive, stable in zip(*(values(s, feeds) for s in (result.before, result.after)), strict=True):
            fine = np.abs(naive) < 1e5  # neither NaN nor what is left where nearly all cancels
            np.testing.assert_allclose(stable[fine], naive[fine], rtol=1e-5, atol=1e-7)


def test_what_only_prints_a_value_has_no_factor() -> None:
    x = gf.placeholder("float64", [2, 3])
    total = gf.sum(gf.exp(x), axis=0)
    value, _ = gf.Session(optimize="fast").run([total, gf.print(total)], {x: np.ones((2, 3))})
    np.testing.assert_allclose(value, np.full(3, 2 * np.e))
