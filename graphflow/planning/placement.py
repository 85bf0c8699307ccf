"""Where each node runs, with an explicit transfer on every edge that crosses two devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphflow.graph import Node, Tensor, detached
from graphflow.ops.transfer import TRANSFER
from graphflow.subgraph import Subgraph
from graphflow.types import STRING

__all__ = ["Placed", "place"]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A subgraph with transfers, and the device of every node and input tensor."""

    subgraph: Subgraph
    device: dict[Node, str]
    input_device: str


def place(subgraph: Subgraph, resolve: Callable[[str | None], str], io_device: str) -> Placed:
    """Give every node a device and insert transfers where an edge crosses.

    resolve: the canonical device for what a node asks (None: the default).
    io_device: where feeds arrive and fetches leave.
    A constant that asks for nothing goes to the device of its first user. O(V + E).
    """
    cache: dict[str | None, str] = {}
    device: dict[Node, str] = {}
    for node in subgraph.nodes:
        asked = node.device
        if asked not in cache:
            cache[asked] = resolve(asked)
        device[node] = cache[asked]
    if all(d == io_device for d in device.values()):
        return Placed(subgraph, device, io_device)
    for node in subgraph.nodes:
        if any(t.type.dtype is STRING for t in (*node.inputs, *node.outputs)):
            device[node] = io_device  # text stays on the host, wherever it was asked for
    for node in reversed(subgraph.nodes):
        for t in node.inputs:
            if t.op.op.name == "constant" and t.op.device is None and t.op in device:
                device[t.op] = device[node]
    nodes: list[Node] = []
    copies: dict[tuple[Tensor, str], Tensor] = {}
    fed = set(subgraph.inputs)
    new: dict[Tensor, Tensor] = {}
    moved: dict[Node, Node] = {}

    def on(t: Tensor, target: str) -> Tensor:
        source = io_device if t in fed else device[t.op]
        if source == target:
            return t
        copy = copies.get((t, target))
        if copy is None:
            attrs = {"source": source, "target": target}
            made = detached(t.op, TRANSFER, (t,), attrs, name=f"{t.op.name}/to_{target.replace(':', '_')}")
            device[made] = target
            nodes.append(made)
            copy = copies[t, target] = made.outputs[0]
        return copy

    for node in subgraph.nodes:
        where = device[node]
        inputs = tuple([on(new.get(t, t), where) for t in node.inputs])
        control = tuple([moved.get(n, n) for n in node.control_inputs])
        if (
            any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
            or control != node.control_inputs
        ):
            fresh = node.rebuilt(inputs, node.attrs, control)
            device[fresh] = where
            new.update(zip(node.outputs, fresh.outputs, strict=True))
            moved[node] = fresh
            node = fresh
        nodes.append(node)
    # a variable itself is fetched after the run's writes, from where it is: no transfer can stand for that
    outputs = tuple(
        [t if t.op.op.name == "variable" else on(new.get(t, t), io_device) for t in subgraph.outputs]
    )
    targets = tuple([moved.get(n, n) for n in subgraph.targets])
    return Placed(Subgraph(tuple(nodes), subgraph.inputs, outputs, targets), device, io_device)
