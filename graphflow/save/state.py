"""Variables, collections and taken names of a saved graph, checked against its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import FormatError, NameError, shorten
from graphflow.graph import Node, Tensor, check_name
from graphflow.ops.body import Body
from graphflow.ops.state import Variable
from graphflow.save.tables import Tables, integer, listed, record, row_of

__all__ = ["collections_of", "names_of", "output_of", "variables_of"]

MAX_COUNT = 2**31

_VARIABLE = ["handle", "initializer", "reads", "current", "trainable"]


def output_of(nodes: Sequence[Node], ref: Any) -> Tensor:
    """The output [node, index] of a node that is there already: so there can be no cycle."""
    k, index = listed(ref, "an input", 2)
    return row_of(row_of(nodes, k, "earlier node").outputs, index, "output")


def variables_of(rows: Any, nodes: Sequence[Node]) -> list[Variable]:
    """The variables, their nodes found again."""
    return [_variable(k, row, nodes) for k, row in enumerate(listed(rows, "variables"))]


def _variable(number: int, row: Any, nodes: Sequence[Node]) -> Variable:
    where = f"variable {number}"
    record(row, where, _VARIABLE)
    handle = row_of(nodes, row["handle"], f"{where}: node")
    initializer = row_of(nodes, row["initializer"], f"{where}: node")
    reads = [row_of(nodes, k, f"{where}: node") for k in listed(row["reads"], where)]
    current = None if row["current"] is None else row_of(nodes, row["current"], f"{where}: node")
    fits = (
        handle.op.name == "variable" and handle.outputs[0].type.is_static and initializer.op.name == "assign"
    )
    fits = fits and initializer.inputs[0].op is handle and (current is None or current in reads)
    if not fits or any(n.op.name != "read" or n.inputs[0].op is not handle for n in reads):
        raise FormatError(f"{where}: '{handle.name}' and what initializes and reads it do not fit together")
    if type(row["trainable"]) is not bool:
        raise FormatError(f"{where}: trainable must be true or false, not {shorten(row['trainable'])}")
    v = Variable.__new__(Variable)
    v.handle = handle.outputs[0]
    v.initial_value = initializer.inputs[1]
    v.initializer = initializer
    v.trainable = row["trainable"]
    v._scope = handle.name
    v._reads = [n.outputs[0] for n in reads]
    v._read = None if current is None else current.outputs[0]
    return v


def collections_of(
    value: Any, nodes: Sequence[Node], variables: Sequence[Variable], tables: Tables
) -> dict[str, list[Any]]:
    """The lists by their names."""
    if type(value) is not dict:
        raise FormatError(f"collections must be an object, not {shorten(value)}")
    found: dict[str, list[Any]] = {}
    for name, items in value.items():
        where = f"collection {shorten(name)}"
        found[name] = [_item(where, item, nodes, variables, tables) for item in listed(items, where)]
    return found


def _item(where: str, item: Any, nodes: Sequence[Node], variables: Sequence[Variable], tables: Tables) -> Any:
    if type(item) is not dict or len(item) != 1:
        raise FormatError(f"{where}: {shorten(item)} is no item")
    ((tag, content),) = item.items()
    if tag == "variable":
        return row_of(variables, content, f"{where}: variable")
    if tag == "node":
        return row_of(nodes, content, f"{where}: node")
    if tag == "tensor":
        return output_of(nodes, content)
    if tag == "value":
        return tables.attribute(content, _no_body)
    raise FormatError(f"{where}: {shorten(item)} is no item")


def _no_body(number: int) -> Body:
    raise FormatError("a collection holds a body")


def names_of(value: Any) -> dict[str, int]:
    """How often each name was asked for, so that new ones get the numbers that they would have got."""
    if type(value) is not dict:
        raise FormatError(f"names must be an object, not {shorten(value)}")
    for name, count in value.items():
        try:
            check_name(name)
        except NameError as error:
            raise FormatError(f"names: {error}") from None
        integer(count, f"the count of {shorten(name)}", 1, MAX_COUNT)
    return value
