"""Reductions of what was broadcast, transposed, reshaped or reduced before.

Integers and bools fold in any order. Sums and products of floats are rounded in the order in which they are added, and
of 0.0 and -0.0 it depends on the order which one is the larger: such rules are in `FAST_REDUCTIONS`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.passes.operand_rules import ALWAYS, OperandRules, combined
from graphflow.passes.operands import constant, in_place_of, kind, lies_in_rows, made, maker, stand_in
from graphflow.passes.rules import Inputs, Rule
from graphflow.types import dim_product

__all__ = ["FAST_REDUCTIONS", "REDUCTIONS"]

_FOLDS = ("sum", "prod", "max", "min", "any", "all")


def _axes(node: Node) -> tuple[int, ...] | None:
    """The folded axes counted from the front, in order; None where the rank is unknown."""
    shape, axis = node.inputs[0].type.shape, node.attrs["axis"]
    if shape is None:
        return None
    return tuple(range(len(shape))) if axis is None else tuple(sorted([a % len(shape) for a in axis]))


def _folded(node: Node, x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """The same reduction of another tensor."""
    return made(node, node.op.name, x, **{**node.attrs, "axis": axes, "keepdims": keepdims})


def _any_order(node: Node) -> bool:
    """Whether the order of folding cannot be told."""
    return node.op.name in ("any", "all") or node.outputs[0].type.dtype.kind in "biu"


# --- axes of size 1 -------------------------------------------------------------------------------


def folded_alone(node: Node, inputs: Inputs) -> Inputs | None:
    """A reduction over axes of size 1 is what is there; not a sum of floats, which makes 0.0 of -0.0."""
    x, axes = inputs[0], node.attrs["axis"]
    shape = x.type.shape
    if shape is None:
        return None
    for d in shape if axes is None else [shape[a] for a in axes]:
        if type(d) is not int or d != 1:
            return None
    if node.op.name in ("sum", "prod") and not _any_order(node):
        if node.op.name == "sum" or kind(x) == "c" or x.type.dtype != node.outputs[0].type.dtype:
            return None
    return _without(node, x, () if node.attrs["keepdims"] else _axes(node) or ())


def _without(node: Node, x: Tensor, axes: tuple[int, ...]) -> Inputs | None:
    """`x` in the dtype of the node's output, without these axes of size 1."""
    dtype = node.outputs[0].type.dtype
    y = x if x.type.dtype == dtype else made(node, "cast", x, dtype=dtype)
    return _put(node, x, made(node, "squeeze", y, axis=axes) if axes else y)


def _put(node: Node, x: Tensor, y: Tensor) -> Inputs | None:
    """What was made of `x`, or `x` itself, for the node's output, if it lies in rows as that does."""
    if y is x:
        return stand_in(node, x)
    return in_place_of(node, y) if lies_in_rows(y) else None


# --- reductions of broadcasts ---------------------------------------------------------------------


def _repeated(node: Node, inputs: Inputs) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], Any] | None:
    """For a reduction that folds every axis along which its operand is repeated.

    (what is repeated, its axes of size 1 that vanish, its other axes that are folded, how often each element occurs)
    """
    spread, axes = maker(inputs[0], "broadcast_to"), _axes(node)
    if spread is None or axes is None:
        return None
    x = spread.inputs[0]
    shape, small = spread.outputs[0].type.shape, x.type.shape
    if shape is None or small is None:
        return None
    lead = len(shape) - len(small)
    repeated = [
        k for k in range(len(shape)) if k < lead or (_is_one(small[k - lead]) and not _is_one(shape[k]))
    ]
    count = dim_product([shape[k] for k in repeated])
    if not repeated or not set(repeated) <= set(axes) or type(count) is not int or not count:
        return None
    gone = tuple([k - lead for k in repeated if k >= lead])
    rest = tuple([k - lead for k in axes if k not in repeated])
    return x, gone, rest, count


def _is_one(d: Any) -> bool:
    return type(d) is int and d == 1


def folded_repeats(node: Node, inputs: Inputs) -> Inputs | None:
    """max, min, any and all of what is repeated need it once; integers are added once and multiplied."""
    found = _repeated(node, inputs)
    if found is None or not (_any_order(node) or (node.op.name in ("max", "min") and not found[2])):
        return None
    return _fold_once(node, *found)


def folded_repeats_rounded(node: Node, inputs: Inputs) -> Inputs | None:
    """sum(broadcast_to(x)) = sum(x) * count."""
    found = _repeated(node, inputs)
    return None if found is None or node.op.name == "prod" else _fold_once(node, *found)


