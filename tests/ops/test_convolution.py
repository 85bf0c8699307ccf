"""Convolutions: bad input, how they are cut into tiles and lanes, and other libraries as oracles."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.signal

import graphflow as gf
from graphflow.backends.numpy.workers import run_pieces
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.op import OPS
from graphflow.ops import (
    convolution_depthwise,
    convolution_filter_grad,
    convolution_gather,
    convolution_numpy,
    convolution_scatter,
    convolution_shifts,
)
from graphflow.ops.convolution import (
    conv,
    conv1d,
    conv2d,
    conv3d,
    convolution,
    depthwise_conv2d,
    separable_conv2d,
)
from graphflow.ops.convolution_backprop import conv2d_backprop_filter, conv2d_backprop_input
from graphflow.ops.convolution_lanes import UFUNC_ELEMENTS, one_by_one
from graphflow.ops.convolution_layout import Conv, conv_of
from graphflow.ops.convolution_transpose import conv2d_transpose, conv_transpose
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.types import Dim, TensorType
from tests.ops.convolution_reference import convolved, filter_gradient, input_gradient
from tests.ops.refused import Refused, check_bound, check_built, floats, ids

IMAGE, FILTERS = (2, 6, 5, 3), (3, 2, 3, 4)
BOTH = (IMAGE, FILTERS)

# --- bad input ------------------------------------------------------------------------------------

BUILD = [
    Refused(lambda x, w: conv(x, w, strides=0), ArgumentError, ("conv", "strides", "at least 1", "0"), BOTH),
    Refused(lambda x, w: conv(x, w, strides=-(2**70)), ArgumentError, ("conv", "strides"), BOTH),
    Refused(lambda x, w: conv(x, w, strides=1.0), ArgumentError, ("conv", "strides", "1.0"), BOTH),
    Refused(lambda x, w: conv(x, w, strides=(1, 2, 1)), ArgumentError, ("strides", "2 spatial axes"), BOTH),
    Refused(lambda x, w: conv2d(x, w, [1, 1, 1, 2], "SAME"), ArgumentError, ("conv2d", "channel"), BOTH),
    Refused(lambda x, w: conv(x, w, dilations=(1, 0)), ArgumentError, ("dilations", "at least 1"), BOTH),
    Refused(lambda x, w: conv(x, w, groups=0), ArgumentError, ("conv", "groups", "0"), BOTH),
    Refused(lambda x, w: conv(x, w, groups=True), ArgumentError, ("conv", "groups", "True"), BOTH),
    Refused(lambda x, w: conv(x, w, padding="same"), ArgumentError, ("conv", "padding", "'same'"), BOTH),
    Refused(lambda x, w: conv(x, w, padding="x" * 10**6), ArgumentError, ("conv", "padding", "…"), BOTH),
    Refused(lambda x, w: conv(x, w, padding=""), ArgumentError, ("conv", "padding"), BOTH),
    Refused(lambda x, w: conv(x, w, padding=-1), ArgumentError, ("conv", "padding", "negative"), BOTH),
    Refused(lambda x, w: conv(x, w, padding=[(1, 1)]), ArgumentError, ("conv", "padding", "pairs"), BOTH),
    Refused(lambda x, w: conv2d(x, w, 1, None), ArgumentError, ("conv2d", "padding", "None"), BOTH),
    Refused(lambda x, w: conv(x, w, data_format="NWHC"), ArgumentError, ("data_format", "NHWC"), BOTH),
    Refused(lambda x, w: conv(x, w, data_format="NWC"), ShapeError, ("conv", "3 axes"), BOTH),
    Refused(lambda x, w: conv(x, w, data_format=2), ArgumentError, ("conv", "data_format", "2"), BOTH),
    Refused(lambda x, w: conv1d(x, w), ShapeError, ("conv1d", "3 axes", "float32[2, 6, 5, 3]"), BOTH),
    Refused(lambda x, w: conv3d(x, w), ShapeError, ("conv3d", "5 axes"), BOTH),
    Refused(lambda x, w: conv2d(x), ArgumentError, ("conv2d", "filter"), BOTH),
    Refused(lambda x, w: conv2d(x, w, filters=w), ArgumentError, ("conv2d", "one of"), BOTH),
    Refused(
        lambda x, w: convolution(x, w, dilation_rate=2, dilations=2), ArgumentError, ("convolution",), BOTH
    ),
    Refused(lambda x, w: conv(x, w), ShapeError, ("conv", "axes"), ((2, 3), (3, 3))),
    Refused(lambda x, w: conv(x, w), ShapeError, ("conv", "axes"), (IMAGE, (3, 2, 4))),
    Refused(lambda x, w: conv(x, w), ShapeError, ("conv", "take 2 channels", "has 3"), (IMAGE, (3, 2, 2, 4))),
    Refused(lambda x, w: conv(x, w, groups=2), ShapeError, ("take 6 channels in 2 groups",), BOTH),
    Refused(lambda x, w: conv(x, w, groups=3), ShapeError, ("not divisible", "3"), (IMAGE, (3, 2, 1, 4))),
    Refused(lambda x, w: conv(x, w), ShapeError, ("conv", "7"), (IMAGE, (7, 2, 3, 4))),
    Refused(lambda x, w: conv(x, w, dilations=3), ShapeError, ("conv", "spans 7", "6"), BOTH),
    Refused(lambda x, w: conv(x, w), ShapeError, ("no elements",), (IMAGE, (0, 2, 3, 4))),
    Refused(lambda x, w: conv(x, w, padding=2**31 - 1), ShapeError, ("2^63",), ((2, 6, 5, 3), (3, 2, 3, 4))),
    Refused(lambda: conv(gf.placeholder("float32"), gf.placeholder("float32")), ShapeError, ("rank",)),
    Refused(lambda: conv(np.ones((1, 3, 1), bool), np.ones((1, 1, 1), bool)), DTypeError, ("conv", "bool")),
    Refused(lambda x, w: conv(x, w, out_dtype="float64"), DTypeError, ("conv", "out_dtype"), BOTH),
    Refused(lambda x, w: conv(x, w, out_dtype="text"), DTypeError, ("text",), BOTH),
    Refused(lambda x, w: conv(x, "filters"), DTypeError, ("conv", "filters"), BOTH),
    Refused(
        lambda x, w: depthwise_conv2d(x, w, 1, "SAME"), ShapeError, ("take 4", "has 3"), (IMAGE, (3, 2, 4, 1))
    ),
    Refused(
        lambda x, w, p: separable_conv2d(x, w, p, 1, "SAME"),
        ShapeError,
        ("separable_conv2d", "pointwise_filter", "[1, 1, in, out]"),
        (IMAGE, (3, 2, 3, 1), (2, 1, 3, 5)),
    ),
    Refused(
        lambda g, w: conv2d_transpose(g, w, [2, 6, 5]),
        ShapeError,
        ("conv2d_transpose", "output_shape", "2 or 4 sizes"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv2d_transpose(g, w, [2, 9, 5, 3]),
        ShapeError,
        ("conv_transpose", "would be [2, 9, 5, 4]", "float32[2, 6, 5, 4]"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv2d_transpose(g, w, [2, 6, 5, 2]),
        ShapeError,
        ("conv_transpose", "take 3 channels", "has 2"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv2d_transpose(g, w, [2, -6, 5, 3]),
        ShapeError,
        ("conv2d_transpose", "output_shape", "negative"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv_transpose(g, w, (6, 5), output_padding=0),
        ArgumentError,
        ("conv_transpose", "not both"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv_transpose(g, w, strides=2, padding="VALID", output_padding=2),
        ArgumentError,
        ("conv_transpose", "output_padding 2", "stride 2"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv_transpose(g, w, output_padding=-1),
        ArgumentError,
        ("conv_transpose", "output_padding"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda g, w: conv_transpose(g, w, padding=9),
        ShapeError,
        ("conv_transpose", "padding"),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda x, g: conv2d_backprop_filter(x, [3, 2, 3], g, 1, "SAME"),
        ShapeError,
        ("conv2d_backprop_filter", "filter_sizes", "4 sizes"),
        (IMAGE, (2, 6, 5, 4)),
    ),
    Refused(
        lambda x, g: conv2d_backprop_filter(x, [3, 2, 3, 4], g, 1, "VALID"),
        ShapeError,
        ("conv_filter_grad", "would be [2, 4, 4, 4]"),
        (IMAGE, (2, 6, 5, 4)),
    ),
]

BIND = [
    Refused(lambda x, w: conv(x, w), ShapeError, ("take 2 channels",), (IMAGE, (3, 2, 2, 4))),
    Refused(lambda x, w: conv(x, w, groups=3), ShapeError, ("not divisible",), (IMAGE, (3, 2, 1, 4))),
    Refused(lambda x, w: conv(x, w), ShapeError, ("spans 7",), (IMAGE, (7, 2, 3, 4))),
    Refused(lambda x, w: conv(x, w), ShapeError, ("no elements",), (IMAGE, (3, 0, 3, 4))),
    Refused(
        lambda g, w: conv2d_transpose(g, w, [2, 9, 5, 3]),
        ShapeError,
        ("would be [2, 9, 5, 4]",),
        ((2, 6, 5, 4), FILTERS),
    ),
    Refused(
        lambda w, g: conv2d_backprop_input(IMAGE, w, g, 1, "VALID"),
        ShapeError,
        ("would be [2, 4, 4, 4]",),
        (FILTERS, (2, 6, 5, 4)),
    ),
]


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_refused_while_building(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("case", BIND, ids=ids)
def test_refused_before_the_run(case: Refused) -> None:
    check_bound(case)


# --- types ----------------------------------------------------------------------------------------


def test_sizes_with_names_stay_exact() -> None:
    x = gf.placeholder("float32", ("batch", "height", "width", 3))
    h, w = Dim("height"), Dim("width")
    assert conv2d(x, floats(3, 2, 3, 4)).type.shape == (Dim("batch"), h - 2, w - 1, 4)
    assert conv2d(x, floats(3, 2, 3, 4), padding="SAME").type.shape == (Dim("batch"), h, w, 4)
    assert conv2d(x, floats(3, 2, 3, 4), padding=[(1, 1), (2, 0)]).type.shape[1:3] == (h, w + 1)
    doubled = gf.concat([x, x], 1)
    assert conv2d(doubled, floats(3, 2, 3, 4), 2, "SAME").type.shape[1] == h
    assert conv2d(doubled, floats(3, 2, 3, 4), 2, "VALID").type.shape[1] == h - 1
    assert conv_transpose(x, floats(3, 2, 4, 3), strides=2).type.shape == (Dim("batch"), 2 * h, 2 * w, 4)
    assert conv2d(x, floats(3, 2, 3, 4), 2).type.shape[1].is_anonymous


def test_a_filter_as_large_as_an_unknown_image_gives_one_window() -> None:
    x = gf.placeholder("float32", ("batch", "height", "width", 3))
    w = gf.placeholder("float32", ("height", "width", 3, 4))
    assert conv2d(x, w).type.shape == (Dim("batch"), 1, 1, 4)
    taller = gf.concat([w, w], 0)
    assert conv2d(x, taller, padding=[(3, 3), (0, 0)]).type.shape[1] == 7 - Dim("height")
    with pytest.raises(ShapeError, match="do not fit"):
        conv2d(x, gf.pad(w, [(1, 0), (0, 0), (0, 0), (0, 0)]))


def test_names_are_those_of_tensorflow() -> None:
    x, w = floats(*IMAGE), floats(*FILTERS)
    assert conv2d(x, w).op.name == "Conv2D"
    assert conv2d(x, w).op.name == "Conv2D_1"
    assert conv2d(x, w, name="first").op.name == "first"
    assert conv2d_transpose(conv2d(x, w), w, IMAGE, padding="VALID").op.name == "conv2d_transpose"
    assert depthwise_conv2d(x, floats(2, 2, 3, 1), 1, "SAME").op.name == "depthwise"
    separated = separable_conv2d(x, floats(2, 2, 3, 1), floats(1, 1, 3, 2), 1, "SAME")
    assert separated.op.name == "separable_conv2d"


def test_gradients_of_any_order_stay_among_the_three_ops() -> None:
    x, w = floats(*IMAGE), floats(*FILTERS)
    graph = x.graph
    y = conv2d(x, w, 2, "SAME")
    for _ in range(3):
        dx, dw = gf.gradients(gf.sum(y * y), [x, w])
        y = dx if y.type.rank == 4 and y.type.shape == dw.type.shape else dw
    kinds = {node.type for node in graph.operations if "onv" in node.type}
    assert kinds == {"conv", "conv_transpose", "conv_filter_grad"}


def test_flops_and_bytes_are_counted() -> None:
    x, w = floats(8, 16, 16, 6), floats(3, 3, 2, 12)
    y = conv(x, w, padding="SAME", groups=3)
    plan = gf.Session().plan(y)
    assert plan.flops == 2 * (8 * 16 * 16 * 12) * 9 * 2
    dx, dw = gf.gradients(gf.sum(y), [x, w])
    assert gf.Session().plan(dw).flops >= plan.flops
    assert gf.Session().plan(dx).flops >= plan.flops


# --- values ---------------------------------------------------------------------------------------


def test_correlation_of_scipy() -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.standard_normal((40, 33)), rng.standard_normal((7, 4))
    y = conv2d(gf.constant(image[None, :, :, None]), gf.constant(kernel[:, :, None, None]))
    expected = scipy.signal.correlate(image, kernel, "valid")
    np.testing.assert_allclose(gf.Session().run(y)[0, :, :, 0], expected, atol=1e-12)


def test_sixteen_bit_floats_are_added_up_in_float32() -> None:
    x, w = gf.constant(np.ones((1, 3000, 1), np.float16)), gf.constant(np.ones((3000, 1, 1), np.float16))
    assert gf.Session().run(conv(x, w)).item() == 3000
    total = conv_transpose(gf.constant(np.ones((1, 3000, 1), np.float16)), w, padding="VALID")
    assert gf.Session().run(total)[0, 2999, 0] == 3000
    assert gf.Session().run(conv2d_backprop_filter(*_ones_of(np.float16), 1, "VALID")).item() == 3000


def _ones_of(dtype: Any) -> tuple[Any, list[int], Any]:
    ones = gf.constant(np.ones((1, 3000, 1, 1), dtype))
    return ones, [1, 1, 1, 1], ones


def test_integers_wrap_around_in_the_type_asked_for() -> None:
    x = gf.constant(np.full((1, 500, 1), -128, np.int8))
    w = gf.constant(np.full((500, 1, 1), -128, np.int8))
    session = gf.Session()
    assert session.run(conv(x, w)).item() == 0  # 500 * 2**14 mod 256
    assert session.run(conv(x, w, out_dtype="int16")).item() == np.int64(500 * 2**14).astype(np.int16)
    wide = conv(x, w, out_dtype="int32")
    assert wide.dtype == np.int32
    assert session.run(wide).item() == 500 * 2**14


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("groups", "taken", "made", "strides", "dilations", "pads"),
    [(1, 3, 4, (1, 1), (1, 1), 1), (2, 2, 3, (2, 1), (1, 2), 2), (12, 1, 1, (2, 2), (1, 1), 1)],
)
def test_agrees_with_pytorch(
    first: bool, groups: int, taken: int, made: int, strides: Any, dilations: Any, pads: int
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, groups * taken, 9, 8))
    w = rng.standard_normal((3, 2, taken, groups * made))
    images, filters = torch.from_numpy(x), torch.from_numpy(w.transpose(3, 2, 0, 1).copy())
    expected = torch.nn.functional.conv2d(
        images, filters, stride=strides, padding=pads, dilation=dilations, groups=groups
    ).numpy()
    source = x if first else x.transpose(0, 2, 3, 1)
    y = conv(
        source,
        w,
        strides,
        [(pads, pads)] * 2,
        data_format="NCHW" if first else "NHWC",
        dilations=dilations,
        groups=groups,
    )
    result = gf.Session().run(y)
    np.testing.assert_allclose(result if first else result.transpose(0, 3, 1, 2), expected, atol=1e-10)
    back = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(expected),
        filters,
        stride=strides,
        padding=pads,
        dilation=dilations,
        groups=groups,
        output_padding=(strides[0] - 1, 0),
    ).numpy()
    z = conv_transpose(
        y,
        w,
        None,
        strides,
        [(pads, pads)] * 2,
        "NCHW" if first else "NHWC",
        dilations,
        groups,
        (strides[0] - 1, 0),
    )
    result = gf.Session().run(z)
    np.testing.assert_allclose(result if first else result.transpose(0, 3, 1, 2), back, atol=1e-10)


# --- tiles and lanes ------------------------------------------------------------------------------

MODULES = (
    convolution_depthwise,
    convolution_filter_grad,
    convolution_gather,
    convolution_scatter,
    convolution_shifts,
)


def _forget_plans() -> None:
    convolution_gather.gather_of.cache_clear()
    for module in (convolution_depthwise, convolution_filter_grad, convolution_scatter, convolution_shifts):
        module._plan.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture(params=[(150, 1), (1500, 1), (1500, 1 << 30), (100, 1 << 40)], ids=str)
def small_tiles(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiles of a few hundred bytes, and lanes for every convolution, or for none."""
    nbytes, flops = request.param
    for module in MODULES:
        for name, value in {
            "TILE_NBYTES": nbytes,
            "COPY_NBYTES": nbytes,
            "PRODUCT_NBYTES": nbytes,
            "SPLIT_FLOPS": flops,
            "SPLIT_PRODUCTS": flops,
            "LARGE_NBYTES": 8 * nbytes,
            "LEAST_ROWS": 2,
            "LEAST_TERMS": 2,
            "SUM_ROWS": 3,
        }.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    _forget_plans()
    yield
    _forget_plans()


