"""Classes drawn to stand for all others in a loss, and how often each was to be expected among them.

A draw is a stream of 64-bit words of `philox`; u = (word >> 11) * 2^-53 becomes a class by

    uniform        floor(u * range_max)
    log-uniform    floor(exp(u * log(range_max + 1))) - 1

and, where classes are to be unique, one that was drawn before is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, make_node, name_scope
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.philox import Key, blocks64, workspace_nbytes
from graphflow.ops.random_seed import draw_index
from graphflow.ops.ufunc import operand
from graphflow.types import SUPPORTED, TensorType, as_index, dims_equal, is_integer

__all__ = ["as_classes", "log_uniform_candidate_sampler", "uniform_candidate_sampler"]

INT64, FLOAT32 = SUPPORTED["int64"], SUPPORTED["float32"]
ENDLESS = 2**40
PIECE = 8192
"""Words that are looked at together."""


def _check(what: str, num_sampled: int, range_max: int, unique: bool) -> None:
    if not 1 <= num_sampled <= 2**31:
        raise ArgumentError(f"{what}: num_sampled must be from 1 to 2^31, not {shorten(num_sampled)}")
    if not 1 <= range_max <= 2**52:
        raise ArgumentError(f"{what}: range_max must be from 1 to 2^52, not {shorten(range_max)}")
    if unique and num_sampled > range_max:
        raise ArgumentError(f"{what}: {num_sampled} different classes cannot be drawn from {range_max}")


def _infer(
    draw: TensorType, *, key: Key, num_sampled: int, range_max: int, unique: bool, log_uniform: bool
) -> tuple[TensorType, TensorType]:
    _check("candidate_sample", num_sampled, range_max, unique)
    return TensorType(INT64, (num_sampled,)), TensorType(INT64, ())


def _classes(words: Any, range_max: int, log_uniform: bool) -> Any:
    u = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    values = np.floor(np.exp(u * math.log1p(range_max))) - 1 if log_uniform else np.floor(u * range_max)
    return np.clip(values.astype(np.int64), 0, range_max - 1)


def _pieces(key: Key, draw: int, length: int) -> Iterator[tuple[int, Any]]:
    """The words of a draw in pieces that keep what is made of them small, each with its place."""
    for first, words in blocks64(np, key, draw, length):
        for start in range(0, words.shape[0], PIECE):
            yield first + start, words[start : start + PIECE]


def _first_unique(key: Key, draw: int, count: int, range_max: int, log_uniform: bool) -> tuple[Any, int]:
    """The first `count` different classes of a stream, in their order, and how many draws that took."""
    for length in (
        2 * count,
        ENDLESS,
    ):  # most often a short look is enough, and costs less than a whole block
        found = np.empty(0, np.int64)
        for first, words in _pieces(key, draw, length):
            values, places = np.unique(_classes(words, range_max, log_uniform), return_index=True)
            fresh = ~np.isin(values, found)
            order = np.argsort(places[fresh])[: count - found.size]
            found = np.concatenate([found, values[fresh][order]])
            if found.size == count:
                return found, first + int(places[fresh][order[-1]]) + 1
    raise ArgumentError("the stream of draws ended")  # after 10^12 of them


def _sample(
    xp: Any, draw: Any, *, key: Key, num_sampled: int, range_max: int, unique: bool, log_uniform: bool
) -> Any:
    """On the host, so that every backend draws the same classes."""
    if unique:
        classes, tries = _first_unique(key, int(draw), num_sampled, range_max, log_uniform)
    else:
        parts = [
            _classes(words, range_max, log_uniform) for _, words in blocks64(np, key, int(draw), num_sampled)
        ]
        classes, tries = np.concatenate(parts), num_sampled
    if xp is np:
        return classes, np.asarray(tries, np.int64)
    return xp.asarray(classes), xp.asarray(tries, dtype=xp.int64)


def _nbytes(inputs: Any, outputs: Any, *, num_sampled: int, unique: bool, **attrs: Any) -> int:
    words = 65536 if unique else 2 * num_sampled
    return workspace_nbytes(words, 6) + 100 * min(PIECE, words) + (56 if unique else 16) * num_sampled


CANDIDATES = declare(
    Op(
        "candidate_sample",
        _infer,
        _sample,
        lambda node, *gs: (None,),
        Trait.RANDOM,
        dtype=lambda draw, *, num_sampled, **attrs: (
            TensorType(INT64, (num_sampled,)),
            TensorType(INT64, ()),
        ),
        flops=lambda inputs, outputs, *, num_sampled, **attrs: 100 * num_sampled,
        workspace=_nbytes,
        doc="Classes drawn uniformly, or the smaller the oftener, and the number of draws.",
    )
)

# --- samplers -------------------------------------------------------------------------------------


def as_classes(what: str, named: str, value: Any, num_true: Any) -> Tensor:
    """True classes as a tensor of integers [batch, num_true]. Raises DTypeError or ShapeError for others."""
    t = operand(what, value)
    count = as_index(num_true, f"{what}: num_true")
    if count < 1:
        raise ArgumentError(f"{what}: num_true must be at least 1, not {shorten(num_true)}")
    if not is_integer(t.type.dtype):
        raise DTypeError(f"{what}: {named} must be integers, got {t!r}")
    dims = t.type.shape
    if dims is not None and (len(dims) != 2 or dims_equal(dims[1], count) is False):
        raise ShapeError(f"{what}: {named} must be [batch, {count}], got {t!r}")
    return t


@public
def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(classes, expected counts of the true ones, expected counts of those): drawn with P(k) ∝ log((k + 2) / (k + 1)).

    For classes that are sorted by how frequent they are, falling, as words in a dictionary.
    true_classes: integers[batch, num_true]. num_sampled: how many are drawn. range_max: how many classes there are.
    unique: no class twice; the expected count is then the probability of being among them.
    seed: see `gf.random.set_seed`. Returns int64[num_sampled], float32[batch, num_true], float32[num_sampled].
    Raises ArgumentError for numbers below 1 or more unique classes than there are, DTypeError or ShapeError for
    true classes that do not fit. Source: TensorFlow 1's function of that name.
    """
    what = "log_uniform_candidate_sampler"
    return _sampler(what, true_classes, num_true, num_sampled, unique, range_max, seed, name, True)


