"""Samples of running extremes, running log-sum-exp, differences, and sequences in a batch."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from graphflow.ops import running, sequences
from tests.ops.table import Sample, array

V, M, A = array(6, seed=1), array(4, 5, seed=2), array(2, 3, 4, seed=3)
EMPTY = np.zeros((3, 0))
TURNED = np.ascontiguousarray(M[::-1, ::-1])[::-1, ::-1]
ODD = np.array([-np.inf, -np.inf, 1.0, 1.0, -np.inf, np.inf, np.inf, np.nan, 2.0])
HALVES = [np.float16, ml_dtypes.bfloat16]
UFUNCS = {"cumulative_max": np.maximum, "cumulative_min": np.minimum, "cumulative_logsumexp": np.logaddexp}


def _running(name: str, x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    dtype = x.dtype
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        x = x.astype(np.float32)
    x = np.flip(x, axis) if reverse else x
    with np.errstate(invalid="ignore"):
        y = UFUNCS[name].accumulate(x, axis=axis)
    if exclusive:
        if x.dtype.kind in "iu":
            first = np.iinfo(x.dtype).max if name == "cumulative_min" else np.iinfo(x.dtype).min
        else:
            first = np.inf if name == "cumulative_min" else -np.inf
        start = np.full_like(np.take(y, range(min(1, y.shape[axis])), axis), first)
        y = np.concatenate([start, np.take(y, range(max(0, y.shape[axis] - 1)), axis)], axis)
    return (np.flip(y, axis) if reverse else y).astype(dtype)


def _runs() -> list[Sample]:
    samples = []
    for name in UFUNCS:
        function = getattr(running, name)
        for label, x, axis in (
            ("vector", V, 0),
            ("first", M, 0),
            ("last", A, -1),
            ("middle", A, 1),
            ("strides", TURNED, 1),
            ("empty", EMPTY, 1),
            ("odd", ODD, 0),
        ):
            for exclusive in (False, True):
                for reverse in (False, True) if label in ("first", "middle", "odd") else (exclusive,):
                    options = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
                    end = f"{'-exclusive' if exclusive else ''}{'-reverse' if reverse else ''}"
                    samples.append(
                        Sample(
                            f"{name}-{label}{end}",
                            lambda x, f=function, o=options: f(x, **o),
                            (x,),
                            lambda x, n=name, o=options: _running(n, x, **o),
                            grad=label in ("vector", "middle") and not exclusive,
                        )
                    )
        for reverse in (False, True):  # without the first, which is infinite
            rest = slice(None, -1) if reverse else slice(1, None)
            samples.append(
                Sample(
                    f"{name}-gradient{'-reverse' if reverse else ''}",
                    lambda x, f=function, r=reverse, k=rest: f(x, 0, True, r)[k],
                    (M,),
                    lambda x, n=name, r=reverse, k=rest: _running(n, x, 0, True, r)[k],
                    grad=True,
                )
            )
        dtypes = [np.float32, *HALVES]
        samples += [
            Sample(
                f"{name}-{np.dtype(d).name}",
                lambda x, f=function: f(x, exclusive=True),
                (array(5, 2, dtype=d, low=0, high=9, seed=4),),
                lambda x, n=name: _running(n, x, 0, True, False),
            )
            for d in (dtypes if name == "cumulative_logsumexp" else [np.int8, np.uint32, *dtypes])
        ]
    samples.append(
        Sample("cumulative_logsumexp-integers", running.cumulative_logsumexp, (np.array([1, 2, 800, 801]),),
               lambda x: np.logaddexp.accumulate(x.astype(np.float32)))
    )  # fmt: skip
    return samples


def _differences() -> list[Sample]:
    return [
        *[
            Sample(f"diff-{label}", lambda x, a=axis, n=n: running.diff(x, a, n), (x,),
                   lambda x, a=axis, n=n: np.diff(x, n, a), grad=x.dtype == np.float64)
            for label, x, axis, n in (
                ("vector", V, -1, 1), ("first", M, 0, 2), ("last", A, -1, 3), ("none", M, 1, 0), ("strides", TURNED, 1, 1),
                ("integers", np.array([1, 5, 2], np.uint8), -1, 1), ("bools", A > 0, -1, 2), ("empty", EMPTY, 1, 1),
                ("complex", V * 1j, 0, 1), ("float16", V.astype(np.float16), 0, 1))
        ],
        Sample("diff-all", lambda x: running.diff(x, 0, 9), (V,), lambda x: np.diff(x, 9)),
        Sample("diff-ends", lambda x, a, b: running.diff(x, 1, 1, a, b), (M, M[:, :1] + 1, M[:, :2] - 1),
               lambda x, a, b: np.diff(x, 1, 1, a, b), grad=True),
    ]  # fmt: skip


def _reversed(x: Any, lengths: Any, seq: int, batch: int) -> Any:
    result = x.copy()
    for k, n in enumerate(lengths):
        line = np.take(x, k, batch)
        axis = seq - (batch % x.ndim < seq % x.ndim) if seq >= 0 else seq + (batch % x.ndim > seq % x.ndim)
        line = np.concatenate(
            [np.flip(np.take(line, range(n), axis), axis), np.take(line, range(n, x.shape[seq]), axis)], axis
        )
        result[(*[slice(None)] * (batch % x.ndim), k)] = line
    return result


def _sequences() -> list[Sample]:
    lengths = np.array([[1, 0, 3], [2, -1, 5]])
    return [
        Sample("sequence_mask", lambda n: sequences.sequence_mask(n, 4), (lengths,), lambda n: np.arange(4) < n[..., None]),
        Sample("sequence_mask-found", sequences.sequence_mask, (lengths,), lambda n: np.arange(5) < n[..., None]),
        Sample("sequence_mask-dtype", lambda n: sequences.sequence_mask(n, 2, "float32"), (lengths.astype(np.int8),),
               lambda n: (np.arange(2) < n[..., None]).astype(np.float32)),
        Sample("sequence_mask-scalar", lambda n: sequences.sequence_mask(n, 3), (np.asarray(2),),
               lambda n: np.array([True, True, False])),
        Sample("sequence_mask-empty", sequences.sequence_mask, (np.zeros((2, 0), np.int64),), lambda n: np.zeros((2, 0, 0), bool)),
        *[
            Sample(f"reverse_sequence-{label}", lambda x, n, s=seq, b=batch: sequences.reverse_sequence(x, n, s, b), (x, n),
                   lambda x, n, s=seq, b=batch: _reversed(x, n, s, b), grad=x.dtype == np.float64)
            for label, x, n, seq, batch in (
                ("matrix", M, np.array([0, 5, 2, 1]), 1, 0),
                ("time-major", M, np.array([1, 2, 3, 4, 0]), 0, 1),
                ("three-axes", A, np.array([3, 2]), 1, 0),
                ("far", A, np.array([2, 1, 0, 2]), 0, -1),
                ("strides", TURNED, np.array([1, 2, 3, 4], np.int32), -1, 0),
                ("integers", np.arange(8).reshape(2, 4), np.array([4, 3]), 1, 0),
                ("empty", EMPTY, np.array([0, 0, 0]), 1, 0),
                ("no-batch", np.zeros((0, 3)), np.zeros(0, np.int64), 1, 0))
        ],
        Sample("reverse_sequence-old-names", lambda x, n: sequences.reverse_sequence(x, n, seq_dim=1, batch_dim=0),
               (M, np.array([0, 5, 2, 1])), lambda x, n: _reversed(x, n, 1, 0)),
    ]  # fmt: skip


SAMPLES: list[Sample] = [*_runs(), *_differences(), *_sequences()]
