"""Samples of measures of images and of boxes in them, against SciPy and plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage

import graphflow as gf
from graphflow.ops.axis_filter import filtered
from graphflow.ops.image_boxes import iou, non_max_suppression, non_max_suppression_padded
from graphflow.ops.image_drawing import draw_bounding_boxes
from graphflow.ops.image_quality import image_gradients, psnr, sobel_edges, ssim, total_variation
from tests.ops.table import Sample, array

X = array(2, 4, 5, 3, seed=1, low=0.05, high=0.95)
BYTES = array(2, 4, 5, 3, dtype=np.uint8, seed=2, low=0, high=255)


# --- measures -------------------------------------------------------------------------------------


def _sobel(x: Any) -> Any:
    edges = np.zeros((*x.shape, 2))
    for b, c in np.ndindex(x.shape[0], x.shape[3]):
        for k in range(2):
            edges[b, :, :, c, k] = scipy.ndimage.sobel(x[b, :, :, c], axis=k, mode="mirror")
    return edges


def _similarity(x: Any, y: Any, size: int, sigma: float, largest: float = 1.0) -> Any:
    """Local moments window by window, with a two-dimensional Gaussian."""
    ticks = np.arange(size) - (size - 1) / 2
    window = np.exp(-(ticks[:, None] ** 2 + ticks**2) / (2 * sigma**2))
    window = window / window.sum()
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    result = np.zeros(x.shape[:-3])
    for b in np.ndindex(*x.shape[:-3]):
        values = []
        for i, j, c in np.ndindex(x.shape[-3] - size + 1, x.shape[-2] - size + 1, x.shape[-1]):
            p, q = [t[b][i : i + size, j : j + size, c] for t in (x, y)]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
            cov = (window * p * q).sum() - mp * mq
            values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
        result[b] = np.mean(values)
    return result


def _measures() -> list[Sample]:
    a, b = array(2, 7, 6, 2, seed=5, low=0, high=1), array(2, 7, 6, 2, seed=6, low=0, high=1)
    return [
        Sample(
            "total_variation",
            total_variation,
            (X,),
            lambda x: np.abs(np.diff(x, axis=1)).sum((1, 2, 3)) + np.abs(np.diff(x, axis=2)).sum((1, 2, 3)),
            grad=True,
        ),
        Sample(
            "total_variation-one",
            total_variation,
            (BYTES[0],),
            lambda x: (
                np.abs(np.diff(x.astype(int), axis=0)).sum() + np.abs(np.diff(x.astype(int), axis=1)).sum()
            ),
        ),
        Sample(
            "image_gradients",
            image_gradients,
            (X,),
            lambda x: (
                np.pad(np.diff(x, axis=1), ((0, 0), (0, 1), (0, 0), (0, 0))),
                np.pad(np.diff(x, axis=2), ((0, 0), (0, 0), (0, 1), (0, 0))),
            ),
            grad=True,
            unranked=False,
        ),
        Sample("sobel_edges", sobel_edges, (X,), _sobel, grad=True, atol=1e-12, unranked=False),
        Sample(
            "sobel_edges-float16",
            sobel_edges,
            (X.astype(np.float16),),
            lambda x: _sobel(x.astype(np.float64)),
            rtol=2e-3,
            atol=2e-3,
            unranked=False,
        ),
        Sample(
            "axis_filter",
            lambda t: filtered(t, 1, (0.5, 0, -2)),
            (a,),
            lambda x: 0.5 * x[:, :-2] - 2 * x[:, 2:],
            grad=True,
            unranked=True,
        ),
        Sample("axis_filter-zero", lambda t: filtered(t, 0, (0.0,)), (a,), lambda x: x * 0, grad=True),
        Sample(
            "psnr",
            lambda p, q: psnr(p, q, 1.0),
            (a, b),
            lambda a, b: -10 * np.log10(((a - b) ** 2).mean((1, 2, 3))),
            grad=True,
        ),
        Sample(
            "psnr-uint8",
            lambda p, q: psnr(p, q, 255),
            (BYTES, BYTES[::-1]),
            lambda a, b: (
                20 * np.log10(255) - 10 * np.log10(((a.astype(float) - b) ** 2).mean((1, 2, 3)))
            ).astype(np.float32),
        ),
        Sample("psnr-equal", lambda p: psnr(p, p, 1.0), (a,), lambda a: np.full(2, np.inf)),
        Sample(
            "ssim",
            lambda p, q: ssim(p, q, 1.0, filter_size=4, filter_sigma=1.2),
            (a, b),
            lambda a, b: _similarity(a, b, 4, 1.2),
            grad=True,
            rtol=1e-8,
            unranked=False,
        ),
        Sample(
            "ssim-equal",
            lambda p: ssim(p, p, 1.0, 3),
            (a[0],),
            lambda a: np.asarray(1.0),
            unranked=False,
        ),
        Sample(
            "ssim-uint8",
            lambda p, q: ssim(p, q, 255, 3),
            (BYTES, BYTES[::-1]),
            lambda a, b: _similarity(a.astype(float), b.astype(float), 3, 1.5, 255.0).astype(np.float32),
            rtol=1e-3,
            atol=1e-4,
            unranked=False,
        ),
    ]


# --- boxes ----------------------------------------------------------------------------------------

BOXES = np.random.default_rng(7).uniform(0, 1, (12, 2, 2)).cumsum(1).reshape(12, 4)
SCORES = np.round(np.random.default_rng(8).uniform(0, 1, 12), 1)
FLIPPED = BOXES[:, [2, 1, 0, 3]]


def _overlap(a: Any, b: Any) -> float:
    area = 1.0
    areas = [1.0, 1.0]
    for k in range(2):
        (a1, a2), (b1, b2) = sorted((a[k], a[k + 2])), sorted((b[k], b[k + 2]))
        area *= max(0.0, min(a2, b2) - max(a1, b1))
        areas = [areas[0] * (a2 - a1), areas[1] * (b2 - b1)]
    union = sum(areas) - area
    return area / union if union > 0 else 0.0


def _kept(boxes: Any, scores: Any, limit: int, overlap: float, least: float) -> Any:
    order = sorted((k for k in range(len(scores)) if scores[k] > least), key=lambda k: (-scores[k], k))
    kept: list[int] = []
    for k in order:
        if len(kept) < limit and all(_overlap(boxes[k], boxes[j]) <= overlap for j in kept):
            kept.append(k)
    return np.array(kept, np.int32)


def _drawn(images: Any, boxes: Any, colours: Any) -> Any:
    y = np.array(images)
    height, width = images.shape[1:3]
    for b in range(len(images)):
        for k, box in enumerate(boxes[b]):
            if not np.all(np.isfinite(box)):
                continue
            top, left, bottom, right = [
                int(v * (n - 1)) for v, n in zip(box, (height, width) * 2, strict=True)
            ]
            for i, j in np.ndindex(height, width):
                inside = top <= i <= bottom and left <= j <= right
                if inside and (i in (top, bottom) or j in (left, right)):
                    y[b, i, j] = colours[k % len(colours)][: images.shape[3]]
    return y


YELLOW_BLUE_RED = [(1, 1, 0), (0, 0, 1), (1, 0, 0)]


def _boxes() -> list[Sample]:
    table = np.array([[0.2, 0.4, 0.6, 0.8], [1, 0, 0.5, 0]])
    drawn = np.array(
        [[[0.0, 0.0, 1.0, 1.0], [0.4, 0.3, 0.7, 0.6]], [[-0.5, 0.5, 0.5, 1.5], [np.nan, 0, 1, 1]]]
    )
    samples = [
        Sample(
            "iou",
            iou,
            (BOXES, FLIPPED[:5] * 1.03 + 0.017),
            lambda a, b: np.array([[_overlap(p, q) for q in b] for p in a]),
            grad=True,
        ),
        Sample("iou-empty-boxes", iou, (np.zeros((2, 4)), BOXES), lambda a, b: np.zeros((2, 12))),
        Sample("iou-none", iou, (BOXES[:0], BOXES), lambda a, b: np.zeros((0, 12))),
        Sample(
            "draw_bounding_boxes",
            draw_bounding_boxes,
            (X, drawn),
            lambda x, b: _drawn(x, b, YELLOW_BLUE_RED),
            unranked=True,
        ),
        Sample(
            "draw_bounding_boxes-grey",
            draw_bounding_boxes,
            (X[..., :1].astype(np.float32), drawn[:, :1].astype(np.float32)),
            lambda x, b: _drawn(x, b, [(1,)]),
            symbolic=False,
        ),
        Sample(
            "draw_bounding_boxes-colors",
            lambda t, b: draw_bounding_boxes(t, b, colors=table),
            (X, drawn),
            lambda x, b: _drawn(x, b, table),
        ),
        Sample(
            "draw_bounding_boxes-gradient",
            lambda t: gf.gradients(gf.sum(draw_bounding_boxes(t, drawn) ** 2), t)[0],
            (X,),
            lambda x: _drawn(2 * x, drawn, [(0, 0, 0)]),
        ),
    ]
    for limit, overlap, least in (
        (12, 0.5, -np.inf),
        (12, 0.1, -np.inf),
        (3, 0.3, 0.2),
        (0, 0.5, -np.inf),
        (50, 1.0, 0.4),
    ):
        samples.append(
            Sample(
                f"non_max_suppression-{limit}-{overlap}",
                lambda b, s, n=limit, o=overlap, m=least: non_max_suppression(b, s, n, o, m),
                (FLIPPED, SCORES),
                lambda b, s, n=limit, o=overlap, m=least: _kept(b, s, n, o, m),
            )
        )
    return [
        *samples,
        Sample(
            "non_max_suppression-nan",
            lambda b, s: non_max_suppression(b, s, 9),
            (BOXES, np.where(np.arange(12) % 4 == 1, np.nan, SCORES).astype(np.float32)),
            lambda b, s: _kept(b, s, 9, 0.5, -np.inf),
        ),
        Sample(
            "non_max_suppression-none",
            lambda b, s: non_max_suppression(b, s, 9),
            (BOXES[:0], SCORES[:0]),
            lambda b, s: np.zeros(0, np.int32),
        ),
        Sample(
            "non_max_suppression-float16",
            lambda b, s: non_max_suppression(b, s, 9, 0.3),
            (BOXES.astype(np.float16), SCORES.astype(np.float16)),
            lambda b, s: _kept(b.astype(float), s, 9, 0.3, -np.inf),
        ),
        Sample(
            "non_max_suppression_padded",
            lambda b, s: non_max_suppression_padded(b, s, 9, 0.2, pad_to_max_output_size=True),
            (BOXES, SCORES),
            lambda b, s: (
                np.pad(_kept(b, s, 9, 0.2, -np.inf), (0, 9))[:9],
                np.int32(len(_kept(b, s, 9, 0.2, -np.inf))),
            ),
        ),
        Sample(
            "non_max_suppression_padded-not",
            lambda b, s: non_max_suppression_padded(b, s, 2),
            (BOXES, SCORES),
            lambda b, s: (_kept(b, s, 2, 0.5, -np.inf), np.int32(2)),
        ),
    ]


SAMPLES: list[Sample] = [*_measures(), *_boxes()]
