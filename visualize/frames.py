"""What the layout of nested panels passes around: nets, their pieces, finished frames, and sizes of parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphflow.visualize.measure import Room

__all__ = ["Frame", "Net", "Parts", "Passage"]

Net: TypeAlias = tuple[int, bool]
"""All edges from one box, data or control: (box, is control). They share ports and bends."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece of a net in a panel, from item to item; None is the border.

    end_column: where `end` is a panel, the column inside it that the edge goes to.
    """

    start: int | None
    end: int | None
    end_column: int = 0

    @property
    def anchor(self) -> int:
        """The item at one of its ends: the first where there are two."""
        if self.start is not None:
            return self.start
        if self.end is not None:
            return self.end
        raise ValueError("a passage has an end inside its panel")


@dataclass(frozen=True, slots=True)
class Frame:
    """A laid out panel, in pixels from its own top left.

    positions: top left of each item. entries, exits: ports at the upper and the lower border.
    bends: by net, column and row. rows: for each column top and bottom of its rows, borders included.
    """

    width: float
    height: float
    positions: Mapping[int, tuple[float, float]]
    entries: Mapping[tuple[Net, int], float]
    exits: Mapping[Net, float]
    bends: Mapping[tuple[Net, int, int], float]
    rows: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Sizes of all boxes, by index, and of the panels that are laid out so far, by their index as items."""

    rooms: Sequence[Room]
    frames: Mapping[int, Frame]

    def is_panel(self, item: int) -> bool:
        """True for a panel, False for a box."""
        return item >= len(self.rooms)

    def size(self, item: int) -> tuple[float, float]:
        """Width and height of an item."""
        part = self.frames[item] if self.is_panel(item) else self.rooms[item]
        return part.width, part.height

    def entry_dx(self, item: int, net: Net, column: int) -> float:
        """Where a net enters an item, from the item's middle."""
        if not self.is_panel(item):
            return self._body_dx(item)
        return self.frames[item].entries[net, column] - self.frames[item].width / 2

    def exit_dx(self, item: int, net: Net) -> float:
        """Where a net leaves an item, from the item's middle."""
        if not self.is_panel(item):
            return self._body_dx(item)
        return self.frames[item].exits[net] - self.frames[item].width / 2

    def _body_dx(self, box: int) -> float:
        return (self.rooms[box].before - self.rooms[box].after) / 2
