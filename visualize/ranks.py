"""Which row each item of one panel stands in, and into which column a tall panel is folded.

Rows come from longest paths, so every edge goes down but those that close a cycle between cards.
Nothing here depends on sizes in pixels: the order of a picture is the same on every machine.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["MAX_PER_ROW", "Rows", "assign_rows", "fold"]

MAX_PER_ROW = 12
"""What is wider than so many boxes is spread over several rows."""

_FOLD_ABOVE = 26  # rows; a picture of so many is about twice as tall as a screen
_WORTH_FOLDING = 0.75  # the tallest column must be shorter than this, beside the whole
_COLUMN_ASPECT = 0.55  # height of a row over the width of an item, as drawn


@dataclass(frozen=True, slots=True)
class Rows:
    """row and column of each item; rows count from the top of the item's own column."""

    row: tuple[int, ...]
    column: tuple[int, ...]
    n_rows: tuple[int, ...]
    """How many rows each column has."""


def assign_rows(
    widths: Sequence[int], edges: Iterable[tuple[int, int]], max_per_row: int = MAX_PER_ROW
) -> list[int]:
    """A row for each item, in which what has slack stands right above its first user.

    widths: of each item, in boxes: a nested panel holds several side by side.
    edges: (source, target) pairs, which may repeat and may close cycles. An edge that closes a cycle is
        the only kind that may end at or above the row of its source.
    Cost: O((V + E) log V).
    """
    count = len(widths)
    after: list[list[int]] = [[] for _ in range(count)]
    before = [0] * count
    for source, target in dict.fromkeys(edges):
        if source != target:
            after[source].append(target)
            before[target] += 1
    order, place = _topological(after, before)
    row = [0] * count
    n_before = [0] * count
    for item in order:
        for target in after[item]:
            if place[target] > place[item]:
                row[target] = max(row[target], row[item] + 1)
                n_before[target] += 1
    for item in reversed(order):
        below = [row[target] for target in after[item] if place[target] > place[item]]
        # Sinking shortens as many edges as it lengthens, or more. Where it is as many, what
        # only prepares an operand of something far below comes to stand next to it.
        if below and len(below) >= n_before[item]:
            row[item] = min(below) - 1
    return _split_wide(row, order, widths, max_per_row)


def _topological(after: Sequence[Sequence[int]], before: Sequence[int]) -> tuple[list[int], list[int]]:
    """An order that keeps to the items' own where edges allow, and each item's place in it.

    Where a cycle leaves no item free, the first remaining one is taken.
    """
    count = len(after)
    waiting = list(before)
    placed = [False] * count
    free = [item for item in range(count) if not waiting[item]]
    order: list[int] = []
    first = 0
    while len(order) < count:
        if free:
            item = heapq.heappop(free)
        else:
            while placed[first]:
                first += 1
            item = first
        if placed[item]:
            continue
        placed[item] = True
        order.append(item)
        for target in after[item]:
            waiting[target] -= 1
            if not waiting[target] and not placed[target]:
                heapq.heappush(free, target)
    place = [0] * count
    for position, item in enumerate(order):
        place[item] = position
    return order, place


def _split_wide(row: list[int], order: Iterable[int], widths: Sequence[int], max_per_row: int) -> list[int]:
    """The rows after those that are too wide were spread over several, and empty ones left out."""
    members: dict[int, list[int]] = {}
    for item in order:
        members.setdefault(row[item], []).append(item)
    result = [0] * len(row)
    top = 0
    for old in sorted(members):
        items = members[old]
        total = sum(widths[item] for item in items)
        n_parts = min(len(items), -(-total // max_per_row))
        filled = part = 0
        for item in items:
            if part < n_parts - 1 and filled * n_parts >= total * (part + 1):
                part += 1
            result[item] = top + part
            filled += widths[item]
        top += part + 1
    return result


def fold(
    rows: Sequence[int], heights: Sequence[int], widths: Sequence[int], edges: Iterable[tuple[int, int]]
) -> Rows:
    """Break a tall panel into columns, cutting where the fewest edges cross.

    heights, widths: room that each item takes, in rows and in items (a nested panel takes several).
    A panel of at most a screen or two is left whole, and so is one that is as wide as it is tall.
    """
    n_rows = max(rows, default=-1) + 1
    tall, wide = [1] * n_rows, [0] * n_rows
    for item, row in enumerate(rows):
        tall[row] = max(tall[row], heights[item])
        wide[row] += widths[item]
    height, width = sum(tall), max(wide, default=0)
    n_columns = (
        math.floor(math.sqrt(height * _COLUMN_ASPECT / max(width, 1) / 1.5)) if height > _FOLD_ABOVE else 1
    )
    if n_columns < 2 or n_rows < 2 * n_columns:
        return Rows(tuple(rows), (0,) * len(rows), (n_rows,))
    crossing = [0] * (n_rows + 1)  # edges that a cut above this row would cross, by differences
    for source, target in edges:
        low, high = sorted((rows[source], rows[target]))
        crossing[low + 1] += 1
        crossing[high + 1] -= 1
    for row in range(1, n_rows + 1):
        crossing[row] += crossing[row - 1]
    starts = _cuts(tall, crossing, n_columns)
    if max(sum(tall[a:b]) for a, b in pairwise([*starts, n_rows])) > _WORTH_FOLDING * height:
        return Rows(tuple(rows), (0,) * len(rows), (n_rows,))
    column_of_row = []
    for column, start in enumerate(starts):
        stop = starts[column + 1] if column + 1 < len(starts) else n_rows
        column_of_row += [column] * (stop - start)
    stops = [*starts[1:], n_rows]
    return Rows(
        tuple(row - starts[column_of_row[row]] for row in rows),
        tuple(column_of_row[row] for row in rows),
        tuple(stop - start for start, stop in zip(starts, stops, strict=True)),
    )


def _cuts(tall: Sequence[int], crossing: Sequence[int], n_columns: int) -> list[int]:
    """The first row of each column: near equal heights, moved a little to where few edges cross."""
    per_column = sum(tall) / n_columns
    reach = max(1, round(len(tall) / n_columns / 4))
    starts = [0]
    filled = 0.0
    for row, height in enumerate(tall):
        if filled >= per_column * len(starts) and len(starts) < n_columns:
            near = range(max(starts[-1] + 1, row - reach), min(len(tall) - 1, row + reach) + 1)
            if near:
                starts.append(min(near, key=lambda r: (crossing[r], abs(r - row))))
        filled += height
    return starts
