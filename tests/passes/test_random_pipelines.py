"""Random programs of everything, through single passes, random subsets and random orders of them: the same is told.

What is told is exact but for the passes that may round anew, whose results stay within a bound that is computed. Each
pass gives a legal graph of the same types and lines, and running it twice is running it once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.backends.numpy import NumpyBackend
from graphflow.checking.rounding import difference, fold_length, jittered, rounding_bounds, same_bits
from graphflow.errors import GraphflowError
from graphflow.graph import Node
from graphflow.interpret import interpret, kernel_of
from graphflow.passes.arithmetic_rules import ARITHMETIC
from graphflow.passes.cast_rules import CASTS
from graphflow.passes.choice_rules import CHOICES
from graphflow.passes.fast_arithmetic_rules import FAST_ARITHMETIC
from graphflow.passes.function_rules import FUNCTIONS
from graphflow.passes.joining_rules import JOINING
from graphflow.passes.operand_rules import OperandRules
from graphflow.passes.pipeline import AFTER_BIND, BEFORE_BIND, PLANNING, run_passes
from graphflow.passes.reduction_rules import FAST_REDUCTIONS, REDUCTIONS
from graphflow.passes.sign_rules import SIGNS
from graphflow.passes.view_rules import VIEWS
from graphflow.planning import fusion, lane_choice, lanes, schedule
from graphflow.subgraph import Subgraph, recorded_replacements
from graphflow.types import TensorType, is_floating
from graphflow.verify import verify
from tests.passes.control_programs import Program
from tests.passes.mixed_expressions import CONTROL, EXPRESSIONS, FORMULAS, ROUNDING
from tests.passes.mixed_programs import Mixture, build, mixtures, places, seen, sweep, told

Function = Callable[[Subgraph], Subgraph]
Fired = Counter[tuple[str, str]]
"""How often a rule of a pass fired, by (pass, rule); a pass counts under an empty rule too."""

EXAMPLES = settings.default.max_examples if settings.default is not None else 50

EXACT: dict[str, Function] = {p.name: p.exact for p in (*BEFORE_BIND, *AFTER_BIND) if p.exact is not None}
FAST: dict[str, Function] = {p.name: p.fast for p in (*BEFORE_BIND, *AFTER_BIND) if p.fast is not None}
EARLY: dict[str, Function] = {p.name: p.exact for p in BEFORE_BIND if p.exact is not None}
"""Passes by name: those that keep every bit, those that may round anew, those that run before sizes are known."""

NAMES = (*EXACT, *PLANNING)


# --- one pass -----------------------------------------------------------------------------------------------


def applied(name: str, function: Function, before: Subgraph, lines: set[str], fired: Fired) -> Subgraph:
    """What a pass makes of a subgraph, once all that can be told without running it has been checked."""
    with recorded_replacements() as made:
        after = function(before)
    if after is before:
        return after
    fired[name, ""] += 1
    fired.update([(name, r.rule) for r in made if r.rule])
    verify(after, name)
    ran: set[Node] = set()
    for node in after.nodes:
        stale = [n for n in node.control_inputs if n not in ran and n.op.name != "placeholder"]
        assert not stale, f"{name}: {node} waits for {stale}, which do not run before it"
        ran.add(node)
    assert all(a is b for a, b in zip(after.inputs, before.inputs, strict=True))
    for new, old in zip(after.outputs, before.outputs, strict=True):
        assert _refines(new.type, old.type), f"{name}: {old} is {old.type}, became {new.type}"
    assert len(after.targets) == len(before.targets)
    assert places(after, frozenset(before.nodes)) <= lines, f"{name} made lines of its own"
    assert function(after) is after, f"{name}: twice is more than once"
    return after


def _refines(new: TensorType, old: TensorType) -> bool:
    """Whether a type is another one, but for sizes that were not known."""
    if new.dtype != old.dtype or old.shape is None or new.shape is None:
        return new.dtype == old.dtype and old.shape is None
    return len(new.shape) == len(old.shape) and all(
        type(b) is not int or a == b for a, b in zip(new.shape, old.shape, strict=True)
    )


def _rules(*tables: OperandRules) -> set[str]:
    return {
        rule.__name__.strip("_")
        for table in tables
        for row in table.values()
        for rules in row.values()
        for rule in rules
    }


def _check_fired(fired: Fired, wanted: Mapping[str, set[str]], passes: Sequence[str], part: float) -> None:
    """Every pass fired, and of the rules of each of `wanted` at least that part."""
    assert [name for name in passes if not fired[name, ""]] == []
    for name, rules in wanted.items():
        silent = sorted(rule for rule in rules if not fired[name, rule])
        assert len(silent) <= (1 - part) * len(rules), f"{name}: of {len(rules)} rules never fired {silent}"


EXACT_RULES = {
    "simplify": _rules(ARITHMETIC, SIGNS, CHOICES),
    "cancel_movement": _rules(VIEWS, CASTS, JOINING, REDUCTIONS),
}
FAST_RULES = {
    "simplify": _rules(FAST_ARITHMETIC, FUNCTIONS),
    "cancel_movement": _rules(FAST_REDUCTIONS) - _rules(REDUCTIONS),
}


# --- passes that keep every bit -------------------------------------------------------------------------------


def test_each_pass_alone_keeps_every_bit() -> None:
    """Before sizes are known where it runs there, and after; most rules have something to do."""
    fired: Fired = Counter()

    def alone(mixture: Mixture) -> None:
        with gf.Graph().as_default():
            program = build(mixture).program
            start = program.cut()
            before, _ = program.bound(start)
            expected, lines = told(before, program), places(before)
            for name, function in EXACT.items():
                after = applied(name, function, before, lines, fired)
                assert after is before or told(after, program) == expected, name
            for name, function in EARLY.items() if start is not before else ():
                after = applied(name, function, start, lines, fired)
                assert after is start or told(program.bound(after)[0], program) == expected, name

    for mixture in sweep(EXPRESSIONS, ROUNDING, FORMULAS, CONTROL, fed="special", symbolic=True):
        alone(mixture)
    settings(max_examples=EXAMPLES // 4)(given(mixture=mixtures(4, 12))(alone))()
    _check_fired(fired, EXACT_RULES, list(EXACT), 0.8)


def test_any_order_of_passes_keeps_every_bit() -> None:
    """Some before sizes are known, then any of all, each as often as comes up."""
    fired: Fired = Counter()

    def in_order(mixture: Mixture, early: list[str], late: list[str]) -> None:
        with gf.Graph().as_default():
            program = build(mixture).program
            before, _ = program.subgraph()
            expected, lines = told(before, program), places(before)
            after = program.cut()
            for name in early:
                after = applied(name, EXACT[name], after, lines, fired)
            same = run_passes(program.cut(), [(name, EXACT[name]) for name in early])
            assert told(program.bound(same)[0], program) == expected, early
            after = program.bound(after)[0]
            for name in late:
                after = applied(name, EXACT[name], after, lines, fired)
            assert told(after, program) == expected, (early, late)

    rng = random.Random(0)
    for mixture in sweep(EXPRESSIONS, FORMULAS, CONTROL, size=40, fed="plain", symbolic=True):
        order = rng.choices(list(EXACT), k=8) + rng.sample(list(EXACT), len(EXACT))
        in_order(mixture, [name for name in order[::4] if name in EARLY], order)
    early = st.lists(st.sampled_from(list(EARLY)), max_size=6)
    late = st.lists(st.sampled_from(list(EXACT)), min_size=2, max_size=24)
    settings(max_examples=EXAMPLES // 2)(given(mixture=mixtures(2, 10), early=early, late=late)(in_order))()
    _check_fired(fired, {}, list(EXACT), 0.0)


# --- passes that may round anew -------------------------------------------------------------------------------


def test_fast_passes_stay_within_the_bound_of_rounding() -> None:
    """Each alone and in any order, after exact ones too; the bound is for values that are finite on their way."""
    fired: Fired = Counter()
    known = {f"fast {name}": function for name, function in FAST.items()} | EXACT

    def near(mixture: Mixture, order: list[str]) -> None:
        with gf.Graph().as_default():
            program = build(mixture).program
            before, _ = program.subgraph()
            lines = places(before)
            start = _Start(program, before)
            for name, function in FAST.items():
                start.check_close(applied(name, function, before, lines, fired), name)
            for name in order:
                after = applied(name.removeprefix("fast "), known[name], start.subgraph, lines, fired)
                start.check_close(after, name)
                start = start if after is start.subgraph else _Start(program, after)

    for mixture in sweep(ROUNDING, FORMULAS, fed="positive", symbolic=True):
        near(mixture, ["canonicalize", "merge_equal", "resolve_likes", "fast stabilize", "fast simplify"])
    order = st.lists(st.sampled_from(list(known)), max_size=12)
    drawn = mixtures(4, 10, ("positive", "plain"))
    settings(max_examples=EXAMPLES // 4)(given(mixture=drawn, order=order)(near))()
    _check_fired(fired, FAST_RULES, list(FAST), 0.8)


@dataclass
class _Start:
    """A subgraph that passes are tried on: it is run once, and its bounds are computed once, if they are asked for."""

    program: Program
    subgraph: Subgraph
    longest: float = 1.0

    @cached_property
    def values(self) -> list[Any] | None:
        """What it gives; None where something on the way is not finite."""
        finite = True

        def watch(
            node: Node, attrs: Mapping[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]
        ) -> None:
            nonlocal finite
            floats = [v for v in outputs if v is not None and is_floating(v.dtype)]
            finite = finite and all(bool(np.isfinite(v).all()) for v in floats)
            self.longest = max(self.longest, fold_length(node.op, attrs, inputs, outputs))

        values = self.values_of(self.subgraph, watch=watch)
        return values if finite else None

    @cached_property
    def bounds(self) -> list[Any]:
        """How far other roundings of its values may be from them."""

        def sample(seed: int) -> list[Any] | None:
            with suppress(GraphflowError):
                return self.values_of(self.subgraph, functions=jittered(kernel_of, seed))
            return None

        return rounding_bounds(sample, self.values or [], self.longest)

    def values_of(self, subgraph: Subgraph, **options: Any) -> list[Any]:
        """Results, then variables that were written by name."""
        given = interpret(
            subgraph, [np.asarray(v) for v in self.program.feeds.values()], self.program.state, **options
        )
        written = [given.written[name] for name in sorted(given.written)]
        return [np.asarray(v) for v in (*given.outputs, *written)]

    def check_close(self, after: Subgraph, name: str) -> None:
        """What a pass made of it gives no other values than other roundings would."""
        if after is self.subgraph or self.values is None:
            return
        for k, (old, new) in enumerate(zip(self.values, self.values_of(after), strict=True)):
            assert (new.dtype, new.shape) == (old.dtype, old.shape), name
            if not same_bits(old, new):
                found = difference(old, new, self.bounds[k])
                assert found is None, f"{name}: {found}"


# --- sessions -------------------------------------------------------------------------------------------------


@contextmanager
def small_decisions() -> Iterator[None]:
    """Small arrays are ordered for memory, put into clusters and on lanes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NumpyBackend, "workers", lambda self: 4)
        patch.setattr(fusion, "MIN_NBYTES", 1)
        patch.setattr(fusion, "BLOCK_NBYTES", 4096)
        patch.setattr(schedule, "SMALL_NBYTES", -1)
        patch.setattr(lane_choice, "LARGE_NBYTES", 1)
        for name in ("GRAIN_SECONDS", "HANDOVER_SECONDS", "LEAST_GAIN", "LEAST_GAIN_SECONDS"):
            patch.setattr(lanes, name, 0.0)
        yield


