"""Modified Bessel functions of the first kind, of orders 0 and 1, plain and scaled by exp(-|x|)."""

from __future__ import annotations

from typing import Any

from graphflow.graph import Tensor
from graphflow.op import F, public
from graphflow.ops.blockwise import Blockwise
from graphflow.ops.special_bessel_kernels import i0_double, i0e_double, i1_double, i1e_double
from graphflow.ops.special_blocks import special
from graphflow.ops.ufunc import node1, reals

__all__ = ["bessel_i0", "bessel_i0e", "bessel_i1", "bessel_i1e"]


def _over(y: Tensor, x: Tensor) -> Any:
    """y / x, and its limit 1/2 at 0, where y is an odd function with that slope."""
    none = F.equal(x, 0)
    return F.where(none, 0.5, y / F.where(none, 1, x))


def _i1_vjp(node: Any, g: Tensor) -> tuple[Any]:
    x, y = node.inputs[0], node.outputs[0]
    return (g * (bessel_i0(x) - _over(y, x)),)


def _i0e_vjp(node: Any, g: Tensor) -> tuple[Any]:
    x, y = node.inputs[0], node.outputs[0]
    return (g * (bessel_i1e(x) - F.sign(x) * y),)


def _i1e_vjp(node: Any, g: Tensor) -> tuple[Any]:
    x, y = node.inputs[0], node.outputs[0]
    return (g * (bessel_i0e(x) - F.sign(x) * y - _over(y, x)),)


I0 = special(
    "bessel_i0",
    Blockwise("i0", i0_double, temporaries=(7.5, 7.5)),
    lambda node, g: (g * bessel_i1(node.inputs[0]),),
    flops_each=100,
    doc="Modified Bessel function of order 0.",
)
I1 = special(
    "bessel_i1",
    Blockwise("i1", i1_double, temporaries=(7.5, 7.5)),
    _i1_vjp,
    flops_each=100,
    doc="Modified Bessel function of order 1.",
)
I0E = special(
    "bessel_i0e",
    Blockwise("i0e", i0e_double, temporaries=(6.5, 6.5)),
    _i0e_vjp,
    flops_each=120,
    doc="Modified Bessel function of order 0, times exp(-|x|).",
)
I1E = special(
    "bessel_i1e",
    Blockwise("i1e", i1e_double, temporaries=(6.5, 6.5)),
    _i1e_vjp,
    flops_each=120,
    doc="Modified Bessel function of order 1, times exp(-|x|).",
)


@public
def bessel_i0(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function I₀(x): even, 1 at 0; 16 ULP on the CPU.

    A primitive: neither NumPy's `i0` nor the standard has its kin. Integers become the default float.
    Raises DTypeError for complex x.
    """
    return node1(I0, reals("bessel_i0", x), name)


@public
def bessel_i1(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function I₁(x): odd, 0 at 0; 16 ULP on the CPU. Else as `bessel_i0`."""
    return node1(I1, reals("bessel_i1", x), name)


@public
def bessel_i0e(x: Any, name: str | None = None) -> Tensor:
    """I₀(x) exp(-|x|), which never overflows; gradient 0 at the kink in 0; 16 ULP. Else as `bessel_i0`."""
    return node1(I0E, reals("bessel_i0e", x), name)


@public
def bessel_i1e(x: Any, name: str | None = None) -> Tensor:
    """I₁(x) exp(-|x|), which never overflows; 16 ULP. Else as `bessel_i0`."""
    return node1(I1E, reals("bessel_i1e", x), name)
