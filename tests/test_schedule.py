"""Order and writes: program order for state, nothing half done after a failure."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from benchmarks.orders import subgraph_of
from benchmarks.packing import perceptron
from graphflow.errors import AssertError, UninitializedError
from graphflow.planning import schedule as planning
from graphflow.planning.liveness import order_problem
from graphflow.planning.order import peak_nbytes
from graphflow.planning.schedule import Schedule, schedule
from graphflow.planning.writes import Written, write_last
from graphflow.subgraph import Subgraph
from tests.test_state_programs import SHAPES, _build


def _session(*variables: gf.Variable) -> gf.Session:
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    return session


def test_reads_and_writes_in_program_order() -> None:
    """a = w; w += 1; b = w; w *= 2; c = w"""
    w = gf.Variable(1.0, name="w")
    a = w.read()
    w.assign_add(1.0)
    b = w.read()
    w.assign(w * 2.0)
    c = w.read()
    session = _session(w)
    writes = [op for op in w.graph.operations if op.type == "assign" and op is not w.initializer]
    got = session.run([c, b, a, w, *[op.outputs[0] for op in writes]])
    assert [float(v) for v in got] == [4.0, 2.0, 1.0, 4.0, 2.0, 4.0]


def test_an_old_value_survives_the_write() -> None:
    w = gf.Variable(np.arange(4.0), name="w")
    old = w.read()
    update = w.assign(old * 10.0)
    later = old + update  # made after the write, but of the value from before
    session = _session(w)
    got = session.run([later, old, update])
    np.testing.assert_array_equal(got[0], np.arange(4) * 11)
    np.testing.assert_array_equal(got[1], np.arange(4))
    np.testing.assert_array_equal(session.run(w), np.arange(4) * 10)


def test_only_what_is_fetched_runs() -> None:
    w = gf.Variable(0.0)
    w.assign_add(1.0)
    y = w.initial_value + 5.0
    session = _session(w)
    assert session.run(y) == 5.0
    assert session.run(w) == 0.0


def test_two_variables_swap() -> None:
    a, b = gf.Variable(1.0), gf.Variable(2.0)
    old_a, old_b = a.read(), b.read()
    swap = gf.group(a.assign(old_b), b.assign(old_a))
    session = _session(a, b)
    session.run(swap)
    assert session.run([a, b]) == [2.0, 1.0]


def test_a_failing_run_changes_nothing() -> None:
    w = gf.Variable(np.ones(3), name="w")
    v = gf.Variable(5.0, name="v")
    x = gf.placeholder("float64", [3], name="x")
    first = w.assign_add(x)
    with gf.control_dependencies([first]):
        check = gf.Assert(gf.all(x > 0.0), [x])
    second = v.assign_sub(1.0)
    session = _session(w, v)
    with pytest.raises(AssertError):
        session.run([first, second, check], {x: [1.0, -1.0, 2.0]})
    np.testing.assert_array_equal(session.run(w), np.ones(3))
    assert session.run(v) == 5.0
    session.run([first, second, check], {x: [1.0, 1.0, 2.0]})
    np.testing.assert_array_equal(session.run(w), [2.0, 2.0, 3.0])
    assert session.run(v) == 4.0


def test_uninitialised_variables_are_named() -> None:
    w = gf.Variable(1.0, name="weights")
    with pytest.raises(UninitializedError, match=r"'weights' has no value.*\n.*test_schedule\.py:\d+"):
        gf.Session().run(w + 1.0)


def test_initialisers_see_earlier_variables() -> None:
    a = gf.Variable(3.0)
    b = gf.Variable(a * 2.0)
    session = _session(a, b)
    assert session.run(b) == 6.0


def test_writes_go_straight_into_the_variable() -> None:
    """Gradient descent on a large variable needs no buffer of its size beyond the step."""
    w = gf.Variable(np.zeros(1 << 20), name="w")
    x = gf.placeholder("float64", [1 << 20])
    step = w.assign_sub(x * 0.1)
    plan = gf.Session().plan(step.op)
    assert plan.memory.arena <= 8 * (1 << 20) + 64


def test_what_is_written_may_be_made_from_what_was_written_before() -> None:
    """Two values of one written variable, each written straight into another, in the other order."""
    a, b, c = (gf.Variable(np.zeros(100), name=n) for n in "abc")
    new = a.assign(np.ones(100))
    plus, times = new + 1.0, new * 5.0
    second, first = c.assign(times), b.assign(plus)
    session = _session(a, b, c)
    session.run([first.op, second.op])
    assert [v[0] for v in session.run([a, b, c])] == [1.0, 2.0, 5.0]


def _peak(subgraph: Subgraph, plan: Schedule | Written) -> int:
    problem = order_problem(Subgraph(plan.order, subgraph.inputs, subgraph.outputs), plan.writes)
    return peak_nbytes(problem, range(len(plan.order)))


def test_an_optimizer_holds_no_second_copy_of_all_weights() -> None:
    """Adam's new moments and steps are made variable by variable, between the writes."""
    subgraph = subgraph_of(perceptron(12, 128, optimizer="adam"))
    plain, plan = write_last(subgraph), schedule(subgraph)
    assert _peak(subgraph, plan) < 0.7 * _peak(subgraph, plain)
    assert all(plan.writes[n].direct for n, write in plain.writes.items() if write.direct)
    after = {n: plan.order[k + 1 :] for k, n in enumerate(plan.order[:-1])}
    for n, write in plan.writes.items():
        if write.producer is not None:
            assert after[write.producer][0] is n
    assert [subgraph.nodes[k] for k in plan.numbers] == list(plan.order)
    assert set(plan.numbers) == set(range(len(subgraph.nodes)))


