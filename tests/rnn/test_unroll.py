"""Cells over sequences: against one step after another, lengths, both directions, user's own cells, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphError, ShapeError
from graphflow.rnn import rnn_cell
from graphflow.rnn.bidirectional import (
    bidirectional_dynamic_rnn,
    stack_bidirectional_dynamic_rnn,
    static_bidirectional_rnn,
)
from graphflow.rnn.unroll import dynamic_rnn, static_rnn
from graphflow.variable_scopes import get_variable, variable_scope
from tests.ops.table import array
from tests.rnn.cases import CELLS, DEPTH, UNITS, leaves, session, values

B, T = 3, 4
X = array(B, T, DEPTH, seed=1)
LENGTHS = np.array([4, 0, 2])


def run_steps(step: Any, v: Any, x: Any, start: Any, lengths: Any = None, reverse: bool = False) -> Any:
    """Outputs and last state, each sequence for itself."""
    batch, time = x.shape[:2]
    outputs: Any = None
    last = [np.array(s) for s in start]
    for k in range(batch):
        state = [s[k : k + 1] for s in last]
        steps = range(time if lengths is None else lengths[k])
        for t in reversed(steps) if reverse else steps:
            h, state = step(v, x[k : k + 1, t], state)
            outputs = np.zeros((batch, time, h.shape[1])) if outputs is None else outputs
            outputs[k, t] = h
        for s, value in zip(last, state, strict=True):
            s[k] = value
    return outputs, last


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_a_loop_is_one_step_after_another(name: str, masked: bool) -> None:
    make, step = CELLS[name]
    cell = make()
    lengths = LENGTHS if masked else None
    x = gf.placeholder("float64", (None, None, DEPTH))
    zero = cell.zero_state(B, "float64")
    start = [array(B, n, seed=10 + k, low=-0.5, high=0.5) for k, n in enumerate(leaves(cell.state_size))]
    outputs, state = dynamic_rnn(cell, x, lengths, initial_state=zero)
    rows = [x[:, t] for t in range(T)]
    with variable_scope("again"):
        unrolled, end = static_rnn(cell, rows, initial_state=zero, sequence_length=lengths)
    assert type(state) is type(zero)
    run = session()
    feeds = {x: X, **dict(zip(leaves(zero), start, strict=True))}
    found = run.run([outputs, *leaves(state)], feeds)
    listed = run.run([gf.stack(unrolled, 1), *leaves(end)], feeds)
    expected, last = run_steps(step, values(run), X, start, lengths)
    for a, b, e in zip(found, listed, [expected, *last], strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(b, e, rtol=1e-12, atol=1e-14)


def test_gradients_of_loop_and_list_agree() -> None:
    cell = rnn_cell.MultiRNNCell([rnn_cell.LSTMCell(UNITS, True, num_proj=2), rnn_cell.GRUCell(UNITS)])
    x = gf.constant(X)
    outputs, _ = dynamic_rnn(cell, x, LENGTHS)
    listed, _ = static_rnn(cell, [x[:, t] for t in range(T)], sequence_length=LENGTHS)
    weights = gf.trainable_variables()
    of_loop = gf.gradients(gf.sum(gf.square(outputs)), [x, *weights])
    of_list = gf.gradients(gf.sum(gf.square(gf.stack(listed, 1))), [x, *weights])
    run = session()
    for a, b in zip(*run.run([of_loop, of_list]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_time_may_come_first() -> None:
    cell = rnn_cell.GRUCell(UNITS)
    outputs, state = dynamic_rnn(cell, gf.constant(X), LENGTHS)
    swapped, end = dynamic_rnn(cell, gf.constant(X.transpose(1, 0, 2)), LENGTHS, time_major=True)
    a, s, b, e = session().run([outputs, state, swapped, end])
    np.testing.assert_array_equal(a, b.transpose(1, 0, 2))
    np.testing.assert_array_equal(s, e)


def test_no_steps_give_the_state_back() -> None:
    cell = rnn_cell.LSTMCell(UNITS)
    x = gf.placeholder("float32", (None, None, DEPTH))
    outputs, state = dynamic_rnn(cell, x)
    run = session()
    found = run.run([outputs, *state], {x: np.zeros((2, 0, DEPTH))})
    assert found[0].shape == (2, 0, UNITS)
    np.testing.assert_array_equal(found[1], np.zeros((2, UNITS)))


def test_what_stands_past_the_end_is_not_looked_at() -> None:
    x = gf.placeholder("float64", X.shape)
    outputs, state = dynamic_rnn(rnn_cell.LSTMCell(UNITS), x, LENGTHS)
    grads = gf.gradients(gf.sum(outputs) + gf.sum(state.c), [x, *gf.trainable_variables()])
    value = X.copy()
    value[2, 2:] = np.nan
    assert all(np.isfinite(a).all() for a in session().run([outputs, *state, *grads], {x: value}))


def test_variables_stand_below_the_scope() -> None:
    dynamic_rnn(rnn_cell.BasicRNNCell(UNITS), gf.constant(X))
    dynamic_rnn(rnn_cell.BasicRNNCell(UNITS), gf.constant(X), scope="mine")
    with variable_scope("model"):
        dynamic_rnn(rnn_cell.MultiRNNCell([rnn_cell.BasicRNNCell(UNITS)]), gf.constant(X))
    assert [v.op.name for v in gf.global_variables()[::2]] == [
        "rnn/basic_rnn_cell/kernel",
        "mine/basic_rnn_cell/kernel",
        "model/rnn/multi_rnn_cell/cell_0/basic_rnn_cell/kernel",
    ]
    with pytest.raises(GraphError, match="exists already"):
        dynamic_rnn(rnn_cell.BasicRNNCell(UNITS), gf.constant(X))
    with variable_scope("rnn", reuse=True) as again:
        pass
    outputs, _ = dynamic_rnn(rnn_cell.BasicRNNCell(UNITS), gf.constant(X), scope=again)
    assert len(gf.global_variables()) == 6
    assert outputs.shape == (B, T, UNITS)


def test_the_inputs_product_is_made_once_for_all_steps() -> None:
    dynamic_rnn(rnn_cell.LSTMCell(UNITS), gf.constant(X))
    outside = [n.type for n in gf.get_default_graph().operations]
    assert outside.count("matmul") == 1
    (loop,) = [n for n in gf.get_default_graph().operations if n.type == "scan"]
    inside = [n.type for n in loop.attrs["bodies"][0].nodes]
    assert inside.count("matmul") == 1
    assert len(inside) < 16


# --- dropout in loops -----------------------------------------------------------------------------


def test_draws_differ_from_step_to_step_unless_variational() -> None:
    ones = np.ones((1, 6, 50), np.float32)
    for variational in (False, True):
        inner = rnn_cell.BasicRNNCell(50, activation=lambda t: t * 0 + 1.0)
        options: dict[str, Any] = (
            {"variational_recurrent": True, "input_size": 50, "dtype": "float32"} if variational else {}
        )
        cell = rnn_cell.DropoutWrapper(inner, output_keep_prob=0.5, seed=1, **options)
        outputs, _ = dynamic_rnn(cell, gf.constant(ones), scope=f"rnn_{variational}")
        run = session()
        first, second = run.run(outputs)[0], run.run(outputs)[0]
        same = all(np.array_equal(first[0], row) for row in first)
        assert same is variational
        assert not np.array_equal(first, second)
        assert 0.3 < np.mean(first == 0) < 0.7


def test_a_gradient_drops_what_the_loop_dropped() -> None:
    """With outputs h = x @ w dropped, the gradient with respect to x is 0 exactly where the output is."""
    inner = rnn_cell.BasicRNNCell(8, activation=lambda t: t)
    cell = rnn_cell.DropoutWrapper(inner, output_keep_prob=0.5)
    x = gf.placeholder("float64", (1, 5, 8))
    outputs, _ = dynamic_rnn(cell, x)
    (g,) = gf.gradients(gf.sum(outputs), x)
    run = session()
    for v in gf.global_variables():
        value = np.concatenate([np.eye(8), np.zeros((8, 8))]) if v.shape == (16, 8) else np.zeros(v.shape)
        v.load(value.astype(v.dtype), run)
    y, slope = run.run([outputs, g], {x: np.ones((1, 5, 8))})
    np.testing.assert_array_equal(slope, y)
    assert 0 < np.mean(y == 0) < 1


# --- both directions ------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
def test_both_directions(masked: bool) -> None:
    lengths = LENGTHS if masked else None
    fw, bw = rnn_cell.GRUCell(UNITS), rnn_cell.GRUCell(2)
    (a, b), (s, e) = bidirectional_dynamic_rnn(fw, bw, gf.constant(X), lengths)
    rows = [gf.constant(X[:, t]) for t in range(T)]
    listed, s2, e2 = static_bidirectional_rnn(fw, bw, rows, sequence_length=lengths, scope="list")
    names = [v.op.name for v in gf.global_variables()]
    assert names[0] == "bidirectional_rnn/fw/gru_cell/gates/kernel"
    assert names[4] == "bidirectional_rnn/bw/gru_cell/gates/kernel"
    run = session()
    found = run.run([a, s, b, e])
    other = run.run([gf.stack(listed, 1), s2, e2])
    every = dict(zip(names, run.run(gf.global_variables()), strict=True))
    step = CELLS["gru"][1]
    for k, (direction, units) in enumerate((("fw", UNITS), ("bw", 2))):
        prefix = f"bidirectional_rnn/{direction}/gru_cell/"
        v = {name.removeprefix(prefix): value for name, value in every.items() if name.startswith(prefix)}
        expected, last = run_steps(step, v, X, [np.zeros((B, units))], lengths, reverse=bool(k))
        np.testing.assert_allclose(found[2 * k], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(found[2 * k + 1], last[0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(
            other[0][..., k * UNITS : k * UNITS + units], expected, rtol=1e-12, atol=1e-14
        )
        np.testing.assert_allclose(other[1 + k], last[0], rtol=1e-12, atol=1e-14)


def test_layers_of_both_directions() -> None:
    def cells() -> list[Any]:
        return [rnn_cell.LSTMCell(UNITS), rnn_cell.LSTMCell(2)]

    forward, backward = cells(), cells()
    outputs, states_fw, states_bw = stack_bidirectional_dynamic_rnn(
        forward, backward, gf.constant(X), sequence_length=LENGTHS
    )
    assert outputs.shape == (B, T, 4)
    assert gf.global_variables()[0].op.name == "stack_bidirectional_rnn/cell_0/fw/lstm_cell/kernel"
    first, (s, _) = bidirectional_dynamic_rnn(forward[0], backward[0], gf.constant(X), LENGTHS)
    second, (_, e) = bidirectional_dynamic_rnn(forward[1], backward[1], gf.concat(first, 2), LENGTHS)
    found = session().run([outputs, states_fw[0].c, states_bw[1].h, gf.concat(second, 2), s.c, e.h])
    for a, b in zip(found[:3], found[3:], strict=True):
        np.testing.assert_array_equal(a, b)


# --- cells of the user's own ----------------------------------------------------------------------


class Counting(rnn_cell.RNNCell):
    """Makes its weight as it goes, by TensorFlow 1's habit; its output is a nest."""

    state_size = (2, UNITS)
    output_size = (UNITS, 2)

    def call(self, inputs: Any, state: Any) -> Any:
        w = get_variable("w", [DEPTH + UNITS, UNITS], "float64")
        count, h = state
        h = gf.tanh(gf.matmul(gf.concat([inputs, h], 1), w))
        return (h, count), (count + 1.0, h)


