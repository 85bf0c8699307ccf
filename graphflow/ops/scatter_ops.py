"""The ops that write by integer index: into zeros, into a copy, along an axis; adjoints of those that pick.

Repeated indices are combined in the order of the indices: see `scatter_kernels.py` for how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphflow.graph import Tensor, apply
from graphflow.op import OPS, F, Op, Trait, declare
from graphflow.ops.arguments import known_shape, typed
from graphflow.ops.flat_index import must_broadcast, must_equal, picked_type
from graphflow.ops.scatter_kernels import count_of, scatter_any, scatter_workspace, take_last
from graphflow.ops.ufunc import unbroadcast
from graphflow.types import Shape, TensorType, normalize_axis

__all__ = ["SCATTER_ND", "scatter_add_like", "scatter_along_like", "scatter_at"]

# --- into zeros -----------------------------------------------------------------------------------


def _split_like(inputs: Sequence[Any], shape: Any) -> tuple[Sequence[Any], Any]:
    """The indices, and what lends its shape: the last input where the shape is no attribute."""
    return (inputs, None) if shape is not None else (inputs[:-1], inputs[-1])


def _infer_scatter_nd(updates: TensorType, *rest: TensorType, axis: int, shape: Shape | None) -> TensorType:
    indices, like = _split_like(rest, shape)
    result = typed(updates.dtype, like.dims if shape is None else shape)
    must_equal(updates, picked_type(result, indices, axis).dims, "updates")
    return result


def _scatter_nd(xp: Any, updates: Any, *rest: Any, axis: int, shape: Shape | None, out: Any = None) -> Any:
    indices, like = _split_like(rest, shape)
    full = tuple([int(d) for d in (like.shape if shape is None else shape)])  # type: ignore[arg-type]
    first = axis % len(full)
    sizes = full[first : first + len(indices)]
    return scatter_any(xp, "scatter_nd", full, updates, indices, sizes, first, "add", out)


SCATTER_ND = declare(
    Op(
        "scatter_nd",
        _infer_scatter_nd,
        _scatter_nd,
        lambda node, g: (
            picked(g, _split_like(node.inputs[1:], node.attrs["shape"])[0], node.attrs["axis"]),
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.OUT | Trait.FALLIBLE,
        dtype=lambda updates, *rest, axis, shape: (TensorType(updates.dtype, shape),),
        flops=lambda inputs, outputs, axis, shape: int(inputs[0].size),
        workspace=lambda inputs, outputs, axis, shape: scatter_workspace(
            _split_like(inputs[1:], shape)[0], inputs[0], outputs[0].dims, axis % outputs[0].rank, "add"
        ),
        doc="Updates added up at their indices, in order, in a tensor of zeros.",
    )
)


def picked(x: Tensor, indices: Sequence[Tensor], axis: int) -> Tensor:
    """`x` at indices that were checked before."""
    return apply(OPS["take"], x, *indices, axis=axis)  # type: ignore[no-any-return]


def scatter_add_like(x: Tensor, updates: Tensor, indices: Sequence[Tensor], axis: int) -> Tensor:
    """Zeros in the shape of `x` with `updates` added at `indices`: the adjoint of `take`."""
    shape = known_shape(x)
    inputs = (updates, *indices) if shape is not None else (updates, *indices, x)
    return apply(SCATTER_ND, *inputs, axis=axis, shape=shape)  # type: ignore[no-any-return]


# --- into a copy ----------------------------------------------------------------------------------


def _infer_tensor_scatter(
    x: TensorType, updates: TensorType, *indices: TensorType, axis: int, mode: str
) -> TensorType:
    must_broadcast(updates, picked_type(x, indices, axis).dims, "a place")
    return x


def _tensor_scatter(
    xp: Any, x: Any, updates: Any, *indices: Any, axis: int, mode: str, out: Any = None
) -> Any:
    first = axis % x.ndim
    sizes = x.shape[first : first + len(indices)]
    return scatter_any(xp, "tensor_scatter", x, updates, indices, sizes, first, mode, out)


def _tensor_scatter_vjp(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, u, *indices = node.inputs
    axis, mode = node.attrs["axis"], node.attrs["mode"]

    def pick(t: Tensor) -> Tensor:
        return picked(t, indices, axis)

    def total(t: Tensor) -> Tensor:
        return scatter_add_like(x, t, indices, axis)

    if mode == "add":
        grads = g, pick(g)
    elif mode == "sub":
        grads = g, -pick(g)
    elif mode == "update":
        grads = scatter_at(g, F.zeros_like(u), indices, axis, mode), apply(TAKE_LAST, g, *indices, axis=axis)
    elif mode == "mul":
        full = F.broadcast_to_like(u, pick(x))
        grads = _product_grads(F.conj(x), F.conj(full), g, indices, axis)
    else:  # ties share the gradient evenly, as in TensorFlow
        y = node.outputs[0]
        at_x, at_u = F.cast(F.equal(x, y), g.dtype), F.cast(F.equal(u, pick(y)), g.dtype)
        share = g / (at_x + total(at_u))
        grads = share * at_x, pick(share) * at_u
    return (grads[0], unbroadcast(grads[1], u), *[None] * len(indices))


def _product_grads(
    x: Tensor, u: Tensor, g: Tensor, indices: Sequence[Tensor], axis: int
) -> tuple[Tensor, Tensor]:
    """For `x * product of updates`: the product of all other updates is found by division, but for zeros.

    Exact to any order unless two or more updates of one place are zero; then to first order.
    """
    zero, one = F.equal(u, 0), F.ones_like(x)
    nonzero = F.where(zero, F.ones_like(u), u)
    product = scatter_at(one, u, indices, axis, "mul")
    zeros = scatter_add_like(x, F.cast(zero, x.dtype), indices, axis)
    only = F.equal(picked(zeros, indices, axis), 1)
    rest = picked(scatter_at(one, nonzero, indices, axis, "mul"), indices, axis)
    others = F.where(zero, F.where(only, rest, F.zeros_like(u)), picked(product, indices, axis) / nonzero)
    return g * product, picked(g * x, indices, axis) * others


TENSOR_SCATTER = declare(
    Op(
        "tensor_scatter",
        _infer_tensor_scatter,
        _tensor_scatter,
        _tensor_scatter_vjp,
        Trait.OUT | Trait.INPLACE_FIRST | Trait.FALLIBLE,
        flops=lambda inputs, outputs, axis, mode: int(inputs[1].size),
        workspace=lambda inputs, outputs, axis, mode: scatter_workspace(
            inputs[2:], inputs[1], outputs[0].dims, axis % outputs[0].rank, mode
        ),
        doc="A copy with updates combined at their indices, in order.",
    )
)


def scatter_at(
    x: Tensor, updates: Tensor, indices: Sequence[Tensor], axis: int, mode: str, name: str | None = None
) -> Tensor:
    """A `tensor_scatter` node."""
    return apply(TENSOR_SCATTER, x, updates, *indices, name=name, axis=axis, mode=mode)  # type: ignore[no-any-return]


# --- what reaches the updates of an overwriting --------------------------------------------------

TAKE_LAST = declare(
    Op(
        "take_last",
        lambda x, *indices, axis: picked_type(x, indices, axis),
        take_last,
        lambda node, g: (
            scatter_at(F.zeros_like(node.inputs[0]), g, node.inputs[1:], node.attrs["axis"], "update"),
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.FALLIBLE,
        flops=lambda inputs, outputs, axis: 0,
        workspace=lambda inputs, outputs, axis: 80 * count_of(inputs[1:]) + 2 * (outputs[0].nbytes or 0),
        doc="`take`, with zeros where a later index picks the same: what reaches the updates of an overwriting.",
    )
)


# --- along an axis --------------------------------------------------------------------------------


def _infer_along(
    updates: TensorType,
    indices: TensorType,
    like: TensorType | None = None,
    *,
    axis: int,
    shape: Shape | None,
) -> TensorType:
    result = typed(updates.dtype, shape if like is None else like.dims)  # type: ignore[arg-type]
    normalize_axis(axis, result.rank)
    return result


def _scatter_along(
    xp: Any, updates: Any, indices: Any, *like: Any, axis: int, shape: Shape | None, out: Any = None
) -> Any:
    full = tuple([int(d) for d in (like[0].shape if like else shape)])  # type: ignore[union-attr, arg-type]
    along = axis % len(full)
    points = []
    for k, size in enumerate(full):
        if k == along:
            points.append(xp.broadcast_to(indices, updates.shape))
        else:
            line = xp.arange(updates.shape[k], dtype=xp.int64) if size != 1 else xp.zeros(1, dtype=xp.int64)
            points.append(xp.reshape(line, (-1, *[1] * (len(full) - 1 - k))))
    return scatter_any(xp, "scatter_along_axis", full, updates, points, full, 0, "add", out)


SCATTER_ALONG = declare(
    Op(
        "scatter_along_axis",
        _infer_along,
        _scatter_along,
        lambda node, g: (
            F.take_along_axis(g, node.inputs[1], node.attrs["axis"]),
            *[None] * (len(node.inputs) - 1),
        ),
        Trait.OUT | Trait.FALLIBLE,
        dtype=lambda updates, *rest, axis, shape: (TensorType(updates.dtype, shape),),
        flops=lambda inputs, outputs, axis, shape: int(inputs[0].size),
        workspace=lambda inputs, outputs, axis, shape: (
            scatter_workspace([inputs[1]] * outputs[0].rank, inputs[0], outputs[0].dims, 0, "add")
            + 8 * (sum(inputs[0].dims) - inputs[0].dims[axis])
        ),
        doc="Updates added up at their indices along one axis, in zeros: the adjoint of `take_along_axis`.",
    )
)


def scatter_along_like(x: Tensor, updates: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Zeros in the shape of `x` with `updates` added at `indices` along `axis`."""
    shape = known_shape(x)
    inputs = (updates, indices) if shape is not None else (updates, indices, x)
    return apply(SCATTER_ALONG, *inputs, axis=axis, shape=shape)  # type: ignore[no-any-return]
