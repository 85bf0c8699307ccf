"""Sparse tensors: to and from dense ones, products, sums, and rearranging. Compositions, but for `sparse_to_dense`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag, items_of, listed
from graphflow.ops.constant import as_tensor
from graphflow.ops.sparse_dense import SPARSE_TO_DENSE
from graphflow.ops.sparse_tensor import SparseTensor, as_sparse
from graphflow.types import MAX_RANK, STRING, Shape, as_index, normalize_axes, normalize_axis, unknown_dim

__all__ = [
    "sparse_add",
    "sparse_concat",
    "sparse_from_dense",
    "sparse_multiply",
    "sparse_reduce_max",
    "sparse_reduce_sum",
    "sparse_reorder",
    "sparse_reshape",
    "sparse_retain",
    "sparse_softmax",
    "sparse_tensor_dense_matmul",
    "sparse_tensor_to_dense",
    "sparse_to_dense",
    "sparse_transpose",
]


def _dense(sp: SparseTensor, default: Any, repeats: str, name: str | None) -> Tensor:
    if sp.dtype is STRING and repeats == "add":
        raise DTypeError(f"sparse_to_dense: text has no sum; {sp!r} must give each place once")
    is_zero = isinstance(default, (int, float)) and default == 0
    fill = as_tensor(b"" if sp.dtype is STRING and is_zero else default, sp.dtype)
    if fill.type.shape not in ((), None):
        raise ShapeError(f"sparse_to_dense: the default value must be a scalar, got {fill.type}")
    made: Tensor = apply(
        SPARSE_TO_DENSE,
        sp.values,
        sp.indices,
        sp.dense_shape,
        fill,
        name=name,
        shape=sp.shape,
        repeats=repeats,
    )
    return made


@public
def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = 0, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """The dense tensor, with `default_value`, "" for text, where the sparse one holds nothing.

    validate_indices: refuse places that are given more than once; False adds them up, which needs the default 0.
    Raises IndexRangeError for places outside, RunError for repeated ones, ShapeError for a dense_shape that is not
    as declared, at the run.
    """
    sp = as_sparse("sparse_tensor_to_dense", sp_input)
    strict = flag(validate_indices, "sparse_tensor_to_dense", "validate_indices")
    if not strict and not (isinstance(default_value, (int, float)) and default_value == 0):
        raise ArgumentError(
            f"sparse_tensor_to_dense: repeated places add up, which needs default_value 0, not {shorten(default_value)}"
        )
    return _dense(sp, default_value, "refuse" if strict else "add", name)


@public
def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """As `sparse_tensor_to_dense`, of parts: indices int64[n, rank], or int64[n] for a vector; values [n] or a scalar."""
    indices, values = as_tensor(sparse_indices), as_tensor(sparse_values)
    if indices.type.shape is None or values.type.shape is None:
        raise ShapeError(f"sparse_to_dense: the ranks of {indices!r} and {values!r} must be known")
    if indices.type.rank == 1:
        indices = F.expand_dims(indices, 1)
    if values.type.rank == 0:
        values = F.broadcast_to(values, indices.type.dims[:1])
    return sparse_tensor_to_dense(
        SparseTensor(indices, values, output_shape), default_value, validate_indices, name
    )


@public
def sparse_from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of a dense tensor that are not zero, in the order of the dense array."""
    x = as_tensor(tensor)
    if x.type.shape is None:
        raise ShapeError(f"sparse_from_dense: the rank of {x!r} must be known")
    with composition("sparse_from_dense" if name is None else name):
        indices = F.stack(list(_listed(F.nonzero(x))), axis=1)
        return SparseTensor(indices, F.gather_nd(x, indices), F.shape(x))


def _listed(found: Any) -> Sequence[Tensor]:
    return found if isinstance(found, (tuple, list)) else (found,)


