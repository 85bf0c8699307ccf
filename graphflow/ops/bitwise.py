"""Bitwise logic and shifts of integers.

A shift is by the right operand as a number of bits. By the width of the type or more, or by a negative
number, it shifts everything out: left gives 0, right gives 0 or, for a negative number, -1. That is what
NumPy computes; C leaves it undefined, so other backends are told.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError
from graphflow.graph import Tensor
from graphflow.op import F, Op, Trait, public
from graphflow.ops.ufunc import Ufunc, binary, is_cuda, node1, node2, operand, operands2, unary

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
]


class Shift:
    """The kernel of a shift: the array module's own where it is defined, guarded on the GPU."""

    def __init__(self, name: str) -> None:
        self.ufunc = Ufunc(name)

    def __call__(self, xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
        if not is_cuda(xp):
            return self.ufunc(xp, x, y, out=out)
        width = 8 * x.dtype.itemsize
        inside = (y >= 0) & (y < width)
        if self.ufunc.name == "bitwise_left_shift":
            result = xp.where(inside, xp.left_shift(x, xp.where(inside, y, 0)), 0)
        else:
            result = xp.right_shift(x, xp.where(inside, y, width - 1))
            result = xp.where(inside | (x < 0), result, 0)
        if out is None:
            return result.astype(x.dtype)
        xp.copyto(out, result, casting="unsafe")
        return out

    def __repr__(self) -> str:
        return f"Shift({self.ufunc.name})"


def _no_gradient(node: Any, *g: Any) -> Any:
    return (None,) * len(node.inputs)


AND = binary(
    "bitwise_and", "x0 & x1", _no_gradient, traits=Trait.COMMUTATIVE, doc="Bits that both operands have."
)
OR = binary("bitwise_or", "x0 | x1", _no_gradient, traits=Trait.COMMUTATIVE, doc="Bits that an operand has.")
XOR = binary(
    "bitwise_xor", "x0 ^ x1", _no_gradient, traits=Trait.COMMUTATIVE, doc="Bits that exactly one operand has."
)
INVERT = unary("bitwise_invert", "~x0", _no_gradient, doc="Every bit changed.")
LEFT_SHIFT = binary(
    "bitwise_left_shift",
    "x1 < 0 || x1 >= 8 * sizeof(x0) ? 0 : x0 << x1",
    _no_gradient,
    kernel=Shift("bitwise_left_shift"),
    doc="Bits moved up.",
)
RIGHT_SHIFT = binary(
    "bitwise_right_shift",
    "x1 < 0 || x1 >= 8 * sizeof(x0) ? (x0 < 0 ? -1 : 0) : x0 >> x1",
    _no_gradient,
    kernel=Shift("bitwise_right_shift"),
    doc="Bits moved down, the sign kept.",
)


def _check(what: str, t: Tensor, *, bools: bool) -> None:
    kind = t.type.dtype.kind
    if kind not in "iu" and not (bools and kind == "b"):
        raise DTypeError(
            f"{what}: {t!r} is {t.type.dtype.name}; integers{' or bools' if bools else ''} are needed"
        )


def _bits(op: Op, x: Any, y: Any, name: str | None, *, bools: bool = True) -> Tensor:
    a, b = operands2(op.name, x, y)
    _check(op.name, a, bools=bools)
    return node2(op, a, b, name)


@public
def bitwise_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x & y` of integers or bools, broadcast. Raises DTypeError for other dtypes."""
    return _bits(AND, x, y, name)


@public
def bitwise_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x | y` of integers or bools, broadcast. Raises DTypeError for other dtypes."""
    return _bits(OR, x, y, name)


@public
def bitwise_xor(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x ^ y` of integers or bools, broadcast. Raises DTypeError for other dtypes."""
    return _bits(XOR, x, y, name)


@public
def bitwise_invert(x: Any, name: str | None = None) -> Tensor:
    """`~x` of integers; `logical_not` of bools. Raises DTypeError for other dtypes."""
    x = operand("bitwise_invert", x)
    if x.type.dtype.kind == "b":
        return F.logical_not(x, name=name)  # type: ignore[no-any-return]
    _check("bitwise_invert", x, bools=False)
    return node1(INVERT, x, name)


@public
def bitwise_left_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x << y` of integers, broadcast; 0 for y < 0 or y ≥ the width. Raises DTypeError for other dtypes."""
    return _bits(LEFT_SHIFT, x, y, name, bools=False)


@public
def bitwise_right_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x >> y` of integers, broadcast; 0 (-1 for x < 0) for y < 0 or y ≥ the width.

    Raises DTypeError for other dtypes.
    """
    return _bits(RIGHT_SHIFT, x, y, name, bools=False)
