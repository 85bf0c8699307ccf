"""How many bytes a kernel takes for itself while it runs: what its op declares, and NumPy's buffers for strided views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphflow.op import Op, Trait
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.types import TensorType

__all__ = ["workspace_nbytes"]


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
