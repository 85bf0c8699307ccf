"""Samples of the losses beyond cross entropies and squares, of label smoothing, weights and reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import graphflow as gf
from graphflow.op import F
from graphflow.ops import classification_losses as classes
from graphflow.ops import ranking_losses as ranking
from graphflow.ops import regression_losses as regression
from tests.ops.table import Sample, array

CLOSE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-14}

expit, log_expit = scipy.special.expit, scipy.special.log_expit


def _cases(
    name: str, f: Callable[..., Any], losses: Callable[..., Any], *inputs: Any, **options: Any
) -> list[Sample]:
    """The mean and the single losses in float64, the mean in float32 and float16."""
    narrow = [np.asarray(x) for x in inputs]
    real = [x.dtype.kind == "f" for x in narrow]
    options = {**CLOSE, **options}
    return [
        Sample(f"{name}", f, inputs, lambda *a: losses(*a).mean(), grad=True, **options),
        Sample(
            f"{name}-none",
            lambda *t: f(*t, reduction="none"),
            inputs,
            losses,
            grad=True,
            **options,
        ),
        Sample(
            f"{name}-f32",
            f,
            tuple(x.astype("f4") if r else x for x, r in zip(narrow, real, strict=True)),
            lambda *a: _mixed(losses, *a).mean(),
            **{**options, "rtol": 1e-5},
        ),
        Sample(
            f"{name}-f16",
            f,
            tuple(x.astype("f2") if r else x for x, r in zip(narrow, real, strict=True)),
            lambda *a: _mixed(losses, *a).mean(),
            **{**options, "rtol": 2e-2, "atol": 2e-2},
        ),
        Sample(
            f"{name}-none-there",
            f,
            tuple(x[:0] for x in narrow),
            lambda *a: np.zeros((), narrow[-1].dtype),
            **options,
        ),
    ]


def _mixed(losses: Callable[..., Any], *arrays: Any) -> Any:
    return losses(*[a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays])


# --- numbers --------------------------------------------------------------------------------------


def _log_cosh(a: Any, b: Any) -> Any:
    e = np.abs(np.asarray(b - a, np.longdouble))
    return (e + np.log1p(np.exp(-2 * e)) - np.log(np.longdouble(2))).astype(np.float64)


def _pairwise(a: Any, b: Any) -> Any:
    """The mean over all pairs of an example, by its definition; one number for each example."""
    total = np.zeros(len(a))
    d = (b - a).reshape(len(a), -1)
    n = d.shape[1]
    for i in range(n):
        for j in range(i):
            total += (d[:, i] - d[:, j]) ** 2
    return total / max(n * (n - 1) / 2, 1)


def _numbers() -> list[Sample]:
    a, b = array(3, 4, seed=1), array(3, 4, seed=2)
    counts = np.array([[0.0, 1, 3, 7], [2, 0, 5, 1], [4, 9, 2, 0]])
    rates = np.abs(array(3, 4, seed=3)) + 0.2
    p, q = scipy.special.softmax(array(3, 4, seed=4), -1), scipy.special.softmax(array(3, 4, seed=5), -1)
    tiny = np.array([1e-9, -1e-5, 0.0, 700.0])
    f = regression.mean_pairwise_squared_error
    known: dict[str, Any] = {**CLOSE, "unranked": False}
    return [
        *_cases("mean_absolute_error", regression.mean_absolute_error, lambda x, y: np.abs(y - x), a, b),
        *_cases("log_cosh_loss", regression.log_cosh_loss, _log_cosh, a, b),
        Sample(
            "log_cosh_loss-range",
            lambda x: regression.log_cosh_loss(0 * x, x, reduction="none"),
            (tiny,),
            lambda x: np.where(np.abs(x) < 1e-3, x * x / 2, np.abs(x) - np.log(2)),
            rtol=1e-9,
        ),
        *_cases(
            "poisson_loss", regression.poisson_loss, lambda z, m: m - z * np.log(m + 1e-7), counts, rates
        ),
        Sample(
            "log_poisson_loss",
            lambda z, c: regression.log_poisson_loss(z, c),
            (counts, a),
            lambda z, c: np.exp(c) - z * c,
            grad=True,
            **CLOSE,
        ),
        Sample(
            "log_poisson_loss-full",
            lambda z, c: regression.log_poisson_loss(z, c, compute_full_loss=True),
            (counts, a),
            lambda z, c: (
                np.exp(c)
                - z * c
                + np.where(
                    z > 1,
                    z * np.log(np.maximum(z, 1)) - z + 0.5 * np.log(2 * np.pi * np.maximum(z, 1)),
                    0,
                )
            ),
            **CLOSE,
        ),
        *_cases(
            "kl_divergence", regression.kl_divergence, lambda x, y: scipy.special.rel_entr(x, y).sum(-1), p, q
        ),
        Sample(
            "kl_divergence-zeros",
            lambda x, y: regression.kl_divergence(x, y, axis=0, reduction="none"),
            (np.array([[0.0, 0.5, 0.0], [1.0, 0.5, 1.0]]), np.array([[0.0, 0.0, 0.4], [1.0, 1.0, 0.6]])),
            lambda x, y: scipy.special.rel_entr(x, y).sum(0),
            **CLOSE,
        ),
        Sample(
            "cosine_similarity",
            regression.cosine_similarity,
            (a, b),
            lambda x, y: (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "cosine_similarity-broadcast",
            lambda x, y: regression.cosine_similarity(x, y, axis=0),
            (a, b[:, :1]),
            lambda x, y: (x * y).sum(0) / np.linalg.norm(x, axis=0) / np.linalg.norm(y, axis=0),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "cosine_similarity-zero",
            regression.cosine_similarity,
            (np.zeros((2, 3), np.float16), np.full((2, 3), 300, np.float16)),
            lambda x, y: np.zeros(2),
        ),
        *_cases(
            "cosine_distance",
            lambda x, y, **o: regression.cosine_distance(x, y, -1, **o),
            lambda x, y: 1 - (x * y).sum(-1, keepdims=True),
            a,
            b,
        ),
        Sample(
            "mean_pairwise_squared_error", f, (a, b), lambda x, y: _pairwise(x, y).sum(), grad=True, **known
        ),
        Sample(
            "mean_pairwise_squared_error-weights",
            f,
            (array(2, 3, 2), array(2, 3, 2, seed=1), np.array([0.5, 2.0])),
            lambda x, y, w: (_pairwise(x, y) * w).sum(),
            grad=True,
            **known,
        ),
        Sample(
            "mean_pairwise_squared_error-column",
            f,
            (a, b, np.array([[0.5], [0.0], [2.0]])),
            lambda x, y, w: (_pairwise(x, y) * w[:, 0]).sum(),
            **known,
        ),
        Sample(
            "mean_pairwise_squared_error-one", f, (a[:, :1], b[:, :1]), lambda x, y: np.float64(0), **known
        ),
    ]


# --- classes --------------------------------------------------------------------------------------


def _binary(z: Any, x: Any) -> Any:
    return -z * log_expit(x) - (1 - z) * log_expit(-x)


def _focal(z: Any, x: Any, alpha: float | None = 0.25, gamma: float = 2.0) -> Any:
    missed = expit(-x) * z + expit(x) * (1 - z)
    share = 1 if alpha is None else alpha * z + (1 - alpha) * (1 - z)
    return share * missed**gamma * _binary(z, x)


def _chosen(c: Any, table: Any) -> Any:
    return np.take_along_axis(table, c[..., None], -1)[..., 0]


def _classes() -> list[Sample]:
    x, chance = array(3, 4, seed=1), expit(array(3, 4, seed=2))
    truth = (array(3, 4, seed=3) > 0).astype(np.float64)
    labels = scipy.special.softmax(array(3, 4, seed=4), -1)
    hot, c = np.eye(4)[[1, 3, 0]], np.array([1, 3, 0])
    positive = np.abs(array(3, 4, seed=5)) + 0.1

    def logs(q: Any) -> Any:
        return np.log(q / q.sum(-1, keepdims=True))

    def smooth(p: Any, part: float, count: int) -> Any:
        return p * (1 - part) + part / count

    return [
        *_cases(
            "binary_cross_entropy",
            classes.binary_cross_entropy,
            lambda z, p: -z * np.log(p) - (1 - z) * np.log1p(-p),
            truth,
            chance,
        ),
        *_cases(
            "binary_cross_entropy-logits",
            lambda z, v, **o: classes.binary_cross_entropy(z, v, from_logits=True, label_smoothing=0.2, **o),
            lambda z, v: _binary(smooth(z, 0.2, 2), v),
            truth,
            x,
        ),
        Sample(
            "binary_cross_entropy-certain",
            lambda z, p: classes.binary_cross_entropy(z, p, reduction="none"),
            (np.array([0.0, 1, 0, 1], np.float16), np.array([0.0, 0, 1, 1], np.float16)),
            lambda z, p: np.array([0, 16.118, 15.942, 0]),
            rtol=1e-2,
            atol=1e-6,
        ),
        *_cases(
            "categorical_cross_entropy",
            classes.categorical_cross_entropy,
            lambda p, q: -(p * logs(q)).sum(-1),
            labels,
            positive,
        ),
        *_cases(
            "categorical_cross_entropy-logits",
            lambda p, v, **o: classes.categorical_cross_entropy(
                p, v, from_logits=True, label_smoothing=0.1, **o
            ),
            lambda p, v: -(smooth(p, 0.1, 4) * scipy.special.log_softmax(v, -1)).sum(-1),
            hot,
            x,
        ),
        Sample(
            "categorical_cross_entropy-axis",
            lambda p, v: classes.categorical_cross_entropy(p, v, from_logits=True, axis=0),
            (hot, x),
            lambda p, v: -(p * scipy.special.log_softmax(v, 0)).sum(0).mean(),
            **CLOSE,
        ),
        *_cases(
            "sparse_categorical_cross_entropy",
            classes.sparse_categorical_cross_entropy,
            lambda k, q: -_chosen(k, logs(q)),
            c,
            positive,
        ),
        *_cases(
            "sparse_categorical_cross_entropy-smooth",
            lambda k, v, **o: classes.sparse_categorical_cross_entropy(
                k, v, from_logits=True, label_smoothing=0.1, **o
            ),
            lambda k, v: -(smooth(np.eye(4)[k], 0.1, 4) * scipy.special.log_softmax(v, -1)).sum(-1),
            c,
            x,
        ),
        *_cases("nll_loss", classes.nll_loss, lambda k, v: -_chosen(k, v), c, x),
        Sample(
            "nll_loss-2d",
            lambda k, v: classes.nll_loss(k, v, reduction="none"),
            (np.array([[0, 2], [3, 3]]), array(2, 2, 4)),
            lambda k, v: -_chosen(k, v),
            **CLOSE,
        ),
        Sample(
            "weighted_cross_entropy_with_logits",
            classes.weighted_cross_entropy_with_logits,
            (chance, x, positive[0]),
            lambda z, v, q: -z * q * log_expit(v) - (1 - z) * log_expit(-v),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "weighted_cross_entropy_with_logits-large",
            lambda z, v: classes.weighted_cross_entropy_with_logits(z, v, 3.0),
            (np.array([0.0, 1, 0, 1]), np.array([500.0, 500, -500, -500])),
            lambda z, v: np.array([500.0, 0, 0, 1500]),
            **CLOSE,
        ),
        *_cases("focal_loss", classes.focal_loss, _focal, truth, x),
        *_cases(
            "focal_loss-plain",
            lambda z, v, **o: classes.focal_loss(z, v, alpha=None, gamma=0.5, **o),
            lambda z, v: _focal(z, v, None, 0.5),
            chance,
            x,
        ),
        Sample(
            "focal_loss-gamma-0",
            lambda z, v: classes.focal_loss(z, v, gamma=0),
            (truth, x),
            lambda z, v: _focal(z, v, gamma=0.0).mean(),
            **CLOSE,
        ),
        *_cases(
            "squared_hinge_loss",
            classes.squared_hinge_loss,
            lambda z, v: np.maximum(1 - (2 * z - 1) * v, 0) ** 2,
            truth,
            x,
        ),
        *_cases(
            "categorical_hinge_loss",
            classes.categorical_hinge_loss,
            lambda z, v: np.maximum(1 + ((1 - z) * v).max(-1) - (z * v).sum(-1), 0),
            hot,
            x,
        ),
    ]


# --- which is nearer ------------------------------------------------------------------------------


def _rankings() -> list[Sample]:
    a, b, c = array(3, 4, seed=1), array(3, 4, seed=2), array(3, 4, seed=3)
    y = np.array([[1.0, -1, 1, -1]] * 3)

    def distance(u: Any, v: Any) -> Any:
        return np.sqrt(((u - v) ** 2).sum(-1))

    return [
        *_cases(
            "triplet_loss",
            ranking.triplet_loss,
            lambda u, v, w: np.maximum(distance(u, v) - distance(u, w) + 1, 0),
            a,
            b,
            c,
        ),
        Sample(
            "triplet_loss-itself",
            lambda u: gf.gradients(ranking.triplet_loss(u, u, u), u)[0],
            (a,),
            lambda u: 0 * u,
        ),
        *_cases(
            "contrastive_loss",
            lambda z, d, **o: ranking.contrastive_loss(z, d, margin=1.5, **o),
            lambda z, d: z * d**2 + (1 - z) * np.maximum(1.5 - d, 0) ** 2,
            (y + 1) / 2,
            np.abs(a),
        ),
        *_cases(
            "margin_ranking_loss",
            lambda z, u, v, **o: ranking.margin_ranking_loss(z, u, v, margin=0.3, **o),
            lambda z, u, v: np.maximum(0.3 - z * (u - v), 0),
            y,
            a,
            b,
        ),
    ]


# --- weights and reductions -----------------------------------------------------------------------


def _reductions() -> list[Sample]:
    a, b = array(2, 3), array(2, 3, seed=1)
    w = np.array([[0.0, 2.0, 1.0], [0.5, 0.0, 3.0]])
    column = np.array([[0.0], [2.0]])
    totals: list[tuple[str, Callable[..., Any]]] = [
        ("none", lambda e, u: e * u),
        ("sum", lambda e, u: (e * u).sum()),
        ("mean", lambda e, u: (e * u).sum() / np.broadcast_to(u, e.shape).sum()),
        ("sum_over_batch_size", lambda e, u: (e * u).sum() / e.size),
        ("sum_by_nonzero_weights", lambda e, u: (e * u).sum() / np.broadcast_to(u != 0, e.shape).sum()),
    ]
    found = []
    for kind, total in totals:
        smooth = kind != "sum_by_nonzero_weights"  # the number of weights that are not 0 jumps where one is

        def reference(x: Any, y: Any, u: Any, total: Callable[..., Any] = total) -> Any:
            return total((y - x) ** 2, u)

        def loss(x: Any, y: Any, u: Any, kind: str = kind) -> Any:
            return F.mean_squared_error(x, y, u, reduction=kind)

        found += [
            Sample(f"reduction-{kind}", loss, (a, b, w), reference, grad=smooth, **CLOSE),
            Sample(f"reduction-{kind}-column", loss, (a, b, column), reference, grad=smooth, **CLOSE),
            Sample(f"reduction-{kind}-scalar", loss, (a, b, np.float64(0.5)), reference, grad=True, **CLOSE),
            Sample(
                f"reduction-{kind}-number",
                lambda x, y, loss=loss: loss(x, y, 0.5),
                (a, b),
                lambda x, y, reference=reference: reference(x, y, np.float64(0.5)),
                **CLOSE,
            ),
            Sample(
                f"reduction-{kind}-all-zero",
                loss,
                (a, b, np.zeros((2, 3))),
                lambda x, y, u, kind=kind: 0 * x if kind == "none" else np.float64(0),
            ),
        ]
    many = np.full(3000, 30.0, np.float16)
    found += [
        Sample(
            "reduction-f16",
            lambda x, u: F.mean_squared_error(0 * x, x, u),
            (many, np.ones(3000, np.float16)),
            lambda x, u: 900.0,
        ),
        Sample(
            "softmax_cross_entropy-smooth",
            lambda p, v: F.softmax_cross_entropy(p, v, label_smoothing=0.3),
            (np.eye(3)[[0, 2]], a),
            lambda p, v: -((p * 0.7 + 0.1) * scipy.special.log_softmax(v, -1)).sum(-1).mean(),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "sigmoid_cross_entropy-smooth",
            lambda z, v: F.sigmoid_cross_entropy(z, v, label_smoothing=0.3),
            ((b > 0).astype("f8"), a),
            lambda z, v: _binary(z * 0.7 + 0.15, v).mean(),
            grad=True,
            **CLOSE,
        ),
    ]
    return found


SAMPLES: list[Sample] = [*_numbers(), *_classes(), *_rankings(), *_reductions()]
