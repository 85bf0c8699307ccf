"""A picture before it has coordinates: boxes in nested scopes, edges between them, and a caption.

`collect` makes it from a graph or a plan, `thin` takes out the edges that would spoil it, and
each way of drawing (SVG, DOT) reads only this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Box", "Diagram", "Edge", "Kind", "Panel", "Role", "Tag"]


class Kind(StrEnum):
    """What a box stands for; each has a shape and a colour of its own."""

    INPUT = "input"
    VARIABLE = "variable"
    CONSTANT = "constant"
    OP = "op"
    FUSED = "fused"
    TRANSFER = "transfer"
    CARD = "card"  # a closed scope
    STACK = "stack"  # a run of closed scopes of one structure


class Role(StrEnum):
    """What a tag at a box's side tells."""

    CHIP = "chip"  # a value or a name that is used here, written instead of drawn as an edge
    USES = "uses"  # the other end of chips: how often they are used
    ENTER = "enter"  # the end of a jump
    LEAVE = "leave"  # the start of a jump
    MORE = "more"  # how many tags were left out


@dataclass(frozen=True, slots=True)
class Tag:
    """A short text at the side of a box, in place of an edge that would cross the picture."""

    role: Role
    text: str
    tooltip: str = ""
    after: bool = False  # on the right side: a chip of a later operand, the start of a jump


@dataclass(frozen=True, slots=True)
class Box:
    """A node, or a card that stands for many.

    title: line 1, in bold. aside: follows the title in plain type. detail: line 2, empty for none.
    panel: index of the open scope that it lies in.
    """

    kind: Kind
    title: str
    aside: str = ""
    detail: str = ""
    tooltip: str = ""
    panel: int = 0
    tags: tuple[Tag, ...] = ()
    is_fetch: bool = False
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` uses what `source` gives; both are indices of boxes.

    count: how many edges of the graph it bundles. is_drawn: False where tags tell of it instead; it
    still keeps its target below its source.
    """

    source: int
    target: int
    count: int = 1
    tooltip: str = ""
    is_control: bool = False
    is_transfer: bool = False
    is_critical: bool = False
    is_drawn: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """An open scope; the first panel of a diagram is the paper itself and its own parent."""

    title: str
    aside: str = ""
    parent: int = 0


@dataclass(frozen=True, slots=True)
class Diagram:
    """Everything a picture shows: boxes in the order of the graph; panels after their parents, none empty."""

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    panels: tuple[Panel, ...]
    title: str = ""
    caption: str = ""

    def depths(self) -> list[int]:
        """How many panels each panel lies in; 0 for the paper."""
        depths = [0] * len(self.panels)
        for index, panel in enumerate(self.panels[1:], 1):
            depths[index] = depths[panel.parent] + 1
        return depths

    def parent_of(self, item: int) -> int:
        """The panel around an item: a box by its index, a panel by its index after those of the boxes."""
        panel = item - len(self.boxes)
        return self.boxes[item].panel if panel < 0 else self.panels[panel].parent

    def items(self) -> Iterator[int]:
        """All boxes and all panels but the paper, panels in the place of the first box inside them."""
        seen = {0}
        for index, box in enumerate(self.boxes):
            opened = []
            panel = box.panel
            while panel not in seen:
                seen.add(panel)
                opened.append(panel + len(self.boxes))
                panel = self.panels[panel].parent
            yield from reversed(opened)
            yield index
