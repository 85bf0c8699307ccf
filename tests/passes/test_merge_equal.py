"""Common subexpressions: equal pure nodes become one; random draws and writes stay apart."""

from __future__ import annotations

import graphflow as gf
from graphflow.passes.merge_equal import merge_equal
from graphflow.subgraph import cut
from tests.passes.control import text


def test_equal_nodes_become_one() -> None:
    x = gf.placeholder("float32", [2], name="x")
    assert text(merge_equal(cut([gf.exp(x) + gf.exp(x)], (x,)))) == [
        "%0 = exp(<x:0>) : float32[2]",
        "%1 = add(%0, %0) : float32[2]",
        "return %1",
    ]


def test_random_and_stateful_nodes_are_left_alone() -> None:
    a, b = gf.random.uniform((3,)), gf.random.uniform((3,))
    v = gf.Variable(1.0)
    first = v.assign_add(1.0)
    second = v.assign_add(1.0)
    before = cut([a, b, first, second])
    kept = [n.type for n in merge_equal(before).nodes]
    for op in ("assign", "read", "random_uniform"):
        assert kept.count(op) == [n.type for n in before.nodes].count(op)
