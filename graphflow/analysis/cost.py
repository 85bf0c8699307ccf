"""What the instructions of a program cost, by the model of `planning.cost`."""

from __future__ import annotations

import math

from graphflow.planning.cost import FREE, Cost, Machine, kernel_cost, trip_count
from graphflow.program import Instruction, Program

__all__ = ["Cost", "Machine", "instruction_cost", "program_costs"]


def instruction_cost(i: Instruction, program: Program, machine: Machine) -> Cost:
    """The cost of one instruction; a view costs nothing, a loop is counted by its known trips, else once."""
    if i.is_view:
        return FREE
    inputs = [program.slots[s].type for s in i.inputs]
    if i.bodies:
        parts = [c for body in i.bodies for c in program_costs(body, machine)]
        trips = trip_count(i.op, i.attrs, inputs)
        return Cost(
            trips * sum([c.flops for c in parts]),
            trips * sum([c.nbytes for c in parts]),
            trips * math.fsum([c.seconds for c in parts]) + machine.call_seconds,
        )
    return kernel_cost(i.op, i.attrs, inputs, [program.slots[s].type for s in i.outputs], machine)


def program_costs(program: Program, machine: Machine) -> list[Cost]:
    """The cost of each instruction, in order."""
    return [instruction_cost(i, program, machine) for i in program.instructions]
