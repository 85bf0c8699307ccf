"""Normalisation of weights instead of activations: by their length, and by their largest singular value.

Both are compositions.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, name_scope
from graphflow.op import F, public
from graphflow.ops.normalization import along, channel_axis
from graphflow.ops.parameters import at_least_zero
from graphflow.ops.ufunc import reals2
from graphflow.types import as_index, dims_equal

__all__ = ["spectral_norm", "weight_norm"]


@public
def weight_norm(v: Any, g: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """`g * v / |v|`: weights by direction and length, the length taken over all axes but `axis`. A composition.

    g: the lengths: a scalar, or one number for each slice of `v` along `axis`.
    A slice of zeros has no direction and gives NaN.
    Raises ShapeError where `g` does not fit or the rank is unknown, ArgumentError for a bad axis.
    Source: Salimans and Kingma 2016.
    """
    t, lengths = reals2("weight_norm", v, g)
    channel, rank = channel_axis("weight_norm", t, axis, 1)
    with composition("weight_norm" if name is None else name) as scope:
        factor = along("weight_norm", t, channel, "g", lengths)
        folded = tuple([k for k in range(rank) if k != channel])
        total = F.sum(F.square(t), folded, keepdims=True)
        return F.multiply(t, F.rsqrt(total) * factor, name=scope)  # type: ignore[no-any-return]


@public
def spectral_norm(
    w: Any,
    u: Any,
    num_iterations: int = 1,
    axis: int = -1,
    epsilon: float = 1e-12,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """(`w` over its largest singular value, the vector `u` for next time), by power iteration. A composition.

    w: weights of two axes or more, taken as the matrix M [all others, size of `axis`].
    u: a vector of the size of `axis`, an estimate of the right singular vector, not zero; kept in a variable, it
        comes closer with every step: `u.assign(new_u)`.
    num_iterations: rounds of v = M u / |M u|, u = Mᵀ v / |Mᵀ v|, at least 1. The singular value is then vᵀ M u, with
        gradients through M alone. epsilon: the least length that is divided by.
    Raises ShapeError for a vector that does not fit or an unknown rank, ArgumentError for other values outside
    their range. Source: Miyato et al. 2018.
    """
    what = "spectral_norm"
    t, vector = reals2(what, w, u)
    small = at_least_zero(what, "epsilon", epsilon)
    rounds = as_index(num_iterations, f"{what}: num_iterations")
    if not 1 <= rounds <= 1000:
        raise ArgumentError(f"{what}: num_iterations must be from 1 to 1000, not {shorten(num_iterations)}")
    channel, rank = channel_axis(what, t, axis)
    size = t.type.dims[channel]
    dims = vector.type.shape
    if dims is not None and (len(dims) != 1 or dims_equal(dims[0], size) is False):
        raise ShapeError(f"{what}: u must be a vector of the size of axis {axis} of {t!r}, got {vector!r}")
    with name_scope(what if name is None else name):
        matrix = t if channel == rank - 1 else F.moveaxis(t, channel, -1)
        if rank > 2:
            matrix = F.flatten(matrix, 0, rank - 2)
        fixed = F.stop_gradient(matrix)
        right = F.stop_gradient(vector)
        for _ in range(rounds):
            left = _unit(F.matmul(fixed, right), small)
            right = _unit(F.matmul(left, fixed), small)
        left, right = F.stop_gradient(left), F.stop_gradient(right)
        largest = F.vecdot(left, F.matmul(matrix, right))
        return t / largest, right


def _unit(v: Tensor, small: float) -> Tensor:
    length = F.sqrt(F.sum(F.square(v)))
    return v / F.maximum(length, small)  # type: ignore[no-any-return]
