"""A loaded program that can be looked into: one instruction at a time, and as if nothing had run when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from graphflow.checking.lifetimes import arena_bytes, meets, roots
from graphflow.graph import Node
from graphflow.interpret import Functions, kernel_of
from graphflow.op import Op
from graphflow.profile import Recorder
from graphflow.program import Instruction, Program
from graphflow.runtime import Executable, VariableStore
from graphflow.subgraph import Subgraph

__all__ = ["Scope", "Stepped", "host_functions", "node_of"]

Scope = Callable[[], AbstractContextManager[Any]]


def node_of(i: Instruction) -> Node | None:
    """The node that an instruction was made of; None where the program was unpickled."""
    node: Node | None = i.place._node
    return node


class Stepped(Executable):
    """An Executable that runs instruction by instruction on one lane, and calls `before` and `after` around each.

    The calls are those of Executable, on the planned bytes. A run that raises, in the commit too, leaves variables and
    counters as they were: it keeps a copy of those that it writes. `known` collects what nodes with effects gave.
    """

    def __init__(
        self,
        program: Program,
        backend_of: Callable[[str], Any],
        store: VariableStore,
        threads: int | None = None,
    ) -> None:
        self.known: dict[int, tuple[Any, ...]] = {}
        self.rehearsing = False  # whether runs leave variables and counters as they were
        self.root = roots(program)
        on_one_lane = tuple([i._replace(lane=0, waits=()) for i in program.instructions])
        super().__init__(replace(program, instructions=on_one_lane), backend_of, store, threads)
        self._quick_feeds = None  # a small step would be walked in one go

    # --- one instruction ---

    def before(self, number: int, i: Instruction) -> None:
        """Called before instruction `number` runs."""

    def after(self, number: int, i: Instruction) -> None:
        """Called after instruction `number` has run."""

    def _bind(self, number: int, i: Instruction) -> list[tuple[Any, ...]]:
        return [(self._step, number, i, super()._bind(number, i))]

    def _ready(self, i: Instruction) -> None:
        """Nothing: every call goes through `_step`, and what an interrupt leaves half done is undone."""

    def _step(self, number: int, i: Instruction, calls: list[tuple[Any, ...]]) -> None:
        self.before(number, i)
        for function, *arguments in calls:
            function(*arguments)
        node = node_of(i)
        if i.op.has_effect and node is not None:
            self.known[node.id] = tuple([self.host(s, copy=True) for s in i.outputs])
        self.after(number, i)

    def host(self, slot: int, *, copy: bool = False) -> Any:
        """The value in a slot as a NumPy array; None where there is none."""
        value = self._env[slot]
        if value is None:
            return None
        if isinstance(value, np.ndarray):
            return np.array(value, order="C") if copy else value
        return self._backends[self.program.slots[slot].device].to_host(value)

    def overwrites(self, i: Instruction) -> tuple[int, ...]:
        """Which inputs, by place, are on bytes that the instruction's own outputs take."""
        if i.is_view:
            return ()
        targets = [self.root[s] for s in i.outputs]
        taken = [arena_bytes(self.program, s) for s in targets]

        def is_hit(source: int) -> bool:
            mine = arena_bytes(self.program, source)
            return source in targets or any(meets(mine, other) for other in taken)

        return tuple([k for k, s in enumerate(i.inputs) if is_hit(self.root[s])])

    # --- one run ---

    def run(self, feeds: Sequence[Any], recorder: Recorder | None = None) -> list[Any]:
        """As Executable.run, between `begin` and `end`."""
        self.known = {}
        kept = self._keep()
        initialized = set(self._store.initialized)
        try:
            self._check_initialized()
            self.begin(feeds)
            results = super().run(feeds, recorder)
            self.end(feeds, results)
            if self.rehearsing:
                self._restore(kept, initialized)
        except BaseException:
            self._restore(kept, initialized)
            raise
        return results

    def _keep(self) -> dict[int, Any]:
        kept = {}
        for s in dict.fromkeys((*self.program.written, *self.program.counters)):
            kept[s] = self._backends[self.program.slots[s].device].copy(self._env[s])
        return kept

    def _restore(self, kept: Mapping[int, Any], initialized: set[str]) -> None:
        for s, value in kept.items():
            self._backends[self.program.slots[s].device].copy_into(self._env[s], value)
        self._store.initialized.intersection_update(initialized)
        self._written = [self.program.slots[s].key for s in self.program.written]

    def begin(self, feeds: Sequence[Any]) -> None:
        """Called before each run, when all that it reads has a value."""

    def end(self, feeds: Sequence[Any], results: list[Any]) -> None:
        """Called after each run; what it raises undoes the run."""

    # --- what an interpreter needs to repeat the run ---

    def state(self, subgraph: Subgraph) -> dict[str, Any]:
        """Values of the variables and counters of a subgraph, as they are now, as NumPy arrays."""
        found = {}
        for node in subgraph.nodes:
            name, key = node.op.name, node.name
            if name not in ("variable", "draw_counter") or key not in self._store.arrays:
                continue
            if name == "draw_counter" or key in self._store.initialized:
                found[key] = self._on_host(self._store.arrays[key])
        return found

    def _on_host(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return np.array(value, order="C")
        backends = [b for b in self._backends.values() if b.xp is not np]
        return backends[0].to_host(value)

    @property
    def functions(self) -> Functions:
        """The kernels of this program's host, by which an interpretation gets the bits of a run."""
        return host_functions(self._host)

    @property
    def scope(self) -> Scope:
        """What kernels run in: without it, products may round otherwise. It holds nothing of the program."""
        return partial(_entered, tuple(self._scopes))


@contextmanager
def _entered(scopes: Sequence[AbstractContextManager[Any]]) -> Iterator[None]:
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(scope)
        yield


def host_functions(backend: Any) -> Functions:
    """The functions of a backend whose arrays are NumPy's; the ops' own kernels for any other."""
    if backend.xp is not np:
        return kernel_of

    def find(op: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
        return kernel_of(op, attrs) if op.kernel is None else backend.function(op, attrs)

    return find
