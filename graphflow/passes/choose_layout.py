"""Convolutions, pooling and what lies between work in the layout of images that costs the fewest transposes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from graphflow.graph import Node, Tensor
from graphflow.passes.image_layout import (
    FIRST,
    FOLDS,
    IMAGES,
    attrs_in,
    first_cost,
    folds_alike,
    layout_of,
    small_in,
    transposed_cost,
    turned,
    turned_into,
)
from graphflow.passes.match import Now, Plan, Uses, rewrite_planned
from graphflow.passes.minimum_cut import cheapest_choices
from graphflow.subgraph import Subgraph

__all__ = ["choose_layout_fast"]

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
    if not _may_gain(subgraph):
        return subgraph
    uses = Uses(subgraph)
    region = _region(subgraph, uses)
    if region is None:
        return subgraph
    chosen = _chosen(region, uses)
    return subgraph if chosen is None else rewrite_planned(subgraph, _plans(region, chosen))


def _may_gain(subgraph: Subgraph) -> bool:
    """Whether there are images, and any of them is transposed or has channels first."""
    found = turns = False
    for node in subgraph.nodes:
        name = node.op.name
        if name in IMAGES:
            found = True
            turns = turns or (_is_free(node) and layout_of(node) == FIRST)
        elif name == "permute_dims" and not turns:
            turns = bool(turned_into(node))
    return found and turns


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
    costs = [[0, first_cost(node)] for node in region.nodes]
    apart: dict[tuple[int, int], int] = {}
    for node, k in region.nodes.items():
        costs[k][1 - own[k]] += 1  # of choices that are as good, the one that changes less
        for t in dict.fromkeys(map(region.source, region.images[node])):
            maker = region.nodes.get(t.op)
            if maker is None:
                costs[k][1 - region.layout[t]] += transposed_cost(t)
            else:
                apart[maker, k] = transposed_cost(t)
    for t, layout in region.layout.items():
        maker = region.nodes.get(region.source(t).op)
        if maker is not None and _is_wanted(t, region, uses):
            costs[maker][1 - layout] += transposed_cost(t)
    pairs = [(last, first) for last, first in costs]
    chosen = cheapest_choices(pairs, apart)
    if chosen == own or _total(chosen, pairs, apart) > WORTH * _total(own, pairs, apart):
        return None
    return chosen


def _total(layouts: list[int], costs: list[tuple[int, int]], apart: dict[tuple[int, int], int]) -> int:
    total = sum([pair[layout] for pair, layout in zip(costs, layouts, strict=True)])
    return total + sum([cost for (a, b), cost in apart.items() if layouts[a] != layouts[b]])


def _is_wanted(t: Tensor, region: _Region, uses: Uses) -> bool:
    """Whether an image is needed as the program has it: fetched, or by a node that works in one layout only."""
    if t.op in uses.kept:
        return True
    for reader in uses.of(t):
        if reader not in region.turns and not any(x is t for x in region.images.get(reader, ())):
            return True
    return False


# --- the rewrite ------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Layouts:
    """Images as they are made now: those of nodes that changed, and those turned for others, each once."""

    region: _Region
    chosen: list[int]
    made: dict[Tensor, Tensor] = field(default_factory=dict)
    turned: dict[tuple[Tensor, int], Tensor] = field(default_factory=dict)

    def of(self, source: Tensor) -> int:
        """The layout that an image is made in."""
        maker = self.region.nodes.get(source.op)
        return self.region.layout[source] if maker is None else self.chosen[maker]

    def image(self, like: Node, t: Tensor, layout: int, now: Now) -> Tensor:
        """An image in a layout."""
        source = self.region.source(t)
        base = self.made.get(source)
        base = now(source) if base is None else base
        if self.of(source) == layout:
            return base
        known = self.turned.get((source, layout))
        if known is None:
            known = self.turned[source, layout] = turned(like, base, layout)
        return known

    def build(self, node: Node, now: Now) -> tuple[Tensor]:
        """A node in the layout chosen for it; its result as the program has it, which may be needed by nobody."""
        layout, own = self.chosen[self.region.nodes[node]], self.region.own_layout(node)
        images = self.region.images[node]
        inputs = []
        for t in node.inputs:
            if any(x is t for x in images):
                inputs.append(self.image(node, t, layout, now))
            elif layout != own and _is_carrier(node):
                inputs.append(small_in(node, now(t), layout, images[0].type.rank))
            else:
                inputs.append(now(t))
        depends = node.op.name in IMAGES or node.op.name in FOLDS
        attrs = attrs_in(node, layout) if layout != own and depends else node.attrs
        result = node.rebuilt(tuple(inputs), attrs, ()).outputs[0]
        before = node.outputs[0]
        if before in self.region.layout:
            self.made[before] = result
        return (result if layout == own or not _is_turned(node) else turned(node, result, own),)

    def turn(self, node: Node, layout: int, now: Now) -> tuple[Tensor]:
        """What takes the place of a transpose of an image."""
        return (self.image(node, node.outputs[0], layout, now),)


def _is_turned(node: Node) -> bool:
    """Whether what a node makes has the layout that the node works in."""
    if node.op.name in FOLDS:
        return bool(node.attrs["keepdims"])
    return node.op.name not in IMAGES or IMAGES[node.op.name].result


def _plans(region: _Region, chosen: list[int]) -> dict[Node, Plan]:
    layouts = _Layouts(region, chosen)
    plans: dict[Node, Plan] = {}
    for node, k in region.nodes.items():
        own = region.own_layout(node)
        sources = [(t, region.source(t)) for t in region.images[node]]
        as_before = [layouts.of(s) == region.layout[s] and s is t for t, s in sources]
        if chosen[k] != own or not all(as_before):
            plans[node] = Plan("choose_layout", partial(layouts.build, node))
    for node in region.turns:
        t = node.outputs[0]
        source = region.source(t)
        if layouts.of(source) != region.layout[source]:
            layout = region.layout[t]
            plans[node] = Plan("choose_layout", partial(layouts.turn, node, layout))
    return plans
