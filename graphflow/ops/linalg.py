"""Products of matrices and vectors. Matrix decompositions and solvers are not in this file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag, known_shape, typed
from graphflow.ops.axes import matrix_transpose, permute_dims
from graphflow.ops.constant import promoted
from graphflow.ops.reduction import is_half
from graphflow.ops.shape import expand_dims, flatten, reshape, squeeze
from graphflow.types import (
    Shape,
    TensorType,
    as_index,
    broadcast_shapes,
    dims_equal,
    normalize_axis,
)

__all__ = ["dot", "matmul", "outer", "tensordot", "vecdot"]


def factors(what: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two operands in one dtype. Raises DTypeError for bools, which have no sums of products."""
    x, y = promoted(a, b)
    if x.type.dtype.kind == "b":
        raise DTypeError(f"{what}: {x!r} is bool; cast it to a number first")
    return x, y


# --- matmul ---------------------------------------------------------------------------------------


def _infer_matmul(a: TensorType, b: TensorType) -> TensorType:
    if not a.rank or not b.rank:
        raise ShapeError(f"operands must have at least one axis, got {a} @ {b}; use gf.multiply for scalars")
    inner_a, inner_b = a.dims[-1], b.dims[-2] if b.rank > 1 else b.dims[0]
    if dims_equal(inner_a, inner_b) is False:
        raise ShapeError(f"inner dimensions differ: {a} @ {b} ({inner_a} != {inner_b})")
    lead = broadcast_shapes(a.dims[:-2], b.dims[:-2])
    return typed(a.dtype, (*lead, *a.dims[-2:-1], *(b.dims[-1:] if b.rank > 1 else ())))


def _matmul_kernel(xp: Any, a: Any, b: Any, *, out: Any = None) -> Any:
    """NumPy has no fast product of 16-bit floats: those are multiplied in float32."""
    if xp is np and is_half(a.dtype):
        y = np.matmul(a.astype(np.float32), b.astype(np.float32))
        if out is None:
            return y.astype(a.dtype)
        np.copyto(out, y, casting="unsafe")
        return out
    return xp.matmul(a, b) if out is None else xp.matmul(a, b, out=out)


def _matmul_flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """A multiplication and an addition for each pair; of complex numbers that makes eight of reals."""
    each = 8 if outputs[0].dtype.kind == "c" else 2
    return each * int(outputs[0].size) * int(inputs[0].dims[-1])  # type: ignore[arg-type]  # static by then


