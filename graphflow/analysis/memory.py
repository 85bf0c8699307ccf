"""How many bytes a program holds at each of its instructions."""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.program import Kind, Program

__all__ = ["MemoryProfile", "memory_profile"]


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
        inner = 0
        for body in i.bodies:
            part = memory_profile(body)
            arena += part.arena
            fixed_constants += part.constants
            inner = max(inner, part.peak - part.held)
            unknown.extend([-1] * len(part.unknown))
        live += sum(slots[s].nbytes or 0 for s in i.outputs if slots[s].kind is Kind.DYNAMIC)
        moving.append(live + i.workspace_nbytes + inner)
        live -= sum(slots[s].nbytes or 0 for s in i.frees if slots[s].kind is Kind.DYNAMIC)
    copies = sum(
        slots[s].type.nbytes or 0
        for n, s in enumerate(program.fetches)
        if slots[s].kind is not Kind.DYNAMIC or program.fetches.index(s) != n
    )
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
