"""Edges of order: those that order nothing go, those that others imply go, and effects keep their order."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.graph import Node
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.prune_dependencies import MOST_STEPS, prune_dependencies
from graphflow.subgraph import Subgraph, cut
from graphflow.verify import verify
from tests.passes.control import bound, check, text, vector

X3 = vector()


def test_edges_to_and_from_silent_nodes() -> None:
    x = gf.placeholder("float64", [3], name="x")
    ok = gf.Assert(x[0] < 9.0, name="ok")
    with gf.control_dependencies([ok, gf.exp(x)]):
        said = gf.print("said", x[1])
        y = x * x
    after, _ = check(prune_dependencies, [y], {x: X3}, [said])
    assert text(after) == [
        "%0 = getitem(<x:0>, picks=((0, 0),)) : float64[]",
        "%1 = constant(value=9.) : float64[]",
        "%2 = less(%0, %1) : bool[]",
        "%3 = assert(%2, message='', parts=(), summarize=3) : ()",
        "%4 = getitem(<x:0>, picks=((0, 1),)) : float64[]",
        "%5 = print(%4, parts=('said', None), summarize=3, end='\\n', after ok) : ()",
        "%6 = multiply(<x:0>, <x:0>) : float64[3]",
        "return %6",
    ]
    assert {n.origin.line for n in after.nodes} == {n.origin.line for n in (ok, said, y.op)}


def test_groups_vanish_and_merging_fires() -> None:
    x = gf.placeholder("float64", [3], name="x")
    v = gf.Variable(np.zeros(3), name="v")
    w = gf.Variable(np.ones(3), name="w")
    updates = gf.group(v.assign_add(x), gf.group(w.assign(x * 2.0)))
    with gf.control_dependencies([updates]):
        a, b = gf.exp(x), gf.exp(x)
        y = a + b
    state = {"v": np.zeros(3), "w": np.ones(3)}
    after, _ = check(prune_dependencies, [y], {x: X3}, [updates], state)
    assert all(not n.control_inputs for n in after.nodes)
    assert "no_op" not in [n.type for n in after.nodes]
    assert sorted(n.type for n in after.targets) == ["assign", "assign"]
    assert [n.type for n in merge_equal(after).nodes].count("exp") == 1


def test_what_may_fail_or_reads_keeps_its_edges_and_is_run() -> None:
    x = gf.placeholder("float64", [3], name="x")
    n = gf.placeholder("int64", [], name="n")
    v = gf.Variable(np.zeros(3), name="v")
    picked, first = gf.take(x, n), n * 0
    with gf.control_dependencies([picked]):
        y = gf.exp(x)  # runs only if `picked` does not fail
    with gf.control_dependencies([v.assign(x)]):
        z = gf.take(x, first)
    before = bound([y, z], {x: X3, n: np.array(1)})
    assert prune_dependencies(before) is before


def test_a_guard_that_something_fallible_stands_behind_stays() -> None:
    x = gf.placeholder("float64", [3], name="x")
    n = gf.placeholder("int64", [], name="n")
    with gf.control_dependencies([gf.Assert(n < 3)]):
        guarded = gf.identity(n)
        other = gf.sin(x)
    y = gf.take(x, guarded + 0)
    after, _ = check(prune_dependencies, [y, other * 2.0], {x: X3, n: np.array(1)})
    assert [n.type for n in after.nodes if n.control_inputs] == ["identity"]


def test_edges_that_others_imply() -> None:
    x = gf.placeholder("float64", [3], name="x")
    first = gf.print("first", x)
    with gf.control_dependencies([first]):
        second = gf.Print(x, [x], "second")
    with gf.control_dependencies([first, second]):
        third = gf.print("third", second)
    with gf.control_dependencies([third, first]):
        last = gf.print("last", gf.shape(second))
    after, told = check(prune_dependencies, [], {x: X3}, [last])
    edges = {n.name: [c.name for c in n.control_inputs] for n in after.nodes if n.control_inputs}
    assert edges == {"Print": ["print"], "print_2": ["print_1"]}
    assert [line.partition("[")[0].split()[0] for line in told.printed.splitlines()][:4] == [
        "first",
        "second",
        "third",
        "last",
    ]


def test_sizes_that_only_the_run_knows_are_waited_for() -> None:
    x = gf.placeholder("float64", [3], name="x")
    picked = gf.boolean_mask(x, x > 0.0)
    y = gf.broadcast_to(gf.sum(x), gf.shape(picked))
    assert y.op.control_inputs == (picked.op,)
    before = bound([y], {x: np.array([1.0, -1.0, 2.0])})
    assert prune_dependencies(before) is before
    check(prune_dependencies, [y, picked], {x: np.array([1.0, -1.0, 2.0])})


def test_long_detours_are_left_alone() -> None:
    x = gf.placeholder("float64", [3], name="x")
    first = t = gf.Print(x, [x], "first")
    for _ in range(MOST_STEPS + 5):
        t = gf.Print(t, [t], "step")
    with gf.control_dependencies([first]):
        last = gf.print(t)
    before = cut([], [x], [last])
    assert prune_dependencies(before) is before


@settings(max_examples=40)
@given(numbers=st.lists(st.integers(0, 11) | st.integers(0, 10_000), min_size=4, max_size=40))
@example(numbers=[0] * 15 + [2, 0, 2, 1889, 0])
@example(numbers=[0, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0, 1, 14, 3, 1, 0, 0, 1, 1, 0, 6503, 3, 4771])
def test_what_can_be_told_keeps_its_order(numbers: list[int]) -> None:
    """Every path between two nodes with effects, before, is a path after; networkx finds the paths."""
    with gf.Graph().as_default():
        x = gf.placeholder("float64", [3], name="x")
        values: list[Any] = [x]
        nodes: list[Any] = []
        for k, number in enumerate(numbers):
            after = [nodes[(number // 7 + j) % len(nodes)] for j in range(number % 3)] if nodes else []
            t = values[-1 - (number // 11) % len(values)]
            with gf.control_dependencies(after):
                kind = number % 5
                made = (
                    gf.Print(t, [t], str(k)).op
                    if kind == 0
                    else gf.print(k, t)
                    if kind == 1
                    else gf.group(*nodes[-2:])
                    if kind == 2 and nodes
                    else gf.sin(t).op
                )
            nodes.append(made)
            values.extend(made.outputs)
        ends = [n for n in nodes if n.type in ("no_op", "print")]
        before = cut([values[-1]], [x], ends)
        after_ = prune_dependencies(before)
        verify(after_)
        assert prune_dependencies(after_) is after_
        assert _told(before) == _told(after_)
        assert sum(len(n.control_inputs) for n in after_.nodes) <= 4 * sum(
            len(n.control_inputs) for n in before.nodes
        )


def _told(subgraph: Subgraph) -> set[tuple[str, str]]:
    """Pairs of effects of which the second surely comes after the first."""
    graph = nx.DiGraph()
    graph.add_nodes_from(subgraph.nodes)
    for node in subgraph.nodes:
        graph.add_edges_from(
            (before, node) for before in [t.op for t in node.inputs] + list(node.control_inputs)
        )
    effects: list[Node] = [n for n in subgraph.nodes if n.op.has_effect]
    return {(a.name, b.name) for a in effects for b in nx.descendants(graph, a) if b.op.has_effect}


def test_pure_nodes_that_wait_for_many_are_all_found_at_once() -> None:
    x = gf.placeholder("float64", (4,))
    made: list[Any] = [gf.print(0, x), gf.print(1, x), gf.print(2, x)]
    for k in range(300):
        with gf.control_dependencies(made[-3:]):
            made.append(gf.sin(x * float(k)))
    with gf.control_dependencies(made[-3:]):
        last = gf.print(3, x)
    after = prune_dependencies(cut([], [x], [last]))
    assert [n.type for n in after.nodes if n.type != "constant"] == ["print"] * 4
    assert len(after.nodes[-1].control_inputs) == 3
