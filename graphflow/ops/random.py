"""Uniform draws: floats in [0, 1) and integers below a bound, with the same bits on every backend.

How bits become numbers, `w` being a word of `philox`:

    float32      (w >> 8)  * 2^-24          all values exact, so the same on every machine
    float64      (w >> 11) * 2^-53          a 64-bit word
    float16      (w >> 21) * 2^-11          fewer bits, since 24 could round up to 1
    bfloat16     (w >> 24) * 2^-8
    integers     low + floor(w * (high - low) / 2^64)     a 64-bit word; no value is favoured by more
                                                          than (high - low) / 2^64
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, GraphflowError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import as_array, as_tensor
from graphflow.ops.philox import Key, blocks32, blocks64, converted, workspace_nbytes
from graphflow.ops.random_node import (
    BITS,
    Like,
    draw_dtype,
    finite,
    flat_output,
    float_dtype,
    infer_draw,
    new_draw,
    no_gradient,
    parameter,
    words_per_element,
)
from graphflow.types import Shape, as_dtype, as_index, is_integer

__all__ = [
    "random_int",
    "random_uniform",
    "random_uniform_like",
]

# --- floats ---------------------------------------------------------------------------------------


def _unit_floats(xp: Any, dtype: np.dtype[Any], key: Key, draw: Any, n: int) -> Iterator[tuple[int, Any]]:
    """The first `n` uniform floats of a draw, as (position of the first, array) pieces."""
    bits = BITS[dtype.name]
    wide = dtype.name == "float64"
    working = xp.float64 if wide else xp.float32
    for first, words in (blocks64 if wide else blocks32)(xp, key, draw, n):
        words = words >> ((64 if wide else 32) - bits)
        floats = converted(xp, words, working)
        del words
        floats *= 2.0**-bits
        yield first, floats
        del floats


def _uniform(xp: Any, draw: Any, *like: Any, key: Key, shape: Shape, dtype: Any, out: Any = None) -> Any:
    result, flat, n = flat_output(xp, like, shape, dtype, out)
    for first, floats in _unit_floats(xp, dtype, key, draw, n):
        flat[first : first + floats.shape[0]] = converted(xp, floats, dtype_of(xp, dtype))
        del floats
    return result


RANDOM_UNIFORM = declare(
    Op(
        "random_uniform",
        infer_draw,
        _uniform,
        no_gradient,
        Trait.RANDOM | Trait.OUT,
        dtype=draw_dtype,
        flops=lambda inputs, outputs, *, dtype, **attrs: 27 * words_per_element(dtype) * int(outputs[0].size),
        workspace=lambda inputs, outputs, *, dtype, **attrs: workspace_nbytes(
            words_per_element(dtype) * int(outputs[0].size), 8
        ),
        doc="Uniform floats in [0, 1).",
    )
)


@public
def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Uniform numbers in [minval, maxval), new ones at every run.

    shape: ints, dimensions, or sizes taken from `shape(x)`.
    minval, maxval: numbers, or tensors that broadcast to `shape` (gradients flow to them); maxval is 1 where
        left out. Rounding in `minval + u * (maxval - minval)` can give maxval itself when the interval is
        narrow for the dtype.
    dtype: a real floating type, float32 where left out, or an integer type: then see `random_int`.
    seed: see `set_seed`. Two ops of one graph with the same explicit seed draw the same numbers.
    Raises ArgumentError unless minval < maxval, both finite; ShapeError for a bad shape.
    """
    if dtype is not None and is_integer(as_dtype(dtype)):
        return random_int(shape, minval, maxval, dtype, seed, name)
    return _uniform_between(shape, minval, maxval, float_dtype("random_uniform", dtype), seed, name)


