"""Random programs over variables mean what their lines say in order, whatever is fetched, fed, or fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import CallbackError

SHAPES = [
    (2, 3),
    (3, 1),
    (40, 60),
    (100, 90),
]  # float64: below and above 16 KiB for feeds, 64 KiB for results
ROWS = np.array([1, 0, 1])


@dataclass
class Step:
    """One line of a program: its tensor, what it needs, and what it computes from the values of `needs`.

    variable: the number of the variable that it reads or writes, or -1.
    """

    tensor: Any
    needs: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    compute: Callable[..., Any] = lambda: None
    reads: int = -1
    writes: int = -1
    fails: bool = False


@dataclass
class Program:
    """Builds a graph and keeps beside it what each line means in NumPy."""

    shape: tuple[int, int]
    variables: list[Any] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    current: dict[int, int] = field(default_factory=dict)  # variable -> the step that reads it now
    failing: set[int] = field(default_factory=set)  # steps whose callbacks fail in the next run

    def add(self, **parts: Any) -> int:
        self.steps.append(Step(**parts))
        return len(self.steps) - 1

    def read(self, v: int) -> int:
        if v not in self.current:
            self.current[v] = self.add(tensor=self.variables[v].read(), reads=v)
        return self.current[v]

    def fitted(self, k: int) -> Any:
        """The tensor of a step as one of the variables' shape."""
        t = self.steps[k].tensor
        return gf.reshape(t, self.shape) if t.shape != self.shape else t

    # --- the sequential meaning ---

    def needed(self, wanted: list[int], fed: dict[int, Any]) -> list[int]:
        found: set[int] = set()
        stack = [k for k in wanted if k not in fed]
        while stack:
            k = stack.pop()
            if k not in found:
                found.add(k)
                stack.extend(n for n in self.steps[k].needs if n not in fed)
                stack.extend(self.steps[k].after)
        return sorted(found)

    def interpret(
        self, wanted: list[int], fed: dict[int, Any], state: list[Any]
    ) -> tuple[dict[int, Any], list[Any]]:
        """The values of steps and the variables afterwards; KeyError naming a step whose callback fails."""
        values, after = dict(fed), list(state)
        for k in self.needed(wanted, fed):
            step = self.steps[k]
            if step.fails and k in self.failing:
                raise KeyError(k)
            arguments = [values[n].reshape(self.shape) for n in step.needs]
            result = after[step.reads] if step.reads >= 0 else step.compute(*arguments)
            if step.writes >= 0:
                after[step.writes] = np.array(result)  # its own: what was fed is overwritten after the run
            if k not in fed:
                values[k] = result
        return values, after


UNARY: list[Callable[[Any, Any], Any]] = [
    lambda xp, x: xp.sin(x) * 0.5,
    lambda xp, x: -x + 0.25,
    lambda xp, x: xp.tanh(x) * xp.tanh(x),
    lambda xp, x: x[::-1],
    lambda xp, x: xp.transpose(x),
    lambda xp, x: xp.reshape(xp.transpose(x), x.shape),
    lambda xp, x: xp.reshape(xp.transpose(xp.transpose(x)), (-1,)),
    lambda xp, x: xp.reshape(x, x.shape[::-1]),
    lambda xp, x: x - xp.sum(x, axis=0, keepdims=True) * 0.01,
    lambda xp, x: xp.broadcast_to(xp.mean(x), x.shape) * 0.5,
    lambda xp, x: xp.matmul(xp.matmul(x, xp.transpose(x)), x) * 1e-4,
    lambda xp, x: xp.zeros_like(x) + xp.max(x),
]
BINARY: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, x, y: xp.tanh(x + y),
    lambda xp, x, y: xp.maximum(x, y) - 0.5,
    lambda xp, x, y: x * 0.5 - xp.reshape(xp.transpose(y), x.shape) * 0.5,
    lambda xp, x, y: xp.where(x < y, x, y),
]


def _written(kind: int, x: Any, old: Any) -> Any:
    if kind < 3:
        return [x, old + x, old - x][kind]
    new = old.copy()
    for row, update in zip(ROWS, np.stack([x[0], x[-1], x[0] * 2.0]), strict=True):
        new[row] = update if kind == 3 else new[row] + update
    return new


def _write(kind: int, variable: Any, x: Any) -> Any:
    if kind < 3:
        return (variable.assign, variable.assign_add, variable.assign_sub)[kind](x)
    scatter = variable.scatter_update if kind == 3 else variable.scatter_add
    return scatter(ROWS, gf.stack([x[0], x[-1], x[0] * 2.0]))


def _build(shape: tuple[int, int], lines: list[tuple[int, int, int, int, int]], count: int) -> Program:
    p = Program(shape)
    p.variables = [gf.Variable(np.zeros(shape), name=f"v{k}") for k in range(count)]
    p.add(tensor=gf.placeholder("float64", shape), compute=lambda: None)
    p.add(tensor=gf.constant(np.linspace(-1, 1, shape[0] * shape[1]).reshape(shape)))
    p.steps[1].compute = lambda: np.linspace(-1, 1, shape[0] * shape[1]).reshape(shape)
    for kind, i, j, v, waits in lines:
        v %= count
        size = len(p.steps)
        first = p.read(v) if i % 3 == 0 else i % size
        second = j % size
        after = (waits % size,) if waits % 4 == 0 and waits % size > 1 else ()
        with gf.control_dependencies([p.steps[k].tensor for k in after]):
            _line(p, kind, first, second, v, after)
    return p


