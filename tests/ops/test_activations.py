"""Activations beyond the common ones: bad input, kinks, and PyTorch's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, ShapeError
from graphflow.op import F
from graphflow.ops import rectifiers, smooth_activations, sparsemax

ALL = [getattr(m, n) for m in (rectifiers, smooth_activations) for n in m.__all__]
NEEDED: dict[str, tuple[Any, ...]] = {"maxout": (1,), "prelu": (0.5,), "threshold": (0.0,)}
INTEGERS_STAY = ("crelu", "maxout")


def x(*shape: Any, dtype: str = "float32") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [*ALL, sparsemax.softmin, sparsemax.sparsemax], ids=lambda f: f.__name__)
@pytest.mark.parametrize("value", [None, "text", object()], ids=["none", "str", "object"])
def test_what_is_no_number_is_refused_by_name(f: Callable[..., Any], value: Any) -> None:
    with pytest.raises(DTypeError, match=f"^{f.__name__}: "):
        f(value, *NEEDED.get(f.__name__, ()))
    assert len(gf.get_default_graph()) == 0


@pytest.mark.parametrize("f", [*ALL, sparsemax.sparsemax], ids=lambda f: f.__name__)
def test_complex_numbers_are_refused(f: Callable[..., Any]) -> None:
    with pytest.raises(DTypeError, match=f"^{f.__name__}: .*complex"):
        f(x(2, dtype="complex64"), *NEEDED.get(f.__name__, ()))


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: rectifiers.celu(x(2), 0.0), ArgumentError, "celu: alpha must be positive, got 0.0"),
        (lambda: rectifiers.celu(x(2), float("nan")), ArgumentError, "celu: alpha must be finite, got nan"),
        (lambda: rectifiers.celu(x(2), "1"), ArgumentError, "celu: alpha must be a real number, not '1'"),
        (lambda: rectifiers.hard_sigmoid(x(2), -1), ArgumentError, "hard_sigmoid: alpha must be positive"),
        (lambda: rectifiers.hard_sigmoid(x(2), 1, None), ArgumentError, "hard_sigmoid: beta must be a real"),
        (
            lambda: rectifiers.hard_tanh(x(2), 1, 1),
            ArgumentError,
            "hard_tanh: minval must be less than maxval, got 1.0",
        ),
        (
            lambda: rectifiers.hardshrink(x(2), -0.1),
            ArgumentError,
            "hardshrink: lambd must not be negative, got -0.1",
        ),
        (lambda: rectifiers.softshrink(x(2), -0.1), ArgumentError, "softshrink: lambd must not be negative"),
        (
            lambda: rectifiers.threshold(x(2), "0"),
            ArgumentError,
            "threshold: threshold must be a real number",
        ),
        (
            lambda: rectifiers.thresholded_relu(x(2), True),
            ArgumentError,
            "thresholded_relu: theta must be a real number, not True",
        ),
        (lambda: smooth_activations.squareplus(x(2), 0), ArgumentError, "squareplus: b must be positive"),
        (lambda: F.softplus(x(2), -1.0), ArgumentError, "softplus: beta must be positive, got -1.0"),
        (
            lambda: F.softplus(x(2), threshold="20"),
            ArgumentError,
            "softplus: threshold must be a real number",
        ),
        (
            lambda: rectifiers.rrelu(x(2), 0.4, 0.3),
            ArgumentError,
            "rrelu: lower must be at most upper, got 0.4 and 0.3",
        ),
        (lambda: rectifiers.rrelu(x(2), training=2), ArgumentError, "rrelu: training must be True or False"),
        (
            lambda: rectifiers.rrelu(x(2), training=x()),
            DTypeError,
            "rrelu: training must be a scalar bool, got .*float32",
        ),
        (
            lambda: rectifiers.rrelu(x(2), training=x(2, dtype="bool")),
            ShapeError,
            "rrelu: training must be a scalar",
        ),
        (lambda: rectifiers.rrelu(x(2), training=True, seed=-1), ArgumentError, "seed must be"),
        (lambda: rectifiers.maxout(x(4), 0), ArgumentError, "maxout: num_units must be at least 1, not 0"),
        (lambda: rectifiers.maxout(x(4), 3), ShapeError, "3"),
        (lambda: rectifiers.maxout(x(4), 2, 1), ArgumentError, "axis 1 is out of range"),
        (lambda: rectifiers.maxout(x(4), 2.0), ArgumentError, "maxout: num_units must be an integer"),
        (lambda: rectifiers.crelu(x(4), 1), ArgumentError, "axis 1 is out of range"),
        (lambda: rectifiers.prelu(x(4), x(3)), ShapeError, r"\[4\].*\[3\]"),
        (lambda: smooth_activations.glu(x(2, 3)), ShapeError, r"float32\[2, 3\]"),
        (lambda: smooth_activations.swiglu(x(2, 4), 2), ArgumentError, "axis 2 is out of range"),
        (lambda: smooth_activations.reglu(x(2, 4), "1"), ArgumentError, "reglu: axis must be an integer"),
        (
            lambda: smooth_activations.geglu(x(2, 4), approximate=None),
            ArgumentError,
            "gelu: approximate must be True or False",
        ),
        (lambda: sparsemax.sparsemax(x(3, 0)), ShapeError, r"sparsemax: axis -1 of float32\[3, 0\] is empty"),
        (lambda: sparsemax.sparsemax(x()), ShapeError, "sparsemax: x needs an axis"),
        (lambda: sparsemax.sparsemax(x(3), 1), ArgumentError, "sparsemax: axis 1 is out of range"),
        (lambda: sparsemax.softmin(x(3), 1), ArgumentError, "axis 1 is out of range"),
    ],
)
def test_bad_arguments(build: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build()
    assert gf.add(x(2), 1.0).type.shape == (2,)


# --- kinks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [
        (rectifiers.celu, [-1e4, 0.0, 1e4], [0.0, 1.0, 1.0]),
        (rectifiers.hard_sigmoid, [-2.5, 0.0, 2.5], [0.0, 0.2, 0.0]),
        (rectifiers.hard_swish, [-4.0, -3.0, 0.0, 3.0, 4.0], [0.0, 0.0, 0.5, 1.0, 1.0]),
        (rectifiers.hard_tanh, [-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]),
        (rectifiers.hardshrink, [-0.5, 0.0, 0.5, 0.6], [0.0, 0.0, 0.0, 1.0]),
        (rectifiers.softshrink, [-0.5, 0.0, 0.5, 0.6], [0.0, 0.0, 0.0, 1.0]),
        (rectifiers.thresholded_relu, [0.0, 1.0, 1.5], [0.0, 0.0, 1.0]),
        (rectifiers.rrelu, [-1.0, 0.0, 1.0], [11 / 48, 11 / 48, 1.0]),
        (smooth_activations.mish, [-1e4, 0.0, 1e4], [0.0, 0.6, 1.0]),
        (smooth_activations.squareplus, [-1e9, 0.0, 1e9], [1e-18, 0.5, 1.0]),
        (smooth_activations.tanhshrink, [-1e4, 0.0, 1e4], [1.0, 0.0, 1.0]),
        (F.silu, [-1e4, 0.0, 1e4], [0.0, 0.5, 1.0]),
        (lambda v: F.softplus(v, 2.0, 4.0), [0.0, 2.5], [0.5, 1.0]),
        (lambda v: rectifiers.crelu(v, 0), [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]),
    ],
)
def test_gradients_at_kinks_and_far_out(f: Callable[..., Any], at: Any, expected: Any) -> None:
    t = x(len(at), dtype="float64")
    (g,) = gf.gradients(f(t), [t])
    np.testing.assert_allclose(run(g, {t: at}), expected, rtol=1e-12, atol=1e-300)


def test_maxout_shares_the_gradient_of_a_tie() -> None:
    t = x(4, dtype="float64")
    (g,) = gf.gradients(rectifiers.maxout(t, 2), [t])
    np.testing.assert_array_equal(run(g, {t: [1.0, 1.0, 2.0, 3.0]}), [0.5, 0.5, 0.0, 1.0])


def test_integers_become_floats_unless_the_function_keeps_them() -> None:
    for f in ALL:
        wanted = "int32" if f.__name__ in INTEGERS_STAY else "float32"
        assert f(x(4, dtype="int32"), *NEEDED.get(f.__name__, ())).dtype.name == wanted, f.__name__


def test_sixteen_bits_stay_sixteen_bits() -> None:
    for dtype in ("float16", "bfloat16"):
        for f in (*ALL, sparsemax.sparsemax):
            assert f(x(4, dtype=dtype), *NEEDED.get(f.__name__, ())).dtype.name == dtype, f.__name__


def test_rrelu_draws_anew_in_each_run_and_not_outside_training() -> None:
    t = x(50, dtype="float64")
    values = {t: -np.ones(50)}
    session = gf.Session()
    noisy, fixed = rectifiers.rrelu(t, training=True), rectifiers.rrelu(t, training=False)
    assert (session.run(noisy, values) != session.run(noisy, values)).any()
    np.testing.assert_allclose(session.run(fixed, values), -11 / 48)
    np.testing.assert_allclose(session.run(rectifiers.rrelu(t, 0.2, 0.2, training=True), values), -0.2)


def test_sparsemax_is_nearest_and_its_gradient_needs_only_the_result() -> None:
    rng = np.random.default_rng(0)
    t = x(5, 7, dtype="float64")
    y = sparsemax.sparsemax(t)
    gf.gradients(y, [t])
    assert [n.type for n in t.consumers()] == ["sparsemax"]
    z = rng.standard_normal((5, 7))
    p = run(y, {t: z})
    np.testing.assert_allclose(p.sum(-1), 1)
    for _ in range(50):
        other = rng.dirichlet(np.ones(7), 5)
        assert (((p - z) ** 2).sum(-1) <= ((other - z) ** 2).sum(-1) + 1e-12).all()


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "name", "options"),
    [
        (rectifiers.celu, "celu", {}),
        (rectifiers.hard_swish, "hardswish", {}),
        (lambda v: rectifiers.hard_sigmoid(v, 1 / 6), "hardsigmoid", {}),
        (rectifiers.hard_tanh, "hardtanh", {}),
        (rectifiers.hardshrink, "hardshrink", {}),
        (rectifiers.softshrink, "softshrink", {}),
        (smooth_activations.mish, "mish", {}),
        (smooth_activations.tanhshrink, "tanhshrink", {}),
        (smooth_activations.glu, "glu", {}),
        (lambda v: F.softplus(v, 2.0, 3.0), "softplus", {"beta": 2.0, "threshold": 3.0}),
        (F.gelu, "gelu", {}),
        (lambda v: F.gelu(v, True), "gelu", {"approximate": "tanh"}),
    ],
)
def test_pytorch_agrees(f: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    at = np.linspace(-6, 6, 42).reshape(6, 7)[:, :6]
    theirs = getattr(torch.nn.functional, name)(torch.tensor(at), **options).numpy()
    t = x(6, 6, dtype="float64")
    np.testing.assert_allclose(run(f(t), {t: at}), theirs, rtol=1e-12, atol=1e-14)
