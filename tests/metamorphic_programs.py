"""Programs, and what may be done to them without changing a bit: other names, another order, dead nodes, twins.

Run as a module it prints, as JSON, what every program gives and how it is planned, for other processes to compare.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.graph import Node, Scope, Tensor
from graphflow.op import OPS
from graphflow.ops.body import Body
from graphflow.plan import Plan
from graphflow.program import Program
from graphflow.types import substitute
from tests.random_graphs import Recipe, build

__all__ = ["BUILDERS", "Case", "Copied", "bits", "copied", "layout", "observed", "random_case", "report"]

Bits = tuple[str, tuple[int, ...], bytes]


@dataclass(frozen=True, eq=False)
class Case:
    """A program: what to feed in each step, what to ask for, what to run, and which variables to look at afterwards."""

    graph: gf.Graph
    inputs: tuple[Tensor, ...]
    steps: tuple[tuple[Any, ...], ...]
    fetches: tuple[Tensor, ...]
    targets: tuple[Node, ...] = ()
    state: tuple[Tensor, ...] = ()
    initializer: Node | None = None

    @property
    def asked(self) -> list[Any]:
        """What one step fetches."""
        return [*self.fetches, *self.targets]

    def feeds(self, step: int = 0) -> dict[Tensor, Any]:
        """What one step is fed."""
        return dict(zip(self.inputs, self.steps[step % len(self.steps)], strict=True))

    def session(self, **options: Any) -> gf.Session:
        """A session with initialized variables."""
        session = gf.Session(self.graph, **options)
        if self.initializer is not None:
            session.run(self.initializer)
        return session

    def plan(self, **options: Any) -> Plan:
        """The plan of its first step."""
        return gf.Session(self.graph, **options).plan(self.asked, self.feeds())


def bits(values: Iterable[Any]) -> list[Bits]:
    """dtype, shape and bytes of each array; of text, what it says. Which sign a NaN has is nobody's promise."""
    return [(a.dtype.str, a.shape, _bytes(a)) for a in [np.asarray(v) for v in values if v is not None]]


def _bytes(array: Any) -> bytes:
    if array.dtype.kind == "O":
        return repr(array.tolist()).encode()
    if array.dtype.kind in "fc" and np.isnan(array).any():
        parts = np.ravel(array).view(array.real.dtype)
        return np.where(np.isnan(parts), np.nan, parts).tobytes()
    return array.tobytes()  # type: ignore[no-any-return]


def observed(case: Case, session: gf.Session | None = None, **options: Any) -> list[list[Bits]]:
    """What each step fetches, and the variables at the end. options: of the session, where none is given."""
    session = case.session(**options) if session is None else session
    found = [bits(session.run(case.asked, case.feeds(k))) for k in range(len(case.steps))]
    return [*found, bits(session.run(list(case.state)))]


def layout(program: Program) -> list[Any]:
    """All that a program is but for names and constants: kernels, slots, offsets, lanes, waits; bodies included."""
    found: list[Any] = []
    waiting = [program]
    while waiting:
        p = waiting.pop()
        slots = [(s.kind, str(s.type), s.device, s.nbytes, s.offset, s.base) for s in p.slots]
        steps = [
            (
                i.op.name,
                i.inputs,
                i.outputs,
                i.device,
                i.frees,
                i.workspace_nbytes,
                i.is_view,
                i.lane,
                i.waits,
            )
            for i in p.instructions
        ]
        waiting += [body for i in p.instructions for body in i.bodies]
        ends = (p.feeds, p.fetches, p.commit, p.swaps, p.written, p.counters)
        found.append((slots, steps, ends, dict(p.arena_nbytes)))
    return found


# --- the same program, built again ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Copied:
    """A program built again, and what stands there for each tensor of the first."""

    case: Case
    of: Mapping[Tensor, Tensor]


