"""Reductions: ops that fold whole axes into one value each.

`axis` is None (all axes), an int or several; `keepdims` leaves the folded axes in place with size 1.
Integers are added and multiplied in 64 bits; float16 and bfloat16 keep their type, but are
accumulated in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from graphflow.errors import DTypeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, flag
from graphflow.ops.cast import cast, dtype_of, numpy_dtype
from graphflow.ops.constant import as_tensor
from graphflow.ops.numpy_settings import fold_nbytes
from graphflow.types import (
    SUPPORTED,
    Shape,
    TensorType,
    as_dtype,
    is_floating,
    normalize_axes,
)

__all__ = ["all", "any", "prod", "sum"]

Axis: TypeAlias = int | Sequence[int] | None
Axes: TypeAlias = tuple[int, ...] | None

BOOL, INT64, FLOAT32 = SUPPORTED["bool"], SUPPORTED["int64"], SUPPORTED["float32"]
REDUCTION = Trait.REDUCTION | Trait.OUT


# --- what they share ------------------------------------------------------------------------------


def folded(x: TensorType, axis: Axes, keepdims: bool) -> Shape:
    """The shape that is left. Raises ArgumentError for an axis that is repeated or out of range."""
    gone = normalize_axes(axis, x.rank)
    if keepdims:
        return tuple([1 if k in gone else d for k, d in enumerate(x.dims)])
    return tuple([d for k, d in enumerate(x.dims) if k not in gone])


def unranked(axis: Axes, keepdims: bool) -> Shape | None:
    """The shape that is left of an unknown rank."""
    return () if axis is None and not keepdims else None


def restored(y: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """A reduced tensor in a shape that broadcasts to what it was reduced from."""
    if keepdims or not axis:
        return y
    result: Tensor = F.expand_dims(y, axis)
    return result


def spread(g: Tensor, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """A gradient of a reduction, repeated along the folded axes to the shape of `x`."""
    result: Tensor = F.broadcast_to_like(restored(g, axis, keepdims), x)
    return result


class Reduction:
    """A kernel that is one reducing function of the array module, known by its Array API name."""

    __slots__ = ("name",)
    single_call = True

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, xp: Any, x: Any, *, axis: Any, keepdims: bool, out: Any = None) -> Any:
        function = getattr(xp, self.name)
        if out is None:
            return function(x, axis=axis, keepdims=keepdims)
        return function(x, axis=axis, keepdims=keepdims, out=out)

    def __repr__(self) -> str:
        return f"Reduction({self.name})"


def input_size(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    return int(inputs[0].size)  # type: ignore[arg-type]  # static by then


# --- sum and prod ---------------------------------------------------------------------------------


def is_half(dtype: np.dtype[Any]) -> bool:
    """True for the 16-bit floats, which are too coarse to accumulate in: 2048 + 1 is 2048 in float16."""
    return dtype.itemsize == 2 and is_floating(dtype)


def working_dtype(xp: Any, dtype: np.dtype[Any]) -> Any:
    """What to accumulate in for a result of `dtype`: float32 for 16-bit floats, which CuPy does by itself."""
    return dtype_of(xp, FLOAT32 if xp is np and is_half(dtype) else dtype)


def accumulate(
    xp: Any, function: Callable[..., Any], x: Any, dtype: np.dtype[Any], *, out: Any = None, **kwargs: Any
) -> Any:
    """`function(x, dtype=dtype, **kwargs)`, but accumulated in float32 if `dtype` is a 16-bit float."""
    working = working_dtype(xp, dtype)
    if out is not None:
        return function(x, dtype=working, out=out, **kwargs)
    if not hasattr(xp, "copyto") and numpy_dtype(x).kind == "b":
        x = xp.astype(x, working)  # the standard has no sums of bools
    total = function(x, dtype=working, **kwargs)
    return total if total.dtype == dtype_of(xp, dtype) else total.astype(dtype)


class Accumulation(Reduction):
    """A kernel that adds or multiplies in a given dtype."""

    __slots__ = ()

    def __call__(  # type: ignore[override]  # kernels differ in their attributes
        self, xp: Any, x: Any, *, axis: Any, keepdims: bool, dtype: np.dtype[Any], out: Any = None
    ) -> Any:
        return accumulate(xp, getattr(xp, self.name), x, dtype, axis=axis, keepdims=keepdims, out=out)


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that sums and products of `dtype` have: 64 bits for integers and bools, else the same."""
    if dtype.kind in "bi":
        return INT64
    return SUPPORTED["uint64"] if dtype.kind == "u" else dtype


def result_dtype(what: str, x: Tensor, dtype: Any) -> np.dtype[Any]:
    """The dtype asked for, or the accumulator of `x`. Raises DTypeError for complex to real, float to int."""
    if dtype is None:
        return accumulator(x.type.dtype)
    wanted = as_dtype(dtype)
    own = x.type.dtype
    if own.kind == "c" and wanted.kind != "c":
        raise DTypeError(
            f"{what}: {x!r} is complex and cannot be accumulated in {wanted.name}; take gf.real(x)"
        )
    if is_floating(own) and not is_floating(wanted):
        raise DTypeError(
            f"{what}: {x!r} is floating and cannot be accumulated in {wanted.name}; cast it first"
        )
    if wanted.kind == "b":
        raise DTypeError(f"{what}: nothing can be accumulated in bool; use gf.any or gf.all")
    return wanted


