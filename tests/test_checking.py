"""Checked runs: what they find, what they let through, and that a failed one leaves no trace."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.backends.numpy import NumpyBackend
from graphflow.checking import MismatchError, NumericsError, as_check, load_checked, source_of
from graphflow.checking.lifetimes import dead_bytes, roots
from graphflow.checking.numerics import BOTH, first_made
from graphflow.checking.reference import ReferenceCheck
from graphflow.checking.rounding import difference, jittered, rounding_bounds, same_bits
from graphflow.debug import replay
from graphflow.feeds import as_feed
from graphflow.graph import detached
from graphflow.interpret import compute, interpret, kernel_of
from graphflow.op import OPS
from graphflow.subgraph import Subgraph, cut
from tests.backends.fake_cupy import VERSIONS, install
from tests.random_graphs import Recipe, build, recipes


def loaded(
    session: gf.Session,
    fetches: Any,
    feeds: dict[Any, Any] | None = None,
    check: str = "nan",
    backend_of: Callable[[str], Any] = backend_for,
    change: Callable[[Any], Any] = lambda program: program,
    passes: Any = None,
) -> Callable[[], Any]:
    """A checked run of a session, with its program, its backend or its passes changed."""
    fed = session._feeds(feeds)
    signature = session._signature(fetches, tuple(fed))
    arrays = [as_feed(t, v) for t, v in fed.items()]
    shapes = tuple(a.shape for a in arrays)
    after = session._passes.after if passes is None else passes
    source = source_of(session.graph, signature, shapes, session._passes.before, after)
    program = change(session._program(signature, shapes, None)[0])
    executable = load_checked(check, program, backend_of, session._store, session.threads, source)
    return lambda: signature.fetches.rebuild([v[()] for v in executable.run(arrays)])


def checked(session: gf.Session, fetches: Any, feeds: dict[Any, Any] | None = None, **options: Any) -> Any:
    """What one checked run gives."""
    return loaded(session, fetches, feeds, **options)()


# --- the interpreter --------------------------------------------------------------------------------


@given(recipe=recipes())
@settings(max_examples=30)
def test_the_interpreter_gives_the_bits_of_an_unoptimised_run(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe, unknown=True)
        values = gf.Session(optimize=False).run(built.fetches, built.feeds)
        plain = interpret(cut(built.fetches, tuple(built.feeds)), list(built.feeds.values()))
        for a, b in zip(plain.outputs, values, strict=True):
            assert same_bits(np.asarray(a), np.asarray(b))


def test_the_interpreter_reads_state_and_writes_none() -> None:
    w = gf.Variable(np.ones(2), name="w")
    x = gf.placeholder("float64", ["n"], name="x")
    draw = gf.random.uniform((2,), dtype="float64")
    first = w.assign_add(draw)
    second = w.assign_add(gf.zeros([2], "float64") + gf.sum(x))
    loop = gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + w.read() * gf.size(x)), [0, w.read()])
    session = gf.Session(optimize=False)
    session.run(gf.global_variables_initializer())
    subgraph = cut([first, w.handle, loop[1]], [x], [second.op])
    state = {"w": np.ones(2)}
    seen: list[str] = []
    given_ = interpret(
        subgraph, [np.arange(3.0)], state, watch=lambda n, a, i, o: seen.append(n.name), free=False
    )
    values = session.run([first, w, loop[1], second], {x: np.arange(3.0)})
    for a, b in zip(given_.outputs, values, strict=False):
        assert same_bits(np.asarray(a), np.asarray(b))
    assert list(given_.written) == ["w"]
    assert same_bits(given_.written["w"], values[3])
    assert state["w"].tolist() == [1, 1]
    assert len(given_.counters) == 1
    assert {n.outputs[0] for n in subgraph.nodes} <= set(given_.values)
    assert seen.count("while/body/add") == 3  # what is in bodies is seen too
    assert len(interpret(subgraph, [np.arange(3.0)], state).values) < len(given_.values) // 2
    with pytest.raises(gf.errors.UninitializedError, match="'w' has no value"):
        interpret(subgraph, [np.arange(3.0)])


def test_the_interpreter_locates_errors_and_repeats_no_effect() -> None:
    calls: list[int] = []
    x = gf.placeholder("int64", [None], name="x")
    told = gf.py_func(lambda v: calls.append(1) or v, [x], gf.int64, name="told")
    taken = gf.take(gf.constant([1.0, 2.0]), gf.reshape(told, (-1,)), name="taken")
    subgraph = cut([taken], [x])
    with pytest.raises(gf.errors.IndexRangeError, match=r"node 'taken', made at test_checking\.py"):
        interpret(subgraph, [np.array([5])])
    assert len(calls) == 1
    known = {told.op.id: (np.array([1]),)}
    assert interpret(subgraph, [np.array([5])], known=known).outputs[0].tolist() == [2.0]
    assert len(calls) == 1
    with pytest.raises(gf.errors.RunError, match="no kernel"):
        compute(gf.placeholder("int64", []).op, [])


# --- how values differ ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (np.float32([0.0]), np.float32([-0.0]), False),
        (np.float64([np.nan, 1]), np.float64([-np.nan, 1]), True),
        (np.complex64([1 + 2j]), np.complex64([1 - 2j]), False),
        (np.array([True]), np.array([1]), False),
        (np.zeros((0, 2)), np.zeros((0, 2)), True),
        (np.array("a", object), np.array("b", object), False),
        (np.zeros(2).astype(gf.bfloat16), np.zeros(2).astype(gf.bfloat16), True),
    ],
)
def test_same_bits(a: Any, b: Any, same: bool) -> None:
    assert same_bits(a, b) is same


def test_a_difference_tells_where_and_how_much() -> None:
    found = difference(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [5.0, 4.5]]))
    assert found is not None
    assert (found.index, found.count, found.expected, found.got, found.largest) == ((1, 0), 2, 3.0, 5.0, 2.0)
    assert str(found) == "2 of 4 elements differ, the first at [1, 0]: 5.0 for 3.0, the largest by 2"
    near = np.full(4, 1.0)
    assert difference(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.5]]), near) is None
    assert difference(np.complex128([1j, 2j]), np.complex128([1j, 2j + 9]), near).index == (1,)  # type: ignore[union-attr]


@given(seed=st.integers(0, 1000), dtype=st.sampled_from(["float16", "float32", "float64", "bfloat16"]))
def test_bounds_allow_other_orders_and_nothing_else(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 200)).astype(getattr(gf, dtype))
    t = gf.placeholder(dtype, [3, 200])
    total = gf.sum(t, axis=1)
    node = total.op
    expected = [np.asarray(compute(node, [x])[0])]

    def sample(seed: int) -> Any:
        return compute(node, [x], functions=jittered(kernel_of, seed))

    (bound,) = rounding_bounds(sample, expected, 200.0)
    other = np.asarray(compute(node, [np.ascontiguousarray(x[:, ::-1])])[0])
    assert difference(expected[0], other, bound) is None
    wrong = (expected[0].astype(np.float64) + np.abs(x.astype(np.float64)).max(axis=1)).astype(x.dtype)
    if dtype in ("float32", "float64"):  # of 8 or 11 bits, 200 terms leave little
        assert difference(expected[0], wrong, bound) is not None


# --- check="nan" ------------------------------------------------------------------------------------


def test_the_first_node_that_makes_one_is_told_with_what_it_made_it_of() -> None:
    x = gf.placeholder("float32", ["n", 3], name="x")
    w = gf.Variable(np.ones((3, 2), np.float32), name="w")
    root = gf.sqrt(x @ w - 1.0, name="root")
    loss = gf.sum(root * 2.0)
    (g,) = gf.gradients(loss, [w.read()])
    step = w.assign_sub(0.1 * g)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    good = np.full((2, 3), 0.5, np.float32)
    before = session.run(w)
    expected = gf.Session(optimize=False)
    expected.run(gf.global_variables_initializer())
    got = checked(session, [loss, step], {x: good})
    for a, b in zip(got, expected.run([loss, step], {x: good}), strict=True):
        assert same_bits(np.asarray(a), np.asarray(b))
    session.load(w, before)
    bad = good.copy()
    bad[1] = 0.1
    with pytest.raises(
        NumericsError, match=r"'root' \(sqrt\) made NaN in 2 of 4 elements, the first at \[1, 0\]"
    ) as caught:
        checked(session, [loss, step], {x: bad})
    error = caught.value
    assert "test_checking.py" in str(error)
    assert error.node is not None
    assert error.node.name == "root"
    assert (error.source, error.kind, error.index, error.count) == ("node", "nan", (1, 0), 2)
    assert np.isnan(error.output[1]).all()
    assert not np.isnan(error.inputs[0]).any()
    assert replay(error).tobytes() == error.output.tobytes()
    np.testing.assert_array_equal(session.run(w), before)
    assert np.isnan(session.run(loss, {x: bad}))  # the session goes on as it was


def test_what_was_there_before_is_told_as_such() -> None:
    x = gf.placeholder("float64", [2], name="x")
    v = gf.Variable([1.0, 2.0], dtype="float64", name="v")
    session = gf.Session()
    session.run(v.initializer)
    y = x * v
    with pytest.raises(NumericsError, match=r"'x' was fed NaN in 1 of 2 elements, the first at \[1\]") as fed:
        checked(session, y, {x: [1.0, np.nan]})
    assert (fed.value.source, fed.value.index) == ("feed", (1,))
    assert fed.value.node is not None
    assert fed.value.node.name == "x"
    with pytest.raises(gf.errors.ArgumentError, match="came with a feed"):
        replay(fed.value)
    session.load(v, [np.inf, 1.0])
    with pytest.raises(NumericsError, match="variable 'v' held infinities"):
        checked(session, y, {x: [1.0, 1.0]})
    assert checked(session, y, {x: [1.0, 1.0]}, check="only_nan").tolist() == [np.inf, 1.0]
    with pytest.raises(NumericsError, match=r"'sub' .* made a NaN; its inputs"):  # inf - inf
        checked(session, gf.subtract(v[0], v[0], name="sub"), check="only_nan")
    checked(session, v.assign(x), {x: [0.0, 0.0]})  # what only is written is not asked what it was
    assert session.run(v).tolist() == [0, 0]
    with pytest.raises(NumericsError, match=r"constant 'odd' is a NaN"):
        checked(session, x * gf.constant(np.nan, name="odd"), {x: [1.0, 1.0]})


def test_infinities_that_are_meant_pass() -> None:
    x = gf.placeholder("float32", [4], name="x")
    scores = gf.where(x > 0.0, x, -np.inf)
    padded = gf.pad(x, [[1, 1]], constant_values=-np.inf)
    full = gf.full((4,), np.inf, dtype="float32")
    session = gf.Session()
    got = checked(session, [gf.exp(scores), gf.max(padded), gf.minimum(x, full)], {x: [-1, 1, 2, 3]})
    assert got[0][0] == 0
    assert got[1] == 3


def test_a_node_that_was_folded_away_is_told_all_the_same() -> None:
    x = gf.placeholder("float32", [2], name="x")
    with pytest.raises(NumericsError, match=r"'Log' \(log\) made an infinity"):
        checked(gf.Session(), x * (gf.log(gf.constant(0.0)) + 1.0), {x: [1.0, 1.0]})


def test_inside_loops_and_branches() -> None:
    x = gf.placeholder("float64", [], name="x")
    _, total = gf.while_loop(lambda i, a: i < 6, lambda i, a: (i + 1, gf.sqrt(a - 1.0, name="inner")), [0, x])
    branch = gf.cond(x > 0.0, lambda: gf.log(x - x, name="in_branch"), lambda: x)
    session = gf.Session()
    with pytest.raises(NumericsError, match=r"inner' \(sqrt\) made a NaN") as caught:
        checked(session, total, {x: 5.0})
    assert replay(caught.value).tobytes() == caught.value.output.tobytes()
    assert caught.value.inputs[0] < 0
    with pytest.raises(NumericsError, match=r"in_branch' \(log\) made an infinity"):
        checked(session, branch, {x: 5.0})
    assert checked(session, branch, {x: -5.0}) == -5.0
    rows = gf.placeholder("float64", [2])  # so few that the loop is taken apart, and its branches stay
    deep = gf.map_fn(lambda r: gf.cond(r > 0.0, lambda: r, lambda: gf.sqrt(r, name="deep") + 1.0), rows)
    with pytest.raises(NumericsError, match=r"deep' \(sqrt\) made a NaN"):
        checked(session, deep, {rows: [1.0, -1.0]})


def test_an_overflow_in_the_commit_is_undone_and_effects_happen_once() -> None:
    calls: list[int] = []
    v = gf.Variable(np.full(100, 1e308), name="v")
    u = gf.Variable(np.zeros(100), name="u")
    draw = gf.random.uniform((100,), dtype="float64")
    ten = gf.py_func(lambda: calls.append(1) or np.full(100, 10.0), [], gf.float64, shapes=(100,))
    steps = [u.assign_add(draw), v.assign(gf.multiply(v.read(), ten, name="grow"))]
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    with pytest.raises(NumericsError, match=r"'grow' .* made infinities in 100 of 100") as caught:
        checked(session, steps)
    assert len(calls) == 1
    assert caught.value.inputs[1].tolist() == [10.0] * 100
    assert session.run(v).tolist() == [1e308] * 100
    assert session.run(u).tolist() == [0.0] * 100
    session.run(v.assign(np.zeros(100)).op)
    np.testing.assert_array_equal(checked(session, draw), gf.Session().run(draw))  # the counter went back


@given(recipe=recipes(), scale=st.sampled_from([1.0, 300.0, 1e200]))
@settings(max_examples=40)
def test_it_finds_the_first_in_the_order_of_the_program(recipe: Recipe, scale: float) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        feeds = {t: v * scale for t, v in built.feeds.items()}
        plain = cut(built.fetches, tuple(feeds))
        wanted = first_made(plain, list(feeds.values()), {}, kernel_of)
        session = gf.Session(threads=2)
        run = loaded(session, built.fetches, feeds)
        if wanted is None:
            run()
            return
        if wanted.node not in _kept(session, built.fetches, feeds):  # the optimiser dropped it
            return
        with pytest.raises(NumericsError) as caught:
            run()
        assert caught.value.node is not None
        assert wanted.node is not None
        assert caught.value.node.name == wanted.node.name
        assert same_bits(caught.value.output, wanted.output)
        assert replay(caught.value).tobytes() == caught.value.output.tobytes()


def _kept(session: gf.Session, fetches: Any, feeds: dict[Any, Any]) -> set[Any]:
    """The user's nodes that an optimised program still computes."""
    names = {i.place.name for i in session.plan(fetches, feeds).program.instructions}
    return {n for n in session.graph.operations if n.name in names}


