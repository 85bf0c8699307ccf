"""Samples of what is solved with decompositions: systems, inverses, determinants, least squares, and TensorFlow's names."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

import graphflow as gf
from graphflow.ops.cholesky import cholesky, cholesky_solve
from graphflow.ops.determinant import cofactors, det, slogdet
from graphflow.ops.least_squares import lstsq, pinv
from graphflow.ops.linalg_aliases import (
    adjoint,
    matrix_inverse,
    matrix_solve,
    matrix_solve_ls,
    qr_of,
    svd_suv,
)
from graphflow.ops.lu import lu, lu_solve
from graphflow.ops.solve import inv, solve
from graphflow.ops.svd import condition_number, matrix_rank
from graphflow.ops.triangular_solve import triangular_solve
from tests.ops.samples_decompositions import (
    FLOATS,
    complex_of,
    definite,
    near,
    orthonormal,
    parts,
    parts_of,
    tdefinite,
    turned,
)
from tests.ops.table import Sample, array

X3, Y3 = array(3, 3, seed=21), array(3, 3, seed=22)
X43, X34, Y43 = array(4, 3, seed=23), array(3, 4, seed=24), array(4, 3, seed=25)
B233, C213 = array(2, 3, 3, seed=26), array(2, 1, 3, 2, seed=27)
R32, R42, V3, V4 = array(3, 2, seed=28), array(4, 2, seed=29), array(3, seed=30), array(4, seed=31)
LARGE, LARGE_R = array(70, 70, seed=32), array(70, 2, seed=33)
LOW_RANK = array(4, 2, seed=34) @ array(2, 3, seed=35)
EMPTY = np.zeros((2, 0, 0))


def _systems() -> list[Sample]:
    cases: list[tuple[str, Any, Any]] = [
        ("matrix", X3, R32),
        ("vector", X3, V3),
        ("stack-vector", B233, V3),
        ("stack-matrix", B233, R32),
        ("matrix-stack", X3, array(2, 3, 1, seed=36)),
        ("stretched", B233, C213),
        ("strides", X3[::-1, ::-1], R32[::-1]),
    ]
    samples = [Sample(f"solve-{label}", solve, (a, b), np.linalg.solve, grad=True) for label, a, b in cases]
    samples += [
        Sample(
            f"solve-{np.dtype(d).name}",
            solve,
            (complex_of(d, X3, Y3), complex_of(d, R32, R32[::-1])),
            np.linalg.solve,
            rtol=1e-4,
            atol=1e-5,
        )
        for d in FLOATS
    ]
    samples += [
        Sample(
            "solve-int",
            solve,
            (np.array([[2, 0], [0, 4]]), np.array([2, 2])),
            lambda a, b: np.array([1, 0.5]),
        ),
        Sample(
            "solve-promoted",
            solve,
            (X3.astype(np.float32), R32),
            lambda a, b: np.linalg.solve(a.astype(float), b),
        ),
        Sample("solve-empty", solve, (EMPTY, np.zeros((0, 2))), lambda a, b: np.zeros((2, 0, 2))),
        Sample("solve-no-sides", solve, (X3, R32[:, :0]), lambda a, b: b),
        Sample(
            "solve-complex-gradient",
            lambda x, y: parts(solve(gf.complex(x, y), gf.complex(y, x)[:, :2])),
            (X3, Y3),
            lambda x, y: parts_of(np.linalg.solve(x + 1j * y, (y + 1j * x)[:, :2])),
            grad=True,
            strict=False,
        ),
        Sample("inv", inv, (X3,), np.linalg.inv, grad=True),
        Sample("inv-stack", inv, (B233[:, None],), np.linalg.inv, grad=True),
        Sample("inv-empty", inv, (EMPTY,), lambda x: x),
        Sample(
            "inv-complex-gradient",
            lambda x, y: parts(inv(gf.complex(x, y))),
            (X3, Y3),
            lambda x, y: parts_of(np.linalg.inv(x + 1j * y)),
            grad=True,
            strict=False,
        ),
    ]
    samples += [
        Sample(f"inv-{np.dtype(d).name}", inv, (complex_of(d, X3, Y3),), np.linalg.inv, rtol=1e-4, atol=1e-5)
        for d in FLOATS
    ]
    return samples


def _triangular(lower: bool, is_adjoint: bool, unit: bool) -> Any:
    def reference(t: Any, b: Any) -> Any:
        a = np.tril(t) if lower else np.triu(t)
        if unit:
            n = t.shape[-1]
            a = np.where(np.eye(n, dtype=bool), 1, a)
        return np.linalg.solve(turned(a) if is_adjoint else a, b)

    return reference


def _triangles() -> list[Sample]:
    samples = []
    for lower in (True, False):
        for is_adjoint in (False, True):
            for unit in (False, True):
                for label, t, b in (
                    ("small", B233 + 3 * np.eye(3), R32),
                    ("large", LARGE / 70 + 2 * np.eye(70), LARGE_R),
                ):
                    samples.append(
                        Sample(
                            f"triangular_solve-{label}-{lower}-{is_adjoint}-{unit}",
                            lambda t, b, lower=lower, a=is_adjoint, u=unit: triangular_solve(
                                t, b, lower, a, unit_diagonal=u
                            ),
                            (t, b),
                            _triangular(lower, is_adjoint, unit),
                            grad=label == "small",
                        )
                    )
    samples += [
        Sample(
            f"triangular_solve-{np.dtype(d).name}-{len(x)}",
            lambda t, b: triangular_solve(t, b, adjoint=True),
            (complex_of(d, x / len(x) + 2 * np.eye(len(x)), x.T / len(x)), complex_of(d, b, b[::-1])),
            _triangular(True, True, False),
            rtol=1e-4,
            atol=1e-5,
        )
        for d in (np.float32, np.complex128)
        for x, b in ((X3, R32), (LARGE, LARGE_R))
    ]
    samples += [
        Sample(
            "triangular_solve-views",
            lambda t, b: triangular_solve(gf.matrix_transpose(t), b, adjoint=True),
            (np.stack([LARGE / 70 + 2 * np.eye(70)] * 2), LARGE_R[:, :1]),
            lambda t, b: np.linalg.solve(np.triu(t), b),
        ),
        Sample(
            "triangular_solve-strides",
            lambda t, b: triangular_solve(gf.flip(t, (0, 1)), gf.flip(b, 0), lower=False),
            (LARGE / 70 + 2 * np.eye(70), LARGE_R),
            lambda t, b: np.linalg.solve(np.triu(t[::-1, ::-1]), b[::-1]),
        ),
        Sample(
            "triangular_solve-other-triangle",
            triangular_solve,
            (np.tril(X3) + np.triu(np.full((3, 3), np.nan), 1), R32),
            lambda t, b: np.linalg.solve(np.tril(t), b),
        ),
        Sample(
            "triangular_solve-stretched",
            triangular_solve,
            (B233, C213),
            _triangular(True, False, False),
            grad=True,
        ),
        Sample("triangular_solve-empty", triangular_solve, (EMPTY, np.zeros((2, 0, 3))), lambda t, b: b),
        Sample("triangular_solve-no-sides", triangular_solve, (X3, R32[:, :0]), lambda t, b: b),
        Sample(
            "triangular_solve-complex-gradient",
            lambda x, y: parts(triangular_solve(gf.complex(x, y), gf.complex(y, x)[:, :2], adjoint=True)),
            (X3, Y3),
            lambda x, y: parts_of(_triangular(True, True, False)(x + 1j * y, (y + 1j * x)[:, :2])),
            grad=True,
            strict=False,
        ),
        Sample(
            "cholesky_solve",
            lambda x, b: cholesky_solve(cholesky(tdefinite(x)), b),
            (B233, R32),
            lambda x, b: np.linalg.solve(definite(x), b),
            grad=True,
        ),
        Sample(
            "cholesky_solve-upper",
            lambda x, b: cholesky_solve(x, b, upper=True),
            (np.triu(X3 + 1j * Y3), R32 + 0j),
            lambda x, b: np.linalg.solve(turned(x) @ x, b),
        ),
        Sample(
            "lu_solve",
            lambda x, b: lu_solve(*lu(x), b),
            (B233, np.stack([R32, -R32])),
            np.linalg.solve,
            grad=True,
            strict=False,
            unranked=False,
        ),
        Sample(
            "lu_solve-vector",
            lambda x, b: lu_solve(*lu(x), b),
            (X3, V3),
            np.linalg.solve,
            grad=True,
            strict=False,
            unranked=False,
        ),
        Sample(
            "lu_solve-one-for-a-stack",
            lambda x, b: lu_solve(*lu(x), b),
            (X3, B233),
            np.linalg.solve,
            grad=True,
            strict=False,
            unranked=False,
        ),
        Sample(
            "lu_solve-stack-for-one",
            lambda x, b: lu_solve(*lu(x), b),
            (B233, R32),
            np.linalg.solve,
            grad=True,
            strict=False,
            unranked=False,
        ),
    ]
    return samples


def _determinants() -> list[Sample]:
    singular = np.ones((3, 3)) * np.arange(1.0, 4)
    samples = [
        Sample(f"det-{np.dtype(d).name}", det, (complex_of(d, B233, B233[::-1]),), np.linalg.det, rtol=1e-4)
        for d in FLOATS
    ]
    samples += [
        Sample("det-gradient", det, (B233,), np.linalg.det, grad=True),
        Sample("det-empty", det, (EMPTY,), lambda x: np.ones(2)),
        Sample("det-empty-stack", det, (np.zeros((0, 2, 2)),), lambda x: np.zeros(0)),
        Sample("det-1", det, (np.full((2, 1, 1), 3.0),), lambda x: np.full(2, 3.0), grad=True),
        Sample(
            "det-gradient-of-singular",
            lambda x: gf.gradients(det(x), x)[0],
            (np.stack([LOW_RANK[:3], np.diag([0.0, 2.0, 5.0]), np.zeros((3, 3))]),),
            lambda x: np.array([_cofactors(m) for m in x]),
            atol=1e-13,
        ),
        Sample(
            "det-complex-gradient",
            lambda x, y: parts(det(gf.complex(x, y))),
            (X3, Y3),
            lambda x, y: parts_of(np.linalg.det(x + 1j * y)),
            grad=True,
            strict=False,
        ),
        Sample(
            "cofactors",
            lambda x: cofactors(x),
            (np.array([[1.0, 2.0], [3.0, 4.0]]),),
            lambda x: np.array([[4.0, -3.0], [-2.0, 1.0]]),
            grad=True,
        ),
        Sample("cofactors-empty", lambda x: cofactors(x), (EMPTY,), lambda x: x),
        Sample(
            "slogdet-gradient",
            lambda x: slogdet(x).logabsdet,
            (B233,),
            lambda x: np.linalg.slogdet(x)[1],
            grad=True,
        ),
        Sample("slogdet-sign-gradient", lambda x: slogdet(x), (X3,), np.linalg.slogdet, grad=True),
        Sample(
            "slogdet-complex-gradient",
            lambda x, y: parts(*slogdet(gf.complex(x, y))),
            (X3, Y3),
            lambda x, y: parts_of(*np.linalg.slogdet(x + 1j * y)),
            grad=True,
            strict=False,
        ),
        Sample(
            "slogdet-singular",
            slogdet,
            (singular * [[1], [1], [0]],),
            lambda x: (np.array(0.0), np.array(-np.inf)),
        ),
        Sample(
            "slogdet-large",
            slogdet,
            (np.eye(300) * 1e10,),
            lambda x: (np.array(1.0), np.array(300 * np.log(1e10))),
        ),
        Sample("slogdet-empty", slogdet, (EMPTY,), lambda x: (np.ones(2), np.zeros(2))),
    ]
    samples += [
        Sample(f"slogdet-{np.dtype(d).name}", slogdet, (complex_of(d, X3, Y3),), np.linalg.slogdet, rtol=1e-4)
        for d in (np.float32, np.complex128)
    ]
    return samples


def _cofactors(x: Any) -> Any:
    """By the definition: determinants of what is left without a row and a column."""
    n = len(x)
    return np.array(
        [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x, i, 0), j, 1)) for j in range(n)]
            for i in range(n)
        ]
    )


def _least_squares() -> list[Sample]:
    shaped = {"square": X3, "tall": X43, "wide": X34, "stack": np.stack([X43, Y43])}
    samples = [Sample(f"pinv-{label}", pinv, (x,), np.linalg.pinv, grad=True) for label, x in shaped.items()]
    samples += [
        Sample(
            f"pinv-{np.dtype(d).name}", pinv, (complex_of(d, X43, Y43),), np.linalg.pinv, rtol=1e-4, atol=1e-5
        )
        for d in (np.float32, np.complex128)
    ]
    samples += [
        Sample("pinv-low-rank", pinv, (LOW_RANK,), np.linalg.pinv, atol=1e-12),
        Sample(
            "pinv-low-rank-gradient",
            lambda u, v: pinv(gf.matmul(u, v), 1e-6),
            (array(4, 2, seed=34), array(2, 3, seed=35)),
            lambda u, v: np.linalg.pinv(u @ v),
            grad=True,
            atol=1e-12,
        ),
        Sample("pinv-zero", pinv, (np.zeros((2, 3)),), lambda x: np.zeros((3, 2))),
        Sample("pinv-empty", pinv, (np.zeros((2, 0, 3)),), lambda x: np.zeros((2, 3, 0))),
        Sample("pinv-rtol", lambda x: pinv(x, 0.5), (X43,), lambda x: np.linalg.pinv(x, rtol=0.5)),
        Sample(
            "pinv-rtol-for-each",
            lambda x, r: pinv(x, r),
            (np.stack([X43, X43]), np.array([0.0, 0.5])),
            lambda x, r: np.linalg.pinv(x, rtol=r),
        ),
        Sample(
            "pinv-complex-gradient",
            lambda x, y: parts(pinv(gf.complex(x, y))),
            (X43, Y43),
            lambda x, y: parts_of(np.linalg.pinv(x + 1j * y)),
            grad=True,
            strict=False,
        ),
    ]
    cases: list[tuple[str, Any, Any]] = [
        ("square", X3, R32),
        ("tall", X43, R42),
        ("wide", X34, R32),
        ("stack", np.stack([X43, Y43]), R42),
        ("stretched", X43, array(2, 4, 1, seed=37)),
    ]
    for label, a, b in cases:
        samples.append(
            Sample(
                f"lstsq-{label}",
                lambda a, b: lstsq(a, b).x,
                (a, b),
                lambda a, b: np.linalg.pinv(a) @ b,
                grad=True,
                unranked=False,
            )
        )
    samples += [
        Sample(
            f"lstsq-{np.dtype(d).name}",
            lambda a, b: lstsq(a, b).x,
            (complex_of(d, X43, Y43), complex_of(d, R42, R42[::-1])),
            lambda a, b: np.linalg.pinv(a) @ b,
            rtol=1e-4,
            atol=1e-5,
            unranked=False,
        )
        for d in (np.float32, np.complex128)
    ]
    samples += [
        Sample("lstsq-all", lambda a, b: lstsq(a, b), (X43, R42), np.linalg.lstsq, grad=True, unranked=False),
        Sample(
            "lstsq-vector",
            lambda a, b: lstsq(a, b)[:2],
            (X43, V4),
            lambda a, b: (np.linalg.lstsq(a, b)[0], np.linalg.lstsq(a, b)[1][0]),
            grad=True,
            unranked=False,
        ),
        Sample(
            "lstsq-low-rank",
            lambda a, b: lstsq(a, b)[::2],
            (LOW_RANK, R42),
            lambda a, b: np.linalg.lstsq(a, b)[::2],
            atol=1e-12,
            unranked=False,
        ),
        Sample(
            "lstsq-rcond",
            lambda a, b: lstsq(a, b, 0.5).x,
            (X43, R42),
            lambda a, b: np.linalg.lstsq(a, b, 0.5)[0],
            unranked=False,
        ),
        Sample(
            "lstsq-empty",
            lambda a, b: lstsq(a, b).x,
            (np.zeros((0, 3)), np.zeros((0, 2))),
            lambda a, b: np.zeros((3, 2)),
            unranked=False,
        ),
        Sample(
            "lstsq-no-unknowns",
            lambda a, b: lstsq(a, b).x,
            (np.zeros((3, 0)), R32),
            lambda a, b: np.zeros((0, 2)),
            unranked=False,
        ),
        Sample(
            "lstsq-complex-gradient",
            lambda x, y: parts(lstsq(gf.complex(x, y), gf.complex(y, x)[:, :2]).x),
            (X43, Y43),
            lambda x, y: parts_of(np.linalg.pinv(x + 1j * y) @ (y + 1j * x)[:, :2]),
            grad=True,
            strict=False,
            unranked=False,
        ),
    ]
    return samples


def _condition() -> list[Sample]:
    samples = [
        Sample(
            f"cond-{p}",
            lambda x, p=p: condition_number(x, p),
            (x,),
            lambda x, p=p: np.linalg.cond(x, p),
            grad=p in (None, 1),
        )
        for p in (None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")
        for x in (B233,)
    ]
    samples += [
        Sample("cond-wide", condition_number, (X34 + 1j * X34[::-1],), np.linalg.cond),
        Sample("cond-singular", condition_number, (np.diag([1.0, 0.0]),), lambda x: np.array(np.inf)),
        Sample("matrix_rank", matrix_rank, (np.stack([X43, LOW_RANK, 0 * X43]),), np.linalg.matrix_rank),
        Sample("matrix_rank-single", matrix_rank, (LOW_RANK.astype(np.float32),), np.linalg.matrix_rank),
        Sample(
            "matrix_rank-rtol",
            lambda x: matrix_rank(x, 0.5),
            (X43,),
            lambda x: np.linalg.matrix_rank(x, rtol=0.5),
        ),
        Sample(
            "matrix_rank-rtol-for-each",
            lambda x, r: matrix_rank(x, r),
            (np.stack([X43, X43]), np.array([0.0, 0.5])),
            lambda x, r: np.linalg.matrix_rank(x, rtol=r),
        ),
        Sample("matrix_rank-empty", matrix_rank, (np.zeros((2, 0, 3)),), lambda x: np.zeros(2, int)),
    ]
    return samples


def _tensorflow() -> list[Sample]:
    def ridge(a: Any, b: Any, weight: float = 0.5) -> Any:
        n = a.shape[-1]
        return scipy.linalg.solve(turned(a) @ a + weight * np.eye(n), turned(a) @ b)

    def check_svd(s: Any, u: Any, v: Any, x: Any) -> None:
        near((u * s) @ turned(v), x)
        orthonormal(v)

    z = X3 + 1j * Y3
    return [
        Sample("tf-adjoint", adjoint, (z,), turned, unranked=True),
        Sample(
            "tf-matrix_inverse",
            lambda x: matrix_inverse(x, adjoint=True),
            (z,),
            lambda x: np.linalg.inv(turned(x)),
        ),
        Sample("tf-matrix_solve", matrix_solve, (B233, B233[::-1]), np.linalg.solve, grad=True),
        Sample(
            "tf-matrix_solve-adjoint",
            lambda a, b: matrix_solve(a, b, True),
            (z, R32 + 0j),
            lambda a, b: np.linalg.solve(turned(a), b),
        ),
        Sample(
            "tf-matrix_solve_ls",
            lambda a, b: matrix_solve_ls(a, b, 0.5),
            (X43, R42),
            ridge,
            grad=True,
            unranked=False,
            symbolic=False,
        ),
        Sample(
            "tf-matrix_solve_ls-wide",
            lambda a, b: matrix_solve_ls(a, b),
            (X34, R32),
            lambda a, b: np.linalg.pinv(a) @ b,
            grad=True,
            symbolic=False,
        ),
        Sample(
            "tf-matrix_solve_ls-wide-regular",
            lambda a, b: matrix_solve_ls(a, b, 0.5),
            (X34, R32),
            ridge,
            symbolic=False,
        ),
        Sample(
            "tf-matrix_solve_ls-slow",
            lambda a, b: matrix_solve_ls(a, b, fast=False),
            (X43, R42),
            lambda a, b: np.linalg.pinv(a) @ b,
            grad=True,
            unranked=False,
        ),
        Sample("tf-qr", lambda x: qr_of(x, full_matrices=True), (X43,), check=lambda q, r, x: near(q @ r, x)),
        Sample("tf-svd", svd_suv, (X43,), check=check_svd),
        Sample(
            "tf-svd-values",
            lambda x: svd_suv(x, compute_uv=False),
            (X43,),
            lambda x: np.linalg.svd(x, compute_uv=False),
        ),
    ]


SAMPLES: list[Sample] = [
    *_systems(),
    *_triangles(),
    *_determinants(),
    *_least_squares(),
    *_condition(),
    *_tensorflow(),
]
