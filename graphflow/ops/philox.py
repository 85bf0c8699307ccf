"""Philox 4x32-10: random words as a pure function of a key and a counter, block by block.

Source: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
How graphflow uses it:

    counter (128 bits) = block of four words (64 bits, low) | draw (64 bits, high)
    key      (64 bits) = graph seed (32 bits) | op seed (32 bits)

Word `w` of a draw is word `w % 4` of block `w // 4`; a 64-bit word `w` is the 32-bit words
`2 w` (low) and `2 w + 1` (high). Element `e` of a tensor reads word `e` in C order, so the bits of
an element depend on no other element, on no thread and on no block size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["BLOCK", "Key", "blocks32", "blocks64", "converted", "hash64", "philox", "workspace_nbytes"]

BLOCK = 16384
"""Counters computed at a time: 1 MiB of lanes and words. Measured with NumPy 2.4, nanoseconds a word: 32 at 1024
counters, 12 at 4096, 7.2 at 8192, 5.8 at 16384, no better above."""

NBYTES_PER_COUNTER = 6 * 8 + 4 * 4
"""Six lanes of 64 bits and the four words."""

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LOW = 0xFFFFFFFF

Key = tuple[int, int]


def converted(xp: Any, x: Any, dtype: Any) -> Any:
    """`x` cast to a dtype of `xp`, itself where it has it; CuPy 13 has the method only, the standard the function."""
    return x.astype(dtype, copy=False) if hasattr(x, "astype") else xp.astype(x, dtype, copy=False)


def philox(counter: tuple[int, int, int, int], key: Key) -> tuple[int, int, int, int]:
    """The four words of one counter, in Python ints: for seeds, and what the fast versions are tested against."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p, q = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ k0, q & LOW, (p >> 32) ^ c3 ^ k1, p & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


def hash64(low: int, high: int, key: Key) -> int:
    """A 64-bit hash of two 64-bit ints: the first two words of Philox at that counter."""
    w0, w1, _, _ = philox((low & LOW, low >> 32, high & LOW, high >> 32), key)
    return w0 | w1 << 32


def workspace_nbytes(n_words: int, extra_per_word: int) -> int:
    """Hidden bytes of a kernel that reads `n_words` words and holds `extra_per_word` more bytes for each."""
    counters = min(-(-n_words // 4), BLOCK)
    return counters * (NBYTES_PER_COUNTER + 4 * extra_per_word) + 4096


def blocks32(xp: Any, key: Key, draw: Any, n_words: int) -> Iterator[tuple[int, Any]]:
    """The first `n_words` 32-bit words of a draw, as (position of the first, uint32 array) pieces.

    draw: an integer array without axes. The pieces share one buffer: use each, and let go of what was made of it,
        before asking for the next.
    """
    if xp is np:
        yield from _numpy_blocks(key, int(draw), n_words)
        return
    draw = converted(xp, draw, xp.uint64)
    for first in range(0, n_words, 4 * BLOCK):
        count = min(n_words - first, 4 * BLOCK)
        words = _generic_words(xp, key, draw, first // 4, -(-count // 4))
        yield first, words[:count]


def blocks64(xp: Any, key: Key, draw: Any, n_words: int) -> Iterator[tuple[int, Any]]:
    """As `blocks32`, with 64-bit words as a uint64 array."""
    for first, words in blocks32(xp, key, draw, 2 * n_words):
        yield first // 2, _joined(xp, words)


def _joined(xp: Any, words: Any) -> Any:
    wide = converted(xp, words[1::2], xp.uint64)
    wide <<= xp.asarray(32, dtype=xp.uint64)
    wide |= converted(xp, words[0::2], xp.uint64)
    return wide


def _generic_words(xp: Any, key: Key, draw: Any, first: int, count: int) -> Any:
    """Words of `count` counters, by expressions that any array module has."""

    def u64(value: int) -> Any:
        return xp.asarray(value, dtype=xp.uint64)

    k0, k1 = key
    low, shift = u64(LOW), u64(32)
    block = xp.arange(first, first + count, dtype=xp.uint64)
    c0, c1, c2, c3 = block & low, block >> shift, draw & low, draw >> shift
    for _ in range(ROUNDS):
        p, q = c0 * u64(MULTIPLIERS[0]), c2 * u64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (q >> shift) ^ c1 ^ u64(k0), q & low, (p >> shift) ^ c3 ^ u64(k1), p & low
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    lanes = xp.stack([c0, c1, c2, c3], axis=1)
    return converted(xp, xp.reshape(lanes, (-1,)), xp.uint32)


def _numpy_blocks(key: Key, draw: int, n_words: int) -> Iterator[tuple[int, Any]]:
    size = min(-(-n_words // 4), BLOCK)
    lanes = [np.empty(size, np.uint64) for _ in range(6)]
    words = np.empty(4 * size, np.uint32)
    for first in range(0, n_words, 4 * BLOCK):
        count = min(n_words - first, 4 * BLOCK)
        used = -(-count // 4)
        _numpy_words(key, draw, first // 4, [lane[:used] for lane in lanes], words[: 4 * used])
        yield first, words[:count]


def _numpy_words(key: Key, draw: int, first: int, lanes: list[Any], words: Any) -> None:
    """Fill `words` in place: half the time of the expressions above, which allocate at every step.

    c1 and c3 are whole products whose high half is junk; it goes where c0 and c2 are masked.
    """
    c0, c2, p, q, c1, c3 = lanes
    k0, k1 = key
    low, shift = np.uint64(LOW), np.uint64(32)
    m0, m1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
    block = np.arange(first, first + len(c0), dtype=np.uint64)
    np.bitwise_and(block, low, c0)
    np.right_shift(block, shift, c1)
    c2[:], c3[:] = draw & LOW, draw >> 32
    del block
    for _ in range(ROUNDS):
        np.multiply(c0, m0, p)
        np.multiply(c2, m1, q)
        for product, low_half, subkey, target in ((q, c1, k0, c0), (p, c3, k1, c2)):
            np.right_shift(product, shift, target)
            np.bitwise_xor(target, low_half, target)
            np.bitwise_xor(target, np.uint64(subkey), target)
            np.bitwise_and(target, low, target)
        p, q, c1, c3 = c3, c1, q, p
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    for j, lane in enumerate((c0, c1, c2, c3)):
        words[j::4] = lane
