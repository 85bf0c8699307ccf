"""A diagram as SVG: one file without scripts, fonts or links, readable in light and in dark."""

from __future__ import annotations

import hashlib
import math
from html import escape

from graphflow.visualize.diagram import Box, Diagram, Edge, Kind, Role, Tag
from graphflow.visualize.geometry import Layout, Rect, Run
from graphflow.visualize.layout import lay_out
from graphflow.visualize.measure import MAX_TAG_PX, TAG_LINE_PX, TAG_REACH_PX, lines_of
from graphflow.visualize.panel_layout import MARGIN_PX, PANEL_TITLE_PX
from graphflow.visualize.stylesheet import style_sheet
from graphflow.visualize.thin import thin_out
from graphflow.visualize.typography import BOLD_PX, PLAIN_PX, clip, text_width, visible, visible_lines

__all__ = ["draw_svg"]

_PAPER_PX = 20.0  # clear space around the drawing
_CAPTION_PX = 26.0
_HEAD_PX = 6.0
_MIN_WIDTH_PX = 120.0
_MAX_CAPTION_PX = 900.0


def draw_svg(diagram: Diagram, theme: str = "auto", thin: bool = True) -> str:
    """The SVG text of a diagram; equal diagrams give equal bytes.

    theme: `light`, `dark`, or `auto` to hold both and follow the reader's system.
    thin: see `thin_out`.
    """
    diagram, levels = thin_out(diagram, thin)
    layout = lay_out(diagram, levels)
    prefix = "g" + hashlib.sha256(repr((diagram, theme)).encode("utf-8", "backslashreplace")).hexdigest()[:8]
    caption = clip(diagram.caption, _MAX_CAPTION_PX, PLAIN_PX)
    inner = max(layout.width, text_width(caption, PLAIN_PX), _MIN_WIDTH_PX)
    width, height = math.ceil(inner + 2 * _PAPER_PX), math.ceil(layout.height + 2 * _PAPER_PX + _CAPTION_PX)
    shift = _PAPER_PX + (inner - layout.width) / 2
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    name = f'role="img" aria-labelledby="{prefix}-name"'
    below = f'x="{_n(_PAPER_PX)}" y="{height - 14}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{prefix}" {size} {name}>',
            f'<title id="{prefix}-name">{escape(caption)}</title>',
            f"<style>{style_sheet(prefix, theme)}</style>",
            f'<rect class="{prefix}-paper" width="100%" height="100%"/>',
            f'<g transform="translate({_n(shift)} {_n(_PAPER_PX)})">',
            *_panels(diagram, layout, prefix),
            *_edges(diagram, layout, prefix),
            *_panel_titles(diagram, layout, prefix),
            *(_box(box, layout.bodies[i], prefix) for i, box in enumerate(diagram.boxes)),
            "</g>",
            f'<text class="{prefix}-small {prefix}-start" {below}>{escape(caption)}</text>',
            "</svg>\n",
        ]
    )


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _tooltip(text: str) -> str:
    return f"<title>{escape(visible_lines(text))}</title>" if text else ""


# --- panels ---------------------------------------------------------------------------------------


def _panels(diagram: Diagram, layout: Layout, p: str) -> list[str]:
    depths = diagram.depths()
    return [
        f'<rect class="{p}-panel{(depths[index] - 1) % 4}" {_place(layout.panels[index])} rx="8"/>'
        for index in range(1, len(diagram.panels))
    ]


def _panel_titles(diagram: Diagram, layout: Layout, p: str) -> list[str]:
    lines = []
    for panel, rect in zip(diagram.panels[1:], layout.panels[1:], strict=True):
        title = clip(panel.title, PANEL_TITLE_PX, BOLD_PX, bold=True)
        aside = ""
        if panel.aside:
            aside = f'<tspan class="{p}-small" dx="8">{escape(visible(panel.aside))}</tspan>'
        lines.append(
            f'<text class="{p}-start" x="{_n(rect.x + MARGIN_PX)}" y="{_n(rect.y + 16)}">'
            f'<tspan class="{p}-bold">{escape(title)}</tspan>{aside}</text>'
        )
    return lines


def _place(rect: Rect) -> str:
    return f'x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}"'


# --- edges ----------------------------------------------------------------------------------------


def _edges(diagram: Diagram, layout: Layout, p: str) -> list[str]:
    """All edges, those of the critical path on top."""
    routes = sorted(layout.routes, key=lambda route: (diagram.edges[route.edge].is_critical, route.edge))
    return [_edge(diagram.edges[route.edge], route.runs, p) for route in routes]


def _edge(edge: Edge, runs: tuple[Run, ...], p: str) -> str:
    width = 1.0 if edge.count == 1 else min(4.0, 0.9 + 0.42 * math.log2(edge.count))
    width = max(width, 2.0) if edge.is_critical else width
    head = _HEAD_PX + 1.2 * (width - 1)
    state = f" {p}-hot" if edge.is_critical else f" {p}-across" if edge.is_transfer else ""
    dash = f" {p}-control" if edge.is_control else ""
    x, y = runs[-1].x, runs[-1].bottom
    stroke = f' style="stroke-width:{width:.1f}"' if width != 1.0 else ""
    return (
        f'<g>{_tooltip(edge.tooltip)}<path class="{p}-edge{dash}{state}"{stroke} d="{_path(runs, head)}"/>'
        f'<path class="{p}-head{state}" d="M{_n(x)} {_n(y)}l{_n(-head / 2)} {_n(-head)}h{_n(head)}z"/></g>'
    )


