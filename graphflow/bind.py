"""From symbolic to concrete sizes: the feeds' shapes are matched with the declared ones and types inferred again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphflow.errors import FeedError
from graphflow.graph import Node, Tensor, detached
from graphflow.op import OPS
from graphflow.subgraph import Subgraph
from graphflow.types import Dim, DimLike, Shape, TensorType, substitute

__all__ = ["bind", "match_feeds"]


def match_feeds(inputs: Sequence[Tensor], shapes: Sequence[Shape]) -> dict[str, DimLike]:
    """The size of every symbol in the declared types of fed tensors.

    Raises FeedError where a shape does not fit its tensor, or one symbol has two sizes.
    """
    sizes: dict[str, DimLike] = {}
    came_from: dict[str, Tensor] = {}
    for t, shape in zip(inputs, shapes, strict=True):
        declared = t.type.shape
        if declared is None:
            continue
        if len(declared) != len(shape):
            raise FeedError(f"'{t.name}' needs {t.type}, was fed shape {list(shape)}").at(t.op.place)
        for d, size in zip(declared, shape, strict=True):
            if type(d) is int:
                if d != size:
                    raise FeedError(f"'{t.name}' needs {t.type}, was fed shape {list(shape)}").at(t.op.place)
            elif isinstance(d, Dim) and len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.terms[0][0]) == 1:
                symbol = d.terms[0][0][0]
                if symbol in sizes and sizes[symbol] != size:
                    other = came_from[symbol]
                    what = f"dimension '{symbol}'" if not symbol.startswith("?") else "one unknown dimension"
                    raise FeedError(
                        f"{what} is {sizes[symbol]} in '{other.name}' ({other.type}) "
                        f"but {size} in '{t.name}' ({t.type})"
                    ).at(t.op.place)
                sizes[symbol] = size
                came_from.setdefault(symbol, t)
    for t, shape in zip(inputs, shapes, strict=True):
        for d, size in zip(t.type.shape or (), shape, strict=False):
            known = substitute(d, sizes)
            if isinstance(known, int) and known != size:
                raise FeedError(f"'{t.name}' needs {t.type} = {known}, was fed shape {list(shape)}").at(
                    t.op.place
                )
    return sizes


def learn_sizes(old: TensorType, new: TensorType, sizes: dict[str, DimLike]) -> None:
    """Note what a symbol of the old type turned out to be in the new one."""
    if old.shape is None or new.shape is None:
        return
    for a, b in zip(old.shape, new.shape, strict=True):
        if type(a) is not int and isinstance(a, Dim) and len(a.terms) == 1:
            (monomial, c) = a.terms[0]
            if c == 1 and len(monomial) == 1:
                sizes.setdefault(monomial[0], b)


class _Filled:
    """Types with the sizes that are known so far; what they became is looked up by identity while no more is known."""

    def __init__(self, known: Mapping[str, DimLike]) -> None:
        self._known = known
        self._count = len(known)
        self._found: dict[int, tuple[TensorType, TensorType]] = {}

    def __call__(self, type_: TensorType) -> TensorType:
        if len(self._known) != self._count:
            self._count = len(self._known)
            self._found = {}
        found = self._found.get(id(type_))
        if found is None:
            shape = substitute(type_.shape, self._known)
            new = type_ if shape == type_.shape else TensorType(type_.dtype, shape)
            found = self._found[id(type_)] = (type_, new)
        return found[1]


def bind(
    subgraph: Subgraph, types: Sequence[TensorType], sizes: Mapping[str, DimLike]
) -> tuple[Subgraph, dict[str, DimLike]]:
    """The subgraph with concrete input types, everything else inferred again, and all sizes now known.

    types: the concrete type of each input, in order. sizes: of the symbols in them, see `match_feeds`.
    A type that depends on data stays symbolic. Raises the user's ShapeError with the user's line.
    """
    known: dict[str, DimLike] = dict(sizes)
    if subgraph.sizes_from is not None:
        known = bind(subgraph.sizes_from, types, sizes)[1]
    new: dict[Tensor, Tensor] = {}
    inputs = []
    attrs: Mapping[str, Any]
    for t, concrete in zip(subgraph.inputs, types, strict=True):
        if concrete == t.type:
            inputs.append(t)
            continue
        attrs = {"dtype": concrete.dtype, "shape": concrete.shape}
        bound = detached(t.op, OPS["placeholder"], (), attrs).outputs[0]
        new[t] = bound
        inputs.append(bound)
    if not new and not known:
        return subgraph, known
    moved: dict[Node, Node] = {}
    nodes = []
    learned: set[tuple[int, int]] = set()  # pairs of types, by identity: very many tensors share theirs
    filled = _Filled(known)
    for node in subgraph.nodes:
        inputs_of = node.inputs
        for t in inputs_of:
            if t in new:
                inputs_of = tuple([new.get(t, t) for t in inputs_of])
                break
        attrs = node.attrs
        if attrs and known:
            for v in attrs.values():
                if isinstance(v, (tuple, Dim)) and substitute(v, known) is not v:
                    attrs = {k: substitute(v, known) for k, v in attrs.items()}
                    break
        control = node.control_inputs
        if control and any(n in moved for n in control):
            control = tuple([moved.get(n, n) for n in control])
        if inputs_of is node.inputs and attrs is node.attrs and control is node.control_inputs:
            nodes.append(node)
            continue
        fresh = node.rebuilt(inputs_of, attrs, control)
        for old, t in zip(node.outputs, fresh.outputs, strict=True):
            new[old] = t
            if not old.type.is_static:
                if not t.type.is_static:  # a sub-graph's results still speak of the outer symbols
                    t.type = filled(t.type)
                pair = id(old.type), id(t.type)
                if pair not in learned:
                    learned.add(pair)
                    learn_sizes(old.type, t.type, known)
        moved[node] = fresh
        nodes.append(fresh)
    if not new and not moved:
        return subgraph, known
    outputs = tuple([new.get(t, t) for t in subgraph.outputs])
    targets = tuple([moved.get(n, n) for n in subgraph.targets])
    return Subgraph(tuple(nodes), tuple(inputs), outputs, targets), known
