"""Recurrent layers as functions of their weights: `rnn`, `gru`, `lstm`. All are compositions on a scan.

The inputs of all steps are multiplied by `w` in one product before the loop; a step is one product by `u` and a few
elementwise functions. 16-bit floats are computed in float32, state included, and the results rounded once.

Where `sequence_length` is given, what stands past the end of a sequence is never used, not even NaN: outputs there are
0, and the state is that of the sequence's last step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import flag
from graphflow.ops.carry_scan import carry_scan
from graphflow.ops.constant import operands
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, DimLike, dims_equal, is_integer

__all__ = ["LSTMStateTuple", "gru", "lengths", "lstm", "rnn", "sequence_steps"]

FLOAT32 = SUPPORTED["float32"]


class LSTMStateTuple(NamedTuple):
    """The state of an LSTM: `c`, its memory, and `h`, its output; both [batch, units]."""

    c: Any
    h: Any

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type that both have. Raises DTypeError where they differ."""
        if self.c.dtype != self.h.dtype:
            raise DTypeError(f"LSTMStateTuple: c is {self.c.dtype}, h is {self.h.dtype}")
        dtype: np.dtype[Any] = self.c.dtype
        return dtype


# --- arguments ------------------------------------------------------------------------------------


def ranked(what: str, argument: str, t: Tensor, axes: str) -> Tensor:
    """`t`, which must have the axes that `axes` names, as "[batch, units]". Raises ShapeError."""
    if t.type.shape is None or len(t.type.shape) != axes.count(",") + 1:
        raise ShapeError(f"{what}: {argument} must have the axes {axes}, got {t!r}")
    return t


def fits(what: str, argument: str, t: Tensor, axis: int, size: DimLike, meaning: str) -> None:
    """Raise ShapeError where an axis surely has another size."""
    if dims_equal(t.type.dims[axis], size) is False:
        raise ShapeError(f"{what}: axis {axis} of {argument}, {t.type}, must be {meaning}, {size}")


def lengths(what: str, sequence_length: Any, batch: DimLike) -> Tensor:
    """Lengths as integers[batch]. Raises DTypeError or ShapeError."""
    t = operand(what, sequence_length)
    if not is_integer(t.type.dtype):
        raise DTypeError(f"{what}: sequence_length must be integers, got {t!r}")
    ranked(what, "sequence_length", t, "[batch]")
    fits(what, "sequence_length", t, 0, batch, "the size of the batch")
    return F.cast(t, SUPPORTED["int64"])  # type: ignore[no-any-return]


def sequence_steps(x: Tensor, sequence_length: Tensor) -> Tensor:
    """bool[time, batch]: which steps of `x: [time, batch, ...]` are within their sequence."""
    steps = F.arange(F.shape(x)[0])
    return F.less(F.expand_dims(steps, 1), F.expand_dims(sequence_length, 0))  # type: ignore[no-any-return]


class _Layer(NamedTuple):
    """The checked arguments of one call, in the dtype of the computation."""

    projected: Tensor  # [time, batch, gates * units]
    u: Tensor
    state: tuple[Tensor, ...]  # each [batch, units]
    biases: tuple[Tensor, ...]
    mask: Tensor | None  # bool[time, batch, 1]
    dtype: np.dtype[Any]  # of the results
    time_major: bool
    reverse: bool


