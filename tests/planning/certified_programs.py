"""Small programs of every kind that there is, planned without a session, on lanes that are drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

import graphflow as gf
from graphflow import lowering
from graphflow.backends import backend_for
from graphflow.bind import bind, match_feeds
from graphflow.graph import Tensor
from graphflow.lowering import Planned, plan_subgraph
from graphflow.planning.fusion import FusionSupport
from graphflow.planning.lane_choice import LanePlan
from graphflow.planning.recompute import recompute
from graphflow.planning.rerun import tasks_of
from graphflow.planning.schedule import Schedule
from graphflow.planning.spill import spill
from graphflow.subgraph import Subgraph, cut
from graphflow.types import TensorType
from tests.planning.layered import chain, measure

__all__ = ["exchanged", "kinds", "planned", "shown_late", "training"]

Asked = tuple[list[Any], dict[Tensor, tuple[int, ...]]]
"""What to fetch, and the shapes of what is fed."""


def planned(
    fetches: Sequence[Any],
    shapes: Mapping[Tensor, tuple[int, ...]],
    lanes: int = 1,
    seed: int = 0,
    *,
    clusters: bool = False,
) -> Planned:
    """What a session would plan, on lanes that are drawn; clusters of small values too where asked."""
    handles = [f.handle if isinstance(f, gf.Variable) else f for f in fetches]
    tensors = tuple([f for f in handles if isinstance(f, Tensor)])
    subgraph = cut(tensors, tuple(shapes), tuple([f for f in handles if not isinstance(f, Tensor)]))
    types = [TensorType(t.type.dtype, s) for t, s in shapes.items()]
    bound, sizes = bind(subgraph, types, match_feeds(tuple(shapes), list(shapes.values())))
    return _plan(bound, sizes, lanes, seed, clusters)


def _plan(subgraph: Subgraph, sizes: Mapping[str, Any], lanes: int, seed: int, clusters: bool) -> Planned:
    def choose(subgraph: Subgraph, schedule: Schedule, *rest: Any) -> LanePlan:
        rng, count, commit = random.Random(seed), len(schedule.order), schedule.commit
        lane = [rng.randrange(lanes) if k < commit else 0 for k in range(count)]
        until = [min(k + rng.randrange(4), max(commit - 1, k)) if k < commit else k for k in range(count)]
        return LanePlan(schedule.order, tuple(lane), tuple(until), lanes, 0.0)

    def small(device: str) -> FusionSupport:
        return FusionSupport(backend_for(device).cluster_kinds(), 1, 1)

    with mock.patch.object(lowering, "choose_lanes", choose):
        return plan_subgraph(
            subgraph,
            sizes,
            lambda asked: "cpu:0",
            "cpu:0",
            workers=lanes,
            fuse_on=small if clusters else None,
        )


# --- the kinds ----------------------------------------------------------------------------------------


def training() -> Asked:
    """Two layers with views, arrays that kernels allocate, and variables that are written in both ways."""
    x, y = gf.placeholder("float64", [8, 6], name="x"), gf.placeholder("float64", [8, 2], name="y")
    w, v = gf.Variable(np.ones((6, 4)), name="w"), gf.Variable(np.ones((4, 2)), name="v")
    h = gf.tanh(gf.matmul(x, w))
    left, right = gf.split(h * 2.0, 2, axis=1)
    error = gf.matmul(h, v) - y
    loss = gf.mean(gf.square(error)) + gf.sum(gf.transpose(h)[1:, ::2] * 0.01) + gf.sum(left * right)
    dw, dv = gf.gradients(loss, [w, v])
    new = [w.assign_sub(0.1 * dw), v.assign_sub(0.1 * dv + 0.0 * v.read())]
    taken = gf.take(h, gf.constant([0, 2]), axis=0)
    return [loss, *new, w.read(), gf.transpose(new[0]), taken], {x: (8, 6), y: (8, 2)}


def _large() -> Asked:
    """Results that are handed out, copied and shown; arrays that the commit makes and frees."""
    x = gf.placeholder("float64", [200, 100])
    w, v = gf.Variable(np.ones((200, 100)), name="w"), gf.Variable(np.ones((200, 100)), name="v")
    g = gf.cond(x[0, 0] > 0, lambda: gf.sin(x), lambda: gf.cos(x))
    shown, ordered = gf.transpose(g)[1:], gf.sort(x)
    r, s = w.assign(w.read() - g) * 2.0, v.assign(v.read() + 1.0)
    few = gf.sum(gf.transpose(x))
    return [v, r, shown, gf.sum(shown), gf.reshape(s, (-1,)), ordered, ordered + g, few], {x: (200, 100)}


def _freed_by_the_commit() -> Asked:
    """An update that frees what a branch gave, between a copy for the caller and a result that is handed out."""
    x = gf.placeholder("float64", [100, 100])
    w, v = gf.Variable(np.ones((100, 100)), name="w"), gf.Variable(np.ones((100, 100)), name="v")
    g = gf.cond(x[0, 0] > 0, lambda: gf.sin(x), lambda: gf.cos(x))
    return [v, w.assign(w.read() - g).op, w.read() * 3.0], {x: (100, 100)}


def _side_by_side() -> Asked:
    """Branches that may run at the same time, each with an array of its own."""
    x = gf.placeholder("float64", [1000])
    found = [gf.cond(x[k] > 0, lambda k=k: gf.sin(x) * k, lambda: gf.cos(x)) for k in range(4)]
    return [gf.sum(found[0] + found[1]), *[gf.sum(f[::-1]) for f in found]], {x: (1000,)}


def exchanged() -> Asked:
    """Variables that take each other's values."""
    a, b, c = (gf.Variable(np.ones((8, 8)), name=name) for name in "abc")
    x = gf.placeholder("float64", [8, 8])
    old_a, old_b = a.read(), b.read()
    new_a, new_b = a.assign(old_b + x), b.assign(old_a * 2.0)
    shown, new_c = gf.transpose(new_b), c.assign(gf.matmul(x, x))
    rest = [gf.transpose(old_a), gf.matmul(shown, x), new_c, c.read()]
    return [old_a, old_b, new_a, new_b, shown, *rest], {x: (8, 8)}