def _line(p: Program, kind: int, first: int, second: int, v: int, after: tuple[int, ...]) -> None:
    n_unary, n_binary = len(UNARY), len(BINARY)
    kind %= n_unary + n_binary + 12
    if kind < n_unary:
        f = UNARY[kind]
        p.add(tensor=f(gf, p.fitted(first)), needs=(first,), after=after, compute=lambda x: f(np, x))
    elif kind < n_unary + n_binary:
        g = BINARY[kind - n_unary]
        made = g(gf, p.fitted(first), p.fitted(second))
        p.add(tensor=made, needs=(first, second), after=after, compute=lambda x, y: g(np, x, y))
    elif kind < n_unary + n_binary + 2:
        number = len(p.steps)

        def call(x: Any) -> Any:
            if number in p.failing:
                raise ValueError(number)
            return x * 0.5

        made = gf.py_func(call, [p.fitted(first)], gf.float64, shapes=p.shape)
        p.add(tensor=made, needs=(first,), after=after, compute=lambda x: x * 0.5, fails=True)
    else:
        how = kind % 5
        old = p.read(v)
        made = _write(how, p.variables[v], p.fitted(first))
        p.add(
            tensor=made,
            needs=(first, old),
            after=after,
            compute=lambda x, before: _written(how, x, before),
            writes=v,
        )
        del p.current[v]


number = st.integers(0, 10_000)
runs = st.tuples(
    st.lists(number, min_size=1, max_size=4),  # what is fetched
    st.lists(number, max_size=1),  # what is fed besides the placeholder
    number,  # which variables and operations are fetched, and how it is run
    st.lists(number, max_size=2),  # which callbacks fail
)


@settings(max_examples=60)
@given(
    st.sampled_from(SHAPES),
    st.integers(1, 3),
    st.lists(st.tuples(number, number, number, number, number), min_size=1, max_size=14),
    st.lists(runs, min_size=1, max_size=5),
)
def test_a_program_means_its_lines_in_order(
    shape: tuple[int, int], count: int, lines: list[Any], plans: list[Any]
) -> None:
    with gf.Graph().as_default(), gf.config.override(verify=True, repeat_limit=10**6):
        p = _build(shape, lines, count)
        sessions = [gf.Session(), gf.Session(optimize=False), gf.Session()]
        for s in sessions:
            s.run(gf.global_variables_initializer())
        state: list[Any] = [np.zeros(shape) for _ in range(count)]
        for turn, plan in enumerate(plans):
            state = _run_all(p, sessions, state, turn, *plan)
            state = _run_all(p, sessions, state, turn + 100, *plan)


def _run_all(
    p: Program,
    sessions: list[Any],
    state: list[Any],
    turn: int,
    fetched: list[int],
    also_fed: list[int],
    mode: int,
    failing: list[int],
) -> list[Any]:
    size, rng = len(p.steps), np.random.default_rng(turn)
    wanted = list(dict.fromkeys(k % size for k in fetched))
    fed: dict[int, Any] = {0: rng.uniform(-1, 1, p.shape)}
    fed.update((k % size, rng.uniform(-1, 1, p.steps[k % size].tensor.shape)) for k in also_fed if k % size)
    may_fail = [k for k in range(size) if p.steps[k].fails]
    p.failing = {may_fail[k % len(may_fail)] for k in failing} if may_fail and turn < 100 else set()
    as_operation = {k for k in wanted if k not in fed and (mode >> k % 7) % 5 == 0}
    fetches: list[Any] = [p.steps[k].tensor.op if k in as_operation else p.steps[k].tensor for k in wanted]
    handles = [v for v in range(len(p.variables)) if (mode >> v) % 2]
    fetches += [p.variables[v] for v in handles]
    feeds = {p.steps[k].tensor: value for k, value in fed.items()}
    try:
        values, after = p.interpret(wanted, fed, state)
    except KeyError:
        for s in sessions:
            with pytest.raises(CallbackError):
                _run(s, fetches, feeds, mode)
        values, after = {}, state
    else:
        expected = [None if k in as_operation else values[k] for k in wanted] + [after[v] for v in handles]
        results = [_run(s, fetches, feeds, mode) for s in sessions]
        for result in results:
            for got, want, same in zip(result, expected, results[0], strict=True):
                if want is None:
                    assert got is None
                    continue
                np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
                np.testing.assert_array_equal(got, same)
        for result in results:  # results and feeds are the caller's to write
            for array in [*result, *feeds.values()]:
                if array is not None:
                    array[...] = np.nan
    for s in sessions:
        for got, want in zip(s.run(p.variables), after, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    return after


def _run(session: Any, fetches: list[Any], feeds: dict[Any, Any], mode: int) -> Any:
    if mode % 3:
        return session.run(fetches, feeds)
    return session.make_callable(fetches, list(feeds))(*feeds.values())
