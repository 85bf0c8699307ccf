"""Building: names, scopes, devices, origins, structural equality, growth."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphError, GraphGrowthWarning, NameError


def _line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


# --- names and scopes -----------------------------------------------------------------------------


def test_names_are_unique_and_found_again() -> None:
    a = gf.constant(1.0, name="a")
    b = gf.constant(2.0, name="a")
    assert (a.name, b.name) == ("a:0", "a_1:0")
    graph = gf.get_default_graph()
    assert graph.get_tensor_by_name("a_1:0") is b
    assert graph.get_operation_by_name("a") is a.op


def test_a_name_that_was_asked_for_is_not_made_up_later() -> None:
    gf.constant(1.0, name="a_1")
    gf.constant(1.0, name="a")
    assert gf.constant(1.0, name="a").op.name == "a_2"


def test_scopes_nest_and_are_restored() -> None:
    with gf.name_scope("outer") as outer:
        assert outer == "outer/"
        with gf.name_scope("inner"):
            assert gf.constant(1.0, name="x").op.name == "outer/inner/x"
        assert gf.constant(1.0, name="x").op.name == "outer/x"
    with gf.name_scope("outer"):
        assert gf.constant(1.0, name="x").op.name == "outer_1/x"
    with gf.name_scope("outer/"):
        assert gf.constant(1.0, name="y").op.name == "outer/y"
    with pytest.raises(ZeroDivisionError), gf.name_scope("broken"):
        raise ZeroDivisionError
    assert gf.constant(1.0, name="x").op.name == "x"


def test_a_generator_left_half_way_does_not_leak_its_scope() -> None:
    def generator() -> Any:
        with gf.name_scope("inside"):
            yield gf.constant(1.0, name="x")

    running = generator()
    next(running)
    running.close()
    gc.collect()
    assert gf.constant(1.0, name="y").op.name == "y"


@pytest.mark.parametrize(
    "name",
    [
        "/",
        "..",
        "a\nb",
        "a\0b",
        "<script>",
        'a"b',
        "a b",
        "\u202eabc",
        "a" * 2000,
        "\ud800",
        "a/../b",
        "a//b",
        "-a",
    ],
)
def test_bad_names(name: str) -> None:
    before = len(gf.get_default_graph())
    with pytest.raises(NameError, match="is not a name"):
        gf.constant(1.0, name=name)
    assert len(gf.get_default_graph()) == before


def test_unknown_names_list_near_ones() -> None:
    gf.placeholder("float32", name="images")
    graph = gf.get_default_graph()
    with pytest.raises(NameError, match="near names: images"):
        graph.get_operation_by_name("image")
    for bad in ("images", "images:1", "images:x", "images:99999999999999999999"):
        with pytest.raises(NameError):
            graph.get_tensor_by_name(bad)


@pytest.mark.parametrize(
    ("spelled", "canonical"),
    [
        ("gpu", "gpu:0"),
        ("/gpu:1", "gpu:1"),
        ("/device:GPU:2", "gpu:2"),
        ("cpu", "cpu:0"),
        ("/cpu:0", "cpu:0"),
    ],
)
def test_device_spellings(spelled: str, canonical: str) -> None:
    with gf.device(spelled):
        assert gf.constant(1.0).device == canonical
        with gf.device(None):
            assert gf.constant(1.0).device is None


@pytest.mark.parametrize("bad", ["", "gpu:x", "gpu:-1", 3, "gpu:0:0", "g p u", "x" * 1000])
def test_bad_devices(bad: Any) -> None:
    with pytest.raises(ArgumentError, match="is not a device name"), gf.device(bad):
        pass


# --- graphs ---------------------------------------------------------------------------------------


def test_graphs_do_not_mix() -> None:
    a = gf.constant(1.0)
    with gf.Graph().as_default():
        b = gf.constant(2.0)
        with pytest.raises(GraphError, match="two graphs"):
            a + b
    assert (a + 1.0).graph is a.graph


def test_operations_follow_their_inputs_graph() -> None:
    other = gf.Graph()
    with other.as_default():
        a = gf.placeholder("float32", [3])
    assert gf.exp(a).graph is other


def test_finalized_graphs_refuse_nodes() -> None:
    a = gf.constant(1.0)
    gf.get_default_graph().finalize()
    with pytest.raises(GraphError, match=r"finalized.*\n.*test_graph\.py"):
        a + 1.0


def test_a_failed_node_leaves_no_trace() -> None:
    a = gf.placeholder("float32", [3], name="a")
    b = gf.placeholder("float32", [4], name="b")
    before = gf.get_default_graph().operations
    with pytest.raises(gf.errors.ShapeError) as caught:
        gf.add(a, b, name="sum")
    message = str(caught.value)
    assert "[3]" in message
    assert "[4]" in message
    assert message.count("test_graph.py") == 3  # the sum, and both operands
    assert gf.get_default_graph().operations == before
    assert gf.add(a, a, name="sum").op.name == "sum"


def test_handles_are_not_copied_or_pickled() -> None:
    a = gf.constant(1.0)
    for thing in (a, a.op, a.graph, gf.Variable(1.0), gf.Session()):
        with pytest.raises(gf.errors.GraphflowError):
            pickle.dumps(thing)
    assert copy.copy(a) is a
    assert copy.deepcopy([a])[0] is a
    assert len({a, a}) == 1


def test_repr_never_computes() -> None:
    a = gf.placeholder("float32", [None, 784], name="images")
    assert repr(a) == "<Tensor 'images:0' float32[?, 784]>"
    assert repr(a.op) == "<Operation 'images' placeholder>"
    x = a
    for _ in range(3000):
        x = x + a
    assert len(repr(x)) < 100


def test_print_graph_is_readable() -> None:
    x = gf.placeholder("float32", [2], name="x")
    gf.multiply(x, 3.0, name="y")
    lines = str(gf.get_default_graph()).splitlines()
    assert lines[0].startswith(
        "%0 = placeholder(dtype=dtype('float32'), shape=(2,)) : float32[2]  # x, test_graph.py:"
    )
    assert lines[2].startswith("%2 = multiply(%0, %1) : float32[2]  # y, test_graph.py:")


def test_consumers() -> None:
    x = gf.placeholder("float32", [2])
    y = gf.exp(x)
    assert x.consumers() == [y.op]
    z = x * x
    assert x.consumers() == [y.op, z.op]
    assert z.consumers() == []


@pytest.mark.parametrize("ask", [len, bool, int, float, iter, lambda t: 1 in t, lambda t: [t].index(1)])
def test_what_a_symbolic_tensor_cannot_answer(ask: Any) -> None:
    x = gf.placeholder("float32", [None], name="x")
    with pytest.raises(gf.errors.GraphflowError):
        ask(x)


# --- origins --------------------------------------------------------------------------------------


def test_every_way_of_building_names_the_users_line() -> None:
    x = gf.placeholder("float32", [4], name="x")
    made = {}
    made["operator"] = x + 1.0, _line()
    made["reflected"] = 2.0 * x, _line()
    made["function"] = gf.exp(x), _line()
    made["numpy ufunc"] = np.sin(x), _line()
    made["numpy function"] = np.sum(x, axis=0), _line()
    made["numpy on the left"] = np.ones(4, "float32") * x, _line()
    made["method"] = x.sum(), _line()
    made["slice"] = x[1:3], _line()
    made["variable"] = gf.Variable(1.0).handle, _line()
    for how, (tensor, line) in made.items():
        assert tensor.op.origin.line == line, how
        assert tensor.op.origin.file == __file__, how
        assert tensor.op.origin.function == "test_every_way_of_building_names_the_users_line"


def test_gradients_name_the_forward_line_too() -> None:
    x = gf.placeholder("float32", [4], name="x")
    y, forward = gf.exp(x, name="hidden"), _line()
    (g,), asked = gf.gradients(y, x), _line()
    assert g.op.place.endswith(
        f"gradient of 'hidden' made at test_graph.py:{forward} (gradient asked for at test_graph.py:{asked})"
    )


# --- structural equality and growth ---------------------------------------------------------------


def test_equal_pure_nodes_share_a_value_number() -> None:
    x = gf.placeholder("float32", [4])
    assert (gf.exp(x) * 2.0).number == (gf.exp(x) * 2.0).number
    assert (gf.exp(x) * 2.0).number != (gf.exp(x) * 3.0).number
    assert gf.sum(gf.ones((2, 2)), axis=0).number != gf.sum(gf.ones((2, 2)), axis=1).number
    assert gf.constant(0.0).number != gf.constant(-0.0).number
    assert gf.constant(1).number != gf.constant(1.0).number
    assert gf.placeholder("float32", [4]).number != x.number
    v = gf.Variable(1.0)
    assert v.assign(2.0).number != v.assign(2.0).number
    with gf.device("cpu"):
        assert gf.exp(x).number != (gf.exp(x) + 0.0).number


def test_programs_are_shared_by_equal_expressions() -> None:
    x = gf.placeholder("float32", [4])
    session = gf.Session()
    session.run(gf.exp(x) * 2.0, {x: np.ones(4)})
    before = [len(s.loaded) for s in session._signatures.values()]
    session.run(gf.exp(x) * 2.0, {x: np.ones(4)})
    assert all(len(s.loaded) == 1 for s in session._signatures.values())
    assert before == [1, 1]
    assert len({id(s.subgraph) for s in session._signatures.values()}) == 1


def test_a_line_that_makes_the_same_node_again_and_again_is_warned_about_once() -> None:
    x = gf.placeholder("float32", [4])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2500):
            gf.exp(x)
    found = [w for w in caught if issubclass(w.category, GraphGrowthWarning)]
    assert len(found) == 1
    assert "test_graph.py" in str(found[0].message)
    assert "'exp'" in str(found[0].message)


def test_a_long_chain_of_different_nodes_is_not_warned_about() -> None:
    x = gf.placeholder("float32", [4])
    for _ in range(2500):
        x = x + 1.0
    assert x.op.graph is gf.get_default_graph()


# --- size -----------------------------------------------------------------------------------------


def test_a_hundred_thousand_nodes() -> None:
    x = gf.placeholder("float64", [2], name="x")
    y = x
    for _ in range(100_000):
        y = gf.add(y, x)
    session = gf.Session()
    np.testing.assert_array_equal(session.run(y, {x: [1.0, 2.0]}), [100_001.0, 200_002.0])
    (g,) = gf.gradients(y, x)
    np.testing.assert_array_equal(session.run(g, {x: [1.0, 2.0]}), [100_001.0, 100_001.0])
    assert len(str(gf.get_default_graph())) < 1_000_000


def test_a_ladder_with_exponentially_many_paths() -> None:
    x = gf.placeholder("float64", [], name="x")
    y = x
    for _ in range(2000):
        y = (y + y) * 0.5
    (g,) = gf.gradients(y, x)
    assert gf.Session().run([y, g], {x: 3.0}) == [3.0, 1.0]


def test_building_in_threads() -> None:
    graph = gf.Graph()
    failures: list[BaseException] = []

    def build() -> None:
        try:
            with graph.as_default():
                for _ in range(300):
                    gf.constant(1.0, name="same")
        except BaseException as error:  # noqa: BLE001 whatever it is, the test must see it
            failures.append(error)

    threads = [threading.Thread(target=build) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert len(graph) == 2400
    assert len({op.name for op in graph.operations}) == 2400
    assert [op.id for op in graph.operations] == list(range(2400))


def test_objects_are_no_tensors() -> None:
    for bad in (
        object(),
        None,
        {"a": 1},
        np.array([object()]),
        np.datetime64("2020"),
    ):
        with pytest.raises(DTypeError):
            gf.constant(bad)
