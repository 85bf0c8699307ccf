"""Samples of resizing and of crops, against dense weights computed pixel by pixel from the definition."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops.crop_and_resize import crop_and_resize
from graphflow.ops.resize import (
    ResizeMethod,
    resize,
    resize_area,
    resize_bicubic,
    resize_bilinear,
    resize_images,
    resize_nearest_neighbor,
    upsample_nearest,
)
from tests.ops.table import Sample, array

X = array(2, 4, 5, 3, seed=1)
SMALL = array(1, 3, 2, 1, seed=2)
INTS = array(2, 4, 5, 2, dtype=np.uint8, seed=3, low=0, high=255)


def place(i: int, n: int, m: int, places: str) -> float:
    if places == "corners":
        return i * (n - 1) / (m - 1) if m > 1 else 0.0
    return (i + 0.5) * n / m - 0.5 if places == "half" else i * n / m


def keys(t: float, a: float) -> float:
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def weights(
    n: int,
    m: int,
    method: str,
    places: str = "half",
    a: float = -0.75,
    exclude: bool = False,
    smooth: bool = False,
) -> Any:
    """The matrix [m, n] of one axis."""
    matrix = np.zeros((m, n))
    for i in range(m):
        if method == "nearest":
            p = place(i, n, m, places)
            k = math.floor(p + 0.5) if places != "legacy" else math.floor(p + 1e-9)
            matrix[i, min(k, n - 1)] = 1
        elif method == "area":
            scale = (n - 1) / (m - 1) if places == "corners" and m > 1 else n / m
            for k in range(n + math.ceil(scale)):
                matrix[i, min(k, n - 1)] += max(0.0, min(k + 1, (i + 1) * scale) - max(k, i * scale))
        else:
            p = place(i, n, m, places)
            scale = max(n / m, 1.0) if smooth else 1.0
            for k in range(-2 * n - 4, 3 * n + 4):
                distance = (k - p) / scale
                w = keys(distance, a) if method == "cubic" else max(0.0, 1 - abs(distance))
                if 0 <= k < n or not (exclude or smooth):
                    matrix[i, min(max(k, 0), n - 1)] += w
    return matrix / matrix.sum(1, keepdims=True)


def resized(x: Any, size: Any, method: str, *args: Any, first: int = 1) -> Any:
    """Two axes resized."""
    x = np.asarray(x, np.float64)
    for axis, m in zip((first, first + 1), size, strict=True):
        matrix = weights(x.shape[axis], m, method, *args)
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


SIZES = [(7, 3), (2, 10), (1, 5)]


def _methods() -> list[Sample]:
    samples = []
    for size in SIZES:
        for places, corners, half in (
            ("legacy", False, False),
            ("corners", True, False),
            ("half", False, True),
        ):
            label = f"{size[0]}x{size[1]}-{places}"
            samples += [
                Sample(
                    f"resize_nearest_neighbor-{label}",
                    lambda t, s=size, c=corners, h=half: resize_nearest_neighbor(t, s, c, h),
                    (X,),
                    lambda x, s=size, p=places: resized(x, s, "nearest", p),
                    grad=size == (7, 3),
                    unranked=False,
                ),
                Sample(
                    f"resize_bilinear-{label}",
                    lambda t, s=size, c=corners, h=half: resize_bilinear(t, s, c, h),
                    (X,),
                    lambda x, s=size, p=places: resized(x, s, "linear", p),
                    grad=size in ((7, 3), (2, 10)),
                    unranked=False,
                ),
                Sample(
                    f"resize_bicubic-{label}",
                    lambda t, s=size, c=corners, h=half: resize_bicubic(t, s, c, h),
                    (X,),
                    lambda x, s=size, p=places, h=half: resized(x, s, "cubic", p, -0.5 if h else -0.75, h),
                    grad=size == (7, 3),
                    unranked=False,
                ),
            ]
            if not half:
                samples.append(
                    Sample(
                        f"resize_area-{label}",
                        lambda t, s=size, c=corners: resize_area(t, s, c),
                        (X,),
                        lambda x, s=size, p=places: resized(x, s, "area", p),
                        grad=size in ((7, 3), (2, 10)),
                        unranked=False,
                    )
                )
    return samples


def _others() -> list[Sample]:
    halves = [
        Sample(
            f"resize_bilinear-{np.dtype(d).name}",
            lambda t: resize_bilinear(t, (3, 8), half_pixel_centers=True),
            (X.astype(d),),
            lambda x: resized(x, (3, 8), "linear", "half"),
            rtol=rtol,
            atol=rtol,
            unranked=False,
        )
        for d, rtol in ((np.float32, 1e-6), (np.float16, 2e-3), (ml_dtypes.bfloat16, 2e-2))
    ]
    return [
        *halves,
        Sample(
            "resize_bilinear-uint8",
            lambda t: resize_bilinear(t, (3, 8)),
            (INTS,),
            lambda x: resized(x, (3, 8), "linear", "legacy").astype(np.float32),
            unranked=False,
        ),
        Sample(
            "resize_nearest_neighbor-bool",
            lambda t: resize_nearest_neighbor(t, (3, 8)),
            (INTS > 100,),
            lambda x: resized(x, (3, 8), "nearest", "legacy").astype(bool),
            unranked=False,
        ),
        Sample(
            "resize_bilinear-one-image",
            lambda t: resize_bilinear(t, (6, 2)),
            (X[0],),
            lambda x: resized(x, (6, 2), "linear", "legacy", first=0),
            unranked=False,
        ),
        Sample(
            "resize_bilinear-no-images",
            lambda t: resize_bilinear(t, (6, 2)),
            (X[:0],),
            lambda x: np.zeros((0, 6, 2, 3)),
            grad=True,
            unranked=False,
        ),
        Sample(
            "resize_bilinear-strides",
            lambda t: resize_bilinear(gf.transpose(t, (0, 2, 1, 3)), (7, 3)),
            (X[:, ::-1, :, ::-1],),
            lambda x: resized(np.swapaxes(x, 1, 2), (7, 3), "linear", "legacy"),
            grad=True,
        ),
        Sample(
            "resize_bilinear-size-of-another",
            lambda t, u: resize_bilinear(t, gf.shape(u)[1:3]),
            (X, array(1, 6, 7, 1)),
            lambda x, y: resized(x, (6, 7), "linear", "legacy"),
            grad=True,
            unranked=False,
        ),
        Sample(
            "resize_bicubic-pytorch",
            lambda t: resize_bicubic(
                t, (7, 3), half_pixel_centers=True, coefficient=-0.75, exclude_outside=False
            ),
            (X,),
            lambda x: resized(x, (7, 3), "cubic", "half", -0.75),
            grad=True,
            unranked=False,
        ),
        Sample(
            "resize-bilinear",
            lambda t: resize(t, (6, 3)),
            (X,),
            lambda x: resized(x, (6, 3), "linear", "half"),
            unranked=False,
        ),
        Sample(
            "resize-nearest",
            lambda t: resize(t, (3, 8), "nearest"),
            (INTS,),
            lambda x: resized(x, (3, 8), "nearest", "half").astype(np.uint8),
            unranked=False,
        ),
        Sample(
            "resize-area",
            lambda t: resize(t, (3, 8), "area"),
            (X,),
            lambda x: resized(x, (3, 8), "area", "legacy"),
            unranked=False,
        ),
        Sample(
            "resize-bicubic-antialias-nchw",
            lambda t: resize(t, (2, 3), "bicubic", antialias=True, data_format="NCHW"),
            (X,),
            lambda x: resized(x, (2, 3), "cubic", "half", -0.5, True, True, first=2),
            grad=True,
            unranked=False,
        ),
        Sample(
            "resize-bilinear-antialias",
            lambda t: resize(t, (3, 2), antialias=True),
            (X,),
            lambda x: resized(x, (3, 2), "linear", "half", 0.0, True, True),
            grad=True,
            unranked=False,
        ),
        Sample(
            "resize-one-image-ratio",
            lambda t: resize(t, (8, 7), preserve_aspect_ratio=True),
            (X[0],),
            lambda x: resized(x, (6, 7), "linear", "half", first=0),
            symbolic=False,
            unranked=False,
        ),
        *[
            Sample(
                f"resize_images-{kind}",
                lambda t, m=method: resize_images(t, (3, 7), m),
                (X,),
                lambda x, k=kind: resized(x, (3, 7), k, "legacy"),
                unranked=False,
            )
            for kind, method in (
                ("linear", ResizeMethod.BILINEAR),
                ("nearest", "nearest"),
                ("cubic", 2),
                ("area", "area"),
            )
        ],
        Sample(
            "resize_images-same", lambda t: resize_images(t, (4, 5)) + 0, (X,), lambda x: x, unranked=False
        ),
        Sample(
            "resize_images-large",
            lambda t: gf.gradients(resize_area(t, (1, 2)), t)[0],
            (np.zeros((1, 90, 3, 1)),),
            lambda x: np.full((1, 90, 3, 1), 2 / 270),
            unranked=False,
        ),
        Sample(
            "upsample_nearest",
            lambda t: upsample_nearest(t, (2, 3)),
            (X,),
            lambda x: np.repeat(np.repeat(x, 2, 1), 3, 2),
            grad=True,
        ),
        Sample(
            "upsample_nearest-nchw",
            lambda t: upsample_nearest(t, 2, "NCHW"),
            (INTS,),
            lambda x: np.repeat(np.repeat(x, 2, 2), 2, 3),
        ),
    ]


# --- crops ----------------------------------------------------------------------------------------

BOXES = np.array(
    [[0.1, 0.2, 0.85, 0.9], [0.93, 0.13, 0.21, 0.71], [-0.31, 0.22, 0.64, 1.32], [0.37, 0.37, 0.37, 0.37]]
)
OWNERS = np.array([0, 1, 1, 0], np.int32)


def crops(x: Any, boxes: Any, owners: Any, size: tuple[int, int], method: str, outside: float) -> Any:
    """Pixel by pixel."""
    height, width = x.shape[1:3]
    y = np.full((len(boxes), *size, x.shape[3]), outside, np.float64)

    def at(low: float, high: float, i: int, count: int, n: int) -> float:
        return (low + high) / 2 * (n - 1) if count == 1 else (low + i * (high - low) / (count - 1)) * (n - 1)

    for b, i, j in np.ndindex(len(boxes), *size):
        y1, x1, y2, x2 = boxes[b]
        row, column = at(y1, y2, i, size[0], height), at(x1, x2, j, size[1], width)
        if not (0 <= row <= height - 1 and 0 <= column <= width - 1):
            continue
        image = x[owners[b]]
        if method == "nearest":
            y[b, i, j] = image[math.floor(row + 0.5), math.floor(column + 0.5)]
            continue
        total = 0
        for r in (math.floor(row), math.ceil(row)) if row % 1 else (int(row),):
            for c in (math.floor(column), math.ceil(column)) if column % 1 else (int(column),):
                total = total + image[r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
        y[b, i, j] = total
    return y


def _crops() -> list[Sample]:
    return [
        Sample(
            "crop_and_resize",
            lambda t, b, i: crop_and_resize(t, b, i, (3, 4)),
            (X, BOXES, OWNERS),
            lambda x, b, i: crops(x, b, i, (3, 4), "bilinear", 0),
            grad=True,
            atol=1e-12,
            unranked=False,
        ),
        Sample(
            "crop_and_resize-nearest",
            lambda t, b, i: crop_and_resize(t, b, i, (3, 4), "nearest", -1.5),
            (X, BOXES, OWNERS),
            lambda x, b, i: crops(x, b, i, (3, 4), "nearest", -1.5),
            grad=True,
            unranked=False,
        ),
        Sample(
            "crop_and_resize-one",
            lambda t, b, i: crop_and_resize(t, b, i, [1, 2]),
            (INTS, BOXES.astype(np.float32), OWNERS),
            lambda x, b, i: crops(x, b, i, (1, 2), "bilinear", 0),
            atol=1e-4,
            unranked=False,
        ),
        Sample(
            "crop_and_resize-no-boxes",
            lambda t, b, i: crop_and_resize(t, b, i, (2, 2)),
            (X, BOXES[:0], OWNERS[:0]),
            lambda x, b, i: np.zeros((0, 2, 2, 3)),
            unranked=False,
        ),
    ]


SAMPLES: list[Sample] = [*_methods(), *_others(), *_crops()]
