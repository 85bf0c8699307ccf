"""`check="nan"`: the node that first made a NaN or an infinity, and what it made it of."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from graphflow.checking.errors import Again, NumericsError
from graphflow.checking.stepping import Scope, Stepped, node_of
from graphflow.errors import GraphflowError
from graphflow.graph import Node
from graphflow.interpret import Functions, compute, interpret, type_of
from graphflow.ops.constant import CONSTANT
from graphflow.profile import Recorder
from graphflow.program import Instruction, Kind, Place, Program
from graphflow.runtime import VariableStore
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, is_floating, substitute

__all__ = ["BOTH", "NanCheck", "first_made"]

Attrs = Mapping[str, Any]
Kinds = tuple[str, ...]

BOTH: Kinds = ("nan", "inf")
"""What is looked for: a NaN, an infinity, or both."""

_TESTS: dict[str, Callable[[Any], Any]] = {"nan": np.isnan, "inf": np.isinf}


def holds(value: Any, kinds: Kinds) -> Kinds:
    """Those of `kinds` that a NumPy array holds. One sum of the array where it holds none."""
    if not is_floating(value.dtype) or not value.size:
        return ()
    with np.errstate(all="ignore"):
        if np.isfinite(np.add.reduce(value, axis=None)):
            return ()
    return tuple([kind for kind in kinds if _TESTS[kind](value).any()])


def made(inputs: Iterable[Any], attrs: Attrs, output: Any, kinds: Kinds) -> Kinds:
    """The kinds that an output holds and that neither an input nor an attribute of its node does."""
    found = holds(output, kinds)
    if not found:
        return ()
    given: set[str] = set()
    for value in inputs:
        given.update(holds(value, found) if isinstance(value, np.ndarray) else ())
    for value in attrs.values():
        if isinstance(value, (float, complex, np.inexact)):
            given.update(holds(np.asarray(value), found))
    return tuple([kind for kind in found if kind not in given])


def first_made(
    subgraph: Subgraph,
    feeds: Sequence[Any],
    state: Mapping[str, Any],
    functions: Functions,
    known: Mapping[int, tuple[Any, ...]] | None = None,
    kinds: Kinds = BOTH,
    scope: Scope = nullcontext,
) -> NumericsError | None:
    """The error of the first node of a subgraph, in its order, that makes one of `kinds`; None where none does.

    Then of the first constant that is a NaN. Arguments as `interpret` takes them.
    """

    def watch(node: Node, attrs: Attrs, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        if node.op.is_view or node.op.name == "assign":
            return
        for k, value in enumerate(outputs):
            found = () if value is None else made(inputs, attrs, value, kinds)
            if found:
                again = partial(_again, node, attrs, k, functions, scope)
                raise _made_error(node, found[0], value, inputs, again)

    try:
        interpret(subgraph, feeds, state, watch=watch, functions=functions, known=known)
    except NumericsError as error:
        return error
    for node in subgraph.nodes:
        if node.op is CONSTANT and "nan" in kinds and holds(node.attrs["value"].array, ("nan",)):
            return _given("constant", Place(node), "nan", node.attrs["value"].array)
    return None


def _again(
    node: Node, attrs: Attrs, k: int, functions: Functions, scope: Scope, inputs: Sequence[Any]
) -> Any:
    """Output `k` of a node, computed of given inputs."""
    with scope():
        return compute(node, inputs, functions=functions, attrs=attrs)[k]


def _made_error(node: Node, kind: str, output: Any, inputs: Sequence[Any], again: Again) -> NumericsError:
    """The error of a node whose output holds what its inputs do not."""
    output = np.asarray(output)
    index, count = _where(kind, output)
    lines = [
        f"'{node.name}' ({node.op.name}) made {_counted(kind, output, index, count)}; its inputs have none"
    ]
    names = [t.name for t in node.inputs] if len(node.inputs) == len(inputs) else [""] * len(inputs)
    lines += [f"    {name} = {_described(value)}" for name, value in zip(names, inputs, strict=True)]
    error = NumericsError(
        "\n".join(lines),
        kind=kind,
        node=node,
        index=index,
        count=count,
        output=output,
        inputs=[np.asarray(v) for v in inputs],
        again=again,
    )
    error.at(node.place)
    return error


def _given(source: str, place: Place | None, kind: str, value: Any) -> NumericsError:
    """The error of a feed, variable or constant that holds what is looked for."""
    index, count = _where(kind, value)
    name = "" if place is None else place.name
    told = _counted(kind, value, index, count)
    words = {
        "feed": f"'{name}' was fed {told}",
        "variable": f"variable '{name}' held {told} before the run",
        "constant": f"constant '{name}' is {told}",
    }
    error = NumericsError(
        words[source],
        source=source,
        kind=kind,
        node=None if place is None else place._node,
        index=index,
        count=count,
        output=np.array(value),
    )
    error.at(str(place))
    return error


def _where(kind: str, value: Any) -> tuple[tuple[int, ...], int]:
    mask = np.asarray(_TESTS[kind](value))
    first = np.unravel_index(int(mask.argmax()), mask.shape) if mask.ndim else ()
    return tuple(int(i) for i in first), int(mask.sum())


def _counted(kind: str, value: Any, index: tuple[int, ...], count: int) -> str:
    if not index:
        return "a NaN" if kind == "nan" else "an infinity"
    return f"{'NaN' if kind == 'nan' else 'infinities'} in {count} of {value.size} elements, the first at {list(index)}"


def _described(value: Any) -> str:
    text = str(type_of(value))
    if not value.size or value.dtype is STRING or value.dtype.kind == "c":
        return text
    low, high = float(value.min()), float(value.max())
    if math.isnan(low):
        return f"{text}, with NaN"
    return f"{text}, from {low:.6g} to {high:.6g}" if value.ndim else f"{text} {low:.6g}"


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
                raise _given("feed", slots[s].place, kind, value)
        for s, needed, place in self.program.variables:
            if needed:
                value = self.host(s)
                for kind in holds(value, self._kinds):
                    raise _given("variable", place, kind, value)
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
                again = partial(_again, node, attrs, k, self.functions, self.scope)
                raise _made_error(node, found[0], np.array(value), inputs, again)

    def _origin(
        self, names: Collection[str], ran: Collection[str] | None, feeds: Sequence[Any]
    ) -> NumericsError | None:
        """The error of the first of the user's nodes that makes one, among those that `names` need.

        ran: names of what has run: what comes before `names` and has not is looked at too. None: not looked at.
        """
        plain = self._plain()
        asked = [n for n in plain.nodes if n.name in names]
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
