"""What the tests of passes that recognise patterns share: subgraphs before and after, as text and as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.bind import bind, match_feeds
from graphflow.graph import Tensor
from graphflow.passes.fold_constants import fold_constants
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.resolve_likes import resolve_likes
from graphflow.passes.sink_broadcasts import sink_broadcasts
from graphflow.subgraph import Subgraph, cut, recorded_replacements
from graphflow.text import format_graph
from graphflow.types import TensorType
from graphflow.verify import verify

__all__ = ["Rewritten", "bound", "lines", "rewritten", "values"]

Pass = Callable[[Subgraph], Subgraph]


@dataclass(frozen=True)
class Rewritten:
    """A subgraph before and after a pass, and the rules that fired, each as often as it did."""

    before: Subgraph
    after: Subgraph
    rules: list[str]

    @property
    def fired(self) -> bool:
        """Whether the pass changed anything."""
        return self.after is not self.before


def bound(fetches: Sequence[Tensor], feeds: Mapping[Tensor, Any]) -> Subgraph:
    """What a run of these fetches meets after bind, with equal nodes merged and likes resolved."""
    subgraph = merge_equal(cut(fetches, tuple(feeds)))
    shapes = [np.shape(v) for v in feeds.values()]
    types = [TensorType(t.dtype, s) for t, s in zip(feeds, shapes, strict=True)]
    subgraph = bind(subgraph, types, match_feeds(tuple(feeds), shapes))[0]
    return fold_constants(sink_broadcasts(resolve_likes(subgraph)))


def rewritten(function: Pass, before: Subgraph) -> Rewritten:
    """Run a pass, and check what holds for all: the graph is legal, types and lines stay, twice is once."""
    with recorded_replacements() as log:
        after = function(before)
    verify(before)
    verify(after, function.__name__)
    assert [t.type for t in after.outputs] == [t.type for t in before.outputs]
    assert function(after) is after
    assert {str(n.origin) for n in after.nodes} <= {str(n.origin) for n in before.nodes}
    return Rewritten(before, after, [r.rule for r in log])


def lines(subgraph: Subgraph) -> list[str]:
    """The subgraph as text, without names and lines of the user."""
    return [line.partition("  #")[0] for line in format_graph(subgraph).splitlines()]


def values(subgraph: Subgraph, feeds: Mapping[Tensor, Any] | Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """Run the kernels one by one: no plan, no buffers. Variables have their initial values."""
    given = list(feeds.values()) if isinstance(feeds, Mapping) else list(feeds)
    env: dict[gf.Tensor, Any] = dict(
        zip(
            subgraph.inputs,
            [np.asarray(v, t.dtype) for v, t in zip(given, subgraph.inputs, strict=True)],
            strict=True,
        )
    )
    with np.errstate(all="ignore"):
        for node in subgraph.nodes:
            if node.type == "constant":
                results: Any = node.attrs["value"].array
            else:
                assert node.op.kernel is not None, node
                results = node.op.kernel(np, *[env[t] for t in node.inputs], **node.attrs)
            for t, value in zip(node.outputs, results if len(node.outputs) != 1 else (results,), strict=True):
                env[t] = np.asarray(value)
    return [env[t] for t in subgraph.outputs]
