"""Systems of linear equations, and inverses of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import RunError, ShapeError
from graphflow.graph import Tensor, apply
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.lapack import call_lapack, place_in, stacked
from graphflow.ops.lapack_costs import flops, getrf, work
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint, check_square, matrices, matrices2
from graphflow.ops.numpy_library import has_routine, inverse_stack
from graphflow.ops.shape import expand_dims
from graphflow.types import TensorType, broadcast_shapes, dims_equal

__all__ = ["inv", "solve"]

LARGE = 256
"""Rows from which `getri` in place beats NumPy's loop for inverses: it takes 0.7 of its time for 512."""

_SINGULAR = "is singular: it has no inverse"

# --- solve ----------------------------------------------------------------------------------------


def _infer(a: TensorType, b: TensorType) -> TensorType:
    check_square(a, "a")
    if b.rank == 0:
        raise ShapeError(f"b must have at least one axis, got {b}")
    rows = b.dims[-1] if b.rank == 1 else b.dims[-2]
    if dims_equal(a.dims[-1], rows) is False:
        raise ShapeError(f"a {a} and b {b} differ in rows ({a.dims[-1]} != {rows})")
    if b.rank == 1:
        return typed(b.dtype, a.dims[:-1])
    return typed(b.dtype, (*broadcast_shapes(a.dims[:-2], b.dims[:-2]), *b.dims[-2:]))


def _kernel(xp: Any, a: Any, b: Any) -> Any:
    if b.ndim > 1:
        return call_lapack(xp, "solve", "solve", _SINGULAR, a, b)
    x = call_lapack(xp, "solve", "solve", _SINGULAR, a, xp.reshape(b, (-1, 1)))
    return xp.reshape(x, x.shape[:-1])


def _vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """Of x = A⁻¹ b: A⁻ᴴ g for b, and -(A⁻ᴴ g) xᴴ for A."""
    a, b = node.inputs
    x = node.outputs[0]
    if b.type.shape is None:
        raise ShapeError(f"solve: its gradient needs to know the rank of {b!r}; give the placeholder a shape")
    if len(b.type.shape) == 1:
        g = expand_dims(g, -1)
        gb = solve(adjoint(a), g)
        return F.negative(matmul(gb, expand_dims(F.conj(x), -2))), F.sum_to_like(F.squeeze(gb, -1), b)
    gb = solve(adjoint(a), g)
    return F.sum_to_like(F.negative(matmul(gb, x, adjoint_b=True)), a), F.sum_to_like(gb, b)


def _solve_flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """LU of each matrix of the result's stack, and two triangular systems for each number of the result."""
    n = int(inputs[0].dims[-1])  # type: ignore[arg-type]  # static by then
    sizes: list[Any] = list(outputs[0].dims[: -1 if inputs[1].rank == 1 else -2])
    factor = 4 if inputs[0].dtype.kind == "c" else 1
    total: float = math.prod(sizes) * getrf(n, n) + 2 * n * int(outputs[0].size)  # type: ignore[arg-type]  # static by then
    return factor * round(total)


def _solve_work(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """One matrix and its right sides, copied for LAPACK, and the rows exchanged."""
    n = int(inputs[0].dims[-1])  # type: ignore[arg-type]  # static by then
    k = 1 if inputs[1].rank == 1 else int(inputs[1].dims[-1])  # type: ignore[arg-type]  # static by then
    return n * (n + k) * inputs[0].dtype.itemsize + 8 * n


SOLVE = declare(
    Op(
        "solve",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda a, b: b.dtype,
        flops=_solve_flops,
        workspace=_solve_work,
        default_name="MatrixSolve",
        doc="Solutions of systems of linear equations.",
    )
)


@public
def solve(a: Any, b: Any, name: str | None = None) -> Tensor:
    """`x` in a @ x = b: [..., n, n] and [..., n, k] give [..., n, k]; a vector `b` gives [..., n].

    Leading axes are broadcast; only a `b` of exactly one axis is a vector. A primitive: LAPACK's `gesv`, LU with
    partial pivoting.
    Raises ShapeError for what is not square or does not fit, DTypeError for 16-bit floats, RunError at the run for
    a matrix that is exactly singular. NaN and infinities go through.
    """
    x, y = matrices2("solve", a, b)
    made: Tensor = apply(SOLVE, x, y, name=name)
    return made


# --- inv ------------------------------------------------------------------------------------------


def _infer_inv(x: TensorType) -> TensorType:
    check_square(x)
    return x


def _inv_kernel(xp: Any, x: Any) -> Any:
    if xp is not np or not x.size or x.shape[-1] < LARGE or not has_routine("*getri_", x.dtype):
        return call_lapack(xp, "inv", "inv", _SINGULAR, x)
    made, failed = inverse_stack(x)
    if failed >= 0:
        raise RunError(f"inv: {stacked(place_in(x.shape, failed))} {_SINGULAR}")
    return made


def _inv_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """-A⁻ᴴ g A⁻ᴴ."""
    y = node.outputs[0]
    return (F.negative(matmul(matmul(y, g, adjoint_a=True), y, adjoint_b=True)),)


INV = declare(
    Op(
        "inv",
        _infer_inv,
        _inv_kernel,
        _inv_vjp,
        Trait.BLAS | Trait.FALLIBLE,
        flops=flops(lambda n, _: 2 * n**3),
        workspace=work(lambda n, _: 66 * n if n >= LARGE else 2 * n * n + 2 * n),
        default_name="MatrixInverse",
        doc="Inverses of matrices.",
    )
)


@public
def inv(x: Any, name: str | None = None) -> Tensor:
    """The inverse of each matrix in the last two axes. A primitive: LAPACK's `getri` or `gesv`.

    To multiply by an inverse, `solve` is quicker and more accurate.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats, RunError at the run for a matrix that is
    exactly singular. NaN and infinities go through.
    """
    made: Tensor = apply(INV, matrices("inv", x), name=name)
    return made
