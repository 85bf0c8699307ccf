"""A graph that was saved and loaded is as good as the one that was built."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import GradientError, GraphError, NameError
from graphflow.graph import Graph, Node
from graphflow.ops.body import Body
from graphflow.save import load_graph, save_graph
from graphflow.types import SUPPORTED, unknown_dim
from tests.ops.table import all_samples
from tests.save.graphs import build_model, feeds


def again(path: Path, graph: Graph | None = None, **options: Any) -> Graph:
    """The graph after a round trip."""
    save_graph(path / "g.gfg", graph)
    return load_graph(path / "g.gfg", **options)


def assert_alike(first: Graph, second: Graph) -> None:
    """Both graphs have the same nodes in the same order, those in bodies included."""
    stack = [(first.operations, second.operations)]
    while stack:
        left, right = stack.pop()
        assert [n.name for n in left] == [n.name for n in right]
        for a, b in zip(left, right, strict=True):
            assert a.op is b.op
            assert a.device == b.device
            assert a.origin == b.origin
            assert a.place == b.place
            assert [n.name for n in a.control_inputs] == [n.name for n in b.control_inputs]
            assert [t.name for t in a.inputs] == [t.name for t in b.inputs]
            assert [str(t.type) for t in a.outputs] == [str(t.type) for t in b.outputs]
            assert list(a.attrs) == list(b.attrs)
            for body, other in zip(_bodies(a), _bodies(b), strict=True):
                assert [t.name for t in body.inputs] == [t.name for t in other.inputs]
                assert [t.name for t in body.outputs] == [t.name for t in other.outputs]
                assert [t.name for t in body.captures] == [t.name for t in other.captures]
                stack.append((body.nodes, other.nodes))


def _bodies(node: Node) -> list[Body]:
    return list(node.attrs.get("bodies", ()))


# --- everything comes back ------------------------------------------------------------------------------------------


def test_nodes_names_devices_and_lines(tmp_path):
    build_model()
    built = gf.get_default_graph()
    loaded = again(tmp_path)
    assert_alike(built, loaded)
    assert loaded is not built
    assert loaded.seed == 7
    assert loaded.get_operation_by_name("hidden/y").device == "cpu:0"
    assert str(loaded.get_operation_by_name("hidden/y").origin).startswith("graphs.py:")
    gradient = next(n for n in loaded.operations if "hidden/y_grad" in n.name)
    assert "gradient of 'hidden/y' made at graphs.py:" in gradient.place
    numbers = [[t.number for n in g.operations for t in n.outputs] for g in (built, loaded)]
    assert numbers[0] == numbers[1]


def test_values_and_random_draws(tmp_path):
    names = {key: t.name for key, t in build_model().items()}
    results = []
    for graph in (gf.get_default_graph(), again(tmp_path)):
        session = gf.Session(graph)
        session.run("init")
        results.append([session.run(names, feeds()) for _ in range(2)])
    for before, after in zip(*results, strict=True):
        for key in names:
            assert before[key].dtype == after[key].dtype
            assert before[key].tobytes() == after[key].tobytes(), key
    assert results[0][0]["noise"].tobytes() != results[0][1]["noise"].tobytes()


def test_collections_and_variables(tmp_path):
    loss = build_model()["loss"]
    loaded = again(tmp_path)
    with loaded.as_default():
        w, b = gf.global_variables()
        assert (w.name, b.name, w.trainable, b.trainable) == ("w:0", "b:0", True, False)
        assert [v is w for v in gf.trainable_variables()] == [True]
        assert [t.name for t in loaded.get_collection("losses")] == [loss.name]
        settings = loaded.get_collection("settings")[0]
        assert repr(settings) == repr(("adam", 0.5, -0.0, float("nan"), 3, None, True, 2 + 1j))
        before = len(loaded)
        assert w.read().name == "w/read_1:0"  # the read after the write, as where it was built
        assert len(loaded) == before
        with gf.Session() as session:
            session.run(gf.global_variables_initializer())
            w.load(np.ones((3, 4), "float32"))
            session.run(w.assign_add(np.full((3, 4), 2, "float32")))
            assert np.array_equal(session.run(w), np.full((3, 4), 3, "float32"))


def test_building_goes_on_as_it_would_have(tmp_path):
    """New names, gradients, merged values and random draws are those of the graph that was never saved."""
    build_model()
    built, loaded = gf.get_default_graph(), again(tmp_path)
    results = []
    for graph in (built, loaded):
        with graph.as_default():
            loss = graph.get_collection("losses")[0]
            (g,) = gf.gradients(loss, gf.trainable_variables())
            with gf.name_scope("hidden"):
                noise = gf.random.normal((4,))
            twice = graph.get_tensor_by_name("hidden/y:0") * 2.0
            session = gf.Session(graph)
            session.run("init")
            values = session.run([g, noise], feeds())
            results.append(([g.name, noise.name, twice.name, twice.number], [v.tobytes() for v in values]))
    assert results[0] == results[1]


@pytest.mark.slow
def test_every_sample_of_every_op(tmp_path, monkeypatch):
    """With unknown sizes where the sample allows that, and with gradients."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # most of the time, else
    refused = []
    for sample in all_samples():
        values = [np.asarray(v) for v in sample.inputs]
        shapes = [(None,) * v.ndim if sample.symbolic else v.shape for v in values]
        graph = Graph()
        with graph.as_default():
            given = [gf.placeholder(v.dtype, s) for v, s in zip(values, shapes, strict=True)]
            made = sample.build(*given)
            outputs = [
                t for t in (made if isinstance(made, (list, tuple)) else [made]) if t.dtype.kind == "f"
            ]
            sources = [t for t in given if t.dtype.kind == "f"]
            if sample.grad and outputs and sources:
                with contextlib.suppress(GradientError):  # some rules need to know sizes
                    gf.gradients(outputs, sources, unconnected_gradients="none")
        first, second = tmp_path / "first.gfg", tmp_path / "second.gfg"
        try:
            save_graph(first, graph)
        except GraphError as error:
            refused.append(str(error))
            continue
        loaded = load_graph(first)
        assert_alike(graph, loaded)
        save_graph(second, loaded)
        assert first.read_bytes() == second.read_bytes(), sample.name
        first.unlink()  # some file systems write a file to the disk before another takes its name
        second.unlink()
    assert all("callback" in text or "rule" in text for text in refused)


