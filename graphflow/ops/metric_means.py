"""Metrics that are means over all batches seen: of values, of errors, of hits. See `graphflow.metrics`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphflow.errors import ShapeError
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.constant import python_number
from graphflow.ops.metric_state import (
    Metric,
    Places,
    Reading,
    State,
    labelled,
    measured,
    quotient,
    real64,
    weights_like,
)
from graphflow.ops.ufunc import operand
from graphflow.types import as_index

__all__ = [
    "accuracy",
    "mean",
    "mean_absolute_error",
    "mean_cosine_distance",
    "mean_relative_error",
    "mean_squared_error",
    "mean_tensor",
    "percentage_below",
    "root_mean_squared_error",
]


def _ratio(sums: State) -> Tensor:
    return quotient(sums["total"], sums["count"])


def _mean(
    what: str,
    values: Callable[[], Tensor],
    dtype: np.dtype[Any],
    weights: Any,
    places: Places,
    reading: Reading = _ratio,
) -> Metric:
    """The weighted mean of what `values()` gives."""

    def increments() -> State:
        v = values()
        w = weights_like(what, weights, v)
        return {"total": F.sum(F.where(F.equal(w, 0), 0, v * w)), "count": F.sum(w)}

    return measured(what, increments, reading, places, dtype)


def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The weighted mean of all values so far, 0 before there are any.

    values: real numbers of any shape. weights: numbers that broadcast to it; 0 leaves a value out.
    metrics_collections, updates_collections: names of collections to put `value` and `update_op` into.
    Returns (value, update_op), scalars: the mean so far, and the mean with this batch, which adds the batch.
    """
    t = operand("mean", values)
    places = metrics_collections, updates_collections, name
    return _mean("mean", lambda: real64("mean", t), t.type.dtype, weights, places)


def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """How often predictions equal labels. Both are classes, of one shape; else as `mean`."""
    a, b = labelled("accuracy", labels, predictions)
    places = metrics_collections, updates_collections, name
    return _mean("accuracy", lambda: real64("accuracy", F.equal(a, b)), np.dtype("float32"), weights, places)


def _error(
    what: str,
    labels: Any,
    predictions: Any,
    of: Callable[[Tensor], Tensor],
    weights: Any,
    places: Places,
    reading: Reading = _ratio,
) -> Metric:
    a, b = labelled(what, labels, predictions)
    return _mean(what, lambda: of(real64(what, b) - real64(what, a)), b.type.dtype, weights, places, reading)


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean of `(predictions - labels)²`. Both have one shape; else as `mean`."""
    places = metrics_collections, updates_collections, name
    return _error("mean_squared_error", labels, predictions, F.square, weights, places)


def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The root of the mean of `(predictions - labels)²` over all batches. Both have one shape; else as `mean`."""
    places = metrics_collections, updates_collections, name
    return _error(
        "root_mean_squared_error",
        labels,
        predictions,
        F.square,
        weights,
        places,
        lambda sums: F.sqrt(_ratio(sums)),
    )


def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean of `|predictions - labels|`. Both have one shape; else as `mean`."""
    places = metrics_collections, updates_collections, name
    return _error("mean_absolute_error", labels, predictions, F.abs, weights, places)


def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean of `|predictions - labels| / normalizer`, 0 where the normalizer is 0; all have one shape."""
    what = "mean_relative_error"
    divisor, _ = labelled(what, normalizer, predictions)
    places = metrics_collections, updates_collections, name
    return _error(
        what, labels, predictions, lambda e: quotient(F.abs(e), real64(what, divisor)), weights, places
    )


def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean of `1 - sum(labels * predictions)` along the axis `dim`; both must have length 1 along it already.

    weights: broadcast to the shape without that axis. Else as `mean`.
    """
    what = "mean_cosine_distance"
    a, b = labelled(what, labels, predictions)
    axis = as_index(dim, f"{what}: dim")
    return _mean(
        what,
        lambda: F.sum(real64(what, a) * real64(what, b), axis=axis),
        b.type.dtype,
        weights,
        (metrics_collections, updates_collections, name),
        lambda sums: quotient(sums["count"] - sums["total"], sums["count"]),
    )


def percentage_below(
    values: Any,
    threshold: float,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """Which part of the values is less than `threshold`, from 0 to 1; else as `mean`."""
    what = "percentage_below"
    t, limit = real64(what, values), python_number(threshold, f"{what}: threshold")
    places = metrics_collections, updates_collections, name
    return _mean(what, lambda: real64(what, F.less(t, limit)), np.dtype("float32"), weights, places)


def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Metric:
    """The mean of each element over all batches, in the shape of `values`, which must be known; else as `mean`."""
    what = "mean_tensor"
    t = operand(what, values)
    if not t.type.is_static:
        raise ShapeError(f"{what}: the shape of values must be known, got {t!r}")

    def increments() -> State:
        v = real64(what, t)
        w = weights_like(what, weights, v)
        return {"total": F.where(F.equal(w, 0), 0, v * w), "count": w}

    places = metrics_collections, updates_collections, name
    return measured(what, increments, _ratio, places, t.type.dtype)