def _random_case(rng: np.random.Generator) -> tuple[Conv, Any, Any, dict[str, Any]] | None:
    n = int(rng.integers(1, 4))
    first, groups = bool(rng.integers(2)), int(rng.choice([1, 1, 2, 9]))
    taken, made = int(rng.choice([1, 2, 5, 17])), int(rng.choice([1, 2, 4, 40]))
    batch = int(rng.integers(1, 4))
    sizes = [int(v) for v in rng.integers(1, (20, 8, 5)[n - 1], n)]
    kernel = [int(v) for v in rng.integers(1, 4, n)]
    options = {
        "strides": tuple(int(v) for v in rng.integers(1, 4, n)),
        "dilations": tuple(int(v) for v in rng.integers(1, 4, n)),
        "padding": ("SAME", "VALID", tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (n, 2))))[
            int(rng.integers(3))
        ],
        "groups": groups,
        "first": first,
    }
    x = (batch, groups * taken, *sizes) if first else (batch, *sizes, groups * taken)
    w = (*kernel, taken, groups * made)
    each = options["padding"] if isinstance(options["padding"], tuple) else (options["padding"],) * n
    attrs = {"channels_first": first, **options, "padding": each}
    try:
        c = conv_of(x, w, attrs)
    except ShapeError:
        return None
    return c, x, w, options


