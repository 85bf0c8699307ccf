"""Samples of losses, and of the functions that stand behind TensorFlow 1's other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

import graphflow as gf
from graphflow.op import F
from graphflow.ops import aliases
from tests.ops.table import Sample, array

TIGHT = 1e-13

# --- losses ---------------------------------------------------------------------------------------


def _cross_entropy(p: Any, x: Any, axis: int = -1) -> Any:
    return -np.sum(p * scipy.special.log_softmax(x, axis), axis)


def _binary(z: Any, x: Any) -> Any:
    return -z * scipy.special.log_expit(x) - (1 - z) * scipy.special.log_expit(-x)


def _chosen(classes: Any, x: Any) -> Any:
    table = -scipy.special.log_softmax(x, -1)
    return np.take_along_axis(table, classes[..., None], -1)[..., 0]


def _huber(a: Any, b: Any, delta: float = 1.0) -> Any:
    return scipy.special.huber(delta, b - a).mean()


def _loss_samples() -> list[Sample]:
    logits, labels = array(3, 4), scipy.special.softmax(array(3, 4, seed=5), -1)
    classes = np.array([1, 3, 0])
    a, b = array(2, 3), array(2, 3, seed=1)
    w = np.array([[0.0, 2.0, 1.0], [0.5, 0.0, 3.0]])
    zeros_ones = (b > 0).astype(np.float64)
    chance = scipy.special.expit(a)

    def soft(p: Any, x: Any, **options: Any) -> Any:
        return F.softmax_cross_entropy_with_logits(labels=p, logits=x, **options)

    def sparse(c: Any, x: Any) -> Any:
        return F.sparse_softmax_cross_entropy_with_logits(labels=c, logits=x)

    def binary(z: Any, x: Any) -> Any:
        return F.sigmoid_cross_entropy_with_logits(labels=z, logits=x)

    return [
        Sample("softmax_cross_entropy", soft, (labels, logits), _cross_entropy, grad=True, rtol=TIGHT),
        Sample(
            "softmax_cross_entropy-axis",
            lambda p, x: soft(p, x, axis=0),
            (labels, logits),
            lambda p, x: _cross_entropy(p, x, 0),
            grad=True,
            rtol=TIGHT,
        ),
        Sample("softmax_cross_entropy-int", soft, (np.eye(3, 4, dtype=np.int64), logits), _cross_entropy),
        Sample(
            "softmax_cross_entropy-f32",
            soft,
            (labels.astype("f4"), logits.astype("f4")),
            _cross_entropy,
            rtol=1e-5,
        ),
        Sample("sparse_softmax_cross_entropy", sparse, (classes, logits), _chosen, grad=True, rtol=TIGHT),
        Sample(
            "sparse_softmax_cross_entropy-1d",
            sparse,
            (np.array(2), logits[0]),
            _chosen,
            grad=True,
            rtol=TIGHT,
        ),
        Sample(
            "sparse_softmax_cross_entropy-3d",
            sparse,
            (np.array([[0, 3, 2]], "i4"), logits[None]),
            _chosen,
            grad=True,
        ),
        Sample("sigmoid_cross_entropy", binary, (chance, b), _binary, grad=True, rtol=TIGHT),
        Sample("sigmoid_cross_entropy-at-0", binary, (chance, b * 0), _binary, grad=True, second_order=False),
        Sample(
            "sigmoid_cross_entropy-large",
            binary,
            (np.array([0.0, 1, 0, 1]), np.array([500.0, 500, -500, -500])),
            _binary,
            rtol=TIGHT,
        ),
        Sample(
            "mean_squared_error",
            F.mean_squared_error,
            (a, b),
            lambda x, y: np.mean((x - y) ** 2),
            grad=True,
            rtol=TIGHT,
        ),
        Sample(
            "mean_squared_error-weights",
            F.mean_squared_error,
            (a, b, w),
            lambda x, y, v: np.sum((x - y) ** 2 * v) / np.count_nonzero(v),
            rtol=TIGHT,
        ),
        Sample(
            "mean_squared_error-row-weights",
            F.mean_squared_error,
            (a, b, w[:1]),
            lambda x, y, v: np.sum((x - y) ** 2 * v) / (2 * np.count_nonzero(v)),
            rtol=TIGHT,
        ),
        Sample(
            "mean_squared_error-scalar-weight",
            lambda x, y: F.mean_squared_error(x, y, 2.5),
            (a, b),
            lambda x, y: 2.5 * np.mean((x - y) ** 2),
            rtol=TIGHT,
        ),
        Sample(
            "absolute_difference",
            F.absolute_difference,
            (a, b),
            lambda x, y: np.mean(np.abs(x - y)),
            grad=True,
        ),
        Sample("huber_loss", F.huber_loss, (a, b), _huber, grad=True, rtol=TIGHT),
        Sample(
            "huber_loss-delta",
            lambda x, y: F.huber_loss(x, y, delta=0.3),
            (a, b),
            lambda x, y: _huber(x, y, 0.3),
            grad=True,
        ),
        Sample(
            "hinge_loss",
            F.hinge_loss,
            (zeros_ones, a),
            lambda z, x: np.mean(np.maximum(0, 1 - (2 * z - 1) * x)),
            grad=True,
        ),
        Sample(
            "log_loss",
            F.log_loss,
            (zeros_ones, chance),
            lambda z, p: np.mean(-z * np.log(p + 1e-7) - (1 - z) * np.log(1 - p + 1e-7)),
            grad=True,
        ),
        Sample(
            "losses.softmax",
            F.softmax_cross_entropy,
            (labels, logits),
            lambda p, x: _cross_entropy(p, x).mean(),
            grad=True,
        ),
        Sample(
            "losses.sparse",
            F.sparse_softmax_cross_entropy,
            (classes, logits),
            lambda c, x: _chosen(c, x).mean(),
            grad=True,
        ),
        Sample(
            "losses.sigmoid",
            F.sigmoid_cross_entropy,
            (chance, b),
            lambda z, x: _binary(z, x).mean(),
            grad=True,
        ),
    ]


# --- TensorFlow 1's names -------------------------------------------------------------------------


def _alias_samples() -> list[Sample]:
    x, ints = array(2, 3), np.array([7, -7, 0])
    found = [
        Sample(
            f"reduce_{name}",
            lambda v, f=f: f(v, reduction_indices=[1], keep_dims=True),
            (x,),
            lambda v, r=reference: r(v, axis=1, keepdims=True),
            grad=name not in ("max", "min"),
        )
        for name, f, reference in (
            ("sum", aliases.reduce_sum, np.sum),
            ("mean", aliases.reduce_mean, np.mean),
            ("max", aliases.reduce_max, np.max),
            ("min", aliases.reduce_min, np.min),
            ("prod", aliases.reduce_prod, np.prod),
            ("logsumexp", aliases.reduce_logsumexp, scipy.special.logsumexp),
            ("variance", aliases.reduce_variance, np.var),
            ("std", aliases.reduce_std, np.std),
        )
    ]
    return [
        *found,
        Sample("reduce_any", lambda v: aliases.reduce_any(v > 0, 0), (x,), lambda v: np.any(v > 0, 0)),
        Sample("reduce_all", lambda v: aliases.reduce_all(v > 0), (x,), lambda v: np.all(v > 0)),
        Sample("arg_max", lambda v: aliases.arg_max(v, dimension=1), (x,), lambda v: np.argmax(v, 1)),
        Sample("arg_min", aliases.arg_min, (x,), lambda v: np.argmin(v, 0)),
        Sample("div-int", aliases.div, (ints, np.array([2, 2, 0])), lambda a, b: np.array([3, -4, 0])),
        Sample("div-float", aliases.div, (x, x + 3), np.divide),
        Sample(
            "div_no_nan",
            aliases.div_no_nan,
            (x, np.array([0.0, 2.0, -1.0])),
            lambda a, b: np.stack([0 * a[:, 0], a[:, 1] / 2, -a[:, 2]], 1),
        ),
        Sample("div_no_nan-grad", aliases.div_no_nan, (x, x[0] + 3), np.divide, grad=True, rtol=TIGHT),
        Sample(
            "squared_difference", aliases.squared_difference, (x, x[0]), lambda a, b: (a - b) ** 2, grad=True
        ),
        Sample("scalar_mul", lambda v: aliases.scalar_mul(3.0, v), (x,), lambda v: 3 * v),
        Sample(
            "clip_by_value", lambda v: aliases.clip_by_value(v, -1.0, 1.0), (x,), lambda v: np.clip(v, -1, 1)
        ),
        Sample("to_float", aliases.to_float, (ints,), lambda v: v.astype("f4")),
        Sample("to_double", aliases.to_double, (ints,), lambda v: v.astype("f8")),
        Sample("to_int32", aliases.to_int32, (x,), lambda v: v.astype("i4")),
        Sample("to_int64", aliases.to_int64, (x,), lambda v: v.astype("i8")),
        Sample("to_bfloat16", aliases.to_bfloat16, (x,), lambda v: v.astype(gf.bfloat16), strict=False),
        Sample("to_complex64", aliases.to_complex64, (x,), lambda v: v.astype("c8")),
        Sample("to_complex128", aliases.to_complex128, (x,), lambda v: v.astype("c16")),
    ]


SAMPLES: list[Sample] = [*_loss_samples(), *_alias_samples()]
