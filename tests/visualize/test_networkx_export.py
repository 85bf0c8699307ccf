"""The networkx graph is the graph: every node, every edge, every fact."""

from __future__ import annotations

import io

import networkx as nx
import pytest

from graphflow.graph import Graph
from graphflow.visualize import to_networkx


def test_nodes_and_edges_are_those_of_the_graph(linear_regression):
    exported = to_networkx(linear_regression)
    nodes = linear_regression.operations
    data = [(t.op.name, n.name, str(i), t.name) for n in nodes for i, t in enumerate(n.inputs)]
    control = [(c.name, n.name, f"control:{i}", "") for n in nodes for i, c in enumerate(n.control_inputs)]
    assert list(exported.nodes) == [node.name for node in nodes]
    assert sorted(exported.edges(keys=True, data="tensor")) == sorted(data + control)
    assert nx.is_directed_acyclic_graph(exported)


def test_facts(linear_regression):
    exported = to_networkx(linear_regression)
    x = exported.nodes["x"]
    assert (x["op"], x["dtype"], x["shape"], x["outputs"], x["device"]) == (
        "placeholder",
        "float32",
        "[8]",
        "float32[8]",
        "",
    )
    assert x["file"].endswith("conftest.py")
    assert x["line"] > 1
    assert exported.nodes["train"]["dtype"] == exported.nodes["train"]["shape"] == ""
    edges = exported.get_edge_data("x", "multiply")
    assert edges == {"0": {"tensor": "x:0", "type": "float32[8]", "control": False}}


def test_several_edges_between_two_nodes_are_kept(graph_maker):
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(2,), name="x")
        with g.control_dependencies([x.op]):
            graph_maker(g, "multiply", x, x, name="square")
    assert set(to_networkx(g).get_edge_data("x", "square")) == {"0", "1", "control:0"}


def test_part_of_a_graph(linear_regression):
    assert set(to_networkx(linear_regression.get_tensor_by_name("x:0"))) == {"x"}


@pytest.mark.parametrize("write", [nx.write_graphml, nx.write_gml, nx.write_gexf])
def test_networkx_can_write_it(linear_regression, write):
    write(to_networkx(linear_regression), io.BytesIO())


def test_an_empty_graph():
    assert len(to_networkx(Graph())) == 0
