"""Normal draws: Box and Muller's transform, and its truncation by the inverse distribution function.

How words of `philox` become normals (float32; float64 reads 64-bit words and 53 bits):

    normal       elements 2j and 2j+1 read words 2j and 2j+1:
                 radius = sqrt(-2 log(w[2j] * 2^-32 + 2^-33)),  angle = 2 pi (w[2j+1] >> 8) * 2^-24,
                 radius * cos(angle) and radius * sin(angle)
    truncated    q = ((w >> 8) + 1/2) * 2^-24 - 1/2, scaled to the mass within two standard deviations;
                 the value is the normal quantile of 1/2 + q

float16 and bfloat16 are drawn in float32 and rounded. Backends agree within 4 ULP: they differ in log, sin, cos.
Sources: Box and Muller 1958, "A note on the generation of random normal deviates"; Wichura 1988, "Algorithm
AS 241: the percentage points of the normal distribution".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.graph import Tensor, composition
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import as_tensor
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
from graphflow.types import Shape

__all__ = ["random_normal", "random_normal_like", "truncated_normal"]


def _normals(xp: Any, draw: Any, *like: Any, key: Key, shape: Shape, dtype: Any, out: Any = None) -> Any:
    result, flat, n = flat_output(xp, like, shape, dtype, out)
    wide = dtype.name == "float64"
    working = xp.float64 if wide else xp.float32
    bits, fraction = (53, 11) if wide else (32, 8)
    for first, words in (blocks64 if wide else blocks32)(xp, key, draw, n + n % 2):
        radius = words[0::2] >> 11 if wide else words[0::2]
        radius = converted(xp, radius, working) * 2.0**-bits + 2.0 ** -(bits + 1)
        radius = xp.sqrt(xp.log(radius) * -2.0)
        angle = converted(xp, words[1::2] >> fraction, working) * (2 * math.pi * 2.0 ** -(53 if wide else 24))
        pairs = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1)
        count = min(words.shape[0], n - first)
        flat[first : first + count] = converted(xp, xp.reshape(pairs, (-1,))[:count], dtype_of(xp, dtype))
        del words, radius, angle, pairs
    return result


RANDOM_NORMAL = declare(
    Op(
        "random_normal",
        infer_draw,
        _normals,
        no_gradient,
        Trait.RANDOM | Trait.OUT,
        dtype=draw_dtype,
        flops=lambda inputs, outputs, *, dtype, **attrs: (
            (25 * words_per_element(dtype) + 30) * int(outputs[0].size)
        ),
        workspace=lambda inputs, outputs, *, dtype, **attrs: workspace_nbytes(
            words_per_element(dtype) * (int(outputs[0].size) + 1), 16 if words_per_element(dtype) == 2 else 12
        ),
        doc="Normal floats of mean 0 and standard deviation 1.",
    )
)


# --- truncated ------------------------------------------------------------------------------------

WITHIN_TWO = math.erf(2 / math.sqrt(2))
"""Mass of the normal distribution within two standard deviations of the mean."""

SHORT = (
    (5.9109374720e1, 1.5929113202e2, 5.0434271938e1, 3.3871327179e0),
    (6.7187563600e1, 7.8757757664e1, 1.7895169469e1, 1.0),
    (1.7023821103e-1, 1.3067284816e0, 2.7568153900e0, 1.4234372777e0),
    (1.2021132975e-1, 7.3700164250e-1, 1.0),
)
"""PPND7 of AS 241, about 7 digits: numerator and denominator near the centre, then away from it."""

LONG = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
"""PPND16 of AS 241, about 16 digits."""


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    total = x * coefficients[0]
    total += coefficients[1]
    for c in coefficients[2:]:
        total *= x
        total += c
    return total


def _quantiles(xp: Any, q: Any, tables: tuple[tuple[float, ...], ...]) -> Any:
    """The normal quantile of `1/2 + q` for |q| < 0.4999: both branches for every element, then a choice."""
    top, bottom, tail_top, tail_bottom = tables
    squared = 0.180625 - q * q
    central = q * _polynomial(top, squared) / _polynomial(bottom, squared)
    magnitude = xp.abs(q)
    r = xp.sqrt(-xp.log(0.5 - magnitude)) - 1.6
    tail = _polynomial(tail_top, r) / _polynomial(tail_bottom, r)
    return xp.where(magnitude <= 0.425, central, xp.where(q < 0, -tail, tail))


def _truncated(xp: Any, draw: Any, *like: Any, key: Key, shape: Shape, dtype: Any, out: Any = None) -> Any:
    result, flat, n = flat_output(xp, like, shape, dtype, out)
    tables: tuple[tuple[float, ...], ...]
    if dtype.name == "float64":
        bits, shift, signed, working, tables, blocks = 53, 11, xp.int64, xp.float64, LONG, blocks64
    else:
        bits, shift, signed, working, tables, blocks = 24, 8, xp.int32, xp.float32, SHORT, blocks32
    for first, words in blocks(xp, key, draw, n):
        odd = converted(xp, (words >> shift) * 2 + 1, signed) - 2**bits
        q = converted(xp, odd, working) * (WITHIN_TWO * 2.0 ** -(bits + 1))
        value = xp.clip(_quantiles(xp, q, tables), -2.0, 2.0)
        flat[first : first + value.shape[0]] = converted(xp, value, dtype_of(xp, dtype))
        del words, odd, q, value
    return result


TRUNCATED_NORMAL = declare(
    Op(
        "truncated_normal",
        infer_draw,
        _truncated,
        no_gradient,
        Trait.RANDOM | Trait.OUT,
        dtype=draw_dtype,
        flops=lambda inputs, outputs, *, dtype, **attrs: (
            (25 * words_per_element(dtype) + 60) * int(outputs[0].size)
        ),
        workspace=lambda inputs, outputs, *, dtype, **attrs: workspace_nbytes(
            words_per_element(dtype) * int(outputs[0].size), 41 if words_per_element(dtype) == 2 else 38
        ),
        doc="Normal floats within two standard deviations of the mean.",
    )
)


# --- public ---------------------------------------------------------------------------------------


def _scaled(
    op: Op, where: Any, mean: Any, stddev: Any, dtype: np.dtype[Any], seed: Any, name: str | None
) -> Tensor:
    label = op.name
    if _is(mean, 0) and _is(stddev, 1):
        return new_draw(op, where, dtype, seed, name)
    with composition(label if name is None else name):
        z = new_draw(op, where, dtype, seed, None)
        scale = parameter(
            label, "stddev", stddev, z.type, lambda v: finite(v) and bool(np.all(v >= 0)), "at least 0"
        )
        shift = parameter(label, "mean", mean, z.type, finite, "finite")
        scaled = z if _is(scale, 1) else z * scale
        return scaled if _is(shift, 0) else scaled + shift


def _is(value: Any, number: float) -> bool:
    return type(value) in (int, float) and value == number


@public
def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normal numbers, new ones at every run: `mean + stddev * z`.

    shape: ints, dimensions, or sizes taken from `shape(x)`.
    mean, stddev: numbers, or tensors that broadcast to `shape`; gradients flow to them (reparameterised).
    dtype: a real floating type, float32 where left out. seed: see `set_seed`.
    Raises ArgumentError for a stddev that is negative or not finite, DTypeError for other dtypes.
    """
    return _scaled(RANDOM_NORMAL, shape, mean, stddev, float_dtype("random_normal", dtype), seed, name)


@public
def random_normal_like(
    x: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`random_normal` in the shape of `x`, whatever its rank; of x's dtype where that is a real floating type.

    Only the shape of `x` matters: no gradient flows to it.
    """
    x = as_tensor(x)
    wanted = x.type.dtype if dtype is None and x.type.dtype.name in BITS else dtype
    return _scaled(
        RANDOM_NORMAL, Like(x), mean, stddev, float_dtype("random_normal_like", wanted), seed, name
    )


@public
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normal numbers of which those beyond two standard deviations from the mean are never drawn.

    Their standard deviation is therefore 0.8796 * stddev. Arguments and errors as for `random_normal`.
    """
    return _scaled(TRUNCATED_NORMAL, shape, mean, stddev, float_dtype("truncated_normal", dtype), seed, name)
