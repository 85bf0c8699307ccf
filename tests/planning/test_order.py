"""Orders: legal, never worse than the program's, and of the lowest peak where that can be checked."""

from __future__ import annotations

import math
import random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.orders import branchy_graphs, lowest_peak, peaks, random_problem
from graphflow.planning.contraction import contract
from graphflow.planning.exact_order import exact_order, improved
from graphflow.planning.list_orders import LIST_ORDERS
from graphflow.planning.order import OrderProblem, best_order, live_nbytes, peak_nbytes
from graphflow.planning.tasks import bound_nbytes, links


@st.composite
def problems(draw: st.DrawFn, most: int = 40) -> OrderProblem:
    return random_problem(random.Random(draw(st.integers(0, 10**9))), draw(st.integers(0, most)))


def _is_order(problem: OrderProblem, order: tuple[int, ...] | list[int]) -> bool:
    position = {task: k for k, task in enumerate(order)}
    legal = all(position[b] < position[t] for t, earlier in enumerate(problem.before) for b in earlier)
    return legal and sorted(order) == list(range(len(problem.before)))


def _shuffled(problem: OrderProblem, seed: int) -> list[int]:
    """Some legal order."""
    chance, left, order = random.Random(seed), list(range(len(problem.before))), []
    while left:
        ready = [t for t in left if not any(b in left for b in problem.before[t])]
        order.append(chance.choice(ready))
        left.remove(order[-1])
    return order


def _chain(n: int, nbytes: int = 64) -> OrderProblem:
    before = ((), *[(k,) for k in range(n - 1)])
    buffers = tuple((k,) for k in range(n))
    return OrderProblem(before, buffers, before, before, (nbytes,) * n, (n - 1,), (0,) * n)


def test_live_bytes_by_hand() -> None:
    """0 makes a; 1 turns a into b in place; 2 reads b and the fed f and makes c and the unused d; b is kept."""
    a, b, c, d, f = range(5)
    problem = OrderProblem(
        before=((), (0,), (1,)),
        makes=((a,), (b,), (c, d)),
        uses=((), (a,), (b, f)),
        reuses=((), (a,), (b, f)),
        nbytes=(10, 10, 7, 5, 7),
        kept=(b,),
        workspace=(0, 3, 2),
    )
    # f is there from the start; c takes over f's bytes; d goes at once
    assert live_nbytes(problem, [0, 1, 2]) == [7 + 10, 7 + 10 + 3, 7 + 10 + 5 + 2]
    assert peak_nbytes(problem, [0, 1, 2]) == 24
    assert bound_nbytes(problem, 2) == 24
    empty = OrderProblem((), (), (), (), (), (), ())
    assert live_nbytes(empty, []) == []
    assert peak_nbytes(empty, []) == 0
    assert best_order(empty) == ()


@given(problems(), st.integers(0, 100))
def test_live_bytes_are_those_made_and_still_needed(problem: OrderProblem, seed: int) -> None:
    order = _shuffled(problem, seed)
    made_at = {b: k for k, task in enumerate(order) for b in problem.makes[task]}
    last = {b: k for k, task in enumerate(order) for b in problem.uses[task]}
    last.update(dict.fromkeys(problem.kept, len(order)))
    found = []
    for k, task in enumerate(order):
        held = [b for b in range(len(problem.nbytes)) if made_at.get(b, -1) <= k]
        held = [b for b in held if last.get(b, made_at.get(b, len(order))) >= k]
        sizes, taken = [problem.nbytes[b] for b in problem.makes[task]], 0
        for b in problem.reuses[task]:
            if last[b] == k and problem.nbytes[b] in sizes:
                sizes.remove(problem.nbytes[b])
                taken += problem.nbytes[b]
        found.append(sum(problem.nbytes[b] for b in held) - taken + problem.workspace[task])
    assert live_nbytes(problem, order) == found
    bounds = [bound_nbytes(problem, task) for task in range(len(order))]
    assert all(bounds[task] <= nbytes for task, nbytes in zip(order, found, strict=True))


@given(problems(7))
def test_the_oracle_agrees_with_all_orders(problem: OrderProblem) -> None:
    graph = nx.DiGraph((b, t) for t, earlier in enumerate(problem.before) for b in earlier)
    graph.add_nodes_from(range(len(problem.before)))
    found = [peak_nbytes(problem, order) for order in nx.all_topological_sorts(graph)]
    assert lowest_peak(problem) == min(found, default=0)


