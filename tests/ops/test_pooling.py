"""Pooling: geometry of windows, bad inputs, limits, memory, and agreement with PyTorch."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.op import OPS
from graphflow.ops import (
    adaptive_pooling,
    pooling,
    pooling_global,
    pooling_norm,
    resize,
    response_normalization,
    tap_numbers,
    unpooling,
)
from graphflow.ops.axis_filter import filtered
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.ops.window import floor_quotient, output_size, pads_of, span_of
from graphflow.ops.window_plans import counts_along, taps_along, taps_range
from graphflow.types import Dim, TensorType
from tests.ops.table import array

X = array(2, 6, 5, 3, seed=1)


def run(t: Any, *feeds: Any) -> Any:
    return gf.Session().run(t, dict(feeds))


# --- geometry -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_window_geometry_is_that_of_a_loop(n: int, k: int) -> None:
    for s, d, padding in itertools.product((1, 2, 3), (1, 2), ("SAME", "VALID", (1, 0), (2, 3))):
        span = span_of(k, d)
        lo, hi = pads_of(n, k, s, d, padding)
        starts = [p for p in range(-lo, n + hi) if (p + lo) % s == 0 and p + span <= n + hi]
        if not starts:
            if padding != "SAME" and span > 1:
                with pytest.raises(ShapeError, match="spans"):
                    output_size(n, k, s, d, padding)
            continue
        window = (k, s, d, padding)
        assert output_size(n, k, s, d, padding) == len(starts)
        inside = [[t for t in range(k) if 0 <= p + t * d < n] for p in starts]
        assert counts_along(n, window).tolist() == [len(taps) for taps in inside]
        assert set(taps_range(n, window)) >= {t for taps in inside for t in taps}
        for t, (outputs, inputs, full) in zip(taps_range(n, window), taps_along(n, window), strict=True):
            found = list(range(len(starts)))[outputs]
            assert found == [o for o, taps in enumerate(inside) if t in taps]
            assert list(range(n))[inputs] == [starts[o] + t * d for o in found]
            assert full == (len(found) == len(starts))


def test_same_padding_covers_what_it_must() -> None:
    assert pads_of(5, 3, 2, 1, "SAME") == (1, 1)
    assert pads_of(6, 3, 2, 1, "SAME") == (0, 1)
    assert pads_of(5, 1, 3, 1, "SAME") == (0, 0)
    assert pads_of(0, 3, 2, 1, "SAME") == (0, 0)


def test_symbolic_sizes_stay_exact_where_they_can() -> None:
    n = Dim("n")
    assert output_size(n, 3, 1, 1, "VALID") == n - 2
    assert output_size(n, 3, 1, 1, "SAME") == n
    assert output_size(n * 4, 2, 2, 1, "VALID") == n * 2
    assert output_size(n * 4 + 1, 3, 2, 1, "VALID") == n * 2
    assert output_size(n * 4, 3, 2, 1, "SAME") == n * 2
    assert floor_quotient(n * 6 - 1, 3) == n * 2 - 1
    assert isinstance(output_size(n, 3, 2, 1, "VALID"), Dim)


def test_types_with_unknown_sizes() -> None:
    x = gf.placeholder("float32", ("batch", 28, None, 8))
    y = pooling.max_pool(x, 2)
    assert y.shape[1] == 14
    assert y.shape[3] == 8
    assert y.type.dims[0] == Dim("batch")
    assert run(y, (x, np.zeros((3, 28, 9, 8)))).shape == (3, 14, 4, 8)
    with pytest.raises(ShapeError, match="axis 2"):
        run(y, (x, np.zeros((3, 28, 1, 8))))


# --- limits ---------------------------------------------------------------------------------------


def test_a_window_far_larger_than_the_input_costs_no_more_than_the_input() -> None:
    x = gf.constant(X)
    huge = 10**9
    for y, want in (
        (pooling.max_pool(x, huge, 1, "SAME"), np.broadcast_to(X.max((1, 2), keepdims=True), X.shape)),
        (pooling.avg_pool(x, huge, 1, "SAME"), np.broadcast_to(X.mean((1, 2), keepdims=True), X.shape)),
    ):
        g = gf.gradients(y, x)[0]
        got, slope = gf.Session().run([y, g])
        np.testing.assert_allclose(got, want, rtol=1e-12)
        np.testing.assert_allclose(slope.sum(), X.size, rtol=1e-12)
    y = response_normalization.lrn(x, 10**6)
    want = X / np.sqrt(1 + (X**2).sum(-1, keepdims=True))
    np.testing.assert_allclose(gf.Session().run(y), want, rtol=1e-12)


def test_every_maximum_of_equals_is_the_first_of_its_window() -> None:
    x = gf.constant(np.ones((1, 5, 5, 1)))
    y, where = unpooling.max_pool_with_argmax(x, 3, 2, "SAME")
    places = gf.Session().run(where)[0, :, :, 0]
    np.testing.assert_array_equal(places, [[0, 1, 3], [5, 6, 8], [15, 16, 18]])
    np.testing.assert_array_equal(gf.Session().run(y), np.ones((1, 3, 3, 1)))


def test_positions_of_nan() -> None:
    x = np.zeros((1, 2, 2, 1))
    x[0, 1, 0, 0] = x[0, 1, 1, 0] = np.nan
    y, where = gf.Session().run(unpooling.max_pool_with_argmax(gf.constant(x), 2))
    assert np.isnan(y).all()
    assert where.item() == 2
    t = gf.constant(np.where(np.arange(25).reshape(1, 5, 5, 1) == 7, np.nan, 1.0))
    slope = gf.Session().run(gf.gradients(adaptive_pooling.adaptive_max_pool(t, 2), t)[0])
    assert slope[0, 1, 2, 0] == 2


def test_a_later_value_replaces_an_earlier_one_at_the_same_place() -> None:
    values, places = gf.constant([[1.0, 2.0, 3.0]]), gf.constant([[1, 1, 0]])
    y = unpooling.max_unpool(values, places, (1, 2))
    np.testing.assert_array_equal(gf.Session().run(y), [[3, 2]])
    np.testing.assert_array_equal(gf.Session().run(gf.gradients(y, values)[0]), [[0, 1, 1]])


@pytest.mark.parametrize("axes", [(1, 2), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("padding", ["SAME", "VALID", (1, 2)])
def test_taps_are_the_same_however_they_are_found(
    axes: tuple[int, ...], padding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (2, 7, 6, 5)).astype(np.float64)
    x[rng.uniform(size=x.shape) < 0.02] = np.nan
    windows = tuple((3, 1 + k, 1, padding) for k in range(len(axes)))
    attrs = {"axes": axes, "windows": windows, "rank": None}
    y = OPS["max_pool"].kernel(np, x, **attrs)  # type: ignore[misc]  # it has one
    found = []
    for many in (2, 10, 10**6):
        monkeypatch.setattr(tap_numbers, "MANY", many)
        found.append(tap_numbers.taps_kernel(np, x, y, **attrs))
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_array_equal(OPS["tap_gather"].kernel(np, x, found[0], **attrs), y)  # type: ignore[misc]


# --- bad inputs -----------------------------------------------------------------------------------

IMAGES = (2, 6, 5, 3)


def _image(dtype: str = "float32", shape: Any = IMAGES) -> Any:
    return gf.placeholder(dtype, shape)


BAD: list[tuple[str, Any, Any, str]] = [
    ("zero window", lambda: pooling.max_pool(_image(), 0), ArgumentError, "max_pool: ksize.*0"),
    ("negative stride", lambda: pooling.avg_pool(_image(), 2, -1), ArgumentError, "avg_pool: strides.*-1"),
    ("float window", lambda: pooling.max_pool(_image(), 2.0), ArgumentError, "max_pool: ksize.*2.0"),
    ("bool window", lambda: pooling.max_pool(_image(), True), ArgumentError, "max_pool: ksize.*True"),
    ("text window", lambda: pooling.max_pool(_image(), "2"), ArgumentError, "max_pool: ksize"),
    ("windows of three", lambda: pooling.max_pool(_image(), (2, 2, 2)), ArgumentError, "ksize needs"),
    ("batch window", lambda: pooling.max_pool(_image(), (2, 2, 2, 1)), ArgumentError, "batch and channel"),
    ("huge window", lambda: pooling.max_pool(_image(), 2**40), ArgumentError, "max_pool: ksize"),
    ("zero dilation", lambda: pooling.pool(_image(), 2, "MAX", "SAME", 0), ArgumentError, "pool: dilations"),
    ("padding name", lambda: pooling.max_pool(_image(), 2, 2, "same"), ArgumentError, "padding.*'same'"),
    ("long padding", lambda: pooling.max_pool(_image(), 2, 2, "S" * 10**6), ArgumentError, "padding must be"),
    ("negative padding", lambda: pooling.max_pool(_image(), 3, 2, -1), ArgumentError, "padding.*-1"),
    ("padding pairs", lambda: pooling.max_pool(_image(), 3, 2, [(1, 1, 1), (0, 0)]), ArgumentError, "pairs"),
    ("padding count", lambda: pooling.max_pool(_image(), 3, 2, [1, 1, 1]), ArgumentError, "padding needs"),
    ("padded batch", lambda: pooling.max_pool(_image(), 3, 2, [1, 1, 1, 0]), ArgumentError, "0 for the batch"),
    ("padding as wide", lambda: pooling.max_pool(_image(), 2, 2, 2), ArgumentError, "less than.*spans"),
    ("only padding", lambda: pooling.max_pool(_image("float32", (1, 1, 9, 1)), 2, 1, "SAME", dilations=2), ShapeError, "padding alone"),
    ("window too large", lambda: pooling.max_pool(_image(), 7), ShapeError, "spans 7.*6"),
    ("empty image", lambda: pooling.max_pool(_image("float32", (2, 0, 5, 3)), 2, 2, 1), ShapeError, "empty"),
    ("format", lambda: pooling.max_pool(_image(), 2, data_format="CHWN"), ArgumentError, "data_format.*'CHWN'"),
    ("format number", lambda: pooling.max_pool(_image(), 2, data_format=4), ArgumentError, "data_format"),
    ("rank", lambda: pooling.max_pool(_image("float32", (6, 5, 3)), 2), ShapeError, "4 axes"),
    ("rank of 1d", lambda: pooling.max_pool1d(_image(), 2), ShapeError, "3 axes"),
    ("format of 1d", lambda: pooling.max_pool1d(_image(), 2, data_format="NHWC"), ArgumentError, "max_pool1d"),
    ("no format", lambda: pooling.avg_pool2d(_image(), 2, data_format=None), ArgumentError, "avg_pool2d"),
    ("many axes", lambda: pooling.pool(_image("float32", (1,) * 6), 1, "MAX", "SAME"), ShapeError, "1 to 3"),
    ("bool", lambda: pooling.max_pool(_image("bool"), 2), DTypeError, "max_pool"),
    ("complex", lambda: pooling.max_pool(_image("complex64"), 2), DTypeError, "max_pool"),
    ("complex mean", lambda: pooling.avg_pool(_image("complex64"), 2), DTypeError, "avg_pool"),
    ("include pad", lambda: pooling.avg_pool(_image(), 2, count_include_pad=2), ArgumentError, "count_include_pad"),
    ("pooling type", lambda: pooling.pool(_image(), 2, "max", "SAME"), ArgumentError, "pooling_type.*'max'"),
    ("order 0", lambda: pooling_norm.lp_pool(_image(), 0, 2), ArgumentError, "lp_pool: ord"),
    ("order NaN", lambda: pooling_norm.lp_pool(_image(), float("nan"), 2), ArgumentError, "lp_pool: ord"),
    ("global rank", lambda: pooling_global.global_avg_pool(_image("float32", (2, 3))), ShapeError, "global_avg_pool"),
    ("global format", lambda: pooling_global.global_max_pool(_image(), "NCW"), ShapeError, "global_max_pool.*3 axes"),
    ("adaptive 0", lambda: adaptive_pooling.adaptive_avg_pool(_image(), 0), ArgumentError, "output_size.*0"),
    ("adaptive count", lambda: adaptive_pooling.adaptive_max_pool(_image(), (2, 2, 2)), ArgumentError, "output_size"),
    ("adaptive empty", lambda: adaptive_pooling.adaptive_max_pool(_image("int32", (2, 0, 5, 3)), 4), ShapeError, "empty"),
    ("argmax dtype", lambda: unpooling.max_pool_with_argmax(_image(), 2, output_dtype="float32"), DTypeError, "output_dtype"),
    ("unpool shapes", lambda: unpooling.max_unpool(_image(), _image("int32", (2, 6, 5, 1)), IMAGES), ShapeError, "one shape"),
    ("unpool batch", lambda: unpooling.max_unpool(_image(), _image("int32"), (3, 6, 5, 3)), ShapeError, "batch"),
    ("unpool floats", lambda: unpooling.max_unpool(_image(), _image(), IMAGES), DTypeError, "max_unpool: indices"),
    ("radius", lambda: response_normalization.lrn(_image(), -1), ArgumentError, "depth_radius.*-1"),
    ("lrn rank", lambda: response_normalization.lrn(_image("float32", (2, 3))), ShapeError, "4 axes"),
    ("lrn beta", lambda: response_normalization.lrn(_image(), beta="x"), ArgumentError, "beta"),
    ("filter", lambda: filtered(_image(), 1, (1.0,) * 7), ShapeError, "shorter than a filter of 7"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "error", "match"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_inputs_are_refused_when_the_graph_is_built(build: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        build()


def test_a_position_outside_is_found_when_it_runs() -> None:
    places = gf.placeholder("int64", (1, 2))
    y = unpooling.max_unpool(gf.constant([[1.0, 2.0]]), places, (1, 4))
    with pytest.raises(IndexRangeError, match="4"):
        run(y, (places, np.array([[0, 4]])))


# --- memory ---------------------------------------------------------------------------------------


@np.errstate(all="ignore")
def _peak(op: Any, inputs: list[Any], out: Any, attrs: dict[str, Any]) -> int:
    with kernel_settings():
        op.kernel(np, *inputs, **attrs, out=out)  # lazy imports and plans are no workspace
        tracemalloc.start()
        try:
            start = tracemalloc.get_traced_memory()[0]
            op.kernel(np, *inputs, **attrs, out=out)
            return tracemalloc.get_traced_memory()[1] - start
        finally:
            tracemalloc.stop()


LAYOUTS = [
    ("NHWC", (5, 40, 41, 16), (3, 2)),
    ("NHWC", (64, 14, 14, 8), (2, 2)),
    ("NCHW", (3, 6, 60, 50), (2, 1)),
    ("NHWC", (1, 200, 160, 8), (5, 3)),
    ("NHWC", (3, 60, 50, 8), (9, 1)),
]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("layout", "shape", "window"), LAYOUTS)
def test_memory_stays_below_what_is_stated(layout: str, shape: Any, window: Any, dtype: str) -> None:
    k, s = window
    x = gf.placeholder(dtype, shape)
    outputs = [
        pooling.max_pool(x, k, s, "SAME", layout),
        pooling.avg_pool(x, k, s, "SAME", layout),
        pooling.avg_pool(x, k, s, "VALID", layout),
        resize.resize(x, (30, 70), antialias=True, data_format=layout),
        adaptive_pooling.adaptive_avg_pool(x, 9, "N...C"),
        adaptive_pooling.adaptive_max_pool(x, 9, "N...C"),
        unpooling.max_pool_with_argmax(x, k, s, "SAME", layout)[1],
    ]
    if dtype != "float16":
        outputs.append(filtered(x, 1, (1.0, 2.0, 3.0)))
    floats = [y for y in outputs if y.dtype.kind == "f"]
    slopes = [gf.gradients(gf.sum(gf.square(y)), x)[0] for y in floats]
    second = [gf.gradients(gf.sum(gf.square(g)), x)[0] for g in slopes]
    names = {
        "max_pool", "max_pool_taps", "tap_scatter", "tap_gather", "tap_positions", "avg_pool", "avg_pool_grad",
        "resample", "resample_grad", "adaptive_argmax", "axis_filter",
    }  # fmt: skip
    value = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    nodes = [n for n in x.op.graph.operations if n.type in names]
    needed = [t for n in nodes for t in n.inputs]
    values = gf.Session(optimize=False).run(needed, {x: value})
    env = dict(zip(needed, values, strict=True))
    seen = set()
    for node in nodes:
        types = [TensorType(t.dtype, t.type.shape) for t in node.inputs]
        y = node.outputs[0]
        allowed = OPS[node.type].workspace(types, [y.type], **node.attrs)  # type: ignore[misc]
        peak = _peak(
            OPS[node.type], [env[t] for t in node.inputs], np.empty(y.shape, y.dtype), dict(node.attrs)
        )
        assert peak <= allowed + 16384, (node.type, peak, allowed)
        seen.add(node.type)
    assert len(second) == len(floats)
    assert seen >= names - {"axis_filter"}


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(
    ("k", "s", "p", "d"), [(2, 2, 0, 1), (3, 2, 1, 1), (2, 1, 0, 2), (3, 1, 1, 1), (2, 3, 1, 1)]
)
def test_pooling_agrees_with_pytorch(layout: str, k: int, s: int, p: int, d: int) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    value = np.round(array(2, 3, 9, 8, seed=k) * 2) / 2  # with many ties
    theirs = torch.tensor(value, requires_grad=True)
    ours = gf.constant(value if layout == "NCHW" else np.moveaxis(value, 1, -1))
    cases = [
        (
            functional.max_pool2d(theirs, k, s, p, d),
            pooling.max_pool(ours, k, s, p, layout, dilations=d),
        )
    ]
    if d == 1:
        cases += [
            (
                functional.avg_pool2d(theirs, k, s, p, count_include_pad=include),
                pooling.avg_pool(ours, k, s, p, layout, count_include_pad=include),
            )
            for include in (True, False)
        ]
    for size in ((3, 5), (4, 4), (9, 1)):
        cases.append(
            (
                functional.adaptive_avg_pool2d(theirs, size),
                adaptive_pooling.adaptive_avg_pool(ours, size, layout),
            )
        )
        cases.append(
            (
                functional.adaptive_max_pool2d(theirs, size),
                adaptive_pooling.adaptive_max_pool(ours, size, layout),
            )
        )
    for y, mine in cases:
        g = array(*y.shape, seed=7)
        (slope,) = torch.autograd.grad(y, theirs, torch.tensor(g), retain_graph=True)
        g = g if layout == "NCHW" else np.moveaxis(g, 1, -1)
        got = gf.Session().run([mine, gf.gradients(mine, ours, gf.constant(g))[0]])
        for a, b in zip(got, (y, slope), strict=True):
            want = b.detach().numpy()
            np.testing.assert_allclose(
                a, want if layout == "NCHW" else np.moveaxis(want, 1, -1), rtol=1e-9, atol=1e-12
            )