@public
def random_uniform_like(
    x: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`random_uniform` in the shape of `x`, whatever its rank; of x's dtype where that is a real floating type.

    Only the shape of `x` matters: no gradient flows to it.
    """
    x = as_tensor(x)
    wanted = x.type.dtype if dtype is None and x.type.dtype.name in BITS else dtype
    return _uniform_between(Like(x), minval, maxval, float_dtype("random_uniform_like", wanted), seed, name)


def _uniform_between(
    where: Any, minval: Any, maxval: Any, dtype: np.dtype[Any], seed: Any, name: str | None
) -> Tensor:
    label = "random_uniform"
    high = 1.0 if maxval is None else maxval
    if _plain(minval) and _plain(high):
        _check_interval(label, minval, high, dtype)
        if not np.ndim(minval) and not np.ndim(high) and minval == 0 and high == 1:
            return new_draw(RANDOM_UNIFORM, where, dtype, seed, name)
    with composition(label if name is None else name):
        u = new_draw(RANDOM_UNIFORM, where, dtype, seed, None)
        low = parameter(label, "minval", minval, u.type, finite, "finite")
        high = parameter(label, "maxval", high, u.type, finite, "finite")
        return u * (high - low) + low  # type: ignore[no-any-return]


def _plain(value: Any) -> bool:
    return isinstance(value, (int, float, np.generic, np.ndarray, list, tuple))


def _bound(label: str, what: str, value: Any) -> np.ndarray[Any, Any]:
    try:
        array = as_array(value, weak_floats=False)
    except GraphflowError:
        array = None
    if array is None or array.dtype.kind == "c":
        raise ArgumentError(f"{label}: {what} must be a number, not {shorten(value)}")
    return array.astype(np.float64)


def _check_interval(label: str, low: Any, high: Any, dtype: np.dtype[Any]) -> None:
    a, b = _bound(label, "minval", low), _bound(label, "maxval", high)
    if not (finite(a) and finite(b)):
        raise ArgumentError(f"{label}: minval {shorten(low)} and maxval {shorten(high)} must be finite")
    if not np.all(a < b):
        raise ArgumentError(f"{label}: minval {shorten(low)} must be less than maxval {shorten(high)}")
    with np.errstate(over="ignore"):
        width = (b - a).astype(dtype).astype(np.float64)
    if not finite(width) or not finite(a.astype(dtype)):
        raise ArgumentError(
            f"{label}: the interval from {shorten(low)} to {shorten(high)} overflows {dtype.name}"
        )


# --- integers -------------------------------------------------------------------------------------


def _high_product(xp: Any, low: Any, high: Any, span: int) -> Any:
    """`floor(w * span / 2^64)` for the 64-bit words `w = low + high * 2^32`, by long multiplication in base 2^32."""
    if span == 2**64:
        return low | high << 32
    a, b = span & 0xFFFFFFFF, span >> 32
    total = low * a
    total >>= 32
    if not b:
        total += high * a
        total >>= 32
        return total
    q, r = high * a, low * b
    total += q & 0xFFFFFFFF
    total += r & 0xFFFFFFFF
    total >>= 32
    for rest in (q, r):
        rest >>= 32
        total += rest
    total += high * b
    return total


def _integers(
    xp: Any, draw: Any, *like: Any, key: Key, shape: Shape, dtype: Any, low: int, high: int, out: Any = None
) -> Any:
    result, flat, n = flat_output(xp, like, shape, dtype, out)
    offset = xp.asarray(low % 2**64, dtype=xp.uint64)
    for first, words in blocks32(xp, key, draw, 2 * n):
        even, odd = converted(xp, words[0::2], xp.uint64), converted(xp, words[1::2], xp.uint64)
        values = _high_product(xp, even, odd, high - low)
        values += offset
        flat[first // 2 : first // 2 + values.shape[0]] = converted(xp, values, dtype_of(xp, dtype))
        del even, odd, values
    return result


RANDOM_INT = declare(
    Op(
        "random_int",
        infer_draw,
        _integers,
        no_gradient,
        Trait.RANDOM | Trait.OUT,
        dtype=draw_dtype,
        flops=lambda inputs, outputs, **attrs: 56 * int(outputs[0].size),
        workspace=lambda inputs, outputs, *, low, high, **attrs: workspace_nbytes(
            2 * int(outputs[0].size), 16 if high - low < 2**32 else 24
        ),
        doc="Uniform integers in [low, high).",
    )
)


@public
def random_int(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = "int64",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Uniform integers in [minval, maxval), new ones at every run.

    minval, maxval: Python ints that the dtype can hold (maxval may be one more than its largest).
    dtype: an integer type. seed: see `set_seed`.
    No value is more likely than another by more than one part in 2^64 / (maxval - minval).
    Raises ArgumentError unless minval < maxval and both fit; DTypeError for other dtypes.
    """
    wanted = as_dtype(dtype)
    if not is_integer(wanted):
        raise DTypeError(f"random_int: dtype must be an integer type, not {wanted.name}")
    if maxval is None:
        raise ArgumentError("random_int: maxval is needed for integers")
    low, high = as_index(minval, "random_int: minval"), as_index(maxval, "random_int: maxval")
    if low >= high:
        raise ArgumentError(f"random_int: minval {shorten(low)} must be less than maxval {shorten(high)}")
    limits = np.iinfo(wanted)
    if low < limits.min or high > int(limits.max) + 1:
        raise ArgumentError(
            f"random_int: [{shorten(low)}, {shorten(high)}) does not fit {wanted.name} ({limits.min} to {limits.max})"
        )
    return new_draw(RANDOM_INT, shape, wanted, seed, name, low=low, high=high)
