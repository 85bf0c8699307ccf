"""Folding by segment, counting, histograms: bad input, order of adding, static sizes, memory."""

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
from graphflow.ops import counting, histograms, segments
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.types import TensorType
from tests.ops.refused import Refused, check_bound, check_built, ids

X = ((3, 2),)
BUILD = [
    Refused(lambda x: segments.segment_sum(x, [0, 1]), ShapeError, ("segment", "int64[2]", "float32[3, 2]"), X),
    Refused(lambda x: segments.segment_sum(x, [[0], [1], [2]]), ShapeError, ("segment", "vector"), X),
    Refused(lambda x: segments.segment_sum(x, [0, 1.5, 2]), DTypeError, ("segment_sum: segment_ids", "1.5"), X),
    Refused(lambda x: segments.segment_max(x, [0, 1, 0]), ArgumentError, ("segment_max", "unsorted_segment_max"), X),
    Refused(lambda x: segments.segment_prod(x, [-1, 0, 0]), IndexRangeError, ("segment_prod", "-1"), X),
    Refused(lambda: segments.segment_sum(np.ones(3, bool), [0, 0, 1]), DTypeError, ("segment_sum", "bool")),
    Refused(lambda: segments.segment_max(np.ones(3) * 1j, [0, 0, 1]), DTypeError, ("segment_max", "complex")),
    Refused(lambda x: segments.unsorted_segment_sum(x, [0, 5, 1], 4), IndexRangeError, ("unsorted_segment_sum", "5", "4"), X),
    Refused(lambda x: segments.unsorted_segment_sum(x, [0, 1, 1], -1), ArgumentError, ("num_segments", "-1"), X),
    Refused(lambda x: segments.unsorted_segment_sum(x, [0, 1, 1], 1.5), ShapeError, ("num_segments", "1.5"), X),
    Refused(lambda x: segments.unsorted_segment_sum(x, [0, 1, 1], x), DTypeError, ("num_segments", "integers"), X),
    Refused(lambda x: segments.unsorted_segment_mean(x, [[0, 1], [0, 1]]), ShapeError, ("segment", "first axes"), X),
    Refused(lambda x: segments.unsorted_segment_max(x, [[[0]]]), ShapeError, ("segment", "first axes"), X),
    Refused(lambda x: segments.sparse_segment_sum(x, [0, 3], [0, 0]), IndexRangeError, ("gather", "3"), X),
    Refused(lambda x: segments.sparse_segment_mean(x, [0, 1, 2], [0, 0]), ShapeError, ("segment",), X),
    Refused(lambda x: segments.sparse_segment_sum(x, [0, 1], [1, 0]), ArgumentError, ("sparse_segment_sum", "fall"), X),
    Refused(lambda x: counting.bincount(x), DTypeError, ("bincount: x", "integers"), X),
    Refused(lambda: counting.bincount([1, -2]), ArgumentError, ("bincount: x", "-2")),
    Refused(lambda: counting.bincount([1, 2], minlength=-1), ArgumentError, ("bincount: minlength", "-1")),
    Refused(lambda: counting.bincount([1, 2], minlength=5, maxlength=3), ArgumentError, ("bincount", "5", "3")),
    Refused(lambda x: counting.bincount([1, 2], x), ShapeError, ("bincount", "weights", "[2]"), X),
    Refused(lambda: counting.bincount([1, 2], [True, False]), DTypeError, ("bincount", "bool")),
    Refused(lambda: counting.confusion_matrix([1, 2], [1]), ShapeError, ("confusion_matrix", "predictions")),
    Refused(lambda: counting.confusion_matrix([0.5], [1]), DTypeError, ("confusion_matrix: labels", "0.5")),
    Refused(lambda: counting.confusion_matrix([1], [1], -3), ArgumentError, ("num_classes", "-3")),
    Refused(lambda: counting.confusion_matrix([1], [1], weights=[1.0, 2.0]), ShapeError, ("confusion_matrix", "weights")),
    Refused(lambda x: histograms.histogram(x, 0), ArgumentError, ("histogram: bins", "at least 1", "0"), X),
    Refused(lambda x: histograms.histogram(x, -2), ArgumentError, ("histogram: bins", "-2"), X),
    Refused(lambda x: histograms.histogram(x, "auto"), ArgumentError, ("histogram: bins", "'auto'"), X),
    Refused(lambda x: histograms.histogram(x, [1.0, 0.0]), ArgumentError, ("histogram", "rise"), X),
    Refused(lambda x: histograms.histogram(x, [0.0, float("nan")]), ArgumentError, ("histogram", "NaN"), X),
    Refused(lambda x: histograms.histogram(x, [[0.0]]), ShapeError, ("histogram: bins", "vector"), X),
    Refused(lambda x: histograms.histogram(x, 3, (1, 0)), ArgumentError, ("histogram: range", "(1, 0)"), X),
    Refused(lambda x: histograms.histogram(x, 3, (0, float("inf"))), ArgumentError, ("histogram: range", "inf"), X),
    Refused(lambda x: histograms.histogram(x, 3, 5), ArgumentError, ("histogram: range", "5"), X),
    Refused(lambda x: histograms.histogram(x, 3, density="no"), ArgumentError, ("histogram", "density"), X),
    Refused(lambda x: histograms.histogram_fixed_width(x, [1, 0]), ArgumentError, ("value_range", "[1, 0]"), X),
    Refused(lambda x: histograms.histogram_fixed_width(x, [0, float("nan")]), ArgumentError, ("value_range",), X),
    Refused(lambda x: histograms.histogram_fixed_width(x, [0, 1, 2]), ShapeError, ("value_range", "[2]"), X),
    Refused(lambda x: histograms.histogram_fixed_width_bins(x, [0, 1], 0), ArgumentError, ("nbins", "0"), X),
    Refused(lambda x: histograms.histogram_fixed_width(x, [0, 1], dtype="bool"), DTypeError, ("dtype", "bool"), X),
    Refused(lambda: histograms.histogram_fixed_width([1j], [0, 1]), DTypeError, ("complex",)),
]  # fmt: skip

