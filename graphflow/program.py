"""The flat program that runs: slots that hold values, instructions over them, and nothing else.

A program has no links into the graph: it can be printed, compared and pickled. What a node is
called and where the user made it travels as a `Place`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from graphflow.op import Op
from graphflow.types import TensorType

__all__ = ["Instruction", "Kind", "Place", "Program", "Slot"]


class Kind(enum.Enum):
    """How a slot gets its bytes."""

    FEED = "feed"  # the caller's array, by reference
    COPIED_FEED = "copied feed"  # a small feed, copied into the arena
    CONSTANT = "constant"
    VARIABLE = "variable"  # the session's storage
    COUNTER = "counter"  # how often a random op ran in this session: int64[], advanced at each commit
    BUFFER = "buffer"  # planned bytes of the arena
    VIEW = "view"  # the bytes of another slot
    DYNAMIC = "dynamic"  # an array that the kernel allocates


class Place:
    """Name of a node and where the user made it; decoded only when it is shown."""

    __slots__ = ("_node", "_texts")

    def __init__(self, node: Any = None, texts: tuple[str, str, str] | None = None) -> None:
        self._node = node
        self._texts = texts

    @property
    def texts(self) -> tuple[str, str, str]:
        """(name, `model.py:41`, the whole sentence)."""
        if self._texts is None:
            node = self._node
            self._texts = (node.name, str(node.origin), node.place)
        return self._texts

    @property
    def name(self) -> str:
        """The node's name."""
        return self._node.name if self._texts is None else self._texts[0]

    def __str__(self) -> str:
        return self.texts[2]

    def __reduce__(self) -> Any:
        return Place, (None, self.texts)


class Slot(NamedTuple):
    """One value of a program.

    type: concrete, but for sizes that depend on data. device: where the bytes are.
    nbytes: of its own, 0 for views; None where the size depends on data.
    offset: bytes from the arena's start, for buffers and copied feeds, else -1.
    base: the slot a view shares bytes with, else -1. value: a constant's array.
    key: what the session's storage is kept under, for variables and counters (a node's full name).
    place: of the source that gives the value, for feeds, constants and variables.
    """

    kind: Kind
    type: TensorType
    device: str
    nbytes: int | None
    offset: int = -1
    base: int = -1
    value: Any = None
    key: str = ""
    place: Place | None = None


class Instruction(NamedTuple):
    """One kernel call: `outputs = op(inputs)`, then the slots in `frees` are no longer needed.

    bodies: the programs of a control-flow op's sub-graphs. used: which outputs anything needs.
    workspace_nbytes: hidden temporary bytes of the kernel. is_view: the output shares the input's bytes.
    reads, makes: the values that the input slots hold when it runs, and the output slots afterwards, as numbers:
        a slot may hold one value after another. A value made by an instruction is numbered from 0; what is in slot s
        before the run (a feed, a constant, a variable, a counter) is -1 - s.
    lane: which thread runs it. waits: instructions of other lanes that must have finished.
    """

    op: Op
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    device: str
    place: Place
    frees: tuple[int, ...] = ()
    bodies: tuple[Program, ...] = ()
    used: tuple[bool, ...] = ()
    workspace_nbytes: int = 0
    is_view: bool = False
    reads: tuple[int, ...] = ()
    makes: tuple[int, ...] = ()
    lane: int = 0
    waits: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """What one run does.

    feeds, fetches: slots, in the caller's order. early_fetches: for each fetch, whether its value is final
        before the commit begins. commit: position of the first instruction after which nothing may fail.
    swaps: (buffer slot, variable slot) copied at the end of the commit.
    variables: (slot, must be initialised before the run, place). written: variable slots with a value afterwards.
    counters: slots advanced by one at each commit.
    arena_nbytes: by device. host: the device of feeds and fetches.
    fetched: the values that the fetched slots hold at the end, numbered as `Instruction.reads`.
    has_symbols: False where no attribute surely speaks of a size that depends on data.
    """

    slots: tuple[Slot, ...]
    instructions: tuple[Instruction, ...]
    feeds: tuple[int, ...]
    fetches: tuple[int, ...]
    early_fetches: tuple[bool, ...]
    commit: int
    swaps: tuple[tuple[int, int], ...]
    variables: tuple[tuple[int, bool, Place], ...]
    written: tuple[int, ...]
    counters: tuple[int, ...]
    arena_nbytes: Mapping[str, int]
    host: str
    fetched: tuple[int, ...] = ()
    has_symbols: bool = True

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device it touches, the host first."""
        device = attrgetter("device")
        return tuple(dict.fromkeys([self.host, *map(device, self.instructions), *map(device, self.slots)]))

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for number, i in enumerate(self.instructions):
            mark = "commit" if number == self.commit else "      "
            outs = ", ".join(self._show(s) for s in i.outputs)
            ins = ", ".join(f"${s}" for s in i.inputs)
            frees = f"  free {', '.join(f'${s}' for s in i.frees)}" if i.frees else ""
            yield f"{mark} {outs} = {i.op.name}({ins}) on {i.device}{frees}  # {i.place.name}"
        for source, target in self.swaps:
            yield f"commit {self._show(target)} <- ${source}"
        yield f"return {', '.join(f'${s}' for s in self.fetches)}; arena {dict(self.arena_nbytes)}"

    def _show(self, number: int) -> str:
        slot = self.slots[number]
        where = (
            f"@{slot.offset}"
            if slot.offset >= 0
            else f"~${slot.base}"
            if slot.base >= 0
            else f":{slot.kind.value}"
        )
        return f"${number}{where} {slot.type}"
