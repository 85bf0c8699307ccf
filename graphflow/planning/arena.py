"""Offsets in one arena for buffers whose lifetimes are known, so that no two live ones overlap.

Two methods, the better result is kept: best fit in the order of definition over a list of free
blocks (near-linear, any number of buffers), and greedy by size, largest first (quadratic, so for
up to 1,000 buffers; Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net
Inference").
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.errors import ArgumentError

__all__ = ["ArenaPlan", "Lifetime", "lower_bound_nbytes", "plan_arena"]

GREEDY_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer of `nbytes`, live in the closed interval [first, last] of schedule positions."""

    nbytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ArenaPlan:
    """offsets: bytes from the arena's start, one a buffer. nbytes: the arena's size."""

    offsets: tuple[int, ...]
    nbytes: int


def _aligned(nbytes: int, alignment: int) -> int:
    return -(-nbytes // alignment) * alignment


def lower_bound_nbytes(buffers: Sequence[Lifetime], alignment: int = 64) -> int:
    """The most bytes live at one position: no arena for this order is smaller."""
    changes: dict[int, int] = {}
    for b in buffers:
        size = _aligned(b.nbytes, alignment)
        changes[b.first] = changes.get(b.first, 0) + size
        changes[b.last + 1] = changes.get(b.last + 1, 0) - size
    live = peak = 0
    for position in sorted(changes):
        live += changes[position]
        peak = max(peak, live)
    return peak


def plan_arena(buffers: Sequence[Lifetime], alignment: int = 64) -> ArenaPlan:
    """Place every buffer; offsets are multiples of `alignment` (bytes, a power of two).

    Raises ArgumentError for a negative size, a reversed lifetime or a bad alignment.
    """
    if alignment < 1 or alignment & (alignment - 1):
        raise ArgumentError(f"plan_arena: alignment must be a power of two, not {alignment}")
    for b in buffers:
        if b.nbytes < 0 or b.last < b.first:
            raise ArgumentError(f"plan_arena: not a lifetime: {b}")
    plan = _best_fit(buffers, alignment)
    if len(buffers) <= GREEDY_LIMIT and plan.nbytes > lower_bound_nbytes(buffers, alignment):
        other = _greedy_by_size(buffers, alignment)
        if other.nbytes < plan.nbytes:
            return other
    return plan


def _best_fit(buffers: Sequence[Lifetime], alignment: int) -> ArenaPlan:
    """Walk positions; a definition takes the smallest free block that fits, an end returns its block."""
    offsets = [0] * len(buffers)
    starts: dict[int, list[int]] = {}
    ends: dict[int, list[int]] = {}
    for i, b in enumerate(buffers):
        starts.setdefault(b.first, []).append(i)
        ends.setdefault(b.last + 1, []).append(i)
    free = _FreeList()
    for position in sorted({*starts, *ends}):
        for i in ends.get(position, ()):
            free.release(offsets[i], _aligned(buffers[i].nbytes, alignment))
        for i in sorted(starts.get(position, ()), key=lambda i: -buffers[i].nbytes):
            offsets[i] = free.take(_aligned(buffers[i].nbytes, alignment))
    return ArenaPlan(tuple(offsets), free.top)


class _FreeList:
    """Free blocks below `top`, by offset; neighbours are merged."""

    def __init__(self) -> None:
        self.top = 0
        self._offsets: list[int] = []
        self._sizes: dict[int, int] = {}

    def take(self, nbytes: int) -> int:
        if nbytes == 0:
            return 0
        best = -1
        for offset in self._offsets:
            size = self._sizes[offset]
            if size >= nbytes and (best < 0 or size < self._sizes[best]):
                best = offset
                if size == nbytes:
                    break
        if best < 0:
            return self._grow(nbytes)
        rest = self._sizes.pop(best) - nbytes
        index = bisect.bisect_left(self._offsets, best)
        if rest:
            self._offsets[index] = best + nbytes
            self._sizes[best + nbytes] = rest
        else:
            del self._offsets[index]
        return best

    def _grow(self, nbytes: int) -> int:
        """Extend the arena, using a free block at its very end."""
        start = self.top
        if self._offsets and self._offsets[-1] + self._sizes[self._offsets[-1]] == self.top:
            start = self._offsets.pop()
            del self._sizes[start]
        self.top = start + nbytes
        return start

    def release(self, offset: int, nbytes: int) -> None:
        if nbytes == 0:
            return
        index = bisect.bisect_left(self._offsets, offset)
        if index < len(self._offsets) and offset + nbytes == self._offsets[index]:
            nbytes += self._sizes.pop(self._offsets[index])
            del self._offsets[index]
        if index and self._offsets[index - 1] + self._sizes[self._offsets[index - 1]] == offset:
            self._sizes[self._offsets[index - 1]] += nbytes
        else:
            self._offsets.insert(index, offset)
            self._sizes[offset] = nbytes


def _greedy_by_size(buffers: Sequence[Lifetime], alignment: int) -> ArenaPlan:
    offsets = [0] * len(buffers)
    placed: list[tuple[int, int, int]] = []  # (offset, end, index), by offset
    top = 0
    for i in sorted(range(len(buffers)), key=lambda i: (-buffers[i].nbytes, buffers[i].first)):
        b = buffers[i]
        size = _aligned(b.nbytes, alignment)
        best, best_gap, cursor = -1, -1, 0
        for offset, end, j in placed:
            other = buffers[j]
            if other.last < b.first or b.last < other.first:
                continue
            gap = offset - cursor
            if gap >= size and (best < 0 or gap < best_gap):
                best, best_gap = cursor, gap
            cursor = max(cursor, end)
        offsets[i] = cursor if best < 0 else best
        bisect.insort(placed, (offsets[i], offsets[i] + size, i))
        top = max(top, offsets[i] + size)
    return ArenaPlan(tuple(offsets), top)
