"""The certifier: sound programs pass, and any change that a run would notice is refused.

Whether a change does harm is found by running on symbols, in many interleavings; and that these runs tell the truth,
by running on numbers, in memory filled with NaN.
"""

from __future__ import annotations

import ast
import inspect
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.analysis.memory import memory_profile
from graphflow.backends import backend_for
from graphflow.errors import VerifyError
from graphflow.graph import Tensor
from graphflow.lowering import Planned
from graphflow.planning import certify as certifier
from graphflow.planning.certify import certify
from graphflow.program import Kind, Program
from graphflow.runtime import Executable, VariableStore
from graphflow.types import Dim
from tests.planning.broken_programs import CHANGES, SAFE_CHANGES, with_instruction
from tests.planning.certified_programs import exchanged, kinds, planned, shown_late, training
from tests.planning.symbolic_run import Choice, Symbols, choices, meaning, must_follow, symbolic_run
from tests.random_graphs import build, recipes

Feeds = dict[Tensor, Any]


class _Judge:
    """What a run of a sound program has to give, and the most bytes that it may hold."""

    def __init__(self, plan: Planned) -> None:
        self.symbols = Symbols()
        self.wanted = meaning(plan.subgraph, self.symbols)
        self.follows = must_follow(plan.subgraph)
        profile = memory_profile(plan.program)
        self.peak = profile.peak - profile.held

    def fault(self, program: Program, choose: Choice) -> str:
        """What a user could notice of a run; empty if nothing is wrong."""
        seen = symbolic_run(program, self.symbols, choose, self.follows)
        if not seen.same(self.wanted):
            return f"it gives {seen}, not {self.wanted}"
        return "" if seen.peak <= self.peak else f"it holds {seen.peak} bytes, not {self.peak}"

    def harm(self, program: Program, rng: random.Random, count: int) -> str:
        """The same of runs in many interleavings. count: of instructions that are held up."""
        return next(filter(None, (self.fault(program, c) for c in choices(program, rng, count))), "")


def _check(plan: Planned, rng: random.Random, times: int) -> tuple[set[str], set[str]]:
    """Make every kind of change so many times; gives the kinds of which some were accepted, and some refused."""
    program, judge, peak = plan.program, _Judge(plan), memory_profile(plan.program).peak
    certify(program, plan.subgraph, peak)
    assert not judge.harm(program, rng, 10)
    accepted, refused = set(), set()
    for change in CHANGES * times:
        changed = change(program, rng)
        if changed != program:
            try:
                certify(changed, plan.subgraph, peak)
            except VerifyError:
                refused.add(change.__name__)
            else:
                accepted.add(change.__name__)
                harm = judge.harm(changed, rng, 3)
                assert not harm, f"{change.__name__}: {harm}\n{program}\n{changed}"
    return accepted, refused


def test_any_single_change_is_refused_or_does_no_harm() -> None:
    rng = random.Random(0)
    found = [_check(plan, rng, 3) for plan in kinds()]
    refused = set().union(*[names for _, names in found])
    assert refused == {change.__name__ for change in CHANGES}
    assert len(set().union(*[names for names, _ in found])) > len(CHANGES) / 2


@settings(max_examples=20)
@given(recipes(), st.integers(0, 10**6), st.integers(1, 3))
def test_random_graphs_changed_in_many_ways(recipe: Any, seed: int, lanes: int) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        plan = planned(built.fetches, {t: np.shape(v) for t, v in built.feeds.items()}, lanes, seed)
        _check(plan, random.Random(seed), 1)
        if lanes == 1:
            _check_judge(plan, built.feeds, {}, seed)


def test_the_stated_peak_must_be_the_one_that_is_found() -> None:
    for lanes in (1, 3):
        program = planned(*training(), lanes, 3).program
        peak = memory_profile(program).peak
        certify(program, peak_nbytes=peak)
        _refuses(program, f"its peak is {peak:,} bytes, not {peak - 64:,} as stated", peak_nbytes=peak - 64)
        gf.reset_default_graph()


# --- the judge: symbols against numbers ---------------------------------------------------------------


def _run(program: Program, feeds: Feeds, values: dict[str, Any]) -> list[bytes]:
    """The bytes of all results and variables after a run; memory that nothing wrote is NaN."""
    store = VariableStore()
    store.arrays.update({key: value.copy() for key, value in values.items()})
    store.initialized.update(values)
    loaded = Executable(program, backend_for, store)
    for memory in loaded._arenas.values():
        memory.view(np.uint8)[...] = 0xFF
    pairs = zip(feeds.values(), program.feeds, strict=True)
    results = loaded.run([np.asarray(v, program.slots[s].type.dtype) for v, s in pairs])
    return [np.asarray(a).tobytes() for a in (*results, *store.arrays.values())]