def test_the_real_programs_own_nan_is_told_where_the_graph_makes_none() -> None:
    class Odd(NumpyBackend):
        def call(self, op: Any, attrs: Any, inputs: Any, out: Any) -> Any:
            if op.name == "tanh":
                return partial(out.fill, np.nan), ()
            return super().call(op, attrs, inputs, out)

    x = gf.placeholder("float32", [200], name="x")
    y = gf.sum(gf.tanh(x, name="odd"))
    with pytest.raises(NumericsError, match=r"'odd' .* made NaN in 200 of 200") as caught:
        checked(gf.Session(optimize=False), y, {x: np.ones(200)}, backend_of=lambda device: Odd())
    assert np.isnan(caught.value.output).all()


# --- check="reference" ------------------------------------------------------------------------------


@given(recipe=recipes(40))
@settings(max_examples=30)
def test_nothing_is_found_in_what_is_right(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe, unknown=True)
        session = gf.Session(threads=2)
        run = loaded(session, built.fetches, built.feeds, check="reference")
        expected = gf.Session(optimize=False).run(built.fetches, built.feeds)
        for _ in range(2):
            for a, b in zip(run(), expected, strict=True):
                assert same_bits(np.asarray(a), np.asarray(b))


def test_nothing_is_found_in_a_training_step_with_loops_and_draws() -> None:
    x = gf.placeholder("float32", ["n", 4], name="x")
    w = gf.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), name="w")
    h = gf.tanh(x @ w) * gf.random.uniform((3,))
    scan = gf.scan(lambda a, b: gf.tanh(a + b), h, gf.zeros([3]))
    chosen = gf.cond(gf.sum(h) > 0.0, lambda: gf.sum(scan), lambda: gf.sum(scan * scan))
    kept = gf.boolean_mask(h, h > 0.0)  # of a size that depends on data
    loss = chosen + gf.sum(kept / gf.cast(gf.size(kept) + 1, "float32"))
    (g,) = gf.gradients(loss, [w.read()])
    step = w.assign_sub(0.1 * g)
    feeds = {x: np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)}
    sessions = [gf.Session(), gf.Session(optimize=False)]
    for s in sessions:
        s.run(gf.global_variables_initializer())
    run = loaded(sessions[0], [loss, step, kept, w], feeds, check="reference")
    for _ in range(3):
        for a, b in zip(run(), sessions[1].run([loss, step, kept, w], feeds), strict=True):
            assert same_bits(np.asarray(a), np.asarray(b))
    for n in (3, 7, 9):  # programs of other sizes may come from a template of the first
        feeds = {x: np.random.default_rng(n).normal(size=(n, 4)).astype(np.float32)}
        sessions[0].run(loss, feeds)
        got = checked(sessions[0], loss, feeds, check="reference")
        expected = [sessions[1].run(loss, feeds) for _ in range(2)][1]
        assert same_bits(np.asarray(got), np.asarray(expected))


