"""Values on demand: what small nodes make of constants alone is computed at once, and kept for the next question.

`float(x[i])` in a loop makes a small new graph at every step. Cutting, compiling and loading a program for each
would cost a hundred times what the few kernels do. This is constant folding, done when a value is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphflow.graph import Node, Tensor
from graphflow.op import Op, Trait
from graphflow.ops.constant import CONSTANT
from graphflow.ops.numpy_settings import kernel_settings
from graphflow.types import Dim

__all__ = ["LARGEST_NBYTES", "SMALL_NBYTES", "KnownValues", "value_of"]

SMALL_NBYTES = 4096
"""The largest result that is computed here: as in `passes.fold_constants`, so that both give the same bits."""

LARGEST_NBYTES = 1 << 20
"""The largest value that is kept."""

_MOST_NBYTES = 1 << 24
_MOST_VALUES = 4096
_MOST_NODES = 512

_Array = np.ndarray[Any, Any]
_Run = Callable[[list[Tensor]], Sequence[Any]]


class KnownValues:
    """Values of one graph by value number: 16 MiB at most, what was used longest ago goes first."""

    __slots__ = ("_arrays", "_lock", "_nbytes")

    def __init__(self) -> None:
        self._arrays: dict[int, _Array] = {}
        self._nbytes = 0
        self._lock = threading.Lock()

    def get(self, number: int) -> _Array | None:
        """The value, which must not be written, or None."""
        with self._lock:
            found = self._arrays.pop(number, None)
            if found is not None:
                self._arrays[number] = found
        return found

    def put(self, number: int, array: _Array) -> None:
        """Keep an array that nobody writes, unless it is too large."""
        if array.nbytes > LARGEST_NBYTES:
            return
        with self._lock:
            if number in self._arrays:
                return
            self._arrays[number] = array
            self._nbytes += array.nbytes
            while self._nbytes > _MOST_NBYTES or len(self._arrays) > _MOST_VALUES:
                self._nbytes -= self._arrays.pop(next(iter(self._arrays))).nbytes

    def __len__(self) -> int:
        return len(self._arrays)


@cache
def _is_plain(op: Op) -> bool:
    """Whether the kernel under NumPy is all there is to the op."""
    special = op.is_control or op.is_source or not op.is_pure or op.traits & Trait.BLAS
    return op.kernel is not None and not special


def _is_small(node: Node) -> bool:
    """Whether a node is computed here: plain, where and when it likes, of known sizes, and small or a view."""
    op = node.op
    if not _is_plain(op) or node.device is not None or node.control_inputs:
        return False
    for t in node.outputs:
        nbytes = t.type.nbytes
        if nbytes is None or (nbytes > SMALL_NBYTES and not op.is_view):
            return False
    for value in node.attrs.values():  # noqa: SIM110 faster than any(): asked for every node
        if _speaks_of_sizes(value):
            return False
    return True


def _speaks_of_sizes(attribute: Any) -> bool:
    kind = type(attribute)
    if kind is tuple:
        return any(map(_speaks_of_sizes, attribute))
    return kind is Dim


def _depends_on_constants(tensors: list[Tensor], known: KnownValues) -> bool:
    """Whether nothing before `tensors` has to be fed, is state, is random, or is placed or ordered by the user.

    False also for what more than 512 nodes make: a program is better for that.
    """
    seen: set[Node] = set()
    stack = [t.op for t in tensors]
    while stack:
        node = stack.pop()
        if node in seen or node.op is CONSTANT:
            continue
        if not node.op.is_pure or node.op.is_source or node.control_inputs or node.device is not None:
            return False
        if len(seen) > _MOST_NODES:
            return False
        seen.add(node)
        stack.extend([t.op for t in node.inputs if known.get(t.number) is None])
    return True


def _plan(tensor: Tensor, known: KnownValues) -> tuple[list[Node], dict[Tensor, _Array], list[Tensor]]:
    """The small nodes to compute, in order; the values they start from; what a session has to give before."""
    nodes: set[Node] = set()
    given: dict[Tensor, _Array] = {}
    asked: dict[Tensor, None] = {}
    stack = [tensor]
    while stack:
        t = stack.pop()
        node = t.op
        if node in nodes or t in given or t in asked:
            continue
        if node.op is CONSTANT:
            given[t] = node.attrs["value"].array
            continue
        value = known.get(t.number)
        if value is not None:
            given[t] = value
        elif len(nodes) <= _MOST_NODES and _is_small(node):
            nodes.add(node)
            stack.extend(node.inputs)
        else:
            asked[t] = None
    return sorted(nodes, key=_by_id), given, list(asked)


def _by_id(node: Node) -> int:
    return node.id


def value_of(tensor: Tensor, run: _Run) -> Any:
    """The value of a tensor as a session gives it, or None where a session must do all of it.

    run: gives the values of tensors; asked for what is too large for here, or needs more than its kernel, once.
    Bits are those of the reference backend. Errors of kernels are left to the session to raise, with the line.
    """
    graph = tensor.op.graph
    known: Any = graph.known_values
    if known is None:
        known = graph.known_values = KnownValues()
    found = known.get(tensor.number)
    if found is None:
        nodes, env, asked = _plan(tensor, known)
        if asked:
            if any((t.type.nbytes or LARGEST_NBYTES + 1) > LARGEST_NBYTES for t in asked):
                return None
            if not _depends_on_constants(asked, known):
                return None
            for t, value in zip(asked, run(asked), strict=True):
                env[t] = array = np.asarray(value)
                known.put(t.number, array)
        try:
            with kernel_settings():
                for node in nodes:
                    _compute(node, env, known)
        except Exception:  # noqa: BLE001 whatever a kernel raises: the session will meet it again
            return None
        found = env[tensor]
    return np.array(found)[()]


def _compute(node: Node, env: dict[Tensor, _Array], known: KnownValues) -> None:
    result = node.op.kernel(np, *[env[t] for t in node.inputs], **node.attrs)  # type: ignore[misc]  # _is_plain
    for t, value in zip(node.outputs, result if type(result) is tuple else (result,), strict=True):
        env[t] = array = np.asarray(value)
        if array.base is None:
            known.put(t.number, array)