# --- constants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", SUPPORTED)
@pytest.mark.parametrize("shape", [(), (5,), (2, 0, 3), (2, 3, 1)])
def test_constants_of_every_dtype(tmp_path, dtype, shape):
    count = int(np.prod(shape)) * SUPPORTED[dtype].itemsize
    raw = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 256, count, dtype=np.uint8)
    value = raw.view(SUPPORTED[dtype]).reshape(shape)
    c = gf.constant(value, name="c")
    loaded = again(tmp_path).get_tensor_by_name("c:0")
    assert loaded.type == c.type
    assert loaded.op.attrs["value"].array.tobytes() == value.tobytes()
    assert not loaded.op.attrs["value"].array.flags.writeable


def test_constants_at_extremes_keep_every_bit(tmp_path):
    payload = np.array([0x7FF8DEADBEEF0001, 0xFFF0000000000001, 0x8000000000000000, 1], np.uint64).view(
        "float64"
    )
    gf.constant(payload, name="a")
    gf.constant(np.array([-0.0, 6e-8, np.nan], ml_dtypes.bfloat16), name="b")
    gf.constant(payload.view("complex128"), name="c")
    gf.clip(gf.placeholder("float64", (2,)), -0.0, 5e-324)
    loaded = again(tmp_path)
    for name in "abc":
        arrays = [
            g.get_operation_by_name(name).attrs["value"].array for g in (gf.get_default_graph(), loaded)
        ]
        assert arrays[0].tobytes() == arrays[1].tobytes()


def test_equal_constants_are_written_once(tmp_path):
    big = np.random.default_rng(0).normal(size=100_000)
    c = gf.constant(big)
    for _ in range(20):
        gf.add(c, gf.constant(1.0, "float64"))
    save_graph(tmp_path / "g.gfg")
    assert big.nbytes < (tmp_path / "g.gfg").stat().st_size < big.nbytes + 20_000


# --- the same bytes -------------------------------------------------------------------------------------------------


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    files = []
    for name in ("a", "b"):
        with Graph().as_default() as graph:
            build_model()
        save_graph(tmp_path / name, graph)
        save_graph(tmp_path / f"{name}2", load_graph(tmp_path / name))
        files += [(tmp_path / name).read_bytes(), (tmp_path / f"{name}2").read_bytes()]
        for _ in range(2000):
            unknown_dim()  # names of unknown sizes have more digits now
    assert len(set(files)) == 1


def test_the_bytes_do_not_depend_on_the_process(tmp_path):
    code = f"""
import graphflow as gf
from graphflow.save import save_graph
from tests.save.graphs import build_model
build_model()
save_graph({str(tmp_path / "x")!r})
"""
    root = str(Path(__file__).resolve().parents[2])
    found = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root, "LC_ALL": "C"}
        subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)
        found.add(hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest())
    assert len(found) == 1


# --- structure ------------------------------------------------------------------------------------------------------


def test_an_empty_graph(tmp_path):
    assert len(again(tmp_path)) == 0


