"""The cross product of vectors of three numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError
from graphflow.graph import Tensor, apply
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.linalg import factors
from graphflow.ops.ufunc import unbroadcast
from graphflow.types import TensorType, as_index, broadcast_shapes, dims_equal, normalize_axis

__all__ = ["cross"]


def _infer(x: TensorType, y: TensorType, *, axis: int) -> TensorType:
    if axis >= 0 and x.rank != y.rank:
        raise ArgumentError(f"count axis {axis} from the end, as {x} and {y} differ in rank")
    for t in (x, y):
        if dims_equal(t.dims[normalize_axis(axis, t.rank)], 3) is False:
            raise ShapeError(f"axis {axis} of {t} must have size 3")
    shape = list(broadcast_shapes(x.dims, y.dims))
    shape[axis] = 3
    return typed(x.dtype, tuple(shape))


def _kernel(xp: Any, x: Any, y: Any, *, axis: int, out: Any = None) -> Any:
    rest = [slice(None)] * (x.ndim - axis - 1 if axis >= 0 else -axis - 1)
    parts = [(..., k, *rest) for k in range(3)]
    if out is None:
        out = xp.empty(np.broadcast_shapes(x.shape, y.shape), dtype=x.dtype)
    for k in range(3):
        after, before = parts[(k + 1) % 3], parts[(k + 2) % 3]
        out[parts[k]] = x[after] * y[before] - x[before] * y[after]
    return out


def _vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """y × g and g × x, of conjugates: the volume of three vectors stays when they change places in a circle."""
    x, y = node.inputs
    axis = node.attrs["axis"]
    gx, gy = cross(F.conj(y), g, axis), cross(g, F.conj(x), axis)
    return unbroadcast(gx, x), unbroadcast(gy, y)


CROSS = declare(
    Op(
        "cross",
        _infer,
        _kernel,
        _vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, axis: 3 * int(outputs[0].size),
        workspace=lambda inputs, outputs, axis: int(outputs[0].nbytes),
        default_name="Cross",
        doc="Cross products.",
    )
)


@public
def cross(x: Any, y: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """The cross products of the vectors of three numbers along `axis`. A primitive: one pass over both.

    The other axes are broadcast. Raises ShapeError where the size of that axis is not 3, ArgumentError for an axis
    that is out of range, DTypeError for bools.
    """
    a, b = factors("cross", x, y)
    made: Tensor = apply(CROSS, a, b, name=name, axis=as_index(axis, "cross: axis"))
    return made
