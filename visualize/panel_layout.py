"""The layout of one panel: columns side by side, rows, a title, and ports where edges cross the border."""

from __future__ import annotations

from collections.abc import Mapping

from graphflow.visualize.columns import BEND_GAP_PX, BEND_WIDTH_PX, Column, fill_column
from graphflow.visualize.frames import Frame, Net, Parts, Passage
from graphflow.visualize.levels import Level
from graphflow.visualize.typography import BOLD_PX, clip, text_width

__all__ = ["MARGIN_PX", "PANEL_TITLE_PX", "lay_out_panel"]

MARGIN_PX = 12.0
PANEL_TITLE_PX = 260.0
"""A panel's title is cut to this width."""

_TITLE_STRIP_PX = 22.0
_ROW_GAP_PX = 26.0
_COLUMN_GAP_PX = 44.0


def lay_out_panel(
    level: Level,
    passages: Mapping[Net, Mapping[Passage, None]],
    parts: Parts,
    title: str | None,
    hints: Mapping[Net, float],
) -> Frame:
    """The frame of a panel whose inner panels have theirs.

    title: None for the paper itself. hints: about where each net comes from, in pixels.
    """
    margin, strip = (0.0, 0.0) if title is None else (MARGIN_PX, _TITLE_STRIP_PX)
    title_px = _bold_width(clip(title or "", PANEL_TITLE_PX, BOLD_PX, bold=True))
    positions: dict[int, tuple[float, float]] = {}
    entries: dict[tuple[Net, int], float] = {}
    exits: dict[Net, float] = {}
    bends: dict[tuple[Net, int, int], float] = {}
    rows: list[list[tuple[float, float]]] = []
    left = margin
    for number, n_rows in enumerate(level.rows.n_rows):
        column = fill_column(level, number, passages, parts, hints)
        if number == 0 and title_px:
            _clear_title(column, title_px)
        begin, end = column.extent()
        shift = left - begin
        tops = _row_tops(column, n_rows + 2, strip, parts)
        positions |= _positions(column, tops, shift, parts)
        for key, cell, x in zip(column.keys, column.cells, column.x, strict=True):
            if isinstance(key, int):
                continue
            if cell.row == 0:
                entries[key[0], number] = shift + x
            elif cell.row == n_rows + 1:
                exits[key[0]] = shift + x
            else:
                bends[key[0], number, cell.row] = shift + x
        rows.append(tops)
        left = shift + end + _COLUMN_GAP_PX
    width = max(left - _COLUMN_GAP_PX + margin, title_px + 2 * margin)
    height = max(tops[-1][1] for tops in rows)
    return Frame(width, height, positions, entries, exits, bends, tuple(map(tuple, rows)))


def _bold_width(text: str) -> float:
    return text_width(text, BOLD_PX, bold=True)


def _clear_title(column: Column, title_px: float) -> None:
    """Move the ports of the upper border to the right of the title, which begins where the other cells do."""
    middles = list(zip(column.x, column.cells, strict=True))
    clear = min(x - cell.width / 2 for x, cell in middles if cell.row) + title_px + 2 * BEND_GAP_PX
    ports = [i for i, cell in enumerate(column.cells) if not cell.row]
    ports.sort(key=lambda i: column.x[i])
    for i in ports:
        column.x[i] = max(column.x[i], clear)
        clear = column.x[i] + BEND_WIDTH_PX + 2 * BEND_GAP_PX


def _row_tops(column: Column, n_rows: int, strip: float, parts: Parts) -> list[tuple[float, float]]:
    """Top and bottom of each row; the first is the strip of the title, the last the lower border."""
    heights = [0.0] * n_rows
    for key, cell in zip(column.keys, column.cells, strict=True):
        if isinstance(key, int):
            heights[cell.row] = max(heights[cell.row], parts.size(key)[1])
    heights[0] = strip
    reach = [-1.0] * n_rows  # how far the widest link below each row goes to the side; -1 for no link
    for link in column.links:
        row = column.cells[link.upper].row
        aside = abs(column.x[link.upper] + link.upper_dx - column.x[link.lower] - link.lower_dx)
        reach[row] = max(reach[row], aside)
    tops = []
    top = 0.0
    for row, height in enumerate(heights):
        tops.append((top, top + height))
        gap = _ROW_GAP_PX + min(30.0, max(reach[row], 0.0) * 0.06)
        if row in (0, n_rows - 2) and reach[row] < 0:  # nothing crosses this border
            gap = MARGIN_PX if row and strip else 0.0
        top += height + gap
    return tops


def _positions(
    column: Column, tops: list[tuple[float, float]], shift: float, parts: Parts
) -> dict[int, tuple[float, float]]:
    """Top left of each item: in its row, what only gives stands low, what only takes high."""
    takes = {link.lower for link in column.links}
    gives = {link.upper for link in column.links}
    positions = {}
    for index, (key, cell, x) in enumerate(zip(column.keys, column.cells, column.x, strict=True)):
        if isinstance(key, int):
            top, bottom = tops[cell.row]
            slack = bottom - top - parts.size(key)[1]
            down = slack if index not in takes else 0.0 if index not in gives else slack / 2
            positions[key] = (shift + x - cell.width / 2, top + down)
    return positions
