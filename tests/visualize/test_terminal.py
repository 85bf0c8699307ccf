"""Rows for a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphflow.graph import Graph, Scope, Tensor
from graphflow.op import Op
from graphflow.types import TensorType, as_dtype
from graphflow.visualize import to_text
from graphflow.visualize.terminal import MAX_LANES


def test_lanes_join_where_a_tensor_is_last_used(deep_net):
    lines = to_text(deep_net(1)).splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [
        "▷",
        "│ ◆",
        "│ │ ◆",
        "●─╯ │",
        "●───╯",
        "●",
        "●",
    ]
    assert lines[1].split()[2:5] == ["variable", "dense_0/kernel", "float32[16,"]
    assert lines[3].endswith("▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇ ← peak")
    assert [line.count("←") for line in lines] == [0, 0, 0, 1, 0, 0, 0]


def test_live_bytes_are_freed_after_their_last_use(deep_net):
    """x 256 B, kernel 1 KiB, bias 64 B, then three values of 256 B and one of 4."""
    lines = to_text(deep_net(1)).splitlines()
    sizes = [" ".join(line.split("]")[1].split()[:2]) for line in lines]
    assert sizes == ["256 B", "1.2 KiB", "1.3 KiB", "1.6 KiB", "576 B", "512 B", "260 B"]


def test_unknown_sizes_leave_the_bytes_out(graph_maker):
    g = Graph()
    with g.as_default():
        graph_maker(g, "relu", graph_maker(g, "placeholder", shape=("n",), name="x"))
    assert "▇" not in to_text(g)


def test_chips_stand_beside_the_name(linear_regression):
    assert "update_w/multiply (rate = 0.01)" in to_text(linear_regression)


def test_rows_are_limited(deep_net):
    lines = to_text(deep_net(100), max_rows=10).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "… 492 more ops"


@given(st.lists(st.lists(st.integers(0, 30), max_size=4), max_size=60))
def test_any_graph_has_one_row_a_node_of_bounded_width(inputs):
    g = Graph()
    with g.as_default():
        nodes: list[Tensor] = []
        for wanted in inputs:
            op = Op("op", lambda *_: TensorType(as_dtype("float32"), (2,)))
            nodes.append(
                g.add(op, tuple(nodes[i] for i in wanted if i < len(nodes)), {}, None, Scope(g)).outputs[0]
            )
    lines = to_text(g).splitlines() if inputs else []
    assert len(lines) == len(inputs)
    assert all(len(line) <= 2 * MAX_LANES + 90 for line in lines)
    assert all(line.count("●") == 1 or "…" in line for line in lines)
