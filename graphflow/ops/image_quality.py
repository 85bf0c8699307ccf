"""Measures of images: edges and differences between neighbours, and how far two images are apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, name_scope
from graphflow.op import F, public
from graphflow.ops.axis_filter import filtered
from graphflow.ops.constant import python_number
from graphflow.ops.image_color import convert_image_dtype
from graphflow.ops.image_geometry import images_of
from graphflow.ops.ufunc import numbers, operands2, reals
from graphflow.types import SUPPORTED, as_index, dims_equal, is_floating

__all__ = ["image_gradients", "psnr", "sobel_edges", "ssim", "total_variation"]

LONGEST = 1 << 12
"""No filter is longer."""


def _differences(x: Tensor, axis: int) -> Tensor:
    """Each element's successor minus itself, along an axis counted from the end."""
    rest = [(None, None, None)] * (-axis - 1)
    later = F.strided_slice(x, [(1, None, None), *rest], trailing=True)
    return later - F.strided_slice(x, [(None, -1, None), *rest], trailing=True)  # type: ignore[no-any-return]


def _wide(x: Tensor) -> Tensor:
    return F.cast(x, SUPPORTED["float32"]) if x.type.dtype.itemsize == 2 else x


# --- one image ------------------------------------------------------------------------------------


@public
def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of absolute differences of neighbouring pixels: a scalar, or [batch] for a batch. A composition.

    images: [height, width, channels] or [batch, height, width, channels]; integers become the default float.
    Raises ShapeError for other ranks.
    """
    x = reals("total_variation", images_of("total_variation", images, ranked=False))
    with composition("total_variation" if name is None else name):
        axes = (-3, -2, -1)
        wide = _wide(x)
        down, right = [F.sum(F.abs(_differences(wide, axis)), axes) for axis in (-3, -2)]
        return F.cast(down + right, x.type.dtype)  # type: ignore[no-any-return]


@public
def image_gradients(image: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(dy, dx): each pixel's lower, and right, neighbour minus itself, in the shape of `image`. A composition.

    image: [batch, height, width, channels] or one image; the last row of dy and column of dx are 0.
    Raises ShapeError for other ranks, DTypeError for bool.
    """
    x = numbers("image_gradients", images_of("image_gradients", image))
    with name_scope("image_gradients" if name is None else name):
        results = []
        for axis in (-3, -2):
            pads = [(0, 0)] * x.type.rank
            pads[axis] = (0, 1)
            results.append(F.pad(_differences(x, axis), pads))
    return results[0], results[1]


