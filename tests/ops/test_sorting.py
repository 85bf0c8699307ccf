"""Sorting, ranking, searching, sets and quantiles: bad input, NaN and zeros of two signs, large arrays, memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import array_api_strict
import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, RunError, ShapeError
from graphflow.op import OPS
from graphflow.ops import quantiles, ranking, searching, sets, sorting
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.ops.order_keys import stable_order
from graphflow.ops.sort_kernels import sort_kernel
from graphflow.ops.top_kernels import top_k_kernel
from graphflow.types import TensorType
from tests.ops.refused import Refused, check_bound, check_built, ids

COMPLEX = np.ones(3, np.complex64)

BUILD = [
    Refused(sorting.sort, ArgumentError, ("sort", "axis -1", "rank 0"), ((),)),
    Refused(lambda x: sorting.sort(x, 2), ArgumentError, ("sort", "axis 2", "rank 2"), ((2, 3),)),
    Refused(lambda x: sorting.argsort(x, 1.5), ArgumentError, ("argsort", "axis", "1.5"), ((2, 3),)),
    Refused(lambda: sorting.sort(COMPLEX), DTypeError, ("sort", "complex", "order")),
    Refused(lambda x: sorting.sort(x, descending=2), ArgumentError, ("sort", "descending", "2"), ((2,),)),
    Refused(lambda x: sorting.sort(x, stable="yes"), ArgumentError, ("sort", "stable", "'yes'"), ((2,),)),
    Refused(lambda x: sorting.argsort(x, direction="UP"), ArgumentError, ("argsort", "ASCENDING", "'UP'"), ((2,),)),
    Refused(sorting.invert_permutation, DTypeError, ("invert_permutation", "integers"), ((2,),)),
    Refused(lambda: sorting.invert_permutation([[0]]), ShapeError, ("invert_permutation", "vector")),
    Refused(lambda x: ranking.top_k(x, 4), ArgumentError, ("top_k", "4", "3 elements"), ((2, 3),)),
    Refused(lambda x: ranking.top_k(x, -1), ArgumentError, ("top_k: k", "-1"), ((2, 3),)),
    Refused(lambda x: ranking.top_k(x, 1.5), ShapeError, ("top_k: k", "1.5"), ((2, 3),)),
    Refused(ranking.top_k, ShapeError, ("top_k", "scalar"), ((),)),
    Refused(lambda: ranking.top_k(COMPLEX), DTypeError, ("top_k", "complex")),
    Refused(lambda x: ranking.nth_element(x, 3), ArgumentError, ("nth_element", "n = 3", "3 elements"), ((2, 3),)),
    Refused(lambda x: ranking.nth_element(x, -1), ArgumentError, ("nth_element: n", "-1"), ((2, 3),)),
    Refused(lambda x: ranking.nth_element(x, 0), ShapeError, ("nth_element", "scalar"), ((),)),
    Refused(lambda x: ranking.in_top_k(x, [0, 1, 2], 1), ShapeError, ("in_top_k", "rows"), ((2, 3),)),
    Refused(lambda x: ranking.in_top_k(x, [0, 1], 1), ShapeError, ("in_top_k", "2 axes"), ((2,),)),
    Refused(lambda x: ranking.in_top_k(x, [[0], [1]], 1), ShapeError, ("in_top_k", "1 axis"), ((2, 3),)),
    Refused(lambda x: ranking.in_top_k(x, [0, 1], "1"), ArgumentError, ("in_top_k: k", "'1'"), ((2, 3),)),
    Refused(lambda: ranking.in_top_k([[1, 2]], [0], 1), DTypeError, ("in_top_k", "floating")),
    Refused(lambda x: searching.searchsorted(x, 1.0), ShapeError, ("searchsorted", "x1"), ((),)),
    Refused(lambda x, y: searching.searchsorted(x, y), ShapeError, ("searchsorted", "but for the last"), ((2, 3), (3, 2))),
    Refused(lambda x, y: searching.searchsorted(x, y), ShapeError, ("searchsorted", "but for the last"), ((2, 3), (2,))),
    Refused(lambda x: searching.searchsorted(x, x, "middle"), ArgumentError, ("searchsorted: side", "'middle'"), ((2,),)),
    Refused(lambda x: searching.searchsorted(x, COMPLEX), DTypeError, ("searchsorted", "complex"), ((2,),)),
    Refused(lambda x: searching.searchsorted(x, x, sorter=[0.5]), DTypeError, ("searchsorted: sorter", "integers"), ((1,),)),
    Refused(searching.nonzero, ShapeError, ("nonzero", "at least one"), ((),)),
    Refused(lambda: searching.nonzero(gf.placeholder("float32")), ShapeError, ("nonzero", "known number")),
    Refused(lambda: gf.where(np.ones(3)), DTypeError, ("where", "bool")),
    Refused(lambda x: searching.isin(x, "abc"), DTypeError, ("isin", "'abc'"), ((2,),)),
    Refused(lambda x: searching.digitize(x, [0.0, 2.0, 1.0]), ArgumentError, ("digitize", "rise or fall"), ((2,),)),
    Refused(lambda x: searching.digitize(x, [float("nan")]), ArgumentError, ("digitize", "NaN"), ((2,),)),
    Refused(lambda x: searching.digitize(x, [[0.0]]), ShapeError, ("digitize", "vector"), ((2,),)),
    Refused(lambda x: searching.bucketize(x, [2.0, 1.0]), ArgumentError, ("bucketize", "rise"), ((2,),)),
    Refused(lambda x: sets.unique(x, "float32"), DTypeError, ("unique: out_idx", "float32"), ((2,),)),
    Refused(lambda x: sets.setdiff1d(x, x, "bool"), DTypeError, ("setdiff1d: index_dtype", "bool"), ((2,),)),
    Refused(lambda: sets.unique_values(object()), DTypeError, ("unique_values",)),
    Refused(lambda x: quantiles.quantile(x, 1.5), ArgumentError, ("quantile: q", "0 to 1", "1.5"), ((2,),)),
    Refused(lambda x: quantiles.quantile(x, [0.5, float("nan")]), ArgumentError, ("quantile: q", "nan"), ((2,),)),
    Refused(lambda x: quantiles.percentile(x, -1), ArgumentError, ("percentile: q", "0 to 100", "-1"), ((2,),)),
    Refused(lambda x: quantiles.quantile(x, [[0.5]]), ArgumentError, ("quantile: q", "list"), ((2,),)),
    Refused(lambda x: quantiles.quantile(x, gf.sum(x)), ArgumentError, ("quantile: q", "known"), ((2,),)),
    Refused(lambda x: quantiles.quantile(x, 0.5, method="best"), ArgumentError, ("quantile: method", "'best'"), ((2,),)),
    Refused(lambda x: quantiles.median(x, 1), ArgumentError, ("axis 1",), ((2,),)),
    Refused(lambda x: quantiles.median(x, (0, 0)), ArgumentError, ("axis", "twice"), ((2, 3),)),
    Refused(quantiles.median, ShapeError, ("median", "nothing"), ((0,),)),
    Refused(lambda: quantiles.median(COMPLEX), DTypeError, ("median", "complex")),
]  # fmt: skip

BIND = [
    Refused(lambda x: sorting.sort(x), ArgumentError, ("axis -1", "rank 0"), ((),)),
    Refused(lambda x: ranking.top_k(x, 4), ArgumentError, ("4", "3 elements"), ((2, 3),)),
    Refused(lambda x: ranking.nth_element(x, 3), ArgumentError, ("n = 3",), ((2, 3),)),
    Refused(lambda x, y: searching.searchsorted(x, y), ShapeError, ("but for the last",), ((2, 3), (3, 2))),
    Refused(lambda x: quantiles.median(x, 0), IndexRangeError, ("empty",), ((0, 2),)),
]  # fmt: skip


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    if not case.shapes[0]:
        x = gf.placeholder("float32")
        with pytest.raises(case.error, match="rank 0"):
            gf.Session().run(case.build(x), {x: 1.0})
        return
    check_bound(case)


@pytest.mark.parametrize(
    ("build", "value", "error", "words"),
    [
        (sorting.invert_permutation, [0, 2], IndexRangeError, "2 is not among 0 to 1"),
        (sorting.invert_permutation, [0, -1], IndexRangeError, "-1 is not among"),
        (sorting.invert_permutation, [1, 1], RunError, "0 does not occur"),
        (lambda x: searching.digitize([1], x), [0, 2, 1], RunError, r"digitize: .*\[0.0, 2.0, 1.0\]"),
        (lambda x: searching.bucketize([1], x), [2, 1], RunError, "must rise"),
        (lambda x: searching.digitize([1], x), [*range(9), 0], RunError, "6.0] and 3 more"),
    ],
)
def test_refused_at_the_run(build: Any, value: Any, error: type[Exception], words: str) -> None:
    x = gf.placeholder("int64", (None,))
    with pytest.raises(error, match=words) as caught:
        gf.Session().run(build(x), {x: value})
    assert "made at" in str(caught.value)


def test_a_bound_that_is_nan_is_found_at_the_run() -> None:
    b = gf.placeholder("float32", (None,))
    for bounds in ([np.nan], [0, np.nan, 1], [np.nan, 0]):
        with pytest.raises(RunError, match="NaN"):
            gf.Session().run(searching.digitize([1.0], b), {b: bounds})


# --- orders ---------------------------------------------------------------------------------------

DTYPES = ["bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64", "bfloat16"]


def _values(dtype: str, shape: tuple[int, ...], kind: str) -> Any:
    """wide: all there is. few: with many equals. close: hardly different. odd: with NaN, infinities and both zeros."""
    rng = np.random.default_rng(len(shape))
    own = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    if own.kind in "iu":
        limits = np.iinfo(own)
        if kind == "wide":
            return rng.integers(limits.min, limits.max, shape, own, endpoint=True)
        return limits.max - rng.integers(0, 5, shape).astype(own)
    x = rng.standard_normal(shape)
    if kind == "few":
        x = np.round(x)
    if kind == "close":
        x = np.where(rng.random(shape) < 0.05, x, 1 + np.round(x * 9) * 2.0**-52)
    x = np.asarray(x > 0) if own.kind == "b" else x.astype(own)
    if kind == "odd" and own.kind != "b":
        pick = rng.integers(0, 12, shape)
        for k, special in enumerate((np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0)):
            x[pick == k] = special
    return x


def _order(x: Any, axis: int, descending: bool) -> Any:
    x = x.astype(np.float32) if x.dtype == ml_dtypes.bfloat16 else x
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)


@pytest.fixture(autouse=True)
def _as_in_a_run() -> Any:
    """Kernels run with NumPy's warnings off."""
    with np.errstate(all="ignore"):
        yield


