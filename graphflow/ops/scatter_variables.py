"""TensorFlow 1's functions that write rows or points of a variable: compositions of a read, a scatter and a write.

Repeated indices are combined in their order. An index that is out of range leaves the variable as it was.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor, name_scope
from graphflow.op import F, public
from graphflow.ops.flat_index import as_indices
from graphflow.ops.scatter import divided_at, scattered
from graphflow.ops.state import Variable

__all__ = [
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd_add",
    "scatter_nd_max",
    "scatter_nd_min",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
]


def _written(what: str, ref: Any, mode: str, indices: Any, updates: Any, name: str | None) -> Tensor:
    """Combine `updates` with rows of a variable, or with its points for what is a `scatter_nd`."""
    if not isinstance(ref, Variable):
        raise ArgumentError(
            f"{what}: {shorten(ref)} is no variable; tensors have gf.tensor_scatter_nd_{mode}"
        )
    label = "".join(part.capitalize() for part in what.split("_"))
    with name_scope(f"{ref.op.name}/{label}_value/"):
        old = ref.read()
        if what.startswith("scatter_nd"):
            value = F.table[f"tensor_scatter_nd_{mode}"](old, indices, updates)
        elif mode == "div":
            value = divided_at(what, old, [as_indices(what, indices)], updates)
        else:
            value = scattered(what, old, [as_indices(what, indices)], updates, 0, mode)
    return ref.assign(value, label if name is None else name)


@public
def scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """The rows of a variable that `indices` name replaced by `updates`; gives the new value. A composition.

    ref: a Variable. indices: integers of any shape in [-n, n) for its first axis. updates: broadcast to
    indices.shape + ref.shape[1:], cast where nothing is lost; of repeated rows the last one stays. use_locking: taken
    and not needed.
    Raises ArgumentError for what is no variable, DTypeError for updates that its dtype cannot hold or indices that are
    no integers, ShapeError for misfits, IndexRangeError for an index out of range, now or at the run.
    """
    return _written("scatter_update", ref, "update", indices, updates, name)


@public
def scatter_add(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_update`, with `updates` added, in their order."""
    return _written("scatter_add", ref, "add", indices, updates, name)


@public
def scatter_sub(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_update`, with `updates` subtracted, in their order."""
    return _written("scatter_sub", ref, "sub", indices, updates, name)


@public
def scatter_mul(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_update`, the rows multiplied by `updates`, in their order."""
    return _written("scatter_mul", ref, "mul", indices, updates, name)


@public
def scatter_div(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_update`, the rows divided by `updates`, or by the product of repeated ones; for floats only."""
    return _written("scatter_div", ref, "div", indices, updates, name)


@public
def scatter_min(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_update`, keeping the lesser of old and new."""
    return _written("scatter_min", ref, "min", indices, updates, name)


@public
def scatter_max(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_update`, keeping the greater of old and new."""
    return _written("scatter_max", ref, "max", indices, updates, name)


@public
def scatter_nd_update(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """The points of a variable that the last axis of `indices` spells replaced by `updates`; gives the new value.

    indices: integers[..., k] with a known k >= 1. updates: indices.shape[:-1] + ref.shape[k:]. Otherwise as
    `scatter_update`. A composition.
    """
    return _written("scatter_nd_update", ref, "update", indices, updates, name)


@public
def scatter_nd_add(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_nd_update`, with `updates` added, in their order."""
    return _written("scatter_nd_add", ref, "add", indices, updates, name)


@public
def scatter_nd_sub(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_nd_update`, with `updates` subtracted, in their order."""
    return _written("scatter_nd_sub", ref, "sub", indices, updates, name)


@public
def scatter_nd_min(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_nd_update`, keeping the lesser of old and new."""
    return _written("scatter_nd_min", ref, "min", indices, updates, name)


@public
def scatter_nd_max(
    ref: Any, indices: Any, updates: Any, use_locking: Any = False, name: str | None = None
) -> Tensor:
    """As `scatter_nd_update`, keeping the greater of old and new."""
    return _written("scatter_nd_max", ref, "max", indices, updates, name)
