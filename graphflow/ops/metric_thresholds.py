"""Metrics of scores at each of many thresholds: counts, precision, recall. See `graphflow.metrics`.

A score is placed among the sorted thresholds once, and counts are sums over places, so that a batch of n scores costs
O(n log t + t) for t thresholds and holds no matrix of n by t. NaN counts as below every threshold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import items_of
from graphflow.ops.constant import python_number
from graphflow.ops.metric_state import (
    FLOAT64,
    Given,
    Metric,
    Reading,
    State,
    labelled,
    measured,
    quotient,
    truth,
    weights_like,
)
from graphflow.ops.searching import searchsorted
from graphflow.ops.ufunc import reals
from graphflow.types import as_index

__all__ = [
    "NEGATIVES",
    "POSITIVES",
    "at_thresholds",
    "evenly",
    "false_negatives_at_thresholds",
    "false_positives_at_thresholds",
    "precision_at_thresholds",
    "recall_at_thresholds",
    "true_negatives_at_thresholds",
    "true_positives_at_thresholds",
]

MAX_THRESHOLDS = 1 << 20

POSITIVES = ("true_positives", "false_negatives")
NEGATIVES = ("false_positives", "true_negatives")


def _thresholds(what: str, thresholds: Any) -> list[float]:
    items = items_of(thresholds, f"{what}: thresholds")
    if not 0 < len(items) <= MAX_THRESHOLDS:
        raise ArgumentError(
            f"{what}: thresholds must be 1 to {MAX_THRESHOLDS} numbers, got {shorten(thresholds)}"
        )
    numbers = [python_number(item, f"{what}: each of the thresholds") for item in items]
    if any(map(math.isnan, numbers)):
        raise ArgumentError(f"{what}: thresholds must not hold NaN, got {shorten(thresholds)}")
    return numbers


def evenly(what: str, num_thresholds: Any) -> list[float]:
    """So many from 0 to 1, the ends a little outside, so that scores of 0 and 1 are between them."""
    count = as_index(num_thresholds, f"{what}: num_thresholds")
    if not 2 <= count <= MAX_THRESHOLDS:
        raise ArgumentError(f"{what}: num_thresholds must be from 2 to {MAX_THRESHOLDS}, got {count}")
    return [-1e-7, *[k / (count - 1) for k in range(1, count - 1)], 1 + 1e-7]


def at_thresholds(
    what: str,
    kinds: tuple[str, ...],
    thresholds: list[float],
    reading: Reading,
    given: Given,
) -> Metric:
    """A metric of counts at each threshold, float64[t]: positive is what is greater than the threshold."""
    labels, predictions, weights, metrics_collections, updates_collections, name = given
    a, b = labelled(what, labels, predictions)
    order = np.argsort(thresholds, kind="stable")
    back = np.argsort(order, kind="stable")

    def increments() -> State:
        actual = F.reshape(truth(what, a), (-1,))
        scores = reals(what, b)
        w = F.reshape(weights_like(what, weights, scores), (-1,))
        scores = F.reshape(scores, (-1,))
        rising = F.cast(F.constant(np.array(thresholds)[order]), scores.type.dtype)  # 0.1 means float32's 0.1
        below = searchsorted(rising, scores)  # how many thresholds are less than the score
        below = F.where(F.isnan(scores), 0, below)
        sums = {}
        for part, condition in ((POSITIVES, actual), (NEGATIVES, F.logical_not(actual))):
            if not any(kind in part for kind in kinds):
                continue
            zeros = F.zeros([len(thresholds) + 1], dtype=FLOAT64)
            places = F.index_scatter(zeros, below, F.where(condition, w, 0), "add")
            over, under = part
            if over in kinds:
                sums[over] = F.gather(F.cumsum(places, reverse=True)[1:], back)
            if under in kinds:
                sums[under] = F.gather(F.cumsum(places)[:-1], back)
        return {kind: sums[kind] for kind in kinds}

    dtype = b.type.dtype
    return measured(what, increments, reading, (metrics_collections, updates_collections, name), dtype)


def _only(sums: State) -> Tensor:
    (counts,) = sums.values()
    return counts  # type: ignore[no-any-return]


# --- counts ---------------------------------------------------------------------------------------


def true_positives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """For each threshold the sum of the weights where the label is true and the prediction greater: [thresholds].

    labels: bools, or numbers of which 0 is false. predictions: scores, of the same shape. thresholds: a list of
    numbers in any order. Other arguments and result as for `mean`.
    """
    what = "true_positives_at_thresholds"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, ("true_positives",), _thresholds(what, thresholds), _only, given)


def false_negatives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """As `true_positives_at_thresholds`, where the label is true and the prediction not greater."""
    what = "false_negatives_at_thresholds"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, ("false_negatives",), _thresholds(what, thresholds), _only, given)


def false_positives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """As `true_positives_at_thresholds`, where the label is false and the prediction greater."""
    what = "false_positives_at_thresholds"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, ("false_positives",), _thresholds(what, thresholds), _only, given)


def true_negatives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """As `true_positives_at_thresholds`, where the label is false and the prediction not greater."""
    what = "true_negatives_at_thresholds"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, ("true_negatives",), _thresholds(what, thresholds), _only, given)


# --- rates ----------------------------------------------------------------------------------------


def precision_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """`precision` at each threshold, 0 where nothing is greater. Arguments as for `true_positives_at_thresholds`."""
    what = "precision_at_thresholds"

    def reading(sums: State) -> Tensor:
        return quotient(sums["true_positives"], sums["true_positives"] + sums["false_positives"])

    kinds = ("true_positives", "false_positives")
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, kinds, _thresholds(what, thresholds), reading, given)


def recall_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """`recall` at each threshold, 0 where no label is true. Arguments as for `true_positives_at_thresholds`."""
    what = "recall_at_thresholds"

    def reading(sums: State) -> Tensor:
        return quotient(sums["true_positives"], sums["true_positives"] + sums["false_negatives"])

    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, POSITIVES, _thresholds(what, thresholds), reading, given)
