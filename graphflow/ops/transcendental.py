"""Exponentials, logarithms, trigonometric and hyperbolic functions. Integers become the default float.

Accuracy is that of the array module's own functions. Gradients are conjugated for complex values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.graph import Tensor
from graphflow.op import F, public
from graphflow.ops.blockwise import along_blocks
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.ufunc import Ufunc, binary, floats, node1, node2, reals2, unary, unbroadcast
from graphflow.types import TensorType

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "sin",
    "sinh",
    "tan",
    "tanh",
]

# --- exponentials and logarithms ------------------------------------------------------------------


def _logaddexp_vjp(node: Any, g: Any) -> Sequence[Any]:
    """Shares of a softmax of two; half each where both are the same infinity."""
    x, y = node.inputs
    tie = F.logical_and(F.equal(x, y), F.isinf(x))
    difference = F.where(tie, 0, x - y)
    return unbroadcast(g * F.sigmoid(difference), x), unbroadcast(g * F.sigmoid(-difference), y)


EXP = unary(
    "exp", "exp(x0)", lambda node, g: (g * F.conj(node.outputs[0]),), flops_each=20, doc="e to the power x."
)
EXP2 = unary(
    "exp2",
    "exp2(x0)",
    lambda node, g: (g * F.conj(node.outputs[0]) * math.log(2),),
    flops_each=20,
    doc="2 to the power x.",
)
_EXPM1 = Ufunc("expm1")


def _expm1_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    """Complex numbers whose exponential is infinite, or no number, go by exp(x) - 1, which has C99's values there."""
    if numpy_dtype(x).kind != "c":
        return _EXPM1(xp, x, out=out)
    if xp is np:
        result = np.empty(x.shape, x.dtype) if out is None else out
        along_blocks((x,), result, _complex_expm1, _BLOCK)
        return result
    result = xp.expm1(x)
    beyond = xp.logical_not(xp.isfinite(result))
    if bool(xp.any(beyond)):
        result = xp.where(beyond, xp.exp(x) - 1, result)
    if out is None:
        return result
    xp.copyto(out, result)
    return out


def _complex_expm1(x: Any, out: Any) -> None:
    result = np.expm1(x)
    beyond = np.logical_not(np.isfinite(result))
    if beyond.any():
        result = np.where(beyond, np.exp(x) - 1, result)
    out[...] = result


_BLOCK = 1024
"""Elements of a block: what it takes is little even beside a result of some 100 KiB."""


def _expm1_nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Of a block of complex numbers the result in two forms, and which elements go by the second."""
    elements: Any = outputs[0].size  # an int by now
    each = 4 * outputs[0].dtype.itemsize + 1
    return each * int(min(elements, _BLOCK)) if outputs[0].dtype.kind == "c" else 0


EXPM1 = unary(
    "expm1",
    "expm1(x0)",
    lambda node, g: (g * F.conj(node.outputs[0] + 1),),
    kernel=_expm1_kernel,
    workspace=_expm1_nbytes,
    flops_each=25,
    doc="exp(x) - 1, exact near 0.",
)
LOG = unary(
    "log", "log(x0)", lambda node, g: (g / F.conj(node.inputs[0]),), flops_each=20, doc="Natural logarithm."
)
LOG1P = unary(
    "log1p",
    "log1p(x0)",
    lambda node, g: (g / F.conj(node.inputs[0] + 1),),
    flops_each=25,
    doc="log(1 + x), exact near 0.",
)
LOG2 = unary(
    "log2",
    "log2(x0)",
    lambda node, g: (g / (F.conj(node.inputs[0]) * math.log(2)),),
    flops_each=20,
    doc="Logarithm to base 2.",
)
LOG10 = unary(
    "log10",
    "log10(x0)",
    lambda node, g: (g / (F.conj(node.inputs[0]) * math.log(10)),),
    flops_each=20,
    doc="Logarithm to base 10.",
)
LOGADDEXP = binary(
    "logaddexp",
    "x0 == x1 ? x0 + log(2) : fmax(x0, x1) + log1p(exp(-fabs(x0 - x1)))",
    _logaddexp_vjp,
    flops_each=50,
    doc="log(exp(x) + exp(y)) without overflow.",
)


@public
def exp(x: Any, name: str | None = None) -> Tensor:
    """e to the power `x`."""
    return node1(EXP, floats("exp", x), name)


@public
def exp2(x: Any, name: str | None = None) -> Tensor:
    """2 to the power `x`."""
    return node1(EXP2, floats("exp2", x), name)


@public
def expm1(x: Any, name: str | None = None) -> Tensor:
    """`exp(x) - 1`, exact near 0."""
    return node1(EXPM1, floats("expm1", x), name)


@public
def log(x: Any, name: str | None = None) -> Tensor:
    """The natural logarithm: NaN for negative real numbers, -inf at 0."""
    return node1(LOG, floats("log", x), name)


@public
def log1p(x: Any, name: str | None = None) -> Tensor:
    """`log(1 + x)`, exact near 0."""
    return node1(LOG1P, floats("log1p", x), name)


@public
def log2(x: Any, name: str | None = None) -> Tensor:
    """The logarithm to base 2."""
    return node1(LOG2, floats("log2", x), name)


@public
def log10(x: Any, name: str | None = None) -> Tensor:
    """The logarithm to base 10."""
    return node1(LOG10, floats("log10", x), name)


@public
def logaddexp(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`log(exp(x) + exp(y))` without overflow. Raises DTypeError for complex numbers."""
    a, b = reals2("logaddexp", x, y)
    return node2(LOGADDEXP, a, b, name)


