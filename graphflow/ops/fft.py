"""Discrete Fourier transforms: of complex numbers, of real ones, and back, along one axis or several.

    y[k] = sum over j of x[j] exp(-2 pi i j k / n)             forward; the inverse has +2 pi i and a factor 1 / n

All functions take `norm`, which says where the factor is: "backward" (None means it too) has it in the inverse,
"forward" in the forward transform, "ortho" has its square root in both. complex64 and float32 stay in single
precision, 16-bit floats become float32, integers and bools the default float.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, public
from graphflow.ops.arguments import axis_attr, dims_argument, one_dim
from graphflow.ops.cast import cast
from graphflow.ops.fft_kernels import SWAPPED, Norm
from graphflow.ops.fft_ops import FFT, IRFFT, RFFT
from graphflow.ops.ufunc import floats, reals
from graphflow.types import SUPPORTED, Dim, Shape, as_index

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]


def _checked_norm(op: str, norm: Any) -> Norm:
    if norm is None:
        return "backward"
    if not isinstance(norm, str) or norm not in SWAPPED:
        raise ArgumentError(f"{op}: norm must be 'backward', 'ortho' or 'forward', not {shorten(norm)}")
    return norm


def _sizes(op: str, what: str, s: Any) -> Shape | None:
    if s is None:
        return None
    sizes = (one_dim(s, f"{op}: {what}"),) if what == "n" else dims_argument(s, f"{op}: {what}")
    for n in sizes:
        if not isinstance(n, Dim) and n < 1:
            raise ShapeError(f"{op}: {what} must be at least 1, not {shorten(s)}")
    return sizes


def _attrs(op: str, x: Tensor, s: Shape | None, axes: Any, norm: Any) -> dict[str, Any]:
    """Attributes of a transform along several axes; without axes, sizes are for the last ones."""
    if s is not None and axes is None:
        axes = tuple(range(-len(s), 0))
    places = axis_attr(op, axes, x)
    if places is None and x.type.shape is not None:
        places = tuple(range(len(x.type.shape)))
    if places is not None and s is not None and len(s) != len(places):
        raise ArgumentError(f"{op}: {len(s)} sizes {shorten(s)} for {len(places)} axes {list(places)}")
    return {"s": s, "axes": places, "norm": _checked_norm(op, norm)}


def _single(x: Tensor) -> Tensor:
    """16-bit floats as float32: there are no complex numbers of 16-bit parts."""
    return cast(x, SUPPORTED["float32"]) if x.type.dtype.itemsize == 2 else x


def _spectrum(
    op: str, x: Any, what: str, s: Any, axes: Any, norm: Any, inverse: bool, name: str | None
) -> Tensor:
    t = _single(floats(op, x))
    attrs = _attrs(op, t, _sizes(op, what, s), axes, norm)
    name = "IFFT" if name is None and inverse else name
    return make_node(FFT, (t,), {**attrs, "inverse": inverse}, name).outputs[0]


@public
def fft(
    x: Any, n: Any = None, axis: int = -1, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The discrete Fourier transform of `x` along `axis`: complex, in the shape of `x`.

    n: the number of points, to which the axis is cropped or padded with zeros first; its own size where left out.
    norm: "backward" or None, no factor; "ortho", 1/√n; "forward", 1/n.
    A primitive: every array library has one. Real `x` takes half the time of complex `x`.
    Raises ShapeError for a scalar, an empty axis or n < 1, ArgumentError for a bad axis or norm.
    """
    return _spectrum("fft", x, "n", n, as_index(axis, "fft: axis"), norm, False, name)


