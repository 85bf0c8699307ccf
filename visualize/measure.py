"""How much room a box takes: its body with two lines of text, and the tags at its sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.visualize.diagram import Box, Kind, Tag
from graphflow.visualize.typography import BOLD_PX, PLAIN_PX, clip, text_width

__all__ = ["MAX_TAG_PX", "MAX_TEXT_PX", "TAG_LINE_PX", "TAG_REACH_PX", "Room", "lines_of", "measure"]

MAX_TEXT_PX = 168.0
MAX_TAG_PX = 90.0
TAG_LINE_PX = 13.0
TAG_REACH_PX = 12.0
"""Length of the line from a tag to its box."""

_PADDING = {Kind.INPUT: 15.0, Kind.TRANSFER: 20.0, Kind.VARIABLE: 13.0, Kind.CONSTANT: 3.0}
_MIN_BODY_PX = 44.0


@dataclass(frozen=True, slots=True)
class Room:
    """Sizes in pixels. before, after: the tags at the left and at the right of the body."""

    width: float
    height: float
    before: float
    body: float
    body_height: float
    after: float


def lines_of(box: Box) -> tuple[str, str, str]:
    """Title, aside and detail, cut to what the body holds."""
    kept = text_width(box.aside, BOLD_PX) + 5 if box.kind is Kind.STACK else 0.0  # `×35` is never cut
    title = clip(box.title, MAX_TEXT_PX - kept, BOLD_PX, bold=True)
    rest = MAX_TEXT_PX - text_width(title, BOLD_PX, bold=True) - 5
    aside = clip(box.aside, rest, BOLD_PX) if rest > 20 or kept else ""
    return title, aside, clip(box.detail, MAX_TEXT_PX, PLAIN_PX)


def measure(box: Box) -> Room:
    """The room of a box, from its text alone."""
    title, aside, detail = lines_of(box)
    first = text_width(title, BOLD_PX, bold=True) + (5 + text_width(aside, BOLD_PX) if aside else 0)
    text = max(first, text_width(detail, PLAIN_PX))
    body = round(max(_MIN_BODY_PX, text + 2 * _PADDING.get(box.kind, 9.0)))
    body_height = 34.0 if detail else 24.0
    before, n_before = _side([tag for tag in box.tags if not tag.after])
    after, n_after = _side([tag for tag in box.tags if tag.after])
    height = max(body_height, TAG_LINE_PX * max(n_before, n_after))
    return Room(before + body + after, height, before, body, body_height, after)


def _side(tags: Sequence[Tag]) -> tuple[float, int]:
    if not tags:
        return 0.0, 0
    widest = max(text_width(clip(tag.text, MAX_TAG_PX, PLAIN_PX), PLAIN_PX) for tag in tags)
    return round(widest + 6 + TAG_REACH_PX), len(tags)