def test_sessions_with_any_passes_and_decisions_tell_the_same() -> None:
    """Two runs each, in which variables and random numbers go on; passes and decisions by name, and left out by name."""
    taken: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES // 4)
    @given(
        mixture=mixtures(4, 10),
        names=st.lists(st.sampled_from(NAMES), unique=True),
        threads=st.integers(1, 3),
    )
    def check(mixture: Mixture, names: list[str], threads: int) -> None:
        with gf.Graph().as_default(), small_decisions():
            program = build(mixture).program
            wanted = _two_runs(program, gf.Session(optimize=False, threads=1))
            chosen = gf.Session(optimize=tuple(names), threads=threads)
            assert _two_runs(program, chosen) == wanted, names
            with gf.config.override(disabled_passes=tuple(names)):
                rest = gf.Session(threads=threads)
            assert _two_runs(program, rest) == wanted, f"all but {names}"
            whole = gf.Session(threads=threads)
            assert _two_runs(program, whole) == wanted
            plan = whole.plan(
                [*program.fetches, *program.targets], {t: np.shape(v) for t, v in program.feeds.items()}
            )
            taken["fuse"] += bool(plan.fusion.clusters)
            taken["lanes"] += plan.parallelism.lanes > 1

    check()
    assert taken["fuse"] > 2
    assert taken["lanes"] > 2


def _two_runs(program: Program, session: gf.Session) -> list[Any]:
    session.run(gf.global_variables_initializer())
    found = []
    for _ in range(2):
        given = session.run([*program.fetches, *program.targets], program.feeds)
        found.append([seen(k, v) for k, v in enumerate(given[: len(program.fetches)])])
    names = list(program.state)
    state = session.run([gf.get_default_graph().get_tensor_by_name(f"{name}:0") for name in names])
    return [*found, [seen(name, value) for name, value in zip(names, state, strict=True)]]
