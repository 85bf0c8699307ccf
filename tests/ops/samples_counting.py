"""Samples of counting integers and pairs of them, and of histograms."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from graphflow.ops import counting, histograms
from tests.ops.table import Sample, array

X = np.array([3, 0, 1, 3, 3, 1])
W = array(6, seed=1)
MATRIX = X.reshape(2, 3)
VALUES = array(3, 7, seed=2)
NONE = np.zeros(0, np.int64)
HALVES = [np.float16, ml_dtypes.bfloat16]


def _counted(x: Any, w: Any = None, least: int = 0, most: int | None = None) -> Any:
    """One element after the other."""
    size = max([least, *[int(v) + 1 for v in np.ravel(x)]])
    size = size if most is None else min(size, most)
    result = np.zeros(size, np.int64 if w is None else w.dtype)
    for k, v in enumerate(np.ravel(x)):
        if v < size:
            result[v] += 1 if w is None else w.reshape(-1)[k]
    return result


def _bincounts() -> list[Sample]:
    samples = [
        Sample(f"bincount-{label}", lambda x, o=options: counting.bincount(x, **o), (x,),
               lambda x, o=options: _counted(x, None, o.get("minlength", 0), o.get("maxlength")))
        for label, x, options in (
            ("vector", X, {}),
            ("matrix", MATRIX, {}),
            ("scalar", np.asarray(2), {}),
            ("empty", NONE, {}),
            ("strides", MATRIX[::-1, ::-1], {}),
            ("padded", X, {"minlength": 6}),
            ("cut", X, {"maxlength": 2}),
            ("fixed", X, {"minlength": 5, "maxlength": 5}),
            ("fixed-empty", NONE, {"minlength": 2, "maxlength": 2}),
            *[(np.dtype(d).name, X.astype(d), {}) for d in (np.int8, np.uint8, np.int32, np.uint64)],
        )
    ]  # fmt: skip
    samples += [
        Sample("bincount-weights", counting.bincount, (MATRIX, W.reshape(2, 3)), _counted, grad=True),
        Sample("bincount-weights-cut", lambda x, w: counting.bincount(x, w, maxlength=2), (X, W),
               lambda x, w: _counted(x, w, 0, 2), grad=True),
        Sample("bincount-weights-fixed", lambda x, w: counting.bincount(x, w, 5, 5), (X, W),
               lambda x, w: _counted(x, w, 5), grad=True),
        Sample("bincount-weights-wide", counting.bincount, (np.array([0, 0]), np.array([2**60, 1])), _counted),
        *[
            Sample(f"bincount-weights-{np.dtype(d).name}", counting.bincount, (X, array(6, dtype=d, low=0, high=5)), _counted,
                   rtol=2e-2)
            for d in (np.int16, np.float32, np.complex128, *HALVES)
        ],
    ]  # fmt: skip
    return samples


def _confused(rows: Any, columns: Any, w: Any = None, n: int | None = None) -> Any:
    n = max([-1, *rows.ravel(), *columns.ravel()]) + 1 if n is None else n
    result = np.zeros((n, n), np.int64 if w is None else w.dtype)
    for k, (i, j) in enumerate(zip(rows.ravel(), columns.ravel(), strict=True)):
        result[i, j] += 1 if w is None else w.ravel()[k]
    return result


def _confusions() -> list[Sample]:
    y = np.array([1, 0, 2, 3, 0, 1])
    return [
        Sample("confusion_matrix", counting.confusion_matrix, (X, y), _confused),
        Sample("confusion_matrix-classes", lambda a, b: counting.confusion_matrix(a, b, 5), (X, y),
               lambda a, b: _confused(a, b, None, 5)),
        Sample("confusion_matrix-weights", lambda a, b, w: counting.confusion_matrix(a, b, 4, weights=w), (X, y, W),
               lambda a, b, w: _confused(a, b, w, 4), grad=True),
        Sample("confusion_matrix-dtype", lambda a, b: counting.confusion_matrix(a, b, dtype="float32"), (MATRIX, MATRIX),
               lambda a, b: _confused(a, b).astype(np.float32)),
        Sample("confusion_matrix-int32", counting.confusion_matrix, (X.astype(np.int32), y.astype(np.uint8)), _confused),
        Sample("confusion_matrix-empty", counting.confusion_matrix, (NONE, NONE), _confused),
    ]  # fmt: skip


def _binned(x: Any, low: float, high: float, n: int) -> Any:
    place = np.clip(np.floor(n * ((x.astype(np.float64) - low) / (high - low))), 0, n - 1)
    return np.where(np.isnan(x), n, place).astype(np.int64)


def _histograms() -> list[Sample]:
    odd = np.array([0.0, 0.5, 1.0, np.nan, -np.inf, np.inf, 0.25, -0.0])
    ends = [0.0, 1.0]
    edges = np.array([-1.0, 0.0, 0.25, 1.5])
    return [
        Sample("histogram_fixed_width_bins", lambda x, r: histograms.histogram_fixed_width_bins(x, r, 4),
               (odd, np.array(ends)), lambda x, r: _binned(x, *r, 4)),
        Sample("histogram_fixed_width_bins-int32", lambda x: histograms.histogram_fixed_width_bins(x, ends, 4, "int32"),
               (VALUES.astype(np.float32),), lambda x: _binned(x, *ends, 4).astype(np.int32)),
        Sample("histogram_fixed_width", lambda x: histograms.histogram_fixed_width(x, ends, 4), (odd,),
               lambda x: np.bincount(_binned(x, *ends, 4), minlength=5)[:4]),
        Sample("histogram_fixed_width-integers", lambda x: histograms.histogram_fixed_width(x, ends, 5, "int32"), (X,),
               lambda x: np.bincount(_binned(x, *ends, 5), minlength=5).astype(np.int32)),
        Sample("histogram-known", lambda x: histograms.histogram(x, 5, (-1, 1)), (VALUES,),
               lambda x: np.histogram(x, 5, (-1, 1))),
        Sample("histogram-found", lambda x: histograms.histogram(x, 4), (VALUES,), lambda x: np.histogram(x, 4)),
        Sample("histogram-same", lambda x: histograms.histogram(x, 2), (np.full(3, 2.0),), lambda x: np.histogram(x, 2)),
        Sample("histogram-same-range", lambda x: histograms.histogram(x, 2, [2, 2]), (np.full(3, 2.0),),
               lambda x: np.histogram(x, 2, [2, 2])),
        Sample("histogram-bounds", lambda x: histograms.histogram(x, edges), (odd,),
               lambda x: np.histogram(x[~np.isnan(x)], edges)),
        Sample("histogram-given-bounds", histograms.histogram, (VALUES, edges), np.histogram, unranked=False),
        Sample("histogram-density", lambda x: histograms.histogram(x, edges, density=True), (VALUES,),
               lambda x: np.histogram(x, edges, density=True)),
        Sample("histogram-weights", lambda x, w: histograms.histogram(x, edges, weights=w)[0], (VALUES, array(3, 7, seed=3)),
               lambda x, w: np.histogram(x, edges, weights=w)[0], atol=1e-12),
        Sample("histogram-integers", lambda x: histograms.histogram(x, 3), (X,),
               lambda x: (np.histogram(x, 3)[0], np.histogram(x, 3)[1].astype(np.float32))),
        Sample("histogram-empty", lambda x: histograms.histogram(x, 3), (np.zeros(0),), lambda x: np.histogram(x, 3),
               symbolic=False),
    ]  # fmt: skip


SAMPLES: list[Sample] = [*_bincounts(), *_confusions(), *_histograms()]
