"""Cells run over sequences: `dynamic_rnn`, a loop in the graph, and `static_rnn`, one copy of the cell for each step."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphflow.errors import ArgumentError, DTypeError, GraphError, ShapeError, shorten
from graphflow.graph import BodyGraph, Tensor, current_graph
from graphflow.op import F, public
from graphflow.ops.arguments import flag, items_of
from graphflow.ops.carry_scan import carry_scan
from graphflow.ops.constant import as_tensor
from graphflow.ops.nest import Nest, flatten
from graphflow.ops.recurrent import lengths, sequence_steps
from graphflow.ops.ufunc import operand
from graphflow.rnn.cell import RNNCell, bind, check_cell, depths, make, zeros_of
from graphflow.types import DimLike, as_dtype, dims_equal, is_floating
from graphflow.variable_scopes import get_variable_scope, variable_scope

__all__ = ["dynamic_rnn", "prepared", "prepared_list", "run", "run_list", "static_rnn"]


@public
def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: Any = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """The outputs of a cell for all steps of a sequence, and its last state. A composition on a scan.

    inputs: [batch, time, depth], or [time, batch, depth] if `time_major`, or a nest of such tensors; time and batch
        may be unknown. What the cell makes of the inputs alone is computed for all steps at once, before the loop.
    sequence_length: integers[batch]: past the end of a sequence outputs are 0, inputs are not looked at, and the
        state stays as it was; lengths outside [0, time] count as the nearer end.
    initial_state: a nest like the cell's `state_size`; zeros of `dtype` (that of the inputs) by default.
    scope: the variable scope, "rnn" by default, below which the cell makes its variables.
    Returns (outputs, state): nests like the cell's `output_size`, in the layout of the inputs, and `state_size`.
    parallel_iterations, swap_memory: accepted for TensorFlow 1's sake and ignored.
    Raises ShapeError where sizes do not fit or ranks are unknown, ArgumentError for nests that do not fit.
    """
    what = "dynamic_rnn"
    with variable_scope("rnn" if scope is None else scope):
        return run(prepared(what, cell, inputs, sequence_length, initial_state, dtype, time_major))


class Sequence(NamedTuple):
    """A cell and what it is to be run over, checked before any variable is made."""

    what: str
    cell: Any
    inputs: Any  # a nest of [time, batch, depth]
    input_size: Any
    steps: Tensor | None  # bool[time, batch]
    state: list[Tensor]
    state_nest: Nest
    dtype: Any
    time_major: bool


def prepared(
    what: str,
    cell: Any,
    inputs: Any,
    sequence_length: Any,
    initial_state: Any,
    dtype: Any,
    time_major: Any,
) -> Sequence:
    """The checked arguments of `dynamic_rnn`."""
    check_cell(cell, f"{what}: cell")
    major = flag(time_major, what, "time_major")
    layout = "[time, batch, depth]" if major else "[batch, time, depth]"
    sizes, own = depths(inputs, f"{what}: inputs", layout)
    leaves, nest = flatten(inputs, f"{what}: inputs")
    tensors = [at_home(what, t) if major else _swapped(at_home(what, t)) for t in map(as_tensor, leaves)]
    batch = tensors[0].type.dims[1]
    steps = None
    if sequence_length is not None:
        steps = sequence_steps(tensors[0], lengths(what, sequence_length, batch))
        tensors = [F.where(_like(steps, t), t, False) for t in tensors]
    state, state_nest = first_state(what, cell, initial_state, batch, own if dtype is None else dtype)
    return Sequence(what, cell, nest.pack(tensors), sizes, steps, state, state_nest, own, major)


def at_home(what: str, t: Tensor) -> Tensor:
    """`t`, which must live where the variables will. Raises GraphError."""
    home = current_graph()
    if t.graph is not home and not isinstance(home, BodyGraph):
        raise GraphError(f"{what}: {t!r} belongs to another graph")
    return t


def run(sequence: Sequence, *, reverse: bool = False) -> tuple[Any, Any]:
    """`dynamic_rnn` in the variable scope in force, in either direction. Outputs stay at the places of their inputs."""
    what, cell, steps, state_nest = sequence.what, sequence.cell, sequence.steps, sequence.state_nest
    make(cell, sequence.input_size, sequence.dtype)
    parts = bind(cell)
    projected, projected_nest = flatten(
        parts.project(sequence.inputs), f"{what}: what the cell needs of its inputs"
    )
    here = get_variable_scope()
    found: list[Nest] = []

    def step(carry: list[Tensor], items: list[Tensor]) -> tuple[list[Any], list[Any]]:
        given_now = projected_nest.pack(items[: len(projected)])
        with variable_scope(here, reuse=True, auxiliary_name_scope=False):
            output, after = parts.step(given_now, state_nest.pack(carry))
        new = state_nest.leaves_of(after, f"{what}: the state that {cell!r} gives")
        results, output_nest = flatten(output, f"{what}: the output of {cell!r}")
        found[:] = [output_nest]
        if steps is not None:
            new = [_chosen(items[-1], a, b) for a, b in zip(new, carry, strict=True)]
        return new, results

    elems = projected if steps is None else [*projected, steps]
    last, outputs = carry_scan(what, step, sequence.state, elems, reverse=reverse)
    if steps is not None:
        outputs = [F.where(_like(steps, t), t, False) for t in outputs]
    if not sequence.time_major:
        outputs = [_swapped(t) for t in outputs]
    return found[0].pack(outputs), state_nest.pack(last)


def _swapped(t: Tensor) -> Tensor:
    return F.permute_dims(t, (1, 0, *range(2, t.type.rank)))  # type: ignore[no-any-return]


def _like(steps: Tensor, t: Tensor) -> Tensor:
    """The mask with axes of size 1 appended, so that it broadcasts with `t`."""
    extra = t.type.rank - steps.type.rank
    return F.expand_dims(steps, tuple(range(-extra, 0))) if extra else steps


def _chosen(steps: Tensor, new: Any, old: Tensor) -> Any:
    """The new state where the step is within its sequence; a scalar, such as a counter, is for the whole batch."""
    if not old.type.rank:
        return new
    return F.where(_like(steps, old), new, old)


def first_state(
    what: str, cell: Any, initial_state: Any, batch: DimLike, dtype: Any
) -> tuple[list[Tensor], Nest]:
    """The leaves of the first state, and its structure."""
    if initial_state is None:
        if hasattr(cell, "zero_state"):
            initial_state = cell.zero_state(batch, as_dtype(dtype))
        else:
            initial_state = zeros_of(cell.state_size, batch, dtype, f"{what}: state_size")
    sizes, wanted = flatten(cell.state_size, f"{what}: state_size")
    leaves = wanted.leaves_of(initial_state, f"{what}: initial_state")
    tensors = [at_home(what, operand(what, leaf)) for leaf in leaves]
    usual = (
        isinstance(cell, RNNCell) and type(cell).zero_state is RNNCell.zero_state
    )  # else it may be anything
    for t, size in zip(tensors, sizes, strict=True):
        shape = t.type.shape
        if shape is None or (shape and dims_equal(shape[0], batch) is False):
            raise ShapeError(f"{what}: initial_state must be [batch, ...] for a batch of {batch}, got {t!r}")
        if usual and (len(shape) != 2 or dims_equal(shape[1], size) is False):
            raise ShapeError(f"{what}: initial_state must be [batch, {size}], got {t!r}")
        if usual and (not is_floating(t.type.dtype) or t.type.dtype.kind == "c"):
            raise DTypeError(f"{what}: initial_state must be real floating numbers, got {t!r}")
    return tensors, wanted


@public
def static_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """The outputs of a cell for a list of inputs, and its last state: one copy of the cell for each. A composition.

    inputs: a list of [batch, depth] tensors, or of nests of them, one for each step. Other arguments as for
    `dynamic_rnn`, which makes a smaller graph and takes any number of steps.
    Returns (list of outputs, state).
    """
    what = "static_rnn"
    with variable_scope("rnn" if scope is None else scope):
        return run_list(prepared_list(what, cell, inputs, initial_state, dtype, sequence_length))


class Steps(NamedTuple):
    """A cell and a list of inputs, checked before any variable is made."""

    what: str
    cell: Any
    items: list[Any]
    input_size: Any
    ends: Tensor | None  # int64[batch]
    state: list[Tensor]
    state_nest: Nest
    dtype: Any


def prepared_list(
    what: str, cell: Any, inputs: Any, initial_state: Any, dtype: Any, sequence_length: Any
) -> Steps:
    """The checked arguments of `static_rnn`."""
    check_cell(cell, f"{what}: cell")
    items = items_of(inputs, f"{what}: inputs")
    if not items:
        raise ArgumentError(f"{what}: inputs must list at least one step, got {shorten(inputs)}")
    found = [depths(item, f"{what}: inputs[{t}]") for t, item in enumerate(items)]
    sizes, own = found[0]
    for k, (other, _) in enumerate(found):
        if other != sizes:
            raise ShapeError(f"{what}: inputs[{k}] has the depth {other}, but inputs[0] has {sizes}")
    tensors = [at_home(what, as_tensor(t)) for item in items for t in flatten(item, what)[0]]
    batch = tensors[0].type.dims[0]
    for t in tensors:
        if dims_equal(t.type.dims[0], batch) is False:
            raise ShapeError(f"{what}: inputs must have one batch size, got {t!r} beside {tensors[0]!r}")
    state, nest = first_state(what, cell, initial_state, batch, own if dtype is None else dtype)
    ends = None if sequence_length is None else lengths(what, sequence_length, batch)
    return Steps(what, cell, items, sizes, ends, state, nest, own)


def run_list(steps: Steps, *, reverse: bool = False) -> tuple[list[Any], Any]:
    """`static_rnn` in the variable scope in force, in either direction."""
    what, cell, nest = steps.what, steps.cell, steps.state_nest
    make(cell, steps.input_size, steps.dtype)
    leaves = steps.state
    outputs = []
    here = get_variable_scope()
    order = list(enumerate(steps.items))
    for t, item in reversed(order) if reverse else order:
        with variable_scope(here, reuse=True, auxiliary_name_scope=False):
            output, after = cell(item, nest.pack(leaves))
        new = [as_tensor(leaf) for leaf in nest.leaves_of(after, f"{what}: the state that {cell!r} gives")]
        if steps.ends is not None:
            within = F.less(t, steps.ends)
            new = [_chosen(within, b, a) for a, b in zip(leaves, new, strict=True)]
            results, output_nest = flatten(output, f"{what}: the output of {cell!r}")
            zeroed = [F.where(_like(within, y), y, False) for y in map(as_tensor, results)]
            output = output_nest.pack(zeroed)
        outputs.append(output)
        leaves = new
    return outputs[::-1] if reverse else outputs, nest.pack(leaves)
