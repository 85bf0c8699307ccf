"""Local response normalisation: each channel divided by a norm of its neighbours."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, public
from graphflow.ops.constant import python_number
from graphflow.ops.pooling_ops import AVG_POOL
from graphflow.ops.ufunc import reals
from graphflow.ops.window import LARGEST, channels_first
from graphflow.types import SUPPORTED, as_index

__all__ = ["local_response_normalization", "lrn"]


@public
def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    data_format: Any = "NHWC",
    name: str | None = None,
) -> Tensor:
    """`input / (bias + alpha * sum of squares)^beta`, the sum over the channels up to `depth_radius` away. A composition.

    data_format: "NHWC" or "NCHW" say where the channels of four axes are, "N...C" and "NC..." of any number.
    16-bit floats are computed in float32. Where `bias` is 0 and all of a neighbourhood is 0, the result is NaN.
    Raises ArgumentError for a negative radius, ShapeError where there is no channel axis.
    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3; the arguments are TensorFlow 1's.
    """
    t = reals("local_response_normalization", input)
    radius = as_index(depth_radius, "local_response_normalization: depth_radius")
    if not 0 <= radius < LARGEST // 2:
        raise ArgumentError(
            f"local_response_normalization: depth_radius must not be negative or huge, got {shorten(depth_radius)}"
        )
    first = channels_first("local_response_normalization", data_format, 2)
    rank = 4 if data_format in ("NHWC", "NCHW") else None
    offset, scale, power = [
        python_number(value, f"local_response_normalization: {what}")
        for what, value in (("bias", bias), ("alpha", alpha), ("beta", beta))
    ]
    attrs: dict[str, Any] = {
        "axes": (1 if first else -1,),
        "windows": ((2 * radius + 1, 1, 1, (radius, radius)),),
        "rank": rank,
        "divisor": "one",
    }
    with composition("LRN" if name is None else name):
        wide = F.cast(t, SUPPORTED["float32"]) if t.type.dtype.itemsize == 2 else t
        total = apply(AVG_POOL, F.square(wide), **attrs) * scale + offset
        factor = F.rsqrt(total) if power == 0.5 else F.pow(total, -power)
        return F.cast(wide * factor, t.type.dtype)  # type: ignore[no-any-return]


@public
def lrn(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    data_format: Any = "NHWC",
    name: str | None = None,
) -> Tensor:
    """`local_response_normalization` by TensorFlow 1's short name."""
    return local_response_normalization(input, depth_radius, bias, alpha, beta, data_format, name)
