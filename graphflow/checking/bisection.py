"""Which single rewrite of a pass changes a value, and a small graph on which it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphflow.checking.lab import Changed, Lab, Stage
from graphflow.errors import GraphflowError
from graphflow.graph import Node, Tensor, detached
from graphflow.interpret import interpret
from graphflow.op import OPS
from graphflow.subgraph import Replacement, Subgraph, recorded_replacements

__all__ = ["Blame", "blame"]

TRIALS = 200
"""How many smaller graphs are tried: a trial runs the pass, and the graph twice."""


@dataclass(frozen=True, slots=True, eq=False)
class Blame:
    """The one replacement of a pass after which a result differs.

    replacement: None where the pass does not rewrite node by node. changed: what differs, on the whole subgraph.
    before: a small subgraph on which the pass changes a value too, `after` what it makes of it; of what does not matter,
    the values are fed: `feeds`, one for each of `before.inputs`. They are the whole subgraphs where none is smaller.
    """

    replacement: Replacement | None
    changed: Changed
    before: Subgraph
    after: Subgraph
    feeds: tuple[Any, ...]


def blame(stage: Stage, lab: Lab, changed: Changed) -> Blame:
    """Find the replacement to blame for what `stage` changed, and a small graph.

    The first k replacements of the pass are allowed: with none of them nothing differs, with all of them something
    does; halving finds a k that differs where k - 1 does not. O(log(replacements)) interpretations of the subgraph,
    and at most TRIALS of parts of it.
    Source: LLVM's -opt-bisect-limit; Zeller and Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input",
    for the small graph.
    """
    expected = lab.results(stage.before)

    def limited(most: int) -> tuple[Subgraph, list[Replacement]]:
        count = 0

        def allow(node: Node, rule: str) -> bool:
            nonlocal count
            count += 1
            return count <= most

        with recorded_replacements(allow) as made:
            after = stage.function(stage.before)
        return after, made

    def fails(most: int) -> Changed | None:
        return lab.changed(stage.before, expected, lab.results(limited(most)[0]), stage.exact)

    with recorded_replacements() as made:
        stage.function(stage.before)
    good, bad = 0, len(made)
    if bad == 0 or fails(0) is not None or (found := fails(bad)) is None:
        return Blame(None, changed, stage.before, stage.after, tuple(lab.feeds))
    while bad - good > 1:
        middle = (good + bad) // 2
        met = fails(middle)
        good, bad, found = (good, middle, met) if met is not None else (middle, bad, found)
    replacement = limited(bad)[1][-1]
    small = _smallest(stage, lab, limited(good)[0], replacement.node)
    if small is None:
        return Blame(replacement, found, stage.before, stage.after, tuple(lab.feeds))
    before, after, feeds = small
    return Blame(replacement, found, before, after, feeds)


# --- a small graph ----------------------------------------------------------------------------------

Small = tuple[Subgraph, Subgraph, tuple[Any, ...]]


def _smallest(stage: Stage, lab: Lab, subgraph: Subgraph, node: Node) -> Small | None:
    """The nodes around `node`, the rest fed, on which the pass changes a value; None if no such part does.

    Takes the nodes that `node` is computed from, step by step further back, until the pass changes its value; then
    leaves out one node after another as long as it still does.
    """
    home = next((n for n in subgraph.nodes if n is node or _alike(n, node)), None)
    if home is None or not home.outputs:
        return None
    with lab.scope():
        env = interpret(
            subgraph, lab.feeds, lab.state, functions=lab.functions, known=lab.known, free=False
        ).values
    trials = 0

    def attempt(chosen: dict[Node, None]) -> Small | None:
        nonlocal trials
        trials += 1
        before, feeds = _part(subgraph, chosen, home, env)
        here = replace(lab, feeds=feeds, state={})
        try:
            after = stage.function(before)
            met = here.differs(before, after, stage.exact)
        except GraphflowError:
            return None
        return None if met is None else (before, after, feeds)

    chosen: dict[Node, None] = {home: None}
    found = attempt(chosen)
    edge: Iterable[Node] = [home]
    inside = set(subgraph.nodes)
    fed = set(subgraph.inputs)
    while found is None and trials < TRIALS:
        edge = [
            t.op
            for n in edge
            for t in n.inputs
            if t not in fed and t.op in inside and t.op not in chosen and _can_repeat(t.op)
        ]
        if not edge:
            return None
        chosen.update(dict.fromkeys(edge))
        found = attempt(chosen)
    if found is None:
        return None
    for n in [n for n in chosen if n is not home]:
        if trials >= TRIALS:
            break
        fewer = {m: None for m in chosen if m is not n}
        smaller = attempt(fewer)
        if smaller is not None:
            chosen, found = fewer, smaller
    return found


def _can_repeat(node: Node) -> bool:
    """Whether a node's value depends on its inputs alone, so that it can be computed in a graph of its own."""
    return (
        node.op.is_pure and not node.op.is_control and (not node.op.is_source or node.op.name == "constant")
    )


def _part(
    subgraph: Subgraph, chosen: Mapping[Node, None], last: Node, env: Mapping[Tensor, Any]
) -> tuple[Subgraph, tuple[Any, ...]]:
    """The subgraph of `chosen` that gives the values of `last`, with placeholders for all that it takes from outside."""
    new: dict[Tensor, Tensor] = {}
    inputs: list[Tensor] = []
    feeds: list[Any] = []
    nodes: list[Node] = []
    moved: dict[Node, Node] = {}
    for node in subgraph.nodes:
        if node not in chosen:
            continue
        for t in node.inputs:
            if t not in new and t.op not in moved:
                attrs = {"dtype": t.type.dtype, "shape": t.type.shape}
                new[t] = detached(t.op, OPS["placeholder"], (), attrs).outputs[0]
                inputs.append(new[t])
                feeds.append(env[t])
        made = moved[node] = node.rebuilt(tuple([new[t] for t in node.inputs]), node.attrs, ())
        new.update(zip(node.outputs, made.outputs, strict=True))
        nodes.append(made)
    return Subgraph(tuple(nodes), tuple(inputs), moved[last].outputs), tuple(feeds)


def _alike(a: Node, b: Node) -> bool:
    """Whether two nodes that a pass made in two runs are the same one."""
    return a.op is b.op and a.id == b.id and a.name == b.name
