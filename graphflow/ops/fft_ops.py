"""The ops behind the Fourier transforms: complex spectra, half spectra of real numbers, and real numbers from these.

A transform is a linear map, and its transpose is the opposite transform with the opposite norm; so are the gradients.
For half spectra, the frequencies that stand for two weigh half, or twice.
"""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare
from graphflow.ops.arguments import known_shape, typed
from graphflow.ops.fft_kernels import (
    SWAPPED,
    Norm,
    complex_of,
    flops,
    reals_of_spectrum,
    spectrum,
    spectrum_of_reals,
)
from graphflow.ops.fft_lines import piece_elements, scratch_nbytes
from graphflow.ops.fft_sizes import crop_or_pad_like, weigh_mirrored
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.types import SUPPORTED, DimLike, Shape, TensorType, normalize_axes

__all__ = ["FFT", "IRFFT", "RFFT"]

Axes = tuple[int, ...] | None

# --- inference and costs --------------------------------------------------------------------------


def _places(x: TensorType, s: Shape | None, axes: Axes) -> tuple[tuple[int, ...], Shape]:
    """Non-negative axes and the number of points along each. Raises ArgumentError or ShapeError."""
    if x.rank == 0:
        raise ShapeError(f"{x} is a scalar and has no axis to transform")
    places = normalize_axes(axes, x.rank)
    if not places:
        raise ArgumentError("axes must name at least one axis, got ()")
    return places, tuple([x.dims[a] for a in places]) if s is None else s


def _check_points(x: TensorType, places: tuple[int, ...], sizes: Shape) -> None:
    for axis, n in zip(places, sizes, strict=True):
        if isinstance(n, int) and n < 1:
            raise ShapeError(
                f"a transform needs at least one point, but axis {axis} of {x} gives {max(n, 0)}"
            )


def _resized(x: TensorType, places: tuple[int, ...], sizes: Shape) -> Shape:
    dims = list(x.dims)
    for a, n in zip(places, sizes, strict=True):
        dims[a] = n
    return tuple(dims)


def _half(n: DimLike) -> DimLike:
    """Frequencies of the half spectrum of `n` points."""
    return n // 2 + 1


def _infer_spectrum(x: TensorType, *, s: Shape | None, axes: Axes, **attrs: Any) -> TensorType:
    places, sizes = _places(x, s, axes)
    _check_points(x, places, sizes)
    return typed(complex_of(x.dtype), _resized(x, places, sizes))


def _infer_half(x: TensorType, *, s: Shape | None, axes: Axes, norm: Norm) -> TensorType:
    places, sizes = _places(x, s, axes)
    _check_points(x, places, sizes)
    return typed(complex_of(x.dtype), _resized(x, places, (*sizes[:-1], _half(sizes[-1]))))


def _real_sizes(x: TensorType, like: TensorType | None, s: Shape | None, axes: Axes) -> tuple[Any, Shape]:
    places, sizes = _places(x, s, axes)
    if like is not None:
        sizes = (*sizes[:-1], like.dims[places[-1]])
    elif s is None:
        sizes = (*sizes[:-1], (sizes[-1] - 1) * 2)
    return places, sizes


def _infer_reals(
    x: TensorType, like: TensorType | None = None, *, s: Shape | None, axes: Axes, norm: Norm
) -> TensorType:
    places, sizes = _real_sizes(x, like, s, axes)
    _check_points(x, places, sizes)
    return typed(_real_of(x), _resized(x, places, sizes))


def _real_of(x: TensorType) -> Any:
    return SUPPORTED["float64" if x.dtype.itemsize == 16 or x.dtype.name == "float64" else "float32"]


