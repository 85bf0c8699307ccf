"""How everything here is timed: contenders take turns within one process, and medians are compared."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Result", "interleaved", "median_ratio", "once"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report.

    value: in `unit`. limit: the figure to reach, None where there is none. at_least: more is better.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is reached."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        target = ""
        if self.limit is not None:
            bound = "at least" if self.at_least else "at most"
            target = f"  ({bound} {self.limit:g}: {'met' if self.met else 'MISSED'})"
        return f"{self.name:<58} {self.value:10.3f} {self.unit}{target}  {self.note}".rstrip()


def interleaved(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int = 15, repeat: int = 1, warm: bool = False
) -> dict[str, list[float]]:
    """Seconds a call of each contender, one entry a round; they take turns, so that drift hits all alike.

    warm: let each make a call that is not timed before those that are: else it also pays for writing back to memory
        what the one before it left in the caches.
    """
    for run in contenders.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            gc.collect()
            if warm:
                run()
            start = time.perf_counter()
            for _ in range(repeat):
                run()
            times[name].append((time.perf_counter() - start) / repeat)
    return times


def median_ratio(times: Mapping[str, list[float]], ours: str, theirs: str) -> float:
    """Median over rounds of ours / theirs."""
    return statistics.median(a / b for a, b in zip(times[ours], times[theirs], strict=True))


def once(run: Callable[[], object], rounds: int = 5) -> float:
    """Median seconds of `run`, which does its own set-up and cannot be repeated in place."""
    found = []
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return statistics.median(found)
