"""How many bytes a program holds at each of its instructions."""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.planning.hazards import clocks
from graphflow.program import Instruction, Kind, Program

__all__ = ["MemoryProfile", "memory_profile", "temporary_nbytes"]


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """Bytes on all devices together; the caller's own feed arrays are not counted.

    variables, constants, arena (with those of sub-graphs): held for as long as the program is loaded.
    fetch_copies: made at the end for results whose bytes are not the caller's to keep.
    moving: per instruction, what kernels allocate themselves: results outside the arena and workspace.
    peak: the most at any time. peak_at: the instruction of the peak; len(moving) for the end of the run.
    unknown: slots whose size depends on data; then `peak` is a lower bound.
    """

    variables: int
    constants: int
    arena: int
    fetch_copies: int
    moving: tuple[int, ...]
    peak: int
    peak_at: int
    unknown: tuple[int, ...]

    @property
    def held(self) -> int:
        """Bytes that do not change during a run."""
        return self.variables + self.constants + self.arena


def _made_nbytes(i: Instruction, program: Program) -> int:
    """Bytes of the results that the kernel allocates; those of control flow that nothing needs are not made."""
    used = i.used or (True,) * len(i.outputs)
    slots = [program.slots[s] for s, wanted in zip(i.outputs, used, strict=True) if wanted]
    return sum(s.nbytes or 0 for s in slots if s.kind is Kind.DYNAMIC)


def _handed_on(body: Program, i: Instruction, program: Program) -> int:
    """Bytes of a branch's results that are the results of its node too: they are counted there.

    None for loops: there an iteration's results are alive beside those of the iteration before.
    """
    if not i.op.name.startswith("cond"):
        return 0
    wanted = [program.slots[s].type for s in i.outputs]
    total = 0
    for s in body.fetches:
        type_ = body.slots[s].type
        if type_ in wanted:
            wanted.remove(type_)
            total += type_.nbytes or 0
    return total


def _moving_on_lanes(program: Program, in_order: list[int]) -> list[int]:
    """What kernels may hold while each instruction runs, whichever others run beside it.

    in_order: the same for one lane, which holds for the commit. O(I V), V values that kernels allocate.
    """
    begun = clocks(program)
    head = program.instructions[: program.commit]
    lanes = 1 + max(i.lane for i in head)
    freed = {s: number for number, i in enumerate(head) for s in i.frees}
    values = []  # (bytes, made by, freed by)
    for number, i in enumerate(head):
        used = i.used or (True,) * len(i.outputs)
        for s, wanted in zip(i.outputs, used, strict=True):
            slot = program.slots[s]
            if wanted and slot.kind is Kind.DYNAMIC and slot.nbytes:
                values.append((slot.nbytes, number, freed.get(s, -1)))
    busy = [(n, k) for k, n in enumerate(temporary_nbytes(program)) if n and k < program.commit]
    found = []
    for number, i in enumerate(head):
        done = begun[number]
        total = sum(
            nbytes
            for nbytes, maker, end in values
            if begun[maker][i.lane] < number and not (end >= 0 and done[head[end].lane] >= end)
        )
        beside = [0] * lanes
        for nbytes, other in busy:
            lane = head[other].lane
            apart = lane == i.lane or done[lane] >= other or begun[other][i.lane] >= number
            if other == number or not apart:
                beside[lane] = max(beside[lane], nbytes)
        found.append(total + sum(beside))
    return found + in_order[program.commit :]


def temporary_nbytes(program: Program) -> list[int]:
    """For each instruction the bytes that its kernel holds while it runs: workspace, and what its bodies hold."""
    found = []
    for i in program.instructions:
        inside = 0
        for body in i.bodies:
            part = memory_profile(body)
            inside = max(inside, part.peak - part.held - _handed_on(body, i, program))
        found.append(i.workspace_nbytes + inside)
    return found


def memory_profile(program: Program) -> MemoryProfile:
    """Add up what `runtime.Executable` allocates. O(V + E), sub-graphs included."""
    slots = program.slots
    seen: dict[str, int] = {s.key: s.nbytes or 0 for s in slots if s.kind in (Kind.VARIABLE, Kind.COUNTER)}
    constants = {id(s.value): s.nbytes or 0 for s in slots if s.kind is Kind.CONSTANT}
    arena = sum(program.arena_nbytes.values())
    unknown = [n for n, s in enumerate(slots) if s.nbytes is None and s.kind is Kind.DYNAMIC]
    live = 0
    moving: list[int] = []
    fixed_constants = 0
    for i in program.instructions:
        made = _made_nbytes(i, program)
        inside = 0
        for body in i.bodies:
            part = memory_profile(body)
            arena += part.arena
            fixed_constants += part.constants
            inside = max(inside, part.peak - part.held - _handed_on(body, i, program))
            unknown.extend([-1] * len(part.unknown))
        live += made
        moving.append(live + i.workspace_nbytes + inside)
        live -= sum(slots[s].nbytes or 0 for s in i.frees if slots[s].kind is Kind.DYNAMIC)
    copies = sum(
        slots[s].type.nbytes or 0
        for n, s in enumerate(program.fetches)
        if slots[s].kind is not Kind.DYNAMIC or program.fetches.index(s) != n
    )
    if any(i.lane for i in program.instructions):
        moving = _moving_on_lanes(program, moving)
    held = sum(seen.values()) + sum(constants.values()) + fixed_constants + arena
    ends = [*moving, live + copies]
    peak_at = max(range(len(ends)), key=lambda k: ends[k])
    return MemoryProfile(
        sum(seen.values()),
        sum(constants.values()) + fixed_constants,
        arena,
        copies,
        tuple(moving),
        held + ends[peak_at],
        peak_at,
        tuple(unknown),
    )
