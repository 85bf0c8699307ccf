"""Choosing between values: `where`, the smaller and the larger of two, limits, and the sum of many tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, ShapeError, shorten
from graphflow.graph import Tensor, apply, composition
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import typed
from graphflow.ops.constant import as_tensor, operands
from graphflow.ops.ufunc import binary, node2, operand, operands2, reals2, unbroadcast
from graphflow.types import TensorType, broadcast_shapes, dims_equal

__all__ = ["add_n", "clip", "maximum", "minimum", "where"]

# --- where ----------------------------------------------------------------------------------------


def _infer_where(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if x.shape == condition.shape == y.shape:
        return x
    return typed(x.dtype, broadcast_shapes(condition.dims, x.dims, y.dims))


def _where_kernel(xp: Any, condition: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    if out is None:
        return xp.where(condition, x, y)
    xp.copyto(out, y)
    xp.copyto(out, x, where=condition)
    return out


def _where_vjp(node: Any, g: Any) -> Sequence[Any]:
    condition, x, y = node.inputs
    return None, unbroadcast(where(condition, g, 0), x), unbroadcast(where(condition, 0, g), y)


WHERE = declare(
    Op(
        "where",
        _infer_where,
        _where_kernel,
        _where_vjp,
        Trait.ELEMENTWISE | Trait.OUT,
        dtype=lambda condition, x, y: x.dtype,
        scalar_expr="x0 ? x1 : x2",
        default_name="Select",
        takes_strings=True,
        doc="Elements of the second operand where the first is true, else of the third.",
    )
)


@public
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """`x` where `condition` is true, else `y`; all three broadcast. With `condition` alone, `argwhere` of it.

    Both values are computed, and one of them is chosen: NaN or infinity in the other does not show. The
    gradient of the one not chosen is exactly 0, but what computes it may still turn 0 into NaN (0 · inf):
    choose a harmless argument for it with a second `where`.
    TensorFlow 1's form with `condition` alone gives the coordinates of its true elements, int64[count, rank]; how
    many there are is known only at the run.
    Raises DTypeError unless `condition` is bool, ArgumentError for one value without the other, ShapeError for shapes
    that do not broadcast.
    """
    condition = operand("where", condition)
    if condition.type.dtype.kind != "b":
        raise DTypeError(f"where: the condition {condition!r} must be bool; compare it, such as `x != 0`")
    if x is None and y is None:
        return F.argwhere(condition, name=name)  # type: ignore[no-any-return]
    if x is None or y is None:
        raise ArgumentError(
            "where: give both x and y; to pick the elements where it is true, use gf.boolean_mask"
        )
    a, b = operands2("where", x, y)
    return apply(WHERE, condition, a, b, name=name)  # type: ignore[no-any-return]


# --- minimum, maximum, clip -----------------------------------------------------------------------


def _share(node: Any, g: Any, wins: Any) -> Sequence[Any]:
    """The gradient to the winner, half to each at a tie, none where an operand is NaN."""
    x, y = node.inputs
    tied = where(F.equal(x, y), g * 0.5, 0)
    return unbroadcast(where(wins(x, y), g, tied), x), unbroadcast(where(wins(y, x), g, tied), y)


def _minimum_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    return xp.minimum(x, y) if out is None else xp.minimum(x, y, out=out)


def _maximum_kernel(xp: Any, x: Any, y: Any, *, out: Any = None) -> Any:
    return xp.maximum(x, y) if out is None else xp.maximum(x, y, out=out)


# no bare ufuncs: NumPy 2.4 warns where these two get `out` by position, as backends hand it to ufuncs
MINIMUM = binary(
    "minimum",
    "x0 < x1 || x0 != x0 ? x0 : x1",
    lambda node, g: _share(node, g, F.less),
    kernel=_minimum_kernel,
    doc="Smaller of two operands.",
)
MAXIMUM = binary(
    "maximum",
    "x0 > x1 || x0 != x0 ? x0 : x1",
    lambda node, g: _share(node, g, F.greater),
    kernel=_maximum_kernel,
    doc="Larger of two operands.",
)


@public
def minimum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The smaller of `x` and `y`, NaN if either is; at a tie half of the gradient goes to each.

    Raises DTypeError for bools and complex numbers.
    """
    a, b = reals2("minimum", x, y, floating=False)
    return node2(MINIMUM, a, b, name)


@public
def maximum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The larger of `x` and `y`, NaN if either is; at a tie half of the gradient goes to each.

    Raises DTypeError for bools and complex numbers.
    """
    a, b = reals2("maximum", x, y, floating=False)
    return node2(MAXIMUM, a, b, name)


@public
def clip(x: Any, min: Any = None, max: Any = None, name: str | None = None) -> Tensor:
    """`minimum(maximum(x, min), max)`; a bound of None is no bound. A composition.

    min, max: numbers or tensors that broadcast with `x`. Where min > max the result is max; a NaN in `x`
    or in a bound gives NaN. At a bound, half of the gradient passes.
    """
    if min is None and max is None:
        return F.identity(operand("clip", x), name=name)  # type: ignore[no-any-return]
    with composition("clip_by_value" if name is None else name) as scope:
        if max is None:
            return maximum(x, min, name=scope)
        if min is not None:
            x = maximum(x, min)
        return minimum(x, max, name=scope)


# --- add_n ----------------------------------------------------------------------------------------


def _infer_add_n(*inputs: TensorType) -> TensorType:
    first = inputs[0]
    for i, t in enumerate(inputs):
        if t.shape == first.shape:
            continue
        if len(t.dims) != len(first.dims) or any(
            dims_equal(a, b) is False for a, b in zip(t.dims, first.dims, strict=True)
        ):
            raise ShapeError(f"add_n: all inputs need one shape: input 0 is {first}, input {i} is {t}")
    return first


def _add_n_kernel(xp: Any, *inputs: Any, out: Any = None) -> Any:
    if out is None:
        total = inputs[0] + inputs[1]
        for x in inputs[2:]:
            total = total + x
        return total
    xp.add(inputs[0], inputs[1], out=out)
    for x in inputs[2:]:
        xp.add(out, x, out=out)
    return out


ADD_N = declare(
    Op(
        "add_n",
        _infer_add_n,
        _add_n_kernel,
        lambda node, g: (g,) * len(node.inputs),
        Trait.OUT,
        flops=lambda inputs, outputs: (len(inputs) - 1) * int(outputs[0].size),
        doc="Sum of any number of operands of one shape, from left to right.",
        default_name="AddN",
    )
)


@public
def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of a list of tensors of one shape, added from left to right in one buffer.

    One input gives that tensor itself. Raises ArgumentError for an empty list, ShapeError for shapes that
    differ (nothing is broadcast), DTypeError for bools.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ArgumentError(f"add_n: a list of at least one tensor is needed, got {shorten(inputs)}")
    tensors = operands(*[as_tensor(t) for t in inputs])
    if tensors[0].type.dtype.kind == "b":
        raise DTypeError(f"add_n: {tensors[0]!r} is bool; cast it to a number first")
    if len(tensors) == 1:
        return tensors[0]
    return apply(ADD_N, *tensors, name=name)  # type: ignore[no-any-return]
