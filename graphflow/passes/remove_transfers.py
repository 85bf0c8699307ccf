"""Values cross from device to device only where they must, and as few bytes of them as will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS, Op
from graphflow.ops.constant import CONSTANT
from graphflow.ops.transfer import TRANSFER
from graphflow.passes.bodies import is_row_major
from graphflow.subgraph import Subgraph, prune

__all__ = ["MOST_BACK", "remove_transfers"]

MOST_BACK = 16
"""How many nodes a transfer is looked back through."""

_FILLS = ("full", "eye")


def remove_transfers(
    subgraph: Subgraph, device: Mapping[Node, str], input_device: str
) -> tuple[Subgraph, dict[Node, str]]:
    """Replace transfers of a placed subgraph by cheaper ones, or by none.

        %1 = transfer(%x, source='cpu:0', target='gpu:0')
        %2 = reshape(%1, shape=(6,))                        becomes   %1 = reshape(%x, shape=(6,))
        %3 = transfer(%2, source='gpu:0', target='cpu:0')             where %3 was used

    device: where every node is; input_device: where what is fed is. Gives the same for what comes out.
    - Back to where it came from: the value there is used again, through views if need be.
    - The same value moved twice, or views of one: it moves once.
    - Constants and fills are made where they are used. Of what is broadcast, widened by a cast, or sliced and put
      back, the smallest form moves, and the rest is done where it is used.
    Only ops that move or widen elements change their device, so that every bit stays; a view is copied where a
    transfer would have given a contiguous array. Runs after placement and reads sizes. O((V + E) * MOST_BACK).
    """
    if not any(node.op is TRANSFER for node in subgraph.nodes):
        return subgraph, dict(device)
    return _Moves(subgraph, device, input_device).result()


class _Moves:
    """The walk over one subgraph."""

    def __init__(self, subgraph: Subgraph, device: Mapping[Node, str], input_device: str) -> None:
        self.subgraph = subgraph
        self.device = dict(device)
        self.input_device = input_device
        self.fed = set(subgraph.inputs)
        self.nodes: list[Node] = []
        self.copies: dict[tuple[Tensor, str], Tensor] = {}

    def result(self) -> tuple[Subgraph, dict[Node, str]]:
        new: dict[Tensor, Tensor] = {}
        moved: dict[Node, Node] = {}
        for node in self.subgraph.nodes:
            inputs = tuple([new.get(t, t) for t in node.inputs])
            if node.op is TRANSFER and not node.control_inputs:
                new[node.outputs[0]] = self._moved(inputs[0], node)
                continue
            control = tuple([moved.get(n, n) for n in node.control_inputs])
            same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            if not same or control != node.control_inputs:
                fresh = moved[node] = node.rebuilt(inputs, node.attrs, control)
                new.update(zip(node.outputs, fresh.outputs, strict=True))
                self.device[fresh] = self.device[node]
                node = fresh
            self.nodes.append(node)
        made_nodes = dict.fromkeys(self.nodes)
        if len(made_nodes) == len(self.subgraph.nodes) and all(n in made_nodes for n in self.subgraph.nodes):
            return self.subgraph, self.device
        outputs = tuple([new.get(t, t) for t in self.subgraph.outputs])
        targets = tuple([moved.get(n, n) for n in self.subgraph.targets])
        pruned = prune(Subgraph(tuple(made_nodes), self.subgraph.inputs, outputs, targets))
        return pruned, self.device

    def _place(self, t: Tensor) -> str:
        return self.input_device if t in self.fed else self.device[t.op]

    def _moved(self, t: Tensor, transfer: Node) -> Tensor:
        """The value of `t` on the transfer's target."""
        target = transfer.attrs["target"]
        known = self.copies.get((t, target))
        if known is not None:
            return known
        chain = self._chain(t)
        start = self._start(chain, target)
        value = self._there(chain[start], target, transfer)
        for later in reversed(chain[:start]):
            value = self._make(later.op, later.op.op, (value,), later.op.attrs, target)
        if value.type.shape and not is_row_major(value):  # as a transfer would have made it
            value = self._make(t.op, OPS["concat"], (value,), {"axis": 0}, target)
        self.copies[t, target] = value
        return value

    def _chain(self, t: Tensor) -> list[Tensor]:
        """`t`, and what it was made of by ops that only move or widen elements."""
        chain = [t]
        while len(chain) < MOST_BACK and t not in self.fed and t.type.shape is not None and _is_movable(t.op):
            t = t.op.inputs[0]
            chain.append(t)
        return chain

    def _start(self, chain: list[Tensor], target: str) -> int:
        """Which of a chain is best to have on the target: one that is there already, else the smallest."""
        sizes: list[int | None] = [t.type.nbytes for t in chain]
        for k, t in enumerate(chain):
            if self._is_free(t, target):
                return k
        best = 0
        for k, size in enumerate(sizes):
            least = sizes[best]
            if size is not None and least is not None and size < least:
                best = k
        return best

    def _is_free(self, t: Tensor, target: str) -> bool:
        """True if the value is on the target, or can be made there of nothing."""
        if (t, target) in self.copies or self._place(t) == target:
            return True
        if t in self.fed:
            return False
        node = t.op
        if node.op is TRANSFER:
            return bool(node.attrs["source"] == target)
        return node.op is CONSTANT or (node.op.name in _FILLS and not node.control_inputs)

    def _there(self, t: Tensor, target: str, transfer: Node) -> Tensor:
        """The value on the target: used again, made again, or moved."""
        if (t, target) in self.copies:
            return self.copies[t, target]
        if self._place(t) == target:
            return t
        if t not in self.fed:
            if t.op.op is TRANSFER and t.op.attrs["source"] == target:
                return t.op.inputs[0]
            if t.op.op is CONSTANT or (t.op.op.name in _FILLS and not t.op.control_inputs):
                return self._make(t.op, t.op.op, (), t.op.attrs, target)
        if transfer.inputs[0] is t:
            self.nodes.append(transfer)
            made = transfer.outputs[0]
        else:
            attrs = {"source": self._place(t), "target": target}
            made = self._make(transfer, TRANSFER, (t,), attrs, target)
        self.copies[t, target] = made
        return made

    def _make(
        self, like: Node, op: Op, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any], target: str
    ) -> Tensor:
        node = detached(like, op, inputs, attrs)
        node.device = self.device[node] = target
        self.nodes.append(node)
        return node.outputs[0]


def _is_movable(node: Node) -> bool:
    """True for views, and for casts that lose nothing: ops that give the same bits wherever they run."""
    if node.control_inputs or len(node.inputs) != 1 or not (node.op.is_pure and node.op.is_silent):
        return False
    if node.op.name == "cast":
        before, after = node.inputs[0].type.dtype, node.outputs[0].type.dtype
        plain = before.kind in "biuf" and after.kind in "biuf"
        return plain and after.itemsize > before.itemsize and np.can_cast(before, after, "safe")
    return node.op.is_view
