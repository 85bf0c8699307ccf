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


def lay_out(diagram: Diagram, levels: Sequence[Level]) -> Layout:
    """The layout of a diagram that was thinned out; `levels` come from the same call.

    Cost: near linear in boxes, and in edges times the rows they pass.
    """
    n_boxes = len(diagram.boxes)
    depths = diagram.depths()
    ways: dict[int, tuple[Net, Sequence[Step]]] = {
        index: ((edge.source, edge.is_control), steps_of(diagram, depths, edge.source, edge.target))
        for index, edge in enumerate(diagram.edges)
        if edge.is_drawn
    }
    passages = _passages(diagram, levels, ways)
    rooms = [measure(box) for box in diagram.boxes]
    frames: dict[int, Frame] = {}
    for panel in range(len(diagram.panels) - 1, -1, -1):  # inner panels first
        shown = diagram.panels[panel]
        title = f"{shown.title} {shown.aside}".strip() if panel else None
        frames[n_boxes + panel] = lay_out_panel(levels[panel], passages[panel], Parts(rooms, frames), title)
    ordered = [frames[n_boxes + panel] for panel in range(len(diagram.panels))]
    panels = _panel_rects(diagram, ordered)
    room_rects = _room_rects(diagram, ordered, panels, rooms)
    bodies = tuple(_body(rect, room) for rect, room in zip(room_rects, rooms, strict=True))
    routes = route_edges(Placed(levels, ordered, panels, bodies), ways)
    return Layout(ordered[0].width, ordered[0].height, bodies, room_rects, panels, routes)


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


def _body(rect: Rect, room: Room) -> Rect:
    """The box itself, between the tags at its sides."""
    return Rect(
        rect.x + room.before, rect.y + (room.height - room.body_height) / 2, room.body, room.body_height
    )
