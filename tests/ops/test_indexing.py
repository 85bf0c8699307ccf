"""Indexing: bad keys and parameters, what is known when, what is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphflowError, IndexRangeError, ShapeError
from graphflow.op import OPS, F
from graphflow.types import TensorType
from tests.ops.interpret import evaluate

X = np.arange(12.0).reshape(3, 4)


def _x(*shape: Any) -> Any:
    return gf.placeholder("float64", shape or (3, 4))


# --- mistakes that are known when the graph is built ----------------------------------------------


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        (3, IndexRangeError, "index 3 is out of range for axis 0 of size 3"),
        (-4, IndexRangeError, "index -4 is out of range for axis 0 of size 3"),
        (2**80, IndexRangeError, "is out of range for axis 0"),
        (-(2**63), IndexRangeError, "index -9223372036854775808"),
        ((0, 4), IndexRangeError, "index 4 is out of range for axis 1 of size 4"),
        ((..., 4), IndexRangeError, "index 4 is out of range for axis 1 of size 4"),
        ((0, 0, 0), IndexRangeError, "3 indices, too many"),
        ((..., ...), ArgumentError, "only one Ellipsis"),
        (1.0, DTypeError, "1.0 is no index"),
        (np.float32(1), DTypeError, "float32"),
        (1j, DTypeError, "1j is no index"),
        ("rows", DTypeError, "'rows' is no index"),
        ({1}, DTypeError, "is no index"),
        ({}, DTypeError, "is no index"),
        (object(), DTypeError, "is no index"),
        (slice(None, None, 0), ArgumentError, "step of a slice cannot be 0"),
        (slice(1.5, None), ArgumentError, "slice start must be an integer, not 1.5"),
        (slice(None, "2"), ArgumentError, "slice stop must be an integer, not '2'"),
        (slice(None, None, True), ArgumentError, "slice step must be an integer, not True"),
        ([0, 3], IndexRangeError, "index 3 is out of range for axis 0 of size 3"),
        ([0, -4], IndexRangeError, "index -4 is out of range"),
        (np.array([2**63], np.uint64), IndexRangeError, "index 9223372036854775808 is out of range"),
        ([2**63], DTypeError, "does not fit"),
        ([2**70], DTypeError, "not an array of numbers"),
        ([0.5], DTypeError, "indices must be integers"),
        (np.array([]), DTypeError, "indices must be integers, got float64[0]"),
        (np.array(["a"]), DTypeError, "not an array of numbers"),
        ([[0, 1], [2]], ShapeError, "no rectangular array"),
        (([0, 1], [0, 1, 2]), ShapeError, "do not broadcast"),
        ([True, False], ShapeError, "mask bool[2] does not fit float64[3, 4] from axis 0 on"),
        (np.ones((3, 5), bool), ShapeError, "mask bool[3, 5] does not fit"),
        (np.ones((3, 4, 1), bool), IndexRangeError, "too many"),
    ],
)
def test_bad_keys_are_refused_when_the_graph_is_built(key: Any, error: type[Exception], text: str) -> None:
    x = _x()
    before = len(x.graph)
    with pytest.raises(error) as caught:
        x[key]
    assert text in str(caught.value)
    assert "getitem" in str(caught.value) or "take" in str(caught.value)
    assert isinstance(caught.value, GraphflowError)
    with pytest.raises(error):
        gf.setitem(x, key, 0.0)
    assert all(n.type in ("constant", "placeholder") for n in x.graph.operations[before:])
    assert evaluate(x[0], {x: X}).tolist() == [0, 1, 2, 3]


def test_range_errors_are_index_errors_and_name_the_line() -> None:
    x = _x()
    with pytest.raises(IndexError, match=r"made at test_indexing\.py:\d+"):
        x[7]
    with pytest.raises(IndexError):
        gf.constant(1.0)[0]


def test_an_empty_axis_has_nothing_to_pick() -> None:
    x = _x(0, 3)
    with pytest.raises(IndexRangeError, match="the axis is empty"):
        x[0]
    with pytest.raises(IndexRangeError, match="is empty"):
        x[gf.placeholder("int64", (2,))]
    assert evaluate(x[[]], {x: np.zeros((0, 3))}).shape == (0, 3)


def test_iteration_stops_and_unpacks() -> None:
    a, b, c = _x()
    assert [t.type.shape for t in (a, b, c)] == [(4,)] * 3
    with pytest.raises(DTypeError, match="cannot be iterated"):
        iter(_x(None, 4))


# --- mistakes that are known when sizes are bound -------------------------------------------------


@pytest.mark.parametrize("index", [3, -4])
@pytest.mark.parametrize("shape", [(None, 4), None])
def test_an_int_on_an_unknown_size_is_checked_before_anything_runs(index: int, shape: Any) -> None:
    x = gf.placeholder("float64", shape)
    ran = []
    seen = gf.py_func(lambda v: ran.append(1) or v, [x], "float64")
    y = x[index]
    with pytest.raises(IndexRangeError, match=rf"index {index} is out of range for axis 0 of size 3"):
        gf.Session().run([seen, y], {x: X})
    assert ran == []
    assert gf.Session().run(y, {x: np.ones((9, 4))}).tolist() == [1] * 4


def test_a_mask_of_the_wrong_length_is_found_when_sizes_are_bound() -> None:
    x = gf.placeholder("float64", (None, 4))
    y = x[np.array([True, False])]
    assert y.shape == (1, 4)
    with pytest.raises(ShapeError, match=r"mask bool\[2\] does not fit"):
        gf.Session().run(y, {x: X})


# --- mistakes that only values show ---------------------------------------------------------------


@pytest.mark.parametrize("bad", [3, -4, 2**40, -(2**63)])
@pytest.mark.parametrize(
    "build",
    [
        lambda x, i: x[i],
        lambda x, i: x[i[0]],
        lambda x, i: gf.take(x, i, axis=0),
        lambda x, i: gf.take_along_axis(x, gf.reshape(i, (2, 1)), axis=0),
        lambda x, i: gf.gather_nd(x, gf.reshape(i, (2, 1))),
        lambda x, i: gf.setitem(x, i, 0.0),
        lambda x, i: F.index_scatter(x, i, 1.0, "add"),
        lambda x, i: gf.scatter_nd(gf.reshape(i, (2, 1)), x[:2], (3, 4)),
    ],
)
def test_a_fed_index_out_of_range_is_refused_at_the_run(build: Any, bad: int) -> None:
    x, i = _x(), gf.placeholder("int64", (2,))
    y = build(x, i)
    session = gf.Session()
    with pytest.raises(IndexRangeError) as caught:
        session.run(y, {x: X, i: np.array([bad, 0])})
    assert f"index {bad} is out of range for axis 0 of size 3" in str(caught.value)
    assert "test_indexing.py" in str(caught.value)
    session.run(y, {x: X, i: np.array([2, 0])})


def test_unsigned_indices_above_2_63_are_refused() -> None:
    x, i = _x(), gf.placeholder("uint64", (1,))
    with pytest.raises(IndexRangeError, match=str(2**63 + 1)):
        gf.Session().run(x[i], {x: X, i: np.array([2**63 + 1], np.uint64)})


def test_a_gradient_never_hides_a_bad_index() -> None:
    x, i = _x(), gf.placeholder("int64", (2,))
    (g,) = gf.gradients(gf.sum(x[i]), x)
    with pytest.raises(IndexRangeError):
        gf.Session().run(g, {x: X, i: np.array([0, 3])})


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda x: gf.take(x, [0]), ShapeError, "say which, as axis"),
        (lambda x: gf.take(x, [0], axis=2), ArgumentError, "axis 2 is out of range for rank 2"),
        (lambda x: gf.take(x, [0], axis=1.0), ArgumentError, "take: axis must be an integer, not 1.0"),
        (lambda x: gf.take(x, [0.0], axis=0), DTypeError, "take: indices must be integers"),
        (lambda x: gf.take(x, [True], axis=0), DTypeError, "take: indices must be integers"),
        (lambda x: gf.take(x, [4], axis=1), IndexRangeError, "take: index 4 is out of range for axis 1"),
        (lambda x: gf.take(gf.constant(1.0), [0], axis=0), ShapeError, "is a scalar"),
        (lambda x: gf.gather(x, ["a"]), DTypeError, "not an array of numbers"),
        (lambda x: gf.gather(x, [3]), IndexRangeError, "gather: index 3"),
        (lambda x: gf.gather(x, [0], batch_dims=2), ArgumentError, "batch_dims 2 is out of range"),
        (lambda x: gf.gather(x, [0], batch_dims=-1), ArgumentError, "batch_dims -1"),
        (lambda x: gf.gather(x, [0, 0, 0], axis=0, batch_dims=1), ArgumentError, "one of the 1 batch axes"),
        (lambda x: gf.gather_nd(x, 1), ShapeError, "last axis of known size"),
        (lambda x: gf.gather_nd(x, [[0, 0, 0]]), ShapeError, "3 coordinates, more than the 2 axes"),
        (
            lambda x: gf.gather_nd(x, [[0, 4]]),
            IndexRangeError,
            "gather_nd: index 4 is out of range for axis 1",
        ),
        (lambda x: gf.take_along_axis(x, [0]), ShapeError, "as many axes"),
        (lambda x: gf.take_along_axis(x, [[4], [0], [0]]), IndexRangeError, "take_along_axis: index 4"),
        (lambda x: gf.take_along_axis(x, [[0], [0]]), ShapeError, "do not broadcast"),
        (lambda x: gf.take_along_axis(x, [[0]], axis=-3), ArgumentError, "axis -3 is out of range"),
        (lambda x: gf.one_hot([0.5], 3), DTypeError, "one_hot: indices must be integers"),
        (lambda x: gf.one_hot([0], -1), (ArgumentError, ShapeError), "-1"),
        (lambda x: gf.one_hot([0], 2.0), ShapeError, "2.0"),
        (lambda x: gf.one_hot([0], 2**63), ShapeError, "2^63"),
        (lambda x: gf.one_hot(np.zeros((2**20, 8), int), 2**50), ShapeError, "2^63"),
        (lambda x: gf.one_hot([0], 3, axis=2), ArgumentError, "axis 2 is out of range"),
        (lambda x: gf.one_hot([0], 3, [1.0, 2.0], 0.0), ShapeError, "must be scalars"),
        (lambda x: gf.boolean_mask(x, [1, 0, 1]), DTypeError, "the mask must be bool, got int64[3]"),
        (lambda x: gf.boolean_mask(x, True), ShapeError, "needs an axis"),
        (lambda x: gf.boolean_mask(x, [True] * 4), ShapeError, "mask bool[4] does not fit"),
        (lambda x: gf.boolean_mask(x, [True] * 4, axis=3), ArgumentError, "axis 3 is out of range"),
        (lambda x: x[gf.placeholder("bool")], ShapeError, "rank of the mask"),
        (
            lambda x: x[gf.placeholder("float32", (2,))],
            DTypeError,
            "indices must be integers, got float32[2]",
        ),
        (lambda x: x[: gf.placeholder("int64", ())], ShapeError, "not known before the run"),
        (lambda x: gf.setitem(x, 0, [1.0, 2.0]), ShapeError, "float64[2]"),
        (lambda x: gf.setitem(x, [0, 1], np.zeros((3, 4))), ShapeError, "float64[3, 4]"),
        (lambda x: gf.setitem(x, 0, 1j), DTypeError, "complex"),
        (lambda x: gf.setitem(gf.cast(x, "int32"), 0, 0.5), DTypeError, "int32"),
        (lambda x: gf.setitem(gf.cast(x, "float32"), 0, X[0]), DTypeError, "does not fit float32"),
    ],
)
def test_bad_parameters(build: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        build(_x())
    assert text in str(caught.value)


def test_an_index_of_unknown_type_needs_a_known_rank_where_axes_move() -> None:
    x = gf.placeholder("float64")
    with pytest.raises(ShapeError, match="known rank"):
        x[[0], :, [0]]


# --- what is built --------------------------------------------------------------------------------


def _types(t: Any) -> list[str]:
    return [n.type for n in t.graph.operations if n.type not in ("placeholder", "constant")]


def test_regular_keys_are_views_in_few_nodes() -> None:
    with gf.Graph().as_default():
        assert _types(_x(5, 4, 3)[1:3, -1, ..., None]) == ["strided_slice", "getitem", "expand_dims"]
    with gf.Graph().as_default():
        assert _types(_x(5, 4, 3)[2, :, 1]) == ["getitem"]
    with gf.Graph().as_default():
        assert _types(_x(5, 4)[:, [1, 2]]) == ["take"]
    with gf.Graph().as_default():
        x = _x(5, 4)
        assert x[:] is x
        assert x[...] is x
        assert x[()] is x


@pytest.mark.parametrize(
    ("picks", "contiguous"),
    [
        (((0, 1),), True),
        (((1, 1),), False),
        (((0, 1), (1, 0)), True),
        (((2, 0),), False),
        (((0, 0), (2, 1)), False),
    ],
)
def test_the_view_rule_tells_contiguity(picks: Any, contiguous: bool) -> None:
    x = TensorType(np.dtype("f8"), (3, 4, 5))
    op = OPS["getitem"]
    y = op.infer(x, picks=picks)
    array = op.kernel(np, np.zeros((3, 4, 5)), picks=picks)  # type: ignore[misc]
    assert array.base is not None
    assert array.flags.c_contiguous == contiguous
    assert op.view(x, y, {"picks": picks}, True) == contiguous
    assert not op.view(x, y, {"picks": picks}, False)


def test_scalar_results_are_arrays() -> None:
    x = _x()
    assert isinstance(evaluate(x[1, 2], {x: X}), np.ndarray)
    assert evaluate(x[1, 2], {x: X}).shape == ()


def test_sizes_keep_their_meaning_through_indexing() -> None:
    x = gf.placeholder("float32", ("batch", 3))
    assert x[:, 0].shape == x.shape[:1]
    assert x[[0, 1]].type.shape == (2, 3)
    assert x[None].type.shape == (1, *x.type.shape)
    assert x[x.type.shape[0] - 1 :].type.rank == 2
    assert gf.reshape(x, (gf.shape(x)[0] * 3,)).type.shape == (x.type.shape[0] * 3,)
    assert gf.boolean_mask(x, gf.placeholder("bool", ("batch",))).shape == (None, 3)


def test_variables_and_numpy_scalars_are_indices() -> None:
    with gf.Graph().as_default():
        v = gf.Variable(2)
        x = gf.constant(X)
        y = x[v, np.int8(-1)]
        session = gf.Session()
        session.run(gf.global_variables_initializer())
        assert session.run(y) == 11


def test_one_hot_never_makes_a_large_constant() -> None:
    with gf.Graph().as_default() as graph:
        gf.one_hot([1], 10**9)
        sizes = [n.attrs["value"].array.nbytes for n in graph.operations if n.type == "constant"]
        assert max(sizes) < 100
