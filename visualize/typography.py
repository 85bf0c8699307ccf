"""Text as pictures need it: made harmless, cut to length, and measured without any font."""

from __future__ import annotations

import unicodedata

__all__ = ["BOLD_PX", "PLAIN_PX", "clip", "format_nbytes", "text_width", "visible", "visible_lines"]

BOLD_PX = 11.0
PLAIN_PX = 9.0
_MAX_TOOLTIP = 10_000

# Advance widths of Helvetica in thousandths of an em, by Adobe's font metrics. Inter and the usual
# fallbacks run wider, the widest of them (DejaVu Sans) by about an eighth: hence the factors.
_WIDTHS = {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jcksvxyz",
    556: "#$0123456789?L_abdeghnopqu",
    584: "+<=>~",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1000: "…→",
    1015: "@",
}
_ADVANCE = {character: width for width, characters in _WIDTHS.items() for character in characters}
_PLAIN_FACTOR = 1.12 / 1000
_BOLD_FACTOR = 1.20 / 1000


def text_width(text: str, size_px: float, bold: bool = False) -> float:
    """About how many pixels `text` is wide, rather too many than too few."""
    total = 0
    for character in text:
        advance = _ADVANCE.get(character)
        if advance is None:
            if unicodedata.combining(character):
                continue
            advance = 1000 if unicodedata.east_asian_width(character) in "WF" else 700
        total += advance
    return total * size_px * (_BOLD_FACTOR if bold else _PLAIN_FACTOR)


def visible(text: str, limit: int = 120) -> str:
    """`text` cut to `limit` characters, in which all that is not plainly visible is an escape: `\\u202e`.

    Control characters, marks of writing direction, lone surrogates and line ends could break a file,
    a terminal or the reader's trust in what is shown.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def visible_lines(text: str) -> str:
    """A tooltip made harmless: at most 40 lines of at most 160 characters."""
    lines = text[:_MAX_TOOLTIP].split("\n")
    return "\n".join(visible(line, 160) for line in lines[:40])


def clip(text: str, max_px: float, size_px: float, bold: bool = False) -> str:
    """`text`, made visible and cut with an ellipsis so that it is at most `max_px` wide."""
    text = visible(text, 400)
    if text_width(text, size_px, bold) <= max_px:
        return text
    room = max_px - text_width("…", size_px, bold)
    kept = 0
    for character in text:
        room -= text_width(character, size_px, bold)
        if room < 0:
            break
        kept += 1
    return text[:kept] + "…"


def format_nbytes(nbytes: int) -> str:
    """`588.5 KiB`: bytes in the largest unit of which there is at least one."""
    size, unit = float(nbytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{nbytes} B" if unit == "B" else f"{size:.1f} {unit}"
