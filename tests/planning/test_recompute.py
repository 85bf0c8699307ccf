"""Values that are computed again instead of kept: the same bits, fewer bytes, little work, never what must not run twice."""

from __future__ import annotations

import math
import random
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import graphflow as gf
from graphflow.planning.evict import Means, evicted
from graphflow.planning.recompute import recompute, recomputing
from graphflow.planning.rerun import Step, Tasks, held_by, peak_of, tasks_of
from graphflow.planning.rewritten import rewritten
from graphflow.planning.segments import segmented, turn_of
from graphflow.planning.steps import extra_seconds
from graphflow.subgraph import cut
from graphflow.verify import verify
from tests.planning.layered import bits, built, chain, layered, measure, run


def test_what_runs_again_stands_right_before_what_needs_it() -> None:
    case = chain(6, 256, 8)
    tasks = tasks_of(case.subgraph)
    made = recompute(tasks, measure(case.subgraph) - 20_000, measure)
    assert made is not None
    verify(made.subgraph)
    nodes = [n for n in made.subgraph.nodes if not n.op.is_source and n.op.name != "read"]
    names = [n.name for n in nodes]
    again = [n for n in nodes if n.name.endswith("/again")]
    assert {f"{n.name}/again" for n in made.again} == {n.name for n in again if not n.op.is_view}
    assert len(again) < 10
    for n in again:
        assert n.origin == made.stands_for[n].origin
        assert n.name == f"{made.stands_for[n].name}/again"
        assert names.index(n.name) > names.index(made.stands_for[n].name)
        after = nodes[nodes.index(n) - 1]
        assert [c.name for c in n.control_inputs] == [] if after in again else [after.name]
    readers = [n.name for n in nodes if any(t.op is again[-1] for t in n.inputs)]
    assert readers
    assert all(name.startswith("gradients/") for name in readers)
    assert bits(run(case, made.subgraph)) == bits(run(case, case.subgraph))
    assert measure(made.subgraph) <= measure(case.subgraph) - 20_000


def test_a_deep_chain_takes_three_roots_of_its_length() -> None:
    layers, rows, width = 144, 2048, 16
    case = chain(layers, rows, width)
    tasks = tasks_of(case.subgraph)
    activation = rows * width * 4
    variables = sum(v.nbytes for v in case.variables.values())
    assert tasks.peak_nbytes > layers * activation
    limit = variables + int(3 * math.sqrt(layers) * activation)
    made = recompute(tasks, limit, measure)
    assert made is not None
    assert measure(made.subgraph) <= limit
    flops = sum(cost.flops for cost in tasks.costs)
    assert flops + made.again_flops <= 1.35 * flops
    assert set(made.again.values()) == {1}
    assert not made.aside
    assert bits(run(case, made.subgraph)) == bits(run(case, case.subgraph))


@pytest.mark.parametrize("residual", [False, True])
def test_less_memory_costs_more_work_and_no_method_says_less_than_it_takes(residual: bool) -> None:
    tasks = tasks_of(chain(60, 1024, 16, residual=residual).subgraph)
    turn = turn_of(tasks, tasks.arena.index(max(tasks.arena)))
    for method in (
        lambda target: segmented(turn, target),
        lambda target: evicted(tasks, target, 1 << 20, Means()),
    ):
        before = 0.0
        for part in (0.95, 0.7, 0.5, 0.3, 0.2):
            steps = method(int(part * tasks.peak_nbytes))
            assert steps is not None
            assert peak_of(tasks, steps) <= 1.02 * part * tasks.peak_nbytes
            work = sum(extra_seconds(tasks, steps))
            assert work >= 0.9 * before
            before = work
    assert segmented(turn, 1) is None


@cache
def _fewest(layers: int, slots: int) -> int:
    """The fewest layers run, the first time included, to go back over a chain with room for so many of its values.

    Griewank and Walther 2000: a checkpoint is put after k layers, the rest is gone over with one slot less, and then
    the k layers with all slots. Without a slot to spare, each layer is reached from the start.
    """
    if layers <= 1:
        return 0
    if slots == 1:
        return layers * (layers - 1) // 2
    return min(k + _fewest(layers - k, slots - 1) + _fewest(k, slots) for k in range(1, layers))


