"""Dtypes, promotion, symbolic dimensions and broadcasting."""

from __future__ import annotations

import itertools
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.types import (
    SUPPORTED,
    Dim,
    TensorType,
    as_dtype,
    broadcast_shapes,
    dims_equal,
    normalize_axes,
    promote,
    shape_from_user,
    substitute,
    unknown_dim,
)
from tests.each import Each

STANDARD = [n for n in SUPPORTED if n not in ("float16", "bfloat16")]


def test_promotion_follows_the_standard_where_it_speaks(each: Each) -> None:
    def check(pair: tuple[str, str]) -> None:
        a, b = pair
        try:
            wanted = array_api_strict.result_type(getattr(array_api_strict, a), getattr(array_api_strict, b))
        except TypeError:
            return
        assert promote(SUPPORTED[a], SUPPORTED[b]).name == str(wanted).rpartition(".")[2]

    each(itertools.product(STANDARD, STANDARD), check)


@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        ("int64", "float32", "float32"),
        ("uint8", "float16", "float16"),
        ("float16", "bfloat16", "float32"),
        ("bfloat16", "float32", "float32"),
        ("int32", "bfloat16", "bfloat16"),
        ("bool", "int8", "int8"),
        ("int64", "complex64", "complex64"),
    ],
)
def test_promotion_where_the_standard_is_silent(a: str, b: str, result: str) -> None:
    assert promote(SUPPORTED[a], SUPPORTED[b]).name == result
    assert promote(SUPPORTED[b], SUPPORTED[a]).name == result


def test_uint64_meets_no_signed_integer() -> None:
    with pytest.raises(DTypeError, match="uint64 and int8"):
        promote(SUPPORTED["uint64"], SUPPORTED["int8"])


@pytest.mark.parametrize("bad", ["object", "S5", "U3", "datetime64[s]", "nonsense", None, 3, [], object()])
def test_not_a_dtype(bad: Any) -> None:
    with pytest.raises(DTypeError, match="is not a dtype"):
        as_dtype(bad)


def test_dtypes_by_any_spelling() -> None:
    assert as_dtype("float32") == as_dtype(np.float32) == as_dtype(np.dtype(">f4")) == np.float32
    assert as_dtype(float) == np.float32
    assert as_dtype(int) == np.int64
    assert as_dtype(bool) == np.bool_
    assert as_dtype("bfloat16").name == "bfloat16"


# --- dimensions -----------------------------------------------------------------------------------

n, m = Dim("n"), Dim("m")


def test_dimension_arithmetic_is_exact() -> None:
    assert n + 1 - 1 == n
    assert n - n == 0
    assert isinstance(n - n, int)
    assert (n + 2) * (n - 2) == n * n - 4
    assert (n * 6) // 3 == n * 2
    assert (n * m) // m == n
    assert repr(n * 2 + 1) == "2*n + 1"
    assert repr(unknown_dim()) == "?"


def test_dimensions_compare_only_where_certain() -> None:
    assert dims_equal(n, n) is True
    assert dims_equal(n, n + 1) is False
    assert dims_equal(n, m) is None
    assert dims_equal(3, 4) is False
    assert dims_equal(unknown_dim(), unknown_dim()) is None


@given(st.integers(0, 50), st.integers(0, 50), st.integers(-5, 5), st.integers(-5, 5))
def test_dimension_arithmetic_agrees_with_numbers(a: int, b: int, j: int, k: int) -> None:
    expression = (n * j + m) * (m + k) - n
    sizes = {"n": a, "m": b}
    assert substitute(expression, sizes) == (a * j + b) * (b + k) - a


SMALL_SHAPES = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@given(SMALL_SHAPES, SMALL_SHAPES)
def test_broadcasting_is_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    try:
        wanted = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError):
            broadcast_shapes(a, b)
    else:
        assert broadcast_shapes(a, b) == wanted


def test_broadcasting_symbols() -> None:
    assert broadcast_shapes((n, 1), (1, m)) == (n, m)
    assert broadcast_shapes((n,), (5,)) == (5,)
    assert broadcast_shapes((n, 3), (3,)) == (n, 3)
    (unsure,) = broadcast_shapes((n,), (m,))
    assert isinstance(unsure, Dim)
    assert unsure not in (n, m)


@pytest.mark.parametrize(
    "bad",
    [
        (-1,),
        (2, -3),
        (2**40, 2**40),
        (3.0,),
        ("3",),
        (True,),
        (None,),
        "ab",
        (float("nan"),),
        (1,) * 65,
        object(),
    ],
)
def test_not_a_shape(bad: Any) -> None:
    with pytest.raises(ShapeError):
        shape_from_user(bad)


def test_shapes_from_integer_likes() -> None:
    assert shape_from_user(3) == (3,)
    assert shape_from_user((np.int32(2), np.array(4))) == (2, 4)
    assert shape_from_user(["batch", 7], unknown=True) == (Dim("batch"), 7)


@pytest.mark.parametrize("bad", [(0, 0), 3, -4, 1.0, "0", True])
def test_bad_axes(bad: Any) -> None:
    with pytest.raises(ArgumentError):
        normalize_axes(bad, 3)


def test_types_print_as_people_write_them() -> None:
    assert str(TensorType(SUPPORTED["float32"], (n, unknown_dim(), 3))) == "float32[n, ?, 3]"
    assert str(TensorType(SUPPORTED["int8"], None)) == "int8[...]"
    assert str(TensorType(SUPPORTED["bool"], ())) == "bool[]"