def _check_judge(plan: Planned, feeds: Feeds, values: dict[str, Any], seed: int) -> int:
    """Programs that give wrong bytes give wrong symbols; gives how many of them there were."""
    rng, judge, right, wrong = random.Random(seed), _Judge(plan), _run(plan.program, feeds, values), 0
    for change in SAFE_CHANGES:
        changed = change(plan.program, rng)
        try:
            is_right = _run(changed, feeds, values) == right
        except Exception:  # noqa: BLE001 whatever a broken program makes of its arrays
            continue
        if not is_right:
            wrong += 1
            assert judge.fault(changed, next(choices(changed, rng, 0))), f"{change.__name__}\n{changed}"
    return wrong


def test_what_gives_wrong_bytes_gives_wrong_symbols() -> None:
    rng = np.random.default_rng(0)
    fetches, shapes = training()
    feeds = {t: rng.normal(size=s) for t, s in shapes.items()}
    values = {"w": rng.normal(size=(6, 4)), "v": rng.normal(size=(4, 2))}
    plan = planned(fetches, shapes)
    assert sum(_check_judge(plan, feeds, values, seed) for seed in range(12)) > 20


# --- what it is made of -------------------------------------------------------------------------------


def test_it_is_small_and_shares_no_code_with_what_plans() -> None:
    source = inspect.getsource(certifier)
    assert len(source.splitlines()) <= 250
    modules = [n.module for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)]
    ours = {m.removeprefix("graphflow.") for m in modules if m and m.startswith("graphflow")}
    assert ours == {"errors", "graph", "program", "subgraph"}


# --- each rule ----------------------------------------------------------------------------------------


def _refuses(program: Program, message: str, **facts: Any) -> None:
    with pytest.raises(VerifyError, match=message):
        certify(program, **facts)


def _named(program: Program, name: str) -> int:
    return next(k for k, i in enumerate(program.instructions) if i.op.name == name)


def test_what_cannot_be_is_said_with_the_instruction_and_its_line() -> None:
    program = planned(*training()).program
    k = _named(program, "tanh")
    i = program.instructions[k]
    with pytest.raises(VerifyError, match=rf"\n  instruction {k}, tanh: node 'Tanh', made at .*\.py:\d+"):
        certify(with_instruction(program, k, reads=(10_000,)))
    _refuses(with_instruction(program, k, reads=()), "one new value for each slot")
    _refuses(with_instruction(program, k, makes=program.instructions[0].makes), "one new value for each slot")
    _refuses(replace(program, arena_nbytes={"cpu:0": 64}), "not aligned within the 64 bytes of cpu:0")
    _refuses(replace(program, fetched=()), "values of its fetches")
    _refuses(replace(program, commit=len(program.instructions) + 1), "place of its commit")
    _refuses(replace(program, written=()), "said to be written")
    late = (False,) * len(program.fetches)
    _refuses(replace(program, commit=0, early_fetches=late), "it can fail, and yet the commit has begun")
    variable = next(n for n, s in enumerate(program.slots) if s.kind is Kind.VARIABLE)
    _refuses(with_instruction(program, 0, outputs=(variable,)), "a variable, is written")
    slots = list(program.slots)
    slots[i.outputs[0]] = slots[i.outputs[0]]._replace(nbytes=8)
    _refuses(replace(program, slots=tuple(slots)), "has not the bytes of")
    view = next(k for k, i in enumerate(program.instructions) if i.is_view)
    slots = list(program.slots)
    shown = program.instructions[view].outputs[0]
    slots[shown] = slots[shown]._replace(base=program.feeds[0])
    _refuses(replace(program, slots=tuple(slots)), "is no view of")


def test_both_instructions_at_fault_are_named() -> None:
    x = gf.placeholder("float64", [4])
    a = gf.sin(x)
    program = planned([gf.exp(a), gf.cos(x)], {x: (4,)}).program
    sin, exp = _named(program, "sin"), _named(program, "exp")
    apart = with_instruction(program, exp, lane=1)
    _refuses(
        apart,
        rf"it may run before \$\d+ has its value\n  instruction {exp}, exp: .*\n  instruction {sin}, sin: ",
    )


def test_waits_are_for_what_comes_before_once() -> None:
    program = planned(*training(), 2, 1).program
    k = next(k for k, i in enumerate(program.instructions) if i.waits)
    waits = program.instructions[k].waits
    for wrong in ((k + 1,), (-1,), (*waits, waits[-1])):  # a run would wait for ever
        _refuses(with_instruction(program, k, waits=wrong), f"instruction {k} waits for .*{wrong[-1]}")


