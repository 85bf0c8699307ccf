"""Offsets in one arena for buffers whose lifetimes are known, so that no two live ones overlap.

Best fit over a list of free blocks, through time from its end and from its start, takes near-linear time and is
within 2 % of the lower bound on most graphs. Only where it is not and the arena is large, best fit in other orders
of the buffers is tried (`packing.py`), then a search (`exact_packing.py`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from operator import lt
from typing import NamedTuple

from graphflow.errors import ArgumentError
from graphflow.planning.exact_packing import SEARCHED_BUFFERS, Search, search_packing
from graphflow.planning.packing import ORDERS, PAIRS_A_STEP, Packing, fit_in_order, packing_of

__all__ = ["EFFORT", "ArenaPlan", "Lifetime", "lower_bound_nbytes", "plan_arena"]

EFFORT = 2_000
"""Steps that a plan may take beyond the first best fits, where they leave a gap: some 10 to 20 ms."""

WORTHWHILE_NBYTES = 1 << 20
"""A smaller arena is planned in near-linear time only."""


BEST_FITS_A_STEP = 3
"""Buffers that best fit through time places in the time of one step of the search."""


class Lifetime(NamedTuple):
    """A buffer of `nbytes`, live in the closed interval [first, last] of schedule positions."""

    nbytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ArenaPlan:
    """offsets: bytes from the arena's start, one a buffer. nbytes: the arena's size."""

    offsets: tuple[int, ...]
    nbytes: int


def lower_bound_nbytes(buffers: Sequence[Lifetime], alignment: int = 64) -> int:
    """The most bytes live at one position: no arena for this order is smaller."""
    changes: dict[int, int] = {}
    for nbytes, first, last in buffers:
        size = -(-nbytes // alignment) * alignment
        changes[first] = changes.get(first, 0) + size
        changes[last + 1] = changes.get(last + 1, 0) - size
    live = peak = 0
    for position in sorted(changes):
        live += changes[position]
        peak = max(peak, live)
    return peak


def plan_arena(
    buffers: Sequence[Lifetime], alignment: int = 64, effort: int = EFFORT, search: Search = search_packing
) -> ArenaPlan:
    """Place every buffer; offsets are multiples of `alignment` (bytes, a power of two).

    effort: steps, each of some 5 to 10 microseconds, that may be taken where the first best fits leave an arena of
        1 MiB or more that is over 1.02 times the lower bound; 0 for none. 500,000 solve most packings of 450 buffers.
    search: what looks for lower packings of up to some hundred buffers; see `exact_packing.Search`.
    The same arguments always give the same plan. Cost: about 3 microseconds a buffer, and the effort.
    Raises ArgumentError for a negative size, a reversed lifetime, a bad alignment or a negative effort.
    """
    if alignment < 1 or alignment & (alignment - 1):
        raise ArgumentError(f"plan_arena: alignment must be a power of two, not {alignment}")
    if effort < 0:
        raise ArgumentError(f"plan_arena: effort must be a number of steps, not {effort}")
    if not buffers:
        return ArenaPlan((), 0)
    nbytes, firsts, lasts = zip(*buffers, strict=True)
    if min(nbytes) < 0 or any(map(lt, lasts, firsts)):
        bad = next(b for b in buffers if b.nbytes < 0 or b.last < b.first)
        raise ArgumentError(f"plan_arena: not a lifetime: {bad}")
    shift = alignment.bit_length() - 1
    sizes = [n + alignment - 1 >> shift for n in nbytes]
    offsets, height = _offsets(sizes, firsts, lasts, WORTHWHILE_NBYTES >> shift, effort, search)
    return ArenaPlan(tuple([o << shift for o in offsets]), height << shift)


def _is_close(height: int, bound: int) -> bool:
    return height * 50 <= bound * 51


def _offsets(
    sizes: Sequence[int],
    firsts: Sequence[int],
    lasts: Sequence[int],
    worthwhile: int,
    effort: int,
    search: Search,
) -> tuple[Sequence[int], int]:
    """Offsets and height, all in units of the alignment."""
    backwards = [-t for t in lasts], [-t for t in firsts]
    offsets, height, bound = _best_fit(sizes, *backwards)
    if _is_close(height, bound):
        return offsets, height
    other, other_height, _ = _best_fit(sizes, firsts, lasts)
    if other_height < height:
        offsets, height = other, other_height
    if _is_close(height, bound) or height < worthwhile or effort == 0:
        return offsets, height
    return _improved(sizes, firsts, lasts, offsets, height, bound, effort, search)


def _improved(
    sizes: Sequence[int],
    firsts: Sequence[int],
    lasts: Sequence[int],
    offsets: list[int],
    height: int,
    bound: int,
    effort: int,
    search: Search,
) -> tuple[list[int], int]:
    """The same in other ways: the few large buffers first, with all small ones above them; then all together."""
    large, small, strip, spent = _split(sizes, firsts, lasts, bound, effort // 2)
    effort -= spent
    target = bound * 51 // 50
    for chosen, above, share in ((large, strip, effort // 2), (large + small, 0, effort - effort // 2)):
        if not chosen or _is_close(height, bound):
            continue
        packing = packing_of(*[[values[i] for i in chosen] for values in (sizes, firsts, lasts)])
        found = _packed(packing, target - above, height - above, share, search)
        if found is None:
            continue
        height = above + max(o + s for o, s in zip(found, packing.sizes, strict=True))
        for i, offset in zip(chosen, found, strict=True):
            offsets[i] = offset
        if above:
            rest = [[values[i] for i in small] for values in (sizes, firsts, lasts)]
            for i, offset in zip(small, _best_fit(rest[0], rest[1], rest[2])[0], strict=True):
                offsets[i] = height - above + offset
    return offsets, height


def _packed(packing: Packing, target: int, below: int, effort: int, search: Search) -> Sequence[int] | None:
    """A packing lower than `below`: by best fit in several orders, and by search where none is as low as `target`."""
    found: Sequence[int] | None = None
    cost = 1 + len(packing.sizes) ** 2 // (2 * PAIRS_A_STEP)
    for order in ORDERS:
        if below <= target or cost > effort:
            break
        effort -= cost
        found = fit_in_order(packing, order(packing), below) or found
        if found is not None:
            below = max(o + s for o, s in zip(found, packing.sizes, strict=True))
    if below > target and effort and len(packing.sizes) <= SEARCHED_BUFFERS:
        found = search(packing, target, below, effort) or found
    return found


def _split(
    sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int], bound: int, effort: int
) -> tuple[list[int], list[int], int, int]:
    """Large buffers, small ones, the height of a strip for all small ones, at most a 200th of the bound; steps taken."""
    wanted = sorted([i for i, size in enumerate(sizes) if size], key=lambda i: -sizes[i])
    kinds = sorted(set(sizes))
    low, high = (
        0,
        len(kinds),
    )  # buffers of the `low` smallest kinds fit into the strip, those of `high` do not
    small: list[int] = []
    strip = spent = 0
    while high - low > 1 and spent < effort:
        middle = (low + high) // 2
        least = kinds[middle]
        chosen = [i for i in wanted if sizes[i] < least]
        spent += len(chosen) // BEST_FITS_A_STEP
        _, top, _ = _best_fit(*[[values[i] for i in chosen] for values in (sizes, firsts, lasts)])
        if top * 200 <= bound:
            low, small, strip = middle, chosen, top
        else:
            high = middle
    return wanted[: len(wanted) - len(small)], small, strip, spent


def _best_fit(
    sizes: Sequence[int], firsts: Sequence[int], lasts: Sequence[int]
) -> tuple[list[int], int, int]:
    """Walk through time; a birth takes the smallest free block that fits, a death gives its block back.

    Of several that are born together, the largest is placed first. Gives offsets, the height and the lower bound.
    O(n log n) but for lists of free blocks, which are moved in memory.
    """
    if not sizes:
        return [], 0, 0
    births = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)
    births.sort(key=firsts.__getitem__)
    deaths = sorted(range(len(sizes)), key=lasts.__getitem__)
    bits = sum(sizes).bit_length()
    mask = (1 << bits) - 1
    free: list[int] = []  # blocks as size << bits | offset, sorted
    size_at: dict[int, int] = {}  # by where a free block begins
    size_before: dict[int, int] = {}  # by where it ends
    offsets = [0] * len(sizes)
    top = live = most = dead = 0
    next_death = lasts[deaths[0]]
    for i in births:
        first = firsts[i]
        while next_death < first:
            j = deaths[dead]
            dead += 1
            next_death = lasts[deaths[dead]]
            size = sizes[j]
            if not size:
                continue
            live -= size
            start = offsets[j]
            end = start + size
            if start in size_before:
                more = size_before.pop(start)
                start -= more
                del free[bisect_left(free, more << bits | start)]
                size += more
            if end in size_at:
                more = size_at.pop(end)
                del free[bisect_left(free, more << bits | end)]
                end += more
                size += more
            size_at[start] = size_before[end] = size
            insort(free, size << bits | start)
        size = sizes[i]
        if not size:
            continue
        live += size
        if live > most:  # noqa: PLR1730 the inner loop: max() takes three times as long
            most = live
        k = bisect_left(free, size << bits)
        if k < len(free):
            block = free.pop(k)
            start = block & mask
            rest = (block >> bits) - size
            del size_at[start]
            if rest:
                size_at[start + size] = size_before[start + size + rest] = rest
                insort(free, rest << bits | start + size)
            else:
                del size_before[start + size]
        elif top in size_before:  # the arena grows; what is free at its end is a part of the new block
            more = size_before.pop(top)
            start = top - more
            del size_at[start]
            del free[bisect_left(free, more << bits | start)]
            top = start + size
        else:
            start = top
            top += size
        offsets[i] = start
    return offsets, top, most
