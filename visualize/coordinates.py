"""Where each cell of a layered graph stands from left to right: straight edges, no overlap.

Each row in turn is put where its neighbours pull it, as near as the clear space between cells
allows. For one row this least-squares problem is isotonic regression, solved exactly in
linear time by pooling adjacent violators.

Source: Barlow, Bartholomew, Bremner and Brunk 1972, "Statistical Inference under Order Restrictions".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

from graphflow.visualize.ordering import Cell, Link, Neighbours, neighbours

__all__ = ["place_cells", "spread"]

_SWEEPS = 6
_STRAIGHTENING_SWEEPS = 16
_LOOSE = 0.02  # how much a cell without neighbours wants to stay, beside 1 for an edge
_GIVING_PX = 1.0  # a bend this far from its wish counts for one more in the next
_RIGID = 8.0  # how much a bend wants to stand where the rest of its chain does


def place_cells(cells: Sequence[Cell], links: Sequence[Link], rows: Sequence[Sequence[int]]) -> list[float]:
    """The middle of each cell, for rows of cells in their final order.

    Two neighbours in a row are apart by at least the sum of their gaps.
    Cost: O(V + E) a sweep, and a fixed number of sweeps.
    """
    x = [0.0] * len(cells)
    for row in rows:
        _pack(row, cells, x)
    above, below = neighbours(
        cells, [replace(link, upper_dx=0.0, lower_dx=0.0) if link.is_centred else link for link in links]
    )
    for _ in range(_SWEEPS):
        for row in rows[1:]:
            _pull(row, cells, x, (above,))
        for row in reversed(rows[:-1]):
            _pull(row, cells, x, (below,))
    chains = _chains(cells)
    stiffness = [1.0] * len(cells)
    for sweep in range(_STRAIGHTENING_SWEEPS):
        wanted = _chain_wishes(chains, cells, x, above, below, stiffness)
        for row in rows if sweep % 2 else rows[::-1]:
            _pull(row, cells, x, (above, below), wanted)
        for index, wish in wanted.items():
            stiffness[index] += abs(x[index] - wish) / _GIVING_PX
    return x


def _chains(cells: Sequence[Cell]) -> list[list[int]]:
    """The bends of each edge that has several."""
    members: dict[int, list[int]] = {}
    for index, cell in enumerate(cells):
        if cell.chain is not None:
            members.setdefault(cell.chain, []).append(index)
    return [chain for chain in members.values() if len(chain) > 1]


def _chain_wishes(
    chains: Sequence[Sequence[int]],
    cells: Sequence[Cell],
    x: Sequence[float],
    above: Neighbours,
    below: Neighbours,
    stiffness: Sequence[float],
) -> dict[int, float]:
    """For each bend the place of its whole chain: where the bends are now and where the edge begins and ends.

    Pulling bends one by one towards their neighbours would straighten a long edge by one row a sweep only.
    stiffness: grows for bends that others keep from their wish, until the rest of the chain comes to them.
    """
    wishes = {}
    for chain in chains:
        total, weight = 0.0, 0.0
        for index in chain:
            total += x[index] * stiffness[index]
            weight += stiffness[index]
            for other, other_dx, _, strength in (*above[index], *below[index]):
                if cells[other].chain != cells[index].chain:
                    total += (x[other] + other_dx) * strength
                    weight += strength
        for index in chain:
            wishes[index] = total / weight
    return wishes


def _pack(row: Sequence[int], cells: Sequence[Cell], x: list[float]) -> None:
    """Stand the cells of a row side by side, around 0."""
    if not row:
        return
    offsets = _offsets(row, cells)
    middle = (offsets[0] + offsets[-1]) / 2
    for index, offset in zip(row, offsets, strict=True):
        x[index] = offset - middle


def _offsets(row: Sequence[int], cells: Sequence[Cell]) -> list[float]:
    """Middles of a row's cells when they stand as close as they may, the first at 0."""
    offsets = [0.0]
    for left, right in pairwise(row):
        a, b = cells[left], cells[right]
        offsets.append(offsets[-1] + a.width / 2 + a.gap + b.gap + b.width / 2)
    return offsets


def _pull(
    row: Sequence[int],
    cells: Sequence[Cell],
    x: list[float],
    towards: Sequence[Neighbours],
    wanted: Mapping[int, float] = MappingProxyType({}),
) -> None:
    """Move the cells of one row to the mean of where their links lead, or to where they are `wanted`."""
    if not row:
        return
    wishes, weights = [], []
    for index in row:
        total, weight = x[index] * _LOOSE, _LOOSE
        if index in wanted:
            total, weight = wanted[index] * _RIGID, _RIGID
        for side in () if index in wanted else towards:
            for other, other_dx, dx, strength in side[index]:
                total += (x[other] + other_dx - dx) * strength
                weight += strength
        wishes.append(total / weight)
        weights.append(weight)
    for index, position in zip(row, spread(wishes, weights, _offsets(row, cells)), strict=True):
        x[index] = position


def spread(wishes: Sequence[float], weights: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Positions nearest to `wishes`, by weighted least squares, no closer to one another than `offsets`."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for wish, weight, offset in zip(wishes, weights, offsets, strict=True):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight += other_weight
            count += other_count
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