def test_values_and_order_agree_with_the_graph() -> None:
    """The same steps for another graph: an operand exchanged, a node left out, a control edge reversed."""
    x = gf.placeholder("float64", [4000])  # too large to be copied: its bytes are never taken
    a, b = gf.sin(x), gf.cos(x)
    with gf.control_dependencies([b]):
        c = gf.exp(x)
    d = gf.subtract(a, c)
    plan = planned([d, b], {x: (4000,)})
    program, subgraph = plan.program, plan.subgraph
    certify(program, subgraph)
    k, reads = _named(program, "subtract"), program.instructions[_named(program, "subtract")].reads
    inputs = program.instructions[k].inputs
    exchanged = with_instruction(program, k, inputs=inputs[::-1], reads=reads[::-1])
    certify(exchanged)
    _refuses(exchanged, "the inputs or the order of its node", subgraph=subgraph)
    renamed = with_instruction(program, k, op=gf.add(a, c).op.op)
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
    kept = tuple(n for n in subgraph.nodes if n.op.name != "cos")
    _refuses(program, "not in its graph", subgraph=replace(subgraph, nodes=kept, outputs=(d,) * 2))
    cos, exp = _named(program, "cos"), _named(program, "exp")
    apart = with_instruction(with_instruction(program, cos, lane=1), exp, lane=2)
    apart = with_instruction(apart, k, waits=(cos, exp))
    certify(apart)
    _refuses(apart, "the inputs or the order", subgraph=subgraph)
    certify(with_instruction(apart, exp, waits=(cos,)), subgraph)


def _with_body(program: Program, k: int, number: int, body: Program) -> Program:
    bodies: Sequence[Program] = program.instructions[k].bodies
    return with_instruction(program, k, bodies=(*bodies[:number], body, *bodies[number + 1 :]))


def test_bodies_are_certified_too() -> None:
    x = gf.placeholder("float64", [4])
    (y,) = gf.while_loop(lambda v: gf.sum(v) < 100.0, lambda v: [gf.exp(gf.sin(v)) + v], [x])
    plan = planned([y], {x: (4,)})
    program = plan.program
    certify(program, plan.subgraph, memory_profile(program).peak)
    k = next(k for k, i in enumerate(program.instructions) if i.bodies)
    body = program.instructions[k].bodies[1]
    first = with_instruction(body, 0, inputs=body.instructions[-1].outputs)
    _refuses(_with_body(program, k, 1, first), "does not hold value")
    _refuses(_with_body(program, k, 1, replace(body, commit=0)), "its body writes variables")


def test_a_kernel_writes_over_an_input_only_where_it_may() -> None:
    x = gf.placeholder("float64", [8, 8])
    y = gf.matmul(gf.sin(x), gf.cos(x))
    program = planned([y, gf.sum(y)], {x: (8, 8)}).program
    k = _named(program, "matmul")
    (made,), same = program.instructions[k].outputs, program.instructions[k].inputs[0]
    changed = [
        i._replace(
            inputs=tuple(same if s == made else s for s in i.inputs),
            outputs=tuple(same if s == made else s for s in i.outputs),
        )
        for i in program.instructions
    ]
    _refuses(replace(program, instructions=tuple(changed)), "which it needs\n  instruction 2, matmul")


def test_a_cluster_takes_over_only_the_bytes_that_it_may() -> None:
    x = gf.placeholder("float64", [64, 64])
    y = gf.exp(gf.sin(gf.cumulative_sum(x, axis=0)) * 2.0)
    program = planned([gf.sort(y)], {x: (64, 64)}, clusters=True).program
    k = _named(program, "fused")
    i = program.instructions[k]
    assert i.outputs[0] in i.inputs
    body = replace(i.attrs["body"], reuses=((),) * len(i.outputs))
    _refuses(with_instruction(program, k, attrs={"body": body}), rf"which it needs\n  instruction {k}, fused")


def test_no_kernel_writes_over_what_it_reads_through_a_view() -> None:
    x = gf.placeholder("float64", [8, 8])
    a = gf.sin(x)
    program = planned([gf.sum(a + gf.transpose(a))], {x: (8, 8)}).program
    k = _named(program, "add")
    (made,), same = program.instructions[k].outputs, program.instructions[k].inputs[0]
    changed = with_instruction(program, k, outputs=(same,))
    reader = _named(program, "sum")
    assert program.instructions[reader].inputs == (made,)
    _refuses(with_instruction(changed, reader, inputs=(same,)), "which it needs\n  instruction 2, add")


