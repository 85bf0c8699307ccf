"""Samples of candidate samplers and of the losses over drawn classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from graphflow.ops import candidate_sampling, sampled_losses
from tests.ops.table import Sample, array

RANDOM: dict[str, Any] = {"strict": False, "tags": ("random",)}


def _chance(k: Any, n: int, log_uniform: bool) -> Any:
    k = np.asarray(k, np.float64)
    return np.log((k + 2) / (k + 1)) / np.log(n + 1) if log_uniform else np.full(k.shape, 1 / n)


def _drawn(n: int, unique: bool, log_uniform: bool) -> Callable[..., None]:
    """In range, without repetition if that was asked for, and with the expected counts that belong to the draw."""

    def check(sampled: Any, of_true: Any, of_sampled: Any, truth: Any) -> None:
        assert sampled.dtype == np.int64
        assert sampled.min() >= 0
        assert sampled.max() < n
        p, q = _chance(truth, n, log_uniform), _chance(sampled, n, log_uniform)
        if not unique:
            np.testing.assert_allclose(of_true, p * sampled.size, rtol=1e-6)
            np.testing.assert_allclose(of_sampled, q * sampled.size, rtol=1e-6)
            return
        assert len(set(sampled.tolist())) == sampled.size
        tries = np.log1p(-np.float64(of_true[0, 0])) / np.log1p(-p[0, 0])
        assert tries > sampled.size - 0.5
        np.testing.assert_allclose(of_true, -np.expm1(round(tries) * np.log1p(-p)), rtol=1e-5)
        np.testing.assert_allclose(of_sampled, -np.expm1(round(tries) * np.log1p(-q)), rtol=1e-5)

    return check


def _samplers() -> list[Sample]:
    truth = np.array([[7, 0], [3, 9]])
    found = []
    for name, log_uniform in (("log_uniform", True), ("uniform", False)):
        f = getattr(candidate_sampling, f"{name}_candidate_sampler")
        for label, count, unique, n in (
            ("unique", 6, True, 40),
            ("nearly-all", 38, True, 40),
            ("repeated", 50, False, 11),
        ):
            found.append(
                Sample(
                    f"{name}_candidate_sampler-{label}",
                    lambda t, f=f, count=count, unique=unique, n=n: f(t, 2, count, unique, n, seed=3),
                    (truth,),
                    check=_drawn(n, unique, log_uniform),
                    **RANDOM,
                )
            )
    found.append(
        Sample(
            "uniform_candidate_sampler-all",
            lambda t: candidate_sampling.uniform_candidate_sampler(t, 1, 5, True, 5)[0],
            (truth[:, :1].astype(np.int32),),
            check=lambda sampled, t: np.testing.assert_array_equal(np.sort(sampled), np.arange(5)),
            **RANDOM,
        )
    )
    return found


# --- losses ---------------------------------------------------------------------------------------


def _logits(w: Any, b: Any, y: Any, x: Any, s: Any, p: Any, q: Any, remove: bool) -> Any:
    """Logits of the true and the drawn classes, row by row, and the labels."""
    rows, labels = [], []
    for i in range(len(x)):
        right = [x[i] @ w[k] + b[k] - np.log(p[i, j]) for j, k in enumerate(y[i])]
        wrong = [x[i] @ w[k] + b[k] - np.log(q[j]) for j, k in enumerate(s)]
        if remove:
            wrong = [-np.inf if k in y[i] else v for k, v in zip(s, wrong, strict=True)]
        rows.append([*right, *wrong])
        labels.append([1 / len(right)] * len(right) + [0.0] * len(wrong))
    return np.array(rows), np.array(labels)


def _softmax(*arrays: Any, remove: bool = True) -> Any:
    z, t = _logits(*arrays, remove)
    logs = scipy.special.log_softmax(z, -1)
    return -(t * np.where(t > 0, logs, 0)).sum(-1)


def _nce(*arrays: Any, remove: bool = False) -> Any:
    z, t = _logits(*arrays, remove)
    right, wrong = scipy.special.log_expit(z), scipy.special.log_expit(-z)
    return -(t * np.where(t > 0, right, 0) + (1 - t) * wrong).sum(-1)


def _losses() -> list[Sample]:
    w, b, x = array(7, 3), array(7, seed=1), array(4, 3, seed=2)
    y = np.array([[0, 5], [2, 2], [6, 1], [3, 0]])
    s = np.array([2, 4, 0])
    p, q = np.abs(array(4, 2, seed=3)) + 0.1, np.abs(array(3, seed=4)) + 0.1
    softmax, nce = sampled_losses.sampled_softmax_loss, sampled_losses.nce_loss
    inputs = (w, b, y, x, s, p, q)

    def given(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        return lambda w, b, y, x, s, p, q: f(w, b, y, x, 3, 7, 2, sampled_values=(s, p, q), **options)

    common: dict[str, Any] = {"rtol": 1e-12, "unranked": False}
    return [
        Sample("sampled_softmax_loss", given(softmax), inputs, _softmax, grad=False, **common),
        Sample(
            "sampled_softmax_loss-gradient",
            lambda w, b, x: given(softmax)(w, b, y, x, s, p, q),
            (w, b, x),
            lambda w, b, x: _softmax(w, b, y, x, s, p, q),
            grad=True,
            **common,
        ),
        Sample(
            "sampled_softmax_loss-hits",
            given(softmax, remove_accidental_hits=False),
            inputs,
            lambda *a: _softmax(*a, remove=False),
            **common,
        ),
        Sample(
            "sampled_softmax_loss-f32",
            given(softmax),
            tuple(a.astype("f4") if a.dtype == float else a.astype("i4") for a in inputs),
            _softmax,
            rtol=1e-5,
            unranked=False,
        ),
        Sample("nce_loss", given(nce), inputs, _nce, **common),
        Sample(
            "nce_loss-gradient",
            lambda w, b, x: given(nce)(w, b, y, x, s, p, q),
            (w, b, x),
            lambda w, b, x: _nce(w, b, y, x, s, p, q),
            grad=True,
            **common,
        ),
        Sample(
            "nce_loss-no-hits",
            given(nce, remove_accidental_hits=True),
            inputs,
            lambda *a: _nce(*a, remove=True),
            **common,
        ),
        Sample(
            "sampled_softmax_loss-all-classes",  # with every class drawn or true, each counted once: softmax itself
            lambda w, b, y, x: softmax(w, b, y, x, 7, 7, seed=1),
            (w, b, y[:, :1], x),
            check=_whole_softmax,
            unranked=False,
            **RANDOM,
        ),
        Sample(
            "nce_loss-drawn",
            lambda w, b, y, x: nce(w, b, y, x, 3, 7, 2, seed=1),
            (w, b, y, x),
            check=lambda losses, *a: np.testing.assert_array_less(0, losses),
            unranked=False,
            **RANDOM,
        ),
    ]


def _whole_softmax(losses: Any, w: Any, b: Any, y: Any, x: Any) -> None:
    """All 7 classes were drawn, in so many tries that each was certain: the corrections all but vanish."""
    logs = scipy.special.log_softmax(x @ w.T + b, -1)
    expected = -np.take_along_axis(logs, y, 1)[:, 0]
    np.testing.assert_allclose(losses, expected, atol=0.7)


SAMPLES: list[Sample] = [*_samplers(), *_losses()]
