"""How many bytes a kernel takes for itself while it runs: what its op declares, and NumPy's buffers for strided views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphflow.graph import Node
from graphflow.op import Op, Trait
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.types import TensorType

__all__ = ["Workspaces", "workspace_nbytes"]


def workspace_nbytes(
    op: Op,
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    attrs: Mapping[str, Any],
    contiguous: bool = True,
) -> int:
    """Hidden temporary bytes of one call. Of static types. contiguous: whether the bytes of all inputs surely are."""
    declared = int(op.workspace(inputs, outputs, **attrs)) if op.workspace is not None else 0
    if contiguous or op.is_view or op.is_control or op.traits & Trait.BLAS or op.name == "assign":
        return declared
    types = (*inputs, *outputs)
    elements: int = max([t.size for t in types])  # type: ignore[type-var, assignment]  # static
    strided = buffers_nbytes(elements, *[t.dtype for t in types])
    return max(declared, strided) if op.traits & Trait.ELEMENTWISE else declared + strided


class Workspaces:
    """`workspace_nbytes` for many nodes: asked once for those without attributes that take and make the same types."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], int] = {}

    def nbytes(self, node: Node, contiguous: bool) -> int:
        """Hidden temporary bytes of a node's kernel; 0 where they depend on data."""
        op, attrs = node.op, node.attrs
        if op.workspace is None and contiguous:
            return 0
        read, made = [t.type for t in node.inputs], [t.type for t in node.outputs]
        key = (op, contiguous, *read, *made)
        found = None if attrs else self._known.get(key)
        if found is None:
            is_static = all(t.is_static for t in (*read, *made))
            found = workspace_nbytes(op, read, made, attrs, contiguous) if is_static else 0
            if not attrs:
                self._known[key] = found
        return found