@settings(max_examples=150)
@given(problems(12))
def test_up_to_twelve_tasks_have_the_lowest_peak(problem: OrderProblem) -> None:
    order, lowest = best_order(problem), lowest_peak(problem)
    assert _is_order(problem, order)
    assert peak_nbytes(problem, order) == lowest
    assert exact_order(problem, lowest)[0] is None
    found, looks = exact_order(problem, lowest + 1)
    assert found is not None
    assert peak_nbytes(problem, found) == lowest
    hurried, fewer = exact_order(problem, lowest + 1, looks=1)
    assert hurried in (None, found)
    assert fewer <= looks


@given(problems(60), st.integers(0, 100))
def test_orders_are_legal_and_never_worse(problem: OrderProblem, seed: int) -> None:
    program = peak_nbytes(problem, range(len(problem.before)))
    order = best_order(problem)
    assert _is_order(problem, order)
    assert order == best_order(problem)
    assert peak_nbytes(problem, order) <= program
    linked = links(problem)
    for rule in LIST_ORDERS:
        assert _is_order(problem, rule(problem, linked))
    before = _shuffled(problem, seed)
    better, peak = improved(problem, before, live_nbytes(problem, before), 0, 1000)
    assert _is_order(problem, better)
    assert peak == peak_nbytes(problem, better) <= peak_nbytes(problem, before)
    assert improved(problem, better, live_nbytes(problem, better), peak, 1000) == (better, peak)


@given(problems(10), st.integers(0, 100))
def test_contraction_keeps_the_lowest_peak(problem: OrderProblem, seed: int) -> None:
    contracted = contract(problem)
    order = _shuffled(contracted.problem, seed)
    whole = contracted.expanded(order)
    assert _is_order(problem, whole)
    assert peak_nbytes(problem, whole) <= peak_nbytes(contracted.problem, order)
    assert lowest_peak(contracted.problem) == lowest_peak(problem)


def test_what_is_contracted() -> None:
    assert contract(_chain(50)).groups == (tuple(range(50)),)
    # 0 and 1 read nothing and wait for 2; 3 has no bytes; 4 reads 2 in place
    problem = OrderProblem(
        before=((), (), (0, 1), (2,), (3, 2)),
        makes=((0,), (1,), (2,), (), (3,)),
        uses=((), (), (0, 1), (), (2,)),
        reuses=((), (), (0, 1), (), (2,)),
        nbytes=(64, 64, 64, 64),
        kept=(3,),
        workspace=(0, 0, 0, 0, 0),
    )
    contracted = contract(problem)
    assert contracted.groups == ((1, 0, 2, 4),)
    assert contracted.expanded([0]) == (1, 0, 2, 3, 4)
    assert peak_nbytes(contracted.problem, [0]) == 128


def test_branches_run_one_after_the_other() -> None:
    """0 -> 1..8 (a byte each) -> 9..16 (100 bytes each) -> 17..24 (a byte each) -> 25."""
    n = 8
    first, wide, narrow = range(1, 1 + n), range(1 + n, 1 + 2 * n), range(1 + 2 * n, 1 + 3 * n)
    reads = [(), *[(0,)] * n, *[(t,) for t in first], *[(t,) for t in wide], tuple(narrow)]
    nbytes = (1, *[1] * n, *[100] * n, *[1] * n, 1)
    makes = tuple((t,) for t in range(len(reads)))
    none = ((),) * len(reads)
    problem = OrderProblem(tuple(reads), makes, tuple(reads), none, nbytes, (), (0,) * len(reads))
    assert peak_nbytes(problem, range(len(reads))) > 100 * n
    assert peak_nbytes(problem, best_order(problem)) == 100 + 1 + n - 1


def test_long_chains_and_wide_fans() -> None:
    n = 5_000
    chain = _chain(n)
    assert best_order(chain) == tuple(range(n))
    fan = OrderProblem(
        ((), *[(0,)] * n, tuple(range(1, n + 1))),
        tuple((k,) for k in range(n + 2)),
        ((), *[(0,)] * n, tuple(range(1, n + 1))),
        ((),) * (n + 2),
        (8,) * (n + 2),
        (),
        (0,) * (n + 2),
    )
    assert _is_order(fan, best_order(fan))


@pytest.mark.parametrize("size", [8, 24])
def test_branchy_graphs_have_lower_peaks(size: int) -> None:
    found = {}
    for name, subgraph in branchy_graphs([size], 1):
        program, chosen = peaks(subgraph)
        assert chosen <= program
        found[name] = program / chosen
    assert math.prod(found.values()) ** (1 / len(found)) >= 1.5, found
