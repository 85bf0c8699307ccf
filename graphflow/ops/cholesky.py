"""The Cholesky factor of Hermitian positive definite matrices, and systems solved with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import RunError
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.lapack import call_lapack, first_failure, lapack, place_in, stacked
from graphflow.ops.lapack_costs import flops, potrf, work
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint, check_square, hermitian_part, matrices, matrices2
from graphflow.ops.numpy_library import cholesky_stack, has_routine
from graphflow.ops.triangular_solve import triangular_solve
from graphflow.types import TensorType

__all__ = ["cholesky", "cholesky_solve"]

LARGE = 96
"""Rows from which `potrf` in place beats NumPy's loop, which takes two thirds of its time for 32, and 1.8 times for 512."""


def _infer(x: TensorType, *, upper: bool) -> TensorType:
    check_square(x)
    return x


def _kernel(xp: Any, x: Any, *, upper: bool) -> Any:
    if xp is np and x.size and x.shape[-1] >= LARGE and has_routine("*potrf_", x.dtype):
        made, failed, order = cholesky_stack(x, upper)
        if failed >= 0:
            raise RunError(_complaint(place_in(x.shape, failed), order))
    else:
        made = _by_loops(xp, x, "cholesky_upper" if upper else "cholesky")
    # LAPACKs differ in what they do about NaN, which always reaches the last number that is computed
    if made.shape[-1] and bool(xp.any(xp.isnan(made[..., -1, -1]))):
        raise RunError("cholesky: a matrix holds NaN or infinity, so that it is not positive definite")
    return made


def _by_loops(xp: Any, x: Any, name: str) -> Any:
    try:
        return call_lapack(xp, "cholesky", name, "is not positive definite", x)
    except RunError as error:
        if xp is not np:
            raise
        factor = lapack(xp, name, x.dtype)
        index = first_failure(factor, [x])
        raise RunError(_complaint(index, _first_bad_minor(factor, x[index]))) from error.__cause__


def _first_bad_minor(factor: Callable[..., Any], matrix: Any) -> int:
    """The order of the first leading minor without a factor, by bisection."""
    good, bad = 0, len(matrix)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            factor(matrix[:middle, :middle])
            good = middle
        except np.linalg.LinAlgError:
            bad = middle
    return bad


def _complaint(index: Sequence[int], order: int) -> str:
    return f"cholesky: {stacked(index)} is not positive definite: its leading minor of order {order} is not positive"


def _vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """L⁻ᴴ Φ(Lᴴ g) L⁻¹, made Hermitian; Φ is the lower triangle with half the diagonal.

    Source: I. Murray 2016, "Differentiation of the Cholesky decomposition", arXiv:1602.07527.
    """
    factor = node.outputs[0]
    if node.attrs["upper"]:
        factor, g = adjoint(factor), adjoint(g)
    product = matmul(factor, g, adjoint_a=True)
    inner = (F.tril(product) + F.tril(product, -1)) * 0.5
    left = triangular_solve(factor, inner, adjoint=True)
    return (hermitian_part(triangular_solve(factor, adjoint(left), adjoint=True)),)


_one = work(lambda n, _: 0 if n >= LARGE else n * n)


def _workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, upper: bool) -> int:
    """A matrix for LAPACK; after it, for each matrix, whether its last number is NaN."""
    n = int(inputs[0].dims[-1])  # type: ignore[arg-type]  # static by then
    return max(_one(inputs, outputs), int(inputs[0].size) // max(n * n, 1))  # type: ignore[arg-type]


CHOLESKY = declare(
    Op(
        "cholesky",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        flops=flops(potrf),
        workspace=_workspace,
        default_name="Cholesky",
        doc="Cholesky factors of Hermitian positive definite matrices.",
    )
)


@public
def cholesky(x: Any, upper: bool = False, name: str | None = None) -> Tensor:
    """The lower triangular L with L Lᴴ = x, for each matrix in the last two axes; with `upper`, U with Uᴴ U = x.

    Only that triangle of `x` is read; the other is taken to be its conjugate. The gradient is Hermitian: it is the
    one for changes of `x` that keep it so. A primitive: LAPACK's `potrf`.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats, RunError at the run for a matrix that is
    not positive definite, with its place and the order of its first leading minor that is not positive.
    """
    x = matrices("cholesky", x)
    made: Tensor = apply(CHOLESKY, x, name=name, upper=flag(upper, "cholesky", "upper"))
    return made


@public
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None, *, upper: bool = False) -> Tensor:
    """`x` in A @ x = rhs from the Cholesky factor of A: [..., n, n] and [..., n, k] give [..., n, k]. A composition.

    chol: what `cholesky` gave; upper: with the same flag. Leading axes are broadcast.
    Raises as `triangular_solve`.
    """
    factor, b = matrices2("cholesky_solve", chol, rhs)
    is_upper = flag(upper, "cholesky_solve", "upper")
    with composition("CholeskySolve" if name is None else name):
        inner = triangular_solve(factor, b, not is_upper, is_upper)
        return triangular_solve(factor, inner, not is_upper, not is_upper)
