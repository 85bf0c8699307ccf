"""Norms of vectors and matrices: compositions of sums, maxima and powers of absolute values, and of singular values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.constant import python_number
from graphflow.ops.reduction import Axis, sum
from graphflow.ops.statistics import floating, safe_sqrt
from graphflow.types import as_index, normalize_axes

__all__ = ["matrix_norm", "norm", "vector_norm"]


@public
def vector_norm(
    x: Any, axis: Axis = None, keepdims: bool = False, ord: Any = 2, name: str | None = None
) -> Tensor:
    """The norm of `x` over `axis`, taken as one long vector; over everything without an axis. A composition.

    ord: p for (sum |x|^p)^(1/p); 2 is the Euclidean norm; inf and -inf the largest and smallest |x|; 0 counts
        what is not zero.
    Where a norm is 0 its gradient is 0; ties of the largest share theirs equally.
    Raises ArgumentError for another `ord` or a bad axis, ShapeError for inf and -inf over an empty axis.
    """
    x = floating(x)
    axes = axis_attr("vector_norm", axis, x)
    p = _order("vector_norm", ord)
    with composition("norm" if name is None else name):
        return _vector_norm(x, axes, flag(keepdims, "vector_norm", "keepdims"), p)


def _vector_norm(x: Tensor, axes: tuple[int, ...] | None, keepdims: bool, p: float) -> Tensor:
    result: Tensor
    if p == 2:
        squares = F.real(x * F.conj(x)) if x.dtype.kind == "c" else x * x
        return safe_sqrt(sum(squares, axes, keepdims))
    size = F.abs(x)
    if p == math.inf:
        result = F.max(size, axes, keepdims)
    elif p == -math.inf:
        result = F.min(size, axes, keepdims)
    elif p == 1:
        result = sum(size, axes, keepdims)
    elif p == 0:
        result = F.cast(F.count_nonzero(x, axes, keepdims), size.dtype)
    else:
        total = sum(F.pow(size, p), axes, keepdims)
        zero = F.equal(total, 0)
        result = F.where(zero, total, F.pow(F.where(zero, 1, total), 1 / p))
    return result


def _order(what: str, ord: Any) -> float:
    if (
        isinstance(ord, bool)
        or not isinstance(ord, (int, float))
        or (isinstance(ord, float) and math.isnan(ord))
    ):
        raise ArgumentError(f"{what}: ord must be a number, inf or -inf, not {shorten(ord)}")
    return python_number(ord, f"{what}: ord")


@public
def matrix_norm(x: Any, keepdims: bool = False, ord: Any = "fro", name: str | None = None) -> Tensor:
    """The norm of the matrices in the last two axes of `x`. A composition.

    ord: "fro", the root of the sum of squares; 1 and -1, the largest and smallest sum of a column of |x|; inf and
        -inf, the same of a row; 2 and -2, the largest and smallest singular value; "nuc", the sum of them.
    Raises ArgumentError for another one, ShapeError for fewer than two axes; for 2, -2 and "nuc" as `svdvals`.
    """
    x = floating(x)
    if x.type.shape is not None and len(x.type.shape) < 2:
        raise ShapeError(f"matrix_norm: x must have at least two axes, got {x!r}")
    with composition("norm" if name is None else name):
        return _matrix_norm("matrix_norm", x, (-2, -1), flag(keepdims, "matrix_norm", "keepdims"), ord)


def _matrix_norm(what: str, x: Tensor, axes: tuple[int, int], keepdims: bool, ord: Any) -> Tensor:
    if ord is None or (isinstance(ord, str) and ord in ("fro", "euclidean")):
        return _vector_norm(x, axes, keepdims, 2)
    if isinstance(ord, str) and ord == "nuc":
        return _spectral_norm(x, axes, keepdims, sum)
    is_number = isinstance(ord, (int, float)) and not isinstance(ord, bool)
    if is_number and abs(ord) == 2:
        return _spectral_norm(x, axes, keepdims, F.max if ord > 0 else F.min)
    if not is_number or abs(ord) not in (1, math.inf):
        raise ArgumentError(
            f"{what}: ord of a matrix must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {shorten(ord)}"
        )
    added, compared = axes if abs(ord) == 1 else axes[::-1]
    sums = sum(F.abs(x), added, True)
    extreme: Tensor = (F.max if ord > 0 else F.min)(sums, compared, True)
    if not keepdims:
        extreme = F.squeeze(extreme, axes)
    return extreme


def _spectral_norm(x: Tensor, axes: tuple[int, int], keepdims: bool, fold: Callable[..., Tensor]) -> Tensor:
    result = fold(F.svdvals(x if axes == (-2, -1) else F.moveaxis(x, axes, (-2, -1))), -1)
    if keepdims:
        result = F.expand_dims(result, axes)
    return result


@public
def norm(
    x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """NumPy's and TensorFlow's `norm`. A composition.

    Without `ord` (or "euclidean") the root of the sum of squares over `axis`, or over everything. With it, the
    norm of vectors for one axis (or a tensor of one), of matrices for two: see `vector_norm`, `matrix_norm`.
    Raises ArgumentError for an unknown `ord` or more than two axes, ShapeError if the rank must be known and
    is not.
    """
    x = floating(x)
    axes = axis_attr("norm", axis, x)
    with composition("norm" if name is None else name):
        if ord is None or (isinstance(ord, str) and ord == "euclidean"):
            return _vector_norm(x, axes, flag(keepdims, "norm", "keepdims"), 2)
        if axes is None:
            if x.type.shape is None:
                raise ShapeError(f"norm: the rank of {x!r} is not known here; say which axis is meant")
            axes = normalize_axes(None, len(x.type.shape))
        if len(axes) == 1 and not isinstance(ord, str):
            return _vector_norm(x, axes, flag(keepdims, "norm", "keepdims"), _order("norm", ord))
        if len(axes) != 2:
            raise ArgumentError(
                f"norm: ord={shorten(ord)} is for one or two axes, but axis is {shorten(axes)}"
            )
        return _matrix_norm(
            "norm",
            x,
            (as_index(axes[0], "axis"), as_index(axes[1], "axis")),
            flag(keepdims, "norm", "keepdims"),
            ord,
        )
