"""Colours of images: between dtypes, and between RGB, grey, HSV, YUV and YIQ.

Channels are the last axis. Floating images have values in [0, 1], integer images from 0 to the largest of their type.
Source of formulas and numbers: TensorFlow's `image_ops_impl.py` and `colorspace_op.h`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import constant
from graphflow.ops.ufunc import numbers, reals
from graphflow.types import SUPPORTED, as_dtype, dims_equal, is_floating, is_integer

__all__ = [
    "convert_image_dtype",
    "grayscale_to_rgb",
    "hsv_to_rgb",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "rgb_to_yiq",
    "rgb_to_yuv",
    "yiq_to_rgb",
    "yuv_to_rgb",
]

GREY = (0.2989, 0.5870, 0.1140)

TO_YUV = (
    (0.299, -0.14714119, 0.61497538),
    (0.587, -0.28886916, -0.51496512),
    (0.114, 0.43601035, -0.10001026),
)
FROM_YUV = ((1.0, 1.0, 1.0), (0.0, -0.394642334, 2.03206185), (1.13988303, -0.58062185, 0.0))
TO_YIQ = (
    (0.299, 0.59590059, 0.2115),
    (0.587, -0.27455667, -0.52273617),
    (0.114, -0.32134392, 0.31119955),
)
FROM_YIQ = ((1.0, 1.0, 1.0), (0.95598634, -0.27201283, -1.10674021), (0.6208248, -0.64720424, 1.70423049))
"""Rows are input channels, columns output channels."""


def with_channels(op: str, x: Tensor, count: int) -> Tensor:
    """`x` itself. Raises ShapeError unless its last axis has, or may have, `count` channels."""
    dims = x.type.shape
    if dims is not None and (not dims or dims_equal(dims[-1], count) is False):
        raise ShapeError(f"{op}: the last axis must have {count} channel{'s' * (count > 1)}, got {x!r}")
    return x


# --- dtypes ---------------------------------------------------------------------------------------


@public
def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """The image in another dtype, its values scaled: 255 of uint8 is 1.0 of float32. A composition.

    Floating to floating is a cast; to integers, values in [0, 1] are scaled and cut, and what does not fit becomes the
    nearest that does. Integers are scaled by powers of two. saturate: integers made from smaller ones, or from
    negative ones for an unsigned type, are kept within the range too, where they would wrap around.
    Raises DTypeError for bool and complex.
    Source: TensorFlow's function of the same name.
    """
    x, wanted = numbers("convert_image_dtype", image), as_dtype(dtype)
    safe = flag(saturate, "convert_image_dtype", "saturate")
    own = x.type.dtype
    if own.kind == "c" or wanted.kind == "c" or not (is_integer(wanted) or is_floating(wanted)):
        raise DTypeError(f"convert_image_dtype: images are real numbers; not {own.name} to {wanted.name}")
    if own == wanted:
        return x
    with composition("convert_image" if name is None else name):
        if is_floating(own):
            if is_floating(wanted):
                return F.cast(x, wanted)  # type: ignore[no-any-return]
            wide = F.cast(x, SUPPORTED["float32"]) if own.itemsize == 2 else x
            return F.cast(wide * (float(np.iinfo(wanted).max) + 0.5), wanted)  # type: ignore[no-any-return]
        largest = int(np.iinfo(own).max)
        if is_floating(wanted):
            wide = SUPPORTED["float32"] if wanted.itemsize == 2 else wanted
            return F.cast(F.cast(x, wide) * (1.0 / largest), wanted)  # type: ignore[no-any-return]
        limit = int(np.iinfo(wanted).max)
        if largest > limit:
            scaled = F.floor_divide(x, (largest + 1) // (limit + 1))
            return F.cast(_kept(scaled, wanted) if safe else scaled, wanted)  # type: ignore[no-any-return]
        kept = F.maximum(x, 0) if safe and own.kind == "i" and wanted.kind == "u" else x
        return F.cast(kept, wanted) * ((limit + 1) // (largest + 1))  # type: ignore[no-any-return]


def _kept(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Integers kept within the range of a smaller type."""
    limits, own = np.iinfo(dtype), np.iinfo(x.type.dtype)
    return F.clip(x, max(int(limits.min), int(own.min)), min(int(limits.max), int(own.max)))  # type: ignore[no-any-return]


# --- linear ---------------------------------------------------------------------------------------


def _mixed(op: str, images: Any, matrix: Sequence[Sequence[float]], name: str | None) -> Tensor:
    """Each pixel times a matrix of 3 rows, computed in float32 at least."""
    x = with_channels(op, reals(op, images), 3)
    with composition(op if name is None else name):
        wide = F.cast(x, SUPPORTED["float32"]) if x.type.dtype.itemsize == 2 else x
        factors = constant(np.array(matrix, wide.type.dtype))
        return F.cast(F.matmul(wide, factors), x.type.dtype)  # type: ignore[no-any-return]


