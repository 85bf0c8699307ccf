"""Random graphs for hypothesis: small, of mixed ops, with sharing, views, broadcasting and dead ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphflow as gf

__all__ = ["Built", "Recipe", "build", "recipes"]

UNARY: list[Callable[[Any], Any]] = [
    gf.exp,
    gf.sin,
    gf.tanh,
    gf.negative,
    gf.abs,
    gf.square,
    lambda t: t * 0.5,
    lambda t: 1.0 + t,
    lambda t: gf.where(t > 0.0, t, -t),
    lambda t: gf.transpose(t),
    lambda t: gf.reshape(t, (-1,)) if t.ndim == 2 else gf.expand_dims(t, axis=0),
    lambda t: t[::-1] if t.ndim else t,
    lambda t: gf.sum(t, axis=0, keepdims=True) if t.ndim else t,
    lambda t: gf.mean(t),
    lambda t: gf.cast(gf.cast(t, "float32"), "float64"),
    lambda t: gf.ones_like(t) * 3.0,
    lambda t: gf.cumulative_sum(gf.reshape(t, (-1,))),
]
BINARY: list[Callable[[Any, Any], Any]] = [
    gf.add,
    gf.subtract,
    gf.multiply,
    gf.maximum,
    gf.atan2,
    lambda a, b: gf.where(a < b, a, b),
    lambda a, b: gf.concat([gf.reshape(a, (-1,)), gf.reshape(b, (-1,))], axis=0),
]


@dataclass(frozen=True)
class Recipe:
    """steps: (op number, first operand, second operand) modulo what exists. fetches: which values are asked for."""

    steps: tuple[tuple[int, int, int], ...]
    fetches: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Built:
    """A recipe's placeholders with their values, all values, and those that are fetched."""

    feeds: dict[gf.Tensor, Any]
    values: list[gf.Tensor]
    fetches: list[gf.Tensor]


def recipes(max_steps: int = 25) -> st.SearchStrategy[Recipe]:
    """Random recipes."""
    number = st.integers(0, 10_000)
    return st.builds(
        Recipe,
        st.lists(st.tuples(number, number, number), min_size=1, max_size=max_steps).map(tuple),
        st.lists(number, min_size=1, max_size=4).map(tuple),
        st.integers(0, 2**31),
    )


def build(recipe: Recipe, *, unknown: bool = False) -> Built:
    """Build a recipe in the default graph; operands that do not broadcast are flattened and cut to one element."""
    rng = np.random.default_rng(recipe.seed)
    shapes = [(2, 3), (3,), (1, 3), ()]
    feeds: dict[gf.Tensor, Any] = {}
    for shape in shapes:
        asked = tuple(None for _ in shape) if unknown and len(shape) == 1 else shape
        feeds[gf.placeholder("float64", asked)] = rng.uniform(-2, 2, shape)
    values = list(feeds)
    choices: list[Any] = [*UNARY, *BINARY]
    for number, i, j in recipe.steps:
        function = choices[number % len(choices)]
        a, b = values[i % len(values)], values[j % len(values)]
        if function in BINARY:
            values.append(_combine(function, a, b))
        else:
            values.append(function(a))
    return Built(feeds, values, [values[k % len(values)] for k in recipe.fetches])


def _combine(function: Any, a: gf.Tensor, b: gf.Tensor) -> gf.Tensor:
    if a is not b and not (
        a.type.is_static and b.type.is_static
    ):  # they might not broadcast once sizes are known
        return function(gf.sum(a), b)  # type: ignore[no-any-return]
    try:
        return function(a, b)  # type: ignore[no-any-return]
    except gf.errors.ShapeError:
        return function(gf.sum(a), b)  # type: ignore[no-any-return]