class Old:
    """No RNNCell at all."""

    state_size = UNITS
    output_size = UNITS

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        with variable_scope(scope or "old"):
            w = get_variable("w", [DEPTH + UNITS, UNITS], "float64")
        h = gf.tanh(gf.matmul(gf.concat([inputs, state], 1), w))
        return h, h


@pytest.mark.parametrize("make", [Counting, Old])
def test_a_cell_of_ones_own(make: Any) -> None:
    cell = make()
    outputs, _ = dynamic_rnn(cell, gf.constant(X), LENGTHS)
    rows = [gf.constant(X[:, t]) for t in range(T)]
    with variable_scope("rnn", reuse=True) as scope:
        pass
    listed, _ = static_rnn(cell, rows, sequence_length=LENGTHS, dtype="float64", scope=scope)
    h = outputs[0] if make is Counting else outputs
    last = [t[0] for t in listed] if make is Counting else listed
    assert [v.op.name for v in gf.global_variables()] == [
        f"rnn/{'rnn_cell' if make is Counting else 'old'}/w"
    ]
    run = session()
    (w,) = run.run(gf.global_variables())
    expected, _ = run_steps(_tanh_step, w, X, [np.zeros((B, UNITS))], LENGTHS)
    np.testing.assert_allclose(run.run(h), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run.run(gf.stack(last, 1)), expected, rtol=1e-12, atol=1e-14)
    if make is Counting:
        counts = run.run(outputs[1])[:, :, 0]
        np.testing.assert_array_equal(counts, [[0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 0, 0]])


