"""What an instruction costs: operations, bytes, and seconds by a simple machine model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.op import Trait
from graphflow.program import Instruction, Program, Slot
from graphflow.types import TensorType

__all__ = ["Cost", "Machine", "instruction_cost", "program_costs"]


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


def _nbytes(slots: Sequence[Slot]) -> int:
    return sum(s.type.nbytes or 0 for s in slots)


def instruction_cost(i: Instruction, program: Program, machine: Machine) -> Cost:
    """The cost of one instruction; a view costs nothing, a loop is counted by its known trips, else once."""
    if i.is_view:
        return Cost(0, 0, 0.0)
    inputs = [program.slots[s] for s in i.inputs]
    outputs = [program.slots[s] for s in i.outputs]
    if i.bodies:
        parts = [c for body in i.bodies for c in program_costs(body, machine)]
        trips = int(i.attrs.get("trips") or _leading(inputs)) if i.op.name.startswith(("scan", "map")) else 1
        return Cost(
            trips * sum(c.flops for c in parts),
            trips * sum(c.nbytes for c in parts),
            trips * sum(c.seconds for c in parts) + machine.call_seconds,
        )
    flops = _flops(i, [s.type for s in inputs], [s.type for s in outputs])
    nbytes = _nbytes(inputs) + _nbytes(outputs)
    rate = machine.matrix_flops if i.op.traits & Trait.BLAS else machine.plain_flops
    seconds = machine.call_seconds + max(flops / rate, nbytes / machine.bytes_per_second)
    return Cost(flops, nbytes, seconds)


def _leading(inputs: Sequence[Slot]) -> int:
    sizes = [s.type.shape[0] for s in inputs if s.type.shape]
    return max([d for d in sizes if isinstance(d, int)], default=1)


def _flops(i: Instruction, inputs: list[TensorType], outputs: list[TensorType]) -> int:
    if any(not t.is_static for t in (*inputs, *outputs)):
        return 0
    if i.op.flops is not None:
        return int(i.op.flops(inputs, outputs, **i.attrs))
    return sum(math.prod([d for d in t.dims if isinstance(d, int)]) for t in outputs)


def program_costs(program: Program, machine: Machine) -> list[Cost]:
    """The cost of each instruction, in order."""
    return [instruction_cost(i, program, machine) for i in program.instructions]
