"""What scales and shifts the channels that a convolution or matrix product makes is folded into its weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from graphflow.graph import Node, Tensor
from graphflow.passes.match import Now, Plan, Uses, make, rewrite_planned, scalar
from graphflow.subgraph import Subgraph
from graphflow.types import is_floating

__all__ = ["fold_batch_norm_fast"]

_STEPS = ("add", "divide", "multiply", "negative", "subtract")


def fold_batch_norm_fast(subgraph: Subgraph) -> Subgraph:
    """Scale the weights instead of what they make: batch normalisation with given moments costs one addition, or none.

        %0 = conv(%x, %w) : float32[8, 32, 32, 64]                %0 = multiply(%w, %f)
        %1 = multiply(%0, %f) : float32[8, 32, 32, 64]  becomes   %1 = conv(%x, %0)
        %2 = add(%1, %s) : float32[8, 32, 32, 64]                 %2 = add(%1, %s)

    Takes any chain of additions, multiplications and divisions by tensors that have one number for each channel, or
    one for all: biases, batch normalisation in each of its forms, scales. Rounding changes.
    Runs after bind, as it reads sizes: it fires only if scaling the weights takes fewer operations than are saved.
    Never fires where anything in the chain is needed elsewhere, as the products are in the gradients of a scale that is
    trained, or where moments are those of the products themselves. O(V + E).
    """
    products: dict[Node, None] = {}
    for node in subgraph.nodes:
        if node.op.name in ("divide", "multiply"):
            product = _product_below(node)
            if product is not None and product not in products and _takes_scale(product):
                products[product] = None
    if not products:
        return subgraph
    uses = Uses(subgraph)
    plans: dict[Node, Plan] = {}
    for node in products:
        channel = _channel_axis(node)
        chain = _chain(node, channel, uses)
        if chain is not None:
            plans[chain[-1]] = Plan("fold_batch_norm", _folded(node, chain))
    return rewrite_planned(subgraph, plans)


def _product_below(node: Node) -> Node | None:
    """The convolution or product that a few steps make `node` of: seen without counting who else reads them."""
    if node.inputs[0].type.shape == node.inputs[1].type.shape:
        return None
    for _ in range(8):
        for t in node.inputs:
            if t.op.op.name in ("conv", "matmul"):
                return t.op
        for t in node.inputs:
            if t.op.op.name in _STEPS:
                node = t.op
                break
        else:
            return None
    return None


def _takes_scale(node: Node) -> bool:
    """Whether each channel of what is made has weights of its own, fewer than what is made."""
    w, y = node.inputs[1].type, node.outputs[0].type
    if node.op.name == "matmul" and w.rank != 2:
        return False
    if node.control_inputs or not is_floating(w.dtype) or not w.is_static or not y.is_static:
        return False
    return w.size < y.size  # type: ignore[operator]  # ints


def _channel_axis(node: Node) -> int:
    rank = node.outputs[0].type.rank
    return 1 if node.op.name == "conv" and node.attrs["channels_first"] else rank - 1


# --- the chain ------------------------------------------------------------------------------------


def _chain(node: Node, channel: int, uses: Uses) -> list[Node] | None:
    """The nodes that scale and shift what `node` makes, if it pays to fold them; else None."""
    shape = node.outputs[0].type.dims
    t, chain = node.outputs[0], []
    for step in uses.only_readers(node):
        if step.op.name not in _STEPS or (step.op.name == "divide" and step.inputs[0] is not t):
            break
        other = _other(step, t)
        if other is not None and not _is_of_channels(other, channel, shape):
            break
        chain.append(step)
        t = step.outputs[0]
    scalings = sum(step.op.name in ("divide", "multiply") for step in chain)
    shifts = sum(step.op.name in ("add", "subtract") for step in chain)
    size: int = node.outputs[0].type.size  # type: ignore[assignment]  # static, as was seen
    weights: int = node.inputs[1].type.size  # type: ignore[assignment]
    channels: int = shape[channel]  # type: ignore[assignment]
    saved = (len(chain) - (shifts > 0)) * size
    added = weights + 2 * len(chain) * channels
    return chain if scalings and added < saved else None


def _other(step: Node, t: Tensor) -> Tensor | None:
    """What a step adds or multiplies by."""
    if len(step.inputs) == 1:
        return None
    return step.inputs[1] if step.inputs[0] is t else step.inputs[0]


def _is_of_channels(t: Tensor, channel: int, shape: tuple[object, ...]) -> bool:
    """Whether `t` has size 1 along every axis of what it is broadcast to but that of the channels."""
    dims = t.type.shape
    if dims is None or len(dims) > len(shape):
        return False
    lead = len(shape) - len(dims)
    return all(d == 1 or (lead + k == channel and d == shape[channel]) for k, d in enumerate(dims))


# --- what is built --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Affine:
    """What a chain does to what is made: times `scale`, plus `shift`; None for 1 and 0."""

    scale: Tensor | None = None
    shift: Tensor | None = None

    def step(self, node: Node, t: Tensor, now: Now) -> None:
        """Take one more node of the chain, which reads `t`."""
        name = node.op.name
        if name == "negative":
            self.scale = _minus(node, self.scale, t)
            self.shift = None if self.shift is None else make(node, "negative", self.shift)
            return
        by = _other(node, t)
        assert by is not None
        other = now(by)
        if name in ("divide", "multiply"):
            if self.scale is not None:
                self.scale = make(node, name, self.scale, other)
            else:
                self.scale = other if name == "multiply" else make(node, "reciprocal", other)
            self.shift = None if self.shift is None else make(node, name, self.shift, other)
        elif name == "add" or node.inputs[0] is t:
            if self.shift is not None:
                self.shift = make(node, name, self.shift, other)
            else:
                self.shift = other if name == "add" else make(node, "negative", other)
        else:
            self.scale = _minus(node, self.scale, t)
            self.shift = other if self.shift is None else make(node, "subtract", other, self.shift)


def _minus(node: Node, scale: Tensor | None, t: Tensor) -> Tensor:
    return scalar(node, -1, t.type.dtype) if scale is None else make(node, "negative", scale)


def _folded(product: Node, chain: list[Node]) -> Callable[[Now], tuple[Tensor]]:
    def build(now: Now) -> tuple[Tensor]:
        affine = _Affine()
        t = product.outputs[0]
        for node in chain:
            affine.step(node, t, now)
            t = node.outputs[0]
        x, weights = (now(t) for t in product.inputs)
        assert affine.scale is not None
        scaled = make(chain[-1], "multiply", weights, _over_weights(product, affine.scale, chain[-1]))
        made = product.rebuilt((x, scaled), product.attrs, ()).outputs[0]
        return (made if affine.shift is None else make(chain[-1], "add", made, affine.shift),)

    return build


def _over_weights(product: Node, scale: Tensor, like: Node) -> Tensor:
    """The scale of each channel in the shape that broadcasts with the weights, whose last axes are the channels."""
    dims = scale.type.dims
    if math.prod(dims) == 1:
        shape: tuple[object, ...] = ()
    elif product.op.name == "conv" and product.attrs["groups"] is None:  # depthwise: channel by multiplier
        shape = product.inputs[1].type.dims[-2:]
    else:
        shape = product.inputs[1].type.dims[-1:]
    return scale if dims == shape else make(like, "reshape", scale, shape=shape)
