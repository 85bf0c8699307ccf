"""What the tests of passes on control flow share: subgraphs of fed programs, their text, and runs with and without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.passes.bodies import body_subgraph
from graphflow.subgraph import Subgraph
from graphflow.text import format_graph
from graphflow.verify import verify
from tests.passes.control_programs import Outcome, Program, outcome

__all__ = ["body_text", "bound", "check", "text", "vector"]


def bound(
    fetches: Sequence[Tensor], feeds: dict[Tensor, Any] | None = None, targets: Sequence[Node] = ()
) -> Subgraph:
    """What a run of these fetches needs, with the sizes of the feeds."""
    return Program(tuple(fetches), tuple(targets), feeds or {}, {}).subgraph()[0]


def text(subgraph: Subgraph) -> list[str]:
    """One line a node, without the user's lines."""
    return [line.partition("  #")[0] for line in format_graph(subgraph).splitlines()]


def body_text(node: Node, number: int) -> list[str]:
    """A body of a control-flow node, in the same way."""
    return text(body_subgraph(node, number))


def check(
    function: Callable[[Subgraph], Subgraph],
    fetches: Sequence[Tensor],
    feeds: dict[Tensor, Any] | None = None,
    targets: Sequence[Node] = (),
    state: dict[str, Any] | None = None,
) -> tuple[Subgraph, Outcome]:
    """The subgraph after a pass, which must be legal, the same when the pass runs again, and tell the same in a run.

    Gives what two runs told, too. Fails where the plain run fails.
    """
    program = Program(tuple(fetches), tuple(targets), feeds or {}, state or {})
    before, sizes = program.subgraph()
    expected = outcome(program, before, sizes)
    assert not expected.failed
    after = function(before)
    verify(after, function.__name__)
    assert function(after) is after
    assert outcome(program, after, sizes) == expected
    for old, new in zip(before.outputs, after.outputs, strict=True):
        assert old.type.dtype == new.type.dtype
        assert not old.type.is_static or old.type == new.type
    return after, expected


def vector(seed: int = 0, n: int = 3) -> np.ndarray[Any, Any]:
    """Random float64[n]."""
    return np.random.default_rng(seed).uniform(-1, 1, n)
