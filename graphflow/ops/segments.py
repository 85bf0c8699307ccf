"""Folding rows by segment: `segment_sum` and its kin for sorted ids, `unsorted_segment_sum` and its kin for any.

A segment is all rows with one id. 16-bit floats are folded in float32; everything else in its own dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, IndexRangeError, ShapeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, public
from graphflow.ops.arguments import one_dim
from graphflow.ops.constant import CONSTANT
from graphflow.ops.flat_index import as_indices
from graphflow.ops.reduction import is_half
from graphflow.ops.segment_ops import SEGMENT, SEGMENT_COUNTS
from graphflow.ops.ufunc import floats, numbers, reals
from graphflow.types import SUPPORTED, Dim

__all__ = [
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sum",
    "sparse_segment_mean",
    "sparse_segment_sqrt_n",
    "sparse_segment_sum",
    "unsorted_segment_max",
    "unsorted_segment_mean",
    "unsorted_segment_min",
    "unsorted_segment_prod",
    "unsorted_segment_sqrt_n",
    "unsorted_segment_sum",
]

# --- building -------------------------------------------------------------------------------------


def _number(what: str, value: Any) -> tuple[Any, tuple[Tensor, ...]]:
    """num_segments as an attribute, or as an input where it is known only at the run."""
    if value is None:
        return None, ()
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value < 0:
        raise ArgumentError(f"{what}: num_segments must not be negative, got {value}")
    if not hasattr(type(value), "__graphflow_tensor__"):
        return one_dim(value, f"{what}: num_segments"), ()
    tensor = as_indices(what, value, "num_segments")
    if tensor.type.shape not in ((), None):
        raise ShapeError(f"{what}: num_segments must be a scalar, got {tensor.type}")
    try:
        size = one_dim(tensor, what)
    except ShapeError:  # nothing but a value of the run
        return None, (tensor,)
    return (None, (tensor,)) if isinstance(size, Dim) and size.is_anonymous else (size, ())


def _known(what: str, ids: Tensor, num: Any, given: tuple[Tensor, ...], in_order: bool) -> Any:
    """num_segments, known now if the ids are; ids that are known now are checked now."""
    if ids.op.op is not CONSTANT or not ids.type.size:
        return num
    array = ids.op.attrs["value"].array
    low, high = int(array.min()), int(array.max())
    if in_order and low < 0:
        raise IndexRangeError(f"{what}: segment_ids must not be negative, got {low}")
    if in_order and array.ndim == 1 and bool(np.any(array[1:] < array[:-1])):
        raise ArgumentError(f"{what}: segment_ids must not fall; use unsorted_{what.removeprefix('sparse_')}")
    if isinstance(num, int) and high >= num:
        raise IndexRangeError(f"{what}: segment id {high} is out of range for num_segments = {num}")
    return max(high + 1, 0) if num is None and not given else num


def _inputs(
    what: str, x: Tensor, segment_ids: Any, num_segments: Any, in_order: bool
) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    ids = as_indices(what, segment_ids, "segment_ids")
    num, given = _number(what, num_segments)
    return (x, ids, *given), {"in_order": in_order, "num": _known(what, ids, num, given, in_order)}


def _folded(
    what: str, mode: str, x: Tensor, segment_ids: Any, num_segments: Any, in_order: bool, name: str | None
) -> Tensor:
    inputs, attrs = _inputs(what, x, segment_ids, num_segments, in_order)
    attrs = {"mode": mode, **attrs}
    if not is_half(x.type.dtype) or mode in ("max", "min"):
        return make_node(SEGMENT, inputs, attrs, what if name is None else name).outputs[0]
    with composition(what if name is None else name):
        wide = F.cast(x, SUPPORTED["float32"])
        result: Tensor = F.cast(make_node(SEGMENT, (wide, *inputs[1:]), attrs).outputs[0], x.type.dtype)
    return result


def _averaged(
    what: str, x: Tensor, segment_ids: Any, num_segments: Any, in_order: bool, root: bool, name: str | None
) -> Tensor:
    """The sum divided by the count, or by its root; 0 for an empty segment."""
    inputs, attrs = _inputs(what, x, segment_ids, num_segments, in_order)
    dtype = x.type.dtype
    with composition(what if name is None else name):
        wide = F.cast(x, SUPPORTED["float32"]) if is_half(dtype) else x
        inputs = (wide, *inputs[1:])
        total = make_node(SEGMENT, inputs, {"mode": "sum", **attrs}).outputs[0]
        count = make_node(
            SEGMENT_COUNTS, inputs, {**attrs, "dtype": np.zeros((), wide.type.dtype).real.dtype}
        ).outputs[0]
        count = F.stop_gradient(F.maximum(count, 1))
        result: Tensor = F.cast(total / F.cast(F.sqrt(count) if root else count, wide.type.dtype), dtype)
    return result


# --- sorted ids -----------------------------------------------------------------------------------


@public
def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The sum of the rows of each segment: [segment_ids[-1] + 1, ...]; 0 for a number that is no id.

    segment_ids: integers from 0 on that do not fall, one for each row of `data`. If they are known now, so is the
    number of segments, else it is known only at the run. A primitive, so that rows need no Python loop; it
    differentiates any number of times.
    Raises ShapeError for ids that are not one a row, DTypeError for bools, or ids that are no integers; for ids that
    are negative or fall IndexRangeError and ArgumentError if that is known now, else IndexRangeError and RunError.
    """
    return _folded("segment_sum", "sum", numbers("segment_sum", data), segment_ids, None, True, name)


