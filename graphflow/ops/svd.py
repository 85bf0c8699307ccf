"""Singular values and vectors, and what follows from singular values: rank and condition."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from graphflow.errors import ArgumentError, GradientError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag, typed
from graphflow.ops.cast import cast
from graphflow.ops.lapack import call_lapack, require_finite
from graphflow.ops.lapack_costs import blocked, flops, svd_flops, svdvals_flops, work
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import (
    adjoint,
    check_matrix,
    diagonal_matrix,
    matrices,
    real_dtype,
    safe_reciprocal,
    shorter,
)
from graphflow.ops.norms import matrix_norm
from graphflow.ops.shape import expand_dims
from graphflow.ops.solve import inv
from graphflow.ops.ufunc import reals
from graphflow.types import SUPPORTED, TensorType, dims_equal

__all__ = ["SVDResult", "condition_number", "matrix_rank", "svd", "svdvals"]

_FAULT = "has no singular value decomposition that the iteration finds"


class SVDResult(NamedTuple):
    """What `svd` gives: x = (U * S[..., None, :]) @ Vh, for reduced U and Vh."""

    U: Tensor
    S: Tensor
    Vh: Tensor


# --- svd ------------------------------------------------------------------------------------------


def _infer(x: TensorType, *, full: bool) -> tuple[TensorType, ...]:
    check_matrix(x)
    *lead, rows, cols = x.dims
    k = shorter(x)
    return (
        typed(x.dtype, (*lead, rows, rows if full else k)),
        typed(real_dtype(x.dtype), (*lead, k)),
        typed(x.dtype, (*lead, cols if full else k, cols)),
    )


def _kernel(xp: Any, x: Any, *, full: bool) -> tuple[Any, ...]:
    require_finite(xp, "svd", x)
    u, s, vh = call_lapack(xp, "svd", "svd_full" if full else "svd", _FAULT, x)
    return u, s, vh


def _vjp(node: Any, gu: Tensor | None, gs: Tensor | None, gvh: Tensor | None) -> tuple[Tensor]:
    """Of A = U S Vᴴ: U (diag(gS) + [E ∘ skew(Uᴴ gU)] S + S [E ∘ skew(Vᴴ gV)]) Vᴴ, with E[i, j] = 1/(s[j]² - s[i]²),
    and the parts of gU and gV outside the spans of U and V, divided by S. For complex A half of the common phase of
    each pair of vectors is fixed in U and half in V.

    Sources: J. Townsend 2016, "Differentiating the Singular Value Decomposition"; Z.-Q. Wan and S.-X. Zhang 2019,
    "Automatic Differentiation for Complex Valued SVD", arXiv:1909.02659.
    """
    u, s, vh = node.outputs
    if node.attrs["full"]:
        u, vh, gu, gvh = _reduced(node.inputs[0], u, vh, gu, gvh)
    gv = None if gvh is None else adjoint(gvh)
    row, column = _weights(s, u, -2), _weights(s, u, -1)
    squares = s * s
    gaps = cast(safe_reciprocal(expand_dims(squares, -2) - expand_dims(squares, -1)), u.type.dtype)
    parts: list[Tensor] = [] if gs is None else [diagonal_matrix(gs, u)]
    phase: list[Tensor] = []
    if gu is not None:
        turn = _skew(matmul(u, gu, adjoint_a=True))
        parts.append(gaps * turn * row)
        phase.append(turn)
    if gv is not None:
        turn = _skew(matmul(vh, gv))
        parts.append(gaps * turn * column)
        phase.append(F.negative(turn))
    if phase and u.type.dtype.kind == "c":
        turned = F.diagonal(phase[0] if len(phase) == 1 else phase[0] + phase[1])
        parts.append(F.matrix_diag(turned * cast(safe_reciprocal(s) * 0.25, u.type.dtype)))
    inner = parts[0] if len(parts) == 1 else F.add_n(parts)
    total = matmul(matmul(u, inner), vh)
    if gu is not None:
        outside = gu - matmul(u, matmul(u, gu, adjoint_a=True))
        total = total + matmul(outside * safe_reciprocal(row), vh)
    if gv is not None:
        outside = gv - matmul(vh, matmul(vh, gv), adjoint_a=True)
        total = total + matmul(u * safe_reciprocal(row), outside, adjoint_b=True)
    return (total,)


def _weights(s: Tensor, like: Tensor, axis: int) -> Tensor:
    """Singular values in the dtype of `like`, along the columns of a matrix (axis -2) or its rows."""
    return expand_dims(cast(s, like.type.dtype), axis)


def _skew(x: Tensor) -> Tensor:
    turn: Tensor = x - adjoint(x)
    return turn


def _reduced(
    x: Tensor, u: Tensor, vh: Tensor, gu: Tensor | None, gvh: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The vectors that x determines. Raises GradientError where a gradient flows into the others."""
    *_, rows, cols = x.type.dims
    if dims_equal(rows, cols):
        return u, vh, gu, gvh
    if isinstance(rows, int) and isinstance(cols, int):
        surplus = gu if rows > cols else gvh
        if surplus is None:
            return u[..., :, :cols], vh[..., :rows, :], gu, gvh
    raise GradientError(
        f"svd: with full_matrices=True there are vectors that {x!r} does not determine, and so no gradient; "
        "use full_matrices=False"
    )


def _work(m: int, n: int) -> float:
    """The matrix, its vectors, and the work array of `gesdd`."""
    k = min(m, n)
    return m * n + (m + n) * max(m, n) + 4 * k * k + 7 * k + blocked(m, n)


