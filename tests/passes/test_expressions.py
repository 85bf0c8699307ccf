"""The passes on single expressions one after another, on random graphs of what they look for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.passes.cancel_movement import cancel_movement, cancel_movement_fast
from graphflow.passes.canonicalize import canonicalize
from graphflow.passes.factor import factor, factor_fast
from graphflow.passes.fold_constants import fold_constants
from graphflow.passes.fold_products import fold_products, fold_products_fast
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.simplify import simplify, simplify_fast
from graphflow.subgraph import Subgraph, cut
from graphflow.types import SUPPORTED, TensorType
from graphflow.verify import verify
from tests.passes.exactness import bits, operand_values, run

EXACT = (canonicalize, merge_equal, simplify, cancel_movement, factor, fold_products, fold_constants)
FAST = (canonicalize, simplify_fast, cancel_movement_fast, factor_fast, fold_products_fast, merge_equal)
SIZE = 9
SHAPE = (SIZE, SIZE)

STEPS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x + gf.cast(gf.constant(0), x.dtype),
    lambda x, y: x - 0,
    lambda x, y: x * 1,
    lambda x, y: x * -1 if x.dtype.kind != "u" else -x,
    lambda x, y: -x,
    lambda x, y: gf.negative(-x),
    lambda x, y: gf.square(x),
    lambda x, y: x * x + x * y,
    lambda x, y: (x + 2) + 3,
    lambda x, y: gf.abs(-x) if x.dtype.kind != "c" else gf.conj(gf.conj(x)),
    lambda x, y: gf.where(x == y, x, gf.where(x == y, y, x)),
    lambda x, y: gf.where(gf.logical_not(x != y), x, y),
    lambda x, y: gf.transpose(x),
    lambda x, y: gf.transpose(gf.transpose(x) * y),
    lambda x, y: gf.transpose(-gf.transpose(x)),
    lambda x, y: x[::-1],
    lambda x, y: x[::-1, ::-1],
    lambda x, y: gf.reshape(gf.reshape(x, (SIZE * SIZE,)), SHAPE),
    lambda x, y: gf.reshape(gf.transpose(x), SHAPE),
    lambda x, y: gf.broadcast_to(x[1], SHAPE) * y,
    lambda x, y: gf.broadcast_to(x[0, 0], SHAPE),
    lambda x, y: gf.concat(gf.split(x, 3, 0), 0),
    lambda x, y: gf.split(gf.concat([x, y], 0), 2, 0)[1],
    lambda x, y: gf.identity(x),
    lambda x, y: gf.broadcast_to(gf.sum(x, 0, dtype=x.dtype), SHAPE),
    lambda x, y: gf.broadcast_to(
        gf.sum(gf.broadcast_to(x[:, None], (SIZE, 2, SIZE)), 1, dtype=x.dtype), SHAPE
    ),
    lambda x, y: gf.broadcast_to(gf.sum(x * 3, dtype=x.dtype), SHAPE),
    lambda x, y: gf.broadcast_to(gf.sum(gf.sum(x, 0, dtype=x.dtype), 0, dtype=x.dtype), SHAPE),
    lambda x, y: gf.matmul(x, y),
    lambda x, y: gf.transpose(gf.matmul(gf.transpose(x), y)),
]


def _built(dtype: str, steps: list[tuple[int, int, int]], count: int) -> tuple[Subgraph, list[gf.Tensor]]:
    feeds = [gf.placeholder(dtype, SHAPE) for _ in range(2)]
    values: list[gf.Tensor] = list(feeds)
    for number, i, j in steps:
        values.append(STEPS[number % len(STEPS)](values[i % len(values)], values[j % len(values)]))
    return cut(values[-count:], feeds), feeds


def _feeds(dtype: str, seed: int) -> list[np.ndarray[Any, Any]]:
    """Special numbers, or such whose sums tell the order in which they are added."""
    rng = np.random.default_rng(seed)
    kind = SUPPORTED[dtype]
    if seed % 2 and kind.kind not in "iu":
        return [rng.normal(size=SHAPE).astype(kind) for _ in range(2)]
    return [rng.choice(v, SHAPE) for v in operand_values(kind, 2)]


steps = st.lists(st.tuples(*[st.integers(0, 500)] * 3), min_size=1, max_size=14)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint16", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]
)
@given(steps=steps, count=st.integers(1, 3), seed=st.integers(0, 1000))
def test_exact_passes_in_a_row_keep_every_bit(
    dtype: str, steps: list[tuple[int, int, int]], count: int, seed: int
) -> None:
    with gf.Graph().as_default():
        before, _ = _built(dtype, steps, count)
        after = before
        for function in (*EXACT, *EXACT):
            after = function(after)
            verify(after, function.__name__)
    assert _types(after) == _types(before)
    feeds = _feeds(dtype, seed)
    for old, new in zip(run(before, feeds), run(after, feeds), strict=True):
        assert bits(old) == bits(new)


@given(steps=steps, seed=st.integers(0, 1000))
def test_fast_passes_in_a_row_keep_whole_numbers(steps: list[tuple[int, int, int]], seed: int) -> None:
    """Small whole numbers, whose sums and products float64 has exactly in any order."""
    with gf.Graph().as_default():
        before, _ = _built("float64", steps[:6], 1)
        after = before
        for function in (*FAST, *FAST):
            after = function(after)
            verify(after, function.__name__)
    rng = np.random.default_rng(seed)
    feeds = [rng.integers(-3, 4, SHAPE).astype("float64") for _ in range(2)]
    old, new = run(before, feeds)[0], run(after, feeds)[0]
    if np.max(np.abs(old)) < 2**40:
        assert np.array_equal(old, new)


def _types(subgraph: Subgraph) -> list[TensorType]:
    return [t.type for t in subgraph.outputs]
