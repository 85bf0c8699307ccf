"""Random programs of everything: uses of all ops, expressions that rules look for, random recipes, control flow, variables.

A recipe is a list of steps, each a number; a step takes values that there are and adds some. What can be told of a run
is compared bit for bit: results and variables.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import GraphflowError
from graphflow.graph import Node
from graphflow.interpret import interpret
from graphflow.passes.bodies import body_subgraph
from graphflow.subgraph import Subgraph
from graphflow.types import STRING, SUPPORTED, dtype_name
from tests import random_graphs
from tests.ops.table import Sample, all_samples
from tests.passes import control_programs
from tests.passes.control_programs import Program
from tests.passes.exactness import bits, operand_values
from tests.passes.mixed_expressions import (
    AGAIN,
    CONTROL,
    EXPRESSIONS,
    FORMULAS,
    JOINS,
    ROUNDING,
    Expression,
    kind_of,
)

__all__ = [
    "CONTROL",
    "EXPRESSIONS",
    "FORMULAS",
    "Mixed",
    "Mixture",
    "Told",
    "build",
    "mixtures",
    "places",
    "seen",
    "sweep",
    "told",
]


@dataclass(frozen=True)
class Mixture:
    """What a program is made of.

    steps: what is taken from which table, and the seed of what else each step picks. inner: which values on the way are fetched; of those that nothing has been
        made of, those that these numbers do not leave out.
    seed: of what is fed. fed: "special" for zeros with signs, infinities, NaN, the largest and the smallest, if the
        program runs with them, "plain" or "positive". symbolic: sizes are not known before the run, where that can be.
    """

    steps: tuple[int, ...]
    inner: tuple[int, ...]
    seed: int
    fed: str
    symbolic: bool


@dataclass(frozen=True)
class Mixed:
    """A program with what it is made of."""

    program: Program
    parts: tuple[str, ...]


Told = tuple[tuple[str, str, tuple[int, ...], Any], ...]
"""What can be told of a run: of each result and of each variable that was written: name, dtype, shape, bits."""


def mixtures(least: int, most: int, fed: Sequence[str] = ("special", "plain")) -> st.SearchStrategy[Mixture]:
    """Random recipes of so many steps."""
    digits = st.tuples(*[st.integers(0, 99)] * 3)  # large numbers would be drawn small too often
    number = digits.map(lambda drawn: drawn[0] * 10_000 + drawn[1] * 100 + drawn[2])
    steps = st.lists(number, min_size=least, max_size=most)
    inner = st.lists(st.integers(0, 99), max_size=4)
    return st.builds(
        Mixture,
        steps.map(tuple),
        inner.map(tuple),
        number,
        st.sampled_from(fed),
        st.booleans(),
    )


def sweep(*tables: Sequence[Expression], size: int = 20, **options: Any) -> list[Mixture]:
    """Recipes of so many steps each, in which every entry of the tables comes up once, with variables and joins behind."""
    kinds = {
        id(EXPRESSIONS): _Mixer.expression,
        id(ROUNDING): _Mixer.rounding,
        id(FORMULAS): _Mixer.formula,
        id(CONTROL): _Mixer.control,
    }
    numbers = [
        which * len(_STEPS) + _STEPS.index(kinds[id(table)])
        for table in tables
        for which in range(len(table))
    ]
    random.Random(0).shuffle(numbers)
    chunks = [numbers[k : k + size] for k in range(0, len(numbers), size)]
    others = [
        _STEPS.index(kind) for kind in (_Mixer.variable, _Mixer.join, _Mixer.once_more, _Mixer.variable)
    ]
    return [
        Mixture((*chunk, *[len(_STEPS) * k + kind for kind in others]), (5 + k,), k, **options)
        for k, chunk in enumerate(chunks)
    ]


# --- what is told -------------------------------------------------------------------------------------------


def told(subgraph: Subgraph, program: Program) -> Told:
    """Interpret a subgraph of the program. Raises what the interpretation does."""
    given = interpret(subgraph, [np.asarray(v) for v in program.feeds.values()], program.state)
    written = [(name, given.written[name]) for name in sorted(given.written)]
    return tuple([seen(name, value) for name, value in [*enumerate(given.outputs), *written]])


def seen(name: Any, value: Any) -> tuple[str, str, tuple[int, ...], Any]:
    array = np.asarray(value)
    if array.dtype.kind == "O":
        return str(name), "string", array.shape, array.tolist()
    return str(name), dtype_name(array.dtype), array.shape, bits(array)


def places(subgraph: Subgraph, known: Collection[Node] = ()) -> set[str]:
    """The user's lines of all nodes but the known ones, those in bodies of control flow included."""
    found: set[str] = set()
    pending: list[Iterable[Node]] = [subgraph.nodes]
    while pending:
        for node in pending.pop():
            if node not in known:
                found.add(str(node.origin))
                pending += [body_subgraph(node, k).nodes for k in range(len(node.attrs.get("bodies", ())))]
    return found


