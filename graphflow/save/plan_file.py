"""Plans in files: what a run costs and how its memory is laid out, without the graph, and checked when it is loaded.

    offset  bytes  content
    0       8      "GFLOWPLN"
    8       4      format version, little-endian as all numbers here
    12      32     SHA-256 of everything after it
    44      8      length of the rest in bytes
    52      ...    JSON, ASCII only: writer, device, machine, peak_nbytes, and the program; see `plan_encode.py`

Nothing in the file is ever executed, imported or evaluated. Its program is certified like any other, its peak is
counted again: a file that says what is not so is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import fields
from typing import Any

from graphflow.analysis.cost import Machine
from graphflow.errors import (
    ArgumentError,
    FormatError,
    GraphflowError,
    MemoryLimitError,
    VerifyError,
    shorten,
)
from graphflow.files import as_path, atomic_write, open_regular, read_exactly
from graphflow.plan import Plan, parse_nbytes
from graphflow.planning.certify import certify
from graphflow.save.container import parse_json
from graphflow.save.plan_decode import decode_program
from graphflow.save.plan_encode import encode_program
from graphflow.save.rows import float_text
from graphflow.save.tables import integer, record, text

__all__ = ["load_plan", "save_plan"]

MAGIC = b"GFLOWPLN"
VERSION = 1
NBYTES_PER_BYTE = 64
"""Memory that one byte of a file may need, as JSON and as what is made of it; as for saved graphs."""

_FRAME = struct.Struct("<8sI32sQ")
_TABLES = ("symbols", "dims", "types", "constants", "places", "nodes", "programs")


def save_plan(plan: Plan, path: Any) -> None:
    """Write a plan to a file: its program with offsets, lanes and lines, the device, and the machine it is judged by.

    path: of the file, by custom `*.gfp`. It appears whole or not at all; one that is there is replaced.
    Constants' values are left out, as are functions, the graph, and the record of its passes: the file holds what a run
    needs, not what it computes with. The same plan always gives the same bytes.
    Raises ArgumentError for what is no plan, FileError if the file cannot be written.
    """
    if not isinstance(plan, Plan):
        raise ArgumentError(f"save_plan: plan must be what session.plan gives, not {shorten(plan)}")
    as_path(path)
    machine = {f.name: _number_text(getattr(plan.machine, f.name)) for f in fields(plan.machine)}
    content = {
        "writer": f"graphflow, plan format {VERSION}",
        "device": plan.device,
        "machine": machine,
        "peak_nbytes": plan.peak_nbytes,
        **encode_program(plan.program),
    }
    data = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    length = struct.pack("<Q", len(data))
    digest = hashlib.sha256(length + data).digest()
    atomic_write(path, [MAGIC + struct.pack("<I", VERSION) + digest + length, data])


def load_plan(path: Any, memory_limit: int | str = "1GiB") -> Plan:
    """The plan in a file that `Plan.save` wrote: it says what a run costs, but cannot be run.

    `peak_nbytes`, `fits`, `explain`, `parallelism`, `what_if` and all else that needs the program alone give what they
    gave before; `subgraph` is None and `order` empty.
    memory_limit: bytes or text such as "2GB": a file that may need more, by its size, is refused unread.
    Raises FormatError for a file that is damaged, of another kind or version, or that says what is not so; FileError for
    one that cannot be read; MemoryLimitError.
    """
    limit = parse_nbytes(memory_limit, "load_plan: memory_limit")
    name = shorten(str(as_path(path)))
    content = parse_json(_content(path, name, limit))
    try:
        return _plan(content)
    except VerifyError as error:
        raise FormatError(f"{name} holds a plan that cannot be: {error}") from error
    except MemoryError as error:
        raise MemoryLimitError(f"load_plan: {name} does not fit into memory") from error
    except GraphflowError as error:
        raise FormatError(f"{name}: {error}") from error.__cause__
    except Exception as error:  # an op's rules meet attributes that nobody gave them
        raise FormatError(f"{name} holds a plan that does not fit together: {error}") from error


def _content(path: Any, name: str, limit: int) -> bytes:
    """The JSON of a file, whole and undamaged."""
    with open_regular(path) as (file, size):
        start = file.read(_FRAME.size)
        if start[:8] != MAGIC:
            raise FormatError(f"{name} is no saved plan: it does not begin with {MAGIC.decode()}")
        if len(start) < _FRAME.size:
            raise FormatError(f"{name} ends after {len(start)} bytes; it is cut off")
        _, version, checksum, length = _FRAME.unpack(start)
        if version != VERSION:
            newer = "; a newer graphflow wrote it" if version > VERSION else ""
            raise FormatError(
                f"{name} has format version {version}, this graphflow reads version {VERSION}{newer}"
            )
        if length != size - _FRAME.size:
            raise FormatError(
                f"{name} should have {length:,} bytes of content, it has {size - _FRAME.size:,}"
            )
        if length * NBYTES_PER_BYTE > limit:
            raise MemoryLimitError(
                f"{name} may need {length * NBYTES_PER_BYTE:,} bytes to load, the limit is {limit:,}; "
                f"say memory_limit= to allow more"
            )
        data = read_exactly(file, length, path)
    if hashlib.sha256(struct.pack("<Q", length) + data).digest() != checksum:
        raise FormatError(f"{name} is damaged: its checksum does not fit its content")
    return data


def _plan(content: dict[str, Any]) -> Plan:
    record(content, "the plan", ["writer", "device", "machine", "peak_nbytes", *_TABLES])
    text(content["writer"], "writer")
    program = decode_program(content)
    certify(program, peak_nbytes=integer(content["peak_nbytes"], "peak_nbytes", 0, 1 << 63))
    plan = Plan(program, None, text(content["device"], "device"), _machine(content["machine"]))
    if not math.isfinite(plan.work):  # asks every op for its cost
        raise FormatError("the machine makes a run take forever")
    return plan


def _machine(row: Any) -> Machine:
    usual = Machine()
    record(row, "the machine", [f.name for f in fields(usual)])
    values: dict[str, Any] = {}
    for f in fields(usual):
        kind = type(getattr(usual, f.name))
        try:
            value = (
                int(text(row[f.name], f.name)) if kind is int else float.fromhex(text(row[f.name], f.name))
            )
        except (ValueError, OverflowError):
            value = -1
        if not 0 < value < math.inf or _number_text(value) != row[f.name]:
            raise FormatError(f"the machine's {f.name} is no positive number: {shorten(row[f.name])}")
        values[f.name] = value
    return Machine(**values)


def _number_text(value: float) -> str:
    return float_text(value) if isinstance(value, float) else str(value)
