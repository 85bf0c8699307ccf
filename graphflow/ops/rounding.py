"""Rounding to integers and the neighbours of a floating point number. Integers keep their value, in a tensor of its own."""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError
from graphflow.graph import Tensor
from graphflow.op import F, public, zero_vjp
from graphflow.ops.ufunc import binary, node1, node2, numbers, reals, reals2, truth, unary, unbroadcast
from graphflow.types import SUPPORTED, is_integer

__all__ = ["ceil", "copysign", "floor", "nextafter", "round", "signbit", "trunc"]


def _round_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    function = getattr(xp, "rint", xp.round)  # NumPy's `round` is `rint` behind slow Python
    return function(x) if out is None else function(x, out=out)


def _signbit_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    return xp.signbit(x) if out is None else xp.signbit(x, out=out)


FLOOR = unary("floor", "floor(x0)", zero_vjp, doc="Rounded down.")
CEIL = unary("ceil", "ceil(x0)", zero_vjp, doc="Rounded up.")
TRUNC = unary("trunc", "trunc(x0)", zero_vjp, doc="Rounded towards zero.")
ROUND = unary(
    "round", "rint(x0)", zero_vjp, kernel=_round_kernel, doc="Rounded to the nearest, half to even."
)
COPYSIGN = binary(
    "copysign",
    "copysign(x0, x1)",
    lambda node, g: (
        unbroadcast(g * F.sign(node.inputs[0]) * F.sign(node.outputs[0]), node.inputs[0]),
        F.zeros_like(node.inputs[1]),
    ),
    doc="Magnitude of the first operand, sign of the second.",
)
NEXTAFTER = binary(
    "nextafter",
    "nextafter(x0, x1)",
    lambda node, g: (unbroadcast(g, node.inputs[0]), F.zeros_like(node.inputs[1])),
    doc="Next floating point number from the first operand towards the second.",
)
SIGNBIT = unary(
    "signbit",
    "signbit(x0) != 0",
    None,
    kernel=_signbit_kernel,
    infer=truth,
    dtype=lambda x: SUPPORTED["bool"],
    doc="Whether the sign bit is set.",
)


def _rounded(op: Any, x: Tensor, name: str | None) -> Tensor:
    if is_integer(x.type.dtype):
        return F.identity(x, name=name)  # type: ignore[no-any-return]
    return node1(op, x, name)


@public
def floor(x: Any, name: str | None = None) -> Tensor:
    """The largest whole number not above `x`, in the dtype of `x`. The gradient is zero."""
    return _rounded(FLOOR, reals("floor", x, floating=False), name)


@public
def ceil(x: Any, name: str | None = None) -> Tensor:
    """The smallest whole number not below `x`, in the dtype of `x`. The gradient is zero."""
    return _rounded(CEIL, reals("ceil", x, floating=False), name)


@public
def trunc(x: Any, name: str | None = None) -> Tensor:
    """`x` without its fraction, in the dtype of `x`. The gradient is zero."""
    return _rounded(TRUNC, reals("trunc", x, floating=False), name)


@public
def round(x: Any, name: str | None = None) -> Tensor:
    """The nearest whole number, half to even; the parts of a complex number one by one. The gradient is zero."""
    return _rounded(ROUND, numbers("round", x), name)


@public
def copysign(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`abs(x)` with the sign of `y`, -0.0 and NaN included. The gradient for `y` is zero."""
    a, b = reals2("copysign", x, y)
    return node2(COPYSIGN, a, b, name)


@public
def nextafter(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The next number after `x` towards `y` that the dtype has. The gradients are 1 and 0."""
    a, b = reals2("nextafter", x, y)
    return node2(NEXTAFTER, a, b, name)


@public
def signbit(x: Any, name: str | None = None) -> Tensor:
    """True where the sign bit is set, so also for -0.0; `x < 0` for integers. Raises DTypeError for bools."""
    x = numbers("signbit", x)
    if x.type.dtype.kind == "c":
        raise DTypeError(f"signbit: {x!r} is complex and has no sign")
    if is_integer(x.type.dtype):
        return F.less(x, 0, name=name)  # type: ignore[no-any-return]
    return node1(SIGNBIT, x, name)
