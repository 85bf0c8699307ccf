"""What a profiled run says about the cost model: measured seconds for the same nodes, factors for calls like theirs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphflow.analysis.cost import Machine, instruction_cost
from graphflow.planning.cost import Calibration, Kind, kernel_kind
from graphflow.program import Instruction, Program

if TYPE_CHECKING:
    from graphflow.profile import Recorder

__all__ = ["Calibration", "calibrate", "measured_seconds"]


def measured_seconds(program: Program, recorder: Recorder) -> dict[int, float]:
    """Seconds of each instruction that the recorder timed, by number; those of one commit are timed together, as -1.

    Events without a number are found by their names; nodes of one name share what was measured. O(E + I).
    """
    found: dict[int, float] = {}
    unnumbered: dict[str, float] = {}
    for e in recorder.events:
        if e.number >= 0:
            found[e.number] = found.get(e.number, 0.0) + e.seconds
        elif e.op == "commit":
            found[-1] = found.get(-1, 0.0) + e.seconds
        else:
            unnumbered[e.name] = unnumbered.get(e.name, 0.0) + e.seconds
    if unnumbered:
        named: dict[str, list[int]] = {}
        for number, i in enumerate(program.instructions):
            if i.place.name in unnumbered and not i.is_view and number not in found:
                named.setdefault(i.place.name, []).append(number)
        for name, numbers in named.items():
            found.update(dict.fromkeys(numbers, unnumbered[name] / len(numbers)))
    return found


def calibrate(
    program: Program,
    recorders: Recorder | Sequence[Recorder],
    machine: Machine | None = None,
    before: Calibration | None = None,
) -> Calibration:
    """What profiled runs of `program` say about the model; give it to `program_costs`, `node_cost` or `kernel_cost`.

    recorders: one run, or several of the same program: then each instruction's median counts.
    machine: the model that the factors correct, the default one for None.
    before: what earlier runs said; what is measured now takes its place.
    A node is met again by its name, op and bytes; in a program of other shapes it is scaled as calls like it. O(I).
    """
    model = Machine() if machine is None else machine
    runs = recorders if isinstance(recorders, Sequence) else [recorders]
    times: dict[int, list[float]] = {}
    for recorder in runs:
        for number, seconds in measured_seconds(program, recorder).items():
            times.setdefault(number, []).append(seconds)
    seconds_of: dict[tuple[str, str, int], float] = {}
    sums: dict[Kind, tuple[float, float]] = {}
    for number, i in enumerate(program.instructions):
        if number not in times or i.is_view:
            continue
        measured = statistics.median(times[number])
        cost = instruction_cost(i, program, model)
        seconds_of[i.place.name, i.op.name, cost.nbytes] = measured
        if cost.seconds > 0 and not i.bodies:
            kind = _kind(i, program, cost.nbytes)
            a, b = sums.get(kind, (0.0, 0.0))
            sums[kind] = (a + measured, b + cost.seconds)
    factors = {kind: a / b for kind, (a, b) in sums.items() if a > 0}
    overall = 1.0 if before is None else before.overall
    if factors:  # each kind counts alike: one large kernel says nothing about ops that it is not
        overall = math.exp(math.fsum(map(math.log, factors.values())) / len(factors))
    if before is not None:
        seconds_of = {**before.seconds, **seconds_of}
        factors = {**before.factors, **factors}
    return Calibration(seconds_of, factors, overall)


def _kind(i: Instruction, program: Program, nbytes: int) -> Kind:
    slots = program.slots
    return kernel_kind(i.op, [slots[s].type for s in i.inputs], [slots[s].type for s in i.outputs], nbytes)