@public
def segment_prod(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """As `segment_sum`, multiplying; 1 for a number that is no id."""
    return _folded("segment_prod", "prod", numbers("segment_prod", data), segment_ids, None, True, name)


@public
def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """As `segment_sum`, the greatest; 0 for a number that is no id. Equal ones share the gradient evenly."""
    x = reals("segment_max", data, floating=False)
    return _folded("segment_max", "max", x, segment_ids, None, True, name)


@public
def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """As `segment_sum`, the least; 0 for a number that is no id. Equal ones share the gradient evenly."""
    x = reals("segment_min", data, floating=False)
    return _folded("segment_min", "min", x, segment_ids, None, True, name)


@public
def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """As `segment_sum`, the mean; 0 for a number that is no id. Integers become the default float. A composition."""
    return _averaged("segment_mean", floats("segment_mean", data), segment_ids, None, True, False, name)


# --- any ids --------------------------------------------------------------------------------------


@public
def unsorted_segment_sum(
    data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None
) -> Tensor:
    """The sum of the rows of each segment: [num_segments, ...]; 0 for a number that is no id.

    segment_ids: integers in the shape of the leading axes of `data`, in any order; rows of negative ones are left
    out. num_segments: an int, a size or an integer scalar; one more than the greatest id where left out, known
    only at the run unless the ids are known now. A primitive, which adds in the order of the rows.
    Raises ShapeError for ids that do not fit, DTypeError for bools, or ids that are no integers, IndexRangeError for
    an id that is not below num_segments, now or at the run.
    """
    x = numbers("unsorted_segment_sum", data)
    return _folded("unsorted_segment_sum", "sum", x, segment_ids, num_segments, False, name)


@public
def unsorted_segment_prod(
    data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None
) -> Tensor:
    """As `unsorted_segment_sum`, multiplying; 1 for a number that is no id."""
    x = numbers("unsorted_segment_prod", data)
    return _folded("unsorted_segment_prod", "prod", x, segment_ids, num_segments, False, name)


@public
def unsorted_segment_max(
    data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None
) -> Tensor:
    """As `unsorted_segment_sum`, the greatest; the dtype's least finite number for a number that is no id."""
    x = reals("unsorted_segment_max", data, floating=False)
    return _folded("unsorted_segment_max", "max", x, segment_ids, num_segments, False, name)


@public
def unsorted_segment_min(
    data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None
) -> Tensor:
    """As `unsorted_segment_sum`, the least; the dtype's greatest finite number for a number that is no id."""
    x = reals("unsorted_segment_min", data, floating=False)
    return _folded("unsorted_segment_min", "min", x, segment_ids, num_segments, False, name)


@public
def unsorted_segment_mean(
    data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None
) -> Tensor:
    """As `unsorted_segment_sum`, the mean; 0 for a number that is no id. Integers become floats. A composition."""
    x = floats("unsorted_segment_mean", data)
    return _averaged("unsorted_segment_mean", x, segment_ids, num_segments, False, False, name)


@public
def unsorted_segment_sqrt_n(
    data: Any, segment_ids: Any, num_segments: Any = None, name: str | None = None
) -> Tensor:
    """As `unsorted_segment_sum`, divided by the root of the number of rows; 0 where there are none. A composition."""
    x = floats("unsorted_segment_sqrt_n", data)
    return _averaged("unsorted_segment_sqrt_n", x, segment_ids, num_segments, False, True, name)


# --- of picked rows -------------------------------------------------------------------------------


@public
def sparse_segment_sum(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """`segment_sum(gather(data, indices), segment_ids)`. A composition.

    indices, segment_ids: vectors of one length, the latter not falling. num_segments: at least one more than the last
    id; trailing segments are 0. Raises as `gather` and `segment_sum`.
    """
    what = "sparse_segment_sum"
    x = numbers(what, data)
    with composition(what if name is None else name):
        return _folded(what, "sum", F.gather(x, indices), segment_ids, num_segments, True, None)


@public
def sparse_segment_mean(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """As `sparse_segment_sum`, the mean; 0 for a number that is no id. A composition."""
    what = "sparse_segment_mean"
    x = floats(what, data)
    with composition(what if name is None else name):
        return _averaged(what, F.gather(x, indices), segment_ids, num_segments, True, False, None)


@public
def sparse_segment_sqrt_n(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """As `sparse_segment_sum`, divided by the root of the number of rows; 0 where there are none. A composition."""
    what = "sparse_segment_sqrt_n"
    x = floats(what, data)
    with composition(what if name is None else name):
        return _averaged(what, F.gather(x, indices), segment_ids, num_segments, True, True, None)
