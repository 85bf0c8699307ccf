"""Concatenations, splits and repetitions that undo one another or do nothing. All of these rules keep every bit."""

from __future__ import annotations

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, combined
from graphflow.passes.operands import in_place_of, lies_in_rows, made, maker, respelled, stand_in
from graphflow.passes.rules import Inputs

__all__ = ["JOINING"]


def _axis(node: Node) -> int | None:
    """The axis of a concatenation or a split, counted from the front; None where the rank is unknown."""
    shape = node.inputs[0].type.shape
    return None if shape is None else node.attrs["axis"] % len(shape)


def concat_of_one(node: Node, inputs: Inputs) -> Inputs | None:
    return stand_in(node, inputs[0]) if len(inputs) == 1 else None


def concat_of_parts(node: Node, inputs: Inputs) -> Inputs | None:
    """concat(split(x)) = x."""
    parts = maker(inputs[0], "split", "split_like")
    if parts is None or len(parts.outputs) != len(inputs) or _axis(parts) != _axis(node):
        return None
    if any(a is not b for a, b in zip(parts.outputs, inputs, strict=True)):
        return None
    return stand_in(node, parts.inputs[0])


def concat_of_concat(node: Node, inputs: Inputs) -> Inputs | None:
    """concat(concat(a, b), c) = concat(a, b, c)."""
    axis = _axis(node)
    flat: list[Tensor] = []
    for t in inputs:
        inner = maker(t, "concat")
        flat.extend((t,) if inner is None or _axis(inner) != axis else inner.inputs)
    if axis is None or len(flat) == len(inputs):
        return None
    return respelled(node, made(node, "concat", *flat, axis=axis))


def split_into_one(node: Node, inputs: Inputs) -> Inputs | None:
    return stand_in(node, inputs[0]) if len(node.outputs) == 1 else None


def split_of_concat(node: Node, inputs: Inputs) -> Inputs | None:
    """split(concat(a, b)) = a, b where the sizes are the same."""
    whole = maker(inputs[0], "concat")
    if whole is None or len(whole.inputs) != len(node.outputs) or _axis(whole) != _axis(node):
        return None
    for t, old in zip(whole.inputs, node.outputs, strict=True):
        if t.type != old.type or t.type.shape is None or t.op.op.name == "variable" or not lies_in_rows(t):
            return None
        if node.device is not None and node.device != t.op.device:
            return None
    return whole.inputs


def repeated_once(node: Node, inputs: Inputs) -> Inputs | None:
    """Repetitions by 1, rolls by 0 places, borders of no width."""
    attrs = node.attrs
    name = node.op.name
    if name == "tile":
        idle = all(r == 1 for r in attrs["repetitions"])
    elif name == "repeat":
        idle = attrs["repeats"] == 1
    elif name == "roll":
        idle = all(s == 0 for s in attrs["shift"])
    else:
        idle = all(before == 0 == after for before, after in attrs["paddings"])
    return stand_in(node, inputs[0]) if idle else None


def rolled_twice(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "roll")
    if inner is None or inner.attrs["axis"] != node.attrs["axis"]:
        return None
    shift = tuple([a + b for a, b in zip(inner.attrs["shift"], node.attrs["shift"], strict=True)])
    return in_place_of(node, made(node, "roll", inner.inputs[0], shift=shift, axis=node.attrs["axis"]))


JOINING = combined(
    {
        "concat": {
            **dict.fromkeys(("split", "split_like"), (concat_of_parts,)),
            "concat": (concat_of_concat,),
            ALWAYS: (concat_of_one,),
        },
        "split": {"concat": (split_of_concat,), ALWAYS: (split_into_one,)},
        "split_like": {"concat": (split_of_concat,), ALWAYS: (split_into_one,)},
        "roll": {"roll": (rolled_twice,)},
    },
    {name: {ALWAYS: (repeated_once,)} for name in ("tile", "repeat", "roll", "pad", "mirror_pad")},
)