def test_a_view_is_known_by_what_it_shows() -> None:
    x = gf.placeholder("float64", [8, 8])
    turned, inner = gf.transpose(x), gf.transpose(x[1:7, 1:7])
    program = planned([gf.sum(turned * x[::-1]), gf.sum(inner)], {x: (8, 8)}).program
    first, second = (
        k for k, i in enumerate(program.instructions) if i.is_view and i.outputs[0] in _views_of(program, 64)
    )
    home = program.instructions[first].outputs
    _refuses(with_instruction(program, second, outputs=home), "is made twice")
    views = [k for k, i in enumerate(program.instructions) if i.is_view]
    below = next(k for k in views if program.slots[program.instructions[k].inputs[0]].kind is Kind.VIEW)
    order = list(program.instructions)
    order[below - 1], order[below] = order[below], order[below - 1]
    _refuses(replace(program, instructions=tuple(order)), "is no view of")


def _views_of(program: Program, elements: int) -> list[int]:
    """The slots that are views of so many elements."""
    return [n for n, s in enumerate(program.slots) if s.kind is Kind.VIEW and s.type.size == elements]


def test_a_result_may_be_shown_before_the_commit_only_if_it_stands_for_all_runs() -> None:
    program = planned(*shown_late()).program
    k = next(k for k, i in enumerate(program.instructions) if i.is_view)
    i = program.instructions[k]
    assert k >= program.commit
    assert program.early_fetches[program.fetches.index(i.outputs[0])]
    certify(program)
    unknown = with_instruction(program, k, attrs={**i.attrs, "size": Dim("n")})  # it is made anew in each run
    _refuses(unknown, rf"slot \${i.outputs[0]} does not hold value")


def test_what_variables_take_and_what_is_fed() -> None:
    program = planned(*exchanged()).program
    (source, target), *rest = program.swaps
    other = next(n for n, s in enumerate(program.slots) if s.type != program.slots[target].type)
    _refuses(replace(program, swaps=((other, target), *rest)), "is no variable that can take")
    _refuses(replace(program, swaps=((source, source), *rest)), "is no variable that can take")
    empty = program.slots[source]._replace(kind=Kind.DYNAMIC, offset=-1)
    unwritten = replace(program, slots=(*program.slots, empty))
    _refuses(replace(unwritten, swaps=((len(program.slots), target), *rest)), "does not hold value None")
    _refuses(replace(program, feeds=(target,)), "its feeds")
    _refuses(with_instruction(program, 0, lane=-1), "lanes")


def test_what_is_freed_is_touched_and_shown_no_more() -> None:
    x = gf.placeholder("float64", [1000])
    y = gf.cond(x[0] > 0, lambda: gf.sin(x), lambda: gf.cos(x))
    program = planned([gf.sum(y[::-1])], {x: (1000,)}).program
    k = next(k for k, i in enumerate(program.instructions) if len(i.frees) == 2)
    root = next(s for s in program.instructions[k].frees if program.slots[s].kind is Kind.DYNAMIC)
    _refuses(with_instruction(program, k, frees=(root,)), f"it frees \\${root}")
    late = planned([gf.sum(y[::-1]), gf.exp(x[1:3])], {x: (1000,)}).program
    k = next(k for k, i in enumerate(late.instructions) if len(i.frees) == 2)
    frees, end = late.instructions[k].frees, len(late.instructions) - 1
    assert k < end
    _refuses(with_instruction(with_instruction(late, k, frees=()), end, frees=frees), "it frees")


def test_each_node_runs_once_and_fills_each_slot_once() -> None:
    x = gf.placeholder("float64", [4, 6])
    left, right = gf.split(x, 2, axis=1)
    plan = planned([left + right], {x: (4, 6)})
    k = _named(plan.program, "split")
    slot, _ = plan.program.instructions[k].outputs
    _refuses(with_instruction(plan.program, k, outputs=(slot, slot)), "one new value for each slot")
    y = gf.placeholder("float64", [4000])  # its bytes are the caller's: nothing takes them over
    plan = planned([gf.sin(y)], {y: (4000,)})
    (again,) = plan.program.instructions
    twice = replace(plan.program, instructions=(again, again._replace(makes=(1,))), commit=2, fetched=(1,))
    certify(twice)
    _refuses(twice, "not in its graph", subgraph=plan.subgraph)
    loop = planned(
        [gf.while_loop(lambda v: gf.sum(v) < 9.0, lambda v: [v + 1.0], [x])[0]], {x: (4, 6)}
    ).program
    k = next(k for k, i in enumerate(loop.instructions) if i.bodies)
    _refuses(with_instruction(loop, k, used=()), "one new value for each slot")
