"""Cells of recurrent networks: TensorFlow 1's formulas, names and sharing of variables, wrappers, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GraphError, ShapeError
from graphflow.initializers import Zeros
from graphflow.rnn import rnn_cell
from graphflow.variable_scopes import variable_scope
from tests.ops.table import array
from tests.rnn.cases import CELLS, DEPTH, UNITS, leaves, session, values

X = array(2, DEPTH, seed=1)


def _state(cell: Any) -> Any:
    """A state of the cell's structure that is not zero."""
    zero = cell.zero_state(2, "float64")
    sizes = leaves(cell.state_size)
    return zero, [array(2, n, seed=10 + k, low=-0.5, high=0.5) for k, n in enumerate(sizes)]


@pytest.mark.parametrize("name", CELLS)
def test_one_step_is_tensorflows_formula(name: str) -> None:
    make, step = CELLS[name]
    cell = make()
    zero, start = _state(cell)
    output, new = cell(gf.constant(X), zero)
    run = session()
    found = run.run([output, *leaves(new)], dict(zip(leaves(zero), start, strict=True)))
    expected, after = step(values(run), X, start)
    for a, e in zip(found, [expected, *after], strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-14)
    assert [t.shape for t in leaves(new)] == [t.shape for t in leaves(zero)]
    assert output.shape == (2, cell.output_size)


def test_variables_have_tensorflows_names_and_starts() -> None:
    state = rnn_cell.GRUCell(UNITS).zero_state(1)
    rnn_cell.GRUCell(UNITS)(gf.ones((1, DEPTH)), state)
    lstm = rnn_cell.LSTMCell(UNITS, use_peepholes=True, num_proj=2, initializer=Zeros(), name="memory")
    lstm(gf.ones((1, DEPTH)), lstm.zero_state(1))
    shapes = {v.op.name: v.shape for v in gf.trainable_variables()}
    assert shapes == {
        "gru_cell/gates/kernel": (7, 8),
        "gru_cell/gates/bias": (8,),
        "gru_cell/candidate/kernel": (7, 4),
        "gru_cell/candidate/bias": (4,),
        "memory/kernel": (5, 16),
        "memory/bias": (16,),
        "memory/w_f_diag": (4,),
        "memory/w_i_diag": (4,),
        "memory/w_o_diag": (4,),
        "memory/projection/kernel": (4, 2),
    }
    run = gf.Session()
    run.run(gf.global_variables_initializer())
    start = dict(zip(shapes, run.run(gf.global_variables()), strict=True))
    np.testing.assert_array_equal(start["gru_cell/gates/bias"], 1)
    np.testing.assert_array_equal(start["gru_cell/candidate/bias"], 0)
    np.testing.assert_array_equal(start["memory/kernel"], 0)
    assert np.ptp(start["gru_cell/gates/kernel"]) > 0


def test_a_cell_makes_its_variables_once() -> None:
    cell = rnn_cell.BasicRNNCell(UNITS)
    state = cell.zero_state(2)
    for _ in range(3):
        _, state = cell(gf.ones((2, DEPTH)), state)
    with variable_scope("elsewhere"):
        cell(gf.ones((2, DEPTH)), state)
    assert [v.op.name for v in gf.global_variables()] == ["basic_rnn_cell/kernel", "basic_rnn_cell/bias"]
    assert repr(cell) == "<BasicRNNCell 'basic_rnn_cell'>"


