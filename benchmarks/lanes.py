"""Lane schedules on generated task graphs: simulated makespan over what no schedule is under. Nothing is timed here.

Two bounds: max(span, work / lanes), and `makespan_bound`, which adds up sections that cannot overlap. The first
cannot be reached where a task that everything waits for is long, or where no more can run side by side for a while
than there are lanes; such graphs are in `SERIAL` and are measured against the second.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.timing import Result
from graphflow.planning.lanes import TaskGraph, list_schedule, makespan_bound

__all__ = ["FAMILIES", "SERIAL", "SIZES", "fair_graphs", "ratio", "run", "serial_graphs"]

SIZES = (50, 100, 200, 500, 1000, 2000)

Generator = Callable[[random.Random, int], TaskGraph]


class _Builder:
    """Tasks one after another, each after those it needs."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.before: list[tuple[int, ...]] = []

    def task(self, seconds: float, before: Sequence[int] = ()) -> int:
        self.seconds.append(seconds)
        self.before.append(tuple(dict.fromkeys(before)))
        return len(self.seconds) - 1

    def graph(self) -> TaskGraph:
        return TaskGraph(tuple(self.seconds), tuple(self.before))


def _duration(rng: random.Random) -> Callable[[], float]:
    """How long tasks take: uniform, exponential, normal or lognormal, of mean about 10."""
    return rng.choice(
        [
            lambda: float(rng.randint(1, 19)),
            lambda: 1 + rng.expovariate(1 / 9),
            lambda: max(1.0, rng.gauss(10, 3)),
            lambda: 6 * rng.lognormvariate(0, 1),
        ]
    )


# --- random graphs, by the four methods of the Standard Task Graph Set (Tobita and Kasahara 2002) ---


def same_probability(rng: random.Random, n: int) -> TaskGraph:
    """Every pair of tasks is an edge with the same probability; one to five predecessors on average."""
    build, duration = _Builder(), _duration(rng)
    chance = 2 * rng.choice([1, 3, 5]) / n
    for t in range(n):
        build.task(duration(), [b for b in range(t) if rng.random() < chance])
    return build.graph()


def same_predecessors(rng: random.Random, n: int) -> TaskGraph:
    """Every task has up to a number of predecessors among all before it."""
    build, duration = _Builder(), _duration(rng)
    most = 2 * rng.choice([1, 2, 3])
    for t in range(n):
        build.task(duration(), rng.sample(range(t), min(t, rng.randint(0, most))))
    return build.graph()


def layered(rng: random.Random, n: int) -> TaskGraph:
    """Layers of random width, each task after one to four of the layer before: `layrpred` of the set."""
    build, duration = _Builder(), _duration(rng)
    width = max(4, round(math.sqrt(n)))
    layer: list[int] = []
    while len(build.seconds) < n:
        many = min(rng.randint(width, 2 * width), n - len(build.seconds))
        layer = [
            build.task(duration(), rng.sample(layer, min(len(layer), rng.randint(1, 4)))) for _ in range(many)
        ]
    return build.graph()


def layered_probability(rng: random.Random, n: int) -> TaskGraph:
    """Layers as before, edges to any earlier layer with the same probability: `layrprob` of the set."""
    build, duration = _Builder(), _duration(rng)
    layers = max(2, round(math.sqrt(n) / 2))
    place = sorted(rng.randrange(layers) for _ in range(n))
    chance = 2 * rng.choice([1, 3, 5]) / n
    for t in range(n):
        build.task(duration(), [b for b in range(t) if place[b] < place[t] and rng.random() < chance])
    return build.graph()


