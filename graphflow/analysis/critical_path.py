"""What an instruction has to come after, and the costliest chain of such: no schedule, on any number of lanes, is faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphflow.program import Instruction, Program

__all__ = ["critical_path", "dependencies"]


def dependencies(program: Program) -> tuple[tuple[int, ...], ...]:
    """For each instruction the earlier ones that must have finished when it begins. O(V + E).

    Those that made what it reads; the effect before an effect; what the plan makes it wait for on other lanes. The
    commit, in which are all writes into variables' own bytes, comes after all else, its instructions one after another.
    Bytes of the arena that one value takes over from another are no dependency: another plan would place them apart.
    """
    finder = _Finder(program.commit)
    return tuple([finder.of(number, i) for number, i in enumerate(program.instructions)])


class _Finder:
    def __init__(self, commit: int) -> None:
        self._commit = commit
        self._maker: dict[tuple[int, int], int] = {}  # by slot and value: who put it there
        self._writer: dict[int, int] = {}  # by slot: where instructions do not say what they read
        self._effect = -1
        self._ends: dict[int, None] = {}  # nothing so far comes after these

    def of(self, number: int, i: Instruction) -> tuple[int, ...]:
        found = dict.fromkeys(self._earlier(number, i))
        if number == self._commit:
            found.update(self._ends)
        elif number > self._commit:
            found[number - 1] = None
        for earlier in found:
            self._ends.pop(earlier, None)
        self._ends[number] = None
        self._maker.update(dict.fromkeys(zip(i.outputs, i.makes, strict=False), number))
        self._writer.update(dict.fromkeys(i.outputs, number))
        return tuple(found)

    def _earlier(self, number: int, i: Instruction) -> Iterator[int]:
        if i.reads:
            yield from [self._maker[key] for key in zip(i.inputs, i.reads, strict=True) if key in self._maker]
        else:
            yield from [self._writer[s] for s in i.inputs if s in self._writer]
        yield from i.waits
        if i.op.has_effect:
            if self._effect >= 0:
                yield self._effect
            self._effect = number


def critical_path(program: Program, seconds: Sequence[float]) -> tuple[float, tuple[int, ...]]:
    """(span in seconds, instruction numbers along it) for what each instruction takes. O(V + E)."""
    finish: list[float] = []
    before: list[int] = []
    for number, earlier in enumerate(dependencies(program)):
        via = max(earlier, key=lambda k: (finish[k], -k), default=-1)
        finish.append(seconds[number] + (finish[via] if via >= 0 else 0.0))
        before.append(via)
    if not finish:
        return 0.0, ()
    end = max(range(len(finish)), key=lambda k: finish[k])
    path = [end]
    while before[path[-1]] >= 0:
        path.append(before[path[-1]])
    return finish[end], tuple(reversed(path))
