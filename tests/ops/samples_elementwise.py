"""Samples of the elementwise ops on floating numbers: functions, arithmetic, rounding, choice, complex parts.

References are computed in extended precision, or by SciPy, and rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

EXACT = 1e-14
NAN, INF = np.nan, np.inf
SPECIAL = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 5e-324])
BF16 = gf.bfloat16


def wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function evaluated in extended precision."""

    def reference(*arrays: Any) -> Any:
        extended = []
        for x in arrays:
            x = np.asarray(x)
            if x.dtype.kind == "c":
                extended.append(x.astype(np.clongdouble))
            else:
                extended.append((x.astype(np.float64) if x.dtype == BF16 else x).astype(np.longdouble))
        with np.errstate(all="ignore"):
            result = np.asarray(function(*extended))
            return result.astype(np.complex128 if result.dtype.kind == "c" else np.float64)

    return reference


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without NumPy's warnings."""

    def reference(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arrays)

    return reference


def parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """A complex function of two real inputs, as two real outputs: so its gradient can be checked."""

    def build(re: Any, im: Any) -> Any:
        y = function(F.complex(re, im))
        return F.real(y), F.imag(y)

    return build


def both(function: Callable[..., Any]) -> Callable[..., Any]:
    """The reference that belongs to `parts`."""

    def reference(re: Any, im: Any) -> Any:
        y = function(re + 1j * im)
        return np.real(y), np.imag(y)

    return reference


# --- functions of one real or complex operand -----------------------------------------------------

# name, reference, least and largest argument, defined for complex numbers, standard (in array_api_strict)
FUNCTIONS: list[tuple[str, Callable[..., Any], float, float, bool, bool]] = [
    ("abs", np.abs, 0.2, 2.0, False, True),
    ("sign", np.sign, 0.2, 2.0, False, True),
    ("negative", np.negative, -2, 2, True, True),
    ("square", lambda x: x * x, -2, 2, True, True),
    ("sqrt", np.sqrt, 0.2, 2, True, True),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 0.2, 2, True, True),
    ("reciprocal", lambda x: 1 / x, 0.3, 2, True, True),
    ("cbrt", np.cbrt, 0.3, 2, False, False),
    ("exp", np.exp, -2, 2, True, True),
    ("exp2", np.exp2, -2, 2, True, False),
    ("expm1", np.expm1, -2, 2, True, True),
    ("log", np.log, 0.2, 3, True, True),
    ("log1p", np.log1p, -0.7, 3, True, True),
    ("log2", np.log2, 0.2, 3, True, True),
    ("log10", np.log10, 0.2, 3, True, True),
    ("sin", np.sin, -2, 2, True, True),
    ("cos", np.cos, -2, 2, True, True),
    ("tan", np.tan, -1.2, 1.2, True, True),
    ("asin", np.arcsin, -0.8, 0.8, True, True),
    ("acos", np.arccos, -0.8, 0.8, True, True),
    ("atan", np.arctan, -2, 2, True, True),
    ("sinh", np.sinh, -2, 2, True, True),
    ("cosh", np.cosh, -2, 2, True, True),
    ("tanh", np.tanh, -2, 2, True, True),
    ("asinh", np.arcsinh, -2, 2, True, True),
    ("acosh", np.arccosh, 1.2, 3, True, True),
    ("atanh", np.arctanh, -0.8, 0.8, True, True),
    ("floor", np.floor, 0.1, 0.9, False, True),
    ("ceil", np.ceil, 0.1, 0.9, False, True),
    ("trunc", np.trunc, 0.1, 0.9, False, True),
    ("round", np.rint, 0.6, 0.9, False, True),
]


def _function_samples() -> list[Sample]:
    found = []
    for name, reference, low, high, is_complex, standard in FUNCTIONS:
        f = F.table[name]
        common: dict[str, Any] = {"reference": wide(reference), "strict": standard, "rtol": EXACT}
        found += [
            Sample(f"{name}-f64", f, (array(5, low=low, high=high),), grad=True, **common),
            Sample(f"{name}-f32", f, (array(2, 3, dtype=np.float32, low=low, high=high),), **common),
            Sample(f"{name}-f16-scalar", f, (array(dtype=np.float16, low=low, high=high),), **common),
            Sample(f"{name}-bf16-reversed", f, (array(2, 0, 3, dtype=BF16)[::-1],), **common),
            Sample(f"{name}-special", f, (SPECIAL[::-1],), **common),
        ]
        if is_complex:
            re, im = array(4, low=0.2, high=0.7, seed=1), array(4, low=-0.9, high=0.9, seed=2)
            found.append(
                Sample(
                    f"{name}-complex",
                    parts(f),
                    (re, im),
                    both(reference),
                    grad=True,
                    rtol=1e-13,
                    strict=False,
                )
            )
            found.append(Sample(f"{name}-c64", f, ((re + 1j * im).astype(np.complex64),), **common))
    return found