def out_tree(rng: random.Random, n: int) -> TaskGraph:
    """Each task after one, two to four children each."""
    build, duration = _Builder(), _duration(rng)
    build.task(duration())
    for t in range(1, n):
        build.task(duration(), [rng.randint((t - 1) // 4, (t - 1) // 2)])
    return build.graph()


def in_tree(rng: random.Random, n: int) -> TaskGraph:
    """The same, turned round."""
    tree = out_tree(rng, n)
    before: list[list[int]] = [[] for _ in tree.seconds]
    for t, earlier in enumerate(tree.before):
        for b in earlier:
            before[n - 1 - b].append(n - 1 - t)
    return TaskGraph(tree.seconds[::-1], tuple(tuple(sorted(b)) for b in before))


# --- forks and joins ---


def fork_join(rng: random.Random, n: int, *, fork_seconds: float = 0.1) -> TaskGraph:
    """Eight to 32 tasks between a short task that all wait for and one that waits for all."""
    build, duration = _Builder(), _duration(rng)
    last = build.task(fork_seconds)
    while len(build.seconds) < n:
        many = min(rng.randint(8, 32), n)
        last = build.task(fork_seconds, [build.task(duration(), [last]) for _ in range(many)])
    return build.graph()


def series_parallel(rng: random.Random, n: int, *, fork_seconds: float = 0.1) -> TaskGraph:
    """Rows of blocks; a block is a row of tasks, or four to eight rows of blocks between a fork and a join."""
    build, duration = _Builder(), _duration(rng)

    def row(budget: int, before: Sequence[int]) -> list[int]:
        while budget > 0:
            many = rng.randint(4, 8)
            inside = min(budget, rng.randint(2 * many, 8 * many))
            if inside < 2 * many + 2 or rng.random() < 0.3:
                before = [build.task(duration(), before)]
                budget -= 1
                continue
            fork = build.task(fork_seconds, before)
            ends = [end for _ in range(many) for end in row((inside - 2) // many, [fork])]
            before = [build.task(fork_seconds, ends)]
            budget -= inside
        return list(before)

    fork = build.task(fork_seconds)
    rows = 8
    build.task(fork_seconds, [end for _ in range(rows) for end in row((n - 2) // rows, [fork])])
    return build.graph()


# --- linear algebra by tiles, transforms ---


def _tiles(
    size: int, steps: Callable[[int], Iterator[tuple[float, list[tuple[int, int]], tuple[int, int]]]]
) -> TaskGraph:
    """Tasks that each read some tiles and update one; a task comes after the last that wrote any of these."""
    build = _Builder()
    writer: dict[tuple[int, int], int] = {}
    for seconds, reads, tile in steps(size):
        writer[tile] = build.task(seconds, [writer[t] for t in (*reads, tile) if t in writer])
    return build.graph()


def _cholesky_steps(size: int) -> Iterator[tuple[float, list[tuple[int, int]], tuple[int, int]]]:
    for k in range(size):
        yield 1 / 3, [], (k, k)
        for i in range(k + 1, size):
            yield 1.0, [(k, k)], (i, k)
        for i in range(k + 1, size):
            for j in range(k + 1, i + 1):
                yield 1.0 if i == j else 2.0, [(i, k), (j, k)], (i, j)


def _lu_steps(size: int) -> Iterator[tuple[float, list[tuple[int, int]], tuple[int, int]]]:
    for k in range(size):
        yield 2 / 3, [], (k, k)
        for i in range(k + 1, size):
            yield 1.0, [(k, k)], (i, k)
            yield 1.0, [(k, k)], (k, i)
        for i in range(k + 1, size):
            for j in range(k + 1, size):
                yield 2.0, [(i, k), (k, j)], (i, j)


def cholesky(rng: random.Random, n: int) -> TaskGraph:
    """Cholesky by tiles; seconds by the operations of each kernel."""
    return _tiles(max(6, round((6 * n) ** (1 / 3)) - 1), _cholesky_steps)


def lu(rng: random.Random, n: int) -> TaskGraph:
    """LU by tiles, without pivoting."""
    return _tiles(max(5, round((3 * n) ** (1 / 3))), _lu_steps)


def gaussian_elimination(rng: random.Random, n: int) -> TaskGraph:
    """A pivot, then an update of every column to its right."""
    size = round(math.sqrt(2 * n))
    build = _Builder()
    column: dict[int, int] = {}
    for k in range(size - 1):
        pivot = build.task(float(size - k), [column[k]] if k in column else [])
        for j in range(k + 1, size):
            column[j] = build.task(2.0 * (size - k), [pivot, *([column[j]] if j in column else [])])
    return build.graph()


def fft(rng: random.Random, n: int) -> TaskGraph:
    """The tree of calls of a recursive transform, then its butterflies."""
    build = _Builder()
    points = 8
    while (2 * points - 1) + points * round(math.log2(points)) < n:
        points *= 2
    level = [build.task(1.0)]
    while len(level) < points:
        level = [build.task(1.0, [parent]) for parent in level for _ in range(2)]
    step = 1
    while step < points:
        level = [build.task(2.0, [level[i], level[i ^ step]]) for i in range(points)]
        step *= 2
    return build.graph()


# --- training: forwards, then backwards with a gradient of the input and one of the weights for each layer ---


def _train(build: _Builder, blocks: Sequence[Sequence[Sequence[float]]], join_seconds: float = 0.02) -> None:
    """blocks: one after another; in each, branches side by side; in each of these, layers in a row, as seconds."""
    x = build.task(0.01)
    record = []
    for block in blocks:
        ends, branches = [], []
        for layers in block:
            h, made = x, []
            for seconds in layers:
                linear = build.task(seconds, [h])
                made.append((seconds, linear, h))
                h = build.task(seconds / 20, [linear])
            branches.append(made)
            ends.append(h)
        x = build.task(join_seconds, ends) if len(ends) > 1 else ends[0]
        record.append(branches)
    g = build.task(0.01, [x])
    for branches in reversed(record):
        ends = []
        for made in branches:
            h = g
            for seconds, linear, source in reversed(made):
                activation = build.task(seconds / 20, [h, linear])
                build.task(seconds / 20, [build.task(seconds, [activation, source])])
                h = build.task(seconds, [activation])
            ends.append(h)
        g = build.task(join_seconds, ends) if len(ends) > 1 else ends[0]


def training_chain(rng: random.Random, n: int) -> TaskGraph:
    """A multi-layer perceptron or a chain of convolutions."""
    build = _Builder()
    _train(build, [[[rng.uniform(0.5, 2.0)]] for _ in range(max(2, n // 6))])
    return build.graph()


def training_branches(rng: random.Random, n: int) -> TaskGraph:
    """Blocks of eight to sixteen branches of one to three layers, such as heads of attention or grouped layers."""
    build = _Builder()
    blocks = []
    left = n
    while left > 0:
        layers = rng.randint(1, 3)
        seconds = [rng.uniform(0.5, 2.0) for _ in range(layers)]
        many = rng.randint(8, 16)
        blocks.append([seconds] * many)
        left -= 6 * layers * many
    _train(build, blocks)
    return build.graph()


def training_recurrent(rng: random.Random, n: int) -> TaskGraph:
    """Stacked LSTM layers, unrolled: four gates and a cell for step t of layer l, after t of l - 1 and t - 1 of l."""
    build = _Builder()
    depth = rng.randint(2, 4)
    steps = max(4, n // (14 * depth))
    cell: dict[tuple[int, int], int] = {}
    for t in range(steps):
        for k in range(depth):
            needed = [cell[p] for p in ((t, k - 1), (t - 1, k)) if p in cell]
            cell[t, k] = build.task(0.2, [build.task(1.0, needed) for _ in range(4)])
    loss = build.task(0.02, [cell[t, depth - 1] for t in range(steps)])
    back: dict[tuple[int, int], list[int]] = {}
    for t in range(steps - 1, -1, -1):
        for k in range(depth - 1, -1, -1):
            needed = [g for p in ((t, k + 1), (t + 1, k)) for g in back.get(p, ())]
            inner = build.task(0.2, [*needed, cell[t, k], loss])
            back[t, k] = [build.task(1.0, [inner]) for _ in range(4)]
            for _ in range(4):
                build.task(1.0, [inner])
    return build.graph()


def long_forks(rng: random.Random, n: int) -> TaskGraph:
    """Forks and joins as long as other tasks."""
    return fork_join(rng, n, fork_seconds=10.0)


def long_blocks(rng: random.Random, n: int) -> TaskGraph:
    """Series and parallel blocks, with forks and joins as long as other tasks."""
    return series_parallel(rng, n, fork_seconds=10.0)


def training_few_branches(rng: random.Random, n: int) -> TaskGraph:
    """Blocks of one to four unequal branches of one to three layers."""
    build = _Builder()
    blocks = []
    left = n
    while left > 0:
        block = [
            [rng.lognormvariate(0, 0.7) for _ in range(rng.randint(1, 3))] for _ in range(rng.randint(1, 4))
        ]
        blocks.append(block)
        left -= 6 * sum(map(len, block))
    _train(build, blocks)
    return build.graph()


FAMILIES: tuple[Generator, ...] = (
    same_probability,
    same_predecessors,
    layered,
    layered_probability,
    out_tree,
    in_tree,
    fork_join,
    series_parallel,
    cholesky,
    lu,
    gaussian_elimination,
    fft,
    training_chain,
    training_branches,
    training_recurrent,
)
SERIAL: tuple[Generator, ...] = (long_forks, long_blocks, training_few_branches)


def _graphs(
    families: Sequence[Generator], sizes: Sequence[int], seeds: int
) -> Iterator[tuple[str, TaskGraph]]:
    for family in families:
        for n in sizes:
            for seed in range(seeds):
                yield family.__name__, family(random.Random(f"{family.__name__} {n} {seed}"), n)


def fair_graphs(sizes: Sequence[int] = SIZES, seeds: int = 3) -> Iterator[tuple[str, TaskGraph]]:
    """Graphs whose max(span, work / lanes) can be reached or nearly so, by family."""
    return _graphs(FAMILIES, sizes, seeds)


def serial_graphs(sizes: Sequence[int] = SIZES, seeds: int = 3) -> Iterator[tuple[str, TaskGraph]]:
    """Graphs with sections that no lanes can share."""
    return _graphs(SERIAL, sizes, seeds)


def ratio(graph: TaskGraph, lanes: int) -> tuple[float, float]:
    """Makespan over max(span, work / lanes), and over `makespan_bound`."""
    makespan = list_schedule(graph, lanes).makespan
    return makespan / max(graph.span, graph.work / lanes), makespan / makespan_bound(graph, lanes)


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def run() -> Iterator[Result]:
    """The figures, on two and four lanes."""
    for lanes, limit in ((2, 1.02), (4, 1.08)):
        found = [(name, len(g.seconds), *ratio(g, lanes)) for name, g in fair_graphs()]
        plain = [r for _, _, r, _ in found]
        yield Result(
            f"makespan / max(span, work/{lanes}), {len(found)} graphs, geometric mean",
            _geometric_mean(plain),
            "",
            limit,
        )
        worst = max((r, name, n) for name, n, r, _ in found if n >= 100)
        yield Result(
            "  the worst of 100 tasks or more",
            worst[0],
            "",
            1.03 if lanes == 2 else None,
            f"{worst[1]}, {worst[2]} tasks",
        )
        sections = [s for *_, s in found]
        yield Result("  over the bound by sections, geometric mean", _geometric_mean(sections), "")
        serial = [ratio(g, lanes) for _, g in serial_graphs()]
        yield Result(
            f"  long forks, few branches ({len(serial)} graphs): the same, geometric mean",
            _geometric_mean([s for _, s in serial]),
            "",
            1.02 if lanes == 2 else 1.08,
            f"worst {max(s for _, s in serial):.3f}; over max(span, work/{lanes}) {_geometric_mean([r for r, _ in serial]):.3f}",
        )
