"""The way of each edge through the panels: straight down in the rows it passes, curved only between rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphflow.visualize.frames import Frame, Net
from graphflow.visualize.geometry import Rect, Route, Run
from graphflow.visualize.levels import Level, Step

__all__ = ["Placed", "route_edges"]

_ARRIVAL_PX = 14.0  # between edges that arrive at one box


@dataclass(frozen=True, slots=True)
class Placed:
    """All that has its place already. frames and panels by panel; bodies by box."""

    levels: Sequence[Level]
    frames: Sequence[Frame]
    panels: Sequence[Rect]
    bodies: Sequence[Rect]

    def rect(self, item: int) -> Rect:
        """Where an item stands: a box's body, or a panel."""
        n_boxes = len(self.bodies)
        return self.bodies[item] if item < n_boxes else self.panels[item - n_boxes]


def route_edges(placed: Placed, ways: Mapping[int, tuple[Net, Sequence[Step]]]) -> tuple[Route, ...]:
    """Routes by edge, given for each its net and its steps."""
    routes = {edge: _runs(placed, net, steps) for edge, (net, steps) in ways.items()}
    arriving: dict[int, list[tuple[float, int]]] = {}
    for edge, (_, steps) in ways.items():
        target = steps[-1].end
        if target is not None:
            arriving.setdefault(target, []).append((routes[edge][-2].x, edge))
    for target, found in arriving.items():
        _let_arrive(routes, sorted(found), placed.bodies[target])
    return tuple(Route(edge, tuple(runs)) for edge, runs in routes.items())


def _runs(placed: Placed, net: Net, steps: Sequence[Step]) -> list[Run]:
    runs: list[Run] = []
    for position, step in enumerate(steps):
        level, frame, panel = placed.levels[step.panel], placed.frames[step.panel], placed.panels[step.panel]
        column = level.column(step.anchor)
        rows = frame.rows[column]
        first = 0 if step.start is None else level.row(step.start) + 1
        last = len(rows) - 1 if step.end is None else level.row(step.end) + 1
        if step.start is None:
            runs.append(Run(panel.x + frame.entries[net, column], panel.y, panel.y + rows[0][1]))
        else:
            rect = placed.rect(step.start)
            x = runs[-1].x if runs else rect.middle
            runs.append(Run(x, rect.bottom, panel.y + rows[first][1]))
        for row in range(first + 1, last):
            x = panel.x + frame.bends[net, column, row]
            runs.append(Run(x, panel.y + rows[row][0], panel.y + rows[row][1]))
        if step.end is None:
            runs.append(Run(panel.x + frame.exits[net], panel.bottom, panel.bottom))
        else:
            rect = placed.rect(step.end)
            is_last = position == len(steps) - 1
            x = rect.middle if is_last else _entry_x(placed, net, steps[position + 1])
            runs.append(Run(x, panel.y + rows[last][0], rect.y))
    return runs


def _entry_x(placed: Placed, net: Net, step: Step) -> float:
    """Where a net comes into the panel of a step that begins at the panel's border."""
    column = placed.levels[step.panel].column(step.anchor)
    return placed.panels[step.panel].x + placed.frames[step.panel].entries[net, column]


def _let_arrive(routes: dict[int, list[Run]], arriving: Sequence[tuple[float, int]], body: Rect) -> None:
    """Let edges end at a box side by side, in the order in which they come."""
    gaps = max(1, len(arriving) - 1)
    apart = min(_ARRIVAL_PX, (body.width - 20) / gaps)
    left = body.middle - apart * (len(arriving) - 1) / 2
    for position, (_, edge) in enumerate(arriving):
        run = routes[edge][-1]
        routes[edge][-1] = Run(left + apart * position, run.top, run.bottom)
