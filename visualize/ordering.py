"""The order of what stands in one row: sweeps of barycentres, keeping the best order seen.

Source: Sugiyama, Tagawa and Toda 1981, "Methods for Visual Understanding of Hierarchical System
Structures"; crossings are counted with an accumulator tree as in Barth, Jünger and Mutzel 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cell", "Link", "count_crossings", "neighbours", "order_rows"]

_SWEEPS = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that takes room in a row: an item, or a bend of an edge that passes through.

    width: in pixels. gap: clear space that it wants at each side.
    chain: equal for the bends of one edge, which want to stand one below the other; None for an item.
    """

    row: int
    width: float
    gap: float
    chain: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A piece of an edge between neighbouring rows.

    upper_dx, lower_dx: where it meets each cell, from the cell's middle.
    weight: how much it wants to be straight.
    is_centred: the middles of the two cells want to be in line, wherever the link itself meets them.
    """

    upper: int
    lower: int
    upper_dx: float = 0.0
    lower_dx: float = 0.0
    weight: float = 1.0
    is_centred: bool = False


Neighbours = list[list[tuple[int, float, float, float]]]
"""For each cell: (other cell, where the link meets the other, where it meets this one, weight)."""


def neighbours(cells: Sequence[Cell], links: Sequence[Link]) -> tuple[Neighbours, Neighbours]:
    """The links of each cell to the row above and to the row below."""
    above: Neighbours = [[] for _ in cells]
    below: Neighbours = [[] for _ in cells]
    for link in links:
        above[link.lower].append((link.upper, link.upper_dx, link.lower_dx, link.weight))
        below[link.upper].append((link.lower, link.lower_dx, link.upper_dx, link.weight))
    return above, below


def order_rows(cells: Sequence[Cell], links: Sequence[Link]) -> list[list[int]]:
    """For each row its cells from left to right, with few crossings of links.

    The cells' own order decides ties, so that equal graphs give equal pictures.
    Cost: O(E log V) a sweep, and a fixed number of sweeps.
    """
    n_rows = max((cell.row for cell in cells), default=-1) + 1
    rows: list[list[int]] = [[] for _ in range(n_rows)]
    for index, cell in enumerate(cells):
        rows[cell.row].append(index)
    above, below = neighbours(cells, links)
    best, fewest = [list(row) for row in rows], count_crossings(cells, rows, above)
    stale = 0
    for sweep in range(_SWEEPS):
        if not fewest or stale == 4:
            break
        if sweep % 2 == 0:
            for row in rows[1:]:
                _sort_row(row, cells, rows, above)
        else:
            for row in reversed(rows[:-1]):
                _sort_row(row, cells, rows, below)
        crossings = count_crossings(cells, rows, above)
        stale += 1
        if crossings < fewest:
            best, fewest, stale = [list(row) for row in rows], crossings, 0
    return best


def _sort_row(
    row: list[int], cells: Sequence[Cell], rows: Sequence[Sequence[int]], towards: Neighbours
) -> None:
    """Sort a row by the mean place of each cell's neighbours; cells without any keep their place."""
    near = {cells[other].row for index in row for other, *_ in towards[index]}
    place = {other: float(position) for r in near for position, other in enumerate(rows[r])}
    key: dict[int, float] = {}
    last = -1.0
    for index in row:
        links = towards[index]
        if links:
            total = sum(
                (place[other] + other_dx / (cells[other].width + 1)) * weight
                for other, other_dx, _, weight in links
            )
            last = total / sum(link[3] for link in links)
        key[index] = last
    row.sort(key=key.__getitem__)


def count_crossings(cells: Sequence[Cell], rows: Sequence[Sequence[int]], above: Neighbours) -> int:
    """How many pairs of links cross."""
    return sum(_crossings_above(cells, rows[n - 1], rows[n], above) for n in range(1, len(rows)))


def _crossings_above(
    cells: Sequence[Cell], upper: Sequence[int], lower: Sequence[int], above: Neighbours
) -> int:
    place = {index: position for position, index in enumerate(upper)}
    ends = []
    for index in lower:
        met = sorted((dx, place[o] + odx / (cells[o].width + 1)) for o, odx, dx, _ in above[index])
        ends += [position for _, position in met]
    ranked = {position: rank for rank, position in enumerate(sorted(set(ends)), 1)}
    tree = [0] * (len(ranked) + 1)
    crossings = 0
    for seen, end in enumerate(ends):
        rank = ranked[end]
        not_right = 0
        i = rank
        while i:
            not_right += tree[i]
            i &= i - 1
        crossings += seen - not_right
        i = rank
        while i < len(tree):
            tree[i] += 1
            i += i & -i
    return crossings
