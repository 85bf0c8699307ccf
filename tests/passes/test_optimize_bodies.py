"""Passes run inside bodies: bound to the sizes of a run, nested ones too, and a rebuilt body serves as a traced one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import VerifyError
from graphflow.graph import detached
from graphflow.ops.body import Body, body_types, infer_body
from graphflow.passes.fold_constants import fold_constants
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.optimize_bodies import optimize_bodies
from graphflow.passes.resolve_likes import resolve_likes
from graphflow.subgraph import Subgraph, cut, recorded_replacements
from tests.passes.control import body_text, bound, check, text, vector


def merged(subgraph: Subgraph) -> Subgraph:
    return optimize_bodies(subgraph, [merge_equal])


def folded(subgraph: Subgraph) -> Subgraph:
    return optimize_bodies(subgraph, [merge_equal, resolve_likes, fold_constants])


def _loop(after: Subgraph) -> Any:
    (node,) = [n for n in after.nodes if n.op.is_control]
    return node


def test_a_loop() -> None:
    x = gf.placeholder("float64", [None], name="x")
    y = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, gf.sin(a) + gf.sin(a)), (0, x))[1]
    after, _ = check(merged, [y], {x: vector()})
    node = _loop(after)
    assert body_text(node, 1) == [
        "%0 = constant(value=1) : int64[]",
        "%1 = add(<Const:0>, %0) : int64[]",
        "%2 = sin(<x:0>) : float64[3]",
        "%3 = add(%2, %2) : float64[3]",
        "return %1, %3",
    ]
    body = node.attrs["bodies"][1]
    assert isinstance(body, Body)
    assert {n.origin.line for n in body.nodes} == {y.op.origin.line}
    assert infer_body(body, body_types(node)[1]) == [t.type for t in body.outputs]
    assert text(after)[-1] == "return %1.1"
    assert body_text(_loop(merged(cut([y], [x]))), 1)[2] == "%2 = sin(<x:0>) : float64[?]"


def test_passes_that_read_sizes_fire_in_bodies() -> None:
    x, b = gf.placeholder("float64", [None, 3], name="x"), gf.placeholder("float64", [None], name="b")
    y = gf.scan(
        lambda acc, row: gf.sin(acc * b) * gf.cast(gf.size(row), "float64"), x, gf.zeros((3,), "float64")
    )
    values = {x: np.ones((4, 3)), b: vector()}
    after, _ = check(folded, [y], values)
    assert [n.type for n in _loop(after).attrs["bodies"][0].nodes] == [
        "multiply",
        "sin",
        "constant",
        "multiply",
    ]
    assert _loop(after).attrs["step"] is _loop(after).attrs["bodies"][0]
    grads = gf.gradients(y, [b])
    after, _ = check(folded, grads, values)
    inside = [n.type for node in after.nodes if node.op.is_control for n in node.attrs["bodies"][0].nodes]
    assert not {"sum_to_like", "broadcast_to_like", "reshape_like", "size"} & set(inside)


def test_bodies_in_bodies() -> None:
    x = gf.placeholder("float64", [3], name="x")
    p = gf.placeholder("bool", [], name="p")

    def branch(a: Any) -> Any:
        return gf.cond(p, lambda: gf.exp(a * 2.0) - gf.exp(a * 2.0), lambda: a)

    y = gf.while_loop(
        lambda i, a: i < 2, lambda i, a: (i + 1, gf.map_fn(lambda r: branch(a) + r, a)[0]), (0, x)
    )[1]
    after, _ = check(merged, [y], {x: vector(), p: np.array(True)})
    map_node = next(n for n in _loop(after).attrs["bodies"][1].nodes if n.op.is_control)
    cond_node = next(n for n in map_node.attrs["bodies"][0].nodes if n.op.is_control)
    assert len(cond_node.attrs["bodies"][0].nodes) == 4


def test_what_a_later_pass_makes_is_seen_by_the_earlier_ones() -> None:
    """Constants that are equal once they are folded: what reads them is merged, however deep it stands."""
    x = gf.placeholder("float64", [3], name="x")

    def step(a: Any) -> Any:
        return gf.sin(a * (gf.constant(1.0) + 1.0)) + gf.sin(a * (gf.constant(3.0) - 1.0))

    y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, gf.map_fn(step, a)), (0, x))[1]
    after, _ = check(folded, [y], {x: vector()})
    map_node = next(n for n in _loop(after).attrs["bodies"][1].nodes if n.op.is_control)
    assert [n.type for n in map_node.attrs["bodies"][0].nodes] == ["constant", "multiply", "sin", "add"]


def test_effects_of_a_body_stay() -> None:
    x = gf.placeholder("float64", [3], name="x")

    def body(i: Any, a: Any) -> Any:
        gf.print("sine", gf.sin(a)[0])
        return i + 1, gf.sin(a)

    y = gf.while_loop(lambda i, a: i < 2, body, (0, x))[1]
    after, told = check(merged, [y], {x: vector()})
    assert [n.type for n in _loop(after).attrs["bodies"][1].effects] == ["print"]
    assert told.printed.count("sine") == 4


def test_a_shared_body_is_done_once() -> None:
    x = gf.placeholder("float64", [3], name="x")
    y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, gf.sin(a) * gf.sin(a)), (0, x))[1]
    node = y.op
    twin = detached(node, node.op, node.inputs, node.attrs)
    made = [t for n in (node, twin) for t in n.outputs]
    before = Subgraph((node.inputs[0].op, node, twin), (x,), (made[1], twin.outputs[1]))
    with recorded_replacements() as record:
        after = merged(before)
    assert [r.node.name for r in record if r.node.op.is_control] == ["while", "while"]
    assert after.nodes[1].attrs["bodies"][1] is after.nodes[2].attrs["bodies"][1]


def test_where_no_pass_fires_nothing_changes() -> None:
    x = gf.placeholder("float64", [3], name="x")
    y = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, gf.sin(a)), (0, x))[1]
    for fetch in (y, gf.exp(x)):
        before = bound([fetch], {x: vector()})
        assert folded(before) is before


def test_a_pass_that_breaks_a_body_is_named() -> None:
    x = gf.placeholder("float64", [3], name="x")
    y = gf.map_fn(lambda r: gf.sin(r) + 1.0, x)

    def forgetful(subgraph: Subgraph) -> Subgraph:
        return Subgraph(subgraph.nodes[1:], subgraph.inputs, subgraph.outputs, subgraph.targets)

    before = bound([y], {x: vector()})
    with gf.config.override(verify=True), pytest.raises(VerifyError, match="forgetful"):
        optimize_bodies(before, [forgetful])
