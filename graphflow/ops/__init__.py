"""The ops: each file declares some, beside the public functions that build their nodes.

`import graphflow` imports the files that most programs use; `LATER` names the others, which are imported when one of
their functions is first asked for.
"""

from __future__ import annotations

from graphflow.op import F

__all__ = ["LATER"]

LATER: dict[str, str] = {}
"""The public functions of each module that is imported on first use."""

F.later.update({name: f"graphflow.ops.{module}" for module, names in LATER.items() for name in names.split()})