def _wrong_pass(subgraph: Subgraph) -> Subgraph:
    """Takes x - y for y - x."""

    def swapped_operands(node: Any, inputs: Any) -> Any:
        if node.op.name != "subtract" or node.name.endswith("swapped"):
            return None
        return detached(node, OPS["subtract"], inputs[::-1], {}, name=f"{node.name}/swapped").outputs

    return subgraph.rewrite(swapped_operands, lambda: "swapped_operands")


def test_a_wrong_pass_is_told_with_the_rewrite() -> None:
    x = gf.placeholder("float32", [3], name="x")
    v = gf.Variable(gf.zeros([3]), name="v")
    step = v.assign(gf.exp(gf.subtract(x, gf.square(x), name="less")))
    session = gf.Session()
    session.run(v.initializer)
    passes = (*session._passes.after, ("wrong_pass", _wrong_pass))
    with pytest.raises(MismatchError, match=r"pass 'wrong_pass', which keeps every bit, changed") as caught:
        checked(session, step.op, {x: [1, 2, 3]}, check="reference", passes=passes)
    error = caught.value
    assert (error.stage, error.culprit, error.rule) == ("pass", "wrong_pass", "swapped_operands")
    assert error.node is not None
    assert error.node.name == "less"
    assert "variable 'v': 2 of 3 elements differ" in str(error)
    assert "test_checking.py" in str(error)
    assert session.run(v).tolist() == [0, 0, 0]