def test_a_long_chain_and_deep_bodies_need_no_recursion(tmp_path):
    x = gf.placeholder("float32", (3,), name="x")
    y = x
    for _ in range(3000):
        y = gf.sin(y, name="s")

    def nest(depth, value):
        return (
            value
            if depth == 0
            else gf.cond(gf.sum(value) > 0, lambda: nest(depth - 1, value * 2.0), lambda: value)
        )

    z = nest(12, x)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len_of_stack() + 60)
    try:
        loaded = again(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    feed = {"x:0": np.ones(3, "float32")}
    assert np.array_equal(gf.Session(loaded).run(z.name, feed), np.full(3, 2.0**12, "float32"))


def len_of_stack() -> int:
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def test_unknown_sizes_stay_tied(tmp_path):
    """Sizes that were known to be equal still are, and those that were not are not."""
    x = gf.placeholder("float32", (None, 3), name="x")
    y = gf.placeholder("float32", (None, 3), name="y")
    gf.identity(x[1:], name="tail")
    gf.reshape(x, (-1,), name="flat")
    loaded = again(tmp_path)
    x2, y2, tail, flat = (loaded.get_tensor_by_name(f"{n}:0") for n in ("x", "y", "tail", "flat"))
    assert x2.type.shape[0] != y2.type.shape[0]
    assert x2.type.shape[0] not in (x.type.shape[0], y.type.shape[0])
    assert flat.type.shape[0] == x2.type.shape[0] * 3
    feed = {"x:0": np.ones((4, 3), "float32"), "y:0": np.ones((2, 3), "float32")}
    assert gf.Session(loaded).run([tail, flat], feed)[0].shape == (3, 3)
    with loaded.as_default():
        assert (x2 + x2).type.shape == x2.type.shape


def test_into_a_graph(tmp_path):
    build_model()
    save_graph(tmp_path / "g.gfg")
    target = Graph()
    with target.as_default():
        mine = gf.constant(5.0, name="mine")
        with gf.name_scope("gradients"):
            gf.constant(1.0, name="other")
    assert load_graph(tmp_path / "g.gfg", into=target) is target
    session = gf.Session(target)
    session.run("init")
    assert session.run([mine, "hidden/y:0"], feeds())[0] == 5.0
    assert target.seed == 7


def test_into_a_graph_that_has_the_names(tmp_path):
    build_model()
    save_graph(tmp_path / "g.gfg")
    target = Graph()
    with target.as_default():
        gf.constant(5.0, name="x")
    with pytest.raises(GraphError, match="has 1 of the file's names already: x"):
        load_graph(tmp_path / "g.gfg", into=target)
    assert len(target) == 1
    target.finalize()
    with pytest.raises(GraphError, match="finalized"):
        load_graph(tmp_path / "g.gfg", into=target)


def test_loading_says_nothing_about_growth(tmp_path, recwarn):
    with gf.config.override(repeat_limit=10_000):
        x = gf.placeholder("float32", (), name="x")
        for _ in range(3000):
            gf.sin(x)
    loaded = again(tmp_path)
    assert len(loaded) == 3001
    assert not recwarn.list


# --- what cannot be saved -------------------------------------------------------------------------------------------


def test_python_functions_cannot_be_saved(tmp_path):
    x = gf.placeholder("float32", (3,))
    gf.py_func(np.sin, [x], "float32", name="call")
    with pytest.raises(
        GraphError, match=r"py_func.*no file can hold\n.*node 'call', made at test_round_trip.py:\d+"
    ):
        save_graph(tmp_path / "g.gfg")
    assert not list(tmp_path.iterdir())


def test_objects_in_collections_cannot_be_saved(tmp_path):
    gf.get_default_graph().add_to_collection("things", object())
    with pytest.raises(GraphError, match="collection 'things' holds <object"):
        save_graph(tmp_path / "g.gfg")


def test_a_body_alone_cannot_be_saved(tmp_path):
    def body():
        with pytest.raises(GraphError, match="on its own"):
            save_graph(tmp_path / "g.gfg")
        return 1.0

    gf.cond(gf.constant(True), body, lambda: 2.0)


def test_the_old_file_stays_when_saving_fails(tmp_path):
    gf.constant(1.0, name="c")
    save_graph(tmp_path / "g.gfg")
    gf.get_default_graph().add_to_collection("things", object())
    with pytest.raises(GraphError):
        save_graph(tmp_path / "g.gfg")
    assert load_graph(tmp_path / "g.gfg").get_operation_by_name("c")
    with pytest.raises(NameError):
        load_graph(tmp_path / "g.gfg").get_operation_by_name("d")


def test_a_checkpoint_fits_the_loaded_graph(tmp_path):
    """Graph and values in two files: what a program that did not build the graph needs to go on training."""
    step = build_model()["step"]
    with gf.Session() as session:
        session.run("init")
        session.run(step, feeds())
        gf.train.Saver().save(session, str(tmp_path / "values"))
        wanted = session.run("w:0")
    loaded = again(tmp_path)
    with loaded.as_default(), gf.Session() as session:
        gf.train.Saver().restore(session, str(tmp_path / "values"))
        assert session.run("w:0").tobytes() == wanted.tobytes()
        session.run(step.name, feeds())
        assert session.run("w:0").tobytes() != wanted.tobytes()