def shown_late() -> Asked:
    """In the commit a view is made of planned bytes, which were there before and are fetched before."""
    a, b = gf.Variable(np.ones((8, 4)), name="a"), gf.Variable(np.ones((8, 4)), name="b")
    x, old = gf.placeholder("float64", [8, 4]), a.read()
    changed = b.assign_sub(x)
    return [old, gf.transpose(a.assign(gf.sort(x))), changed], {x: (8, 4)}


def _initialised() -> Asked:
    """Variables that have no value before."""
    gf.Variable(np.ones((8, 8)), name="a")
    gf.Variable(gf.random.normal([8, 8]), name="b")
    return [gf.global_variables_initializer()], {}


def _drawn() -> Asked:
    """Random numbers."""
    x = gf.placeholder("float64", [64])
    a, b = gf.random.normal([64], dtype="float64"), gf.random.uniform([64], dtype="float64")
    return [gf.sum(x * a + b), gf.nn.dropout(x, 0.5)], {x: (64,)}


def _control_flow() -> Asked:
    """A loop, its gradient, a branch, a variable read inside; results that nothing needs."""
    x, v = gf.placeholder("float64", [16]), gf.Variable(np.ones(16), name="v")
    _, a, b = gf.while_loop(
        lambda i, a, b: i < 3,
        lambda i, a, b: [i + 1, gf.sin(a) + v, b * 2.0 + a],
        [gf.constant(0), x, x],
    )
    c, _ = gf.cond(gf.sum(x) > 0, lambda: [gf.sort(x), gf.exp(x)], lambda: [x + 1.0, x * 3.0])
    (dx,) = gf.gradients(gf.sum(a), [x])
    d = gf.cond(x[0] > 0, lambda: gf.sort(x), lambda: gf.cos(x))
    return [b, c[::-1], dx, v.assign(a + c), gf.sum(c[2:5]), gf.sum(d[::-1][3:])], {x: (16,)}


