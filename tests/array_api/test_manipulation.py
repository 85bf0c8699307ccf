"""Functions that move elements about, on drawn arrays, against NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import ShapeError
from tests.array_api.drawn import check, dtypes, in_a_new_graph, value, xps

SHAPES = xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
RANKED = xps.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)


def _array(data: st.DataObject, shapes: Any = SHAPES) -> Any:
    return data.draw(xps.arrays(data.draw(dtypes("any")), shapes), label="x")


def _axis(data: st.DataObject, rank: int) -> int:
    return data.draw(st.integers(-rank, rank - 1), label="axis")


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_concat_and_stack(data: st.DataObject) -> None:
    dtype, shape = data.draw(dtypes("any")), data.draw(RANKED)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    parts = []
    for _ in range(data.draw(st.integers(1, 3))):
        own = list(shape)
        if axis is not None:
            own[axis] = data.draw(st.integers(0, 3))
        parts.append(data.draw(xps.arrays(dtype, tuple(own))))
    check(gf.concat(parts, axis=axis), np.concatenate(list(map(value, parts)), axis=axis))
    same = [data.draw(xps.arrays(dtype, shape)) for _ in range(data.draw(st.integers(1, 3)))]
    place = data.draw(st.integers(-len(shape) - 1, len(shape)))
    check(gf.stack(tuple(same), axis=place), np.stack(list(map(value, same)), axis=place))


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_new_axes_and_their_removal(data: st.DataObject) -> None:
    x = _array(data)
    axis = data.draw(st.integers(-2 * x.ndim - 2, 2 * x.ndim + 1))
    if not -x.ndim - 1 <= axis <= x.ndim:
        with pytest.raises(IndexError, match="out of range"):
            gf.expand_dims(x, axis=axis)
        return
    wide = gf.expand_dims(x, axis=axis)
    check(wide, np.expand_dims(value(x), axis))
    check(gf.squeeze(wide, axis), value(x))
    check(gf.squeeze(wide, axis=(axis,)), value(x))


def test_only_axes_of_size_1_can_go() -> None:
    with pytest.raises(ValueError, match="only axes of size 1 can go"):
        gf.squeeze(gf.zeros((2, 1)), 0)
    with pytest.raises(IndexError):
        gf.expand_dims(gf.zeros((2, 1)), axis=4)


@settings(max_examples=21)
@given(st.data())
@in_a_new_graph
def test_axes_in_another_order(data: st.DataObject) -> None:
    x = _array(data, RANKED)
    order = data.draw(st.permutations(range(x.ndim)))
    check(gf.permute_dims(x, tuple(order)), np.transpose(value(x), order))
    source, target = _axis(data, x.ndim), _axis(data, x.ndim)
    check(gf.moveaxis(x, source, target), np.moveaxis(value(x), source, target))
    several = data.draw(xps.valid_tuple_axes(x.ndim, min_size=1))
    check(gf.moveaxis(x, several, several[::-1]), np.moveaxis(value(x), several, several[::-1]))
    if x.ndim >= 2:
        check(x.mT, np.matrix_transpose(value(x)))
        check(gf.matrix_transpose(x), np.matrix_transpose(value(x)))
    if x.ndim == 2:
        check(x.T, value(x).T)


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_flip_and_roll(data: st.DataObject) -> None:
    x = _array(data)
    axes = (
        st.none()
        if x.ndim == 0
        else st.none() | st.integers(-x.ndim, x.ndim - 1) | xps.valid_tuple_axes(x.ndim)
    )
    axis = data.draw(axes)
    check(gf.flip(x, axis=axis), np.flip(value(x), axis))
    count = len(axis) if isinstance(axis, tuple) else 1
    shifts = tuple(data.draw(st.integers(-7, 7)) for _ in range(count))
    shift = shifts if isinstance(axis, tuple) else shifts[0]
    check(gf.roll(x, shift, axis=axis), np.roll(value(x), shift, axis))


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_reshape(data: st.DataObject) -> None:
    x = _array(data, xps.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4))
    rest, sizes = x.size, []
    while rest > 1 and data.draw(st.booleans()):
        d = data.draw(st.sampled_from([k for k in range(1, rest + 1) if rest % k == 0]))
        sizes.append(d)
        rest //= d
    wanted = (*sizes, rest)
    wild = data.draw(st.none() | st.integers(0, len(wanted) - 1))
    asked = tuple(-1 if k == wild else d for k, d in enumerate(wanted))
    check(gf.reshape(x, asked), value(x).reshape(wanted))
    check(gf.reshape(x, asked, copy=data.draw(st.booleans() | st.none())), value(x).reshape(wanted))


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_repeat_and_tile(data: st.DataObject) -> None:
    x = _array(data)
    times = data.draw(st.integers(0, 3))
    check(gf.repeat(x, times), np.repeat(value(x), times))
    if x.ndim:
        axis = _axis(data, x.ndim)
        check(gf.repeat(x, times, axis=axis), np.repeat(value(x), times, axis=axis))
        each = data.draw(xps.arrays("int64", (x.shape[axis],), elements={"min_value": 0, "max_value": 3}))
        wanted = np.repeat(value(x), value(each), axis=axis)
        np.testing.assert_array_equal(np.asarray(gf.repeat(x, each, axis=axis)), wanted)
    repetitions = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    check(gf.tile(x, repetitions), np.tile(value(x), repetitions))


@settings(max_examples=14)
@given(st.data())
@in_a_new_graph
def test_unstack(data: st.DataObject) -> None:
    x = _array(data, RANKED)
    axis = _axis(data, x.ndim)
    parts = gf.unstack(x, axis=axis)
    wanted = np.moveaxis(value(x), axis, 0)
    assert isinstance(parts, tuple)
    assert len(parts) == len(wanted)
    for part, want in zip(parts, wanted, strict=True):
        check(part, np.asarray(want))


@settings(max_examples=17)
@given(st.data())
@in_a_new_graph
def test_broadcasting(data: st.DataObject) -> None:
    found = data.draw(xps.mutually_broadcastable_shapes(3, min_dims=0, max_dims=3, min_side=0, max_side=3))
    arrays = [_array(data, shape) for shape in found.input_shapes]
    assert gf.broadcast_shapes(*found.input_shapes) == found.result_shape
    for x, y in zip(arrays, gf.broadcast_arrays(*arrays), strict=True):
        check(y, np.broadcast_to(value(x), found.result_shape))
        check(gf.broadcast_to(x, found.result_shape), np.broadcast_to(value(x), found.result_shape))


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"broadcast_shapes: shapes \[2\] and \[3\] do not broadcast"):
        gf.broadcast_shapes((2,), (3,))
    assert gf.broadcast_shapes() == ()
    assert gf.broadcast_shapes((None, 3), (1, 3)) == (None, 3)
    batch = gf.placeholder("float32", ("batch", 1)).shape
    assert gf.broadcast_shapes(batch, (1, 4)) == (*batch[:1], 4)


@settings(max_examples=14)
@given(st.data())
@in_a_new_graph
def test_products(data: st.DataObject) -> None:
    dtype = data.draw(dtypes("number"))
    m, n = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    small: Any = {"min_value": 0, "max_value": 9}
    if dtype[0] == "c":
        small = st.complex_numbers(max_magnitude=9, width=64)
    x, y = (data.draw(xps.arrays(dtype, (m, n), elements=small)) for _ in range(2))
    check(gf.vecdot(x, y), np.vecdot(value(x), value(y)), rtol=1e-5)
    check(gf.tensordot(x, y, axes=2), np.tensordot(value(x), value(y), axes=2), rtol=1e-5)
    check(
        gf.tensordot(x, y, axes=((0,), (0,))), np.tensordot(value(x), value(y), axes=((0,), (0,))), rtol=1e-5
    )
    assert math.prod(gf.tensordot(x, y, axes=0).shape) == (m * n) ** 2
