"""Passes run inside the bodies of branches, loops and scans too, however deep they nest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphflow import config
from graphflow.graph import Node
from graphflow.ops.body import Body
from graphflow.passes.bodies import body_of, body_subgraph, kind_of, with_bodies
from graphflow.passes.splice import Now, Splice, splice
from graphflow.subgraph import Subgraph
from graphflow.types import TensorType
from graphflow.verify import verify

__all__ = ["optimize_bodies"]

Passes = Sequence[Callable[[Subgraph], Subgraph]]


def optimize_bodies(subgraph: Subgraph, passes: Passes) -> Subgraph:
    """Apply `passes` to every body of control flow, from the outermost in, until none fires any more.

        %1 = while_loop(%0, bodies=(<Body of 2 operations>, <Body of 9 operations>), ...)
        becomes
        %1 = while_loop(%0, bodies=(<Body of 2 operations>, <Body of 6 operations>), ...)

    passes: pure functions from subgraph to subgraph that keep every bit. A body's inputs are fed tensors for them,
        its results are outputs, its effects are targets.
    A body is taken with the types that its node's inputs have, so that after `bind` passes that read sizes fire in
    bodies as well. What is rebuilt is a `Body` again, whose nodes stand in no graph; a body that several nodes share,
    with equal types, is done once. Under `config.verify` bodies are checked after each pass.
    Returns the very same object when no pass fired and no type became more exact. O(nodes, those in bodies included)
    but for the passes.
    """
    return _optimized(subgraph, passes, {})


_MOST_ROUNDS = 8
"""Each pass makes a body simpler, so that rounds end by themselves, most after the second; this ends them if not."""

_Key = tuple[Body, tuple[TensorType, ...], tuple[tuple[str, object], ...]]


def _optimized(subgraph: Subgraph, passes: Passes, known: dict[_Key, Body]) -> Subgraph:
    if not any(n.op.is_control for n in subgraph.nodes):
        return subgraph

    def replace(node: Node, current: Node, now: Now) -> Splice | None:
        if not kind_of(current):
            return None
        old: tuple[Body, ...] = current.attrs["bodies"]
        bodies = [_body(current, number, passes, known) for number in range(len(old))]
        if all(a is b for a, b in zip(bodies, old, strict=True)):
            return None
        fresh = with_bodies(current, current.inputs, bodies, range(len(current.outputs)))
        return Splice((fresh,), fresh.outputs, (fresh,), "")

    return splice(subgraph, replace)


def _body(node: Node, number: int, passes: Passes, known: dict[_Key, Body]) -> Body:
    body: Body = node.attrs["bodies"][number]
    start = body_subgraph(node, number)
    key = (body, tuple([t.type for t in start.inputs]), tuple(node.attrs["sizes"]))
    found = known.get(key)
    if found is None:
        inside = start
        for _ in range(_MOST_ROUNDS):
            changed = _optimized(_applied(inside, passes), passes, known)
            if changed is inside:
                break
            inside = changed
        same = inside.nodes is body.nodes and inside.inputs is body.inputs and inside.outputs is body.outputs
        found = known[key] = body if same else body_of(inside)
        known[found, key[1], key[2]] = found  # so that a round around it need not look at it again
    return found


def _applied(subgraph: Subgraph, passes: Passes) -> Subgraph:
    checking = config.get().verify
    for function in passes:
        changed = function(subgraph)
        if checking and changed is not subgraph:
            verify(changed, after=getattr(function, "__name__", repr(function)))
        subgraph = changed
    return subgraph
