"""How a product of matrices is made in pieces: by its sizes alone, so that its bits are the same on any threads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

__all__ = ["SPLIT_FLOPS", "TALL_NBYTES", "TILE", "bounds", "is_split", "row_panels"]

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


def bounds(size: int) -> Iterator[tuple[int, int]]:
    """Nearly equal parts of an axis, of `TILE` at least unless the axis is shorter."""
    count = max(1, size // TILE)
    return itertools.pairwise(size * i // count for i in range(count + 1))


def row_panels(rows: int, inner: int, columns: int, itemsize: int) -> list[tuple[int, int]] | None:
    """The rows of each piece where a product of two matrices is split by rows alone, else None."""
    if not is_split(2 * rows * inner * columns, rows * columns * itemsize) or columns >= 2 * TILE:
        return None
    return list(bounds(rows))
