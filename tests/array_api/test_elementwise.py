"""Elementwise functions and operators on drawn arrays: the standard's dtypes, NumPy's values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import graphflow as gf
from tests.array_api.drawn import check, dtypes, in_a_new_graph, value, xps

SHAPES = xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FINITE = {"allow_nan": False, "allow_infinity": False}

UNARY: dict[str, tuple[Callable[..., Any], str]] = {
    "abs": (np.abs, "number"),
    "acos": (np.arccos, "floating"),
    "acosh": (np.arccosh, "floating"),
    "asin": (np.arcsin, "floating"),
    "asinh": (np.arcsinh, "floating"),
    "atan": (np.arctan, "floating"),
    "atanh": (np.arctanh, "floating"),
    "bitwise_invert": (np.invert, "bits"),
    "ceil": (np.ceil, "real"),
    "conj": (np.conj, "number"),
    "cos": (np.cos, "floating"),
    "cosh": (np.cosh, "floating"),
    "exp": (np.exp, "floating"),
    "expm1": (np.expm1, "floating"),
    "floor": (np.floor, "real"),
    "imag": (np.imag, "complex"),
    "isfinite": (np.isfinite, "number"),
    "isinf": (np.isinf, "number"),
    "isnan": (np.isnan, "number"),
    "log": (np.log, "floating"),
    "log1p": (np.log1p, "floating"),
    "log2": (np.log2, "floating"),
    "log10": (np.log10, "floating"),
    "logical_not": (np.logical_not, "bool"),
    "negative": (np.negative, "number"),
    "positive": (np.positive, "number"),
    "real": (np.real, "number"),
    "reciprocal": (lambda x: 1 / x, "floating"),
    "round": (np.round, "number"),
    "sign": (np.sign, "number"),
    "signbit": (np.signbit, "float"),
    "sin": (np.sin, "floating"),
    "sinh": (np.sinh, "floating"),
    "sqrt": (np.sqrt, "floating"),
    "square": (np.square, "number"),
    "tan": (np.tan, "floating"),
    "tanh": (np.tanh, "floating"),
    "trunc": (np.trunc, "real"),
}

BINARY: dict[str, tuple[Callable[..., Any], str]] = {
    "add": (np.add, "number"),
    "atan2": (np.arctan2, "float"),
    "bitwise_and": (np.bitwise_and, "bits"),
    "bitwise_left_shift": (np.left_shift, "integer"),
    "bitwise_or": (np.bitwise_or, "bits"),
    "bitwise_right_shift": (np.right_shift, "integer"),
    "bitwise_xor": (np.bitwise_xor, "bits"),
    "copysign": (np.copysign, "float"),
    "divide": (np.divide, "floating"),
    "equal": (np.equal, "any"),
    "floor_divide": (np.floor_divide, "real"),
    "greater": (np.greater, "real"),
    "greater_equal": (np.greater_equal, "real"),
    "hypot": (np.hypot, "float"),
    "less": (np.less, "real"),
    "less_equal": (np.less_equal, "real"),
    "logaddexp": (np.logaddexp, "float"),
    "logical_and": (np.logical_and, "bool"),
    "logical_or": (np.logical_or, "bool"),
    "logical_xor": (np.logical_xor, "bool"),
    "maximum": (np.maximum, "real"),
    "minimum": (np.minimum, "real"),
    "multiply": (np.multiply, "number"),
    "nextafter": (np.nextafter, "float"),
    "not_equal": (np.not_equal, "any"),
    "pow": (np.power, "number"),
    "remainder": (np.remainder, "real"),
    "subtract": (np.subtract, "number"),
}

OPERATORS: dict[str, tuple[Callable[..., Any], str]] = {
    "+": (operator.add, "add"),
    "&": (operator.and_, "bitwise_and"),
    "<<": (operator.lshift, "bitwise_left_shift"),
    "|": (operator.or_, "bitwise_or"),
    ">>": (operator.rshift, "bitwise_right_shift"),
    "^": (operator.xor, "bitwise_xor"),
    "/": (operator.truediv, "divide"),
    "//": (operator.floordiv, "floor_divide"),
    "*": (operator.mul, "multiply"),
    "**": (operator.pow, "pow"),
    "%": (operator.mod, "remainder"),
    "-": (operator.sub, "subtract"),
    "==": (operator.eq, "equal"),
    "!=": (operator.ne, "not_equal"),
    "<": (operator.lt, "less"),
    "<=": (operator.le, "less_equal"),
    ">": (operator.gt, "greater"),
    ">=": (operator.ge, "greater_equal"),
}

IN_PLACE: dict[str, Callable[..., Any]] = {
    "+": operator.iadd,
    "&": operator.iand,
    "<<": operator.ilshift,
    "|": operator.ior,
    ">>": operator.irshift,
    "^": operator.ixor,
    "/": operator.itruediv,
    "//": operator.ifloordiv,
    "*": operator.imul,
    "**": operator.ipow,
    "%": operator.imod,
    "-": operator.isub,
}


def _expected(function: Callable[..., Any], *arrays: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*arrays)


@pytest.mark.parametrize("name", list(UNARY))
@settings(max_examples=6)
@given(data=st.data())
@in_a_new_graph
def test_functions_of_one_array(name: str, data: st.DataObject) -> None:
    reference, kind = UNARY[name]
    x = data.draw(xps.arrays(data.draw(dtypes(kind)), SHAPES))
    wanted = _expected(reference, value(x))
    if x.dtype.kind in "iu" and name in ("ceil", "floor", "trunc", "round"):
        wanted = wanted.astype(x.dtype)
    check(getattr(gf, name)(x), wanted)


def _operands(data: st.DataObject, kind: str, name: str) -> tuple[Any, Any]:
    dtype = data.draw(dtypes(kind))
    shapes = data.draw(
        xps.mutually_broadcastable_shapes(2, min_dims=0, max_dims=3, min_side=0, max_side=3)
    ).input_shapes
    x = data.draw(xps.arrays(dtype, shapes[0]))
    elements: Any = FINITE if name == "floor_divide" and dtype in ("float32", "float64") else {}
    if kind != "bool" and np.dtype(dtype).kind in "iu" and ("shift" in name or name == "pow"):
        elements = {"min_value": 0, "max_value": 7}
    return x, data.draw(xps.arrays(dtype, shapes[1], elements=elements))


def _numpys(name: str, x: Any, y: Any) -> Any:
    """NumPy's answer, but the standard's where an operand of `//` is infinite."""
    reference = BINARY[name][0]
    wanted = _expected(reference, x, y)
    if name == "floor_divide" and x.dtype.kind == "f":
        infinite = np.isinf(x) | np.isinf(y)
        wanted = np.where(infinite, _expected(lambda: np.floor(x / y)), wanted).astype(x.dtype)
    return wanted


@pytest.mark.parametrize("name", list(BINARY))
@settings(max_examples=6)
@given(data=st.data())
@in_a_new_graph
def test_functions_of_two_arrays(name: str, data: st.DataObject) -> None:
    x, y = _operands(data, BINARY[name][1], name)
    check(getattr(gf, name)(x, y), _numpys(name, value(x), value(y)))


@pytest.mark.parametrize("symbol", list(OPERATORS))
@settings(max_examples=5)
@given(data=st.data())
@in_a_new_graph
def test_operators_are_their_functions(symbol: str, data: st.DataObject) -> None:
    function, name = OPERATORS[symbol]
    x, y = _operands(data, BINARY[name][1], name)
    wanted = _numpys(name, value(x), value(y))
    check(function(x, y), wanted)
    if symbol in IN_PLACE and wanted.shape == x.shape:
        before, z = value(x), x
        z = IN_PLACE[symbol](z, y)
        check(z, wanted)
        check(x, before)


def _scalar(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    if dtype.kind == "b":
        return st.booleans()
    numbers = st.integers(1, 3)
    if dtype.kind in "iu":
        return numbers
    return numbers.map(complex if dtype.kind == "c" else float) | numbers


@pytest.mark.parametrize("symbol", list(OPERATORS))
@settings(max_examples=5)
@given(data=st.data())
@in_a_new_graph
def test_a_python_number_takes_the_dtype_of_the_array(symbol: str, data: st.DataObject) -> None:
    function, name = OPERATORS[symbol]
    x = data.draw(xps.arrays(data.draw(dtypes(BINARY[name][1])), SHAPES))
    number = data.draw(_scalar(x.dtype))
    array, scalar = value(x), np.asarray(number, x.dtype)
    small = array.dtype.kind not in "iu" or not array.size or (array.min() >= 0 and array.max() < 8)
    check(function(x, number), _numpys(name, array, scalar))
    check(getattr(gf, name)(x, number), _numpys(name, array, scalar))
    if small or name not in ("pow", "bitwise_left_shift", "bitwise_right_shift"):
        check(function(number, x), _numpys(name, scalar, array))
        check(getattr(gf, name)(number, x), _numpys(name, scalar, array))
    if symbol in IN_PLACE:
        z = x
        z = IN_PLACE[symbol](z, number)
        check(z, _numpys(name, array, scalar))


@settings(max_examples=25)
@given(st.data())
@in_a_new_graph
def test_clip(data: st.DataObject) -> None:
    dtype = data.draw(dtypes("real"))
    shapes = data.draw(xps.mutually_broadcastable_shapes(3, min_dims=0, max_dims=2, max_side=3)).input_shapes
    x = data.draw(xps.arrays(dtype, shapes[0]))
    low, high = (
        data.draw(st.none() | st.integers(0, 9) | xps.arrays(dtype, shape, elements=FINITE))
        for shape in shapes[1:]
    )
    bounds = [None if b is None else np.asarray(b).astype(dtype) for b in (low, high)]
    if bounds[0] is not None and bounds[1] is not None:
        assume(bool(np.all(bounds[0] <= bounds[1])))
    wanted = value(x)
    if bounds[0] is not None:
        wanted = np.maximum(wanted, bounds[0])
    if bounds[1] is not None:
        wanted = np.minimum(wanted, bounds[1])
    result = gf.clip(x, low, high)
    check(result, wanted)
    assert result is not x
    check(gf.clip(x, min=low, max=high), wanted)


@settings(max_examples=20)
@given(st.data())
@in_a_new_graph
def test_where(data: st.DataObject) -> None:
    dtype = data.draw(dtypes("any"))
    shapes = data.draw(xps.mutually_broadcastable_shapes(3, min_dims=0, max_dims=2, max_side=3)).input_shapes
    condition = data.draw(xps.arrays("bool", shapes[0]))
    x, y = (data.draw(xps.arrays(dtype, shape)) for shape in shapes[1:])
    check(gf.where(condition, x, y), np.where(value(condition), value(x), value(y)))
    number = data.draw(_scalar(np.dtype(dtype)))
    check(gf.where(condition, x, number), np.where(value(condition), value(x), np.asarray(number, dtype)))
    check(gf.where(condition, number, x), np.where(value(condition), np.asarray(number, dtype), value(x)))


@settings(max_examples=20)
@given(st.data())
@in_a_new_graph
def test_matrix_products(data: st.DataObject) -> None:
    dtype = data.draw(dtypes("number"))
    m, k, n = (data.draw(st.integers(0, 3)) for _ in range(3))
    x, y = (
        data.draw(
            xps.arrays(dtype, shape, elements={"min_value": 0, "max_value": 9} if dtype[0] in "iuf" else {})
        )
        for shape in ((2, m, k), (k, n))
    )
    wanted = _expected(np.matmul, value(x), value(y))
    check(x @ y, wanted, rtol=1e-5)
    check(gf.matmul(x, y), wanted, rtol=1e-5)
    z = x
    if wanted.shape == x.shape:
        z @= y
        check(z, wanted, rtol=1e-5)
