"""Correlation with fixed weights along one axis: the building block of separable image filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, apply
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.arguments import typed
from graphflow.ops.window_plans import ufunc_nbytes
from graphflow.types import TensorType, normalize_axis

__all__ = ["AXIS_FILTER", "filtered"]

CHUNK_NBYTES = 1 << 19
"""Bytes of output that are handled at a time."""


def _infer(x: TensorType, *, axis: int, weights: tuple[float, ...]) -> TensorType:
    axis = normalize_axis(axis, x.rank)
    size = x.dims[axis] - (len(weights) - 1)
    if isinstance(size, int) and size < 1 and len(weights) > 1:
        raise ShapeError(f"axis {axis} of {x} is shorter than a filter of {len(weights)}")
    return typed(x.dtype, (*x.dims[:axis], size, *x.dims[axis + 1 :]))


def _step(shape: Sequence[int], itemsize: int) -> int:
    return int(max(1, min(shape[0], CHUNK_NBYTES // max(math.prod(shape[1:]) * itemsize, 1))))


def _slices(axis: int, count: int, weights: Sequence[float]) -> list[tuple[Any, float]]:
    """For each weight that is not 0 the elements that it is for."""
    lead = (slice(None),) * axis
    return [((*lead, slice(k, k + count), ...), w) for k, w in enumerate(weights) if w != 0]


def _kernel(xp: Any, x: Any, *, axis: int, weights: tuple[float, ...], out: Any = None) -> Any:
    axis %= x.ndim
    count = x.shape[axis] - len(weights) + 1
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    terms = _slices(axis, count, weights)
    if out is None:
        out = xp.empty(shape, dtype=x.dtype)
    if not terms or not math.prod(shape):
        out[...] = 0
        return out
    if xp is not np:
        total: Any = None
        for key, w in terms:
            term = x[key] * w
            total = term if total is None else total + term
        out[...] = total
        return out
    step = shape[0] if axis == 0 else _step(shape, x.itemsize)
    buffer = np.empty((step, *shape[1:]) if len(terms) > 1 else 0, x.dtype)
    for k in range(0, shape[0], step):
        source, target = (x, out) if axis == 0 else (x[k : k + step], out[k : k + step])
        term = buffer[: target.shape[0]]
        np.multiply(source[terms[0][0]], terms[0][1], out=target)
        for key, w in terms[1:]:
            np.multiply(source[key], w, out=term)
            np.add(target, term, out=target)
    return out


def _workspace(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, weights: tuple[float, ...]
) -> int:
    """Bytes of one weighted piece, where there are several."""
    y: Any = outputs[0]
    if not y.size or sum(w != 0 for w in weights) < 2:
        return 0
    step = y.dims[0] if axis % y.rank == 0 else _step(y.dims, y.dtype.itemsize)
    return step * int(math.prod(y.dims[1:])) * int(y.dtype.itemsize) + ufunc_nbytes(y)


def _vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """The same filter backwards, over gradients with zeros around them."""
    axis, weights = node.attrs["axis"], node.attrs["weights"]
    pads = [(0, 0)] * g.type.rank
    pads[axis] = (len(weights) - 1,) * 2
    return (filtered(F.pad(g, pads), axis, weights[::-1]),)


AXIS_FILTER = declare(
    Op(
        "axis_filter",
        _infer,
        _kernel,
        _vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, *, axis, weights: 2 * len(weights) * int(outputs[0].size),
        workspace=_workspace,
        doc="Sums of neighbours along an axis, with fixed weights.",
    )
)


def filtered(x: Tensor, axis: int, weights: Sequence[float]) -> Tensor:
    """`y[i] = sum of weights[k] * x[i + k]` along an axis, wherever all of them are inside; floats of 32 bits or more.

    A primitive: one slice for each weight, and no copies of windows.
    """
    return apply(AXIS_FILTER, x, axis=axis, weights=tuple([float(w) for w in weights]))  # type: ignore[no-any-return]
