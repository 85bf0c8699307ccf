"""A graph in a terminal: one row a node in the order of the run, one lane a live tensor, memory at the right.

▷        placeholder x                float32[64, 784]   196.0 KiB ▇▇▇▇▇
│ ◆      variable    dense_0/W        float32[784, 128]  588.0 KiB ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
●─╯      matmul      dense_0/matmul   float32[64, 128]   620.0 KiB ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇ ← peak
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from graphflow.graph import Node
from graphflow.visualize.cast import Cast, cast_of
from graphflow.visualize.diagram import Kind
from graphflow.visualize.subject import Subject, nbytes_of, subject_of
from graphflow.visualize.typography import format_nbytes, visible
from graphflow.visualize.wording import chip_text, counted, kind_of

__all__ = ["draw_text"]

MAX_LANES = 16
"""Lanes further to the right than this are not drawn."""

_BAR = 16
_MARKS = {Kind.INPUT: "▷", Kind.VARIABLE: "◆", Kind.CONSTANT: "◇", Kind.TRANSFER: "⇄"}
_WIDEST = (14, 36, 26)  # columns: op, name, type


@dataclass(frozen=True, slots=True)
class _Row:
    lanes: str
    cells: tuple[str, str, str]
    live_nbytes: int | None


def draw_text(obj: object, all: bool = False, max_rows: int = 1000) -> str:
    """The rows of a graph, of what tensors need, or of a plan; at most `max_rows` of them, the rest counted.

    The bytes at the right are of the tensors that are live in that row, freed after their last use; they are
    left out where a size is not known. They are not a plan's forecast, which also counts workspace.
    all: show initialisers and reads of variables too.
    """
    subject = subject_of(obj)
    cast = cast_of(subject, all)
    rows = _rows(cast, subject, max_rows)
    peak = max((row.live_nbytes or 0 for row in rows), default=0)
    widths = [
        min(widest, max((len(row.cells[i]) for row in rows), default=0)) for i, widest in enumerate(_WIDEST)
    ]
    n_lanes = max((len(row.lanes) for row in rows), default=0)
    lines = []
    marked = False
    for row in rows:
        cells = "  ".join(_fit(cell, width) for cell, width in zip(row.cells, widths, strict=True))
        line = f"{row.lanes:{n_lanes}}  {cells}"
        if row.live_nbytes is not None and peak:
            line += f"  {format_nbytes(row.live_nbytes):>10} {'▇' * -(-row.live_nbytes * _BAR // peak)}"
            if row.live_nbytes == peak and not marked:
                line, marked = line + " ← peak", True
        lines.append(line.rstrip())
    if len(cast.kept) > len(rows):
        lines.append(f"… {counted(len(cast.kept) - len(rows), 'more op')}")
    if subject.peak_nbytes is not None:
        lines.append(f"peak {format_nbytes(subject.peak_nbytes)}")
    return "\n".join(lines or ["(empty graph)"]) + "\n"


def _fit(text: str, width: int) -> str:
    return f"{text:{width}}" if len(text) <= width else text[: width - 1] + "…"


def _rows(cast: Cast, subject: Subject, max_rows: int) -> list[_Row]:
    sources = [_sources(node, cast) for node in cast.kept]
    last_use = {source: position for position, needed in enumerate(sources) for source in needed}
    sizes = {node: nbytes_of(node, subject.nbytes) for node in cast.kept}
    is_known = None not in sizes.values()
    lane_of: dict[Node, int] = {}
    free: list[int] = []
    busy: set[int] = set()
    n_lanes = live_nbytes = 0
    rows = []
    for position, node in enumerate(cast.kept[:max_rows]):
        ending = sorted(lane_of[source] for source in sources[position] if last_use[source] == position)
        if ending:
            lane = ending[0]
        elif free:
            lane = heapq.heappop(free)
        else:
            lane, n_lanes = n_lanes, n_lanes + 1
        live_nbytes += sizes[node] or 0
        cells = (visible(node.type), _name(node, cast), visible(", ".join(str(t.type) for t in node.outputs)))
        rows.append(_Row(_lanes(_mark(node), lane, ending, busy), cells, live_nbytes if is_known else None))
        for source in sources[position]:
            if last_use[source] == position:
                live_nbytes -= sizes[source] or 0
                ended = lane_of.pop(source)
                busy.discard(ended)
                if ended != lane:
                    heapq.heappush(free, ended)
        if last_use.get(node, -1) > position:
            lane_of[node] = lane
            if lane <= MAX_LANES:
                busy.add(lane)
        else:
            live_nbytes -= sizes[node] or 0
            heapq.heappush(free, lane)
    return rows


def _sources(node: Node, cast: Cast) -> dict[Node, None]:
    """The rows whose values a node takes, each once."""
    found = (cast.merged.get(t.op, t.op) for t in node.inputs)
    return {source: None for source in found if source not in cast.chips}


def _name(node: Node, cast: Cast) -> str:
    chips = [chip_text(t.op) for t in node.inputs if t.op in cast.chips]
    return visible(f"{node.name} ({', '.join(chips)})" if chips else node.name)


def _mark(node: Node) -> str:
    return _MARKS.get(kind_of(node), "●")


def _lanes(mark: str, lane: int, ending: Sequence[int], busy: Collection[int]) -> str:
    """The lanes of one row: the node's mark, and a line to it from each lane that ends here."""
    right = min(max([lane, *ending]), MAX_LANES)
    parts = []
    for k in range(min(max(lane, *busy, 0), MAX_LANES) + 1):
        joins = lane < k <= right
        if k == MAX_LANES:
            sign = "…"
        elif k == lane:
            sign = mark
        elif joins:
            sign = ("╯" if k == right else "┴") if k in ending else "┼" if k in busy else "─"
        else:
            sign = "│" if k in busy else " "
        parts.append(sign + ("─" if lane <= k < right else " "))
    return "".join(parts)
