"""A subgraph as an order problem: edges of every kind, and the bytes that lowering gives the same order."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from benchmarks.orders import branchy_graphs, subgraph_of
from benchmarks.packing import attention, convolutional, perceptron, recurrent
from graphflow import lowering
from graphflow.lowering import compile_subgraph
from graphflow.planning import liveness
from graphflow.planning.liveness import order_edges, order_problem
from graphflow.planning.order import OrderProblem, live_nbytes, peak_nbytes
from graphflow.planning.schedule import schedule
from graphflow.planning.writes import write_last
from graphflow.program import Kind, Program
from graphflow.subgraph import Subgraph
from tests.test_state_programs import SHAPES, _build

N = 4096  # float32: 16 KiB


def _numbers(subgraph: Subgraph) -> dict[str, int]:
    return {n.name: k for k, n in enumerate(subgraph.nodes)}


def _precedes(problem: OrderProblem, first: int, second: int) -> bool:
    stack, seen = [second], {second}
    while stack:
        for b in problem.before[stack.pop()]:
            if b == first:
                return True
            if b not in seen:
                seen.add(b)
                stack.append(b)
    return False


def test_thresholds_are_those_of_lowering() -> None:
    for name in ("COPIED_FEED_NBYTES", "DIRECT_RESULT_NBYTES", "REUSED_NBYTES"):
        assert getattr(liveness, name) == getattr(lowering, name)


def test_buffers_by_hand() -> None:
    """Views share, elementwise results may take over, a large fetch is its kernel's own, feeds by reference are free."""
    small = gf.placeholder("float32", [N], name="small")  # 16 KiB: copied
    large = gf.placeholder("float32", [2 * N], name="large")  # by reference
    a = gf.exp(large, name="a")
    b = gf.reshape(a, (2, N), name="b")
    c = gf.add(b, small, name="c")
    d = gf.transpose(c, name="d")
    e = gf.reshape(d, (-1,), name="e")  # must copy
    f = gf.sum(gf.sin(e, name="s"), name="f")
    g = gf.concat([large, large], axis=0, name="g")
    subgraph = subgraph_of([f, g, gf.exp(g, name="h")])
    problem = order_problem(subgraph)
    at = _numbers(subgraph)
    makes = {name: problem.makes[k] for name, k in at.items()}
    nbytes = {name: [problem.nbytes[x] for x in found] for name, found in makes.items()}
    assert nbytes["a"] == nbytes["c"] == nbytes["e"] == nbytes["s"] == [8 * N]
    assert nbytes["b"] == nbytes["d"] == []
    assert nbytes["f"] == [64]  # a multiple of the arena's alignment
    assert nbytes["g"] == nbytes["h"] == [16 * N]
    (fed,) = set(range(len(problem.nbytes))).difference(*problem.makes)
    assert problem.nbytes[fed] == 4 * N
    assert set(problem.uses[at["c"]]) == {*makes["a"], fed}
    assert problem.uses[at["a"]] == problem.uses[at["b"]] == ()
    assert problem.uses[at["e"]] == makes["c"]
    assert problem.reuses[at["c"]] == ()  # what it reads is a view, and a feed of another size
    assert problem.reuses[at["s"]] == makes["e"]
    assert problem.reuses[at["h"]] == ()  # both are fetched and large: their kernels allocate them
    assert set(problem.kept) == {*makes["f"], *makes["g"], *makes["h"]}
    assert problem.before[at["c"]] == (at["b"],)
    assert problem.workspace[at["e"]] == 0


def test_what_is_printed_is_held_until_then() -> None:
    """A print that hands its first input on makes no buffer, and reads those of all its inputs."""
    x = gf.placeholder("float32", [2 * N])
    printed = gf.Print(gf.sin(x, name="given"), [gf.exp(x, name="said")], name="p")
    subgraph = subgraph_of([gf.sum(printed, name="total")])
    problem, at = order_problem(subgraph), _numbers(subgraph)
    given, said = problem.makes[at["given"]], problem.makes[at["said"]]
    assert len(given) == len(said) == 1
    assert problem.makes[at["p"]] == ()
    assert set(problem.uses[at["p"]]) == {*given, *said}
    assert problem.uses[at["total"]] == given


