"""The checkpoint format: a safetensors file whose header carries checksums, read without trust.

    8 bytes        length of the header, little-endian
    header         JSON: {"__metadata__": {...}, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, ...}
    data           the tensors, C order, little-endian, without gaps

Any safetensors reader opens it. The metadata is what makes it a checkpoint: `format`, `version`, and
`header_sha256` stand first, so that a damaged header is refused before it is parsed; `sha256/w` is the digest of
one tensor's bytes; `dtype/w` names the complex types, which are stored as floats with a last axis of two. A
reader needs the header and the tensors that it wants, so reading one variable of a large file is cheap.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphflow.errors import ArgumentError, FormatError, MemoryLimitError, shorten
from graphflow.files import atomic_write, open_regular, read_exactly
from graphflow.types import MAX_RANK, SUPPORTED, TensorType

__all__ = ["Entry", "Header", "read_header", "read_tensors", "write_tensors"]

FORMAT = "graphflow.checkpoint"
VERSION = 1
HEADER_CAP_NBYTES = 1 << 25
"""Headers above 32 MiB (about 100,000 tensors) are neither written nor read."""

CHUNK_NBYTES = 1 << 20
_CODES = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
_DTYPES = {code: SUPPORTED[name] for name, code in _CODES.items()}
_PARTS = {"complex64": SUPPORTED["float32"], "complex128": SUPPORTED["float64"]}
_ZEROS = "0" * 64
_START = re.compile(
    rb'\{"__metadata__":\{"format":"graphflow\.checkpoint","version":"(\d{1,9})","header_sha256":"([0-9a-f]{64})"'
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one tensor's bytes are: [begin, end) in the data, and their SHA-256 in hexadecimal."""

    type: TensorType
    begin: int
    end: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of a file by name, in the order of their bytes, and where the data begins in it."""

    path: Path
    entries: Mapping[str, Entry]
    data_begin: int


# --- writing --------------------------------------------------------------------------------------


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays of supported dtypes to a file, atomically.

    Names may be any text but `__metadata__`. Wider items stand first, so that each tensor is aligned to its item.
    Raises FileError for what the system refuses, ArgumentError for names whose header would be too large.
    """
    stored = {name: _stored(a) for name, a in arrays.items()}
    order = sorted(stored, key=lambda name: -stored[name].dtype.itemsize)
    digests = {name: hashlib.sha256(_bytes_of(stored[name])).hexdigest() for name in order}
    header = _header(order, arrays, stored, digests)
    atomic_write(path, itertools.chain([header], (_bytes_of(stored[name]) for name in order)))


