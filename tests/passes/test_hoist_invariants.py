"""What every iteration would compute alike is computed before the loop, unless holding it costs more."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.passes.hoist_invariants import HELD_NBYTES, hoist_invariants
from graphflow.passes.optimize_bodies import optimize_bodies
from tests.passes.control import body_text, bound, check, text, vector

X3 = vector()


def _moved(fetches: list[Any], feeds: Any) -> list[str]:
    after, _ = check(hoist_invariants, fetches, feeds)
    return [n.type for n in after.nodes]


def test_a_loop() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="w")
    n = gf.placeholder("int64", [], name="n")
    y = gf.while_loop(lambda i, a: i < n * 2, lambda i, a: (i + 1, gf.sin(a) * gf.exp(w + 1.0)), (0, x))[1]
    for count in (0, 2):
        after, _ = check(hoist_invariants, [y], {x: X3, w: X3, n: np.array(count)})
        assert text(after)[1:6] == [
            "%1 = constant(value=2) : int64[]",
            "%2 = multiply(<n:0>, %1) : int64[]",
            "%3 = constant(value=1.) : float64[]",
            "%4 = add(<w:0>, %3) : float64[3]",
            "%5 = exp(%4) : float64[3]",
        ]
        node = after.nodes[-1]
        assert [t.op.type for t in node.inputs[2:]] == ["placeholder", "placeholder", "multiply", "exp"]
        assert {k.origin.line for k in after.nodes[1:]} == {y.op.origin.line}
    assert body_text(after.nodes[-1], 0) == [
        "%0 = less(<Const:0>, <while/cond/mul:0>) : bool[]",
        "return %0",
    ]


def test_scans_and_their_gradients() -> None:
    e = gf.placeholder("float64", [None, 3], name="e")
    w = gf.placeholder("float64", [3, 3], name="w")
    y = gf.map_fn(lambda row: gf.matmul(gf.tanh(w), row), e)
    values = {
        e: np.random.default_rng(0).normal(size=(4, 3)),
        w: np.random.default_rng(1).normal(size=(3, 3)),
    }
    assert _moved([y], values) == ["tanh", "scan"]
    assert _moved(gf.gradients(y, [e, w]), values).count("tanh") == 2  # in either direction


def test_what_does_not_move() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3, 3], name="w")
    p = gf.placeholder("bool", [], name="p")
    n = gf.placeholder("int64", [], name="n")
    v = gf.Variable(np.zeros(3), name="v")
    values = {x: X3, w: np.eye(3), p: np.array(False), n: np.array(7)}

    def loop(made: Any) -> Any:
        return gf.while_loop(lambda i, a: i < 0, lambda i, a: (i + 1, a * made()), (0, x))[1]

    still = [
        loop(lambda: gf.transpose(w)[0]),  # views
        loop(lambda: gf.zeros((3,), "float64")),  # fills
        loop(lambda: gf.take(x, n)),  # fails
        loop(lambda: gf.Print(x, [x], "never")),  # prints
        loop(lambda: gf.random.uniform((3,), dtype="float64")),  # is drawn anew
        gf.cond(p, lambda: gf.exp(x), lambda: x),  # may well not be taken
    ]
    before = bound(still, values)
    assert hoist_invariants(before) is before
    check(hoist_invariants, still, values)
    writing = gf.while_loop(
        lambda i: i < 3, lambda i: (i + 1 + gf.cast(v.assign_add(x)[0], "int64") * 0,), (0,)
    )
    check(hoist_invariants, [writing[0]], values, state={"v": np.zeros(3)})


def test_what_is_large_and_cheap_is_made_again() -> None:
    side = HELD_NBYTES // 512
    x = gf.placeholder("float64", [side], name="x")
    a = gf.placeholder("float64", [side, side], name="a")
    rng = np.random.default_rng(0)
    values = {x: rng.normal(size=side), a: rng.normal(size=(side, side))}

    def loop(made: Any) -> Any:
        return gf.while_loop(lambda i, b: i < 2, lambda i, b: (i + 1, b + made()), (0, x))[1]

    def outer() -> Any:
        return gf.expand_dims(x, 1) * x

    assert "exp" in _moved([loop(lambda: gf.exp(a)[0])], values)  # no larger than what it is made of
    assert "matmul" in _moved(
        [loop(lambda: gf.matmul(gf.expand_dims(x, 1), gf.expand_dims(x, 0))[0])], values
    )
    assert "max" in _moved(
        [loop(lambda: gf.max(outer(), axis=0))], values
    )  # its operand is made twice for it
    assert "multiply" not in _moved([loop(lambda: outer()[0])], values)


def test_out_of_nests() -> None:
    x, w = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="w")

    def inner(a: Any) -> Any:
        return gf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, b * gf.exp(w)), (0, a))[1]

    y = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, inner(a)), (0, x))[1]

    def from_inside(subgraph: Any) -> Any:
        return hoist_invariants(optimize_bodies(subgraph, [hoist_invariants]))

    after, _ = check(from_inside, [y], {x: X3, w: X3})
    assert [n.type for n in after.nodes] == ["constant", "exp", "while_loop"]