def _costs(half: bool) -> dict[str, Any]:
    """What `flops` and `workspace` say of a transform; `half`: of real numbers."""

    def points(inputs: Any, outputs: Any, s: Any, axes: Axes) -> tuple[tuple[int, ...], Any, Any]:
        x, y = inputs[0], outputs[0]
        places = normalize_axes(axes, x.rank)
        longer = y if y.dtype.kind == "f" or not half else x
        sizes = [longer.dims[a] for a in places] if s is None or longer is y else s
        return places, sizes, longer

    def count(inputs: Any, outputs: Any, *, s: Any, axes: Axes, **attrs: Any) -> int:
        _, sizes, longer = points(inputs, outputs, s, axes)
        return flops(int(longer.size), sizes, longer.dtype.kind == "f")

    def nbytes(inputs: Any, outputs: Any, *, s: Any, axes: Axes, **attrs: Any) -> int:
        """Arrays, NumPy's buffers, and of its scratch, which no tool sees, as much as is little beside the result."""
        places, sizes, _ = points(inputs, outputs, s, axes)
        x, y = inputs[0], outputs[0]
        held = min(scratch_nbytes(sizes), int(y.nbytes) // 64)
        if y.dtype.kind == "f":
            return held + _nbytes_of_reals(x, y, places)
        return held + (buffers_nbytes(y.size, y.dtype, y.dtype) if not half and x.dtype.kind == "f" else 0)

    return {"flops": count, "workspace": nbytes}


def _nbytes_of_reals(x: Any, y: Any, places: tuple[int, ...]) -> int:
    """What real numbers `y` are made from: the spectrum with all axes but the last transformed, and reals converted.

    NumPy converts a piece of reals to complex128, and single precision of the result back.
    """
    *rest, last = places
    given, inner = list(x.dims), list(y.dims)
    given[last] = inner[last] = min(given[last], inner[last] // 2 + 1)
    held = math.prod(inner) * complex_of(x.dtype).itemsize if rest else 0
    if x.dtype.kind == "c" or any(given[a] != inner[a] for a in rest[:-1]):
        return held
    axis = rest[-1] if rest else last
    elements = piece_elements(given, axis)
    held += 16 * elements
    if x.dtype.itemsize < 8:
        held += elements // max(given[axis], 1) * int(y.dims[axis]) * (16 if rest else 8)
    return held


# --- complex spectra ------------------------------------------------------------------------------


def _axes(x: Any, axes: Axes) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axes is None else tuple([a % x.ndim for a in axes])


def _spectrum_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    x, attrs = node.inputs[0], node.attrs
    back = {**attrs, "s": None, "inverse": not attrs["inverse"], "norm": SWAPPED[attrs["norm"]]}
    y = make_node(FFT, (g,), back).outputs[0]
    if x.type.dtype.kind != "c":
        y = F.real(y)
    return (y if attrs["s"] is None else crop_or_pad_like(y, x, attrs["axes"]),)


FFT: Op = declare(
    Op(
        "fft",
        _infer_spectrum,
        lambda xp, x, *, s, axes, inverse, norm, out=None: spectrum(
            xp, x, s, _axes(x, axes), inverse, norm, out
        ),
        _spectrum_vjp,
        Trait.OUT,
        dtype=lambda x, **attrs: complex_of(x.dtype),
        default_name="FFT",
        doc="Fourier transform of complex or real numbers, or its inverse.",
        **_costs(half=False),
    )
)


# --- half spectra ---------------------------------------------------------------------------------


def _last(axes: Axes) -> int:
    return -1 if axes is None else axes[-1]


def _half_vjp(node: Any, g: Tensor) -> tuple[Tensor]:
    """Of the whole spectrum the upper half got no gradient: the real inverse would count the lower one twice."""
    x, s, axes, norm = node.inputs[0], *[node.attrs[k] for k in ("s", "axes", "norm")]
    g = weigh_mirrored(g, _last(axes), x, 0.5, None if s is None else s[-1])
    back = {"s": s, "axes": axes, "norm": SWAPPED[norm]}
    if s is not None:
        return (crop_or_pad_like(make_node(IRFFT, (g,), back).outputs[0], x, axes),)
    dims = known_shape(x)
    if dims is not None:
        back |= {"s": dims if axes is None else tuple([dims[a] for a in axes])}
    return (make_node(IRFFT, (g,) if dims is not None else (g, x), back).outputs[0],)


def _reals_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, s, axes, norm = node.inputs[0], *[node.attrs[k] for k in ("s", "axes", "norm")]
    y = make_node(RFFT, (g,), {"s": None, "axes": axes, "norm": SWAPPED[norm]}).outputs[0]
    y = weigh_mirrored(y, _last(axes), g, 2.0)
    if x.type.dtype.kind != "c":
        y = F.real(y)
    if s is not None:
        y = crop_or_pad_like(y, x, axes)
    return (y, *[None] * (len(node.inputs) - 1))


RFFT: Op = declare(
    Op(
        "rfft",
        _infer_half,
        lambda xp, x, *, s, axes, norm, out=None: spectrum_of_reals(xp, x, s, _axes(x, axes), norm, out),
        _half_vjp,
        Trait.OUT,
        dtype=lambda x, **attrs: complex_of(x.dtype),
        default_name="RFFT",
        doc="The lower half of the Fourier transform of real numbers.",
        **_costs(half=True),
    )
)


def _reals_kernel(xp: Any, x: Any, *like: Any, s: Any, axes: Axes, norm: Norm, out: Any = None) -> Any:
    places = _axes(x, axes)
    if like:
        s = (*[x.shape[a] for a in places[:-1]], like[0].shape[places[-1]])
    return reals_of_spectrum(xp, x, s, places, norm, out)


IRFFT: Op = declare(
    Op(
        "irfft",
        _infer_reals,
        _reals_kernel,
        _reals_vjp,
        Trait.OUT,
        dtype=lambda x, *like, **attrs: _real_of(x),
        default_name="IRFFT",
        doc="Real numbers from the lower half of their Fourier transform.",
        **_costs(half=True),
    )
)
