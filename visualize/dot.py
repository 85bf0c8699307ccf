"""A diagram as DOT text for Graphviz: the same boxes, tags and colours as the SVG."""

from __future__ import annotations

from html import escape

from graphflow.visualize.diagram import Box, Diagram, Edge, Kind, Role, Tag
from graphflow.visualize.measure import MAX_TAG_PX, lines_of
from graphflow.visualize.palette import LIGHT
from graphflow.visualize.thin import thin_out
from graphflow.visualize.typography import PLAIN_PX, clip, visible, visible_lines

__all__ = ["draw_dot"]

_SHAPES = {
    Kind.INPUT: 'shape=box style="rounded,filled" penwidth=2',
    Kind.VARIABLE: "shape=cylinder style=filled",
    Kind.CONSTANT: "shape=plaintext style=filled",
    Kind.OP: "",
    Kind.FUSED: "peripheries=2",
    Kind.TRANSFER: 'shape=parallelogram style=filled margin="-0.25,-0.02"',
    Kind.CARD: "shape=folder style=filled",
    Kind.STACK: "shape=box3d style=filled",
}
_FONT = "Inter,Helvetica"


def draw_dot(diagram: Diagram, thin: bool = True) -> str:
    """The DOT text of a diagram; equal diagrams give equal text. thin: see `thin_out`."""
    diagram, _ = thin_out(diagram, thin)
    inside: list[list[int]] = [[] for _ in diagram.panels]
    for item in diagram.items():
        inside[diagram.parent_of(item)].append(item)
    lines = ["digraph graphflow {", *_defaults(diagram.caption)]
    n_boxes = len(diagram.boxes)
    stack = list(reversed(inside[0]))
    indent = 1
    while stack:
        item = stack.pop()
        if item == -1:
            indent -= 1
            lines.append("  " * indent + "}")
        elif item < n_boxes:
            lines += ["  " * indent + line for line in _box(item, diagram.boxes[item])]
        else:
            panel = item - n_boxes
            fill = LIGHT.panels[min(indent - 1, 3)]
            shown = diagram.panels[panel]
            heading = f"<b>{_text(visible(shown.title))}</b>   {escape(visible(shown.aside))}"
            lines.append("  " * indent + f"subgraph cluster_{panel} {{")
            indent += 1
            style = f'style="rounded,filled" color="{LIGHT.panel_line}" fillcolor="{fill}" labelloc=t'
            lines.append("  " * indent + f"label=<{heading}> {style}")
            stack.append(-1)
            stack += reversed(inside[panel])
    lines += ["  " + _edge(edge) for edge in diagram.edges if edge.is_drawn]
    return "\n".join([*lines, "}", ""])


def _defaults(caption: str) -> list[str]:
    font = f'fontname="{_FONT}" fontcolor="{LIGHT.ink}"'
    op = LIGHT.paints[Kind.OP]
    graph = f'rankdir=TB bgcolor="{LIGHT.paper}" {font} fontsize=11 nodesep=0.28 ranksep=0.34 pad=0.25'
    node = f'shape=box style="rounded,filled" color="{op.stroke}" fillcolor="{op.fill}" {font} fontsize=10'
    return [
        f"  graph [{graph} labeljust=l labelloc=b label={_quoted(visible(caption))}]",
        f'  node [{node} height=0.38 margin="0.12,0.05" penwidth=1.2]',
        f'  edge [color="{LIGHT.edge}" arrowsize=0.55]',
    ]


def _quoted(text: str) -> str:
    """A DOT string: quotes and backslashes escaped, line ends as line ends."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _text(text: str) -> str:
    """Text inside an HTML-like label, where an empty element would be a syntax error."""
    return escape(text) or " "


def _box(index: int, box: Box) -> list[str]:
    """The statements for a box and its tags."""
    title, aside, detail = lines_of(box)
    label = f"<b>{_text(title)}</b>" + (f"  {escape(aside)}" if aside else "")
    if detail:
        label += f'<br/><font point-size="8" color="{LIGHT.muted}">{escape(detail)}</font>'
    attributes = [f"label=<{label}>"]
    paint = LIGHT.paints[box.kind]
    if box.kind is not Kind.OP:
        attributes.append(f'{_SHAPES[box.kind]} color="{paint.stroke}" fillcolor="{paint.fill}"')
    if box.is_fetch:
        attributes.append(f'color="{LIGHT.ink}" fillcolor="{LIGHT.paper}" penwidth=2')
    if box.is_critical:
        attributes.append(f'color="{LIGHT.selected}" penwidth=2.5')
    attributes.append(f"tooltip={_quoted(visible_lines(box.tooltip or box.title))}")
    lines = [f"n{index} [{' '.join(attributes)}]"]
    for number, tag in enumerate(box.tags):
        lines += _tag(f"n{index}", f"t{index}_{number}", tag)
    return lines


def _tag(box: str, name: str, tag: Tag) -> list[str]:
    shape = "ellipse" if tag.role in (Role.ENTER, Role.LEAVE) else "plaintext"
    tooltip = f" tooltip={_quoted(visible_lines(tag.tooltip))}" if tag.tooltip else ""
    text = clip(tag.text, MAX_TAG_PX, PLAIN_PX)
    node = (
        f'{name} [label={_quoted(text)} shape={shape} style="" fontsize=9 fontcolor="{LIGHT.muted}"'
        f' color="{LIGHT.edge}" penwidth=1 height=0.2 width=0.2 margin=0.03{tooltip}]'
    )
    match tag.role:
        case Role.ENTER:
            return [node, f"{name} -> {box}"]
        case Role.LEAVE:
            return [node, f"{box} -> {name} [arrowhead=none]"]
        case Role.USES:
            return [node, f"{box} -> {name} [arrowhead=none style=dotted]"]
        case _:
            return [node, f"{name} -> {box} [arrowhead=none style=dotted]"]


def _edge(edge: Edge) -> str:
    attributes = []
    if edge.is_control:
        attributes.append("style=dashed")
    if edge.is_transfer:
        attributes.append(f'color="{LIGHT.paints[Kind.TRANSFER].stroke}"')
    if edge.count > 1:
        attributes.append(f"penwidth={1 + 0.42 * (edge.count.bit_length() - 1):.2f}")
    if edge.is_critical:
        attributes.append(f'color="{LIGHT.selected}" penwidth=2')
    if edge.tooltip:
        attributes.append(f"tooltip={_quoted(visible_lines(edge.tooltip))}")
    return f"n{edge.source} -> n{edge.target}" + (f" [{' '.join(attributes)}]" if attributes else "")
