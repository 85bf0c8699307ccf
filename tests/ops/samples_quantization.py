"""Samples of quantisation, fake quantisation, and exact products of small integers."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.ops import integer_convolution, integer_products, quantization, ranged_quantization
from tests.ops.table import Sample, array

NAN, INF = np.nan, np.inf


def _saturated(x: Any, dtype: Any) -> Any:
    """Float64 to integers, the nearest one that there is; NaN is 0."""
    limits = np.iinfo(dtype)
    return np.clip(np.nan_to_num(x, nan=0.0, posinf=1e30, neginf=-1e30), limits.min, limits.max).astype(dtype)


def _quantize(x: Any, scale: Any, zero: Any = 0, dtype: Any = "uint8") -> Any:
    with np.errstate(invalid="ignore"):
        steps = np.rint(x.astype(np.float64) / np.asarray(scale, np.float64)) + np.asarray(zero, np.float64)
    return _saturated(steps, dtype)


def _dequantize(x: Any, scale: Any, zero: Any = 0) -> Any:
    return (x.astype(np.float64) - np.asarray(zero, np.float64)) * np.asarray(scale, np.float64)


# --- linear ---------------------------------------------------------------------------------------


def _linear() -> list[Sample]:
    quantize, dequantize = quantization.quantize_linear, quantization.dequantize_linear
    x = array(3, 4, low=-40, high=40)
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.5, 500.0, -500.0, NAN, INF, -INF])
    scales = np.array([0.25, 0.5, 1.0, 2.0])
    found = [
        Sample("quantize_linear", lambda v: quantize(v, 0.5), (x,), lambda v: _quantize(v, 0.5)),
        Sample(
            "quantize_linear-halves",
            lambda v: quantize(v, 1.0, dtype="int8"),
            (halves,),
            lambda v: _quantize(v, 1, 0, "int8"),
        ),
        Sample(
            "quantize_linear-f32",
            lambda v: quantize(v, np.float32(0.5), np.int8(-3)),
            (halves.astype("f4"),),
            lambda v: _quantize(v, 0.5, -3, "int8"),
        ),
        Sample(
            "quantize_linear-f16",
            lambda v: quantize(v, 0.5, 7, dtype="uint8"),
            (x.astype("f2"),),
            lambda v: _quantize(v, 0.5, 7),
        ),
        Sample(
            "quantize_linear-axis",
            quantize,
            (x, scales, np.array([0, 10, 128, 255], np.uint8)),
            _quantize,
            unranked=False,
        ),
        Sample(
            "quantize_linear-axis0",
            lambda v, s: quantize(v, s, axis=0, dtype="int16"),
            (x, scales[:3]),
            lambda v, s: _quantize(v, s[:, None], 0, "int16"),
            unranked=False,
        ),
        Sample(
            "quantize_linear-axis-of-3",
            lambda v, s: quantize(v, s, axis=-2),
            (array(2, 3, 4, high=90), scales[:3]),
            lambda v, s: _quantize(v, s[:, None]),
            unranked=False,
        ),
        Sample("quantize_linear-empty", lambda v: quantize(v, 1.0), (x[:0],), lambda v: v.astype("u1")),
        Sample(
            "quantize_linear-int32-fine",
            lambda v: quantize(v, np.float32(1), np.int32(5)),
            (np.array([16777217.0, -2e9, 3e9]),),
            lambda v: _quantize(v, 1, 5, "int32"),
        ),
    ]
    for dtype in ("int8", "uint8", "int16", "uint16", "int32"):
        limits = np.iinfo(dtype)
        ends = np.array([limits.min, limits.max, limits.max // 2, 0], dtype)
        found += [
            Sample(
                f"quantize_linear-{dtype}",
                lambda v, d=dtype: quantize(v, 1e-3, dtype=d),
                (x,),
                lambda v, d=dtype: _quantize(v, np.float32(1e-3) if v.dtype != float else 1e-3, 0, d),
            ),
            Sample(
                f"dequantize_linear-{dtype}",
                lambda v, z: dequantize(v, np.float32(0.25), z),
                (ends, np.asarray(limits.max // 3, dtype)),
                lambda v, z: _dequantize(v, 0.25, z).astype("f4"),
                unranked=False,
            ),
        ]
    found += [
        Sample(
            "dequantize_linear-axis",
            dequantize,
            (np.arange(12, dtype=np.uint8).reshape(3, 4), scales, np.array([0, 1, 2, 250], np.uint8)),
            _dequantize,
            unranked=False,
        ),
        Sample(
            "dequantize_linear-scale-gradient",
            lambda v, s: dequantize(v, s, axis=0),
            (np.arange(6, dtype=np.int8).reshape(2, 3), scales[:2]),
            lambda v, s: v * s[:, None],
            grad=True,
            unranked=False,
        ),
        Sample(
            "dequantize_linear-f16",
            lambda v, s: dequantize(v, s),
            (np.array([3, -7], np.int8), np.float16(0.1)),
            lambda v, s: _dequantize(v, s),
            rtol=1e-3,
            unranked=False,
        ),
        Sample(
            "dynamic_quantize_linear",
            quantization.dynamic_quantize_linear,
            (array(3, 4, dtype=np.float32),),
            _dynamic,
        ),
        Sample(
            "dynamic_quantize_linear-positive",
            quantization.dynamic_quantize_linear,
            (np.array([1, 2, 7], np.float32),),
            _dynamic,
        ),
        Sample(
            "dynamic_quantize_linear-zeros",
            quantization.dynamic_quantize_linear,
            (np.zeros(3, np.float32),),
            lambda v: (v.astype("u1"), np.float32(1), np.uint8(0)),
        ),
    ]
    return found


def _dynamic(x: Any) -> Any:
    low, high = min(x.min(), 0), max(x.max(), 0)
    scale = np.float32(high - low) / np.float32(255)
    zero = np.rint(-np.float32(low) / scale).astype(np.uint8)
    return _saturated(np.rint(x / scale) + np.float32(zero), "uint8"), scale, zero


# --- by range -------------------------------------------------------------------------------------


def _away(x: Any) -> Any:
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def _ranged(x: Any, low: float, high: float, dtype: str, mode: str, even: bool = False) -> Any:
    limits = np.iinfo(dtype)
    least, largest = int(limits.min), int(limits.max)
    if mode == "SCALED":
        sides = [b / e for b, e in ((least, low), (largest, high)) if b * e > 0]
        scale = min(sides)
        low, high = least / scale, largest / scale
        steps = (np.rint if even else _away)(np.clip(x, low, high) * scale)
    elif mode == "MIN_COMBINED":
        steps = _away((np.clip(x, low, high) - low) * (largest - least) / (high - low) + least)
    else:
        scale = (largest - least) / (high - low)
        steps = _away(np.clip(x, low, high) * scale) - _away(low * scale) + least
    return _saturated(steps, dtype), np.float32(low), np.float32(high)


def _by_range() -> list[Sample]:
    quantize, dequantize = ranged_quantization.quantize, ranged_quantization.dequantize
    x = array(4, 5, low=-7, high=9)
    found = []
    for mode in ranged_quantization.MODES:
        found += [
            Sample(
                f"quantize-{mode}-{dtype}",
                lambda v, m=mode, d=dtype: quantize(v, -6.3, 7.9, d, m),
                (x,),
                lambda v, m=mode, d=dtype: _ranged(v, np.float32(-6.3), np.float32(7.9), d, m),
            )
            for dtype in ("int8", "uint8", "int16")
        ]

        def back(v: Any, m: str = mode) -> Any:
            return dequantize(*quantize(v, -8.0, 10.0, "int16", m), m)

        found.append(Sample(f"dequantize-{mode}", back, (x,), lambda v: v.astype("f4"), atol=3e-4))
    found += [
        Sample(
            "quantize-even",
            lambda v: quantize(v, -127.0, 127.0, "int8", "SCALED", "HALF_TO_EVEN"),
            (np.array([0.5, 1.5, -2.5]),),
            lambda v: _ranged(v, -127, 127, "int8", "SCALED", True),
        ),
        Sample(
            "quantize-int32",
            lambda v: quantize(v, 0.0, 4.0, "int32"),
            (np.array([0.0, 1.0, 4.0, 9.0]),),
            lambda v: _ranged(v, 0, 4, "int32", "MIN_COMBINED"),
        ),
        Sample(
            "quantize-one-sided",
            lambda v: quantize(v, 0.0, 2.0, "uint8", "SCALED"),
            (np.array([-1.0, 1.0, 3.0], np.float16),),
            lambda v: (np.array([0, 128, 255], np.uint8), np.float32(0), np.float32(2)),
        ),
        Sample(
            "dequantize-uint8",
            lambda v: dequantize(v, -1.0, 4.1),
            (np.array([0, 51, 255], np.uint8),),
            lambda v: np.array([-1, 0.02, 4.1]),
            atol=1e-6,
        ),
        Sample(
            "dequantize-int32",
            lambda v: dequantize(v, -1.0, 1.0, "SCALED"),
            (np.array([0, 2**30, -(2**31)], np.int32),),
            lambda v: v / 2.0**31,
            rtol=1e-6,
        ),
    ]
    return found


# --- fake quantisation ----------------------------------------------------------------------------


def _fake(x: Any, low: Any, high: Any, bits: int = 8, narrow: bool = False) -> Any:
    x, low, high = [np.asarray(v, np.float64) for v in (x, low, high)]
    least, largest = int(narrow), 2**bits - 1
    scale = (high - low) / (largest - least)
    zero = np.clip(_away(least - low / scale), least, largest)
    start, stop = (least - zero) * scale, (largest - zero) * scale
    return np.floor((np.clip(x, start, stop) - start) / scale + 0.5) * scale + start


def _passed(x: Any, low: Any, high: Any) -> Any:
    """The gradients of the sum: to x where it is in range, to the bounds where it is not."""
    least, largest = 0, 255
    scale = (high - low) / 255
    zero = np.clip(_away(-low / scale), least, largest)
    start, stop = -zero * scale, (255 - zero) * scale
    return ((x >= start) & (x <= stop)).astype(float), (x < start).sum(0), (x > stop).sum(0)


def _fakes() -> list[Sample]:
    args = ranged_quantization.fake_quant_with_min_max_args
    variables = ranged_quantization.fake_quant_with_min_max_vars
    channels = ranged_quantization.fake_quant_with_min_max_vars_per_channel
    x = array(5, 4, low=-9, high=9)
    low, high = np.array([-6.0, -1.0, 0.0, -8.0]), np.array([6.0, 2.0, 5.0, 0.5])
    return [
        Sample("fake_quant_args", args, (x,), lambda v: _fake(v, -6, 6), rtol=1e-12, atol=1e-13),
        Sample(
            "fake_quant_args-narrow",
            lambda v: args(v, -1.0, 3.0, 4, True),
            (x.astype("f4"),),
            lambda v: _fake(v, -1, 3, 4, True),
            atol=1e-5,
        ),
        Sample(
            "fake_quant_vars",
            variables,
            (x, np.float64(-1.3), np.float64(4.4)),
            _fake,
            rtol=1e-12,
            atol=1e-13,
        ),
        Sample(
            "fake_quant_vars-empty",
            variables,
            (x, np.float64(0), np.float64(0)),
            lambda v, a, b: 0 * v,
        ),
        Sample(
            "fake_quant_vars-special",
            variables,
            (np.array([NAN, INF, -INF]), np.float64(-1), np.float64(1)),
            lambda v, a, b: _fake(v, a, b),
            rtol=1e-12,
        ),
        Sample("fake_quant_channels", channels, (x, low, high), _fake, rtol=1e-12, atol=1e-13),
        Sample(
            "fake_quant_channels-gradient",
            lambda v, a, b: gf.gradients(channels(v, a, b), [v, a, b]),
            (x, low, high),
            _passed,
        ),
        Sample(
            "fake_quant_args-gradient",
            lambda v: gf.gradients(args(v, -1.0, 2.0), v)[0],
            (x,),
            lambda v: _passed(v, -1.0, 2.0)[0],
        ),
    ]


# --- products -------------------------------------------------------------------------------------


def _product(a: Any, b: Any, za: Any = 0, zb: Any = 0) -> Any:
    """By its definition, in Python's integers, cut to 32 bits."""
    za, zb = np.asarray(za).astype(object), np.asarray(zb).astype(object)
    x = a.astype(object) - (za[:, None] if za.ndim else za)
    total = x @ (b.astype(object) - zb)
    return ((np.asarray(total, object) + 2**31) % 2**32 - 2**31).astype(np.int32)


