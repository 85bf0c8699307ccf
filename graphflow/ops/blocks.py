"""Blocks of space moved into the batch and back: what dilated convolutions are made of. Compositions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import static_ints
from graphflow.ops.constant import as_tensor
from graphflow.ops.slicing import strided_slice
from graphflow.types import as_index

__all__ = ["batch_to_space_nd", "space_to_batch_nd"]

Pairs = tuple[tuple[int, int], ...]


def _nest(value: Any, what: str) -> Any:
    found = static_ints(value, what)
    return found.tolist() if isinstance(found, np.ndarray) else found


def _block(what: str, value: Any) -> tuple[int, ...]:
    found = _nest(value, f"{what}: block_shape")
    sizes = tuple(
        [
            as_index(v, f"{what}: block_shape")
            for v in (found if isinstance(found, (list, tuple)) else [found])
        ]
    )
    if any(s < 1 for s in sizes) or not sizes:
        raise ArgumentError(f"{what}: block_shape must be sizes of at least 1, got {shorten(value)}")
    return sizes


def _pairs(what: str, value: Any, count: int) -> Pairs:
    found = _nest(value, what)
    if (
        not isinstance(found, (list, tuple))
        or len(found) != count
        or any(not isinstance(p, (list, tuple)) or len(p) != 2 for p in found)
    ):
        raise ArgumentError(
            f"{what} must be {count} pairs, one for each size of the block, not {shorten(value)}"
        )
    pairs = tuple([(as_index(lo, what), as_index(hi, what)) for lo, hi in found])
    if any(lo < 0 or hi < 0 for lo, hi in pairs):
        raise ArgumentError(f"{what} must not be negative, got {shorten(value)}")
    return pairs


def _checked(what: str, input: Any, n_space: int) -> Tensor:
    x = as_tensor(input)
    if x.type.shape is None:
        raise ShapeError(f"{what}: the rank of {x!r} must be known")
    if len(x.type.shape) < n_space + 1:
        raise ShapeError(f"{what}: {x!r} must have a batch axis and the {n_space} axes of the block")
    return x


@public
def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """Every block of space spread over the batch: [n b0 b1 ..., (s0 + pads) / b0, ..., rest...].

    input: [n, s0, s1, ..., rest...]. block_shape: b0, b1, ..., for the axes after the first. paddings: a pair of
    zeros to put before and behind each of them. Element (i, j) of each block goes to its own n rows of the batch,
    in TensorFlow's order. A composition: a padding, a reshape and a transpose.
    Raises ArgumentError for sizes below 1 or bad pairs, ShapeError where a padded size is no multiple of its block,
    or for too few axes or an unknown rank.
    """
    what = "space_to_batch_nd"
    block = _block(what, block_shape)
    pads = _pairs(f"{what}: paddings", paddings, len(block))
    x = _checked(what, input, len(block))
    rank, n = len(x.type.dims), len(block)
    with composition(what if name is None else name):
        if any(lo or hi for lo, hi in pads):
            x = F.pad(x, [(0, 0), *pads, *[(0, 0)] * (rank - n - 1)])
        for k in range(n, 0, -1):
            size = x.type.dims[k]
            if isinstance(size, int) and size % block[k - 1]:
                raise ShapeError(
                    f"{what}: axis {k} has size {size} with its padding, no multiple of {block[k - 1]}"
                )
            x = F.unflatten(x, k, (-1 if not isinstance(size, int) else size // block[k - 1], block[k - 1]))
        inner, outer = range(2, 2 * n + 1, 2), range(1, 2 * n, 2)
        x = F.permute_dims(x, (*inner, 0, *outer, *range(2 * n + 1, rank + n)))
        result: Tensor = F.flatten(x, 0, n)
    return result


@public
def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """The inverse of `space_to_batch_nd`: [n / (b0 b1 ...), s0 b0 - crops, ..., rest...].

    input: [n, s0, s1, ..., rest...]. crops: a pair of how much to cut off before and behind each axis of the
    block. A composition: a reshape, a transpose and a slice.
    Raises ArgumentError for sizes below 1 or bad pairs, ShapeError where the batch is no multiple of the block or more
    is cut off than there is, or for too few axes or an unknown rank.
    """
    what = "batch_to_space_nd"
    block = _block(what, block_shape)
    cut = _pairs(f"{what}: crops", crops, len(block))
    x = _checked(what, input, len(block))
    rank, n = len(x.type.dims), len(block)
    total = int(np.prod(block, dtype=object))
    batch = x.type.dims[0]
    if isinstance(batch, int) and batch % total:
        raise ShapeError(f"{what}: the batch of {x!r} is no multiple of the {total} elements of a block")
    for k, ((lo, hi), size) in enumerate(zip(cut, block, strict=True), 1):
        wide = x.type.dims[k] * size
        if isinstance(wide, int) and lo + hi > wide:
            raise ShapeError(f"{what}: crops {lo} and {hi} take more than the {wide} elements of axis {k}")
    with composition(what if name is None else name):
        x = F.unflatten(x, 0, (*block, -1 if not isinstance(batch, int) else batch // total))
        mixed = [axis for k in range(n) for axis in (n + 1 + k, k)]
        x = F.permute_dims(x, (n, *mixed, *range(2 * n + 1, rank + n)))
        for k in range(1, n + 1):
            x = F.flatten(x, k, k + 1)
        slices = [(lo or None, -hi if hi else None, None) for lo, hi in cut]
        return strided_slice(x, [(None, None, None), *slices])
