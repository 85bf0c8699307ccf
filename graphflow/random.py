"""`gf.random`: counter-based draws, equal on every backend for equal seeds."""

from __future__ import annotations

from graphflow.ops.random import random_int as randint
from graphflow.ops.random import random_uniform as uniform
from graphflow.ops.random_derived import bernoulli, categorical, permutation, shuffle
from graphflow.ops.random_derived import random_exponential as exponential
from graphflow.ops.random_normal import random_normal as normal
from graphflow.ops.random_normal import truncated_normal
from graphflow.ops.random_seed import set_seed

__all__ = [
    "bernoulli",
    "categorical",
    "exponential",
    "normal",
    "permutation",
    "randint",
    "set_seed",
    "shuffle",
    "truncated_normal",
    "uniform",
]
