"""Every pass: keeps all bits on random graphs, alone and together; running it twice is running it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.bind import bind, match_feeds
from graphflow.passes.fold_constants import FOLD_NBYTES, fold_constants
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.pipeline import AFTER_BIND, BEFORE_BIND, choose_passes
from graphflow.passes.resolve_likes import resolve_likes
from graphflow.passes.sink_broadcasts import sink_broadcasts
from graphflow.subgraph import Subgraph, cut
from graphflow.text import format_graph
from graphflow.types import TensorType
from graphflow.verify import verify
from tests.random_graphs import Built, Recipe, build, recipes

Pass = Callable[[Subgraph], Subgraph]
PASSES: list[Pass] = list(dict.fromkeys(p.exact for p in (*BEFORE_BIND, *AFTER_BIND) if p.exact is not None))


def _cut(built: Built) -> Subgraph:
    subgraph = cut(built.fetches, tuple(built.feeds))
    shapes = [np.shape(v) for v in built.feeds.values()]
    types = [TensorType(t.dtype, s) for t, s in zip(built.feeds, shapes, strict=True)]
    return bind(subgraph, types, match_feeds(tuple(built.feeds), shapes))[0]


def _values(subgraph: Subgraph, feeds: list[Any]) -> list[bytes]:
    """Run the kernels one by one: no plan, no buffers."""
    env: dict[gf.Tensor, Any] = dict(zip(subgraph.inputs, feeds, strict=True))
    with np.errstate(all="ignore"):
        for node in subgraph.nodes:
            if node.type == "constant":
                env[node.outputs[0]] = node.attrs["value"].array
            else:
                assert node.op.kernel is not None
                env[node.outputs[0]] = node.op.kernel(np, *[env[t] for t in node.inputs], **node.attrs)
    return [np.asarray(env[t]).tobytes() for t in subgraph.outputs]


@pytest.mark.parametrize("function", PASSES, ids=lambda f: getattr(f, "__name__", "optimize_bodies"))
@given(recipe=recipes())
def test_a_pass_keeps_every_bit_and_type(function: Pass, recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe, unknown=True)
        before = _cut(built)
        after = function(before)
        verify(after, getattr(function, "__name__", "optimize_bodies"))
        assert [t.type for t in after.outputs] == [t.type for t in before.outputs]
        feeds = list(built.feeds.values())
        assert _values(after, feeds) == _values(before, feeds)
        again = function(after)
        assert format_graph(again) == format_graph(after)


@given(recipe=recipes())
def test_lines_survive_every_pass(recipe: Recipe) -> None:
    """Whatever a pass makes says where it came from: a line of tests/random_graphs.py."""
    with gf.Graph().as_default():
        subgraph = _cut(build(recipe))
        chosen = choose_passes(True)
        for _, function in (*chosen.before, *chosen.after):
            subgraph = function(subgraph)
        assert {node.origin.file.rpartition("/")[2] for node in subgraph.nodes} <= {"random_graphs.py"}


@given(recipe=recipes(40))
def test_planned_runs_equal_plain_interpretation(recipe: Recipe) -> None:
    with gf.Graph().as_default(), gf.config.override(verify=True):
        built = build(recipe, unknown=True)
        plain = _values(_cut(built), list(built.feeds.values()))
        for optimize in (True, False):
            session = gf.Session(optimize=optimize)
            for _ in range(2):  # the second run meets the first one's buffers
                got = session.run(built.fetches, built.feeds)
                assert [np.asarray(v).tobytes() for v in got] == plain


@given(recipe=recipes())
def test_relabelled_and_padded_graphs_give_the_same_bits(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        first = gf.Session().run(built.fetches, built.feeds)
    with gf.Graph().as_default(), gf.name_scope("elsewhere"):
        gf.exp(gf.constant(1.0))  # a dead node
        again = build(recipe)
        gf.sin(again.values[-1])  # another one, that nobody fetches
        second = gf.Session().run(again.fetches, again.feeds)
    assert [np.asarray(v).tobytes() for v in first] == [np.asarray(v).tobytes() for v in second]


@given(recipe=recipes())
def test_feeding_back_a_fetched_value_changes_nothing(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        session = gf.Session()
        middle = built.values[len(built.values) // 2]
        values = session.run([middle, *built.fetches], built.feeds)
        feeds = {**built.feeds, middle: values[0]}
        again = session.run(built.fetches, feeds)
    assert [np.asarray(v).tobytes() for v in values[1:]] == [np.asarray(v).tobytes() for v in again]


# --- what each pass does, as text -----------------------------------------------------------------


def _text(function: Pass, *fetches: gf.Tensor, feeds: tuple[gf.Tensor, ...]) -> list[str]:
    after = function(cut(fetches, feeds))
    return [line.partition("  #")[0] for line in format_graph(after).splitlines()]


def test_merge_equal() -> None:
    x = gf.placeholder("float32", [2], name="x")
    assert _text(merge_equal, gf.exp(x) + gf.exp(x), feeds=(x,)) == [
        "%0 = exp(<x:0>) : float32[2]",
        "%1 = add(%0, %0) : float32[2]",
        "return %1",
    ]


def test_merge_equal_leaves_random_and_stateful_nodes_alone() -> None:
    a, b = gf.random.uniform((3,)), gf.random.uniform((3,))
    v = gf.Variable(1.0)
    first = v.assign_add(1.0)
    second = v.assign_add(1.0)
    before = cut([a, b, first, second])
    kept = [n.type for n in merge_equal(before).nodes]
    for op in ("assign", "read", "random_uniform"):
        assert kept.count(op) == [n.type for n in before.nodes].count(op)


def test_fold_constants() -> None:
    x = gf.placeholder("float32", [2], name="x")
    assert _text(fold_constants, x * (gf.constant(2.0) * 3.0), feeds=(x,)) == [
        "%0 = constant(value=6.) : float32[]",
        "%1 = multiply(<x:0>, %0) : float32[2]",
        "return %1",
    ]


def test_fold_constants_does_not_make_programs_grow() -> None:
    big = gf.zeros((FOLD_NBYTES,), dtype="float32") + 1.0
    assert "constant(value=0" not in "".join(_text(fold_constants, big, feeds=()))
    huge = gf.zeros((10**9,), dtype="float64")
    assert [n.type for n in fold_constants(cut([huge])).nodes] == ["full"]


def test_fold_constants_of_shapes() -> None:
    x = gf.placeholder("float32", [4, 5], name="x")
    assert _text(fold_constants, gf.size(x), feeds=(x,)) == ["%0 = constant(value=20) : int64[]", "return %0"]


def test_resolve_likes() -> None:
    x = gf.placeholder("float32", [None], name="x")
    w = gf.placeholder("float32", [], name="w")
    (g,) = gf.gradients(gf.exp(x * w), w)
    shapes = [(7,), ()]
    types = [TensorType(t.dtype, s) for t, s in zip((x, w), shapes, strict=True)]
    bound = bind(cut([g], (x, w)), types, match_feeds((x, w), shapes))[0]
    before, after = ([n.type for n in s.nodes] for s in (bound, resolve_likes(bound)))
    assert any(name.endswith("_like") for name in before)
    assert not any(name in ("sum_to_like", "broadcast_to_like", "reshape_like") for name in after)


def test_sink_broadcasts() -> None:
    s = gf.placeholder("float32", [], name="s")
    x = gf.placeholder("float32", [3], name="x")
    spread = gf.broadcast_to(s, (3,))
    assert _text(sink_broadcasts, gf.exp(spread) * x, feeds=(s, x)) == [
        "%0 = exp(<s:0>) : float32[]",
        "%1 = multiply(%0, <x:0>) : float32[3]",
        "return %1",
    ]


def test_sink_broadcasts_keeps_the_shape_of_results() -> None:
    s = gf.placeholder("float32", [], name="s")
    assert _text(sink_broadcasts, gf.exp(gf.broadcast_to(s, (3,))), feeds=(s,))[-2:] == [
        "%1 = broadcast_to(%0, shape=(3,)) : float32[3]",
        "return %1",
    ]
