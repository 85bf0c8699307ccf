"""Samples of elementwise ops on integers and bools: wrap-around, zero divisors, shifts, comparisons, logic, casts.

References are Python's unbounded integers, wrapped around to the type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from graphflow.op import F
from tests.ops.samples_elementwise import BF16, INF, NAN, SPECIAL, plain
from tests.ops.table import Sample, array

INTEGERS_TO_FLOAT = ["sqrt", "exp", "sin", "reciprocal", "erf", "log1p"]

# --- integers -------------------------------------------------------------------------------------


def _extremes(dtype: Any) -> Any:
    limits = np.iinfo(dtype)
    return np.array([limits.min, limits.min + 1, 0, 1, 2, 7, limits.max - 1, limits.max], dtype)


def _python_floor_divide(x: Any, y: Any) -> Any:
    """By Python's integers: 0 for a zero divisor, wrapped around to the type."""
    return _by_element(x, y, lambda a, b: a // b if b else 0)


def _python_remainder(x: Any, y: Any) -> Any:
    return _by_element(x, y, lambda a, b: a % b if b else 0)


def _python_left_shift(x: Any, y: Any) -> Any:
    bits = 8 * x.dtype.itemsize
    return _by_element(x, y, lambda a, b: a << b if 0 <= b < bits else 0)


def _python_right_shift(x: Any, y: Any) -> Any:
    bits = 8 * x.dtype.itemsize
    return _by_element(x, y, lambda a, b: a >> b if 0 <= b < bits else (-1 if a < 0 else 0))


def _by_element(x: Any, y: Any, rule: Callable[[int, int], int]) -> Any:
    bits, signed = 8 * x.dtype.itemsize, x.dtype.kind == "i"
    values = []
    for a, b in zip(*[v.ravel().tolist() for v in np.broadcast_arrays(x, y)], strict=True):
        wrapped = rule(a, b) % 2**bits
        values.append(wrapped - 2**bits if signed and wrapped >= 2 ** (bits - 1) else wrapped)
    return np.array(values, dtype=x.dtype).reshape(np.broadcast_shapes(x.shape, y.shape))


def _integer_samples() -> list[Sample]:
    found = []
    rules: dict[str, Callable[..., Any]] = {
        "add": lambda x, y: _by_element(x, y, lambda a, b: a + b),
        "subtract": lambda x, y: _by_element(x, y, lambda a, b: a - b),
        "multiply": lambda x, y: _by_element(x, y, lambda a, b: a * b),
        "floor_divide": _python_floor_divide,
        "remainder": _python_remainder,
        "minimum": np.minimum,
        "maximum": np.maximum,
        "bitwise_and": np.bitwise_and,
        "bitwise_or": np.bitwise_or,
        "bitwise_xor": np.bitwise_xor,
    }
    for dtype in (np.int8, np.uint8, np.int32, np.int64, np.uint64):
        x = _extremes(dtype)
        name = np.dtype(dtype).name
        for op, rule in rules.items():
            if dtype in (np.int8, np.int64, np.uint64):
                found.append(Sample(f"{op}-{name}", F.table[op], (x[:, None], x[::-1]), rule))
        signed = np.dtype(dtype).kind == "i"  # array_api_strict refuses negative shifts
        shifts = np.array([0, 1, 5, 8 * x.itemsize - 1, 8 * x.itemsize, 100], dtype)
        if signed:
            shifts = np.append(shifts, np.array([-1, np.iinfo(dtype).min], dtype))
        found += [
            Sample(
                f"left-shift-{name}",
                F.bitwise_left_shift,
                (x[:, None], shifts),
                _python_left_shift,
                strict=not signed,
            ),
            Sample(
                f"right-shift-{name}",
                F.bitwise_right_shift,
                (x[:, None], shifts),
                _python_right_shift,
                strict=not signed,
            ),
            Sample(f"invert-{name}", F.bitwise_invert, (x,), np.invert),
            Sample(f"abs-{name}", F.abs, (x,), plain(np.abs)),
            Sample(f"sign-{name}", F.sign, (x,), np.sign),
            Sample(f"negative-{name}", F.negative, (x,), plain(np.negative)),
            Sample(f"square-{name}", F.square, (x,), lambda v: _by_element(v, v, lambda a, b: a * b)),
            Sample(f"floor-{name}", F.floor, (x,), np.array),
            Sample(f"signbit-{name}", F.signbit, (x,), lambda v: v < 0),
        ]
    small = np.array([-3, 0, 1, 2, 5])
    found += [
        Sample("pow-int64", F.pow, (small[:, None], np.array([0, 1, 2, 3, 21])), lambda a, b: a**b),
        Sample("pow-uint8", F.pow, (np.array([2, 3], "u1"), np.array([9, 2], "u1")), lambda a, b: a**b),
        Sample("pow-int-two", lambda x: x**2, (small,), lambda a: a * a),
        Sample(
            "bool-bits",
            lambda a, b: (a & b, a | b, a ^ b, ~a),
            (small > 0, small < 2),
            lambda a, b: (a & b, a | b, a ^ b, ~a),
        ),
        Sample(
            "divide-int",
            F.divide,
            (small, np.array([2, 3, 0, 1, 4])),
            plain(lambda a, b: (a / b).astype("f4")),
        ),
    ]
    for name in INTEGERS_TO_FLOAT:
        reference = getattr(scipy.special, name, None) or (lambda x: 1 / x)
        reference = getattr(np, name, None) if name != "reciprocal" and hasattr(np, name) else reference
        found.append(
            Sample(
                f"{name}-of-int",
                F.table[name],
                (np.array([1, 2, 3]),),
                lambda x, r=reference: r(x.astype(np.float64)),
                strict=name != "erf",
            )
        )
    return found


# --- comparisons and logic ------------------------------------------------------------------------


def _comparison_samples() -> list[Sample]:
    found = []
    x = SPECIAL
    ints = np.array([[-1, 0], [3, 4]])
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        f, reference = F.table[name], getattr(np, name)
        found += [
            Sample(f"{name}-special", f, (x[:, None], x), reference),
            Sample(f"{name}-int", f, (ints, np.array([0, 4])), reference),
            Sample(f"{name}-bf16", f, (x[1:].astype(BF16), x[:0:-1].astype(BF16)), reference),
            Sample(
                f"{name}-scalar",
                lambda t, f=f: f(t, 0.5),
                (x.astype("f4"),),
                lambda t, r=reference: r(t, 0.5),
            ),
            Sample(f"{name}-empty", f, (np.zeros((0, 3)), np.zeros(3)), reference),
        ]
    found += [
        Sample("equal-complex", F.equal, (x[:3] + 1j, x[:3] + 1j), np.equal),
        Sample("equal-bool", F.equal, (x > 0, x < 1), np.equal),
    ]
    for name in ("isnan", "isinf", "isfinite"):
        reference = getattr(np, name)
        found += [
            Sample(f"{name}-f64", F.table[name], (x,), reference),
            Sample(
                f"{name}-c64",
                F.table[name],
                (np.array([1j, NAN, INF * 1j, 2, complex(1, NAN)], "c8"),),
                reference,
            ),
            Sample(f"{name}-int", F.table[name], (ints,), reference),
            Sample(f"{name}-bool", F.table[name], (ints > 0,), reference),
            Sample(f"{name}-bf16-scalar", F.table[name], (np.array(INF, BF16),), reference),
        ]
    found.append(Sample("signbit-f64", F.signbit, (np.array([NAN, INF, -INF, 0.0, -0.0, -2.0]),), np.signbit))
    p, q = np.array([True, False])[:, None], np.array([True, False])
    for name in ("logical_and", "logical_or", "logical_xor"):
        found.append(Sample(name, F.table[name], (p, q), getattr(np, name)))
    found.append(Sample("logical_not", F.logical_not, (p,), np.logical_not))
    return found


# --- conversions -----------------------------------------------------------------------------------


def _cast_reference(dtype: Any) -> Callable[..., Any]:
    """Float to integer by Python's numbers: cut, kept in range, NaN to 0."""

    def reference(x: Any) -> Any:
        limits = np.iinfo(dtype)
        values = []
        for v in x.astype(np.float64).ravel().tolist():
            whole = 0 if v != v else limits.max if v == INF else limits.min if v == -INF else int(v)
            values.append(min(max(whole, limits.min), limits.max))
        return np.array(values, dtype).reshape(x.shape)

    return reference


def _cast_samples() -> list[Sample]:
    found = []
    x = np.array(
        [NAN, INF, -INF, 1e300, -1e300, 0.5, -0.5, -1.0, 127.9, -128.9, 255.9, 300.0, 2.0**31, -(2.0**63)]
    )
    x32 = np.array([NAN, INF, -INF, 1e30, -1e30, 32767.5, -32768.5, -0.9], "f4")
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64):
        name = np.dtype(dtype).name
        found.append(
            Sample(f"cast-f64-{name}", lambda t, d=dtype: F.cast(t, d), (x,), _cast_reference(dtype))
        )
    found += [
        Sample("cast-f32-int16", lambda t: F.cast(t, "int16"), (x32[::-1],), _cast_reference("int16")),
        Sample(
            "cast-bf16-int8", lambda t: F.cast(t, "int8"), (x32[1:3].astype(BF16),), _cast_reference("int8")
        ),
        Sample(
            "cast-int-wraps", lambda t: F.cast(t, "int8"), (_extremes(np.int64),), lambda v: v.astype("i1")
        ),
        Sample(
            "cast-int-float", lambda t: F.cast(t, "float32"), (_extremes(np.int64),), lambda v: v.astype("f4")
        ),
        Sample("cast-float-bool", lambda t: F.cast(t, bool), (x,), lambda v: ~(v == 0)),
        Sample(
            "cast-complex-bool",
            lambda t: F.cast(t, bool),
            (np.array([0j, 1j, 1]),),
            lambda v: v != 0,
            strict=False,
        ),
        Sample("cast-bool-int", lambda t: F.cast(t, "int32"), (x > 0,), lambda v: v.astype("i4")),
        Sample("cast-same", lambda t: F.cast(t, "float64") * 1, (array(3),), np.array, grad=True),
        Sample(
            "cast-down-up",
            lambda t: F.cast(F.cast(t, "complex128") * 2j, "complex128").__abs__(),
            (array(3),),
            lambda v: 2 * np.abs(v),
            grad=True,
        ),
        Sample(
            "cast-bf16",
            lambda t: F.astype(t, "bfloat16"),
            (array(3, 2),),
            lambda v: v.astype(BF16),
            strict=False,
        ),
    ]
    return found


SAMPLES: list[Sample] = [*_integer_samples(), *_comparison_samples(), *_cast_samples()]
