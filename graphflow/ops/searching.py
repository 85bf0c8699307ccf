"""Finding: places among sorted values, places of what is not zero, membership, bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.constant import CONSTANT, as_tensor
from graphflow.ops.extrema import ordered
from graphflow.ops.flat_index import as_indices
from graphflow.ops.masking import places
from graphflow.ops.search_kernels import (
    digitize_kernel,
    digitize_workspace,
    isin_kernel,
    isin_workspace,
    search_kernel,
    search_workspace,
)
from graphflow.ops.ufunc import operand, operands2
from graphflow.types import SUPPORTED, TensorType, dims_equal, is_floating, unknown_dim

__all__ = ["argwhere", "bucketize", "digitize", "flatnonzero", "isin", "nonzero", "searchsorted"]

BOOL, INT64 = SUPPORTED["bool"], SUPPORTED["int64"]


def _halvings(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], known: TensorType, **attrs: Any
) -> int:
    return int(outputs[0].size) * int(known.size).bit_length()  # type: ignore[arg-type]  # static by then


# --- searchsorted ---------------------------------------------------------------------------------


def _infer_search(x1: TensorType, x2: TensorType, *, side: str) -> TensorType:
    if not x1.rank:
        raise ShapeError(f"x1 must have an axis, got {x1}")
    lead = x1.dims[:-1]
    if lead and (
        x2.rank != x1.rank or any(dims_equal(a, b) is False for a, b in zip(lead, x2.dims, strict=False))
    ):
        raise ShapeError(f"x1 {x1} and x2 {x2} must have the same axes but for the last")
    return TensorType(INT64, x2.dims)


SEARCHSORTED = declare(
    Op(
        "searchsorted",
        _infer_search,
        search_kernel,
        None,
        Trait.OUT,
        dtype=lambda x1, x2, *, side: TensorType(INT64, None),
        flops=lambda inputs, outputs, side: _halvings(inputs, outputs, inputs[0]),
        workspace=lambda inputs, outputs, side: search_workspace(*inputs),
        doc="Where values belong among sorted ones.",
    )
)


@public
def searchsorted(x1: Any, x2: Any, side: str = "left", sorter: Any = None, name: str | None = None) -> Tensor:
    """Where each element of `x2` would have to stand in the sorted `x1`, int64 in the shape of `x2`.

    x1: [n], rising; or [..., n] with x2: [..., m] of the same leading axes, searched line by line as in
    TensorFlow. side: "left" puts it before its equals, "right" behind them. sorter: integers, such as
    `argsort(x1)`, that sort `x1` along its last axis. NaN counts as greater than everything; what comes out of an
    `x1` that does not rise has no meaning. A primitive: NumPy and CuPy have it.
    Raises ArgumentError for another side, ShapeError for a scalar `x1` or leading axes that differ, DTypeError for
    complex numbers.
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right', not {shorten(side)}")
    a, b = operands2("searchsorted", x1, x2)
    a, b = ordered("searchsorted", a), ordered("searchsorted", b)
    if sorter is None:
        return make_node(SEARCHSORTED, (a, b), {"side": side}, name).outputs[0]
    with composition("searchsorted" if name is None else name):
        a = F.take_along_axis(a, as_indices("searchsorted", sorter, "sorter"), -1)
        return make_node(SEARCHSORTED, (a, b), {"side": side}).outputs[0]


# --- what is not zero -----------------------------------------------------------------------------


def _argwhere_kernel(xp: Any, mask: Any) -> Any:
    if not mask.ndim:
        return xp.zeros((int(bool(mask)), 0), dtype=xp.int64)
    found = xp.nonzero(mask)
    result = xp.empty((found[0].shape[0], mask.ndim), dtype=xp.int64)
    for k, places_of_axis in enumerate(found):
        result[:, k] = places_of_axis
    return result


ARGWHERE = declare(
    Op(
        "argwhere",
        lambda mask: TensorType(INT64, (unknown_dim(), mask.rank)),
        _argwhere_kernel,
        None,
        dtype=lambda mask: TensorType(INT64, (unknown_dim(), unknown_dim())),
        flops=lambda inputs, outputs: 0,
        workspace=lambda inputs, outputs: 8 * inputs[0].rank * int(inputs[0].size),
        default_name="Where",
        doc="The coordinates of a mask's true elements, one row for each.",
    )
)


def _as_truth(what: str, x: Any) -> Tensor:
    """A mask of what is not zero; NaN is not."""
    tensor = operand(what, x)
    return tensor if tensor.type.dtype.kind == "b" else F.not_equal(tensor, 0)


