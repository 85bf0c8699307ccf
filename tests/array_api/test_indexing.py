"""`x[key]` and `x[key] = value` with every kind of key the standard has, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import IndexRangeError, ShapeError
from tests.array_api.drawn import check, dtypes, in_a_new_graph, value, xps

SHAPES = xps.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


def _array(data: st.DataObject, shapes: Any = SHAPES) -> Any:
    return data.draw(xps.arrays(data.draw(dtypes("any")), shapes), label="x")


def _plain(key: Any) -> Any:
    """A key for NumPy: arrays in place of tensors."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    return np.asarray(key) if isinstance(key, gf.Tensor) else key


@settings(max_examples=36)
@given(st.data())
@in_a_new_graph
def test_ints_slices_ellipsis_and_new_axes(data: st.DataObject) -> None:
    x = _array(data, xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    key = data.draw(xps.indices(x.shape, allow_newaxis=True), label="key")
    check(x[key], value(x)[key])


@settings(max_examples=24)
@given(st.data())
@in_a_new_graph
def test_slices_beyond_the_ends_are_cut(data: st.DataObject) -> None:
    """Where the standard says nothing, as Python does."""
    x = _array(data)
    bound = st.none() | st.integers(-9, 9)
    key = tuple(
        slice(data.draw(bound), data.draw(bound), data.draw(st.none() | st.integers(-3, 3).filter(bool)))
        for _ in range(data.draw(st.integers(1, x.ndim)))
    )
    check(x[key], value(x)[key])


@settings(max_examples=24)
@given(st.data())
@in_a_new_graph
def test_integer_arrays_beside_ints(data: st.DataObject) -> None:
    x = _array(data)
    shape = data.draw(xps.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    key = []
    for size in x.shape:
        places = {"min_value": -size, "max_value": size - 1}
        if data.draw(st.booleans()):
            key.append(data.draw(xps.arrays("int64", shape, elements=places)))
        else:
            key.append(data.draw(st.integers(-size, size - 1)))
    check(x[tuple(key)], value(x)[_plain(tuple(key))])


@settings(max_examples=18)
@given(st.data())
@in_a_new_graph
def test_scalar_tensors_are_indices(data: st.DataObject) -> None:
    x = _array(data)
    key = tuple(gf.asarray(data.draw(st.integers(-size, size - 1)), dtype="int32") for size in x.shape)
    key = key[: data.draw(st.integers(1, len(key)))]
    check(x[key], value(x)[_plain(key)])
    check(x[key[0]], value(x)[int(key[0])])
    computed = key[0] + 0
    check(x[computed], value(x)[int(key[0])])


@settings(max_examples=18)
@given(st.data())
@in_a_new_graph
def test_masks(data: st.DataObject) -> None:
    x = _array(data, xps.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    rank = data.draw(st.integers(0, x.ndim))
    mask = data.draw(xps.arrays("bool", x.shape[:rank]), label="mask")
    wanted = value(x)[value(mask)]
    check(x[mask], wanted)
    assert x[mask].shape == wanted.shape  # the mask is a constant: its count is known
    computed = gf.logical_not(gf.logical_not(mask))
    np.testing.assert_array_equal(np.asarray(x[computed]), wanted)
    assert x[value(mask)].shape == wanted.shape


@settings(max_examples=18)
@given(st.data())
@in_a_new_graph
def test_take_and_take_along_axis(data: st.DataObject) -> None:
    x = _array(data)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    places = {"min_value": -size, "max_value": size - 1}
    indices = data.draw(xps.arrays("int64", st.integers(0, 4), elements=places))
    check(gf.take(x, indices, axis=axis), np.take(value(x), value(indices), axis=axis))
    shape = list(x.shape)
    shape[axis] = data.draw(st.integers(0, 3))
    along = data.draw(xps.arrays("int64", tuple(shape), elements=places))
    check(gf.take_along_axis(x, along, axis=axis), np.take_along_axis(value(x), value(along), axis=axis))


# --- writing --------------------------------------------------------------------------------------


@settings(max_examples=36)
@given(st.data())
@in_a_new_graph
def test_writing_where_a_key_reads(data: st.DataObject) -> None:
    x = _array(data, xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    key = data.draw(xps.indices(x.shape, allow_newaxis=False), label="key")
    wanted, before = value(x).copy(), value(x)
    part = wanted[key]
    item = data.draw(xps.from_dtype(x.dtype) | xps.arrays(x.dtype, ()) | xps.arrays(x.dtype, part.shape))
    wanted[key] = np.asarray(item)
    old = gf.identity(x)
    handle = x
    x[key] = item
    check(x, wanted)
    check(old, before)
    assert handle is x


@settings(max_examples=18)
@given(st.data())
@in_a_new_graph
def test_writing_with_a_mask(data: st.DataObject) -> None:
    x = _array(data)
    mask = data.draw(xps.arrays("bool", x.shape))
    wanted = value(x).copy()
    count = int(value(mask).sum())
    item = data.draw(xps.from_dtype(x.dtype) | xps.arrays(x.dtype, ()) | xps.arrays(x.dtype, (count,)))
    wanted[value(mask)] = np.asarray(item)
    x[mask] = item
    check(x, wanted)


@settings(max_examples=18)
@given(st.data())
@in_a_new_graph
def test_writing_with_integer_arrays(data: st.DataObject) -> None:
    x = _array(data)
    size = x.shape[0]
    places = data.draw(
        xps.arrays("int64", st.integers(0, 4), elements={"min_value": -size, "max_value": size - 1})
    )
    wanted = value(x).copy()
    item = data.draw(xps.arrays(x.dtype, (*places.shape, *x.shape[1:])))
    wanted[value(places)] = value(item)
    x[places] = item
    check(x, wanted)


def test_adding_in_place_to_a_part() -> None:
    x = gf.asarray([[1.0, 2.0], [3.0, 4.0]])
    x[0] += 10
    x[:, 1] *= 2
    x[x > 20] -= 1
    check(x, np.array([[11.0, 23.0], [3.0, 8.0]], "float32"))


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "error"),
    [
        *((2, IndexError), (-3, IndexError), ((0, 3), IndexError), ((0, 0, 0), IndexError)),
        *((gf.int64, TypeError), (1.0, TypeError), ("0", TypeError), ([0.5], TypeError)),
        *(
            (np.array([0, 2]), IndexError),
            (np.ones(3, bool), IndexError),
            (np.ones((2, 3, 1), bool), IndexError),
        ),
        *((np.ones((2, 2), bool), ShapeError), (slice(0, 1, 0), ValueError), ((..., ...), ValueError)),
    ],
)
def test_a_key_that_does_not_fit_is_an_error_of_pythons_kind(key: Any, error: type[Exception]) -> None:
    x = gf.asarray([[1, 2, 3], [4, 5, 6]])
    with pytest.raises(error) as caught:
        x[key]
    assert isinstance(caught.value, gf.errors.GraphflowError)
    nodes = len(x.graph)
    with pytest.raises(error):
        x[key] = 0
    check(x, np.array([[1, 2, 3], [4, 5, 6]]))
    assert all(node.type in ("constant", "cast") for node in x.graph.operations[nodes:])


def test_an_index_that_only_the_run_knows_is_checked_there() -> None:
    x, i = gf.asarray([1, 2, 3]), gf.argmax(gf.asarray([0, 0, 1])) + 5
    with pytest.raises(IndexRangeError, match="index 7 is out of range for axis 0 of size 3"):
        np.asarray(x[i])
    with pytest.raises(gf.errors.DTypeError, match="iterated"):
        iter(gf.asarray(1))


def test_iteration_gives_the_rows() -> None:
    rows = list(gf.asarray([[1, 2], [3, 4]]))
    assert [np.asarray(row).tolist() for row in rows] == [[1, 2], [3, 4]]
    assert len(gf.zeros((5, 2))) == 5
