"""Views of views: transposes, reshapes, flips, broadcasts and slices composed or cancelled. All of them keep every bit.

A view of a view that has the strides of one view is that view. A reshape is none where its operand does not lie in
rows: then it copies, and what it gives does lie in rows.
"""

from __future__ import annotations

from typing import Any

from graphflow.graph import Node, Tensor
from graphflow.ops.slicing import FULL, Triple
from graphflow.passes.operand_rules import ALWAYS, combined
from graphflow.passes.operands import (
    alias,
    in_place_of,
    lies_in_rows,
    made,
    maker,
    respelled,
    stand_in,
    tells_sizes,
)
from graphflow.passes.rules import Inputs

__all__ = ["VIEWS"]

# --- axes in another order ------------------------------------------------------------------------


def permuted_twice(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "permute_dims")
    outer_axes = node.attrs["axes"]
    inner_axes = None if inner is None else inner.attrs["axes"]
    if inner is None or outer_axes is None or inner_axes is None:
        return None
    axes = tuple([inner_axes[k] for k in outer_axes])
    x = inner.inputs[0]
    if axes == tuple(range(len(axes))):
        return alias(node, x)
    return in_place_of(node, made(node, "permute_dims", x, axes=axes))


def permuted_in_place(node: Node, inputs: Inputs) -> Inputs | None:
    axes = node.attrs["axes"]
    if axes is None:
        return None
    for k, a in enumerate(axes):
        if a != k:
            return None
    return alias(node, inputs[0])


def _flipped(node: Node) -> frozenset[int] | None:
    shape, axis = node.inputs[0].type.shape, node.attrs["axis"]
    if shape is None:
        return None
    return frozenset(range(len(shape)) if axis is None else [a % len(shape) for a in axis])


def flipped_twice(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "flip")
    outer_axes = _flipped(node)
    inner_axes = None if inner is None else _flipped(inner)
    if inner is None or outer_axes is None or inner_axes is None:
        return None
    axes = tuple(sorted(outer_axes ^ inner_axes))
    x = inner.inputs[0]
    return in_place_of(node, made(node, "flip", x, axis=axes)) if axes else alias(node, x)


# --- other shapes ---------------------------------------------------------------------------------

_COPYING = ("reshape", "flatten", "reshape_like")
"""Give what lies in rows, by a copy if need be."""
_STRIDED = ("expand_dims", "squeeze", "unflatten")
"""Always views, with whatever strides their operand has."""
_SHAPING = (*_COPYING, *_STRIDED)


def reshaped_to_itself(node: Node, inputs: Inputs) -> Inputs | None:
    x = inputs[0]
    return (
        (alias if node.op.name in _STRIDED else stand_in)(node, x) if x.type == node.outputs[0].type else None
    )


def reshaped_twice(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], *_SHAPING)
    if inner is None:
        return None
    x, name = inner.inputs[0], node.op.name
    if node.outputs[0].type == x.type:
        both_views = name in _STRIDED and inner.op.name in _STRIDED
        return (alias if both_views else stand_in)(node, x)
    if name in _STRIDED and inner.op.name in _STRIDED and not lies_in_rows(x):
        return _axes_of_size_one(node, inner) if name == inner.op.name else None
    if not tells_sizes(x, node.attrs.get("shape", ())):
        return None
    if name in ("reshape", "reshape_like"):
        return respelled(node, made(node, name, x, *inputs[1:], **node.attrs))
    if not node.outputs[0].type.is_static:
        return None
    return in_place_of(node, made(node, "reshape", x, shape=node.outputs[0].type.shape))


def _axes_of_size_one(node: Node, inner: Node) -> Inputs | None:
    """New axes, then more of them, or axes gone, then more of them, as one node."""
    x, outer_axes, inner_axes = inner.inputs[0], node.attrs.get("axis"), inner.attrs.get("axis")
    middle = inner.outputs[0].type.shape
    if node.op.name == "unflatten" or outer_axes is None or inner_axes is None or middle is None:
        return None
    if node.op.name == "expand_dims":
        rank = len(middle) + len(outer_axes)
        outer = [a % rank for a in outer_axes]
        old = [k for k in range(rank) if k not in outer]
        axes = sorted([*outer, *[old[a % len(middle)] for a in inner_axes]])
    else:
        rank = len(middle) + len(inner_axes)
        gone = [a % rank for a in inner_axes]
        left = [k for k in range(rank) if k not in gone]
        axes = sorted([*gone, *[left[a % len(middle)] for a in outer_axes]])
    return in_place_of(node, made(node, node.op.name, x, axis=tuple(axes)))


# --- broadcasts -----------------------------------------------------------------------------------


