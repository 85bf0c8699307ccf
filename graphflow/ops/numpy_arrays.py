"""NumPy's functions that move, join, choose and multiply whole arrays, with NumPy's signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, shorten
from graphflow.op import F
from graphflow.ops.constant import as_tensor
from graphflow.ops.numpy_functions import refuse, stands_for

__all__: list[str] = []

# --- shapes ---------------------------------------------------------------------------------------


@stands_for(np.shape)
def _shape(a: Any) -> Any:
    return as_tensor(a).shape


@stands_for(np.ndim)
def _ndim(a: Any) -> Any:
    return as_tensor(a).ndim


@stands_for(np.size)
def _size(a: Any, axis: Any = None) -> Any:
    t = as_tensor(a)
    return t.size if axis is None else _shape(t)[axis]


@stands_for(np.reshape)
def _reshape(a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    refuse("reshape", order=None if order == "C" else order)
    return F.reshape(a, newshape if shape is None else shape)


@stands_for(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    refuse("ravel", order=None if order == "C" else order)
    return F.reshape(a, (-1,))


@stands_for(np.transpose)
def _transpose(a: Any, axes: Any = None) -> Any:
    return F.permute_dims(a, axes)


@stands_for(np.matrix_transpose)
def _matrix_transpose(x: Any) -> Any:
    return F.matrix_transpose(x)


@stands_for(np.swapaxes)
def _swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    return F.swapaxes(a, axis1, axis2)


@stands_for(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    return F.moveaxis(a, source, destination)


@stands_for(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    return F.expand_dims(a, axis)


@stands_for(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    return F.squeeze(a, axis)


@stands_for(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    return F.broadcast_to(array, shape)


@stands_for(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    return tuple(F.broadcast_arrays(*args))


@stands_for(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    return F.flip(m, axis)


@stands_for(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    return F.roll(a, shift, axis)


@stands_for(np.tile)
def _tile(A: Any, reps: Any) -> Any:
    return F.tile(A, reps)


@stands_for(np.repeat)
def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    return F.repeat(a, repeats, axis)


@stands_for(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **others: Any) -> Any:
    constant = others.pop("constant_values", 0)
    refuse("pad", **others)
    return F.pad(array, pad_width, mode, constant_values=constant)


# --- joining and splitting ------------------------------------------------------------------------


@stands_for(np.concatenate)
def _concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    refuse("concatenate", out=out, casting=None if casting == "same_kind" else casting)
    return F.concat([t if dtype is None else F.cast(t, dtype) for t in arrays], axis)


@stands_for(np.stack)
def _stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    refuse("stack", out=out, casting=None if casting == "same_kind" else casting)
    return F.stack([t if dtype is None else F.cast(t, dtype) for t in arrays], axis)


@stands_for(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> Any:
    return tuple(F.unstack(x, axis=axis))


@stands_for(np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """An int counts equal parts; a list says where to cut, as NumPy has it."""
    if not isinstance(indices_or_sections, Sequence) and np.ndim(indices_or_sections) == 0:
        return F.split(ary, indices_or_sections, axis)
    total = as_tensor(ary).type.dims[axis]
    if not isinstance(total, int):
        raise ArgumentError("np.split: the size of the axis must be known to cut it at indices; use gf.split")
    cuts = [slice(int(i)).indices(total)[1] for i in indices_or_sections]
    sizes, start = [], 0
    for cut in [*cuts, total]:
        if cut < start:
            raise ArgumentError(f"np.split: the indices {shorten(indices_or_sections)} must not decrease")
        sizes.append(cut - start)
        start = cut
    return F.split(ary, sizes, axis)


# --- choosing -------------------------------------------------------------------------------------


@stands_for(np.where)
def _where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """Without x and y the places of what is not zero, as `np.nonzero` gives them."""
    if x is None and y is None:
        return F.nonzero(condition)
    if x is None or y is None:
        raise DTypeError("np.where of a tensor needs both x and y, or neither")
    return F.where(condition, x, y)


@stands_for(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **others: Any) -> Any:
    low, high = others.pop("min", a_min), others.pop("max", a_max)
    refuse("clip", out=out, **others)
    return F.clip(a, low, high)


@stands_for(np.take)
def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    refuse("take", out=out, mode=None if mode == "raise" else mode)
    return F.take(F.reshape(a, (-1,)) if axis is None else a, indices, axis=0 if axis is None else axis)


@stands_for(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    return F.take_along_axis(
        F.reshape(arr, (-1,)) if axis is None else arr, indices, axis=0 if axis is None else axis
    )


@stands_for(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    return F.tril(m, k=k)


@stands_for(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    return F.triu(m, k=k)


# --- products -------------------------------------------------------------------------------------


@stands_for(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    refuse("dot", out=out)
    return F.dot(a, b)


@stands_for(np.outer)
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    refuse("outer", out=out)
    return F.multiply(F.reshape(a, (-1, 1)), F.reshape(b, (1, -1)))


@stands_for(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return F.tensordot(a, b, axes=axes)


@stands_for(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **others: Any) -> Any:
    refuse("einsum", out=out, **others)
    return F.einsum(*operands)


@stands_for(np.trace)
def _trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    refuse("trace", out=out)
    return F.sum(F.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@stands_for(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return F.diagonal(a, offset, axis1, axis2)


@stands_for(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return F.norm(x, ord=ord, axis=axis, keepdims=keepdims)
