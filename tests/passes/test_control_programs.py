"""Random programs of control flow: every pass alone, all in one, and all inside bodies, tell the same as no pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings

import graphflow as gf
from graphflow.passes.hoist_invariants import hoist_invariants
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.optimize_bodies import optimize_bodies
from graphflow.passes.prune import prune
from graphflow.passes.prune_dependencies import prune_dependencies
from graphflow.passes.simplify_captures import simplify_captures
from graphflow.passes.simplify_control_flow import simplify_control_flow
from graphflow.subgraph import Subgraph, recorded_replacements
from graphflow.verify import verify
from tests.passes.control_programs import build, outcome, programs

ALONE: list[Callable[[Subgraph], Subgraph]] = [
    simplify_captures,
    simplify_control_flow,
    prune,
    hoist_invariants,
    prune_dependencies,
]


def in_bodies(subgraph: Subgraph) -> Subgraph:
    return optimize_bodies(subgraph, ALONE)


def altogether(subgraph: Subgraph) -> Subgraph:
    for function in (*ALONE, merge_equal, in_bodies, *ALONE, merge_equal):
        subgraph = function(subgraph)
    return subgraph


def _check(recipe: Sequence[int], *, effects: bool) -> None:
    with gf.Graph().as_default(), gf.config.override(verify=True):
        program = build(recipe, effects=effects)
        before, sizes = program.subgraph()
        expected = outcome(program, before, sizes)
        for function in (*ALONE, in_bodies, altogether):
            after = function(before)
            verify(after, function.__name__)
            if not expected.failed:  # what failed may be what nothing needs
                assert outcome(program, after, sizes) == expected, function.__name__
            if function in ALONE:
                assert function(after) is after, function.__name__
            files = {n.origin.file.rpartition("/")[2] for n in after.nodes}
            assert files <= {"control_programs.py"}, function.__name__
        before_bind = program.bound(altogether(program.cut()))
        with recorded_replacements(
            lambda node, rule: (node.id + len(rule)) % 3 > 0
        ):  # as a bisection forbids some
            some = altogether(before)
        if not expected.failed:
            assert outcome(program, *before_bind) == expected
            assert outcome(program, some, sizes) == expected


@settings(max_examples=8)
@given(recipe=programs())
def test_passes_keep_results_state_and_effects(recipe: tuple[int, ...]) -> None:
    _check(recipe, effects=True)


@settings(max_examples=4)
@given(recipe=programs())
def test_passes_keep_results_of_quiet_programs(recipe: tuple[int, ...]) -> None:
    _check(recipe, effects=False)


@pytest.mark.parametrize("start", range(2))
def test_long_recipes(start: int) -> None:
    """Larger nests than a search that begins with the smallest examples meets."""
    numbers = [(start * 7919 + k * k * 31 + k * 17) % 10_007 for k in range(37)]
    for shift in range(3):
        _check(numbers[shift:], effects=bool(shift % 2))
