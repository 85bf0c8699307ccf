"""What nothing uses of branches and loops goes; effects, and what says how often to go, stay."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.passes.prune import prune
from graphflow.subgraph import cut
from tests.passes.control import body_text, bound, check, text, vector

X3 = vector()


def _only(after: Any) -> Any:
    (node,) = [n for n in after.nodes if n.op.is_control]
    return node


def test_results_of_a_branch() -> None:
    x, y = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="y")
    p = gf.placeholder("bool", [], name="p")
    a, _ = gf.cond(p, lambda: (gf.sin(x) * 2.0, gf.exp(y)), lambda: (x, y))
    after, _ = check(prune, [a], {x: X3, y: X3, p: np.array(True)})
    assert text(after)[0].startswith("%0 = cond(<p:0>, <x:0>, bodies=(<Body of 3 operations>, <Body of 0 ope")
    assert body_text(after.nodes[0], 0) == [
        "%0 = sin(<capture:0>) : float64[3]",
        "%1 = constant(value=2.) : float64[]",
        "%2 = multiply(%0, %1) : float64[3]",
        "return %2",
    ]
    assert after.nodes[0].origin == a.op.origin
    before = cut([a], [x, y, p])
    assert prune(before).nodes[0].inputs == (p, x)  # sizes are not needed


def test_carried_values_that_only_serve_themselves() -> None:
    x, y = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [3], name="y")

    def body(i: Any, a: Any, b: Any, c: Any) -> Any:
        return i + 1, gf.sin(b), gf.cos(a), c * a + y

    loop = gf.while_loop(lambda i, a, b, c: i < 3, body, (0, x, x, x))
    for k, n_carry, n_inputs in [(0, 1, 1), (1, 3, 3), (2, 3, 3), (3, 4, 5)]:
        after, _ = check(prune, [loop[k]], {x: X3, y: X3})
        node = _only(after)
        assert node.attrs["n_carry"] == n_carry
        assert len(node.attrs["varying"]) == n_carry
        assert len(node.inputs) == n_inputs


def test_elements_and_stacks_of_a_scan() -> None:
    e, f = gf.placeholder("float64", [None, 3], name="e"), gf.placeholder("float64", [None], name="f")
    x = gf.placeholder("float64", [3], name="x")
    values = {e: np.ones((4, 3)), f: np.ones(4), x: X3}
    a, b, n = gf.scan(
        lambda acc, row: (acc[0] * row[0], acc[1] + row[1], acc[2] + 1),
        (e, f),
        (x, gf.constant(0.5, "float64"), 0),
    )
    assert [t.op.name for t in _only(check(prune, [a], values)[0]).inputs] == ["x", "e"]
    after, _ = check(prune, [n], values)
    assert _only(after).attrs["n_elems"] == 1
    assert _only(after).inputs[1].type.nbytes == 32  # the smallest still says how often to go
    # lengths that only the run can compare stay, and the run refuses them as before
    unbound = prune(cut([n], [e, f, x]))
    assert _only(unbound).attrs["n_elems"] == 2
    after, _ = check(prune, [b, *gf.gradients(a, [x])], values)
    assert sum(n.op.is_control for n in after.nodes) == 2


def test_one_loop_frees_another() -> None:
    x = gf.placeholder("float64", [3], name="x")

    def step(i: Any, a: Any, b: Any) -> Any:
        return i + 1, gf.sin(a), b * 2.0

    values = (0, x, gf.exp(x))
    for _ in range(4):
        values = (0, *gf.while_loop(lambda i, a, b: i < 2, step, values)[1:])
    after, _ = check(prune, [values[1]], {x: X3})
    assert [n.attrs["n_carry"] for n in after.nodes if n.op.is_control] == [2] * 4
    assert "exp" not in [n.type for n in after.nodes]


def test_effects_stay() -> None:
    x = gf.placeholder("float64", [3], name="x")

    def body(i: Any, a: Any, b: Any) -> Any:
        return i + 1, gf.Print(gf.sin(a), [a], "in the loop"), b * 0.5

    loop = gf.while_loop(lambda i, a, b: i < 2, body, (0, x, x))
    after, told = check(prune, [loop[2]], {x: X3})
    assert _only(after).attrs["n_carry"] == 3
    assert told.printed.count("in the loop") == 4
    done = gf.cond(x[0] < 9.0, lambda: (gf.print("said"), x), lambda: (gf.no_op(), gf.exp(x)))
    after, told = check(prune, [x * 1.0], {x: X3}, [done[0]])
    assert _only(after).outputs == ()
    assert told.printed == "said\nsaid\n"


def test_where_everything_is_used_nothing_changes() -> None:
    x = gf.placeholder("float64", [3], name="x")
    loop = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, gf.sin(a)), (0, x))
    for fetches in (loop, [gf.exp(x)]):
        before = bound(list(fetches), {x: X3})
        assert prune(before) is before
