"""Greyscale dilation and erosion of images: windows of sums with a structuring function, and their maximum."""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.convolution_arguments import spatial_axes
from graphflow.ops.patches import lowest, patches_of
from graphflow.ops.ufunc import reals2
from graphflow.ops.window import padding_argument, window_argument
from graphflow.types import dim_product, dims_equal, is_floating

__all__ = ["dilation2d", "erosion2d"]


@public
def dilation2d(
    input: Any, filter: Any, strides: Any, rates: Any, padding: Any, name: str | None = None
) -> Tensor:
    """The greyscale dilation of images by a structuring function, channel by channel. A composition.

    out[n, y, x, c] = max over (i, j) of input[n, y * stride + i * rate, x * stride + j * rate, c] + filter[i, j, c];
    what lies outside the image is left out.
    input: [batch, height, width, channels]. filter: [height, width, channels], of known rank.
    strides, rates: [1, rows, columns, 1], or without the ones. padding: as in `gf.nn.conv`.
    Where several sums are largest, they share the gradient as in `gf.max`. It holds as many sums as windows have
    elements. Raises ShapeError where channels differ or a window does not fit, DTypeError for complex and bool.
    """
    return _dilated(
        "dilation2d", input, filter, strides, rates, padding, "Dilation2D" if name is None else name
    )


def _dilated(op: str, input: Any, filter: Any, strides: Any, rates: Any, padding: Any, name: str) -> Tensor:
    x, w = reals2(op, input, filter, floating=False)
    if x.type.dtype.kind == "b":
        raise DTypeError(f"{op}: {x!r} is bool; cast it to a number first")
    n, _ = spatial_axes(op, None, x, spatial=2)
    dims = w.type.shape
    if dims is None or len(dims) != 3:
        raise ShapeError(f"{op}: filter must be [height, width, channels], got {w!r}")
    if x.type.shape is not None and dims_equal(x.type.shape[-1], dims[-1]) is False:
        raise ShapeError(f"{op}: filter {w.type} does not fit the channels of {x.type}")
    steps, gaps = window_argument(op, "strides", strides, n), window_argument(op, "rates", rates, n)
    pads = padding_argument(op, padding, n)
    kernel = dims[:2]
    with composition(name):
        taps = dim_product(kernel)
        rows = F.unflatten(patches_of(x, kernel, steps, pads, gaps, "lowest"), -1, (taps, dims[-1]))
        sums = rows + F.flatten(w, 0, 1)
        if not is_floating(x.type.dtype):  # the lowest integer plus a negative one would be the highest
            inside = patches_of(F.ones_like(x, dtype="bool"), kernel, steps, pads, gaps)
            sums = F.where(F.unflatten(inside, -1, (taps, dims[-1])), sums, lowest(x.type.dtype))
        result: Tensor = F.max(sums, axis=-2)
        return result


@public
def erosion2d(
    value: Any, kernel: Any, strides: Any, rates: Any, padding: Any, name: str | None = None
) -> Tensor:
    """The greyscale erosion of images: `-dilation2d(-value, kernel turned around)`. A composition.

    out[n, y, x, c] = min over (i, j) of value[...] - kernel[height - 1 - i, width - 1 - j, c], with the positions of
    `dilation2d`; the arguments are its own. Raises as `dilation2d` does, and DTypeError for unsigned integers.
    """
    x, w = reals2("erosion2d", value, kernel, floating=False)
    if x.type.dtype.kind in "ub":
        raise DTypeError(f"erosion2d: {x!r} is {x.type.dtype.name}, which has no negative numbers")
    with composition("Erosion2D" if name is None else name) as scope:
        turned = F.flip(w, (0, 1))
        return -_dilated("erosion2d", -x, turned, strides, rates, padding, scope + "dilation")  # type: ignore[no-any-return]
