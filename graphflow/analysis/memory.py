"""How many bytes a program holds at each of its instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.planning.hazards import clocks
from graphflow.program import Instruction, Kind, Program

__all__ = ["MemoryProfile", "memory_profile"]


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """Bytes on all devices together; the caller's own feed arrays are not counted.

    variables, constants, arena (with those of sub-graphs): held for as long as the program is loaded.
    fetch_copies: made for results whose bytes are not the caller's to keep: before the commit where they are final
        then, else at the end.
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


def memory_profile(program: Program) -> MemoryProfile:
    """Add up what `runtime.Executable` allocates. O(V + E), sub-graphs included."""
    slots, head = program.slots, program.instructions[: program.commit]
    tail = program.instructions[program.commit :]
    seen: dict[str, int] = {s.key: s.nbytes or 0 for s in slots if s.kind in (Kind.VARIABLE, Kind.COUNTER)}
    constants = sum({id(s.value): s.nbytes or 0 for s in slots if s.kind is Kind.CONSTANT}.values())
    arena = sum(program.arena_nbytes.values())
    unknown = [n for n, s in enumerate(slots) if s.nbytes is None and s.kind is Kind.DYNAMIC]
    live = 0
    held: dict[int, int] = {}
    moving: list[int] = []
    temporary: list[int] = []
    for i in head:
        parts = [memory_profile(body) for body in i.bodies]
        for part in parts:
            arena += part.arena
            constants += part.constants
            unknown.extend([-1] * len(part.unknown))
        made = _made(i, program)
        held.update(made)
        live += sum(made.values())
        temporary.append(i.workspace_nbytes + (_inside(parts, i, program) if parts else 0))
        moving.append(live + temporary[-1])
        live -= sum([held.pop(s, 0) for s in i.frees])
    if any(i.lane for i in head):
        moving = _moving_on_lanes(program, temporary)
    early, late = _copied(program)
    for i in tail:
        held.update(_made(i, program))
    in_commit = early + sum(held.values())  # held throughout: its calls are made ready before the first
    moving += [in_commit + i.workspace_nbytes for i in tail]
    for i in tail:
        for s in i.frees:
            held.pop(s, 0)
    at_once = [*moving, early + late + sum(held.values())]
    peak_at = max(range(len(at_once)), key=lambda k: at_once[k])
    variables = sum(seen.values())
    return MemoryProfile(
        variables,
        constants,
        arena,
        early + late,
        tuple(moving),
        variables + constants + arena + at_once[peak_at],
        peak_at,
        tuple(unknown),
    )


def _copied(program: Program) -> tuple[int, int]:
    """Bytes of the results that are copied for the caller: before the commit, and at the end."""
    early = late = 0
    for n, s in enumerate(program.fetches):
        slot = program.slots[s]
        if slot.kind is not Kind.DYNAMIC or program.fetches.index(s) != n:
            nbytes = slot.type.nbytes or 0
            early, late = (early + nbytes, late) if program.early_fetches[n] else (early, late + nbytes)
    return early, late


def _made(i: Instruction, program: Program) -> dict[int, int]:
    """The slots whose arrays the kernel allocates, with their bytes.

    Control flow makes results that nothing needs too, but for what a loop would stack.
    """
    least = i.attrs.get("n_carry", len(i.outputs)) if i.bodies else 0
    made = [s for n, s in enumerate(i.outputs) if n < least or not i.used or i.used[n]]
    return {s: program.slots[s].nbytes or 0 for s in made if program.slots[s].kind is Kind.DYNAMIC}


def _inside(parts: Sequence[MemoryProfile], i: Instruction, program: Program) -> int:
    """Bytes that the bodies of control flow hold beside the results of their node.

    A branch hands its results on. A loop has those of an iteration beside those of the iteration before.
    """
    handed_on = i.outputs if i.op.name.startswith("cond") else ()
    return max(part.peak - part.held for part in parts) - sum(program.slots[s].nbytes or 0 for s in handed_on)


def _moving_on_lanes(program: Program, temporary: Sequence[int]) -> list[int]:
    """What kernels may hold while each instruction before the commit runs, whichever others run beside it.

    temporary: what each kernel holds while it runs. O(I V), V values that kernels allocate.
    """
    begun = clocks(program)
    head = program.instructions[: program.commit]
    lanes = 1 + max(i.lane for i in head)
    freed = {s: number for number, i in enumerate(head) for s in i.frees}
    values = [  # (bytes, made by, freed by)
        (nbytes, number, freed.get(s, -1))
        for number, i in enumerate(head)
        for s, nbytes in _made(i, program).items()
        if nbytes
    ]
    busy = [(n, k) for k, n in enumerate(temporary) if n]
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
    return found
