"""Quantisation: bad input, round trips, straight-through gradients, and exactness of integer products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GradientError, ShapeError
from graphflow.ops import integer_products
from graphflow.ops.integer_convolution import conv_integer, qlinear_conv
from graphflow.ops.integer_products import matmul_integer, qlinear_matmul
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.ops.quantization import dequantize_linear, dynamic_quantize_linear, quantize_linear
from graphflow.ops.ranged_quantization import (
    dequantize,
    fake_quant_with_min_max_args,
    fake_quant_with_min_max_vars,
    fake_quant_with_min_max_vars_per_channel,
    quantize,
)


def x(*shape: Any, dtype: str = "float32") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


def a8(*shape: Any) -> gf.Tensor:
    return x(*shape, dtype="int8")


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (
            lambda: quantize_linear(x(3), 1.0, dtype="int64"),
            DTypeError,
            "quantize_linear: dtype must be one of int8, uint8, int16, uint16, int32, not int64",
        ),
        (
            lambda: quantize_linear(x(3), 1.0, np.int8(0), dtype="uint8"),
            DTypeError,
            "quantize_linear: zero_point is int8.*, but dtype says uint8",
        ),
        (lambda: quantize_linear(x(3), 1.0, 1.5), DTypeError, "quantize_linear: zero_point must be one of"),
        (lambda: quantize_linear(x(3), 1.0, 300, dtype="uint8"), DTypeError, "300"),
        (lambda: quantize_linear("3", 1.0), DTypeError, "quantize_linear: "),
        (
            lambda: quantize_linear(x(3, 4), x(3)),
            ShapeError,
            r"quantize_linear: scale float32\[3\] does not fit axis 1 of float32\[3, 4\]",
        ),
        (lambda: quantize_linear(x(3, 4), x(4), axis=2), ArgumentError, "quantize_linear: axis 2 is out"),
        (
            lambda: quantize_linear(x(3, 4), x(3, 4)),
            ShapeError,
            "quantize_linear: scale must be a scalar, or",
        ),
        (
            lambda: quantize_linear(gf.placeholder("float32"), x(4)),
            ShapeError,
            "quantize_linear: scale must be a scalar, or a vector along an axis of a tensor of known rank",
        ),
        (
            lambda: dequantize_linear(x(3), 1.0),
            DTypeError,
            "dequantize_linear: x must be one of int8, uint8, int16, uint16, int32, not float32",
        ),
        (
            lambda: dequantize_linear(a8(3), 1.0, np.uint8(3)),
            DTypeError,
            "dequantize_linear: zero_point is uint8.*, but dtype says int8",
        ),
        (lambda: dynamic_quantize_linear(x(0)), ShapeError, "empty|float32"),
        (lambda: dynamic_quantize_linear(x(2, dtype="complex64")), DTypeError, "dynamic_quantize_linear: "),
        (lambda: quantize(x(3), 0.0, 1.0, "int64"), DTypeError, "quantize: T must be one of"),
        (
            lambda: quantize(x(3), 0.0, 1.0, "int8", "MIN"),
            ArgumentError,
            "quantize: mode must be one of 'MIN_C",
        ),
        (
            lambda: quantize(x(3), 0.0, 1.0, "int8", round_mode="HALF_TO_EVEN"),
            ArgumentError,
            "quantize: round_mode 'HALF_TO_EVEN' is for mode 'SCALED'",
        ),
        (lambda: quantize(x(3), x(3), 1.0, "int8"), ShapeError, "quantize: min_range must be a scalar"),
        (lambda: dequantize(x(3), 0.0, 1.0), DTypeError, "dequantize: input must be one of"),
        (lambda: dequantize(a8(3), 0.0, x(2)), ShapeError, "dequantize: max_range must be a scalar"),
        (
            lambda: fake_quant_with_min_max_args(x(3), 1.0, 1.0),
            ArgumentError,
            "fake_quant_with_min_max_args: min must be less than max, got 1.0 and 1.0",
        ),
        (
            lambda: fake_quant_with_min_max_args(x(3), num_bits=1),
            ArgumentError,
            "fake_quant_with_min_max_args: num_bits must be from 2 to 16, not 1",
        ),
        (
            lambda: fake_quant_with_min_max_args(x(3), narrow_range=3),
            ArgumentError,
            "fake_quant_with_min_max_args: narrow_range must be True or False",
        ),
        (
            lambda: fake_quant_with_min_max_vars(x(3), x(3), 1.0),
            ShapeError,
            "fake_quant_with_min_max_vars: min must be a scalar",
        ),
        (
            lambda: fake_quant_with_min_max_vars_per_channel(x(2, 3), x(3), x(2)),
            ShapeError,
            "fake_quant_with_min_max_vars_per_channel: max needs one number for each channel",
        ),
        (lambda: matmul_integer(x(2, 3), a8(3, 2)), DTypeError, "matmul_integer: a must be int8 or uint8"),
        (
            lambda: matmul_integer(a8(2, 3), a8(2, 3)),
            ShapeError,
            "matmul_integer: inner dimensions differ.*3 != 2",
        ),
        (
            lambda: matmul_integer(a8(2, 3), a8(3, 2), np.uint8(1)),
            DTypeError,
            "matmul_integer: a_zero_point must be int8 as what it belongs to",
        ),
        (
            lambda: matmul_integer(a8(2, 3), a8(3, 2), a8(1, 1)),
            ShapeError,
            "matmul_integer: a_zero_point must be a scalar or a vector",
        ),
        (
            lambda: matmul_integer(a8(2, 3), a8(3, 2), a8(3)),
            ShapeError,
            "matmul_integer: .*do not broadcast|matmul_integer: zero point .* does not fit",
        ),
        (
            lambda: matmul_integer(a8(2, 3), a8(3, 2), None, a8(3)),
            ShapeError,
            "matmul_integer: .*do not broadcast|matmul_integer: zero point .* does not fit",
        ),
        (
            lambda: qlinear_matmul(a8(2, 3), 1.0, None, a8(3, 2), 1.0, None, x(2), np.int8(0)),
            ShapeError,
            "qlinear_matmul: y_scale must be a scalar",
        ),
        (
            lambda: qlinear_matmul(a8(2, 3), 1.0, None, a8(3, 2), 1.0, None, 1.0, np.int32(0)),
            DTypeError,
            "qlinear_matmul: y_zero_point must be int8 or uint8",
        ),
        (
            lambda: conv_integer(x(1, 3, 3, 1), a8(1, 1, 1, 1)),
            DTypeError,
            "conv_integer: x must be int8 or uint8",
        ),
        (
            lambda: conv_integer(a8(1, 3, 3, 1), a8(1, 1, 1, 1), a8(1)),
            ShapeError,
            "conv_integer: x_zero_point must be a scalar",
        ),
        (
            lambda: conv_integer(a8(1, 3, 3, 1), a8(1, 1, 1, 1), 0, np.uint8(1)),
            DTypeError,
            "conv_integer: filters_zero_point must be int8 as what it belongs to",
        ),
        (
            lambda: qlinear_conv(a8(1, 3, 3, 1), 1.0, 0, a8(1, 1, 1, 1), 1.0, 0, 1.0, np.int8(0), bias=x(1)),
            DTypeError,
            "qlinear_conv: bias must be int32",
        ),
    ],
)
def test_bad_arguments(build: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build()


# --- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
def test_what_was_quantised_comes_back_within_half_a_step(dtype: str) -> None:
    limits = np.iinfo(dtype)
    steps = x(50, dtype="float64")
    there = quantize_linear(steps, 0.125, int(limits.max // 2), dtype=dtype)
    back = dequantize_linear(there, np.float64(0.125), gf.constant(int(limits.max // 2), dtype))
    at = np.random.default_rng(0).uniform(-7.9, 7.9, 50)
    np.testing.assert_allclose(run(back, {steps: at}), at, atol=0.0625)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_every_integer_survives_the_way_there_and_back(dtype: str) -> None:
    limits = np.iinfo(dtype)
    every = np.arange(limits.min, int(limits.max) + 1).astype(dtype)
    t = x(every.size, dtype=dtype)
    scale, zero = np.float32(0.1), every[every.size // 3]
    back = quantize_linear(dequantize_linear(t, scale, zero), scale, zero)
    np.testing.assert_array_equal(run(back, {t: every}), every)


def test_dynamic_quantisation_holds_zero_and_both_ends() -> None:
    t = x(4)
    at = np.array([-1.5, 0.0, 0.3, 3.6], np.float32)
    y, scale, zero = dynamic_quantize_linear(t)
    quantised, s, z = run([y, scale, zero], {t: at})
    assert quantised[1] == z
    np.testing.assert_allclose((quantised.astype(float) - z) * s, at, atol=s / 2 * 1.001)


def test_fake_quantisation_has_so_many_values_and_zero_among_them() -> None:
    t = x(1000, dtype="float64")
    at = np.linspace(-3, 3, 1000)
    for bits, narrow, count in ((2, False, 4), (3, False, 8), (3, True, 7), (8, False, 256)):
        y = fake_quant_with_min_max_args(t, -1.0, 2.0, bits, narrow)
        values = np.unique(run(y, {t: at}))
        assert values.size == count
        assert np.abs(values).min() < 1e-12


def test_the_gradient_of_rounding_is_straight_through_and_has_no_second() -> None:
    t, low, high = x(3, dtype="float64"), x(dtype="float64"), x(dtype="float64")
    y = fake_quant_with_min_max_vars(t, low, high)
    grads = gf.gradients(y * t, [t, low, high])
    at = {t: [-5.0, 0.4, 7.0], low: -1.0, high: 2.0}
    value, of_t, of_low, of_high = run([y, *grads], at)
    np.testing.assert_allclose(of_t, value + np.array([0.0, 0.4, 0.0]))
    assert (of_low, of_high) == (-5.0, 7.0)


# --- integer products -----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_integer_products_are_exact(data: Any) -> None:
    m, k, n = data.draw(
        st.tuples(st.integers(0, 5), st.sampled_from([0, 1, 7, 257, 258, 259, 1024, 1025]), st.integers(0, 5))
    )
    kinds = data.draw(st.tuples(st.sampled_from(["int8", "uint8"]), st.sampled_from(["int8", "uint8"])))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    extreme = data.draw(st.booleans())
    a, b = [
        np.full(s, np.iinfo(d).max if d == "uint8" else -128, d)
        if extreme
        else rng.integers(np.iinfo(d).min, np.iinfo(d).max, s, d, endpoint=True)
        for s, d in zip(((m, k), (k, n)), kinds, strict=True)
    ]
    zeros = [rng.integers(np.iinfo(d).min, np.iinfo(d).max, (), d, endpoint=True) for d in kinds]
    wide = a.astype(np.int64), b.astype(np.int64)
    np.testing.assert_array_equal(run(matmul_integer(a, b)), wide[0] @ wide[1])
    shifted = (wide[0] - int(zeros[0])) @ (wide[1] - int(zeros[1]))
    np.testing.assert_array_equal(run(matmul_integer(a, b, *[gf.constant(z) for z in zeros])), shifted)


@pytest.mark.parametrize("nbytes", [1, 1 << 12, 1 << 21])
def test_tiles_and_pieces_of_integer_products(nbytes: int, monkeypatch: Any) -> None:
    """Whatever the tiles: products of batches that broadcast, of vectors, of long inner axes."""
    monkeypatch.setattr(integer_products, "TILE_NBYTES", nbytes)
    monkeypatch.setattr(integer_products, "LEAST_ROWS", 2)
    monkeypatch.setattr(integer_products, "_tiling", integer_products._tiling.__wrapped__)
    rng = np.random.default_rng(5)
    kernel: Any = integer_products.MATMUL_INTEGER.kernel
    none: Any = (np.int64(0), np.int64(0))
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((7, 600), (600, 3)), ((600,), (600,)), ((600,), (2, 600, 3)), ((2, 5, 600), (600,)),
        ((3, 1, 5, 300), (4, 300, 2)), ((4, 5, 300), (3, 1, 300, 2)), ((5, 300), (3, 300, 2)), ((2, 0, 3), (2, 3, 4)),
    ]  # fmt: skip
    for left, right in shapes:
        a, b = rng.integers(0, 255, left, "uint8"), rng.integers(-128, 127, right, "int8")
        columns = rng.integers(-128, 127, right[-1:] if len(right) > 1 else (), "int8")
        for zeros in ((), (np.array(200, "uint8"), columns)):
            wide = [
                x.astype(np.int64) - z.astype(np.int64) for x, z in zip((a, b), zeros or none, strict=True)
            ]
            expected = wide[0] @ wide[1]
            with kernel_settings():
                np.testing.assert_array_equal(kernel(np, a, b, *zeros), expected)
                out = np.empty(expected.shape, np.int32)
                assert kernel(np, a, b, *zeros, out=out) is out
                np.testing.assert_array_equal(out, expected)


def test_sums_beyond_32_bits_wrap_around() -> None:
    a, b = np.full((1, 40_000), 255, np.uint8), np.full((40_000, 1), 255, np.uint8)
    expected = (40_000 * 255 * 255 + 2**31) % 2**32 - 2**31
    assert run(matmul_integer(a, b))[0, 0] == expected
    image, kernel = a.reshape(1, 1, 1, -1), b.reshape(1, 1, -1, 1)
    assert run(conv_integer(image, kernel)).item() == expected
    assert run(conv_integer(image, kernel, 0)).item() == expected


def test_many_rows_are_done_some_at_a_time() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (3000, 30), np.int8), rng.integers(-128, 128, (30, 700), np.int8)
    zero = rng.integers(-128, 128, 3000, np.int8)
    wide = a.astype(np.int64), b.astype(np.int64)
    np.testing.assert_array_equal(run(matmul_integer(a, b)), wide[0] @ wide[1])
    np.testing.assert_array_equal(run(matmul_integer(a, b, zero)), (wide[0] - zero[:, None]) @ wide[1])


def test_there_is_no_gradient_through_integers() -> None:
    t = x(2, 3)
    y = gf.sum(
        gf.cast(matmul_integer(quantize_linear(t, 0.1, dtype="int8"), np.ones((3, 2), np.int8)), "float32")
    )
    with pytest.raises(GradientError, match="no y depends on"):
        gf.gradients(y, [t])