def _tanh_step(w: Any, x: Any, state: Any) -> Any:
    h = np.tanh(np.concatenate([x, state[0]], 1) @ w)
    return h, [h]


def test_inputs_may_be_a_nest() -> None:
    class Sum(rnn_cell.RNNCell):
        state_size = 2
        output_size = 2

        def call(self, inputs: Any, state: Any) -> Any:
            new = state + inputs["a"] * inputs["b"]
            return new, new

    a, b = array(2, 3, 2, seed=1), array(2, 3, 2, seed=2)
    outputs, _ = dynamic_rnn(Sum(), {"a": gf.constant(a), "b": gf.constant(b)})
    np.testing.assert_allclose(gf.Session().run(outputs), np.cumsum(a * b, axis=1), rtol=1e-14)


# --- bad input ------------------------------------------------------------------------------------


def _cell() -> Any:
    return rnn_cell.LSTMCell(UNITS)


def _x() -> Any:
    return gf.constant(X)


def _same_cell() -> Any:
    cell = _cell()
    return bidirectional_dynamic_rnn(cell, cell, _x())


ZEROS = np.zeros((B, UNITS))
BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: dynamic_rnn(3, _x()), ArgumentError, "dynamic_rnn: cell must be a recurrent cell .* not 3"),
    (lambda: dynamic_rnn(rnn_cell.GRUCell, _x()), ArgumentError, "dynamic_rnn: cell must be a recurrent cell"),
    (lambda: dynamic_rnn(_cell(), _x()[0]), ShapeError, r"dynamic_rnn: inputs must have the axes \[batch, time, depth\]"),
    (lambda: dynamic_rnn(_cell(), gf.placeholder("float32")), ShapeError, "dynamic_rnn: inputs must have the axes"),
    (lambda: dynamic_rnn(_cell(), gf.placeholder("float32", (2, 3, None))), ShapeError, "the depth known"),
    (lambda: dynamic_rnn(_cell(), []), ArgumentError, "dynamic_rnn: inputs must hold a tensor"),
    (lambda: dynamic_rnn(_cell(), _x() * 1j), DTypeError, "dynamic_rnn: inputs must be real numbers"),
    (lambda: dynamic_rnn(_cell(), _x(), [1, 2]), ShapeError, "dynamic_rnn: axis 0 of sequence_length"),
    (lambda: dynamic_rnn(_cell(), _x(), initial_state=ZEROS), ArgumentError, "where a LSTMStateTuple of 2 is needed"),
    (lambda: dynamic_rnn(_cell(), _x(), initial_state=(ZEROS, ZEROS[:2])), ShapeError, "for a batch of 3"),
    (lambda: dynamic_rnn(_cell(), _x(), initial_state=(ZEROS, ZEROS[:, :2])), ShapeError, r"must be \[batch, 4\]"),
    (lambda: dynamic_rnn(_cell(), _x(), initial_state=(ZEROS, ZEROS.astype(int))), DTypeError, "real floating numbers"),
    (lambda: dynamic_rnn(_cell(), _x(), time_major=2), ArgumentError, "dynamic_rnn: time_major"),
    (lambda: static_rnn(_cell(), []), ArgumentError, "static_rnn: inputs must list at least one step"),
    (lambda: static_rnn(_cell(), [X[:, 0], X[:, 0, :2]]), ShapeError, r"inputs\[1\] has the depth 2, but inputs\[0\] has 3"),
    (lambda: static_rnn(_cell(), [X[:, 0], X[:2, 0]]), ShapeError, "inputs must have one batch size"),
    (_same_cell, ArgumentError, "cell_fw and cell_bw must be two cells, not one"),
    (lambda: stack_bidirectional_dynamic_rnn([], [], _x()), ArgumentError, "cells_fw must be a list of some items"),
    (lambda: stack_bidirectional_dynamic_rnn([_cell()], [], _x()), ArgumentError, "cells_bw must be a list of 1 items"),
    (lambda: stack_bidirectional_dynamic_rnn([_cell()], [3], _x()), ArgumentError, "layer 0: cell_bw must be a recurrent"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "error", "message"), BAD, ids=[b[2][:50] for b in BAD])
def test_bad_input_is_refused_before_a_variable_is_made(
    build: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build()
    assert gf.global_variables() == []


def test_inputs_of_another_graph_are_refused() -> None:
    with gf.Graph().as_default():
        x = _x()
    for call in (lambda: dynamic_rnn(_cell(), x), lambda: static_rnn(_cell(), [x[:, 0]])):
        with pytest.raises(GraphError, match="belongs to another graph"):
            call()
    assert gf.global_variables() == []


def test_no_variable_can_be_made_inside_another_loop() -> None:
    cell = rnn_cell.GRUCell(DEPTH)

    def body(x: Any) -> Any:
        return dynamic_rnn(cell, x)[0]

    with pytest.raises(GraphError, match="make it outside"):
        gf.while_loop(lambda x: True, body, [_x()])
    dynamic_rnn(cell, _x(), scope="first")
    outputs = gf.while_loop(lambda x: gf.sum(x) < -1e9, body, [_x()])
    np.testing.assert_array_equal(session().run(outputs[0]), X)
