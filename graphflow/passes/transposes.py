"""Transposes on both sides of elementwise ops cancel: what is between is computed in the order that the data have."""

from __future__ import annotations

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, OperandRules
from graphflow.passes.operands import ROUNDED_ONCE, Readers, in_place_of, kind, maker, reads_any_layout
from graphflow.passes.rules import Inputs

__all__ = ["transposes_around"]

_MOST_NODES = 12
"""Nodes between two transposes that are looked through."""


def transposes_around(readers: Readers, *, exact: bool) -> OperandRules:
    """permute_dims(f(permute_dims(x))) = f(x), where the second transposition undoes the first.

    exact: only where nobody can tell that operands and result lie otherwise in memory than before.
    """

    def transposed_back(node: Node, inputs: Inputs) -> Inputs | None:
        axes = node.attrs["axes"]
        if axes is None or not inputs[0].op.op.is_elementwise or any(a < 0 for a in axes):
            return None
        if exact and inputs[0].op.op.name not in ROUNDED_ONCE:
            return None
        back = tuple(sorted(range(len(axes)), key=axes.__getitem__))
        cone = _between(inputs[0], back, exact)
        if not cone or not readers.only_one(*[part.outputs[0] for part in cone]):
            return None
        if exact and not all(reads_any_layout(user) for user in readers.users(node.outputs[0])):
            return None
        new: dict[Tensor, Tensor] = {}
        for part in cone:
            operands = tuple([new[t] if t in new else _untransposed(t) for t in part.inputs])
            new[part.outputs[0]] = part.rebuilt(operands, part.attrs, ()).outputs[0]
        return in_place_of(node, new[inputs[0]])

    return {"permute_dims": {ALWAYS: (transposed_back,)}}


def _between(t: Tensor, axes: tuple[int, ...], exact: bool) -> list[Node] | None:
    """The elementwise nodes from transposed operands to `t`, in order; None if an operand is neither that nor a scalar."""
    found: list[Node] = []
    stack = [t]
    crossed = False
    while stack:
        t = stack.pop()
        if t.type.shape == ():
            continue
        moved = maker(t, "permute_dims")
        if moved is not None and moved.attrs["axes"] == axes:
            crossed = True
            continue
        part = t.op
        if not part.op.is_elementwise or part.control_inputs or len(found) == _MOST_NODES:
            return None
        if exact and part.op.name not in ROUNDED_ONCE:
            return None
        if t.type.shape is None or len(t.type.shape) != len(axes) or any(kind(x) == "c" for x in part.inputs):
            return None
        found.append(part)
        stack.extend(part.inputs)
    return found[::-1] if crossed else None


def _untransposed(t: Tensor) -> Tensor:
    return t if t.type.shape == () else t.op.inputs[0]
