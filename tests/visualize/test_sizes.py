"""Graphs of any size give pictures of bounded size in bounded time, with room for slow machines."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import pytest

from graphflow.graph import Graph, Scope
from graphflow.op import Op
from graphflow.types import TensorType, as_dtype
from graphflow.visualize import to_dot, to_networkx, to_svg, to_text

VECTOR = TensorType(as_dtype("float32"), (4,))


def chain(count: int) -> Graph:
    """x -> 1 -> 2 -> ... -> count"""
    g = Graph()
    t = g.add(Op("placeholder", lambda: VECTOR), (), {}, "x", Scope(g)).outputs[0]
    step = Op("step", lambda _: VECTOR)
    for _ in range(count):
        t = g.add(step, (t,), {}, None, Scope(g)).outputs[0]
    return g


def fan_in(count: int) -> Graph:
    """x_0, x_1, ..., all into one stack"""
    g = Graph()
    source = Op("placeholder", lambda: VECTOR)
    inputs = tuple(g.add(source, (), {}, None, Scope(g)).outputs[0] for _ in range(count))
    g.add(Op("stack", lambda *_: VECTOR), inputs, {}, None, Scope(g))
    return g


def fan_out(count: int) -> Graph:
    """x into step_0, step_1, ..."""
    g = Graph()
    x = g.add(Op("placeholder", lambda: VECTOR), (), {}, "x", Scope(g)).outputs[0]
    for i in range(count):
        g.add(Op("step", lambda _, **attrs: VECTOR), (x,), {"i": i}, None, Scope(g))
    return g


def scoped(count: int) -> Graph:
    """A chain through scopes of five different structures."""
    g = Graph()
    t = g.add(Op("placeholder", lambda: VECTOR), (), {}, "x", Scope(g)).outputs[0]
    step = Op("step", lambda _: VECTOR)
    for i in range(count):
        t = g.add(step, (t,), {}, f"s{i // 5}_{i % 5}/a", Scope(g)).outputs[0]
    return g


def nested(depth: int) -> Graph:
    """A chain that goes ever deeper into scopes."""
    g = Graph()
    t = g.add(Op("placeholder", lambda: VECTOR), (), {}, "x", Scope(g)).outputs[0]
    step = Op("step", lambda _: VECTOR)
    for i in range(depth):
        for name in ("left", "right"):
            t = g.add(step, (t,), {}, "a/" * i + name, Scope(g)).outputs[0]
    return g


GRAPHS = {
    "chain": (chain, 10_000),
    "fan-in": (fan_in, 10_000),
    "fan-out": (fan_out, 10_000),
    "scoped": (scoped, 10_000),
    "nested": (nested, 400),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_large_graph_is_drawn_in_bounded_time_and_size(name):
    build, count = GRAPHS[name]
    graph = build(count)
    begin = time.perf_counter()
    svg, dot, text = to_svg(graph), to_dot(graph), to_text(graph)
    assert time.perf_counter() - begin < 10
    assert max(len(svg), len(dot)) < 200_000
    assert len(text) < 200_000
    ET.fromstring(svg)
    assert len(to_networkx(graph)) == len(graph)


@pytest.mark.slow
@pytest.mark.parametrize("build", [chain, fan_in, scoped])
def test_100_000_nodes(build):
    graph = build(100_000)
    begin = time.perf_counter()
    svg = to_svg(graph)
    assert time.perf_counter() - begin < 20
    assert len(svg) < 200_000


@pytest.mark.parametrize("build", [chain, scoped, fan_in])
def test_everything_can_be_opened(build):
    svg = to_svg(build(2_000), max_boxes=None)
    assert sum("-shape" in line for line in svg.splitlines()) >= 2_000


def test_depth_is_no_recursion():
    ET.fromstring(to_svg(nested(300), max_boxes=None))
