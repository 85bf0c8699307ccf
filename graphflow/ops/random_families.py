"""Distributions made of gamma, normal and uniform draws: beta, Dirichlet, chi-square, Student's t, lognormal, geometric."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.random_gamma import gamma_variates
from graphflow.ops.random_node import float_dtype
from graphflow.ops.random_parameters import Given, checked_seed, derived_seed, positive_finite, shaped
from graphflow.types import as_dtype, is_integer

__all__ = [
    "random_beta",
    "random_chi2",
    "random_dirichlet",
    "random_geometric",
    "random_lognormal",
    "random_student_t",
]


@public
def random_beta(
    shape: Any, a: Any, b: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Beta variates in [0, 1] of shapes `a` and `b`, new ones at every run. A composition of two gamma draws.

    shape: of the result, to which a and b broadcast; their common shape for None. a, b: positive; gradients flow to
    both. Small shapes keep their digits, as the quotient is taken of logarithms.
    dtype: a real floating type, float32 where left out. seed: see `set_seed`.
    Raises ArgumentError for a known parameter that is not positive; ShapeError, DTypeError.
    """
    label = "random_beta"
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        first, second = shaped(
            label, shape, float_dtype(label, dtype), positive_finite("a", a), positive_finite("b", b)
        )
        x = gamma_variates(first, seed, label, log=True)
        y = gamma_variates(second, derived_seed(seed, 1), label, log=True)
        return F.sigmoid(x - y)  # type: ignore[no-any-return]


@public
def random_dirichlet(
    shape: Any, alpha: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Vectors along the last axis that are positive and sum to 1, new ones at every run. A composition of gamma draws.

    alpha: [..., k], positive; gradients flow to it. shape: of the result, k at its end, to which alpha broadcasts; that
        of alpha for None. Else as `random_beta`; also ShapeError for a scalar alpha.
    """
    label = "random_dirichlet"
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        (a,) = shaped(label, shape, float_dtype(label, dtype), positive_finite("alpha", alpha))
        if a.type.shape == ():
            raise ShapeError(f"{label}: alpha must have an axis of components, got a scalar")
        return F.softmax(gamma_variates(a, seed, label, log=True))  # type: ignore[no-any-return]


@public
def random_chi2(
    shape: Any, df: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Chi-square variates of `df` > 0 degrees of freedom: twice gamma variates of shape df / 2. A composition.

    shape, dtype, seed and errors as for `random_beta`; gradients flow to df.
    """
    label = "random_chi2"
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        (k,) = shaped(label, shape, float_dtype(label, dtype), positive_finite("df", df))
        x: Tensor = gamma_variates(k * 0.5, seed, label) * 2
        return x


@public
def random_student_t(
    shape: Any, df: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Student's t variates of `df` > 0 degrees of freedom: z √(df / χ²). A composition of a normal and a gamma draw.

    shape, dtype, seed and errors as for `random_beta`; gradients flow to df.
    """
    label = "random_student_t"
    wanted = float_dtype(label, dtype)
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        (k,) = shaped(label, shape, wanted, positive_finite("df", df))
        z = F.random_normal_like(k, dtype=wanted, seed=derived_seed(seed, 1))
        half = gamma_variates(k * 0.5, seed, label, log=True)
        return z * F.exp((F.log(k * 0.5) - half) * 0.5)  # type: ignore[no-any-return]


@public
def random_lognormal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """exp of normal variates of that mean and standard deviation. A composition. Arguments as for `random_normal`."""
    label = "random_lognormal"
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        return F.exp(F.random_normal(shape, mean, stddev, float_dtype(label, dtype), seed))  # type: ignore[no-any-return]


@public
def random_geometric(
    shape: Any, p: Any, dtype: Any = "int64", seed: int | None = None, name: str | None = None
) -> Tensor:
    """How many trials of chance `p` are made up to the first success: 1, 2, ..., new ones at every run. A composition.

    shape: of the result, to which p broadcasts; that of p for None. p: in (0, 1]; no gradient flows to it.
    dtype: an integer type, at whose largest value counts stop. seed: see `set_seed`.
    It is 1 + floor(log(1 - u) / log(1 - p)), u having 53 bits. Raises ArgumentError for a known p outside (0, 1].
    """
    label = "random_geometric"
    wanted = as_dtype(dtype)
    if not is_integer(wanted):
        raise DTypeError(f"{label}: dtype must be an integer type, not {wanted.name}")
    chance = Given("p", p, lambda v: bool(np.all((v > 0) & (v <= 1))), "in (0, 1]")
    seed = checked_seed(label, seed)
    with composition(label if name is None else name):
        (q,) = shaped(label, shape, as_dtype("float64"), chance)
        u = F.random_uniform_like(q, dtype="float64", seed=seed)
        waits = F.floor(F.log1p(-u) / F.log1p(-F.stop_gradient(q)))
        return F.cast(waits + 1, wanted)  # type: ignore[no-any-return]
