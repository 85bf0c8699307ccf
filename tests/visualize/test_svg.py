"""SVG that is well-formed whatever the names, holds no script, and is the same every time."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from graphflow.visualize import to_svg
from graphflow.visualize.diagram import Box, Diagram, Edge, Kind, Panel, Role, Tag
from graphflow.visualize.svg import draw_svg

SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {f"{SVG}{tag}" for tag in ("svg", "title", "style", "rect", "g", "path", "text", "tspan")}


def hostile(names: list[str]) -> Diagram:
    """A diagram with hostile text in every place that takes text."""
    boxes = [
        Box(
            kind,
            name,
            name,
            name,
            name,
            index % 2,
            (Tag(Role.CHIP, name, name), Tag(Role.LEAVE, name, name, True)),
        )
        for index, (name, kind) in enumerate(zip(names, list(Kind) * 2, strict=False))
    ]
    edges = [Edge(i, i + 1, tooltip=names[i]) for i in range(len(boxes) - 1)]
    return Diagram(
        tuple(boxes), tuple(edges), (Panel(names[0]), Panel(names[0], names[2])), names[1], names[0]
    )


def text_of(root: ET.Element) -> set[str]:
    return {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}


def test_a_small_picture_says_what_the_graph_is(linear_regression):
    root = ET.fromstring(to_svg(linear_regression))
    assert {"x", "w", "b", "multiply", "add", "subtract", "square", "meanloss", "gradients"} <= text_of(root)
    assert "rate = 0.01" in text_of(root)
    assert "graph  |  25 ops  |  5 ops of initialisation not shown" in text_of(root)
    paths = [path.get("class", "").partition("-")[2] for path in root.iter(f"{SVG}path")]
    edges = [name for name in paths if name.startswith("edge")]
    heads = [name for name in paths if name.startswith("head")]
    assert len(edges) == len(heads) == 25
    assert sum("control" in name for name in edges) == 2


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_hostile_text_stays_text(hostile_names, theme):
    svg = draw_svg(hostile(hostile_names), theme)
    svg.encode()
    root = ET.fromstring(svg)
    assert {element.tag for element in root.iter()} <= ALLOWED
    assert not any(name.lower().startswith("on") for element in root.iter() for name in element.attrib)
    assert any("<script>" in text for text in text_of(root))
    assert len(svg) < 60_000


def test_nothing_is_loaded_from_elsewhere(linear_regression):
    svg = to_svg(linear_regression).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|url\(|href|@import|<script|<image|<foreignObject", svg)


def test_every_class_and_id_is_under_one_hash_and_pictures_do_not_mix(linear_regression, deep_net):
    prefixes = set()
    for graph in (linear_regression, deep_net(2)):
        svg = to_svg(graph)
        (prefix,) = set(re.findall(r'<svg[^>]* class="(g[0-9a-f]{8})"', svg))
        names = {name for value in re.findall(r'(?:class|id)="([^"]*)"', svg) for name in value.split()}
        assert all(name == prefix or name.startswith(f"{prefix}-") for name in names)
        style = svg[svg.index("<style>") : svg.index("</style>")]
        assert all(rule.startswith(f".{prefix} ") for rule in re.findall(r"(?<=[}{>])[^{}@<>]+(?=\{)", style))
        prefixes.add(prefix)
    assert len(prefixes) == 2


def test_both_themes_are_inside(linear_regression):
    svg = to_svg(linear_regression)
    assert svg.count("@media (prefers-color-scheme:dark)") == 1
    assert "#14171c" in svg
    assert "@media" not in to_svg(linear_regression, theme="dark")
    assert "#fbfbfa" not in to_svg(linear_regression, theme="dark")


def test_equal_graphs_give_equal_bytes_in_every_process(tmp_path):
    """Hash seeds, addresses and order of sets do not show."""
    program = (
        "import numpy as np\n"
        "from graphflow.graph import Graph, name_scope\n"
        "from graphflow.ops.state import Variable\n"
        "from graphflow.visualize import to_dot, to_svg, to_text\n"
        "g = Graph()\n"
        "with g.as_default():\n"
        "    for i in range(300):\n"
        "        with name_scope(f's{i % 11}'):\n"
        "            v = Variable(np.zeros(i % 5 + 1, np.float32)); v.assign(v.read())\n"
        "print(to_svg(g), to_dot(g), to_text(g), to_svg(g, all=True, max_boxes=40))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program, "utf-8")
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_tags_show_their_text_and_jumps_their_number():
    box = Box(
        Kind.OP,
        "add",
        tags=(Tag(Role.CHIP, "0.5"), Tag(Role.ENTER, "7"), Tag(Role.USES, "12 uses", after=True)),
    )
    assert {"0.5", "7", "12 uses"} <= text_of(ET.fromstring(draw_svg(Diagram((box,), (), (Panel(""),)))))


def test_states_are_drawn():
    boxes = (Box(Kind.OP, "a", is_critical=True), Box(Kind.OP, "b", is_critical=True, is_fetch=True))
    edge = Edge(0, 1, is_critical=True)
    svg = draw_svg(Diagram(boxes, (edge,), (Panel(""),)))
    assert len(re.findall(r'<g class="g\w+-op[^"]*-critical"', svg)) == 2
    assert len(re.findall(r'<g class="g\w+-op [^"]*-fetch', svg)) == 1
    assert len(re.findall(r'class="[^"]*-edge [^"]*-hot"', svg)) == 1


def test_an_empty_graph_is_a_picture():
    root = ET.fromstring(draw_svg(Diagram((), (), (Panel(""),), caption="graph  |  0 ops")))
    assert text_of(root) == {"graph  |  0 ops"}