def _fold_once(
    node: Node, x: Tensor, gone: tuple[int, ...], rest: tuple[int, ...], count: int
) -> Inputs | None:
    name, dtype = node.op.name, node.outputs[0].type.dtype
    if name == "prod" or (name == "sum" and not _is_number_of(dtype, count)):
        return None
    if rest:
        y = _folded(node, x, tuple(sorted([*gone, *rest])), False)
    else:
        y = x if x.type.dtype == dtype else made(node, "cast", x, dtype=dtype)
        y = made(node, "squeeze", y, axis=gone) if gone else y
    if name == "sum":
        y = made(node, "multiply", y, constant(node, count, dtype))
    wanted = node.outputs[0].type
    if y.type != wanted:
        if not node.attrs["keepdims"] or not wanted.is_static:
            return None
        y = made(node, "reshape", y, shape=wanted.shape)
    return _put(node, x, y)


def _is_number_of(dtype: np.dtype[Any], count: int) -> bool:
    """Whether a dtype has that integer."""
    if dtype.kind in "iu":
        return count <= np.iinfo(dtype).max
    with np.errstate(over="ignore"):
        return bool(np.array(count).astype(dtype).astype(np.complex128) == count)


# --- reductions of reductions ---------------------------------------------------------------------


def folded_twice(node: Node, inputs: Inputs) -> Inputs | None:
    return _folded_twice(node, inputs) if _any_order(node) else None


def folded_twice_rounded(node: Node, inputs: Inputs) -> Inputs | None:
    """sum(sum(x, 0), 1) = sum(x, (0, 2)); the other reductions likewise."""
    return _folded_twice(node, inputs)


def _folded_twice(node: Node, inputs: Inputs) -> Inputs | None:
    inner = maker(inputs[0], node.op.name)
    second = _axes(node)
    first = None if inner is None else _axes(inner)
    if inner is None or first is None or second is None:
        return None
    keepdims = node.attrs["keepdims"]
    if inner.attrs["keepdims"] != keepdims or inner.attrs.get("dtype") != node.attrs.get("dtype"):
        return None
    x = inner.inputs[0]
    left = list(range(x.type.rank))
    if not keepdims:
        left = [k for k in left if k not in first]
    axes = tuple(sorted({*first, *[left[a] for a in second]}))
    return in_place_of(node, _folded(node, x, axes, keepdims))


# --- reductions of what was moved -----------------------------------------------------------------


def folded_moved(node: Node, inputs: Inputs) -> Inputs | None:
    return _folded_moved(node, inputs) if _any_order(node) else None


def folded_moved_rounded(node: Node, inputs: Inputs) -> Inputs | None:
    """sum(permute_dims(x)) = sum(x) over the axes as x has them, where the others keep their order."""
    return _folded_moved(node, inputs)


def _folded_moved(node: Node, inputs: Inputs) -> Inputs | None:
    moved, axes = maker(inputs[0], "permute_dims"), _axes(node)
    order = None if moved is None else moved.attrs["axes"]
    if moved is None or axes is None or order is None or any(a < 0 for a in order):
        return None
    keepdims = node.attrs["keepdims"]
    left = [order[k] for k in range(len(order)) if k not in axes]
    if left != sorted(left) or (keepdims and left):
        return None
    return in_place_of(
        node, _folded(node, moved.inputs[0], tuple(sorted([order[a] for a in axes])), keepdims)
    )


def folded_reshaped(node: Node, inputs: Inputs) -> Inputs | None:
    return _folded_reshaped(node, inputs) if _any_order(node) else None


def folded_reshaped_rounded(node: Node, inputs: Inputs) -> Inputs | None:
    """sum(reshape(x)) over all axes = sum(x), where the reshape would have to copy."""
    return _folded_reshaped(node, inputs)


def _folded_reshaped(node: Node, inputs: Inputs) -> Inputs | None:
    shaped, axes = maker(inputs[0], "reshape", "flatten"), _axes(node)
    if shaped is None or axes is None or node.attrs["keepdims"] or len(axes) != node.inputs[0].type.rank:
        return None
    x = shaped.inputs[0]
    if x.type.shape is None or lies_in_rows(x):
        return None
    return in_place_of(node, _folded(node, x, tuple(range(x.type.rank)), False))


# --- tables ---------------------------------------------------------------------------------------


def _table(repeats: Rule, twice: Rule, moved: Rule, reshaped: Rule) -> OperandRules:
    table: dict[str, dict[str, tuple[Rule, ...]]] = {}
    for name in _FOLDS:
        table[name] = {
            "broadcast_to": (repeats,),
            name: (twice,),
            "permute_dims": (moved,),
            "reshape": (reshaped,),
            "flatten": (reshaped,),
        }
    return table


REDUCTIONS = combined(
    _table(folded_repeats, folded_twice, folded_moved, folded_reshaped),
    {name: {ALWAYS: (folded_alone,)} for name in _FOLDS},
)
FAST_REDUCTIONS = combined(
    REDUCTIONS,
    _table(folded_repeats_rounded, folded_twice_rounded, folded_moved_rounded, folded_reshaped_rounded),
)
