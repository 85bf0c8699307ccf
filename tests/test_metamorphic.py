"""The same program has the same bits: under other names, in another order, on other lanes, within any limit, once saved."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.backends.numpy import NumpyBackend
from graphflow.errors import MemoryLimitError
from graphflow.ops import product_panels
from graphflow.plan import Plan
from graphflow.planning import fusion, lane_choice, lanes, schedule
from graphflow.program import Program
from graphflow.runtime import load
from graphflow.save.plan_encode import Omitted
from graphflow.subgraph import cut
from tests.metamorphic_programs import BUILDERS, Case, bits, copied, layout, observed, random_case, report
from tests.planning.layered import built, layered
from tests.random_graphs import recipes

BOOKKEEPING = 300_000
"""Bytes of Python's objects for a program; the contract is about arrays."""

EXAMPLES = settings.default.max_examples if settings.default is not None else 50

DRAWING = ("noisy",)
WITH_SIZES = ("perceptron", "convolutional", "attention", "blocks")
LARGE = ("wide", "blocks")
"""Programs that draw random numbers; whose batch has no size of its own; that are worth lanes and clusters."""

LIMITS = {"attention": (0.6,), "noisy": (0.9,), "stateful": (0.5,), "wide": (0.6,), "blocks": (0.6,)}
"""Parts of the peak."""


@cache
def program(name: str) -> Case:
    """One of the programs; what is built from it, is built in graphs of its own."""
    with gf.Graph().as_default():
        return BUILDERS[name]()


@cache
def expected(name: str) -> Any:
    """What it gives."""
    return observed(program(name))


@contextmanager
def many_workers() -> Iterator[None]:
    """A session uses as many threads as it is told, whatever the machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NumpyBackend, "workers", lambda self: 8)
        yield


@contextmanager
def small_decisions() -> Iterator[None]:
    """Small arrays are ordered for memory, put into clusters and on lanes too."""
    with many_workers(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "MIN_NBYTES", 1)
        patch.setattr(fusion, "BLOCK_NBYTES", 1024)
        patch.setattr(schedule, "SMALL_NBYTES", -1)
        patch.setattr(lane_choice, "LARGE_NBYTES", 1)
        for name in ("GRAIN_SECONDS", "HANDOVER_SECONDS", "LEAST_GAIN", "LEAST_GAIN_SECONDS"):
            patch.setattr(lanes, name, 0.0)
        yield


# --- how a program was written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILDERS)
def test_how_a_program_was_written_changes_no_bit(name: str) -> None:
    """Names and dead nodes change nothing at all, the order of construction no bits; twins are computed once."""
    case = program(name)
    plan = case.plan()
    for other in (copied(case, 1, renamed=True).case, copied(case, 1, dead=True).case):
        assert observed(other) == expected(name)
        there = other.plan()
        assert layout(there.program) == layout(plan.program)
        assert there.peak_nbytes == plan.peak_nbytes
    assert observed(copied(case, 2, renamed=True, permuted=True, dead=True).case) == expected(name)
    _check_twins(case, expected(name))


def _check_twins(case: Case, wanted: Any) -> None:
    """A second copy of all that is pure gives the same, and is not computed again."""
    both, count = copied(case, twins=True).case, len(case.fetches)
    for optimize in (True, False):
        *steps, state = observed(both, optimize=optimize)
        assert [*[values[:count] for values in steps], state] == wanted
        assert [values[count:] for values in steps] == wanted[:-1]
    if not any(n.op.is_control for n in case.graph.operations):
        assert both.plan().flops == case.plan().flops


# --- how it is run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILDERS)
def test_how_a_program_is_run_changes_no_bit(name: str) -> None:
    """Passes, threads, the library's threads, callables, the order of fetches, further fetches, a second time."""
    case, wanted = program(name), expected(name)
    assert observed(case, optimize=False) == wanted
    if name in LARGE:
        with threadpool_limits(limits=3, user_api="blas"):
            assert observed(case, optimize="exact") == wanted
    with many_workers():
        for threads in (1, 2, 3, 8) if name in LARGE else (3,):
            assert observed(case, threads=threads) == wanted
        fast = observed(case, optimize="fast", threads=1)
        other = copied(case, 3, renamed=True, dead=True).case
        assert observed(other, optimize="fast", threads=3) == fast
    session = case.session()
    call = session.make_callable(case.asked, list(case.inputs))
    for step, values in zip(case.steps, wanted, strict=False):
        assert bits(call(*step)) == values
    assert bits(session.run(list(case.state))) == wanted[-1]
    _check_other_fetches(case, wanted)
    _check_fed_back(case, wanted, random.Random(name))
    if name not in DRAWING:
        session.run(case.initializer)
        assert observed(case, session) == wanted


