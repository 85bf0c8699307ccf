"""What all metrics share: sums kept in local variables, the pair (value, update_op), and how weights count.

State is kept in float64, so that counts stay exact beyond 2^24. It is zeroed by `gf.local_variables_initializer()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import GraphKeys, Tensor, add_to_collection, name_scope
from graphflow.op import F
from graphflow.ops.state import Variable
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, default_float, dims_equal

__all__ = [
    "FLOAT64",
    "Reading",
    "State",
    "labelled",
    "measured",
    "quotient",
    "real64",
    "truth",
    "weights_like",
]

FLOAT64 = SUPPORTED["float64"]
HOMES = [GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES]

State = dict[str, Any]
"""The increments, or the sums, by the names of the local variables."""

Reading = Callable[[State], Tensor]
"""Sums to the metric."""

Metric = tuple[Tensor, Tensor]
"""(value, update_op)."""

Places = tuple[Any, Any, str | None]
"""metrics_collections, updates_collections, name: where a metric is found."""

Given = tuple[Any, Any, Any, Any, Any, str | None]
"""labels, predictions, weights, and then Places."""


def measured(
    what: str,
    increments: Callable[[], State],
    reading: Reading,
    places: Places,
    dtype: np.dtype[Any] | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair (value, update_op) of a metric.

    increments: gives what this batch adds to each sum; all shapes must be known. Each is read before it is written,
    so that `value` is that before the update where both are fetched in one run.
    dtype: of the result: float64 stays, anything else gives the default float.
    """
    metrics_collections, updates_collections, name = places
    homes = [_names(what, "metrics_collections", metrics_collections)]
    homes.append(_names(what, "updates_collections", updates_collections))
    kind = FLOAT64 if dtype is FLOAT64 else default_float()
    with name_scope(what if name is None else name):
        added = increments()
        sums = {}
        for label, t in added.items():
            if not t.type.is_static:
                raise ShapeError(f"{what}: the shape of {label} must be known, got {t!r}")
            zeros = np.zeros(t.type.shape, t.type.dtype)
            sums[label] = Variable(zeros, name=label, trainable=False, collections=HOMES)
        with name_scope("value"):
            value = F.cast(reading({label: v.read() for label, v in sums.items()}), kind)
        with name_scope("update_op"):
            after = {label: v.assign_add(added[label]) for label, v in sums.items()}
            update = F.cast(reading(after), kind)
    for names, t in zip(homes, (value, update), strict=True):
        for collection in names:
            add_to_collection(collection, t)
    return value, update


def _names(what: str, argument: str, collections: Any) -> Sequence[str]:
    if collections is None:
        return ()
    if not isinstance(collections, (list, tuple)) or not all(isinstance(c, str) for c in collections):
        raise ArgumentError(f"{what}: {argument} must be a list of names, not {shorten(collections)}")
    return collections


# --- arguments ------------------------------------------------------------------------------------


def real64(what: str, value: Any) -> Tensor:
    """A tensor of real numbers or bools as float64."""
    t = operand(what, value)
    return F.cast(reals(what, t, floating=False) if t.type.dtype.kind == "c" else t, FLOAT64)  # type: ignore[no-any-return]


def truth(what: str, value: Any) -> Tensor:
    """A tensor as bools: what is not 0 is true."""
    t = operand(what, value)
    return t if t.type.dtype.kind == "b" else F.not_equal(t, 0)


def labelled(what: str, labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    """Two tensors of one shape; a last axis of size 1 that only one of them has is dropped, as in TensorFlow 1.

    Raises ShapeError where the shapes differ.
    """
    a, b = operand(what, labels), operand(what, predictions)
    first, second = a.type.shape, b.type.shape
    if first is None or second is None:
        return a, b
    if len(first) == len(second) + 1 and _is_one(first[-1]):
        a = F.squeeze(a, -1)
    elif len(second) == len(first) + 1 and _is_one(second[-1]):
        b = F.squeeze(b, -1)
    first, second = a.type.dims, b.type.dims
    if len(first) != len(second) or any(
        dims_equal(m, n) is False for m, n in zip(first, second, strict=True)
    ):
        raise ShapeError(f"{what}: labels and predictions need one shape, got {a.type} and {b.type}")
    return a, b


def _is_one(d: Any) -> bool:
    return isinstance(d, int) and d == 1


def weights_like(what: str, weights: Any, values: Tensor) -> Tensor:
    """A weight for each of the values, float64: ones where none are given; else broadcast, but never the values.

    Raises ShapeError where the weights do not broadcast to the values.
    """
    if weights is None:
        return F.ones_like(values, dtype=FLOAT64)  # type: ignore[no-any-return]
    t = real64(what, weights)
    have, want = t.type.shape, values.type.shape
    if have is not None and want is not None:
        fits = len(have) <= len(want) and all(
            _is_one(d) or dims_equal(d, e) is not False
            for d, e in zip(reversed(have), reversed(want), strict=False)
        )
        if not fits:
            raise ShapeError(f"{what}: weights {t.type} do not broadcast to {values.type}")
    return F.broadcast_to_like(t, values)  # type: ignore[no-any-return]


def quotient(a: Tensor, b: Tensor) -> Tensor:
    """`a / b`, and 0 where `b` is 0."""
    none = F.equal(b, 0)
    return F.where(none, 0, a / F.where(none, 1, b))  # type: ignore[no-any-return]
