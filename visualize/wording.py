"""The words on and behind a box: its two lines, its tooltip, and the values of small constants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graphflow.errors import shorten
from graphflow.graph import Node
from graphflow.visualize.diagram import Kind
from graphflow.visualize.subject import body_sizes, constant_array
from graphflow.visualize.typography import format_nbytes

__all__ = [
    "chip_text",
    "counted",
    "describe_node",
    "is_chip_value",
    "kind_of",
    "node_detail",
    "node_title",
    "own_name",
]

MAX_CHIP_ELEMENTS = 4
"""Constants of at most so many elements are written out as chips."""

_KINDS = {
    "placeholder": Kind.INPUT,
    "variable": Kind.VARIABLE,
    "constant": Kind.CONSTANT,
    "transfer": Kind.TRANSFER,
    "fused": Kind.FUSED,
}
_MAX_LISTED = 8
_COUNTER = re.compile(r"_\d+$")


def kind_of(node: Node) -> Kind:
    """How a node is drawn."""
    return _KINDS.get(node.type, Kind.OP)


def own_name(node: Node) -> str:
    """The last part of the name if somebody chose it, or "" if it only repeats the op."""
    last = node.name.rpartition("/")[2]
    bare = _COUNTER.sub("", last).lower()
    return "" if bare in (node.type.lower(), node.op.default_name.lower()) else last


def node_title(node: Node, scope: str) -> tuple[str, str]:
    """Line 1, bold and plain: the op with a name of its own; the name alone for what holds a value.

    scope: the start of the name that the picture shows elsewhere, as a panel's title.
    """
    if kind_of(node) in (Kind.INPUT, Kind.VARIABLE, Kind.CONSTANT):
        return node.name.removeprefix(scope), ""
    return node.type, own_name(node)


def node_detail(node: Node, nbytes: Mapping[Node, int]) -> str:
    """Line 2: what comes out, and in a plan its bytes."""
    types = [str(t.type) for t in node.outputs]
    parts = [", ".join(types)] if len(types) <= 2 else [f"{len(types)} outputs"]
    if nbytes.get(node):
        parts.append(format_nbytes(nbytes[node]))
    sizes = body_sizes(node)
    if sizes:
        parts.append(f"{' + '.join(map(str, sizes))} ops inside")
    return " · ".join(part for part in parts if part)


def counted(count: int, noun: str) -> str:
    """`1 op`, `1 584 ops`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}".replace(",", " ")


def is_chip_value(node: Node) -> bool:
    """True for a constant so small that its value is the best picture of it."""
    if kind_of(node) is not Kind.CONSTANT or node.control_inputs:
        return False
    array = constant_array(node)
    return array is not None and array.size <= MAX_CHIP_ELEMENTS


def chip_text(node: Node) -> str:
    """`0.01`, `lr = 0.01` or `[2, 3]`: the value of a small constant."""
    value = _value_text(constant_array(node).tolist())
    name = own_name(node)
    return f"{name} = {value}" if name else value


def _value_text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value_text, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_node(node: Node, nbytes: Mapping[Node, int]) -> str:
    """The tooltip: everything about a node, one fact a line."""
    lines = [node.name, *(f"{node.type} → {t.type}" for t in node.outputs[:_MAX_LISTED])]
    if not node.outputs:
        lines.append(node.type)
    lines += _listed("in", [f"{t.name}  {t.type}" for t in node.inputs[:_MAX_LISTED]], len(node.inputs))
    after = [control.name for control in node.control_inputs[:_MAX_LISTED]]
    lines += _listed("after", after, len(node.control_inputs))
    for key in list(node.attrs)[:_MAX_LISTED]:
        lines.append(f"{key} = {shorten(node.attrs[key], 60)}")
    if nbytes.get(node):
        lines.append(format_nbytes(nbytes[node]))
    if node.device is not None:
        lines.append(f"on {node.device}")
    if node.cause is not None:
        lines.append(f"gradient of {node.cause.name}, made at {node.cause.origin}")
    lines.append(f"made at {node.origin} in {node.origin.function}")
    return "\n".join(lines)


def _listed(word: str, shown: list[str], count: int) -> list[str]:
    lines = [f"{word}: {text}" for text in shown]
    return lines if count <= len(shown) else [*lines, f"{word}: {count - len(shown)} more"]