def _whole(*shape: int, dtype: str = "int8", seed: int = 0) -> Any:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)


def _products() -> list[Sample]:
    f, q = integer_products.matmul_integer, integer_products.qlinear_matmul
    a, b = _whole(3, 5), _whole(5, 4, seed=1)
    unsigned = _whole(5, 4, dtype="uint8", seed=2)
    long, tall = np.full((2, 1100), -128, np.int8), np.full((1100, 3), -128, np.int8)
    bright = np.full((2, 600), 255, np.uint8)
    return [
        Sample("matmul_integer", f, (a, b), _product),
        Sample("matmul_integer-mixed", f, (a, unsigned), _product),
        Sample(
            "matmul_integer-zeros", f, (a, unsigned, np.int8(-7), np.uint8(130)), _product, unranked=False
        ),
        Sample(
            "matmul_integer-vectors",
            f,
            (a, b, np.array([-128, 0, 127], np.int8), np.array([1, -1, 5, 100], np.int8)),
            _product,
            unranked=False,
        ),
        Sample("matmul_integer-long", f, (long, tall), _product),
        Sample("matmul_integer-long-unsigned", f, (bright, bright.T.copy()), _product),
        Sample(
            "matmul_integer-long-zeros",
            lambda x, y: f(x, y, np.uint8(0), np.uint8(1)),
            (bright, bright.T[:, :1]),
            lambda x, y: _product(x, y, 0, 1),
        ),
        Sample("matmul_integer-strides", f, (a[::-1, ::-1], b[:, ::2]), _product),
        Sample(
            "matmul_integer-one-zero",
            lambda x, y: f(x, y, b_zero_point=3),
            (a, b),
            lambda x, y: _product(x, y, 0, 3),
        ),
        Sample("matmul_integer-inner-empty", f, (a[:, :0], b[:0]), _product),
        Sample("matmul_integer-no-rows", f, (a[:0], b), _product),
        Sample("matmul_integer-vector", f, (a[0], b), lambda x, y: _product(x[None], y)[0]),
        Sample("matmul_integer-inner", f, (a[0], b[:, 0]), lambda x, y: _product(x[None], y[:, None])[0, 0]),
        Sample(
            "matmul_integer-batch",
            f,
            (_whole(2, 3, 5), _whole(2, 5, 4, seed=3)),
            lambda x, y: np.stack([_product(p, r) for p, r in zip(x, y, strict=True)]),
        ),
        Sample(
            "matmul_integer-batch-long",
            f,
            (np.stack([bright, bright]), bright.T.copy()),
            lambda x, y: np.stack([_product(p, y) for p in x]),
        ),
        Sample(
            "qlinear_matmul",
            lambda x, y: q(x, 0.02, np.int8(3), y, 0.05, np.uint8(120), 0.7, np.uint8(99)),
            (a, unsigned),
            lambda x, y: _requantized(
                _product(x, y, 3, 120), np.float32(0.02) * np.float64(np.float32(0.05)), 0.7, 99
            ),
        ),
        Sample(
            "qlinear_matmul-vectors",
            lambda x, y, s, t: q(x, s, np.zeros(3, np.int8), y, t, np.zeros(4, np.int8), 0.5, np.int8(0)),
            (a, b, np.array([0.01, 0.02, 0.03]), np.array([0.1, 0.2, 0.3, 0.4])),
            lambda x, y, s, t: _quantize(_product(x, y) * s[:, None] * t, 0.5, 0, "int8"),
            unranked=False,
        ),
    ]


