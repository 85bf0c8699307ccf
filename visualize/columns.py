"""One column of a panel: cells for its items and for what passes, placed from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphflow.visualize.coordinates import place_cells
from graphflow.visualize.frames import Net, Parts, Passage
from graphflow.visualize.levels import Level
from graphflow.visualize.ordering import Cell, Link, order_rows

__all__ = ["BEND_GAP_PX", "BEND_WIDTH_PX", "Column", "Key", "fill_column"]

BEND_WIDTH_PX = 4.0
BEND_GAP_PX = 5.0
_ITEM_GAP_PX = 13.0
# how much a link wants to be straight that joins no, one or two bends: the weights of Graphviz
_STRAIGHT = (1.0, 2.0, 8.0)

Key: TypeAlias = int | tuple[Net, int]
"""What a cell is for: an item, or a net's bend or port in a row."""


@dataclass(slots=True)
class Column:
    """Cells by position, what each is for, the links between them, and the middle of each in pixels."""

    keys: Sequence[Key]
    cells: Sequence[Cell]
    links: Sequence[Link]
    x: list[float]

    def extent(self) -> tuple[float, float]:
        """Left and right end of all cells."""
        lefts = [x - cell.width / 2 for x, cell in zip(self.x, self.cells, strict=True)]
        rights = [x + cell.width / 2 for x, cell in zip(self.x, self.cells, strict=True)]
        return min(lefts, default=0.0), max(rights, default=0.0)


@dataclass(frozen=True, slots=True)
class _Way:
    """A passage with the rows that it begins and ends in; items stand in rows 1 and up, ports around them."""

    net: Net
    piece: Passage
    first: int
    last: int

    @property
    def own_rows(self) -> range:
        """The rows in which it needs a bend or a port."""
        return range(self.first + (self.piece.start is not None), self.last + (self.piece.end is None))

    def upper(self, row: int) -> Key:
        """What stands at its upper end in `row`."""
        return self.piece.start if row == self.first and self.piece.start is not None else (self.net, row)

    def lower(self, row: int) -> Key:
        """What stands at its lower end in `row`."""
        return self.piece.end if row == self.last and self.piece.end is not None else (self.net, row)


def fill_column(
    level: Level,
    number: int,
    passages: Mapping[Net, Mapping[Passage, None]],
    parts: Parts,
    hints: Mapping[Net, float],
) -> Column:
    """The column of that number, with its cells ordered and placed.

    hints: about where the net comes from, in pixels: an order for ports that could as well change places.
    """
    row_of = {item: level.row(item) + 1 for item in level.items if level.column(item) == number}
    bottom = level.rows.n_rows[number] + 1
    ways = [
        _Way(
            net,
            piece,
            0 if piece.start is None else row_of[piece.start],
            bottom if piece.end is None else row_of[piece.end],
        )
        for net, pieces in passages.items()
        for piece in pieces
        if piece.anchor in row_of
    ]
    rows: dict[Key, int] = {item: row for item, row in row_of.items()}  # noqa: C416  # widens the key type
    first_order: dict[Key, float] = {item: float(level.place[item]) for item in row_of}
    for way in ways:
        near = first_order[way.piece.anchor] + (-0.5 if way.piece.start is None else 0.5)
        for row in way.own_rows:
            rows.setdefault((way.net, row), row)
            first_order.setdefault((way.net, row), near)
    keys = sorted(
        rows,
        key=lambda key: (
            first_order[key],
            0.0 if isinstance(key, int) else hints.get(key[0], 0.0),
            rows[key],
        ),
    )
    chains = {net: number for number, net in enumerate(passages)}
    cells = [
        Cell(rows[key], parts.size(key)[0], _ITEM_GAP_PX)
        if isinstance(key, int)
        else Cell(rows[key], BEND_WIDTH_PX, BEND_GAP_PX, chains[key[0]])
        for key in keys
    ]
    links = _links(ways, {key: index for index, key in enumerate(keys)}, parts)
    return Column(keys, cells, links, place_cells(cells, links, order_rows(cells, links)))


def _links(ways: Sequence[_Way], index: Mapping[Key, int], parts: Parts) -> list[Link]:
    """The pieces between neighbouring rows, each once for all passages that share it."""
    links: dict[tuple[Net, int, int, int], Link] = {}
    for way in ways:
        for row in range(way.first, way.last):
            upper, lower = way.upper(row), way.lower(row + 1)
            column = way.piece.end_column if isinstance(lower, int) else 0
            n_bends = (not isinstance(upper, int)) + (not isinstance(lower, int))
            links[way.net, index[upper], index[lower], column] = Link(
                index[upper],
                index[lower],
                parts.exit_dx(upper, way.net) if isinstance(upper, int) else 0.0,
                parts.entry_dx(lower, way.net, column) if isinstance(lower, int) else 0.0,
                _STRAIGHT[n_bends],
                # panels one below the other are in line, or a long sequence of them would drift to one side
                is_centred=all(isinstance(key, int) and parts.is_panel(key) for key in (upper, lower)),
            )
    return list(links.values())
