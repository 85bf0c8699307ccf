"""Clusters: convex, walked by equal rows, and bit for bit what their nodes give one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import given

import graphflow as gf
from graphflow.graph import Node
from graphflow.op import OPS
from graphflow.ops import product_panels
from graphflow.ops.fused import FUSED
from graphflow.plan import Plan
from graphflow.planning import fusion
from graphflow.planning.cluster_body import kind_of
from tests.ops.table import all_samples

ROWS = 37  # no multiple of any block


@pytest.fixture(autouse=True)
def small_clusters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cluster small arrays too, in blocks of a few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "MIN_NBYTES", 1)
        patch.setattr(fusion, "BLOCK_NBYTES", 1024)
        patch.setattr(product_panels, "TILE", 16)
        patch.setattr(product_panels, "TALL_NBYTES", 512)
        yield


def _clusters(plan: Plan) -> list[tuple[str, ...]]:
    return [tuple(n.type for n in c.nodes) for c in plan.fusion.clusters]


def _check(fetches: list[gf.Tensor], feeds: dict[gf.Tensor, Any], session: gf.Session | None = None) -> Plan:
    """Run with clusters on one thread, on three, and without optimizing: equal bits; the clusters are legal."""
    plain = gf.Session(optimize=False).run(fetches, feeds)
    for threads in (1, 3):
        session = gf.Session(threads=threads)
        for value, wanted in zip(session.run(fetches, feeds), plain, strict=True):
            assert value.dtype == wanted.dtype
            assert value.shape == wanted.shape
            assert np.array_equal(np.asarray(value), np.asarray(wanted), equal_nan=wanted.dtype.kind in "fc")
            if wanted.dtype.kind == "f":
                assert np.array_equal(np.signbit(value), np.signbit(wanted))
    plan = gf.Session().plan(fetches, feeds)
    _check_convex(plan)
    return plan


def _check_convex(plan: Plan) -> None:
    """Contracting every cluster leaves no cycle; no node is in two clusters. networkx is the judge."""
    unit: dict[Node, Any] = {}
    for k, c in enumerate(plan.fusion.clusters):
        for n in c.nodes:
            assert n not in unit
            unit[n] = k
    graph = nx.DiGraph()
    for node in plan.subgraph.nodes:  # type: ignore[union-attr]
        graph.add_node(unit.get(node, node))
        for before in (*[t.op for t in node.inputs], *node.control_inputs):
            if unit.get(before, before) != unit.get(node, node) or before is node:
                graph.add_edge(unit.get(before, before), unit.get(node, node))
    assert nx.is_directed_acyclic_graph(graph)


def test_a_chain_runs_as_one_and_its_inner_values_take_no_memory() -> None:
    x = gf.placeholder("float64", ["n"])
    y = gf.abs(gf.sqrt(gf.abs(x * 2.0 + 1.0)) - x)
    feed = np.linspace(-1, 1, 100_000)
    plan = _check([y], {x: feed})
    assert _clusters(plan) == [("multiply", "add", "abs", "sqrt", "subtract", "abs")]
    assert plan.peak_nbytes < 1.1 * feed.nbytes


def test_softmax_and_layer_norm_by_rows() -> None:
    x = gf.placeholder("float32", ["n", 33])
    bias = gf.placeholder("float32", [33])
    e = gf.exp(x - gf.max(x, axis=-1, keepdims=True))
    softmax = e / gf.sum(e, axis=-1, keepdims=True)
    centred = x - gf.sum(x, axis=1, keepdims=True) / 33.0
    norm = centred * (1.0 / gf.sqrt(gf.sum(centred * centred, axis=1, keepdims=True) / 33.0 + 1e-5)) + bias
    rng = np.random.default_rng(0)
    feeds = {x: rng.normal(size=(ROWS * 40, 33)).astype("f4"), bias: rng.normal(size=33).astype("f4")}
    plan = _check([softmax, norm], feeds)
    assert ("max", "subtract", "exp", "sum", "divide") in _clusters(plan)
    assert any(c.lead == 1 for c in plan.fusion.clusters)


def test_a_path_that_leaves_and_returns_is_not_closed() -> None:
    x = gf.placeholder("float64", [ROWS, 40])
    a = gf.exp(x)
    outside = gf.cumulative_sum(a, axis=0)
    b = a * outside
    plan = _check([b], {x: np.ones((ROWS, 40))})
    assert all("exp" not in c or "multiply" not in c for c in _clusters(plan))
    assert any(reason == "a path between them leaves the cluster" for *_, reason in plan.fusion.refused)


def test_a_vector_that_is_both_rows_and_bias() -> None:
    v = gf.placeholder("float64", [ROWS])
    inner = v * 2.0
    square = gf.expand_dims(v, axis=1) * v + inner
    plan = _check([gf.exp(square), gf.exp(inner)], {v: np.linspace(0, 1, ROWS)})
    assert plan.fusion.clusters


def test_what_is_written_read_and_asked_for_keeps_its_order() -> None:
    w = gf.Variable(np.full(ROWS * 8, 0.5), name="w")
    a = gf.exp(w * 2.0) + 1.0
    with gf.control_dependencies([a]):
        step = w.assign(gf.sqrt(a) * 3.0)
    with gf.control_dependencies([step]):
        after = gf.exp(w.read() * 2.0) + 1.0
    results = []
    for optimize in (True, False):
        session = gf.Session(optimize=optimize)
        session.run(gf.global_variables_initializer())
        results.append([*session.run([a, step, after]), session.run(w)])
    for ours, plain in zip(*results, strict=True):
        assert np.array_equal(ours, plain)


def test_integer_folds_casts_and_conditions() -> None:
    x = gf.placeholder("int32", [ROWS, 3, 5])
    y = gf.cast(gf.where(x > 0, x, -x), "float32") * 0.5
    z = gf.sum(gf.reshape(x * 2, (ROWS, 15)), axis=1) + 1
    _check([y, z, gf.max(y, axis=(1, 2))], {x: np.arange(ROWS * 15).reshape(ROWS, 3, 5) - 200})


def test_layers_of_many_rows_run_by_panels() -> None:
    """Products of rows with a matrix, with what comes before and after them, in the panels that they are made in."""
    x = gf.placeholder("float32", ["n", 5, 8])
    w, v = gf.placeholder("float32", [8, 31]), gf.placeholder("float32", [31, 31])
    b = gf.placeholder("float32", [31])
    h = gf.tanh(gf.matmul(gf.abs(x) * 2.0, w) + b)
    y = gf.matmul(h, v) + b
    normed = y / gf.sum(gf.abs(y), axis=-1, keepdims=True)
    rng = np.random.default_rng(0)
    feeds = {
        t: rng.normal(size=s).astype("f4") for t, s in [(x, (41, 5, 8)), (w, (8, 31)), (v, (31, 31)), (b, 31)]
    }
    plan = _check([normed], feeds)
    assert any(c.count("matmul") == 2 for c in _clusters(plan))
    grads = gf.gradients(gf.sum(normed), [w, v, b])
    _check(grads, feeds)
    square = gf.placeholder("float64", [200, 200])
    _check([gf.matmul(square, square) * 2.0 + square], {square: rng.normal(size=(200, 200))})
    small = gf.placeholder("float64", [200, 31])
    _check([gf.exp(gf.matmul(gf.tanh(small), small[:31, :]))], {small: rng.normal(size=(200, 31)) / 16})


UNARY: list[Callable[[Any], Any]] = [
    gf.exp,
    gf.negative,
    gf.tanh,
    lambda t: gf.cast(gf.cast(t, "float32"), "float64"),
    lambda t: gf.sum(t, axis=-1, keepdims=True) if t.ndim else t,
    lambda t: gf.max(t, axis=-1) if t.ndim > 1 else t,
    lambda t: gf.expand_dims(t, axis=-1) if t.ndim == 1 else t,
    lambda t: gf.reshape(t, (ROWS, -1)) if t.ndim > 1 and t.shape[0] == ROWS else t,
    lambda t: gf.transpose(t) if t.ndim == 2 and t.shape[0] == t.shape[1] else t,
    lambda t: gf.sum(t, axis=0, keepdims=True) if t.ndim else t,
]
BINARY: list[Callable[[Any, Any], Any]] = [
    gf.add,
    gf.multiply,
    gf.maximum,
    lambda a, b: gf.where(a > b, a, b),
]
numbers = st.tuples(*[st.integers(0, 10_000)] * 3)


@given(st.lists(numbers, min_size=2, max_size=20), st.lists(st.integers(0, 10_000), min_size=1, max_size=3))
def test_random_graphs(steps: list[tuple[int, int, int]], wanted: list[int]) -> None:
    with gf.Graph().as_default():
        rng = np.random.default_rng(1)
        shapes: list[tuple[int, ...]] = [(ROWS, 4, 3), (ROWS, 1, 1), (4, 3), (3,), (ROWS,), (ROWS, ROWS), ()]
        feeds = {gf.placeholder("float64", s): rng.uniform(-1, 1, s) for s in shapes}
        values = list(feeds)
        for number, i, j in steps:
            function = [*UNARY, *BINARY][number % (len(UNARY) + len(BINARY))]
            a, b = values[i % len(values)], values[j % len(values)]
            try:
                values.append(function(a, b) if function in BINARY else function(a))
            except gf.errors.ShapeError:
                values.append(gf.tanh(a))
        _check([values[k % len(values)] for k in wanted] + values[-1:], feeds)


def _elementwise_samples() -> list[Any]:
    found = {}
    for s in all_samples():
        if s.inputs and all(isinstance(x, np.ndarray) and x.size for x in s.inputs):
            found.setdefault(s.name.split("-")[0].split("[")[0] + str([x.dtype for x in s.inputs]), s)
    return list(found.values())


def test_every_elementwise_kernel_gives_a_block_the_bits_of_the_whole() -> None:
    """Each elementwise node of the samples, on 4,099 elements: as a whole, and in blocks that begin anywhere."""
    seen: set[Any] = set()
    for sample in _elementwise_samples():
        with gf.Graph().as_default() as graph:
            flat = [np.resize(x, 4099) if x.ndim else x for x in sample.inputs]
            try:
                sample.build(*[gf.placeholder(x.dtype, x.shape) for x in flat])
            except (gf.errors.GraphflowError, ValueError, TypeError, IndexError):
                continue
            nodes = [n for n in graph.operations if n.op.is_elementwise and kind_of(n) == "map"]
        for node in nodes:
            key = (node.type, *[t.dtype for t in node.inputs], str(dict(node.attrs)))
            if key in seen or node.outputs[0].type.shape != (4099,):
                continue
            seen.add(key)
            rng = np.random.default_rng(len(seen))
            arrays = [_drawn(rng, t.dtype) for t in node.inputs]
            with np.errstate(all="ignore"):
                whole = _run(node, arrays)
                parts = [_run(node, [a[i : i + 371] for a in arrays]) for i in range(0, 4099, 371)]
            assert np.concatenate(parts).tobytes() == whole.tobytes(), node
    assert len(seen) > 300


def _drawn(rng: Any, dtype: Any) -> Any:
    x = rng.normal(size=4099) * 3
    if dtype.kind in "iu":
        return np.abs(np.round(x)).astype(dtype)
    if dtype.kind == "b":
        return x > 0
    x[rng.integers(0, 4099, 40)] = rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 1e30], 40)
    with np.errstate(all="ignore"):
        return (x + 1j * x[::-1]).astype(dtype) if dtype.kind == "c" else x.astype(dtype)


def _run(node: Node, arrays: list[Any]) -> Any:
    out = np.empty(arrays[0].shape, node.outputs[0].dtype)
    node.op.kernel(np, *arrays, out=out, **node.attrs)  # type: ignore[misc]
    return out


def test_a_cluster_on_whole_arrays_gives_the_same() -> None:
    """The op's own kernel, for backends without blocks, and its record, which can be copied."""
    x = gf.placeholder("float64", [ROWS, 8])
    e = gf.exp(x * 2.0)
    y = e / gf.sum(e, axis=1, keepdims=True)
    feed = np.linspace(-1, 1, ROWS * 8).reshape(ROWS, 8)
    program = gf.Session().plan([y], {x: feed}).program
    (i,) = [i for i in program.instructions if i.op is FUSED]
    inputs = [feed if program.slots[s].value is None else program.slots[s].value for s in i.inputs]
    (value,) = FUSED.kernel(np, *inputs, **i.attrs)  # type: ignore[misc]
    assert np.array_equal(value, gf.Session(optimize=False).run(y, {x: feed}))
    assert replace(i.attrs["body"]).names == ("mul", "Exp", "Sum", "truediv")
    assert "fused" in OPS


