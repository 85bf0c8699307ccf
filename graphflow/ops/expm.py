"""The exponential of square matrices, by scaling and squaring."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from graphflow.graph import Tensor, apply
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.lapack import in_groups, is_single, lapack
from graphflow.ops.lapack_costs import flops, group_nbytes
from graphflow.ops.matrices import adjoint, check_square, matrices
from graphflow.types import TensorType

__all__ = ["expm", "in_direction"]

# Coefficients of the numerators of the diagonal Padé approximants, lowest power first, and the 1-norms up to which
# their backward error stays below the unit roundoff.
# Source: N. J. Higham 2005, "The Scaling and Squaring Method for the Matrix Exponential Revisited", table 2.3 and
# (2.4); of single precision: N. J. Higham 2008, "Functions of Matrices", section 10.3.
_DOUBLE = (
    (
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ),
    5.371920351148152,
)
_SINGLE = ((17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0), 3.925724783138660)

# --- the kernel -----------------------------------------------------------------------------------


def _infer(x: TensorType) -> TensorType:
    check_square(x)
    return x


def _halvings(xp: Any, x: Any, most: float) -> Any:
    """How often each matrix has to be halved for its 1-norm to be at most `most`; 0 where it is not finite."""
    norm = xp.max(xp.sum(xp.abs(x), axis=-2), axis=-1)
    usable = xp.isfinite(norm) & (norm > most)
    return xp.ceil(xp.log2(xp.where(usable, norm, most) / most))


def _kernel(xp: Any, x: Any) -> Any:
    if math.prod(x.shape) == 0:
        return xp.zeros(x.shape, dtype=x.dtype)
    listed = xp.reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:]))
    return xp.reshape(in_groups(xp, partial(_of_group, xp), listed), x.shape)


def _of_group(xp: Any, x: Any) -> Any:
    coefficients, most = _SINGLE if is_single(xp, x) else _DOUBLE
    times = _halvings(xp, x, most)
    half = xp.asarray(0.5, dtype=times.dtype) ** times
    a = x * xp.astype(half, x.dtype)[:, None, None]
    odd, even = _pade(xp, a, coefficients)
    odd = xp.matmul(a, odd)
    y = lapack(xp, "solve", x.dtype)(even - odd, even + odd)
    for k in range(int(xp.max(times))):
        y = xp.where((times > k)[:, None, None], xp.matmul(y, y), y)
    return y


def _pade(xp: Any, a: Any, c: tuple[float, ...]) -> tuple[Any, Any]:
    """The odd powers of the numerator, divided by `a`, and the even ones: six products for degree 13, four for 7."""
    one = xp.eye(a.shape[-1], dtype=a.dtype)
    a2 = xp.matmul(a, a)
    a4 = xp.matmul(a2, a2)
    a6 = xp.matmul(a4, a2)
    odd = c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * one
    even = c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * one
    if len(c) > 8:
        odd = odd + xp.matmul(a6, c[13] * a6 + c[11] * a4 + c[9] * a2)
        even = even + xp.matmul(a6, c[12] * a6 + c[10] * a4 + c[8] * a2)
    return odd, even


# --- the op ---------------------------------------------------------------------------------------


def in_direction(function: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor) -> Tensor:
    """The Fréchet derivative of a matrix function at `x`, applied to `direction`.

    It is the upper right block of the function of [[x, direction], [0, x]].
    Source: R. Mathias 1996, "A Chain Rule for Matrix Functions and Applications".
    """
    upper = F.concat([x, direction], -1)
    lower = F.concat([F.zeros_like(x), x], -1)
    whole = function(F.concat([upper, lower], -2))
    rows = F.split(whole, 2, -2)[0]
    block: Tensor = F.split(rows, 2, -1)[1]
    return block


EXPM = declare(
    Op(
        "expm",
        _infer,
        _kernel,
        lambda node, g: (in_direction(expm, adjoint(node.inputs[0]), g),),
        Trait.BLAS,
        flops=flops(lambda n, _: 12 * n**3 + 8 * n**3 / 3),
        workspace=group_nbytes(9),
        default_name="matrix_exponential",
        doc="Matrix exponentials.",
    )
)


@public
def expm(x: Any, name: str | None = None) -> Tensor:
    """The matrix exponential of each square matrix in the last two axes: I + x + x²/2 + x³/6 + ...

    A primitive: scaling, a Padé approximant of degree 13 (7 in single precision), and squaring; the number of
    squarings depends on each matrix's norm, and is not in the count of operations. The gradient takes the
    exponential of a matrix of twice the size.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats. NaN and infinities give NaN.
    Source: Higham 2005, "The Scaling and Squaring Method for the Matrix Exponential Revisited".
    """
    made: Tensor = apply(EXPM, matrices("expm", x), name=name)
    return made
