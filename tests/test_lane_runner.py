"""Lanes: the bits of one lane in every interleaving that the waits allow; errors and interrupts on any of them."""

from __future__ import annotations

import itertools
import random
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow import lowering
from graphflow.backends import backend_for
from graphflow.lane_runner import LanePool
from graphflow.lowering import plan_subgraph
from graphflow.planning.lane_choice import LanePlan
from graphflow.planning.schedule import Schedule
from graphflow.runtime import Executable, VariableStore
from graphflow.subgraph import Subgraph, cut
from tests.random_graphs import build, recipes


def _random_lanes(seed: int) -> Any:
    """Stands for `choose_lanes`: any lane for any node before the commit."""

    def choose(subgraph: Subgraph, schedule: Schedule, *rest: Any) -> LanePlan:
        rng = random.Random(seed)
        head = schedule.commit
        lane = [rng.randrange(3) if k < head else 0 for k in range(len(schedule.order))]
        until = [min(k + rng.randrange(4), max(head - 1, k)) if k < head else k for k in range(len(lane))]
        return LanePlan(schedule.order, tuple(lane), tuple(until), 3, 0.0)

    return choose


def _interleave(runner: Any, seed: int) -> None:
    """Walk the lanes of a runner on one thread, whichever may go on next being drawn."""
    rng = random.Random(seed)
    at = [0] * len(runner._lanes)
    while True:
        ready = []
        for k, lane in enumerate(runner._lanes):
            if at[k] < len(lane.calls):
                function = lane.calls[at[k]][0]
                is_wait = lane.owners[at[k]] is None and function.__name__ == "acquire"
                if not is_wait or not function.__self__.locked():
                    ready.append(k)
        if not ready:
            break
        k = rng.choice(ready)
        function, *arguments = runner._lanes[k].calls[at[k]]
        function(*arguments)
        at[k] += 1
    assert at == [len(lane.calls) for lane in runner._lanes], "the lanes wait for each other"


def _check_any_order(fetches: list[gf.Tensor], feeds: dict[gf.Tensor, Any], seed: int) -> None:
    plain = gf.Session(optimize=False).run(fetches, feeds)
    subgraph = cut(fetches, tuple(feeds))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowering, "choose_lanes", _random_lanes(seed))
        program = plan_subgraph(subgraph, {}, lambda d: d or "cpu:0", "cpu:0", workers=3).program
    executable = Executable(program, backend_for, VariableStore())
    runner = executable._lanes
    for attempt in range(3):
        if runner is not None:
            runner.run = lambda *rest, attempt=attempt: _interleave(runner, seed + attempt)  # type: ignore[method-assign]
        for value, wanted in zip(executable.run(list(feeds.values())), plain, strict=True):
            assert np.asarray(value).tobytes() == np.asarray(wanted).tobytes()
    threaded = Executable(program, backend_for, VariableStore())
    for _ in range(2):
        for value, wanted in zip(threaded.run(list(feeds.values())), plain, strict=True):
            assert np.asarray(value).tobytes() == np.asarray(wanted).tobytes()


@given(recipes(), st.integers(0, 2**31))
def test_any_interleaving_gives_the_bits_of_one_lane(recipe: Any, seed: int) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        _check_any_order(built.fetches, built.feeds, seed)


def test_large_branches_run_on_lanes_and_give_the_same_bits() -> None:
    x = gf.placeholder("float32", [700, 700])
    branches = [gf.sort(gf.cumulative_sum(x * float(k), axis=1), axis=0) for k in range(1, 5)]
    y = gf.add_n([gf.sort(b, axis=1) for b in branches])
    feed = np.random.default_rng(0).normal(size=(700, 700)).astype("f4")
    one, many = gf.Session(threads=1), gf.Session(threads=3)
    program = many.plan(y, {x: feed}).program
    if many._compiler.workers("cpu:0") > 1:
        assert max(i.lane for i in program.instructions) > 0
        assert any(i.waits for i in program.instructions)
    assert max(i.lane for i in one.plan(y, {x: feed}).program.instructions) == 0
    wanted = one.run(y, {x: feed}).tobytes()
    for _ in range(3):
        assert many.run(y, {x: feed}).tobytes() == wanted


