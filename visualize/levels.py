"""A diagram as nested levels: each panel is a small layered graph of the boxes and panels right inside it.

An edge between boxes of different panels becomes one step in each panel that it passes: out of the
panels around its source, across the panel that holds both, into the panels around its target.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphflow.visualize.diagram import Diagram
from graphflow.visualize.ranks import Rows, assign_rows, fold

__all__ = ["Level", "Step", "build_levels", "steps_of"]


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of an edge inside one panel; an end that is None lies at the panel's border."""

    panel: int
    start: int | None
    end: int | None

    @property
    def anchor(self) -> int:
        """The item at one of its ends: the first where there are two."""
        if self.start is not None:
            return self.start
        if self.end is not None:
            return self.end
        raise ValueError("a step has an end inside its panel")


@dataclass(frozen=True, slots=True)
class Level:
    """What lies right inside one panel. items: boxes and panels by index as items, in the graph's order."""

    items: tuple[int, ...]
    place: dict[int, int]
    """Index of each item in `items`."""
    rows: Rows

    def row(self, item: int) -> int:
        """The row of an item in its column."""
        return self.rows.row[self.place[item]]

    def column(self, item: int) -> int:
        """The column of an item."""
        return self.rows.column[self.place[item]]


def steps_of(diagram: Diagram, depths: Sequence[int], source: int, target: int) -> list[Step]:
    """The steps of an edge between two boxes, from source to target."""
    out, into = [], []
    n_boxes = len(diagram.boxes)
    up, down = source, target
    panel_up, panel_down = diagram.parent_of(up), diagram.parent_of(down)
    while panel_up != panel_down:
        if depths[panel_up] >= depths[panel_down]:
            out.append(Step(panel_up, up, None))
            up, panel_up = n_boxes + panel_up, diagram.panels[panel_up].parent
        else:
            into.append(Step(panel_down, None, down))
            down, panel_down = n_boxes + panel_down, diagram.panels[panel_down].parent
    return [*out, Step(panel_up, up, down), *reversed(into)]


def build_levels(diagram: Diagram, may_fold: bool = True) -> tuple[Level, ...]:
    """Rows and columns of every panel, by the panel's index. All edges count, drawn or not."""
    depths = diagram.depths()
    n_boxes = len(diagram.boxes)
    items: list[list[int]] = [[] for _ in diagram.panels]
    for item in diagram.items():
        items[diagram.parent_of(item)].append(item)
    places = [{item: place for place, item in enumerate(inside)} for inside in items]
    pairs: list[list[tuple[int, int]]] = [[] for _ in diagram.panels]
    for edge in diagram.edges:
        for step in steps_of(diagram, depths, edge.source, edge.target):
            if step.start is not None and step.end is not None:
                place = places[step.panel]
                pairs[step.panel].append((place[step.start], place[step.end]))
    height = [1] * (n_boxes + len(diagram.panels))
    width = [1] * (n_boxes + len(diagram.panels))
    levels: list[Level] = []
    for panel in range(len(diagram.panels) - 1, -1, -1):  # inner panels first
        inside = items[panel]
        heights, widths = [height[item] for item in inside], [width[item] for item in inside]
        level = Level(tuple(inside), places[panel], _rows(pairs[panel], heights, widths, may_fold))
        height[n_boxes + panel], width[n_boxes + panel] = _extent(level.rows, heights, widths)
        levels.append(level)
    return tuple(reversed(levels))


def _rows(
    pairs: Sequence[tuple[int, int]], heights: Sequence[int], widths: Sequence[int], may_fold: bool
) -> Rows:
    rows = assign_rows(widths, pairs)
    if may_fold:
        return fold(rows, heights, widths, pairs)
    return Rows(tuple(rows), (0,) * len(rows), (max(rows, default=-1) + 1,))


def _extent(rows: Rows, heights: Iterable[int], widths: Iterable[int]) -> tuple[int, int]:
    """About how many rows high and items wide a panel is, its title counted as a row."""
    tall = [[1] * n for n in rows.n_rows]
    wide = [[0] * n for n in rows.n_rows]
    for row, column, height, width in zip(rows.row, rows.column, heights, widths, strict=True):
        tall[column][row] = max(tall[column][row], height)
        wide[column][row] += width
    return max(map(sum, tall)) + 1, sum(max(column, default=0) for column in wide)
