"""What the instructions of a program cost, by the model of `planning.cost`."""

from __future__ import annotations

from graphflow.planning.cost import (
    FREE,
    Calibration,
    Cost,
    Machine,
    kernel_cost,
    repeated,
    trip_count,
)
from graphflow.program import Instruction, Program

__all__ = ["Calibration", "Cost", "Machine", "instruction_cost", "program_costs"]


def instruction_cost(
    i: Instruction, program: Program, machine: Machine, calibration: Calibration | None = None
) -> Cost:
    """The cost of one instruction; a view costs nothing, a loop is counted by its known trips, else once."""
    if i.is_view:
        return FREE
    inputs = [program.slots[s].type for s in i.inputs]
    if i.bodies:
        parts = [c for body in i.bodies for c in program_costs(body, machine, calibration)]
        cost = repeated(parts, trip_count(i.op, i.attrs, inputs), machine)
        return (None if calibration is None else calibration.measured(cost, i.op, i.place.name)) or cost
    outputs = [program.slots[s].type for s in i.outputs]
    name = None if calibration is None else i.place.name
    return kernel_cost(i.op, i.attrs, inputs, outputs, machine, calibration, name)


def program_costs(program: Program, machine: Machine, calibration: Calibration | None = None) -> list[Cost]:
    """The cost of each instruction, in order."""
    return [instruction_cost(i, program, machine, calibration) for i in program.instructions]
