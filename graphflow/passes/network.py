"""Products of matrices, elementwise products, sums and reshapings, read as one sum of products over labelled axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Uses, axes_of
from graphflow.types import normalize_axes

__all__ = ["CONTRACTIONS", "MOVES", "Network", "network_of"]

CONTRACTIONS = ("matmul", "multiply", "sum")
MOVES = ("expand_dims", "flatten", "permute_dims", "reshape", "squeeze", "unflatten")

Axis: TypeAlias = tuple[int, ...]
"""The labels that an axis is made of, the slowest first: several where axes were merged, none for size 1."""

Axes: TypeAlias = tuple[Axis, ...]


@dataclass(slots=True, eq=False)
class Network:
    """The tensors that are multiplied, the labels of their axes and of the result's, and the nodes read so.

    Labels that the result lacks are summed over. sizes: of the labels, each at least 2.
    """

    terms: list[tuple[Tensor, Axes]]
    result: Axes
    sizes: dict[int, int]
    nodes: list[Node]


class _Unreadable(Exception):  # noqa: N818 no error: a node becomes a term
    """A node that cannot be read: its value becomes a term."""


@dataclass(slots=True)
class _Labels:
    """Labels, some of which turned out to be the same as another, or as several others one after another."""

    sizes: list[int] = field(default_factory=list)
    stands_for: dict[int, Axis] = field(default_factory=dict)

    def new(self, size: int) -> int:
        self.sizes.append(size)
        return len(self.sizes) - 1

    def resolved(self, axis: Axis) -> Axis:
        """The labels that are still in use."""
        result: list[int] = []
        pending = list(reversed(axis))
        while pending:
            label = pending.pop()
            known = self.stands_for.get(label)
            if known is None:
                result.append(label)
            else:
                pending.extend(reversed(known))
        return tuple(result)

    def split(self, label: int, first: int) -> tuple[int, int]:
        """Divide a label into two, the slower of size `first`."""
        size = self.sizes[label]
        if size % first:
            raise _Unreadable
        parts = self.new(first), self.new(size // first)
        self.stands_for[label] = parts
        return parts

    def same(self, a: Axis, b: Axis) -> Axis:
        """Make two axes of one size the same."""
        left, right = list(reversed(self.resolved(a))), list(reversed(self.resolved(b)))
        made: list[int] = []
        while left and right:
            x, y = left.pop(), right.pop()
            if self.sizes[x] > self.sizes[y]:
                x, rest = self.split(x, self.sizes[y])
                left.append(rest)
            elif self.sizes[y] > self.sizes[x]:
                y, rest = self.split(y, self.sizes[x])
                right.append(rest)
            if x != y:
                self.stands_for[y] = (x,)
            made.append(x)
        if left or right:
            raise _Unreadable
        return self.resolved(tuple(made))

    def regrouped(self, axes: Sequence[Axis], dims: Sequence[int]) -> Axes:
        """The labels of axes, in order, as those of axes of other sizes."""
        left = [label for axis in axes for label in self.resolved(axis)]
        left.reverse()
        made: list[Axis] = []
        for d in dims:
            axis: list[int] = []
            size = 1
            while size < d:
                if not left:
                    raise _Unreadable
                label = left.pop()
                if size * self.sizes[label] > d:
                    if d % size:
                        raise _Unreadable
                    label, rest = self.split(label, d // size)
                    left.append(rest)
                axis.append(label)
                size *= self.sizes[label]
            made.append(tuple(axis))
        if left:
            raise _Unreadable
        return tuple(made)


# --- reading --------------------------------------------------------------------------------------


def network_of(root: Node, uses: Uses) -> Network:
    """Read a node, and what only it needs, as far as that is products, sums and reshapings. O(nodes).

    A node that cannot be read, such as a reshape that cuts across axes, is a term. There are no terms if it is `root`.
    """
    opaque: set[Node] = set()
    while True:
        nodes = _nodes(root, uses, opaque)
        try:
            return _read(root, nodes)
        except _At as at:
            if at.node is root:
                return Network([], (), {}, [root])
            opaque.add(at.node)


class _At(Exception):  # noqa: N818 no error: a node becomes a term
    def __init__(self, node: Node) -> None:
        self.node = node


def _nodes(root: Node, uses: Uses, opaque: set[Node]) -> list[Node]:
    """The nodes to read, each after those that it reads."""
    found = {root: None}
    pending = [root]
    while pending:
        node = pending.pop()
        for t in node.inputs:
            inner = uses.made(t, *CONTRACTIONS, *MOVES)
            if inner is not None and inner not in opaque and uses.is_private(t) and _is_readable(inner, root):
                found[inner] = None
                pending.append(inner)
    return sorted(found, key=lambda node: uses.place[node])


def _is_readable(node: Node, root: Node) -> bool:
    y = node.outputs[0].type
    if node.device != root.device or y.dtype != root.outputs[0].type.dtype:
        return False
    return all(t.type.is_static and 0 not in t.type.dims for t in (*node.inputs, *node.outputs))


def _read(root: Node, nodes: Sequence[Node]) -> Network:
    labels = _Labels()
    terms: list[tuple[Tensor, Axes]] = []
    axes: dict[Tensor, Axes] = {}
    for node in nodes:
        given: list[Axes] = []
        for t in node.inputs:
            known = axes.get(t)
            if known is None:
                known = tuple([(labels.new(int(d)),) if d != 1 else () for d in t.type.dims])  # type: ignore[arg-type]  # ints
                terms.append((t, known))
            given.append(known)
        try:
            axes[node.outputs[0]] = _behind(node, given, labels)
        except _Unreadable:
            raise _At(node) from None
    whole = [(t, tuple([labels.resolved(a) for a in known])) for t, known in terms]
    result = tuple([labels.resolved(a) for a in axes[root.outputs[0]]])
    used = [label for _, known in whole for axis in known for label in axis]
    return Network(whole, result, {label: labels.sizes[label] for label in used}, list(nodes))


def _behind(node: Node, given: Sequence[Axes], labels: _Labels) -> Axes:
    name, first = node.op.name, given[0]
    if name == "matmul":
        return _product(given[0], given[1], labels)
    if name == "multiply":
        return _broadcast(given[0], given[1], labels)
    dims: tuple[int, ...] = node.outputs[0].type.dims  # type: ignore[assignment]  # ints, as was seen
    if name == "sum":
        folded = axes_of(node)
        if folded is None or node.attrs["dtype"] != node.inputs[0].type.dtype:
            raise _Unreadable
        if node.attrs["keepdims"]:
            return tuple([() if k in folded else axis for k, axis in enumerate(first)])
        return tuple([axis for k, axis in enumerate(first) if k not in folded])
    if name == "permute_dims":
        order = node.attrs["axes"]
        return tuple([first[k] for k in (reversed(range(len(first))) if order is None else order)])
    if name == "expand_dims":
        new = normalize_axes(node.attrs["axis"], len(dims))
        old = iter(first)
        return tuple([() if k in new else next(old) for k in range(len(dims))])
    if name == "squeeze":
        return (
            tuple([axis for axis in first if axis]) if len(dims) == sum(map(bool, first)) else _unreadable()
        )
    return labels.regrouped(first, dims)


def _unreadable() -> Axes:
    raise _Unreadable


def _broadcast(a: Axes, b: Axes, labels: _Labels) -> Axes:
    rank = max(len(a), len(b))
    left, right = ((),) * (rank - len(a)) + a, ((),) * (rank - len(b)) + b
    return tuple([labels.same(x, y) if x and y else x or y for x, y in zip(left, right, strict=True)])


def _product(a: Axes, b: Axes, labels: _Labels) -> Axes:
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] and inner:
        labels.same(a[-1], inner)
    lead = _broadcast(a[:-2], b[:-2], labels)
    return (*lead, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))
