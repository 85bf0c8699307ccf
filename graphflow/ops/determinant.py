"""Determinants, as they are and as sign and logarithm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphflow.graph import Tensor, apply, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.cast import cast
from graphflow.ops.lapack import call_lapack, lapack, require_finite
from graphflow.ops.lapack_costs import flops, getrf, svd_flops, work
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint, check_square, matrices, real_dtype
from graphflow.ops.shape import expand_dims
from graphflow.ops.solve import inv
from graphflow.types import TensorType

__all__ = ["SlogdetResult", "cofactors", "det", "slogdet"]

# --- det ------------------------------------------------------------------------------------------


def _infer_det(x: TensorType) -> TensorType:
    check_square(x)
    return TensorType(x.dtype, x.dims[:-2])


def _each(v: Tensor) -> Tensor:
    """Two axes more, so that one number stands for a matrix."""
    return expand_dims(v, (-2, -1))


DET = declare(
    Op(
        "det",
        _infer_det,
        lambda xp, x: call_lapack(xp, "det", "det", "has no determinant", x),
        lambda node, g: (_each(g) * F.conj(cofactors(node.inputs[0])),),
        Trait.BLAS,
        flops=flops(getrf),
        workspace=work(lambda n, _: n * n + n),
        default_name="MatrixDeterminant",
        doc="Determinants.",
    )
)


@public
def det(x: Any, name: str | None = None) -> Tensor:
    """The determinant of each matrix in the last two axes: [..., n, n] gives [...]; 1 for n = 0.

    Its first derivatives exist for singular matrices too; second ones are taken for det(x) ≠ 0 and are not finite
    elsewhere. For large matrices `slogdet` does not overflow, and its gradient takes a tenth of the time.
    A primitive: LAPACK's `getrf`. Raises ShapeError for what is not square, DTypeError for 16-bit floats.
    """
    made: Tensor = apply(DET, matrices("det", x), name=name)
    return made


# --- cofactors ------------------------------------------------------------------------------------


def _infer_cofactors(x: TensorType) -> TensorType:
    check_square(x)
    return x


def _cofactors_kernel(xp: Any, x: Any) -> Any:
    """From the singular values, of which all but one are multiplied: exact where some are 0, unlike det(x) x⁻ᵀ."""
    if math.prod(x.shape) == 0:
        return xp.zeros(x.shape, dtype=x.dtype)
    require_finite(xp, "cofactors", x)
    u, s, vh = call_lapack(xp, "cofactors", "svd", "has no singular values: the iteration failed", x)
    n = s.shape[-1]
    before, after = [xp.ones_like(s[..., 0])], [xp.ones_like(s[..., 0])]
    for k in range(n - 1):
        before.append(before[-1] * s[..., k])
        after.append(after[-1] * s[..., n - 1 - k])
    others = xp.stack([a * b for a, b in zip(before, reversed(after), strict=True)], axis=-1)
    find = lapack(xp, "det", x.dtype)
    phase = find(u) * find(vh)
    return xp.matmul(xp.conj(u) * (others * phase[..., None])[..., None, :], xp.conj(vh))


def _cofactors_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """Of C = det(A) A⁻ᵀ: (⟨C, g⟩ C - C gᵀ C) / det(A), where C is conjugated throughout for complex A."""
    x = node.inputs[0]
    c = F.conj(node.outputs[0])
    inner = F.sum(c * g, (-2, -1), keepdims=True)
    product = matmul(matmul(c, g, transpose_b=True), c)
    return ((inner * c - product) / _each(F.conj(det(x))),)


def _cofactors_work(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Both factors, one of them scaled, a conjugate, and products of all but one singular value; or the factors and
    what `gesdd` takes for one matrix.
    """
    n = int(inputs[0].dims[-1])  # type: ignore[arg-type]  # static by then
    nbytes = int(inputs[0].nbytes or 0)
    itemsize, real = inputs[0].dtype.itemsize, real_dtype(inputs[0].dtype).itemsize
    count = nbytes // max(n * n * itemsize, 1)
    return max(4 * nbytes + count * (4 * n * real + itemsize) + 400 * n, nbytes + 7 * n * n * itemsize)


COFACTORS = declare(
    Op(
        "cofactors",
        _infer_cofactors,
        _cofactors_kernel,
        _cofactors_vjp,
        Trait.BLAS | Trait.FALLIBLE,
        flops=flops(lambda n, _: svd_flops(n, n) + 4 * n**3 / 3 + 2 * n**3),
        workspace=_cofactors_work,
        doc="Derivatives of the determinants.",
    )
)


def cofactors(x: Tensor) -> Tensor:
    """The derivatives of det(x) by the elements of x: det(x) x⁻ᵀ where x has an inverse."""
    made: Tensor = apply(COFACTORS, x)
    return made


# --- slogdet --------------------------------------------------------------------------------------


class SlogdetResult(NamedTuple):
    """What `slogdet` gives: det(x) = sign * exp(logabsdet)."""

    sign: Tensor
    logabsdet: Tensor


def _infer_slogdet(x: TensorType) -> tuple[TensorType, TensorType]:
    check_square(x)
    return TensorType(x.dtype, x.dims[:-2]), TensorType(real_dtype(x.dtype), x.dims[:-2])


def _slogdet_kernel(xp: Any, x: Any) -> tuple[Any, Any]:
    sign, logarithm = call_lapack(xp, "slogdet", "slogdet", "has no determinant", x)
    return sign, logarithm


def _slogdet_vjp(node: Any, g_sign: Tensor | None, g_log: Tensor | None) -> tuple[Tensor | None]:
    """d log det(A) = tr(A⁻¹ dA), whose real part moves the logarithm and whose imaginary part turns the sign."""
    x = node.inputs[0]
    weight = None if g_log is None else cast(g_log, x.type.dtype)
    if g_sign is not None and x.type.dtype.kind == "c":
        turn = F.imag(F.conj(g_sign) * node.outputs[0])
        turned = F.complex(F.zeros_like(turn), F.negative(turn))
        weight = turned if weight is None else weight + turned
    if weight is None:
        return (F.zeros_like(x),)
    return (_each(weight) * adjoint(inv(x)),)


SLOGDET = declare(
    Op(
        "slogdet",
        _infer_slogdet,
        _slogdet_kernel,
        _slogdet_vjp,
        Trait.BLAS,
        dtype=lambda x: (x.dtype, real_dtype(x.dtype)),
        flops=flops(getrf),
        workspace=work(lambda n, _: n * n + n),
        default_name="LogMatrixDeterminant",
        doc="Signs of determinants, and logarithms of their absolute values.",
    )
)


@public
def slogdet(x: Any, name: str | None = None) -> SlogdetResult:
    """(sign, logabsdet) of each matrix in the last two axes, with det(x) = sign * exp(logabsdet).

    sign: 1, -1, or 0 for a singular matrix, whose logarithm is -inf; a number of absolute value 1 for complex ones.
    A primitive: LAPACK's `getrf`. The gradient takes an inverse, which a singular matrix has not: a RunError then.
    Raises ShapeError for what is not square, DTypeError for 16-bit floats.
    """
    return SlogdetResult(*make_node(SLOGDET, (matrices("slogdet", x),), {}, name).outputs)
