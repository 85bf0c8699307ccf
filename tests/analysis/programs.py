"""Programs that the tests of analyses share: a training step, and variables read and written in turn."""

from __future__ import annotations

import numpy as np

import graphflow as gf
from graphflow.plan import Plan

__all__ = ["branches", "state", "training"]


def training(optimize: bool = True) -> tuple[gf.Session, gf.Operation, dict[gf.Tensor, np.ndarray]]:
    """(session, step, feeds): two dense layers and Adam, on a batch of 32."""
    rng = np.random.default_rng(0)
    x = gf.placeholder(gf.float32, ["n", 20], name="x")
    t = gf.placeholder(gf.float32, ["n", 5], name="t")
    w1 = gf.Variable(rng.standard_normal((20, 64)).astype(np.float32), name="w1")
    w2 = gf.Variable(rng.standard_normal((64, 5)).astype(np.float32), name="w2")
    hidden = gf.tanh(gf.matmul(x, w1, name="first"), name="hidden")
    loss = gf.mean(gf.square(gf.matmul(hidden, w2, name="second") - t))
    step = gf.train.AdamOptimizer(0.01).minimize(loss)
    session = gf.Session(optimize=optimize)
    session.run(gf.global_variables_initializer())
    feeds = {x: np.ones((32, 20), np.float32), t: np.zeros((32, 5), np.float32)}
    return session, step, feeds


def state() -> Plan:
    """A variable that is read, written in place, read through a view, and written again; and one that is swapped."""
    v = gf.Variable(gf.ones([100]), name="v")
    u = gf.Variable(gf.ones([100]), name="u")
    old = gf.exp(v, name="old")
    with gf.control_dependencies([old]):
        first = v.assign_add(gf.ones([100]), name="first")
    seen = gf.reshape(first, [10, 10])[2:]
    with gf.control_dependencies([seen]):
        second = v.assign(first * 2.0, name="second")
    both = u.assign(u + v)
    return gf.Session().plan([old, gf.sum(seen), second, both])


def branches(n: int = 4, side: int = 600) -> Plan:
    """`n` products of square matrices side by side, and their sum."""
    x = gf.placeholder(gf.float64, [side, side], name="x")
    made = [gf.matmul(x, gf.constant(np.eye(side)), name=f"product{k}") for k in range(n)]
    return gf.Session(optimize=False).plan(gf.add_n(made, name="total"), {x: (side, side)})