def _matmul_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Bytes of the float32 copies of 16-bit floats."""
    if not is_half(inputs[0].dtype):
        return 0
    sizes: list[Any] = [t.size for t in (*inputs, *outputs)]
    return 4 * int(sum(sizes))


def _matmul_vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.inputs
    rank_a, rank_b = _known_rank(a), _known_rank(b)
    if rank_b == 2:  # the usual case: whatever the rank of a, its rows are multiplied by one matrix
        return matmul(g, b, adjoint_b=True), _weight_grad(a, b, g)
    if rank_a is None or rank_b is None:
        raise ShapeError(
            f"matmul: its gradient needs to know the ranks of {a!r} and {b!r}; give the placeholders shapes"
        )
    if rank_a == 1 and rank_b == 1:
        return g * F.conj(b), g * F.conj(a)
    if rank_a == 1:
        ga, gb = _matrix_grads(expand_dims(a, 0), b, expand_dims(g, -2))
        return F.sum_to_like(squeeze(ga, -2), a), gb
    if rank_b == 1:
        ga, gb = _matrix_grads(a, expand_dims(b, 1), expand_dims(g, -1))
        return ga, F.sum_to_like(squeeze(gb, -1), b)
    return _matrix_grads(a, b, g)


def _known_rank(x: Tensor) -> int | None:
    return None if x.type.shape is None else len(x.type.shape)


def _matrix_grads(a: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    ga = F.sum_to_like(matmul(g, b, adjoint_b=True), a)
    return ga, F.sum_to_like(matmul(a, g, adjoint_a=True), b)


def _weight_grad(a: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """The gradient of one matrix: one large product, not a sum of many."""
    rank, dims = _known_rank(a), known_shape(b)
    if rank is not None:
        if rank == 1:
            a, g = expand_dims(a, 0), expand_dims(g, 0)
        elif rank > 2:
            a, g = flatten(a, 0, -2), flatten(g, 0, -2)
    elif dims is None:
        raise ShapeError(
            f"matmul: its gradient needs to know the rank of {a!r}; give the placeholder a shape"
        )
    elif 0 in dims:
        zeros: Tensor = F.zeros_like(b)
        return zeros
    else:
        a, g = reshape(a, (-1, dims[0])), reshape(g, (-1, dims[1]))
    return matmul(a, g, adjoint_a=True)


MATMUL = declare(
    Op(
        "matmul",
        _infer_matmul,
        _matmul_kernel,
        _matmul_vjp,
        Trait.OUT | Trait.BLAS,
        flops=_matmul_flops,
        workspace=_matmul_nbytes,
        default_name="MatMul",
        doc="Matrix product.",
    )
)


@public
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    name: str | None = None,
) -> Tensor:
    """The matrix product over the last two axes: [..., m, k] @ [..., k, n] gives [..., m, n].

    Leading axes are broadcast. A vector on the left is a row, on the right a column, and its axis does not
    show in the result. transpose_a, transpose_b: use the transposed matrix (a view); adjoint_a, adjoint_b:
    the conjugate transposed one. An inner size of 0 gives zeros. Integers wrap around on overflow.
    Raises ShapeError for a 0-d operand, different inner sizes, or leading axes that do not broadcast,
    DTypeError for bools, ArgumentError for transposed and adjoint at once.
    """
    x, y = factors("matmul", a, b)
    transpose_a, transpose_b = (
        flag(transpose_a, "matmul", "transpose_a"),
        flag(transpose_b, "matmul", "transpose_b"),
    )
    adjoint_a, adjoint_b = flag(adjoint_a, "matmul", "adjoint_a"), flag(adjoint_b, "matmul", "adjoint_b")
    if (transpose_a and adjoint_a) or (transpose_b and adjoint_b):
        raise ArgumentError("matmul: an operand is either transposed or adjoint, not both")
    if transpose_a or adjoint_a:
        x = matrix_transpose(F.conj(x) if adjoint_a else x)
    if transpose_b or adjoint_b:
        y = matrix_transpose(F.conj(y) if adjoint_b else y)
    return make_node(MATMUL, (x, y), {}, name).outputs[0]


# --- compositions ---------------------------------------------------------------------------------


@public
def outer(x: Any, y: Any, name: str | None = None) -> Tensor:
    """All products of an element of the vector `x` with one of the vector `y`: [m], [n] gives [m, n]. A composition.

    Raises ShapeError for anything but vectors.
    """
    a, b = factors("outer", x, y)
    for t in (a, b):
        if t.type.shape is not None and len(t.type.shape) != 1:
            raise ShapeError(f"outer: x and y must be vectors, got {t!r}")
    with composition("outer" if name is None else name):
        product: Tensor = expand_dims(a, 1) * expand_dims(b, 0)
    return product


@public
def vecdot(x: Any, y: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The inner products of the vectors along `axis`, the first ones conjugated. A composition.

    The other axes are broadcast. Raises ShapeError if the vectors differ in length, ArgumentError for an axis that
    either operand has not.
    """
    a, b = factors("vecdot", x, y)
    place = as_index(axis, "vecdot: axis")
    if place >= 0 and a.type.shape is not None and b.type.shape is not None:
        if len(a.type.shape) != len(b.type.shape):
            raise ArgumentError(f"vecdot: count axis {place} from the end, as {a!r} and {b!r} differ in rank")
        place -= len(a.type.shape)
    for t in (a, b):
        if t.type.shape is not None:
            normalize_axis(place, len(t.type.shape), "vecdot: axis")
    if a.type.shape is not None and b.type.shape is not None:
        if dims_equal(a.type.shape[place], b.type.shape[place]) is False:
            raise ShapeError(f"vecdot: vectors differ in length along axis {place}: {a!r} and {b!r}")
    with composition("vecdot" if name is None else name):
        if a.type.shape is None or b.type.shape is None:
            products: Tensor = F.sum(F.conj(a) * b, place, dtype=a.dtype)
            return products
        if place != -1:
            a, b = _axis_last(a, place), _axis_last(b, place)
        return squeeze(matmul(expand_dims(F.conj(a), -2), expand_dims(b, -1)), (-2, -1))


