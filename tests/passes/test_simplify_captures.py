"""What bodies are given: what never changes is captured, once, and small constants are made inside."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.passes.fold_constants import FOLD_NBYTES
from graphflow.passes.prune import prune
from graphflow.passes.simplify_captures import simplify_captures
from tests.passes.control import body_text, bound, check, text, vector

X3 = vector()


def _loops(after: Any) -> list[Any]:
    return [n for n in after.nodes if n.op.is_control]


def test_a_carried_value_that_never_changes() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="w")
    n = gf.placeholder("int64", [], name="n")
    y = gf.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, a * b, gf.identity(b)), (0, x, w))
    after, _ = check(simplify_captures, y[1:], {x: X3, w: X3, n: np.array(2)})
    assert text(after)[1].startswith(
        "%1 = while_loop(%0, <x:0>, <w:0>, <n:0>, bodies=(<Body of 1 operations>"
    )
    assert text(after)[-1] == "return %1.1, <w:0>"
    (node,) = _loops(after)
    assert node.attrs["n_carry"] == 2
    assert node.origin == y[1].op.origin
    assert body_text(node, 1)[2:] == ["%2 = multiply(<x:0>, <w:0>) : float64[3]", "return %1, %2"]


def test_gradients_of_such_a_loop_stack_nothing_for_it() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="w")
    e = gf.placeholder("float64", [None, 3], name="e")
    loop = gf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, gf.sin(a * b), b), (0, x, w))
    rows, _ = gf.scan(lambda acc, row: (acc[0] * acc[1] + row, acc[1]), e, (x, w))
    values = {x: X3, w: X3, e: np.ones((5, 3))}
    for y in (loop[1], rows):
        after, _ = check(simplify_captures, gf.gradients(y, [x, w]), values)
        forward, backward = _loops(after)
        assert forward.attrs["n_carry"] == (2 if y is loop[1] else 1)
        n, m = backward.attrs["n_carry"], backward.attrs["n_elems"]
        assert all(t.op.op.name != "placeholder" for t in backward.inputs[n : n + m] if y is loop[1])
        assert w in dict.fromkeys(backward.inputs[n + m :])


def test_twins_and_constants() -> None:
    x = gf.placeholder("float64", [3], name="x")
    p = gf.placeholder("bool", [], name="p")
    small, large = gf.constant([1.0, 2.0, 3.0], "float64"), gf.constant(np.ones(FOLD_NBYTES), "float64")
    again = gf.identity(x)
    y = gf.cond(p, lambda: x * small + again, lambda: x + gf.sum(large))
    after, _ = check(simplify_captures, [y], {x: X3, p: np.array(True)})
    (node,) = _loops(after)
    assert [t.op.type for t in node.inputs] == ["placeholder", "placeholder", "identity", "constant"]
    assert "constant(value=[1., 2., 3.])" in body_text(node, 0)[0]
    twice = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), (0, x))[1]
    carried = gf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, a * b * x, b), (0, x, x))[1]
    before = bound([twice], {x: X3})
    assert simplify_captures(before) is before  # carried and captured are two things
    after, _ = check(simplify_captures, [carried], {x: X3})
    assert [t.op.name for t in _loops(after)[0].inputs].count("x") == 2


def test_strided_views_stay_carried() -> None:
    """The loop would copy what it hands on; a matrix product may round otherwise for a view."""
    x = gf.placeholder("float64", [3, 3], name="x")
    turned = gf.transpose(x)
    y = gf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, gf.matmul(a, b), b), (0, x, turned))
    after, _ = check(simplify_captures, y[1:], {x: np.random.default_rng(0).normal(size=(3, 3))})
    assert _loops(after)[0].attrs["n_carry"] == 3


def test_a_stack_that_something_else_needs_keeps_its_value_carried() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="w")
    e = gf.placeholder("float64", [None, 3], name="e")
    rows = gf.scan(lambda acc, row: (acc[0] * acc[1] + row, acc[1]), e, (x, w))
    stack = rows[0].op.outputs[-1]
    after, _ = check(simplify_captures, [rows[0], stack], {x: X3, w: X3, e: np.ones((5, 3))})
    assert _loops(after)[0].attrs["n_carry"] == 2


def test_users_wait_for_effects_as_before() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="w")

    def body(i: Any, a: Any, b: Any) -> Any:
        return i + 1, gf.Print(gf.sin(a), [i], "step "), b

    loop = gf.while_loop(lambda i, a, b: i < 2, body, (0, x, w))
    said = gf.print("afterwards", loop[2])
    after, told = check(simplify_captures, [loop[1]], {x: X3, w: X3}, [said])
    assert told.printed.split()[:4] == ["step", "[0]", "step", "[1]"]
    assert _loops(after)[0] in next(n for n in after.nodes if n.type == "identity").control_inputs
    quiet = gf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a), (0, w))[1]
    after = prune(simplify_captures(bound([quiet * 2.0], {w: X3})))
    assert [n.type for n in after.nodes] == ["constant", "multiply"]  # the loop gave nothing else
