"""Costs: the model's, those that a profiled run corrects, and prediction beside measurement."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import graphflow as gf
from graphflow.analysis.calibration import Calibration, calibrate, measured_seconds
from graphflow.analysis.comparison import compare
from graphflow.analysis.cost import Machine, program_costs
from graphflow.analysis.parallelism import parallelism
from graphflow.op import OPS
from graphflow.planning.cost import FREE, kernel_cost, node_cost
from graphflow.program import Program
from graphflow.types import TensorType
from tests.analysis.programs import training


def _recorder(seconds: dict[int, float], program: Program, commit: float = 0.0) -> SimpleNamespace:
    """A run in which instructions took what is given, one after another."""
    events, now = [], 0.0
    for number, taken in seconds.items():
        name = program.instructions[number].place.name
        events.append(SimpleNamespace(name=name, number=number, op="", start=now, seconds=taken))
        now += taken
    if commit:
        events.append(SimpleNamespace(name="commit", number=-1, op="commit", start=now, seconds=commit))
    return SimpleNamespace(events=events)


def _net(n: int) -> Program:
    x = gf.placeholder(gf.float32, ["n", 64], name="x")
    hidden = gf.tanh(gf.matmul(x, gf.constant(np.ones((64, 64), np.float32)), name="product"), name="act")
    return gf.Session(optimize=False).plan(gf.exp(hidden, name="out"), {x: (n, 64)}).program


def test_the_same_program_gets_what_was_measured() -> None:
    program = _net(100)
    calibration = calibrate(program, _recorder({0: 1e-3, 1: 2e-3, 2: 3e-3}, program))
    assert [c.seconds for c in program_costs(program, Machine(), calibration)] == [1e-3, 2e-3, 3e-3]
    several = [_recorder({0: s}, program) for s in (1e-3, 9.0, 2e-3)]
    again = calibrate(program, several, before=calibration)
    assert [c.seconds for c in program_costs(program, Machine(), again)] == [2e-3, 2e-3, 3e-3]


def test_other_shapes_are_scaled_by_kind_of_call() -> None:
    program = _net(100)
    model = [c.seconds for c in program_costs(program, Machine())]
    calibration = calibrate(program, _recorder({0: 2 * model[0], 1: 3 * model[1]}, program))
    gf.reset_default_graph()
    other = _net(1000)
    plain = program_costs(other, Machine())
    found = program_costs(other, Machine(), calibration)
    ratios = [a.seconds / b.seconds for a, b in zip(found, plain, strict=True)]
    assert ratios == pytest.approx([2, 3, 6**0.5])  # nothing like `exp` was measured: all kinds together
    assert [(a.flops, a.nbytes) for a in found] == [(a.flops, a.nbytes) for a in plain]
    assert program_costs(other, Machine(), Calibration()) == plain
    near = Calibration(
        factors={("add", "float32", 3): 2.0, ("add", "float32", 5): 8.0, ("add", "int32", 4): 9.0}
    )
    assert near.factor(("add", "float32", 4)) == pytest.approx(4.0)
    assert near.factor(("add", "float32", 1)) == 2.0
    assert near.factor(("exp", "float32", 4)) == 1.0


def test_nodes_are_costed_as_their_instructions() -> None:
    """Planning asks for nodes, reports for instructions: the same seconds, calibrated or not."""
    session, step, feeds = training()
    plan = session.plan(step, {x: v.shape for x, v in feeds.items()})
    program = plan.program
    run = _recorder({k: 1e-4 * (k + 1) for k in range(program.commit)}, program)
    assert plan.subgraph is not None
    nodes = {n.name: n for n in plan.subgraph.nodes}
    for calibration in (None, calibrate(program, run)):
        for i, cost in zip(program.instructions, program_costs(program, Machine(), calibration), strict=True):
            if not i.is_view and i.op.name != "assign":
                assert node_cost(nodes[i.place.name], Machine(), calibration) == cost


def test_what_a_call_costs() -> None:
    machine = Machine()

    def seconds(op: str, *shapes: tuple[int, ...], dtype: str = "float32", **attrs: object) -> float:
        inputs = [TensorType(np.dtype(dtype), s) for s in shapes]
        outputs = OPS[op].infer_types(inputs, attrs)
        return kernel_cost(OPS[op], attrs, inputs, outputs, machine).seconds

    big = (1000, 1000)
    assert seconds("matmul", (512, 512), (512, 512)) == pytest.approx(2 * 512**3 / 7.8e10, rel=0.01)
    assert seconds("add", big, big) == pytest.approx(12e6 / 5.5e10, rel=0.01)  # in the cache
    assert seconds("add", (3000, 3000), (3000, 3000)) == pytest.approx(108e6 / 2.4e10, rel=0.01)  # in memory
    assert seconds("exp", big, dtype="float64") > 4 * seconds("exp", big)
    assert seconds("add", (1,), (1,)) == pytest.approx(machine.call_seconds, rel=0.01)
    across, along = (
        seconds("argmax", big, axis=0, keepdims=False),
        seconds("argmax", big, axis=1, keepdims=False),
    )
    assert across > 10 * along
    assert seconds("floor_divide", big, big, dtype="int32") < seconds("floor_divide", big, big) / 5
    x = gf.placeholder(gf.float32, [10, 20])
    assert node_cost(gf.transpose(x).op, machine) is FREE
    assert node_cost(x.op, machine) is FREE
    scan = gf.scan(lambda a, b: a + b, gf.ones([50, 4]))
    assert node_cost(scan.op, machine).flops >= 49 * 4
    unknown = gf.placeholder(gf.float32, [None, 20])
    assert node_cost(gf.exp(unknown).op, machine).seconds == pytest.approx(machine.call_seconds)


def test_a_profiled_run_of_a_session() -> None:
    session, step, feeds = training()
    plan = session.plan(step, {x: v.shape for x, v in feeds.items()})
    session.run(step, feeds, profile=True)
    recorder = session.profile
    assert recorder is not None
    measured = measured_seconds(plan.program, recorder)
    head = {k for k in range(plan.program.commit) if not plan.program.instructions[k].is_view}
    assert head <= set(measured)
    assert all(s > 0 for k, s in measured.items() if k in head)
    calibration = calibrate(plan.program, recorder)
    costs = [c.seconds for c in program_costs(plan.program, Machine(), calibration)]
    assert all(costs[k] == pytest.approx(measured[k]) for k in head)
    report = parallelism(plan.program, [c.seconds for c in plan.costs])
    table = compare(plan.program, report, recorder)
    assert table.measured == pytest.approx(sum(measured.values()))
    names = {plan.program.instructions[k].place.name for k in head}
    assert {place.name for place, _, _ in table.rows} - {"commit"} >= names
    assert sum(predicted for _, predicted, _ in table.rows) == pytest.approx(table.predicted)
    assert table.predicted <= report.work * (1 + 1e-9)
    assert table.measured_elapsed >= max(measured.values())
    text = str(table)
    assert "first  programs.py:" in text
    assert text.splitlines()[-1].endswith("from beginning to end")


def test_events_without_numbers_are_found_by_name() -> None:
    program = _net(100)
    events = [
        SimpleNamespace(name=n, number=-1, op="", start=0.0, seconds=1e-3) for n in ("act", "act", "gone")
    ]
    assert measured_seconds(program, SimpleNamespace(events=events)) == {1: 2e-3}
    report = parallelism(program, [1e-3, 2e-3, 3e-3])
    table = compare(program, report, _recorder({0: 2e-3, 1: 1e-3}, program, commit=5e-3))
    assert [(p.name, a, b) for p, a, b in table.rows] == [
        ("product", 1e-3, 2e-3),
        ("act", 2e-3, 1e-3),
        ("commit", 0.0, 5e-3),
    ]
    assert "1 ms       2 ms   2.00  product" in str(table)
