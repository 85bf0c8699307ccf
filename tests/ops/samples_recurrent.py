"""Samples of the recurrent layers that are functions of their weights."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from graphflow.ops.recurrent import gru, lstm, rnn
from graphflow.ops.recurrent_stacks import bidirectional, stacked
from tests.ops.table import Sample, array

__all__ = ["SAMPLES"]

B, T, D, H = 2, 3, 2, 2
X = array(B, T, D, seed=1)
H0, C0 = array(B, H, seed=2), array(B, H, seed=3)
LENGTHS = np.array([3, 1])


def weights(gates: int, inputs: int = D, seed: int = 10) -> tuple[Any, Any, Any]:
    """w, u and b of a layer."""
    columns = gates * H
    return array(inputs, columns, seed=seed), array(H, columns, seed=seed + 1), array(columns, seed=seed + 2)


def _sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def _rnn_step(p: Any, u: Any, state: Any) -> Any:
    return (np.tanh(p + state[0] @ u),)


def _gru_step(p: Any, u: Any, state: Any, after: bool = True, cb: Any = 0.0) -> Any:
    (h,) = state
    n = h.shape[1]
    a = h @ u + cb
    r, z = _sigmoid(p[:, :n] + a[:, :n]), _sigmoid(p[:, n : 2 * n] + a[:, n : 2 * n])
    inner = r * a[:, 2 * n :] if after else (r * h) @ u[:, 2 * n :]
    return (z * h + (1 - z) * np.tanh(p[:, 2 * n :] + inner),)


def _lstm_step(p: Any, u: Any, state: Any) -> Any:
    c, h = state
    i, f, g, o = np.split(p + h @ u, 4, axis=1)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return c, _sigmoid(o) * np.tanh(c)


def run(
    step: Any,
    x: Any,
    w: Any,
    u: Any,
    b: Any,
    state: Any,
    lengths: Any = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Outputs and last state by loops over sequences and steps, from the definition."""
    x, w, u, b = (np.asarray(a, np.float64) for a in (x, w, u, b))
    batch, time, _ = x.shape
    outputs = np.zeros((batch, time, u.shape[0]))
    last = [np.array(s, np.float64) for s in state]
    for k in range(batch):
        now = tuple(s[k : k + 1] for s in last)
        steps = range(time if lengths is None else min(time, int(lengths[k])))
        for t in reversed(steps) if reverse else steps:
            now = step(x[k : k + 1, t] @ w + b, u, now)
            outputs[k, t] = now[-1]
        for s, value in zip(last, now, strict=True):
            s[k] = value
    return outputs, last


def zeros(x: Any, count: int, time_major: bool = False) -> list[Any]:
    """The state of zeros."""
    return [np.zeros((x.shape[1 if time_major else 0], H))] * count


def _time_first(made: list[Any]) -> list[Any]:
    return [made[0].transpose(1, 0, 2), *made[1:]]


def _flat(made: Any) -> list[Any]:
    outputs, state = made
    return [outputs, *(state if isinstance(state, tuple) else [state])]


def _layers() -> list[Sample]:
    samples = []
    for label, layer, gates, step, states in (
        ("rnn", rnn, 1, _rnn_step, 1),
        ("gru", gru, 3, _gru_step, 1),
        ("lstm", lstm, 4, _lstm_step, 2),
    ):
        w, u, b = weights(gates)
        given = (H0,) if states == 1 else (C0, H0)

        def state_of(parts: Any) -> Any:
            return parts[0] if len(parts) == 1 else tuple(parts)

        def reference(
            x: Any, w: Any, u: Any, b: Any, *state: Any, step: Any = step, n: int = states, **kw: Any
        ) -> Any:
            outputs, last = run(step, x, w, u, b, state or zeros(x, n), **kw)
            return [outputs, *last]

        samples += [
            Sample(
                f"{label}-plain",
                lambda *a, f=layer: _flat(f(*a)),
                (X, w, u, b),
                reference,
                grad=True,
                unranked=False,
            ),
            Sample(
                f"{label}-masked-state-reverse",
                lambda x, w, u, b, *s, f=layer: _flat(
                    f(x, w, u, b, initial_state=state_of(s), sequence_length=LENGTHS, reverse=True)
                ),
                (X, w, u, b, *given),
                lambda *a, r=reference: r(*a, lengths=LENGTHS, reverse=True),
                grad=True,
                unranked=False,
            ),
            Sample(
                f"{label}-time-major-no-bias",
                lambda x, w, u, n, f=layer: _flat(f(x, w, u, sequence_length=n, time_major=True)),
                (X.transpose(1, 0, 2)[:, ::-1], w, u, np.array([1, 9], np.int32)),
                lambda x, w, u, n, r=reference, g=gates: _time_first(
                    r(x.transpose(1, 0, 2), w, u, np.zeros(g * H), lengths=n)
                ),
                unranked=False,
            ),
            *[
                Sample(
                    f"{label}-{np.dtype(d).name}",
                    lambda *a, f=layer: _flat(f(*a)),
                    tuple(a.astype(d) for a in (X, w, u, b)),
                    reference,
                    rtol=tolerance,
                    atol=tolerance,
                    unranked=False,
                    symbolic=False,
                )
                for d, tolerance in ((np.float32, 1e-5), (np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2))
            ],
            Sample(
                f"{label}-no-steps",
                lambda x, w, u, b, *s, f=layer: _flat(f(x, w, u, b, state_of(s))),
                (X[:, :0], w, u, b, *given),
                lambda x, w, u, b, *s: [np.zeros((B, 0, H)), *s],
                unranked=False,
            ),
            Sample(
                f"{label}-no-batch",
                lambda *a, f=layer: _flat(f(*a)),
                (X[:0], w, u, b),
                lambda *a, n=states: [np.zeros((0, T, H)), *[np.zeros((0, H))] * n],
                unranked=False,
                symbolic=False,
            ),
            Sample(
                f"{label}-nan-past-the-end",
                lambda x, w, u, b, f=layer: _flat(f(x, w, u, b, sequence_length=LENGTHS)),
                (np.where(np.arange(T)[:, None] < LENGTHS[:, None, None], X, np.nan), w, u, b),
                lambda *a, r=reference: r(*a, lengths=LENGTHS),
                unranked=False,
                symbolic=False,
            ),
        ]
    return samples