def test_an_order_serves_for_other_sizes() -> None:
    small = subgraph_of(perceptron(6, 96, optimizer="adam"))
    large = subgraph_of(perceptron(6, 128, batch=64, optimizer="adam"))
    numbers = schedule(small).numbers
    assert schedule(small, numbers).numbers == numbers
    again = schedule(large, numbers)
    assert again.numbers == numbers
    assert _peak(large, again) <= 1.1 * _peak(large, schedule(large))
    plain = write_last(large).order
    for misfit in ([], numbers[:-1], numbers[::-1], numbers[:-1] + numbers[:1]):
        assert schedule(large, misfit).order == plain


def test_small_runs_keep_the_order_of_the_program() -> None:
    x = gf.placeholder("float32", [8])
    wide = [gf.concat([x * float(k)] * 8, axis=0) for k in range(8)]
    subgraph = subgraph_of([gf.add_n([gf.sum(w) for w in wide])])
    assert schedule(subgraph).order == subgraph.nodes


@pytest.mark.parametrize("seeds", [range(8), range(8, 16)])
def test_any_order_gives_the_same_bits(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random programs over variables, in the program's order and in one chosen for memory."""
    for seed in seeds:
        chance = random.Random(seed)
        found: list[list[Any]] = []
        with gf.Graph().as_default(), gf.config.override(repeat_limit=10**6, verify=True):
            lines = [tuple(chance.randrange(1 << 16) for _ in range(5)) for _ in range(16)]
            p = _build(chance.choice(SHAPES), lines, 3)
            wanted = [s.tensor for s in chance.sample(p.steps[2:], 5)]
            fetches = [t.op if chance.random() < 0.4 else t for t in wanted] + p.variables[:1]
            x = np.random.default_rng(seed).uniform(-1, 1, p.shape)
            for limit in (1 << 40, -1):
                monkeypatch.setattr(planning, "SMALL_NBYTES", limit)
                session = _session(*p.variables)
                runs = [session.run(fetches, {p.steps[0].tensor: x}) for _ in range(2)]
                found.append([v for run in runs for v in run if v is not None] + session.run(p.variables))
        for a, b in zip(*found, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_effects_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SMALL_NBYTES", -1)
    seen: list[int] = []
    x = gf.placeholder("float32", [64])
    wide = [gf.concat([gf.sin(x * float(k))] * (9 - k), axis=0) for k in range(8)]
    calls = [
        gf.py_func(lambda v, k=k: seen.append(k), [gf.sum(w)], []) for k, w in reversed([*enumerate(wide)])
    ]
    gf.Session().run(calls, {x: np.ones(64, np.float32)})
    assert seen == list(range(7, -1, -1))


def test_no_order_is_looked_for_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(planning, "best_order", lambda problem: asked.append(1) or range(len(problem.before)))
    x = gf.placeholder("float64", [40_000])
    chain = x
    for k in range(20):
        chain = gf.tanh(chain) + (x if k % 2 else gf.constant(float(k)))
    variable = gf.Variable(np.ones(40_000))
    stateful = variable.assign(gf.sqrt(chain * variable))
    two_ways = gf.tanh(x) + gf.sqrt(x)
    for fetches, looks in (([chain], 0), ([stateful.op], 0), ([two_ways], 1), ([chain, gf.cos(x)], 1)):
        asked.clear()
        schedule(subgraph_of(fetches))
        assert len(asked) == looks