@pytest.mark.usefixtures("small_tiles")
def test_tiles_and_lanes_change_no_value() -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        case = _random_case(rng)
        if case is None:
            continue
        c, x_shape, w_shape, options = case
        x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
        expected = convolved(x, w, **options)
        g = rng.standard_normal(expected.shape)
        results = {}
        for run in (one_by_one, run_pieces):
            y, dx, dw = np.full_like(g, np.nan), np.full_like(x, np.nan), np.full_like(w, np.nan)
            convolution_numpy.conv(x, w, y, c, run)
            convolution_numpy.input_grad(g, w, dx, c, run)
            convolution_numpy.filter_grad(x, g, dw, c, run)
            results[run] = (y, dx, dw)
        np.testing.assert_allclose(y, expected, atol=1e-10, err_msg=str(c))
        np.testing.assert_allclose(dx, input_gradient(g, w, x_shape, **options), atol=1e-10, err_msg=str(c))
        np.testing.assert_allclose(dw, filter_gradient(x, g, w_shape, **options), atol=1e-10, err_msg=str(c))
        for serial, shared in zip(results[one_by_one], results[run_pieces], strict=True):
            assert serial.tobytes() == shared.tobytes(), c


LARGE = [
    ((4, 32, 32, 16), (3, 3, 16, 32), {}),
    ((4, 32, 32, 16), (3, 3, 16, 32), {"strides": 2}),
    ((8, 28, 28, 1), (5, 5, 1, 32), {}),
    ((4, 16, 16, 64), (5, 5, 64, 2), {}),
    ((2, 32, 32, 64), (3, 3, 64, 1), {"groups": None}),
    ((2, 32, 32, 64), (3, 3, 64, 1), {"groups": None, "strides": 2}),
    ((2, 32, 32, 128), (1, 1, 128, 128), {}),
    ((2, 8, 8, 192), (3, 3, 192, 192), {}),
    ((2, 24, 24, 64), (3, 3, 16, 64), {"groups": 4}),
    ((2, 40, 40, 8), (3, 3, 8, 8), {"dilations": 9}),
    ((1, 4000, 8), (2, 8, 16), {"dilations": 512}),
]


