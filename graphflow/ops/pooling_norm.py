"""Pooling by p-norm."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, public
from graphflow.ops.constant import python_number
from graphflow.ops.pooling_arguments import window_attrs
from graphflow.ops.pooling_ops import AVG_POOL, MAX_POOL
from graphflow.ops.ufunc import reals
from graphflow.types import SUPPORTED

__all__ = ["lp_pool"]


@public
def lp_pool(
    value: Any,
    ord: float,
    ksize: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = "NHWC",
    name: str | None = None,
    dilations: Any = 1,
) -> Tensor:
    """The p-norm of each window, `sum(|x|^p)^(1/p)`: p is `ord`. A composition.

    ord: above 0; infinity gives the largest absolute value. Other arguments as for `max_pool`; padding counts as
    zeros. The gradient where all of a window is 0 is taken as 0.
    Raises ArgumentError for an `ord` of 0 or below, else as `max_pool`.
    """
    t = reals("lp_pool", value)
    p = python_number(ord, "lp_pool: ord")
    if not p > 0:
        raise ArgumentError(f"lp_pool: ord must be above 0, got {shorten(ord)}")
    attrs = window_attrs("lp_pool", t, ksize, strides, padding, dilations, data_format)
    with composition("lp_pool" if name is None else name):
        if math.isinf(p):
            return make_node(MAX_POOL, (F.abs(t),), attrs).outputs[0]
        wide = F.cast(t, SUPPORTED["float32"]) if t.type.dtype.itemsize == 2 else t
        powers = F.square(wide) if p == 2 else F.abs(wide) if p == 1 else F.pow(F.abs(wide), p)
        total = make_node(AVG_POOL, (powers,), {**attrs, "divisor": "one"}).outputs[0]
        if p != 1:
            empty = F.equal(total, 0)
            some = F.where(empty, 1, total)
            total = F.where(empty, 0, F.sqrt(some) if p == 2 else F.pow(some, 1 / p))
        return F.cast(total, t.type.dtype)  # type: ignore[no-any-return]