@public
def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """A sparse matrix [m, k] times a dense one [k, n]: [m, n]. Repeated places add up.

    Memory for the rows of `b` that the elements meet: number of elements * n.
    """
    sp, dense = as_sparse("sparse_tensor_dense_matmul", sp_a), as_tensor(b)
    if sp.rank != 2 or (dense.type.shape is not None and dense.type.rank != 2):
        raise ShapeError(f"sparse_tensor_dense_matmul: takes matrices, got {sp!r} and {dense.type}")
    if sp.dtype != dense.type.dtype:
        raise DTypeError(
            f"sparse_tensor_dense_matmul: {sp.dtype.name} times {dense.type.dtype.name}; cast one of them"
        )
    with composition("sparse_tensor_dense_matmul" if name is None else name):
        values, row, column = sp.values, 0, 1
        if flag(adjoint_a, "sparse_tensor_dense_matmul", "adjoint_a"):
            values, row, column = F.conj(values), 1, 0
        if flag(adjoint_b, "sparse_tensor_dense_matmul", "adjoint_b"):
            dense = F.conj(F.matrix_transpose(dense))
        inner = sp.shape[column]
        if isinstance(inner, int) and dense.type.shape is not None and isinstance(dense.type.dims[0], int):
            if inner != dense.type.dims[0]:
                raise ShapeError(
                    f"sparse_tensor_dense_matmul: inner sizes differ: {inner} and {dense.type.dims[0]}"
                )
        met = F.take(dense, sp.indices[:, column], axis=0) * F.expand_dims(values, 1)
        count = sp.shape[row] if isinstance(sp.shape[row], int) else sp.dense_shape[row]
        made: Tensor = F.unsorted_segment_sum(met, sp.indices[:, row], count)
        return made


@public
def sparse_multiply(sp_input: Any, y: Any, name: str | None = None) -> SparseTensor:
    """A sparse tensor times a dense one that broadcasts to its shape, element by element: sparse."""
    sp = as_sparse("sparse_multiply", sp_input)
    dense = as_tensor(y, _dtype_of(y, sp))
    if dense.type.shape is None or dense.type.rank > sp.rank:
        raise ShapeError(f"sparse_multiply: {dense.type} does not broadcast to {sp!r}")
    with composition("sparse_multiply" if name is None else name):
        if dense.type.rank == 0:
            return sp.with_values(sp.values * dense)
        first = sp.rank - dense.type.rank
        columns = [
            F.zeros_like(sp.indices[:, first + k]) if d == 1 else sp.indices[:, first + k]
            for k, d in enumerate(dense.type.dims)
        ]
        return sp.with_values(sp.values * F.gather_nd(dense, F.stack(columns, axis=1)))


def _dtype_of(y: Any, sp: SparseTensor) -> Any:
    return None if hasattr(y, "dtype") else sp.dtype


@public
def sparse_add(a: Any, b: Any, name: str | None = None) -> Any:
    """The sum of two sparse tensors of one shape, in the order of the dense array; dense if one of them is."""
    if not isinstance(a, SparseTensor):
        a, b = b, a
    first = as_sparse("sparse_add", a)
    with composition("sparse_add" if name is None else name):
        if not isinstance(b, SparseTensor):
            return _dense(first, 0, "add", None) + b
        if first.dtype != b.dtype:
            raise DTypeError(f"sparse_add: {first.dtype.name} and {b.dtype.name}; cast one of them")
        _same_sizes("sparse_add", first, b, ())
        both = SparseTensor(
            F.concat([first.indices, b.indices], 0), F.concat([first.values, b.values], 0), first.dense_shape
        )
        flat, inverse = F.unique_inverse(_flat(both, range(both.rank)))
        values = F.unsorted_segment_sum(both.values, inverse, _count(flat))
        return SparseTensor(_places(flat, both.dense_shape, both.rank), values, both.dense_shape)


def _same_sizes(what: str, a: SparseTensor, b: SparseTensor, but: tuple[int, ...]) -> None:
    if a.rank != b.rank or any(
        isinstance(m, int) and isinstance(n, int) and m != n and k not in but
        for k, (m, n) in enumerate(zip(a.shape, b.shape, strict=True))
    ):
        raise ShapeError(f"{what}: {a!r} and {b!r} differ in shape")


def _flat(sp: SparseTensor, axes: Sequence[int]) -> Tensor:
    """One number for each element: its place among those axes, in C order."""
    total = F.zeros_like(sp.values, dtype=np.dtype("int64")) if not axes else None
    for k in axes:
        column = sp.indices[:, k]
        total = column if total is None else total * sp.dense_shape[k] + column
    return total  # type: ignore[return-value]  # one of the two made it


def _count(found: Tensor) -> Tensor:
    """How many there are, which only the run tells."""
    return F.sum(F.ones_like(found))  # type: ignore[no-any-return]


