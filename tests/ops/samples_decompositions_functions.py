"""Samples of functions of matrices, of products of matrices, of bands and diagonals, and of spectral norms."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import scipy.linalg

import graphflow as gf
from graphflow.op import F
from graphflow.ops.band import band_part, matrix_diag_part, matrix_set_diag
from graphflow.ops.cross import cross
from graphflow.ops.expm import expm
from graphflow.ops.logm import logm, sqrtm
from graphflow.ops.matrix_products import kron, matrix_power, multi_dot
from tests.ops.samples_decompositions import FLOATS, complex_of, definite, parts, parts_of, tdefinite
from tests.ops.table import Sample, array

X3, Y3 = array(3, 3, seed=41), array(3, 3, seed=42)
X34, X45, X52 = array(3, 4, seed=43), array(4, 5, seed=44), array(5, 2, seed=45)
B233, B234 = array(2, 3, 3, seed=46), array(2, 3, 4, seed=47)
V3, V4, V2 = array(3, seed=48), array(4, seed=49), array(2, seed=50)
I32 = array(3, 4, dtype=np.int32, seed=51, low=-9, high=9)
EMPTY = np.zeros((2, 0, 0))


def wide(x: Any) -> Any:
    """In double precision."""
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _each(function: Any) -> Any:
    """SciPy's function of one matrix, for stacks."""

    def run(x: Any) -> Any:
        made = [function(m) for m in x.reshape(-1, *x.shape[-2:])]
        return np.array(made).reshape(x.shape)

    return run


def _functions() -> list[Sample]:
    samples = []
    for d in FLOATS:
        x = complex_of(d, X3, Y3)
        positive = scipy.linalg.expm(
            complex_of(np.complex128 if np.dtype(d).kind == "c" else float, X3, Y3) / 2
        )
        label = np.dtype(d).name
        samples += [
            Sample(f"expm-{label}", expm, (x,), scipy.linalg.expm, rtol=1e-4),
            Sample(f"sqrtm-{label}", sqrtm, (positive.astype(d),), scipy.linalg.sqrtm, rtol=1e-4, atol=1e-5),
            Sample(
                f"logm-{label}",
                logm,
                (positive.astype(d),),
                lambda x: scipy.linalg.logm(wide(x)),
                rtol=1e-4,
                atol=1e-5,
            ),
        ]
    jordan = np.array([[4.0, 1.0], [0.0, 4.0]])
    samples += [
        Sample(
            "expm-stack",
            expm,
            (np.stack([X3 / 100, X3 * 20, np.zeros((3, 3)), X3])[:, None],),
            _each(scipy.linalg.expm),
            rtol=1e-10,
        ),
        Sample(
            "expm-int", expm, (np.array([[0, 1], [0, 0]]),), lambda x: np.array([[1.0, 1], [0, 1]]), rtol=1e-6
        ),
        Sample("expm-rotation", expm, (np.array([[0.0, -30], [30, 0]]),), scipy.linalg.expm, rtol=1e-9),
        Sample("expm-empty", expm, (EMPTY,), lambda x: x),
        Sample("expm-1", expm, (np.full((2, 1, 1), -700.0),), np.exp, rtol=1e-12),
        Sample("expm-nan", expm, (np.array([[np.nan]]),), lambda x: x),
        Sample(
            "expm-gradient", lambda x: expm(x * 0.7), (B233,), lambda x: scipy.linalg.expm(x * 0.7), grad=True
        ),
        Sample(
            "expm-complex-gradient",
            lambda x, y: parts(expm(gf.complex(x, y) * 0.5)),
            (X3, Y3),
            lambda x, y: parts_of(scipy.linalg.expm((x + 1j * y) * 0.5)),
            grad=True,
            strict=False,
        ),
        Sample("sqrtm-stack", sqrtm, (definite(B233) * 1e6,), _each(scipy.linalg.sqrtm)),
        Sample("sqrtm-defective", sqrtm, (jordan,), scipy.linalg.sqrtm),
        Sample("sqrtm-empty", sqrtm, (EMPTY,), lambda x: x),
        Sample("sqrtm-diagonal", sqrtm, (np.diag([1e-8, 1.0, 1e8]),), np.sqrt, atol=1e-8),
        Sample(
            "sqrtm-gradient",
            lambda x: sqrtm(tdefinite(x)),
            (X3,),
            lambda x: scipy.linalg.sqrtm(definite(x)),
            grad=True,
        ),
        Sample("logm-near-one", logm, (np.eye(3) + X3 / 40,), scipy.linalg.logm, rtol=1e-12),
        Sample("logm-stack", logm, (definite(B233) * 1e3,), _each(scipy.linalg.logm), rtol=1e-9),
        Sample("logm-defective", logm, (jordan,), scipy.linalg.logm),
        Sample("logm-empty", logm, (EMPTY,), lambda x: x),
        Sample("logm-one", logm, (np.eye(3),), lambda x: 0 * x),
        Sample(
            "logm-gradient",
            lambda x: logm(tdefinite(x)),
            (X3,),
            lambda x: scipy.linalg.logm(definite(x)),
            grad=True,
        ),
        Sample(
            "logm-complex-gradient",
            lambda x, y: parts(logm(tdefinite(gf.complex(x, y)))),
            (X3, Y3),
            lambda x, y: parts_of(scipy.linalg.logm(definite(x + 1j * y))),
            grad=True,
            second_order=False,
            strict=False,
        ),
    ]
    return samples


