"""Tables of embeddings in several parts, and bags of embeddings. Compositions of `take` and ordered scatters."""

from __future__ import annotations

import math
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, name_scope
from graphflow.op import F, public
from graphflow.ops.arguments import one_dim
from graphflow.ops.constant import operands, python_number
from graphflow.ops.flat_index import as_indices
from graphflow.ops.ufunc import operand, reals
from graphflow.types import SUPPORTED, as_index, dims_equal

__all__ = ["embedding_bag", "partitioned_lookup"]

INT64 = SUPPORTED["int64"]
STRATEGIES = ("mod", "div")
COMBINERS = ("sum", "mean", "sqrtn", "max")


# --- tables in parts --------------------------------------------------------------------------------


@public
def partitioned_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    max_norm: float | None = None,
    name: str | None = None,
) -> Tensor:
    """The rows that `ids` name of a table that is split into several: ids.shape + params[0].shape[1:].

    params: one table, or a list of tables that differ at most in their numbers of rows, which must be known then.
    partition_strategy: "mod": row i of the whole is in table i % n at i // n; "div": the tables stand one after
        another, the first ones with a row more where the rows do not divide.
    max_norm: rows with a larger Euclidean norm are scaled down to it.
    Every table is asked for every id, so that no table is copied: n gathers, and n - 1 choices.
    Raises ArgumentError for another strategy, no tables or row counts that do not fit it; ShapeError for tables that
    do not fit each other; IndexRangeError for an id that is negative or too large. Source: TensorFlow 1's
    `embedding_lookup`.
    """
    what = "partitioned_lookup"
    tables = [operand(what, p) for p in (params if isinstance(params, (list, tuple)) else [params])]
    if not tables:
        raise ArgumentError(f"{what}: params must list at least one table")
    if partition_strategy not in STRATEGIES:
        raise ArgumentError(
            f"{what}: partition_strategy is 'mod' or 'div', not {shorten(partition_strategy)}"
        )
    index = as_indices(what, ids)
    limit = None if max_norm is None else python_number(max_norm, f"{what}: max_norm")
    if limit is not None and not limit > 0:
        raise ArgumentError(f"{what}: max_norm must be positive, got {limit}")
    with name_scope("embedding_lookup" if name is None else name):
        rows = (
            F.gather(tables[0], index)
            if len(tables) == 1
            else _from_parts(what, tables, index, partition_strategy)
        )
        return rows if limit is None else _within(what, rows, index, limit)


