"""Profiles: what a recorder notes, the table, and the trace that timeline viewers read."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.profile import Event, Recorder
from graphflow.program import Instruction, Place, Program

LIBRARIES = ("openblas 1, 1 thread",)


def _program() -> Program:
    """matmul, a view of it, exp of that, and what a mask leaves, of a size that depends on data."""
    x = gf.placeholder("float32", [64, 64], name="x")
    product = gf.matmul(x, x, name="product")
    flat = gf.reshape(product, (-1,), name="flat")
    grown = gf.exp(flat, name="grown")
    left = gf.boolean_mask(grown, grown > 1.0, name="left")
    total = gf.sum(left, name="total")
    return gf.Session(optimize=False).plan([total, grown], {x: (64, 64)}).program


def _recorded(program: Program, left: int = 10) -> Recorder:
    """As the runtime records it: each instruction by its number, and what it frees as a call of its own."""
    recorder = Recorder(LIBRARIES)
    recorder.begin(program, lambda slots: [np.zeros(left, np.float32) for _ in slots])
    for number, i in enumerate(program.instructions):
        recorder.record(i.place, sum, [range(1000)], number)
        if i.frees:
            recorder.record(i.place, len, [""], number)
    recorder.begin_commit()
    recorder.end()
    return recorder


def _event(recorder: Recorder, name: str) -> Event:
    (found,) = [e for e in recorder.events if e.name == name]
    return found


def test_an_event_tells_what_an_instruction_did() -> None:
    program = _program()
    recorder = _recorded(program)
    events = recorder.events
    assert [e.number for e in events] == [*range(len(program.instructions)), -1]
    product = _event(recorder, "product")
    assert (product.op, product.read_nbytes, product.written_nbytes) == ("matmul", 32768, 16384)
    assert product.nbytes == 49152
    assert product.bytes_per_second == product.nbytes / product.seconds
    assert product.types == "float32[64, 64] = matmul(float32[64, 64], float32[64, 64])"
    assert product.origin.startswith("test_profile.py:")
    assert product.live_nbytes >= 16384
    assert _event(recorder, "flat").nbytes == 0  # a view moves nothing
    assert _event(recorder, "left").written_nbytes == 40
    assert _event(recorder, "total").read_nbytes == 40
    assert events[-1].op == events[-1].name == "commit"
    assert all(a.start <= b.start for a, b in itertools.pairwise(events))
    assert recorder.events is events
    assert recorder.seconds == sum(e.seconds for e in events)
    assert recorder.elapsed >= events[-1].start
    assert repr(recorder).startswith("<Recorder of ")


def test_the_table_is_slowest_first_with_shares_and_lines() -> None:
    recorder = _recorded(_program())
    head, titles, *rows = str(recorder).splitlines()
    assert "openblas 1, 1 thread" in head
    assert "read and written" in head
    assert titles.split() == ["time", "share", "bytes", "GB/s", "node"]
    assert len(rows) == len(recorder.events)
    times = [float(row.split()[0]) for row in rows]
    assert times == sorted(times, reverse=True)
    (row,) = [row for row in rows if "  product  " in row]
    assert "48.0 KiB" in row
    assert "test_profile.py:" in row
    assert recorder.table(rows=2).splitlines()[-1].endswith(f"{len(rows) - 2} faster calls")
    assert str(Recorder()) == "0.000 ms in 0 calls; no BLAS"


def test_a_recorder_without_a_program_times_calls() -> None:
    recorder = Recorder()
    told: list[int] = []
    recorder.record(Place(None, ("mine", "model.py:1", "node 'mine'")), told.append, [1])
    (event,) = recorder.events
    assert told == [1]
    assert (event.name, event.origin, event.number, event.op) == ("mine", "model.py:1", -1, "")
    assert event.seconds >= 0
    assert [row["ph"] for row in recorder.chrome_trace()["traceEvents"]].count("C") == 0
    with pytest.raises(ZeroDivisionError):  # what a call raises is the caller's
        recorder.record(Place(None, ("mine", "", "")), lambda: 1 / 0, [])
    assert len(recorder.events) == 1


def test_calls_of_several_threads() -> None:
    program = _program()
    lanes = tuple([i._replace(lane=n % 3) for n, i in enumerate(program.instructions)])
    recorder = Recorder()
    recorder.begin(program.__class__(**{**_fields(program), "instructions": lanes}))

    def work(lane: int) -> None:
        for number, i in enumerate(lanes):
            if i.lane == lane:
                recorder.record(i.place, sum, [range(200)], number)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(e.number for e in recorder.events) == list(range(len(lanes)))
    assert {e.number: e.lane for e in recorder.events} == {n: i.lane for n, i in enumerate(lanes)}
    assert recorder.lanes == 3
    assert "on 3 lanes" in str(recorder)


def _fields(program: Program) -> dict[str, Any]:
    return {name: getattr(program, name) for name in program.__slots__}


def test_the_trace_is_what_viewers_read(tmp_path: Path) -> None:
    """Fields as the "Trace Event Format" document asks for them."""
    program = _program()
    recorder = _recorded(program)
    file = tmp_path / "run.json"
    recorder.save_trace(file)
    trace = json.loads(file.read_text())
    assert trace == json.loads(json.dumps(recorder.chrome_trace()))
    assert set(trace) <= {"traceEvents", "displayTimeUnit", "otherData", "systemTraceEvents", "metadata"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    rows = trace["traceEvents"]
    by_phase = {ph: [r for r in rows if r["ph"] == ph] for ph in "MXC"}
    assert sum(map(len, by_phase.values())) == len(rows)
    for row in by_phase["M"]:
        assert row["name"] in ("process_name", "thread_name", "thread_sort_index")
        assert set(row["args"]) == {"sort_index" if row["name"] == "thread_sort_index" else "name"}
    named = {r["tid"] for r in by_phase["M"] if r["name"] == "thread_name"}
    assert len(by_phase["X"]) == len(recorder.events)
    for row, event in zip(by_phase["X"], recorder.events, strict=True):
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == set(row)
        assert isinstance(row["pid"], int)
        assert row["tid"] in named
        assert row["ts"] == pytest.approx(event.start * 1e6)
        assert row["dur"] == pytest.approx(event.seconds * 1e6)
        assert row["args"]["line"] == event.origin
        assert row["args"]["types"] == event.types
    assert by_phase["C"]
    for row in by_phase["C"]:
        assert {"name", "ph", "ts", "pid", "args"} == set(row)
        assert all(isinstance(v, int) and v > 0 for v in row["args"].values())
    assert trace["otherData"]["libraries"] == LIBRARIES[0]


def test_a_trace_that_cannot_be_written(tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(gf.errors.FileError, match="cannot write"):
        recorder.save_trace(tmp_path / "missing" / "run.json")
    for path in (None, 3, b"run.json", ["run.json"]):
        with pytest.raises(gf.errors.ArgumentError, match="is not a path"):
            recorder.save_trace(path)


def test_a_session_profiles_its_runs() -> None:
    x = gf.placeholder("float32", [200, 200], name="x")
    v = gf.Variable(gf.zeros([200, 200]), name="v")
    step = v.assign_add(gf.matmul(x, x, name="product"))
    session = gf.Session()
    session.run(v.initializer)
    session.run(step.op, {x: np.ones((200, 200))}, profile=True)
    recorder = session.profile
    assert recorder is not None
    assert _event(recorder, "product").seconds > 0
    assert isinstance(recorder.chrome_trace()["traceEvents"], list)
    assert all(
        isinstance(i, Instruction) for i in session.plan(step.op, {x: (200, 200)}).program.instructions
    )
