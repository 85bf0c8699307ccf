"""Elementwise arithmetic: sums, products, quotients, powers and roots, by their Array API names.

Operands are cast to one dtype by explicit `cast` nodes when the node is built, so that kernels
always meet equal dtypes and the casts can be seen, planned and optimised. Gradients of complex values
are the conjugates of the holomorphic derivatives, as in TensorFlow: for z = x + iy the gradient of a
real loss L is dL/dx + i dL/dy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.graph import Tensor
from graphflow.op import F, Trait, public
from graphflow.ops.cast import cast
from graphflow.ops.ufunc import (
    binary,
    floats,
    floats2,
    is_cuda,
    node1,
    node2,
    numbers,
    numbers2,
    reals,
    reals2,
    room,
    unary,
    unbroadcast,
)
from graphflow.types import TensorType

__all__ = [
    "abs",
    "add",
    "cbrt",
    "divide",
    "hypot",
    "multiply",
    "negative",
    "positive",
    "reciprocal",
    "rsqrt",
    "sign",
    "sqrt",
    "square",
    "subtract",
    "unbroadcast",
]

# --- the four operations --------------------------------------------------------------------------


def _divide_vjp(node: Any, g: Any) -> Sequence[Any]:
    x, y = node.inputs
    gx = g / F.conj(y)
    return unbroadcast(gx, x), unbroadcast(-gx * F.conj(node.outputs[0]), y)


ADD = binary(
    "add",
    "x0 + x1",
    lambda node, g: (unbroadcast(g, node.inputs[0]), unbroadcast(g, node.inputs[1])),
    traits=Trait.COMMUTATIVE,
    default_name="add",
    doc="Sum of two operands.",
)
SUBTRACT = binary(
    "subtract",
    "x0 - x1",
    lambda node, g: (unbroadcast(g, node.inputs[0]), unbroadcast(-g, node.inputs[1])),
    default_name="sub",
    doc="Difference of two operands.",
)
MULTIPLY = binary(
    "multiply",
    "x0 * x1",
    lambda node, g: (
        unbroadcast(g * F.conj(node.inputs[1]), node.inputs[0]),
        unbroadcast(g * F.conj(node.inputs[0]), node.inputs[1]),
    ),
    traits=Trait.COMMUTATIVE,
    default_name="mul",
    doc="Product of two operands.",
)
DIVIDE = binary(
    "divide", "x0 / x1", _divide_vjp, default_name="truediv", doc="True quotient of two floating operands."
)


@public
def add(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x + y`, broadcast. Raises DTypeError for two bools: use `logical_or`."""
    a, b = numbers2("add", x, y)
    return node2(ADD, a, b, name)