def _check_other_fetches(case: Case, wanted: Any) -> None:
    """In another order, each twice, and with values in between that nobody had asked for."""
    more = _inner(case)[::5]
    asked = [*reversed(case.asked), *more, *case.fetches]
    session = case.session()
    for k, values in enumerate(wanted[:-1]):
        found = session.run(asked, case.feeds(k))
        own = found[len(case.targets) : len(case.asked)]
        assert bits(reversed(own)) == bits(found[-len(case.fetches) :]) == values
    assert bits(session.run(list(case.state))) == wanted[-1]


def _inner(case: Case) -> list[gf.Tensor]:
    """Values on the way to what is fetched, which may be fetched as well."""
    nodes = cut(case.fetches, case.inputs, case.targets).nodes
    return [t for n in nodes if not n.op.is_source and n.op.name != "assign" for t in n.outputs]


def _check_fed_back(case: Case, wanted: Any, rng: random.Random, count: int = 2) -> None:
    """What was computed on the way may be fed: nothing that comes after can tell.

    But for views: sums add in an order that depends on how their operand lies in memory, and what is fed lies in rows.
    """
    kept = _lasting(case)
    inner = [t for t in _inner(case) if not t.op.op.is_view and _lasting(case, t) == kept]
    for t in rng.sample(inner, min(count, len(inner))):
        value = case.session().run([*case.asked, t], case.feeds())[-1]
        for optimize in (True, False):
            session = case.session(optimize=optimize)
            found = session.run(case.asked, {**case.feeds(), t: value})
            assert bits(found) == wanted[0], t
            assert observed(replace(case, steps=case.steps[1:]), session)[-1] == wanted[-1], t


def _lasting(case: Case, *fed: gf.Tensor) -> list[gf.Operation]:
    """What a run writes and draws: feeding a value leaves out what only that value had asked for."""
    nodes = cut(case.fetches, (*case.inputs, *fed), case.targets).nodes
    return [n for n in nodes if n.op.name in ("assign", "draw_counter") or n.op.has_effect]


