"""How a product of matrices is made in pieces: by its sizes alone, so that its bits are the same on any threads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

__all__ = ["SPLIT_FLOPS", "TALL_NBYTES", "TILE", "bounds", "is_split", "row_panel_count"]

SPLIT_FLOPS = 1 << 28
"""Products from here on (512 x 512 x 512) are made in pieces that threads share: 3 ms and more on one thread, of
which handing out the pieces takes 0.1."""

TALL_NBYTES = 1 << 21
"""Results from here on are made in pieces too: what reads a piece next finds it in the cache."""

TILE = 512
"""Rows and columns of a piece: the libraries copy a piece's operands to pack them, which takes some 40 / TILE of the
time that multiplying takes."""


def is_split(flops: int, nbytes: int) -> bool:
    """Whether a product of so many operations with a result of so many bytes is made in pieces."""
    return flops >= SPLIT_FLOPS or nbytes >= TALL_NBYTES


def _count(size: int) -> int:
    """In how many parts an axis is cut: an even number where there are several, which two threads finish together."""
    count = max(1, size // TILE)
    return count + count % 2 if count > 1 else 1


def bounds(size: int) -> Iterator[tuple[int, int]]:
    """Nearly equal parts of an axis, of three quarters of `TILE` at least unless the axis is shorter."""
    count = _count(size)
    return itertools.pairwise(size * i // count for i in range(count + 1))


def row_panel_count(rows: int, inner: int, columns: int, itemsize: int) -> int:
    """In how many `bounds` of its rows a product of two matrices is made; 0 where it is not split by rows alone."""
    if not is_split(2 * rows * inner * columns, rows * columns * itemsize) or columns >= 2 * TILE:
        return 0
    return _count(rows)
