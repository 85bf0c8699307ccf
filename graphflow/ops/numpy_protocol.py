"""What NumPy's own functions do when they are called on tensors: `np.exp(t)`, `np.add.reduce(t)`, `np.sum(t, 0)`.

Each entry builds the node of the graphflow function named beside it. Arguments that only make sense for arrays
in memory (`out`, `where`, `casting`, ...) are refused by name, never ignored. Functions that take NumPy's
signatures are in `numpy_functions`, `numpy_arrays`, `numpy_linalg` and `numpy_order`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.op import F
from graphflow.operators import NUMPY_FUNCTIONS, NUMPY_REDUCTIONS
from graphflow.ops import numpy_arrays, numpy_linalg, numpy_order  # noqa: F401  # enter their functions in the table
from graphflow.ops.numpy_functions import FUNCTIONS, refuse

__all__ = ["REDUCTIONS", "UFUNCS"]

UFUNCS: dict[np.ufunc, str] = {
    # arithmetic
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
    np.floor_divide: "floor_divide",
    np.remainder: "remainder",
    np.power: "pow",
    np.negative: "negative",
    np.positive: "positive",
    np.absolute: "abs",
    np.fabs: "abs",
    np.sign: "sign",
    np.square: "square",
    np.sqrt: "sqrt",
    np.cbrt: "cbrt",
    np.reciprocal: "reciprocal",
    np.hypot: "hypot",
    np.matmul: "matmul",
    np.vecdot: "vecdot",
    np.conjugate: "conj",
    # exponentials, logarithms, angles
    np.exp: "exp",
    np.exp2: "exp2",
    np.expm1: "expm1",
    np.log: "log",
    np.log1p: "log1p",
    np.log2: "log2",
    np.log10: "log10",
    np.logaddexp: "logaddexp",
    np.sin: "sin",
    np.cos: "cos",
    np.tan: "tan",
    np.arcsin: "asin",
    np.arccos: "acos",
    np.arctan: "atan",
    np.arctan2: "atan2",
    np.sinh: "sinh",
    np.cosh: "cosh",
    np.tanh: "tanh",
    np.arcsinh: "asinh",
    np.arccosh: "acosh",
    np.arctanh: "atanh",
    # rounding and neighbours
    np.floor: "floor",
    np.ceil: "ceil",
    np.trunc: "trunc",
    np.rint: "round",
    np.copysign: "copysign",
    np.nextafter: "nextafter",
    np.signbit: "signbit",
    # comparisons and logic
    np.equal: "equal",
    np.not_equal: "not_equal",
    np.less: "less",
    np.less_equal: "less_equal",
    np.greater: "greater",
    np.greater_equal: "greater_equal",
    np.minimum: "minimum",
    np.maximum: "maximum",
    np.isnan: "isnan",
    np.isinf: "isinf",
    np.isfinite: "isfinite",
    np.logical_and: "logical_and",
    np.logical_or: "logical_or",
    np.logical_xor: "logical_xor",
    np.logical_not: "logical_not",
    # bits
    np.bitwise_and: "bitwise_and",
    np.bitwise_or: "bitwise_or",
    np.bitwise_xor: "bitwise_xor",
    np.invert: "bitwise_invert",
    np.left_shift: "bitwise_left_shift",
    np.right_shift: "bitwise_right_shift",
}
"""NumPy's ufunc -> name of the public function."""

REDUCTIONS: dict[np.ufunc, str] = {
    np.add: "sum",
    np.multiply: "prod",
    np.minimum: "min",
    np.maximum: "max",
    np.logical_and: "all",
    np.logical_or: "any",
}
"""NumPy's ufunc -> name of the public function that is its `reduce`."""


def _call(ufunc: np.ufunc, name: str) -> Callable[..., Any]:
    def build(*inputs: Any, where: Any = True, casting: str = "same_kind", **others: Any) -> Any:
        refuse(
            ufunc.__name__,
            where=None if where is True else where,
            casting=None if casting == "same_kind" else casting,
            **others,
        )
        return getattr(F, name)(*inputs)

    return build


def _divmod(x: Any, y: Any, **others: Any) -> tuple[Any, Any]:
    refuse("divmod", **others)
    return F.floor_divide(x, y), F.remainder(x, y)


def _reduce(ufunc: np.ufunc, name: str) -> Callable[..., Any]:
    def build(
        array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False, **others: Any
    ) -> Any:
        where = others.pop("where", True)
        refuse(f"{ufunc.__name__}.reduce", out=out, where=None if where is True else where, **others)
        if name in ("sum", "prod"):
            return getattr(F, name)(array, axis=axis, keepdims=keepdims, dtype=dtype)
        refuse(f"{ufunc.__name__}.reduce", dtype=dtype)
        return getattr(F, name)(array, axis=axis, keepdims=keepdims)

    return build


NUMPY_FUNCTIONS.update({ufunc: _call(ufunc, name) for ufunc, name in UFUNCS.items()})
NUMPY_FUNCTIONS[np.divmod] = _divmod
NUMPY_FUNCTIONS.update(FUNCTIONS)
NUMPY_REDUCTIONS.update({ufunc: _reduce(ufunc, name) for ufunc, name in REDUCTIONS.items()})
