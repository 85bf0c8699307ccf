"""The recursions of connectionist temporal classification: likelihood, expected counts, and their change.

A labelling l of length S is read as the chain of states blank, l_1, blank, l_2, ..., l_S, blank. At each step of time
a path stays, moves on by one state, or by two where that passes over a blank between two different labels. With
e_t(s) the log probability of the symbol of state s at step t:

    alpha_t(s) = e_t(s) + log(sum of exp(alpha_{t-1}) over the states that lead to s)
    beta_t(s)  = log(sum of exp(beta_{t+1} + e_{t+1}) over the states that s leads to)

All in float64 and in logarithms, vectorised over the batch and the states; one step of time after another.
Source: Graves, Fernandez, Gomez and Schmidhuber 2006.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import IndexRangeError, RunError
from graphflow.ops.philox import converted

__all__ = ["check_lengths", "curvature", "negative_log_likelihood", "posterior", "steps_at_once"]

MINUS = -float("inf")


class _Chain(NamedTuple):
    """One batch: its states' symbols, where two steps may be taken, emissions and lengths."""

    symbols: Any  # int64[n, states]
    barrier: (
        Any  # float64[n, states + 2]: 0 where a state can be entered from the one two before it, else -inf
    )
    emissions: Any  # float64[time, n, states], or None where they are picked step by step
    steps: Any  # int64[n, 1]
    least: int  # the fewest steps of any row
    ends: tuple[Any, Any]  # bool[n, states]: the last blank, and the last label
    working: Any  # in which exponentials are computed: the dtype of what is given


# --- what is given --------------------------------------------------------------------------------


def check_lengths(xp: Any, op: str, what: str, lengths: Any, limit: int) -> None:
    """Raise IndexRangeError for a length outside 0 to `limit`."""
    if lengths.shape[0]:
        low, high = int(xp.min(lengths)), int(xp.max(lengths))
        if low < 0 or high > limit:
            bad = low if low < 0 else high
            raise IndexRangeError(f"{op}: {what} must be from 0 to {limit}, got {bad}")


def _known_labels(xp: Any, labels: Any, lengths: Any, classes: int, blank: int) -> Any:
    """int64[n, s] with the blank behind each label's end. Raises where a label is none."""
    labels = converted(xp, labels, xp.int64)
    used = xp.arange(labels.shape[1], dtype=xp.int64)[None, :] < lengths[:, None]
    shown = xp.where(used, labels, xp.zeros_like(labels))
    if math.prod(labels.shape):
        low, high = int(xp.min(shown)), int(xp.max(shown))
        if low < 0 or high >= classes:
            bad = low if low < 0 else high
            raise IndexRangeError(f"ctc_loss: label {bad} is none of the {classes} classes")
    if bool(xp.any(used & (labels == blank))):
        raise RunError(f"ctc_loss: a label is {blank}, which is the blank")
    return xp.where(used, labels, xp.asarray(blank, dtype=xp.int64))


def _chain(
    xp: Any, e: Any, labels: Any, label_length: Any, logit_length: Any, blank: int, picked: bool = True
) -> _Chain:
    time, n, classes = e.shape
    length, steps = (
        converted(xp, label_length, xp.int64),
        converted(xp, logit_length, xp.int64),
    )
    check_lengths(xp, "ctc_loss", "label_length", length, labels.shape[1])
    check_lengths(xp, "ctc_loss", "logit_length", steps, time)
    labels = _known_labels(xp, labels, length, classes, blank)
    count = 2 * labels.shape[1] + 1
    symbols = xp.full((n, count), blank, dtype=xp.int64)
    symbols[:, 1::2] = labels
    barrier = xp.full((n, count + 2), MINUS, dtype=xp.float64)
    if labels.shape[1] > 1:
        free = labels[:, 1:] != labels[:, :-1]
        barrier[:, 3:count:2] = xp.where(free, xp.asarray(0.0, dtype=xp.float64), barrier[:, 3:count:2])
    places = xp.arange(count, dtype=xp.int64)[None, :]
    last = 2 * length[:, None]
    ends = places == last, (places == last - 1) & (last > 0)
    least = int(xp.min(steps)) if n else 0
    emissions = _picked(xp, e, symbols) if picked else None
    return _Chain(symbols, barrier, emissions, steps[:, None], least, ends, e.dtype)


