"""The frozen sub-graph of a branch or loop: its types for other inputs, and its nodes built again elsewhere.

How the runtime meets one: a control-flow kernel is called as `kernel(xp, *inputs, bodies, used, **attrs)`.
`bodies` holds, in the order of `attrs["bodies"]`, one callable for each Body, which takes the list of
arrays for `body.inputs` and gives the list for `body.outputs`, in arrays of their own that later calls leave
alone; it runs `body.effects` too. `used` says for each output of the node whether anything needs it; the
kernel gives None for stacks that nothing needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.errors import GradientError, GraphflowError
from graphflow.graph import BodyGraph, Node, Tensor, current_scope, make_node, scoped
from graphflow.op import OPS, Op, Trait, declare
from graphflow.types import SUPPORTED, Dim, DimLike, Shape, TensorType, substitute

__all__ = [
    "INDEX",
    "Body",
    "Twins",
    "body_types",
    "declare_twins",
    "infer_body",
    "inline",
    "learn",
    "needed",
    "parameter",
    "symbols_in",
]

INDEX = TensorType(SUPPORTED["int64"], ())
"""The type of a loop's running index."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A traced branch or loop body, frozen; compared by identity.

    graph: where its nodes live. inputs: explicit parameters, then stand-ins for `captures`, tensors of the
    graph around it. outputs: what it gives. effects: nodes that run whenever it runs.
    nodes: all that outputs and effects need, in an order that respects every edge.
    """

    graph: BodyGraph
    inputs: tuple[Tensor, ...]
    captures: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    effects: tuple[Node, ...]
    nodes: tuple[Node, ...]

    def __repr__(self) -> str:
        return f"<Body of {len(self.nodes)} operations>"


def needed(roots: Iterable[Node], known: Iterable[Tensor], *, control: bool = True) -> tuple[Node, ...]:
    """The nodes that `roots` need when `known` tensors are given, in the order of their making."""
    given = {t.op for t in known}
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node in seen or node in given:
            continue
        seen.add(node)
        stack.extend([t.op for t in node.inputs])
        if control:
            stack.extend(node.control_inputs)
    return tuple(sorted(seen, key=lambda n: n.id))


# --- sizes and types --------------------------------------------------------------------------------


def learn(declared: Shape | None, actual: Sequence[DimLike] | None, sizes: dict[str, DimLike]) -> None:
    """Note the size of every symbol that stands alone, or multiplied and shifted by ints, in a declared shape."""
    if declared is None or actual is None or len(declared) != len(actual):
        return
    for d, size in zip(declared, actual, strict=True):
        if not isinstance(d, Dim):
            continue
        shift = sum(c for monomial, c in d.terms if not monomial)
        terms = [(monomial, c) for monomial, c in d.terms if monomial]
        if len(terms) != 1 or len(terms[0][0]) != 1:
            continue
        ((symbol,), factor) = terms[0]
        if isinstance(size, int) and (size - shift) % factor == 0:
            sizes.setdefault(symbol, (size - shift) // factor)
        elif factor == 1 and shift == 0:
            sizes.setdefault(symbol, size)


def symbols_in(nodes: Iterable[Node]) -> tuple[tuple[str, Dim], ...]:
    """The symbols in the nodes' attributes, each beside itself as a dimension.

    Kept as an attribute of the control-flow node: there a run's sizes take the dimensions' place.
    """
    found: dict[str, Dim] = {}
    for node in nodes:
        stack = list(node.attrs.values())
        while stack:
            value = stack.pop()
            if isinstance(value, Dim):
                found.update((name, Dim(name)) for name in value.symbols)
            elif isinstance(value, tuple):
                stack.extend(value)
    return tuple(sorted(found.items(), key=lambda item: item[0]))


def infer_body(
    body: Body, types: Sequence[TensorType], sizes: Iterable[tuple[str, DimLike]] = ()
) -> list[TensorType]:
    """The types of a body's outputs for inputs of other types than it was traced with.

    sizes: what the attribute that `symbols_in` made has become. Raises the user's ShapeError, with the line
    of the node inside the body. Cost: O(nodes), or nothing where the types are those of the trace.
    """
    if all(t.type == given for t, given in zip(body.inputs, types, strict=True)):
        return [t.type for t in body.outputs]
    known: dict[Tensor, TensorType] = dict(zip(body.inputs, types, strict=True))
    found: dict[str, DimLike] = {name: d for name, d in sizes if d != Dim(name)}
    for t, given in zip(body.inputs, types, strict=True):
        learn(t.type.shape, given.shape, found)
    for node in body.nodes:
        given_types = [known[t] for t in node.inputs]
        attrs = {name: substitute(value, found) for name, value in node.attrs.items()}
        try:
            inferred = node.op.infer_types(given_types, attrs)
        except GraphflowError as error:
            raise error.at(node.place) from error.__cause__
        for t, new in zip(node.outputs, inferred, strict=True):
            known[t] = new
            learn(t.type.shape, new.shape, found)
    return [known[t] for t in body.outputs]


# --- effects: two ops for each construct ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Twins:
    """One construct as two ops: `quiet`, and `loud` for bodies that print, assert or call back.

    types: `types(node)` gives, for each body of a node, the types its inputs have when it runs.
    """

    quiet: Op
    loud: Op
    types: Callable[[Node], list[list[TensorType]]]

    def choose(self, bodies: Sequence[Body]) -> Op:
        """The op that fits what the bodies do."""
        has_effects = any(n.op.traits & Trait.EFFECT for body in bodies for n in body.nodes)
        return self.loud if has_effects else self.quiet


_twins: dict[str, Twins] = {}


def declare_twins(
    name: str,
    infer: Callable[..., Any],
    kernel: Callable[..., Any],
    vjp: Callable[..., Sequence[Any]],
    types: Callable[[Node], list[list[TensorType]]],
    doc: str,
) -> Twins:
    """Declare `name` and `name_with_effects`, equal but for Trait.EFFECT."""
    traits = Trait.CONTROL | Trait.FALLIBLE
    made = [
        declare(Op(full, infer, kernel, vjp, kind, dtype=infer, flops=_no_flops, doc=doc, default_name=name))
        for full, kind in [(name, traits), (f"{name}_with_effects", traits | Trait.EFFECT)]
    ]
    twins = Twins(made[0], made[1], types)
    _twins.update((op.name, twins) for op in made)
    return twins


def _no_flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    """The construct's own cost; that of its bodies depends on the values it meets."""
    return 0


