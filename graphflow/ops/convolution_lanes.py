"""Lanes: how the parts of one convolution share the threads of a call, each with buffers of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from graphflow.ops.numpy_settings import BUFFER, buffers_nbytes

__all__ = [
    "LANES",
    "SPLIT_FLOPS",
    "UFUNC_ELEMENTS",
    "Run",
    "deliver",
    "deliver_nbytes",
    "lanes",
    "one_by_one",
]

INT64 = np.dtype(np.int64)

LANES = 8
"""Parts of a convolution that may run at once. The number of cores does not matter: the bytes that a run needs are
known before it."""

SPLIT_FLOPS = 1 << 25
"""Convolutions of fewer operations have one lane: they take 0.4 ms on one core, and handing out lanes 0.1."""

UFUNC_ELEMENTS = 3 * BUFFER
"""Elements of the buffers that a ufunc of two operands makes for arrays that are not contiguous."""

Run: TypeAlias = Callable[[Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]], None]
"""What runs calls that do not depend on one another, in any order."""


def one_by_one(calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
    """Run calls in their order."""
    for function, arguments in calls:
        function(*arguments)


def lanes(
    run: Run,
    count: int,
    begin: Callable[[Any], Callable[[Any], None]],
    jobs: Iterable[Any],
    size: int,
    dtype: np.dtype[Any],
) -> None:
    """Do all jobs, in `count` lanes that take one after another: `begin(memory)(job)`.

    memory: `size` uninitialised elements for each lane.
    """
    left, taking = iter(jobs), Lock()  # not a list of them: there may be more than the buffers take

    def take() -> Any:
        with taking:
            return next(left, None)

    def drain(memory: Any) -> None:
        nonlocal left
        do = None
        try:
            while (job := take()) is not None:
                if do is None:
                    do = begin(memory)
                do(job)
        except BaseException:
            with taking:
                left = iter(())  # the other lanes need not begin what is left
            raise

    memory = np.empty((count, size), dtype)
    run([(drain, (own,)) for own in memory])


def deliver(target: Any, value: Any) -> None:
    """Write a result from the dtype it was computed in; whole floats become integers that wrap around."""
    if target.dtype.kind in "iu" and value.dtype.kind == "f":
        np.positive(value, out=target, dtype=np.int64, casting="unsafe")  # in 64 bits only in NumPy's buffers
    else:
        np.copyto(target, value, casting="unsafe")


def deliver_nbytes(elements: int, dtype: np.dtype[Any], work: np.dtype[Any]) -> int:
    """Bytes of the buffers in which `deliver` turns so many elements of `work` into `dtype`."""
    return buffers_nbytes(elements, INT64, INT64) if dtype.kind in "iu" and work.kind == "f" else 0
