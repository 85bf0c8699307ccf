"""What an instruction comes after is what it reads and overwrites; the critical path is the longest path over that."""

from __future__ import annotations

import itertools
import random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.analysis.critical_path import critical_path, dependencies
from graphflow.program import Kind, Program
from tests.analysis.programs import branches, state, training
from tests.random_graphs import Recipe, build, recipes


def _closure(program: Program) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(program.instructions)))
    graph.add_edges_from([(b, t) for t, earlier in enumerate(dependencies(program)) for b in earlier])
    return nx.transitive_closure_dag(graph)


def _check(program: Program) -> None:
    """By definition: who made what is read comes before; reads and writes of a variable's bytes keep their order."""
    closure = _closure(program)
    instructions = program.instructions

    def root(s: int) -> int:
        return s if program.slots[s].base < 0 else root(program.slots[s].base)

    for number, i in enumerate(instructions):
        for s, value in zip(i.inputs, i.reads, strict=True):
            makers = [
                k
                for k, j in enumerate(instructions[:number])
                if (s, value) in zip(j.outputs, j.makes, strict=True)
            ]
            if makers:
                assert closure.has_edge(makers[-1], number)
        for s in i.outputs:
            if program.slots[root(s)].kind is Kind.VARIABLE and not i.is_view:
                for k, j in enumerate(instructions):
                    if k != number and any(root(o) == root(s) for o in (*j.inputs, *j.outputs)):
                        assert closure.has_edge(min(k, number), max(k, number))
        if number >= program.commit:
            assert all(closure.has_edge(k, number) for k in range(program.commit))


def test_reads_writes_and_the_commit() -> None:
    _check(state().program)
    for optimize in (True, False):
        gf.reset_default_graph()
        session, step, feeds = training(optimize)
        _check(session.plan(step, {x: v.shape for x, v in feeds.items()}).program)


@given(recipes())
def test_values_of_random_graphs(recipe: Recipe) -> None:
    with gf.Graph().as_default():
        built = build(recipe)
        _check(gf.Session().plan(built.fetches, {x: v.shape for x, v in built.feeds.items()}).program)


def test_branches_depend_on_nothing_but_their_sum_on_all() -> None:
    assert dependencies(branches(3, 8).program) == ((), (), (), (0, 1, 2))


def test_effects_keep_their_order() -> None:
    x = gf.placeholder(gf.float32, [2])
    first, second = gf.Print(x, [x]), gf.Print(x, [x])
    program = gf.Session(optimize=False).plan([first, second], {x: (2,)}).program
    effects = [k for k, i in enumerate(program.instructions) if i.op.has_effect]
    assert len(effects) == 2
    assert _closure(program).has_edge(*effects)


@given(st.integers(0, 1000))
def test_the_critical_path_is_the_longest(seed: int) -> None:
    """networkx is the oracle, with each instruction's seconds on the edges that leave it."""
    with gf.Graph().as_default():
        session, step, feeds = training()
        program = session.plan(step, {x: v.shape for x, v in feeds.items()}).program
    rng = random.Random(seed)
    seconds = [rng.choice([0.0, 1.0, rng.random()]) for _ in program.instructions]
    span, path = critical_path(program, seconds)
    graph = nx.DiGraph()
    before = dependencies(program)
    for t, earlier in enumerate(before):
        graph.add_edge(t, "end", weight=seconds[t])
        graph.add_edges_from([(b, t, {"weight": seconds[b]}) for b in earlier])
    assert span == pytest.approx(nx.dag_longest_path_length(graph))
    assert span == pytest.approx(sum(seconds[t] for t in path))
    assert all(a in before[b] for a, b in itertools.pairwise(path))


def test_an_empty_program_has_none() -> None:
    x = gf.placeholder(gf.float32, [2])
    assert critical_path(gf.Session().plan(x, {x: (2,)}).program, []) == (0.0, ())
