"""`gf.debug`: which rewrite changed a value, what the passes did, a failure computed again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow import debug
from graphflow.backends import backend_for
from graphflow.backends.numpy import NumpyBackend
from graphflow.checking.lab import Lab, Stage, is_exact
from graphflow.checking.rounding import same_bits
from graphflow.errors import ArgumentError, FeedError, FetchError
from graphflow.graph import Node, Tensor, detached
from graphflow.interpret import interpret
from graphflow.op import OPS
from graphflow.passes.pipeline import AFTER_BIND, BEFORE_BIND, Pass
from graphflow.passes.rules import apply_rules
from graphflow.subgraph import Subgraph, cut
from graphflow.text import format_graph
from tests.random_graphs import Recipe, build, recipes

Inputs = tuple[Tensor, ...]


# --- wrong passes -----------------------------------------------------------------------------------


def _double_negative(node: Node, inputs: Inputs) -> Inputs | None:
    """Right: -(-x) is x."""
    return inputs[0].op.inputs if inputs[0].op.op.name == "negative" else None


def _half_as_square(node: Node, inputs: Inputs) -> Inputs | None:
    """Wrong: takes x / 2 for x * x, where x is a sum of two."""
    if inputs[0].op.op.name != "add" or inputs[1].op.op.name != "constant":
        return None
    return detached(node, OPS["multiply"], (inputs[0], inputs[0]), {}).outputs


def tidy(subgraph: Subgraph) -> Subgraph:
    """A pass of two rules, one of which is wrong."""
    return apply_rules(subgraph, {"negative": (_double_negative,), "divide": (_half_as_square,)})


def unpaired(subgraph: Subgraph) -> Subgraph:
    """Wrong without rewriting node by node: fetches change places."""
    return Subgraph(subgraph.nodes, subgraph.inputs, subgraph.outputs[::-1], subgraph.targets)


def broken(subgraph: Subgraph) -> Subgraph:
    """Wrong: what it makes fails."""

    def replace(node: Node, inputs: Inputs) -> Inputs | None:
        if node.op.name != "exp":
            return None
        index = detached(node, OPS["constant"], (), {"value": gf.constant(9).op.attrs["value"]})
        taken = detached(node, OPS["take"], (inputs[0], index.outputs[0]), {"axis": 0})
        return detached(node, OPS["broadcast_to"], taken.outputs, {"shape": (3,)}).outputs

    return subgraph.rewrite(replace)


def _model() -> tuple[Tensor, Tensor, Tensor]:
    """loss = sum(-(-tanh(...)) * ((x + w) / 2)); gives it, x and w."""
    x = gf.placeholder("float32", ["n"], name="x")
    w = gf.placeholder("float32", [], name="w")
    steps = gf.negative(gf.negative(gf.exp(x + 1.0)))
    for _ in range(10):
        steps = gf.negative(gf.negative(gf.tanh(steps)))
    half = gf.divide(x + w, 2.0, name="half")
    return gf.sum(steps * half, name="loss"), x, w


def test_the_rewrite_to_blame_is_found_with_a_small_graph() -> None:
    loss, x, w = _model()
    feeds = {x: [1, 2, 3], w: 4.0}
    session = gf.Session()
    found = debug.bisect(loss, feeds, session, passes=[*[p.name for p in AFTER_BIND[:2]], tidy])
    assert found
    assert (found.stage, found.culprit, found.rule) == ("pass", "tidy", "half_as_square")
    assert found.node is not None
    assert found.node.name == "half"
    assert found.before is not None
    assert found.after is not None
    assert [n.op.name for n in found.before.nodes] == ["add", "constant", "divide"]
    assert [n.op.name for n in found.after.nodes] == ["add", "multiply"]
    (before,) = interpret(found.before, found.feeds).outputs
    (after,) = interpret(found.after, found.feeds).outputs
    np.testing.assert_array_equal(before, (np.float32([1, 2, 3]) + np.float32(4)) / np.float32(2))
    assert not same_bits(before, after)
    told = str(found)
    assert "pass 'tidy', which keeps every bit, changes 'loss:0': 1 of 1 elements differ" in told
    assert "by half_as_square: divide node 'half', made at test_debug.py:" in told
    assert format_graph(found.before) in told
    assert "<x:0> = [1., 2., 3.]" in told


def forgetful(subgraph: Subgraph) -> Subgraph:
    """Wrong: writes of variables are left out."""
    kept = tuple([n for n in subgraph.nodes if n.op.name != "assign"])
    return Subgraph(kept, subgraph.inputs, subgraph.outputs)


def test_passes_that_do_not_rewrite_nodes_or_fail() -> None:
    x = gf.placeholder("float32", [3], name="x")
    y, z = gf.exp(x), gf.tanh(x)
    session = gf.Session()
    swapped = debug.bisect([y, z], {x: [0, 1, 2]}, session, passes=[unpaired])
    assert (swapped.stage, swapped.culprit, swapped.node) == ("pass", "unpaired", None)
    failing = debug.bisect([y, z], {x: [0, 1, 2]}, session, passes=[("my pass", broken)])
    assert (failing.culprit, failing.node and failing.node.op.name) == ("my pass", "exp")
    assert "IndexRangeError" in str(failing)
    assert debug.bisect(y, {x: [0, 1, 2]}, session, passes=[Pass("tidy", tidy)]).stage == ""
    v = gf.Variable(gf.zeros([3]), name="v")
    session.run(v.initializer)
    lost = debug.bisect([v.assign(y).op, y], {x: [0, 1, 2]}, session, passes=[forgetful])
    assert lost.culprit == "forgetful"
    assert "variable 'v'" in str(lost)


@given(recipe=recipes(30))
@settings(max_examples=15)
def test_nothing_differs_where_nothing_is_wrong(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe, unknown=True)
        found = debug.bisect(built.fetches, built.feeds, gf.Session())
        assert not found, str(found)
        assert str(found).startswith("nothing differs: ")


@given(recipe=recipes(30), which=st.integers(0, 100))
@settings(max_examples=15)
def test_a_single_wrong_replacement_is_found_among_all(recipe: Recipe, which: int) -> None:
    """A pass rebuilds every elementwise node, one of them with another input."""
    with gf.Graph().as_default():
        built = build(recipe)
        feeds = tuple(built.feeds)
        subgraph = cut(built.fetches, feeds)
        candidates = [
            n for n in subgraph.nodes if n.op.name in ("exp", "sin", "tanh") and n.inputs[0].type.size
        ]
        if not candidates:
            return
        odd = candidates[which % len(candidates)].name

        def rebuild(graph: Subgraph) -> Subgraph:
            def one(node: Node, inputs: Inputs) -> Inputs | None:
                if node.op.name not in ("exp", "sin", "tanh"):
                    return None
                op = OPS["cos"] if node.name == odd else node.op
                return detached(node, op, inputs, dict(node.attrs)).outputs

            return graph.rewrite(one, lambda: "rebuild")

        found = debug.bisect(built.fetches, built.feeds, gf.Session(), passes=[rebuild])
        if found:  # the value may not reach a fetch
            assert found.node is not None
            assert found.node.name == odd
            assert found.before is not None
            assert len(found.before.nodes) == 1


def test_a_wrong_kernel_is_found_and_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(NumpyBackend):
        def function(self, op: Any, attrs: Any) -> Any:
            if op.name == "tanh":
                return lambda a, out=None: np.add(np.tanh(a), 0.25, out=out)
            return super().function(op, attrs)

    x = gf.placeholder("float32", [50], name="x")
    v = gf.Variable(gf.zeros([50]), name="v")
    calls: list[int] = []
    checked = gf.py_func(lambda a: calls.append(1) or a, [x], gf.float32, shapes=(50,))
    steps = [v.assign_add(gf.cumulative_sum(gf.tanh(checked, name="odd"))), gf.random.uniform((2,))]
    session = gf.Session(optimize=False)
    session.run(v.initializer)
    assert not debug.bisect(steps, {x: np.ones(50)}, session)
    assert len(calls) == 2  # once interpreted, once in the program
    backend = backend_for("cpu:0")
    monkeypatch.setattr(debug, "backend_for", lambda device: Wrong())
    found = debug.bisect(steps, {x: np.ones(50)}, session)
    monkeypatch.undo()
    assert backend is backend_for("cpu:0")
    assert (found.stage, found.culprit) == ("kernel", "tanh")
    assert found.before is not None
    assert [n.name for n in found.before.nodes] == ["odd"]
    np.testing.assert_array_equal(interpret(found.before, found.feeds).outputs[0], found.expected)
    assert "odd" in str(found)
    assert session.run(v).tolist() == [0] * 50
    np.testing.assert_array_equal(session.run(steps[1]), gf.Session().run(steps[1]))


# --- passes that may change rounding ----------------------------------------------------------------


def test_what_may_change_rounding_may_change_no_more() -> None:
    x = gf.placeholder("float32", [1000], name="x")
    exact = cut([gf.sum(x) * 3.0, gf.argmax(x)], [x])
    value = np.random.default_rng(0).normal(size=1000).astype(np.float32)

    def changed(other: list[Any], is_exact: bool = False) -> Any:
        lab = Lab([value], {})
        return lab.differs(exact, cut(other, [x]), is_exact)

    reordered = [gf.sum(gf.reshape(x, (10, 100)), axis=0), gf.argmax(x)]
    again = [gf.sum(reordered[0]) * 3.0, reordered[1]]
    assert changed(again) is None
    assert changed(again, True) is not None
    wrong = changed([gf.sum(x) * 3.001, gf.argmax(x)])
    assert wrong.what.startswith("'mul")
    assert wrong.difference.count == 1
    assert changed([again[0], gf.argmin(x)]).what.startswith("'Argmax")
    other_type = changed([gf.cast(again[0], "float64"), again[1]])
    assert "float64[] in the place of float32[]" in str(other_type)


def test_which_passes_keep_bits_is_the_pipelines_to_say() -> None:
    for p in (*BEFORE_BIND, *AFTER_BIND):
        if p.exact is not None:
            assert is_exact(p.name, p.exact)
        if p.fast is not None and p.fast is not p.exact:
            assert not is_exact(p.name, p.fast)
    assert is_exact("tidy", tidy)
    subgraph = cut([gf.constant(1.0)])
    assert Stage("tidy", tidy, True, subgraph, subgraph).name == "tidy"


# --- the other tools --------------------------------------------------------------------------------


def test_passes_are_logged_with_rules_and_lines() -> None:
    x = gf.placeholder("float32", ["n"], name="x")
    y = gf.exp(x) + gf.exp(x) * (gf.constant(2.0) * 3.0)
    session = gf.Session()
    log = debug.passes(y, {x: (5,)}, session)
    assert log.sized
    assert [r.name for r in log] == [name for name, _ in (*session._passes.before, *session._passes.after)]
    assert len(log) == len(log.records)
    assert log.seconds == sum(r.seconds for r in log.records)
    told = str(log)
    assert told.startswith(f"{len(log)} passes, ")
    assert "exp node 'Exp_1', made at test_debug.py:" in told
    unsized = debug.passes(y, session=session)
    assert not unsized.sized
    assert [r.name for r in unsized] == [name for name, _ in session._passes.before]
    assert "give shapes" in str(unsized)
    assert len(debug.passes(gf.exp(gf.constant([1.0])))) == len(log)


def test_bad_input() -> None:
    x = gf.placeholder("float32", [3], name="x")
    y = gf.exp(x)
    bad: list[tuple[Any, type[Exception], str]] = [
        (lambda: debug.replay(ValueError("x")), ArgumentError, "is no NumericsError"),
        (lambda: debug.replay(None), ArgumentError, "is no NumericsError"),
        (lambda: debug.bisect(y), FeedError, "'x' .* was not fed"),
        (lambda: debug.bisect(y, {x: [1, 2]}), FeedError, r"needs float32\[3\]"),
        (lambda: debug.bisect(y, {x: [1, 2, 3]}, "session"), ArgumentError, "must be a Session"),
        (lambda: debug.bisect(3, {}), FetchError, "cannot fetch 3"),
        (lambda: debug.bisect(y, {x: [1, 2, 3]}, passes=["nothing"]), ArgumentError, "no pass 'nothing'"),
        (lambda: debug.bisect(y, {x: [1, 2, 3]}, passes="tidy"), ArgumentError, "must be a list"),
        (lambda: debug.bisect(y, {x: [1, 2, 3]}, passes=[3]), ArgumentError, "a pass is a function"),
        (
            lambda: debug.bisect(y, {x: [1, 2, 3]}, passes=[("lost", lambda s: None)]),
            ArgumentError,
            "pass 'lost' must give a Subgraph, it gave None",
        ),
        (
            lambda: debug.bisect(y, {x: [1, 2, 3]}, passes=["fuse"]),
            ArgumentError,
            "'fuse' is no pass but a decision about the plan",
        ),
        (lambda: debug.passes(y, session=4), ArgumentError, "must be a Session"),
        (lambda: debug.passes([None]), FetchError, "cannot fetch None"),
    ]
    for call, kind, message in bad:
        with pytest.raises(kind, match=message):
            call()
    closed = gf.Session()
    closed.close()
    with pytest.raises(gf.errors.SessionError, match="closed"):
        debug.bisect(y, {x: [1, 2, 3]}, closed)
