"""The standard's special cases: NaN, infinities, zeros of both signs, branch cuts, and integers at their limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, RunError

NAN, INF = math.nan, math.inf
PI = math.pi
ANY = (NAN, -INF, -2.5, -1.0, -0.0, 0.0, 1.0, 2.5, INF)

# function -> (argument, result); a result that is no special value is only approximate
UNARY: dict[str, list[tuple[float, float]]] = {
    "abs": [(NAN, NAN), (-0.0, 0.0), (-INF, INF), (INF, INF)],
    "acos": [(NAN, NAN), (1.5, NAN), (-1.5, NAN), (INF, NAN), (1.0, 0.0)],
    "acosh": [(NAN, NAN), (0.5, NAN), (-INF, NAN), (1.0, 0.0), (INF, INF)],
    "asin": [(NAN, NAN), (1.5, NAN), (-1.5, NAN), (0.0, 0.0), (-0.0, -0.0)],
    "asinh": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "atan": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, PI / 2), (-INF, -PI / 2)],
    "atanh": [(NAN, NAN), (-2.0, NAN), (2.0, NAN), (-1.0, -INF), (1.0, INF), (0.0, 0.0), (-0.0, -0.0)],
    "ceil": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN), (-0.5, -0.0), (7.0, 7.0)],
    "cos": [(NAN, NAN), (0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "cosh": [(NAN, NAN), (0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF)],
    "exp": [(NAN, NAN), (0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0)],
    "expm1": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0)],
    "floor": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN), (0.5, 0.0), (-7.0, -7.0)],
    "log": [(NAN, NAN), (-1.0, NAN), (-INF, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF)],
    "log1p": [(NAN, NAN), (-2.0, NAN), (-1.0, -INF), (-0.0, -0.0), (0.0, 0.0), (INF, INF)],
    "log2": [(NAN, NAN), (-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (8.0, 3.0)],
    "log10": [(NAN, NAN), (-1.0, NAN), (0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF)],
    "negative": [(0.0, -0.0), (-0.0, 0.0), (INF, -INF), (NAN, NAN)],
    "positive": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (NAN, NAN)],
    "reciprocal": [(NAN, NAN), (0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, -0.0)],
    "round": [
        *((0.5, 0.0), (-0.5, -0.0), (1.5, 2.0), (2.5, 2.0), (-2.5, -2.0)),
        *((INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN)),
    ],
    "sign": [(-2.0, -1.0), (-INF, -1.0), (2.0, 1.0), (INF, 1.0), (NAN, NAN)],
    "sin": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "sinh": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "sqrt": [(NAN, NAN), (-1.0, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, INF)],
    "square": [(NAN, NAN), (-0.0, 0.0), (-INF, INF)],
    "tan": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "tanh": [(NAN, NAN), (0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "trunc": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN), (-0.5, -0.0), (2.7, 2.0)],
}

BINARY: dict[str, list[tuple[float, float, float]]] = {
    "add": [
        *((INF, -INF, NAN), (-INF, INF, NAN), (INF, INF, INF), (-INF, 1.0, -INF), (1.0, INF, INF)),
        *((-0.0, -0.0, -0.0), (-0.0, 0.0, 0.0), (0.0, -0.0, 0.0), (0.0, 0.0, 0.0), (2.5, -2.5, 0.0)),
        *((-0.0, 2.5, 2.5), (2.5, -0.0, 2.5)),
        *((NAN, v, NAN) for v in ANY),
    ],
    "atan2": [
        *((NAN, 1.0, NAN), (1.0, NAN, NAN), (2.5, 0.0, PI / 2), (2.5, -0.0, PI / 2), (0.0, 2.5, 0.0)),
        *((0.0, 0.0, 0.0), (0.0, -0.0, PI), (0.0, -2.5, PI), (-0.0, 2.5, -0.0), (-0.0, 0.0, -0.0)),
        *((-0.0, -0.0, -PI), (-0.0, -2.5, -PI), (-2.5, 0.0, -PI / 2), (-2.5, -0.0, -PI / 2)),
        *((2.5, INF, 0.0), (2.5, -INF, PI), (-2.5, INF, -0.0), (-2.5, -INF, -PI)),
        *((INF, 2.5, PI / 2), (-INF, 2.5, -PI / 2), (INF, INF, PI / 4), (INF, -INF, 3 * PI / 4)),
        *((-INF, INF, -PI / 4), (-INF, -INF, -3 * PI / 4)),
    ],
    "copysign": [
        *((2.5, -1.0, -2.5), (2.5, -0.0, -2.5), (-2.5, 0.0, 2.5), (-2.5, 1.0, 2.5), (INF, -0.0, -INF)),
        *((0.0, -INF, -0.0), (-0.0, 1.0, 0.0)),
    ],
    "divide": [
        *((INF, INF, NAN), (INF, -INF, NAN), (0.0, 0.0, NAN), (0.0, -0.0, NAN), (0.0, 1.0, 0.0)),
        *((-0.0, 1.0, -0.0), (0.0, -1.0, -0.0), (-0.0, -1.0, 0.0), (1.0, 0.0, INF), (1.0, -0.0, -INF)),
        *((-1.0, 0.0, -INF), (-1.0, -0.0, INF), (INF, 1.0, INF), (INF, -1.0, -INF), (-INF, 1.0, -INF)),
        *((-INF, -1.0, INF), (1.0, INF, 0.0), (1.0, -INF, -0.0), (-1.0, INF, -0.0), (-1.0, -INF, 0.0)),
        *((NAN, v, NAN) for v in ANY),
    ],
    "floor_divide": [
        *((INF, INF, NAN), (-INF, INF, NAN), (0.0, 0.0, NAN), (-0.0, 0.0, NAN), (0.0, 1.0, 0.0)),
        *((-0.0, 1.0, -0.0), (0.0, -1.0, -0.0), (-0.0, -1.0, 0.0), (1.0, 0.0, INF), (1.0, -0.0, -INF)),
        *((-1.0, 0.0, -INF), (-1.0, -0.0, INF), (INF, 2.5, INF), (INF, -2.5, -INF), (-INF, 2.5, -INF)),
        *((-INF, -2.5, INF), (1.0, INF, 0.0), (1.0, -INF, -0.0), (-1.0, INF, -0.0), (-1.0, -INF, 0.0)),
        *((7.0, 2.0, 3.0), (-7.0, 2.0, -4.0), (7.0, -2.0, -4.0), (-7.0, -2.0, 3.0), (1.0, 2.0, 0.0)),
        *((NAN, v, NAN) for v in ANY),
        *((v, NAN, NAN) for v in ANY),
    ],
    "hypot": [
        *((INF, NAN, INF), (-INF, 1.0, INF), (NAN, -INF, INF), (0.0, -2.5, 2.5), (-2.5, -0.0, 2.5)),
        *((NAN, 1.0, NAN), (1.0, NAN, NAN), (NAN, NAN, NAN), (-3.0, 4.0, 5.0)),
    ],
    "logaddexp": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, -INF, INF), (1.0, INF, INF), (-INF, -INF, -INF)],
    "maximum": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (INF, 1.0, INF), (-INF, -1.0, -1.0)],
    "minimum": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-INF, 1.0, -INF), (INF, 1.0, 1.0)],
    "multiply": [
        *((INF, 0.0, NAN), (-0.0, -INF, NAN), (INF, INF, INF), (INF, -INF, -INF), (INF, -2.5, -INF)),
        *((-2.5, -INF, INF), (-0.0, 2.5, -0.0), (-0.0, -2.5, 0.0)),
        *((NAN, v, NAN) for v in ANY),
    ],
    "nextafter": [(NAN, 1.0, NAN), (1.0, NAN, NAN), (-0.0, 0.0, 0.0), (0.0, -0.0, -0.0), (2.5, 2.5, 2.5)],
    "pow": [
        *((v, 0.0, 1.0) for v in ANY),
        *((v, -0.0, 1.0) for v in ANY),
        *((NAN, 2.5, NAN), (2.5, NAN, NAN), (2.5, INF, INF), (-2.5, -INF, 0.0), (1.0, NAN, 1.0)),
        *((-1.0, INF, 1.0), (-1.0, -INF, 1.0), (0.5, INF, 0.0), (-0.5, -INF, INF), (1.0, INF, 1.0)),
        *((INF, 0.5, INF), (INF, -0.5, 0.0), (-INF, 3.0, -INF), (-INF, 2.5, INF), (-INF, 0.5, INF)),
        *((-INF, -3.0, -0.0), (-INF, -2.5, 0.0), (0.0, 2.5, 0.0), (0.0, -2.5, INF), (-0.0, 3.0, -0.0)),
        *((-0.0, 0.5, 0.0), (-0.0, -3.0, -INF), (-0.0, -2.5, INF), (-2.5, 0.5, NAN), (-2.0, 3.0, -8.0)),
    ],
    "remainder": [
        *((INF, 2.5, NAN), (-INF, INF, NAN), (0.0, 0.0, NAN), (-0.0, 0.0, NAN), (2.5, 0.0, NAN)),
        *((0.0, 2.5, 0.0), (-0.0, 2.5, 0.0), (0.0, -2.5, -0.0), (-0.0, -2.5, -0.0), (2.5, INF, 2.5)),
        *((2.5, -INF, -INF), (-2.5, INF, INF), (-2.5, -INF, -2.5), (7.0, 2.0, 1.0), (-7.0, 2.0, 1.0)),
        *((7.0, -2.0, -1.0), (-8.0, 2.0, 0.0), (8.0, -2.0, -0.0)),
        *((NAN, v, NAN) for v in ANY),
    ],
    "subtract": [
        *((INF, INF, NAN), (-INF, -INF, NAN), (INF, -INF, INF), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0)),
        *((2.5, 2.5, 0.0), (NAN, 1.0, NAN)),
    ],
}


def _same(found: Any, wanted: Any, what: str) -> None:
    """Equal to a few last places; NaN for NaN, and zeros of the same sign."""
    rtol = 4 * float(np.finfo(found.dtype).eps)
    np.testing.assert_allclose(found, np.asarray(wanted).astype(found.dtype), rtol=rtol, err_msg=what)
    for part in (np.real, np.imag):
        sure = ~np.isnan(part(wanted))
        np.testing.assert_array_equal(
            np.signbit(part(found))[sure], np.signbit(part(np.asarray(wanted)))[sure], err_msg=what
        )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", list(UNARY))
def test_functions_of_one_real_number(name: str, dtype: str) -> None:
    x, wanted = np.array(UNARY[name]).T
    _same(np.asarray(getattr(gf, name)(gf.asarray(x, dtype=dtype))), wanted, name)


HALF_APART = ("nextafter",)
"""NumPy's functions of float16, which the standard does not have, that give another zero."""


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in BINARY
        for dtype in ("float32", "float64", "float16")
        if not (name in HALF_APART and dtype == "float16")
    ],
)
def test_functions_of_two_real_numbers(name: str, dtype: str) -> None:
    x, y, wanted = np.array(BINARY[name]).T
    a, b = gf.asarray(x, dtype=dtype), gf.asarray(y, dtype=dtype)
    _same(np.asarray(getattr(gf, name)(a, b)), wanted, name)
    for k in range(len(wanted)):  # numbers alone may go another way than arrays
        _same(np.asarray(getattr(gf, name)(a[k], b[k])), wanted[k], f"{name}({x[k]}, {y[k]})")
        _same(np.asarray(getattr(gf, name)(a[k], float(y[k]))), wanted[k], f"{name}({x[k]}, {y[k]})")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("isnan", [1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("isinf", [0, 1, 0, 0, 0, 0, 0, 0, 1]),
        ("isfinite", [0, 0, 1, 1, 1, 1, 1, 1, 0]),
        ("signbit", [0, 1, 1, 1, 1, 0, 0, 0, 0]),
    ],
)
def test_questions_about_numbers(name: str, wanted: list[int]) -> None:
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        x = gf.cast(gf.constant(np.array(ANY)), dtype)
        assert np.asarray(getattr(gf, name)(x)).tolist() == [bool(w) for w in wanted]