@public
def ifft(
    x: Any, n: Any = None, axis: int = -1, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The inverse of `fft`: `ifft(fft(x))` is `x`. Arguments and errors as for `fft`.

    norm: "backward" or None, the factor 1/n; "ortho", 1/√n; "forward", none.
    """
    return _spectrum("ifft", x, "n", n, as_index(axis, "ifft: axis"), norm, True, name)


@public
def fftn(
    x: Any, s: Any = None, axes: Any = None, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """`fft` along several axes, one after another.

    s: the number of points along each of `axes`. axes: all where left out; with `s`, the last `len(s)`.
    Raises ArgumentError for axes that are repeated, none, or not as many as `s`; else as `fft`.
    """
    return _spectrum("fftn", x, "s", s, axes, norm, False, name)


@public
def ifftn(
    x: Any, s: Any = None, axes: Any = None, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The inverse of `fftn`. Arguments and errors as for `fftn`."""
    return _spectrum("ifftn", x, "s", s, axes, norm, True, name)


@public
def fft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """`fftn` along two axes, the last ones where left out."""
    return _spectrum("fft2", x, "s", s, axes, norm, False, name)


@public
def ifft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The inverse of `fft2`."""
    return _spectrum("ifft2", x, "s", s, axes, norm, True, name)


# --- half spectra of real numbers -----------------------------------------------------------------


def _half_spectrum(op: str, x: Any, what: str, s: Any, axes: Any, norm: Any, name: str | None) -> Tensor:
    t = _single(reals(op, x))
    return make_node(RFFT, (t,), _attrs(op, t, _sizes(op, what, s), axes, norm), name).outputs[0]


def _real_numbers(op: str, x: Any, what: str, s: Any, axes: Any, norm: Any, name: str | None) -> Tensor:
    t = _single(floats(op, x))
    return make_node(IRFFT, (t,), _attrs(op, t, _sizes(op, what, s), axes, norm), name).outputs[0]


def _length(op: str, n: Any, fft_length: Any) -> Any:
    if n is not None and fft_length is not None:
        raise ArgumentError(f"{op}: n and fft_length are two names of one argument; give one")
    return n if fft_length is None else fft_length


@public
def rfft(
    x: Any,
    n: Any = None,
    axis: int = -1,
    norm: str | None = "backward",
    name: str | None = None,
    fft_length: Any = None,
) -> Tensor:
    """The lower half, `n // 2 + 1` frequencies, of `fft` of real `x`; the upper half is its mirrored conjugate.

    n: as for `fft`; a list of one size, which TensorFlow 1 passes, will do. fft_length: TensorFlow's name of n.
    A primitive. Raises DTypeError for complex `x`; else as `fft`.
    """
    size = _length("rfft", n, fft_length)
    return _half_spectrum("rfft", x, "n", size, as_index(axis, "rfft: axis"), norm, name)


@public
def irfft(
    x: Any,
    n: Any = None,
    axis: int = -1,
    norm: str | None = "backward",
    name: str | None = None,
    fft_length: Any = None,
) -> Tensor:
    """The `n` real numbers whose lower half spectrum is `x`: the inverse of `rfft` with the same `n`.

    n: `2 * (x.shape[axis] - 1)` where left out: say it for an odd number. Of `x`, `n // 2 + 1` frequencies are
        used, missing ones are 0; the imaginary parts of the first, and for even n the last, do not matter.
    fft_length: TensorFlow's name of n. A primitive. Raises as `fft`, also for one frequency without `n`.
    """
    size = _length("irfft", n, fft_length)
    return _real_numbers("irfft", x, "n", size, as_index(axis, "irfft: axis"), norm, name)


@public
def rfftn(
    x: Any, s: Any = None, axes: Any = None, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """`rfft` along the last of `axes`, then `fft` along the others. Arguments and errors as for `fftn`."""
    return _half_spectrum("rfftn", x, "s", s, axes, norm, name)


@public
def irfftn(
    x: Any, s: Any = None, axes: Any = None, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The inverse of `rfftn` with the same `s`; without it the last axis gets an even size, as with `irfft`."""
    return _real_numbers("irfftn", x, "s", s, axes, norm, name)


@public
def rfft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """`rfftn` along two axes, the last ones where left out."""
    return _half_spectrum("rfft2", x, "s", s, axes, norm, name)


@public
def irfft2(
    x: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The inverse of `rfft2`."""
    return _real_numbers("irfft2", x, "s", s, axes, norm, name)


# --- spectra that are real ------------------------------------------------------------------------


@public
def hfft(
    x: Any, n: Any = None, axis: int = -1, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """`fft` of a signal whose first half is `x` and whose second is its mirrored conjugate: `n` real numbers.

    n: `2 * (x.shape[axis] - 1)` where left out. A composition: the conjugate's `irfft` with the opposite norm.
    """
    with composition("hfft" if name is None else name):
        z = F.conj(floats("hfft", x))
        opposite = SWAPPED[_checked_norm("hfft", norm)]
        return _real_numbers("hfft", z, "n", n, as_index(axis, "hfft: axis"), opposite, None)


@public
def ihfft(
    x: Any, n: Any = None, axis: int = -1, norm: str | None = "backward", name: str | None = None
) -> Tensor:
    """The inverse of `hfft`: the first half, `n // 2 + 1` numbers, of `ifft` of real `x`. A composition."""
    with composition("ihfft" if name is None else name):
        opposite = SWAPPED[_checked_norm("ihfft", norm)]
        half = _half_spectrum("ihfft", x, "n", n, as_index(axis, "ihfft: axis"), opposite, None)
        result: Tensor = F.conj(half)
        return result