# --- trigonometric functions ----------------------------------------------------------------------


def _over_one_minus_square(node: Any, g: Any) -> Sequence[Any]:
    """g / sqrt(1 - x²) by way of (1 - x)(1 + x), which is exact near ±1; on the branch that NumPy cuts."""
    x = node.inputs[0]
    return (g / F.conj(F.sqrt(1 - x) * F.sqrt(1 + x)),)


def _atan2_vjp(node: Any, g: Any) -> Sequence[Any]:
    y, x = node.inputs
    scaled = g / (F.square(x) + F.square(y))
    return unbroadcast(scaled * x, y), unbroadcast(-scaled * y, x)


SIN = unary("sin", "sin(x0)", lambda node, g: (g * F.conj(cos(node.inputs[0])),), flops_each=20, doc="Sine.")
COS = unary(
    "cos", "cos(x0)", lambda node, g: (-g * F.conj(sin(node.inputs[0])),), flops_each=20, doc="Cosine."
)
TAN = unary(
    "tan",
    "tan(x0)",
    lambda node, g: (g * F.conj(F.square(node.outputs[0]) + 1),),
    flops_each=30,
    doc="Tangent.",
)
ASIN = unary("asin", "asin(x0)", _over_one_minus_square, flops_each=30, doc="Inverse sine.")
ACOS = unary(
    "acos", "acos(x0)", lambda node, g: _over_one_minus_square(node, -g), flops_each=30, doc="Inverse cosine."
)
ATAN = unary(
    "atan",
    "atan(x0)",
    lambda node, g: (g / F.conj(F.square(node.inputs[0]) + 1),),
    flops_each=30,
    doc="Inverse tangent.",
)
ATAN2 = binary("atan2", "atan2(x0, x1)", _atan2_vjp, flops_each=40, doc="Angle of the point (second, first).")


@public
def sin(x: Any, name: str | None = None) -> Tensor:
    """The sine of `x` in radians."""
    return node1(SIN, floats("sin", x), name)


@public
def cos(x: Any, name: str | None = None) -> Tensor:
    """The cosine of `x` in radians."""
    return node1(COS, floats("cos", x), name)


@public
def tan(x: Any, name: str | None = None) -> Tensor:
    """The tangent of `x` in radians."""
    return node1(TAN, floats("tan", x), name)


@public
def asin(x: Any, name: str | None = None) -> Tensor:
    """The inverse sine in [-π/2, π/2]; NaN outside [-1, 1] for real numbers."""
    return node1(ASIN, floats("asin", x), name)


@public
def acos(x: Any, name: str | None = None) -> Tensor:
    """The inverse cosine in [0, π]; NaN outside [-1, 1] for real numbers."""
    return node1(ACOS, floats("acos", x), name)


@public
def atan(x: Any, name: str | None = None) -> Tensor:
    """The inverse tangent in [-π/2, π/2]."""
    return node1(ATAN, floats("atan", x), name)


@public
def atan2(y: Any, x: Any, name: str | None = None) -> Tensor:
    """The angle of the point (x, y) in [-π, π]; note the order. Its gradient at (0, 0) is NaN.

    Raises DTypeError for complex numbers.
    """
    a, b = reals2("atan2", y, x)
    return node2(ATAN2, a, b, name)


# --- hyperbolic functions -------------------------------------------------------------------------

SINH = unary(
    "sinh",
    "sinh(x0)",
    lambda node, g: (g * F.conj(cosh(node.inputs[0])),),
    flops_each=25,
    doc="Hyperbolic sine.",
)
COSH = unary(
    "cosh",
    "cosh(x0)",
    lambda node, g: (g * F.conj(sinh(node.inputs[0])),),
    flops_each=25,
    doc="Hyperbolic cosine.",
)
TANH = unary(
    "tanh",
    "tanh(x0)",
    lambda node, g: (g * F.conj(1 - F.square(node.outputs[0])),),
    flops_each=25,
    doc="Hyperbolic tangent.",
)
ASINH = unary(
    "asinh",
    "asinh(x0)",
    lambda node, g: (g / F.conj(cosh(node.outputs[0])),),
    flops_each=40,
    doc="Inverse hyperbolic sine.",
)
ACOSH = unary(
    "acosh",
    "acosh(x0)",
    lambda node, g: (g / F.conj(F.sqrt(node.inputs[0] - 1) * F.sqrt(node.inputs[0] + 1)),),
    flops_each=40,
    doc="Inverse hyperbolic cosine.",
)
ATANH = unary(
    "atanh",
    "atanh(x0)",
    lambda node, g: (g / F.conj((1 - node.inputs[0]) * (1 + node.inputs[0])),),
    flops_each=40,
    doc="Inverse hyperbolic tangent.",
)


@public
def sinh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic sine."""
    return node1(SINH, floats("sinh", x), name)


@public
def cosh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic cosine."""
    return node1(COSH, floats("cosh", x), name)


@public
def tanh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic tangent."""
    return node1(TANH, floats("tanh", x), name)


@public
def asinh(x: Any, name: str | None = None) -> Tensor:
    """The inverse hyperbolic sine."""
    return node1(ASINH, floats("asinh", x), name)


@public
def acosh(x: Any, name: str | None = None) -> Tensor:
    """The inverse hyperbolic cosine; NaN below 1 for real numbers."""
    return node1(ACOSH, floats("acosh", x), name)


@public
def atanh(x: Any, name: str | None = None) -> Tensor:
    """The inverse hyperbolic tangent; NaN outside [-1, 1] for real numbers."""
    return node1(ATANH, floats("atanh", x), name)
