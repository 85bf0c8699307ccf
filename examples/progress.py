"""Progress bars where there is a terminal and `rich` is installed; plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

__all__ = ["table", "track"]

_T = TypeVar("_T")


def track(items: Iterable[_T], what: str, total: int) -> Iterator[_T]:
    """Hand the items on, with a bar that says how many of `total` have come.

    Lines printed meanwhile appear above the bar. Without a terminal there is one line when all is done.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        yield from _plainly(items, what, total)
        return
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        yield from _plainly(items, what, total)
        return
    columns = [TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)


def _plainly(items: Iterable[_T], what: str, total: int) -> Iterator[_T]:
    yield from items
    print(f"{what}: {total} of {total}")
    sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned with spaces; the last one may be of any length."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head) - 1)]
    return "\n".join(
        "   ".join([*[cell.ljust(w) for cell, w in zip(line, widths, strict=False)], line[-1]]).rstrip()
        for line in lines
    )
