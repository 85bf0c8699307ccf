"""Where a factor that all elements along some axes share is, behind each op: for `exponentials`."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

from graphflow.graph import Node, Tensor
from graphflow.ops.reduction import is_half
from graphflow.passes.match import axes_of, number, same_shape
from graphflow.types import is_floating, normalize_axes

__all__ = ["Factor", "Labels", "behind", "is_plain", "moved", "without"]

Labels: TypeAlias = tuple[int | None, ...]
"""For each axis of a tensor: the axis of x along which the factor varies with it, or None where it is constant."""


class Factor(NamedTuple):
    """How often exp(c) is in a tensor, and how c lies along its axes."""

    power: int
    labels: Labels


def is_plain(node: Node) -> bool:
    """Whether a sum is made in floats no coarser than its input."""
    dtype = node.attrs["dtype"]
    return not node.control_inputs and dtype.itemsize >= node.inputs[0].type.dtype.itemsize


def moved(node: Node, labels: Labels) -> Labels | None:
    """The labels behind an op that only moves elements, or scales them all alike; None for any other."""
    if not node.outputs:  # it prints or checks what it reads
        return None
    name, x, y = node.op.name, node.inputs[0], node.outputs[0]
    if x.type.shape is None or y.type.shape is None:
        return None
    if name in ("identity", "stop_gradient"):
        return labels
    if name == "cast":
        wide = is_floating(y.type.dtype) and y.dtype.kind != "c" and not is_half(y.type.dtype)
        return labels if wide or y.dtype == x.dtype else None
    if name in ("broadcast_to", "broadcast_to_like"):
        return _padded(labels, len(y.type.shape))
    if name in ("divide", "multiply"):  # by a constant, as in a mean
        by = number(node.inputs[1])
        return _padded(labels, len(y.type.shape)) if by is not None and 0 < by < math.inf else None
    if name == "expand_dims":
        new = normalize_axes(node.attrs["axis"], len(y.type.shape))
        old = iter(labels)
        return tuple([None if k in new else next(old) for k in range(len(y.type.shape))])
    if name == "squeeze" and node.attrs["axis"] is not None:
        gone = normalize_axes(node.attrs["axis"], len(labels))
        return None if any(labels[k] is not None for k in gone) else without(labels, gone)
    if name == "permute_dims":
        order = node.attrs["axes"] or tuple(reversed(range(len(labels))))
        return tuple([labels[k] for k in order])
    if name == "reshape":
        return _reshaped(x, y, labels)
    return None


def _reshaped(x: Tensor, y: Tensor, labels: Labels) -> Labels | None:
    """Behind a reshape that only adds or removes axes of size 1 along which the factor is constant."""
    if all(label is None for label in labels):
        return (None,) * len(y.type.dims)
    kept = [(d, label) for d, label in zip(x.type.dims, labels, strict=True) if label is not None or d != 1]
    made: list[int | None] = []
    for d in y.type.dims:
        if kept and kept[0][0] == d:
            made.append(kept.pop(0)[1])
        elif d == 1:
            made.append(None)
        else:
            return None
    return None if kept else tuple(made)


def _padded(labels: Labels, rank: int) -> Labels:
    return (None,) * (rank - len(labels)) + labels


def without(labels: Labels, axes: tuple[int, ...]) -> Labels:
    """The labels of the other axes."""
    return tuple([label for k, label in enumerate(labels) if k not in axes])


# --- through any op ---------------------------------------------------------------------------------


def behind(node: Node, factors: dict[Tensor, Factor], totals: dict[Tensor, Labels]) -> Factor | None:
    """The factor of what a node makes; power 0 where it has cancelled, None where it cannot be followed."""
    if not node.outputs:
        return None
    name, y = node.op.name, node.outputs[0]
    if y.type.shape is None or any(t.type.shape is None for t in node.inputs):
        return None
    rank = len(y.type.shape)
    known = [factors.get(t) for t in node.inputs]
    first = known[0]
    if len(node.inputs) == 1 or (first is not None and name.endswith("_like")):
        return None if first is None else _behind_one(node, first, totals)
    if name == "matmul":
        return _behind_product(node, known, rank)
    if len(known) != 2:
        return None
    second = known[1]
    if name in ("add", "subtract"):
        if first is None or second is None or first.power != second.power:
            return None
        labels = _padded(first.labels, rank)
        return Factor(first.power, labels) if labels == _padded(second.labels, rank) else None
    if name not in ("multiply", "divide"):
        return None
    if name == "divide" and second is not None:
        if node.inputs[1] not in totals:  # any other divisor might become 0
            return None
        second = Factor(-second.power, second.labels)
    if first is None or second is None:
        one = first or second
        return None if one is None else Factor(one.power, _padded(one.labels, rank))
    labels = _padded(first.labels, rank)
    return Factor(first.power + second.power, labels) if labels == _padded(second.labels, rank) else None


def _behind_one(node: Node, factor: Factor, totals: dict[Tensor, Labels]) -> Factor | None:
    name, x, y = node.op.name, node.inputs[0], node.outputs[0]
    power, labels = factor
    if name == "negative":
        return factor
    if name == "square":
        return Factor(2 * power, labels)
    if name == "reciprocal":
        return Factor(-power, labels) if x in totals else None
    if name == "sum":
        axes = axes_of(node)
        if axes is None or not is_plain(node) or any(labels[k] is not None for k in axes):
            return None
        return Factor(power, labels if node.attrs["keepdims"] else without(labels, axes))
    if name == "sum_to_like":
        return factor if same_shape(x, y) else None
    place = moved(node, labels)
    return None if place is None else Factor(power, place)


def _behind_product(node: Node, known: list[Factor | None], rank: int) -> Factor | None:
    """Through a product of matrices, unless the factor varies along what is summed over."""
    first, second = known
    if any(len(t.type.dims) < 2 for t in node.inputs):
        return None
    if first is not None and second is not None:  # a gradient of weights: cancelled before it is summed over
        (*lead, row, inner), (*other, across, column) = first.labels, second.labels
        same = _padded(tuple(lead), rank - 2) == _padded(tuple(other), rank - 2) and inner == across
        if first.power + second.power or not same or row is not None or column is not None:
            return None
        return Factor(0, (None,) * rank)
    if first is not None:
        *lead, row, inner = first.labels
        labels: Labels = (*_padded(tuple(lead), rank - 2), row, None)
        return Factor(first.power, labels) if inner is None else None
    assert second is not None
    *lead, inner, column = second.labels
    labels = (*_padded(tuple(lead), rank - 2), None, column)
    return Factor(second.power, labels) if inner is None else None
