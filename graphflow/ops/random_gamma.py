"""Gamma variates, whose gradients flow to the shape parameter.

Shapes of at least 1 by Marsaglia and Tsang's squeeze: with d = a - 1/3 and a normal z, v = (1 + z / (3 √d))³ and d v is
accepted if log u < z²/2 + d (1 - v + log v). Smaller ones are a variate of shape a + 1 times w^(1/a) with uniform w.
Words 0 and 1 of an attempt make z as in `random_normal`, 2 is u, 3 is w. Formulas are evaluated in float64.
The gradient moves the variate so that its probability stays: dx/da = -(dP/da) / (dP/dx).
Sources: Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; Figurnov, Mohamed and Mnih 2018,
"Implicit reparameterization gradients".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.cast import dtype_of
from graphflow.ops.philox import Key, converted
from graphflow.ops.random_node import float_dtype
from graphflow.ops.random_parameters import checked_seed, positive_finite, shaped_for_each
from graphflow.ops.random_seed import draw_index
from graphflow.ops.random_words import fill_by_attempts, open_unit, rejection_nbytes
from graphflow.ops.special_gamma import variate_slope
from graphflow.types import TensorType

__all__ = ["gamma_variates", "random_gamma"]


def _attempt(log: bool) -> Any:
    def attempt(xp: Any, words: Any, a: Any) -> tuple[Any, Any]:
        valid = (a > 0) & (a < math.inf)
        shape = xp.where(valid, a, 1.0)
        small = shape < 1
        d = xp.where(small, shape + 1, shape) - 1 / 3
        radius = xp.sqrt(-2 * xp.log(open_unit(xp, words[0])))
        z = radius * xp.cos(converted(xp, words[1] >> 8, xp.float64) * (2 * math.pi * 2.0**-24))
        v = 1 + z / (3 * xp.sqrt(d))
        inside = v > 0
        v = xp.where(inside, v, 1.0)
        v = v * v * v
        accepted = inside & (xp.log(open_unit(xp, words[2])) < 0.5 * z * z + d * (1 - v + xp.log(v)))
        value = xp.log(d * v) if log else d * v
        if bool(xp.any(small)):
            power = xp.where(small, xp.log(open_unit(xp, words[3])) / shape, 0.0)
            value = value + power if log else value * xp.exp(power)
        ends = xp.where(a == 0, 0.0, xp.where(a == math.inf, a, math.nan))
        return xp.where(valid, value, xp.log(ends) if log else ends), accepted | ~valid

    return attempt


def _gamma_kernel(
    xp: Any, draw: Any, a: Any, *, key: Key, log: bool, dtype: np.dtype[Any], out: Any = None
) -> Any:
    if out is None:
        out = xp.empty(a.shape, dtype=dtype_of(xp, dtype))
    fill_by_attempts(xp, key, draw, [a], _attempt(log), out, dtype)
    return out


def _gamma_vjp(node: Any, g: Tensor) -> tuple[None, Tensor]:
    """Of a logarithm, dx/da / x; below e^-36, x has no digits left in it, and only the first term of P counts."""
    a, y = node.inputs[1], node.outputs[0]
    if not node.attrs["log"]:
        return None, g * variate_slope(a, y)
    tiny = F.less(y, -36.0)
    x = F.exp(F.where(tiny, 0, y))
    slope = F.where(tiny, (F.digamma(a + 1) - y) / a, variate_slope(a, x) / x)
    return None, g * slope


RANDOM_GAMMA: Op = declare(
    Op(
        "random_gamma",
        lambda draw, a, *, key, log, dtype: TensorType(dtype, a.shape),
        _gamma_kernel,
        _gamma_vjp,
        Trait.RANDOM | Trait.OUT,
        dtype=lambda draw, a, *, key, log, dtype: dtype,
        flops=lambda inputs, outputs, **attrs: 350 * int(outputs[0].size),
        workspace=rejection_nbytes(12.6),
        doc="Gamma variates of scale 1, or their logarithms.",
    )
)


def gamma_variates(a: Tensor, seed: Any, label: str, *, log: bool = False, name: str | None = None) -> Tensor:
    """Variates of scale 1 with the shapes `a`, in a's dtype; their logarithms, which never underflow, with `log`."""
    key, draw = draw_index(label, seed, a)
    return apply(RANDOM_GAMMA, draw, a, name=name, key=key, log=log, dtype=a.type.dtype)  # type: ignore[no-any-return]


@public
def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Gamma variates of shape `alpha` and rate `beta`, new ones at every run: mean alpha / beta.

    shape: of the draws for each element of alpha and beta, as in TensorFlow: the result has shape + their common shape.
    alpha, beta: positive numbers or tensors; beta is 1 where left out. Gradients flow to both: to alpha by implicit
        reparameterisation. In a tensor, a shape of 0 gives 0, a negative one or NaN gives NaN.
    dtype: a real floating type, float32 where left out. Each variate is made of 64 to 96 random bits. Those of shapes
        far below 1 underflow to 0. seed: see `set_seed`.
    A primitive. Raises ArgumentError for a known parameter that is not positive; ShapeError, DTypeError.
    """
    label = "random_gamma"
    wanted = float_dtype(label, dtype)
    given = [positive_finite("alpha", alpha)] + ([] if beta is None else [positive_finite("beta", beta)])
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        tensors = shaped_for_each(label, shape, wanted, *given)
        x = gamma_variates(tensors[0], seed, label)
        return x if beta is None else x / tensors[1]