def _layer(
    what: str,
    gates: int,
    x: Any,
    w: Any,
    u: Any,
    biases: dict[str, Any],
    initial_state: Any,
    n_state: int,
    sequence_length: Any,
    reverse: Any,
    time_major: Any,
) -> _Layer:
    time_major, reverse = flag(time_major, what, "time_major"), flag(reverse, what, "reverse")
    state = _states(what, initial_state, n_state)
    given = {"x": x, "w": w, "u": u, **{k: v for k, v in biases.items() if v is not None}}
    given |= {} if state is None else {f"initial_state[{k}]": s for k, s in enumerate(state)}
    checked = [reals(what, v) for v in given.values()]
    tensors = dict(zip(given, operands(*checked), strict=True))
    dtype = tensors["x"].type.dtype
    layout = "[time, batch, inputs]" if time_major else "[batch, time, inputs]"
    inputs = ranked(what, "x", tensors["x"], layout)
    kernel, recurrent = ranked(what, "w", tensors["w"], "[inputs, units]"), tensors["u"]
    ranked(what, "u", recurrent, "[units, units]")
    units = recurrent.type.dims[0]
    width = units * gates
    meaning = "the number of units" if gates == 1 else f"{gates} times the number of units"
    batch = inputs.type.dims[1 if time_major else 0]
    fits(what, "w", kernel, 0, inputs.type.dims[2], "the size of the inputs")
    fits(what, "w", kernel, 1, width, meaning)
    fits(what, "u", recurrent, 1, width, meaning)
    for name in biases:
        if name in tensors:
            fits(what, name, ranked(what, name, tensors[name], "[units]"), 0, width, meaning)
    for k in range(n_state if state is not None else 0):
        part = ranked(what, f"initial_state[{k}]", tensors[f"initial_state[{k}]"], "[batch, units]")
        fits(what, f"initial_state[{k}]", part, 0, batch, "the size of the batch")
        fits(what, f"initial_state[{k}]", part, 1, units, "the number of units")
    ends = None if sequence_length is None else lengths(what, sequence_length, batch)
    if dtype.itemsize == 2:
        tensors = {name: F.cast(t, FLOAT32) for name, t in tensors.items()}
    moved = tensors["x"] if time_major else F.transpose(tensors["x"], (1, 0, 2))
    mask = None
    if ends is not None:
        mask = F.expand_dims(sequence_steps(moved, ends), 2)
        moved = F.where(mask, moved, 0)
    projected = F.matmul(moved, tensors["w"])
    if "b" in tensors:
        projected = projected + tensors["b"]
    if state is not None:
        start = tuple([tensors[f"initial_state[{k}]"] for k in range(n_state)])
    else:
        start = (F.zeros([batch, units], dtype=projected.type.dtype),) * n_state
    others = tuple([tensors[name] for name in biases if name != "b" and name in tensors])
    return _Layer(projected, tensors["u"], start, others, mask, dtype, time_major, reverse)


Cell = Callable[[list[Tensor], Tensor], Sequence[Tensor]]
"""(state, the step's projected inputs) -> new state, the last of which is the output."""


