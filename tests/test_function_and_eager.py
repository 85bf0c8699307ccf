"""`gf.function` and `gf.eager`: the same code as a graph, called with arrays or run as it is written."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, AssertError, GraphflowError


def _line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


# --- function -------------------------------------------------------------------------------------


def test_a_function_is_traced_once_per_signature() -> None:
    @gf.function
    def f(x: Any, y: Any) -> Any:
        return {"sum": x + y, "product": x * y}

    a, b = np.ones(3, np.float32), np.full(3, 2, np.float32)
    for _ in range(3):
        np.testing.assert_array_equal(f(a, b)["sum"], [3, 3, 3])
    assert f.trace_count == 1
    f(np.ones(4, np.float32), np.ones(4, np.float32))
    f(a.astype(np.float64), b)
    assert f.trace_count == 3
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0], b)["product"], [2, 4, 6])
    assert f.trace_count == 3


def test_constants_are_part_of_the_signature() -> None:
    @gf.function
    def power(x: Any, *, n: int) -> Any:
        return x**n

    assert power(3.0, n=2) == 9.0
    assert power(3.0, n=3) == 27.0
    assert power.trace_count == 2
    with pytest.raises(ArgumentError, match="hashable"):
        power(3.0, n=[1])


def test_functions_compose_inside_graphs() -> None:
    @gf.function
    def square(x: Any) -> Any:
        return x * x

    @gf.function
    def twice(x: Any) -> Any:
        return square(square(x))

    assert twice(3.0) == 81.0
    x = gf.placeholder("float64", [])
    y = twice(x)
    assert isinstance(y, gf.Tensor)
    (g,) = gf.gradients(y, x)
    assert gf.Session().run(g, {x: 2.0}) == 32.0


def test_methods_and_variables() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = gf.Variable(2.0)

        @gf.function
        def __call__(self, x: Any) -> Any:
            return x * self.w

        @gf.function
        def predict(self, x: Any) -> Any:
            return x * self.w + 1.0

    model = Model()
    with gf.Session() as session:
        session.run(model.w.initializer)
        assert model.predict(3.0) == 7.0
        model.w.load(5.0)
        assert model.predict(3.0) == 16.0


def test_a_mistake_in_a_traced_function_names_its_line() -> None:
    @gf.function
    def wrong(x: Any) -> Any:
        return gf.matmul(x, x)

    with pytest.raises(gf.errors.ShapeError, match=r"test_function_and_eager\.py"):
        wrong(np.ones((2, 3)))


# --- eager ----------------------------------------------------------------------------------------


def test_values_are_there_at_once() -> None:
    with gf.eager():
        a = gf.constant([1.0, 2.0])
        b = gf.exp(a) * 2.0
        assert hasattr(b, "known")
        np.testing.assert_allclose(b.numpy(), 2 * np.exp([1, 2]), rtol=1e-6)
        assert float(gf.sum(a)) == 3.0
        total = 0.0
        if gf.sum(a) > 2.0:  # Python control flow sees values
            total = 1.0
    assert total == 1.0


def test_the_same_code_builds_the_same_graph() -> None:
    def program() -> Any:
        v = gf.Variable([1.0, 2.0], name="v")
        loss = gf.sum(gf.square(v * 3.0))
        return gf.gradients(loss, v)[0]

    with gf.Graph().as_default() as lazy:
        program()
    with gf.Graph().as_default() as at_once, gf.eager():
        g = program()
        np.testing.assert_allclose(g.numpy(), [18.0, 36.0])
    assert [(n.name, n.type) for n in lazy.operations] == [(n.name, n.type) for n in at_once.operations]


def test_variables_in_eager_blocks() -> None:
    with gf.eager():
        v = gf.Variable(3.0)
        v.assign_add(1.0)
        assert v.numpy() == 4.0
        assert (v * 2.0).numpy() == 8.0
        v.assign(10.0)
        assert (v + 1.0).numpy() == 11.0


def test_an_error_is_raised_at_the_line_that_makes_it() -> None:
    with gf.eager():
        a = gf.constant([1.0, -1.0])
        line = _line() + 2
        with pytest.raises(AssertError) as caught:
            gf.Assert(gf.all(a > 0.0), [a])
    assert f"test_function_and_eager.py:{line}" in str(caught.value)


def test_control_flow_in_eager_blocks() -> None:
    with gf.eager():
        x = gf.constant(3.0)
        y = gf.cond(x > 2.0, lambda: x * 2.0, lambda: x)
        assert y.numpy() == 6.0
        total = gf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + x), [0, 0.0])
        assert total[1].numpy() == 12.0


def test_what_depends_on_a_placeholder_waits() -> None:
    with gf.eager():
        x = gf.placeholder("float32", [2], name="x")
        y = gf.exp(x)
    assert not hasattr(y, "known")
    with pytest.raises(GraphflowError, match="not fed"):
        y.numpy()
