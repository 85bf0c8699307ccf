"""What passes that recognise several nodes at once share: who reads a value, what a value is, and new nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from graphflow.graph import Graph, Node, Tensor, detached, make_node, scoped
from graphflow.op import OPS, F
from graphflow.ops.constant import CONSTANT, Literal, constant_value
from graphflow.subgraph import Subgraph, cut
from graphflow.types import dims_equal, normalize_axes

__all__ = [
    "Now",
    "Plan",
    "Uses",
    "added",
    "axes_of",
    "composed",
    "factored",
    "is_kept_sum",
    "make",
    "number",
    "rewrite_planned",
    "same_shape",
    "scalar",
]

Now = Callable[[Tensor], Tensor]
"""A tensor of the subgraph before the rewrite -> what stands for it now."""


class Plan(NamedTuple):
    """What will take the place of a node.

    build: given `Now`, the tensors in place of the node's outputs. ends: nodes that nothing needs any more then, which
    other rules leave alone.
    """

    rule: str
    build: Callable[[Now], Sequence[Tensor]]
    ends: Sequence[Node] = ()


# --- who reads what -------------------------------------------------------------------------------

_SHAPE_LENDERS = ("broadcast_to_like", "reshape_like", "sum_to_like")
"""Ops that read the first operand alone: of the others they want the shape."""


class Uses:
    """Who reads each value of a subgraph. Counted when first asked for, in O(V + E): most graphs have nothing to match."""

    def __init__(self, subgraph: Subgraph) -> None:
        self._subgraph = subgraph
        self._fed = frozenset(subgraph.inputs)

    def made(self, t: Tensor, *ops: str) -> Node | None:
        """The node that makes `t` if it is one of these ops; None for fed tensors, and after control edges."""
        node = t.op
        if node.op.name in ops and not node.control_inputs and t not in self._fed:
            return node
        return None

    @cached_property
    def _readers(self) -> tuple[dict[Tensor, Node], dict[Tensor, list[Node]]]:
        """The last node that reads a value, and all others where there are some: most values are read once."""
        last: dict[Tensor, Node] = {}
        others: dict[Tensor, list[Node]] = {}
        kept = self.kept
        for node in reversed(self._subgraph.nodes):
            op = node.op
            if op.is_pure and node not in kept:
                for t in node.outputs:
                    if t in last:
                        break
                else:
                    continue
            if op.shape_only:
                continue
            for t in node.inputs[:1] if op.name in _SHAPE_LENDERS else node.inputs:
                if t not in last:
                    last[t] = node
                elif t in others:
                    others[t].append(node)
                else:
                    others[t] = [node]
        return last, others

    @cached_property
    def kept(self) -> frozenset[Node]:
        """Nodes needed whoever reads them: fetched, run for their effect, or before another by a control edge."""
        kept = {t.op for t in self._subgraph.outputs}
        kept.update(self._subgraph.targets)
        for node in self._subgraph.nodes:
            if node.control_inputs:
                kept.update(node.control_inputs)
        return frozenset(kept)

    @cached_property
    def place(self) -> Mapping[Node, int]:
        """The position of each node."""
        return {node: k for k, node in enumerate(self._subgraph.nodes)}

    def of(self, t: Tensor) -> list[Node]:
        """The nodes that read `t`, once for each operand that it is, the last first.

        Those that only want its shape do not count, nor do nodes that nobody reads for more: they need no value once
        sizes are known, so they keep nothing from being rewritten.
        """
        last, others = self._readers
        node = last.get(t)
        return [] if node is None else [node, *others.get(t, ())]

    def is_private(self, t: Tensor) -> bool:
        """Whether `t` is read once and needed for nothing else."""
        last, others = self._readers
        return t in last and t not in others and t.op not in self.kept

    def only_readers(self, node: Node) -> Iterator[Node]:
        """The one node that needs what `node` makes, and reads it once; the one that needs that; and so on."""
        last, others = self._readers
        while node not in self.kept:
            t = node.outputs[0]
            reader = last.get(t)
            if reader is None or t in others or reader.control_inputs or len(reader.outputs) != 1:
                return
            node = reader
            yield node

    def end_with(self, root: Node, inner: Iterable[Node]) -> bool:
        """Whether nothing needs the inner nodes but one another and `root`: they go when it is replaced."""
        group = {root, *inner}
        for node in group:
            if node is root:
                continue
            if node in self.kept or any(r not in group for t in node.outputs for r in self.of(t)):
                return False
        return True


def rewrite_planned(subgraph: Subgraph, plans: Mapping[Node, Plan]) -> Subgraph:
    """Put what is planned in place of each node. Plans speak of the tensors of `subgraph` itself. O(V + E)."""
    if not plans:
        return subgraph
    changed: dict[Tensor, Tensor] = {}
    rule = [""]

    def now(t: Tensor) -> Tensor:
        return changed.get(t, t)

    def replace(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        if inputs is not node.inputs:
            changed.update(zip(node.inputs, inputs, strict=True))
        plan = plans.get(node)
        if plan is None:
            return None
        rule[0] = plan.rule
        made = tuple(plan.build(now))
        changed.update(zip(node.outputs, made, strict=True))
        return made

    return subgraph.rewrite(replace, lambda: rule[0])


# --- what a value is ------------------------------------------------------------------------------


def number(t: Tensor) -> float | None:
    """The one real number that a constant holds everywhere; None for anything else."""
    node = t.op
    if node.op.name == "cast":
        node = node.inputs[0].op
    if node.op.name == "full":
        value = node.attrs["value"]
        return float(value) if isinstance(value, (int, float)) else None
    array = constant_value(node.outputs[0])
    if array is None or array.size != 1 or array.dtype.kind in "cO":
        return None
    return float(array.reshape(())[()])


def same_shape(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors surely have the same shape."""
    first, second = a.type.shape, b.type.shape
    if first is None or second is None or len(first) != len(second):
        return False
    return first == second or all(dims_equal(x, y) for x, y in zip(first, second, strict=True))


