"""The nodes of a body built again in the subgraph around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS
from graphflow.ops.body import learn
from graphflow.passes.bodies import is_row_major
from graphflow.subgraph import Subgraph
from graphflow.types import DimLike, substitute

__all__ = ["Inlining"]


class Inlining:
    """The pieces that take the place of one control-flow node, while they are put together.

    Nodes keep name and line, and have the control-flow node's device where they ask for none. They run after what that
    node ran after; what has effects runs after everything that the node needed too, so that the order of effects
    around it stays.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.nodes: list[Node] = []
        self._before = tuple(
            dict.fromkeys(
                [
                    *node.control_inputs,
                    *[t.op for t in node.inputs if t.op.op.name not in ("placeholder", "constant")],
                ]
            )
        )

    def add(self, body: Subgraph, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The results of `body` for `inputs`."""
        new: dict[Tensor, Tensor] = dict(zip(body.inputs, inputs, strict=True))
        moved: dict[Node, Node] = {}
        sizes: dict[str, DimLike] = {}
        for old, t in new.items():
            if old.type != t.type:
                learn(old.type.shape, t.type.shape, sizes)
        given = {t.op for t in body.inputs}
        for node in body.nodes:
            sources = tuple([new[t] for t in node.inputs])
            inside = [moved[n] for n in node.control_inputs if n not in given]
            outside = self._before if node.op.has_effect else self.node.control_inputs
            attrs = _substituted(node.attrs, sizes)
            fresh = moved[node] = self._made(
                node, node.op.name, sources, attrs, tuple(dict.fromkeys([*outside, *inside]))
            )
            for old, t in zip(node.outputs, fresh.outputs, strict=True):
                new[old] = t
                if attrs is node.attrs and all(
                    a.type == b.type for a, b in zip(sources, node.inputs, strict=True)
                ):
                    t.type = old.type
                elif old.type != t.type:
                    learn(old.type.shape, t.type.shape, sizes)
        return [new[t] for t in body.outputs]

    def apply(self, op: str, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any]) -> Tensor:
        """The output of a node of the pass's own."""
        return self._made(self.node, op, inputs, attrs, self.node.control_inputs).outputs[0]

    def own(self, t: Tensor) -> Tensor:
        """`t`, or a copy of it where it may be a strided view: control flow gives arrays of their own."""
        if is_row_major(t) or t.type.shape is None:
            return t
        return self.apply("concat", (t,), {"axis": 0})

    def result(self, t: Tensor) -> Tensor:
        """What stands for a result that is `t`; who uses it waits as before for effects, and for what the node waited for."""
        t = self.own(t)
        effects = [n for n in self.nodes if n.op.has_effect]
        waits = tuple(dict.fromkeys([*self.node.control_inputs, *effects]))
        return self._made(self.node, "identity", (t,), {}, waits).outputs[0] if waits else t

    @property
    def ends(self) -> tuple[Node, ...]:
        """What stands for the node's end: all that could be told to have run, or the last node, or what came before."""
        told = [n for n in self.nodes if not (n.op.is_silent and n.op.is_pure)]
        return tuple(told) or tuple(self.nodes[-1:]) or self.node.control_inputs

    def _made(
        self,
        like: Node,
        op: str,
        inputs: tuple[Tensor, ...],
        attrs: Mapping[str, Any],
        control: tuple[Node, ...],
    ) -> Node:
        fresh = detached(like, like.op if op == like.op.name else OPS[op], inputs, attrs, control)
        fresh.device = like.device or self.node.device
        self.nodes.append(fresh)
        return fresh


def _substituted(attrs: Mapping[str, Any], sizes: Mapping[str, DimLike]) -> Mapping[str, Any]:
    if not attrs or not sizes:
        return attrs
    changed = {name: substitute(value, sizes) for name, value in attrs.items()}
    return changed if any(changed[name] is not value for name, value in attrs.items()) else attrs
