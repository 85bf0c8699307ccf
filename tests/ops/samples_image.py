"""Samples of image ops: geometry and colours, against NumPy, colorsys and plain loops."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.ops.image_adjust import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    per_image_standardization,
    random_brightness,
    random_contrast,
    random_hue,
    random_saturation,
)
from graphflow.ops.image_color import (
    convert_image_dtype,
    grayscale_to_rgb,
    hsv_to_rgb,
    rgb_to_grayscale,
    rgb_to_hsv,
    rgb_to_yiq,
    rgb_to_yuv,
    yiq_to_rgb,
    yuv_to_rgb,
)
from graphflow.ops.image_geometry import (
    central_crop,
    crop_to_bounding_box,
    flip_left_right,
    flip_up_down,
    pad_to_bounding_box,
    random_flip_left_right,
    random_flip_up_down,
    resize_image_with_crop_or_pad,
    rot90,
    transpose_image,
)
from tests.ops.table import Sample, array

X = array(2, 4, 5, 3, seed=1, low=0.05, high=0.95)
ONE = X[0]
BYTES = array(2, 4, 5, 3, dtype=np.uint8, seed=2, low=0, high=255)


# --- geometry -------------------------------------------------------------------------------------


def _middle(x: Any, height: int, width: int) -> Any:
    for axis, size in ((-3, height), (-2, width)):
        n = x.shape[axis]
        if n >= size:
            x = np.take(x, range((n - size) // 2, (n - size) // 2 + size), axis=axis)
        else:
            pads = [(0, 0)] * x.ndim
            pads[axis] = ((size - n) // 2, size - n - (size - n) // 2)
            x = np.pad(x, pads)
    return x


def _geometry() -> list[Sample]:
    samples = [
        Sample(
            "crop_to_bounding_box",
            lambda t: crop_to_bounding_box(t, 1, 2, 2, 3),
            (X,),
            lambda x: x[:, 1:3, 2:5],
            grad=True,
            unranked=False,
        ),
        Sample(
            "crop_to_bounding_box-one",
            lambda t: crop_to_bounding_box(t, 0, 0, 4, 1),
            (BYTES[0],),
            lambda x: x[:, :1],
            unranked=False,
        ),
        Sample(
            "pad_to_bounding_box",
            lambda t: pad_to_bounding_box(t, 1, 0, 6, 7),
            (X,),
            lambda x: np.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0))),
            grad=True,
            unranked=False,
        ),
        Sample(
            "pad_to_bounding_box-one",
            lambda t: pad_to_bounding_box(t, 0, 3, 4, 9),
            (BYTES[0],),
            lambda x: np.pad(x, ((0, 0), (3, 1), (0, 0))),
            unranked=False,
        ),
        *[
            Sample(
                f"resize_image_with_crop_or_pad-{h}x{w}",
                lambda t, h=h, w=w: resize_image_with_crop_or_pad(t, h, w),
                (X,),
                lambda x, h=h, w=w: _middle(x, h, w),
                grad=True,
                unranked=False,
            )
            for h, w in ((3, 8), (7, 2), (9, 9))
        ],
        Sample(
            "resize_image_with_crop_or_pad-one",
            lambda t: resize_image_with_crop_or_pad(t, 1, 6),
            (BYTES[0],),
            lambda x: _middle(x, 1, 6),
            unranked=False,
        ),
        Sample(
            "central_crop",
            lambda t: central_crop(t, 0.5),
            (X,),
            lambda x: x[:, 1:3, 1:4],
            grad=True,
            symbolic=False,
        ),
        Sample("central_crop-all", lambda t: central_crop(t, 1.0) + 0, (X,), lambda x: x, unranked=False),
        Sample("flip_left_right", flip_left_right, (X,), lambda x: x[:, :, ::-1], grad=True),
        Sample("flip_up_down", flip_up_down, (BYTES[0],), lambda x: x[::-1]),
        Sample("transpose_image", transpose_image, (X,), lambda x: np.swapaxes(x, 1, 2), grad=True),
        Sample("transpose_image-one", transpose_image, (BYTES[0],), lambda x: np.swapaxes(x, 0, 1)),
    ]
    samples += [
        Sample(
            f"rot90-{k}-{x.ndim}d",
            lambda t, k=k: rot90(t, k) + 0,
            (x,),
            lambda x, k=k: np.rot90(x, k, (x.ndim - 3, x.ndim - 2)),
            grad=x is X,
        )
        for k in (-1, 0, 1, 2, 3, 6)
        for x in (X, BYTES[0])
    ]
    return samples


def _either(axis: int) -> Any:
    def check(result: Any, x: Any) -> None:
        for r, image in zip(result, x, strict=True) if x.ndim == 4 else ((result, x),):
            assert np.array_equal(r, image) or np.array_equal(r, np.flip(image, axis))

    return check


def _between(low: Any, high: Any) -> Any:
    def check(result: Any, x: Any) -> None:
        assert np.all(result >= low(x) - 1e-6)
        assert np.all(result <= high(x) + 1e-6)

    return check


def _random() -> list[Sample]:
    x = np.linspace(0.2, 0.8, 24).reshape(2, 4, 3)
    cases: list[tuple[str, Any, Any, Any]] = [
        ("random_flip_left_right", random_flip_left_right, X, _either(-2)),
        ("random_flip_left_right-one", lambda t: random_flip_left_right(t, 3), BYTES[0], _either(-2)),
        ("random_flip_up_down", lambda t: random_flip_up_down(t, seed=5), X, _either(-3)),
        (
            "random_brightness",
            lambda t: random_brightness(t, 0.25),
            x,
            _between(lambda x: x - 0.25, lambda x: x + 0.25),
        ),
        ("random_brightness-none", lambda t: random_brightness(t, 0), x, _between(lambda x: x, lambda x: x)),
        (
            "random_contrast",
            lambda t: random_contrast(t, 0.5, 1.0, seed=3),
            x,
            _between(lambda x: np.minimum(x, x.mean((0, 1))), lambda x: np.maximum(x, x.mean((0, 1)))),
        ),
        (
            "random_hue",
            lambda t: random_hue(t, 0.3),
            x,
            _between(lambda x: x.min(-1, keepdims=True), lambda x: x.max(-1, keepdims=True)),
        ),
        ("random_hue-none", lambda t: random_hue(t, 0), x, _between(lambda x: x, lambda x: x)),
        (
            "random_saturation",
            lambda t: random_saturation(t, 0.0, 1.0),
            x,
            _between(lambda x: x, lambda x: np.broadcast_to(x.max(-1, keepdims=True), x.shape)),
        ),
    ]
    return [
        Sample(
            f"random/{name}",
            build,
            (x,),
            check=check,
            tags=("random",),
            strict=False,
            unranked="flip" not in name,
        )
        for name, build, x, check in cases
    ]


# --- colours --------------------------------------------------------------------------------------


def _each(function: Any) -> Any:
    def apply(x: Any) -> Any:
        flat = np.asarray(x, np.float64).reshape(-1, 3)
        return np.array([function(*pixel) for pixel in flat]).reshape(np.shape(x))

    return apply


def _edge_colours() -> Any:
    """Black, white, grey, and colours with two equal channels."""
    levels = (0.0, 0.5, 1.0)
    return np.array([(r, g, b) for r in levels for g in levels for b in levels])


def _scaled(x: Any, dtype: Any) -> Any:
    """`convert_image_dtype` in whole numbers and floats, element by element."""
    dtype = np.dtype(dtype)
    if x.dtype.kind == "f" and dtype.kind == "f":
        return x.astype(dtype)
    if x.dtype.kind == "f":
        limits = np.iinfo(dtype)
        wide = x.astype(np.float64) * (limits.max + 0.5)
        return np.clip(np.trunc(wide), limits.min, limits.max).astype(dtype)
    if dtype.kind == "f":
        return (x / np.float64(np.iinfo(x.dtype).max)).astype(dtype)
    own, limit = np.iinfo(x.dtype).max, np.iinfo(dtype).max
    flat = [
        int(v) * ((limit + 1) // (own + 1)) if limit >= own else int(v) // ((own + 1) // (limit + 1))
        for v in x.flat
    ]
    low = int(np.iinfo(dtype).min)
    return np.array([max(v, low) for v in flat], object).reshape(x.shape).astype(dtype)


def _colours() -> list[Sample]:
    hsv = array(3, 4, 3, seed=4, low=0.02, high=0.98)
    yuv, yiq = (
        np.array(
            [
                [0.299, 0.587, 0.114],
                [-0.14714119, -0.28886916, 0.43601035],
                [0.61497538, -0.51496512, -0.10001026],
            ]
        ),
        np.array(
            [[0.299, 0.587, 0.114], [0.59590059, -0.27455667, -0.32134392], [0.2115, -0.52273617, 0.31119955]]
        ),
    )
    samples = [
        Sample("rgb_to_hsv", rgb_to_hsv, (X,), _each(colorsys.rgb_to_hsv), grad=True),
        Sample("rgb_to_hsv-edges", rgb_to_hsv, (_edge_colours(),), _each(colorsys.rgb_to_hsv)),
        Sample(
            "rgb_to_hsv-grey-gradient",
            lambda t: gf.gradients(rgb_to_hsv(t)[..., :2], t)[0],
            (np.zeros((1, 3)),),
            lambda x: x,
        ),
        Sample("hsv_to_rgb", hsv_to_rgb, (hsv,), _each(colorsys.hsv_to_rgb), grad=True),
        Sample("hsv_to_rgb-edges", hsv_to_rgb, (_edge_colours(),), _each(colorsys.hsv_to_rgb)),
        Sample("rgb_to_hsv-none", rgb_to_hsv, (X[:0],), lambda x: x),
        Sample(
            "rgb_to_hsv-float32",
            rgb_to_hsv,
            (X.astype(np.float32),),
            _each(colorsys.rgb_to_hsv),
            rtol=1e-4,
            atol=1e-5,
        ),
        Sample("rgb_to_yuv", rgb_to_yuv, (X,), lambda x: x @ yuv.T, grad=True),
        Sample("rgb_to_yiq", rgb_to_yiq, (X,), lambda x: x @ yiq.T),
        Sample("yuv_to_rgb", yuv_to_rgb, (X,), lambda x: x @ np.linalg.inv(yuv).T, rtol=1e-6, atol=1e-6),
        Sample("yiq_to_rgb", yiq_to_rgb, (X,), lambda x: x @ np.linalg.inv(yiq).T, rtol=1e-3, atol=3e-4),
        Sample(
            "yiq_to_rgb-float16",
            yiq_to_rgb,
            (X.astype(np.float16),),
            lambda x: x.astype(float) @ np.linalg.inv(yiq).T,
            rtol=4e-3,
            atol=4e-3,
        ),
        Sample(
            "rgb_to_grayscale",
            rgb_to_grayscale,
            (X,),
            lambda x: (x @ np.array([0.2989, 0.587, 0.114]))[..., None],
            grad=True,
        ),
        Sample(
            "rgb_to_grayscale-uint8",
            rgb_to_grayscale,
            (BYTES,),
            lambda x: np.floor((x / 255 @ np.array([0.2989, 0.587, 0.114]))[..., None] * 255.5).astype(
                np.uint8
            ),
        ),
        Sample("grayscale_to_rgb", grayscale_to_rgb, (X[..., :1],), lambda x: np.repeat(x, 3, -1), grad=True),
        Sample("grayscale_to_rgb-pixel", grayscale_to_rgb, (BYTES[0, 0, 0, :1],), lambda x: np.repeat(x, 3)),
    ]
    values = np.array([-0.5, 0.0, 0.1, 0.5, 0.999, 1.0, 1.7])
    sources = (
        values,
        values.astype(np.float16),
        BYTES[0],
        (BYTES[0].astype(int) * 257 - 2**15).astype(np.int16),
    )
    samples += [
        Sample(
            f"convert_image_dtype-{source.dtype.name}-{target}",
            lambda t, d=target: convert_image_dtype(t, d, saturate=True) + 0,
            (source,),
            lambda x, d=target: _scaled(x, d),
            rtol=2e-3,
            strict=target != "float16",
        )
        for source in sources
        for target in ("uint8", "int16", "float32", "float16", "int32")
        if (source.dtype.name, target) != ("float16", "int32")  # float32 has no such numbers
    ]
    return samples


def _hue(x: Any, delta: float) -> Any:
    def change(r: float, g: float, b: float) -> Any:
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb((h + delta) % 1, s, v)

    return _each(change)(x)


def _saturation(x: Any, factor: float) -> Any:
    def change(r: float, g: float, b: float) -> Any:
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb(h, min(max(s * factor, 0), 1), v)

    return _each(change)(x)


def _to_bytes(x: Any) -> Any:
    return np.clip(np.trunc(x * 255.5), 0, 255).astype(np.uint8)


def _adjustments() -> list[Sample]:
    def contrast(x: Any, factor: float) -> Any:
        mean = x.mean((-3, -2), keepdims=True)
        return (x - mean) * factor + mean

    def standard(x: Any) -> Any:
        axes = (-3, -2, -1)
        deviation = np.maximum(x.std(axes, keepdims=True), 1 / np.sqrt(np.prod(x.shape[-3:])))
        return (x - x.mean(axes, keepdims=True)) / deviation

    return [
        Sample("adjust_brightness", lambda t: adjust_brightness(t, 0.3), (X,), lambda x: x + 0.3, grad=True),
        Sample(
            "adjust_brightness-tensor",
            adjust_brightness,
            (X, np.asarray(-0.25)),
            lambda x, d: x + d,
            grad=True,
        ),
        Sample(
            "adjust_brightness-uint8",
            lambda t: adjust_brightness(t, 0.4),
            (BYTES,),
            lambda x: _to_bytes(x / np.float32(255) + np.float32(0.4)),
        ),
        Sample(
            "adjust_contrast", lambda t: adjust_contrast(t, 1.7), (X,), lambda x: contrast(x, 1.7), grad=True
        ),
        Sample(
            "adjust_contrast-float16",
            lambda t: adjust_contrast(t, 0.5),
            (X.astype(np.float16),),
            lambda x: contrast(x.astype(np.float64), 0.5),
            rtol=2e-3,
        ),
        Sample("adjust_gamma", lambda t: adjust_gamma(t, 2.5, 0.8), (X,), lambda x: 0.8 * x**2.5, grad=True),
        Sample("adjust_gamma-default", adjust_gamma, (ONE,), lambda x: x),
        Sample("adjust_hue", lambda t: adjust_hue(t, 0.3), (X,), lambda x: _hue(x, 0.3), grad=True),
        Sample("adjust_hue-back", lambda t: adjust_hue(t, -0.6), (ONE,), lambda x: _hue(x, -0.6)),
        Sample(
            "adjust_saturation",
            lambda t: adjust_saturation(t, 0.4),
            (X,),
            lambda x: _saturation(x, 0.4),
            grad=True,
        ),
        Sample(
            "adjust_saturation-more", lambda t: adjust_saturation(t, 3.0), (X,), lambda x: _saturation(x, 3.0)
        ),
        Sample("per_image_standardization", per_image_standardization, (X,), standard, grad=True),
        Sample(
            "per_image_standardization-flat",
            per_image_standardization,
            (np.full((4, 4, 1), 7, np.uint8),),
            lambda x: np.zeros(x.shape, np.float32),
        ),
        Sample(
            "per_image_standardization-uint8",
            per_image_standardization,
            (BYTES,),
            lambda x: standard(x.astype(np.float64)).astype(np.float32),
            rtol=1e-4,
            atol=1e-5,
        ),
    ]


SAMPLES: list[Sample] = [*_geometry(), *_random(), *_colours(), *_adjustments()]
