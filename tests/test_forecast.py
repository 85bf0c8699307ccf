"""No run takes more memory than its forecast: views, copies, bodies of control flow, variables."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf

N = 512  # 2 MiB a square
FORECAST: dict[str, Callable[[Any], Any]] = {
    "views fetched": lambda x: [gf.transpose(gf.sin(x)), gf.reshape(gf.sin(x), (-1,)), gf.sin(x)],
    "copies of turned feeds": lambda x: [gf.reshape(gf.transpose(x), (-1,)), x],
    "turned twice": lambda x: gf.reshape(gf.transpose(gf.transpose(x * 2.0)), (-1,)),
    "parts": lambda x: [gf.add_n(gf.split(gf.sin(x), 4)), gf.concat([x, gf.transpose(x)], axis=0)],
    "turned view in a branch": lambda x: _branch(x),
    "views carried by a loop": lambda x: gf.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, gf.transpose(a)), [0, x]
    )[1],
    "a loop": lambda x: gf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, gf.sin(a) + x), [0, x])[1],
    "rows": lambda x: gf.map_fn(lambda row: gf.sin(row) * 2.0, x),
    "two writes": lambda x: _two_writes(x),
    "exchanged": lambda x: _exchanged(),
}


def _branch(x: Any) -> Any:
    turned = gf.transpose(gf.sin(x))
    return gf.cond(gf.sum(x) > 0.0, lambda: gf.sum(gf.reshape(turned, (-1,)) * 2.0), lambda: gf.sum(x))


def _two_writes(x: Any) -> Any:
    v = gf.Variable(np.ones((N, N)))
    first = v.assign(x * 2.0)
    return [first, v.assign(first + gf.transpose(first)), v]


def _exchanged() -> Any:
    a, b = gf.Variable(np.ones((N, N))), gf.Variable(np.ones((N, N)))
    old_a, old_b = a.read(), b.read()
    return gf.group(a.assign(old_b), b.assign(gf.transpose(old_a)))


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("name", FORECAST)
def test_no_run_takes_more_than_its_forecast(name: str, optimize: bool) -> None:
    x = gf.placeholder("float64", (N, N))
    fetches, feeds = FORECAST[name](x), {x: np.ones((N, N))}
    plan = gf.Session(optimize=optimize).plan(fetches, {x: (N, N)})
    session = gf.Session(optimize=optimize)
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
    bookkeeping = 400_000  # Python objects of the program itself; the contract is about arrays
    assert peak - bookkeeping <= plan.peak_nbytes - plan.memory.constants
