"""Seeds, and the counter that tells one run's random numbers from the next.

A random node is a pure function of its key (graph seed, op seed) and of one int64 scalar, `draw`: how
often it ran before in its session. In a loop body the iteration is folded into the draw, so that every
iteration differs from every other and from every other run.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, shorten
from graphflow.graph import BodyGraph, Graph, Tensor, current_scope, get_default_graph
from graphflow.op import Op, Trait, declare
from graphflow.ops.philox import LOW, Key, hash64
from graphflow.types import SUPPORTED, TensorType

__all__ = ["DEFAULT_SEED", "DRAW_COUNTER", "draw_index", "set_seed"]

DEFAULT_SEED = 87654321
"""Seed of graphs that were given none, as in TensorFlow 1."""

COUNTERS = "draw_counters"
INT64 = SUPPORTED["int64"]
LOW64 = 0xFFFFFFFF_FFFFFFFF

DERIVED, EXPLICIT, WIDE, FOLD = range(4)
"""Domains of `hash64`: what is hashed for one purpose never meets what is hashed for another."""


DRAW_COUNTER = declare(
    Op(
        "draw_counter",
        lambda *, key, index: TensorType(INT64, ()),
        traits=Trait.SOURCE | Trait.STATEFUL,
        vjp=lambda node, g: (),
        flops=lambda inputs, outputs, key, index: 0,
        doc="How many runs of this session drew from it before; the session supplies and advances it.",
    )
)


def _infer_fold_in(draw: TensorType, iteration: TensorType) -> TensorType:
    return TensorType(INT64, ())


def _fold_in(xp: Any, draw: Any, iteration: Any) -> Any:
    hashed = hash64(int(iteration) & LOW64, int(draw) & LOW64, (FOLD, FOLD))
    return xp.asarray(hashed >> 1, dtype=xp.int64)


FOLD_IN = declare(
    Op(
        "fold_in",
        _infer_fold_in,
        _fold_in,
        lambda node, g: (None, None),
        doc="A draw's number for one iteration of a loop: 63 bits of Philox at (iteration, draw).",
    )
)


def set_seed(seed: Any) -> None:
    """Seed the random ops that are made from here on in the default graph.

    seed: an int in [0, 2^64), or None for one from the system's entropy. A graph that was never seeded
        uses DEFAULT_SEED, so programs are reproducible unless they ask not to be.
    An op without a seed of its own gets one from its place among the random ops of the graph; so the same
    program gives the same numbers in every process. Raises ArgumentError for any other seed.
    """
    _root(get_default_graph()).seed = secrets.randbits(63) if seed is None else _checked(seed, "set_seed")


def draw_index(op: str, seed: Any, like: Tensor | None = None) -> tuple[Key, Tensor]:
    """The key of a new random node, and the tensor that numbers its draws.

    like: an input of the node to be, which decides the graph where no graph's `with` block is entered.
    In a plain graph the draw is a new `draw_counter`. In the body of a loop or branch, the counter is made in
    the graph around all bodies and captured, and each loop on the way folds its iteration in.
    Raises ArgumentError, naming `op`, for a seed that is no int in [0, 2^64).
    """
    graph = get_default_graph()
    if like is not None and not isinstance(graph, BodyGraph):
        graph = like.graph
    bodies: list[BodyGraph] = []
    root = graph
    while isinstance(root, BodyGraph) and root.parent is not None:
        bodies.append(root)
        root = root.parent
    index = len(root.get_collection(COUNTERS))
    key = _key(root, index) if seed is None else _key(root, _checked(seed, op), explicit=True)
    scope = current_scope()
    outside = replace(scope, graph=root, control=(), prefix=scope.prefix if scope.graph is root else "")
    node = root.add(DRAW_COUNTER, (), {"key": key, "index": index}, None, outside)
    root.add_to_collection(COUNTERS, node)
    draw = node.outputs[0]
    if isinstance(root, BodyGraph):
        draw = _folded(root, draw)
    for body in reversed(bodies):
        draw = _folded(body, body.capture(draw))
    return key, draw


def _folded(body: BodyGraph, draw: Tensor) -> Tensor:
    if body.iteration is None:
        return draw
    scope = replace(current_scope(), graph=body, control=(), prefix="")
    return body.add(FOLD_IN, (draw, body.iteration), {}, None, scope).outputs[0]


def _root(graph: Graph) -> Graph:
    while isinstance(graph, BodyGraph) and graph.parent is not None:
        graph = graph.parent
    return graph


def _checked(seed: Any, op: str) -> int:
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise ArgumentError(f"{op}: seed must be an int or None, not {shorten(seed)}")
    if not 0 <= int(seed) <= LOW64:
        raise ArgumentError(f"{op}: seed must be at least 0 and less than 2^64, not {shorten(int(seed))}")
    return int(seed)


def _key(root: Graph, op_seed: int, explicit: bool = False) -> Key:
    """Two words of 32 bits. Op seeds below 2^32 stay apart for certain; wider ones are hashed.

    Given and derived op seeds are kept apart by the first word: op number 3 of a graph has other numbers than
    an op with `seed=3`.
    """
    graph_seed = DEFAULT_SEED if root.seed is None else _checked(root.seed, "graph.seed")
    first = hash64(graph_seed, EXPLICIT if explicit else DERIVED, (WIDE, WIDE)) & LOW
    second = op_seed if op_seed <= LOW else hash64(op_seed, WIDE, (WIDE, WIDE)) & LOW
    return first, second
