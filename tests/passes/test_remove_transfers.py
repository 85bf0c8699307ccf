"""Transfers that are not needed go, and what crosses is as small as it can be; on the toy device and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from examples.toy_backend import ToyBackend
from graphflow import lowering
from graphflow.backends import backend_for, register, unregister
from graphflow.graph import Tensor
from graphflow.interpret import interpret
from graphflow.passes.remove_transfers import remove_transfers
from graphflow.planning.placement import Placed, place
from graphflow.subgraph import Subgraph
from tests.passes.control import bound, text


@pytest.fixture
def toy() -> Iterator[ToyBackend]:
    register(ToyBackend)
    backend = backend_for("toy")
    assert isinstance(backend, ToyBackend)
    yield backend
    unregister(ToyBackend)


def _resolve(asked: str | None) -> str:
    return asked or "cpu:0"


def removed(subgraph: Subgraph) -> Placed:
    """Placed, and with fewer transfers; every edge must stay on a device, or be a transfer from there."""
    placed = place(subgraph, _resolve, "cpu:0")
    after, device = remove_transfers(placed.subgraph, placed.device, placed.input_device)
    fed = set(after.inputs)

    def where(t: Tensor) -> str:
        return "cpu:0" if t in fed else device[t.op]

    seen = set(after.inputs)
    for node in after.nodes:
        assert seen.issuperset(node.inputs)
        seen.update(node.outputs)
        if node.type == "transfer":
            assert (where(node.inputs[0]), device[node]) == (node.attrs["source"], node.attrs["target"])
        else:
            assert {where(t) for t in node.inputs} <= {device[node]}
    assert {where(t) for t in after.outputs} <= {"cpu:0"}
    again, _ = remove_transfers(after, device, "cpu:0")
    assert again is after
    return Placed(after, device, "cpu:0")


def _moved(fetches: list[Any], feeds: Any, toy: ToyBackend, monkeypatch: Any) -> tuple[int, int]:
    """Bytes that a run moves without the pass and with it; the results must be the same bits."""
    counts, results = [], []
    for patched in (False, True):
        with monkeypatch.context() as patch:
            if not patched:
                patch.setattr(lowering, "remove_transfers", lambda s, device, i: (s, dict(device)))
            with gf.Session(optimize=False) as session:
                session.run(fetches, feeds)
                toy.moved = 0
                results.append([np.asarray(v).tobytes() for v in session.run(fetches, feeds)])
                counts.append(toy.moved)
    assert results[0] == results[1]
    return counts[0], counts[1]


def test_back_to_where_it_came_from(toy: ToyBackend, monkeypatch: Any) -> None:
    x = gf.placeholder("float32", [2, 3], name="x")
    with gf.device("toy"):
        y = gf.reshape(gf.identity(x), (6,))
        z = gf.transpose(x)
    after = removed(bound([y * 2.0], {x: np.ones((2, 3))}))
    assert text(after.subgraph) == [
        "%0 = constant(value=2.) : float32[]",
        "%1 = identity(<x:0>) : float32[2, 3] on cpu:0",
        "%2 = reshape(%1, shape=(6,)) : float32[6] on cpu:0",
        "%3 = multiply(%2, %0) : float32[6]",
        "return %3",
    ]
    assert {n.origin.line for n in after.subgraph.nodes[1:3]} == {y.op.origin.line}
    values = {x: np.random.default_rng(0).normal(size=(2, 3)).astype("float32")}
    before, now = _moved([gf.sum(y * 2.0), gf.sum(z * 3.0, axis=0)], values, toy, monkeypatch)
    assert (before, now) == (3 * 24, 0)


def test_the_same_value_moves_once(toy: ToyBackend, monkeypatch: Any) -> None:
    x = gf.placeholder("float32", [4, 3], name="x")
    y = gf.exp(x)
    flat = gf.reshape(y, (12,))
    with gf.device("toy"):
        a, b = gf.sum(y), gf.sin(flat)
    values = {x: np.ones((4, 3), np.float32)}
    before, now = _moved([a, b], values, toy, monkeypatch)
    assert (before, now) == (2 * 48 + 4 + 48, 48 + 4 + 48)


def test_small_things_move(toy: ToyBackend, monkeypatch: Any) -> None:
    s = gf.placeholder("float32", [], name="s")
    h = gf.placeholder("float16", [50], name="h")
    c = gf.constant(np.arange(40.0))
    spread, wide, filled = gf.broadcast_to(s, (100,)), gf.cast(h, "float32"), gf.zeros((70,), "float32")
    local = gf.sum(c)  # the constant's first user
    with gf.device("toy"):
        results = [gf.sum(spread), gf.sum(wide), gf.sum(filled), gf.sum(c * 2.0)]
    values = {s: np.float32(0.3), h: np.arange(50, dtype=np.float16)}
    before, now = _moved([local, *results], values, toy, monkeypatch)
    out = 4 + 4 + 4 + 8
    assert before == 400 + 200 + 280 + 320 + out
    assert now == 4 + 100 + out


def test_what_has_to_cross_crosses() -> None:
    x = gf.placeholder("float32", [4, 3], name="x")
    with gf.device("toy"):
        y = gf.exp(x[0])
    before = place(bound([y], {x: np.ones((4, 3))}), _resolve, "cpu:0")
    after, _ = remove_transfers(before.subgraph, before.device, "cpu:0")
    assert after is before.subgraph  # a row is smaller than all
    local = bound([gf.exp(x)], {x: np.ones((4, 3))})
    assert remove_transfers(local, dict.fromkeys(local.nodes, "cpu:0"), "cpu:0")[0] is local


@settings(max_examples=25)
@given(numbers=st.lists(st.integers(0, 10_000), min_size=3, max_size=30))
def test_random_graphs_over_three_devices(numbers: list[int]) -> None:
    """What the pass gives is placed as it should be, moves no more bytes, and computes the same."""
    with gf.Graph().as_default():
        x = gf.placeholder("float64", [2, 3], name="x")
        values = [x, gf.constant(np.arange(6.0).reshape(2, 3))]
        for number in numbers:
            t = values[-1 - (number // 64) % min(3, len(values))]
            with gf.device([None, "toy", "toy:1", "toy"][number % 4]):
                flat = gf.reshape(t, (-1,))
                made = [
                    lambda t=t: gf.exp(-gf.abs(t)),
                    lambda t=t: gf.transpose(gf.transpose(t)[::-1]),
                    lambda flat=flat: gf.broadcast_to(flat[:1], (2, 3)),
                    lambda t=t: gf.identity(t),
                    lambda: gf.ones((2, 3), "float64"),
                    lambda t=t: gf.cast(gf.cast(t, "float32"), "float64"),
                    lambda flat=flat: gf.reshape(flat[::-1], (2, 3)),
                    lambda t=t: t + values[0],
                ][number // 4 % 8]()
            values.append(made)
        feed = np.random.default_rng(0).normal(size=(2, 3))
        subgraph = bound([values[-1], gf.sum(values[-2], axis=0)], {x: feed})
        before = place(subgraph, _resolve, "cpu:0").subgraph
        after = removed(subgraph).subgraph
        assert _crossing(after) <= _crossing(before)
        results = [interpret(s, [feed]).outputs for s in (before, after)]
        for a, b in zip(*results, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def _crossing(subgraph: Subgraph) -> int:
    return sum(n.outputs[0].type.nbytes or 0 for n in subgraph.nodes if n.type == "transfer")
