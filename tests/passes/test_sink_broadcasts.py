"""Elementwise work comes before a broadcast; results keep their shapes."""

from __future__ import annotations

import graphflow as gf
from graphflow.passes.sink_broadcasts import sink_broadcasts
from graphflow.subgraph import cut
from tests.passes.control import text


def test_elementwise_work_comes_first() -> None:
    s = gf.placeholder("float32", [], name="s")
    x = gf.placeholder("float32", [3], name="x")
    spread = gf.broadcast_to(s, (3,))
    assert text(sink_broadcasts(cut([gf.exp(spread) * x], (s, x)))) == [
        "%0 = exp(<s:0>) : float32[]",
        "%1 = multiply(%0, <x:0>) : float32[3]",
        "return %1",
    ]


def test_results_keep_their_shape() -> None:
    s = gf.placeholder("float32", [], name="s")
    assert text(sink_broadcasts(cut([gf.exp(gf.broadcast_to(s, (3,)))], (s,))))[-2:] == [
        "%1 = broadcast_to(%0, shape=(3,)) : float32[3]",
        "return %1",
    ]


def test_until_none_is_left_to_sink() -> None:
    """One behind another, and one whose reader was another that has gone."""
    s, x = gf.placeholder("float32", [], name="s"), gf.placeholder("float32", [2, 3], name="x")
    spread = gf.broadcast_to(s, (3,))
    for wide in (gf.exp(gf.broadcast_to(spread, (2, 3))), gf.broadcast_to(gf.exp(spread), (2, 3))):
        assert text(sink_broadcasts(cut([wide * x], (s, x)))) == [
            "%0 = exp(<s:0>) : float32[]",
            "%1 = multiply(%0, <x:0>) : float32[2, 3]",
            "return %1",
        ]
