"""Which passes run, in which order, and the checks between them."""

from __future__ import annotations

from collections.abc import Callable

from graphflow import config
from graphflow.passes.fold_constants import fold_constants
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.resolve_likes import resolve_likes
from graphflow.passes.sink_broadcasts import sink_broadcasts
from graphflow.subgraph import Subgraph
from graphflow.verify import verify

__all__ = ["AFTER_BIND", "BEFORE_BIND", "run_passes"]

Pass = Callable[[Subgraph], Subgraph]

BEFORE_BIND: tuple[Pass, ...] = (merge_equal,)
"""Passes that need no sizes: run once for the fetches and the types of the feeds."""

AFTER_BIND: tuple[Pass, ...] = (resolve_likes, sink_broadcasts, fold_constants)
"""Passes that read sizes."""


def run_passes(subgraph: Subgraph, passes: tuple[Pass, ...]) -> Subgraph:
    """Apply `passes` in order; under `config.verify` the graph is checked before and after each."""
    checking = config.get().verify
    if checking:
        verify(subgraph)
    for function in passes:
        subgraph = function(subgraph)
        if checking:
            verify(subgraph, after=function.__name__)
    return subgraph
