"""How picking by integer index is done, without copying what is picked from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.ops.flat_index import (
    CHUNK,
    check_bounds,
    check_range,
    flat_index,
    flat_pieces,
    picked_shape,
    pieces_workspace,
)
from graphflow.ops.scatter_kernels import count_of
from graphflow.ops.views import put
from graphflow.types import TensorType, broadcast_shapes

__all__ = ["take_along_kernel", "take_along_workspace", "take_kernel", "take_workspace"]


FANCY = 8192
"""Elements of the buffers that NumPy takes where several index arrays are combined, whatever its settings."""

PIECE = 1 << 12
"""Indices combined at a time."""

FEW = 1 << 9
"""Indices handled at a time where no flat index leads through an array: hidden memory that any layout may take."""


def take_kernel(xp: Any, x: Any, *indices: Any, axis: int | None, out: Any = None) -> Any:
    first = 0 if axis is None else axis % x.ndim
    last = first + len(indices)
    sizes = x.shape[first:last]
    before, indexed, after = math.prod(x.shape[:first]), math.prod(sizes), math.prod(x.shape[last:])
    if xp is not np:
        flat = flat_index(xp, "take", indices, sizes, first)
        result = xp.take(xp.reshape(x, (before, indexed, after)), xp.reshape(flat, (-1,)), axis=1)
        result = xp.reshape(result, (*x.shape[:first], *flat.shape, *x.shape[last:]))
        return result if out is None else put(xp, result, out)
    picked = picked_shape(indices)
    if out is None:
        out = np.empty((*x.shape[:first], *picked, *x.shape[last:]), x.dtype)
    if len(indices) == 1 and x.flags.c_contiguous and _is_plain(indices[0]):
        check_range("take", indices[0], sizes[0], first)
        return np.take(x, indices[0], axis=first, out=out, mode="wrap")  # "wrap" only meets what is in range
    if out.size <= CHUNK:
        for k, (index, size) in enumerate(zip(indices, sizes, strict=True)):
            check_range("take", index, size, first + k)
        out[...] = x[(*[slice(None)] * first, *indices)]
        return out
    count = math.prod(picked)
    if not x.flags.c_contiguous:
        target = out.reshape(*x.shape[:first], count, *x.shape[last:])
        for start, flat in flat_pieces("take", indices, sizes, first, FEW):
            _take_strided(x, np.unravel_index(flat, sizes), first, start, target)
        return out
    source, target = x.reshape(before, indexed, after), out.reshape(before, count, after)
    for start, flat in flat_pieces("take", indices, sizes, first, PIECE):
        # All indices are in range: "clip" only spares the buffering that "raise" does.
        if before == 1 or count <= CHUNK:
            np.take(source, flat, axis=1, out=target[:, start : start + flat.size], mode="clip")
        else:
            for k in range(before):
                np.take(source[k], flat, axis=0, out=target[k, start : start + flat.size], mode="clip")
    return out


def _is_plain(index: Any) -> bool:
    """True if np.take needs no copy of the index, or a small one: it copies what it may not write to, as constants are."""
    return index.size <= CHUNK or (index.dtype == np.int64 and bool(index.flags.carray))


def _take_strided(x: Any, where: tuple[Any, ...], first: int, start: int, target: Any) -> None:
    """Pick from an array that is not contiguous, which np.take would copy whole; the copies here stay small."""
    lead = (slice(None),) * first
    each = math.prod(x.shape) // max(1, math.prod(x.shape[first : first + len(where)]))
    if each >= 64:
        for k, index in enumerate(zip(*[w.tolist() for w in where], strict=True)):
            target[(*lead, start + k)] = x[(*lead, *index)]
        return
    step = 2 * FEW // max(1, each)
    for k in range(0, where[0].size, step):
        piece = tuple([w[k : k + step] for w in where])
        target[(*lead, slice(start + k, start + k + piece[0].size))] = x[lead + piece]


def take_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int | None) -> int:
    """Indices on their way to 64 bits and to one shape; of few elements a copy; a little where `x` is no plain array."""
    size: Any = outputs[0].size
    sizes: list[Any] = [i.size for i in inputs[1:]]
    ready = [i.dtype == np.int64 for i in inputs[1:]]
    strided = min(int(size), 2 * FEW) * (inputs[0].dtype.itemsize + 12)
    if len(sizes) == 1 and (ready[0] or sizes[0] <= CHUNK):
        return max(strided, 0 if ready[0] else 8 * int(sizes[0]))
    count = count_of(inputs[1:])
    if size <= CHUNK:
        turned = [not own or n != count for own, n in zip(ready, sizes, strict=True)]
        return int(outputs[0].nbytes or 0) + int(8 * count * sum(turned))
    return max(strided, int(pieces_workspace(inputs[1:], count, PIECE)))


def take_along_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int) -> int:
    """A line of places for every other axis; and NumPy's buffers, of a size of its own, where more than a line is picked.

    They are at most one for every axis but one, and one for indices that have not 64 bits.
    """
    x, indices, y = *inputs, outputs[0]
    along = axis % x.rank
    lines: list[Any] = [1 if k == along else d for k, d in enumerate(x.dims)]
    plain = indices.dims == y.dims
    buffers = 0 if plain and sum([d != 1 for d in y.dims]) <= 1 else max(1, x.rank - 1)
    buffers += int(indices.dtype.itemsize < 8) + int(not plain)
    size: Any = y.size
    return int(8 * (sum(lines) - 1 + buffers * min(size, FANCY))) + 4096


def take_along_kernel(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    along = axis % x.ndim
    if math.prod(indices.shape):
        check_bounds("take_along_axis", int(xp.min(indices)), int(xp.max(indices)), x.shape[along], along)
    if xp is np and indices.dtype == np.uint64:
        indices = indices.view(np.int64)  # all are in range
    if not hasattr(
        xp, "vectorize"
    ):  # the standard does not say that negative indices work, nor that shapes broadcast
        a, b = list(x.shape), list(indices.shape)
        a[along] = b[along] = 1
        common = broadcast_shapes(tuple(a), tuple(b))
        x = xp.broadcast_to(x, (*common[:along], x.shape[along], *common[along + 1 :]))
        indices = xp.broadcast_to(indices, (*common[:along], indices.shape[along], *common[along + 1 :]))
        indices = xp.where(indices < 0, indices + x.shape[along], indices)
    return xp.take_along_axis(x, indices, axis=along)
