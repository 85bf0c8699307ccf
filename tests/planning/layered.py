"""Random training steps, layer by layer, and what it takes to plan and run them without a session."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphflow as gf
from graphflow.analysis.memory import memory_profile
from graphflow.backends import backend_for
from graphflow.lowering import compile_subgraph
from graphflow.planning.schedule import schedule
from graphflow.program import Program
from graphflow.runtime import VariableStore, load
from graphflow.subgraph import Subgraph, cut

__all__ = ["Layered", "bits", "built", "chain", "layered", "measure", "program_of", "run", "traced_run"]

WIDTH = 16


@dataclass(frozen=True, eq=False)
class Layered:
    """A training step, what to fetch and feed; and as a bound subgraph, with the values of its variables by name."""

    graph: gf.Graph
    fetches: list[Any]
    feed: dict[gf.Tensor, Any]
    subgraph: Subgraph
    variables: dict[str, Any]

    @property
    def feeds(self) -> list[Any]:
        """Arrays for the inputs of the subgraph."""
        return list(self.feed.values())


def _dense(h: Any, w: Any, b: Any, k: int) -> Any:
    return gf.nn.relu(gf.matmul(h, w) + b)


LAYERS: list[Callable[[Any, Any, Any, int], Any]] = [
    _dense,
    lambda h, w, b, k: gf.tanh(gf.matmul(h, w)),
    lambda h, w, b, k: h + gf.tanh(gf.matmul(h, w) + b),
    lambda h, w, b, k: gf.exp(h * 0.1) * gf.sigmoid(h),
    lambda h, w, b, k: gf.nn.dropout(h, 0.8, seed=k),
    lambda h, w, b, k: h - gf.mean(h, axis=0),
    lambda h, w, b, k: gf.transpose(gf.sin(gf.transpose(h))),
    lambda h, w, b, k: gf.reshape(gf.square(gf.reshape(h, (-1,))), h.shape),
    lambda h, w, b, k: gf.add_n(gf.split(gf.concat([h, h * 2.0], axis=1), 2, axis=1)),
    lambda h, w, b, k: gf.nn.softmax(h, axis=1) * 3.0,
    lambda h, w, b, k: gf.take(h, gf.constant(np.arange(WIDTH)[::-1].copy()), axis=1) * 0.5,
]


def layered(most: int = 10) -> st.SearchStrategy[Any]:
    """What `built` takes: kinds of layers, what is fetched, whether variables are written."""
    kinds = st.lists(st.integers(0, len(LAYERS) - 1), min_size=3, max_size=most)
    return st.tuples(kinds, st.sampled_from(["gradients", "step", "both", "middle"]), st.integers(0, 3))


def built(recipe: Any, rows: int = 1024) -> Layered:
    """The training step of a recipe: activations of rows * 64 bytes."""
    kinds, ask, second = recipe
    rng = np.random.default_rng(len(kinds))
    with gf.Graph().as_default() as graph:
        x = gf.placeholder("float32", (rows, WIDTH), name="x")
        h, all_h, weights = x, [], []
        for k, kind in enumerate(kinds):
            w = gf.Variable(rng.normal(0, 0.3, (WIDTH, WIDTH)).astype(np.float32), name=f"layer{k}/w")
            b = gf.Variable(np.full(WIDTH, 0.1, np.float32), name=f"layer{k}/b")
            with gf.name_scope(f"layer{k}"):
                h = LAYERS[kind](h, w, b, k)
            all_h.append(h)
            weights += [w, b]
        loss = gf.mean(gf.square(h))
        for other in all_h[:second]:
            loss = loss + gf.mean(gf.tanh(other))
        found = gf.gradients(loss, weights, unconnected_gradients="none")
        used = [v for v, g in zip(weights, found, strict=True) if g is not None]
        fetches: list[Any] = [loss]
        targets: list[Any] = []
        if ask in ("gradients", "both"):
            fetches += gf.gradients(loss, [x, *used[:2]])
        if ask == "middle":
            fetches += [all_h[len(all_h) // 2], *gf.gradients(loss, [x])]
        if ask in ("step", "both") and used:
            targets = [gf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=used)]
    return _case(graph, x, rng.normal(size=(rows, WIDTH)), fetches, targets, weights)


def _case(
    graph: gf.Graph, x: Any, value: Any, fetches: list[Any], targets: list[Any], variables: list[Any]
) -> Layered:
    subgraph = cut(fetches, [x], targets)
    ordered = replace(subgraph, nodes=schedule(subgraph).order)
    values = {v.handle.op.name: v.initial_value.op.attrs["value"].array for v in variables}
    return Layered(graph, [*fetches, *targets], {x: value.astype(np.float32)}, ordered, values)


def chain(layers: int, rows: int, width: int, residual: bool = False) -> Layered:
    """A step of gradient descent on a chain of dense layers."""
    rng = np.random.default_rng(0)
    with gf.Graph().as_default() as graph:
        x = gf.placeholder("float32", (rows, width), name="x")
        h: Any = x
        weights = []
        for k in range(layers):
            w = gf.Variable(rng.normal(0, width**-0.5, (width, width)).astype(np.float32), name=f"layer{k}/w")
            weights.append(w)
            with gf.name_scope(f"layer{k}"):
                made = gf.nn.relu(gf.matmul(h, w))
                h = h + made if residual else made
        loss = gf.mean(gf.square(h))
        step = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    return _case(graph, x, rng.normal(size=(rows, width)), [loss], [step], weights)


def program_of(subgraph: Subgraph) -> Program:
    """The program of a subgraph on the CPU."""
    return compile_subgraph(subgraph, {}, lambda asked: "cpu:0", "cpu:0")


def measure(subgraph: Subgraph) -> int:
    """The forecast peak of its run in bytes."""
    return memory_profile(program_of(subgraph)).peak


def run(case: Layered, subgraph: Subgraph) -> list[Any]:
    """Two runs' fetched values, then the variables."""
    return traced_run(case, subgraph)[0]


def traced_run(case: Layered, subgraph: Subgraph) -> tuple[list[Any], int]:
    """The same, and the most bytes that NumPy and Python held for loading and the first run, variables included."""
    program = program_of(subgraph)
    store = VariableStore()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for name, value in case.variables.items():
            store.arrays[name] = np.array(value)
            store.initialized.add(name)
        executable = load(program, backend_for, store)
        results = executable.run(case.feeds)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    results += executable.run(case.feeds)
    return [*results, *[store.arrays[name] for name in case.variables]], peak


def bits(results: list[Any]) -> list[bytes]:
    """The bytes of each result."""
    return [np.asarray(r).tobytes() for r in results]
