"""Samples of folding rows by segment."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops import segments
from tests.ops.table import Sample, array

V, M, A = array(6, seed=1), array(6, 3, seed=2), array(2, 3, 2, seed=3)
RISING = np.array([0, 0, 1, 3, 3, 3])
ANY = np.array([4, 0, -1, 4, 0, 2])
PAIRS = np.array([[1, 0, -2], [1, 1, 3]])
NONE = np.zeros(0, np.int64)
SORTED_DTYPES = [np.int64, np.float16]
ANY_DTYPES = [np.int8, np.uint16, np.float32, ml_dtypes.bfloat16]
MODES = ("sum", "prod", "max", "min", "mean")
UFUNCS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def _limit(dtype: Any, mode: str) -> Any:
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else ml_dtypes.finfo(dtype)
    return info.min if mode == "max" else info.max


def _folded(mode: str, x: Any, ids: Any, n: int | None = None, in_order: bool = False) -> Any:
    """One row after the other."""
    size = max([-1, *ids.ravel()]) + 1 if n is None else n
    rest = x.shape[ids.ndim :]
    average = mode in ("mean", "sqrt_n")
    dtype = np.float32 if average and x.dtype.kind in "iu" else x.dtype
    wide = (
        np.float64
        if dtype.itemsize == 2 and dtype.kind not in "iu"
        else dtype
        if isinstance(dtype, np.dtype)
        else np.dtype(dtype)
    )
    result = np.zeros((size, *rest), wide)
    for s in range(size):
        rows = x[ids == s].astype(wide)
        if average:
            result[s] = rows.sum(0) / max(1, len(rows)) ** (1 if mode == "mean" else 0.5)
        elif len(rows):
            result[s] = UFUNCS[mode].reduce(rows, 0, dtype=wide)
        elif mode in ("max", "min"):
            result[s] = 0 if in_order else _limit(x.dtype, mode)
        else:
            result[s] = int(mode == "prod")
    return result.astype(dtype)


def _sorted_samples() -> list[Sample]:
    samples = []
    for mode in MODES:
        function = getattr(segments, f"segment_{mode}")

        def reference(x: Any, ids: Any, mode: str = mode) -> Any:
            return _folded(mode, x, ids, None, True)

        samples += [
            Sample(f"segment_{mode}-{label}", function, (x, ids), reference, grad=grad)
            for label, x, ids, grad in (
                ("vector", V, RISING, True),
                ("matrix", M, RISING, True),
                ("strides", np.array(M[::-1, ::-1])[::-1, ::-1], RISING.astype(np.uint8), False),
                ("empty-rows", M[:, :0], RISING, False),
                ("nothing", M[:0], NONE, False),
                ("many", array(400, seed=4), np.sort(array(400, dtype=np.int32, low=0, high=30)), False),
            )
            if mode in ("sum", "max") or label in ("vector", "matrix", "nothing")
        ]
        samples.append(
            Sample(f"segment_{mode}-known", lambda x, f=function: f(x, RISING), (M,), lambda x, r=reference: r(x, RISING),
                   grad=True)
        )  # fmt: skip
        samples += [
            Sample(f"segment_{mode}-{np.dtype(d).name}", function, (array(6, 2, dtype=d, low=0, high=4, seed=5), RISING),
                   reference, rtol=2e-2)
            for d in SORTED_DTYPES
        ]  # fmt: skip
    return samples


def _unsorted_samples() -> list[Sample]:
    samples = []
    for mode in (*MODES, "sqrt_n"):
        function = getattr(segments, f"unsorted_segment_{mode}")

        def reference(x: Any, ids: Any, n: Any = None, mode: str = mode) -> Any:
            return _folded(mode, x, ids, None if n is None else int(n))

        samples += [
            Sample(f"unsorted_segment_{mode}-{label}", lambda x, i, f=function, n=n: f(x, i, n), (x, ids),
                   lambda x, i, r=reference, n=n: r(x, i, n), grad=grad and (label == "full" or mode not in ("max", "min")))
            for label, x, ids, n, grad in (
                ("vector", V, ANY, 6, True),
                ("matrix", M, ANY, 5, True),
                ("found", M, ANY, None, True),
                ("full", M, np.array([2, 0, -1, 2, 0, 1]), 3, True),
                ("two-axes", A, PAIRS, 4, True),
                ("scalars", V, ANY.astype(np.int32), None, False),
                ("all-left-out", M[:2], np.array([-1, -7]), 2, True),
                ("none", M[:0], NONE, 2, False),
                ("wide-rows", array(3, 1100, seed=6), np.array([1, -1, 1]), 2, False),
            )
            if mode in ("sum", "max") or label in ("matrix", "full", "two-axes", "none")
        ]  # fmt: skip
        samples += [
            Sample(f"unsorted_segment_{mode}-given", function, (M, ANY, np.asarray(7)), reference, grad=mode == "sum"),
            Sample(f"unsorted_segment_{mode}-known", lambda x, f=function: f(x, ANY), (M,), lambda x, r=reference: r(x, ANY)),
        ]  # fmt: skip
        samples += [
            Sample(f"unsorted_segment_{mode}-{np.dtype(d).name}", lambda x, i, f=function: f(x, i, 6),
                   (array(6, 2, dtype=d, low=0, high=4, seed=5), ANY), lambda x, i, r=reference: r(x, i, 6), rtol=2e-2)
            for d in (ANY_DTYPES if mode in ("sum", "max") else ANY_DTYPES[::3])
        ]  # fmt: skip
    return samples


def _others() -> list[Sample]:
    zero = np.array([2.0, 0.0, 3.0, 0.0, 0.0, 5.0])
    ids = np.array([0, 0, 1, 2, 2, 2])
    z = (array(6, seed=7) + 1j * array(6, seed=8)).astype(np.complex64)
    indices, rows = np.array([2, 0, 0, 5]), np.array([0, 0, 2, 2])
    samples = [
        Sample("segment_prod-zeros", segments.segment_prod, (zero, ids), lambda x, i: _folded("prod", x, i), grad=True,
               second_order=False),
        Sample("segment_prod-one-zero", segments.segment_prod, (zero[:3], ids[:3]), lambda x, i: _folded("prod", x, i),
               grad=True),
        Sample("segment_sum-complex", segments.segment_sum, (z, RISING), lambda x, i: _folded("sum", x, i)),
        Sample("unsorted_segment_prod-complex", segments.unsorted_segment_prod, (z, ANY), lambda x, i: _folded("prod", x, i),
               rtol=1e-4),
        Sample("segment_mean-complex", segments.segment_mean, (z, RISING), lambda x, i: _folded("mean", x, i)),
        Sample("segment_max-nan", segments.segment_max, (np.array([1.0, np.nan, 2.0]), ids[1:4]),
               lambda x, i: np.array([1.0, np.nan, 2.0])),
        Sample("unsorted_segment_max-infinite", segments.unsorted_segment_max, (np.array([-np.inf, -np.inf]), np.array([1, 1])),
               lambda x, i: np.array([-1.7976931348623157e308, -np.inf])),
        Sample("segment_max-ties", lambda x, i: gf.gradients(gf.sum(segments.segment_max(x, i)), x)[0],
               (np.array([2.0, 2.0, 1.0, 3.0]), np.array([0, 0, 0, 1])), lambda x, i: np.array([0.5, 0.5, 0, 1])),
    ]  # fmt: skip
    for mode in ("sum", "mean", "sqrt_n"):
        function = getattr(segments, f"sparse_segment_{mode}")
        samples += [
            Sample(f"sparse_segment_{mode}", function, (M, indices, rows), lambda x, i, s, m=mode: _folded(m, x[i], s), grad=True),
            Sample(f"sparse_segment_{mode}-number", lambda x, i, s, f=function: f(x, i, s, num_segments=4), (M, indices, rows),
                   lambda x, i, s, m=mode: _folded(m, x[i], s, 4)),
        ]  # fmt: skip
    return samples


SAMPLES: list[Sample] = [*_sorted_samples(), *_unsorted_samples(), *_others()]
