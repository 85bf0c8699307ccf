"""What operations on matrices share: their operands, inference, and small compositions for gradient rules.

The gradient of a real loss with respect to a complex matrix A is dL/d Re A + i dL/d Im A, so that
dL = Re tr(gᴴ dA); a rule that is right for complex matrices is right for real ones too. Sources of the rules:
M. Giles 2008, "Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation";
others are named where they stand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.axes import matrix_transpose
from graphflow.ops.cast import cast
from graphflow.ops.shape import expand_dims
from graphflow.ops.ufunc import floats, floats2
from graphflow.types import SUPPORTED, DimLike, TensorType, dims_equal, unknown_dim

__all__ = [
    "adjoint",
    "check_matrix",
    "check_square",
    "complex_dtype",
    "diagonal_matrix",
    "hermitian_part",
    "matrices",
    "matrices2",
    "real_dtype",
    "reciprocal_gaps",
    "safe_reciprocal",
    "shorter",
]

# --- operands -------------------------------------------------------------------------------------


def _no_half(what: str, x: Tensor) -> None:
    if x.type.dtype.itemsize == 2:
        raise DTypeError(
            f"{what}: {x!r} is {x.type.dtype.name}, and matrix libraries have no 16-bit floats: cast it to float32"
        )


def matrices(what: str, x: Any) -> Tensor:
    """An operand in float32, float64, complex64 or complex128; integers and bools become the default float.

    Raises DTypeError for 16-bit floats, ShapeError for a known rank below 2.
    """
    t = floats(what, x)
    _no_half(what, t)
    dims = t.type.shape
    if dims is not None and len(dims) < 2:
        raise ShapeError(f"{what}: needs matrices in the last two axes, got {t!r}")
    return t


def matrices2(what: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two operands in one dtype of those that `matrices` gives. Raises DTypeError for 16-bit floats."""
    x, y = floats2(what, a, b)
    _no_half(what, x)
    return x, y


# --- inference ------------------------------------------------------------------------------------


def check_matrix(x: TensorType, argument: str = "x") -> None:
    """Raise ShapeError for fewer than two axes."""
    if x.rank < 2:
        raise ShapeError(f"{argument} must have at least two axes, got {x}")


def check_square(x: TensorType, argument: str = "x") -> None:
    """Raise ShapeError for anything that is certainly no stack of square matrices."""
    check_matrix(x, argument)
    rows, cols = x.dims[-2:]
    if dims_equal(rows, cols) is False:
        raise ShapeError(f"{argument} must be square matrices, got {x} ({rows} != {cols})")


def shorter(x: TensorType) -> DimLike:
    """The smaller of the last two sizes; unknown where that is not certain."""
    rows, cols = x.dims[-2:]
    if isinstance(rows, int) and isinstance(cols, int):
        return min(rows, cols)
    return rows if dims_equal(rows, cols) else unknown_dim()


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of absolute values."""
    return SUPPORTED[{"complex64": "float32", "complex128": "float64"}.get(dtype.name, dtype.name)]


def complex_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The complex dtype of the same precision."""
    return SUPPORTED[{"float32": "complex64", "float64": "complex128"}.get(dtype.name, dtype.name)]


# --- compositions ---------------------------------------------------------------------------------


def adjoint(x: Tensor) -> Tensor:
    """The conjugate transpose of each matrix; a view of real ones."""
    return matrix_transpose(F.conj(x))


def hermitian_part(x: Tensor) -> Tensor:
    """(x + xᴴ) / 2."""
    half: Tensor = (x + adjoint(x)) * 0.5
    return half


def diagonal_matrix(v: Tensor, like: Tensor) -> Tensor:
    """Square matrices with `v` on the diagonal, in the dtype of `like`."""
    made: Tensor = F.matrix_diag(cast(v, like.type.dtype))
    return made


def safe_reciprocal(x: Tensor) -> Tensor:
    """1 / x, and 0 where x is 0."""
    zero = F.equal(x, 0)
    result: Tensor = F.where(zero, 0, F.reciprocal(F.where(zero, 1, x)))
    return result


def reciprocal_gaps(v: Tensor) -> Tensor:
    """1 / (v[j] - v[i]) at [..., i, j], and 0 where two are equal, on the diagonal above all."""
    gaps: Tensor = expand_dims(v, -2) - expand_dims(v, -1)
    return safe_reciprocal(gaps)
