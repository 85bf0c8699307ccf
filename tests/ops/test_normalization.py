"""Normalisation: bad input, moving averages, and what the table of samples cannot say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.graph import GraphKeys
from graphflow.ops import batch_norm, dropout, moments, nn, normalization, weight_norms


def x(*shape: Any, dtype: str = "float32") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


def _averages(size: int = 3) -> tuple[gf.Variable, gf.Variable]:
    return (
        gf.Variable(np.zeros(size, np.float32), trainable=False),
        gf.Variable(np.ones(size, np.float32), trainable=False),
    )


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: normalization.rms_norm(x(3), epsilon=-1), ArgumentError, "rms_norm: epsilon must not be"),
        (lambda: normalization.rms_norm(x(3), axis=1), ArgumentError, "axis 1 is out of range"),
        (lambda: normalization.rms_norm("3"), DTypeError, "rms_norm: "),
        (
            lambda: normalization.group_norm(x(2, 6), 0),
            ArgumentError,
            "group_norm: groups must be at least 1, not 0",
        ),
        (lambda: normalization.group_norm(x(2, 6), 4), ShapeError, "4"),
        (lambda: normalization.group_norm(x(2, 6), 2.0), ArgumentError, "group_norm: groups must be an int"),
        (
            lambda: normalization.group_norm(x(2, 6), 2, axis=0),
            ArgumentError,
            "group_norm: axis 0 of .* is that of the examples",
        ),
        (lambda: normalization.group_norm(x(6), 2), ShapeError, "group_norm: x must have at least 2 axes"),
        (
            lambda: normalization.group_norm(gf.placeholder("float32"), 2),
            ShapeError,
            "group_norm: the rank of .* is not known",
        ),
        (
            lambda: normalization.group_norm(x(2, 6), 2, x(3)),
            ShapeError,
            r"group_norm: scale needs one number for each channel of .*\[2, 6\].*\[3\]",
        ),
        (
            lambda: normalization.instance_norm(x(2, 4, 6), offset=x(1, 6)),
            ShapeError,
            "instance_norm: offset needs one number for each channel",
        ),
        (lambda: normalization.instance_norm(x(2, 4, 6), axis=3), ArgumentError, "instance_norm: axis 3"),
        (
            lambda: batch_norm.fused_batch_norm(x(2, 6), x(6), x(6), data_format="nhwc"),
            ArgumentError,
            "fused_batch_norm: data_format must be one of 'NHWC'.*not 'nhwc'",
        ),
        (
            lambda: batch_norm.fused_batch_norm(x(2, 6), x(6), x(6), is_training=False),
            ArgumentError,
            "fused_batch_norm: give mean and variance",
        ),
        (
            lambda: batch_norm.fused_batch_norm(x(2, 6), x(6), x(6), x(5), x(6), is_training=False),
            ShapeError,
            "fused_batch_norm: mean needs one number for each channel",
        ),
        (
            lambda: batch_norm.fused_batch_norm(x(2, 6), x(6), x(6), x(1, 6), x(6), is_training=False),
            ShapeError,
            "fused_batch_norm: mean needs",
        ),
        (
            lambda: batch_norm.fused_batch_norm(x(2, 6), x(5), x(6)),
            ShapeError,
            "fused_batch_norm: scale needs one number",
        ),
        (lambda: batch_norm.fused_batch_norm(x(6), x(6), x(6)), ShapeError, "at least 2 axes"),
        (
            lambda: batch_norm.batch_norm(x(2, 3), x(3), x(3), training=True),
            ArgumentError,
            "batch_norm: training needs a variable as its mean",
        ),
        (
            lambda: batch_norm.batch_norm(x(2, 3), *_averages(), momentum=1.5, training=True),
            ArgumentError,
            r"batch_norm: momentum must be in \[0, 1\], got 1.5",
        ),
        (
            lambda: batch_norm.batch_norm(x(2, 3), *_averages(), training=2),
            ArgumentError,
            "batch_norm: training must be True or False",
        ),
        (
            lambda: batch_norm.batch_norm(x(2, 3), *_averages(), training=x()),
            DTypeError,
            "batch_norm: training must be a scalar bool",
        ),
        (
            lambda: batch_norm.batch_norm(x(2, 3), *_averages(), training=True, updates_collections=3),
            ArgumentError,
            "batch_norm: updates_collections is a name",
        ),
        (
            lambda: batch_norm.batch_norm(x(2, 4), *_averages(), training=True),
            ShapeError,
            r"batch_norm: mean needs one number for each channel of .*\[2, 4\].*Variable",
        ),
        (
            lambda: weight_norms.weight_norm(x(3, 4), x(3)),
            ShapeError,
            "weight_norm: g needs one number for each",
        ),
        (
            lambda: weight_norms.spectral_norm(x(3, 4), x(3)),
            ShapeError,
            "spectral_norm: u must be a vector of the size of axis -1",
        ),
        (
            lambda: weight_norms.spectral_norm(x(3, 4), x(4), 0),
            ArgumentError,
            "spectral_norm: num_iterations must be from 1",
        ),
        (lambda: weight_norms.spectral_norm(x(4), x(4)), ShapeError, "spectral_norm: x must have at least 2"),
        (
            lambda: moments.weighted_moments(x(3, 4), 2, 1.0),
            ArgumentError,
            "axis 2 is out of range",
        ),
        (
            lambda: moments.weighted_moments(x(3, 4), 0, x(3)),
            ShapeError,
            r"weighted_moments: frequency_weights float32\[3\] do not broadcast with x float32\[3, 4\]",
        ),
        (lambda: moments.sufficient_statistics(x(3, 4), 2), ArgumentError, "axis 2 is out of range"),
        (
            lambda: moments.sufficient_statistics(x(3, 4), 0, keepdims=2),
            ArgumentError,
            "sufficient_statistics: keepdims must be True or False",
        ),
        (lambda: moments.normalize_moments(1.0, "a", 1.0), DTypeError, "normalize_moments"),
        (
            lambda: dropout.spatial_dropout(x(2, 3, 4), 1.0),
            ArgumentError,
            r"spatial_dropout: rate must be in \[0, 1\), got 1.0",
        ),
        (
            lambda: dropout.spatial_dropout(x(2, 3, 4), 0.5, "HWC"),
            ArgumentError,
            "spatial_dropout: data_format must be one of",
        ),
        (
            lambda: dropout.spatial_dropout(x(4), 0.5),
            ShapeError,
            "spatial_dropout: x needs a known rank of at least 2",
        ),
        (lambda: dropout.alpha_dropout(x(4), -0.1), ArgumentError, "alpha_dropout: rate must be in"),
        (
            lambda: dropout.alpha_dropout(x(4), 0.5, noise_shape=(1, 1)),
            ShapeError,
            "alpha_dropout: noise_shape .* needs one size for each axis",
        ),
        (lambda: dropout.alpha_dropout(x(4), x(3)), ShapeError, "alpha_dropout: rate must be a scalar"),
        (
            lambda: dropout.alpha_dropout(x(4), 0.5, training="yes"),
            ArgumentError,
            "alpha_dropout: training must be True or False",
        ),
    ],
)
def test_bad_arguments(build: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build()


# --- moving averages ------------------------------------------------------------------------------

BATCH = np.array([[1.0, 2.0, 9.0], [3.0, -2.0, 9.0], [5.0, 6.0, 9.0], [7.0, 2.0, 9.0]], np.float32)


def _training(training: Any, **options: Any) -> tuple[gf.Tensor, gf.Tensor, gf.Variable, gf.Variable]:
    t = x(None, 3)
    mean, variance = _averages()
    y = batch_norm.batch_norm(t, mean, variance, training=training, momentum=0.75, **options)
    return t, y, mean, variance


def _expected_averages() -> tuple[Any, Any]:
    return 0.25 * BATCH.mean(0), 0.75 + 0.25 * BATCH.var(0, ddof=1)


def test_training_normalises_with_the_batch_and_collects_the_updates() -> None:
    t, y, mean, variance = _training(True)
    updates = gf.get_collection(GraphKeys.UPDATE_OPS)
    assert len(updates) == 2
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    value = session.run(y, {t: BATCH})
    np.testing.assert_allclose(
        value, (BATCH - BATCH.mean(0)) / np.sqrt(BATCH.var(0) + 1e-3), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(session.run(mean), 0)  # nobody asked for the updates
    session.run(updates, {t: BATCH})
    for variable, wanted in zip((mean, variance), _expected_averages(), strict=True):
        np.testing.assert_allclose(session.run(variable), wanted, rtol=1e-6)


def test_updates_run_with_the_result_where_no_collection_is_named() -> None:
    t, y, mean, variance = _training(True, updates_collections=None)
    assert gf.get_collection(GraphKeys.UPDATE_OPS) == []
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    session.run(y, {t: BATCH})
    for variable, wanted in zip((mean, variance), _expected_averages(), strict=True):
        np.testing.assert_allclose(session.run(variable), wanted, rtol=1e-6)


def test_a_tensor_decides_in_the_run() -> None:
    decision = gf.placeholder("bool", [])
    t, y, mean, variance = _training(decision, updates_collections=None)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    plain = session.run(y, {t: BATCH, decision: False})
    np.testing.assert_allclose(plain, BATCH / np.sqrt(1 + 1e-3), rtol=1e-6)
    np.testing.assert_array_equal(session.run(mean), 0)
    trained = session.run(y, {t: BATCH, decision: True})
    np.testing.assert_allclose(trained.mean(0), 0, atol=1e-6)
    for variable, wanted in zip((mean, variance), _expected_averages(), strict=True):
        np.testing.assert_allclose(session.run(variable), wanted, rtol=1e-6)


def test_gradients_of_training_flow_through_the_moments() -> None:
    t, y, _, _ = _training(True)
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    (g,) = gf.gradients(gf.sum(y * gf.constant(weights)), [t])
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    value = session.run(g, {t: BATCH})
    np.testing.assert_allclose(value.sum(0), 0, atol=1e-5)  # shifting a channel changes nothing
    np.testing.assert_allclose((value * BATCH).sum(0), 0, atol=2e-2)  # scaling it changes next to nothing


def test_channels_along_another_axis_and_sixteen_bits() -> None:
    t = x(2, 3, 4, 4, dtype="float16")
    mean, variance = _averages()
    y = batch_norm.batch_norm(t, mean, variance, gf.ones(3), gf.ones(3), training=True, axis=1)
    assert y.dtype.name == "float16"
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    at = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float16)
    value = session.run(y, {t: at}).astype(np.float32)
    np.testing.assert_allclose(value.mean((0, 2, 3)), 1, atol=1e-2)
    np.testing.assert_allclose(value.std((0, 2, 3)), 1, atol=1e-2)


def test_training_and_inference_meet_as_the_averages_settle() -> None:
    t, y, mean, variance = _training(True)
    settled = batch_norm.batch_norm(t, mean, variance)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for _ in range(60):
        session.run(gf.get_collection(GraphKeys.UPDATE_OPS), {t: BATCH})
    ours, theirs = session.run([y, settled], {t: BATCH})
    np.testing.assert_allclose(ours[:, :2], theirs[:, :2] * np.sqrt(4 / 3), rtol=1e-3, atol=1e-6)


def test_spectral_norm_comes_closer_with_every_step() -> None:
    w = np.random.default_rng(0).standard_normal((6, 4))
    t = x(6, 4, dtype="float64")
    u = gf.Variable(np.ones(4), trainable=False)
    scaled, new_u = weight_norms.spectral_norm(t, u)
    update = u.assign(new_u)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for _ in range(300):
        session.run(update, {t: w})
    top = np.linalg.svd(session.run(scaled, {t: w}))[1][0]
    assert top == pytest.approx(1, abs=1e-9)


# --- edges ----------------------------------------------------------------------------------------


def test_a_large_mean_costs_no_digits() -> None:
    """Taken off before anything is squared or divided."""
    at = np.random.default_rng(0).standard_normal((64, 3, 4)).astype(np.float32) + np.float32(4096)
    t = x(64, 3, 4)
    wide = at.astype(np.float64)
    instance = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(run(normalization.instance_norm(t), {t: at}), instance, atol=5e-3)
    batch = (wide - wide.mean((0, 1))) / np.sqrt(wide.var((0, 1)) + 1e-3)
    np.testing.assert_allclose(
        run(batch_norm.fused_batch_norm(t, np.float32(1), np.float32(0))[0], {t: at}), batch, atol=5e-3
    )
    np.testing.assert_allclose(run(moments.weighted_moments(t, None, 1.0)[1], {t: at}), wide.var(), rtol=1e-4)


def test_the_old_module_offers_what_moved() -> None:
    assert nn.batch_norm is batch_norm.batch_norm
    assert nn.layer_norm is normalization.layer_norm
    assert nn.moments is moments.moments
    assert nn.dropout is dropout.dropout


def test_dropped_channels_are_drawn_anew_and_gradients_follow() -> None:
    t = x(8, 3, 3, 16, dtype="float64")
    y = dropout.spatial_dropout(t, 0.4)
    (g,) = gf.gradients(y, [t])
    ones = np.ones((8, 3, 3, 16))
    session = gf.Session()
    first, slope = session.run([y, g], {t: ones})
    np.testing.assert_array_equal(first, slope)
    assert (first != session.run(y, {t: ones})).any()


def test_dropout_outside_training_is_the_tensor_itself() -> None:
    t = x(2, 3, 4)
    assert dropout.spatial_dropout(t, 0.5, training=False) is t
    assert dropout.alpha_dropout(t, 0.5, training=False) is t
    assert dropout.alpha_dropout(t, 0.0) is t


# --- PyTorch --------------------------------------------------------------------------------------


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    at = np.random.default_rng(0).standard_normal((2, 6, 5, 4))
    scale, offset = np.arange(1.0, 7), np.arange(6.0)
    t, v, s, o = x(2, 6, 5, 4, dtype="float64"), torch.tensor(at), torch.tensor(scale), torch.tensor(offset)
    functional = torch.nn.functional
    pairs = [
        (normalization.group_norm(t, 3, scale, offset, axis=1), functional.group_norm(v, 3, s, o)),
        (
            normalization.instance_norm(t, scale, offset, axis=1),
            functional.instance_norm(v, None, None, s, o),
        ),
        (
            batch_norm.fused_batch_norm(t, scale, offset, epsilon=1e-5, data_format="NCHW")[0],
            functional.batch_norm(v, None, None, s, o, training=True),
        ),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(run(ours, {t: at}), theirs.numpy(), rtol=1e-9, atol=1e-12)
