"""Coordinates for a diagram: boxes in rows, panels around them, edges that pass behind nothing.

Every panel is laid out on its own as a layered graph, inner panels first, and then stands as one
item in the panel around it. An edge that leaves a panel ends in a port at its border, from which
the panel around carries it on. So the cost stays near linear, and an edge can only run where a
cell of its own was kept free for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphflow.visualize.diagram import Diagram
from graphflow.visualize.frames import Frame, Net, Parts, Passage
from graphflow.visualize.geometry import Layout, Rect
from graphflow.visualize.levels import Level, Step, steps_of
from graphflow.visualize.measure import Room, measure
from graphflow.visualize.panel_layout import lay_out_panel
from graphflow.visualize.routing import Placed, route_edges

__all__ = ["lay_out"]

_MAX_TWICE = 2000
"""With at most so many edges, panels are laid out again once it is known from where edges come into them."""


def lay_out(diagram: Diagram, levels: Sequence[Level]) -> Layout:
    """The layout of a diagram that was thinned out; `levels` come from the same call.

    Cost: near linear in boxes, and in edges times the rows they pass.
    """
    depths = diagram.depths()
    ways: dict[int, tuple[Net, Sequence[Step]]] = {
        index: ((edge.source, edge.is_control), steps_of(diagram, depths, edge.source, edge.target))
        for index, edge in enumerate(diagram.edges)
        if edge.is_drawn
    }
    passages = _passages(diagram, levels, ways)
    rooms = [measure(box) for box in diagram.boxes]
    frames = _frames(diagram, levels, passages, rooms, {})
    panels = _panel_rects(diagram, frames)
    if len(panels) > 1 and len(ways) <= _MAX_TWICE:
        bodies = _bodies(_room_rects(diagram, frames, panels, rooms), rooms)
        hints = {net: bodies[net[0]].middle for net, _ in ways.values()}
        frames = _frames(diagram, levels, passages, rooms, hints)
        panels = _panel_rects(diagram, frames)
    room_rects = _room_rects(diagram, frames, panels, rooms)
    bodies = _bodies(room_rects, rooms)
    routes = route_edges(Placed(levels, frames, panels, bodies), ways)
    return Layout(panels[0].width, panels[0].height, bodies, room_rects, panels, routes)


def _passages(
    diagram: Diagram, levels: Sequence[Level], ways: Mapping[int, tuple[Net, Sequence[Step]]]
) -> list[dict[Net, dict[Passage, None]]]:
    """What has to be carried through each panel: for each net its pieces, each once."""
    found: list[dict[Net, dict[Passage, None]]] = [{} for _ in diagram.panels]
    for net, steps in ways.values():
        for position, step in enumerate(steps):
            column = 0
            if step.end is not None and step.end >= len(diagram.boxes):
                inner = steps[position + 1]
                column = levels[inner.panel].column(inner.anchor)
            found[step.panel].setdefault(net, {})[Passage(step.start, step.end, column)] = None
    return found


def _frames(
    diagram: Diagram,
    levels: Sequence[Level],
    passages: Sequence[Mapping[Net, Mapping[Passage, None]]],
    rooms: Sequence[Room],
    hints: Mapping[Net, float],
) -> list[Frame]:
    """The frames of all panels. hints: about where each net comes from, in pixels."""
    n_boxes = len(diagram.boxes)
    frames: dict[int, Frame] = {}
    for panel in range(len(diagram.panels) - 1, -1, -1):  # inner panels first
        shown = diagram.panels[panel]
        title = f"{shown.title} {shown.aside}".strip() if panel else None
        parts = Parts(rooms, frames)
        frames[n_boxes + panel] = lay_out_panel(levels[panel], passages[panel], parts, title, hints)
    return [frames[n_boxes + panel] for panel in range(len(diagram.panels))]


def _panel_rects(diagram: Diagram, frames: Sequence[Frame]) -> tuple[Rect, ...]:
    rects = [Rect(0.0, 0.0, frames[0].width, frames[0].height)]
    for index, panel in enumerate(diagram.panels[1:], 1):
        around = rects[panel.parent]
        x, y = frames[panel.parent].positions[len(diagram.boxes) + index]
        rects.append(Rect(around.x + x, around.y + y, frames[index].width, frames[index].height))
    return tuple(rects)


def _room_rects(
    diagram: Diagram, frames: Sequence[Frame], panels: Sequence[Rect], rooms: Sequence[Room]
) -> tuple[Rect, ...]:
    rects = []
    for index, (box, room) in enumerate(zip(diagram.boxes, rooms, strict=True)):
        x, y = frames[box.panel].positions[index]
        around = panels[box.panel]
        rects.append(Rect(around.x + x, around.y + y, room.width, room.height))
    return tuple(rects)


def _bodies(rects: Sequence[Rect], rooms: Sequence[Room]) -> tuple[Rect, ...]:
    """The boxes themselves, between the tags at their sides."""
    return tuple(
        Rect(rect.x + room.before, rect.y + (room.height - room.body_height) / 2, room.body, room.body_height)
        for rect, room in zip(rects, rooms, strict=True)
    )