def test_edges_of_state_effects_and_sizes() -> None:
    w = gf.Variable(np.zeros(N, np.float32), name="w")
    x = gf.placeholder("float32", [N], name="x")
    early = gf.exp(w.read(), name="early")
    first = w.assign(x + 1.0)
    second = w.assign(first * 2.0)
    after = gf.exp(w.read(), name="after")
    with gf.control_dependencies([second]):
        waits = gf.sin(x, name="waits")
    effects = [gf.print(x, name="p1"), gf.Assert(gf.all(x < 9.0), [x], name="p2"), gf.print(x, name="p3")]
    may_fail = gf.take(x, gf.cast(x[:3], "int64"), name="may_fail")
    effects.append(gf.print(x, name="p4"))
    picked = gf.boolean_mask(x, x > 0.0, name="picked")
    tail = gf.sum(picked * 2.0, name="tail")
    subgraph = subgraph_of([early, after, waits, may_fail, tail, *effects], optimize=False)
    problem, at = order_problem(subgraph), _numbers(subgraph)
    reads = [k for k, n in enumerate(subgraph.nodes) if n.type == "read"]
    writes = [k for k, n in enumerate(subgraph.nodes) if n.type == "assign"]
    for a, b in (
        *((reads[0], writes[0]), (writes[0], writes[1]), (writes[1], reads[-1]), (writes[1], at["waits"])),
        *((at["p1"], at["p2"]), (at["p2"], at["p3"]), (at["p3"], at["p4"])),
        *((at["p3"], at["may_fail"]), (at["may_fail"], at["p4"])),
    ):
        assert b not in (a, -1)
        assert _precedes(problem, a, b), (subgraph.nodes[a], subgraph.nodes[b])
        assert not _precedes(problem, b, a)
    assert not _precedes(problem, at["p1"], at["after"])
    unknown = [k for k, n in enumerate(subgraph.nodes) if not all(t.type.is_static for t in n.outputs)]
    assert len(unknown) > 1
    assert all(problem.nbytes[b] == 0 for k in unknown for b in problem.makes[k])
    assert all(_precedes(problem, a, b) for a, b in itertools.pairwise(unknown))
    assert order_edges(subgraph, write_last(subgraph).writes) == problem.before


def _held(program: Program) -> list[int]:
    """Bytes of values during each instruction, from the program alone."""
    ends = len(program.instructions)
    spans: dict[int, tuple[int, int]] = {}

    def touch(slot: int, at: int) -> None:
        while program.slots[slot].base >= 0:
            slot = program.slots[slot].base
        spans[slot] = (min(at, spans.get(slot, (at, at))[0]), at)

    for s in program.feeds:
        touch(s, -1)
    for at, i in enumerate(program.instructions):
        for s in (*i.inputs, *i.outputs):
            touch(s, at)
    for s in (*program.fetches, *[source for source, _ in program.swaps]):
        touch(s, ends)
    found = [i.workspace_nbytes for i in program.instructions]
    for slot, (first, last) in spans.items():
        kind, nbytes = program.slots[slot].kind, program.slots[slot].nbytes or 0
        if kind in (Kind.BUFFER, Kind.COPIED_FEED):
            nbytes = -(-nbytes // 64) * 64
        elif kind is not Kind.DYNAMIC:
            continue
        for at in range(max(first, 0), min(last + 1, ends)):
            found[at] += nbytes
    return found


def _agree(subgraph: Subgraph) -> bool:
    plan = schedule(subgraph)
    program = compile_subgraph(subgraph, {}, lambda _: "cpu:0", "cpu:0")
    problem = order_problem(Subgraph(plan.order, subgraph.inputs, subgraph.outputs), plan.writes)
    held = _held(program)
    return not held or peak_nbytes(problem, range(len(plan.order))) == max(held)


STEPS: dict[str, Callable[[], list[Any]]] = {
    "perceptron": lambda: perceptron(3, 128, optimizer="adam"),
    "convolutional": lambda: convolutional((8, 16), 16, 8, "adam"),
    "recurrent": lambda: recurrent(8, 32),
    "attention": lambda: attention(1, 64, 32, "adam"),
}


@pytest.mark.parametrize("name", STEPS)
def test_training_steps_take_the_bytes_that_lowering_gives(name: str) -> None:
    assert _agree(subgraph_of(STEPS[name]()))


def test_branchy_graphs_take_the_bytes_that_lowering_gives() -> None:
    assert [name for name, subgraph in branchy_graphs([8], 1) if not _agree(subgraph)] == []


def _programs(seeds: Sequence[int]) -> list[Subgraph]:
    """What random programs over variables need for some of their lines."""
    found = []
    for seed in seeds:
        chance = random.Random(seed)
        with gf.Graph().as_default(), gf.config.override(repeat_limit=10**6):
            lines = [tuple(chance.randrange(1 << 16) for _ in range(5)) for _ in range(12)]
            steps = _build(chance.choice(SHAPES), lines, 2).steps
            wanted = [s.tensor for s in chance.sample(steps[2:], 3)]
            found.append(subgraph_of([t.op if chance.random() < 0.5 else t for t in wanted]))
    return found


def test_an_order_is_a_legal_one_of_the_problem() -> None:
    for subgraph in _programs(range(40)):
        problem = order_problem(subgraph)
        n = len(subgraph.nodes)
        assert all(b < k for k, earlier in enumerate(problem.before) for b in earlier)
        assert order_edges(subgraph, write_last(subgraph).writes) == problem.before
        assert len(problem.before) == len(problem.workspace) == n
        assert all(len(set(used)) == len(used) for used in problem.uses)
        assert all(set(taken) <= set(used) for taken, used in zip(problem.reuses, problem.uses, strict=True))
        maker = {b: k for k, made in enumerate(problem.makes) for b in made}
        for k, used in enumerate(problem.uses):
            assert all(b not in maker or _precedes(problem, maker[b], k) for b in used)
        assert live_nbytes(problem, range(n)) == live_nbytes(problem, list(range(n)))
