"""Image ops: bad inputs, properties that samples cannot say, known values, and agreement with PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow import image
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.ops.resample_rules import Rule, adjoint_of, combination_of
from tests.ops.table import array

X = array(2, 6, 5, 3, seed=1, low=0, high=1)


def run(t: Any, *feeds: Any) -> Any:
    return gf.Session().run(t, dict(feeds))


# --- resampling -----------------------------------------------------------------------------------

RULES = [
    Rule(method, places, -0.5, exclude, smooth)
    for method in ("linear", "cubic")
    for places in ("legacy", "corners", "half")
    for exclude, smooth in ((False, False), (True, False), (True, True))
] + [
    Rule("nearest", "half"),
    Rule("nearest", "corners"),
    Rule("area", "legacy"),
    Rule("area", "corners"),
    Rule("adaptive"),
]


def _matrix(how: Any, columns: int) -> Any:
    matrix = np.zeros((how.size, columns))
    for part in how.parts:
        rows = np.arange(how.size) if part.outputs is None else np.arange(how.size)[part.outputs]
        np.add.at(matrix, (rows, part.inputs), 1.0 if part.weights is None else part.weights)
    return matrix


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "-".join(map(str, rule)))
def test_weights_sum_to_one_and_the_adjoint_is_the_transpose(rule: Rule) -> None:
    for n, m in ((1, 1), (1, 7), (7, 1), (5, 5), (3, 11), (11, 3), (8, 4), (4, 8), (40, 7)):
        forward = _matrix(combination_of(n, m, rule), n)
        np.testing.assert_allclose(forward.sum(1), 1, rtol=1e-12)
        np.testing.assert_array_equal(_matrix(adjoint_of(n, m, rule), m), forward.T)
        if n == m:
            np.testing.assert_array_equal(forward, np.eye(n))


def test_nearest_places_are_exact_where_a_rounded_scale_is_not() -> None:
    """In float32, 49 * (1 / 49) is below 1: a place computed with it falls on the pixel before."""
    for n, m in ((49, 49 * 3), (3, 147), (1000, 999), (10**6, 10**6 - 1)):
        how = combination_of(n, m, Rule("nearest", "legacy"))
        assert how.parts[0].inputs.tolist() == [i * n // m for i in range(m)]


def test_infinity_stays_where_it_has_weight() -> None:
    x = np.zeros((1, 6, 1, 1))
    x[0, 4] = np.inf
    y = run(image.resize_area(gf.constant(x), (3, 1)))
    np.testing.assert_array_equal(y.reshape(-1), [0, 0, np.inf])
    up = run(image.resize(gf.constant(x), (12, 1)))
    assert np.isfinite(up[0, :7]).all()


def test_images_that_have_the_size_are_left_alone() -> None:
    x = gf.constant(X)
    assert image.resize_images(x, (6, 5)) is x
    y = gf.placeholder("uint8", (None, 4, 4, 3))
    assert image.resize_images(y, (4, 4)) is y
    assert image.central_crop(x, 1.0) is x
    assert image.rot90(x, 4) is x


def test_sizes_may_be_known_at_the_run_only() -> None:
    x = gf.placeholder("float64", (None, None, None, 3))
    total = gf.sum(gf.square(image.resize(x, (4, gf.shape(x)[2]))))
    slope = gf.gradients(total, x)[0]
    values = np.ones((2, 8, 3, 3))
    got, g = gf.Session().run([total, slope], {x: values})
    assert got == 2 * 4 * 3 * 3
    assert g.shape == values.shape
    np.testing.assert_allclose(g.sum(), 2 * got)


# --- geometry -------------------------------------------------------------------------------------


def test_a_box_that_is_outside_is_found_when_sizes_are_known() -> None:
    x = gf.placeholder("float32", (None, None, None, 1))
    cut = image.crop_to_bounding_box(x, 1, 1, 3, 2)
    framed = image.pad_to_bounding_box(x, 1, 1, 5, 6)
    assert run(cut, (x, np.zeros((2, 4, 3, 1)))).shape == (2, 3, 2, 1)
    assert run(framed, (x, np.zeros((2, 4, 3, 1)))).shape == (2, 5, 6, 1)
    with pytest.raises(ShapeError):
        run(cut, (x, np.zeros((2, 3, 3, 1))))
    with pytest.raises(ShapeError):
        run(framed, (x, np.zeros((2, 5, 3, 1))))


def test_each_image_of_a_batch_is_flipped_by_itself() -> None:
    x = gf.constant(np.tile(np.arange(4.0).reshape(1, 1, 4, 1), (64, 1, 1, 1)))
    flipped = run(image.random_flip_left_right(x, seed=1))[:, 0, 0, 0] != 0
    assert 10 < flipped.sum() < 54
    again = run(image.random_flip_left_right(x, seed=1))[:, 0, 0, 0] != 0
    np.testing.assert_array_equal(flipped, again)


# --- colours --------------------------------------------------------------------------------------


def test_colours_there_and_back() -> None:
    x = gf.constant(X)
    for there, back, tolerance in (
        (image.rgb_to_hsv, image.hsv_to_rgb, 1e-12),
        (image.rgb_to_yuv, image.yuv_to_rgb, 1e-6),
        (image.rgb_to_yiq, image.yiq_to_rgb, 3e-4),
    ):
        np.testing.assert_allclose(run(back(there(x))), X, atol=tolerance)
    np.testing.assert_allclose(run(image.adjust_hue(image.adjust_hue(x, 0.3), -0.3)), X, atol=1e-12)
    np.testing.assert_allclose(run(image.adjust_hue(x, 1.0)), X, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [("uint8", "uint16"), ("uint8", "int32"), ("int8", "int16")])
def test_integers_there_and_back(low: str, high: str) -> None:
    limits = np.iinfo(low)
    x = np.arange(limits.min, limits.max + 1).astype(low)
    np.testing.assert_array_equal(run(image.convert_image_dtype(image.convert_image_dtype(x, high), low)), x)
    np.testing.assert_array_equal(
        run(image.convert_image_dtype(image.convert_image_dtype(x, "float32"), low))[x >= 0], x[x >= 0]
    )


def test_an_amount_may_be_a_tensor() -> None:
    amount = gf.placeholder("float32", ())
    x = gf.constant(X.astype(np.float32))
    for function in (
        image.adjust_brightness,
        image.adjust_contrast,
        image.adjust_hue,
        image.adjust_saturation,
        image.adjust_gamma,
    ):
        y = function(x, amount)
        np.testing.assert_allclose(run(y, (amount, 0.5)), run(function(x, 0.5)), rtol=1e-5, atol=1e-6)
    assert run(image.random_contrast(x, 0.5, 2.0)).shape == X.shape


# --- measures and boxes ---------------------------------------------------------------------------


def test_similarity_of_known_images() -> None:
    x = gf.constant(array(1, 16, 16, 1, seed=2, low=0, high=1))
    assert run(image.ssim(x, x, 1.0))[0] == pytest.approx(1.0)
    assert run(image.psnr(x, x + 0.1, 1.0))[0] == pytest.approx(20.0)
    assert run(image.ssim(x, 1 - x, 1.0))[0] < 0.2


def test_suppression_of_known_boxes() -> None:
    """The example of TensorFlow's own test of the op."""
    boxes = [
        [0, 0, 1, 1],
        [0, 0.1, 1, 1.1],
        [0, -0.1, 1, 0.9],
        [0, 10, 1, 11],
        [0, 10.1, 1, 11.1],
        [0, 100, 1, 101],
    ]
    scores = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]
    corners = gf.constant(boxes)
    for limit, least, want in ((3, -np.inf, [3, 0, 5]), (2, -np.inf, [3, 0]), (30, 0.4, [3, 0])):
        kept = image.non_max_suppression(corners, gf.constant(scores), limit, 0.5, least)
        assert run(kept).tolist() == want
    same = image.non_max_suppression(gf.constant(boxes), gf.constant([0.5] * 6), 9, 0.5)
    assert run(same).tolist() == [0, 3, 5]
    padded, count = image.non_max_suppression_padded(
        corners, gf.constant(scores), 5, pad_to_max_output_size=True
    )
    assert padded.shape == (5,)
    assert run(padded).tolist() == [3, 0, 5, 0, 0]
    assert run(count) == 3
    picked = gf.gather(corners, image.non_max_suppression(corners, gf.constant(scores), 3))
    assert run(picked).shape == (3, 4)


