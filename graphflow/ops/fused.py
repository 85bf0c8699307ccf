"""The op that a cluster becomes: several nodes run block by block, so that what they hand on stays in the cache.

Made by `planning/fusion.py`, never by a user's graph. Its body has no links into the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphflow.op import Op, Trait, declare
from graphflow.types import TensorType

__all__ = ["FUSED", "ClusterBody", "Step", "row_nbytes"]


class Step(NamedTuple):
    """One node of a cluster.

    inputs: values by number: the cluster's inputs come first, then one a step.
    type: of the result, as in the graph.
    kind: "map" (elementwise), "fold" (of whole rows), "product" (of rows with a matrix) or "view" (no work).
    attrs: those that the kernel gets: for a fold, with axes of the rows.
    """

    op: Op
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    type: TensorType
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class ClusterBody:
    """What a cluster computes, one block of rows after another.

    lead: how many leading axes count the rows: `rows` is the product of their sizes, the same for every rowed value.
    inputs: types. rowed: for each value whether it is walked by rows; else it is used whole (a scalar, a bias).
    outputs: the values that leave, by number; every one is the result of a step that is no view.
    matrices: inputs that are the second operand of a product.
    block_rows: rows a block; panels: the blocks themselves where products are among the steps, else empty.
    scratch: for each value its scratch array, -1 where it needs none (an input, an output,
        a view). scratch_nbytes: bytes of each scratch array. hidden_nbytes: what kernels allocate for a block.
    reuses: for each output the inputs whose bytes it may take over: no step reads them after it is written.
    names: of the nodes, for reports.
    workers: how many threads may share the blocks, each with scratch of its own.
    """

    lead: int
    rows: int
    inputs: tuple[TensorType, ...]
    rowed: tuple[bool, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    matrices: tuple[int, ...]
    block_rows: int
    panels: tuple[tuple[int, int], ...]
    scratch: tuple[int, ...]
    scratch_nbytes: tuple[int, ...]
    hidden_nbytes: int
    reuses: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    workers: int

    @property
    def workspace_nbytes(self) -> int:
        """Bytes of scratch in all."""
        return (sum(self.scratch_nbytes) + self.hidden_nbytes) * self.workers

    def __reduce__(self) -> Any:
        fields = [getattr(self, name) for name in self.__slots__]
        steps = [s._replace(attrs=dict(s.attrs)) for s in self.steps]
        fields[self.__slots__.index("steps")] = tuple(steps)
        return ClusterBody, tuple(fields)


def row_nbytes(type_: TensorType, lead: int) -> int:
    """Bytes of one row of a value."""
    n = type_.dtype.itemsize
    for d in type_.dims[lead:]:
        n *= int(d)  # type: ignore[arg-type]  # clusters are made of static types
    return n


def _infer(*inputs: TensorType, body: ClusterBody) -> tuple[TensorType, ...]:
    n = len(body.inputs)
    return tuple([body.steps[o - n].type for o in body.outputs])


def _kernel(xp: Any, *inputs: Any, body: ClusterBody, out: Any = None) -> tuple[Any, ...]:
    """Node after node on whole arrays, for a backend without blocks of its own. out: a tuple of arrays."""
    values = list(inputs)
    for step in body.steps:
        arrays = [values[k] for k in step.inputs]
        if step.kind == "view":
            values.append(_shown(xp, arrays[0], step.type.shape))
        elif step.kind == "fold":
            rows = arrays[0].reshape((body.rows, *arrays[0].shape[body.lead :]))
            values.append(step.op.kernel(xp, rows, **step.attrs).reshape(step.type.shape))  # type: ignore[misc]
        else:
            values.append(step.op.kernel(xp, *arrays, **step.attrs))  # type: ignore[misc]
    made = tuple([values[o] for o in body.outputs])
    if out is None:
        return made
    for target, value in zip(out, made, strict=True):
        target[...] = value
    return tuple(out)


def _shown(xp: Any, x: Any, shape: Any) -> Any:
    return x.reshape(shape) if x.size == _size(shape) else xp.broadcast_to(x, shape)


def _size(shape: Any) -> int:
    n = 1
    for d in shape:
        n *= d
    return n


def _workspace(inputs: Any, outputs: Any, *, body: ClusterBody) -> int:
    return body.workspace_nbytes


def _flops(inputs: Any, outputs: Any, *, body: ClusterBody) -> int:
    total = 0
    types = [*body.inputs, *[s.type for s in body.steps]]
    for s in body.steps:
        if s.kind != "view":
            of = [types[k] for k in s.inputs]
            total += int(s.op.flops(of, [s.type], **s.attrs)) if s.op.flops else _size(s.type.dims)
    return total


FUSED = declare(
    Op(
        "fused",
        _infer,
        _kernel,
        traits=Trait.OUT | Trait.INPLACE,
        flops=_flops,
        workspace=_workspace,
        doc="A cluster of elementwise nodes and folds of rows, run block by block; made by the planner.",
        no_gradient="clusters are made after gradients",
    )
)
