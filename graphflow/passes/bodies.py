"""The sub-graphs of control flow as passes see them: with the sizes of a run, rebuilt, and judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from graphflow.bind import bind
from graphflow.graph import BodyGraph, Node, Tensor, detached
from graphflow.op import OPS
from graphflow.ops.body import Body, Twins, body_types, learn
from graphflow.ops.conditional import COND
from graphflow.ops.loop import WHILE
from graphflow.ops.scan_op import SCAN
from graphflow.subgraph import Subgraph
from graphflow.types import Dim, DimLike, TensorType, substitute

__all__ = [
    "Roles",
    "body_of",
    "body_subgraph",
    "is_row_major",
    "kind_of",
    "param_like",
    "rewired",
    "roles_of",
    "sizes_in",
    "with_bodies",
]

_TWINS: Mapping[str, Twins] = {"cond": COND, "while_loop": WHILE, "scan": SCAN}


def kind_of(node: Node) -> str:
    """`"cond"`, `"while_loop"` or `"scan"`; empty for every other node."""
    if not node.op.is_control:
        return ""
    return node.op.default_name if node.op.default_name in _TWINS else ""


# --- who is who among inputs and outputs ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Roles:
    """How the inputs of a control-flow node and of its bodies belong together.

    `body.inputs[first + k]` stands for `node.inputs[lead + k]`: first the carried values, then the elements, then
    what is the same all the time. A branch has none of the former two.
    """

    lead: int
    first: int
    n_carry: int
    n_elems: int

    @property
    def consts(self) -> int:
        """Where in `node.inputs` those begin that are the same all the time."""
        return self.lead + self.n_carry + self.n_elems

    @property
    def body_consts(self) -> int:
        """Where in `body.inputs` their stand-ins begin."""
        return self.first + self.n_carry + self.n_elems

    def stack(self, node: Node, k: int) -> int:
        """Which output of a loop is the stack of carried value `k` before each iteration."""
        return len(node.outputs) - self.n_carry + k


def roles_of(node: Node) -> Roles:
    """The roles of the inputs of a branch, loop or scan."""
    if node.op.default_name == "cond":
        return Roles(1, 0, 0, 0)
    return Roles(0, 1, node.attrs["n_carry"], node.attrs.get("n_elems", 0))


# --- bodies as subgraphs, and back ------------------------------------------------------------------


def body_subgraph(node: Node, number: int) -> Subgraph:
    """Body `number` of a control-flow node, with every type as exact as the node's inputs let it be.

    Its outputs stand in their order, its effects are the targets. The same nodes as in the body where no type
    becomes more exact. O(nodes of the body).
    """
    body: Body = node.attrs["bodies"][number]
    whole = Subgraph(body.nodes, body.inputs, body.outputs, body.effects)
    given = body_types(node)[number]
    sizes: dict[str, DimLike] = {name: d for name, d in node.attrs["sizes"] if type(d) is int}
    for t, exact in zip(body.inputs, given, strict=True):
        if exact.is_static and not t.type.is_static:
            learn(t.type.shape, exact.shape, sizes)
    types = [
        exact if exact.is_static else TensorType(t.type.dtype, substitute(t.type.shape, sizes))
        for t, exact in zip(body.inputs, given, strict=True)
    ]
    return bind(whole, types, sizes)[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """Stands where a traced body has its graph: of that, a plan asks for the nodes alone."""

    operations: tuple[Node, ...]


def body_of(subgraph: Subgraph) -> Body:
    """A frozen body that computes a subgraph. Its effects are the targets and every node that has effects."""
    effects = dict.fromkeys([*[n for n in subgraph.nodes if n.op.has_effect], *subgraph.targets])
    return Body(
        cast(BodyGraph, _Nodes(subgraph.nodes)),
        subgraph.inputs,
        (),
        subgraph.outputs,
        tuple(effects),
        subgraph.nodes,
    )


def with_bodies(
    node: Node, inputs: tuple[Tensor, ...], bodies: Sequence[Body], kept: Iterable[int], **attrs: Any
) -> Node:
    """A control-flow node with other inputs and bodies.

    kept: for each output that it then has, which one of the old node that is; types that are not exact stay those of
    the old node, by whose names attributes elsewhere speak of sizes. attrs: those that change beside `bodies`.
    """
    merged = {**node.attrs, "bodies": tuple(bodies), **attrs}
    if "step" in merged:
        merged["step"] = bodies[0]
    op = _TWINS[kind_of(node)].choose(bodies)
    fresh = detached(node, op, inputs, merged, node.control_inputs)
    for t, k in zip(fresh.outputs, kept, strict=True):
        if not t.type.is_static:
            t.type = node.outputs[k].type
    return fresh


def param_like(t: Tensor) -> Tensor:
    """A new input of a body, which stands for `t`."""
    attrs = {"dtype": t.type.dtype, "shape": t.type.shape}
    return detached(t.op, OPS["placeholder"], (), attrs).outputs[0]


def rewired(subgraph: Subgraph, inputs: tuple[Tensor, ...], new: dict[Tensor, Tensor]) -> Subgraph:
    """A body with `inputs`, in which other tensors, of the same types, take the place of some that it had or made."""
    new = dict(new)
    moved: dict[Node, Node] = {}
    nodes: dict[Node, None] = {t.op: None for t in new.values() if t.op.op.name == "constant"}
    for node in subgraph.nodes:
        if any(t in new for t in node.inputs) or any(n in moved for n in node.control_inputs):
            sources = tuple([new.get(t, t) for t in node.inputs])
            control = tuple([moved.get(n, n) for n in node.control_inputs])
            fresh = moved[node] = node.rebuilt(sources, node.attrs, control)
            for old, t in zip(node.outputs, fresh.outputs, strict=True):
                new.setdefault(old, t)
            node = fresh
        nodes[node] = None
    outputs = tuple([new.get(t, t) for t in subgraph.outputs])
    targets = tuple([moved.get(n, n) for n in subgraph.targets])
    return Subgraph(tuple(nodes), inputs, outputs, targets)


# --- judgements -------------------------------------------------------------------------------------


def is_row_major(t: Tensor) -> bool:
    """True if the array of a value is surely C-contiguous, as the results of control flow always are.

    NumPy adds up strided arrays in another order, so that a pass must not hand on a view in the place of a copy.
    What a body is given may be a view from outside. O(views in a row).
    """
    if t.type.shape == ():
        return True
    views = []
    while t.op.op.is_view:
        views.append(t)
        t = t.op.inputs[0]
    if t.op.op.name == "placeholder" and not isinstance(t.op.graph, BodyGraph):
        contiguous = True  # a fed array
    else:
        contiguous = t.op.op.name != "placeholder"
    for view in reversed(views):
        answer = view.op.op.view(view.op.inputs[0].type, view.type, view.op.attrs, contiguous)
        contiguous = answer is None or bool(answer)
    return contiguous


def sizes_in(attrs: Mapping[str, Any]) -> bool:
    """True if an attribute speaks of a size that is not known yet."""
    stack = list(attrs.values())
    while stack:
        value = stack.pop()
        if type(value) is Dim:
            return True
        if type(value) is tuple:
            stack.extend(value)
    return False