@public
def subtract(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x - y`, broadcast. Raises DTypeError for two bools: use `logical_xor`."""
    a, b = numbers2("subtract", x, y)
    return node2(SUBTRACT, a, b, name)


@public
def multiply(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x * y`, broadcast. Raises DTypeError for two bools: use `logical_and`."""
    a, b = numbers2("multiply", x, y)
    return node2(MULTIPLY, a, b, name)


@public
def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x / y`, broadcast: true division, so that integers become the default float first.

    Division by zero gives an infinity or NaN, as IEEE 754 says.
    """
    a, b = floats2("divide", x, y)
    return node2(DIVIDE, a, b, name)


# --- signs and magnitudes -------------------------------------------------------------------------


def _real_type(x: TensorType) -> TensorType:
    return TensorType(_real_dtype(x), x.shape) if x.dtype.kind == "c" else x


def _real_dtype(x: TensorType) -> Any:
    return x.dtype.type(0).real.dtype if x.dtype.kind == "c" else x.dtype


def _sign_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    if is_cuda(xp) and x.dtype.kind == "c":  # CuPy 13 has the meaning of NumPy 1: the sign of the real part
        size = xp.abs(x)
        return xp.divide(x, xp.where(size == 0, size + 1, size), out=out)
    return xp.sign(x) if out is None else xp.sign(x, out=out)


def _sign_vjp(node: Any, g: Any) -> Sequence[Any]:
    """Zeros for real numbers; for z / |z| what is left of `g` after its radial part, over |z|."""
    x, unit = node.inputs[0], node.outputs[0]
    if x.dtype.kind != "c":
        return (F.zeros_like(x),)
    radial = F.real(F.conj(g) * unit)
    return ((g - unit * radial) / cast(F.abs(x), x.dtype),)


NEGATIVE = unary(
    "negative", "-x0", lambda node, g: (-g,), default_name="Neg", doc="Each element with its sign changed."
)
ABS = unary(
    "abs",
    "fabs(x0)",
    lambda node, g: (g * F.sign(node.inputs[0]),),
    infer=_real_type,
    dtype=_real_dtype,
    doc="Magnitude of each element.",
)
SIGN = unary(
    "sign",
    "x0 > 0 ? 1 : x0 < 0 ? -1 : x0 == 0 ? 0 : x0",
    _sign_vjp,
    kernel=_sign_kernel,
    doc="-1, 0 or 1 by the sign of each element; z / |z| for complex ones.",
)


@public
def negative(x: Any, name: str | None = None) -> Tensor:
    """`-x`. Integers wrap around: the smallest one is its own negative. Raises DTypeError for bools."""
    return node1(NEGATIVE, numbers("negative", x), name)


@public
def positive(x: Any, name: str | None = None) -> Tensor:
    """`+x`: the same value as a tensor of its own. Raises DTypeError for bools."""
    return F.identity(numbers("positive", x), name=name)  # type: ignore[no-any-return]


@public
def abs(x: Any, name: str | None = None) -> Tensor:
    """The magnitude of each element: real also for complex `x`. The smallest integer stays as it is.

    The gradient is `g * sign(x)`, so 0 at 0. Raises DTypeError for bools.
    """
    return node1(ABS, numbers("abs", x), name)


@public
def sign(x: Any, name: str | None = None) -> Tensor:
    """-1, 0 or 1, NaN for NaN; `x / abs(x)` and 0 at 0 for complex `x`.

    The gradient is zero for real numbers. Raises DTypeError for bools.
    """
    return node1(SIGN, numbers("sign", x), name)


# --- powers and roots of one operand --------------------------------------------------------------


def _rsqrt_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    out = room(xp, x, out)
    if out is None:
        return 1 / xp.sqrt(x)
    xp.sqrt(x, out=out)
    return xp.divide(1, out, out=out)


def _reciprocal_kernel(xp: Any, x: Any, *, out: Any = None) -> Any:
    return xp.divide(1, x, out=room(xp, x, out)) if hasattr(xp, "copyto") else 1 / x


def _rsqrt_vjp(node: Any, g: Any) -> Sequence[Any]:
    y = F.conj(node.outputs[0])
    return (g * (y * y * y) * -0.5,)


SQUARE = unary(
    "square", "x0 * x0", lambda node, g: (g * 2 * F.conj(node.inputs[0]),), doc="Each element times itself."
)
SQRT = unary(
    "sqrt", "sqrt(x0)", lambda node, g: (g / (F.conj(node.outputs[0]) * 2),), flops_each=4, doc="Square root."
)
RSQRT = unary(
    "rsqrt", "1 / sqrt(x0)", _rsqrt_vjp, kernel=_rsqrt_kernel, flops_each=5, doc="One over the square root."
)
RECIPROCAL = unary(
    "reciprocal",
    "1 / x0",
    lambda node, g: (-g * F.conj(F.square(node.outputs[0])),),
    kernel=_reciprocal_kernel,
    doc="One over each element.",
)
CBRT = unary(
    "cbrt",
    "cbrt(x0)",
    lambda node, g: (g / (F.square(node.outputs[0]) * 3),),
    flops_each=20,
    doc="Real cube root.",
)


@public
def square(x: Any, name: str | None = None) -> Tensor:
    """`x * x`. Raises DTypeError for bools."""
    return node1(SQUARE, numbers("square", x), name)


@public
def sqrt(x: Any, name: str | None = None) -> Tensor:
    """The square root; NaN for negative real numbers. Its gradient at 0 is infinite."""
    return node1(SQRT, floats("sqrt", x), name)


@public
def rsqrt(x: Any, name: str | None = None) -> Tensor:
    """`1 / sqrt(x)`."""
    return node1(RSQRT, floats("rsqrt", x), name)


@public
def reciprocal(x: Any, name: str | None = None) -> Tensor:
    """`1 / x`, true division: integers become the default float."""
    return node1(RECIPROCAL, floats("reciprocal", x), name)


@public
def cbrt(x: Any, name: str | None = None) -> Tensor:
    """The real cube root, negative for negative `x`. Raises DTypeError for complex numbers."""
    return node1(CBRT, reals("cbrt", x), name)


# --- hypot ----------------------------------------------------------------------------------------


def _hypot_vjp(node: Any, g: Any) -> Sequence[Any]:
    x, y = node.inputs
    h = node.outputs[0]
    safe = F.where(F.equal(h, 0), 1, h)
    return unbroadcast(g * (x / safe), x), unbroadcast(g * (y / safe), y)


HYPOT = binary("hypot", "hypot(x0, x1)", _hypot_vjp, flops_each=10, doc="Length of the vector (x, y).")


@public
def hypot(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`sqrt(x² + y²)` without overflow in between. The gradient at (0, 0) is 0.

    Raises DTypeError for complex numbers.
    """
    a, b = reals2("hypot", x, y)
    return node2(HYPOT, a, b, name)
