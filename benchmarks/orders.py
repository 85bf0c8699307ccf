"""The order of a run: peak bytes over those of the program's order, for branchy graphs and training graphs.

`python -m benchmarks orders`. Branchy graphs are built breadth first, as a program with one line for a whole layer of
branches builds them; the program's order then holds something of every branch at once.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

import graphflow as gf
from benchmarks.packing import GRAPHS, perceptron, recurrent
from benchmarks.timing import Result, once
from graphflow.graph import Node
from graphflow.passes.pipeline import choose_passes, run_passes
from graphflow.planning.liveness import order_problem
from graphflow.planning.order import OrderProblem, best_order, peak_nbytes
from graphflow.planning.placement import place
from graphflow.planning.schedule import schedule
from graphflow.planning.writes import write_last
from graphflow.subgraph import Subgraph, cut

__all__ = ["BRANCHY", "branchy_graphs", "lowest_peak", "peaks", "random_problem", "run", "subgraph_of"]


# --- graphs with branches, built breadth first --------------------------------------------------------


def fan(chance: random.Random, size: int) -> list[Any]:
    """One tensor, `size` branches that widen it step by step and then fold it, and the sum of all."""
    steps = chance.randint(1, 3)
    x = gf.exp(gf.placeholder("float32", [4096]))
    level = [x * float(k + 1) for k in range(size)]
    for _ in range(steps):
        level = [gf.concat([gf.sin(h), h], axis=0) for h in level]
    level = [gf.reshape(gf.exp(h), (2**steps, 4096)) for h in level]
    return [gf.add_n([gf.sum(h, axis=0) for h in level])]


def products(chance: random.Random, size: int) -> list[Any]:
    """Matrices of all pairs of two vectors' elements, one a branch, each folded along its rows."""
    n = chance.choice([128, 256])
    x = gf.placeholder("float32", [n])
    vectors = [gf.tanh(x + float(k)) for k in range(size)]
    tables = [gf.expand_dims(v, 1) - gf.expand_dims(x, 0) for v in vectors]
    tables = [gf.exp(-gf.square(t)) for t in tables]
    return [gf.concat([gf.sum(t, axis=1) for t in tables], axis=0)]


