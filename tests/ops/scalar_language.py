"""An evaluator of the language in which ops state their meaning on one element (`Op.scalar_expr`).

A second, independent reading of each expression, on NumPy scalars: what a code generator must produce.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.special

__all__ = ["FUNCTIONS", "evaluate", "has_call"]

_TOKEN = re.compile(r"\s*(\d+|[A-Za-z_]\w*|&&|\|\||[<>=!]=|<<|>>|[-+*/%<>!~&|^?:(),])")
_LEVELS = [
    ["||"],
    ["&&"],
    ["|"],
    ["^"],
    ["&"],
    ["==", "!="],
    ["<", "<=", ">", ">="],
    ["<<", ">>"],
    ["+", "-"],
    ["*", "/"],
]

_SAME_NAME = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "sinh",
]
_SAME_NAME += [
    "cosh",
    "tanh",
    "fabs",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "hypot",
    "copysign",
    "nextafter",
    "fmod",
]
_SAME_NAME += ["fmax", "signbit", "conj"]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _SAME_NAME},
    **{f"a{n}": getattr(np, f"arc{n}") for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")},
    **{n: getattr(scipy.special, n) for n in ("erf", "erfc", "erfinv", "digamma", "polygamma")},
    "pow": np.float_power,  # C's: np.power takes the root of -inf for an exponent of 0.5
    "lgamma": lambda x: np.inf if x == -np.inf else scipy.special.gammaln(x),  # C's, where SciPy says -inf
    "creal": np.real,
    "cimag": np.imag,
    "carg": np.angle,
    "CMPLX": complex,
}

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "||": lambda a, b: bool(a) or bool(b),
    "&&": lambda a, b: bool(a) and bool(b),
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "+": lambda a, b: a + (int(b) if isinstance(b, (bool, np.bool_)) else b),
    "-": lambda a, b: a - (int(b) if isinstance(b, (bool, np.bool_)) else b),
    "*": lambda a, b: a * b,
    "/": lambda a, b: np.divide(a, b),
}


def has_call(expression: str) -> bool:
    """True if the expression calls a function: then it is for real floating types only."""
    return any(name != "sizeof" for name in re.findall(r"([A-Za-z_]\w*)\(", expression))


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of the expression, its names being looked up in `values`."""
    tokens = _TOKEN.findall(expression)
    assert "".join(tokens) == re.sub(r"\s", "", expression), f"not in the language: {expression}"
    reader = _Reader(tokens, values)
    result = reader.ternary()
    assert reader.at == len(tokens), f"trailing tokens in {expression}"
    return result


class _Reader:
    """A recursive descent over the tokens; both branches of `?:` are read, one is taken."""

    def __init__(self, tokens: list[str], values: Mapping[str, Any]) -> None:
        self.tokens, self.values, self.at = tokens, values, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        assert token
        assert wanted in ("", token)
        self.at += 1
        return token

    def ternary(self) -> Any:
        condition = self.level(0)
        if self.peek() != "?":
            return condition
        self.take("?")
        yes = self.ternary()
        self.take(":")
        no = self.ternary()
        return yes if condition else no

    def level(self, depth: int) -> Any:
        if depth == len(_LEVELS):
            return self.prefix()
        left = self.level(depth + 1)
        while self.peek() in _LEVELS[depth]:
            operator = self.take()
            left = _OPERATORS[operator](left, self.level(depth + 1))
        return left

    def prefix(self) -> Any:
        token = self.take()
        if token in ("-", "!", "~"):
            value = self.prefix()
            return -value if token == "-" else not value if token == "!" else ~value
        if token == "(":
            value = self.ternary()
            self.take(")")
            return value
        if token.isdigit():
            return int(token)
        if self.peek() == "(":
            return self.call(token)
        return self.values[token]

    def call(self, name: str) -> Any:
        self.take("(")
        arguments = [self.ternary()]
        while self.peek() == ",":
            self.take(",")
            arguments.append(self.ternary())
        self.take(")")
        return np.dtype(type(arguments[0])).itemsize if name == "sizeof" else FUNCTIONS[name](*arguments)