def _path(runs: tuple[Run, ...], head: float) -> str:
    """Straight down each run, and from one to the next in a curve that is vertical at both ends."""
    x, y = runs[0].x, runs[0].top
    parts = [f"M{_n(x)} {_n(y)}"]
    drawn = y
    for position, run in enumerate(runs):
        bottom = run.bottom - head + 1 if position == len(runs) - 1 else run.bottom
        top = min(run.top, bottom)
        if abs(run.x - x) < 0.05:
            y = max(y, bottom)  # straight on: one line as long as it lasts
            continue
        if y != drawn:
            parts.append(f"V{_n(y)}")
        middle = (y + top) / 2
        parts.append(f"C{_n(x)} {_n(middle)} {_n(run.x)} {_n(middle)} {_n(run.x)} {_n(top)}")
        x, y, drawn = run.x, bottom, top
    if y != drawn:
        parts.append(f"V{_n(y)}")
    return "".join(parts)


# --- boxes ----------------------------------------------------------------------------------------


def _box(box: Box, body: Rect, p: str) -> str:
    states = f"{f' {p}-fetch' if box.is_fetch else ''}{f' {p}-critical' if box.is_critical else ''}"
    inside = [_tooltip(box.tooltip), _shape(box.kind, body, p), _lines(box, body, p), _tags(box, body, p)]
    return f'<g class="{p}-{box.kind}{states}">{"".join(inside)}</g>'


def _shape(kind: Kind, body: Rect, p: str) -> str:
    shape = f'<rect class="{p}-shape" {_place(body)}'
    match kind:
        case Kind.INPUT:
            return f'{shape} rx="{_n(body.height / 2)}"/>'
        case Kind.VARIABLE:
            bar = Rect(body.x, body.y, 4, body.height)
            return f'{shape}/><rect class="{p}-bar" {_place(bar)}/>'
        case Kind.FUSED:
            inner = Rect(body.x + 2.5, body.y + 2.5, body.width - 5, body.height - 5)
            return f'{shape} rx="6"/><rect class="{p}-shape" {_place(inner)} rx="4"/>'
        case Kind.TRANSFER:
            x, y, lean = body.x, body.y, 10
            corners = (
                f"M{_n(x + lean)} {_n(y)}H{_n(body.right)}L{_n(body.right - lean)} {_n(body.bottom)}H{_n(x)}Z"
            )
            return f'<path class="{p}-shape" d="{corners}"/>'
        case Kind.CARD | Kind.STACK:
            behind = (3,) if kind is Kind.CARD else (6, 3)
            cards = [Rect(body.x + by, body.y + by, body.width, body.height) for by in behind]
            return "".join(f'<rect class="{p}-shape" {_place(card)} rx="5"/>' for card in (*cards, body))
        case _:
            return f'{shape} rx="6"/>'


def _lines(box: Box, body: Rect, p: str) -> str:
    title, aside, detail = lines_of(box)
    x = body.x + body.width / 2 + (2 if box.kind is Kind.VARIABLE else 0)
    y = body.y + (14.5 if detail else 16)
    rest = f'<tspan dx="5">{escape(aside)}</tspan>' if aside else ""
    text = f'<text x="{_n(x)}" y="{_n(y)}"><tspan class="{p}-bold">{escape(title)}</tspan>{rest}</text>'
    if not detail:
        return text
    return f'{text}<text class="{p}-small" x="{_n(x)}" y="{_n(body.y + 27)}">{escape(detail)}</text>'


def _tags(box: Box, body: Rect, p: str) -> str:
    parts = []
    for after in (False, True):
        tags = [tag for tag in box.tags if tag.after is after]
        for position, tag in enumerate(tags):
            y = body.y + body.height / 2 + (position - (len(tags) - 1) / 2) * TAG_LINE_PX
            parts.append(_tag(tag, y, body, p))
    return "".join(parts)


def _tag(tag: Tag, y: float, body: Rect, p: str) -> str:
    """A tag and the line that ties it to the body: dotted for a chip, solid for a jump."""
    text = clip(tag.text, MAX_TAG_PX, PLAIN_PX)
    sign = 1 if tag.after else -1
    edge = body.right if tag.after else body.x
    far, reach = edge + sign * TAG_REACH_PX, body.height / 2 - 4
    middle = body.y + body.height / 2
    at_body = min(max(y, middle - reach), middle + reach)
    jumps = tag.role in (Role.ENTER, Role.LEAVE)
    line = head = mark = ""
    if tag.role in (Role.CHIP, Role.ENTER, Role.LEAVE):
        style = f"{p}-line {p}-chip" if tag.role is Role.CHIP else f"{p}-line"
        line = f'<path class="{style}" d="M{_n(far - sign)} {_n(y)}L{_n(edge)} {_n(at_body)}"/>'
    if tag.role is Role.ENTER:
        head = f'<path class="{p}-head" d="M{_n(edge)} {_n(at_body)}l-5 -2.5v5z"/>'
    if jumps:
        wide = text_width(text, PLAIN_PX) + 6
        mark = (
            f'<rect class="{p}-mark" x="{_n(far if tag.after else far - wide)}" y="{_n(y - 6)}" '
            f'width="{_n(wide)}" height="12" rx="6"/>'
        )
    at = far + sign * (3 if jumps else 1)
    anchor = "start" if tag.after else "end"
    words = f'<text class="{p}-small {p}-{anchor}" x="{_n(at)}" y="{_n(y + 3.2)}">{escape(text)}</text>'
    return f"<g>{_tooltip(tag.tooltip)}{line}{head}{mark}{words}</g>"
