"""Complex numbers: their parts, conjugates and angles. Real numbers pass through unchanged.

The gradient of a real loss for z = x + iy is dL/dx + i dL/dy; the rules here follow from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.graph import Tensor
from graphflow.op import F, public
from graphflow.ops.cast import cast
from graphflow.ops.ufunc import (
    Ufunc,
    binary,
    broadcast,
    floats,
    node1,
    node2,
    numbers,
    reals2,
    unary,
    unbroadcast,
)
from graphflow.types import SUPPORTED, TensorType, promote

__all__ = ["angle", "complex", "conj", "imag", "real"]


def _part_type(x: TensorType) -> TensorType:
    return TensorType(_part_dtype(x), x.shape)


def _part_dtype(x: TensorType) -> Any:
    return SUPPORTED["float64" if x.dtype.name == "complex128" else "float32"]


def _whole_type(re: TensorType, im: TensorType) -> TensorType:
    return TensorType(_whole_dtype(re, im), broadcast(re, im).shape)


def _whole_dtype(re: TensorType, im: TensorType) -> Any:
    return SUPPORTED["complex128" if re.dtype.name == "float64" else "complex64"]


def _part_kernel(part: str) -> Any:
    def kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
        view = getattr(xp, part)(x)
        return xp.positive(view) if out is None else xp.positive(view, out=out)

    return kernel


def _angle_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    return Ufunc("atan2")(xp, xp.imag(x), xp.real(x), out=out)


def _complex_kernel(xp: Any, re: Any, im: Any, *, out: Any = None) -> Any:
    if out is None:
        shape = xp.broadcast_arrays(re, im)[0].shape
        out = xp.empty(shape, dtype=xp.complex128 if re.dtype == xp.float64 else xp.complex64)
    out.real = re
    out.imag = im
    return out


def _angle_vjp(node: Any, g: Any) -> Sequence[Any]:
    z = node.inputs[0]
    scaled = g / (F.square(real(z)) + F.square(imag(z)))
    return (complex(-scaled * imag(z), scaled * real(z)),)


REAL = unary(
    "real",
    "creal(x0)",
    lambda node, g: (cast(g, node.inputs[0].dtype),),
    kernel=_part_kernel("real"),
    infer=_part_type,
    dtype=_part_dtype,
    doc="Real part.",
)
IMAG = unary(
    "imag",
    "cimag(x0)",
    lambda node, g: (complex(F.zeros_like(g), g),),
    kernel=_part_kernel("imag"),
    infer=_part_type,
    dtype=_part_dtype,
    doc="Imaginary part.",
)
CONJ = unary("conj", "conj(x0)", lambda node, g: (conj(g),), doc="Complex conjugate.")
ANGLE = unary(
    "angle",
    "carg(x0)",
    _angle_vjp,
    kernel=_angle_kernel,
    infer=_part_type,
    dtype=_part_dtype,
    flops_each=40,
    doc="Argument of complex numbers.",
)
COMPLEX = binary(
    "complex",
    "CMPLX(x0, x1)",
    lambda node, g: (unbroadcast(real(g), node.inputs[0]), unbroadcast(imag(g), node.inputs[1])),
    kernel=_complex_kernel,
    infer=_whole_type,
    dtype=_whole_dtype,
    doc="Complex numbers from two parts.",
)


@public
def real(x: Any, name: str | None = None) -> Tensor:
    """The real part; the tensor itself where it is real. Raises DTypeError for bools."""
    x = numbers("real", x)
    return node1(REAL, x, name) if x.type.dtype.kind == "c" else x


@public
def imag(x: Any, name: str | None = None) -> Tensor:
    """The imaginary part; zeros for real `x`. Raises DTypeError for bools."""
    x = numbers("imag", x)
    return node1(IMAG, x, name) if x.type.dtype.kind == "c" else F.zeros_like(x)


@public
def conj(x: Any, name: str | None = None) -> Tensor:
    """The complex conjugate; the tensor itself where it is real. Raises DTypeError for bools."""
    x = numbers("conj", x)
    return node1(CONJ, x, name) if x.type.dtype.kind == "c" else x


@public
def angle(x: Any, name: str | None = None) -> Tensor:
    """The angle of `x` in the complex plane, in [-π, π]: 0 or π for real numbers. Its gradient at 0 is NaN."""
    x = floats("angle", x)
    return node1(ANGLE, x, name) if x.type.dtype.kind == "c" else F.atan2(0, x, name=name)


@public
def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """`real + 1j * imag`, broadcast: complex128 from float64, else complex64.

    Raises DTypeError where a part is complex already.
    """
    a, b = reals2("complex", real, imag)
    dtype = promote(a.type.dtype, SUPPORTED["float32"])  # there is no half precision complex type
    return node2(COMPLEX, cast(a, dtype), cast(b, dtype), name)
