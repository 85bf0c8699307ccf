"""Images of another size: nearest, bilinear, bicubic and area interpolation, in each convention that programs rely on."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import dims_argument, flag
from graphflow.ops.constant import python_number
from graphflow.ops.resample import resampled
from graphflow.ops.resample_rules import Rule
from graphflow.ops.ufunc import operand, reals
from graphflow.ops.window import channels_first
from graphflow.types import Shape, as_index

__all__ = [
    "ResizeMethod",
    "image_batch",
    "resize",
    "resize_area",
    "resize_bicubic",
    "resize_bilinear",
    "resize_images",
    "resize_nearest_neighbor",
    "upsample_nearest",
]


class ResizeMethod:
    """TensorFlow 1's numbers of the methods of `resize_images`."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_METHODS = ("bilinear", "nearest", "bicubic", "area")
"""By their numbers."""


# --- what they share ------------------------------------------------------------------------------


def image_batch(op: str, x: Tensor, what: str = "images") -> tuple[Tensor, bool]:
    """Images as a batch of four axes, and whether there was one image alone. Raises ShapeError for other ranks."""
    if x.type.shape is None:
        raise ShapeError(f"{op}: the rank of {x!r} is unknown here; give the placeholder a shape")
    if len(x.type.shape) not in (3, 4):
        raise ShapeError(
            f"{op}: {what} must be [height, width, channels] or [batch, height, width, channels], got {x!r}"
        )
    single = len(x.type.shape) == 3
    return (F.expand_dims(x, 0), True) if single else (x, False)


def _size(op: str, size: Any) -> Shape:
    dims = dims_argument(size, f"{op}: size")
    if len(dims) != 2 or any(isinstance(d, int) and d < 1 for d in dims):
        raise ArgumentError(f"{op}: size must be a height and a width of at least 1, not {shorten(size)}")
    return dims


def _places(op: str, align_corners: Any, half_pixel_centers: Any) -> str:
    corners = flag(align_corners, op, "align_corners")
    half = flag(half_pixel_centers, op, "half_pixel_centers")
    if corners and half:
        raise ArgumentError(f"{op}: give align_corners or half_pixel_centers, not both")
    return "corners" if corners else "half" if half else "legacy"


def _resized(images: Tensor, size: Shape, rule: Rule, first: int = 1) -> Tensor:
    """Two axes resized, in the order in which less is computed: the rows are cheap, as they lie together."""
    order = [(first, size[0]), (first + 1, size[1])]
    n, m = images.type.dims[first], size[0]
    if isinstance(n, int) and isinstance(m, int) and m > n:
        order.reverse()
    result = images
    for axis, d in order:
        result = resampled(result, axis, d, rule)
    return result


def _one_method(op: str, images: Any, size: Any, rule: Rule, name: str | None, default: str) -> Tensor:
    x = operand(op, images) if rule.method == "nearest" else reals(op, images)
    dims = _size(op, size)
    batch, single = image_batch(op, x)
    with composition(default if name is None else name):
        result = _resized(batch, dims, rule)
        return F.squeeze(result, 0) if single else result


# --- one method each ------------------------------------------------------------------------------


@public
def resize_nearest_neighbor(
    images: Any,
    size: Any,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    name: str | None = None,
) -> Tensor:
    """Each pixel that of the nearest place: [height, width, channels] or [batch, height, width, channels]. A composition.

    size: (height, width), ints or sizes taken from `gf.shape(x)`. Any dtype, which stays.
    align_corners: corner pixels coincide. half_pixel_centers: pixels are squares whose centres are compared, as in
    PyTorch's "nearest-exact"; neither: pixel i is floor(i * old / new), as in PyTorch's "nearest".
    The place is computed in whole numbers, so no rounding of a scale moves it.
    Raises ArgumentError for sizes below 1 or both flags, ShapeError for other ranks or empty images.
    """
    rule = Rule("nearest", _places("resize_nearest_neighbor", align_corners, half_pixel_centers))
    return _one_method("resize_nearest_neighbor", images, size, rule, name, "ResizeNearestNeighbor")


@public
def resize_bilinear(
    images: Any,
    size: Any,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    name: str | None = None,
) -> Tensor:
    """Linear interpolation along both axes. A composition of two resamplings, one for each axis.

    Arguments as for `resize_nearest_neighbor`; with `half_pixel_centers` the same as PyTorch's and ONNX's "half_pixel".
    Integers become the default float; 16-bit floats are weighted and summed in float32. Places outside count
    as the nearest pixel.
    """
    rule = Rule("linear", _places("resize_bilinear", align_corners, half_pixel_centers))
    return _one_method("resize_bilinear", images, size, rule, name, "ResizeBilinear")


@public
def resize_bicubic(
    images: Any,
    size: Any,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    name: str | None = None,
    coefficient: float | None = None,
    exclude_outside: bool | None = None,
) -> Tensor:
    """Cubic convolution along both axes. A composition of two resamplings, one for each axis.

    Arguments as for `resize_bilinear`. coefficient: Keys' a; exclude_outside: whether pixels outside get no weight,
    which the others then make up for, or count as the nearest pixel. Left out they are as in TensorFlow: -0.5 and
    True with `half_pixel_centers`, else -0.75 and False. PyTorch and ONNX have -0.75 and False always.
    Source: Keys 1981, "Cubic convolution interpolation for digital image processing".
    """
    places = _places("resize_bicubic", align_corners, half_pixel_centers)
    half = places == "half"
    a = (-0.5 if half else -0.75) if coefficient is None else coefficient
    exclude = half if exclude_outside is None else exclude_outside
    rule = Rule(
        "cubic",
        places,
        python_number(a, "resize_bicubic: coefficient"),
        flag(exclude, "resize_bicubic", "exclude_outside"),
    )
    return _one_method("resize_bicubic", images, size, rule, name, "ResizeBicubic")


