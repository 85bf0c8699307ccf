"""Runs that are looked into: `check="nan"` and `check="reference"`. What users call is in `gf.debug`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphflow.bind import bind, match_feeds
from graphflow.checking.lab import Stage, is_exact
from graphflow.checking.stepping import Stepped
from graphflow.errors import ArgumentError, MismatchError, NumericsError, shorten
from graphflow.graph import Graph
from graphflow.passes.pipeline import run_passes
from graphflow.program import Program
from graphflow.runtime import VariableStore
from graphflow.subgraph import Subgraph, cut
from graphflow.types import Shape, TensorType

__all__ = ["CHECKS", "MismatchError", "NumericsError", "Source", "as_check", "load_checked", "source_of"]

Passes = Sequence[tuple[str, Callable[[Subgraph], Subgraph]]]

CHECKS: dict[str, str] = {
    "nan": "the first node that makes a NaN or an infinity",
    "only_nan": "the first node that makes a NaN",
    "reference": "the first pass or kernel that changes a value",
}
"""What `check=` may be, and what it finds."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a program was made of, asked for when it is needed.

    cut: gives the subgraph as the user wrote it, of symbolic sizes. bind: puts a run's sizes into a subgraph.
    before, after: the passes of the session, (name, function) each, without sizes and with them.
    """

    cut: Callable[[], Subgraph]
    bind: Callable[[Subgraph], Subgraph]
    before: Passes = ()
    after: Passes = ()

    def plain(self) -> Subgraph:
        """The bound subgraph with no pass applied."""
        return self.bind(self.cut())

    def stages(self) -> list[Stage]:
        """Every pass with the subgraph before and after it, in order; the binding of sizes is one."""
        found: list[Stage] = []
        now = self.cut()
        for name, function in (*self.before, ("bind", self.bind), *self.after):
            changed = self.bind(now) if name == "bind" else run_passes(now, ((name, function),))
            found.append(Stage(name, function, is_exact(name, function), now, changed))
            now = changed
        return found


def source_of(
    graph: Graph, signature: Any, shapes: Sequence[Shape], before: Passes = (), after: Passes = ()
) -> Source:
    """Where the program of a session's signature, for feeds of certain shapes, came from.

    signature: what a session knows of fetches and fed tensors: `fetches`, `feeds`, and the `version` of the graph that
        they are of. before, after: the passes of the session.
    """

    def as_written() -> Subgraph:
        tensors, feeds, version = signature.fetches.tensors, signature.feeds, signature.version
        if version != graph.version:
            tensors = tuple([graph.as_it_was(t, version) for t in tensors])
            feeds = tuple([graph.as_it_was(t, version) for t in feeds])
        return cut(tensors, feeds, signature.fetches.targets)

    def bound(subgraph: Subgraph) -> Subgraph:
        types = [TensorType(t.type.dtype, s) for t, s in zip(signature.feeds, shapes, strict=True)]
        return bind(subgraph, types, match_feeds(signature.feeds, shapes))[0]

    return Source(as_written, bound, before, after)


def as_check(check: Any, what: str, *, profile: bool = False, memory_limit: Any = None) -> str | None:
    """The name of a check; None for None and False. what: whose argument it is, for the message.

    Raises ArgumentError for a check that does not exist, and for options that do not go with one: times of a checked
    run say nothing of others, and a reference run keeps a copy of every live value, whatever the limit.
    """
    if check is None or check is False:
        return None
    if not isinstance(check, str) or check not in CHECKS:
        known = "; ".join(f"{name!r}: {finds}" for name, finds in CHECKS.items())
        raise ArgumentError(f"{what}: check {shorten(check)} is not known; checks: {known}")
    if profile:
        raise ArgumentError(
            f"{what}: check={check!r} and profile=True do not go together: a checked run takes other time; do one"
        )
    if check == "reference" and memory_limit is not None:
        raise ArgumentError(
            f"{what}: check='reference' and memory_limit do not go together: the check keeps copies of values"
        )
    return check


def load_checked(
    check: str,
    program: Program,
    backend_of: Callable[[str], Any],
    store: VariableStore,
    threads: int | None,
    source: Source,
) -> Stepped:
    """A loaded program that checks each of its runs; used as `runtime.load`'s. check: as `as_check` gives it."""
    if check == "reference":
        from graphflow.checking.reference import ReferenceCheck

        return ReferenceCheck(program, backend_of, store, threads, source.stages)
    from graphflow.checking.nan import NanCheck
    from graphflow.checking.numerics import BOTH

    kinds = BOTH if check == "nan" else ("nan",)
    return NanCheck(program, backend_of, store, threads, source.plain, kinds)
