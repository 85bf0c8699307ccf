"""From the record of a program to the program; nothing is believed before it is checked. See `plan_encode.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from graphflow.errors import FormatError, shorten
from graphflow.op import Op, lookup
from graphflow.ops.body import Body
from graphflow.ops.fused import ClusterBody, Step
from graphflow.planning.workspace import workspace_nbytes
from graphflow.program import Instruction, Kind, Place, Program, Slot
from graphflow.save.plan_encode import MAX_BODIES, STEP_DEFAULTS, Omitted
from graphflow.save.signature import attribute_types
from graphflow.save.tables import Tables, integer, listed, record, row_of, text
from graphflow.types import dims_equal

__all__ = ["decode_program"]

MAX_LANES = 256
_LARGEST = 1 << 63
_TABLES = ("symbols", "dims", "types", "constants", "places")
_SLOT = (("kind", "type", "device"), ("offset", "base", "constant", "key", "node"))
_STEP = ("op", "attrs", "inputs", "outputs", "device", "node", "reads", "makes")
_PROGRAM = (
    *(
        "slots",
        "instructions",
        "feeds",
        "fetches",
        "early_fetches",
        "commit",
        "swaps",
        "variables",
        "written",
    ),
    *("counters", "arena_nbytes", "host", "fetched"),
)


def decode_program(row: Mapping[str, Any]) -> Program:
    """The program of a record. Types, sizes and workspace are computed again and must agree; see `certify` for the rest.

    Raises FormatError for what no program can be.
    """
    return _Reader(row).program


class _PlanTables(Tables):
    """The tables, for attributes of instructions too."""

    def attribute(self, value: Any, body: Any, depth: int = 0) -> Any:
        """An attribute's value."""
        if type(value) is dict and "omitted" in value:
            return Omitted(text(record(value, "an attribute", ["omitted"])["omitted"], "what is omitted"))
        if type(value) is dict and "cluster" in value:
            return self._cluster(record(value, "an attribute", ["cluster"])["cluster"])
        return super().attribute(value, body, depth)

    def attributes(self, row: Any) -> Mapping[str, Any]:
        """All of an instruction."""
        if type(row) is not dict:
            raise FormatError(f"attributes must be an object, not {shorten(row)}")
        return MappingProxyType({name: self.attribute(value, _no_body) for name, value in row.items()})

    def _cluster(self, row: Any) -> ClusterBody:
        names = [f.name for f in fields(ClusterBody)]
        record(row, "a cluster", names)
        steps = []
        for item in listed(row["steps"], "steps"):
            op, attrs, inputs, type_, kind = listed(item, "a step", 5)
            numbers = tuple([integer(k, "a step's input", 0, _LARGEST) for k in listed(inputs, "inputs")])
            of_type = row_of(self.types, type_, "type")
            steps.append(Step(_op(op), self.attributes(attrs), numbers, of_type, text(kind, "a step's kind")))
        made = {name: self.attribute(row[name], _no_body) for name in names if name != "steps"}
        return ClusterBody(steps=tuple(steps), **made)


def _no_body(number: Any) -> Body:
    raise FormatError("an attribute refers to a body, which a plan has not")


def _op(name: Any) -> Op:
    try:
        return lookup(text(name, "an op's name"))
    except KeyError:
        raise FormatError(f"there is no op {shorten(name)} in this graphflow") from None