def axes_of(node: Node) -> tuple[int, ...] | None:
    """The axes that a reduction folds, counted from 0; None where the rank is unknown."""
    shape = node.inputs[0].type.shape
    return None if shape is None else tuple(sorted(normalize_axes(node.attrs["axis"], len(shape))))


def is_kept_sum(t: Tensor, node: Node) -> bool:
    """Whether `t`, the folded tensor of `node` or a reshaping of it, has 1 in the place of the folded axes.

    So that it broadcasts against what was folded as it should. A scalar does so for a sum over everything.
    """
    axes, given, shape = axes_of(node), node.inputs[0].type.shape, t.type.shape
    if axes is None or given is None or shape is None:
        return False
    if len(axes) == len(given) and all(type(d) is int and d == 1 for d in shape):
        return len(shape) <= len(given)
    wanted = [1 if k in axes else d for k, d in enumerate(given)]
    lead = len(wanted) - len(shape)  # axes of size 1 in front may be missing
    if lead < 0 or not all(k in axes for k in range(lead)):
        return False
    return all(dims_equal(a, b) for a, b in zip(wanted[lead:], shape, strict=True))


def factored(uses: Uses, t: Tensor, most: int = 8) -> tuple[float, list[Tensor], list[Node]]:
    """A product as (the product of its constants and signs, its other factors, the nodes that make it).

    Looks into factors that nothing else reads, up to `most` nodes deep.
    """
    constant = 1.0
    factors: list[Tensor] = []
    nodes: list[Node] = []
    stack = [t]
    while stack:
        part = stack.pop()
        value = number(part)
        node = uses.made(part, "multiply", "negative") if len(nodes) < most else None
        if value is not None:
            constant *= value
        elif node is not None and (part is t or uses.is_private(part)):
            nodes.append(node)
            if node.op.name == "negative":
                constant = -constant
            stack.extend(reversed(node.inputs))
        else:
            factors.append(part)
    return constant, factors, nodes


def added(uses: Uses, t: Tensor, most: int = 8) -> tuple[list[tuple[int, Tensor]], list[Node]]:
    """A sum as (its terms with their signs, the nodes that make it); looks into terms as `factored` into factors."""
    terms: list[tuple[int, Tensor]] = []
    nodes: list[Node] = []
    stack = [(1, t)]
    while stack:
        sign, part = stack.pop()
        node = uses.made(part, "add", "subtract", "negative") if len(nodes) < most else None
        if node is None or not (part is t or uses.is_private(part)):
            terms.append((sign, part))
            continue
        nodes.append(node)
        last = sign if node.op.name == "add" else -sign
        stack.append((last, node.inputs[-1]))
        if len(node.inputs) == 2:
            stack.append((sign, node.inputs[0]))
    return terms, nodes


# --- new nodes ------------------------------------------------------------------------------------

_DECLARED_WITH = {"lowered": "sigmoid"}
"""Public functions of the modules that declare ops which have none of their own name."""


def make(like: Node, op: str, *inputs: Tensor, **attrs: Any) -> Tensor:
    """The output of a new node of one output, with the user's line of `like`."""
    if op not in OPS:  # declared in a module that is imported on first use
        getattr(F, _DECLARED_WITH.get(op, op))
    return detached(like, OPS[op], inputs, attrs).outputs[0]


def scalar(like: Node, value: float, dtype: np.dtype[Any]) -> Tensor:
    """A constant of no axes."""
    return detached(like, CONSTANT, (), {"value": Literal(np.array(value, dtype))}).outputs[0]


def composed(like: Node, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """What a public function that is a composition gives for these tensors, as new nodes with the user's line of `like`.

    The function builds its nodes in a graph of its own, which is dropped; types are inferred again as they are copied.
    """
    with scoped(graph=Graph(), prefix="", device=None, control=(), cause=None, eager=None):
        stand_ins = [_placeholder(t) for t in inputs]
        result = function(*stand_ins)
    made = dict(zip(stand_ins, inputs, strict=True))
    for node in cut([result], stand_ins).nodes:
        copied = detached(like, node.op, tuple([made[t] for t in node.inputs]), node.attrs)
        made.update(zip(node.outputs, copied.outputs, strict=True))
    return made[result]


def _placeholder(t: Tensor) -> Tensor:
    attrs = {"dtype": t.type.dtype, "shape": t.type.shape}
    return make_node(OPS["placeholder"], (), attrs).outputs[0]