@pytest.mark.parametrize("name", WITH_SIZES)
def test_sizes_that_are_said_early_or_late_change_no_bit(name: str) -> None:
    """A session that met other sizes before, one that is new, and a program whose sizes were known when it was built."""
    case = program(name)
    batch = case.inputs[0].type.dims[0]
    most = len(case.steps[0][0])
    held = case.session()
    for n in dict.fromkeys([most, most - 1, 2 + most // 3, 1, most]):
        step = tuple([value[:n] for value in case.steps[0]])
        one = replace(case, steps=(step,))
        wanted = observed(one)
        held.run(case.initializer)
        assert observed(one, held) == wanted
        assert observed(copied(one, sizes={str(batch): n}).case) == wanted


def test_lanes_are_taken() -> None:
    with many_workers():
        for threads in (2, 3):
            assert program("wide").plan(threads=threads).parallelism.lanes == threads
    assert program("wide").plan(threads=1).parallelism.lanes == 1
    assert program("blocks").plan().fusion.clusters


def test_sessions_beside_one_another_change_no_bit() -> None:
    """Runs on several threads of the user's at once: what they share of the process is as each needs it."""
    names = ["wide", "perceptron", "wide", "attention"]
    found: dict[int, Any] = {}
    barrier = threading.Barrier(len(names))

    def run(k: int) -> None:
        session = program(names[k]).session(threads=2)
        barrier.wait(60)
        found[k] = observed(program(names[k]), session)

    wanted = [expected(name) for name in names]
    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[k] for k in range(len(names))] == wanted


# --- limits -----------------------------------------------------------------------------------------


def _planned_within(case: Case, limit: int) -> tuple[Plan, int]:
    """The plan of a run within a limit, and the limit; within the least there is, by the refusal, if that is more."""
    try:
        return case.plan(memory_limit=limit, threads=1), limit
    except MemoryLimitError as error:
        text = str(error)
    least = int(re.findall(r"takes at least ([\d,]+) bytes", text)[0].replace(",", ""))
    assert least > limit
    return case.plan(memory_limit=least, threads=1), least


def _measured(case: Case, plan: Plan) -> int:
    """What NumPy and Python allocate for a run, beside variables and constants."""
    store = case.session()._store
    tracemalloc.start()
    try:
        executable = load(plan.program, backend_for, store, 1)
        results = executable.run(list(case.steps[0]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    del results
    return peak


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_kept_and_change_no_bit(name: str) -> None:
    """Limits between the peak of a run and the least that it can do with."""
    case, wanted = program(name), expected(name)
    peak = case.plan(threads=1).peak_nbytes
    for part in LIMITS[name]:
        plan, limit = _planned_within(case, int(part * peak))
        assert plan.peak_nbytes <= limit <= peak
        if limit > 1 << 20:
            taken = _measured(case, plan) - BOOKKEEPING
            assert taken <= limit - plan.memory.variables - plan.memory.constants
        session = case.session(threads=1)
        assert bits(session.run(case.asked, case.feeds(), memory_limit=limit)) == wanted[0]
        assert observed(replace(case, steps=case.steps[1:]), session)[-1] == wanted[-1]


# --- files and processes ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILDERS)
def test_what_was_saved_and_loaded_has_the_same_bits(name: str, tmp_path: Path) -> None:
    """Graphs, variables between two steps, and the programs of plans."""
    case, wanted = program(name), expected(name)
    gf.save_graph(tmp_path / "graph.gfg", case.graph)
    loaded = _loaded(case, gf.load_graph(tmp_path / "graph.gfg"))
    assert observed(loaded) == wanted
    assert layout(loaded.plan().program) == layout(case.plan().program)
    _check_plan_file(case, wanted, tmp_path / "plan.gfp")
    if name in DRAWING:  # a checkpoint holds variables, not how often a random op has drawn
        return
    for graph_of_saver in (case, loaded):
        with graph_of_saver.graph.as_default():
            saver = gf.train.Saver()
        first = graph_of_saver.session()
        assert bits(first.run(graph_of_saver.asked, graph_of_saver.feeds())) == wanted[0]
        path = saver.save(first, tmp_path / "variables")
        second = gf.Session(graph_of_saver.graph)
        saver.restore(second, path)
        assert observed(replace(graph_of_saver, steps=case.steps[1:]), second) == wanted[1:]


def _loaded(case: Case, graph: gf.Graph) -> Case:
    """The same program in a graph that has its names."""
    assert case.initializer is not None
    return Case(
        graph,
        tuple([graph.get_tensor_by_name(t.name) for t in case.inputs]),
        case.steps,
        tuple([graph.get_tensor_by_name(t.name) for t in case.fetches]),
        tuple([graph.get_operation_by_name(n.name) for n in case.targets]),
        tuple([graph.get_tensor_by_name(t.name) for t in case.state]),
        graph.get_operation_by_name(case.initializer.name),
    )


def _check_plan_file(case: Case, wanted: Any, path: Path) -> None:
    """A plan that was loaded, given back the constants that no file holds, runs to the same bits."""
    plan = case.plan(threads=2)
    plan.save(path)
    there = gf.load_plan(path)
    assert layout(there.program) == layout(plan.program)
    assert there.peak_nbytes == plan.peak_nbytes
    program_there = _given_back(there.program, plan.program)
    session = case.session()
    executable = load(program_there, backend_for, session._store, 2)
    assert bits(executable.run(list(case.steps[0]))) == wanted[0]
    assert observed(replace(case, steps=case.steps[1:]), session)[-1] == wanted[-1]


def _given_back(there: Program, plan: Program) -> Program:
    slots = [
        a._replace(value=b.value) if isinstance(a.value, Omitted) else a
        for a, b in zip(there.slots, plan.slots, strict=True)
    ]
    steps = []
    for a, b in zip(there.instructions, plan.instructions, strict=True):
        attrs = {k: b.attrs[k] if _is_omitted(v) else v for k, v in a.attrs.items()}
        bodies = tuple([_given_back(p, q) for p, q in zip(a.bodies, b.bodies, strict=True)])
        steps.append(a._replace(attrs=attrs, bodies=bodies))
    return replace(there, slots=tuple(slots), instructions=tuple(steps))


def _is_omitted(value: Any) -> bool:
    return isinstance(value, Omitted) or (isinstance(value, tuple) and any(map(_is_omitted, value)))


def test_other_processes_give_the_same_bits_and_plans() -> None:
    """Under another hash seed, with other threads of the matrix library: what is given, planned and said."""
    command, here = [sys.executable, "-m", "tests.metamorphic_programs"], Path(__file__).parent.parent
    running = []
    for seed, threads in (("0", "1"), ("12345", "4")):
        of_library = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        setting = {**os.environ, **of_library, "PYTHONHASHSEED": seed}
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, env=setting, cwd=here, text=True))
    wanted = report()
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [json.loads(text) for text in said] == [wanted, wanted]


# --- random programs --------------------------------------------------------------------------------


@settings(max_examples=max(1, EXAMPLES // 8))
@given(recipes(), st.integers(0, 2**31))
def test_random_programs(recipe: Any, seed: int) -> None:
    _check_all(random_case(recipe, unknown=seed % 3 == 0), seed)


@settings(max_examples=max(1, EXAMPLES // 25))
@given(layered(4), st.integers(0, 2**31))
def test_random_training_steps(recipe: Any, seed: int) -> None:
    """Products in small pieces, dropout, gradients."""
    made = built(recipe, 37)
    with made.graph.as_default():
        initializer = gf.global_variables_initializer()
        state = tuple([v.handle for v in gf.global_variables()])
    fetches = tuple([f for f in made.fetches if isinstance(f, gf.Tensor)])
    targets = tuple([f for f in made.fetches if isinstance(f, gf.Operation)])
    steps = (tuple(made.feed.values()),) * 2
    case = Case(made.graph, tuple(made.feed), steps, fetches, targets, state, initializer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product_panels, "TILE", 8)
        patch.setattr(product_panels, "TALL_NBYTES", 512)
        _check_all(case, seed)


def _check_all(case: Case, seed: int) -> None:
    """Every relation, with a few of the choices for each."""
    rng = random.Random(seed)
    wanted = observed(case, optimize=False)
    with small_decisions():
        plan = case.plan(threads=3)
        for other in (copied(case, seed, renamed=True).case, copied(case, seed, dead=True).case):
            assert layout(other.plan(threads=3).program) == layout(plan.program)
        there = copied(case, seed, permuted=True, renamed=rng.random() < 0.5, dead=rng.random() < 0.5).case
        for optimize in (True, False):
            assert observed(there, threads=rng.choice([1, 2, 3, 8]), optimize=optimize) == wanted
        _check_twins(case, wanted)
        _check_other_fetches(case, wanted)
        _check_fed_back(case, wanted, rng)
        for threads in (1, rng.choice([2, 3, 8])):
            assert observed(case, threads=threads) == wanted
        _check_limit(case, wanted, rng)


def _check_limit(case: Case, wanted: Any, rng: random.Random) -> None:
    limit = max(1, int(case.plan(threads=2).peak_nbytes * rng.uniform(0.6, 1.0)))
    session = case.session(threads=2)
    try:
        found = session.run(case.asked, case.feeds(), memory_limit=limit)
    except MemoryLimitError:
        return
    assert bits(found) == wanted[0]
    assert observed(replace(case, steps=case.steps[1:]), session)[-1] == wanted[-1]