def _executable(fetches: list[gf.Tensor], lanes: list[int]) -> Executable:
    def choose(subgraph: Subgraph, schedule: Schedule, *rest: Any) -> LanePlan:
        order = schedule.order
        given = itertools.cycle(lanes)
        lane = tuple([0 if n.op.is_source else next(given) for n in order])
        return LanePlan(order, lane, tuple(range(len(order))), 1 + max(lanes), 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowering, "choose_lanes", choose)
        subgraph = cut(fetches)
        return Executable(
            plan_subgraph(subgraph, {}, lambda d: d or "cpu:0", "cpu:0", workers=3).program,
            backend_for,
            VariableStore(),
        )


def test_the_first_error_of_the_program_is_raised_and_the_next_run_works() -> None:
    state = {"bad": True}

    def shaky(x: Any) -> Any:
        if state["bad"]:
            raise ValueError("no luck")
        return x

    a = gf.py_func(shaky, [gf.ones([3])], "float32", name="first")
    b = gf.py_func(shaky, [gf.ones([3])], "float32", name="second")
    y = gf.exp(a * 2.0) + gf.exp(b * 2.0)
    executable = _executable([y], [0, 1, 0, 1, 0, 1, 0])
    for _ in range(20):
        with pytest.raises(gf.errors.RunError, match="no luck'\n  node 'first'"):
            executable.run([])
    state["bad"] = False
    wanted = np.exp(np.float32(2)) * 2
    assert np.allclose(executable.run([])[0], wanted)
    assert np.allclose(executable.run([])[0], wanted)


def test_an_interrupt_on_the_calling_thread_stops_all_lanes() -> None:
    main = threading.get_ident()
    calls = []

    def interrupted(x: Any) -> Any:
        if threading.get_ident() == main and not calls:
            calls.append(1)
            raise KeyboardInterrupt
        return x

    a = gf.py_func(interrupted, [gf.ones([3])], "float32")
    b = gf.py_func(lambda x: x, [gf.ones([3])], "float32")
    executable = _executable([a + b], [0, 0, 1, 1])
    with pytest.raises(KeyboardInterrupt):
        executable.run([])
    assert executable.run([])[0].tolist() == [2, 2, 2]


class _Interrupted(LanePool):
    """Threads whose owner is interrupted as often as it is told, each time that it begins to wait for them."""

    left = 2

    def submit(self, count: int, job: Any) -> list[Any]:
        futures = super().submit(count, job)
        if self.left > 0:
            self.left -= 1
            for future in futures:
                future.result = _interrupt
        return futures


def _interrupt(timeout: float | None = None) -> Any:
    raise KeyboardInterrupt


def test_an_interrupt_while_lanes_are_waited_for_stops_them_too() -> None:
    ended = []

    def slow(x: Any) -> Any:
        time.sleep(0.05)
        ended.append(1)
        return x

    a = gf.py_func(slow, [gf.ones([3])], "float32")
    b = gf.py_func(slow, [gf.exp(a)], "float32")
    executable = _executable([b], [1])
    assert executable._lanes is not None
    executable._lanes._pool = _Interrupted()
    for _ in range(2):
        ended.clear()
        with pytest.raises(KeyboardInterrupt):
            executable.run([])
        stopped = list(ended)
        time.sleep(0.15)
        assert ended == stopped, "a lane went on after the run was over"
    assert np.allclose(executable.run([])[0], np.exp(1.0))


def test_an_interrupt_before_the_first_lane_begins_leaves_the_next_run_alone() -> None:
    a = gf.py_func(lambda x: x + 1, [gf.ones([3])], "float32")
    b = gf.py_func(lambda x: x + 1, [gf.exp(a)], "float32")
    executable = _executable([b], [0, 1])
    runner = executable._lanes
    assert runner is not None
    walk = runner._walk

    def interrupted(lane: Any, *rest: Any) -> None:
        if lane is runner._lanes[0]:
            raise KeyboardInterrupt
        walk(lane, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "_walk", interrupted)
        with pytest.raises(KeyboardInterrupt):
            executable.run([])
    assert np.allclose(executable.run([])[0], np.exp(2.0) + 1)
