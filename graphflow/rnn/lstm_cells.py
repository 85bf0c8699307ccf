"""Cells of long short-term memory: BasicLSTMCell and LSTMCell. Gates stand in TensorFlow 1's order: i, j, f, o."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.ops.constant import python_number
from graphflow.ops.nest import flatten
from graphflow.ops.recurrent import LSTMStateTuple
from graphflow.rnn.cell import Bound, positive
from graphflow.rnn.cells import LayerCell
from graphflow.variable_scopes import get_variable, variable_scope

__all__ = ["BasicLSTMCell", "LSTMCell"]


class BasicLSTMCell(LayerCell):
    """Long short-term memory, its state an `LSTMStateTuple(c, h)`.

        i, j, f, o = [inputs, h] @ kernel + bias
        c = sigmoid(f + forget_bias) * c + sigmoid(i) * activation(j)
        output = h = sigmoid(o) * activation(c)

    forget_bias: added to the forget gate, 1 by default so that it begins by remembering. state_is_tuple: False
    for a state that is one tensor, c and h side by side. Variables: kernel [depth + num_units, 4 num_units],
    bias [4 num_units], starting at 0.
    Source: Zaremba, Sutskever and Vinyals 2014, arXiv:1409.2329.
    """

    default_name = "basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype)
        self._forget_bias = python_number(forget_bias, f"{type(self).__name__}: forget_bias")
        self._state_is_tuple = flag(state_is_tuple, type(self).__name__, "state_is_tuple")

    @property
    def state_size(self) -> Any:
        sizes = LSTMStateTuple(self._num_units, self.output_size)
        return sizes if self._state_is_tuple else sizes.c + sizes.h

    def _build(self) -> None:
        self._kernel, self._bias = self._weights(4 * self._num_units, self.output_size)

    def bind(self) -> Bound:
        n = self._num_units
        w, u = self._split(self._kernel)
        bias = self._bias
        if self._forget_bias:  # to the bias of one gate, once, not to the gate in every step
            bias = bias + F.constant(
                [0.0] * 2 * n + [self._forget_bias] * n + [0.0] * n, dtype=self._bias.dtype
            )

        def step(projected: Tensor, state: Any) -> tuple[Any, Any]:
            c, h = self._parts(state)
            i, j, f, o = F.split(F.matmul(h, u) + projected, 4, axis=-1)
            c = self._memory(i, j, f, c)
            h = self._output(o, c)
            return h, LSTMStateTuple(c, h) if self._state_is_tuple else F.concat([c, h], axis=-1)

        return Bound(lambda inputs: self._product(inputs, w, bias), step)

    def _parts(self, state: Any) -> Sequence[Any]:
        if not self._state_is_tuple:
            return F.split(state, [self._num_units, self.output_size], axis=-1)  # type: ignore[no-any-return]
        leaves, _ = flatten(state, f"{self.name}: state")
        if len(leaves) != 2:
            raise ArgumentError(f"{self.name}: the state must be LSTMStateTuple(c, h), not {shorten(state)}")
        return leaves

    def _memory(self, i: Tensor, j: Tensor, f: Tensor, c: Any) -> Tensor:
        return c * F.sigmoid(f) + F.sigmoid(i) * self._activation(j)  # type: ignore[no-any-return]

    def _output(self, o: Tensor, c: Tensor) -> Tensor:
        return F.sigmoid(o) * self._activation(c)  # type: ignore[no-any-return]


class LSTMCell(BasicLSTMCell):
    """`BasicLSTMCell` with peepholes, clipping and a projection, each of them optional.

    use_peepholes: gates also see the memory, each through a vector: i and f the old one, o the new one (variables
        w_i_diag, w_f_diag, w_o_diag).
    cell_clip: the memory is kept within ± this number. initializer: of kernels and peepholes.
    num_proj: the output is multiplied by a matrix (variable projection/kernel [num_units, num_proj]), and is what
        returns as h. proj_clip: it is kept within ± this number.
    Sources: Sak, Senior and Beaufays 2014, for the projection; Gers, Schraudolph and Schmidhuber 2002, for peepholes.
    """

    default_name = "lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, forget_bias, state_is_tuple, activation, reuse, name, dtype)
        self._use_peepholes = flag(use_peepholes, "LSTMCell", "use_peepholes")
        self._cell_clip = _limit(cell_clip, "LSTMCell: cell_clip")
        self._num_proj = None if num_proj is None else positive(num_proj, "LSTMCell: num_proj")
        self._proj_clip = _limit(proj_clip, "LSTMCell: proj_clip")
        if self._proj_clip is not None and self._num_proj is None:
            raise ArgumentError("LSTMCell: proj_clip needs num_proj")
        self._initializer = initializer

    @property
    def output_size(self) -> int:
        return self._num_proj or self._num_units

    def _build(self) -> None:
        n = self._num_units
        self._kernel, self._bias = self._weights(4 * n, self.output_size, None, self._initializer)
        if self._use_peepholes:
            self._diagonals = {
                gate: get_variable(f"w_{gate}_diag", [n], self.dtype, self._initializer) for gate in "fio"
            }
        if self._num_proj is not None:
            with variable_scope("projection"):
                self._projection = get_variable("kernel", [n, self._num_proj], self.dtype, self._initializer)

    def _memory(self, i: Tensor, j: Tensor, f: Tensor, c: Any) -> Tensor:
        if self._use_peepholes:
            i, f = i + self._diagonals["i"] * c, f + self._diagonals["f"] * c
        c = super()._memory(i, j, f, c)
        return c if self._cell_clip is None else F.clip(c, -self._cell_clip, self._cell_clip)  # type: ignore[no-any-return]

    def _output(self, o: Tensor, c: Tensor) -> Tensor:
        if self._use_peepholes:
            o = o + self._diagonals["o"] * c
        h = super()._output(o, c)
        if self._num_proj is not None:
            h = F.matmul(h, self._projection)
        return h if self._proj_clip is None else F.clip(h, -self._proj_clip, self._proj_clip)


def _limit(value: Any, what: str) -> float | None:
    if value is None:
        return None
    number = python_number(value, what)
    if not number > 0:
        raise ArgumentError(f"{what} must be positive, got {shorten(value)}")
    return number
