"""Places in a flattened tensor and their coordinates: each from the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, IndexRangeError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import dims_argument, items_of, typed
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.constant import operands
from graphflow.ops.flat_index import as_indices, check_bounds, picked_shape
from graphflow.ops.order_keys import PIECE, pieces
from graphflow.ops.philox import converted
from graphflow.ops.views import put
from graphflow.types import SUPPORTED, Shape, TensorType, broadcast_shapes

__all__ = ["ravel_multi_index", "unravel_index"]

INT64 = SUPPORTED["int64"]

# --- unravel_index --------------------------------------------------------------------------------


def _infer_unravel(indices: TensorType, *, dims: Shape) -> TensorType:
    return typed(indices.dtype, (len(dims), *indices.dims))


def _unravel_kernel(xp: Any, indices: Any, *, dims: tuple[int, ...]) -> Any:
    total = math.prod(dims)
    if math.prod(indices.shape):
        low, high = int(xp.min(indices)), int(xp.max(indices))
        if low < 0 or high >= total:
            raise IndexRangeError(
                f"unravel_index: {low if low < 0 else high} is no place in a tensor of shape {list(dims)}, "
                f"which has {total} elements"
            )
    result = xp.empty((len(dims), *indices.shape), dtype=indices.dtype)
    if xp is np:
        flat = result.reshape(len(dims), -1) if indices.size else result
        for start, piece in pieces(indices):
            _coordinates(np, piece, dims, flat[:, start : start + piece.size])
    else:
        _coordinates(xp, indices, dims, result)
    return result


def _coordinates(xp: Any, indices: Any, dims: tuple[int, ...], result: Any) -> None:
    rest = converted(xp, indices, xp.int64)
    for k in range(len(dims) - 1, -1, -1):
        result[k, ...] = converted(xp, rest % max(dims[k], 1), indices.dtype)
        rest = rest // max(dims[k], 1)


UNRAVEL_INDEX = declare(
    Op(
        "unravel_index",
        _infer_unravel,
        _unravel_kernel,
        None,
        Trait.FALLIBLE,
        dtype=lambda indices, *, dims: TensorType(indices.dtype, None),
        flops=lambda inputs, outputs, dims: 2 * int(outputs[0].size),
        workspace=lambda inputs, outputs, dims: 24 * min(int(inputs[0].size), PIECE),
        default_name="UnravelIndex",
        doc="The coordinates of places in a flattened tensor.",
    )
)


@public
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """The coordinates of places in a flattened tensor of shape `dims`: [len(dims)] + indices.shape, as TensorFlow has it.

    indices: integers from 0 on; the result has their dtype. dims: ints or sizes. A primitive, which checks them.
    Raises DTypeError for indices that are no integers, ShapeError for negative sizes, IndexRangeError at the run for
    a place beyond the last element.
    """
    index = as_indices("unravel_index", indices)
    sizes = dims_argument(dims, "unravel_index: dims")
    return make_node(UNRAVEL_INDEX, (index,), {"dims": sizes}, name).outputs[0]


# --- ravel_multi_index ----------------------------------------------------------------------------

_MODES = ("raise", "wrap", "clip")


def _infer_ravel(*indices: TensorType, dims: Shape, mode: str) -> TensorType:
    return typed(INT64, broadcast_shapes(*[i.dims for i in indices]))


def _ravel_kernel(xp: Any, *indices: Any, dims: tuple[int, ...], mode: str, out: Any = None) -> Any:
    for k, (index, size) in enumerate(zip(indices, dims, strict=True)):
        some = math.prod(index.shape)
        if some and (mode == "raise" or not size):
            low = int(xp.min(index))
            check_bounds("ravel_multi_index", max(low, -size), int(xp.max(index)), size, k)
            if low < 0:
                raise IndexRangeError(
                    f"ravel_multi_index: index {low} of axis {k} is negative; mode='wrap' wraps it"
                )
    if xp is not np:
        total = _combined(xp, indices, dims, mode)
        return xp.asarray(total, copy=True) if out is None else put(xp, total, out)
    shape = picked_shape(indices)
    out = np.empty(shape, np.int64) if out is None else out
    flat, sources = out.reshape(-1), [i if i.shape == shape else np.broadcast_to(i, shape) for i in indices]
    lines = [i.reshape(-1) if i.flags.c_contiguous else i.flat for i in sources]
    for start in range(0, flat.size, PIECE):
        flat[start : start + PIECE] = _combined(np, [i[start : start + PIECE] for i in lines], dims, mode)
    return out


def _combined(xp: Any, indices: Sequence[Any], dims: tuple[int, ...], mode: str) -> Any:
    total = None
    for index, size in zip(indices, dims, strict=True):
        some = math.prod(index.shape)
        if mode == "clip" and some:
            index = xp.where(index < 0, xp.zeros((), dtype=index.dtype), index)
            wide = converted(xp, index, xp.uint64) if numpy_dtype(index).kind == "u" else index
            index = xp.where(wide > size - 1, xp.asarray(size - 1, dtype=wide.dtype), wide)
        elif mode == "wrap" and some:
            index = index % xp.asarray(size, dtype=xp.uint64 if numpy_dtype(index).kind == "u" else xp.int64)
        index = converted(xp, index, xp.int64)
        total = index if total is None else total * size + index
    return total


def _ravel_nbytes(inputs: Sequence[TensorType], size: int, mode: str) -> int:
    """Pieces: those of indices that are broadcast, one index on its way to 64 bits, and the sum of all so far."""
    copied = sum([i.dtype.itemsize for i in inputs if i.size != size])
    return (33 + 8 * (mode == "clip") + copied) * min(size, PIECE)


RAVEL_MULTI_INDEX = declare(
    Op(
        "ravel_multi_index",
        _infer_ravel,
        _ravel_kernel,
        None,
        Trait.OUT | Trait.FALLIBLE,
        dtype=lambda *indices, dims, mode: TensorType(INT64, None),
        flops=lambda inputs, outputs, dims, mode: 2 * len(inputs) * int(outputs[0].size),
        workspace=lambda inputs, outputs, dims, mode: _ravel_nbytes(inputs, int(outputs[0].size), mode),
        doc="The places in a flattened tensor of coordinates.",
    )
)


@public
def ravel_multi_index(multi_index: Any, dims: Any, mode: str = "raise", name: str | None = None) -> Tensor:
    """The places in a flattened tensor of shape `dims` of what has these coordinates, int64.

    multi_index: a list of integer tensors that broadcast, one for each of `dims`; or one tensor, taken apart along
    its first axis, as `unravel_index` gives it. mode: what becomes of coordinates out of range: "raise" refuses
    them, "wrap" counts on from the start, "clip" takes the nearest. A primitive, which checks them.
    Raises ArgumentError for another mode, ShapeError for another number of coordinates than sizes, DTypeError for what
    is no integer; IndexRangeError at the run.
    """
    what = "ravel_multi_index"
    if mode not in _MODES:
        raise ArgumentError(f"{what}: mode must be one of {', '.join(_MODES)}, not {shorten(mode)}")
    sizes = dims_argument(dims, f"{what}: dims")
    if hasattr(type(multi_index), "__graphflow_tensor__") or isinstance(multi_index, np.ndarray):
        parts = list(F.unstack(as_indices(what, multi_index, "multi_index")))
    else:
        parts = items_of(multi_index, f"{what}: multi_index")
    if len(parts) != len(sizes) or not parts:
        raise ShapeError(
            f"{what}: {len(parts)} coordinates for {len(sizes)} sizes {shorten(dims)}; one for each is needed"
        )
    tensors = operands(*[as_indices(what, part, "multi_index") for part in parts])
    return make_node(RAVEL_MULTI_INDEX, tuple(tensors), {"dims": sizes, "mode": mode}, name).outputs[0]
