"""What one kernel call costs: operations, bytes, and seconds by a model of the machine that runs can correct.

A call takes the longer of computing and moving, and what handing it out takes. The rates are those of NumPy's
loops; `benchmarks/machine.py` measures how close they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.graph import Node
from graphflow.op import Attrs, Op, Trait
from graphflow.ops.fused import ClusterBody
from graphflow.planning.rates import ACROSS, CALL_SECONDS, INTEGER_DIVISION, RATES
from graphflow.types import TensorType, dtype_name

__all__ = [
    "FREE",
    "Calibration",
    "Cost",
    "Kind",
    "Machine",
    "kernel_cost",
    "kernel_kind",
    "node_cost",
    "trip_count",
]


@dataclass(frozen=True, slots=True)
class Machine:
    """A device as the cost model sees it. The defaults were measured on one core of a server CPU of 2021.

    call_seconds: of a call of one NumPy loop. kernel_seconds: of a kernel written in Python.
    matrix_flops, plain_flops, vector_flops: operations a second on float32: of matrix products, of functions that
        the C library computes one by one, and of single instructions.
    cache_nbytes: a call that touches no more than this moves `cache_bytes_per_second`, a larger one
        `bytes_per_second`. They rank nodes and find the critical path, and are not a promise of seconds.
    """

    call_seconds: float = 6e-7
    kernel_seconds: float = 1.2e-5
    matrix_flops: float = 7.8e10
    plain_flops: float = 2e9
    vector_flops: float = 1e10
    cache_nbytes: int = 1 << 24
    cache_bytes_per_second: float = 5.5e10
    bytes_per_second: float = 2.4e10

    def move_seconds(self, nbytes: int) -> float:
        """Seconds to read and write that many bytes in all."""
        return nbytes / (
            self.cache_bytes_per_second if nbytes <= self.cache_nbytes else self.bytes_per_second
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """flops: arithmetic operations. nbytes: read and written. seconds: by the model. trips unknown: counted once."""

    flops: int
    nbytes: int
    seconds: float


FREE = Cost(0, 0, 0.0)
"""The cost of what makes no call: sources, views, markers."""

_STACKED_SECONDS = 1.6e-7
"""For each matrix of a stack, in a product of stacks."""

_GATHER_SECONDS = (1.5e-9, 5e-9)
"""For each element that is copied out of its order: within a core's cache, and beyond it."""

_NEAR_NBYTES = 1 << 20

_BLOCK_BYTES_PER_SECOND = 1e11
"""How fast the nodes of a cluster read and write blocks, which stay in a core's cache."""

_LARGEST_CLASS = 40

Kind = tuple[str, str, int]
"""Calls that are alike: op, dtype, and the logarithm to base 4 of the bytes they touch."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What profiled runs say about the model. An empty one says nothing.

    seconds: by a node's name, its op and the bytes it touches: taken as they were measured where all three are met again.
    factors: by kind of call, measured over modelled seconds; the nearest size of the same op and dtype serves too.
    overall: the same for all kinds together, for ops that no run had.
    """

    seconds: Mapping[tuple[str, str, int], float] = field(default_factory=dict)
    factors: Mapping[Kind, float] = field(default_factory=dict)
    overall: float = 1.0

    def measured(self, cost: Cost, op: Op, name: str | None) -> Cost | None:
        """The cost with the seconds that were measured of that very node; None where none were."""
        known = None if name is None else self.seconds.get((name, op.name, cost.nbytes))
        return None if known is None else Cost(cost.flops, cost.nbytes, known)

    def corrected(self, cost: Cost, kind: Kind) -> Cost:
        """The cost with seconds scaled by what was measured of calls like it."""
        return Cost(cost.flops, cost.nbytes, cost.seconds * self.factor(kind))

    def factor(self, kind: Kind) -> float:
        """Measured over modelled seconds for calls of that kind."""
        op, dtype, size = kind
        for step in range(_LARGEST_CLASS):
            near = [
                self.factors[k]
                for k in ((op, dtype, size - step), (op, dtype, size + step))
                if k in self.factors
            ]
            if near:
                return math.prod(near) ** (1 / len(near))
        return self.overall


def kernel_kind(op: Op, inputs: Sequence[TensorType], outputs: Sequence[TensorType], nbytes: int) -> Kind:
    """What a call is compared with, see `Kind`."""
    first = inputs[0] if inputs else outputs[0] if outputs else None
    dtype = "" if first is None else dtype_name(first.dtype)
    return op.name, dtype, (max(nbytes, 1).bit_length() - 1) // 2


