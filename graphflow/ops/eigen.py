"""Eigenvalues and eigenvectors of Hermitian matrices."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphflow.graph import Tensor, apply, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.cast import cast
from graphflow.ops.lapack import call_lapack, require_finite
from graphflow.ops.lapack_costs import blocked, flops, work
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import (
    check_square,
    diagonal_matrix,
    hermitian_part,
    matrices,
    real_dtype,
    reciprocal_gaps,
)
from graphflow.ops.shape import expand_dims
from graphflow.types import TensorType

__all__ = ["EighResult", "eigh", "eigvalsh"]

_FAULT = "has no eigenvalues that the iteration finds"


class EighResult(NamedTuple):
    """What `eigh` gives: x @ eigenvectors = eigenvectors * eigenvalues[..., None, :]."""

    eigenvalues: Tensor
    eigenvectors: Tensor


# --- eigh -----------------------------------------------------------------------------------------


def _infer(x: TensorType) -> tuple[TensorType, TensorType]:
    check_square(x)
    return TensorType(real_dtype(x.dtype), x.dims[:-1]), x


def _kernel(xp: Any, x: Any) -> tuple[Any, Any]:
    require_finite(xp, "eigh", x)
    w, v = call_lapack(xp, "eigh", "eigh", _FAULT, x)
    return w, v


def _vjp(node: Any, gw: Tensor | None, gv: Tensor | None) -> tuple[Tensor]:
    """V (diag(gw) + E ∘ (Vᴴ gV)) Vᴴ, made Hermitian, with E[i, j] = 1 / (w[j] - w[i]).

    Source: Giles 2008, section 3.1; M. F. Seeger et al. 2017, "Auto-Differentiating Linear Algebra",
    arXiv:1710.08717.
    """
    w, v = node.outputs
    if gv is None:
        return (matmul(v * expand_dims(cast(gw, v.type.dtype), -2), v, adjoint_b=True),)
    inner = cast(reciprocal_gaps(w), v.type.dtype) * matmul(v, gv, adjoint_a=True)
    if gw is not None:
        inner = inner + diagonal_matrix(gw, v)
    return (hermitian_part(matmul(matmul(v, inner), v, adjoint_b=True)),)


EIGH = declare(
    Op(
        "eigh",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x: (real_dtype(x.dtype), x.dtype),
        flops=flops(lambda n, _: 9 * n**3),
        workspace=work(lambda n, _: 3 * n * n + 12 * n + 4, scan=True),
        default_name="SelfAdjointEigV2",
        doc="Eigenvalues and eigenvectors of Hermitian matrices.",
    )
)


@public
def eigh(x: Any, name: str | None = None) -> EighResult:
    """(eigenvalues, eigenvectors) of each Hermitian matrix in the last two axes: [..., n, n] gives [..., n], [..., n, n].

    The eigenvalues are real and ascend; the eigenvectors are the columns, orthonormal, with LAPACK's signs (phases).
    Only the lower triangle of x is read; the upper is taken to be its conjugate. The gradient is Hermitian, and that
    of functions that do not depend on signs; it needs distinct eigenvalues: where two are equal, nothing flows
    through the rotation between their vectors. A primitive: LAPACK's `syevd`.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats, RunError at the run for NaN or infinity
    in x, or where the iteration fails.
    """
    return EighResult(*make_node(EIGH, (matrices("eigh", x),), {}, name).outputs)


# --- eigvalsh -------------------------------------------------------------------------------------


def _infer_values(x: TensorType) -> TensorType:
    check_square(x)
    return TensorType(real_dtype(x.dtype), x.dims[:-1])


def _values_kernel(xp: Any, x: Any) -> Any:
    require_finite(xp, "eigvalsh", x)
    return call_lapack(xp, "eigvalsh", "eigvalsh", _FAULT, x)


def _values_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    v = eigh(node.inputs[0]).eigenvectors
    return (matmul(v * expand_dims(cast(g, v.type.dtype), -2), v, adjoint_b=True),)


EIGVALSH = declare(
    Op(
        "eigvalsh",
        _infer_values,
        _values_kernel,
        _values_vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda x: real_dtype(x.dtype),
        flops=flops(lambda n, _: 4 * n**3 / 3),
        workspace=work(lambda n, _: n * n + 4 * n + blocked(n, 0), scan=True),
        default_name="SelfAdjointEigV2",
        doc="Eigenvalues of Hermitian matrices.",
    )
)


@public
def eigvalsh(x: Any, name: str | None = None) -> Tensor:
    """The real eigenvalues of each Hermitian matrix, ascending: [..., n, n] gives [..., n].

    Only the lower triangle is read. A primitive: LAPACK's `syevd` without vectors; the gradient computes them.
    Raises as `eigh`.
    """
    made: Tensor = apply(EIGVALSH, matrices("eigvalsh", x), name=name)
    return made
