"""Eigenvalues and eigenvectors of general matrices: complex, whatever the matrices are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphflow.graph import Tensor, apply, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.cast import cast
from graphflow.ops.lapack import call_lapack, is_single, require_finite
from graphflow.ops.lapack_costs import blocked, flops, work
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import (
    adjoint,
    check_square,
    complex_dtype,
    diagonal_matrix,
    matrices,
    reciprocal_gaps,
)
from graphflow.ops.shape import expand_dims
from graphflow.ops.solve import solve
from graphflow.types import TensorType

__all__ = ["EigResult", "eig", "eigvals"]

_FAULT = "has no eigenvalues that the iteration finds"


class EigResult(NamedTuple):
    """What `eig` gives: x @ eigenvectors = eigenvectors * eigenvalues[..., None, :]."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def _as_complex(xp: Any, value: Any) -> Any:
    """NumPy gives real arrays where no eigenvalue of the stack has an imaginary part."""
    return xp.astype(value, xp.complex64 if is_single(xp, value) else xp.complex128, copy=False)


def _work(*, vectors: bool) -> Callable[..., int]:
    """LAPACK's copies and work array; whole stacks in double precision for complex64, for which NumPy has no loop."""
    one = work(lambda n, _: (3 * n * n if vectors else n * n) + 8 * n + blocked(n, 0), scan=True)

    def rule(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
        if inputs[0].dtype.name != "complex64":
            return one(inputs, outputs)
        beside = max(0, 2 * one(inputs, outputs))
        return beside + 2 * int(inputs[0].nbytes or 0) + sum([t.nbytes or 0 for t in outputs])

    return rule


# --- eig ------------------------------------------------------------------------------------------


def _infer(x: TensorType) -> tuple[TensorType, TensorType]:
    check_square(x)
    dtype = complex_dtype(x.dtype)
    return TensorType(dtype, x.dims[:-1]), TensorType(dtype, x.dims)


def _kernel(xp: Any, x: Any) -> tuple[Any, Any]:
    require_finite(xp, "eig", x)
    w, v = call_lapack(xp, "eig", "eig", _FAULT, x)
    return _as_complex(xp, w), _as_complex(xp, v)


def _vjp(node: Any, gw: Tensor | None, gv: Tensor | None) -> tuple[Tensor]:
    """V⁻ᴴ (diag(gw) + conj(E) ∘ (Vᴴ gV - Vᴴ V diag(Re Vᴴ gV))) Vᴴ, with E[i, j] = 1 / (w[j] - w[i]).

    The second term in the brackets is there because each vector keeps the length 1.
    Source: C. Boeddeker et al. 2017, "On the Computation of Complex-valued Gradients with Application to Statistically
    Optimum Beamforming", arXiv:1701.00392.
    """
    x = node.inputs[0]
    w, v = node.outputs
    parts = [] if gw is None else [diagonal_matrix(gw, v)]
    if gv is not None:
        turn = matmul(v, gv, adjoint_a=True)
        length = cast(F.real(F.diagonal(turn)), v.type.dtype)
        turn = turn - matmul(v, v * expand_dims(length, -2), adjoint_a=True)
        parts.append(F.conj(reciprocal_gaps(w)) * turn)
    inner = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    g = solve(adjoint(v), matmul(inner, v, adjoint_b=True))
    return (g if x.type.dtype.kind == "c" else F.real(g),)


EIG = declare(
    Op(
        "eig",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x: (complex_dtype(x.dtype), complex_dtype(x.dtype)),
        flops=flops(lambda n, _: 25 * n**3),
        workspace=_work(vectors=True),
        default_name="Eig",
        doc="Eigenvalues and eigenvectors of general matrices.",
    )
)


@public
def eig(x: Any, name: str | None = None) -> EigResult:
    """(eigenvalues, eigenvectors) of each matrix in the last two axes, complex: [..., n, n] gives [..., n], [..., n, n].

    The eigenvectors are the columns, of length 1, with LAPACK's phases; the order is LAPACK's too. The gradient is
    that of functions that do not depend on phases; it needs distinct eigenvalues. A primitive: LAPACK's `geev`; on a
    GPU with CuPy before version 14, which has no such function, it is computed on the CPU.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats, RunError at the run for NaN or infinity
    in x, or where the iteration fails.
    """
    return EigResult(*make_node(EIG, (matrices("eig", x),), {}, name).outputs)


# --- eigvals --------------------------------------------------------------------------------------


def _infer_values(x: TensorType) -> TensorType:
    check_square(x)
    return TensorType(complex_dtype(x.dtype), x.dims[:-1])


def _values_kernel(xp: Any, x: Any) -> Any:
    require_finite(xp, "eigvals", x)
    return _as_complex(xp, call_lapack(xp, "eigvals", "eigvals", _FAULT, x))


def _values_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    x = node.inputs[0]
    v = eig(x).eigenvectors
    full = solve(adjoint(v), expand_dims(g, -1) * adjoint(v))
    return (full if x.type.dtype.kind == "c" else F.real(full),)


EIGVALS = declare(
    Op(
        "eigvals",
        _infer_values,
        _values_kernel,
        _values_vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x: complex_dtype(x.dtype),
        flops=flops(lambda n, _: 10 * n**3),
        workspace=_work(vectors=False),
        default_name="Eig",
        doc="Eigenvalues of general matrices.",
    )
)


@public
def eigvals(x: Any, name: str | None = None) -> Tensor:
    """The complex eigenvalues of each matrix in the last two axes, in LAPACK's order: [..., n, n] gives [..., n].

    A primitive: LAPACK's `geev` without vectors; the gradient computes them. Raises as `eig`.
    """
    made: Tensor = apply(EIGVALS, matrices("eigvals", x), name=name)
    return made
