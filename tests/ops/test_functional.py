"""Functions about the graph, custom gradients, callbacks, printing and assertions."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import (
    ArgumentError,
    AssertError,
    CallbackError,
    DTypeError,
    GradientError,
    GraphError,
    GraphflowError,
    ShapeError,
)
from graphflow.op import F

X = np.array([0.3, -0.5, 0.9])


@pytest.fixture(autouse=True)
def graph() -> Any:
    with gf.Graph().as_default() as made:
        yield made


def vector() -> Any:
    return gf.placeholder("float64", (3,))


def run(fetches: Any, feeds: Any = None) -> Any:
    return gf.Session().run(fetches, feeds)


# --- identity, stop_gradient, group, tuple ----------------------------------------------------------


def test_identity_is_a_tensor_of_its_own_with_a_name() -> None:
    x = vector()
    y = F.identity(x, name="renamed")
    assert y is not x
    assert y.name == "renamed:0"
    assert F.identity([1, 2]).dtype == np.int64


def test_stop_gradient() -> None:
    x = vector()
    (g,) = gf.gradients(x * F.stop_gradient(x), x)
    np.testing.assert_array_equal(run(g, {x: X}), X)
    with pytest.raises(GradientError, match="no y depends on"):
        gf.gradients(F.stop_gradient(x), x)


def test_group_runs_what_it_is_given() -> None:
    v, w = gf.Variable(1.0), gf.Variable(2.0)
    both = F.group(v.assign(5.0), [w.assign(6.0)], name="both")
    assert both.name == "both"
    assert both.outputs == ()
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    assert session.run(both) is None
    assert session.run([v, w]) == [5.0, 6.0]
    assert F.group().type == "no_op"


def test_tuple_waits_for_all() -> None:
    seen: list[float] = []
    x = vector()
    watch = F.py_func(lambda a: seen.append(float(a[0])), [x], [])
    a, nothing, b = F.tuple([x, None, x * 2], control_inputs=[watch])
    assert nothing is None
    np.testing.assert_array_equal(run(b, {x: X}), X * 2)
    assert seen == [0.3]
    for bad in ([], [None], 3, x):
        with pytest.raises(ArgumentError, match="tuple: tensors must be a list"):
            F.tuple(bad)
    assert a.shape == (3,)


@pytest.mark.parametrize("bad", ["no_such", 3, object()])
def test_group_refuses_what_is_no_operation(bad: Any) -> None:
    with pytest.raises(GraphflowError):
        F.group(bad)


# --- custom_gradient --------------------------------------------------------------------------------


def custom(grad: Any, result: Any = lambda x: x * 2) -> Any:
    @gf.custom_gradient
    def f(x: Any) -> Any:
        return result(x), grad

    return f


def test_a_custom_gradient_replaces_the_true_one() -> None:
    x = vector()
    y = custom(lambda g: g * 100)(x)
    np.testing.assert_array_equal(run(y, {x: X}), X * 2)
    np.testing.assert_array_equal(run(gf.gradients(y, x), {x: X})[0], np.full(3, 100.0))


def test_keyword_arguments_and_attributes_of_the_function() -> None:
    @gf.custom_gradient
    def scaled(x: Any, by: float = 1.0) -> Any:
        """Scaled."""
        return x * by, lambda g: g * by

    assert scaled.__doc__ == "Scaled."
    x = vector()
    np.testing.assert_array_equal(run(scaled(x, by=3.0), {x: X}), X * 3)


def test_integers_and_unused_results() -> None:
    @gf.custom_gradient
    def f(x: Any, n: Any) -> Any:
        def grad(gy: Any, gz: Any, gn: Any) -> Any:
            assert gn is None
            return gy * 2 + gz * 3, None

        return (x, x + 1, n), grad

    x, n = vector(), gf.placeholder("int64", ())
    y, z, m = f(x, n)
    assert m.dtype == np.int64
    np.testing.assert_array_equal(run(gf.gradients(y, x)[0], {x: X, n: 1}), np.full(3, 2.0))
    np.testing.assert_array_equal(run(gf.gradients([y, z], x)[0], {x: X, n: 1}), np.full(3, 5.0))


def test_the_gradient_function_is_called_only_if_needed() -> None:
    called: list[int] = []

    def grad(g: Any) -> Any:
        called.append(1)
        return g

    y = custom(grad)(x := vector())
    assert called == []
    gf.gradients(y, x)
    gf.gradients(y * 2, x)
    assert called == [1]


def test_tensors_from_outside() -> None:
    w, x = vector(), vector()
    y = custom(lambda g: g * w, lambda t: t * w)(x)
    np.testing.assert_array_equal(run(gf.gradients(y, x)[0], {x: X, w: X + 1}), X + 1)
    assert gf.gradients(y, w, unconnected_gradients="none") == [None]

    def body(i: Any, a: Any) -> Any:
        inside = a * w
        return i + 1, custom(lambda g: g * (inside + w), lambda t: t + w)(a)

    z = F.while_loop(lambda i, a: i < 2, body, (0, x))[1]
    a0, a1, w0 = X, X + (X + 1), X + 1
    np.testing.assert_allclose(
        run(gf.gradients(z, x)[0], {x: X, w: w0}), (a0 * w0 + w0) * (a1 * w0 + w0), rtol=1e-14
    )


def test_effects_inside_run(capfd: pytest.CaptureFixture[str]) -> None:
    x = vector()
    y = custom(lambda g: g, lambda t: F.Print(t, [], "inside"))(x)
    run(y, {x: X})
    assert capfd.readouterr().err == "inside\n"


@pytest.mark.parametrize(
    ("grad", "message"),
    [
        (lambda g: (g, g), r"<lambda> \(test_functional.py:\d+\) gave 2 gradients for 1 inputs"),
        (lambda g: [], r"gave 0 gradients for 1 inputs"),
        (lambda g: g[:2], r"gave float64\[2\] for input 0, which is float64\[3\]"),
        (lambda g: F.sum(g), r"gave float64\[\] for input 0"),
        (lambda g: F.cast(g, "float32"), r"gave float32\[3\] for input 0"),
        (lambda g: "no", r"gradient 0"),
    ],
    ids=["two", "none", "shape", "rank", "dtype", "string"],
)
def test_bad_gradient_functions(grad: Any, message: str) -> None:
    y = custom(grad)(x := vector())
    with pytest.raises(GradientError, match=message):
        gf.gradients(y, x)
    (g,) = gf.gradients(x * 2, x)
    np.testing.assert_array_equal(run(g, {x: X}), np.full(3, 2.0))


def test_bad_functions() -> None:
    x = vector()
    with pytest.raises(ArgumentError, match="custom_gradient: it decorates a function, not 3"):
        gf.custom_gradient(3)  # type: ignore[arg-type]
    for result in (x, (x,), (x, x), (x, None)):
        with pytest.raises(
            ArgumentError, match=r"<lambda> \(test_functional.py:\d+\) must give \(y, gradient"
        ):
            gf.custom_gradient(lambda t, result=result: result)(x)
    v = gf.Variable(1.0)
    with pytest.raises(GraphError, match="assigns a variable"):
        custom(lambda g: g, lambda t: t * F.cast(v.assign(2.0), "float64"))(x)


# --- py_func ----------------------------------------------------------------------------------------


def test_py_func_gives_one_value_or_a_list() -> None:
    x = vector()
    single = F.py_func(lambda a: a + 1, [x], "float64", shapes=(3,))
    assert single.shape == (3,)
    pair = F.py_func(lambda a: (a.sum(), 3), [x], ["float64", "int64"])
    assert pair[0].shape is None
    one, (total, n) = run([single, pair], {x: X})
    np.testing.assert_array_equal(one, X + 1)
    assert total == X.sum()
    assert n == 3
    assert F.py_func(print, [], None).type == "py_func"


def test_py_func_cannot_write_its_inputs_and_results_are_copied() -> None:
    kept = np.ones(3)

    def write(a: Any) -> Any:
        a[0] = 7
        return a

    x = vector()
    with pytest.raises(CallbackError, match="read-only"):
        run(F.py_func(write, [x], "float64"), {x: X})
    y = F.py_func(lambda: kept, [], "float64")
    result = run(y)
    result[:] = 5
    assert kept.tolist() == [1, 1, 1]
    z = F.py_func(lambda a: a, [x], "float64")
    fed = X.copy()
    run(z, {x: fed})[:] = 9
    np.testing.assert_array_equal(fed, X)


class Odd:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise OSError("no array")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 1 / 0, r"raised ZeroDivisionError: 'division by zero'"),
        (lambda: sys.exit(3), r"raised SystemExit"),
        (lambda: np.zeros(3, "float32"), r"gave float32\[3\] for value 0, but promised float64\[2\]"),
        (lambda: np.zeros(3), r"gave float64\[3\] for value 0, but promised float64\[2\]"),
        (lambda: 1.0, r"gave float64\[\] for value 0"),
        (lambda: None, r"value 0 of .*None"),
        (lambda: "text", r"value 0 of .*text"),
        (lambda: [[1.0], [1.0, 2.0]], r"value 0 of"),
        (Odd, r"no array"),
        (lambda: 1j, r"complex"),
    ],
)
def test_a_callback_that_breaks_its_word(function: Any, message: str) -> None:
    y = F.py_func(function, [], "float64", shapes=(2,), name="mine")
    with pytest.raises(CallbackError, match=message) as caught:
        run(y)
    assert "'mine'" in str(caught.value)
    assert "test_functional.py" in str(caught.value)


def test_a_callback_with_the_wrong_number_of_values() -> None:
    with pytest.raises(CallbackError, match=r"gave 3 values, but Tout promises 2"):
        run(F.py_func(lambda: (1.0, 2.0, 3.0), [], ["float64", "float64"])[0])


def test_the_original_exception_is_chained() -> None:
    with pytest.raises(CallbackError) as caught:
        run(F.py_func(lambda: {}["missing"], [], "float64"))
    chain = [caught.value.__cause__, getattr(caught.value.__cause__, "__cause__", None)]
    assert any(isinstance(error, KeyError) for error in chain)


def test_py_func_refuses_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="py_func: func must be a function, not 3"):
        F.py_func(3, [], "float32")
    with pytest.raises(ArgumentError, match="py_func: 1 shapes for 2 dtypes"):
        F.py_func(print, [], ["float32", "float32"], shapes=[(1,)])
    with pytest.raises(ShapeError, match="negative"):
        F.py_func(print, [], "float32", shapes=(-1,))
    with pytest.raises(DTypeError, match="is not a dtype"):
        F.py_func(print, [], "nothing")
    x = vector()
    with pytest.raises(GradientError, match="py_func"):
        gf.gradients(F.py_func(np.sin, [x], "float64"), x)


def test_callbacks_run_only_where_needed() -> None:
    calls: list[int] = []
    x = vector()
    F.py_func(lambda a: calls.append(1), [x], [])
    run(x * 2, {x: X})
    assert calls == []


# --- printing and assertions ------------------------------------------------------------------------


def test_print_formats(capfd: pytest.CaptureFixture[str]) -> None:
    x = gf.constant(np.arange(6).reshape(2, 3))
    run(F.Print(x, [x, 7, "text", gf.constant([], "float32")], message="x: "))
    assert capfd.readouterr().err == "x: [0 1 2...][7][text][]\n"
    run(F.Print(x, [x], summarize=-1))
    assert capfd.readouterr().err == "[0 1 2 3 4 5]\n"
    run(F.Print(x, x, summarize=0))
    assert capfd.readouterr().err == "[...]\n"
    run(F.print("a", gf.constant(2), x, summarize=None, end="!"))
    assert capfd.readouterr().err == "a 2 [0 1 2 3 4 5]!"


def test_print_is_silent_unless_needed(capfd: pytest.CaptureFixture[str]) -> None:
    x = vector()
    F.Print(x, [x])
    printed = F.print("here")
    run(x * 2, {x: X})
    assert capfd.readouterr().err == ""
    with gf.control_dependencies([printed]):
        y = x * 2
    run(y, {x: X})
    assert capfd.readouterr().err == "here\n"


@pytest.mark.parametrize("bad", [-2, 1.5, "3", True])
def test_summarize_is_checked(bad: Any) -> None:
    for build in (lambda: F.Print(1, [], summarize=bad), lambda: F.Assert(True, [], summarize=bad)):
        with pytest.raises(ArgumentError, match="summarize must be"):
            build()


def test_assert_shows_its_data() -> None:
    x = vector()
    check = F.Assert(F.sum(x) < 0, ["sum is", F.sum(x), x], message="must be negative", name="check")
    assert run(check, {x: -np.abs(X)}) is None
    with pytest.raises(AssertError, match=r"must be negative: sum is 0.7.* \[0.3 -0.5 0.9\](.|\n)*'check'"):
        run(check, {x: X})
    assert issubclass(AssertError, AssertionError)


def test_a_constant_false_fails_at_run_time_only() -> None:
    check = F.Assert(False, ["always"])
    with pytest.raises(AssertError, match="always"):
        run(check)


def test_a_failed_assertion_leaves_variables_as_they_were() -> None:
    v = gf.Variable(1.0)
    ok = gf.placeholder("bool", ())
    with gf.control_dependencies([F.Assert(ok, [])]):
        write = v.assign_add(1.0)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    with pytest.raises(AssertError):
        session.run(write, {ok: False})
    assert session.run(v) == 1.0
    assert session.run(write, {ok: True}) == 2.0


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        (1, DTypeError, r"Assert: the condition must be a scalar bool, got int64"),
        (0.5, DTypeError, r"got float32"),
        ([True, False], ShapeError, r"got bool\[2\]; use gf.all"),
        ("yes", DTypeError, "yes"),
    ],
)
def test_assert_refuses_what_is_no_scalar_bool(condition: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        F.Assert(condition, [])
