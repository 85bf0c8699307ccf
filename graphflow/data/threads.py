"""Work ahead of its use, on threads: elements come in the same order as without them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["parallel_map", "prefetched"]

_END = object()


def prefetched(make: Callable[[], Iterator[Any]], count: int) -> Iterator[Any]:
    """The elements of an iterator that a thread runs, up to `count` of them ahead.

    An error of the iterator is raised here, in its place. The thread ends with the iterator, or when nobody takes
    its elements any more.
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=count)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(make, ready, stopped), name="graphflow-prefetch", daemon=True
    )
    thread.start()
    try:
        while True:
            element, error = ready.get()
            if error is not None:
                raise error
            if element is _END:
                return
            yield element
    finally:
        stopped.set()
        while thread.is_alive():  # it may wait for room
            _drain(ready)
            thread.join(0.01)


def _produce(
    make: Callable[[], Iterator[Any]],
    ready: queue.Queue[tuple[Any, BaseException | None]],
    stopped: threading.Event,
) -> None:
    try:
        iterator = make()
        for element in iterator:
            ready.put((element, None))
            if stopped.is_set():
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
                return
        ready.put((_END, None))
    except BaseException as error:  # noqa: BLE001 raised where the element would have been
        ready.put((None, error))


def _drain(ready: queue.Queue[Any]) -> None:
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return


def parallel_map(function: Callable[[Any], Any], elements: Iterator[Any], n_threads: int) -> Iterator[Any]:
    """`function` of each element, on `n_threads` threads, in the elements' order; 2 * n_threads at most ahead."""
    with ThreadPoolExecutor(n_threads, thread_name_prefix="graphflow-map") as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for element in elements:
                waiting.append(pool.submit(function, element))
                if len(waiting) >= 2 * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
