"""What of a graph is shown, merged, closed, or written as a chip."""

from __future__ import annotations

import numpy as np
import pytest

from graphflow.errors import RenderError
from graphflow.graph import Graph, name_scope
from graphflow.ops.constant import constant
from graphflow.ops.state import Variable
from graphflow.visualize.collect import MAX_FAN_OUT, collect
from graphflow.visualize.diagram import Diagram, Kind, Role


def titles(diagram: Diagram) -> list[str]:
    return [box.title for box in diagram.boxes]


def edges(diagram: Diagram) -> set[tuple[str, str]]:
    return {(diagram.boxes[e.source].title, diagram.boxes[e.target].title) for e in diagram.edges}


def test_a_training_graph_shows_what_its_reader_thinks_of(linear_regression):
    diagram = collect(linear_regression)
    assert titles(diagram)[:9] == ["x", "y", "w", "b", "multiply", "add", "subtract", "square", "mean"]
    assert [panel.title for panel in diagram.panels[1:]] == ["gradients", "update_w", "update_b"]
    assert titles(diagram)[-1] == "group"
    assert not {"read", "constant"} & set(titles(diagram))
    assert edges(diagram) >= {
        ("x", "multiply"),
        ("w", "multiply"),
        ("multiply", "add"),
        ("b", "add"),
        ("square", "mean"),
    }
    assert diagram.caption == "graph  |  25 ops  |  5 ops of initialisation not shown"


def test_all_shows_initialisers_and_reads(linear_regression):
    diagram = collect(linear_regression, all=True)
    shown = titles(diagram)
    assert shown.count("read") == 2
    assert shown.count("assign") == 4
    assert "not shown" not in diagram.caption
    boxed = len(diagram.boxes) + sum(tag.role is Role.CHIP for box in diagram.boxes for tag in box.tags)
    assert boxed == len(linear_regression.operations)


def test_asking_for_an_initialiser_shows_it(linear_regression):
    init = linear_regression.get_operation_by_name("init")
    assert {"assign", "group"} <= set(titles(collect(init)))


def test_a_tensor_is_drawn_with_what_it_is_computed_from(linear_regression):
    loss = linear_regression.get_tensor_by_name("loss:0")
    diagram = collect(loss)
    assert titles(diagram) == ["x", "y", "w", "b", "multiply", "add", "subtract", "square", "mean"]
    assert [box.is_fetch for box in diagram.boxes] == [False] * 8 + [True]
    nested = collect({"a": [loss], "b": (loss, linear_regression.get_tensor_by_name("x:0"))})
    assert titles(nested) == titles(diagram)


def test_a_variable_object_can_be_drawn():
    with Graph().as_default():
        w = Variable(np.zeros(3, np.float32), name="w")
        assert titles(collect(w)) == ["w"]
        assert titles(collect(w.read())) == ["w"]


def test_small_constants_are_chips_on_the_side_of_their_operand(graph_maker):
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(3,), name="x")
        graph_maker(g, "subtract", constant(1.0), x)
        graph_maker(g, "multiply", x, constant(0.001, name="rate"))
        graph_maker(g, "pad", x, constant([1, 2]))
        graph_maker(g, "matmul", x, constant(np.zeros((3, 3), np.float32), name="table"))
    diagram = collect(g)
    chips = {box.title: [(tag.text, tag.after) for tag in box.tags] for box in diagram.boxes}
    assert chips["subtract"] == [("1", False)]
    assert chips["multiply"] == [("rate = 0.001", True)]
    assert chips["pad"] == [("[1, 2]", True)]
    assert chips["matmul"] == []
    assert ("table", "matmul") in edges(diagram)


def test_a_constant_that_nothing_uses_is_a_box():
    g = Graph()
    with g.as_default():
        two = constant(2.0, name="two")
    assert titles(collect(g)) == ["two"]
    assert collect(two).boxes[0].is_fetch