@public
def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Tensor:
    """Each pixel the mean of the area that it covers, pixels in part by that part. A composition.

    Arguments as for `resize_bilinear`. For sizes that divide the old ones this is `avg_pool`.
    """
    rule = Rule("area", _places("resize_area", align_corners, False))
    return _one_method("resize_area", images, size, rule, name, "ResizeArea")


# --- a method by its name -------------------------------------------------------------------------


def _method(op: str, method: Any, *, numbered: bool = False) -> str:
    if isinstance(method, str) and method in _METHODS:
        return method
    if numbered and not isinstance(method, (str, bool)) and hasattr(method, "__index__"):
        number = as_index(method, f"{op}: method")
        if 0 <= number < len(_METHODS):
            return _METHODS[number]
    raise ArgumentError(f"{op}: method must be one of {', '.join(_METHODS)}, not {shorten(method)}")


def _kept_ratio(op: str, dims: Shape, size: Shape) -> Shape:
    """The largest size within `size` that has the ratio of the images."""
    height, width = dims
    if not (isinstance(height, int) and isinstance(width, int) and height and width):
        raise ShapeError(f"{op}: preserve_aspect_ratio needs images of known size, got {list(dims)}")
    limits = [d for d in size if isinstance(d, int)]
    if len(limits) != 2:
        raise ShapeError(f"{op}: preserve_aspect_ratio needs a size that is known, got {list(size)}")
    scale = min(limits[0] / height, limits[1] / width)
    return max(1, round(scale * height)), max(1, round(scale * width))


@public
def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another size, as TensorFlow 1 has it: no half pixel centers. A composition.

    method: "bilinear", "nearest", "bicubic", "area", or `ResizeMethod`'s number. preserve_aspect_ratio: the largest
    size within `size` that leaves the ratio as it is. Images that have the size already come back as they are.
    Raises ArgumentError for another method, else as `resize_nearest_neighbor`.
    """
    chosen = _method("resize_images", method, numbered=True)
    x = operand("resize_images", images)
    dims = _size("resize_images", size)
    batch, _ = image_batch("resize_images", x)
    if flag(preserve_aspect_ratio, "resize_images", "preserve_aspect_ratio"):
        dims = _kept_ratio("resize_images", batch.type.dims[1:3], dims)
    if batch.type.dims[1:3] == dims:
        return x
    label = "resize" if name is None else name
    if chosen == "nearest":
        return resize_nearest_neighbor(x, dims, align_corners, name=label)
    if chosen == "bilinear":
        return resize_bilinear(x, dims, align_corners, name=label)
    if chosen == "bicubic":
        return resize_bicubic(x, dims, align_corners, name=label)
    return resize_area(x, dims, align_corners, name=label)


@public
def resize(
    images: Any,
    size: Any,
    method: Any = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
    data_format: Any = "NHWC",
) -> Tensor:
    """Images of another size with half pixel centers, as in TensorFlow 2, and in PyTorch but for "bicubic". A composition.

    method: "bilinear", "nearest", "bicubic" (Keys' a is -0.5, pixels outside get no weight), "area".
    antialias: where an image shrinks, "bilinear" and "bicubic" weigh all pixels that a new one covers.
    data_format: "NHWC" or "NCHW"; a single image has the format without its N.
    Raises ArgumentError for another method, or antialias with another, else as `resize_nearest_neighbor`.
    """
    chosen = _method("resize", method)
    smooth = flag(antialias, "resize", "antialias")
    if smooth and chosen not in ("bilinear", "bicubic"):
        raise ArgumentError(f"resize: antialias is for 'bilinear' and 'bicubic', not {chosen!r}")
    x = operand("resize", images) if chosen == "nearest" else reals("resize", images)
    first = 2 if channels_first("resize", data_format, 2) else 1
    dims = _size("resize", size)
    batch, single = image_batch("resize", x)
    if flag(preserve_aspect_ratio, "resize", "preserve_aspect_ratio"):
        dims = _kept_ratio("resize", batch.type.dims[first : first + 2], dims)
    kind = {"bilinear": "linear", "bicubic": "cubic"}.get(chosen, chosen)
    rule = Rule(kind, "legacy" if chosen == "area" else "half", -0.5, kind == "cubic", smooth)
    with composition("resize" if name is None else name):
        result = _resized(batch, dims, rule, first)
        return F.squeeze(result, 0) if single else result


@public
def upsample_nearest(images: Any, scale: Any, data_format: Any = "NHWC", name: str | None = None) -> Tensor:
    """Each pixel repeated `scale` times along both axes. A composition.

    images: [batch, height, width, channels], or "NCHW". scale: an int, or one for each axis.
    Raises ArgumentError for a scale below 1.
    """
    x = operand("upsample_nearest", images)
    first = 2 if channels_first("upsample_nearest", data_format, 2) else 1
    factors = scale if isinstance(scale, (list, tuple)) else (scale, scale)
    counts = [as_index(factor, "upsample_nearest: scale") for factor in factors]
    if len(counts) != 2 or min(counts) < 1:
        raise ArgumentError(
            f"upsample_nearest: scale must be at least 1, once or twice, got {shorten(scale)}"
        )
    if x.type.shape is not None and len(x.type.shape) != 4:
        raise ShapeError(f"upsample_nearest: images must have 4 axes, got {x!r}")
    with composition("upsample_nearest" if name is None else name):
        wide = F.repeat(x, counts[1], axis=first + 1)
        return F.repeat(wide, counts[0], axis=first)  # type: ignore[no-any-return]