def _places(flat: Tensor, dense_shape: Tensor, rank: int) -> Tensor:
    """int64[n, rank] for numbers of places in C order."""
    columns, rest = [], flat
    for k in reversed(range(rank)):
        columns.append(rest % dense_shape[k])
        rest = rest // dense_shape[k]
    return F.stack(columns[::-1], axis=1)  # type: ignore[no-any-return]


def _axes(sp: SparseTensor, axis: Any, what: str) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(sp.rank))
    try:
        return normalize_axes(axis, sp.rank)
    except ArgumentError as error:
        raise ArgumentError(f"{what}: {error.args[0]}") from None


@public
def sparse_reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The sum over axes, all of them if None, as a dense tensor."""
    sp = as_sparse("sparse_reduce_sum", sp_input)
    over, keep = _axes(sp, axis, "sparse_reduce_sum"), flag(keepdims, "sparse_reduce_sum", "keepdims")
    with composition("sparse_reduce_sum" if name is None else name):
        left = _left(sp, over, keep)
        return _dense(left, 0, "add", None)


def _left(sp: SparseTensor, over: tuple[int, ...], keep: bool) -> SparseTensor:
    """The same elements, placed by the axes that are not summed over."""
    kept = [k for k in range(sp.rank) if keep or k not in over]
    shape: Shape = tuple([1 if k in over else sp.shape[k] for k in kept])
    if not kept:
        indices = F.zeros_like(sp.indices)[:, :0]
        return SparseTensor(indices, sp.values, np.zeros(0, np.int64))
    columns = [F.zeros_like(sp.indices[:, k]) if k in over else sp.indices[:, k] for k in kept]
    one = np.ones((), np.int64)
    sizes = F.stack([as_tensor(one) if k in over else sp.dense_shape[k] for k in kept])
    known = all(isinstance(d, int) for d in shape)
    made = SparseTensor(F.stack(columns, axis=1), sp.values, np.asarray(shape, np.int64) if known else sizes)
    made.shape = shape
    return made


@public
def sparse_reduce_max(
    sp_input: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The largest of the elements that are held, over axes; 0 where none is. At most one axis may be left unknown."""
    sp = as_sparse("sparse_reduce_max", sp_input)
    over, keep = _axes(sp, axis, "sparse_reduce_max"), flag(keepdims, "sparse_reduce_max", "keepdims")
    kept = [k for k in range(sp.rank) if k not in over]
    known = _ints([sp.shape[k] for k in kept])
    if known is None and len(kept) > 1:
        raise ShapeError(f"sparse_reduce_max: the sizes of the axes {kept} of {sp!r} must be known")
    with composition("sparse_reduce_max" if name is None else name):
        count: Any = sp.dense_shape[kept[0]] if known is None else math.prod(known)
        places = _flat(sp, kept)
        largest = F.unsorted_segment_max(sp.values, places, count)
        held = F.unsorted_segment_sum(F.ones_like(places), places, count)
        largest = F.where(F.greater(held, 0), largest, F.zeros_like(largest))
        listed = range(sp.rank) if keep else kept
        made: Tensor = F.reshape(
            largest, [1 if k in over else -1 if known is None else sp.shape[k] for k in listed]
        )
        return made


