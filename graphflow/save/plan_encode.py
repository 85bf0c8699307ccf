"""A plan's program as plain JSON values: a set of tables, as in a saved graph (`rows.py`), and the programs.

    programs   slots, instructions, and the fields of a Program; bodies before what holds them, the plan's own last
    nodes      [name, `model.py:41`, the whole sentence] of every place that a program speaks of

A type is a number of the table of types, a body that of a program. What a row leaves out has its default. Attributes are
written as in a saved graph, and besides as {"cluster": {...}}, the body of a cluster, and {"omitted": "function"} for what
is no data. Of constants only the types are kept, and which slots share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from graphflow.errors import FormatError
from graphflow.ops.body import Body
from graphflow.ops.constant import Literal
from graphflow.ops.fused import ClusterBody
from graphflow.program import Instruction, Kind, Place, Program
from graphflow.save.rows import Rows, numbered

__all__ = ["MAX_BODIES", "STEP_DEFAULTS", "Omitted", "encode_program"]

MAX_BODIES = 50
"""How deep control flow may be nested."""

STEP_DEFAULTS: dict[str, Any] = {
    "frees": [],
    "bodies": [],
    "used": [],
    "workspace": 0,
    "is_view": False,
    "lane": 0,
    "waits": [],
}


@dataclass(frozen=True, slots=True)
class Omitted:
    """Stands for what no file holds: a constant's array, or an attribute such as a Python function."""

    what: str


def encode_program(program: Program) -> dict[str, Any]:
    """The record of a program. Raises FormatError for control flow nested too deep for a file."""
    writer = _Writer()
    writer.program(program, 0)
    return {**writer.rows.tables(), "nodes": [list(n) for n in writer.nodes], "programs": writer.programs}


class _PlanRows(Rows):
    """The tables, for attributes of instructions too."""

    def value(self, value: Any, bodies: Mapping[Body, int], depth: int = 0) -> Any:
        """An attribute as a JSON value; what is no data is left out, and said to be."""
        if isinstance(value, ClusterBody):
            return {"cluster": self._cluster(value)}
        if isinstance(value, (Literal, Body)):
            return {"omitted": type(value).__name__.lower()}
        try:
            return super().value(value, bodies, depth)
        except TypeError:
            return {"omitted": type(value).__name__}

    def _cluster(self, body: ClusterBody) -> dict[str, Any]:
        row = {f.name: self.value(getattr(body, f.name), {}) for f in fields(body) if f.name != "steps"}
        row["steps"] = [
            [s.op.name, self.attributes(s.attrs), list(s.inputs), self.type(s.type), s.kind]
            for s in body.steps
        ]
        return row

    def attributes(self, attrs: Mapping[str, Any]) -> dict[str, Any]:
        """All of a node but the graphs of control flow, whose programs are beside them."""
        return {name: self.value(value, {}) for name, value in attrs.items() if name != "bodies"}


class _Writer:
    def __init__(self) -> None:
        self.rows = _PlanRows()
        self.nodes: dict[tuple[str, str, str], int] = {}
        self.programs: list[dict[str, Any]] = []

    def program(self, program: Program, depth: int) -> int:
        """Write a program and, before it, its bodies; gives its number."""
        if depth > MAX_BODIES:
            raise FormatError(f"control flow is nested deeper than the {MAX_BODIES} levels that a file holds")
        row = {
            "slots": self._slots(program),
            "instructions": [self._step(i, depth) for i in program.instructions],
            "arena_nbytes": dict(program.arena_nbytes),
            "variables": [[s, needed, self._node(place)] for s, needed, place in program.variables],
            "swaps": [list(pair) for pair in program.swaps],
            "commit": program.commit,
            "host": program.host,
        }
        for name in ("feeds", "fetches", "early_fetches", "written", "counters", "fetched"):
            row[name] = list(getattr(program, name))
        self.programs.append(row)
        return len(self.programs) - 1

    def _slots(self, program: Program) -> list[dict[str, Any]]:
        constants: dict[int, int] = {}
        rows = []
        for s in program.slots:
            row = {"kind": s.kind.value, "type": self.rows.type(s.type), "device": s.device}
            extra = {
                "offset": (s.offset, -1),
                "base": (s.base, -1),
                "constant": (numbered(constants, id(s.value)) if s.kind is Kind.CONSTANT else None, None),
                "key": (s.key, ""),
                "node": (None if s.place is None else self._node(s.place), None),
            }
            rows.append({**row, **{name: value for name, (value, usual) in extra.items() if value != usual}})
        return rows

    def _step(self, i: Instruction, depth: int) -> dict[str, Any]:
        row = {
            "op": i.op.name,
            "attrs": self.rows.attributes(i.attrs),
            "device": i.device,
            "node": self._node(i.place),
        }
        for name in ("inputs", "outputs", "reads", "makes"):
            row[name] = list(getattr(i, name))
        extra = {
            "frees": list(i.frees),
            "bodies": [self.program(body, depth + 1) for body in i.bodies],
            "used": list(i.used),
            "workspace": i.workspace_nbytes,
            "is_view": i.is_view,
            "lane": i.lane,
            "waits": list(i.waits),
        }
        return {**row, **{name: value for name, value in extra.items() if value != STEP_DEFAULTS[name]}}

    def _node(self, place: Place) -> int:
        return numbered(self.nodes, place.texts)
