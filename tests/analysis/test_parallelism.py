"""The report of parallelism: numbers from first principles, on graphs small enough to work out by hand."""

from __future__ import annotations

import copy
import pickle

import pytest

import graphflow as gf
from graphflow.analysis.parallelism import Parallelism, format_seconds, parallelism
from graphflow.program import Program
from tests.analysis.programs import branches, training


def _diamond() -> Program:
    """first -> left, right -> total."""
    x = gf.placeholder(gf.float64, [50, 50], name="x")
    first = gf.exp(x, name="first")
    total = gf.add(gf.sin(first, name="left"), gf.cos(first, name="right"), name="total")
    return gf.Session(optimize=False).plan(total, {x: (50, 50)}).program


def test_a_diamond() -> None:
    program = _diamond()
    report = parallelism(program, [1.0, 2.0, 4.0, 1.0])
    assert report.work == 8.0
    assert report.span == 6.0
    assert report.average == 8 / 6
    assert report.maximum == 2
    assert [(p.name, s) for p, s in report.slack] == [("first", 0), ("left", 2.0), ("right", 0), ("total", 0)]
    assert report.lanes == 1
    assert report.seconds == 8.0
    assert [[(p.name, a, b) for p, a, b in lane] for lane in report.timeline] == [
        [("first", 0, 1), ("left", 1, 3), ("right", 3, 7), ("total", 7, 8)]
    ]
    text = str(report)
    assert "parallelism 1.33 on average, 2 at most: work 8 s, span 6 s" in text
    assert "planned on 1 lane: 8 s" in text
    assert "2 s  left  test_parallelism.py:" in text


def test_lanes_and_waits_of_the_plan_are_followed() -> None:
    """left runs on lane 0 beside right on lane 1, and total waits for it."""
    program = _diamond()
    first, left, right, total = program.instructions
    moved = (first, left, right._replace(lane=1, waits=(0,)), total._replace(waits=(2,)))
    report = parallelism(
        Program(**{f: getattr(program, f) for f in program.__slots__} | {"instructions": moved}),
        [1.0, 2.0, 4.0, 1.0],
    )
    assert report.lanes == 2
    assert report.seconds == 6.0
    assert report.start == (0.0, 1.0, 1.0, 5.0)
    assert "lane 1  1 calls, 67% busy" in str(report)


def test_it_is_a_number_too() -> None:
    """What used to take the average still does."""
    report = parallelism(_diamond(), [1.0, 2.0, 4.0, 1.0])
    assert report == pytest.approx(8 / 6)
    assert float(report) == 8 / 6
    assert f"{report:.2f}" == "1.33"
    assert f"{report}" == str(report)
    assert report > 1
    assert round(report, 1) == 1.3
    assert repr(report) == "<Parallelism 1.33: work 8 s, span 6 s>"
    for other in (copy.copy(report), copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert isinstance(other, Parallelism)
        assert other == report
        assert str(other) == str(report)


def test_a_real_step_adds_up() -> None:
    session, step, feeds = training()
    plan = session.plan(step, {x: v.shape for x, v in feeds.items()})
    seconds = [c.seconds for c in plan.costs]
    report = parallelism(plan.program, seconds)
    assert report.work == pytest.approx(sum(seconds))
    assert max(seconds) <= report.span <= report.work
    assert 1 <= report.average <= report.maximum
    assert all(0 <= s <= report.span for _, s in report.slack)
    assert min(s for _, s in report.slack) == pytest.approx(0, abs=1e-12)
    calls = [row for lane in report.timeline for row in lane]
    assert sum(end - begin for _, begin, end in calls) == pytest.approx(report.work)
    assert len(calls) == sum(not i.is_view for i in plan.program.instructions)


def test_branches_are_as_wide_as_they_are_many() -> None:
    plan = branches(5)
    report = parallelism(plan.program, [c.seconds for c in plan.costs])
    assert report.maximum == 5
    assert 4 < report.average < 5


def test_nothing_to_run() -> None:
    x = gf.placeholder(gf.float32, [2])
    report = parallelism(gf.Session().plan(x, {x: (2,)}).program, [])
    assert float(report) == 1.0
    assert (report.maximum, report.work, report.span, report.seconds) == (1, 0, 0, 0)
    assert "planned on 1 lane" in str(report)


def test_seconds_are_written_in_fitting_units() -> None:
    assert [format_seconds(s) for s in (2.5, 2.5e-3, 2.5e-6, 2.5e-9, 0.0)] == [
        "2.5 s",
        "2.5 ms",
        "2.5 us",
        "2.5 ns",
        "0 ns",
    ]
