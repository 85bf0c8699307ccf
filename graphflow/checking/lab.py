"""Where subgraphs are computed and compared: results before and after a pass, by the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.checking.rounding import (
    Difference,
    difference,
    fold_length,
    jittered,
    rounding_bounds,
    same_bits,
)
from graphflow.checking.stepping import Scope
from graphflow.errors import GraphflowError
from graphflow.graph import Node
from graphflow.interpret import Functions, Watch, interpret, kernel_of
from graphflow.passes.pipeline import AFTER_BIND, BEFORE_BIND
from graphflow.subgraph import Subgraph

__all__ = ["Changed", "Lab", "Results", "Stage", "is_exact"]

Function = Callable[[Subgraph], Subgraph]


def is_exact(name: str, function: Function) -> bool:
    """False for what the pipeline knows to change rounding; any other pass should keep every bit."""
    return all(
        p.name != name or function is not p.fast or function is p.exact for p in (*BEFORE_BIND, *AFTER_BIND)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One pass as a session applies it, with the subgraph before and after. exact: whether it keeps every bit."""

    name: str
    function: Function
    exact: bool
    before: Subgraph
    after: Subgraph


@dataclass(frozen=True, slots=True)
class Changed:
    """A result that differs. what: its name. expected, got: the values; got is the error where none was computed."""

    what: str
    expected: Any
    got: Any
    difference: Difference | None = None

    def __str__(self) -> str:
        if self.difference is not None:
            return f"{self.what}: {self.difference}"
        return f"{self.what}: {_described(self.got)} in the place of {_described(self.expected)}"


@dataclass(frozen=True, slots=True)
class Results:
    """What a subgraph gave: fetched values, then written variables. error: what ended it instead."""

    names: tuple[str, ...]
    values: tuple[Any, ...]
    error: GraphflowError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lab:
    """Where subgraphs are computed and compared, by the interpreter.

    feeds: arrays for the subgraphs' inputs. state, functions, known: as `interpret` takes them. scope: what it runs in.
    """

    feeds: Sequence[Any]
    state: Mapping[str, Any]
    functions: Functions = kernel_of
    scope: Scope = nullcontext
    known: Mapping[int, tuple[Any, ...]] | None = None

    def results(
        self, subgraph: Subgraph, functions: Functions | None = None, watch: Watch | None = None
    ) -> Results:
        """Interpret a subgraph."""
        try:
            with self.scope():
                given = interpret(
                    subgraph,
                    self.feeds,
                    self.state,
                    functions=functions or self.functions,
                    known=self.known,
                    watch=watch,
                )
        except GraphflowError as error:
            return Results((), (), error)
        written = sorted(given.written)
        names = [f"'{t.name}'" for t in subgraph.outputs] + [f"variable '{name}'" for name in written]
        values = [*given.outputs, *[given.written[name] for name in written]]
        return Results(tuple(names), tuple([np.asarray(v) for v in values]))

    def changed(self, before: Subgraph, expected: Results, got: Results, exact: bool) -> Changed | None:
        """The first result that differs: in any bit, or for what is not exact by more than rounding may.

        before: the subgraph that gave `expected`, from which the bound on rounding is computed when it is needed.
        """
        if expected.error is not None or got.error is not None:
            same = type(expected.error) is type(got.error)
            return None if same else Changed("the run", expected.error or "values", got.error or "values")
        if len(expected.values) != len(got.values):
            return Changed("what is fetched and written", ", ".join(expected.names), ", ".join(got.names))
        bounds: list[Any] | None = None
        for k, (what, a, b) in enumerate(zip(expected.names, expected.values, got.values, strict=True)):
            if a.dtype != b.dtype or a.shape != b.shape:
                return Changed(what, a, b)
            if same_bits(a, b):
                continue
            if not exact and bounds is None:
                bounds = self._bounds(before, expected)
            found = difference(a, b, None if bounds is None else bounds[k])
            if found is not None:
                return Changed(what, a, b, found)
        return None

    def differs(self, before: Subgraph, after: Subgraph, exact: bool) -> Changed | None:
        """What differs between two subgraphs of the same inputs and outputs."""
        if before is after:
            return None
        return self.changed(before, self.results(before), self.results(after), exact)

    def _bounds(self, subgraph: Subgraph, expected: Results) -> list[Any]:
        longest = [1.0]

        def watch(
            node: Node, attrs: Mapping[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]
        ) -> None:
            longest[0] = max(longest[0], fold_length(node.op, attrs, inputs, outputs))

        self.results(subgraph, watch=watch)

        def sample(seed: int) -> Sequence[Any] | None:
            drawn = self.results(subgraph, jittered(self.functions, seed))
            return None if drawn.error is not None else drawn.values

        return rounding_bounds(sample, expected.values, longest[0])


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return value if isinstance(value, str) else f"{type(value).__name__}: {value}"