@public
def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same tensor with its elements in the order of the dense array."""
    sp = as_sparse("sparse_reorder", sp_input)
    with composition("sparse_reorder" if name is None else name):
        order = F.argsort(_flat(sp, range(sp.rank)), stable=True)
        return _same_shape(
            SparseTensor(F.take(sp.indices, order, axis=0), F.take(sp.values, order, axis=0), sp.dense_shape),
            sp.shape,
        )


def _ints(dims: Sequence[Any]) -> list[int] | None:
    """The sizes if all are known."""
    return [int(d) for d in dims] if all(isinstance(d, int) for d in dims) else None


def _same_shape(sp: SparseTensor, shape: Shape) -> SparseTensor:
    sp.shape = shape
    return sp


@public
def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """The axes in another order, reversed if `perm` is None; elements in the order of the new dense array."""
    sp = as_sparse("sparse_transpose", sp_input)
    if perm is None:
        order = tuple(reversed(range(sp.rank)))
    else:
        what = "sparse_transpose: perm"
        order = tuple([as_index(p, what) for p in items_of(perm, what)])
    if sorted(order) != list(range(sp.rank)):
        raise ShapeError(f"sparse_transpose: perm {shorten(perm)} is no order of {sp.rank} axes")
    with composition("sparse_transpose" if name is None else name):
        moved = SparseTensor(
            F.take(sp.indices, np.asarray(order), axis=1),
            sp.values,
            F.take(sp.dense_shape, np.asarray(order)),
        )
        return sparse_reorder(_same_shape(moved, tuple([sp.shape[k] for k in order])))


@public
def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same elements, in the order of the dense array, with another shape of all known sizes, or one -1."""
    sp = as_sparse("sparse_reshape", sp_input)
    sizes = [as_index(n, "sparse_reshape: shape") for n in listed(shape, "sparse_reshape: shape")]
    if len(sizes) > MAX_RANK:
        raise ShapeError(f"sparse_reshape: shape {shorten(shape)} has more than {MAX_RANK} axes")
    if any(n < -1 for n in sizes) or sizes.count(-1) > 1:
        raise ShapeError(f"sparse_reshape: {shorten(shape)} is no shape with at most one -1")
    known = _ints(sp.shape)
    total = None if known is None else math.prod(known)
    rest = math.prod(n for n in sizes if n >= 0)
    if total is not None and (rest != total if -1 not in sizes else (rest == 0 or total % rest)):
        raise ShapeError(f"sparse_reshape: {sp!r} cannot become {sizes}: {total} elements")
    with composition("sparse_reshape" if name is None else name):
        if total is not None:
            new: Any = np.asarray([total // rest if n == -1 else n for n in sizes], np.int64)
        else:
            free = F.prod(sp.dense_shape) // max(rest, 1)
            new = F.stack([free if n == -1 else as_tensor(np.int64(n)) for n in sizes])
        flat = _flat(sp, range(sp.rank))
        return SparseTensor(_places(flat, as_tensor(new), len(sizes)), sp.values, new)


@public
def sparse_concat(axis: int, sp_inputs: Sequence[Any], name: str | None = None) -> SparseTensor:
    """Sparse tensors one after another along an axis; elements in the order of the dense array."""
    if not isinstance(sp_inputs, (list, tuple)) or not sp_inputs:
        raise ArgumentError(f"sparse_concat: takes a list of SparseTensors, got {shorten(sp_inputs)}")
    parts = [as_sparse("sparse_concat", sp) for sp in sp_inputs]
    first = parts[0]
    at = normalize_axis(axis, first.rank)
    for sp in parts[1:]:
        _same_sizes("sparse_concat", first, sp, (at,))
    with composition("sparse_concat" if name is None else name):
        unit = np.eye(first.rank, dtype=np.int64)[at]
        before: Any = np.int64(0)
        indices = []
        for sp in parts:
            indices.append(sp.indices + unit * before)
            before = before + sp.dense_shape[at]
        sizes = F.where(unit.astype(bool), before, first.dense_shape)
        joined = SparseTensor(F.concat(indices, 0), F.concat([sp.values for sp in parts], 0), sizes)
        lengths = _ints([sp.shape[at] for sp in parts])
        known = unknown_dim() if lengths is None else sum(lengths)
        return sparse_reorder(
            _same_shape(joined, tuple([known if k == at else d for k, d in enumerate(first.shape)]))
        )


@public
def sparse_retain(sp_input: Any, to_retain: Any, name: str | None = None) -> SparseTensor:
    """Only the elements for which the bools `to_retain`[n] are true."""
    sp = as_sparse("sparse_retain", sp_input)
    with composition("sparse_retain" if name is None else name):
        kept = F.boolean_mask(sp.indices, to_retain), F.boolean_mask(sp.values, to_retain)
        return _same_shape(SparseTensor(*kept, sp.dense_shape), sp.shape)


@public
def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The softmax along the last axis over the elements that are held; all others stay zero."""
    sp = as_sparse("sparse_softmax", sp_input)
    if sp.rank < 2:
        raise ShapeError(f"sparse_softmax: takes at least 2 axes, got {sp!r}")
    with composition("sparse_softmax" if name is None else name):
        rows, row = F.unique_inverse(_flat(sp, range(sp.rank - 1)))
        count = _count(rows)
        largest = F.stop_gradient(F.take(F.unsorted_segment_max(sp.values, row, count), row))
        weights = F.exp(sp.values - largest)
        return _same_shape(
            sp.with_values(weights / F.take(F.unsorted_segment_sum(weights, row, count), row)), sp.shape
        )
