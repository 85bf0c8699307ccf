"""Discrete cosine transforms of types 1 to 4, and their inverses.

    1   y[k] = x[0] + (-1)^k x[n-1] + 2 sum over 0 < j < n-1 of x[j] cos(pi j k / (n-1))
    2   y[k] = 2 sum over j of x[j] cos(pi k (2j+1) / 2n)
    3   y[k] = x[0] + 2 sum over j > 0 of x[j] cos(pi j (2k+1) / 2n)
    4   y[k] = 2 sum over j of x[j] cos(pi (2j+1) (2k+1) / 4n)

Each is made of one Fourier transform: of n points for types 2 and 3, n / 2 for type 4 of even size.
Sources: Makhoul 1980, "A fast cosine transform in one and two dimensions"; Britanak, Yip and Rao 2007, "Discrete
Cosine and Sine Transforms" (type 4).
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, one_dim
from graphflow.ops.cast import cast
from graphflow.ops.fft_kernels import flops, reals_of_spectrum, spectrum, spectrum_of_reals
from graphflow.ops.fft_lines import piece_elements, pieces, scratch_nbytes
from graphflow.ops.fft_sizes import crop_or_pad
from graphflow.ops.ufunc import reals
from graphflow.types import SUPPORTED, Dim, TensorType, as_index, normalize_axis

__all__ = ["dct", "idct"]

# --- kernels: along the last axis, which is not empty ---------------------------------------------
# (xp, x, y, factor, kept): write the transform of x, its ends times the factor, into y. kept: turns of short lines.

MOST = 32768
"""Elements of a piece of many lines."""

TURN = 4096
"""Factors of a turn that are computed at a time under NumPy."""

Turns: TypeAlias = dict[tuple[float, float], Any]


def _complex(xp: Any, real: Any, imag: Any = None) -> Any:
    z = xp.empty(real.shape, dtype=xp.complex128 if real.dtype == xp.float64 else xp.complex64)
    z.real, z.imag = real, 0 if imag is None else imag
    return z


def _factors(xp: Any, start: int, stop: int, first: float, step: float, dtype: Any) -> Any:
    """exp(-i (first + step k)), computed in double precision."""
    angles = xp.arange(start, stop, dtype=xp.float64) * step + first
    return _complex(xp, xp.cos(angles), -xp.sin(angles)).astype(dtype)


def _turned(xp: Any, z: Any, first: float, step: float, kept: Turns) -> Any:
    """`z` times exp(-i (first + step k)) in place."""
    n = z.shape[-1]
    if xp is not np or n <= TURN:
        if (first, step) not in kept:
            kept[first, step] = _factors(xp, 0, n, first, step, z.dtype)
        z *= kept[first, step]
        return z
    for start in range(0, n, TURN):
        stop = min(start + TURN, n)
        part = z[..., start:stop]
        part *= _factors(xp, start, stop, first, step, z.dtype)
    return z


def _rfft(xp: Any, x: Any) -> Any:
    return spectrum_of_reals(xp, x, None, (x.ndim - 1,), "backward")


def _fft(xp: Any, z: Any, n: int, out: Any = None) -> Any:
    return spectrum(xp, z, (n,), (z.ndim - 1,), False, "backward", out)


def _first(xp: Any, x: Any, y: Any, factor: float, kept: Turns) -> None:
    n = x.shape[-1]
    mirrored = xp.concatenate([x, x[..., -2:0:-1]], axis=-1)
    if factor != 1:
        mirrored[..., : n : n - 1] *= factor
    y[...] = _rfft(xp, mirrored).real


def _second(xp: Any, x: Any, y: Any, factor: float, kept: Turns) -> None:
    n = x.shape[-1]
    z = _rfft(xp, xp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1))
    z = _turned(xp, z, 0.0, math.pi / (2 * n), kept)
    z *= 2
    y[..., : n // 2 + 1] = z.real
    y[..., n // 2 + 1 :] = -z.imag[..., (n - 1) // 2 : 0 : -1]


def _third(xp: Any, x: Any, y: Any, factor: float, kept: Turns) -> None:
    n = x.shape[-1]
    z = _complex(xp, x[..., : n // 2 + 1])
    z.imag[..., 1:] = -x[..., ::-1][..., : n // 2]
    if factor != 1:
        z.real[..., :1] *= factor
    v = reals_of_spectrum(xp, _turned(xp, z, 0.0, -math.pi / (2 * n), kept), (n,), (z.ndim - 1,), "forward")
    y[..., ::2] = v[..., : (n + 1) // 2]
    y[..., 1::2] = v[..., (n + 1) // 2 :][..., ::-1]


def _fourth(xp: Any, x: Any, y: Any, factor: float, kept: Turns) -> None:
    n = x.shape[-1]
    if n % 2:
        z = _turned(xp, _complex(xp, x), 0.0, math.pi / (2 * n), kept)
        z = _fft(xp, z, 2 * n)[..., :n]
        y[...] = _turned(xp, z, math.pi / (4 * n), math.pi / (2 * n), kept).real * 2
        return
    z = _complex(xp, x[..., ::2], x[..., ::-1][..., ::2])
    z = _turned(xp, z, math.pi / (4 * n), math.pi / n, kept)
    z = _turned(xp, _fft(xp, z, n // 2, z), 0.0, math.pi / n, kept)
    z *= 2
    y[..., ::2], y[..., ::-1][..., ::2] = z.real, -z.imag


_CORES = {1: _first, 2: _second, 3: _third, 4: _fourth}

# --- the op ---------------------------------------------------------------------------------------

INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
ROOT = math.sqrt(2)


def _recipe(type: int, ortho: bool, transposed: bool) -> tuple[int, float, float]:
    """(type, factor before, factor behind): the factors are for the first element, of type 1 also the last."""
    if ortho:
        core = INVERSE[type] if transposed else type
        return (core, *{1: (ROOT, 1 / ROOT), 2: (1.0, 1 / ROOT), 3: (ROOT, 1.0), 4: (1.0, 1.0)}[core])
    if not transposed:
        return type, 1.0, 1.0
    return (INVERSE[type], *{1: (2.0, 0.5), 2: (2.0, 1.0), 3: (1.0, 0.5), 4: (1.0, 1.0)}[type])


def _infer_dct(x: TensorType, *, type: int, axis: int, norm: str, transposed: bool) -> TensorType:
    if x.rank == 0:
        raise ShapeError(f"{x} is a scalar and has no axis to transform")
    n, least = x.dims[normalize_axis(axis, x.rank)], 2 if type == 1 else 1
    if isinstance(n, int) and n < least:
        raise ShapeError(f"type {type} needs at least {least} points, but axis {axis} of {x} has {n}")
    return x


def _dct_kernel(
    xp: Any, x: Any, *, type: int, axis: int, norm: str, transposed: bool, out: Any = None
) -> Any:
    n = x.shape[axis]
    core, before, behind = _recipe(type, norm == "ortho", transposed)
    y = xp.empty(x.shape, dtype=x.dtype) if out is None else out
    if not x.size:
        return y
    ends: Any = slice(0, None, n - 1) if type == 1 else slice(0, 1)
    source, target = xp.moveaxis(x, axis, -1), xp.moveaxis(y, axis, -1)
    scale = 1 / (2 * (n - 1 if type == 1 else n))
    kept: Turns = {}
    for key in pieces(source.shape, source.ndim - 1, MOST) if xp is np else [...]:
        values = target[key]
        _CORES[core](xp, source[key], values, before, kept)
        if norm != "none":
            values[...] *= math.sqrt(scale) if norm == "ortho" else scale
        if behind != 1:
            values[..., ends] *= behind
    return y


def _transpose(node: object, g: Tensor) -> tuple[Tensor]:
    attrs = node.attrs  # type: ignore[attr-defined]
    return (make_node(DCT, (g,), {**attrs, "transposed": not attrs["transposed"]}).outputs[0],)


def _flops(inputs: Any, outputs: Any, *, axis: int, **attrs: Any) -> int:
    t = outputs[0]
    return flops(int(t.size), (int(t.dims[axis]),), True) + 4 * int(t.size)


def _workspace(inputs: Any, outputs: Any, *, type: int, axis: int, norm: str, transposed: bool) -> int:
    """What a core has alive at its worst moment, for one piece: reals, complex numbers as two, or a turn's factors."""
    t = outputs[0]
    place = axis % t.rank
    n = int(t.dims[place])
    dims = [*t.dims[:place], *t.dims[place + 1 :], n]
    elements = piece_elements(dims, len(dims) - 1, MOST)
    rows, several = elements // max(n, 1) * t.dtype.itemsize, elements < int(t.size)
    core, half = _recipe(type, norm == "ortho", transposed)[0], 2 * (n // 2 + 1)
    turned, most = {1: (0, 4 * n - 2), 2: (half, half + n), 3: (half, half + n), 4: (n, n + n // 2)}[core]
    points = turned // 2  # of a turn
    if core == 4 and n % 2:
        points, turned, most = n, 4 * n, 6 * n
    kept = 2 * t.dtype.itemsize * points if points <= TURN else 0  # of one turn
    kept_most = kept * {1: 0, 2: int(several), 3: 1, 4: 2 if several or not n % 2 else 1}[core]
    kept_turned = kept if core == 4 else 0
    factors = 40 * min(points, TURN)  # made beside the angles
    held: int = max(rows * most + kept_most, rows * turned + kept_turned + factors) + 4096
    return held + min(scratch_nbytes((n,)), int(t.nbytes) // 64)


DCT: Op = declare(
    Op(
        "dct",
        _infer_dct,
        _dct_kernel,
        _transpose,
        Trait.OUT,
        flops=_flops,
        workspace=_workspace,
        doc="Discrete cosine transform.",
    )
)


def _transformed(
    op: str, x: Any, type: Any, n: Any, axis: Any, norms: dict[Any, str], norm: Any, name: str | None
) -> Tensor:
    t = reals(op, x)
    kind = as_index(type, f"{op}: type")
    if kind not in INVERSE:
        raise ArgumentError(f"{op}: type must be 1, 2, 3 or 4, not {kind}")
    if norm is not None and not (isinstance(norm, str) and norm in norms):
        raise ArgumentError(f"{op}: norm must be None, 'ortho', 'backward' or 'forward', not {shorten(norm)}")
    places = axis_attr(op, as_index(axis, f"{op}: axis"), t) or ()
    attrs = {
        "type": kind if op == "dct" else INVERSE[kind],
        "axis": places[0],
        "norm": norms[norm],
        "transposed": False,
    }
    half = t.type.dtype.itemsize == 2
    if n is None and not half:
        return make_node(DCT, (t,), attrs, name).outputs[0]
    size = None if n is None else one_dim(n, f"{op}: n")
    if size is not None and not isinstance(size, Dim) and size < 1:
        raise ShapeError(f"{op}: n must be at least 1, not {shorten(n)}")
    with composition(op if name is None else name):
        wide = cast(t, SUPPORTED["float32"]) if half else t
        fitted = wide if size is None else crop_or_pad(wide, places, (size,))
        return cast(make_node(DCT, (fitted,), attrs).outputs[0], t.type.dtype)


@public
def dct(
    input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The discrete cosine transform of real `input` along `axis`, in its dtype and shape.

    type: 1, 2, 3 or 4, as written at the top of this file.
    n: the axis is cropped or padded with zeros to so many points first.
    norm: None or "backward", as written; "ortho", the orthogonal matrix; "forward", divided by 2n (by 2(n-1) for
        type 1). A primitive, made of the array library's Fourier transform.
    Raises ShapeError for a scalar or too few points (type 1 needs two), ArgumentError for another type or norm,
    DTypeError for complex input.
    """
    norms = {None: "none", "backward": "none", "ortho": "ortho", "forward": "scaled"}
    return _transformed("dct", input, type, n, axis, norms, norm, name)


@public
def idct(
    input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The inverse of `dct` of that type; with norm None, as in TensorFlow, up to its factor 2n (2(n-1) for type 1).

    norm: what `dct` was given, for the exact inverse: "backward" has the factor 1/2n here, "forward" none,
        "ortho" half of it in both. Else as `dct`.
    """
    norms = {None: "none", "backward": "scaled", "ortho": "ortho", "forward": "none"}
    return _transformed("idct", input, type, n, axis, norms, norm, name)
