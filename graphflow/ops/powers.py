"""Floor division, remainder and powers: the arithmetic whose integers need rules of their own.

| integers                     | result                                                        |
|------------------------------|---------------------------------------------------------------|
| `x // 0`, `x % 0`            | 0                                                             |
| smallest `// -1`, `% -1`     | the smallest again (it wraps around), 0                       |
| `x ** y` with y < 0          | an error: ArgumentError where y is a constant, else RunError  |
| `x ** y` that overflows      | wraps around                                                  |
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, RunError, shorten
from graphflow.graph import Tensor
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.blockwise import along_blocks
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.constant import constant_value
from graphflow.ops.elementwise import SQUARE
from graphflow.ops.numpy_settings import broadcast_nbytes
from graphflow.ops.ufunc import (
    Ufunc,
    binary,
    broadcast,
    is_cuda,
    node1,
    node2,
    numbers,
    numbers2,
    reals2,
    unbroadcast,
)
from graphflow.types import TensorType, is_floating, is_integer

__all__ = ["floor_divide", "pow", "remainder"]

# --- floor division and remainder -----------------------------------------------------------------


def _remainder_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    if (
        is_cuda(xp) and x.dtype.kind == "f"
    ):  # CuPy forms x - x // y * y, which is far off for a large quotient
        rest = xp.fmod(x, y)
        rest = xp.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)
        rest = xp.where(rest == 0, xp.copysign(rest, y), rest)
        if out is None:
            return rest
        xp.copyto(out, rest)
        return out
    return xp.remainder(x, y) if out is None else xp.remainder(x, y, out=out)


def _remainder_vjp(node: Any, g: Any) -> Sequence[Any]:
    x, y = node.inputs
    return unbroadcast(g, x), unbroadcast(-g * floor_divide(x, y), y)


_FMOD_LEAVES = "(fmod(x0, x1) != 0 && (fmod(x0, x1) < 0) != (x1 < 0))"  # a remainder of the wrong sign

_INFINITE = "x0 - x0 != 0 || x1 - x1 != 0"  # or NaN


def _floor_divide_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    """Where an operand is infinite floor(x / y), as the Array API prefers; NumPy gives what Python does."""
    if is_integer(numpy_dtype(x)):
        return _FLOOR_DIVIDE(xp, x, y, out=out)
    if xp is np:
        result = np.empty(np.broadcast_shapes(x.shape, y.shape), x.dtype) if out is None else out
        along_blocks((x, y), result, _floor_quotients, _BLOCK)
        return result
    infinite = xp.isinf(x) | xp.isinf(y)
    exact = xp.divide(x, y)
    if out is None:
        return xp.where(infinite, xp.floor(exact), xp.floor_divide(x, y))
    xp.floor(exact, out=exact)
    xp.floor_divide(x, y, out=out)
    xp.copyto(out, exact, where=infinite)
    return out


def _floor_quotients(x: Any, y: Any, out: Any) -> None:
    infinite = np.isinf(x)
    infinite |= np.isinf(y)
    if not infinite.any():
        np.floor_divide(x, y, out=out)
        return
    exact = np.divide(x, y)
    np.floor(exact, out=exact)
    np.floor_divide(x, y, out=out)
    np.copyto(out, exact, where=infinite)


_BLOCK = 2048
"""Elements of a block: what it takes is little even beside a result of some 100 KiB."""


def _floor_divide_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Of a block of floats which operands are infinite, and their true quotients."""
    y = outputs[0]
    if is_integer(y.dtype):
        return broadcast_nbytes(inputs, outputs)
    elements = int(y.size)  # type: ignore[arg-type]  # static by then
    copied = sum([t.shape not in (y.shape, ()) for t in inputs])
    return min(elements, _BLOCK) * (2 + (1 + copied) * y.dtype.itemsize)


_FLOOR_DIVIDE = Ufunc("floor_divide")

FLOOR_DIVIDE = binary(
    "floor_divide",
    f"x1 == 0 || {_INFINITE} ? floor(x0 / x1) : "
    "copysign(rint((x0 - fmod(x0, x1)) / x1) - " + _FMOD_LEAVES + ", x0 / x1)",
    lambda node, g: tuple(F.zeros_like(x) for x in node.inputs),
    kernel=_floor_divide_kernel,
    flops_each=8,
    workspace=_floor_divide_workspace,
    default_name="floordiv",
    doc="Quotient rounded down.",
)
REMAINDER = binary(
    "remainder",
    "fmod(x0, x1) == 0 ? copysign(0, x1) : fmod(x0, x1) + (" + _FMOD_LEAVES + " ? x1 : 0)",
    _remainder_vjp,
    kernel=_remainder_kernel,
    flops_each=8,
    default_name="FloorMod",
    doc="What floor division leaves, with the divisor's sign.",
)


@public
def floor_divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x // y`, rounded towards minus infinity; the gradient is zero.

    Integers stay integers, and `x // 0` is 0 for them. Floats: what `floor(x / y)` is of the exact quotient, also
    where an operand is infinite, as the Array API prefers: inf // 2 is inf and -1 // inf is -0, for which
    Python and NumPy give NaN and -1. Raises DTypeError for bools and complex numbers.
    """
    a, b = reals2("floor_divide", x, y, floating=False)
    return node2(FLOOR_DIVIDE, a, b, name)


@public
def remainder(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x % y`, which has the sign of `y`, as in Python and NumPy.

    `x % 0` is 0 for integers and NaN for floats. The gradients are 1 and `-(x // y)`.
    Raises DTypeError for bools and complex numbers.
    """
    a, b = reals2("remainder", x, y, floating=False)
    return node2(REMAINDER, a, b, name)


