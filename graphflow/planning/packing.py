"""Buffers as a packing: time cut into sections, sizes in units, and best fit in any order of the buffers.

A section is a stretch of time in which nothing dies before the last of those live in it is born; so the buffers of
one section are all live together, and two buffers that are ever live together share a section. There are at most as
many sections as buffers.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["ORDERS", "PAIRS_A_STEP", "Packing", "fit_in_order", "packing_of"]

PAIRS_A_STEP = 250
"""Pairs of buffers that best fit compares in the time of one step of the search."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Rectangles whose places in time are given, and whose heights above the ground are wanted.

    sizes: in units of the alignment, all positive. firsts, lasts: the first and the last section of each.
    loads: for each section, the sum of the sizes in it; nothing is packed lower than the largest.
    """

    sizes: tuple[int, ...]
    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    loads: tuple[int, ...]

    @property
    def bound(self) -> int:
        """The height that no packing is below."""
        return max(self.loads, default=0)


def packing_of(sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int]) -> Packing:
    """The packing of buffers that are live in the closed intervals [first, last]. O(n log n)."""
    births, deaths = sorted(set(firsts)), sorted(set(lasts))
    starts = []
    for k, born in enumerate(births):
        dies = bisect.bisect_left(deaths, born)
        if k + 1 == len(births) or (dies < len(deaths) and deaths[dies] < births[k + 1]):
            starts.append(born)
    left = [bisect.bisect_left(starts, first) for first in firsts]
    right = [bisect.bisect_right(starts, last) - 1 for last in lasts]
    changes = [0] * (len(starts) + 1)
    for size, a, b in zip(sizes, left, right, strict=True):
        changes[a] += size
        changes[b + 1] -= size
    return Packing(tuple(sizes), tuple(left), tuple(right), tuple(accumulate(changes[:-1])))


def fit_in_order(packing: Packing, order: Sequence[int], below: int) -> list[int] | None:
    """Offsets by best fit, one buffer after the other; None as soon as one ends at `below` or above it.

    Each takes the smallest gap that it fits into between those before it that are live with it, or else the place
    above them all. O(n^2), at about 25 million pairs a second.
    Source: Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference".
    """
    offsets = [0] * len(packing.sizes)
    sizes, firsts, lasts = packing.sizes, packing.firsts, packing.lasts
    placed: list[tuple[int, int, int, int]] = []  # (offset, end, first, last), by offset
    for i in order:
        size, first, last = sizes[i], firsts[i], lasts[i]
        best = least = -1
        cursor = 0
        for offset, end, a, b in placed:
            if b < first or last < a:
                continue
            gap = offset - cursor
            if gap >= size and (least < 0 or gap < least):
                best, least = cursor, gap
            if end > cursor:  # noqa: PLR1730 the inner loop: max() takes three times as long
                cursor = end
        if best < 0:
            best = cursor
        if best + size >= below:
            return None
        offsets[i] = best
        bisect.insort(placed, (best, best + size, first, last))
    return offsets


def _by_size(packing: Packing) -> list[int]:
    return sorted(range(len(packing.sizes)), key=lambda i: (-packing.sizes[i], packing.firsts[i]))


def _spans(packing: Packing) -> list[int]:
    return [b - a + 1 for a, b in zip(packing.firsts, packing.lasts, strict=True)]


def _by_area(packing: Packing) -> list[int]:
    spans = _spans(packing)
    return sorted(range(len(spans)), key=lambda i: (-spans[i] * packing.sizes[i], packing.firsts[i]))


def _by_span(packing: Packing) -> list[int]:
    spans = _spans(packing)
    return sorted(range(len(spans)), key=lambda i: (-spans[i], -packing.sizes[i], packing.firsts[i]))


def _by_first_use(packing: Packing) -> list[int]:
    return sorted(range(len(packing.sizes)), key=lambda i: (packing.firsts[i], -packing.sizes[i]))


def _by_conflicts(packing: Packing) -> list[int]:
    """First those that are live with the most others."""
    n = len(packing.loads)
    begun, ended = [0] * (n + 1), [0] * (n + 1)
    for a, b in zip(packing.firsts, packing.lasts, strict=True):
        begun[a] += 1
        ended[b + 1] += 1
    begun, ended = list(accumulate(begun)), list(accumulate(ended))
    met = [begun[b] - ended[a] for a, b in zip(packing.firsts, packing.lasts, strict=True)]
    return sorted(range(len(met)), key=lambda i: (-met[i], -packing.sizes[i], packing.firsts[i]))


ORDERS: tuple[Callable[[Packing], list[int]], ...] = (
    _by_size,
    _by_area,
    _by_conflicts,
    _by_span,
    _by_first_use,
)
"""Orders for best fit, those first that most often give the lowest packing of training graphs."""
