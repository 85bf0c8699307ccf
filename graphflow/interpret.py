"""A plain interpreter: node after node by the ops' own kernels, without passes, plan or buffers.

It says what a subgraph means. Passes, plans, backends and the tools of `gf.debug` are held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphflow.errors import GraphflowError, IndexRangeError, MemoryLimitError, RunError, UninitializedError
from graphflow.graph import Node, Tensor
from graphflow.op import Op
from graphflow.ops.body import Body, learn
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.subgraph import Subgraph
from graphflow.types import DimLike, TensorType, substitute

__all__ = ["Functions", "Interpretation", "Watch", "compute", "interpret", "kernel_of", "type_of"]

Values = tuple[Any, ...]

Watch = Callable[[Node, Mapping[str, Any], Values, Values], None]
"""(node, its attributes, its inputs, its outputs), called after each node, those in bodies of control flow included.

Attributes have the sizes filled in that a run knows, and can be given to `compute`.
An output that nothing needs may be None. What it raises, a GraphflowError with its line, ends the interpretation."""

Functions = Callable[[Op, Mapping[str, Any]], Callable[..., Any]]
"""(op, attributes) -> a function of arrays. A backend's `function` is one."""


def kernel_of(op: Op, attrs: Mapping[str, Any]) -> Callable[..., Any]:
    """The op's own kernel under NumPy. Raises RunError for an op that has none."""
    if op.name == "transfer":
        return lambda value: value
    if op.kernel is None:
        raise RunError(f"op {op.name!r} has no kernel")
    return partial(op.kernel, np, **attrs)


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """What a subgraph gave. Arrays may share bytes with one another and with what was fed.

    outputs: of the subgraph, in order. written: variables that were written, by full name, with their last value.
    counters: names of the counters that a run would advance. values: of all tensors that were not freed.
    """

    outputs: tuple[Any, ...]
    written: dict[str, Any]
    counters: tuple[str, ...]
    values: dict[Tensor, Any]


def interpret(
    subgraph: Subgraph,
    feeds: Sequence[Any],
    state: Mapping[str, Any] | None = None,
    *,
    watch: Watch | None = None,
    functions: Functions = kernel_of,
    known: Mapping[int, Values] | None = None,
    free: bool = True,
) -> Interpretation:
    """Compute every node of a subgraph once, in its order.

    feeds: an array for each of `subgraph.inputs`. state: values of variables and counters by full name; a counter that
        is missing stands at 0. Nothing is written to them.
    functions: who computes; the op's own kernel under NumPy if left out.
    known: by `node.id`, outputs to take for nodes that have effects, so that none happens twice.
    free: drop a value once nothing needs it; False keeps all in `values`.
    Sizes that are still symbolic are learned from the values. Results have the layout that a run gives them, so that
    what depends on layout (NumPy's sums do) has the bits of an unoptimised run on the same backend.
    Raises UninitializedError, and what kernels raise as RunError and its kin, with the node's line. O(V + E).
    """
    walk = _Walk(functions, watch, state or {}, known or {}, {})
    env: dict[Tensor, Any] = {}
    for t, value in zip(subgraph.inputs, feeds, strict=True):
        env[t] = value
        learn(t.type.shape, np.shape(value), walk.sizes)
    wanted = {t for node in subgraph.nodes for t in node.inputs}
    wanted.update(subgraph.outputs)
    dead = _dead_after(subgraph) if free else {}
    with kernel_settings():
        for node in subgraph.nodes:
            walk.step(node, env, wanted)
            for t in dead.get(node, ()):
                env.pop(t, None)
    outputs = tuple([walk.variable(t) if t.op.op.name == "variable" else env[t] for t in subgraph.outputs])
    return Interpretation(outputs, walk.written, tuple(walk.counters), env)


def compute(
    node: Node,
    inputs: Sequence[Any],
    *,
    functions: Functions = kernel_of,
    attrs: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    sizes: Mapping[str, DimLike] | None = None,
) -> Values:
    """The outputs of one node for given inputs; every output of a loop is made.

    attrs: in the place of the node's own. Raises as `interpret`.
    """
    walk = _Walk(functions, watch, {}, {}, dict(sizes or {}))
    given = node.attrs if attrs is None else attrs
    with kernel_settings():
        return walk.run(node, walk.sized(given), tuple(inputs), (True,) * len(node.outputs))


def type_of(value: Any) -> TensorType:
    """The type that an array has."""
    return TensorType(value.dtype, tuple(value.shape))


def _dead_after(subgraph: Subgraph) -> dict[Node, list[Tensor]]:
    """For each node the values that nothing needs after it: one walk back."""
    live = set(subgraph.outputs)
    dead: dict[Node, list[Tensor]] = {}
    for node in reversed(subgraph.nodes):
        for t in (*node.outputs, *node.inputs):
            if t not in live:
                live.add(t)
                dead.setdefault(node, []).append(t)
    return dead


