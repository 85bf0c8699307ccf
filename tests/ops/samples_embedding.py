"""Samples of tables of embeddings: bags, and tables in parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.ops.embedding import embedding_bag, partitioned_lookup
from tests.ops.table import Sample, array

__all__ = ["SAMPLES"]

TABLE = array(7, 2, seed=30)
IDS = np.array([[0, 6, 3], [3, 3, 5]])
WEIGHTS = array(2, 3, seed=31, low=0.5)
SEGMENTS = np.array([2, 0, 2, 2, 0, 5])


def _bags(table: Any, ids: Any, weights: Any, bags: Any, count: int, combiner: str, padding: int = -1) -> Any:
    """Bag by bag."""
    made = np.zeros((count, *table.shape[1:]))
    for k in range(count):
        inside = [j for j in range(len(ids)) if bags[j] == k and ids[j] != padding]
        if not inside:
            continue
        rows, w = np.array([table[ids[j]] for j in inside]), np.array([weights[j] for j in inside])
        if combiner == "max":
            made[k] = rows.max(axis=0)
            continue
        total = np.tensordot(w, rows, 1)
        made[k] = total / {"sum": 1, "mean": w.sum(), "sqrtn": np.sqrt((w * w).sum())}[combiner]
    return made


def _embeddings() -> list[Sample]:
    samples = []
    for combiner in ("sum", "mean", "sqrtn", "max"):

        def by_rows(table: Any, ids: Any, c: str = combiner, w: Any = None, padding: int = -1) -> Any:
            w = np.ones(ids.shape) if w is None else w
            return _bags(
                table,
                ids.ravel(),
                w.ravel(),
                np.repeat(np.arange(len(ids)), ids.shape[1]),
                len(ids),
                c,
                padding,
            )

        samples += [
            Sample(
                f"embedding_bag-{combiner}",
                lambda t, i, c=combiner: embedding_bag(t, i, combiner=c),
                (TABLE, IDS),
                by_rows,
                grad=True,
                unranked=False,
            ),
            Sample(
                f"embedding_bag-{combiner}-segments",
                lambda t, i, s, c=combiner: embedding_bag(t, i, s, 6, combiner=c),
                (TABLE, IDS.ravel(), SEGMENTS),
                lambda t, i, s, c=combiner: _bags(t, i, np.ones(6), s, 6, c),
                grad=True,
                second_order=False,
                unranked=False,
            ),
            Sample(
                f"embedding_bag-{combiner}-padding",
                lambda t, i, c=combiner: embedding_bag(t, i, combiner=c, padding_id=3),
                (TABLE, np.array([[3, 3], [3, 0], [1, 2]])),
                lambda t, i, r=by_rows: r(t, i, padding=3),
                unranked=False,
            ),
        ]
        if combiner != "max":
            samples.append(
                Sample(
                    f"embedding_bag-{combiner}-weights",
                    lambda t, i, w, c=combiner: embedding_bag(t, i, weights=w, combiner=c),
                    (TABLE, IDS, WEIGHTS),
                    lambda t, i, w, r=by_rows: r(t, i, w=w),
                    grad=True,
                    second_order=False,
                    unranked=False,
                )
            )
    parts = {"mod": [TABLE[k::3] for k in range(3)], "div": np.array_split(TABLE, 3)}
    samples += [
        Sample(
            f"partitioned_lookup-{strategy}",
            lambda a, b, c, i, s=strategy: partitioned_lookup([a, b, c], i, s),
            (*tables, IDS),
            lambda a, b, c, i: TABLE[i],
            grad=True,
            second_order=False,
            symbolic=False,
        )
        for strategy, tables in parts.items()
    ]
    samples += [
        Sample(
            "embedding_bag-empty",
            lambda t, i: embedding_bag(t, i, combiner="max"),
            (TABLE, IDS[:, :0]),
            lambda t, i: np.zeros((2, 2)),
            unranked=False,
        ),
        Sample(
            "partitioned_lookup-one", lambda t, i: partitioned_lookup(t, i), (TABLE, IDS), lambda t, i: t[i]
        ),
        Sample(
            "partitioned_lookup-max-norm",
            lambda t, i: partitioned_lookup([t], i, max_norm=1.5),
            (TABLE, IDS),
            lambda t, i: t[i] * np.minimum(1, 1.5 / np.linalg.norm(t[i], axis=-1, keepdims=True)),
            grad=True,
            unranked=False,
        ),
    ]
    return samples


SAMPLES: list[Sample] = _embeddings()