def _large_ids(value: Any) -> str:
    return str(value).replace(" ", "")


def _node(shape: Any, filters: Any, first: bool, dtype: Any, **options: Any) -> Any:
    """The three ops' nodes on placeholders, in a fresh graph."""
    if first:
        shape = (shape[0], shape[-1], *shape[1:-1])
    x, w = gf.placeholder(dtype, shape), gf.placeholder(dtype, filters)
    if options.get("groups", 1) is None:
        y = depthwise_conv2d(x, w, options.get("strides", 1), "SAME", data_format="NCHW" if first else "NHWC")
    else:
        y = conv(x, w, padding="SAME", data_format="NC..." if first else "N...C", **options)
    return x, w, y


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize(("shape", "filters", "options"), LARGE, ids=_large_ids)
def test_bits_do_not_depend_on_threads_or_passes(shape: Any, filters: Any, options: Any, first: bool) -> None:
    x, w, y = _node(shape, filters, first, "float32", **options)
    dx, dw = gf.gradients(gf.sum(y * y), [x, w])
    rng = np.random.default_rng(3)
    feeds = {t: rng.standard_normal(t.type.shape).astype(np.float32) for t in (x, w)}
    found = [
        [np.asarray(v).tobytes() for v in gf.Session(**how).run([y, dx, dw], feeds)]
        for how in ({"threads": 1}, {"threads": 2}, {"optimize": False})
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize(("shape", "filters", "options"), LARGE, ids=_large_ids)
def test_workspace_is_what_is_allocated(
    shape: Any, filters: Any, options: Any, first: bool, dtype: str
) -> None:
    x, w, y = _node(shape, filters, first, "float32", **options)
    nodes = [y.op, *[t.op for t in gf.gradients(gf.sum(y), [x, w])]]
    rng = np.random.default_rng(4)
    for node in nodes:
        assert node.op.name in ("conv", "conv_transpose", "conv_filter_grad")
        arrays = [(rng.standard_normal(t.type.shape) * 9).astype(dtype) for t in node.inputs]
        out = np.empty(node.outputs[0].type.shape, dtype)
        types = [TensorType(a.dtype, a.shape) for a in arrays]
        allowed = OPS[node.type].workspace(types, [TensorType(out.dtype, out.shape)], **node.attrs)  # type: ignore[misc]
        kernel = node.op.kernel
        with kernel_settings():
            kernel(np, *arrays, **node.attrs, out=out)  # plans and caches are no workspace
            tracemalloc.start()
            try:
                kernel(np, *arrays, **node.attrs, out=out)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert peak <= allowed + 20_000, (node.type, peak, allowed)
        # one lane after another: NumPy's buffers are there once, not 8 times
        assert allowed <= 1.05 * peak + 8 * UFUNC_ELEMENTS * 8, (node.type, peak, allowed)


def test_the_buffers_of_a_large_convolution_are_a_few_megabytes() -> None:
    x, w, y = _node((8, 224, 224, 64), (3, 3, 64, 64), False, "float32")
    types = [x.type, w.type]
    whole = 8 * 224 * 224 * 9 * 64 * 4
    allowed = OPS["conv"].workspace(types, [y.type], **y.op.attrs)  # type: ignore[misc]
    assert allowed < 10_000_000 < whole
