"""Draws by the inverse distribution function: Laplace, Gumbel, logistic and Cauchy variates.

    value = quantile(u),  u = (w + 1/2) 2^-32 of a 32-bit word; for float64 of 52 bits of a 64-bit word

u is never 0 or 1, so no variate is infinite. The formulas are evaluated in float64 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from graphflow.graph import Tensor, composition
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.cast import dtype_of
from graphflow.ops.philox import Key, blocks32, converted, workspace_nbytes
from graphflow.ops.random_node import (
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
from graphflow.ops.random_words import open_unit
from graphflow.types import Shape

__all__ = ["random_cauchy", "random_gumbel", "random_laplace", "random_logistic"]


def _laplace(xp: Any, u: Any) -> Any:
    t = u - 0.5
    return -xp.sign(t) * xp.log(1 - 2 * xp.abs(t))


QUANTILES: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "laplace": _laplace,
        "gumbel": lambda xp, u: -xp.log(-xp.log(u)),
        "logistic": lambda xp, u: xp.log(u) - xp.log1p(-u),
        "cauchy": lambda xp, u: xp.tan((u - 0.5) * math.pi),
    }
)


HELD: Mapping[str, int] = MappingProxyType({"laplace": 40, "gumbel": 24, "logistic": 32, "cauchy": 24})
"""Bytes that each holds for an element, measured."""


def _nbytes(held: int, inputs: Any, outputs: Any, *, dtype: Any, **attrs: Any) -> int:
    each = words_per_element(dtype)
    return workspace_nbytes(each * int(outputs[0].size), held // each)


class _Draw:
    """The kernel that draws by one quantile function."""

    def __init__(self, kind: str) -> None:
        self.quantile = QUANTILES[kind]

    def __call__(
        self, xp: Any, draw: Any, *like: Any, key: Key, shape: Shape, dtype: Any, out: Any = None
    ) -> Any:
        result, flat, n = flat_output(xp, like, shape, dtype, out)
        each = words_per_element(dtype)
        for at, words in blocks32(xp, key, draw, each * n):
            u = open_unit(xp, words[0::2], words[1::2]) if each == 2 else open_unit(xp, words)
            first = at // each
            flat[first : first + u.shape[0]] = converted(xp, self.quantile(xp, u), dtype_of(xp, dtype))
            del u
        return result


OPS: Mapping[str, Op] = MappingProxyType(
    {
        kind: declare(
            Op(
                f"random_{kind}",
                infer_draw,
                _Draw(kind),
                no_gradient,
                Trait.RANDOM | Trait.OUT,
                dtype=draw_dtype,
                flops=lambda inputs, outputs, *, dtype, **attrs: (
                    (27 * words_per_element(dtype) + 50) * int(outputs[0].size)
                ),
                workspace=partial(_nbytes, HELD[kind]),
                doc=f"{kind.capitalize()} variates around 0, of scale 1.",
            )
        )
        for kind in QUANTILES
    }
)


def _drawn(kind: str, shape: Any, loc: Any, scale: Any, dtype: Any, seed: Any, name: str | None) -> Tensor:
    label = f"random_{kind}"
    with composition(label if name is None else name):
        z = new_draw(OPS[kind], shape, float_dtype(label, dtype), seed, None)
        rule = "at least 0"
        width = parameter(label, "scale", scale, z.type, lambda v: finite(v) and bool(np.all(v >= 0)), rule)
        shift = parameter(label, "loc", loc, z.type, finite, "finite")
        plain = type(width) is float and width == 1.0
        scaled = z if plain else z * width
        return scaled if type(shift) is float and shift == 0.0 else scaled + shift


@public
def random_laplace(
    shape: Any,
    loc: Any = 0.0,
    scale: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Laplace variates, density exp(-|x - loc| / scale) / (2 scale), new ones at every run.

    shape: ints, dimensions, or sizes taken from `shape(x)`.
    loc, scale: numbers, or tensors that broadcast to `shape`; gradients flow to them (reparameterised).
    dtype: a real floating type, float32 where left out. seed: see `set_seed`. A composition of one draw.
    Raises ArgumentError for a scale that is negative or not finite, DTypeError for other dtypes.
    """
    return _drawn("laplace", shape, loc, scale, dtype, seed, name)


@public
def random_gumbel(
    shape: Any,
    loc: Any = 0.0,
    scale: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Gumbel variates, the largest of many: distribution function exp(-exp(-(x - loc) / scale)).

    Arguments and errors as for `random_laplace`. The largest of `logits + gumbel` is a class drawn with softmax(logits).
    """
    return _drawn("gumbel", shape, loc, scale, dtype, seed, name)


@public
def random_logistic(
    shape: Any,
    loc: Any = 0.0,
    scale: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Logistic variates: distribution function sigmoid((x - loc) / scale). Arguments as for `random_laplace`."""
    return _drawn("logistic", shape, loc, scale, dtype, seed, name)


@public
def random_cauchy(
    shape: Any,
    loc: Any = 0.0,
    scale: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Cauchy variates, which have no mean: density 1 / (π scale (1 + ((x - loc) / scale)²)). Arguments as above."""
    return _drawn("cauchy", shape, loc, scale, dtype, seed, name)