def _products() -> list[Sample]:
    samples = [
        Sample(
            f"matrix_power-{n}",
            lambda x, n=n: matrix_power(x, n),
            (B233,),
            lambda x, n=n: np.linalg.matrix_power(x, n),
            grad=n in (-1, 5),
        )
        for n in (-3, -1, 0, 1, 2, 5)
    ]
    samples += [
        Sample(
            "matrix_power-int",
            lambda x: matrix_power(x, 10),
            (np.array([[1, 1], [1, 0]]),),
            lambda x: np.array([[89, 55], [55, 34]]),
        ),
        Sample("matrix_power-empty", lambda x: matrix_power(x, 3), (EMPTY,), lambda x: x),
        Sample(
            "matrix_power-complex",
            lambda x: matrix_power(x, -2),
            (X3 + 1j * Y3,),
            lambda x: np.linalg.matrix_power(x, -2),
            rtol=1e-9,
        ),
    ]
    for label, arrays in (
        ("matrices", (X34, X45, X52)),
        ("vectors", (V3, X34, X45, V4[[0, 1, 2, 3, 0]])),
        ("two", (V3, X34)),
        ("row-and-column", (V4, V4)),
        ("complex", (X3 + 1j * Y3, X3.T, Y3 * 1j)),
        ("empty", (X34[:, :0], X45[:0], X52)),
    ):
        samples.append(
            Sample(
                f"multi_dot-{label}",
                lambda *t: multi_dot(t),
                arrays,
                lambda *a: np.linalg.multi_dot(a) if len(a) > 2 else a[0] @ a[1],
                grad=label == "vectors",
                unranked=False,
            )
        )
    pairs: list[tuple[str, Any, Any]] = [
        ("matrices", X34, X45),
        ("vectors", V3, V4),
        ("matrix-vector", X34, V3),
        ("vector-stack", V3, B234),
        ("scalar", np.asarray(2.0), X34),
        ("scalars", np.asarray(2.0), np.asarray(3.0)),
        ("stack-matrix", B234, X3),
        ("empty", X34[:0], X45),
    ]
    samples += [
        Sample(
            f"kron-{label}", kron, (a, b), np.kron, grad=label in ("matrices", "vector-stack"), unranked=False
        )
        for label, a, b in pairs
    ]
    samples.append(Sample("kron-int", kron, (I32, I32[:2]), np.kron, unranked=False))
    crossed: list[tuple[str, Any, Any, int]] = [
        ("vectors", V3, V3[::-1], -1),
        ("stack", B233, B233[::-1], -1),
        ("first", X34, X34[::-1], 0),
        ("middle", B234, B234[::-1], 1),
        ("from-the-end", B234, X34, -2),
        ("broadcast", B233, V3, -1),
        ("stretched", X3, array(2, 1, 3, seed=52), -1),
        ("empty", np.zeros((0, 3)), np.zeros((1, 3)), -1),
    ]
    samples += [
        Sample(
            f"cross-{label}",
            lambda a, b, k=axis: cross(a, b, k),
            (a, b),
            lambda a, b, k=axis: np.linalg.cross(a, b, axis=k),
            grad=label in ("middle", "broadcast"),
        )
        for label, a, b, axis in crossed
    ]
    samples += [
        Sample(
            f"cross-{np.dtype(d).name}",
            cross,
            (complex_of(d, X3, Y3), complex_of(d, Y3, X3)),
            lambda a, b: np.cross(wide(a), wide(b)),
            rtol=rtol,
            atol=rtol,
        )
        for d, rtol in (
            (np.float32, 1e-5),
            (np.complex64, 1e-5),
            (np.complex128, 1e-12),
            (np.float16, 2e-2),
            (ml_dtypes.bfloat16, 2e-1),
        )
    ]
    samples += [
        Sample("cross-int", cross, (I32[:, :3], I32[:, 1:]), np.cross),
        Sample(
            "cross-complex-gradient",
            lambda x, y: parts(cross(gf.complex(x, y), gf.complex(y, x * x))),
            (X3, Y3),
            lambda x, y: parts_of(np.cross(x + 1j * y, y + 1j * x * x)),
            grad=True,
            strict=False,
        ),
    ]
    return samples