def test_segments_run_little_more_again_than_the_best_for_a_chain() -> None:
    layers, rows, width = 60, 16_384, 8
    tasks = tasks_of(chain(layers, rows, width).subgraph)
    turn = turn_of(tasks, tasks.arena.index(max(tasks.arena)))
    activation = rows * width * 4
    for kept in (6, 8, 10, 12, 16, 20, 40):
        steps = segmented(turn, kept * activation)
        assert steps is not None
        products = [k for kind, k in steps if tasks.subgraph.nodes[k].op.name == "matmul"]
        again = len(products) - len(set(products))
        slots = peak_of(tasks, steps) // activation - 2  # a gradient and a product are live too
        assert again <= 1.45 * (_fewest(layers, slots) - layers), (kept, slots, again)


# --- what holds for any graph -------------------------------------------------------------------------


def _some_steps(tasks: Tasks, chance: random.Random) -> list[tuple[Step, ...]]:
    found = []
    for _ in range(2):
        target = int(chance.uniform(0.1, 1.0) * tasks.peak_nbytes)
        found += [method(target) for method in recomputing(tasks)]
        found.append(evicted(tasks, target, chance.choice([0, 1 << 20]), Means(chance.random() < 0.5, True)))
    return [steps for steps in found if steps is not None]


@settings(max_examples=8)
@given(layered())
def test_steps_mean_what_the_rewritten_subgraph_does(recipe: Any) -> None:
    """The forecast of a list of steps is what the planner sees in the subgraph that is made of them."""
    tasks = tasks_of(built(recipe, 256).subgraph)
    for steps in _some_steps(tasks, random.Random(str(recipe))):
        made = rewritten(tasks, steps)
        verify(made.subgraph)
        seen = tasks_of(made.subgraph)
        arena, beside = held_by(tasks, steps)
        assert tuple(arena) == seen.arena
        assert tuple(beside) == seen.beside
        for number, times in made.again.items():
            assert tasks.again[tasks.subgraph.nodes.index(number)]
            assert times > 0
        ran = [k for kind, k in steps if kind == "run"]
        assert all(tasks.again[k] for k in ran if ran.count(k) > 1)
        whole = {k for k in range(len(tasks.again)) if tasks.shown[k] < 0}
        assert whole <= set(ran)


@settings(max_examples=3)
@given(layered())
def test_bits_are_those_of_the_plain_run(recipe: Any) -> None:
    case = built(recipe, 256)
    expected = bits(run(case, case.subgraph))
    tasks = tasks_of(case.subgraph)
    for steps in _some_steps(tasks, random.Random(str(recipe)))[:5]:
        assert bits(run(case, rewritten(tasks, steps).subgraph)) == expected


def test_never_again_what_has_effects_or_state_or_may_fail() -> None:
    seen = []
    with gf.Graph().as_default():
        x = gf.placeholder("float32", (1024, 16))
        v = gf.Variable(np.ones(16, np.float32))
        noisy = gf.py_func(lambda a: (seen.append(1), a)[1], [x], gf.float32)
        noisy = gf.reshape(noisy, (1024, 16))
        picked = gf.take(gf.tanh(x * 2.0), gf.cast(gf.range(1024), "int64"), axis=0)
        drawn = gf.random_uniform((1024, 16), seed=3) * v
        h = gf.tanh(noisy) + gf.sin(picked) + gf.exp(drawn)
        late = [gf.exp(h * float(k)) for k in range(4)]
        total = gf.sum(gf.concat([noisy, picked, drawn, h, *late], axis=0))
        subgraph = cut([total], [x])
    tasks = tasks_of(subgraph)
    for steps in _some_steps(tasks, random.Random(0)):
        ran = [subgraph.nodes[k].op for kind, k in steps if kind == "run"]
        for op in dict.fromkeys(ran):
            if op.has_effect or op.fallible or not (op.is_pure or op.name == "random_uniform"):
                assert ran.count(op) == sum(n.op is op for n in subgraph.nodes)


def test_none_where_recomputation_cannot_do_it() -> None:
    case = chain(5, 256, 8)
    tasks = tasks_of(case.subgraph)
    assert recompute(tasks, 10_000, measure) is None
    assert recompute(tasks, 1, measure) is None