class _Wrong(NumpyBackend):
    """A backend with two faults: its tanh is off by a thousandth, and its sinh adds to what is in its output."""

    def call(self, op: Any, attrs: Any, inputs: Any, out: Any) -> Any:
        if op.name == "tanh":
            return (lambda: np.multiply(np.tanh(inputs[0]), np.float32(1.001), out=out)), ()
        if op.name == "sinh":
            return (lambda: np.add(out, np.sinh(inputs[0]), out=out)), ()
        return super().call(op, attrs, inputs, out)

    def function(self, op: Any, attrs: Any) -> Any:
        if op.name == "cosh":
            return lambda *inputs, out=None: super(_Wrong, self).function(op, attrs)(*inputs, out=out) + 1
        return super().function(op, attrs)


@pytest.mark.parametrize("function", ["tanh", "sinh"])
def test_a_wrong_kernel_is_told(function: str) -> None:
    x = gf.placeholder("float32", [50, 2], name="x")
    y = gf.sum(getattr(gf, function)(gf.matmul(x, gf.eye(2)), name="wrong"))
    session = gf.Session(optimize=False)
    value = np.full((50, 2), 0.5, np.float32)
    with pytest.raises(
        MismatchError, match=rf"'wrong': the kernel of {function} on cpu:0 gives something else"
    ) as caught:
        checked(session, y, {x: value}, check="reference", backend_of=lambda device: _Wrong())
    assert (caught.value.stage, caught.value.culprit) == ("kernel", function)
    np.testing.assert_array_equal(caught.value.expected, getattr(np, function)(value))
    assert caught.value.inputs[0].shape == (50, 2)