@pytest.mark.parametrize(("n_users", "is_hub"), [(MAX_FAN_OUT, False), (MAX_FAN_OUT + 1, True)])
def test_what_has_many_users_is_written_at_each(graph_maker, n_users, is_hub):
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(3,), name="x")
        for i in range(n_users):
            graph_maker(g, "relu", x, name=f"r{i}")
    diagram = collect(g)
    assert all(edge.is_drawn is not is_hub for edge in diagram.edges)
    assert [t.text for t in diagram.boxes[0].tags] == (["11 uses"] if is_hub else [])
    assert [t.text for t in diagram.boxes[1].tags] == (["x"] if is_hub else [])
    assert all(edge.is_drawn for edge in collect(g, thin=False).edges)


def test_a_read_after_a_write_is_a_box_of_its_own(graph_maker):
    g = Graph()
    with g.as_default():
        w = Variable(np.float32(1), name="w")
        w.assign(graph_maker(g, "relu", w))
        graph_maker(g, "sqrt", w)
    assert edges(collect(g)) == {
        ("w", "relu"),
        ("w", "assign"),
        ("relu", "assign"),
        ("w", "read"),
        ("read", "sqrt"),
    }


def test_titles_leave_out_what_the_panel_says(graph_maker):
    g = Graph()
    with g.as_default():
        with name_scope("dense"):
            kernel = Variable(np.zeros((2, 2), np.float32), name="kernel")
            x = graph_maker(g, "matmul", kernel, name="hidden")
        with name_scope("lonely"):
            Variable(np.float32(0), name="scale")
        graph_maker(g, "relu", x)
    diagram = collect(g)
    assert [(box.title, box.aside) for box in diagram.boxes] == [
        ("kernel", ""),
        ("matmul", "hidden"),
        ("lonely/scale", ""),
        ("relu", ""),
    ]
    assert [diagram.panels[box.panel].title for box in diagram.boxes] == ["dense", "dense", "", ""]


def test_tooltips_name_the_user_s_line(linear_regression):
    tooltip = collect(linear_regression).boxes[4].tooltip
    assert "multiply → float32[8]" in tooltip
    assert "in: x:0  float32[8]" in tooltip
    assert "made at conftest.py:" in tooltip


def test_devices_are_named_once_and_crossings_marked(graph_maker):
    g = Graph()
    with g.as_default():
        with g.device("gpu:0"), name_scope("first"):
            a = graph_maker(g, "relu", graph_maker(g, "placeholder", shape=(2,)))
        with g.device("gpu:1"), name_scope("second"):
            graph_maker(g, "relu", graph_maker(g, "relu", a))
    diagram = collect(g)
    assert [(panel.title, panel.aside) for panel in diagram.panels[1:]] == [
        ("first", "gpu:0"),
        ("second", "gpu:1"),
    ]
    assert [edge.is_transfer for edge in diagram.edges] == [False, True, False]


def test_several_uses_are_one_edge_and_control_is_told_apart(graph_maker):
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(2,), name="x")
        with g.control_dependencies([x.op]):
            graph_maker(g, "multiply", x, x)
    assert [(edge.count, edge.is_control) for edge in collect(g).edges] == [(2, False), (1, True)]


def test_nodes_without_outputs_and_with_many(graph_maker, node_maker):
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(2,), name="x")
        node_maker(g, "split", x, out=(x.type,) * 5)
        node_maker(g, "print", x, out=())
    assert [box.detail for box in collect(g).boxes] == ["float32[2]", "5 outputs", ""]


def test_kinds_follow_ops(graph_maker):
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(2,), name="x")
        graph_maker(g, "fused", graph_maker(g, "transfer", x))
    assert [box.kind for box in collect(g).boxes] == [Kind.INPUT, Kind.TRANSFER, Kind.FUSED]


@pytest.mark.parametrize("what", [3, "x", None, [], {}, object(), [1.0]])
def test_what_cannot_be_drawn_is_refused(what):
    with pytest.raises(RenderError, match=r"no graph, plan, tensor|nothing to draw"):
        collect(what)


def test_an_endless_nest_ends(linear_regression):
    endless: list[object] = []
    endless += [endless, endless]
    with pytest.raises(RenderError, match="nothing to draw"):
        collect(endless)
    endless.append(linear_regression.get_tensor_by_name("x:0"))
    assert titles(collect(endless)) == ["x"]
