"""How running sums and products are computed, and what that takes beside the arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of
from graphflow.ops.reduction import is_half
from graphflow.types import TensorType

__all__ = ["Running", "running_nbytes"]

PIECE = 1 << 15
"""Elements that are handled at a time where the dtype is not that of the sums."""


def _along(axis: int, start: int | None, stop: int | None, step: int | None, ndim: int) -> tuple[slice, ...]:
    axis %= ndim
    return (*[slice(None)] * axis, slice(start, stop, step), *[slice(None)] * (ndim - axis - 1))


class Running:
    """A kernel that folds along an axis and keeps every step: `cumulative_sum` or `cumulative_prod`."""

    __slots__ = ("initial", "name", "ufunc")

    def __init__(self, name: str, ufunc: str, initial: int) -> None:
        self.name = name
        self.ufunc = ufunc
        self.initial = initial

    def __call__(
        self,
        xp: Any,
        x: Any,
        *,
        axis: int,
        dtype: np.dtype[Any],
        include_initial: bool,
        reverse: bool,
        out: Any = None,
    ) -> Any:
        ndim = x.ndim
        step = -1 if reverse else None
        shape = list(x.shape)
        shape[axis] += int(include_initial)
        if out is None:
            out = xp.empty(tuple(shape), dtype=dtype_of(xp, dtype))
        target = out
        if include_initial:
            first = shape[axis] - 1 if reverse else 0
            rest = 0 if reverse else 1
            out[_along(axis, first, first + 1, None, ndim)] = self.initial
            target = out[_along(axis, rest, rest + x.shape[axis], None, ndim)]
        source, target = x[_along(axis, None, None, step, ndim)], target[_along(axis, None, None, step, ndim)]
        if xp is np:
            self._fold(source, target, axis % ndim)
        elif hasattr(xp, "copyto"):
            getattr(xp, "cum" + self.name.removeprefix("cumulative_"))(
                source, axis=axis, dtype=dtype, out=target
            )
        else:
            target[...] = getattr(xp, self.name)(source, axis=axis, dtype=dtype_of(xp, dtype))
        return out

    def _fold(self, source: Any, target: Any, axis: int) -> None:
        """NumPy, which would make whole copies of what is not of the dtype in which it accumulates."""
        accumulate = getattr(np, self.ufunc).accumulate
        if is_half(target.dtype):
            self._fold_pieces(source, target, axis)
        elif source.dtype == target.dtype:
            accumulate(source, axis, out=target)
        else:
            np.copyto(target, source, casting="unsafe")
            accumulate(target, axis, out=target)

    def _fold_pieces(self, source: Any, target: Any, axis: int) -> None:
        """Of 16-bit floats, in float32: each piece begins with what the one before it along the axis ended with."""
        ufunc, ndim = getattr(np, self.ufunc), source.ndim
        block = _block(source.shape)
        first, last = _along(axis, 0, 1, None, ndim), _along(axis, -1, None, None, ndim)
        starts = [[0] if a == axis else range(0, d, block[a]) for a, d in enumerate(source.shape)]
        for corner in itertools.product(*starts):
            before = None
            for k in range(0, source.shape[axis], block[axis]):
                place = (*corner[:axis], k, *corner[axis + 1 :])
                here = tuple([slice(i, i + size) for i, size in zip(place, block, strict=True)])
                part = source[here].astype(np.float32)
                if before is not None:
                    ufunc(before, part[first], out=part[first])
                ufunc.accumulate(part, axis, out=part)
                target[here] = part
                before = part[last].copy()
                del part

    def __repr__(self) -> str:
        return f"Running({self.name})"


def _block(shape: Sequence[int]) -> tuple[int, ...]:
    """The sizes of a piece of an array: whole in the last axes, so that memory is read in order."""
    left, sizes = PIECE, []
    for d in reversed(shape):
        sizes.append(max(1, min(d, left)))
        left //= sizes[-1]
    return tuple(sizes[::-1])


def running_nbytes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, **attrs: Any
) -> int:
    """Of 16-bit floats a piece, what it ended with, and what one before it did; else nothing."""
    x: Any = inputs[0]
    if not is_half(outputs[0].dtype) or not x.size:
        return 0
    block = _block(x.dims)
    piece = math.prod(block)
    ends = 1 if block[axis] == x.dims[axis] else 2
    return 4 * (piece + ends * piece // block[axis])