def test_rounding_of_a_kernel_is_let_through() -> None:
    class Other(NumpyBackend):
        def call(self, op: Any, attrs: Any, inputs: Any, out: Any) -> Any:
            if op.name == "matmul":
                a, b = inputs
                return (lambda: np.copyto(out, (a.astype(np.float64) @ b.astype(np.float64)))), ()
            return super().call(op, attrs, inputs, out)

    x = gf.placeholder("float32", [10, 300], name="x")
    y = gf.matmul(x, gf.transpose(x)) + 1.0
    value = np.random.default_rng(0).normal(size=(10, 300))
    session = gf.Session(optimize=False)
    got = checked(session, y, {x: value}, check="reference", backend_of=lambda device: Other())
    assert not same_bits(got, session.run(y, {x: value}))


def test_bytes_that_change_while_they_are_needed_are_told() -> None:
    x = gf.placeholder("float64", [4000], name="x")
    a = gf.exp(x, name="first")
    b = gf.cumulative_sum(a, name="second")
    c = gf.cumulative_sum(b, name="third")
    total = gf.sum(a * c) + gf.sum(b)
    session = gf.Session(optimize=False)
    feeds = {x: np.linspace(0, 1, 4000)}

    def overlapping(program: Any) -> Any:
        """`third` is given the bytes of `first`, which is needed after it."""
        slot = {i.place.name: i.outputs[0] for i in program.instructions}
        slots = list(program.slots)
        slots[slot["third"]] = slots[slot["third"]]._replace(offset=slots[slot["first"]].offset)
        return replace(program, slots=tuple(slots))

    assert checked(session, total, feeds, check="reference") == session.run(total, feeds)
    with pytest.raises(MismatchError, match=r"the value of 'first' changed before 'mul' reads it") as caught:
        checked(session, total, feeds, check="reference", change=overlapping)
    assert "'third' (cumulative_sum) has the same bytes" in str(caught.value)
    assert (caught.value.stage, caught.value.culprit) == ("memory", "third")

    def freed(program: Any) -> Any:
        """What the mask leaves, an array of the kernel's own, is freed while it is needed."""
        made = program.instructions
        number = next(n for n, i in enumerate(made) if i.place.name == "left")
        gone = made[number]._replace(frees=made[number].outputs)
        return replace(program, instructions=(*made[:number], gone, *made[number + 1 :]))

    left = gf.boolean_mask(x, x > 0.5, name="left")
    with pytest.raises(MismatchError, match="the value of 'left' was freed before its last use"):
        checked(session, gf.sum(left), feeds, check="reference", change=freed)


