"""Branches, loops and scans: bad input, variables and effects inside bodies, sizes that change, gradients."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import (
    ArgumentError,
    AssertError,
    DTypeError,
    GradientError,
    GraphError,
    GraphflowError,
    IndexRangeError,
    IterationLimitError,
    RunError,
    ShapeError,
)
from graphflow.op import F
from graphflow.ops.body import body_types, infer_body
from graphflow.types import TensorType
from tests.ops.interpret import evaluate

X = np.array([0.3, -0.5, 0.9])


@pytest.fixture(autouse=True)
def graph() -> Any:
    with gf.Graph().as_default() as made:
        yield made


def vector(n: Any = 3) -> Any:
    return gf.placeholder("float64", (n,))


def run(fetches: Any, feeds: Any = None) -> Any:
    """Run by the session and by the interpreter, which must agree."""
    result = gf.Session().run(fetches, feeds)
    listed = fetches if isinstance(fetches, list) else [fetches]
    for a, b in zip(result if isinstance(fetches, list) else [result], evaluate(listed, feeds), strict=True):
        np.testing.assert_array_equal(a, b)
    return result


# --- bad input --------------------------------------------------------------------------------------


def _x() -> Any:
    return gf.constant(X)


BAD = [
    (
        "float predicate",
        lambda: F.cond(1.5, _x, _x),
        DTypeError,
        r"cond: the predicate must be a scalar bool.*float32",
    ),
    ("int predicate", lambda: F.cond(1, _x, _x), DTypeError, r"cond: the predicate.*int64"),
    ("vector predicate", lambda: F.cond(_x() > 0, _x, _x), ShapeError, r"cond: the predicate.*bool\[3\]"),
    ("no function", lambda: F.cond(True, 3, _x), ArgumentError, r"cond: true_fn must be a function, not 3"),
    (
        "no second function",
        lambda: F.cond(True, _x),
        ArgumentError,
        r"cond: false_fn must be a function, not None",
    ),
    (
        "branch dtypes",
        lambda: F.cond(True, _x, lambda: gf.constant([1, 2, 3])),
        DTypeError,
        r"result 0.*float64.*int64",
    ),
    (
        "branch shapes",
        lambda: F.cond(True, _x, lambda: _x()[:2]),
        ShapeError,
        r"result 0.*\[3\].*test_control.*\[2\]",
    ),
    (
        "branch ranks",
        lambda: F.cond(True, _x, lambda: F.sum(_x())),
        ShapeError,
        r"result 0.*\[3\].*float64\[\]",
    ),
    (
        "branch counts",
        lambda: F.cond(True, _x, lambda: (_x(), _x())),
        ArgumentError,
        r"false_fn.*one value is needed",
    ),
    (
        "branch nests",
        lambda: F.cond(True, lambda: (_x(), _x()), _x),
        ArgumentError,
        r"false_fn.*a tuple of 2",
    ),
    (
        "branch keys",
        lambda: F.cond(True, lambda: {"a": 1}, lambda: {"b": 1}),
        ArgumentError,
        r"the keys \['a'\]",
    ),
    ("branch none", lambda: F.cond(True, lambda: None, _x), ArgumentError, r"where None is needed"),
    (
        "branch string",
        lambda: F.cond(True, lambda: "a", lambda: "b"),
        DTypeError,
        r"cond: result 0 of true_fn",
    ),
    ("operation and tensor", lambda: F.cond(True, F.no_op, _x), DTypeError, r"an operation, where a tensor"),
    (
        "switch float",
        lambda: F.switch_case(1.0, [_x]),
        DTypeError,
        r"switch_case: the index must be a scalar integer",
    ),
    ("switch vector", lambda: F.switch_case([1], [_x]), ShapeError, r"switch_case: the index.*int64\[1\]"),
    ("switch nothing", lambda: F.switch_case(1, []), ArgumentError, r"switch_case: branch_fns.*\[\]"),
    ("switch keys", lambda: F.switch_case(1, {1: _x}), ArgumentError, r"switch_case: the keys.*\[1\]"),
    ("case nothing", lambda: F.case([]), ArgumentError, r"case: pred_fn_pairs is empty"),
    ("case no pairs", lambda: F.case([_x]), ArgumentError, r"case: pred_fn_pairs must be a list of"),
    ("case float", lambda: F.case([(1.0, _x)]), DTypeError, r"case: predicate 0 must be a scalar bool"),
    (
        "loop no values",
        lambda: F.while_loop(lambda: True, lambda: (), []),
        ArgumentError,
        r"while_loop: loop_vars",
    ),
    (
        "loop float condition",
        lambda: F.while_loop(lambda i: i, lambda i: i, [1.0]),
        DTypeError,
        r"condition.*float32",
    ),
    (
        "loop vector condition",
        lambda: F.while_loop(lambda v: v > 0, lambda v: v, [_x()]),
        ShapeError,
        r"while_loop: the condition must be a scalar bool, got bool\[3\]",
    ),
    (
        "loop dtype",
        lambda: F.while_loop(lambda i: i < 3, lambda i: i * 0.5, [0]),
        DTypeError,
        r"while_loop: value 0 is int64\[\] at the start \(made at test_control_flow.py:\d+\) but float32",
    ),
    (
        "loop shape",
        lambda: F.while_loop(lambda v: True, lambda v: F.concat([v, v], axis=0), [_x()]),
        ShapeError,
        r"while_loop: value 0 is float64\[3\].*float64\[6\].*shape_invariants",
    ),
    (
        "loop rank",
        lambda: F.while_loop(lambda v: True, F.sum, [_x()]),
        ShapeError,
        r"while_loop: value 0 is float64\[3\] at the start.*float64\[\]",
    ),
    (
        "loop count",
        lambda: F.while_loop(lambda i, j: i < 3, lambda i, j: i, [0, 0]),
        ArgumentError,
        r"while_loop: the result of body, <lambda> \(test_control_flow.py:\d+\), is .* where a list of 2 is needed",
    ),
    (
        "loop limit",
        lambda: F.while_loop(lambda i: True, lambda i: i, [0], maximum_iterations=-1),
        ArgumentError,
        r"maximum_iterations must not be negative, got -1",
    ),
    (
        "loop limit float",
        lambda: F.while_loop(lambda i: True, lambda i: i, [0], maximum_iterations=2.5),
        ArgumentError,
        r"maximum_iterations must be an integer, not 2.5",
    ),
    (
        "loop invariants",
        lambda: F.while_loop(lambda v: True, lambda v: v, [_x()], shape_invariants=[(2,)]),
        ShapeError,
        r"while_loop: shape invariant \(2,\) does not fit value 0, float64\[3\]",
    ),
    (
        "loop invariants count",
        lambda: F.while_loop(lambda v: True, lambda v: v, [_x()], shape_invariants=[(2,), (3,)]),
        ArgumentError,
        r"shape_invariants must be a list of 1",
    ),
    (
        "loop no function",
        lambda: F.while_loop(True, lambda i: i, [0]),
        ArgumentError,
        r"cond must be a function",
    ),
    (
        "scan scalar",
        lambda: F.scan(lambda a, v: a, gf.constant(1.0), 0),
        ShapeError,
        r"scan: elems.*float32\[\]",
    ),
    ("scan nothing", lambda: F.scan(lambda a, v: a, [], 0), ArgumentError, r"scan: elems holds no value"),
    (
        "scan lengths",
        lambda: F.scan(lambda a, v: a, (_x(), _x()[:2]), 0.0),
        ShapeError,
        r"scan: elems must have one length.*float64\[3\], float64\[2\]",
    ),
    (
        "scan dtype",
        lambda: F.scan(lambda a, v: v, _x(), 0),
        DTypeError,
        r"scan: value 0 is int64\[\] at the start.*float64",
    ),
    (
        "scan shape",
        lambda: F.scan(lambda a, v: a[:1], _x(), _x()),
        ShapeError,
        r"scan: value 0 is float64\[3\]",
    ),
    ("scan count", lambda: F.scan(lambda a, v: a, _x(), (0, 1)), None, ""),
    (
        "scan nest",
        lambda: F.scan(lambda a, v: v, _x(), (0.0, 1.0)),
        ArgumentError,
        r"scan: the result of fn.*tuple of 2",
    ),
    ("scan empty", lambda: F.scan(lambda a, v: a, gf.zeros((0, 2))), ArgumentError, r"scan: elems are empty"),
    ("map scalar", lambda: F.map_fn(lambda v: v, gf.constant(1.0)), ShapeError, r"first axis"),
    (
        "map dtype",
        lambda: F.map_fn(lambda v: v, _x(), dtype="int64"),
        DTypeError,
        r"map_fn: result 0 is float64.*int64",
    ),
    (
        "map none",
        lambda: F.map_fn(lambda v: None, _x()),
        ArgumentError,
        r"map_fn: fn, <lambda>.*gives no value",
    ),
]


@pytest.mark.parametrize(("build", "error", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_refused_when_built(build: Any, error: Any, message: str) -> None:
    if error is None:
        build()
        return
    n_before = len(gf.get_default_graph())
    with pytest.raises(error, match=message):
        build()
    kept = gf.get_default_graph().operations[n_before:]
    assert not [n for n in kept if n.attrs.get("bodies")]


def test_an_error_inside_a_body_names_its_line() -> None:
    x = vector()
    with pytest.raises(ShapeError, match=r"add.*\n.*made at test_control_flow.py:\d+"):
        F.cond(True, lambda: x + np.ones(4), lambda: x)


def test_sizes_that_only_the_run_knows_are_checked_before_it_runs() -> None:
    x, y = vector(None), vector(None)
    result = F.cond(True, lambda: x, lambda: y)
    assert result.shape == (None,)
    np.testing.assert_array_equal(run(result, {x: X, y: X + 1}), X)
    with pytest.raises(
        ShapeError, match=r"cond: result 0 is float64\[3\] in branch 0.*float64\[2\] in branch 1"
    ):
        gf.Session().run(result, {x: X, y: X[:2]})


def test_values_that_only_the_run_knows() -> None:
    i = gf.placeholder("int64", ())
    p, q = gf.placeholder("bool", ()), gf.placeholder("bool", ())
    with pytest.raises(IndexRangeError, match=r"switch_case: index 2 is outside \[0, 2\)"):
        gf.Session().run(F.switch_case(i, [_x, _x]), {i: 2})
    with pytest.raises(IndexRangeError, match=r"index -1"):
        gf.Session().run(F.switch_case(i, [_x, _x]), {i: -1})
    with pytest.raises(AssertError, match="case: no predicate is true"):
        gf.Session().run(F.case([(p, _x), (q, _x)]), {p: False, q: False})
    with pytest.raises(AssertError, match="case: more than one predicate is true"):
        gf.Session().run(F.case([(p, _x), (q, _x)], exclusive=True), {p: True, q: True})
    unranked = gf.placeholder("bool")
    with pytest.raises(GraphflowError, match=r"scalar bool.*\[2\]"):
        gf.Session().run(F.cond(unranked, _x, _x), {unranked: [True, False]})


def test_an_endless_loop_is_stopped_and_named() -> None:
    result = F.while_loop(lambda i: True, lambda i: i + 1, [0], name="endless")
    with (
        gf.config.override(loop_limit=50),
        pytest.raises(IterationLimitError, match=r"after 50 iter(.|\n)*'endless'"),
    ):
        gf.Session().run(result)


def test_placeholders_and_leaked_tensors() -> None:
    with pytest.raises(GraphError, match=r"placeholder .* is made inside a branch"):
        F.cond(True, lambda: gf.placeholder("float32", (), name="lost") * 1, lambda: 1.0)
    leaked: list[Any] = []

    def branch() -> Any:
        leaked.append(_x() * 2)
        return leaked[0]

    F.cond(True, branch, _x)
    with pytest.raises(GraphError, match="lives inside a loop body, branch or function"):
        F.exp(leaked[0])
    with pytest.raises(GraphError, match="another graph"):
        F.cond(True, lambda: leaked[0], _x)
    outer = F.no_op()
    with pytest.raises(GraphError, match=r"made outside .*true_fn"):
        F.cond(True, lambda: outer, F.no_op)


def test_an_exception_in_a_branch_leaves_no_trace() -> None:
    def broken() -> Any:
        raise KeyError("mine")

    before = gf.get_default_graph()
    with pytest.raises(KeyError, match="mine"):
        F.cond(True, _x, broken)
    assert gf.get_default_graph() is before
    np.testing.assert_array_equal(run(F.cond(True, _x, _x)), X)


# --- nests, scalars, names --------------------------------------------------------------------------


class Pair(NamedTuple):
    a: Any
    b: Any


def test_nests_keep_their_structure() -> None:
    made = F.cond(False, lambda: Pair(1, {"k": [2.0, None]}), lambda: Pair(3, {"k": (4.0, None)}))
    assert isinstance(made, Pair)
    assert made.b["k"][1] is None
    assert run([made.a, made.b["k"][0]]) == [3, 4.0]
    assert F.cond(True, lambda: None, lambda: None) is None
    assert F.cond(True, lambda: (), lambda: ()) == ()
    holding_itself: list[Any] = []
    holding_itself.append(holding_itself)
    with pytest.raises(ArgumentError, match="nested more than 64 deep"):
        F.cond(True, lambda: holding_itself, lambda: holding_itself)
    with pytest.raises(ArgumentError, match="nested more than 64 deep"):
        F.while_loop(lambda a: True, lambda a: a, holding_itself)


def test_loop_variables_may_be_one_value_a_list_or_a_nest() -> None:
    assert run(F.while_loop(lambda i: i < 3, lambda i: i + 1, 0)) == 3
    (single,) = F.while_loop(lambda i: i < 3, lambda i: i + 1, [0])
    assert run(single) == 3
    assert run(F.while_loop(lambda i: i < 3, lambda i: [i + 1], [0], return_same_structure=False)) == 3
    i, (a, b) = F.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, (t[1], t[0])), (0, (1.0, 2.0)))
    assert run([i, a, b]) == [3, 2.0, 1.0]
    state = F.while_loop(lambda s: s["i"] < 3, lambda s: {"i": s["i"] + 1}, {"i": 0})
    assert run(state["i"]) == 3


def test_python_scalars_take_the_dtype_of_what_they_meet() -> None:
    x = vector()
    assert F.cond(True, lambda: F.sum(x), lambda: 0.0).dtype == np.float64
    assert F.cond(True, lambda: 0, lambda: F.sum(x)).dtype == np.float64
    assert F.while_loop(lambda i: i < 3, lambda i: 7, [gf.constant(0, "int32")])[0].dtype == np.int32


def test_a_condition_as_a_list_of_one() -> None:
    assert run(F.while_loop(lambda i: [i < 3], lambda i: i + 1, 0)) == 3


# --- what runs --------------------------------------------------------------------------------------


def test_only_the_chosen_branch_runs() -> None:
    p = gf.placeholder("bool", ())
    seen: list[str] = []

    def branch(name: str) -> Any:
        def callback() -> float:
            seen.append(name)
            return 1.0

        return lambda: F.py_func(callback, [], "float64", shapes=())

    result = F.cond(p, branch("true"), branch("false"))
    gf.Session().run(result, {p: True})
    assert seen == ["true"]
    gf.Session().run(result, {p: False})
    assert seen == ["true", "false"]


def test_functions_are_traced_once() -> None:
    calls = {"cond": 0, "body": 0, "fn": 0, "true": 0}
    v = gf.Variable(np.zeros(3))

    def counted(name: str, result: Any) -> Any:
        def function(*arguments: Any) -> Any:
            calls[name] += 1
            return result(*arguments)

        return function

    x = vector()
    F.cond(True, counted("true", lambda: v.assign_add(x)), lambda: x)
    F.while_loop(
        counted("cond", lambda i: i < 2), counted("body", lambda i: (v.assign_add(x), i + 1)[1:]), [0]
    )
    y = F.map_fn(counted("fn", lambda t: t * t), x)
    gf.gradients(y, x)
    assert calls == {"cond": 1, "body": 1, "fn": 1, "true": 1}


def test_effects_in_bodies_run_whenever_the_body_does(capfd: pytest.CaptureFixture[str]) -> None:
    def body(i: Any) -> Any:
        F.print("trip", i)
        return i + 1

    (i,) = F.while_loop(lambda i: i < 3, body, [0])
    gf.Session().run(i)
    assert capfd.readouterr().err == "trip 0\ntrip 1\ntrip 2\n"


def test_a_gradient_repeats_no_effect(capfd: pytest.CaptureFixture[str]) -> None:
    x = vector()

    def inner(a: Any) -> Any:
        return F.cond(F.sum(a) > 0, lambda: F.Print(F.sin(a), [], "inner"), lambda: a * 2)

    y = F.map_fn(lambda v: F.sum(inner(F.Print(v * x, [], "outer"))), x)
    (g,) = gf.gradients(y, x)
    gf.Session().run(g, {x: X})
    lines = capfd.readouterr().err.splitlines()
    assert lines.count("outer") <= 3
    assert lines.count("inner") <= 3


def test_an_assertion_inside_a_loop_fails_the_run() -> None:
    def body(i: Any) -> Any:
        with gf.control_dependencies([F.Assert(i < 2, [i], message="too far")]):
            return F.identity(i) + 1

    (i,) = F.while_loop(lambda i: i < 5, body, [0])
    with pytest.raises(AssertError, match="too far: 2"):
        gf.Session().run(i)


def test_a_callback_on_the_path_of_a_gradient_is_refused() -> None:
    x = vector()

    def body(v: Any, stateful: bool) -> Any:
        return v * F.py_func(np.cos, [v], "float64", stateful=stateful, shapes=())

    y = F.map_fn(lambda v: body(v, True), x)
    with pytest.raises(
        GradientError, match=r"py_func: a gradient runs the body again(.|\n)*test_control_flow.py"
    ):
        gf.gradients(y, x)
    z = F.map_fn(
        lambda v: v * F.stop_gradient(F.py_func(np.cos, [v], "float64", stateful=False, shapes=())), x
    )
    (g,) = gf.gradients(z, x)
    np.testing.assert_allclose(run(g, {x: X}), np.cos(X))


def test_operations_in_branches() -> None:
    v = gf.Variable(1.0)
    p = gf.placeholder("bool", ())
    done = F.cond(p, lambda: F.group(v.assign(5.0)), F.no_op)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    session.run(done, {p: False})
    assert session.run(v) == 1.0
    session.run(done, {p: True})
    assert session.run(v) == 5.0


# --- variables --------------------------------------------------------------------------------------


def initialized() -> gf.Session:
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    return session


def test_assignment_in_a_branch() -> None:
    v, w = gf.Variable(1.0, name="v"), gf.Variable(2.0, name="w")
    p = gf.placeholder("bool", ())
    result = F.cond(p, lambda: v.assign_add(w), lambda: w.assign(7.0))
    session = initialized()
    assert session.run(result, {p: True}) == 3.0
    assert session.run([v, w]) == [3.0, 2.0]
    assert session.run(result, {p: False}) == 7.0
    assert session.run([v, w]) == [3.0, 7.0]


def test_assignment_in_a_loop_is_carried() -> None:
    v = gf.Variable(np.array([1.0, 2.0]))

    def body(i: Any) -> Any:
        before = v.read()
        v.assign(v * 2)
        v.assign_add(before)
        return i + 1

    (i,) = F.while_loop(lambda i: F.logical_and(i < 10, F.sum(v) < 50), body, [0])
    session = initialized()
    assert session.run(i) == 3
    np.testing.assert_array_equal(session.run(v), [27.0, 54.0])


def test_reads_before_and_after_a_construct_that_writes() -> None:
    v = gf.Variable(1.0)
    before = v * 10
    (i,) = F.while_loop(lambda i: i < 3, lambda i: (v.assign_add(1.0), i + 1)[1:], [0])
    after = v * 10
    session = initialized()
    assert session.run([before, i, after]) == [10.0, 3, 40.0]


def test_assignment_through_nested_bodies() -> None:
    v, unread = gf.Variable(0.0), gf.Variable(5.0)

    def outer(i: Any) -> Any:
        def inner(j: Any) -> Any:
            F.cond(F.equal(j % 2, 0), lambda: v.assign_add(F.cast(i, "float32")), lambda: v.assign_add(0.5))
            return j + 1

        F.while_loop(lambda j: j < 3, inner, [0])
        unread.assign(F.cast(i, "float32"))
        return i + 1

    (i,) = F.while_loop(lambda i: i < 3, outer, [0])
    session = initialized()
    assert session.run(i) == 3
    assert session.run([v, unread]) == [2 * (0 + 1 + 2) + 3 * 0.5, 2.0]


def test_assignment_in_scan_and_map() -> None:
    v = gf.Variable(0.0, dtype="float64")
    x = vector()
    y = F.scan(lambda a, t: a + v.assign_add(t), x, gf.constant(0.0, "float64"))
    z = F.map_fn(lambda t: v.assign_add(t), x)
    session = initialized()
    np.testing.assert_allclose(session.run(y, {x: X}), np.cumsum(np.cumsum(X)))
    np.testing.assert_allclose(session.run(v), X.sum())
    np.testing.assert_allclose(session.run(z, {x: X}), X.sum() + np.cumsum(X))


def test_a_zero_trip_loop_leaves_variables_as_they_are() -> None:
    v = gf.Variable(3.0)
    (i,) = F.while_loop(lambda i: i < 0, lambda i: (v.assign(9.0), i + 1)[1:], [0])
    session = initialized()
    assert session.run([i, v]) == [0, 3.0]


def test_a_condition_must_not_assign() -> None:
    v = gf.Variable(3.0)
    with pytest.raises(ArgumentError, match="assigns a variable"):
        F.while_loop(lambda i: v.assign(1.0) < 0, lambda i: i + 1, [0])


def test_gradients_of_variables_read_in_bodies() -> None:
    v = gf.Variable(X)
    y = F.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * F.sin(v)), (0, v.read()))[1]
    (g,) = gf.gradients(F.sum(y), v)
    session = initialized()
    s, c = np.sin(X), np.cos(X)
    np.testing.assert_allclose(session.run(g), s**3 + 3 * X * s**2 * c, rtol=1e-12)


# --- sizes that change ------------------------------------------------------------------------------


def test_a_carried_value_may_grow_where_said() -> None:
    start = gf.constant(X)
    _, v = F.while_loop(
        lambda i, v: i < 3,
        lambda i, v: (i + 1, F.concat([v, v * 2], axis=0)),
        (0, start),
        shape_invariants=[(), (None,)],
    )
    assert v.shape == (None,)
    expected = X
    for _ in range(3):
        expected = np.concatenate([expected, expected * 2])
    np.testing.assert_array_equal(evaluate(v), expected)


def test_an_unknown_size_may_change() -> None:
    x = vector(None)
    (v,) = F.while_loop(lambda v: F.size(v) < 10, lambda v: F.concat([v, x], axis=0), [x])
    np.testing.assert_array_equal(evaluate(v, {x: X}), np.tile(X, 4))
    np.testing.assert_array_equal(evaluate(v, {x: np.arange(10.0)}), np.arange(10.0))


def test_types_are_exact_once_sizes_are_known() -> None:
    x = gf.placeholder("float64", ("batch", 3))
    _, v = F.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v + x), (0, x))
    assert v.shape == x.shape
    node = v.op
    (body,) = node.attrs["bodies"][1:]
    assert body_types(node)[1][2] == x.type
    bound = [
        TensorType(t.dtype, tuple(8 if not isinstance(d, int) else d for d in t.type.dims))
        for t in body.inputs
    ]
    assert infer_body(body, bound)[1] == TensorType(x.dtype, (8, 3))


def test_sizes_inside_a_body_follow_the_run() -> None:
    x = gf.placeholder("float64", ("batch", 3))

    def body(i: Any, v: Any) -> Any:
        return i + 1, v + gf.ones(x.shape, dtype="float64") + F.reshape(F.reshape(v, (-1,)), x.shape)

    v = F.while_loop(lambda i, v: i < 2, body, (0, x))[1]
    for n in (1, 5, 0):
        fed = np.ones((n, 3))
        np.testing.assert_array_equal(run(v, {x: fed}), np.full((n, 3), 7.0))


def test_a_gradient_with_changing_sizes_is_refused_at_run_time() -> None:
    x = vector(None)
    (v,) = F.while_loop(
        lambda v: F.size(v) < 10, lambda v: F.concat([v, x], axis=0) * F.concat([v, x], axis=0), [x]
    )
    (g,) = gf.gradients(F.sum(v), x)
    with pytest.raises(RunError, match="a gradient needs carried values of one shape"):
        evaluate(g, {x: X})


# --- gradients --------------------------------------------------------------------------------------


def test_gradients_of_a_zero_trip_loop() -> None:
    x, w = vector(), vector()
    y = F.while_loop(lambda i, a: i < 0, lambda i, a: (i + 1, a * w), (0, x))[1]
    gx, gw = gf.gradients(F.sum(y), [x, w])
    np.testing.assert_array_equal(run(gx, {x: X, w: X}), np.ones(3))
    np.testing.assert_array_equal(run(gw, {x: X, w: X}), np.zeros(3))


def test_back_prop_false_stops_gradients() -> None:
    x = vector()
    y = F.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a * x), (0, x), back_prop=False)[1]
    assert gf.gradients(y, x, unconnected_gradients="none") == [None]
    z = F.scan(lambda a, v: a * v, x, gf.constant(1.0, "float64"), back_prop=False)
    assert gf.gradients(z, x, unconnected_gradients="none") == [None]


def test_unconnected_inputs_stay_unconnected() -> None:
    x, y = vector(), vector()
    p = gf.placeholder("bool", ())
    z = F.cond(p, lambda: x + F.stop_gradient(y), lambda: x * 2)
    assert gf.gradients(z, y, unconnected_gradients="none") == [None]
    t = F.map_fn(lambda v: v * F.stop_gradient(y), x)
    assert gf.gradients(t, y, unconnected_gradients="none") == [None]


def test_third_derivatives() -> None:
    x = gf.placeholder("float64", ())
    y = F.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a * x * x), (0, x))[1]  # x^5
    for k, factor in enumerate((5, 20, 60)):
        (y,) = gf.gradients(y, x)
        np.testing.assert_allclose(run(y, {x: 1.5}), factor * 1.5 ** (4 - k), rtol=1e-12)


def test_random_draws_are_the_same_forward_and_backward() -> None:
    x = vector()

    def body(i: Any, a: Any, total: Any) -> Any:
        u = gf.random.uniform((3,), dtype="float64")
        return i + 1, a * u, total * u

    drawn = F.while_loop(lambda i, a, total: i < 4, body, (0, x, gf.ones((3,), dtype="float64")))
    (g,) = gf.gradients(F.sum(drawn[1]), x)
    product, slope = gf.Session().run([drawn[2], g], {x: X})
    np.testing.assert_allclose(product, slope, rtol=1e-15)
    u = F.map_fn(lambda v: gf.random.uniform((), dtype="float64"), gf.zeros((100,)))
    assert len(set(gf.Session().run(u).tolist())) == 100


@pytest.mark.parametrize("depth", [1, 2])
def test_captures_through_several_levels(depth: int) -> None:
    x, y = vector(), vector()

    def nest(level: int, a: Any) -> Any:
        if level == 0:
            return a * y + x
        return F.cond(
            F.sum(a) > -100, lambda: F.map_fn(lambda row: nest(level - 1, row), F.stack([a, a]))[1], lambda: a
        )

    result = nest(depth, x)
    g = gf.gradients(F.sum(result), [x, y])
    np.testing.assert_allclose(run(result, {x: X, y: X + 1}), X * (X + 1) + X)
    gx, gy = run(g, {x: X, y: X + 1})
    np.testing.assert_allclose(gx, X + 2)
    np.testing.assert_allclose(gy, X)


def slope(y: Any, x: Any, feeds: dict[Any, Any], h: float = 1e-6) -> Any:
    """Central difference of scalar `y` by scalar `x`."""
    up, down = ({**feeds, x: np.float64(feeds[x] + d)} for d in (h, -h))
    return (evaluate(y, up) - evaluate(y, down)) / (2 * h)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gradients_of_deeply_nested_loops(depth: int) -> None:
    x = gf.placeholder("float64", ())

    def nest(a: Any, level: int) -> Any:
        if level == 0:
            return F.sin(a) * x
        return F.while_loop(lambda i, b: i < 2, lambda i, b: (i + 1, nest(b, level - 1)), (0, a))[1]

    y = nest(x, depth)
    (g,) = gf.gradients(y, x)
    (gg,) = gf.gradients(g, x)
    at = {x: np.float64(0.7)}
    np.testing.assert_allclose(run(g, at), slope(y, x, at), rtol=1e-7)
    np.testing.assert_allclose(run(gg, at), slope(g, x, at), rtol=1e-7)


def test_gradients_taken_inside_a_loop_are_differentiated_outside() -> None:
    x, t = vector(), gf.placeholder("float64", ())

    def descend(i: Any, a: Any) -> Any:
        (g,) = gf.gradients(F.sum((a - t) * (a - t) * (a - t)), a)
        return i + 1, a - 0.01 * g

    y = F.sum(F.while_loop(lambda i, a: i < 5, descend, (0, x))[1])
    (g,) = gf.gradients(y, t)
    at = {x: X, t: np.float64(2.0)}
    np.testing.assert_allclose(run(g, at), slope(y, t, at), rtol=1e-7)


def test_complex_gradients() -> None:
    z = gf.placeholder("complex128", (3,))
    y = F.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * z), (0, z))[1]
    (g,) = gf.gradients(y, z)
    np.testing.assert_allclose(run(g, {z: X + 1j}), np.conj(4 * (X + 1j) ** 3), rtol=1e-12)


def test_maximum_iterations_may_be_a_tensor() -> None:
    n = gf.placeholder("int32", ())
    assert run(F.while_loop(lambda i: True, lambda i: i + 1, 0, maximum_iterations=n), {n: 7}) == 7
    assert run(F.while_loop(lambda i: i < 3, lambda i: i + 1, 0, maximum_iterations=n), {n: 7}) == 3
    with pytest.raises(DTypeError, match="maximum_iterations must be an integer scalar"):
        F.while_loop(lambda i: True, lambda i: i + 1, 0, maximum_iterations=gf.constant(2.0))


# --- cost -------------------------------------------------------------------------------------------


def test_long_loops_take_linear_time_and_differentiate() -> None:
    x = gf.placeholder("float64", ())
    n = gf.placeholder("int64", ())
    y = F.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * 0.999 + x), (0, x))[1]
    (g,) = gf.gradients(y, x)
    session = gf.Session()
    session.run([y, g], {x: 1.0, n: 10})
    start = time.perf_counter()
    value, slope = session.run([y, g], {x: 1.0, n: 10_000})
    assert time.perf_counter() - start < 20
    r = 0.999**10_000
    np.testing.assert_allclose([value, slope], r + (1 - r) / 0.001, rtol=1e-9)


def test_a_loop_saves_nothing_that_no_gradient_needs() -> None:
    x = gf.placeholder("float64", ())
    _, y = F.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 0.5 + x), (0, x))
    (g,) = gf.gradients(y, x)
    backward = next(n for n in gf.get_default_graph().operations if n.type == "scan")
    saved = [t for t in backward.inputs if t.op is y.op]
    assert [t.index for t in saved] == [2]  # only the counter: the body is linear
    assert run(g, {x: 2.0}) == 0.125 + 1 + 0.5 + 0.25


def test_a_chain_of_many_branches_needs_no_recursion() -> None:
    x = gf.placeholder("float64", ())
    y = x
    for _ in range(300):
        y = F.cond(y > 0, lambda y=y: y * 1.001, lambda y=y: y)
    (g,) = gf.gradients(y, x)
    np.testing.assert_allclose(gf.Session().run(g, {x: 1.0}), 1.001**300)


def test_branches_that_are_nested_too_deep_are_refused_when_they_are_built() -> None:
    x = gf.placeholder("float64", ())

    def nested(depth: int, y: Any) -> Any:
        return F.cond(y > 0, lambda: nested(depth - 1, y * 0.5), lambda: y) if depth else y

    assert run(nested(100, x), {x: -1.0}) == -1.0
    with pytest.raises(gf.errors.GraphError, match=r"nested 100 deep[\s\S]*test_control_flow\.py"):
        nested(101, x)
