"""Random programs of branches, loops and scans for hypothesis: nested, with variables, effects and gradients.

A recipe is a list of numbers, from which a program is built step by step; runs are compared in all that can be told:
results bit for bit, variables afterwards, what was printed and in which order, and whether the run failed.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.bind import bind, match_feeds
from graphflow.errors import GraphflowError
from graphflow.lowering import compile_subgraph
from graphflow.runtime import VariableStore, load
from graphflow.subgraph import Subgraph, cut
from graphflow.types import DimLike, TensorType

__all__ = ["Outcome", "Program", "build", "outcome", "programs"]

SIZE = 17
"""Elements of every value: enough that NumPy adds strided arrays up in another order than rows."""


@dataclass(frozen=True, slots=True)
class Program:
    """fetches and targets of a built recipe, what it is fed, and what its variables are first."""

    fetches: tuple[gf.Tensor, ...]
    targets: tuple[gf.Operation, ...]
    feeds: dict[gf.Tensor, Any]
    state: dict[str, Any]

    def cut(self) -> Subgraph:
        """What a run needs."""
        return cut(self.fetches, tuple(self.feeds), self.targets)

    def bound(self, subgraph: Subgraph) -> tuple[Subgraph, dict[str, DimLike]]:
        """That, with the sizes of the feeds."""
        feeds = tuple(self.feeds)
        shapes = [np.shape(v) for v in self.feeds.values()]
        types = [TensorType(t.dtype, s) for t, s in zip(feeds, shapes, strict=True)]
        return bind(subgraph, types, match_feeds(feeds, shapes))

    def subgraph(self) -> tuple[Subgraph, dict[str, DimLike]]:
        """What a run needs, with the sizes of the feeds."""
        return self.bound(self.cut())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What can be told of two runs: results, variables, text on stderr; or that one failed."""

    results: tuple[tuple[bytes, ...], ...]
    state: tuple[bytes, ...]
    printed: str
    failed: bool


def programs(max_size: int = 40) -> st.SearchStrategy[tuple[int, ...]]:
    """Random recipes."""
    return st.lists(st.integers(0, 10_000), min_size=3, max_size=max_size).map(tuple)


def outcome(program: Program, subgraph: Subgraph, sizes: dict[str, DimLike]) -> Outcome:
    """Run a subgraph of the program twice in one session's state."""
    store = VariableStore()
    for name, value in program.state.items():
        store.arrays[name] = np.array(value)
        store.initialized.add(name)
    results = []
    text = io.StringIO()
    try:
        with contextlib.redirect_stderr(text):
            compiled = compile_subgraph(subgraph, sizes, lambda asked: "cpu:0", "cpu:0")
            executable = load(compiled, backend_for, store)
            for _ in range(2):
                values = executable.run([np.asarray(v) for v in program.feeds.values()])
                results.append(tuple([np.asarray(v).tobytes() for v in values]))
    except GraphflowError:
        return Outcome((), tuple([store.arrays[k].tobytes() for k in program.state]), "", True)
    state = tuple([store.arrays[k].tobytes() for k in program.state])
    return Outcome(tuple(results), state, text.getvalue(), False)


# --- building -----------------------------------------------------------------------------------------


def build(recipe: Sequence[int], *, effects: bool = True) -> Program:
    """Build a recipe in the default graph. effects: with prints, assertions and assignments."""
    maker = _Maker(recipe, effects)
    rng = np.random.default_rng(sum(recipe))
    x = gf.placeholder("float64", [None], name="x")
    m = gf.placeholder("float64", [2, SIZE], name="m")
    flag, count = gf.placeholder("bool", [], name="flag"), gf.placeholder("int64", [], name="count")
    maker.flag, maker.count = flag, count
    initial = rng.uniform(-1, 1, SIZE)
    maker.variable = gf.Variable(initial, name="v")
    pool = [x, m[0] + x, gf.constant(rng.uniform(-1, 1, SIZE))]
    maker.steps(pool, 0, 3 + maker.pick(5))
    fetches = [pool[-1], pool[maker.pick(len(pool))]]
    if maker.pick(2):
        loss = gf.sum(gf.add_n([pool[-1], pool[maker.pick(len(pool))]]))
        with contextlib.suppress(gf.errors.GradientError):
            found = gf.gradients(loss, [x, m], unconnected_gradients="zero")
            fetches += found
    values = {
        x: rng.uniform(-1, 1, SIZE),
        m: rng.uniform(-1, 1, (2, SIZE)),
        flag: np.array(bool(recipe[0] % 2)),
        count: np.array(recipe[-1] % 4),
    }
    return Program(tuple(fetches), tuple(maker.targets), values, {"v": initial})


