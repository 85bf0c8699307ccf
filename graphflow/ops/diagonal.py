"""Matrices by their diagonals and triangles: diagonal, matrix_diag, trace, tril, triu, and meshgrid's grids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import dims_argument, known_shape, typed
from graphflow.ops.axes import moveaxis
from graphflow.ops.constant import as_tensor
from graphflow.ops.shape import expand_dims
from graphflow.ops.views import is_row_major, put, row_major
from graphflow.types import DimLike, TensorType, as_index, dims_equal, unknown_dim

__all__ = ["diagonal", "matrix_diag", "meshgrid", "trace", "tril", "triu"]

_FAR = 2**62
"""Diagonals further out than this are as empty as this one, and NumPy can count to it."""
_FAR_32 = 2**31 - 1
"""The same for NumPy's `diagonal`, which counts in C ints."""


def _offset(what: str, value: Any) -> int:
    return max(-_FAR, min(as_index(value, what), _FAR))


def _length(rows: DimLike, cols: DimLike, offset: int) -> DimLike:
    """The number of elements on a diagonal."""
    if isinstance(rows, int) and isinstance(cols, int):
        return max(min(rows - max(-offset, 0), cols - max(offset, 0)), 0)
    return rows if offset == 0 and dims_equal(rows, cols) else unknown_dim()


def _matrix(x: TensorType) -> None:
    if x.rank < 2:
        raise ShapeError(f"x must have at least two axes, got {x}")


# --- diagonal -------------------------------------------------------------------------------------


def _infer_diagonal(x: TensorType, *, offset: int) -> TensorType:
    _matrix(x)
    return TensorType(x.dtype, (*x.dims[:-2], _length(x.dims[-2], x.dims[-1], offset)))


def _diagonal_kernel(xp: Any, x: Any, *, offset: int, out: Any = None) -> Any:
    offset = max(-_FAR_32, min(offset, _FAR_32))
    if hasattr(xp, "diagonal"):
        y = xp.diagonal(x, offset, -2, -1)
    else:
        y = xp.linalg.diagonal(x, offset=offset)
    return y if out is None else put(xp, y, out)


def _view_diagonal(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    strides = row_major(x.dims)
    return contiguous and is_row_major(y.dims, [*strides[:-2], strides[-2] + strides[-1]])


DIAGONAL = declare(
    Op(
        "diagonal",
        _infer_diagonal,
        _diagonal_kernel,
        lambda node, g: (_put_back(g, node.inputs[0], node.attrs["offset"]),),
        Trait.OUT,
        view=_view_diagonal,
        doc="A diagonal of each matrix.",
    )
)


@public
def diagonal(x: Any, offset: int = 0, axis1: int = -2, axis2: int = -1, name: str | None = None) -> Tensor:
    """The diagonal of the matrices that two axes of `x` form, along a new last axis. A view.

    offset: which one: above the main diagonal for positive, below it for negative numbers. The axes are the
    last two, as in the Array API; NumPy's are the first two.
    Raises ShapeError for fewer than two axes, ArgumentError for axes that are equal or out of range.
    """
    x = as_tensor(x)
    a, b = as_index(axis1, "diagonal: axis1"), as_index(axis2, "diagonal: axis2")
    attrs = {"offset": _offset("diagonal: offset", offset)}
    if (a, b) != (-2, -1):
        if a == b:
            raise ArgumentError(f"diagonal: axis1 and axis2 are both {a}")
        x = moveaxis(x, (a, b), (-2, -1))
    return make_node(DIAGONAL, (x,), attrs, name).outputs[0]


@public
def trace(x: Any, offset: int = 0, name: str | None = None, *, dtype: Any = None) -> Tensor:
    """The sum along a diagonal of the last two axes. dtype: as for `sum`. A composition.

    Raises ShapeError for fewer than two axes.
    """
    with composition("Trace" if name is None else name):
        result: Tensor = F.sum(diagonal(x, offset), -1, dtype=dtype)
    return result


# --- matrix_diag ----------------------------------------------------------------------------------


def _infer_matrix_diag(
    v: TensorType, like: TensorType | None = None, *, offset: int, rows: DimLike | None, cols: DimLike | None
) -> TensorType:
    if v.rank < 1:
        raise ShapeError(f"v must have at least one axis, got {v}")
    if like is not None:
        _matrix(like)
        rows, cols = like.dims[-2:]
    long = v.dims[-1] + abs(offset)
    rows, cols = long if rows is None else rows, long if cols is None else cols
    if dims_equal(_length(rows, cols, offset), v.dims[-1]) is False:
        raise ShapeError(
            f"{v} does not fill diagonal {offset} of a matrix of {rows} rows and {cols} columns, "
            f"which has {_length(rows, cols, offset)} elements"
        )
    return typed(v.dtype, (*v.dims[:-1], rows, cols))


def _matrix_diag_kernel(
    xp: Any, v: Any, like: Any = None, *, offset: int, rows: int | None, cols: int | None, out: Any = None
) -> Any:
    n = v.shape[-1]
    if out is None:
        long = n + abs(offset)
        height, width = (long if rows is None else rows, long if cols is None else cols)
        if like is not None:
            height, width = like.shape[-2:]
        out = xp.zeros((*v.shape[:-1], height, width), dtype=v.dtype)
    else:
        out.fill(0)
    if n:
        height, width = out.shape[-2:]
        first = offset if offset >= 0 else -offset * width
        flat = xp.reshape(out, (*out.shape[:-2], height * width))
        flat[..., slice(first, first + (n - 1) * (width + 1) + 1, width + 1)] = v
    return out


MATRIX_DIAG = declare(
    Op(
        "matrix_diag",
        _infer_matrix_diag,
        _matrix_diag_kernel,
        lambda node, g: (diagonal(g, node.attrs["offset"]), *[None] * (len(node.inputs) - 1)),
        Trait.OUT,
        doc="Matrices of zeros but for one diagonal.",
    )
)


def _put_back(g: Tensor, x: Tensor, offset: int) -> Tensor:
    """The gradient of `diagonal`: zeros in the shape of `x` but for the diagonal."""
    dims = known_shape(x)
    if dims is None:
        return make_node(MATRIX_DIAG, (g, x), {"offset": offset, "rows": None, "cols": None}).outputs[0]
    return make_node(MATRIX_DIAG, (g,), {"offset": offset, "rows": dims[-2], "cols": dims[-1]}).outputs[0]


@public
def matrix_diag(
    v: Any, offset: int = 0, rows: Any = None, cols: Any = None, name: str | None = None
) -> Tensor:
    """Matrices with the last axis of `v` on diagonal `offset` and zeros elsewhere.

    rows, cols: their size; just large enough where left out.
    Raises ShapeError for a 0-d `v` or one that does not fill that diagonal.
    """
    attrs = {
        "offset": _offset("matrix_diag: offset", offset),
        "rows": None if rows is None else _size("rows", rows),
        "cols": None if cols is None else _size("cols", cols),
    }
    return make_node(MATRIX_DIAG, (as_tensor(v),), attrs, name).outputs[0]


def _size(argument: str, value: Any) -> DimLike:
    if isinstance(value, (list, tuple)):
        raise ShapeError(f"matrix_diag: {argument} must be one size, not {shorten(value)}")
    return dims_argument(value, f"matrix_diag: {argument}")[0]


# --- triangles ------------------------------------------------------------------------------------


def _infer_triangle(x: TensorType, *, k: int) -> TensorType:
    _matrix(x)
    return x


def _triangle(name: str) -> Callable[..., Any]:
    def kernel(xp: Any, x: Any, *, k: int, out: Any = None) -> Any:
        """By a mask, never by multiplication, so that NaN in the other triangle is gone."""
        if out is None:
            return getattr(xp, name)(x, k=k)
        if xp is np:
            out.fill(0)
            if out.size:
                np.copyto(out, x, where=_kept(x.shape[-2], x.shape[-1], name == "tril", k))
            return out
        kept = xp.tri(*x.shape[-2:], k if name == "tril" else k - 1, dtype=bool)
        if name == "triu":
            xp.logical_not(kept, out=kept)
        out.fill(0)
        xp.copyto(out, x, where=kept)
        return out

    return kernel


def _kept(rows: int, columns: int, lower: bool, k: int) -> Any:
    """The mask of a triangle as a view of one line: all places of a diagonal share their byte."""
    line = np.zeros(rows + columns - 1, np.bool_)  # by column - row, from 1 - rows on
    edge = min(max(k + rows - (not lower), 0), line.size)
    line[slice(0, edge) if lower else slice(edge, None)] = True
    return np.lib.stride_tricks.as_strided(line[rows - 1 :], (rows, columns), (-1, 1), writeable=False)


def _line_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, k: int) -> int:
    sizes: list[Any] = list(outputs[0].dims[-2:])
    return int(sum(sizes))