def _counts(what: str, tables: list[Tensor], strategy: str) -> list[int]:
    """How many rows each table has, which must be as the strategy deals them out."""
    counts = []
    for k, t in enumerate(tables):
        if t.type.shape is None or not t.type.shape or type(t.type.shape[0]) is not int:
            raise ShapeError(f"{what}: the number of rows of params[{k}] must be known, got {t!r}")
        if len(t.type.shape) != len(tables[0].type.dims) or any(
            dims_equal(a, b) is False for a, b in zip(t.type.shape[1:], tables[0].type.dims[1:], strict=True)
        ):
            raise ShapeError(f"{what}: params[{k}] {t.type} does not fit params[0] {tables[0].type}")
        counts.append(t.type.shape[0])
    total, n = sum(counts), len(counts)
    if counts != [total // n + (k < total % n) for k in range(n)]:
        raise ArgumentError(
            f"{what}: with strategy {strategy!r} tables have as many rows each, the first ones one more; got {counts}"
        )
    return counts


def _from_parts(what: str, tables: list[Tensor], index: Tensor, strategy: str) -> Tensor:
    counts = _counts(what, tables, strategy)
    parts = operands(*tables)
    wide, n, start = F.cast(index, INT64), len(counts), 0
    result: Any = None
    for k, (table, count) in enumerate(zip(parts, counts, strict=True)):
        if not count:  # the last ones, where there are fewer rows than tables
            continue
        if strategy == "mod":
            mine, row = F.equal(F.remainder(wide, n), k), F.floor_divide(wide, n)
        else:
            row = wide - start
            mine = F.logical_and(F.greater_equal(row, 0), F.less(row, count))
            start += count
        # an id that no table has is asked of the first one, which refuses it
        stray = F.less(wide, 0) if strategy == "mod" else _outside(wide, sum(counts))
        row = F.where(stray, sum(counts), F.where(mine, row, 0))
        found = F.gather(table, row)
        extra = found.type.rank - mine.type.rank if mine.type.shape is not None else len(table.type.dims) - 1
        chosen = F.expand_dims(mine, tuple(range(-extra, 0))) if extra else mine
        result = found if result is None else F.where(chosen, found, result)
    if result is None:
        raise ArgumentError(f"{what}: the tables have no rows: {', '.join(str(t.type) for t in tables)}")
    return result  # type: ignore[no-any-return]


def _outside(wide: Tensor, total: int) -> Tensor:
    return F.logical_or(F.less(wide, 0), F.greater_equal(wide, total))  # type: ignore[no-any-return]


def _within(what: str, rows: Tensor, index: Tensor, limit: float) -> Tensor:
    """Rows scaled down to a norm of `limit` where it is larger; the gradient is that of the rows, 0 included."""
    wide = reals(what, rows)
    if rows.type.shape is None or index.type.shape is None:
        raise ShapeError(f"{what}: max_norm needs params and ids of known rank")
    axes = tuple(range(len(index.type.shape), len(rows.type.shape)))
    squares = F.sum(F.square(wide), axis=axes, keepdims=True) if axes else F.square(wide)
    return wide * (F.rsqrt(F.maximum(squares, limit * limit)) * limit)  # type: ignore[no-any-return]


# --- bags -------------------------------------------------------------------------------------------


@public
def embedding_bag(
    params: Any,
    ids: Any,
    segment_ids: Any = None,
    num_segments: Any = None,
    weights: Any = None,
    combiner: str = "mean",
    padding_id: int | None = None,
    name: str | None = None,
) -> Tensor:
    """One row for each bag of ids: the rows of `params` that they name, combined.

    params: [rows, ...], real floats. ids: integers [bags, n], a bag in each row; or [n] together with
    segment_ids: integers [n], the bag of each id, in any order, and num_segments: how many bags there are, a size.
    weights: numbers of the shape of `ids`, to multiply the rows with; not for "max".
    combiner: "sum"; "mean", divided by the sum of the weights; "sqrtn", by the root of the sum of their squares;
        "max", element by element. Of a bag with nothing in it comes 0.
    padding_id: an id that counts as nothing.
    Returns [bags, ...]. Repeated ids add up in their order, in the gradient too.
    Raises ArgumentError for another combiner or a missing num_segments, ShapeError where shapes do not fit,
    IndexRangeError for a row or a bag that there is not. Sources: TensorFlow 1's `embedding_lookup_sparse` and
    PyTorch's `embedding_bag`.
    """
    what = "embedding_bag"
    table, index = reals(what, params), as_indices(what, ids)
    if combiner not in COMBINERS:
        raise ArgumentError(f"{what}: combiner is one of {', '.join(COMBINERS)}, not {shorten(combiner)}")
    if combiner == "max" and weights is not None:
        raise ArgumentError(f"{what}: the combiner 'max' takes no weights")
    flat = segment_ids is not None
    if flat is (num_segments is None):
        raise ArgumentError(f"{what}: give segment_ids and num_segments, or neither")
    if table.type.shape is None or not table.type.shape or index.type.shape is None:
        raise ShapeError(f"{what}: params and ids must have known ranks, got {table!r} and {index!r}")
    if len(index.type.shape) != (1 if flat else 2):
        raise ShapeError(f"{what}: ids must be {'[n]' if flat else '[bags, n]'}, got {index!r}")
    count = one_dim(num_segments, f"{what}: num_segments") if flat else None
    bags = as_indices(what, segment_ids) if flat else None
    for label, t in (("segment_ids", bags), ("weights", None if weights is None else operand(what, weights))):
        if t is not None and not _same_shape(t, index):
            raise ShapeError(f"{what}: {label} must have the shape of ids, {index.type}, got {t!r}")
    with name_scope(what if name is None else name):
        factor = None if weights is None else F.cast(reals(what, weights), table.type.dtype)
        there = None
        if padding_id is not None:
            there = F.not_equal(index, _padding(what, padding_id, index))
            index = F.where(there, index, 0)
        rows = F.gather(table, index)
        if combiner == "max":
            if there is not None:
                rows = F.where(_beside(there, table), rows, -math.inf)
            highest = _highest(rows, bags, count)
            return F.where(F.equal(highest, -math.inf), 0, highest)  # type: ignore[no-any-return]
        if there is not None:
            factor = F.where(there, F.ones([], dtype=table.type.dtype) if factor is None else factor, 0)
        if factor is not None:
            rows = rows * _beside(factor, table)
        total = _total(rows, bags, count)
        if combiner == "sum":
            return total
        shares = F.ones_like(index, dtype=table.type.dtype) if factor is None else factor
        size = _total(shares if combiner == "mean" else F.square(shares), bags, count)
        empty = F.equal(size, 0)
        size = F.where(empty, 1, size)
        size = _beside(size if combiner == "mean" else F.sqrt(size), table)
        return F.where(_beside(empty, table), 0, total / size)  # type: ignore[no-any-return]


def _same_shape(a: Tensor, b: Tensor) -> bool:
    if a.type.shape is None or len(a.type.shape) != len(b.type.dims):
        return False
    return all(dims_equal(x, y) is not False for x, y in zip(a.type.shape, b.type.dims, strict=True))


def _padding(what: str, padding_id: Any, index: Tensor) -> int:
    number = as_index(padding_id, f"{what}: padding_id")
    low, high = -(2**63), 2**63 - 1
    if not low <= number <= high or index.type.dtype.kind not in "iu":
        raise DTypeError(f"{what}: padding_id {shorten(padding_id)} is no id")
    return number


def _beside(t: Tensor, table: Tensor) -> Tensor:
    """With axes of size 1 appended, so that it broadcasts with the rows of the table."""
    extra = tuple(range(-(len(table.type.dims) - 1), 0))
    return F.expand_dims(t, extra) if extra else t


def _start(values: Tensor, count: Any, value: float) -> Tensor:
    return F.full([count, *values.type.dims[1:]], value, dtype=values.type.dtype)  # type: ignore[no-any-return]


def _total(values: Tensor, bags: Tensor | None, count: Any) -> Tensor:
    """Sums by bag: along axis 1, or by segment."""
    if bags is None:
        return F.sum(values, axis=1)  # type: ignore[no-any-return]
    return F.index_scatter(_start(values, count, 0.0), bags, values, "add")  # type: ignore[no-any-return]


def _highest(values: Tensor, bags: Tensor | None, count: Any) -> Tensor:
    """Maxima by bag, -inf where it is empty."""
    if bags is not None:
        return F.index_scatter(_start(values, count, -math.inf), bags, values, "max")  # type: ignore[no-any-return]
    lowest = F.full([values.type.dims[0], 1, *values.type.dims[2:]], -math.inf, dtype=values.type.dtype)
    return F.max(F.concat([values, lowest], axis=1), axis=1)  # type: ignore[no-any-return]