def test_a_variable_that_is_fetched_holds_what_the_commit_wrote() -> None:
    v = gf.Variable([[1.0, 2.0], [3.0, 4.0]], name="v")
    x = gf.placeholder("float32", [2, 2], name="x")
    old = v.read()[::-1]
    after = v.assign(gf.sort(x, axis=0) + old)
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    program = session.plan([after, v], {x: (2, 2)}).program
    assert program.swaps, "the variable is written by a copy at the end"
    first, second = session.run([after, v], {x: np.eye(2)}, check="reference")
    np.testing.assert_array_equal(first, [[3, 4], [2, 3]])
    np.testing.assert_array_equal(second, first)


def test_what_is_dead_is_poisoned() -> None:
    x = gf.placeholder("float64", [400], name="x")
    y = gf.cumulative_sum(gf.cumulative_sum(gf.exp(x))) * 2.0
    session = gf.Session(optimize=False)
    program = session.plan(gf.sum(y), {x: (400,)}).program
    dead = dead_bytes(program, roots(program))
    assert len(dead) == len(program.instructions)
    assert sum(last - first for at in dead for _, first, last in at) >= 3 * 3200
    backend = backend_for("cpu:0")
    check = ReferenceCheck(program, lambda device: backend, session._store)
    check.run([np.ones(400)])
    arena = check._arenas["cpu:0"]
    kept = {s for s in program.fetches if program.slots[s].offset >= 0}
    spans = [(program.slots[s].offset, program.slots[s].nbytes) for s in kept]
    free = np.ones(arena.size, bool)
    for first, n in spans:
        free[first : first + n] = False
    assert np.isin(arena[free], [255]).mean() > 0.99