@dataclass(slots=True, eq=False)
class _Walk:
    """One interpretation under way."""

    functions: Functions
    watch: Watch | None
    state: Mapping[str, Any]
    known: Mapping[int, Values]
    sizes: dict[str, DimLike]
    written: dict[str, Any] = field(default_factory=dict)
    counters: list[str] = field(default_factory=list)

    def variable(self, handle: Tensor) -> Any:
        """The value of a variable as it is now. Raises UninitializedError where it has none."""
        key = handle.op.name
        if key in self.written:
            return self.written[key]
        if key in self.state:
            return self.state[key]
        raise UninitializedError(f"variable '{key}' has no value").at(handle.op.place)

    def step(self, node: Node, env: dict[Tensor, Any], wanted: set[Tensor]) -> None:
        """Compute one node of the walk."""
        name = node.op.name
        if node.op.is_source:
            if node.outputs[0] not in env:
                env[node.outputs[0]] = self._source(node)
            return
        if name == "read":
            env[node.outputs[0]] = self.variable(node.inputs[0])
            return
        inputs = tuple([env[t] for t in node.inputs])
        if node.op.has_effect and node.id in self.known:
            outputs = self.known[node.id]
        else:
            used = tuple([t in wanted for t in node.outputs])
            outputs = self.run(node, self.sized(node.attrs), inputs, used)
        for t, value in zip(node.outputs, outputs, strict=True):
            if value is not None:
                env[t] = value
                if not t.type.is_static:
                    learn(t.type.shape, value.shape, self.sizes)
        if name == "assign":
            self.written[node.inputs[0].op.name] = outputs[0]
        if self.watch is not None:
            self.watch(node, self.sized(node.attrs), inputs, outputs)

    def _source(self, node: Node) -> Any:
        if node.op.name == "constant":
            return node.attrs["value"].array
        if node.op.name == "draw_counter":
            self.counters.append(node.name)
            return self.state.get(node.name, np.zeros((), np.int64))
        if node.op.name == "variable":  # its handle: what is read of it is the shape
            t = node.outputs[0].type
            return np.broadcast_to(np.zeros((), t.dtype), t.shape)  # type: ignore[arg-type]
        raise RunError(f"'{node.name}' was not fed").at(node.place)

    def sized(self, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Attributes with the sizes that are known by now."""
        if not attrs or not self.sizes:
            return attrs
        return {key: substitute(value, self.sizes) for key, value in attrs.items()}

    def run(self, node: Node, attrs: Mapping[str, Any], inputs: Values, used: tuple[bool, ...]) -> Values:
        """Call the kernel of a node."""
        if node.op.is_control:
            sizes = {**self.sizes, **{k: d for k, d in attrs.get("sizes", ()) if isinstance(d, int)}}
            bodies = tuple([partial(self._body, body, sizes) for body in node.attrs["bodies"]])
            attrs = {**attrs, "bodies": bodies, "used": used}
        try:
            made = self.functions(node.op, attrs)(*inputs)
        except Exception as error:  # noqa: BLE001 whatever a kernel raises
            raise _located(error, node) from (error.__cause__ if isinstance(error, GraphflowError) else error)
        outputs = made if isinstance(made, tuple) else (made,)
        return tuple([None if v is None else self._laid_out(node, inputs, v, attrs) for v in outputs])

    @staticmethod
    def _laid_out(node: Node, inputs: Values, value: Any, attrs: Mapping[str, Any]) -> Any:
        """A value as a run would lay it out: contiguous, unless it is a view that the planner would make one."""
        value = np.asarray(value)
        if value.flags.c_contiguous:
            return value
        if node.op.is_view:
            source = inputs[0]
            shown = node.op.view(type_of(source), type_of(value), attrs, source.flags.c_contiguous)
            if shown is not None:
                return value
        return np.ascontiguousarray(value)

    def _body(self, body: Body, sizes: Mapping[str, DimLike], arrays: Sequence[Any]) -> list[Any]:
        """Run the body of a loop or branch on arrays for its inputs."""
        inner = _Walk(self.functions, self.watch, self.state, {}, dict(sizes))
        env: dict[Tensor, Any] = {}
        for t, value in zip(body.inputs, arrays, strict=True):
            env[t] = value
            learn(t.type.shape, value.shape, inner.sizes)
        wanted = {t for node in body.nodes for t in node.inputs}
        wanted.update(body.outputs)
        for node in body.nodes:
            inner.step(node, env, wanted)
        return [np.array(env[t], order="C") for t in body.outputs]


def _located(error: Exception, node: Node) -> Exception:
    """What a kernel raised, as an error of ours with the node's line."""
    if isinstance(error, GraphflowError):
        return error.at(node.place)
    text = f"'{node.name}' failed: {type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return MemoryLimitError(text).at(node.place)
    if isinstance(error, IndexError):
        return IndexRangeError(text).at(node.place)
    return RunError(text).at(node.place)