def _sum_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    x, attrs = node.inputs[0], node.attrs
    if not is_floating(x.dtype):
        return (None,)
    return (spread(cast_back(g, x), x, attrs["axis"], attrs["keepdims"]),)


def cast_back(g: Tensor, x: Tensor) -> Tensor:
    """A gradient in the dtype of `x`, whose reduction was accumulated in a wider one."""
    if g.dtype.kind == "c" and x.dtype.kind != "c":
        g = F.real(g)
    return cast(g, x.dtype)


def _prod_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    """The product of all other elements, without dividing: right for zeros, and differentiable any number of times."""
    x, axis, keepdims = node.inputs[0], node.attrs["axis"], node.attrs["keepdims"]
    if not is_floating(x.dtype):
        return (None,)
    g = cast_back(g, x)
    if axis is None:
        line = F.reshape(x, (-1,))
        single = F.reshape(g, (1,)) if keepdims else g
        return (F.reshape_like(single * F.conj(_others(line, 0)), x),)
    others: Tensor | None = None
    rest = x
    for a in axis:
        factor = _others(rest, a)
        others = factor if others is None else others * factor
        rest = prod(rest, a, keepdims=True)
    g = restored(g, axis, keepdims)
    return (g if others is None else g * F.conj(others),)


def _others(x: Tensor, axis: int) -> Tensor:
    """For each element the product of the others along its axis."""
    before: Tensor = F.cumprod(x, axis, exclusive=True)
    after: Tensor = F.cumprod(x, axis, exclusive=True, reverse=True)
    others: Tensor = before * after
    return others


def _accumulation(name: str, vjp: Callable[..., Any], doc: str) -> Op:
    return declare(
        Op(
            name,
            lambda x, *, axis, keepdims, dtype: TensorType(dtype, folded(x, axis, keepdims)),
            Accumulation(name),
            vjp,
            REDUCTION,
            dtype=lambda x, *, axis, keepdims, dtype: TensorType(dtype, unranked(axis, keepdims)),
            flops=input_size,
            workspace=lambda inputs, outputs, *, axis, keepdims, dtype: fold_nbytes(
                inputs[0], working_dtype(np, dtype), dtype
            ),
            default_name=name.capitalize(),
            doc=doc,
        )
    )


SUM = _accumulation("sum", _sum_vjp, "Sum over axes.")
PROD = _accumulation("prod", _prod_vjp, "Product over axes.")


def _accumulated(op: Op, x: Any, axis: Axis, keepdims: bool, dtype: Any, name: str | None) -> Tensor:
    x = as_tensor(x)
    attrs = {
        "axis": axis_attr(op.name, axis, x),
        "keepdims": flag(keepdims, op.name, "keepdims"),
        "dtype": result_dtype(op.name, x, dtype),
    }
    return make_node(op, (x,), attrs, name).outputs[0]


@public
def sum(
    x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None, *, dtype: Any = None
) -> Tensor:
    """The sum over `axis`; 0 where it is empty.

    dtype: of the sum and the additions; int64 for bools and signed integers, uint64 for unsigned ones, else
        that of `x`. Integers that overflow it wrap around.
    Raises ArgumentError for an axis that is repeated or out of range.
    """
    return _accumulated(SUM, x, axis, keepdims, dtype, name)


@public
def prod(
    x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None, *, dtype: Any = None
) -> Tensor:
    """The product over `axis`; 1 where it is empty. dtype: as for `sum`.

    Its gradient is the product of the other elements, computed without division, so zeros are no exception.
    Raises ArgumentError for an axis that is repeated or out of range.
    """
    return _accumulated(PROD, x, axis, keepdims, dtype, name)


# --- any and all ----------------------------------------------------------------------------------


def _logical(name: str, doc: str) -> Op:
    return declare(
        Op(
            name,
            lambda x, *, axis, keepdims: TensorType(BOOL, folded(x, axis, keepdims)),
            Reduction(name),
            None,
            REDUCTION,
            dtype=lambda x, *, axis, keepdims: TensorType(BOOL, unranked(axis, keepdims)),
            flops=input_size,
            workspace=lambda inputs, outputs, *, axis, keepdims: fold_nbytes(inputs[0], BOOL, BOOL),
            default_name=name.capitalize(),
            doc=doc,
        )
    )


ANY = _logical("any", "Whether some element over axes is true.")
ALL = _logical("all", "Whether every element over axes is true.")


def reduce(op: Op, x: Tensor, axis: Axis, keepdims: bool, name: str | None) -> Tensor:
    attrs = {"axis": axis_attr(op.name, axis, x), "keepdims": flag(keepdims, op.name, "keepdims")}
    return make_node(op, (x,), attrs, name).outputs[0]


@public
def any(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """True where some element over `axis` is not zero (NaN is not); False where it is empty."""
    return reduce(ANY, as_tensor(x), axis, keepdims, name)


@public
def all(x: Any, axis: Axis = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """True where every element over `axis` is not zero (NaN is not); True where it is empty."""
    return reduce(ALL, as_tensor(x), axis, keepdims, name)