Pool = list[Any]


class _Maker:
    """Makes nodes as the numbers of a recipe say; all values are float64[SIZE]."""

    flag: Any
    count: Any
    variable: Any

    def __init__(self, recipe: Sequence[int], effects: bool) -> None:
        self._numbers = itertools.cycle(recipe)
        self._salt = itertools.count()
        self.effects = effects
        self.targets: list[gf.Operation] = []
        self.left = 40  # nodes that a user would write: nests stay small

    def pick(self, n: int) -> int:
        """A number below `n`."""
        return (next(self._numbers) + next(self._salt)) % n

    def of(self, pool: Pool) -> Any:
        """Some value."""
        return pool[-1 - self.pick(len(pool))]

    def steps(self, pool: Pool, depth: int, count: int) -> None:
        """Add values to the pool."""
        for _ in range(count):
            if self.left <= 0:
                break
            self.left -= 1
            choices = _ALWAYS if depth >= 3 else _ANYWHERE
            pool.append(choices[self.pick(len(choices))](self, pool, depth))

    def inside(self, pool: Pool, depth: int, *own: Any) -> Any:
        """The value that a body gives."""
        here = [*pool, *own]
        self.steps(here, depth + 1, 1 + self.pick(3))
        return here[-1]

    def predicate(self, pool: Pool) -> Any:
        """A scalar bool: known, fed, or computed."""
        return [
            lambda: gf.constant(True),
            lambda: gf.constant(False),
            lambda: self.flag,
            lambda: gf.sum(self.of(pool)) > 0.0,
            lambda: gf.logical_and(self.flag, gf.less(gf.constant(1), gf.constant(2))),
        ][self.pick(5)]()


Step = Callable[[_Maker, Pool, int], Any]


def _matrix(maker: _Maker, pool: Pool) -> Any:
    """Rows to go along: none, one, or some."""
    rows = [maker.of(pool) for _ in range(maker.pick(4))]
    return gf.stack(rows) if rows else gf.zeros((0, SIZE), dtype="float64")


def _cond(maker: _Maker, pool: Pool, depth: int) -> Any:
    return gf.cond(
        maker.predicate(pool),
        lambda: maker.inside(pool, depth),
        lambda: maker.inside(pool, depth),
    )


def _cond_of_two(maker: _Maker, pool: Pool, depth: int) -> Any:
    a, b = gf.cond(
        maker.predicate(pool),
        lambda: (maker.inside(pool, depth), maker.of(pool)),
        lambda: (maker.of(pool), maker.inside(pool, depth)),
    )
    return (a, b)[maker.pick(2)]


def _switch(maker: _Maker, pool: Pool, depth: int) -> Any:
    index = [gf.constant(maker.pick(4)), maker.count][maker.pick(2)]
    branches = [lambda: maker.inside(pool, depth), lambda: maker.of(pool)]
    return gf.switch_case(index, branches, default=lambda: maker.inside(pool, depth))


def _while(maker: _Maker, pool: Pool, depth: int) -> Any:
    limit = [gf.constant(maker.pick(4)), maker.count, 2][maker.pick(3)]
    steady, other = maker.of(pool), maker.of(pool)

    def body(i: Any, a: Any, b: Any, c: Any) -> Any:
        return i + 1, maker.inside(pool, depth, a, b), b, gf.sin(c) * b

    result = gf.while_loop(lambda i, a, b, c: i < limit, body, (0, maker.of(pool), steady, other))
    return result[1 + maker.pick(3)]


def _while_on_data(maker: _Maker, pool: Pool, depth: int) -> Any:
    def body(a: Any) -> Any:
        return gf.tanh(maker.inside(pool, depth, a)) * 0.25

    return gf.while_loop(lambda a: gf.max(gf.abs(a)) > 0.3, body, [maker.of(pool)], maximum_iterations=3)[0]


def _scan(maker: _Maker, pool: Pool, depth: int) -> Any:
    def step(acc: Any, rows: Any) -> Any:
        return maker.inside(pool, depth, acc[0], rows[0]), acc[1]

    elems = _matrix(maker, pool)
    a, b = gf.scan(
        step, (elems, gf.exp(elems)), (maker.of(pool), maker.of(pool)), reverse=bool(maker.pick(2))
    )
    return gf.sum((a, b)[maker.pick(2)], axis=0)


