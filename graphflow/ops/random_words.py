"""Words for draws that may be refused and tried again: element `e`, attempt `t`, reads block `e + t * 2^48` of its draw.

So an element's bits depend on its place and on its own attempts only: not on the other elements, on the number of
threads, or on how many elements are worked on at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.ops.cast import dtype_of
from graphflow.ops.philox import BLOCK, LOW, MULTIPLIERS, ROUNDS, WEYL, Key, blocks32, converted
from graphflow.types import TensorType

__all__ = ["ATTEMPTS", "fill_by_attempts", "open_unit", "rejection_nbytes", "words_at"]

ATTEMPTS = 64
"""Attempts at most. All samplers here accept with a chance of more than 0.6, so that one in 10^25 elements comes here;
it gets the last proposal."""

Attempt = Callable[..., tuple[Any, Any]]


def words_at(xp: Any, key: Key, draw: Any, block: Any) -> tuple[Any, Any, Any, Any]:
    """The four words of Philox at each counter of `block`, a uint64 array, as uint64."""

    def u64(value: int) -> Any:
        return xp.asarray(value, dtype=xp.uint64)

    k0, k1 = key
    low, shift = u64(LOW), u64(32)
    draw = converted(xp, draw, xp.uint64)
    c0, c1 = block & low, block >> shift
    c2, c3 = draw & low, draw >> shift
    for _ in range(ROUNDS):
        p, q = c0 * u64(MULTIPLIERS[0]), c2 * u64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (q >> shift) ^ c1 ^ u64(k0), q & low, (p >> shift) ^ c3 ^ u64(k1), p & low
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


def open_unit(xp: Any, low: Any, high: Any = None) -> Any:
    """float64 in (0, 1), the ends never: from a word of 32 bits, or 52 bits of two words."""
    if high is None:
        return converted(xp, low, xp.float64) * 2.0**-32 + 2.0**-33
    wide = converted(xp, high, xp.float64) * 2.0**20 + converted(xp, low >> 12, xp.float64)
    return wide * 2.0**-52 + 2.0**-53


def _piece(xp: Any, x: Any, first: int, count: int) -> Any:
    """So many elements in C order, as float64 of their own; NumPy copies no more than these of a broadcast array."""
    if xp is not np:
        return converted(xp, xp.reshape(x, (-1,))[first : first + count], xp.float64)
    return x.flat[first : first + count].astype(np.float64, copy=False)


def fill_by_attempts(
    xp: Any, key: Key, draw: Any, parameters: Sequence[Any], attempt: Attempt, out: Any, dtype: Any
) -> None:
    """Fill `out`, of the parameters' shape, with what `attempt(xp, words, *parameters)` gives: values and a mask.

    attempt: takes four arrays of words and float64 parameters for some elements. Those whose mask is False are tried
    again with other words.
    """
    flat = xp.reshape(out, (-1,))
    own = dtype_of(xp, dtype)
    for at, words in blocks32(xp, key, draw, 4 * flat.shape[0]):
        first, count = at // 4, words.shape[0] // 4
        given = [_piece(xp, p, first, count) for p in parameters]
        values, accepted = attempt(xp, [words[k::4] for k in range(4)], *given)
        places = xp.nonzero(~accepted)[0]
        for t in range(1, ATTEMPTS):
            if not places.shape[0]:
                break
            block = converted(xp, places, xp.uint64) + xp.asarray(first + (t << 48), dtype=xp.uint64)
            proposed, accepted = attempt(xp, words_at(xp, key, draw, block), *[p[places] for p in given])
            values[places] = proposed
            places = places[~accepted]
        flat[first : first + count] = values.astype(own)


def rejection_nbytes(temporaries: float) -> Callable[..., int]:
    """The `workspace` rule of a sampler that holds so many float64 arrays for each element of a piece, measured."""

    def nbytes(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
        count = min((outputs[0].nbytes or 0) // outputs[0].dtype.itemsize, BLOCK)
        return int(count * (64 + 8 * temporaries)) + 8192

    return nbytes