def _band(x: Any, lower: int, upper: int) -> Any:
    """TensorFlow's definition, element by element."""
    m, n = np.ogrid[: x.shape[-2], : x.shape[-1]]
    kept = ((lower < 0) | (m - n <= lower)) & ((upper < 0) | (n - m <= upper))
    return np.where(kept, x, 0).astype(x.dtype)


def _with_diagonal(x: Any, d: Any) -> Any:
    return np.where(np.eye(*x.shape[-2:], dtype=bool), _spread(d, x), x)


def _spread(d: Any, x: Any) -> Any:
    """The diagonal in every column, and garbage to the right of it or below."""
    m, n = x.shape[-2:]
    full = np.zeros((*d.shape[:-1], max(m, n, 1)), d.dtype)
    full[..., : d.shape[-1]] = d
    return full[..., :n][..., None, :]


def _bands() -> list[Sample]:
    samples = [
        Sample(
            f"band_part-{lower}-{upper}",
            lambda x, a=lower, b=upper: band_part(x, a, b),
            (B234,),
            lambda x, a=lower, b=upper: _band(x, a, b),
            grad=lower == 1,
        )
        for lower, upper in ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (-1, -1), (5, 7))
    ]
    holed = np.where(np.eye(3, 4) == 1, 1.0, np.nan)
    samples += [
        Sample("band_part-int", lambda x: band_part(x, 1, 1), (I32,), lambda x: _band(x, 1, 1)),
        Sample("band_part-nan", lambda x: band_part(x, 0, 0), (holed,), lambda x: np.eye(3, 4)),
        Sample("band_part-empty", lambda x: band_part(x, 1, 1), (X34[:0],), lambda x: x),
        Sample("matrix_diag_part", matrix_diag_part, (B234,), lambda x: np.diagonal(x, 0, -2, -1), grad=True),
    ]
    pairs: list[tuple[str, Any, Any]] = [
        ("wide", X34, V3),
        ("tall", X45.T, V4),
        ("stack", B234, array(2, 3, seed=53)),
        ("one-for-all", B234, V3),
        ("int", I32, np.array([1, 2, 3])),
        ("complex", X34 + 1j * X34, V3 * 1j),
        ("float16", X34.astype(np.float16), V3.astype(np.float16)),
        ("strides", X34[::-1, ::-1], V3[::-1]),
        ("empty", X34[:0], np.zeros(0)),
        ("empty-stack", B234[:0], V3),
        ("nan", np.full((2, 2), np.nan), V2),
    ]
    samples += [
        Sample(
            f"matrix_set_diag-{label}",
            matrix_set_diag,
            (a, d),
            _with_diagonal,
            grad=label in ("wide", "tall", "stack", "one-for-all"),
        )
        for label, a, d in pairs
    ]
    return samples


def _norms() -> list[Sample]:
    def norm(p: Any, **options: Any) -> Any:
        return lambda x: np.linalg.norm(x, p, (-2, -1), **options)

    samples = [
        Sample(
            f"matrix_norm-spectral-{p}", lambda x, p=p: F.matrix_norm(x, ord=p), (B234,), norm(p), grad=True
        )
        for p in (2, -2, "nuc")
    ]
    samples += [
        Sample(
            "matrix_norm-2-keepdims",
            lambda x: F.matrix_norm(x, True, 2),
            (B234,),
            norm(2, keepdims=True),
            grad=True,
        ),
        Sample(
            "matrix_norm-nuc-complex", lambda x: F.matrix_norm(x, ord="nuc"), (X3 + 1j * Y3,), norm("nuc")
        ),
        Sample(
            "norm-nuc-axes",
            lambda x: F.norm(x, "nuc", (0, 2)),
            (B234,),
            lambda x: np.linalg.norm(x, "nuc", (0, 2)),
            grad=True,
            unranked=False,
        ),
        Sample(
            "norm-2-axes-keepdims",
            lambda x: F.norm(x, 2, (2, 0), keepdims=True),
            (B234,),
            lambda x: np.linalg.norm(x, 2, (2, 0), keepdims=True),
            grad=True,
            unranked=False,
        ),
    ]
    return samples


SAMPLES: list[Sample] = [*_functions(), *_products(), *_bands(), *_norms()]