def _declared(name: str, doc: str) -> Op:
    return declare(
        Op(
            name,
            _infer_triangle,
            _triangle(name),
            lambda node, g: (F.table[name](g, node.attrs["k"]),),
            Trait.OUT,
            flops=lambda inputs, outputs, k: 0,
            workspace=_line_nbytes,
            doc=doc,
        )
    )


TRIL = _declared("tril", "The lower triangle of each matrix, zeros above it.")
TRIU = _declared("triu", "The upper triangle of each matrix, zeros below it.")


@public
def tril(x: Any, k: int = 0, name: str | None = None) -> Tensor:
    """The last two axes of `x` with zeros above diagonal `k`. Raises ShapeError for fewer than two axes."""
    return make_node(TRIL, (as_tensor(x),), {"k": _offset("tril: k", k)}, name).outputs[0]


@public
def triu(x: Any, k: int = 0, name: str | None = None) -> Tensor:
    """The last two axes of `x` with zeros below diagonal `k`. Raises ShapeError for fewer than two axes."""
    return make_node(TRIU, (as_tensor(x),), {"k": _offset("triu: k", k)}, name).outputs[0]


# --- meshgrid -------------------------------------------------------------------------------------


@public
def meshgrid(*arrays: Any, indexing: str = "xy", name: str | None = None) -> tuple[Tensor, ...]:
    """Coordinate grids from coordinate vectors: a tuple of one tensor for each, all of one shape. A composition of views.

    indexing: "ij": axis k belongs to vector k; "xy": the first two axes change places.
    Raises ArgumentError for another indexing, ShapeError for arguments with more than one axis.
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', not {shorten(indexing)}")
    vectors = [as_tensor(a) for a in arrays]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[:2] = [1, 0]
    with composition("meshgrid" if name is None else name):
        placed = []
        for place, x in zip(order, vectors, strict=True):
            if x.type.shape == ():
                x = expand_dims(x)
            if x.type.shape is None or len(x.type.shape) != 1:
                raise ShapeError(f"meshgrid: each argument must be a vector, got {x!r}")
            placed.append(expand_dims(x, [k for k in range(len(vectors)) if k != place]))
        grids: tuple[Tensor, ...] = F.broadcast_arrays(*placed)
    return grids
