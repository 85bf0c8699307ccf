"""Samples of pooling, against loops over windows and taps written from the definition."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops.adaptive_pooling import adaptive_avg_pool, adaptive_max_pool
from graphflow.ops.pooling import (
    avg_pool,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pool,
)
from graphflow.ops.pooling_global import global_avg_pool, global_max_pool
from graphflow.ops.pooling_norm import lp_pool
from graphflow.ops.response_normalization import local_response_normalization, lrn
from graphflow.ops.unpooling import max_pool_with_argmax, max_unpool
from tests.ops.table import Sample, array

Fold = Callable[[list[Any], int], Any]


def _distinct(*shape: int, seed: int = 0) -> Any:
    """Values that differ by at least 0.05, so that no difference quotient crosses a tie."""
    n = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(n).reshape(shape) - n / 2) / 16


A15, A155, A1667 = _distinct(2, 7, 2), _distinct(2, 5, 6, 2, seed=1), _distinct(1, 4, 5, 4, 2, seed=2)
CHANNELS_FIRST = np.ascontiguousarray(np.moveaxis(A155, -1, 1))
WITH_NAN = np.where(np.arange(120).reshape(2, 5, 6, 2) % 17 == 3, np.nan, A155)


def pads(n: int, k: int, s: int, d: int, padding: Any) -> tuple[int, int, int]:
    """Output size and pads of one axis, as the docs of TensorFlow have them."""
    span = (k - 1) * d + 1
    if padding == "SAME":
        out = -(-n // s)
        total = max((out - 1) * s + span - n, 0) if n else 0
        return out, total // 2, total - total // 2
    lo, hi = (0, 0) if padding == "VALID" else padding
    return (n + lo + hi - span) // s + 1, lo, hi


def windows(
    x: Any, ksize: Any, strides: Any, padding: Any, dilations: Any, fold: Fold, first: bool = False
) -> Any:
    """`fold(elements inside, taps in all)` of every window, one after another."""
    if first:
        return np.moveaxis(windows(np.moveaxis(x, 1, -1), ksize, strides, padding, dilations, fold), -1, 1)
    m = x.ndim - 2
    each = [v if isinstance(v, tuple) else (v,) * m for v in (ksize, strides or ksize, dilations)]
    padded = padding if isinstance(padding, tuple) else (padding,) * m
    geometry = [
        pads(n, *kd, p) for n, kd, p in zip(x.shape[1:-1], zip(*each, strict=True), padded, strict=True)
    ]
    result = np.zeros(
        (x.shape[0], *[g[0] for g in geometry], x.shape[-1]), np.asarray(fold([x.flat[0]], 1)).dtype
    )
    for place in np.ndindex(*result.shape):
        inside = []
        for tap in itertools.product(*[range(k) for k in each[0]]):
            where = [
                o * s + t * d - g[1]
                for o, t, s, d, g in zip(place[1:-1], tap, each[1], each[2], geometry, strict=True)
            ]
            if all(0 <= w < n for w, n in zip(where, x.shape[1:-1], strict=True)):
                inside.append(x[(place[0], *where, place[-1])])
        result[place] = fold(inside, int(np.prod(each[0])))
    return result


def largest(values: list[Any], count: int) -> Any:
    return np.max(np.array(values))


def mean(values: list[Any], count: int) -> Any:
    return np.mean(np.array(values, np.float64))


def padded_mean(values: list[Any], count: int) -> Any:
    return np.sum(np.array(values, np.float64)) / count


CASES: list[tuple[str, Any, Any, Any, Any, Any]] = [
    ("1d", A15, 2, None, "VALID", 1),
    ("1d-overlap", A15, 3, 1, "SAME", 1),
    ("1d-dilated", A15, 2, 1, "VALID", 3),
    ("2d", A155, 2, None, "VALID", 1),
    ("2d-same", A155, 3, 2, "SAME", 1),
    ("2d-wide", A155, (2, 3), (1, 2), "VALID", 1),
    ("2d-gaps", A155, 1, 2, "VALID", 1),
    ("2d-gaps-same", A155, 2, 3, "SAME", 1),
    ("2d-one", A155, 1, 1, "VALID", 1),
    ("2d-explicit", A155, 3, 2, ((1, 0), (2, 1)), 1),
    ("2d-dilated", A155, 2, 1, "SAME", 2),
    ("2d-dilated-strided", A155, (2, 3), (2, 1), ((1, 1), (0, 2)), (2, 1)),
    ("2d-all", A155, (5, 6), None, "VALID", 1),
    ("2d-strides", np.transpose(A155[:, ::-1, ::-1], (0, 2, 1, 3)), 2, 1, "VALID", 1),
    ("3d", A1667, 2, 1, "VALID", 1),
    ("3d-same", A1667, (2, 3, 1), (2, 2, 3), "SAME", 1),
]


def _cases() -> list[Sample]:
    samples = []
    for label, x, k, s, p, d in CASES:
        form = {3: "NWC", 4: "NHWC", 5: "NDHWC"}[x.ndim]
        small = x.ndim < 5 or label == "3d"

        def maximum(t: Any, k: Any = k, s: Any = s, p: Any = p, d: Any = d, f: str = form) -> Any:
            return max_pool(t, k, s, p, f, dilations=d)

        def average(t: Any, k: Any = k, s: Any = s, p: Any = p, d: Any = d, f: str = form) -> Any:
            return avg_pool(t, k, s, p, f, dilations=d)

        samples.append(
            Sample(
                f"max_pool-{label}",
                maximum,
                (x,),
                lambda x, k=k, s=s, p=p, d=d: windows(x, k, s, p, d, largest),
                grad=small,
            )
        )
        samples.append(
            Sample(
                f"avg_pool-{label}",
                average,
                (x,),
                lambda x, k=k, s=s, p=p, d=d: windows(x, k, s, p, d, mean),
                grad=small,
            )
        )
    return samples


def _max_others() -> list[Sample]:
    def same(x: Any) -> Any:
        return windows(x, 3, 2, "SAME", 1, largest)

    def same3(t: Any) -> Any:
        return max_pool(t, 3, 2, "SAME")

    samples = [
        Sample(f"max_pool-{np.dtype(d).name}", same3, ((A155 * 4).astype(d),), same)
        for d in (
            np.float32,
            np.float16,
            ml_dtypes.bfloat16,
            np.int8,
            np.int32,
            np.int64,
            np.uint8,
            np.uint16,
        )
    ]
    return [
        *samples,
        Sample("max_pool-nan", same3, (WITH_NAN,), same),
        Sample("max_pool-infinite", same3, (np.where(A155 < 1, -np.inf, A155),), same),
        Sample("max_pool-empty-batch", same3, (A155[:0],), lambda x: np.zeros((0, 3, 3, 2))),
        Sample("max_pool-no-channels", same3, (A155[..., :0],), lambda x: np.zeros((2, 3, 3, 0)), grad=True),
        Sample("max_pool-empty-same", same3, (A155[:, :0],), lambda x: np.zeros((2, 0, 3, 2))),
        Sample(
            "max_pool-nchw",
            lambda t: max_pool(t, (1, 1, 2, 3), (1, 1, 2, 1), "SAME", "NCHW"),
            (CHANNELS_FIRST,),
            lambda x: windows(x, (2, 3), (2, 1), "SAME", 1, largest, first=True),
            grad=True,
        ),
        Sample(
            "max_pool-tensorflow-lists",
            lambda t: max_pool(t, [1, 2, 2, 1], [1, 1, 2, 1], [[0, 0], [1, 0], [0, 1], [0, 0]]),
            (A155,),
            lambda x: windows(x, 2, (1, 2), ((1, 0), (0, 1)), 1, largest),
            grad=True,
        ),
        Sample(
            "max_pool-ties",
            lambda t: gf.gradients(max_pool(t, 3, 1, "VALID"), t)[0],
            (np.zeros((1, 4, 4, 1)),),
            lambda x: np.pad(np.ones((2, 2)), ((0, 2), (0, 2)))[None, :, :, None],
        ),
        Sample(
            "max_pool-second-order",
            lambda t: gf.gradients(gf.gradients(max_pool(t, 2) ** 3, t)[0] * t, t)[0],
            (A155,),
            lambda x: np.where(np.isin(x, windows(x, 2, None, "VALID", 1, largest)), 9 * x * x, 0),
        ),
        Sample(
            "max_pool-nan-gradient",
            lambda t: gf.gradients(max_pool(t, 2, 1, "VALID"), t)[0],
            (np.array([1.0, np.nan, np.nan, 3.0]).reshape(1, 2, 2, 1),),
            lambda x: np.array([0.0, 1, 0, 0]).reshape(1, 2, 2, 1),
        ),
        Sample(
            "max_pool-many-taps",
            lambda t: (max_pool(t, 17, 4, "SAME"), gf.gradients(max_pool(t, 17, 4, "SAME"), t)[0]),
            (_distinct(1, 20, 18, 1, seed=4),),
            lambda x: (windows(x, 17, 4, "SAME", 1, largest), _first(x, 17, 4, "SAME")),
        ),
        Sample(
            "max_pool1d",
            lambda t: max_pool1d(t, 3, 2),
            (A15,),
            lambda x: windows(x, 3, 2, "VALID", 1, largest),
        ),
        Sample(
            "max_pool2d",
            lambda t: max_pool2d(t, 2, padding=1, data_format="NCHW"),
            (CHANNELS_FIRST,),
            lambda x: windows(x, 2, 2, ((1, 1), (1, 1)), 1, largest, first=True),
            grad=True,
        ),
        Sample(
            "max_pool3d",
            lambda t: max_pool3d(t, (2, 1, 2), data_format="NCDHW"),
            (np.moveaxis(A1667, -1, 1),),
            lambda x: windows(x, (2, 1, 2), None, "VALID", 1, largest, first=True),
        ),
    ]


def _first(x: Any, k: int, s: int, padding: str) -> Any:
    """The gradient of the sum of a square maximum: a one at the first largest of each window."""
    out, lo, _ = pads(x.shape[1], k, s, 1, padding)
    wide, left, _ = pads(x.shape[2], k, s, 1, padding)
    g = np.zeros_like(x)
    for b, i, j, c in np.ndindex(x.shape[0], out, wide, x.shape[3]):
        rows = range(max(i * s - lo, 0), min(i * s - lo + k, x.shape[1]))
        cols = range(max(j * s - left, 0), min(j * s - left + k, x.shape[2]))
        best = max(((r, q) for r in rows for q in cols), key=lambda p: (x[b, p[0], p[1], c], -p[0], -p[1]))
        g[(b, *best, c)] += 1
    return g


def _avg_others() -> list[Sample]:
    def same(x: Any) -> Any:
        return windows(np.asarray(x, np.float64), 3, 2, "SAME", 1, mean)

    def same3(t: Any) -> Any:
        return avg_pool(t, 3, 2, "SAME")

    samples = [
        Sample(f"avg_pool-{np.dtype(d).name}", same3, ((A155 * 4).astype(d),), same, rtol=rtol)
        for d, rtol in ((np.float32, 1e-6), (np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2), (np.int32, 1e-6))
    ]
    samples += [
        Sample(
            f"avg_pool-gradient-{np.dtype(d).name}",
            lambda t: gf.gradients(avg_pool(t, 3, 2, "SAME"), t)[0],
            (A155.astype(d),),
            lambda x: _shares(x, 3, 2),
            rtol=rtol,
        )
        for d, rtol in ((np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2))
    ]
    return [
        *samples,
        Sample(
            "avg_pool-include-pad",
            lambda t: avg_pool(t, 3, 2, "SAME", count_include_pad=True),
            (A155,),
            lambda x: windows(x, 3, 2, "SAME", 1, padded_mean),
            grad=True,
        ),
        Sample("avg_pool-nan", same3, (WITH_NAN,), same),
        Sample("avg_pool-empty-batch", same3, (A155[:0],), lambda x: np.zeros((0, 3, 3, 2)), grad=True),
        Sample(
            "avg_pool-nchw",
            lambda t: avg_pool(t, 2, 1, "SAME", "NCHW"),
            (CHANNELS_FIRST,),
            lambda x: windows(x, 2, 1, "SAME", 1, mean, first=True),
            grad=True,
        ),
        Sample(
            "avg_pool1d",
            lambda t: avg_pool1d(t, 3, 2, data_format="NCW"),
            (np.swapaxes(A15, 1, 2),),
            lambda x: windows(x, 3, 2, "VALID", 1, mean, first=True),
        ),
        Sample(
            "avg_pool2d",
            lambda t: avg_pool2d(t, 2, padding=1, count_include_pad=True),
            (A155,),
            lambda x: windows(x, 2, 2, ((1, 1), (1, 1)), 1, padded_mean),
        ),
        Sample(
            "avg_pool3d",
            lambda t: avg_pool3d(t, 2, 1, "SAME"),
            (A1667,),
            lambda x: windows(x, 2, 1, "SAME", 1, mean),
        ),
        Sample(
            "pool-max",
            lambda t: pool(t, (2, 2), "MAX", "SAME", dilation_rate=(2, 1)),
            (A155,),
            lambda x: windows(x, (2, 2), (1, 1), "SAME", (2, 1), largest),
        ),
        Sample(
            "pool-avg",
            lambda t: pool(t, [2], "AVG", "VALID", strides=[3], data_format="NCW"),
            (np.swapaxes(A15, 1, 2),),
            lambda x: windows(x, 2, 3, "VALID", 1, mean, first=True),
        ),
        *[
            Sample(
                f"lp_pool-{p}",
                lambda t, p=p: lp_pool(t, p, 2, 2, "SAME"),
                (A155 + 0.015,),
                lambda x, p=p: windows(
                    x, 2, 2, "SAME", 1, lambda v, n: np.linalg.norm(np.array(v, np.float64), p)
                ),
                grad=True,
            )
            for p in (1, 2, 3, np.inf)
        ],
        Sample(
            "lp_pool-zero-gradient",
            lambda t: gf.gradients(lp_pool(t, 2, 2), t)[0],
            (np.zeros((1, 2, 2, 1)),),
            lambda x: x,
        ),
        Sample(
            "global_max_pool", global_max_pool, (A155,), lambda x: x.max((1, 2)), grad=True, unranked=False
        ),
        Sample(
            "global_max_pool-ncw",
            lambda t: global_max_pool(t, "NCW", keepdims=True),
            (A15,),
            lambda x: x.max(2, keepdims=True),
            unranked=False,
        ),
        Sample(
            "global_avg_pool",
            lambda t: global_avg_pool(t, "NCDHW"),
            (A1667,),
            lambda x: x.mean((2, 3, 4)),
            grad=True,
            unranked=False,
        ),
    ]


def _shares(x: Any, k: int, s: int) -> Any:
    """The gradient of the sum of a mean with padding "SAME": one share for each window."""
    out, lo, _ = pads(x.shape[1], k, s, 1, "SAME")
    wide, left, _ = pads(x.shape[2], k, s, 1, "SAME")
    g = np.zeros(x.shape)
    for i, j in np.ndindex(out, wide):
        part = g[:, max(i * s - lo, 0) : i * s - lo + k, max(j * s - left, 0) : j * s - left + k]
        part += 1 / (part.shape[1] * part.shape[2])
    return g


# --- adaptive, with positions, normalised ---------------------------------------------------------


def adaptive(x: Any, sizes: tuple[int, ...], fold: Any) -> Any:
    """Windows from floor(i n / size) to ceil((i + 1) n / size) over the axes from 1 on."""
    for axis, size in enumerate(sizes, 1):
        n = x.shape[axis]
        parts = [np.take(x, range(i * n // size, -(-(i + 1) * n // size)), axis=axis) for i in range(size)]
        x = np.stack([fold(part, axis) for part in parts], axis=axis)
    return x


def argmax_of(x: Any, k: int, s: int, padding: str, batched: bool) -> tuple[Any, Any]:
    """Maxima of square windows and their positions, by loops over pixels."""
    out, lo, _ = pads(x.shape[1], k, s, 1, padding)
    wide, left, _ = pads(x.shape[2], k, s, 1, padding)
    y = np.zeros((x.shape[0], out, wide, x.shape[3]), x.dtype)
    where = np.zeros(y.shape, np.int64)
    for b, i, j, c in np.ndindex(*y.shape):
        best = None
        for r, q in itertools.product(
            range(i * s - lo, i * s - lo + k), range(j * s - left, j * s - left + k)
        ):
            if 0 <= r < x.shape[1] and 0 <= q < x.shape[2] and (best is None or x[b, r, q, c] > best):
                best = x[b, r, q, c]
                where[b, i, j, c] = ((b * batched * x.shape[1] + r) * x.shape[2] + q) * x.shape[3] + c
        y[b, i, j, c] = best
    return y, where


UNPOOLED = np.array([[[[5, 0], [9, 7]]]])


def _with_positions() -> list[Sample]:
    return [
        *[
            Sample(
                f"max_pool_with_argmax-{padding}-{batched}",
                lambda t, p=padding, b=batched: max_pool_with_argmax(t, 3, 2, p, include_batch_in_index=b),
                (A155,),
                lambda x, p=padding, b=batched: argmax_of(x, 3, 2, p, b),
                grad=not batched,
            )
            for padding in ("SAME", "VALID")
            for batched in (False, True)
        ],
        Sample(
            "max_pool_with_argmax-int32",
            lambda t: max_pool_with_argmax(t, 2, 2, "VALID", output_dtype=gf.int32)[1],
            ((A155 * 16).astype(np.int16),),
            lambda x: argmax_of(x, 2, 2, "VALID", False)[1].astype(np.int32),
        ),
        Sample(
            "max_pool_with_argmax-nchw",
            lambda t: max_pool_with_argmax(t, (4, 5), data_format="NCHW"),
            (np.moveaxis(A155[:, :4, :5], -1, 1),),
            lambda x: (x.max((2, 3), keepdims=True), _flat_argmax(x)),
        ),
        Sample(
            "max_unpool",
            lambda v, i: max_unpool(v, i, (1, 2, 3, 2)),
            (array(1, 1, 2, 2, seed=5), UNPOOLED),
            lambda v, i: _unpooled(v, i, (1, 2, 3, 2)),
            grad=True,
        ),
        Sample(
            "max_unpool-round-trip",
            lambda t: max_unpool(*max_pool_with_argmax(t, 2, 2, "SAME"), gf.shape(t)),
            (A155,),
            lambda x: np.where(np.isin(x, windows(x, 2, 2, "SAME", 1, largest)), x, 0),
            grad=True,
            unranked=False,
        ),
        Sample(
            "max_unpool-batched",
            lambda t: max_unpool(
                *max_pool_with_argmax(t, 3, 2, "SAME", include_batch_in_index=True),
                (2, 5, 6, 2),
                include_batch_in_index=True,
            ),
            (A155,),
            lambda x: np.where(np.isin(x, windows(x, 3, 2, "SAME", 1, largest)), x, 0),
        ),
    ]


def _flat_argmax(x: Any) -> Any:
    rows = x.reshape(x.shape[0], x.shape[1], -1).argmax(-1)
    return (rows + np.arange(x.shape[1]) * x.shape[2] * x.shape[3])[:, :, None, None]


def _unpooled(values: Any, places: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape)
    for b in range(shape[0]):
        y[b].reshape(-1)[places[b].reshape(-1)] = values[b].reshape(-1)
    return y


def _adaptive() -> list[Sample]:
    means, maxima = np.mean, np.max
    cases: list[tuple[str, Any, Any]] = [
        ("uneven", A155, (3, 4)),
        ("even", A155, (5, 3)),
        ("more", A155, (7, 2)),
        ("one", A155, 1),
        ("1d", A15, (3,)),
        ("3d", A1667, (3, 2, 2)),
    ]
    samples = []
    for label, x, size in cases:
        full = (size,) * (x.ndim - 2) if isinstance(size, int) else size
        samples += [
            Sample(
                f"adaptive_avg_pool-{label}",
                lambda t, s=size: adaptive_avg_pool(t, s),
                (x,),
                lambda x, s=full: adaptive(x, s, means),
                grad=True,
                unranked=False,
            ),
            Sample(
                f"adaptive_max_pool-{label}",
                lambda t, s=size: adaptive_max_pool(t, s),
                (x,),
                lambda x, s=full: adaptive(x, s, maxima),
                grad=x.ndim < 5,
                unranked=False,
            ),
        ]
    return [
        *samples,
        Sample(
            "adaptive_max_pool-int-nchw",
            lambda t: adaptive_max_pool(t, (4, 2), "NCHW"),
            ((CHANNELS_FIRST * 16).astype(np.int32),),
            lambda x: np.moveaxis(adaptive(np.moveaxis(x, 1, -1), (4, 2), maxima), -1, 1),
            unranked=False,
        ),
        Sample(
            "adaptive_avg_pool-float16",
            lambda t: adaptive_avg_pool(t, (2, 4)),
            (A155.astype(np.float16),),
            lambda x: adaptive(x.astype(np.float64), (2, 4), means),
            rtol=2e-3,
            unranked=False,
        ),
    ]


def _normalised(x: Any, radius: int, bias: float, alpha: float, beta: float) -> Any:
    y = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        near = x[(*place[:-1], slice(max(place[-1] - radius, 0), place[-1] + radius + 1))]
        y[place] = x[place] / (bias + alpha * np.sum(near**2)) ** beta
    return y


def _normalisation() -> list[Sample]:
    x = array(2, 2, 3, 7, seed=6)
    return [
        Sample("lrn-default", lrn, (x,), lambda x: _normalised(x, 5, 1, 1, 0.5), grad=True),
        Sample(
            "local_response_normalization",
            lambda t: local_response_normalization(t, 1, 2.0, 0.3, 0.75),
            (x,),
            lambda x: _normalised(x, 1, 2.0, 0.3, 0.75),
            grad=True,
        ),
        Sample(
            "lrn-nchw",
            lambda t: lrn(t, 2, data_format="NCHW"),
            (np.moveaxis(x, -1, 1),),
            lambda x: np.moveaxis(_normalised(np.moveaxis(x, 1, -1), 2, 1, 1, 0.5), -1, 1),
        ),
        Sample(
            "lrn-float16",
            lambda t: lrn(t, 0),
            (np.full((1, 1, 1, 2), 300, np.float16),),
            lambda x: x.astype(np.float64) / np.sqrt(1 + 9e4),
            rtol=1e-3,
        ),
    ]


SAMPLES: list[Sample] = [
    *_cases(),
    *_max_others(),
    *_avg_others(),
    *_with_positions(),
    *_adaptive(),
    *_normalisation(),
]