SVD = declare(
    Op(
        "svd",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x, full: (x.dtype, real_dtype(x.dtype), x.dtype),
        flops=flops(svd_flops),
        workspace=work(_work, scan=True),
        default_name="Svd",
        doc="Singular value decompositions.",
    )
)


@public
def svd(x: Any, full_matrices: bool = True, name: str | None = None) -> SVDResult:
    """(U, S, Vh) with x = (U * S) @ Vh, for each m x n matrix in the last two axes; S descends and is not negative.

    full_matrices: U is m x m and Vh n x n, as in the Array API; else m x k and k x n, with k = min(m, n).
    The signs (for complex x the phases) of pairs of vectors are LAPACK's. The gradient is that of functions that do
    not depend on them, and needs distinct singular values: where two are equal, nothing flows through the rotation
    between their vectors. It does not flow through the vectors that only full_matrices adds: a GradientError.
    For singular values alone `svdvals` takes a fraction of the time. A primitive: LAPACK's `gesdd`.
    Raises ShapeError for fewer than two axes, DTypeError for 16-bit floats, RunError at the run for NaN or infinity
    in x, or where the iteration fails.
    """
    full = flag(full_matrices, "svd", "full_matrices")
    return SVDResult(*make_node(SVD, (matrices("svd", x),), {"full": full}, name).outputs)


# --- svdvals --------------------------------------------------------------------------------------


def _infer_values(x: TensorType) -> TensorType:
    check_matrix(x)
    return TensorType(real_dtype(x.dtype), (*x.dims[:-2], shorter(x)))


def _values_kernel(xp: Any, x: Any) -> Any:
    require_finite(xp, "svdvals", x)
    return call_lapack(xp, "svdvals", "svdvals", _FAULT, x)


def _values_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """U diag(g) Vᴴ."""
    u, _, vh = svd(node.inputs[0], full_matrices=False)
    return (matmul(u * _weights(g, u, -2), vh),)


SVDVALS = declare(
    Op(
        "svdvals",
        _infer_values,
        _values_kernel,
        _values_vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x: real_dtype(x.dtype),
        flops=flops(svdvals_flops),
        workspace=work(lambda m, n: m * n + 10 * min(m, n) + max(m, n) + blocked(m, n), scan=True),
        default_name="Svd",
        doc="Singular values.",
    )
)


@public
def svdvals(x: Any, name: str | None = None) -> Tensor:
    """The singular values of each matrix in the last two axes, descending: [..., m, n] gives [..., min(m, n)].

    A primitive: LAPACK's `gesdd` without vectors; the gradient computes them. Raises as `svd`.
    """
    made: Tensor = apply(SVDVALS, matrices("svdvals", x), name=name)
    return made


# --- what singular values tell --------------------------------------------------------------------


def relative_cutoff(what: str, x: Tensor, rtol: Any) -> Tensor:
    """`rtol`, or max(m, n) * eps for None, as a tensor that can be multiplied by singular values."""
    if rtol is None:
        longer = F.maximum(F.size(x, -2), F.size(x, -1))
        eps = {"float32": 2.0**-23, "float64": 2.0**-52}[real_dtype(x.type.dtype).name]
        cutoff: Tensor = cast(longer, real_dtype(x.type.dtype)) * eps
        return cutoff
    return expand_dims(cast(reals(what, rtol), real_dtype(x.type.dtype)), -1)


@public
def matrix_rank(x: Any, rtol: Any = None, name: str | None = None) -> Tensor:
    """How many singular values are larger than rtol times the largest: [..., m, n] gives int64[...]. A composition.

    rtol: a number, or one for each matrix; max(m, n) * eps of the dtype where left out.
    Raises as `svdvals`, and DTypeError for an `rtol` that is not real.
    """
    x = matrices("matrix_rank", x)
    with composition("matrix_rank" if name is None else name):
        s = svdvals(x)
        cutoff = relative_cutoff("matrix_rank", x, rtol) * s[..., :1]
        counted: Tensor = F.sum(s > cutoff, -1, dtype=SUPPORTED["int64"])
    return counted


@public
def condition_number(x: Any, p: Any = None, name: str | None = None) -> Tensor:
    """How much a matrix may magnify relative errors: norm(x) * norm(inv(x)). A composition. Called `gf.linalg.cond`.

    p: None or 2: the largest over the smallest singular value, of matrices of any shape; -2: the other way round;
        1, -1, inf, -inf, "fro", "nuc": that `matrix_norm`, of square matrices. Infinity for a singular matrix where
        p is None, 2 or -2; otherwise a RunError at the run.
    Raises ArgumentError for another `p`, ShapeError for what is not square though it must be.
    """
    x = matrices("cond", x)
    if p is not None and not (
        isinstance(p, (int, float, str)) and p in (2, -2, 1, -1, "fro", "nuc", math.inf, -math.inf)
    ):
        raise ArgumentError(
            f"cond: p must be None, 1, -1, 2, -2, inf, -inf, 'fro' or 'nuc', not {shorten(p)}"
        )
    with composition("cond" if name is None else name):
        if p is None or p in (2, -2):
            s = svdvals(x)
            over, under = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
            zero = F.equal(under, 0)
            ratio: Tensor = F.where(zero, math.inf, over / F.where(zero, 1, under))
            return ratio
        if x.type.shape is not None and dims_equal(*x.type.shape[-2:]) is False:
            raise ShapeError(f"cond: with p={p!r} the matrices must be square, got {x!r}")
        product: Tensor = matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)
    return product
