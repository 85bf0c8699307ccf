"""The principal square root and logarithm of square matrices, by iterations of products and inverses."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphflow.errors import RunError
from graphflow.graph import Tensor, apply
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.expm import in_direction
from graphflow.ops.lapack import call_lapack, epsilon, in_groups, lapack, place_in, require_finite, stacked
from graphflow.ops.lapack_costs import flops, group_nbytes
from graphflow.ops.matrices import adjoint, check_square, matrices
from graphflow.types import TensorType

__all__ = ["logm", "sqrtm"]

MAX_STEPS = 60
"""Steps of the iteration: 10 to 20 where it converges."""

MAX_ROOTS = 100
"""Square roots that a logarithm takes: 5 for a 1-norm of 1e10."""

_FAULT = "is singular, or its eigenvalues lie on the negative real axis: it has no principal square root"

_NODES = tuple(
    (float(1 + t) / 2, float(w) / 2) for t, w in zip(*np.polynomial.legendre.leggauss(7), strict=True)
)
"""Points and weights of Gauss and Legendre on [0, 1]: they give the Padé approximant of degree 7 of log(1 + x)."""

_NEAR = 0.264
"""The 1-norm of x up to which that approximant is exact to the unit roundoff of float64.
Source: N. J. Higham 2008, "Functions of Matrices", table 11.1."""


def _infer(x: TensorType) -> TensorType:
    check_square(x)
    return x


def _norm(xp: Any, x: Any) -> Any:
    """The 1-norm of each matrix."""
    return xp.max(xp.sum(xp.abs(x), axis=-2), axis=-1)


def _listed(xp: Any, x: Any) -> Any:
    """A stack as a list of matrices."""
    return xp.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))


def _each(v: Any) -> Any:
    return v[..., None, None]


# --- square roots ---------------------------------------------------------------------------------


def _root(xp: Any, what: str, x: Any, shape: tuple[int, ...]) -> Any:
    """The product form of the iteration of Denman and Beavers, scaled by determinants.

    x: [count, n, n]; shape: that of the stack that it stands for, for errors.
    Source: Higham 2008, "Functions of Matrices", (6.29) and section 6.5.
    """
    n = x.shape[-1]
    one = xp.eye(n, dtype=x.dtype)
    y, m = x, x
    done = xp.zeros(x.shape[:-2], dtype=xp.bool)
    for _ in range(MAX_STEPS):
        inverse = _inverse(xp, what, m, shape)
        far = _norm(xp, m - one)
        _, logarithm = lapack(xp, "slogdet", x.dtype)(m)
        scale = xp.where(far > 0.01, xp.exp(-logarithm / (2 * n)), 1)
        scale = _each(xp.astype(scale, x.dtype))
        inverse = inverse / (scale * scale)
        y = xp.where(_each(done), y, 0.5 * scale * (y + xp.matmul(y, inverse)))
        m = xp.where(_each(done), m, 0.5 * one + 0.25 * (scale * scale * m + inverse))
        done = done | (
            far < 0.1 * math.sqrt(epsilon(xp, x))
        )  # it converges quadratically, so this step was the last
        if bool(xp.all(done)):
            return y
        if not bool(xp.all(done | xp.isfinite(_norm(xp, m)))):
            break
    failed = next((i for i in range(x.shape[0]) if not bool(done[i])), 0)
    raise RunError(f"{what}: {stacked(place_in(shape, failed))} {_FAULT}")


def _sqrtm(xp: Any, x: Any) -> Any:
    if math.prod(x.shape) == 0:
        return xp.zeros(x.shape, dtype=x.dtype)
    require_finite(xp, "sqrtm", x)
    return _grouped(xp, partial(_root, xp, "sqrtm"), x)


def _grouped(xp: Any, function: Callable[[Any, tuple[int, ...]], Any], x: Any) -> Any:
    """`function(matrices, shape)` in groups; a failure is told by the whole stack, which knows the matrix's place."""
    listed = _listed(xp, x)
    try:
        made = in_groups(xp, lambda some: function(some, some.shape), listed)
    except RunError:
        made = function(listed, x.shape)
    return xp.reshape(made, x.shape)