@public
def rgb_to_yuv(images: Any, name: str | None = None) -> Tensor:
    """RGB to YUV: [..., 3], y in [0, 1], u and v in [-0.5, 0.5] about. A composition: a matrix product.

    Integers are taken as numbers, in the default float. Raises ShapeError unless there are 3 channels.
    """
    return _mixed("rgb_to_yuv", images, TO_YUV, name)


@public
def yuv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """YUV to RGB: the inverse of `rgb_to_yuv`, but for rounded coefficients. A composition: a matrix product."""
    return _mixed("yuv_to_rgb", images, FROM_YUV, name)


@public
def rgb_to_yiq(images: Any, name: str | None = None) -> Tensor:
    """RGB to YIQ, the colours of NTSC: [..., 3]. A composition: a matrix product.

    Integers are taken as numbers, in the default float. Raises ShapeError unless there are 3 channels.
    """
    return _mixed("rgb_to_yiq", images, TO_YIQ, name)


@public
def yiq_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """YIQ to RGB: the inverse of `rgb_to_yiq`, but for rounded coefficients. A composition: a matrix product."""
    return _mixed("yiq_to_rgb", images, FROM_YIQ, name)


@public
def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """Brightness, 0.2989 r + 0.587 g + 0.114 b: [..., 3] gives [..., 1] of the same dtype. A composition.

    Integers are scaled to [0, 1] and back. Raises ShapeError unless there are 3 channels, DTypeError for bool.
    """
    x = with_channels("rgb_to_grayscale", numbers("rgb_to_grayscale", images), 3)
    with composition("rgb_to_grayscale" if name is None else name):
        working = x.type.dtype if x.type.dtype.itemsize > 2 and is_floating(x.type.dtype) else "float32"
        wide = convert_image_dtype(x, working)
        factors = constant(np.array(GREY, wide.type.dtype).reshape(3, 1))
        return convert_image_dtype(F.matmul(wide, factors), x.type.dtype)


@public
def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """One channel three times: [..., 1] gives [..., 3]. A composition. Raises ShapeError for more channels."""
    x = with_channels("grayscale_to_rgb", numbers("grayscale_to_rgb", images), 1)
    return F.repeat(x, 3, axis=-1, name="grayscale_to_rgb" if name is None else name)  # type: ignore[no-any-return]


# --- hue ------------------------------------------------------------------------------------------


def _channels(x: Tensor) -> list[Tensor]:
    return [F.getitem(x, (..., k)) for k in range(3)]


@public
def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Hue, saturation, value, each in [0, 1], of RGB in [0, 1]: [..., 3]. A composition.

    Grey has hue 0, black saturation 0 too; the gradient takes the hue of grey as constant. Integers are taken as
    numbers, in the default float. Raises ShapeError unless there are 3 channels.
    """
    x = with_channels("rgb_to_hsv", reals("rgb_to_hsv", images), 3)
    with composition("rgb_to_hsv" if name is None else name):
        r, g, b = _channels(x)
        value = F.maximum(F.maximum(r, g), b)
        spread = value - F.minimum(F.minimum(r, g), b)
        black, grey = F.less_equal(value, 0), F.less_equal(spread, 0)
        saturation = F.where(black, 0, spread / F.where(black, 1, value))
        sixth = 1 / (6 * F.where(grey, 1, spread))
        hue = F.where(
            F.equal(r, value),
            (g - b) * sixth,
            F.where(F.equal(g, value), (b - r) * sixth + 2 / 6, (r - g) * sixth + 4 / 6),
        )
        hue = F.where(grey, 0, F.where(F.less(hue, 0), hue + 1, hue))
        return F.stack([hue, saturation, value], axis=-1)  # type: ignore[no-any-return]


@public
def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """RGB in [0, 1] of hue, saturation and value in [0, 1]: [..., 3]. A composition.

    Integers are taken as numbers, in the default float. Raises ShapeError unless there are 3 channels.
    """
    x = with_channels("hsv_to_rgb", reals("hsv_to_rgb", images), 3)
    with composition("hsv_to_rgb" if name is None else name):
        hue, saturation, value = _channels(x)
        sixths, rest = hue * 6, 1 - saturation
        shares = (F.abs(sixths - 3) - 1, 2 - F.abs(sixths - 2), 2 - F.abs(sixths - 4))
        return F.stack(  # type: ignore[no-any-return]
            [(rest + saturation * F.clip(share, 0, 1)) * value for share in shares], axis=-1
        )
