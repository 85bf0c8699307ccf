"""Packings: sections, best fit in any order, and a search that is exact on small ones (against an integer program)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from benchmarks.packing import filled_rectangle
from graphflow.planning.arena import Lifetime, lower_bound_nbytes, plan_arena
from graphflow.planning.exact_packing import search_packing
from graphflow.planning.packing import ORDERS, Packing, fit_in_order, packing_of

BUFFERS = st.lists(
    st.builds(
        lambda size, first, length: (size, first, first + length),
        st.integers(1, 12),
        st.integers(-2, 9),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=7,
)


def _packing(buffers: Sequence[tuple[int, int, int]]) -> Packing:
    return packing_of(*zip(*buffers, strict=True))


def _height(packing: Packing, offsets: Sequence[int]) -> int:
    """The height, after a check that nothing overlaps."""
    boxes = list(zip(packing.sizes, packing.firsts, packing.lasts, offsets, strict=True))
    for (s, a, b, o), (t, c, d, p) in itertools.combinations(boxes, 2):
        assert b < c or d < a or o + s <= p or p + t <= o
    assert all(o >= 0 for o in offsets)
    return max(s + o for s, _, _, o in boxes)


def _optimum(packing: Packing) -> int:
    """The lowest height, by an integer program: for each pair that meets, one lies below the other."""
    sizes, n = packing.sizes, len(packing.sizes)
    meets = [
        (i, j)
        for i, j in itertools.combinations(range(n), 2)
        if packing.firsts[i] <= packing.lasts[j] and packing.firsts[j] <= packing.lasts[i]
    ]
    most, width = sum(sizes), n + 1 + len(meets)  # offsets, the height, which of a pair is above
    rows, limits = [], []
    for k, (i, j) in enumerate(meets):
        for below, above, sign in ((i, j, 1), (j, i, -1)):
            row = np.zeros(width)
            row[below], row[above], row[n + 1 + k] = 1, -1, sign * most
            rows.append(row)
            limits.append(-sizes[below] + (most if sign == 1 else 0))
    for i in range(n):
        row = np.zeros(width)
        row[i], row[n] = 1, -1
        rows.append(row)
        limits.append(-sizes[i])
    upper = np.array([most] * (n + 1) + [1] * len(meets))
    goal = np.zeros(width)
    goal[n] = 1
    result = milp(
        goal,
        integrality=np.ones(width),
        bounds=Bounds(np.zeros(width), upper),
        constraints=LinearConstraint(np.array(rows), -np.inf, np.array(limits)),
    )
    return round(result.fun)


@settings(max_examples=25)
@given(BUFFERS)
def test_the_search_is_exact_on_small_packings(buffers: list[tuple[int, int, int]]) -> None:
    packing = _packing(buffers)
    most = sum(packing.sizes) + 1
    found = search_packing(packing, packing.bound, most, 200_000)
    assert found is not None
    height = _height(packing, found)
    assert height == _optimum(packing)
    assert search_packing(packing, packing.bound, height, 200_000) is None


def test_packings_that_cannot_reach_their_bound() -> None:
    """Rare ones, found by chance: every section is full, and yet no packing is as low as the bound."""
    cases = [
        (4, 5, "4-5:3 0-2:1 1-3:1 1-1:2 3-3:2 5-5:1 2-4:1 2-2:1 0-0:3"),
        (5, 6, "5-5:2 3-3:2 4-5:3 2-4:1 2-3:1 3-4:1 0-2:3 0-0:2"),
        (5, 6, "3-5:3 0-1:2 5-5:2 2-4:1 1-4:1 1-2:2 0-0:3 2-2:1"),
    ]
    for bound, optimum, text in cases:
        spans = [item.replace("-", ":").split(":") for item in text.split()]
        packing = _packing([(int(size), int(first), int(last)) for first, last, size in spans])
        assert packing.bound == bound
        assert _optimum(packing) == optimum
        found = search_packing(packing, bound, 100, 100_000)
        assert found is not None
        assert _height(packing, found) == optimum
        assert search_packing(packing, bound, optimum, 100_000) is None


@given(BUFFERS)
def test_sections_say_who_meets_whom(buffers: list[tuple[int, int, int]]) -> None:
    packing = _packing(buffers)
    assert len(packing.loads) <= len(buffers)
    for (i, a), (j, b) in itertools.combinations(enumerate(buffers), 2):
        meet = packing.firsts[i] <= packing.lasts[j] and packing.firsts[j] <= packing.lasts[i]
        assert meet == (a[1] <= b[2] and b[1] <= a[2])
    assert packing.bound * 64 == lower_bound_nbytes([Lifetime(64 * s, a, b) for s, a, b in buffers])


@given(BUFFERS)
def test_best_fit_in_every_order(buffers: list[tuple[int, int, int]]) -> None:
    packing = _packing(buffers)
    for order in ORDERS:
        chosen = order(packing)
        assert sorted(chosen) == list(range(len(buffers)))
        found = fit_in_order(packing, chosen, 1000)
        assert found is not None
        height = _height(packing, found)
        assert fit_in_order(packing, chosen, height) is None
        assert fit_in_order(packing, chosen, height + 1) == found


def test_full_rectangles_are_packed_without_a_gap() -> None:
    """100 buffers that fill their bound entirely; best fit leaves a quarter empty."""
    for seed in range(4):
        boxes = filled_rectangle(100, seed=seed, duration=2000, height=1 << 12)
        packing = _packing(boxes)
        assert packing.bound == 1 << 12 == min(packing.loads)
        found = search_packing(packing, packing.bound, 1 << 20, 20_000)
        assert found is not None
        assert _height(packing, found) == packing.bound


def test_a_large_arena_with_a_gap_is_worth_effort() -> None:
    boxes = filled_rectangle(150, seed=5, duration=300, height=1 << 12)
    buffers = [Lifetime(64 * 256 * size, first, last) for size, first, last in boxes]
    bound = lower_bound_nbytes(buffers)
    quick, thorough = (plan_arena(buffers, effort=effort) for effort in (0, 20_000))
    assert thorough.nbytes < quick.nbytes
    assert thorough.nbytes <= 1.15 * bound
    assert plan_arena(buffers, effort=20_000) == thorough
    small = [Lifetime(64 * size, first, last) for size, first, last in boxes]
    assert plan_arena(small, effort=20_000) == plan_arena(small, effort=0)  # 256 KiB: not worth it


def test_another_search_can_take_the_place_of_ours() -> None:
    asked = []

    def nothing(packing: Packing, target: int, below: int, effort: int) -> None:
        asked.append((len(packing.sizes), target, below, effort))

    boxes = filled_rectangle(60, seed=1, duration=50, height=1 << 12)
    buffers = [Lifetime(64 * 256 * size, first, last) for size, first, last in boxes]
    plan = plan_arena(buffers, effort=10_000, search=nothing)
    assert asked
    assert all(0 < target < below and effort > 0 for _, target, below, effort in asked)
    assert plan.nbytes <= plan_arena(buffers, effort=0).nbytes


def test_many_small_buffers_beside_a_few_large_ones() -> None:
    """The small ones get a strip of their own, and the search is about the large ones."""
    chance = random.Random(3)
    large = [Lifetime(1 << 20, k, k + 1 + chance.randrange(9)) for k in range(40)]
    middle = [Lifetime(3 << 19, k, k + 1 + chance.randrange(7)) for k in range(0, 40, 3)]
    small = [
        Lifetime(64 + chance.randrange(200), k, k + chance.randrange(5)) for k in range(40) for _ in "123"
    ]
    buffers = large + small + middle
    plan = plan_arena(buffers, effort=20_000)
    assert plan.nbytes <= 1.06 * lower_bound_nbytes(buffers)
    boxes = list(zip(buffers, plan.offsets, strict=True))
    for (a, o), (b, p) in itertools.combinations(boxes, 2):
        assert a.last < b.first or b.last < a.first or o + a.nbytes <= p or p + b.nbytes <= o