# --- building -----------------------------------------------------------------------------------------------


def build(mixture: Mixture) -> Mixed:
    """Build a recipe in the default graph."""
    mixer = _Mixer(mixture)
    for number in mixture.steps:
        mixer.step(number)
    program = mixer.program()
    if mixture.fed == "special":
        with suppress(GraphflowError):
            told(program.subgraph()[0], program)
            return Mixed(program, tuple(mixer.parts))
        program = replace(program, feeds={**program.feeds, **mixer.own_feeds})
    return Mixed(program, tuple(mixer.parts))


@cache
def _samples() -> tuple[Sample, ...]:
    return tuple(all_samples())


class _Mixer:
    """A program in the making. pool: values to go on with. others: values of text."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture
        self.pick = random.Random(mixture.seed).randrange
        self.which = 0
        self.rng = np.random.default_rng(mixture.seed)
        self.graph = gf.get_default_graph()
        self.feeds: dict[gf.Tensor, Any] = {}
        self.own_feeds: dict[gf.Tensor, Any] = {}  # those of samples, with which they are sure to run
        self.state: dict[str, Any] = {}
        self.targets: list[gf.Operation] = []
        self.pool: list[gf.Tensor] = []
        self.others: list[gf.Tensor] = []
        self.parts: list[str] = []
        self.last: Callable[[], Sequence[gf.Tensor]] | None = None
        self.variables: list[Any] = []

    def step(self, number: int) -> None:
        """Add what a step of the recipe says."""
        self.pick = random.Random(number).randrange
        self.which, kind = divmod(number, len(_STEPS))
        made = _STEPS[kind](self)
        for t in made:
            (self.others if t.dtype is STRING else self.pool).append(t)

    def program(self) -> Program:
        """What has been made, with its ends fetched but for some, and some values on the way."""
        made = list(dict.fromkeys([*self.pool, *self.others])) or [self.placeholder("float64", (2, 3))]
        nodes = [n for n in self.graph.operations if not n.op.is_source and n.op.name != "read"]
        used = {t for n in nodes for t in n.inputs}
        ends = [t for t in made if t not in used]
        fetches = [t for k, t in enumerate(ends) if all((k + m) % 7 for m in self.mixture.inner)]
        inner = [t for n in nodes for t in n.outputs] or made
        fetches += [inner[m % len(inner)] for m in self.mixture.inner]
        return Program(tuple(fetches or made), tuple(self.targets), self.feeds, self.state)

    # --- operands ---

    def values(self, dtype: Any, shape: Sequence[int]) -> np.ndarray[Any, Any]:
        """Something to feed."""
        kind = SUPPORTED[dtype_name(np.dtype(dtype))]
        if self.mixture.fed == "special" and self.rng.integers(2):  # sums of plain ones tell their order
            return self.rng.choice(operand_values(kind, 1)[0], tuple(shape))
        if kind.kind == "b":
            return self.rng.integers(0, 2, shape).astype(bool)
        if kind.kind in "iu":
            return self.rng.integers(0 if kind.kind == "u" else -5, 9, shape).astype(kind)
        made = (
            self.rng.uniform(0.2, 2, shape) if self.mixture.fed == "positive" else self.rng.normal(size=shape)
        )
        return np.asarray(made + (1j * self.rng.normal(size=shape) if kind.kind == "c" else 0)).astype(kind)

    def placeholder(self, dtype: Any, shape: Sequence[Any], symbolic: bool = False) -> gf.Tensor:
        """A fed tensor."""
        asked = (None,) * len(shape) if symbolic else tuple(shape)
        t = gf.placeholder(dtype, asked)
        self.feeds[t] = self.values(t.dtype, shape)
        return t

    def operand(self, dtype: str, shape: Sequence[Any]) -> gf.Tensor:
        """A value of that type: one of the pool if there is one, or one that is fitted, or a fed one."""
        way = self.pick(4)
        alike = [t for t in self.pool if dtype_name(t.dtype) == dtype and t.type.shape == tuple(shape)]
        if way == 0 or not self.pool:
            return self.placeholder(dtype, shape)
        if way == 1 or not alike:
            t = self.pool[-1 - self.pick(len(self.pool))]
            return self.again(fitted(t, SUPPORTED[dtype], shape))
        return self.again(alike[-1 - self.pick(len(alike))])

    def again(self, t: gf.Tensor) -> gf.Tensor:
        """The same value, perhaps said in another way."""
        kinds, function = AGAIN[self.pick(len(AGAIN))]
        if self.pick(2) or not t.type.is_static or kind_of(t.dtype) not in kinds:
            return t
        return function(t)

    # --- steps ---

    def sample(self) -> Sequence[gf.Tensor]:
        """A use of an op from the table, with its gradient where it has one."""
        samples = _samples()
        sample = samples[self.which % len(samples)]
        symbolic = self.mixture.symbolic and sample.symbolic
        xs: list[gf.Tensor] = []
        for value in sample.inputs:
            array = np.asarray(value)
            xs.append(gf.placeholder(array.dtype, (None,) * array.ndim if symbolic else array.shape))
            self.feeds[xs[-1]] = self.own_feeds[xs[-1]] = array
        before = len(self.graph.operations)
        made = sample.build(*[self.again(x) if x.type.is_static and x.dtype is not STRING else x for x in xs])
        outputs = list(made) if isinstance(made, (tuple, list)) else [made]
        self.parts.append(sample.name)
        new = self.graph.operations[before:]
        if self.mixture.fed == "special" and not any(_is_delicate(n) for n in new):
            for x in xs:
                if kind_of(x.dtype) == "f":
                    self.feeds[x] = self.values(x.dtype, self.feeds[x].shape)
        if sample.grad and not symbolic and self.pick(2):  # of unknown sizes some have no gradient
            ys = [t for t in outputs if kind_of(t.dtype) == "f"]
            sources = [x for x in xs if kind_of(x.dtype) == "f"]
            found = gf.gradients(ys, sources, unconnected_gradients="zero") if ys and sources else []
            outputs += found
        return outputs

    def expression(self) -> Sequence[gf.Tensor]:
        """What a rule looks for."""
        return self._expression(EXPRESSIONS[self.which % len(EXPRESSIONS)])

    def rounding(self) -> Sequence[gf.Tensor]:
        """What a rule looks for that rounds anew."""
        return self._expression(ROUNDING[self.which % len(ROUNDING)])

    def formula(self) -> Sequence[gf.Tensor]:
        """What a larger pattern looks for."""
        return self._expression(FORMULAS[self.which % len(FORMULAS)])

    def control(self) -> Sequence[gf.Tensor]:
        """Branches and loops."""
        return self._expression(CONTROL[self.which % len(CONTROL)])

    def _expression(self, chosen: Expression) -> Sequence[gf.Tensor]:
        dtype = chosen.dtypes[self.pick(len(chosen.dtypes))]
        if self.mixture.symbolic and not chosen.sized:
            operands = [self.placeholder(dtype, shape, symbolic=True) for shape in chosen.shapes]
        else:
            operands = [self.operand(dtype, shape) for shape in chosen.shapes]
        self.parts.append(f"{chosen.name} of {dtype}")

        def make() -> Sequence[gf.Tensor]:
            made = chosen.build(*operands)
            return list(made) if isinstance(made, (tuple, list)) else [made]

        self.last = make
        return make()

    def join(self) -> Sequence[gf.Tensor]:
        """Two values joined; one of them is made to fit the other."""
        if not self.pool:
            return [self.placeholder("float64", (2, 3))]
        a = self.pool[-1 - self.pick(min(3, len(self.pool)))]
        b = self.pool[-1 - self.pick(len(self.pool))]
        if a.type.shape is None or not a.type.is_static:
            a = first(a)
        allowed = [function for kinds, function in JOINS if kind_of(a.dtype) in kinds]
        function = allowed[self.pick(len(allowed))]
        if not 0 < elements(a) < 5000:
            a = fitted(a, a.dtype, (2, 3))
        a, b = self.again(a), fitted(b, a.dtype, a.type.dims)
        self.parts.append(f"join {JOINS.index(next(j for j in JOINS if j[1] is function))} of {a.type}")
        self.last = lambda: [function(a, b)]
        return self.last()

    def once_more(self) -> Sequence[gf.Tensor]:
        """What was made last, made again."""
        self.parts.append("once more")
        return self.last() if self.last is not None else []

    def recipe(self) -> Sequence[gf.Tensor]:
        """A random recipe of floats."""
        number = self.pick(1_000_000)
        steps = tuple([(number // 7**k, number // 5**k, number // 3**k) for k in range(1 + number % 9)])
        built = random_graphs.build(random_graphs.Recipe(steps, (0,), number), unknown=self.mixture.symbolic)
        self.feeds.update(built.feeds)
        self.parts.append("recipe")
        return built.values[len(built.feeds) :]

    def nest(self) -> Sequence[gf.Tensor]:
        """A random nest of branches, loops and scans; one takes as long to make as all the rest, so that they are rare."""
        if self.pick(4) or "nest" in self.parts:
            return self.control()
        numbers = [
            *[self.pick(10_000) for _ in range(9)],
            self.pick(3),
        ]  # 3 at the end makes some of them fail
        built = control_programs.build(numbers, effects=False)
        self.feeds.update(built.feeds)
        self.targets.extend(built.targets)
        variables = [n for n in self.graph.operations if n.op.name == "variable" and n.name not in self.state]
        self.state.update(zip([n.name for n in variables], built.state.values(), strict=True))
        self.parts.append("nest")
        return built.fetches

    def variable(self) -> Sequence[gf.Tensor]:
        """A variable that is read and written, once or twice, in an order that is told or not."""
        dtype = ("float32", "float64", "int32", "complex64")[self.pick(4)]
        shape = ((2, 3, 4), (6, 6), (3,), ())[self.pick(4)]
        if not self.variables or self.pick(2):
            initial = np.asarray(self.rng.integers(-3, 4, shape)).astype(dtype)
            v = gf.Variable(initial)
            self.variables.append(v)
            self.state[v.read().op.inputs[0].op.name] = initial
        v = self.variables[-1 - self.pick(len(self.variables))]
        now = v.read()
        change = fitted(self.pool[-1], now.dtype, now.type.dims) if self.pool else now * 2
        self.parts.append("variable")
        way = self.pick(6)
        if way == 0:
            return [now, v.assign(self.again(change))]
        if way == 1:
            return [v.assign_add(change * 1), now - now]
        if way == 2:
            with gf.control_dependencies([v.assign_sub(change)]):
                return [v.read() + change]
        if way == 5:
            first_write = v.assign_add(change)
            with gf.control_dependencies([first_write]):
                second = v.assign_sub(self.again(change))
            with gf.control_dependencies([first_write, second, now]):
                return [v.read() * 1]
        if way == 3:
            with gf.control_dependencies([now]):
                self.targets.append(v.assign_add(now).op)
            return [now * 1]
        return [now, now + v.read()]


def _is_delicate(node: Node) -> bool:
    """Whether it might not end, or fails, on special numbers."""
    return node.op.is_control or node.op.fallible or not (node.op.is_pure or node.op.is_source)


def elements(t: gf.Tensor) -> int:
    """How many there are, -1 where that is not known."""
    return math.prod(t.type.dims) if t.type.is_static else -1  # type: ignore[arg-type]


def first(t: gf.Tensor) -> gf.Tensor:
    """The first element, or 0 where there is none, as a scalar of a type that may be wider."""
    return gf.sum(gf.reshape(t, (-1,))[:1])


def fitted(t: gf.Tensor, dtype: Any, shape: Sequence[Any]) -> gf.Tensor:
    """A value of another type made of a tensor's elements."""
    if t.dtype.kind == "c" and np.dtype(dtype).kind not in "cb":
        t = gf.real(t)
    if t.type.shape != tuple(shape):
        size, wanted = elements(t), math.prod(shape)
        if size < wanted:
            return gf.broadcast_to(gf.cast(first(t), dtype), tuple(shape))
        t = gf.reshape(t if size == wanted else gf.reshape(t, (-1,))[:wanted], tuple(shape))
    return t if t.dtype == dtype else gf.cast(t, dtype)


_STEPS: tuple[Callable[[_Mixer], Sequence[gf.Tensor]], ...] = (
    *[_Mixer.expression] * 8,
    *[_Mixer.rounding] * 4,
    *[_Mixer.sample] * 3,
    *[_Mixer.formula] * 3,
    *[_Mixer.join] * 4,
    _Mixer.variable,
    _Mixer.recipe,
    _Mixer.once_more,
    _Mixer.control,
    _Mixer.nest,
)
"""Each as often as it is to be drawn."""