# --- complex numbers: C99's values on the axes, at infinity and beside the branch cuts --------------

COMPLEX: dict[str, list[tuple[complex, complex]]] = {
    "abs": [(complex(INF, NAN), INF), (complex(NAN, -INF), INF), (complex(-0.0, -3.0), 3.0), (3 - 4j, 5.0)],
    "sqrt": [
        *((complex(-4, 0.0), complex(0, 2)), (complex(-4, -0.0), complex(0, -2)), (complex(-0.0, 0.0), 0j)),
        *((complex(1, INF), complex(INF, INF)), (complex(-INF, 1), complex(0, INF))),
        (complex(INF, 1), complex(INF, 0)),
    ],
    "log": [
        *((complex(-1, 0.0), complex(0, PI)), (complex(-1, -0.0), complex(0, -PI))),
        *((complex(-0.0, 0.0), complex(-INF, PI)), (complex(0.0, 0.0), complex(-INF, 0))),
        *((complex(1, INF), complex(INF, PI / 2)), (complex(-INF, 1), complex(INF, PI))),
        *((complex(INF, INF), complex(INF, PI / 4)), (complex(-INF, INF), complex(INF, 3 * PI / 4))),
    ],
    "exp": [
        *((complex(0.0, 0.0), complex(1, 0)), (complex(INF, 0.0), complex(INF, 0))),
        *((complex(-INF, 1), complex(0, 0)), (complex(NAN, 0.0), complex(NAN, 0))),
        (complex(0, PI / 2), complex(6e-17, 1)),
    ],
    "acos": [
        *(
            (complex(2, 0.0), complex(0, -1.3169578969248166)),
            (complex(2, -0.0), complex(0, 1.3169578969248166)),
        ),
        *((complex(0.0, 0.0), complex(PI / 2, -0.0)), (complex(1, INF), complex(PI / 2, -INF))),
        (complex(-INF, 1), complex(PI, -INF)),
    ],
    "asin": [
        (complex(2, 0.0), complex(PI / 2, 1.3169578969248166)),
        (complex(2, -0.0), complex(PI / 2, -1.3169578969248166)),
    ],
    "atan": [
        (complex(0.0, 2), complex(PI / 2, 0.5493061443340549)),
        (complex(-0.0, 2), complex(-PI / 2, 0.5493061443340549)),
    ],
    "acosh": [
        *(
            (complex(-2, 0.0), complex(1.3169578969248166, PI)),
            (complex(-2, -0.0), complex(1.3169578969248166, -PI)),
        ),
        *((complex(0.0, 0.0), complex(0, PI / 2)), (complex(1, INF), complex(INF, PI / 2))),
    ],
    "asinh": [
        *((complex(0.0, 0.0), complex(0, 0)), (complex(1, INF), complex(INF, PI / 2))),
        *((complex(INF, INF), complex(INF, PI / 4)), (complex(NAN, 0.0), complex(NAN, 0))),
    ],
    "atanh": [
        *((complex(0.0, 0.0), complex(0, 0)), (complex(1, 0.0), complex(INF, 0))),
        *((complex(1, INF), complex(0, PI / 2)), (complex(INF, INF), complex(0, PI / 2))),
    ],
    "sinh": [(complex(0.0, 0.0), complex(0, 0)), (complex(INF, 0.0), complex(INF, 0))],
    "cosh": [(complex(0.0, 0.0), complex(1, 0)), (complex(INF, 0.0), complex(INF, 0))],
    "tanh": [
        (complex(0.0, 0.0), complex(0, 0)),
        (complex(INF, 1), complex(1, 0)),
        (complex(INF, INF), complex(1, 0)),
    ],
    "expm1": [
        (complex(0.0, 0.0), complex(0, 0)),
        (complex(INF, 0.0), complex(INF, 0)),
        (1e-10 + 0j, 1e-10 + 0j),
    ],
    "log1p": [
        (complex(-1, 0.0), complex(-INF, 0)),
        (complex(1, INF), complex(INF, PI / 2)),
        (1e-10 + 0j, 1e-10 + 0j),
    ],
    "sign": [(3 + 4j, 0.6 + 0.8j), (0j, 0j)],
    "square": [(1j, complex(-1, 0))],
}


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", list(COMPLEX))
def test_functions_of_one_complex_number(name: str, dtype: str) -> None:
    """Signs of zeros are not compared: some are left to the implementation."""
    for z, wanted in COMPLEX[name]:
        found = complex(getattr(gf, name)(gf.asarray(np.array(z, dtype))))
        for a, b in ((found.real, complex(wanted).real), (found.imag, complex(wanted).imag)):
            close = math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-7)
            assert close or (math.isnan(a) and math.isnan(b)), f"{name}({z}) is {found}, not {wanted}"


