"""Where values lie and how long they are needed, read off a program alone: the planner's own answers are not asked."""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.program import Kind, Program

__all__ = ["Arena", "arena_bytes", "dead_bytes", "last_uses", "meets", "roots"]

Arena = tuple[str, int, int]
"""Bytes of an arena: device, first, and the one after the last."""


def roots(program: Program) -> list[int]:
    """For each slot the one whose bytes it shows: itself, unless it is a view."""
    found = []
    for number in range(len(program.slots)):
        while program.slots[number].base >= 0:
            number = program.slots[number].base
        found.append(number)
    return found


def arena_bytes(program: Program, slot: int) -> Arena | None:
    """Where in an arena a slot's own bytes are; None for what is elsewhere or has none."""
    s = program.slots[slot]
    if s.offset < 0 or not s.nbytes:
        return None
    return s.device, s.offset, s.offset + s.nbytes


def meets(a: Arena | None, b: Arena | None) -> bool:
    """Whether two ranges share a byte."""
    return a is not None and b is not None and a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def dead_bytes(program: Program, root: Sequence[int]) -> list[list[Arena]]:
    """For each instruction the planned bytes that nothing needs after it: that nothing reads before they are written.

    root: as `roots` gives it. One walk back over the instructions, which are taken to run in order.
    """
    needed = dict.fromkeys([root[s] for s in (*program.fetches, *[a for a, _ in program.swaps])], True)
    dead: list[list[Arena]] = []
    for i in reversed(program.instructions):
        written = [] if i.is_view else [root[s] for s in i.outputs]
        read = [root[s] for s in i.inputs]
        living = [a for r in written if needed.get(r) and (a := arena_bytes(program, r)) is not None]
        ended = [r for r in dict.fromkeys((*written, *read)) if not needed.get(r)]
        here: list[Arena] = []
        for r in ended:
            mine = arena_bytes(program, r)
            here.extend([] if mine is None else _without(mine, living))
        dead.append(here)
        needed.update(dict.fromkeys(written, False))
        needed.update(dict.fromkeys(read, True))
    return dead[::-1]


def _without(whole: Arena, taken: Sequence[Arena]) -> list[Arena]:
    """What is left of a range of bytes."""
    device, first, last = whole
    left = []
    for other, a, b in sorted(taken):
        if other != device or b <= first or a >= last:
            continue
        if a > first:
            left.append((device, first, a))
        first = max(first, b)
    if first < last:
        left.append((device, first, last))
    return left


def last_uses(program: Program) -> list[list[int]]:
    """For each instruction the slots that no later one names, and that are not results or variables."""
    kept = {*program.fetches, *[s for pair in program.swaps for s in pair]}
    kept.update(n for n, s in enumerate(program.slots) if s.kind in (Kind.VARIABLE, Kind.COUNTER))
    last: list[list[int]] = []
    for i in reversed(program.instructions):
        here = [s for s in dict.fromkeys((*i.inputs, *i.outputs)) if s not in kept]
        kept.update(here)
        last.append(here)
    return last[::-1]
