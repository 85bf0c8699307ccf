"""The spine: building, first run, steady dispatch, import, memory of a chain."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator

import numpy as np

import graphflow as gf
from benchmarks.timing import Result, interleaved, median_ratio, once
from graphflow.origin import user_frame

__all__ = ["run"]


def _chain(n: int, shape: tuple[int | None, ...] = (None,)) -> tuple[gf.Graph, gf.Tensor, gf.Tensor]:
    graph = gf.Graph()
    with graph.as_default():
        x = gf.placeholder("float32", shape)
        y = x
        for k in range(n):
            y = gf.add(y, x) if k % 2 else gf.multiply(y, x)
    return graph, x, y


def building() -> Iterator[Result]:
    """Time and memory of making nodes."""
    seconds = once(lambda: _chain(100_000))
    yield Result("build 100,000 nodes", seconds, "s", 1.5)
    tracemalloc.start()
    kept = _chain(10_000)
    nbytes = tracemalloc.get_traced_memory()[0] / 10_000
    tracemalloc.stop()
    del kept
    yield Result("memory of a node", nbytes, "bytes", 1000)
    times = interleaved({"frame": user_frame, "nothing": _nothing}, rounds=21, repeat=20_000)
    cost = statistics.median(a - b for a, b in zip(times["frame"], times["nothing"], strict=True))
    yield Result("recording the user's line", cost * 1e6, "us a node", 0.5)


def _nothing() -> None:
    pass


def first_runs() -> Iterator[Result]:
    """From a built graph to the first result, and to the first result of another shape."""
    for n, limit in ((1_000, 40.0), (10_000, 400.0)):
        found, again = [], []
        for _ in range(5):
            graph, x, y = _chain(n)
            session = gf.Session(graph)
            found.append(once(lambda s=session, y=y, x=x: s.run(y, {x: np.ones(10)}), rounds=1))
            again.append(once(lambda s=session, y=y, x=x: s.run(y, {x: np.ones(11)}), rounds=1))
        yield Result(f"first run of {n:,} nodes", statistics.median(found) * 1e3, "ms", limit)
        yield Result(f"first run of another shape, {n:,} nodes", statistics.median(again) * 1e3, "ms")


def dispatch() -> Iterator[Result]:
    """Steady cost of a node beyond NumPy's own call."""
    n = 1000
    graph, x, y = _chain(n, (10,))
    run = gf.Session(graph).make_callable(y.op, [x])
    value = np.full(10, 1.0001, np.float32)
    a, b = value.copy(), value.copy()

    def ours() -> None:
        run(value)

    def by_hand() -> None:
        multiply, add = np.multiply, np.add
        for _ in range(n // 2):
            multiply(a, b, a)
            add(a, b, a)

    times = interleaved({"ours": ours, "numpy": by_hand}, rounds=31, repeat=5)
    extra = statistics.median((p - q) / n for p, q in zip(times["ours"], times["numpy"], strict=True))
    yield Result("steady overhead beyond NumPy's own calls", extra * 1e6, "us a node", 0.5)


def linear_regression(n: int = 100) -> Iterator[Result]:
    """One gradient-descent step of y = w x + b, against the same step by hand in NumPy with `out=`."""
    rng = np.random.default_rng(0)
    xs = rng.uniform(size=n).astype(np.float32)
    ys = (3 * xs + 2).astype(np.float32)
    graph = gf.Graph()
    with graph.as_default():
        x, y = gf.placeholder("float32", [None]), gf.placeholder("float32", [None])
        w, b = gf.Variable(0.0), gf.Variable(0.0)
        loss = gf.mean(gf.square(w * x + b - y))
        gw, gb = gf.gradients(loss, [w, b])
        step = gf.group(w.assign_sub(0.1 * gw), b.assign_sub(0.1 * gb))
        session = gf.Session()
        session.run(gf.global_variables_initializer())
        run = session.make_callable(step, [x, y])

    f32 = np.float32
    w_, b_, gw_, gb_ = (np.zeros((), f32) for _ in range(4))
    rate, scale = np.array(0.1, f32), np.array(2 / n, f32)
    e, t = np.empty(n, f32), np.empty(n, f32)
    multiply, add, subtract, total = np.multiply, np.add, np.subtract, np.add.reduce

    def by_hand() -> None:
        multiply(w_, xs, e)
        add(e, b_, e)
        subtract(e, ys, e)
        multiply(e, scale, e)
        multiply(e, xs, t)
        total(t, 0, None, gw_)
        total(e, 0, None, gb_)
        multiply(gw_, rate, gw_)
        subtract(w_, gw_, w_)
        multiply(gb_, rate, gb_)
        subtract(b_, gb_, b_)

    times = interleaved({"ours": lambda: run(xs, ys), "numpy": by_hand}, rounds=61, repeat=300)
    micros = statistics.median(times["ours"]) * 1e6
    ratio = median_ratio(times, "ours", "numpy")
    yield Result(
        f"linear-regression step, n = {n} / by hand with out=", ratio, "x", 1.25, f"ours {micros:.1f} us"
    )
    got = session.run([w, b])
    if not np.allclose(got, [w_, b_], rtol=1e-3):
        raise RuntimeError(f"the two steps disagree: {got} against {[w_, b_]}")


def imports() -> Iterator[Result]:
    """`import graphflow` beyond NumPy's own import, each in a fresh process."""

    def seconds(statement: str) -> float:
        code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        found = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(7)]
        return statistics.median(found)

    extra = seconds("import numpy, graphflow") - seconds("import numpy")
    yield Result("import graphflow beyond NumPy", extra, "s", 0.15)


def chain_memory() -> Iterator[Result]:
    """Arrays live at the peak of a 100-op elementwise chain on 50 MB arrays, the caller's feed included."""
    n = 50_000_000 // 8
    graph = gf.Graph()
    with graph.as_default():
        x = gf.placeholder("float64", [n])
        y = x
        for _ in range(50):
            y = gf.abs(y) + 1.0
    session = gf.Session(graph)
    value = np.ones(n)
    tracemalloc.start()
    start = time.perf_counter()
    result = session.run(y, {x: value})
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    forecast = gf.Session(graph).plan(y, {x: (n,)}).peak_nbytes
    if result[0] != 51.0:
        raise RuntimeError(f"the chain gave {result[0]}")
    note = f"{seconds:.2f} s; forecast/measured {forecast / peak:.3f}"
    yield Result(
        "arrays live in a 100-op chain on 50 MB arrays",
        (peak + value.nbytes) / value.nbytes,
        "arrays",
        3.01,
        note,
    )


def run() -> Iterator[Result]:
    """All of the above."""
    for part in (building, first_runs, dispatch, linear_regression, imports, chain_memory):
        yield from part()
