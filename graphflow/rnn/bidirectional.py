"""Two cells over one sequence, one from each end; and such pairs one upon another."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor
from graphflow.op import F, public
from graphflow.ops.arguments import items_of
from graphflow.ops.nest import flatten
from graphflow.rnn.cell import check_cell
from graphflow.rnn.unroll import prepared, prepared_list, run, run_list
from graphflow.variable_scopes import variable_scope

__all__ = ["bidirectional_dynamic_rnn", "stack_bidirectional_dynamic_rnn", "static_bidirectional_rnn"]


@public
def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: Any = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """`dynamic_rnn` of one cell from the first step to the last, and of another from the last to the first.

    Both outputs stand at the places of their inputs; join them with `gf.concat(outputs, 2)`. With
    `sequence_length` the second cell begins at the end of each sequence. Variables are made below the scopes
    "fw" and "bw" of `scope`, "bidirectional_rnn" by default. Other arguments and errors as for `dynamic_rnn`.
    Returns ((outputs_fw, outputs_bw), (state_fw, state_bw)). A composition.
    """
    what = "bidirectional_dynamic_rnn"
    _check(what, cell_fw, cell_bw)
    with variable_scope("bidirectional_rnn" if scope is None else scope):
        forward = prepared(what, cell_fw, inputs, sequence_length, initial_state_fw, dtype, time_major)
        backward = prepared(what, cell_bw, inputs, sequence_length, initial_state_bw, dtype, time_major)
        with variable_scope("fw"):
            outputs_fw, state_fw = run(forward)
        with variable_scope("bw"):
            outputs_bw, state_bw = run(backward, reverse=True)
    return (outputs_fw, outputs_bw), (state_fw, state_bw)


def _check(what: str, cell_fw: Any, cell_bw: Any) -> None:
    check_cell(cell_fw, f"{what}: cell_fw")
    check_cell(cell_bw, f"{what}: cell_bw")
    if cell_fw is cell_bw:
        raise ArgumentError(f"{what}: cell_fw and cell_bw must be two cells, not one: {cell_fw!r}")


@public
def stack_bidirectional_dynamic_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: Any = None,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Tensor, tuple[Any, ...], tuple[Any, ...]]:
    """Layers of `bidirectional_dynamic_rnn`, each over the joined outputs of the one below.

    cells_fw, cells_bw: lists of as many cells; initial_states_fw, initial_states_bw: lists of their states.
    inputs: one tensor, as for `dynamic_rnn`. Variables are made below "cell_0", "cell_1", ... of `scope`,
    "stack_bidirectional_rnn" by default.
    Returns (outputs of the last layer, both directions side by side in the last axis, states_fw, states_bw). A
    composition. Source: TensorFlow 1's `tf.contrib.rnn`.
    """
    what = "stack_bidirectional_dynamic_rnn"
    lists = {
        "cells_fw": items_of(cells_fw, f"{what}: cells_fw"),
        "cells_bw": items_of(cells_bw, f"{what}: cells_bw"),
    }
    count = len(lists["cells_fw"])
    for name, states in (("initial_states_fw", initial_states_fw), ("initial_states_bw", initial_states_bw)):
        lists[name] = [None] * count if states is None else items_of(states, f"{what}: {name}")
    for name, items in lists.items():
        if len(items) != count or not count:
            raise ArgumentError(
                f"{what}: {name} must be a list of {count or 'some'} items, not {shorten(items)}"
            )
    for k, (fw, bw) in enumerate(zip(lists["cells_fw"], lists["cells_bw"], strict=True)):
        _check(f"{what}: layer {k}", fw, bw)
    found: list[tuple[Any, Any]] = []
    output = inputs
    with variable_scope("stack_bidirectional_rnn" if scope is None else scope):
        for k, (fw, bw, state_fw, state_bw) in enumerate(zip(*lists.values(), strict=True)):
            outputs, states = bidirectional_dynamic_rnn(
                fw,
                bw,
                output,
                sequence_length,
                state_fw,
                state_bw,
                dtype,
                time_major=time_major,
                scope=f"cell_{k}",
            )
            output = F.concat(list(outputs), axis=-1)
            found.append(states)
    return output, tuple([fw for fw, _ in found]), tuple([bw for _, bw in found])


@public
def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any, Any]:
    """`static_rnn` of two cells, one from each end of a list of inputs. A composition.

    Returns (outputs, state_fw, state_bw): in each step the outputs of both cells, joined along the last axis. With
    `sequence_length` the second cell begins at the end of each sequence. Arguments as for `static_rnn`.
    """
    what = "static_bidirectional_rnn"
    _check(what, cell_fw, cell_bw)
    with variable_scope("bidirectional_rnn" if scope is None else scope):
        forward = prepared_list(what, cell_fw, inputs, initial_state_fw, dtype, sequence_length)
        backward = prepared_list(what, cell_bw, forward.items, initial_state_bw, dtype, sequence_length)
        with variable_scope("fw"):
            outputs_fw, state_fw = run_list(forward)
        with variable_scope("bw"):
            outputs_bw, state_bw = run_list(backward, reverse=True)
    return [_joined(a, b) for a, b in zip(outputs_fw, outputs_bw, strict=True)], state_fw, state_bw


def _joined(a: Any, b: Any) -> Any:
    leaves, nest = flatten(a, "static_bidirectional_rnn: the outputs of cell_fw")
    others = nest.leaves_of(b, "static_bidirectional_rnn: the outputs of cell_bw")
    return nest.pack([F.concat([x, y], axis=-1) for x, y in zip(leaves, others, strict=True)])
