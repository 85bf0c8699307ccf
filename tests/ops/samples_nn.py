"""Samples of activations, softmax, normalisation, dropout and embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

TIGHT = 1e-13
NAN, INF = np.nan, np.inf
SPECIAL = np.array([NAN, INF, -INF, 0.0, -0.0, 800.0, -800.0, 40.0, -40.0])
AWAY_FROM_0 = np.array([-2.0, -1.1, -0.3, 0.4, 1.2, 2.5])


def _gelu(x: Any) -> Any:
    return x * scipy.special.ndtr(x)


def _gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _elu(x: Any) -> Any:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _softplus(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.logaddexp(x, 0)


def _silu(x: Any) -> Any:
    return x * scipy.special.expit(x)


# name, function, reference, is it smooth at 0, is it all standard functions
ACTIVATIONS: list[tuple[str, Callable[..., Any], Callable[..., Any], bool, bool]] = [
    ("relu", F.relu, lambda x: np.where(x > 0, x, 0 * x), False, True),
    ("relu6", F.relu6, lambda x: np.clip(x, 0, 6), False, True),
    ("leaky_relu", F.leaky_relu, lambda x: np.where(x > 0, x, 0.2 * x), False, True),
    ("elu", F.elu, _elu, False, True),
    (
        "selu",
        F.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * _elu(x)),
        False,
        True,
    ),
    ("sigmoid", F.sigmoid, scipy.special.expit, True, True),
    ("log_sigmoid", F.log_sigmoid, scipy.special.log_expit, True, True),
    ("softplus", F.softplus, _softplus, True, True),
    ("softsign", F.softsign, lambda x: x / (1 + np.abs(x)), False, True),
    ("silu", F.silu, _silu, True, True),
    ("swish", F.swish, _silu, True, True),
    ("gelu", F.gelu, _gelu, True, False),
    ("gelu-tanh", lambda x: F.gelu(x, approximate=True), _gelu_tanh, True, True),
]


def _activation_samples() -> list[Sample]:
    found = []
    for name, f, reference, smooth, standard in ACTIVATIONS:
        at = array(2, 3) if smooth else AWAY_FROM_0
        common: dict[str, Any] = {"strict": standard, "rtol": TIGHT, "atol": 1e-16}

        def single(x: Any, r: Callable[..., Any] = reference) -> Any:
            return r(x.astype(np.float64))

        found += [
            Sample(f"{name}-f64", f, (at,), reference, grad=True, **common),
            Sample(f"{name}-f32", f, (array(3, 4, dtype=np.float32)[::-1, ::2],), single, **common),
            Sample(f"{name}-f16-scalar", f, (np.float16(0.7),), single, **common),
            Sample(f"{name}-bf16", f, (array(4, dtype=gf.bfloat16),), single, strict=False),
            Sample(f"{name}-empty", f, (np.zeros((0, 2)),), reference, **common),
        ]
    for name, f, reference in (
        ("relu", F.relu, lambda x: np.maximum(x, 0)),
        ("relu6", F.relu6, lambda x: np.clip(x, 0, 6)),
        ("sigmoid", F.sigmoid, scipy.special.expit),
        ("softplus", F.softplus, _softplus),
        ("elu", F.elu, _elu),
        ("log_sigmoid", F.log_sigmoid, scipy.special.log_expit),
    ):
        found.append(Sample(f"{name}-special", f, (SPECIAL,), reference, atol=1e-300))
    found.append(Sample("relu-int", F.relu, (np.array([-3, 0, 5]),), lambda x: np.maximum(x, 0)))
    found.append(
        Sample("gelu-tail", F.gelu, (np.array([-8.0, -20.0, -37.0, 9.0]),), _gelu, strict=False, atol=1e-320)
    )
    return found


def _softmax_samples() -> list[Sample]:
    softmax, log_softmax = scipy.special.softmax, scipy.special.log_softmax
    x = array(2, 3, 4)
    return [
        Sample("softmax-last", F.softmax, (x,), lambda v: softmax(v, -1), grad=True, rtol=TIGHT),
        Sample(
            "softmax-axis0", lambda v: F.softmax(v, 0), (x,), lambda v: softmax(v, 0), grad=True, rtol=TIGHT
        ),
        Sample("softmax-dim", lambda v: F.softmax(v, dim=1), (x,), lambda v: softmax(v, 1), rtol=TIGHT),
        Sample("softmax-f32", F.softmax, (x[::-1].astype("f4"),), lambda v: softmax(v.astype("f8"), -1)),
        Sample("softmax-large", F.softmax, (np.array([1e4, 1e4 + 1, -1e4]),), softmax, rtol=TIGHT),
        Sample("softmax-int", F.softmax, (np.arange(3),), softmax),
        Sample(
            "softmax-minus-inf", F.softmax, (np.array([[-INF, 1.0], [2.0, 2.0]]),), lambda v: softmax(v, -1)
        ),
        Sample("softmax-no-rows", F.softmax, (np.zeros((0, 3)),), lambda v: v),
        Sample("log_softmax", F.log_softmax, (x,), lambda v: log_softmax(v, -1), grad=True, rtol=TIGHT),
        Sample("log_softmax-1", lambda v: F.log_softmax(v, 1), (x,), lambda v: log_softmax(v, 1), rtol=TIGHT),
        Sample("log_softmax-large", F.log_softmax, (np.array([1e4, 0.0]),), log_softmax, rtol=TIGHT),
    ]


# --- normalisation, embeddings, biases ------------------------------------------------------------


def _layer_norm(x: Any, scale: Any = 1, offset: Any = 0, axis: Any = -1, epsilon: float = 1e-5) -> Any:
    centred = x - x.mean(axis, keepdims=True)
    return centred / np.sqrt(x.var(axis, keepdims=True) + epsilon) * scale + offset


def _batch_norm(x: Any, mean: Any, variance: Any, offset: Any = 0, scale: Any = 1) -> Any:
    return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset


def _normalisation_samples() -> list[Sample]:
    x, row = array(2, 3, 4), array(4, seed=1)
    positive = np.abs(array(4, seed=2)) + 0.1
    image = array(2, 3, 2, 2)
    return [
        Sample(
            "layer_norm", F.layer_norm, (x, row, row[::-1]), _layer_norm, grad=True, rtol=1e-12, atol=1e-14
        ),
        Sample("layer_norm-plain", F.layer_norm, (x,), _layer_norm, grad=True, rtol=1e-12, atol=1e-14),
        Sample(
            "layer_norm-axes",
            lambda v: F.layer_norm(v, axis=(1, 2), epsilon=1e-3),
            (x,),
            lambda v: _layer_norm(v, axis=(1, 2), epsilon=1e-3),
            grad=True,
            rtol=1e-12,
            atol=1e-14,
        ),
        Sample(
            "layer_norm-f16",
            F.layer_norm,
            (x.astype("f2"),),
            lambda v: _layer_norm(v.astype("f8")),
            atol=1e-2,
        ),
        Sample(
            "batch_norm",
            F.batch_norm,
            (x, row, positive, row[::-1], positive),
            _batch_norm,
            grad=True,
            rtol=1e-12,
            atol=1e-14,
        ),
        Sample(
            "batch_norm-plain",
            F.batch_norm,
            (x, row, positive),
            _batch_norm,
            grad=True,
            rtol=1e-12,
            atol=1e-14,
        ),
        Sample(
            "batch_normalization",
            lambda *t: F.batch_normalization(*t, variance_epsilon=1e-3),
            (x, row, positive, row, positive),
            _batch_norm,
            rtol=1e-12,
            atol=1e-14,
        ),
        Sample(
            "moments",
            lambda v: F.moments(v, [0, 1]),
            (x,),
            lambda v: (v.mean((0, 1)), v.var((0, 1))),
            grad=True,
            rtol=TIGHT,
        ),
        Sample(
            "moments-keepdims",
            lambda v: F.moments(v, 1, keep_dims=True),
            (x,),
            lambda v: (v.mean(1, keepdims=True), v.var(1, keepdims=True)),
            rtol=TIGHT,
        ),
        Sample(
            "moments-all",
            lambda v: F.moments(v, None),
            (x.astype("f2"),),
            lambda v: (v.astype("f8").mean(), v.astype("f8").var()),
        ),
        Sample(
            "l2_normalize",
            lambda v: F.l2_normalize(v, 1),
            (x,),
            lambda v: v / np.linalg.norm(v, axis=1, keepdims=True),
            grad=True,
            rtol=TIGHT,
        ),
        Sample("l2_normalize-zero", F.l2_normalize, (np.zeros(3),), lambda v: v),
        Sample("l2_loss", F.l2_loss, (x,), lambda v: np.sum(v * v) / 2, grad=True, rtol=TIGHT),
        Sample("bias_add", F.bias_add, (x, row), np.add, grad=True),
        Sample(
            "bias_add-NCHW",
            lambda v, b: F.bias_add(v, b, "NCHW"),
            (image, array(3)),
            lambda v, b: v + b[:, None, None],
            grad=True,
            unranked=False,
        ),
        Sample("bias_add-NC", lambda v, b: F.bias_add(v, b, "NCHW"), (x[0], row), np.add, unranked=False),
        Sample(
            "xw_plus_b",
            F.xw_plus_b,
            (x[0], array(4, 2), array(2)),
            lambda v, m, b: v @ m + b,
            grad=True,
            rtol=TIGHT,
        ),
        Sample(
            "embedding_lookup",
            F.embedding_lookup,
            (x[0], np.array([[0, 2], [2, 2]])),
            lambda p, i: p[i],
            grad=True,
        ),
    ]


# --- dropout --------------------------------------------------------------------------------------


def _dropped(rate: float, axis: int | None = None) -> Callable[..., None]:
    """Each element is 0 or scaled, about the right share is 0; whole slices along `axis` where given."""

    def check(result: Any, x: Any, *_: Any) -> None:
        zero = result == 0
        np.testing.assert_allclose(result[~zero], x[~zero] / (1 - rate), rtol=1e-6)
        if axis is not None:
            assert (np.all(zero, axis) | ~np.any(zero, axis)).all()
        assert abs(zero.mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / zero.size) * (
            1 if axis is None else 9
        )

    return check


def _dropout_samples() -> list[Sample]:
    x = np.abs(array(40, 50)) + 0.1
    common: dict[str, Any] = {"strict": False, "tags": ("random",)}
    return [
        Sample("dropout-rate", lambda v: F.dropout(v, rate=0.3, seed=3), (x,), check=_dropped(0.3), **common),
        Sample(
            "dropout-keep_prob",
            lambda v: F.dropout(v, keep_prob=0.25),
            (x.astype("f4"),),
            check=_dropped(0.75),
            **common,
        ),
        Sample(
            "dropout-fed",
            lambda v, k: F.dropout(v, keep_prob=k),
            (x, np.float64(0.6)),
            check=_dropped(0.4),
            **common,
        ),
        Sample(
            "dropout-rows",
            lambda v: F.dropout(v, 0.5, noise_shape=(None, 1), seed=1),
            (x,),
            check=_dropped(0.5, axis=1),
            unranked=False,
            symbolic=False,
            **common,
        ),
        Sample("dropout-off", lambda v: F.dropout(v, 0.5, training=False) + 0, (x,), np.array, grad=True),
        Sample(
            "dropout-training-fed",
            lambda v, t: F.dropout(v, 0.5, training=t),
            (x, np.array(False)),
            lambda v, t: v,
            **common,
        ),
        Sample("dropout-0", lambda v: F.dropout(v, 0.0) + 0, (x,), np.array),
    ]


SAMPLES: list[Sample] = [
    *_activation_samples(),
    *_softmax_samples(),
    *_normalisation_samples(),
    *_dropout_samples(),
]