def _requantized(total: Any, factor: float, scale: float, zero: int) -> Any:
    return _quantize(total * np.float64(factor), np.float64(np.float32(scale)), zero)


# --- convolutions ---------------------------------------------------------------------------------


def _convolved(x: Any, w: Any, zx: int = 0, zw: Any = 0, stride: int = 1, pad: int = 0) -> Any:
    """[n, h, w, c] by [kh, kw, c, m], by loops over the windows, in Python's integers."""
    x, w = x.astype(object) - zx, w.astype(object) - np.asarray(zw).astype(object)
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    kh, kw = w.shape[:2]
    rows, columns = [(size - k) // stride + 1 for size, k in ((x.shape[1], kh), (x.shape[2], kw))]
    out = np.zeros((x.shape[0], rows, columns, w.shape[3]), object)
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, i, j] = window.reshape(len(x), -1) @ w.reshape(-1, w.shape[3])
    return out.astype(np.int32)


def _convolutions() -> list[Sample]:
    f, q = integer_convolution.conv_integer, integer_convolution.qlinear_conv
    x, w = _whole(2, 5, 4, 3, dtype="uint8"), _whole(3, 2, 3, 4, seed=1)
    same = _whole(2, 5, 4, 3, seed=2)
    deep, kernel = np.full((1, 2, 2, 300), 255, np.uint8), np.full((2, 2, 300, 1), -128, np.int8)
    known: dict[str, Any] = {"unranked": False}
    return [
        Sample("conv_integer", f, (x, w), _convolved, **known),
        Sample("conv_integer-same-type", f, (same, w), _convolved, **known),
        Sample("conv_integer-deep", f, (deep, kernel), _convolved, **known),
        Sample(
            "conv_integer-zeros",
            lambda v, k: f(v, k, 130, np.array([1, -5, 0, 127], np.int8), strides=2, padding=1),
            (x, w),
            lambda v, k: _convolved(v, k, 130, [1, -5, 0, 127], 2, 1),
            **known,
        ),
        Sample(
            "conv_integer-NCHW",
            lambda v, k: f(v, k, x_zero_point=7, data_format="NCHW"),
            (np.moveaxis(x, -1, 1), w),
            lambda v, k: np.moveaxis(_convolved(np.moveaxis(v, 1, -1), k, 7), -1, 1),
        ),
        Sample(
            "qlinear_conv",
            lambda v, k: q(v, 0.02, 130, k, 0.05, np.int8(3), 0.7, np.uint8(99)),
            (x, w),
            lambda v, k: _requantized(
                _convolved(v, k, 130, 3), np.float64(np.float32(0.02)) * np.float64(np.float32(0.05)), 0.7, 99
            ),
            **known,
        ),
        Sample(
            "qlinear_conv-NCHW",
            lambda v, k, s, b: q(
                v, 0.5, np.uint8(9), k, s, np.int8(0), 64.0, np.int8(-2), b, padding=1, data_format="NCHW"
            ),
            (
                np.moveaxis(x, -1, 1),
                w,
                np.array([0.25, 0.5, 1.0, 2.0]),
                np.array([1000, -1000, 0, 7], np.int32),
            ),
            lambda v, k, s, b: np.moveaxis(
                _quantize(
                    (_convolved(np.moveaxis(v, 1, -1), k, 9, 0, 1, 1) + b) * (0.5 * s), 64.0, -2, "int8"
                ),
                -1,
                1,
            ),
            **known,
        ),
    ]


SAMPLES: list[Sample] = [*_linear(), *_by_range(), *_fakes(), *_products(), *_convolutions()]
