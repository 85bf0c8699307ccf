"""Running sums and products, and the linear recurrence that their gradients are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import DTypeError, ShapeError
from graphflow.graph import Tensor, composition, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import axis_attr, flag, typed
from graphflow.ops.constant import as_tensor
from graphflow.ops.cumulative_kernels import Running, running_nbytes
from graphflow.ops.reduction import cast_back, result_dtype
from graphflow.ops.slicing import axis_slice
from graphflow.types import TensorType, as_index, dims_equal, is_floating, normalize_axis

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "linear_recurrence"]


# --- cumulative_sum and cumulative_prod -----------------------------------------------------------


def _infer_running(
    x: TensorType, *, axis: int, dtype: np.dtype[Any], include_initial: bool, reverse: bool
) -> TensorType:
    axis = normalize_axis(axis, x.rank)
    dims = list(x.dims)
    if include_initial:
        dims[axis] = dims[axis] + 1
    return typed(dtype, tuple(dims))


def _flops(inputs: Sequence[TensorType], outputs: Sequence[TensorType], **attrs: Any) -> int:
    return int(inputs[0].size)  # type: ignore[arg-type]  # static by then


def _without_initial(g: Tensor, attrs: Any) -> Tensor:
    """A gradient without its part for the initial element."""
    if not attrs["include_initial"]:
        return g
    bounds = (None, -1) if attrs["reverse"] else (1, None)
    result: Tensor = F.strided_slice(g, **axis_slice(attrs["axis"], *bounds))
    return result


def _sum_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    x, attrs = node.inputs[0], node.attrs
    if not is_floating(x.dtype):
        return (None,)
    g = _without_initial(cast_back(g, x), attrs)
    return (_running(CUMULATIVE_SUM, g, attrs["axis"], None, False, not attrs["reverse"], None),)


def _prod_vjp(node: Any, g: Tensor) -> tuple[Tensor | None]:
    """With y[i] = x[0]...x[i]: dx[k] = x[0]...x[k-1] * R[k], where R[k] = g[k] + x[k+1] R[k+1].

    No division, so zeros are no exception.
    """
    x, attrs = node.inputs[0], node.attrs
    if not is_floating(x.dtype):
        return (None,)
    axis, reverse = attrs["axis"], attrs["reverse"]
    g = _without_initial(cast_back(g, x), attrs)
    before: Tensor = F.conj(cumprod(x, axis, exclusive=True, reverse=reverse))
    following = F.roll(F.conj(x), 1 if reverse else -1, axis)
    return (before * linear_recurrence(following, g, axis, reverse=not reverse),)


def _declared(
    name: str, ufunc: str, initial: int, vjp: Callable[..., Any], doc: str, default_name: str
) -> Op:
    return declare(
        Op(
            name,
            _infer_running,
            Running(name, ufunc, initial),
            vjp,
            Trait.OUT,
            dtype=lambda x, *, axis, dtype, include_initial, reverse: dtype,
            flops=_flops,
            workspace=running_nbytes,
            default_name=default_name,
            doc=doc,
        )
    )


CUMULATIVE_SUM = _declared("cumulative_sum", "add", 0, _sum_vjp, "Running sum along an axis.", "Cumsum")
CUMULATIVE_PROD = _declared(
    "cumulative_prod", "multiply", 1, _prod_vjp, "Running product along an axis.", "Cumprod"
)


def _running(
    op: Op, x: Any, axis: int | None, dtype: Any, include_initial: bool, reverse: bool, name: str | None
) -> Tensor:
    x = as_tensor(x)
    shape = x.type.shape
    if shape == ():
        raise ShapeError(f"{op.name}: x must have at least one axis, got {x!r}")
    if axis is None:
        if shape is None or len(shape) != 1:
            raise ShapeError(f"{op.name}: say which axis of {x!r}; only vectors have a single one")
        axis = 0
    axes = axis_attr(op.name, as_index(axis, f"{op.name}: axis"), x)
    attrs = {
        "axis": axes[0] if axes else 0,
        "dtype": result_dtype(op.name, x, dtype),
        "include_initial": flag(include_initial, op.name, "include_initial"),
        "reverse": flag(reverse, op.name, "reverse"),
    }
    return make_node(op, (x,), attrs, name).outputs[0]


@public
def cumulative_sum(
    x: Any,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
    name: str | None = None,
) -> Tensor:
    """Running sums along `axis`, which a vector need not name.

    dtype: as for `sum`. include_initial: begin with a 0, so that the axis grows by one.
    Raises ShapeError for a 0-d `x` or a missing axis, ArgumentError for an axis out of range.
    """
    return _running(CUMULATIVE_SUM, x, axis, dtype, include_initial, False, name)


@public
def cumulative_prod(
    x: Any,
    *,
    axis: int | None = None,
    dtype: Any = None,
    include_initial: bool = False,
    name: str | None = None,
) -> Tensor:
    """Running products along `axis`, which a vector need not name.

    dtype: as for `prod`. include_initial: begin with a 1, so that the axis grows by one. Zeros are no
    exception for the gradient, at the price of one step after another along the axis.
    Raises ShapeError for a 0-d `x` or a missing axis, ArgumentError for an axis out of range.
    """
    return _running(CUMULATIVE_PROD, x, axis, dtype, include_initial, False, name)


@public
def cumsum(
    x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """`cumulative_sum` as TensorFlow has it. exclusive: of the elements before each; reverse: from the end."""
    return _tensorflow(CUMULATIVE_SUM, x, axis, exclusive, reverse, name)


@public
def cumprod(
    x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """`cumulative_prod` as TensorFlow has it. exclusive: of the elements before each; reverse: from the end."""
    return _tensorflow(CUMULATIVE_PROD, x, axis, exclusive, reverse, name)


def _tensorflow(op: Op, x: Any, axis: int, exclusive: bool, reverse: bool, name: str | None) -> Tensor:
    if not flag(exclusive, op.name, "exclusive"):
        return _running(op, x, axis, None, False, reverse, name)
    with composition(op.default_name if name is None else name):
        reverse = flag(reverse, op.name, "reverse")
        longer = _running(op, x, axis, None, True, reverse, None)
        bounds = (1, None) if reverse else (None, -1)
        result: Tensor = F.strided_slice(longer, **axis_slice(longer.op.attrs["axis"], *bounds))
    return result


# --- linear_recurrence ----------------------------------------------------------------------------


def _infer_recurrence(a: TensorType, b: TensorType, *, axis: int, reverse: bool) -> TensorType:
    normalize_axis(axis, b.rank)
    if a.rank != b.rank or any(dims_equal(m, n) is False for m, n in zip(a.dims, b.dims, strict=True)):
        raise ShapeError(f"a and b must have the same shape, got {a} and {b}")
    return b


def _recurrence_kernel(xp: Any, a: Any, b: Any, *, axis: int, reverse: bool, out: Any = None) -> Any:
    count = b.shape[axis]
    result = xp.empty(b.shape, dtype=b.dtype) if out is None else out
    axis %= b.ndim
    lead = (slice(None),) * axis
    order = range(count - 1, -1, -1) if reverse else range(count)
    before = None
    for k in order:
        here = (*lead, k, ...)
        result[here] = b[here] if before is None else a[here] * result[before] + b[here]
        before = here
    return result


def _recurrence_nbytes(
    inputs: Sequence[TensorType], outputs: Sequence[TensorType], *, axis: int, **attrs: Any
) -> int:
    y = outputs[0]
    return 2 * int(y.nbytes or 0) // max(int(y.dims[axis]), 1)  # type: ignore[arg-type]  # static by then


def _recurrence_vjp(node: Any, g: Tensor) -> tuple[Tensor, Tensor]:
    """The adjoint runs the other way, with each factor one place further: l[k] = g[k] + a[k+1] l[k+1]."""
    a, y = node.inputs[0], node.outputs[0]
    axis, reverse = node.attrs["axis"], node.attrs["reverse"]
    following = F.roll(F.conj(a), 1 if reverse else -1, axis)
    adjoint = linear_recurrence(following, g, axis, reverse=not reverse)
    taken, placed = ((1, None), (None, -1)) if reverse else ((None, -1), (1, None))
    before = F.strided_slice(y, **axis_slice(axis, *taken))
    shifted = F.strided_slice_grad(before, y, **axis_slice(axis, *placed))
    return adjoint * F.conj(shifted), adjoint


LINEAR_RECURRENCE = declare(
    Op(
        "linear_recurrence",
        _infer_recurrence,
        _recurrence_kernel,
        _recurrence_vjp,
        Trait.OUT,
        flops=lambda inputs, outputs, axis, reverse: 2 * int(outputs[0].size),
        workspace=_recurrence_nbytes,
        doc="y[k] = a[k] y[k-1] + b[k] along an axis.",
    )
)


@public
def linear_recurrence(
    a: Any, b: Any, axis: int = 0, reverse: bool = False, name: str | None = None
) -> Tensor:
    """y[0] = b[0] and y[k] = a[k] * y[k-1] + b[k] along `axis`; from the other end with `reverse`.

    a, b: one floating dtype and shape; the first (with `reverse` the last) factor in `a` is not used.
    One step after another, each over all other axes at once. Its gradient is a recurrence again.
    Raises ShapeError for different shapes, DTypeError for different or non-floating dtypes.
    """
    a, b = as_tensor(a), as_tensor(b)
    if a.type.dtype != b.type.dtype or not is_floating(a.type.dtype):
        raise DTypeError(f"linear_recurrence: a and b must have one floating dtype, got {a!r} and {b!r}")
    axes = axis_attr("linear_recurrence", as_index(axis, "linear_recurrence: axis"), b)
    attrs = {"axis": axes[0] if axes else 0, "reverse": flag(reverse, "linear_recurrence", "reverse")}
    return make_node(LINEAR_RECURRENCE, (a, b), attrs, name).outputs[0]