def _run(what: str, layer: _Layer, cell: Cell) -> tuple[Tensor, list[Tensor]]:
    """Outputs in the caller's layout, and the last state."""

    def step(state: list[Tensor], items: list[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        new = cell(state, items[0])
        if layer.mask is not None:
            new = [F.where(items[1], a, b) for a, b in zip(new, state, strict=True)]
        return new, [new[-1]]

    elems = [layer.projected] if layer.mask is None else [layer.projected, layer.mask]
    last, (outputs,) = carry_scan(what, step, layer.state, elems, reverse=layer.reverse)
    if layer.mask is not None:
        outputs = F.where(layer.mask, outputs, 0)
    if not layer.time_major:
        outputs = F.transpose(outputs, (1, 0, 2))
    return F.cast(outputs, layer.dtype), [F.cast(t, layer.dtype) for t in last]


# --- layers ---------------------------------------------------------------------------------------


@public
def rnn(
    x: Any,
    w: Any,
    u: Any,
    b: Any = None,
    initial_state: Any = None,
    sequence_length: Any = None,
    reverse: bool = False,
    time_major: bool = False,
    activation: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """A simple recurrent layer: `h = activation(x_t @ w + h @ u + b)`. A composition.

    x: [batch, time, inputs], or [time, batch, inputs] if `time_major`. w: [inputs, units]. u: [units, units].
    b: [units] or None. initial_state: [batch, units], zeros by default.
    sequence_length: integers[batch]: see the top of the file; lengths outside [0, time] count as the nearer end.
    reverse: go from the last step to the first; outputs stay at the places of their inputs, and the last state is
        that after the first step. activation: a function of a tensor, `gf.tanh` by default.
    Returns (outputs, last state): [batch, time, units] (or time first) and [batch, units].
    Raises ShapeError where sizes do not fit, DTypeError for complex numbers. Source: Elman 1990.
    """
    function = F.tanh if activation is None else activation
    if not callable(function):
        raise ArgumentError(f"rnn: activation must be a function, not {shorten(activation)}")
    with name_scope("rnn" if name is None else name):
        layer = _layer("rnn", 1, x, w, u, {"b": b}, initial_state, 1, sequence_length, reverse, time_major)
        outputs, (h,) = _run("rnn", layer, lambda state, p: [function(F.matmul(state[0], layer.u) + p)])
        return outputs, h


@public
def gru(
    x: Any,
    w: Any,
    u: Any,
    b: Any = None,
    initial_state: Any = None,
    sequence_length: Any = None,
    reverse: bool = False,
    time_major: bool = False,
    reset_after: bool = True,
    recurrent_bias: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """A layer of gated recurrent units. A composition.

    The columns of w: [inputs, 3 units], u: [units, 3 units] and b: [3 units] belong to the gates r, z, n, in
    PyTorch's order; with p = x_t @ w + b and a = h @ u + recurrent_bias:
        r = sigmoid(p_r + a_r)    z = sigmoid(p_z + a_z)    n = tanh(p_n + r * a_n)    h = z * h + (1 - z) * n
    reset_after: False resets the state before the product, as `gf.nn.rnn_cell.GRUCell` does: a_n = (r * h) @ u_n.
    recurrent_bias: [3 units] or None; it differs from `b` only for n, and only with `reset_after`.
    Other arguments, result and errors as for `rnn`; ArgumentError for a recurrent_bias without `reset_after`.
    Source: Cho et al. 2014; `reset_after` is cuDNN's variant.
    """
    after = flag(reset_after, "gru", "reset_after")
    if recurrent_bias is not None and not after:
        raise ArgumentError("gru: recurrent_bias needs reset_after=True; add it to b instead")
    biases = {"b": b, "recurrent_bias": recurrent_bias}
    with name_scope("gru" if name is None else name):
        layer = _layer("gru", 3, x, w, u, biases, initial_state, 1, sequence_length, reverse, time_major)
        outputs, (h,) = _run("gru", layer, _gru_after(layer) if after else _gru_before(layer))
        return outputs, h


def _gru_after(layer: _Layer) -> Cell:
    def cell(state: list[Tensor], projected: Tensor) -> Sequence[Tensor]:
        (h,) = state
        product = F.matmul(h, layer.u)
        if layer.biases:
            product = product + layer.biases[0]
        p_r, p_z, p_n = F.split(projected, 3, axis=-1)
        a_r, a_z, a_n = F.split(product, 3, axis=-1)
        n = F.tanh(p_n + F.sigmoid(p_r + a_r) * a_n)
        return [n + F.sigmoid(p_z + a_z) * (h - n)]

    return cell


def _gru_before(layer: _Layer) -> Cell:
    u_r, u_z, u_n = F.split(layer.u, 3, axis=-1)
    u_gates = F.concat([u_r, u_z], axis=-1)

    def cell(state: list[Tensor], projected: Tensor) -> Sequence[Tensor]:
        (h,) = state
        p_r, p_z, p_n = F.split(projected, 3, axis=-1)
        a_r, a_z = F.split(F.matmul(h, u_gates), 2, axis=-1)
        n = F.tanh(p_n + F.matmul(F.sigmoid(p_r + a_r) * h, u_n))
        return [n + F.sigmoid(p_z + a_z) * (h - n)]

    return cell


@public
def lstm(
    x: Any,
    w: Any,
    u: Any,
    b: Any = None,
    initial_state: Any = None,
    sequence_length: Any = None,
    reverse: bool = False,
    time_major: bool = False,
    name: str | None = None,
) -> tuple[Tensor, LSTMStateTuple]:
    """A layer of long short-term memory. A composition.

    The columns of w: [inputs, 4 units], u: [units, 4 units] and b: [4 units] belong to the gates i, f, g, o, the
    order of PyTorch and Keras (the cells of `gf.nn.rnn_cell` have TensorFlow 1's: i, g, f, o); of
    x_t @ w + h @ u + b:
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)    h = sigmoid(o) * tanh(c)
    A forget bias is part of `b`. initial_state: (c, h), each [batch, units].
    Returns (outputs, LSTMStateTuple(c, h)). Other arguments and errors as for `rnn`.
    Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000.
    """

    def cell(state: list[Tensor], projected: Tensor) -> Sequence[Tensor]:
        c, h = state
        i, f, g, o = F.split(F.matmul(h, layer.u) + projected, 4, axis=-1)
        c = c * F.sigmoid(f) + F.sigmoid(i) * F.tanh(g)
        return [c, F.sigmoid(o) * F.tanh(c)]

    with name_scope("lstm" if name is None else name):
        layer = _layer("lstm", 4, x, w, u, {"b": b}, initial_state, 2, sequence_length, reverse, time_major)
        outputs, (c, h) = _run("lstm", layer, cell)
        return outputs, LSTMStateTuple(c, h)


def _states(what: str, initial_state: Any, count: int) -> tuple[Any, ...] | None:
    """The parts of an initial state, or None. Raises ArgumentError unless there are `count`."""
    if initial_state is None:
        return None
    if count == 1:
        return (initial_state,)
    if not isinstance(initial_state, (tuple, list)) or len(initial_state) != count:
        raise ArgumentError(f"{what}: initial_state must be a pair (c, h), not {shorten(initial_state)}")
    return tuple(initial_state)
