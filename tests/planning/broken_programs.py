"""Ways to change one thing about a program; some do harm, some do not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphflow.program import Instruction, Kind, Program

__all__ = ["CHANGES", "SAFE_CHANGES", "with_instruction"]

Change = Callable[[Program, random.Random], Program]


def with_instruction(program: Program, k: int, **fields: Any) -> Program:
    """The program with other fields in one instruction."""
    instructions = list(program.instructions)
    instructions[k] = instructions[k]._replace(**fields)
    return replace(program, instructions=tuple(instructions))


def _with_slot(program: Program, n: int, **fields: Any) -> Program:
    slots = list(program.slots)
    slots[n] = slots[n]._replace(**fields)
    return replace(program, slots=tuple(slots))


def _relabelled(program: Program) -> Program:
    """With the names of values in the order of the instructions."""
    names: dict[int, int] = {}
    made = 0
    instructions = []
    for i in program.instructions:
        reads = tuple([names.get(v, v) for v in i.reads])
        makes = reads[1:] if i.op.name == "assign" else tuple(range(made, made + len(i.makes)))
        if i.op.name != "assign":
            made += len(makes)
            names.update(zip(i.makes, makes, strict=True))
        instructions.append(i._replace(reads=reads, makes=makes))
    fetched = tuple([names.get(v, v) for v in program.fetched])
    return replace(program, instructions=tuple(instructions), fetched=fetched)


def _ordered(program: Program, order: Sequence[int]) -> Program:
    """With some of the instructions, in another order; waits and names of values follow them."""
    at = {k: n for n, k in enumerate(order)}
    moved = [program.instructions[k] for k in order]
    instructions = [i._replace(waits=tuple(sorted(at[w] for w in i.waits if w in at))) for i in moved]
    return _relabelled(replace(program, instructions=tuple(instructions)))


def _pick(
    program: Program, rng: random.Random, wanted: Callable[[Instruction], object] = lambda i: True
) -> int:
    """An instruction of some kind; -1 if there is none."""
    found = [k for k, i in enumerate(program.instructions) if wanted(i)]
    return rng.choice(found) if found else -1


def _other_slot(program: Program, rng: random.Random, slot: int) -> int:
    """A slot, mostly of the same type."""
    alike = [n for n, s in enumerate(program.slots) if s.type == program.slots[slot].type]
    return rng.choice(alike) if rng.random() < 0.7 else rng.randrange(len(program.slots))


def _other_value(program: Program, rng: random.Random) -> int:
    made = [v for i in program.instructions for v in i.makes]
    return rng.choice(made) if made and rng.random() < 0.5 else -1 - rng.randrange(len(program.slots))


def _without(items: Sequence[Any], rng: random.Random) -> tuple[Any, ...]:
    at = rng.randrange(len(items))
    return (*items[:at], *items[at + 1 :])


# --- order and lanes ----------------------------------------------------------------------------------


def _exchange(program: Program, rng: random.Random) -> Program:
    """Two instructions change places, but for their lanes and waits."""
    instructions = list(program.instructions)
    if not instructions:
        return program
    a = rng.randrange(len(instructions))
    b = rng.choice([rng.randrange(len(instructions)), min(a + 1, len(instructions) - 1)])
    first, second = instructions[a], instructions[b]
    instructions[a] = second._replace(lane=first.lane, waits=first.waits)
    instructions[b] = first._replace(lane=second.lane, waits=second.waits)
    changed = replace(program, instructions=tuple(instructions))
    return _relabelled(changed) if rng.random() < 0.8 else changed


def _move(program: Program, rng: random.Random) -> Program:
    """An instruction comes earlier or later; who waits for it still does, if it can."""
    order = list(range(len(program.instructions)))
    if order:
        order.insert(rng.randrange(len(order)), order.pop(rng.randrange(len(order))))
    changed = _ordered(program, order)
    return changed if all(w < k for k, i in enumerate(changed.instructions) for w in i.waits) else program


def _drop(program: Program, rng: random.Random) -> Program:
    """An instruction does not run."""
    if not program.instructions:
        return program
    gone = rng.randrange(len(program.instructions))
    changed = _ordered(program, [k for k in range(len(program.instructions)) if k != gone])
    return replace(changed, commit=program.commit - (gone < program.commit))


def _repeat(program: Program, rng: random.Random) -> Program:
    """An instruction runs twice."""
    k = _pick(program, rng)
    if k < 0 or any(i.waits for i in program.instructions):
        return program
    instructions = (*program.instructions[: k + 1], *program.instructions[k:])
    commit = program.commit + (k < program.commit)
    return _relabelled(replace(program, instructions=instructions, commit=commit))


def _change_waits(program: Program, rng: random.Random) -> Program:
    """An instruction waits for fewer others, for none, or for another."""
    k = _pick(program, rng, lambda i: i.waits)
    if k < 0:
        return program
    waits = program.instructions[k].waits
    other = (*_without(waits, rng), rng.randrange(-1, k + 2))
    return with_instruction(program, k, waits=rng.choice([_without(waits, rng), (), other]))


def _change_lane(program: Program, rng: random.Random) -> Program:
    """An instruction runs on another lane, or all do."""
    if rng.random() < 0.2:
        moved = [i._replace(lane=rng.randrange(2)) for i in program.instructions]
        return replace(program, instructions=tuple(moved))
    k = _pick(program, rng)
    return program if k < 0 else with_instruction(program, k, lane=rng.randrange(3))


def _change_commit(program: Program, rng: random.Random) -> Program:
    """The commit begins earlier or later."""
    near = program.commit + rng.choice((-1, 1))
    return replace(program, commit=rng.choice([near, rng.randrange(len(program.instructions) + 1)]))


# --- what instructions read and write -----------------------------------------------------------------


def _change_read(program: Program, rng: random.Random) -> Program:
    """An instruction does not read something, reads it twice, from elsewhere, or something else."""
    k = _pick(program, rng, lambda i: i.inputs)
    if k < 0:
        return program
    i = program.instructions[k]
    at = rng.randrange(len(i.inputs))
    inputs, reads = list(i.inputs), list(i.reads)
    how = rng.randrange(5)
    if how == 0:
        del inputs[at], reads[at]
    elif how == 1:
        reads[at] = _other_value(program, rng)
    elif how == 2:
        inputs[at] = _other_slot(program, rng, inputs[at])
    elif how == 3:
        inputs, reads = inputs[::-1], reads[::-1]
    else:
        inputs, reads = [*inputs, inputs[at]], [*reads, reads[at]]
    return with_instruction(program, k, inputs=tuple(inputs), reads=tuple(reads))


def _change_written(program: Program, rng: random.Random) -> Program:
    """An instruction writes another slot, or names another value."""
    k = _pick(program, rng, lambda i: i.outputs)
    if k < 0:
        return program
    i = program.instructions[k]
    at = rng.randrange(len(i.outputs))
    outputs, makes = list(i.outputs), list(i.makes)
    if rng.random() < 0.7:
        outputs[at] = _other_slot(program, rng, outputs[at])
    else:
        makes[at] = rng.randrange(-3, len(program.instructions))
    return with_instruction(program, k, outputs=tuple(outputs), makes=tuple(makes))


def _change_home(program: Program, rng: random.Random) -> Program:
    """A value lives in another slot, for all who read it too."""
    k = _pick(program, rng, lambda i: i.outputs)
    if k < 0:
        return program
    i = program.instructions[k]
    at = rng.randrange(len(i.outputs))
    old, value, new = i.outputs[at], i.makes[at], _other_slot(program, rng, i.outputs[at])

    def moved(slots: Sequence[int], values: Sequence[int]) -> tuple[int, ...]:
        pairs = zip(slots, values, strict=True)
        return tuple([new if (s, v) == (old, value) else s for s, v in pairs])

    instructions = [
        j._replace(inputs=moved(j.inputs, j.reads), outputs=moved(j.outputs, j.makes))
        for j in program.instructions
    ]
    fetches = moved(program.fetches, program.fetched)
    return replace(program, instructions=tuple(instructions), fetches=fetches)


def _change_free(program: Program, rng: random.Random) -> Program:
    """Something is freed earlier or later, never, or twice; or what is not to be freed is."""
    k = _pick(program, rng, lambda i: i.frees)
    how = rng.randrange(3)
    if k < 0 or how == 0:
        k = _pick(program, rng)
        more = rng.randrange(len(program.slots))
        frees = program.instructions[k].frees if k >= 0 else ()
        return program if k < 0 else with_instruction(program, k, frees=(*frees, more))
    rest = list(program.instructions[k].frees)
    slot = rest.pop(rng.randrange(len(rest)))
    changed = with_instruction(program, k, frees=tuple(rest))
    if how == 1:
        return changed
    other = rng.randrange(len(program.instructions))
    return with_instruction(changed, other, frees=(*changed.instructions[other].frees, slot))


def _change_facts(program: Program, rng: random.Random) -> Program:
    """An instruction says that it is a view or is not, that a result is needed or is not, or needs other bytes."""
    k = _pick(program, rng)
    if k < 0:
        return program
    i = program.instructions[k]
    used = [*(i.used or [True] * len(i.outputs))]
    if used:
        at = rng.randrange(len(used))
        used[at] = not used[at]
    fields: list[dict[str, Any]] = [
        {"is_view": not i.is_view},
        {"used": tuple(used)},
        {"workspace_nbytes": rng.choice([0, 64, 10**6])},
    ]
    return with_instruction(program, k, **rng.choice(fields))


# --- slots --------------------------------------------------------------------------------------------


def _shift(program: Program, rng: random.Random) -> Program:
    """A buffer begins elsewhere in the arena."""
    buffers = [n for n, s in enumerate(program.slots) if s.offset >= 0]
    if not buffers:
        return program
    n = rng.choice(buffers)
    near = program.slots[n].offset + rng.choice((-128, -64, 64, 128, 8))
    return _with_slot(program, n, offset=rng.choice([near, program.slots[rng.choice(buffers)].offset]))


def _change_slot(program: Program, rng: random.Random) -> Program:
    """A slot is of another kind or size, or shows another; an arena has another size."""
    if not program.slots:
        return program
    n, how = rng.randrange(len(program.slots)), rng.randrange(4)
    views = [v for v, s in enumerate(program.slots) if s.kind is Kind.VIEW]
    if how == 0:
        return _with_slot(program, n, kind=rng.choice(list(Kind)))
    if how == 1:
        return _with_slot(program, n, nbytes=rng.choice([0, 64, None]))
    if how == 2 and views:
        return _with_slot(program, rng.choice(views), base=rng.randrange(-1, len(program.slots)))
    sizes = {d: size + rng.choice((-64, 64)) for d, size in program.arena_nbytes.items()}
    return replace(program, arena_nbytes=sizes)


# --- what a run takes and gives -----------------------------------------------------------------------


def _change_fetch(program: Program, rng: random.Random) -> Program:
    """A result is taken from elsewhere, at another time, or is another."""
    if not program.fetches:
        return program
    n, m = rng.randrange(len(program.fetches)), rng.randrange(len(program.fetches))
    fetches, fetched, early = list(program.fetches), list(program.fetched), list(program.early_fetches)
    how = rng.randrange(4)
    if how == 0:
        fetches[n] = _other_slot(program, rng, fetches[n])
    elif how == 1:
        fetched[n] = _other_value(program, rng)
    elif how == 2:
        early[n] = not early[n]
    else:
        fetches[n], fetched[n] = fetches[m], fetched[m]
    return replace(program, fetches=tuple(fetches), fetched=tuple(fetched), early_fetches=tuple(early))


def _change_swaps(program: Program, rng: random.Random) -> Program:
    """A variable is not swapped in, from another slot, or into another; or in another order."""
    if not program.swaps:
        return program
    at, other = rng.randrange(len(program.swaps)), rng.randrange(len(program.slots))
    source, target = program.swaps[at]
    rest = _without(program.swaps, rng)
    swapped = [rest, (*rest, (other, target)), (*rest, (source, other)), program.swaps[::-1]]
    return replace(program, swaps=rng.choice(swapped))


def _change_state(program: Program, rng: random.Random) -> Program:
    """Feeds, or what is said of variables and counters, are others."""
    other = rng.randrange(len(program.slots)) if program.slots else 0
    changes: list[dict[str, Any]] = []
    for name, slots in (("written", program.written), ("counters", program.counters)):
        changes += [{name: (*slots, other)}, {name: _without(slots, rng) if slots else ()}]
    if program.feeds:
        changes.append({"feeds": (*_without(program.feeds, rng), other)})
    needed = [n for n, v in enumerate(program.variables) if v[1]]
    if needed:
        n = rng.choice(needed)
        slot, _, place = program.variables[n]
        rest = (*program.variables[:n], *program.variables[n + 1 :])
        changes.append({"variables": (*rest, (slot, False, place))})
    return replace(program, **rng.choice(changes))


SAFE_CHANGES: list[Change] = [_exchange, _move, _drop, _repeat, _change_free, _shift, _change_fetch]
"""After these a kernel still gets arrays of the types that it was made for, or none: it can be run."""

CHANGES: list[Change] = [
    *SAFE_CHANGES,
    *(_change_waits, _change_lane, _change_commit, _change_read, _change_written, _change_home),
    *(_change_facts, _change_slot, _change_swaps, _change_state),
]
