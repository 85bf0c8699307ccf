"""What the functions of `np.linalg` do when they are called on tensors.

Like `numpy_functions`: each takes what NumPy takes, refuses what has no meaning for a tensor, and hands the rest on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, shorten
from graphflow.op import F
from graphflow.operators import NUMPY_FUNCTIONS
from graphflow.ops.numpy_functions import FUNCTIONS, refuse, stands_for

__all__: list[str] = []


def _same(function: Any, name: str) -> None:
    """Enter a function whose arguments are those of graphflow's."""

    def build(*args: Any, **options: Any) -> Any:
        return getattr(F, name)(*args, **options)

    FUNCTIONS[function] = build


for _function, _name in (
    (np.linalg.det, "det"),
    (np.linalg.eig, "eig"),
    (np.linalg.eigvals, "eigvals"),
    (np.linalg.inv, "inv"),
    (np.linalg.matrix_power, "matrix_power"),
    (np.linalg.qr, "qr"),
    (np.linalg.slogdet, "slogdet"),
    (np.linalg.solve, "solve"),
    (np.linalg.svdvals, "svdvals"),
    (np.kron, "kron"),
):
    _same(_function, _name)


def _triangle(x: Any, uplo: Any) -> Any:
    """What has `x` in its lower triangle, whichever NumPy was told to read."""
    if uplo not in ("L", "U", "l", "u"):
        raise DTypeError(f"np.linalg.eigh: UPLO must be 'L' or 'U', not {shorten(uplo)}")
    return F.matrix_transpose(F.conj(x)) if uplo in ("U", "u") else x


@stands_for(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    return F.eigh(_triangle(a, UPLO))


@stands_for(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return F.eigvalsh(_triangle(a, UPLO))


@stands_for(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return F.cholesky(a, upper=upper)


@stands_for(np.linalg.svd)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    refuse("linalg.svd", hermitian=hermitian or None)
    return F.svd(a, full_matrices) if compute_uv else F.svdvals(a)


@stands_for(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    refuse("linalg.pinv", hermitian=hermitian or None)
    return F.pinv(a, rcond if rtol is None else rtol)


@stands_for(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    return F.lstsq(a, b, rcond)


@stands_for(np.linalg.matrix_rank)
def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    refuse("linalg.matrix_rank", tol=tol, hermitian=hermitian or None)
    return F.matrix_rank(A, rtol)


@stands_for(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    return F.condition_number(x, p)


@stands_for(np.linalg.multi_dot)
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    refuse("linalg.multi_dot", out=out)
    return F.multi_dot(arrays)


@stands_for(np.linalg.matrix_norm)
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return F.matrix_norm(x, keepdims, ord)


@stands_for(np.linalg.vector_norm)
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return F.vector_norm(x, axis, keepdims, ord)


@stands_for(np.linalg.diagonal)
def _diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return F.diagonal(x, offset)


@stands_for(np.linalg.trace)
def _trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return F.trace(x, offset, dtype=dtype)


@stands_for(np.linalg.outer)
def _outer(x1: Any, x2: Any, /) -> Any:
    return F.outer(x1, x2)


@stands_for(np.linalg.cross)
def _cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return F.cross(x1, x2, axis)


@stands_for(np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return F.matrix_transpose(x)


@stands_for(np.linalg.matmul)
def _matmul(x1: Any, x2: Any, /) -> Any:
    return F.matmul(x1, x2)


@stands_for(np.linalg.tensordot)
def _tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return F.tensordot(x1, x2, axes)


@stands_for(np.linalg.vecdot)
def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return F.vecdot(x1, x2, axis)


@stands_for(np.cross)
def _cross_of_numpy(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        return F.cross(a, b, axis)
    if (axisa, axisb, axisc) == (-1, -1, -1):
        return F.cross(a, b)
    return F.moveaxis(F.cross(F.moveaxis(a, axisa, -1), F.moveaxis(b, axisb, -1)), -1, axisc)


NUMPY_FUNCTIONS.update(FUNCTIONS)  # this file may be imported after the table was filled
