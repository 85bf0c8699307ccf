"""Samples of sorting, ranking and searching, of sets and of quantiles."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.ops import quantiles, ranking, searching, sets, sorting
from tests.ops.table import Sample, array

V, M, A = array(7, seed=1), array(4, 5, seed=2), array(2, 3, 4, seed=3)
MANY = array(2, 1, 3, 2, 4, seed=4)
EMPTY = np.zeros((3, 0))
TURNED = np.ascontiguousarray(M[::-1, ::-1])[::-1, ::-1]  # negative strides
ODD = np.array([3.0, np.nan, -0.0, np.inf, 0.0, -np.inf, 0.0, -0.0, np.nan, 3.0])
TIES = np.array([[2, 1, 2, 1, 2], [0, 0, 0, 0, 0], [3, 1, 2, 3, 1]])
HALVES = [np.float16, ml_dtypes.bfloat16]
DTYPES = [np.bool_, np.int8, np.uint16, np.int32, np.int64, np.uint64, np.float32, *HALVES]
LONG = array(3000, seed=5)


def _wide(x: Any) -> Any:
    """NumPy sorts bfloat16 by another order of NaN; float32 holds all of it."""
    return x.astype(np.float32) if x.dtype == ml_dtypes.bfloat16 else x


def _argsort(x: Any, axis: int = -1, descending: bool = False) -> Any:
    x = _wide(x)
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)


def _sort(x: Any, axis: int = -1, descending: bool = False) -> Any:
    return np.take_along_axis(x, _argsort(x, axis, descending), axis)


def _sorts() -> list[Sample]:
    samples = []
    cases = [
        ("vector", V, -1),
        ("first", M, 0),
        ("last", A, -1),
        ("middle", A, 1),
        ("five-axes", MANY, -3),
        ("strides", TURNED, 1),
        ("empty", EMPTY, 1),
        ("empty-lines", EMPTY, 0),
        ("odd", ODD, 0),
        ("ties", TIES, -1),
        ("long", LONG, 0),
    ]
    for label, x, axis in cases:
        both = label in ("first", "odd", "ties", "long")
        for descending in (False, True) if both else (label in ("vector", "middle"),):
            end = "-descending" if descending else ""
            options = {"axis": axis, "descending": descending}
            samples.append(
                Sample(
                    f"sort-{label}{end}",
                    lambda x, o=options: sorting.sort(x, **o),
                    (x,),
                    lambda x, o=options: _sort(x, **o),
                    grad=label in ("vector", "first", "middle", "strides"),
                )
            )
            samples.append(
                Sample(
                    f"argsort-{label}{end}",
                    lambda x, o=options: sorting.argsort(x, **o),
                    (x,),
                    lambda x, o=options: _argsort(x, **o),
                )
            )
    for d in DTYPES:
        x = array(
            3,
            40,
            dtype=d,
            seed=6,
            low=0 if np.dtype(d).kind in "bu" else -9,
            high=1.5 if d is np.bool_ else 9,
        )
        name = np.dtype(d).name
        samples += [
            Sample(
                f"sort-{name}", lambda x: sorting.sort(x, descending=True), (x,), lambda x: _sort(x, -1, True)
            ),
            Sample(f"argsort-{name}", lambda x: sorting.argsort(x, 0), (x,), lambda x: _argsort(x, 0)),
        ]
    samples += [
        *[
            Sample(f"sort-odd-{np.dtype(d).name}", sorting.sort, (ODD.astype(d),), _sort)
            for d in (np.float32, np.float16)
        ],
        Sample("sort-flat", lambda x: sorting.sort(x, None), (M,), lambda x: np.sort(x, axis=None)),
        Sample("argsort-flat", lambda x: sorting.argsort(x, axis=None), (TIES,), lambda x: _argsort(x.reshape(-1))),
        Sample("sort-direction", lambda x: sorting.sort(x, direction="DESCENDING"), (M,), lambda x: _sort(x, -1, True)),
        Sample("argsort-wide-int64", sorting.argsort, (LONG.view(np.int64),), _argsort),
        Sample("argsort-long-float32", sorting.argsort, (LONG.astype(np.float32),), _argsort),
        Sample("argsort-long-close", sorting.argsort, (1 + np.round(LONG * 9) * 2**-52,), _argsort),
        Sample("argsort-long-first", lambda x: sorting.argsort(x, 0, True), (LONG.reshape(600, 5),),
               lambda x: _argsort(x, 0, True)),
        Sample("invert_permutation", sorting.invert_permutation, (np.array([3, 0, 2, 1]),), np.argsort, unranked=True),
        Sample("invert_permutation-int32", sorting.invert_permutation, (np.array([1, 2, 0], np.int32),),
               lambda x: np.argsort(x).astype(np.int32)),
        Sample("invert_permutation-empty", sorting.invert_permutation, (np.zeros(0, np.int64),), np.argsort),
    ]  # fmt: skip
    return samples


# --- ranking --------------------------------------------------------------------------------------


def _top(x: Any, k: int) -> Any:
    order = _argsort(x, -1, True)[..., :k]
    return np.take_along_axis(x, order, -1), order


def _in_top(scores: Any, targets: Any, k: int) -> Any:
    result = []
    for row, t in zip(scores, targets, strict=True):
        ok = 0 <= t < len(row) and np.isfinite(row).all()
        result.append(bool(ok and np.sum(row > row[t]) < k))
    return np.array(result)


def _ranks() -> list[Sample]:
    samples = [
        Sample(
            f"top_k-{label}", lambda x, k=k: ranking.top_k(x, k), (x,), lambda x, k=k: _top(x, k), grad=grad
        )
        for label, x, k, grad in (
            ("one", V, 1, True),
            ("two", array(3, 20, seed=7), 2, True),
            ("half", A, 2, True),
            ("all", M, 5, False),
            ("none", M, 0, False),
            ("ties", np.tile(TIES, 4), 3, False),
            ("odd", np.tile(ODD, 3), 5, False),
            ("long", LONG, 7, False),
            ("relu", np.maximum(LONG.reshape(100, 30), 0), 4, False),
            ("strides", array(30, 6, seed=8).T[::-1], 3, False),
            ("empty", np.zeros((0, 9)), 2, False),
            *[
                (np.dtype(d).name, array(2, 30, dtype=d, seed=9, low=0, high=9), 3, False)
                for d in DTYPES[::2]
            ],
        )
    ]
    for reverse in (False, True):
        for label, x in (("vector", V), ("three-axes", A), ("strides", TURNED)):
            samples.append(
                Sample(
                    f"nth_element-{label}{'-reverse' if reverse else ''}",
                    lambda x, r=reverse: ranking.nth_element(x, 1, r),
                    (x,),
                    lambda x, r=reverse: np.sort(x, axis=-1)[..., -2 if r else 1],
                    grad=True,
                )
            )
    scores = np.array([[1.0, 2, 3, 2], [4, 1, 1, 0], [1, np.inf, 0, 0], [1, 2, 3, 4], [1, 2, 3, 4]])
    samples += [
        *[
            Sample(f"nth_element-{np.dtype(d).name}", lambda x: ranking.nth_element(x, 2), (array(3, 9, dtype=d, high=9),),
                   lambda x: np.sort(_wide(x), axis=-1)[..., 2].astype(x.dtype))
            for d in DTYPES[1::3]
        ],
        Sample("nth_element-nan", lambda x: ranking.nth_element(x, 1, True), (ODD,), lambda x: np.asarray(np.nan)),
        Sample("in_top_k", lambda p, t: ranking.in_top_k(p, t, 2), (scores, np.array([1, 2, 0, 2, 9])),
               lambda p, t: _in_top(p, t, 2)),
        Sample("in_top_k-int32", lambda p, t: ranking.in_top_k(p, t, 1), (scores, np.array([2, 0, 0, 3, -1], np.int32)),
               lambda p, t: _in_top(p, t, 1)),
        Sample("in_top_k-tensor", ranking.in_top_k, (scores, np.array([1, 2, 0, 2, 1]), np.asarray(3)), _in_top),
    ]  # fmt: skip
    return samples


# --- searching ------------------------------------------------------------------------------------

RISING = np.array([-1.0, 0.0, 0.0, 1.5, 2.0])


def _searched(a: Any, v: Any, side: str = "left") -> Any:
    a, v = _wide(a), _wide(v)
    if a.ndim == 1:
        return np.searchsorted(a, v, side)
    found = [np.searchsorted(a[k], v[k], side) for k in np.ndindex(a.shape[:-1])]
    return np.array(found).reshape(v.shape)


def _searches() -> list[Sample]:
    lines = np.sort(np.round(A), axis=-1)
    nan = np.array([-1.0, 2.0, np.nan])
    bounds = [-1.0, 0.0, 1.0]
    samples = [
        Sample(f"searchsorted-{label}-{side}", lambda a, v, s=side: searching.searchsorted(a, v, s), (a, v),
               lambda a, v, s=side: _searched(a, v, s))
        for side in ("left", "right")
        for label, a, v in (
            ("vector", RISING, V),
            ("matrix", RISING, TURNED),
            ("ties", RISING, np.array([0.0, -0.0, 1.5])),
            ("scalar", RISING, np.asarray(0.5)),
            ("nothing", np.zeros(0), V),
            ("nan", nan, ODD),
            ("lines", lines, np.round(array(2, 3, 6, seed=10))),
            ("lines-nan", np.stack([nan, nan]), np.stack([ODD, ODD])),
            ("lines-empty", np.zeros((2, 0)), M[:2]),
            ("integers", np.array([1, 2, 2, 5]), TIES),
            *[(np.dtype(d).name, np.sort(array(9, dtype=d, high=9).astype(np.float32)).astype(d),
               array(5, dtype=d, low=0, high=9)) for d in (np.uint8, *HALVES)],
        )
        if side == "left" or label in ("ties", "nan", "lines", "lines-nan")
    ]  # fmt: skip
    samples += [
        Sample("searchsorted-sorter", lambda a, v, s: searching.searchsorted(a, v, sorter=s), (V, M, np.argsort(V)),
               lambda a, v, s: np.searchsorted(a, v, sorter=s)),
        Sample("searchsorted-promoted", searching.searchsorted, (np.array([1, 2, 3]), np.array([0.5, 2.5], np.float32)),
               _searched),
        *[
            Sample(f"nonzero-{label}", searching.nonzero, (x,), np.nonzero, unranked=False)
            for label, x in (("vector", ODD), ("matrix", TIES - 1), ("bools", A > 0), ("empty", EMPTY),
                             ("complex", np.array([0, 1j, 0, 2])), ("bfloat16", array(9, dtype=ml_dtypes.bfloat16)))
        ],
        *[
            Sample(f"argwhere-{label}", searching.argwhere, (x,), reference)
            for label, x, reference in (
                ("vector", ODD, np.argwhere), ("three-axes", A > 0, np.argwhere), ("empty", EMPTY, np.argwhere),
                ("strides", TURNED > 0, np.argwhere),
                ("true", np.asarray(3.0), lambda x: np.zeros((1, 0), np.int64)),
                ("false", np.asarray(False), lambda x: np.zeros((0, 0), np.int64)))
        ],
        Sample("where-alone", gf.where, (A > 0,), np.argwhere),
        Sample("flatnonzero", searching.flatnonzero, (TURNED > 0,), np.flatnonzero),
        Sample("flatnonzero-scalar", searching.flatnonzero, (np.asarray(2),), np.flatnonzero),
        *[
            Sample(f"isin-{label}", searching.isin, (x, y), np.isin)
            for label, x, y in (
                ("few", ODD, np.array([3.0, 0.0, np.nan])),
                ("many", np.round(LONG * 5), np.arange(-4.0, 9)),
                ("integers", TIES, np.array([[1], [3]])),
                ("wide-integers", np.array([-(2**62), 0, 2**62]), np.arange(0, 2**62, 2**58)),
                ("table", TIES, np.arange(0, 4, 2).repeat(20)),
                ("nothing", M, np.zeros(0)),
                ("of-nothing", EMPTY, V),
                ("bools", A > 0, np.array([True])),
                ("unsigned", array(9, dtype=np.uint8, low=0, high=9), np.array([2, 255], np.uint8)),
                ("float16", array(9, dtype=np.float16), array(9, dtype=np.float16)),
                ("scalar", np.asarray(2), np.array([1, 2])),
            )
        ],
        Sample("isin-complex", searching.isin, (np.array([1j, 2, 0]), np.array([2, 1j + 0.5])), np.isin),
        Sample("isin-complex-many", searching.isin, (np.array([1j, 2, 0]), 1j * np.arange(12)), np.isin),
        Sample("isin-invert", lambda x, y: searching.isin(x, y, invert=True), (TIES, np.array([1, 7])),
               lambda x, y: np.isin(x, y, invert=True)),
        *[
            Sample(f"digitize-{'falling' if fall else 'rising'}-{right}",
                   lambda x, b, r=right: searching.digitize(x, b, r), (np.round(ODD[~np.isnan(ODD)]), np.array(bounds[::1 - 2 * fall])),
                   lambda x, b, r=right: np.digitize(x, b, r))
            for fall in (False, True) for right in (False, True)
        ],
        Sample("digitize-known", lambda x: searching.digitize(x, bounds), (M,), lambda x: np.digitize(x, bounds)),
        Sample("bucketize", lambda x: searching.bucketize(x, [0, 10, 100]), (np.array([[-5, 10000], [150, 10], [5, 100]]),),
               lambda x: np.array([[0, 3], [3, 2], [1, 3]])),
    ]  # fmt: skip
    return samples


# --- sets -----------------------------------------------------------------------------------------


def _unique_all(x: Any) -> Any:
    """By the definition: each element looked up among those before."""
    line = x.reshape(-1)
    order = np.lexsort((line.imag, line.real)) if x.dtype.kind == "c" else _argsort(line)
    values, first, inverse, counts = [], [], np.zeros(line.size, np.int64), []
    for k in order.tolist():
        if not values or line[k] != values[-1]:
            values.append(line[k])
            first.append(k)
            counts.append(0)
        inverse[k] = len(values) - 1
        counts[-1] += 1
    return (
        np.array(values, x.dtype),
        np.array(first, np.int64),
        inverse.reshape(x.shape),
        np.array(counts, np.int64),
    )


def _as_met(x: Any) -> Any:
    values, idx, counts = [], [], []
    for v in x.reshape(-1):
        known = [k for k, w in enumerate(values) if w == v]
        if not known:
            values.append(v)
            counts.append(0)
        idx.append(known[0] if known else len(values) - 1)
        counts[idx[-1]] += 1
    return np.array(values, x.dtype), np.array(idx, np.int64).reshape(x.shape), np.array(counts, np.int64)


def _sets() -> list[Sample]:
    samples = []
    for label, x in (
        ("odd", ODD),
        ("ties", TIES),
        ("empty", EMPTY),
        ("scalar", np.asarray(2.5)),
        ("bools", A > 0),
        ("strides", np.round(TURNED)),
        ("complex", np.array([1j, 2, 1j, 0, 2, -1 + 2j, 1 + 1j], np.complex64)),
        ("long", np.round(LONG * 20).astype(np.int32)),
        *[
            (np.dtype(d).name, array(20, dtype=d, low=0, high=5))
            for d in (np.uint8, np.uint64, np.float32, *HALVES)
        ],
    ):
        samples += [
            Sample(f"unique_values-{label}", sets.unique_values, (x,), lambda x: _unique_all(x)[0]),
            Sample(f"unique_all-{label}", sets.unique_all, (x,), _unique_all),
        ]
    samples += [
        Sample("unique_values-gradient", sets.unique_values, (V,), np.unique, grad=True),
        Sample("unique_counts-gradient", lambda x: sets.unique_counts(x)[0], (V,), np.unique, grad=True),
        Sample("unique_all-gradient", lambda x: sets.unique_all(x)[0], (V,), np.unique, grad=True),
        Sample("unique_counts", sets.unique_counts, (ODD,), lambda x: (_unique_all(x)[0], _unique_all(x)[3])),
        Sample("unique_inverse", sets.unique_inverse, (TIES,), lambda x: (_unique_all(x)[0], _unique_all(x)[2])),
        Sample("unique", sets.unique, (ODD,), lambda x: _as_met(x)[:2]),
        Sample("unique-gradient", lambda x: sets.unique(x)[0], (V,), lambda x: _as_met(x)[0], grad=True),
        Sample("unique-int32", lambda x: sets.unique(x, "int32"), (TIES,),
               lambda x: (_as_met(x)[0], _as_met(x)[1].astype(np.int32))),
        Sample("unique_with_counts", sets.unique_with_counts, (TIES[2],), _as_met),
        Sample("unique_with_counts-empty", sets.unique_with_counts, (np.zeros(0),), _as_met),
        Sample("setdiff1d", sets.setdiff1d, (np.array([1, 2, 3, 4, 5, 6, 2]), np.array([1, 3, 5])),
               lambda x, y: (np.array([2, 4, 6, 2]), np.array([1, 3, 5, 6]))),
        Sample("setdiff1d-gradient", lambda x: sets.setdiff1d(x, [9.0, 7.0])[0], (V,), lambda x: x, grad=True),
    ]  # fmt: skip
    return samples


# --- quantiles ------------------------------------------------------------------------------------


def _quantiles() -> list[Sample]:
    some = [0.0, 0.3, 0.5, 0.77, 1.0]
    methods = (
        "linear",
        "lower",
        "higher",
        "nearest",
        "midpoint",
        "weibull",
        "hazen",
        "median_unbiased",
        "normal_unbiased",
    )
    samples = [
        Sample(f"quantile-{m}", lambda x, m=m: quantiles.quantile(x, some, -1, method=m), (array(3, 8, seed=11),),
               lambda x, m=m: np.quantile(x, some, axis=-1, method=m), grad=m in ("linear", "lower", "midpoint"), atol=1e-12,
               unranked=False)
        for m in methods
    ]  # fmt: skip
    nan = A.copy()
    nan[0, 1, 2] = np.nan
    samples += [
        Sample("quantile-all", lambda x: quantiles.quantile(x, 0.3), (A,), lambda x: np.quantile(x, 0.3), grad=True),
        Sample("quantile-first", lambda x: quantiles.quantile(x, 0.3, 0), (A,), lambda x: np.quantile(x, 0.3, axis=0)),
        Sample("quantile-axes", lambda x: quantiles.quantile(x, some, (0, 2)), (A,),
               lambda x: np.quantile(x, some, axis=(0, 2)), unranked=False),
        Sample("quantile-keepdims", lambda x: quantiles.quantile(x, some, (2, 0), True), (A,),
               lambda x: np.quantile(x, some, axis=(2, 0), keepdims=True), unranked=False),
        Sample("quantile-infinite", lambda x: quantiles.quantile(x, 0.5), (np.array([1.0, np.inf, np.inf, np.inf]),),
               lambda x: np.asarray(np.inf)),
        Sample("quantile-one", lambda x: quantiles.quantile(x, some), (np.array([4.0]),), lambda x: np.full(5, 4.0)),
        Sample("percentile", lambda x: quantiles.percentile(x, [10, 90], 1), (nan,),
               lambda x: np.percentile(x, [10, 90], axis=1), unranked=False),
        *[
            Sample(f"median-{label}", lambda x, a=axis, k=keep: quantiles.median(x, a, k), (x,),
                   lambda x, a=axis, k=keep: np.median(x, axis=a, keepdims=k), unranked=not keep, rtol=1e-6)
            for label, x, axis, keep in (
                ("odd", V, None, False), ("even", M[:, :4], 1, False), ("nan", nan, 2, False), ("kept", A, 1, True),
                ("everything", A, None, True), ("integers", TIES, 0, False), ("float32", M.astype(np.float32), 0, False),
                ("five-axes", MANY, -3, False))
        ],
        Sample("median-no-axes", lambda x: quantiles.median(x, ()), (M,), lambda x: x, unranked=False),
        Sample("median-float16", lambda x: quantiles.median(x, 0), (M.astype(np.float16),),
               lambda x: np.median(x.astype(np.float32), axis=0).astype(np.float16), rtol=1e-3),
    ]  # fmt: skip
    return samples


SAMPLES: list[Sample] = [*_sorts(), *_ranks(), *_searches(), *_sets(), *_quantiles()]
