"""`gf.metrics`: metrics over many batches, as graph operations with state; TensorFlow 1's `tf.metrics`.

    accuracy, update = gf.metrics.accuracy(labels, predictions)
    session.run(gf.local_variables_initializer())
    for batch in batches:
        session.run(update, feeds(batch))
    print(session.run(accuracy))

Each function gives (value, update_op): running the second adds the batch that is fed and gives the metric with it; the
first is the metric so far, before the batch where both are fetched in one run. The sums are local variables, in the
collections LOCAL_VARIABLES and METRIC_VARIABLES: not trained, not saved.
"""

from __future__ import annotations

from graphflow.ops.metric_counts import (
    false_negatives,
    false_positives,
    mean_iou,
    mean_per_class_accuracy,
    precision,
    recall,
    true_negatives,
    true_positives,
)
from graphflow.ops.metric_curves import auc, sensitivity_at_specificity, specificity_at_sensitivity
from graphflow.ops.metric_means import (
    accuracy,
    mean,
    mean_absolute_error,
    mean_cosine_distance,
    mean_relative_error,
    mean_squared_error,
    mean_tensor,
    percentage_below,
    root_mean_squared_error,
)
from graphflow.ops.metric_thresholds import (
    false_negatives_at_thresholds,
    false_positives_at_thresholds,
    precision_at_thresholds,
    recall_at_thresholds,
    true_negatives_at_thresholds,
    true_positives_at_thresholds,
)

__all__ = [
    "accuracy",
    "auc",
    "false_negatives",
    "false_negatives_at_thresholds",
    "false_positives",
    "false_positives_at_thresholds",
    "mean",
    "mean_absolute_error",
    "mean_cosine_distance",
    "mean_iou",
    "mean_per_class_accuracy",
    "mean_relative_error",
    "mean_squared_error",
    "mean_tensor",
    "percentage_below",
    "precision",
    "precision_at_thresholds",
    "recall",
    "recall_at_thresholds",
    "root_mean_squared_error",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "true_negatives",
    "true_negatives_at_thresholds",
    "true_positives",
    "true_positives_at_thresholds",
]
