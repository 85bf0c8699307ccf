"""Batches of sequences of different lengths: which places are used, and turning round what is used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import one_dim
from graphflow.ops.constant import CONSTANT, as_tensor
from graphflow.ops.flat_index import as_indices
from graphflow.ops.numpy_settings import buffers_nbytes
from graphflow.ops.philox import converted
from graphflow.ops.views import permuted, put
from graphflow.types import (
    SUPPORTED,
    DimLike,
    TensorType,
    as_dtype,
    as_index,
    dims_equal,
    is_floating,
    normalize_axis,
    unknown_dim,
)

__all__ = ["reverse_sequence", "sequence_mask"]

BOOL, INT64 = SUPPORTED["bool"], SUPPORTED["int64"]

# --- sequence_mask --------------------------------------------------------------------------------


def _infer_mask(lengths: TensorType, *, maxlen: DimLike | None) -> TensorType:
    return TensorType(BOOL, (*lengths.dims, unknown_dim() if maxlen is None else maxlen))


def _mask_kernel(xp: Any, lengths: Any, *, maxlen: int | None) -> Any:
    if maxlen is None:
        maxlen = max(0, int(xp.max(lengths))) if math.prod(lengths.shape) else 0
    return xp.arange(maxlen, dtype=xp.int64) < converted(
        xp, xp.reshape(lengths, (*lengths.shape, 1)), xp.int64
    )


def _mask_workspace(inputs: Any, outputs: Any, *, maxlen: Any) -> int:
    """Lengths converted, a line of places, and buffers, as they are broadcast."""
    converted_nbytes = 0 if inputs[0].dtype == np.int64 else 8 * int(inputs[0].size)
    if not outputs[0].is_static:
        return converted_nbytes
    line = 8 * int(outputs[0].dims[-1])
    return converted_nbytes + line + buffers_nbytes(outputs[0].size, INT64, INT64)


SEQUENCE_MASK = declare(
    Op(
        "sequence_mask",
        _infer_mask,
        _mask_kernel,
        None,
        dtype=lambda lengths, *, maxlen: BOOL,
        workspace=_mask_workspace,
        default_name="SequenceMask",
        doc="Which places are below a length, one row for each length.",
    )
)


@public
def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = bool, name: str | None = None) -> Tensor:
    """Whether each place is below the length: lengths.shape + [maxlen], true where j < lengths[i] at [i, j].

    lengths: integers. maxlen: the size of the new axis; the greatest length, found at the run, where left out.
    dtype: cast to it. A primitive, as the size may be known only at the run.
    Raises DTypeError for lengths that are no integers or a dtype of texts, ArgumentError for a negative `maxlen`.
    """
    t = as_indices("sequence_mask", lengths, "lengths")
    if isinstance(maxlen, (int, np.integer)) and not isinstance(maxlen, bool) and maxlen < 0:
        raise ArgumentError(f"sequence_mask: maxlen must not be negative, got {maxlen}")
    size = None if maxlen is None else one_dim(maxlen, "sequence_mask: maxlen")
    own = as_dtype(dtype)
    if own.kind not in "biufc" and not is_floating(own):
        raise DTypeError(f"sequence_mask: dtype must be bool or a numeric type, not {own.name}")
    if own.kind == "b":
        return make_node(SEQUENCE_MASK, (t,), {"maxlen": size}, name).outputs[0]
    with composition("SequenceMask" if name is None else name):
        result: Tensor = F.cast(make_node(SEQUENCE_MASK, (t,), {"maxlen": size}).outputs[0], own)
    return result


# --- reverse_sequence -----------------------------------------------------------------------------


def _infer_reverse(x: TensorType, lengths: TensorType, *, seq_axis: int, batch_axis: int) -> TensorType:
    seq = normalize_axis(seq_axis, x.rank, "seq_axis")
    batch = normalize_axis(batch_axis, x.rank, "batch_axis")
    if seq == batch:
        raise ArgumentError(f"seq_axis and batch_axis must differ, both are {seq}")
    if lengths.rank != 1 or dims_equal(lengths.dims[0], x.dims[batch]) is False:
        raise ShapeError(
            f"seq_lengths {lengths} must be a vector with one length for each of axis {batch} of {x}"
        )
    return x


PIECE = 16384
"""Elements that are turned round at a time under NumPy, unless a single place has more."""


def _places(xp: Any, size: Any, start: int, stop: int) -> Any:
    """Where the elements from start to stop come from, one row for each of the sizes[:, 1]."""
    line = xp.arange(start, stop, dtype=xp.int64)
    return xp.where(line < size, size - 1 - line, line)


def _piece(rows: int, count: int, inner: int) -> tuple[int, int]:
    """Rows, and places of each, that are turned round at a time."""
    places = max(PIECE // max(inner, 1), 1)
    return max(min(places // max(count, 1), rows), 1), max(min(places, count), 1)


def _reverse_pieces(x: Any, size: Any, out: Any) -> None:
    rows, count = x.shape[:2]
    height, width = _piece(rows, count, math.prod(x.shape[2:]))
    for top in range(0, rows, height):
        bottom = min(top + height, rows)
        chosen = np.arange(top, bottom)[:, None]
        for start in range(0, count, width):
            stop = min(start + width, count)
            out[top:bottom, start:stop] = x[chosen, _places(np, size[top:bottom], start, stop)]


def _reverse_workspace(inputs: Any, outputs: Any, *, seq_axis: int, batch_axis: int) -> int:
    """Lengths converted; of a piece the places, and its elements or what the places are found from."""
    x, lengths = inputs
    rows, count = int(x.dims[batch_axis]), int(x.dims[seq_axis])
    inner = int(x.size) // max(rows * count, 1)
    height, width = _piece(rows, count, inner)
    size = height * width
    held: int = size * (8 + max(inner * x.dtype.itemsize, 9)) + 8 * (height + width) + 4096
    if height > 1:
        held += 8 * min(size, 8192)  # NumPy's own buffer, where places are broadcast
    return held + (0 if lengths.dtype == np.int64 else 8 * rows)


def _reverse_kernel(xp: Any, x: Any, lengths: Any, *, seq_axis: int, batch_axis: int, out: Any = None) -> Any:
    seq, batch = seq_axis % x.ndim, batch_axis % x.ndim
    count, n_rows = x.shape[seq], x.shape[batch]
    if n_rows:
        _check(int(xp.min(lengths)), int(xp.max(lengths)), count, seq)
    size = xp.reshape(converted(xp, lengths, xp.int64), (-1, 1))
    order = (batch, seq, *[k for k in range(x.ndim) if k not in (batch, seq)])
    moved = permuted(xp, x, order)
    if xp is np:
        result = np.empty(x.shape, x.dtype) if out is None else out
        _reverse_pieces(moved, size, permuted(np, result, order))
        return result
    places = _places(xp, size, 0, count)
    flat = xp.reshape(moved, (n_rows * count, -1)) if n_rows and count else moved
    if n_rows and count:
        rows = xp.reshape(xp.arange(n_rows, dtype=xp.int64) * count, (-1, 1))
        flat = xp.take(flat, xp.reshape(places + rows, (-1,)), axis=0)
    back = sorted(range(x.ndim), key=order.__getitem__)
    result = permuted(xp, xp.reshape(flat, moved.shape), back)
    return put(xp, result, out)


def _check(low: int, high: int, count: int, axis: int) -> None:
    if low < 0 or high > count:
        raise IndexRangeError(
            f"reverse_sequence: length {low if low < 0 else high} is not from 0 to {count}, the size of axis {axis}"
        )


REVERSE_SEQUENCE: Op = declare(
    Op(
        "reverse_sequence",
        _infer_reverse,
        _reverse_kernel,
        lambda node, g: (make_node(REVERSE_SEQUENCE, (g, node.inputs[1]), node.attrs).outputs[0], None),
        Trait.OUT | Trait.FALLIBLE,
        flops=lambda inputs, outputs, **attrs: 0,
        workspace=_reverse_workspace,
        default_name="ReverseSequence",
        doc="The first so many elements of each sequence turned round.",
    )
)


@public
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """`input` with the first seq_lengths[i] elements along `seq_axis` turned round, for each i along `batch_axis`.

    seq_lengths: integers[batch] from 0 to the size of `seq_axis`. batch_axis: 0 where left out. seq_dim, batch_dim:
    TensorFlow 1's older names. It is its own gradient. A primitive: one copy by places.
    Raises ArgumentError for a missing `seq_axis`, for both names of one, or axes that are the same or out of range, ShapeError for lengths
    that do not fit, DTypeError if they are no integers, IndexRangeError for one out of range, now or at the run.
    """
    what = "reverse_sequence"
    for new, old, word in ((seq_axis, seq_dim, "seq"), (batch_axis, batch_dim, "batch")):
        if new is not None and old is not None:
            raise ArgumentError(f"{what}: {word}_dim is an older name of {word}_axis; give one of them")
    seq = seq_dim if seq_axis is None else seq_axis
    batch = (0 if batch_dim is None else batch_dim) if batch_axis is None else batch_axis
    if seq is None:
        raise ArgumentError(f"{what}: say which axis the sequences are along, as seq_axis=...")
    x, lengths = as_tensor(input), as_indices(what, seq_lengths, "seq_lengths")
    attrs = {
        "seq_axis": as_index(seq, f"{what}: seq_axis"),
        "batch_axis": as_index(batch, f"{what}: batch_axis"),
    }
    dims = x.type.shape
    if (
        lengths.op.op is CONSTANT
        and lengths.type.size
        and dims
        and -len(dims) <= attrs["seq_axis"] < len(dims)
    ):
        known, count = lengths.op.attrs["value"].array, dims[attrs["seq_axis"]]
        if isinstance(count, int):
            _check(int(known.min()), int(known.max()), count, attrs["seq_axis"])
    return make_node(REVERSE_SEQUENCE, (x, lengths), attrs, name).outputs[0]
