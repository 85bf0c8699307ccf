"""Runs the lanes of a program on threads: each walks its own calls, and waits where another has to be ahead.

A wait is a lock that is held until the call waited for is done, so that it costs no Python: acquiring and releasing
are calls among the others.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from itertools import starmap
from operator import call
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from graphflow.profile import Recorder
    from graphflow.program import Place

__all__ = ["LaneCall", "LanePool", "LaneRunner"]

_consume: Callable[[Iterable[Any]], None] = deque[Any](maxlen=0).extend


class LanePool:
    """The threads of one session's lanes. Runs of a session take turns, so that each finds all of them free."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0
        self._process = 0

    def submit(self, count: int, job: Callable[[int], None]) -> list[Any]:
        """Begin `job(k)` for k from 1 to `count`, each on a thread of its own."""
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None or self._size < count or self._process != os.getpid():  # threads end at a fork
            self._pool = ThreadPoolExecutor(count, "graphflow-lane")
            self._size, self._process = count, os.getpid()
        return [self._pool.submit(job, k + 1) for k in range(count)]


@dataclass(slots=True, eq=False)
class LaneCall:
    """One bound call of a program. number: of its instruction. place: the node's name and line."""

    number: int
    call: tuple[Any, ...]
    place: Place


@dataclass(slots=True, eq=False)
class _Failure:
    number: int
    place: Place
    error: BaseException


@dataclass(slots=True, eq=False)
class _Lane:
    """calls: in order, with locks. owners: the LaneCall of each, None for a lock."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    owners: list[LaneCall | None] = field(default_factory=list)


class LaneRunner:
    """A program's calls before the commit, on their lanes.

    calls: in program order. lane_of, waits: by instruction number.
    step_by_step: honour an interrupt between calls.
    """

    def __init__(
        self,
        calls: Sequence[LaneCall],
        lane_of: Sequence[int],
        waits: Sequence[Sequence[int]],
        pool: LanePool,
        step_by_step: bool,
    ) -> None:
        self._pool = pool
        self._step_by_step = step_by_step
        self._locks: list[Any] = []
        count = 1 + max(lane_of, default=0)
        self._lanes = [_Lane() for _ in range(count)]
        by_number: dict[int, list[LaneCall]] = {}
        for one in calls:
            by_number.setdefault(one.number, []).append(one)
        gates: dict[int, list[Any]] = {}  # locks to release once an instruction is done
        opened: dict[tuple[int, int], Any] = {}
        for number, needed in enumerate(waits):
            for earlier in needed:
                lock = opened[earlier, number] = threading.Lock()
                lock.acquire()
                self._locks.append(lock)
                gates.setdefault(earlier, []).append(lock)
        for number, lane in enumerate(lane_of):
            mine = self._lanes[lane]
            for earlier in waits[number]:
                self._add(mine, (opened[earlier, number].acquire,), None)
            for one in by_number.get(number, ()):
                self._add(mine, one.call, one)
            for lock in gates.get(number, ()):
                self._add(mine, (lock.release,), None)

    @staticmethod
    def _add(lane: _Lane, bound: tuple[Any, ...], owner: LaneCall | None) -> None:
        lane.calls.append(bound)
        lane.owners.append(owner)

    def run(self, context: Context, recorder: Recorder | None = None) -> tuple[Place, BaseException] | None:
        """Run all lanes; gives the failure that comes first in the program's order, or None.

        An interrupt of the calling thread is raised once the other lanes have stopped.
        """
        failures: list[_Failure] = []
        stop: list[bool] = []
        begun: list[int] = []
        ended: list[int] = []

        def job(k: int) -> None:
            begun.append(k)
            try:
                if not stop:
                    context.copy().run(self._walk, self._lanes[k], failures, stop, recorder)
            finally:
                ended.append(k)

        try:
            others = self._pool.submit(len(self._lanes) - 1, job)
            context.run(self._walk, self._lanes[0], failures, stop, recorder)
            for future in others:
                future.result()
        except BaseException:  # an interrupt outside of the calls, as while the others are waited for
            self._end_all(stop, begun, ended)
            self._close()
            raise
        if not failures:
            return None
        self._close()
        first = min(failures, key=lambda f: f.number)
        for f in failures:
            if not isinstance(f.error, Exception):
                raise f.error
        return first.place, first.error

    def _close(self) -> None:
        """Hold every lock, as before a run: after a failure some are open that nobody waited for."""
        for lock in self._locks:
            lock.acquire(blocking=False)

    def _end_all(self, stop: list[bool], begun: list[int], ended: list[int]) -> None:
        """Wait until the other lanes have stopped, through further interrupts: they write to the bytes of this run.

        What they compute from here on is thrown away, so that nothing need be waited for.
        """
        while True:
            try:
                stop.append(True)  # a lane that begins after this does nothing
                while len(ended) < len(begun):
                    for lock in self._locks:
                        with suppress(RuntimeError):  # its own lane was faster
                            if lock.locked():
                                lock.release()
                    time.sleep(1e-3)
                return
            except KeyboardInterrupt:
                continue

    def _walk(
        self, lane: _Lane, failures: list[_Failure], stop: list[bool], recorder: Recorder | None
    ) -> None:
        iterator = iter(lane.calls)
        try:
            if recorder is not None:
                owners = iter(lane.owners)
                for bound, owner in zip(iterator, owners, strict=True):
                    if owner is None:
                        bound[0]()
                    else:
                        recorder.record(owner.place, bound[0], bound[1:], owner.number)
            elif self._step_by_step:
                for function, *arguments in iterator:
                    function(*arguments)
                    if stop:
                        break
            else:
                _consume(starmap(call, iterator))
        except BaseException as error:  # noqa: BLE001 whatever a kernel raises, and interrupts
            done = len(lane.calls) - sum(1 for _ in iterator) - 1
            owner = lane.owners[done]
            if owner is None:
                owner = next(o for o in [*lane.owners[done:], *lane.owners[::-1]] if o is not None)
            failures.append(_Failure(owner.number, owner.place, error))
            if not isinstance(error, Exception):
                stop.append(True)
            self._let_go(lane, done)
            return
        if stop:
            self._let_go(lane, len(lane.calls) - sum(1 for _ in iterator) - 1)

    @staticmethod
    def _let_go(lane: _Lane, done: int) -> None:
        """Release what others wait for: what they compute from here on is thrown away."""
        for bound, owner in zip(lane.calls[done + 1 :], lane.owners[done + 1 :], strict=True):
            if owner is None and bound[0].__name__ == "release":
                bound[0]()
