"""DOT text: exact for a small graph, safe for every name, and accepted by Graphviz where that is present."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

from graphflow.graph import Graph, name_scope
from graphflow.ops.constant import constant
from graphflow.ops.state import Variable
from graphflow.visualize import to_dot
from graphflow.visualize.diagram import Box, Diagram, Edge, Kind, Panel, Role, Tag
from graphflow.visualize.dot import draw_dot

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="needs Graphviz: there is no `dot` on the path"
)

FIVE = """\
digraph graphflow {
  graph [rankdir=TB bgcolor="#fbfbfa" fontname="Inter,Helvetica" fontcolor="#1d2329" fontsize=11 \
nodesep=0.28 ranksep=0.34 pad=0.25 labeljust=l labelloc=b \
label="graph  |  6 ops  |  2 ops of initialisation not shown"]
  node [shape=box style="rounded,filled" color="#4A5568" fillcolor="#edf0f4" fontname="Inter,Helvetica" \
fontcolor="#1d2329" fontsize=10 height=0.38 margin="0.12,0.05" penwidth=1.2]
  edge [color="#8792a0" arrowsize=0.55]
  n0 [label=<<b>x</b><br/><font point-size="8" color="#5c6670">float32[4]</font>> \
shape=box style="rounded,filled" penwidth=2 color="#56B4E9" fillcolor="#e1f1fb" tooltip="T"]
  subgraph cluster_1 {
    label=<<b>dense</b>   > style="rounded,filled" color="#cfd6de" fillcolor="#f1f4f7" labelloc=t
    n1 [label=<<b>w</b><br/><font point-size="8" color="#5c6670">float32[4]</font>> \
shape=cylinder style=filled color="#E69F00" fillcolor="#fdf0d5" tooltip="T"]
    n2 [label=<<b>multiply</b><br/><font point-size="8" color="#5c6670">float32[4]</font>> tooltip="T"]
  }
  n3 [label=<<b>sum</b>  total<br/><font point-size="8" color="#5c6670">float32[4]</font>> tooltip="T"]
  t3_0 [label="0.5" shape=plaintext style="" fontsize=9 fontcolor="#5c6670" color="#8792a0" penwidth=1 \
height=0.2 width=0.2 margin=0.03 tooltip="T"]
  t3_0 -> n3 [arrowhead=none style=dotted]
  n0 -> n2 [tooltip="T"]
  n1 -> n2 [tooltip="T"]
  n2 -> n3 [tooltip="T"]
}
"""


def test_the_text_of_five_nodes(graph_maker):
    """x --> multiply --> total <.. 0.5, with w --> multiply inside `dense`."""
    g = Graph()
    with g.as_default():
        x = graph_maker(g, "placeholder", shape=(4,), name="x")
        with name_scope("dense"):
            w = Variable(np.zeros(4, np.float32), name="w")
            product = graph_maker(g, "multiply", x, w)
        graph_maker(g, "sum", product, constant(0.5), name="total")
    assert re.sub(r'tooltip="[^"]*"', 'tooltip="T"', to_dot(g)) == FIVE


def hostile(names: list[str]) -> Diagram:
    boxes = tuple(
        Box(
            kind, name, name, name, name, index % 2, (Tag(Role.CHIP, name, name), Tag(Role.ENTER, name, name))
        )
        for index, (name, kind) in enumerate(zip(names, list(Kind) * 2, strict=False))
    )
    edges = tuple(Edge(i, i + 1, tooltip=name) for i, name in enumerate(names[: len(boxes) - 1]))
    return Diagram(boxes, edges, (Panel(""), Panel(names[2], names[0])), "hostile", names[2])


def test_strings_end_where_they_should(hostile_names):
    text = draw_dot(hostile(hostile_names))
    text.encode()
    assert len(text) < 60_000
    assert "<script" not in text.replace("&lt;script", "").replace('"</svg><script', "")
    for line in text.splitlines():
        unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
        assert '"' not in unquoted


@needs_dot
def test_graphviz_accepts_hostile_text(hostile_names):
    done = subprocess.run(
        ["dot", "-Tsvg"],
        input=draw_dot(hostile(hostile_names)).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"syntax error" not in done.stderr
    assert b"<script" not in done.stdout


@needs_dot
def test_graphviz_accepts_a_training_graph(linear_regression):
    done = subprocess.run(
        ["dot", "-Tplain"],
        input=to_dot(linear_regression).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.count(b"\nnode ") >= 18