def test_planning_for_a_vast_batch_takes_no_memory() -> None:
    x = gf.placeholder("float32", [None, 4])
    y = gf.tanh(gf.matmul(x, gf.constant(np.ones((4, 4), np.float32))))
    assert gf.Session().plan(y, {x: (10**12, 4)}).peak_nbytes >= 10**12 * 16


def test_clusters_hold_no_more_than_the_program_does_without() -> None:
    """A gradient that runs through all layers in one cluster would hold those of all layers at once."""
    x = gf.placeholder("float32", [1 << 13, 24])
    h: Any = x
    for k in range(4):
        w = gf.Variable(np.full((24, 24), 0.01, np.float32), name=f"w{k}")
        h = gf.nn.relu(gf.matmul(h, w) + gf.Variable(np.zeros(24, np.float32), name=f"b{k}"))
    step = gf.train.GradientDescentOptimizer(0.1).minimize(gf.mean(gf.square(h)))
    plans = [gf.Session(optimize=o, threads=1).plan(step, {x: (1 << 13, 24)}) for o in (True, False)]
    assert plans[0].fusion.clusters
    assert any("matmul" in [n.type for n in c.nodes] for c in plans[0].fusion.clusters)
    assert plans[0].peak_nbytes <= plans[1].peak_nbytes


def test_an_order_is_only_looked_for_where_it_is_wanted() -> None:
    x = gf.placeholder("float64", [1 << 15])
    branches = [gf.exp(x * float(k)) for k in range(8)]
    total = gf.add_n([gf.sum(b) for b in branches])
    wide, narrow = (gf.Session(optimize=o).plan(total, {x: (1 << 15,)}) for o in ((), ("reorder",)))
    assert wide.peak_nbytes > 7 * x.type.dtype.itemsize * (1 << 15)
    assert narrow.peak_nbytes < 3 * x.type.dtype.itemsize * (1 << 15)
    assert [i.op.name for i in wide.program.instructions][:4] == ["multiply", "exp"] * 2
