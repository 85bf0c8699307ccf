"""The error tree: every mistake a user can make has one class here.

    GraphflowError
    ├── BuildError ValueError          a node, name, scope or argument that cannot be
    │   ├── ShapeError                 shapes that do not fit
    │   ├── ArgumentError              a parameter outside its range
    │   ├── NameError NameError        a name that is malformed or unknown
    │   └── GraphError                 tensors of two graphs, a finalized graph, a cycle
    ├── DTypeError TypeError           element types that do not fit
    ├── GradientError ValueError       a gradient that does not exist
    ├── FeedError ValueError           a fed value that is missing, surplus or misshapen
    ├── FetchError ValueError          something that cannot be fetched
    ├── UninitializedError             a variable read before it has a value
    ├── SessionError RuntimeError      a closed or busy session
    ├── RunError RuntimeError          a node failed while running
    │   ├── AssertError AssertionError     an `Assert` node found its condition false
    │   ├── IndexRangeError IndexError     an index outside its axis, known only now
    │   ├── CallbackError                  a `py_func` or custom kernel raised or broke its word
    │   ├── IterationLimitError            a loop that did not end
    │   └── NumericsError                  a NaN or an infinity, under `check="nan"`
    ├── MemoryLimitError MemoryError   a plan or a file that needs more memory than allowed
    ├── BackendError RuntimeError      a device or library that is absent
    ├── FormatError ValueError         a file that is not what it claims to be
    │   ├── FileError OSError              a file that is missing, no regular file, or cannot be written
    │   └── CheckpointError                a checkpoint that does not fit the graph
    ├── RenderError ValueError         a picture that cannot be drawn or written
    └── VerifyError RuntimeError       a broken invariant: our own fault
        └── MismatchError                  a value that the reference does not have, under `check="reference"`

A message says what was asked, what was got, what would be right, and the user's line.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphflow.origin import decode, user_frame

if TYPE_CHECKING:
    from graphflow.graph import Node

__all__ = [
    "ArgumentError",
    "AssertError",
    "BackendError",
    "BuildError",
    "CallbackError",
    "CheckpointError",
    "DTypeError",
    "FeedError",
    "FetchError",
    "FileError",
    "FormatError",
    "GradientError",
    "GraphError",
    "GraphGrowthWarning",
    "GraphflowError",
    "IndexRangeError",
    "IterationLimitError",
    "MemoryLimitError",
    "MismatchError",
    "NameError",
    "NumericsError",
    "RenderError",
    "RunError",
    "SessionError",
    "ShapeError",
    "UninitializedError",
    "VerifyError",
    "shorten",
]


class GraphflowError(Exception):
    """Root of all errors that graphflow raises on purpose.

    `str(error)` ends with the user's line: that of the node where one is to blame (whoever first knows it
    adds it with `at`, and nobody adds it twice), else that of the call that raised. Formatting an error
    into another message gives the text alone.
    """

    located = False

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._frame = user_frame()

    @property
    def text(self) -> str:
        """The message without the line of the call."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        if self.located or self._frame[0] is None:
            return self.text
        return f"{self.text}\n  at {decode(*self._frame)}"

    def __format__(self, spec: str) -> str:
        return format(self.text, spec)

    def at(self, place: str) -> GraphflowError:
        """Add one line that says where the node was made, unless one is there. Returns self."""
        if not self.located:
            self.args = (f"{self.args[0] if self.args else ''}\n  {place}", *self.args[1:])
            self.located = True
        return self


class BuildError(GraphflowError, ValueError):
    """A node, name, scope or argument that cannot be."""


class ShapeError(BuildError):
    """Shapes that do not fit together, or a shape that is not one."""


class ArgumentError(BuildError):
    """A parameter of an op outside what the op takes."""


class NameError(BuildError, builtins.NameError):
    """A name that is malformed, or that nothing in the graph has."""


class GraphError(BuildError):
    """Tensors of two graphs, a finalized graph, crossed scopes, a cycle."""


class DTypeError(GraphflowError, TypeError):
    """Element types that do not fit, or a value that has none."""


class GradientError(GraphflowError, ValueError):
    """A gradient that does not exist."""


class FeedError(GraphflowError, ValueError):
    """A fed value that is missing, surplus, or does not fit its tensor."""


class FetchError(GraphflowError, ValueError):
    """Something that cannot be fetched."""


class UninitializedError(GraphflowError, RuntimeError):
    """A variable is read before it has a value."""


class SessionError(GraphflowError, RuntimeError):
    """A session that is closed, or busy on the calling thread."""


class RunError(GraphflowError, RuntimeError):
    """A node failed while it ran; the original error is the `__cause__`."""


class AssertError(RunError, AssertionError):
    """An `Assert` node found its condition false."""


class IndexRangeError(RunError, IndexError):
    """An index outside its axis, known only when the value was."""


class CallbackError(RunError):
    """A Python callback raised, or gave something else than it promised."""


class IterationLimitError(RunError):
    """A loop reached its iteration limit."""


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
        again: Callable[[Sequence[Any]], Any] | None = None,
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


class MemoryLimitError(GraphflowError, MemoryError):
    """A plan or a file needs more memory than it may have."""


class BackendError(GraphflowError, RuntimeError):
    """A device or a library is absent, or a device name is not one."""


class FormatError(GraphflowError, ValueError):
    """A file is damaged, of another format, or of a newer version."""


class FileError(FormatError, OSError):
    """The system cannot open, read or write a file; `errno` says why, as for any OSError."""

    def __init__(self, message: str, error: OSError | ValueError | EOFError) -> None:
        super().__init__(message)
        self.errno = getattr(error, "errno", None)


class CheckpointError(FormatError):
    """A checkpoint does not fit the variables it is restored into."""


class RenderError(GraphflowError, ValueError):
    """A picture that cannot be drawn or written."""


class VerifyError(GraphflowError, RuntimeError):
    """An invariant of graphflow's own does not hold."""


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


class GraphGrowthWarning(UserWarning):
    """One line makes the same node again and again: the graph grows in a loop."""


def shorten(value: object, limit: int = 80) -> str:
    """`repr(value)` cut to `limit` characters, safe for any object in an error message."""
    try:
        if isinstance(value, int) and value.bit_length() > 8 * limit:  # Python refuses to print the longest
            return f"an int of {value.bit_length()} bits"
        text = repr(value[: limit + 1]) if isinstance(value, (str, bytes)) else repr(value)
    except Exception:  # noqa: BLE001 a hostile or broken __repr__ must not hide the real error
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"
