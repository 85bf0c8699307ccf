"""The optimizer as a user meets it: how long planning takes, what clusters and threads give, limits that are kept.

`python -m benchmarks optimizer`. What is compared runs in turns in one process. Orders, packing and lanes by
themselves are in `orders`, `packing` and `lanes`.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import graphflow as gf
from benchmarks.timing import Result, interleaved, median_ratio
from graphflow.planning.certify import certify

__all__ = ["run"]


@dataclass(frozen=True, eq=False)
class _Training:
    """Gradient descent through dense layers. variables_nbytes: of all weights and biases."""

    graph: gf.Graph
    x: Any
    target: Any
    fetches: list[Any]
    initializer: Any
    variables_nbytes: int

    def feeds(self, rows: int) -> dict[Any, Any]:
        """Zeros for that many rows."""
        zeros = np.zeros((rows, self.x.type.dims[1]), np.float32)
        return {self.x: zeros, self.target: zeros}


def _training(layers: int, width: int, activation: Callable[[Any], Any]) -> _Training:
    graph = gf.Graph()
    with graph.as_default(), gf.config.override(repeat_limit=10**6):
        x, target = gf.placeholder("float32", ["batch", width]), gf.placeholder("float32", ["batch", width])
        h: Any = x
        for k in range(layers):
            w = gf.Variable(np.eye(width, dtype=np.float32), name=f"w{k}")
            b = gf.Variable(np.zeros(width, np.float32), name=f"b{k}")
            h = activation(gf.matmul(h, w) + b)
        loss = gf.mean(gf.square(h - target))
        step = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
        nbytes = layers * (width + 1) * width * 4
        return _Training(graph, x, target, [loss, step], gf.global_variables_initializer(), nbytes)


def planning() -> Iterator[Result]:
    """Passes and plan of training graphs, from the built graph on: of layers too small for lanes, and of larger ones."""
    for wanted, width, limit, rounds in (
        (10_000, 8, 0.8, 9),
        (10_000, 64, 0.8, 9),
        (100_000, 8, 10.0, 2),
    ):
        case = _training(wanted // 28 + 1, width, gf.tanh)
        found = []
        for _ in range(rounds):
            session = gf.Session(case.graph)
            gc.collect()
            start = time.perf_counter()
            plan = session.plan(case.fetches, case.feeds(64))
            found.append(time.perf_counter() - start)
        lanes = 1 + max(i.lane for i in plan.program.instructions)
        note = f"{len(case.graph.operations):,} nodes, {len(plan.order):,} run, lanes: {lanes}; best of {rounds}: {min(found):.3f} s"
        what = f"optimise and plan {wanted:,} nodes, layers of {width}"
        yield Result(what, statistics.median(found), "s", limit, note)
        start = time.perf_counter()
        certify(plan.program, peak_nbytes=plan.peak_nbytes)
        micros = (time.perf_counter() - start) / len(plan.order) * 1e6
        yield Result("  certify the plan", micros, "us an instruction")


def new_shapes() -> Iterator[Result]:
    """A run with a shape not seen before, beyond the same run once more: fifty shapes in each of ten sessions.

    With pauses between, as the pace of a shared machine changes within seconds.
    """
    case = _training(14, 32, gf.tanh)
    extra = []
    for _ in range(10):
        time.sleep(0.7)
        session = gf.Session(case.graph)
        session.run(case.initializer)
        nodes = len(session.plan(case.fetches, case.feeds(10)).order)

        def seconds(rows: int, session: gf.Session = session) -> float:
            feeds = case.feeds(rows)
            start = time.perf_counter()
            session.run(case.fetches, feeds)
            return time.perf_counter() - start

        for rows in (2, 3, 4):
            seconds(rows)
        for rows in range(10, 60):
            new = seconds(rows)
            extra.append((new - seconds(rows)) * 1e3)
    note = f"a tenth took less than {statistics.quantiles(extra, n=10)[0]:.2f} ms"
    yield Result(f"a new shape, {nodes} nodes", statistics.median(extra), "ms", 2.0, note)


def six_ops(n: int = 4_000_000) -> Iterator[Result]:
    """A chain of six elementwise ops on float64: NumPy with six names, NumPy in one expression, clusters."""
    rng = np.random.default_rng(0)
    p, q, r = (rng.random(n) for _ in range(3))
    with gf.Graph().as_default():
        a, b, c = (gf.placeholder("float64", [None]) for _ in range(3))
        y = gf.abs(gf.sqrt(a * b + c) * 2.0 - a)
        one = gf.Session(threads=1).make_callable(y, [a, b, c])
        two = gf.Session(threads=2).make_callable(y, [a, b, c])

    def named() -> Any:
        t1 = p * q
        t2 = t1 + r
        t3 = np.sqrt(t2)
        t4 = t3 * 2.0
        t5 = t4 - p
        t6 = np.abs(t5)
        return t6  # noqa: RET504  # six names are the point

    def expression() -> Any:
        return np.abs(np.sqrt(p * q + r) * 2.0 - p)

    if not np.array_equal(one(p, q, r), named()) or not np.array_equal(two(p, q, r), named()):
        raise RuntimeError("the chain gave another result than NumPy")
    contenders = {
        "named": named,
        "expression": expression,
        "one": lambda: one(p, q, r),
        "two": lambda: two(p, q, r),
    }
    times = interleaved(contenders, rounds=21, warm=True)
    what = f"six ops on {n / 1e6:g}M float64"
    for name, theirs, ours, least in (
        ("NumPy with six names / one thread", "named", "one", None),
        ("NumPy with six names / two threads", "named", "two", 3.4),
        ("one NumPy expression / one thread", "expression", "one", 1.6),
        ("one NumPy expression / two threads", "expression", "two", 2.0),
    ):
        ratio = median_ratio(times, theirs, ours)
        yield Result(f"{what}: {name}", ratio, "x", least, at_least=True)


def big_products() -> Iterator[Result]:
    """Large products, split into parts that run on lanes, against the library's own threads."""
    for m, k, n in ((2000, 2000, 2000), (4000, 500, 1000), (256, 4096, 4096)):
        rng = np.random.default_rng(0)
        a, b = rng.random((m, k), np.float32), rng.random((k, n), np.float32)
        out = np.empty((m, n), np.float32)
        with gf.Graph().as_default():
            x, y = gf.placeholder("float32", [m, k]), gf.placeholder("float32", [k, n])
            ours = gf.Session(threads=2).make_callable(gf.matmul(x, y).op, [x, y])

        def library(a: Any = a, b: Any = b, out: Any = out) -> None:
            with threadpool_limits(2, user_api="blas"):
                np.matmul(a, b, out)

        def split(ours: Any = ours, a: Any = a, b: Any = b) -> None:
            ours(a, b)

        times = interleaved({"ours": split, "library": library}, rounds=21, warm=True)
        ratio = median_ratio(times, "ours", "library")
        yield Result(f"product {m} x {k} x {n} / BLAS on two threads", ratio, "x", 1.05)


