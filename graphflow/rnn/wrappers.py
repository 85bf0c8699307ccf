"""Cells made of other cells: stacked, with dropout, with a shortcut, on another device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, canonical_device, device
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_tensor, python_number
from graphflow.ops.nest import flatten
from graphflow.ops.recurrent import LSTMStateTuple
from graphflow.rnn.cell import Bound, RNNCell, bind, check_cell, make, positive
from graphflow.types import as_dtype, as_index, dims_equal, dtype_name, is_floating
from graphflow.variable_scopes import variable_scope

__all__ = ["DeviceWrapper", "DropoutWrapper", "MultiRNNCell", "ResidualWrapper"]


class MultiRNNCell(RNNCell):
    """Cells one upon another: each gets the output of the one below, and has a state of its own.

    cells: a list of different cells, the lowest first. The state is a tuple with the state of each; with
    state_is_tuple=False one tensor, all states side by side, which must then be one tensor each.
    """

    default_name = "multi_rnn_cell"

    def __init__(self, cells: Any, state_is_tuple: bool = True, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ArgumentError(f"MultiRNNCell: cells must be a list of cells, not {shorten(cells)}")
        self._cells = [check_cell(cell, f"MultiRNNCell: cell {k}") for k, cell in enumerate(cells)]
        for k, cell in enumerate(self._cells):
            if any(cell is other for other in self._cells[:k]):
                raise ArgumentError(
                    f"MultiRNNCell: cell {k} is in the list twice; make another {cell!r} like it"
                )
        self._state_is_tuple = flag(state_is_tuple, "MultiRNNCell", "state_is_tuple")
        if not self._state_is_tuple and any(not isinstance(cell.state_size, int) for cell in self._cells):
            raise ArgumentError(
                "MultiRNNCell: state_is_tuple=False needs cells whose states are one tensor each"
            )

    @property
    def state_size(self) -> Any:
        sizes = tuple([cell.state_size for cell in self._cells])
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        return self._cells[-1].output_size

    def build(self, input_size: Any) -> None:
        for k, cell in enumerate(self._cells):
            with variable_scope(f"cell_{k}"):
                make(cell, input_size, self.dtype)
            input_size = cell.output_size

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        parts = self.bind()
        return parts.step(parts.project(inputs), state)

    def bind(self) -> Bound:
        parts = [bind(cell) for cell in self._cells]

        def step(projected: Any, state: Any) -> tuple[Any, Any]:
            new = []
            output: Any = None
            for k, (part, old) in enumerate(zip(parts, self._states(state), strict=True)):
                output, after = part.step(part.project(output) if k else projected, old)
                new.append(after)
            return output, tuple(new) if self._state_is_tuple else F.concat(new, axis=-1)

        return Bound(parts[0].project, step)

    def _states(self, state: Any) -> Sequence[Any]:
        if not self._state_is_tuple:
            return F.split(state, [cell.state_size for cell in self._cells], axis=-1)  # type: ignore[no-any-return]
        if not isinstance(state, (tuple, list)) or len(state) != len(self._cells):
            raise ArgumentError(
                f"{self.name}: the state must be a tuple of {len(self._cells)}, not {shorten(state)}"
            )
        return state


class _Wrapper(RNNCell):
    """A cell around another, with no variables and no variable scope of its own."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self._cell = check_cell(cell, f"{type(self).__name__}: cell")

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        return self._cell.output_size

    def make(self, input_size: Any, dtype: Any) -> None:
        make(self._cell, input_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        return self.call(inputs, state)


class DropoutWrapper(_Wrapper):
    """A cell whose inputs, outputs and states are dropped at random, each element for itself: see `gf.nn.dropout`.

    input_keep_prob, output_keep_prob, state_keep_prob: chances in (0, 1] of keeping an element, or scalar tensors,
        such as placeholders that are 1 when nothing is to be dropped. Of an LSTM's state only h is dropped.
    variational_recurrent: draw once for all steps and the whole batch, instead of for every step; then input_size
        (where inputs are dropped) and dtype are needed. Source: Gal and Ghahramani 2015, arXiv:1512.05287.
    seed: as for `gf.nn.dropout`; the three kinds of draws differ all the same.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(cell)
        self._input = _chance(input_keep_prob, "DropoutWrapper: input_keep_prob")
        self._output = _chance(output_keep_prob, "DropoutWrapper: output_keep_prob")
        self._state = _chance(state_keep_prob, "DropoutWrapper: state_keep_prob")
        self._seed = None if seed is None else as_index(seed, "DropoutWrapper: seed")
        self._masks: dict[str, list[Tensor]] = {}
        wanted = None if dtype is None else as_dtype(dtype)
        if wanted is not None and not is_floating(wanted):
            raise DTypeError(f"DropoutWrapper: dtype must be a floating type, not {dtype_name(wanted)}")
        sizes = {"input": [], "state": cell.state_size, "output": cell.output_size}
        if input_size is not None:
            leaves, nest = flatten(input_size, "DropoutWrapper: input_size")
            sizes["input"] = nest.pack([positive(n, "DropoutWrapper: input_size") for n in leaves])
        if flag(variational_recurrent, "DropoutWrapper", "variational_recurrent"):
            if wanted is None:
                raise ArgumentError(
                    "DropoutWrapper: variational_recurrent needs the dtype of what is dropped"
                )
            if input_size is None and self._input is not None:
                raise ArgumentError("DropoutWrapper: variational_recurrent needs input_size to drop inputs")
            kept = {"input": self._input, "state": self._state, "output": self._output}
            for kind, chance in kept.items():
                if chance is not None:
                    self._masks[kind] = self._draw(kind, sizes[kind], chance, wanted)

    def _draw(self, kind: str, sizes: Any, chance: Any, dtype: Any) -> list[Tensor]:
        """Numbers to multiply with: 0, or 1 / chance; [1, n] for each size."""
        leaves, _ = flatten(sizes, f"DropoutWrapper: the sizes of the {kind}")
        return [
            F.dropout(F.ones([1, n], dtype=dtype), keep_prob=chance, seed=self._seed_of(kind, k))
            for k, n in enumerate(leaves)
        ]

    def _seed_of(self, kind: str, k: int) -> int | None:
        """A seed for each place where something is dropped, so that no two draw alike."""
        if self._seed is None:
            return None
        return (self._seed + 7919 * (("input", "state", "output").index(kind) + 3 * k)) % 2**31

    def _dropped(self, kind: str, chance: Any, value: Any) -> Any:
        if chance is None:
            return value
        leaves, nest = flatten(value, f"DropoutWrapper: the {kind}")
        spared = _memories(value)
        masks = self._masks.get(kind)
        for k, leaf in enumerate(leaves):
            if masks is not None and not spared[k]:
                leaves[k] = leaf * masks[k]
            elif not spared[k]:
                leaves[k] = F.dropout(leaf, keep_prob=chance, seed=self._seed_of(kind, k))
        return nest.pack(leaves)

    def _results(self, output: Any, state: Any) -> tuple[Any, Any]:
        return self._dropped("output", self._output, output), self._dropped("state", self._state, state)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        return self._results(*self._cell(self._dropped("input", self._input, inputs), state))

    def bind(self) -> Bound:
        part = bind(self._cell)

        def step(projected: Any, state: Any) -> tuple[Any, Any]:
            return self._results(*part.step(projected, state))

        return Bound(lambda inputs: part.project(self._dropped("input", self._input, inputs)), step)


def _chance(value: Any, what: str) -> Any:
    """A chance of keeping: a number, a tensor, or None for 1."""
    if hasattr(type(value), "__graphflow_tensor__"):
        return as_tensor(value)
    number = python_number(value, what)
    if not 0 < number <= 1:
        raise ArgumentError(f"{what} must be in (0, 1], got {shorten(value)}")
    return None if number == 1 else number


def _memories(value: Any) -> list[bool]:
    """For each leaf of a nest, whether it is the memory of an LSTM."""
    if isinstance(value, LSTMStateTuple):
        return [True, False]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else None
    return [False] if items is None else [flag for item in items for flag in _memories(item)]


class ResidualWrapper(_Wrapper):
    """A cell whose inputs are added to its outputs.

    residual_fn: a function of (inputs, outputs) to use in place of the sum.
    Raises ShapeError where inputs and outputs have not one shape.
    """

    def __init__(self, cell: Any, residual_fn: Any = None) -> None:
        super().__init__(cell)
        if residual_fn is not None and not callable(residual_fn):
            raise ArgumentError(
                f"ResidualWrapper: residual_fn must be a function, not {shorten(residual_fn)}"
            )
        self._residual = _sum if residual_fn is None else residual_fn

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        output, new = self._cell(inputs, state)
        return self._residual(inputs, output), new

    def bind(self) -> Bound:
        part = bind(self._cell)

        def step(given: Any, state: Any) -> tuple[Any, Any]:
            inputs, projected = given
            output, new = part.step(projected, state)
            return self._residual(inputs, output), new

        return Bound(lambda inputs: (inputs, part.project(inputs)), step)


def _sum(inputs: Any, outputs: Any) -> Any:
    leaves, nest = flatten(outputs, "ResidualWrapper: the outputs")
    others = nest.leaves_of(inputs, "ResidualWrapper: inputs")
    sums = []
    for x, y in zip(others, leaves, strict=True):
        a, b = as_tensor(x), as_tensor(y)
        known = a.type.shape is not None and b.type.shape is not None
        if known and dims_equal(a.type.dims[-1], b.type.dims[-1]) is False:
            raise ShapeError(f"ResidualWrapper: inputs {a.type} cannot be added to outputs {b.type}")
        sums.append(a + b)
    return nest.pack(sums)


class DeviceWrapper(_Wrapper):
    """A cell whose operations are placed on `device`, such as "gpu:1"."""

    def __init__(self, cell: Any, device: str) -> None:
        super().__init__(cell)
        self._device = canonical_device(device)

    def zero_state(self, batch_size: Any, dtype: Any = "float32") -> Any:
        with device(self._device):
            return self._cell.zero_state(batch_size, dtype)

    def make(self, input_size: Any, dtype: Any) -> None:
        with device(self._device):
            super().make(input_size, dtype)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        with device(self._device):
            return self._cell(inputs, state)  # type: ignore[no-any-return]

    def bind(self) -> Bound:
        with device(self._device):
            part = bind(self._cell)

        def project(inputs: Any) -> Any:
            with device(self._device):
                return part.project(inputs)

        def step(projected: Any, state: Any) -> tuple[Any, Any]:
            with device(self._device):
                return part.step(projected, state)

        return Bound(project, step)
