"""TensorFlow 1's names and arguments for functions of matrices, with the table `TF1` of all of them.

Most are plain renamings. The functions here take TensorFlow's arguments or give its results, where they differ: its
`svd` gives s, u, v (v, not its adjoint), its `qr` takes full_matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.band import band_part, matrix_diag_part, matrix_set_diag
from graphflow.ops.cast import cast
from graphflow.ops.cholesky import cholesky, cholesky_solve
from graphflow.ops.constant import python_number
from graphflow.ops.cross import cross
from graphflow.ops.determinant import det, slogdet
from graphflow.ops.eigen import eigh, eigvalsh
from graphflow.ops.expm import expm
from graphflow.ops.least_squares import lstsq
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint as adjoint_of
from graphflow.ops.matrices import matrices, matrices2
from graphflow.ops.qr import QRResult, qr
from graphflow.ops.solve import inv, solve
from graphflow.ops.svd import svd, svdvals
from graphflow.ops.triangular_solve import triangular_solve

__all__ = [
    "TF1",
    "adjoint",
    "matrix_inverse",
    "matrix_solve",
    "matrix_solve_ls",
    "qr_of",
    "svd_suv",
]


@public
def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """The conjugate transpose of the last two axes. A composition: `conj` and a view."""
    with composition("adjoint" if name is None else name):
        return F.matrix_transpose(F.conj(matrix))  # type: ignore[no-any-return]


def _turned(what: str, matrix: Tensor, adjoint: Any) -> Tensor:
    return adjoint_of(matrix) if flag(adjoint, what, "adjoint") else matrix


@public
def matrix_inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """`inv`, of the conjugate transpose where `adjoint`. A composition."""
    x = matrices("matrix_inverse", input)
    return inv(_turned("matrix_inverse", x, adjoint), name=name)


@public
def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """`solve` of matrices, with the conjugate transpose of `matrix` where `adjoint`. A composition.

    Raises as `solve`, and ShapeError for a vector `rhs`, as in TensorFlow.
    """
    a, b = matrices2("matrix_solve", matrix, rhs)
    if b.type.shape is not None and len(b.type.shape) < 2:
        raise ShapeError(f"matrix_solve: rhs must have at least two axes, got {b!r}")
    return solve(_turned("matrix_solve", a, adjoint), b, name=name)


@public
def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """The `x` with the least |matrix @ x - rhs|² + l2_regularizer |x|²: [..., m, n], [..., m, k] give [..., n, k].

    fast: by the Cholesky factor of the normal equations, which squares the condition of the matrix; and where
        m < n without a regularizer, of those of least norm. Else by `lstsq`, which takes no regularizer.
    A composition. Raises as `cholesky` or `lstsq`; ShapeError where fast and the sizes are not known.
    Source: TensorFlow 1.15, `tf.linalg.lstsq`.
    """
    a, b = matrices2("matrix_solve_ls", matrix, rhs)
    weight = python_number(l2_regularizer, "matrix_solve_ls: l2_regularizer")
    with composition("MatrixSolveLs" if name is None else name):
        if not flag(fast, "matrix_solve_ls", "fast"):
            return lstsq(a, b).x
        rows, cols = (None, None) if a.type.shape is None else matrices("matrix_solve_ls", a).type.dims[-2:]
        if not (isinstance(rows, int) and isinstance(cols, int)):
            raise ShapeError(
                f"matrix_solve_ls: the sizes of {a!r} must be known where fast; or say fast=False"
            )
        tall = rows >= cols
        gram = matmul(a, a, adjoint_a=True) if tall else matmul(a, a, adjoint_b=True)
        if weight:
            gram = gram + cast(F.eye(cols if tall else rows) * weight, a.type.dtype)
        factor = cholesky(gram)
        if tall:
            return cholesky_solve(factor, matmul(a, b, adjoint_a=True))
        return matmul(a, cholesky_solve(factor, b), adjoint_a=True)


@public
def qr_of(input: Any, full_matrices: bool = False, name: str | None = None) -> QRResult:
    """`qr` as TensorFlow spells it: full_matrices for mode "complete"."""
    return qr(input, "complete" if flag(full_matrices, "qr", "full_matrices") else "reduced", name)


@public
def svd_suv(
    tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None
) -> Any:
    """TensorFlow's `svd`: (s, u, v) with tensor = u @ diag(s) @ vᴴ, or s alone without `compute_uv`. A composition.

    Raises as `svd`.
    """
    if not flag(compute_uv, "svd", "compute_uv"):
        return svdvals(tensor, name=name)
    with composition("Svd" if name is None else name):
        u, s, vh = svd(tensor, flag(full_matrices, "svd", "full_matrices"))
        return s, u, adjoint_of(vh)


TF1: dict[str, Callable[..., Any]] = {
    "adjoint": adjoint,
    "cholesky": cholesky,
    "cholesky_solve": cholesky_solve,
    "cross": cross,
    "log_matrix_determinant": slogdet,
    "matrix_band_part": band_part,
    "matrix_determinant": det,
    "matrix_diag_part": matrix_diag_part,
    "matrix_exponential": expm,
    "matrix_inverse": matrix_inverse,
    "matrix_set_diag": matrix_set_diag,
    "matrix_solve": matrix_solve,
    "matrix_solve_ls": matrix_solve_ls,
    "matrix_triangular_solve": triangular_solve,
    "qr": qr_of,
    "self_adjoint_eig": eigh,
    "self_adjoint_eigvals": eigvalsh,
    "svd": svd_suv,
}
"""The names at the top level of TensorFlow 1, with the functions that they mean."""