def limited_chain(layers: int = 1_000, rows: int = 2_048, width: int = 16) -> Iterator[Result]:
    """A deep chain of dense layers that trains within three roots of its layers' activations."""
    case = _training(layers, width, gf.nn.relu)
    activation = rows * width * 4
    limit = case.variables_nbytes + int(
        2.85 * math.sqrt(layers) * activation
    )  # beside it, Python's own objects
    unlimited, limited = gf.Session(case.graph), gf.Session(case.graph, memory_limit=limit)
    free = unlimited.plan(case.fetches, case.feeds(rows))
    start = time.perf_counter()
    plan = limited.plan(case.fetches, case.feeds(rows))
    seconds = time.perf_counter() - start
    note = f"{free.peak_nbytes / 1e6:.0f} MB without, {plan.peak_nbytes / 1e6:.1f} MB with; planned in {seconds:.1f} s"
    results = []
    for session in (unlimited, limited):
        session.run(case.initializer)
        held, found = _held_by_arrays(lambda s=session: s.run(case.fetches, case.feeds(rows))[0])
        results.append(found)
    roots = (held - 2 * activation) / activation / math.sqrt(layers)  # two are the caller's own
    yield Result(f"chain of {layers:,} under a limit: activations / root of layers", roots, "", 3.0, note)
    yield Result("  work / that without a limit", plan.flops / free.flops, "x", 1.35, str(plan.fitted.price))
    yield Result("  results that differ", sum(a != b for a, b in zip(*results, strict=True)), "", 0)


def _held_by_arrays(step: Callable[[], Any]) -> tuple[int, list[Any]]:
    """The most bytes in arrays made since the first of three steps, and what the steps give."""
    arrays = [tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)]
    gc.collect()
    tracemalloc.start()
    try:
        found = [step()]
        held = sum(t.size for t in tracemalloc.take_snapshot().filter_traces(arrays).traces)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        found += [step(), step()]
        return held + tracemalloc.get_traced_memory()[1] - before, found
    finally:
        tracemalloc.stop()


def run() -> Iterator[Result]:
    """All of the above."""
    for part in (planning, new_shapes, six_ops, big_products, limited_chain):
        yield from part()