def broadcast_to_itself(node: Node, inputs: Inputs) -> Inputs | None:
    return alias(node, inputs[0]) if inputs[0].type == node.outputs[0].type else None


def broadcast_twice(node: Node, inputs: Inputs) -> Inputs | None:
    """broadcast_to(broadcast_to(x)), and broadcast_to(expand_dims(x)) where the new axes come first."""
    inner = maker(inputs[0], "broadcast_to", "broadcast_to_like", "expand_dims")
    if inner is None:
        return None
    if inner.op.name == "expand_dims":
        axes = inner.attrs["axis"]
        if tuple(axes) != tuple(range(len(axes))):
            return None
    if not tells_sizes(inner.inputs[0], node.attrs["shape"]):
        return None
    return in_place_of(node, made(node, "broadcast_to", inner.inputs[0], **node.attrs))


_OF_SEVERAL = (
    *(
        "add",
        "subtract",
        "multiply",
        "divide",
        "floor_divide",
        "remainder",
        "pow",
        "maximum",
        "minimum",
        "where",
    ),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
    *("atan2", "hypot", "logaddexp", "copysign", "nextafter", "complex"),
)
"""Elementwise ops of several operands."""


def broadcast_anyway(node: Node, inputs: Inputs) -> Inputs | None:
    """An elementwise op repeats its operands itself, if another one has the shape of the result."""
    sources = tuple([_unspread(t) for t in inputs])
    small = node.rebuilt(sources, node.attrs, ())
    return small.outputs if small.outputs[0].type == node.outputs[0].type else None


def _unspread(t: Tensor) -> Tensor:
    inner = maker(t, "broadcast_to")
    return t if inner is None else inner.inputs[0]


# --- slices ---------------------------------------------------------------------------------------


def _bounds(node: Node) -> list[tuple[int, int, int]] | None:
    """(start, step, count) for each axis of a slice of known sizes."""
    shape = node.inputs[0].type.shape
    if shape is None or any(type(d) is not int for d in shape):
        return None
    slices = node.attrs["slices"]
    free = (FULL,) * (len(shape) - len(slices))
    triples: tuple[Triple, ...] = (*free, *slices) if node.attrs["trailing"] else (*slices, *free)
    bounds = []
    for d, triple in zip(shape, triples, strict=True):
        if any(v is not None and type(v) is not int for v in triple):
            return None
        first, stop, step = slice(*triple).indices(d)  # type: ignore[arg-type]  # ints, as just seen
        bounds.append((first, step, len(range(first, stop, step))))
    return bounds


def _triple(start: int, step: int, count: int, d: int) -> Triple:
    if count == d and step == 1:
        return FULL
    if not count:
        return 0, 0, 1
    stop = start + count * step
    return start, None if stop < 0 else stop, step


def sliced_twice(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], "strided_slice")
    if inner is None:
        return None
    first, second = _bounds(inner), _bounds(node)
    x = inner.inputs[0]
    if first is None or second is None:
        return None
    triples = [
        _triple(s1 + s2 * step1, step1 * step2, count, d)
        for (s1, step1, _), (s2, step2, count), d in zip(first, second, _sizes(x), strict=True)
    ]
    return in_place_of(node, made(node, "strided_slice", x, slices=tuple(triples), trailing=False))


def _sizes(x: Tensor) -> Any:
    return x.type.shape


def sliced_whole(node: Node, inputs: Inputs) -> Inputs | None:
    if all(t == FULL for t in node.attrs["slices"]):
        return alias(node, inputs[0])
    bounds = _bounds(node) if inputs[0].type == node.outputs[0].type else None
    if bounds is None or any(step != 1 and count > 1 for _, step, count in bounds):
        return None
    return alias(node, inputs[0])


VIEWS = combined(
    {
        "permute_dims": {"permute_dims": (permuted_twice,), ALWAYS: (permuted_in_place,)},
        "flip": {"flip": (flipped_twice,)},
        "broadcast_to": {
            ALWAYS: (broadcast_to_itself,),
            **dict.fromkeys(("broadcast_to", "broadcast_to_like", "expand_dims"), (broadcast_twice,)),
        },
        "broadcast_to_like": {ALWAYS: (broadcast_to_itself,)},
        "strided_slice": {"strided_slice": (sliced_twice,), ALWAYS: (sliced_whole,)},
    },
    {
        name: {**dict.fromkeys(_SHAPING, (reshaped_twice,)), ALWAYS: (reshaped_to_itself,)}
        for name in _SHAPING
    },
    {name: {"broadcast_to": (broadcast_anyway,)} for name in _OF_SEVERAL},
)