def _picked(xp: Any, e: Any, symbols: Any) -> Any:
    """The columns of e[time, n, classes] that the states' symbols name, as float64[time, n, states]."""
    time, n, classes = e.shape
    rows = xp.arange(n, dtype=xp.int64)[:, None] * classes
    columns = xp.reshape(symbols + rows, (-1,))
    found = xp.take(xp.reshape(e, (time, n * classes)), columns, axis=1)
    return converted(xp, xp.reshape(found, (time, *symbols.shape)), xp.float64)


def _spread(xp: Any, counts: Any, symbols: Any, classes: int, dtype: Any) -> Any:
    """float64[time, n, states] added up by symbol: dtype[time, n, classes]."""
    time, n, states = counts.shape
    if xp is np:
        out = np.zeros((time, n, classes), dtype)
        rows = np.arange(n)
        if states:
            blank = symbols[:, 0]
            out[:, rows, blank] = counts[:, :, 0::2].sum(axis=2)
        for s in range(1, states, 2):  # one state of each row at a time, so that no place is met twice
            out[:, rows, symbols[:, s]] += counts[:, :, s]
        return out
    hot = xp.arange(classes, dtype=xp.int64)[None, None, :] == symbols[:, :, None]
    by_row = xp.moveaxis(counts, 0, 1)
    total = xp.matmul(by_row, converted(xp, hot, xp.float64))
    return converted(xp, xp.moveaxis(total, 1, 0), dtype)


# --- the recursions -------------------------------------------------------------------------------

LOWEST = -1e300


def _log_sum(xp: Any, parts: list[Any], working: Any) -> tuple[Any, Any, Any]:
    """log(sum of exp) of arrays, the stacked shares of each and their sum; -inf and zeros where all are -inf."""
    stacked = xp.stack(parts)
    top = xp.maximum(
        xp.max(stacked, axis=0), xp.asarray(LOWEST, dtype=xp.float64)
    )  # -inf less -inf would be NaN
    shares = xp.exp(converted(xp, stacked - top, working))
    total = xp.sum(shares, axis=0)
    return top + xp.log(total), shares, total


def _weighted(xp: Any, shares: Any, total: Any, values: list[Any]) -> Any:
    """The mean of arrays by their shares; 0 where there are none."""
    mean = xp.sum(shares * xp.stack(values), axis=0)
    return mean / xp.where(total == 0, xp.ones_like(total), total)


def _filled(xp: Any, shape: tuple[int, ...], value: float) -> Any:
    return xp.full(shape, value, dtype=xp.float64)


def _sources(row: Any, barrier: Any) -> list[Any]:
    """From where a state is entered: itself, the one before, the one two before. `row` has two of padding in front."""
    two = row[:, :-2]
    return [row[:, 2:], row[:, 1:-1], two if barrier is None else two + barrier[:, :-2]]


def _targets(row: Any, barrier: Any) -> list[Any]:
    """Where a state leads: itself, the next, the one two behind. `row` has two of padding behind."""
    two = row[:, 2:]
    return [row[:, :-2], row[:, 1:-1], two if barrier is None else two + barrier[:, 2:]]


def _kept(xp: Any, c: _Chain, t: int, new: Any, old: Any) -> Any:
    """The new values of rows whose time is not over at step `t`, the old ones of the others."""
    return new if t < c.least else xp.where(t < c.steps, new, old)


def _forward(xp: Any, c: _Chain, v: Any = None) -> tuple[Any, Any]:
    """alpha[time, n, states + 2], two of padding in front, each row kept as it is behind its end; and its change."""
    time, n, states = c.emissions.shape
    alpha = _filled(xp, (time, n, states + 2), MINUS)
    change: Any = None if v is None else _filled(xp, alpha.shape, 0.0)
    for t in range(time):
        if t == 0:
            first = min(2, states)
            alpha[0, :, 2 : 2 + first] = c.emissions[0, :, :first]
            if v is not None:
                change[0, :, 2 : 2 + first] = v[0, :, :first]
            continue
        value, shares, sums = _log_sum(xp, _sources(alpha[t - 1, :, :], c.barrier), c.working)
        alpha[t, :, 2:] = _kept(xp, c, t, value + c.emissions[t, :, :], alpha[t - 1, :, 2:])
        if v is not None:
            moved = _weighted(xp, shares, sums, _sources(change[t - 1, :, :], None))
            change[t, :, 2:] = _kept(xp, c, t, moved + v[t, :, :], change[t - 1, :, 2:])
    return alpha, change


