"""LU factors with partial pivoting, and systems solved with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.flat_index import as_indices
from graphflow.ops.lapack_costs import flops, getrf, group_size
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint, check_matrix, matrices, matrices2
from graphflow.ops.numpy_library import factor_stack, has_routine
from graphflow.ops.shape import expand_dims, squeeze
from graphflow.ops.sorting import argsort
from graphflow.ops.triangular_solve import solve_triangle, triangular_solve
from graphflow.types import SUPPORTED, TensorType

__all__ = ["LUResult", "lu", "lu_solve"]

BLOCK = 32
"""Columns that are eliminated one by one before the rest of the matrix is told."""


class LUResult(NamedTuple):
    """What `lu` gives: both factors in one matrix, and the order of the rows of x that they are factors of."""

    lu: Tensor
    p: Tensor


# --- the kernel -----------------------------------------------------------------------------------


def _infer(x: TensorType) -> tuple[TensorType, TensorType]:
    check_matrix(x)
    return x, TensorType(SUPPORTED["int64"], x.dims[:-1])


def _kernel(xp: Any, x: Any) -> tuple[Any, Any]:
    if xp is not np or not has_routine("*getrf_", x.dtype):
        return _eliminated(xp, x)
    *lead, m, n = x.shape
    packed = np.empty(x.shape, x.dtype)
    count, step = math.prod(lead), group_size(m * n)
    listed, factors = x.reshape(count, m, n), packed.reshape(count, m, n)
    exchanged = np.empty((count, min(m, n)), np.int64)
    for start in range(0, count, step):
        group = slice(start, start + step)
        exchanged[group] = factor_stack(listed[group], factors[group])
    return packed, _order(np, exchanged, m).reshape(*lead, m)


def _order(xp: Any, exchanged: Any, rows: int) -> Any:
    """The order of the rows after exchanges of row i with row exchanged[i], one after the other."""
    *lead, steps = exchanged.shape
    flat = exchanged.reshape(math.prod(lead), steps)
    order = xp.broadcast_to(xp.arange(rows), (len(flat), rows)).copy()
    stack = xp.arange(len(flat))
    for i in range(steps):
        other = flat[:, i]
        here = order[:, i].copy()
        order[:, i] = order[stack, other]
        order[stack, other] = here
    return order.reshape(*lead, rows)


def _eliminated(xp: Any, x: Any) -> tuple[Any, Any]:
    """Right-looking blocked elimination, for all matrices of the stack at once.

    Source: Golub and Van Loan, "Matrix Computations", 4th edition, algorithm 3.4.1 and section 3.2.11.
    """
    *lead, m, n = x.shape
    a = x.reshape(math.prod(lead), m, n).copy()
    steps = min(m, n)
    stack = xp.arange(len(a))
    exchanged = xp.zeros((len(a), steps), dtype=xp.int64)
    for start in range(0, steps, BLOCK):
        stop = min(start + BLOCK, steps)
        for j in range(start, stop):
            other = xp.argmax(xp.abs(a[:, j:, j]), axis=1) + j
            exchanged[:, j] = other
            here = a[:, j].copy()
            a[:, j] = a[stack, other]
            a[stack, other] = here
            pivot = a[:, j, j, None]
            a[:, j + 1 :, j] = a[:, j + 1 :, j] / xp.where(pivot == 0, 1, pivot)
            a[:, j + 1 :, j + 1 : stop] -= a[:, j + 1 :, j, None] * a[:, j, None, j + 1 : stop]
        if stop < n:
            corner = a[:, start:stop, start:stop]
            a[:, start:stop, stop:] = solve_triangle(
                xp, corner, a[:, start:stop, stop:].copy(), unit_diagonal=True
            )
            a[:, stop:, stop:] -= xp.matmul(a[:, stop:, start:stop], a[:, start:stop, stop:])
    return a.reshape(x.shape), _order(xp, exchanged, m).reshape(*lead, m)


# --- gradient -------------------------------------------------------------------------------------


def _vjp(node: Any, g: Tensor, _: Tensor | None) -> tuple[Tensor]:
    """Pᵀ L⁻ᴴ (tril(Lᴴ gL, -1) + triu(gU Uᴴ)) U⁻ᴴ for square matrices; what is beyond a square block is a
    triangular system with it, whose gradient goes first.

    Source: S. F. Walter and L. Lehmann 2018, "Algorithmic Differentiation of Linear Algebra Functions".
    """
    packed, order = node.outputs
    *_, rows, cols = packed.type.dims
    gl, gu = F.tril(g, -1), F.triu(g)
    if not (isinstance(rows, int) and isinstance(cols, int)) or rows == cols:
        return (_rows_back(_square(packed, gl, gu), order),)
    if rows > cols:  # L = [L1; A2 U⁻¹]
        beyond, packed = packed[..., cols:, :], packed[..., :cols, :]
        more = _over(packed, g[..., cols:, :])
        gu = gu[..., :cols, :] - F.triu(matmul(beyond, more, adjoint_a=True))
        whole = F.concat([_square(packed, gl[..., :cols, :], gu), more], -2)
    else:  # U = [U1  L⁻¹ A2]
        beyond, packed = packed[..., :, rows:], packed[..., :, :rows]
        more = triangular_solve(packed, g[..., :, rows:], adjoint=True, unit_diagonal=True)
        gl = gl[..., :, :rows] - F.tril(matmul(more, beyond, adjoint_b=True), -1)
        whole = F.concat([_square(packed, gl, gu[..., :, :rows]), more], -1)
    return (_rows_back(whole, order),)


def _square(packed: Tensor, gl: Tensor, gu: Tensor) -> Tensor:
    below = matmul(F.tril(packed, -1), gl, adjoint_a=True) + gl  # Lᴴ gL, with the ones of L apart
    inner = F.tril(below, -1) + F.triu(matmul(gu, F.triu(packed), adjoint_b=True))
    return _over(packed, triangular_solve(packed, inner, adjoint=True, unit_diagonal=True))


def _over(packed: Tensor, x: Tensor) -> Tensor:
    """x U⁻ᴴ."""
    return adjoint(triangular_solve(packed, adjoint(x), lower=False))


def _rows_back(x: Tensor, order: Tensor) -> Tensor:
    """The rows where they were before they were put into that order."""
    back: Tensor = F.take_along_axis(x, expand_dims(argsort(order), -1), -2)
    return back


# --- the op ---------------------------------------------------------------------------------------


def _workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """The rows exchanged, and of a group of matrices the columns; then, at each step, three numbers for each matrix; to begin with, a list of rows."""
    m, n = (int(d) for d in list[Any](inputs[0].dims[-2:]))
    count = int(inputs[0].size) // max(m * n, 1)  # type: ignore[arg-type]  # static by then
    group = min(count, group_size(m * n))
    columns = (
        group * (m * n * inputs[0].dtype.itemsize + 8 * min(m, n) + 300) - 8 * count * m
    )  # no orders yet
    return 8 * count * min(m, n) + max(columns, 24 * count, 8 * m)


LU = declare(
    Op(
        "lu",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS,
        dtype=lambda x: (x.dtype, SUPPORTED["int64"]),
        flops=flops(getrf),
        workspace=_workspace,
        default_name="Lu",
        doc="LU factors with partial pivoting.",
    )
)


@public
def lu(x: Any, name: str | None = None) -> LUResult:
    """(lu, p) of each m x n matrix in the last two axes: its rows in the order p are the product of L and U.

    lu: U in the upper triangle, and L, whose diagonal is ones, below it; L is m x k and U k x n, with k = min(m, n).
    p: int64[..., m]. The gradient needs the first k rows of U's diagonal not to be 0; where sizes are not known when
    it is built, x is taken to be square. A primitive: LAPACK's `getrf`, or blocked elimination where NumPy's matrix
    library does not show it.
    Raises ShapeError for fewer than two axes, DTypeError for 16-bit floats. NaN and infinities go through, and a
    singular matrix has zeros on U's diagonal.
    """
    return LUResult(*make_node(LU, (matrices("lu", x),), {}, name).outputs)


@public
def lu_solve(lower_upper: Any, perm: Any, rhs: Any, name: str | None = None) -> Tensor:
    """`x` in A @ x = rhs from what `lu` gave for a square A: [..., n, n], [..., n] and [..., n, k] give [..., n, k].

    A vector `rhs` gives [..., n]. Stacks must have the same leading axes, or none. A composition.
    Raises as `triangular_solve`, and ShapeError for a rank of `rhs` that is not known.
    """
    factors, b = matrices2("lu_solve", lower_upper, rhs)
    order = as_indices("lu_solve", perm, "perm")
    if b.type.shape is None or order.type.shape is None:
        raise ShapeError("lu_solve: the ranks of perm and rhs must be known; give the placeholders shapes")
    vector = len(b.type.shape) == 1
    if not b.type.shape or not order.type.shape:
        raise ShapeError(f"lu_solve: perm {order!r} and rhs {b!r} must have at least one axis")
    with composition("lu_solve" if name is None else name):
        right = expand_dims(b, -1) if vector else b
        missing = len(order.type.shape) + 1 - right.type.rank
        if missing > 0:
            right = expand_dims(right, list(range(missing)))
        rows = expand_dims(order, -1)
        if missing < 0:
            rows = expand_dims(rows, list(range(-missing)))
        inner = triangular_solve(factors, F.take_along_axis(right, rows, -2), unit_diagonal=True)
        x = triangular_solve(factors, inner, lower=False)
        return squeeze(x, -1) if vector else x
