"""Learning rate schedules: values against the formulas in Python floats, the edges, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

import graphflow as gf
from graphflow import train
from graphflow.errors import ArgumentError, DTypeError, ShapeError


def cosine(x: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * x))


def restarts(step: int, first: float, t_mul: float, m_mul: float) -> float:
    """Period by period, without logarithms."""
    length, height = first, 1.0
    while step >= length:
        step -= length
        length *= t_mul
        height *= m_mul
    return height * cosine(step / length)


def polynomial(step: float, steps: float, end: float, power: float, cycle: bool) -> float:
    if cycle:
        steps = steps * max(1, math.ceil(step / steps))
    return (0.5 - end) * (1 - min(step, steps) / steps) ** power + end


CASES = {
    "exponential": (lambda s: train.exponential_decay(0.5, s, 10, 0.9), lambda n: 0.5 * 0.9 ** (n / 10)),
    "exponential_staircase": (
        lambda s: train.exponential_decay(0.5, s, 10, 0.9, staircase=True),
        lambda n: 0.5 * 0.9 ** (n // 10),
    ),
    "natural": (lambda s: train.natural_exp_decay(0.5, s, 10, 0.9), lambda n: 0.5 * math.exp(-0.09 * n)),
    "natural_staircase": (
        lambda s: train.natural_exp_decay(0.5, s, 10, 0.9, staircase=True),
        lambda n: 0.5 * math.exp(-0.9 * (n // 10)),
    ),
    "inverse": (lambda s: train.inverse_time_decay(0.5, s, 10, 0.9), lambda n: 0.5 / (1 + 0.09 * n)),
    "inverse_staircase": (
        lambda s: train.inverse_time_decay(0.5, s, 10, 0.9, staircase=True),
        lambda n: 0.5 / (1 + 0.9 * (n // 10)),
    ),
    "polynomial": (
        lambda s: train.polynomial_decay(0.5, s, 10),
        lambda n: polynomial(n, 10, 0.0001, 1.0, False),
    ),
    "polynomial_power": (
        lambda s: train.polynomial_decay(0.5, s, 10, 0.1, 0.5),
        lambda n: polynomial(n, 10, 0.1, 0.5, False),
    ),
    "polynomial_cycle": (
        lambda s: train.polynomial_decay(0.5, s, 10, 0.1, 2.0, cycle=True),
        lambda n: polynomial(n, 10, 0.1, 2.0, True),
    ),
    "cosine": (lambda s: train.cosine_decay(0.5, s, 20), lambda n: 0.5 * cosine(min(n, 20) / 20)),
    "cosine_alpha": (
        lambda s: train.cosine_decay(0.5, s, 20, alpha=0.1),
        lambda n: 0.5 * (0.9 * cosine(min(n, 20) / 20) + 0.1),
    ),
    "restarts": (lambda s: train.cosine_decay_restarts(0.5, s, 7), lambda n: 0.5 * restarts(n, 7, 2, 1)),
    "restarts_even": (
        lambda s: train.cosine_decay_restarts(0.5, s, 7, t_mul=1.0, m_mul=0.9),
        lambda n: 0.5 * restarts(n, 7, 1, 0.9),
    ),
    "restarts_all": (
        lambda s: train.cosine_decay_restarts(0.5, s, 4, t_mul=1.5, m_mul=0.5, alpha=0.2),
        lambda n: 0.5 * (0.8 * restarts(n, 4, 1.5, 0.5) + 0.2),
    ),
    "warmup": (lambda s: train.linear_warmup(0.5, s, 10), lambda n: 0.5 * min(n / 10, 1)),
    "warmup_start": (
        lambda s: train.linear_warmup(0.5, s, 10, start=0.2),
        lambda n: 0.5 * (0.2 + 0.8 * min(n / 10, 1)),
    ),
    "warmup_of_a_schedule": (
        lambda s: train.linear_warmup(train.cosine_decay(0.5, s, 20), s, 10),
        lambda n: 0.5 * cosine(min(n, 20) / 20) * min(n / 10, 1),
    ),
    "piecewise": (
        lambda s: train.piecewise_constant(s, [10, 20.5], [0.5, 0.25, 0.125]),
        lambda n: 0.5 if n <= 10 else 0.25 if n <= 20.5 else 0.125,
    ),
    "piecewise_one": (lambda s: train.piecewise_constant(s, [], [0.5]), lambda n: 0.5),
}


@pytest.mark.parametrize("case", CASES)
def test_values(case):
    build, formula = CASES[case]
    step = gf.placeholder("int64", ())
    rate = build(step)
    assert (rate.dtype, rate.shape) == ("float32", ())
    with gf.Session() as session:
        run = session.make_callable(rate, [step])
        for n in [*range(64), 1000, 12345]:
            want = formula(n)
            np.testing.assert_allclose(run(np.int64(n)), want, rtol=1e-6, atol=1e-12, err_msg=f"step {n}")


@pytest.mark.parametrize("t_mul", [2.0, 1.5, 3.0, 1.1])
def test_restarts_begin_exactly_where_they_should(t_mul):
    """The logarithm that finds the period may round either way at a restart."""
    step = gf.placeholder("float64", ())
    rate = train.cosine_decay_restarts(gf.constant(np.float64(1)), step, 16, t_mul=t_mul)
    begin = 0.0
    with gf.Session() as session:
        for period in range(12):
            value = session.run(rate, {step: begin})
            assert abs(value - 1.0) < 1e-9 or abs(value) < 1e-9, (period, value)
            assert session.run(rate, {step: begin + 1e-3}) == pytest.approx(1.0, abs=1e-6)
            begin += 16 * t_mul**period


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_the_dtype_is_that_of_the_rate(dtype):
    rate = train.exponential_decay(gf.constant(0.1, dtype), 1000, 10, 0.99)
    assert rate.dtype == dtype
    np.testing.assert_allclose(rate.eval(), 0.1 * 0.99**100, rtol=2e-3)


def test_steps_above_two_to_the_24_stay_apart():
    step = 2**24 + 1
    rate = train.piecewise_constant(gf.constant(step), [2**24], [1.0, 2.0])
    assert rate.eval() == 2.0
    assert train.exponential_decay(1.0, gf.constant(step), step, 0.5, staircase=True).eval() == 0.5


@pytest.mark.parametrize(
    "step", [5, 5.0, np.int32(5), lambda: gf.constant(5), lambda: gf.Variable(5, trainable=False)]
)
def test_the_step_may_be_a_number_a_tensor_or_a_variable(step):
    made = step() if callable(step) else step
    rate = train.linear_warmup(1.0, made, 10)
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        assert session.run(rate) == 0.5


def test_tensors_for_all_arguments():
    rate = train.exponential_decay(gf.constant(0.5), gf.constant(10), gf.constant(20), gf.constant(0.25))
    assert rate.eval() == 0.25


def test_names():
    assert train.cosine_decay(0.5, 1, 10).name.startswith("cosine_decay/")
    assert train.cosine_decay(0.5, 1, 10, name="lr").name.startswith("lr/")


BAD = [
    (lambda v: train.exponential_decay(v, 1, 10, 0.9), "exponential_decay: learning_rate"),
    (lambda v: train.exponential_decay(0.5, 1, v, 0.9), "exponential_decay: decay_steps"),
    (lambda v: train.exponential_decay(0.5, 1, 10, v), "exponential_decay: decay_rate"),
    (lambda v: train.natural_exp_decay(0.5, 1, v, 0.9), "natural_exp_decay: decay_steps"),
    (lambda v: train.inverse_time_decay(0.5, 1, 10, v), "inverse_time_decay: decay_rate"),
    (lambda v: train.polynomial_decay(0.5, 1, 10, 0.1, v), "polynomial_decay: power"),
    (lambda v: train.polynomial_decay(0.5, 1, 10, v), "polynomial_decay: end_learning_rate"),
    (lambda v: train.cosine_decay(0.5, 1, v), "cosine_decay: decay_steps"),
    (lambda v: train.cosine_decay(0.5, 1, 10, v), "cosine_decay: alpha"),
    (lambda v: train.cosine_decay_restarts(0.5, 1, 10, t_mul=v), "cosine_decay_restarts: t_mul"),
    (lambda v: train.cosine_decay_restarts(0.5, 1, 10, m_mul=v), "cosine_decay_restarts: m_mul"),
    (lambda v: train.linear_warmup(0.5, 1, v), "linear_warmup: warmup_steps"),
    (lambda v: train.linear_warmup(0.5, 1, 10, v), "linear_warmup: start"),
    (lambda v: train.piecewise_constant(1, [v], [0.5, 0.1]), "piecewise_constant: boundaries"),
    (lambda v: train.piecewise_constant(1, [1], [0.5, v]), "piecewise_constant: values"),
]


@pytest.mark.parametrize("case", BAD, ids=[match for _, match in BAD])
def test_bad_numbers(case, each):
    build, match = case

    def check(value):
        if "boundaries" in match and value == -1.0:
            return  # a boundary may be negative
        with pytest.raises(ArgumentError, match=match):
            build(value)

    each([-1.0, math.nan, math.inf, "1", True, None], check)


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: train.exponential_decay(0.5, None, 10, 0.9), ArgumentError, "global_step is needed"),
        (lambda: train.exponential_decay(0.5, 1, 0, 0.9), ArgumentError, "above 0"),
        (lambda: train.exponential_decay(0.5, gf.constant([1, 2]), 10, 0.9), ShapeError, "scalar"),
        (lambda: train.exponential_decay(0.5, gf.constant(True), 10, 0.9), DTypeError, "real number"),
        (lambda: train.exponential_decay(gf.constant(1), 1, 10, 0.9), DTypeError, "must be floating"),
        (lambda: train.piecewise_constant(1, [1, 1], [1.0, 2.0, 3.0]), ArgumentError, "must rise"),
        (lambda: train.piecewise_constant(1, [2, 1], [1.0, 2.0, 3.0]), ArgumentError, "must rise"),
        (lambda: train.piecewise_constant(1, [1], [1.0]), ArgumentError, "1 boundaries need 2 values, got 1"),
        (lambda: train.piecewise_constant(1, 5, [1.0]), ArgumentError, "must be lists"),
        (lambda: train.piecewise_constant(1, "ab", [1.0]), ArgumentError, "must be lists"),
        (
            lambda: train.piecewise_constant(1, [1], [gf.constant(1.0), gf.constant(1.0, "float64")]),
            DTypeError,
            "one floating dtype",
        ),
        (
            lambda: train.piecewise_constant(1, [1], [gf.constant(1), gf.constant(2)]),
            DTypeError,
            "floating dtype",
        ),
    ],
)
def test_bad_input(build, error, match):
    with pytest.raises(error, match=match):
        build()
