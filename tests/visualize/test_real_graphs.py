"""Pictures of graphs and plans made with the public functions."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import graphflow as gf
from graphflow.visualize import to_dot, to_networkx, to_svg, to_text
from graphflow.visualize.collect import collect
from graphflow.visualize.diagram import Kind


@pytest.fixture
def training() -> tuple[gf.Graph, gf.Tensor, gf.Tensor]:
    """A graph, its loss, and a step of gradient descent."""
    graph = gf.Graph()
    with graph.as_default():
        x = gf.placeholder("float32", [None], name="x")
        w = gf.Variable(np.float32(0.3), name="w")
        loss = gf.sum(gf.square(w * x - 1.0), name="loss")
        (gradient,) = gf.gradients(loss, [w])
        step = w.assign_sub(0.01 * gradient)
        gf.global_variables_initializer()
    return graph, loss, step


def test_a_training_graph(training):
    graph, loss, _ = training
    titles = [box.title for box in collect(graph).boxes]
    assert titles[:5] == ["x", "w", "multiply", "subtract", "square"]
    assert "no_op" not in titles
    assert "assign" in titles
    assert [box.title for box in collect(loss).boxes] == [*titles[:5], "sum"]
    for draw in (to_svg, to_dot, to_text):
        assert "square" in draw(graph)
    assert len(to_networkx(graph)) == len(graph.operations)


def test_a_plan_shows_bytes_peak_and_critical_path(training):
    graph, loss, step = training
    with gf.Session(graph) as session:
        plan = session.plan([loss, step], {"x:0": (1000,)})
    diagram = collect(plan)
    by_title = {box.title: box for box in diagram.boxes}
    assert by_title["x"].detail == "float32[1000] · 3.9 KiB"
    assert ("sum", "loss") in [(box.title, box.aside) for box in diagram.boxes if box.is_fetch]
    assert sum(box.is_critical for box in diagram.boxes) >= 3
    assert any(edge.is_critical for edge in diagram.edges)
    assert diagram.caption.startswith("plan for ")
    assert "peak " in diagram.caption
    ET.fromstring(str(plan.render()))
    assert "peak " in to_text(plan)


def test_control_flow_tells_how_much_is_inside():
    with gf.Graph().as_default() as graph:
        a = gf.placeholder("float32", [3], name="a")
        gf.cond(gf.sum(a) > 0, lambda: a + 1.0, lambda: a - 1.0)
    (box,) = [box for box in collect(graph).boxes if box.title == "cond"]
    assert "ops inside" in box.detail
    assert box.kind is Kind.OP


def test_a_variable_by_itself_and_a_subgraph(training):
    from graphflow.subgraph import cut

    graph, loss, _ = training
    x = graph.get_tensor_by_name("x:0")
    diagram = collect(cut([loss], [x]))
    assert [box.title for box in diagram.boxes if box.is_fetch] == ["sum"]
    assert "x" in [box.title for box in diagram.boxes]
