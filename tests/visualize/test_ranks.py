"""Rows and columns of one panel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphflow.visualize.ranks import assign_rows, fold

EDGES = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=60)


@given(EDGES)
def test_in_a_graph_without_cycles_every_edge_goes_down(pairs):
    edges = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    rows = assign_rows([1] * 20, edges)
    assert all(rows[source] < rows[target] for source, target in edges)
    assert sorted(set(rows)) == list(range(max(rows) + 1))


@given(EDGES, st.integers(1, 5))
def test_rows_are_no_wider_than_allowed(edges, limit):
    rows = assign_rows([1] * 20, edges, max_per_row=limit)
    assert max(rows.count(row) for row in rows) <= limit


@given(EDGES)
def test_a_cycle_costs_as_few_edges_as_it_must_for_one_ring(edges):
    ring = [(i, (i + 1) % 20) for i in range(20)]
    rows = assign_rows([1] * 20, ring)
    assert sum(rows[source] >= rows[target] for source, target in ring) == 1
    assert len(assign_rows([1] * 20, edges)) == 20


def test_what_only_prepares_an_operand_stands_next_to_its_user():
    """0 -> 1 -> 2 -> 3 -> 6, and 4 -> 5 -> 6."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 6), (4, 5), (5, 6)]
    assert assign_rows([1] * 7, edges) == [0, 1, 2, 3, 2, 3, 4]


def test_a_chain_is_cut_into_columns_of_about_equal_height():
    count = 100
    edges = [(i, i + 1) for i in range(count - 1)]
    rows = fold(range(count), [1] * count, [1] * count, edges)
    assert len(rows.n_rows) > 1
    assert max(rows.n_rows) - min(rows.n_rows) <= count // len(rows.n_rows)
    assert sum(rows.n_rows) == count
    for source, target in edges:
        assert rows.column[source] < rows.column[target] or rows.row[source] < rows.row[target]


def test_a_cut_is_made_where_few_edges_cross():
    """Three ladders of 13 rungs, joined by single edges."""
    ladders = [(i, i + d) for start in (0, 13, 26) for d in (1, 2, 3) for i in range(start, start + 13 - d)]
    rows = fold(range(39), [1] * 39, [1] * 39, [*ladders, (12, 13), (25, 26)])
    assert rows.n_rows == (13, 13, 13)


def test_no_column_holds_next_to_nothing():
    """One item takes nearly all the height: columns beside it would stand empty."""
    assert fold(range(8), [1, 1, 60, 1, 1, 1, 1, 1], [1] * 8, []).n_rows == (8,)


def test_a_short_panel_is_left_whole():
    assert fold(range(20), [1] * 20, [1] * 20, []).n_rows == (20,)
    assert fold([], [], [], []).n_rows == (0,)
