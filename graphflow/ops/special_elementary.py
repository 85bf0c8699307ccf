"""Small functions of numbers: products with logarithms that are 0 at 0, angles, steps, divisors, replaced NaN."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import DTypeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.constant import python_number
from graphflow.ops.ufunc import (
    binary,
    floats,
    floats2,
    is_cuda,
    node2,
    operand,
    operands2,
    reals,
    reals2,
    unbroadcast,
)
from graphflow.types import is_floating, is_integer

__all__ = [
    "deg2rad",
    "entr",
    "fmod",
    "gcd",
    "heaviside",
    "lcm",
    "nan_to_num",
    "rad2deg",
    "sinc",
    "xdivy",
    "xlog1py",
    "xlogy",
]

# --- 0 times infinity is 0 ------------------------------------------------------------------------


def _absent(x: Tensor, y: Tensor) -> Any:
    """Where x is 0 and y is a number, so that the product is 0 whatever the other factor is."""
    return F.logical_and(F.equal(x, 0), F.logical_not(F.isnan(y)))


@public
def xlogy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x * log(y)`, and 0 where x is 0 (unless y is NaN), with gradient 0 there. A composition."""
    a, b = floats2("xlogy", x, y)
    with composition("xlogy" if name is None else name):
        none = _absent(a, b)
        return F.where(none, 0, a * F.log(F.where(none, 1, b)))  # type: ignore[no-any-return]


