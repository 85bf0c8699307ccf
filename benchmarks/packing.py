"""Arena offsets: height over the lower bound, for training graphs and for packings that leave no gap.

`python -m benchmarks packing`. The graphs are planned by a session, then their buffers are packed for other orders of
their nodes too. The packings are rectangles cut into pieces, so that the lower bound is the optimum.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import graphflow as gf
from benchmarks.timing import Result
from graphflow.graph import Node, Tensor
from graphflow.planning.arena import EFFORT, Lifetime, lower_bound_nbytes, plan_arena
from graphflow.subgraph import Subgraph

__all__ = ["GRAPHS", "filled_rectangle", "lifetimes_in_order", "run", "topological_orders"]

SEARCH_EFFORT = 250_000
"""Steps of some 10 microseconds on the machine of the figures: a few seconds."""


# --- packings whose optimum is known ------------------------------------------------------------------


def filled_rectangle(
    count: int, *, seed: int, duration: int, height: int, pinwheels: float = 0.3
) -> list[tuple[int, int, int]]:
    """(size, first, last) of at least `count` pieces of a rectangle, which fill it without a gap.

    A large piece is cut in two, at a time or at a height, or in five around a middle one (`pinwheels`: how often),
    which no cuts through whole pieces give.
    """
    chance = random.Random(seed)
    pieces = [(0, duration, 0, height)]
    while len(pieces) < count:
        some = [chance.randrange(len(pieces)) for _ in range(4)]
        k = max(some, key=lambda i: (pieces[i][1] - pieces[i][0]) * (pieces[i][3] - pieces[i][2]))
        parts = _cut(pieces[k], chance, pinwheels)
        if parts:
            pieces[k : k + 1] = parts
    chance.shuffle(pieces)
    return [(top - bottom, begin, end - 1) for begin, end, bottom, top in pieces]


def _cut(
    piece: tuple[int, int, int, int], chance: random.Random, pinwheels: float
) -> list[tuple[int, int, int, int]]:
    a, b, c, d = piece
    if chance.random() < pinwheels and b - a > 2 and d - c > 2:
        x, z = sorted(chance.sample(range(a + 1, b), 2))
        y, w = sorted(chance.sample(range(c + 1, d), 2))
        middle = (x, z, y, w)
        if chance.random() < 0.5:
            return [(a, z, c, y), (z, b, c, w), (x, b, w, d), (a, x, y, d), middle]
        return [(x, b, c, y), (z, b, y, d), (a, z, w, d), (a, x, c, w), middle]
    if chance.random() < 0.5:
        if b - a < 2:
            return []
        x = chance.randrange(a + 1, b)
        return [(a, x, c, d), (x, b, c, d)]
    if d - c < 2:
        return []
    y = chance.randrange(c + 1, d)
    return [(a, b, c, y), (a, b, y, d)]


# --- training graphs ----------------------------------------------------------------------------------


def _step(loss: Any, optimizer: str) -> list[Any]:
    made = gf.train.AdamOptimizer(0.01) if optimizer == "adam" else gf.train.GradientDescentOptimizer(0.01)
    return [made.minimize(loss), loss]


def _weights(*shape: int) -> Any:
    return gf.Variable(gf.zeros(shape))


def _classified(h: Any, inputs: int, labels: Any, optimizer: str) -> list[Any]:
    logits = gf.matmul(h, _weights(inputs, 10)) + _weights(10)
    loss = gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return _step(gf.mean(loss), optimizer)


def perceptron(layers: int, width: int, batch: int = 128, optimizer: str = "sgd") -> list[Any]:
    """One training step of dense layers."""
    h, inputs = gf.placeholder("float32", [batch, 784]), 784
    for _ in range(layers):
        h = gf.nn.relu(gf.matmul(h, _weights(inputs, width)) + _weights(width))
        inputs = width
    return _classified(h, inputs, gf.placeholder("int32", [batch]), optimizer)


def convolutional(
    channels: Sequence[int], size: int = 32, batch: int = 32, optimizer: str = "sgd"
) -> list[Any]:
    """One training step of convolutions with pooling."""
    h, inputs = gf.placeholder("float32", [batch, size, size, 3]), 3
    for outputs in channels:
        h = gf.nn.conv2d(h, _weights(3, 3, inputs, outputs), strides=1, padding="SAME") + _weights(outputs)
        h = gf.nn.max_pool(gf.nn.relu(h), 2, 2, "SAME")
        inputs = outputs
    size = -(-size // 2 ** len(channels))
    h = gf.reshape(h, (batch, size * size * inputs))
    return _classified(h, size * size * inputs, gf.placeholder("int32", [batch]), optimizer)


def recurrent(steps: int = 100, units: int = 64, batch: int = 32, optimizer: str = "sgd") -> list[Any]:
    """One training step of an LSTM, unrolled."""
    x = gf.placeholder("float32", [batch, steps, units])
    w, b = _weights(2 * units, 4 * units), _weights(4 * units)
    h = c = gf.zeros([batch, units])
    for t in range(steps):
        z = gf.matmul(gf.concat([x[:, t, :], h], axis=1), w) + b
        i, j, f, o = gf.split(z, 4, axis=1)
        c = gf.sigmoid(f + 1.0) * c + gf.sigmoid(i) * gf.tanh(j)
        h = gf.sigmoid(o) * gf.tanh(c)
    return _step(gf.mean(gf.square(gf.matmul(h, _weights(units, 1)))), optimizer)


def attention(blocks: int, width: int = 128, length: int = 64, optimizer: str = "sgd") -> list[Any]:
    """One training step of transformer blocks."""
    batch, heads = 8, 4
    x = gf.placeholder("float32", [batch, length, width])
    for _ in range(blocks):
        centred = x - gf.mean(x, axis=-1, keepdims=True)
        scale = gf.rsqrt(gf.mean(gf.square(centred), axis=-1, keepdims=True) + 1e-5)
        n = centred * scale * _weights(width) + _weights(width)
        q, k, v = (
            gf.transpose(
                gf.reshape(gf.matmul(n, _weights(width, width)), (batch, length, heads, -1)), (0, 2, 1, 3)
            )
            for _ in range(3)
        )
        scores = gf.nn.softmax(gf.matmul(q, gf.transpose(k, (0, 1, 3, 2))) * 0.125)
        mixed = gf.reshape(gf.transpose(gf.matmul(scores, v), (0, 2, 1, 3)), (batch, length, width))
        x = x + gf.matmul(mixed, _weights(width, width))
        hidden = gf.nn.relu(gf.matmul(x, _weights(width, 4 * width)) + _weights(4 * width))
        x = x + gf.matmul(hidden, _weights(4 * width, width)) + _weights(width)
    return _step(gf.mean(gf.square(x)), optimizer)


GRAPHS: dict[str, Callable[[], list[Any]]] = {
    "MLP of 4": lambda: perceptron(4, 512),
    "MLP of 30, Adam": lambda: perceptron(30, 256, optimizer="adam"),
    "CNN of 3": lambda: convolutional((16, 32, 64)),
    "CNN of 8, Adam": lambda: convolutional((16, 24, 32, 48, 64, 96, 128, 128), 64, 16, "adam"),
    "LSTM of 100 steps": recurrent,
    "LSTM of 100 steps, Adam": lambda: recurrent(optimizer="adam"),
    "attention block": lambda: attention(1),
    "attention blocks, 12, Adam": lambda: attention(12, optimizer="adam"),
}


def topological_orders(subgraph: Subgraph, seed: int) -> dict[str, list[Node]]:
    """The nodes in other orders: each as soon as it can, as late as it can, depth first, and by chance."""
    nodes = subgraph.nodes
    place = {n: i for i, n in enumerate(nodes)}
    after: dict[Node, list[Node]] = {n: [] for n in nodes}
    for n in nodes:
        for p in dict.fromkeys([*[t.op for t in n.inputs], *n.control_inputs]):
            if p in place:
                after[p].append(n)
    early: dict[Node, int] = {}
    for n in nodes:
        early[n] = 1 + max((early[t.op] for t in n.inputs if t.op in early), default=0)
    late: dict[Node, int] = {}
    for n in reversed(nodes):
        late[n] = 1 + max((late[u] for u in after[n]), default=0)
    chance = random.Random(seed)
    dice = {n: chance.random() for n in nodes}
    turn = iter(range(len(nodes) + 1, 0, -1))
    keys: dict[str, Callable[[Node], float]] = {
        "early": lambda n: early[n],
        "late": lambda n: -late[n],
        "depth first": lambda n: next(turn),
        "by chance": lambda n: dice[n],
    }
    return {name: _listed(nodes, after, place, key) for name, key in keys.items()}


def _listed(
    nodes: Sequence[Node],
    after: dict[Node, list[Node]],
    place: dict[Node, int],
    key: Callable[[Node], float],
) -> list[Node]:
    waiting = dict.fromkeys(nodes, 0)
    for users in after.values():
        for user in users:
            waiting[user] += 1
    ready = [(key(n), place[n]) for n in nodes if not waiting[n]]
    heapq.heapify(ready)
    order = []
    while ready:
        node = nodes[heapq.heappop(ready)[1]]
        order.append(node)
        for user in after[node]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (key(user), place[user]))
    return order


def lifetimes_in_order(subgraph: Subgraph, order: Sequence[Node]) -> list[Lifetime]:
    """The buffers of a run in that order, with views but without reuse in place."""
    root: dict[Tensor, Tensor] = {}
    first: dict[Tensor, int] = {}
    last: dict[Tensor, int] = {}
    for position, node in enumerate(order):
        for t in node.inputs:
            last[root.get(t, t)] = position
        for t in node.outputs:
            root[t] = root.get(node.inputs[0], node.inputs[0]) if node.op.is_view else t
            if root[t] is t and not (node.op.is_source or node.op.name in ("read", "assign", "no_op")):
                first[t] = last[t] = position
    for t in subgraph.outputs:
        last[root.get(t, t)] = len(order)
    return [Lifetime(t.type.nbytes or 0, at, last[t]) for t, at in first.items()]


# --- figures ------------------------------------------------------------------------------------------


def training_graphs() -> Iterator[Result]:
    """Height over bound of what a session plans, and of four other orders of the same nodes."""
    for name, build in GRAPHS.items():
        graph = gf.Graph()
        with graph.as_default():
            plan = gf.Session(graph, threads=1).plan(build())
        assert plan.subgraph is not None
        ratio = plan.arena_nbytes / plan.lower_bound_nbytes
        yield Result(f"{name}: as planned", ratio, "of the bound", 1.02, f"{len(plan.order)} nodes")
        worst = {0: 1.0, 10: 1.0}
        for order in topological_orders(plan.subgraph, seed=1).values():
            buffers = lifetimes_in_order(plan.subgraph, order)
            bound = lower_bound_nbytes(buffers)
            for factor, before in worst.items():
                height = plan_arena(buffers, effort=EFFORT * max(1, factor)).nbytes
                worst[factor] = max(before, height / bound)
        yield Result(f"{name}: worst of 4 other orders", worst[0], "of the bound", note="default effort")
        yield Result(
            f"{name}: worst of 4 other orders", worst[10], "of the bound", note="10 times the effort"
        )


def full_rectangles() -> Iterator[Result]:
    """Height over bound of packings that leave no gap, which is hard."""
    logs, longest = [], 0.0
    for count in (150, 300, 450):
        for duration in (40, 300, 2000):
            for height in (200, 1 << 16):
                for pinwheels in (0.0, 0.5):
                    seed = count + duration + height
                    boxes = filled_rectangle(
                        count, seed=seed, duration=duration, height=height, pinwheels=pinwheels
                    )
                    buffers = [Lifetime((1 << 14) * size, first, last) for size, first, last in boxes]
                    start = time.thread_time()
                    plan = plan_arena(buffers, effort=SEARCH_EFFORT)
                    longest = max(longest, time.thread_time() - start)
                    logs.append(math.log(plan.nbytes / lower_bound_nbytes(buffers)))
    mean = math.exp(sum(logs) / len(logs))
    yield Result(f"{len(logs)} full rectangles, geometric mean", mean, "of the bound", 1.15)
    yield Result("the worst of them", math.exp(max(logs)), "of the bound")
    yield Result("the longest of them", longest, "s of CPU time", 5.0)


def speed() -> Iterator[Result]:
    """Time of a plan in the default way."""
    for count, limit in ((300, 2.0), (10_000, 150.0), (100_000, 1500.0)):
        chain = [Lifetime(4096 * (1 + i % 5), i, i + 1 + i % 3) for i in range(count)]
        pairs = [
            Lifetime(8192, i, 2 * count - i) if i % 2 else Lifetime(4096, i, i + 1) for i in range(count)
        ]
        for name, buffers in (("chain", chain), ("held until the end", pairs)):
            taken = []
            for _ in range(5):
                start = time.thread_time()
                plan_arena(buffers)
                taken.append(time.thread_time() - start)
            yield Result(f"{count:,} buffers, {name}", min(taken) * 1e3, "ms of CPU time", limit)


def run() -> Iterator[Result]:
    """All figures."""
    yield from training_graphs()
    yield from full_rectangles()
    yield from speed()
