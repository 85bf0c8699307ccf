"""Samples of attention, masks and positions."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops.attention import additive_attention, scaled_dot_product_attention
from graphflow.ops.attention_masks import alibi_bias, alibi_slopes, causal_mask, sliding_window_mask
from graphflow.ops.multi_head_attention import multi_head_attention
from graphflow.ops.positions import kv_cache_update, rotary_embedding, sinusoidal_encoding
from tests.ops.table import Sample, array

__all__ = ["SAMPLES"]

Q, K, V = array(2, 3, 4, seed=1), array(2, 5, 4, seed=2), array(2, 5, 2, seed=3)
HEADS = array(1, 4, 3, 2, seed=4), array(1, 2, 5, 2, seed=5), array(1, 2, 5, 3, seed=6)
MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]], bool)
BIAS = array(3, 5, seed=7)


def _weights(scores: Any, mask: Any) -> Any:
    """Softmax by rows, over what the mask allows; zeros where it allows nothing."""
    weights = np.zeros(scores.shape)
    for place in np.ndindex(scores.shape[:-1]):
        seen = [j for j in range(scores.shape[-1]) if mask[(*place, j)]]
        e = np.exp([scores[(*place, j)] - max(scores[(*place, i)] for i in seen) for j in seen])
        for j, value in zip(seen, e, strict=True):
            weights[(*place, j)] = value / e.sum()
    return weights


def _attended(
    q: Any, k: Any, v: Any, mask: Any = True, bias: Any = 0.0, causal: bool = False, scale: Any = None
) -> Any:
    q, k, v = (np.asarray(a, np.float64) for a in (q, k, v))
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = np.einsum("...id,...jd->...ij", q, k) * factor + bias
    allowed = np.broadcast_to(mask, scores.shape) & (
        np.tri(*scores.shape[-2:], dtype=bool) if causal else True
    )
    return np.einsum("...ij,...je->...ie", _weights(scores, allowed), v)


def _repeated(q: Any, k: Any, v: Any, **options: Any) -> Any:
    """Each head of keys and values for two heads of queries."""
    return _attended(q, np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1), **options)


def _dot_products() -> list[Sample]:
    sdpa = scaled_dot_product_attention
    samples = [
        Sample("attention-plain", sdpa, (Q, K, V), _attended, grad=True),
        Sample("attention-matrices", sdpa, (Q[0], K[0], V[0]), _attended, grad=True, second_order=False),
        Sample(
            "attention-mask",
            lambda q, k, v, m: sdpa(q, k, v, mask=m),
            (Q, K, V, MASK),
            _attended,
            grad=True,
        ),
        Sample(
            "attention-mask-bias-causal-scale",
            lambda q, k, v, b: sdpa(q, k, v, mask=MASK[:1], bias=b, causal=True, scale=0.3),
            (Q, K, V, BIAS),
            lambda q, k, v, b: _attended(q, k, v, MASK[:1], b, True, 0.3),
            grad=True,
            second_order=False,
        ),
        Sample(
            "attention-infinite-bias",
            lambda q, k, v, b: sdpa(q, k, v, bias=b),
            (Q, K, V, np.where(MASK, 0.5, -np.inf)),
            lambda q, k, v, b: _attended(q, k, v, MASK),
            atol=1e-15,
        ),
        Sample("attention-large", sdpa, (Q * 1e3, K * 1e3, V), _attended, rtol=1e-5),
        Sample(
            "attention-shared-heads",
            lambda q, k, v: sdpa(q, k, v, causal=True),
            HEADS,
            lambda q, k, v: _repeated(q, k, v, causal=True),
            grad=True,
            second_order=False,
            symbolic=False,
        ),
        Sample(
            "attention-one-head-of-keys",
            sdpa,
            (HEADS[0], HEADS[1][:, :1], HEADS[2][:, :1]),
            lambda q, k, v: _attended(q, np.repeat(k, 4, 1), np.repeat(v, 4, 1)),
        ),
        Sample("attention-no-queries", sdpa, (Q[:, :0], K, V), lambda q, k, v: np.zeros((2, 0, 2))),
        Sample("attention-no-batch", sdpa, (Q[:0], K[:0], V[:0]), lambda q, k, v: np.zeros((0, 3, 2))),
        Sample(
            "attention-weights",
            lambda q, k, v: sdpa(q, k, v, mask=MASK, return_weights=True),
            (Q, K, V),
            lambda q, k, v: [_attended(q, k, v, MASK), _attended(q, k, np.eye(5), MASK)],
        ),
        Sample(
            "attention-nan-behind-the-mask",
            lambda q, k, v: sdpa(q, k, v, mask=[True, True, True, True, False]),
            (Q, np.where(np.arange(5)[:, None] < 4, K, np.nan), V),
            lambda q, k, v: _attended(q, k[:, :4], v[:, :4]),
        ),
        Sample("attention-strided", sdpa, (Q[:, ::-1], K[::-1], V[..., ::-1]), _attended),
    ]
    samples += [
        Sample(
            f"attention-{np.dtype(d).name}",
            sdpa,
            tuple(a.astype(d) for a in (Q, K, V)),
            _attended,
            rtol=tolerance,
            atol=tolerance,
        )
        for d, tolerance in ((np.float32, 1e-5), (np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2))
    ]
    return samples


def _additive(q: Any, k: Any, v: Any, scale: Any = 1.0, mask: Any = True) -> Any:
    scores = np.sum(scale * np.tanh(q[..., :, None, :] + k[..., None, :, :]), axis=-1)
    return _weights(scores, np.broadcast_to(mask, scores.shape)) @ v


def _multi(x: Any, y: Any, w_q: Any, w_k: Any, w_v: Any, w_o: Any, shared: int = 2) -> Any:
    """Two heads of queries, each worked out by itself."""
    parts = []
    for h in range(2):
        own = slice(2 * h, 2 * h + 2)
        kv = slice(2 * (h * shared // 2), 2 * (h * shared // 2) + 2)
        parts.append(_attended(x @ w_q[:, own], y @ w_k[:, kv], y @ w_v[:, kv]))
    return np.concatenate(parts, axis=-1) @ w_o


def _other_attention() -> list[Sample]:
    x, y = array(2, 3, 3, seed=10), array(2, 2, 3, seed=11)
    w = [array(3, 4, seed=12 + k) for k in range(3)] + [array(4, 2, seed=15)]
    b = [array(4, seed=16), None, array(4, seed=17), array(2, seed=18)]
    return [
        Sample("additive_attention", additive_attention, (Q, K, V), _additive, grad=True),
        Sample(
            "additive_attention-scale-mask",
            lambda q, k, v, s: additive_attention(q, k, v, s, mask=MASK),
            (Q, K, V, array(4, seed=8)),
            lambda q, k, v, s: _additive(q, k, v, s, MASK),
            grad=True,
            second_order=False,
        ),
        Sample("additive_attention-keys", additive_attention, (Q, K), lambda q, k: _additive(q, k, k)),
        Sample(
            "multi_head_attention",
            lambda x, y, *w: multi_head_attention(x, y, None, *w, 2),
            (x, y, *w),
            _multi,
            grad=True,
            second_order=False,
        ),
        Sample(
            "multi_head_attention-shared",
            lambda x, y, *w: multi_head_attention(x, y, None, *w, 2, num_kv_heads=1),
            (x, y, w[0], w[1][:, :2], w[2][:, :2], w[3]),
            lambda *a: _multi(*a, shared=1),
        ),
        Sample(
            "multi_head_attention-self-biases",
            lambda x, *w: multi_head_attention(x, None, None, *w, 1, biases=b),
            (x, *w),
            lambda x, w_q, w_k, w_v, w_o: _attended(x @ w_q + b[0], x @ w_k, x @ w_v + b[2]) @ w_o + b[3],
        ),
    ]


# --- masks and positions --------------------------------------------------------------------------


def _table(rows: int, columns: int, entry: Any) -> Any:
    return np.array([[entry(i, j) for j in range(columns)] for i in range(rows)])


def _masks() -> list[Sample]:
    return [
        Sample("causal_mask", lambda: causal_mask(3), (), lambda: np.tri(3, dtype=bool)),
        Sample(
            "causal_mask-offset",
            lambda x, n: causal_mask(gf.shape(x)[0], 5, offset=n),
            (np.zeros(3), np.array(2, np.int32)),
            lambda x, n: _table(3, 5, lambda i, j: j <= i + 2),
        ),
        Sample(
            "sliding_window_mask",
            lambda: sliding_window_mask(2, 4, 6, offset=1),
            (),
            lambda: _table(4, 6, lambda i, j: 0 <= i + 1 - j < 2),
        ),
        Sample(
            "sliding_window_mask-both-ways",
            lambda: sliding_window_mask(2, 4, causal=False),
            (),
            lambda: _table(4, 4, lambda i, j: abs(i - j) < 2),
        ),
        Sample("alibi_slopes-8", lambda: alibi_slopes(8), (), lambda: 2.0 ** -np.arange(1.0, 9.0)),
        Sample(
            "alibi_slopes-3",
            lambda: alibi_slopes(3, dtype="float64"),
            (),
            lambda: np.array([2.0**-4, 2.0**-8, 2.0**-2]),
        ),
        Sample(
            "alibi_bias",
            lambda: alibi_bias(2, 2, 3, offset=1),
            (),
            lambda: np.array([s * _table(2, 3, lambda i, j: -abs(i + 1 - j)) for s in (2.0**-4, 2.0**-8)]),
        ),
    ]


def _rotated(x: Any, positions: Any, dims: int, interleaved: bool, base: float = 10000.0) -> Any:
    """By complex numbers: positions broadcast with x.shape[:-1]."""
    y = np.array(x, np.float64)
    for k in range(dims // 2):
        a, b = (2 * k, 2 * k + 1) if interleaved else (k, k + dims // 2)
        z = (x[..., a] + 1j * x[..., b]) * np.exp(1j * positions * base ** (-2 * k / dims))
        y[..., a], y[..., b] = z.real, z.imag
    return y


def _waves(positions: Any, depth: int, base: float = 10000.0) -> Any:
    y = np.zeros((*np.shape(positions), depth))
    for k in range(depth // 2):
        angle = np.asarray(positions) * base ** (-2 * k / depth)
        y[..., 2 * k], y[..., 2 * k + 1] = np.sin(angle), np.cos(angle)
    return y


def _positions() -> list[Sample]:
    x = array(2, 3, 5, 4, seed=20)
    spots = np.array([[0, 7, 2, 3, 1], [9, 8, 0, 0, 100]])
    half = [0, 2, 1, 3]
    samples = [
        Sample(
            f"rotary-{'mixed' if mixed else 'halves'}-{dims}",
            lambda x, mixed=mixed, dims=dims: rotary_embedding(x, dims=dims, interleaved=mixed),
            (x,),
            lambda x, mixed=mixed, dims=dims: _rotated(x, np.arange(5), dims, mixed),
            grad=True,
            symbolic=False,
        )
        for mixed in (False, True)
        for dims in (4, 2)
    ]
    samples += [
        Sample(
            "rotary-positions",
            lambda x, p: rotary_embedding(x, p, base=100.0),
            (x, spots),
            lambda x, p: _rotated(x, p[:, None], 4, False, 100.0),
            symbolic=False,
        ),
        Sample(
            "rotary-length-first",
            lambda x, p: rotary_embedding(x, p, axis=-3),
            (x, spots[:, :3].astype(np.float64)),
            lambda x, p: _rotated(x, p[:, :, None], 4, False),
            symbolic=False,
        ),
        Sample(
            "rotary-float16",
            lambda x: rotary_embedding(x),
            (x.astype(np.float16),),
            lambda x: _rotated(x.astype(np.float64), np.arange(5), 4, False),
            rtol=2e-3,
            atol=1e-3,
            symbolic=False,
        ),
        Sample(
            "rotary-matrix",
            rotary_embedding,
            (x[0, 0],),
            lambda x: _rotated(x, np.arange(5), 4, False),
            symbolic=False,
        ),
        Sample(
            "sinusoidal",
            lambda: sinusoidal_encoding(3, 4, dtype="float64"),
            (),
            lambda: _waves(np.arange(3), 4),
        ),
        Sample(
            "sinusoidal-halves",
            lambda x: sinusoidal_encoding(gf.shape(x)[0], 4, base=50.0, interleaved=False),
            (np.zeros(3),),
            lambda x: _waves(np.arange(3), 4, 50.0)[:, half],
            rtol=1e-5,
        ),
        Sample(
            "sinusoidal-positions",
            lambda p: sinusoidal_encoding(p, 2, dtype="float64"),
            (spots,),
            lambda p: _waves(p, 2),
        ),
        Sample(
            "kv_cache_update",
            lambda c, n, p: kv_cache_update(c, n, p),
            (array(2, 4, 3, seed=21), array(2, 2, 3, seed=22), np.array(1)),
            lambda c, n, p: np.concatenate([c[:, :1], n, c[:, 3:]], axis=1),
            grad=True,
        ),
        Sample(
            "kv_cache_update-axis",
            lambda c, n: kv_cache_update(c, n, 0, axis=-3),
            (array(4, 2, 3, seed=21), array(1, 2, 3, seed=22)),
            lambda c, n: np.concatenate([n, c[1:]]),
        ),
    ]
    return samples


SAMPLES: list[Sample] = [*_dot_products(), *_other_attention(), *_masks(), *_positions()]
