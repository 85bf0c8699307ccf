"""Windows: weights that let a piece of a signal begin and end softly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import flag, one_dim, typed
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import python_number
from graphflow.types import DimLike, TensorType, as_dtype, default_float, is_floating

__all__ = [
    "bartlett_window",
    "blackman_window",
    "hamming_window",
    "hann_window",
    "kaiser_bessel_derived_window",
    "kaiser_window",
    "vorbis_window",
]


BLOCK = 8192
"""Places at which a window is computed at a time."""


def _cosines(*coefficients: float) -> Callable[..., Any]:
    """a0 - a1 cos(2 pi t) + a2 cos(4 pi t) - ... for t from 0 to 1."""

    def window(places: Any, last: int, beta: float) -> Any:
        t = places * (2 * math.pi / last)
        return sum((-1) ** k * a * np.cos(k * t) for k, a in enumerate(coefficients))

    return window


def _bartlett(places: Any, last: int, beta: float) -> Any:
    return 1 - np.abs(places * (2 / last) - 1)


def _kaiser(places: Any, last: int, beta: float) -> Any:
    """I0(beta sqrt(1 - r^2)) / I0(beta), r from -1 to 1; both scaled by exp(-beta), as I0 alone overflows above 713."""
    r = places * (2 / last) - 1
    return _scaled_i0(beta * np.sqrt(np.maximum(1 - r * r, 0)), beta) / _scaled_i0(np.array(beta), beta)


def _scaled_i0(x: Any, beta: float) -> Any:
    """I0(x) exp(-beta) for 0 <= x <= beta, by its asymptotic series where NumPy's own overflows."""
    small = np.minimum(x, 500.0)
    near = np.i0(small) * np.exp(-small)
    r = 1 / np.maximum(8 * x, 1.0)
    far = (1 + r * (1 + 9 * r / 2 * (1 + 25 * r / 3))) / np.sqrt(2 * math.pi * np.maximum(x, 1.0))
    return np.where(x <= 500.0, near, far) * np.exp(x - beta)


def _vorbis(places: Any, last: int, beta: float) -> Any:
    return np.sin(math.pi / 2 * np.sin(math.pi / (last + 1) * (places + 0.5)) ** 2)


def _fill(values: Any, kind: str, last: int, beta: float) -> None:
    function = KINDS[kind]
    for start in range(0, values.shape[0], BLOCK):
        stop = min(start + BLOCK, values.shape[0])
        values[start:stop] = function(np.arange(start, stop), last, beta)


def _fill_derived(values: Any, beta: float) -> None:
    """Running sums of Kaiser's window rise, their mirror image falls."""
    n = values.shape[0] // 2
    half = np.empty(n + 1)
    _fill(half, "kaiser", max(n, 1), beta)
    np.add.accumulate(half, out=half)
    total = half[-1]
    for start in range(0, n, BLOCK):
        part = half[start : min(start + BLOCK, n)]
        values[start : start + part.shape[0]] = np.sqrt(part / total)
    values[n:] = values[:n][::-1]


KINDS: Mapping[str, Callable[[Any, int, float], Any]] = MappingProxyType(
    {
        "hann": _cosines(0.5, 0.5),
        "hamming": _cosines(0.54, 0.46),
        "blackman": _cosines(0.42, 0.5, 0.08),
        "bartlett": _bartlett,
        "kaiser": _kaiser,
        "vorbis": _vorbis,
    }
)
"""(places, last place, beta) -> the window there in float64; its value at the last place is that at 0."""

STEPS = MappingProxyType({"bartlett": 24, "vorbis": 24, "kaiser": 116})
"""Bytes of a formula's steps at one place, measured, where they are not 40."""

EVEN = ("kaiser_bessel_derived", "vorbis")


def _infer_window(
    *, kind: str, length: DimLike, periodic: bool, beta: float, dtype: np.dtype[Any]
) -> TensorType:
    if isinstance(length, int) and kind in EVEN and length % 2:
        raise ArgumentError(f"window_length must be even, not {length}")
    return typed(dtype, (length,))


def _window(
    xp: Any, *, kind: str, length: int, periodic: bool, beta: float, dtype: np.dtype[Any], out: Any = None
) -> Any:
    """Made by NumPy in double precision on every backend: windows are short."""
    values = out if xp is np and out is not None else np.empty(length, dtype)
    if length == 1 and kind not in EVEN:
        values[...] = 1
    elif kind == "kaiser_bessel_derived":
        _fill_derived(values, beta)
    else:
        _fill(values, kind, length if periodic and kind not in EVEN else length - 1, beta)
    if values is out:
        return out
    result = xp.asarray(values, dtype=dtype_of(xp, dtype))
    if out is None:
        return result
    xp.copyto(out, result)
    return out


