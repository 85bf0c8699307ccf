"""What checked runs raise, with the arrays that show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphflow.errors import RunError, VerifyError

if TYPE_CHECKING:
    from graphflow.graph import Node

__all__ = ["MismatchError", "NumericsError"]

Again = Callable[[Sequence[Any]], Any]


class NumericsError(RunError):
    """A run under `check="nan"` met a NaN or an infinity.

    source: "node" for one that a node made of inputs without it; "feed", "variable" or "constant" for one that was
        there before. kind: "nan" or "inf". node: that made it, or that stands for the feed, variable or constant.
    index: of the first such element of `output`. count: of them. output: the value, a NumPy array.
    inputs: the values of the node's inputs; `gf.debug.replay(error)` computes `output` of them again.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str = "node",
        kind: str = "nan",
        node: Node | None = None,
        index: tuple[int, ...] = (),
        count: int = 0,
        output: Any = None,
        inputs: Sequence[Any] = (),
        again: Again | None = None,
    ) -> None:
        super().__init__(message)
        self.source = source
        self.kind = kind
        self.node = node
        self.index = index
        self.count = count
        self.output = output
        self.inputs = tuple(inputs)
        self.again = again


class MismatchError(VerifyError):
    """A run under `check="reference"` met a value that the reference does not have.

    stage: "pass" for a rewrite that changed a result, "kernel" for an instruction that gave something else than its
        op's own kernel, "memory" for bytes that changed while they were needed.
    culprit: the name of the pass, of the op, or of the node that wrote the bytes. rule: of the pass, where it is known.
    node: to blame, where one is. inputs: its values. expected, got: the values that differ.
    """

    def __init__(
        self,
        message: str,
        *,
        stage: str = "kernel",
        culprit: str = "",
        rule: str = "",
        node: Node | None = None,
        inputs: Sequence[Any] = (),
        expected: Any = None,
        got: Any = None,
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.culprit = culprit
        self.rule = rule
        self.node = node
        self.inputs = tuple(inputs)
        self.expected = expected
        self.got = got
