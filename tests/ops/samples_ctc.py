"""Samples of connectionist temporal classification: the loss against all alignments, and the decoders."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import graphflow as gf
from graphflow.ops import ctc, ctc_decoders
from tests.ops.table import Sample, array

# --- by definition --------------------------------------------------------------------------------


def _spelled(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """What an alignment says: repetitions merged, then blanks left out."""
    return tuple(c for c, _ in itertools.groupby(path) if c != blank)


def chances(logits: Any, blank: int) -> dict[tuple[int, ...], float]:
    """The probability of every labelling, by adding up all alignments."""
    p = scipy.special.softmax(np.asarray(logits, np.float64), -1)
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        labels = _spelled(path, blank)
        found[labels] = found.get(labels, 0.0) + float(np.prod([p[t, c] for t, c in enumerate(path)]))
    return found


def _loss(labels: Any, logits: Any, label_length: Any, logit_length: Any, blank: int = -1) -> Any:
    blank %= logits.shape[2]
    result = []
    for n, (row, s, t) in enumerate(zip(labels, label_length, logit_length, strict=True)):
        chance = chances(logits[:t, n], blank).get(tuple(row[:s].tolist()), 0.0)
        result.append(-np.log(chance) if chance else np.inf)
    return np.array(result)


def _curved(labels: Any, logits: Any, v: Any, blank: int = -1) -> Any:
    """The Hessian of one row's loss times `v`: softmax's, less the covariance of the alignments that spell the labels."""
    time, _, classes = logits.shape
    paths = list(itertools.product(range(classes), repeat=time))
    right = [p for p in paths if _spelled(p, blank % classes) == tuple(labels[0].tolist())]
    ones = np.array([np.eye(classes)[list(p)].ravel() for p in right])
    x, u = logits.ravel(), v.ravel()
    weights = scipy.special.softmax(ones @ x)
    mean = weights @ ones
    covariance = (ones * weights[:, None]).T @ ones - np.outer(mean, mean)
    p = scipy.special.softmax(logits[:, 0], -1)
    own = p * v[:, 0] - p * (p * v[:, 0]).sum(-1, keepdims=True)
    return own[:, None, :] - (covariance @ u).reshape(logits.shape)


# --- the loss -------------------------------------------------------------------------------------

X = array(5, 4, 3)
LABELS = np.array([[0, 1, 0], [1, 1, 0], [0, 9, 9], [-1, 5, 5]])
LENGTHS, TIMES = np.array([2, 2, 1, 0]), np.array([5, 4, 2, 3])


def _losses() -> list[Sample]:
    f = ctc.ctc_loss
    close: dict[str, Any] = {"rtol": 1e-12}
    hard = np.array([[0, 0, 1]])
    return [
        Sample("ctc_loss", f, (LABELS, X, LENGTHS, TIMES), _loss, grad=True, **close),
        Sample(
            "ctc_loss-blank-0",
            lambda *t: f(*t, blank_index=0),
            (np.maximum(LABELS, 0) % 2 + 1, X, LENGTHS, TIMES),
            lambda *a: _loss(*a, blank=0),
            grad=True,
            **close,
        ),
        Sample(
            "ctc_loss-batch-major",
            lambda k, x, s, t: f(k, x, s, t, logits_time_major=False),
            (LABELS, np.moveaxis(X, 0, 1), LENGTHS, TIMES),
            lambda k, x, s, t: _loss(k, np.moveaxis(x, 1, 0), s, t),
            **close,
        ),
        Sample(
            "ctc_loss-i32",
            f,
            tuple(a.astype("i4") if a.dtype == int else a for a in (LABELS, X, LENGTHS, TIMES)),
            _loss,
            **close,
        ),
        Sample("ctc_loss-f32", f, (LABELS, X.astype("f4"), LENGTHS, TIMES), _loss, rtol=1e-5),
        Sample("ctc_loss-f16", f, (LABELS, X.astype("f2"), LENGTHS, TIMES), _loss, rtol=5e-3),
        Sample(
            "ctc_loss-bf16",
            f,
            (LABELS, X.astype(gf.bfloat16), LENGTHS, TIMES),
            _loss,
            rtol=2e-2,
            strict=False,
        ),
        Sample(
            "ctc_loss-too-long",
            f,
            (hard, X[:, :1], np.array([3]), np.array([3])),
            lambda *a: np.array([np.inf]),
        ),
        Sample(
            "ctc_loss-too-long-gradient",
            lambda k, x, s, t: gf.gradients(f(k, x, s, t), x)[0],
            (hard, X[:, :1], np.array([3]), np.array([3])),
            lambda k, x, s, t: 0 * x,
        ),
        Sample(
            "ctc_loss-too-long-ignored",
            lambda *t: f(*t, ignore_longer_outputs_than_inputs=True),
            (hard, X[:, :1], np.array([3]), np.array([3])),
            lambda *a: np.array([0.0]),
            grad=True,
        ),
        Sample(
            "ctc_loss-no-time",
            f,
            (LABELS[:2], X[:0, :2], np.array([0, 1]), np.array([0, 0])),
            lambda *a: np.array([0, np.inf]),
        ),
        Sample("ctc_loss-no-labels", f, (LABELS[:, :0], X, LENGTHS * 0, TIMES), _loss, grad=True, **close),
        Sample("ctc_loss-no-rows", f, (LABELS[:0], X[:, :0], LENGTHS[:0], TIMES[:0]), lambda *a: np.zeros(0)),
        Sample(
            "ctc_loss-curvature",
            lambda k, x, v: gf.gradients(gf.sum(gf.gradients(f(k, x, [2], [4]), x)[0] * v), x)[0],
            (LABELS[1:2, :2], X[:4, :1], X[1:, 1:2]),
            _curved,
            rtol=1e-10,
            atol=1e-13,
        ),
        Sample(
            "ctc_loss-extreme",
            f,
            (np.array([[0, 1]]), np.array([[[900.0, 0, -900]]] * 3), np.array([2]), np.array([3])),
            lambda *a: np.array([900.0]),
            **close,
        ),
    ]


# --- decoders -------------------------------------------------------------------------------------


def _greedy(x: Any, lengths: Any, merge: bool = True, blank: int = -1) -> Any:
    time, rows, classes = x.shape
    decoded, counts = np.full((rows, time), -1), np.zeros(rows, int)
    scores = np.zeros((rows, 1), x.dtype)
    for n in range(rows):
        best = x[: lengths[n], n].argmax(-1)
        path = [c for c, _ in itertools.groupby(best)] if merge else list(best)
        path = [c for c in path if c != blank % classes]
        decoded[n, : len(path)], counts[n] = path, len(path)
        scores[n] = -x[: lengths[n], n].max(-1).sum() if lengths[n] else 0
    return decoded, counts, scores


def _beam(paths: int, merge: bool = False, blank: int = -1) -> Callable[..., Any]:
    def reference(x: Any, lengths: Any) -> Any:
        time, rows, classes = x.shape
        decoded, counts = np.full((paths, rows, time), -1), np.zeros((paths, rows), int)
        logs = np.full((rows, paths), -np.inf)
        for n in range(rows):
            every = chances(x[: lengths[n], n], blank % classes)
            best = sorted(every.items(), key=lambda item: -item[1])[:paths]
            for k, (labels, chance) in enumerate(best):
                path = [c for c, _ in itertools.groupby(labels)] if merge else list(labels)
                decoded[k, n, : len(path)], counts[k, n] = path, len(path)
                logs[n, k] = np.log(chance)
        return decoded, counts, logs

    return reference


def _decoders() -> list[Sample]:
    greedy, beam = ctc_decoders.ctc_greedy_decoder, ctc_decoders.ctc_beam_search_decoder
    x, lengths = array(6, 3, 3, seed=5), np.array([6, 3, 0])
    runs = np.eye(3)[[[0, 2], [0, 2], [2, 1], [0, 1], [1, 1], [1, 0]]]
    return [
        Sample("ctc_greedy_decoder", greedy, (x, lengths), _greedy, rtol=1e-12),
        Sample("ctc_greedy_decoder-runs", greedy, (runs, np.array([6, 6])), _greedy),
        Sample(
            "ctc_greedy_decoder-unmerged",
            lambda v, t: greedy(v, t, merge_repeated=False, blank_index=0),
            (runs, np.array([6, 4], np.int32)),
            lambda v, t: _greedy(v, t, False, 0),
        ),
        Sample("ctc_greedy_decoder-f16", greedy, (x.astype("f2"), lengths), _greedy, rtol=1e-2),
        Sample("ctc_greedy_decoder-no-time", greedy, (x[:0], lengths * 0), _greedy),
        Sample("ctc_greedy_decoder-no-rows", greedy, (x[:, :0], lengths[:0]), _greedy),
        Sample(
            "ctc_greedy_decoder-score",
            lambda v, t: greedy(v, t)[2],
            (x, lengths),
            lambda v, t: _greedy(v, t)[2],
            grad=True,
        ),
        Sample(
            "ctc_beam_search_decoder",
            lambda v, t: beam(v, t, top_paths=3, merge_repeated=False),
            (x, lengths),
            _beam(3),
            rtol=1e-12,
            strict=False,
        ),
        Sample(
            "ctc_beam_search_decoder-merged",
            lambda v, t: beam(v, t, 50, 5, blank_index=1),
            (x.astype("f4"), lengths),
            _beam(5, True, 1),
            rtol=1e-5,
            strict=False,
        ),
        Sample(
            "ctc_beam_search_decoder-narrow",
            lambda v, t: beam(v, t, 1, merge_repeated=False)[:2],
            (runs * 50, np.array([6, 6])),
            check=_same_as_greedy,
            strict=False,
        ),
        Sample(
            "ctc_beam_search_decoder-no-rows",
            lambda v, t: beam(v, t),
            (x[:, :0], lengths[:0]),
            _beam(1),
            strict=False,
        ),
    ]


def _same_as_greedy(decoded: Any, counts: Any, x: Any, lengths: Any) -> None:
    """Where one alignment has nearly all probability, a beam of one finds it."""
    expected = _greedy(x, lengths)
    np.testing.assert_array_equal(decoded[0], expected[0])
    np.testing.assert_array_equal(counts[0], expected[1])


SAMPLES: list[Sample] = [*_losses(), *_decoders()]
