"""Brightness, contrast, gamma, hue and saturation of images, by a given amount or a random one.

Images have channels last. Integer images are scaled to [0, 1] first and back at the end; 16-bit floats are computed
in float32. Random amounts differ from run to run; `seed` is as in `gf.random.uniform`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.constant import python_number
from graphflow.ops.image_color import convert_image_dtype, hsv_to_rgb, rgb_to_hsv, with_channels
from graphflow.ops.ufunc import numbers, operand
from graphflow.types import is_floating

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "per_image_standardization",
    "random_brightness",
    "random_contrast",
    "random_hue",
    "random_saturation",
]


def _adjusted(op: str, image: Any, change: Callable[[Tensor], Tensor], name: str | None) -> Tensor:
    """The image changed as floats, in its own dtype again."""
    x = numbers(op, image)
    own = x.type.dtype
    with composition(op if name is None else name):
        wide = x if is_floating(own) and own.itemsize > 2 else convert_image_dtype(x, "float32")
        return convert_image_dtype(change(wide), own, saturate=True)


def _amount(op: str, what: str, value: Any) -> Any:
    """A scalar: a number, or a tensor. Raises ShapeError for anything with axes."""
    if not hasattr(type(value), "__graphflow_tensor__"):
        return python_number(value, f"{op}: {what}")
    t = operand(op, value)
    if t.type.shape is not None and len(t.type.shape):
        raise ShapeError(f"{op}: {what} must be a scalar, got {t!r}")
    return t


def _in(x: Tensor, value: Any) -> Any:
    """A scalar in the dtype of `x`."""
    return F.cast(value, x.type.dtype) if isinstance(value, Tensor) else value


def _drawn(op: str, low: float, high: float, seed: int | None) -> Tensor:
    return F.random_uniform((), low, high, seed=seed)  # type: ignore[no-any-return]


def _range(op: str, lower: Any, upper: Any) -> tuple[float, float]:
    low, high = python_number(lower, f"{op}: lower"), python_number(upper, f"{op}: upper")
    if not 0 <= low < high:
        raise ArgumentError(
            f"{op}: lower must not be negative and be less than upper, got {shorten(lower)} and {shorten(upper)}"
        )
    return low, high


def _delta(op: str, max_delta: Any, most: float) -> float:
    delta = python_number(max_delta, f"{op}: max_delta")
    if not 0 <= delta <= most:
        raise ArgumentError(f"{op}: max_delta must be from 0 to {most}, got {shorten(max_delta)}")
    return delta


# --- brightness, contrast, gamma ------------------------------------------------------------------


@public
def adjust_brightness(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """`image + delta`, of images in [0, 1]. A composition.

    delta: a number or a scalar tensor. Integers that would leave their range become its end.
    """
    amount = _amount("adjust_brightness", "delta", delta)
    return _adjusted("adjust_brightness", image, lambda x: x + _in(x, amount), name)


@public
def random_brightness(
    image: Any, max_delta: float, seed: int | None = None, name: str | None = None
) -> Tensor:
    """`adjust_brightness` by a random number in [-max_delta, max_delta). Raises ArgumentError for a negative one."""
    delta = _delta("random_brightness", max_delta, float("inf"))
    with composition("random_brightness" if name is None else name):
        if delta == 0:
            return adjust_brightness(image, 0.0)
        return adjust_brightness(image, _drawn("random_brightness", -delta, delta, seed))


@public
def adjust_contrast(images: Any, contrast_factor: Any, name: str | None = None) -> Tensor:
    """`(image - mean) * contrast_factor + mean`, the mean over height and width, for each channel. A composition.

    images: [..., height, width, channels]. contrast_factor: a number or a scalar tensor.
    Raises ShapeError for fewer than 3 axes.
    """
    factor = _amount("adjust_contrast", "contrast_factor", contrast_factor)
    x = numbers("adjust_contrast", images)
    if x.type.shape is not None and len(x.type.shape) < 3:
        raise ShapeError(f"adjust_contrast: images must be [..., height, width, channels], got {x!r}")

    def change(t: Tensor) -> Tensor:
        mean = F.mean(t, (-3, -2), keepdims=True)
        return (t - mean) * _in(t, factor) + mean  # type: ignore[no-any-return]

    return _adjusted("adjust_contrast", x, change, name)


@public
def random_contrast(
    image: Any, lower: float, upper: float, seed: int | None = None, name: str | None = None
) -> Tensor:
    """`adjust_contrast` by a random factor in [lower, upper). Raises ArgumentError unless 0 <= lower < upper."""
    low, high = _range("random_contrast", lower, upper)
    with composition("random_contrast" if name is None else name):
        return adjust_contrast(image, _drawn("random_contrast", low, high, seed))


@public
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1, name: str | None = None) -> Tensor:
    """`gain * image^gamma`, of images in [0, 1]. A composition.

    gamma, gain: numbers or scalar tensors. Raises ArgumentError for a negative gamma.
    """
    power, factor = _amount("adjust_gamma", "gamma", gamma), _amount("adjust_gamma", "gain", gain)
    if not isinstance(power, Tensor) and not power >= 0:
        raise ArgumentError(f"adjust_gamma: gamma must not be negative, got {shorten(gamma)}")
    return _adjusted("adjust_gamma", image, lambda x: F.pow(x, _in(x, power)) * _in(x, factor), name)


@public
def per_image_standardization(image: Any, name: str | None = None) -> Tensor:
    """Each image with mean 0 and variance 1: `(x - mean) / max(deviation, 1 / sqrt(pixels))`. A composition.

    image: [..., height, width, channels]; statistics are over the last three axes. Integers become the default float;
    16-bit floats are computed in float32. The lower bound keeps an image of one colour from dividing by 0.
    Raises ShapeError for fewer than 3 axes.
    """
    x = numbers("per_image_standardization", image)
    if x.type.shape is not None and len(x.type.shape) < 3:
        raise ShapeError(
            f"per_image_standardization: images must be [..., height, width, channels], got {x!r}"
        )
    own = x.type.dtype
    with composition("per_image_standardization" if name is None else name):
        wide = x if is_floating(own) and own.itemsize > 2 else F.cast(x, "float32")
        axes = (-3, -2, -1)
        centred = wide - F.mean(wide, axes, keepdims=True)
        variance = F.mean(F.square(centred), axes, keepdims=True)
        least = 1 / F.cast(F.size(wide, axes), wide.type.dtype)
        return F.cast(  # type: ignore[no-any-return]
            centred * F.rsqrt(F.maximum(variance, least)), own if is_floating(own) else wide.type.dtype
        )


# --- hue and saturation ---------------------------------------------------------------------------


@public
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """RGB images with `delta` added to their hue, which is a circle of length 1. A composition through HSV.

    delta: a number in [-1, 1], or a scalar tensor. Raises ArgumentError for a number outside, ShapeError unless there
    are 3 channels.
    """
    amount = _amount("adjust_hue", "delta", delta)
    if not isinstance(amount, Tensor) and not -1 <= amount <= 1:
        raise ArgumentError(f"adjust_hue: delta must be from -1 to 1, got {shorten(delta)}")
    x = with_channels("adjust_hue", numbers("adjust_hue", image), 3)

    def change(t: Tensor) -> Tensor:
        hsv = rgb_to_hsv(t)
        hue = F.getitem(hsv, (..., slice(0, 1))) + _in(t, amount)
        return hsv_to_rgb(F.concat([hue - F.floor(hue), F.getitem(hsv, (..., slice(1, None)))], axis=-1))

    return _adjusted("adjust_hue", x, change, name)


@public
def random_hue(image: Any, max_delta: float, seed: int | None = None, name: str | None = None) -> Tensor:
    """`adjust_hue` by a random number in [-max_delta, max_delta). Raises ArgumentError unless it is from 0 to 0.5."""
    delta = _delta("random_hue", max_delta, 0.5)
    with composition("random_hue" if name is None else name):
        return adjust_hue(image, _drawn("random_hue", -delta, delta, seed) if delta else 0.0)


@public
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """RGB images with their saturation times a factor, kept within [0, 1]. A composition through HSV.

    saturation_factor: a number or a scalar tensor. Raises ShapeError unless there are 3 channels.
    """
    factor = _amount("adjust_saturation", "saturation_factor", saturation_factor)
    x = with_channels("adjust_saturation", numbers("adjust_saturation", image), 3)

    def change(t: Tensor) -> Tensor:
        hsv = rgb_to_hsv(t)
        hue, saturation, value = [F.getitem(hsv, (..., slice(k, k + 1))) for k in range(3)]
        return hsv_to_rgb(F.concat([hue, F.clip(saturation * _in(t, factor), 0, 1), value], axis=-1))

    return _adjusted("adjust_saturation", x, change, name)


@public
def random_saturation(
    image: Any, lower: float, upper: float, seed: int | None = None, name: str | None = None
) -> Tensor:
    """`adjust_saturation` by a random factor in [lower, upper). Raises ArgumentError unless 0 <= lower < upper."""
    low, high = _range("random_saturation", lower, upper)
    with composition("random_saturation" if name is None else name):
        return adjust_saturation(image, _drawn("random_saturation", low, high, seed))
