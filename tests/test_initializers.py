"""Initializers: moments and bounds, fans, seeds, dtypes, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import graphflow as gf
from graphflow import initializers
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.initializers import compute_fans

SHAPE = (200, 300)


def test_fixed_values():
    np.testing.assert_array_equal(initializers.zeros()((2, 3)).eval(), np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(initializers.ones(dtype="int8")((2,)).eval(), np.ones(2, np.int8))
    np.testing.assert_array_equal(initializers.constant(2.5)((2, 2)).eval(), np.full((2, 2), 2.5, np.float32))
    np.testing.assert_array_equal(initializers.constant([1, 2, 3, 4])((2, 2)).eval(), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(initializers.identity(2.0)((2, 3)).eval(), 2 * np.eye(2, 3))
    assert initializers.zeros()(()).eval() == 0
    assert initializers.ones()((0, 4)).eval().shape == (0, 4)


DRAWS = {
    "random_uniform": (
        lambda seed: initializers.random_uniform(-2.0, 1.0, seed=seed),
        -0.5,
        3 / math.sqrt(12),
    ),
    "random_normal": (lambda seed: initializers.random_normal(1.0, 0.3, seed=seed), 1.0, 0.3),
    "truncated_normal": (
        lambda seed: initializers.truncated_normal(1.0, 0.3, seed=seed),
        1.0,
        0.3 * stats.truncnorm(-2, 2).std(),
    ),
    "variance_scaling": (lambda seed: initializers.variance_scaling(seed=seed), 0.0, math.sqrt(1 / 200)),
    "variance_scaling_untruncated": (
        lambda seed: initializers.variance_scaling(3.0, "fan_out", "untruncated_normal", seed),
        0.0,
        math.sqrt(3 / 300),
    ),
    "glorot_uniform": (lambda seed: initializers.glorot_uniform(seed), 0.0, math.sqrt(2 / 500)),
    "glorot_normal": (lambda seed: initializers.glorot_normal(seed), 0.0, math.sqrt(2 / 500)),
    "xavier": (lambda seed: initializers.xavier_initializer(seed=seed), 0.0, math.sqrt(2 / 500)),
    "xavier_normal": (lambda seed: initializers.xavier_initializer(False, seed), 0.0, math.sqrt(2 / 500)),
    "he_uniform": (lambda seed: initializers.he_uniform(seed), 0.0, math.sqrt(2 / 200)),
    "he_normal": (lambda seed: initializers.he_normal(seed), 0.0, math.sqrt(2 / 200)),
    "lecun_uniform": (lambda seed: initializers.lecun_uniform(seed), 0.0, math.sqrt(1 / 200)),
    "lecun_normal": (lambda seed: initializers.lecun_normal(seed), 0.0, math.sqrt(1 / 200)),
    "orthogonal": (lambda seed: initializers.orthogonal(seed=seed), 0.0, math.sqrt(1 / 300)),
}
EACH = pytest.mark.parametrize("case", DRAWS)


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments(case, dtype):
    make, mean, stddev = DRAWS[case]
    value = make(3)(SHAPE, dtype).eval()
    assert value.dtype == dtype
    n = math.prod(SHAPE)
    assert abs(value.mean() - mean) < 5 * stddev / math.sqrt(n)
    assert value.std() == pytest.approx(stddev, rel=0.02)


@EACH
def test_seeds(case):
    make, _, _ = DRAWS[case]
    with gf.Graph().as_default():
        first, same, other = (make(seed)((5, 4)).eval() for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, same)
        assert not np.array_equal(first, other)
        derived = [make(None)((5, 4)).eval() for _ in range(2)]
        assert not np.array_equal(*derived)
    with gf.Graph().as_default():
        _, _, _ = (make(seed)((5, 4)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(derived[0], make(None)((5, 4)).eval())
    with gf.Graph().as_default():
        gf.random.set_seed(99)
        _, _, _ = (make(seed)((5, 4)) for seed in (1, 1, 2))
        assert not np.array_equal(derived[0], make(None)((5, 4)).eval())


def test_bounds():
    limit = math.sqrt(6 / 500)
    value = initializers.glorot_uniform(1)(SHAPE).eval()
    assert np.abs(value).max() <= limit
    assert np.abs(value).max() > 0.99 * limit
    value = initializers.truncated_normal(0.0, 0.5, seed=1)(SHAPE).eval()
    assert 0.99 < np.abs(value).max() <= 1.0


@pytest.mark.parametrize(
    ("shape", "fans"),
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((3, 5), (3, 5)),
        ((3, 3, 16, 32), (144, 288)),
        ((5, 2, 4), (10, 20)),
        ((0, 4), (0, 4)),
        (6, (6, 6)),
    ],
)
def test_fans(shape, fans):
    assert compute_fans(shape) == fans


def test_a_convolution_kernel_has_the_variance_of_its_fan():
    value = initializers.he_normal(1)((3, 3, 64, 128)).eval()
    assert value.std() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.01)


@pytest.mark.parametrize("shape", [(6, 6), (8, 5), (5, 8), (3, 3, 4, 5), (3, 3, 2, 40)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_orthogonal(shape, gain):
    value = initializers.orthogonal(gain, seed=4)(shape, "float64").eval()
    assert value.shape == shape
    matrix = value.reshape(-1, shape[-1])
    small = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_matrices_have_both_signs_of_determinant():
    """QR alone would favour one; the signs of R are taken out."""
    signs = {
        round(float(np.linalg.det(initializers.orthogonal(seed=s)((4, 4), "float64").eval())))
        for s in range(12)
    }
    assert signs == {-1, 1}


def test_an_initializer_as_a_variables_initial_value():
    w = gf.Variable(lambda: initializers.glorot_uniform_initializer(seed=1)((4, 3)), name="w")
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        first = session.run(w)
    assert (first.shape, first.dtype) == ((4, 3), "float32")


def test_dtypes():
    assert initializers.he_normal(dtype="float64")((2, 2)).dtype == "float64"
    assert initializers.he_normal(dtype="float64")((2, 2), "float16").dtype == "float16"
    assert initializers.zeros(dtype="int32")((2, 2)).dtype == "int32"
    assert initializers.orthogonal()((2, 2), "bfloat16").dtype == "bfloat16"
    with gf.config.override(default_float="float64"):
        assert initializers.he_normal()((2, 2)).dtype == "float64"


@pytest.mark.parametrize(
    "case", ["random_uniform", "random_normal", "he_normal", "orthogonal", "truncated_normal"]
)
def test_draws_of_other_dtypes_are_refused(case):
    for dtype in ["int32", "bool", "complex64"]:
        with pytest.raises(DTypeError, match="real floating"):
            DRAWS[case][0](1)((2, 2), dtype)


@pytest.mark.parametrize("shape", [(-1, 2), (2.0, 2), "22", (2, None), None, (2, "batch"), (2**40, 2**40)])
def test_bad_shapes(shape, each):
    def check(case):
        make = DRAWS[case][0](1) if case in DRAWS else getattr(initializers, case)()
        with pytest.raises(ShapeError, match="shape"):
            make(shape)

    each([*DRAWS, "zeros", "constant", "identity"], check)


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: initializers.variance_scaling(0.0), ArgumentError, "scale must be above 0"),
        (lambda: initializers.variance_scaling(-1.0), ArgumentError, "scale"),
        (lambda: initializers.variance_scaling(math.nan), ArgumentError, "scale"),
        (lambda: initializers.variance_scaling("2"), ArgumentError, "scale"),
        (lambda: initializers.variance_scaling(1.0, "fan"), ArgumentError, "mode is one of .* not 'fan'"),
        (lambda: initializers.variance_scaling(1.0, "fan_in", "gauss"), ArgumentError, "distribution"),
        (lambda: initializers.orthogonal(math.inf), ArgumentError, "gain"),
        (lambda: initializers.identity(True), ArgumentError, "gain"),
        (lambda: initializers.orthogonal()((3,)), ShapeError, "two axes"),
        (lambda: initializers.identity()((2, 2, 2)), ShapeError, "two axes"),
        (lambda: initializers.constant([1, 2, 3])((2, 2)), ShapeError, "3 values do not fill"),
        (lambda: initializers.random_uniform(1.0, 0.0)((2,)), ArgumentError, "minval"),
        (lambda: initializers.random_normal(0.0, -1.0)((2,)), ArgumentError, "stddev"),
        (lambda: initializers.he_normal(-1)((2, 2)), ArgumentError, "seed"),
        (lambda: initializers.orthogonal(seed=1.5)((2, 2)), ArgumentError, "seed"),
        (lambda: initializers.he_normal(dtype="nothing")((2, 2)), DTypeError, "nothing"),
    ],
)
def test_bad_input(build, error, match):
    with pytest.raises(error, match=match):
        build()
