"""Reads, writes and effects: what each run does to state, one case at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf


def _session(optimize: bool = True) -> gf.Session:
    session = gf.Session(optimize=optimize)
    session.run(gf.global_variables_initializer())
    return session


@pytest.mark.parametrize("optimize", [True, False])
def test_equal_expressions_after_different_writes_stay_apart(optimize: bool) -> None:
    v, x = gf.Variable(np.zeros(2)), gf.placeholder("float64", [2])
    plain = x + 1.0
    with gf.control_dependencies([v.assign_add(np.ones(2))]):
        writing = x + 1.0
    again = x + 1.0
    session = _session(optimize)
    for fetches, total in [(plain, 0), (writing, 1), (again, 1), ([plain, writing, again], 2)]:
        session.run(fetches, {x: np.ones(2)})
        assert session.run(v).tolist() == [total, total]


@pytest.mark.parametrize("optimize", [True, False])
def test_a_write_made_later_changes_no_cached_program(optimize: bool) -> None:
    v = gf.Variable(np.zeros(2))
    before = v + 1.0
    session, other = _session(optimize), _session(optimize)
    cached = session.make_callable([before, v])
    assert [r[0] for r in cached()] == [1, 0]
    write = v.assign_add(np.ones(2))
    after = v + 1.0
    assert [r[0] for r in cached()] == [r[0] for r in session.run([before, v])] == [1, 0]
    assert [r[0] for r in session.run([before, after, write, v])] == [1, 2, 1, 1]
    assert [r[0] for r in session.run([before, after])] == [r[0] for r in cached()][:1] * 2 == [2, 2]
    assert other.run(v)[0] == 0


@pytest.mark.parametrize("optimize", [True, False])
def test_what_lasts_happens_even_if_only_a_shape_is_asked_for(optimize: bool) -> None:
    x, v = gf.placeholder("float64", [None]), gf.Variable(np.zeros(()))
    calls: list[Any] = []
    seen = gf.py_func(lambda a: calls.append(1) or a, [x], gf.float64, shapes=(3,))
    spread = gf.broadcast_to(seen, (2, 3)) * gf.broadcast_to(seen, (2, 3))
    with gf.control_dependencies([spread]):
        waiting = x + 1.0
    moved = gf.zeros_like(x + v.assign_add(1.0))
    drawn = gf.random.uniform(gf.shape(x), seed=1)
    session, same = _session(optimize), _session(not optimize)
    for s in (session, same):
        s.run([waiting, moved, gf.zeros_like(drawn)], {x: np.ones(3)})
        s.run([spread.op], {x: np.ones(3)})
        assert s.run(v) == 1
    assert len(calls) == 4
    draws = [s.run(drawn, {x: np.ones(3)}) for s in (session, same)]
    np.testing.assert_array_equal(*draws)


@pytest.mark.parametrize("optimize", [True, False])
def test_a_view_that_prints_does_so_at_each_run(optimize: bool, capsys: Any) -> None:
    x = gf.placeholder("float64", [1])
    y = gf.Print(x, [x], "x=") + 1.0
    session = gf.Session(optimize=optimize)
    for k in range(3):
        session.run(y, {x: [float(k)]})
    assert capsys.readouterr().err == "x=[0.0]\nx=[1.0]\nx=[2.0]\n"


def test_settings_count_when_a_loop_runs() -> None:
    y = gf.while_loop(lambda i: i < 10, lambda i: i + 1, [gf.constant(0)])
    session = gf.Session()
    assert session.run(y) == [10]
    with gf.config.override(loop_limit=5), pytest.raises(gf.errors.IterationLimitError):
        session.run(y)


@pytest.mark.parametrize("optimize", [True, False])
def test_a_value_of_a_size_that_does_not_fit_changes_nothing(optimize: bool) -> None:
    x = gf.placeholder("float64", [None])
    first, second = gf.Variable(np.zeros(3)), gf.Variable(np.zeros(3))
    some = gf.boolean_mask(x, x > 0.0)
    writes = [first.assign(gf.ones(3, dtype="float64")), second.assign(some)]
    session = _session(optimize)
    for value in ([1.0], [1.0, 2.0], [-1.0], [1.0, 2.0, 3.0, 4.0]):
        with pytest.raises(gf.errors.ShapeError, match="test_state_cases"):
            session.run(writes, {x: value})
        assert not np.any(session.run([first, second]))
    session.run(writes, {x: [1.0, -1.0, 2.0, 3.0]})
    assert session.run([first, second])[1].tolist() == [1, 2, 3]


def test_eager_blocks_run_each_node_once() -> None:
    with gf.eager():
        v = gf.Variable(np.zeros(2))
        write = v.assign_add(np.ones(2))
        with gf.control_dependencies([write]):
            gf.random.uniform((2,), seed=4)
            gf.group(write)
            again = v.assign_add(np.ones(2))
        assert v.numpy().tolist() == again.numpy().tolist() == [2, 2]
        assert gf.cond(v[0] > 1.0, lambda: v.assign_sub(np.ones(2)), lambda: v.read()).numpy().tolist() == [
            1,
            1,
        ]


@pytest.mark.parametrize("devices", [("cpu", "numpy"), ("numpy", "cpu"), ("numpy", "numpy")])
def test_state_on_two_devices(devices: tuple[str, str]) -> None:
    x = gf.placeholder("float64", [2])
    with gf.device(devices[0]):
        a, plain = gf.Variable(np.ones(2)), gf.sin(x)
    with gf.device(devices[1]):
        b, equal = gf.Variable(np.ones(2)), gf.sin(x)
        old = a.read()
        moved = a.assign_add(b + plain)
        also = b.assign_sub(a * equal)
    for optimize in (True, False):
        session = _session(optimize)
        s = np.sin(1.0)
        got = session.run([plain, equal, old, moved, also, a, b], {x: np.ones(2)})
        want = [s, s, 1.0, 2 + s, 1 - (2 + s) * s, 2 + s, 1 - (2 + s) * s]
        for r, w in zip(got, want, strict=True):
            np.testing.assert_allclose(r, np.full(2, w))


@pytest.mark.parametrize("optimize", [True, False])
def test_a_fetched_view_of_an_old_value_that_waits_for_a_write(optimize: bool) -> None:
    v, w = gf.Variable(np.zeros((2, 3)), name="v"), gf.Variable(np.zeros((2, 3)), name="w")
    old = v.read()
    with gf.control_dependencies([-old]):
        written = v.assign_add(np.ones((2, 3)))
    other = w.assign_add(written)
    with gf.control_dependencies([other]):
        view = gf.transpose(old)
    session = _session(optimize)
    for turn in range(2):
        np.testing.assert_array_equal(session.run(view), np.full((3, 2), float(turn)))
    np.testing.assert_array_equal(session.run(w), np.full((2, 3), 3.0))
