"""Known branches and short loops are taken apart, and nothing can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.passes.optimize_bodies import optimize_bodies
from graphflow.passes.simplify_control_flow import simplify_control_flow
from graphflow.passes.unrolling import UNROLLED_NBYTES, UNROLLED_NODES
from graphflow.subgraph import cut
from tests.passes.control import bound, check, text, vector


def _kinds(fetches: list[Any], feeds: Any = None) -> list[str]:
    return [n.type for n in simplify_control_flow(bound(fetches, feeds)).nodes]


def test_a_known_branch() -> None:
    x = gf.placeholder("float64", [None], name="x")
    y = gf.cond(gf.constant(True), lambda: gf.exp(x) * 2.0, lambda: x)  # line of the body's nodes
    after, _ = check(simplify_control_flow, [y], {x: vector()})
    assert text(after) == [
        "%0 = exp(<x:0>) : float64[3]",
        "%1 = constant(value=2.) : float64[]",
        "%2 = multiply(%0, %1) : float64[3]",
        "return %2",
    ]
    assert {n.origin.line for n in after.nodes} == {y.op.origin.line}
    assert "cond" not in text(simplify_control_flow(cut([y], [x])))[0]  # before sizes are known as well


@pytest.mark.parametrize("index", [-1, 0, 1, 2, 5])
def test_a_known_case(index: int) -> None:
    x = gf.placeholder("float64", [3], name="x")
    branches = [lambda: gf.sin(x), lambda: gf.cos(x)]
    y = gf.switch_case(gf.constant(index), branches, default=lambda: gf.exp(x))
    after, _ = check(simplify_control_flow, [y], {x: vector()})
    assert [n.type for n in after.nodes] == [{0: "sin", 1: "cos"}.get(index, "exp")]
    # without a default, an index that is not there is the run's to refuse
    without = gf.switch_case(gf.constant(index), branches)
    assert ("cond" in _kinds([without], {x: vector()})) == (index not in (0, 1))


def test_scans_of_no_and_of_one_element() -> None:
    x = gf.placeholder("float64", [3], name="x")
    e = gf.placeholder("float64", [None, 3], name="e")
    rows = gf.scan(lambda acc, row: (acc[0] * row + x, acc[1] + 1), e, (x, gf.constant(0)))
    doubled = gf.map_fn(lambda row: row * 2.0, e)
    g = gf.gradients(rows[0], [x, e])
    for n in (0, 1):
        values = {x: vector(), e: np.random.default_rng(1).uniform(-1, 1, (n, 3))}
        after, _ = check(simplify_control_flow, [*rows, doubled, *g], values)
        assert not {"scan", "while_loop"} & {n.type for n in after.nodes}
    assert "scan" in _kinds([rows[0]], {x: vector(), e: np.ones((40, 3))})


def test_loops_of_a_known_number_of_iterations() -> None:
    x = gf.placeholder("float64", [None], name="x")
    n = gf.placeholder("int64", [], name="n")

    def loop(count: Any) -> Any:
        return gf.while_loop(lambda i, a: i < count, lambda i, a: (i + 1, gf.sin(a) * x), (0, x))[1]

    for count in (0, 1, 2, 4):
        y = loop(count)
        after, _ = check(simplify_control_flow, [y, *gf.gradients(gf.sum(y * y), [x])], {x: vector()})
        kinds = [node.type for node in after.nodes]
        assert kinds.count("sin") >= count
        assert not {"scan", "while_loop"} & set(kinds)
    for count in (n, UNROLLED_NODES):
        after, _ = check(simplify_control_flow, [loop(count)], {x: vector(), n: np.array(2)})
        assert "while_loop" in [node.type for node in after.nodes]
    limited = gf.while_loop(lambda a: gf.sum(a) < 1e9, lambda a: a + 1.0, [x], maximum_iterations=2)[0]
    after, _ = check(simplify_control_flow, [limited], {x: vector()})
    assert "while_loop" in [node.type for node in after.nodes]  # it may stop earlier


def test_what_is_large_is_not_unrolled() -> None:
    size = UNROLLED_NBYTES // 8
    x = gf.placeholder("float64", [size], name="x")
    e = gf.placeholder("float64", [2, size], name="e")
    assert _kinds([gf.map_fn(gf.sin, e)], {e: np.zeros((2, size))}) == ["scan"]
    folded = gf.foldl(lambda acc, row: acc * row, e, x)  # stacks nothing
    assert "scan" not in _kinds([folded], {x: np.zeros(size), e: np.zeros((2, size))})


def test_sizes_that_become_known_are_known_from_there_on() -> None:
    x = gf.placeholder("float64", [None], name="x")
    y = gf.cond(gf.constant(True), lambda: gf.concat([x, x], 0), lambda: gf.boolean_mask(x, x > 0.0))
    z = gf.broadcast_to(gf.sum(x), (y.type.dims[0],)) * y
    after, _ = check(simplify_control_flow, [z], {x: vector()})
    assert after.outputs[0].type.shape == (6,)


def test_effects_happen_as_before() -> None:
    x = gf.placeholder("float64", [None], name="x")
    v = gf.Variable(np.zeros(3), name="v")

    def said(word: str, t: Any) -> Any:
        return gf.Print(t, [t[0]], word)

    first = gf.print("first", x[0])
    with gf.control_dependencies([first]):
        y = gf.cond(gf.constant(True), lambda: said("branch ", v.assign_add(x)), lambda: v.assign(x * 1.0))

    def test(i: Any, a: Any) -> Any:
        gf.print("test", i)
        return i < 2

    z = gf.while_loop(test, lambda i, a: (i + 1, said("step ", a + 1.0)), (0, x))
    e = gf.map_fn(lambda row: said("row ", row), gf.stack([x, x + 1.0]))
    with gf.control_dependencies([e.op]):
        last = gf.print("last", y[0])
    after, told = check(simplify_control_flow, [y, z[1], e], {x: vector()}, [last], {"v": np.zeros(3)})
    assert not any(n.op.is_control for n in after.nodes)
    words = [line.split()[0].partition("[")[0] for line in told.printed.splitlines()]
    assert words[:9] == ["first", "branch", "test", "step", "test", "step", "test", "row", "row"]
    assert told.results[0] != told.results[1]  # the variable


def test_results_that_are_views_are_copied() -> None:
    """NumPy adds up a strided array in another order, and control flow gives arrays of their own."""
    x = gf.placeholder("float64", [40, 50], name="x")
    values = {x: np.random.default_rng(0).normal(size=(40, 50))}

    def turned() -> Any:
        return gf.transpose(gf.exp(x))

    y = gf.cond(gf.constant(True), turned, lambda: gf.transpose(x))
    e = gf.map_fn(lambda row: gf.transpose(gf.exp(row)), gf.expand_dims(x, 0))
    w = gf.while_loop(
        lambda i, a: i < 2, lambda i, a: (i + 1, gf.transpose(gf.sin(a))), (0, x), ((), (None, None))
    )[1]
    after, _ = check(simplify_control_flow, [gf.sum(y), gf.sum(e), gf.sum(w)], values)
    assert [n.type for n in after.nodes].count("concat") == 2


def test_nests_become_known_from_outside_in() -> None:
    x = gf.placeholder("float64", [3], name="x")

    def inner(a: Any, i: Any) -> Any:
        return gf.cond(
            gf.equal(i % 2, 0), lambda: gf.sin(a), lambda: gf.cond(gf.constant(False), lambda: x, lambda: a)
        )

    y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, inner(a, i)), (0, x))[1]
    after, _ = check(simplify_control_flow, [y], {x: vector()})
    assert [n.type for n in after.nodes].count("cond") == 2  # their index is known once constants are folded
    deeper = optimize_bodies(after, [simplify_control_flow])
    assert all(len(b.nodes) <= 1 for n in deeper.nodes if n.type == "cond" for b in n.attrs["bodies"])


def test_what_is_not_known_stays() -> None:
    x = gf.placeholder("float64", [3], name="x")
    p = gf.placeholder("bool", [], name="p")
    y = gf.cond(p, lambda: gf.sin(x), lambda: x)
    before = bound([y, gf.exp(x)], {x: vector(), p: np.array(True)})
    assert simplify_control_flow(before) is before