@public
def nonzero(x: Any, name: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of the elements that are not zero, in C order: int64[count] for each axis of `x`.

    NaN is not zero. The count is known only at the run. A composition: a comparison, and a primitive on masks.
    Raises ShapeError for a scalar or an unknown rank, as the number of results depends on it.
    """
    tensor = operand("nonzero", x)
    if not tensor.type.shape:
        raise ShapeError(f"nonzero: x must have a known number of axes, at least one, got {tensor!r}")
    with composition("nonzero" if name is None else name):
        return places(_as_truth("nonzero", tensor))


@public
def argwhere(x: Any, name: str | None = None) -> Tensor:
    """The coordinates of the elements that are not zero, in C order: int64[count, rank of x], one row for each.

    NaN is not zero. The count is known only at the run. A scalar gives [1, 0] if it is not zero, else [0, 0].
    A composition: a comparison, and a primitive on masks. Raises DTypeError for what is no array.
    """
    mask = _as_truth("argwhere", x)
    return make_node(ARGWHERE, (mask,), {}, name).outputs[0]


@public
def flatnonzero(x: Any, name: str | None = None) -> Tensor:
    """The places of the elements that are not zero in the flattened `x`, int64[count]. A composition."""
    with composition("flatnonzero" if name is None else name):
        return places(F.flatten(_as_truth("flatnonzero", x)))[0]


# --- isin -----------------------------------------------------------------------------------------


ISIN = declare(
    Op(
        "isin",
        lambda x1, x2, *, invert: TensorType(BOOL, x1.shape),
        isin_kernel,
        None,
        Trait.OUT,
        dtype=lambda x1, x2, *, invert: TensorType(BOOL, x1.shape),
        flops=lambda inputs, outputs, invert: _halvings(inputs, outputs, inputs[1]),
        workspace=lambda inputs, outputs, invert: isin_workspace(*inputs),
        doc="Whether elements are among others.",
    )
)


@public
def isin(x1: Any, x2: Any, invert: bool = False, name: str | None = None) -> Tensor:
    """Whether each element of `x1` is among those of `x2`, bool in the shape of `x1`; whether not, with `invert`.

    NaN equals nothing, and -0.0 equals 0.0. Both are promoted to one dtype first. A primitive: one sort and a
    search, or a table for integers of a small range.
    """
    a, b = operands2("isin", x1, x2)
    return make_node(ISIN, (a, b), {"invert": flag(invert, "isin", "invert")}, name).outputs[0]


# --- bins -----------------------------------------------------------------------------------------


def _infer_digitize(x: TensorType, bins: TensorType, *, right: bool, increasing: bool) -> TensorType:
    if bins.rank != 1:
        raise ShapeError(f"the bounds must be a vector, got {bins}")
    return TensorType(INT64, x.dims)


DIGITIZE = declare(
    Op(
        "digitize",
        _infer_digitize,
        digitize_kernel,
        None,
        Trait.OUT | Trait.FALLIBLE,
        dtype=lambda x, bins, **attrs: TensorType(INT64, x.shape),
        flops=lambda inputs, outputs, **attrs: _halvings(inputs, outputs, inputs[1]),
        workspace=lambda inputs, outputs, **attrs: digitize_workspace(*inputs),
        doc="In which bin each element lies.",
    )
)


def binned(what: str, x: Any, bins: Any, right: bool, increasing: bool, name: str | None = None) -> Tensor:
    """A `digitize` node; bounds that are known now are checked now."""
    a, b = operands2(what, x, bins)
    a, b = ordered(what, a), ordered(what, b)
    if b.op.op is CONSTANT:
        known = b.op.attrs["value"].array
        rises = known.ndim != 1 or bool(np.all(known[1:] >= known[:-1]))
        falls = known.ndim != 1 or bool(np.all(known[1:] <= known[:-1]))
        bad = is_floating(known.dtype) and bool(np.any(np.isnan(known)))
        if bad or not (rises or (falls and not increasing)):
            order = "rise" if increasing else "rise or fall"
            raise ArgumentError(
                f"{what}: the bounds must {order} all the way and not be NaN, got {shorten(known)}"
            )
    attrs = {"right": right, "increasing": increasing}
    return make_node(DIGITIZE, (a, b), attrs, what if name is None else name).outputs[0]


@public
def digitize(x: Any, bins: Any, right: bool = False, name: str | None = None) -> Tensor:
    """In which bin each element of `x` lies, int64: bins[i - 1] <= x < bins[i] for the result i.

    bins: a vector of bounds that rise, or fall (then bins[i - 1] > x >= bins[i]). right: the upper bound belongs
    to a bin, and not the lower one. Below all bounds the result is 0, above all of them their number. NaN counts
    as greater than everything. A primitive: a search with a check.
    Raises ArgumentError for bounds that neither rise nor fall or hold a NaN, if they are known now, else RunError
    at the run; ShapeError if they are no vector, DTypeError for complex numbers.
    """
    return binned("digitize", x, bins, flag(right, "digitize", "right"), False, name)


@public
def bucketize(input: Any, boundaries: Any, name: str | None = None) -> Tensor:
    """`digitize` as TensorFlow has it: boundaries[i - 1] <= input < boundaries[i] for the result i, int64.

    boundaries: numbers that rise. Raises as `digitize`.
    """
    return binned("bucketize", as_tensor(input), boundaries, False, True, name)