def copied(
    case: Case,
    seed: int = 0,
    *,
    renamed: bool = False,
    permuted: bool = False,
    dead: bool = False,
    twins: bool = False,
    sizes: Mapping[str, int] | None = None,
) -> Copied:
    """Build a program again, node by node, in a graph of its own.

    renamed: under other names, in other scopes. permuted: in another order that respects every edge, and the order in
    which each variable is read and written. dead: with nodes in between that nothing needs. twins: with a second copy of
    all that is pure; the fetches are those of both. sizes: what placeholders declare in place of named dimensions.
    """
    rng = random.Random(seed)
    graph = gf.Graph()
    nodes = list(case.graph.operations)
    if permuted:
        nodes = _reordered(nodes, rng)
    copier = _Copier(graph, rng if renamed else None, sizes or {})
    with gf.config.override(repeat_limit=10**6):
        for node in nodes:
            copier.copy(node)
            if twins:
                copier.twin(node)
            if dead and rng.random() < 0.4:
                _bury(graph, node, copier, rng)
    new, second = copier.new, copier.second
    fetches = tuple([new[t] for t in case.fetches])
    if twins:
        fetches += tuple([second.get(t, new[t]) for t in case.fetches])
    again = replace(
        case,
        graph=graph,
        inputs=tuple([new[t] for t in case.inputs]),
        fetches=fetches,
        targets=tuple([copier.node[n] for n in case.targets]),
        state=tuple([new[t] for t in case.state]),
        initializer=None if case.initializer is None else copier.node[case.initializer],
    )
    return Copied(again, new)


class _Copier:
    """What stands in the new graph for the tensors and nodes of the old one."""

    def __init__(self, graph: gf.Graph, names: random.Random | None, sizes: Mapping[str, int]) -> None:
        self.graph, self.names, self.sizes = graph, names, sizes
        self.new: dict[Tensor, Tensor] = {}
        self.second: dict[Tensor, Tensor] = {}
        self.node: dict[Node, Node] = {}

    def copy(self, node: Node) -> None:
        """Make a node anew."""
        name = node.name
        if self.names is not None:
            scope = self.names.choice(["", "a/", "zebra/deep/", "_0/"])
            name = f"{scope}n{self.names.randrange(10**6)}_{len(self.node)}"
        made = self.node[node] = self._made(node, self.new, name)
        self.new.update(zip(node.outputs, made.outputs, strict=True))

    def twin(self, node: Node) -> None:
        """Make it a second time, of what was made a second time."""
        if node.op.is_pure and not node.op.is_source and not node.control_inputs:
            known = {t: self.second.get(t, self.new[t]) for t in node.inputs}
            made = self._made(node, known, f"{node.name}/twin")
            self.second.update(zip(node.outputs, made.outputs, strict=True))

    def _made(self, node: Node, known: Mapping[Tensor, Tensor], name: str) -> Node:
        inputs = tuple([known[t] for t in node.inputs])
        attrs = {key: self._attribute(value, known) for key, value in node.attrs.items()}
        control = tuple([self.node[n] for n in node.control_inputs])
        made = self.graph.add(node.op, inputs, attrs, name, Scope(self.graph, "", node.device, control))
        made._code, made._lasti = node._code, node._lasti
        return made

    def _attribute(self, value: Any, known: Mapping[Tensor, Tensor]) -> Any:
        if isinstance(value, tuple) and any(isinstance(item, Body) for item in value):
            return tuple([self._attribute(item, known) for item in value])
        if isinstance(value, Body):
            return replace(value, captures=tuple([known[t] for t in value.captures]))
        return substitute(value, self.sizes) if self.sizes else value


