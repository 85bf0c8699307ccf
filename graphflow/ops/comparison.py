"""Comparisons, tests of floating point values, and logic on bools. All results are bool and have no gradient."""

from __future__ import annotations

from typing import Any

from graphflow.errors import DTypeError
from graphflow.graph import Tensor
from graphflow.op import F, Op, Trait, public
from graphflow.ops.ufunc import BOOL, binary, node1, node2, operand, operands2, predicate, truth, unary
from graphflow.types import STRING, is_floating

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


def _always_bool(*inputs: Any) -> Any:
    return BOOL


def _comparison(name: str, expr: str, doc: str, traits: Trait = Trait.NONE) -> Op:
    return binary(name, expr, None, infer=predicate, dtype=_always_bool, doc=doc, traits=traits)


def _test(name: str, expr: str, doc: str, default_name: str = "") -> Op:
    return unary(name, expr, None, infer=truth, dtype=_always_bool, doc=doc, default_name=default_name)


# --- comparisons ----------------------------------------------------------------------------------

EQUAL = _comparison("equal", "x0 == x1", "Whether the operands are equal.", Trait.COMMUTATIVE)
NOT_EQUAL = _comparison("not_equal", "x0 != x1", "Whether the operands differ.", Trait.COMMUTATIVE)
LESS = _comparison("less", "x0 < x1", "Whether the first operand is smaller.")
LESS_EQUAL = _comparison("less_equal", "x0 <= x1", "Whether the first operand is smaller or equal.")
GREATER = _comparison("greater", "x0 > x1", "Whether the first operand is larger.")
GREATER_EQUAL = _comparison("greater_equal", "x0 >= x1", "Whether the first operand is larger or equal.")


def _ordered(op: Op, x: Any, y: Any, name: str | None) -> Tensor:
    a, b = operands2(op.name, x, y)
    if a.type.dtype.kind == "c":
        raise DTypeError(f"{op.name}: complex numbers have no order; compare gf.abs or gf.real of {a!r}")
    return node2(op, a, b, name)


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or getattr(value, "dtype", None) is STRING


@public
def equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x == y`, broadcast, of numbers or of text. NaN equals nothing, 0.0 equals -0.0."""
    if _is_text(x) or _is_text(y):
        return F.string_equal(x, y, name)  # type: ignore[no-any-return]
    a, b = operands2("equal", x, y)
    return node2(EQUAL, a, b, name)


@public
def not_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x != y`, broadcast. NaN differs from everything."""
    if _is_text(x) or _is_text(y):
        return F.logical_not(F.string_equal(x, y, what="not_equal"), name)  # type: ignore[no-any-return]
    a, b = operands2("not_equal", x, y)
    return node2(NOT_EQUAL, a, b, name)


@public
def less(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x < y`, broadcast; False with NaN. Raises DTypeError for complex numbers."""
    return _ordered(LESS, x, y, name)


@public
def less_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x <= y`, broadcast; False with NaN. Raises DTypeError for complex numbers."""
    return _ordered(LESS_EQUAL, x, y, name)


@public
def greater(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x > y`, broadcast; False with NaN. Raises DTypeError for complex numbers."""
    return _ordered(GREATER, x, y, name)


@public
def greater_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x >= y`, broadcast; False with NaN. Raises DTypeError for complex numbers."""
    return _ordered(GREATER_EQUAL, x, y, name)


# --- tests of floating point values ---------------------------------------------------------------

ISNAN = _test("isnan", "x0 != x0", "Whether an element is NaN.", "IsNan")
ISINF = _test("isinf", "x0 == x0 && x0 - x0 != 0", "Whether an element is infinite.", "IsInf")
ISFINITE = _test("isfinite", "x0 - x0 == 0", "Whether an element is neither infinite nor NaN.", "IsFinite")


@public
def isnan(x: Any, name: str | None = None) -> Tensor:
    """True where `x` is NaN; False for integers and bools."""
    x = operand("isnan", x)
    return node1(ISNAN, x, name) if is_floating(x.type.dtype) else node2(NOT_EQUAL, x, x, name)


@public
def isinf(x: Any, name: str | None = None) -> Tensor:
    """True where `x` is infinite; False for integers and bools."""
    x = operand("isinf", x)
    return node1(ISINF, x, name) if is_floating(x.type.dtype) else node2(NOT_EQUAL, x, x, name)


@public
def isfinite(x: Any, name: str | None = None) -> Tensor:
    """True where `x` is neither infinite nor NaN; True for integers and bools."""
    x = operand("isfinite", x)
    return node1(ISFINITE, x, name) if is_floating(x.type.dtype) else node2(EQUAL, x, x, name)


# --- logic ----------------------------------------------------------------------------------------

LOGICAL_AND = _comparison("logical_and", "x0 && x1", "Whether both operands are true.", Trait.COMMUTATIVE)
LOGICAL_OR = _comparison("logical_or", "x0 || x1", "Whether one of the operands is true.", Trait.COMMUTATIVE)
LOGICAL_XOR = _comparison(
    "logical_xor", "x0 != x1", "Whether exactly one operand is true.", Trait.COMMUTATIVE
)
LOGICAL_NOT = _test("logical_not", "!x0", "Whether an element is false.")


def _logical(op: Op, x: Any, y: Any, name: str | None) -> Tensor:
    a, b = operand(op.name, x), operand(op.name, y)
    for t in (a, b):
        _need_bool(op.name, t)
    return node2(op, a, b, name)


def _need_bool(what: str, t: Tensor) -> None:
    if t.type.dtype.kind != "b":
        raise DTypeError(f"{what}: {t!r} is no bool; compare it with something, such as `x != 0`")


@public
def logical_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x and y` of bools, broadcast. Raises DTypeError for other dtypes."""
    return _logical(LOGICAL_AND, x, y, name)


@public
def logical_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """`x or y` of bools, broadcast. Raises DTypeError for other dtypes."""
    return _logical(LOGICAL_OR, x, y, name)


@public
def logical_xor(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Whether exactly one of two bools is true, broadcast. Raises DTypeError for other dtypes."""
    return _logical(LOGICAL_XOR, x, y, name)


@public
def logical_not(x: Any, name: str | None = None) -> Tensor:
    """`not x` of bools. Raises DTypeError for other dtypes."""
    x = operand("logical_not", x)
    _need_bool("logical_not", x)
    return node1(LOGICAL_NOT, x, name)
