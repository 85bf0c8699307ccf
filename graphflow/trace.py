"""A run in the Chrome trace event format, which Perfetto and chrome://tracing show as a timeline.

Source: "Trace Event Format", the Chromium project's document of that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["Timed", "trace_of"]

PID = 1
"""The process that all events are of."""


class Timed(Protocol):
    """What is read of an event; see `profile.Event`."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def op(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def lane(self) -> int: ...
    @property
    def read_nbytes(self) -> int: ...
    @property
    def written_nbytes(self) -> int: ...
    @property
    def types(self) -> str: ...
    @property
    def live_nbytes(self) -> int: ...
    @property
    def nodes(self) -> tuple[str, ...]: ...


def trace_of(events: Sequence[Timed], libraries: Iterable[str] = ()) -> dict[str, Any]:
    """The trace of one run, ready for `json.dumps`. Times become microseconds since the run began.

    A call is a complete event ("X") on its lane's thread; live bytes are a counter ("C"), where they are known; names
    of the process and its threads are metadata ("M").
    """
    told: list[dict[str, Any]] = [_metadata("process_name", 0, {"name": "graphflow"})]
    for lane in sorted({e.lane for e in events}):
        told.append(_metadata("thread_name", lane, {"name": f"lane {lane}"}))
        told.append(_metadata("thread_sort_index", lane, {"sort_index": lane}))
    for e in events:
        told.append(
            {
                "name": e.name,
                "cat": e.op or "call",
                "ph": "X",
                "ts": e.start * 1e6,
                "dur": e.seconds * 1e6,
                "pid": PID,
                "tid": e.lane,
                "args": {
                    "op": e.op,
                    "line": e.origin,
                    "types": e.types,
                    "nodes": ", ".join(e.nodes) or e.name,
                    "instruction": e.number,
                    "read bytes": e.read_nbytes,
                    "written bytes": e.written_nbytes,
                },
            }
        )
        if e.live_nbytes:
            told.append(
                {
                    "name": "memory",
                    "ph": "C",
                    "ts": e.start * 1e6,
                    "pid": PID,
                    "args": {"bytes": e.live_nbytes},
                }
            )
    return {"traceEvents": told, "displayTimeUnit": "ms", "otherData": {"libraries": ", ".join(libraries)}}


def _metadata(name: str, lane: int, args: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "ph": "M", "pid": PID, "tid": lane, "args": args}
