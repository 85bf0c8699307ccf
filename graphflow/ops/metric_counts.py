"""Metrics of classes: true and false positives and negatives, precision, recall, confusion. See `graphflow.metrics`."""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, DTypeError
from graphflow.graph import Tensor
from graphflow.op import F
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
from graphflow.ops.scatter import scattered
from graphflow.types import as_index, is_integer

__all__ = [
    "false_negatives",
    "false_positives",
    "mean_iou",
    "mean_per_class_accuracy",
    "precision",
    "recall",
    "true_negatives",
    "true_positives",
]

MAX_CLASSES = 1 << 14

KINDS = {
    "true_positives": (True, True),
    "false_positives": (False, True),
    "true_negatives": (False, False),
    "false_negatives": (True, False),
}
"""Name of a count -> (the label, the prediction) that it counts."""


def _counted(
    what: str,
    kinds: tuple[str, ...],
    reading: Reading,
    given: Given,
) -> Metric:
    labels, predictions, weights, metrics_collections, updates_collections, name = given
    a, b = labelled(what, labels, predictions)

    def increments() -> State:
        actual, predicted = truth(what, a), truth(what, b)
        w = weights_like(what, weights, predicted)
        sums = {}
        for kind in kinds:
            of_label, of_prediction = KINDS[kind]
            first = actual if of_label else F.logical_not(actual)
            second = predicted if of_prediction else F.logical_not(predicted)
            sums[kind] = F.sum(F.where(F.logical_and(first, second), w, 0))
        return sums

    return measured(what, increments, reading, (metrics_collections, updates_collections, name))


def true_positives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The sum of the weights (ones by default) where label and prediction are true, over all batches.

    labels, predictions: bools, or numbers of which 0 is false, of one shape. Other arguments and result as for `mean`.
    """
    what = "true_positives"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _counted(what, (what,), _first, given)


def false_positives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """As `true_positives`, where the label is false and the prediction true."""
    what = "false_positives"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _counted(what, (what,), _first, given)


def true_negatives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """As `true_positives`, where both are false."""
    what = "true_negatives"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _counted(what, (what,), _first, given)


def false_negatives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """As `true_positives`, where the label is true and the prediction false."""
    what = "false_negatives"
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _counted(what, (what,), _first, given)


def _first(sums: State) -> Tensor:
    (only,) = sums.values()
    return only  # type: ignore[no-any-return]


def precision(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Which part of what was predicted true is true, 0 where nothing was. Arguments as for `true_positives`."""
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _counted(
        "precision",
        ("true_positives", "false_positives"),
        lambda sums: quotient(sums["true_positives"], sums["true_positives"] + sums["false_positives"]),
        given,
    )


def recall(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Which part of what is true was predicted, 0 where nothing is. Arguments as for `true_positives`."""
    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _counted(
        "recall",
        ("true_positives", "false_negatives"),
        lambda sums: quotient(sums["true_positives"], sums["true_positives"] + sums["false_negatives"]),
        given,
    )


# --- many classes ---------------------------------------------------------------------------------


def _confusion(
    what: str,
    reading: Reading,
    num_classes: Any,
    given: Given,
) -> Metric:
    """A metric of the confusion matrix, float64[label, prediction]."""
    count = as_index(num_classes, f"{what}: num_classes")
    if not 1 <= count <= MAX_CLASSES:
        raise ArgumentError(f"{what}: num_classes must be from 1 to {MAX_CLASSES}, got {count}")
    labels, predictions, weights, metrics_collections, updates_collections, name = given
    a, b = labelled(what, labels, predictions)
    for label, t in (("labels", a), ("predictions", b)):
        if not is_integer(t.type.dtype):
            raise DTypeError(f"{what}: {label} must be integers, got {t!r}")

    def increments() -> State:
        w = F.reshape(weights_like(what, weights, b), (-1,))
        places = [F.reshape(F.cast(t, "int64"), (-1,)) for t in (a, b)]
        places = [F.where(F.less(t, 0), count, t) for t in places]  # refused, not counted from the end
        zeros = F.zeros([count, count], dtype=FLOAT64)
        return {"total_confusion_matrix": scattered(what, zeros, places, w, 0, "add")}

    return measured(what, increments, reading, (metrics_collections, updates_collections, name))


def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean over classes of `true positives / (true positives + false positives + false negatives)`.

    labels, predictions: integers in [0, num_classes), of one shape. Classes that occur in neither are left out. Other
    arguments and result as for `mean`. Raises IndexRangeError at the run for a class outside.
    """

    def reading(sums: State) -> Tensor:
        matrix = sums["total_confusion_matrix"]
        hits = F.diagonal(matrix)
        union = F.sum(matrix, axis=0) + F.sum(matrix, axis=1) - hits
        there = F.cast(F.not_equal(union, 0), FLOAT64)
        return quotient(F.sum(quotient(hits, union)), F.sum(there))

    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _confusion("mean_iou", reading, num_classes, given)


def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean over all classes of the part of their examples that was predicted; 0 for a class without any.

    Arguments, result and errors as for `mean_iou`.
    """

    def reading(sums: State) -> Tensor:
        matrix = sums["total_confusion_matrix"]
        return F.mean(quotient(F.diagonal(matrix), F.sum(matrix, axis=1)))  # type: ignore[no-any-return]

    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return _confusion("mean_per_class_accuracy", reading, num_classes, given)
