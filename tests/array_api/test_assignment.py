"""`x[key] = value` as a change of the handle: what sees it and what does not, in runs, feeds, gradients and bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import GraphError

A = np.array([1.0, 2.0, 3.0], np.float32)


def test_nodes_made_before_keep_the_old_value() -> None:
    """x = [1, 2, 3]; y = 2 x; x[0] = 10; z = 2 x"""
    x = gf.constant(A, name="x")
    y = x * 2
    first = x.op
    x[0] = 10.0
    z = x * 2
    assert gf.Session().run([y, z, x]) == [pytest.approx(v) for v in ([2, 4, 6], [20, 4, 6], [10, 2, 3])]
    assert x.op.type == "set_part"
    assert x.op.outputs == (x,)
    assert first.outputs[0] is not x
    assert first.outputs[0].name == "x:0"
    assert y.op.inputs[0] is x.op.inputs[0] is first.outputs[0]
    assert z.op.inputs[0] is x


def test_the_handle_is_the_same_object_with_the_same_hash() -> None:
    x = gf.constant(A)
    alias, before, table = x, hash(x), {x: "here"}
    x[1] = 0.0
    assert alias is x
    assert hash(x) == before
    assert table[x] == "here"
    assert (x.name, x.dtype, x.shape) == ("setitem:0", np.float32, (3,))
    x[2] = 0.0
    assert x.name == "setitem_1:0"
    assert x.graph.get_tensor_by_name("setitem:0") is x.op.inputs[0]


def test_consumers_follow_the_value() -> None:
    x = gf.constant(A)
    y = gf.exp(x)
    assert x.consumers() == [y.op]
    x[0] = 1.0
    old = y.op.inputs[0]
    assert old.consumers() == [y.op, x.op]
    assert x.consumers() == []
    z = gf.exp(x)
    assert x.consumers() == [z.op]


def test_a_value_can_use_the_tensor_itself() -> None:
    x = gf.constant(A)
    x[0] = x[1] + x[2]
    x[1:] = x[:2] * x[0]
    assert np.asarray(x).tolist() == [5.0, 25.0, 10.0]


def test_values_asked_for_in_between_are_those_of_the_moment() -> None:
    session = gf.Session()
    x = gf.constant(A)
    for k in range(3):
        assert session.run(x).tolist() == np.asarray(x).tolist() == x.eval().tolist()
        assert float(x[k]) == A[k]
        x[k] = -1.0
        assert session.run(x)[k] == session.run([x])[0][k] == float(x[k]) == -1.0


def test_a_placeholder_is_still_fed_by_its_handle() -> None:
    """p fed with v: p * 1 is v, and after p[0] = 7 the program has v with 7 in front."""
    p = gf.placeholder("float32", (None,), name="p")
    before = p * 1
    p[0] = 7.0
    after = p * 1
    session = gf.Session()
    for feeds in ({p: A}, {"p:0": A}, {"p": A}):
        first, second, third = session.run([before, after, p], feeds)
        assert first.tolist() == [1, 2, 3]
        assert second.tolist() == third.tolist() == [7, 2, 3]
    step = session.make_callable(after, [p])
    assert step(A).tolist() == [7, 2, 3]
    assert session.plan(after, {p: (5,)}).peak_nbytes > 0
    p[1] = 8.0
    assert session.run(p, {p: A}).tolist() == [7, 8, 3]


def test_a_callable_keeps_the_meaning_it_was_made_with() -> None:
    p = gf.placeholder("float32", (None,))
    y = p + 1
    step = gf.Session().make_callable(y, [p])
    assert step(A).tolist() == [2, 3, 4]
    y[0] = 0.0
    p[0] = 100.0
    assert step(A).tolist() == [2, 3, 4]
    assert step(np.ones(4, np.float32)).tolist() == [2, 2, 2, 2]
    assert gf.Session().run(y, {p: A}).tolist() == [0, 3, 4]
    assert gf.Session().run(p + 1, {p: A}).tolist() == [101, 3, 4]


def test_any_other_tensor_is_fed_as_it_is_now() -> None:
    x = gf.constant(A)
    y = x * 2
    x[0] = 5.0
    z = x * 2
    session = gf.Session()
    assert session.run([y, z], {x: np.zeros(3)})[0].tolist() == [2, 4, 6]
    assert session.run([y, z], {x: np.zeros(3)})[1].tolist() == [0, 0, 0]


def test_gradients_flow_to_what_was_kept_and_to_what_was_written() -> None:
    x, v = gf.placeholder("float64", (3,)), gf.placeholder("float64", ())
    start = x * 1.0
    y = gf.identity(start)
    y[1] = v
    loss = gf.sum(y * y)
    y[0] = 0.0  # after the loss: changes nothing of it
    gx, gv = gf.gradients(loss, [start, v])
    got = gf.Session().run([gx, gv], {x: [1.0, 2.0, 3.0], v: 5.0})
    assert got[0].tolist() == [2.0, 0.0, 6.0]
    assert got[1] == 10.0
    (second,) = gf.gradients(gf.sum(gx), start)
    assert gf.Session().run(second, {x: [1.0, 2.0, 3.0], v: 5.0}).tolist() == [2.0, 0.0, 2.0]


def test_the_line_of_the_user_is_the_assignments() -> None:
    x = gf.constant(A)
    x[0] = 5.0
    line = x.op.origin.line
    assert x.op.origin.file.endswith("test_assignment.py")
    y = gf.constant(A)
    y[0] = 5.0
    assert y.op.origin.line == line + 4
    with pytest.raises(IndexError, match=rf"made at test_assignment\.py:{line + 7}"):
        y[3] = 1.0


def test_inside_a_name_scope() -> None:
    with gf.name_scope("block"):
        x = gf.constant(A)
        x[0] = 1.0
    assert x.op.name == "block/setitem"


# --- bodies ---------------------------------------------------------------------------------------


def test_in_a_traced_function() -> None:
    @gf.function
    def f(x: Any, y: Any) -> Any:
        x[0] = y[1]
        y[1] = 0.0
        return x * y

    assert f(A, np.full(3, 4.0, np.float32)).tolist() == [16.0, 0.0, 12.0]
    assert f(A, np.full(3, 2.0, np.float32)).tolist() == [4.0, 0.0, 6.0]


def test_in_a_loop() -> None:
    def body(i: Any, x: Any) -> Any:
        x[i] = gf.cast(i * i, "float32")
        return i + 1, x

    _, x = gf.while_loop(lambda i, x: i < 3, body, [0, gf.zeros(4)])
    assert gf.Session().run(x).tolist() == [0.0, 1.0, 4.0, 0.0]


def test_in_a_scan_a_map_and_a_branch() -> None:
    def step(carry: Any, row: Any) -> Any:
        row[0] = carry[0]
        carry[0] = carry[0] + 1.0
        return carry + row

    def double(row: Any) -> Any:
        row[1] = row[1] * 2
        return row

    rows = gf.constant(np.ones((3, 2), np.float32))
    scanned = gf.scan(step, rows, initializer=gf.zeros(2))
    mapped = gf.map_fn(double, rows)

    def yes() -> Any:
        y = gf.identity(rows)
        y[0] = 9.0
        return y

    branch = gf.cond(gf.constant(True), yes, lambda: rows)
    got = gf.Session().run([scanned, mapped, branch])
    assert got[0].tolist() == [[1.0, 1.0], [3.0, 2.0], [7.0, 3.0]]
    assert got[1].tolist() == [[1.0, 2.0]] * 3
    assert got[2].tolist() == [[9.0, 9.0], [1.0, 1.0], [1.0, 1.0]]


def test_in_a_function_with_a_gradient_of_its_own() -> None:
    @gf.custom_gradient
    def f(x: Any) -> Any:
        x[0] = 0.0
        return x * 3, lambda g: g * 5

    x = gf.placeholder("float32", (3,))
    y = f(x)
    (g,) = gf.gradients(gf.sum(y), x)
    assert [v.tolist() for v in gf.Session().run([y, g], {x: A})] == [[0.0, 6.0, 9.0], [5.0, 5.0, 5.0]]


# --- what cannot be changed -----------------------------------------------------------------------


def _unchanged(call: Any, text: str) -> None:
    graph = gf.get_default_graph()
    nodes = len(graph)
    with pytest.raises(GraphError, match=text):
        call()
    assert len(graph) == nodes


def test_variables_are_written_by_assign() -> None:
    w = gf.Variable(A)
    _unchanged(lambda: w.__setitem__(0, 1.0), r"setitem: .* say \.assign")
    _unchanged(lambda: w.read().__setitem__(0, 1.0), r"setitem: .*'Variable/read:0'.* value of a variable")
    y = gf.identity(w)
    y[0] = 0.0
    session = gf.Session()
    session.run(w.initializer)
    assert session.run([y, w]) == [pytest.approx([0, 2, 3]), pytest.approx([1, 2, 3])]


def test_a_finalized_graph_refuses() -> None:
    with gf.Graph().as_default() as graph:
        x = gf.constant(A)
        graph.finalize()
        _unchanged(lambda: x.__setitem__(0, 1.0), "graph is finalized")
        assert gf.Session().run(x).tolist() == [1, 2, 3]


def test_a_tensor_from_outside_refuses_inside_a_body() -> None:
    x, w = gf.constant(A), gf.Variable(A)

    def outer() -> Any:
        x[0] = 1.0
        return x

    def state() -> Any:
        w.read()[0] = 1.0
        return w.read()

    with pytest.raises(GraphError, match="made outside this loop body"):
        gf.cond(gf.constant(True), outer, lambda: x)
    with pytest.raises(GraphError, match="value of a variable"):
        gf.cond(gf.constant(True), state, lambda: x)
    assert gf.Session().run(x).tolist() == [1, 2, 3]


def test_what_a_gradient_of_the_users_uses_refuses() -> None:
    scale = gf.constant(A)

    @gf.custom_gradient
    def f(x: Any) -> Any:
        y = x * scale
        return y, lambda g: g * scale

    x = gf.placeholder("float32", (3,))
    y = f(x)
    with pytest.raises(GraphError, match="gradient of its own"):
        scale[0] = 0.0
    (g,) = gf.gradients(gf.sum(y), x)
    assert gf.Session().run(g, {x: A}).tolist() == [1, 2, 3]


def test_a_graph_with_changed_tensors_is_saved_as_any(tmp_path: Any) -> None:
    with gf.Graph().as_default() as graph:
        p = gf.placeholder("float32", (3,), name="p")
        p[0] = 7.0
        gf.identity(p, name="y")
    gf.save_graph(tmp_path / "g.gfg", graph)
    loaded = gf.load_graph(tmp_path / "g.gfg")
    assert gf.Session(loaded).run("y:0", {"p:0": A}).tolist() == [7, 2, 3]


def test_under_eager_values_follow_too() -> None:
    with gf.eager():
        x = gf.constant(A)
        y = x * 2
        x[0] = 5.0
        assert np.asarray(x).tolist() == [5, 2, 3]
        assert np.asarray(y).tolist() == [2, 4, 6]
        assert np.asarray(y.op.inputs[0]).tolist() == [1, 2, 3]
        assert float(x[0] * 2) == 10.0


def test_a_thousand_writes_are_quick_and_exact() -> None:
    x = gf.zeros(1000, dtype="int64")
    for k in range(1000):
        x[k] = k
    assert int(gf.sum(x)) == 499500
