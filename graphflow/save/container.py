"""The bytes of a saved graph on disk: a checked frame around a JSON header and the constants' arrays.

    offset  bytes  content
    0       8      "GRAPHFLW"
    8       4      format version, little-endian as all numbers here
    12      32     SHA-256 of everything after it
    44      8      length of the header in bytes
    52      ...    header: JSON, ASCII only, no spaces
    ...     ...    the constants, as the safetensors format has them, to the end of the file

Nothing in the file is ever executed, imported or evaluated, and nothing is believed before it is checked.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from graphflow.errors import FormatError, MemoryLimitError, shorten
from graphflow.files import as_path, open_regular, read_exactly
from graphflow.types import STRING, SUPPORTED

__all__ = ["MAGIC", "VERSION", "pack", "parse_json", "unpack"]

MAGIC = b"GRAPHFLW"
VERSION = 1

MAX_DEPTH = 64
"""Nesting of the JSON header; attributes of real graphs need less than ten levels."""
MAX_DIGITS = 100
"""Digits of an integer in the header."""
NBYTES_PER_HEADER_BYTE = 64
"""Memory that one byte of header may need, as JSON objects and as what is made of them: 20 in real graphs; the most that
was found is 52, for a header full of dimensions."""

_FRAME = struct.Struct("<8sI32sQ")
_STORED = {"bfloat16": "uint16", "complex64": "float32", "complex128": "float64"}
"""dtypes that not every safetensors release knows -> how they are stored; complex as pairs in a last axis of 2."""


# --- writing ----------------------------------------------------------------------------------------


def pack(header: Mapping[str, Any], constants: Sequence[np.ndarray[Any, Any]]) -> Iterator[bytes]:
    """The pieces of a file, in order. The same header and constants always give the same bytes."""
    text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    blob = save_tensors({str(k): _storable(array) for k, array in enumerate(constants)})
    length = struct.pack("<Q", len(text))
    digest = hashlib.sha256()
    for piece in (length, text, blob):
        digest.update(piece)
    yield MAGIC + struct.pack("<I", VERSION) + digest.digest() + length
    yield text
    yield blob


def _storable(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype is STRING:
        return _packed(array.ravel().tolist())
    array = np.asarray(array, order="C")  # safetensors reads the memory as it lies
    stored = _STORED.get(array.dtype.name)
    if stored is None:
        return array
    return (array.reshape((*array.shape, 1)) if array.dtype.kind == "c" else array).view(stored)


def _packed(texts: list[bytes]) -> np.ndarray[Any, Any]:
    """Texts as bytes: the length of each in 8 bytes, then all of them."""
    lengths = np.array([len(t) for t in texts], dtype="<u8")
    return np.frombuffer(lengths.tobytes() + b"".join(texts), dtype=np.uint8)


def _unpacked(stored: np.ndarray[Any, Any], count: int) -> list[bytes] | None:
    data = stored.tobytes() if stored.dtype == np.uint8 and stored.ndim == 1 else b""
    if count > len(data) // 8:
        return [] if count == 0 and not data else None
    ends = [8 * count]
    for length in np.frombuffer(data, "<u8", count).tolist():
        ends.append(ends[-1] + length)
    if ends[-1] != len(data):
        return None
    return [data[a:b] for a, b in itertools.pairwise(ends)]


# --- reading ----------------------------------------------------------------------------------------


def unpack(path: Any, limit: int) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """The header and the stored arrays of a file, checked as far as the bytes go.

    limit: bytes of memory that loading may need, forecast from the sizes before anything large is read.
    Raises FormatError for a file that is not one of ours, damaged, or of another version; MemoryLimitError for
    one that is too large; FileError for one that cannot be opened.
    """
    name = shorten(str(as_path(path)))
    with open_regular(path) as (file, size):
        start = file.read(_FRAME.size)
        if start[:8] != MAGIC:
            raise FormatError(f"{name} is no saved graph: it does not begin with {MAGIC.decode()}")
        if len(start) < _FRAME.size:
            raise FormatError(f"{name} ends after {len(start)} bytes; it is cut off")
        _, version, checksum, length = _FRAME.unpack(start)
        if version != VERSION:
            older = "; a newer graphflow wrote it" if version > VERSION else ""
            raise FormatError(
                f"{name} has format version {version}, this graphflow reads version {VERSION}{older}"
            )
        rest = size - _FRAME.size
        if length > rest:
            raise FormatError(
                f"{name} is cut off: its header should have {length:,} bytes, {rest:,} are left"
            )
        need = NBYTES_PER_HEADER_BYTE * length + 2 * (rest - length)
        if need > limit:
            raise MemoryLimitError(
                f"{name} may need {need:,} bytes to load ({length:,} of header, {rest - length:,} of constants), "
                f"the limit is {limit:,}; say memory_limit= to allow more"
            )
        text = read_exactly(file, length, path)
        blob = read_exactly(file, rest - length, path)
        if file.read(1):
            raise FormatError(f"{name} grew while it was read")
    digest = hashlib.sha256(struct.pack("<Q", length))
    digest.update(text)
    digest.update(blob)
    if digest.digest() != checksum:
        raise FormatError(f"{name} is damaged: its checksum does not fit its content")
    try:
        return parse_json(text), _stored_arrays(blob)
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from error.__cause__


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object, read strictly: no byte order mark, no repeated keys, no fractions, NaN or endless integers.

    Raises FormatError, also for nesting deeper than MAX_DEPTH. Time and memory are linear in the text.
    """
    brackets = np.frombuffer(_STRING.sub(b"", text), np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    closing = (brackets == ord("]")) | (brackets == ord("}"))
    steps = opening.astype(np.int8) - closing.astype(np.int8)
    if steps.size and int(np.cumsum(steps, dtype=np.int32).max()) > MAX_DEPTH:
        raise FormatError(f"the header is nested deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is no JSON: {shorten(str(error), 200)}") from None
    if type(value) is not dict:
        raise FormatError(f"the header is no JSON object but {shorten(value)}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        again = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise FormatError(f"the header has the key {shorten(again)} twice in one object")
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise FormatError(f"the header has an integer of {len(text)} digits")
    return int(text)


def _no_fraction(text: str) -> Any:
    raise FormatError(f"the header has the number {shorten(text)}; fractions are written as text")


def _stored_arrays(blob: bytes) -> dict[str, np.ndarray[Any, Any]]:
    try:
        return load_tensors(blob)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise FormatError(f"the constants are not readable: {shorten(str(error), 200)}") from None


def restored(stored: np.ndarray[Any, Any], dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """A constant of that type from the array it was stored as; None where that array does not fit."""
    if dtype == "string":
        texts = _unpacked(stored, math.prod(shape))
        if texts is None:
            return None
        array = np.empty(len(texts), dtype=STRING)
        array[:] = texts
        return array.reshape(shape)
    kept_as = _STORED.get(dtype, dtype)
    pairs = (2,) if dtype.startswith("complex") else ()
    if stored.dtype.name != kept_as or stored.shape != (*shape, *pairs):
        return None
    if kept_as == "bool" and stored.size and int(stored.view(np.uint8).max()) > 1:
        return None
    return stored.view(SUPPORTED[dtype]).reshape(shape)
