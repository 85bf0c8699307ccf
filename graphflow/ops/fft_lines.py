"""Transforms line by line: the pieces of a stack of lines, and how many bytes NumPy's transforms take beside arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

__all__ = ["PIECE", "piece_elements", "pieces", "scratch_nbytes"]

PIECE = 8192
"""Elements that a piece has at most where none are named, unless a single index of the axis that is cut has more."""


def _cut(shape: Sequence[int], axis: int, most: int) -> tuple[int, int]:
    """The axis along which lines along `axis` are told apart, the longest other one, and its indices in a piece."""
    others = [a for a in range(len(shape)) if a != axis]
    if not others:
        return axis, shape[axis]
    place = max(others, key=shape.__getitem__)
    each = math.prod(shape) // max(shape[place], 1)
    return place, max(most // max(each, 1), 1)


def pieces(shape: Sequence[int], axis: int, most: int = PIECE) -> Iterator[tuple[slice, ...]]:
    """Keys of the pieces of an array that lines along `axis` are handled in; they fit all arrays of such lines."""
    place, count = _cut(shape, axis, most)
    before = (slice(None),) * place
    if place == axis:
        yield before
        return
    for start in range(0, shape[place], count):
        yield (*before, slice(start, start + count))


def piece_elements(shape: Sequence[int], axis: int, most: int = PIECE) -> int:
    """Elements of the largest of the pieces."""
    place, count = _cut(shape, axis, most)
    return math.prod(shape) // max(shape[place], 1) * min(count, shape[place])


def _has_large_factor(n: int) -> bool:
    for p in (2, 3, 5, 7, 11, 13):
        while n % p == 0:
            n //= p
    return n > 100


def scratch_nbytes(sizes: Sequence[int]) -> int:
    """What NumPy's transforms of those sizes take outside of arrays: roots of unity, scratch, one line.

    Sizes with a large prime factor go through a convolution of more than twice the size (Bluestein).
    """
    longest = max(sizes, default=1)
    return 16 * (10 if _has_large_factor(longest) else 4) * longest
