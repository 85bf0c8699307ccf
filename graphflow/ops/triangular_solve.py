"""Systems with triangular matrices: by the `trsm` of NumPy's matrix library, else by blocked substitution.

Where `trsm` cannot be reached most of the work is products of blocks with what is solved already; the systems of
the diagonal blocks go to the general solver, each turned about so that it is upper triangular: there elimination
finds nothing to do, every pivot is the diagonal's own, and what remains is back substitution. That takes 2 to 5
times as long as `trsm`, but for stacks of matrices up to 8 x 8, which the general solver takes in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import RunError, ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag, typed
from graphflow.ops.lapack import lapack, stacked, transposed
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import check_matrix, check_square, matrices2
from graphflow.ops.numpy_library import has_routine, solve_stack
from graphflow.types import TensorType, broadcast_shapes, dims_equal

__all__ = ["solve_triangle", "triangular_solve"]

BLOCK = 64
"""Rows of a diagonal block."""

SMALL = 8
"""Rows up to which one call for a whole stack is quicker than one call of `trsm` for each matrix."""

# --- the kernel -----------------------------------------------------------------------------------


def _check_diagonal(xp: Any, t: Any) -> None:
    """Raise RunError for a zero on the diagonal."""
    d = xp.diagonal(t, 0, -2, -1) if hasattr(xp, "diagonal") else xp.linalg.diagonal(t)
    zero = d == 0
    if not bool(xp.any(zero)):
        return
    flat = xp.reshape(zero, (-1,))
    *index, k = np.unravel_index(int(xp.argmax(xp.astype(flat, xp.int8))), d.shape)
    raise RunError(
        f"triangular_solve: {stacked([int(i) for i in index])} is singular: its diagonal is 0 at {int(k)}"
    )


def _solve_block(xp: Any, t: Any, b: Any, lower: bool, unit_diagonal: bool) -> Any:
    """A small triangular system; the other triangle of `t` may hold anything."""
    if lower:
        t, b = xp.flip(t, axis=(-2, -1)), xp.flip(b, axis=-2)
    if unit_diagonal:
        t = xp.triu(t, k=1) + xp.eye(t.shape[-1], dtype=t.dtype)
    else:
        t = xp.triu(t)
    x = lapack(xp, "solve", t.dtype)(t, b)
    return xp.flip(x, axis=-2) if lower else x


def _serves(xp: Any, t: Any) -> bool:
    return xp is np and t.shape[-1] > SMALL and has_routine("cblas_*trsm", t.dtype)


def solve_triangle(
    xp: Any,
    t: Any,
    b: Any,
    *,
    lower: bool = True,
    adjoint: bool = False,
    unit_diagonal: bool = False,
    out: Any = None,
) -> Any:
    """The kernel: stacks of matrices are broadcast. Raises RunError for a zero on the diagonal."""
    if not unit_diagonal:
        _check_diagonal(xp, t)
    if _serves(xp, t):
        if out is None:
            out = np.empty((*np.broadcast_shapes(t.shape[:-2], b.shape[:-2]), *b.shape[-2:]), b.dtype)
        np.copyto(out, b)
        if out.size:
            solve_stack(t, out, lower, adjoint, unit_diagonal)
        return out
    if adjoint:
        t, lower = transposed(xp, t), not lower
    n = t.shape[-1]
    if out is None:
        lead = np.broadcast_shapes(t.shape[:-2], b.shape[:-2])
        out = xp.empty((*lead, *b.shape[-2:]), dtype=b.dtype)
    if 0 in out.shape:
        return out
    starts = range(0, n, BLOCK)
    for start in starts if lower else reversed(starts):
        stop = min(start + BLOCK, n)
        rows, solved = slice(start, stop), slice(0, start) if lower else slice(stop, n)
        rest = b[..., rows, :]
        if solved.start < solved.stop:
            rest = rest - xp.matmul(t[..., rows, solved], out[..., solved, :])
        out[..., rows, :] = _solve_block(xp, t[..., rows, rows], rest, lower, unit_diagonal)
    return out


# --- the op ---------------------------------------------------------------------------------------


def _infer(matrix: TensorType, rhs: TensorType, **attrs: bool) -> TensorType:
    check_square(matrix, "matrix")
    check_matrix(rhs, "rhs")
    if dims_equal(matrix.dims[-1], rhs.dims[-2]) is False:
        raise ShapeError(
            f"matrix {matrix} and rhs {rhs} differ in rows ({matrix.dims[-1]} != {rhs.dims[-2]})"
        )
    return typed(rhs.dtype, (*broadcast_shapes(matrix.dims[:-2], rhs.dims[:-2]), *rhs.dims[-2:]))


def _vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """Of x = T⁻¹ b: T⁻ᴴ g, and the part of -(T⁻ᴴ g) xᴴ in the triangle that is read."""
    matrix, rhs = node.inputs
    lower, is_adjoint, unit = (node.attrs[k] for k in ("lower", "adjoint", "unit_diagonal"))
    x = node.outputs[0]
    gb = triangular_solve(matrix, g, lower, not is_adjoint, unit_diagonal=unit)
    product = F.negative(matmul(x, gb, adjoint_b=True) if is_adjoint else matmul(gb, x, adjoint_b=True))
    ga = F.tril(product, -int(unit)) if lower else F.triu(product, int(unit))
    return F.sum_to_like(ga, matrix), F.sum_to_like(gb, rhs)


def _flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: bool) -> int:
    complex_factor = 4 if inputs[0].dtype.kind == "c" else 1
    return int(outputs[0].size) * int(inputs[0].dims[-1]) * complex_factor  # type: ignore[arg-type]  # static by then


def _workspace(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, adjoint: bool, **attrs: bool
) -> int:
    """Of a block: its part of the matrix, with ones on its diagonal beside it, and its solution; from the second block
    on its right side too. `trsm` needs a number for the place of each matrix.
    """
    matrix, rhs = inputs
    n, k = int(rhs.dims[-2]), int(rhs.dims[-1])  # type: ignore[arg-type]  # static by then
    if n > SMALL and has_routine("cblas_*trsm", matrix.dtype):
        places = 16 * (int(outputs[0].size) // max(n * k, 1))  # type: ignore[arg-type]  # static by then
        return places + (n * n * matrix.dtype.itemsize if adjoint and matrix.dtype.kind == "c" else 0)
    rows = min(n, BLOCK)
    nbytes = matrix.dtype.itemsize
    stack = int(outputs[0].size) // max(n * k, 1)  # type: ignore[arg-type]  # static by then
    own = int(matrix.size) // max(n * n, 1)  # type: ignore[arg-type]  # static by then
    part, solved = own * rows * rows, stack * rows * k
    total = part + max(part if attrs["unit_diagonal"] else 0, solved) + (2 * solved if n > BLOCK else 0)
    total = (total + rows * (rows + k)) * nbytes
    if adjoint and matrix.dtype.kind == "c":
        total += int(matrix.nbytes or 0)
    return total


TRIANGULAR_SOLVE = declare(
    Op(
        "triangular_solve",
        _infer,
        solve_triangle,
        _vjp,
        Trait.OUT | Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda matrix, rhs, **attrs: rhs.dtype,
        flops=_flops,
        workspace=_workspace,
        default_name="MatrixTriangularSolve",
        doc="Solutions of systems with triangular matrices.",
    )
)


@public
def triangular_solve(
    matrix: Any,
    rhs: Any,
    lower: bool = True,
    adjoint: bool = False,
    name: str | None = None,
    *,
    unit_diagonal: bool = False,
) -> Tensor:
    """`x` in matrix @ x = rhs for triangular matrices: [..., n, n] and [..., n, k] give [..., n, k].

    lower: the lower triangle is read, else the upper one; the other may hold anything.
    adjoint: solve with the conjugate transposed matrix instead.
    unit_diagonal: the diagonal is taken as ones and not read.
    Leading axes are broadcast. A primitive: blocked substitution.
    Raises ShapeError for what is not square or does not fit, DTypeError for 16-bit floats, RunError at the run for
    a zero on the diagonal. NaN and infinities go through.
    """
    a, b = matrices2("triangular_solve", matrix, rhs)
    attrs = {
        "lower": flag(lower, "triangular_solve", "lower"),
        "adjoint": flag(adjoint, "triangular_solve", "adjoint"),
        "unit_diagonal": flag(unit_diagonal, "triangular_solve", "unit_diagonal"),
    }
    return make_node(TRIANGULAR_SOLVE, (a, b), attrs, name).outputs[0]
