"""Curves given by points: areas below them, values between them; polynomials."""

from __future__ import annotations

from typing import Any

from graphflow.errors import GraphflowError, ShapeError
from graphflow.graph import Tensor, composition
from graphflow.op import F, public
from graphflow.ops.arguments import items_of
from graphflow.ops.constant import operands, python_number
from graphflow.ops.searching import searchsorted
from graphflow.ops.slicing import axis_slice
from graphflow.ops.ufunc import floats, operand, reals, reals2
from graphflow.types import as_index, dims_equal, normalize_axis

__all__ = ["cumulative_trapezoid", "interp", "polyval", "trapezoid"]

# --- areas ----------------------------------------------------------------------------------------


def _pieces(op: str, y: Tensor, x: Any, dx: Any, axis: int) -> Any:
    """The area between each two neighbouring points, along `axis`, which is one shorter then."""
    front, back = axis_slice(axis, None, -1), axis_slice(axis, 1, None)
    sums = F.strided_slice(y, **back) + F.strided_slice(y, **front)
    if x is None:
        return sums * (0.5 * python_number(dx, f"{op}: dx"))
    t = reals(op, x)
    if t.type.shape is None:
        raise ShapeError(f"{op}: the rank of x, {t!r}, must be known")
    if len(t.type.shape) == 1:
        steps = F.strided_slice(t, [(1, None, None)]) - F.strided_slice(t, [(None, -1, None)])
        behind = -axis - 1 if axis < 0 else y.type.rank - axis - 1
        if behind:
            steps = F.expand_dims(steps, tuple(range(1, behind + 1)))
    else:
        steps = F.strided_slice(t, **back) - F.strided_slice(t, **front)
    return sums * (steps * 0.5)


def _curve(op: str, y: Any, axis: Any) -> tuple[Tensor, int]:
    t, place = floats(op, y), as_index(axis, f"{op}: axis")
    if t.type.shape is not None:
        normalize_axis(place, len(t.type.shape), f"{op}: axis")
    return t, place


@public
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1, name: str | None = None) -> Tensor:
    """The area below the points `y` along `axis`, by the trapezoidal rule. A composition.

    x: the points' places, a vector or in the shape of `y`; they need not rise. Where left out, they are `dx` apart.
    One point, or none, has area 0. Raises ArgumentError for an axis out of range, ShapeError for shapes that do not fit.
    """
    t, place = _curve("trapezoid", y, axis)
    with composition("trapezoid" if name is None else name):
        return F.sum(_pieces("trapezoid", t, x, dx, place), place)  # type: ignore[no-any-return]


@public
def cumulative_trapezoid(
    y: Any,
    x: Any = None,
    dx: float = 1.0,
    axis: int = -1,
    include_initial: bool = False,
    name: str | None = None,
) -> Tensor:
    """The running areas below the points `y` along `axis`, which is one shorter then. A composition.

    include_initial: begin with a 0, so that the axis keeps its size (SciPy's `initial=0`). Else as `trapezoid`.
    """
    t, place = _curve("cumulative_trapezoid", y, axis)
    with composition("cumulative_trapezoid" if name is None else name):
        pieces = _pieces("cumulative_trapezoid", t, x, dx, place)
        return F.cumulative_sum(pieces, axis=place, include_initial=include_initial)  # type: ignore[no-any-return]


# --- between points -------------------------------------------------------------------------------


@public
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, name: str | None = None) -> Tensor:
    """The values at `x` of the line through the points (`xp`, `fp`), as `numpy.interp` has it. A composition.

    x: any shape, which the result has. xp: [n], rising (not checked), n at least 1. fp: [n], real or complex.
    left, right: numbers for x below the first and above the last point, whose values stand there where left out.
    Gradients flow to x, xp and fp; at a point they are those of the piece on its right.
    Raises ShapeError unless xp and fp are vectors of one length, DTypeError for complex x or xp.
    """
    t, places = reals2("interp", x, xp)
    values = floats("interp", fp)
    for what, p in (("xp", places), ("fp", values)):
        if p.type.shape is not None and (len(p.type.shape) != 1 or p.type.shape == (0,)):
            raise ShapeError(f"interp: {what} must be a vector of at least one point, got {p!r}")
    if places.type.shape is not None and values.type.shape is not None:
        if dims_equal(places.type.shape[0], values.type.shape[0]) is False:
            raise ShapeError(f"interp: xp and fp must be of one length, got {places!r} and {values!r}")
    with composition("interp" if name is None else name):
        last = F.size(places) - 1
        low = F.clip(searchsorted(places, t, side="right") - 1, 0, F.maximum(last - 1, 0))
        high = F.minimum(low + 1, last)
        x0, f0 = F.take(places, low, axis=0), F.take(values, low, axis=0)
        width = F.take(places, high, axis=0) - x0
        none = F.equal(width, 0)
        share = F.where(none, 0, (t - x0) / F.where(none, 1, width))
        line = f0 + F.multiply(F.take(values, high, axis=0) - f0, share)
        ends = [F.strided_slice(p, [b]) for p in (places, values) for b in ((0, 1, None), (-1, None, None))]
        first_x, last_x, first_f, last_f = [F.reshape(e, ()) for e in ends]
        line = F.where(F.greater_equal(t, last_x), last_f, line)
        line = F.where(F.greater(t, last_x), last_f if right is None else right, line)
        return F.where(F.less(t, first_x), first_f if left is None else left, line)  # type: ignore[no-any-return]


# --- polynomials ----------------------------------------------------------------------------------


@public
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Tensor:
    """The polynomial `coeffs[0] x^(n-1) + ... + coeffs[n-1]` at `x`, by Horner's rule. A composition.

    coeffs: a list of numbers or tensors that broadcast with `x`, or a vector of known length; none give 0.
    Raises ShapeError for a tensor of coefficients that is no vector of known length, DTypeError for bools.
    """
    if hasattr(type(coeffs), "__graphflow_tensor__"):
        vector = operand("polyval", coeffs)
        if (
            vector.type.shape is None
            or len(vector.type.shape) != 1
            or not isinstance(vector.type.shape[0], int)
        ):
            raise ShapeError(f"polyval: coeffs must be a list, or a vector of known length, got {vector!r}")
        listed = F.unstack(vector)
    else:
        listed = items_of(coeffs, "polyval: coeffs")
    try:
        *terms, point = operands(*listed, x)
    except GraphflowError as error:
        raise type(error)(f"polyval: {error}") from error.__cause__
    with composition("polyval" if name is None else name):
        if not terms:
            return F.zeros_like(point)  # type: ignore[no-any-return]
        total: Any = terms[0] if len(terms) > 1 else terms[0] + F.zeros_like(point)
        for c in terms[1:]:
            total = total * point + c
        return total  # type: ignore[no-any-return]