def _stored(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array's bytes as they stand in the file: C order, little-endian, complex numbers as pairs; one axis."""
    flat = np.asarray(array, order="C").reshape(-1)
    flat = flat.view(_PARTS.get(array.dtype.name, array.dtype))
    return flat if sys.byteorder == "little" else flat.byteswap()


def _bytes_of(stored: np.ndarray[Any, Any]) -> Any:
    return stored.view(np.uint8).data


def _header(
    order: Iterable[str],
    arrays: Mapping[str, np.ndarray[Any, Any]],
    stored: Mapping[str, np.ndarray[Any, Any]],
    digests: Mapping[str, str],
) -> bytes:
    metadata = {"format": FORMAT, "version": str(VERSION), "header_sha256": _ZEROS}
    tensors: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name in order:
        metadata[f"sha256/{name}"] = digests[name]
        shape = list(arrays[name].shape)
        if arrays[name].dtype.name in _PARTS:
            metadata[f"dtype/{name}"] = arrays[name].dtype.name
            shape.append(2)
        begin, end = end, end + stored[name].nbytes
        code = _CODES[stored[name].dtype.name]
        tensors[name] = {"dtype": code, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(tensors, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_CAP_NBYTES:
        raise ArgumentError(f"save: the header would have {len(text)} bytes, more than {HEADER_CAP_NBYTES}")
    unsigned = len(text).to_bytes(8, "little") + text
    digest = hashlib.sha256(unsigned).hexdigest()
    return unsigned.replace(_ZEROS.encode(), digest.encode(), 1)


# --- reading --------------------------------------------------------------------------------------


def read_header(path: Path, what: str) -> Header:
    """What a checkpoint holds; its header is verified, its data only measured.

    what: begins the messages. Raises FileError for a missing file, FormatError for one that is no checkpoint,
    damaged, cut short or of a newer version, MemoryLimitError for a header above the cap.
    """
    with open_regular(path) as (file, file_nbytes):
        return _read_header(file, file_nbytes, path, what)


def _read_header(file: BinaryIO, file_nbytes: int, path: Path, what: str) -> Header:
    shown = shorten(str(path))
    prefix = read_exactly(file, min(8, file_nbytes), path)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > file_nbytes - 8 or length < 2:
        raise FormatError(f"{what}: {shown} is no checkpoint, or was cut short: {file_nbytes} bytes")
    if length > HEADER_CAP_NBYTES:
        raise MemoryLimitError(
            f"{what}: {shown} has a header of {length} bytes, more than {HEADER_CAP_NBYTES}"
        )
    text = read_exactly(file, length, path)
    start = _START.match(text)
    if start is None:
        raise FormatError(f"{what}: {shown} is not a graphflow checkpoint")
    if int(start[1]) != VERSION:
        raise FormatError(
            f"{what}: {shown} is a checkpoint of version {int(start[1])}; this graphflow reads version {VERSION}"
        )
    unsigned = prefix + text[: start.start(2)] + _ZEROS.encode() + text[start.end(2) :]
    if hashlib.sha256(unsigned).hexdigest().encode() != start[2]:
        raise FormatError(f"{what}: {shown} is damaged: the checksum of its header does not match")
    entries = _entries(_parsed(text, shown, what), file_nbytes - 8 - length, shown, what)
    return Header(path, entries, 8 + length)


def _parsed(text: bytes, shown: str, what: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("a key stands twice")
        return made

    def refuse(token: str) -> Any:
        raise ValueError(f"{shorten(token)} is no integer")

    try:
        parsed = json.loads(
            text.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse, parse_float=refuse
        )
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what}: the header of {shown} is malformed: {shorten(str(error))}") from None
    return parsed  # type: ignore[no-any-return]  # its first bytes were those of an object


def _entries(tensors: dict[str, Any], data_nbytes: int, shown: str, what: str) -> dict[str, Entry]:
    """Check every claim of the header: known dtypes, sizes that fit, offsets that cover the data without gaps."""

    def refuse(name: str, why: str) -> FormatError:
        return FormatError(f"{what}: the header of {shown} is malformed: {shorten(name)} {why}")

    metadata = tensors.pop("__metadata__")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise refuse("__metadata__", "holds more than text")
    found: dict[str, Entry] = {}
    for name, value in tensors.items():
        if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
            raise refuse(name, "needs dtype, shape and data_offsets alone")
        code, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        dtype = _DTYPES.get(code) if isinstance(code, str) else None
        if dtype is None:
            raise refuse(name, f"has the unknown dtype {shorten(code)}")
        if not _are_sizes(shape, MAX_RANK + 1) or not _are_sizes(offsets, 2) or len(offsets) != 2:
            raise refuse(name, "has a shape or offsets that are no list of sizes")
        begin, end = offsets
        if math.prod(shape) * dtype.itemsize != end - begin:
            raise refuse(name, f"is {code} {shorten(shape)} but has the bytes {begin} to {end}")
        digest = metadata.get(f"sha256/{name}")
        if digest is None:
            raise refuse(name, "has no checksum")
        found[name] = Entry(
            _true_type(dtype, shape, metadata.get(f"dtype/{name}"), name, refuse), begin, end, digest
        )
    found = dict(sorted(found.items(), key=lambda item: (item[1].begin, item[1].end)))
    covered = 0
    for name, entry in found.items():
        if entry.begin != covered:
            raise refuse(name, f"begins at byte {entry.begin} of the data instead of {covered}")
        covered = entry.end
    if covered != data_nbytes:
        fault = "was cut short" if data_nbytes < covered else "has bytes to spare"
        raise FormatError(f"{what}: {shown} {fault}: {data_nbytes} bytes of data instead of {covered}")
    return found


def _are_sizes(value: Any, longest: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= longest
        and all(type(v) is int and 0 <= v < 1 << 63 for v in value)
    )


def _true_type(
    dtype: np.dtype[Any], shape: list[int], named: str | None, name: str, refuse: Any
) -> TensorType:
    if named is not None:
        if _PARTS.get(named) != dtype or shape[-1:] != [2]:
            raise refuse(name, f"cannot be {shorten(named)}")
        dtype, shape = SUPPORTED[named], shape[:-1]
    if len(shape) > MAX_RANK:
        raise refuse(name, f"has more than {MAX_RANK} axes")
    return TensorType(dtype, tuple(shape))


def read_tensors(header: Header, names: Iterable[str], what: str) -> dict[str, np.ndarray[Any, Any]]:
    """The named tensors of a file, each verified against its checksum.

    The header is read again: a file that was replaced since is refused. Raises FormatError for damage,
    MemoryLimitError where the tensors do not fit into memory.
    """
    wanted = dict.fromkeys(names)
    with open_regular(header.path) as (file, file_nbytes):
        if _read_header(file, file_nbytes, header.path, what) != header:
            raise FormatError(
                f"{what}: {shorten(str(header.path))} was replaced while it was read; try again"
            )
        found = {}
        for name, entry in header.entries.items():
            if name in wanted:
                file.seek(header.data_begin + entry.begin)
                found[name] = _read_array(file, name, entry, header.path, what)
    return {name: found[name] for name in wanted}


def _read_array(file: BinaryIO, name: str, entry: Entry, path: Path, what: str) -> np.ndarray[Any, Any]:
    nbytes = entry.end - entry.begin
    try:
        if (
            nbytes > _memory_nbytes()
        ):  # the system would promise more than it has, and a sparse file costs nothing
            raise MemoryError
        array = np.empty([int(d) for d in entry.type.dims], entry.type.dtype)  # type: ignore[arg-type]  # ints in files
    except (MemoryError, ValueError):
        raise MemoryLimitError(
            f"{what}: {shorten(name)} in {shorten(str(path))} is {entry.type}, {nbytes} bytes: "
            "more than this machine has memory"
        ) from None
    view = array.reshape(-1).view(np.uint8).data
    digest = hashlib.sha256()
    done = 0
    while done < len(view):
        count = file.readinto(view[done : done + CHUNK_NBYTES])  # type: ignore[attr-defined]  # a real file has it
        if not count:
            raise FormatError(f"{what}: {shorten(str(path))} was cut short")
        digest.update(view[done : done + count])
        done += count
    if digest.hexdigest() != entry.sha256:
        raise FormatError(
            f"{what}: {shorten(str(path))} is damaged: the checksum of {shorten(name)} does not match"
        )
    if entry.type.dtype.kind == "b" and done and int(array.view(np.uint8).max()) > 1:
        raise FormatError(f"{what}: {shorten(name)} in {shorten(str(path))} holds bools other than 0 and 1")
    return array if sys.byteorder == "little" else array.byteswap()


def _memory_nbytes() -> float:
    """The machine's memory, or infinity where the system does not say."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
