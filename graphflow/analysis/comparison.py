"""What a plan predicted, beside what a profiled run took."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphflow.analysis.calibration import measured_seconds
from graphflow.analysis.parallelism import Parallelism, format_seconds
from graphflow.program import Place, Program

if TYPE_CHECKING:
    from graphflow.profile import Recorder

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Predicted beside measured seconds of a run. `str()` is a table, the largest differences first.

    rows: (node, predicted, measured) for every instruction that was timed; the commit is one.
    predicted, measured: sums of the rows. predicted_elapsed, measured_elapsed: from beginning to end, on all lanes.
    """

    rows: tuple[tuple[Place, float, float], ...]
    predicted: float
    measured: float
    predicted_elapsed: float
    measured_elapsed: float

    def __str__(self) -> str:
        lines = [f"{'predicted':>10} {'measured':>10} {'ratio':>6}  node"]
        ordered = sorted(self.rows, key=lambda row: -abs(row[1] - row[2]))
        for place, a, b in ordered[:30]:
            lines.append(f"{_pair(a, b)}  {place.name}  {place.texts[1]}".rstrip())
        if len(ordered) > 30:
            lines.append(f"and {len(ordered) - 30} closer ones")
        lines.append(f"{_pair(self.predicted, self.measured)}  in all, on one lane after another")
        lines.append(f"{_pair(self.predicted_elapsed, self.measured_elapsed)}  from beginning to end")
        return "\n".join(lines)


def _pair(predicted: float, measured: float) -> str:
    ratio = f"{measured / predicted:.2f}" if predicted else ""
    return f"{format_seconds(predicted):>10} {format_seconds(measured):>10} {ratio:>6}"


def compare(program: Program, report: Parallelism, recorder: Recorder) -> Comparison:
    """What `report` says of each instruction of `program`, beside what a profiled run of it took."""
    measured = measured_seconds(program, recorder)
    rows = []
    tail = 0.0
    for number, (place, cost) in enumerate(zip(report.places, report.costs, strict=True)):
        if number in measured:
            rows.append((place, cost, measured[number]))
        elif number >= program.commit:
            tail += cost
    if -1 in measured:
        rows.append((Place(None, ("commit", "", "the commit")), tail, measured[-1]))
    return Comparison(
        tuple(rows),
        math.fsum([predicted for _, predicted, _ in rows]),
        math.fsum([taken for _, _, taken in rows]),
        report.seconds,
        max([e.start + e.seconds for e in recorder.events], default=0.0),
    )
