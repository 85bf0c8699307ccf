"""Metrics over batches, against loops over all examples; their state, collections and bad input."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow import metrics
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.graph import GraphKeys
from graphflow.ops.state import local_variables, local_variables_initializer
from tests.ops.refused import Refused, check_built, ids

RNG = np.random.default_rng(5)
BATCHES = [
    (RNG.random(n) > 0.5, (RNG.random(n) * 0.99).astype(np.float32), RNG.integers(0, 3, n).astype(np.float32))
    for n in (7, 1, 12)
]
LABELS, SCORES, WEIGHTS = (np.concatenate([b[k] for b in BATCHES]) for k in range(3))
THRESHOLDS = [0.8, 0.1, 0.5]


def streamed(make: Any, batches: Any, dtypes: Any = ("bool", "float32", "float32")) -> Any:
    """The metric after all batches; on the way, that the update gives what the value is afterwards."""
    with gf.Graph().as_default(), gf.Session() as session:
        feeds = [gf.placeholder(d, (None,)) for d in dtypes]
        value, update = make(*feeds)
        session.run(local_variables_initializer())
        for batch in batches:
            before = session.run(value)
            got, now = session.run([value, update], dict(zip(feeds, batch, strict=True)))
            np.testing.assert_array_equal(got, before)
            np.testing.assert_array_equal(session.run(value), now)
        return session.run(value)


def _weighted(values: Any) -> Any:
    return np.sum(values * WEIGHTS) / np.sum(WEIGHTS)


def _count(label: bool, prediction: bool, at: float = 0.0) -> float:
    return sum(
        float(w)
        for t, s, w in zip(LABELS, SCORES, WEIGHTS, strict=True)
        if bool(t) is label and bool(s > np.float32(at)) is prediction
    )


ERRORS = SCORES.astype(np.float64) - LABELS
POINTS = [0.25, 0.75, 0.0]
MEANS = [
    ("mean", lambda t, s, w: metrics.mean(s, w), lambda: _weighted(SCORES)),
    (
        "accuracy",
        lambda t, s, w: metrics.accuracy(t, s > 0.5, w),
        lambda: _weighted((SCORES > 0.5) == LABELS),
    ),
    ("squared", metrics.mean_squared_error, lambda: _weighted(ERRORS**2)),
    ("root", metrics.root_mean_squared_error, lambda: np.sqrt(_weighted(ERRORS**2))),
    ("absolute", metrics.mean_absolute_error, lambda: _weighted(np.abs(ERRORS))),
    (
        "relative",
        lambda t, s, w: metrics.mean_relative_error(t, s, gf.cast(t, "float32") * 2, w),
        lambda: _weighted(np.where(LABELS, np.abs(ERRORS) / 2, 0)),
    ),
    (
        "below",
        lambda t, s, w: metrics.percentage_below(s, 0.3, w),
        lambda: _weighted(np.less(SCORES, np.float32(0.3))),
    ),
    ("true positives", metrics.true_positives, lambda: _count(True, True)),
    ("false positives", metrics.false_positives, lambda: _count(False, True)),
    (
        "true negatives",
        lambda t, s, w: metrics.true_negatives(t, s > 0.5, w),
        lambda: _count(False, False, 0.5),
    ),
    (
        "false negatives",
        lambda t, s, w: metrics.false_negatives(t, s > 0.5, w),
        lambda: _count(True, False, 0.5),
    ),
    (
        "precision",
        lambda t, s, w: metrics.precision(t, s > 0.5, w),
        lambda: _count(True, True, 0.5) / (_count(True, True, 0.5) + _count(False, True, 0.5)),
    ),
    (
        "recall",
        lambda t, s, w: metrics.recall(t, s > 0.5, w),
        lambda: _count(True, True, 0.5) / (_count(True, True, 0.5) + _count(True, False, 0.5)),
    ),
    (
        "true positives at",
        lambda t, s, w: metrics.true_positives_at_thresholds(t, s, THRESHOLDS, w),
        lambda: [_count(True, True, at) for at in THRESHOLDS],
    ),
    (
        "false positives at",
        lambda t, s, w: metrics.false_positives_at_thresholds(t, s, THRESHOLDS, w),
        lambda: [_count(False, True, at) for at in THRESHOLDS],
    ),
    (
        "true negatives at",
        lambda t, s, w: metrics.true_negatives_at_thresholds(t, s, THRESHOLDS, w),
        lambda: [_count(False, False, at) for at in THRESHOLDS],
    ),
    (
        "false negatives at",
        lambda t, s, w: metrics.false_negatives_at_thresholds(t, s, THRESHOLDS, w),
        lambda: [_count(True, False, at) for at in THRESHOLDS],
    ),
    (
        "precision at",
        lambda t, s, w: metrics.precision_at_thresholds(t, s, [*THRESHOLDS, 2.0], w),
        lambda: [
            *[
                _count(True, True, at) / (_count(True, True, at) + _count(False, True, at))
                for at in THRESHOLDS
            ],
            0,
        ],
    ),
    (
        "recall at",
        lambda t, s, w: metrics.recall_at_thresholds(t, s, THRESHOLDS, w),
        lambda: [_count(True, True, at) / (_count(True, True) + _count(True, False)) for at in THRESHOLDS],
    ),
]


@pytest.mark.parametrize(("make", "reference"), [m[1:] for m in MEANS], ids=[m[0] for m in MEANS])
def test_metrics_are_those_of_all_examples(make: Any, reference: Any) -> None:
    found = streamed(make, BATCHES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(), rtol=1e-6)


def _pairs() -> float:
    """The area under the ROC curve: the chance that a true example scores higher than a false one."""
    higher = all_pairs = 0.0
    for t, s, w in zip(LABELS, SCORES, WEIGHTS, strict=True):
        for u, r, v in zip(LABELS, SCORES, WEIGHTS, strict=True):
            if t and not u:
                all_pairs += w * v
                higher += w * v * ((s > r) + 0.5 * (s == r))
    return higher / all_pairs


def test_the_area_under_the_curve_nears_the_exact_one() -> None:
    exact = _pairs()
    found = streamed(lambda t, s, w: metrics.auc(t, s, w, num_thresholds=20_000), BATCHES)
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    low, high = (
        streamed(lambda t, s, w, m=m: metrics.auc(t, s, w, num_thresholds=50, summation_method=m), BATCHES)
        for m in ("minoring", "majoring")
    )
    assert low <= exact <= high


@pytest.mark.parametrize("method", ["trapezoidal", "careful_interpolation"])
def test_precision_over_recall(method: str) -> None:
    """The sum over the examples in falling order, of precision times the recall that each adds."""
    order = np.argsort(-SCORES, kind="stable")
    w = WEIGHTS[order].astype(np.float64)
    hits, all_so_far = np.cumsum(w * LABELS[order]), np.cumsum(w)
    precision = np.divide(hits, all_so_far, out=np.ones_like(hits), where=all_so_far > 0)
    steps = np.sum(w * LABELS[order] * precision) / hits[-1]
    found = streamed(
        lambda t, s, w: metrics.auc(t, s, w, num_thresholds=5_000, curve="PR", summation_method=method),
        BATCHES,
    )
    assert abs(found - steps) < 0.05


def _rates() -> tuple[Any, Any]:
    at = [-1e-7, *[k / 49 for k in range(1, 49)], 1 + 1e-7]
    counts = np.array(
        [
            [_count(t, p, x) for x in at]
            for t, p in ((True, True), (True, False), (False, False), (False, True))
        ]
    )
    return counts[0] / (counts[0] + counts[1]), counts[2] / (counts[2] + counts[3])


def test_one_rate_where_another_is_given() -> None:
    sensitivity, specificity = _rates()
    found = streamed(
        lambda t, s, w: metrics.sensitivity_at_specificity(t, s, 0.6, w, num_thresholds=50), BATCHES
    )
    np.testing.assert_allclose(found, sensitivity[np.argmin(np.abs(specificity - 0.6))], rtol=1e-6)
    found = streamed(
        lambda t, s, w: metrics.specificity_at_sensitivity(t, s, 0.6, w, num_thresholds=50), BATCHES
    )
    nearest = np.abs(sensitivity - 0.6)
    np.testing.assert_allclose(found, specificity[np.flatnonzero(nearest == nearest.min())[-1]], rtol=1e-6)


CLASSES = [(RNG.integers(0, 3, n), RNG.integers(0, 3, n), np.ones(n, np.float32)) for n in (4, 9)]


def test_confusion_of_classes() -> None:
    labels, predictions = (np.concatenate([b[k] for b in CLASSES]) for k in range(2))
    unions, parts = [], []
    for c in range(4):
        inside = np.sum((labels == c) & (predictions == c))
        union = np.sum((labels == c) | (predictions == c))
        unions += [inside / union] if union else []
        parts.append(inside / max(np.sum(labels == c), 1))
    kinds = ("int64", "int64", "float32")
    found = streamed(lambda t, p, w: metrics.mean_iou(t, p, 4, w), CLASSES, kinds)
    np.testing.assert_allclose(found, np.mean(unions), rtol=1e-6)
    found = streamed(lambda t, p, w: metrics.mean_per_class_accuracy(t, p, 4, w), CLASSES, kinds)
    np.testing.assert_allclose(found, np.mean(parts), rtol=1e-6)


@pytest.mark.parametrize("bad", [-1, 3])
def test_a_class_outside_is_refused_at_the_run(bad: int) -> None:
    labels = gf.placeholder("int64", (2,))
    _, update = metrics.mean_iou(labels, [0, 1], 3)
    session = gf.Session()
    session.run(local_variables_initializer())
    with pytest.raises(IndexRangeError):
        session.run(update, {labels: [0, bad]})


def test_means_of_elements_and_of_cosines() -> None:
    x = gf.placeholder("float64", (2, 2))
    value, update = metrics.mean_tensor(x, weights=[1.0, 0.0])
    distance, more = metrics.mean_cosine_distance(x, [[1.0, 0.0], [0.0, 1.0]], 1)
    session = gf.Session()
    session.run(local_variables_initializer())
    batches = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[3.0, np.nan], [5.0, 6.0]])]
    session.run(update, {x: batches[0]})
    found = session.run(update, {x: batches[1]})
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[2, 0], [4, 0]])
    np.testing.assert_array_equal(session.run(value), found)
    session.run(more, {x: batches[0]})
    assert session.run(distance) == 1 - (1 + 4) / 2


# --- state ----------------------------------------------------------------------------------------


def test_state_is_local_and_can_begin_anew() -> None:
    with gf.name_scope("eval"):
        value, update = metrics.mean(
            [1.0, 3.0], name="score", metrics_collections=["m"], updates_collections=["u"]
        )
    assert gf.get_collection("m")[0] is value
    assert gf.get_collection("u")[0] is update
    assert [v.name for v in local_variables()] == ["eval/score/total:0", "eval/score/count:0"]
    assert [v.name for v in local_variables("eval/score/t")] == ["eval/score/total:0"]
    assert len(gf.get_collection(GraphKeys.METRIC_VARIABLES)) == 2
    assert gf.global_variables() == []
    assert gf.trainable_variables() == []
    session = gf.Session()
    session.run(local_variables_initializer())
    assert session.run(value) == 0
    assert session.run(update) == 2
    session.run(local_variables_initializer())
    assert session.run(value) == 0


def test_counts_stay_exact_beyond_what_float32_holds() -> None:
    w = gf.placeholder("float32", ())
    value, update = metrics.true_positives([True], [True], w)
    session = gf.Session()
    session.run(local_variables_initializer())
    for weight in (2.0**24, 1.0, 1.0):
        session.run(update, {w: weight})
    (total,) = local_variables()
    assert session.run(total) == 2**24 + 2
    assert session.run(value) == 2**24 + 2


def test_a_missing_last_axis_is_no_matter() -> None:
    _, update = metrics.accuracy([[1], [0]], [1, 1])
    session = gf.Session()
    session.run(local_variables_initializer())
    assert session.run(update) == 0.5


def test_weights_of_zero_leave_nan_out() -> None:
    _, update = metrics.mean([1.0, float("nan")], weights=[1.0, 0.0])
    session = gf.Session()
    session.run(local_variables_initializer())
    assert session.run(update) == 1


def test_nan_scores_are_below_every_threshold() -> None:
    _, update = metrics.true_positives_at_thresholds([True, True], [float("nan"), 0.5], [0.0, 0.9])
    session = gf.Session()
    session.run(local_variables_initializer())
    np.testing.assert_array_equal(session.run(update), [1, 0])


TWO = ((3,), (3,))
BAD = [
    Refused(lambda a, b: metrics.mean_squared_error(a, b), ShapeError, ("mean_squared_error: labels and predictions", "[3]", "[4]"), ((3,), (4,))),
    Refused(lambda a, b: metrics.accuracy(a, b), ShapeError, ("accuracy: labels and predictions need one shape",), ((3,), (3, 2))),
    Refused(lambda a: metrics.mean(a, [1.0, 2.0]), ShapeError, ("mean: weights float64[2] do not broadcast to float64[3]",), ((3,),)),
    Refused(lambda a: metrics.mean(a, np.ones((2, 3))), ShapeError, ("mean: weights", "do not broadcast"), ((3,),)),
    Refused(lambda a: metrics.mean(gf.complex(a, a)), DTypeError, ("mean", "complex"), ((3,),)),
    Refused(lambda a: metrics.mean(a, metrics_collections="m"), ArgumentError, ("mean: metrics_collections must be a list of names",), ((3,),)),
    Refused(lambda a, b: metrics.auc(a, b, curve="RUC"), ArgumentError, ("auc: curve", "'RUC'"), TWO),
    Refused(lambda a, b: metrics.auc(a, b, num_thresholds=1), ArgumentError, ("auc: num_thresholds", "1"), TWO),
    Refused(lambda a, b: metrics.auc(a, b, summation_method="sum"), ArgumentError, ("auc: summation_method", "'sum'"), TWO),
    Refused(lambda a, b: metrics.auc(a, b, summation_method="careful_interpolation"), ArgumentError, ("is for the curve 'PR'",), TWO),
    Refused(lambda a, b: metrics.recall_at_thresholds(a, b, []), ArgumentError, ("recall_at_thresholds: thresholds",), TWO),
    Refused(lambda a, b: metrics.recall_at_thresholds(a, b, [float("nan")]), ArgumentError, ("thresholds must not hold NaN",), TWO),
    Refused(lambda a, b: metrics.sensitivity_at_specificity(a, b, 1.5), ArgumentError, ("specificity must be in [0, 1], got 1.5",), TWO),
    Refused(lambda a, b: metrics.mean_iou(a, b, 3), DTypeError, ("mean_iou: labels must be integers",), TWO),
    Refused(lambda: metrics.mean_iou([0], [1], 0), ArgumentError, ("mean_iou: num_classes", "0")),
    Refused(lambda: metrics.mean_tensor(gf.placeholder("float32", (None,))), ShapeError, ("mean_tensor: the shape of values must be known",)),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=ids)
def test_bad_input_is_refused_and_leaves_no_variable(case: Refused) -> None:
    check_built(case)
    assert local_variables() == []


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_metric_takes_the_common_arguments(name: str) -> None:
    parameters = list(inspect.signature(getattr(metrics, name)).parameters)
    assert {"weights", "metrics_collections", "updates_collections", "name"} <= set(parameters)
