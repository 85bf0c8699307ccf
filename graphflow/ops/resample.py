"""Resampling one axis: every new element is a weighted sum of old ones, by a rule of `resample_rules.py`.

The op and its adjoint are linear, and each other's gradient. Interpolation over several axes is one after another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, apply
from graphflow.op import Op, Trait, declare
from graphflow.ops.arguments import typed
from graphflow.ops.cast import dtype_of, numpy_dtype
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.philox import converted
from graphflow.ops.reduction import FLOAT32, is_half
from graphflow.ops.resample_rules import Combination, Part, Rule, adjoint_of, combination_of
from graphflow.types import Dim, DimLike, TensorType, dims_equal, is_floating, normalize_axis

__all__ = ["RESAMPLE", "resampled"]

CHUNK_NBYTES = 1 << 19
"""Bytes of output that are handled at a time."""


# --- kernels --------------------------------------------------------------------------------------


def _working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What weighted sums are computed in."""
    return FLOAT32 if is_half(dtype) else dtype


def _rows(before: int, size: int, after: int, itemsize: int) -> int:
    """How many leading rows are handled at a time."""
    return int(min(max(1, CHUNK_NBYTES // max(size * after * itemsize, 1)), max(before, 1)))


def _combine(x: Any, out: Any, how: Combination) -> None:
    """NumPy: fill `out`[before, m, after] with weighted sums of `x`[before, n, after]."""
    before, size, after = out.shape
    working = _working(x.dtype)
    plain = len(how.parts) == 1 and how.parts[0].outputs is None and how.parts[0].weights is None
    step = _rows(before, size, after, working.itemsize)
    if plain:
        for k in range(0, before, step):
            np.take(x[k : k + step], how.parts[0].inputs, axis=1, out=out[k : k + step], mode="clip")
        return
    picked = np.empty(step * size * after, x.dtype)
    term = picked if working == x.dtype else np.empty(step * size * after, working)
    sums = None if working == x.dtype else np.empty((step, size, after), working)
    factors = [None if p.weights is None else p.weights.astype(working)[:, None] for p in how.parts]
    for k in range(0, before, step):
        source, target = x[k : k + step], out[k : k + step]
        total = target if sums is None else sums[: target.shape[0]]
        for number, (part, factor) in enumerate(zip(how.parts, factors, strict=True)):
            shape = (target.shape[0], part.inputs.size, after)
            values, scaled = [a[: math.prod(shape)].reshape(shape) for a in (picked, term)]
            np.take(source, part.inputs, axis=1, out=values, mode="clip")
            _add_part(total, values, scaled, part, factor, number == 0)
        if sums is not None:
            target[...] = total


def _add_part(total: Any, values: Any, scaled: Any, part: Part, factor: Any, first: bool) -> None:
    """Add weighted values to the outputs that have them; the first part makes the beginning."""
    if first and part.outputs is not None:
        total[...] = 0
    to = total if first and part.outputs is None else scaled
    if factor is not None:
        np.multiply(values, factor, out=to, dtype=to.dtype)
    elif to is not values:
        to[...] = values
    if to is total:
        return
    if part.outputs is None or isinstance(part.outputs, slice):
        there = total if part.outputs is None else total[:, part.outputs]
        np.add(there, scaled, out=there)
    else:
        total[:, part.outputs] += scaled


def _combine_anywhere(xp: Any, x: Any, how: Combination) -> Any:
    """Any array module: weighted sums of `x`[before, n, after]."""
    dtype = numpy_dtype(x)
    working = dtype_of(xp, _working(dtype))
    total: Any = None
    for part in how.parts:
        inputs = part.inputs
        if part.outputs is not None:
            inputs = np.zeros(how.size, np.int64)
            inputs[part.outputs] = part.inputs
        values = xp.take(x, xp.asarray(inputs), axis=1)
        if part.weights is not None:
            factor = part.weights
            if part.outputs is not None:
                factor = np.zeros(how.size)
                factor[part.outputs] = part.weights
            values = converted(xp, values, working) * xp.asarray(factor[:, None], dtype=working)
        if part.outputs is not None:
            counts = np.zeros((how.size, 1), bool)
            counts[part.outputs] = True
            values = xp.where(xp.asarray(counts), values, xp.zeros((), dtype=values.dtype))
        total = values if total is None else total + values
    return converted(xp, total, x.dtype)


def _apply(xp: Any, x: Any, axis: int, how: Combination | None, size: int, out: Any) -> Any:
    axis %= x.ndim
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    if how is None or not before * after:
        result = xp.zeros(shape, dtype=x.dtype) if out is None else out
        result[...] = 0
        return result
    if xp is not np:
        flat = xp.reshape(x, (before, x.shape[axis], after))
        result = xp.reshape(_combine_anywhere(xp, flat, how), shape)
        if out is not None:
            out[...] = result
        return result if out is None else out
    if out is None:
        out = np.empty(shape, x.dtype)
    step = shape[0] if axis == 0 or x.flags.c_contiguous else 1
    for k in range(0, shape[0], step):  # so that of what is not contiguous no more than an entry is copied
        source, target = (x, out) if step == shape[0] else (x[k : k + 1], out[k : k + 1])
        rows = before * step // shape[0]
        _combine(source.reshape(rows, x.shape[axis], after), target.reshape(rows, size, after), how)
    return out


def _resample_kernel(xp: Any, x: Any, *, axis: int, size: int, rule: tuple[Any, ...], out: Any = None) -> Any:
    n = x.shape[axis]
    how = combination_of(n, size, Rule(*rule)) if n and size else None
    return _apply(xp, x, axis, how, size, out)


def _grad_kernel(
    xp: Any,
    g: Any,
    like: Any = None,
    *,
    axis: int,
    size: int | None,
    resized: int,
    rule: tuple[Any, ...],
    out: Any = None,
) -> Any:
    n = like.shape[axis] if size is None else size
    how = adjoint_of(n, resized, Rule(*rule)) if n and resized else None
    return _apply(xp, g, axis, how, n, out)


def _resample_nbytes(
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    axis: int,
    size: int,
    rule: tuple[Any, ...],
) -> int:
    n: Any = inputs[0].dims[axis]
    return _nbytes(inputs[0], outputs[0], axis, combination_of(n, size, Rule(*rule)) if n and size else None)


def _grad_nbytes(
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    axis: int,
    resized: int,
    rule: tuple[Any, ...],
    **attrs: Any,
) -> int:
    n: Any = outputs[0].dims[axis]
    how = adjoint_of(n, resized, Rule(*rule)) if n and resized else None
    return _nbytes(inputs[0], outputs[0], axis, how)


def _nbytes(x: TensorType, y: TensorType, axis: int, how: Combination | None) -> int:
    """Of one piece, picked and weighted, and sums of 16-bit floats; of buffers, weights, and an entry copied."""
    sizes: Any = y.dims
    if how is None or not y.size or not x.size:
        return 0
    axis %= y.rank
    before, size, after = math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :])
    working = _working(x.dtype)
    entries: Any = x.dims[0] if axis else 1
    copied = int(x.nbytes or 0) // entries if entries > 1 else 0
    if len(how.parts) == 1 and how.parts[0].outputs is None and how.parts[0].weights is None:
        return copied
    rows = _rows(before, size, after, working.itemsize)
    hidden = rows * size * after * (x.dtype.itemsize + (2 * working.itemsize if working != x.dtype else 0))
    most = 0
    for part in how.parts:
        if part.outputs is not None and not isinstance(part.outputs, slice):
            most = max(most, rows * part.inputs.size * after * working.itemsize)
    buffers = buffers_nbytes(rows * size * after, *[working] * 3)
    return int(hidden + most + copied + buffers + size * working.itemsize * len(how.parts))


# --- declarations ---------------------------------------------------------------------------------


def _infer(x: TensorType, *, axis: int, size: DimLike, rule: tuple[Any, ...]) -> TensorType:
    axis = normalize_axis(axis, x.rank)
    n = x.dims[axis]
    if isinstance(n, int) and n == 0 and not (isinstance(size, int) and size == 0):
        raise ShapeError(f"axis {axis} of {x} is empty and cannot be resized to {size}")
    return typed(x.dtype, (*x.dims[:axis], size, *x.dims[axis + 1 :]))


def _vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    x, axis, rule = node.inputs[0], node.attrs["axis"], node.attrs["rule"]
    if not is_floating(x.type.dtype):
        return (None,)
    n = x.type.dims[axis]
    known = not (isinstance(n, Dim) and n.is_anonymous)
    inputs = (g,) if known else (g, x)
    attrs = {"axis": axis, "size": n if known else None, "resized": node.attrs["size"], "rule": rule}
    return (apply(RESAMPLE_GRAD, *inputs, **attrs),)


RESAMPLE = declare(
    Op(
        "resample",
        _infer,
        _resample_kernel,
        _vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 2 * int(outputs[0].size),
        workspace=_resample_nbytes,
        default_name="Resize",
        doc="An axis of another size, each element a weighted sum of old ones.",
    )
)


def _infer_grad(
    g: TensorType,
    *like: TensorType,
    axis: int,
    size: DimLike | None,
    resized: DimLike,
    rule: tuple[Any, ...],
) -> TensorType:
    axis = normalize_axis(axis, g.rank)
    if dims_equal(g.dims[axis], resized) is False:
        raise ShapeError(f"gradient {g} must have size {resized} along axis {axis}")
    n = like[0].dims[axis] if size is None else size
    others = [d for k, d in enumerate(g.dims) if k != axis]
    for t in like:
        wanted = [d for k, d in enumerate(t.dims) if k != axis]
        if any(dims_equal(a, b) is False for a, b in zip(others, wanted, strict=True)):
            raise ShapeError(f"gradient {g} does not fit {t} resized along axis {axis}")
    return typed(g.dtype, (*g.dims[:axis], n, *g.dims[axis + 1 :]))


def _grad_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    attrs = node.attrs
    back = apply(RESAMPLE, g, axis=attrs["axis"], size=attrs["resized"], rule=attrs["rule"])
    return back, *[None] * (len(node.inputs) - 1)


RESAMPLE_GRAD = declare(
    Op(
        "resample_grad",
        _infer_grad,
        _grad_kernel,
        _grad_vjp,
        Trait.OUT,
        dtype=lambda g, *like, **attrs: g.dtype,
        flops=lambda inputs, outputs, **attrs: 2 * int(inputs[0].size),
        workspace=_grad_nbytes,
        default_name="ResizeGrad",
        doc="The transpose of a resampling.",
    )
)


def resampled(x: Tensor, axis: int, size: DimLike, rule: Rule, name: str | None = None) -> Tensor:
    """`x` with an axis of another size; `x` itself where the rule leaves every element where it is."""
    if dims_equal(x.type.dims[axis], size) is True:
        return x
    return apply(RESAMPLE, x, name=name, axis=axis, size=size, rule=tuple(rule))  # type: ignore[no-any-return]
