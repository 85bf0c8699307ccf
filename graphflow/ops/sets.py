"""Distinct elements, in order or as they first appear, and the difference of two lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from graphflow.errors import DTypeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, declare, public
from graphflow.ops.scatter_ops import scatter_add_like
from graphflow.ops.searching import flatnonzero, isin
from graphflow.ops.sorting import argsort, invert_permutation
from graphflow.ops.ufunc import operand, operands2
from graphflow.ops.unique_kernels import all_kernel, counts_kernel, unique_workspace, values_kernel
from graphflow.types import SUPPORTED, TensorType, as_dtype, is_floating, is_integer, unknown_dim

__all__ = [
    "ListDiff",
    "Unique",
    "UniqueAllResult",
    "UniqueCountsResult",
    "UniqueInverseResult",
    "UniqueWithCounts",
    "setdiff1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unique_with_counts",
]

INT64 = SUPPORTED["int64"]


class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


class Unique(NamedTuple):
    """What `unique` gives."""

    y: Tensor
    idx: Tensor


class UniqueWithCounts(NamedTuple):
    """What `unique_with_counts` gives."""

    y: Tensor
    idx: Tensor
    count: Tensor  # type: ignore[assignment]  # TensorFlow's name for it


class ListDiff(NamedTuple):
    """What `setdiff1d` gives."""

    out: Tensor
    idx: Tensor


# --- the three ops --------------------------------------------------------------------------------


def _comparisons(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> int:
    size = int(inputs[0].size)  # type: ignore[arg-type]  # static by then
    return size * size.bit_length()


def _infer_values(x: TensorType) -> TensorType:
    return TensorType(x.dtype, (unknown_dim(),))


def _infer_counts(x: TensorType) -> tuple[TensorType, TensorType]:
    count = unknown_dim()
    return TensorType(x.dtype, (count,)), TensorType(INT64, (count,))


def _infer_all(x: TensorType) -> tuple[TensorType, ...]:
    count = unknown_dim()
    places = TensorType(INT64, (count,))
    return TensorType(x.dtype, (count,)), places, TensorType(INT64, x.shape), places


def _to_first(x: Tensor, g: Tensor | None, first: Tensor | None) -> Tensor | None:
    """The gradient of each value goes to the first element that equals it."""
    if g is None or not is_floating(x.dtype):
        return None
    places = make_node(UNIQUE_ALL, (x,), {}).outputs[1] if first is None else first
    result: Tensor = F.reshape_like(scatter_add_like(F.flatten(x), g, [places], 0), x)
    return result


UNIQUE_VALUES = declare(
    Op(
        "unique_values",
        _infer_values,
        values_kernel,
        lambda node, g: (_to_first(node.inputs[0], g, None),),
        dtype=_infer_values,
        flops=_comparisons,
        workspace=lambda inputs, outputs: unique_workspace(inputs[0], orders=False),
        doc="Distinct elements in order.",
    )
)

UNIQUE_COUNTS = declare(
    Op(
        "unique_counts",
        _infer_counts,
        counts_kernel,
        lambda node, g, g_counts: (_to_first(node.inputs[0], g, None),),
        dtype=_infer_counts,
        flops=_comparisons,
        workspace=lambda inputs, outputs: unique_workspace(inputs[0], orders=False),
        doc="Distinct elements in order, and how often each occurs.",
    )
)


UNIQUE_ALL = declare(
    Op(
        "unique_all",
        _infer_all,
        all_kernel,
        lambda node, g, *others: (_to_first(node.inputs[0], g, node.outputs[1]),),
        dtype=_infer_all,
        flops=_comparisons,
        workspace=lambda inputs, outputs: unique_workspace(inputs[0], orders=True),
        doc="Distinct elements in order, where each is first, which one each element is, and how often each occurs.",
    )
)


# --- in order -------------------------------------------------------------------------------------


@public
def unique_values(x: Any, name: str | None = None) -> Tensor:
    """The distinct elements of `x` in rising order, as a vector whose length is known only at the run.

    Each NaN is distinct from every other, and they come last; of -0.0 and 0.0 the first is kept. Complex numbers
    are in order of their real parts, equal ones of their imaginary parts. The gradient of each value goes to
    the first element that equals it. A primitive: a sort, and where the sorted line changes.
    """
    return make_node(UNIQUE_VALUES, (operand("unique_values", x),), {}, name).outputs[0]


@public
def unique_counts(x: Any, name: str | None = None) -> UniqueCountsResult:
    """`unique_values` and how often each occurs, int64, as (values, counts). A primitive."""
    return UniqueCountsResult(*make_node(UNIQUE_COUNTS, (operand("unique_counts", x),), {}, name).outputs)


@public
def unique_inverse(x: Any, name: str | None = None) -> UniqueInverseResult:
    """`unique_values` and for each element of `x` which of them it is, as (values, inverse_indices).

    inverse_indices: int64 in the shape of `x`, so that values[inverse_indices] is `x`. A primitive.
    """
    values, _, inverse, _ = make_node(UNIQUE_ALL, (operand("unique_inverse", x),), {}, name).outputs
    return UniqueInverseResult(values, inverse)


@public
def unique_all(x: Any, name: str | None = None) -> UniqueAllResult:
    """All that can be said of the distinct elements, as (values, indices, inverse_indices, counts).

    values: as `unique_values` gives them. indices: where each is first in the flattened `x`. inverse_indices: which
    of the values each element of `x` is, in the shape of `x`. counts: how often each occurs. All int64 but the
    first. A primitive: a stable sort of places, and where the sorted line changes.
    """
    return UniqueAllResult(*make_node(UNIQUE_ALL, (operand("unique_all", x),), {}, name).outputs)


# --- as they appear -------------------------------------------------------------------------------


def _index_dtype(what: str, dtype: Any) -> Any:
    found = as_dtype(dtype)
    if not is_integer(found):
        raise DTypeError(f"{what} must be an integer type, not {found.name}")
    return found


def _as_met(what: str, x: Any, out_idx: Any, name: str | None) -> UniqueWithCounts:
    tensor, dtype = operand(what, x), _index_dtype(f"{what}: out_idx", out_idx)
    with composition(what if name is None else name):
        values, first, inverse, counts = make_node(UNIQUE_ALL, (tensor,), {}).outputs
        order = argsort(first)
        idx = F.cast(F.take(invert_permutation(order), inverse, 0), dtype)
        count = F.cast(F.take(counts, order, 0), dtype)
        return UniqueWithCounts(F.take(values, order, 0), idx, count)


@public
def unique(x: Any, out_idx: Any = "int64", name: str | None = None) -> Unique:
    """The distinct elements of `x` as they first appear, and which of them each element is, as (y, idx).

    TensorFlow's function, for `x` of any shape: y[idx] is `x`. Each NaN is distinct. out_idx: the dtype of idx.
    A composition: `unique_all` put in another order. Raises DTypeError for an `out_idx` that is no integer type.
    """
    y, idx, _ = _as_met("unique", x, out_idx, name)
    return Unique(y, idx)


@public
def unique_with_counts(x: Any, out_idx: Any = "int64", name: str | None = None) -> UniqueWithCounts:
    """`unique` and how often each element occurs, as (y, idx, count). out_idx: the dtype of the last two."""
    return _as_met("unique_with_counts", x, out_idx, name)


@public
def setdiff1d(x: Any, y: Any, index_dtype: Any = "int64", name: str | None = None) -> ListDiff:
    """The elements of `x` that are not in `y`, repeated ones too, and their places in `x`, as (out, idx).

    TensorFlow's function: both are as in `x`, in its order. Both arguments are promoted to one dtype, and
    flattened. index_dtype: the dtype of idx. A composition. Raises DTypeError for one that is no integer type.
    """
    a, b = operands2("setdiff1d", x, y)
    dtype = _index_dtype("setdiff1d: index_dtype", index_dtype)
    with composition("setdiff1d" if name is None else name):
        line = F.flatten(a)
        idx = flatnonzero(isin(line, b, invert=True))
        return ListDiff(F.take(line, idx, 0), F.cast(idx, dtype))
