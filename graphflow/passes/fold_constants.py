"""Constant folding: what depends on constants alone, or on types alone, is computed once."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor, detached
from graphflow.op import Trait
from graphflow.ops.constant import CONSTANT, Literal
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.subgraph import Subgraph

__all__ = ["FOLD_NBYTES", "all_static", "can_fold", "fold_constants"]

FOLD_NBYTES = 4096
"""Results larger than this are left to the run: folding must not make a program, or a file, grow."""

_NEVER = Trait.FALLIBLE | Trait.CONTROL | Trait.BLAS


def fold_constants(subgraph: Subgraph) -> Subgraph:
    """Replace small pure nodes of constant inputs, and shape-only nodes of static inputs, by constants.

        %0 = constant(2.0)
        %1 = constant(3.0)       becomes   %2 = constant(6.0)
        %2 = multiply(%0, %1)

    Uses the op's own kernel under NumPy, so the bits are those of the reference backend. Never fires for
    a node that can fail, whose result is larger than FOLD_NBYTES, or that runs elsewhere than on the host.
    O(V + E).
    """

    def replace(node: Node, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        op = node.op
        if not (all_static(inputs) if op.shape_only else _all_constant(inputs)):
            return None
        if not can_fold(node):
            return None
        if inputs is not node.inputs:
            node = node.rebuilt(inputs, node.attrs, ())
        nbytes = node.outputs[0].type.nbytes
        if nbytes is None or nbytes > FOLD_NBYTES:
            return None
        folded = _folded(node)
        return None if folded is None else (folded,)

    return subgraph.rewrite(replace)


def can_fold(node: Node) -> bool:
    """Whether a node may be computed before the run, once its inputs, or their sizes, are known."""
    op = node.op
    return not (
        op.kernel is None
        or not op.is_pure
        or op.traits & _NEVER
        or node.control_inputs
        or len(node.outputs) != 1
    )


def _all_constant(inputs: tuple[Tensor, ...]) -> bool:
    for t in inputs:  # noqa: SIM110 faster than all(): asked for every node
        if t.op.op is not CONSTANT:
            return False
    return True


def all_static(inputs: tuple[Tensor, ...]) -> bool:
    """True if every type is static: then a shape-only op is a constant."""
    return all(t.type.is_static for t in inputs)


def _stand_in(t: Tensor) -> np.ndarray[Any, Any]:
    """A constant's array, or an array of the right type that costs no memory."""
    if t.op.op is CONSTANT:
        return t.op.attrs["value"].array  # type: ignore[no-any-return]
    return np.broadcast_to(np.zeros((), t.type.dtype), t.type.shape)  # type: ignore[arg-type]


def _folded(node: Node) -> Tensor | None:
    with kernel_settings():
        value = node.op.kernel(np, *[_stand_in(t) for t in node.inputs], **node.attrs)  # type: ignore[misc]
    if node.op.is_view and value.ndim and not value.flags.c_contiguous:
        return None  # what reads a strided view may add in another order
    array = np.array(value, dtype=node.outputs[0].type.dtype, order="C")
    return detached(node, CONSTANT, (), {"value": Literal(array)}).outputs[0]
