"""Draws made from uniform words: coin flips, classes, waiting times, permutations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, RunError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import one_dim, typed
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.numpy_settings import BUFFER, fold_nbytes
from graphflow.ops.philox import Key, blocks32, blocks64, converted, workspace_nbytes
from graphflow.ops.random_node import finite, float_dtype, no_gradient, parameter
from graphflow.ops.random_seed import draw_index
from graphflow.types import (
    SUPPORTED,
    Dim,
    DimLike,
    TensorType,
    as_dtype,
    as_index,
    is_floating,
    is_integer,
    normalize_axis,
    unknown_dim,
)

__all__ = ["bernoulli", "categorical", "permutation", "random_exponential", "shuffle"]

INT64 = SUPPORTED["int64"]


# --- from uniform floats --------------------------------------------------------------------------


def _probable(array: Any) -> bool:
    return bool(np.all((array >= 0) & (array <= 1)))


@public
def bernoulli(
    p: Any, shape: Any = None, dtype: Any = bool, seed: int | None = None, name: str | None = None
) -> Tensor:
    """True with probability `p`: `u < p` for uniform u, new ones at every run. A composition.

    p: a number, array or tensor in [0, 1], exact to 24 bits (53 for float64). A tensor's values are not
        looked at: NaN and less than 0 give False, more than 1 gives True.
    shape: of the result, to which p broadcasts; that of p where left out.
    dtype: bool, or any type, in which True is 1. seed: see `set_seed`.
    Raises ArgumentError for a known p outside [0, 1] or NaN.
    """
    wanted = as_dtype(dtype)
    known = as_tensor(p) if hasattr(type(p), "__graphflow_tensor__") else as_array(p)
    float_type = "float64" if known.dtype == np.float64 and not isinstance(p, (int, float)) else "float32"
    with composition("bernoulli" if name is None else name):
        if shape is None and isinstance(known, Tensor):
            u = F.random_uniform_like(known, dtype=float_type, seed=seed)
        else:
            u = F.random_uniform(known.shape if shape is None else shape, dtype=float_type, seed=seed)
        bound = parameter("bernoulli", "p", p, u.type, _probable, "in [0, 1]")
        return F.cast(F.less(u, bound), wanted)  # type: ignore[no-any-return]


@public
def random_exponential(
    shape: Any, scale: Any = 1.0, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Exponential waiting times of mean `scale`, new ones at every run: `-scale * log(1 - u)`. A composition.

    scale: a number, or a tensor that broadcasts to `shape`; gradients flow to it.
    dtype: a real floating type, float32 where left out. seed: see `set_seed`.
    Raises ArgumentError for a scale that is negative or not finite.
    """
    label = "random_exponential"
    with composition(label if name is None else name):
        u = F.random_uniform(shape, dtype=float_dtype(label, dtype), seed=seed)
        bound = parameter(
            label, "scale", scale, u.type, lambda v: finite(v) and bool(np.all(v >= 0)), "at least 0"
        )
        return F.negative(F.log1p(F.negative(u))) * bound  # type: ignore[no-any-return]


# --- classes --------------------------------------------------------------------------------------

COMPARED_NBYTES = 1 << 18
"""Bytes compared at a time; measured: above 4096 comparisons a row, a binary search a row is faster."""

SEARCH_FROM = 4096


def _infer_categorical(
    draw: TensorType, logits: TensorType, *, key: Key, num_samples: int, dtype: np.dtype[Any]
) -> TensorType:
    if logits.rank == 0:
        raise ShapeError("logits need an axis of classes, got a scalar")
    classes = logits.dims[-1]
    if isinstance(classes, int) and classes == 0:
        raise ShapeError(f"logits {logits} have no classes to draw from")
    if isinstance(classes, int) and classes - 1 > np.iinfo(dtype).max:
        raise DTypeError(f"{classes} classes do not fit {dtype.name}")
    return typed(dtype, (*logits.dims[:-1], num_samples))


def _cumulative(xp: Any, logits: Any) -> Any:
    """Running sums of the unnormalised probabilities, float64[rows, classes]."""
    x = converted(xp, logits, xp.float64)
    top = xp.max(x, axis=1, keepdims=True)
    if not bool(xp.all(xp.isfinite(top))):
        row = int(xp.argmin(converted(xp, xp.isfinite(top[:, 0]), xp.int8)))
        raise RunError(f"categorical: row {row} of the logits holds NaN or +inf, or is all -inf")
    if xp is np:
        weights = np.subtract(x, top, out=None if x is logits else x)
        return np.cumsum(np.exp(weights, out=weights), axis=1, out=weights)
    weights = xp.exp(x - top)
    return xp.cumsum(weights, axis=1) if hasattr(xp, "cumsum") else xp.cumulative_sum(weights, axis=1)