def test_on_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, version=VERSIONS[-1])
    x = gf.placeholder("float32", ["n", 3], name="x")
    w = gf.Variable(np.ones((3, 2), np.float32), name="w")
    with gf.device("cpu"):
        summed = gf.cumulative_sum(x, axis=0)
    loss = gf.sum(gf.log(summed @ w, name="log"))
    (g,) = gf.gradients(loss, [w.read()])
    step = w.assign_sub(0.1 * g)
    value = np.arange(1, 7).reshape(2, 3).astype(np.float32)
    session = gf.Session(device="gpu")
    session.run(gf.global_variables_initializer())
    before = session.run(w)
    expected = session.run([loss, step], {x: value})
    for check in ("nan", "reference"):
        session.load(w, before)
        for a, b in zip(checked(session, [loss, step], {x: value}, check=check), expected, strict=True):
            assert same_bits(np.asarray(a), np.asarray(b))
    session.load(w, before)
    with pytest.raises(NumericsError, match=r"'log' \(log\) made NaN in 4 of 4 elements") as caught:
        checked(session, [loss, step], {x: -value})
    assert replay(caught.value).tobytes() == caught.value.output.tobytes()
    np.testing.assert_array_equal(session.run(w), before)
    session.close()
    del caught
    gc.collect()
    assert fake.used == 0


def test_bad_options() -> None:
    for check in ("nans", "", 3, True, ["nan"], b"nan"):
        with pytest.raises(gf.errors.ArgumentError, match="is not known; checks: 'nan': the first node"):
            as_check(check, "run")
    with pytest.raises(gf.errors.ArgumentError, match="profile=True do not go together"):
        as_check("nan", "run", profile=True)
    with pytest.raises(gf.errors.ArgumentError, match="memory_limit do not go together"):
        as_check("reference", "Session", memory_limit=10)
    assert as_check("nan", "run", memory_limit=10) == "nan"
    assert as_check(None, "run", profile=True) is None
    assert as_check(False, "run", profile=True) is None
    assert BOTH == ("nan", "inf")