def test_two_cells_of_one_name_share_only_when_asked() -> None:
    x, state = gf.ones((2, DEPTH)), gf.zeros((2, UNITS))
    first, _ = rnn_cell.BasicRNNCell(UNITS)(x, state)
    with pytest.raises(GraphError, match=r"'basic_rnn_cell/kernel' exists already"):
        rnn_cell.BasicRNNCell(UNITS)(x, state)
    second, _ = rnn_cell.BasicRNNCell(UNITS, reuse=True)(x, state)
    with variable_scope("other"):
        third, _ = rnn_cell.BasicRNNCell(UNITS)(x, state)
    run = session()
    a, b, c = run.run([first, second, third])
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_the_dtype_is_that_of_the_inputs_or_as_asked() -> None:
    cell = rnn_cell.GRUCell(UNITS, dtype="float64")
    output, _ = cell(gf.ones((2, DEPTH)), cell.zero_state(2, "float64"))
    assert output.dtype == np.float64
    other = rnn_cell.BasicRNNCell(UNITS)
    output, _ = other(gf.ones((2, DEPTH), dtype="int64"), other.zero_state(2))
    assert output.dtype == np.float32


# --- wrappers -------------------------------------------------------------------------------------


def test_dropout_spares_the_memory_and_keeps_the_mean() -> None:
    cell = rnn_cell.DropoutWrapper(
        rnn_cell.LSTMCell(400), input_keep_prob=0.5, output_keep_prob=0.5, state_keep_prob=0.25, seed=1
    )
    zero = cell.zero_state(1, "float64")
    output, state = cell(gf.constant(np.ones((1, DEPTH))), zero)
    run = session()
    h, (c, kept) = run.run([output, state])
    assert not np.any(c == 0)
    assert 0.4 < np.mean(h == 0) < 0.6
    assert 0.65 < np.mean(kept == 0) < 0.85
    np.testing.assert_array_equal(h[(h != 0) & (kept != 0)] / 2, kept[(h != 0) & (kept != 0)] / 4)


def test_a_chance_may_be_fed() -> None:
    keep = gf.placeholder("float32", ())
    inner = rnn_cell.GRUCell(UNITS)
    cell = rnn_cell.DropoutWrapper(inner, output_keep_prob=keep)
    state = inner.zero_state(2)
    x = gf.ones((2, DEPTH))
    dropped, _ = cell(x, state)
    plain, _ = inner(x, state)
    run = session()
    a, b = run.run([dropped, plain], {keep: 1.0})
    np.testing.assert_array_equal(a, b)
    assert np.any(run.run(dropped, {keep: 0.1}) == 0)


def test_a_residual_of_ones_own() -> None:
    cell = rnn_cell.ResidualWrapper(rnn_cell.GRUCell(UNITS), lambda x, y: y * 2.0)
    inner = cell._cell
    state = cell.zero_state(2)
    twice, _ = cell(gf.ones((2, DEPTH)), state)
    once, _ = inner(gf.ones((2, DEPTH)), state)
    a, b = session().run([twice, once])
    np.testing.assert_array_equal(a, b * 2)


def test_a_device_is_asked_for() -> None:
    cell = rnn_cell.DeviceWrapper(rnn_cell.GRUCell(UNITS), "gpu:1")
    output, _ = cell(gf.ones((2, DEPTH)), cell.zero_state(2))
    assert output.device == "gpu:1"
    assert {v.device for v in gf.global_variables()} == {"gpu:1"}


# --- bad input ------------------------------------------------------------------------------------


class Bare(rnn_cell.RNNCell):
    """A cell that defines nothing."""