def _categorical(xp: Any, draw: Any, logits: Any, *, key: Key, num_samples: int, dtype: np.dtype[Any]) -> Any:
    shape = (*logits.shape[:-1], num_samples)
    classes = logits.shape[-1]
    rows = math.prod(shape[:-1])
    result = xp.empty((rows, num_samples), dtype=dtype_of(xp, dtype))
    if rows and num_samples:
        sums = _cumulative(xp, xp.reshape(logits, (rows, classes)))
        flat = xp.empty((rows * num_samples,), dtype=xp.float64)
        for first, words in blocks32(xp, key, draw, rows * num_samples):
            flat[first : first + words.shape[0]] = words if xp is np else converted(xp, words, xp.float64)
            del words
        targets = xp.reshape(flat, (rows, num_samples))
        targets *= 2.0**-32
        targets *= sums[:, -1:]
        step = 1 if num_samples * classes > SEARCH_FROM else COMPARED_NBYTES // (num_samples * classes)
        for first in range(0, rows, step):
            part = slice(first, min(first + step, rows))
            if num_samples * classes > SEARCH_FROM:
                found = xp.searchsorted(sums[first, :], targets[first, :], side="right")[None, :]
            else:
                below = sums[part, None, :] <= targets[part, :, None]
                found = xp.sum(below.view(xp.int8) if xp is np else converted(xp, below, xp.int8), axis=2)
                del below
            result[part, :] = found if xp is np else converted(xp, found, dtype_of(xp, dtype))
            del found
    return xp.reshape(result, shape)


def _categorical_workspace(inputs: Any, outputs: Any, *, num_samples: int, **attrs: Any) -> int:
    """The running sums and what is looked for in them; beside these their making, words, or a step of the search."""
    samples, logits, classes = int(outputs[0].size), int(inputs[1].size), int(inputs[1].dims[-1])
    if not samples:
        return 0
    rows, all_rows = COMPARED_NBYTES // max(1, num_samples * classes), logits // classes
    step = 16 * num_samples
    if num_samples * classes <= SEARCH_FROM:
        some = min(rows, all_rows)
        part, found = TensorType(np.dtype(np.int8), (some, num_samples, classes)), 8 * some * num_samples
        step = some * num_samples * classes + max(2 * 8 * BUFFER, found + fold_nbytes(part, INT64, INT64))
    making = 8 * logits + 8 * BUFFER + 8 * all_rows
    return max(making, 8 * logits + 8 * samples + max(workspace_nbytes(samples, 2), step))


CATEGORICAL = declare(
    Op(
        "categorical",
        _infer_categorical,
        _categorical,
        no_gradient,
        Trait.RANDOM | Trait.FALLIBLE,
        dtype=lambda draw, logits, *, dtype, **attrs: dtype,
        flops=lambda inputs, outputs, **attrs: 25 * int(inputs[1].size) + 40 * int(outputs[0].size),
        workspace=_categorical_workspace,
        doc="Classes drawn with the probabilities softmax(logits).",
    )
)


