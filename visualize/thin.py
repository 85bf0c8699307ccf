"""Takes out the edges that would spoil a picture: very long ones become numbered jumps.

Training graphs break every layered layout that keeps such edges, as each forward value is used
again far away in the backward pass: 10,016 ops were measured to need 3 million bends. What is
taken out stays readable: a tag with one number at both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graphflow.visualize.diagram import Diagram, Edge, Role, Tag
from graphflow.visualize.levels import Level, Step, build_levels, steps_of

__all__ = ["MAX_SPAN", "MAX_TAGS", "thin_out"]

MAX_SPAN = 16
"""An edge that passes more rows than this in any panel becomes a jump."""

MAX_TAGS = 3
"""More tags than this at one side of a box are counted instead."""


def thin_out(diagram: Diagram, thin: bool = True) -> tuple[Diagram, tuple[Level, ...]]:
    """The diagram with jumps and at most a few tags a box, and the rows that its items stand in.

    thin: False keeps all edges that can be drawn at all; only those that close a cycle between cards jump.
    """
    levels = build_levels(diagram, may_fold=thin)
    depths = diagram.depths()
    edges = []
    numbers: dict[int, int] = {}
    tags: dict[int, list[Tag]] = {}
    targets: dict[int, int] = {}
    for edge in diagram.edges:
        steps = steps_of(diagram, depths, edge.source, edge.target)
        if edge.is_drawn and any(_jumps(step, levels[step.panel], thin) for step in steps):
            number = numbers.setdefault(edge.source, len(numbers) + 1)
            targets[edge.source] = targets.get(edge.source, 0) + 1
            tags.setdefault(edge.target, []).append(Tag(Role.ENTER, str(number), _from(diagram, edge)))
            edge = replace(edge, is_drawn=False)
        edges.append(edge)
    for source, number in numbers.items():
        count = targets[source]
        text = f"{number} ×{count}" if count > 1 else str(number)
        tip = f"continues at {count} other places" if count > 1 else "continues at another place"
        tags.setdefault(source, []).append(Tag(Role.LEAVE, text, f"{tip}, marked {number}", after=True))
    boxes = tuple(
        replace(box, tags=_few((*box.tags, *tags.get(index, ())))) for index, box in enumerate(diagram.boxes)
    )
    caption = diagram.caption
    if numbers:
        count = sum(targets.values())
        caption += f"  |  {count} long edge{'s' if count > 1 else ''} as numbers"
    return replace(diagram, boxes=boxes, edges=tuple(edges), caption=caption), levels


def _jumps(step: Step, level: Level, thin: bool) -> bool:
    """True if a step cannot be drawn, or is too long to be followed."""
    row, column = level.row(step.anchor), level.column(step.anchor)
    if step.start is None:
        return thin and row >= MAX_SPAN
    if step.end is None:
        return thin and level.rows.n_rows[column] - row > MAX_SPAN
    span = level.row(step.end) - row
    return column != level.column(step.end) or span < 1 or (thin and span > MAX_SPAN)


def _from(diagram: Diagram, edge: Edge) -> str:
    return edge.tooltip or f"from {diagram.boxes[edge.source].title}"


def _few(tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """The tags of a box, at each side the first few and a count of the rest."""
    return (
        *_few_of([tag for tag in tags if not tag.after], False),
        *_few_of([t for t in tags if t.after], True),
    )


def _few_of(tags: Sequence[Tag], after: bool) -> Iterable[Tag]:
    # what tells where edges of this box went comes first: without it the other ends can't be found
    ordered = sorted(tags, key=lambda tag: tag.role not in (Role.USES, Role.LEAVE))
    if len(ordered) <= MAX_TAGS:
        return ordered
    hidden = ordered[MAX_TAGS - 1 :]
    tooltip = "\n".join(f"{tag.text}  {tag.tooltip}" for tag in hidden[:20])
    return [*ordered[: MAX_TAGS - 1], Tag(Role.MORE, f"+{len(hidden)}", tooltip, after)]