SQRTM = declare(
    Op(
        "sqrtm",
        _infer,
        _sqrtm,
        lambda node, g: (in_direction(sqrtm, adjoint(node.inputs[0]), g),),
        Trait.BLAS | Trait.FALLIBLE,
        flops=flops(lambda n, _: 60 * n**3),
        workspace=group_nbytes(6),
        default_name="MatrixSquareRoot",
        doc="Principal square roots of matrices.",
    )
)


@public
def sqrtm(x: Any, name: str | None = None) -> Tensor:
    """The principal square root of each square matrix: y @ y = x, eigenvalues of y in the right half plane.

    It exists for matrices without eigenvalues on the negative real axis, zero included; of real x it is real.
    A primitive: an iteration of inverses and products, whose errors grow with the condition of x; the count of
    operations is for 15 steps. The gradient takes the root of a matrix of twice the size.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats, RunError at the run where there is no
    such root, or for NaN or infinity in x.
    """
    made: Tensor = apply(SQRTM, matrices("sqrtm", x), name=name)
    return made


def _inverse(xp: Any, what: str, m: Any, shape: tuple[int, ...]) -> Any:
    return xp.reshape(call_lapack(xp, what, "inv", _FAULT, xp.reshape(m, shape)), m.shape)


# --- logarithms -----------------------------------------------------------------------------------


def _logm(xp: Any, x: Any) -> Any:
    """Square roots until a matrix is near the identity, an approximant there, and doubling.

    Source: S. H. Cheng, N. J. Higham, C. S. Kenney and A. J. Laub 2001, "Approximating the Logarithm of a Matrix to
    Specified Accuracy"; the partial fractions: Higham 2008, "Functions of Matrices", (11.18).
    """
    if math.prod(x.shape) == 0:
        return xp.zeros(x.shape, dtype=x.dtype)
    require_finite(xp, "logm", x)
    return _grouped(xp, partial(_logarithm, xp), x)


def _logarithm(xp: Any, x: Any, shape: tuple[int, ...]) -> Any:
    one = xp.eye(shape[-1], dtype=x.dtype)
    y = x
    doublings = xp.ones_like(_norm(xp, x))
    for _ in range(MAX_ROOTS):
        far = _norm(xp, y - one) > _NEAR
        if not bool(xp.any(far)):
            break
        y = xp.where(_each(far), _root(xp, "logm", y, shape), y)
        doublings = xp.where(far, 2 * doublings, doublings)
    rest = y - one
    total = xp.zeros_like(x)
    find = lapack(xp, "solve", x.dtype)
    for t, w in _NODES:
        total = total + w * find(one + t * rest, rest)
    return total * _each(xp.astype(doublings, x.dtype))


LOGM = declare(
    Op(
        "logm",
        _infer,
        _logm,
        lambda node, g: (in_direction(logm, adjoint(node.inputs[0]), g),),
        Trait.BLAS | Trait.FALLIBLE,
        flops=flops(lambda n, _: 5 * 60 * n**3 + 7 * 8 * n**3 / 3),
        workspace=group_nbytes(8),
        default_name="MatrixLogarithm",
        doc="Principal logarithms of matrices.",
    )
)


@public
def logm(x: Any, name: str | None = None) -> Tensor:
    """The principal logarithm of each square matrix: expm(y) = x, eigenvalues of y with imaginary parts in (-π, π).

    It exists for matrices without eigenvalues on the negative real axis, zero included; of real x it is real.
    A primitive: inverse scaling and squaring; the count of operations is for 5 square roots. The gradient takes the
    logarithm of a matrix of twice the size.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats, RunError at the run where there is no
    such logarithm, or for NaN or infinity in x.
    """
    made: Tensor = apply(LOGM, matrices("logm", x), name=name)
    return made