@public
def categorical(
    logits: Any,
    num_samples: int | None = None,
    dtype: Any = "int64",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Classes drawn independently with the probabilities `softmax(logits)`, new ones at every run.

    logits: floats[..., classes]; -inf is a class that is never drawn.
    num_samples: draws for each row; the result is int64[..., num_samples], or int64[...] where left out.
    The running sums of exp(logits - max) in float64 are searched for `u * total`, u having 32 bits.
    Raises ShapeError where there are no classes; at the run RunError for a row with NaN, +inf, or nothing but -inf.
    """
    x = as_tensor(logits)
    if not is_floating(x.type.dtype) or x.type.dtype.kind == "c":
        raise DTypeError(f"categorical: logits must be real floats, got {x.type}")
    wanted = as_dtype(dtype)
    if not is_integer(wanted):
        raise DTypeError(f"categorical: dtype must be an integer type, not {wanted.name}")
    count = 1 if num_samples is None else as_index(num_samples, "categorical: num_samples")
    if count < 0:
        raise ArgumentError(f"categorical: num_samples must be at least 0, not {shorten(count)}")
    key, draw = draw_index("categorical", seed, x)
    if num_samples is not None:
        return apply(CATEGORICAL, draw, x, name=name, key=key, num_samples=count, dtype=wanted)  # type: ignore[no-any-return]
    with composition("categorical" if name is None else name):
        drawn = apply(CATEGORICAL, draw, x, key=key, num_samples=1, dtype=wanted)
        return F.squeeze(drawn, axis=-1)  # type: ignore[no-any-return]


# --- permutations ---------------------------------------------------------------------------------


def _length(like: TensorType | None, n: DimLike | None, axis: int) -> DimLike:
    return n if like is None else like.dims[normalize_axis(axis, like.rank)]  # type: ignore[return-value]


def _infer_permutation(
    draw: TensorType, like: TensorType | None = None, *, key: Key, n: DimLike | None, axis: int
) -> TensorType:
    return typed(INT64, (_length(like, n, axis),))


def _permutation(xp: Any, draw: Any, *like: Any, key: Key, n: int, axis: int) -> Any:
    count = like[0].shape[axis] if like else n
    index_bits = max(count - 1, 0).bit_length()
    keys = xp.empty((count,), dtype=xp.uint64)
    for first, words in blocks64(xp, key, draw, count):
        places = xp.arange(first, first + words.shape[0], dtype=xp.uint64)
        keys[first : first + words.shape[0]] = (words >> index_bits << index_bits) | places
    if xp is np:
        keys.sort()
    else:
        keys = xp.sort(keys)
    keys &= 2**index_bits - 1
    return keys.view(np.int64) if xp is np else converted(xp, keys, xp.int64)


PERMUTATION = declare(
    Op(
        "permutation",
        _infer_permutation,
        _permutation,
        no_gradient,
        Trait.RANDOM,
        dtype=lambda draw, like=None, **attrs: (TensorType(INT64, (unknown_dim(),)),),
        flops=lambda inputs, outputs, **attrs: 90 * int(outputs[0].size),
        workspace=lambda inputs, outputs, **attrs: workspace_nbytes(2 * int(outputs[0].size), 16),
        doc="The integers below n in random order.",
    )
)


def _permuted(
    x: Tensor | None, n: DimLike | None, axis: int, seed: Any, name: str | None, label: str
) -> Tensor:
    """A permutation of `n`, or of the length of an axis of `x`."""
    inputs: tuple[Tensor, ...] = ()
    if x is not None:
        if x.type.shape is not None:
            if not x.type.shape:
                raise ShapeError(f"{label}: x must have an axis, got the scalar {x!r}")
            n = x.type.dims[normalize_axis(axis, x.type.rank, f"{label}: axis")]
        if n is None or (isinstance(n, Dim) and n.is_anonymous):
            inputs, n = (x,), None
    key, draw = draw_index(label, seed, x)
    return apply(PERMUTATION, draw, *inputs, name=name, key=key, n=n, axis=axis)  # type: ignore[no-any-return]


@public
def permutation(x: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The integers 0, ..., x-1 in random order, int64[x]; or the rows of an array or tensor `x` in random order.

    x: an int, a dimension or a size taken from `shape(t)`; or a tensor or array with at least one axis.
    The order is that of random 64-bit keys, whose low bits are replaced by the position, so that no two are equal;
    that favours no order by more than one part in 2^(64 - 2 * bits of x). seed: see `set_seed`. Raises ShapeError for a negative int.
    """
    known = x.__graphflow_tensor__() if hasattr(type(x), "__graphflow_tensor__") else x
    if isinstance(known, Tensor):
        count = known.type.shape == () and is_integer(known.type.dtype)
    else:
        plain = isinstance(x, (Dim, np.ndarray, float)) or hasattr(x, "__index__")
        known = x if plain else as_tensor(x)
        count = not isinstance(known, (Tensor, np.ndarray)) or known.ndim == 0
    if count:
        n = one_dim(known, "permutation: x")
        return _permuted(None, n, 0, seed, name, "permutation")
    return shuffle(known, seed=seed, name=name)


@public
def shuffle(x: Any, axis: int = 0, seed: int | None = None, name: str | None = None) -> Tensor:
    """`x` with its slices along `axis` in random order: a `take` by a permutation. A composition."""
    x, along = as_tensor(x), as_index(axis, "shuffle: axis")
    with composition("shuffle" if name is None else name):
        return F.take(x, _permuted(x, None, along, seed, None, "shuffle"), axis=along)  # type: ignore[no-any-return]