@public
def sobel_edges(image: Any, name: str | None = None) -> Tensor:
    """Sobel's estimates of the slopes (dy, dx), as a new last axis of size 2. A composition of filters along each axis.

    image: [batch, height, width, channels]; at the border it is mirrored. Integers become the default float.
    Raises ShapeError for other ranks or images below 2 by 2.
    """
    x = reals("sobel_edges", images_of("sobel_edges", image))
    if x.type.rank != 4:
        raise ShapeError(f"sobel_edges: image must be [batch, height, width, channels], got {x!r}")
    for axis in (1, 2):
        n = x.type.dims[axis]
        if isinstance(n, int) and n < 2:
            raise ShapeError(
                f"sobel_edges: axis {axis} of {x!r} must have at least 2 elements to be mirrored"
            )
    with composition("sobel_edges" if name is None else name):
        framed = F.pad(_wide(x), [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
        slope, smooth = (-1, 0, 1), (1, 2, 1)
        edges = [
            filtered(filtered(framed, 1, first), 2, second)
            for first, second in ((slope, smooth), (smooth, slope))
        ]
        return F.cast(F.stack(edges, axis=-1), x.type.dtype)  # type: ignore[no-any-return]


# --- two images -----------------------------------------------------------------------------------


def _pair(op: str, first: Any, second: Any, max_val: Any) -> tuple[Tensor, Tensor, float]:
    """Two images of one shape as floats of 32 bits or more, and what their largest value is then."""
    a, b = operands2(op, first, second)
    a, b = numbers(op, a), numbers(op, b)
    for t in (a, b):
        if t.type.shape is not None and len(t.type.shape) < 3:
            raise ShapeError(f"{op}: images must be [..., height, width, channels], got {t!r}")
    if a.type.shape is not None and b.type.shape is not None:
        if any(dims_equal(m, n) is False for m, n in zip(a.type.dims[-3:], b.type.dims[-3:], strict=True)):
            raise ShapeError(f"{op}: the images must have one shape, got {a.type} and {b.type}")
    largest = python_number(max_val, f"{op}: max_val")
    if not largest > 0:
        raise ArgumentError(f"{op}: max_val must be above 0, got {shorten(max_val)}")
    own = a.type.dtype
    if not is_floating(own):
        largest /= float(np.iinfo(own).max)
        a, b = convert_image_dtype(a, "float32"), convert_image_dtype(b, "float32")
    return _wide(reals(op, a)), _wide(reals(op, b)), largest


@public
def psnr(a: Any, b: Any, max_val: float, name: str | None = None) -> Tensor:
    """The ratio of peak signal to noise in decibels, `20 log10(max_val) - 10 log10(mean of (a - b)²)`. A composition.

    a, b: [..., height, width, channels]; the result is [...], infinite for equal images. max_val: the largest
    possible value, such as 1.0 or 255. Integers are scaled to [0, 1], max_val with them; 16-bit floats give float32.
    Raises ShapeError for different shapes, ArgumentError unless max_val is above 0.
    """
    with composition("PSNR" if name is None else name):
        first, second, largest = _pair("psnr", a, b, max_val)
        error = F.mean(F.square(first - second), (-3, -2, -1))
        return 20 * math.log10(largest) - 10 * F.log10(error)  # type: ignore[no-any-return]


def _gaussian(size: int, sigma: float) -> list[float]:
    powers = [-((k - (size - 1) / 2) ** 2) / (2 * sigma * sigma) for k in range(size)]
    weights = [math.exp(p - max(powers)) for p in powers]
    return [w / math.fsum(weights) for w in weights]


@public
def ssim(
    img1: Any,
    img2: Any,
    max_val: float,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    name: str | None = None,
) -> Tensor:
    """Structural similarity, 1 for equal images. A composition of filters along each axis.

    img1, img2: [..., height, width, channels] with as many rows and columns as the filter at least; the result is
    [...], the mean over pixels and channels. max_val: as for `psnr`. Local means are weighted by a Gaussian of
    `filter_size` and `filter_sigma`.
    Raises ShapeError for different shapes or smaller images, ArgumentError for parameters that are not above 0.
    Source: Wang, Bovik, Sheikh and Simoncelli 2004.
    """
    size = as_index(filter_size, "ssim: filter_size")
    if not 1 <= size <= LONGEST:
        raise ArgumentError(f"ssim: filter_size must be from 1 to {LONGEST}, got {shorten(filter_size)}")
    sigma, low, high = [
        python_number(value, f"ssim: {what}")
        for what, value in (("filter_sigma", filter_sigma), ("k1", k1), ("k2", k2))
    ]
    if not (sigma > 0 and low >= 0 and high >= 0):
        raise ArgumentError("ssim: filter_sigma must be above 0, k1 and k2 must not be negative")
    with composition("SSIM" if name is None else name):
        x, y, largest = _pair("ssim", img1, img2, max_val)
        for t in (x, y):
            if t.type.shape is None:
                raise ShapeError(f"ssim: the rank of {t!r} is unknown here; give the placeholder a shape")
        weights = _gaussian(size, sigma)

        def local(t: Tensor) -> Tensor:
            rank = t.type.rank
            return filtered(filtered(t, rank - 3, weights), rank - 2, weights)

        mean_x, mean_y = local(x), local(y)
        product, squares = mean_x * mean_y * 2, F.square(mean_x) + F.square(mean_y)
        c1, c2 = (low * largest) ** 2, (high * largest) ** 2
        luminance = (product + c1) / (squares + c1)
        both = local(x * y) * 2 - product
        spread = local(F.square(x) + F.square(y)) - squares
        return F.mean(luminance * ((both + c2) / (spread + c2)), (-3, -2, -1))  # type: ignore[no-any-return]
