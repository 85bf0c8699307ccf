"""What a recurrent cell is: one step of a recurrent network, as an object that owns its variables.

    cell = gf.nn.rnn_cell.BasicLSTMCell(128)
    output, state = cell(inputs, cell.zero_state(batch_size, "float32"))
    outputs, state = gf.nn.dynamic_rnn(cell, sequences, dtype="float32")

The interface is TensorFlow 1's. A cell makes its variables once, when it is first used, by `gf.get_variable` below
the variable scope in force and its own name; from then on it uses those, wherever it is called. Two cells of one kind
in one scope need names of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import check_name
from graphflow.op import F
from graphflow.ops.nest import flatten
from graphflow.ops.ufunc import operand
from graphflow.types import as_dtype, as_index, default_float, is_floating
from graphflow.variable_scopes import VariableScope, variable_scope

__all__ = ["Bound", "RNNCell", "bind", "check_cell", "depths", "make", "positive", "zeros_of"]

MAX_SIZE = 2**31 - 1


def positive(value: Any, what: str) -> int:
    """A positive int. Raises ArgumentError."""
    number = as_index(value, what)
    if not 0 < number <= MAX_SIZE:
        raise ArgumentError(f"{what} must be from 1 to {MAX_SIZE}, got {shorten(value)}")
    return number


def zeros_of(sizes: Any, batch_size: Any, dtype: Any, what: str) -> Any:
    """A nest of zeros: [batch_size, n] for each n of the nest `sizes`."""
    leaves, nest = flatten(sizes, what)
    wanted = as_dtype(dtype)
    return nest.pack([F.zeros([batch_size, positive(n, what)], dtype=wanted) for n in leaves])


def depths(inputs: Any, what: str, axes: str = "[batch, depth]") -> tuple[Any, np.dtype[Any]]:
    """The nest of the sizes of the last axes of `inputs`, and the floating dtype to compute in: that of the first.

    Raises ShapeError unless each of them has the axes that are named, the last one of known size; DTypeError for
    complex numbers, ArgumentError for an empty nest.
    """
    leaves, nest = flatten(inputs, what)
    tensors = [operand(what, leaf) for leaf in leaves]
    if not tensors:
        raise ArgumentError(f"{what} must hold a tensor, got {shorten(inputs)}")
    for t in tensors:
        if (
            t.type.shape is None
            or len(t.type.shape) != axes.count(",") + 1
            or type(t.type.shape[-1]) is not int
        ):
            raise ShapeError(f"{what} must have the axes {axes}, the depth known, got {t!r}")
        if t.type.dtype.kind == "c":
            raise DTypeError(f"{what} must be real numbers, got {t!r}")
    dtypes = [t.type.dtype for t in tensors if is_floating(t.type.dtype)]
    return nest.pack([t.type.dims[-1] for t in tensors]), dtypes[0] if dtypes else default_float()


@dataclass(frozen=True, slots=True)
class Bound:
    """A cell ready for a loop.

    project: inputs, for one step or with the steps of a whole sequence in front, to what `step` needs of them.
    step: (what `project` gave for one step, state) to (output, new state).
    """

    project: Callable[[Any], Any]
    step: Callable[[Any, Any], tuple[Any, Any]]


class RNNCell:
    """Base of all cells: `cell(inputs, state)` gives `(output, new_state)`.

    A subclass defines `state_size` and `output_size` (an int, or a nest of them), `call`, and `build` if it has
    variables; `call` may make variables by `gf.get_variable` itself instead.
    name: of the variable scope of its variables. reuse: of that scope: True to share the variables of a cell that
    was used before, None to do as the scope around it does. dtype: of its variables; that of the inputs by default.
    """

    default_name = "rnn_cell"

    def __init__(self, name: str | None = None, dtype: Any = None, reuse: Any = None) -> None:
        if name is not None:
            check_name(name)
        self.name: str = self.default_name if name is None else name
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.built = False
        self._reuse = reuse
        self._scope: VariableScope | None = None

    @property
    def state_size(self) -> Any:
        """Sizes of the state: an int, or a nest of ints, for tensors [batch, size]."""
        raise ArgumentError(f"{type(self).__name__}: a cell must define state_size")

    @property
    def output_size(self) -> Any:
        """Sizes of the output: an int, or a nest of ints."""
        raise ArgumentError(f"{type(self).__name__}: a cell must define output_size")

    def zero_state(self, batch_size: Any, dtype: Any = "float32") -> Any:
        """The state of zeros: tensors [batch_size, n]. batch_size: an int, or a size such as `gf.shape(x)[0]`."""
        return zeros_of(self.state_size, batch_size, dtype, f"{self.name}: state_size")

    def build(self, input_size: Any) -> None:
        """Make the variables; called once, in the cell's own variable scope.

        input_size: the size of the last axis of the inputs, or a nest of such sizes.
        """

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: (output, new state)."""
        raise ArgumentError(f"{type(self).__name__}: a cell must define call(inputs, state)")

    def bind(self) -> Bound:
        """The step, with what is the same in all steps done beforehand; loops ask for it before they begin.

        A subclass overrides it where part of its work depends on the weights, or on the inputs, alone.
        """
        return Bound(_as_it_is, self)

    def make(self, input_size: Any, dtype: Any) -> None:
        """Make the variables now, unless they are made: inside a loop's body it would be too late."""
        if self.built:
            return
        self.dtype = as_dtype(dtype) if self.dtype is None else self.dtype
        with self._entered(None) as entered:
            if type(self).build is RNNCell.build:
                _rehearse(self.call, self, input_size, dtype)
            else:
                self.build(input_size)
        self._scope, self.built = entered, True

    def _entered(self, scope: Any) -> AbstractContextManager[VariableScope]:
        if self._scope is not None:
            return variable_scope(self._scope, reuse=True)
        return variable_scope(self.name if scope is None else scope, reuse=self._reuse)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        """One step. scope: the name of the variable scope for the first call, in place of the cell's own name."""
        with self._entered(scope) as entered:
            if not self.built:
                sizes, dtype = depths(inputs, f"{self.name}: inputs")
                self.dtype = dtype if self.dtype is None else self.dtype
                self.build(sizes)
                self._scope, self.built = entered, True
            return self.call(inputs, state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}'>"