def _bits(x: Any) -> bytes:
    """The bytes, all NaNs being the same."""
    return np.where(np.isnan(x), 0, x).tobytes() + np.isnan(x).tobytes()


@pytest.mark.parametrize("kind", ["wide", "few", "close", "odd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_orders_are_those_of_a_stable_sort(dtype: str, kind: str) -> None:
    for shape in ((5000,), (70, 60), (3, 30, 40), (1300, 2), (2, 2500)):
        x = _values(dtype, shape, kind)
        for y in (x, np.asfortranarray(x)):
            for axis in range(-1, x.ndim - 1):
                for descending in (False, True):
                    want = _order(x, axis, descending)
                    np.testing.assert_array_equal(stable_order(y, axis, descending), want)
                    got = sort_kernel(np, y, axis=axis, descending=descending, out=np.empty_like(x))
                    assert _bits(got) == _bits(np.take_along_axis(x, want, axis))


@pytest.mark.parametrize("kind", ["wide", "few", "odd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_of_equals_are_the_top(dtype: str, kind: str) -> None:
    for shape, k in (((3000,), 7), ((40, 90), 1), ((40, 90), 20), ((2, 10, 70), 4), ((9, 5), 3)):
        x = _values(dtype, shape, kind)
        for y in (x, np.asfortranarray(x)):
            values, places = top_k_kernel(np, y, k=k)
            want = _order(x, -1, True)[..., :k]
            np.testing.assert_array_equal(places, want)
            assert _bits(values) == _bits(np.take_along_axis(x, want, -1))


def test_zeros_keep_their_order_in_long_lines() -> None:
    x = np.ones((2, 40_000))
    x[1, ::7] = 0.0
    x[1, ::3] = -0.0
    for descending in (False, True):
        got = sort_kernel(np, x, axis=1, descending=descending)
        assert got.tobytes() == np.take_along_axis(x, _order(x, 1, descending), 1).tobytes()


@pytest.mark.parametrize("descending", [False, True])
def test_a_second_array_module_agrees_about_nan(descending: bool) -> None:
    x = _values("float64", (50,), "odd")
    got = sort_kernel(array_api_strict, array_api_strict.asarray(x), axis=0, descending=descending)
    assert _bits(np.from_dlpack(got)) == _bits(sort_kernel(np, x, axis=0, descending=descending))


def test_sorting_says_where_its_gradient_goes_among_equals() -> None:
    x = gf.constant([2.0, 1.0, 2.0, 1.0])
    (g,) = gf.gradients(sorting.sort(x) * np.float32([1, 2, 3, 4]), x)
    assert gf.Session().run(g).tolist() == [3, 1, 4, 2]


def test_sorted_by_its_own_order() -> None:
    x = gf.placeholder("float32", (None, None))
    y = gf.take_along_axis(x, sorting.argsort(x, 0), 0)
    value = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_array_equal(gf.Session().run(y, {x: value}), np.sort(value, axis=0))


# --- sizes that depend on data --------------------------------------------------------------------


def test_what_is_found_can_be_used_further() -> None:
    x = gf.placeholder("float64", (None,))
    (places,) = searching.nonzero(x > 0)
    picked = gf.take(x, places, 0)
    values, counts = sets.unique_counts(picked)
    total = gf.sum(values * gf.cast(counts, "float64"))
    data = np.array([1.0, -2, 3, 3, 0, 1, 5])
    session = gf.Session()
    assert session.run(total, {x: data}) == data[data > 0].sum()
    assert session.run(total, {x: -data}) == 2.0
    np.testing.assert_array_equal(session.run(gf.gradients(total, x)[0], {x: data}), [2, 0, 2, 0, 0, 0, 1])


def test_types_say_what_is_known() -> None:
    x = gf.placeholder("float32", (3, 4))
    assert searching.argwhere(x).shape == (None, 2)
    assert [t.shape for t in searching.nonzero(x)] == [(None,), (None,)]
    result = sets.unique_all(x)
    assert [t.shape for t in result] == [(None,), (None,), (3, 4), (None,)]
    assert result.counts.dtype == np.int64
    assert gf.where(x > 0).shape == (None, 2)
    n = gf.placeholder("float32", ("batch", 4))
    assert ranking.top_k(n, 2)[0].shape[1:] == (2,)
    assert quantiles.quantile(n, [0.1, 0.9], 1).shape[0] == 2


def test_results_have_the_names_of_the_standard() -> None:
    x = gf.constant([1, 1])
    assert sets.unique_all(x)._fields == ("values", "indices", "inverse_indices", "counts")
    assert sets.unique_counts(x)._fields == ("values", "counts")
    assert sets.unique_inverse(x)._fields == ("values", "inverse_indices")
    assert sets.unique_with_counts(x)._fields == ("y", "idx", "count")
    assert sets.setdiff1d(x, x)._fields == ("out", "idx")


def test_they_run_at_once_under_eager() -> None:
    with gf.eager():
        x = gf.constant([3.0, 1.0, 3.0])
        assert sets.unique(x).idx.numpy().tolist() == [0, 1, 0]
        assert ranking.top_k(x, 2)[1].numpy().tolist() == [0, 2]
        assert gf.where(x > 2).numpy().tolist() == [[0], [2]]
        assert quantiles.median(x).numpy() == 3


# --- memory ---------------------------------------------------------------------------------------

F8 = np.random.default_rng(1).standard_normal((250, 200)) * 100
LINE = F8.reshape(-1)
MEMORY: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[
        (name, (x,), {"axis": axis, "descending": descending})
        for name in ("sort", "argsort")
        for x, axis in ((LINE, 0), (F8, 0), (F8.T, 0), (F8.astype(np.float32), 1), (F8.astype(np.float16), 0),
                        (F8.reshape(-1, 4), 1), (LINE.view(np.int64), 0), (np.round(F8) * -0.0, 1), (LINE * -0.0, 0))
        for descending in (False, True)
    ],
    *[("top_k", (x,), {"k": k}) for x in (F8, F8.T, F8 * 0, LINE) for k in (3, 60)],
    ("nth_element", (F8,), {"n": 9, "reverse": False}),
    ("invert_permutation", (np.argsort(LINE),), {}),
    *[("searchsorted", (np.sort(a), b), {"side": "left"}) for a, b in ((LINE, F8.T), (LINE[::2], F8), (F8, F8))],
    ("digitize", (F8.T, np.sort(LINE)[::-1]), {"right": False, "increasing": False}),
    *[("isin", (a, b), {"invert": True}) for a, b in ((F8, LINE), (F8.astype(np.int64), F8.astype(np.int64)))],
    *[(name, (x,), {}) for name in ("unique_values", "unique_counts", "unique_all", "argwhere")
      for x in (F8, np.round(F8).astype(np.int32), F8 > 0)],
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "inputs", "attrs"), MEMORY, ids=[f"{k}-{m[0]}" for k, m in enumerate(MEMORY)]
)
def test_hidden_memory_is_within_what_is_stated(name: str, inputs: Any, attrs: Any) -> None:
    op = OPS[name]
    types = [TensorType(x.dtype, x.shape) for x in inputs]
    assert op.kernel is not None
    assert op.workspace is not None
    with kernel_settings():
        first = op.kernel(np, *inputs, **attrs)
    results = first if isinstance(first, tuple) else (first,)
    made = [TensorType(r.dtype, r.shape) for r in results]
    options = {"out": np.empty_like(first)} if op.takes_out else {}
    given = 0 if op.takes_out else sum(r.nbytes for r in results)
    del first, results
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    with kernel_settings():
        op.kernel(np, *inputs, **attrs, **options)
    peak = tracemalloc.get_traced_memory()[1] - start
    tracemalloc.stop()
    assert peak - given <= op.workspace(types, made, **attrs) + 8192
