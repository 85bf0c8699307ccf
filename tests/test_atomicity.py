"""A run commits or leaves no trace: failures, interrupts, threads, at any moment."""

from __future__ import annotations

import signal
import threading
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import AssertError, CallbackError, GraphflowError


def _pair(n: int) -> tuple[gf.Variable, gf.Variable, gf.Operation]:
    """Two variables that every run moves by the same amount."""
    a, b = gf.Variable(np.zeros(n), name="a"), gf.Variable(np.zeros(n), name="b")
    step = gf.ones((n,), dtype="float64")
    for _ in range(20):
        step = gf.sqrt(step * step)
    return a, b, gf.group(a.assign_add(step), b.assign_add(step))


# an interrupt may also land in a finalizer, where Python can only report it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# Windows cannot interrupt a run at a chosen time, so that there is nothing to test with there
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no interval timer")
@pytest.mark.parametrize("n", [8, 100_000])
@pytest.mark.parametrize("fed", [False, True])
def test_interrupts_leave_both_variables_alike(n: int, fed: bool) -> None:
    a, b, step = _pair(n)
    feeds: dict[Any, Any] = {}
    if fed:  # by reference, so that the updates meet its array at each run anew
        x = gf.placeholder("float64", (n,))
        step, feeds = gf.group(a.assign_add(x), b.assign_add(x)), {x: np.ones(n)}
    session = gf.Session()
    session.run(gf.global_variables_initializer())

    armed = [False]

    def interrupt(*_: Any) -> None:
        if armed[0]:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    interrupted = 0
    try:
        for k in range(150):
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + 7e-5 * (k % 40))
                try:
                    for _ in range(200):
                        session.run(step, feeds)
                finally:
                    armed[0] = False
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            va, vb = session.run([a, b])
            np.testing.assert_array_equal(va, vb)
            assert np.all(va == va[0])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 50


@pytest.mark.parametrize("at", range(6))
def test_a_callback_that_fails_at_its_kth_call(at: int) -> None:
    calls = [0]

    def sometimes(value: Any) -> Any:
        calls[0] += 1
        if calls[0] == at + 1:
            raise OSError("the disk is on fire")
        return value

    a, b = gf.Variable(np.zeros(3), name="a"), gf.Variable(np.zeros(3), name="b")
    x = gf.py_func(sometimes, [gf.ones((3,), dtype="float64")], gf.float64)
    y = gf.py_func(sometimes, [x], gf.float64)
    first = a.assign_add(gf.reshape(x, (3,)))
    with gf.control_dependencies([first]):
        z = gf.py_func(sometimes, [y], gf.float64)
    second = b.assign_add(gf.reshape(z, (3,)))
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for _ in range(3):
        if calls[0] <= at < calls[0] + 3:
            with pytest.raises(CallbackError, match="test_atomicity") as caught:
                session.run([first, second])
            assert isinstance(caught.value.__cause__, OSError)
        else:
            session.run([first, second])
    va, vb = session.run([a, b])
    np.testing.assert_array_equal(va, vb)
    np.testing.assert_array_equal(va, np.full(3, 2.0))


def test_random_draws_of_a_failed_run_are_drawn_again() -> None:
    flag = gf.placeholder("bool", [])
    u = gf.random.uniform((4,), seed=3)
    check = gf.Assert(flag, [u])
    with gf.Graph().as_default():
        expected = gf.Session().run(gf.random.uniform((4,), seed=3))
    session = gf.Session()
    with pytest.raises(AssertError):
        session.run([u, check], {flag: False})
    got, _ = session.run([u, check], {flag: True})
    np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(session.run(u), got)


def test_sessions_run_side_by_side() -> None:
    x = gf.placeholder("float64", [1000])
    v = gf.Variable(np.zeros(1000))
    step = v.assign_add(gf.sin(x))
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            session = gf.Session(v.graph)
            session.run(v.initializer)
            for _ in range(50):
                session.run(step, {x: np.full(1000, float(k))})
            np.testing.assert_allclose(session.run(v), np.full(1000, 50 * np.sin(k)))
        except BaseException as error:  # noqa: BLE001 handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_building_while_another_thread_runs() -> None:
    x = gf.placeholder("float64", [10])
    y = gf.exp(x)
    session = gf.Session()
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while not stop.is_set():
                session.run(y, {x: np.ones(10)})
        except BaseException as error:  # noqa: BLE001 handed to the main thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    z = y
    with y.graph.as_default():
        for _ in range(3000):
            z = z + 1.0
    stop.set()
    thread.join()
    assert not failures
    np.testing.assert_allclose(session.run(z, {x: np.zeros(10)}), np.full(10, 3001.0))


def test_a_failing_allocation_leaves_no_trace(monkeypatch: Any) -> None:
    """The k-th allocation of a first run fails, for each k."""
    from graphflow.backends.numpy import NumpyBackend

    allocate = NumpyBackend.allocate
    v = gf.Variable(np.ones(1000))
    x = gf.placeholder("float64", [1000])
    update = v.assign(gf.sin(v * x) + 1.0)
    for k in range(4):
        session = gf.Session()
        session.run(v.initializer)
        count = [0]

        def failing(self: Any, nbytes: int, count: list[int] = count, k: int = k) -> Any:
            count[0] += 1
            if count[0] == k + 1:
                raise MemoryError("no more")
            return allocate(self, nbytes)

        monkeypatch.setattr(NumpyBackend, "allocate", failing)
        try:
            session.run(update, {x: np.ones(1000)})
            expected = np.sin(1.0) + 1.0
        except (GraphflowError, MemoryError):
            expected = 1.0
        monkeypatch.setattr(NumpyBackend, "allocate", allocate)
        np.testing.assert_allclose(session.run(v), np.full(1000, expected))
        session.run(update, {x: np.ones(1000)})