BIND = [
    Refused(lambda x: segments.segment_sum(x, [0, 1]), ShapeError, ("float32[3, 2]",), X),
    Refused(lambda x: segments.unsorted_segment_mean(x, [[0, 1], [0, 1]]), ShapeError, ("first axes",), X),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


@pytest.mark.parametrize(
    ("build", "value", "error", "words"),
    [
        (lambda i: segments.segment_sum(gf.ones(3), i), [0, 2, 1], RunError, "2 is followed by 1 at place 2"),
        (lambda i: segments.segment_mean(gf.ones(3), i), [-1, 0, 1], IndexRangeError, "-1"),
        (lambda i: segments.unsorted_segment_sum(gf.ones(3), i, 2), [0, 2, 1], IndexRangeError, "2 .*num_segments = 2"),
        (lambda i: segments.unsorted_segment_max(gf.ones(3), i, i[2]), [0, 0, -4], RunError, "num_segments.*-4"),
        (counting.bincount, [0, -7], RunError, "bincount: -7 is negative"),
        (lambda i: counting.confusion_matrix(i, [0, 1]), [0, -7], RunError, "labels: -7"),
        (lambda i: counting.confusion_matrix([0, 1], i, 3), [0, 3], RunError, "predictions: 3 is none .* 0 to 2"),
        (lambda i: histograms.histogram_fixed_width([0.5], i), [2, 1], RunError, r"value_range .*\[2.0, 1.0\]"),
        (lambda i: histograms.histogram([0.5], i), [2, 1], RunError, "must rise"),
    ],
)  # fmt: skip
def test_refused_at_the_run(build: Any, value: Any, error: type[Exception], words: str) -> None:
    i = gf.placeholder("int64", (len(value),))
    with pytest.raises(error, match=words) as caught:
        gf.Session().run(build(i), {i: value})
    assert "made at" in str(caught.value)


def test_a_histogram_of_nan_has_no_range() -> None:
    x = gf.placeholder("float32", (None,))
    with pytest.raises(RunError, match="NaN"):
        gf.Session().run(histograms.histogram(x), {x: [1.0, np.nan]})
    counts, _ = gf.Session().run(histograms.histogram(x, 2, (0, 2)), {x: [1.0, np.nan]})
    assert counts.tolist() == [0, 1]


# --- sizes ----------------------------------------------------------------------------------------


def test_the_number_of_segments_is_known_as_early_as_can_be() -> None:
    x, i = gf.placeholder("float32", (5, 2)), gf.placeholder("int64", (5,))
    assert segments.segment_sum(x, [0, 0, 1, 1, 4]).shape == (5, 2)
    assert segments.segment_sum(x, i).shape == (None, 2)
    assert segments.unsorted_segment_sum(x, i, 7).shape == (7, 2)
    assert segments.unsorted_segment_mean(x, [3, -1, 0, 0, 0]).shape == (4, 2)
    n = gf.placeholder("float32", ("batch", 2))
    y = segments.unsorted_segment_sum(x, i, gf.shape(n)[0])
    assert repr(y.type) == "float32[batch, 2]"
    found = gf.Session().run(y, {x: np.ones((5, 2)), i: [0, 1, 1, -2, 2], n: np.ones((3, 2))})
    assert found.tolist() == [[1, 1], [2, 2], [1, 1]]


def test_fixed_counts_have_a_static_shape() -> None:
    i = gf.placeholder("int64", (None,))
    assert counting.bincount(i, minlength=4, maxlength=4).shape == (4,)
    assert counting.confusion_matrix(i, i, 3).shape == (3, 3)
    assert counting.confusion_matrix(i, i).shape == (None, None)
    assert histograms.histogram(gf.cast(i, "float32"), 6)[0].shape == (6,)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize(("n", "width"), [(40_000, 1), (9000, 3), (60, 1500), (3000, 40)])
def test_long_data_is_folded_in_order(mode: str, n: int, width: int) -> None:
    rng = np.random.default_rng(width)
    x = (rng.integers(-2, 3, (n, width)) + (0.5 if mode != "prod" else 0)).astype(np.float64)
    if mode == "prod":
        x = np.where(rng.random((n, width)) < 0.5, 2.0, 0.5)
    i = rng.integers(-3, 30, n)
    i[:30] = np.arange(30)
    ufunc = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}[mode]
    kernel = OPS["segment"].kernel
    assert kernel is not None
    want = np.stack([ufunc.reduce(x[i == s], axis=0) for s in range(30)])
    for y in (x, np.asfortranarray(x)):
        np.testing.assert_array_equal(kernel(np, y, i, mode=mode, in_order=False, num=30), want)
    order = np.argsort(i, kind="stable")[np.count_nonzero(i < 0) :]
    for y in (x[order], x[order[::-1]][::-1]):
        np.testing.assert_array_equal(kernel(np, y, i[order], mode=mode, in_order=True, num=None), want)


