"""Metrics of the curves that rates at many thresholds make: areas, and one rate where another is given.

See `graphflow.metrics`.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.constant import python_number
from graphflow.ops.metric_state import Metric, State, quotient
from graphflow.ops.metric_thresholds import NEGATIVES, POSITIVES, at_thresholds, evenly

__all__ = ["auc", "sensitivity_at_specificity", "specificity_at_sensitivity"]

EPSILON = 1e-6  # of TensorFlow 1's auc: a rate of nothing in nothing is 1 for precision and recall


def _share(what: str, argument: str, value: Any) -> float:
    number = python_number(value, f"{what}: {argument}")
    if not 0 <= number <= 1:
        raise ArgumentError(f"{what}: {argument} must be in [0, 1], got {number}")
    return number


def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The recall at the lowest of the thresholds at which the true negative rate is nearest to `specificity`.

    predictions: scores in [0, 1]. num_thresholds: so many, evenly from 0 to 1. Other arguments as for `mean`.
    """
    what = "sensitivity_at_specificity"
    wanted = _share(what, "specificity", specificity)

    def reading(sums: State) -> Tensor:
        rates = quotient(sums["true_negatives"], sums["true_negatives"] + sums["false_positives"])
        nearest = F.argmin(F.abs(rates - wanted))
        recalls = quotient(sums["true_positives"], sums["true_positives"] + sums["false_negatives"])
        return F.gather(recalls, nearest)  # type: ignore[no-any-return]

    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, POSITIVES + NEGATIVES, evenly(what, num_thresholds), reading, given)


def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The true negative rate at the highest of the thresholds at which the recall is nearest to `sensitivity`.

    Arguments as for `sensitivity_at_specificity`.
    """
    what = "specificity_at_sensitivity"
    wanted = _share(what, "sensitivity", sensitivity)
    spots = evenly(what, num_thresholds)

    def reading(sums: State) -> Tensor:
        recalls = quotient(sums["true_positives"], sums["true_positives"] + sums["false_negatives"])
        nearest = len(spots) - 1 - F.argmin(F.flip(F.abs(recalls - wanted)))
        rates = quotient(sums["true_negatives"], sums["true_negatives"] + sums["false_positives"])
        return F.gather(rates, nearest)  # type: ignore[no-any-return]

    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, POSITIVES + NEGATIVES, spots, reading, given)


# --- areas ----------------------------------------------------------------------------------------


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
) -> Metric:
    """The area under the curve through the rates at evenly spaced thresholds: an approximation from below or above.

    labels: bools. predictions: scores in [0, 1], of the same shape. num_thresholds: more of them cost O(t) and come
        closer to the exact area; scores that crowd between two thresholds are not told apart.
    curve: "ROC": recall over the false positive rate; "PR": precision over recall.
    summation_method: "trapezoidal"; "minoring" and "majoring" for sums that are surely too small and too large of a
        rising or falling curve; "careful_interpolation" for "PR" alone, where a straight line is too optimistic
        (Davis and Goadrich 2006).
    Other arguments and result as for `mean`. Source: TensorFlow 1's function of that name.
    """
    what = "auc"
    if curve not in ("ROC", "PR"):
        raise ArgumentError(f"{what}: curve is 'ROC' or 'PR', not {shorten(curve)}")
    methods = ("trapezoidal", "minoring", "majoring", "careful_interpolation")
    if summation_method not in methods:
        raise ArgumentError(
            f"{what}: summation_method is one of {', '.join(methods)}, not {shorten(summation_method)}"
        )
    careful = summation_method == "careful_interpolation"
    if careful and curve != "PR":
        raise ArgumentError(f"{what}: summation_method 'careful_interpolation' is for the curve 'PR'")

    def reading(sums: State) -> Tensor:
        return _interpolated(sums) if careful else _area(sums, curve, summation_method)

    given = labels, predictions, weights, metrics_collections, updates_collections, name
    return at_thresholds(what, POSITIVES + NEGATIVES, evenly(what, num_thresholds), reading, given)


def _area(sums: State, curve: str, method: str) -> Tensor:
    tp, fn, fp, tn = (sums[kind] for kind in (*POSITIVES, *NEGATIVES))
    recalls = (tp + EPSILON) / (tp + fn + EPSILON)
    x = fp / (fp + tn + EPSILON) if curve == "ROC" else recalls
    y = recalls if curve == "ROC" else (tp + EPSILON) / (tp + fp + EPSILON)
    if method == "trapezoidal":
        heights = (y[:-1] + y[1:]) / 2
    else:
        heights = F.minimum(y[:-1], y[1:]) if method == "minoring" else F.maximum(y[:-1], y[1:])
    return F.sum((x[:-1] - x[1:]) * heights)  # type: ignore[no-any-return]


def _interpolated(sums: State) -> Tensor:
    """Between two points the true positives grow by a line in the positives: the integral of their ratio over recall."""
    tp, fn, fp = (sums[kind] for kind in ("true_positives", "false_negatives", "false_positives"))
    positives = tp + fp
    slope = quotient(tp[:-1] - tp[1:], F.maximum(positives[:-1] - positives[1:], 0))
    intercept = tp[1:] - slope * positives[1:]
    both = F.logical_and(F.greater(positives[:-1], 0), F.greater(positives[1:], 0))
    ratio = F.where(both, quotient(positives[:-1], positives[1:]), 1)
    grown = slope * (tp[:-1] - tp[1:] + intercept * F.log(ratio))
    return F.sum(quotient(grown, tp[1:] + fn[1:]))  # type: ignore[no-any-return]