def kernel_cost(
    op: Op,
    attrs: Attrs,
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    machine: Machine,
    calibration: Calibration | None = None,
    name: str | None = None,
) -> Cost:
    """The cost of one call of the op's kernel. Sizes that depend on data count nothing. O(inputs + outputs).

    A kernel that shares its work among threads is counted as on one.
    calibration: corrects the seconds. name: of the node, for what was measured of that very node.
    """
    nbytes = 0
    static = True
    for t in inputs:
        size = t.nbytes
        static = static and size is not None
        nbytes += size or 0
    made = 0
    for t in outputs:
        size = t.nbytes
        static = static and size is not None
        made += size or 0
    nbytes += made
    flops = _flops(op, attrs, inputs, outputs) if static else 0
    if op.name == "fused":
        seconds = _cluster_seconds(attrs["body"], nbytes, machine)
    else:
        seconds = _overhead(op, machine) + max(
            _compute_seconds(op, attrs, flops, inputs, outputs, machine), machine.move_seconds(nbytes)
        )
        if op.is_view:  # not as a view, then, but element by element
            count = made // max(1, outputs[0].dtype.itemsize)
            seconds = max(seconds, count * _GATHER_SECONDS[nbytes > _NEAR_NBYTES])
    cost = Cost(flops, nbytes, seconds)
    if calibration is None:
        return cost
    kind = kernel_kind(op, inputs, outputs, nbytes)
    return calibration.measured(cost, op, name) or calibration.corrected(cost, kind)


def _flops(op: Op, attrs: Attrs, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    if op.flops is not None:
        return int(op.flops(inputs, outputs, **attrs))
    return sum([_count(t) for t in outputs])


def _count(t: TensorType) -> int:
    nbytes = t.nbytes
    return 0 if nbytes is None else nbytes // max(1, t.dtype.itemsize)


def _overhead(op: Op, machine: Machine) -> float:
    known = CALL_SECONDS.get(op.name)
    if known is not None:
        return known
    if op.is_single_call:
        return machine.call_seconds
    return machine.kernel_seconds / 3 if op.is_elementwise else machine.kernel_seconds


def _compute_seconds(
    op: Op,
    attrs: Attrs,
    flops: int,
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    machine: Machine,
) -> float:
    if not flops:
        return 0.0
    first = inputs[0] if inputs else outputs[0]
    size = first.dtype.itemsize
    wide = max(1.0, size / 8)  # complex numbers
    known = RATES.get(op.name)
    if known is not None:
        if first.dtype.kind in "iu" and op.name in ("floor_divide", "remainder", "fmod"):
            return flops / (INTEGER_DIVISION * 1e9)
        if op.name in ACROSS and not _along_last(attrs.get("axis"), len(first.dims)):
            known = ACROSS[op.name]
        return wide * flops / (known[size > 4] * 1e9)
    if op.flops is None or (op.is_elementwise and flops <= _count(outputs[0])):
        return wide * flops / (machine.vector_flops if size <= 4 else machine.vector_flops / 2)
    if op.is_elementwise:
        return wide * flops / machine.plain_flops
    if op.traits & Trait.BLAS:
        rate = machine.matrix_flops if size <= 4 else machine.matrix_flops / 2
        stack = math.prod([d for d in outputs[0].dims[:-2] if isinstance(d, int)])
        return wide * flops / rate + stack * _STACKED_SECONDS
    return wide * flops / machine.plain_flops


def _along_last(axis: Any, rank: int) -> bool:
    """Whether these axes, all of them for None, have the last among them."""
    return axis is None or any(
        a % rank == rank - 1 for a in (axis if isinstance(axis, tuple) else (axis,)) if rank
    )


def _cluster_seconds(body: ClusterBody, nbytes: int, machine: Machine) -> float:
    """A cluster's nodes on blocks: each computes or moves within the cache; what enters and leaves moves as elsewhere."""
    types = [*body.inputs, *[s.type for s in body.steps]]
    seconds = 0.0
    calls = 0
    for s in body.steps:
        if s.kind == "view":
            continue
        calls += 1
        of = [types[k] for k in s.inputs]
        touched = sum([t.nbytes or 0 for t in of]) + (s.type.nbytes or 0)
        work = _compute_seconds(s.op, s.attrs, _flops(s.op, s.attrs, of, [s.type]), of, [s.type], machine)
        seconds += max(work, touched / _BLOCK_BYTES_PER_SECOND)
    blocks = -(-body.rows // max(1, body.block_rows))
    overhead = machine.kernel_seconds + blocks * calls * machine.call_seconds
    return overhead + max(seconds, machine.move_seconds(nbytes))


def node_cost(node: Node, machine: Machine, calibration: Calibration | None = None) -> Cost:
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
        parts = [node_cost(n, machine, calibration) for body in node.attrs["bodies"] for n in body.nodes]
        cost = repeated(parts, trip_count(op, node.attrs, inputs), machine)
        return (None if calibration is None else calibration.measured(cost, op, node.name)) or cost
    return kernel_cost(op, node.attrs, inputs, outputs, machine, calibration, node.name)


def repeated(parts: Sequence[Cost], trips: int, machine: Machine) -> Cost:
    """The cost of control flow whose bodies cost `parts` and run `trips` times."""
    return Cost(
        trips * sum([c.flops for c in parts]),
        trips * sum([c.nbytes for c in parts]),
        trips * (math.fsum([c.seconds for c in parts]) + machine.kernel_seconds) + machine.kernel_seconds,
    )


def trip_count(op: Op, attrs: Mapping[str, Any], inputs: Sequence[TensorType]) -> int:
    """How often the bodies of a control-flow op run, where sizes say so: a scan runs once an element; else 1."""
    if not op.name.startswith("scan"):
        return 1
    elements = inputs[attrs["n_carry"] : attrs["n_carry"] + attrs["n_elems"]]
    leading = [t.shape[0] for t in elements if t.shape]
    return max([d for d in leading if isinstance(d, int)], default=1)
