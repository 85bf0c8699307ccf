"""Two-way choices: as cheap as the best of all, and as a flow that was not computed here says."""

from __future__ import annotations

import itertools
import random

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from graphflow.passes.minimum_cut import cheapest_choices

_COST = st.integers(0, 9)


def _total(choices: list[int], costs: list[tuple[int, int]], apart: dict[tuple[int, int], int]) -> int:
    own = sum(pair[c] for pair, c in zip(costs, choices, strict=True))
    return own + sum(cost for (a, b), cost in apart.items() if choices[a] != choices[b])


@given(
    st.lists(st.tuples(_COST, _COST), min_size=1, max_size=7),
    st.dictionaries(st.tuples(st.integers(0, 6), st.integers(0, 6)), _COST, max_size=12),
)
def test_no_choice_is_cheaper_and_equal_ones_have_more_ones(
    costs: list[tuple[int, int]], apart: dict[tuple[int, int], int]
) -> None:
    apart = {pair: cost for pair, cost in apart.items() if max(pair) < len(costs)}
    found = cheapest_choices(costs, apart)
    every = [list(c) for c in itertools.product((0, 1), repeat=len(costs))]
    best = min(every, key=lambda c: (_total(c, costs, apart), sum(c)))
    assert _total(found, costs, apart) == _total(best, costs, apart)
    assert sum(found) == sum(best)


def test_a_large_problem_costs_what_the_largest_flow_is() -> None:
    rng = random.Random(0)
    count = 300
    costs = [(rng.randint(0, 1000), rng.randint(0, 1000)) for _ in range(count)]
    apart = {(rng.randrange(count), rng.randrange(count)): rng.randint(0, 500) for _ in range(900)}
    graph = nx.DiGraph()
    for k, (zero, one) in enumerate(costs):
        graph.add_edge("source", k, capacity=one)
        graph.add_edge(k, "sink", capacity=zero)
    for (a, b), cost in apart.items():
        if a != b:
            for x, y in ((a, b), (b, a)):
                known = graph.edges[x, y]["capacity"] if graph.has_edge(x, y) else 0
                graph.add_edge(x, y, capacity=known + cost)
    flow = nx.maximum_flow_value(graph, "source", "sink")
    assert _total(cheapest_choices(costs, apart), costs, apart) == flow


def test_a_long_chain_needs_no_stack() -> None:
    count = 20_000
    costs = [(0, 0)] * count
    costs[0], costs[-1] = (10, 0), (0, 10)
    apart = {(k, k + 1): 3 + (k % 5 != 2) for k in range(count - 1)}
    assert sum(cheapest_choices(costs, apart)) == 3  # cut at the first of the cheapest places
