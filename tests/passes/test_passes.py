"""Every pass: keeps all bits on random graphs, alone and together; running it twice is running it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.bind import bind, match_feeds
from graphflow.passes.pipeline import AFTER_BIND, BEFORE_BIND, choose_passes
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
