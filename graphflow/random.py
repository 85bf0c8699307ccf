"""`gf.random`: counter-based draws, equal on every backend for equal seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.op import on_demand
from graphflow.ops.random import random_int as randint
from graphflow.ops.random import random_uniform as uniform
from graphflow.ops.random_derived import bernoulli, categorical, permutation, shuffle
from graphflow.ops.random_derived import random_exponential as exponential
from graphflow.ops.random_normal import random_normal as normal
from graphflow.ops.random_normal import truncated_normal
from graphflow.ops.random_seed import set_seed

if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.random_choice import multinomial, random_crop
    from graphflow.ops.random_choice import random_choice as choice
    from graphflow.ops.random_counts import random_binomial as binomial
    from graphflow.ops.random_counts import random_multinomial
    from graphflow.ops.random_counts import random_poisson as poisson
    from graphflow.ops.random_families import random_beta as beta
    from graphflow.ops.random_families import random_chi2 as chi2
    from graphflow.ops.random_families import random_dirichlet as dirichlet
    from graphflow.ops.random_families import random_geometric as geometric
    from graphflow.ops.random_families import random_lognormal as lognormal
    from graphflow.ops.random_families import random_student_t as student_t
    from graphflow.ops.random_gamma import random_gamma as gamma
    from graphflow.ops.random_quantiles import random_cauchy as cauchy
    from graphflow.ops.random_quantiles import random_gumbel as gumbel
    from graphflow.ops.random_quantiles import random_laplace as laplace
    from graphflow.ops.random_quantiles import random_logistic as logistic

__getattr__ = on_demand(
    globals(),
    beta="random_beta",
    binomial="random_binomial",
    cauchy="random_cauchy",
    chi2="random_chi2",
    choice="random_choice",
    dirichlet="random_dirichlet",
    gamma="random_gamma",
    geometric="random_geometric",
    gumbel="random_gumbel",
    laplace="random_laplace",
    logistic="random_logistic",
    lognormal="random_lognormal",
    poisson="random_poisson",
    student_t="random_student_t",
)

__all__ = [
    "bernoulli",
    "beta",
    "binomial",
    "categorical",
    "cauchy",
    "chi2",
    "choice",
    "dirichlet",
    "exponential",
    "gamma",
    "geometric",
    "gumbel",
    "laplace",
    "logistic",
    "lognormal",
    "multinomial",
    "normal",
    "permutation",
    "poisson",
    "randint",
    "random_crop",
    "random_multinomial",
    "set_seed",
    "shuffle",
    "student_t",
    "truncated_normal",
    "uniform",
]