def _axis_last(x: Tensor, axis: int) -> Tensor:
    result: Tensor = F.moveaxis(x, axis, -1)
    return result


@public
def dot(a: Any, b: Any, name: str | None = None) -> Tensor:
    """NumPy's `dot`: over the last axis of `a` and the second to last of `b` (its only one, for a vector). A composition.

    Scalars are multiplied. Unlike `matmul`, leading axes are not broadcast but combined, each with each.
    Raises ShapeError if the sizes differ or a rank is not known.
    """
    x, y = factors("dot", a, b)
    rank_x, rank_y = _needed_rank("dot", x), _needed_rank("dot", y)
    if not rank_x or not rank_y:
        product: Tensor = F.multiply(x, y, name=name)
        return product
    if rank_x == 1 or rank_y <= 2:
        return matmul(x, y, name=name)
    return tensordot(x, y, ((-1,), (-2,)), name)


def _needed_rank(what: str, x: Tensor) -> int:
    rank = _known_rank(x)
    if rank is None:
        raise ShapeError(f"{what}: the rank of {x!r} is not known here; give the placeholder a shape")
    return rank


@public
def tensordot(a: Any, b: Any, axes: Any = 2, name: str | None = None) -> Tensor:
    """Products summed over pairs of axes of `a` and `b`; the other axes follow, those of `a` first. A composition.

    axes: an int n pairs the last n axes of `a` with the first n of `b`; two sequences pair their items.
    Raises ArgumentError for axes that are repeated, out of range or not in pairs, ShapeError if paired
    axes differ in size or a rank is not known.
    """
    x, y = factors("tensordot", a, b)
    rank_x, rank_y = _needed_rank("tensordot", x), _needed_rank("tensordot", y)
    paired_x, paired_y = _pairs(axes, rank_x, rank_y)
    for i, j in zip(paired_x, paired_y, strict=True):
        if dims_equal(x.type.dims[i], y.type.dims[j]) is False:
            raise ShapeError(f"tensordot: axis {i} of {x!r} and axis {j} of {y!r} differ in size")
    free_x = [k for k in range(rank_x) if k not in paired_x]
    free_y = [k for k in range(rank_y) if k not in paired_y]
    with composition("Tensordot" if name is None else name):
        left = _merged(permute_dims(x, (*free_x, *paired_x)), len(free_x))
        right = _merged(permute_dims(y, (*paired_y, *free_y)), len(paired_y))
        product = matmul(left, right)
        if len(free_x) == 1 and len(free_y) == 1:
            return product
        return _unmerged(product, x, free_x, y, free_y)


def _merged(x: Tensor, split: int) -> Tensor:
    """A matrix: the first `split` axes merged into its rows, the others into its columns."""
    dims = x.type.dims
    if len(dims) == 2 and split == 1:
        return x
    if 0 < split < len(dims):
        return flatten(flatten(x, split, -1), 0, split - 1)
    return expand_dims(flatten(x), 1 if split else 0)


def _unmerged(product: Tensor, x: Tensor, free_x: Sequence[int], y: Tensor, free_y: Sequence[int]) -> Tensor:
    dims: Shape = (*[x.type.dims[k] for k in free_x], *[y.type.dims[k] for k in free_y])
    return reshape(product, dims)


def _pairs(axes: Any, rank_x: int, rank_y: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise ArgumentError(f"tensordot: axes must be an int or two sequences, not {shorten(axes)}")
        first, second = [item if isinstance(item, (tuple, list)) else (item,) for item in axes]
    else:
        n = as_index(axes, "tensordot: axes")
        if not 0 <= n <= min(rank_x, rank_y):
            raise ArgumentError(f"tensordot: axes must be from 0 to {min(rank_x, rank_y)}, got {n}")
        first, second = tuple(range(rank_x - n, rank_x)), tuple(range(n))
    if len(first) != len(second):
        raise ArgumentError(f"tensordot: axes {shorten(axes)} are not in pairs")
    left = tuple([normalize_axis(k, rank_x, "tensordot: axis of a") for k in first])
    right = tuple([normalize_axis(k, rank_y, "tensordot: axis of b") for k in second])
    if len(set(left)) != len(left) or len(set(right)) != len(right):
        raise ArgumentError(f"tensordot: axes {shorten(axes)} name an axis twice")
    return left, right
