"""Cells to run, and TensorFlow 1's formulas for one step of each, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphflow as gf
from graphflow.ops.nest import flatten
from graphflow.rnn import rnn_cell

__all__ = ["CELLS", "DEPTH", "UNITS", "leaves", "session", "values"]

DEPTH, UNITS = 3, 4


def _sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def _basic(v: dict[str, Any], x: Any, state: Any) -> Any:
    h = np.tanh(np.concatenate([x, state[0]], 1) @ v["kernel"] + v["bias"])
    return h, [h]


def _gru(v: dict[str, Any], x: Any, state: Any) -> Any:
    (h,) = state
    gates = _sigmoid(np.concatenate([x, h], 1) @ v["gates/kernel"] + v["gates/bias"])
    r, u = np.split(gates, 2, axis=1)
    c = np.tanh(np.concatenate([x, r * h], 1) @ v["candidate/kernel"] + v["candidate/bias"])
    h = u * h + (1 - u) * c
    return h, [h]


def _lstm(v: dict[str, Any], x: Any, state: Any, forget_bias: float = 1.0) -> Any:
    c, h = state
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ v["kernel"] + v["bias"], 4, axis=1)
    c = _sigmoid(f + forget_bias) * c + _sigmoid(i) * np.tanh(j)
    h = _sigmoid(o) * np.tanh(c)
    return h, [c, h]


def _full_lstm(v: dict[str, Any], x: Any, state: Any) -> Any:
    """With peepholes, both clips and a projection."""
    c, h = state
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ v["kernel"] + v["bias"], 4, axis=1)
    old = c
    c = _sigmoid(f + 0.5 + v["w_f_diag"] * old) * old + _sigmoid(i + v["w_i_diag"] * old) * np.tanh(j)
    c = np.clip(c, -0.3, 0.3)
    m = (_sigmoid(o + v["w_o_diag"] * c) * np.tanh(c)) @ v["projection/kernel"]
    m = np.clip(m, -0.1, 0.1)
    return m, [c, m]


def _two(v: dict[str, Any], x: Any, state: Any) -> Any:
    lower = {k.partition("lstm_cell/")[2]: a for k, a in v.items() if k.startswith("cell_0")}
    upper = {k.partition("gru_cell/")[2]: a for k, a in v.items() if k.startswith("cell_1")}
    h, first = _lstm(lower, x, state[:2])
    output, second = _gru(upper, h, state[2:])
    return output, [*first, *second]


def _residual(v: dict[str, Any], x: Any, state: Any) -> Any:
    h, new = _gru(v, x, state)
    return x + h, new


def _packed(v: dict[str, Any], x: Any, state: Any) -> Any:
    h, (c, _) = _lstm(v, x, np.split(state[0], 2, axis=1), 0.0)
    return h, [np.concatenate([c, h], 1)]


CELLS: dict[str, tuple[Any, Any]] = {
    "basic": (lambda: rnn_cell.BasicRNNCell(UNITS), _basic),
    "gru": (lambda: rnn_cell.GRUCell(UNITS), _gru),
    "basic_lstm": (lambda: rnn_cell.BasicLSTMCell(UNITS), _lstm),
    "lstm": (lambda: rnn_cell.LSTMCell(UNITS), _lstm),
    "full_lstm": (
        lambda: rnn_cell.LSTMCell(UNITS, True, 0.3, num_proj=2, proj_clip=0.1, forget_bias=0.5),
        _full_lstm,
    ),
    "packed_lstm": (lambda: rnn_cell.BasicLSTMCell(UNITS, forget_bias=0.0, state_is_tuple=False), _packed),
    "two_layers": (
        lambda: rnn_cell.MultiRNNCell([rnn_cell.LSTMCell(UNITS), rnn_cell.GRUCell(2)]),
        _two,
    ),
    "residual": (lambda: rnn_cell.ResidualWrapper(rnn_cell.GRUCell(DEPTH)), _residual),
    "device": (lambda: rnn_cell.DeviceWrapper(rnn_cell.GRUCell(UNITS), "cpu:0"), _gru),
}
"""Name -> (makes the cell, its step: (values of variables, inputs, leaves of the state) -> (output, new leaves))."""


def leaves(nest: Any) -> list[Any]:
    """The leaves of a nest."""
    return flatten(nest, "a nest")[0]


def session() -> gf.Session:
    """A session with all variables drawn anew, none of them at the value that hides a mistake."""
    made = gf.Session()
    rng = np.random.default_rng(7)
    made.run(gf.global_variables_initializer())
    for v in gf.global_variables():
        v.load(rng.uniform(-1, 1, v.shape).astype(v.dtype), made)
    return made


def values(run: gf.Session) -> dict[str, Any]:
    """The values of the variables, by their names below the cell's own scope."""
    found = {}
    for v in gf.global_variables():
        name = v.op.name
        for prefix in ("rnn/", "multi_rnn_cell/"):
            name = name.removeprefix(prefix)
        scope, _, rest = name.partition("/")
        found[name if scope.startswith("cell_") else rest] = run.run(v)
    return found
