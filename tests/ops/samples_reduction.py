"""Samples of reductions, running folds and statistics."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from scipy import special

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

A = array(2, 3, 4, seed=1)
M = array(3, 4, seed=2)
V = array(5, seed=3)
SCALAR = np.asarray(1.5)
EMPTY = np.zeros((3, 0))
INTS = array(3, 4, dtype=np.int32, seed=4, low=-9, high=9)
BOOLS = array(3, 4, seed=5) > 0
NANS = np.array([[1.0, np.nan, 3.0], [np.inf, -np.inf, 0.0], [-0.0, 2.0, -np.inf]])
REVERSED = np.ascontiguousarray(M[::-1, ::-1])[::-1, ::-1]  # negative strides
BFLOAT16 = ml_dtypes.bfloat16
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])

AXES: list[tuple[str, Any, Any]] = [
    ("all", A, None),
    ("first", A, 0),
    ("last", A, -1),
    ("two", A, (0, 2)),
    ("none", A, ()),
    ("every", A, (0, 1, 2)),
    ("scalar", SCALAR, None),
    ("vector", V, 0),
    ("strides", REVERSED, 1),
]


def _over_axes(
    name: str, reference: Any, *, grad: bool = False, empty: bool = True, **options: Any
) -> list[Sample]:
    function = getattr(gf, name)
    samples = []
    for label, x, axis in AXES:
        for keepdims in (False, True):
            if keepdims and label in ("scalar", "vector", "strides"):
                continue
            samples.append(
                Sample(
                    f"{name}-{label}{'-keepdims' if keepdims else ''}",
                    lambda x, axis=axis, keepdims=keepdims: function(x, axis=axis, keepdims=keepdims),
                    (x,),
                    lambda x, axis=axis, keepdims=keepdims: reference(x, axis=axis, keepdims=keepdims),
                    grad=grad and not keepdims,
                    **options,
                )
            )
    if empty:
        samples.append(
            Sample(f"{name}-empty", function, (EMPTY,), lambda x: reference(x, axis=None, keepdims=False))
        )
        samples.append(
            Sample(
                f"{name}-empty-axis",
                lambda x: function(x, axis=1),
                (EMPTY,),
                lambda x: reference(x, axis=1, keepdims=False),
                grad=grad and name != "mean",
            )
        )
    samples.append(
        Sample(
            f"{name}-empty-other",
            lambda x: function(x, axis=0),
            (EMPTY,),
            lambda x: np.zeros(0, reference(V, axis=0, keepdims=False).dtype),
        )
    )
    return samples


def _typed(name: str, reference: Any, dtypes: list[Any], **options: Any) -> list[Sample]:
    function = getattr(gf, name)
    return [
        Sample(
            f"{name}-{np.dtype(d).name}",
            lambda x: function(x, axis=0),
            (
                (
                    array(3, 4, seed=6, low=0, high=6)
                    if np.dtype(d).kind == "u"
                    else array(3, 4, seed=6, low=-3, high=3)
                ).astype(d),
            ),
            reference,
            **options,
        )
        for d in dtypes
    ]


INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
HALVES = [np.float16, BFLOAT16]


def _wide(x: Any) -> Any:
    return x.astype({"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, np.float64))


def _folded(ufunc: Any) -> Any:
    return lambda x: ufunc.reduce(_wide(x), axis=0)


def _variance(x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0) -> Any:
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    n = np.prod([x.shape[a] for a in axes])
    centred = x - x.sum(axis=axes, keepdims=True) / n
    return (np.abs(centred) ** 2).sum(axis=axes, keepdims=keepdims) / (n - correction)


def _prod_samples() -> list[Sample]:
    zeros = array(3, 4, seed=7, low=0.5, high=2)
    zeros[0, 1] = zeros[2, 2] = zeros[1, 2] = 0
    cases = {"one": np.array([2.0, 0.0, 3.0]), "two": np.array([2.0, 0.0, 0.0, 3.0]), "matrix": zeros}
    samples = [
        Sample(
            f"prod-zeros-{label}",
            lambda x: gf.prod(x, axis=-1),
            (x,),
            lambda x: np.multiply.reduce(x, axis=-1),
            grad=True,
        )
        for label, x in cases.items()
    ]
    samples.append(Sample("prod-zeros-flat", gf.prod, (zeros,), lambda x: np.float64(0), grad=True))
    samples.append(
        Sample(
            "prod-zeros-two-axes",
            lambda x: gf.prod(x, (0, 1), keepdims=True),
            (cases["matrix"],),
            lambda x: np.zeros((1, 1)),
            grad=True,
        )
    )
    return samples


def _position(function: Any) -> Any:
    return lambda x, axis=None, keepdims=False: np.asarray(function(x, axis=axis, keepdims=keepdims))


SAMPLES: list[Sample] = [
    *_over_axes("sum", lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims), grad=True),
    *_over_axes(
        "prod", lambda x, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims), grad=True
    ),
    *_over_axes("mean", lambda x, axis, keepdims: _mean(x, axis, keepdims), grad=True),
    *_over_axes(
        "max",
        lambda x, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
        grad=True,
        empty=False,
    ),
    *_over_axes(
        "min",
        lambda x, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
        grad=True,
        empty=False,
    ),
    *_over_axes("any", lambda x, axis, keepdims: np.logical_or.reduce(x, axis=axis, keepdims=keepdims)),
    *_over_axes("all", lambda x, axis, keepdims: np.logical_and.reduce(x, axis=axis, keepdims=keepdims)),
    *_over_axes("count_nonzero", lambda x, axis, keepdims: np.sum(x != 0, axis=axis, keepdims=keepdims)),
    *[
        s
        for s in _over_axes("var", _variance, grad=True, empty=False)
        if "-none" not in s.name and "other" not in s.name
    ],
    *_typed("sum", _folded(np.add), INTEGERS),
    *_typed("prod", _folded(np.multiply), INTEGERS),
    *_typed("sum", _folded(np.add), [np.float32, *HALVES], rtol=1e-2),
    *_typed("prod", _folded(np.multiply), [np.float32, *HALVES], rtol=2e-2),
    *_typed("mean", lambda x: _wide(x).mean(axis=0), [np.int8, np.uint64, np.bool_, np.float32], rtol=1e-6),
    *_typed("mean", lambda x: _wide(x).mean(axis=0), HALVES, rtol=2e-2),
    *_typed("max", lambda x: np.sort(x, axis=0)[-1], [*INTEGERS, np.float32, *HALVES]),
    *_typed("min", lambda x: np.sort(x, axis=0)[0], [*INTEGERS, np.float32, *HALVES]),
    *_typed(
        "argmax",
        lambda x: np.argsort(-_wide(x).astype(float), axis=0, kind="stable")[0],
        [np.int8, np.uint64, np.float32, *HALVES],
    ),
    *_typed(
        "argmin",
        lambda x: np.argsort(_wide(x).astype(float), axis=0, kind="stable")[0],
        [np.int8, np.uint64, np.float32, *HALVES],
    ),
    *_typed(
        "any",
        lambda x: (x != 0).sum(axis=0) > 0,
        [np.int8, np.bool_, np.float32, *HALVES, np.complex64],
    ),
    *_typed("all", lambda x: (x == 0).sum(axis=0) == 0, [np.int8, np.bool_, np.float32, *HALVES]),
    *_typed("var", lambda x: _variance(_wide(x), 0), [np.int16, np.float32], rtol=1e-5),
    *_typed("var", lambda x: _variance(_wide(x), 0), HALVES, rtol=3e-2),
    Sample("sum-bool", lambda x: gf.sum(x, 1), (BOOLS,), lambda x: x.astype(np.int64) @ np.ones(4, np.int64)),
    Sample("sum-complex", lambda x: gf.sum(x, 0), (M + 1j * M[::-1],), lambda x: np.ones(3) @ x),
    Sample("prod-complex", lambda x: gf.prod(x, 0), (M + 1j * M[::-1],), lambda x: x[0] * x[1] * x[2]),
    Sample(
        "sum-dtype", lambda x: gf.sum(x, 1, dtype="float64"), (INTS,), lambda x: x.astype(float) @ np.ones(4)
    ),
    Sample("sum-narrow", lambda x: gf.sum(x, 1, dtype="int32"), (INTS,), lambda x: x @ np.ones(4, np.int32)),
    Sample(
        "sum-widened",
        lambda x: gf.sum(x, 1, dtype="float64"),
        (M.astype(np.float32),),
        lambda x: x.astype(float) @ np.ones(4),
        grad=True,
    ),
    Sample("sum-wraps", gf.sum, (np.array([2**63 - 1, 1]),), lambda x: np.int64(-(2**63)), strict=False),
    Sample("sum-nan", lambda x: gf.sum(x, 1), (NANS,), lambda x: np.array([np.nan, np.nan, -np.inf])),
    Sample(
        "sum-half-is-exact",
        lambda x: gf.sum(x, 0),
        (np.ones((5000, 2), np.float16),),
        lambda x: np.full(2, 5000.0),
    ),
    Sample("sum-bfloat16-many", gf.sum, (np.ones(1024, BFLOAT16),), lambda x: np.asarray(1024.0)),
    Sample("mean-half-no-overflow", gf.mean, (np.full(70000, 2.0, np.float16),), lambda x: np.asarray(2.0)),
    Sample("mean-complex", lambda x: gf.mean(x, 0), (M + 1j * M[::-1],), lambda x: np.ones(3) @ x / 3),
    *_prod_samples(),
    Sample("max-nan", lambda x: gf.max(x, 1), (NANS,), lambda x: np.array([np.nan, np.inf, 2.0])),
    Sample("min-nan", lambda x: gf.min(x, 1), (NANS,), lambda x: np.array([np.nan, -np.inf, -np.inf])),
    Sample("max-bool", lambda x: gf.max(x, 1), (BOOLS,), lambda x: x.sum(axis=1) > 0, strict=False),
    Sample(
        "max-ties-gradient",
        lambda x: gf.gradients(gf.max(x, 1), x)[0],
        (TIES,),
        lambda x: np.array([[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]),
    ),
    Sample(
        "min-ties-gradient",
        lambda x: gf.gradients(gf.min(x), x)[0],
        (TIES,),
        lambda x: np.array([[1.0, 0, 0], [0, 0, 0]]),
    ),
    Sample(
        "max-nan-gradient",
        lambda x: gf.gradients(gf.max(x, 1), x)[0],
        (np.array([[1.0, np.nan], [1.0, 2.0]]),),
        lambda x: np.array([[np.nan, np.nan], [0, 1.0]]),
    ),
    *[
        Sample(
            f"{name}-{label}{'-keepdims' if keepdims else ''}",
            lambda x, n=name, axis=axis, keepdims=keepdims: F.table[n](x, axis, keepdims),
            (x,),
            lambda x, f=reference, axis=axis, keepdims=keepdims: f(x, axis, keepdims),
        )
        for name, reference in (("argmax", _position(np.argmax)), ("argmin", _position(np.argmin)))
        for label, x, axis in (
            ("all", A, None),
            ("first", A, 0),
            ("last", A, -1),
            ("strides", REVERSED, 1),
            ("nan", NANS, 1),
            ("scalar", SCALAR, None),
            ("other-empty", EMPTY, 0),
        )
        for keepdims in (False, True)
        if not (keepdims and label == "scalar")
    ],
    Sample("argmax-first-of-ties", lambda x: gf.argmax(x, 1), (TIES,), lambda x: np.array([1, 0])),
    Sample("any-nan", lambda x: gf.any(x, 1), (NANS,), lambda x: np.array([True, True, True])),
    *[
        Sample(
            f"var-correction-{c}",
            lambda x, c=c: gf.var(x, 1, correction=c),
            (M,),
            lambda x, c=c: _variance(x, 1, False, c),
            grad=True,
        )
        for c in (1, 0.5)
    ],
    Sample("var-complex", lambda x: gf.var(x, 0), (M + 1j * M[::-1],), lambda x: _variance(x, 0)),
    Sample("var-of-nothing", lambda x: gf.var(x, 1), (EMPTY,), lambda x: np.full(3, np.nan)),
    Sample(
        "var-of-one-corrected",
        lambda x: gf.var(x, 1, correction=1),
        (np.ones((2, 1)),),
        lambda x: np.full(2, np.nan),
    ),
    Sample("std-all", gf.std, (A,), lambda x: np.sqrt(_variance(x)), grad=True),
    Sample(
        "std-last-keepdims",
        lambda x: gf.std(x, -1, True, correction=1),
        (A,),
        lambda x: np.sqrt(_variance(x, -1, True, 1)),
        grad=True,
    ),
    Sample(
        "std-constant-gradient", lambda x: gf.gradients(gf.std(x), x)[0], (np.ones(3),), lambda x: np.zeros(3)
    ),
    Sample("std-int", gf.std, (INTS,), lambda x: np.sqrt(_variance(x)), rtol=1e-5),
    *[
        Sample(
            f"logsumexp-{label}",
            lambda x, axis=axis, k=k: gf.logsumexp(x, axis, k),
            (x,),
            lambda x, axis=axis, k=k: np.asarray(special.logsumexp(x, axis=axis, keepdims=k)),
            grad=bool(np.isfinite(x).all()),
        )
        for label, x, axis, k in (
            ("all", A, None, False),
            ("last", A, -1, True),
            ("two", A, (0, 2), False),
            ("large", M * 1000, 1, False),
            (
                "infinite",
                np.array([[-np.inf, -np.inf], [-np.inf, 1.0], [np.inf, 0.0], [np.nan, 0.0]]),
                1,
                False,
            ),
            ("scalar", SCALAR, None, False),
        )
    ],
    Sample(
        "logsumexp-minus-infinity-gradient",
        lambda x: gf.gradients(gf.logsumexp(x, 1), x)[0],
        (np.array([[-np.inf, -np.inf], [-np.inf, 0.0]]),),
        lambda x: np.array([[0.0, 0.0], [0.0, 1.0]]),
    ),
    Sample(
        "count_nonzero-bool",
        lambda x: gf.count_nonzero(x, 0),
        (BOOLS,),
        lambda x: x.astype(np.int64).T @ np.ones(3, np.int64),
    ),
    Sample("count_nonzero-nan", lambda x: gf.count_nonzero(x, 1), (NANS,), lambda x: np.array([3, 2, 2])),
    *[
        Sample(
            f"sum_to_like-{label}",
            F.sum_to_like,
            (np.ones(big) * array(*big, seed=11), np.ones(small)),
            lambda g, x: _summed_to(g, x.shape),
        )
        for label, big, small in (
            ("same", (2, 3), (2, 3)),
            ("lead", (2, 3), (3,)),
            ("ones", (2, 3), (2, 1)),
            ("both", (4, 2, 3), (1, 3)),
            ("scalar", (4, 2), ()),
            ("empty", (0, 3), (1, 3)),
        )
    ],
    Sample(
        "sum_to_like-gradient",
        lambda g: F.sum_to_like(g, gf.constant(np.ones((1, 4)))),
        (M,),
        lambda g: g.sum(0, keepdims=True),
        grad=True,
    ),
    Sample(
        "sum_to_like-half",
        F.sum_to_like,
        (np.ones((3000, 2), np.float16), np.ones(2, np.float16)),
        lambda g, x: np.full(2, 3000.0),
    ),
    Sample(
        "broadcast-of-unknown-sizes-gradient",
        lambda x, y: x * y,
        (array(3, 1, seed=12), array(1, 4, seed=13)),
        lambda x, y: x @ y,
        grad=True,
    ),
]


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    total = np.add.reduce(x, axis=axis, keepdims=keepdims)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (x.size / max(total.size, 1) if x.size else 0.0))


def _summed_to(g: Any, shape: tuple[int, ...]) -> Any:
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, d in enumerate(shape):
        if d == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g