@public
def xlog1py(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x * log(1 + y)`, and 0 where x is 0 (unless y is NaN), with gradient 0 there. A composition."""
    a, b = floats2("xlog1py", x, y)
    with composition("xlog1py" if name is None else name):
        none = _absent(a, b)
        return F.where(none, 0, a * F.log1p(F.where(none, 0, b)))  # type: ignore[no-any-return]


@public
def xdivy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x / y`, and 0 where x is 0 (unless y is NaN), with gradient 0 there. A composition."""
    a, b = floats2("xdivy", x, y)
    with composition("xdivy" if name is None else name):
        none = _absent(a, b)
        return F.where(none, 0, a / F.where(none, 1, b))  # type: ignore[no-any-return]


@public
def entr(x: Any, name: str | None = None) -> Tensor:
    """`-x * log(x)`: 0 at 0, -inf below. A composition; its gradient, infinite at 0, is 0 there.

    Raises DTypeError for complex x.
    """
    t = reals("entr", x)
    with composition("entr" if name is None else name):
        below = F.less(t, 0)
        safe = F.where(below, 1, t)
        return F.where(below, -math.inf, -xlogy(safe, safe))  # type: ignore[no-any-return]


# --- angles and steps -----------------------------------------------------------------------------


@public
def deg2rad(x: Any, name: str | None = None) -> Tensor:
    """`x` degrees in radians. A composition. Raises DTypeError for complex x."""
    return F.multiply(reals("deg2rad", x), math.pi / 180, name="deg2rad" if name is None else name)  # type: ignore[no-any-return]


@public
def rad2deg(x: Any, name: str | None = None) -> Tensor:
    """`x` radians in degrees. A composition. Raises DTypeError for complex x."""
    return F.multiply(reals("rad2deg", x), 180 / math.pi, name="rad2deg" if name is None else name)  # type: ignore[no-any-return]


_SINC_SERIES = tuple((-1) ** k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(8))


@public
def sinc(x: Any, name: str | None = None) -> Tensor:
    """`sin(πx) / (πx)`, 1 at 0, as `numpy.sinc` has it. A composition, with a series near 0 for its derivatives."""
    t = floats("sinc", x)
    with composition("sinc" if name is None else name):
        near = F.less(F.abs(t), 0.25)
        s = F.square(F.where(near, t, 0))
        series: Any = _SINC_SERIES[-1]
        for c in _SINC_SERIES[-2::-1]:
            series = s * series + c
        far = F.where(near, 1, t) * math.pi
        return F.where(near, series, F.sin(far) / far)  # type: ignore[no-any-return]


@public
def heaviside(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """0 where `x1` is negative, 1 where it is positive, `x2` where it is 0, NaN where it is NaN. A composition.

    The gradient by x1 is 0. Raises DTypeError for complex operands.
    """
    a, b = reals2("heaviside", x1, x2)
    with composition("Heaviside" if name is None else name):
        step = F.where(F.equal(a, 0), b, F.cast(F.greater(a, 0), a.dtype))
        return F.where(F.isnan(a), a, step)  # type: ignore[no-any-return]


@public
def nan_to_num(
    x: Any,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    name: str | None = None,
) -> Tensor:
    """`x` with NaN and infinities replaced by numbers. A composition; the gradient is 0 where something was.

    posinf, neginf: Python numbers, the largest and smallest finite ones where left out. Complex numbers have both
    parts replaced; integers and bools stay as they are.
    """
    t = operand("nan_to_num", x)
    if not is_floating(t.type.dtype):
        return F.identity(t, name)  # type: ignore[no-any-return]
    limits = _finite_limits(t)
    values = [
        default if value is None else python_number(value, f"nan_to_num: {what}")
        for what, value, default in (
            ("nan", nan, 0.0),
            ("posinf", posinf, limits),
            ("neginf", neginf, -limits),
        )
    ]
    with composition("nan_to_num" if name is None else name):
        if t.type.dtype.kind == "c":
            return F.complex(_replaced(F.real(t), values), _replaced(F.imag(t), values))  # type: ignore[no-any-return]
        return _replaced(t, values)


def _finite_limits(t: Tensor) -> float:
    return {
        "float16": 65504.0,
        "bfloat16": (2 - 2.0**-7) * 2.0**127,
        "float32": (2 - 2.0**-23) * 2.0**127,
        "complex64": (2 - 2.0**-23) * 2.0**127,
    }.get(t.type.dtype.name, (2 - 2.0**-52) * 2.0**1023)


def _replaced(t: Tensor, values: list[float]) -> Tensor:
    for place, value in zip((F.isnan(t), F.equal(t, math.inf), F.equal(t, -math.inf)), values, strict=True):
        t = F.where(place, value, t)
    return t


# --- divisors and rests ---------------------------------------------------------------------------


def _fmod_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    if not hasattr(xp, "fmod"):  # the standard has only the remainder with the divisor's sign
        rest = xp.remainder(xp.abs(x), xp.abs(y))
        return xp.where(x < 0, -rest, rest)
    if is_cuda(xp) and x.dtype.kind in "iu":
        rest = xp.where(y == 0, 0, xp.fmod(x, xp.where(y == 0, 1, y))).astype(x.dtype)
        if out is None:
            return rest
        xp.copyto(out, rest)
        return out
    return xp.fmod(x, y) if out is None else xp.fmod(x, y, out=out)


def _fmod_vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    x, y = node.inputs
    return unbroadcast(g, x), unbroadcast(-g * F.trunc(x / y), y)


FMOD = binary(
    "fmod",
    "fmod(x0, x1)",
    _fmod_vjp,
    kernel=_fmod_kernel,
    flops_each=8,
    default_name="FMod",
    doc="What division towards zero leaves, with the dividend's sign.",
)
GCD = binary("gcd", None, None, flops_each=40, default_name="Gcd", doc="Greatest common divisor.")
LCM = binary("lcm", None, None, flops_each=45, default_name="Lcm", doc="Least common multiple.")


@public
def fmod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x - y * trunc(x / y)`, which has the sign of `x`, as in C; `remainder` has that of `y`.

    Integers stay integers, and `fmod(x, 0)` is 0 for them, NaN for floats. The gradients are 1 and `-trunc(x / y)`.
    A primitive: a ufunc. Raises DTypeError for bools and complex numbers.
    """
    a, b = reals2("fmod", x, y, floating=False)
    return node2(FMOD, a, b, name)


def _integers2(op: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    a, b = operands2(op, x, y)
    if not is_integer(a.type.dtype):
        raise DTypeError(f"{op}: the operands must be integers, got {a!r}")
    return a, b


@public
def gcd(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """The greatest common divisor of integers, of their absolute values; `gcd(0, n)` is |n|. A primitive: a ufunc.

    That of the smallest integer of a type and 0 wraps around. Raises DTypeError for anything but integers.
    """
    a, b = _integers2("gcd", x1, x2)
    return node2(GCD, a, b, name)


@public
def lcm(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """The least common multiple of integers; 0 where one is 0; it wraps around on overflow. A primitive: a ufunc.

    Raises DTypeError for anything but integers.
    """
    a, b = _integers2("lcm", x1, x2)
    return node2(LCM, a, b, name)
