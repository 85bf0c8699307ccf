"""Memory limits: what a run takes under one, over what it takes without; and what keeping it costs.

`python -m benchmarks limits`. Bytes are those that NumPy allocates, seen by `tracemalloc`; work is what the cost model
says of all nodes. The chain is one step of gradient descent through dense layers, each of which is a product with a
weight, a bias and a rectifier, on so many rows that activations are nearly all that counts.
"""

from __future__ import annotations

import gc
import math
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import graphflow as gf
from benchmarks.timing import Result
from graphflow.analysis.memory import memory_profile
from graphflow.backends import backend_for
from graphflow.lowering import compile_subgraph
from graphflow.ops.spill import RESTORE, SPILL
from graphflow.planning.cost import Machine, node_cost
from graphflow.planning.limit import Fitted, keep_limit
from graphflow.planning.schedule import schedule
from graphflow.planning.steps import copy_seconds
from graphflow.program import Program
from graphflow.runtime import VariableStore, load
from graphflow.subgraph import Subgraph, cut

__all__ = ["Chain", "chain", "run"]

ROWS, WIDTH = 2048, 16
ACTIVATION_NBYTES = 4 * ROWS * WIDTH


@dataclass(frozen=True, eq=False)
class Chain:
    """A training step in the order of its schedule, with the value of its input and those of its variables by name."""

    subgraph: Subgraph
    x: Any
    variables: dict[str, Any]


def chain(layers: int) -> Chain:
    """One step of gradient descent through `layers` dense layers."""
    chance = np.random.default_rng(0)
    values: dict[str, Any] = {}
    with gf.Graph().as_default(), gf.config.override(repeat_limit=10**6):
        x = gf.placeholder("float32", (ROWS, WIDTH))
        h: Any = x
        for k in range(layers):
            values[f"dense_{k}/w"] = chance.normal(0, (2 / WIDTH) ** 0.5, (WIDTH, WIDTH)).astype(np.float32)
            values[f"dense_{k}/b"] = np.full(WIDTH, 0.01, np.float32)
            w, b = [gf.Variable(values[f"dense_{k}/{name}"], name=f"dense_{k}/{name}") for name in "wb"]
            with gf.name_scope(f"dense_{k}"):
                h = gf.nn.relu(gf.matmul(h, w) + b)
        loss = gf.mean(gf.square(h))
        step = gf.train.GradientDescentOptimizer(1e-3).minimize(loss)
        subgraph = cut([loss], [x], [step])
    ordered = replace(subgraph, nodes=schedule(subgraph).order)
    return Chain(ordered, chance.normal(size=(ROWS, WIDTH)).astype(np.float32), values)


def _program(subgraph: Subgraph) -> Program:
    return compile_subgraph(subgraph, {}, lambda asked: "cpu:0", "cpu:0")


def _peak(subgraph: Subgraph) -> int:
    return memory_profile(_program(subgraph)).peak


def _flops(subgraph: Subgraph) -> int:
    return sum(node_cost(node, Machine()).flops for node in subgraph.nodes)


@dataclass(frozen=True)
class _Ran:
    """results: bytes of what was fetched and of the variables afterwards. nbytes: held besides variables. seconds: of
    a run."""

    results: list[bytes]
    nbytes: int
    seconds: float


def _run(case: Chain, subgraph: Subgraph) -> _Ran:
    program = _program(subgraph)
    store = VariableStore()
    store.arrays.update({name: np.array(value) for name, value in case.variables.items()})
    store.initialized.update(case.variables)
    gc.collect()
    tracemalloc.start()
    try:
        executable = load(program, backend_for, store)
        arrays = [tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)]
        held = sum(t.size for t in tracemalloc.take_snapshot().filter_traces(arrays).traces)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        results = executable.run([case.x])
        held += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    kept = [np.asarray(r).tobytes() for r in (*results, *store.arrays.values())]
    start = time.perf_counter()
    executable.run([case.x])
    return _Ran(kept, held, time.perf_counter() - start)


def run() -> Iterator[Result]:
    """The figures."""
    layers = 1_000
    case = chain(layers)
    plain, flops = _run(case, case.subgraph), _flops(case.subgraph)
    variables = sum(v.nbytes for v in case.variables.values())
    unlimited = _peak(case.subgraph)
    yield Result(
        f"chain of {layers:,}: activations held without a limit",
        plain.nbytes / ACTIVATION_NBYTES,
        "",
        note=f"{len(case.subgraph.nodes):,} nodes",
    )
    root = 3 * math.sqrt(layers)
    limit = variables + int(root * ACTIVATION_NBYTES)
    start = time.process_time()
    fitted = keep_limit(case.subgraph, limit, _peak)
    seconds = time.process_time() - start
    limited = _run(case, fitted.subgraph)
    yield Result(
        "  under a limit: activations over the root of layers",
        limited.nbytes / ACTIVATION_NBYTES / math.sqrt(layers),
        "",
        3.0,
        fitted.price,
    )
    yield Result("  under a limit: work over that without", _flops(fitted.subgraph) / flops, "", 1.35)
    yield Result(
        "  under a limit: bits that differ",
        sum(a != b for a, b in zip(plain.results, limited.results, strict=True)),
        "",
        0,
    )
    yield Result("  under a limit: time of a run over that without", limited.seconds / plain.seconds, "")
    yield Result("  under a limit: planning, processor time", seconds, "s")
    yield from _curve(case, unlimited, flops)
    yield from _files()


def _curve(case: Chain, unlimited: int, flops: int) -> Iterator[Result]:
    """What limits between everything and nearly nothing cost."""
    for part in (0.8, 0.5, 0.2, 0.05, 0.03):
        fitted: Fitted = keep_limit(case.subgraph, int(part * unlimited), _peak)
        name = f"chain under {part:.0%} of its peak: work over that without"
        yield Result(name, _flops(fitted.subgraph) / flops, "", note=fitted.price)


def _files() -> Iterator[Result]:
    """Copies to files and back, beside what the cost model says."""
    value = np.random.default_rng(0).normal(size=1 << 23)
    out = np.empty_like(value)
    assert SPILL.kernel is not None
    assert RESTORE.kernel is not None
    found = []
    for _ in range(3):
        start = time.perf_counter()
        key = SPILL.kernel(np, value)
        RESTORE.kernel(np, key, dtype=value.dtype, shape=value.shape, out=out)
        found.append(time.perf_counter() - start)
    yield Result(
        "64 MiB to a file and back over what is forecast", min(found) / (2 * copy_seconds(value.nbytes)), ""
    )
