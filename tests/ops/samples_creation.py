"""Samples of tensors made from nothing but their type, and of matrices made from diagonals and triangles."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

A = array(2, 3, 4, seed=1)
M = array(3, 4, seed=2)
SQUARE = array(4, 4, seed=3)
V = array(3, seed=4)
INTS = array(3, 4, dtype=np.int16, seed=5, low=-9, high=9)
EMPTY = np.zeros((3, 0))
NANS = np.array([[1.0, np.nan], [np.inf, 2.0]])


def _made(name: str, build: Any, expected: Any) -> Sample:
    return Sample(name, build, (), lambda: np.asarray(expected))


def _constants() -> list[Sample]:
    return [
        _made("zeros", lambda: gf.zeros((2, 3)), np.zeros((2, 3), np.float32)),
        _made("zeros-int-shape", lambda: gf.zeros(3, "int8"), np.zeros(3, np.int8)),
        _made("zeros-scalar", lambda: gf.zeros(()), np.float32(0)),
        _made("zeros-empty", lambda: gf.zeros((0, 2)), np.zeros((0, 2), np.float32)),
        _made("zeros-bool", lambda: gf.zeros((2,), bool), np.zeros(2, bool)),
        _made("ones", lambda: gf.ones((2,), "float64"), np.ones(2)),
        _made("ones-complex", lambda: gf.ones((2,), "complex64"), np.ones(2, np.complex64)),
        Sample(
            "ones-bfloat16",
            lambda: gf.ones((2,), "bfloat16"),
            (),
            lambda: np.ones(2, ml_dtypes.bfloat16),
            strict=False,
        ),
        _made("ones-bool", lambda: gf.ones((2,), bool), np.ones(2, bool)),
        _made("empty", lambda: gf.empty((2,), "int64"), np.zeros(2, np.int64)),
        _made("full-int", lambda: gf.full((2, 2), 7), np.full((2, 2), 7)),
        _made("full-float", lambda: gf.full((2,), 2.5), np.full(2, 2.5, np.float32)),
        _made("full-bool", lambda: gf.full((2,), True), np.ones(2, bool)),
        _made("full-complex", lambda: gf.full((2,), 1j), np.full(2, 1j, np.complex64)),
        _made("full-nan", lambda: gf.full((2,), float("nan"), "float64"), np.full(2, np.nan)),
        _made("full-numpy-scalar", lambda: gf.full((2,), np.int16(5)), np.full(2, 5, np.int16)),
        _made("full-uint64", lambda: gf.full((1,), 2**64 - 1, "uint64"), np.full(1, 2**64 - 1, np.uint64)),
        _made("fill", lambda: gf.fill([2, 1], 3.0), np.full((2, 1), 3, np.float32)),
        Sample(
            "full-tensor",
            lambda v: gf.full((2, 3), v),
            (np.asarray(2.5),),
            lambda v: np.full((2, 3), v),
            grad=True,
        ),
        Sample("zeros_like", gf.zeros_like, (M,), lambda x: x * 0),
        Sample("zeros_like-int", gf.zeros_like, (INTS,), lambda x: x * 0),
        Sample(
            "zeros_like-dtype", lambda x: gf.zeros_like(x, "bool"), (M,), lambda x: np.zeros((3, 4), bool)
        ),
        Sample("ones_like", gf.ones_like, (A,), lambda x: np.ones((2, 3, 4))),
        Sample("ones_like-empty", gf.ones_like, (EMPTY,), lambda x: x),
        Sample("full_like", lambda x: gf.full_like(x, -3), (INTS,), lambda x: np.full((3, 4), -3, np.int16)),
        Sample("empty_like", gf.empty_like, (M,), lambda x: x * 0),
        Sample("zeros_like-of-nan", gf.zeros_like, (NANS,), lambda x: np.zeros((2, 2))),
        Sample(
            "zeros-by-size",
            lambda x: gf.zeros([gf.shape(x)[1], 2]) + gf.cast(gf.shape(x)[0], "float32"),
            (M,),
            lambda x: np.full((4, 2), 3, np.float32),
            unranked=False,
        ),
        _made("eye", lambda: gf.eye(3), np.diag(np.ones(3, np.float32))),
        _made("eye-wide", lambda: gf.eye(2, 4, 1, "int32"), np.array([[0, 1, 0, 0], [0, 0, 1, 0]], np.int32)),
        _made("eye-below", lambda: gf.eye(3, 2, -1), np.array([[0, 0], [1, 0], [0, 1]], np.float32)),
        _made("eye-outside", lambda: gf.eye(2, 2, 5), np.zeros((2, 2), np.float32)),
        _made("eye-empty", lambda: gf.eye(0, 3), np.zeros((0, 3), np.float32)),
        _made(
            "eye-batch",
            lambda: gf.eye(2, batch_shape=(3,)),
            np.stack([np.diag([1, 1]).astype(np.float32)] * 3),
        ),
    ]


def _ranges() -> list[Sample]:
    return [
        _made("arange-stop", lambda: gf.arange(5), np.array([0, 1, 2, 3, 4])),
        _made("arange-both", lambda: gf.arange(2, 7, 2), np.array([2, 4, 6])),
        _made("arange-down", lambda: gf.arange(5, 0, -2), np.array([5, 3, 1])),
        _made("arange-nothing", lambda: gf.arange(5, 0), np.zeros(0, np.int64)),
        _made("arange-float", lambda: gf.arange(0, 1, 0.25), np.array([0, 0.25, 0.5, 0.75], np.float32)),
        _made("arange-float64", lambda: gf.arange(1, 2, 0.1, "float64"), 1 + np.array(range(10)) * 0.1),
        _made("arange-as-float", lambda: gf.arange(3, dtype="float64"), np.array([0.0, 1, 2])),
        _made(
            "arange-int8", lambda: gf.arange(-128, 128, 100, dtype="int8"), np.array([-128, -28, 72], np.int8)
        ),
        _made(
            "arange-uint64",
            lambda: gf.arange(2**63, 2**63 + 3, dtype="uint64"),
            np.array([2**63 + k for k in range(3)], np.uint64),
        ),
        _made("arange-of-arrays", lambda: gf.arange(np.int32(1), np.asarray(4)), np.array([1, 2, 3])),
        Sample(
            "arange-half", lambda: gf.arange(4, dtype="bfloat16"), (), lambda: np.arange(4.0), strict=False
        ),
        Sample(
            "arange-by-size",
            lambda x: gf.arange(gf.shape(x)[1]),
            (M,),
            lambda x: np.array([0, 1, 2, 3]),
        ),
        _made("linspace", lambda: gf.linspace(0, 1, 5), np.array([0, 0.25, 0.5, 0.75, 1], np.float32)),
        _made(
            "linspace-open",
            lambda: gf.linspace(0.0, 1.0, 4, endpoint=False, dtype="float64"),
            np.array([0, 0.25, 0.5, 0.75]),
        ),
        _made("linspace-down", lambda: gf.linspace(3, -3, 3, dtype="float64"), np.array([3.0, 0, -3])),
        _made("linspace-one", lambda: gf.linspace(3, 5, 1), np.array([3], np.float32)),
        _made("linspace-none", lambda: gf.linspace(3, 5, 0), np.zeros(0, np.float32)),
        _made("linspace-complex", lambda: gf.linspace(0, 2j, 3), np.array([0, 1j, 2j], np.complex64)),
        Sample(
            "linspace-half",
            lambda: gf.linspace(0, 1, 3, dtype="float16"),
            (),
            lambda: np.array([0, 0.5, 1]),
            strict=False,
        ),
        Sample(
            "linspace-tensors",
            lambda a, b: gf.linspace(a, b, 4),
            (np.asarray(1.0), np.asarray(4.0)),
            lambda a, b: np.array([1.0, 2, 3, 4]),
            grad=True,
        ),
        Sample(
            "linspace-tensors-open",
            lambda a: gf.linspace(a, 5, 4, endpoint=False),
            (np.asarray(1.0),),
            lambda a: np.array([1.0, 2, 3, 4]),
            grad=True,
        ),
    ]


def _lower(x: Any, k: int, upper: bool = False) -> Any:
    y = np.zeros_like(x)
    for i in range(x.shape[-2]):
        for j in range(x.shape[-1]):
            if (j - i >= k) if upper else (j - i <= k):
                y[..., i, j] = x[..., i, j]
    return y


def _matrices() -> list[Sample]:
    samples = []
    for k in (0, 1, -1, 9, -9, 2**70):
        for name, upper in (("tril", False), ("triu", True)):
            samples.append(
                Sample(
                    f"{name}-{k}",
                    lambda x, f=F.table[name], k=k: f(x, k),
                    (M,),
                    lambda x, k=k, upper=upper: _lower(x, k, upper),
                    grad=True,
                )
            )
    for offset in (0, 1, -2, 5):
        samples.append(
            Sample(
                f"diagonal-{offset}",
                lambda x, k=offset: F.diagonal(x, k),
                (M,),
                lambda x, k=offset: np.array([x[i, i + k] for i in range(3) if 0 <= i + k < 4]),
                grad=True,
            )
        )
        samples.append(
            Sample(
                f"trace-{offset}",
                lambda x, k=offset: F.trace(x, k),
                (A,),
                lambda x, k=offset: sum((x[:, i, i + k] for i in range(3) if 0 <= i + k < 4), np.zeros(2)),
                grad=True,
            )
        )
    samples += [
        Sample("tril-batch", lambda x: F.tril(x), (A,), lambda x: _lower(x, 0), grad=True),
        Sample("triu-int", lambda x: F.triu(x), (INTS,), lambda x: _lower(x, 0, True)),
        Sample("tril-nan", lambda x: F.tril(x, -1), (NANS,), lambda x: np.array([[0, 0], [np.inf, 0]])),
        Sample("tril-empty", lambda x: F.tril(x), (EMPTY,), lambda x: x),
        Sample(
            "diagonal-batch",
            lambda x: F.diagonal(x, 1),
            (A,),
            lambda x: np.stack([x[:, i, i + 1] for i in range(3)], -1),
            grad=True,
        ),
        Sample(
            "diagonal-axes",
            lambda x: F.diagonal(x, 0, 0, 1),
            (A,),
            lambda x: np.stack([x[i, i] for i in range(2)], -1),
            grad=True,
            unranked=False,
        ),
        Sample(
            "diagonal-square-copied",
            lambda x: F.diagonal(x) * 1,
            (SQUARE,),
            lambda x: np.array([x[i, i] for i in range(4)]),
            grad=True,
        ),
        Sample("trace-int", lambda x: F.trace(x), (INTS,), lambda x: np.int64(x[0, 0]) + x[1, 1] + x[2, 2]),
        Sample("matrix_diag", lambda v: F.matrix_diag(v), (V,), lambda v: np.eye(3) * v, grad=True),
        Sample(
            "matrix_diag-above",
            lambda v: F.matrix_diag(v, 1),
            (V,),
            lambda v: np.eye(4, k=1) * np.append(0, v),
            grad=True,
        ),
        Sample(
            "matrix_diag-below",
            lambda v: F.matrix_diag(v, -1),
            (M,),
            lambda v: np.eye(5, k=-1) * np.append(v, np.zeros((3, 1)), 1)[:, None, :],
            grad=True,
        ),
        Sample(
            "matrix_diag-sized",
            lambda v: F.matrix_diag(v, 0, 3, 5),
            (V,),
            lambda v: np.eye(3, 5) * np.append(v, [0, 0]),
            grad=True,
        ),
        Sample("matrix_diag-empty", lambda v: F.matrix_diag(v), (EMPTY,), lambda v: np.zeros((3, 0, 0))),
        Sample(
            "meshgrid",
            lambda a, b: gf.meshgrid(a, b),
            (V, M[0]),
            lambda a, b: (np.array([a] * 4), np.array([b] * 3).T),
            grad=True,
            unranked=False,
        ),
        Sample(
            "meshgrid-ij",
            lambda a, b, c: gf.meshgrid(a, b, c, indexing="ij"),
            (V, M[0], M[1, :2]),
            lambda a, b, c: (
                np.ones((3, 4, 2)) * a[:, None, None],
                np.ones((3, 4, 2)) * b[:, None],
                np.ones((3, 4, 2)) * c,
            ),
            unranked=False,
        ),
    ]
    return samples


SAMPLES: list[Sample] = [*_constants(), *_ranges(), *_matrices()]