def test_boxes_are_drawn_over_images_that_stay() -> None:
    x = np.zeros((1, 5, 5, 3))
    t = gf.constant(x)
    y = run(image.draw_bounding_boxes(t, gf.constant([[[0.25, 0.25, 0.75, 0.75]]])))
    assert y.sum() == 2 * 8
    np.testing.assert_array_equal(y[0, 1, 1], [1, 1, 0])
    np.testing.assert_array_equal(y[0, 2, 2], [0, 0, 0])
    assert run(t).sum() == 0


def test_an_image_that_there_is_not() -> None:
    owners = gf.placeholder("int32", (1,))
    y = image.crop_and_resize(gf.constant(X), gf.constant([[0.0, 0, 1, 1]]), owners, (2, 2))
    with pytest.raises(IndexRangeError, match="2"):
        run(y, (owners, np.array([2])))


# --- bad inputs -----------------------------------------------------------------------------------


def _image(dtype: str = "float32", shape: Any = (2, 6, 5, 3)) -> Any:
    return gf.placeholder(dtype, shape)


def _floats(*shape: Any) -> Any:
    return gf.placeholder("float32", shape)


BAD: list[tuple[Any, Any, str]] = [
    (lambda: image.resize(_image(), (0, 3)), ArgumentError, "resize: size.*at least 1"),
    (lambda: image.resize(_image(), 3), ArgumentError, "resize: size"),
    (lambda: image.resize(_image(), (3, -3)), ShapeError, "resize: size.*-3"),
    (lambda: image.resize(_image(), (3.0, 3)), ShapeError, "resize: size.*3.0"),
    (lambda: image.resize(_image(), (2**40, 2**40)), ShapeError, "2\\^63"),
    (lambda: image.resize(_image(), (3, 3), "cubic"), ArgumentError, "resize: method.*'cubic'"),
    (lambda: image.resize(_image(), (3, 3), "area", antialias=True), ArgumentError, "antialias"),
    (lambda: image.resize(_image(), (3, 3), data_format="NWC"), ArgumentError, "data_format"),
    (lambda: image.resize(_image("complex64"), (3, 3)), DTypeError, "resize"),
    (lambda: image.resize(_floats(3, 3), (3, 3)), ShapeError, "resize: images"),
    (lambda: image.resize(_floats(1, 0, 3, 1), (3, 3)), ShapeError, "empty"),
    (lambda: image.resize(_floats(1, None, 3, 1), (3, 3), preserve_aspect_ratio=True), ShapeError, "known"),
    (lambda: image.resize_images(_image(), (3, 3), 4), ArgumentError, "resize_images: method.*4"),
    (lambda: image.resize_images(_image(), (3, 3), True), ArgumentError, "resize_images: method.*True"),
    (lambda: image.resize_bilinear(_image(), (3, 3), True, True), ArgumentError, "not both"),
    (lambda: image.resize_bicubic(_image(), (3, 3), coefficient="x"), ArgumentError, "coefficient"),
    (lambda: image.resize_area(_image(), (3, 3), 5), ArgumentError, "align_corners"),
    (lambda: image.upsample_nearest(_image(), 0), ArgumentError, "scale.*0"),
    (lambda: image.upsample_nearest(_floats(2, 3), 2), ShapeError, "4 axes"),
    (lambda: image.crop_and_resize(_image(), _floats(1, 3), [0], (2, 2)), ShapeError, "boxes must be"),
    (lambda: image.crop_and_resize(_image(), _floats(2, 4), [0], (2, 2)), ShapeError, "box_ind"),
    (lambda: image.crop_and_resize(_image(), _floats(1, 4), [0.0], (2, 2)), DTypeError, "box_ind"),
    (lambda: image.crop_and_resize(_image(), _floats(1, 4), [0], (0, 2)), ArgumentError, "crop_size"),
    (lambda: image.crop_and_resize(_image(), _floats(1, 4), [0], (2, 2), "area"), ArgumentError, "'area'"),
    (lambda: image.crop_to_bounding_box(_image(), 2, 0, 5, 5), ArgumentError, "height.*2.*5"),
    (lambda: image.crop_to_bounding_box(_image(), -1, 0, 5, 5), ArgumentError, "offset_height.*-1"),
    (lambda: image.crop_to_bounding_box(_image(), 0, 0, 0, 5), ArgumentError, "target_height.*0"),
    (lambda: image.pad_to_bounding_box(_image(), 0, 0, 5, 5), ArgumentError, "target_height 5"),
    (lambda: image.resize_image_with_crop_or_pad(_image(), 3, 0), ArgumentError, "target_width.*0"),
    (lambda: image.central_crop(_image(), 0), ArgumentError, "central_fraction"),
    (lambda: image.central_crop(_floats(None, 3, 1), 0.5), ShapeError, "known"),
    (lambda: image.flip_left_right(_floats(3, 3)), ShapeError, "flip_left_right"),
    (lambda: image.rot90(_image(), 1.5), ArgumentError, "rot90: k.*1.5"),
    (lambda: image.adjust_hue(_image(), 1.5), ArgumentError, "adjust_hue: delta.*1.5"),
    (lambda: image.adjust_hue(_floats(3, 3, 1), 0.5), ShapeError, "3 channels"),
    (lambda: image.adjust_brightness(_image("bool"), 0.5), DTypeError, "adjust_brightness"),
    (lambda: image.adjust_brightness(_image(), _floats(2)), ShapeError, "delta must be a scalar"),
    (lambda: image.adjust_gamma(_image(), -1), ArgumentError, "gamma.*-1"),
    (lambda: image.adjust_contrast(_floats(3, 3), 1), ShapeError, "adjust_contrast"),
    (lambda: image.random_contrast(_image(), 2, 1), ArgumentError, "lower.*2 and 1"),
    (lambda: image.random_saturation(_image(), -1, 1), ArgumentError, "lower.*-1"),
    (lambda: image.random_hue(_image(), 0.6), ArgumentError, "max_delta.*0.6"),
    (lambda: image.random_brightness(_image(), -0.1), ArgumentError, "max_delta.*-0.1"),
    (lambda: image.per_image_standardization(_floats(3, 3)), ShapeError, "per_image"),
    (lambda: image.rgb_to_hsv(_floats(3, 4)), ShapeError, "rgb_to_hsv.*3 channels"),
    (lambda: image.grayscale_to_rgb(_image()), ShapeError, "1 channel,"),
    (lambda: image.convert_image_dtype(_image(), "bool"), DTypeError, "float32 to bool"),
    (lambda: image.convert_image_dtype(_image("complex64"), "uint8"), DTypeError, "complex64"),
    (lambda: image.total_variation(_floats(3)), ShapeError, "total_variation"),
    (lambda: image.sobel_edges(_floats(3, 3, 1)), ShapeError, "sobel_edges"),
    (lambda: image.sobel_edges(_floats(1, 1, 3, 1)), ShapeError, "at least 2"),
    (lambda: image.psnr(_image(), _floats(2, 6, 4, 3), 1), ShapeError, "one shape"),
    (lambda: image.psnr(_image(), _image(), 0), ArgumentError, "max_val.*0"),
    (lambda: image.ssim(_image(), _image(), 1.0), ShapeError, "filter of 11"),
    (lambda: image.ssim(_image(), _image(), 1.0, 0), ArgumentError, "filter_size.*0"),
    (lambda: image.ssim(_image(), _image(), 1.0, 3, -1.0), ArgumentError, "filter_sigma"),
    (lambda: image.iou(_floats(3, 4), _floats(3)), ShapeError, "boxes2"),
    (lambda: image.non_max_suppression(_floats(3, 5), _floats(3), 1), ShapeError, "boxes must be"),
    (lambda: image.non_max_suppression(_floats(3, 4), _floats(4), 1), ShapeError, "scores must be"),
    (lambda: image.non_max_suppression(_floats(3, 4), _floats(3), -1), ArgumentError, "max_output_size.*-1"),
    (lambda: image.non_max_suppression(_floats(3, 4), _floats(3), 1, 1.5), ArgumentError, "iou_threshold"),
    (lambda: image.non_max_suppression(_floats(3, 4), _floats(3), 1, 0.5, np.nan), ArgumentError, "score_threshold"),
    (lambda: image.draw_bounding_boxes(_image(), _floats(2, 4)), ShapeError, "batch, boxes, 4"),
    (lambda: image.draw_bounding_boxes(_image(), _floats(3, 1, 4)), ShapeError, "same batch"),
    (lambda: image.draw_bounding_boxes(_image(), _floats(2, 1, 4), colors=[1.0]), ArgumentError, "colors"),
    (lambda: image.draw_bounding_boxes(_image(), _floats(2, 1, 4), colors=[[1.0]]), ShapeError, "too few"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "error", "match"), BAD, ids=[f"{m}-{k}" for k, (_, _, m) in enumerate(BAD)]
)
def test_bad_inputs_are_refused_when_the_graph_is_built(build: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        build()


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(9, 4), (3, 11), (1, 1), (12, 10), (6, 5)])
def test_resizing_agrees_with_pytorch(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.tensor(np.moveaxis(X, -1, 1).copy(), requires_grad=True)
    ours = gf.constant(X)
    half = {"half_pixel_centers": True}
    keys = {"coefficient": -0.75, "exclude_outside": False}
    cases: list[tuple[Any, dict[str, Any]]] = [
        (image.resize_nearest_neighbor(ours, size), {"mode": "nearest"}),
        (image.resize_nearest_neighbor(ours, size, **half), {"mode": "nearest-exact"}),
        (image.resize_bilinear(ours, size, **half), {"mode": "bilinear"}),
        (image.resize_bilinear(ours, size, align_corners=True), {"mode": "bilinear", "align_corners": True}),
        (image.resize_bicubic(ours, size, **half, **keys), {"mode": "bicubic"}),
        (image.resize_bicubic(ours, size, align_corners=True, **keys), {"mode": "bicubic", "align_corners": True}),
        (image.resize(ours, size, antialias=True), {"mode": "bilinear", "antialias": True}),
        (image.resize(ours, size, "bicubic", antialias=True), {"mode": "bicubic", "antialias": True}),
    ]  # fmt: skip
    for mine, options in cases:
        y = torch.nn.functional.interpolate(theirs, size, **options)
        g = array(*y.shape, seed=7)
        (slope,) = torch.autograd.grad(y, theirs, torch.tensor(g), retain_graph=True)
        got = gf.Session().run([mine, gf.gradients(mine, ours, gf.constant(np.moveaxis(g, 1, -1)))[0]])
        for a, b in zip(got, (y, slope), strict=True):
            np.testing.assert_allclose(
                a, np.moveaxis(b.detach().numpy(), 1, -1), rtol=1e-9, atol=1e-9, err_msg=str(options)
            )
