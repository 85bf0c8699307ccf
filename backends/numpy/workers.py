"""A few threads that share the pieces of one big call with the thread that makes it.

The caller takes pieces too and never waits for a worker that has not begun: where no core is free, it does all of
them itself. That is what makes this safe on a busy machine, where a fork-join of fixed halves waits for the slower.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING

from graphflow.backends.base import THREADS, Call

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["cores", "run_pieces"]

_pool: list[ThreadPoolExecutor] = []


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _workers() -> ThreadPoolExecutor:
    if not _pool:
        # not at the top: most programs have no such big product
        from concurrent.futures import ThreadPoolExecutor

        _pool.append(ThreadPoolExecutor(max(1, cores() - 1), "graphflow"))
    return _pool[0]


def _drain(pieces: deque[Call]) -> None:
    while True:
        try:
            function, arguments = pieces.popleft()
        except IndexError:
            return
        try:
            function(*arguments)
        except BaseException:
            pieces.clear()  # the others need not begin what is left
            raise


def run_pieces(pieces: Sequence[Call]) -> None:
    """Run calls that do not depend on one another, in any order, and return when all are done.

    The pieces are the same whatever the number of threads, so that the bits are too.
    """
    left = deque(pieces)
    helpers = min(THREADS.get() or cores(), cores(), len(left)) - 1
    if helpers < 1:
        _drain(left)
        return
    from concurrent.futures import wait

    # in the caller's context, so with its np.errstate
    jobs = [_workers().submit(copy_context().run, _drain, left) for _ in range(helpers)]
    try:
        _drain(left)
    finally:
        left.clear()  # after an interrupt: nothing may be written any more once this returns
        begun = [job for job in jobs if not job.cancel()]
        wait(begun)
    for job in begun:
        job.result()


def _forget_pool() -> None:
    _pool.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)  # threads do not survive a fork
