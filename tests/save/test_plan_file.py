"""Saved plans: the same facts after loading, and no belief in what a file says."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import graphflow as gf
from graphflow.errors import (
    ArgumentError,
    FileError,
    FormatError,
    GraphflowError,
    MemoryLimitError,
    RenderError,
)
from graphflow.plan import Plan
from graphflow.save.container import MAX_DEPTH
from graphflow.save.plan_encode import MAX_BODIES, Omitted, encode_program
from graphflow.save.plan_file import load_plan, save_plan
from tests.random_graphs import build, recipes
from tests.save.graphs import build_model, feeds

FRAME = 52


def _sealed(content: Any) -> bytes:
    """A file of that content, as one would forge it."""
    data = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
    length = struct.pack("<Q", len(data))
    return b"GFLOWPLN" + struct.pack("<I", 1) + hashlib.sha256(length + data).digest() + length + data


def _content(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes()[FRAME:])  # type: ignore[no-any-return]


def _model_plan() -> Plan:
    """Control flow, variables, random numbers, views, results whose size depends on data."""
    found = build_model()
    return gf.Session().plan(list(found.values()), feeds())


def _large_plan(threads: int) -> Plan:
    """Clusters, and two lanes where there are two threads."""
    x = gf.placeholder("float32", [1024, 1024], name="x")
    w = gf.Variable(gf.zeros([1024, 1024]), name="w")
    a, b = gf.matmul(gf.tanh(x) * 2.0 + 1.0, w), gf.matmul(gf.exp(x) - x, w)
    return gf.Session(threads=threads).plan([gf.sum(a * b), w.assign_sub(a)])


def _facts(plan: Plan) -> list[str]:
    """What `explain` says of the program; what the passes did, and which nodes became clusters, is not kept."""
    lines = plan.explain().split("\n")
    return lines[next(k for k, line in enumerate(lines) if line.startswith("memory")) :]


def _same(plan: Plan, loaded: Plan) -> None:
    assert str(loaded.program) == str(plan.program)
    for a, b in zip(loaded.program.slots, plan.program.slots, strict=True):
        assert a._replace(value=None, place=None) == b._replace(value=None, place=None)
    assert loaded.memory == plan.memory
    assert loaded.peak_nbytes == plan.peak_nbytes
    assert (loaded.costs, loaded.span, loaded.work) == (plan.costs, plan.span, plan.work)
    assert _facts(loaded) == _facts(plan)
    assert [str(p) for p in loaded.critical_path] == [str(p) for p in plan.critical_path]
    assert (loaded.device, loaded.machine) == (plan.device, plan.machine)
    assert [i.lane for i in loaded.program.instructions] == [i.lane for i in plan.program.instructions]


@pytest.mark.parametrize("make", [_model_plan, lambda: _large_plan(1), lambda: _large_plan(2)])
def test_a_plan_says_the_same_after_loading(make: Callable[[], Plan], tmp_path: Path) -> None:
    plan = make()
    save_plan(plan, tmp_path / "a.gfp")
    loaded = load_plan(tmp_path / "a.gfp")
    _same(plan, loaded)
    assert loaded.fits(plan.peak_nbytes)
    assert not loaded.fits(plan.peak_nbytes - 1)
    assert loaded.what_if(workers=2) == plan.what_if(workers=2)
    assert loaded.subgraph is None
    calls = sum(not i.is_view for i in plan.program.instructions)
    assert loaded.explain().startswith(f"plan for cpu:0: {calls} kernel calls\n")
    assert plan.explain().startswith(f"plan for cpu:0: {len(plan.order)} nodes, {calls} kernel calls\n")
    with pytest.raises(RenderError, match="loaded from a file"):
        loaded.render()
    save_plan(loaded, str(tmp_path / "b.gfp"))
    _same(loaded, load_plan(tmp_path / "b.gfp"))


@settings(max_examples=20)
@given(recipe=recipes())
def test_any_plan_can_be_saved(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    with gf.Graph().as_default():
        built = build(recipe, unknown=True)
        plan = gf.Session().plan(built.fetches, built.feeds)
    path = tmp_path_factory.mktemp("plans") / "plan.gfp"
    save_plan(plan, path)
    first = path.read_bytes()
    _same(plan, load_plan(path))
    save_plan(plan, path)
    assert path.read_bytes() == first


def test_what_is_no_data_is_left_out(tmp_path: Path) -> None:
    x = gf.placeholder("float64", [1000])
    large = gf.constant(np.arange(50_000.0))
    y = gf.py_func(lambda v: v * 2.0, [x], gf.float64)
    plan = gf.Session().plan([gf.sum(large), y], {x: (1000,)})
    save_plan(plan, tmp_path / "p.gfp")
    assert (tmp_path / "p.gfp").stat().st_size < 10_000
    loaded = load_plan(tmp_path / "p.gfp")
    _same(plan, loaded)
    assert any(isinstance(s.value, Omitted) for s in loaded.program.slots)
    assert any(isinstance(v, Omitted) for i in loaded.program.instructions for v in i.attrs.values())


def test_control_flow_nested_without_end_is_not_written() -> None:
    x = gf.placeholder("float64", [2])
    (y,) = gf.while_loop(lambda v: gf.sum(v) < 9.0, lambda v: [v + 1.0], [x])
    program = gf.Session().plan([y], {x: (2,)}).program
    k = next(k for k, i in enumerate(program.instructions) if i.bodies)
    nested = program
    for _ in range(MAX_BODIES + 1):
        steps = list(program.instructions)
        steps[k] = steps[k]._replace(bodies=(nested,))
        nested = replace(program, instructions=tuple(steps))
    with pytest.raises(FormatError, match=f"deeper than the {MAX_BODIES} levels"):
        encode_program(nested)


# --- files that are not what they claim to be ---------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The plan of a training step with a loop, in a file."""
    x = gf.placeholder("float64", [4, 3], name="x")
    w = gf.Variable(np.ones((3, 2)), name="w")
    h = gf.tanh(gf.matmul(x, w))
    (y,) = gf.while_loop(lambda v: gf.sum(v) < 9.0, lambda v: [gf.exp(v) + 1.0], [h])
    loss = gf.sum(gf.transpose(y)[1:] * 2.0)
    save_plan(gf.Session().plan([loss, w.assign_sub(gf.gradients(gf.sum(h), w)[0])]), tmp_path / "s.gfp")
    return tmp_path / "s.gfp"


