"""What happened in one run, node by node: who records it and how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphflow.program import Place

__all__ = ["Event", "Recorder"]


@dataclass(frozen=True, slots=True)
class Event:
    """One kernel call: start and duration in seconds since the run began."""

    name: str
    origin: str
    start: float
    seconds: float


@dataclass(slots=True)
class Recorder:
    """Times every call of one run. `str()` gives a table, slowest first.

    libraries: the matrix libraries in use, with their thread counts.
    """

    libraries: tuple[str, ...] = ()
    events: list[Event] = field(default_factory=list)
    _begin: float = field(default_factory=time.perf_counter)

    def record(self, place: Place, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        """Run one call and note its time."""
        start = time.perf_counter()
        function(*arguments)
        end = time.perf_counter()
        name, origin, _ = place.texts
        self.events.append(Event(name, origin, start - self._begin, end - start))

    def begin_commit(self) -> None:
        """The writes of variables come now; they run as one and are timed as one."""

    @property
    def seconds(self) -> float:
        """Time in kernels, in all."""
        return sum(e.seconds for e in self.events)

    def __str__(self) -> str:
        rows = sorted(self.events, key=lambda e: (-e.seconds, e.start))[:30]
        lines = [
            f"{self.seconds * 1e3:.3f} ms in {len(self.events)} calls; {', '.join(self.libraries) or 'no BLAS'}"
        ]
        lines += [f"{e.seconds * 1e6:10.1f} us  {e.name}  {e.origin}" for e in rows]
        return "\n".join(lines)