# --- special functions ----------------------------------------------------------------------------


def _trigamma(x: Any) -> Any:
    return scipy.special.polygamma(1, x)


SPECIAL_FUNCTIONS: list[tuple[str, Callable[..., Any], Callable[..., Any], float, float]] = [
    ("erf", F.erf, scipy.special.erf, -5, 5),
    ("erfc", F.erfc, scipy.special.erfc, -5, 9),
    ("erfinv", F.erfinv, scipy.special.erfinv, -0.99, 0.99),
    ("lgamma", F.lgamma, scipy.special.gammaln, 0.1, 30),
    ("digamma", F.digamma, scipy.special.digamma, 0.1, 30),
    ("polygamma-1", lambda x: F.polygamma(1, x), _trigamma, 0.1, 30),
    ("polygamma-4", lambda x: F.polygamma(4, x), lambda x: scipy.special.polygamma(4, x), 0.5, 30),
    ("polygamma-0", lambda x: F.polygamma(0, x), scipy.special.digamma, 0.1, 30),
]


def _special_samples() -> list[Sample]:
    found = []
    for name, f, reference, low, high in SPECIAL_FUNCTIONS:
        inside = array(6, low=max(low, -0.8), high=min(high, 2.5) if low > -1 else 0.8)
        common: dict[str, Any] = {"strict": False, "rtol": 3e-14, "atol": 1e-14}
        found += [
            Sample(f"{name}-f64", f, (inside,), reference, grad=True, **common),
            Sample(
                f"{name}-f64-many", f, (array(3, 4000, low=low, high=high)[:, ::-2],), reference, **common
            ),
            Sample(
                f"{name}-f32",
                f,
                (array(4, 5, dtype=np.float32, low=low, high=high),),
                lambda x, r=reference: r(x.astype(np.float64)),
                **common,
            ),
            Sample(
                f"{name}-f16",
                f,
                (array(dtype=np.float16, low=0.2, high=0.9),),
                lambda x, r=reference: r(x.astype(np.float64)),
                **common,
            ),
            Sample(f"{name}-empty", f, (np.zeros((0, 2)),), reference, **common),
        ]
    ends = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.0, 7.0])
    for name in ("erf", "erfc", "erfinv"):
        found.append(
            Sample(
                f"{name}-special",
                F.table[name],
                (ends,),
                getattr(scipy.special, name),
                strict=False,
                rtol=EXACT,
            )
        )
    found += [
        Sample(
            "lgamma-special",
            F.lgamma,
            (np.array([NAN, INF, 0.0, -0.0, -1.0, -3.0, 1.0, 2.0, -0.5, -2.3, 1e-300, 1e300]),),
            scipy.special.gammaln,
            strict=False,
            rtol=EXACT,
        ),
        Sample(
            "digamma-special",
            F.digamma,
            (np.array([NAN, INF, 0.0, -0.0, -1.0, 1.0, -0.5, -2.3, 1e300]),),
            scipy.special.digamma,
            strict=False,
            rtol=EXACT,
        ),
    ]
    return found


# --- arithmetic of two operands -------------------------------------------------------------------

# name, reference, complex
ARITHMETIC: list[tuple[str, Callable[..., Any], bool]] = [
    ("add", np.add, True),
    ("subtract", np.subtract, True),
    ("multiply", np.multiply, True),
    ("divide", np.divide, True),
    ("pow", np.power, True),
    ("hypot", np.hypot, False),
    ("atan2", np.arctan2, False),
    ("logaddexp", lambda a, b: np.log(np.exp(a) + np.exp(b)), False),
    ("minimum", np.minimum, False),
    ("maximum", np.maximum, False),
    ("copysign", np.copysign, False),
    ("remainder", np.remainder, False),
    ("floor_divide", np.floor_divide, False),
]