X32 = np.ones((2, DEPTH), np.float32)
BAD: list[tuple[Any, type[Exception], str]] = [
    (lambda: rnn_cell.GRUCell(0), ArgumentError, "GRUCell: num_units must be from 1 to .*, got 0"),
    (lambda: rnn_cell.GRUCell(2.5), ArgumentError, "GRUCell: num_units must be an integer, not 2.5"),
    (lambda: rnn_cell.GRUCell(3, activation=3), ArgumentError, "GRUCell: activation must be a function"),
    (lambda: rnn_cell.GRUCell(3, name="a b"), gf.errors.NameError, "'a b' is not a name"),
    (lambda: rnn_cell.LSTMCell(3, proj_clip=1.0), ArgumentError, "LSTMCell: proj_clip needs num_proj"),
    (lambda: rnn_cell.LSTMCell(3, cell_clip=-1.0), ArgumentError, "LSTMCell: cell_clip must be positive"),
    (lambda: rnn_cell.LSTMCell(3, forget_bias="1"), ArgumentError, "LSTMCell: forget_bias .*'1'"),
    (lambda: rnn_cell.MultiRNNCell([]), ArgumentError, "MultiRNNCell: cells must be a list of cells"),
    (lambda: rnn_cell.MultiRNNCell([3]), ArgumentError, "MultiRNNCell: cell 0 must be a recurrent cell"),
    (lambda: rnn_cell.MultiRNNCell([rnn_cell.GRUCell(3)] * 2), ArgumentError, "cell 1 is in the list twice"),
    (
        lambda: rnn_cell.MultiRNNCell([rnn_cell.LSTMCell(3)], state_is_tuple=False),
        ArgumentError,
        "state_is_tuple=False needs cells whose states are one tensor",
    ),
    (lambda: rnn_cell.ResidualWrapper(rnn_cell.GRUCell), ArgumentError, "ResidualWrapper: cell must be"),
    (
        lambda: rnn_cell.ResidualWrapper(rnn_cell.GRUCell(9))(X32, np.zeros((2, 9), np.float32)),
        ShapeError,
        r"ResidualWrapper: inputs float32\[2, 3\] cannot be added to outputs float32\[2, 9\]",
    ),
    (
        lambda: rnn_cell.DropoutWrapper(rnn_cell.GRUCell(3), input_keep_prob=0.0),
        ArgumentError,
        r"DropoutWrapper: input_keep_prob must be in \(0, 1\], got 0.0",
    ),
    (
        lambda: rnn_cell.DropoutWrapper(rnn_cell.GRUCell(3), 0.5, variational_recurrent=True, dtype="float32"),
        ArgumentError,
        "variational_recurrent needs input_size",
    ),
    (
        lambda: rnn_cell.DropoutWrapper(rnn_cell.GRUCell(3), variational_recurrent=True),
        ArgumentError,
        "variational_recurrent needs the dtype",
    ),
    (lambda: rnn_cell.DeviceWrapper(rnn_cell.GRUCell(3), "?"), ArgumentError, "'?' is not a device name"),
    (lambda: rnn_cell.GRUCell(3)(X32[0], X32), ShapeError, r"gru_cell: inputs must have the axes \[batch, depth\]"),
    (lambda: rnn_cell.GRUCell(3)(X32 * 1j, X32), DTypeError, "gru_cell: inputs must be real numbers"),
    (lambda: rnn_cell.GRUCell(3)((X32, X32), X32), ArgumentError, "gru_cell: inputs must be one tensor"),
    (lambda: rnn_cell.LSTMCell(3)(X32, X32), ArgumentError, r"lstm_cell: the state must be LSTMStateTuple\(c, h\)"),
    (lambda: Bare().state_size, ArgumentError, "Bare: a cell must define state_size"),
    (lambda: Bare().output_size, ArgumentError, "Bare: a cell must define output_size"),
    (lambda: Bare()(X32, X32), ArgumentError, r"Bare: a cell must define call\(inputs, state\)"),
    (lambda: rnn_cell.LSTMStateTuple(gf.ones(1), gf.ones(1, dtype="float64")).dtype, DTypeError, "LSTMStateTuple: c is"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "error", "message"), BAD, ids=[b[2][:50] for b in BAD])
def test_bad_input_is_refused(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message.replace("'?'", r"'\?'")):
        build()


def test_inputs_of_another_depth_are_refused() -> None:
    cell = rnn_cell.GRUCell(UNITS)
    state = cell.zero_state(2)
    cell(gf.ones((2, DEPTH)), state)
    with pytest.raises(
        ShapeError, match=r"gru_cell: its weights are for inputs of depth 3, got .*float32\[2, 5\]"
    ):
        cell(gf.ones((2, 5)), state)
