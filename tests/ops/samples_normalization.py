"""Samples of normalisation, moments, norms of weights and the kin of dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.op import F
from graphflow.ops import batch_norm, dropout, moments, normalization, weight_norms
from tests.ops.table import Sample, array

TIGHT = 1e-12
CLOSE: dict[str, Any] = {"rtol": TIGHT, "atol": 1e-14}

# --- moments --------------------------------------------------------------------------------------


def _weighted(x: Any, w: Any, axes: Any, keepdims: bool = False) -> Any:
    w = np.broadcast_to(w, np.broadcast_shapes(np.shape(x), np.shape(w)))
    total = w.sum(axes, keepdims=True)
    mean = (w * x).sum(axes, keepdims=True) / total
    variance = (w * (x - mean) ** 2).sum(axes, keepdims=True) / total
    if keepdims:
        return mean, variance
    axes = tuple(range(x.ndim)) if axes is None else axes
    return mean.squeeze(axes), variance.squeeze(axes)


def _moments() -> list[Sample]:
    x, w = array(2, 3, 4), np.abs(array(2, 3, 4, seed=1)) + 0.1
    f, statistics, normalize = (
        moments.weighted_moments,
        moments.sufficient_statistics,
        moments.normalize_moments,
    )

    def back(v: Any, shift: Any = None) -> Any:
        return normalize(*statistics(v, [0, 2], shift=shift))

    return [
        Sample(
            "weighted_moments",
            lambda v, u: f(v, (0, 2), u),
            (x, w),
            lambda v, u: _weighted(v, u, (0, 2)),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "weighted_moments-row",
            lambda v, u: f(v, 1, u, keepdims=True),
            (x, w[0, 0]),
            lambda v, u: _weighted(v, u, 1, True),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "weighted_moments-all", lambda v, u: f(v, None, u), (x, w), lambda v, u: _weighted(v, u, None)
        ),
        Sample(
            "weighted_moments-int",
            lambda v, u: f(v, 0, u),
            (np.array([3, 5]), np.array([1, 3])),
            lambda v, u: (np.float32(4.5), np.float32(0.75)),
        ),
        Sample(
            "weighted_moments-f16",
            lambda v, u: f(v, None, u),
            (np.full(3000, 60.0, np.float16), np.float16(1)),
            lambda v, u: (60.0, 0.0),
        ),
        Sample(
            "sufficient_statistics",
            lambda v: statistics(v, [0, 2])[:3],
            (x,),
            lambda v: (np.float64(8), v.sum((0, 2)), (v**2).sum((0, 2))),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "sufficient_statistics-shift",
            lambda v: statistics(v, 1, shift=0.5, keepdims=True),
            (x,),
            lambda v: (
                np.float64(3),
                (v - 0.5).sum(1, keepdims=True),
                ((v - 0.5) ** 2).sum(1, keepdims=True),
                np.float64(0.5),
            ),
            **CLOSE,
        ),
        Sample(
            "normalize_moments", back, (x,), lambda v: (v.mean((0, 2)), v.var((0, 2))), grad=True, **CLOSE
        ),
        Sample(
            "normalize_moments-shift",
            lambda v: back(v, 1.25),
            (x,),
            lambda v: (v.mean((0, 2)), v.var((0, 2))),
            **CLOSE,
        ),
    ]


# --- layers, groups, instances --------------------------------------------------------------------


def _unit(x: Any, axes: Any, epsilon: float = 1e-5) -> Any:
    x = x.astype(np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def _grouped(x: Any, groups: int, scale: Any = 1, offset: Any = 0, axis: int = -1) -> Any:
    moved = np.moveaxis(x, axis, 1)
    split = moved.reshape(len(x), groups, -1)
    unit = _unit(split, -1).reshape(moved.shape)
    return np.moveaxis(np.moveaxis(unit, 1, -1) * scale + offset, -1, axis)


def _normalisation() -> list[Sample]:
    x, image = array(2, 3, 4), array(2, 3, 5, 4)
    row, other = array(4, seed=1), array(4, seed=2)
    group, instance = normalization.group_norm, normalization.instance_norm
    known: dict[str, Any] = {**CLOSE, "unranked": False}
    return [
        Sample(
            "rms_norm",
            normalization.rms_norm,
            (x, row),
            lambda v, s: v / np.sqrt((v**2).mean(-1, keepdims=True) + 1e-6) * s,
            grad=True,
            **CLOSE,
        ),
        Sample(
            "rms_norm-axes",
            lambda v: normalization.rms_norm(v, axis=(0, 2), epsilon=0.1),
            (x,),
            lambda v: v / np.sqrt((v**2).mean((0, 2), keepdims=True) + 0.1),
            grad=True,
            **CLOSE,
        ),
        Sample(
            "rms_norm-bf16",
            normalization.rms_norm,
            (x.astype(gf.bfloat16),),
            lambda v: v.astype("f8") / np.sqrt((v.astype("f8") ** 2).mean(-1, keepdims=True)),
            strict=False,
            atol=2e-2,
        ),
        Sample(
            "l2_normalize-f16",
            lambda v: F.l2_normalize(v, -1),
            (np.array([[300.0, 400.0]], np.float16),),
            lambda v: np.array([[0.6, 0.8]]),
            atol=1e-3,
        ),
        Sample(
            "group_norm",
            lambda v, s, o: group(v, 2, s, o),
            (image, row, other),
            lambda v, s, o: _grouped(v, 2, s, o),
            grad=True,
            **known,
        ),
        Sample("group_norm-plain", lambda v: group(v, 4), (x,), lambda v: _grouped(v, 4), grad=True, **known),
        Sample(
            "group_norm-second",
            lambda v, s: group(v, 3, s, axis=1),
            (image, array(3, seed=3)),
            lambda v, s: _grouped(v, 3, s, axis=1),
            **known,
        ),
        Sample("group_norm-2d", lambda v: group(v, 2), (x[0],), lambda v: _grouped(v, 2), **known),
        Sample(
            "group_norm-f16",
            lambda v: group(v, 2),
            ((image * 100).astype("f2"),),
            lambda v: _grouped(v.astype("f8"), 2),
            atol=5e-3,
            unranked=False,
        ),
        Sample("group_norm-none", lambda v: group(v, 2), (image[:0],), lambda v: v, **known),
        Sample(
            "instance_norm",
            instance,
            (image, row, other),
            lambda v, s, o: _unit(v, (1, 2)) * s + o,
            grad=True,
            **known,
        ),
        Sample(
            "instance_norm-second",
            lambda v, s: instance(v, s, axis=1, epsilon=0.01),
            (image, array(3, seed=3)),
            lambda v, s: _unit(v, (2, 3), 0.01) * s[:, None, None],
            **known,
        ),
        Sample(
            "instance_norm-f32",
            instance,
            (image.astype("f4"),),
            lambda v: _unit(v, (1, 2)),
            atol=1e-5,
            unranked=False,
        ),
    ]


# --- batches --------------------------------------------------------------------------------------


def _fused(x: Any, scale: Any, offset: Any, channel: int = -1, epsilon: float = 1e-3) -> Any:
    axes = tuple(k for k in range(x.ndim) if k != channel % x.ndim)
    n = x.size // x.shape[channel]
    moved = np.moveaxis(x.astype(np.float64), channel, -1)
    unit = _unit(moved, tuple(range(x.ndim - 1)), epsilon) * scale + offset
    wide = x.astype(np.float64)
    return np.moveaxis(unit, -1, channel), wide.mean(axes), wide.var(axes) * (n / max(n - 1, 1))


def _batches() -> list[Sample]:
    x, image = array(5, 4), array(2, 3, 5, 4)
    row, other = array(4, seed=1), array(4, seed=2)
    mean, variance = array(4, seed=3), np.abs(array(4, seed=4)) + 0.1
    three = array(3, seed=5)
    f, plain = batch_norm.fused_batch_norm, batch_norm.batch_norm
    known: dict[str, Any] = {**CLOSE, "unranked": False}
    return [
        Sample("fused_batch_norm", f, (image, row, other), _fused, grad=True, **known),
        Sample("fused_batch_norm-2d", f, (x, row, other), _fused, grad=True, **known),
        Sample(
            "fused_batch_norm-NCHW",
            lambda v, s, o: f(v, s, o, data_format="NCHW", epsilon=0.1),
            (image, three, three + 1),
            lambda v, s, o: _fused(v, s, o, 1, 0.1),
            grad=True,
            **known,
        ),
        Sample(
            "fused_batch_norm-f16",
            f,
            (image.astype("f2"), row.astype("f4"), other.astype("f4")),
            _fused,
            atol=5e-3,
            unranked=False,
        ),
        Sample(
            "fused_batch_norm-inference",
            lambda v, s, o, m, q: f(v, s, o, m, q, is_training=False),
            (image, row, other, mean, variance),
            lambda v, s, o, m, q: ((v - m) / np.sqrt(q + 1e-3) * s + o, m, q),
            grad=True,
            **known,
        ),
        Sample(
            "fused_batch_norm-one",
            f,
            (x[:1], row, other),
            lambda v, s, o: (np.broadcast_to(o, v.shape), v[0], 0 * v[0]),
            **known,
        ),
        Sample(
            "batch_norm-axis",
            lambda v, m, q, o, s: plain(v, m, q, o, s, axis=1),
            (image, three, np.abs(three) + 0.1, three + 1, three - 1),
            lambda v, m, q, o, s: np.moveaxis((np.moveaxis(v, 1, -1) - m) / np.sqrt(q + 1e-3) * s + o, -1, 1),
            grad=True,
            **known,
        ),
    ]


# --- weights --------------------------------------------------------------------------------------


def _lengths(v: Any, axes: Any) -> Any:
    return np.sqrt((v**2).sum(axes, keepdims=True))


def _powered(w: Any, u: Any, rounds: int = 1, axis: int = -1) -> Any:
    m = np.moveaxis(w, axis, -1).reshape(-1, w.shape[axis])
    for _ in range(rounds):
        v = m @ u / np.linalg.norm(m @ u)
        u = m.T @ v / np.linalg.norm(m.T @ v)
    return w / (v @ m @ u), u


def _weights() -> list[Sample]:
    w, kernel = array(3, 4), array(2, 3, 4)
    u = array(4, seed=1)
    f, spectral = weight_norms.weight_norm, weight_norms.spectral_norm
    known: dict[str, Any] = {**CLOSE, "unranked": False}
    left, right = np.linalg.qr(array(5, 3))[0], np.linalg.qr(array(3, 3, seed=1))[0]
    clear = left * np.array([5.0, 0.5, 0.1]) @ right.T
    return [
        Sample("weight_norm", f, (w, u), lambda v, g: g * v / _lengths(v, 0), grad=True, **known),
        Sample(
            "weight_norm-first",
            lambda v, g: f(v, g, axis=0),
            (kernel, u[:2]),
            lambda v, g: g[:, None, None] * v / _lengths(v, (1, 2)),
            grad=True,
            **known,
        ),
        Sample("weight_norm-scalar", lambda v: f(v, 2.0), (w,), lambda v: 2 * v / _lengths(v, 0), **known),
        Sample("spectral_norm", spectral, (w, u), _powered, **known),
        Sample(
            "spectral_norm-kernel",
            lambda v, s: spectral(v, s, 3, axis=1),
            (kernel, u[:3]),
            lambda v, s: _powered(v, s, 3, 1),
            **known,
        ),
        Sample(
            "spectral_norm-converged",
            lambda v, s: spectral(v, s, 30)[0],
            (clear, u[:3]),
            lambda v, s: v / np.linalg.svd(v)[1][0],
            **known,
        ),
        Sample(
            "spectral_norm-gradient",  # at a fixed point the vectors that are held fixed are the singular ones
            lambda v: spectral(v, np.ascontiguousarray(right[:, 0]))[0],
            (clear,),
            lambda v: v / 5,
            grad=True,
            second_order=False,
            **known,
        ),
    ]


# --- dropout --------------------------------------------------------------------------------------


def _whole_maps(channel: int) -> Callable[..., None]:
    """Whole feature maps are 0 or scaled."""

    def check(result: Any, x: Any) -> None:
        zero = np.moveaxis(result == 0, channel, 1).reshape(len(x), x.shape[channel], -1)
        assert (zero.all(-1) | ~zero.any(-1)).all()
        assert 0.3 < zero.mean() < 0.7
        np.testing.assert_allclose(result[result != 0], 2 * x[result != 0], rtol=1e-6)

    return check


def _self_normalised(result: Any, x: Any, *_: Any) -> None:
    """Two kinds of elements, of mean 0 and variance 1 together."""
    assert abs(result.mean()) < 0.03
    assert abs(result.std() - 1) < 0.03
    assert 0.15 < np.unique(result, return_counts=True)[1].max() / x.size < 0.25


def _dropouts() -> list[Sample]:
    maps = np.abs(array(20, 3, 3, 10)) + 0.1
    normal = np.random.default_rng(0).standard_normal((100, 200))
    common: dict[str, Any] = {"strict": False, "tags": ("random",)}
    f, alpha = dropout.spatial_dropout, dropout.alpha_dropout
    return [
        Sample(
            "spatial_dropout",
            lambda v: f(v, 0.5, seed=1),
            (maps,),
            check=_whole_maps(-1),
            unranked=False,
            **common,
        ),
        Sample(
            "spatial_dropout-NCHW",
            lambda v: f(v, 0.5, "NCHW", seed=2),
            (np.moveaxis(maps, -1, 1),),
            check=_whole_maps(1),
            unranked=False,
            **common,
        ),
        Sample(
            "spatial_dropout-off", lambda v: f(v, 0.5, training=False) + 0, (maps,), np.array, unranked=False
        ),
        Sample("alpha_dropout", lambda v: alpha(v, 0.2, seed=1), (normal,), check=_self_normalised, **common),
        Sample(
            "alpha_dropout-fed",
            lambda v, r: alpha(v, r, training=gf.constant(True), seed=1),
            (normal, np.float64(0.2)),
            check=_self_normalised,
            **common,
        ),
        Sample(
            "alpha_dropout-off",
            lambda v: alpha(v, 0.5, training=False) + 0,
            (normal[0],),
            np.array,
            grad=True,
        ),
        Sample("alpha_dropout-0", lambda v: alpha(v, 0.0) + 0, (normal[0],), np.array),
        Sample(
            "dropout-rows-unknown",
            lambda v: F.dropout(v, 0.5, noise_shape=(None, 1, 1, None), seed=4),
            (maps,),
            check=_whole_maps(-1),
            unranked=False,
            **common,
        ),
    ]


SAMPLES: list[Sample] = [*_moments(), *_normalisation(), *_batches(), *_weights(), *_dropouts()]