def _total(xp: Any, c: _Chain, last: Any, change: Any = None) -> tuple[Any, Any]:
    """The log likelihood of each row from its last alpha, and its change."""
    parts = [xp.max(xp.where(end, last, _filled(xp, last.shape, MINUS)), axis=1) for end in c.ends]
    total, shares, parts_sum = _log_sum(xp, parts, xp.float64)
    none = c.steps[:, 0] == 0
    if bool(xp.any(none)):  # no time: only the empty labelling, for certain
        empty = c.ends[0][:, 0]
        sure = xp.where(empty, _filled(xp, total.shape, 0.0), _filled(xp, total.shape, MINUS))
        total = xp.where(none, sure, total)
    if change is None:
        return total, None
    sums = [xp.sum(xp.where(end, change, xp.zeros_like(change)), axis=1) for end in c.ends]
    return total, _weighted(xp, shares, parts_sum, sums)


def steps_at_once(size: int) -> int:
    """For how many steps emissions of so many states are picked together."""
    return max(1, 8192 // max(size, 1))


def negative_log_likelihood(
    xp: Any, e: Any, labels: Any, label_length: Any, logit_length: Any, *, blank: int
) -> Any:
    """Minus the log probability of each labelling: [n]; infinite where it does not fit into its time."""
    c = _chain(xp, e, labels, label_length, logit_length, blank % e.shape[2], picked=False)
    n, states = c.symbols.shape
    row = _filled(xp, (n, states + 2), MINUS)
    some = steps_at_once(n * states)
    for start in range(0, e.shape[0], some):
        emissions = _picked(xp, e[start : min(start + some, e.shape[0]), :, :], c.symbols)
        for t in range(start, start + emissions.shape[0]):
            if t == 0:
                first = min(2, states)
                row[:, 2 : 2 + first] = emissions[0, :, :first]
                continue
            value = _log_sum(xp, _sources(row, c.barrier), c.working)[0]
            row[:, 2:] = _kept(xp, c, t, value + emissions[t - start, :, :], row[:, 2:])
            del value
        del emissions  # before others are picked
    return converted(xp, -_total(xp, c, row[:, 2:])[0], e.dtype)


def posterior(xp: Any, e: Any, labels: Any, label_length: Any, logit_length: Any, *, blank: int) -> Any:
    """How often each symbol is expected at each step, given the labelling: [time, n, classes]; zeros where it cannot be."""
    c = _chain(xp, e, labels, label_length, logit_length, blank % e.shape[2])
    counts, _ = _expected(xp, c, None)
    return _spread(xp, counts, c.symbols, e.shape[2], e.dtype)


def curvature(
    xp: Any, e: Any, labels: Any, label_length: Any, logit_length: Any, v: Any, *, blank: int
) -> Any:
    """The change of `posterior` for a change `v` of `e`."""
    c = _chain(xp, e, labels, label_length, logit_length, blank % e.shape[2])
    _, change = _expected(xp, c, _picked(xp, v, c.symbols))
    return _spread(xp, change, c.symbols, e.shape[2], e.dtype)


def _expected(xp: Any, c: _Chain, v: Any) -> tuple[Any, Any]:
    """exp(alpha + beta - total) in the place of alpha, and its change in that of alpha's."""
    time, n, states = c.emissions.shape
    alpha, change = _forward(xp, c, v)
    if not time:
        return alpha[:, :, 2:], change if v is None else change[:, :, 2:]
    total, moved = _total(xp, c, alpha[-1, :, 2:], None if v is None else change[-1, :, 2:])
    total = xp.where(total == MINUS, _filled(xp, (n,), float("inf")), total)[:, None]  # exp(... - inf) is 0
    start = xp.where(c.ends[0] | c.ends[1], _filled(xp, (n, states), 0.0), _filled(xp, (n, states), MINUS))
    ahead, ahead_change = _filled(xp, (n, states + 2), MINUS), _filled(xp, (n, states + 2), 0.0)
    for t in range(time - 1, -1, -1):
        value, shares, sums = _log_sum(xp, _targets(ahead, c.barrier), c.working)
        beta = _kept(xp, c, t + 1, value, start)
        here = xp.exp(converted(xp, alpha[t, :, 2:] + (beta - total), c.working))
        here = _kept(xp, c, t, here, xp.zeros_like(here))
        alpha[t, :, 2:] = converted(xp, here, xp.float64)
        ahead[:, :-2] = beta + c.emissions[t, :, :]
        if v is not None:
            below = _weighted(xp, shares, sums, _targets(ahead_change, None))
            below = _kept(xp, c, t + 1, below, xp.zeros_like(below))
            ahead_change[:, :-2] = below + v[t, :, :]
            change[t, :, 2:] = here * (change[t, :, 2:] + below - moved[:, None])
    return alpha[:, :, 2:], None if v is None else change[:, :, 2:]
