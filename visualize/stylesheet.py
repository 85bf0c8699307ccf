"""The style sheet of an SVG picture: both themes, every class under the picture's own prefix."""

from __future__ import annotations

from graphflow.visualize.diagram import Kind
from graphflow.visualize.palette import DARK, LIGHT, THEMES, Theme
from graphflow.visualize.typography import BOLD_PX, PLAIN_PX

__all__ = ["style_sheet"]

_FONT = "Inter,Helvetica,Arial,sans-serif"


def style_sheet(prefix: str, theme: str) -> str:
    """Rules for the classes `{prefix}-...`; theme: `light`, `dark`, or `auto` for the reader's choice."""
    if theme != "auto":
        return _fixed_rules(prefix) + _colour_rules(prefix, THEMES[theme])
    dark = _colour_rules(prefix, DARK)
    return f"{_fixed_rules(prefix)}{_colour_rules(prefix, LIGHT)}@media (prefers-color-scheme:dark){{{dark}}}"


def _fixed_rules(p: str) -> str:
    rules = {
        "text": f"font:{BOLD_PX:g}px {_FONT};text-anchor:middle",
        f"text .{p}-bold": "font-weight:600",
        f".{p}-small": f"font-size:{PLAIN_PX:g}px",
        f".{p}-start": "text-anchor:start",
        f".{p}-end": "text-anchor:end",
        f".{p}-shape": "stroke-width:1.2",
        f".{p}-input .{p}-shape": "stroke-width:2",
        f".{p}-constant .{p}-shape": "stroke-dasharray:1 3",
        f".{p}-fetch .{p}-shape": "stroke-width:2",
        f".{p}-critical .{p}-shape": "stroke-width:2.5",
        f".{p}-edge": "fill:none;stroke-linecap:round",
        f".{p}-control": "stroke-dasharray:4 3",
        f".{p}-chip": "stroke-dasharray:1 2.5",
        f".{p}-line": "fill:none",
    }
    return "".join(f".{p} {selector}{{{rule}}}" for selector, rule in rules.items())


def _colour_rules(p: str, theme: Theme) -> str:
    rules = {
        f".{p}-paper": f"fill:{theme.paper}",
        "text": f"fill:{theme.ink}",
        f".{p}-small": f"fill:{theme.muted}",
        f".{p}-edge": f"stroke:{theme.edge}",
        f".{p}-line": f"stroke:{theme.edge}",
        f".{p}-head": f"fill:{theme.edge}",
        f".{p}-mark": f"fill:{theme.paper};stroke:{theme.edge}",
    }
    for level, fill in enumerate(theme.panels):
        rules[f".{p}-panel{level}"] = f"fill:{fill};stroke:{theme.panel_line}"
    for kind in Kind:
        paint = theme.paints[kind]
        rules[f".{p}-{kind} .{p}-shape"] = f"fill:{paint.fill};stroke:{paint.stroke}"
    transfer = theme.paints[Kind.TRANSFER].stroke
    variable = theme.paints[Kind.VARIABLE].stroke
    rules |= {
        f".{p}-bar": f"fill:{variable}",
        f".{p}-fetch .{p}-shape": f"fill:{theme.paper};stroke:{theme.ink}",
        f".{p}-critical .{p}-shape": f"stroke:{theme.selected}",
        f".{p}-edge.{p}-across": f"stroke:{transfer}",
        f".{p}-head.{p}-across": f"fill:{transfer}",
        f".{p}-edge.{p}-hot": f"stroke:{theme.selected}",
        f".{p}-head.{p}-hot": f"fill:{theme.selected}",
    }
    return "".join(f".{p} {selector}{{{rule}}}" for selector, rule in rules.items())
