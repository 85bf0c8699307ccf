"""Images cut, framed, mirrored and turned; pixels stay what they are.

Images are [height, width, channels] or [batch, height, width, channels], of any dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.constant import constant, python_number
from graphflow.ops.slicing import FULL
from graphflow.ops.ufunc import operand
from graphflow.types import DimLike, as_index

__all__ = [
    "central_crop",
    "crop_to_bounding_box",
    "flip_left_right",
    "flip_up_down",
    "pad_to_bounding_box",
    "random_flip_left_right",
    "random_flip_up_down",
    "resize_image_with_crop_or_pad",
    "rot90",
    "transpose_image",
]

HEIGHT, WIDTH = -3, -2


def images_of(op: str, image: Any, *, ranked: bool = True) -> Tensor:
    """An image or a batch of them. Raises ShapeError for another rank, and for an unknown one where `ranked`."""
    x = operand(op, image)
    if x.type.shape is None and ranked:
        raise ShapeError(f"{op}: the rank of {x!r} is unknown here; give the placeholder a shape")
    if x.type.shape is not None and len(x.type.shape) not in (3, 4):
        raise ShapeError(
            f"{op}: an image is [height, width, channels], a batch [batch, height, width, channels]; got {x!r}"
        )
    return x


def _at_least(op: str, least: int, **values: Any) -> tuple[int, ...]:
    numbers = []
    for name, value in values.items():
        number = as_index(value, f"{op}: {name}")
        if number < least:
            raise ArgumentError(f"{op}: {name} must be at least {least}, got {shorten(value)}")
        numbers.append(number)
    return tuple(numbers)


# --- cut and framed -------------------------------------------------------------------------------


def _cut(x: Tensor, axis: int, offset: int, size: int) -> Tensor:
    """`size` elements of an axis, from `offset` on; where its size is not known yet, there must be as many later."""
    rank = x.type.rank
    part: Tensor = F.strided_slice(x, [*[FULL] * (axis % rank), (offset, offset + size, None)])
    return part if isinstance(x.type.dims[axis], int) else F.unflatten(part, axis, (size,))


@public
def crop_to_bounding_box(
    image: Any,
    offset_height: int,
    offset_width: int,
    target_height: int,
    target_width: int,
    name: str | None = None,
) -> Tensor:
    """The `target_height` rows from `offset_height` on, and so many columns: a view. A composition.

    Raises ArgumentError for negative offsets, sizes below 1, or a box that is not inside the image.
    """
    op = "crop_to_bounding_box"
    x = images_of(op, image)
    offsets = _at_least(op, 0, offset_height=offset_height, offset_width=offset_width)
    sizes = _at_least(op, 1, target_height=target_height, target_width=target_width)
    for axis, offset, size, what in zip((HEIGHT, WIDTH), offsets, sizes, ("height", "width"), strict=True):
        n = x.type.dims[axis]
        if isinstance(n, int) and offset + size > n:
            raise ArgumentError(
                f"{op}: offset_{what} {offset} + target_{what} {size} is more than the {what} of {x.type}"
            )
    with composition(op if name is None else name):
        x = _cut(x, HEIGHT, offsets[0], sizes[0])
        return _cut(x, WIDTH, offsets[1], sizes[1])


@public
def pad_to_bounding_box(
    image: Any,
    offset_height: int,
    offset_width: int,
    target_height: int,
    target_width: int,
    name: str | None = None,
) -> Tensor:
    """The image in a frame of zeros of `target_height` and `target_width`, its corner at the offset. A composition.

    Raises ArgumentError for negative offsets or sizes, or an image that does not fit.
    """
    op = "pad_to_bounding_box"
    x = images_of(op, image)
    offsets = _at_least(op, 0, offset_height=offset_height, offset_width=offset_width)
    sizes = _at_least(op, 0, target_height=target_height, target_width=target_width)
    for axis, offset, size, what in zip((HEIGHT, WIDTH), offsets, sizes, ("height", "width"), strict=True):
        n = x.type.dims[axis]
        if isinstance(n, int) and offset + n > size:
            raise ArgumentError(f"{op}: {x.type} at offset_{what} {offset} does not fit target_{what} {size}")
    with composition(op if name is None else name):
        return _framed(x, offsets, sizes)


def _framed(x: Tensor, offsets: tuple[int, ...], sizes: tuple[int, ...]) -> Tensor:
    dims = x.type.dims
    height, width = dims[HEIGHT], dims[WIDTH]
    lead = len(dims) - 3
    if isinstance(height, int) and isinstance(width, int):
        pads = [(o, s - o - d) for o, s, d in zip(offsets, sizes, (height, width), strict=True)]
        return F.pad(x, [*[(0, 0)] * lead, *pads, (0, 0)])  # type: ignore[no-any-return]
    slices = [(o, o + d, None) for o, d in zip(offsets, (height, width), strict=True)]
    frame = F.zeros((*dims[:lead], *sizes, dims[-1]), x.type.dtype)
    return F.strided_slice_grad(x, frame, [*[FULL] * lead, *slices])  # type: ignore[no-any-return]


def _centred(x: Tensor, axis: int, target: int) -> Tensor:
    """The middle `target` elements of an axis, or all of them in the middle of zeros."""
    n = x.type.dims[axis]
    place = axis % x.type.rank
    if isinstance(n, int):
        if n >= target:
            return _cut(x, axis, (n - target) // 2, target)
        before = (target - n) // 2
        pads = [(0, 0)] * x.type.rank
        pads[place] = (before, target - n - before)
        return F.pad(x, pads)  # type: ignore[no-any-return]
    count = F.shape(x)[place]
    missing = target - count
    shift = F.where(F.greater(missing, 0), -F.floor_divide(missing, 2), F.floor_divide(-missing, 2))
    index = constant(np.arange(target)) + shift
    inside = F.logical_and(F.greater_equal(index, 0), F.less(index, count))
    picked = F.take(x, F.clip(index, 0, count - 1), axis)
    return F.where(  # type: ignore[no-any-return]
        F.reshape(inside, (target, *[1] * (-axis - 1))), picked, F.zeros((), x.type.dtype)
    )


@public
def resize_image_with_crop_or_pad(
    image: Any, target_height: int, target_width: int, name: str | None = None
) -> Tensor:
    """The middle of the image where it is larger, the image in the middle of zeros where it is smaller. A composition.

    Of an odd difference the smaller half is cut off, or put, in front. Sizes of the image need not be known.
    Raises ArgumentError for sizes below 1.
    """
    op = "resize_image_with_crop_or_pad"
    x = images_of(op, image)
    sizes = _at_least(op, 1, target_height=target_height, target_width=target_width)
    with composition(op if name is None else name):
        x = _centred(x, HEIGHT, sizes[0])
        return _centred(x, WIDTH, sizes[1])


@public
def central_crop(image: Any, central_fraction: float, name: str | None = None) -> Tensor:
    """The middle of the image, as large as a fraction of its height and width, rounded up to what is symmetric: a view.

    A composition. Raises ArgumentError for a fraction outside (0, 1], ShapeError for an image of unknown size.
    """
    op = "central_crop"
    x = images_of(op, image)
    fraction = python_number(central_fraction, f"{op}: central_fraction")
    if not 0 < fraction <= 1:
        raise ArgumentError(f"{op}: central_fraction must be in (0, 1], got {shorten(central_fraction)}")
    if fraction == 1:
        return x
    with composition(op if name is None else name):
        for axis in (HEIGHT, WIDTH):
            n: DimLike = x.type.dims[axis]
            if not isinstance(n, int):
                raise ShapeError(f"{op}: height and width of {x!r} must be known")
            start = int((n - n * fraction) / 2)
            x = _cut(x, axis, start, n - 2 * start)
    return x


# --- mirrored and turned --------------------------------------------------------------------------


@public
def flip_left_right(image: Any, name: str | None = None) -> Tensor:
    """The image mirrored left to right: a view. It is `flip`. Raises ShapeError for other than 3 or 4 axes."""
    x = images_of("flip_left_right", image, ranked=False)
    return F.flip(x, WIDTH, name="flip_left_right" if name is None else name)  # type: ignore[no-any-return]


@public
def flip_up_down(image: Any, name: str | None = None) -> Tensor:
    """The image upside down: a view. It is `flip`. Raises ShapeError for other than 3 or 4 axes."""
    x = images_of("flip_up_down", image, ranked=False)
    return F.flip(x, HEIGHT, name="flip_up_down" if name is None else name)  # type: ignore[no-any-return]


@public
def transpose_image(image: Any, name: str | None = None) -> Tensor:
    """Rows and columns exchanged: a view. Raises ShapeError for other than 3 or 4 axes."""
    x = images_of("transpose_image", image, ranked=False)
    return F.swapaxes(x, HEIGHT, WIDTH, name="transpose_image" if name is None else name)  # type: ignore[no-any-return]


@public
def rot90(image: Any, k: int = 1, name: str | None = None) -> Tensor:
    """The image turned counter-clockwise by `k` quarters, clockwise for negative `k`: a view. A composition.

    Raises ArgumentError for a `k` that is no integer, ShapeError for other than 3 or 4 axes.
    """
    x = images_of("rot90", image, ranked=False)
    quarters = as_index(k, "rot90: k") % 4
    if quarters == 0:
        return x
    with composition("rot90" if name is None else name):
        if quarters == 2:
            return F.flip(x, (HEIGHT, WIDTH))  # type: ignore[no-any-return]
        turned = F.swapaxes(x, HEIGHT, WIDTH)
        return F.flip(turned, HEIGHT if quarters == 1 else WIDTH)  # type: ignore[no-any-return]


def _random_flip(op: str, image: Any, axis: int, seed: int | None, name: str | None) -> Tensor:
    x = images_of(op, image)
    with composition(op if name is None else name):
        if x.type.rank == 3:
            draw = F.random_uniform((), seed=seed)
        else:
            draw = F.random_uniform((x.type.dims[0], 1, 1, 1), seed=seed)
        return F.where(F.less(draw, 0.5), F.flip(x, axis), x)  # type: ignore[no-any-return]


@public
def random_flip_left_right(image: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The image mirrored left to right, or not, each with probability 1/2, and for each image of a batch. A composition.

    seed: as in `gf.random.uniform`. Raises ShapeError for other than 3 or 4 axes.
    """
    return _random_flip("random_flip_left_right", image, WIDTH, seed, name)


@public
def random_flip_up_down(image: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The image upside down, or not, each with probability 1/2, and for each image of a batch. A composition.

    seed: as in `gf.random.uniform`. Raises ShapeError for other than 3 or 4 axes.
    """
    return _random_flip("random_flip_up_down", image, HEIGHT, seed, name)