@pytest.mark.parametrize("mode", ["sum", "prod", "max", "min"])
def test_a_second_array_module_agrees(mode: str) -> None:
    rng = np.random.default_rng(2)
    x, i = rng.standard_normal((50, 3)), rng.integers(-2, 12, 50)
    kernel, xp = OPS["segment"].kernel, array_api_strict
    assert kernel is not None
    want = kernel(np, x, i, mode=mode, in_order=False, num=15)
    got = kernel(xp, xp.asarray(x), xp.asarray(i), mode=mode, in_order=False, num=15)
    np.testing.assert_allclose(np.from_dlpack(got), want, rtol=1e-12)


def test_halves_are_added_in_float32() -> None:
    for dtype in (np.float16, ml_dtypes.bfloat16):
        x = gf.constant(np.ones(5000, dtype))
        total = segments.unsorted_segment_sum(x, np.zeros(5000, np.int64))
        assert total.dtype == dtype
        assert gf.Session().run(total).tolist() == [np.asarray(5000).astype(dtype)]


def test_an_empty_segment_has_no_gradient_and_breaks_none() -> None:
    x = gf.constant([1.0, 2.0, 3.0])
    for function in (
        segments.unsorted_segment_mean,
        segments.unsorted_segment_max,
        segments.unsorted_segment_prod,
    ):
        y = function(x, [0, 2, -1], 4)
        (g,) = gf.gradients(y, x)
        assert gf.Session().run(g).tolist() == [1, 1, 0]
        assert np.isfinite(
            gf.Session().run(gf.gradients(gf.sum(g * g), x, unconnected_gradients="zero")[0])
        ).all()


def test_weights_are_added_precisely() -> None:
    w = np.full(100_000, 0.1, np.float32)
    total = gf.Session().run(counting.bincount(np.zeros(100_000, np.int64), w))
    assert abs(total[0] - np.float64(w[0]) * 100_000) < 1e-3


# --- memory ---------------------------------------------------------------------------------------

F8 = np.random.default_rng(1).standard_normal((500, 100))
LINE = F8.reshape(-1)
I8 = np.random.default_rng(2).integers(-1, 300, 50_000)
UP = np.sort(np.abs(I8))
FOLD = {"mode": "sum", "in_order": False, "num": 300}
BINS = {"minlength": 300, "maxlength": 300}
MEMORY: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[
        ("segment", (x, i[: len(x)].astype(d)), {**FOLD, "in_order": i is UP, "mode": mode})
        for x in (LINE, F8, F8.T, LINE.reshape(-1, 2).astype(np.float32), LINE.reshape(20, 2500))
        for i in (I8, UP) for d in (np.int64, np.int16) for mode in ("sum", "max")
    ],
    ("segment_counts", (LINE, I8), {"in_order": False, "num": 300, "dtype": np.dtype("f4")}),
    *[("segment_spread", (x, I8[:600]), {}) for x in (F8, np.asfortranarray(F8))],
    *[("bincount", (UP.astype(d), *w), {**BINS, "minlength": m, "maxlength": m}) for d in (np.int64, np.int32)
      for w in ((), (LINE,), (LINE.astype(np.float32),), (UP,)) for m in (300, 150)],
    ("confusion_matrix", (UP, UP), {"num_classes": 300, "dtype": np.dtype("f4")}),
    ("confusion_matrix", (UP, UP, LINE), {"num_classes": 300, "dtype": np.dtype("f8")}),
    ("histogram_fixed_width_bins", (LINE.astype(np.float32), np.array([0, 1], np.float32)), {"nbins": 9}),
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
    options = {"out": np.empty_like(first)} if op.takes_out else {}
    given = 0 if op.takes_out else first.nbytes
    allowed = op.workspace(types, [TensorType(first.dtype, first.shape)], **attrs)
    del first
    with kernel_settings():
        tracemalloc.start()
        op.kernel(np, *inputs, **attrs, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak - given <= allowed + 8192
