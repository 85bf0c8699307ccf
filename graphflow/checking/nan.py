"""`check="nan"`: the node that first made a NaN or an infinity, and what it made it of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphflow.checking.numerics import (
    BOTH,
    Kinds,
    first_made,
    given_error,
    holds,
    made,
    made_again,
    made_error,
)
from graphflow.checking.stepping import Stepped, node_of
from graphflow.errors import GraphflowError, NumericsError
from graphflow.graph import Node
from graphflow.profile import Recorder
from graphflow.program import Instruction, Kind, Program
from graphflow.runtime import VariableStore
from graphflow.subgraph import Subgraph
from graphflow.types import substitute

__all__ = ["NanCheck"]


class NanCheck(Stepped):
    """A loaded program that raises NumericsError at the first instruction that makes a NaN or an infinity.

    kinds: what is looked for. plain: gives the bound subgraph as the user wrote it; asked when something was found.
    Feeds and variables are looked at first. What the program that runs has met is looked for again, by the
    interpreter, in the user's own nodes: in those that the instruction's value is computed from, and in those before
    it that had not run yet; the first one in the order of the program is told. Where none of them makes it, so that
    the optimiser did, the instruction's own node is told.
    Constants of infinity are meant, and their users hand them on; constants of NaN are told if a value meets them.
    Cost: a sum of every value, and a copy of every value that a kernel overwrites.
    """

    def __init__(
        self,
        program: Program,
        backend_of: Callable[[str], Any],
        store: VariableStore,
        threads: int | None,
        plain: Callable[[], Subgraph],
        kinds: Kinds = BOTH,
    ) -> None:
        super().__init__(program, backend_of, store, threads)
        self._plain = plain
        self._kinds = kinds
        self._inputs: list[Any] = []
        self._taken = [self.overwrites(i) for i in self.program.instructions]
        slots = self.program.slots
        self._odd = {
            s.place.name
            for s in slots
            if s.kind is Kind.CONSTANT and s.place is not None and holds(np.asarray(s.value), kinds)
        }
        self._done = -1  # the instruction that made one

    def run(self, feeds: Sequence[Any], recorder: Recorder | None = None) -> list[Any]:
        """As Executable.run. Raises NumericsError; variables are then as before."""
        self._done = -1
        try:
            return super().run(feeds, recorder)
        except NumericsError as met:
            if self._done < 0:  # a feed, a variable or a constant
                raise
            ran = self.program.instructions[: self._done]
            names = _names(self.program.instructions[self._done])
            first = self._origin(names, {name for i in ran for name in _names(i)}, feeds)
            raise (met if first is None else first) from None
        finally:
            self._inputs = []

    def begin(self, feeds: Sequence[Any]) -> None:
        slots = self.program.slots
        for value, s in zip(feeds, self.program.feeds, strict=True):
            for kind in holds(np.asarray(value), self._kinds):
                raise given_error("feed", slots[s].place, kind, value)
        for s, needed, place in self.program.variables:
            if needed:
                value = self.host(s)
                for kind in holds(value, self._kinds):
                    raise given_error("variable", place, kind, value)
        if self._odd:
            self._look_at_constants(feeds)

    def _look_at_constants(self, feeds: Sequence[Any]) -> None:
        """Tell the node that a constant was folded of; a constant of infinity that the user wrote is let through."""
        first = self._origin(self._odd, None, feeds)
        if first is not None:
            raise first
        self._odd = set()

    def before(self, number: int, i: Instruction) -> None:
        taken = self._taken[number]
        self._inputs = [
            self.host(s, copy=True) if k in taken else self._env[s] for k, s in enumerate(i.inputs)
        ]

    def after(self, number: int, i: Instruction) -> None:
        if i.is_view or i.op.name in ("assign", "transfer"):
            return
        for k, s in enumerate(i.outputs):
            value = self.host(s)
            if value is None or not holds(value, self._kinds):
                continue
            backend = self._backends[i.device]
            inputs = [v if isinstance(v, np.ndarray) else backend.to_host(v) for v in self._inputs]
            found = made(inputs, i.attrs, value, self._kinds)
            node = node_of(i)
            if found and node is not None:
                self._done = number
                attrs = {key: substitute(v, self._sizes) for key, v in i.attrs.items()}
                again = partial(made_again, node, attrs, k, self.functions, self.scope)
                raise made_error(node, found[0], np.array(value), inputs, again)

    def _origin(
        self, names: Collection[str], ran: Collection[str] | None, feeds: Sequence[Any]
    ) -> NumericsError | None:
        """The error of the first of the user's nodes that makes one, among those that `names` need.

        ran: names of what has run: what comes before `names` and has not is looked at too. None: not looked at.
        """
        plain = self._plain()
        asked = [n for n in plain.nodes if n.name in names]
        if not asked:  # of a body that the optimiser took apart: what has it makes it
            asked = [n for n in plain.nodes if n.op.is_control and not _inside(n).isdisjoint(names)]
        if not asked:
            return None
        last = plain.nodes.index(asked[-1])
        if ran is not None:
            asked += [n for n in plain.nodes[:last] if n.name not in ran]
        nodes = _repeatable(plain, asked, self.known)
        fed = [np.asarray(v, t.type.dtype) for t, v in zip(plain.inputs, feeds, strict=True)]
        try:
            with self.scope():
                return first_made(
                    Subgraph(nodes, plain.inputs, ()),
                    fed,
                    self.state(plain),
                    self.functions,
                    self.known,
                    self._kinds,
                    self.scope,
                )
        except GraphflowError:  # what had not run yet may fail for a reason of its own
            return None


def _names(i: Instruction) -> tuple[str, ...]:
    """The names of the nodes that an instruction computes."""
    return (i.place.name, *getattr(i.attrs.get("body"), "names", ()))


def _inside(node: Node) -> set[str]:
    """The names of all nodes in the bodies of a node, and in theirs."""
    found: set[str] = set()
    stack = [node]
    while stack:
        for body in stack.pop().attrs.get("bodies", ()):
            found.update([n.name for n in body.nodes])
            stack.extend([n for n in body.nodes if n.op.is_control])
    return found


def _repeatable(subgraph: Subgraph, roots: Iterable[Node], known: Mapping[int, Any]) -> tuple[Node, ...]:
    """What `roots` need, in order, without what would have an effect once more, and what needs that."""
    fed = set(subgraph.inputs)
    needed: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack.extend([t.op for t in node.inputs if t not in fed])
    lost: set[Node] = set()
    kept = []
    for node in subgraph.nodes:
        if node not in needed:
            continue
        if (node.op.has_effect and node.id not in known) or any(
            t.op in lost for t in node.inputs if t not in fed
        ):
            lost.add(node)
        else:
            kept.append(node)
    return tuple(kept)
