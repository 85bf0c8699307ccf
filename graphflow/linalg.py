"""`gf.linalg`: products, norms and diagonals; decompositions are not here yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.op import on_demand
from graphflow.ops.axes import matrix_transpose
from graphflow.ops.diagonal import diagonal, trace
from graphflow.ops.linalg import matmul, outer, tensordot, vecdot
from graphflow.ops.norms import matrix_norm, norm, vector_norm

if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.band import band_part, matrix_diag_part, matrix_set_diag
    from graphflow.ops.cholesky import cholesky, cholesky_solve
    from graphflow.ops.cross import cross
    from graphflow.ops.determinant import det, slogdet
    from graphflow.ops.eig import eig, eigvals
    from graphflow.ops.eigen import eigh, eigvalsh
    from graphflow.ops.expm import expm
    from graphflow.ops.least_squares import lstsq, pinv
    from graphflow.ops.linalg_aliases import adjoint
    from graphflow.ops.logm import logm, sqrtm
    from graphflow.ops.lu import lu, lu_solve
    from graphflow.ops.matrix_products import kron, matrix_power, multi_dot
    from graphflow.ops.qr import qr
    from graphflow.ops.solve import inv, solve
    from graphflow.ops.svd import condition_number as cond
    from graphflow.ops.svd import matrix_rank, svd, svdvals
    from graphflow.ops.triangular_solve import triangular_solve

__getattr__ = on_demand(globals(), cond="condition_number")

__all__ = [
    "adjoint",
    "band_part",
    "cholesky",
    "cholesky_solve",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "kron",
    "logm",
    "lstsq",
    "lu",
    "lu_solve",
    "matmul",
    "matrix_diag_part",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_set_diag",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "sqrtm",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "triangular_solve",
    "vecdot",
    "vector_norm",
]
