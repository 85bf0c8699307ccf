"""NumPy's functions of `np.linalg` on tensors: the values that NumPy gives for arrays, refusals of what has no meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import DTypeError
from graphflow.ops import numpy_linalg  # noqa: F401 enters its functions in the table
from tests.ops.samples_decompositions import definite
from tests.ops.table import array

X = array(3, 3, seed=71)
CASES: list[Callable[..., Any]] = [
    np.linalg.inv,
    np.linalg.det,
    np.linalg.slogdet,
    np.linalg.cholesky,
    lambda x: np.linalg.cholesky(x, upper=True),
    lambda x: np.linalg.solve(x, x[0]),
    lambda x: np.linalg.matrix_power(x, 3),
    lambda x: np.abs(np.linalg.qr(x).R),
    lambda x: np.abs(np.linalg.qr(x, mode="complete")[0]),
    lambda x: np.linalg.svd(x)[1],
    lambda x: np.linalg.svd(x, compute_uv=False),
    lambda x: np.abs(np.linalg.svd(x[:2], full_matrices=False)[2]),
    np.linalg.svdvals,
    lambda x: np.linalg.eigh(x).eigenvalues,
    lambda x: np.linalg.eigh(x, UPLO="U")[0],
    np.linalg.eigvalsh,
    lambda x: np.real(np.linalg.eig(x)[0]),
    lambda x: np.real(np.linalg.eigvals(x)),
    lambda x: np.linalg.pinv(x[:2]),
    lambda x: np.linalg.pinv(x, rtol=0.3),
    lambda x: np.linalg.lstsq(x[:, :2], x[:, 2:])[0],
    np.linalg.matrix_rank,
    np.linalg.cond,
    lambda x: np.linalg.cond(x, 1),
    lambda x: np.linalg.multi_dot([x, x, x[:, :1]]),
    lambda x: np.linalg.matrix_norm(x, ord="nuc"),
    lambda x: np.linalg.vector_norm(x, ord=1, axis=0),
    lambda x: np.linalg.norm(x, 2),
    lambda x: np.linalg.diagonal(x, offset=1),
    np.linalg.trace,
    lambda x: np.linalg.outer(x[0], x[1]),
    lambda x: np.linalg.cross(x, x[::-1]),
    np.linalg.matrix_transpose,
    lambda x: np.linalg.matmul(x, x),
    lambda x: np.linalg.tensordot(x, x, axes=1),
    lambda x: np.linalg.vecdot(x, x),
    lambda x: np.kron(x, x[:1]),
    lambda x: np.cross(x, x[::-1]),
    lambda x: np.cross(x, x[::-1], axis=0),
    lambda x: np.cross(x, x[::-1], axisa=0, axisc=0),
]


@pytest.mark.parametrize("function", CASES)
def test_values_are_numpy_s(function: Callable[..., Any]) -> None:
    value = definite(X)
    made = function(gf.constant(value))
    expected = function(value)
    pairs = zip(made, expected, strict=True) if isinstance(made, tuple) else [(made, expected)]
    for t, want in pairs:
        assert isinstance(t, gf.Tensor)
        np.testing.assert_allclose(gf.Session().run(t), want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda x: np.linalg.svd(x, hermitian=True), "hermitian"),
        (lambda x: np.linalg.pinv(x, hermitian=True), "hermitian"),
        (lambda x: np.linalg.matrix_rank(x, tol=0.1), "tol"),
        (lambda x: np.linalg.multi_dot([x, x], out=np.zeros((3, 3))), "out"),
        (lambda x: np.linalg.eigh(x, UPLO="X"), "UPLO"),
    ],
)
def test_what_has_no_meaning_is_refused(function: Callable[..., Any], word: str) -> None:
    with pytest.raises(DTypeError, match=word):
        function(gf.constant(X))
