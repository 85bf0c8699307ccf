"""Arena offsets: never an overlap, never below the bound, close to it, whatever the buffers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import ArgumentError
from graphflow.planning.arena import Lifetime, lower_bound_nbytes, plan_arena

LIFETIMES = st.lists(
    st.builds(
        lambda nbytes, first, length: Lifetime(nbytes, first, first + length),
        st.integers(0, 10_000),
        st.integers(-1, 60),
        st.integers(0, 30),
    ),
    max_size=60,
)


def _overlaps(buffers: list[Lifetime], offsets: tuple[int, ...]) -> list[tuple[int, int]]:
    found = []
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers[:i]):
            together = a.first <= b.last and b.first <= a.last
            touching = offsets[i] < offsets[j] + b.nbytes and offsets[j] < offsets[i] + a.nbytes
            if together and touching and a.nbytes and b.nbytes:
                found.append((i, j))
    return found


@given(LIFETIMES)
def test_no_two_live_buffers_overlap(buffers: list[Lifetime]) -> None:
    plan = plan_arena(buffers)
    assert _overlaps(buffers, plan.offsets) == []
    assert all(offset % 64 == 0 for offset in plan.offsets)
    assert all(
        offset + b.nbytes <= plan.nbytes for offset, b in zip(plan.offsets, buffers, strict=True) if b.nbytes
    )
    assert plan.nbytes >= lower_bound_nbytes(buffers)


def test_a_chain_needs_two_buffers() -> None:
    """a -> b -> c -> d: each value is read once, by the next."""
    chain = [Lifetime(1024, i, i + 1) for i in range(100)]
    assert plan_arena(chain).nbytes == 2048


def test_nested_lifetimes_stack() -> None:
    nested = [Lifetime(640, i, 20 - i) for i in range(10)]
    assert plan_arena(nested).nbytes == 6400


def test_many_buffers_stay_near_the_bound() -> None:
    buffers = [Lifetime(64 * (1 + i * 7919 % 50), i, i + 1 + i * 31 % 40) for i in range(5000)]
    assert plan_arena(buffers).nbytes <= 1.15 * lower_bound_nbytes(buffers)


def test_empty_and_zero_sized() -> None:
    assert plan_arena([]).nbytes == 0
    assert plan_arena([Lifetime(0, 0, 5), Lifetime(0, 2, 3)]).nbytes == 0
    assert lower_bound_nbytes([]) == 0


@pytest.mark.parametrize("alignment", [0, -64, 3, 100])
def test_bad_alignment(alignment: int) -> None:
    with pytest.raises(ArgumentError, match=f"not {alignment}"):
        plan_arena([Lifetime(1, 0, 1)], alignment)


@pytest.mark.parametrize("bad", [Lifetime(-1, 0, 1), Lifetime(8, 5, 4)])
def test_not_a_lifetime(bad: Lifetime) -> None:
    with pytest.raises(ArgumentError, match="not a lifetime"):
        plan_arena([bad])


def test_huge_sizes_are_exact() -> None:
    big = 2**62
    plan = plan_arena([Lifetime(big, 0, 2), Lifetime(big, 1, 3)])
    assert plan.nbytes == 2**63