def _arithmetic_samples() -> list[Sample]:
    found = []
    for name, reference, is_complex in ARITHMETIC:
        f = F.table[name]
        common: dict[str, Any] = {"rtol": EXACT}
        a, b = array(2, 3, low=0.6, high=0.95), array(3, low=0.4, high=0.55, seed=1)
        found += [
            Sample(f"{name}-broadcast-f64", f, (a, b), wide(reference), grad=True, **common),
            Sample(f"{name}-scalar-f64", f, (b, np.float64(1.3)), wide(reference), grad=True, **common),
            Sample(f"{name}-outer-f32", f, (a[:1].T.astype("f4"), b.astype("f4")), wide(reference), **common),
            Sample(
                f"{name}-f16-strided",
                f,
                (a[::-1, ::2].astype("f2"), a[:, ::-2].astype("f2")),
                wide(reference),
            ),
            Sample(f"{name}-bf16", f, (a.astype(BF16), a.astype(BF16)), wide(reference)),
            Sample(f"{name}-empty", f, (np.zeros((2, 0)), np.zeros((1, 1))), wide(reference)),
            Sample(
                f"{name}-mixed",
                f,
                (a.astype("f4"), np.arange(1, 4)),
                lambda x, y, r=reference: r(x, y),
                rtol=1e-6,
            ),
        ]
        if is_complex:
            build = lambda ar, ai, br, bi, f=f: _both_parts(f(F.complex(ar, ai), F.complex(br, bi)))  # noqa: E731
            found.append(
                Sample(
                    f"{name}-complex",
                    build,
                    tuple(array(2, 2, low=0.3, high=1, seed=k) for k in range(4)),
                    lambda ar, ai, br, bi, r=reference: _numpy_parts(r(ar + 1j * ai, br + 1j * bi)),
                    grad=True,
                    rtol=1e-13,
                    strict=False,
                )
            )
    left = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 2.5])
    for name in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "minimum",
        "maximum",
        "copysign",
        "pow",
        "hypot",
        "atan2",
    ):
        reference = {n: r for n, r, _ in ARITHMETIC}[name]
        found.append(
            Sample(f"{name}-special", F.table[name], (left[:, None], left), plain(reference), rtol=EXACT)
        )
    for name in ("remainder", "floor_divide", "logaddexp"):
        reference = _floor_of_quotient if name == "floor_divide" else getattr(np, name)
        found.append(
            Sample(f"{name}-special", F.table[name], (left[:, None], left), plain(reference), rtol=EXACT)
        )
    return found


def _floor_of_quotient(x: Any, y: Any) -> Any:
    """The Array API's preference: where an operand is infinite, floor(x / y); NumPy has Python's answer there."""
    return np.where(np.isinf(x) | np.isinf(y), np.floor(x / y), np.floor_divide(x, y))


def _both_parts(y: Any) -> Any:
    return F.real(y), F.imag(y)


def _numpy_parts(y: Any) -> Any:
    return y.real, y.imag


# --- choice, sums, complex parts --------------------------------------------------------------------