@pytest.mark.parametrize(
    "name", ["sqrt", "log", "acos", "asin", "acosh", "asinh", "exp", "expm1", "sin", "tan"]
)
def test_a_conjugate_gives_the_conjugate(name: str) -> None:
    points = [complex(a, b) for a in (-2.5, -1.0, 0.0, 0.5, 3.0) for b in (0.0, 0.5, 2.0)]
    z = gf.asarray(np.array(points))
    f = getattr(gf, name)
    np.testing.assert_array_equal(np.asarray(f(gf.conj(z))), np.conj(np.asarray(f(z))))


# --- integers -------------------------------------------------------------------------------------

SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = (*SIGNED, "uint8", "uint16", "uint32", "uint64")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_that_overflow_wrap_around(dtype: str) -> None:
    info = gf.iinfo(dtype)
    top, bottom = gf.asarray(info.max, dtype=dtype), gf.asarray(info.min, dtype=dtype)
    assert int(top + 1) == info.min
    assert int(bottom - 1) == info.max
    assert int(top * 2) == (-2 if dtype in SIGNED else info.max - 1)
    assert int(gf.square(top)) == 1
    if dtype in SIGNED:
        assert int(-bottom) == int(abs(bottom)) == info.min
        assert int(bottom // -1) == info.min
        assert int(bottom % -1) == 0


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_divided_by_zero_are_zero(dtype: str) -> None:
    x = gf.asarray([0, 1, 7], dtype=dtype)
    assert np.asarray(x // 0).tolist() == [0, 0, 0]
    assert np.asarray(x % 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", SIGNED)
def test_integers_are_divided_downwards(dtype: str) -> None:
    x = gf.asarray([7, -7, 7, -7, 6, -6], dtype=dtype)
    y = gf.asarray([2, 2, -2, -2, 3, 3], dtype=dtype)
    assert np.asarray(x // y).tolist() == [3, -4, -4, 3, 2, -2]
    assert np.asarray(x % y).tolist() == [1, 1, -1, -1, 0, 0]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_shift_by_the_width_or_more_shifts_all_out(dtype: str) -> None:
    bits = gf.iinfo(dtype).bits
    x = gf.asarray([1, 5, gf.iinfo(dtype).max], dtype=dtype)
    for by in (bits, min(2 * bits, gf.iinfo(dtype).max)):
        assert np.asarray(x << by).tolist() == [0, 0, 0]
        assert np.asarray(x >> by).tolist() == [0, 0, 0]
    assert np.asarray(x << (bits - 1))[0] == (gf.iinfo(dtype).min if dtype in SIGNED else 2 ** (bits - 1))
    if dtype in SIGNED:
        assert np.asarray(gf.asarray([-1, -8], dtype=dtype) >> 1).tolist() == [-1, -4]
        assert np.asarray(gf.asarray([-1, -8], dtype=dtype) >> bits).tolist() == [-1, -1]


def test_integer_powers() -> None:
    x = gf.asarray([0, 1, -1, 2, -3], dtype="int32")
    assert np.asarray(x**0).tolist() == [1] * 5
    assert np.asarray(x**3).tolist() == [0, 1, -1, 8, -27]
    assert np.asarray(2 ** gf.asarray([0, 5, 30, 31, 32], dtype="int32")).tolist() == [
        1,
        32,
        2**30,
        -(2**31),
        0,
    ]
    with pytest.raises(ArgumentError, match="cast it to a float first"):
        x**-1
    with pytest.raises(RunError, match="negative integer power -5"):
        np.asarray(x ** gf.negative(gf.abs(x) + 2))


def test_bools_have_logic_and_no_arithmetic() -> None:
    a, b = gf.asarray([True, True, False, False]), gf.asarray([True, False, True, False])
    assert (
        np.asarray(a & b).tolist() == np.asarray(gf.logical_and(a, b)).tolist() == [True, False, False, False]
    )
    assert np.asarray(a | b).tolist() == np.asarray(gf.logical_or(a, b)).tolist() == [True, True, True, False]
    assert (
        np.asarray(a ^ b).tolist() == np.asarray(gf.logical_xor(a, b)).tolist() == [False, True, True, False]
    )
    assert np.asarray(~a).tolist() == np.asarray(gf.logical_not(a)).tolist() == [False, False, True, True]
    for call in (lambda: a + b, lambda: a - b, lambda: a * b, lambda: -a, lambda: abs(a), lambda: a << b):
        with pytest.raises(gf.errors.DTypeError):
            call()