def _reordered(nodes: Sequence[Node], rng: random.Random) -> list[Node]:
    """Another order that respects every edge, the order of effects, and that of reads and writes of each variable."""
    before: dict[Node, set[Node]] = {n: {t.op for t in n.inputs} | {*n.control_inputs} for n in nodes}
    last: dict[Any, Node] = {}
    for n in nodes:
        held: list[Any] = [n.inputs[0]] if n.op.name in ("read", "assign") else []
        held += ["effects"] if n.op.has_effect else []
        for key in held:
            if key in last:
                before[n].add(last[key])
            last[key] = n
    after: dict[Node, list[Node]] = {n: [] for n in nodes}
    for n in nodes:
        for b in before[n]:
            after[b].append(n)
    waits = {n: len(b) for n, b in before.items()}
    ready = [n for n in nodes if not waits[n]]
    deep = rng.random()  # how often what became ready last goes on at once
    order: list[Node] = []
    while ready:
        n = ready.pop(len(ready) - 1 if rng.random() < deep else rng.randrange(len(ready)))
        order.append(n)
        for user in sorted(after[n], key=lambda u: u.id):
            waits[user] -= 1
            if not waits[user]:
                ready.append(user)
    return order


def _bury(graph: gf.Graph, node: Node, copier: _Copier, rng: random.Random) -> None:
    """Something beside a node that nothing will need: an equal node, a use, a read, a write, a draw."""
    made = copier.node[node]
    with graph.as_default():
        if node.op.name == "variable":
            held = made.outputs[0]
            read = graph.add(OPS["read"], (held,), {}, f"{made.name}/dead", Scope(graph))
            graph.add(OPS["assign"], (held, read.outputs[0]), {}, f"{made.name}/dead_write", Scope(graph))
        elif node.op.is_pure and rng.random() < 0.4:
            graph.add(made.op, made.inputs, made.attrs, f"{made.name}/dead", Scope(graph, "", made.device))
        elif made.outputs and made.outputs[0].dtype.kind == "f" and made.outputs[0].type.shape is not None:
            used = gf.exp(made.outputs[0])
            gf.random.uniform([3], name="dead_draw")
            gf.sum(used * 2.0, name="dead_sum")


# --- programs ---------------------------------------------------------------------------------------


def _case(
    inputs: Sequence[Tensor],
    steps: Sequence[Sequence[Any]],
    fetches: Sequence[Tensor],
    targets: Sequence[Node] = (),
) -> Case:
    """A program in the default graph, with all of its variables."""
    graph = gf.get_default_graph()
    variables = gf.global_variables()
    initializer = gf.global_variables_initializer() if variables else None
    state = tuple([v.handle for v in variables])
    return Case(
        graph, tuple(inputs), tuple(map(tuple, steps)), tuple(fetches), tuple(targets), state, initializer
    )


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Any:
    return (scale * rng.normal(size=shape)).astype(np.float32)


def perceptron(rows: int = 60, width: int = 50) -> Case:
    """Three dense layers; momentum for one half of the weights and Adam for the other."""
    rng = np.random.default_rng(1)
    x = gf.placeholder(gf.float32, ["n", 40], name="x")
    t = gf.placeholder(gf.float32, ["n", 3], name="t")
    weights = []
    h: Any = x
    for k, (n, m) in enumerate([(40, width), (width, width), (width, 3)]):
        w = gf.Variable(_normal(rng, n, m, scale=n**-0.5), name=f"w{k}")
        b = gf.Variable(np.zeros(m, np.float32), name=f"b{k}")
        h = gf.matmul(h, w) + b
        h = gf.tanh(h) if k < 2 else h
        weights += [w, b]
    loss = gf.mean(gf.square(h - t)) + 1e-4 * gf.add_n([gf.sum(gf.square(w)) for w in weights[::2]])
    momentum = gf.train.MomentumOptimizer(0.05, 0.9).minimize(loss, var_list=weights[:3])
    adam = gf.train.AdamOptimizer(0.01).minimize(loss, var_list=weights[3:])
    steps = [(_normal(rng, n, 40), _normal(rng, n, 3)) for n in (rows, rows, rows - 7)]
    return _case([x, t], steps, [loss, gf.max(h, axis=0)], [momentum, adam])


