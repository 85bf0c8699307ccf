"""Cells that are one layer: what they share, BasicRNNCell and GRUCell. Gates stand in TensorFlow 1's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.initializers import Ones, Zeros
from graphflow.op import F
from graphflow.ops.ufunc import reals
from graphflow.rnn.cell import Bound, RNNCell, positive
from graphflow.types import dims_equal
from graphflow.variable_scopes import get_variable, variable_scope

__all__ = ["BasicRNNCell", "GRUCell", "LayerCell"]

Activation = Callable[[Tensor], Tensor]


def _activation(what: str, function: Any) -> Activation:
    if function is None:
        return F.tanh
    if not callable(function):
        raise ArgumentError(f"{what}: activation must be a function, not {shorten(function)}")
    return function  # type: ignore[no-any-return]


class LayerCell(RNNCell):
    """A cell with `num_units` units, whose step begins with products of the inputs and of the state."""

    def __init__(self, num_units: Any, activation: Any, reuse: Any, name: Any, dtype: Any) -> None:
        super().__init__(name, dtype, reuse)
        self._num_units = positive(num_units, f"{type(self).__name__}: num_units")
        self._activation = _activation(type(self).__name__, activation)
        self._depth = 0

    @property
    def output_size(self) -> int:
        return self._num_units

    def _weights(
        self, columns: int, rows: int, bias_initializer: Any = None, kernel_initializer: Any = None
    ) -> Any:
        """A kernel for inputs and state, one above the other, and a bias."""
        kernel = get_variable("kernel", [self._depth + rows, columns], self.dtype, kernel_initializer)
        bias = get_variable(
            "bias", [columns], self.dtype, Zeros() if bias_initializer is None else bias_initializer
        )
        return kernel, bias

    def build(self, input_size: Any) -> None:
        if not isinstance(input_size, int):
            raise ArgumentError(f"{self.name}: inputs must be one tensor, not a nest")
        self._depth = input_size
        self._build()

    def _build(self) -> None:
        """Make the variables."""

    def _split(self, kernel: Any) -> tuple[Tensor, Tensor]:
        """The rows of a kernel that are for the inputs, and those for the state."""
        return kernel[: self._depth], kernel[self._depth :]

    def _product(self, inputs: Any, weights: Tensor, bias: Any) -> Tensor:
        x = F.cast(reals(self.name, inputs), self.dtype)
        if x.type.shape is not None and dims_equal(x.type.dims[-1], self._depth) is False:
            raise ShapeError(f"{self.name}: its weights are for inputs of depth {self._depth}, got {x!r}")
        return F.matmul(x, weights) + bias  # type: ignore[no-any-return]

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        parts = self.bind()
        return parts.step(parts.project(inputs), state)


class BasicRNNCell(LayerCell):
    """`output = state = activation([inputs, state] @ kernel + bias)`.

    num_units: a positive int. activation: a function, tanh by default. name, reuse, dtype: see `RNNCell`.
    Variables: kernel [depth + num_units, num_units], bias [num_units].
    """

    default_name = "basic_rnn_cell"

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype)

    @property
    def state_size(self) -> int:
        return self._num_units

    def _build(self) -> None:
        self._kernel, self._bias = self._weights(self._num_units, self._num_units)

    def bind(self) -> Bound:
        w, u = self._split(self._kernel)

        def step(projected: Tensor, state: Any) -> tuple[Any, Any]:
            output = self._activation(F.matmul(state, u) + projected)
            return output, output

        return Bound(lambda inputs: self._product(inputs, w, self._bias), step)


class GRUCell(LayerCell):
    """A gated recurrent unit; the state is reset before its product, as in the paper.

        r, u = sigmoid([inputs, state] @ gates/kernel + gates/bias)
        c = activation([inputs, r * state] @ candidate/kernel + candidate/bias)
        output = new state = u * state + (1 - u) * c

    Variables: kernel [depth + num_units, 2 num_units] and bias of the gates (starting at 1, so that it begins by
    remembering), and the candidate's, of num_units columns. kernel_initializer, bias_initializer: for both.
    Source: Cho et al. 2014, arXiv:1406.1078.
    """

    default_name = "gru_cell"

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype)
        self._initializers = kernel_initializer, bias_initializer

    @property
    def state_size(self) -> int:
        return self._num_units

    def _build(self) -> None:
        n, (kernel, bias) = self._num_units, self._initializers
        with variable_scope("gates"):
            self._gates, self._gates_bias = self._weights(2 * n, n, Ones() if bias is None else bias, kernel)
        with variable_scope("candidate"):
            self._candidate, self._candidate_bias = self._weights(n, n, bias, kernel)

    def bind(self) -> Bound:
        w_gates, u_gates = self._split(self._gates)
        w, u = self._split(self._candidate)

        def project(inputs: Any) -> Any:
            gates = self._product(inputs, w_gates, self._gates_bias)
            return gates, self._product(inputs, w, self._candidate_bias)

        def step(projected: Any, state: Any) -> tuple[Any, Any]:
            gates, candidate = projected
            reset, update = F.split(F.sigmoid(F.matmul(state, u_gates) + gates), 2, axis=-1)
            c = self._activation(F.matmul(reset * state, u) + candidate)
            output = c + update * (state - c)
            return output, output

        return Bound(project, step)
