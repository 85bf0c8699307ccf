"""The order of matrix products: found by brute force too, values kept, bits kept for integers."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.passes.order_products import (
    best_splits,
    near_best_splits,
    order_products,
    order_products_fast,
)
from tests.passes.patterns import Rewritten, bound, lines, rewritten, values


def _fed(shapes: list[tuple[int, ...]], dtype: str = "float64") -> dict[gf.Tensor, Any]:
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(s) if "float" in dtype else rng.integers(-(2**62), 2**62, s) for s in shapes]
    return {
        gf.placeholder(dtype, (None,) * len(s), name=f"x{k}"): v
        for k, (s, v) in enumerate(zip(shapes, made, strict=True))
    }


def _flops(result: Rewritten) -> tuple[int, int]:
    return tuple(  # type: ignore[return-value]
        sum(
            n.op.flops([t.type for t in n.inputs], [t.type for t in n.outputs])
            for n in s.nodes
            if n.type == "matmul"
        )  # type: ignore[misc]
        for s in (result.before, result.after)
    )


def test_what_a_chain_becomes() -> None:
    feeds = _fed([(30, 20), (20, 40), (40,)])
    a, b, v = feeds
    assert lines(rewritten(order_products_fast, bound([a @ b @ v], feeds)).after) == [
        "%0 = matmul(<x1:0>, <x2:0>) : float64[20]",
        "%1 = matmul(<x0:0>, %0) : float64[30]",
        "return %1",
    ]


def test_each_product_keeps_the_line_of_the_one_between_the_same_factors() -> None:
    feeds = _fed([(9, 8), (8, 7), (7, 1)])
    a, b, c = feeds
    first = gf.matmul(a, b, name="first")
    result = rewritten(order_products_fast, bound([gf.matmul(first, c, name="second")], feeds))
    assert [n.name for n in result.after.nodes] == ["second", "first"]  # b c is what `second` stood between


@given(st.lists(st.integers(1, 12), min_size=3, max_size=8))
def test_the_order_is_the_best_one(sizes: list[int]) -> None:
    @cache
    def least(i: int, j: int) -> int:
        return min(
            (least(i, k) + least(k + 1, j) + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)),
            default=0,
        )

    def cost(splits: dict[tuple[int, int], int], i: int, j: int) -> int:
        if i == j:
            return 0
        k = splits[i, j]
        return cost(splits, i, k) + cost(splits, k + 1, j) + sizes[i] * sizes[k + 1] * sizes[j + 1]

    best = least(0, len(sizes) - 2)
    assert cost(best_splits(sizes), 0, len(sizes) - 2) == best
    assert best <= cost(near_best_splits(sizes), 0, len(sizes) - 2) <= 1.155 * best


def test_long_chains_are_near_the_best_order_and_deep_ones_need_no_stack() -> None:
    def cost(splits: dict[tuple[int, int], int], sizes: list[int]) -> int:
        total, pending = 0, [(0, len(sizes) - 2)]
        while pending:
            i, j = pending.pop()
            if i < j:
                k = splits[i, j]
                total += sizes[i] * sizes[k + 1] * sizes[j + 1]
                pending += [(i, k), (k + 1, j)]
        return total

    for seed in range(5):
        sizes = [random.Random(seed).randint(1, 100) for _ in range(60)]
        assert cost(near_best_splits(sizes), sizes) <= 1.155 * cost(best_splits(sizes), sizes)
    feeds = _fed([(3, 3)] * 2 + [(3, 1)])
    a, b, v = feeds
    product = a
    for _ in range(3000):
        product = product @ b
    result = rewritten(order_products_fast, bound([product @ v], feeds))
    assert _flops(result)[1] < _flops(result)[0] / 2


_SHAPES = st.lists(st.integers(1, 6), min_size=3, max_size=6).flatmap(
    lambda sizes: st.tuples(
        st.just(sizes),
        st.lists(
            st.sampled_from([(), (1,), (3,), (2, 1), (2, 3)]),
            min_size=len(sizes) - 1,
            max_size=len(sizes) - 1,
        ),
        st.tuples(st.booleans(), st.booleans()),
        st.integers(0, 10_000),
    )
)


@given(_SHAPES, st.sampled_from(["float64", "int64"]))
def test_any_tree_of_products_keeps_its_value(case: Any, dtype: str) -> None:
    """A random tree, products in it transposed here and there, vectors at its ends."""
    sizes, leads, (row, column), seed = case
    rng = random.Random(seed)
    if row or column:
        leads = [()] * len(leads)
    shapes = [(*lead, m, n) for lead, m, n in zip(leads, sizes[:-1], sizes[1:], strict=True)]
    shapes[0] = shapes[0][1:] if row else shapes[0]
    shapes[-1] = shapes[-1][:1] if column else shapes[-1]
    with gf.Graph().as_default():
        feeds = _fed(shapes, dtype)
        parts = list(feeds)
        while len(parts) > 1:
            k = rng.randrange(len(parts) - 1)
            a, b = parts[k : k + 2]
            if rng.random() < 0.3 and min(a.ndim, b.ndim) > 1:
                product = gf.matrix_transpose(gf.matmul(b, a, transpose_a=True, transpose_b=True))
            else:
                product = a @ b
            parts[k : k + 2] = [product]
        before = bound(parts, feeds)
        exact, fast = rewritten(order_products, before), rewritten(order_products_fast, before)
        wanted, kept, changed = (values(s, feeds)[0] for s in (before, exact.after, fast.after))
        assert kept.tobytes() == wanted.tobytes()
        assert exact.fired <= (dtype == "int64")
        if dtype == "int64":
            assert changed.tobytes() == wanted.tobytes()
        np.testing.assert_allclose(changed, wanted, rtol=1e-10, atol=1e-10)
        spent = _flops(fast)
        assert spent[1] <= spent[0]
        assert fast.fired == (spent[1] < spent[0])


def test_what_is_needed_elsewhere_is_not_multiplied_twice() -> None:
    feeds = _fed([(50, 50), (50, 50), (50, 1)])
    a, b, v = feeds
    product = a @ b
    for fetches in ([product @ v, product], [product @ v, gf.sum(product)], [(product + 1.0) @ v]):
        assert not rewritten(order_products_fast, bound(fetches, feeds)).fired
    fed = bound([product @ v], {product: np.ones((50, 50)), v: feeds[v]})
    assert not rewritten(order_products_fast, fed).fired
    with gf.control_dependencies([gf.no_op()]):
        late = a @ b
    assert not rewritten(order_products_fast, bound([late @ v], feeds)).fired


def test_little_is_no_reason_to_round_otherwise() -> None:
    feeds = _fed([(10, 11), (11, 10), (10, 10)])
    a, b, c = feeds
    assert not rewritten(order_products_fast, bound([a @ (b @ c)], feeds)).fired  # 2200 against 2100
    integers = _fed([(10, 11), (11, 10), (10, 10)], "int64")
    a, b, c = integers
    result = rewritten(order_products_fast, bound([a @ (b @ c)], integers))
    assert result.fired
    assert result.rules == ["order_products"]


@pytest.mark.parametrize("shapes", [[(3, 4), (4,), (3, 5)], [(2, 3, 4), (4,), (3,)]])
def test_vectors_in_the_middle_stay_where_they_are(shapes: list[tuple[int, ...]]) -> None:
    feeds = _fed(shapes)
    a, v, b = feeds
    before = bound([(a @ v) @ b], feeds)
    assert not rewritten(order_products_fast, before).fired


def test_training_graphs_change_only_where_nothing_else_needs_a_product() -> None:
    feeds = _fed([(64, 32), (32, 64), (64, 1)])
    x, u, v = feeds
    loss = gf.sum(x @ u @ v)
    result = rewritten(order_products_fast, bound([loss, *gf.gradients(loss, [u, v])], feeds))
    for after, before in zip(values(result.after, feeds), values(result.before, feeds), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)
    assert _flops(result)[1] <= _flops(result)[0]