def _clusters() -> Asked:
    """Nodes that run as one, and take over the bytes of what they read."""
    x, bias = gf.placeholder("float64", [37, 16]), gf.placeholder("float64", [16])
    w = gf.Variable(np.ones((37, 16)), name="w")
    h = gf.exp(x * 2.0 + bias)
    k = gf.abs(h - gf.sum(h, axis=1, keepdims=True))
    z = gf.sqrt(k + 1.0)
    new, y = w.assign(w.read() * 0.9 + z), gf.sin(gf.cos(z) * k)
    return [y, gf.sum(k, axis=0), new, gf.transpose(z)], {x: (37, 16), bias: (16,)}


def _unknown_sizes() -> Asked:
    """Sizes that depend on data, in types and in attributes."""
    x, v = gf.placeholder("float64", [32]), gf.Variable(np.ones(32), name="v")
    y = gf.exp(gf.boolean_mask(x, x > 0.0))[::-1]
    new = v.assign(v.read() * 2.0)
    return [gf.sum(y), y, gf.transpose(gf.reshape(new, (4, 8))), x[1:]], {x: (32,)}


def _effects() -> Asked:
    """Control edges, also through nodes that nothing runs for, and a view that is more than a view."""
    x = gf.placeholder("float64", [32])
    printed, q = gf.Print(gf.sin(x), [x]), gf.cos(x)
    with gf.control_dependencies([q]):
        r = gf.exp(printed)
    with gf.control_dependencies([printed]):
        after = gf.no_op()
    v = gf.Variable(np.ones(32), name="v")
    with gf.control_dependencies([after]):
        s = gf.tanh(x)
        new = v.assign_sub(gf.sin(x))
    with gf.control_dependencies([new]):
        t = gf.sqrt(x)
    return [r, s, t, gf.sum(q), printed[::-1], gf.sum(gf.reshape(printed, (4, 8)), axis=0)], {x: (32,)}


def _fed_in_part() -> Asked:
    """One of two results of a node is fed."""
    x = gf.placeholder("float64", [8, 6])
    a, b = gf.split(gf.sin(x), 2, axis=1)
    return [a * 2.0, b + a, gf.exp(b)], {x: (8, 6), b: (8, 3)}


def _tangled(seed: int) -> Asked:
    """Random nodes with sharing, views of views, and products that must not write over what they read."""
    rng, x = random.Random(seed), gf.placeholder("float64", [16, 16])
    values = [x]
    choices: list[Callable[[Any, Any], Any]] = [
        *(lambda a, b: a + b, lambda a, b: gf.matmul(a, b), lambda a, b: gf.sin(a), lambda a, b: gf.sort(a)),
        *(lambda a, b: gf.transpose(a), lambda a, b: a[::-1], lambda a, b: gf.cumulative_sum(a, axis=0)),
        *(lambda a, b: gf.exp(gf.transpose(b)), lambda a, b: gf.reshape(gf.reshape(a, (-1,)), (16, 16))),
    ]
    for _ in range(14):
        values.append(rng.choice(choices)(rng.choice(values[-5:]), rng.choice(values[-5:])))
    return [values[-1], rng.choice(values[1:]), rng.choice(values[1:]), gf.sum(values[-2])], {x: (16, 16)}


def _with_little_memory(lanes: int) -> Iterator[Planned]:
    """A training step that computes values again, and one that puts them aside."""
    case = chain(6, 256, 8)
    tasks = tasks_of(case.subgraph)
    for method in (recompute, spill):
        made = method(tasks, measure(case.subgraph) - 20_000, measure)
        assert made is not None
        yield _plan(made.subgraph, {}, lanes, lanes, False)


def kinds() -> Iterator[Planned]:
    """Every kind, on one lane, two and three. Each has a graph of its own."""
    asked: list[Callable[[], Asked]] = [
        *(training, _large, _freed_by_the_commit, exchanged, _initialised, _drawn, _control_flow, _clusters),
        *(shown_late, _unknown_sizes, _effects, _fed_in_part, _side_by_side),
        *[partial(_tangled, k) for k in range(4)],
    ]
    for lanes in (1, 2, 3):
        for ask in asked:
            with gf.Graph().as_default():
                fetches, shapes = ask()
                yield planned(fetches, shapes, lanes, lanes, clusters=ask is _clusters)
        yield from _with_little_memory(lanes)
