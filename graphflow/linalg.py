"""`gf.linalg`: products, norms and diagonals; decompositions are not here yet."""

from __future__ import annotations

from graphflow.ops.axes import matrix_transpose
from graphflow.ops.diagonal import diagonal, trace
from graphflow.ops.linalg import matmul, outer, tensordot, vecdot
from graphflow.ops.norms import matrix_norm, norm, vector_norm

__all__ = [
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_transpose",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
