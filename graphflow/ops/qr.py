"""The QR decomposition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import ArgumentError, GradientError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.lapack import call_lapack
from graphflow.ops.lapack_costs import flops, geqrf, group_size, orgqr
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint, check_matrix, diagonal_matrix, matrices, shorter
from graphflow.ops.numpy_library import has_routine, qr_stack
from graphflow.ops.triangular_solve import triangular_solve
from graphflow.types import TensorType, dims_equal

__all__ = ["QRResult", "qr"]


LARGE = 32
"""Rows and columns from which `geqrf` on one matrix after the other is at least as quick as NumPy's loop."""


class QRResult(NamedTuple):
    """What `qr` gives: x = Q @ R."""

    Q: Tensor
    R: Tensor


def _infer(x: TensorType, *, complete: bool) -> tuple[TensorType, TensorType]:
    check_matrix(x)
    *lead, rows, cols = x.dims
    inner = rows if complete else shorter(x)
    return typed(x.dtype, (*lead, rows, inner)), typed(x.dtype, (*lead, inner, cols))


def _kernel(xp: Any, x: Any, *, complete: bool) -> tuple[Any, Any]:
    *lead, m, n = x.shape
    width = m if complete else min(m, n)
    count, step = math.prod(lead), group_size(max(m, 1) * max(n, width))
    if xp is not np or count <= step:
        return _of_group(xp, x, complete)
    q, r = np.empty((count, m, width), x.dtype), np.empty((count, width, n), x.dtype)
    listed = x.reshape(count, m, n)
    for start in range(0, count, step):
        group = slice(start, start + step)
        q[group], r[group] = _of_group(xp, listed[group], complete)
    return q.reshape(*lead, m, width), r.reshape(*lead, width, n)


def _of_group(xp: Any, x: Any, complete: bool) -> tuple[Any, Any]:
    if xp is np and min(x.shape[-2:]) >= LARGE and has_routine("*geqrf_", x.dtype) and x.size:
        return qr_stack(x, x.shape[-2] if complete else min(x.shape[-2:]))
    name = "qr_complete" if complete else "qr"
    q, r = call_lapack(xp, "qr", name, "has no QR decomposition", x)
    return q, r


# --- gradient -------------------------------------------------------------------------------------


def _vjp(node: Any, gq: Tensor | None, gr: Tensor | None) -> tuple[Tensor]:
    """Sources: S. F. Walter and L. Lehmann 2018, "Algorithmic Differentiation of Linear Algebra Functions", for tall
    matrices; D. A. O. Roberts and L. R. Roberts 2020, "QR and LQ Decomposition Matrix Backpropagation Algorithms
    for Square, Wide, and Deep Matrices", arXiv:2009.10071, for wide and complex ones.
    """
    x = node.inputs[0]
    q, r = node.outputs
    *_, rows, cols = x.type.dims
    known = isinstance(rows, int) and isinstance(cols, int)
    if node.attrs["complete"] and not dims_equal(rows, cols):
        if not known or (rows > cols and gq is not None):
            raise GradientError(
                f"qr: with mode='complete', Q of {x!r} has columns that x does not determine, "
                "and so no gradient; use mode='reduced'"
            )
        q, r = q[..., :, :cols], r[..., :cols, :]
        gr = None if gr is None else gr[..., :cols, :]
    if known and rows < cols:
        return (_wide(x, q, r, gq, gr, rows),)
    return (_tall(q, r, gq, gr),)


def _tall(q: Tensor, r: Tensor, gq: Tensor | None, gr: Tensor | None) -> Tensor:
    """(gQ + Q copyltu(R gRᴴ - gQᴴ Q)) R⁻ᴴ, where copyltu mirrors the lower triangle."""
    parts = [] if gr is None else [matmul(r, gr, adjoint_b=True)]
    if gq is not None:
        parts.append(F.negative(matmul(gq, q, adjoint_a=True)))
    inner = parts[0] if len(parts) == 1 else F.add_n(parts)
    below = F.tril(inner, -1)
    mirrored = below + adjoint(below) + diagonal_matrix(F.real(F.diagonal(inner)), inner)
    left = matmul(q, mirrored)
    if gq is not None:
        left = left + gq
    return adjoint(triangular_solve(r, adjoint(left), lower=False))


def _wide(x: Tensor, q: Tensor, r: Tensor, gq: Tensor | None, gr: Tensor | None, k: int) -> Tensor:
    """x = [X Y] with X = Q U and R = [U Qᴴ Y]: the gradient of Y flows through R alone, and into Q."""
    if gr is None:
        gx = _tall(q, r[..., :, :k], gq, None)
        return F.concat([gx, F.zeros_like(x[..., :, k:])], -1)  # type: ignore[no-any-return]
    through = matmul(x[..., :, k:], gr[..., :, k:], adjoint_b=True)
    gx = _tall(q, r[..., :, :k], through if gq is None else gq + through, gr[..., :, :k])
    return F.concat([gx, matmul(q, gr[..., :, k:])], -1)  # type: ignore[no-any-return]


# --- the op ---------------------------------------------------------------------------------------


def _operations(m: int, n: int) -> float:
    k = min(m, n)
    return geqrf(m, n) + orgqr(m, k, k)


def _workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, complete: bool) -> int:
    """Of a group: a copy with room for Q, LAPACK's work array or a mask; in single precision NumPy's loop has copies
    in double precision of that and of the results. And the results of a group that is not all.
    """
    q, r = outputs
    rows, width = (int(d) for d in list[Any](q.dims[-2:]))
    cols, itemsize = int(r.dims[-1]), q.dtype.itemsize  # type: ignore[arg-type]  # static by then
    wide = max(cols, width)
    count = int(inputs[0].size) // max(rows * cols, 1)  # type: ignore[arg-type]  # static by then
    step = group_size(max(rows, 1) * wide)
    group = min(count, step)
    made = group * (rows + cols) * width if count > step else 0
    copied = group * ((rows + 2) * wide + min(rows, cols) * (2 if q.dtype.kind == "c" else 1))
    if min(rows, cols) >= LARGE and has_routine("*geqrf_", q.dtype):
        return (made + copied + 64 * wide) * itemsize
    if q.dtype.name in ("float32", "complex64"):
        copied = 2 * copied + 4 * group * (rows + cols) * width // 2
    return (made + copied) * itemsize + width * cols


QR = declare(
    Op(
        "qr",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x, complete: (x.dtype, x.dtype),
        flops=flops(_operations),
        workspace=_workspace,
        default_name="Qr",
        doc="QR decompositions.",
    )
)


@public
def qr(x: Any, mode: str = "reduced", name: str | None = None) -> QRResult:
    """(Q, R) with x = Q @ R, for each m x n matrix in the last two axes: Q of orthonormal columns, R upper triangular.

    mode: "reduced": Q is m x k and R k x n, where k = min(m, n); "complete": Q is m x m and R m x n.
    Signs are LAPACK's: the diagonal of R is real and may be negative. The gradient needs the first k columns of x to
    be independent; where sizes are not known when it is built, x is taken to have at least as many rows as columns.
    Through the columns that "complete" adds none flows. A primitive: LAPACK's `geqrf` and `orgqr`.
    Raises ArgumentError for another mode, ShapeError for fewer than two axes, DTypeError for 16-bit floats.
    NaN and infinities go through.
    """
    if not isinstance(mode, str) or mode not in ("reduced", "complete"):
        raise ArgumentError(f"qr: mode must be 'reduced' or 'complete', not {shorten(mode)}")
    return QRResult(*make_node(QR, (matrices("qr", x),), {"complete": mode == "complete"}, name).outputs)
