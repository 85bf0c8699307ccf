"""Order and writes: program order for state, nothing half done after a failure."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import AssertError, UninitializedError


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
