"""The finished coordinates of a picture, in pixels from its top left."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Layout", "Rect", "Route", "Run"]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Its middle from left to right."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Run:
    """A vertical piece of an edge; curves lead from the bottom of one to the top of the next."""

    x: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one drawn edge. edge: its index in the diagram."""

    edge: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands. bodies: the boxes themselves; rooms: with the tags at their sides."""

    width: float
    height: float
    bodies: tuple[Rect, ...]
    rooms: tuple[Rect, ...]
    panels: tuple[Rect, ...]
    routes: tuple[Route, ...]