class _Reader:
    def __init__(self, row: Mapping[str, Any]) -> None:
        self._tables = _PlanTables({name: row[name] for name in _TABLES}, {})
        self._nodes = [
            Place(None, tuple([text(part, "a node") for part in listed(node, "a node", 3)]))  # type: ignore[arg-type]
            for node in listed(row["nodes"], "nodes")
        ]
        self._done: list[tuple[Program, int]] = []  # with how deep its bodies are nested
        self._taken: set[int] = set()
        for number, item in enumerate(listed(row["programs"], "programs")):
            try:
                self._done.append(self._program(record(item, "it", _PROGRAM)))
            except FormatError as error:
                raise FormatError(f"program {number}: {error}") from error.__cause__
        if len(self._taken) != len(self._done) - 1 or len(self._done) - 1 in self._taken:
            raise FormatError("each program but the last must be the body of one instruction")
        self.program = self._done[-1][0]

    def _program(self, row: dict[str, Any]) -> tuple[Program, int]:
        constants: dict[int, Omitted] = {}
        slots = tuple([self._slot(k, s, constants) for k, s in enumerate(listed(row["slots"], "slots"))])
        n, steps, deepest = len(slots), [], 0
        for k, item in enumerate(listed(row["instructions"], "instructions")):
            try:
                step, depth = self._step(record(item, "it", _STEP, tuple(STEP_DEFAULTS)), slots)
            except FormatError as error:
                raise FormatError(f"instruction {k}: {error}") from error.__cause__
            steps.append(step)
            deepest = max(deepest, depth)
        swaps = [_numbers(pair, "a swap", 0, n, 2) for pair in listed(row["swaps"], "swaps")]
        variables = []
        for item in listed(row["variables"], "variables"):
            slot, needed, node = listed(item, "a variable", 3)
            place = row_of(self._nodes, node, "node")
            variables.append((integer(slot, "a variable's slot", 0, n), _flag(needed), place))
        arena = row["arena_nbytes"]
        if type(arena) is not dict:
            raise FormatError(f"arena_nbytes must be an object, not {shorten(arena)}")
        feeds, fetches, written, counters = (
            _numbers(row[name], name, 0, n) for name in ("feeds", "fetches", "written", "counters")
        )
        fetched = _numbers(row["fetched"], "fetched", -n, _LARGEST, len(fetches))
        early = tuple([_flag(e) for e in listed(row["early_fetches"], "early_fetches", len(fetched))])
        program = Program(
            slots=slots,
            instructions=tuple(steps),
            feeds=feeds,
            fetches=fetches,
            early_fetches=early,
            commit=integer(row["commit"], "commit", 0, len(steps) + 1),
            swaps=tuple([(a, b) for a, b in swaps]),
            variables=tuple(variables),
            written=written,
            counters=counters,
            arena_nbytes={d: integer(size, "an arena's bytes", 0, _LARGEST) for d, size in arena.items()},
            host=text(row["host"], "host"),
            fetched=fetched,
        )
        return program, deepest

    def _slot(self, number: int, row: Any, constants: dict[int, Omitted]) -> Slot:
        record(row, f"slot {number}", *_SLOT)
        kinds = {kind.value: kind for kind in Kind}
        kind = kinds.get(text(row["kind"], "a slot's kind"))
        if kind is None:
            raise FormatError(f"slot {number}: there is no kind {shorten(row['kind'])}")
        type_ = row_of(self._tables.types, row["type"], f"slot {number}: type")
        base = integer(row.get("base", -1), f"slot {number}: base", -1, number)
        value = None
        if kind is Kind.CONSTANT:
            shared = integer(row.get("constant"), f"slot {number}: constant", 0, _LARGEST)
            value = constants.setdefault(shared, Omitted(f"constant {shared}"))
        node = row.get("node")
        return Slot(
            kind,
            type_,
            text(row["device"], "a device"),
            0 if kind is Kind.VIEW else type_.nbytes,
            integer(row.get("offset", -1), f"slot {number}: offset", -1, _LARGEST),
            base,
            value,
            text(row.get("key", ""), "a key"),
            None if node is None else row_of(self._nodes, node, "node"),
        )

    def _step(self, row: dict[str, Any], slots: Sequence[Slot]) -> tuple[Instruction, int]:
        n = len(slots)
        given = {name: row.get(name, usual) for name, usual in STEP_DEFAULTS.items()}
        op, attrs = _op(row["op"]), self._tables.attributes(row["attrs"])
        inputs, outputs = (_numbers(row[name], name, 0, n) for name in ("inputs", "outputs"))
        bodies, depth = [], 0
        for k in listed(given["bodies"], "bodies"):
            body, below = row_of(self._done, k, "body")
            if k in self._taken or below >= MAX_BODIES:
                raise FormatError(f"program {k} is a body twice, or is nested too deep")
            self._taken.add(k)
            bodies.append(body)
            depth = max(depth, below + 1)
        step = Instruction(
            op,
            attrs,
            inputs,
            outputs,
            text(row["device"], "a device"),
            row_of(self._nodes, row["node"], "node"),
            _numbers(given["frees"], "frees", 0, n),
            tuple(bodies),
            tuple([_flag(u) for u in listed(given["used"], "used", len(outputs) if given["used"] else 0)]),
            integer(given["workspace"], "workspace", 0, _LARGEST),
            _flag(given["is_view"]),
            _numbers(row["reads"], "reads", -n, _LARGEST, len(inputs)),
            _numbers(row["makes"], "makes", -n, _LARGEST, len(outputs)),
            integer(given["lane"], "a lane", 0, MAX_LANES),
            _numbers(given["waits"], "waits", 0, _LARGEST),
        )
        self._check_types(step, slots)
        return step, depth

    def _check_types(self, i: Instruction, slots: Sequence[Slot]) -> None:
        """An op gives the types and needs the workspace that the record says, as far as its attributes are known."""
        if i.op.is_control != bool(i.bodies):
            raise FormatError(f"{i.op.name} has {len(i.bodies)} bodies")
        if i.op.is_control or any(isinstance(value, Omitted) for value in i.attrs.values()):
            return
        takes = [slots[s].type for s in i.inputs]
        gives = [slots[s].type for s in i.outputs]
        for name, types in attribute_types(i.op, len(takes), tuple(i.attrs)).items():
            if type(i.attrs[name]) not in types:
                raise FormatError(f"{i.op.name}: attribute {name!r} cannot be {shorten(i.attrs[name])}")
        inferred = i.op.infer_types(takes, i.attrs)
        for told, found in zip(gives, inferred, strict=True):
            alike = told.dtype == found.dtype and (told.shape is None or found.shape is None)
            if told.dtype == found.dtype and told.shape is not None and found.shape is not None:
                pairs = zip(told.shape, found.shape, strict=True)
                alike = all(dims_equal(a, b) is not False for a, b in pairs)
            if not alike:
                raise FormatError(f"{i.op.name} gives {found}, not {told}")
        needed = {0}
        if all(t.is_static for t in (*takes, *gives)):
            needed = {
                workspace_nbytes(i.op, takes, gives, i.attrs, contiguous) for contiguous in (True, False)
            }
        if i.workspace_nbytes not in needed:
            wanted = " or ".join(map(str, sorted(needed)))
            raise FormatError(f"{i.op.name} needs {wanted} bytes of workspace, not {i.workspace_nbytes}")


def _numbers(value: Any, what: str, low: int, high: int, length: int | None = None) -> tuple[int, ...]:
    return tuple([integer(item, what, low, high) for item in listed(value, what, length)])


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise FormatError(f"{shorten(value)} is neither true nor false")
    return value
