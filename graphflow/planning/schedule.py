"""The order of a run: the program's order, with writes of variables as late as edges allow.

Everything that can fail then comes before the first write where dependencies allow, so that a
run which fails leaves no trace.
"""

from __future__ import annotations

from graphflow.planning.writes import Write
from graphflow.planning.writes import Written as Schedule
from graphflow.planning.writes import write_last as schedule

__all__ = ["Schedule", "Write", "schedule"]