def body_types(node: Node) -> list[list[TensorType]]:
    """For each body of a control-flow node, the types of its inputs, as exact as those of the node's inputs."""
    return _twins[node.op.name].types(node)


# --- building a body's nodes again ------------------------------------------------------------------


def inline(body: Body, inputs: Sequence[Tensor], *, effects: bool = False) -> list[Tensor]:
    """Build a body again in the current graph with `inputs` for its inputs; gives its outputs there.

    Nodes keep name, device and line. Without `effects` only what the outputs need is built, so that a
    gradient that repeats a body prints nothing twice. Raises GradientError then where an output depends on
    an effect, such as a Python callback, that cannot be repeated.
    """
    new: dict[Tensor, Tensor] = dict(zip(body.inputs, inputs, strict=True))
    again: dict[Node, Node] = {}
    sizes: dict[str, DimLike] = {}
    for old, t in zip(body.inputs, inputs, strict=True):
        learn(old.type.shape, t.type.shape, sizes)
    nodes = body.nodes if effects else needed([t.op for t in body.outputs], body.inputs, control=False)
    for node in nodes:
        sources = tuple([new[t] for t in node.inputs])
        op, attrs = node.op, node.attrs
        if op.traits & Trait.EFFECT and not effects:
            if op.is_view:
                new[node.outputs[0]] = sources[0]
                continue
            op, attrs = _quiet(node)
        control = tuple([again[n] for n in node.control_inputs if n in again])
        made = again[node] = _again(node, op, sources, _substituted(attrs, sizes), control)
        for old, t in zip(node.outputs, made.outputs, strict=True):
            new[old] = t
            learn(old.type.shape, t.type.shape, sizes)
    return [new[t] for t in body.outputs]


def _again(
    node: Node, op: Op, inputs: tuple[Tensor, ...], attrs: Mapping[str, Any], control: tuple[Node, ...]
) -> Node:
    outer = current_scope()
    with scoped(
        device=node.device or outer.device,
        cause=node.cause or outer.cause,
        control=(*outer.control, *control),
    ):
        made = make_node(op, inputs, attrs, node.name.rpartition("/")[2])
    made._code, made._lasti = node._code, node._lasti
    return made


def _substituted(attrs: Mapping[str, Any], sizes: Mapping[str, DimLike]) -> Mapping[str, Any]:
    if not attrs or not sizes:
        return attrs
    return {name: substitute(value, sizes) for name, value in attrs.items()}


def _quiet(node: Node) -> tuple[Op, Mapping[str, Any]]:
    """A construct with effects as one without."""
    twins = _twins.get(node.op.name)
    if twins is None:
        error = GradientError(
            f"{node.op.name}: a gradient runs the body again, but this call cannot be repeated; "
            "move it out of the body, or say stateful=False for a callback that always gives the same"
        )
        raise error.at(node.place)
    bodies = tuple([_without_effects(body) if body.effects else body for body in node.attrs["bodies"]])
    return twins.quiet, {**node.attrs, "bodies": bodies}


def _without_effects(body: Body) -> Body:
    graph = BodyGraph(None)
    with scoped(graph=graph, prefix="", control=(), eager=None):
        inputs = tuple([parameter(graph, t.type, t) for t in body.inputs])
        outputs = tuple(inline(body, inputs))
    return Body(graph, inputs, body.captures, outputs, (), needed([t.op for t in outputs], inputs))


def parameter(graph: BodyGraph, type: TensorType, like: Tensor | None = None, name: str = "") -> Tensor:
    """A new input of a body; it takes name and line of the tensor that it stands for."""
    with scoped(graph=graph, prefix="", device=None, control=(), eager=None):
        hint = name or ("arg" if like is None else like.op.name.rpartition("/")[2])
        node = make_node(OPS["placeholder"], (), {"dtype": type.dtype, "shape": type.shape}, hint)
    if like is not None:
        node._code, node._lasti = like.op._code, like.op._lasti
    return node.outputs[0]
