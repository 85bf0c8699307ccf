"""The memory contract: what a plan forecasts is what NumPy's allocations show."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf

N = 1 << 18  # float64: 2 MiB an array


def _chain() -> Any:
    x = gf.placeholder("float64", [N], name="x")
    y = x
    for k in range(30):
        y = gf.sin(y) + float(k)
    return gf.sum(y), {x: np.ones(N)}


def _fetched_chain() -> Any:
    x = gf.placeholder("float64", [N], name="x")
    return gf.exp(gf.sin(x) * 2.0), {x: np.ones(N)}


def _diamond() -> Any:
    x = gf.placeholder("float64", [N], name="x")
    a, b, c = gf.sin(x), gf.cos(x), gf.exp(x)
    return [gf.sum(a * b + c * a), gf.max(b)], {x: np.ones(N)}


def _views() -> Any:
    x = gf.placeholder("float64", [512, 512], name="x")
    y = gf.reshape(x * 2.0, (256, 1024))
    z = gf.transpose(y)[::2] + 1.0
    return gf.sum(z, axis=0), {x: np.ones((512, 512))}


def _training() -> Any:
    x = gf.placeholder("float32", [256, 784], name="x")
    w1 = gf.Variable(np.full((784, 512), 0.01, np.float32), name="w1")
    w2 = gf.Variable(np.full((512, 10), 0.01, np.float32), name="w2")
    h = gf.tanh(gf.matmul(x, w1))
    loss = gf.mean(gf.square(gf.matmul(h, w2)))
    g1, g2 = gf.gradients(loss, [w1, w2])
    return gf.group(w1.assign_sub(g1 * 0.1), w2.assign_sub(g2 * 0.1)), {x: np.ones((256, 784), np.float32)}


def _dynamic_results() -> Any:
    x = gf.placeholder("float64", [N], name="x")
    index = gf.constant(np.arange(0, N, 2))
    return gf.take(x * 3.0, index, axis=0), {x: np.ones(N)}


def _broadcast() -> Any:
    a = gf.placeholder("float64", [1024, 1], name="a")
    b = gf.placeholder("float64", [1, 512], name="b")
    return gf.sum(a + b, axis=1), {a: np.ones((1024, 1)), b: np.ones((1, 512))}


CORPUS = [_chain, _fetched_chain, _diamond, _views, _training, _dynamic_results, _broadcast]


@pytest.mark.parametrize("build", CORPUS, ids=lambda f: f.__name__)
def test_measured_peak_is_within_the_forecast(build: Callable[[], Any]) -> None:
    fetches, feeds = build()
    plan = gf.Session().plan(fetches, feeds)
    session = gf.Session()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        if gf.global_variables():
            session.run(gf.global_variables_initializer())
        tracemalloc.reset_peak()
        result = session.run(fetches, feeds)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    del result
    held_by_graph = plan.memory.constants  # literals are made when the graph is built, before measuring began
    forecast = plan.peak_nbytes - held_by_graph
    bookkeeping = 600_000  # Python objects of the program itself; the contract is about arrays
    assert peak - bookkeeping <= forecast, f"measured {peak:,}, forecast {forecast:,}"
    assert forecast <= 1.05 * peak, f"measured {peak:,}, forecast {forecast:,}"


def test_a_hundred_op_chain_holds_at_most_three_arrays() -> None:
    x = gf.placeholder("float64", [N], name="x")
    y = x
    for _ in range(50):
        y = gf.sin(y) * 1.5
    array = N * 8
    plan = gf.Session().plan(y, {x: (N,)})
    assert plan.peak_nbytes <= 2 * array + 4096  # and the caller's own feed makes three
    with gf.config.override(verify=True):
        assert gf.Session(memory_limit=2 * array + 4096).run(y, {x: np.ones(N)}).shape == (N,)


def test_the_arena_is_close_to_its_lower_bound() -> None:
    fetches, feeds = _training()
    plan = gf.Session().plan(fetches, feeds)
    assert plan.lower_bound_nbytes <= plan.arena_nbytes <= 1.02 * plan.lower_bound_nbytes


def test_a_plan_runs_nothing_and_says_where_the_bytes_are() -> None:
    fetches, feeds = _training()
    session = gf.Session()
    plan = session.plan(fetches, feeds)
    assert not session._store.arrays
    text = plan.explain()
    assert "test_memory.py:" in text
    assert "live at the peak" in text
    names = [place.name for place, _ in plan.live_at_peak()]
    assert {"w1", "w2"} <= set(names)
    assert plan.flops > 2 * 256 * 784 * 512 * 2
    assert plan.work >= plan.span > 0
    assert plan.parallelism == pytest.approx(plan.work / plan.span)
    assert plan.fits("1GB")
    assert not plan.fits("1MB")
    assert plan.what_if(workers=1) == pytest.approx(plan.work)
    assert plan.span <= plan.what_if(workers=4) <= plan.work
    assert plan.critical_path[-1].name
