"""From a graph, tensors or a plan to a diagram: what is left out, merged, closed, or written as a chip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from graphflow.graph import Node, Tensor
from graphflow.visualize.cast import Cast, cast_of
from graphflow.visualize.diagram import Box, Diagram, Edge, Kind, Panel, Role, Tag
from graphflow.visualize.scopes import Card, Grouping, group
from graphflow.visualize.subject import Subject, subject_of
from graphflow.visualize.typography import format_nbytes
from graphflow.visualize.wording import (
    chip_text,
    counted,
    describe_node,
    kind_of,
    node_detail,
    node_title,
)

__all__ = ["MAX_BOXES", "MAX_FAN_OUT", "collect"]

MAX_BOXES = 150
"""Above so many nodes, scopes are closed until about so many boxes remain."""

MAX_FAN_OUT = 10
"""What more boxes use than this is written at each of them instead of drawn as edges."""


def collect(
    obj: object,
    *,
    all: bool = False,
    max_boxes: int | None = MAX_BOXES,
    expand: Iterable[str] = (),
    thin: bool = True,
) -> Diagram:
    """The diagram of a graph, of tensors with all they are computed from, or of a plan.

    all: show initialisers and reads of variables too, which are otherwise left out or merged.
    max_boxes: about how many boxes there may be before scopes are closed; None opens everything.
    expand: full names of scopes to open whatever the limit says.
    thin: write what has many users as a chip at each instead of drawing edges.
    Raises RenderError if `obj` cannot be drawn.
    """
    subject = subject_of(obj)
    cast = cast_of(subject, all)
    names = [node.name for node in cast.kept]
    grouping = group(names, [node.type for node in cast.kept], max_boxes, expand)
    place = {node: grouping.owner[index] for index, node in enumerate(cast.kept)}
    for read, variable in cast.merged.items():
        if variable in place:
            place[read] = place[variable]
    edges = _edges(subject, place)
    boxes = _boxes(subject, cast, grouping, place)
    if thin:
        boxes, edges = _chip_hubs(boxes, edges, _operands(cast.kept, grouping, place))
    panels = [Panel(scope.title, parent=scope.parent) for scope in grouping.panels]
    return Diagram(
        tuple(boxes),
        tuple(edges),
        _with_devices(panels, cast, grouping),
        subject.title,
        _caption(subject, cast),
    )


# --- boxes ----------------------------------------------------------------------------------------


def _boxes(subject: Subject, cast: Cast, grouping: Grouping, place: Mapping[Node, int]) -> list[Box]:
    fetched = {place[t.op] for t in subject.fetches if t.op in place}
    critical = {place[node] for node in subject.critical if node in place}
    inside: dict[int, Counter[str]] = {}
    for node, index in zip(cast.kept, grouping.owner, strict=True):
        if isinstance(grouping.shown[index], Card):
            inside.setdefault(index, Counter())[node.type] += 1
    boxes = []
    for index, shown in enumerate(grouping.shown):
        if isinstance(shown, Card):
            box = _card_box(shown, inside[index])
        else:
            number, panel = shown
            box = _node_box(cast.kept[number], panel, grouping.panels[panel].path, cast.chips, subject)
        boxes.append(replace(box, is_fetch=index in fetched, is_critical=index in critical))
    return boxes


def _node_box(node: Node, panel: int, scope: str, chips: Collection[Node], subject: Subject) -> Box:
    title, aside = node_title(node, scope)
    tags = []
    for position, t in enumerate(node.inputs):
        if t.op in chips:
            tags.append(Tag(Role.CHIP, chip_text(t.op), f"{t.name}  {t.type}", position > 0))
    return Box(
        kind_of(node),
        title,
        aside,
        node_detail(node, subject.nbytes),
        describe_node(node, subject.nbytes),
        panel,
        tuple(tags),
    )


def _card_box(card: Card, types: Counter[str]) -> Box:
    common = ", ".join(f"{count} {type_}" for type_, count in types.most_common(8))
    aside = f"×{card.n_scopes}" if card.kind is Kind.STACK else ""
    return Box(card.kind, card.title, aside, counted(card.n_nodes, "op"), common, card.panel)


def _with_devices(panels: Sequence[Panel], cast: Cast, grouping: Grouping) -> tuple[Panel, ...]:
    """The panels, with the device on which all inside was placed, unless the panel around says so."""
    devices: list[set[str | None]] = [set() for _ in panels]
    for node, place in zip(cast.kept, grouping.owner, strict=True):
        shown = grouping.shown[place]
        devices[shown.panel if isinstance(shown, Card) else shown[1]].add(node.device)
    for index in range(len(panels) - 1, 0, -1):
        devices[panels[index].parent] |= devices[index]
    only = [next(iter(found)) if len(found) == 1 else None for found in devices]
    return tuple(
        replace(panel, aside=device)
        if index and (device := only[index]) and device != only[panel.parent]
        else panel
        for index, panel in enumerate(panels)
    )


# --- edges ----------------------------------------------------------------------------------------


def _edges(subject: Subject, place: Mapping[Node, int]) -> list[Edge]:
    """One edge for all that one box uses of another, data and control apart."""
    chain = [place[node] for node in subject.critical if node in place]
    critical = set(pairwise(chain))
    counts: Counter[tuple[int, int, bool]] = Counter()
    first: dict[tuple[int, int, bool], tuple[Tensor | None, Node, Node]] = {}
    transfers = set()
    for node in subject.nodes:
        target = place.get(node)
        if target is None:
            continue
        uses: list[tuple[Tensor | None, Node]] = [(t, t.op) for t in node.inputs]
        uses += [(None, control) for control in node.control_inputs]
        for tensor, source_node in uses:
            source = place.get(source_node)
            if source is None or source == target:
                continue
            key = (source, target, tensor is None)
            counts[key] += 1
            first.setdefault(key, (tensor, source_node, node))
            if source_node.device and node.device and source_node.device != node.device:
                transfers.add(key)
    return [
        Edge(
            source,
            target,
            count,
            _edge_tooltip(*first[source, target, control], count),
            control,
            (source, target, control) in transfers,
            (source, target) in critical and not control,
        )
        for (source, target, control), count in counts.items()
    ]


def _edge_tooltip(tensor: Tensor | None, source: Node, target: Node, count: int) -> str:
    if tensor is None:
        text = f"{target.name} runs after {source.name}"
    else:
        text = f"{tensor.name} → {target.name}   {tensor.type}"
    return text + (f"\nand {count - 1} more" if count > 1 else "")


def _operands(
    kept: Sequence[Node], grouping: Grouping, place: Mapping[Node, int]
) -> dict[tuple[int, int], int]:
    """For (source box, node's box): as which operand the node first takes something from there."""
    found: dict[tuple[int, int], int] = {}
    for target, shown in enumerate(grouping.shown):
        if not isinstance(shown, Card):
            for position, t in enumerate(kept[shown[0]].inputs):
                if t.op in place:
                    found.setdefault((place[t.op], target), position)
    return found


def _chip_hubs(
    boxes: Sequence[Box], edges: Sequence[Edge], operands: Mapping[tuple[int, int], int]
) -> tuple[list[Box], list[Edge]]:
    """Boxes with many users lose their edges; their name is written at each user instead."""
    users = Counter(edge.source for edge in edges)
    tags: dict[int, list[Tag]] = {}
    kept = []
    for edge in edges:
        hub = boxes[edge.source]
        if users[edge.source] > MAX_FAN_OUT and not edge.is_critical:
            after = operands.get((edge.source, edge.target), 0) > 0
            name = hub.title if hub.kind in (Kind.CARD, Kind.STACK) else hub.aside or hub.title
            tags.setdefault(edge.target, []).append(Tag(Role.CHIP, name, edge.tooltip, after))
            edge = replace(edge, is_drawn=False)
        kept.append(edge)
    for source, count in users.items():
        if count > MAX_FAN_OUT:
            tags.setdefault(source, []).append(Tag(Role.USES, f"{count} uses", after=True))
    return [replace(box, tags=(*box.tags, *tags.get(index, ()))) for index, box in enumerate(boxes)], kept


def _caption(subject: Subject, cast: Cast) -> str:
    n_nodes = len(cast.kept) + len(cast.chips) + len(cast.merged)
    parts = [subject.title, counted(n_nodes, "op")]
    if cast.n_left_out:
        parts.append(f"{counted(cast.n_left_out, 'op')} of initialisation not shown")
    if subject.peak_nbytes is not None:
        parts.append(f"peak {format_nbytes(subject.peak_nbytes)}")
    return "  |  ".join(parts)
