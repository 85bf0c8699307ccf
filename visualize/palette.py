"""The colours of every picture, as two themes; a test holds them to contrast and colour-blindness limits."""

from __future__ import annotations

from dataclasses import dataclass

from graphflow.visualize.diagram import Kind

__all__ = ["DARK", "LIGHT", "THEMES", "Paint", "Theme"]


@dataclass(frozen=True, slots=True)
class Paint:
    """Stroke and fill of one kind of box."""

    stroke: str
    fill: str


@dataclass(frozen=True, slots=True)
class Theme:
    """All colours of one picture.

    ink and muted: the first and the second line of text. panels: fills of open scopes, one step a level.
    """

    paper: str
    ink: str
    muted: str
    edge: str
    panel_line: str
    panels: tuple[str, str, str, str]
    selected: str
    paints: dict[Kind, Paint]


LIGHT = Theme(
    paper="#fbfbfa",
    ink="#1d2329",
    muted="#5c6670",
    edge="#8792a0",
    panel_line="#cfd6de",
    panels=("#f1f4f7", "#eaeff4", "#e4e9ef", "#dee4eb"),
    selected="#d1495b",
    paints={
        Kind.INPUT: Paint("#56B4E9", "#e1f1fb"),
        Kind.VARIABLE: Paint("#E69F00", "#fdf0d5"),
        Kind.CONSTANT: Paint("#5c6670", "#fbfbfa"),
        Kind.OP: Paint("#4A5568", "#edf0f4"),
        Kind.FUSED: Paint("#00875F", "#d6efe6"),
        Kind.TRANSFER: Paint("#C2569B", "#f6e4ee"),
        Kind.CARD: Paint("#9aa5b1", "#ffffff"),
        Kind.STACK: Paint("#9aa5b1", "#ffffff"),
    },
)

DARK = Theme(
    paper="#14171c",
    ink="#e8eaed",
    muted="#aab3bd",
    edge="#8792a0",
    panel_line="#3a424d",
    panels=("#1a1e24", "#20252c", "#262c34", "#2c333c"),
    selected="#ffd166",
    paints={
        Kind.INPUT: Paint("#56B4E9", "#1d3a4a"),
        Kind.VARIABLE: Paint("#E69F00", "#4a3a17"),
        Kind.CONSTANT: Paint("#aab3bd", "#14171c"),
        Kind.OP: Paint("#C3CBD6", "#29303b"),
        Kind.FUSED: Paint("#009E73", "#15402f"),
        Kind.TRANSFER: Paint("#C2569B", "#472d3c"),
        Kind.CARD: Paint("#6b7683", "#14171c"),
        Kind.STACK: Paint("#6b7683", "#14171c"),
    },
)

THEMES = {"light": LIGHT, "dark": DARK}
