"""Clusters on the CPU: every node of a cluster runs on one block of rows before the next block is begun.

A block of every array fits into a core's cache, so that what the nodes hand on never reaches memory. Blocks are
handed out in pieces that threads share; each element is computed as it would be without blocks, so that the bits
are the same. A product of many rows with a matrix is made in panels of rows anyway: these are then the blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import itemgetter, setitem
from typing import Any

import numpy as np

from graphflow.backends.numpy.blas import one_call
from graphflow.backends.numpy.kernels import bind
from graphflow.backends.numpy.workers import run_pieces
from graphflow.op import Op
from graphflow.ops.fused import ClusterBody, Step
from graphflow.ops.ufunc import Ufunc
from graphflow.types import TensorType, is_floating, is_integer

__all__ = ["Cluster"]

PIECES = 8
"""Pieces for each thread: enough for one thread to take over what another, slower one has not begun."""

Env = list[Any]


class Cluster:
    """A cluster ready to run: `cluster(*inputs, out=(...))` fills and gives the outputs."""

    def __init__(self, body: ClusterBody) -> None:
        self.body = body
        n = len(body.inputs)
        self._kernels = [_kernel_of(s) for s in body.steps]
        self._outputs = {o: k for k, o in enumerate(body.outputs)}
        self._sliced = [k for k in range(n) if body.rowed[k]] + list(body.outputs)
        self._pick = [itemgetter(*s.inputs, n + k) for k, s in enumerate(body.steps)]
        self._scratched = [k for k, s in enumerate(body.scratch) if s >= 0]

    def __call__(self, *inputs: Any, out: Sequence[Any] | None = None) -> tuple[Any, ...]:
        body = self.body
        n = len(body.inputs)
        outputs = tuple([_empty(body.steps[o - n].type) for o in body.outputs]) if out is None else tuple(out)
        whole: Env = [None] * (n + len(body.steps))
        for k, x in enumerate(inputs):
            whole[k] = _rows(x, body) if body.rowed[k] else x if k in body.matrices else _rest(x)
        for o, k in self._outputs.items():
            whole[o] = _rows(outputs[k], body)
        scratch = deque(self._scratch() for _ in range(body.workers))
        run_pieces([(self._piece, (whole, scratch, *part)) for part in self._parts()])
        return outputs

    def _parts(self) -> list[tuple[tuple[int, int], int]]:
        """Rows that go together to one thread, with the rows of a block."""
        body = self.body
        if body.panels:
            return [((a, b), b - a) for a, b in body.panels]
        blocks, left = divmod(body.rows, body.block_rows)
        count = min(blocks, PIECES * body.workers if body.workers > 1 else 1)
        ends = [blocks * i // count * body.block_rows for i in range(count + 1)] if count else [0]
        parts = [(rows, body.block_rows) for rows in pairwise(ends)]
        return [*parts, ((body.rows - left, body.rows), left)] if left else parts

    def _scratch(self) -> list[Any]:
        return [np.empty(nbytes, np.uint8) for nbytes in self.body.scratch_nbytes]

    def _piece(self, whole: Env, scratch: deque[Any], rows: tuple[int, int], block: int) -> None:
        """Run the rows from rows[0] to rows[1], a whole number of blocks."""
        body = self.body
        own = scratch.pop() if scratch else self._scratch()
        env = list(whole)
        n = len(body.inputs)
        for k in self._scratched:
            type_ = body.steps[k - n].type
            shape: Any = (block, *type_.dims[body.lead :])
            env[k] = np.ndarray(shape, type_.dtype, own[body.scratch[k]])
        calls = [
            (_view(env, n + k, s, body, block), itemgetter(slice(*_span(s.inputs[0]))))
            if s.kind == "view"
            else (kernel, pick)
            for k, (s, kernel, pick) in enumerate(zip(body.steps, self._kernels, self._pick, strict=True))
        ]
        walked = []
        for k in self._sliced:
            x = whole[k][rows[0] : rows[1]]
            walked.append(x.reshape((-1, block, *x.shape[1:])))
        sliced = self._sliced
        for parts in zip(*walked, strict=True):
            for k, part in zip(sliced, parts, strict=True):
                env[k] = part
            for function, pick in calls:
                function(*pick(env))
        scratch.append(own)


def _empty(type_: TensorType) -> Any:
    return np.empty(type_.dims, type_.dtype)


def _span(k: int) -> tuple[int, int]:
    return k, k + 1


def _rows(x: Any, body: ClusterBody) -> Any:
    """The array with its leading axes as one; it is contiguous, so that this shares its bytes."""
    return x.reshape((body.rows, *x.shape[body.lead :]))


def _rest(x: Any) -> Any:
    """What every row uses whole, without leading axes of size one, so that it broadcasts against a block."""
    shape = x.shape
    start = 0
    while start < len(shape) and shape[start] == 1:
        start += 1
    return x.reshape(shape[start:])


def _view(env: Env, number: int, step: Step, body: ClusterBody, block: int) -> Callable[[Any], None]:
    """A call that shows a block in another shape."""
    shape: Any = (block, *step.type.dims[body.lead :])

    def show(x: Any) -> None:
        env[number] = x.reshape(shape) if x.size == _count(shape) else np.broadcast_to(x, shape)

    return show


def _count(shape: Sequence[Any]) -> int:
    n = 1
    for d in shape:
        n *= d
    return n


def _kernel_of(step: Step) -> Callable[..., Any]:
    """A function of the inputs and the array to fill, with the bits of the op's own kernel."""
    op, attrs = step.op, step.attrs
    if isinstance(op.kernel, Ufunc):
        function = op.kernel.of(np)
        if isinstance(function, np.ufunc):
            return function
    if op.name == "cast":
        return _cast(op, attrs)
    if step.kind == "fold":
        return _fold(op, attrs)
    if step.kind == "product":
        return _product
    kernel = op.kernel

    def run(*arrays: Any) -> None:
        kernel(np, *arrays[:-1], out=arrays[-1], **attrs)  # type: ignore[misc]  # clusters have none without

    return run


def _product(a: Any, b: Any, out: Any) -> None:
    function, arguments = one_call(a, b, out)
    function(*arguments)


def _cast(op: Op, attrs: Any) -> Callable[..., Any]:
    target = attrs["dtype"]

    def run(x: Any, out: Any) -> None:
        if is_integer(target) and is_floating(x.dtype):
            op.kernel(np, x, out=out, **attrs)  # type: ignore[misc]
        else:
            setitem(out, ..., x)

    return run


def _fold(op: Op, attrs: Any) -> Callable[..., Any]:
    def run(x: Any, out: Any) -> None:
        bound = bind(op, attrs, (x,), out)
        if bound is None:
            op.kernel(np, x, out=out, **attrs)  # type: ignore[misc]
        else:
            bound[0](*bound[1])

    return run
