"""Gradients as graphs: paths, seeds, stops, errors; jvp, jacobian and hessian against closed forms and autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, GradientError, GraphError, ShapeError
from graphflow.graph import apply
from graphflow.op import OPS, Op, declare
from graphflow.ops.ufunc import Ufunc

X = np.array([0.3, -1.2, 2.0])


def _value(t: Any, feeds: Any = None) -> Any:
    return gf.Session().run(t, feeds)


def test_shared_use_adds_up() -> None:
    x = gf.placeholder("float64", [3])
    y = gf.sum(x * x + gf.sin(x) * x)
    (g,) = gf.gradients(y, x)
    np.testing.assert_allclose(_value(g, {x: X}), 2 * X + np.cos(X) * X + np.sin(X))


def test_many_xs_and_ys() -> None:
    x, w = gf.placeholder("float64", [3]), gf.placeholder("float64", [])
    got = gf.gradients([gf.sum(x * w), w * w], [x, w])
    np.testing.assert_allclose(_value(got[0], {x: X, w: 2.0}), np.full(3, 2.0))
    np.testing.assert_allclose(_value(got[1], {x: X, w: 2.0}), X.sum() + 4.0)


def test_grad_ys_weigh_the_result() -> None:
    x = gf.placeholder("float64", [3])
    (g,) = gf.gradients(gf.exp(x), x, grad_ys=[[1.0, 0.0, 2.0]])
    np.testing.assert_allclose(_value(g, {x: X}), np.exp(X) * [1, 0, 2])
    with pytest.raises(ShapeError):
        gf.gradients(gf.exp(x), x, grad_ys=[[1.0, 2.0]])
    with pytest.raises(GradientError, match="2 grad_ys for 1 ys"):
        gf.gradients(gf.exp(x), x, grad_ys=[1.0, 2.0])


def test_a_vector_y_is_summed() -> None:
    x = gf.placeholder("float64", [3])
    (g,) = gf.gradients(x * x, x)
    np.testing.assert_allclose(_value(g, {x: X}), 2 * X)


def test_gradient_with_respect_to_an_intermediate_value() -> None:
    x = gf.placeholder("float64", [3])
    h = gf.exp(x)
    g = gf.gradients(gf.sum(h * h), [h, x])
    np.testing.assert_allclose(_value(g[0], {x: X}), 2 * np.exp(X))
    np.testing.assert_allclose(_value(g[1], {x: X}), 2 * np.exp(2 * X))


def test_nothing_flows_through_a_stop() -> None:
    x = gf.placeholder("float64", [3])
    h = gf.exp(x)
    y = gf.sum(h * x)
    (g,) = gf.gradients(y, x, stop_gradients=[h])
    np.testing.assert_allclose(_value(g, {x: X}), np.exp(X))
    (g,) = gf.gradients(gf.sum(gf.stop_gradient(h) * x), x)
    np.testing.assert_allclose(_value(g, {x: X}), np.exp(X))


def test_unconnected() -> None:
    x, z = gf.placeholder("float64", [3], name="x"), gf.placeholder("float64", [2], name="z")
    y = gf.exp(x)
    with pytest.raises(GradientError, match=r"no y depends on (.|\n)*test_gradients\.py"):
        gf.gradients(y, z)
    assert gf.gradients(y, [z, x], unconnected_gradients="none")[0] is None
    np.testing.assert_array_equal(
        _value(gf.gradients(y, z, unconnected_gradients="zero")[0], {z: [1, 2]}), [0, 0]
    )
    with pytest.raises(ArgumentError, match="'maybe'"):
        gf.gradients(y, x, unconnected_gradients="maybe")


def test_integers_have_no_gradient() -> None:
    i = gf.placeholder("int32", [3], name="i")
    f = gf.cast(i, "float32")
    with pytest.raises(GradientError, match="int32"):
        gf.gradients(f, i)
    with pytest.raises(GradientError, match="int32"):
        gf.gradients(i, f)
    with pytest.raises(GradientError, match="no tensor"):
        gf.gradients(3.0, f)
    with pytest.raises(GradientError, match="empty"):
        gf.gradients([], f)


def test_other_graphs_are_refused() -> None:
    x = gf.placeholder("float64", [3])
    with gf.Graph().as_default():
        z = gf.placeholder("float64", [3])
    with pytest.raises(GraphError, match="another graph"):
        gf.gradients(gf.exp(x), z)


def test_an_op_without_gradient_is_named_with_its_line_and_path() -> None:
    if "without_gradient" not in OPS:
        declare(Op("without_gradient", lambda x: x, Ufunc("exp"), doc="An op for this test."))
    try:
        x = gf.placeholder("float64", [3], name="x")
        hidden = apply(OPS["without_gradient"], x, name="hidden")
        y = gf.sin(hidden, name="top")
        with pytest.raises(GradientError) as caught:
            gf.gradients(y, x)
        message = str(caught.value)
        assert "'without_gradient' has no gradient" in message
        assert "'top' (sin, test_gradients.py:" in message
        assert "'hidden' (without_gradient, test_gradients.py:" in message
        before = len(gf.get_default_graph())
        np.testing.assert_allclose(
            _value(gf.gradients(gf.sin(gf.stop_gradient(hidden)) * x, x)[0], {x: X}).shape, (3,)
        )
        assert len(gf.get_default_graph()) > before
    finally:
        OPS.pop("without_gradient")


def test_gradients_of_variables_cover_all_reads() -> None:
    v = gf.Variable(np.array([1.0, 2.0]), name="v")
    y = gf.sum(v * v)
    v.assign_add([1.0, 1.0])
    z = gf.sum(v * 3.0)  # a new read, after the write
    (g,) = gf.gradients(y + z, v)
    session = gf.Session()
    session.run(v.initializer)
    np.testing.assert_allclose(session.run(g), [2 + 3, 4 + 3])


def test_names_follow_the_forward_nodes() -> None:
    x = gf.placeholder("float64", [3])
    with gf.name_scope("layer"):
        y = gf.exp(x, name="hidden")
    (g,) = gf.gradients(y, x)
    assert g.op.name.startswith("gradients/layer/hidden_grad/")
    (again,) = gf.gradients(gf.sin(y), x)
    assert again.op.name.startswith("gradients_1/")


def test_unknown_shapes() -> None:
    x = gf.placeholder("float64", ["n", None])
    w = gf.placeholder("float64", [None])
    (g,) = gf.gradients(gf.sum(gf.exp(x * w)), w)
    xs, ws = np.arange(6.0).reshape(2, 3) / 10, np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(_value(g, {x: xs, w: ws}), (np.exp(xs * ws) * xs).sum(0))


# --- jvp, jacobian, hessian -----------------------------------------------------------------------


def test_jvp_is_the_directional_derivative() -> None:
    x = gf.placeholder("float64", [3])
    w = gf.placeholder("float64", [])
    tangents = [np.array([1.0, -2.0, 0.5]), 3.0]
    (t,) = gf.jvp(gf.exp(x * w), [x, w], tangents)
    wanted = np.exp(X * 2) * (2 * tangents[0] + X * 3.0)
    np.testing.assert_allclose(_value(t, {x: X, w: 2.0}), wanted)
    with pytest.raises(GradientError, match="1 tangents for 2 xs"):
        gf.jvp(x * w, [x, w], [tangents[0]])


def test_jacobian_of_a_matrix_function() -> None:
    x = gf.placeholder("float64", [3])
    a = np.arange(12.0).reshape(4, 3)
    y = gf.reshape(gf.sin(gf.matmul(gf.constant(a), x)), (2, 2))
    got = _value(gf.jacobian(y, x), {x: X})
    np.testing.assert_allclose(got, (np.cos(a @ X)[:, None] * a).reshape(2, 2, 3))
    np.testing.assert_allclose(_value(gf.jacobian(gf.sum(x * x), x), {x: X}), 2 * X)


def test_hessian_of_a_quadratic_and_beyond() -> None:
    x = gf.placeholder("float64", [3])
    a = np.array([[2.0, 1, 0], [1, 3, -1], [0, -1, 1]])
    y = gf.sum(x * gf.matmul(gf.constant(a), x)) * 0.5 + gf.sum(x * x * x)
    np.testing.assert_allclose(_value(gf.hessian(y, x), {x: X}), a + np.diag(6 * X), atol=1e-12)
    with pytest.raises(GradientError, match="scalar"):
        gf.hessian(x, x)


def test_third_derivative() -> None:
    x = gf.placeholder("float64", [3])
    t = gf.sin(x)
    for _ in range(3):
        (t,) = gf.gradients(t, x)
    np.testing.assert_allclose(_value(t, {x: X}), -np.cos(X))


def test_a_small_network_agrees_with_autograd() -> None:
    autograd = pytest.importorskip("autograd", reason="an oracle of the dev extra")
    anp = pytest.importorskip("autograd.numpy", reason="an oracle of the dev extra")
    rng = np.random.default_rng(0)
    w1, w2, data = rng.normal(size=(4, 5)), rng.normal(size=(5, 2)), rng.normal(size=(7, 4))
    labels = np.eye(2)[rng.integers(0, 2, 7)]

    def loss(xp: Any, a: Any, b: Any) -> Any:
        h = xp.tanh(xp.matmul(data, a))
        logits = xp.matmul(h, b)
        top = xp.max(logits, axis=1, keepdims=True)
        z = logits - top
        return xp.mean(xp.log(xp.sum(xp.exp(z), axis=1)) - xp.sum(z * labels, axis=1))

    a, b = gf.placeholder("float64", w1.shape), gf.placeholder("float64", w2.shape)
    grads = gf.gradients(loss(gf, a, b), [a, b])
    got = _value(grads, {a: w1, b: w2})
    wanted = autograd.grad(lambda ws: loss(anp, *ws))((w1, w2))
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g, w, atol=1e-12)
