"""Broadcasting made explicit: tensors repeated along axes, as views."""

from __future__ import annotations

from typing import Any

from graphflow.errors import GraphflowError, ShapeError, shorten
from graphflow.graph import Tensor, make_node
from graphflow.op import F, Op, Trait, declare, public
from graphflow.ops.arguments import dims_argument, known_shape
from graphflow.ops.constant import as_tensor
from graphflow.ops.like import view_broadcast
from graphflow.types import Dim, Shape, TensorType, dims_equal, shape_from_user
from graphflow.types import broadcast_shapes as common_shape

__all__ = ["broadcast_arrays", "broadcast_shapes", "broadcast_to"]


def _infer_broadcast_to(x: TensorType, *, shape: Shape) -> TensorType:
    lead = len(shape) - x.rank
    fits = lead >= 0 and all(
        (type(d) is int and d == 1) or dims_equal(d, s) is not False
        for d, s in zip(x.dims, shape[lead:], strict=True)
        if not (isinstance(d, Dim) and type(s) is int)
    )
    if not fits:
        raise ShapeError(f"{x} cannot be broadcast to {list(shape)}")
    return TensorType(x.dtype, shape)


def _broadcast_kernel(xp: Any, x: Any, *, shape: tuple[int, ...], out: Any = None) -> Any:
    if out is None:
        return xp.broadcast_to(x, shape)
    xp.copyto(out, x)
    return out


BROADCAST_TO = declare(
    Op(
        "broadcast_to",
        _infer_broadcast_to,
        _broadcast_kernel,
        lambda node, g: (F.sum_to_like(g, node.inputs[0]),),
        Trait.OUT,
        dtype=lambda x, *, shape: TensorType(x.dtype, shape),
        view=view_broadcast,
        default_name="BroadcastTo",
        takes_strings=True,
        doc="Axes of size 1, and missing ones in front, repeated to a given shape.",
    )
)


@public
def broadcast_to(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """`x` repeated to `shape` by the rule of broadcasting; a view, so it costs no memory.

    Raises ShapeError if `x` does not broadcast to that very shape.
    """
    attrs = {"shape": dims_argument(shape, "broadcast_to: shape")}
    return make_node(BROADCAST_TO, (as_tensor(x),), attrs, name).outputs[0]


@public
def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """All arguments broadcast to their common shape, as a tuple. Raises ShapeError if there is none."""
    tensors = [as_tensor(a) for a in arrays]
    shapes = [known_shape(t) for t in tensors]
    known = [s for s in shapes if s is not None]
    if not tensors:
        return ()
    if len(known) == len(tensors):
        try:
            target = common_shape(*known)
        except ShapeError:
            listed = ", ".join(str(t.type) for t in tensors)
            raise ShapeError(f"broadcast_arrays: {shorten(listed, 200)} have no common shape") from None
        return tuple([t if t.type.shape == target else F.broadcast_to_like(t, *tensors) for t in tensors])
    return tuple([F.broadcast_to_like(t, *tensors[:k], *tensors[k + 1 :]) for k, t in enumerate(tensors)])


@public
def broadcast_shapes(*shapes: Any) -> tuple[int | Dim | None, ...]:
    """The shape to which shapes broadcast, as a tuple; () for none. Needs no tensors.

    shapes: of ints, named dimensions, and None for what is not known. Raises ShapeError where they do not fit.
    """
    try:
        known = [shape_from_user(shape, unknown=True) for shape in shapes]
        result = common_shape(*known) if known else ()
    except GraphflowError as error:
        raise ShapeError(f"broadcast_shapes: {error}") from None
    return tuple([None if isinstance(d, Dim) and d.is_anonymous else d for d in result])
