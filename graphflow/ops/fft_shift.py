"""Frequencies of Fourier transforms, and their order: with zero first, as transforms have it, or in the middle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, one_dim, typed
from graphflow.ops.blockwise import BLOCK
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import as_tensor, python_number
from graphflow.ops.interchange import on_device
from graphflow.ops.philox import converted
from graphflow.types import Dim, DimLike, TensorType, as_dtype, default_float, is_floating, normalize_axes

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]

# --- frequencies ----------------------------------------------------------------------------------


def _infer_frequencies(*, n: DimLike, d: float, half: bool, dtype: np.dtype[Any]) -> TensorType:
    if isinstance(n, int) and n < 1:
        raise ShapeError(f"n must be at least 1, not {n}")
    return typed(dtype, (n // 2 + 1 if half else n,))


def _frequencies(xp: Any, *, n: int, d: float, half: bool, dtype: np.dtype[Any], out: Any = None) -> Any:
    own = dtype_of(xp, dtype)
    if out is None:
        out = xp.empty((n // 2 + 1 if half else n,), dtype=own)
    step = 1.0 / (n * d) if d else float("inf")
    above = out.shape[0] if half else (n - 1) // 2 + 1
    most = BLOCK if xp is np else n
    for part, first in ((out[:above], 0), (out[above:], above - n)):
        for start in range(0, part.shape[0], most):
            target = part[start : min(start + most, part.shape[0])]
            low = first + start
            line = xp.arange(low, low + target.shape[0], dtype=xp.float64)
            target[...] = converted(xp, line * step, own)
    return out


FREQUENCIES = declare(
    Op(
        "fftfreq",
        _infer_frequencies,
        _frequencies,
        lambda node, g: (),
        Trait.OUT | Trait.SHAPE_ONLY,
        workspace=lambda inputs, outputs, **attrs: (
            (16 if outputs[0].dtype == np.float64 else 24) * min(int(outputs[0].size), BLOCK)
        ),
        doc="The frequencies of a transform's bins.",
    )
)


def _frequency_node(op: str, n: Any, d: Any, dtype: Any, half: bool, name: str | None) -> Tensor:
    points = one_dim(n, f"{op}: n")
    if not isinstance(points, Dim) and points < 1:
        raise ShapeError(f"{op}: n must be at least 1, not {shorten(n)}")
    spacing = python_number(d, f"{op}: d")
    if spacing == 0 or math.isnan(spacing):
        raise ArgumentError(f"{op}: d must be a number other than 0, not {shorten(d)}")
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if not is_floating(wanted) or wanted.kind == "c":
        raise DTypeError(f"{op}: dtype must be a real floating type, not {wanted.name}")
    attrs = {"n": points, "d": spacing, "half": half, "dtype": wanted}
    return make_node(FREQUENCIES, (), attrs, op if name is None else name).outputs[0]


@public
def fftfreq(
    n: Any, d: Any = 1.0, dtype: Any = None, name: str | None = None, *, device: Any = None
) -> Tensor:
    """The frequencies of `fft`'s `n` bins in cycles per unit of the sample spacing `d`: [n].

    0, 1, ..., (n-1)//2, -(n//2), ..., -1, each divided by n d. n: a size. d: a Python number other than 0.
    dtype: a real floating type, the default one where left out. A primitive: n may be a dimension not known yet.
    Raises ShapeError for n < 1, ArgumentError for another d, DTypeError for another dtype.
    """
    with on_device(device):
        return _frequency_node("fftfreq", n, d, dtype, False, name)


@public
def rfftfreq(
    n: Any, d: Any = 1.0, dtype: Any = None, name: str | None = None, *, device: Any = None
) -> Tensor:
    """The frequencies of `rfft`'s `n // 2 + 1` bins: 0, 1, ..., n//2, each divided by n d. Else as `fftfreq`."""
    with on_device(device):
        return _frequency_node("rfftfreq", n, d, dtype, True, name)


# --- order ----------------------------------------------------------------------------------------


def _infer_shift(x: TensorType, *, axes: tuple[int, ...] | None, inverse: bool) -> TensorType:
    normalize_axes(axes, x.rank)
    return x


def _shift(xp: Any, x: Any, *, axes: tuple[int, ...] | None, inverse: bool, out: Any = None) -> Any:
    """Every combination of halves along the axes is copied to its new place."""
    if out is None:
        out = xp.empty(x.shape, dtype=x.dtype)
    moves: list[tuple[tuple[slice, ...], tuple[slice, ...]]] = [((), ())]
    chosen = range(x.ndim) if axes is None else [a % x.ndim for a in axes]
    for axis, n in enumerate(x.shape):
        cut = 0 if axis not in chosen else n // 2 if inverse else (n + 1) // 2
        pieces = [(slice(cut, n), slice(0, n - cut)), (slice(0, cut), slice(n - cut, n))]
        moves = [((*a, s), (*b, t)) for a, b in moves for s, t in (pieces if cut else pieces[:1])]
    for source, target in moves:
        out[(*target, ...)] = x[(*source, ...)]
    return out


FFTSHIFT: Op = declare(
    Op(
        "fftshift",
        _infer_shift,
        _shift,
        lambda node, g: (_moved(g, node.attrs["axes"], not node.attrs["inverse"], None),),
        Trait.OUT,
        flops=lambda inputs, outputs, **attrs: 0,
        doc="The halves of axes exchanged.",
    )
)


def _moved(x: Tensor, axes: Any, inverse: bool, name: str | None) -> Tensor:
    return make_node(FFTSHIFT, (x,), {"axes": axes, "inverse": inverse}, name).outputs[0]


@public
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """`x` with the frequency 0 of its spectrum moved to the middle of `axes`, all where left out.

    A primitive: by how much an axis is rolled, half of its size, may be known only at the run.
    Raises ArgumentError for an axis that is repeated or out of range.
    """
    t = as_tensor(x)
    return _moved(t, axis_attr("fftshift", axes, t), False, name)


@public
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The inverse of `fftshift`: they differ where sizes are odd. Arguments and errors as for it."""
    t = as_tensor(x)
    return _moved(t, axis_attr("ifftshift", axes, t), True, "ifftshift" if name is None else name)