def _others() -> list[Sample]:
    w, u, b = weights(3)
    cb = array(3 * H, seed=20)
    forward, backward = weights(1), weights(1, seed=30)
    upper = weights(1, 2 * H, seed=40), weights(1, 2 * H, seed=50)

    def both(x: Any, forward: Any, backward: Any, lengths: Any = None) -> tuple[Any, list[Any]]:
        a = run(_rnn_step, x, *forward, zeros(x, 1), lengths)
        c = run(_rnn_step, x, *backward, zeros(x, 1), lengths, reverse=True)
        return np.concatenate([a[0], c[0]], axis=2), [*a[1], *c[1]]

    def two_layers(x: Any) -> Any:
        first, a = both(x, forward, backward, LENGTHS)
        second, c = both(first, *upper, LENGTHS)
        return [second, *a, *c]

    def build(x: Any) -> Any:
        outputs, states = stacked(
            "rnn", x, [(forward, backward), upper], sequence_length=LENGTHS, both_directions=True
        )
        return [outputs, *states[0], *states[1]]

    def one_way(x: Any) -> Any:
        outputs, states = stacked(rnn, x, [forward, backward])
        return [outputs, *states]

    def one_way_reference(x: Any) -> Any:
        first, a = run(_rnn_step, x, *forward, zeros(x, 1))
        second, c = run(_rnn_step, first, *backward, zeros(x, 1))
        return [second, *a, *c]

    return [
        Sample(
            "gru-reset-before",
            lambda *a: _flat(gru(*a, reset_after=False)),
            (X, w, u, b),
            lambda x, w, u, b: _both(
                run(lambda p, u, s: _gru_step(p, u, s, after=False), x, w, u, b, zeros(x, 1))
            ),
            grad=True,
            unranked=False,
        ),
        Sample(
            "gru-recurrent-bias",
            lambda x, w, u, b, cb: _flat(gru(x, w, u, b, recurrent_bias=cb)),
            (X, w, u, b, cb),
            lambda x, w, u, b, cb: _both(
                run(lambda p, u, s: _gru_step(p, u, s, cb=cb), x, w, u, b, zeros(x, 1))
            ),
            grad=True,
            second_order=False,
            unranked=False,
        ),
        Sample(
            "rnn-activation",
            lambda *a: _flat(rnn(*a, activation=lambda t: t * 0.5)),
            (X, *forward),
            lambda x, w, u, b: _both(run(lambda p, u, s: ((p + s[0] @ u) * 0.5,), x, w, u, b, zeros(x, 1))),
            unranked=False,
        ),
        Sample(
            "bidirectional",
            lambda x: _both(bidirectional(rnn, x, forward, backward)),
            (X,),
            lambda x: _both(both(x, forward, backward)),
            grad=True,
            second_order=False,
            unranked=False,
        ),
        Sample("stacked-both", build, (X,), two_layers, unranked=False),
        Sample("stacked", one_way, (X,), one_way_reference, grad=True, second_order=False, unranked=False),
    ]


def _both(made: Any) -> list[Any]:
    return [made[0], *made[1]]


SAMPLES: list[Sample] = [*_layers(), *_others()]
