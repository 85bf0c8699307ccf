"""Samples of products of matrices and vectors, and of norms."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

M34, M45, M43 = array(3, 4, seed=1), array(4, 5, seed=2), array(4, 3, seed=3)
B234, B245, B145 = array(2, 3, 4, seed=4), array(2, 4, 5, seed=5), array(1, 4, 5, seed=6)
B3134 = array(3, 1, 3, 4, seed=7)
V3, V4 = array(3, seed=8), array(4, seed=9)
EMPTY = np.zeros((3, 0))
COMPLEX = array(3, 4, seed=10) + 1j * array(3, 4, seed=11)
INTS = array(3, 4, dtype=np.int32, seed=12, low=-9, high=9)
ZEROED = np.array([[0.0, 0.0], [3.0, 4.0]])


def _product(a: Any, b: Any) -> Any:
    """The matrix product by its definition: sums over Python loops of outer axes."""
    left, right = a.ndim == 1, b.ndim == 1
    a, b = a[None] if left else a, b[:, None] if right else b
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, lead + a.shape[-2:]), np.broadcast_to(b, lead + b.shape[-2:])
    y = (a[..., :, :, None] * b[..., None, :, :]).sum(axis=-2)
    y = y[..., 0, :] if left else y
    return y[..., 0] if right else y


def _matmuls() -> list[Sample]:
    cases: list[tuple[str, Any, Any]] = [
        ("matrices", M34, M45),
        ("vector-vector", V4, V4 + 1),
        ("matrix-vector", M34, V4),
        ("vector-matrix", V3, M34),
        ("batch-matrix", B234, M45),
        ("matrix-batch", M34, B245),
        ("batch-batch", B234, B245),
        ("batch-stretched", B234, B145),
        ("batch-two-axes", B3134, B245),
        ("batch-vector", B234, V4),
        ("vector-batch", V3, B234),
        ("inner-empty", EMPTY, EMPTY.T),
        ("outer-empty", EMPTY.T, M34),
        ("batch-empty", B234[:0], M45),
        ("row-column", M34[:1], M45[:, :1]),
        ("strides", M34[::-1, ::-1], M45[:, ::2]),
    ]
    samples = [Sample(f"matmul-{label}", gf.matmul, (a, b), _product, grad=True) for label, a, b in cases]
    flags: list[tuple[str, Any, Any, Any]] = [
        ("transpose_a", M43, M45, lambda a, b: _product(a.T, b)),
        ("transpose_b", M34, M34 + 1, lambda a, b: _product(a, b.T)),
        ("adjoint_b", COMPLEX, COMPLEX * 2, lambda a, b: _product(a, b.conj().T)),
        ("adjoint_a", COMPLEX, COMPLEX * 2, lambda a, b: _product(a.conj().T, b)),
        ("transpose_b", B234, B234 + 1, lambda a, b: _product(a, np.einsum("bij->bji", b))),
    ]
    for label, a, b, reference in flags:
        if label == "transpose_a":
            b = array(4, 2, seed=13)
        samples.append(
            Sample(
                f"matmul-{label}-{a.ndim}",
                lambda a, b, flag=label: gf.matmul(a, b, **{flag: True}),
                (a, b),
                reference,
                grad=a.dtype == np.float64,
            )
        )
    samples += [
        Sample(
            f"matmul-{np.dtype(d).name}",
            gf.matmul,
            (M34.astype(d), M45.astype(d)),
            lambda a, b: _product(a.astype(np.float64), b.astype(np.float64)),
            rtol=rtol,
        )
        for d, rtol in ((np.float32, 1e-5), (np.float16, 1e-2), (ml_dtypes.bfloat16, 5e-2))
    ]
    samples += [
        Sample("matmul-int32", gf.matmul, (INTS, INTS.T.copy()), _product),
        Sample("matmul-int-float", gf.matmul, (INTS, M45), _product),
        Sample(
            "matmul-complex64",
            gf.matmul,
            (COMPLEX.astype(np.complex64), COMPLEX.T.astype(np.complex64)),
            _product,
            rtol=1e-4,
            atol=1e-5,
        ),
        Sample("matmul-operator", lambda a, b: a @ b, (M34, M45), _product),
        Sample(
            "matmul-of-views",
            lambda a, b: gf.transpose(a) @ gf.flip(b, 0),
            (M34, array(3, 2, seed=14)),
            lambda a, b: _product(a.T, b[::-1]),
            grad=True,
        ),
        Sample(
            "matmul-batch-of-view",
            lambda a, b: gf.transpose(a, (1, 0, 2)) @ b,
            (B234, M45),
            lambda a, b: _product(np.einsum("abc->bac", a), b),
            grad=True,
        ),
        Sample(
            "matmul-infinities",
            gf.matmul,
            (np.array([[np.inf, 1.0]]), np.array([[0.0], [1.0]])),
            lambda a, b: np.array([[np.nan]]),
        ),
    ]
    return samples


def _others() -> list[Sample]:
    return [
        Sample(
            "outer",
            lambda a, b: F.outer(a, b),
            (V3, V4),
            lambda a, b: np.array([[x * y for y in b] for x in a]),
            grad=True,
        ),
        Sample("vecdot", lambda a, b: F.vecdot(a, b), (M34, M34 + 1), lambda a, b: (a * b).sum(1), grad=True),
        Sample(
            "vecdot-first",
            lambda a, b: F.vecdot(a, b, 0),
            (M34, M34 + 1),
            lambda a, b: (a * b).sum(0),
            grad=True,
        ),
        Sample(
            "vecdot-broadcast",
            lambda a, b: F.vecdot(a, b),
            (B234, V4),
            lambda a, b: (a * b).sum(-1),
            grad=True,
            second_order=True,
        ),
        Sample(
            "vecdot-complex",
            lambda a, b: F.vecdot(a, b),
            (COMPLEX, COMPLEX * 1j),
            lambda a, b: (a.conj() * b).sum(1),
        ),
        Sample("vecdot-empty", lambda a, b: F.vecdot(a, b), (EMPTY, EMPTY), lambda a, b: np.zeros(3)),
        Sample(
            "dot-vectors",
            lambda a, b: F.dot(a, b),
            (V4, V4),
            lambda a, b: np.sum(a * b),
            grad=True,
            unranked=False,
        ),
        Sample("dot-matrices", lambda a, b: F.dot(a, b), (M34, M45), _product, grad=True, unranked=False),
        Sample(
            "dot-scalar",
            lambda a, b: F.dot(a, b),
            (np.asarray(2.0), M45),
            lambda a, b: 2 * b,
            grad=True,
            unranked=False,
        ),
        Sample(
            "dot-high",
            lambda a, b: F.dot(a, b),
            (B234, B245),
            lambda a, b: np.array([[[_product(r, m) for m in b] for r in x] for x in a]),
            grad=True,
            unranked=False,
        ),
        Sample(
            "dot-vector-high",
            lambda a, b: F.dot(a, b),
            (V4, B245),
            lambda a, b: np.array([_product(a, m) for m in b]),
            grad=True,
            unranked=False,
        ),
        Sample(
            "tensordot-int",
            lambda a, b: gf.tensordot(a, b, 1),
            (B234, M45),
            _product,
            grad=True,
            unranked=False,
        ),
        Sample(
            "tensordot-none",
            lambda a, b: gf.tensordot(a, b, 0),
            (V3, M34),
            lambda a, b: a[:, None, None] * b,
            grad=True,
            unranked=False,
        ),
        Sample(
            "tensordot-all",
            lambda a, b: gf.tensordot(a, b, 2),
            (M34, M34 + 1),
            lambda a, b: np.sum(a * b),
            grad=True,
            unranked=False,
        ),
        Sample(
            "tensordot-pairs",
            lambda a, b: gf.tensordot(a, b, ((2, 0), (1, 0))),
            (B234, B245),
            lambda a, b: sum(np.multiply.outer(a[i, :, j], b[i, j]) for i in range(2) for j in range(4)),
            grad=True,
            unranked=False,
        ),
        Sample(
            "tensordot-axis", lambda a, b: gf.tensordot(a, b, (1, -1)), (M34, V4), _product, unranked=False
        ),
        Sample(
            "tensordot-empty",
            lambda a, b: gf.tensordot(a, b, 1),
            (EMPTY, EMPTY.T),
            lambda a, b: np.zeros((3, 3)),
            unranked=False,
        ),
    ]


def _norms() -> list[Sample]:
    def vector(x: Any, p: float, axis: Any = None) -> Any:
        if np.isinf(p):
            return (np.max if p > 0 else np.min)(np.abs(x), axis=axis)
        if p == 0:
            return np.sum(x != 0, axis=axis).astype(float)
        return np.sum(np.abs(x) ** p, axis=axis) ** (1 / p)

    samples = [
        Sample(
            f"vector_norm-{p}-{axis}",
            lambda x, p=p, axis=axis: F.vector_norm(x, axis=axis, ord=p),
            (M34,),
            lambda x, p=p, axis=axis: vector(x, p, axis),
            grad=p != 0,
        )
        for p in (1, 2, 3, 0.5, -1, np.inf, -np.inf, 0)
        for axis in (None, 1)
    ]
    for ord, reference in (
        ("fro", lambda x: np.sqrt((np.abs(x) ** 2).sum((-2, -1)))),
        (1, lambda x: np.abs(x).sum(-2).max(-1)),
        (-1, lambda x: np.abs(x).sum(-2).min(-1)),
        (np.inf, lambda x: np.abs(x).sum(-1).max(-1)),
        (-np.inf, lambda x: np.abs(x).sum(-1).min(-1)),
    ):
        samples.append(
            Sample(
                f"matrix_norm-{ord}",
                lambda x, p=ord: F.matrix_norm(x, ord=p),
                (B234,),
                reference,
                grad=True,
            )
        )
    samples += [
        Sample(
            "matrix_norm-keepdims",
            lambda x: F.matrix_norm(x, True),
            (B234,),
            lambda x: np.sqrt((x**2).sum((1, 2), keepdims=True)),
            grad=True,
        ),
        Sample("norm", lambda x: F.norm(x), (B234,), lambda x: np.sqrt((x**2).sum()), grad=True),
        Sample(
            "norm-axis",
            lambda x: F.norm(x, axis=0, keepdims=True),
            (M34,),
            lambda x: np.sqrt((x**2).sum(0, keepdims=True)),
            grad=True,
        ),
        Sample("norm-vector-one", lambda x: F.norm(x, 1, 1), (M34,), lambda x: np.abs(x).sum(1), grad=True),
        Sample(
            "norm-matrix-one",
            lambda x: F.norm(x, 1),
            (M34,),
            lambda x: np.abs(x).sum(0).max(),
            grad=True,
            unranked=False,
        ),
        Sample(
            "norm-fro-axes",
            lambda x: F.norm(x, "fro", (0, 2)),
            (B234,),
            lambda x: np.sqrt((x**2).sum((0, 2))),
            grad=True,
        ),
        Sample(
            "norm-inf-axes",
            lambda x: F.norm(x, np.inf, (2, 1)),
            (B234,),
            lambda x: np.abs(x).sum(1).max(1),
            grad=True,
        ),
        Sample("norm-complex", lambda x: F.norm(x), (COMPLEX,), lambda x: np.sqrt((np.abs(x) ** 2).sum())),
        Sample(
            "norm-int",
            lambda x: F.norm(x),
            (INTS,),
            lambda x: np.sqrt((x.astype(float) ** 2).sum()),
            rtol=1e-6,
        ),
        Sample("norm-empty", lambda x: F.norm(x, axis=1), (EMPTY,), lambda x: np.zeros(3)),
        Sample(
            "norm-zero-gradient",
            lambda x: gf.gradients(F.norm(x, axis=1), x)[0],
            (ZEROED,),
            lambda x: np.array([[0, 0], [0.6, 0.8]]),
        ),
        Sample(
            "norm-3-zero-gradient",
            lambda x: gf.gradients(F.norm(x, 3, axis=1), x)[0],
            (ZEROED * [[1, 1], [0, 1]],),
            lambda x: np.array([[0.0, 0], [0, 1]]),
        ),
    ]
    return samples


SAMPLES: list[Sample] = [*_matmuls(), *_others(), *_norms()]
