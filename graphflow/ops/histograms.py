"""Histograms: how many elements lie in each of a row of bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, RunError, ShapeError, shorten
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import flag
from graphflow.ops.cast import dtype_of
from graphflow.ops.constant import CONSTANT, as_tensor, python_number
from graphflow.ops.counting import bincount
from graphflow.ops.flat_index import must_equal
from graphflow.ops.order_keys import PIECE, pieces
from graphflow.ops.philox import converted
from graphflow.ops.searching import binned
from graphflow.ops.ufunc import operand, reals
from graphflow.ops.views import put
from graphflow.types import SUPPORTED, TensorType, as_dtype, as_index, dim_product, is_integer

__all__ = ["histogram", "histogram_fixed_width", "histogram_fixed_width_bins"]

INT64, FLOAT64 = SUPPORTED["int64"], SUPPORTED["float64"]

# --- bins of one width ----------------------------------------------------------------------------


def _infer_bins(x: TensorType, value_range: TensorType, *, nbins: int) -> TensorType:
    must_equal(value_range, (2,), "value_range")
    return TensorType(INT64, x.shape)


def _bins_kernel(xp: Any, x: Any, value_range: Any, *, nbins: int, out: Any = None) -> Any:
    low, high = float(value_range[0]), float(value_range[1])
    if not _is_range(low, high):
        raise RunError(
            f"histogram_fixed_width: value_range must be two finite numbers that rise, got [{low}, {high}]"
        )
    if xp is np:
        out = np.empty(x.shape, np.int64) if out is None else out
        flat = out.reshape(-1)
        for start, piece in pieces(x):
            flat[start : start + piece.size] = _bins_of(np, piece, low, high, nbins)
        return out
    place = _bins_of(xp, x, low, high, nbins)
    return place if out is None else put(xp, place, out)


def _bins_of(xp: Any, x: Any, low: float, high: float, nbins: int) -> Any:
    wide = dtype_of(xp, FLOAT64)
    place = (converted(xp, x, wide) - low) / (high - low)
    place = xp.floor(place * nbins)
    place = xp.where(place > 0, place, xp.zeros((), dtype=wide))
    place = xp.where(place < nbins, place, xp.asarray(nbins - 1, dtype=wide))
    place = xp.where(xp.isnan(x), xp.asarray(nbins, dtype=wide), place)
    return converted(xp, place, xp.int64)


def _is_range(low: float, high: float) -> bool:
    return math.isfinite(low) and math.isfinite(high) and low < high


FIXED_WIDTH_BINS = declare(
    Op(
        "histogram_fixed_width_bins",
        _infer_bins,
        _bins_kernel,
        None,
        Trait.OUT | Trait.FALLIBLE,
        dtype=lambda x, value_range, *, nbins: TensorType(INT64, x.shape),
        flops=lambda inputs, outputs, nbins: 4 * int(inputs[0].size),
        workspace=lambda inputs, outputs, nbins: 25 * min(int(inputs[0].size), PIECE),
        doc="In which of a row of equal bins each element lies.",
    )
)


def _placed(what: str, values: Any, value_range: Any, nbins: Any) -> tuple[Tensor, int]:
    """A `histogram_fixed_width_bins` node and the number of bins."""
    x, given = reals(what, values), operand(what, value_range)
    count = as_index(nbins, f"{what}: nbins")
    if count < 1:
        raise ArgumentError(f"{what}: nbins must be at least 1, got {count}")
    if given.op.op is CONSTANT and given.type.dtype.kind != "c":
        known = given.op.attrs["value"].array
        if known.shape == (2,) and not _is_range(float(known[0]), float(known[1])):
            raise ArgumentError(
                f"{what}: value_range must be two finite numbers that rise, got {shorten(value_range)}"
            )
    return make_node(FIXED_WIDTH_BINS, (x, reals(what, given)), {"nbins": count}).outputs[0], count


def _integer_dtype(what: str, dtype: Any) -> np.dtype[Any]:
    found = as_dtype(dtype)
    if not is_integer(found):
        raise DTypeError(f"{what}: dtype must be an integer type, not {found.name}")
    return found


@public
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: int = 100, dtype: Any = "int64", name: str | None = None
) -> Tensor:
    """In which of `nbins` bins of one width from value_range[0] to value_range[1] each element lies.

    What is below counts to the first bin and what is above to the last; NaN gives `nbins`, which is no bin. dtype:
    an integer type. A primitive: one pass.
    Raises ArgumentError for `nbins` below 1 or a range that does not rise, if it is known now, else RunError at the
    run; ShapeError for a range of not two numbers, DTypeError for complex values.
    """
    what = "histogram_fixed_width_bins"
    own = _integer_dtype(what, dtype)
    with composition(what if name is None else name):
        result: Tensor = F.cast(_placed(what, values, value_range, nbins)[0], own)
    return result


@public
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: int = 100, dtype: Any = "int64", name: str | None = None
) -> Tensor:
    """How many elements lie in each of `nbins` bins of one width from value_range[0] to value_range[1].

    What is below counts to the first bin and what is above to the last; NaN is not counted. A composition: bins,
    and a `bincount` of them. dtype and errors as for `histogram_fixed_width_bins`.
    """
    what = "histogram_fixed_width"
    own = _integer_dtype(what, dtype)
    with composition(what if name is None else name):
        places, count = _placed(what, values, value_range, nbins)
        result: Tensor = F.cast(bincount(places, None, count, count), own)
    return result


# --- NumPy's --------------------------------------------------------------------------------------


def _ends(x: Tensor, range: Any) -> tuple[Any, Any]:
    """The ends of all bins: numbers or tensors."""
    if range is None:
        if x.type.shape is not None and any(type(d) is int and d == 0 for d in x.type.shape):
            return 0.0, 1.0
        low, high = F.stop_gradient(F.min(x)), F.stop_gradient(F.max(x))
        one = F.cast(F.equal(low, high), x.dtype) * 0.5
        return low - one, high + one
    if not isinstance(range, Sequence) or len(range) != 2:
        raise ArgumentError(f"histogram: range must be two numbers, not {shorten(range)}")
    low, high = [python_number(v, "histogram: range") for v in range]
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ArgumentError(f"histogram: range must be two finite numbers that rise, got {shorten(range)}")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _edges(x: Tensor, bins: Any, range: Any) -> Tensor:
    if isinstance(bins, str):
        raise ArgumentError(f"histogram: bins must be a number of bins or their bounds, not {shorten(bins)}")
    if hasattr(bins, "__index__") and not hasattr(type(bins), "__graphflow_tensor__") and not np.ndim(bins):
        count = as_index(bins, "histogram: bins")
        if count < 1:
            raise ArgumentError(f"histogram: bins must be at least 1, got {count}")
        low, high = _ends(x, range)
        made: Tensor = F.linspace(low, high, count + 1, dtype=x.dtype)
        return made
    edges: Tensor = F.cast(reals("histogram", bins), x.dtype)
    if edges.type.shape is None or len(edges.type.shape) != 1:
        raise ShapeError(f"histogram: bins must be a number or a vector of bounds, got {as_tensor(bins)!r}")
    return edges


@public
def histogram(
    x: Any,
    bins: Any = 10,
    range: Any = None,
    weights: Any = None,
    density: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """How many elements lie in each bin, int64[n], and the bounds of the bins, [n + 1].

    bins: how many of one width, or a vector of bounds that rise. Each bin holds its lower bound, the last one its
    upper bound too; what lies outside and NaN are not counted. range: the ends of all bins, the least and the
    greatest element where left out. weights: in the shape of `x`, added up instead of ones. density: divided by
    the sum and by the widths, so that the integral is 1. The bounds have the dtype of `x`, the default float for
    integers. A composition: `digitize` and `bincount`.
    Raises ArgumentError for less than one bin, a range that is none, bounds that do not rise (RunError, if that is
    found at the run, as for a NaN among the elements with no range given), ShapeError for an empty `x` with no range.
    """
    values = reals("histogram", x)
    dense = flag(density, "histogram", "density")
    with composition("histogram" if name is None else name):
        edges = _edges(values, bins, range)
        count = dim_product(edges.type.dims) - 1
        if isinstance(count, int) and count < 0:
            raise ShapeError("histogram: bins must have at least one bound, got none")
        place = binned("histogram", values, edges, False, True)
        last = F.getitem(edges, -1)
        n = count if isinstance(count, int) else F.size(edges) - 1
        place = F.where(F.equal(values, last), n, place)
        outside = F.logical_or(F.equal(place, 0), F.greater(place, n))
        place = F.where(outside, n, place - 1)
        counts = bincount(place, weights, count, count)
        if dense:
            widths = F.strided_slice(edges, [(1, None, None)]) - F.strided_slice(edges, [(None, -1, None)])
            counts = F.cast(counts, values.dtype) if is_integer(counts.dtype) else counts
            counts = counts / (F.sum(counts) * widths)
    return counts, edges