def _as_it_is(inputs: Any) -> Any:
    return inputs


# --- anything that can be used as a cell ------------------------------------------------------------


def check_cell(cell: Any, what: str) -> Any:
    """A cell, or any callable with state_size and output_size. Raises ArgumentError."""
    fits = callable(cell) and not isinstance(cell, type)
    if fits and not isinstance(cell, RNNCell):
        kinds = (int, tuple, list, dict)
        fits = all(isinstance(getattr(cell, size, None), kinds) for size in ("state_size", "output_size"))
    if not fits:
        raise ArgumentError(
            f"{what} must be a recurrent cell such as gf.nn.rnn_cell.GRUCell, not {shorten(cell)}"
        )
    return cell


def make(cell: Any, input_size: Any, dtype: Any) -> None:
    """Make a cell's variables, in the variable scope in force, unless they are made."""
    if isinstance(cell, RNNCell):
        cell.make(input_size, dtype)
    else:
        _rehearse(cell, cell, input_size, dtype)


def _rehearse(call: Any, cell: Any, input_size: Any, dtype: Any) -> None:
    """Call a cell that makes its variables as it goes. The nodes made besides are never run."""
    inputs = zeros_of(input_size, 1, dtype, "the size of the inputs")
    call(inputs, zeros_of(cell.state_size, 1, dtype, "state_size"))


def bind(cell: Any) -> Bound:
    """The cell ready for a loop."""
    return cell.bind() if isinstance(cell, RNNCell) else Bound(_as_it_is, cell)
