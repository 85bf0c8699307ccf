"""Tracing of user functions into bodies: parameters, captures, results, and the variables they write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from graphflow.errors import ArgumentError, DTypeError, GraphError, GraphflowError, shorten
from graphflow.graph import BodyGraph, Node, Tensor, control_dependencies, current_graph, scoped
from graphflow.op import F, Trait
from graphflow.ops.body import INDEX, Body, needed, parameter
from graphflow.ops.constant import as_tensor, weak_dtype
from graphflow.types import TensorType

__all__ = ["Tracer", "assign_all", "close", "describe_function", "is_weak", "written"]


MAX_DEPTH = 100
"""How deep branches and loops may be nested: passes and programs follow them one Python call inside another."""


class Tracer:
    """A body under construction, in a BodyGraph inside the current graph.

    label: what names inside begin with. index: the loop's running index, int64, if it is a loop's body.
    """

    def __init__(self, label: str, *, loop: bool = False) -> None:
        self.graph = BodyGraph(current_graph())
        if self.graph.depth > MAX_DEPTH:
            raise GraphError(f"{label}: branches and loops can be nested {MAX_DEPTH} deep, and no deeper")
        self.label = label
        self.effects: list[Node] = []
        if loop:
            self.graph.iteration = parameter(self.graph, INDEX, name="index")

    @property
    def index(self) -> Tensor:
        """The loop's running index."""
        if self.graph.iteration is None:
            raise GraphError(f"{self.label} is no loop body")
        return self.graph.iteration

    def scope(self) -> AbstractContextManager[None]:
        """Make nodes in this body."""
        return scoped(graph=self.graph, prefix=f"{self.label}/", control=(), eager=None)

    def param(self, type: TensorType, like: Tensor | None = None) -> Tensor:
        """A new explicit input."""
        return parameter(self.graph, type, like)

    def call(self, function: Any, arguments: Sequence[Any], what: str) -> Any:
        """What the user's function gives for `arguments`, traced. Raises ArgumentError if it is no function."""
        if not callable(function):
            raise ArgumentError(f"{what} must be a function, not {shorten(function)}")
        with self.scope():
            return function(*arguments)

    def value(self, leaf: Any, dtype: Any, what: str) -> Tensor:
        """A leaf of a result as a tensor of this body; a Python scalar becomes `dtype` where it can."""
        with self.scope():
            if isinstance(leaf, Node):
                raise DTypeError(f"{what} is {leaf!r}, an operation, where a tensor is needed")
            if dtype is not None and is_weak(leaf) and weak_dtype(leaf, dtype) == dtype:
                tensor = as_tensor(leaf, dtype)
            else:
                try:
                    tensor = as_tensor(leaf)
                except GraphflowError as error:
                    raise DTypeError(f"{what}: {error}") from error
            return tensor if tensor.graph is self.graph else self.graph.capture(tensor)

    def run(self, operation: Node, what: str) -> None:
        """Let an operation that the function returned run with the body. Raises GraphError if it is an outer one."""
        if operation.graph is not self.graph:
            raise GraphError(
                f"{what} is {operation!r}, which is made outside {self.label} and would run in any case; make it inside"
            )
        self.effects.append(operation)

    def adopt(self, outer: Tensor) -> Tensor:
        """Make an explicit input of the stand-in for a captured tensor, so that a loop can carry it."""
        stand_in = self.graph.captures.get(outer)
        if stand_in is None:
            return self.param(outer.type, outer)
        captures = self.graph.captures
        for key in [key for key, value in captures.items() if value is stand_in]:
            del captures[key]
        return stand_in

    def all_effects(self) -> tuple[Node, ...]:
        """Nodes that run whenever the body does: those with effects, and operations that it returned."""
        made = [n for n in self.graph.operations if n.op.traits & Trait.EFFECT]
        return tuple(dict.fromkeys([*made, *self.effects]))


def is_weak(value: Any) -> bool:
    """True for a Python scalar, whose dtype gives way to that of what it meets."""
    return type(value) in (bool, int, float, complex)


def close(
    tracers: Sequence[Tracer],
    params: Sequence[Sequence[Tensor]],
    outputs: Sequence[Sequence[Tensor]],
    *,
    final: bool = True,
) -> tuple[tuple[Body, ...], tuple[Tensor, ...]]:
    """Freeze bodies that take the same captures. Gives them, and the captured tensors of the outer graph.

    params, outputs: for each body its explicit inputs and what it gives. Captures that nothing needs are
    dropped. final: nothing more can be made inside. Raises GraphError for a placeholder made inside a body: nobody could feed it.
    """
    parent = tracers[0].graph.parent
    params = [[tracer.graph.as_made(t) for t in given] for tracer, given in zip(tracers, params, strict=True)]
    captured: dict[Tensor, None] = {}
    for tracer, given, results in zip(tracers, params, outputs, strict=True):
        known = {t.op for t in given}
        inside = set(needed([t.op for t in results] + list(tracer.all_effects()), given))
        for outer, stand_in in tracer.graph.captures.items():
            if outer.graph is parent and stand_in.op in inside and stand_in.op not in known:
                captured[outer] = None
    bodies = []
    for tracer, given, results in zip(tracers, params, outputs, strict=True):
        stand_ins = [tracer.graph.capture(outer) for outer in captured]
        inputs = (*given, *stand_ins)
        effects = tracer.all_effects()
        nodes = needed([t.op for t in results] + list(effects), inputs)
        for node in nodes:
            if node.op.name == "placeholder":
                raise GraphError(
                    f"placeholder '{node.name}' is made inside a branch, loop body or traced function, where it "
                    "cannot be fed; make it outside"
                ).at(node.place)
        if final:
            tracer.graph.finalize()
        bodies.append(Body(tracer.graph, inputs, tuple(captured), tuple(results), effects, nodes))
    return tuple(bodies), tuple(captured)


# --- variables --------------------------------------------------------------------------------------


def written(tracers: Iterable[Tracer]) -> list[Any]:
    """The variables that some body assigns, in the order of their first assignment."""
    return list(dict.fromkeys(v for tracer in tracers for v in tracer.graph.writes))


def assign_all(
    variables: Sequence[Any], values: Sequence[Tensor], results: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Assign what a construct made of its variables. Gives `results`, which now wait for that, and the writes."""
    writes = [v.assign(value) for v, value in zip(variables, values, strict=True)]
    if not writes or isinstance(current_graph(), BodyGraph):
        return list(results), []  # inside a body, the construct around it assigns
    with control_dependencies(writes):
        return [F.identity(t) for t in results], writes


def describe_function(function: Callable[..., Any]) -> str:
    """`step (model.py:41)`, for error messages."""
    code = getattr(function, "__code__", None)
    name = getattr(function, "__name__", type(function).__name__)
    if code is None:
        return str(name)
    return f"{name} ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"
