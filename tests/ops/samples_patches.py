"""Samples of windows as rows and back, of blocks of space as channels, and of morphology."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops.morphology import dilation2d, erosion2d
from graphflow.ops.patches import col2im, extract_image_patches, extract_volume_patches, im2col
from graphflow.ops.space_depth import depth_to_space, space_to_depth
from tests.ops.convolution_reference import output_sizes
from tests.ops.table import Sample, array

X1, X2, X3 = array(2, 7, 2, seed=1), array(2, 5, 6, 3, seed=2), array(1, 3, 4, 3, 2, seed=3)
X2F = array(2, 3, 5, 6, seed=4)
LARGE = np.arange(2 * 4 * 6 * 12, dtype=np.float64).reshape(2, 4, 6, 12) / 100
STRUCTURE = array(3, 2, 3, seed=5)


def _windows(x: Any, kernel: Any, strides: Any, padding: Any, dilations: Any, nothing: Any = 0) -> Any:
    """[batch, *windows, *kernel, channels], window by window."""
    n = len(kernel)
    strides, dilations = [(v,) * n if isinstance(v, int) else v for v in (strides, dilations)]
    counts, lows = output_sizes(x.shape[1:-1], kernel, strides, dilations, padding)
    y = np.full((len(x), *counts, *kernel, x.shape[-1]), nothing, x.dtype)
    for window in np.ndindex(*counts):
        for tap in np.ndindex(*kernel):
            place = [
                o * s + t * d - lo
                for o, s, t, d, lo in zip(window, strides, tap, dilations, lows, strict=True)
            ]
            if all(0 <= p < size for p, size in zip(place, x.shape[1:-1], strict=True)):
                y[(slice(None), *window, *tap)] = x[(slice(None), *place)]
    return y


def _rows(x: Any, kernel: Any, strides: Any = 1, padding: Any = "VALID", dilations: Any = 1) -> Any:
    y = _windows(x, kernel, strides, padding, dilations)
    n = len(kernel)
    return y.reshape(*y.shape[: n + 1], int(np.prod(y.shape[n + 1 :])))


def _added(cols: Any, shape: Any, kernel: Any, *geometry: Any) -> Any:
    """Rows added up: the element of the input that each stands for, counted out by an array of numbers."""
    numbers = np.arange(1, np.prod(shape) + 1).reshape(shape)
    places = _rows(numbers, kernel, *geometry)
    image = np.zeros(int(np.prod(shape)) + 1, np.float64 if cols.dtype.kind != "i" else np.int64)
    np.add.at(image, places, cols.astype(image.dtype))
    return image[1:].reshape(shape)


def _patches() -> list[Sample]:
    cases: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("1d", X1, ((3,), 2, "SAME", 1)),
        ("2d", X2, ((3, 2), 1, "VALID", 1)),
        ("2d-same", X2, ((3, 2), (2, 1), "SAME", 1)),
        ("2d-dilated", X2, ((2, 3), 1, "SAME", (2, 1))),
        ("2d-pairs", X2, ((2, 2), 2, [(1, 0), (2, 1)], 1)),
        ("3d", X3, ((2, 2, 1), 1, "VALID", 1)),
        ("larger-than-input", X2, ((7, 7), 1, "SAME", 1)),
        ("strides-of-views", X2[::-1, :, ::2], ((2, 2), 1, "VALID", 1)),
        ("empty-batch", X2[:0], ((2, 2), 1, "VALID", 1)),
        ("float16", X2.astype(np.float16), ((2, 2), 1, "SAME", 1)),
        ("bfloat16", X2.astype(ml_dtypes.bfloat16), ((2, 2), 1, "SAME", 1)),
        ("bool", X2 > 0, ((2, 2), 1, "SAME", 1)),
        ("complex", X2 + 1j, ((2, 2), 1, "SAME", 1)),
        (
            "special-values",
            np.where(X2 > 1.5, np.nan, np.where(X2 < -1.5, np.inf, X2)),
            ((2, 2), 1, "SAME", 1),
        ),
    ]
    samples = [
        Sample(
            f"im2col-{label}",
            lambda x, g=geometry: im2col(x, g[0], g[1], g[2], dilations=g[3]),
            (x,),
            lambda x, g=geometry: _rows(x, *g),
            grad=x.dtype == np.float64 and not np.isnan(x).any(),
            unranked=False,
        )
        for label, x, geometry in cases
    ]
    folded: list[tuple[str, Any, Any, tuple[Any, ...]]] = [
        ("1d", np.float64, (2, 7, 2), ((3,), 2, "SAME", 1)),
        ("2d", np.float64, (2, 5, 6, 3), ((3, 2), 1, "VALID", 1)),
        ("2d-same", np.float64, (1, 5, 6, 3), ((3, 2), (2, 1), "SAME", (1, 2))),
        ("float16", np.float16, (2, 4, 4, 1), ((3, 3), 1, "SAME", 1)),
        ("bfloat16", ml_dtypes.bfloat16, (2, 4, 4, 1), ((3, 3), 1, "SAME", 1)),
        ("int32", np.int32, (2, 4, 4, 1), ((3, 3), 1, "SAME", 1)),
        ("empty", np.float64, (0, 4, 4, 1), ((3, 3), 1, "SAME", 1)),
    ]
    for label, dtype, shape, geometry in folded:
        cols = (4 * array(*_rows(np.zeros(shape), *geometry).shape, seed=6)).astype(dtype)
        samples.append(
            Sample(
                f"col2im-{label}",
                lambda c, s=shape, g=geometry: col2im(c, s, g[0], g[1], g[2], dilations=g[3]),
                (cols,),
                lambda c, s=shape, g=geometry: _added(c, s, *g),
                grad=dtype is np.float64,
                rtol=1e-6 if dtype is np.float64 else 2e-2,
                unranked=False,
            )
        )
    return [
        *samples,
        Sample(
            "im2col-NCHW",
            lambda x: im2col(x, 2, 2, "SAME", "NCHW"),
            (X2F,),
            lambda x: np.moveaxis(_rows(np.moveaxis(x, 1, -1), (2, 2), 2, "SAME"), -1, 1),
            grad=True,
        ),
        Sample(
            "col2im-NCHW",
            lambda c: col2im(c, (2, 3, 5, 6), 2, 1, "VALID", "NCHW"),
            (array(2, 12, 4, 5, seed=7),),
            lambda c: np.moveaxis(_added(np.moveaxis(c, 1, -1), (2, 5, 6, 3), (2, 2)), -1, 1),
            grad=True,
        ),
        Sample(
            "im2col-gradient",
            lambda x: gf.gradients(gf.sum(im2col(x, 2, data_format="NHWC") ** 2), x)[0],
            (X2,),
            lambda x: 2 * _added(_rows(x, (2, 2)), x.shape, (2, 2)),
        ),
        Sample(
            "extract_image_patches",
            lambda x: extract_image_patches(x, [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 2, 1], "SAME"),
            (X2,),
            lambda x: _rows(x, (2, 3), (2, 1), "SAME", (1, 2)),
            grad=True,
        ),
        Sample(
            "extract_volume_patches",
            lambda x: extract_volume_patches(x, [1, 2, 2, 2, 1], [1, 1, 2, 1, 1], "VALID"),
            (X3,),
            lambda x: _rows(x, (2, 2, 2), (1, 2, 1)),
            grad=True,
        ),
    ]


def _to_depth(x: Any, b: int) -> Any:
    n, h, w, c = x.shape
    y = np.zeros((n, h // b, w // b, b * b * c), x.dtype)
    for i in range(b):
        for j in range(b):
            y[..., (i * b + j) * c : (i * b + j + 1) * c] = x[:, i::b, j::b]
    return y


def _to_space(x: Any, b: int) -> Any:
    n, h, w, c = x.shape
    c //= b * b
    y = np.zeros((n, h * b, w * b, c), x.dtype)
    for i in range(b):
        for j in range(b):
            y[:, i::b, j::b] = x[..., (i * b + j) * c : (i * b + j + 1) * c]
    return y


def _first(function: Any) -> Any:
    return lambda x: np.moveaxis(function(np.moveaxis(x, 1, -1), 2), -1, 1)


def _blocks() -> list[Sample]:
    chars = np.moveaxis(LARGE, -1, 1).copy()
    return [
        Sample(
            "space_to_depth", lambda x: space_to_depth(x, 2), (LARGE,), lambda x: _to_depth(x, 2), grad=True
        ),
        Sample(
            "depth_to_space", lambda x: depth_to_space(x, 2), (LARGE,), lambda x: _to_space(x, 2), grad=True
        ),
        Sample(
            "space_to_depth-NCHW",
            lambda x: space_to_depth(x, 2, data_format="NCHW"),
            (chars,),
            _first(_to_depth),
            grad=True,
        ),
        Sample(
            "depth_to_space-NCHW",
            lambda x: depth_to_space(x, 2, data_format="NCHW"),
            (chars.astype(np.int32),),
            _first(_to_space),
        ),
        Sample("space_to_depth-of-1", lambda x: space_to_depth(x, 1), (LARGE > 1,), lambda x: x),
        Sample(
            "depth_to_space-empty", lambda x: depth_to_space(x, 2), (LARGE[:0],), lambda x: _to_space(x, 2)
        ),
    ]


def _dilated(
    x: Any, w: Any, strides: Any = 1, rates: Any = 1, padding: Any = "VALID", nothing: Any = -np.inf
) -> Any:
    windows = _windows(x, w.shape[:2], strides, padding, rates, nothing)
    wide = windows.astype(np.int64 if x.dtype.kind == "i" else np.float64)
    return (wide + w).max(axis=(3, 4))


def _morphology() -> list[Sample]:
    ints, structure = (X2 * 9).astype(np.int32), (STRUCTURE * 5).astype(np.int32)
    samples = [
        Sample(
            f"dilation2d-{label}",
            lambda x, w, o=options: dilation2d(x, w, o.get("strides", 1), o.get("rates", 1), o["padding"]),
            (X2, STRUCTURE),
            lambda x, w, o=options: _dilated(x, w, **o),
            grad=True,
            unranked=False,
        )
        for label, options in (
            ("valid", {"padding": "VALID"}),
            ("same", {"padding": "SAME", "strides": 2}),
            ("rates", {"padding": "SAME", "rates": (1, 3)}),
        )
    ]
    return [
        *samples,
        Sample(
            "dilation2d-int32",
            lambda x, w: dilation2d(x, w, [1, 1, 1, 1], [1, 1, 1, 1], "SAME"),
            (ints, structure),
            lambda x, w: _dilated(x, w, padding="SAME", nothing=-(10**6)),
            unranked=False,
        ),
        Sample(
            "erosion2d",
            lambda x, w: erosion2d(x, w, [1, 2, 1, 1], [1, 1, 1, 1], "SAME"),
            (X2, STRUCTURE),
            lambda x, w: -_dilated(-x, w[::-1, ::-1], (2, 1), 1, "SAME"),
            grad=True,
            unranked=False,
        ),
    ]


SAMPLES: list[Sample] = [*_patches(), *_blocks(), *_morphology()]