# --- powers ---------------------------------------------------------------------------------------


def _known_nonzero(t: Tensor) -> bool:
    """True for a constant scalar other than 0, unless it is fed."""
    array = constant_value(t)
    return array is not None and array.ndim == 0 and bool(array)


def _pow_vjp(node: Any, g: Any) -> Sequence[Any]:
    """x: y x^(y-1), and 0 for y = 0; y: x^y log x, and 0 where x has no real logarithm (x ≤ 0)."""
    x, y = node.inputs
    if _known_nonzero(y):
        slope = y * pow(x, y - 1)
    else:
        is_zero = F.equal(y, 0)
        slope = F.where(is_zero, 0, y * pow(x, F.where(is_zero, 1, y) - 1))
    has_log = F.not_equal(x, 0) if x.dtype.kind == "c" else F.greater(x, 0)
    log_x = F.where(has_log, F.log(F.where(has_log, x, 1)), 0)
    return (
        unbroadcast(g * F.conj(slope), x),
        unbroadcast(g * F.conj(node.outputs[0] * log_x), y),
    )


def _integer_pow_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    if bool(xp.any(y < 0)):
        raise RunError(
            f"pow: an integer to the negative integer power {int(xp.min(y))}; cast to a float first"
        )
    return _POW_KERNEL(xp, x, y, out=out)


_POW_KERNEL = Ufunc("pow")


def _float_pow_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    """IEEE 754's `pow`. NumPy takes the square root where an exponent that is repeated is 0.5: wrong for -inf and -0."""
    if xp is not np or x.dtype.kind != "f":
        return _POW_KERNEL(xp, x, y, out=out)
    half = y == 0.5
    if not np.any(half):
        return _POW_KERNEL(xp, x, y, out=out)
    if y.size == 1:
        result = np.empty(np.broadcast_shapes(x.shape, y.shape), x.dtype) if out is None else out
        along_blocks((x,), result, partial(_roots, y.reshape(())), _BLOCK)
        return result
    lowest, zero = half & (x == -np.inf), half & (x == 0)
    result = np.asarray(np.power(x, y)) if out is None else np.power(x, y, out=out)
    np.copyto(result, np.inf, where=lowest)
    np.copyto(result, 0.0, where=zero)
    return result


def _roots(half: Any, x: Any, out: Any) -> None:
    lowest, zero = x == -np.inf, x == 0
    np.power(x, half, out=out)
    np.copyto(out, np.inf, where=lowest)
    np.copyto(out, 0.0, where=zero)


def _pow_workspace(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    """Where an exponent is 0.5, and the base one for which that matters."""
    buffers = broadcast_nbytes(inputs, outputs)
    if outputs[0].dtype.kind != "f":
        return buffers
    elements = [int(t.size) for t in (*inputs, outputs[0])]  # type: ignore[arg-type]  # static by then
    if elements[1] == 1:
        return max(buffers, 2 * min(elements[2], _BLOCK))
    return elements[1] + 2 * elements[2] + max(buffers, elements[0])


POW = binary(
    "pow",
    "pow(x0, x1)",
    _pow_vjp,
    kernel=_float_pow_kernel,
    flops_each=40,
    workspace=_pow_workspace,
    doc="First operand to the second.",
)
INTEGER_POW = declare(
    Op(
        "integer_pow",
        broadcast,
        _integer_pow_kernel,
        lambda node, g: (None, None),
        Trait.OUT | Trait.INPLACE | Trait.FALLIBLE,
        flops=lambda inputs, outputs: 40 * int(outputs[0].size),
        workspace=lambda inputs, outputs: max(int(inputs[1].size), broadcast_nbytes(inputs, outputs)),
        default_name="Pow",
        doc="`pow` for signed integers, whose exponents may turn out negative.",
    )
)


@public
def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x ** y`, broadcast.

    `0 ** 0` is 1, with gradient 0 for both. The gradient for `y` is 0 where x ≤ 0, as there is no real
    logarithm. Integers wrap around; a negative exponent of an integer is an error: ArgumentError where it
    is a constant, RunError when it is met in a run. `x ** 2` builds `square`.
    Raises DTypeError for two bools.
    """
    if (type(y) is int or type(y) is float) and y == 2:
        base = numbers("pow", x)
        if type(y) is int or is_floating(base.type.dtype):
            return node1(SQUARE, base, "Pow" if name is None else name)
    a, b = numbers2("pow", x, y)
    if a.type.dtype.kind != "i":
        return node2(POW, a, b, name)
    exponent = constant_value(b)
    if exponent is not None and exponent.size and int(np.min(exponent)) < 0:
        raise ArgumentError(
            f"pow: {a!r} has integers, whose power {shorten(int(np.min(exponent)))} is no integer; "
            "cast it to a float first"
        )
    return node2(INTEGER_POW, a, b, name)
