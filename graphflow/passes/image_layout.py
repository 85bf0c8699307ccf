"""Which nodes depend on where the channels of images are, the same nodes for the other place, and what either costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphflow.graph import Node, Tensor
from graphflow.passes.match import make
from graphflow.types import normalize_axes

__all__ = [
    "FIRST",
    "FOLDS",
    "IMAGES",
    "LAST",
    "Images",
    "attrs_in",
    "first_cost",
    "folds_alike",
    "layout_of",
    "order_into",
    "small_in",
    "transposed_cost",
    "turned",
    "turned_into",
]

LAST, FIRST = 0, 1
"""[batch, *sizes, channels] and [batch, channels, *sizes]."""


FEW_CHANNELS = 8
"""With fewer channels than this neither layout is better: rows of channels are too short."""

TRANSPOSE, POOLING, CONVOLUTION = 4, 4, 2
"""Costs for each byte of an image: of reading it transposed, and of working on it with the channels first.

Measured with NumPy 2.4 on one core of an EPYC 7003, for 14 to 56 pixels and 16 to 256 channels, against a copy of a
transposed image: pooling with channels first takes 0.3 to 6 copies longer (2 at the median), a convolution or one of
its gradients up to 2 (0.6), a depthwise one 0.1 to 7 (2), and reading a transposed image 1 to 3 longer than reading it.
"""


class Images(NamedTuple):
    """Which operands of an op are images, whether its result is one, and whether its attribute `shape` is that one's."""

    operands: tuple[int, ...]
    result: bool = True
    has_shape: bool = False


IMAGES: Mapping[str, Images] = {
    "avg_pool": Images((0,)),
    "avg_pool_grad": Images((0,), has_shape=True),
    "conv": Images((0,)),
    "conv_filter_grad": Images((0, 1), result=False),
    "conv_transpose": Images((0,), has_shape=True),
    "max_pool": Images((0,)),
    "max_pool_taps": Images((0, 1)),
    "tap_gather": Images((0, 1)),
    "tap_scatter": Images((0, 1), has_shape=True),
}
"""Ops that exist for both layouts. A tap is numbered within its window, which is the same in both."""

FOLDS = ("all", "any", "max", "min", "prod", "sum")
"""Ops that fold axes, whichever those are."""


def layout_of(node: Node) -> int | None:
    """The layout that a node of IMAGES is for; None for windows along other axes, or a shape that is not known yet."""
    images = IMAGES[node.op.name]
    if images.has_shape and node.attrs["shape"] is None:
        return None
    if len(node.inputs) > len(images.operands) + ("channels_first" in node.attrs and images.result):
        return None  # a tensor lends its shape
    first = node.attrs.get("channels_first")
    if first is not None:
        return FIRST if first else LAST
    rank = node.inputs[0].type.rank
    axes = tuple(sorted(normalize_axes(node.attrs["axes"], rank)))
    if axes == tuple(range(1, rank - 1)):
        return LAST
    return FIRST if axes == tuple(range(2, rank)) else None


def order_into(layout: int, rank: int) -> tuple[int, ...]:
    """The axes of an image of the other layout in the order of this one."""
    if layout == LAST:
        return (0, *range(2, rank), 1)
    return (0, rank - 1, *range(1, rank - 1))


def turned_into(node: Node) -> tuple[int, ...]:
    """The layouts that a `permute_dims` may bring images into from the other one: both, for images of one axis."""
    t = node.inputs[0].type
    if t.shape is None or len(t.shape) < 3:
        return ()
    axes = node.attrs["axes"]
    order = tuple(reversed(range(len(t.shape)))) if axes is None else axes
    return tuple([layout for layout in (LAST, FIRST) if order == order_into(layout, len(t.shape))])


def turned(like: Node, t: Tensor, layout: int) -> Tensor:
    """An image of the other layout in this one: a view."""
    order = order_into(layout, t.type.rank)
    if sum([d != 1 for d in t.type.dims]) <= 1:  # the elements stay in their order
        return make(like, "reshape", t, shape=tuple([t.type.dims[k] for k in order]))
    return make(like, "permute_dims", t, axes=order)


def attrs_in(node: Node, layout: int) -> Mapping[str, Any]:
    """The attributes of a node of IMAGES or FOLDS, which is for the other layout, for this one."""
    attrs = dict(node.attrs)
    rank = node.inputs[0].type.rank
    order = order_into(layout, rank)
    if "channels_first" in attrs:
        attrs["channels_first"] = layout == FIRST
    if "axes" in attrs:  # windows lie in the same order along the sizes
        attrs["axes"] = tuple(range(2, rank)) if layout == FIRST else tuple(range(1, rank - 1))
    if node.op.name in FOLDS:
        folded = normalize_axes(attrs["axis"], rank)
        attrs["axis"] = tuple([k for k, axis in enumerate(order) if axis in folded])
    elif IMAGES[node.op.name].has_shape:
        attrs["shape"] = tuple([attrs["shape"][k] for k in order])
    return attrs


def folds_alike(node: Node, layout: int) -> bool:
    """Whether what a node of FOLDS leaves has its axes in the same order for the other layout."""
    if node.attrs["keepdims"]:
        return True
    rank = node.inputs[0].type.rank
    left = [k for k in range(rank) if k not in normalize_axes(node.attrs["axis"], rank)]
    channels = 1 if layout == FIRST else rank - 1
    return channels not in left or all(k in (0, channels) for k in left)


def small_in(like: Node, t: Tensor, layout: int, rank: int) -> Tensor:
    """A tensor that is broadcast against an image of the other layout, for an image of this one."""
    dims = t.type.dims
    if all(d == 1 for d in dims):
        return t
    if len(dims) < rank:
        t = make(like, "reshape", t, shape=(*([1] * (rank - len(dims))), *dims))
    return turned(like, t, layout)


# --- costs ------------------------------------------------------------------------------------------


def first_cost(node: Node) -> int:
    """What a node costs more with the channels first."""
    if node.op.name not in IMAGES:
        return 0
    x = node.inputs[0].type
    channels = x.dims[1] if layout_of(node) == FIRST else x.dims[-1]
    if channels < FEW_CHANNELS:  # type: ignore[operator]  # an int
        return 0
    plain = "groups" in node.attrs and node.attrs["groups"] is not None
    return (CONVOLUTION if plain else POOLING) * (x.nbytes or 0)


def transposed_cost(t: Tensor) -> int:
    """What it costs to read an image in the other layout than it has; nothing where it repeats a few numbers."""
    return 0 if t.op.op.name in ("broadcast_to", "full") else TRANSPOSE * (t.type.nbytes or 0)
