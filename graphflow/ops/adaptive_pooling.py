"""Pooling to a given output size, whatever the input's: means and maxima of windows that may differ by one element."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import dims_argument, typed
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.pooling_global import inner_axes
from graphflow.ops.pooling_ops import AVG_POOL, MAX_POOL
from graphflow.ops.resample import resampled
from graphflow.ops.resample_rules import Rule
from graphflow.ops.ufunc import reals
from graphflow.types import SUPPORTED, DimLike, Shape, TensorType, as_index, is_floating

__all__ = ["adaptive_avg_pool", "adaptive_max_pool"]


def _sizes(op: str, x: Tensor, output_size: Any, data_format: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """The axes to pool, and what sizes they shall have."""
    axes = inner_axes(op, x, data_format)
    spatial = len(axes)
    if hasattr(output_size, "__index__") and not isinstance(output_size, np.ndarray):
        sizes: tuple[DimLike, ...] = (as_index(output_size, f"{op}: output_size"),) * spatial
    else:
        sizes = dims_argument(output_size, f"{op}: output_size")
    if len(sizes) != spatial:
        raise ArgumentError(
            f"{op}: output_size needs {spatial} numbers for {spatial} axes, got {shorten(output_size)}"
        )
    if any(isinstance(size, int) and size < 1 for size in sizes):
        raise ArgumentError(f"{op}: output_size must be at least 1, got {shorten(output_size)}")
    return axes, sizes


# --- where the maxima are -------------------------------------------------------------------------


def _infer_argmax(x: TensorType, *, axes: tuple[int, ...], sizes: Shape) -> TensorType:
    dims = list(x.dims)
    for axis, size in zip(axes, sizes, strict=True):
        if isinstance(dims[axis], int) and dims[axis] == 0:
            raise ShapeError(f"axis {axis} of {x} is empty, and nothing at all has no largest element")
        dims[axis] = size
    return typed(SUPPORTED["int64"], tuple(dims))


def _candidates(n: int, size: int) -> np.ndarray[Any, Any]:
    """For each window its elements, as many as the longest has, the last one repeated: int64[longest, size]."""
    i = np.arange(size)
    first, last = i * n // size, -(-(i + 1) * n // size) - 1
    found: np.ndarray[Any, Any] = np.minimum(first + np.arange(int((last - first).max()) + 1)[:, None], last)
    return found


def _picked(xp: Any, x: Any, axes: Sequence[int], lines: Sequence[Any]) -> Iterator[Any]:
    """Every combination of one candidate along each axis, in row-major order of the windows."""
    held: list[Any] = [x, *[None] * len(axes)]
    before: tuple[int, ...] = (-1,) * len(axes)
    for chosen in itertools.product(*[range(len(rows)) for rows in lines]):
        first = next(k for k, (a, b) in enumerate(zip(chosen, before, strict=True)) if a != b)
        held[first + 1 :] = [None] * (len(axes) - first)  # before new ones are made
        for k in range(first, len(axes)):
            held[k + 1] = xp.take(held[k], xp.asarray(lines[k][chosen[k]]), axis=axes[k])
        before = chosen
        yield held[-1]


def _places(sizes: Sequence[int], axes: Sequence[int], rows: Sequence[Any], ndim: int) -> Any:
    """Where one candidate of each window is in the flattened image, in a shape that broadcasts."""
    place = np.zeros((), np.int64)
    for n, axis, row in zip(sizes, axes, rows, strict=True):
        place = place * n + row.reshape((-1,) + (1,) * (ndim - axis - 1))
    return place


def _argmax_kernel(xp: Any, x: Any, *, axes: tuple[int, ...], sizes: tuple[int, ...], out: Any = None) -> Any:
    """Candidate after candidate, in row-major order of the windows, so that the first maximum stays."""
    shape = list(x.shape)
    for axis, size in zip(axes, sizes, strict=True):
        shape[axis] = size
    if out is None:
        out = xp.zeros(tuple(shape), dtype=xp.int64)
    if not math.prod(shape):
        return out
    lines = [_candidates(x.shape[axis], size) for axis, size in zip(axes, sizes, strict=True)]
    spans = [x.shape[axis] for axis in axes]
    if xp is np:
        _first_matches(x, axes, lines, spans, out)
        return out
    best: Any = None
    floating = is_floating(numpy_dtype(x))
    for values, rows in zip(_picked(xp, x, axes, lines), itertools.product(*lines), strict=True):
        place = xp.broadcast_to(xp.asarray(_places(spans, axes, rows, x.ndim)), out.shape)
        if best is None:
            best, out[...] = values, place
            continue
        better = values > best
        if floating:
            better = xp.logical_or(better, xp.logical_and(xp.isnan(values), xp.logical_not(xp.isnan(best))))
        best, out[...] = xp.where(better, values, best), xp.where(better, place, out)
    return out


def _first_matches(x: Any, axes: Sequence[int], lines: Sequence[Any], spans: Sequence[int], out: Any) -> None:
    """NumPy: the maxima first, axis by axis, and then how many candidates come before the first that is one."""
    best = x
    for axis, rows in zip(axes, lines, strict=True):
        whole = best
        best = np.take(whole, rows[0], axis=axis)
        for row in rows[1:]:
            np.maximum(best, np.take(whole, row, axis=axis), out=best)
        del whole
    found, match = np.zeros(best.shape, bool), np.empty(best.shape, bool)
    number = np.zeros(best.shape, np.int32)
    for values in _picked(np, x, axes, lines):
        np.equal(values, best, out=match)
        np.logical_or(found, match, out=found)
        np.add(number, np.logical_not(found, out=match), out=number)
    missing = np.logical_not(found, out=found)
    if missing.any():  # only NaN differs from itself
        for t, values in enumerate(_picked(np, x, axes, lines)):
            nan = np.logical_and(np.isnan(values), missing)
            number[nan] = t
            missing[nan] = False
    del best, values, found, match, missing
    out[...] = 0
    scale = 1
    for n, axis, rows in reversed(list(zip(spans, axes, lines, strict=True))):
        index = np.remainder(number, len(rows), dtype=np.intp)
        index *= rows.shape[1]
        index += np.arange(rows.shape[1]).reshape((-1,) + (1,) * (x.ndim - axis - 1))
        along = np.take(rows, index)
        along *= scale
        out += along
        del along, index
        number //= len(rows)
        scale *= n


def _argmax_workspace(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axes: tuple[int, ...], sizes: Any
) -> int:
    """Bytes of the maxima along some axes, of candidates with some axes already picked beside what is compared, of places."""
    x, count = inputs[0], int(outputs[0].size)  # type: ignore[arg-type]  # static
    dims: Any = list(x.dims)
    before, maxima, picked = 0, 0, 0
    for axis, size in zip(axes, sizes, strict=True):
        dims[axis] = size
        now = math.prod(dims) * x.dtype.itemsize
        maxima = max(maxima, before + 2 * now)
        picked += now
        before = now
    places = 20 * count + buffers_nbytes(count, *[SUPPORTED["int64"]] * 3)
    return max(maxima, picked + count * (2 * x.dtype.itemsize + 6), places)


ADAPTIVE_ARGMAX = declare(
    Op(
        "adaptive_argmax",
        _infer_argmax,
        _argmax_kernel,
        lambda node, g: (None,),
        Trait.OUT,
        dtype=lambda x, **attrs: SUPPORTED["int64"],
        flops=lambda inputs, outputs, **attrs: int(inputs[0].size),
        workspace=_argmax_workspace,
        doc="Where, in the flattened image, each of a given number of windows has its first maximum.",
    )
)


# --- the public functions -------------------------------------------------------------------------


def _even(x: Tensor, axes: tuple[int, ...], sizes: tuple[Any, ...]) -> dict[str, Any] | None:
    """The attributes of plain pooling, where all windows are equal."""
    windows = []
    for axis, size in zip(axes, sizes, strict=True):
        n = x.type.dims[axis]
        if not isinstance(n, int) or not isinstance(size, int) or n == 0 or n % size:
            return None
        windows.append((n // size, n // size, 1, "VALID"))
    return {"axes": axes, "windows": tuple(windows), "rank": x.type.rank}


@public
def adaptive_avg_pool(
    value: Any, output_size: Any, data_format: Any = "N...C", name: str | None = None
) -> Tensor:
    """The means of `output_size` windows along each axis between batch and channels. A composition.

    output_size: an int, or one for each of these axes. Window i of an axis of n elements goes from floor(i n / size)
    to ceil((i + 1) n / size), so that all elements are in one or two windows. data_format: as for `max_pool`.
    Integers become the default float.
    Raises ArgumentError for sizes below 1, ShapeError for an unknown rank or an empty axis.
    Source: PyTorch's `adaptive_avg_pool2d`.
    """
    t = reals("adaptive_avg_pool", value)
    axes, sizes = _sizes("adaptive_avg_pool", t, output_size, data_format)
    with composition("adaptive_avg_pool" if name is None else name):
        even = _even(t, axes, sizes)
        if even is not None:
            return make_node(AVG_POOL, (t,), {**even, "divisor": "inside"}).outputs[0]
        result = t
        for axis, size in zip(axes, sizes, strict=True):
            result = resampled(result, axis, size, Rule("adaptive"))
        return result


@public
def adaptive_max_pool(
    value: Any, output_size: Any, data_format: Any = "N...C", name: str | None = None
) -> Tensor:
    """The largest elements of `output_size` windows along each axis between batch and channels. A composition.

    Windows as for `adaptive_avg_pool`. Integers keep their dtype; NaN counts as the largest. The gradient goes to
    the first maximum of each window, in row-major order.
    Raises as `adaptive_avg_pool`.
    """
    t = reals("adaptive_max_pool", value, floating=False)
    axes, sizes = _sizes("adaptive_max_pool", t, output_size, data_format)
    with composition("adaptive_max_pool" if name is None else name):
        even = _even(t, axes, sizes)
        if even is not None:
            return make_node(MAX_POOL, (t,), even).outputs[0]
        places = apply(ADAPTIVE_ARGMAX, t, axes=axes, sizes=sizes)
        picked = F.take_along_axis(
            F.flatten(t, axes[0], axes[-1]), F.flatten(places, axes[0], axes[-1]), axes[0]
        )
        return F.unflatten(picked, axes[0], sizes)  # type: ignore[no-any-return]
