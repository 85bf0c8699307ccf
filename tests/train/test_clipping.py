"""Clipping: values against NumPy's, what passes unchanged, gradients at zero, special values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphflow as gf
from graphflow import train
from graphflow.errors import ArgumentError, DTypeError, GraphflowError

X = np.array([[3.0, -4.0, 0.5], [0.0, 12.0, -5.0]])


def test_clip_by_value():
    np.testing.assert_array_equal(
        train.clip_by_value(gf.constant(X), -4.5, 1.0).eval(), np.clip(X, -4.5, 1.0)
    )


@pytest.mark.parametrize("axes", [None, 0, 1, -1, (0, 1), [0, 1]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_by_norm(axes, dtype):
    x = X.astype(dtype)
    norm = np.sqrt(
        np.sum(x * x, axis=tuple(axes) if isinstance(axes, list) else axes, keepdims=axes is not None)
    )
    want = x * 6.0 / np.maximum(norm, 6.0)
    got = train.clip_by_norm(gf.constant(x), 6.0, axes).eval()
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_what_is_short_enough_keeps_every_bit():
    x = (np.random.default_rng(0).normal(size=100) / 30).astype("float32")
    np.testing.assert_array_equal(train.clip_by_norm(gf.constant(x), 1.0).eval(), x)
    clipped, _ = train.clip_by_global_norm([gf.constant(x)], 1.0)
    np.testing.assert_array_equal(clipped[0].eval(), x)


def test_clip_by_average_norm():
    norm = np.sqrt(np.sum(X * X)) / X.size
    got = train.clip_by_average_norm(gf.constant(X), 1.5).eval()
    np.testing.assert_allclose(got, X * 1.5 / max(norm, 1.5), rtol=1e-12)


def test_global_norm_and_clipping_to_it():
    y = np.array([1.0, 2.0], np.float32)
    want = math.sqrt(np.sum(X * X) + np.sum(y * y))
    clipped, norm = train.clip_by_global_norm([gf.constant(X), None, gf.constant(y)], 2.0)
    assert clipped[1] is None
    assert norm.dtype == "float64"
    assert clipped[2].dtype == "float32"
    assert norm.eval() == pytest.approx(want)
    np.testing.assert_allclose(clipped[0].eval(), X * 2.0 / want)
    np.testing.assert_allclose(clipped[2].eval(), y * 2.0 / want, rtol=1e-6)
    assert train.global_norm(clipped).eval() == pytest.approx(2.0)


def test_a_norm_that_is_known_is_used():
    clipped, norm = train.clip_by_global_norm([gf.constant([1.0, 1.0])], 1.0, use_norm=gf.constant(4.0))
    assert norm.eval() == 4.0
    np.testing.assert_array_equal(clipped[0].eval(), [0.25, 0.25])


def test_a_limit_that_is_a_tensor():
    limit = gf.placeholder("float32", ())
    clipped = train.clip_by_norm(gf.constant([3.0, 4.0]), limit)
    with gf.Session() as session:
        np.testing.assert_allclose(session.run(clipped, {limit: 1.0}), [0.6, 0.8], rtol=1e-6)


def test_nothing_at_all():
    assert train.global_norm([]).eval() == 0.0
    assert train.global_norm([None]).eval() == 0.0
    clipped, norm = train.clip_by_global_norm([None, None], 1.0)
    assert clipped == [None, None]
    assert norm.eval() == 0.0
    assert train.clip_by_norm(gf.zeros((0, 3)), 1.0).eval().shape == (0, 3)
    assert train.clip_by_average_norm(gf.zeros((0, 3)), 1.0).eval().shape == (0, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_is_seen_in_every_result(value):
    clipped, norm = train.clip_by_global_norm([gf.constant([1.0, value]), gf.constant([2.0])], 1.0)
    assert not np.isfinite(norm.eval())
    assert np.isnan(clipped[0].eval()).all()
    assert np.isnan(clipped[1].eval()).all()


def test_gradients_at_zero_and_beyond():
    x = gf.placeholder("float64", (3,))
    (g,) = gf.gradients(gf.sum(train.clip_by_norm(x, 1.0) * np.array([1.0, 2.0, 3.0])), x)
    with gf.Session() as session:
        np.testing.assert_array_equal(session.run(g, {x: np.zeros(3)}), [1.0, 2.0, 3.0])
        at = np.array([1.0, 2.0, 2.0])
        n = 3.0
        jacobian = np.eye(3) / n - np.outer(at, at) / n**3
        np.testing.assert_allclose(session.run(g, {x: at}), jacobian @ [1.0, 2.0, 3.0], atol=1e-12)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf, "1", None, True])
def test_a_bad_limit(limit):
    x = gf.constant([1.0])
    for build in (
        lambda: train.clip_by_norm(x, limit),
        lambda: train.clip_by_average_norm(x, limit),
        lambda: train.clip_by_global_norm([x], limit),
    ):
        with pytest.raises(ArgumentError, match="clip_norm"):
            build()


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: train.clip_by_norm(gf.constant([1]), 1.0), DTypeError),
        (lambda: train.clip_by_norm(gf.constant([1j]), 1.0), DTypeError),
        (lambda: train.clip_by_norm("x", 1.0), DTypeError),
        (lambda: train.clip_by_norm(gf.constant([1.0]), 1.0, axes=3), ArgumentError),
        (lambda: train.global_norm(gf.constant([1.0])), ArgumentError),
        (lambda: train.global_norm(3), ArgumentError),
        (lambda: train.global_norm([gf.constant([1])]), DTypeError),
        (lambda: train.clip_by_global_norm([gf.constant(True)], 1.0), DTypeError),
    ],
)
def test_bad_input(build, error):
    with pytest.raises(error) as raised:
        build()
    assert isinstance(raised.value, GraphflowError)


def test_clipping_between_the_halves_of_minimize():
    w = gf.Variable([3.0, 4.0], name="w")
    unused = gf.Variable(1.0, name="unused")
    optimizer = train.GradientDescentOptimizer(1.0)
    pairs = optimizer.compute_gradients(gf.sum(gf.square(w)) / 2)
    clipped, norm = train.clip_by_global_norm([g for g, _ in pairs], 1.0)
    update = optimizer.apply_gradients(zip(clipped, [w, unused], strict=True))
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        assert session.run([norm, update])[0] == 5.0
        np.testing.assert_allclose(session.run(w), [2.4, 3.2], rtol=1e-6)
