"""A progress bar around any iterable, drawn by whichever of `rich` and `tqdm` is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from graphflow.errors import ArgumentError, shorten

__all__ = ["progress"]

_T = TypeVar("_T")


def progress(items: Iterable[_T], description: str = "", total: int | None = None) -> Iterator[_T]:
    """Hand the items on, with a bar that says how many have come, in a terminal; in silence elsewhere.

    total: how many there will be; `len(items)` where left out and known. Lines printed meanwhile appear above the bar
    with `rich`, which is taken where both it and `tqdm` are installed; with neither there is no bar.
    Raises ArgumentError where `items` cannot be iterated or `total` is no count.
    """
    if not isinstance(items, Iterable):
        raise ArgumentError(f"progress: items must be iterable, got {shorten(items)}")
    if total is not None and (isinstance(total, bool) or not isinstance(total, int) or total < 0):
        raise ArgumentError(f"progress: total must be a count, got {shorten(total)}")
    if total is None:
        try:
            total = len(items)  # type: ignore[arg-type]  # not all have a length: that is what is found out
        except TypeError:
            total = None
    return _with_bar(items, str(description), total)


def _with_bar(items: Iterable[_T], description: str, total: int | None) -> Iterator[_T]:
    for bar in (_rich_bar, _tqdm_bar):
        drawn = bar(items, description, total)
        if drawn is not None:
            yield from drawn
            return
    yield from items


def _rich_bar(items: Iterable[_T], description: str, total: int | None) -> Iterator[_T] | None:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    console = Console(file=sys.stderr)
    if not console.is_terminal or console.is_dumb_terminal:
        return iter(items)
    columns: Any = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]

    def draw() -> Iterator[_T]:
        with Progress(*columns, console=console) as bar:
            yield from bar.track(items, total=total, description=description)

    return draw()


def _tqdm_bar(items: Iterable[_T], description: str, total: int | None) -> Iterator[_T] | None:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    bar: Iterator[_T] = iter(tqdm(items, desc=description or None, total=total, disable=None))
    return bar