def _workspace(inputs: Any, outputs: Any, *, kind: str, **attrs: Any) -> int:
    """Steps of a formula at one block of places; half of a derived window is held in double precision."""
    n = int(outputs[0].size)
    derived = kind == "kaiser_bessel_derived"
    places = n // 2 + 1 if derived else n
    each = 116 if derived else STEPS.get(kind, 40)
    return min(places, BLOCK) * each + 4096 + (8 * places if derived else 0)


WINDOW = declare(
    Op(
        "window",
        _infer_window,
        _window,
        lambda node, g: (),
        Trait.OUT | Trait.SHAPE_ONLY,
        flops=lambda inputs, outputs, **attrs: 50 * int(outputs[0].size),
        workspace=_workspace,
        doc="Weights that let a piece of a signal begin and end softly.",
    )
)


def _node(kind: str, length: Any, periodic: Any, dtype: Any, name: str | None, beta: Any = 0.0) -> Tensor:
    op = f"{kind}_window"
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if not is_floating(wanted) or wanted.kind == "c":
        raise DTypeError(f"{op}: dtype must be a real floating type, not {wanted.name}")
    shape = python_number(beta, f"{op}: beta")
    if not 0 <= shape < math.inf:
        raise ArgumentError(f"{op}: beta must be at least 0 and finite, not {shorten(beta)}")
    attrs = {
        "kind": kind,
        "length": one_dim(length, f"{op}: window_length"),
        "periodic": flag(periodic, op, "periodic"),
        "beta": shape,
        "dtype": wanted,
    }
    return make_node(WINDOW, (), attrs, op if name is None else name).outputs[0]


@public
def hann_window(
    window_length: Any, periodic: bool = True, dtype: Any = None, name: str | None = None
) -> Tensor:
    """Hann's window, 1/2 - 1/2 cos(2π k / n): [window_length].

    periodic: n is window_length, so that windows in a row at half their length add up to 1; else it is one less and
        the window symmetric, as `numpy.hanning` has it. A window of length 1 is 1.
    dtype: a real floating type, the default one where left out. A primitive: the length may be a dimension.
    Raises ShapeError for a negative length, DTypeError for another dtype.
    """
    return _node("hann", window_length, periodic, dtype, name)


@public
def hamming_window(
    window_length: Any, periodic: bool = True, dtype: Any = None, name: str | None = None
) -> Tensor:
    """Hamming's window, 0.54 - 0.46 cos(2π k / n). Arguments and errors as for `hann_window`."""
    return _node("hamming", window_length, periodic, dtype, name)


@public
def blackman_window(
    window_length: Any, periodic: bool = True, dtype: Any = None, name: str | None = None
) -> Tensor:
    """Blackman's window, 0.42 - 0.5 cos(2π k / n) + 0.08 cos(4π k / n). Arguments as for `hann_window`."""
    return _node("blackman", window_length, periodic, dtype, name)


@public
def bartlett_window(
    window_length: Any, periodic: bool = True, dtype: Any = None, name: str | None = None
) -> Tensor:
    """Bartlett's window, a triangle: 1 - |2k / n - 1|. Arguments and errors as for `hann_window`."""
    return _node("bartlett", window_length, periodic, dtype, name)


@public
def kaiser_window(
    window_length: Any,
    beta: float = 12.0,
    dtype: Any = None,
    name: str | None = None,
    periodic: bool = False,
) -> Tensor:
    """Kaiser's window, I0(β √(1 - r²)) / I0(β) for r from -1 to 1; symmetric unless `periodic`.

    beta: a Python number, at least 0, for a main lobe of about 2 √(1 + (β/π)²) bins.
    Raises ArgumentError for another beta; else as `hann_window`.
    """
    return _node("kaiser", window_length, periodic, dtype, name, beta)


@public
def kaiser_bessel_derived_window(
    window_length: Any, beta: float = 12.0, dtype: Any = None, name: str | None = None
) -> Tensor:
    """The root of running sums of Kaiser's window, and its mirror image, for transforms that overlap by half.

    Raises ArgumentError for an odd length; else as `kaiser_window`.
    Source: Princen, Johnson and Bradley 1987 for the condition that it meets.
    """
    return _node("kaiser_bessel_derived", window_length, False, dtype, name, beta)


@public
def vorbis_window(window_length: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """sin(π/2 sin²(π (k + 1/2) / n)), the window of the Vorbis format. Raises ArgumentError for an odd length."""
    return _node("vorbis", window_length, False, dtype, name)
