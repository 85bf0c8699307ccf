"""Convolutions, pooling and what lies between work in the layout of images that costs the fewest transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from graphflow.graph import Node, Tensor
from graphflow.passes.image_layout import (
    FIRST,
    FOLDS,
    IMAGES,
    LAST,
    attrs_in,
    folds_alike,
    layout_of,
    small_in,
    turned,
    turned_into,
)
from graphflow.passes.match import Now, Plan, Uses, rewrite_planned
from graphflow.passes.minimum_cut import cheapest_choices
from graphflow.subgraph import Subgraph

__all__ = ["choose_layout_fast"]

FEW_CHANNELS = 8
"""With fewer channels than this neither layout is better: rows of channels are too short."""

TRANSPOSE, POOLING, CONVOLUTION = 4, 4, 2
"""Costs for each byte of an image: of reading it transposed, and of working on it with the channels first.

Measured with NumPy 2.4 on one core of an EPYC 7003, for 14 to 56 pixels and 16 to 256 channels, against a copy of a
transposed image: pooling with channels first takes 0.3 to 6 copies longer (2 at the median), a convolution or one of
its gradients up to 2 (0.6), a depthwise one 0.1 to 7 (2), and reading a transposed image 1 to 3 longer than reading it.
"""

WORTH = 0.9
"""Layouts are changed if what they cost then is at most this part of what they cost now."""


def choose_layout_fast(subgraph: Subgraph) -> Subgraph:
    """Bring chains of convolutions and pooling into one layout, and transpose images only where that is cheapest.

        %0 = permute_dims(%x, axes=(0, 3, 1, 2))
        %1 = conv(%0, %w, channels_first=True)              %0 = conv(%x, %w, channels_first=False)
        %2 = relu(%1)                              becomes  %1 = relu(%0)
        %3 = permute_dims(%2, axes=(0, 2, 3, 1))

    Each node that depends on the layout, or that only works element by element on images, is for channels first or
    last, and transposes stand between two that differ. Which choice of all costs least is found exactly, by a minimum
    cut. Channels last are preferred where NumPy is faster with them.
    Rounding changes: convolutions and folds add in another order, and loops over other strides may round functions
    otherwise. Runs after bind, as it reads sizes, and after likes are resolved. What is fetched, fed or needed by other
    nodes keeps its layout. O(V + E), and a minimum cut over the nodes of images.
    """
    if not any(node.op.name in IMAGES for node in subgraph.nodes):
        return subgraph
    uses = Uses(subgraph)
    region = _region(subgraph, uses)
    if region is None or not region.may_gain:
        return subgraph
    chosen = _chosen(region, uses)
    return subgraph if chosen is None else rewrite_planned(subgraph, _plans(region, chosen))


# --- images -----------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Region:
    """The nodes that can work in either layout, in order, and the layout of every image as the program has it.

    images: of each node, the operands that are images. turns: nodes that only bring an image into the other layout.
    """

    nodes: dict[Node, int] = field(default_factory=dict)
    layout: dict[Tensor, int] = field(default_factory=dict)
    images: dict[Node, tuple[Tensor, ...]] = field(default_factory=dict)
    turns: dict[Node, None] = field(default_factory=dict)

    @property
    def may_gain(self) -> bool:
        """Whether anything is transposed, or works with channels first."""
        return bool(self.turns) or any(self.own_layout(node) == FIRST for node in self.nodes)

    def own_layout(self, node: Node) -> int:
        """The layout that a node has in the program."""
        return self.layout[self.images[node][0]]

    def source(self, t: Tensor) -> Tensor:
        """The image that `t` is, before it was turned."""
        while t.op in self.turns:
            t = t.op.inputs[0]
        return t


def _region(subgraph: Subgraph, uses: Uses) -> _Region | None:
    """Images are found from the nodes that say their layout, on through elementwise nodes and transposes.

    None where one image would have both layouts.
    """
    region = _Region()
    found: dict[Node, None] = {}
    pending: list[Tensor] = []

    def learn(images: Iterable[Tensor], layout: int) -> bool:
        for t in images:
            known = region.layout.setdefault(t, layout)
            if known != layout:
                return False
            pending.append(t)
        return True

    def join(node: Node, images: tuple[Tensor, ...], layout: int, result: bool) -> bool:
        found[node] = None
        region.images[node] = images
        return learn((*images, *node.outputs) if result else images, layout)

    for node in subgraph.nodes:
        if node.op.name in IMAGES and _is_free(node):
            layout = layout_of(node)
            facts = IMAGES[node.op.name]
            if layout is not None:
                images = tuple([node.inputs[k] for k in facts.operands])
                if not join(node, images, layout, facts.result):
                    return None
    fed, seen = set(subgraph.inputs), set[Tensor]()
    while pending:
        t = pending.pop()
        if t in seen:
            continue
        seen.add(t)
        layout = region.layout[t]
        for node in (*([] if t in fed else [t.op]), *uses.of(t)):
            if node in found or node in region.turns or not _is_free(node):
                continue
            if _is_carrier(node) and node.outputs[0].type.shape == t.type.shape:
                images = tuple([x for x in node.inputs if x.type.shape == t.type.shape])
                if not join(node, images, layout, True):
                    return None
            elif node.op.name == "permute_dims":
                target = 1 - layout if node.inputs[0] is t else layout
                if target in turned_into(node):
                    region.turns[node] = None
                    if not learn(node.inputs, 1 - target) or not learn(node.outputs, target):
                        return None
            elif node.op.name in FOLDS and node.inputs[0] is t and folds_alike(node, layout):
                join(node, node.inputs, layout, False)
    region.nodes = {node: k for k, node in enumerate([n for n in subgraph.nodes if n in found])}
    return region


def _is_carrier(node: Node) -> bool:
    return node.op.is_elementwise or node.op.name in ("identity", "stop_gradient")


def _is_free(node: Node) -> bool:
    """Whether a node may be replaced: of known sizes, and ordered by nothing but its operands."""
    if node.control_inputs or not node.op.is_pure or len(node.outputs) != 1:
        return False
    return all(t.type.is_static for t in (*node.inputs, *node.outputs))


# --- the choice -------------------------------------------------------------------------------------


def _chosen(region: _Region, uses: Uses) -> list[int] | None:
    """The layout of each node, or None where the program's own are about as good."""
    own = [region.own_layout(node) for node in region.nodes]
    costs = [[_own_cost(node, LAST), _own_cost(node, FIRST)] for node in region.nodes]
    apart: dict[tuple[int, int], int] = {}
    for node, k in region.nodes.items():
        for t in dict.fromkeys(map(region.source, region.images[node])):
            cost = _transposed(t)
            maker = region.nodes.get(t.op)
            if maker is None:
                costs[k][1 - region.layout[t]] += cost
            elif maker != k:
                pair = min(maker, k), max(maker, k)
                apart[pair] = apart.get(pair, 0) + cost
    for t, layout in region.layout.items():
        maker = region.nodes.get(region.source(t).op)
        if maker is not None and _is_wanted(t, region, uses):
            costs[maker][1 - layout] += _transposed(t)
    # 1 means another layout than the program's own, so that of equal choices the one that changes least is taken
    flipped = cheapest_choices(
        [(pair[mine], pair[1 - mine]) for pair, mine in zip(costs, own, strict=True)], *_unaligned(apart, own, costs)
    )
    chosen = [mine ^ flip for mine, flip in zip(own, flipped, strict=True)]
    if _total(chosen, costs, apart) > WORTH * _total(own, costs, apart) or chosen == own:
        return None
    return chosen
