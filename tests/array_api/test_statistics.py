"""Sums, extremes, searches and truth over axes, on drawn arrays, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from tests.array_api.drawn import check, dtypes, in_a_new_graph, value, xps

SHAPES = xps.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)
WITH_EMPTY = xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def _axes(data: st.DataObject, rank: int) -> Any:
    some = st.none() if rank == 0 else st.none() | st.integers(-rank, rank - 1) | xps.valid_tuple_axes(rank)
    return data.draw(some, label="axis")


def _small(dtype: str) -> Any:
    """Numbers whose sums and products are exact, or close enough."""
    if dtype[0] == "c":
        return st.complex_numbers(max_magnitude=4, width=64)
    if dtype[0] in "iu":
        return {"min_value": 0, "max_value": 4}
    return (
        {"max_magnitude": 4}
        if dtype[0] == "c"
        else {"min_value": -4, "max_value": 4}
        if dtype[0] == "f"
        else {}
    )


def _accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype({"i": "int64", "u": "uint64"}.get(dtype.kind, dtype))


@pytest.mark.parametrize("name", ["sum", "prod"])
@settings(max_examples=25)
@given(data=st.data())
@in_a_new_graph
def test_sums_and_products(name: str, data: st.DataObject) -> None:
    dtype = data.draw(dtypes("number"))
    x = data.draw(xps.arrays(dtype, WITH_EMPTY, elements=_small(dtype)))
    axis, keepdims = _axes(data, x.ndim), data.draw(st.booleans())
    own = _accumulator(x.dtype)
    function: Callable[..., Any] = getattr(np, name)
    wanted = function(value(x), axis=axis, keepdims=keepdims, dtype=own)
    found = getattr(gf, name)(x, axis=axis, keepdims=keepdims)
    assert found.dtype == own
    np.testing.assert_allclose(value(found), wanted, rtol=1e-5, atol=1e-4)
    wider = data.draw(st.sampled_from(["float64", "complex128"]))
    if dtype[0] != "c" or wider[0] == "c":
        assert getattr(gf, name)(x, axis=axis, dtype=wider).dtype == wider


@pytest.mark.parametrize("name", ["max", "min"])
@settings(max_examples=20)
@given(data=st.data())
@in_a_new_graph
def test_extremes(name: str, data: st.DataObject) -> None:
    x = data.draw(xps.arrays(data.draw(dtypes("real")), SHAPES))
    axis, keepdims = _axes(data, x.ndim), data.draw(st.booleans())
    wanted = getattr(np, name)(value(x), axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(value(getattr(gf, name)(x, axis=axis, keepdims=keepdims)), wanted)


@pytest.mark.parametrize("name", ["mean", "var", "std"])
@settings(max_examples=20)
@given(data=st.data())
@in_a_new_graph
def test_means_and_spreads(name: str, data: st.DataObject) -> None:
    dtype = data.draw(dtypes("float"))
    x = data.draw(xps.arrays(dtype, SHAPES, elements={"min_value": -100, "max_value": 100}))
    axis, keepdims = _axes(data, x.ndim), data.draw(st.booleans())
    options: dict[str, Any] = (
        {} if name == "mean" else {"correction": data.draw(st.sampled_from([0, 1, 0.5]))}
    )
    found = value(getattr(gf, name)(x, axis=axis, keepdims=keepdims, **options))
    wide = value(x).astype("float64")
    count = wide.size if axis is None else np.prod([wide.shape[a] for a in np.atleast_1d(axis)], dtype=int)
    if count <= options.get("correction", 0):
        assert np.all(~np.isfinite(found))
        return
    wanted = getattr(np, name)(wide, axis=axis, keepdims=keepdims, **options)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", ["all", "any", "count_nonzero"])
@settings(max_examples=20)
@given(data=st.data())
@in_a_new_graph
def test_truth(name: str, data: st.DataObject) -> None:
    x = data.draw(xps.arrays(data.draw(dtypes("any")), WITH_EMPTY))
    axis, keepdims = _axes(data, x.ndim), data.draw(st.booleans())
    wanted = getattr(np, name)(value(x), axis=axis, keepdims=keepdims)
    check(getattr(gf, name)(x, axis=axis, keepdims=keepdims), np.asarray(wanted))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@settings(max_examples=20)
@given(data=st.data())
@in_a_new_graph
def test_places_of_extremes(name: str, data: st.DataObject) -> None:
    x = data.draw(xps.arrays(data.draw(dtypes("real")), SHAPES))
    axis = data.draw(st.none() if x.ndim == 0 else st.none() | st.integers(-x.ndim, x.ndim - 1))
    keepdims = data.draw(st.booleans())
    wanted = getattr(np, name)(value(x), axis=axis, keepdims=keepdims)
    check(getattr(gf, name)(x, axis=axis, keepdims=keepdims), np.asarray(wanted))


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@settings(max_examples=20)
@given(data=st.data())
@in_a_new_graph
def test_running_folds(name: str, data: st.DataObject) -> None:
    dtype = data.draw(dtypes("number"))
    shapes = xps.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)
    x = data.draw(xps.arrays(dtype, shapes, elements=_small(dtype)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1) | (st.none() if x.ndim == 1 else st.nothing()))
    initial = data.draw(st.booleans())
    wanted = getattr(np, name)(value(x), axis=axis, include_initial=initial)
    check(getattr(gf, name)(x, axis=axis, include_initial=initial), wanted, rtol=1e-4)


@settings(max_examples=20)
@given(st.data())
@in_a_new_graph
def test_sorting_searching_and_sets(data: st.DataObject) -> None:
    """What other files test in depth, asked for as the standard does."""
    dtype = data.draw(dtypes("real"))
    x = data.draw(
        xps.arrays(dtype, xps.array_shapes(min_dims=1, max_dims=2, min_side=1), elements=_small(dtype))
    )
    axis, descending = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.booleans())
    ordered = np.sort(value(x), axis=axis)
    wanted = np.flip(ordered, axis) if descending else ordered
    np.testing.assert_array_equal(value(gf.sort(x, axis=axis, descending=descending)), wanted)
    places = gf.argsort(x, axis=axis, descending=descending, stable=True)
    np.testing.assert_array_equal(value(gf.take_along_axis(x, places, axis=axis)), wanted)
    for found, want in zip(gf.nonzero(x), np.nonzero(value(x)), strict=True):
        np.testing.assert_array_equal(value(found), want)
    np.testing.assert_array_equal(value(gf.unique_values(x)), np.unique(value(x)))
    counts = gf.unique_counts(x)
    np.testing.assert_array_equal(value(counts.counts), np.unique(value(x), return_counts=True)[1])
    every = gf.unique_all(x)
    np.testing.assert_array_equal(value(every.values[every.inverse_indices]), value(x))
    line = gf.sort(gf.reshape(x, (-1,)))
    for side in ("left", "right"):
        check(gf.searchsorted(line, x, side=side), np.searchsorted(value(line), value(x), side=side))
    check(gf.diff(x, axis=axis), np.diff(value(x), axis=axis))
    check(gf.isin(x, x[..., 0]), np.isin(value(x), value(x)[..., 0]))