def convolutional() -> Case:
    """A step of gradient descent on a small convolutional network."""
    rng = np.random.default_rng(2)
    x = gf.placeholder(gf.float32, ["n", 12, 12, 2], name="x")
    labels = gf.placeholder(gf.int64, ["n"], name="labels")
    filters = gf.Variable(_normal(rng, 3, 3, 2, 5, scale=0.3), name="filters")
    h = gf.nn.relu(gf.nn.conv2d(x, filters, strides=[1, 1, 1, 1], padding="SAME"))
    h = gf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    flat = gf.reshape(h, (-1, 6 * 6 * 5))
    w = gf.Variable(_normal(rng, 180, 4, scale=0.1), name="w")
    b = gf.Variable(np.zeros(4, np.float32), name="b")
    logits = gf.matmul(flat, w) + b
    loss = gf.mean(gf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    correct = gf.mean(gf.cast(gf.equal(gf.argmax(logits, axis=1), labels), gf.float32))
    train = gf.train.GradientDescentOptimizer(0.1).minimize(loss)
    steps = [(_normal(rng, 9, 12, 12, 2), rng.integers(0, 4, 9)) for _ in range(2)]
    return _case([x, labels], steps, [loss, correct], [train])


def recurrent() -> Case:
    """An LSTM unrolled over five steps, its gradients clipped, and Adam."""
    rng = np.random.default_rng(3)
    x = gf.placeholder(gf.float32, [6, 5, 3], name="x")
    t = gf.placeholder(gf.float32, [6, 4], name="t")
    kernel = gf.Variable(_normal(rng, 3 + 8, 32, scale=0.3), name="kernel")
    bias = gf.Variable(np.zeros(32, np.float32), name="bias")
    out = gf.Variable(_normal(rng, 8, 4, scale=0.3), name="out")
    h = c = gf.zeros([6, 8])
    for step in range(5):
        gates = gf.matmul(gf.concat([x[:, step], h], axis=1), kernel) + bias
        i, f, o, new = gf.split(gates, 4, axis=1)
        c = gf.sigmoid(f + 1.0) * c + gf.sigmoid(i) * gf.tanh(new)
        h = gf.sigmoid(o) * gf.tanh(c)
    loss = gf.mean(gf.square(gf.matmul(h, out) - t))
    optimizer = gf.train.AdamOptimizer(0.02)
    found, variables = zip(*optimizer.compute_gradients(loss), strict=True)
    clipped, norm = gf.clip_by_global_norm(found, 1.0)
    train = optimizer.apply_gradients(zip(clipped, variables, strict=True))
    steps = [(_normal(rng, 6, 5, 3), _normal(rng, 6, 4)) for _ in range(2)]
    return _case([x, t], steps, [loss, norm, h], [train])


def attention(length: int = 24) -> Case:
    """A block of two heads with layer norms and a gelu, its gradients fetched, and a step of momentum."""
    rng = np.random.default_rng(4)
    x = gf.placeholder(gf.float32, ["batch", length, 16], name="x")
    weights = [
        gf.Variable(_normal(rng, n, m, scale=0.2), name=f"w{k}")
        for k, (n, m) in enumerate([(16, 16), (16, 16), (16, 16), (16, 16), (16, 32), (32, 16)])
    ]

    def norm(v: Any) -> Any:
        centred = v - gf.mean(v, axis=-1, keepdims=True)
        return centred / gf.sqrt(gf.mean(gf.square(centred), axis=-1, keepdims=True) + 1e-5)

    def heads(w: Any) -> Any:
        return gf.transpose(gf.reshape(gf.matmul(norm(x), w), (-1, length, 2, 8)), perm=(0, 2, 1, 3))

    q, k, v = (heads(w) for w in weights[:3])
    scores = gf.matmul(q, gf.matrix_transpose(k)) / gf.sqrt(gf.constant(8.0))
    mixed = gf.transpose(gf.matmul(gf.nn.softmax(scores, axis=-1), v), perm=(0, 2, 1, 3))
    h = x + gf.matmul(gf.reshape(mixed, (-1, length, 16)), weights[3])
    y = h + gf.matmul(gf.nn.gelu(gf.matmul(norm(h), weights[4])), weights[5])
    loss = gf.mean(gf.square(y - 1.0))
    train = gf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    steps = [(_normal(rng, 3, length, 16),) for _ in range(2)]
    return _case([x], steps, [loss, *gf.gradients(loss, [x, weights[0]])], [train])


def looping() -> Case:
    """Newton's steps in a loop over variables, a branch that writes one of them, a scan, and a gradient through it."""
    x = gf.placeholder(gf.float64, [5], name="x")
    root = gf.Variable(np.full(5, 2.0), name="root")
    rate = gf.Variable(0.5, dtype=gf.float64, name="rate")
    count, found = gf.while_loop(
        lambda i, r: gf.logical_and(i < 40, gf.max(gf.abs(r * r - x)) > 1e-9),
        lambda i, r: (i + 1, r - rate * (r * r - x) / (2.0 * r)),
        [gf.constant(0), root.read()],
    )
    smaller = gf.cond(
        gf.sum(found) > 6.0, lambda: gf.identity(rate.assign_sub(0.125 * rate)), lambda: rate.read()
    )
    sums = gf.scan(lambda a, e: a * smaller + gf.sin(e), x, gf.constant(0.0, gf.float64))
    (slope,) = gf.gradients(gf.sum(sums), [x])
    step = root.assign(found * 0.5 + slope * 0.01)
    after = root.read() - rate
    steps = [(np.linspace(1.0, 4.0, 5) + k,) for k in range(3)]
    return _case([x], steps, [gf.cast(count, gf.float64), found, sums, slope, after], [step.op])


def noisy() -> Case:
    """Random numbers with seeds and without, outside of a loop and inside it, and a dropout that is differentiated."""
    gf.random.set_seed(11)
    rng = np.random.default_rng(5)
    x = gf.placeholder(gf.float32, [7, 6], name="x")
    w = gf.Variable(_normal(rng, 6, 6), name="w")
    total = gf.Variable(np.zeros(6, np.float32), name="total")
    h = gf.nn.dropout(gf.matmul(x, w), 0.7, seed=3)
    noise = gf.random.normal([7, 6], seed=4) * 0.1 + gf.random.uniform([7, 6])
    _, walked = gf.while_loop(
        lambda i, a: i < 4, lambda i, a: (i + 1, a + gf.random.normal([6])), [gf.constant(0), total.read()]
    )
    loss = gf.mean(gf.square(h + noise))
    (g,) = gf.gradients(loss, [w])
    steps = [(_normal(rng, 7, 6),) for _ in range(3)]
    targets = [w.assign_sub(0.1 * g).op, total.assign(walked).op]
    return _case([x], steps, [loss, noise, walked], targets)


def stateful() -> Case:
    """Variables that are read, written, swapped and scattered into in turn, under control dependencies."""
    x = gf.placeholder(gf.float64, [4, 3], name="x")
    a = gf.Variable(np.arange(12.0).reshape(4, 3), name="a")
    b = gf.Variable(np.ones((4, 3)), name="b")
    n = gf.Variable(0, name="n")
    old_a, old_b = a.read(), b.read()
    first = a.assign_add(x * 0.5)
    with gf.control_dependencies([first]):
        seen = b.read() + 0.25
    swapped = [a.assign(old_b * 0.75), b.assign(old_a * 0.5 + seen)]
    scattered = a.scatter_add([1, 3, 1], gf.gather(x, [0, 2, 3]))
    with gf.control_dependencies([scattered, *swapped]):
        counted = n.assign_add(1)
    view = gf.transpose(a.read())[1:] * 2.0
    steps = [(np.linspace(-1, 1, 12).reshape(4, 3) * (k + 1),) for k in range(3)]
    return _case([x], steps, [first, seen, view, counted], [swapped[0].op, swapped[1].op])


def wide(side: int = 520) -> Case:
    """Branches that are worth several lanes, a product in pieces, and a variable that each of them reads and one writes."""
    rng = np.random.default_rng(6)
    x = gf.placeholder(gf.float32, [side, side], name="x")
    w = gf.Variable(_normal(rng, side, side), name="w")
    low = gf.Variable(np.zeros(side, np.float32), name="low")
    branches = [gf.cumulative_sum(gf.sort(x * float(k) + w, axis=0), axis=1) for k in range(1, 4)]
    lowest = [gf.sort(branch, axis=1)[:, 0] for branch in branches]
    branches.append(gf.matmul(w, branches[0]))
    step = w.assign(w * 0.5 + branches[1] * 1e-3)
    fetches = [gf.add_n(lowest), branches[0] - branches[2], gf.max(branches[3], axis=1)]
    return _case([x], [(_normal(rng, side, side),)] * 2, fetches, [step.op, low.assign_add(lowest[2]).op])


def blocks(rows: int = 8200, width: int = 64) -> Case:
    """Chains, row folds and products of many rows that run as clusters, and a gradient."""
    rng = np.random.default_rng(7)
    x = gf.placeholder(gf.float32, ["n", width], name="x")
    w = gf.Variable(_normal(rng, width, width, scale=0.1), name="w")
    h = gf.tanh(gf.matmul(x, w) + 0.1) * gf.exp(gf.sin(x) * 0.1)
    h = gf.matmul(h, w) - h
    e = gf.exp(h - gf.max(h, axis=1, keepdims=True))
    soft = e / gf.sum(e, axis=1, keepdims=True)
    loss = gf.mean(gf.square(soft - 0.5 * h))
    (g,) = gf.gradients(loss, [w])
    steps = [(_normal(rng, n, width),) for n in (rows, rows - 1)]
    return _case([x], steps, [loss, gf.sum(soft, axis=0), soft], [w.assign_sub(0.5 * g).op])


BUILDERS: dict[str, Callable[[], Case]] = {
    f.__name__: f
    for f in (perceptron, convolutional, recurrent, attention, looping, noisy, stateful, wide, blocks)
}


def random_case(recipe: Recipe, *, unknown: bool = False) -> Case:
    """A random graph whose values are summed up in two variables, one of which it reads as well; in a graph of its own."""
    with gf.Graph().as_default():
        built = build(recipe, unknown=unknown)
        total = gf.Variable(np.zeros((2, 3)), name="total")
        last = gf.Variable(np.float64(0.25), name="last")
        sums = [gf.sum(gf.tanh(t)) for t in built.fetches]
        before = total.read() * last
        targets = [total.assign_add(gf.stack([gf.stack([sums[0]] * 3), gf.tanh(before[0])])).op]
        targets.append(last.assign(gf.tanh(sums[-1] + last)).op)
        steps = [tuple([value * (1.0 - 0.5 * k) for value in built.feeds.values()]) for k in range(2)]
        return _case(list(built.feeds), steps, [*built.fetches, before], targets)


# --- what another process is asked ------------------------------------------------------------------


def report() -> dict[str, list[str]]:
    """For every program digests of what it gives and of its plan: text, offsets and lanes, explanation."""
    found = {}
    for name, make in BUILDERS.items():
        with gf.Graph().as_default():
            case = make()
        plan = case.plan(threads=2)
        texts = [observed(case, threads=2), str(plan.program), layout(plan.program), plan.explain()]
        found[name] = [hashlib.sha256(repr(text).encode()).hexdigest() for text in texts]
    return found


if __name__ == "__main__":
    print(json.dumps(report()))  # noqa: T201 its caller reads it
