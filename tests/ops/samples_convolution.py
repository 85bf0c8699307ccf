"""Samples of convolutions: plain, grouped, dilated, depthwise, separable."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from graphflow.ops.convolution import (
    atrous_conv2d,
    conv,
    conv1d,
    conv2d,
    conv3d,
    convolution,
    depthwise_conv2d,
    depthwise_conv2d_native,
    separable_conv2d,
)
from tests.ops.convolution_reference import convolved
from tests.ops.table import Sample, array

X1, W1 = array(2, 9, 3, seed=1), array(3, 3, 4, seed=2)
X2, W2 = array(2, 6, 5, 3, seed=3), array(3, 2, 3, 4, seed=4)
X3, W3 = array(1, 4, 3, 5, 2, seed=5), array(2, 3, 2, 2, 3, seed=6)
X2F = array(2, 3, 6, 5, seed=7)
X4, W4 = array(2, 2, 3, 2, 2, 2, seed=8), array(1, 2, 2, 1, 2, 2, seed=9)
WIDE = array(1, 4, 4, 16, seed=10)
PAIRS = ((1, 0), (2, 1))
COMPLEX = X2 + 1j * array(2, 6, 5, 3, seed=11)
SPECIAL = X2.copy()
SPECIAL[0, 2, 2, 0], SPECIAL[1, 0, 0, 1] = np.nan, np.inf


def _conv(label: str, x: Any, w: Any, grad: bool = True, rtol: float = 1e-6, **options: Any) -> Sample:
    """A sample of `conv`; the options are those of `convolved`."""
    first = options.get("first", False)
    arguments = {name: value for name, value in options.items() if name != "first"}
    return Sample(
        f"conv-{label}",
        lambda x, w: conv(x, w, data_format="NC..." if first else None, **arguments),
        (x, w),
        lambda x, w: convolved(x, w, **options),
        grad=grad and x.dtype == np.float64,
        rtol=rtol,
        atol=1e-12 if x.dtype.itemsize >= 8 else 1e-6,
        unranked=False,
    )


def _geometries() -> list[Sample]:
    cases: list[tuple[str, Any, Any, dict[str, Any]]] = [
        ("1d", X1, W1, {}),
        ("1d-same-strided", X1, W1, {"strides": 2, "padding": "SAME"}),
        ("1d-dilated", X1, W1, {"dilations": 3}),
        ("1d-first", array(2, 3, 9, seed=12), W1, {"padding": "SAME", "first": True}),
        ("2d", X2, W2, {}),
        ("2d-same", X2, W2, {"padding": "SAME"}),
        ("2d-strides", X2, W2, {"strides": (2, 1)}),
        ("2d-same-strides", X2, W2, {"strides": (2, 3), "padding": "SAME"}),
        ("2d-pairs", X2, W2, {"padding": PAIRS, "strides": (1, 2)}),
        ("2d-dilated", X2, W2, {"dilations": (2, 3), "padding": "SAME"}),
        ("2d-first", X2F, W2, {"padding": "SAME", "strides": 2, "first": True}),
        ("2d-point", X2, array(1, 1, 3, 4, seed=13), {}),
        ("2d-point-strided", X2, array(1, 1, 3, 4, seed=13), {"strides": 2}),
        ("2d-point-first", X2F, array(1, 1, 3, 4, seed=13), {"first": True}),
        ("2d-point-padded", X2, array(1, 1, 3, 4, seed=13), {"padding": ((1, 0), (0, 2))}),
        ("2d-whole", X2, array(6, 5, 3, 2, seed=14), {}),
        ("2d-larger-than-input", X2, array(7, 9, 3, 2, seed=15), {"padding": "SAME"}),
        ("2d-larger-stride", X2, W2, {"strides": 5, "padding": "SAME"}),
        ("2d-few-outputs", WIDE, array(3, 3, 16, 1, seed=16), {"padding": "SAME"}),
        ("2d-few-inputs", array(1, 4, 4, 1, seed=17), array(3, 3, 1, 16, seed=18), {"padding": "SAME"}),
        ("2d-one-row", array(2, 1, 7, 2, seed=19), array(1, 3, 2, 2, seed=20), {}),
        ("3d", X3, W3, {"padding": "SAME"}),
        ("3d-strided", X3, W3, {"strides": (1, 1, 2), "dilations": (2, 1, 1)}),
        ("3d-first", array(1, 2, 4, 3, 5, seed=21), W3, {"first": True}),
        ("4d", X4, W4, {}),
        ("grouped", array(2, 5, 4, 6, seed=22), array(3, 2, 2, 9, seed=23), {"groups": 3}),
        (
            "grouped-first",
            array(2, 6, 5, 4, seed=24),
            array(3, 2, 2, 6, seed=25),
            {"groups": 3, "first": True, "padding": "SAME"},
        ),
        ("grouped-single", array(1, 4, 4, 8, seed=26), array(2, 3, 1, 8, seed=27), {"groups": 8}),
        (
            "grouped-strided",
            array(1, 5, 4, 4, seed=28),
            array(3, 2, 2, 4, seed=29),
            {"groups": 2, "strides": 2, "padding": "SAME"},
        ),
    ]
    return [_conv(label, x, w, **options) for label, x, w, options in cases]


def _dtypes() -> list[Sample]:
    ints = array(2, 6, 5, 3, dtype=np.int32, seed=30, low=-9, high=9)
    samples = [
        _conv(f"{np.dtype(d).name}", X2.astype(d), W2.astype(d), padding="SAME", rtol=rtol)
        for d, rtol in ((np.float32, 1e-5), (np.float16, 5e-3), (ml_dtypes.bfloat16, 3e-2))
    ]
    samples += [
        _conv("float16-first", X2F.astype(np.float16), W2.astype(np.float16), first=True, rtol=5e-3),
        _conv("complex128", COMPLEX, W2 * (1 + 2j)),
        _conv("complex64", COMPLEX.astype(np.complex64), (W2 * 1j).astype(np.complex64), rtol=1e-4),
        _conv("int32", ints, (W2 * 9).astype(np.int32), padding="SAME"),
        _conv("int64", ints.astype(np.int64), (W2 * 9).astype(np.int64), strides=2),
        _conv("uint8-small", ints.astype(np.uint8) % 4, (np.abs(W2) * 2).astype(np.uint8)),
        Sample(
            "conv-int8-wraps",
            lambda x, w: conv(x, w),
            ((X2 * 60).astype(np.int8), (W2 * 60).astype(np.int8)),
            lambda x, w: convolved(x, w).astype(np.int64).astype(np.int8),
            unranked=False,
        ),
        Sample(
            "conv-int8-in-int32",
            lambda x, w: conv(x, w, padding="SAME", out_dtype="int32"),
            ((X2 * 60).astype(np.int8), (W2 * 60).astype(np.int8)),
            lambda x, w: convolved(x, w, padding="SAME").astype(np.int32),
            unranked=False,
        ),
        Sample(
            "conv-int32-in-int64",
            lambda x, w: conv(x, w, out_dtype="int64"),
            (ints * 2**20, (W2 * 9).astype(np.int32) * 2**20),
            lambda x, w: convolved(x, w).astype(np.int64),
            unranked=False,
        ),
        Sample(
            "conv-int-float",
            lambda x, w: conv(x, w),
            (ints, W2),
            lambda x, w: convolved(x.astype(float), w),
            unranked=False,
        ),
        _conv("special-values", SPECIAL, W2, grad=False),
    ]
    return samples


def _layouts() -> list[Sample]:
    return [
        _conv("empty-batch", X2[:0], W2),
        _conv("empty-size", X2[:, :0], array(1, 2, 3, 4, seed=31)),
        _conv("empty-size-same", X2[:, :, :0], W2, padding="SAME", strides=2),
        _conv("empty-channels", X2[..., :0], W2[:, :, :0]),
        _conv("empty-outputs", X2, W2[..., :0]),
        _conv("strides-of-views", X2[::-1, :, ::2], W2[::-1, :, :, ::2], padding="SAME"),
        _conv("transposed-view", X2F.transpose(0, 2, 3, 1), W2.transpose(1, 0, 2, 3)),
    ]


def _functions() -> list[Sample]:
    deep, point = array(2, 3, 3, 2, seed=32), array(1, 1, 6, 4, seed=33)

    def depthwise(x: Any, w: Any, **options: Any) -> Any:
        return convolved(x, w.reshape(*w.shape[:2], 1, -1), groups=x.shape[-1], **options)

    return [
        Sample("conv1d", conv1d, (X1, W1), convolved, grad=True),
        Sample(
            "conv1d-NCW",
            lambda x, w: conv1d(x, w, 2, "SAME", data_format="NCW"),
            (array(2, 3, 9, seed=12), W1),
            lambda x, w: convolved(x, w, 2, "SAME", first=True),
            grad=True,
        ),
        Sample(
            "conv2d",
            lambda x, w: conv2d(x, w, [1, 2, 1, 1], "SAME"),
            (X2, W2),
            lambda x, w: convolved(x, w, (2, 1), "SAME"),
            grad=True,
        ),
        Sample(
            "conv2d-NCHW",
            lambda x, w: conv2d(x, w, [1, 1, 2, 2], [[0, 0], [0, 0], [1, 0], [2, 1]], data_format="NCHW"),
            (X2F, W2),
            lambda x, w: convolved(x, w, 2, PAIRS, first=True),
            grad=True,
        ),
        Sample(
            "conv2d-dilations",
            lambda x, w: conv2d(x, filters=w, dilations=[1, 2, 1, 1]),
            (X2, W2),
            lambda x, w: convolved(x, w, dilations=(2, 1)),
            grad=True,
        ),
        Sample("conv3d", conv3d, (X3, W3), convolved, grad=True),
        Sample(
            "convolution",
            lambda x, w: convolution(x, w, "SAME", dilation_rate=[2, 1], data_format="NHWC"),
            (X2, W2),
            lambda x, w: convolved(x, w, 1, "SAME", (2, 1)),
            grad=True,
        ),
        Sample(
            "atrous_conv2d",
            lambda x, w: atrous_conv2d(x, w, 2, "SAME"),
            (X2, W2),
            lambda x, w: convolved(x, w, 1, "SAME", 2),
            grad=True,
        ),
        Sample(
            "depthwise_conv2d",
            lambda x, w: depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME", rate=[2, 1]),
            (X2, deep),
            lambda x, w: depthwise(x, w, dilations=(2, 1), padding="SAME"),
            grad=True,
        ),
        Sample(
            "depthwise_conv2d-many",
            lambda x, w: depthwise_conv2d(x, w, 2, "SAME"),
            (WIDE, array(3, 3, 16, 1, seed=34)),
            lambda x, w: depthwise(x, w, strides=2, padding="SAME"),
            grad=True,
        ),
        Sample(
            "depthwise_conv2d-many-multiplied",
            lambda x, w: depthwise_conv2d(x, w, 1, "VALID"),
            (WIDE, array(2, 3, 16, 2, seed=35)),
            depthwise,
            grad=True,
        ),
        Sample(
            "depthwise_conv2d_native",
            lambda x, w: depthwise_conv2d_native(x, w, [1, 1, 2, 2], "VALID", "NCHW"),
            (X2F, array(3, 2, 3, 2, seed=36)),
            lambda x, w: convolved(x, w.reshape(3, 2, 1, 6), 2, groups=3, first=True),
            grad=True,
        ),
        Sample(
            "separable_conv2d",
            lambda x, w, p: separable_conv2d(x, w, p, [1, 2, 2, 1], "SAME"),
            (X2, array(3, 2, 3, 2, seed=36), point),
            lambda x, w, p: convolved(depthwise(x, w, strides=2, padding="SAME"), p),
            grad=True,
            second_order=True,
        ),
    ]


SAMPLES: list[Sample] = [*_geometries(), *_dtypes(), *_layouts(), *_functions()]
