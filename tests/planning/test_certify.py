"""The certifier: sound programs pass, and any change that a run would notice is refused.

Whether a change does harm is found by running: on memory filled with NaN, in interleavings that lanes and waits allow.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow import lowering
from graphflow.analysis.memory import memory_profile
from graphflow.backends import backend_for
from graphflow.bind import bind, match_feeds
from graphflow.errors import VerifyError
from graphflow.graph import Tensor
from graphflow.lowering import Planned, plan_subgraph
from graphflow.planning.certify import certify
from graphflow.planning.lane_choice import LanePlan
from graphflow.planning.schedule import Schedule
from graphflow.program import Kind, Program
from graphflow.runtime import Executable, VariableStore
from graphflow.subgraph import Subgraph, cut
from graphflow.types import TensorType
from tests.random_graphs import build, recipes

Feeds = dict[Tensor, Any]


def _planned(fetches: Sequence[Any], feeds: Feeds, lanes: int = 1, seed: int = 0) -> Planned:
    """What a session would plan, on lanes that are drawn."""

    def choose(subgraph: Subgraph, schedule: Schedule, *rest: Any) -> LanePlan:
        rng, count = random.Random(seed), len(schedule.order)
        lane = [rng.randrange(lanes) if k < schedule.commit else 0 for k in range(count)]
        until = [
            min(k + rng.randrange(4), max(schedule.commit - 1, k)) if k < schedule.commit else k
            for k in range(count)
        ]
        return LanePlan(schedule.order, tuple(lane), tuple(until), lanes, 0.0)

    tensors = tuple(f for f in fetches if isinstance(f, Tensor))
    targets = tuple(f for f in fetches if not isinstance(f, Tensor))
    subgraph = cut(tensors, tuple(feeds), targets)
    shapes = [np.shape(v) for v in feeds.values()]
    types = [TensorType(t.type.dtype, s) for t, s in zip(feeds, shapes, strict=True)]
    bound, sizes = bind(subgraph, types, match_feeds(tuple(feeds), shapes))
    with mock.patch.object(lowering, "choose_lanes", choose):
        return plan_subgraph(bound, sizes, lambda asked: "cpu:0", "cpu:0", workers=lanes)


def _run(program: Program, feeds: Feeds, values: dict[str, Any]) -> list[bytes]:
    """The bytes of all results and variables after a run; memory that nothing wrote is NaN."""
    store = VariableStore()
    store.arrays.update({key: value.copy() for key, value in values.items()})
    store.initialized.update(values)
    loaded = Executable(program, backend_for, store)
    for memory in loaded._arenas.values():
        memory.view(np.uint8)[...] = 0xFF
    arrays = [
        np.asarray(v, program.slots[s].type.dtype) for v, s in zip(feeds.values(), program.feeds, strict=True)
    ]
    results = loaded.run(arrays)
    return [np.asarray(a).tobytes() for a in (*results, *store.arrays.values())]


def _orders(program: Program, count: int) -> Iterator[Program]:
    """The program on one lane, in orders that its lanes and waits allow."""
    head = program.instructions[: program.commit]
    for seed in range(count):
        rng = random.Random(seed)
        queues = [[k for k, i in enumerate(head) if i.lane == lane] for lane in range(4)]
        order: list[int] = []
        while any(queues):
            ready = [q for q in queues if q and all(w in order for w in head[q[0]].waits)]
            if not ready:
                return  # a deadlock
            order.append(rng.choice(ready).pop(0))
        moved = [head[k]._replace(lane=0, waits=()) for k in order]
        yield replace(program, instructions=(*moved, *program.instructions[program.commit :]))


def _does_harm(changed: Program, wanted: list[bytes], feeds: Feeds, values: dict[str, Any]) -> bool:
    """Whether a run gives other bytes than it should, or none, in some interleaving."""
    lanes = {i.lane for i in changed.instructions}
    try:
        return any(
            _run(p, feeds, values) != wanted for p in (_orders(changed, 6) if len(lanes) > 1 else [changed])
        )
    except Exception:  # noqa: BLE001 whatever a broken program makes of its arrays
        return True


# --- ways to break a program --------------------------------------------------------------------------


def _with(program: Program, k: int, **fields: Any) -> Program:
    instructions = list(program.instructions)
    instructions[k] = instructions[k]._replace(**fields)
    return replace(program, instructions=tuple(instructions))


def _swapped(program: Program, rng: random.Random) -> Program:
    """Two instructions change places."""
    instructions = list(program.instructions)
    a, b = rng.choices(range(len(instructions)), k=2)
    b = rng.choice([b, min(a + 1, len(instructions) - 1)])
    first, second = instructions[a], instructions[b]
    instructions[a] = second._replace(lane=first.lane, waits=first.waits)
    instructions[b] = first._replace(lane=second.lane, waits=second.waits)
    return replace(program, instructions=tuple(instructions))


def _moved(program: Program, rng: random.Random) -> Program:
    """A buffer begins elsewhere in the arena."""
    slots = list(program.slots)
    buffers = [n for n, s in enumerate(slots) if s.offset >= 0]
    if buffers:
        n = rng.choice(buffers)
        slots[n] = slots[n]._replace(offset=max(0, slots[n].offset + rng.choice((-128, -64, 64, 128, 8))))
    return replace(program, slots=tuple(slots))


def _hasty(program: Program, rng: random.Random) -> Program:
    """An instruction does not wait for another."""
    waiting = [k for k, i in enumerate(program.instructions) if i.waits]
    if not waiting:
        return program
    k = rng.choice(waiting)
    waits = list(program.instructions[k].waits)
    waits.pop(rng.randrange(len(waits)))
    return _with(program, k, waits=tuple(waits))


def _freed_early(program: Program, rng: random.Random) -> Program:
    """An array is freed by an earlier instruction."""
    frees = [k for k, i in enumerate(program.instructions) if i.frees and k]
    if not frees:
        return program
    k = rng.choice(frees)
    freed = program.instructions[k].frees
    earlier = rng.randrange(k)
    both = (*program.instructions[earlier].frees, freed[0])
    return _with(_with(program, k, frees=freed[1:]), earlier, frees=both)


def _misread(program: Program, rng: random.Random) -> Program:
    """An instruction reads another slot of the same type, or writes one."""
    k = rng.randrange(len(program.instructions))
    i = program.instructions[k]
    field = rng.choice(("inputs", "outputs"))
    slots = list(getattr(i, field))
    if not slots:
        return program
    at = rng.randrange(len(slots))
    alike = [n for n, s in enumerate(program.slots) if s.type == program.slots[slots[at]].type]
    slots[at] = rng.choice(alike)
    return _with(program, k, **{field: tuple(slots)})


def _forgotten(program: Program, rng: random.Random) -> Program:
    """A variable is not swapped in, a fetch is taken at another time or from another slot."""
    if program.swaps and rng.random() < 0.5:
        return replace(program, swaps=program.swaps[1:])
    if not program.fetches:
        return program
    k = rng.randrange(len(program.fetches))
    early, fetches = list(program.early_fetches), list(program.fetches)
    if rng.random() < 0.5:
        early[k] = not early[k]
    else:
        alike = [n for n, s in enumerate(program.slots) if s.type == program.slots[fetches[k]].type]
        fetches[k] = rng.choice(alike)
    return replace(program, early_fetches=tuple(early), fetches=tuple(fetches))


CHANGES: list[Callable[[Program, random.Random], Program]] = [
    _swapped,
    _moved,
    _hasty,
    _freed_early,
    _misread,
    _forgotten,
]


def _check_changes(planned: Planned, feeds: Feeds, values: dict[str, Any], seed: int, count: int) -> int:
    """Break a program in many ways; gives how many of them were refused."""
    program = planned.program
    certify(program, planned.subgraph, memory_profile(program).peak)
    wanted = _run(next(_orders(program, 1)), feeds, values)
    rng, refused = random.Random(seed), 0
    for n in range(count):
        change = CHANGES[n % len(CHANGES)]
        changed = change(program, rng)
        if changed == program:
            continue
        try:
            certify(changed)
        except VerifyError:
            refused += 1
        else:
            assert not _does_harm(changed, wanted, feeds, values), f"{change.__name__}\n{changed}"
    return refused


def _training() -> tuple[list[Any], Feeds, dict[str, Any]]:
    """Two layers with views, arrays that kernels allocate, and variables that are written in both ways."""
    rng = np.random.default_rng(0)
    x, y = gf.placeholder("float64", [8, 6]), gf.placeholder("float64", [8, 2])
    w = gf.Variable(rng.normal(size=(6, 4)), name="w")
    v = gf.Variable(rng.normal(size=(4, 2)), name="v")
    h = gf.tanh(gf.matmul(x, w))
    left, right = gf.split(h * 2.0, 2, axis=1)
    error = gf.matmul(h, v) - y
    loss = gf.mean(gf.square(error)) + gf.sum(gf.transpose(h)[1:, ::2] * 0.01) + gf.sum(left * right)
    dw, dv = gf.gradients(loss, [w, v])
    updates = [w.assign_sub(0.1 * dw), v.assign_sub(0.1 * dv + 0.0 * v.read())]
    feeds = {x: rng.normal(size=(8, 6)), y: rng.normal(size=(8, 2))}
    values = {"w": rng.normal(size=(6, 4)), "v": rng.normal(size=(4, 2))}
    return [loss, *updates, w.read(), gf.take(h, gf.constant([0, 2]), axis=0)], feeds, values


@settings(max_examples=20)
@given(recipes(), st.integers(0, 10**6), st.integers(1, 3))
def test_a_change_that_does_harm_is_refused(recipe: Any, seed: int, lanes: int) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        planned = _planned(built.fetches, built.feeds, lanes, seed)
        if planned.program.instructions:
            _check_changes(planned, built.feeds, {}, seed, 12)


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_training_step_broken_in_many_ways(lanes: int) -> None:
    fetches, feeds, values = _training()
    for seed in range(3):
        refused = _check_changes(_planned(fetches, feeds, lanes, seed), feeds, values, seed, 60)
        assert refused > 20


# --- each rule ----------------------------------------------------------------------------------------


def _refuses(program: Program, message: str, **facts: Any) -> None:
    with pytest.raises(VerifyError, match=message):
        certify(program, **facts)


def _named(program: Program, name: str) -> int:
    return next(k for k, i in enumerate(program.instructions) if i.op.name == name)


def test_the_stated_peak_must_be_the_one_that_is_found() -> None:
    for lanes in (1, 3):
        planned = _planned(*_training()[:2], lanes, 3)
        peak = memory_profile(planned.program).peak
        certify(planned.program, peak_nbytes=peak)
        _refuses(planned.program, f"its peak is {peak:,} bytes, not {peak - 64:,}", peak_nbytes=peak - 64)
        gf.reset_default_graph()


def test_what_cannot_be_is_said_with_the_instruction_and_its_line() -> None:
    planned = _planned(*_training()[:2])
    program = planned.program
    k = _named(program, "tanh")
    i = program.instructions[k]
    with pytest.raises(VerifyError, match=rf"instruction {k}, tanh 'Tanh'(.|\n)*test_certify\.py:\d+"):
        certify(_with(program, k, reads=(10_000,)))
    _refuses(_with(program, k, reads=()), "a value for each slot")
    _refuses(_with(program, k, makes=program.instructions[0].makes), "made twice")
    _refuses(replace(program, arena_nbytes={"cpu:0": 64}), "not aligned within the 64 bytes of cpu:0")
    _refuses(replace(program, fetched=()), "values of its fetches")
    _refuses(replace(program, commit=len(program.instructions) + 1), "where its commit begins")
    _refuses(replace(program, written=()), "said to be written")
    late = (False,) * len(program.fetches)
    _refuses(replace(program, commit=0, early_fetches=late), "it can fail, and yet the commit has begun")
    variable = next(n for n, s in enumerate(program.slots) if s.kind is Kind.VARIABLE)
    _refuses(_with(program, 0, outputs=(variable,)), "a variable, is written")
    slots = list(program.slots)
    slots[i.outputs[0]] = slots[i.outputs[0]]._replace(nbytes=8)
    _refuses(replace(program, slots=tuple(slots)), "has not the bytes of")
    view = next(k for k, i in enumerate(program.instructions) if i.is_view)
    slots = list(program.slots)
    shown = program.instructions[view].outputs[0]
    slots[shown] = slots[shown]._replace(base=program.feeds[0])
    _refuses(replace(program, slots=tuple(slots)), "is no view of")


def test_waits_are_for_what_comes_before() -> None:
    program = _planned(*_training()[:2], 2, 1).program
    k = next(k for k, i in enumerate(program.instructions) if i.waits)
    _refuses(_with(program, k, waits=(k + 1,)), f"instruction {k} waits for {k + 1}")


def test_values_and_order_agree_with_the_graph() -> None:
    """The same steps for another graph: an operand exchanged, a node left out, a control edge reversed."""
    x = gf.placeholder("float64", [4000])  # too large to be copied: its bytes are never taken
    a, b = gf.sin(x), gf.cos(x)
    with gf.control_dependencies([b]):
        c = gf.exp(x)
    d = gf.subtract(a, c)
    planned = _planned([d, b], {x: np.ones(4000)})
    program, subgraph = planned.program, planned.subgraph
    certify(program, subgraph)
    k, reads = _named(program, "subtract"), program.instructions[_named(program, "subtract")].reads
    inputs = program.instructions[k].inputs
    exchanged = _with(program, k, inputs=inputs[::-1], reads=reads[::-1])
    certify(exchanged)
    _refuses(exchanged, "the inputs or the order of its node", subgraph=subgraph)
    renamed = _with(program, k, op=gf.add(a, c).op.op)
    _refuses(renamed, "the inputs or the order", subgraph=subgraph)
    fetched = replace(
        program,
        fetches=(program.fetches[1],) * 2,
        fetched=(program.fetched[1],) * 2,
        early_fetches=(True, True),
    )
    _refuses(fetched, "fetches other values", subgraph=subgraph)
    extra = replace(subgraph, nodes=(*subgraph.nodes, gf.tanh(x).op))
    _refuses(program, "nothing runs <Operation 'Tanh'", subgraph=extra)
    left_out = replace(
        subgraph, nodes=tuple(n for n in subgraph.nodes if n.op.name != "cos"), outputs=(d,) * 2
    )
    _refuses(program, "not in its graph", subgraph=left_out)
    cos, exp = _named(program, "cos"), _named(program, "exp")
    apart = _with(_with(_with(program, cos, lane=1), exp, lane=2), k, waits=(cos, exp))
    certify(apart)
    _refuses(apart, "the inputs or the order", subgraph=subgraph)
    certify(_with(apart, exp, waits=(cos,)), subgraph)


def test_bodies_are_certified_too() -> None:
    x = gf.placeholder("float64", [4])
    (y,) = gf.while_loop(lambda v: gf.sum(v) < 100.0, lambda v: [gf.exp(gf.sin(v)) + v], [x])
    planned = _planned([y], {x: np.ones(4)})
    program = planned.program
    certify(program, planned.subgraph, memory_profile(program).peak)
    k = next(k for k, i in enumerate(program.instructions) if i.bodies)
    body = program.instructions[k].bodies[1]
    broken = replace(body, instructions=body.instructions[::-1])
    _refuses(_with(program, k, bodies=(program.instructions[k].bodies[0], broken)), "does not hold value")


def test_a_kernel_writes_over_an_input_only_where_it_may() -> None:
    x = gf.placeholder("float64", [8, 8])
    y = gf.matmul(gf.sin(x), gf.cos(x))
    program = _planned([y, gf.sum(y)], {x: np.ones((8, 8))}).program
    k = _named(program, "matmul")
    same = program.instructions[k].inputs[0]
    changed = [
        i._replace(
            inputs=tuple(same if s == program.instructions[k].outputs[0] else s for s in i.inputs),
            outputs=tuple(same if s == program.instructions[k].outputs[0] else s for s in i.outputs),
        )
        for i in program.instructions
    ]
    _refuses(replace(program, instructions=tuple(changed)), "which it needs; instruction 2, matmul")