def _map(maker: _Maker, pool: Pool, depth: int) -> Any:
    a, b = gf.map_fn(lambda row: (maker.inside(pool, depth, row), row), _matrix(maker, pool), dtype="float64")
    return gf.sum(a + b, axis=0)


def _print(maker: _Maker, pool: Pool, depth: int) -> Any:
    t = maker.of(pool)
    if not maker.effects:
        return gf.identity(t)
    return gf.Print(t, [gf.sum(t)], f"{maker.left}: ")


def _print_then(maker: _Maker, pool: Pool, depth: int) -> Any:
    t, u = maker.of(pool), maker.of(pool)
    if not maker.effects:
        return t * u
    said = gf.print(f"{maker.left}!", gf.sum(u))
    if not depth:
        maker.targets.append(gf.group(said, t))
    with gf.control_dependencies([gf.group(said, gf.exp(t)), gf.sin(u)]):
        return gf.cos(t) * u


def _assert(maker: _Maker, pool: Pool, depth: int) -> Any:
    t = maker.of(pool)
    if not maker.effects:
        return t
    with gf.control_dependencies([gf.Assert(gf.max(gf.abs(t)) < 50.0, [t])]):
        return gf.identity(t)


def _assign(maker: _Maker, pool: Pool, depth: int) -> Any:
    if not maker.effects:
        return maker.variable * 2.0
    return maker.variable.assign(gf.tanh(maker.of(pool)))


def _take(maker: _Maker, pool: Pool, depth: int) -> Any:
    """Fails where `count` is 3."""
    return gf.take(maker.of(pool)[:3], maker.count) + maker.of(pool)


def _table(maker: _Maker, pool: Pool) -> Any:
    return gf.sin(gf.expand_dims(maker.of(pool), 1) * maker.of(pool) + 0.1)


def _product(maker: _Maker, pool: Pool, depth: int) -> Any:
    return gf.matmul(gf.transpose(_table(maker, pool)), maker.of(pool))


def _turned(maker: _Maker, pool: Pool, depth: int) -> Any:
    """A branch and a loop that give views, whose sums would be other ones if they were handed on as such."""
    table = gf.cond(
        maker.predicate(pool),
        lambda: gf.transpose(_table(maker, pool)),
        lambda: gf.reshape(gf.transpose(_table(maker, pool)), (SIZE, SIZE))[::-1],
    )
    limit = [gf.constant(maker.pick(3)), maker.count][maker.pick(2)]
    again = gf.while_loop(
        lambda i, a, b: i < limit,
        lambda i, a, b: (i + 1, gf.transpose(a) + gf.sum(b), b),
        (0, table, gf.transpose(table)),
    )
    return gf.sum(again[1 + maker.pick(2)], axis=maker.pick(2)) * 0.1 + gf.sum(table)


def _masked(maker: _Maker, pool: Pool, depth: int) -> Any:
    """Of a size that depends on data."""
    t = maker.of(pool)
    return gf.sum(gf.boolean_mask(t, t > 0.0)) + maker.of(pool)


_ALWAYS: list[Step] = [
    lambda maker, pool, depth: gf.sin(maker.of(pool)),
    lambda maker, pool, depth: gf.exp(-gf.abs(maker.of(pool))),
    lambda maker, pool, depth: maker.of(pool) * 0.5,
    lambda maker, pool, depth: maker.of(pool) + maker.of(pool),
    lambda maker, pool, depth: maker.of(pool) * maker.of(pool),
    lambda maker, pool, depth: gf.tanh(gf.sum(maker.of(pool)) - maker.of(pool)),
    lambda maker, pool, depth: gf.minimum(maker.of(pool), 0.25),
    lambda maker, pool, depth: maker.of(pool)[::-1],
    lambda maker, pool, depth: gf.constant(np.resize([0.5, -0.0, 2.0], SIZE)),
    lambda maker, pool, depth: gf.identity(maker.of(pool)),
    lambda maker, pool, depth: gf.random.uniform((SIZE,), dtype="float64") + maker.of(pool),
    lambda maker, pool, depth: maker.variable + maker.of(pool),
    _print,
    _print_then,
    _assert,
    _assign,
    _take,
    _product,
    _masked,
]
_CONTROL: list[Step] = [_cond, _cond_of_two, _switch, _while, _while_on_data, _scan, _map, _turned]
_ANYWHERE: list[Step] = [*_ALWAYS, *_CONTROL, *_CONTROL]