@public
def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `log_uniform_candidate_sampler`, with all classes equally likely."""
    what = "uniform_candidate_sampler"
    return _sampler(what, true_classes, num_true, num_sampled, unique, range_max, seed, name, False)


def _sampler(
    what: str,
    true_classes: Any,
    num_true: Any,
    num_sampled: Any,
    unique: Any,
    range_max: Any,
    seed: Any,
    name: str | None,
    log_uniform: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    truth = as_classes(what, "true_classes", true_classes, num_true)
    count, classes = as_index(num_sampled, f"{what}: num_sampled"), as_index(range_max, f"{what}: range_max")
    once = flag(unique, what, "unique")
    _check(what, count, classes, once)
    key, draw = draw_index(what, seed, truth)
    attrs = {
        "key": key,
        "num_sampled": count,
        "range_max": classes,
        "unique": once,
        "log_uniform": log_uniform,
    }
    with name_scope("CandidateSampler" if name is None else name):
        sampled, tries = make_node(CANDIDATES, (draw,), attrs).outputs

        def expected(of: Tensor) -> Tensor:
            chance = _chance(F.cast(of, "float64"), classes, log_uniform)
            number = F.cast(tries, "float64")
            mean = -F.expm1(F.log1p(-chance) * number) if once else chance * number
            return F.cast(mean, FLOAT32)  # type: ignore[no-any-return]

        return sampled, expected(truth), expected(sampled)


def _chance(of: Tensor, classes: int, log_uniform: bool) -> Any:
    """The probability of each class in one draw."""
    if log_uniform:
        return F.log1p(1 / (of + 1)) / math.log1p(classes)
    return F.full_like(of, 1 / classes)