def _other_samples() -> list[Sample]:
    c = np.array([[True], [False]])
    a, b = array(2, 3), array(3, seed=1)
    z = array(3, seed=3) + 1j * array(3, seed=4)
    up = np.array([1.0, -1.0, 0.0, 3.0])
    return [
        Sample("where", F.where, (c, a, b), np.where, grad=True),
        Sample(
            "where-nan",
            F.where,
            (np.array([True, False]), np.array([1.0, NAN]), np.array([NAN, 2.0])),
            np.where,
        ),
        Sample("where-int", F.where, (c, np.arange(3), np.int64(7)), np.where),
        Sample(
            "where-mixed",
            lambda p, x: F.where(p, x, 0),
            (c, a.astype("f4")),
            lambda p, x: np.where(p, x, np.float32(0)),
        ),
        Sample("where-empty", F.where, (np.zeros((0, 1), bool), b, b), np.where),
        Sample("clip", lambda x: F.clip(x, -0.5, 0.7), (a,), lambda x: np.clip(x, -0.5, 0.7), grad=True),
        Sample("clip-low", lambda x: F.clip(x, 0.1), (a,), lambda x: np.maximum(x, 0.1), grad=True),
        Sample("clip-high", lambda x: F.clip(x, max=0.1), (a,), lambda x: np.minimum(x, 0.1), grad=True),
        Sample(
            "clip-tensors", F.clip, (a, b - 2, b), lambda x, p, q: np.minimum(np.maximum(x, p), q), grad=True
        ),
        Sample("clip-crossed", lambda x: F.clip(x, 2, 1), (np.array([0, 1, 5]),), lambda x: np.full(3, 1)),
        Sample("clip-nan", lambda x: F.clip(x, -1, 1), (SPECIAL,), lambda x: np.clip(x, -1, 1)),
        Sample(
            "add_n",
            lambda x, y, w: F.add_n([x, y, w, x]),
            (a, a * 2, a + 1),
            lambda x, y, w: x + y + w + x,
            grad=True,
            rtol=EXACT,
        ),
        Sample("add_n-two-int", lambda x, y: F.add_n([x, y]), (np.arange(3), np.arange(3)), np.add),
        Sample(
            "add_n-f32-reversed",
            lambda x, y: F.add_n((x, y, y)),
            (b[::-1].astype("f4"), b.astype("f4")),
            lambda x, y: x + y + y,
        ),
        Sample("nextafter-f64", F.nextafter, (up, up[::-1]), np.nextafter, grad=True, second_order=False),
        Sample("nextafter-f32", F.nextafter, (up.astype("f4"), np.float32(INF)), np.nextafter),
        Sample("positive", lambda x: +x, (a,), np.array),
        Sample("pow-square", lambda x: x**2, (a,), np.square, grad=True, rtol=EXACT),
        Sample("pow-constant", lambda x: x**3.0, (a,), lambda x: x * x * x, grad=True, rtol=1e-13),
        Sample("pow-half", lambda x: F.pow(x, 0.5), (np.abs(a) + 0.1,), np.sqrt, grad=True, rtol=1e-13),
        Sample("pow-of-constant", lambda x: 2.0**x, (a,), np.exp2, grad=True, rtol=1e-13),
        Sample(
            "pow-edges", F.pow, (np.array([0.0, 0.0, -1.5, 2.0]), np.array([0.0, 2.0, 2.0, 0.0])), np.power
        ),
        Sample("round-complex", F.round, (z * 3,), np.round),
        Sample("real", F.real, (z,), np.real),
        Sample("real-c64", F.real, (z[::-1].astype(np.complex64),), np.real),
        Sample("imag", F.imag, (z,), np.imag),
        Sample("imag-of-real", F.imag, (a,), np.imag),
        Sample("conj", F.conj, (z,), np.conj),
        Sample("angle", F.angle, (z,), np.angle, strict=False),
        Sample("angle-of-real", F.angle, (SPECIAL,), np.angle),
        Sample("abs-c128", F.abs, (z,), np.abs, rtol=EXACT),
        Sample(
            "abs-complex",
            lambda x, y: F.abs(F.complex(x, y)),
            (b, b[::-1]),
            np.hypot,
            grad=True,
            rtol=EXACT,
            strict=False,
        ),
        Sample(
            "sign-complex",
            parts(F.sign),
            (b, b[::-1]),
            both(lambda v: v / np.abs(v)),
            grad=True,
            rtol=EXACT,
            strict=False,
        ),
        Sample(
            "angle-complex",
            lambda x, y: F.angle(F.complex(x, y)),
            (b, b[::-1]),
            lambda x, y: np.arctan2(y, x),
            grad=True,
            strict=False,
        ),
        Sample("conj-complex", parts(F.conj), (b, b[::-1]), lambda x, y: (x, -y), grad=True, strict=False),
        Sample(
            "complex-f32", F.complex, (a.astype("f4"), b.astype("f4")), lambda x, y: x + 1j * y, strict=False
        ),
        Sample(
            "complex-half", F.complex, (b.astype("f2"), b.astype("f2")), lambda x, y: x + 1j * y, strict=False
        ),
        Sample(
            "complex-inf",
            parts(lambda v: v),
            (np.array([1.0, NAN]), np.array([INF, 2.0])),
            lambda x, y: (x, y),
            strict=False,
        ),
    ]


SAMPLES: list[Sample] = [
    *_function_samples(),
    *_special_samples(),
    *_arithmetic_samples(),
    *_other_samples(),
]
