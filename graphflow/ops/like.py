"""Shapes taken from another tensor: what gradients need to undo broadcasting and reshaping.

The second operand lends its shape alone: no gradient flows to it and its value is never read.
Where the shape is known when the node is built, plain `sum`, `broadcast_to` and `reshape` are made
instead, which depend on nothing else.
"""

from __future__ import annotations

from typing import Any

from graphflow.errors import ShapeError
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import known_shape, typed
from graphflow.ops.cast import numpy_dtype
from graphflow.ops.constant import as_tensor
from graphflow.ops.reduction import accumulate
from graphflow.ops.views import broadcast_strides, is_row_major, put
from graphflow.types import TensorType, broadcast_shapes, dim_product, dims_equal

__all__ = ["broadcast_to_like", "reshape_like", "sum_to_like", "view_broadcast"]


# --- sum_to_like ----------------------------------------------------------------------------------


def _infer_sum_to(g: TensorType, like: TensorType) -> TensorType:
    gs, xs = g.dims, like.dims
    lead = len(gs) - len(xs)
    if lead < 0:
        raise ShapeError(f"{g} has fewer axes than {like}")
    for a, b in zip(gs[lead:], xs, strict=True):
        if not (type(b) is int and b == 1) and dims_equal(a, b) is False:
            raise ShapeError(f"{g} is no broadcast of {like}")
    return TensorType(g.dtype, xs)


def _sum_to_kernel(xp: Any, g: Any, like: Any, *, out: Any = None) -> Any:
    lead = g.ndim - like.ndim
    axes = (*range(lead), *[lead + k for k, d in enumerate(like.shape) if d == 1 != g.shape[lead + k]])
    if not axes:
        return put(xp, g, out)
    inner = (
        None if out is None else xp.reshape(out, tuple([d for k, d in enumerate(g.shape) if k not in axes]))
    )
    total = accumulate(xp, xp.sum, g, numpy_dtype(g), axis=axes, keepdims=False, out=inner)
    return xp.reshape(total, like.shape) if out is None else out


SUM_TO_LIKE = declare(
    Op(
        "sum_to_like",
        _infer_sum_to,
        _sum_to_kernel,
        lambda node, g: (F.broadcast_to_like(g, node.inputs[0]), None),
        Trait.REDUCTION | Trait.OUT,
        dtype=lambda g, like: TensorType(g.dtype, like.shape),
        flops=lambda inputs, outputs: int(inputs[0].size),
        doc="Broadcasting undone: summed down to the shape of another tensor.",
    )
)


@public
def sum_to_like(g: Any, like: Any, name: str | None = None) -> Tensor:
    """`g` summed over the axes along which a tensor of the shape of `like` was broadcast to that of `g`.

    g: any shape to which `like` broadcasts. Returns g's dtype and like's shape. Where both shapes tell now
    which axes those are, the result is a `sum`, or `g` itself if there are none.
    Raises ShapeError if `like` does not broadcast to `g`.
    """
    grad, pattern = as_tensor(g), as_tensor(like)
    gs, xs = grad.type.shape, pattern.type.shape
    if gs is not None and xs is not None and len(gs) >= len(xs):
        lead = len(gs) - len(xs)
        axes = list(range(lead))
        ones = []
        for k, (a, b) in enumerate(zip(gs[lead:], xs, strict=True)):
            if dims_equal(a, b):
                continue
            if not (type(b) is int and b == 1):
                break
            axes.append(lead + k)
            ones.append(k)
        else:
            if not axes:
                return grad
            total: Tensor = F.sum(grad, axis=tuple(axes), name=None if ones else name)
            if ones:
                total = F.expand_dims(total, tuple(ones), name=name)
            return total
    return make_node(SUM_TO_LIKE, (grad, pattern), {}, name).outputs[0]


# --- broadcast_to_like ----------------------------------------------------------------------------


def view_broadcast(x: TensorType, y: TensorType, attrs: Any, contiguous: bool) -> bool:
    return contiguous and is_row_major(y.dims, broadcast_strides(x.dims, y.dims))


def _broadcast_like_kernel(xp: Any, x: Any, *likes: Any, out: Any = None) -> Any:
    if out is not None:
        xp.copyto(out, x)
        return out
    dims = broadcast_shapes(x.shape, *[like.shape for like in likes])
    return xp.broadcast_to(x, tuple([int(d) for d in dims]))  # type: ignore[arg-type]  # arrays have ints


BROADCAST_TO_LIKE = declare(
    Op(
        "broadcast_to_like",
        lambda x, *likes: typed(x.dtype, broadcast_shapes(x.dims, *[like.dims for like in likes])),
        _broadcast_like_kernel,
        lambda node, g: (F.sum_to_like(g, node.inputs[0]), *[None] * (len(node.inputs) - 1)),
        Trait.OUT,
        view=view_broadcast,
        doc="Repeated along axes to the shape that it broadcasts to together with other tensors.",
    )
)


@public
def broadcast_to_like(x: Any, *likes: Any, name: str | None = None) -> Tensor:
    """`x` broadcast to the common shape of `x` and all `likes`, of which only the shapes matter.

    Raises ShapeError if the shapes do not broadcast.
    """
    x = as_tensor(x)
    others = [as_tensor(like) for like in likes]
    shapes = [known_shape(t) for t in (x, *others)]
    if all(s is not None for s in shapes):
        target = broadcast_shapes(*shapes)  # type: ignore[arg-type]  # none is None
        if not any(getattr(d, "is_anonymous", False) for d in target):
            return F.broadcast_to(x, target, name=name)  # type: ignore[no-any-return]
    return make_node(BROADCAST_TO_LIKE, (x, *others), {}, name).outputs[0]


# --- reshape_like ---------------------------------------------------------------------------------


def _infer_reshape_like(x: TensorType, like: TensorType) -> TensorType:
    if dims_equal(dim_product(x.dims), dim_product(like.dims)) is False:
        raise ShapeError(
            f"{x} has {x.size} elements and cannot take the shape of {like}, which has {like.size}"
        )
    return TensorType(x.dtype, like.dims)


def _reshape_like_kernel(xp: Any, x: Any, like: Any, *, out: Any = None) -> Any:
    if out is None:
        return xp.reshape(x, like.shape)
    xp.copyto(xp.reshape(out, x.shape), x)
    return out


RESHAPE_LIKE = declare(
    Op(
        "reshape_like",
        _infer_reshape_like,
        _reshape_like_kernel,
        lambda node, g: (F.reshape_like(g, node.inputs[0]), None),
        Trait.OUT,
        dtype=lambda x, like: TensorType(x.dtype, like.shape),
        view=lambda x, y, attrs, contiguous: True if contiguous else None,
        doc="The elements in the same order, in the shape of another tensor.",
    )
)


@public
def reshape_like(x: Any, like: Any, name: str | None = None) -> Tensor:
    """`x` reshaped to the shape of `like`. Raises ShapeError if their numbers of elements differ."""
    tensor, pattern = as_tensor(x), as_tensor(like)
    if tensor.type.shape is not None and tensor.type.shape == pattern.type.shape:
        return tensor
    target = known_shape(pattern)
    if target is not None:
        result: Tensor = F.reshape(tensor, target, name=name)
        return result
    return make_node(RESHAPE_LIKE, (tensor, pattern), {}, name).outputs[0]
