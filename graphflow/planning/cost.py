"""What one kernel call costs: operations, bytes, and seconds by a simple machine model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.graph import Node
from graphflow.op import Attrs, Op, Trait
from graphflow.types import TensorType

__all__ = ["FREE", "Cost", "Machine", "kernel_cost", "node_cost", "trip_count"]


@dataclass(frozen=True, slots=True)
class Machine:
    """A device as the cost model sees it: one call takes the longer of computing and moving, plus overhead.

    The defaults are round figures for one core of a 2020s server CPU under NumPy; they rank nodes and find
    the critical path, and are not a promise of seconds.
    """

    call_seconds: float = 5e-7
    matrix_flops: float = 6e10
    plain_flops: float = 1.5e9
    bytes_per_second: float = 1.2e10


@dataclass(frozen=True, slots=True)
class Cost:
    """flops: arithmetic operations. nbytes: read and written. seconds: by the model. trips unknown: counted once."""

    flops: int
    nbytes: int
    seconds: float


FREE = Cost(0, 0, 0.0)
"""The cost of what makes no call: sources, views, markers."""


def kernel_cost(
    op: Op, attrs: Attrs, inputs: Sequence[TensorType], outputs: Sequence[TensorType], machine: Machine
) -> Cost:
    """The cost of one call of the op's kernel. Sizes that depend on data count nothing. O(inputs + outputs)."""
    flops = _flops(op, attrs, inputs, outputs)
    nbytes = sum([t.nbytes or 0 for t in inputs]) + sum([t.nbytes or 0 for t in outputs])
    rate = machine.matrix_flops if op.traits & Trait.BLAS else machine.plain_flops
    return Cost(flops, nbytes, machine.call_seconds + max(flops / rate, nbytes / machine.bytes_per_second))


def _flops(op: Op, attrs: Attrs, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    if any(not t.is_static for t in (*inputs, *outputs)):
        return 0
    if op.flops is not None:
        return int(op.flops(inputs, outputs, **attrs))
    return sum(math.prod([d for d in t.dims if isinstance(d, int)]) for t in outputs)


def node_cost(node: Node, machine: Machine) -> Cost:
    """The cost of a node whose sizes are bound; that of control flow is its bodies', a loop's times its known trips.

    A view that need not copy where its input is contiguous is free.
    """
    op = node.op
    if op.is_source or op.name in ("read", "no_op"):
        return FREE
    inputs, outputs = [t.type for t in node.inputs], [t.type for t in node.outputs]
    if op.is_view and op.view(inputs[0], outputs[0], node.attrs, True) is not None:
        return FREE
    if op.is_control:
        parts = [node_cost(n, machine) for body in node.attrs["bodies"] for n in body.nodes]
        trips = trip_count(op, node.attrs, inputs)
        return Cost(
            trips * sum([c.flops for c in parts]),
            trips * sum([c.nbytes for c in parts]),
            trips * math.fsum([c.seconds for c in parts]) + machine.call_seconds,
        )
    return kernel_cost(op, node.attrs, inputs, outputs, machine)


def trip_count(op: Op, attrs: Attrs, inputs: Sequence[TensorType]) -> int:
    """How often the bodies of a control-flow op run, where that is known, else 1."""
    if not op.name.startswith(("scan", "map")):
        return 1
    leading = [t.shape[0] for t in inputs if t.shape]
    return int(attrs.get("trips") or max([d for d in leading if isinstance(d, int)], default=1))
