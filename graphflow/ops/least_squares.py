"""Pseudoinverses and least squares: systems that have too many equations, too few, or dependent ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import ArgumentError, RunError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.cast import cast
from graphflow.ops.constant import python_number
from graphflow.ops.lapack import call_lapack, epsilon, is_single, require_finite, transposed
from graphflow.ops.lapack_costs import flops, svd_flops
from graphflow.ops.linalg import matmul
from graphflow.ops.matrices import adjoint, check_matrix, matrices, matrices2, real_dtype
from graphflow.ops.matrix_products import chain
from graphflow.ops.shape import expand_dims, squeeze
from graphflow.ops.svd import matrix_rank, svdvals
from graphflow.ops.ufunc import reals
from graphflow.types import TensorType, broadcast_shapes, dims_equal

__all__ = ["LstsqResult", "lstsq", "pinv"]

_FAULT = "has no singular value decomposition that the iteration finds"


def _cutoff(xp: Any, rtol: float | None, x: Any) -> float:
    """The share of the largest singular value up to which the others count as 0."""
    return max(x.shape[-2:]) * epsilon(xp, x) if rtol is None else rtol


def _decomposed(xp: Any, what: str, x: Any, cutoff: Any) -> tuple[Any, Any, Any]:
    """U, the inverses of the singular values (0 for those that count as 0), and Vᴴ."""
    require_finite(xp, what, x)
    u, s, vh = call_lapack(xp, what, "svd", _FAULT, x)
    kept = s > cutoff * s[..., :1]
    return u, xp.where(kept, 1 / xp.where(kept, s, 1), 0), vh


def _number(what: str, value: Any, argument: str) -> float | None:
    if value is None:
        return None
    number = python_number(value, f"{what}: {argument}")
    if not number >= 0:
        raise ArgumentError(f"{what}: {argument} must not be negative or NaN, got {shorten(value)}")
    return number


# --- pinv -----------------------------------------------------------------------------------------


def _infer_pinv(x: TensorType, rtol: TensorType | None = None, *, number: float | None) -> TensorType:
    check_matrix(x)
    *lead, rows, cols = x.dims
    if rtol is not None and len(broadcast_shapes(tuple(lead), rtol.dims)) != len(lead):
        raise ShapeError(f"rtol {rtol} has more axes than the stack {x}")
    return TensorType(x.dtype, (*lead, cols, rows))


def _pinv_kernel(xp: Any, x: Any, rtol: Any = None, *, number: float | None) -> Any:
    *lead, m, n = x.shape
    if math.prod(x.shape) == 0:
        return xp.zeros((*lead, n, m), dtype=x.dtype)
    u, s, vh = _decomposed(xp, "pinv", x, _cutoff(xp, number, x) if rtol is None else rtol[..., None])
    return xp.matmul(transposed(xp, vh) * xp.astype(s[..., None, :], x.dtype), transposed(xp, u))


def _pinv_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    """-Pᴴ g Pᴴ + (I - A P) gᴴ P Pᴴ + Pᴴ P gᴴ (I - P A), with P = A⁺.

    Source: G. H. Golub and V. Pereyra 1973, "The Differentiation of Pseudo-Inverses and Nonlinear Least Squares
    Problems Whose Variables Separate", where the rank does not change.
    """
    a, p = node.inputs[0], node.outputs[0]
    pt, gt = adjoint(p), adjoint(g)
    right = chain([gt, p, pt])
    left = chain([pt, p, gt])
    total = F.negative(chain([pt, g, pt])) + right - chain([a, p, right]) + left - chain([left, p, a])
    return (total, *[None] * (len(node.inputs) - 1))


def _sizes(x: TensorType) -> tuple[int, int, int, int]:
    """Bytes of U, of Vᴴ and of the singular values of a stack, and what `gesdd` takes for one matrix."""
    *lead, m, n = [int(d) for d in list[Any](x.dims)]
    k, count, itemsize = min(m, n), math.prod(lead), x.dtype.itemsize
    one = m * n + (m + n) * k + 4 * k * k + 7 * k + 64 * (m + n)
    values = count * k * real_dtype(x.dtype).itemsize
    return count * m * k * itemsize, count * k * n * itemsize, values, one * itemsize


def _pinv_work(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, number: float | None) -> int:
    """The factors, one of them scaled, the other conjugated; before there is a result, the inverses of the singular
    values on their way, or one matrix that is decomposed.
    """
    u, vh, values, one = _sizes(inputs[0])
    made = int(outputs[0].nbytes or 0)
    scaled = 2 * vh + values + (u if inputs[0].dtype.kind == "c" else 0)
    return max(u + scaled, u + vh + max(4 * values, one) - made)


PINV = declare(
    Op(
        "pinv",
        _infer_pinv,
        _pinv_kernel,
        _pinv_vjp,
        Trait.BLAS | Trait.FALLIBLE,
        flops=flops(lambda m, n: svd_flops(m, n) + 2 * m * n * min(m, n)),
        workspace=_pinv_work,
        default_name="pinv",
        doc="Pseudoinverses.",
    )
)


def _lstsq_work(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, rcond: float | None) -> int:
    """As for `pinv`, and the right sides turned; of one matrix in double precision what `gelsd` takes."""
    a, made = inputs[0], outputs[0]
    rows, cols = (int(d) for d in list[Any](a.dims[-2:]))
    sides, short = int(made.dims[-1]), min(rows, cols)  # type: ignore[arg-type]  # static by then
    if made.rank == 2 and a.dtype.name in ("float64", "complex128"):
        return (rows * cols + 2 * max(rows, cols) * sides + 130 * short + 1024) * a.dtype.itemsize
    u, vh, values, one = _sizes(a)
    out = int(made.nbytes or 0)
    inner = out // max(cols, 1) * short
    is_complex = a.dtype.kind == "c"
    turning = values * (2 if is_complex else 1) + 2 * inner
    after = inner + out + (vh if is_complex else 0)
    first = inner + (u if is_complex else 0)
    return u + vh + max(values + max(turning, after, first), 4 * values, one) - out


@public
def pinv(x: Any, rtol: Any = None, name: str | None = None) -> Tensor:
    """The Moore-Penrose pseudoinverse of each matrix in the last two axes: [..., m, n] gives [..., n, m].

    rtol: singular values up to rtol times the largest count as 0: a number, or a tensor with one for each matrix;
        max(m, n) * eps of the dtype where left out. The gradient takes it for a constant, and the rank too.
    A primitive: from LAPACK's `gesdd`. Raises ShapeError for fewer than two axes, DTypeError for 16-bit floats,
    ArgumentError for a negative `rtol`, RunError at the run for NaN or infinity in x.
    """
    x = matrices("pinv", x)
    given, number = _tolerance("pinv", rtol, x)
    made: Tensor = apply(PINV, x, *given, name=name, number=number)
    return made


def _tolerance(what: str, rtol: Any, x: Tensor) -> tuple[list[Tensor], float | None]:
    """`rtol` as an input of the node, where it is a tensor or an array, or as a number."""
    if not (hasattr(type(rtol), "__graphflow_tensor__") or isinstance(rtol, (np.ndarray, list, tuple))):
        return [], _number(what, rtol, "rtol")
    given = reals(what, rtol)
    return [cast(given, real_dtype(x.type.dtype))], None


# --- lstsq ----------------------------------------------------------------------------------------


class LstsqResult(NamedTuple):
    """What `lstsq` gives; what is not fetched is not computed."""

    x: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def _infer(a: TensorType, b: TensorType, *, rcond: float | None) -> TensorType:
    check_matrix(a, "a")
    check_matrix(b, "b")
    if dims_equal(a.dims[-2], b.dims[-2]) is False:
        raise ShapeError(f"a {a} and b {b} differ in rows ({a.dims[-2]} != {b.dims[-2]})")
    return typed(b.dtype, (*broadcast_shapes(a.dims[:-2], b.dims[:-2]), a.dims[-1], b.dims[-1]))


def _kernel(xp: Any, a: Any, b: Any, *, rcond: float | None) -> Any:
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*lead, a.shape[-1], b.shape[-1])
    if math.prod(shape) == 0 or a.shape[-2] == 0:
        return xp.zeros(shape, dtype=b.dtype)
    if xp is np and not lead and not is_single(xp, a):
        require_finite(xp, "lstsq", a)
        require_finite(xp, "lstsq", b)
        try:
            return np.linalg.lstsq(a, b, rcond=_cutoff(xp, rcond, a))[0]
        except np.linalg.LinAlgError as error:
            raise RunError(f"lstsq: the matrix {_FAULT}") from error
    u, s, vh = _decomposed(xp, "lstsq", a, _cutoff(xp, rcond, a))
    inner = xp.matmul(transposed(xp, u), b) * xp.astype(s[..., :, None], b.dtype)
    return xp.matmul(transposed(xp, vh), inner)


def _vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """Of x = A⁺ b, with z = A⁺ᴴ g, y = A⁺ᴴ x, w = A⁺ z: z for b, and for A
    -z xᴴ + (b - A x) wᴴ + y (g - Aᴴ z)ᴴ. Source: as for `pinv`.
    """
    a, b = node.inputs
    x, rcond = node.outputs[0], node.attrs["rcond"]

    def solved(matrix: Tensor, right: Tensor) -> Tensor:
        made: Tensor = apply(LSTSQ, matrix, right, rcond=rcond)
        return made

    at = adjoint(a)
    z = solved(at, g)
    missed = b - matmul(a, x)
    unseen = g - matmul(at, z)
    ga = matmul(missed, solved(a, z), adjoint_b=True) - matmul(z, x, adjoint_b=True)
    ga = ga + matmul(solved(at, x), unseen, adjoint_b=True)
    return F.sum_to_like(ga, a), F.sum_to_like(z, b)


def _operations(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, rcond: float | None) -> int:
    *lead, m, n = [int(d) for d in list[Any](inputs[0].dims)]
    factor = 4 if inputs[0].dtype.kind == "c" else 1
    products = 2 * min(m, n) * (int(inputs[1].size) + int(outputs[0].size))  # type: ignore[arg-type]  # static by then
    return factor * (round(math.prod(lead) * svd_flops(m, n)) + products)


LSTSQ = declare(
    Op(
        "lstsq",
        _infer,
        _kernel,
        _vjp,
        Trait.BLAS | Trait.FALLIBLE,
        dtype=lambda a, b, rcond: b.dtype,
        flops=_operations,
        workspace=_lstsq_work,
        default_name="MatrixSolveLs",
        doc="Solutions of least squares.",
    )
)


@public
def lstsq(a: Any, b: Any, rcond: Any = None, name: str | None = None) -> LstsqResult:
    """The `x` of least norm among those for which a @ x is nearest to b: [..., m, n] and [..., m, k] give [..., n, k].

    A vector `b` gives a vector; leading axes are broadcast. Beside x: the squared lengths of the columns of
    b - a @ x, the rank of a, and its singular values.
    rcond: singular values up to rcond times the largest count as 0; max(m, n) * eps of the dtype where left out.
        The gradient takes the rank for a constant.
    A primitive and compositions: LAPACK's `gelsd` for one system, `gesdd` for stacks and single precision.
    Raises ShapeError for what does not fit or a `b` of unknown rank, DTypeError for 16-bit floats, ArgumentError for
    a negative `rcond`, RunError at the run for NaN or infinity.
    """
    x, y = matrices2("lstsq", a, b)
    number = _number("lstsq", rcond, "rcond")
    if y.type.shape is None:
        raise ShapeError(f"lstsq: the rank of b {y!r} is not known here; give the placeholder a shape")
    vector = len(y.type.shape) == 1
    with composition("lstsq" if name is None else name):
        right = expand_dims(y, -1) if vector else y
        solution: Tensor = apply(LSTSQ, x, right, rcond=number)
        missed = F.abs(right - matmul(x, solution))
        residuals = F.sum(missed * missed, -2)
        rank, values = matrix_rank(x, number), svdvals(x)
        if vector:
            residuals = squeeze(residuals, -1)
        # last, because the last node takes the name
        solution = squeeze(solution, -1) if vector else F.identity(solution)
    return LstsqResult(solution, residuals, rank, values)