def test_damage_is_found(small: Path) -> None:
    data = small.read_bytes()
    rng = random.Random(0)
    for length in {
        0,
        1,
        7,
        8,
        20,
        FRAME - 1,
        FRAME,
        FRAME + 1,
        len(data) - 1,
        *rng.sample(range(len(data)), 20),
    }:
        small.write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"no saved plan|cut off|should have"):
            load_plan(small)
    for at in [*range(FRAME), *rng.sample(range(len(data)), 60)]:
        broken = bytearray(data)
        broken[at] ^= 1 << rng.randrange(8)
        small.write_bytes(bytes(broken))
        with pytest.raises(FormatError, match=r"s\.gfp"):
            load_plan(small)
    small.write_bytes(data + b" ")
    with pytest.raises(FormatError, match="should have"):
        load_plan(small)


def test_what_is_no_file_of_ours(tmp_path: Path, small: Path) -> None:
    for data in (b"GRAPHFLW" + bytes(100), b"\x80\x04K\x01.", b"{}", bytes(500)):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(FormatError, match="no saved plan"):
            load_plan(tmp_path / "x")
    newer = bytearray(small.read_bytes())
    newer[8] = 9
    (tmp_path / "x").write_bytes(bytes(newer))
    with pytest.raises(FormatError, match="format version 9, this graphflow reads version 1; a newer"):
        load_plan(tmp_path / "x")
    with pytest.raises(FormatError, match="folder"):
        load_plan(tmp_path)
    with pytest.raises(FileError):
        load_plan(tmp_path / "absent")
    with pytest.raises(ArgumentError):
        load_plan("")
    with pytest.raises(MemoryLimitError, match="say memory_limit="):
        load_plan(small, memory_limit=1000)
    with pytest.raises(ArgumentError, match="memory_limit"):
        load_plan(small, memory_limit=0)
    with pytest.raises(ArgumentError, match="gives, not 3"):
        save_plan(3, tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(FileError):
        save_plan(_large_plan(1), tmp_path / "no" / "folder")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"a":1,"a":2}',
        b'{"writer":1.5}',
        b"[" * (MAX_DEPTH + 1),
        b'{"writer":' + b"9" * 200 + b"}",
        b"{}",
    ],
)
def test_json_that_is_no_plan(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(_sealed(data))
    with pytest.raises(FormatError):
        load_plan(tmp_path / "x")


Forgery = Callable[[dict[str, Any]], object]


def _own(content: dict[str, Any]) -> dict[str, Any]:
    return content["programs"][-1]  # type: ignore[no-any-return]


def _step(content: dict[str, Any], op: str) -> dict[str, Any]:
    return next(i for p in content["programs"] for i in p["instructions"] if i["op"] == op)


def _buffers(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [s for s in _own(content)["slots"] if "offset" in s]


FORGERIES: dict[str, tuple[Forgery, str]] = {
    "a peak that is too low": (lambda c: c.update(peak_nbytes=c["peak_nbytes"] - 8), "its peak is"),
    "an arena that is too small": (
        lambda c: _own(c)["arena_nbytes"].update({"cpu:0": 64}),
        "not aligned within",
    ),
    "an offset off the grid": (lambda c: _buffers(c)[0].update(offset=8), "not aligned"),
    "buffers in one place": (lambda c: [s.update(offset=0) for s in _buffers(c)], "unsound program"),
    "a negative offset": (lambda c: _buffers(c)[0].update(offset=-64), "offset must be"),
    "steps exchanged": (lambda c: _own(c)["instructions"].reverse(), "unsound program"),
    "an unknown op": (lambda c: _step(c, "tanh").update(op="os.system"), "there is no op 'os.system'"),
    "another op": (lambda c: _step(c, "tanh").update(op="matmul"), "program 2: instruction|does not fit"),
    "an unknown attribute": (lambda c: _step(c, "tanh")["attrs"].update(__class__=1), "do not fit|__class__"),
    "an attribute of another kind": (
        lambda c: _step(c, "sum")["attrs"].update(axis="0"),
        "axis must be an integer",
    ),
    "a type that is none": (lambda c: c["types"].append(["object", []]), "not a dtype"),
    "a huge type": (lambda c: c["types"].append(["float64", [1 << 62, 1 << 62]]), r"more than 2\^63"),
    "another type for a result": (lambda c: c["types"][0].__setitem__(1, [7, 7]), "program|plan"),
    "workspace that is not needed": (lambda c: _step(c, "tanh").update(workspace=1 << 40), "workspace"),
    "a slot that is not there": (lambda c: _step(c, "tanh").update(outputs=[999]), "must be an integer"),
    "a fetch that is not there": (lambda c: _own(c).update(fetches=[999, 999]), "fetches must be|fetched"),
    "a commit that is too early": (lambda c: _own(c).update(commit=0), "unsound program"),
    "a write that is not told": (lambda c: _own(c).update(written=[]), "said to be written"),
    "a view of what comes later": (
        lambda c: next(s for s in _own(c)["slots"] if s["kind"] == "view").update(base=500),
        "base must be",
    ),
    "a body that contains itself": (lambda c: _step(c, "while_loop").update(bodies=[2, 2]), "body"),
    "a body used twice": (lambda c: _step(c, "while_loop").update(bodies=[0, 0]), "body twice"),
    "a body of none": (lambda c: _step(c, "tanh").update(bodies=[0]), "bodies|body"),
    "a program too many": (lambda c: c["programs"].insert(0, copy.deepcopy(c["programs"][0])), "body"),
    "a kind that is none": (lambda c: _own(c)["slots"][0].update(kind="pickle"), "no kind 'pickle'"),
    "lanes without end": (lambda c: _step(c, "tanh").update(lane=1 << 40), "a lane must be"),
    "a machine without speed": (lambda c: c["machine"].update(matrix_flops="0x0.0p+0"), "no positive number"),
    "a machine with more": (lambda c: c["machine"].update(script="rm"), "unknown key 'script'"),
    "an unknown field": (lambda c: c.update(code="import os"), "unknown key 'code'"),
    "a missing field": (lambda c: c.pop("nodes"), "lacks 'nodes'"),
    "fewer values than slots": (lambda c: _step(c, "tanh").update(reads=[]), "reads must be a list of 1"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_plan_is_refused(small: Path, name: str) -> None:
    change, message = FORGERIES[name]
    content = _content(small)
    change(content)
    small.write_bytes(_sealed(content))
    with pytest.raises(FormatError, match=message):
        load_plan(small)


def test_no_change_of_a_file_gives_anything_but_a_clear_error(small: Path) -> None:
    """Numbers, texts and lists all over the file are exchanged; a plan that still loads is sound."""
    original = _content(small)
    refused = 0
    for seed in range(150):
        rng = random.Random(seed)
        content = copy.deepcopy(original)
        _vandalise(content, rng)
        small.write_bytes(_sealed(content))
        try:
            load_plan(small).explain()
        except GraphflowError:
            refused += 1
    assert refused > 75


def _vandalise(value: Any, rng: random.Random) -> None:
    """Change one thing, some levels down."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    deeper = [k for k in keys if isinstance(value[k], (dict, list)) and value[k]]
    if deeper and (rng.random() < 0.9 or not keys):
        _vandalise(value[rng.choice(deeper)], rng)
    elif keys:
        k = rng.choice(keys)
        junk = [0, -1, 1, 10**30, True, None, "", "x", [], {}, [0], {"float": "nan"}, {"omitted": "x"}]
        value[k] = rng.choice([*junk, value[rng.choice(keys)]])
