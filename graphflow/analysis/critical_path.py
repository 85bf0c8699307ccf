"""The costliest chain of dependent instructions: no schedule, on any number of lanes, is faster."""

from __future__ import annotations

from collections.abc import Sequence

from graphflow.program import Program

__all__ = ["critical_path"]


def critical_path(program: Program, seconds: Sequence[float]) -> tuple[float, tuple[int, ...]]:
    """(span in seconds, instruction numbers along it). O(V + E)."""
    writer: dict[int, int] = {}
    finish: list[float] = []
    before: list[int] = []
    for number, i in enumerate(program.instructions):
        start, via = 0.0, -1
        for s in i.inputs:
            w = writer.get(s, -1)
            if w >= 0 and (via < 0 or finish[w] > start):
                start, via = finish[w], w
        finish.append(start + seconds[number])
        before.append(via)
        for s in i.outputs:
            writer[s] = number
    if not finish:
        return 0.0, ()
    end = max(range(len(finish)), key=lambda k: finish[k])
    path = [end]
    while before[path[-1]] >= 0:
        path.append(before[path[-1]])
    return finish[end], tuple(reversed(path))