def tournament(chance: random.Random, size: int) -> list[Any]:
    """`size` tensors that are joined two by two, level by level, until one is left."""
    x = gf.placeholder("float32", [8192])
    level = [gf.sin(x * float(k + 1)) for k in range(size)]
    while len(level) > 1:
        chance.shuffle(level)
        level = [gf.tanh(a + b) for a, b in itertools.pairwise(level[: len(level) // 2 * 2])][::2]
    return level


def models(chance: random.Random, size: int) -> list[Any]:
    """`size` perceptrons on one input, layer by layer, and the mean of what they say."""
    layers = chance.randint(2, 4)
    x = gf.placeholder("float32", [64, 128])
    level, inputs = [x] * size, 128
    for _ in range(layers):
        width = chance.choice([128, 256])
        weights = [gf.constant(np.full([inputs, width], k, np.float32)) for k in range(size)]
        level = [gf.nn.relu(gf.matmul(h, w)) for h, w in zip(level, weights, strict=True)]
        inputs = width
    return [gf.add_n([gf.mean(h, axis=1) for h in level]) / float(size)]


def cells(chance: random.Random, size: int) -> list[Any]:
    """Cells one after the other, each of four branches of other widths that are folded and joined again."""
    h = gf.placeholder("float32", [64, 32, 32])
    for _ in range(max(1, size // 8)):
        widths = [chance.choice([1, 2, 4, 8]) for _ in range(4)]
        wide = [gf.concat([h] * w, axis=0) for w in widths]
        wide = [gf.tanh(b) for b in wide]
        folded = [gf.sum(gf.reshape(b, (w, 64, 32, 32)), axis=0) for b, w in zip(wide, widths, strict=True)]
        h = gf.concat([b[:16] for b in folded], axis=0)
    return [gf.sum(h)]


def wired(chance: random.Random, size: int) -> list[Any]:
    """A net wired at random: each node joins some of the last eight, wide or narrow."""
    made = [(gf.sin(gf.placeholder("float32", [4096])), 1)]
    for _ in range(size * 2):
        sources = chance.sample(made[-8:], min(len(made), chance.choice([1, 1, 2, 2, 3])))
        parts = [gf.sum(gf.reshape(t, (width, 4096)), axis=0) for t, width in sources]
        width = chance.choice([1, 1, 2, 4])
        made.append((gf.tanh(gf.concat([sum(parts[1:], parts[0])] * width, axis=0)), width))
    return [gf.add_n([gf.sum(t) for t, _ in made[-6:]])]


BRANCHY: tuple[Callable[[random.Random, int], list[Any]], ...] = (
    *(fan, products, tournament, models, cells, wired),
)


def branchy_graphs(sizes: Sequence[int] = (8, 24, 64), seeds: int = 3) -> Iterator[tuple[str, Subgraph]]:
    """(family and size, the bound subgraph) of every family, in every size, some of each."""
    for family in BRANCHY:
        for size in sizes:
            for seed in range(seeds):
                with gf.Graph().as_default():
                    chance = random.Random(f"{family.__name__} {size} {seed}")
                    yield f"{family.__name__} of {size}", subgraph_of(family(chance, size))


def subgraph_of(fetches: Sequence[Any], optimize: Any = True) -> Subgraph:
    """What a session would plan for fetches of known shapes: rewritten, and placed on one device."""
    targets = [f for f in fetches if isinstance(f, Node)]
    outputs = [f for f in fetches if not isinstance(f, Node)]
    first = (targets[0] if targets else outputs[0].op).graph
    feeds = [n.outputs[0] for n in first.operations if n.type == "placeholder"]
    passes = choose_passes(optimize)
    subgraph = run_passes(cut(outputs, feeds, targets), passes.before)
    return place(run_passes(subgraph, passes.after), lambda _: "cpu:0", "cpu:0").subgraph


# --- what is measured ---------------------------------------------------------------------------------


def peaks(subgraph: Subgraph) -> tuple[int, int]:
    """Peak bytes of the program's order, with the writes last, and of the order that is chosen."""
    found = []
    chosen = schedule(subgraph)
    for plan in (write_last(subgraph), chosen):
        problem = order_problem(Subgraph(plan.order, subgraph.inputs, subgraph.outputs), plan.writes)
        found.append(peak_nbytes(problem, range(len(plan.order))))
    return found[0], found[1]


def random_problem(chance: random.Random, n: int) -> OrderProblem:
    """A problem of `n` tasks: most read what the tasks before them made, some only wait for them."""
    before: list[tuple[int, ...]] = []
    makes: list[tuple[int, ...]] = []
    uses: list[tuple[int, ...]] = []
    reuses: list[tuple[int, ...]] = []
    nbytes: list[int] = []
    near = chance.choice([3, 6, n])
    for task in range(n):
        window = range(max(0, task - near), task)
        earlier = chance.sample(window, min(len(window), chance.choice([0, 1, 1, 2, 2, 3])))
        used = [chance.choice(makes[t]) for t in earlier if makes[t] and chance.random() < 0.9]
        used = list(dict.fromkeys(used))
        made = []
        for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
            same = bool(used) and chance.random() < 0.4
            made.append(len(nbytes))
            nbytes.append(nbytes[used[0]] if same else chance.randrange(10))
        before.append(tuple(earlier))
        makes.append(tuple(made))
        uses.append(tuple(used))
        reuses.append(tuple(b for b in used if chance.random() < 0.5))
    kept = tuple(b for b in range(len(nbytes)) if chance.random() < 0.1)
    workspace = tuple(chance.choice([0, 0, 0, 3]) for _ in range(n))
    return OrderProblem(
        tuple(before), tuple(makes), tuple(uses), tuple(reuses), tuple(nbytes), kept, workspace
    )


def lowest_peak(problem: OrderProblem) -> int:
    """The lowest peak of any order, from every set of tasks that can have run: O(2^tasks * tasks)."""
    n, nbytes = len(problem.before), problem.nbytes
    made = {b for makes in problem.makes for b in makes}
    needs = [sum({1 << t for t in earlier}) for earlier in problem.before]
    users = [0] * len(nbytes)
    for task, used in enumerate(problem.uses):
        for b in used:
            users[b] |= 1 << task
    for b in problem.kept:
        users[b] |= 1 << n

    def live_after(done: int) -> int:
        there = [b for b in range(len(nbytes)) if b not in made]
        there += [b for t in range(n) if done >> t & 1 for b in problem.makes[t]]
        return sum(nbytes[b] for b in there if users[b] & ~done or (b not in made and not users[b]))

    def during(task: int, done: int) -> int:
        dying = [b for b in problem.reuses[task] if not users[b] & ~(done | 1 << task)]
        sizes = [nbytes[b] for b in problem.makes[task]]
        saved = 0
        for b in dying:
            if nbytes[b] in sizes:
                sizes.remove(nbytes[b])
                saved += nbytes[b]
        own = sum(nbytes[b] for b in problem.makes[task])
        return live_after(done) + own + problem.workspace[task] - saved

    lowest = {0: 0}
    for _ in range(n):
        then: dict[int, int] = {}
        for done, peak in lowest.items():
            for task in range(n):
                if not done >> task & 1 and not needs[task] & ~done:
                    state = done | 1 << task
                    then[state] = min(then.get(state, 1 << 62), max(peak, during(task, done)))
        lowest = then
    return lowest[(1 << n) - 1]


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def run() -> Iterator[Result]:
    """The figures."""
    by_family: dict[str, list[float]] = {}
    for name, subgraph in branchy_graphs():
        program, chosen = peaks(subgraph)
        by_family.setdefault(name.split()[0], []).append(chosen / program)
    ratios = [r for found in by_family.values() for r in found]
    yield Result(
        f"peak over the program's, {len(ratios)} branchy graphs, geometric mean",
        _geometric_mean(ratios),
        "",
        1 / 1.3,
        f"{1 / _geometric_mean(ratios):.2f} times lower",
    )
    for name, found in by_family.items():
        yield Result(f"  {name}", _geometric_mean(found), "", 1.0, f"worst {max(found):.3f}")
    chance = random.Random(0)
    problems = [random_problem(chance, chance.randint(2, 12)) for _ in range(300)]
    missed = sum(peak_nbytes(p, best_order(p)) != lowest_peak(p) for p in problems)
    yield Result("of 300 problems of up to 12 tasks, not of the lowest peak", missed, "", 0)
    for name, build in GRAPHS.items():
        with gf.Graph().as_default():
            program, chosen = peaks(subgraph_of(build()))
        yield Result(f"{name}: peak over the program's", chosen / program, "", 1.0, f"{program:,} bytes")
    yield from _seconds()


def _seconds() -> Iterator[Result]:
    builders: dict[str, tuple[Callable[[], list[Any]], float | None]] = {
        "MLP of 5, Adam": (lambda: perceptron(5, 128, optimizer="adam"), None),
        "MLP of 190, Adam": (lambda: perceptron(190, 64, optimizer="adam"), 250.0),
        "LSTM of 240 steps": (lambda: recurrent(240, 32), 250.0),
        "LSTM of 2,400 steps": (lambda: recurrent(2_400, 16, 8), 2_500.0),
    }
    for name, (build, limit) in builders.items():
        with gf.Graph().as_default(), gf.config.override(repeat_limit=10**6):
            subgraph = subgraph_of(build())
        numbers = schedule(subgraph).numbers
        fresh = once(partial(schedule, subgraph)) * 1e3
        yield Result(f"schedule of {name}, {len(subgraph.nodes):,} nodes", fresh, "ms", limit)
        yield Result(
            "  by the order of another shape", once(partial(schedule, subgraph, numbers)) * 1e3, "ms"
        )
